// SPDX-License-Identifier: GPL-2.0
/*
 * Putting an extent into the extents btree over what is there (docs/format/60-filesystem-keys.md,
 * section 21).
 *
 * A new range [a, b) in snapshot S meets keys K = [s, e) of S itself or of ancestors A:
 *
 *                 a             b
 *	K (in A)    s--|-------------|--e
 *	           front    middle    back
 *
 *	front    copy of K up to a, in A, at the new END a
 *	middle   only if A is not S: the other snapshots below A go on seeing it
 *	back     K itself, its front cut, at the END it has
 *	old END  if K ends inside the range: nothing may show there in S any more
 *	b        what shows there in S is the new key, or after a deletion nothing: not the middle
 *
 * END positions are what snapshots hide by: a key of S at position e hides A's key at e. A piece
 * with a new END is hidden from nobody, though, so for each child that had hidden K, a whiteout
 * repeats that at the piece's END.
 *
 * All of this is put into a transaction that sees its own updates, key by key from left to right. What
 * a piece refers to in the reflink btree is counted anew: its pads are computed here (reflink.c).
 *
 * Merging is tried with the keys before and behind, in the same snapshot, if that has no
 * children: there nobody can have hidden one of the two alone.
 */
#include "engine/data/extent_update.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/data/reflink.h"
#include "engine/format/ids.h"
#include "engine/key/extent_edit.h"

/* one range that is written, and what has been found out about it */
struct range_update {
	struct bce_trans		*t;
	const struct extent_env		*env;
	struct snapshot_view		view;		/* of the snapshot written in */
	u64				inum;
	u64				start, end;
	bool				children;	/* the snapshot has any */
	struct extent_change		*change;
};

bool bce_extent_type_counts(unsigned int type)
{
	switch (type) {
	case KEY_TYPE_extent:
	case KEY_TYPE_reservation:
	case KEY_TYPE_reflink_p:
	case KEY_TYPE_reflink_v:
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
	case KEY_TYPE_error:
		return true;
	default:
		return false;
	}
}

static struct snapshot_view view_of(const struct extent_env *env, u32 id)
{
	return env->snapshots->view(env->snapshots->ctx, id);
}

static bool has_children(const struct extent_env *env, u32 id)
{
	return env->snapshots->has_children(env->snapshots->ctx, id);
}

static int put_whiteout(struct bce_trans *t, struct bpos pos)
{
	struct bkey k = { .p = pos, .type = KEY_TYPE_whiteout };

	return bce_trans_update(t, BTREE_ID_extents, &k, 0);
}

/* would an ancestor's key at @pos show if there were none in its snapshot? 1, 0, errno */
static int ancestor_shows(struct range_update *u, struct bpos pos)
{
	u32 parent = u->env->snapshots->parent(u->env->snapshots->ctx, pos.snapshot);
	struct snapshot_view view;
	struct bkey k;
	int ret;

	if (!parent)
		return 0;
	view = view_of(u->env, parent);
	pos.snapshot = parent;
	ret = bce_trans_lookup(u->t, BTREE_ID_extents, pos, &view, 0, &k);
	if (ret == -ENOENT)
		return 0;
	return ret ?: 1;
}

/* nothing is to be seen at @pos in its own snapshot */
static int clear_position(struct range_update *u, struct bpos pos)
{
	int ret = ancestor_shows(u, pos);

	if (ret < 0)
		return ret;
	return ret ? put_whiteout(u->t, pos) :
		     bce_trans_delete(u->t, BTREE_ID_extents, pos, 0);
}

/* ---- pieces ---- */

int bce_extent_piece(struct bce_trans *t, const struct bkey *k, u64 start, u64 end,
		     struct bkey *out)
{
	void *v = bce_trans_alloc(t, max(bkey_val_bytes(k), 8U));

	if (!v)
		return -ENOMEM;
	*out = *k;
	if (bkey_val_bytes(k))
		memcpy(v, k->v, bkey_val_bytes(k));
	out->v = v;
	bce_key_cut_front(out, start);
	bce_key_cut_back(out, end);
	return 0;
}

/* snapshots below the key's own with a key at its position: the highest ids first */
struct hiders {
	u32		*id;
	unsigned int	nr, room;
	bool		whiteouts;	/* only these */
};

