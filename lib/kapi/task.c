// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks, sleeping and waking, kernel threads, clocks.
 *
 * Every thread that asks for current gets a task_struct, kept in a thread-local variable and
 * dropped when the thread ends. Memory of a task goes through RCU, for wakers that hold nothing
 * but rcu_read_lock().
 *
 * Sleeping is the kernel's protocol: set_current_state(), look at the condition, schedule(). The
 * state is an atomic word; schedule() sleeps on the task's condition variable until a waker, who
 * holds the task's mutex, has set the word back to TASK_RUNNING. A wake-up between
 * set_current_state() and schedule() therefore makes schedule() return at once. The full barrier
 * in set_current_state() pairs with the one at the head of wake_up_state(): either the sleeper
 * sees the condition, or the waker sees the state.
 *
 * kthread_create() starts the thread at once, but the thread waits for its first wake-up before
 * it calls its function; stopped before that, it never does.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "kapi/task.h"

struct kthread {
	int (*fn)(void *data);
	void *data;
	int result;
	bool should_stop;
	struct completion ended;
};

static __thread struct task_struct *this_task;
static pthread_key_t task_key;
static pthread_once_t task_once = PTHREAD_ONCE_INIT;

/* Slots of per-cpu data in use by live threads. */
static u64 cpu_slots;
static unsigned int cpu_shared;
static_assert(NR_CPUS == 64);

/* ---- clocks ---- */

static u64 clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (u64)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

u64 ktime_get_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

u64 ktime_get_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

unsigned long kapi_jiffies(void)
{
	return ktime_get_ns() / (NSEC_PER_SEC / HZ);
}

struct timespec kapi_jiffies_to_timespec(unsigned long jiffies_at)
{
	return (struct timespec){
		.tv_sec = jiffies_at / HZ,
		.tv_nsec = jiffies_at % HZ * (NSEC_PER_SEC / HZ),
	};
}

void kapi_cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

static void sleep_ns(u64 ns)
{
	struct timespec t = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

void msleep(unsigned int ms)
{
	sleep_ns((u64)ms * NSEC_PER_MSEC);
}

void usleep_range(unsigned long min_us, unsigned long max_us)
{
	sleep_ns((u64)min_us * NSEC_PER_USEC);
}

void udelay(unsigned long us)
{
	sleep_ns((u64)us * NSEC_PER_USEC);
}

void yield(void)
{
	sched_yield();
}

unsigned int kapi_online_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > NR_CPUS ? NR_CPUS : n;
}

/* ---- tasks ---- */

static void cpu_slot_get(struct task_struct *t)
{
	u64 used = __atomic_load_n(&cpu_slots, __ATOMIC_RELAXED);

	while (~used) {
		unsigned int slot = __builtin_ctzll(~used);

		/* Acquire: what the slot's owner before us wrote into its per-cpu data. */
		if (!try_cmpxchg_acquire(&cpu_slots, &used, used | 1ULL << slot))
			continue;
		t->kapi_cpu = slot;
		t->kapi_has_cpu = true;
		return;
	}
	t->kapi_cpu = __atomic_fetch_add(&cpu_shared, 1, __ATOMIC_RELAXED) % NR_CPUS;
}

static void cpu_slot_put(struct task_struct *t)
{
	if (t->kapi_has_cpu)
		__atomic_fetch_and(&cpu_slots, ~(1ULL << t->kapi_cpu), __ATOMIC_RELEASE);
}

static struct task_struct *task_alloc(void)
{
	struct task_struct *t = calloc(1, sizeof(*t));

	BUG_ON(!t);
	refcount_set(&t->usage, 1);
	t->prio = 120;
	t->tgid = getpid();
	pthread_mutex_init(&t->kapi_mutex, NULL);
	kapi_cond_init_monotonic(&t->kapi_cond);
	return t;
}

static void task_free_rcu(struct rcu_head *head)
{
	struct task_struct *t = container_of(head, struct task_struct, rcu);

	pthread_cond_destroy(&t->kapi_cond);
	pthread_mutex_destroy(&t->kapi_mutex);
	free(t->kapi_kthread);
	free(t);
}

void kapi_task_free(struct task_struct *t)
{
	call_rcu(&t->rcu, task_free_rcu);
}

static void task_ends(void *arg)
{
	struct task_struct *t = arg;

	cpu_slot_put(t);
	this_task = NULL;
	put_task_struct(t);
}

static void task_key_make(void)
{
	BUG_ON(pthread_key_create(&task_key, task_ends));
}

/* Makes @t the task of this thread, which takes over the reference. */
static void task_adopt(struct task_struct *t)
{
	pthread_once(&task_once, task_key_make);
	WRITE_ONCE(t->pid, (int)syscall(SYS_gettid));
	cpu_slot_get(t);
	this_task = t;
	pthread_setspecific(task_key, t);
}

