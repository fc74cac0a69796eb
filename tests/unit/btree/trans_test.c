// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions against a model: a plain sorted list of keys per btree, copied when a transaction
 * begins and taken over when it commits. Over empty btrees that live in memory, and over trees of
 * small nodes read from an image, where transactions meet the edges of leaves.
 *
 * SEED= gives other rows.
 */
#include "engine/btree/trans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree_set.h"
#include "engine/btree/btrees_internal.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "mem_btrees.h"
#include "random.h"
#include "snapshot_tree.h"

#define VALUE_U64S_MAX	6

/* ---- the model ---- */

struct mkey {
	struct bkey	k;
	u64		v[VALUE_U64S_MAX];
};

struct model {
	struct mkey	*key;
	unsigned int	nr, max;
};

/* the btrees of a test: with snapshots, with extents, with neither */
static const unsigned int ids[] = { BTREE_ID_xattrs, BTREE_ID_extents, BTREE_ID_lru };
#define NR_IDS ARRAY_SIZE(ids)

struct world {
	struct btrees	*b;
	struct model	now[NR_IDS];	/* as committed */
	struct model	next[NR_IDS];	/* with the transaction's updates */
	u64		inodes;		/* positions are within so many */
	u64		offsets;
	bool		may_restart;
};

static unsigned int model_find(const struct model *m, struct bpos p)
{
	unsigned int from = 0, to = m->nr, middle;

	while (from < to) {
		middle = (from + to) / 2;
		if (bpos_cmp(m->key[middle].k.p, p) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void model_put(struct model *m, const struct bkey *k)
{
	unsigned int i = model_find(m, k->p);
	bool there = i < m->nr && !bpos_cmp(m->key[i].k.p, k->p);

	if (k->type == KEY_TYPE_deleted) {
		if (there)
			memmove(&m->key[i], &m->key[i + 1], (--m->nr - i) * sizeof(*m->key));
		return;
	}
	if (!there) {
		if (m->nr == m->max) {
			m->max = 2 * m->max + 64;
			m->key = realloc(m->key, m->max * sizeof(*m->key));
		}
		memmove(&m->key[i + 1], &m->key[i], (m->nr++ - i) * sizeof(*m->key));
	}
	m->key[i].k = *k;
	memcpy(m->key[i].v, k->v, bkey_val_bytes(k));
}

static void model_copy(struct model *to, const struct model *from)
{
	if (to->max < from->nr) {
		to->max = from->max;
		to->key = realloc(to->key, to->max * sizeof(*to->key));
	}
	to->nr = from->nr;
	if (from->nr)
		memcpy(to->key, from->key, from->nr * sizeof(*to->key));
}

static void assert_mkey(const struct bkey *k, const struct mkey *m)
{
	assert_int_equal(bpos_cmp(k->p, m->k.p), 0);
	assert_int_equal(k->type, m->k.type);
	assert_int_equal(k->size, m->k.size);
	assert_int_equal(k->val_u64s, m->k.val_u64s);
	if (k->val_u64s)
		assert_memory_equal(k->v, m->v, bkey_val_bytes(k));
}

/* ---- random keys and places ---- */

static struct bpos random_pos(const struct world *w, unsigned int which)
{
	struct bpos p = SPOS(1 + rnd() % w->inodes, 16 + rnd() % w->offsets, 0);

	if (ids[which] != BTREE_ID_lru)
		p.snapshot = snapshots[rnd() % ARRAY_SIZE(snapshots)];
	return p;
}

static struct bkey random_key(struct bpos p, unsigned int which, u64 *value)
{
	struct bkey k = { .p = p, .v = value };
	unsigned int i;

	for (i = 0; i < VALUE_U64S_MAX; i++)
		value[i] = rnd();
	if (rnd() % 4 == 0) {
		k.type = KEY_TYPE_deleted;
	} else if (ids[which] == BTREE_ID_lru) {
		k.type = KEY_TYPE_set;
	} else if (rnd() % 6 == 0) {
		k.type = KEY_TYPE_whiteout;
	} else if (ids[which] == BTREE_ID_extents) {
		k.type = KEY_TYPE_inline_data;
		k.size = 1 + rnd() % 12;
		k.val_u64s = 1 + rnd() % VALUE_U64S_MAX;
	} else {
		k.type = KEY_TYPE_cookie;
		k.val_u64s = 1;
	}
	return k;
}

/* ---- one question to the transaction, and its answer by the model ---- */

static void ask_exact(struct bce_trans *t, struct world *w, unsigned int which)
{
	struct bpos p = random_pos(w, which);
	const struct model *m = &w->next[which];
	unsigned int i = model_find(m, p);
	struct bkey k;
	int ret = bce_trans_lookup(t, ids[which], p, NULL, 0, &k);

	if (i < m->nr && !bpos_cmp(m->key[i].k.p, p)) {
		assert_int_equal(ret, 0);
		assert_mkey(&k, &m->key[i]);
	} else {
		assert_int_equal(ret, -ENOENT);
	}
}

/* index of the version of a logical position that a view sees; -1 none */
static int model_visible(const struct model *m, struct bpos p, u32 view)
{
	unsigned int i;

	p.snapshot = view;
	for (i = model_find(m, p); i < m->nr && !bpos_cmp_logical(m->key[i].k.p, p); i++)
		if (is_ancestor(NULL, view, m->key[i].k.p.snapshot))
			return i;
	return -1;
}

static void ask_visible(struct bce_trans *t, struct world *w, unsigned int which)
{
	struct snapshot_view view = {
		.id = snapshots[rnd() % ARRAY_SIZE(snapshots)], .is_ancestor = is_ancestor,
	};
	struct bpos p = random_pos(w, which);
	unsigned int flags = rnd() % 2 ? TRANS_WHITEOUTS : 0;
	int i = model_visible(&w->next[which], p, view.id);
	struct bkey k;
	int ret = bce_trans_lookup(t, ids[which], p, &view, flags, &k);

	if (i >= 0 && (w->next[which].key[i].k.type != KEY_TYPE_whiteout || flags)) {
		assert_int_equal(ret, 0);
		assert_mkey(&k, &w->next[which].key[i]);
	} else {
		assert_int_equal(ret, -ENOENT);
	}
}

static bool model_wanted(unsigned int which, const struct mkey *m, struct bpos pos, struct bpos end)
{
	if (ids[which] != BTREE_ID_extents)
		return bpos_cmp(m->k.p, pos) >= 0 && bpos_cmp(m->k.p, end) < 0;
	if (bpos_cmp(pos, POS_MIN) && bpos_cmp_logical(m->k.p, pos) <= 0)
		return false;
	return bpos_cmp_logical(bkey_start_pos(&m->k), end) < 0;
}

/* all keys of a range, one by one */
static void ask_range(struct bce_trans *t, struct world *w, unsigned int which, bool with_view)
{
	struct snapshot_view view = {
		.id = snapshots[rnd() % ARRAY_SIZE(snapshots)], .is_ancestor = is_ancestor,
	};
	const struct snapshot_view *v = with_view && ids[which] != BTREE_ID_lru ? &view : NULL;
	unsigned int flags = rnd() % 2 ? TRANS_WHITEOUTS : 0;
	const struct model *m = &w->next[which];
	struct bpos pos = random_pos(w, which), end = random_pos(w, which), at;
	unsigned int i;
	struct bkey k;

	pos.snapshot = end.snapshot = 0;
	at = pos;
	for (i = 0; i < m->nr; i++) {
		if (!model_wanted(which, &m->key[i], pos, end))
			continue;
		if (v && (model_visible(m, m->key[i].k.p, view.id) != (int)i ||
			  (m->key[i].k.type == KEY_TYPE_whiteout && !flags)))
			continue;
		assert_int_equal(bce_trans_peek(t, ids[which], at, end, v, flags, &k), 0);
		assert_mkey(&k, &m->key[i]);
		at = bce_trans_after(ids[which], &k, v);
	}
	/* the random extents of a view do overlap, and then the first beyond the end is not the last */
	if (!v || ids[which] != BTREE_ID_extents)
		assert_int_equal(bce_trans_peek(t, ids[which], at, end, v, flags, &k), -ENOENT);
}

static void ask_prev(struct bce_trans *t, struct world *w, unsigned int which)
{
	struct bpos pos = rnd() % 8 ? random_pos(w, which) : SPOS_MAX;
	struct bpos start = rnd() % 4 ? POS_MIN : random_pos(w, which);
	const struct model *m = &w->next[which];
	unsigned int i = model_find(m, pos);
	struct bkey k;
	int ret = bce_trans_peek_prev(t, ids[which], pos, start, 0, &k);

	if (i == m->nr || bpos_cmp(m->key[i].k.p, pos))
		i--;
	if (i < m->nr && bpos_cmp(m->key[i].k.p, start) >= 0) {
		assert_int_equal(ret, 0);
		assert_mkey(&k, &m->key[i]);
	} else {
		assert_int_equal(ret, -ENOENT);
	}
}

static void ask(struct bce_trans *t, struct world *w)
{
	unsigned int which = rnd() % NR_IDS;

	switch (rnd() % 8) {
	case 0: case 1: case 2:
		ask_exact(t, w, which);
		break;
	case 3: case 4:
		if (ids[which] != BTREE_ID_lru)
			ask_visible(t, w, which);
		break;
	case 5: case 6:
		ask_prev(t, w, which);
		break;
	default:
		/* extents begin in another order than they end: only without a view all are found */
		ask_range(t, w, which, ids[which] != BTREE_ID_extents && rnd() % 2);
	}
}

static void change(struct bce_trans *t, struct world *w)
{
	unsigned int which = rnd() % NR_IDS;
	u64 value[VALUE_U64S_MAX];
	struct bkey k = random_key(random_pos(w, which), which, value);

	assert_int_equal(bce_trans_update(t, ids[which], &k, 0), 0);
	memset(value, 0x55, sizeof(value));	/* it has been copied */
	k.v = value;
	if (k.type == KEY_TYPE_deleted || k.type == KEY_TYPE_set || k.type == KEY_TYPE_whiteout)
		k.val_u64s = 0;
	else
		assert_int_equal(bce_trans_lookup(t, ids[which], k.p, NULL, 0, &k), 0);
	model_put(&w->next[which], &k);
}

/* what iterators see is what is committed */
static void compare_all(struct world *w)
{
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int which, i;

	for (which = 0; which < NR_IDS; which++) {
		bce_btree_iter_init(&iter, w->b, ids[which], 0, POS_MIN, 0, NULL);
		i = 0;
		for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
			assert_false(IS_ERR(k));
			assert_true(i < w->now[which].nr);
			assert_mkey(k, &w->now[which].key[i++]);
		}
		assert_int_equal(i, w->now[which].nr);
		bce_btree_iter_exit(&iter);
	}
}

/* by iterators and look-ups with a view, over sets and open keys */
static void compare_views(struct world *w)
{
	struct snapshot_view view = { .is_ancestor = is_ancestor };
	const struct model *m = &w->now[0];
	struct btree_iter iter;
	const struct bkey *k;
	struct bkey_buf buf;
	struct bkey found;
	unsigned int s, i;
	bool visible;
	int ret;

	for (s = 0; s < ARRAY_SIZE(snapshots); s++) {
		view.id = snapshots[s];
		bce_btree_iter_init(&iter, w->b, ids[0], 0, POS_MIN, 0, &view);
		k = bce_btree_iter_peek(&iter);
		for (i = 0; i < m->nr; i++) {
			visible = model_visible(m, m->key[i].k.p, view.id) == (int)i &&
				m->key[i].k.type != KEY_TYPE_whiteout;
			if (visible) {
				assert_non_null(k);
				assert_mkey(k, &m->key[i]);
				if (rnd() % 16 == 0)
					bce_btree_iter_unlock(&iter);
				k = bce_btree_iter_next(&iter);
			}
			if (rnd() % 8 == 0) {
				bce_btree_iter_unlock(&iter);
				ret = bce_btree_lookup(w->b, ids[0], m->key[i].k.p, &view, &found,
						       &buf);
				if (visible)
					assert_int_equal(ret, 0);
				if (visible)
					assert_mkey(&found, &m->key[i]);
				k = bce_btree_iter_peek(&iter);
			}
		}
		assert_null(k);
		bce_btree_iter_exit(&iter);
	}
}

static void random_transaction(struct world *w, struct bce_trans *t, unsigned int size)
{
	unsigned int i, tries = 0;
	int ret;

	do {
		assert_in_range(tries++, 0, 16);
		bce_trans_begin(t);
		for (i = 0; i < NR_IDS; i++)
			model_copy(&w->next[i], &w->now[i]);
		for (i = rnd() % size; i; i--) {
			if (rnd() % 2)
				change(t, w);
			else
				ask(t, w);
		}
		if (rnd() % 8 == 0)
			return;		/* thought better of it */
		ret = bce_trans_commit(t, 0);
	} while (ret == BCE_TRANS_RESTART && w->may_restart);
	assert_int_equal(ret, 0);
	for (i = 0; i < NR_IDS; i++)
		model_copy(&w->now[i], &w->next[i]);
}

static void random_transactions(struct world *w, unsigned int nr, unsigned int size)
{
	struct bce_trans t;
	unsigned int i;

	bce_trans_init(&t, w->b);
	for (i = 0; i < nr; i++) {
		random_transaction(w, &t, size);
		if (i % 256 == 0)
			compare_all(w);
		if (i % 64 == 0)
			bce_btrees_shrink(w->b, 0);
	}
	compare_all(w);
	compare_views(w);
	bce_trans_exit(&t);
}

static void world_exit(struct world *w)
{
	unsigned int i;

	for (i = 0; i < NR_IDS; i++) {
		free(w->now[i].key);
		free(w->next[i].key);
	}
}

/* ---- tests ---- */

static void test_memory(void **state)
{
	struct world w = { .inodes = 3, .offsets = 100 };
	struct mem_btrees m;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	w.b = m.b;
	random_transactions(&w, 2000, 12);
	assert_int_equal(bce_log_errors_total(m.log), 0);
	world_exit(&w);
	mem_btrees_exit(&m);
}

/* so many keys that leaves merge theirs again and again */
static void test_memory_large(void **state)
{
	struct world w = { .inodes = 50, .offsets = 100 };
	struct mem_btrees m;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	w.b = m.b;
	random_transactions(&w, 150, 400);
	world_exit(&w);
	mem_btrees_exit(&m);
}

/* trees on disk, which are read anew after the changed nodes alone stayed in memory */
static void test_tree(void **state)
{
	struct world w = { .inodes = 8, .offsets = 200 };
	struct btrees_write_config writing = { };
	u64 value[VALUE_U64S_MAX];
	struct btree_set set;
	unsigned int i, j;

	set_init(&set, &small_nodes, 1);
	for (i = 0; i < NR_IDS; i++) {
		struct tree_shape shape = {
			.btree_id = ids[i], .leaf_keys = 20, .fanout = 8, .nr_bsets = 1,
			.seed = i + 1,
		};
		struct tree_writer *t = tree_begin(&set.image, &shape);

		for (j = 0; j < 2000; j++) {
			struct bkey k = random_key(random_pos(&w, i), i, value);

			model_put(&w.now[i], &k);
		}
		for (j = 0; j < w.now[i].nr; j++) {
			w.now[i].key[j].k.v = w.now[i].key[j].v;
			tree_add(t, &w.now[i].key[j].k);
		}
		tree_end(t, &set.replay->root[ids[i]]);
	}
	set_open(&set, 0);	/* nothing is evicted in the middle of a transaction */
	assert_int_equal(bce_btrees_start_writing(set.b, &writing, 0), 0);
	w.b = set.b;
	compare_all(&w);
	random_transactions(&w, 1500, 16);
	assert_int_equal(bce_log_errors_total(set.log), 0);
	world_exit(&w);
	set_exit(&set);
}

/* ---- conflicts ---- */

static struct bkey cookie(u64 offset, const u64 *v)
{
	return (struct bkey) {
		.p = SPOS(1, offset, 1000), .type = KEY_TYPE_cookie, .val_u64s = 1, .v = v,
	};
}

static void put_cookie(struct btrees *b, u64 offset, u64 v)
{
	struct bkey k = cookie(offset, &v);
	struct bce_trans t;

	bce_trans_init(&t, b);
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	bce_trans_exit(&t);
}

static void put_set(struct btrees *b, u64 offset)
{
	struct bkey k = { .p = POS(1, offset), .type = KEY_TYPE_set };
	struct bce_trans t;

	bce_trans_init(&t, b);
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_lru, &k, 0), 0);
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	bce_trans_exit(&t);
}

