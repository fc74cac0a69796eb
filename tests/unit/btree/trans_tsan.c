// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions from many threads, in memory, over a tree of small nodes.
 *
 * Movers take from one counter and give to another, far away; the sum stays. Each counts itself in
 * the accounting btree as it does. Twins put one value at two places without reading. Others
 * read everything, in transactions, whose commit says whether they saw one moment (then the sum
 * must be right and twins equal), and by iterators. Meanwhile clean nodes are thrown out.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/err.h>

#include "btree_set.h"
#include "engine/btree/btrees_internal.h"
#include "engine/btree/trans_internal.h"
#include "engine/format/ids.h"
#include "require.h"

#define NR_COUNTERS	60
#define NR_FILLERS	12	/* keys between two counters */
#define NR_MOVERS	3
#define MOVES		300
#define START		1000
#define SNAP		100

static struct btree_set set;
static int stop;

static struct bpos place(unsigned int i)
{
	return SPOS(1, 16 + i * (NR_FILLERS + 1), SNAP);
}

/* twins stand in the same btree, each beside a counter */
static struct bpos twin(unsigned int which)
{
	return SPOS(1, place(which ? NR_COUNTERS - 1 : 0).offset + 1, SNAP);
}

static void write_tree(void)
{
	struct tree_shape shape = {
		.btree_id = BTREE_ID_xattrs, .leaf_keys = 40, .fanout = 6, .nr_bsets = 1, .seed = 1,
	};
	struct tree_writer *w = tree_begin(&set.image, &shape);
	unsigned int i;

	for (i = 0; i < NR_COUNTERS * (NR_FILLERS + 1); i++) {
		u64 value = i % (NR_FILLERS + 1) ? 0 : START;
		struct bkey k = {
			.p = SPOS(1, 16 + i, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1,
			.v = &value,
		};

		tree_add(w, &k);
	}
	tree_end(w, &set.replay->root[BTREE_ID_xattrs]);
}

static int get(struct bce_trans *t, struct bpos p, u64 *value)
{
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_xattrs, p, NULL, 0, &k);

	if (!ret)
		*value = *(const u64 *)k.v;
	return ret;
}

static int put(struct bce_trans *t, struct bpos p, u64 value)
{
	struct bkey k = { .p = p, .type = KEY_TYPE_cookie, .val_u64s = 1, .v = &value };

	return bce_trans_update(t, BTREE_ID_xattrs, &k, 0);
}

static u64 next_random(u64 *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return *x >> 33;
}

struct move {
	unsigned int	from, to;
	u64		amount;
};

static int do_move(struct bce_trans *t, void *ctx)
{
	static const struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	const struct move *m = ctx;
	u64 from, to;

	return get(t, place(m->from), &from) ?: get(t, place(m->to), &to) ?:
		put(t, place(m->from), from - m->amount) ?:
		put(t, place(m->to), to + m->amount) ?:
		bce_trans_account(t, &count, &(s64) { 1 }, 1);
}

static void *mover(void *arg)
{
	u64 random = (unsigned long)arg;
	unsigned int i;

	for (i = 0; i < MOVES; i++) {
		struct move m = {
			.from = next_random(&random) % NR_COUNTERS,
			.amount = next_random(&random) % 5,
		};

		m.to = (m.from + 1 + next_random(&random) % (NR_COUNTERS - 1)) % NR_COUNTERS;
		require(!bce_trans_run(set.b, do_move, &m, 0, NULL));
	}
	return NULL;
}

static int do_twins(struct bce_trans *t, void *ctx)
{
	u64 value = *(u64 *)ctx;

	return put(t, twin(0), value) ?: put(t, twin(1), value);
}

static void *twins(void *arg)
{
	u64 value = (unsigned long)arg;
	unsigned int i;

	for (i = 0; i < MOVES; i++, value += 2)
		require(!bce_trans_run(set.b, do_twins, &value, 0, NULL));
	return NULL;
}

/* everything as of one moment */
static int do_sum(struct bce_trans *t, void *ctx)
{
	u64 value, sum = 0, a, b;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_COUNTERS && !ret; i++) {
		ret = get(t, place(i), &value);
		sum += value;
	}
	if (!ret)
		ret = get(t, twin(0), &a) ?: get(t, twin(1), &b);
	if (!ret && !bce_trans_reads_hold(t))
		ret = bce_trans_restart(t);
	if (!ret)
		require(sum == NR_COUNTERS * START && a == b);
	return ret;
}

static void *summer(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		require(!bce_trans_run(set.b, do_sum, NULL, 0, NULL));
	return NULL;
}

static void *scanner(void *arg)
{
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int nr;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		nr = 0;
		bce_btree_iter_init(&iter, set.b, BTREE_ID_xattrs, 0, POS_MIN, 0, NULL);
		for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
			require(!IS_ERR(k));
			require(k->p.offset == 16 + nr);
			if (nr++ % 64 == 0)
				bce_btree_iter_unlock(&iter);
		}
		bce_btree_iter_exit(&iter);
		require(nr == NR_COUNTERS * (NR_FILLERS + 1));
		bce_btrees_shrink(set.b, 0);
	}
	return NULL;
}

static void check_end(void)
{
	struct accounting_pos count = { .type = ACCOUNTING_nr_inodes };
	struct bkey_buf buf;
	struct bkey k;

	require(!bce_trans_run(set.b, do_sum, NULL, 0, NULL));
	require(!bce_btree_lookup(set.b, BTREE_ID_accounting, bce_accounting_pos_encode(&count),
				  NULL, &k, &buf));
	require(bce_accounting_counter(&k, 0) == NR_MOVERS * MOVES);
	require(!bce_log_errors_total(set.log));
}

int main(void)
{
	pthread_t writer[NR_MOVERS + 2], reader[3];
	struct btrees_write_config writing = { };
	unsigned long i;

	set_init(&set, &small_nodes, 1);
	write_tree();
	set_open(&set, 0);
	require(!bce_btrees_start_writing(set.b, &writing, 0));

	for (i = 0; i < NR_MOVERS; i++)
		require(!pthread_create(&writer[i], NULL, mover, (void *)(i + 1)));
	for (; i < NR_MOVERS + 2; i++)
		require(!pthread_create(&writer[i], NULL, twins, (void *)i));
	require(!pthread_create(&reader[0], NULL, summer, NULL));
	require(!pthread_create(&reader[1], NULL, scanner, NULL));
	require(!pthread_create(&reader[2], NULL, scanner, NULL));

	for (i = 0; i < NR_MOVERS + 2; i++)
		pthread_join(writer[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		pthread_join(reader[i], NULL);
	check_end();
	set_exit(&set);
	return 0;
}
