// SPDX-License-Identifier: GPL-2.0
/*
 * Many readers of one set of btrees while nodes are thrown out all the time: by a cache much too
 * small, by a thread that shrinks it, and through the shrinker. Readers scan with and without
 * reading ahead, look up single keys, unlock and go on, and walk all nodes; what they see is
 * compared with what was written.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/err.h>

#include "btree_set.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "require.h"

#define NR_KEYS		4000
#define NR_READERS	4
#define ROUNDS		12
#define BTREE		BTREE_ID_xattrs
#define SNAP		100

static struct btree_set set;
static int stop;

static u64 offset_of(unsigned int i)
{
	return 10 + 7 * i;
}

static void write_tree(void)
{
	struct tree_shape shape = {
		.btree_id = BTREE, .leaf_keys = 40, .fanout = 9, .nr_bsets = 1, .seed = 1,
	};
	struct tree_writer *w;
	unsigned int i;

	w = tree_begin(&set.image, &shape);
	for (i = 0; i < NR_KEYS; i++) {
		u64 value = i;
		struct bkey k = {
			.p = SPOS(1, offset_of(i), SNAP), .type = KEY_TYPE_cookie,
			.val_u64s = 1, .v = &value,
		};

		tree_add(w, &k);
	}
	tree_end(w, &set.replay->root[BTREE]);
}

static void check(const struct bkey *k, unsigned int i)
{
	require(k && !IS_ERR(k));
	require(k->p.offset == offset_of(i) && *(const u64 *)k->v == i);
}

static void scan(unsigned int *seed, unsigned int flags)
{
	unsigned int i = rand_r(seed) % NR_KEYS, left = 400;
	const struct bkey *k;
	struct btree_iter iter;

	bce_btree_iter_init(&iter, set.b, BTREE, 0, SPOS(1, offset_of(i), SNAP), flags, NULL);
	k = bce_btree_iter_peek(&iter);
	for (; left-- && i < NR_KEYS; i++) {
		check(k, i);
		if (rand_r(seed) % 32 == 0) {
			bce_btree_iter_unlock(&iter);
			check(bce_btree_iter_peek(&iter), i);
		}
		k = bce_btree_iter_next(&iter);
	}
	bce_btree_iter_exit(&iter);
}

static void look_up(unsigned int *seed)
{
	struct bkey_buf buf;
	unsigned int i = rand_r(seed) % NR_KEYS;
	struct bkey k;

	require(!bce_btree_lookup(set.b, BTREE, SPOS(1, offset_of(i), SNAP), NULL, &k, &buf));
	check(&k, i);
	require(bce_btree_lookup(set.b, BTREE, SPOS(1, offset_of(i) + 1, SNAP), NULL, &k,
				 &buf) == -ENOENT);
}

static int count_keys(void *ctx, const struct btree_node_view *view)
{
	require(!view->error);
	*(unsigned int *)ctx += view->level ? 0 : view->nr_keys;
	return 0;
}

static void walk(void)
{
	unsigned int nr = 0;

	require(!bce_btree_for_each_node(set.b, BTREE, count_keys, &nr));
	require(nr == NR_KEYS);
}

static void pointers(void)
{
	const struct bkey *k;
	struct btree_iter iter;

	bce_btree_iter_init(&iter, set.b, BTREE, 1, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter))
		require(!IS_ERR(k) && !*(const u64 *)k->v);
	bce_btree_iter_exit(&iter);
}

static void *reader(void *arg)
{
	unsigned int seed = (unsigned long)arg, round, i;

	for (round = 0; round < ROUNDS; round++) {
		scan(&seed, round % 2 ? BTREE_ITER_PREFETCH : 0);
		for (i = 0; i < 100; i++)
			look_up(&seed);
		if (round % 4 == 0)
			walk();
		pointers();
	}
	return NULL;
}

static void *evictor(void *arg)
{
	struct btrees_stats stats;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		bce_btrees_shrink(set.b, 16384);
		kapi_shrink_all(8);
		bce_btrees_stats(set.b, &stats);
	}
	return NULL;
}

int main(void)
{
	pthread_t readers[NR_READERS], evict;
	struct btrees_stats stats;
	unsigned long i;

	set_init(&set, &small_nodes, 1);
	write_tree();
	set_open(&set, 65536);
	require(!pthread_create(&evict, NULL, evictor, NULL));
	for (i = 0; i < NR_READERS; i++)
		require(!pthread_create(&readers[i], NULL, reader, (void *)(i + 1)));
	for (i = 0; i < NR_READERS; i++)
		pthread_join(readers[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(evict, NULL);
	bce_btrees_stats(set.b, &stats);
	printf("# %llu reads, %llu evictions\n", (unsigned long long)stats.reads,
	       (unsigned long long)stats.evictions);
	require(stats.evictions > 100 && !stats.read_errors);
	require(!bce_log_errors_total(set.log));
	set_exit(&set);
	return 0;
}
