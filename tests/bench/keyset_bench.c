// SPDX-License-Identifier: GPL-2.0
/*
 * Nanoseconds per random lookup of an existing key: two levels of keysets, leaves of
 * about 256 KiB as a btree has them and one set of pointers above them, each lookup
 * ending with the unpacked key. Beside it, on the same positions:
 *
 *	binary	  plain binary search in one sorted array of positions
 *	floor	  Eytzinger search in one array of 8-byte numbers; no keys behind it
 *
 * Usage: keyset_bench [most keys, default 10000000]
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/format/ids.h"
#include "engine/key/keyset.h"

#define LEAF_U64S	((256 << 10) / 8)
#define VAL_U64S	2
#define PTR_VAL_U64S	6
#define LOOKUPS		2000000
#define ROUNDS		3

struct shape {
	const char	*name;
	struct bpos	(*pos)(u64 i);
};

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* files of 1000 blocks of 4 KiB */
static struct bpos pos_extents(u64 i)
{
	return SPOS(4096 + i / 1000, (i % 1000 + 1) * 8, U32_MAX);
}

/* directories of 1000 entries: hashes that rise with i */
static struct bpos pos_dirents(u64 i)
{
	return SPOS(4096 + i / 1000, ((i % 1000) << 53) + (mix(i) >> 11), U32_MAX);
}

/* three snapshots of each hash: position beyond 64 bits */
static struct bpos pos_snapshots(u64 i)
{
	struct bpos p = pos_dirents(i / 3);

	p.snapshot = 0x10000000 + (i % 3) * 0x40000000;
	return p;
}

static const struct shape shapes[] = {
	{ "extents", pos_extents }, { "dirents", pos_dirents }, { "snapshots", pos_snapshots },
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ---- the two-level tree ---- */

struct tree {
	struct keyset	top;
	struct keyset	*leaf;
	u32		nr_leaves;
	size_t		bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "keyset_bench: %s\n", what);
	exit(1);
}

/* one leaf of keys [first, ...) as unpacked ones merged into the best format */
static u64 leaf_build(struct keyset *leaf, const struct shape *shape, u64 first, u64 end)
{
	static u64 buf[LEAF_U64S * 3];
	static const u64 val[VAL_U64S];
	struct keyset_input run = { .format = &key_format_position_only, .start = (void *)buf };
	struct key_format format;
	u64 i, *out = buf;

	/* packed keys take 2 or 3 words each plus the value */
	for (i = first; i < end && i - first < LEAF_U64S / (VAL_U64S + 2); i++) {
		struct bkey k = {
			.p = shape->pos(i), .type = KEY_TYPE_cookie, .val_u64s = VAL_U64S, .v = val,
		};

		out += bce_key_pack(run.format, &k, (void *)out);
	}
	run.end = (void *)out;
	format = bce_keyset_best_format(&run, 1);
	if (bce_keyset_merge(leaf, &format, &run, 1))
		die("out of memory");
	return i;
}

static void tree_build(struct tree *t, const struct shape *shape, u64 nr)
{
	u64 max_leaves = nr / (LEAF_U64S / (VAL_U64S + 2)) + 1, first = 0;
	u64 *buf = malloc(max_leaves * (BKEY_U64S + PTR_VAL_U64S) * 8), *out = buf;
	struct keyset_input run = { .format = &key_format_position_only, .start = (void *)buf };
	struct key_format format;

	*t = (struct tree) { .leaf = calloc(max_leaves, sizeof(*t->leaf)) };
	if (!buf || !t->leaf)
		die("out of memory");
	while (first < nr) {
		u64 val[PTR_VAL_U64S] = { t->nr_leaves };
		struct bkey k = { .type = KEY_TYPE_btree_ptr_v2, .val_u64s = PTR_VAL_U64S, .v = val };

		first = leaf_build(&t->leaf[t->nr_leaves], shape, first, nr);
		t->bytes += bce_keyset_bytes(&t->leaf[t->nr_leaves++]);
		k.p = first < nr ? bpos_predecessor(shape->pos(first)) : SPOS_MAX;
		out += bce_key_pack(run.format, &k, (void *)out);
	}
	run.end = (void *)out;
	format = bce_keyset_best_format(&run, 1);
	if (bce_keyset_merge(&t->top, &format, &run, 1))
		die("out of memory");
	free(buf);
}

static void tree_free(struct tree *t)
{
	u32 i;

	for (i = 0; i < t->nr_leaves; i++)
		bce_keyset_exit(&t->leaf[i]);
	bce_keyset_exit(&t->top);
	free(t->leaf);
}

