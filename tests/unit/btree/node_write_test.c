// SPDX-License-Identifier: GPL-2.0
/*
 * Btrees on disk (docs/format/50-btree.md, 6.6 to 6.8): random changes against a model, with nodes of
 * 4 KiB, so that blocks are appended, nodes split, joined and replaced all the time; then everything
 * is written, or the machine stops, and what is on the members is read and compared. Failing
 * writes; no space; triggers that must have seen every pointer.
 *
 * SEED= gives other rows.
 */
#include "engine/btree/writer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/btree/iter.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "random.h"
#include "write_rig.h"

#define POSITIONS	3000
#define VALUE_MAX	6

static const unsigned int ids[] = { BTREE_ID_xattrs, BTREE_ID_rebalance_work };
#define NR_IDS		ARRAY_SIZE(ids)

struct world {
	struct write_rig	rig;
	u32			version[NR_IDS][POSITIONS];	/* 0: no key */
	u32			last_version;
};

static struct bpos pos_of(unsigned int i)
{
	return SPOS(1 + i / 1000, 16 + i % 1000 * 3, 100 + i % 3);
}

static struct bkey key_of(unsigned int i, u32 version, u64 *v)
{
	struct bkey k = {
		.p = pos_of(i), .type = version ? KEY_TYPE_cookie : KEY_TYPE_deleted,
		.val_u64s = version ? 1 + (version + i) % VALUE_MAX : 0, .v = v,
	};
	unsigned int j;

	for (j = 0; j < k.val_u64s; j++)
		v[j] = (u64)version << 32 | i << 8 | j;
	return k;
}

/* ---- changes ---- */

struct change {
	unsigned int	which, i;
	u32		version;
};

struct batch {
	struct change	change[16];
	unsigned int	nr;
};

static int put_batch(struct bce_trans *t, void *ctx)
{
	struct batch *b = ctx;
	u64 v[VALUE_MAX];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < b->nr && !ret; i++) {
		const struct change *c = &b->change[i];
		struct bkey k = key_of(c->i, c->version, v);

		ret = bce_trans_update(t, ids[c->which], &k, 0);
	}
	return ret;
}

static int commit_batch(struct world *w, struct batch *b, u64 *seq)
{
	unsigned int i;
	int ret = bce_trans_run(w->rig.btrees, put_batch, b, 0, seq);

	for (i = 0; i < b->nr && !ret; i++)
		w->version[b->change[i].which][b->change[i].i] = b->change[i].version;
	return ret;
}

/* @percent of the changes delete; positions are in [@from, @from + @nr) */
static u64 change(struct world *w, unsigned int times, unsigned int percent, unsigned int from,
		  unsigned int nr)
{
	struct batch b;
	u64 seq = 0;

	while (times--) {
		b.nr = 1 + rnd() % 4;
		for (unsigned int i = 0; i < b.nr; i++)
			b.change[i] = (struct change) {
				.which = rnd() % NR_IDS, .i = from + rnd() % nr,
				.version = rnd() % 100 < percent ? 0 : ++w->last_version,
			};
		assert_int_equal(commit_batch(w, &b, &seq), 0);
	}
	return seq;
}

/* ---- comparison ---- */

static void expect_next(struct world *w, unsigned int which, unsigned int *i,
			const struct bkey *k)
{
	u64 v[VALUE_MAX];
	struct bkey want;

	while (*i < POSITIONS && !w->version[which][*i])
		++*i;
	assert_true(*i < POSITIONS);
	want = key_of(*i, w->version[which][*i], v);
	assert_int_equal(bpos_cmp(k->p, want.p), 0);
	assert_int_equal(k->type, want.type);
	assert_int_equal(k->val_u64s, want.val_u64s);
	assert_memory_equal(k->v, want.v, bkey_val_bytes(k));
	++*i;
}

/* nodes as triggers have counted them, and as they are; maintenance may be at work */
static void compare_counts(struct world *w, unsigned int btree_id)
{
	unsigned int accounted, nr;

	do {
		accounted = wr_accounted_nodes(&w->rig, btree_id);
		nr = wr_count_nodes(&w->rig, btree_id);
	} while (accounted != wr_accounted_nodes(&w->rig, btree_id));
	assert_int_equal(accounted, nr);
}

