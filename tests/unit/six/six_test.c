// SPDX-License-Identifier: GPL-2.0
/* Six locks one step at a time, and waiting with two or three threads. */
#include "six/six.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "kapi/kapi.h"

#define R BCE_SIX_READ
#define I BCE_SIX_INTENT
#define W BCE_SIX_WRITE

static struct bce_six_lock lock;

static int fresh_lock(void **state)
{
	bce_six_lock_init(&lock);
	return 0;
}

static int lock_is_free(void **state)
{
	struct bce_six_holders h;

	bce_six_holders(&lock, &h);
	assert_int_equal(h.readers, 0);
	assert_false(h.intent);
	assert_false(h.write);
	assert_null(h.owner);
	bce_six_lock_exit(&lock);
	return 0;
}

static void assert_held(unsigned int readers, bool intent, bool write)
{
	struct bce_six_holders h;

	bce_six_holders(&lock, &h);
	assert_int_equal(h.readers, readers);
	assert_int_equal(h.intent, intent);
	assert_int_equal(h.write, write);
	assert_ptr_equal(h.owner, intent ? current : NULL);
	assert_int_equal(h.seq, bce_six_seq(&lock));
	assert_int_equal(h.seq & 1, write);
}

static void lock_write(void)
{
	bce_six_lock(&lock, I);
	bce_six_lock(&lock, W);
}

static void unlock_write(void)
{
	bce_six_unlock(&lock, W);
	bce_six_unlock(&lock, I);
}

/* ---- states ---- */

static void every_state(void **state)
{
	assert_held(0, false, false);
	bce_six_lock(&lock, R);
	assert_held(1, false, false);
	bce_six_lock(&lock, R);
	assert_held(2, false, false);
	bce_six_lock(&lock, I);
	assert_held(2, true, false);
	bce_six_unlock(&lock, R);
	bce_six_unlock(&lock, R);
	assert_held(0, true, false);
	bce_six_lock(&lock, W);
	assert_held(0, true, true);
	bce_six_unlock(&lock, W);
	assert_held(0, true, false);
	bce_six_lock(&lock, R);
	assert_held(1, true, false);
	bce_six_unlock(&lock, I);
	assert_held(1, false, false);
	bce_six_unlock(&lock, R);
}

/* What another task could have now; a success is undone. */
static void assert_tries(bool read, bool intent)
{
	assert_int_equal(bce_six_trylock(&lock, R), read);
	if (read)
		bce_six_unlock(&lock, R);
	assert_int_equal(bce_six_trylock(&lock, I), intent);
	if (intent)
		bce_six_unlock(&lock, I);
}

static void trylock_matrix(void **state)
{
	assert_tries(true, true);

	bce_six_lock(&lock, R);
	assert_tries(true, true);
	bce_six_lock(&lock, I);
	assert_tries(true, false);
	assert_false(bce_six_trylock(&lock, W));
	bce_six_unlock(&lock, R);

	assert_tries(true, false);
	assert_true(bce_six_trylock(&lock, W));
	assert_tries(false, false);
	assert_false(bce_six_trylock(&lock, W));
	unlock_write();
	assert_tries(true, true);
}

static void upgrade_and_downgrade(void **state)
{
	bce_six_lock(&lock, R);
	assert_true(bce_six_tryupgrade(&lock));
	assert_held(0, true, false);
	bce_six_downgrade(&lock);
	assert_held(1, false, false);

	bce_six_lock(&lock, I);
	assert_false(bce_six_tryupgrade(&lock));
	assert_held(1, true, false);
	bce_six_unlock(&lock, I);

	assert_true(bce_six_convert(&lock, R, R));
	assert_true(bce_six_convert(&lock, R, I));
	assert_held(0, true, false);
	assert_true(bce_six_convert(&lock, I, R));
	assert_held(1, false, false);
	bce_six_unlock(&lock, R);
}

static void increments(void **state)
{
	bce_six_lock(&lock, R);
	bce_six_increment(&lock, R);
	assert_held(2, false, false);
	bce_six_unlock(&lock, R);
	bce_six_unlock(&lock, R);

	bce_six_lock(&lock, I);
	bce_six_increment(&lock, I);
	bce_six_lock(&lock, W);
	bce_six_increment(&lock, W);
	bce_six_unlock(&lock, W);
	assert_held(0, true, true);
	bce_six_unlock(&lock, W);
	bce_six_unlock(&lock, I);
	assert_held(0, true, false);
	bce_six_increment(&lock, R);
	assert_held(1, true, false);
	bce_six_unlock(&lock, I);
	bce_six_unlock(&lock, R);
}

