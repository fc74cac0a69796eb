// SPDX-License-Identifier: GPL-2.0
/*
 * lib/kapi/task.c, wait.c, workqueue.c, timer.c, rcu.c, lock.c: sleeping and waking among
 * threads. threads_tsan.c runs the same under TSan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#define ROUNDS	2000

/* ---- kernel threads ---- */

struct turner {
	struct completion began;
	int turns;
};

static int until_stopped(void *data)
{
	struct turner *turner = data;

	complete(&turner->began);
	while (!kthread_should_stop()) {
		turner->turns++;
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 17;
}

static void kthreads(void **state)
{
	struct turner turner = { .turns = 0 };
	struct task_struct *t;

	init_completion(&turner.began);
	t = kthread_run(until_stopped, &turner, "turner/%d", 3);
	assert_string_equal(t->comm, "turner/3");
	wait_for_completion(&turner.began);
	assert_int_equal(kthread_stop(t), 17);

	turner.turns = 0;
	t = kthread_create(until_stopped, &turner, "unborn");
	assert_int_equal(kthread_stop(t), -EINTR);
	assert_int_equal(turner.turns, 0);
}

/* ---- wait queues ---- */

struct pingpong {
	wait_queue_head_t wait;
	int ball;		/* whose turn: 0 or 1; plain data, ordered by turn */
	int turn;
};

static int player(void *data)
{
	struct pingpong *p = data;

	for (int i = 0; i < ROUNDS; i++) {
		wait_event(p->wait, smp_load_acquire(&p->turn) == 1);
		p->ball++;
		smp_store_release(&p->turn, 0);
		wake_up(&p->wait);
	}
	return 0;
}

static void ping_pong(void **state)
{
	struct pingpong p = { .turn = 0 };
	struct task_struct *t;

	init_waitqueue_head(&p.wait);
	t = kthread_create(player, &p, "player");
	get_task_struct(t);
	wake_up_process(t);
	for (int i = 0; i < ROUNDS; i++) {
		p.ball++;
		smp_store_release(&p.turn, 1);
		wake_up(&p.wait);
		wait_event(p.wait, smp_load_acquire(&p.turn) == 0);
	}
	assert_int_equal(kthread_stop(t), 0);
	put_task_struct(t);
	assert_int_equal(p.ball, 2 * ROUNDS);
}

static void timeouts(void **state)
{
	DECLARE_WAIT_QUEUE_HEAD(q);
	DECLARE_COMPLETION_ONSTACK(c);
	u64 start = ktime_get_ns();

	assert_int_equal(wait_event_timeout(q, false, msecs_to_jiffies(20)), 0);
	assert_true(ktime_get_ns() - start >= 20 * NSEC_PER_MSEC);
	assert_true(wait_event_timeout(q, true, 5) > 0);
	assert_int_equal(wait_for_completion_timeout(&c, 2), 0);
	complete(&c);
	assert_true(wait_for_completion_timeout(&c, 2) > 0);
	assert_false(try_wait_for_completion(&c));
}

/* Exclusive sleepers are woken one at a time. */
static wait_queue_head_t gate;
static atomic_t through, tickets;

static int visitor(void *data)
{
	struct wait_queue_entry e;

	init_wait_entry(&e, WQ_FLAG_EXCLUSIVE);
	for (;;) {
		prepare_to_wait_exclusive(&gate, &e, TASK_UNINTERRUPTIBLE);
		if (atomic_dec_if_positive(&tickets) >= 0)
			break;
		schedule();
	}
	finish_wait(&gate, &e);
	atomic_inc(&through);
	complete(data);
	return 0;
}

static void one_at_a_time(void **state)
{
	struct completion c[4];

	init_waitqueue_head(&gate);
	for (int i = 0; i < 4; i++) {
		init_completion(&c[i]);
		kthread_run(visitor, &c[i], "visitor");
	}
	for (int i = 0; i < 4; i++) {
		atomic_inc(&tickets);
		wake_up(&gate);
	}
	for (int i = 0; i < 4; i++)
		wait_for_completion(&c[i]);
	assert_int_equal(atomic_read(&through), 4);
}

/* ---- bits ---- */

static unsigned long word;
static int under_bit;

static int bit_locker(void *data)
{
	for (int i = 0; i < ROUNDS; i++) {
		wait_on_bit_lock(&word, 5, TASK_UNINTERRUPTIBLE);
		under_bit++;
		clear_and_wake_up_bit(5, &word);
	}
	complete(data);
	return 0;
}

static void bit_locks(void **state)
{
	DECLARE_COMPLETION_ONSTACK(a);
	DECLARE_COMPLETION_ONSTACK(b);

	kthread_run(bit_locker, &a, "bit");
	kthread_run(bit_locker, &b, "bit");
	wait_for_completion(&a);
	wait_for_completion(&b);
	assert_int_equal(under_bit, 2 * ROUNDS);
}

/* ---- work queues ---- */

struct job {
	struct work_struct work;
	atomic_t *runs;
	int inside;
	int overlaps;
};

static void do_job(struct work_struct *w)
{
	struct job *j = container_of(w, struct job, work);

	/* Plain data: an item never runs twice at once. */
	j->overlaps += j->inside++ != 0;
	atomic_inc(j->runs);
	j->inside--;
}

static void jobs(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("jobs-%d", WQ_MEM_RECLAIM, 4, 1);
	atomic_t runs = ATOMIC_INIT(0);
	struct job j[8];
	int queued = 0;

	for (int i = 0; i < 8; i++) {
		j[i] = (struct job){ .runs = &runs };
		INIT_WORK(&j[i].work, do_job);
	}
	for (int n = 0; n < ROUNDS; n++)
		queued += queue_work(wq, &j[n % 8].work);
	flush_workqueue(wq);
	assert_int_equal(atomic_read(&runs), queued);
	for (int i = 0; i < 8; i++)
		assert_int_equal(j[i].overlaps, 0);
	assert_true(queue_work(wq, &j[0].work));
	flush_work(&j[0].work);
	assert_int_equal(atomic_read(&runs), queued + 1);
	destroy_workqueue(wq);
}

static struct completion hold;

static void hold_job(struct work_struct *w)
{
	wait_for_completion(&hold);
}

static void cancelling(void **state)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("one", 0);
	atomic_t runs = ATOMIC_INIT(0);
	struct work_struct holder;
	struct job j = { .runs = &runs };

	init_completion(&hold);
	INIT_WORK(&holder, hold_job);
	INIT_WORK(&j.work, do_job);
	queue_work(wq, &holder);
	assert_true(queue_work(wq, &j.work));
	assert_false(queue_work(wq, &j.work));
	assert_true(cancel_work_sync(&j.work));
	assert_false(work_pending(&j.work));
	complete(&hold);
	flush_workqueue(wq);
	assert_int_equal(atomic_read(&runs), 0);
	destroy_workqueue(wq);
}

