// SPDX-License-Identifier: GPL-2.0
/*
 * What a transaction costs in memory: one key each, in a btree of nodes of 256 KiB that is kept
 * in memory, without journal, without writing nodes.
 *
 *     commit_bench [NR_KEYS]		(1000000)
 *
 * The btree is read in with every second key. Then keys are overwritten in random order, the other
 * ones are inserted in order in one half of the btree and in random order in the other, then all
 * are looked up. CPU time of the thread; "name value unit" for programs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "btree_set.h"
#include "engine/btree/trans.h"
#include "engine/btree/writer.h"
#include "engine/format/ids.h"
#include "require.h"

#define VALUE_U64S	2
#define BTREE		BTREE_ID_xattrs
#define SNAP		0xffffffffU
#define LEAF_KEYS	4500
#define FANOUT		2000

static struct bpos pos_nr(size_t i)
{
	return SPOS(4096 + i / 2000, (i % 2000) << 32 | mix(i) >> 40, SNAP);
}

static struct bkey key_nr(size_t i, uint64_t *value)
{
	value[0] = value[1] = i;
	return (struct bkey) {
		.p = pos_nr(i), .type = KEY_TYPE_cookie, .val_u64s = VALUE_U64S, .v = value,
	};
}

/* every second key, into the image */
static void write_half(struct btree_set *s, size_t nr)
{
	struct tree_shape shape = {
		.btree_id = BTREE, .leaf_keys = LEAF_KEYS, .fanout = FANOUT, .nr_bsets = 1,
	};
	struct tree_writer *w = tree_begin(&s->image, &shape);
	uint64_t value[VALUE_U64S];
	size_t i;

	for (i = 0; i < nr; i += 2) {
		struct bkey k = key_nr(i, value);

		tree_add(w, &k);
	}
	tree_end(w, &s->replay->root[BTREE]);
}

static void read_in(struct btree_set *s)
{
	struct btree_iter iter;

	bce_btree_iter_init(&iter, s->b, BTREE, 0, POS_MIN, 0, NULL);
	while (bce_btree_iter_next(&iter))
		;
	bce_btree_iter_exit(&iter);
}

/* one transaction per key; nanoseconds each */
static double put_keys(struct btree_set *s, const uint32_t *key, size_t nr)
{
	uint64_t start = thread_ns(), value[VALUE_U64S];
	struct bce_trans t;
	size_t i;

	bce_trans_init(&t, s->b);
	for (i = 0; i < nr; i++) {
		struct bkey k = key_nr(key[i], value);

		bce_trans_begin(&t);
		require(!bce_trans_update(&t, BTREE, &k, 0));
		require(!bce_trans_commit(&t, 0));
	}
	bce_trans_exit(&t);
	return (double)(thread_ns() - start) / nr;
}

static double look_up(struct btree_set *s, const uint32_t *key, size_t nr)
{
	uint64_t start = thread_ns();
	struct bkey_buf buf;
	struct bkey k;
	size_t i;

	for (i = 0; i < nr; i++) {
		require(!bce_btree_lookup(s->b, BTREE, pos_nr(key[i]), NULL, &k, &buf));
		require(buf.v[0] == key[i]);
	}
	return (double)(thread_ns() - start) / nr;
}

static void shuffle(uint32_t *key, size_t nr)
{
	size_t i, j;

	for (i = nr; i > 1; i--) {
		uint32_t k = key[i - 1];

		j = mix(i) % i;
		key[i - 1] = key[j];
		key[j] = k;
	}
}

static void show(const char *name, size_t nr, double ns)
{
	printf("btree_%s_%zu %.1f ns\n", name, nr, ns);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t nr = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, i;
	struct image_geometry geo = small_nodes;
	struct btrees_write_config writing = { };
	uint32_t *key = malloc(nr * sizeof(*key));
	struct btree_set s;

	geo.node_sectors = 512;
	geo.block_sectors = 8;
	set_init(&s, &geo, 1);
	write_half(&s, nr);
	set_open(&s, ~(size_t)0 >> 1);
	read_in(&s);
	require(!bce_btrees_start_writing(s.b, &writing, 0));

	for (i = 0; i < nr / 2; i++)
		key[i] = 2 * i;
	shuffle(key, nr / 2);
	show("lookup_clean", nr, look_up(&s, key, nr / 2));
	show("overwrite", nr, put_keys(&s, key, nr / 2));
	show("lookup_open", nr, look_up(&s, key, nr / 2));
	for (i = 0; i < nr / 4; i++)
		key[i] = 2 * i + 1;
	show("insert_ordered", nr, put_keys(&s, key, nr / 4));
	for (i = 0; i < nr / 4; i++)
		key[i] = nr / 2 + 2 * i + 1;
	shuffle(key, nr / 4);
	show("insert_random", nr, put_keys(&s, key, nr / 4));
	for (i = 0; i < nr; i++)
		key[i] = i;
	shuffle(key, nr);
	show("lookup", nr, look_up(&s, key, nr));
	set_exit(&s);
	free(key);
	return 0;
}
