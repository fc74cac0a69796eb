// SPDX-License-Identifier: GPL-2.0
/*
 * Finding a superblock on a device (docs/format/10-superblock.md, section 8): copies, the
 * layout sector, devices that end early or return errors; options and keys as they are stored.
 */
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

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>

#include "../../lib/sb_builder.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/members.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"

struct device {
	int			fd;
	struct block_device	*bdev;
};

static void device_open(struct device *d, struct sb_builder *b)
{
	d->fd = sbb_device();
	if (b)
		sbb_write(b, d->fd);
	d->bdev = kapi_bdev_from_fd(dup(d->fd), "device", O_RDONLY);
	assert_false(IS_ERR(d->bdev));
}

static void device_close(struct device *d)
{
	kapi_bdev_close(d->bdev);
	close(d->fd);
}

static void flip(struct device *d, u64 byte)
{
	u8 v;

	assert_int_equal(pread(d->fd, &v, 1, byte), 1);
	v ^= 0x10;
	assert_int_equal(pwrite(d->fd, &v, 1, byte), 1);
}

/* read, expect @error; if good, from @sector; the words must be in what is told */
static void expect_read(struct device *d, u64 at, int error, u64 sector, const char *words)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	int ret = bce_sb_read(&img, d->bdev, at, &why);

	if (ret != error || !strstr(bce_text_str(&why), words))
		fail_msg("%d \"%s\", expected %d \"%s\"", ret, bce_text_str(&why), error, words);
	if (!ret) {
		assert_int_equal(img.read_from_sector, sector);
		assert_int_equal(img.bytes, sizeof(*img.sb) + 8 * le32_to_cpu(img.sb->u64s));
	} else {
		assert_null(img.sb);
	}
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
}

static void copies(void **state)
{
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	device_open(&d, &b);
	expect_read(&d, 0, 0, 8, "");
	expect_read(&d, 136, 0, 136, "");

	flip(&d, 4096 + 200);
	expect_read(&d, 0, 0, 136, "superblock at sector 8: has checksum");
	expect_read(&d, 0, 0, 136, "using the superblock copy at sector 136");
	expect_read(&d, 8, -EBADMSG, 0, "superblock at sector 8");

	flip(&d, 136 * 512 + 24);
	expect_read(&d, 0, 0, SBB_DEV_SECTORS - SBB_BUCKET_SECTORS, "sector 136: no bcachefs magic");

	flip(&d, (u64)(SBB_DEV_SECTORS - SBB_BUCKET_SECTORS) * 512 + 700);
	expect_read(&d, 0, -EBADMSG, 0, "superblock at sector 80896: has checksum");
	device_close(&d);
	sbb_exit(&b);
}

static void layout_sector(void **state)
{
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	device_open(&d, &b);
	flip(&d, 4096 + 24);		/* the primary's magic */
	expect_read(&d, 0, 0, 136, "sector 8: no bcachefs magic");
	flip(&d, 3584);			/* the layout's */
	expect_read(&d, 0, -ENODATA, 0, "layout at sector 7: layout: no bcachefs magic");
	flip(&d, 4096 + 24);
	expect_read(&d, 0, 0, 8, "");
	device_close(&d);
	sbb_exit(&b);
}

static void foreign_and_short_devices(void **state)
{
	struct sb_builder b;
	struct device d;
	u64 bytes;

	device_open(&d, NULL);
	expect_read(&d, 0, -ENODATA, 0, "no bcachefs magic");
	expect_read(&d, 1ULL << 50, -EIO, 0, "reading failed");
	device_close(&d);

	sbb_init(&b, 2, 0);
	for (bytes = 0; bytes <= 4096 + 8192; bytes += 512) {
		device_open(&d, &b);
		kapi_bdev_close(d.bdev);
		assert_int_equal(ftruncate(d.fd, bytes), 0);
		d.bdev = kapi_bdev_from_fd(dup(d.fd), "short", O_RDONLY);
		if (!IS_ERR(d.bdev)) {
			struct text_buf why = TEXT_BUF_INIT;
			struct sb_image img;
			int ret = bce_sb_read(&img, d.bdev, 0, &why);

			assert_int_equal(!ret, bytes >= 4096 + sbb_bytes(&b));
			assert_true(!ret || why.len);
			bce_sb_image_exit(&img);
			bce_text_exit(&why);
			kapi_bdev_close(d.bdev);
		}
		close(d.fd);
	}
	sbb_exit(&b);
}

