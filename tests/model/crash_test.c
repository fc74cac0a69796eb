// SPDX-License-Identifier: GPL-2.0
/*
 * A whole set on recorded devices, changed, and crashed at every moment at which something had become
 * durable, with random legal losses: the checker must have nothing to say, before recovery and
 * after; what had been promised must be there. With two copies of everything that is also so when one
 * member is lost in the crash; and still so when, after the others went on without it, it comes back.
 *
 * With DUMP= the images of each crash, before recovery, go to that directory, for others to look at:
 * tests/vm/crash_judge.py.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
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

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "kapi/kapi.h"
#include "random.h"
#include "record.h"
#include "set_check.h"
#include "set_io.h"
#include "small_set.h"

#define DEVS_MAX	3
#define DEV_BYTES	(64ULL << 20)
#define FILES		64

struct fixture {
	unsigned int	nr;
	int		fd[DEVS_MAX];
	struct record	*r;
	struct bce_set	*set;
	/* step at which a file was made, and removed; 0: not */
	u64		made[FILES], removed[FILES];
	u64		step;
	unsigned int	bad, lost;
};

static void format_devices(struct fixture *f)
{
	const struct small_shape shape = {
		.nr = f->nr, .replicas = f->nr > 1 ? 2 : 1, .dev_bytes = DEV_BYTES,
		.bucket_bytes = 64 << 10, .node = "4k", .block = "512",
	};
	struct small_set s;

	small_set_format(&s, &shape);
	for (unsigned int i = 0; i < f->nr; i++)
		f->fd[i] = s.fd[i];
}

static void message(void *ctx, int level, int error_id, const char *line)
{
	if (level < 2 || getenv("VERBOSE"))
		fprintf(stderr, "%s%s\n", line, error_id >= 0 ? " (finding)" : "");
}

/* @bdev: NULL where a member is missing */
static struct bce_set *open_rw(struct block_device *const *bdev, unsigned int nr)
{
	struct bce_member_source src[DEVS_MAX];
	struct bce_open_opts opts = { .initialise = true, .message = message };
	unsigned int present = 0;
	struct bce_set *set;
	char why[512];

	for (unsigned int i = 0; i < nr; i++)
		if (bdev[i])
			src[present++] = (struct bce_member_source) { bdev[i], "member" };
	opts.degraded = present < nr ? BCE_DEGRADED_YES : BCE_DEGRADED_NO;
	if (bce_set_open(&set, src, present, &opts, message, why)) {
		fprintf(stderr, "open: %s\n", why);
		return NULL;
	}
	if (bce_set_start(set) || bce_set_go_rw(set, why)) {
		fprintf(stderr, "start or go_rw: %s\n", why);
		bce_set_detach(set, message);
		bce_set_put(set);
		return NULL;
	}
	return set;
}

static void close_set(struct bce_set *set)
{
	bce_set_detach(set, message);
	bce_set_put(set);
}

static const struct bce_file_id root = { 1, 4096 };

static void file_name(char name[16], unsigned int i)
{
	snprintf(name, 16, "file%u", i);
}

/* what a file holds that was made in step @step */
#define FILE_BYTES	12288

static u8 *contents(u64 step)
{
	static u8 __attribute__((aligned(4096))) buf[FILE_BYTES];

	for (unsigned int i = 0; i < FILE_BYTES; i++)
		buf[i] = step + i / 512 * 7 + (i & 3);
	return buf;
}

static bool holds_contents(struct bce_set *set, struct bce_file_id id, u64 step)
{
	static u8 __attribute__((aligned(4096))) got[FILE_BYTES];
	struct bce_inode i;

	return !bce_inode_read(set, id, &i) && i.size == FILE_BYTES &&
		!set_read(set, id, 0, got, FILE_BYTES) &&
		!memcmp(got, contents(step), FILE_BYTES);
}

