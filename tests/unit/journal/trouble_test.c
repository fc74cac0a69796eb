// SPDX-License-Identifier: GPL-2.0
/*
 * A journal in trouble: members that fail, no memory, no space, too much at once.
 * Source: docs/format/30-journal.md, sections 1, 4, 5.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>

#include "../../lib/journal_rig.h"
#include "../../lib/random.h"
#include "engine/format/ids.h"
#include "engine/journal/writer.h"
#include "kapi/kapi.h"

extern unsigned int journal_pin_slots_min;

static const struct jr_options one = {
	.nr = 1, .ring_nr = 8, .bucket_sectors = 128, .block_sectors = 8,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};
static const struct jr_options three = {
	.nr = 3, .ring_nr = 8, .bucket_sectors = 128, .block_sectors = 8, .replicas = 2,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};

static u64 put(struct jr_rig *rig, unsigned int nr)
{
	int error;
	u64 seq = jr_put_keys(rig, nr, JOURNAL_NORMAL, rnd(), &error);

	assert_int_equal(error, 0);
	return seq;
}

/* ---- members that fail ---- */

struct failing {
	int			after;		/* operations that still succeed */
	bool			flushes;	/* these fail, not writes */
	struct kapi_bdev_fault	fault;
};

static blk_status_t fail_now(struct bio *bio, void *priv)
{
	struct failing *f = priv;
	bool flush = bio_op(bio) == REQ_OP_FLUSH || !bio->bi_iter.bi_size;

	if (bio_op(bio) != REQ_OP_WRITE && !flush)
		return BLK_STS_OK;
	if (flush != f->flushes)
		return BLK_STS_OK;
	return __atomic_fetch_sub(&f->after, 1, __ATOMIC_SEQ_CST) > 0 ? BLK_STS_OK : BLK_STS_IOERR;
}

static void make_fail(struct jr_rig *rig, unsigned int dev, struct failing *f, int after)
{
	f->after = after;
	f->fault = (struct kapi_bdev_fault) { .before = fail_now, .priv = f };
	kapi_bdev_set_fault(rig->bdev[dev], &f->fault);
}

/* entries with and without flush; all that is flushed counts. Return: how often that was refused */
static unsigned int many(struct jr_rig *rig, unsigned int nr)
{
	unsigned int i, refused = 0;
	int error;
	u64 seq;

	for (i = 0; i < nr; i++) {
		seq = jr_put_keys(rig, 1 + rnd() % 90, JOURNAL_NORMAL, rnd(), &error);
		if (!seq) {
			assert_int_equal(error, -EROFS);
			refused++;
		} else if (rnd() % 3 == 0) {
			error = jr_flush(rig, seq);
			assert_true(!error || error == -EIO || error == -EROFS);
			refused += !!error;
		}
	}
	return refused;
}

static void one_of_three_fails(void **state)
{
	struct failing f = { };
	struct jr_rig rig;
	unsigned int dev, after, hit = 0;

	for (dev = 0; dev < 3; dev++)
		for (after = 0; after < 6; after++) {
			jr_init(&rig, &three);
			f.flushes = after == 5;
			make_fail(&rig, dev, &f, after);
			assert_int_equal(jr_open(&rig), 0);
			assert_int_equal(many(&rig, 60), 0);
			assert_int_equal(bce_journal_flush(rig.j), 0);
			assert_int_equal(rig.failed, 0);
			assert_true(f.after >= 0 || strstr(rig.said, f.flushes ? "cache failed" :
							   "entry failed"));
			hit += f.after < 0;
			jr_crash(&rig);
			jr_read(&rig);
			/* with the same members, whole again */
			assert_int_equal(jr_open(&rig), 0);
			bce_journal_replay_done(rig.j);
			assert_int_equal(many(&rig, 60), 0);
			jr_crash(&rig);
			jr_read(&rig);
			jr_exit(&rig);
		}
	assert_true(hit > 9);
}

