// SPDX-License-Identifier: GPL-2.0
/*
 * New sets (docs/format/00-overview.md, section 8): what is chosen, what is written where, what is
 * refused; crashes while a device is formatted.
 */
#include <errno.h>
#include <fcntl.h>
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

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/format.h"
#include "engine/sb/write.h"
#include "engine/util/csum.h"
#include "kapi/kapi.h"
#include "random.h"
#include "require.h"

#define DEVS	4

struct devices {
	unsigned int		nr;
	int			fd[DEVS];
	struct block_device	*bdev[DEVS];
	struct sb_format_dev	dev[DEVS];
};

static const char *const names[DEVS] = { "one", "two", "three", "four" };

/* devices full of something else */
static void devices_open(struct devices *d, unsigned int nr, const u64 *bytes)
{
	static u8 junk[1 << 16];
	unsigned int i;

	memset(d, 0, sizeof(*d));
	memset(junk, 0xa5, sizeof(junk));
	d->nr = nr;
	for (i = 0; i < nr; i++) {
		d->fd[i] = memfd_create(names[i], 0);
		require(!ftruncate(d->fd[i], bytes[i]));
		require(pwrite(d->fd[i], junk, sizeof(junk), 0) == sizeof(junk));
		d->bdev[i] = kapi_bdev_from_fd(dup(d->fd[i]), names[i], O_RDWR);
		require(!IS_ERR(d->bdev[i]));
		bce_sb_format_dev_init(&d->dev[i]);
		d->dev[i].name = names[i];
		d->dev[i].sectors = bytes[i] / 512;
		d->dev[i].physical_block_bytes = 4096;
	}
}

static void devices_close(struct devices *d)
{
	while (d->nr--) {
		kapi_bdev_close(d->bdev[d->nr]);
		close(d->fd[d->nr]);
	}
}

/* format; every copy must then be found, and is what was made */
static void format(struct devices *d, struct sb_format *f, struct sb_image *img)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image got;
	unsigned int i, copy;
	char head[4096];

	f->dev = d->dev;
	f->nr_devs = d->nr;
	if (bce_sb_format_make(img, f, &why))
		fail_msg("%s", bce_text_str(&why));
	for (i = 0; i < d->nr; i++) {
		assert_int_equal(bce_sb_format_write(d->bdev[i], names[i], &img[i]), 0);
		for (copy = 0; copy < img[i].sb->layout.nr_superblocks; copy++) {
			u64 sector = le64_to_cpu(img[i].sb->layout.sb_offset[copy]);

			if (bce_sb_read(&got, d->bdev[i], sector, &why))
				fail_msg("%s", bce_text_str(&why));
			assert_int_equal(le64_to_cpu(got.sb->offset), sector);
			got.sb->offset = img[i].sb->offset;
			assert_int_equal(got.bytes, img[i].bytes);
			assert_memory_equal(got.sb, img[i].sb, got.bytes);
			bce_sb_image_exit(&got);
		}
		assert_int_equal(pread(d->fd[i], head, sizeof(head), 0), sizeof(head));
		assert_memory_equal(head + 3584, &img[i].sb->layout, 512);
		for (copy = 0; copy < 3584; copy++)
			assert_int_equal(head[copy], 0);
	}
	bce_text_exit(&why);
}

static void images_exit(struct sb_image *img, unsigned int nr)
{
	while (nr--)
		bce_sb_image_exit(&img[nr]);
}

/* the worked example: 10-superblock.md, section 9, with the node size that 128 KiB buckets allow */
static void example(void **state)
{
	static const u64 flags[7] = {
		0x8111110080000100ULL | 256 << 12, 0x000000000111C102ULL, 0, 0x000000FA30000000ULL,
		0x0000000100000064ULL, 0x00000000001E0000ULL, 0,
	};
	const u64 bytes[] = { 512 << 20 };
	struct sb_format f = { };
	struct sb_image img[DEVS];
	struct member_info m;
	struct sb_info info;
	struct devices d;
	unsigned int i;

	devices_open(&d, 1, bytes);
	format(&d, &f, img);
	for (i = 0; i < 7; i++)
		assert_int_equal(le64_to_cpu(img[0].sb->flags[i]), flags[i]);
	bce_sb_info(img[0].sb, &info);
	assert_int_equal(info.version, 1037);
	assert_int_equal(info.version_min, 1037);
	assert_int_equal(info.features, 0x7BA80);
	assert_int_equal(info.compat, 0);
	assert_int_equal(info.seq, 0);
	assert_int_equal(info.write_time, 0);
	assert_int_equal(info.block_sectors, 8);
	assert_false(info.initialized || info.clean || info.encrypted);
	assert_int_equal(info.time_precision, 1);
	assert_int_equal(img[0].bytes, 976);
	assert_int_equal(img[0].sb->csum.lo, 0);
	assert_int_equal(le64_to_cpu(img[0].sb->layout.sb_offset[1]), 2056);
	assert_int_equal(le64_to_cpu(img[0].sb->layout.sb_offset[2]), 1046528);
	bce_sb_member(img[0].sb, 0, &m);
	assert_int_equal(m.nbuckets, 4096);
	assert_int_equal(m.bucket_sectors, 256);
	images_exit(img, 1);
	devices_close(&d);
}

