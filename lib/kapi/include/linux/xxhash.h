/* SPDX-License-Identifier: GPL-2.0 */
/* xxHash. */
#ifndef KAPI_LINUX_XXHASH_H
#define KAPI_LINUX_XXHASH_H

#include <linux/types.h>

struct xxh64_state {
	u64 kapi_state[12];
};

u64 xxh64(const void *p, size_t bytes, u64 seed);
u32 xxh32(const void *p, size_t bytes, u32 seed);
void xxh64_reset(struct xxh64_state *s, u64 seed);
int xxh64_update(struct xxh64_state *s, const void *p, size_t bytes);
u64 xxh64_digest(const struct xxh64_state *s);

static inline unsigned long xxhash(const void *p, size_t bytes, u64 seed)
{
	return xxh64(p, bytes, seed);
}

#endif