static u64 get_cookie(struct btrees *b, u64 offset)
{
	struct bkey_buf buf;
	struct bkey k;

	assert_int_equal(bce_btree_lookup(b, BTREE_ID_xattrs, SPOS(1, offset, 1000), NULL, &k,
					  &buf), 0);
	return buf.v[0];
}

/* the key that an iterator is at goes, or moves to a younger snapshot, while it is unlocked: no other is passed for it */
static void test_passed_key_has_gone(void **state)
{
	static const struct snapshot_view view = { .id = 700, .is_ancestor = is_ancestor };

	for (int with_view = 0; with_view < 2; with_view++) {
		struct btree_iter iter;
		struct mem_btrees m;
		struct bce_trans t;
		const struct bkey *k;
		u64 v = 1;

		mem_btrees_init(&m);
		mem_btrees_open(&m, NULL, NULL);
		for (u64 offset = 1; offset <= 3; offset++)
			put_cookie(m.b, offset, v);
		bce_btree_iter_init(&iter, m.b, BTREE_ID_xattrs, 0, POS_MIN, 0, with_view ? &view : NULL);
		k = bce_btree_iter_peek(&iter);
		assert_int_equal(k->p.offset, 1);
		bce_btree_iter_unlock(&iter);

		bce_trans_init(&t, m.b);
		bce_trans_begin(&t);
		assert_int_equal(bce_trans_delete(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), 0), 0);
		if (with_view) {
			struct bkey moved = cookie(1, &v);

			moved.p.snapshot = 800;
			assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &moved, 0), 0);
		}
		assert_int_equal(bce_trans_commit(&t, 0), 0);
		bce_trans_exit(&t);

		k = bce_btree_iter_next(&iter);
		assert_non_null(k);
		assert_int_equal(k->p.offset, 2);
		k = bce_btree_iter_next(&iter);
		assert_non_null(k);
		assert_int_equal(k->p.offset, 3);
		assert_null(bce_btree_iter_next(&iter));
		bce_btree_iter_exit(&iter);
		mem_btrees_exit(&m);
	}
}

