// SPDX-License-Identifier: GPL-2.0
/*
 * Parity of stripes (docs/format/75-allocation.md, 8.2): bytes are elements of GF(2^8), polynomial
 * 0x11d. With data blocks D_0, D_1, ... and the generator 2
 *
 *   P = sum of D_i		Q = sum of 2^i * D_i
 *
 * Adding is XOR. Each lost data block x is a sum of other blocks, every one times a constant:
 *
 *   by P		D_x = P + sum of the others
 *   by Q		D_x = (Q + sum of 2^i * D_i of the others) / 2^x
 *   y lost, too	with P', Q' the same sums without x and y:
 *			D_x = (Q' + 2^y * P') / (2^x + 2^y)
 *
 * so these constants are all that differs. A product with a constant is looked up by halves of a byte,
 * in two tables of 16, made anew for each stretch; that is nothing beside the stretch.
 */
#include "engine/data/parity.h"

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/string.h>

static u8 gf_double(u8 a)
{
	return a << 1 ^ (a & 0x80 ? 0x1d : 0);
}

static u8 gf_mul(u8 a, u8 b)
{
	u8 product = 0;

	for (; b; b >>= 1, a = gf_double(a))
		if (b & 1)
			product ^= a;
	return product;
}

static u8 gf_pow2(unsigned int exponent)
{
	u8 a = 1;

	while (exponent--)
		a = gf_double(a);
	return a;
}

/* a^254, as a^255 is 1 */
static u8 gf_inverse(u8 a)
{
	u8 out = 1;

	for (unsigned int i = 0; i < 254; i++)
		out = gf_mul(out, a);
	return out;
}

void bce_parity_coefs(unsigned int nr_data, unsigned int parity, u8 coef[PARITY_BLOCKS_MAX])
{
	memset(coef, 0, PARITY_BLOCKS_MAX);
	for (unsigned int i = 0; i < nr_data; i++)
		coef[i] = parity ? gf_pow2(i) : 1;
}

static void solve_by_p(unsigned int nr_data, u8 *coef)
{
	bce_parity_coefs(nr_data, 0, coef);
	coef[nr_data] = 1;
}

static void solve_by_q(unsigned int nr_data, unsigned int wanted, u8 *coef)
{
	u8 scale = gf_inverse(gf_pow2(wanted));

	for (unsigned int i = 0; i < nr_data; i++)
		coef[i] = gf_mul(scale, gf_pow2(i));
	coef[nr_data + 1] = scale;
}

/* @lost is the other block that is not there */
static void solve_by_both(unsigned int nr_data, unsigned int wanted, unsigned int lost, u8 *coef)
{
	u8 y = gf_pow2(lost), scale = gf_inverse(gf_pow2(wanted) ^ y);

	for (unsigned int i = 0; i < nr_data; i++)
		coef[i] = gf_mul(scale, gf_pow2(i) ^ y);	/* that of @lost is 0 */
	coef[nr_data] = gf_mul(scale, y);
	coef[nr_data + 1] = scale;
}

int bce_parity_solve(unsigned int nr_data, unsigned int nr_parity, u32 usable, unsigned int wanted,
		     u8 coef[PARITY_BLOCKS_MAX])
{
	u32 lost = ~usable & (BIT(nr_data) - 1) & ~BIT(wanted);
	bool p = usable & BIT(nr_data);
	bool q = nr_parity > 1 && usable & BIT(nr_data + 1);

	memset(coef, 0, PARITY_BLOCKS_MAX);
	if (!lost && p)
		solve_by_p(nr_data, coef);
	else if (!lost && q)
		solve_by_q(nr_data, wanted, coef);
	else if (lost && !(lost & (lost - 1)) && p && q)
		solve_by_both(nr_data, wanted, __ffs(lost), coef);
	else
		return -ENODATA;
	coef[wanted] = 0;
	return 0;
}

static void xor_bytes(u8 *dst, const u8 *src, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		dst[i] ^= src[i];
}

void bce_parity_add(void *dst, const void *src, u8 coef, size_t bytes)
{
	u8 low[16], high[16], *d = dst;
	const u8 *s = src;

	if (coef == 1) {
		xor_bytes(dst, src, bytes);
		return;
	}
	for (unsigned int i = 0; i < 16; i++) {
		low[i] = gf_mul(coef, i);
		high[i] = gf_mul(coef, i << 4);
	}
	for (size_t i = 0; i < bytes; i++)
		d[i] ^= low[s[i] & 15] ^ high[s[i] >> 4];
}
