/* SPDX-License-Identifier: GPL-2.0 */
/* Atomics over the compiler builtins. */
#ifndef KAPI_LINUX_ATOMIC_H
#define KAPI_LINUX_ATOMIC_H

#include <asm/barrier.h>
#include <linux/types.h>

/*
 * Ordering follows Documentation/atomic_t.txt: operations that return a value are fully ordered
 * unless the name says otherwise, those that return nothing are relaxed.
 */
#define xchg(p, v)		__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define xchg_acquire(p, v)	__atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define xchg_release(p, v)	__atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define xchg_relaxed(p, v)	__atomic_exchange_n((p), (v), __ATOMIC_RELAXED)

#define __kapi_cmpxchg(p, o, n, ok, fail) ({ \
	__typeof__(*(p)) __cx_o = (o); \
	__atomic_compare_exchange_n((p), &__cx_o, (n), false, ok, fail); \
	__cx_o; \
})
#define cmpxchg(p, o, n)	__kapi_cmpxchg(p, o, n, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define cmpxchg_acquire(p, o, n) __kapi_cmpxchg(p, o, n, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define cmpxchg_release(p, o, n) __kapi_cmpxchg(p, o, n, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define cmpxchg_relaxed(p, o, n) __kapi_cmpxchg(p, o, n, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cmpxchg64(p, o, n)	cmpxchg(p, o, n)
#define cmpxchg64_acquire(p, o, n) cmpxchg_acquire(p, o, n)
#define cmpxchg64_release(p, o, n) cmpxchg_release(p, o, n)
#define cmpxchg64_relaxed(p, o, n) cmpxchg_relaxed(p, o, n)

#define try_cmpxchg(p, op, n) \
	__atomic_compare_exchange_n((p), (op), (n), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define try_cmpxchg_acquire(p, op, n) \
	__atomic_compare_exchange_n((p), (op), (n), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define try_cmpxchg_release(p, op, n) \
	__atomic_compare_exchange_n((p), (op), (n), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define try_cmpxchg_relaxed(p, op, n) \
	__atomic_compare_exchange_n((p), (op), (n), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define try_cmpxchg64(p, op, n)	try_cmpxchg(p, op, n)
#define try_cmpxchg64_acquire(p, op, n)	try_cmpxchg_acquire(p, op, n)
#define try_cmpxchg64_release(p, op, n)	try_cmpxchg_release(p, op, n)
#define try_cmpxchg64_relaxed(p, op, n)	try_cmpxchg_relaxed(p, op, n)

#define KAPI_ATOMIC_ORDERED(T, V, P, sfx, order) \
static inline V P##_add_return##sfx(V i, T *v) \
{ return __atomic_add_fetch(&v->counter, i, order); } \
static inline V P##_sub_return##sfx(V i, T *v) \
{ return __atomic_sub_fetch(&v->counter, i, order); } \
static inline V P##_inc_return##sfx(T *v) { return P##_add_return##sfx(1, v); } \
static inline V P##_dec_return##sfx(T *v) { return P##_sub_return##sfx(1, v); } \
static inline V P##_fetch_add##sfx(V i, T *v) \
{ return __atomic_fetch_add(&v->counter, i, order); } \
static inline V P##_fetch_sub##sfx(V i, T *v) \
{ return __atomic_fetch_sub(&v->counter, i, order); } \
static inline V P##_fetch_inc##sfx(T *v) { return P##_fetch_add##sfx(1, v); } \
static inline V P##_fetch_dec##sfx(T *v) { return P##_fetch_sub##sfx(1, v); } \
static inline V P##_fetch_and##sfx(V i, T *v) \
{ return __atomic_fetch_and(&v->counter, i, order); } \
static inline V P##_fetch_andnot##sfx(V i, T *v) \
{ return __atomic_fetch_and(&v->counter, ~i, order); } \
static inline V P##_fetch_or##sfx(V i, T *v) \
{ return __atomic_fetch_or(&v->counter, i, order); } \
static inline V P##_fetch_xor##sfx(V i, T *v) \
{ return __atomic_fetch_xor(&v->counter, i, order); } \
static inline V P##_xchg##sfx(T *v, V n) \
{ return __atomic_exchange_n(&v->counter, n, order); } \
static inline V P##_cmpxchg##sfx(T *v, V o, V n) { return cmpxchg##sfx(&v->counter, o, n); } \
static inline bool P##_try_cmpxchg##sfx(T *v, V *o, V n) \
{ return try_cmpxchg##sfx(&v->counter, o, n); }

#define KAPI_ATOMIC(T, V, P) \
static inline V P##_read(const T *v) \
{ return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); } \
static inline V P##_read_acquire(const T *v) \
{ return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); } \
static inline void P##_set(T *v, V i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_set_release(T *v, V i) \
{ __atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); } \
static inline void P##_add(V i, T *v) { __atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_sub(V i, T *v) { __atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_inc(T *v) { P##_add(1, v); } \
static inline void P##_dec(T *v) { P##_sub(1, v); } \
static inline void P##_and(V i, T *v) { __atomic_fetch_and(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_andnot(V i, T *v) \
{ __atomic_fetch_and(&v->counter, ~i, __ATOMIC_RELAXED); } \
static inline void P##_or(V i, T *v) { __atomic_fetch_or(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_xor(V i, T *v) { __atomic_fetch_xor(&v->counter, i, __ATOMIC_RELAXED); } \
KAPI_ATOMIC_ORDERED(T, V, P, , __ATOMIC_SEQ_CST) \
KAPI_ATOMIC_ORDERED(T, V, P, _acquire, __ATOMIC_ACQUIRE) \
KAPI_ATOMIC_ORDERED(T, V, P, _release, __ATOMIC_RELEASE) \
KAPI_ATOMIC_ORDERED(T, V, P, _relaxed, __ATOMIC_RELAXED) \
static inline bool P##_sub_and_test(V i, T *v) { return P##_sub_return(i, v) == 0; } \
static inline bool P##_dec_and_test(T *v) { return P##_dec_return(v) == 0; } \
static inline bool P##_inc_and_test(T *v) { return P##_inc_return(v) == 0; } \
static inline bool P##_add_negative(V i, T *v) { return P##_add_return(i, v) < 0; } \
static inline V P##_fetch_add_unless(T *v, V a, V u) \
{ \
	V c = P##_read(v); \
	while (c != u && !P##_try_cmpxchg(v, &c, c + a)) \
		; \
	return c; \
} \
static inline bool P##_add_unless(T *v, V a, V u) { return P##_fetch_add_unless(v, a, u) != u; } \
static inline bool P##_inc_not_zero(T *v) { return P##_add_unless(v, 1, 0); } \
static inline V P##_dec_if_positive(T *v) \
{ \
	V c = P##_read(v); \
	while (c > 0 && !P##_try_cmpxchg(v, &c, c - 1)) \
		; \
	return c - 1; \
}

KAPI_ATOMIC(atomic_t, int, atomic)
KAPI_ATOMIC(atomic64_t, s64, atomic64)

/* A long is 64 bits wide here, but not the type s64: hence its own set of functions. */
typedef struct { long counter; } atomic_long_t;
#define ATOMIC_LONG_INIT(i)	{ (i) }
KAPI_ATOMIC(atomic_long_t, long, atomic_long)
#undef KAPI_ATOMIC
#undef KAPI_ATOMIC_ORDERED

#endif
