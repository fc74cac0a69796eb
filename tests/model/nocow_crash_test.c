// SPDX-License-Identifier: GPL-2.0
/*
 * A file that is written over in place, crashed at every moment at which something had become durable, with random legal
 * losses. A block holds what it held when the last sync was acknowledged, or what was written to that place of the file since:
 * never anything that was meant for another place, and never anything else. Snapshots show what the file held when they were
 * taken, also those whose deletion was under way, after which the file's data was its own again and written over.
 *
 * Each block says where in the file it was written, and when. Moving it (insert, collapse) keeps that, so what a place may
 * hold is kept as a history of the place.
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

#define BLOCKS		48
#define BLOCK_BYTES	512
#define FILE_BYTES	(BLOCKS * BLOCK_BYTES)
#define STEPS_MAX	2000
#define SNAPSHOTS_MAX	64

struct snapshot {
	u64	value[BLOCKS];
	u64	made, removed;		/* steps; 0: not */
};

struct fixture {
	int			fd;
	struct record		*r;
	struct bce_set		*set;
	struct bce_file_id	dir, file;	/* roots of subvolumes are in @dir's */
	u32			subvol;
	u64			step;
	unsigned int		blocks;		/* of the file, now */
	u64			now[BLOCKS];	/* 0: nothing */
	u64			history[STEPS_MAX][BLOCKS];
	struct snapshot		snap[SNAPSHOTS_MAX];
	unsigned int		nr_snaps;
	bool			new_snaps;	/* since the last sync of all */
	unsigned int		bad;
	unsigned int		in_place;	/* steps that changed no extent */
};

static u8 __attribute__((aligned(4096))) buf[round_up(FILE_BYTES, 4096)];

static const struct bce_file_id root = { 1, 4096 };

static void message(void *ctx, int level, int error_id, const char *line)
{
	if (level < 2 || getenv("VERBOSE"))
		fprintf(stderr, "%s%s\n", line, error_id >= 0 ? " (finding)" : "");
}

static struct bce_set *open_rw(struct block_device *bdev)
{
	struct bce_member_source src = { bdev, "member" };
	struct bce_open_opts opts = { .initialise = true, .message = message };
	struct bce_set *set;
	char why[512];

	if (bce_set_open(&set, &src, 1, &opts, message, why)) {
		fprintf(stderr, "open: %s\n", why);
		return NULL;
	}
	if (!bce_set_start(set) && !bce_set_go_rw(set, why))
		return set;
	fprintf(stderr, "start or go_rw: %s\n", why);
	bce_set_detach(set, message);
	bce_set_put(set);
	return NULL;
}

/* ---- work ---- */

static void snap_name(char name[16], unsigned int i)
{
	snprintf(name, 16, "snap%u", i);
}

static void block_fill(u8 *p, u64 value)
{
	for (unsigned int i = 0; i < BLOCK_BYTES; i += sizeof(value))
		memcpy(p + i, &value, sizeof(value));
}

static u64 first_pointer(struct fixture *f, u64 sector)
{
	struct bce_extent e;

	assert_int_equal(bce_extent_at(f->set, f->file, sector, &e), 0);
	return e.kind == BCE_EXTENT_DATA ? e.device_sector - e.start_sector : 0;
}

static void do_write(struct fixture *f)
{
	unsigned int start = rnd() % min(f->blocks + 1, (unsigned int)BLOCKS);
	unsigned int nr = 1 + rnd() % min(BLOCKS - start, 6U);
	u64 before = first_pointer(f, start);

	for (unsigned int i = 0; i < nr; i++) {
		f->now[start + i] = f->step << 16 | (start + i + 1);
		block_fill(buf + i * BLOCK_BYTES, f->now[start + i]);
	}
	assert_int_equal(set_write(f->set, f->file, start, buf, nr * BLOCK_BYTES, (start + nr) * BLOCK_BYTES, 0), 0);
	f->blocks = max(f->blocks, start + nr);
	f->in_place += before && before == first_pointer(f, start);
}

static void do_insert(struct fixture *f)
{
	unsigned int at, by;

	if (f->blocks < 2 || f->blocks == BLOCKS)
		return;
	at = rnd() % f->blocks;
	by = 1 + rnd() % (BLOCKS - f->blocks);
	assert_int_equal(bce_insert_range(f->set, f->file, at, by), 0);
	memmove(f->now + at + by, f->now + at, (BLOCKS - at - by) * sizeof(u64));
	memset(f->now + at, 0, by * sizeof(u64));
	f->blocks += by;
}

