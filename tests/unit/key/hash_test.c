// SPDX-License-Identifier: GPL-2.0
/* Name hashes: the table of docs/format/60-filesystem-keys.md, section 8. */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"

#define SEED	0x0123456789abcdefULL

static void table(void **state)
{
	static const struct {
		const char *name;
		unsigned int type;
		u64 hash;
	} cases[] = {
		{ "hello",	BCH_STR_HASH_siphash,		0x2ca39c2794c9af43 },
		{ "hello",	BCH_STR_HASH_crc32c,		0x17462863 },
		{ "hello",	BCH_STR_HASH_crc64,		0x296ce5f9289f3b93 },
		{ "hello",	BCH_STR_HASH_siphash_old,	0x41e145f8db2dd242 },
		{ "lost+found",	BCH_STR_HASH_siphash,		0x0f2eef3782c4236f },
		{ "lost+found",	BCH_STR_HASH_crc32c,		0xa295c59b },
		{ "lost+found",	BCH_STR_HASH_crc64,		0x6166454a27b5b88b },
		{ "a",		BCH_STR_HASH_siphash,		0x3fb723ae3b303e09 },
		{ "a",		BCH_STR_HASH_crc32c,		0x0da7713d },
		{ "a",		BCH_STR_HASH_crc64,		0x2393562109972e8e },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(bce_name_hash(cases[i].type, SEED, cases[i].name,
					       strlen(cases[i].name), true), cases[i].hash);
}

/* the string is a type byte and the name */
static void xattrs(void **state)
{
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\0foo", 4, false),
			 0x355d5eae0dd180f4);
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\1", 1, false),
			 0x2278ee8eb6b49680);

	/* from 8 bytes on the last, incomplete word is not what it seems */
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\0abcdefg", 8, false),
			 0x4362fed195b7e91a);
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\0abcdefghi", 10, false),
			 0x5d4c1e728c261833);
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\0abcdefghX", 10, false),
			 0x5d4c1e728c261833);
	assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, SEED, "\3capability", 11, false),
			 0x35b7c657ab39c6cf);
}

/* crc32c leaves 32 bits, so some four-byte name hashes to each of 0 and 1 */
static bool find_hash(u32 want, u8 name[4])
{
	u32 one, bits[32], matrix[32], zero, i, j, x = 0;

	/* the hash is affine in the name: solve for it */
	memset(name, 0, 4);
	zero = bce_name_hash(BCH_STR_HASH_crc32c, SEED, name, 4, false);
	for (i = 0; i < 32; i++) {
		one = 1U << i;
		matrix[i] = (u32)bce_name_hash(BCH_STR_HASH_crc32c, SEED, &one, 4, false) ^ zero;
		bits[i] = one;
	}
	want ^= zero;
	for (i = 0; i < 32; i++) {
		for (j = i; j < 32 && !(matrix[j] >> i & 1); j++)
			;
		if (j == 32)
			return false;
		swap(matrix[i], matrix[j]);
		swap(bits[i], bits[j]);
		for (j = 0; j < 32; j++) {
			if (j != i && matrix[j] >> i & 1) {
				matrix[j] ^= matrix[i];
				bits[j] ^= bits[i];
			}
		}
	}
	for (i = 0; i < 32; i++)
		if (want >> i & 1)
			x ^= bits[i];
	memcpy(name, &x, 4);
	return true;
}

static void dirents_keep_off_the_cookies_of_dot_and_dotdot(void **state)
{
	u32 want;
	u8 name[4];

	for (want = 0; want < 4; want++) {
		assert_true(find_hash(want, name));
		assert_int_equal(bce_name_hash(BCH_STR_HASH_crc32c, SEED, name, 4, false), want);
		assert_int_equal(bce_name_hash(BCH_STR_HASH_crc32c, SEED, name, 4, true),
				 want < 2 ? 2 : want);
	}
}

static void unknown_types_hash_to_nothing(void **state)
{
	assert_int_equal(bce_name_hash(4, SEED, "hello", 5, false), 0);
	assert_int_equal(bce_name_hash(15, SEED, "hello", 5, true), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(xattrs),
		cmocka_unit_test(dirents_keep_off_the_cookies_of_dot_and_dotdot),
		cmocka_unit_test(unknown_types_hash_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
