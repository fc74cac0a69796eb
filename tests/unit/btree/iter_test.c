// SPDX-License-Identifier: GPL-2.0
/*
 * Iterators, look-ups and node walks over trees of small nodes, against the sorted list of keys
 * the tree was made of.
 */
#include "engine/btree/iter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>

#include "btree_set.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "snapshot_tree.h"

#define NR_KEYS		6000
#define VERSIONS	3	/* of a logical position at most */

struct model {
	struct btree_set	set;
	unsigned int		btree_id;
	struct bkey		key[NR_KEYS];
	u64			value[NR_KEYS];
	unsigned int		nr;
	u64			random;
};

static u64 rnd(struct model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

static void model_add(struct model *m, struct bpos p, unsigned int type, u32 size)
{
	unsigned int i = m->nr++;

	m->value[i] = rnd(m);
	m->key[i] = (struct bkey) {
		.p = p, .type = type, .size = size,
		.val_u64s = type != KEY_TYPE_whiteout, .v = &m->value[i],
	};
}

/* several versions at each logical position; whiteouts among them */
static void fill_snapshots(struct model *m)
{
	u64 inode = 1, offset = 1;
	unsigned int i, j;

	while (m->nr + ARRAY_SIZE(snapshots) < NR_KEYS) {
		if (rnd(m) % 50 == 0) {
			inode += 1 + rnd(m) % 3;
			offset = 0;
		}
		offset += 1 + rnd(m) % 20;
		for (i = 0, j = 0; i < ARRAY_SIZE(snapshots) && j < VERSIONS; i++)
			if (rnd(m) % 3 == 0) {
				model_add(m, SPOS(inode, offset, snapshots[i]), rnd(m) % 4 ?
					  KEY_TYPE_cookie : KEY_TYPE_whiteout, 0);
				j++;
			}
	}
}

static void fill_extents(struct model *m)
{
	u64 inode = 1, offset = 0;
	u32 size;

	while (m->nr < NR_KEYS) {
		if (rnd(m) % 50 == 0) {
			inode += 1 + rnd(m) % 3;
			offset = 0;
		}
		size = 1 + rnd(m) % 16;
		offset += size + (rnd(m) % 2 ? 0 : rnd(m) % 16);
		model_add(m, SPOS(inode, offset, 1000), KEY_TYPE_inline_data, size);
	}
}

static struct model *model_new(unsigned int btree_id, unsigned int seed, unsigned int nr_bsets,
			       unsigned int fanout)
{
	struct tree_shape shape = {
		.btree_id = btree_id, .leaf_keys = nr_bsets > 1 ? 25 : 60, .fanout = fanout,
		.nr_bsets = nr_bsets, .seed = seed,
	};
	struct model *m = calloc(1, sizeof(*m));
	struct tree_writer *w;
	unsigned int i;

	m->btree_id = btree_id;
	m->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	set_init(&m->set, &small_nodes, 1);
	if (btree_id == BTREE_ID_extents)
		fill_extents(m);
	else
		fill_snapshots(m);
	w = tree_begin(&m->set.image, &shape);
	for (i = 0; i < m->nr; i++)
		tree_add(w, &m->key[i]);
	tree_end(w, &m->set.replay->root[btree_id]);
	return m;
}

static void model_free(struct model *m)
{
	assert_int_equal(bce_log_errors_total(m->set.log), 0);
	set_exit(&m->set);
	free(m);
}

static void assert_key(const struct bkey *k, const struct bkey *expected)
{
	assert_false(IS_ERR(k));
	if (!expected) {
		assert_null(k);
		return;
	}
	assert_non_null(k);
	assert_int_equal(bpos_cmp(k->p, expected->p), 0);
	assert_int_equal(k->type, expected->type);
	assert_int_equal(k->size, expected->size);
	assert_int_equal(k->val_u64s, expected->val_u64s);
	assert_memory_equal(k->v, expected->v, bkey_val_bytes(expected));
}

/* the model's answer: index of the first key that peek at @p gives; m->nr for none */
static unsigned int model_peek(const struct model *m, struct bpos p)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		if (m->btree_id == BTREE_ID_extents) {
			if (m->key[i].p.inode > p.inode ||
			    (m->key[i].p.inode == p.inode && m->key[i].p.offset > p.offset))
				break;
		} else if (bpos_cmp(m->key[i].p, p) >= 0) {
			break;
		}
	}
	return i;
}

