// SPDX-License-Identifier: GPL-2.0
/*
 * Putting transactions together: reading and remembering, and the list of what is to change.
 *
 *	reads	leaf, sequence number; one per leaf that was looked at
 *	updates	btree, level, key; sorted, one per position
 *	deltas	accounting position, counters; summed
 *
 * All of it, and every value that was read, lies in chunks of memory that belong to the
 * transaction and are forgotten together. The largest one is kept for the next.
 *
 * A read finds what the transaction itself is going to put, and what is in the btree where it does
 * not put anything. The btree's part holds as of the moment it was read; the leaf is remembered
 * with the sequence number of its lock, and commit (commit.c) sees whether that still is the
 * number. If it is not, only some other key of the leaf may have changed; so what was found in it is
 * remembered too, up to some number of keys, and looked for once more. The same is done when a
 * leaf that has another number by now is read again.
 *
 * Two reads of different leaves may still not fit together, until commit says so: who finds
 * something impossible asks first (bce_trans_check_reads()), or returns his error, and it
 * becomes a restart if what he read does not hold any more (bce_trans_run(), and commit for
 * triggers).
 *
 * A leaf that was read is found again without a way down from the root: by its lock and number.
 *
 * After some restarts begin takes btrees->exclusive for writing, and commits other than those
 * that make room (reclaim, allocation) wait until this one is through.
 */
#include "engine/btree/trans.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/node_change.h"
#include "engine/btree/trans_internal.h"
#include "engine/format/ids.h"
#include "engine/key/validate.h"
#include "engine/util/event.h"

/* restarts before nobody else may commit */
#define RESTARTS_MAX		8

#define CHUNK_BYTES_MIN		1000U	/* with what malloc adds, still a small object */
#define CHUNK_BYTES_MAX		(32U << 10)

#define NR_MIN			8U

struct trans_chunk {
	struct trans_chunk	*next;
	u32			bytes;		/* of @data */
	u32			used;
	u64			data[];
};

/* ---- memory ---- */

static struct trans_chunk *chunk_new(struct bce_trans *t, size_t bytes)
{
	size_t size = t->chunks ? min(2 * t->chunks->bytes, CHUNK_BYTES_MAX) : CHUNK_BYTES_MIN;
	struct trans_chunk *c;

	size = max(size, bytes + sizeof(*c));
	c = kvmalloc(size, GFP_NOFS);
	if (!c)
		return NULL;
	c->next = t->chunks;
	c->bytes = size - sizeof(*c);
	c->used = 0;
	t->chunks = c;
	return c;
}

void *bce_trans_alloc(struct bce_trans *t, size_t bytes)
{
	struct trans_chunk *c = t->chunks;
	void *p;

	bytes = round_up(bytes, sizeof(u64));
	if (unlikely(!c || c->bytes - c->used < bytes)) {
		c = chunk_new(t, bytes);
		if (!c)
			return NULL;
	}
	p = (u8 *)c->data + c->used;
	c->used += bytes;
	return memset(p, 0, bytes);
}
EXPORT_SYMBOL_GPL(bce_trans_alloc);

/* all but the newest chunk, which is the largest */
static void chunks_reset(struct bce_trans *t)
{
	struct trans_chunk *c = t->chunks, *next;

	if (!c)
		return;
	for (next = c->next; next; next = c->next) {
		c->next = next->next;
		kvfree(next);
	}
	c->used = 0;
}

static void chunks_free(struct bce_trans *t)
{
	chunks_reset(t);
	kvfree(t->chunks);
	t->chunks = NULL;
}

void *bce_trans_slot(struct bce_trans *t, enum trans_slot slot, size_t bytes)
{
	if (!t->slot[slot])
		t->slot[slot] = bce_trans_alloc(t, bytes);
	return t->slot[slot];
}
EXPORT_SYMBOL_GPL(bce_trans_slot);

