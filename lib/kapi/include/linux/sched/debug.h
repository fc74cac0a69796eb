/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/sched.h linux/bug.h. */
#ifndef KAPI_LINUX_SCHED_DEBUG_H
#define KAPI_LINUX_SCHED_DEBUG_H

#include <linux/sched.h>
#include <linux/bug.h>

#endif
