// SPDX-License-Identifier: GPL-2.0
/*
 * RCU over liburcu's memb flavour, and SRCU.
 *
 * A thread registers when it first reads and unregisters when it ends. Callbacks have one thread
 * of their own, which takes the whole queue, waits for a grace period and runs them in order.
 *
 * liburcu's code must stay out of TSan's sight, for its atomics are not the compiler's: hence no
 * _LGPL_SOURCE, which would inline the read side here. Instead TSan is told what a grace period
 * means: everything before the end of a reader is seen after synchronize_rcu(), and everything
 * before synchronize_rcu() began is seen by readers that begin later. Two addresses carry the two
 * directions, so readers are not ordered among each other.
 */
#include <pthread.h>
#include <stdlib.h>

/* <sched.h> of glibc 2.41 takes in <linux/types.h>, which is ours; liburcu has a struct rcu_head of its own. */
#undef rcu_head
#include <urcu/urcu-memb.h>

/* liburcu renames these to names with a prefix; from here on they are the kernel's. */
#undef rcu_read_lock
#undef rcu_read_unlock
#undef synchronize_rcu
#undef call_rcu
#undef rcu_barrier
#undef rcu_dereference
#undef rcu_assign_pointer

#include <linux/types.h>
#undef rcu_head
#define rcu_head callback_head

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "kapi/task.h"

#ifdef KAPI_TSAN
#include <sanitizer/tsan_interface.h>
#define tsan_acquire(p)	__tsan_acquire(p)
#define tsan_release(p)	__tsan_release(p)
#else
#define tsan_acquire(p)	((void)(p))
#define tsan_release(p)	((void)(p))
#endif

static char readers_done, grace_begun;

static __thread bool registered;
static pthread_key_t reader_key;
static pthread_once_t reader_once = PTHREAD_ONCE_INIT;

static void reader_ends(void *arg)
{
	registered = false;
	urcu_memb_unregister_thread();
}

static void reader_key_make(void)
{
	BUG_ON(pthread_key_create(&reader_key, reader_ends));
}

static void __cold reader_register(void)
{
	pthread_once(&reader_once, reader_key_make);
	urcu_memb_register_thread();
	pthread_setspecific(reader_key, &registered);
	registered = true;
}

void rcu_read_lock(void)
{
	if (unlikely(!registered))
		reader_register();
	urcu_memb_read_lock();
	tsan_acquire(&grace_begun);
}

void rcu_read_unlock(void)
{
	tsan_release(&readers_done);
	urcu_memb_read_unlock();
}

int rcu_read_lock_held(void)
{
	return registered && urcu_memb_read_ongoing();
}

void synchronize_rcu(void)
{
	BUG_ON(rcu_read_lock_held());
	tsan_release(&grace_begun);
	urcu_memb_synchronize_rcu();
	tsan_acquire(&readers_done);
}

/* ---- callbacks ---- */

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static pthread_cond_t queue_progress = PTHREAD_COND_INITIALIZER;
static struct rcu_head *queue_first, **queue_last = &queue_first;
static u64 queued, finished;
static bool caller_started;

static void run_callbacks(struct rcu_head *head)
{
	struct rcu_head *next;

	for (; head; head = next) {
		next = head->next;
		head->func(head);
		pthread_mutex_lock(&queue_lock);
		finished++;
		pthread_cond_broadcast(&queue_progress);
		pthread_mutex_unlock(&queue_lock);
	}
}

static void *caller_main(void *arg)
{
	struct rcu_head *batch;

	pthread_setname_np(pthread_self(), "rcu");
	for (;;) {
		pthread_mutex_lock(&queue_lock);
		while (!queue_first)
			pthread_cond_wait(&queue_filled, &queue_lock);
		batch = queue_first;
		queue_first = NULL;
		queue_last = &queue_first;
		pthread_mutex_unlock(&queue_lock);
		synchronize_rcu();
		run_callbacks(batch);
	}
	return NULL;
}

void call_rcu(struct rcu_head *head, rcu_callback_t fn)
{
	head->func = fn;
	head->next = NULL;
	pthread_mutex_lock(&queue_lock);
	if (!caller_started) {
		caller_started = true;
		kapi_thread_start(caller_main, NULL);
	}
	*queue_last = head;
	queue_last = &head->next;
	queued++;
	pthread_cond_signal(&queue_filled);
	pthread_mutex_unlock(&queue_lock);
}

void rcu_barrier(void)
{
	u64 target;

	pthread_mutex_lock(&queue_lock);
	target = queued;
	while (finished < target)
		pthread_cond_wait(&queue_progress, &queue_lock);
	pthread_mutex_unlock(&queue_lock);
}

/* kfree_rcu(): the head carries no pointer to its object, so a note of our own does. */
struct kvfree_note {
	struct rcu_head rcu;
	void *object;
};

static void kvfree_note_run(struct rcu_head *head)
{
	struct kvfree_note *n = container_of(head, struct kvfree_note, rcu);

	kvfree(n->object);
	free(n);
}

void kapi_kvfree_rcu(struct rcu_head *head, size_t offset)
{
	struct kvfree_note *n = malloc(sizeof(*n));

	BUG_ON(!n);
	n->object = (char *)head - offset;
	call_rcu(&n->rcu, kvfree_note_run);
}

void kapi_kvfree_rcu_sleep(const void *p)
{
	synchronize_rcu();
	kvfree(p);
}

/* ---- SRCU ---- */

int init_srcu_struct(struct srcu_struct *s)
{
	*s = (struct srcu_struct){ .kapi_idx = 0 };
	pthread_mutex_init(&s->kapi_mutex, NULL);
	pthread_cond_init(&s->kapi_cond, NULL);
	return 0;
}

void cleanup_srcu_struct(struct srcu_struct *s)
{
	WARN_ON(s->kapi_readers[0] || s->kapi_readers[1]);
	pthread_cond_destroy(&s->kapi_cond);
	pthread_mutex_destroy(&s->kapi_mutex);
}

int srcu_read_lock(struct srcu_struct *s)
{
	int idx;

	pthread_mutex_lock(&s->kapi_mutex);
	idx = s->kapi_idx;
	s->kapi_readers[idx]++;
	pthread_mutex_unlock(&s->kapi_mutex);
	return idx;
}

void srcu_read_unlock(struct srcu_struct *s, int idx)
{
	pthread_mutex_lock(&s->kapi_mutex);
	if (!--s->kapi_readers[idx])
		pthread_cond_broadcast(&s->kapi_cond);
	pthread_mutex_unlock(&s->kapi_mutex);
}

/* New readers go to the other index; the old ones run out. One flip at a time. */
void synchronize_srcu(struct srcu_struct *s)
{
	unsigned int old;

	pthread_mutex_lock(&s->kapi_mutex);
	while (s->kapi_flipping)
		pthread_cond_wait(&s->kapi_cond, &s->kapi_mutex);
	s->kapi_flipping = true;
	old = s->kapi_idx;
	s->kapi_idx = !old;
	while (s->kapi_readers[old])
		pthread_cond_wait(&s->kapi_cond, &s->kapi_mutex);
	s->kapi_flipping = false;
	pthread_cond_broadcast(&s->kapi_cond);
	pthread_mutex_unlock(&s->kapi_mutex);
}