/* room for one more in an array of the transaction's; the old one's memory is lost till the end */
static bool array_grow(struct bce_trans *t, void **array, unsigned int nr, unsigned int *max,
		       size_t each)
{
	unsigned int larger = max(NR_MIN, 2 * nr);
	void *p;

	if (likely(nr < *max))
		return true;
	p = bce_trans_alloc(t, larger * each);
	if (!p)
		return false;
	if (nr)
		memcpy(p, *array, nr * each);
	*array = p;
	*max = larger;
	return true;
}

static const void *copy_value(struct bce_trans *t, const struct bkey *k)
{
	void *v;

	if (!k->val_u64s)
		return NULL;
	v = bce_trans_alloc(t, bkey_val_bytes(k));
	return v ? memcpy(v, k->v, bkey_val_bytes(k)) : NULL;
}

/* @k's value into the transaction's memory */
static int take_value(struct bce_trans *t, struct bkey *k)
{
	k->v = copy_value(t, k);
	return k->v || !k->val_u64s ? 0 : -ENOMEM;
}

/* ---- beginning and ending ---- */

void bce_trans_init(struct bce_trans *t, struct btrees *b)
{
	*t = (struct bce_trans) { .btrees = b };
}
EXPORT_SYMBOL_GPL(bce_trans_init);

bool bce_trans_alone(const struct btrees *b)
{
	return READ_ONCE(b->exclusive_task) == current;
}

void bce_trans_end_exclusive(struct bce_trans *t)
{
	if (!t->exclusive)
		return;
	t->exclusive = false;
	WRITE_ONCE(t->btrees->exclusive_task, NULL);
	percpu_up_write(&t->btrees->exclusive);
}

void bce_trans_exit(struct bce_trans *t)
{
	bce_trans_end_exclusive(t);
	chunks_free(t);
	if (t->spare)
		bce_open_exit(t->spare);
	kfree(t->spare);
	t->spare = NULL;
}
EXPORT_SYMBOL_GPL(bce_trans_exit);

void bce_trans_begin(struct bce_trans *t)
{
	chunks_reset(t);
	t->updates = NULL;
	t->deltas = NULL;
	t->reads = NULL;
	t->hook = NULL;
	t->nr_updates = t->max_updates = 0;
	t->nr_deltas = t->max_deltas = 0;
	t->nr_reads = t->max_reads = 0;
	memset(t->slot, 0, sizeof(t->slot));
	if (unlikely(t->restarts >= RESTARTS_MAX) && !t->exclusive &&
	    !bce_trans_alone(t->btrees)) {
		percpu_down_write(&t->btrees->exclusive);
		WRITE_ONCE(t->btrees->exclusive_task, current);
		t->exclusive = true;
	}
}
EXPORT_SYMBOL_GPL(bce_trans_begin);

void bce_trans_set_hook(struct bce_trans *t, struct trans_hook *hook)
{
	t->hook = hook;
}

int bce_trans_restart(struct bce_trans *t)
{
	t->restarts++;
	atomic64_inc(&t->btrees->restarts);
	bce_event(t->btrees->config.log, BCE_EVENT_trans_restart, 1);
	trace_bce_trans_restart(bce_event_set(t->btrees->config.log), t->restarts);
	return BCE_TRANS_RESTART;
}

/* ---- what was read ---- */

/* reads looked through for one of the same leaf: repeated reads mostly are near */
#define READS_BACK	4U

/* times that reads are renewed, as long as others go on changing their leaves */
#define RENEW_PASSES	3

/* keys of one node whose change would be told apart from that of others */
#define READ_KEYS_MAX	32U

/* the hint in a pointer's value is nobody's business */
static bool value_same(const struct bkey *a, const struct bkey *b)
{
	unsigned int skip = a->type == KEY_TYPE_btree_ptr_v2 && a->val_u64s;

	return !memcmp((const u64 *)a->v + skip, (const u64 *)b->v + skip,
		       (a->val_u64s - skip) * sizeof(u64));
}

