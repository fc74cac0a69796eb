/* SPDX-License-Identifier: GPL-2.0 */
/* Compiler annotations; READ_ONCE() and WRITE_ONCE() are relaxed atomics, so TSan sees them. */
#ifndef KAPI_LINUX_COMPILER_H
#define KAPI_LINUX_COMPILER_H

#include <features.h>
#include_next <linux/stddef.h>
#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define KAPI_TSAN		1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KAPI_TSAN		1
#endif
#endif

#ifdef __CHECKER__
#define __user			__attribute__((noderef, address_space(__user)))
#define __iomem			__attribute__((noderef, address_space(__iomem)))
#define __percpu
#define __rcu
#define __force			__attribute__((force))
#define __nocast		__attribute__((nocast))
#define __must_hold(x)		__attribute__((context(x, 1, 1)))
#define __acquires(x)		__attribute__((context(x, 0, 1)))
#define __cond_acquires(x)	__attribute__((context(x, 0, -1)))
#define __releases(x)		__attribute__((context(x, 1, 0)))
#define __acquire(x)		__context__(x, 1)
#define __release(x)		__context__(x, -1)
#define __cond_lock(x, c)	((c) ? ({ __acquire(x); 1; }) : 0)
#define __private		__attribute__((noderef))
#else
#define __user
#define __iomem
#define __percpu
#define __rcu
#define __force
#define __nocast
#define __must_hold(x)
#define __acquires(x)
#define __cond_acquires(x)
#define __releases(x)
#define __acquire(x)		((void) 0)
#define __release(x)		((void) 0)
#define __cond_lock(x, c)	(c)
#define __private
#endif
#define __kernel
#define __safe

#undef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#undef __must_check
#define __must_check		__attribute__((__warn_unused_result__))
#ifndef __attribute_const__
#define __attribute_const__	__attribute__((__const__))
#endif
#define noinline		__attribute__((__noinline__))
#define noinline_for_stack	noinline
#define __packed		__attribute__((__packed__))
#define __aligned(x)		__attribute__((__aligned__(x)))
#define __printf(a, b)		__attribute__((__format__(printf, a, b)))
#define __scanf(a, b)		__attribute__((__format__(scanf, a, b)))
#define __maybe_unused		__attribute__((__unused__))
#define __always_unused		__attribute__((__unused__))
#define __used			__attribute__((__used__))
#define __noreturn		__attribute__((__noreturn__))
#define __cold			__attribute__((__cold__))
#undef __pure
#define __pure			__attribute__((__pure__))
#define __weak			__attribute__((__weak__))
#define __malloc		__attribute__((__malloc__))
#define __flatten		__attribute__((__flatten__))
#define __cleanup(fn)		__attribute__((__cleanup__(fn)))
#define __section(s)		__attribute__((__section__(s)))
#define __mode(x)		__attribute__((__mode__(x)))
#define __assume_aligned(a, ...) __attribute__((__assume_aligned__(a, ## __VA_ARGS__)))
#ifndef __counted_by
#define __counted_by(member)
#endif
#define __no_sanitize_or_inline	inline
#define __ro_after_init
#define __read_mostly
#define __cacheline_aligned	__attribute__((__aligned__(64)))
#define ____cacheline_aligned	__attribute__((__aligned__(64)))
#define ____cacheline_aligned_in_smp __attribute__((__aligned__(64)))
#define notrace

#ifndef fallthrough
#define fallthrough		__attribute__((__fallthrough__))
#endif

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ __volatile__("" : : : "memory")
#define unreachable()		__builtin_unreachable()
#define OPTIMIZER_HIDE_VAR(v)	__asm__("" : "=r" (v) : "0" (v))
#define data_race(expr)		(expr)

#define __same_type(a, b)	__builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#define __must_be_array(a)	BUILD_BUG_ON_ZERO(__same_type((a), &(a)[0]))
#define __is_constexpr(x) \
	(sizeof(int) == sizeof(*(8 ? ((void *)((long)(x) * 0l)) : (int *)8)))
#define __stringify_1(x...)	#x
#define __stringify(x...)	__stringify_1(x)
#define __kapi_paste(a, b)	a ## b
#define ___PASTE(a, b)		__kapi_paste(a, b)
#define __PASTE(a, b)		___PASTE(a, b)
#ifndef __UNIQUE_ID
#define __UNIQUE_ID(prefix)	__PASTE(__PASTE(__UNIQUE_ID_, prefix), __COUNTER__)
#endif

/*
 * One copy, no tearing, no ordering. Objects larger than a word do not work here, nor do they
 * in the kernel. Sparse knows the volatile form only.
 */
#ifdef __CHECKER__
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	do { *(volatile __typeof__(x) *)&(x) = (v); } while (0)
#else
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#endif

#endif