static void make_or_remove(struct fixture *f, unsigned int i)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;
	char name[16];

	file_name(name, i);
	if (f->made[i] > f->removed[i]) {
		assert_int_equal(bce_unlink(f->set, root, name, strlen(name), false, &inode), 0);
		f->removed[i] = f->step;
		assert_int_equal(bce_inode_release(f->set, inode.id), 0);
	} else {
		assert_int_equal(bce_create(f->set, root, name, strlen(name), &what, &inode), 0);
		assert_int_equal(set_write(f->set, inode.id, 0, contents(f->step), FILE_BYTES,
					   FILE_BYTES, 0), 0);
		f->made[i] = f->step;
	}
}

static void work(struct fixture *f, unsigned int steps)
{
	while (steps--) {
		f->step++;
		make_or_remove(f, rnd() % FILES);
		if (rnd() % 5)
			continue;
		assert_int_equal(bce_sync(f->set), 0);
		record_ack(f->r, f->step);
	}
}

/* a file whose last change was promised is there, or not, as that change left it */
static void check_files(struct fixture *f, struct bce_set *set, u64 acked)
{
	struct bce_inode dir;
	struct bce_file_id id;
	char name[16];

	assert_int_equal(bce_inode_read(set, root, &dir), 0);
	for (unsigned int i = 0; i < FILES; i++) {
		u64 last = f->made[i] > f->removed[i] ? f->made[i] : f->removed[i];
		int ret;

		file_name(name, i);
		if (!last || last > acked)
			continue;
		ret = bce_dirent_lookup(set, &dir, name, strlen(name), &id);
		if (f->made[i] < f->removed[i])
			f->lost += ret != -ENOENT;
		else
			f->lost += ret || !holds_contents(set, id, f->made[i]);
	}
}

static void tell_bad(struct fixture *f, const struct crash_image *img, const char *what)
{
	fprintf(stderr, "BAD %s: %s\n", what, img->name);
	f->bad++;
}

/* what the set does when it is used without the lost member, and when that is back */
static void check_or_make(struct fixture *f, struct bce_set *set, const char *name, bool make)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode dir, inode;
	struct bce_file_id id;

	assert_int_equal(bce_inode_read(set, root, &dir), 0);
	if (!make) {
		f->lost += bce_dirent_lookup(set, &dir, name, strlen(name), &id) ||
			!holds_contents(set, id, name[0]);
		return;
	}
	f->lost += bce_create(set, root, name, strlen(name), &what, &inode) ||
		set_write(set, inode.id, 0, contents(name[0]), FILE_BYTES, FILE_BYTES, 0) ||
		bce_sync(set);
}

/* one use of the set after the crash */
struct use {
	int		without;	/* member that is missing; -1: none */
	const char	*check, *make;	/* a file made in an earlier use, one to be made */
	bool		crash;		/* it ends by another crash, that loses nothing */
};

static void use_set(struct fixture *f, const struct crash_image *img, const struct use *u)
{
	struct block_device *bdev[DEVS_MAX] = { };
	struct bce_set *set;

	for (int i = 0; i < (int)img->nr; i++)
		if (i != u->without)
			bdev[i] = kapi_bdev_from_fd(dup(img->fd[i]), "image", O_RDWR);
	set = open_rw(bdev, img->nr);
	if (set) {
		f->lost = 0;
		check_files(f, set, img->crash.acked);
		if (u->check)
			check_or_make(f, set, u->check, false);
		if (u->make)
			check_or_make(f, set, u->make, true);
		if (f->lost)
			tell_bad(f, img, "lost");
		if (!u->crash && bce_set_go_ro(set))
			tell_bad(f, img, "go_ro");
		close_set(set);
	} else {
		tell_bad(f, img, "open");
	}
	for (unsigned int i = 0; i < img->nr; i++)
		if (bdev[i])
			kapi_bdev_close(bdev[i]);
}

static void check_set(struct fixture *f, const struct crash_image *img, int without)
{
	const struct bce_open_opts opts = { .degraded = BCE_DEGRADED_YES };
	unsigned int nr = 0;
	int fd[DEVS_MAX];

	for (int i = 0; i < (int)img->nr; i++)
		if (i != without)
			fd[nr++] = img->fd[i];
	if (set_check_files(fd, nr, without < 0 ? NULL : &opts, img->name, NULL))
		tell_bad(f, img, "check");
}