static void two_of_three_fail(void **state)
{
	struct failing f[2] = { };
	struct jr_rig rig;

	jr_init(&rig, &three);
	make_fail(&rig, 0, &f[0], 4);
	make_fail(&rig, 2, &f[1], 7);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(many(&rig, 100), 0);	/* one copy is what is required */
	jr_crash(&rig);
	jr_read(&rig);
	rig.config.replicas_required = 2;
	make_fail(&rig, 1, &f[0], 4);
	make_fail(&rig, 2, &f[1], 7);
	assert_int_equal(jr_open(&rig), 0);
	bce_journal_replay_done(rig.j);
	assert_true(many(&rig, 100) > 10);
	assert_int_equal(rig.failed, -EIO);
	jr_crash(&rig);
	jr_read(&rig);
	jr_exit(&rig);
}

static void the_only_one_fails(void **state)
{
	struct failing f = { };
	struct jr_rig rig;
	int error;

	jr_init(&rig, &one);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(jr_flush(&rig, put(&rig, 1)), 0);
	make_fail(&rig, 0, &f, 0);
	assert_int_equal(jr_flush(&rig, put(&rig, 1)), -EIO);
	assert_true(bce_journal_failed(rig.j));
	assert_int_equal(rig.failed, -EIO);
	assert_int_equal(jr_put_keys(&rig, 1, JOURNAL_RECLAIM, 1, &error), 0);
	assert_int_equal(error, -EROFS);
	jr_crash(&rig);
	jr_read(&rig);
	assert_int_equal(rig.r.flush_seq, 1);
	jr_exit(&rig);
}

/* ---- no memory ---- */

static void no_memory(void **state)
{
	struct jr_rig rig;
	int error;
	u64 nth;

	jr_init(&rig, &one);
	for (nth = 1; ; nth++) {
		kapi_alloc_fail(nth, false);
		error = jr_open(&rig);
		if (!kapi_alloc_failed())
			break;
		assert_int_equal(error, -ENOMEM);
		assert_null(rig.j);
	}
	assert_true(nth > 10);
	assert_int_equal(error, 0);
	kapi_alloc_fail(1, true);
	assert_int_equal(jr_flush(&rig, put(&rig, 1)), 0);
	kapi_alloc_fail(0, false);
	jr_stop(&rig);
	jr_exit(&rig);
}

/* ---- too much at once ---- */

static const struct jr_options large = {
	.nr = 1, .ring_nr = 8, .bucket_sectors = 1024, .block_sectors = 8,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};

static void big_reservations(void **state)
{
	struct journal_res res;
	struct jr_rig rig;
	int error;

	jr_init(&rig, &large);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(bce_journal_res_get(rig.j, &res, 65536, JOURNAL_NORMAL, 0), -E2BIG);
	assert_int_equal(put(&rig, 1), 1);
	/* 420 KB, far more than a buffer has at first */
	assert_int_equal(put(&rig, 7500), 2);
	assert_int_equal(jr_flush(&rig, 2), 0);
	kapi_alloc_fail(1, true);
	assert_int_equal(jr_put_keys(&rig, 7500, JOURNAL_NORMAL, rnd(), &error), 0);
	kapi_alloc_fail(0, false);
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(bce_journal_res_get(rig.j, &res, 50000, JOURNAL_NORMAL,
					     JOURNAL_RES_NONBLOCK), -EAGAIN);
	put(&rig, 7500);
	jr_stop(&rig);
	jr_exit(&rig);
}

/* full entries that nobody asked for are written without flush, and count once one is flushed */
static void without_flush(void **state)
{
	struct journal_stats st;
	struct jr_rig rig;
	unsigned int i;

	jr_init(&rig, &large);
	assert_int_equal(jr_open(&rig), 0);
	for (i = 0; i < 100; i++)
		put(&rig, 100);
	assert_int_equal(bce_journal_flush(rig.j), 0);
	bce_journal_stats(rig.j, &st);
	assert_true(st.entries > 5 && st.flush_entries <= 3);
	jr_crash(&rig);
	rig.acked = st.entries;
	jr_read(&rig);
	jr_exit(&rig);
}

