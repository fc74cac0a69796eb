/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/timekeeping.h. */
#ifndef KAPI_LINUX_SCHED_CLOCK_H
#define KAPI_LINUX_SCHED_CLOCK_H

#include <linux/timekeeping.h>

#endif
