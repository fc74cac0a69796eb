// SPDX-License-Identifier: GPL-2.0
/* Writing to members: pieces, preflush and FUA, large logical blocks, flushes, faults. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "engine/sb/bdev_write.h"
#include "engine/sb/members.h"
#include "kapi/kapi.h"

#define DISK_BYTES	(4 << 20)
#define NR_DISKS	6

static struct member_table *table;
static struct block_device *disk[NR_DISKS];
static int disk_fd[NR_DISKS];

static int setup(void **state)
{
	struct member_info info = { .exists = true, .nbuckets = 100, .bucket_sectors = 256 };

	table = bce_members_alloc();
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		char path[] = "/tmp/bdev-write-XXXXXX";

		disk_fd[i] = mkstemp(path);
		unlink(path);
		assert_int_equal(ftruncate(disk_fd[i], DISK_BYTES), 0);
		disk[i] = kapi_bdev_from_fd(dup(disk_fd[i]), "disk", O_RDWR);
		assert_false(IS_ERR(disk[i]));
		assert_int_equal(bce_member_attach(table, i, disk[i], &info, "disk", NULL), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	bce_members_free(table);
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		kapi_bdev_close(disk[i]);
		close(disk_fd[i]);
	}
	return 0;
}

/* what was submitted since the last reset */
static atomic_t nr_writes, nr_preflush, nr_fua;
static atomic_t fail_nth;	/* counts down; the write that makes it 0 fails */

static blk_status_t spy(struct bio *bio, void *priv)
{
	if (op_is_write(bio->bi_opf)) {
		atomic_inc(&nr_writes);
		if (bio->bi_opf & REQ_PREFLUSH)
			atomic_inc(&nr_preflush);
		if (bio->bi_opf & REQ_FUA)
			atomic_inc(&nr_fua);
		if (atomic_read(&fail_nth) && !atomic_dec_return(&fail_nth))
			return BLK_STS_IOERR;
	}
	return BLK_STS_OK;
}

static const struct kapi_bdev_fault spying = { .before = spy };

static void spy_reset(unsigned int fail)
{
	atomic_set(&nr_writes, 0);
	atomic_set(&nr_preflush, 0);
	atomic_set(&nr_fua, 0);
	atomic_set(&fail_nth, fail);
}

static u8 *filled(size_t bytes, u8 seed)
{
	u8 *p = kvmalloc(bytes, GFP_KERNEL);

	for (size_t i = 0; i < bytes; i++)
		p[i] = seed + i * 7 + (i >> 9);
	return p;
}

static void expect_on_disk(unsigned int idx, u64 sector, const u8 *p, size_t bytes)
{
	u8 *got = malloc(bytes);

	assert_int_equal(pread(disk_fd[idx], got, bytes, sector * 512), bytes);
	assert_memory_equal(got, p, bytes);
	free(got);
}

static int write_to(unsigned int idx, u64 sector, const void *p, size_t bytes, blk_opf_t flags)
{
	struct member_dev *m = bce_member_get_io(table, idx);
	int ret = bce_member_write_sync(m, sector, p, bytes, flags);

	bce_member_put_io(m);
	return ret;
}

static u64 errors_of(unsigned int idx)
{
	struct member_counters c;

	bce_member_counters(table, idx, &c);
	return c.io_errors;
}

static void sizes(void **state)
{
	static const size_t sizes[] = { 512, 1024, 4096, 4096 + 512, 65536, 1 << 20, 3 << 20 };

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		u8 *p = filled(sizes[i], i);

		assert_int_equal(write_to(0, 3 + i, p, sizes[i], 0), 0);
		expect_on_disk(0, 3 + i, p, sizes[i]);
		kvfree(p);
	}
	assert_int_equal(errors_of(0), 0);
}

static void bad_ranges(void **state)
{
	u8 *p = filled(4096, 1);

	assert_int_equal(write_to(0, 0, p, 0, 0), -EINVAL);
	assert_int_equal(write_to(0, 0, p, 100, 0), -EINVAL);
	assert_int_equal(write_to(0, DISK_BYTES / 512 - 7, p, 4096, 0), -EIO);
	assert_int_equal(write_to(0, ~0ULL, p, 4096, 0), -EIO);
	assert_int_equal(write_to(0, DISK_BYTES / 512 - 8, p, 4096, 0), 0);
	kvfree(p);
}

