// SPDX-License-Identifier: GPL-2.0
/*
 * Closures: the counting.  What they are for is told in closure.h.
 *
 * The state word
 * --------------
 *
 *    29         28        27 .. 0
 *   +----------+---------+---------------------------+
 *   | SLEEPING | WAITING | count of references       |
 *   +----------+---------+---------------------------+
 *
 * Every change is one atomic exchange of the whole word, so a dropped reference and a cleared flag
 * happen together.
 *
 * WAITING: the closure is on a wait list, which owns one reference. Set with that reference before
 * the closure is linked, cleared with it by the waker.
 *
 * SLEEPING: the owner sleeps in sync; @sleeper names it. Set by the owner only while the count is
 * above one, and cleared by the put that brings the count to one, or by the owner when it has lost
 * patience. Clearing it is the wake-up: the owner looks at nothing else.
 *
 * The two ends of a closure
 * -------------------------
 *
 * Count zero: nobody else has a reference, so the putter that got there owns the closure: it runs
 * the continuation (with a fresh owner's reference) or buries it.
 *
 * Count one and SLEEPING: the putter hands the closure back to its owner. The owner may notice
 * without being woken (a spurious wake-up is enough), return from sync and free the closure, which
 * often lies on its stack, before the putter's next instruction. So the putter
 *
 *   1. reads the task pointer while its own reference still keeps the closure alive,
 *   2. enters an RCU read-side section, which keeps the task_struct alive even if the task exits,
 *   3. exchanges the state word: the last access to the closure,
 *   4. wakes the task.
 *
 * If the exchange fails the whole decision is made again, so a sleeper that gave up in between is
 * not missed. (The word alone cannot tell one sleeping period from the next; @sleeper is the same
 * task in both, by the last rule in closure.h.)
 *
 * Memory ordering
 * ---------------
 *
 * atomic_cmpxchg() orders fully when it succeeds. What a holder wrote before its put is visible to
 * the continuation and to the owner after sync: the put's exchange pairs with the exchange that
 * reached zero, and with the atomic_read_acquire() in sync. @fn, @wq and @dying are published by
 * the owner's own put. @sleeper is published by the exchange that sets SLEEPING, which pairs with
 * the atomic_read_acquire() in closure_drop().
 *
 * A waiter links itself (llist_add(), a full barrier) and then looks at its condition; a waker
 * makes the condition true and then (smp_mb()) looks at the list. One of them sees the other.
 */
#include "closures/closure.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#define STATE_COUNT	0x0fffffff
#define STATE_WAITING	0x10000000
#define STATE_SLEEPING	0x20000000

static int state_count(int state)
{
	return state & STATE_COUNT;
}

/**
 * bce_closure_init() - make a closure whose owner is the caller
 * @cl:     memory of the caller's
 * @parent: runs its own continuation only after @cl is over; NULL for none. The caller holds a
 *          reference on it; another is taken.
 *
 * Context: any.
 */
void bce_closure_init(struct bce_closure *cl, struct bce_closure *parent)
{
	if (parent)
		bce_closure_get(parent);
	cl->parent = parent;
	cl->fn = NULL;
	cl->wq = NULL;
	cl->dying = false;
	cl->sleeper = NULL;
	atomic_set(&cl->state, 1);
}
EXPORT_SYMBOL_GPL(bce_closure_init);

/**
 * bce_closure_count() - number of references, for checks and messages
 * @cl: a reference on it is held
 *
 * Return: references now; anyone but a sole owner must expect it to be out of date.
 */
unsigned int bce_closure_count(const struct bce_closure *cl)
{
	return state_count(atomic_read(&cl->state));
}
EXPORT_SYMBOL_GPL(bce_closure_count);

/**
 * bce_closure_get() - take another reference
 * @cl: a reference on it is held by the caller
 *
 * Context: any.
 */
