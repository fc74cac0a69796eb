// SPDX-License-Identifier: GPL-2.0
/*
 * Variable-length integers.
 *
 * The present code puts the length in front: as many one bits, from the lowest up,
 * as there are bytes after the first, then a zero, then the number, little-endian.
 * Eight ones mean a plain 64-bit number in the next eight bytes. So one load and
 * one shift decode it.
 *
 * The code of the oldest inodes is big-endian, with the length in the position of
 * the first byte's highest one bit.
 */
#include "engine/key/varint.h"

#include <linux/bitops.h>
#include <linux/math.h>

#include "kc/kc.h"

unsigned int bce_varint_decode(const u8 *p, const u8 *end, u64 *v)
{
	unsigned int bytes, i;
	u64 word = 0;

	if (p >= end)
		return 0;
	bytes = ffz(*p) + 1;
	if (bytes > end - p)
		return 0;

	if (bytes == 9) {
		*v = get_unaligned_le64(p + 1);
		return bytes;
	}
	if (end - p >= sizeof(word)) {
		word = get_unaligned_le64(p) << (64 - 8 * bytes) >> (64 - 8 * bytes);
	} else {
		for (i = 0; i < bytes; i++)
			word |= (u64)p[i] << (8 * i);
	}
	*v = word >> bytes;
	return bytes;
}

unsigned int bce_varint_encode(u8 *out, u64 v)
{
	unsigned int bytes = DIV_ROUND_UP(fls64(v | 1), 7), i;
	u64 word;

	if (bytes > 8) {
		*out = 0xff;
		put_unaligned_le64(v, out + 1);
		return VARINT_BYTES_MAX;
	}
	/* v has at most 7 * bytes bits, so nothing is shifted out */
	word = v << bytes | ((1U << (bytes - 1)) - 1);
	for (i = 0; i < bytes; i++)
		out[i] = word >> (8 * i);
	return bytes;
}

unsigned int bce_old_varint_decode(const u8 *p, const u8 *end, struct old_varint *v)
{
	/* by distance of the highest one bit from the top */
	static const u8 lengths[8] = { 1, 2, 3, 4, 6, 8, 10, 13 };
	unsigned int top, bytes, i;

	if (p >= end || !*p)
		return 0;
	top = __fls(*p);
	bytes = lengths[7 - top];
	if (bytes > end - p)
		return 0;

	v->hi = 0;
	v->lo = *p ^ (1U << top);
	for (i = 1; i < bytes; i++) {
		v->hi = v->hi << 8 | v->lo >> 56;
		v->lo = v->lo << 8 | p[i];
	}
	return bytes;
}
