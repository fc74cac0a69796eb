// SPDX-License-Identifier: GPL-2.0
/*
 * Btrees that are written by many threads, over the real journal: writers, each with positions of his
 * own; one who reads everything; one who has all written, moves roots, and throws clean nodes
 * out. At the end the machine stops, and every writer's last word is there.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/btree/iter.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "require.h"
#include "write_rig.h"

#define NR_WRITERS	3
#define NR_KEYS		400	/* each */
#define CHANGES		1500
#define BTREE		BTREE_ID_xattrs
#define SNAP		100

static struct write_rig rig;
static u64 value[NR_WRITERS][NR_KEYS];
static int stop;

static struct bpos place(unsigned int writer, unsigned int i)
{
	return SPOS(1, 16 + i * NR_WRITERS + writer, SNAP);
}

struct one {
	struct bpos	p;
	u64		v[4];
};

static int put(struct bce_trans *t, void *ctx)
{
	struct one *one = ctx;
	struct bkey k = { .p = one->p, .type = KEY_TYPE_cookie, .val_u64s = 4, .v = one->v };

	if (!one->v[0])
		return bce_trans_delete(t, BTREE, one->p, 0);
	return bce_trans_update(t, BTREE, &k, 0);
}

static void *writer(void *arg)
{
	unsigned int nr = (unsigned long)arg, n, i;
	u64 random = nr + 1;
	struct one one;

	for (n = 0; n < CHANGES; n++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		i = (random >> 33) % NR_KEYS;
		one = (struct one) { .p = place(nr, i), .v = { random >> 62 ? n + 1 : 0, n } };
		require(!bce_trans_run(rig.btrees, put, &one, 0, NULL));
		value[nr][i] = one.v[0];
	}
	return NULL;
}

static void *reader(void *arg)
{
	const struct bkey *k;
	struct btree_iter it;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		bce_btree_iter_init(&it, rig.btrees, BTREE, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
		while ((k = bce_btree_iter_peek(&it))) {
			require(!IS_ERR(k) && k->val_u64s == 4);
			bce_btree_iter_next(&it);
		}
		bce_btree_iter_exit(&it);
	}
	return NULL;
}

static void *housekeeper(void *arg)
{
	struct btrees_write_stats stats;
	int ret;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		require(!bce_btrees_flush(rig.btrees));
		bce_btrees_shrink(rig.btrees, 0);
		ret = bce_btree_node_rewrite(rig.btrees, BTREE,
					     max(bce_btree_root_level(rig.btrees, BTREE), 0),
					     SPOS_MAX);
		require(!ret || ret == -ENOENT);
		bce_btrees_write_stats(rig.btrees, &stats);
	}
	return NULL;
}

static void check(void)
{
	unsigned int w, i;
	struct bkey_buf buf;
	struct bkey k;
	int ret;

	for (w = 0; w < NR_WRITERS; w++)
		for (i = 0; i < NR_KEYS; i++) {
			ret = bce_btree_lookup(rig.btrees, BTREE, place(w, i), NULL, &k, &buf);
			require(ret == (value[w][i] ? 0 : -ENOENT));
			require(ret || *(const u64 *)k.v == value[w][i]);
		}
	require(wr_accounted_nodes(&rig, BTREE) == wr_count_nodes(&rig, BTREE));
}

int main(void)
{
	static const struct wr_options o = {
		.nr = 2, .replicas = 2, .csum_type = BCH_CSUM_crc32c_nonzero, .ring_nr = 16,
	};
	pthread_t id[NR_WRITERS + 2];
	unsigned long i;

	wr_init(&rig, &o);
	require(!wr_open(&rig));
	for (i = 0; i < NR_WRITERS; i++)
		require(!pthread_create(&id[i], NULL, writer, (void *)i));
	require(!pthread_create(&id[i], NULL, reader, NULL));
	require(!pthread_create(&id[i + 1], NULL, housekeeper, NULL));
	for (i = 0; i < NR_WRITERS; i++)
		pthread_join(id[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(id[i], NULL);
	pthread_join(id[i + 1], NULL);
	check();

	require(!bce_journal_flush(rig.j));
	wr_crash(&rig);
	require(!wr_open(&rig));
	check();
	wr_stop(&rig);
	require(!wr_open(&rig));
	check();
	wr_exit(&rig);
	printf("%u changes by %u threads\n", CHANGES, NR_WRITERS);
	return 0;
}
