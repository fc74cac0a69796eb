/* SPDX-License-Identifier: GPL-2.0 */
/* Tasks: one per thread, made when a thread first asks for current. */
#ifndef KAPI_LINUX_SCHED_H
#define KAPI_LINUX_SCHED_H

#include <asm/barrier.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/preempt.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <limits.h>
#include <pthread.h>

#define TASK_RUNNING		0x0000
#define TASK_INTERRUPTIBLE	0x0001
#define TASK_UNINTERRUPTIBLE	0x0002
#define TASK_WAKEKILL		0x0100
#define TASK_NOLOAD		0x0400
#define TASK_FREEZABLE		0x2000
#define TASK_KILLABLE		(TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE		(TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define TASK_NORMAL		(TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)
#define TASK_COMM_LEN		16
#define MAX_SCHEDULE_TIMEOUT	LONG_MAX

#define PF_KTHREAD		0x00200000
#define PF_MEMALLOC_NOFS	0x00040000
#define PF_MEMALLOC_NOIO	0x00080000
#define PF_MEMALLOC		0x00000800

/*
 * Freed by RCU after the last reference: a waker that read the pointer under rcu_read_lock() may
 * wake a thread that is about to end.
 */
struct task_struct {
	unsigned int __state;
	unsigned int flags;
	int pid;
	int tgid;
	int prio;
	refcount_t usage;
	char comm[TASK_COMM_LEN];
	void *journal_info;
	struct rcu_head rcu;
	/* Private to kapi. */
	unsigned int kapi_cpu;
	bool kapi_has_cpu;
	pthread_mutex_t kapi_mutex;
	pthread_cond_t kapi_cond;
	void *kapi_kthread;
};

struct task_struct *kapi_current(void);
#define current			kapi_current()
#define get_current()		kapi_current()

#define __set_current_state(s)	WRITE_ONCE(current->__state, (s))
#define set_current_state(s)	smp_store_mb(current->__state, (s))
#define get_current_state()	READ_ONCE(current->__state)

void schedule(void);
#define io_schedule()		schedule()
/* Jiffies left, 0 when the time is over. */
long schedule_timeout(long timeout_jiffies);
long schedule_timeout_interruptible(long timeout_jiffies);
long schedule_timeout_uninterruptible(long timeout_jiffies);
#define schedule_timeout_killable(t)	schedule_timeout_uninterruptible(t)
#define schedule_timeout_idle(t)	schedule_timeout_uninterruptible(t)
#define io_schedule_timeout(t)		schedule_timeout(t)
int wake_up_process(struct task_struct *t);
int wake_up_state(struct task_struct *t, unsigned int state);
void yield(void);

static inline int cond_resched(void)
{
	return 0;
}

static inline bool need_resched(void)
{
	return false;
}

static inline int signal_pending(struct task_struct *t)
{
	(void)t;
	return 0;
}

static inline int fatal_signal_pending(struct task_struct *t)
{
	(void)t;
	return 0;
}

static inline int signal_pending_state(unsigned int state, struct task_struct *t)
{
	(void)state;
	(void)t;
	return 0;
}

static inline int task_pid_nr(struct task_struct *t)
{
	return t->pid;
}

static inline bool task_is_running(struct task_struct *t)
{
	return READ_ONCE(t->__state) == TASK_RUNNING;
}

void set_user_nice(struct task_struct *t, long nice);
void kapi_task_free(struct task_struct *t);

static inline struct task_struct *get_task_struct(struct task_struct *t)
{
	refcount_inc(&t->usage);
	return t;
}

static inline void put_task_struct(struct task_struct *t)
{
	if (refcount_dec_and_test(&t->usage))
		kapi_task_free(t);
}
#define cond_resched_lock(l)	((void)(l), 0)

#endif
