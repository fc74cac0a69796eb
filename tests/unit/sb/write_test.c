// SPDX-License-Identifier: GPL-2.0
/*
 * Writing superblocks (docs/format/10-superblock.md, section 7): what each copy says, what a crash
 * or a failing device leaves, who else writes here.
 */
#include <errno.h>
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
#include <linux/err.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "kapi/kapi.h"
#include "require.h"
#include "sb_builder.h"
#include "sb_rig.h"


static u64 copy_sector(struct sb_rig *r, unsigned int copy)
{
	return le64_to_cpu(r->img[0].sb->layout.sb_offset[copy]);
}

/* every copy of every member: valid, its own, and of the sequence number @seq */
static void expect_all_copies(struct sb_rig *r, u64 seq)
{
	unsigned int dev, copy;
	struct member_info m;
	struct sb_image img;

	for (dev = 0; dev < r->nr; dev++)
		for (copy = 0; copy < 3; copy++) {
			sb_rig_read(r, dev, copy_sector(r, copy), &img);
			assert_int_equal(le64_to_cpu(img.sb->offset), copy_sector(r, copy));
			assert_int_equal(le64_to_cpu(img.sb->seq), seq);
			assert_int_equal(img.sb->dev_idx, dev);
			assert_memory_equal(&img.sb->layout, &r->img[dev].sb->layout, 512);
			bce_sb_member(img.sb, dev, &m);
			assert_int_equal(m.seq, seq);
			bce_sb_image_exit(&img);
		}
}

static void copies(void **state)
{
	struct sb_info info;
	struct sb_image img;
	struct bch_sb *sb;
	struct sb_rig r;

	sb_rig_open(&r, 3, NULL);
	sb = bce_sb_edit_begin(r.w);
	memcpy(sb->label, "changed", 7);
	assert_int_equal(bce_sb_write(r.w), 0);
	bce_sb_edit_end(r.w);
	expect_all_copies(&r, 11);

	sb_rig_read(&r, 2, 0, &img);
	bce_sb_info(img.sb, &info);
	assert_string_equal(info.label, "changed");
	assert_true(info.write_time > 1700000000);
	assert_int_equal(info.csum_type, BCH_CSUM_crc32c_nonzero);
	assert_memory_equal(img.sb->uuid, r.img[0].sb->uuid, 16);
	/* what every superblock has */
	assert_non_null(bce_sb_field(img.sb, BCH_SB_FIELD_ext, NULL));
	assert_non_null(bce_sb_field(img.sb, BCH_SB_FIELD_errors, NULL));
	assert_non_null(bce_sb_field(img.sb, BCH_SB_FIELD_downgrade, NULL));
	bce_sb_image_exit(&img);

	assert_int_equal(sb_rig_write(&r), 0);
	expect_all_copies(&r, 12);
	sb_rig_reopen(&r);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_all_copies(&r, 13);
	assert_string_equal(r.said, "");
	sb_rig_close(&r);
}

/* the superblock's own checksum follows the option for metadata, also in an encrypted set */
static void checksum_types(void **state)
{
	static const u8 expected[] = { 0, 1, 2, 7 };
	struct sb_image img;
	struct sb_rig r;
	unsigned int i;

	sb_rig_open(&r, 1, NULL);
	for (i = 0; i < 4; i++) {
		struct bch_sb *sb = bce_sb_edit_begin(r.w);

		bce_sb_option_set(sb, bce_sb_option_by_name("metadata_checksum"), i);
		assert_int_equal(bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
		sb_rig_read(&r, 0, 0, &img);
		assert_int_equal(BCH_SB_FLAG(img.sb, CSUM_TYPE), expected[i]);
		bce_sb_image_exit(&img);
	}
	sb_rig_close(&r);
}

static void large_logical_blocks(void **state)
{
	struct sb_rig r;

	sb_rig_open(&r, 1, NULL);
	kapi_bdev_set_block_size(r.bdev[0], 4096);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_all_copies(&r, 11);
	sb_rig_close(&r);
}

static void not_initialised(struct sb_builder *b, unsigned int dev)
{
	SBB_SET(b, INITIALIZED, 0);
}

/* what the formatter left stays until there is a file system */
static void uninitialised(void **state)
{
	struct sb_image img;
	struct bch_sb *sb;
	struct sb_rig r;

	sb_rig_open(&r, 2, not_initialised);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_btree, 1, 3), 0);
	sb_rig_read(&r, 0, 0, &img);
	assert_int_equal(le64_to_cpu(img.sb->seq), 10);
	bce_sb_image_exit(&img);

	sb = bce_sb_edit_begin(r.w);
	sb->flags[0] |= cpu_to_le64(1);
	assert_int_equal(bce_sb_write(r.w), 0);
	bce_sb_edit_end(r.w);
	expect_all_copies(&r, 11);
	sb_rig_close(&r);
}

