// SPDX-License-Identifier: GPL-2.0
/*
 * Shared extents and the references to them (docs/format/60-filesystem-keys.md, section 13).
 *
 *	reflink btree   ---[ v1 ][   v2   ]-----        refcount: references that touch it
 *	                       ^^^^^^^^             what the file shows: [idx, idx + size)
 *	                   ^^^^        ^^^          pads: up to the borders of v1, v2
 *
 * A reference holds one count on every shared key its padded range touches. The pads are those of
 * the keys as they were when it was inserted: should v2 be cut in two later, both parts keep v2's
 * count, and the padded range finds both when the reference goes.
 *
 * Counts of one transaction are summed in TRANS_SLOT_REFLINK, by the shared key's position, and
 * applied when all keys of a round have been seen: a key that loses one reference and gains another
 * is not even touched. finish() changes shared keys by ordinary updates, whose own triggers then
 * see to space and back references.
 */
#include "engine/data/reflink.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/util/log.h"

struct ref_delta {
	struct bpos	pos;		/* of the shared key */
	s64		delta;
};

struct ref_deltas {
	struct ref_delta	*d;
	unsigned int		nr, room;
};

static bool is_shared(unsigned int type)
{
	return type == KEY_TYPE_reflink_v || type == KEY_TYPE_indirect_inline_data;
}

