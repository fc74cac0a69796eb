// SPDX-License-Identifier: GPL-2.0
/*
 * Taking a free bucket of a member.
 *
 * A cursor goes round the member's ranges in freespace, one for data and one for btree nodes. Buckets with
 * a small generation distance come first: the search goes through the distances, each from
 * the cursor to the end and then from the beginning. For nodes a first round looks only where the
 * member's btree bitmap is marked already, because marking more means writing superblocks.
 *
 * What the freespace btree says may be outdated a moment later. So the bucket is opened first, and
 * then its alloc key is read: if that says free, nobody can take the bucket away any more, as only
 * who has it open commits pointers into it.
 *
 * Locks: pick_lock of the member > node locks (reading); open.lock.
 *
 * Source: docs/format/75-allocation.md, section 9; 4.3.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "engine/alloc/encode.h"
#include "engine/util/event.h"

/* nodes that reserves are measured in */
#define RESERVE_NODES		28
/* largest generation distance of a free bucket, as freespace keys have it */
#define GEN_BITS_MAX		5
/* unusable buckets in a row before a search gives up: their journal entries wait to be flushed */
#define PICK_TRIES		256

static u64 node_reserve(const struct allocator *a, const struct member_info *m)
{
	return DIV_ROUND_UP(RESERVE_NODES, max(m->bucket_sectors / a->config.node_sectors, 1U));
}

u64 alloc_reserve_buckets(const struct allocator *a, const struct member_info *m,
			  enum alloc_watermark wm)
{
	u64 r = node_reserve(a, m);

	switch (wm) {
	case ALLOC_STRIPE:
		return 2 * r + 2 * (m->nbuckets / 64);
	case ALLOC_NORMAL:
		return 2 * r + m->nbuckets / 64;
	case ALLOC_COPYGC:
		return 2 * r;
	case ALLOC_BTREE:
		return r;
	default:
		return 0;
	}
}

int alloc_free_buckets(struct allocator *a, unsigned int dev, enum alloc_watermark wm, u64 *nr)
{
	s64 counters[3], left;
	int ret = alloc_dev_counters(a, dev, BCH_DATA_free, counters);

	left = counters[0] - alloc_open_nr_free(a, dev) -
	       (s64)alloc_reserve_buckets(a, &a->dev[dev].info, wm);
	*nr = left > 0 ? left : 0;
	return ret;
}

/* ---- is it free, and from which generation on ---- */

static int bucket_read(struct allocator *a, unsigned int dev, u64 bucket, struct alloc_info *info)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	*info = (struct alloc_info) { };
	bce_btree_iter_init(&iter, a->config.btrees, BTREE_ID_alloc, 0, POS(dev, bucket), 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (k && k->p.inode == dev && k->p.offset == bucket && bce_key_type_is_alloc(k->type))
		ret = bce_alloc_decode(k, info) ? -EIO : 0;
	bce_btree_iter_exit(&iter);
	return ret;
}

/* Return: 1 taken, 0 not usable now, negative errno */
static int bucket_try(struct allocator *a, unsigned int dev, u64 bucket, unsigned int data_type,
		      enum alloc_watermark wm, struct open_bucket **out)
{
	struct alloc_info info;
	bool full;
	int ret;

	*out = alloc_open_get(a, dev, bucket, data_type, wm, &full);
	if (!*out)
		return full ? -EAGAIN : 0;
	ret = bucket_read(a, dev, bucket, &info);
	if (!ret && info.data_type == BCH_DATA_free &&
	    info.journal_seq <= alloc_flushed_seq(a)) {
		(*out)->gen = info.gen;
		alloc_gen_set(a, dev, bucket, info.gen);
		bce_event(a->config.log, BCE_EVENT_bucket_alloc, 1);
		trace_bce_bucket_alloc(bce_event_set(a->config.log), dev, bucket, 0);
		return 1;
	}
	alloc_open_put(a, *out);
	*out = NULL;
	return ret;
}

/* ---- the search ---- */

struct pick {
	struct allocator	*a;
	unsigned int		dev;
	unsigned int		data_type;
	enum alloc_watermark	wm;
	unsigned int		tries;
	struct open_bucket	*found;
};