/* what was read has changed before the commit */
static void test_conflict(void **state)
{
	u64 two = 2;
	struct bkey k = cookie(2, &two), found;
	struct bkey other = { .p = POS(1, 1), .type = KEY_TYPE_set };
	struct mem_btrees m;
	struct bce_trans t;
	unsigned int i;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	put_cookie(m.b, 1, 1);

	bce_trans_init(&t, m.b);
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL, 0, &found), 0);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
	put_cookie(m.b, 1, 7);
	assert_int_equal(bce_trans_commit(&t, 0), BCE_TRANS_RESTART);
	assert_int_equal(bce_btree_lookup(m.b, BTREE_ID_xattrs, k.p, NULL, &found,
					  &(struct bkey_buf) { }), -ENOENT);

	/* a second read of the leaf already tells */
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL, 0, &found), 0);
	put_cookie(m.b, 1, 8);
	assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL, 0, &found),
			 BCE_TRANS_RESTART);

	/* other keys of the leaf may change, come and go; what was not there must not come */
	for (i = 0; i < 2; i++) {
		bce_trans_begin(&t);
		assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL, 0,
						  &found), 0);
		assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 50, 1000), NULL, 0,
						  &found), -ENOENT);
		put_cookie(m.b, 3 + i, 3);
		assert_int_equal(bce_trans_peek(&t, BTREE_ID_xattrs, SPOS(1, 51, 0), POS(1, 60),
						NULL, 0, &found), -ENOENT);
		assert_int_equal(bce_trans_update(&t, BTREE_ID_lru, &other, 0), 0);
		if (i)	/* the leaf is ours, too */
			assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
		put_cookie(m.b, 10 + i, 3);
		put_cookie(m.b, 61, 3);
		assert_int_equal(bce_trans_commit(&t, 0), 0);
	}
	for (i = 0; i < 3; i++) {
		bce_trans_begin(&t);
		assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 50, 1000), NULL, 0,
						  &found), -ENOENT);
		assert_int_equal(bce_trans_peek(&t, BTREE_ID_xattrs, SPOS(1, 51, 0), POS(1, 60),
						NULL, 0, &found), -ENOENT);
		assert_int_equal(bce_trans_update(&t, BTREE_ID_lru, &other, 0), 0);
		if (i == 1)
			put_cookie(m.b, 50, 1);
		if (i == 2)
			put_cookie(m.b, 57, 1);
		assert_int_equal(bce_trans_commit(&t, 0), i ? BCE_TRANS_RESTART : 0);
		bce_trans_begin(&t);
		assert_int_equal(bce_trans_delete(&t, BTREE_ID_xattrs, SPOS(1, 50, 1000), 0), 0);
		assert_int_equal(bce_trans_commit(&t, 0), 0);
	}

	/* untracked reads do not count */
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL,
					  TRANS_UNTRACKED, &found), 0);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
	put_cookie(m.b, 1, 9);
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	assert_int_equal(get_cookie(m.b, 2), 2);
	bce_trans_exit(&t);
	mem_btrees_exit(&m);
}