struct self_freeing {
	struct work_struct work;
	struct completion *done;
};

static void free_self(struct work_struct *w)
{
	struct self_freeing *s = container_of(w, struct self_freeing, work);
	struct completion *done = s->done;

	kfree(s);
	complete(done);
}

static void frees_itself(void **state)
{
	for (int i = 0; i < 100; i++) {
		struct self_freeing *s = kmalloc(sizeof(*s), GFP_KERNEL);
		DECLARE_COMPLETION_ONSTACK(done);

		INIT_WORK(&s->work, free_self);
		s->done = &done;
		schedule_work(&s->work);
		wait_for_completion(&done);
	}
}

struct later {
	struct delayed_work work;
	u64 ran_at_ns;
	atomic_t runs;
};

static void run_later(struct work_struct *w)
{
	struct later *l = container_of(to_delayed_work(w), struct later, work);

	l->ran_at_ns = ktime_get_ns();
	atomic_inc(&l->runs);
}

static void delayed(void **state)
{
	struct later l = { .runs = ATOMIC_INIT(0) };
	u64 start = ktime_get_ns();

	INIT_DELAYED_WORK(&l.work, run_later);
	assert_true(queue_delayed_work(system_wq, &l.work, msecs_to_jiffies(20)));
	assert_false(queue_delayed_work(system_wq, &l.work, 0));
	while (!atomic_read_acquire(&l.runs))
		msleep(1);
	flush_delayed_work(&l.work);
	/* A tick may be partly over when the delay begins. */
	assert_true(l.ran_at_ns - start >= 15 * NSEC_PER_MSEC);
	queue_delayed_work(system_wq, &l.work, 1000 * HZ);
	assert_true(cancel_delayed_work_sync(&l.work));
	assert_false(delayed_work_pending(&l.work));
	queue_delayed_work(system_wq, &l.work, 1000 * HZ);
	assert_true(mod_delayed_work(system_wq, &l.work, 0));
	flush_delayed_work(&l.work);
	assert_int_equal(atomic_read(&l.runs), 2);
}

