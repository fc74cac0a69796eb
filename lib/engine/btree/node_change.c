// SPDX-License-Identifier: GPL-2.0
/*
 * The keys of a node, old and new ones together, and how they change.
 *
 * In a leaf the set holds what was there at the last merge, the open keys what came later. A cursor
 * stands in both; of two keys at one position the open one counts, and a deleted one shows nothing
 * at all:
 *
 *	set	 a   b   c   d   e
 *	open	       B   -d   f		reads as  a B c e f
 *
 * As long as nothing is open a cursor is a place in the set and no more.
 *
 * A leaf takes any number of keys. When those that are written (or need not be) have become many,
 * they are merged into a new set and dropped here; unwritten ones stay open whatever their number,
 * since the next block of the node on disk is made of them.
 *
 * An interior node is searched by its set alone, which therefore holds all keys always. A pointer
 * that is replaced by one of the same length, the usual case after a child was written, is
 * overwritten in place; whatever else happens makes a new set, which costs something, but
 * happens only when nodes are split, replaced or merged. Open keys are just the list of what is
 * to be written. Hints to children are part of the set's values only: they move along.
 *
 * All memory a change needs is had before it begins, so it cannot fail half-way.
 */
#include "engine/btree/node_change.h"

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/format/ids.h"

/* open keys that are merged into the set together: more for large sets, which cost more */
#define MERGE_KEYS_MIN	512U
#define MERGE_KEYS_MAX	4096U

/* ---- reading ---- */

void bce_node_seek_open(const struct btree_node *n, struct bpos p, struct node_cursor *c)
{
	c->open = bce_open_lower_bound(&n->open, p);
}

/*
 * Bring the cursor to the next live key, past what is hidden or deleted, and say where it is
 * by @in_open. @p: its position.
 */
bool bce_node_peek_pos_open(const struct btree_node *n, struct node_cursor *c, struct bpos *p)
{
	const struct open_keys *o = &n->open;
	struct bpos open, set;
	int cmp;

	for (; c->open < o->nr; c->open++) {
		open = open_pos(o, c->open);
		cmp = 1;
		if (c->set < n->set.nr_u64s) {
			set = bce_key_unpack_pos(&n->set.format, keyset_at(&n->set, c->set));
			cmp = bpos_cmp(set, open);
		}
		if (c->set < n->set.nr_u64s && cmp < 0) {
			c->in_open = false;
			*p = set;
			return true;
		}
		if (!cmp)
			c->set = keyset_next(&n->set, c->set);
		if (open_disk_key(o, c->open)->type != KEY_TYPE_deleted) {
			c->in_open = true;
			*p = open;
			return true;
		}
	}
	c->in_open = false;
	if (c->set >= n->set.nr_u64s)
		return false;
	*p = bce_key_unpack_pos(&n->set.format, keyset_at(&n->set, c->set));
	return true;
}

bool bce_node_peek_open(const struct btree_node *n, struct node_cursor *c, struct bkey *k)
{
	struct bpos p;

	if (!bce_node_peek_pos_open(n, c, &p))
		return false;
	if (c->in_open)
		bce_open_key(&n->open, c->open, k);
	else
		bce_key_unpack(&n->set.format, keyset_at(&n->set, c->set), k);
	return true;
}

/* The set's key at exactly @p: its place, or nr_u64s. */
static u32 set_find(const struct keyset *set, struct bpos p)
{
	u32 at = bce_keyset_lower_bound(set, p);

	if (at < set->nr_u64s && bpos_cmp(bce_key_unpack_pos(&set->format, keyset_at(set, at)), p))
		at = set->nr_u64s;
	return at;
}

bool bce_node_lookup(const struct btree_node *n, struct bpos p, struct bkey *k)
{
	u32 at;

	if (node_has_open(n)) {
		at = bce_open_lower_bound(&n->open, p);
		if (at < n->open.nr && !bpos_cmp(open_pos(&n->open, at), p)) {
			bce_open_key(&n->open, at, k);
			return k->type != KEY_TYPE_deleted;
		}
	}
	at = bce_keyset_lower_bound(&n->set, p);
	if (at >= n->set.nr_u64s)
		return false;
	bce_key_unpack(&n->set.format, keyset_at(&n->set, at), k);
	return !bpos_cmp(k->p, p);
}

/* the last key of the set at or before @p */
static bool set_peek_prev(const struct keyset *set, struct bpos p, struct bkey *k)
{
	u32 at = bce_keyset_lower_bound(set, p);

	if (at < set->nr_u64s) {
		bce_key_unpack(&set->format, keyset_at(set, at), k);
		if (!bpos_cmp(k->p, p))
			return true;
	}
	if (!at)
		return false;
	bce_key_unpack(&set->format, keyset_at(set, bce_keyset_prev(set, at)), k);
	return true;
}