static bool key_same(const struct bkey *a, const struct bkey *b)
{
	return !bpos_cmp(a->p, b->p) && a->type == b->type && a->size == b->size &&
		a->version.lo == b->version.lo && a->version.hi == b->version.hi &&
		a->val_u64s == b->val_u64s && (!a->val_u64s || value_same(a, b));
}

static bool found_same(const struct btree_node *n, const struct read_key *rk)
{
	struct node_cursor at;
	struct bkey k;

	bce_node_seek(n, rk->from, &at);
	if (!bce_node_peek(n, &at, &k) || bpos_cmp(k.p, rk->to) > 0)
		return rk->k.type == KEY_TYPE_deleted;
	return key_same(&k, &rk->k);
}

bool bce_trans_read_same(const struct trans_read *r)
{
	const struct read_key *rk;

	if (r->many)
		return false;
	for (rk = r->keys; rk; rk = rk->next)
		if (!node_is_at(r->n, r->btree_id, r->level, rk->from) ||
		    !node_covers(r->n, rk->to) || !found_same(r->n, rk))
			return false;
	return true;
}

static struct trans_read *read_of(struct bce_trans *t, const struct btree_node *n)
{
	unsigned int i;

	for (i = 1; i <= min(READS_BACK, t->nr_reads); i++)
		if (t->reads[t->nr_reads - i].n == n)
			return &t->reads[t->nr_reads - i];
	return NULL;
}

int bce_trans_note_leaf(struct bce_trans *t, const struct btree_node *n)
{
	struct trans_read *r = read_of(t, n);
	u32 seq = bce_six_seq(&n->lock);

	if (r && r->seq != seq) {
		if (!bce_trans_read_same(r))
			return bce_trans_restart(t);
		r->seq = seq;
		r->min = n->min;
		r->max = n->id.max;
	}
	if (r)
		return 0;
	if (!array_grow(t, (void **)&t->reads, t->nr_reads, &t->max_reads, sizeof(*t->reads)))
		return -ENOMEM;
	t->reads[t->nr_reads++] = (struct trans_read) {
		.n = (struct btree_node *)n, .seq = seq,
		.btree_id = n->id.btree_id, .level = n->id.level, .min = n->min, .max = n->id.max,
	};
	return 0;
}

int bce_trans_note_key(struct bce_trans *t, const struct btree_node *n, struct bpos from,
		       struct bpos to, struct bkey *k)
{
	struct trans_read *r = read_of(t, n);
	struct read_key *rk;
	int ret = k ? take_value(t, k) : 0;

	if (ret || !r || r->many)
		return ret;
	if (r->nr_keys == READ_KEYS_MAX) {
		r->many = true;
		return 0;
	}
	rk = bce_trans_alloc(t, sizeof(*rk));
	if (!rk)
		return -ENOMEM;
	rk->from = from;
	rk->to = to;
	rk->k = k ? *k : (struct bkey) { .type = KEY_TYPE_deleted };
	rk->next = r->keys;
	r->keys = rk;
	r->nr_keys++;
	return 0;
}

/* as commit does it (reads_hold() there), without locks */
bool bce_trans_reads_hold(struct bce_trans *t)
{
	unsigned int pass, i;
	struct trans_read *r;
	bool same, all = false;

	for (pass = 0; pass < RENEW_PASSES && !all; pass++) {
		all = true;
		for (i = 0; i < t->nr_reads; i++) {
			r = &t->reads[i];
			if (bce_six_seq(&r->n->lock) == r->seq)
				continue;
			bce_node_lock_read(r->n);
			same = bce_trans_read_same(r);
			if (same)	/* else it is told again to who asks again */
				r->seq = bce_six_seq(&r->n->lock);
			node_unlock_read(r->n);
			if (!same)
				return false;
			all = false;
		}
	}
	return all;
}

