// SPDX-License-Identifier: GPL-2.0
/*
 * Files that become longer and shorter, crashed at every moment at which something had become durable, with random legal losses:
 * also between the transactions of one operation, which are made short, while another thread does nothing but flush the journal,
 * and a third one writes to what stays of a file that is being cut.
 *
 * Whatever a crash leaves, before any recovery, no extent lies behind the end of its file but those that a record of a truncation
 * explains and those that are only reserved: the checker has nothing to say. After recovery there is no record left, and
 * it still has nothing to say. So that this says something, some of the crashes must have come while there was such a record.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/check.h>
#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "kapi/kapi.h"
#include "random.h"
#include "record.h"
#include "set_check.h"
#include "set_io.h"
#include "small_set.h"

#define FILES		4
#define BLOCKS_MAX	256U
#define WRITE_BLOCKS	6U
#define LONG_BLOCKS	160U

struct fixture {
	int			fd;
	unsigned int		block;		/* bytes */
	struct record		*r;
	struct bce_set		*set;
	struct bce_file_id	file[FILES];
	u64			size[FILES];
	bool			stop;		/* the thread that flushes; atomic */
	size_t			cut_begin, cut_end;	/* marks during the cut with the most of them */
	unsigned int		bad, cut;	/* images with a finding; with a record of a truncation */
};

static const struct bce_file_id root = { 1, 4096 };

/* ---- sets ---- */

static void message(void *ctx, int level, int error_id, const char *line)
{
	unsigned long *findings = ctx;

	if (findings)
		*findings += error_id >= 0;
	if (level < 2 || error_id >= 0 || getenv("VERBOSE"))
		fprintf(stderr, "%s%s\n", line, error_id >= 0 ? " (finding)" : "");
}

static struct bce_set *open_set(struct block_device *bdev, bool write, unsigned long *findings)
{
	struct bce_member_source src = { bdev, "member" };
	struct bce_open_opts opts = {
		.initialise = write, .read_only = !write, .nochanges = !write, .message = message, .message_ctx = findings,
	};
	struct bce_set *set;
	char why[512] = "";

	if (bce_set_open(&set, &src, 1, &opts, message, why)) {
		fprintf(stderr, "open: %s\n", why);
		return NULL;
	}
	if (!bce_set_start(set) && (!write || !bce_set_go_rw(set, why)))
		return set;
	fprintf(stderr, "start or go_rw: %s\n", why);
	bce_set_detach(set, message);
	bce_set_put(set);
	return NULL;
}

static void close_set(struct bce_set *set)
{
	bce_set_detach(set, message);
	bce_set_put(set);
}

/* ---- work ---- */

static void write_blocks(struct fixture *f, struct bce_file_id file, u64 at, unsigned int nr, u64 size)
{
	u8 __attribute__((aligned(4096))) buf[WRITE_BLOCKS * 4096];

	for (unsigned int i = 0; i < nr * f->block; i++)
		buf[i] = at + i / 7;
	assert_int_equal(set_write(f->set, file, at * f->block / 512, buf, nr * f->block, size, 0), 0);
}

/* many small extents: every other block, then those at the end */
static void do_append(struct fixture *f, unsigned int i)
{
	u64 at = DIV_ROUND_UP(f->size[i], f->block);
	unsigned int nr = 1 + rnd() % WRITE_BLOCKS;

	if (at + 4 * WRITE_BLOCKS > BLOCKS_MAX)
		return;
	for (unsigned int gap = rnd() % 8; gap; gap--) {
		write_blocks(f, f->file[i], at, 1, (at + 1) * f->block);
		at += 2;
	}
	/* the last block need not be whole */
	f->size[i] = (at + nr) * f->block - rnd() % f->block;
	write_blocks(f, f->file[i], at, nr, f->size[i]);
}

struct beside {
	pthread_t	thread;
	struct fixture	*f;
	unsigned int	i;
	u64		size;
};

static void *write_beside(void *ctx)
{
	struct beside *b = ctx;
	u64 blocks = b->size / b->f->block;

	for (u64 at = 0; at < blocks && at < 4; at++)
		write_blocks(b->f, b->f->file[b->i], at, 1, b->size);
	return NULL;
}