static const struct bkey *model_key(const struct model *m, unsigned int i)
{
	return i < m->nr ? &m->key[i] : NULL;
}

/* index of the first key at or after @i that @view shows */
static unsigned int model_view(const struct model *m, unsigned int i,
			       const struct snapshot_view *view, bool whiteouts)
{
	struct bpos seen = POS_MIN;
	bool have_seen = false;
	unsigned int j = i;

	/* keys before @i may have settled its position */
	while (j && !bpos_cmp_logical(m->key[j - 1].p, m->key[i < m->nr ? i : m->nr - 1].p))
		j--;
	for (; j < m->nr; j++) {
		const struct bkey *k = &m->key[j];

		if (have_seen && !bpos_cmp_logical(seen, k->p))
			continue;
		if (!is_ancestor(NULL, view->id, k->p.snapshot))
			continue;
		seen = k->p;
		have_seen = true;
		if (j >= i && (k->type != KEY_TYPE_whiteout || whiteouts))
			return j;
	}
	return j;
}

static struct bpos random_pos(struct model *m)
{
	struct bpos p = m->key[rnd(m) % m->nr].p;

	switch (rnd(m) % 8) {
	case 0: p.offset -= rnd(m) % 8 < p.offset ? rnd(m) % 2 : 0; break;
	case 1: p.offset += rnd(m) % 8; break;
	case 2: p.snapshot += rnd(m) % 100; break;
	case 3: p.inode += 1; p.offset = 0; break;
	case 4: return rnd(m) % 2 ? POS_MIN : SPOS_MAX;
	}
	return p;
}

/* ---- tests ---- */

static void scan(struct model *m, unsigned int flags)
{
	const struct bkey *k;
	struct btree_iter iter;
	unsigned int i = 0;

	bce_btree_iter_init(&iter, m->set.b, m->btree_id, 0, POS_MIN, flags, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter))
		assert_key(k, model_key(m, i++));
	assert_key(k, NULL);
	assert_int_equal(i, m->nr);
	assert_null(bce_btree_iter_next(&iter));
	bce_btree_iter_exit(&iter);
}

static void seeks(struct model *m)
{
	struct btree_iter iter;
	unsigned int n, i, steps;

	bce_btree_iter_init(&iter, m->set.b, m->btree_id, 0, POS_MIN, 0, NULL);
	for (n = 0; n < 3000; n++) {
		struct bpos p = random_pos(m);

		bce_btree_iter_set_pos(&iter, p);
		i = model_peek(m, p);
		assert_key(bce_btree_iter_peek(&iter), model_key(m, i));
		for (steps = rnd(m) % 40; steps && i < m->nr; steps--) {
			if (rnd(m) % 8 == 0) {
				bce_btree_iter_unlock(&iter);
				if (rnd(m) % 8 == 0)
					bce_btrees_shrink(m->set.b, 0);
				if (rnd(m) % 2)
					assert_key(bce_btree_iter_peek(&iter), model_key(m, i));
			}
			assert_key(bce_btree_iter_next(&iter), model_key(m, ++i));
		}
	}
	bce_btree_iter_exit(&iter);
}

static void lookups(struct model *m)
{
	struct bkey_buf buf;
	struct bkey k;
	unsigned int n, i;
	int ret;

	for (n = 0; n < 3000; n++) {
		struct bpos p = random_pos(m);

		for (i = 0; i < m->nr && bpos_cmp(m->key[i].p, p) < 0; i++)
			;
		ret = bce_btree_lookup(m->set.b, m->btree_id, p, NULL, &k, &buf);
		if (i < m->nr && !bpos_cmp(m->key[i].p, p)) {
			assert_int_equal(ret, 0);
			assert_key(&k, &m->key[i]);
		} else {
			assert_int_equal(ret, -ENOENT);
		}
	}
}