void bce_closure_get(struct bce_closure *cl)
{
	int state = atomic_inc_return(&cl->state);

	if (WARN_ONCE(state_count(state) < 2, "closure: get of a closure that is over\n"))
		atomic_dec(&cl->state);
}
EXPORT_SYMBOL_GPL(bce_closure_get);

/* The continuation is the owner from here on; without one of its own it must not put the last. */
static void closure_call_fn(struct bce_closure *cl)
{
	bce_closure_fn fn = cl->fn;

	cl->fn = NULL;
	fn(cl);
}

static void closure_work(struct work_struct *work)
{
	closure_call_fn(container_of(work, struct bce_closure, work));
}

/* The caller has the only reference. */
static void closure_run(struct bce_closure *cl)
{
	if (cl->wq) {
		INIT_WORK(&cl->work, closure_work);
		queue_work(cl->wq, &cl->work);
	} else {
		closure_call_fn(cl);
	}
}

/* The last reference has gone. The destructor may free the closure: read the parent first. */
static void closure_finish(struct bce_closure *cl)
{
	struct bce_closure *parent = cl->parent;

	if (!cl->dying) {
		if (WARN_ONCE(!cl->fn, "closure: last reference put without a continuation\n"))
			return;
		atomic_set(&cl->state, 1);
		closure_run(cl);
		return;
	}
	if (cl->fn)
		cl->fn(cl);
	if (parent)
		bce_closure_put(parent);
}

static bool drop_wakes_owner(int old, int new)
{
	return (old & STATE_SLEEPING) && state_count(new) == 1;
}

/* The essay's steps 1 to 4. False: the word is no longer @old. */
static bool drop_and_wake(struct bce_closure *cl, int old, int new)
{
	struct task_struct *sleeper = READ_ONCE(cl->sleeper);
	bool dropped;

	rcu_read_lock();
	dropped = atomic_cmpxchg(&cl->state, old, new & ~STATE_SLEEPING) == old;
	if (dropped) {
#ifdef BCE_CLOSURE_TEST_OLD_SYNC
		/* the historic defect, built only by the test that shows it is caught */
		sleeper = bce_closure_test_late_read(cl);
#endif
		wake_up_process(sleeper);
	}
	rcu_read_unlock();
	return dropped;
}

/* Drop one reference and the flags in @clear; then the closure may be gone. */
static void closure_drop(struct bce_closure *cl, int clear)
{
	int old, new;

	for (;;) {
		/* pairs with the exchange in sleep_begin(): SLEEPING seen, @sleeper is set */
		old = atomic_read_acquire(&cl->state);
		if (WARN_ONCE(!state_count(old), "closure: put of a closure that is over\n"))
			return;
		new = (old - 1) & ~clear;
		if (drop_wakes_owner(old, new)) {
			if (drop_and_wake(cl, old, new))
				return;
		} else if (atomic_cmpxchg(&cl->state, old, new) == old) {
			break;
		}
	}
	if (!state_count(new))
		closure_finish(cl);
}

/**
 * bce_closure_put() - drop a reference
 * @cl: gone for the caller afterwards
 *
 * If it was the last one, the continuation is queued, or called right here if it has no workqueue;
 * then it is bound by the caller's context.
 *
 * Context: any that suits an in-place continuation.
 */
void bce_closure_put(struct bce_closure *cl)
{
	closure_drop(cl, 0);
}
EXPORT_SYMBOL_GPL(bce_closure_put);

/**
 * bce_closure_continue_at() - go on in another function when all work is done
 * @cl: owned by the caller, gone for it afterwards
 * @fn: the next owner
 * @wq: where to run it; NULL: in place, on the stack of whoever drops the last reference
 *
 * Context: owner of @cl; see bce_closure_put().
 */
void bce_closure_continue_at(struct bce_closure *cl, bce_closure_fn fn,
			     struct workqueue_struct *wq)
{
	cl->fn = fn;
	cl->wq = wq;
	closure_drop(cl, 0);
}
EXPORT_SYMBOL_GPL(bce_closure_continue_at);

