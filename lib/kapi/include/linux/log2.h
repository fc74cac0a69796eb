/* SPDX-License-Identifier: GPL-2.0 */
/* Powers of two. */
#ifndef KAPI_LINUX_LOG2_H
#define KAPI_LINUX_LOG2_H

#include <linux/bits.h>
#include <linux/types.h>

static inline __attribute_const__ bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

/* ilog2(0) is not defined, as in the kernel. */
#define ilog2(n)	(63 - __builtin_clzll((unsigned long long)(n)))

static inline __attribute_const__ unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << (BITS_PER_LONG - __builtin_clzl(n - 1));
}

static inline __attribute_const__ unsigned long rounddown_pow_of_two(unsigned long n)
{
	return 1UL << (BITS_PER_LONG - 1 - __builtin_clzl(n));
}

static inline __attribute_const__ int order_base_2(unsigned long n)
{
	return n <= 1 ? 0 : BITS_PER_LONG - __builtin_clzl(n - 1);
}

static inline __attribute_const__ int bits_per(unsigned long n)
{
	return n < 2 ? 1 : BITS_PER_LONG - __builtin_clzl(n);
}

#endif
