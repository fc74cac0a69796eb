/* SPDX-License-Identifier: GPL-2.0 */
/* Bit operations; set_bit() and friends are atomic, __set_bit() is not. */
#ifndef KAPI_LINUX_BITOPS_H
#define KAPI_LINUX_BITOPS_H

#include <linux/bits.h>
#include <linux/find.h>
#include <linux/types.h>

#define BITS_PER_TYPE(t)	(sizeof(t) * BITS_PER_BYTE)
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BITS_TO_U64(n)		(((n) + 63) / 64)
#define BITS_TO_BYTES(n)	(((n) + 7) / 8)

static inline bool test_bit(long nr, const volatile unsigned long *p)
{
	return __atomic_load_n(p + BIT_WORD(nr), __ATOMIC_RELAXED) & BIT_MASK(nr);
}

static inline bool test_bit_acquire(long nr, const volatile unsigned long *p)
{
	return __atomic_load_n(p + BIT_WORD(nr), __ATOMIC_ACQUIRE) & BIT_MASK(nr);
}

static inline void set_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_or(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void clear_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_and(p + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void change_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_xor(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void clear_bit_unlock(long nr, volatile unsigned long *p)
{
	__atomic_fetch_and(p + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_RELEASE);
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_or(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_and_set_bit_lock(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_or(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_ACQUIRE) & BIT_MASK(nr);
}

static inline bool test_and_clear_bit(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_and(p + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_and_change_bit(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_xor(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline void __set_bit(long nr, volatile unsigned long *p)
{
	p[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(long nr, volatile unsigned long *p)
{
	p[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline bool __test_and_set_bit(long nr, volatile unsigned long *p)
{
	bool old = p[BIT_WORD(nr)] & BIT_MASK(nr);

	p[BIT_WORD(nr)] |= BIT_MASK(nr);
	return old;
}

static inline bool __test_and_clear_bit(long nr, volatile unsigned long *p)
{
	bool old = p[BIT_WORD(nr)] & BIT_MASK(nr);

	p[BIT_WORD(nr)] &= ~BIT_MASK(nr);
	return old;
}

#define assign_bit(nr, p, v)	((v) ? set_bit((nr), (p)) : clear_bit((nr), (p)))
#define __assign_bit(nr, p, v)	((v) ? __set_bit((nr), (p)) : __clear_bit((nr), (p)))

/* Undefined for 0, as in the kernel. */
static inline unsigned long __ffs(unsigned long w)
{
	return __builtin_ctzl(w);
}

static inline unsigned long __ffs64(u64 w)
{
	return __builtin_ctzll(w);
}

static inline unsigned long __fls(unsigned long w)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(w);
}

static inline unsigned long ffz(unsigned long w)
{
	return __ffs(~w);
}

/* Counted from 1; 0 where no bit is set. */
static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline unsigned int fls_long(unsigned long x)
{
	return fls64(x);
}

static inline unsigned long hweight_long(unsigned long w)
{
	return __builtin_popcountl(w);
}

#define hweight8(w)	((unsigned int)__builtin_popcount((u8)(w)))
#define hweight16(w)	((unsigned int)__builtin_popcount((u16)(w)))
#define hweight32(w)	((unsigned int)__builtin_popcount((u32)(w)))
#define hweight64(w)	((unsigned long)__builtin_popcountll((u64)(w)))

static inline u64 rol64(u64 w, unsigned int n)
{
	return (w << (n & 63)) | (w >> (-n & 63));
}

static inline u64 ror64(u64 w, unsigned int n)
{
	return (w >> (n & 63)) | (w << (-n & 63));
}

static inline u32 rol32(u32 w, unsigned int n)
{
	return (w << (n & 31)) | (w >> (-n & 31));
}

static inline u32 ror32(u32 w, unsigned int n)
{
	return (w >> (n & 31)) | (w << (-n & 31));
}

static inline s32 sign_extend32(u32 v, int index)
{
	u8 shift = 31 - index;

	return (s32)(v << shift) >> shift;
}

static inline s64 sign_extend64(u64 v, int index)
{
	u8 shift = 63 - index;

	return (s64)(v << shift) >> shift;
}

#define for_each_set_bit(bit, p, size) \
	for ((bit) = find_first_bit((p), (size)); (bit) < (size); \
	     (bit) = find_next_bit((p), (size), (bit) + 1))
#define for_each_set_bit_from(bit, p, size) \
	for ((bit) = find_next_bit((p), (size), (bit)); (bit) < (size); \
	     (bit) = find_next_bit((p), (size), (bit) + 1))
#define for_each_clear_bit(bit, p, size) \
	for ((bit) = find_first_zero_bit((p), (size)); (bit) < (size); \
	     (bit) = find_next_zero_bit((p), (size), (bit) + 1))

#endif