static void views(struct model *m, bool whiteouts)
{
	unsigned int s, i, n, flags = whiteouts ? BTREE_ITER_WHITEOUTS : 0;
	struct bkey_buf buf;
	struct btree_iter iter;
	const struct bkey *k;
	struct bkey found;
	int ret;

	for (s = 0; s < ARRAY_SIZE(snapshots); s++) {
		struct snapshot_view view = { .id = snapshots[s], .is_ancestor = is_ancestor };

		bce_btree_iter_init(&iter, m->set.b, m->btree_id, 0, POS_MIN, flags, &view);
		i = model_view(m, 0, &view, whiteouts);
		for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
			assert_key(k, model_key(m, i));
			i = model_view(m, i + 1, &view, whiteouts);
			if (rnd(m) % 16 == 0)
				bce_btree_iter_unlock(&iter);
		}
		assert_int_equal(i, m->nr);
		bce_btree_iter_exit(&iter);

		for (n = 0; n < 1000; n++) {
			struct bpos p = m->key[rnd(m) % m->nr].p;

			p.snapshot = 0;
			i = model_view(m, model_peek(m, p), &view, true);
			ret = bce_btree_lookup(m->set.b, m->btree_id, p, &view, &found, &buf);
			if (i < m->nr && !bpos_cmp_logical(m->key[i].p, p) &&
			    m->key[i].type != KEY_TYPE_whiteout) {
				assert_int_equal(ret, 0);
				assert_key(&found, &m->key[i]);
			} else {
				assert_int_equal(ret, -ENOENT);
			}
		}
	}
}

/* the cache limits of a run: all fits, next to nothing fits */
static void on_cache_limits(struct model *m, void (*test)(struct model *m))
{
	set_open(&m->set, 0);
	test(m);
	set_close(&m->set);
	set_open(&m->set, 8192);
	test(m);
	set_close(&m->set);
}

static void scan_plain(struct model *m)
{
	scan(m, 0);
}

static void scan_ahead(struct model *m)
{
	scan(m, BTREE_ITER_PREFETCH);
}

static void views_both(struct model *m)
{
	views(m, false);
	views(m, true);
}

static void run_all(unsigned int btree_id, unsigned int nr_bsets, unsigned int fanout)
{
	struct model *m = model_new(btree_id, nr_bsets * 100 + fanout, nr_bsets, fanout);

	on_cache_limits(m, scan_plain);
	on_cache_limits(m, scan_ahead);
	on_cache_limits(m, seeks);
	if (btree_id != BTREE_ID_extents) {
		on_cache_limits(m, lookups);
		on_cache_limits(m, views_both);
	}
	model_free(m);
}

static void one_bset(void **state)
{
	run_all(BTREE_ID_xattrs, 1, 40);
}

static void many_bsets(void **state)
{
	run_all(BTREE_ID_xattrs, 4, 30);
}

static void deep(void **state)
{
	run_all(BTREE_ID_xattrs, 1, 7);
}

static void extents(void **state)
{
	run_all(BTREE_ID_extents, 1, 30);
}

static void extents_many_bsets(void **state)
{
	run_all(BTREE_ID_extents, 3, 30);
}

/* an extent iterator begins at the key that covers the position */
static void extent_covering(void **state)
{
	struct model *m = model_new(BTREE_ID_extents, 5, 1, 30);
	struct btree_iter iter;
	const struct bkey *k = &m->key[m->nr / 2];

	set_open(&m->set, 0);
	bce_btree_iter_init(&iter, m->set.b, BTREE_ID_extents, 0,
			    SPOS(k->p.inode, bkey_start_offset(k), 0), 0, NULL);
	assert_key(bce_btree_iter_peek(&iter), k);
	bce_btree_iter_set_pos(&iter, SPOS(k->p.inode, k->p.offset - 1, 0));
	assert_key(bce_btree_iter_peek(&iter), k);
	bce_btree_iter_set_pos(&iter, SPOS(k->p.inode, k->p.offset, 0));
	assert_key(bce_btree_iter_peek(&iter), k + 1);
	bce_btree_iter_exit(&iter);
	model_free(m);
}

static void absent_btree(void **state)
{
	struct model *m = model_new(BTREE_ID_xattrs, 1, 1, 40);
	struct bkey_buf buf;
	struct btree_iter iter;
	struct bkey k;

	set_open(&m->set, 0);
	assert_int_equal(bce_btree_root_level(m->set.b, BTREE_ID_quotas), -1);
	bce_btree_iter_init(&iter, m->set.b, BTREE_ID_quotas, 0, POS_MIN, 0, NULL);
	assert_null(bce_btree_iter_peek(&iter));
	bce_btree_iter_exit(&iter);
	assert_int_equal(bce_btree_lookup(m->set.b, BTREE_ID_quotas, POS(1, 1), NULL, &k, &buf),
			 -ENOENT);
	assert_int_equal(bce_btree_lookup(m->set.b, BTREE_ID_MAX, POS(1, 1), NULL, &k, &buf),
			 -ENOENT);
	model_free(m);
}

