// SPDX-License-Identifier: GPL-2.0
/*
 * One node that is changed, written and merged in any order, against two models: what is in it, and
 * what is on disk. The disk only gets what writes take: the unwritten keys at that time, if
 * the write succeeds. When all is written both must be the same.
 *
 * The same for a node that is replaced while it changes: the new node on disk has what was there
 * when it was read out, and what came later moves over.
 */
#include "engine/btree/node_change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/btree/btrees_internal.h"
#include "engine/format/ids.h"
#include "mem_btrees.h"
#include "random.h"
#include "require.h"

#define NR_PLACES	3000

struct content {
	u64	value[NR_PLACES];	/* 0: nothing */
};

/* what a write took */
struct block {
	bool	busy;
	u64	id;
	bool	has[NR_PLACES];
	u64	value[NR_PLACES];
};

struct world {
	struct mem_btrees	m;
	struct btree_node	*n;
	struct content		now;
	struct content		disk;
	struct block		block;
	unsigned int		nr_deletions_written;
};

static void world_init(struct world *w, u64 written_id)
{
	memset(w, 0, sizeof(*w));
	mem_btrees_init(&w->m);
	mem_btrees_open(&w->m, NULL, NULL);
	w->n = bce_node_cache_new(&w->m.b->cache, 0);
	assert_non_null(w->n);
	w->n->id = (struct node_id) { .btree_id = BTREE_ID_xattrs, .max = SPOS_MAX, .ptr = 1 };
	w->n->disk_format = key_format_position_only;
	bce_open_init(&w->n->open, written_id);
	assert_int_equal(bce_node_cache_publish(&w->m.b->cache, w->n, false), 0);
	node_unlock_write(w->n);
}

static void world_exit(struct world *w)
{
	bce_node_lock_write(w->n);
	bce_node_cache_retire(&w->m.b->cache, w->n);
	assert_int_equal(atomic64_read(&w->m.b->cache.bytes), 0);
	mem_btrees_exit(&w->m);
}

static struct bpos place(unsigned int i)
{
	return SPOS(1 + i / 1000, 16 + i % 1000, 7);
}

static unsigned int number(struct bpos p)
{
	return (p.inode - 1) * 1000 + p.offset - 16;
}

static void put(struct world *w, unsigned int i, u64 value)
{
	/* values of different lengths */
	u64 v[3] = { value, value, value };
	struct bkey k = {
		.p = place(i), .type = value ? KEY_TYPE_cookie : KEY_TYPE_deleted,
		.val_u64s = value ? 1 + value % 3 : 0, .v = v,
	};

	bce_node_lock_write(w->n);
	assert_int_equal(bce_node_reserve(w->n, 1, BKEY_U64S + k.val_u64s, GFP_KERNEL), 0);
	bce_node_put(w->n, &k, 0);
	node_unlock_write(w->n);
	w->now.value[i] = value;
}

static void write_begin(struct world *w)
{
	const struct open_keys *o = &w->n->open;
	struct block *b = &w->block;
	struct bkey k;
	u32 i, words = 0, nr = 0;

	if (b->busy)
		return;
	memset(b, 0, sizeof(*b));
	b->busy = true;
	for (i = 0; i < o->nr; i++) {
		if (!open_unwritten(o, i))
			continue;
		bce_open_key(o, i, &k);
		nr++;
		words += BKEY_U64S + k.val_u64s;
		b->has[number(k.p)] = true;
		b->value[number(k.p)] = k.val_u64s ? *(const u64 *)k.v : 0;
	}
	assert_int_equal(nr, o->nr_unwritten);
	assert_int_equal(words, o->unwritten_words);
	b->id = bce_open_take(&w->n->open);
}

static void write_end(struct world *w, bool ok)
{
	unsigned int i;

	if (!w->block.busy)
		return;
	w->block.busy = false;
	if (!ok)
		return;
	for (i = 0; i < NR_PLACES; i++) {
		if (!w->block.has[i])
			continue;
		w->nr_deletions_written += !w->block.value[i];
		w->disk.value[i] = w->block.value[i];
	}
	bce_open_written(&w->n->open, w->block.id);
}

static void compare(struct world *w)
{
	struct node_cursor at;
	struct bkey k, other;
	unsigned int i = 0, j;

	for (bce_node_seek(w->n, POS_MIN, &at); bce_node_peek(w->n, &at, &k);
	     bce_node_step(w->n, &at)) {
		j = number(k.p);
		for (; i < j; i++)
			assert_int_equal(w->now.value[i], 0);
		assert_int_equal(*(const u64 *)k.v, w->now.value[i++]);
		assert_true(bce_node_lookup(w->n, k.p, &other));
		assert_ptr_equal(other.v, k.v);
		assert_true(bce_node_peek_prev(w->n, k.p, &other));
		assert_ptr_equal(other.v, k.v);
	}
	for (; i < NR_PLACES; i++)
		assert_int_equal(w->now.value[i], 0);
}

