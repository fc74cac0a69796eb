/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel threads are threads. */
#ifndef KAPI_LINUX_KTHREAD_H
#define KAPI_LINUX_KTHREAD_H

#include <linux/err.h>
#include <linux/sched.h>

struct task_struct *kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
	__printf(3, 4);
/* Return: what the function returned, -EINTR when it had not begun. */
int kthread_stop(struct task_struct *t);
int kthread_stop_put(struct task_struct *t);
bool kthread_should_stop(void);

#define kthread_run(fn, data, fmt, ...) ({ \
	struct task_struct *__kr_t = kthread_create(fn, data, fmt, ## __VA_ARGS__); \
	if (!IS_ERR(__kr_t)) \
		wake_up_process(__kr_t); \
	__kr_t; \
})
#define kthread_freezable_should_stop(p)	kthread_should_stop()
#define kthread_should_park()			false

#endif
