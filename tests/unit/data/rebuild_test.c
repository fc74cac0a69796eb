// SPDX-License-Identifier: GPL-2.0
/*
 * Reads of striped extents whose own block is not there, fails or lies (docs/format/75-allocation.md, section 8): made
 * from the stripe's other blocks as long as enough of these are left and right; else an error, never wrong data.
 *
 * A stripe of three data blocks lies on members 1 to 3, its parity on them, too, in buckets behind. Faults are
 * by block. Extents of several kinds are in the data blocks; a model beside has what the file must read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lz4.h>

#include <linux/bio.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "../../lib/mini_set.h"
#include "engine/data/parity.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"
#include "kapi/kapi.h"

#define INUM		4100
#define SNAP		U32_MAX
#define NR_DATA		3
#define BLOCK_BYTES	(MINI_BUCKET_SECTORS * 512)
#define FILE_SECTORS	(NR_DATA * 256)
#define STRIPE_IDX	7
#define GEN		3

enum fault_kind { HEALTHY, FAILS, LIES };

struct fixture {
	struct mini_set		m;
	struct kapi_bdev_fault	fault[MINI_DEVS];
	struct stripe_info	s;
	u8			data[NR_DATA + 2][BLOCK_BYTES];
	unsigned int		used[NR_DATA];		/* sectors */
	enum fault_kind		kind[NR_DATA + 2];
	u8			model[FILE_SECTORS * 512];
	u64			file_end;
	bool			dev_lost;		/* pointers name no member */
	bool			ptr_off;		/* they name another bucket */
};

static const struct bversion no_version;

static unsigned int block_dev(unsigned int i)
{
	return 1 + i % 3;
}

static u64 block_sector(unsigned int i)
{
	return (4 + i) * MINI_BUCKET_SECTORS;
}

/* ---- faults ---- */

static struct fixture *faulty_set;

static enum fault_kind bio_fault(struct bio *bio)
{
	for (unsigned int i = 0; i < NR_DATA + 2; i++)
		if (bio->bi_bdev == faulty_set->m.bdev[block_dev(i)] &&
		    bio->bi_iter.bi_sector - block_sector(i) < MINI_BUCKET_SECTORS)
			return faulty_set->kind[i];
	return HEALTHY;
}

static blk_status_t fault_before(struct bio *bio, void *priv)
{
	return bio_fault(bio) == FAILS ? BLK_STS_IOERR : BLK_STS_OK;
}

static blk_status_t fault_after(struct bio *bio, void *priv)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	if (bio_fault(bio) != LIES)
		return BLK_STS_OK;
	bio_for_each_segment(bv, bio, iter)
		for (unsigned int i = 0; i < bv.bv_len; i += 512)
			((u8 *)page_address(bv.bv_page))[bv.bv_offset + i + 3] ^= 0x10;
	return BLK_STS_OK;
}

/* ---- layout ---- */

static u64 ptr_word(unsigned int dev, u64 sector)
{
	u64 w = 1;

	w = BITS_SET(w, EXTENT_PTR_OFFSET, sector);
	w = BITS_SET(w, EXTENT_PTR_DEV, dev);
	return BITS_SET(w, EXTENT_PTR_GEN, GEN);
}

static unsigned int crc_words(u64 *w, const struct extent_crc *c)
{
	w[0] = 8;	/* crc128 */
	w[0] = BITS_SET(w[0], EXTENT_CRC128_COMPRESSED_SIZE, c->compressed_size - 1);
	w[0] = BITS_SET(w[0], EXTENT_CRC128_UNCOMPRESSED_SIZE, c->uncompressed_size - 1);
	w[0] = BITS_SET(w[0], EXTENT_CRC128_CSUM_TYPE, c->csum_type);
	w[0] = BITS_SET(w[0], EXTENT_CRC128_COMPRESSION_TYPE, c->compression_type);
	w[1] = c->csum.lo;
	w[2] = c->csum.hi;
	return 3;
}

static u64 stripe_word(const struct fixture *f, unsigned int block)
{
	u64 w = 1 << 4;

	w = BITS_SET(w, EXTENT_STRIPE_PTR_BLOCK, block);
	w = BITS_SET(w, EXTENT_STRIPE_PTR_REDUNDANCY, f->s.nr_redundant);
	return BITS_SET(w, EXTENT_STRIPE_PTR_IDX, STRIPE_IDX);
}