/* the same of open keys, deleted ones too */
static bool open_peek_prev(const struct open_keys *o, struct bpos p, struct bkey *k)
{
	u32 at = bce_open_lower_bound(o, p);

	if (at == o->nr || bpos_cmp(open_pos(o, at), p)) {
		if (!at)
			return false;
		at--;
	}
	bce_open_key(o, at, k);
	return true;
}

bool bce_node_peek_prev(const struct btree_node *n, struct bpos p, struct bkey *k)
{
	struct bkey open;
	bool in_set, in_open;

	for (;;) {
		in_set = set_peek_prev(&n->set, p, k);
		in_open = node_has_open(n) && open_peek_prev(&n->open, p, &open);
		if (!in_open || (in_set && bpos_cmp(k->p, open.p) > 0))
			return in_set;
		if (open.type != KEY_TYPE_deleted) {
			*k = open;
			return true;
		}
		if (!bpos_cmp(open.p, POS_MIN))
			return false;
		p = bpos_predecessor(open.p);
	}
}

/* ---- leaves ---- */

int bce_node_reserve(struct btree_node *n, u32 nr, u32 words, gfp_t gfp)
{
	return bce_open_reserve(&n->open, nr, words, gfp);
}

void bce_node_put(struct btree_node *n, const struct bkey *k, unsigned int flags)
{
	if (k->type == KEY_TYPE_deleted && set_find(&n->set, k->p) < n->set.nr_u64s)
		flags |= OPEN_SET_HAS;
	bce_open_put(&n->open, k, flags);
	if (!n->dirty)
		WRITE_ONCE(n->dirty, true);
}

bool bce_node_wants_merge(const struct btree_node *n)
{
	return !n->id.level && n->open.nr - n->open.nr_unwritten >=
		clamp(n->set.nr_keys / 8, MERGE_KEYS_MIN, MERGE_KEYS_MAX);
}

static struct keyset_input run_of_set(const struct keyset *set)
{
	return (struct keyset_input) {
		.format = &set->format,
		.start = set->keys,
		.end = (const struct disk_key *)((const u64 *)set->keys + set->nr_u64s),
	};
}

static bool fits_format(const struct key_format *f, const struct disk_key *unpacked)
{
	u64 room[BKEY_U64S];
	struct bkey k;

	bce_key_unpack(&key_format_position_only, unpacked, &k);
	k.val_u64s = 0;
	bce_key_pack(f, &k, (struct disk_key *)room);
	return (((struct disk_key *)room)->format & BKEY_FORMAT_MASK) == KEY_FORMAT_PACKED;
}

/* Keys that go into the set, in order, as a run in memory of its own. */
static int run_of_open(const struct btree_node *n, struct keyset_input *run, bool *fit)
{
	const struct open_keys *o = &n->open;
	u64 *to = kvmalloc_array(max(o->nr_words, 1U), sizeof(*to), GFP_KERNEL);
	u32 i;

	*run = (struct keyset_input) {
		.format = &key_format_position_only,
		.start = (struct disk_key *)to,
	};
	if (!to)
		return -ENOMEM;
	*fit = true;
	for (i = 0; i < o->nr; i++) {
		const struct disk_key *k = open_disk_key(o, i);

		if (open_unwritten(o, i))
			continue;
		memcpy(to, k, k->u64s * sizeof(*to));
		to += k->u64s;
		*fit = *fit && (k->type == KEY_TYPE_deleted || fits_format(&n->set.format, k));
	}
	run->end = (struct disk_key *)to;
	return 0;
}

/* set and run into @out, packed by the set's format if that will do */
static int merge_sets(const struct btree_node *n, const struct keyset_input *run, bool fit,
		      struct keyset *out)
{
	struct keyset_input runs[] = { run_of_set(&n->set), *run };
	struct key_format format = n->set.format;

	if (!fit || !n->set.nr_keys)
		format = bce_keyset_best_format(runs, ARRAY_SIZE(runs));
	return bce_keyset_merge(out, &format, runs, ARRAY_SIZE(runs));
}

