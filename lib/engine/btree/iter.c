// SPDX-License-Identifier: GPL-2.0
/*
 * Iterators and look-ups.
 *
 * An iterator is a position, and a path of read-locked nodes from the root down to the node the
 * position is in (level 0, or a higher one if pointers are wanted: what is said of leaves here
 * holds for the nodes of that level).
 *
 *        path[2]  root            [ . . | . . ]
 *        path[1]                       [ . | . . . ]
 *        path[0]  leaf, pos                [ k k k K k k ]
 *                                                  ^ first key >= search
 *
 * @search is a full position and says all: the next key is the first one at or after it. Everything
 * else is there to find that key quickly. While @placed is set, path[level].at is the place of
 * @search in the leaf, among its set and its open keys (node_change.c). At the end of a leaf
 * @search becomes the position after the leaf's range, and the path is climbed only as far as that
 * is outside of a node, so a step to a sibling goes over the parent alone.
 *
 * A position of extents means something else than an exact one: keys stand where extents END, and
 * the first extent wanted is the one that ends after the position; so @search starts one higher.
 * After the first key full positions are used there too.
 *
 * A view picks, at each logical position, the first key whose snapshot is the view's or an
 * ancestor; keys of a position are sorted by snapshot id, and ancestors have higher ids, so the
 * first that matches is the nearest. Keys below the view's id cannot match. Having picked, or met
 * a whiteout, it goes on behind all keys of the position.
 *
 * After bce_btree_iter_unlock() the leaf is locked again by its sequence number if nobody changed
 * it; otherwise the path is taken anew. Node memory stays until the btrees are closed, so the
 * leaf's lock may be tried at any time. The key it was at is passed by its position, whatever has become of it.
 *
 * A transaction may move a key from one leaf to another while we are on our way from the one to the other:
 * to where we have been already. So leaves that a peek has left are compared with what they were when it
 * comes to its end; if one has changed it begins anew. (Writers hold all their leaves when they change one;
 * and keys move only to near places, so it is enough to remember the last few.) One that has been thrown out
 * of memory may have changed since, in another place; but a cache that is too small throws out what we need
 * each time, so for that we begin anew only a few times. Transactions have a check of their own, at commit.
 *
 * Termination does not rest on what is on disk: levels fall on the way down, a child covers the
 * position it was looked up for or is an error (child.c), and after a leaf @search lies behind its
 * range, so it only ever grows.
 *
 * Source: docs/format/50-btree.md, section 1; 60-filesystem-keys.md, section 19.
 */
#include "engine/btree/iter.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/node_change.h"
#include "engine/btree/trans_internal.h"
#include "engine/format/ids.h"
#include "engine/key/validate.h"

/* versions of one position passed over one by one, before searching */
#define STEPS_BEFORE_SEARCH	8
/* how often a peek begins anew only because a leaf was thrown out of memory */
#define EVICTION_PATIENCE	2

/* ---- positions ---- */

/* extents: the first key that ends after @p */
static struct bpos search_from(unsigned int btree_id, unsigned int level, struct bpos p,
			       const struct snapshot_view *view, bool *at_end)
{
	bool all = !bpos_cmp(p, POS_MIN);

	*at_end = false;
	if (level)
		return p;
	if (bce_btree_has_extents(btree_id) && !all) {
		p = bpos_successor(SPOS(p.inode, p.offset, U32_MAX));
		*at_end = !bpos_cmp(p, POS_MIN);
	}
	if (view)
		p.snapshot = view->id;
	return p;
}

/* ---- the path ---- */

static struct btree_node *leaf_of(const struct btree_iter *iter)
{
	return iter->path[iter->level].node;
}

static void path_unlock(struct btree_iter *iter)
{
	unsigned int level;

	for (level = 0; level < BTREE_MAX_DEPTH; level++) {
		if (iter->path[level].node)
			node_unlock_read(iter->path[level].node);
		iter->path[level].node = NULL;
	}
	iter->placed = false;
}

static int path_error(struct btree_iter *iter, int error)
{
	path_unlock(iter);
	return error;
}