static void sizes_chosen(void **state)
{
	static const struct {
		u64	bytes;
		u32	bucket, node;
	} by_size[] = {
		{ 4 << 20, 32 << 10, 32 << 10 },	/* 64 of 128 KiB do not fit; a node has 8 blocks */
		{ 8 << 20, 128 << 10, 128 << 10 },
		{ 1ULL << 30, 128 << 10, 128 << 10 },
		{ 2ULL << 30, 256 << 10, 256 << 10 },
		{ 1ULL << 40, 512 << 10, 256 << 10 },
		{ 1ULL << 49, 512 << 10, 256 << 10 },
		{ 1ULL << 51, 2 << 20, 256 << 10 },	/* not more than 2^31 of them */
	};
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_format_dev dev[2];
	struct sb_format f = { .dev = dev, .nr_devs = 1 };
	struct sb_image img[2];
	struct member_info m;
	struct sb_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(by_size); i++) {
		bce_sb_format_dev_init(&dev[0]);
		dev[0].name = "dev";
		dev[0].sectors = by_size[i].bytes / 512;
		dev[0].physical_block_bytes = 4096;
		if (bce_sb_format_make(img, &f, &why))
			fail_msg("%s", bce_text_str(&why));
		bce_sb_member(img[0].sb, 0, &m);
		bce_sb_info(img[0].sb, &info);
		assert_int_equal(m.bucket_sectors * 512, by_size[i].bucket);
		assert_int_equal(info.btree_node_sectors * 512, by_size[i].node);
		assert_int_equal(m.nbuckets, by_size[i].bytes / by_size[i].bucket);
		images_exit(img, 1);
	}

	/* the smallest device decides for all, but not over what was asked for */
	dev[1] = dev[0];
	dev[0].sectors = (2ULL << 40) / 512;
	dev[1].sectors = (1ULL << 30) / 512;
	f.nr_devs = 2;
	assert_int_equal(bce_sb_format_make(img, &f, &why), 0);
	bce_sb_member(img[1].sb, 0, &m);
	assert_int_equal(m.bucket_sectors, 256);
	images_exit(img, 2);
	dev[1].bucket_bytes = 64 << 10;
	dev[1].fs_bytes = 100 << 20;
	assert_int_equal(bce_sb_format_make(img, &f, &why), 0);
	bce_sb_member(img[1].sb, 0, &m);
	assert_int_equal(m.bucket_sectors, 1024);
	bce_sb_member(img[1].sb, 1, &m);
	assert_int_equal(m.bucket_sectors, 128);
	assert_int_equal(m.nbuckets, 1600);
	bce_sb_info(img[0].sb, &info);
	assert_int_equal(info.btree_node_sectors, 128);
	assert_true(le64_to_cpu(img[1].sb->layout.sb_offset[2]) < (100 << 20) / 512);
	images_exit(img, 2);
	bce_text_exit(&why);
}

