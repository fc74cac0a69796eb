/* SPDX-License-Identifier: GPL-2.0 */
/* Per-cpu data: one slot per thread; this_cpu operations are atomic all the same. */
#ifndef KAPI_LINUX_PERCPU_H
#define KAPI_LINUX_PERCPU_H

#include <linux/atomic.h>
#include <linux/gfp_types.h>
#include <linux/smp.h>
#include <linux/types.h>

/* Distance between the slots of one object, the same for every object. */
#define KAPI_PERCPU_STRIDE	(4UL << 20)

void *kapi_alloc_percpu(size_t bytes, size_t align);
void free_percpu(void *p);

#define __alloc_percpu(bytes, align)		kapi_alloc_percpu(bytes, align)
#define __alloc_percpu_gfp(bytes, align, gfp)	kapi_alloc_percpu(bytes, align)
#define alloc_percpu(T)		((T *)kapi_alloc_percpu(sizeof(T), __alignof__(T)))
#define alloc_percpu_gfp(T, gfp) alloc_percpu(T)

#define per_cpu_ptr(p, cpu) \
	((__typeof__(p))((unsigned long)(p) + (unsigned long)(cpu) * KAPI_PERCPU_STRIDE))
#define this_cpu_ptr(p)		per_cpu_ptr(p, kapi_smp_processor_id())
#define raw_cpu_ptr(p)		this_cpu_ptr(p)
#define get_cpu_ptr(p)		this_cpu_ptr(p)
#define put_cpu_ptr(p)		((void)(p))

#define this_cpu_read(v)	__atomic_load_n(this_cpu_ptr(&(v)), __ATOMIC_RELAXED)
#define this_cpu_write(v, x)	__atomic_store_n(this_cpu_ptr(&(v)), (x), __ATOMIC_RELAXED)
#define this_cpu_add(v, n)	((void)__atomic_fetch_add(this_cpu_ptr(&(v)), (n), __ATOMIC_RELAXED))
#define this_cpu_sub(v, n)	((void)__atomic_fetch_sub(this_cpu_ptr(&(v)), (n), __ATOMIC_RELAXED))
#define this_cpu_inc(v)		this_cpu_add(v, 1)
#define this_cpu_dec(v)		this_cpu_sub(v, 1)
#define this_cpu_add_return(v, n) __atomic_add_fetch(this_cpu_ptr(&(v)), (n), __ATOMIC_RELAXED)
#define this_cpu_inc_return(v)	this_cpu_add_return(v, 1)
#define this_cpu_dec_return(v)	__atomic_sub_fetch(this_cpu_ptr(&(v)), 1, __ATOMIC_RELAXED)
#define this_cpu_xchg(v, x)	__atomic_exchange_n(this_cpu_ptr(&(v)), (x), __ATOMIC_SEQ_CST)
#define this_cpu_cmpxchg(v, o, n) cmpxchg(this_cpu_ptr(&(v)), o, n)
#define __this_cpu_read(v)	this_cpu_read(v)
#define __this_cpu_add(v, n)	this_cpu_add(v, n)
#define __this_cpu_inc(v)	this_cpu_inc(v)
#define __this_cpu_dec(v)	this_cpu_dec(v)

#endif
