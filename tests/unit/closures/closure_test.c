// SPDX-License-Identifier: GPL-2.0
/* Closures one step at a time: counts, chains, continuations, wait lists. */
#include "closures/closure.h"

#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "kapi/kapi.h"
#include "wait_event_race.h"

/* An operation that notes what happened to it, in order. */
struct op {
	struct bce_closure	cl;
	struct op		*up;
	char			log[32];
	unsigned int		len;
	pthread_t		ran_on;
	atomic_t		done;
};

static void note(struct op *op, char what)
{
	assert_true(op->len < sizeof(op->log) - 1);
	op->log[op->len++] = what;
	op->log[op->len] = 0;
}

static struct op *to_op(struct bce_closure *cl)
{
	return container_of(cl, struct op, cl);
}

static void fn_return(struct bce_closure *cl)
{
	note(to_op(cl), 'f');
	assert_int_equal(bce_closure_count(cl), 1);
	bce_closure_return(cl);
}

static void fn_on_wq(struct bce_closure *cl)
{
	struct op *op = to_op(cl);

	op->ran_on = pthread_self();
	note(op, 'w');
	atomic_set_release(&op->done, 1);
}

static void destroy(struct bce_closure *cl)
{
	struct op *op = to_op(cl);

	note(op->up, 'd');
	free(op);
}

static void counts(void **state)
{
	struct op op = {};

	bce_closure_init(&op.cl, NULL);
	assert_int_equal(bce_closure_count(&op.cl), 1);
	bce_closure_get(&op.cl);
	bce_closure_get(&op.cl);
	assert_int_equal(bce_closure_count(&op.cl), 3);
	bce_closure_put(&op.cl);
	bce_closure_put(&op.cl);
	assert_int_equal(bce_closure_count(&op.cl), 1);
	bce_closure_sync(&op.cl);
	assert_int_equal(bce_closure_sync_timeout(&op.cl, 7), 7);
	assert_int_equal(bce_closure_count(&op.cl), 1);
}

static void continues_in_place_at_last_put(void **state)
{
	struct op op = {};

	bce_closure_init(&op.cl, NULL);
	bce_closure_get(&op.cl);
	bce_closure_get(&op.cl);
	bce_closure_continue_at(&op.cl, fn_return, NULL);
	bce_closure_put(&op.cl);
	assert_string_equal(op.log, "");
	bce_closure_put(&op.cl);
	assert_string_equal(op.log, "f");
}

static void continues_at_once_without_work(void **state)
{
	struct op op = {};

	bce_closure_init(&op.cl, NULL);
	bce_closure_continue_at(&op.cl, fn_return, NULL);
	assert_string_equal(op.log, "f");

	bce_closure_init(&op.cl, NULL);
	bce_closure_continue_at_nobarrier(&op.cl, fn_return, NULL);
	assert_string_equal(op.log, "ff");

	bce_closure_call(&op.cl, fn_return, NULL, NULL);
	assert_string_equal(op.log, "fff");
}

static void wait_done(struct op *op)
{
	unsigned int ms;

	for (ms = 0; ms < 5000 && !atomic_read_acquire(&op->done); ms++)
		usleep(1000);
	assert_int_equal(atomic_read_acquire(&op->done), 1);
}

static void continues_on_workqueue(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("bce_closure_test", 0, 0);
	struct op op = {};

	assert_non_null(wq);
	bce_closure_init(&op.cl, NULL);
	bce_closure_get(&op.cl);
	bce_closure_continue_at(&op.cl, fn_on_wq, wq);
	assert_int_equal(atomic_read(&op.done), 0);
	bce_closure_put(&op.cl);
	wait_done(&op);
	assert_false(pthread_equal(op.ran_on, pthread_self()));

	atomic_set(&op.done, 0);
	bce_closure_continue_at_nobarrier(&op.cl, fn_on_wq, wq);
	wait_done(&op);
	assert_string_equal(op.log, "ww");
	destroy_workqueue(wq);
}

static void fn_third(struct bce_closure *cl)
{
	note(to_op(cl), '3');
	bce_closure_return(cl);
}

static void fn_second(struct bce_closure *cl)
{
	note(to_op(cl), '2');
	bce_closure_continue_at(cl, fn_third, NULL);
}

static void fn_first(struct bce_closure *cl)
{
	note(to_op(cl), '1');
	bce_closure_get(cl);
	bce_closure_continue_at(cl, fn_second, NULL);
}

static void chains_continuations(void **state)
{
	struct op op = {};

	bce_closure_call(&op.cl, fn_first, NULL, NULL);
	assert_string_equal(op.log, "1");
	bce_closure_put(&op.cl);
	assert_string_equal(op.log, "123");
}

