// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums and the cipher: docs/format/20-checksums-encryption.md. Its check values
 * and vectors, plain bit-by-bit references on random data of all lengths and
 * alignments, and the laws: pieces give the same as the whole, joined halves too.
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/util/csum.h"
#include "random.h"

#define BUFFER_BYTES	(40 * 1024)

static const struct bce_nonce no_nonce;

static struct bce_cipher *counting_cipher(void)
{
	u8 key[32];
	unsigned int i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = i;
	return bce_cipher_alloc(key);
}

/* journal entry of sequence 5: section 4 */
static const struct bce_nonce journal_nonce = { { 0, 5, 0, 0x30000000 } };

static void assert_csum(struct bce_csum got, u64 hi, u64 lo)
{
	assert_int_equal(got.hi, hi);
	assert_int_equal(got.lo, lo);
}

static void check_values(void **state)
{
	static const struct {
		unsigned int type;
		u64 value;
	} cases[] = {
		{ 0, 0 },
		{ 1, 0xe3069283 },
		{ 2, 0x62ec59e3f1a4f00a },
		{ 5, 0x58e3fa20 },
		{ 6, 0x6c40df5f0b497347 },
		{ 7, 0x8cb841db40e6ae83 },
	};
	struct bce_csum csum;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(bce_csum(cases[i].type, NULL, no_nonce, "123456789", 9, &csum), 0);
		assert_csum(csum, 0, cases[i].value);
	}
}

static void unknown_types_and_missing_keys(void **state)
{
	struct bce_csum csum;

	assert_int_equal(bce_csum(8, NULL, no_nonce, "x", 1, &csum), -EINVAL);
	assert_int_equal(bce_csum(15, NULL, no_nonce, "x", 1, &csum), -EINVAL);
	assert_int_equal(bce_csum(3, NULL, no_nonce, "x", 1, &csum), -ENOKEY);
	assert_int_equal(bce_csum(4, NULL, no_nonce, "x", 1, &csum), -ENOKEY);
	assert_true(bce_csum_type_known(7));
	assert_false(bce_csum_type_known(8));
}

static void widths(void **state)
{
	static const unsigned int bytes[] = { 0, 4, 8, 10, 16, 4, 8, 8, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		assert_int_equal(bce_csum_bytes(i), bytes[i]);
		assert_int_equal(bce_csum_type_is_mac(i), i == 3 || i == 4);
	}
}

/* section 5: vectors with master key 00 01 ... 1f */
static void mac_vector(void **state)
{
	struct bce_cipher *cipher = counting_cipher();
	struct bce_csum csum;

	assert_int_equal(bce_csum(4, cipher, journal_nonce, "123456789", 9, &csum), 0);
	assert_csum(csum, 0x74d36eea5ac60d3c, 0x7d353d772eda9de6);
	assert_int_equal(bce_csum(3, cipher, journal_nonce, "123456789", 9, &csum), 0);
	assert_csum(csum, 0x0d3c, 0x7d353d772eda9de6);
	bce_cipher_free(cipher);
}

static void key_stream_vector(void **state)
{
	static const u8 want[16] = {
		0x99, 0xc3, 0x1e, 0x95, 0x50, 0x83, 0xb8, 0x49,
		0x2b, 0xd1, 0x23, 0x8b, 0x9b, 0x10, 0x99, 0x90,
	};
	static const u8 one_time_key[32] = {
		0xae, 0x6d, 0x58, 0x02, 0xb0, 0xad, 0x5c, 0xbc,
		0x6e, 0xe0, 0xa3, 0xf9, 0xe4, 0x90, 0x6f, 0x58,
		0x27, 0xb1, 0x88, 0x69, 0x12, 0xcf, 0x5a, 0x00,
		0xae, 0xab, 0x44, 0x0d, 0x12, 0x69, 0x49, 0x56,
	};
	struct bce_cipher *cipher = counting_cipher();
	struct bce_nonce poly_nonce = journal_nonce;
	u8 got[32] = { };

	bce_cipher_crypt(cipher, journal_nonce, got, 16);
	assert_memory_equal(got, want, 16);

	memset(got, 0, sizeof(got));
	poly_nonce.d[3] ^= 0x80000000;
	bce_cipher_crypt(cipher, poly_nonce, got, 32);
	assert_memory_equal(got, one_time_key, 32);
	bce_cipher_free(cipher);
}