/* Lowest locked level whose node covers the position; those below are unlocked. -1: none. */
static int path_climb(struct btree_iter *iter)
{
	int level;

	for (level = iter->level; level < BTREE_MAX_DEPTH; level++) {
		struct btree_node *n = iter->path[level].node;

		if (!n)
			continue;
		if (node_covers(n, iter->search))
			return level;
		node_unlock_read(n);
		iter->path[level].node = NULL;
	}
	return -1;
}

/* The root into the path. -ENOENT: the btree is not as high as the iterator. */
static int path_root(struct btree_iter *iter)
{
	struct btree_node *root;
	int level;

	if ((iter->flags & BTREE_ITER_CACHED) && !bce_root_loaded(iter->btrees, iter->btree_id))
		return -EAGAIN;
	root = bce_root_lock(iter->btrees, iter->btree_id);
	if (IS_ERR(root))
		return PTR_ERR(root);
	level = root->id.level;
	if (level < (int)iter->level) {
		node_unlock_read(root);
		return -ENOENT;
	}
	iter->path[level].node = root;
	return level;
}

/* Is the node of level @level - 1 in memory? Where there is none that is not for us to say. */
static bool child_is_cached(struct btree_iter *iter, unsigned int level)
{
	struct btree_node *n = iter->path[level].node;
	u32 pos = bce_keyset_lower_bound(&n->set, iter->search);

	return pos >= n->set.nr_u64s || bce_node_child_cached(iter->btrees, n, pos);
}

/* Lock the leaf that covers @search. */
static int path_descend(struct btree_iter *iter)
{
	int level = path_climb(iter);
	struct btree_node *child;
	u32 pos;

	if (level < 0)
		level = path_root(iter);
	if (level < 0)
		return path_error(iter, level);

	for (; level > (int)iter->level; level--) {
		if ((iter->flags & BTREE_ITER_CACHED) && !child_is_cached(iter, level))
			return path_error(iter, -EAGAIN);
		child = bce_node_child_lock(iter->btrees, iter->path[level].node, iter->search,
					    &pos);
		if (IS_ERR(child))
			return path_error(iter, PTR_ERR(child));
		iter->path[level].at.set = pos;
		iter->path[level - 1].node = child;
		if ((iter->flags & BTREE_ITER_PREFETCH) && level - 1 == (int)iter->level)
			bce_prefetch_siblings(iter->btrees, iter->path[level].node, pos);
	}
	return 0;
}

/* Take up the leaf again that unlock let go; false: it has changed. */
static bool path_relock(struct btree_iter *iter)
{
	struct btree_node *n = iter->unlocked;

	iter->unlocked = NULL;
	if (!n || !bce_six_relock(&n->lock, BCE_SIX_READ, iter->unlocked_seq))
		return false;
	iter->path[iter->level].node = n;
	return true;
}

/* Make path[level].at the place of @search. */
static int path_place(struct btree_iter *iter)
{
	struct btree_node *leaf;
	int ret;

	if (iter->unlocked)
		path_relock(iter);
	leaf = leaf_of(iter);
	if (!leaf || !node_covers(leaf, iter->search)) {
		ret = path_descend(iter);
		if (ret)
			return ret;
		leaf = leaf_of(iter);
	}
	if (iter->trans) {
		ret = bce_trans_note_leaf(iter->trans, leaf);
		if (ret)
			return path_error(iter, ret);
	}
	bce_node_seek(leaf, iter->search, &iter->path[iter->level].at);
	iter->placed = true;
	return 0;
}

/* ---- keys ---- */

/*
 * Behind the leaf's range, if not further already: a view may be past a position whose keys go on
 * in the next leaf. At the end of the btree there is nothing behind.
 */
static void leave_leaf(struct btree_iter *iter)
{
	struct btree_node *leaf = leaf_of(iter);
	unsigned int i = iter->nr_left++ % BTREE_ITER_LEFT_MAX;

	iter->left[i].node = leaf;
	iter->left[i].changes = READ_ONCE(leaf->changes);
	iter->left[i].lives = READ_ONCE(leaf->lives);
	if (iter->nr_left == 2 * BTREE_ITER_LEFT_MAX)
		iter->nr_left = BTREE_ITER_LEFT_MAX;	/* full */
	if (node_covers(leaf, iter->search))
		iter->search = bpos_successor(leaf->id.max);
	iter->at_end = !bpos_cmp(leaf->id.max, SPOS_MAX);
	iter->placed = false;
}

