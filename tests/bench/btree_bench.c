// SPDX-License-Identifier: GPL-2.0
/*
 * Look-ups in a btree in memory, beside LMDB on the same keys in the same run.
 *
 *     btree_bench [NR_KEYS...]		(10000 100000 1000000 10000000)
 *
 * Keys are (inode, offset) pairs in random order, 16 bytes in LMDB, values 32 bytes. The btree
 * lies in nodes of 256 KiB on a file in memory and is read in by a scan first. Both are then
 * asked for the same random keys, by turns, and the median of the rounds is taken, in CPU time of the
 * thread: others on the machine disturb that least. Memory is
 * what the process has resident more after the btree was read in; for LMDB the pages of its map
 * in use.
 *
 * One line per size, "name value unit" after it for programs.
 */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/err.h>

#include "bench.h"
#include "btree_set.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "require.h"

#define VALUE_BYTES	32
#define LOOKUPS		1000000
#define ROUNDS		5
#define BTREE		BTREE_ID_xattrs
#define SNAP		0xffffffffU
#define LEAF_KEYS	4500
#define FANOUT		2000

struct key {
	uint64_t	inode;
	uint64_t	offset;
};

struct lmdb {
	char		dir[64];
	MDB_env		*env;
	MDB_dbi		dbi;
};

/* the i-th of @nr keys in sorted order: hash-like offsets in some thousands of inodes */
static struct key key_nr(size_t i)
{
	return (struct key) { 4096 + i / 1000, (i % 1000) << 32 | mix(i) >> 40 };
}

/* ---- the btree ---- */

static void btree_write(struct btree_set *s, size_t nr)
{
	struct tree_shape shape = {
		.btree_id = BTREE, .leaf_keys = LEAF_KEYS, .fanout = FANOUT, .nr_bsets = 1,
	};
	struct tree_writer *w = tree_begin(&s->image, &shape);
	uint64_t value[VALUE_BYTES / 8];
	size_t i;

	for (i = 0; i < nr; i++) {
		struct key key = key_nr(i);
		struct bkey k = {
			.p = SPOS(key.inode, key.offset, SNAP), .type = KEY_TYPE_cookie,
			.val_u64s = VALUE_BYTES / 8, .v = value,
		};

		value[0] = value[1] = value[2] = value[3] = i;
		tree_add(w, &k);
	}
	tree_end(w, &s->replay->root[BTREE]);
}

/* read all in; nanoseconds per key */
static double btree_scan(struct btree_set *s, size_t nr)
{
	uint64_t start = thread_ns();
	struct btree_iter iter;
	const struct bkey *k;
	size_t n = 0;

	bce_btree_iter_init(&iter, s->b, BTREE, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter))
		n++;
	bce_btree_iter_exit(&iter);
	require(!k && n == nr);
	return (double)(thread_ns() - start) / nr;
}

static double btree_round(struct btree_set *s, const uint32_t *order)
{
	uint64_t start = thread_ns();
	struct bkey_buf buf;
	struct bkey k;
	size_t i;

	for (i = 0; i < LOOKUPS; i++) {
		struct key key = key_nr(order[i]);

		require(!bce_btree_lookup(s->b, BTREE, SPOS(key.inode, key.offset, SNAP), NULL,
					  &k, &buf));
		require(buf.v[0] == order[i]);
	}
	return (double)(thread_ns() - start) / LOOKUPS;
}

/* ---- LMDB ---- */

/* its order of bytes is by memcmp() */
static void lmdb_key(struct key *out, struct key key)
{
	out->inode = __builtin_bswap64(key.inode);
	out->offset = __builtin_bswap64(key.offset);
}

static void lmdb_write(struct lmdb *l, size_t nr)
{
	uint64_t value[VALUE_BYTES / 8];
	MDB_txn *txn;
	size_t i;

	strcpy(l->dir, "/dev/shm/btree-bench-XXXXXX");
	if (access("/dev/shm", W_OK))
		strcpy(l->dir, "/tmp/btree-bench-XXXXXX");
	require(mkdtemp(l->dir));
	require(!mdb_env_create(&l->env));
	require(!mdb_env_set_mapsize(l->env, (nr * 100 + (64 << 20)) & ~4095ULL));
	require(!mdb_env_open(l->env, l->dir, MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600));
	require(!mdb_txn_begin(l->env, NULL, 0, &txn));
	require(!mdb_dbi_open(txn, NULL, 0, &l->dbi));
	for (i = 0; i < nr; i++) {
		struct key key;
		MDB_val k = { sizeof(key), &key }, v = { VALUE_BYTES, value };

		lmdb_key(&key, key_nr(i));
		value[0] = value[1] = value[2] = value[3] = i;
		require(!mdb_put(txn, l->dbi, &k, &v, MDB_APPEND));
	}
	require(!mdb_txn_commit(txn));
}