/* the next extent of the file, in data block @block */
static void add_extent(struct fixture *f, unsigned int block, u32 sectors, unsigned int csum_type,
		       bool compress)
{
	struct extent_crc crc = { .compressed_size = sectors, .uncompressed_size = sectors,
				  .csum_type = csum_type };
	u8 *src = f->model + f->file_end * 512;
	u8 *dst = f->data[block] + f->used[block] * 512;
	u64 w[5], sector = block_sector(block) + f->used[block];
	unsigned int nr = 0;

	for (u32 i = 0; i < sectors * 512; i++)
		src[i] = i % 64 < 40 && compress ? 'x' : rand() >> 8;
	if (compress) {
		crc.compression_type = BCH_COMPRESSION_TYPE_lz4;
		crc.compressed_size = sectors - MINI_BLOCK_SECTORS;
		assert_true(LZ4_compress_default((char *)src, (char *)dst, sectors * 512,
						 crc.compressed_size * 512) > 0);
	} else {
		memcpy(dst, src, sectors * 512);
	}
	assert_int_equal(bce_csum(csum_type, NULL, (struct bce_nonce) { }, dst,
				  crc.compressed_size * 512, &crc.csum), 0);
	if (csum_type || compress)
		nr = crc_words(w, &crc);
	w[nr++] = stripe_word(f, block);
	w[nr++] = ptr_word(f->dev_lost ? BCH_DEV_INVALID : block_dev(block),
			   sector + (f->ptr_off ? MINI_BUCKET_SECTORS * 20 : 0));
	f->used[block] += crc.compressed_size;
	f->file_end += sectors;
	mini_key(&f->m, BTREE_ID_extents, KEY_TYPE_extent, SPOS(INUM, f->file_end, SNAP), sectors,
		 no_version, w, nr * 8);
}

static void make_parity(struct fixture *f)
{
	u8 coef[PARITY_BLOCKS_MAX];

	for (unsigned int j = 0; j < f->s.nr_redundant; j++) {
		bce_parity_coefs(NR_DATA, j, coef);
		for (unsigned int i = 0; i < NR_DATA; i++)
			bce_parity_add(f->data[NR_DATA + j], f->data[i], coef[i], BLOCK_BYTES);
	}
}

static void add_stripe_key(struct fixture *f, u64 idx)
{
	unsigned int csum_bytes = bce_csum_bytes(f->s.csum_type);
	struct bch_stripe head = {
		.sectors		= cpu_to_le16(f->s.sectors),
		.nr_blocks		= f->s.nr_blocks,
		.nr_redundant		= f->s.nr_redundant,
		.csum_granularity_bits	= f->s.csum_granularity_bits,
		.csum_type		= f->s.csum_type,
	};
	size_t unit = 512UL << min_t(unsigned int, f->s.csum_granularity_bits, 16);
	struct bce_csum csum;
	u8 v[2048] = { }, *at = v + sizeof(head);

	memcpy(v, &head, sizeof(head));
	for (unsigned int i = 0; i < f->s.nr_blocks; i++, at += 8)
		memcpy(at, &(__le64) { cpu_to_le64(ptr_word(block_dev(i), block_sector(i))) }, 8);
	for (unsigned int i = 0; i < f->s.nr_blocks; i++)
		for (size_t from = 0; from < BLOCK_BYTES; from += unit, at += csum_bytes) {
			bce_csum(f->s.csum_type, NULL, (struct bce_nonce) { }, f->data[i] + from,
				 min_t(size_t, unit, BLOCK_BYTES - from), &csum);
			memcpy(at, &csum.lo, csum_bytes);
		}
	for (unsigned int i = 0; i < NR_DATA; i++)
		memcpy(at + i * 2, &(__le16) { cpu_to_le16(f->used[i]) }, 2);
	mini_key(&f->m, BTREE_ID_stripes, KEY_TYPE_stripe, POS(0, idx), 0, no_version, v,
		 bce_stripe_val_bytes(&f->s));
}

static struct fixture *fixture_new(unsigned int nr_redundant, unsigned int csum_type,
				   unsigned int granularity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	mini_init(&f->m);
	mini_snapshot(&f->m, SNAP, 0, NULL);
	f->s = (struct stripe_info) {
		.sectors = MINI_BUCKET_SECTORS, .nr_blocks = NR_DATA + nr_redundant,
		.nr_redundant = nr_redundant, .csum_type = csum_type,
		.csum_granularity_bits = granularity,
	};
	return f;
}