static void random_step(struct world *w)
{
	unsigned int i, from;

	switch (rnd() % 64) {
	case 0:
		write_begin(w);
		break;
	case 1:
		write_end(w, rnd() % 4);
		break;
	case 2:
		assert_int_equal(bce_node_merge_open(w->m.b, w->n), 0);
		break;
	case 3:
		/* a row, so that arrays grow */
		from = rnd() % NR_PLACES;
		for (i = from; i < from + 100 && i < NR_PLACES; i++)
			put(w, i, 1 + rnd() % 1000);
		break;
	case 4:
		if (rnd() % 16 == 0)
			compare(w);
		break;
	default:
		put(w, rnd() % NR_PLACES, rnd() % 3 ? 1 + rnd() % 1000 : 0);
	}
}

static void test_writes(void **state)
{
	struct world *w = malloc(sizeof(*w));
	unsigned int i;

	world_init(w, 0);
	for (i = 0; i < 40000; i++)
		random_step(w);
	compare(w);
	write_end(w, true);
	write_begin(w);
	write_end(w, true);
	assert_int_equal(w->n->open.nr_unwritten, 0);
	assert_memory_equal(&w->now, &w->disk, sizeof(w->now));
	assert_true(w->nr_deletions_written > 100);
	assert_true(w->n->set.nr_keys > 0);
	world_exit(w);
	free(w);
}

/* a deletion of what was neither in the set nor ever taken leaves nothing */
static void test_deletions_kept(void **state)
{
	struct world *w = malloc(sizeof(*w));

	world_init(w, 0);
	put(w, 5, 1);
	put(w, 5, 0);
	assert_int_equal(w->n->open.nr, 0);
	put(w, 5, 1);
	write_begin(w);
	put(w, 5, 0);
	assert_int_equal(w->n->open.nr, 1);
	write_end(w, false);
	/* the disk may have it all the same, for all we know */
	put(w, 5, 2);
	put(w, 5, 0);
	assert_int_equal(w->n->open.nr, 1);
	assert_int_equal(w->n->open.nr_unwritten, 1);
	world_exit(w);
	free(w);
}

/* read out as it is; what comes later is told by its number */
static void replace(struct world *w)
{
	struct open_keys *o = &w->n->open;
	struct open_keys moved;
	struct node_cursor at;
	struct bkey k;
	unsigned int i;
	u64 id;

	memset(&w->disk, 0, sizeof(w->disk));
	for (bce_node_seek(w->n, POS_MIN, &at); bce_node_peek(w->n, &at, &k);
	     bce_node_step(w->n, &at))
		w->disk.value[number(k.p)] = *(const u64 *)k.v;
	id = bce_open_take(o);
	for (i = 0; i < 600; i++)
		put(w, rnd() % NR_PLACES, rnd() % 3 ? 1 + rnd() % 1000 : 0);
	assert_int_equal(bce_node_merge_open(w->m.b, w->n), 0);

	bce_open_init(&moved, 0);
	for (i = 0; i < o->nr; i++) {
		if (open_id(o, i) <= id)
			continue;
		bce_open_key(o, i, &k);
		assert_int_equal(bce_open_reserve(&moved, 1, BKEY_U64S + k.val_u64s, GFP_KERNEL), 0);
		bce_open_put(&moved, &k, open_disk_has(o, i) ? OPEN_DISK_HAS : 0);
	}
	/* what the new node and a write of what has moved come to */
	for (i = 0; i < moved.nr; i++) {
		bce_open_key(&moved, i, &k);
		w->disk.value[number(k.p)] = k.val_u64s ? *(const u64 *)k.v : 0;
	}
	bce_open_exit(&moved);
	assert_memory_equal(&w->now, &w->disk, sizeof(w->now));
}

static void test_replace(void **state)
{
	struct world *w = malloc(sizeof(*w));
	unsigned int i, round;

	world_init(w, OPEN_NEVER_WRITTEN);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 1500; i++)
			put(w, rnd() % NR_PLACES, rnd() % 3 ? 1 + rnd() % 1000 : 0);
		assert_int_equal(bce_node_merge_open(w->m.b, w->n), 0);
		for (i = 0; i < 200; i++)
			put(w, rnd() % NR_PLACES, rnd() % 3 ? 1 + rnd() % 1000 : 0);
		compare(w);
		replace(w);
		/* it failed at last; the node goes on */
		bce_open_untake(&w->n->open);
	}
	world_exit(w);
	free(w);
}

/* ---- interior nodes ---- */