/* what would not be read is not written */
static void invalid(void **state)
{
	struct bch_sb *sb;
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	sb = bce_sb_edit_begin(r.w);
	sb->time_precision = 0;
	assert_int_equal(bce_sb_write(r.w), -EINVAL);
	bce_sb_edit_end(r.w);
	assert_non_null(strstr(r.said, "time precision"));
	expect_all_copies(&r, 10);
	sb_rig_close(&r);
}

/* ---- crashes ---- */

/* after @left more writes the machine is gone; the one that was under way may be torn */
struct crash {
	atomic_t	left;
	int		fd;
	bool		torn;
};

static blk_status_t crash_before(struct bio *bio, void *priv)
{
	struct crash *c = priv;
	int left;

	if (bio_op(bio) != REQ_OP_WRITE || !bio->bi_iter.bi_size)
		return BLK_STS_OK;
	left = atomic_dec_return(&c->left);
	if (left >= 0)
		return BLK_STS_OK;
	if (left == -1 && c->torn) {
		char junk[700];

		memset(junk, 0x5a, sizeof(junk));
		require(pwrite(c->fd, junk, sizeof(junk), bio->bi_iter.bi_sector * 512) ==
			sizeof(junk));
	}
	return BLK_STS_IOERR;
}

/*
 * Before any write, and in the middle of it: each device has a good superblock, and all those that
 * say they are new say the same.
 */
static void crash_at(unsigned int writes, bool torn)
{
	struct crash c[2];
	struct kapi_bdev_fault fault[2];
	unsigned int dev;
	struct sb_image img;
	struct bch_sb *sb;
	struct sb_rig r;
	u64 seq;

	sb_rig_open(&r, 2, NULL);
	for (dev = 0; dev < 2; dev++) {
		c[dev] = (struct crash) { .fd = r.fd[dev], .torn = torn };
		atomic_set(&c[dev].left, writes);
		fault[dev] = (struct kapi_bdev_fault) { .before = crash_before, .priv = &c[dev] };
		kapi_bdev_set_fault(r.bdev[dev], &fault[dev]);
	}
	sb = bce_sb_edit_begin(r.w);
	memcpy(sb->label, "new", 3);
	assert_int_equal(bce_sb_write(r.w), writes ? 0 : -EIO);
	bce_sb_edit_end(r.w);
	for (dev = 0; dev < 2; dev++) {
		kapi_bdev_set_fault(r.bdev[dev], NULL);
		sb_rig_read(&r, dev, 0, &img);
		seq = le64_to_cpu(img.sb->seq);
		assert_int_equal(seq, writes ? 11 : 10);
		assert_int_equal(img.sb->label[0] == 'n', seq == 11);
		bce_sb_image_exit(&img);
	}
	/* and it can go on from there */
	sb_rig_reopen(&r);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_all_copies(&r, writes ? 12 : 11);
	sb_rig_close(&r);
}

static void crashes(void **state)
{
	unsigned int writes;

	for (writes = 0; writes <= 3; writes++) {
		crash_at(writes, false);
		crash_at(writes, true);
	}
}

/* every write tears what it meets: the last copy that may be whole is not touched */
static blk_status_t tear_before(struct bio *bio, void *priv)
{
	struct crash *c = priv;

	atomic_set(&c->left, 0);
	return crash_before(bio, priv);
}