/* who restarts often is alone in the end, and others go on when he is through */
static void test_exclusive(void **state)
{
	u64 two = 2;
	struct bkey k = cookie(2, &two), found;
	struct mem_btrees m;
	struct bce_trans t;
	unsigned int i;
	int ret;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	put_cookie(m.b, 1, 1);
	bce_trans_init(&t, m.b);
	for (i = 0; ; i++) {
		bce_trans_begin(&t);
		assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), NULL, 0,
						  &found), 0);
		assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
		/* in the end by his own hand only: what a task commits meanwhile passes */
		if (!t.exclusive)
			put_cookie(m.b, 1, 10 + i);
		else
			put_set(m.b, 5);
		ret = bce_trans_commit(&t, 0);
		if (!ret)
			break;
		assert_int_equal(ret, BCE_TRANS_RESTART);
		assert_true(i < 20);
	}
	assert_int_equal(i, 8);
	put_cookie(m.b, 1, 1);
	bce_trans_exit(&t);
	mem_btrees_exit(&m);
}

/* ---- rules, accounting ---- */

static void test_bad_key(void **state)
{
	u64 v = 1;
	struct bkey good = cookie(1, &v), bad = cookie(2, &v);
	struct mem_btrees m;
	struct bce_trans t;
	struct bkey found;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	bce_trans_init(&t, m.b);
	bce_trans_begin(&t);
	bad.p.snapshot = 0;
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &good, 0), 0);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &bad, 0), 0);
	assert_int_equal(bce_trans_commit(&t, 0), -EINVAL);
	assert_int_equal(bce_log_errors_total(m.log), 1);
	assert_int_equal(bce_log_error_count(m.log, BCE_ERR_bkey_snapshot_zero), 1);
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_lookup(&t, BTREE_ID_xattrs, good.p, NULL, 0, &found), -ENOENT);
	bce_trans_exit(&t);
	mem_btrees_exit(&m);
}