/* one preflush however many pieces; FUA on each */
static void flush_flags(void **state)
{
	u8 *p = filled(3 << 20, 9);

	kapi_bdev_set_fault(disk[0], &spying);
	spy_reset(0);
	assert_int_equal(write_to(0, 0, p, 3 << 20, REQ_PREFLUSH | REQ_FUA), 0);
	assert_true(atomic_read(&nr_writes) >= 1);
	assert_int_equal(atomic_read(&nr_preflush), 1);
	assert_int_equal(atomic_read(&nr_fua), atomic_read(&nr_writes));
	spy_reset(0);
	assert_int_equal(write_to(0, 0, p, 4096, 0), 0);
	assert_int_equal(atomic_read(&nr_writes), 1);
	assert_int_equal(atomic_read(&nr_preflush) + atomic_read(&nr_fua), 0);
	kapi_bdev_set_fault(disk[0], NULL);
	kvfree(p);
}

/* any piece that fails fails the whole, and counts once */
static void failing_piece(void **state)
{
	u8 *p = filled(3 << 20, 9);

	kapi_bdev_set_fault(disk[0], &spying);
	spy_reset(0);
	assert_int_equal(write_to(0, 0, p, 3 << 20, 0), 0);
	/* how many pieces there are depends on how pages lie */
	for (int nth = 1, nr = atomic_read(&nr_writes); nth <= nr; nth++) {
		u64 before = errors_of(0);

		spy_reset(nth);
		assert_int_equal(write_to(0, 0, p, 3 << 20, 0), -EIO);
		assert_int_equal(errors_of(0), before + 1);
	}
	kapi_bdev_set_fault(disk[0], NULL);
	kvfree(p);
}

/* a sector of a device with blocks of 4 KiB: its neighbours stay */
static void large_blocks(void **state)
{
	u8 *all = filled(16384, 3), *p = filled(1024, 77);

	assert_int_equal(write_to(1, 0, all, 16384, 0), 0);
	kapi_bdev_set_block_size(disk[1], 4096);
	assert_int_equal(write_to(1, 7, p, 1024, REQ_FUA), 0);
	memcpy(all + 7 * 512, p, 1024);
	expect_on_disk(1, 0, all, 16384);
	kapi_bdev_set_block_size(disk[1], 512);
	kvfree(all);
	kvfree(p);
}

struct async {
	struct bdev_write	w;
	struct completion	done;
};

static void async_done(struct bdev_write *w)
{
	complete(&container_of(w, struct async, w)->done);
}

static void replicas_at_once(void **state)
{
	u8 *p = filled(8192, 5);
	struct bdev_write w[3];
	struct async a = { };
	struct member_dev *m[4];

	for (unsigned int i = 0; i < 4; i++)
		m[i] = bce_member_get_io(table, i);
	for (unsigned int i = 0; i < 3; i++)
		bce_member_write_start(&w[i], m[i], 100 + i, p, 8192, 0, NULL);
	init_completion(&a.done);
	bce_member_write_start(&a.w, m[3], 200, p, 8192, REQ_FUA, async_done);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(bce_member_write_wait(&w[i]), 0);
	wait_for_completion(&a.done);
	assert_int_equal(a.w.error, 0);
	for (unsigned int i = 0; i < 3; i++)
		expect_on_disk(i, 100 + i, p, 8192);
	expect_on_disk(3, 200, p, 8192);

	/* an end beyond the device is told through the callback too */
	init_completion(&a.done);
	bce_member_write_start(&a.w, m[3], DISK_BYTES / 512, p, 8192, 0, async_done);
	wait_for_completion(&a.done);
	assert_int_equal(a.w.error, -EIO);
	for (unsigned int i = 0; i < 4; i++)
		bce_member_put_io(m[i]);
	kvfree(p);
}

static void flushes(void **state)
{
	unsigned int i;
	u64 before;

	for (i = 0; i < NR_DISKS; i++)
		kapi_bdev_set_fault(disk[i], &spying);
	spy_reset(0);
	assert_int_equal(bce_members_flush(table, 0), 0);
	assert_int_equal(bce_members_flush(table, 0x3f), 0);
	assert_int_equal(atomic_read(&nr_preflush), NR_DISKS);
	assert_int_equal(bce_members_flush(table, 0x2a), 0);
	assert_int_equal(atomic_read(&nr_preflush), NR_DISKS + 3);
	/* absent ones, and one that fails */
	assert_int_equal(bce_members_flush(table, 1ULL << 63 | 1), 1ULL << 63);
	spy_reset(1);
	before = errors_of(4);
	assert_int_equal(bce_members_flush(table, 0x10), 0x10);
	assert_int_equal(errors_of(4), before + 1);
	for (i = 0; i < NR_DISKS; i++)
		kapi_bdev_set_fault(disk[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(bad_ranges),
		cmocka_unit_test(flush_flags),
		cmocka_unit_test(failing_piece),
		cmocka_unit_test(large_blocks),
		cmocka_unit_test(replicas_at_once),
		cmocka_unit_test(flushes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