static int merge_locked(struct btrees *b, struct btree_node *n)
{
	struct keyset_input run;
	struct keyset set;
	bool fit;
	int ret;

	ret = run_of_open(n, &run, &fit);
	if (!ret)
		ret = merge_sets(n, &run, fit, &set);
	kvfree(run.start);
	if (ret)
		return ret;

	bce_node_upgrade_write(n);
	swap(n->set, set);
	bce_open_drop(&n->open, n->open.written_id);
	bce_node_cache_recount(&b->cache, n);
	bce_six_unlock(&n->lock, BCE_SIX_WRITE);
	bce_keyset_exit(&set);
	return 0;
}

int bce_node_merge_open(struct btrees *b, struct btree_node *n)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret = 0;

	bce_node_lock_intent(n);
	if (n->id.btree_id != NO_BTREE && !n->error && bce_node_wants_merge(n))
		ret = merge_locked(b, n);
	node_unlock_intent(n);
	memalloc_nofs_restore(nofs);
	return ret;
}

/* ---- interior nodes ---- */

/* Can the key at @at take the value of @k, nothing else being different? */
static bool same_shape(const struct keyset *set, u32 at, const struct bkey *k)
{
	struct bkey old;

	bce_key_unpack(&set->format, keyset_at(set, at), &old);
	return old.type == k->type && old.val_u64s == k->val_u64s && old.size == k->size &&
		old.version.lo == k->version.lo && old.version.hi == k->version.hi;
}

static bool all_in_place(const struct btree_node *n, const struct bkey *const *keys,
			 unsigned int nr)
{
	unsigned int i;
	u32 at;

	for (i = 0; i < nr; i++) {
		at = set_find(&n->set, keys[i]->p);
		if (at >= n->set.nr_u64s || !same_shape(&n->set, at, keys[i]))
			return false;
	}
	return true;
}

/* the value, but for the hint: if the child is the same, the hint holds, else it is found out */
static void overwrite_value(struct keyset *set, const struct bkey *k)
{
	u32 at = set_find(set, k->p);
	const struct disk_key *old = keyset_at(set, at);
	u64 *v = (u64 *)set->keys + at + disk_key_u64s(&set->format, old);
	unsigned int hint = k->type == KEY_TYPE_btree_ptr_v2 && k->val_u64s;

	memcpy(v + hint, (const u64 *)k->v + hint, (k->val_u64s - hint) * sizeof(u64));
}

static u32 words_of(const struct bkey *const *keys, unsigned int nr)
{
	unsigned int i;
	u32 words = 0;

	for (i = 0; i < nr; i++)
		words += BKEY_U64S + keys[i]->val_u64s;
	return words;
}

static int make_set(struct btree_node *n, const struct bkey *const *keys, unsigned int nr,
		    struct keyset *out)
{
	u64 *room = kvmalloc_array(words_of(keys, nr), sizeof(*room), GFP_KERNEL), *to = room;
	struct keyset_input run = {
		.format = &key_format_position_only, .start = (struct disk_key *)room,
	};
	bool fit = true;
	unsigned int i;
	int ret;

	if (!room)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		struct disk_key *k = (struct disk_key *)to;

		to += bce_key_write_unpacked(keys[i], k);
		fit = fit && (k->type == KEY_TYPE_deleted || fits_format(&n->set.format, k));
	}
	run.end = (struct disk_key *)to;
	ret = merge_sets(n, &run, fit, out);
	kvfree(room);
	return ret;
}

int bce_node_ptrs_prepare(struct btree_node *n, const struct bkey *const *keys, unsigned int nr,
			  struct ptrs_change *change)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret;

	*change = (struct ptrs_change) { };
	ret = bce_open_reserve(&n->open, nr, words_of(keys, nr), GFP_KERNEL);
	if (!ret && !all_in_place(n, keys, nr)) {
		ret = make_set(n, keys, nr, &change->set);
		change->new_set = !ret;
	}
	memalloc_nofs_restore(nofs);
	return ret;
}

void bce_node_ptrs_apply(struct btrees *b, struct btree_node *n, const struct bkey *const *keys,
			 unsigned int nr, struct ptrs_change *change)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		/* while the set is the old one: does it have what goes? */
		bce_node_put(n, keys[i], 0);
		if (!change->new_set)
			overwrite_value(&n->set, keys[i]);
	}
	if (change->new_set) {
		swap(n->set, change->set);
		bce_node_check_children(b, n);
		bce_keyset_exit(&change->set);
		change->new_set = false;
	}
	/* the set has them: what nobody needs to write need not be listed */
	bce_open_drop(&n->open, n->open.written_id);
	bce_node_cache_recount(&b->cache, n);
}

void bce_node_ptrs_cancel(struct ptrs_change *change)
{
	if (change->new_set)
		bce_keyset_exit(&change->set);
	change->new_set = false;
}
