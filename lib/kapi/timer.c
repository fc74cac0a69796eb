// SPDX-License-Identifier: GPL-2.0
/*
 * Timers: one list in order of expiry, one thread that sleeps until the first is due.
 *
 * The lock protects list and timers. The function runs without it; running names the timer whose
 * function runs, for del_timer_sync(). A timer may be freed by its own function: after the call
 * only the pointer is compared, never followed.
 */
#include <errno.h>
#include <pthread.h>

#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/timer.h>

#include "kapi/task.h"

static LIST_HEAD(timers);
static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_changed, timer_ran;
static struct timer_list *running;
static pthread_t timer_thread;
static pthread_once_t timer_once = PTHREAD_ONCE_INIT;

static void run_first(struct timer_list *t)
{
	list_del_init(&t->entry);
	running = t;
	pthread_mutex_unlock(&timer_lock);
	t->function(t);
	pthread_mutex_lock(&timer_lock);
	running = NULL;
	pthread_cond_broadcast(&timer_ran);
}

static void *timer_main(void *arg)
{
	pthread_setname_np(pthread_self(), "timers");
	pthread_mutex_lock(&timer_lock);
	timer_thread = pthread_self();
	for (;;) {
		struct timer_list *t = list_first_entry_or_null(&timers, struct timer_list, entry);
		struct timespec until;

		if (!t) {
			pthread_cond_wait(&timer_changed, &timer_lock);
		} else if (time_before(jiffies, t->expires)) {
			until = kapi_jiffies_to_timespec(t->expires);
			pthread_cond_timedwait(&timer_changed, &timer_lock, &until);
		} else {
			run_first(t);
		}
	}
	return NULL;
}

static void timer_start_thread(void)
{
	kapi_cond_init_monotonic(&timer_changed);
	kapi_cond_init_monotonic(&timer_ran);
	kapi_thread_start(timer_main, NULL);
}

void timer_setup(struct timer_list *t, void (*fn)(struct timer_list *t), unsigned int flags)
{
	INIT_LIST_HEAD(&t->entry);
	t->expires = 0;
	t->function = fn;
	t->flags = flags;
}

static int unlink_timer(struct timer_list *t)
{
	int pending = !list_empty(&t->entry);

	if (pending)
		list_del_init(&t->entry);
	return pending;
}

int mod_timer(struct timer_list *t, unsigned long expires)
{
	struct timer_list *after;
	int pending;

	pthread_once(&timer_once, timer_start_thread);
	pthread_mutex_lock(&timer_lock);
	pending = unlink_timer(t);
	t->expires = expires;
	list_for_each_entry_reverse(after, &timers, entry)
		if (!time_before(expires, after->expires))
			break;
	list_add(&t->entry, &after->entry);
	pthread_cond_signal(&timer_changed);
	pthread_mutex_unlock(&timer_lock);
	return pending;
}

void add_timer(struct timer_list *t)
{
	BUG_ON(timer_pending(t));
	mod_timer(t, t->expires);
}

int del_timer(struct timer_list *t)
{
	int pending;

	pthread_mutex_lock(&timer_lock);
	pending = unlink_timer(t);
	pthread_mutex_unlock(&timer_lock);
	return pending;
}

int del_timer_sync(struct timer_list *t)
{
	int pending;

	pthread_mutex_lock(&timer_lock);
	BUG_ON(running == t && pthread_equal(timer_thread, pthread_self()));
	pending = unlink_timer(t);
	while (running == t) {
		pthread_cond_wait(&timer_ran, &timer_lock);
		pending |= unlink_timer(t);
	}
	pthread_mutex_unlock(&timer_lock);
	return pending;
}

int timer_pending(const struct timer_list *t)
{
	int pending;

	pthread_mutex_lock(&timer_lock);
	pending = !list_empty(&t->entry);
	pthread_mutex_unlock(&timer_lock);
	return pending;
}
