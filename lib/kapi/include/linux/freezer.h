/* SPDX-License-Identifier: GPL-2.0 */
/* User space is never frozen. */
#ifndef KAPI_LINUX_FREEZER_H
#define KAPI_LINUX_FREEZER_H

#include <linux/sched.h>
#include <linux/wait.h>

#define set_freezable()		((void)0)
#define try_to_freeze()		false
#define freezing(t)		false
#define freezable_schedule()	schedule()
#define freezable_schedule_timeout(t) schedule_timeout(t)

#endif