static void labels_and_targets(void **state)
{
	static const struct sb_format_option option[] = {
		{ "foreground_target", "ssd" }, { "promote_target", "ssd.fast" },
		{ "background_target", "three" }, { "metadata_target", "none" },
		{ "data_replicas", "3" }, { "data_replicas", "2" }, { "compression", "zstd:7" },
		{ "background_compression", "gzip" }, { "erasure_code", "1" },
	};
	const u64 bytes[] = { 64 << 20, 64 << 20, 64 << 20 };
	struct sb_format f = { .option = option, .nr_options = ARRAY_SIZE(option),
			       .label = "01234567890123456789012345678901" };
	struct text_buf text = TEXT_BUF_INIT;
	struct sb_image img[DEVS];
	struct member_info m;
	struct sb_info info;
	struct devices d;

	devices_open(&d, 3, bytes);
	d.dev[0].label = "ssd.fast";
	d.dev[1].label = "ssd.slow";
	d.dev[0].durability = 0;
	d.dev[1].durability = 2;
	d.dev[1].discard = true;
	d.dev[2].data_allowed = 1 << BCH_DATA_user;
	format(&d, &f, img);

	bce_sb_info(img[2].sb, &info);
	assert_string_equal(info.label, f.label);
	assert_int_equal(info.dev_idx, 2);
	assert_memory_equal(img[0].sb->uuid, img[2].sb->uuid, 16);
	assert_memory_equal(img[0].sb->user_uuid, img[2].sb->user_uuid, 16);
	assert_memory_not_equal(img[0].sb->uuid, img[0].sb->user_uuid, 16);
	bce_sb_member_label(&text, img[2].sb, 1);
	assert_string_equal(bce_text_str(&text), "ssd.slow");
	bce_sb_member(img[2].sb, 0, &m);
	assert_int_equal(m.durability, 0);
	bce_sb_member(img[2].sb, 1, &m);
	assert_int_equal(m.durability, 2);
	assert_true(m.discard);
	bce_sb_member(img[2].sb, 2, &m);
	assert_int_equal(m.data_allowed, 0x10);
	assert_int_equal(m.group, 0);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, FOREGROUND_TARGET), 257);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, PROMOTE_TARGET), 258);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, BACKGROUND_TARGET), 3);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, DATA_REPLICAS_WANT), 2);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, COMPRESSION_TYPE_LO), 3);
	assert_int_equal(BCH_SB_FLAG(img[0].sb, COMPRESSION_TYPE_HI), 7);
	assert_int_equal(info.features, BCH_FEATURES_ALL | 1 << BCH_FEATURE_zstd |
					1 << BCH_FEATURE_gzip | 1 << BCH_FEATURE_ec);
	bce_text_exit(&text);
	images_exit(img, 3);
	devices_close(&d);
}

static void encryption(void **state)
{
	static const u8 key[32] = "thirty-two bytes of a passphrase";
	const u64 bytes[] = { 64 << 20, 64 << 20 };
	struct sb_format f = { .encrypted = true, .passphrase_key = key };
	struct sb_image img[DEVS];
	struct bce_cipher *cipher;
	struct sb_info info;
	struct devices d;
	u8 n, r, p, wrong[32] = { };

	devices_open(&d, 2, bytes);
	format(&d, &f, img);
	bce_sb_info(img[1].sb, &info);
	assert_true(info.encrypted);
	assert_true(bce_sb_key_is_wrapped(img[1].sb));
	assert_int_equal(bce_sb_kdf_params(img[1].sb, &n, &r, &p), 0);
	assert_int_equal(n << 16 | r << 8 | p, 14 << 16 | 3 << 8 | 4);
	assert_int_equal(bce_sb_unlock(img[1].sb, wrong, &cipher), -EKEYREJECTED);
	assert_int_equal(bce_sb_unlock(img[1].sb, key, &cipher), 0);
	bce_cipher_free(cipher);
	images_exit(img, 2);

	f.passphrase_key = NULL;
	format(&d, &f, img);
	assert_false(bce_sb_key_is_wrapped(img[0].sb));
	assert_int_equal(bce_sb_unlock(img[0].sb, NULL, &cipher), 0);
	bce_cipher_free(cipher);
	images_exit(img, 2);
	devices_close(&d);
}

static void expect_refused(const struct sb_format *f, int error, const char *words)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img[70];
	int ret = bce_sb_format_make(img, f, &why);

	if (ret != error || !strstr(bce_text_str(&why), words))
		fail_msg("%d \"%s\", expected %d \"%s\"", ret, bce_text_str(&why), error, words);
	bce_text_exit(&why);
}

static void expect_option_refused(struct sb_format *f, const char *name, const char *value,
				  const char *words)
{
	const struct sb_format_option option = { name, value };

	f->option = &option;
	f->nr_options = 1;
	expect_refused(f, -EINVAL, words);
	f->nr_options = 0;
}

