/* SPDX-License-Identifier: GPL-2.0 */
/* Timers; their functions run in one thread of their own. */
#ifndef KAPI_LINUX_TIMER_H
#define KAPI_LINUX_TIMER_H

#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/types.h>
/* declares a timer_delete() of its own: before the macro below */
#include <time.h>

struct timer_list {
	struct list_head entry;
	unsigned long expires;
	void (*function)(struct timer_list *t);
	unsigned int flags;
};

#define TIMER_DEFERRABLE	1
#define TIMER_IRQSAFE		2
#define from_timer(var, t, m)	container_of(t, __typeof__(*var), m)

void timer_setup(struct timer_list *t, void (*fn)(struct timer_list *t), unsigned int flags);
#define timer_setup_on_stack(t, fn, flags) timer_setup(t, fn, flags)
#define destroy_timer_on_stack(t) ((void)(t))
void add_timer(struct timer_list *t);
/* 1 when the timer was pending. */
int mod_timer(struct timer_list *t, unsigned long expires);
int del_timer(struct timer_list *t);
int del_timer_sync(struct timer_list *t);
int timer_pending(const struct timer_list *t);
#define timer_delete(t)		del_timer(t)
#define timer_delete_sync(t)	del_timer_sync(t)
#define timer_shutdown_sync(t)	del_timer_sync(t)

#endif