/**
 * bce_closure_continue_at_nobarrier() - go on in another function now
 * @cl: owned by the caller, who holds the only reference; gone for it afterwards
 * @fn: the next owner
 * @wq: as in bce_closure_continue_at()
 *
 * With no work in flight there is nobody to agree with: the reference passes on without an atomic
 * operation.
 *
 * Context: owner of @cl.
 */
void bce_closure_continue_at_nobarrier(struct bce_closure *cl, bce_closure_fn fn,
				       struct workqueue_struct *wq)
{
	cl->fn = fn;
	cl->wq = wq;
	if (WARN_ONCE(bce_closure_count(cl) != 1,
		      "closure: continued without a barrier while work is in flight\n"))
		closure_drop(cl, 0);
	else
		closure_run(cl);
}
EXPORT_SYMBOL_GPL(bce_closure_continue_at_nobarrier);

/**
 * bce_closure_call() - start an operation: initialise a closure and run its first function
 * @cl:     memory of the caller's
 * @fn:     the first owner
 * @wq:     where to run it; NULL: before this returns
 * @parent: as in bce_closure_init()
 *
 * Context: any that suits @fn if @wq is NULL.
 */
void bce_closure_call(struct bce_closure *cl, bce_closure_fn fn, struct workqueue_struct *wq,
		      struct bce_closure *parent)
{
	bce_closure_init(cl, parent);
	bce_closure_continue_at_nobarrier(cl, fn, wq);
}
EXPORT_SYMBOL_GPL(bce_closure_call);

/**
 * bce_closure_return() - the operation is over when all work is done
 * @cl: owned by the caller, gone for it afterwards
 *
 * Its memory is free for use as soon as the parent's count shows it: from the last put on.
 *
 * Context: owner of @cl; may run the parent's continuation.
 */
void bce_closure_return(struct bce_closure *cl)
{
	bce_closure_return_with_destructor(cl, NULL);
}
EXPORT_SYMBOL_GPL(bce_closure_return);

/**
 * bce_closure_return_with_destructor() - the same, and then free the object
 * @cl:         owned by the caller, gone for it afterwards
 * @destructor: called with no references left, before the parent's is put; may free @cl
 *
 * Context: owner of @cl; the destructor runs on the stack of whoever drops the last reference.
 */
void bce_closure_return_with_destructor(struct bce_closure *cl, bce_closure_fn destructor)
{
	cl->fn = destructor;
	cl->dying = true;
	closure_drop(cl, 0);
}
EXPORT_SYMBOL_GPL(bce_closure_return_with_destructor);

/* Announce the sleep. False: no other references are left, nothing to sleep for. */
static bool sleep_begin(struct bce_closure *cl)
{
	int old;

	for (;;) {
		/* pairs with closure_drop(): what holders did before their put is visible */
		old = atomic_read_acquire(&cl->state);
		if (state_count(old) <= 1)
			return false;
		WARN_ONCE(old & STATE_SLEEPING, "closure: two tasks sync the same closure\n");
		WRITE_ONCE(cl->sleeper, current);
		if (atomic_cmpxchg(&cl->state, old, old | STATE_SLEEPING) == old)
			return true;
	}
}

/* Withdraw the announcement. False: too late, a putter has answered it. */
static bool sleep_cancel(struct bce_closure *cl)
{
	int old;

	do {
		old = atomic_read_acquire(&cl->state);
		if (!(old & STATE_SLEEPING))
			return false;
	} while (atomic_cmpxchg(&cl->state, old, old & ~STATE_SLEEPING) != old);
	return true;
}

/* pairs with the exchange in drop_and_wake(), as in sleep_begin() */
static bool sleep_answered(struct bce_closure *cl)
{
	return !(atomic_read_acquire(&cl->state) & STATE_SLEEPING);
}

