/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VARINT_H
#define ENGINE_KEY_VARINT_H

#include <linux/types.h>

/*
 * The variable-length integers of inodes and old alloc keys:
 * docs/format/60-filesystem-keys.md, sections 2.1 and 7.
 */

/* Return: bytes taken, 1..9; 0 when the integer does not end before @end. */
unsigned int bce_varint_decode(const u8 *p, const u8 *end, u64 *v);

#define VARINT_BYTES_MAX	9

/* Return: bytes written, 1..VARINT_BYTES_MAX. */
unsigned int bce_varint_encode(u8 *out, u64 v);

/* a number of the oldest inodes' code: up to 97 bits */
struct old_varint {
	u64	lo;
	u64	hi;
};
/* Return: bytes taken, 1..13; 0 when there is no whole number before @end. */
unsigned int bce_old_varint_decode(const u8 *p, const u8 *end, struct old_varint *v);

#endif