int bce_trans_check_reads(struct bce_trans *t)
{
	return bce_trans_reads_hold(t) ? 0 : bce_trans_restart(t);
}
EXPORT_SYMBOL_GPL(bce_trans_check_reads);

/* the last read of a node that covers @p; NULL if it was not read lately */
static const struct trans_read *read_find(const struct bce_trans *t, unsigned int btree_id,
					  unsigned int level, struct bpos p)
{
	const struct trans_read *r;
	unsigned int i;

	for (i = 1; i <= min(READS_BACK, t->nr_reads); i++) {
		r = &t->reads[t->nr_reads - i];
		if (r->btree_id == btree_id && r->level == level && bpos_cmp(r->min, p) <= 0 &&
		    bpos_cmp(p, r->max) <= 0)
			return r;
	}
	return NULL;
}

/* The node that holds @p, read-locked and remembered. */
static struct btree_node *lock_to_read(struct bce_trans *t, unsigned int btree_id,
				       unsigned int level, struct bpos p, unsigned int flags)
{
	const struct trans_read *r = read_find(t, btree_id, level, p);
	struct btree_node *n;
	int ret;

	if (r && bce_six_relock(&r->n->lock, BCE_SIX_READ, r->seq))
		return r->n;
	n = bce_node_lock_at(t->btrees, btree_id, level, p);
	if (IS_ERR(n))
		return PTR_ERR(n) == -EINVAL ? ERR_PTR(-ENOENT) : n;
	ret = flags & TRANS_UNTRACKED ? 0 : bce_trans_note_leaf(t, n);
	if (ret) {
		node_unlock_read(n);
		return ERR_PTR(ret);
	}
	return n;
}

/* ---- own updates ---- */

static int update_cmp(const struct trans_update *u, unsigned int btree_id, unsigned int level,
		      struct bpos p)
{
	if (u->btree_id != btree_id)
		return u->btree_id < btree_id ? -1 : 1;
	if (u->level != level)
		return u->level < level ? -1 : 1;
	return bpos_cmp(u->k.p, p);
}