/* MARK-SEED.MEMBER.img, holes kept */
static void dump(const struct crash_image *img, const char *dir)
{
	static u8 buf[1 << 16], zero[1 << 16];
	char path[256];

	for (unsigned int i = 0; i < img->nr; i++) {
		snprintf(path, sizeof(path), "%s/%u-%zu-%llu.%u.img", dir, img->nr, img->mark,
			 (unsigned long long)img->seed, i);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, DEV_BYTES), 0);
		for (u64 at = 0; at < DEV_BYTES; at += sizeof(buf)) {
			assert_int_equal(pread(img->fd[i], buf, sizeof(buf), at), sizeof(buf));
			if (memcmp(buf, zero, sizeof(buf)))
				assert_int_equal(pwrite(fd, buf, sizeof(buf), at), sizeof(buf));
		}
		close(fd);
	}
}

static int after_crash(void *ctx, struct crash_image *img)
{
	const char *dir = getenv("DUMP");
	struct fixture *f = ctx;

	if (dir && img->crash.acked)
		dump(img, dir);
	use_set(f, img, &(struct use) { .without = -1 });
	check_set(f, img, -1);
	return 0;
}

/* the others go on, in one or two uses; then it is back */
static int after_crash_one_lost(void *ctx, struct crash_image *img)
{
	struct fixture *f = ctx;
	int without = (img->mark + img->seed) % img->nr;
	bool crash = img->mark / 2 & 1;
	unsigned int bad = f->bad;

	/* the first start wants all members */
	if (!img->crash.acked)
		return 0;
	use_set(f, img, &(struct use) { .without = without, .make = "a", .crash = crash });
	check_set(f, img, without);
	use_set(f, img, &(struct use) { .without = without, .check = "a", .make = "b" });
	check_set(f, img, without);
	use_set(f, img, &(struct use) { .without = -1, .check = "b", .make = "c" });
	check_set(f, img, -1);
	if (f->bad != bad)
		fprintf(stderr, "without member %d\n", without);
	return 0;
}

static void run(unsigned int nr, unsigned int steps, const struct crash_plan *plan, crash_fn fn)
{
	struct block_device *bdev[DEVS_MAX];
	struct fixture f = { .nr = nr };
	size_t images;

	format_devices(&f);
	f.r = record_start(f.fd, nr, 512);
	for (unsigned int i = 0; i < nr; i++)
		bdev[i] = record_bdev(f.r, i);
	f.set = open_rw(bdev, nr);
	work(&f, steps);
	assert_int_equal(bce_set_go_ro(f.set), 0);
	close_set(f.set);
	record_stop(f.r);
	assert_int_equal(set_check_files(f.fd, nr, NULL, "clean end", NULL), 0);
	assert_int_equal(crash_each(f.r, plan, fn, &f, &images), 0);
	assert_int_equal(f.bad, 0);
	print_message("%zu marks, %zu images\n", record_nr_marks(f.r), images);
	record_free(f.r);
	for (unsigned int i = 0; i < nr; i++)
		close(f.fd[i]);
}

/* images per test; the long run takes all */
static size_t most(void)
{
	const char *images = getenv("IMAGES");

	return images ? strtoull(images, NULL, 0) : 60;
}

static void one_member(void **state)
{
	const struct crash_plan plan = { .seeds = 2, .max = most() };

	run(1, 60, &plan, after_crash);
}

static void two_members_two_copies(void **state)
{
	const struct crash_plan plan = { .seeds = 2, .max = most() };

	run(2, 60, &plan, after_crash);
}

static void one_of_two_lost(void **state)
{
	const struct crash_plan plan = { .seeds = 2, .max = most() / 3 };

	run(2, 60, &plan, after_crash_one_lost);
}

static void one_of_three_lost(void **state)
{
	const struct crash_plan plan = { .seeds = 2, .max = most() / 3 };

	run(3, 60, &plan, after_crash_one_lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_member, rnd_setup),
		cmocka_unit_test_setup(two_members_two_copies, rnd_setup),
		cmocka_unit_test_setup(one_of_two_lost, rnd_setup),
		cmocka_unit_test_setup(one_of_three_lost, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