static void refused(void **state)
{
	struct sb_format_dev dev[70], good;
	struct sb_format f = { .dev = dev, .nr_devs = 1 };
	unsigned int i;

	bce_sb_format_dev_init(&good);
	good.name = "disk";
	good.sectors = 64 << 11;
	for (i = 0; i < 70; i++)
		dev[i] = good;
	f.nr_devs = 65;
	expect_refused(&f, -EINVAL, "1 to 64 devices, not 65");
	f.nr_devs = 0;
	expect_refused(&f, -EINVAL, "not 0");
	f.nr_devs = 1;
	f.label = "012345678901234567890123456789012";
	expect_refused(&f, -EINVAL, "at most 32 bytes");
	f.label = NULL;
	f.sb_bytes = 3000;
	expect_refused(&f, -EINVAL, "superblock size: a power of two");
	f.sb_bytes = 32 << 20;
	expect_refused(&f, -ENOSPC, "disk: too small for three superblocks");
	f.sb_bytes = 0;

	dev[0].sectors = 20;
	expect_refused(&f, -ENOSPC, "disk: too small: 2 buckets of 4096 bytes");
	dev[0] = good;
	dev[0].bucket_bytes = 2 << 20;
	expect_refused(&f, -ENOSPC, "too small: 32 buckets");
	dev[0].bucket_bytes = 100000;
	expect_refused(&f, -EINVAL, "disk: bucket of 100000 bytes");
	dev[0].bucket_bytes = 32 << 20;
	expect_refused(&f, -EINVAL, "at most 33553920 bytes");
	dev[0] = good;
	dev[0].fs_bytes = 65 << 20;
	expect_refused(&f, -EINVAL, "disk: has 67108864 bytes, not");
	dev[0] = good;
	dev[0].durability = 3;
	expect_refused(&f, -EINVAL, "durability 3: at most 2");
	dev[0] = good;
	dev[0].label = "a..b";
	expect_refused(&f, -EINVAL, "label \"a..b\": names of 1 to 32 bytes");
	dev[0] = good;
	dev[0].logical_block_bytes = 8192;
	expect_refused(&f, -EINVAL, "disk: has blocks of 8192 bytes");
	dev[0] = good;

	expect_option_refused(&f, "block_size", "8k", "at most 4096 can be used on this machine");
	expect_option_refused(&f, "block_size", "1000", "option block_size is not a power of two");
	expect_option_refused(&f, "btree_node_size", "1M", "option btree_node_size is too big");
	expect_option_refused(&f, "btree_node_size", "2k", "btree nodes of 2048 bytes: at least 8 blocks of 512, 4096 bytes");
	expect_option_refused(&f, "wonder", "1", "no option \"wonder\"");
	expect_option_refused(&f, "data_checksum", "md5", "option data_checksum is one of none, crc32c, crc64, xxhash");
	expect_option_refused(&f, "compression", "lz4:16", "option compression is one of none, lz4, gzip, zstd");
	expect_option_refused(&f, "compression", "none:3", "option compression is one of");
	expect_option_refused(&f, "data_replicas", "4", "option data_replicas is too big (allowed: 1 to 3)");
	expect_option_refused(&f, "data_replicas", "two", "option data_replicas is a number");
	expect_option_refused(&f, "gc_reserve_bytes", "1000", "not whole sectors");
	expect_option_refused(&f, "promote_target", "ssd", "a label that one has, not \"ssd\"");
}

/* random options on 1 to 4 devices: what was asked for is what can be read */
static void random_sets(void **state)
{
	static const char *const blocks[] = { "512", "1k", "2k", "4k" };
	static const char *const nodes[] = { "32k", "64k", "128k", "256k" };
	static const char *const checksums[] = { "none", "crc32c", "crc64", "xxhash" };
	static const char *const labels[] = { NULL, "a", "a.b", "c.d.e" };
	unsigned int n, i, nr, pick[3], sb_kib;
	struct sb_image img[DEVS];
	struct member_info m;
	struct sb_info info;
	struct devices d;
	u64 bytes[DEVS];

	for (n = 0; n < 60; n++) {
		struct sb_format_option option[] = {
			{ "block_size", blocks[pick[0] = rnd() % 4] },
			{ "btree_node_size", nodes[pick[1] = rnd() % 4] },
			{ "metadata_checksum", checksums[pick[2] = rnd() % 4] },
		};
		struct sb_format f = { .option = option, .nr_options = 3 };

		nr = 1 + rnd() % 4;
		for (i = 0; i < nr; i++)
			bytes[i] = (40 << 20) + rnd() % (100 << 20) / 512 * 512;
		devices_open(&d, nr, bytes);
		for (i = 0; i < nr; i++) {
			d.dev[i].physical_block_bytes = 512;
			d.dev[i].bucket_bytes = rnd() % 2 ? 256 << 10 << rnd() % 2 : 0;
			d.dev[i].durability = rnd() % 3;
			d.dev[i].label = labels[rnd() % 4];
		}
		sb_kib = 16 << rnd() % 7;
		f.sb_bytes = sb_kib << 10;
		format(&d, &f, img);
		bce_sb_info(img[nr - 1].sb, &info);
		assert_int_equal(info.block_sectors, 1 << pick[0]);
		assert_int_equal(info.btree_node_sectors, 64 << pick[1]);
		assert_int_equal(BCH_SB_FLAG(img[0].sb, META_CSUM_TYPE), pick[2]);
		assert_int_equal(1 << img[0].sb->layout.sb_max_size_bits, 2 * sb_kib);
		for (i = 0; i < nr; i++) {
			bce_sb_member(img[0].sb, i, &m);
			assert_int_equal(m.durability, d.dev[i].durability);
			assert_true(!d.dev[i].bucket_bytes ||
				    m.bucket_sectors * 512 == d.dev[i].bucket_bytes);
			assert_int_equal(m.nbuckets, bytes[i] / 512 / m.bucket_sectors);
		}
		images_exit(img, nr);
		devices_close(&d);
	}
}

