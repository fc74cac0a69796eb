// SPDX-License-Identifier: GPL-2.0
/*
 * lib/kapi/checksum.c and crypto.c against the vectors of
 * docs/format/20-checksums-encryption.md, and against slow forms written down here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <crypto/sha2.h>
#include <linux/crc32.h>
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/jhash.h>
#include <linux/siphash.h>
#include <linux/unaligned.h>
#include <linux/xxhash.h>

static const char nine[] = "123456789";
static u8 noise[1000];

static int fill_noise(void **state)
{
	u32 x = 12345;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (x = x * 1103515245 + 12345) >> 16;
	return 0;
}

/* Section 1, "Check values". */
static void check_values(void **state)
{
	struct xxh64_state s;

	assert_int_equal(crc32c(0xffffffff, nine, 9) ^ 0xffffffff, 0xE3069283);
	assert_int_equal(crc32c(0, nine, 9), 0x58E3FA20);
	assert_true((crc64_be(~0ULL, nine, 9) ^ ~0ULL) == 0x62EC59E3F1A4F00A);
	assert_true(crc64_be(0, nine, 9) == 0x6C40DF5F0B497347);
	assert_true(xxh64(nine, 9, 0) == 0x8CB841DB40E6AE83);
	xxh64_reset(&s, 0);
	assert_int_equal(xxh64_update(&s, nine, 4), 0);
	assert_int_equal(xxh64_update(&s, nine + 4, 5), 0);
	assert_true(xxh64_digest(&s) == 0x8CB841DB40E6AE83);
	assert_int_equal(crc32_le(~0U, (u8 *)nine, 9) ^ ~0U, 0xCBF43926);
}

/* Section 3. */
static void merging(void **state)
{
	assert_int_equal(crc32c(0, "1234", 4), 0xBE5DBF29);
	assert_int_equal(crc32c(0, "56789", 5), 0xC6C713ED);
	assert_int_equal(__crc32c_le_shift(0xBE5DBF29, 5), 0x9E24E9CD);
	assert_int_equal(__crc32c_le_combine(0xBE5DBF29, 0xC6C713ED, 5), 0x58E3FA20);
	for (size_t cut = 0; cut <= sizeof(noise); cut += 37)
		assert_int_equal(__crc32c_le_combine(crc32c(0, noise, cut),
						     crc32c(0, noise + cut, sizeof(noise) - cut),
						     sizeof(noise) - cut),
				 crc32c(0, noise, sizeof(noise)));
}

static u32 slow_crc32c(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return crc;
}

static u64 slow_crc64(u64 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= (u64)*p++ << 56;
		for (int i = 0; i < 8; i++)
			crc = crc << 1 ^ (crc >> 63 ? 0x42F0E1EBA9EA3693 : 0);
	}
	return crc;
}

static void every_length_and_alignment(void **state)
{
	for (size_t start = 0; start < 9; start++)
		for (size_t n = 0; n < 80; n++) {
			const u8 *p = noise + start;

			assert_int_equal(crc32c(n, p, n), slow_crc32c(n, p, n));
			assert_true(crc64_be(n, p, n) == slow_crc64(n, p, n));
		}
}

/* The vectors of the SipHash paper: key 00..0f, data 00..0e. */
static void siphash_2_4(void **state)
{
	siphash_key_t key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	u8 data[15];

	for (int i = 0; i < 15; i++)
		data[i] = i;
	assert_true(siphash(data, 0, &key) == 0x726fdb47dd0e0e31);
	assert_true(siphash(data, 15, &key) == 0xa129ca6149be45e5);
}

static void sha_256(void **state)
{
	static const u8 want[4] = { 0xba, 0x78, 0x16, 0xbf };
	u8 one[32], two[32];
	struct sha256_state s;

	sha256((const u8 *)"abc", 3, one);
	assert_memory_equal(one, want, 4);
	sha256_init(&s);
	sha256_update(&s, (const u8 *)"a", 1);
	sha256_update(&s, (const u8 *)"bc", 2);
	sha256_final(&s, two);
	assert_memory_equal(one, two, 32);
}

static void from_hex(const char *hex, u8 *out)
{
	for (; *hex; hex += 2)
		*out++ = strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
}

static void key_words(u32 *key, const u8 *bytes)
{
	for (int i = 0; i < 8; i++)
		key[i] = get_unaligned_le32(bytes + 4 * i);
}

