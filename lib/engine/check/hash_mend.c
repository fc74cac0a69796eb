// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of hash tables, put where a search finds them.
 *
 * An entry at the wrong place moves, in its own snapshot S:
 *
 *	slot, from the hash	taken ... taken   hole or tombstone        ... old place
 *	in S			                  the entry                    tombstone
 *	in the children of S			  tombstone where the old      as it was
 *	that hid the entry                        place was another's
 *
 * so whoever saw it sees it, and whoever had hidden it does not. A slot at which a child of S has a key of its
 * own is no place for it, since that child would lose it: it is passed over, as a tombstone. Tombstones take nothing from
 * anybody and break no chain. The old place is really given up only where no child looks on and nothing stands behind it.
 * The inode's versions that named the old place name the new one from then on: those that saw the entry there, and
 * where S has no version of its own, a new one.
 *
 * A hole that only one snapshot sees, before entries of an ancestor that were displaced over it, becomes a tombstone
 * in that snapshot: what it should have been.
 *
 * Of two entries with one name a search finds the first. The second gets another name if it leads anywhere else;
 * of two attributes the second goes. A duplicate that only a younger snapshot sees, as its first one is younger, is not looked for.
 *
 * Source: docs/format/60-filesystem-keys.md, sections 9, 20.
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/btree/snapshot_update.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/hash_table.h"
#include "engine/names/inode_trans.h"
#include "engine/names/snapshot.h"

#define NAME_BYTES_MAX	255
#define RENAMES_MAX	1000

struct move {
	struct name_check		*n;
	unsigned int			btree_id;
	const struct bkey		*k;		/* where it is */
	const struct inode_fields	*owner;
	struct snapshot_view		view;
	struct hash_name		*name;		/* it has, or is to have */
	struct hash_name		*other;		/* of what is met */
	u64				slot;		/* out: where it is now */
	u64				first;		/* where the other of that name is */
	bool				duplicate, renamed, gone;
};

/* ---- slots ---- */

static struct bpos slot_pos(const struct move *m, u64 slot, u32 snapshot)
{
	return SPOS(m->k->p.inode, slot, snapshot);
}

static int put_tombstone(struct bce_trans *t, const struct move *m, u64 slot, u32 snapshot)
{
	struct bkey k = { .p = slot_pos(m, slot, snapshot), .type = KEY_TYPE_hash_whiteout };

	return bce_trans_update(t, m->btree_id, &k, TRANS_NO_TRIGGER);
}

enum slot_state { SLOT_HOLE, SLOT_TOMBSTONE, SLOT_OTHER, SLOT_SAME_NAME };

/* what the entry's snapshot sees there. enum slot_state or negative errno; @k may be NULL */
static int slot_state(struct bce_trans *t, const struct move *m, u64 slot, struct bkey *k)
{
	struct bkey at;
	int ret = bce_trans_lookup(t, m->btree_id, slot_pos(m, slot, m->view.id), &m->view, 0, &at);

	if (k)
		*k = at;
	if (ret)
		return ret == -ENOENT ? SLOT_HOLE : ret;
	if (!check_hash_name(&at, m->other))
		return at.type == KEY_TYPE_hash_whiteout ? SLOT_TOMBSTONE : SLOT_HOLE;
	return slot != m->k->p.offset && check_hash_same_name(m->name, m->other) ? SLOT_SAME_NAME : SLOT_OTHER;
}