/* section 5: magic and master key, wrapped with the passphrase key of "secret" */
static void wrapped_key_vector(void **state)
{
	static const u8 passphrase_key[32] = {
		0x7a, 0x0b, 0x69, 0xaa, 0x26, 0xa0, 0x2e, 0x2c,
		0xef, 0x87, 0xba, 0x93, 0x0f, 0xd1, 0xb8, 0x7c,
		0x21, 0xbf, 0x46, 0xaf, 0x2d, 0x0c, 0x67, 0x74,
		0x64, 0xbf, 0xb3, 0x03, 0xf9, 0x41, 0x3e, 0x54,
	};
	u8 wrapped[40] = {
		0xda, 0x86, 0xf0, 0x7d, 0xf6, 0x68, 0x2f, 0xe6,
		0xf6, 0x60, 0xf0, 0xdf, 0xa1, 0x26, 0xd3, 0x94,
		0x52, 0x2d, 0xe6, 0x7a, 0xdd, 0xba, 0x70, 0xbc,
		0xa0, 0x3f, 0x81, 0x07, 0x69, 0x62, 0xe0, 0x66,
		0xc5, 0xec, 0x3a, 0xa2, 0x89, 0x66, 0xa2, 0x5d,
	};
	/* internal uuid 10 11 ... 1f */
	struct bce_nonce nonce = { { 0, 0, 0x13121110, 0x17161514 } };
	struct bce_cipher *cipher = bce_cipher_alloc(passphrase_key);
	unsigned int i;

	bce_cipher_crypt(cipher, nonce, wrapped, sizeof(wrapped));
	assert_memory_equal(wrapped, "bch**key", 8);
	for (i = 0; i < 32; i++)
		assert_int_equal(wrapped[8 + i], i);
	bce_cipher_free(cipher);
}

static void nonce_moves_by_blocks(void **state)
{
	struct bce_nonce nonce = { { 0xffffffff, 1, 2, 3 } };

	nonce = bce_nonce_add(nonce, 128);
	assert_int_equal(nonce.d[0], 1);
	assert_int_equal(nonce.d[1], 1);
}

/* a counter that wraps inside a region must not carry into the nonce */
static void counter_wraps_without_carry(void **state)
{
	struct bce_cipher *cipher = counting_cipher();
	struct bce_nonce last = { { 0xffffffff, 7, 8, 9 } };
	struct bce_nonce first = { { 0, 7, 8, 9 } };
	u8 whole[128] = { }, second[64] = { };

	bce_cipher_crypt(cipher, last, whole, sizeof(whole));
	bce_cipher_crypt(cipher, first, second, sizeof(second));
	assert_memory_equal(whole + 64, second, 64);
	bce_cipher_free(cipher);
}

static u32 crc32c_by_bits(u32 reg, const u8 *p, size_t bytes)
{
	unsigned int bit;

	while (bytes--) {
		reg ^= *p++;
		for (bit = 0; bit < 8; bit++)
			reg = (reg >> 1) ^ (reg & 1 ? 0x82f63b78 : 0);
	}
	return reg;
}

static u64 crc64_by_bits(u64 reg, const u8 *p, size_t bytes)
{
	unsigned int bit;

	while (bytes--) {
		reg ^= (u64)*p++ << 56;
		for (bit = 0; bit < 8; bit++)
			reg = (reg << 1) ^ (reg >> 63 ? 0x42f0e1eba9ea3693ULL : 0);
	}
	return reg;
}

static u8 *random_buffer(size_t bytes)
{
	u8 *p = malloc(bytes);
	size_t i;

	for (i = 0; i < bytes; i++)
		p[i] = rnd();
	return p;
}

/* lengths around all the block sizes of the fast paths, each in an exact allocation */
static void crcs_match_their_definition(void **state)
{
	static const size_t lengths[] = {
		0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 255, 256, 257, 511, 767, 768, 769, 775, 1000,
		1535, 1536, 1537, 4096, 6143, 6144, 6145, 6911, 6912, 6913, 8192, 13057, 20000,
		BUFFER_BYTES,
	};
	unsigned int i, shift;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (shift = 0; shift < 9; shift++) {
			u8 *p = random_buffer(lengths[i] + shift);
			u64 reg = rnd();

			assert_int_equal(bce_crc32c(reg, p + shift, lengths[i]),
					 crc32c_by_bits(reg, p + shift, lengths[i]));
			assert_int_equal(bce_crc64(reg, p + shift, lengths[i]),
					 crc64_by_bits(reg, p + shift, lengths[i]));
			free(p);
		}
	}
}

