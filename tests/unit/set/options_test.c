// SPDX-License-Identifier: GPL-2.0
/*
 * Options and label changed while a set is written (docs/format/90-ioctl-mount-sysfs.md, section 2): what is written
 * afterwards follows them, they are stored, and what is refused changes nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/options.h>
#include <bcachefs/write.h>

#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/journal/journal.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"
#include "engine/sb/sb.h"
#include "engine/set/rw.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT	((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define BYTES	65536

static u8 data[BYTES] __attribute__((aligned(4096)));

static unsigned int by_name(const char *name)
{
	unsigned int i;

	for (i = 0; bce_option_name(i); i++)
		if (!strcmp(bce_option_name(i), name))
			return i;
	fail_msg("no option %s", name);
	return 0;
}

static int set_opt(struct small_set *s, const char *name, const char *text)
{
	char why[512];
	int ret = bce_set_option_set(s->set, by_name(name), text, why);

	/* a reason is given for what is wrong with the text, and for nothing else */
	assert_int_equal(ret == -EINVAL, *why != '\0');
	return ret;
}

static void expect(struct small_set *s, const char *name, const char *want)
{
	char text[256];

	assert_int_equal(bce_set_option_text(s->set, by_name(name), text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

static void open_set(struct small_set *s)
{
	char why[512];

	if (small_set_open(s, why))
		fail_msg("%s", why);
}

static void make(struct small_set *s, unsigned int nr)
{
	struct small_shape shape = {
		.nr = nr, .replicas = 1, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10, .node = "4k", .block = "512",
	};

	small_set_format(s, &shape);
	open_set(s);
}

static void finish(struct small_set *s)
{
	assert_int_equal(small_set_close(s, true), 0);
	assert_int_equal(small_set_check(s, "at the end"), 0);
	small_set_free(s);
}

/* a new file, and the first pointer of its first extent; Return: how many pointers that has */
static unsigned int write_file(struct small_set *s, const char *name, struct extent_ptr_decoded *first)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct extent_ptr_decoded p;
	struct btree_iter iter;
	struct bce_inode inode;
	struct extent_walk w;
	const struct bkey *k;
	unsigned int nr = 0;

	assert_int_equal(bce_create(s->set, ROOT, name, strlen(name), &what, &inode), 0);
	assert_int_equal(set_write(s->set, inode.id, 0, data, BYTES, BYTES, 0), 0);
	assert_int_equal(bce_sync(s->set), 0);
	bce_btree_iter_init(&iter, s->set->btrees, BTREE_ID_extents, 0, POS(inode.id.inum, 0), 0, NULL);
	k = bce_btree_iter_peek(&iter);
	assert_int_equal(k->type, KEY_TYPE_extent);
	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		if (!nr++)
			*first = p;
	bce_btree_iter_exit(&iter);
	return nr;
}

static void data_follows(void **state)
{
	struct extent_ptr_decoded p;
	struct small_set s;

	make(&s, 2);
	memset(data, 'x', sizeof(data));
	assert_int_equal(write_file(&s, "before", &p), 1);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_none);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_crc32c);

	assert_int_equal(set_opt(&s, "data_replicas", "2"), 0);
	assert_int_equal(set_opt(&s, "compression", "zstd:3"), 0);
	assert_int_equal(set_opt(&s, "data_checksum", "xxhash"), 0);
	assert_int_equal(write_file(&s, "after", &p), 2);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_zstd);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_xxhash);
	expect(&s, "compression", "zstd:3");
	expect(&s, "data_checksum", "none crc32c crc64 [xxhash]");

	/* also after a crash */
	small_set_close(&s, false);
	open_set(&s);
	expect(&s, "data_replicas", "2");
	expect(&s, "compression", "zstd:3");
	assert_int_equal(write_file(&s, "again", &p), 2);
	finish(&s);
}

static u64 journal_sectors(struct small_set *s)
{
	struct journal_stats stats;

	bce_journal_stats(s->set->rw->journal, &stats);
	return stats.sectors_written;
}

static void metadata_follows(void **state)
{
	struct extent_ptr_decoded p;
	struct small_set s;
	u64 before;

	make(&s, 2);
	assert_int_equal(set_opt(&s, "metadata_checksum", "crc64"), 0);
	assert_int_equal(set_opt(&s, "metadata_replicas", "2"), 0);
	assert_int_equal(set_opt(&s, "journal_flush_delay", "77"), 0);
	assert_int_equal(set_opt(&s, "str_hash", "crc32c"), 0);
	before = journal_sectors(&s);
	write_file(&s, "file", &p);
	assert_true(journal_sectors(&s) > before);
	expect(&s, "metadata_replicas", "2");
	expect(&s, "journal_flush_delay", "77");
	/* what has been written is read again, of both kinds */
	small_set_close(&s, false);
	open_set(&s);
	assert_int_equal(s.set->replay.clean, false);
	finish(&s);
}

