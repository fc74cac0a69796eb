// SPDX-License-Identifier: GPL-2.0
/*
 * Work queues.
 *
 * A queue has a list of waiting items, a set of workers, and one lock for both. Workers are
 * threads, born when an item waits and nobody is idle, up to max_active of them; they live as
 * long as the queue.
 *
 * Bit 0 of work->data is the pending bit: whoever sets it owns the right to queue the item (or to
 * arm the timer of a delayed one). A worker clears it before it calls the function, after having
 * read all it needs: the item may be queued again, or freed, from within its own function.
 * As in the kernel an item never runs twice at once: while it runs it is passed over in the list.
 *
 * Flushing counts: each item queued gets a number, and flush_workqueue() waits until nothing
 * waiting or running has a number below the one at its beginning. A flush from a worker of the
 * same queue would wait for itself; that is a BUG here.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "kapi/task.h"

struct worker {
	struct worker *next;
	struct workqueue_struct *wq;
	struct work_struct *running;
	u64 running_seq;
};

struct workqueue_struct {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t progress;
	struct list_head waiting;
	struct worker *workers;
	unsigned int nr_workers, nr_idle, max_workers;
	u64 seq;
	bool dying;
	char name[32];
};

struct workqueue_struct *system_wq, *system_highpri_wq, *system_long_wq, *system_unbound_wq,
	*system_freezable_wq;

static __thread struct worker *this_worker;

/* Before the constructor that arms allocation failures. */
static void __attribute__((constructor(101))) system_queues_make(void)
{
	system_wq = alloc_workqueue("events", 0, 0);
	system_highpri_wq = alloc_workqueue("events_highpri", WQ_HIGHPRI, 0);
	system_long_wq = alloc_workqueue("events_long", 0, 0);
	system_unbound_wq = alloc_workqueue("events_unbound", WQ_UNBOUND, 0);
	system_freezable_wq = alloc_workqueue("events_freezable", WQ_FREEZABLE, 0);
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	va_list args;

	if (!wq)
		return NULL;
	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->filled, NULL);
	pthread_cond_init(&wq->progress, NULL);
	INIT_LIST_HEAD(&wq->waiting);
	wq->max_workers = max_active ? max_active : WQ_DFL_ACTIVE;
	wq->seq = 1;
	va_start(args, max_active);
	vscnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	return wq;
}

static struct worker *runs_in(struct workqueue_struct *wq, struct work_struct *w)
{
	struct worker *k = wq->workers;

	while (k && k->running != w)
		k = k->next;
	return k;
}

/* First item that no other worker is running. */
static struct work_struct *next_item(struct workqueue_struct *wq)
{
	struct work_struct *w;

	list_for_each_entry(w, &wq->waiting, entry)
		if (!runs_in(wq, w))
			return w;
	return NULL;
}

static void run_item(struct worker *k, struct work_struct *w)
{
	work_func_t func = w->func;

	list_del_init(&w->entry);
	k->running = w;
	k->running_seq = w->kapi_seq;
	pthread_mutex_unlock(&k->wq->lock);
	/* Full order: what is written before queueing again is seen by the function or runs it again. */
	__atomic_fetch_and(&w->data, ~1UL, __ATOMIC_SEQ_CST);
	func(w);
	pthread_mutex_lock(&k->wq->lock);
	k->running = NULL;
	pthread_cond_broadcast(&k->wq->progress);
	/* Somebody may have passed over the item because it ran. */
	if (!list_empty(&k->wq->waiting))
		pthread_cond_signal(&k->wq->filled);
}

