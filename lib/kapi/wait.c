// SPDX-License-Identifier: GPL-2.0
/*
 * Wait queues, waiting for bits and variables, completions.
 *
 * An entry lives on the sleeper's stack. Wakers touch it only under the queue's lock, and
 * finish_wait() always takes that lock before it returns: when the sleeper goes on, no waker is
 * inside its entry or its task. A completion is re-checked under the lock of its queue, so it may
 * live on the waiter's stack.
 */
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/hash.h>
#include <linux/minmax.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>

#include <limits.h>

#define BIT_QUEUE_BITS	6

static struct wait_queue_head bit_queues[1 << BIT_QUEUE_BITS];

static void __attribute__((constructor)) bit_queues_init(void)
{
	for (int i = 0; i < 1 << BIT_QUEUE_BITS; i++)
		init_waitqueue_head(&bit_queues[i]);
}

int default_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key)
{
	return wake_up_state(e->private, mode);
}

int autoremove_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key)
{
	int woken = default_wake_function(e, mode, flags, key);

	if (woken)
		list_del_init(&e->entry);
	return woken;
}

void init_waitqueue_head(struct wait_queue_head *q)
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->head);
}

void init_wait_entry(struct wait_queue_entry *e, int flags)
{
	e->flags = flags;
	e->private = current;
	e->func = autoremove_wake_function;
	INIT_LIST_HEAD(&e->entry);
}

void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	spin_lock(&q->lock);
	e->flags &= ~WQ_FLAG_EXCLUSIVE;
	list_add(&e->entry, &q->head);
	spin_unlock(&q->lock);
}

void remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	spin_lock(&q->lock);
	list_del(&e->entry);
	spin_unlock(&q->lock);
}

/* Exclusive sleepers stand at the end, in the order they came. */
static void queue_entry(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	if (!list_empty(&e->entry))
		return;
	if (e->flags & WQ_FLAG_EXCLUSIVE)
		list_add_tail(&e->entry, &q->head);
	else
		list_add(&e->entry, &q->head);
}

void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	spin_lock(&q->lock);
	e->flags &= ~WQ_FLAG_EXCLUSIVE;
	queue_entry(q, e);
	set_current_state(state);
	spin_unlock(&q->lock);
}

bool prepare_to_wait_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	bool first;

	spin_lock(&q->lock);
	e->flags |= WQ_FLAG_EXCLUSIVE;
	first = list_empty(&q->head);
	queue_entry(q, e);
	set_current_state(state);
	spin_unlock(&q->lock);
	return first;
}

long prepare_to_wait_event(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	spin_lock(&q->lock);
	queue_entry(q, e);
	set_current_state(state);
	spin_unlock(&q->lock);
	return 0;
}

void finish_wait(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	__set_current_state(TASK_RUNNING);
	spin_lock(&q->lock);
	if (!list_empty(&e->entry))
		list_del_init(&e->entry);
	spin_unlock(&q->lock);
}

static int wake_locked(struct wait_queue_head *q, unsigned int mode, int nr, void *key)
{
	struct wait_queue_entry *e, *next;
	int woken = 0;

	list_for_each_entry_safe(e, next, &q->head, entry) {
		unsigned int flags = e->flags;
		int ret = e->func(e, mode, 0, key);

		if (ret < 0)
			break;
		woken += ret != 0;
		if (ret && (flags & WQ_FLAG_EXCLUSIVE) && !--nr)
			break;
	}
	return woken;
}

int __wake_up(struct wait_queue_head *q, unsigned int mode, int nr, void *key)
{
	int woken;

	spin_lock(&q->lock);
	woken = wake_locked(q, mode, nr, key);
	spin_unlock(&q->lock);
	return woken;
}

void __wake_up_locked(struct wait_queue_head *q, unsigned int mode, int nr)
{
	wake_locked(q, mode, nr, NULL);
}

/* ---- bits and variables ---- */

struct wait_queue_head *__var_waitqueue(void *p)
{
	return &bit_queues[hash_ptr(p, BIT_QUEUE_BITS)];
}

void wake_up_var(void *var)
{
	wake_up_all(__var_waitqueue(var));
}

void wake_up_bit(void *word, int bit)
{
	wake_up_var(word);
}

int wait_on_bit(unsigned long *word, int bit, unsigned int mode)
{
	wait_var_event(word, !test_bit_acquire(bit, word));
	return 0;
}

int wait_on_bit_lock(unsigned long *word, int bit, unsigned int mode)
{
	wait_var_event(word, !test_and_set_bit_lock(bit, word));
	return 0;
}

void clear_and_wake_up_bit(int bit, unsigned long *word)
{
	clear_bit_unlock(bit, word);
	smp_mb();
	wake_up_bit(word, bit);
}

/* ---- completions ---- */

void init_completion(struct completion *c)
{
	c->done = 0;
	init_waitqueue_head(&c->wait);
}

void reinit_completion(struct completion *c)
{
	c->done = 0;
}

void complete(struct completion *c)
{
	spin_lock(&c->wait.lock);
	if (c->done != UINT_MAX)
		c->done++;
	wake_locked(&c->wait, TASK_NORMAL, 1, NULL);
	spin_unlock(&c->wait.lock);
}

void complete_all(struct completion *c)
{
	spin_lock(&c->wait.lock);
	c->done = UINT_MAX;
	wake_locked(&c->wait, TASK_NORMAL, 0, NULL);
	spin_unlock(&c->wait.lock);
}

bool try_wait_for_completion(struct completion *c)
{
	bool ok;

	spin_lock(&c->wait.lock);
	ok = c->done;
	if (ok && c->done != UINT_MAX)
		c->done--;
	spin_unlock(&c->wait.lock);
	return ok;
}

bool completion_done(struct completion *c)
{
	bool done;

	spin_lock(&c->wait.lock);
	done = c->done;
	spin_unlock(&c->wait.lock);
	return done;
}

unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout_jiffies)
{
	long left = min_t(unsigned long, timeout_jiffies, MAX_SCHEDULE_TIMEOUT);
	struct wait_queue_entry e;
	bool ok;

	init_wait_entry(&e, WQ_FLAG_EXCLUSIVE);
	for (;;) {
		prepare_to_wait_exclusive(&c->wait, &e, TASK_UNINTERRUPTIBLE);
		ok = try_wait_for_completion(c);
		if (ok || !left)
			break;
		left = schedule_timeout(left);
	}
	finish_wait(&c->wait, &e);
	return ok ? max(left, 1L) : 0;
}

void wait_for_completion(struct completion *c)
{
	wait_for_completion_timeout(c, MAX_SCHEDULE_TIMEOUT);
}