static void own_readers_can_be_hidden(void **state)
{
	bce_six_lock(&lock, R);
	bce_six_increment(&lock, R);
	bce_six_lock(&lock, I);
	assert_false(bce_six_trylock(&lock, W));
	bce_six_hide_readers(&lock, 2);
	assert_true(bce_six_trylock(&lock, W));
	bce_six_unlock(&lock, W);
	bce_six_show_readers(&lock, 2);
	assert_held(2, true, false);
	bce_six_unlock(&lock, I);
	bce_six_unlock(&lock, R);
	bce_six_unlock(&lock, R);
}

static void relock_by_sequence(void **state)
{
	enum bce_six_type type;
	u32 seq;

	for (type = R; type <= I; type++) {
		bce_six_lock(&lock, type);
		seq = bce_six_seq(&lock);
		bce_six_unlock(&lock, type);

		/* other readers and intents do no harm */
		bce_six_lock(&lock, I);
		bce_six_unlock(&lock, I);
		assert_true(bce_six_relock(&lock, type, seq));
		bce_six_unlock(&lock, type);

		lock_write();
		assert_false(bce_six_relock(&lock, type, seq));
		assert_false(bce_six_relock(&lock, type, bce_six_seq(&lock)));
		bce_six_unlock(&lock, W);
		assert_false(bce_six_relock(&lock, type, seq));
		bce_six_unlock(&lock, I);
		assert_false(bce_six_relock(&lock, type, seq));
		assert_int_equal(bce_six_seq(&lock), seq + 2);
	}
}

static void relock_needs_a_free_lock(void **state)
{
	u32 seq = bce_six_seq(&lock);

	bce_six_lock(&lock, I);
	assert_false(bce_six_relock(&lock, I, seq));
	assert_true(bce_six_relock(&lock, R, seq));
	bce_six_unlock(&lock, R);
	bce_six_unlock(&lock, I);
}

static void sequence_wraps(void **state)
{
	/* the number before the last write before it comes round */
	atomic64_set(&lock.state, (s64)(0xfffffffeULL << 32));
	lock_write();
	assert_int_equal(bce_six_seq(&lock), 0xffffffffU);
	assert_held(0, true, true);
	bce_six_unlock(&lock, W);
	assert_int_equal(bce_six_seq(&lock), 0);
	assert_held(0, true, false);
	bce_six_unlock(&lock, I);
}

static void misuse_warns(void **state)
{
	unsigned int before = kapi_warn_count();

	bce_six_unlock(&lock, R);
	bce_six_unlock(&lock, I);
	bce_six_unlock(&lock, W);
	assert_int_equal(kapi_warn_count(), before + 3);
	assert_held(0, false, false);

	assert_false(bce_six_trylock(&lock, W));
	assert_false(bce_six_relock(&lock, W, 0));
	assert_false(bce_six_tryupgrade(&lock));
	bce_six_increment(&lock, R);
	bce_six_hide_readers(&lock, 1);
	assert_false(bce_six_convert(&lock, W, R));
	assert_int_equal(kapi_warn_count(), before + 9);
	assert_held(0, false, false);

	lock_write();
	bce_six_unlock(&lock, I);
	assert_int_equal(kapi_warn_count(), before + 9);	/* the same place warns once */
	assert_held(0, true, true);
	bce_six_lock_exit(&lock);
	assert_int_equal(kapi_warn_count(), before + 10);
	unlock_write();
}

/* ---- waiting ---- */

struct waiting {
	enum bce_six_type	type;
	bce_six_should_sleep_fn	should_sleep;
	atomic_t		asked;
	atomic_t		give_up;
	atomic_t		has_lock;
	atomic_t		may_unlock;
	int			ret;
	int			rank;
	pthread_t		thread;
};

static atomic_t ranks;

static void await(atomic_t *v, int least)
{
	unsigned int ms;

	for (ms = 0; ms < 10000 && atomic_read_acquire(v) < least; ms++)
		usleep(1000);
	assert_true(atomic_read_acquire(v) >= least);
}

