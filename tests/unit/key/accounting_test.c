// SPDX-License-Identifier: GPL-2.0
/* Accounting positions: the examples of docs/format/80-accounting.md, section 1. */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/accounting.h"
#include "test_key.h"

static const struct {
	struct bpos p;
	u8 bytes[20];
	unsigned int used;
} examples[] = {
	{ { 0, 0, 0x00000000 }, { 0 }, 1 },
	{ { 0, 0, 0x00000201 }, { 1, 2 }, 2 },
	{ { 0, 0, 0x01010402 }, { 2, 4, 1, 1, 0 }, 5 },
	{ { 0, 0x0301, 0x01020402 }, { 2, 4, 2, 1, 1, 3 }, 6 },
	{ { 0, 0, 0x01010302 }, { 2, 3, 1, 1, 0 }, 5 },
	{ { 0, 0x0403020100, 0x04050602 }, { 2, 6, 5, 4, 0, 1, 2, 3, 4 }, 9 },
	{ { 0, 0, 0x00000003 }, { 3, 0, 0 }, 3 },
	{ { 0, 0, 0x00040203 }, { 3, 2, 4 }, 3 },
	{ { 0, 0, 0x00000404 }, { 4, 4 }, 2 },
	{ { 0, 0xff, 0xffffff05 }, { 5, 0xff, 0xff, 0xff, 0xff }, 5 },
	{ { 0, 0, 0x00000d06 }, { 6, 0x0d, 0, 0, 0 }, 5 },
	{ { 0, 0, 0x00000007 }, { 7 }, 1 },
	{ { 0, 0, 0x00100008 }, { 8, 0, 0x10, 0 }, 9 },
};

static void positions(void **state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct accounting_pos pos = bce_accounting_pos_decode(examples[i].p);

		assert_memory_equal(&pos, examples[i].bytes, 20);
		assert_int_equal(bce_accounting_pos_bytes(&pos), examples[i].used);
		assert_int_equal(bpos_cmp(bce_accounting_pos_encode(&pos), examples[i].p), 0);
	}
}

/* every byte of the structure has its place in the position */
static void bytes_keep_their_order(void **state)
{
	struct bpos p = { .inode = 0x131211100f0e0d0c, .offset = 0x0b0a090807060504,
			  .snapshot = 0x03020100 };
	struct accounting_pos pos = bce_accounting_pos_decode(p);
	unsigned int i;

	for (i = 0; i < 20; i++)
		assert_int_equal(((u8 *)&pos)[i], i);
	assert_int_equal(bpos_cmp(bce_accounting_pos_encode(&pos), p), 0);
}

static void replicas_do_not_exceed_the_key(void **state)
{
	struct accounting_pos pos = { .type = ACCOUNTING_replicas };

	pos.replicas.nr_devs = 255;
	assert_int_equal(bce_accounting_pos_bytes(&pos), 20);
	pos.type = 99;
	assert_int_equal(bce_accounting_pos_bytes(&pos), 20);
	assert_null(bce_accounting_type_name(99));
	assert_string_equal(bce_accounting_type_name(3), "dev_data_type");
}

static void counters(void **state)
{
	struct bkey k = test_key(KEY_TYPE_accounting, POS_MIN, (s64[]) { 5, -1, 7, 8 }, 32);

	assert_int_equal(bce_accounting_nr_counters(&k), 3);
	assert_int_equal(bce_accounting_counter(&k, 0), 5);
	assert_int_equal(bce_accounting_counter(&k, 1), -1);
	assert_int_equal(bce_accounting_counter(&k, 2), 7);
	assert_int_equal(bce_accounting_counter(&k, 3), 0);
	k.val_u64s = 1;
	assert_int_equal(bce_accounting_nr_counters(&k), 1);
	assert_int_equal(bce_accounting_counter(&k, 1), 0);
	test_key_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions),
		cmocka_unit_test(bytes_keep_their_order),
		cmocka_unit_test(replicas_do_not_exceed_the_key),
		cmocka_unit_test(counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