/* Section 5, "Test vectors": master key 00..1f. */
static void crypt_nonce(const u8 *key_bytes, const u32 *d, u8 *data, size_t n)
{
	u32 state[CHACHA_STATE_WORDS], key[8];
	u8 iv[CHACHA_IV_SIZE];

	for (int i = 0; i < 4; i++)
		put_unaligned_le32(d[i], iv + 4 * i);
	key_words(key, key_bytes);
	chacha_init(state, key, iv);
	chacha20_crypt(state, data, data, n);
}

static void format_vectors(void **state)
{
	u8 master[32], passphrase_key[32], wrapped[40], want[40], poly_key[32] = "", stream[16] = "";
	struct poly1305_desc_ctx poly;
	u8 tag[16];

	for (int i = 0; i < 32; i++)
		master[i] = i;
	from_hex("7a0b69aa26a02e2cef87ba930fd1b87c21bf46af2d0c677464bfb303f9413e54", passphrase_key);
	memcpy(wrapped, "bch**key", 8);
	memcpy(wrapped + 8, master, 32);
	crypt_nonce(passphrase_key, (u32[]){ 0, 0, 0x13121110, 0x17161514 }, wrapped, 40);
	from_hex("da86f07df6682fe6f660f0dfa126d394522de67addba70bca03f81076962e066c5ec3aa28966a25d",
		 want);
	assert_memory_equal(wrapped, want, 40);

	crypt_nonce(master, (u32[]){ 0, 5, 0, 0x30000000 }, stream, 16);
	from_hex("99c31e955083b8492bd1238b9b109990", want);
	assert_memory_equal(stream, want, 16);

	crypt_nonce(master, (u32[]){ 0, 5, 0, 0xb0000000 }, poly_key, 32);
	from_hex("ae6d5802b0ad5cbc6ee0a3f9e4906f5827b1886912cf5a00aeab440d12694956", want);
	assert_memory_equal(poly_key, want, 32);

	poly1305_init(&poly, poly_key);
	poly1305_update(&poly, (const u8 *)nine, 4);
	poly1305_update(&poly, (const u8 *)nine + 4, 5);
	poly1305_final(&poly, tag);
	from_hex("e69dda2e773d357d3c0dc65aea6ed374", want);
	assert_memory_equal(tag, want, 16);
}

/* Section 4: the counter wraps without carry. */
static void counter_wraps(void **state)
{
	u8 master[32] = { 1 }, whole[192] = "", part[64] = "";

	crypt_nonce(master, (u32[]){ 0xfffffffe, 7, 8, 9 }, whole, sizeof(whole));
	crypt_nonce(master, (u32[]){ 0, 7, 8, 9 }, part, sizeof(part));
	assert_memory_equal(whole + 128, part, 64);
}

static void chacha_goes_on(void **state)
{
	u32 s[CHACHA_STATE_WORDS], key[8] = { 3 };
	u8 iv[16] = { 1 }, whole[256] = "", parts[256] = "";

	chacha_init(s, key, iv);
	chacha20_crypt(s, whole, whole, 256);
	chacha_init(s, key, iv);
	chacha20_crypt(s, parts, parts, 64);
	chacha20_crypt(s, parts + 64, parts + 64, 192);
	assert_memory_equal(whole, parts, 256);
	assert_int_equal(s[12], 5);
}

/* Bob Jenkins' own example values of lookup3 hashlittle(). */
static void jenkins(void **state)
{
	u32 words[5] = { 1, 2, 3, 4, 5 };

	assert_int_equal(jhash("Four score and seven years ago", 30, 0 - 0u), 0x17770551);
	assert_int_equal(jhash("Four score and seven years ago", 30, 1), 0xcd628161);
	for (u32 n = 0; n <= 5; n++)
		assert_int_equal(jhash2(words, n, 9), jhash(words, n * 4, 9));
	assert_int_equal(jhash_3words(1, 2, 3, 9), jhash2(words, 3, 9));
	assert_int_equal(jhash_2words(1, 2, 9), jhash2(words, 2, 9));
	assert_int_equal(jhash_1word(1, 9), jhash2(words, 1, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_values),
		cmocka_unit_test(merging),
		cmocka_unit_test(every_length_and_alignment),
		cmocka_unit_test(siphash_2_4),
		cmocka_unit_test(sha_256),
		cmocka_unit_test(format_vectors),
		cmocka_unit_test(counter_wraps),
		cmocka_unit_test(chacha_goes_on),
		cmocka_unit_test(jenkins),
	};

	return cmocka_run_group_tests(tests, fill_noise, NULL);
}