static void fixture_start(struct fixture *f, u64 idx)
{
	static const unsigned int csums[] = { 0, 5, 6, 7 };

	for (unsigned int i = 0; i < 12; i++)
		add_extent(f, i % NR_DATA, 24 + i / 3 * 8, csums[i / 3 % 4], i % 5 == 4);
	make_parity(f);
	add_stripe_key(f, idx);
	assert_int_equal(mini_start(&f->m, NULL), 0);
	faulty_set = f;
	for (unsigned int i = 0; i < f->s.nr_blocks; i++)
		mini_write(&f->m, block_dev(i), block_sector(i), f->data[i], BLOCK_BYTES);
	for (unsigned int i = 1; i < MINI_DEVS; i++) {
		f->fault[i] = (struct kapi_bdev_fault) { .before = fault_before, .after = fault_after };
		kapi_bdev_set_fault(f->m.bdev[i], &f->fault[i]);
	}
}

static void fixture_free(struct fixture *f)
{
	mini_exit(&f->m);
	free(f);
}

/* ---- reading ---- */

static int read_into(struct fixture *f, u64 sector, u32 sectors, u8 *buf)
{
	struct mini_read r;
	struct bio_vec bv = { .bv_page = virt_to_page(buf), .bv_len = sectors * 512 };
	struct bio bio;
	int ret;

	memset(buf, 0x5a, sectors * 512);
	bio_init(&bio, NULL, &bv, 1, REQ_OP_READ);
	bio.bi_vcnt = 1;
	bio.bi_iter.bi_size = bv.bv_len;
	bio.bi_iter.bi_sector = sector;
	mini_read_start(&f->m, &r, INUM, SNAP, &bio);
	ret = mini_read_wait(&r);
	bio_uninit(&bio);
	return ret;
}

static void *page_buffer(void)
{
	void *p;

	assert_int_equal(posix_memalign(&p, PAGE_SIZE, FILE_SECTORS * 512), 0);
	return p;
}

/* all of the file, and parts of it */
static void expect_right(struct fixture *f)
{
	u8 *buf = page_buffer();

	assert_int_equal(read_into(f, 0, f->file_end, buf), 0);
	assert_memory_equal(buf, f->model, f->file_end * 512);
	for (int i = 0; i < 20; i++) {
		u64 at = rand() % f->file_end;
		u32 n = 1 + rand() % min_t(u64, f->file_end - at, 60);

		assert_int_equal(read_into(f, at, n, buf), 0);
		assert_memory_equal(buf, f->model + at * 512, n * 512);
	}
	free(buf);
}

static void expect_error(struct fixture *f, int error)
{
	u8 *buf = page_buffer();

	assert_int_equal(read_into(f, 0, f->file_end, buf), error);
	free(buf);
}

static u64 csum_errors(struct fixture *f, unsigned int dev)
{
	struct member_counters c;

	bce_member_counters(f->m.members, dev, &c);
	return c.csum_errors;
}

/* ---- tests ---- */

static void one_parity(void **state)
{
	for (unsigned int granularity = 3; granularity < 10; granularity += 2) {
		struct fixture *f = fixture_new(1, 5, granularity);

		fixture_start(f, STRIPE_IDX);
		expect_right(f);
		for (unsigned int i = 0; i < NR_DATA; i++) {
			f->kind[i] = FAILS;
			expect_right(f);
			f->kind[(i + 1) % NR_DATA] = FAILS;
			expect_error(f, -EIO);
			f->kind[i] = f->kind[(i + 1) % NR_DATA] = HEALTHY;
		}
		fixture_free(f);
	}
}

/* any two of five blocks, failing or lying; three are too many */
static void two_parities(void **state)
{
	struct fixture *f = fixture_new(2, 5, 5);

	fixture_start(f, STRIPE_IDX);
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int j = 0; j < i; j++) {
			f->kind[i] = f->kind[j] = FAILS;
			expect_right(f);
			f->kind[j] = HEALTHY;
			f->kind[i] = HEALTHY;
		}
	f->kind[0] = f->kind[2] = f->kind[4] = FAILS;
	expect_error(f, -EIO);
	fixture_free(f);
}

