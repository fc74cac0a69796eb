/* SPDX-License-Identifier: GPL-2.0 */
/* Ticks of 4 ms. */
#ifndef KAPI_LINUX_JIFFIES_H
#define KAPI_LINUX_JIFFIES_H

#include <linux/limits.h>
#include <linux/param.h>
#include <linux/time64.h>
#include <linux/typecheck.h>
#include <linux/types.h>

unsigned long kapi_jiffies(void);
#define jiffies			kapi_jiffies()
#define get_jiffies_64()	((u64)kapi_jiffies())
#define MAX_JIFFY_OFFSET	((LONG_MAX >> 1) - 1)

#define time_after(a, b)	(typecheck(unsigned long, a) && typecheck(unsigned long, b) && \
				 ((long)((b) - (a)) < 0))
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	(typecheck(unsigned long, a) && typecheck(unsigned long, b) && \
				 ((long)((a) - (b)) >= 0))
#define time_before_eq(a, b)	time_after_eq(b, a)
#define time_after64(a, b)	((s64)((b) - (a)) < 0)
#define time_before64(a, b)	time_after64(b, a)
#define time_is_before_jiffies(a)	time_after(jiffies, a)
#define time_is_after_jiffies(a)	time_before(jiffies, a)

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ((u64)ms * HZ + 999) / 1000;
}

static inline unsigned int jiffies_to_msecs(unsigned long j)
{
	return (u64)j * 1000 / HZ;
}

static inline unsigned int jiffies_to_usecs(unsigned long j)
{
	return (u64)j * 1000000 / HZ;
}

static inline unsigned long usecs_to_jiffies(unsigned int us)
{
	return ((u64)us * HZ + 999999) / 1000000;
}

static inline unsigned long nsecs_to_jiffies(u64 ns)
{
	return ns / (NSEC_PER_SEC / HZ);
}

static inline u64 jiffies_to_nsecs(unsigned long j)
{
	return (u64)j * (NSEC_PER_SEC / HZ);
}

#endif