static void compare(struct world *w)
{
	unsigned int which, i;
	const struct bkey *k;
	struct btree_iter it;

	for (which = 0; which < NR_IDS; which++) {
		i = 0;
		bce_btree_iter_init(&it, w->rig.btrees, ids[which], 0, POS_MIN, 0, NULL);
		while ((k = bce_btree_iter_peek(&it))) {
			assert_false((long)k < 0 && (long)k > -4096);
			expect_next(w, which, &i, k);
			bce_btree_iter_next(&it);
		}
		bce_btree_iter_exit(&it);
		while (i < POSITIONS)
			assert_int_equal(w->version[which][i++], 0);
	}
	for (which = 0; which < NR_IDS; which++)
		compare_counts(w, ids[which]);
	compare_counts(w, BTREE_ID_accounting);
	assert_int_equal(bce_log_errors_total(w->rig.log), 0);
}

static struct world *world_new(const struct wr_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	wr_init(&w->rig, o);
	assert_int_equal(wr_open(&w->rig), 0);
	return w;
}

static void world_free(struct world *w)
{
	wr_exit(&w->rig);
	free(w);
}

/* everything on disk, nothing to replay */
static void restart(struct world *w)
{
	wr_stop(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
}

/* ---- tests ---- */

static const struct wr_options plain = { .nr = 1, .csum_type = BCH_CSUM_crc32c_nonzero };

/* one key, from the first write of its root on */
static void first_root(void **state)
{
	struct world *w = world_new(&plain);
	struct btrees_write_stats stats;

	compare(w);
	change(w, 1, 0, 0, 1);
	compare(w);
	restart(w);
	compare(w);
	assert_int_equal(bce_btree_root_level(w->rig.btrees, BTREE_ID_quotas), -1);
	/* and appended to */
	change(w, 1, 0, 7, 1);
	restart(w);
	compare(w);
	bce_btrees_write_stats(w->rig.btrees, &stats);
	assert_int_equal(stats.nodes_dirty, 0);
	world_free(w);
}

/* grown to several levels, and emptied again */
static void grow_and_shrink(void **state)
{
	struct world *w = world_new(&plain);
	struct btrees_write_stats stats;
	unsigned int full;

	change(w, 3000, 0, 0, POSITIONS);
	compare(w);
	bce_btrees_write_stats(w->rig.btrees, &stats);
	assert_true(stats.splits > 10);
	restart(w);
	compare(w);
	assert_true(bce_btree_root_level(w->rig.btrees, ids[0]) >= 1);
	full = wr_count_nodes(&w->rig, ids[0]);
	change(w, 8000, 97, 0, POSITIONS);
	compare(w);
	bce_btrees_write_stats(w->rig.btrees, &stats);
	assert_true(stats.merges > 3);
	restart(w);
	compare(w);
	assert_true(wr_count_nodes(&w->rig, ids[0]) < full / 2);
	world_free(w);
}

/* what is in the journal is there after a crash, however much of it is in nodes already */
static void crashes(struct world *w, unsigned int rounds)
{
	unsigned int from;
	u64 seq;

	while (rounds--) {
		from = rnd() % (POSITIONS - 300);
		seq = change(w, 1 + rnd() % 300, 10 + rnd() % 60, from, 300);
		if (rnd() % 4 == 0)
			assert_int_equal(bce_btrees_flush(w->rig.btrees), 0);
		seq = change(w, 1 + rnd() % 300, 10 + rnd() % 60, 0, POSITIONS);
		assert_int_equal(bce_journal_flush_seq(w->rig.j, seq), 0);
		wr_crash(&w->rig);
		assert_int_equal(wr_open(&w->rig), 0);
		compare(w);
	}
	restart(w);
	compare(w);
}

static void crash(void **state)
{
	struct world *w = world_new(&plain);

	crashes(w, 8);
	world_free(w);
}

static void crash_variants(void **state)
{
	static const struct wr_options o[] = {
		{ .nr = 2, .replicas = 2, .csum_type = BCH_CSUM_chacha20_poly1305_128,
		  .encrypted = true },
		{ .nr = 3, .replicas = 2, .csum_type = BCH_CSUM_xxhash, .node_sectors = 16,
		  .block_sectors = 2 },
		{ .nr = 1, .csum_type = BCH_CSUM_crc64_nonzero, .node_sectors = 32,
		  .block_sectors = 8, .cache_bytes = 40000 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(o); i++) {
		struct world *w = world_new(&o[i]);

		crashes(w, 4);
		world_free(w);
	}
}

/* a journal much smaller than what goes through it: reclaim has nodes written */
static void small_journal(void **state)
{
	struct wr_options o = plain;
	struct world *w;

	o.ring_nr = 16;
	o.bucket_sectors = 64;
	w = world_new(&o);
	change(w, 10000, 30, 0, POSITIONS);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

/*
 * And then a crash, again and again. Entries go as soon as nobody pins them, so a key that lost its pin
 * on the way from an old node to a new one is missed. The keys come to few leaves, while these are
 * replaced.
 */
static void small_journal_crash(void **state)
{
	struct wr_options o = plain;
	struct world *w;
	unsigned int i;
	u64 seq;

	o.ring_nr = 16;
	o.bucket_sectors = 32;
	w = world_new(&o);
	for (i = 0; i < 8; i++) {
		change(w, 400, 30, 0, POSITIONS);
		change(w, 600, 30, 1000, 100);
		seq = change(w, 800 + rnd() % 400, 50, 2000, 700);
		assert_int_equal(bce_journal_flush_seq(w->rig.j, seq), 0);
		wr_crash(&w->rig);
		assert_int_equal(wr_open(&w->rig), 0);
		compare(w);
	}
	world_free(w);
}

/* keys in order, each behind the last one */
static void ascending(void **state)
{
	struct world *w = world_new(&plain);
	struct batch b = { .nr = 1 };

	for (unsigned int i = 0; i < POSITIONS; i++) {
		b.change[0] = (struct change) { .i = i, .version = ++w->last_version };
		assert_int_equal(commit_batch(w, &b, NULL), 0);
	}
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

/* one replica of two cannot be written for a while: nothing is lost, and it is made up for */
static void failing_member(void **state)
{
	struct wr_options o = { .nr = 3, .replicas = 2, .csum_type = BCH_CSUM_crc32c };
	struct world *w = world_new(&o);

	change(w, 2000, 10, 0, POSITIONS);
	__atomic_store_n(&w->rig.fail_writes, 2, __ATOMIC_RELAXED);
	change(w, 2000, 10, 0, POSITIONS);
	assert_int_equal(bce_btrees_flush(w->rig.btrees), 0);
	compare(w);
	__atomic_store_n(&w->rig.fail_writes, 0, __ATOMIC_RELAXED);
	change(w, 2000, 30, 0, POSITIONS);
	compare(w);
	wr_stop(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
	change(w, 1, 0, 0, 1);
	world_free(w);
}

/* no member takes a node: an error, the journal stops, and nothing that was acknowledged is lost */
static void all_fail(void **state)
{
	struct world *w = world_new(&plain);
	u64 seq = change(w, 1000, 10, 0, POSITIONS);
	struct batch b = { .nr = 1, .change = { { .version = 1 } } };

	assert_int_equal(bce_journal_flush_seq(w->rig.j, seq), 0);
	__atomic_store_n(&w->rig.fail_writes, 1, __ATOMIC_RELAXED);
	assert_int_not_equal(bce_btrees_flush(w->rig.btrees), 0);
	assert_int_equal(commit_batch(w, &b, NULL), -EROFS);
	__atomic_store_n(&w->rig.fail_writes, 0, __ATOMIC_RELAXED);
	wr_crash(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
	compare(w);
	world_free(w);
}

/* no space for nodes for a while: tried again */
static void no_space(void **state)
{
	struct world *w = world_new(&plain);
	int ret;

	change(w, 1000, 10, 0, POSITIONS);
	__atomic_store_n(&w->rig.space_fail, 60, __ATOMIC_RELAXED);
	change(w, 1000, 10, 0, POSITIONS);
	do {
		ret = bce_btrees_flush(w->rig.btrees);
		assert_true(!ret || ret == -ENOSPC);
	} while (ret);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

/* roots that have outgrown one node many times over before they can be written at all */
static void large_roots(void **state)
{
	struct world *w = world_new(&plain);
	unsigned int i;

	__atomic_store_n(&w->rig.space_fail, UINT32_MAX, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		change(w, 800, 0, i * 1000, 1000);
	assert_int_equal(bce_btree_root_level(w->rig.btrees, ids[0]), 0);
	__atomic_store_n(&w->rig.space_fail, 0, __ATOMIC_RELAXED);
	compare(w);
	restart(w);
	compare(w);
	assert_true(wr_count_nodes(&w->rig, ids[0]) > 20);

	/* the same from a journal */
	wr_stop(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
	world_free(w);
	w = world_new(&plain);
	__atomic_store_n(&w->rig.space_fail, UINT32_MAX, __ATOMIC_RELAXED);
	change(w, 2000, 0, 0, POSITIONS);
	assert_int_equal(bce_journal_flush(w->rig.j), 0);
	wr_crash(&w->rig);
	__atomic_store_n(&w->rig.space_fail, 0, __ATOMIC_RELAXED);
	assert_int_equal(wr_open(&w->rig), 0);
	compare(w);
	change(w, 500, 20, 0, POSITIONS);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

static int any_leaf(void *ctx, const struct btree_node_view *view)
{
	struct bpos *max = ctx;

	if (!view->level)
		*max = view->max;
	return !view->level;
}

/* moving nodes on demand, the root and a leaf */
static void rewrite(void **state)
{
	struct world *w = world_new(&plain);
	struct bpos max = POS_MIN;
	unsigned int i, level;
	u64 before;

	change(w, 1500, 0, 0, POSITIONS);
	assert_int_equal(bce_btrees_flush(w->rig.btrees), 0);
	level = bce_btree_root_level(w->rig.btrees, ids[0]);
	for (i = 0; i < 3; i++) {
		before = w->rig.next_node;
		bce_btree_for_each_node(w->rig.btrees, ids[0], any_leaf, &max);
		assert_int_equal(bce_btree_node_rewrite(w->rig.btrees, ids[0], 0, max), 0);
		assert_int_equal(bce_btree_node_rewrite(w->rig.btrees, ids[0], level, SPOS_MAX),
				 0);
		assert_true(w->rig.next_node >= before + 2);
	}
	assert_int_equal(bce_btree_node_rewrite(w->rig.btrees, ids[0], 0, POS(1, 1)), -ENOENT);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

/* each allocation fails once, of commits, node writes and replacements: nothing happens, or all */
static void no_memory(void **state)
{
	struct world *w = world_new(&plain);
	unsigned int nth, i;
	struct batch b;
	int ret;

	change(w, 600, 0, 0, POSITIONS);
	for (nth = 1; nth < 100; nth++) {
		kapi_alloc_fail(nth, false);
		for (i = 0; i < 8; i++) {
			b.nr = 1;
			b.change[0] = (struct change) {
				.which = rnd() % NR_IDS, .i = rnd() % POSITIONS,
				.version = rnd() % 4 ? ++w->last_version : 0,
			};
			ret = commit_batch(w, &b, NULL);
			assert_true(!ret || ret == -ENOMEM);
		}
		ret = bce_btrees_flush(w->rig.btrees);
		assert_true(!ret || ret == -ENOMEM);
		kapi_alloc_fail(0, false);
	}
	assert_int_equal(bce_btrees_flush(w->rig.btrees), 0);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

/* ---- several threads ---- */

#define THREADS		4

struct thread {
	struct world	*w;
	unsigned int	nr;
	u64		random;
};

static u64 thread_rnd(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct batch b;

	for (unsigned int n = 0; n < 1500; n++) {
		b.nr = 1 + thread_rnd(t) % 3;
		for (unsigned int i = 0; i < b.nr; i++)
			b.change[i] = (struct change) {
				.which = thread_rnd(t) % NR_IDS,
				.i = thread_rnd(t) % (POSITIONS / THREADS) * THREADS + t->nr,
				.version = thread_rnd(t) % 3 ? n + 1 : 0,
			};
		if (commit_batch(t->w, &b, NULL))
			return t;
		if (thread_rnd(t) % 500 == 0 && bce_journal_flush(t->w->rig.j))
			return t;
	}
	return NULL;
}

static void threads(void **state)
{
	struct wr_options o = plain;
	struct thread t[THREADS];
	pthread_t id[THREADS];
	struct world *w;
	void *failed;

	o.ring_nr = 16;
	o.bucket_sectors = 64;
	w = world_new(&o);
	for (unsigned int i = 0; i < THREADS; i++) {
		t[i] = (struct thread) { .w = w, .nr = i, .random = rnd() };
		pthread_create(&id[i], NULL, thread_main, &t[i]);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(id[i], &failed);
		assert_null(failed);
	}
	compare(w);
	assert_int_equal(bce_journal_flush(w->rig.j), 0);
	wr_crash(&w->rig);
	assert_int_equal(wr_open(&w->rig), 0);
	compare(w);
	restart(w);
	compare(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_root),
		cmocka_unit_test(grow_and_shrink),
		cmocka_unit_test(ascending),
		cmocka_unit_test(crash),
		cmocka_unit_test(crash_variants),
		cmocka_unit_test(small_journal),
		cmocka_unit_test(small_journal_crash),
		cmocka_unit_test(failing_member),
		cmocka_unit_test(all_fail),
		cmocka_unit_test(no_space),
		cmocka_unit_test(large_roots),
		cmocka_unit_test(rewrite),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