/* what is whole but not for us is said in preference to what is damaged */
static void verdict_over_damage(void **state)
{
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	b.sb->features[0] |= cpu_to_le64(1ULL << 40);
	device_open(&d, &b);
	flip(&d, 4096 + 200);
	expect_read(&d, 0, -EOPNOTSUPP, 0, "features not known here");
	device_close(&d);
	sbb_exit(&b);

	sbb_init(&b, 2, 0);
	memset(b.sb->uuid, 0, 16);
	device_open(&d, &b);
	expect_read(&d, 0, -EINVAL, 0, "internal uuid");
	device_close(&d);
	sbb_exit(&b);
}

/* a superblock longer than the first piece that is read */
static void long_superblock(void **state)
{
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	sbb_add(&b, 77, 40000);
	device_open(&d, &b);
	expect_read(&d, 0, 0, 8, "");
	flip(&d, 4096 + 39000);
	expect_read(&d, 0, 0, 136, "sector 8: has checksum");
	device_close(&d);
	sbb_exit(&b);
}

static blk_status_t fail_primary(struct bio *bio, void *priv)
{
	return bio->bi_iter.bi_sector == 8 ? BLK_STS_MEDIUM : BLK_STS_OK;
}

static blk_status_t fail_all(struct bio *bio, void *priv)
{
	return BLK_STS_IOERR;
}

static void read_errors(void **state)
{
	const struct kapi_bdev_fault primary = { .before = fail_primary };
	const struct kapi_bdev_fault all = { .before = fail_all };
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	device_open(&d, &b);
	kapi_bdev_set_fault(d.bdev, &primary);
	expect_read(&d, 0, 0, 136, "superblock at sector 8: reading failed");
	kapi_bdev_set_fault(d.bdev, &all);
	expect_read(&d, 0, -EIO, 0, "layout at sector 7: reading failed");
	kapi_bdev_set_fault(d.bdev, NULL);
	device_close(&d);
	sbb_exit(&b);
}

/* sectors of 4 KiB: the layout is part of one; of 8 KiB: the set's blocks are too small */
static void large_logical_blocks(void **state)
{
	struct sb_builder b;
	struct device d;

	sbb_init(&b, 2, 0);
	device_open(&d, &b);
	kapi_bdev_set_block_size(d.bdev, 4096);
	expect_read(&d, 0, 0, 8, "");
	flip(&d, 4096 + 200);
	expect_read(&d, 0, 0, 136, "using the superblock copy at sector 136");
	kapi_bdev_set_block_size(d.bdev, 8192);
	expect_read(&d, 0, -EINVAL, 0, "smaller than the device's 8192");
	device_close(&d);
	sbb_exit(&b);
}

/* with the n-th allocation failing, for each n: an error or a result, never a crash */
static void short_of_memory(void **state)
{
	struct sb_builder b;
	struct device d;
	u64 n, failed = 1;

	sbb_init(&b, 2, 0);
	device_open(&d, &b);
	flip(&d, 4096 + 200);
	for (n = 1; failed; n++) {
		struct text_buf why = TEXT_BUF_INIT;
		struct sb_image img;
		int ret;

		kapi_alloc_fail(n, false);
		ret = bce_sb_read(&img, d.bdev, 0, &why);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		assert_true(!ret || (failed && ret == -ENOMEM));
		bce_sb_image_exit(&img);
		bce_text_exit(&why);
	}
	assert_true(n > 3);
	device_close(&d);
	sbb_exit(&b);
}

/* ---- values ---- */

static u64 option(struct sb_builder *b, const char *name)
{
	const struct sb_option_desc *desc = bce_sb_option_by_name(name);

	assert_non_null(desc);
	return bce_sb_option_get(b->sb, desc);
}

static void assert_option_text(struct sb_builder *b, const char *name, const char *expected)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_sb_option_text(&out, b->sb, bce_sb_option_by_name(name));
	assert_string_equal(bce_text_str(&out), expected);
	bce_text_exit(&out);
}

