/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/sched.h. */
#ifndef KAPI_LINUX_SCHED_TASK_H
#define KAPI_LINUX_SCHED_TASK_H

#include <linux/sched.h>

#endif