/* A key of an interior node: hints in its value are nobody's business. */
static void copy_ptr_key(struct btree_iter *iter, const struct btree_node *n, u32 pos)
{
	BUILD_BUG_ON(sizeof(iter->ptr_value) != sizeof(struct ptr_buf));
	bce_node_ptr_key(n, pos, &iter->k, (struct ptr_buf *)iter->ptr_value);
}

static bool leaf_peek(struct btree_iter *iter)
{
	const struct btree_node *leaf = leaf_of(iter);
	struct node_cursor *at = &iter->path[iter->level].at;

	if (likely(!iter->level))
		return bce_node_peek(leaf, at, &iter->k);
	if (at->set >= leaf->set.nr_u64s)
		return false;
	copy_ptr_key(iter, leaf, at->set);
	return true;
}

/*
 * What the leaf has, or has not, from @search on goes into the transaction's list of reads. A key at
 * or behind the limit is not of interest: only that nothing is before it.
 */
static int note_key(struct btree_iter *iter, bool found)
{
	const struct btree_node *leaf = leaf_of(iter);
	struct bpos to = leaf->id.max;

	if (!node_covers(leaf, iter->search))
		return 0;	/* its last key was the one before */
	if (found && bpos_cmp(iter->k.p, iter->limit) < 0)
		return bce_trans_note_key(iter->trans, leaf, iter->search, iter->k.p, &iter->k);
	if (bpos_cmp(to, iter->limit) >= 0)
		to = bpos_predecessor(iter->limit);
	return bpos_cmp(iter->search, to) > 0 ? 0 :
		bce_trans_note_key(iter->trans, leaf, iter->search, to, NULL);
}

int bce_iter_raw_peek(struct btree_iter *iter)
{
	bool found;
	int ret;

	for (;;) {
		if (iter->at_end)
			return -ENOENT;
		if (!iter->placed) {
			if (unlikely(iter->trans && bpos_cmp(iter->search, iter->limit) >= 0))
				return -ENOENT;
			ret = path_place(iter);
			if (ret)
				return ret;
		}
		found = leaf_peek(iter);
		if (unlikely(iter->trans)) {
			ret = note_key(iter, found);
			if (ret)
				return ret;
		}
		if (likely(found))
			break;
		leave_leaf(iter);
	}
	iter->search = iter->k.p;
	return 0;
}

void bce_iter_raw_advance(struct btree_iter *iter)
{
	iter->search = bpos_successor(iter->k.p);
	iter->at_end = !bpos_cmp(iter->k.p, SPOS_MAX);
	if (iter->placed)
		bce_node_step(leaf_of(iter), &iter->path[iter->level].at);
}

/* Past all keys at the logical position of iter->k. */
static void skip_position(struct btree_iter *iter)
{
	struct bpos end = SPOS(iter->k.p.inode, iter->k.p.offset, U32_MAX);
	unsigned int i;

	iter->search = bpos_successor(end);
	iter->at_end = !bpos_cmp(end, SPOS_MAX);
	for (i = 0; iter->placed; i++) {
		struct node_cursor *at = &iter->path[iter->level].at;
		struct bpos p;

		if (i && (!bce_node_peek_pos(leaf_of(iter), at, &p) || bpos_cmp(p, end) > 0))
			break;
		if (i < STEPS_BEFORE_SEARCH)
			bce_node_step(leaf_of(iter), at);
		else
			iter->placed = false;
	}
}

static bool view_sees(const struct snapshot_view *view, u32 snapshot)
{
	if (snapshot <= view->id)
		return snapshot == view->id;
	return view->is_ancestor(view->ctx, view->id, snapshot);
}

/* Return: 0, -ENOENT at the end, or an error. */
static int view_peek(struct btree_iter *iter)
{
	const struct snapshot_view *view = iter->view;
	int ret;

	for (;;) {
		ret = bce_iter_raw_peek(iter);
		if (ret || !view)
			return ret;
		if (!view_sees(view, iter->k.p.snapshot))
			bce_iter_raw_advance(iter);
		else if (iter->k.type == KEY_TYPE_whiteout &&
			 !(iter->flags & BTREE_ITER_WHITEOUTS))
			skip_position(iter);
		else
			return 0;
	}
}