/* wrong bytes of other blocks are found by the stripe's checksums, also where the extent has none */
static void helpers_lie(void **state)
{
	struct fixture *f = fixture_new(2, 6, 4);

	fixture_start(f, STRIPE_IDX);
	for (unsigned int i = 1; i < 5; i++) {
		u64 before = csum_errors(f, block_dev(i));

		f->kind[0] = FAILS;
		/* that of a data block is asked for its own data, too, and unchecked extents believe it */
		f->kind[i] = LIES;
		if (i >= NR_DATA) {
			expect_right(f);
			assert_true(i == 4 || csum_errors(f, block_dev(i)) > before);
		} else {
			u8 *buf = page_buffer();

			assert_int_equal(read_into(f, 0, 24, buf), 0);
			assert_memory_equal(buf, f->model, 24 * 512);
			assert_true(csum_errors(f, block_dev(i)) > before);
			free(buf);
		}
			f->kind[i] = HEALTHY;
	}
	f->kind[3] = f->kind[4] = LIES;
	expect_error(f, -EIO);
	fixture_free(f);
}

/* without checksums in the stripe those of the extents decide */
static void unchecked_stripe(void **state)
{
	struct fixture *f = fixture_new(1, 0, 63);

	fixture_start(f, STRIPE_IDX);
	f->kind[1] = FAILS;
	expect_right(f);
	f->kind[3] = LIES;
	expect_error(f, -EILSEQ);
	fixture_free(f);
}

/* the block itself lies: its member is blamed, and the data is right where a checksum tells */
static void block_lies(void **state)
{
	struct fixture *f = fixture_new(1, 5, 7);
	u8 *buf = page_buffer();

	fixture_start(f, STRIPE_IDX);
	f->kind[0] = LIES;
	/* the first extent of block 0 has no checksum; the second does */
	assert_int_equal(read_into(f, 72, 32, buf), 0);
	assert_memory_equal(buf, f->model + 72 * 512, 32 * 512);
	assert_true(csum_errors(f, 1) > 0);
	free(buf);
	fixture_free(f);
}

static void members_gone(void **state)
{
	struct fixture *f = fixture_new(2, 5, 5);

	fixture_start(f, STRIPE_IDX);
	mini_detach(&f->m, 3);		/* block 2 */
	expect_right(f);
	mini_detach(&f->m, 2);		/* blocks 1 and 4 */
	expect_error(f, -EIO);
	mini_attach(&f->m, 2);
	expect_right(f);
	fixture_free(f);
}

/* the member was removed from the set: pointers keep the place, for the stripe's sake */
static void pointers_without_member(void **state)
{
	struct fixture *f = fixture_new(1, 7, 5);

	f->dev_lost = true;
	fixture_start(f, STRIPE_IDX);
	expect_right(f);
	fixture_free(f);
}

static void no_such_stripe(void **state)
{
	struct fixture *f = fixture_new(1, 5, 5);

	fixture_start(f, STRIPE_IDX + 1);
	expect_right(f);
	f->kind[1] = FAILS;
	expect_error(f, -EIO);
	fixture_free(f);
}

static void pointer_elsewhere(void **state)
{
	struct fixture *f = fixture_new(1, 5, 5);

	f->ptr_off = true;
	fixture_start(f, STRIPE_IDX);
	mini_detach(&f->m, 1);
	expect_error(f, -EIO);
	fixture_free(f);
}

/* keys of stripes as no one writes them: errors, nothing worse */
static void odd_stripes(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct fixture *f = fixture_new(1, 5, 5);

		if (i == 0)
			f->s.nr_redundant = 3;
		if (i == 1)
			f->s.csum_granularity_bits = 2;		/* units smaller than a block */
		if (i == 2)
			f->s.sectors = 24;			/* the data lies behind */
		if (i == 3)
			f->s.nr_redundant = 0;
		fixture_start(f, STRIPE_IDX);
		mini_detach(&f->m, 2);
		expect_error(f, -EIO);
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_parity),
		cmocka_unit_test(two_parities),
		cmocka_unit_test(helpers_lie),
		cmocka_unit_test(unchecked_stripe),
		cmocka_unit_test(block_lies),
		cmocka_unit_test(members_gone),
		cmocka_unit_test(pointers_without_member),
		cmocka_unit_test(no_such_stripe),
		cmocka_unit_test(pointer_elsewhere),
		cmocka_unit_test(odd_stripes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
