// SPDX-License-Identifier: GPL-2.0
/*
 * Six locks under load, for the thread sanitizer: plain data behind the lock shows missing ordering
 * as a race, counters show broken exclusion, a lost wake-up hangs until alarm(). Exits with 0 or 1.
 */
#include "six/six.h"

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/sched.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kapi/kapi.h"

#define R BCE_SIX_READ
#define I BCE_SIX_INTENT
#define W BCE_SIX_WRITE

#define NR_THREADS	6
#define NR_LOCKS	3
#define ROUNDS		60000
#define NR_WORDS	4

struct node {
	struct bce_six_lock	lock;
	u64			words[NR_WORDS];	/* all equal, but under write */
	unsigned int		plan;			/* changed under intent */
	atomic_t		intents;
	atomic_t		writers;
	atomic_t		readers;
	u32			seq;			/* at the last write, changed under write */
};

static struct node nodes[NR_LOCKS];
static atomic64_t writes_done;
static atomic64_t relocks_done;
static atomic64_t aborts_done;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "six_tsan: %s\n", what);
	exit(1);
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void check_equal(const struct node *n)
{
	unsigned int i;

	for (i = 1; i < NR_WORDS; i++)
		check(n->words[i] == n->words[0], "reader saw half a write");
}

static void read_inside(struct node *n)
{
	atomic_inc_return(&n->readers);
	check(!atomic_read(&n->writers), "reader beside writer");
	check_equal(n);
	atomic_dec_return(&n->readers);
}

static void write_inside(struct node *n)
{
	u32 seq = bce_six_seq(&n->lock);
	unsigned int i;

	check(atomic_inc_return(&n->writers) == 1, "two writers");
	check(!atomic_read(&n->readers), "writer beside reader");
	check(seq & 1, "sequence even under write");
	check((s32)(seq - n->seq) >= 0, "sequence went back");
	n->seq = seq + 1;
	for (i = 0; i < NR_WORDS; i++)
		n->words[i]++;
	atomic_dec_return(&n->writers);
	atomic64_inc(&writes_done);
}

static void intent_inside(struct node *n)
{
	check(atomic_inc_return(&n->intents) == 1, "two intents");
	n->plan++;
	check_equal(n);
	atomic_dec_return(&n->intents);
}

static void do_read(struct node *n)
{
	bce_six_lock(&n->lock, R);
	read_inside(n);
	bce_six_unlock(&n->lock, R);
}

static void do_write(struct node *n)
{
	bce_six_lock(&n->lock, I);
	intent_inside(n);
	bce_six_lock(&n->lock, W);
	write_inside(n);
	bce_six_unlock(&n->lock, W);
	intent_inside(n);
	bce_six_unlock(&n->lock, I);
}

/* read, upgrade if possible, write, downgrade */
static void do_upgrade(struct node *n)
{
	bce_six_lock(&n->lock, R);
	read_inside(n);
	if (!bce_six_tryupgrade(&n->lock)) {
		bce_six_unlock(&n->lock, R);
		return;
	}
	intent_inside(n);
	if (bce_six_trylock(&n->lock, W)) {
		write_inside(n);
		bce_six_unlock(&n->lock, W);
	}
	bce_six_downgrade(&n->lock);
	bce_six_increment(&n->lock, R);
	read_inside(n);
	bce_six_unlock(&n->lock, R);
	bce_six_unlock(&n->lock, R);
}

/* what was seen before must be there after a relock */
static void do_relock(struct node *n, enum bce_six_type type)
{
	u64 seen;
	u32 seq;

	bce_six_lock(&n->lock, R);
	seen = n->words[0];
	seq = bce_six_seq(&n->lock);
	bce_six_unlock(&n->lock, R);
	if (!bce_six_relock(&n->lock, type, seq))
		return;
	check(n->words[0] == seen, "relocked after a write");
	bce_six_unlock(&n->lock, type);
	atomic64_inc(&relocks_done);
}

static void do_hidden_write(struct node *n)
{
	bce_six_lock(&n->lock, I);
	bce_six_increment(&n->lock, R);
	bce_six_hide_readers(&n->lock, 1);
	bce_six_lock(&n->lock, W);
	write_inside(n);
	bce_six_unlock(&n->lock, W);
	bce_six_show_readers(&n->lock, 1);
	bce_six_unlock(&n->lock, I);
	read_inside(n);
	bce_six_unlock(&n->lock, R);
}

/* gives up at the n-th question */
static int sleep_a_few_times(struct bce_six_lock *lock, void *arg)
{
	unsigned int *left = arg;

	return (*left)-- ? 0 : -EDEADLK;
}

static bool note_waiter(struct bce_six_waiter *w, void *arg)
{
	return w->type == R;
}

