// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator below btrees that are written: small nodes that split and are replaced all the time, a
 * journal that wraps, extents that come and go. Space for nodes comes from the allocator, whose own
 * keys fill nodes in turn. In the end everything is recomputed from all keys of all levels.
 *
 * SEED= gives other rows.
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "nodes_rig.h"
#include "random.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define INUM		4096

/* ---- what is done ---- */

struct job {
	const struct bkey *k;
};

static int put_key(struct bce_trans *t, void *ctx)
{
	const struct job *job = ctx;

	return bce_trans_update(t, BTREE_ID_extents, job->k, 0);
}

static int put(struct world *w, const struct bkey *k)
{
	struct job job = { k };

	return bce_trans_run(w->b, put_key, &job, 0, NULL);
}

/* -ENOSPC or 0 */
static int write_extent(struct world *w, unsigned int replicas, u64 slot, unsigned int streams)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = replicas, .replicas_required = 1,
		.watermark = ALLOC_NORMAL, .stream = rnd() % streams,
	};
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(w->a, &req, 8, &s);

	if (ret)
		return ret;
	if (s.sectors == 8) {
		key_init(&key, KEY_TYPE_extent, SPOS(INUM, (slot + 1) * 8, U32_MAX), 8);
		key_add(&key, crc32_word(8, 8, 0));
		key_add_space(&key, &s);
		assert_int_equal(put(w, &key.k), 0);
	}
	bce_alloc_space_put(w->a, &s);
	return 0;
}

static void remove_extent(struct world *w, u64 slot)
{
	struct bkey gone = { .type = KEY_TYPE_deleted, .p = SPOS(INUM, (slot + 1) * 8, U32_MAX) };

	assert_int_equal(put(w, &gone), 0);
}

static void run(unsigned int nr_devs, unsigned int replicas, unsigned int changes)
{
	struct world *w = world_open(nr_devs, replicas);
	struct btrees_write_stats stats;

	for (unsigned int i = 0; i < changes; i++) {
		u64 slot = rnd() % 2000;

		if (rnd() % 4)
			assert_int_equal(write_extent(w, replicas, slot, 4), 0);
		else
			remove_extent(w, slot);
	}
	bce_btrees_write_stats(w->b, &stats);
	assert_true(stats.splits > 10);
	world_close(w);
}

static void test_one_member(void **state)
{
	run(1, 1, 6000);
}

static void test_three_members(void **state)
{
	run(3, 2, 6000);
}

/* what is not durable is lost, all of it together */
static void test_crashes(void **state)
{
	struct world *w = world_open(2, 2);

	for (unsigned int i = 0; i < 4000; i++) {
		u64 slot = rnd() % 1000;

		if (rnd() % 3)
			assert_int_equal(write_extent(w, 2, slot, 4), 0);
		else
			remove_extent(w, slot);
		if (rnd() % 100 == 0)
			assert_int_equal(bce_journal_flush(w->j), 0);
		if (rnd() % 400 == 0)
			world_crash(w);
	}
	world_close(w);
}

static u64 fill(struct world *w)
{
	u64 nr = 0;
	int ret;

	while (!(ret = write_extent(w, 1, nr, 1)))
		nr++;
	assert_int_equal(ret, -ENOSPC);
	return nr;
}

/* a full set can be emptied, and holds as much afterwards */
static void test_full(void **state)
{
	struct world *w = world_open(1, 1);
	u64 first = fill(w), again;

	for (u64 slot = 0; slot < first; slot++)
		remove_extent(w, slot);
	again = fill(w);
	if (again < first - first / 50)
		print_error("%llu extents, then %llu\n", (unsigned long long)first,
			    (unsigned long long)again);
	assert_true(again >= first - first / 50);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_member, rnd_setup),
		cmocka_unit_test_setup(test_three_members, rnd_setup),
		cmocka_unit_test_setup(test_crashes, rnd_setup),
		cmocka_unit_test_setup(test_full, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
