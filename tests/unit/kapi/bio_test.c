// SPDX-License-Identifier: GPL-2.0
/* lib/kapi/bio.c and bdev.c: vectors over pages, splitting, chaining, I/O on a file, faults. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kapi/kapi.h"
#include "kc/kc.h"

#define DISK_BYTES	(1 << 20)

static struct block_device *disk;
static char path[] = "/tmp/kapi-bio-XXXXXX";

/* Byte i of the disk. */
static u8 pattern(u64 i)
{
	return i ^ i >> 8 ^ i >> 16;
}

static void hush(int level, const char *text)
{
}

static int open_disk(void **state)
{
	int fd = mkstemp(path);
	u8 *data = malloc(DISK_BYTES);

	for (u64 i = 0; i < DISK_BYTES; i++)
		data[i] = pattern(i);
	if (write(fd, data, DISK_BYTES) != DISK_BYTES)
		return -1;
	free(data);
	close(fd);
	disk = kapi_bdev_open(path, O_RDWR);
	return IS_ERR(disk) ? -1 : 0;
}

static int close_disk(void **state)
{
	kapi_bdev_close(disk);
	return unlink(path);
}

static void assert_pattern(const u8 *p, u64 start, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(start + i))
			fail_msg("byte %zu is %02x, not %02x", i, p[i], pattern(start + i));
}

/* The way of kernel code: page by page, whatever the buffer is made of. */
static void add_buffer(struct bio *bio, void *buf, size_t bytes)
{
	while (bytes) {
		unsigned int n = min_t(size_t, bytes, PAGE_SIZE - offset_in_page(buf));
		struct page *page = is_vmalloc_addr(buf) ? vmalloc_to_page(buf) : virt_to_page(buf);

		assert_int_equal(bio_add_page(bio, page, n, offset_in_page(buf)), n);
		buf = (char *)buf + n;
		bytes -= n;
	}
}

static void about_the_device(void **state)
{
	char name[BDEVNAME_SIZE], text[64];

	assert_int_equal(bdev_nr_sectors(disk), DISK_BYTES / 512);
	assert_int_equal(bdev_logical_block_size(disk), 512);
	assert_string_equal(kc_bdev_name(disk, name), path + strlen("/tmp/"));
	snprintf(text, sizeof(text), "<%pg>", disk);
	assert_int_equal(strlen(text), strlen(name) + 2);
	assert_int_equal(PTR_ERR(kapi_bdev_open("/nonexistent/x", O_RDONLY)), -ENOENT);
	assert_int_equal(PTR_ERR(kapi_bdev_open("/tmp", O_RDONLY)), -EINVAL);
}

static void reads(void **state)
{
	size_t bytes = 100 << 10;
	u8 *big = kvmalloc(bytes, GFP_KERNEL);
	struct bio *bio = bio_alloc(disk, 32, REQ_OP_READ, GFP_KERNEL);

	bio->bi_iter.bi_sector = 3;
	add_buffer(bio, big, bytes);
	assert_int_equal(bio->bi_vcnt, 1);
	assert_int_equal(bio_segments(bio), bytes / PAGE_SIZE);
	assert_int_equal(submit_bio_wait(bio), 0);
	assert_pattern(big, 3 * 512, bytes);
	assert_int_equal(bio->bi_iter.bi_size, 0);
	assert_int_equal(bio->bi_iter.bi_sector, 3 + bytes / 512);
	bio_put(bio);
	kvfree(big);
}