/* the last leaf is still locked: who has changed it and one of these has unlocked all of them by now */
static bool left_unchanged(const struct btree_iter *iter, unsigned int *patience)
{
	bool here = true;
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, iter->nr_left, BTREE_ITER_LEFT_MAX); i++) {
		const struct btree_node *n = iter->left[i].node;

		if (READ_ONCE(n->changes) != iter->left[i].changes)
			return false;
		here &= READ_ONCE(n->lives) == iter->left[i].lives;
	}
	return here || !(*patience)--;
}

/* from @search on, as it was at one moment */
static int peek(struct btree_iter *iter)
{
	const struct bpos search = iter->search;
	const bool at_end = iter->at_end;
	unsigned int patience = EVICTION_PATIENCE;
	int ret;

	for (;;) {
		iter->nr_left = 0;
		ret = view_peek(iter);
		iter->found = !ret;
		if ((ret && ret != -ENOENT) || likely(!iter->nr_left) ||
		    left_unchanged(iter, &patience))
			return ret;
		path_unlock(iter);
		iter->search = search;
		iter->at_end = at_end;
	}
}

/* ---- for others ---- */

void bce_btree_iter_init(struct btree_iter *iter, struct btrees *b, unsigned int btree_id,
			 unsigned int level, struct bpos pos, unsigned int flags,
			 const struct snapshot_view *view)
{
	unsigned int i;

	iter->btrees = b;
	iter->btree_id = btree_id;
	iter->level = min_t(unsigned int, level, BTREE_MAX_DEPTH - 1);
	iter->flags = flags;
	iter->view = !level && bce_btree_has_snapshots(btree_id) ? view : NULL;
	iter->extents = !level && bce_btree_has_extents(btree_id);
	iter->trans = NULL;
	for (i = 0; i < BTREE_MAX_DEPTH; i++)
		iter->path[i].node = NULL;
	iter->unlocked = NULL;
	iter->nr_left = 0;
	bce_btree_iter_set_pos(iter, pos);
	if (level >= BTREE_MAX_DEPTH || btree_id >= BTREE_ID_MAX)
		iter->at_end = true;
}
EXPORT_SYMBOL_GPL(bce_btree_iter_init);

void bce_btree_iter_exit(struct btree_iter *iter)
{
	path_unlock(iter);
	iter->unlocked = NULL;
}
EXPORT_SYMBOL_GPL(bce_btree_iter_exit);