static s64 counter(struct btrees *b, const struct accounting_pos *pos, struct bversion *version)
{
	struct bkey_buf buf;
	struct bkey k;

	if (bce_btree_lookup(b, BTREE_ID_accounting, bce_accounting_pos_encode(pos), NULL, &k,
			     &buf))
		return 0;
	*version = k.version;
	return bce_accounting_counter(&k, 0);
}

static void test_accounting(void **state)
{
	struct accounting_pos inodes = { .type = ACCOUNTING_nr_inodes };
	struct accounting_pos snap = { .type = ACCOUNTING_snapshot, .snapshot.id = cpu_to_le32(5) };
	struct bversion before = { }, after = { };
	struct mem_btrees m;
	struct bce_trans t;
	s64 n, sum = 0, d;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	bce_trans_init(&t, m.b);
	for (n = 0; n < 100; n++) {
		bce_trans_begin(&t);
		d = (s64)(rnd() % 100) - 30;
		sum += 2 * d + 1;
		assert_int_equal(bce_trans_account(&t, &snap, &(s64) { 1 }, 1), 0);
		assert_int_equal(bce_trans_account(&t, &inodes, &d, 1), 0);
		assert_int_equal(bce_trans_account(&t, &inodes, &d, 1), 0);
		assert_int_equal(bce_trans_account(&t, &inodes, &(s64) { 1 }, 1), 0);
		assert_int_equal(bce_trans_account(&t, &snap, &(s64) { -1 }, 1), 0);
		assert_int_equal(bce_trans_commit(&t, 0), 0);
		before = after;
		assert_int_equal(counter(m.b, &inodes, &after), sum);
		assert_true(after.hi > before.hi || after.lo > before.lo);
	}
	/* what is nothing together leaves no key */
	assert_int_equal(bce_btree_lookup(m.b, BTREE_ID_accounting,
					  bce_accounting_pos_encode(&snap), NULL, &(struct bkey) { },
					  &(struct bkey_buf) { }), -ENOENT);
	bce_trans_exit(&t);
	mem_btrees_exit(&m);
}