static void do_cut(struct fixture *f, unsigned int i)
{
	struct beside b = { .f = f, .i = i, .size = f->size[i] ? rnd() % f->size[i] : 0 };
	struct bce_inode out;

	if (rnd() % 2)
		b.size -= b.size % f->block;
	assert_int_equal(pthread_create(&b.thread, NULL, write_beside, &b), 0);
	assert_int_equal(bce_truncate(f->set, f->file[i], b.size, &out), 0);
	assert_int_equal(pthread_join(b.thread, NULL), 0);
	f->size[i] = b.size;
}

static void do_grow(struct fixture *f, unsigned int i)
{
	struct bce_inode out;

	f->size[i] = min(f->size[i] + rnd() % (16 * f->block), (u64)BLOCKS_MAX * f->block);
	assert_int_equal(bce_truncate(f->set, f->file[i], f->size[i], &out), 0);
}

/* reserved, half of it behind the end, and some of that written */
static void do_reserve(struct fixture *f, unsigned int i)
{
	u64 sectors = f->block / 512, at = f->size[i] / f->block;

	assert_int_equal(bce_fallocate(f->set, f->file[i], at * sectors, (at + 12) * sectors, false, 0), 0);
	if (rnd() % 2)
		do_append(f, i);
}

/* the same blocks of another file, as the end of this one */
static void do_clone(struct fixture *f, unsigned int i)
{
	unsigned int from = (i + 1) % FILES;
	u64 sectors = f->block / 512, at = DIV_ROUND_UP(f->size[i], f->block), blocks = f->size[from] / f->block, done;

	if (!blocks || at + blocks > BLOCKS_MAX)
		return;
	f->size[i] = (at + blocks) * f->block;
	assert_int_equal(bce_reflink(f->set, f->file[from], 0, f->file[i], at * sectors, blocks * sectors, f->size[i], &done), 0);
}

static void do_shift(struct fixture *f, unsigned int i)
{
	u64 sectors = f->block / 512, blocks = f->size[i] / f->block;
	u64 at = blocks ? rnd() % blocks : 0;

	if (blocks < 4)
		return;
	if (rnd() % 2) {
		if (blocks + 3 >= BLOCKS_MAX)
			return;
		assert_int_equal(bce_insert_range(f->set, f->file[i], at * sectors, 2 * sectors), 0);
		f->size[i] += 2 * f->block;
	} else if (at + 2 < blocks) {
		assert_int_equal(bce_collapse_range(f->set, f->file[i], at * sectors, 2 * sectors), 0);
		f->size[i] -= 2 * f->block;
	}
}

/* one cut that takes as many transactions as the file has extents */
static void do_long_cut(struct fixture *f)
{
	struct bce_inode out;
	size_t begin;

	for (u64 at = 0; at < LONG_BLOCKS; at += 2)
		write_blocks(f, f->file[0], at, 1, max(f->size[0], (at + 1) * f->block));
	WRITE_ONCE(f->set->rw->data->keys_per_step, 1);
	f->size[0] = rnd() % f->block;
	begin = record_nr_marks(f->r);
	assert_int_equal(bce_truncate(f->set, f->file[0], f->size[0], &out), 0);
	if (record_nr_marks(f->r) - begin > f->cut_end - f->cut_begin) {
		f->cut_begin = begin;
		f->cut_end = record_nr_marks(f->r);
	}
}

static void *flush(void *ctx)
{
	struct fixture *f = ctx;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
		assert_int_equal(bce_sync(f->set), 0);
	return NULL;
}

static void work(struct fixture *f, unsigned int steps)
{
	static void (*const op[])(struct fixture *f, unsigned int i) = {
		do_append, do_append, do_append, do_append, do_cut, do_cut, do_cut, do_grow, do_reserve, do_clone, do_shift,
	};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, flush, f), 0);
	while (steps--) {
		if (steps % 40 == 0)
			do_long_cut(f);
		WRITE_ONCE(f->set->rw->data->keys_per_step, 1 + rnd() % 4);
		op[rnd() % ARRAY_SIZE(op)](f, rnd() % FILES);
	}
	/* until the flushes have come often enough between its transactions */
	for (unsigned int i = 0; i < 50 && f->cut_end - f->cut_begin < 4; i++)
		do_long_cut(f);
	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void prepare(struct fixture *f)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode out;
	char name[16];

	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		assert_int_equal(bce_create(f->set, root, name, strlen(name), &what, &out), 0);
		f->file[i] = out.id;
	}
	assert_int_equal(bce_sync(f->set), 0);
	record_ack(f->r, 1);
}

/* ---- after a crash ---- */