static void pieces_give_the_whole(void **state)
{
	struct bce_cipher *cipher = counting_cipher();
	unsigned int round, type;

	for (round = 0; round < 200; round++) {
		size_t bytes = rnd() % 9000, done = 0, part;
		u8 *p = random_buffer(bytes + 1);
		struct bce_csum whole[8];
		struct bce_csum_state s[8];

		for (type = 0; type < 8; type++) {
			assert_int_equal(bce_csum(type, cipher, journal_nonce, p, bytes,
						  &whole[type]), 0);
			assert_int_equal(bce_csum_begin(&s[type], type, cipher, journal_nonce), 0);
		}
		while (done < bytes) {
			part = min_t(size_t, bytes - done, rnd() % (rnd() & 1 ? 20 : 4000));
			for (type = 0; type < 8; type++)
				bce_csum_update(&s[type], p + done, part);
			done += part;
		}
		for (type = 0; type < 8; type++)
			assert_true(bce_csum_equal(bce_csum_end(&s[type]), whole[type]));
		free(p);
	}
	bce_cipher_free(cipher);
}

static void every_flipped_bit_shows(void **state)
{
	struct bce_cipher *cipher = counting_cipher();
	u8 p[67];
	unsigned int type, bit;

	memset(p, 0x5a, sizeof(p));
	for (type = 1; type < 8; type++) {
		struct bce_csum want, got;

		bce_csum(type, cipher, journal_nonce, p, sizeof(p), &want);
		for (bit = 0; bit < 8 * sizeof(p); bit++) {
			p[bit / 8] ^= 1 << bit % 8;
			bce_csum(type, cipher, journal_nonce, p, sizeof(p), &got);
			assert_false(bce_csum_equal(want, got));
			p[bit / 8] ^= 1 << bit % 8;
		}
	}
	bce_cipher_free(cipher);
}

static void pieces_encrypt_like_the_whole(void **state)
{
	struct bce_cipher *cipher = counting_cipher();
	unsigned int round;

	for (round = 0; round < 200; round++) {
		struct bce_nonce nonce = { { rnd(), rnd(), rnd(), rnd() } };
		size_t bytes = 1 + rnd() % 3000, done = 0, part;
		u8 *plain = random_buffer(bytes), *whole = malloc(bytes), *pieces = malloc(bytes);

		memcpy(whole, plain, bytes);
		memcpy(pieces, plain, bytes);
		bce_cipher_crypt(cipher, nonce, whole, bytes);
		for (done = 0; done < bytes; done += part) {
			part = min_t(size_t, bytes - done, rnd() % 200);
			bce_cipher_crypt_at(cipher, nonce, done, pieces + done, part);
		}
		assert_memory_equal(whole, pieces, bytes);
		bce_cipher_crypt(cipher, nonce, whole, bytes);
		assert_memory_equal(whole, plain, bytes);
		free(plain);
		free(whole);
		free(pieces);
	}
	bce_cipher_free(cipher);
}

/* section 3 */
static void joining_example(void **state)
{
	struct bce_csum a, b, joined;

	bce_csum(5, NULL, no_nonce, "1234", 4, &a);
	bce_csum(5, NULL, no_nonce, "56789", 5, &b);
	assert_csum(a, 0, 0xbe5dbf29);
	assert_csum(b, 0, 0xc6c713ed);
	joined = bce_csum_concat(5, a, b, 5);
	assert_csum(joined, 0, 0x58e3fa20);
}

static void joined_halves_give_the_whole(void **state)
{
	static const unsigned int types[] = { 0, 5, 6 };
	unsigned int round, i;

	for (round = 0; round < 300; round++) {
		size_t bytes = rnd() % BUFFER_BYTES, cut = bytes ? rnd() % bytes : 0;
		u8 *p = random_buffer(bytes + 1);

		for (i = 0; i < ARRAY_SIZE(types); i++) {
			struct bce_csum a, b, whole;

			bce_csum(types[i], NULL, no_nonce, p, cut, &a);
			bce_csum(types[i], NULL, no_nonce, p + cut, bytes - cut, &b);
			bce_csum(types[i], NULL, no_nonce, p, bytes, &whole);
			assert_true(bce_csum_equal(whole, bce_csum_concat(types[i], a, b,
									  bytes - cut)));
		}
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_values),
		cmocka_unit_test(unknown_types_and_missing_keys),
		cmocka_unit_test(widths),
		cmocka_unit_test(mac_vector),
		cmocka_unit_test(key_stream_vector),
		cmocka_unit_test(wrapped_key_vector),
		cmocka_unit_test(nonce_moves_by_blocks),
		cmocka_unit_test(counter_wraps_without_carry),
		cmocka_unit_test(crcs_match_their_definition),
		cmocka_unit_test(pieces_give_the_whole),
		cmocka_unit_test(every_flipped_bit_shows),
		cmocka_unit_test(pieces_encrypt_like_the_whole),
		cmocka_unit_test(joining_example),
		cmocka_unit_test(joined_halves_give_the_whole),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