static double lmdb_round(struct lmdb *l, const uint32_t *order)
{
	uint64_t start = thread_ns(), buf[VALUE_BYTES / 8];
	MDB_txn *txn;
	size_t i;

	require(!mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn));
	for (i = 0; i < LOOKUPS; i++) {
		struct key key;
		MDB_val k = { sizeof(key), &key }, v;

		lmdb_key(&key, key_nr(order[i]));
		require(!mdb_get(txn, l->dbi, &k, &v));
		memcpy(buf, v.mv_data, sizeof(buf));
		require(buf[0] == order[i]);
	}
	mdb_txn_abort(txn);
	return (double)(thread_ns() - start) / LOOKUPS;
}

static double lmdb_bytes(struct lmdb *l)
{
	MDB_envinfo info;
	MDB_stat stat;

	require(!mdb_env_info(l->env, &info) && !mdb_env_stat(l->env, &stat));
	return (double)(info.me_last_pgno + 1) * stat.ms_psize;
}

static void lmdb_close(struct lmdb *l)
{
	char path[96];

	mdb_env_close(l->env);
	snprintf(path, sizeof(path), "%s/data.mdb", l->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lock.mdb", l->dir);
	unlink(path);
	rmdir(l->dir);
}

/* ---- both ---- */

static int compare_doubles(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return l < r ? -1 : l > r;
}

static double median(double *v, unsigned int nr)
{
	qsort(v, nr, sizeof(*v), compare_doubles);
	return v[nr / 2];
}

static void bench(size_t nr)
{
	static uint32_t order[LOOKUPS];
	struct image_geometry geo = small_nodes;
	double ours[ROUNDS], theirs[ROUNDS], scan_cold, scan_warm, our_ns, their_ns;
	size_t before, resident;
	struct btrees_stats stats;
	struct btree_set s;
	struct lmdb l;
	unsigned int round;
	size_t i;

	for (i = 0; i < LOOKUPS; i++)
		order[i] = mix(i + nr) % nr;
	geo.node_sectors = 512;
	geo.block_sectors = 8;
	set_init(&s, &geo, 1);
	btree_write(&s, nr);
	lmdb_write(&l, nr);
	set_open(&s, ~(size_t)0 >> 1);
	before = resident_bytes();
	scan_cold = btree_scan(&s, nr);
	resident = resident_bytes() - before;
	scan_warm = btree_scan(&s, nr);
	bce_btrees_stats(s.b, &stats);

	for (round = 0; round < ROUNDS; round++) {
		ours[round] = btree_round(&s, order);
		theirs[round] = lmdb_round(&l, order);
	}
	our_ns = median(ours, ROUNDS);
	their_ns = median(theirs, ROUNDS);
	printf("%zu keys: look-up %.0f ns, LMDB %.0f ns, ratio %.2f; %.2f million look-ups/s; ",
	       nr, our_ns, their_ns, their_ns / our_ns, 1e3 / our_ns);
	printf("%.1f bytes/key (%.1f resident), LMDB %.1f; scan %.1f ns/key, reading in %.1f\n",
	       (double)stats.bytes_cached / nr, (double)resident / nr, lmdb_bytes(&l) / nr,
	       scan_warm, scan_cold);
	printf("btree_lookup_%zu %.1f ns\n", nr, our_ns);
	printf("lmdb_lookup_%zu %.1f ns\n", nr, their_ns);
	printf("btree_lookup_ratio_%zu %.2f x\n", nr, their_ns / our_ns);
	printf("btree_bytes_per_key_%zu %.1f bytes\n", nr, (double)stats.bytes_cached / nr);
	printf("lmdb_bytes_per_key_%zu %.1f bytes\n", nr, lmdb_bytes(&l) / nr);
	printf("btree_scan_%zu %.1f ns\n", nr, scan_warm);
	fflush(stdout);
	lmdb_close(&l);
	set_exit(&s);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 10000, 100000, 1000000, 10000000 };
	int i;

	for (i = 1; i < argc; i++)
		bench(strtoull(argv[i], NULL, 10));
	for (i = 0; argc == 1 && i < 4; i++)
		bench(sizes[i]);
	return 0;
}
