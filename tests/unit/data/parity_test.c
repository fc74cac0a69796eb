// SPDX-License-Identifier: GPL-2.0
/*
 * Parity of stripes against a slow and obvious computation (docs/format/75-allocation.md, 8.2): P and Q, and every data
 * block from what is left when it is lost, alone or with any other block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/errno.h>

#include "engine/data/parity.h"

#define BYTES	257

static u8 blocks[PARITY_BLOCKS_MAX][BYTES];

/* a polynomial product, then the remainder by x^8 + x^4 + x^3 + x^2 + 1 */
static u8 slow_mul(unsigned int a, unsigned int b)
{
	unsigned int product = 0;

	for (int i = 0; i < 8; i++)
		if (b >> i & 1)
			product ^= a << i;
	for (int i = 15; i >= 8; i--)
		if (product >> i & 1)
			product ^= 0x11d << (i - 8);
	return product;
}

static void make_stripe(unsigned int nr_data, unsigned int nr_parity)
{
	for (unsigned int at = 0; at < BYTES; at++) {
		u8 p = 0, q = 0, power = 1;

		for (unsigned int i = 0; i < nr_data; i++) {
			u8 d = blocks[i][at] = rand() >> 8;

			p ^= d;
			q ^= slow_mul(power, d);
			power = slow_mul(power, 2);
		}
		blocks[nr_data][at] = p;
		if (nr_parity > 1)
			blocks[nr_data + 1][at] = q;
	}
}

static void expect_sum(const u8 *coef, const u8 *want)
{
	u8 sum[BYTES] = { };

	for (unsigned int i = 0; i < PARITY_BLOCKS_MAX; i++)
		if (coef[i])
			bce_parity_add(sum, blocks[i], coef[i], BYTES);
	assert_memory_equal(sum, want, BYTES);
}

static void lose(unsigned int nr_data, unsigned int nr_parity, unsigned int wanted, u32 usable)
{
	u8 coef[PARITY_BLOCKS_MAX];

	assert_int_equal(bce_parity_solve(nr_data, nr_parity, usable, wanted, coef), 0);
	for (unsigned int i = 0; i < PARITY_BLOCKS_MAX; i++)
		assert_false(coef[i] && (i == wanted || !(usable & BIT(i))));
	expect_sum(coef, blocks[wanted]);
}

static void every_loss(void **state)
{
	u8 coef[PARITY_BLOCKS_MAX];

	for (unsigned int parity = 1; parity <= 2; parity++)
		for (unsigned int nr = 1; nr + parity <= PARITY_BLOCKS_MAX; nr++) {
			u32 all = BIT(nr + parity) - 1;

			make_stripe(nr, parity);
			for (unsigned int j = 0; j < parity; j++) {
				bce_parity_coefs(nr, j, coef);
				expect_sum(coef, blocks[nr + j]);
			}
			for (unsigned int x = 0; x < nr; x++) {
				lose(nr, parity, x, all & ~BIT(x));
				for (unsigned int y = 0; parity > 1 && y < nr + 2; y++)
					lose(nr, parity, x, all & ~BIT(x) & ~BIT(y));
			}
		}
}

static void too_many_losses(void **state)
{
	u8 coef[PARITY_BLOCKS_MAX];

	assert_int_equal(bce_parity_solve(3, 1, 0xf & ~BIT(0) & ~BIT(1), 0, coef), -ENODATA);
	assert_int_equal(bce_parity_solve(3, 1, 0xf & ~BIT(0) & ~BIT(3), 0, coef), -ENODATA);
	/* a bit beyond the stripe's blocks is no second parity */
	assert_int_equal(bce_parity_solve(3, 1, 0x1f & ~BIT(0) & ~BIT(3), 0, coef), -ENODATA);
	for (unsigned int third = 2; third < 6; third++)
		assert_int_equal(bce_parity_solve(4, 2, 0x3f & ~BIT(0) & ~BIT(1) & ~BIT(third), 0, coef),
				 -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_loss),
		cmocka_unit_test(too_many_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
