// SPDX-License-Identifier: GPL-2.0
/*
 * Bucket states: docs/format/75-allocation.md, sections 2, 3 and 5.5, all versions
 * of the value, and what follows from the counters.
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/alloc.h"
#include "test_key.h"

static struct bkey hex(unsigned int type, const char *digits)
{
	return test_key_hex(type, POS(0, 100), digits);
}

/* 75, 2.1 */
static void v4_example(void **state)
{
	struct bkey k = hex(KEY_TYPE_alloc_v4,
		"5100000000000000 23000000 07070400 00010000 00000000"
		"0010000000000000 0010000000000000 00000000 00000000 0000000000000000"
		"00000000 00000000");
	struct alloc_info a;

	assert_int_equal(k.val_u64s, 8);
	assert_null(bce_alloc_decode(&k, &a));
	assert_int_equal(a.journal_seq, 0x51);
	assert_true(a.need_discard);
	assert_true(a.need_inc_gen);
	assert_int_equal(a.backpointers_start, 8);
	assert_int_equal(a.nr_backpointers, 0);
	assert_int_equal(a.gen, 7);
	assert_int_equal(a.oldest_gen, 7);
	assert_int_equal(a.data_type, BCH_DATA_user);
	assert_int_equal(a.dirty_sectors, 256);
	assert_int_equal(a.cached_sectors, 0);
	assert_int_equal(a.io_time[0], 0x1000);
	assert_int_equal(a.io_time[1], 0x1000);
	test_key_free(&k);
}

/* where the fixed part ends, and what is beyond it */
static void v4_lengths(void **state)
{
	static const struct {
		const char *flags;
		u32 stripe_sectors;
	} cases[] = {
		{ "20000000", 9 },	/* START 8 */
		{ "24000000", 9 },	/* 9: longer than known */
		{ "1c000000", 0 },	/* 7 */
		{ "18000000", 0 },	/* 6: the original form */
		{ "00000000", 0 },	/* 0 means 6 */
		{ "04000000", 0 },	/* 1: nonsense */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char digits[200] = "0000000000000000";
		struct alloc_info a;
		struct bkey k;

		strcat(digits, cases[i].flags);
		strcat(digits, "01010400 08000000 00000000 0000000000000000 0000000000000000"
		       "05000000 00000000 0000000000000000 09000000 00000000");
		k = hex(KEY_TYPE_alloc_v4, digits);
		assert_null(bce_alloc_decode(&k, &a));
		assert_int_equal(a.dirty_sectors, 8);
		assert_int_equal(a.stripe, 5);
		assert_int_equal(a.stripe_sectors, cases[i].stripe_sectors);

		k.val_u64s = 6;
		assert_null(bce_alloc_decode(&k, &a));
		assert_int_equal(a.stripe, 5);
		assert_int_equal(a.stripe_sectors, 0);
		test_key_free(&k);
	}
}

/* 75, 2.2: fields by bit: times u16, type u8, sectors u16, oldest_gen u8, stripe u32, u8 */
static void v1(void **state)
{
	struct bkey k = hex(KEY_TYPE_alloc, "ff 09 0100 0200 04 0300 0400 05 07000000 02 0000 0000");
	struct alloc_info a;

	assert_null(bce_alloc_decode(&k, &a));
	assert_int_equal(a.gen, 9);
	assert_int_equal(a.io_time[0], 1);
	assert_int_equal(a.io_time[1], 2);
	assert_int_equal(a.data_type, 4);
	assert_int_equal(a.dirty_sectors, 3);
	assert_int_equal(a.cached_sectors, 4);
	assert_int_equal(a.oldest_gen, 5);
	assert_int_equal(a.stripe, 7);
	assert_int_equal(a.stripe_redundancy, 2);
	k.val_u64s = 2;
	assert_non_null(bce_alloc_decode(&k, &a));
	test_key_free(&k);

	/* data_type and oldest_gen alone */
	k = hex(KEY_TYPE_alloc, "24 09 03 08 00000000");
	assert_null(bce_alloc_decode(&k, &a));
	assert_int_equal(a.data_type, 3);
	assert_int_equal(a.oldest_gen, 8);
	assert_int_equal(a.dirty_sectors, 0);
	test_key_free(&k);
}

/* varints: 128 is 01 02, 1000 is a1 0f, 5 is 0a */
static void v2_and_v3(void **state)
{
	struct bkey k = hex(KEY_TYPE_alloc_v2, "06 09 08 04 0102 a10f 0a 0e 12 02 0000 0000");
	struct alloc_info a;

	assert_null(bce_alloc_decode(&k, &a));
	assert_int_equal(a.gen, 9);
	assert_int_equal(a.oldest_gen, 8);
	assert_int_equal(a.data_type, 4);
	assert_int_equal(a.io_time[0], 128);
	assert_int_equal(a.io_time[1], 1000);
	assert_int_equal(a.dirty_sectors, 5);
	assert_int_equal(a.cached_sectors, 7);
	assert_int_equal(a.stripe, 9);
	assert_int_equal(a.stripe_redundancy, 1);
	test_key_free(&k);

	k = hex(KEY_TYPE_alloc_v3, "5100000000000000 03000000 03 09 08 04 0102 a10f 0a 00 0000");
	assert_null(bce_alloc_decode(&k, &a));
	assert_int_equal(a.journal_seq, 0x51);
	assert_true(a.need_discard);
	assert_false(a.need_inc_gen);
	assert_int_equal(a.gen, 9);
	assert_int_equal(a.dirty_sectors, 5);
	assert_int_equal(a.cached_sectors, 0);
	assert_int_equal(a.backpointers_start, 8);
	test_key_free(&k);
}