/**
 * bce_closure_sync() - sleep until the caller holds the only reference
 * @cl: owned by the caller, and still so afterwards
 *
 * Context: may sleep, uninterruptibly.
 */
void bce_closure_sync(struct bce_closure *cl)
{
	if (!sleep_begin(cl))
		return;
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (sleep_answered(cl))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}
EXPORT_SYMBOL_GPL(bce_closure_sync);

/**
 * bce_closure_sync_timeout() - the same, but not for ever
 * @cl:              owned by the caller, and still so afterwards
 * @timeout_jiffies: longest time to sleep
 *
 * Context: may sleep, uninterruptibly.
 * Return:  jiffies left, at least 1, or -ETIME: others still hold references; the caller must
 *          sync again, continue or return before the memory may go.
 */
long bce_closure_sync_timeout(struct bce_closure *cl, unsigned long timeout_jiffies)
{
	long left = min_t(unsigned long, timeout_jiffies, MAX_SCHEDULE_TIMEOUT);

	if (!sleep_begin(cl))
		return max(left, 1L);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (sleep_answered(cl) || !left)
			break;
		left = schedule_timeout(left);
	}
	__set_current_state(TASK_RUNNING);

	return sleep_cancel(cl) ? -ETIME : max(left, 1L);
}
EXPORT_SYMBOL_GPL(bce_closure_sync_timeout);

/**
 * bce_closure_wait() - queue a closure for an event
 * @list: woken when the event happens
 * @cl:   owned by the caller; gets a reference that the waker drops
 *
 * The caller looks at its condition after this and before it sleeps or continues;
 * the bce_closure_wait_event() family does so.
 *
 * Context: any, by the owner of @cl only. Lock-free.
 * Return:  false if @cl is on a list still: a wake-up is due or under way.
 */
bool bce_closure_wait(struct bce_closure_waitlist *list, struct bce_closure *cl)
{
	int old;

	do {
		old = atomic_read(&cl->state);
		if (old & STATE_WAITING) {
			/* orders the caller's look at its condition as llist_add() would */
			smp_mb();
			return false;
		}
		WARN_ONCE(!state_count(old), "closure: wait of a closure that is over\n");
	} while (atomic_cmpxchg(&cl->state, old, (old + 1) | STATE_WAITING) != old);

	llist_add(&cl->waiting, &list->list);
	return true;
}
EXPORT_SYMBOL_GPL(bce_closure_wait);

/**
 * bce_closure_wake_up() - wake all closures on a list, the longest waiting first
 * @list: may be empty
 *
 * The caller has made the condition true before.
 *
 * Context: any that suits the waiters' in-place continuations. Lock-free.
 */
void bce_closure_wake_up(struct bce_closure_waitlist *list)
{
	struct llist_node *node, *next;

	/* condition before list; pairs with llist_add() in bce_closure_wait() */
	smp_mb();
	if (llist_empty(&list->list))
		return;

	node = llist_reverse_order(llist_del_all(&list->list));
	for (; node; node = next) {
		/* before the drop: afterwards the closure may be gone */
		next = node->next;
		closure_drop(llist_entry(node, struct bce_closure, waiting), STATE_WAITING);
	}
}
EXPORT_SYMBOL_GPL(bce_closure_wake_up);

/**
 * bce_closure_wait_end() - stop waiting and sleep until all references are back
 * @list: the list @cl waited on
 * @cl:   owned by the caller
 *
 * One closure cannot be unlinked alone, so if it is still queued the whole list is woken; the
 * others look at their conditions and queue again.
 *
 * Context: may sleep, uninterruptibly.
 */
void bce_closure_wait_end(struct bce_closure_waitlist *list, struct bce_closure *cl)
{
	if (atomic_read(&cl->state) & STATE_WAITING)
		bce_closure_wake_up(list);
	bce_closure_sync(cl);
}
EXPORT_SYMBOL_GPL(bce_closure_wait_end);