static void all_torn(void **state)
{
	struct crash c = { .torn = true };
	const struct kapi_bdev_fault fault = { .before = tear_before, .priv = &c };
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	c.fd = r.fd[1];
	kapi_bdev_set_fault(r.bdev[1], &fault);
	assert_int_equal(sb_rig_write(&r), 0);
	kapi_bdev_set_fault(r.bdev[1], NULL);
	sb_rig_read(&r, 1, 0, &img);
	assert_int_equal(img.read_from_sector, copy_sector(&r, 2));
	assert_int_equal(le64_to_cpu(img.sb->seq), 10);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

/* a copy begins when the one before has arrived on all members, and all of them were flushed first */
struct order {
	atomic_t	flushes;
	atomic_t	writes;		/* completed */
	atomic_t	wrong;
};

static blk_status_t order_before(struct bio *bio, void *priv)
{
	struct order *o = priv;
	int copy = bio->bi_iter.bi_sector > 1000 ? 2 : bio->bi_iter.bi_sector > 8 ? 1 : 0;

	if (op_is_write(bio->bi_opf) && bio->bi_iter.bi_size &&
	    (atomic_read(&o->writes) / 3 != copy || atomic_read(&o->flushes) != 3 ||
	     !(bio->bi_opf & REQ_FUA)))
		atomic_inc(&o->wrong);
	return BLK_STS_OK;
}

static blk_status_t order_after(struct bio *bio, void *priv)
{
	struct order *o = priv;

	if (op_is_write(bio->bi_opf))
		atomic_inc(bio->bi_iter.bi_size ? &o->writes : &o->flushes);
	return BLK_STS_OK;
}

static void in_order(void **state)
{
	struct order o = { };
	const struct kapi_bdev_fault fault = {
		.before = order_before, .after = order_after, .priv = &o,
	};
	struct sb_rig r;
	unsigned int dev;

	sb_rig_open(&r, 3, NULL);
	for (dev = 0; dev < 3; dev++)
		kapi_bdev_set_fault(r.bdev[dev], &fault);
	assert_int_equal(sb_rig_write(&r), 0);
	assert_int_equal(atomic_read(&o.writes), 9);
	assert_int_equal(atomic_read(&o.flushes), 3);
	assert_int_equal(atomic_read(&o.wrong), 0);
	sb_rig_close(&r);
}

/* ---- failing members ---- */

static blk_status_t fail_writes(struct bio *bio, void *priv)
{
	return op_is_write(bio->bi_opf) && bio->bi_iter.bi_size ? BLK_STS_MEDIUM : BLK_STS_OK;
}

static blk_status_t fail_first_copy(struct bio *bio, void *priv)
{
	return op_is_write(bio->bi_opf) && bio->bi_iter.bi_sector == 8 && bio->bi_iter.bi_size ?
		BLK_STS_MEDIUM : BLK_STS_OK;
}

static void expect_seq(struct sb_rig *r, unsigned int dev, u64 sector, u64 seq)
{
	struct sb_image img;

	sb_rig_read(r, dev, sector, &img);
	assert_int_equal(le64_to_cpu(img.sb->seq), seq);
	bce_sb_image_exit(&img);
}

/* one member of three does not take writes: the others have it, the failure is told and counted */
static void one_member_fails(void **state)
{
	const struct kapi_bdev_fault fault = { .before = fail_writes };
	struct member_counters counters;
	struct member_info m;
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 3, NULL);
	kapi_bdev_set_fault(r.bdev[1], &fault);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_seq(&r, 0, 0, 11);
	expect_seq(&r, 1, 0, 10);
	expect_seq(&r, 1, copy_sector(&r, 2), 10);
	expect_seq(&r, 2, 0, 11);
	assert_non_null(strstr(r.said, "member 1 (sdb): writing superblock copy 0 at sector 8"));
	bce_member_counters(r.members, 1, &counters);
	assert_true(counters.io_errors > 0);

	/* it is said in its record the next time */
	kapi_bdev_set_fault(r.bdev[1], NULL);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_all_copies(&r, 12);
	sb_rig_read(&r, 0, 0, &img);
	bce_sb_member(img.sb, 1, &m);
	assert_int_equal(m.errors[BCH_MEMBER_ERROR_write], counters.io_errors);
	assert_int_equal(m.errors[BCH_MEMBER_ERROR_read], 0);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

/* a place that cannot be written: the others are tried, the member counts as failed */
static void one_copy_fails(void **state)
{
	const struct kapi_bdev_fault fault = { .before = fail_first_copy };
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	kapi_bdev_set_fault(r.bdev[0], &fault);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_seq(&r, 0, 8, 10);
	expect_seq(&r, 0, copy_sector(&r, 1), 11);
	expect_seq(&r, 0, copy_sector(&r, 2), 11);
	expect_seq(&r, 1, 8, 11);
	kapi_bdev_set_fault(r.bdev[1], &fault);
	assert_int_equal(sb_rig_write(&r), -EIO);
	sb_rig_close(&r);
}

static blk_status_t fail_flush(struct bio *bio, void *priv)
{
	return bio->bi_opf & REQ_PREFLUSH ? BLK_STS_IOERR : BLK_STS_OK;
}

/* what is not durable must not be vouched for */
static void flush_fails(void **state)
{
	const struct kapi_bdev_fault fault = { .before = fail_flush };
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	kapi_bdev_set_fault(r.bdev[0], &fault);
	assert_int_equal(sb_rig_write(&r), 0);
	expect_seq(&r, 0, 0, 10);
	expect_seq(&r, 0, copy_sector(&r, 2), 10);
	expect_seq(&r, 1, 0, 11);
	sb_rig_close(&r);
}

static void data_on_each(struct sb_builder *b, unsigned int dev)
{
	static const u8 table[] = { BCH_DATA_user, 1, 0, BCH_DATA_user, 1, 1 };

	sbb_replicas(b, table, sizeof(table));
}

/* a set whose data needs both: one that is written is not enough */
static void not_enough(void **state)
{
	const struct kapi_bdev_fault fault = { .before = fail_writes };
	struct sb_rig r;

	sb_rig_open(&r, 2, data_on_each);
	kapi_bdev_set_fault(r.bdev[1], &fault);
	assert_int_equal(sb_rig_write(&r), -EIO);
	assert_non_null(strstr(r.said, "written to 1 of 2 members, not enough"));

	/* without it from the start nothing is lost by this write */
	kapi_bdev_set_fault(r.bdev[1], NULL);
	bce_members_detach(r.members, &r);
	sb_rig_attach(&r, 0);
	assert_int_equal(sb_rig_write(&r), 0);
	bce_members_detach(r.members, &r);
	assert_int_equal(sb_rig_write(&r), -EIO);
	sb_rig_close(&r);
}

/* what a whole call could not write is written by the next, although nothing changes any more */
static void retried(void **state)
{
	const struct kapi_bdev_fault fault = { .before = fail_writes };
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 1, NULL);
	kapi_bdev_set_fault(r.bdev[0], &fault);
	assert_int_equal(bce_sb_set_features(r.w, 1ULL << BCH_FEATURE_reflink), -EIO);
	kapi_bdev_set_fault(r.bdev[0], NULL);
	assert_int_equal(bce_sb_set_features(r.w, 1ULL << BCH_FEATURE_reflink), 0);
	sb_rig_read(&r, 0, 0, &img);
	assert_int_equal(le64_to_cpu(img.sb->features[0]) >> BCH_FEATURE_reflink & 1, 1);
	assert_int_equal(le64_to_cpu(img.sb->seq), 12);
	bce_sb_image_exit(&img);
	assert_int_equal(bce_sb_set_features(r.w, 1ULL << BCH_FEATURE_reflink), 0);
	expect_seq(&r, 0, 0, 12);
	sb_rig_close(&r);
}

