// SPDX-License-Identifier: GPL-2.0
/*
 * tests/lib/record.c: what a crash leaves of recorded devices. What must be there is, what must
 * not cannot be, and what may or may not be there is both, in some crash.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "kapi/kapi.h"
#include "../../lib/random.h"
#include "../../lib/record.h"

#define DEVS		2
#define BLOCK		512
#define BLOCKS		64		/* per device */
#define WRITE_BLOCKS	8		/* at most */
#define SEEDS		60

struct fixture {
	int		fd[DEVS];
	struct record	*r;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (unsigned int i = 0; i < DEVS; i++) {
		f->fd[i] = memfd_create("test", MFD_CLOEXEC);
		if (ftruncate(f->fd[i], BLOCKS * BLOCK))
			return -1;
	}
	f->r = record_start(f->fd, DEVS, BLOCK);
	*state = f;
	return rnd_setup(NULL);
}

static int end(void **state)
{
	struct fixture *f = *state;

	record_free(f->r);
	for (unsigned int i = 0; i < DEVS; i++)
		close(f->fd[i]);
	free(f);
	return 0;
}

/* ---- requests; every block is filled with one number ---- */

static struct bio *make_write(struct fixture *f, unsigned int dev, unsigned int block,
			      unsigned int nr, u32 value, blk_opf_t flags)
{
	struct bio *bio = bio_alloc(record_bdev(f->r, dev), 1, (blk_opf_t)REQ_OP_WRITE | flags,
				    GFP_KERNEL);
	u32 *data = kmalloc(WRITE_BLOCKS * BLOCK, GFP_KERNEL);

	for (unsigned int i = 0; i < nr * BLOCK / sizeof(*data); i++)
		data[i] = value;
	bio->bi_iter.bi_sector = block;
	assert_int_equal(bio_add_page(bio, virt_to_page(data), nr * BLOCK, offset_in_page(data)),
			 nr * BLOCK);
	bio->bi_private = data;
	return bio;
}

static void free_write(struct bio *bio, void *data)
{
	kfree(data);
	bio_put(bio);
}

static void write_flags(struct fixture *f, unsigned int dev, unsigned int block, unsigned int nr,
			u32 value, blk_opf_t flags)
{
	struct bio *bio = make_write(f, dev, block, nr, value, flags);
	void *data = bio->bi_private;

	assert_int_equal(submit_bio_wait(bio), 0);
	free_write(bio, data);
}

static void write_blocks(struct fixture *f, unsigned int dev, unsigned int block, unsigned int nr,
			 u32 value)
{
	write_flags(f, dev, block, nr, value, 0);
}

static void flush(struct fixture *f, unsigned int dev)
{
	assert_int_equal(blkdev_issue_flush(record_bdev(f->r, dev)), 0);
}

/* ---- images ---- */

/* the number in a block; every word of it must be the same */
static u32 block_of(const int *images, unsigned int dev, unsigned int block)
{
	u32 data[BLOCK / sizeof(u32)];

	assert_int_equal(pread(images[dev], data, BLOCK, (off_t)block * BLOCK), BLOCK);
	for (unsigned int i = 1; i < BLOCK / sizeof(u32); i++)
		assert_int_equal(data[i], data[0]);
	return data[0];
}

static void assert_durable(struct fixture *f, size_t mark, unsigned int dev, unsigned int block,
			   u32 value)
{
	int images[DEVS];

	record_crash(f->r, mark, 0, images, NULL);
	assert_int_equal(block_of(images, dev, block), value);
	record_close_images(f->r, images);
}

static void flush_makes_durable(void **state)
{
	struct fixture *f = *state;

	write_blocks(f, 0, 1, 1, 11);
	write_blocks(f, 1, 1, 1, 12);
	flush(f, 0);
	write_blocks(f, 0, 2, 1, 13);
	record_stop(f->r);

	assert_int_equal(record_nr_marks(f->r), 2);
	assert_durable(f, 0, 0, 1, 0);
	assert_durable(f, 1, 0, 1, 11);
	assert_durable(f, 1, 1, 1, 0);		/* another device */
	assert_durable(f, 1, 0, 2, 0);		/* after the flush */
}