/* ---- triggers ---- */

/*
 * A trigger that keeps, in the lru btree, a key for each cookie: deletes the old one's, inserts
 * the new one's. And another, at offset + 1, for each key of lru below 1000.
 */
struct trigger_log {
	unsigned int	overwrites, inserts, finishes;
	bool		inserted;	/* in this round: no overwrite may follow */
};

static u64 value_of(const struct bkey *k)
{
	return k->type == KEY_TYPE_cookie ? *(const u64 *)k->v : 0;
}

static int shadow(struct bce_trans *t, u64 offset, bool there)
{
	struct bkey k = {
		.p = POS(7, offset), .type = there ? KEY_TYPE_set : KEY_TYPE_deleted,
	};

	return offset ? bce_trans_update(t, BTREE_ID_lru, &k, 0) : 0;
}

static int on_key(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		  unsigned int btree_id, unsigned int level, const struct bkey *old,
		  const struct bkey *new)
{
	bool insert = phase == TRIGGER_INSERT;
	const struct bkey *k = insert ? new : old;
	struct trigger_log *log = ctx;

	assert_int_equal(level, 0);
	assert_int_equal(bpos_cmp(old->p, new->p), 0);
	assert_false(log->inserted && !insert);
	log->inserted = insert;
	log->overwrites += !insert;
	log->inserts += insert;
	if (btree_id == BTREE_ID_xattrs)
		return shadow(t, value_of(k), insert);
	if (k->p.offset < 1000 && k->type == KEY_TYPE_set)
		return shadow(t, k->p.offset + 1000, insert);
	return 0;
}