static void parent_waits_for_children(void **state)
{
	struct op grand = {}, parent = {}, a = {}, b = {};

	bce_closure_init(&grand.cl, NULL);
	bce_closure_init(&parent.cl, &grand.cl);
	bce_closure_init(&a.cl, &parent.cl);
	bce_closure_init(&b.cl, &parent.cl);
	assert_int_equal(bce_closure_count(&grand.cl), 2);
	assert_int_equal(bce_closure_count(&parent.cl), 3);

	bce_closure_continue_at(&grand.cl, fn_return, NULL);
	bce_closure_continue_at(&parent.cl, fn_return, NULL);
	bce_closure_return(&a.cl);
	assert_string_equal(parent.log, "");
	bce_closure_return(&b.cl);
	assert_string_equal(parent.log, "f");
	assert_string_equal(grand.log, "f");
}

static void destructor_runs_before_parent(void **state)
{
	struct op parent = {};
	struct op *child = calloc(1, sizeof(*child));

	assert_non_null(child);
	bce_closure_init(&parent.cl, NULL);
	child->up = &parent;
	bce_closure_init(&child->cl, &parent.cl);
	bce_closure_get(&child->cl);
	bce_closure_continue_at(&parent.cl, fn_return, NULL);
	bce_closure_return_with_destructor(&child->cl, destroy);
	assert_string_equal(parent.log, "");
	bce_closure_put(&child->cl);
	assert_string_equal(parent.log, "df");
}

static void wake_up_wakes_all(void **state)
{
	struct bce_closure_waitlist list;
	struct op parent = {}, *op[3];
	unsigned int i;

	bce_closure_waitlist_init(&list);
	bce_closure_init(&parent.cl, NULL);
	for (i = 0; i < 3; i++) {
		op[i] = calloc(1, sizeof(*op[i]));
		assert_non_null(op[i]);
		op[i]->up = &parent;
		bce_closure_init(&op[i]->cl, &parent.cl);
		assert_true(bce_closure_wait(&list, &op[i]->cl));
		assert_false(bce_closure_wait(&list, &op[i]->cl));
		assert_int_equal(bce_closure_count(&op[i]->cl), 2);
		bce_closure_return_with_destructor(&op[i]->cl, destroy);
	}
	assert_string_equal(parent.log, "");
	bce_closure_wake_up(&list);
	assert_string_equal(parent.log, "ddd");
	assert_int_equal(bce_closure_count(&parent.cl), 1);
	bce_closure_wake_up(&list);
	bce_closure_sync(&parent.cl);
}

static unsigned int order[3], order_len;

static void fn_order(struct bce_closure *cl)
{
	order[order_len++] = to_op(cl)->len;
	bce_closure_return(cl);
}