static void damaged_varints(void **state)
{
	static const struct {
		unsigned int type;
		const char *value;
	} cases[] = {
		{ KEY_TYPE_alloc_v2, "06 09 08 04 ff 000000" },			/* 9 bytes of 4 */
		{ KEY_TYPE_alloc_v2, "06 09 08 04 0000 0000" },			/* 6 fields, room for 4 */
		{ KEY_TYPE_alloc_v2, "06 09 08 04 0000 00 00 00 0100 00 0000 00" },	/* fits: 128 > u8 */
		{ KEY_TYPE_alloc_v2, "03 09 08 04 0000 ff 0000000001000000" },	/* 2^32 sectors */
		{ KEY_TYPE_alloc_v3, "5100000000000000" },			/* no head */
		{ KEY_TYPE_alloc_v3, "5100000000000000 03000000 03 09 08 04" },	/* no fields */
		{ KEY_TYPE_alloc_v4, "" },
		{ KEY_TYPE_extent, "0000000000000000" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bkey k = hex(cases[i].type, cases[i].value);
		struct alloc_info a;

		if (i == 2) {
			/* stripe_redundancy of 256: a1 ... is two bytes, 01 04 */
			u8 *v = test_key_val(&k);

			v[9] = 0x01;
			v[10] = 0x04;
		}
		assert_non_null(bce_alloc_decode(&k, &a));
		test_key_free(&k);
	}
}

/* 75, section 3 */
static void data_types(void **state)
{
	static const struct {
		struct alloc_info a;
		unsigned int implied, want;
	} cases[] = {
		{ { .stripe = 1 }, BCH_DATA_parity, BCH_DATA_parity },
		{ { .stripe = 1, .dirty_sectors = 1 }, BCH_DATA_user, BCH_DATA_stripe },
		{ { .dirty_sectors = 1, .cached_sectors = 1 }, BCH_DATA_user, BCH_DATA_user },
		{ { .stripe_sectors = 1 }, BCH_DATA_btree, BCH_DATA_btree },
		{ { .cached_sectors = 1, .need_discard = true }, BCH_DATA_user, BCH_DATA_cached },
		{ { .need_discard = true, .gen = 96 }, BCH_DATA_user, BCH_DATA_need_discard },
		{ { .gen = 96 }, BCH_DATA_user, BCH_DATA_need_gc_gens },
		{ { .gen = 95 }, BCH_DATA_user, BCH_DATA_free },
		{ { .gen = 3, .oldest_gen = 250 }, BCH_DATA_user, BCH_DATA_free },
		{ { .gen = 250, .oldest_gen = 3 }, BCH_DATA_user, BCH_DATA_need_gc_gens },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(bce_alloc_data_type(&cases[i].a, cases[i].implied), cases[i].want);
}

/* 75, 5.5: bucket of 1024 sectors, 256 in use */
static void fragmentation(void **state)
{
	struct alloc_info a = { .data_type = BCH_DATA_user, .dirty_sectors = 256 };

	assert_int_equal(bce_alloc_fragmented_sectors(&a, 1024), 768);
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0x20000000);
	a.stripe_sectors = 512;
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0x60000000);
	a.dirty_sectors = 512;
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0);
	a.dirty_sectors = 5000;
	assert_int_equal(bce_alloc_fragmented_sectors(&a, 1024), 0);
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0);

	a = (struct alloc_info) { .data_type = BCH_DATA_cached, .cached_sectors = 100 };
	assert_int_equal(bce_alloc_sectors(&a), 100);
	assert_int_equal(bce_alloc_fragmented_sectors(&a, 1024), 924);
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0);
	a.data_type = BCH_DATA_journal;
	a.dirty_sectors = 3;
	assert_int_equal(bce_alloc_fragmentation_index(&a, 1024), 0);
}

static void every_length_of_every_version(void **state)
{
	static const u8 types[] = {
		KEY_TYPE_alloc, KEY_TYPE_alloc_v2, KEY_TYPE_alloc_v3, KEY_TYPE_alloc_v4,
	};
	unsigned int i, u64s, round;
	u64 words[10];

	srand(1);
	for (round = 0; round < 3000; round++) {
		for (i = 0; i < 80; i++)
			((u8 *)words)[i] = rand() & 1 ? rand() : 0xff;
		for (i = 0; i < ARRAY_SIZE(types); i++) {
			for (u64s = 0; u64s <= 10; u64s++) {
				struct bkey k = test_key(types[i], POS(0, 1), words, u64s * 8);
				struct alloc_info a;

				bce_alloc_decode(&k, &a);
				test_key_free(&k);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v4_example),
		cmocka_unit_test(v4_lengths),
		cmocka_unit_test(v1),
		cmocka_unit_test(v2_and_v3),
		cmocka_unit_test(damaged_varints),
		cmocka_unit_test(data_types),
		cmocka_unit_test(fragmentation),
		cmocka_unit_test(every_length_of_every_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
