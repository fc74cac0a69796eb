/* SPDX-License-Identifier: GPL-2.0 */
/* Clocks. */
#ifndef KAPI_LINUX_TIMEKEEPING_H
#define KAPI_LINUX_TIMEKEEPING_H

#include <linux/time64.h>
#include <linux/types.h>

typedef s64 ktime_t;

u64 ktime_get_ns(void);
u64 ktime_get_real_ns(void);

static inline ktime_t ktime_get(void)
{
	return (ktime_t)ktime_get_ns();
}

static inline ktime_t ktime_get_real(void)
{
	return (ktime_t)ktime_get_real_ns();
}

static inline time64_t ktime_get_real_seconds(void)
{
	return ktime_get_real_ns() / NSEC_PER_SEC;
}

static inline time64_t ktime_get_seconds(void)
{
	return ktime_get_ns() / NSEC_PER_SEC;
}

static inline void ktime_get_real_ts64(struct timespec64 *t)
{
	*t = ns_to_timespec64(ktime_get_real_ns());
}

static inline void ktime_get_coarse_real_ts64(struct timespec64 *t)
{
	ktime_get_real_ts64(t);
}

static inline u64 local_clock(void)
{
	return ktime_get_ns();
}

#define ktime_get_boottime_ns()	ktime_get_ns()
#define ktime_get_raw_ns()	ktime_get_ns()
#define ktime_get_mono_fast_ns() ktime_get_ns()
#define sched_clock()		local_clock()

#endif