const struct bkey *bce_btree_iter_peek(struct btree_iter *iter)
{
	int ret = peek(iter);

	if (likely(!ret))
		return &iter->k;
	return ret == -ENOENT ? NULL : ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(bce_btree_iter_peek);

/* The usual step of a scan: nothing is open, the next key is in the same leaf. False: nothing was done. */
static __always_inline bool next_in_set(struct btree_iter *iter)
{
	const struct btree_node *leaf = leaf_of(iter);
	u32 *at = &iter->path[iter->level].at.set, next;

	if (iter->level || iter->view || iter->trans || !iter->placed || node_has_open(leaf) ||
	    unlikely(*at >= leaf->set.nr_u64s))
		return false;
	next = keyset_next(&leaf->set, *at);
	if (next >= leaf->set.nr_u64s)
		return false;
	*at = next;
	iter->pos = iter->extents ? iter->k.p : bpos_successor(iter->k.p);
	bce_key_unpack(&leaf->set.format, keyset_at(&leaf->set, next), &iter->k);
	iter->search = iter->k.p;
	return true;
}

const struct bkey *bce_btree_iter_next(struct btree_iter *iter)
{
	int ret = 0;

	if (likely(next_in_set(iter)))
		return &iter->k;

	/* if it was not called; one that is not locked any more is passed by its position: it may have gone, or moved */
	if (!iter->found)
		ret = peek(iter);
	if (unlikely(ret))
		return ret == -ENOENT ? NULL : ERR_PTR(ret);

	if (iter->view)
		skip_position(iter);
	else
		bce_iter_raw_advance(iter);
	iter->pos = iter->extents ? iter->k.p : iter->search;
	return bce_btree_iter_peek(iter);
}
EXPORT_SYMBOL_GPL(bce_btree_iter_next);

void bce_btree_iter_set_pos(struct btree_iter *iter, struct bpos pos)
{
	iter->pos = pos;
	iter->search = search_from(iter->btree_id, iter->level, pos, iter->view, &iter->at_end);
	iter->placed = false;
	iter->found = false;
}
EXPORT_SYMBOL_GPL(bce_btree_iter_set_pos);

void bce_btree_iter_unlock(struct btree_iter *iter)
{
	struct btree_node *leaf = leaf_of(iter);

	if (leaf) {
		iter->unlocked = leaf;
		iter->unlocked_seq = bce_six_seq(&leaf->lock);
	}
	path_unlock(iter);
}
EXPORT_SYMBOL_GPL(bce_btree_iter_unlock);

/* ---- past damage ---- */

/* where the range of the child of level @level ends that has the position; false: not to be known */
static bool range_end(const struct btree_iter *iter, unsigned int level, struct bpos *end)
{
	const struct bkey *k;
	struct btree_iter up;

	bce_btree_iter_init(&up, iter->btrees, iter->btree_id, level + 1, iter->search, 0, NULL);
	k = bce_btree_iter_peek(&up);
	if (!IS_ERR_OR_NULL(k))
		*end = k->p;
	bce_btree_iter_exit(&up);
	return !IS_ERR_OR_NULL(k);
}

/* Pointers stand where their nodes end. An unreadable node above the leaves hides all below it. */
bool bce_btree_iter_skip_unreadable(struct btree_iter *iter)
{
	struct bpos end;

	path_unlock(iter);
	iter->unlocked = NULL;
	for (unsigned int level = iter->level; level + 1 < BTREE_MAX_DEPTH; level++) {
		if (!range_end(iter, level, &end))
			continue;
		iter->search = bpos_successor(end);
		iter->at_end = !bpos_cmp(end, SPOS_MAX);
		return !iter->at_end;
	}
	iter->at_end = true;
	return false;
}

/* ---- all keys ---- */

static void copy_key(struct bkey *k, struct bkey_buf *buf)
{
	memcpy(buf->v, k->v, bkey_val_bytes(k));
	k->v = buf->v;
}

static int call_with_copy(struct btree_iter *iter, const struct bkey *found, struct bkey_buf *copy,
			  int (*fn)(void *ctx, const struct bkey *k), void *ctx)
{
	struct bkey k = *found;

	copy_key(&k, copy);
	bce_btree_iter_unlock(iter);
	return fn(ctx, &k);
}

/* @past_damage: go on behind what cannot be read, and return its error at the end */
static int for_each_key(struct btree_iter *iter, struct bkey_buf *copy, bool past_damage,
			int (*fn)(void *ctx, const struct bkey *k), void *ctx)
{
	const struct bkey *found = bce_btree_iter_peek(iter);
	int ret = 0, damage = 0;

	while (!ret && found) {
		if (!IS_ERR(found)) {
			ret = call_with_copy(iter, found, copy, fn, ctx);
			found = ret ? NULL : bce_btree_iter_next(iter);
			continue;
		}
		damage = PTR_ERR(found);
		if (!past_damage || damage == -ENOMEM || !bce_btree_iter_skip_unreadable(iter))
			break;
		found = bce_btree_iter_peek(iter);
	}
	return ret ?: damage;
}

static int walk_btree(struct btrees *b, unsigned int btree_id, const struct snapshot_view *view,
		      bool past_damage, int (*fn)(void *ctx, const struct bkey *k), void *ctx)
{
	struct bkey_buf *copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	struct btree_iter iter;
	int ret;

	if (!copy)
		return -ENOMEM;
	bce_btree_iter_init(&iter, b, btree_id, 0, POS_MIN, BTREE_ITER_PREFETCH, view);
	ret = for_each_key(&iter, copy, past_damage, fn, ctx);
	bce_btree_iter_exit(&iter);
	kfree(copy);
	return ret;
}

int bce_btree_for_each_key(struct btrees *b, unsigned int btree_id,
			   const struct snapshot_view *view,
			   int (*fn)(void *ctx, const struct bkey *k), void *ctx)
{
	return walk_btree(b, btree_id, view, false, fn, ctx);
}

int bce_btree_for_each_readable_key(struct btrees *b, unsigned int btree_id,
				    const struct snapshot_view *view,
				    int (*fn)(void *ctx, const struct bkey *k), void *ctx)
{
	return walk_btree(b, btree_id, view, true, fn, ctx);
}

/* ---- one key ---- */

/* On the way down two nodes are locked at most. */
struct btree_node *bce_node_lock_at(struct btrees *b, unsigned int btree_id, unsigned int level,
				    struct bpos p)
{
	struct btree_node *n = bce_root_lock(b, btree_id), *child;

	if (!IS_ERR(n) && n->id.level < level) {
		node_unlock_read(n);
		return ERR_PTR(-ENOENT);
	}
	while (!IS_ERR(n) && n->id.level > level) {
		child = bce_node_child_lock(b, n, p, NULL);
		node_unlock_read(n);
		n = child;
	}
	return n;
}

/*
 * Within one leaf: 0 found, -ENOENT not there, -EAGAIN the versions of the position go on in the
 * next leaf.
 */
static int leaf_lookup(const struct btree_node *leaf, struct bpos search,
		       const struct snapshot_view *view, struct bkey *k)
{
	struct node_cursor at;

	if (!view)
		return bce_node_lookup(leaf, search, k) ? 0 : -ENOENT;
	for (bce_node_seek(leaf, search, &at); bce_node_peek(leaf, &at, k);
	     bce_node_step(leaf, &at)) {
		if (bpos_cmp_logical(k->p, search))
			return -ENOENT;
		if (view_sees(view, k->p.snapshot))
			return k->type == KEY_TYPE_whiteout ? -ENOENT : 0;
	}
	if (!bpos_cmp_logical(leaf->id.max, search) && leaf->id.max.snapshot != U32_MAX)
		return -EAGAIN;
	return -ENOENT;
}

/* The same over several leaves, into iter->k. */
static int iter_lookup(struct btree_iter *iter, struct bpos search,
		       const struct snapshot_view *view)
{
	int ret;

	for (; !(ret = bce_iter_raw_peek(iter)); bce_iter_raw_advance(iter)) {
		if (bpos_cmp_logical(iter->k.p, search))
			return -ENOENT;
		if (view_sees(view, iter->k.p.snapshot))
			return iter->k.type == KEY_TYPE_whiteout ? -ENOENT : 0;
	}
	return ret;
}

static int lookup_across(struct btrees *b, unsigned int btree_id, struct bpos search,
			 const struct snapshot_view *view, struct bkey *k, struct bkey_buf *buf)
{
	unsigned int patience = EVICTION_PATIENCE;
	struct btree_iter iter;
	int ret;

	bce_btree_iter_init(&iter, b, btree_id, 0, search, 0, NULL);
	do {
		path_unlock(&iter);
		iter.search = search;		/* exactly, in extent btrees too */
		iter.at_end = false;
		iter.nr_left = 0;
		ret = iter_lookup(&iter, search, view);
	} while ((!ret || ret == -ENOENT) && !left_unchanged(&iter, &patience));
	if (!ret) {
		*k = iter.k;
		copy_key(k, buf);
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

int bce_btree_lookup(struct btrees *b, unsigned int btree_id, struct bpos pos,
		     const struct snapshot_view *view, struct bkey *k, struct bkey_buf *buf)
{
	struct btree_node *leaf;
	int ret;

	if (!bce_btree_has_snapshots(btree_id))
		view = NULL;
	if (view)
		pos.snapshot = view->id;
	leaf = bce_node_lock_at(b, btree_id, 0, pos);
	if (IS_ERR(leaf))
		return PTR_ERR(leaf) == -EINVAL ? -ENOENT : PTR_ERR(leaf);
	ret = leaf_lookup(leaf, pos, view, k);
	if (!ret)
		copy_key(k, buf);
	node_unlock_read(leaf);
	return unlikely(ret == -EAGAIN) ? lookup_across(b, btree_id, pos, view, k, buf) : ret;
}
EXPORT_SYMBOL_GPL(bce_btree_lookup);