static void *wait_for_lock(void *arg)
{
	struct waiting *w = arg;
	struct bce_six_waiter waiter;

	w->ret = bce_six_lock_hooked(&lock, w->type, &waiter, w->should_sleep, w);
	if (!w->ret)
		w->rank = atomic_inc_return(&ranks);
	atomic_set_release(&w->has_lock, 1);
	while (!atomic_read_acquire(&w->may_unlock))
		usleep(200);
	if (!w->ret)
		bce_six_unlock(&lock, w->type);
	return NULL;
}

static int ask(struct bce_six_lock *l, void *arg)
{
	struct waiting *w = arg;

	atomic_inc(&w->asked);
	return atomic_read_acquire(&w->give_up) ? -EDEADLK : 0;
}

static void start_waiting(struct waiting *w, enum bce_six_type type)
{
	memset(w, 0, sizeof(*w));
	w->type = type;
	w->should_sleep = ask;
	assert_int_equal(pthread_create(&w->thread, NULL, wait_for_lock, w), 0);
}

/* until it is on the list and has asked */
static void start_and_await_sleep(struct waiting *w, enum bce_six_type type)
{
	start_waiting(w, type);
	await(&w->asked, 1);
	assert_int_equal(atomic_read(&w->has_lock), 0);
}

static void finish(struct waiting *w)
{
	atomic_set_release(&w->may_unlock, 1);
	pthread_join(w->thread, NULL);
}

static bool has_lock_after_ms(struct waiting *w, unsigned int ms)
{
	usleep(ms * 1000);
	return atomic_read_acquire(&w->has_lock);
}

static void reader_waits_for_write(void **state)
{
	struct waiting r[2];

	lock_write();
	start_and_await_sleep(&r[0], R);
	start_and_await_sleep(&r[1], R);
	assert_false(has_lock_after_ms(&r[0], 10));
	bce_six_unlock(&lock, W);

	/* both were let in by the unlock: another write finds them there */
	assert_held(2, true, false);
	assert_false(bce_six_trylock(&lock, W));
	await(&r[0].has_lock, 1);
	await(&r[1].has_lock, 1);
	finish(&r[0]);
	finish(&r[1]);
	bce_six_unlock(&lock, I);
}

static void intents_are_served_in_order(void **state)
{
	struct waiting w[3];
	unsigned int i;

	atomic_set(&ranks, 0);
	bce_six_lock(&lock, I);
	for (i = 0; i < 3; i++)
		start_and_await_sleep(&w[i], I);
	bce_six_unlock(&lock, I);
	/* handed over, never free in between */
	assert_false(bce_six_trylock(&lock, I));
	for (i = 0; i < 3; i++) {
		await(&w[i].has_lock, 1);
		assert_false(bce_six_trylock(&lock, I));
		finish(&w[i]);
		assert_int_equal(w[i].rank, i + 1);
	}
}

struct write_waiting {
	struct waiting	w;
	atomic_t	has_intent;
};

static void *wait_for_write(void *arg)
{
	struct write_waiting *ww = arg;
	struct bce_six_waiter waiter;

	bce_six_lock(&lock, I);
	atomic_set_release(&ww->has_intent, 1);
	ww->w.ret = bce_six_lock_hooked(&lock, W, &waiter, ww->w.should_sleep, &ww->w);
	atomic_set_release(&ww->w.has_lock, 1);
	while (!atomic_read_acquire(&ww->w.may_unlock))
		usleep(200);
	if (!ww->w.ret)
		bce_six_unlock(&lock, W);
	bce_six_unlock(&lock, I);
	return NULL;
}

static void start_writer(struct write_waiting *ww)
{
	memset(ww, 0, sizeof(*ww));
	ww->w.should_sleep = ask;
	assert_int_equal(pthread_create(&ww->w.thread, NULL, wait_for_write, ww), 0);
	await(&ww->w.asked, 1);
}

static void waiting_writer_refuses_new_readers(void **state)
{
	struct write_waiting ww;
	struct waiting r;

	bce_six_lock(&lock, R);
	start_writer(&ww);
	assert_false(bce_six_trylock(&lock, R));
	assert_false(bce_six_relock(&lock, R, bce_six_seq(&lock)));
	start_and_await_sleep(&r, R);

	/* but who holds read already may hold it twice */
	bce_six_increment(&lock, R);
	bce_six_unlock(&lock, R);
	assert_false(has_lock_after_ms(&ww.w, 10));

	bce_six_unlock(&lock, R);
	await(&ww.w.has_lock, 1);
	assert_false(has_lock_after_ms(&r, 10));
	finish(&ww.w);
	await(&r.has_lock, 1);
	finish(&r);
}

