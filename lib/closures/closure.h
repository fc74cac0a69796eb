/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CLOSURES_CLOSURE_H
#define CLOSURES_CLOSURE_H

/*
 * Closures: references that count outstanding work and know what to do when the last one goes.
 *
 * A closure is embedded in the object that describes an operation (a read, a journal write). Each
 * piece of work in flight holds a reference. The code driving the operation, its owner, holds one
 * too. The owner ends its turn in one of three ways, and each uses up the owner's reference:
 *
 *   bce_closure_continue_at(cl, fn, wq)   when all work is done, fn becomes the owner
 *   bce_closure_return(cl)                when all work is done, the operation is over
 *   bce_closure_return_with_destructor()  the same, and a function frees the object
 *
 * or it keeps the reference and sleeps in bce_closure_sync() until it is the only one left.
 *
 *                 init                        put, count stays > 0
 *                  |                              +----+
 *                  v        get, wait             v    |
 *             [owner runs] -----------------> [work in flight]
 *               ^  |  ^                           |    |
 *     fn called |  |  | sync: owner wakes         |    | the owner's reference went first:
 *               |  |  +---------------------------+    | count reaches 0
 *               |  | continue_at, return               v
 *               |  +------------------------------> [nobody] ---> fn set: count = 1, call fn
 *               +--------------------------------------+   +----> fn NULL: destructor, put parent
 *
 * A closure with a parent holds a reference on it until it is over, so the parent's continuation
 * runs after the last child. Wait lists let a closure be one of those waiting for an event: being
 * on a list is work in flight, and waking the list drops the references of all who are on it.
 *
 * Rules
 *   - Only the holder of a reference may take another.
 *   - The owner's continuation is set by the owner alone, and only by giving up its reference.
 *   - Once a put may have been the last one, or once an owner in bce_closure_sync() may have been
 *     woken by it, the closure may be gone: the putter touches it no more.
 *   - A closure is on at most one wait list at a time.
 *   - After bce_closure_sync_timeout() has timed out, the same task stays the owner until a later
 *     sync of its own succeeds or it gives up its reference.
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct bce_closure;
struct task_struct;

typedef void (*bce_closure_fn)(struct bce_closure *cl);

/**
 * struct bce_closure - see the essay above; the members are private
 * @state:   number of references and flags, see closure.c
 * @parent:  holds a reference on it, NULL for none
 * @fn:      continuation, or with @dying the destructor; may be NULL in that case
 * @wq:      where @fn runs, NULL for in place
 * @dying:   the owner returned: @fn is a destructor
 * @sleeper: the owner while it sleeps in bce_closure_sync(), else stale
 * @waiting: link in a wait list
 * @work:    used only while @fn is queued on @wq
 */
struct bce_closure {
	atomic_t		state;
	bool			dying;
	struct bce_closure	*parent;
	bce_closure_fn		fn;
	struct workqueue_struct	*wq;
	struct task_struct	*sleeper;
	struct llist_node	waiting;
	struct work_struct	work;
};

/**
 * struct bce_closure_waitlist - closures waiting for an event
 * @list: youngest first
 */
struct bce_closure_waitlist {
	struct llist_head	list;
};

static inline void bce_closure_waitlist_init(struct bce_closure_waitlist *list)
{
	init_llist_head(&list->list);
}

void bce_closure_init(struct bce_closure *cl, struct bce_closure *parent);
void bce_closure_get(struct bce_closure *cl);
void bce_closure_put(struct bce_closure *cl);
unsigned int bce_closure_count(const struct bce_closure *cl);

void bce_closure_continue_at(struct bce_closure *cl, bce_closure_fn fn,
			     struct workqueue_struct *wq);
void bce_closure_continue_at_nobarrier(struct bce_closure *cl, bce_closure_fn fn,
				       struct workqueue_struct *wq);
void bce_closure_call(struct bce_closure *cl, bce_closure_fn fn, struct workqueue_struct *wq,
		      struct bce_closure *parent);
void bce_closure_return(struct bce_closure *cl);
void bce_closure_return_with_destructor(struct bce_closure *cl, bce_closure_fn destructor);