static void flushed_after_a_while(void **state)
{
	struct journal_stats st;
	struct jr_rig rig;
	unsigned int i;
	u64 seq;

	jr_init(&rig, &one);
	rig.config.flush_delay_ms = 20;
	assert_int_equal(jr_open(&rig), 0);
	seq = put(&rig, 1);
	for (i = 0; i < 500 && bce_journal_flushed_seq(rig.j) < seq; i++)
		usleep(10000);
	assert_int_equal(bce_journal_flushed_seq(rig.j), seq);
	usleep(100000);
	bce_journal_stats(rig.j, &st);
	assert_int_equal(st.entries, 1);	/* an idle one writes nothing */
	jr_crash(&rig);
	jr_exit(&rig);
}

/* ---- no space ---- */

static u64 pin_and_put(struct jr_rig *rig, unsigned int nr)
{
	int error;
	u64 seq;

	rig->pin[nr].state = 1;
	seq = jr_put_pinned(rig, 1, &rig->pin[nr], rnd(), &error);
	assert_true(seq);
	return seq;
}

static void fill(struct jr_rig *rig)
{
	struct journal_res res;
	unsigned int i;
	int ret;

	for (i = 0; i < 100000; i++) {
		ret = bce_journal_res_get(rig->j, &res, 1 + rnd() % 300, JOURNAL_NORMAL,
					  JOURNAL_RES_NONBLOCK);
		if (!ret) {
			bce_journal_res_put(rig->j, &res);
			continue;
		}
		assert_int_equal(ret, -EAGAIN);
		/* that may have been for want of a buffer */
		bce_journal_flush(rig->j);
		ret = bce_journal_res_get(rig->j, &res, 300, JOURNAL_NORMAL, JOURNAL_RES_NONBLOCK);
		if (ret)
			return;
		bce_journal_res_put(rig->j, &res);
	}
	fail_msg("the ring never fills");
}

struct waiter {
	struct jr_rig	*rig;
	pthread_t	thread;
	u64		seq;
	int		error;
};

static void *wait_for_room(void *arg)
{
	struct waiter *w = arg;

	w->seq = jr_put_keys(w->rig, 40, JOURNAL_NORMAL, 77, &w->error);
	return NULL;
}

static void start_waiters(struct jr_rig *rig, struct waiter *w, unsigned int nr)
{
	while (nr--) {
		w[nr].rig = rig;
		assert_int_equal(pthread_create(&w[nr].thread, NULL, wait_for_room, &w[nr]), 0);
	}
	usleep(50000);
}

static void blocked_get_through(void **state)
{
	struct waiter w[4] = { };
	struct journal_stats st;
	struct jr_rig rig;
	unsigned int i;
	int error;

	jr_init(&rig, &one);
	rig.keep_pins = true;
	assert_int_equal(jr_open(&rig), 0);
	pin_and_put(&rig, 0);
	fill(&rig);
	start_waiters(&rig, w, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(READ_ONCE(w[i].seq), 0);
	/* reclaim is let in all the same, time and again */
	for (i = 0; i < 20; i++)
		assert_true(jr_put_keys(&rig, 3, JOURNAL_RECLAIM, i, &error));
	bce_journal_stats(rig.j, &st);
	assert_true(st.blocked >= 4);
	WRITE_ONCE(rig.keep_pins, false);
	for (i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		assert_true(w[i].seq);
	}
	assert_int_equal(bce_journal_flush_pins(rig.j, U64_MAX), 0);
	jr_stop(&rig);
	jr_exit(&rig);
}

static void blocked_are_sent_home(void **state)
{
	struct waiter w[2] = { };
	struct jr_rig rig;
	unsigned int i;

	jr_init(&rig, &one);
	rig.keep_pins = true;
	assert_int_equal(jr_open(&rig), 0);
	pin_and_put(&rig, 0);
	fill(&rig);
	start_waiters(&rig, w, 2);
	bce_journal_halt(rig.j);
	for (i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].error, -EROFS);
	}
	jr_unpin(&rig, &rig.pin[0]);
	jr_crash(&rig);
	jr_exit(&rig);
}