static int on_finish(void *ctx, struct bce_trans *t)
{
	struct trigger_log *log = ctx;

	log->finishes++;
	log->inserted = false;
	return 0;
}

static bool lru_has(struct btrees *b, u64 offset)
{
	return !bce_btree_lookup(b, BTREE_ID_lru, POS(7, offset), NULL, &(struct bkey) { },
				 &(struct bkey_buf) { });
}

static void test_triggers(void **state)
{
	static const struct btree_trigger_ops ops = { .key = on_key, .finish = on_finish };
	struct trigger_log log = { };
	struct mem_btrees m;
	struct bce_trans t;
	u64 v[] = { 11, 12, 13 };
	struct bkey k;

	mem_btrees_init(&m);
	mem_btrees_open(&m, &ops, &log);
	put_cookie(m.b, 1, 10);
	/* the cookie; its shadow; the shadow's shadow */
	assert_int_equal(log.finishes, 3);
	assert_int_equal(log.inserts, 3);
	assert_true(lru_has(m.b, 10) && lru_has(m.b, 1010));

	put_cookie(m.b, 1, 20);
	assert_false(lru_has(m.b, 10) || lru_has(m.b, 1010));
	assert_true(lru_has(m.b, 20) && lru_has(m.b, 1020));

	/* 20 goes and comes again in one transaction: its shadow is never away */
	bce_trans_init(&t, m.b);
	bce_trans_begin(&t);
	assert_int_equal(bce_trans_delete(&t, BTREE_ID_xattrs, SPOS(1, 1, 1000), 0), 0);
	v[0] = 20;
	k = cookie(2, v);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, 0), 0);
	log = (struct trigger_log) { };
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	assert_true(lru_has(m.b, 20) && lru_has(m.b, 1020));

	/* without triggers nothing follows */
	bce_trans_begin(&t);
	k = cookie(3, v + 1);
	assert_int_equal(bce_trans_update(&t, BTREE_ID_xattrs, &k, TRANS_NO_TRIGGER), 0);
	log = (struct trigger_log) { };
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	assert_int_equal(log.inserts + log.overwrites + log.finishes, 0);
	assert_false(lru_has(m.b, 12));
	bce_trans_exit(&t);
	assert_int_equal(bce_log_errors_total(m.log), 0);
	mem_btrees_exit(&m);
}

static bool wants_xattrs(unsigned int btree_id)
{
	return btree_id == BTREE_ID_xattrs;
}

/* A trigger that is to be told of one btree only is not told of others, nor are they read for it. */
static void test_triggers_of_some_btrees(void **state)
{
	static const struct btree_trigger_ops ops = {
		.key = on_key, .finish = on_finish, .wants = wants_xattrs,
	};
	struct trigger_log log = { };
	struct mem_btrees m;

	mem_btrees_init(&m);
	mem_btrees_open(&m, &ops, &log);
	put_cookie(m.b, 1, 10);
	/* the cookie; but not its shadow */
	assert_int_equal(log.finishes, 1);
	assert_int_equal(log.inserts, 1);
	assert_true(lru_has(m.b, 10) && !lru_has(m.b, 1010));
	put_cookie(m.b, 1, 20);
	assert_int_equal(log.overwrites, 1 + 1);
	assert_true(lru_has(m.b, 20) && !lru_has(m.b, 10));
	assert_int_equal(bce_log_errors_total(m.log), 0);
	mem_btrees_exit(&m);
}

