/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_SYNC_RACE_H
#define TEST_SYNC_RACE_H

/*
 * The race of bce_closure_sync(), made certain. Between the putter's last store and its wake-up,
 * the sleeper is woken by somebody else, returns from sync and frees the closure; only then does
 * the putter go on. Whatever it touches now is found by the address sanitizer.
 *
 * closure.c is compiled into the test under other names, with the putter's wake_up_process() held
 * up, and with BCE_CLOSURE_TEST_OLD_SYNC also its late read of the task pointer.
 */
#include <linux/atomic.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct task_struct *race_sleeper;
static atomic_t race_freed;
static atomic_t race_held_up;

/* Runs in the putter, after its last store. */
static void let_sleeper_free(void)
{
	struct task_struct *t = __atomic_load_n(&race_sleeper, __ATOMIC_ACQUIRE);

	atomic_inc(&race_held_up);
	while (!atomic_read_acquire(&race_freed)) {
		wake_up_process(t);
		usleep(100);
	}
}

static int wake_late(struct task_struct *t)
{
	let_sleeper_free();
	return wake_up_process(t);
}

#define wake_up_process(t)			wake_late(t)
#define bce_closure_test_late_read(cl)		(let_sleeper_free(), READ_ONCE((cl)->sleeper))

#define bce_closure_init			race_closure_init
#define bce_closure_count			race_closure_count
#define bce_closure_get				race_closure_get
#define bce_closure_put				race_closure_put
#define bce_closure_continue_at			race_closure_continue_at
#define bce_closure_continue_at_nobarrier	race_closure_continue_at_nobarrier
#define bce_closure_call			race_closure_call
#define bce_closure_return			race_closure_return
#define bce_closure_return_with_destructor	race_closure_return_with_destructor
#define bce_closure_sync			race_closure_sync
#define bce_closure_sync_timeout		race_closure_sync_timeout
#define bce_closure_wait			race_closure_wait
#define bce_closure_wake_up			race_closure_wake_up
#define bce_closure_wait_end			race_closure_wait_end

#include "closures/closure.c"

#undef wake_up_process

static void *sync_then_free(void *arg)
{
	struct bce_closure *cl = arg;

	__atomic_store_n(&race_sleeper, current, __ATOMIC_RELEASE);
	bce_closure_sync(cl);
	free(cl);
	atomic_set_release(&race_freed, 1);
	return NULL;
}

static bool sleeps(struct bce_closure *cl)
{
	return atomic_read_acquire(&cl->state) & STATE_SLEEPING;
}

/* Return: how often the putter was held up after its last store. */
static int run_sync_race(void)
{
	struct bce_closure *cl = malloc(sizeof(*cl));
	pthread_t t;

	if (!cl)
		return -1;
	bce_closure_init(cl, NULL);
	bce_closure_get(cl);
	if (pthread_create(&t, NULL, sync_then_free, cl))
		return -1;
	while (!sleeps(cl))
		usleep(100);
	bce_closure_put(cl);
	pthread_join(t, NULL);
	return atomic_read(&race_held_up);
}

#endif