/* the next snapshot from @from on, below the entry's, with a key of its own at @slot; 0 if none. Or negative errno */
static int next_below(struct bce_trans *t, const struct move *m, u64 slot, u32 from, u32 *id)
{
	struct bpos end = slot_pos(m, slot, m->view.id);
	struct bkey k;
	int ret;

	*id = 0;
	for (; from < end.snapshot; from = k.p.snapshot + 1) {
		ret = bce_trans_peek(t, m->btree_id, slot_pos(m, slot, from), end, NULL, TRANS_WHITEOUTS, &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (m->view.is_ancestor(m->view.ctx, k.p.snapshot, end.snapshot)) {
			*id = k.p.snapshot;
			return 0;
		}
	}
	return 0;
}

/* Can the entry stand there without a child losing it? 1, 0, negative errno */
static int slot_is_usable(struct bce_trans *t, const struct move *m, u64 slot)
{
	u32 id;
	int ret = next_below(t, m, slot, 0, &id);

	return ret ?: !id;
}

/* from the first hole on, slots that cannot be used become tombstones */
static int settle_behind(struct bce_trans *t, struct move *m, u64 slot)
{
	int state, ret;

	for (;; slot++) {
		m->slot = slot;
		if (slot == m->k->p.offset && !m->renamed)
			return 0;	/* its own, to which the way is open now */
		state = slot_state(t, m, slot, NULL);
		if (state < 0)
			return state;
		if (state != SLOT_HOLE && state != SLOT_TOMBSTONE)
			continue;
		ret = slot_is_usable(t, m, slot);
		if (ret)
			return min(ret, 0);
		ret = state == SLOT_HOLE ? put_tombstone(t, m, slot, m->view.id) : 0;
		if (ret)
			return ret;
	}
}

/*
 * The place of @m->name, or the entry that has this name and is found there: @m->duplicate.
 */
static int find_place(struct bce_trans *t, struct move *m)
{
	u64 slot = check_hash(m->owner, m->btree_id, m->name), usable = 0;
	bool have = false;
	int ret;

	m->duplicate = false;
	for (;; slot++) {
		int state = slot_state(t, m, slot, NULL);

		if (state < 0)
			return state;
		if (state == SLOT_SAME_NAME) {
			m->duplicate = true;
			m->first = slot;
			return 0;
		}
		if (state == SLOT_HOLE)
			break;
		if (state != SLOT_TOMBSTONE || have)
			continue;
		ret = slot_is_usable(t, m, slot);
		if (ret < 0)
			return ret;
		have = ret;
		usable = slot;
	}
	if (!have)
		return settle_behind(t, m, slot);
	m->slot = usable;
	return 0;
}

/* ---- what says where its name is ---- */

static int name_moves(struct bce_trans *t, const struct move *m, struct inode_fields *f, u32 snapshot)
{
	if (f->snapshot != snapshot)
		f->flags &= ~BIT(INODE_FLAG_has_child_snapshot);
	f->snapshot = snapshot;
	f->dir_offset = m->slot;
	return bce_inode_trans_put(t, f);
}

/* Does @snapshot, the entry's or one below, see the entry? 1, 0, negative errno */
static int sees_entry(struct bce_trans *t, const struct move *m, u32 snapshot)
{
	struct snapshot_view view = bce_snapshot_view(m->n->c->snapshots, snapshot);
	struct bkey k;
	int ret;

	if (!bce_snapshot_is_ancestor(m->n->c->snapshots, snapshot, m->view.id))
		return 0;
	ret = bce_trans_lookup(t, m->btree_id, slot_pos(m, m->k->p.offset, snapshot), &view, 0, &k);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return k.p.snapshot == m->view.id;
}

static int version_moves(struct bce_trans *t, const struct move *m, struct inode_fields *f, u32 subvol, u32 seen)
{
	int ret;

	if (f->dir != m->k->p.inode || f->dir_offset != m->k->p.offset || f->subvol != subvol)
		return 0;
	/* of the root of a subvolume all versions have the one name that the subvolume has */
	if (subvol)
		return name_moves(t, m, f, f->snapshot);
	if (f->snapshot == seen)
		return name_moves(t, m, f, m->view.id);
	ret = sees_entry(t, m, f->snapshot);
	return ret > 0 ? name_moves(t, m, f, f->snapshot) : ret;
}

/* the snapshot of the version that the entry's snapshot sees; 0: none */
static int seen_version(struct bce_trans *t, const struct move *m, u64 inum, u32 *snapshot)
{
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_inodes, SPOS(0, inum, m->view.id), &m->view, 0, &k);

	*snapshot = ret ? 0 : k.p.snapshot;
	return ret == -ENOENT ? 0 : ret;
}

