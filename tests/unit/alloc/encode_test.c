// SPDX-License-Identifier: GPL-2.0
/* Keys of the allocation btrees against the examples of docs/format/75-allocation.md. */
#include "engine/alloc/encode.h"

#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/key/accounting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* 2.1 */
static void test_alloc_v4(void **state)
{
	static const u8 want[64] = {
		0x51, 0, 0, 0, 0, 0, 0, 0, 0x23, 0, 0, 0, 7, 7, 4, 0,
		0, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
		0, 0x10,
	};
	const struct alloc_info info = {
		.journal_seq = 0x51, .need_discard = true, .need_inc_gen = true, .gen = 7,
		.oldest_gen = 7, .data_type = BCH_DATA_user, .dirty_sectors = 256,
		.io_time = { 0x1000, 0x1000 },
	};
	struct bch_alloc_v4 v;

	bce_alloc_v4_encode(&info, &v);
	assert_memory_equal(&v, want, sizeof(v));
}

static void test_alloc_round(void **state)
{
	const struct alloc_info info = {
		.journal_seq = 1, .need_inc_gen = true, .backpointers_start = ALLOC_V4_U64S,
		.gen = 9, .oldest_gen = 200, .data_type = BCH_DATA_stripe, .stripe_redundancy = 2,
		.dirty_sectors = 3, .cached_sectors = 4, .stripe_sectors = 5, .stripe = 6,
		.io_time = { 7, ALLOC_IO_TIME_MAX },
	};
	struct bch_alloc_v4 v;
	struct bkey k = { .type = KEY_TYPE_alloc_v4, .val_u64s = ALLOC_V4_U64S, .v = &v };
	struct alloc_info back;

	bce_alloc_v4_encode(&info, &v);
	assert_null(bce_alloc_decode(&k, &back));
	assert_memory_equal(&back, &info, sizeof(info));
}

/* 5.1 */
static void test_freespace(void **state)
{
	const struct alloc_info info = { .gen = 40, .oldest_gen = 5 };
	u64 start = bce_freespace_start(bce_freespace_gen_bits(&info), 100);

	assert_int_equal(start + 1, 0x0200000000000065ULL);
	assert_int_equal(bce_freespace_bucket(start), 100);
}

/* 5.4, 5.5 */
static void test_lru(void **state)
{
	struct bpos p = bce_lru_pos(1, 0x123456, 1, 100);
	struct alloc_info a = { .data_type = BCH_DATA_user, .dirty_sectors = 256 };

	assert_int_equal(p.inode, 0x0001000000123456ULL);
	assert_int_equal(p.offset, 0x0001000000000064ULL);
	assert_int_equal(bce_lru_time(p), 0x123456);
	assert_int_equal(bce_lru_dev(p), 1);
	assert_int_equal(bce_lru_bucket(p), 100);
	p = bce_lru_pos(ALLOC_LRU_ID_FRAGMENTATION, bce_alloc_fragmentation_index(&a, 1024), 0, 0);
	assert_int_equal(p.inode, 0xffff000020000000ULL);
}

/* 5.6 */
static void test_backpointer(void **state)
{
	static const u8 want[32] = {
		0, 0, 4, 0x08, 0xa0, 0, 0, 0, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0x48, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	};
	const struct extent_ptr ptr = { .sector = 102440, .dev = 3 };
	const struct extent_crc crc = { .offset = 8 };
	const struct backpointer_info info = {
		.data_type = BCH_DATA_user, .bucket_offset = (40 << 10) + 8, .bucket_len = 8,
		.pos = SPOS(4096, 0x48, U32_MAX),
	};
	struct bch_backpointer v;
	struct bpos p = bce_backpointer_pos(&ptr, &crc);

	assert_int_equal(p.inode, 3);
	assert_int_equal(p.offset, 0x640a008);
	bce_backpointer_encode(&info, &v);
	assert_memory_equal(&v, want, sizeof(v));
}

/* 8.1: four blocks and parity, 1024 sectors, checksums of 64 KiB: counts at byte 208 */
static void test_stripe_counts(void **state)
{
	u64 v[28] = { };
	struct bch_stripe *s = (void *)v;
	struct bkey k = { .type = KEY_TYPE_stripe, .val_u64s = 28, .v = v };

	*s = (struct bch_stripe) {
		.sectors = cpu_to_le16(1024), .nr_blocks = 5, .nr_redundant = 1,
		.csum_granularity_bits = 7, .csum_type = BCH_CSUM_crc32c,
	};
	assert_true(bce_stripe_set_block_sectors(&k, 3, 0x123));
	assert_int_equal(((u8 *)v)[214], 0x23);
	assert_int_equal(((u8 *)v)[215], 0x01);
	assert_int_equal(bce_stripe_block_sectors(&k, 3), 0x123);
	assert_false(bce_stripe_set_block_sectors(&k, 5, 1));
	k.val_u64s = 27;
	assert_false(bce_stripe_set_block_sectors(&k, 4, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_v4),
		cmocka_unit_test(test_alloc_round),
		cmocka_unit_test(test_freespace),
		cmocka_unit_test(test_lru),
		cmocka_unit_test(test_backpointer),
		cmocka_unit_test(test_stripe_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
