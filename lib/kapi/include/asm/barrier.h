/* SPDX-License-Identifier: GPL-2.0 */
/* Memory barriers. See lib/kapi/README.md for what TSan sees of them. */
#ifndef KAPI_ASM_BARRIER_H
#define KAPI_ASM_BARRIER_H

#include <linux/compiler.h>

/*
 * TSan does not know fences. There, a fence is an atomic update of one global word: at least as
 * strong, never a false report, at worst a race hidden. Prefer smp_load_acquire() and
 * smp_store_release(), which are exact.
 */
#ifdef KAPI_TSAN
extern int kapi_fence_word;
#define smp_mb()		((void)__atomic_fetch_add(&kapi_fence_word, 0, __ATOMIC_SEQ_CST))
#define smp_rmb()		smp_mb()
#define smp_wmb()		smp_mb()
#else
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#endif

#define mb()			smp_mb()
#define rmb()			smp_rmb()
#define wmb()			smp_wmb()
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#define smp_mb__after_spinlock() smp_mb()
#define smp_acquire__after_ctrl_dep() smp_rmb()

#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_store_mb(x, v)	do { WRITE_ONCE(x, v); smp_mb(); } while (0)

#define smp_cond_load_acquire(p, cond) ({ \
	__typeof__(*(p)) VAL; \
	for (;;) { \
		VAL = __atomic_load_n((p), __ATOMIC_ACQUIRE); \
		if (cond) \
			break; \
		cpu_relax(); \
	} \
	VAL; \
})
#define smp_cond_load_relaxed(p, cond) smp_cond_load_acquire(p, cond)

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	barrier();
#endif
}

#endif