/* ---- crashes ---- */

struct crash {
	atomic_t	left;
};

static blk_status_t crash_before(struct bio *bio, void *priv)
{
	struct crash *c = priv;

	if (!op_is_write(bio->bi_opf) || !bio->bi_iter.bi_size)
		return BLK_STS_OK;
	return atomic_dec_return(&c->left) >= 0 ? BLK_STS_OK : BLK_STS_IOERR;
}

/* over an older set: after any number of writes that one is there, or nothing, or the new one */
static void crashes(void **state)
{
	struct text_buf why = TEXT_BUF_INIT;
	const u64 bytes[] = { 64 << 20 };
	struct sb_image old[DEVS], new[DEVS], got;
	struct sb_format f = { };
	struct devices d;
	int writes, ret;

	for (writes = 0; writes <= 5; writes++) {
		struct crash c;
		const struct kapi_bdev_fault fault = { .before = crash_before, .priv = &c };

		devices_open(&d, 1, bytes);
		format(&d, &f, old);
		assert_int_equal(bce_sb_format_make(new, &f, &why), 0);
		atomic_set(&c.left, writes);
		kapi_bdev_set_fault(d.bdev[0], &fault);
		ret = bce_sb_format_write(d.bdev[0], "one", &new[0]);
		assert_int_equal(ret, writes < 5 ? -EIO : 0);
		kapi_bdev_set_fault(d.bdev[0], NULL);
		ret = bce_sb_read(&got, d.bdev[0], 0, &why);
		if (!ret)
			assert_memory_equal(got.sb->uuid, writes ? new[0].sb->uuid : old[0].sb->uuid, 16);
		assert_int_equal(ret, writes > 0 && writes < 4 ? -ENODATA : 0);
		bce_sb_image_exit(&got);
		images_exit(old, 1);
		images_exit(new, 1);
		devices_close(&d);
	}
	bce_text_exit(&why);
}

static void short_of_memory(void **state)
{
	const u64 bytes[] = { 64 << 20, 64 << 20 };
	struct sb_format f = { .encrypted = true };
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img[DEVS];
	struct devices d;
	u64 nth, failed;
	int ret;

	devices_open(&d, 2, bytes);
	d.dev[0].label = "a.b";
	f.dev = d.dev;
	f.nr_devs = 2;
	for (nth = 1;; nth++) {
		bce_text_reset(&why);
		kapi_alloc_fail(nth, false);
		ret = bce_sb_format_make(img, &f, &why);
		if (!ret) {
			ret = bce_sb_format_write(d.bdev[0], "one", &img[0]);
			images_exit(img, 2);
		}
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		if (!failed)
			break;
		assert_int_equal(ret, -ENOMEM);
	}
	assert_true(nth > 10);
	bce_text_exit(&why);
	devices_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example),
		cmocka_unit_test(sizes_chosen),
		cmocka_unit_test(labels_and_targets),
		cmocka_unit_test(encryption),
		cmocka_unit_test(refused),
		cmocka_unit_test(random_sets),
		cmocka_unit_test(crashes),
		cmocka_unit_test(short_of_memory),
	};

	return cmocka_run_group_tests_name("new superblocks", tests, rnd_setup, NULL);
}