static int delta_add(struct bce_trans *t, struct bpos pos, s64 by)
{
	struct ref_deltas *s = bce_trans_slot(t, TRANS_SLOT_REFLINK, sizeof(*s));

	if (!s)
		return -ENOMEM;
	for (unsigned int i = s->nr; i--; ) {
		if (bpos_cmp(s->d[i].pos, pos))
			continue;
		s->d[i].delta += by;
		return 0;
	}
	if (s->nr == s->room) {
		unsigned int room = s->room ? 2 * s->room : 8;
		struct ref_delta *more = bce_trans_alloc(t, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		if (s->nr)
			memcpy(more, s->d, s->nr * sizeof(*more));
		s->d = more;
		s->room = room;
	}
	s->d[s->nr++] = (struct ref_delta) { .pos = pos, .delta = by };
	return 0;
}

/* the shared key that covers address @at. -ENOENT: none, or it was lost */
static int shared_at(struct bce_trans *t, u64 at, struct bkey *k)
{
	int ret = bce_trans_peek(t, BTREE_ID_reflink, POS(0, at), POS(0, at + 1), NULL, 0, k);

	if (!ret && !is_shared(k->type))
		return -ENOENT;
	return ret;
}

/* unless it only looks so, as somebody has committed between two reads */
static int complain_missing(struct bce_trans *t, struct bce_log *log, const struct bkey *p, u64 at)
{
	int ret = bce_trans_check_reads(t);

	if (ret)
		return ret;
	bce_log_error(log, BCE_ERR_reflink_p_to_missing_reflink_v,
		      "inode %llu sectors %llu to %llu: no shared extent at %llu", p->p.inode,
		      bkey_start_offset(p), p->p.offset, at);
	return 0;
}

/*
 * One count more or less on everything in @p's padded range. A gap is damage: a new reference must
 * not have one, an old one goes in spite of it.
 */
static int count_refs(struct bce_trans *t, struct bce_log *log, const struct bkey *p, s64 by)
{
	struct reflink_p_info info;
	struct bkey k;
	u64 at, end;
	int ret;

	bce_reflink_p_decode(p, &info);
	at = info.idx - min_t(u64, info.front_pad, info.idx);
	end = info.idx + p->size + info.back_pad;
	while (at < end) {
		ret = shared_at(t, at, &k);
		if (ret == -ENOENT) {
			ret = complain_missing(t, log, p, at);
			if (ret || by > 0)
				return ret ?: -EIO;
			ret = bce_trans_peek(t, BTREE_ID_reflink, POS(0, at), POS(0, end), NULL, 0,
					     &k);
			if (ret == -ENOENT)
				return 0;
		}
		if (ret)
			return ret;
		if (is_shared(k.type))
			ret = delta_add(t, k.p, by);
		if (ret)
			return ret;
		at = k.p.offset;
	}
	return 0;
}

int bce_reflink_trigger(struct bce_trans *t, struct bce_log *log, enum btree_trigger_phase phase,
			unsigned int btree_id, unsigned int level, const struct bkey *old,
			const struct bkey *new)
{
	if (btree_id != BTREE_ID_extents || level)
		return 0;
	if (phase == TRIGGER_OVERWRITE && old->type == KEY_TYPE_reflink_p)
		return count_refs(t, log, old, -1);
	if (phase == TRIGGER_INSERT && new->type == KEY_TYPE_reflink_p)
		return count_refs(t, log, new, 1);
	return 0;
}

static int apply_delta(struct bce_trans *t, struct bce_log *log, const struct ref_delta *d)
{
	struct bkey k;
	__le64 *v;
	u64 count;
	int ret = bce_trans_lookup(t, BTREE_ID_reflink, d->pos, NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? -EIO : ret;
	count = bce_reflink_refcount(&k);
	if (d->delta < 0 && count < (u64)-d->delta) {
		ret = bce_trans_check_reads(t);
		if (ret)
			return ret;
		bce_log_error(log, BCE_ERR_reflink_v_refcount_wrong,
			      "shared extent at %llu: %llu references, %lld to go", k.p.offset,
			      count, -d->delta);
		count = -d->delta;
	}
	count += d->delta;
	if (!count)
		return bce_trans_delete(t, BTREE_ID_reflink, k.p, 0);
	v = bce_trans_alloc(t, bkey_val_bytes(&k));
	if (!v)
		return -ENOMEM;
	memcpy(v, k.v, bkey_val_bytes(&k));
	*v = cpu_to_le64(count);
	k.v = v;
	return bce_trans_update(t, BTREE_ID_reflink, &k, 0);
}

int bce_reflink_trigger_finish(struct bce_trans *t, struct bce_log *log)
{
	struct ref_deltas *s = bce_trans_slot(t, TRANS_SLOT_REFLINK, sizeof(*s));
	int ret = 0;

	if (!s)
		return -ENOMEM;
	for (unsigned int i = 0; !ret && i < s->nr; i++)
		if (s->d[i].delta)
			ret = apply_delta(t, log, &s->d[i]);
	s->nr = 0;
	return ret;
}

int bce_reflink_set_pads(struct bce_trans *t, struct bkey *k)
{
	struct bch_reflink_p *p = (void *)k->v;
	s64 front = 0, back = 0;
	u64 idx, at;
	int ret;

	if (bkey_val_bytes(k) < sizeof(*p))
		return -EIO;
	idx = le64_to_cpu(p->idx);
	for (at = idx; at < idx + k->size; ) {
		struct bkey v;

		ret = shared_at(t, at, &v);
		if (ret)
			return ret == -ENOENT ? -EIO : ret;
		front = max_t(s64, front, idx - bkey_start_offset(&v));
		back = max_t(s64, back, v.p.offset - k->size - idx);
		at = v.p.offset;
	}
	p->front_pad = cpu_to_le32(front);
	p->back_pad = cpu_to_le32(back);
	return 0;
}

int bce_reflink_end(struct bce_trans *t, u64 *end)
{
	struct bkey k;
	int ret = bce_trans_peek_prev(t, BTREE_ID_reflink, SPOS(0, U64_MAX, 0), POS_MIN, 0, &k);

	*end = ret ? 0 : k.p.offset;
	return ret == -ENOENT ? 0 : ret;
}

int bce_reflink_make_shared(struct bce_trans *t, const struct bkey *k, u64 idx, struct bkey *out)
{
	__le64 *v;

	if (k->type != KEY_TYPE_extent && k->type != KEY_TYPE_inline_data)
		return -EINVAL;
	v = bce_trans_alloc(t, bkey_val_bytes(k) + sizeof(*v));
	if (!v)
		return -ENOMEM;
	memcpy(v + 1, k->v, bkey_val_bytes(k));
	*out = *k;
	out->p = POS(0, idx + k->size);
	out->type = k->type == KEY_TYPE_extent ? KEY_TYPE_reflink_v :
						 KEY_TYPE_indirect_inline_data;
	out->val_u64s = k->val_u64s + 1;
	out->v = v;
	return 0;
}

int bce_reflink_make_p(struct bce_trans *t, struct bpos p, u32 size, u64 idx, struct bkey *out)
{
	struct bch_reflink_p *v = bce_trans_alloc(t, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->idx = cpu_to_le64(idx);
	*out = (struct bkey) {
		.p		= p,
		.size		= size,
		.type		= KEY_TYPE_reflink_p,
		.val_u64s	= sizeof(*v) / sizeof(u64),
		.v		= v,
	};
	return 0;
}