static void writer_giving_up_lets_readers_in(void **state)
{
	struct write_waiting ww;
	struct waiting r;

	bce_six_lock(&lock, R);
	start_writer(&ww);
	start_and_await_sleep(&r, R);
	atomic_set_release(&ww.w.give_up, 1);
	bce_six_recheck_waiters(&lock);
	await(&ww.w.has_lock, 1);
	await(&r.has_lock, 1);
	assert_true(bce_six_trylock(&lock, R));
	bce_six_unlock(&lock, R);
	finish(&ww.w);
	finish(&r);
	assert_int_equal(ww.w.ret, -EDEADLK);
	assert_int_equal(r.ret, 0);
	bce_six_unlock(&lock, R);
}

static void hook_can_refuse_to_sleep(void **state)
{
	struct bce_six_waiter waiter;
	struct waiting me = { .give_up = { 1 } };
	enum bce_six_type type;

	for (type = R; type <= I; type++) {
		lock_write();
		assert_int_equal(bce_six_lock_hooked(&lock, type, &waiter, ask, &me), -EDEADLK);
		assert_int_equal(atomic_read(&me.asked), type + 1);
		unlock_write();
		assert_tries(true, true);
	}

	bce_six_lock(&lock, R);
	bce_six_lock(&lock, I);
	assert_int_equal(bce_six_lock_hooked(&lock, W, &waiter, ask, &me), -EDEADLK);
	assert_int_equal(atomic_read(&me.asked), 3);
	assert_tries(true, false);
	bce_six_unlock(&lock, I);
	bce_six_unlock(&lock, R);
}

static void hook_is_not_asked_for_a_free_lock(void **state)
{
	struct bce_six_waiter waiter;
	struct waiting me = { .give_up = { 1 } };

	assert_int_equal(bce_six_lock_hooked(&lock, I, &waiter, ask, &me), 0);
	assert_int_equal(bce_six_lock_hooked(&lock, W, &waiter, ask, &me), 0);
	unlock_write();
	assert_int_equal(atomic_read(&me.asked), 0);
}

static void recheck_ends_a_sleep(void **state)
{
	struct waiting w;

	bce_six_lock(&lock, I);
	start_and_await_sleep(&w, I);
	bce_six_recheck_waiters(&lock);
	await(&w.asked, 2);
	assert_false(has_lock_after_ms(&w, 10));
	atomic_set_release(&w.give_up, 1);
	bce_six_recheck_waiters(&lock);
	await(&w.has_lock, 1);
	finish(&w);
	assert_int_equal(w.ret, -EDEADLK);
	bce_six_unlock(&lock, I);
	assert_tries(true, true);
}

/* Asked for the first time: somebody chooses a victim right now, before the sleep. */
static int recheck_then_sleep(struct bce_six_lock *l, void *arg)
{
	unsigned int *asked = arg;

	if ((*asked)++)
		return -EDEADLK;
	bce_six_recheck_waiters(l);
	return 0;
}

static void recheck_before_the_sleep_is_not_lost(void **state)
{
	struct bce_six_waiter waiter;
	unsigned int asked = 0;

	bce_six_lock(&lock, I);
	alarm(10);
	assert_int_equal(bce_six_lock_hooked(&lock, I, &waiter, recheck_then_sleep, &asked),
			 -EDEADLK);
	alarm(0);
	assert_int_equal(asked, 2);
	bce_six_unlock(&lock, I);
}

/* Hands the lock over while the waiter is deciding to give up: then it has it, and no error. */
static int unlock_then_refuse(struct bce_six_lock *l, void *arg)
{
	bce_six_unlock(l, I);
	return -EDEADLK;
}

static void handover_beats_giving_up(void **state)
{
	struct bce_six_waiter waiter;

	bce_six_lock(&lock, I);
	assert_int_equal(bce_six_lock_hooked(&lock, I, &waiter, unlock_then_refuse, NULL), 0);
	assert_held(0, true, false);
	bce_six_unlock(&lock, I);
}

struct seen {
	unsigned int	nr;
	struct waiting	*arg[4];
	enum bce_six_type type[4];
};