static int hiders_add(struct bce_trans *t, struct hiders *h, u32 id)
{
	if (h->nr == h->room) {
		unsigned int room = h->room ? 2 * h->room : 16;
		u32 *more = bce_trans_alloc(t, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		if (h->nr)
			memcpy(more, h->id, h->nr * sizeof(*more));
		h->id = more;
		h->room = room;
	}
	h->id[h->nr++] = id;
	return 0;
}

static int hiders_collect(struct range_update *u, struct bpos pos, struct hiders *h)
{
	struct snapshot_view view = view_of(u->env, pos.snapshot);
	struct bpos at = POS(pos.inode, pos.offset - 1);
	struct bkey k;
	int ret;

	for (;;) {
		ret = bce_trans_peek(u->t, BTREE_ID_extents, at, SPOS_MAX, NULL, TRANS_WHITEOUTS,
				     &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (bpos_cmp_logical(k.p, pos) || k.p.snapshot >= pos.snapshot)
			return 0;
		if (view.is_ancestor(view.ctx, k.p.snapshot, pos.snapshot) &&
		    (!h->whiteouts || k.type == KEY_TYPE_whiteout))
			ret = hiders_add(u->t, h, k.p.snapshot);
		if (ret)
			return ret;
		at = bce_trans_after(BTREE_ID_extents, &k, NULL);
	}
}

/* The key at (@piece, in the view of @id) that hides there what lies in piece.snapshot. 1, 0, errno */
static int is_hidden(struct range_update *u, struct bpos piece, u32 id)
{
	struct snapshot_view view = view_of(u->env, id);
	struct bpos pos = SPOS(piece.inode, piece.offset, id);
	struct bkey k;
	int ret = bce_trans_lookup(u->t, BTREE_ID_extents, pos, &view, TRANS_WHITEOUTS, &k);

	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	return k.p.snapshot < piece.snapshot;
}

static bool below_another(struct range_update *u, const struct hiders *h, unsigned int idx)
{
	struct snapshot_view view = view_of(u->env, h->id[idx]);

	for (unsigned int i = idx + 1; i < h->nr; i++)
		if (view.is_ancestor(view.ctx, h->id[idx], h->id[i]))
			return true;
	return false;
}

/*
 * Who saw the key is to see the piece (docs/format/60, section 21). A whiteout at its place would hide it: one that was moved down there when a snapshot
 * above was merged, before the key was. What else that whiteout hides, the piece hides as well.
 */
static int show_piece(struct range_update *u, const struct hiders *h, struct bpos piece)
{
	struct snapshot_view view = view_of(u->env, piece.snapshot);
	struct hiders at = { .whiteouts = true };
	int ret = hiders_collect(u, piece, &at);

	for (unsigned int i = 0; !ret && i < at.nr; i++) {
		bool sees = true;

		for (unsigned int j = 0; sees && j < h->nr; j++)
			sees = at.id[i] != h->id[j] && !view.is_ancestor(view.ctx, at.id[i], h->id[j]);
		if (sees)
			ret = bce_trans_delete(u->t, BTREE_ID_extents,
					       SPOS(piece.inode, piece.offset, at.id[i]), 0);
	}
	return ret;
}

/*
 * A piece of the key at @old is to stand at @piece, another END of the same snapshot: who saw the key,
 * and nobody else, is to see the piece.
 */
static int settle_piece(struct range_update *u, struct bpos old, struct bpos piece)
{
	struct hiders h = { };
	int ret;

	if (old.offset == piece.offset || !has_children(u->env, piece.snapshot))
		return 0;
	ret = hiders_collect(u, old, &h);
	if (!ret)
		ret = show_piece(u, &h, piece);
	for (unsigned int i = h.nr; !ret && i--; ) {
		if (below_another(u, &h, i))
			continue;
		ret = is_hidden(u, piece, h.id[i]);
		if (ret < 0)
			return ret;
		ret = ret ? 0 : put_whiteout(u->t, SPOS(piece.inode, piece.offset, h.id[i]));
	}
	return ret;
}

static int put_key(struct range_update *u, struct bkey *k)
{
	if (k->type == KEY_TYPE_reflink_p) {
		int ret = bce_reflink_set_pads(u->t, k);

		if (ret)
			return ret;
	}
	return bce_trans_update(u->t, BTREE_ID_extents, k, 0);
}

/* [start, end) of @k stays, in its snapshot */
static int put_piece(struct range_update *u, const struct bkey *k, u64 start, u64 end)
{
	struct bkey piece;
	int ret = bce_extent_piece(u->t, k, start, end, &piece);

	if (!ret)
		ret = settle_piece(u, k->p, piece.p);
	return ret ?: put_key(u, &piece);
}

/* ---- one key in the way ---- */

static unsigned int compressed_ptrs(const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;
	unsigned int nr = 0;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		nr += !p.ptr.cached &&
		      bce_compression_type_is_compressed(p.crc.compression_type);
	return nr;
}

/* each piece of a compressed extent is charged whole sectors */
static void count_split(struct range_update *u, const struct bkey *k, unsigned int pieces)
{
	if (pieces > 1 && k->type == KEY_TYPE_extent)
		u->change->split_sectors += (u64)(pieces - 1) * compressed_ptrs(k);
}

static int cut_key(struct range_update *u, const struct bkey *k)
{
	u64 s = bkey_start_offset(k), e = k->p.offset;
	bool own = k->p.snapshot == u->view.id;
	bool front = s < u->start, back = e > u->end;
	bool middle = !own && (front || back);
	int ret = 0;

	count_split(u, k, front + middle + back);
	if (bce_extent_type_counts(k->type))
		u->change->i_sectors -= min(e, u->end) - max(s, u->start);
	if (front)
		ret = put_piece(u, k, s, u->start);
	if (!ret && middle)
		ret = put_piece(u, k, max(s, u->start), min(e, u->end));
	if (!ret && back)
		ret = put_piece(u, k, u->end, e);
	if (!ret && middle && back)	/* the new key's place; if there is none, this stays */
		ret = put_whiteout(u->t, SPOS(k->p.inode, u->end, u->view.id));
	if (ret || back)
		return ret;
	return own ? clear_position(u, k->p) :
		     put_whiteout(u->t, SPOS(k->p.inode, e, u->view.id));
}

/* @done: out, up to where the range is free. @last: out, END of the last key met; 0 none */
static int cut_range(struct range_update *u, unsigned int max_keys, u64 *done, u64 *last)
{
	u64 at = u->start;
	struct bkey k;
	int ret;

	*last = 0;
	for (;;) {
		ret = bce_trans_peek(u->t, BTREE_ID_extents, SPOS(u->inum, at, 0),
				     SPOS(u->inum, u->end, 0), &u->view, 0, &k);
		if (ret == -ENOENT) {
			*done = u->end;
			return 0;
		}
		if (ret)
			return ret;
		if (!max_keys--) {
			*done = at;
			return 0;
		}
		if (k.p.offset <= at)
			return -EIO;	/* out of order: damage that validation reports */
		at = k.p.offset;
		*last = at;
		ret = cut_key(u, &k);
		if (ret)
			return ret;
		if (at >= u->end) {
			*done = u->end;
			return 0;
		}
	}
}

/* ---- merging ---- */

static bool type_merges(unsigned int type)
{
	return type == KEY_TYPE_extent || type == KEY_TYPE_reservation;
}

static int merge_left(struct range_update *u, struct bkey *k, struct extent_value *buf)
{
	struct bpos pos = SPOS(u->inum, bkey_start_offset(k), u->view.id);
	struct bkey left, merged;
	int ret = bce_trans_lookup(u->t, BTREE_ID_extents, pos, NULL, 0, &left);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!bce_extent_merge(&left, k, u->env->rules, &merged, buf))
		return 0;
	*k = merged;
	return clear_position(u, pos);
}

static int merge_right(struct range_update *u, struct bkey *k, struct extent_value *buf)
{
	struct bkey right, merged;
	int ret = bce_trans_peek(u->t, BTREE_ID_extents, SPOS(u->inum, k->p.offset, 0),
				 SPOS(u->inum, k->p.offset + 1, 0), &u->view, 0, &right);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!bce_extent_merge(k, &right, u->env->rules, &merged, buf))
		return 0;
	ret = clear_position(u, k->p);
	*k = merged;
	return ret;
}