/* Buckets that reclaim begins when space is short are not for others, however short their entries are. */
static void reserve_is_for_reclaim(void **state)
{
	struct journal_stats st;
	struct journal_res res;
	unsigned int i, reserved = 0;
	struct jr_rig rig;
	u64 seq;
	int error;

	jr_init(&rig, &one);
	rig.keep_pins = true;
	assert_int_equal(jr_open(&rig), 0);
	pin_and_put(&rig, 0);
	fill(&rig);
	for (i = 0; i < 1000; i++) {
		bce_journal_stats(rig.j, &st);
		if (st.free_sectors < 2 * one.bucket_sectors)
			break;
		reserved = i;
		seq = jr_put_keys(&rig, 3, JOURNAL_RECLAIM, i, &error);
		assert_int_equal(jr_flush(&rig, seq), 0);
		assert_int_equal(bce_journal_res_get(rig.j, &res, 4, JOURNAL_NORMAL,
						     JOURNAL_RES_NONBLOCK), -EAGAIN);
	}
	assert_true(reserved > 5);
	WRITE_ONCE(rig.keep_pins, false);
	assert_int_equal(bce_journal_flush_pins(rig.j, U64_MAX), 0);
	put(&rig, 1);
	jr_stop(&rig);
	jr_exit(&rig);
}

/* Entries grow with what comes while others are being written: not beyond a bucket, however long the ring. */
static void no_longer_than_a_bucket(void **state)
{
	static const struct jr_options long_ring = {
		.nr = 1, .ring_nr = 96, .bucket_sectors = 128, .block_sectors = 8,
		.csum_type = BCH_CSUM_crc32c_nonzero,
	};
	struct journal_stats before, st;
	struct journal_res res;
	u32 longest = 0;
	struct jr_rig rig;
	u64 seq = 0;

	jr_init(&rig, &long_ring);
	assert_int_equal(jr_open(&rig), 0);
	bce_journal_stats(rig.j, &before);
	for (unsigned int i = 0; i < 4000; i++) {
		assert_int_equal(bce_journal_res_get(rig.j, &res, 500, JOURNAL_NORMAL, 0), 0);
		seq = res.seq;
		bce_journal_res_put(rig.j, &res);
		bce_journal_stats(rig.j, &st);
		if (st.entries > before.entries)
			longest = max_t(u32, longest, (st.sectors_written - before.sectors_written) /
					(st.entries - before.entries));
	}
	assert_int_equal(jr_flush(&rig, seq), 0);
	assert_true(longest > 32);
	for (unsigned int i = 0; i < JOURNAL_BUFS; i++)
		assert_true(rig.j->buf[i].bytes <= long_ring.bucket_sectors * SECTOR_BYTES);
	jr_stop(&rig);
	jr_exit(&rig);
}

/* pins have a limit of their own */
static void too_many_entries_pinned(void **state)
{
	struct jr_rig rig;
	unsigned int i;

	jr_init(&rig, &large);
	journal_pin_slots_min = 16;
	assert_int_equal(jr_open(&rig), 0);
	journal_pin_slots_min = 1U << 14;
	for (i = 0; i < 60; i++) {
		u64 seq = pin_and_put(&rig, i);

		assert_int_equal(jr_flush(&rig, seq), 0);
	}
	assert_true(jr_oldest_pin(&rig) + 16 >= bce_journal_cur_seq(rig.j));
	assert_int_equal(bce_journal_flush_pins(rig.j, U64_MAX), 0);
	jr_stop(&rig);
	jr_exit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_of_three_fails, rnd_setup),
		cmocka_unit_test_setup(two_of_three_fail, rnd_setup),
		cmocka_unit_test_setup(the_only_one_fails, rnd_setup),
		cmocka_unit_test_setup(no_memory, rnd_setup),
		cmocka_unit_test_setup(big_reservations, rnd_setup),
		cmocka_unit_test_setup(without_flush, rnd_setup),
		cmocka_unit_test_setup(flushed_after_a_while, rnd_setup),
		cmocka_unit_test_setup(blocked_get_through, rnd_setup),
		cmocka_unit_test_setup(blocked_are_sent_home, rnd_setup),
		cmocka_unit_test_setup(reserve_is_for_reclaim, rnd_setup),
		cmocka_unit_test_setup(no_longer_than_a_bucket, rnd_setup),
		cmocka_unit_test_setup(too_many_entries_pinned, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