static void option_values(void **state)
{
	struct sb_builder b;
	struct sb_info info;

	sbb_init(&b, 1, 0);
	assert_null(bce_sb_option_by_name("none such"));
	assert_int_equal(option(&b, "block_size"), 4096);
	assert_int_equal(option(&b, "btree_node_size"), 262144);
	assert_int_equal(option(&b, "encoded_extent_max"), 65536);
	assert_int_equal(option(&b, "str_hash"), BCH_STR_HASH_OPT_siphash);
	assert_int_equal(option(&b, "journal_flush_delay"), 1000);

	SBB_SET(&b, COMPRESSION_TYPE_LO, BCH_COMPRESSION_OPT_zstd);
	SBB_SET(&b, COMPRESSION_TYPE_HI, 15);
	assert_int_equal(option(&b, "compression"), 3 | 15 << 4);
	assert_option_text(&b, "compression", "zstd:15");
	SBB_SET(&b, GC_RESERVE_BYTES, 3000);
	assert_int_equal(option(&b, "gc_reserve_bytes"), 3000 * 512);
	assert_option_text(&b, "gc_reserve_bytes", "1.46 MiB");
	SBB_SET(&b, PROMOTE_TARGET, 1 + 7);
	assert_option_text(&b, "promote_target", "device 7");
	SBB_SET(&b, PROMOTE_TARGET, 257);
	assert_option_text(&b, "promote_target", "group 0 (missing)");

	/* a stored zero may stand for something else: section 8.4 */
	SBB_SET(&b, JOURNAL_FLUSH_DELAY, 0);
	SBB_SET(&b, JOURNAL_RECLAIM_DELAY, 0);
	SBB_SET(&b, ALLOCATOR_STUCK_TIMEOUT, 0);
	SBB_SET(&b, PROMOTE_WHOLE_EXTENTS, 0);
	SBB_SET(&b, VERSION_UPGRADE_COMPLETE, 0);
	assert_int_equal(option(&b, "journal_flush_delay"), 1000);
	assert_int_equal(option(&b, "journal_reclaim_delay"), 1000);
	assert_int_equal(option(&b, "allocator_stuck_timeout"), 0);
	assert_int_equal(option(&b, "promote_whole_extents"), 0);
	b.sb->version = cpu_to_le16(BCH_VERSION(1, 9));
	assert_int_equal(option(&b, "allocator_stuck_timeout"), 30);
	assert_int_equal(option(&b, "promote_whole_extents"), 1);
	bce_sb_info(b.sb, &info);
	assert_int_equal(info.version_upgrade_complete, BCH_VERSION(1, 9));
	sbb_exit(&b);
}

static void member_records(void **state)
{
	struct bch_sb_field_members_v2 *v2;
	struct member_info m;
	struct sb_builder b;

	sbb_init(&b, 3, 0);
	bce_sb_member(b.sb, 2, &m);
	assert_true(m.exists);
	assert_int_equal(m.nbuckets, SBB_NBUCKETS);
	assert_int_equal(m.seq, 10);
	assert_int_equal(m.durability, 1);
	assert_int_equal(m.data_allowed, 0x1c);
	assert_true(m.freespace_initialized);
	bce_sb_member(b.sb, 3, &m);
	assert_false(m.exists);
	bce_sb_member(b.sb, 63, &m);
	assert_false(m.exists);

	/* durability is stored one higher, 0 meaning 1 */
	sbb_member(&b, 1)->flags = cpu_to_le64(BITS_SET(0ULL, BCH_MEMBER_DURABILITY, 3ULL));
	bce_sb_member(b.sb, 1, &m);
	assert_int_equal(m.durability, 2);
	sbb_member(&b, 1)->flags = cpu_to_le64(BITS_SET(0ULL, BCH_MEMBER_DURABILITY, 1ULL));
	bce_sb_member(b.sb, 1, &m);
	assert_int_equal(m.durability, 0);

	/* records of an older writer are shorter: what is missing is zero */
	v2 = sbb_find(&b, BCH_SB_FIELD_members_v2);
	v2->member_bytes = cpu_to_le16(BCH_MEMBER_V1_BYTES);
	bce_sb_member(b.sb, 0, &m);
	assert_int_equal(m.nbuckets, SBB_NBUCKETS);
	assert_int_equal(m.seq, 0);

	/* and without members_v2, members_v1 counts */
	v2->field.type = cpu_to_le32(999);
	bce_sb_member(b.sb, 2, &m);
	assert_true(m.exists);
	assert_int_equal(m.bucket_sectors, SBB_BUCKET_SECTORS);
	assert_int_equal(m.seq, 0);
	sbb_exit(&b);
}

