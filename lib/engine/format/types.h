/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_TYPES_H
#define ENGINE_FORMAT_TYPES_H

/*
 * What every on-disk header needs: fixed-width little-endian types, packing,
 * and bit fields inside little-endian words.
 *
 * A bit field "bits a..b" of the format covers bits a inclusive to b exclusive.
 * Headers name it by two constants, <NAME>_LO = a and <NAME>_HI = b.
 */

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/byteorder.h>

/*
 * Packed keys are numbers that span several words, and their bytes are copied
 * to and from nodes as they are; a big-endian host stores its metadata in its
 * own order, with a flag. Neither direction is supported: such a host would need
 * a byte-swapping layer at every node and journal read.
 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bcachefs metadata is handled on little-endian machines only"
#endif

#define SECTOR_BYTES		512

/* a checksum field: low half, high half; what a type does not use is zero */
struct bch_csum {
	__le64	lo;
	__le64	hi;
};

/* bits [lo, hi) of a word; hi - lo may be 64 */
static inline u64 bits_get(u64 word, unsigned int lo, unsigned int hi)
{
	return (word << (64 - hi)) >> (64 - hi + lo);
}

/* the same word with bits [lo, hi) replaced; what does not fit in them is cut off */
static inline u64 bits_set(u64 word, unsigned int lo, unsigned int hi, u64 value)
{
	u64 mask = (~0ULL >> (64 - (hi - lo))) << lo;

	return (word & ~mask) | ((value << lo) & mask);
}

/* a field by its name: BITS_GET(word, BSET_CSUM_TYPE) */
#define BITS_GET(word, name)		bits_get(word, name##_LO, name##_HI)
#define BITS_SET(word, name, value)	bits_set(word, name##_LO, name##_HI, value)

#endif