struct task_struct *kapi_current(void)
{
	if (unlikely(!this_task)) {
		struct task_struct *t = task_alloc();

		pthread_getname_np(pthread_self(), t->comm, sizeof(t->comm));
		task_adopt(t);
	}
	return this_task;
}

unsigned int kapi_smp_processor_id(void)
{
	return kapi_current()->kapi_cpu;
}

void set_user_nice(struct task_struct *t, long nice)
{
	t->prio = 120 + nice;
}

/* ---- sleeping and waking ---- */

static int sleep_until(struct task_struct *t, const struct timespec *until)
{
	int error = 0;

	pthread_mutex_lock(&t->kapi_mutex);
	while (!error && READ_ONCE(t->__state) != TASK_RUNNING)
		error = until ? pthread_cond_timedwait(&t->kapi_cond, &t->kapi_mutex, until)
			      : pthread_cond_wait(&t->kapi_cond, &t->kapi_mutex);
	WRITE_ONCE(t->__state, TASK_RUNNING);
	pthread_mutex_unlock(&t->kapi_mutex);
	return error;
}

void schedule(void)
{
	struct task_struct *t = current;

	if (READ_ONCE(t->__state) == TASK_RUNNING)
		sched_yield();
	sleep_until(t, NULL);
}

long schedule_timeout(long timeout_jiffies)
{
	struct timespec until;
	unsigned long end;
	long left;

	if (timeout_jiffies == MAX_SCHEDULE_TIMEOUT) {
		schedule();
		return timeout_jiffies;
	}
	/* One more tick: the current one is partly gone. */
	end = jiffies + timeout_jiffies + 1;
	until = kapi_jiffies_to_timespec(end);
	sleep_until(current, &until);
	left = (long)(end - jiffies);
	return left < 0 ? 0 : min(left, timeout_jiffies);
}

long schedule_timeout_interruptible(long timeout_jiffies)
{
	__set_current_state(TASK_INTERRUPTIBLE);
	return schedule_timeout(timeout_jiffies);
}

long schedule_timeout_uninterruptible(long timeout_jiffies)
{
	__set_current_state(TASK_UNINTERRUPTIBLE);
	return schedule_timeout(timeout_jiffies);
}

int wake_up_state(struct task_struct *t, unsigned int state)
{
	int woken;

	/* Pairs with set_current_state(): the caller's condition before the sleeper's state. */
	smp_mb();
	/* A thread woken for its last steps may be gone before we have let go of its mutex. */
	rcu_read_lock();
	pthread_mutex_lock(&t->kapi_mutex);
	woken = (READ_ONCE(t->__state) & state) != 0;
	if (woken) {
		WRITE_ONCE(t->__state, TASK_RUNNING);
		pthread_cond_signal(&t->kapi_cond);
	}
	pthread_mutex_unlock(&t->kapi_mutex);
	rcu_read_unlock();
	return woken;
}

int wake_up_process(struct task_struct *t)
{
	return wake_up_state(t, TASK_NORMAL);
}

/* ---- kernel threads ---- */

static void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	BUG_ON(pthread_create(thread, NULL, fn, arg));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void kapi_thread_start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	thread_start(&thread, fn, arg);
	pthread_detach(thread);
}

static void *kthread_main(void *arg)
{
	struct task_struct *t = arg;
	struct kthread *k = t->kapi_kthread;

	pthread_setname_np(pthread_self(), t->comm);
	task_adopt(t);
	sleep_until(t, NULL);
	k->result = kthread_should_stop() ? -EINTR : k->fn(k->data);
	complete_all(&k->ended);
	return NULL;
}

struct task_struct *kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
{
	struct task_struct *t = task_alloc();
	struct kthread *k = calloc(1, sizeof(*k));
	va_list args;

	BUG_ON(!k);
	k->fn = fn;
	k->data = data;
	init_completion(&k->ended);
	t->kapi_kthread = k;
	t->flags = PF_KTHREAD;
	t->__state = TASK_UNINTERRUPTIBLE;
	va_start(args, fmt);
	vscnprintf(t->comm, sizeof(t->comm), fmt, args);
	va_end(args);
	kapi_thread_start(kthread_main, t);
	return t;
}

bool kthread_should_stop(void)
{
	struct kthread *k = current->kapi_kthread;

	return k && __atomic_load_n(&k->should_stop, __ATOMIC_SEQ_CST);
}

int kthread_stop(struct task_struct *t)
{
	struct kthread *k = t->kapi_kthread;
	int result;

	get_task_struct(t);
	pthread_mutex_lock(&t->kapi_mutex);
	__atomic_store_n(&k->should_stop, true, __ATOMIC_SEQ_CST);
	WRITE_ONCE(t->__state, TASK_RUNNING);
	pthread_cond_signal(&t->kapi_cond);
	pthread_mutex_unlock(&t->kapi_mutex);
	wait_for_completion(&k->ended);
	result = k->result;
	put_task_struct(t);
	return result;
}

int kthread_stop_put(struct task_struct *t)
{
	int result = kthread_stop(t);

	put_task_struct(t);
	return result;
}