static u64 cookie(struct small_set *s)
{
	struct bpos pos = SPOS(0, U64_MAX - 1, U32_MAX);
	struct bkey_buf buf;
	struct bkey k;

	if (bce_btree_lookup(s->set->btrees, BTREE_ID_rebalance_work, pos, NULL, &k, &buf))
		return 0;
	return bce_cookie_decode(&k);
}

static void moves_are_asked_for(void **state)
{
	struct small_set s;

	make(&s, 1);
	assert_int_equal(set_opt(&s, "data_checksum", "crc64"), 0);
	assert_int_equal(set_opt(&s, "background_compression", "none"), 0);
	assert_int_equal(cookie(&s), 0);
	assert_int_equal(set_opt(&s, "compression", "lz4"), 0);
	assert_int_equal(cookie(&s), 1);
	assert_int_equal(set_opt(&s, "background_compression", "zstd"), 0);
	assert_int_equal(cookie(&s), 2);
	/* what is stored is recompressed by the background's */
	assert_int_equal(set_opt(&s, "compression", "gzip"), 0);
	assert_int_equal(cookie(&s), 2);
	finish(&s);
}

/* of superblocks, at sectors 8 and 2056: a write of the journal that fails in between would end writing */
static blk_status_t fail_write(struct bio *bio, void *priv)
{
	return op_is_write(bio_op(bio)) && bio->bi_iter.bi_sector < 4096 ? BLK_STS_IOERR : BLK_STS_OK;
}

static void refused(void **state)
{
	struct kapi_bdev_fault fault = { .before = fail_write };
	struct bce_set_info info;
	struct small_set s;
	char text[4];

	make(&s, 1);
	assert_int_equal(set_opt(&s, "data_checksum", "md5"), -EINVAL);
	assert_int_equal(set_opt(&s, "data_replicas", "4"), -EINVAL);
	assert_int_equal(set_opt(&s, "foreground_target", "nowhere"), -EINVAL);
	assert_int_equal(set_opt(&s, "block_size", "4k"), -EOPNOTSUPP);
	assert_int_equal(bce_set_option_set(s.set, 1000, "1", NULL), -EINVAL);
	assert_int_equal(bce_set_option_text(s.set, 1000, text, sizeof(text)), -EINVAL);
	assert_int_equal(bce_set_option_text(s.set, by_name("errors"), text, sizeof(text)), -ERANGE);
	expect(&s, "data_checksum", "none [crc32c] crc64 xxhash");
	expect(&s, "block_size", "512");

	assert_int_equal(bce_set_label_set(s.set, "a label of thirty-three bytes ...."), -EINVAL);
	assert_int_equal(bce_set_label_set(s.set, "a label"), 0);
	bce_set_info(s.set, &info);
	assert_string_equal(info.label, "a label");
	assert_int_equal(bce_set_sb_copy(s.set, 4096 + offsetof(struct bch_sb, label), text, 4), 0);
	assert_memory_equal(text, "a la", 4);

	/* what cannot be stored is not in effect */
	kapi_bdev_set_fault(s.bdev[0], &fault);
	s.quiet = true;
	assert_int_equal(set_opt(&s, "data_checksum", "crc64"), -EIO);
	assert_int_equal(bce_set_label_set(s.set, "another"), -EIO);
	kapi_bdev_set_fault(s.bdev[0], NULL);
	s.quiet = false;
	expect(&s, "data_checksum", "none [crc32c] crc64 xxhash");
	bce_set_info(s.set, &info);
	assert_string_equal(info.label, "a label");
	assert_int_equal(set_opt(&s, "errors", "ro"), 0);
	assert_int_equal(bce_set_errors_get(s.set), BCE_ERRORS_RO);
	expect(&s, "errors", "continue fix_safe panic [ro]");
	/* the next write of superblocks does not bring it either */
	small_set_close(&s, true);
	open_set(&s);
	expect(&s, "data_checksum", "none [crc32c] crc64 xxhash");
	bce_set_info(s.set, &info);
	assert_string_equal(info.label, "a label");

	assert_int_equal(bce_set_go_ro(s.set), 0);
	assert_int_equal(set_opt(&s, "data_checksum", "crc64"), -EROFS);
	assert_int_equal(bce_set_label_set(s.set, "x"), -EROFS);
	finish(&s);
}

static int mount_opt(struct small_set *s, const char *name, const char *text)
{
	char why[512];
	int ret = bce_set_option_mount(s->set, by_name(name), text, why);

	assert_int_equal(ret == -EINVAL, *why != '\0');
	return ret;
}