static void scattered(void **state)
{
	struct page *p[3];
	struct bio *bio = bio_alloc(disk, 3, REQ_OP_READ, GFP_KERNEL);
	struct bvec_iter saved, it;
	struct bvec_iter_all all;
	struct bio_vec bv, *bvp;
	u64 at = 4096;
	int n = 0;

	for (int i = 0; i < 3; i++) {
		p[i] = alloc_pages(GFP_KERNEL, 1);
		assert_int_equal(bio_add_page(bio, p[i], 5120, 1024), 5120);
	}
	assert_int_equal(bio_add_page(bio, p[0], 512, 0), 0);
	bio->bi_iter.bi_sector = at / 512;
	saved = bio->bi_iter;
	assert_int_equal(submit_bio_wait(bio), 0);
	/* Each vector crosses a page boundary, so the iterator gives two pieces of it. */
	__bio_for_each_segment(bv, bio, it, saved) {
		assert_in_range(bv.bv_offset + bv.bv_len, 1, PAGE_SIZE);
		assert_int_equal(it.bi_sector, at / 512);
		assert_pattern(bvec_virt(&bv), at, bv.bv_len);
		at += bv.bv_len;
		n++;
	}
	assert_int_equal(n, 6);
	n = 0;
	bio_for_each_segment_all(bvp, bio, all)
		n += bvp->bv_len;
	assert_int_equal(n, 3 * 5120);
	bio_put(bio);
	for (int i = 0; i < 3; i++)
		__free_pages(p[i], 1);
}

static void writes(void **state)
{
	u8 *buf = kmalloc(4096, GFP_KERNEL);
	struct bio bio;
	struct bio_vec bv;

	memset(buf, 0x5a, 4096);
	bio_init(&bio, disk, &bv, 1, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA);
	bio.bi_iter.bi_sector = 1000;
	add_buffer(&bio, buf, 4096);
	assert_int_equal(submit_bio_wait(&bio), 0);
	memset(buf, 0, 4096);
	bio_init(&bio, disk, &bv, 1, REQ_OP_READ);
	bio.bi_iter.bi_sector = 1000;
	add_buffer(&bio, buf, 4096);
	assert_int_equal(submit_bio_wait(&bio), 0);
	assert_null(memchr_inv(buf, 0x5a, 4096));
	assert_int_equal(blkdev_issue_zeroout(disk, 1000, 8, GFP_KERNEL, 0), 0);
	assert_int_equal(blkdev_issue_flush(disk), 0);
	kfree(buf);
}

static int read_at(u64 sector, unsigned int bytes)
{
	u8 *buf = kmalloc(8192, GFP_KERNEL);
	struct bio_vec bv[2];
	struct bio bio;
	int error;

	bio_init(&bio, disk, bv, 2, REQ_OP_READ);
	bio.bi_iter.bi_sector = sector;
	add_buffer(&bio, buf, bytes);
	error = submit_bio_wait(&bio);
	kfree(buf);
	return error;
}

static void refused(void **state)
{
	kapi_set_log(hush);
	assert_int_equal(read_at(DISK_BYTES / 512 - 1, 512), 0);
	assert_int_equal(read_at(DISK_BYTES / 512 - 1, 1024), -EIO);
	assert_int_equal(read_at(~0ULL, 512), -EIO);
	assert_int_equal(read_at(0, 100), -EIO);
	kapi_bdev_set_block_size(disk, 4096);
	assert_int_equal(read_at(1, 4096), -EIO);
	assert_int_equal(read_at(8, 4096), 0);
	kapi_bdev_set_block_size(disk, 512);
	kapi_set_log(NULL);
}

static blk_status_t fail_sector_7(struct bio *bio, void *priv)
{
	atomic_inc(priv);
	return bio->bi_iter.bi_sector == 7 ? BLK_STS_MEDIUM : BLK_STS_OK;
}

static blk_status_t flip_bit(struct bio *bio, void *priv)
{
	struct bio_vec bv = bio_iovec(bio);

	*(u8 *)bvec_virt(&bv) ^= 1;
	return BLK_STS_OK;
}

