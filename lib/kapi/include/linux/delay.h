/* SPDX-License-Identifier: GPL-2.0 */
/* Sleeping for a while. */
#ifndef KAPI_LINUX_DELAY_H
#define KAPI_LINUX_DELAY_H

#include <linux/types.h>

void msleep(unsigned int ms);
void usleep_range(unsigned long min_us, unsigned long max_us);
void udelay(unsigned long us);
#define mdelay(ms)			udelay((ms) * 1000UL)
#define ndelay(ns)			udelay(((ns) + 999UL) / 1000UL)
#define fsleep(us)			usleep_range(us, us)
#define msleep_interruptible(ms)	({ msleep(ms); 0UL; })
#define ssleep(s)			msleep((s) * 1000)

#endif