/* ---- others who write ---- */

static void others(void **state)
{
	struct sb_rig r, before;
	char old[8192];

	sb_rig_open(&r, 2, NULL);
	assert_int_equal(pread(r.fd[1], old, sizeof(old), 4096), sizeof(old));
	assert_int_equal(sb_rig_write(&r), 0);
	/* our write is gone */
	assert_int_equal(pwrite(r.fd[1], old, sizeof(old), 4096), sizeof(old));
	assert_int_equal(sb_rig_write(&r), -ESTALE);
	assert_non_null(strstr(r.said, "member 1 (sdb): superblock has sequence number 10, we wrote 11: the device has lost a write"));
	expect_seq(&r, 0, 0, 11);
	sb_rig_close(&r);

	/* a second writer on the same devices */
	sb_rig_open(&r, 2, NULL);
	before = r;
	memset(r.img, 0, sizeof(r.img));
	r.w = NULL;
	sb_rig_reopen(&r);
	assert_int_equal(sb_rig_write(&r), 0);
	r.said[0] = before.said[0] = '\0';
	assert_int_equal(sb_rig_write(&before), -ESTALE);
	assert_non_null(strstr(r.said, "somebody else writes to this device"));
	bce_sb_writer_close(before.w);
	bce_sb_image_exit(&before.img[0]);
	bce_sb_image_exit(&before.img[1]);
	expect_all_copies(&r, 11);
	sb_rig_close(&r);
}