static struct bkey ptr_key(struct bpos p, u64 *v, unsigned int nr_ptrs)
{
	return (struct bkey) {
		.p = p, .type = KEY_TYPE_btree_ptr_v2, .val_u64s = 5 + nr_ptrs, .v = v,
	};
}

static void put_ptrs(struct world *w, const struct bkey *const *keys, unsigned int nr,
		     bool in_place)
{
	struct ptrs_change change;

	bce_node_lock_write(w->n);
	assert_int_equal(bce_node_ptrs_prepare(w->n, keys, nr, &change), 0);
	assert_int_equal(change.new_set, !in_place);
	bce_node_ptrs_apply(w->m.b, w->n, keys, nr, &change);
	node_unlock_write(w->n);
}

static u64 *value_of_set(struct world *w, struct bpos p)
{
	u32 at = bce_keyset_lower_bound(&w->n->set, p);
	const struct disk_key *k = keyset_at(&w->n->set, at);
	struct bkey u;

	require(at < w->n->set.nr_u64s);
	bce_key_unpack(&w->n->set.format, k, &u);
	require(!bpos_cmp(u.p, p));
	return (u64 *)u.v;
}

/* pointers of the node's range: [, 10], [.., 20], [.., max] */
static void test_interior(void **state)
{
	struct bpos p[] = { SPOS(10, 0, 0), SPOS(20, 0, 0), SPOS(30, 0, 0), SPOS_MAX };
	u64 v[4][7] = { { 0, 11 }, { 0, 12 }, { 0, 13 }, { 0, 14 } };
	struct world *w = malloc(sizeof(*w));
	const struct bkey *keys[4];
	struct bkey k[4];
	unsigned int i;

	world_init(w, 0);
	bce_node_lock_write(w->n);
	w->n->id.level = 1;
	node_unlock_write(w->n);
	for (i = 0; i < 4; i++) {
		struct bpos min = i ? bpos_successor(p[i - 1]) : POS_MIN;

		/* sectors_written and flags; min_key */
		((__le64 *)v[i])[2] = cpu_to_le64(8 | (u64)min.snapshot << 32);
		((__le64 *)v[i])[3] = cpu_to_le64(min.offset);
		((__le64 *)v[i])[4] = cpu_to_le64(min.inode);
		v[i][5] = 100 + i;
		k[i] = ptr_key(p[i], v[i], 1);
		keys[i] = &k[i];
	}
	put_ptrs(w, keys, 4, false);
	assert_false(w->n->bad_children);
	assert_int_equal(w->n->set.nr_keys, 4);
	assert_int_equal(w->n->open.nr_unwritten, 4);

	/* the child was written: same length, the hint stays */
	value_of_set(w, p[1])[0] = 0x1234;
	v[1][5] = 555;
	put_ptrs(w, keys + 1, 1, true);
	assert_int_equal(value_of_set(w, p[1])[0], 0x1234);
	assert_int_equal(value_of_set(w, p[1])[5], 555);
	assert_int_equal(w->n->open.nr_unwritten, 4);

	/* it lies at two places now; another's hint stays */
	value_of_set(w, p[2])[0] = 0x5678;
	v[1][6] = 666;
	k[1] = ptr_key(p[1], v[1], 2);
	put_ptrs(w, keys + 1, 1, false);
	assert_int_equal(value_of_set(w, p[1])[6], 666);
	assert_int_equal(value_of_set(w, p[1])[0], 0);
	assert_int_equal(value_of_set(w, p[2])[0], 0x5678);

	/* written; then the second and the third become one */
	bce_open_written(&w->n->open, bce_open_take(&w->n->open));
	k[1] = (struct bkey) { .p = p[1], .type = KEY_TYPE_deleted };
	v[2][3] = v[1][3];
	v[2][4] = v[1][4];
	v[2][2] = v[1][2];
	put_ptrs(w, keys + 1, 2, false);
	assert_false(w->n->bad_children);
	assert_int_equal(w->n->set.nr_keys, 3);
	assert_int_equal(w->n->open.nr, 2);	/* the deletion and the pointer; others are written */
	assert_int_equal(w->n->open.nr_unwritten, 2);
	assert_int_equal(bce_log_errors_total(w->m.log), 0);

	/* a hole is noticed */
	k[1] = (struct bkey) { .p = p[0], .type = KEY_TYPE_deleted };
	put_ptrs(w, keys + 1, 1, false);
	assert_true(w->n->bad_children);

	bce_node_lock_write(w->n);
	w->n->id.level = 0;
	node_unlock_write(w->n);
	world_exit(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_writes, rnd_setup),
		cmocka_unit_test(test_deletions_kept),
		cmocka_unit_test_setup(test_replace, rnd_setup),
		cmocka_unit_test(test_interior),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