static bool see(struct bce_six_waiter *w, void *arg)
{
	struct seen *s = arg;

	assert_ptr_equal(w->lock, &lock);
	assert_ptr_not_equal(w->task, current);
	s->arg[s->nr] = w->arg;
	s->type[s->nr++] = w->type;
	return s->nr == 4;
}

static void waiters_can_be_walked(void **state)
{
	struct waiting a, b;
	struct seen s = {};
	char text[256];
	int len;

	lock_write();
	start_and_await_sleep(&a, I);
	start_and_await_sleep(&b, R);
	assert_false(bce_six_for_each_waiter(&lock, see, &s));
	assert_int_equal(s.nr, 2);
	assert_ptr_equal(s.arg[0], &a);
	assert_ptr_equal(s.arg[1], &b);
	assert_int_equal(s.type[0], I);
	assert_int_equal(s.type[1], R);
	s.nr = 3;
	assert_true(bce_six_for_each_waiter(&lock, see, &s));
	assert_int_equal(s.nr, 4);

	len = bce_six_to_text(&lock, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_non_null(strstr(text, "readers 0, intent 1"));
	assert_non_null(strstr(text, "write 1, seq 1"));
	assert_non_null(strstr(text, "waits for intent"));
	assert_non_null(strstr(text, "waits for read"));
	assert_int_equal(bce_six_to_text(&lock, text, 8), 7);

	unlock_write();
	await(&a.has_lock, 1);
	await(&b.has_lock, 1);
	finish(&a);
	finish(&b);
}

/* ---- a stream of readers that never leaves the lock free ---- */

static atomic_t stop_stream;
static atomic_t stream_inside;

static void *stream_of_readers(void *arg)
{
	while (!atomic_read_acquire(&stop_stream)) {
		bce_six_lock(&lock, R);
		atomic_inc_return(&stream_inside);
		usleep(2000);
		bce_six_unlock(&lock, R);
	}
	return NULL;
}

static void readers_do_not_starve_writer(void **state)
{
	pthread_t t[4];
	unsigned int i, writes;

	atomic_set(&stop_stream, 0);
	atomic_set(&stream_inside, 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_create(&t[i], NULL, stream_of_readers, NULL), 0);
		usleep(500);
	}
	await(&stream_inside, 4);
	alarm(20);
	for (writes = 0; writes < 50; writes++) {
		lock_write();
		unlock_write();
	}
	alarm(0);
	atomic_set_release(&stop_stream, 1);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Writes back to back: readers must come in between. */
static void writers_do_not_starve_readers(void **state)
{
	pthread_t t;
	unsigned int n;

	atomic_set(&stop_stream, 0);
	atomic_set(&stream_inside, 0);
	assert_int_equal(pthread_create(&t, NULL, stream_of_readers, NULL), 0);
	for (n = 0; n < 10000000 && atomic_read_acquire(&stream_inside) < 20; n++) {
		lock_write();
		unlock_write();
	}
	assert_true(atomic_read(&stream_inside) >= 20);
	atomic_set_release(&stop_stream, 1);
	pthread_join(t, NULL);
}

#define SIX_TEST(fn)	cmocka_unit_test_setup_teardown(fn, fresh_lock, lock_is_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIX_TEST(every_state),
		SIX_TEST(trylock_matrix),
		SIX_TEST(upgrade_and_downgrade),
		SIX_TEST(increments),
		SIX_TEST(own_readers_can_be_hidden),
		SIX_TEST(relock_by_sequence),
		SIX_TEST(relock_needs_a_free_lock),
		SIX_TEST(sequence_wraps),
		SIX_TEST(reader_waits_for_write),
		SIX_TEST(intents_are_served_in_order),
		SIX_TEST(waiting_writer_refuses_new_readers),
		SIX_TEST(writer_giving_up_lets_readers_in),
		SIX_TEST(hook_can_refuse_to_sleep),
		SIX_TEST(hook_is_not_asked_for_a_free_lock),
		SIX_TEST(recheck_ends_a_sleep),
		SIX_TEST(recheck_before_the_sleep_is_not_lost),
		SIX_TEST(handover_beats_giving_up),
		SIX_TEST(waiters_can_be_walked),
		SIX_TEST(readers_do_not_starve_writer),
		SIX_TEST(writers_do_not_starve_readers),
		SIX_TEST(misuse_warns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