/* ---- for others ---- */

static void range_init(struct range_update *u, struct bce_trans *t, const struct extent_env *env,
		       struct bpos start, u64 end, struct extent_change *change)
{
	*u = (struct range_update) {
		.t = t,
		.env = env,
		.view = view_of(env, start.snapshot),
		.inum = start.inode,
		.start = start.offset,
		.end = end,
		.children = has_children(env, start.snapshot),
		.change = change,
	};
}

int bce_extent_update(struct bce_trans *t, const struct extent_env *env, const struct bkey *k,
		      struct extent_change *change)
{
	struct extent_value left_buf, right_buf;
	struct range_update u;
	struct bkey new = *k;
	u64 done, last;
	int ret;

	if (k->type == KEY_TYPE_reflink_p) {
		ret = bce_extent_piece(t, k, 0, k->p.offset, &new);
		if (ret)
			return ret;
	}
	range_init(&u, t, env, bkey_start_pos(k), k->p.offset, change);
	ret = cut_range(&u, UINT_MAX, &done, &last);
	if (ret)
		return ret;
	if (u.children && last)
		ret = settle_piece(&u, SPOS(u.inum, last, k->p.snapshot), k->p);
	if (!ret && !u.children && type_merges(k->type))
		ret = merge_left(&u, &new, &left_buf) ?: merge_right(&u, &new, &right_buf);
	if (ret)
		return ret;
	if (bce_extent_type_counts(k->type))
		change->i_sectors += k->size;
	return put_key(&u, &new);
}

int bce_extent_delete(struct bce_trans *t, const struct extent_env *env, u64 inum, u64 start,
		      u64 end, u32 snapshot, unsigned int max_keys, u64 *done,
		      struct extent_change *change)
{
	struct range_update u;
	u64 last;

	range_init(&u, t, env, SPOS(inum, start, snapshot), end, change);
	return cut_range(&u, max_keys, done, &last);
}