static void what_was_there_before(void **state)
{
	struct fixture *f = *state;
	u32 data[BLOCK / sizeof(u32)];

	record_stop(f->r);
	record_free(f->r);
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = 7;
	assert_int_equal(pwrite(f->fd[1], data, BLOCK, 40 * BLOCK), BLOCK);
	f->r = record_start(f->fd, DEVS, BLOCK);
	write_blocks(f, 1, 40, 1, 8);
	record_stop(f->r);
	assert_durable(f, 0, 1, 40, 7);
	/* the file itself has gone on */
	assert_int_equal(block_of(f->fd, 1, 40), 8);
}

static void fua_is_durable_alone(void **state)
{
	struct fixture *f = *state;

	write_blocks(f, 0, 1, 1, 21);
	write_flags(f, 0, 2, 1, 22, REQ_FUA);
	record_stop(f->r);

	assert_int_equal(record_nr_marks(f->r), 2);
	assert_durable(f, 1, 0, 1, 0);
	assert_durable(f, 1, 0, 2, 22);
}

static void preflush_comes_first(void **state)
{
	struct fixture *f = *state;
	unsigned int with = 0, without = 0;

	write_blocks(f, 0, 1, 1, 31);
	write_flags(f, 0, 2, 4, 32, REQ_PREFLUSH | REQ_FUA);
	record_stop(f->r);
	assert_durable(f, 1, 0, 1, 31);
	assert_durable(f, 1, 0, 5, 32);

	/* before it is complete: if any block of it is there, so is what it flushed */
	for (u64 seed = 1; seed <= SEEDS; seed++) {
		int images[DEVS];
		bool some = false;

		record_crash(f->r, 0, seed, images, NULL);
		for (unsigned int i = 2; i < 6; i++)
			some |= block_of(images, 0, i) == 32;
		if (some)
			assert_int_equal(block_of(images, 0, 1), 31);
		with += some;
		without += !some && !block_of(images, 0, 1);
		record_close_images(f->r, images);
	}
	assert_true(with && without);
}

/* ---- a flush says nothing about what is still under way when it is submitted ---- */

static sem_t hold;

static blk_status_t wait_for_leave(struct bio *bio, void *priv)
{
	if (bio_op(bio) == REQ_OP_WRITE)
		sem_wait(&hold);
	return BLK_STS_OK;
}

static void post_done(struct bio *bio)
{
	sem_post(bio->bi_private);
}

static void flush_under_way(void **state)
{
	static const struct kapi_bdev_fault slow = { .before = wait_for_leave };
	struct fixture *f = *state;
	struct bio *bio;
	void *data;
	sem_t done;

	sem_init(&hold, 0, 0);
	sem_init(&done, 0, 0);
	record_set_fault(f->r, 0, &slow);
	bio = make_write(f, 0, 1, 1, 41, 0);
	data = bio->bi_private;
	bio->bi_private = &done;
	bio->bi_end_io = post_done;
	submit_bio(bio);
	flush(f, 0);
	sem_post(&hold);
	sem_wait(&done);
	free_write(bio, data);
	flush(f, 0);
	record_stop(f->r);

	assert_int_equal(record_nr_marks(f->r), 3);
	assert_durable(f, 1, 0, 1, 0);
	assert_durable(f, 2, 0, 1, 41);
}

static blk_status_t refuse(struct bio *bio, void *priv)
{
	return BLK_STS_IOERR;
}