/* ---- memory that is not to be had ---- */

enum { SCRIPT_STEPS = 40, STEP_KEYS = 24 };

/* each step puts its number at places in all btrees, over those of earlier steps, and counts */
static int script_step(struct bce_trans *t, void *ctx)
{
	static const struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	u64 step = *(unsigned int *)ctx;
	struct bkey k, found;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < STEP_KEYS && !ret; i++) {
		k = cookie(1 + (i * 7 + step * 13) % 200, &step);
		ret = bce_trans_lookup(t, BTREE_ID_xattrs, k.p, NULL, 0, &found);
		if (ret == -ENOENT)
			ret = 0;
		if (!ret && i % 5 == 4)
			ret = bce_trans_delete(t, BTREE_ID_xattrs, k.p, 0);
		else if (!ret)
			ret = bce_trans_update(t, BTREE_ID_xattrs, &k, 0);
		k = (struct bkey) { .p = POS(1, 1 + step * STEP_KEYS + i), .type = KEY_TYPE_set };
		if (!ret)
			ret = bce_trans_update(t, BTREE_ID_lru, &k, 0);
	}
	return ret ?: bce_trans_account(t, &count, &(s64) { 1 }, 1);
}

static unsigned int nr_keys(struct btrees *b, unsigned int btree_id)
{
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int nr = 0;

	bce_btree_iter_init(&iter, b, btree_id, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter))
		nr++;
	bce_btree_iter_exit(&iter);
	return nr;
}

/* Run the script, with the @nth allocation and perhaps all later ones of a step failing. */
static bool run_script(u64 nth, bool from)
{
	struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	struct bversion version;
	struct mem_btrees m;
	unsigned int step, done = 0, before;
	bool failed = false;
	int ret;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	/* roots are there: it is transactions that fail */
	assert_int_equal(nr_keys(m.b, BTREE_ID_xattrs) + nr_keys(m.b, BTREE_ID_lru) +
			 nr_keys(m.b, BTREE_ID_accounting), 0);
	kapi_alloc_fail(nth, from);
	for (step = 0; step < SCRIPT_STEPS; step++) {
		before = nr_keys(m.b, BTREE_ID_xattrs);
		ret = bce_trans_run(m.b, script_step, &step, 0, NULL);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			/* nothing of it has happened; once more, with memory */
			assert_int_equal(nr_keys(m.b, BTREE_ID_xattrs), before);
			assert_int_equal(nr_keys(m.b, BTREE_ID_lru), done * STEP_KEYS);
			kapi_alloc_fail(0, false);
			failed = true;
			assert_int_equal(bce_trans_run(m.b, script_step, &step, 0, NULL), 0);
		}
		done++;
		assert_int_equal(nr_keys(m.b, BTREE_ID_lru), done * STEP_KEYS);
		assert_int_equal(counter(m.b, &count, &version), done);
	}
	failed |= kapi_alloc_failed();
	kapi_alloc_fail(0, false);
	mem_btrees_exit(&m);
	return failed;
}

static void test_no_memory(void **state)
{
	unsigned int nth, failures = 0;

	for (nth = 1; run_script(nth, false); nth++)
		failures++;
	assert_true(failures > 20);
	for (nth = 1; run_script(nth, true); nth++)
		;
}

/* only what may wait is to be had: each transaction is done all the same, whatever its nodes need */
static void test_memory_short(void **state)
{
	struct world w = { .inodes = 50, .offsets = 100 };
	struct mem_btrees m;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	w.b = m.b;
	w.may_restart = true;
	kapi_alloc_fail_nowait(true);
	random_transactions(&w, 150, 400);
	kapi_alloc_fail_nowait(false);
	world_exit(&w);
	mem_btrees_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_memory, rnd_setup),
		cmocka_unit_test_setup(test_memory_large, rnd_setup),
		cmocka_unit_test_setup(test_tree, rnd_setup),
		cmocka_unit_test_setup(test_accounting, rnd_setup),
		cmocka_unit_test(test_passed_key_has_gone),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_triggers_of_some_btrees),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test_setup(test_memory_short, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