static void tree_lookup(const struct tree *t, struct bpos p, struct bkey *k)
{
	const struct keyset *leaf;

	bce_key_unpack(&t->top.format, keyset_at(&t->top, bce_keyset_lower_bound(&t->top, p)), k);
	leaf = &t->leaf[*(const u64 *)k->v];
	bce_key_unpack(&leaf->format, keyset_at(leaf, bce_keyset_lower_bound(leaf, p)), k);
}

/* ---- what it is compared with ---- */

static u64 binary_search(const struct bpos *a, u64 nr, struct bpos p)
{
	u64 lo = 0, hi = nr;

	while (lo < hi) {
		u64 mid = (lo + hi) / 2;

		if (bpos_cmp(a[mid], p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static u64 eytzinger_fill(u64 *slot, const u64 *sorted, u64 i, u64 k, u64 nr)
{
	if (k > nr)
		return i;
	i = eytzinger_fill(slot, sorted, i, 2 * k, nr);
	slot[k] = sorted[i++];
	return eytzinger_fill(slot, sorted, i, 2 * k + 1, nr);
}

static u64 eytzinger_search(const u64 *slot, u64 nr, u64 r)
{
	u64 k = 1;

	while (k <= nr) {
		__builtin_prefetch(slot + k * 8);
		k = 2 * k + (slot[k] < r);
	}
	k >>= __builtin_ffsll(~k);
	return slot[k];
}

/* ---- timing ---- */

static double best(double a, double b)
{
	return a && a < b ? a : b;
}

static void measure(const struct shape *shape, u64 nr)
{
	struct bpos *sorted = malloc(nr * sizeof(*sorted));
	u64 *line = aligned_alloc(64, (nr + 8) / 8 * 64 + 64), *plain = malloc(nr * 8);
	double tree_ns = 0, binary_ns = 0, floor_ns = 0, none_ns = 0, t;
	volatile u64 sink = 0;
	struct tree tree;
	struct bkey k;
	u64 i, round;

	if (!sorted || !line || !plain)
		die("out of memory");
	for (i = 0; i < nr; i++) {
		sorted[i] = shape->pos(i);
		plain[i] = i << 30;
	}
	eytzinger_fill(line, plain, 0, 1, nr);
	tree_build(&tree, shape, nr);

	for (i = 0; i < nr; i += nr / 1000 + 1) {
		tree_lookup(&tree, sorted[i], &k);
		if (bpos_cmp(k.p, sorted[i]))
			die("a key was not found");
	}
	for (round = 0; round < ROUNDS; round++) {
		t = now_ns();
		for (i = 0; i < LOOKUPS; i++)
			sink += shape->pos(mix(i) % nr).offset;
		none_ns = best(none_ns, now_ns() - t);

		t = now_ns();
		for (i = 0; i < LOOKUPS; i++) {
			tree_lookup(&tree, shape->pos(mix(i) % nr), &k);
			sink += k.p.offset;
		}
		tree_ns = best(tree_ns, now_ns() - t);

		t = now_ns();
		for (i = 0; i < LOOKUPS; i++)
			sink += binary_search(sorted, nr, shape->pos(mix(i) % nr));
		binary_ns = best(binary_ns, now_ns() - t);

		t = now_ns();
		for (i = 0; i < LOOKUPS; i++)
			sink += eytzinger_search(line, nr, mix(i) % nr << 30);
		floor_ns = best(floor_ns, now_ns() - t);
	}
	printf("%-10s %9llu %10.0f %10.0f %10.0f %9.2f %12.1f\n", shape->name,
	       (unsigned long long)nr, (tree_ns - none_ns) / LOOKUPS,
	       (binary_ns - none_ns) / LOOKUPS, floor_ns / LOOKUPS,
	       (tree_ns - none_ns) / floor_ns, (double)tree.bytes / nr);

	tree_free(&tree);
	free(sorted);
	free(line);
	free(plain);
}

int main(int argc, char **argv)
{
	u64 most = argc > 1 ? strtoull(argv[1], NULL, 0) : 10000000, nr;
	unsigned int i;

	printf("%-10s %9s %10s %10s %10s %9s %12s\n", "positions", "keys", "keyset ns", "binary ns",
	       "floor ns", "x floor", "bytes/key");
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (nr = 10000; nr <= most; nr *= 10)
			measure(&shapes[i], nr);
	return 0;
}