/* a failed flush promises nothing */
static void failed_flush(void **state)
{
	static const struct kapi_bdev_fault broken = { .before = refuse };
	struct fixture *f = *state;

	write_blocks(f, 0, 1, 1, 51);
	record_set_fault(f->r, 0, &broken);
	assert_int_not_equal(blkdev_issue_flush(record_bdev(f->r, 0)), 0);
	record_set_fault(f->r, 0, NULL);
	record_stop(f->r);
	assert_int_equal(record_nr_marks(f->r), 1);
	assert_durable(f, 0, 0, 1, 0);
}

/* ---- what luck does ---- */

static void lost_kept_torn(void **state)
{
	struct fixture *f = *state;
	unsigned int lost = 0, kept = 0, torn = 0;

	flush(f, 0);
	write_blocks(f, 0, 8, 8, 61);
	record_stop(f->r);
	for (u64 seed = 1; seed <= SEEDS; seed++) {
		struct record_crash crash;
		unsigned int nr = 0;
		int images[DEVS];

		record_crash(f->r, 1, seed, images, &crash);
		for (unsigned int i = 8; i < 16; i++)
			nr += block_of(images, 0, i) == 61;
		lost += !nr;
		kept += nr == 8;
		torn += nr && nr < 8;
		if (nr && nr < 8)
			assert_int_equal(crash.torn, 1);
		record_close_images(f->r, images);
	}
	assert_true(lost && kept && torn);
}

static void the_same_seed_again(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 30; i++)
		write_blocks(f, i % DEVS, i, 4, 70 + i);
	record_stop(f->r);
	for (u64 seed = 1; seed < 5; seed++) {
		int a[DEVS], b[DEVS];

		record_crash(f->r, 0, seed, a, NULL);
		record_crash(f->r, 0, seed, b, NULL);
		for (unsigned int i = 0; i < DEVS * BLOCKS; i++)
			assert_int_equal(block_of(a, i % DEVS, i / DEVS),
					 block_of(b, i % DEVS, i / DEVS));
		record_close_images(f->r, a);
		record_close_images(f->r, b);
	}
}

static void discards(void **state)
{
	struct fixture *f = *state;
	unsigned int zero = 0, old = 0;

	write_blocks(f, 0, 1, 1, 81);
	flush(f, 0);
	assert_int_equal(blkdev_issue_discard(record_bdev(f->r, 0), 1, 1, GFP_KERNEL), 0);
	flush(f, 0);
	record_stop(f->r);
	for (u64 seed = 1; seed <= SEEDS; seed++) {
		int images[DEVS];
		u32 found;

		record_crash(f->r, 2, seed, images, NULL);
		found = block_of(images, 0, 1);
		assert_true(!found || found == 81);
		zero += !found;
		old += found == 81;
		record_close_images(f->r, images);
	}
	assert_true(zero && old);
}

static void acknowledged(void **state)
{
	struct fixture *f = *state;
	struct record_crash crash;
	int images[DEVS];

	write_blocks(f, 0, 1, 1, 91);
	flush(f, 0);
	record_ack(f->r, 1);
	write_blocks(f, 0, 2, 1, 92);
	flush(f, 0);
	record_ack(f->r, 2);
	record_stop(f->r);
	for (size_t mark = 0; mark < 3; mark++) {
		record_crash(f->r, mark, 0, images, &crash);
		assert_int_equal(crash.acked, mark);
		record_close_images(f->r, images);
	}
}

/* ---- many requests, one after the other: every block holds a version it may hold ---- */

#define STEPS		120
#define VERSIONS_MAX	(STEPS + 1)

struct version {
	u32	value;
	size_t	step;
};

struct model {
	struct version	v[DEVS][BLOCKS][VERSIONS_MAX];
	unsigned int	nr[DEVS][BLOCKS];
	size_t		mark_step[STEPS + 1];	/* step that made a mark */
	u32		flushed_dev[STEPS + 1];
};

/* lowest version that may be there: the newest that a flush before or at the mark covers */
static unsigned int oldest_allowed(const struct model *m, size_t mark, unsigned int dev,
				   unsigned int block)
{
	unsigned int lowest = 0;

	for (size_t i = 1; i <= mark; i++) {
		if (m->flushed_dev[i] != dev)
			continue;
		for (unsigned int j = 0; j < m->nr[dev][block]; j++)
			if (m->v[dev][block][j].step < m->mark_step[i])
				lowest = j;
	}
	return lowest;
}