/* first free bucket in [start, end) of a range of freespace offsets; *start moves there. 1, 0, -errno */
static int range_next(struct pick *p, u64 *start, u64 end)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, p->a->config.btrees, BTREE_ID_freespace, 0,
			    POS(p->dev, *start), 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (k && k->p.inode == p->dev && bkey_start_offset(k) < end) {
		*start = max(*start, bkey_start_offset(k));
		ret = 1;
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/* Return: 1 found, 0 none, negative errno */
static int pick_range(struct pick *p, u64 gen_bits, u64 first, u64 last)
{
	u64 at = bce_freespace_start(gen_bits, first);
	u64 end = bce_freespace_start(gen_bits, last);
	int ret;

	while (at < end && p->tries) {
		ret = range_next(p, &at, end);
		if (ret <= 0)
			return ret;
		ret = bucket_try(p->a, p->dev, bce_freespace_bucket(at), p->data_type, p->wm,
				 &p->found);
		if (ret)
			return ret;
		at++;
		p->tries--;
	}
	return 0;
}

static int pick_round(struct pick *p, u64 cursor, u64 first, u64 last)
{
	u64 middle = clamp(cursor, first, last);
	int ret = 0;

	for (u64 g = 0; g <= GEN_BITS_MAX && !ret; g++) {
		ret = pick_range(p, g, middle, last);
		if (!ret)
			ret = pick_range(p, g, first, middle);
	}
	return ret;
}

/* the btree bitmap, both parts of one moment */
struct marked {
	u64		bitmap;
	unsigned int	shift;		/* sectors per bit, as a power of two */
};

static struct marked marked_regions(struct allocator *a, unsigned int dev)
{
	struct marked marked;

	mutex_lock(&a->members_lock);
	marked.bitmap = a->dev[dev].info.btree_bitmap;
	marked.shift = a->dev[dev].info.btree_bitmap_shift;
	mutex_unlock(&a->members_lock);
	return marked;
}

/* runs of marked regions of the btree bitmap, as buckets that lie in them whole */
static int pick_marked(struct pick *p, u64 cursor)
{
	const struct member_info *m = &p->a->dev[p->dev].info;
	struct marked marked = marked_regions(p->a, p->dev);
	unsigned int bit = 0, run;
	int ret = 0;

	while (bit < 64 && !ret) {
		if (!(marked.bitmap >> bit & 1)) {
			bit++;
			continue;
		}
		for (run = bit; run < 64 && (marked.bitmap >> run & 1); run++)
			;
		ret = pick_round(p, cursor,
				 max_t(u64, m->first_bucket,
				       DIV64_U64_ROUND_UP((u64)bit << marked.shift,
							  m->bucket_sectors)),
				 min_t(u64, m->nbuckets,
				       div64_u64((u64)run << marked.shift,
						 m->bucket_sectors)));
		bit = run;
	}
	return ret;
}

static bool bucket_is_marked(struct allocator *a, unsigned int dev, u64 bucket)
{
	const struct member_info *m = &a->dev[dev].info;
	struct marked marked = marked_regions(a, dev);
	u64 start = bucket * m->bucket_sectors, last = start + m->bucket_sectors - 1;

	if (last >> marked.shift >= 64)
		return false;
	for (u64 bit = start >> marked.shift; bit <= last >> marked.shift; bit++)
		if (!(marked.bitmap >> bit & 1))
			return false;
	return true;
}

/* under pick_lock: nodes will lie in it, which superblocks have to say first */
static int bucket_mark_btree(struct allocator *a, unsigned int dev, u64 bucket)
{
	struct member_info *m = &a->dev[dev].info, now;
	const struct bch_sb *sb;
	int ret;

	if (bucket_is_marked(a, dev, bucket))
		return 0;
	ret = bce_sb_mark_btree(a->config.sb, dev, bucket * m->bucket_sectors, m->bucket_sectors);
	if (ret)
		return ret;
	sb = bce_sb_edit_begin(a->config.sb);
	bce_sb_member(sb, dev, &now);
	bce_sb_edit_end(a->config.sb);
	mutex_lock(&a->members_lock);
	m->btree_bitmap = now.btree_bitmap;
	m->btree_bitmap_shift = now.btree_bitmap_shift;
	mutex_unlock(&a->members_lock);
	return 0;
}

static int pick_locked(struct pick *p)
{
	struct alloc_dev *d = &p->a->dev[p->dev];
	bool btree = p->data_type == BCH_DATA_btree;
	u64 *cursor = &d->cursor[btree];
	int ret = 0;

	if (btree)
		ret = pick_marked(p, *cursor);
	if (!ret)
		ret = pick_round(p, *cursor, d->info.first_bucket, d->info.nbuckets);
	if (ret <= 0)
		return ret ?: -ENOSPC;
	ret = btree ? bucket_mark_btree(p->a, p->dev, p->found->bucket) : 0;
	if (ret) {
		alloc_open_put(p->a, p->found);
		return ret;
	}
	*cursor = p->found->bucket + 1;
	return 0;
}

int alloc_bucket_pick(struct allocator *a, unsigned int dev, unsigned int data_type,
		      enum alloc_watermark wm, struct open_bucket **out)
{
	struct pick p = {
		.a = a, .dev = dev, .data_type = data_type, .wm = wm, .tries = PICK_TRIES,
	};
	u64 nr_free;
	int ret;

	if (!READ_ONCE(a->dev[dev].freespace))
		return -ENOSPC;
	mutex_lock(&a->dev[dev].pick_lock);
	ret = alloc_free_buckets(a, dev, wm, &nr_free);
	if (!ret)
		ret = nr_free ? pick_locked(&p) : -ENOSPC;
	mutex_unlock(&a->dev[dev].pick_lock);
	*out = p.found;
	return ret;
}
