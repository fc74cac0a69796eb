/* SPDX-License-Identifier: GPL-2.0 */
/* Work queues: up to max_active threads each, born when needed. */
#ifndef KAPI_LINUX_WORKQUEUE_H
#define KAPI_LINUX_WORKQUEUE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/timer.h>
#include <linux/types.h>

struct workqueue_struct;
struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	/* Bit 0: waits in a queue. Changed by queue and worker, read by anybody. */
	unsigned long data;
	struct list_head entry;
	work_func_t func;
	/* Last queue this was put on. */
	struct workqueue_struct *kapi_wq;
	u64 kapi_seq;
};

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
};

struct rcu_work {
	struct work_struct work;
	struct rcu_head rcu;
	struct workqueue_struct *wq;
};

enum {
	WQ_UNBOUND		= 1 << 1,
	WQ_FREEZABLE		= 1 << 2,
	WQ_MEM_RECLAIM		= 1 << 3,
	WQ_HIGHPRI		= 1 << 4,
	WQ_CPU_INTENSIVE	= 1 << 5,
	WQ_SYSFS		= 1 << 6,
	WQ_MAX_ACTIVE		= 512,
	WQ_DFL_ACTIVE		= 256,
};

extern struct workqueue_struct *system_wq, *system_highpri_wq, *system_long_wq,
	*system_unbound_wq, *system_freezable_wq;

#define __WORK_INITIALIZER(n, f) { .entry = LIST_HEAD_INIT((n).entry), .func = (f) }
#define DECLARE_WORK(n, f)	struct work_struct n = __WORK_INITIALIZER(n, f)

#define INIT_WORK(w, f) do { \
	WRITE_ONCE((w)->data, 0); \
	INIT_LIST_HEAD(&(w)->entry); \
	(w)->func = (f); \
	(w)->kapi_wq = NULL; \
} while (0)
#define INIT_WORK_ONSTACK(w, f)		INIT_WORK(w, f)
#define destroy_work_on_stack(w)	((void)(w))

void kapi_delayed_work_fn(struct timer_list *t);
#define INIT_DELAYED_WORK(d, f) do { \
	INIT_WORK(&(d)->work, f); \
	timer_setup(&(d)->timer, kapi_delayed_work_fn, 0); \
	(d)->wq = NULL; \
} while (0)
#define INIT_DEFERRABLE_WORK(d, f)	INIT_DELAYED_WORK(d, f)
#define INIT_RCU_WORK(r, f)		INIT_WORK(&(r)->work, f)

#define work_pending(w)			test_bit(0, &(w)->data)
#define delayed_work_pending(d)		work_pending(&(d)->work)

static inline struct delayed_work *to_delayed_work(struct work_struct *w)
{
	return container_of(w, struct delayed_work, work);
}

static inline struct rcu_work *to_rcu_work(struct work_struct *w)
{
	return container_of(w, struct rcu_work, work);
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
	__printf(1, 4);
#define alloc_ordered_workqueue(fmt, flags, args...) \
	alloc_workqueue(fmt, WQ_UNBOUND | (flags), 1, ## args)
#define create_workqueue(name)		alloc_workqueue("%s", WQ_MEM_RECLAIM, 0, (name))
#define create_singlethread_workqueue(n) alloc_ordered_workqueue("%s", WQ_MEM_RECLAIM, n)
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *d,
			unsigned long delay_jiffies);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *d,
		      unsigned long delay_jiffies);
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *r);
/* Waits for everything queued before the call. */
void flush_workqueue(struct workqueue_struct *wq);
void drain_workqueue(struct workqueue_struct *wq);
bool flush_work(struct work_struct *w);
bool flush_delayed_work(struct delayed_work *d);
bool cancel_work(struct work_struct *w);
bool cancel_work_sync(struct work_struct *w);
bool cancel_delayed_work(struct delayed_work *d);
bool cancel_delayed_work_sync(struct delayed_work *d);
struct work_struct *current_work(void);

#define queue_work_on(cpu, wq, w)	queue_work(wq, w)
#define schedule_work(w)		queue_work(system_wq, w)
#define schedule_delayed_work(d, delay)	queue_delayed_work(system_wq, d, delay)
#define __flush_workqueue(wq)		flush_workqueue(wq)

#endif