struct seen {
	unsigned int	nr[BTREE_MAX_DEPTH];
	u64		keys;
	struct bpos	next_min;
};

static int see_node(void *ctx, const struct btree_node_view *view)
{
	struct seen *seen = ctx;

	assert_int_equal(view->error, 0);
	assert_int_equal(bpos_cmp(view->ptr->p, view->max), 0);
	assert_int_equal(*(const u64 *)view->ptr->v, 0);
	seen->nr[view->level]++;
	if (!view->level) {
		assert_int_equal(bpos_cmp(view->min, seen->next_min), 0);
		seen->next_min = bpos_successor(view->max);
		seen->keys += view->nr_keys;
		assert_true(view->nr_packed <= view->nr_keys);
	}
	return 0;
}

/* nodes of all levels, and the same pointers by an iterator over an interior level */
static void all_nodes(void **state)
{
	struct model *m = model_new(BTREE_ID_xattrs, 3, 1, 7);
	struct seen seen = { };
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int level, nr, top;

	set_open(&m->set, 0);
	top = bce_btree_root_level(m->set.b, BTREE_ID_xattrs);
	assert_int_equal(top, 3);
	assert_int_equal(bce_btree_for_each_node(m->set.b, BTREE_ID_xattrs, see_node, &seen), 0);
	assert_int_equal(seen.keys, m->nr);
	assert_int_equal(seen.nr[top], 1);
	for (level = 1; level <= top; level++) {
		nr = 0;
		bce_btree_iter_init(&iter, m->set.b, BTREE_ID_xattrs, level, POS_MIN, 0, NULL);
		for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
			assert_int_equal(k->type, KEY_TYPE_btree_ptr_v2);
			assert_int_equal(*(const u64 *)k->v, 0);
			nr++;
		}
		bce_btree_iter_exit(&iter);
		assert_int_equal(nr, seen.nr[level - 1]);
	}
	model_free(m);
}

static void stats_and_shrink(void **state)
{
	struct model *m = model_new(BTREE_ID_xattrs, 4, 1, 40);
	struct btrees_stats stats;

	set_open(&m->set, 1 << 20);
	scan(m, 0);
	bce_btrees_stats(m->set.b, &stats);
	assert_true(stats.nodes_cached >= NR_KEYS / 60 - 1);
	assert_int_equal(stats.evictions, 0);
	assert_int_equal(stats.bytes_limit, 1 << 20);
	assert_true(stats.bytes_cached > NR_KEYS * 16);
	assert_true(bce_btrees_shrink(m->set.b, stats.bytes_cached / 2) > 0);
	bce_btrees_stats(m->set.b, &stats);
	assert_true(stats.evictions > 0);
	kapi_shrink_all(ULONG_MAX);
	kapi_shrink_all(ULONG_MAX);
	kapi_shrink_all(ULONG_MAX);
	bce_btrees_stats(m->set.b, &stats);
	assert_int_equal(stats.nodes_cached, 0);
	scan(m, 0);
	model_free(m);
}

/* every allocation of a scan fails once */
static void no_memory(void **state)
{
	struct model *m = model_new(BTREE_ID_xattrs, 6, 2, 40);
	u64 nth;

	for (nth = 1; ; nth++) {
		struct btree_iter iter;
		const struct bkey *k;
		bool failed;

		set_open(&m->set, 0);
		bce_btree_iter_init(&iter, m->set.b, m->btree_id, 0, POS_MIN, 0, NULL);
		kapi_alloc_fail(nth, false);
		k = bce_btree_iter_peek(&iter);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		if (IS_ERR(k)) {
			assert_true(PTR_ERR(k) == -ENOMEM || PTR_ERR(k) == -EIO);
			k = bce_btree_iter_peek(&iter);
		}
		assert_key(k, &m->key[0]);
		bce_btree_iter_exit(&iter);
		set_close(&m->set);
		if (!failed)
			break;
	}
	assert_true(nth > 4);
	set_exit(&m->set);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_bset),
		cmocka_unit_test(many_bsets),
		cmocka_unit_test(deep),
		cmocka_unit_test(extents),
		cmocka_unit_test(extents_many_bsets),
		cmocka_unit_test(extent_covering),
		cmocka_unit_test(absent_btree),
		cmocka_unit_test(all_nodes),
		cmocka_unit_test(stats_and_shrink),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
