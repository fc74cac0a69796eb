/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_PARITY_H
#define ENGINE_DATA_PARITY_H

#include <linux/types.h>

/* Blocks of a stripe, data first, then one or two of parity: docs/format/75-allocation.md, 8.2. Pure. */

#define PARITY_BLOCKS_MAX	16

/**
 * bce_parity_solve() - how a data block follows from the others
 * @nr_data, @nr_parity: blocks of the stripe, at most PARITY_BLOCKS_MAX, @nr_parity 1 or 2
 * @usable: bit per block that can be read; that of @wanted does not matter
 * @coef:   by block: what it is multiplied with before all are added; 0: not needed
 *
 * Return: 0, or -ENODATA: too few are usable.
 */
int bce_parity_solve(unsigned int nr_data, unsigned int nr_parity, u32 usable, unsigned int wanted,
		     u8 coef[PARITY_BLOCKS_MAX]);
/* what a parity block is made of, in the same form; @parity is 0 or 1 */
void bce_parity_coefs(unsigned int nr_data, unsigned int parity, u8 coef[PARITY_BLOCKS_MAX]);
/* @dst += @coef * @src, byte by byte in GF(2^8) */
void bce_parity_add(void *dst, const void *src, u8 coef, size_t bytes);

#endif
