/* SPDX-License-Identifier: GPL-2.0 */
/* Multiplicative hashing. */
#ifndef KAPI_LINUX_HASH_H
#define KAPI_LINUX_HASH_H

#include <linux/bits.h>
#include <linux/types.h>

#define GOLDEN_RATIO_32	0x61C88647
#define GOLDEN_RATIO_64	0x61C8864680B583EBull

static inline u32 hash_32(u32 v, unsigned int bits)
{
	return (v * GOLDEN_RATIO_32) >> (32 - bits);
}

static __always_inline u32 hash_64(u64 v, unsigned int bits)
{
	return (u32)((v * GOLDEN_RATIO_64) >> (64 - bits));
}

#define hash_long(v, bits)	hash_64(v, bits)
#define hash_ptr(p, bits)	hash_64((unsigned long)(p), bits)

#endif