static void oldest_waiter_first(void **state)
{
	struct bce_closure_waitlist list;
	struct op op[3] = {};
	unsigned int i;

	bce_closure_waitlist_init(&list);
	order_len = 0;
	for (i = 0; i < 3; i++) {
		op[i].len = i;
		bce_closure_init(&op[i].cl, NULL);
		bce_closure_wait(&list, &op[i].cl);
		bce_closure_continue_at(&op[i].cl, fn_order, NULL);
	}
	bce_closure_wake_up(&list);
	assert_int_equal(order_len, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(order[i], i);
}

static void can_wait_again_after_wake_up(void **state)
{
	struct bce_closure_waitlist list;
	struct bce_closure cl;

	bce_closure_waitlist_init(&list);
	bce_closure_init(&cl, NULL);
	assert_true(bce_closure_wait(&list, &cl));
	bce_closure_wake_up(&list);
	assert_int_equal(bce_closure_count(&cl), 1);
	assert_true(bce_closure_wait(&list, &cl));
	bce_closure_wait_end(&list, &cl);
	assert_int_equal(bce_closure_count(&cl), 1);
}

static void *put_later(void *arg)
{
	usleep(20000);
	bce_closure_put(arg);
	return NULL;
}

static void sync_sleeps_until_put(void **state)
{
	struct bce_closure cl;
	pthread_t t;

	bce_closure_init(&cl, NULL);
	bce_closure_get(&cl);
	assert_int_equal(pthread_create(&t, NULL, put_later, &cl), 0);
	bce_closure_sync(&cl);
	assert_int_equal(bce_closure_count(&cl), 1);
	pthread_join(t, NULL);
}

static void sync_times_out_and_can_be_repeated(void **state)
{
	unsigned int warnings = kapi_warn_count();
	struct bce_closure cl;
	pthread_t t;

	bce_closure_init(&cl, NULL);
	bce_closure_get(&cl);
	assert_int_equal(bce_closure_sync_timeout(&cl, msecs_to_jiffies(10)), -ETIME);
	assert_int_equal(bce_closure_sync_timeout(&cl, 0), -ETIME);
	assert_int_equal(bce_closure_count(&cl), 2);

	assert_int_equal(pthread_create(&t, NULL, put_later, &cl), 0);
	assert_true(bce_closure_sync_timeout(&cl, msecs_to_jiffies(10000)) > 0);
	assert_int_equal(bce_closure_count(&cl), 1);
	assert_int_equal(kapi_warn_count(), warnings);
	pthread_join(t, NULL);
}

static void wait_event_sees_event_before_queueing(void **state)
{
	assert_true(wait_event_finishes(5000));
}

static void wait_event_times_out(void **state)
{
	struct bce_closure_waitlist list;

	bce_closure_waitlist_init(&list);
	assert_int_equal(bce_closure_wait_event_timeout(&list, false, msecs_to_jiffies(10)),
			 -ETIME);
	assert_true(llist_empty(&list.list));
	assert_int_equal(bce_closure_wait_event_timeout(&list, true, 5), 5);
}

struct flag {
	struct bce_closure_waitlist	list;
	atomic_t			up;
};

static void *raise_later(void *arg)
{
	struct flag *f = arg;

	usleep(10000);
	bce_closure_wake_up(&f->list);	/* for nothing: the waiter must queue again */
	usleep(10000);
	atomic_set_release(&f->up, 1);
	bce_closure_wake_up(&f->list);
	return NULL;
}

static void wait_event_sleeps_until_true(void **state)
{
	struct flag f = {};
	pthread_t t;

	bce_closure_waitlist_init(&f.list);
	assert_int_equal(pthread_create(&t, NULL, raise_later, &f), 0);
	bce_closure_wait_event(&f.list, atomic_read_acquire(&f.up));
	assert_int_equal(atomic_read(&f.up), 1);
	pthread_join(t, NULL);

	atomic_set(&f.up, 0);
	assert_int_equal(pthread_create(&t, NULL, raise_later, &f), 0);
	assert_true(bce_closure_wait_event_timeout(&f.list, atomic_read_acquire(&f.up),
						   msecs_to_jiffies(10000)) > 0);
	pthread_join(t, NULL);
}

static void async_wait_continues_on_event(void **state)
{
	struct flag f = {};
	struct op op = {};

	bce_closure_waitlist_init(&f.list);
	bce_closure_init(&op.cl, NULL);
	assert_false(bce_closure_wait_event_async(&f.list, &op.cl, atomic_read(&f.up)));
	bce_closure_continue_at(&op.cl, fn_return, NULL);
	assert_string_equal(op.log, "");
	atomic_set(&f.up, 1);
	bce_closure_wake_up(&f.list);
	assert_string_equal(op.log, "f");

	/* true at once: not queued */
	bce_closure_init(&op.cl, NULL);
	assert_true(bce_closure_wait_event_async(&f.list, &op.cl, atomic_read(&f.up)));
	assert_int_equal(bce_closure_count(&op.cl), 1);
}

/* False when first asked, true right after: the event comes between the look and the queueing. */
static bool true_after_first_look(struct flag *f)
{
	bool up = atomic_read_acquire(&f->up);

	atomic_set_release(&f->up, 1);
	bce_closure_wake_up(&f->list);
	return up;
}

static void async_wait_looks_again(void **state)
{
	struct flag f = {};
	struct bce_closure cl;

	bce_closure_waitlist_init(&f.list);
	bce_closure_init(&cl, NULL);
	assert_true(bce_closure_wait_event_async(&f.list, &cl, true_after_first_look(&f)));
	assert_int_equal(bce_closure_count(&cl), 1);
	assert_true(llist_empty(&f.list.list));
}

static void misuse_warns(void **state)
{
	unsigned int before = kapi_warn_count();
	struct op op = {};

	bce_closure_init(&op.cl, NULL);
	bce_closure_return(&op.cl);
	assert_int_equal(kapi_warn_count(), before);

	bce_closure_put(&op.cl);
	assert_int_equal(kapi_warn_count(), before + 1);
	assert_int_equal(bce_closure_count(&op.cl), 0);

	bce_closure_get(&op.cl);
	assert_int_equal(kapi_warn_count(), before + 2);
	assert_int_equal(bce_closure_count(&op.cl), 0);

	bce_closure_init(&op.cl, NULL);
	bce_closure_put(&op.cl);
	assert_int_equal(kapi_warn_count(), before + 3);

	/* continued all the same, when the work is done */
	bce_closure_init(&op.cl, NULL);
	bce_closure_get(&op.cl);
	bce_closure_continue_at_nobarrier(&op.cl, fn_return, NULL);
	assert_int_equal(kapi_warn_count(), before + 4);
	assert_string_equal(op.log, "");
	bce_closure_put(&op.cl);
	assert_string_equal(op.log, "f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(continues_in_place_at_last_put),
		cmocka_unit_test(continues_at_once_without_work),
		cmocka_unit_test(continues_on_workqueue),
		cmocka_unit_test(chains_continuations),
		cmocka_unit_test(parent_waits_for_children),
		cmocka_unit_test(destructor_runs_before_parent),
		cmocka_unit_test(wake_up_wakes_all),
		cmocka_unit_test(oldest_waiter_first),
		cmocka_unit_test(can_wait_again_after_wake_up),
		cmocka_unit_test(sync_sleeps_until_put),
		cmocka_unit_test(sync_times_out_and_can_be_repeated),
		cmocka_unit_test(wait_event_sees_event_before_queueing),
		cmocka_unit_test(wait_event_times_out),
		cmocka_unit_test(wait_event_sleeps_until_true),
		cmocka_unit_test(async_wait_continues_on_event),
		cmocka_unit_test(async_wait_looks_again),
		cmocka_unit_test(misuse_warns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
