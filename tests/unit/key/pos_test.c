// SPDX-License-Identifier: GPL-2.0
/*
 * Positions: order and neighbours (docs/format/50-btree.md, section 1).
 */
#include <linux/limits.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/key/pos.h"

static void assert_neighbours(struct bpos l, struct bpos r)
{
	assert_int_equal(bpos_cmp(bpos_successor(l), r), 0);
	assert_int_equal(bpos_cmp(bpos_predecessor(r), l), 0);
}

static void order_is_inode_offset_snapshot(void **state)
{
	static const struct bpos ascending[] = {
		{ 0, 0, 0 }, { 0, 0, 1 }, { 0, 0, U32_MAX }, { 0, 1, 0 }, { 0, U64_MAX, 7 },
		{ 1, 0, 0 }, { 1, 1, 0 }, { 1ULL << 63, 0, 0 }, { U64_MAX, U64_MAX, 0 },
		{ U64_MAX, U64_MAX, U32_MAX },
	};
	int i, j, n = sizeof(ascending) / sizeof(ascending[0]);

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			int cmp = bpos_cmp(ascending[i], ascending[j]);

			assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
		}
	assert_int_equal(bpos_cmp_logical(SPOS(1, 2, 3), SPOS(1, 2, 4)), 0);
	assert_true(bpos_cmp_logical(SPOS(1, 2, 9), SPOS(1, 3, 4)) < 0);
}

static void neighbours_carry(void **state)
{
	assert_neighbours(SPOS(4630, 8, U32_MAX), SPOS(4630, 9, 0));	/* the spec's example */
	assert_neighbours(SPOS(1, 2, 3), SPOS(1, 2, 4));
	assert_neighbours(SPOS(1, U64_MAX, U32_MAX), SPOS(2, 0, 0));
	assert_neighbours(SPOS_MAX, POS_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_inode_offset_snapshot),
		cmocka_unit_test(neighbours_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
