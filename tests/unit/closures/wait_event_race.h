/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_WAIT_EVENT_RACE_H
#define TEST_WAIT_EVENT_RACE_H

/*
 * The lost wake-up, made certain: the condition is looked at for the first time, is false, and
 * before the waiter can queue the event happens and wakes an empty list. Included by one test
 * with the re-check and by one without.
 */
#include "closures/closure.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

struct late_event {
	struct bce_closure_waitlist	list;
	atomic_t			happened;
	atomic_t			returned;
};

static bool look_and_let_happen(struct late_event *e)
{
	bool happened = atomic_read_acquire(&e->happened);

	if (!happened) {
		atomic_set_release(&e->happened, 1);
		bce_closure_wake_up(&e->list);
	}
	return happened;
}

static void *wait_for_event(void *arg)
{
	struct late_event *e = arg;

	bce_closure_wait_event(&e->list, look_and_let_happen(e));
	atomic_set_release(&e->returned, 1);
	return NULL;
}

static bool returned_within(struct late_event *e, unsigned int timeout_ms)
{
	unsigned int ms;

	for (ms = 0; ms < timeout_ms && !atomic_read_acquire(&e->returned); ms++)
		usleep(1000);
	return atomic_read_acquire(&e->returned);
}

/* False: the waiter slept on although the event had happened; it is rescued then. */
static bool wait_event_finishes(unsigned int timeout_ms)
{
	struct late_event e = {};
	pthread_t t;
	bool finished;

	bce_closure_waitlist_init(&e.list);
	if (pthread_create(&t, NULL, wait_for_event, &e))
		return false;
	finished = returned_within(&e, timeout_ms);
	if (!finished)
		bce_closure_wake_up(&e.list);
	pthread_join(t, NULL);
	return finished;
}

#endif