/* docs/format/20-checksums-encryption.md, section 5, test vectors */
static void key_vector(void **state)
{
	static const u8 passphrase_key[32] = {
		0x7a, 0x0b, 0x69, 0xaa, 0x26, 0xa0, 0x2e, 0x2c, 0xef, 0x87, 0xba, 0x93, 0x0f, 0xd1,
		0xb8, 0x7c, 0x21, 0xbf, 0x46, 0xaf, 0x2d, 0x0c, 0x67, 0x74, 0x64, 0xbf, 0xb3, 0x03,
		0xf9, 0x41, 0x3e, 0x54,
	};
	static const u8 wrapped[40] = {
		0xda, 0x86, 0xf0, 0x7d, 0xf6, 0x68, 0x2f, 0xe6, 0xf6, 0x60, 0xf0, 0xdf, 0xa1, 0x26,
		0xd3, 0x94, 0x52, 0x2d, 0xe6, 0x7a, 0xdd, 0xba, 0x70, 0xbc, 0xa0, 0x3f, 0x81, 0x07,
		0x69, 0x62, 0xe0, 0x66, 0xc5, 0xec, 0x3a, 0xa2, 0x89, 0x66, 0xa2, 0x5d,
	};
	struct bch_sb_field_crypt *c;
	struct bce_cipher *cipher, *plain;
	u8 stream[2][16] = { };
	struct sb_builder b;
	u8 log_n, log_r, log_p;
	unsigned int i;

	sbb_init(&b, 1, 0);
	for (i = 0; i < 16; i++)
		b.sb->uuid[i] = 0x10 + i;
	assert_false(bce_sb_has_crypt(b.sb));
	assert_int_equal(bce_sb_unlock(b.sb, passphrase_key, &cipher), -EINVAL);

	c = sbb_add(&b, BCH_SB_FIELD_crypt, sizeof(*c) - sizeof(c->field));
	c->kdf_flags = cpu_to_le64(0x000000040003000EULL);
	memcpy(&c->key, wrapped, 40);
	assert_true(bce_sb_has_crypt(b.sb));
	assert_true(bce_sb_key_is_wrapped(b.sb));
	assert_int_equal(bce_sb_kdf_params(b.sb, &log_n, &log_r, &log_p), 0);
	assert_int_equal(log_n, 14);
	assert_int_equal(log_r, 3);
	assert_int_equal(log_p, 4);
	assert_int_equal(bce_sb_unlock(b.sb, NULL, &cipher), -ENOKEY);
	assert_int_equal(bce_sb_unlock(b.sb, wrapped, &cipher), -EKEYREJECTED);
	assert_int_equal(bce_sb_unlock(b.sb, passphrase_key, &cipher), 0);

	/* the same key stored in the clear needs no passphrase and ciphers alike */
	c->key.magic = cpu_to_le64(BCH_KEY_MAGIC);
	for (i = 0; i < 32; i++)
		c->key.key[i] = i;
	assert_false(bce_sb_key_is_wrapped(b.sb));
	assert_int_equal(bce_sb_unlock(b.sb, NULL, &plain), 0);
	bce_cipher_crypt(cipher, (struct bce_nonce) { .d = { 0, 5, 0, 3U << 28 } }, stream[0], 16);
	bce_cipher_crypt(plain, (struct bce_nonce) { .d = { 0, 5, 0, 3U << 28 } }, stream[1], 16);
	assert_memory_equal(stream[0], stream[1], 16);
	assert_memory_equal(stream[0], "\x99\xc3\x1e\x95\x50\x83\xb8\x49", 8);

	c->kdf_flags = cpu_to_le64(40);		/* would ask for terabytes */
	assert_int_equal(bce_sb_kdf_params(b.sb, &log_n, &log_r, &log_p), -EINVAL);
	bce_cipher_free(cipher);
	bce_cipher_free(plain);
	sbb_exit(&b);
}

/* labels whose parents form a ring end somewhere */
static void label_ring(void **state)
{
	struct bch_sb_field_disk_groups *g;
	struct text_buf out = TEXT_BUF_INIT;
	struct sb_builder b;

	sbb_init(&b, 1, 0);
	g = sbb_add(&b, BCH_SB_FIELD_disk_groups, 2 * 48);
	strcpy((char *)g->entries[0].label, "a");
	strcpy((char *)g->entries[1].label, "b");
	g->entries[0].flags[0] = cpu_to_le64(BITS_SET(0ULL, BCH_GROUP_PARENT, 2ULL));
	g->entries[1].flags[0] = cpu_to_le64(BITS_SET(0ULL, BCH_GROUP_PARENT, 1ULL));
	sbb_member(&b, 0)->flags = cpu_to_le64(BITS_SET(0x600E0000ULL, BCH_MEMBER_GROUP, 2ULL));
	bce_sb_member_label(&out, b.sb, 0);
	assert_true(out.len > 2 && out.len < 200);
	assert_true(bce_sb_target_has_dev(b.sb, 257, 0));
	assert_false(bce_sb_target_has_dev(b.sb, 257 + 2, 0));
	bce_text_exit(&out);
	sbb_exit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies),
		cmocka_unit_test(layout_sector),
		cmocka_unit_test(foreign_and_short_devices),
		cmocka_unit_test(verdict_over_damage),
		cmocka_unit_test(long_superblock),
		cmocka_unit_test(read_errors),
		cmocka_unit_test(large_logical_blocks),
		cmocka_unit_test(short_of_memory),
		cmocka_unit_test(option_values),
		cmocka_unit_test(member_records),
		cmocka_unit_test(key_vector),
		cmocka_unit_test(label_ring),
	};

	return cmocka_run_group_tests_name("superblock reading", tests, NULL, NULL);
}