/* Locks in any order: would deadlock, but for the hook. Intent on both, write on the second. */
static void do_pair(struct node *a, struct node *b, unsigned int patience)
{
	struct bce_six_waiter waiter;

	bce_six_lock(&a->lock, I);
	if (bce_six_lock_hooked(&b->lock, I, &waiter, sleep_a_few_times, &patience)) {
		atomic64_inc(&aborts_done);
		bce_six_unlock(&a->lock, I);
		return;
	}
	intent_inside(b);
	patience = 0;
	if (!bce_six_lock_hooked(&b->lock, W, &waiter, sleep_a_few_times, &patience)) {
		write_inside(b);
		bce_six_unlock(&b->lock, W);
	} else {
		atomic64_inc(&aborts_done);
	}
	bce_six_unlock(&b->lock, I);
	intent_inside(a);
	bce_six_unlock(&a->lock, I);
}

static void do_look(struct node *n)
{
	char text[512];

	bce_six_for_each_waiter(&n->lock, note_waiter, NULL);
	bce_six_recheck_waiters(&n->lock);
	bce_six_to_text(&n->lock, text, sizeof(text));
}

static void do_something(unsigned int what, struct node *n, struct node *other)
{
	switch (what) {
	case 0 ... 5:
		do_read(n);
		break;
	case 6 ... 8:
		do_write(n);
		break;
	case 9 ... 10:
		do_upgrade(n);
		break;
	case 11:
		do_relock(n, R);
		break;
	case 12:
		do_relock(n, I);
		break;
	case 13:
		do_hidden_write(n);
		break;
	case 14:
		if (n != other)
			do_pair(n, other, 0);
		break;
	case 15:
		do_look(n);
		break;
	}
}

static void *worker(void *arg)
{
	unsigned int seed = (uintptr_t)arg * 7919 + 1, i;

	for (i = 0; i < ROUNDS; i++)
		do_something(next_random(&seed) % 16, &nodes[next_random(&seed) % NR_LOCKS],
			     &nodes[next_random(&seed) % NR_LOCKS]);
	return NULL;
}

/*
 * Two who would wait for each other for ever, each sleeping until somebody makes it ask again, and
 * somebody who does so: what a deadlock detector choosing a victim looks like.
 */
static atomic_t victim_wanted;

static int am_i_victim(struct bce_six_lock *lock, void *arg)
{
	return atomic_read_acquire(&victim_wanted) == *(int *)arg ? -EDEADLK : 0;
}

struct pair {
	int		id;
	struct node	*first, *second;
};

static void *lock_pairs(void *arg)
{
	struct pair *p = arg;
	struct bce_six_waiter waiter;
	unsigned int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		bce_six_lock(&p->first->lock, I);
		if (!bce_six_lock_hooked(&p->second->lock, I, &waiter, am_i_victim, &p->id)) {
			intent_inside(p->second);
			bce_six_unlock(&p->second->lock, I);
		} else {
			atomic64_inc(&aborts_done);
		}
		bce_six_unlock(&p->first->lock, I);
	}
	return NULL;
}

static atomic_t pairs_done;

static void *choose_victims(void *arg)
{
	while (!atomic_read_acquire(&pairs_done)) {
		atomic_set_release(&victim_wanted, 1);
		bce_six_recheck_waiters(&nodes[0].lock);
		bce_six_recheck_waiters(&nodes[1].lock);
		usleep(50);
		atomic_set_release(&victim_wanted, 0);
		usleep(50);
	}
	return NULL;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	check(!pthread_create(&t, NULL, fn, arg), "no thread");
	return t;
}

static void run_mix(void)
{
	pthread_t t[NR_THREADS];
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		t[i] = start(worker, (void *)(uintptr_t)i);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(t[i], NULL);
}

static void run_pairs(void)
{
	struct pair ab = { 1, &nodes[0], &nodes[1] }, ba = { 2, &nodes[1], &nodes[0] };
	pthread_t t[2] = { start(lock_pairs, &ab), start(lock_pairs, &ba) };
	pthread_t chooser = start(choose_victims, NULL);

	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	atomic_set_release(&pairs_done, 1);
	pthread_join(chooser, NULL);
}

static void check_free(struct node *n)
{
	struct bce_six_holders h;

	bce_six_holders(&n->lock, &h);
	check(!h.readers && !h.intent && !h.write, "lock still held");
	check(!(atomic64_read(&n->lock.state) & 0xffffffff), "a waiting flag was left behind");
	check(h.seq == (u32)(2 * n->words[0]), "sequence does not count the writes");
	bce_six_lock_exit(&n->lock);
}

int main(void)
{
	unsigned int i;

	alarm(120);
	for (i = 0; i < NR_LOCKS; i++)
		bce_six_lock_init(&nodes[i].lock);
	run_mix();
	run_pairs();
	for (i = 0; i < NR_LOCKS; i++)
		check_free(&nodes[i]);
	check(!kapi_warn_count(), "a warning");
	check(atomic64_read(&writes_done) > ROUNDS / 2, "hardly any writes");
	check(atomic64_read(&relocks_done) > 0, "no relock succeeded");
	printf("six_tsan: %lld writes, %lld relocks, %lld aborts\n",
	       (long long)atomic64_read(&writes_done), (long long)atomic64_read(&relocks_done),
	       (long long)atomic64_read(&aborts_done));
	return 0;
}