unsigned int bce_trans_update_index(const struct bce_trans *t, unsigned int btree_id,
				    unsigned int level, struct bpos p)
{
	unsigned int from = 0, to = t->nr_updates, middle;

	while (from < to) {
		middle = (from + to) / 2;
		if (update_cmp(t->updates[middle], btree_id, level, p) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* the update at @i if it is of this btree and level, or NULL */
static struct trans_update *own_at(const struct bce_trans *t, unsigned int i,
				   unsigned int btree_id, unsigned int level)
{
	struct trans_update *u = i < t->nr_updates ? t->updates[i] : NULL;

	return u && u->btree_id == btree_id && u->level == level ? u : NULL;
}

static struct trans_update *own_find(const struct bce_trans *t, unsigned int btree_id,
				     unsigned int level, struct bpos p)
{
	struct trans_update *u = own_at(t, bce_trans_update_index(t, btree_id, level, p),
					btree_id, level);

	return u && !bpos_cmp(u->k.p, p) ? u : NULL;
}

/* ---- looking up ---- */

/* own update to be returned; values in the transaction's memory never change once they are there */
static int own_key(const struct trans_update *u, struct bkey *k)
{
	if (u->k.type == KEY_TYPE_deleted)
		return -ENOENT;
	*k = u->k;
	return 0;
}

static void zero_hint(struct bkey *k)
{
	if (k->type == KEY_TYPE_btree_ptr_v2 && k->val_u64s)
		*(u64 *)k->v = 0;
}

static int lookup_below(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			struct bpos pos, unsigned int flags, struct bkey *k)
{
	struct btree_node *n = lock_to_read(t, btree_id, level, pos, flags);
	struct bkey found;
	bool there;
	int ret;

	if (IS_ERR(n))
		return PTR_ERR(n);
	there = bce_node_lookup(n, pos, &found);
	if (flags & TRANS_UNTRACKED)
		ret = there ? take_value(t, &found) : 0;
	else
		ret = bce_trans_note_key(t, n, pos, pos, there ? &found : NULL);
	node_unlock_read(n);
	if (ret || !there)
		return ret ?: -ENOENT;
	*k = found;
	if (level)
		zero_hint(k);
	return 0;
}

int bce_trans_lookup_below(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   struct bpos p, struct bkey *k)
{
	return lookup_below(t, btree_id, level, p, 0, k);
}

static int lookup_exact(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			struct bpos pos, unsigned int flags, struct bkey *k)
{
	const struct trans_update *u = t->nr_updates ? own_find(t, btree_id, level, pos) : NULL;

	return u ? own_key(u, k) : lookup_below(t, btree_id, level, pos, flags, k);
}

int bce_trans_lookup_level(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   struct bpos pos, struct bkey *k)
{
	return lookup_exact(t, btree_id, level, pos, 0, k);
}
EXPORT_SYMBOL_GPL(bce_trans_lookup_level);

/* ---- own and others' keys in one order ---- */

/**
 * struct merged - both, ascending
 * @iter: over the btree, without view
 * @own:  index of the next own update
 * @have: iter.k is the next key of the btree
 * @end:  the btree has no more
 */
struct merged {
	struct bce_trans	*t;
	struct btree_iter	iter;
	unsigned int		own;
	bool			have;
	bool			end;
};

static void merged_seek(struct merged *m, struct bpos search)
{
	m->iter.search = search;
	m->iter.placed = false;
	m->iter.at_end = false;
	m->have = false;
	m->end = false;
	m->own = bce_trans_update_index(m->t, m->iter.btree_id, 0, search);
}

static void merged_init(struct merged *m, struct bce_trans *t, unsigned int btree_id,
			struct bpos search, struct bpos limit, unsigned int flags)
{
	const struct trans_read *r = read_find(t, btree_id, 0, search);

	m->t = t;
	bce_btree_iter_init(&m->iter, t->btrees, btree_id, 0, search, 0, NULL);
	if (r) {
		/* as if the iterator had been there: it tries that leaf before the way from the root */
		m->iter.unlocked = r->n;
		m->iter.unlocked_seq = r->seq;
	}
	m->iter.trans = flags & TRANS_UNTRACKED ? NULL : t;
	m->iter.limit = limit;
	merged_seek(m, search);
}

static void merged_exit(struct merged *m)
{
	bce_btree_iter_exit(&m->iter);
}

static int merged_read(struct merged *m)
{
	int ret;

	if (m->have || m->end)
		return 0;
	ret = bce_iter_raw_peek(&m->iter);
	m->have = !ret;
	m->end = ret == -ENOENT;
	return m->end ? 0 : ret;
}

static void merged_advance(struct merged *m)
{
	bce_iter_raw_advance(&m->iter);
	m->have = false;
}

/*
 * The next live key; its value is in the transaction's memory, or in the node if the read is
 * not tracked or the key at or behind the limit. -ENOENT: none.
 */
static int merged_next(struct merged *m, struct bkey *k)
{
	const struct trans_update *u;
	int ret, cmp;

	for (;;) {
		ret = merged_read(m);
		if (ret)
			return ret;
		u = own_at(m->t, m->own, m->iter.btree_id, 0);
		if (!u && m->end)
			return -ENOENT;
		cmp = !u ? 1 : m->end ? -1 : bpos_cmp(u->k.p, m->iter.k.p);
		if (cmp > 0) {
			*k = m->iter.k;
			merged_advance(m);
			return 0;
		}
		m->own++;
		if (!cmp)
			merged_advance(m);
		if (!own_key(u, k))
			return 0;
	}
}

/* Past all keys at the logical position; false: there is nothing behind. */
static bool merged_skip_position(struct merged *m, struct bpos p)
{
	p.snapshot = U32_MAX;
	if (!bpos_cmp(p, SPOS_MAX))
		return false;
	merged_seek(m, bpos_successor(p));
	return true;
}

static bool view_sees(const struct snapshot_view *view, u32 snapshot)
{
	if (snapshot <= view->id)
		return snapshot == view->id;
	return view->is_ancestor(view->ctx, view->id, snapshot);
}

/* what peek looks for */
struct wanted {
	const struct snapshot_view	*view;
	struct bpos			end;
	unsigned int			flags;
	bool				extents;
	bool				versions;	/* of different snapshots, which may overlap */
};

/* does @k begin at or after the end? */
static bool is_beyond(const struct wanted *w, const struct bkey *k)
{
	if (w->extents)
		return bpos_cmp_logical(bkey_start_pos(k), w->end) >= 0;
	return bpos_cmp(k->p, w->end) >= 0;
}

/*
 * Will no later key do either? Extents of different snapshots may begin in another order than they
 * end; those visible in one do not overlap.
 */
static bool is_last(const struct wanted *w, const struct bkey *k)
{
	if (!w->extents || !w->versions || k->p.inode > w->end.inode)
		return true;
	/* extents of a view do not overlap; but a whiteout is none: what follows may begin before it */
	return w->view && k->type != KEY_TYPE_whiteout;
}

static int merged_peek(struct merged *m, const struct wanted *w, struct bkey *k)
{
	int ret;

	for (;;) {
		ret = merged_next(m, k);
		if (ret)
			return ret;
		if (w->view && !view_sees(w->view, k->p.snapshot))
			continue;
		if (is_beyond(w, k)) {
			if (is_last(w, k) || (w->view && !merged_skip_position(m, k->p)))
				return -ENOENT;
			continue;
		}
		if (!w->view || k->type != KEY_TYPE_whiteout || w->flags & TRANS_WHITEOUTS)
			return 0;
		if (!merged_skip_position(m, k->p))
			return -ENOENT;
	}
}

static int peek_from(struct bce_trans *t, unsigned int btree_id, struct bpos search,
		     struct bpos limit, const struct wanted *w, struct bkey *k)
{
	struct merged m;
	int ret;

	merged_init(&m, t, btree_id, search, limit, w->flags);
	ret = merged_peek(&m, w, k);
	if (!ret && w->flags & TRANS_UNTRACKED)
		ret = take_value(t, k);
	merged_exit(&m);
	return ret;
}

int bce_trans_lookup(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
		     const struct snapshot_view *view, unsigned int flags, struct bkey *k)
{
	struct wanted w = { .view = view, .flags = flags | TRANS_WHITEOUTS };
	int ret;

	if (!view || !bce_btree_has_snapshots(btree_id))
		return lookup_exact(t, btree_id, 0, pos, flags, k);

	/* from the view's own version to the oldest one possible */
	pos.snapshot = view->id;
	w.end = SPOS(pos.inode, pos.offset, U32_MAX);
	if (bpos_cmp(w.end, SPOS_MAX))
		w.end = bpos_successor(w.end);
	ret = peek_from(t, btree_id, pos, w.end, &w, k);
	if (!ret && k->type == KEY_TYPE_whiteout && !(flags & TRANS_WHITEOUTS))
		ret = -ENOENT;
	return ret;
}
EXPORT_SYMBOL_GPL(bce_trans_lookup);

/* where peek begins to search; false: nothing is behind @pos */
static bool search_from(unsigned int btree_id, const struct snapshot_view *view, struct bpos pos,
			struct bpos *search)
{
	*search = pos;
	if (bce_btree_has_extents(btree_id) && bpos_cmp(pos, POS_MIN) &&
	    (view || !pos.snapshot)) {
		*search = bpos_successor(SPOS(pos.inode, pos.offset, U32_MAX));
		if (!bpos_cmp(*search, POS_MIN))
			return false;
	}
	if (view)
		search->snapshot = view->id;
	return true;
}

int bce_trans_peek(struct bce_trans *t, unsigned int btree_id, struct bpos pos, struct bpos end,
		   const struct snapshot_view *view, unsigned int flags, struct bkey *k)
{
	struct wanted w = {
		.view = bce_btree_has_snapshots(btree_id) ? view : NULL,
		.end = end, .flags = flags, .extents = bce_btree_has_extents(btree_id),
		.versions = bce_btree_has_snapshots(btree_id),
	};
	struct bpos search;

	if (!search_from(btree_id, w.view, pos, &search))
		return -ENOENT;
	/* an extent that begins before the end may stand in any later leaf */
	return peek_from(t, btree_id, search, w.extents ? SPOS_MAX : end, &w, k);
}
EXPORT_SYMBOL_GPL(bce_trans_peek);

struct bpos bce_trans_after(unsigned int btree_id, const struct bkey *k,
			    const struct snapshot_view *view)
{
	bool all_versions = view && bce_btree_has_snapshots(btree_id);

	if (bce_btree_has_extents(btree_id)) {
		/* peek begins behind the end of all there is at this offset */
		if (all_versions || !k->p.snapshot || k->p.snapshot == U32_MAX)
			return POS(k->p.inode, k->p.offset);
		return bpos_successor(k->p);
	}
	if (all_versions)
		return bpos_successor(SPOS(k->p.inode, k->p.offset, U32_MAX));
	return bpos_successor(k->p);
}
EXPORT_SYMBOL_GPL(bce_trans_after);

/* ---- backwards ---- */

/* the last own update at or before @p, deleted ones too */
static const struct trans_update *own_prev(const struct bce_trans *t, unsigned int btree_id,
					   struct bpos p)
{
	unsigned int i = bce_trans_update_index(t, btree_id, 0, p);
	const struct trans_update *u = own_at(t, i, btree_id, 0);

	if (u && !bpos_cmp(u->k.p, p))
		return u;
	return i ? own_at(t, i - 1, btree_id, 0) : NULL;
}

/* the last key of the btree at or before @p, and at or after @start */
static int btree_prev(struct bce_trans *t, unsigned int btree_id, struct bpos p, struct bpos start,
		      unsigned int flags, struct bkey *k)
{
	struct btree_node *n;
	struct bpos min;
	bool found;
	int ret;

	for (;;) {
		n = lock_to_read(t, btree_id, 0, p, flags);
		if (IS_ERR(n))
			return PTR_ERR(n);
		min = n->min;
		found = bce_node_peek_prev(n, p, k);
		ret = found && bpos_cmp(k->p, start) >= 0 ? take_value(t, k) : -ENOENT;
		if (!(flags & TRANS_UNTRACKED))
			read_of(t, n)->many = true;
		if (found) {
			node_unlock_read(n);
			return ret;
		}
		node_unlock_read(n);
		if (bpos_cmp(min, start) <= 0)
			return -ENOENT;
		p = bpos_predecessor(min);
	}
}

int bce_trans_peek_prev(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			struct bpos start, unsigned int flags, struct bkey *k)
{
	const struct trans_update *u;
	int ret;

	for (;;) {
		if (bpos_cmp(pos, start) < 0)
			return -ENOENT;
		ret = btree_prev(t, btree_id, pos, start, flags, k);
		if (ret && ret != -ENOENT)
			return ret;
		u = own_prev(t, btree_id, pos);
		if (!u || bpos_cmp(u->k.p, start) < 0 || (!ret && bpos_cmp(k->p, u->k.p) > 0))
			return ret;
		if (!own_key(u, k))
			return 0;
		if (!bpos_cmp(u->k.p, POS_MIN))
			return -ENOENT;
		pos = bpos_predecessor(u->k.p);
	}
}
EXPORT_SYMBOL_GPL(bce_trans_peek_prev);

/* ---- writing ---- */

static struct trans_update *update_insert(struct bce_trans *t, unsigned int i)
{
	struct trans_update *u = bce_trans_alloc(t, sizeof(*u));

	if (!u || !array_grow(t, (void **)&t->updates, t->nr_updates, &t->max_updates,
			      sizeof(*t->updates)))
		return NULL;
	memmove(&t->updates[i + 1], &t->updates[i], (t->nr_updates - i) * sizeof(*t->updates));
	t->updates[i] = u;
	t->nr_updates++;
	return u;
}

int bce_trans_update_level(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   const struct bkey *k, unsigned int flags)
{
	unsigned int i = bce_trans_update_index(t, btree_id, level, k->p);
	struct trans_update *u = own_at(t, i, btree_id, level);
	struct bkey copy = *k;

	if (take_value(t, &copy))
		return -ENOMEM;
	if (level)
		zero_hint(&copy);
	if (!u || bpos_cmp(u->k.p, k->p)) {
		u = update_insert(t, i);
		if (!u)
			return -ENOMEM;
	}
	u->btree_id = btree_id;
	u->level = level;
	u->flags = flags;
	u->pending = !(flags & TRANS_NO_TRIGGER);
	u->k = copy;
	return 0;
}
EXPORT_SYMBOL_GPL(bce_trans_update_level);

int bce_trans_tell_triggers(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			    const struct bkey *old, const struct bkey *new)
{
	struct trigger_state *s = bce_trans_alloc(t, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->seen = *old;
	s->told = true;
	if (take_value(t, &s->seen))
		return -ENOMEM;
	ret = bce_trans_update_level(t, btree_id, level, new, TRANS_TRIGGER_ONLY);
	if (!ret)
		own_find(t, btree_id, level, new->p)->trigger = s;
	return ret;
}

int bce_trans_update(struct bce_trans *t, unsigned int btree_id, const struct bkey *k,
		     unsigned int flags)
{
	return bce_trans_update_level(t, btree_id, 0, k, flags);
}
EXPORT_SYMBOL_GPL(bce_trans_update);

int bce_trans_delete(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
		     unsigned int flags)
{
	struct bkey k = { .p = pos, .type = KEY_TYPE_deleted };

	return bce_trans_update_level(t, btree_id, 0, &k, flags);
}
EXPORT_SYMBOL_GPL(bce_trans_delete);

int bce_trans_account(struct bce_trans *t, const struct accounting_pos *pos, const s64 *counters,
		      unsigned int nr)
{
	struct bpos p = bce_accounting_pos_encode(pos);
	struct trans_delta *d = t->deltas, *end = d + t->nr_deltas;
	unsigned int i;

	if (!nr || nr > ACCOUNTING_COUNTERS_MAX)
		return -EINVAL;
	while (d != end && bpos_cmp(d->pos, p))
		d++;
	if (d == end) {
		if (!array_grow(t, (void **)&t->deltas, t->nr_deltas, &t->max_deltas, sizeof(*d)))
			return -ENOMEM;
		d = &t->deltas[t->nr_deltas++];
		*d = (struct trans_delta) { .pos = p };
	}
	d->nr = max(d->nr, nr);
	for (i = 0; i < nr; i++)
		d->counters[i] += counters[i];
	return 0;
}
EXPORT_SYMBOL_GPL(bce_trans_account);

/* ---- the usual loop ---- */

int bce_trans_run(struct btrees *b, int (*fn)(struct bce_trans *t, void *ctx), void *ctx,
		  unsigned int commit_flags, u64 *seq)
{
	struct bce_trans t;
	int ret;

	bce_trans_init(&t, b);
	do {
		bce_trans_begin(&t);
		ret = fn(&t, ctx);
		/* an error may come of reads that do not fit together */
		if (ret < 0 && ret != BCE_TRANS_RESTART && !bce_trans_reads_hold(&t))
			ret = bce_trans_restart(&t);
		if (!ret)
			ret = bce_trans_commit(&t, commit_flags);
	} while (ret == BCE_TRANS_RESTART);
	if (seq && !ret)
		*seq = t.journal_seq;
	bce_trans_exit(&t);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_trans_run);