/* ---- RCU ---- */

struct boxed {
	struct rcu_head rcu;
	int value;
};

static struct boxed *box;

/* Return: values seen that were not the box's. */
static int box_reader(void *data)
{
	int bad = 0;

	complete(data);
	while (!kthread_should_stop()) {
		struct boxed *b;

		rcu_read_lock();
		b = rcu_dereference(box);
		bad += b->value != 42;
		rcu_read_unlock();
	}
	return bad;
}

static void free_boxed(struct rcu_head *head)
{
	struct boxed *b = container_of(head, struct boxed, rcu);

	b->value = 0;
	kfree(b);
}

static struct boxed *new_boxed(void)
{
	struct boxed *b = kmalloc(sizeof(*b), GFP_KERNEL);

	b->value = 42;
	return b;
}

static void rcu(void **state)
{
	struct completion began[2];
	struct task_struct *t[2];

	box = new_boxed();
	for (int i = 0; i < 2; i++) {
		init_completion(&began[i]);
		t[i] = kthread_run(box_reader, &began[i], "reader");
	}
	for (int i = 0; i < 2; i++)
		wait_for_completion(&began[i]);
	for (int i = 0; i < 300; i++) {
		struct boxed *old = box;

		rcu_assign_pointer(box, new_boxed());
		if (i % 3 == 0) {
			synchronize_rcu();
			free_boxed(&old->rcu);
		} else if (i % 3 == 1) {
			call_rcu(&old->rcu, free_boxed);
		} else {
			kfree_rcu(old, rcu);
		}
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(kthread_stop(t[i]), 0);
	rcu_barrier();
	kfree(box);
}

static void sleepable_rcu(void **state)
{
	struct srcu_struct s;
	int idx;

	assert_int_equal(init_srcu_struct(&s), 0);
	idx = srcu_read_lock(&s);
	srcu_read_unlock(&s, idx);
	synchronize_srcu(&s);
	assert_int_not_equal(srcu_read_lock(&s), idx);
	srcu_read_unlock(&s, !idx);
	cleanup_srcu_struct(&s);
}

/* ---- locks ---- */

static DEFINE_MUTEX(mutex);
static DECLARE_RWSEM(rwsem);
static DEFINE_SEQLOCK(seqlock);
static int under_mutex, under_rwsem, seq_a, seq_b;

static int locker(void *data)
{
	int torn = 0;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned int seq;
		int a, b;

		mutex_lock(&mutex);
		under_mutex++;
		mutex_unlock(&mutex);
		down_write(&rwsem);
		under_rwsem++;
		downgrade_write(&rwsem);
		a = under_rwsem;
		torn += a != under_rwsem;
		up_read(&rwsem);
		write_seqlock(&seqlock);
		WRITE_ONCE(seq_a, seq_a + 1);
		WRITE_ONCE(seq_b, seq_b + 1);
		write_sequnlock(&seqlock);
		do {
			seq = read_seqbegin(&seqlock);
			a = READ_ONCE(seq_a);
			b = READ_ONCE(seq_b);
		} while (read_seqretry(&seqlock, seq));
		torn += a != b;
	}
	if (torn)
		under_mutex = -1;
	complete(data);
	return 0;
}

static void locks(void **state)
{
	struct completion c[3];

	for (int i = 0; i < 3; i++) {
		init_completion(&c[i]);
		kthread_run(locker, &c[i], "locker");
	}
	for (int i = 0; i < 3; i++)
		wait_for_completion(&c[i]);
	assert_int_equal(under_mutex, 3 * ROUNDS);
	assert_int_equal(under_rwsem, 3 * ROUNDS);
	assert_int_equal(seq_a, 3 * ROUNDS);
	assert_true(mutex_trylock(&mutex));
	assert_false(mutex_trylock(&mutex));
	mutex_unlock(&mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kthreads),
		cmocka_unit_test(ping_pong),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(bit_locks),
		cmocka_unit_test(jobs),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(frees_itself),
		cmocka_unit_test(delayed),
		cmocka_unit_test(rcu),
		cmocka_unit_test(sleepable_rcu),
		cmocka_unit_test(locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