static void faults(void **state)
{
	atomic_t calls = ATOMIC_INIT(0);
	struct kapi_bdev_fault fault = { .before = fail_sector_7, .priv = &calls };
	u8 *buf = kmalloc(512, GFP_KERNEL);
	struct bio_vec bv;
	struct bio bio;

	kapi_bdev_set_fault(disk, &fault);
	assert_int_equal(read_at(7, 512), -ENODATA);
	assert_int_equal(read_at(8, 512), 0);
	assert_int_equal(atomic_read(&calls), 2);
	fault = (struct kapi_bdev_fault){ .after = flip_bit };
	bio_init(&bio, disk, &bv, 1, REQ_OP_READ);
	add_buffer(&bio, buf, 512);
	assert_int_equal(submit_bio_wait(&bio), 0);
	assert_int_equal(buf[0], pattern(0) ^ 1);
	assert_pattern(buf + 1, 1, 511);
	kapi_bdev_set_fault(disk, NULL);
	kfree(buf);
}

static void parent_done(struct bio *bio)
{
	complete(bio->bi_private);
}

/* A read in pieces: the parent ends after the last of them, with the error of any. */
static blk_status_t split_read(u8 *buf, u64 sector, unsigned int bytes)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct bio_set bs;
	struct bio *bio, *piece;
	blk_status_t status;

	assert_int_equal(bioset_init(&bs, 4, 64, BIOSET_NEED_BVECS), 0);
	bio = bio_alloc_bioset(disk, 16, REQ_OP_READ, GFP_KERNEL, &bs);
	memset((char *)bio - 64, 0xee, 64);
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = parent_done;
	bio->bi_private = &done;
	add_buffer(bio, buf, bytes);
	while ((piece = bio_next_split(bio, 5, GFP_KERNEL, &bs)) != bio) {
		bio_chain(piece, bio);
		submit_bio(piece);
	}
	submit_bio(bio);
	wait_for_completion(&done);
	status = bio->bi_status;
	bio_put(bio);
	bioset_exit(&bs);
	return status;
}

static void pieces(void **state)
{
	atomic_t calls = ATOMIC_INIT(0);
	struct kapi_bdev_fault fault = { .before = fail_sector_7, .priv = &calls };
	u8 *buf = kvmalloc(65536, GFP_KERNEL);

	memset(buf, 0, 65536);
	assert_int_equal(split_read(buf, 2, 65536), BLK_STS_OK);
	assert_pattern(buf, 1024, 65536);
	kapi_bdev_set_fault(disk, &fault);
	assert_int_equal(split_read(buf, 2, 65536), BLK_STS_MEDIUM);
	assert_int_equal(atomic_read(&calls), 26);
	kapi_bdev_set_fault(disk, NULL);
	kvfree(buf);
}

static void copying(void **state)
{
	struct bio *src = bio_alloc(disk, 4, REQ_OP_READ, GFP_KERNEL);
	struct bio *dst = bio_alloc(disk, 4, REQ_OP_READ, GFP_KERNEL);
	u8 *a = kmalloc(8192, GFP_KERNEL), *b = kmalloc(8192, GFP_KERNEL);

	for (int i = 0; i < 8192; i++)
		a[i] = pattern(i);
	memset(b, 0, 8192);
	add_buffer(src, a, 6000);
	bio_add_page(dst, virt_to_page(b + 5000), 1000, offset_in_page(b + 5000));
	bio_add_page(dst, virt_to_page(b), 3000, offset_in_page(b));
	bio_copy_data(dst, src);
	assert_pattern(b + 5000, 0, 1000);
	assert_pattern(b, 1000, 3000);
	bio_trim(src, 2, 4);
	assert_int_equal(src->bi_iter.bi_size, 2048);
	zero_fill_bio(src);
	assert_null(memchr_inv(a + 1024, 0, 2048));
	assert_pattern(a, 0, 1024);
	assert_pattern(a + 3072, 3072, 1024);
	bio_put(dst);
	bio_put(src);
	kfree(b);
	kfree(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(about_the_device),
		cmocka_unit_test(reads),
		cmocka_unit_test(scattered),
		cmocka_unit_test(writes),
		cmocka_unit_test(refused),
		cmocka_unit_test(faults),
		cmocka_unit_test(pieces),
		cmocka_unit_test(copying),
	};

	return cmocka_run_group_tests(tests, open_disk, close_disk);
}