static void *worker_main(void *arg)
{
	struct worker *k = arg;
	struct workqueue_struct *wq = k->wq;

	pthread_setname_np(pthread_self(), "kworker");
	this_worker = k;
	pthread_mutex_lock(&wq->lock);
	for (;;) {
		struct work_struct *w = next_item(wq);

		if (w) {
			run_item(k, w);
			continue;
		}
		if (wq->dying)
			break;
		wq->nr_idle++;
		pthread_cond_wait(&wq->filled, &wq->lock);
		wq->nr_idle--;
	}
	wq->nr_workers--;
	pthread_cond_broadcast(&wq->progress);
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

static void worker_make(struct workqueue_struct *wq)
{
	struct worker *k = calloc(1, sizeof(*k));

	BUG_ON(!k);
	k->wq = wq;
	k->next = wq->workers;
	wq->workers = k;
	wq->nr_workers++;
	kapi_thread_start(worker_main, k);
}

/* The caller has set the pending bit. */
static void insert_item(struct workqueue_struct *wq, struct work_struct *w)
{
	pthread_mutex_lock(&wq->lock);
	BUG_ON(wq->dying);
	w->kapi_seq = wq->seq++;
	__atomic_store_n(&w->kapi_wq, wq, __ATOMIC_RELEASE);
	list_add_tail(&w->entry, &wq->waiting);
	if (wq->nr_idle)
		pthread_cond_signal(&wq->filled);
	if (wq->nr_workers < wq->max_workers && wq->nr_idle < list_count_nodes(&wq->waiting))
		worker_make(wq);
	pthread_mutex_unlock(&wq->lock);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	if (test_and_set_bit(0, &w->data))
		return false;
	insert_item(wq, w);
	return true;
}

/* Is anything numbered below @seq left? Lock held. */
static bool work_left(struct workqueue_struct *wq, u64 seq)
{
	struct work_struct *w;
	struct worker *k;

	list_for_each_entry(w, &wq->waiting, entry)
		if (w->kapi_seq < seq)
			return true;
	for (k = wq->workers; k; k = k->next)
		if (k->running && k->running_seq < seq)
			return true;
	return false;
}

static void wait_for_seq(struct workqueue_struct *wq, bool everything)
{
	u64 seq;

	BUG_ON(this_worker && this_worker->wq == wq);
	pthread_mutex_lock(&wq->lock);
	seq = everything ? U64_MAX : wq->seq;
	while (work_left(wq, seq))
		pthread_cond_wait(&wq->progress, &wq->lock);
	pthread_mutex_unlock(&wq->lock);
}

void flush_workqueue(struct workqueue_struct *wq)
{
	wait_for_seq(wq, false);
}

void drain_workqueue(struct workqueue_struct *wq)
{
	wait_for_seq(wq, true);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	struct worker *k;

	if (!wq)
		return;
	drain_workqueue(wq);
	pthread_mutex_lock(&wq->lock);
	wq->dying = true;
	pthread_cond_broadcast(&wq->filled);
	while (wq->nr_workers)
		pthread_cond_wait(&wq->progress, &wq->lock);
	pthread_mutex_unlock(&wq->lock);
	while ((k = wq->workers)) {
		wq->workers = k->next;
		free(k);
	}
	pthread_cond_destroy(&wq->progress);
	pthread_cond_destroy(&wq->filled);
	pthread_mutex_destroy(&wq->lock);
	kfree(wq);
}

/* Waits for the instance of @w that waits or runs now. */
bool flush_work(struct work_struct *w)
{
	struct workqueue_struct *wq = __atomic_load_n(&w->kapi_wq, __ATOMIC_ACQUIRE);
	struct worker *k;
	u64 seq = 0;

	if (!wq)
		return false;
	BUG_ON(this_worker && this_worker->running == w);
	pthread_mutex_lock(&wq->lock);
	k = runs_in(wq, w);
	if (!list_empty(&w->entry))
		seq = w->kapi_seq;
	else if (k)
		seq = k->running_seq;
	while (seq) {
		k = runs_in(wq, w);
		if (!(k && k->running_seq <= seq) &&
		    !(!list_empty(&w->entry) && w->kapi_seq <= seq))
			break;
		pthread_cond_wait(&wq->progress, &wq->lock);
	}
	pthread_mutex_unlock(&wq->lock);
	return seq;
}

/* Takes @w back when it waits. Return: true when it did. */
bool cancel_work(struct work_struct *w)
{
	struct workqueue_struct *wq = __atomic_load_n(&w->kapi_wq, __ATOMIC_ACQUIRE);
	bool waited;

	if (!wq)
		return false;
	pthread_mutex_lock(&wq->lock);
	waited = !list_empty(&w->entry);
	if (waited) {
		list_del_init(&w->entry);
		clear_bit_unlock(0, &w->data);
		pthread_cond_broadcast(&wq->progress);
	}
	pthread_mutex_unlock(&wq->lock);
	return waited;
}

bool cancel_work_sync(struct work_struct *w)
{
	bool waited = cancel_work(w);

	/* A work item that queues itself again is taken back again. */
	while (flush_work(w))
		waited |= cancel_work(w);
	return waited;
}

struct work_struct *current_work(void)
{
	return this_worker ? this_worker->running : NULL;
}

/* ---- delayed and RCU work ---- */

void kapi_delayed_work_fn(struct timer_list *t)
{
	struct delayed_work *d = container_of(t, struct delayed_work, timer);

	insert_item(d->wq, &d->work);
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *d,
			unsigned long delay_jiffies)
{
	if (test_and_set_bit(0, &d->work.data))
		return false;
	d->wq = wq;
	if (delay_jiffies)
		mod_timer(&d->timer, jiffies + delay_jiffies);
	else
		insert_item(wq, &d->work);
	return true;
}

bool cancel_delayed_work(struct delayed_work *d)
{
	if (del_timer(&d->timer)) {
		clear_bit_unlock(0, &d->work.data);
		return true;
	}
	return cancel_work(&d->work);
}

bool cancel_delayed_work_sync(struct delayed_work *d)
{
	bool waited = false;

	do {
		if (del_timer_sync(&d->timer)) {
			clear_bit_unlock(0, &d->work.data);
			waited = true;
		}
		waited |= cancel_work_sync(&d->work);
	} while (timer_pending(&d->timer));
	return waited;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *d,
		      unsigned long delay_jiffies)
{
	bool pending = cancel_delayed_work(d);

	queue_delayed_work(wq, d, delay_jiffies);
	return pending;
}

bool flush_delayed_work(struct delayed_work *d)
{
	if (del_timer_sync(&d->timer))
		insert_item(d->wq, &d->work);
	return flush_work(&d->work);
}

static void rcu_work_ready(struct rcu_head *head)
{
	struct rcu_work *r = container_of(head, struct rcu_work, rcu);

	insert_item(r->wq, &r->work);
}

bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *r)
{
	if (test_and_set_bit(0, &r->work.data))
		return false;
	r->wq = wq;
	call_rcu(&r->rcu, rcu_work_ready);
	return true;
}