void bce_closure_sync(struct bce_closure *cl);
long bce_closure_sync_timeout(struct bce_closure *cl, unsigned long timeout_jiffies);

bool bce_closure_wait(struct bce_closure_waitlist *list, struct bce_closure *cl);
void bce_closure_wake_up(struct bce_closure_waitlist *list);
void bce_closure_wait_end(struct bce_closure_waitlist *list, struct bce_closure *cl);

/*
 * The condition is evaluated again after the closure has been queued: an event between the first
 * look and the queueing finds an empty list and wakes nobody. A test builds the variant without.
 */
#ifdef BCE_CLOSURE_TEST_NO_RECHECK
#define bce_closure_recheck(cond)	false
#else
#define bce_closure_recheck(cond)	(cond)
#endif

/**
 * bce_closure_wait_event() - sleep until a condition holds
 * @waitlist: list woken by whoever makes the condition true
 * @cond:     expression; evaluated several times, in a runnable state, so it may sleep
 *
 * A waiter whose condition came true while it was still queued wakes the whole list to leave it.
 *
 * Context: may sleep, uninterruptibly.
 */
#define bce_closure_wait_event(waitlist, cond)					\
do {										\
	struct bce_closure_waitlist *wait_list_ = (waitlist);			\
	struct bce_closure wait_cl_;						\
										\
	if (cond)								\
		break;								\
	bce_closure_init(&wait_cl_, NULL);					\
	do {									\
		bce_closure_wait(wait_list_, &wait_cl_);			\
		if (bce_closure_recheck(cond))					\
			break;							\
		bce_closure_sync(&wait_cl_);					\
	} while (!(cond));							\
	bce_closure_wait_end(wait_list_, &wait_cl_);				\
} while (0)

/**
 * bce_closure_wait_event_timeout() - sleep until a condition holds, but not for ever
 * @waitlist:        list woken by whoever makes the condition true
 * @cond:            expression, evaluated several times
 * @timeout_jiffies: longest time to sleep, over all wake-ups
 *
 * Context: may sleep, uninterruptibly.
 * Return:  jiffies left (at least 1) once @cond holds, -ETIME if it was false when time was up.
 */
#define bce_closure_wait_event_timeout(waitlist, cond, timeout_jiffies)		\
({										\
	struct bce_closure_waitlist *wait_list_ = (waitlist);			\
	struct bce_closure wait_cl_;						\
	long wait_left_ = max_t(long, (timeout_jiffies), 1);			\
	bool wait_done_ = (cond);						\
										\
	if (!wait_done_) {							\
		bce_closure_init(&wait_cl_, NULL);				\
		while (!wait_done_ && wait_left_ > 0) {				\
			bce_closure_wait(wait_list_, &wait_cl_);		\
			wait_done_ = bce_closure_recheck(cond);			\
			if (wait_done_)						\
				break;						\
			wait_left_ = bce_closure_sync_timeout(&wait_cl_,	\
							      wait_left_);	\
			wait_done_ = (cond);					\
		}								\
		bce_closure_wait_end(wait_list_, &wait_cl_);			\
	}									\
	wait_done_ ? max_t(long, wait_left_, 1) : -ETIME;			\
})

/**
 * bce_closure_wait_event_async() - have a closure told when a condition may hold, without sleeping
 * @waitlist: list woken by whoever makes the condition true
 * @cl:       owned by the caller
 * @cond:     expression, evaluated up to twice
 *
 * False: @cl is queued; the caller continues it with a function that looks at the condition again.
 * True: go on at once. @cl may carry a reference for a moment longer, until a concurrent waker has
 * dropped it; it is continued, returned or synced like any other, never freed directly.
 *
 * Return: whether @cond holds.
 */
#define bce_closure_wait_event_async(waitlist, cl, cond)			\
({										\
	struct bce_closure_waitlist *wait_list_ = (waitlist);			\
	bool wait_done_ = (cond);						\
										\
	if (!wait_done_) {							\
		bce_closure_wait(wait_list_, cl);				\
		wait_done_ = bce_closure_recheck(cond);				\
		if (wait_done_)							\
			bce_closure_wake_up(wait_list_);			\
	}									\
	wait_done_;								\
})

#endif