static int versions_move(struct bce_trans *t, const struct move *m, u64 inum, u32 subvol)
{
	struct bpos at = POS(0, inum);
	struct inode_fields f;
	struct bkey k;
	u32 seen;
	int ret = seen_version(t, m, inum, &seen);

	while (!ret) {
		ret = bce_trans_peek(t, BTREE_ID_inodes, at, POS(0, inum + 1), NULL, 0, &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		at = bpos_successor(k.p);
		if (!bce_key_type_is_inode(k.type) || bce_inode_unpack(&k, &f))
			continue;
		f.inum = inum;
		f.snapshot = k.p.snapshot;
		ret = version_moves(t, m, &f, subvol, seen);
	}
	return ret;
}

static int target_follows(struct bce_trans *t, const struct move *m)
{
	struct subvolume_info s;
	struct dirent_info d;
	int ret;

	if (m->btree_id != BTREE_ID_dirents)
		return 0;
	bce_dirent_decode(m->k, &d);
	if (d.d_type != BCH_DT_SUBVOL)
		return versions_move(t, m, d.inum, 0);
	ret = check_subvolume_lookup(m->n, d.child_subvol, &s);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return versions_move(t, m, s.inode, s.id);
}

/* ---- moving ---- */

/* a child that has a key of its own at the old place does not see the entry there, nor is it to see it at the new one */
static int hide_from_children(struct bce_trans *t, const struct move *m)
{
	u32 id, from;
	int ret;

	for (from = 0; ; from = id + 1) {
		ret = next_below(t, m, m->k->p.offset, from, &id);
		if (ret || !id)
			return ret;
		ret = put_tombstone(t, m, m->slot, id);
		if (ret)
			return ret;
	}
}

/* the last step: what stands behind is looked at as it is then */
static int leave_old_place(struct bce_trans *t, const struct move *m)
{
	struct hash_table h = {
		.t = t, .btree_id = m->btree_id, .inum = m->k->p.inode, .hash_type = m->owner->str_hash,
		.hash_seed = m->owner->hash_seed, .view = &m->view,
	};
	int ret = 1;

	if (!bce_snapshot_has_children(m->n->c->snapshots, m->view.id))
		ret = bce_hash_slot_is_needed(&h, m->k->p.offset);
	if (ret < 0)
		return ret;
	return ret ? put_tombstone(t, m, m->k->p.offset, m->view.id) :
		     bce_snapshot_delete(t, m->btree_id, m->k->p, &m->view, TRANS_NO_TRIGGER);
}

static int put_entry(struct bce_trans *t, const struct move *m)
{
	struct bkey k = *m->k;
	struct dirent_info d;

	k.p.offset = m->slot;
	if (m->renamed) {
		bce_dirent_decode(m->k, &d);
		d.name = m->name->bytes;
		d.name_len = m->name->len;
		bce_dirent_encode(&k, &m->n->mend->val, &d);
	}
	return bce_trans_update(t, m->btree_id, &k, TRANS_NO_TRIGGER);
}

static int move_entry(struct bce_trans *t, const struct move *m)
{
	int ret;

	if (m->slot == m->k->p.offset)
		return 0;
	ret = target_follows(t, m);
	if (!ret)
		ret = put_entry(t, m);
	if (!ret)
		ret = hide_from_children(t, m);
	return ret ?: leave_old_place(t, m);
}

/* ---- duplicates ---- */

static bool leads_to_the_same(const struct bkey *a, const struct bkey *b)
{
	struct dirent_info l, r;

	bce_dirent_decode(a, &l);
	bce_dirent_decode(b, &r);
	return (l.d_type == BCH_DT_SUBVOL) == (r.d_type == BCH_DT_SUBVOL) && l.inum == r.inum &&
		l.child_subvol == r.child_subvol;
}

/* NAME.fsck-renamed-NR, cut between characters of UTF-8 */
static void make_name(const struct bkey *k, unsigned int nr, struct hash_name *out)
{
	struct dirent_info d;
	char end[32];
	unsigned int end_len = scnprintf(end, sizeof(end), ".fsck-renamed-%u", nr);

	bce_dirent_decode(k, &d);
	out->len = min_t(unsigned int, d.name_len, NAME_BYTES_MAX - end_len);
	while (out->len && out->len < d.name_len && (d.name[out->len] & 0xc0) == 0x80)
		out->len--;
	memcpy(out->bytes, d.name, out->len);
	memcpy(out->bytes + out->len, end, end_len);
	out->len += end_len;
}

static int rename_entry(struct bce_trans *t, struct move *m)
{
	int ret = 0;

	m->renamed = m->duplicate = true;
	for (unsigned int nr = 0; !ret && m->duplicate; nr++) {
		if (nr == RENAMES_MAX)
			return -EEXIST;
		make_name(m->k, nr, m->name);
		ret = find_place(t, m);
	}
	return ret ?: move_entry(t, m);
}

static int settle_duplicate(struct bce_trans *t, struct move *m)
{
	u64 first = m->first;
	struct bkey k;
	u32 hider;
	int state = slot_state(t, m, first, &k), ret;

	if (state < 0)
		return state;
	if (m->n->c->repair->careful || m->n->mend->unsure)
		return -EEXIST;
	/* who has hidden the first one sees this one only */
	ret = next_below(t, m, first, 0, &hider);
	if (ret)
		return ret;
	if (m->btree_id == BTREE_ID_dirents && (hider || !leads_to_the_same(&k, m->k)))
		ret = rename_entry(t, m);
	else
		ret = leave_old_place(t, m);
	m->gone = !m->renamed;
	m->first = first;
	return ret;
}

static int settle_entry(struct bce_trans *t, void *ctx)
{
	struct move *m = ctx;
	int ret;

	m->renamed = m->gone = false;
	check_hash_name(m->k, m->name);
	ret = find_place(t, m);
	if (ret)
		return ret;
	return m->duplicate ? settle_duplicate(t, m) : move_entry(t, m);
}

/* ---- for the checker ---- */

static void say_entry(const struct move *m)
{
	struct text_buf text = TEXT_BUF_INIT;
	const struct bpos p = m->k->p;

	check_hash_name(m->k, m->other);
	bce_text_printf(&text, "btree %s %llu:%llu:%u", bce_btree_name(m->btree_id), p.inode, p.offset, p.snapshot);
	if (m->btree_id == BTREE_ID_dirents)
		bce_text_printf(&text, " \"%.*s\"", m->other->len, m->other->bytes);
	if (m->gone)
		bce_text_printf(&text, ": removed, as the same is at %llu", m->first);
	else if (m->renamed)
		bce_text_printf(&text, ": the same name is at %llu, is now \"%.*s\" at %llu", m->first, m->name->len,
				m->name->bytes, m->slot);
	else if (m->slot == p.offset)
		bce_text_printf(&text, ": places before it taken, so that it is found");
	else
		bce_text_printf(&text, ": is now at %llu, where it is found", m->slot);
	mend_say(m->n, &text);
	bce_text_exit(&text);
}

/* Is there anything to give another name to? What leads nowhere is judged next, and goes */
static bool leads_nowhere(struct name_check *n, const struct bkey *k)
{
	struct subvolume_info s;
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return false;
	bce_dirent_decode(k, &d);
	if (d.d_type == BCH_DT_SUBVOL)
		return check_subvolume_lookup(n, d.child_subvol, &s) == -ENOENT;
	return check_dirent_leads_nowhere(n, k, d.inum) == 1;
}

int mend_hash_entry(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		    const struct inode_fields *owner)
{
	struct move m = {
		.n = n, .btree_id = btree_id, .k = k, .owner = owner,
		.view = bce_snapshot_view(n->c->snapshots, k->p.snapshot),
		.name = &n->names[0], .other = &n->names[1],
	};
	int ret;

	if (!n->c->repair || leads_nowhere(n, k))
		return 0;
	ret = mend_run(n, settle_entry, &m);
	if (ret)
		return ret == -EEXIST ? 0 : mend_tried(ret);
	n->mend->moved = true;
	say_entry(&m);
	return 1;
}

int mend_hash_hole(struct name_check *n, unsigned int btree_id, struct bpos p)
{
	const struct bkey k = { .p = p, .type = KEY_TYPE_hash_whiteout };
	struct text_buf text = TEXT_BUF_INIT;
	int ret;

	if (!n->c->repair)
		return 0;
	ret = mend_name_put(n, btree_id, &k);
	if (ret)
		return mend_tried(ret);
	bce_text_printf(&text, "btree %s %llu:%llu:%u: hole made a tombstone, so that what is behind it is found",
			bce_btree_name(btree_id), p.inode, p.offset, p.snapshot);
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}
