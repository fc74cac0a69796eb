// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and devices that fail, each allocation and each write in turn: calls fail cleanly, what was
 * there still agrees, and the same call succeeds afterwards.
 */
#include "engine/alloc/alloc.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "alloc_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"
#include "sb_builder.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define INUM	4096

static struct alloc_rig r;

static int setup(void **state)
{
	alloc_rig_open(&r, 2, NULL);
	return 0;
}

static int teardown(void **state)
{
	alloc_rig_close(&r);
	return 0;
}

static const struct alloc_request two = {
	.data_type = BCH_DATA_user, .replicas = 2, .replicas_required = 1,
	.watermark = ALLOC_NORMAL,
};

/* a bucket on each member filled, or what failed; nothing is left of an attempt that did */
static int write_bucket(u64 end)
{
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(r.a, &two, SBB_BUCKET_SECTORS, &s);

	if (ret)
		return ret;
	assert_int_equal(s.nr, 2);
	key_init(&key, KEY_TYPE_extent, SPOS(INUM, end, U32_MAX), s.sectors);
	key_add_space(&key, &s);
	ret = alloc_rig_put(&r, BTREE_ID_extents, &key.k);
	bce_alloc_space_put(r.a, &s);
	return ret;
}

static int remove_bucket(u64 end)
{
	struct bkey gone = { .type = KEY_TYPE_deleted, .p = SPOS(INUM, end, U32_MAX) };

	return alloc_rig_put(&r, BTREE_ID_extents, &gone);
}

static int make_space(u64 end)
{
	alloc_make_space(r.a, false);
	return 0;
}

/* @fn with every one of its allocations failing once */
static void every_allocation(int (*fn)(u64 end), u64 end, bool may_hide)
{
	bool failed = true;
	int ret;

	for (u64 n = 1; failed; n++) {
		kapi_alloc_fail(n, false);
		ret = fn(end);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		if (failed && ret)
			assert_int_equal(ret, -ENOMEM);
		else if (failed)
			assert_true(may_hide);
		else
			assert_int_equal(ret, 0);
		alloc_rig_check(&r);
		if (!ret && failed)
			break;		/* done in spite of it: some memory can be done without */
	}
}

static void test_no_memory(void **state)
{
	for (unsigned int i = 1; i <= 3; i++)
		every_allocation(write_bucket, i * SBB_BUCKET_SECTORS, true);
	for (unsigned int i = 1; i <= 3; i++)
		every_allocation(remove_bucket, i * SBB_BUCKET_SECTORS, true);
	every_allocation(make_space, 0, true);
	assert_int_equal(write_bucket(SBB_BUCKET_SECTORS), 0);
	alloc_rig_check(&r);
}

/* ---- superblocks that cannot be written ---- */

static bool fail_writes;

static blk_status_t maybe_fail(struct bio *bio, void *priv)
{
	return fail_writes && op_is_write(bio->bi_opf) ? BLK_STS_IOERR : BLK_STS_OK;
}

static const struct kapi_bdev_fault faults = { .before = maybe_fail };

/* a combination that superblocks do not list yet must not get into a counter */
static void test_no_superblock(void **state)
{
	struct btree_space space = { };

	kapi_bdev_set_fault(r.sb.bdev[0], &faults);
	kapi_bdev_set_fault(r.sb.bdev[1], &faults);
	fail_writes = true;
	assert_int_equal(write_bucket(SBB_BUCKET_SECTORS), -EIO);
	assert_int_equal(bce_alloc_btree_space_ops.get(r.a, &space, false), -EIO);
	fail_writes = false;
	alloc_rig_check(&r);
	assert_int_equal(write_bucket(SBB_BUCKET_SECTORS), 0);
	assert_int_equal(bce_alloc_btree_space_ops.get(r.a, &space, false), 0);
	bce_alloc_btree_space_ops.put(r.a, &space);
	alloc_rig_check(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_superblock, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
