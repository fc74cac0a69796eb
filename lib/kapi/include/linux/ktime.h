/* SPDX-License-Identifier: GPL-2.0 */
/* Times in nanoseconds. */
#ifndef KAPI_LINUX_KTIME_H
#define KAPI_LINUX_KTIME_H

#include <linux/jiffies.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

#define ktime_add(a, b)		((a) + (b))
#define ktime_sub(a, b)		((a) - (b))
#define ktime_add_ns(a, ns)	((a) + (ns))
#define ktime_add_ms(a, ms)	((a) + (ms) * NSEC_PER_MSEC)
#define ktime_to_ns(t)		(t)
#define ns_to_ktime(ns)		(ns)
#define ktime_to_us(t)		((t) / NSEC_PER_USEC)
#define ktime_to_ms(t)		((t) / NSEC_PER_MSEC)
#define ms_to_ktime(ms)		((ms) * NSEC_PER_MSEC)
#define ktime_us_delta(a, b)	ktime_to_us(ktime_sub(a, b))
#define ktime_ms_delta(a, b)	ktime_to_ms(ktime_sub(a, b))
#define ktime_before(a, b)	((a) < (b))
#define ktime_after(a, b)	((a) > (b))
#define ktime_compare(a, b)	((a) < (b) ? -1 : (a) > (b))

#endif