/* a damaged first copy is mended; a member that came later is written, too */
static void mended(void **state)
{
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	assert_int_equal(pwrite(r.fd[0], "damage", 6, 4096 + 100), 6);
	assert_int_equal(sb_rig_write(&r), 0);
	assert_non_null(strstr(r.said, "member 0 (sda): superblock at sector 8: has checksum"));
	expect_all_copies(&r, 11);
	sb_rig_close(&r);
}

static void late_member(void **state)
{
	const struct bch_sb *dev_sb[64] = { };
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	bce_sb_writer_close(r.w);
	dev_sb[0] = r.img[0].sb;
	assert_int_equal(bce_sb_writer_open(&r.w, r.img[0].sb, dev_sb, r.members, r.log), 0);
	assert_null(bce_sb_dev_layout(r.w, 1));
	assert_int_equal(sb_rig_write(&r), 0);
	assert_non_null(bce_sb_dev_layout(r.w, 1));
	expect_all_copies(&r, 11);
	sb_rig_close(&r);
}

static void other_set(struct sb_builder *b, unsigned int dev)
{
	memset(b->sb->uuid, 0x77, 16);
	b->sb->seq = cpu_to_le64(500);
}

/* a device formatted by itself joins: its superblock becomes one of the set's */
static void new_member(void **state)
{
	struct member_info m;
	struct sb_image img;
	struct sb_rig r, other;

	sb_rig_open(&r, 1, NULL);
	sb_rig_open(&other, 1, other_set);
	bce_sb_edit_begin(r.w);
	bce_sb_member(other.img[0].sb, 0, &m);
	assert_int_equal(bce_sb_member_set(r.w, 1, &m), 0);
	assert_int_equal(bce_sb_dev_add(r.w, 1, other.img[0].sb), 0);
	bce_sb_edit_end(r.w);
	assert_int_equal(bce_member_attach(r.members, 1, other.bdev[0], &m, "new", &other), 0);
	assert_int_equal(sb_rig_write(&r), 0);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&other, 0, 0, &img);
	assert_memory_equal(img.sb->uuid, r.img[0].sb->uuid, 16);
	assert_int_equal(img.sb->dev_idx, 1);
	assert_int_equal(img.sb->nr_devices, 2);
	assert_int_equal(le64_to_cpu(img.sb->seq), 12);
	bce_sb_image_exit(&img);
	assert_string_equal(r.said, "");
	bce_members_detach(r.members, &other);
	sb_rig_close(&other);
	sb_rig_close(&r);
}

/* ---- memory ---- */

static void short_of_memory(void **state)
{
	struct sb_rig r;
	u64 nth, failed;
	int ret;

	sb_rig_open(&r, 2, NULL);
	for (nth = 1;; nth++) {
		kapi_alloc_fail(nth, false);
		ret = bce_sb_mark_replicas(r.w, BCH_DATA_user, 1, 1 + nth % 3);
		if (!ret)
			ret = sb_rig_write(&r);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		if (!failed)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(sb_rig_write(&r), 0);
	}
	assert_true(nth > 5);
	assert_int_equal(ret, 0);
	sb_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies),
		cmocka_unit_test(checksum_types),
		cmocka_unit_test(large_logical_blocks),
		cmocka_unit_test(uninitialised),
		cmocka_unit_test(invalid),
		cmocka_unit_test(crashes),
		cmocka_unit_test(all_torn),
		cmocka_unit_test(in_order),
		cmocka_unit_test(one_member_fails),
		cmocka_unit_test(one_copy_fails),
		cmocka_unit_test(flush_fails),
		cmocka_unit_test(not_enough),
		cmocka_unit_test(retried),
		cmocka_unit_test(others),
		cmocka_unit_test(mended),
		cmocka_unit_test(late_member),
		cmocka_unit_test(new_member),
		cmocka_unit_test(short_of_memory),
	};

	return cmocka_run_group_tests_name("superblock writing", tests, NULL, NULL);
}
