/* SPDX-License-Identifier: GPL-2.0 */
/* Threads own their per-cpu slot, so preemption need not be stopped. */
#ifndef KAPI_LINUX_PREEMPT_H
#define KAPI_LINUX_PREEMPT_H

#define preempt_disable()	((void)0)
#define preempt_enable()	((void)0)
#define preempt_count()		0
#define in_interrupt()		0
#define in_task()		1
#define in_atomic()		0
#define in_softirq()		0
#define in_hardirq()		0
#define in_irq()		0
#define migrate_disable()	((void)0)
#define migrate_enable()	((void)0)

#endif