/* what the mount has chosen for it; "" nothing */
static void expect_mounted(struct small_set *s, const char *name, const char *want)
{
	char text[64] = "";

	assert_int_equal(bce_set_option_mounted(s->set, by_name(name), text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

/* what a superblock on a member says: its header */
static struct bch_sb stored_header(struct small_set *s)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct bch_sb header;
	struct sb_image img;

	assert_int_equal(bce_sb_read(&img, s->bdev[0], 0, &why), 0);
	header = *img.sb;
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
	return header;
}

static u64 stored(struct small_set *s, const char *name)
{
	struct bch_sb header = stored_header(s);

	return bce_sb_option_named(&header, name);
}

static u64 stored_features(struct small_set *s)
{
	return le64_to_cpu(stored_header(s).features[0]);
}

static void go_rw(struct small_set *s)
{
	char why[512];

	if (bce_set_go_rw(s->set, why))
		fail_msg("%s", why);
}

static void for_one_mount(void **state)
{
	struct extent_ptr_decoded p;
	struct small_set s;

	make(&s, 2);
	assert_int_equal(bce_set_go_ro(s.set), 0);
	assert_int_equal(mount_opt(&s, "compression", "zstd:3"), 0);
	assert_int_equal(mount_opt(&s, "data_replicas", "2"), 0);
	assert_int_equal(mount_opt(&s, "data_checksum", "crc64"), 0);
	assert_int_equal(mount_opt(&s, "gc_reserve_percent", "15"), 0);
	go_rw(&s);
	memset(data, 'x', sizeof(data));
	assert_int_equal(write_file(&s, "mounted", &p), 2);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_zstd);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_crc64);
	expect(&s, "compression", "zstd:3");
	expect_mounted(&s, "compression", "zstd:3");
	expect_mounted(&s, "data_checksum", "crc64");
	expect_mounted(&s, "gc_reserve_percent", "15");
	expect_mounted(&s, "background_compression", "");

	/* nothing of it is stored but what a reader must know */
	assert_int_equal(stored(&s, "compression"), 0);
	assert_int_equal(stored(&s, "data_replicas"), 1);
	assert_true(stored_features(&s) & BIT_ULL(BCH_FEATURE_zstd));

	/* by a remount */
	assert_false(stored_features(&s) & BIT_ULL(BCH_FEATURE_lz4));
	assert_int_equal(mount_opt(&s, "compression", "lz4"), 0);
	assert_true(stored_features(&s) & BIT_ULL(BCH_FEATURE_lz4));
	assert_int_equal(write_file(&s, "remounted", &p), 2);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_lz4);
	assert_int_equal(bce_set_option_is(s.set, by_name("compression"), "lz4", NULL), 1);
	assert_int_equal(bce_set_option_is(s.set, by_name("compression"), "none", NULL), 0);
	assert_int_equal(mount_opt(&s, "gc_reserve_percent", "15"), 0);
	assert_int_equal(mount_opt(&s, "gc_reserve_percent", "16"), -EBUSY);

	/* what is stored meanwhile takes its place, and is no longer the mount's */
	assert_int_equal(set_opt(&s, "data_checksum", "xxhash"), 0);
	expect_mounted(&s, "data_checksum", "");
	assert_int_equal(write_file(&s, "stored", &p), 2);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_xxhash);

	/* the mount ends */
	assert_int_equal(bce_set_go_ro(s.set), 0);
	bce_set_options_unmount(s.set);
	expect_mounted(&s, "compression", "");
	expect(&s, "compression", "none");
	expect(&s, "gc_reserve_percent", "8");
	go_rw(&s);
	assert_int_equal(write_file(&s, "again", &p), 1);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_none);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_xxhash);

	assert_int_equal(mount_opt(&s, "data_checksum", "md5"), -EINVAL);
	assert_int_equal(mount_opt(&s, "block_size", "4k"), -EOPNOTSUPP);
	assert_int_equal(mount_opt(&s, "errors", "ro"), -EOPNOTSUPP);
	finish(&s);
}

/* a feature that cannot be stored: the value is not in effect */
static void mount_is_refused(void **state)
{
	struct kapi_bdev_fault fault = { .before = fail_write };
	struct small_set s;

	make(&s, 1);
	kapi_bdev_set_fault(s.bdev[0], &fault);
	s.quiet = true;
	assert_int_equal(mount_opt(&s, "compression", "zstd"), -EIO);
	kapi_bdev_set_fault(s.bdev[0], NULL);
	s.quiet = false;
	expect(&s, "compression", "none");
	expect_mounted(&s, "compression", "");
	small_set_close(&s, true);
	open_set(&s);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_follows),
		cmocka_unit_test(metadata_follows),
		cmocka_unit_test(moves_are_asked_for),
		cmocka_unit_test(refused),
		cmocka_unit_test(for_one_mount),
		cmocka_unit_test(mount_is_refused),
	};

	return cmocka_run_group_tests_name("options of a running set", tests, NULL, NULL);
}