/* of truncations, of all operations */
static void count_records(struct bce_set *set, unsigned int *cut, unsigned int *all)
{
	const struct bkey *k;
	struct btree_iter iter;

	*cut = *all = 0;
	bce_btree_iter_init(&iter, set->btrees, BTREE_ID_logged_ops, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		*cut += k->type == KEY_TYPE_logged_op_truncate;
		++*all;
	}
	bce_btree_iter_exit(&iter);
	assert_false(IS_ERR(k));
}

static void look(struct fixture *f, const struct crash_image *img, bool recovered)
{
	struct block_device *bdev = kapi_bdev_from_fd(dup(img->fd[0]), "image", O_RDONLY);
	const struct bce_check_opts opts = { };
	struct bce_check_result result;
	unsigned long findings = 0;
	unsigned int cut, all;
	struct bce_set *set = open_set(bdev, false, &findings);

	if (set) {
		count_records(set, &cut, &all);
		f->cut += cut;
		findings += bce_set_check(set, &opts, &result) != 0;
		findings += recovered && all;
		close_set(set);
	}
	if (!set || findings) {
		fprintf(stderr, "BAD %s, %s recovery\n", img->name, recovered ? "after" : "before");
		f->bad++;
	}
	kapi_bdev_close(bdev);
}

static int after_crash(void *ctx, struct crash_image *img)
{
	struct fixture *f = ctx;
	struct block_device *bdev;
	struct bce_set *set;

	if (!img->crash.acked)
		return 0;
	look(f, img, false);
	bdev = kapi_bdev_from_fd(dup(img->fd[0]), "image", O_RDWR);
	set = open_set(bdev, true, NULL);
	f->bad += !set || bce_set_go_ro(set);
	if (set)
		close_set(set);
	kapi_bdev_close(bdev);
	look(f, img, true);
	return 0;
}

/* while a file was being cut, whatever the even choice has met */
static void crash_in_cut(struct fixture *f)
{
	for (size_t mark = f->cut_begin; mark < min(f->cut_end, f->cut_begin + 6); mark++) {
		struct crash_image img = { .nr = 1, .mark = mark };

		record_crash(f->r, mark, 0, img.fd, &img.crash);
		snprintf(img.name, sizeof(img.name), "mark %zu, in a cut", mark);
		after_crash(f, &img);
		record_close_images(f->r, img.fd);
	}
}

/* images; the long run takes all */
static size_t most(void)
{
	const char *images = getenv("IMAGES");

	return images ? strtoull(images, NULL, 0) : 50;
}

static void run(const struct small_shape *shape, unsigned int block)
{
	const char *steps = getenv("STEPS");
	const struct crash_plan plan = { .seeds = 1, .max = most() };
	struct fixture f = { .block = block };
	struct small_set s;
	size_t images;

	small_set_format(&s, shape);
	f.fd = s.fd[0];
	f.r = record_start(&f.fd, 1, 512);
	f.set = open_set(record_bdev(f.r, 0), true, NULL);
	assert_non_null(f.set);
	prepare(&f);
	work(&f, steps ? strtoul(steps, NULL, 0) : 120);
	assert_int_equal(bce_set_go_ro(f.set), 0);
	close_set(f.set);
	record_stop(f.r);
	assert_int_equal(crash_each(f.r, &plan, after_crash, &f, &images), 0);
	crash_in_cut(&f);
	print_message("%zu marks, %zu images, %u while a file was being cut\n", record_nr_marks(f.r), images, f.cut);
	assert_int_equal(f.bad, 0);
	/* it has been about something */
	assert_true(f.cut > 0);
	record_free(f.r);
	close(f.fd);
}

static void small_blocks(void **state)
{
	const struct small_shape shape = {
		.nr = 1, .replicas = 1, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10, .node = "8k", .block = "512",
	};

	run(&shape, 512);
}

static void compressed(void **state)
{
	const struct small_shape shape = {
		.nr = 1, .replicas = 1, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10, .node = "32k", .block = "4k",
		.compression = "lz4",
	};

	run(&shape, 4096);
}

static void in_place(void **state)
{
	const struct small_shape shape = {
		.nr = 1, .replicas = 1, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10, .node = "4k", .block = "512",
		.nocow = true,
	};

	run(&shape, 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(small_blocks, rnd_setup),
		cmocka_unit_test_setup(compressed, rnd_setup),
		cmocka_unit_test_setup(in_place, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
