/* SPDX-License-Identifier: GPL-2.0 */
/* Wait queues. */
#ifndef KAPI_LINUX_WAIT_H
#define KAPI_LINUX_WAIT_H

#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define WQ_FLAG_EXCLUSIVE	0x01

struct wait_queue_entry;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *e, unsigned int mode, int flags,
				 void *key);

struct wait_queue_entry {
	unsigned int flags;
	void *private;
	wait_queue_func_t func;
	struct list_head entry;
};
typedef struct wait_queue_entry wait_queue_entry_t;

struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
};
typedef struct wait_queue_head wait_queue_head_t;

int default_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);
int autoremove_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) \
	{ .lock = __SPIN_LOCK_UNLOCKED(name.lock), .head = LIST_HEAD_INIT(name.head) }
#define DECLARE_WAIT_QUEUE_HEAD(name) \
	struct wait_queue_head name = __WAIT_QUEUE_HEAD_INITIALIZER(name)
#define DECLARE_WAIT_QUEUE_HEAD_ONSTACK(name)	DECLARE_WAIT_QUEUE_HEAD(name)
#define DECLARE_WAITQUEUE(name, task) \
	struct wait_queue_entry name = { .private = (task), .func = default_wake_function }
#define DEFINE_WAIT_FUNC(name, fn) \
	struct wait_queue_entry name = { \
		.private = current, \
		.func = (fn), \
		.entry = LIST_HEAD_INIT((name).entry), \
	}
#define DEFINE_WAIT(name)	DEFINE_WAIT_FUNC(name, autoremove_wake_function)

void init_waitqueue_head(struct wait_queue_head *q);
void init_wait_entry(struct wait_queue_entry *e, int flags);
void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e);
void remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e);
void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
bool prepare_to_wait_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
long prepare_to_wait_event(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
void finish_wait(struct wait_queue_head *q, struct wait_queue_entry *e);

/* Wakes everybody who waits without WQ_FLAG_EXCLUSIVE and at most @nr of the others; 0: all. */
int __wake_up(struct wait_queue_head *q, unsigned int mode, int nr, void *key);
void __wake_up_locked(struct wait_queue_head *q, unsigned int mode, int nr);

#define wake_up(q)			__wake_up(q, TASK_NORMAL, 1, NULL)
#define wake_up_nr(q, nr)		__wake_up(q, TASK_NORMAL, nr, NULL)
#define wake_up_all(q)			__wake_up(q, TASK_NORMAL, 0, NULL)
#define wake_up_locked(q)		__wake_up_locked(q, TASK_NORMAL, 1)
#define wake_up_all_locked(q)		__wake_up_locked(q, TASK_NORMAL, 0)
#define wake_up_interruptible(q)	__wake_up(q, TASK_INTERRUPTIBLE, 1, NULL)
#define wake_up_interruptible_all(q)	__wake_up(q, TASK_INTERRUPTIBLE, 0, NULL)

static inline void init_waitqueue_entry(struct wait_queue_entry *e, struct task_struct *t)
{
	e->flags = 0;
	e->private = t;
	e->func = default_wake_function;
}

static inline void __add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	list_add(&e->entry, &q->head);
}

static inline void __add_wait_queue_entry_tail(struct wait_queue_head *q,
					       struct wait_queue_entry *e)
{
	list_add_tail(&e->entry, &q->head);
}

static inline void __remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	(void)q;
	list_del(&e->entry);
}

static inline int waitqueue_active(struct wait_queue_head *q)
{
	return !list_empty(&q->head);
}

static inline bool wq_has_sleeper(struct wait_queue_head *q)
{
	smp_mb();
	return waitqueue_active(q);
}

#define __kapi_wait_event(q, cond, state, exclusive, sleep) do { \
	struct wait_queue_entry __we_e; \
	init_wait_entry(&__we_e, (exclusive) ? WQ_FLAG_EXCLUSIVE : 0); \
	for (;;) { \
		prepare_to_wait_event(&(q), &__we_e, state); \
		if (cond) \
			break; \
		sleep; \
	} \
	finish_wait(&(q), &__we_e); \
} while (0)

#define wait_event(q, cond) do { \
	if (!(cond)) \
		__kapi_wait_event(q, cond, TASK_UNINTERRUPTIBLE, 0, schedule()); \
} while (0)
#define wait_event_exclusive_cmd(q, cond, cmd1, cmd2) do { \
	if (!(cond)) \
		__kapi_wait_event(q, cond, TASK_UNINTERRUPTIBLE, 1, \
				  cmd1; schedule(); cmd2); \
} while (0)
#define wait_event_killable(q, cond)		({ wait_event(q, cond); 0; })
#define wait_event_interruptible(q, cond)	({ wait_event(q, cond); 0; })
#define wait_event_freezable(q, cond)		({ wait_event(q, cond); 0; })
#define wait_event_idle(q, cond)		wait_event(q, cond)
#define io_wait_event(q, cond)			wait_event(q, cond)
#define wait_event_cmd(q, cond, cmd1, cmd2) do { \
	if (!(cond)) \
		__kapi_wait_event(q, cond, TASK_UNINTERRUPTIBLE, 0, cmd1; schedule(); cmd2); \
} while (0)

/* 0 when the time was over first, else the jiffies left, at least 1. */
#define wait_event_timeout(q, cond, timeout) ({ \
	long __wt_left = (timeout); \
	bool __wt_ok = (cond); \
	if (!__wt_ok) \
		__kapi_wait_event(q, (__wt_ok = (cond)) || !__wt_left, TASK_UNINTERRUPTIBLE, 0, \
				  __wt_left = schedule_timeout(__wt_left)); \
	__wt_ok && !__wt_left ? 1 : (__wt_ok ? __wt_left : 0); \
})
#define wait_event_interruptible_timeout(q, cond, t)	wait_event_timeout(q, cond, t)
#define wait_event_killable_timeout(q, cond, t)		wait_event_timeout(q, cond, t)
#define wait_event_idle_timeout(q, cond, t)		wait_event_timeout(q, cond, t)
#define wait_event_freezable_timeout(q, cond, t)	wait_event_timeout(q, cond, t)

#define wait_event_lock_irq(q, cond, lock) do { \
	if (!(cond)) \
		__kapi_wait_event(q, cond, TASK_UNINTERRUPTIBLE, 0, \
				  spin_unlock_irq(&(lock)); schedule(); spin_lock_irq(&(lock))); \
} while (0)

#endif
