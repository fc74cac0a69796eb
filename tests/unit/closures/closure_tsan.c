// SPDX-License-Identifier: GPL-2.0
/*
 * Closures under load, for the thread sanitizer: every put publishes what was written before it,
 * freed closures are left alone, no wake-up is lost (a lost one hangs; alarm() ends the program).
 * Exit status 0 or 1.
 */
#include "closures/closure.h"

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kapi/kapi.h"

#define NR_PUTTERS	3
#define SYNC_ROUNDS	20000
#define EVENT_ROUNDS	20000
#define NR_WAITERS	3
#define TREE_ROUNDS	5000
#define NR_CHILDREN	4

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "closure_tsan: %s\n", what);
	exit(1);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	check(!pthread_create(&t, NULL, fn, arg), "no thread");
	return t;
}

/* ---- sync, then free at once ---- */

struct batch {
	struct bce_closure	cl;
	unsigned int		written[NR_PUTTERS];
};

static struct batch *mailbox[NR_PUTTERS];

static void *putter(void *arg)
{
	unsigned int me = (uintptr_t)arg, n;
	struct batch *b;

	for (n = 0; n < SYNC_ROUNDS; n++) {
		while (!(b = xchg(&mailbox[me], NULL)))
			sched_yield();
		b->written[me] = n + 1;
		bce_closure_put(&b->cl);
	}
	return NULL;
}

static void sync_batch(struct batch *b, unsigned int n)
{
	/* every third time with impatience */
	if (n % 3 == 0)
		while (bce_closure_sync_timeout(&b->cl, 1) == -ETIME)
			;
	bce_closure_sync(&b->cl);
}

static void sync_and_free(void)
{
	pthread_t t[NR_PUTTERS];
	unsigned int i, n;

	for (i = 0; i < NR_PUTTERS; i++)
		t[i] = start(putter, (void *)(uintptr_t)i);
	for (n = 0; n < SYNC_ROUNDS; n++) {
		struct batch *b = calloc(1, sizeof(*b));

		check(b, "no memory");
		bce_closure_init(&b->cl, NULL);
		for (i = 0; i < NR_PUTTERS; i++)
			bce_closure_get(&b->cl);
		for (i = 0; i < NR_PUTTERS; i++)
			__atomic_store_n(&mailbox[i], b, __ATOMIC_RELEASE);
		sync_batch(b, n);
		for (i = 0; i < NR_PUTTERS; i++)
			check(b->written[i] == n + 1, "put did not publish");
		free(b);
	}
	for (i = 0; i < NR_PUTTERS; i++)
		pthread_join(t[i], NULL);
}

/* ---- waiters follow a counter, one wait list ---- */

static struct bce_closure_waitlist follow_list;
static atomic_t counter;
static atomic_t followers[NR_WAITERS];

static void *follower(void *arg)
{
	atomic_t *mine = arg;
	int n;

	for (n = 1; n <= EVENT_ROUNDS; n++) {
		bce_closure_wait_event(&follow_list, atomic_read_acquire(&counter) >= n);
		atomic_set_release(mine, n);
		bce_closure_wake_up(&follow_list);
	}
	return NULL;
}

static bool all_at(int n)
{
	unsigned int i;

	for (i = 0; i < NR_WAITERS; i++)
		if (atomic_read_acquire(&followers[i]) < n)
			return false;
	return true;
}

static void wait_events(void)
{
	pthread_t t[NR_WAITERS];
	unsigned int i;
	int n;

	bce_closure_waitlist_init(&follow_list);
	for (i = 0; i < NR_WAITERS; i++)
		t[i] = start(follower, &followers[i]);
	for (n = 1; n <= EVENT_ROUNDS; n++) {
		atomic_set_release(&counter, n);
		bce_closure_wake_up(&follow_list);
		bce_closure_wait_event(&follow_list, all_at(n));
	}
	for (i = 0; i < NR_WAITERS; i++)
		pthread_join(t[i], NULL);
	check(llist_empty(&follow_list.list), "somebody is still queued");
}

/* ---- parents and children on a workqueue ---- */

struct node {
	struct bce_closure	cl;
	unsigned int		value;
	unsigned int		*sum;
};

static struct workqueue_struct *wq;
static struct bce_closure_waitlist tree_list;

static void child_free(struct bce_closure *cl)
{
	free(container_of(cl, struct node, cl));
}

static void child_work(struct bce_closure *cl)
{
	struct node *n = container_of(cl, struct node, cl);

	*n->sum = n->value;
	bce_closure_return_with_destructor(cl, child_free);
}

static void child_woken(struct bce_closure *cl)
{
	bce_closure_continue_at_nobarrier(cl, child_work, wq);
}

static void parent_done(struct bce_closure *cl)
{
	bce_closure_return(cl);
}

static void spawn(struct bce_closure *parent, unsigned int value, unsigned int *sum)
{
	struct node *n = calloc(1, sizeof(*n));

	check(n, "no memory");
	n->value = value;
	n->sum = sum;
	bce_closure_init(&n->cl, parent);
	if (value % 2) {
		bce_closure_continue_at(&n->cl, child_work, wq);
	} else {
		bce_closure_wait(&tree_list, &n->cl);
		bce_closure_continue_at(&n->cl, child_woken, NULL);
	}
}

static void one_tree(void)
{
	unsigned int sums[NR_CHILDREN] = {}, i;
	struct bce_closure root, parent;

	bce_closure_init(&root, NULL);
	bce_closure_init(&parent, &root);
	for (i = 0; i < NR_CHILDREN; i++)
		spawn(&parent, i + 1, &sums[i]);
	bce_closure_wake_up(&tree_list);
	bce_closure_continue_at(&parent, parent_done, wq);
	bce_closure_sync(&root);
	for (i = 0; i < NR_CHILDREN; i++)
		check(sums[i] == i + 1, "parent went on before its children");
}

static void *trees(void *arg)
{
	unsigned int n;

	for (n = 0; n < TREE_ROUNDS; n++)
		one_tree();
	return NULL;
}

static void trees_on_workqueue(void)
{
	pthread_t other;

	wq = alloc_workqueue("bce_closure_tsan", WQ_UNBOUND, 4);
	check(wq, "no workqueue");
	bce_closure_waitlist_init(&tree_list);
	other = start(trees, NULL);
	trees(NULL);
	pthread_join(other, NULL);
	destroy_workqueue(wq);
}

int main(void)
{
	alarm(120);
	sync_and_free();
	wait_events();
	trees_on_workqueue();
	check(!kapi_warn_count(), "a warning");
	return 0;
}
