/* SPDX-License-Identifier: GPL-2.0 */
/* Random numbers from getrandom(2). */
#ifndef KAPI_LINUX_RANDOM_H
#define KAPI_LINUX_RANDOM_H

#include <linux/types.h>

void get_random_bytes(void *buf, size_t bytes);
u32 get_random_u32(void);
u64 get_random_u64(void);
/* Uniform in [0, @ceil). */
u32 get_random_u32_below(u32 ceil);
/* Both ends included. */
u32 get_random_u32_inclusive(u32 floor, u32 ceil);

static inline u8 get_random_u8(void)
{
	return get_random_u32();
}

static inline unsigned long get_random_long(void)
{
	return get_random_u64();
}

#endif
