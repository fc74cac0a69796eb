/* SPDX-License-Identifier: GPL-2.0 */
/* Time and threads, shared inside kapi. */
#ifndef KAPI_TASK_H
#define KAPI_TASK_H

#include <linux/types.h>
#include <pthread.h>
#include <time.h>

/* A condition variable whose timed wait follows the monotonic clock. */
void kapi_cond_init_monotonic(pthread_cond_t *c);

/* The monotonic time at which the tick counter will read @jiffies_at. */
struct timespec kapi_jiffies_to_timespec(unsigned long jiffies_at);

/* Starts a detached thread, every signal blocked. A failure is a BUG. */
void kapi_thread_start(void *(*fn)(void *), void *arg);

#endif