static void do_collapse(struct fixture *f)
{
	unsigned int at, by;

	if (f->blocks < 3)
		return;
	at = rnd() % (f->blocks - 2);
	by = 1 + rnd() % (f->blocks - 1 - at);
	assert_int_equal(bce_collapse_range(f->set, f->file, at, by), 0);
	memmove(f->now + at, f->now + at + by, (BLOCKS - at - by) * sizeof(u64));
	memset(f->now + BLOCKS - by, 0, by * sizeof(u64));
	f->blocks -= by;
}

static void do_snapshot(struct fixture *f)
{
	struct snapshot *s = &f->snap[f->nr_snaps];
	struct bce_create what = { .mode = S_IFDIR | 0755 };
	struct bce_inode out;
	char name[16];

	if (f->nr_snaps == SNAPSHOTS_MAX)
		return;
	snap_name(name, f->nr_snaps++);
	assert_int_equal(bce_subvolume_create(f->set, root, name, strlen(name), f->subvol, 0, &what, &out), 0);
	memcpy(s->value, f->now, sizeof(s->value));
	s->made = f->step;
	f->new_snaps = true;
}

static void do_delete(struct fixture *f)
{
	char name[16];

	for (unsigned int i = 0; i < f->nr_snaps; i++) {
		if (f->snap[i].removed || rnd() % 2)
			continue;
		snap_name(name, i);
		assert_int_equal(bce_subvolume_delete(f->set, root, name, strlen(name)), 0);
		f->snap[i].removed = f->step;
	}
	/* what the file shared with them is its own again */
	if (rnd() % 4)
		assert_int_equal(bce_snapshots_cleaned(f->set), 0);
}

static void work(struct fixture *f, unsigned int steps)
{
	while (steps--) {
		unsigned int op = rnd() % 20;

		f->step++;
		if (op == 0)
			do_insert(f);
		else if (op == 1)
			do_collapse(f);
		else if (op == 2)
			do_snapshot(f);
		else if (op == 3)
			do_delete(f);
		else
			do_write(f);
		memcpy(f->history[f->step], f->now, sizeof(f->now));
		if (rnd() % 6)
			continue;
		/* syncing one file promises nothing of snapshots */
		if (f->new_snaps || rnd() % 2)
			assert_int_equal(bce_sync(f->set), 0);
		else
			assert_int_equal(bce_sync_inode(f->set, f->file), 0);
		f->new_snaps = false;
		record_ack(f->r, f->step);
	}
}

static void prepare(struct fixture *f)
{
	struct bce_create what = { .mode = S_IFDIR | 0755 };
	struct bce_inode out;

	assert_int_equal(bce_subvolume_create(f->set, root, "sub", 3, 0, 0, &what, &out), 0);
	f->subvol = out.id.subvol;
	f->dir = out.id;
	what.mode = S_IFREG | 0644;
	assert_int_equal(bce_create(f->set, f->dir, "file", 4, &what, &out), 0);
	f->file = out.id;
	assert_int_equal(bce_sync(f->set), 0);
	f->step = 1;
	record_ack(f->r, f->step);
}

/* ---- after a crash ---- */

static void tell(struct fixture *f, const struct crash_image *img, const char *what, unsigned int block, u64 value)
{
	fprintf(stderr, "BAD %s: %s, block %u: written in step %llu to block %lld (acknowledged: %llu)\n", img->name, what,
		block, value >> 16, (value & 0xffff) - 1, img->crash.acked);
	f->bad++;
}

/* what the blocks hold; behind the end, nothing. A block of two values is none */
static int file_values(struct bce_set *set, struct bce_file_id id, u64 value[BLOCKS])
{
	struct bce_inode i;
	int ret = bce_inode_read(set, id, &i);

	if (!ret)
		ret = set_read(set, id, 0, buf, sizeof(buf));
	for (unsigned int b = 0; b < BLOCKS && !ret; b++) {
		const u8 *p = buf + b * BLOCK_BYTES;

		memcpy(&value[b], p, sizeof(u64));
		if (b * BLOCK_BYTES >= i.size)
			value[b] = 0;
		else if (memcmp(p, p + sizeof(u64), BLOCK_BYTES - sizeof(u64)))
			value[b] = ~0ULL;
	}
	return ret;
}