static void check_image(struct fixture *f, const struct model *m, size_t mark, const int *images)
{
	size_t last_step = mark + 1 < record_nr_marks(f->r) ? m->mark_step[mark + 1] : SIZE_MAX;

	for (unsigned int dev = 0; dev < DEVS; dev++)
		for (unsigned int block = 0; block < BLOCKS; block++) {
			unsigned int i = oldest_allowed(m, mark, dev, block);
			u32 found = block_of(images, dev, block);
			bool good = !m->nr[dev][block] && !found;

			for (; !good && i < m->nr[dev][block]; i++)
				good = m->v[dev][block][i].value == found &&
					m->v[dev][block][i].step < last_step;
			assert_true(good);
		}
}

static void any_order(void **state)
{
	struct fixture *f = *state;
	struct model *m = calloc(1, sizeof(*m));
	size_t marks = 0;

	for (unsigned int i = 0; i < DEVS * BLOCKS; i++)
		m->nr[i % DEVS][i / DEVS] = 1;	/* version 0: zeros */
	for (size_t step = 1; step <= STEPS; step++) {
		unsigned int dev = rnd() % DEVS, block = rnd() % (BLOCKS - WRITE_BLOCKS);
		unsigned int nr = rnd() % WRITE_BLOCKS + 1;

		if (!(rnd() % 6)) {
			flush(f, dev);
			m->mark_step[++marks] = step;
			m->flushed_dev[marks] = dev;
			continue;
		}
		write_blocks(f, dev, block, nr, step);
		for (unsigned int i = block; i < block + nr; i++)
			m->v[dev][i][m->nr[dev][i]++] = (struct version) {
				.value = step, .step = step,
			};
	}
	record_stop(f->r);
	assert_int_equal(record_nr_marks(f->r), marks + 1);
	for (size_t mark = 0; mark <= marks; mark++)
		for (u64 seed = 0; seed < 6; seed++) {
			int images[DEVS];

			record_crash(f->r, mark, seed, images, NULL);
			check_image(f, m, mark, images);
			record_close_images(f->r, images);
		}
	free(m);
}

static void counted(void **state)
{
	struct fixture *f = *state;
	struct record_stats stats;

	write_blocks(f, 0, 1, 2, 1);
	write_flags(f, 1, 1, 1, 2, REQ_FUA);
	flush(f, 0);
	assert_int_equal(blkdev_issue_discard(record_bdev(f->r, 0), 1, 1, GFP_KERNEL), 0);
	record_stop(f->r);
	record_stats(f->r, &stats);
	assert_int_equal(stats.writes, 2);
	assert_int_equal(stats.fua_writes, 1);
	assert_int_equal(stats.flushes, 1);
	assert_int_equal(stats.discards, 1);
	assert_int_equal(stats.bytes, 3 * BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flush_makes_durable, begin, end),
		cmocka_unit_test_setup_teardown(what_was_there_before, begin, end),
		cmocka_unit_test_setup_teardown(fua_is_durable_alone, begin, end),
		cmocka_unit_test_setup_teardown(preflush_comes_first, begin, end),
		cmocka_unit_test_setup_teardown(flush_under_way, begin, end),
		cmocka_unit_test_setup_teardown(failed_flush, begin, end),
		cmocka_unit_test_setup_teardown(lost_kept_torn, begin, end),
		cmocka_unit_test_setup_teardown(the_same_seed_again, begin, end),
		cmocka_unit_test_setup_teardown(discards, begin, end),
		cmocka_unit_test_setup_teardown(acknowledged, begin, end),
		cmocka_unit_test_setup_teardown(any_order, begin, end),
		cmocka_unit_test_setup_teardown(counted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
