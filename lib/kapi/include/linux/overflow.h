/* SPDX-License-Identifier: GPL-2.0 */
/* Arithmetic that tells when it does not fit. */
#ifndef KAPI_LINUX_OVERFLOW_H
#define KAPI_LINUX_OVERFLOW_H

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>

static inline bool __must_check __must_check_overflow(bool overflow)
{
	return unlikely(overflow);
}

#define check_add_overflow(a, b, d) __must_check_overflow(__builtin_add_overflow(a, b, d))
#define check_sub_overflow(a, b, d) __must_check_overflow(__builtin_sub_overflow(a, b, d))
#define check_mul_overflow(a, b, d) __must_check_overflow(__builtin_mul_overflow(a, b, d))
#define check_shl_overflow(a, s, d) ({ \
	__typeof__(a) __cs_a = (a); \
	__typeof__(d) __cs_d = (d); \
	unsigned int __cs_s = (s); \
	unsigned long long __cs_f = (unsigned long long)__cs_a << (__cs_s & 63); \
	*__cs_d = __cs_f; \
	__must_check_overflow(__cs_s >= 8 * sizeof(*__cs_d) || *__cs_d < 0 || __cs_a < 0 || \
		((unsigned long long)*__cs_d >> (__cs_s & 63)) != (unsigned long long)__cs_a); \
})

static inline size_t __must_check size_mul(size_t a, size_t b)
{
	size_t n;

	return check_mul_overflow(a, b, &n) ? SIZE_MAX : n;
}

static inline size_t __must_check size_add(size_t a, size_t b)
{
	size_t n;

	return check_add_overflow(a, b, &n) ? SIZE_MAX : n;
}

static inline size_t __must_check size_sub(size_t a, size_t b)
{
	return a == SIZE_MAX || b == SIZE_MAX || b > a ? SIZE_MAX : a - b;
}

#define array_size(a, b)	size_mul(a, b)
#define array3_size(a, b, c)	size_mul(size_mul(a, b), c)
#define flex_array_size(p, m, n) size_mul(n, sizeof(*(p)->m))
#define struct_size(p, m, n)	size_add(sizeof(*(p)), flex_array_size(p, m, n))
#define struct_size_t(T, m, n)	struct_size((T *)NULL, m, n)

#endif