static void check_file(struct fixture *f, const struct crash_image *img, struct bce_set *set)
{
	u64 value[BLOCKS];

	assert_int_equal(file_values(set, f->file, value), 0);
	for (unsigned int b = 0; b < BLOCKS; b++) {
		bool good = false;

		for (u64 s = img->crash.acked; s <= f->step && !good; s++)
			good = f->history[s][b] == value[b];
		if (!good)
			tell(f, img, "the file", b, value[b]);
	}
}

static void check_snapshot(struct fixture *f, const struct crash_image *img, struct bce_set *set,
			   const struct bce_inode *dir, unsigned int i)
{
	struct bce_file_id snap, id;
	struct bce_inode snap_root;
	u64 value[BLOCKS];
	char name[16];

	snap_name(name, i);
	if (bce_dirent_lookup(set, dir, name, strlen(name), &snap)) {
		if (f->snap[i].made <= img->crash.acked && !f->snap[i].removed)
			tell(f, img, "a snapshot is lost", i, 0);
		return;
	}
	assert_int_equal(bce_inode_read(set, snap, &snap_root), 0);
	assert_int_equal(bce_dirent_lookup(set, &snap_root, "file", 4, &id), 0);
	assert_int_equal(file_values(set, id, value), 0);
	for (unsigned int b = 0; b < BLOCKS; b++)
		if (value[b] != f->snap[i].value[b]) {
			u64 again[BLOCKS];
			tell(f, img, name, b, value[b]);
			file_values(set, id, again);
			fprintf(stderr, "again %llu:%lld want %llu:%lld made %llu removed %llu\n", again[b] >> 16, (again[b] & 0xffff) -1, f->snap[i].value[b] >> 16, (f->snap[i].value[b] & 0xffff) - 1, f->snap[i].made, f->snap[i].removed);
		}
}

static int after_crash(void *ctx, struct crash_image *img)
{
	struct block_device *bdev = kapi_bdev_from_fd(dup(img->fd[0]), "image", O_RDWR);
	struct fixture *f = ctx;
	struct bce_set *set;
	struct bce_inode dir;

	if (!img->crash.acked) {
		kapi_bdev_close(bdev);
		return 0;
	}
	set = open_rw(bdev);
	if (set) {
		check_file(f, img, set);
		assert_int_equal(bce_inode_read(set, root, &dir), 0);
		for (unsigned int i = 0; i < f->nr_snaps; i++)
			check_snapshot(f, img, set, &dir, i);
		f->bad += !!bce_set_go_ro(set);
		bce_set_detach(set, message);
		bce_set_put(set);
	} else {
		f->bad++;
	}
	kapi_bdev_close(bdev);
	f->bad += !!set_check_files(img->fd, 1, NULL, img->name, NULL);
	return 0;
}

/* images; the long run takes all */
static size_t most(void)
{
	const char *images = getenv("IMAGES");

	return images ? strtoull(images, NULL, 0) : 60;
}

static void crashes(void **state)
{
	const struct small_shape shape = {
		.nr = 1, .replicas = 1, .dev_bytes = 64 << 20, .bucket_bytes = 64 << 10, .node = "4k", .block = "512",
		.nocow = true,
	};
	const char *steps = getenv("STEPS");
	const struct crash_plan plan = { .seeds = 3, .max = most() };
	struct fixture *f = calloc(1, sizeof(*f));
	struct small_set s;
	size_t images;

	small_set_format(&s, &shape);
	f->fd = s.fd[0];
	f->r = record_start(&f->fd, 1, BLOCK_BYTES);
	f->set = open_rw(record_bdev(f->r, 0));
	assert_non_null(f->set);
	prepare(f);
	work(f, min(steps ? strtoul(steps, NULL, 0) : 250, STEPS_MAX - 2UL));
	assert_int_equal(bce_set_go_ro(f->set), 0);
	bce_set_detach(f->set, message);
	bce_set_put(f->set);
	record_stop(f->r);
	assert_int_equal(set_check_files(&f->fd, 1, NULL, "clean end", NULL), 0);
	assert_int_equal(crash_each(f->r, &plan, after_crash, f, &images), 0);
	print_message("%zu marks, %zu images, %llu steps, %u of them in place\n", record_nr_marks(f->r), images, f->step,
		      f->in_place);
	assert_int_equal(f->bad, 0);
	/* it has been about something */
	assert_true(f->in_place > f->step / 5);
	record_free(f->r);
	close(f->fd);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(crashes, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
