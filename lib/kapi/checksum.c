// SPDX-License-Identifier: GPL-2.0
/*
 * CRCs and hashes.
 *
 * CRC-32C uses the processor's instruction where there is one. The others, and CRC-64, use eight
 * tables: table k gives the effect of a byte that k more bytes follow, so eight bytes take eight
 * independent look-ups. XXH64, SipHash and zlib's CRC-32 come from their libraries.
 *
 * A CRC fed with zero bytes is a linear map of its 32 bits; __crc32c_le_shift() raises the map of
 * one byte to the power wanted by squaring.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#include <zlib.h>

#include <crypto/algapi.h>
#include <crypto/sha2.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/crc32.h>
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/jhash.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <linux/unaligned.h>
#include <linux/xxhash.h>

#define CRC32C_POLY_REFLECTED	0x82F63B78u
#define CRC64_POLY		0x42F0E1EBA9EA3693ull

static u32 crc32c_table[8][256];
static u64 crc64_table[8][256];
static bool crc32c_in_hardware;
/* Bit i of the state, after 2^n zero bytes. */
static u32 crc32c_zeros[64][32];

static u32 crc32c_times(const u32 *map, u32 v)
{
	u32 r = 0;

	for (; v; v >>= 1, map++)
		r ^= v & 1 ? *map : 0;
	return r;
}

static void crc32c_tables_make(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? CRC32C_POLY_REFLECTED : 0);
		crc32c_table[0][i] = c;
	}
	for (u32 i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++) {
			u32 c = crc32c_table[k - 1][i];

			crc32c_table[k][i] = c >> 8 ^ crc32c_table[0][c & 0xff];
		}
	for (int bit = 0; bit < 32; bit++) {
		u32 v = 1u << bit;

		crc32c_zeros[0][bit] = v >> 8 ^ crc32c_table[0][v & 0xff];
	}
	for (int n = 1; n < 64; n++)
		for (int bit = 0; bit < 32; bit++)
			crc32c_zeros[n][bit] = crc32c_times(crc32c_zeros[n - 1],
							    crc32c_zeros[n - 1][bit]);
}

static void crc64_tables_make(void)
{
	for (u64 i = 0; i < 256; i++) {
		u64 c = i << 56;

		for (int bit = 0; bit < 8; bit++)
			c = c << 1 ^ (c >> 63 ? CRC64_POLY : 0);
		crc64_table[0][i] = c;
	}
	for (u32 i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++) {
			u64 c = crc64_table[k - 1][i];

			crc64_table[k][i] = c << 8 ^ crc64_table[0][c >> 56];
		}
}

static void __attribute__((constructor)) tables_make(void)
{
	crc32c_tables_make();
	crc64_tables_make();
#ifdef __x86_64__
	crc32c_in_hardware = __builtin_cpu_supports("sse4.2");
#endif
}

static u32 crc32c_by_table(u32 crc, const u8 *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		u64 w = get_unaligned_le64(p) ^ crc;

		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= crc32c_table[7 - k][w >> 8 * k & 0xff];
	}
	for (; n; n--)
		crc = crc >> 8 ^ crc32c_table[0][(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static u32 crc32c_by_instruction(u32 crc, const u8 *p, size_t n)
{
	u64 c = crc;

	for (; n >= 8; n -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, get_unaligned_le64(p));
	for (crc = c; n; n--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

u32 __crc32c_le(u32 crc, unsigned char const *p, size_t bytes)
{
#ifdef __x86_64__
	if (likely(crc32c_in_hardware))
		return crc32c_by_instruction(crc, p, bytes);
#endif
	return crc32c_by_table(crc, p, bytes);
}

u32 crc32c(u32 crc, const void *p, unsigned int bytes)
{
	return __crc32c_le(crc, p, bytes);
}

u32 __crc32c_le_shift(u32 crc, size_t bytes)
{
	for (int n = 0; bytes; bytes >>= 1, n++)
		if (bytes & 1)
			crc = crc32c_times(crc32c_zeros[n], crc);
	return crc;
}

u32 crc32_le(u32 crc, unsigned char const *p, size_t bytes)
{
	return ~crc32_z(~crc, p, bytes);
}

u64 crc64_be(u64 crc, const void *start, size_t n)
{
	const u8 *p = start;

	for (; n >= 8; n -= 8, p += 8) {
		u64 w = get_unaligned_be64(p) ^ crc;

		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= crc64_table[k][w >> 8 * k & 0xff];
	}
	for (; n; n--)
		crc = crc << 8 ^ crc64_table[0][(crc >> 56 ^ *p++) & 0xff];
	return crc;
}

/* ---- hashes ---- */

u64 xxh64(const void *p, size_t bytes, u64 seed)
{
	return XXH64(p, bytes, seed);
}

u32 xxh32(const void *p, size_t bytes, u32 seed)
{
	return XXH32(p, bytes, seed);
}

static_assert(sizeof(struct xxh64_state) >= sizeof(XXH64_state_t));

void xxh64_reset(struct xxh64_state *s, u64 seed)
{
	XXH64_reset((XXH64_state_t *)s->kapi_state, seed);
}

int xxh64_update(struct xxh64_state *s, const void *p, size_t bytes)
{
	return XXH64_update((XXH64_state_t *)s->kapi_state, p, bytes) == XXH_OK ? 0 : -EINVAL;
}

u64 xxh64_digest(const struct xxh64_state *s)
{
	return XXH64_digest((const XXH64_state_t *)s->kapi_state);
}

u64 siphash(const void *data, size_t bytes, const siphash_key_t *key)
{
	u8 k[16], out[8];

	put_unaligned_le64(key->key[0], k);
	put_unaligned_le64(key->key[1], k + 8);
	crypto_shorthash_siphash24(out, data, bytes, k);
	return get_unaligned_le64(out);
}

static_assert(sizeof(struct sha256_state) == sizeof(crypto_hash_sha256_state));

void sha256_init(struct sha256_state *s)
{
	crypto_hash_sha256_init((crypto_hash_sha256_state *)s);
}

void sha256_update(struct sha256_state *s, const u8 *data, unsigned int bytes)
{
	crypto_hash_sha256_update((crypto_hash_sha256_state *)s, data, bytes);
}

void sha256_final(struct sha256_state *s, u8 *out)
{
	crypto_hash_sha256_final((crypto_hash_sha256_state *)s, out);
}

void sha256(const u8 *data, unsigned int bytes, u8 *out)
{
	crypto_hash_sha256(out, data, bytes);
}

unsigned long crypto_memneq(const void *a, const void *b, size_t bytes)
{
	return bytes && sodium_memcmp(a, b, bytes) != 0;
}

/* ---- Jenkins lookup3 ---- */

static u32 rotate(u32 v, int n)
{
	return v << n | v >> (32 - n);
}

static void jhash_mix(u32 *a, u32 *b, u32 *c)
{
	*a -= *c; *a ^= rotate(*c, 4); *c += *b;
	*b -= *a; *b ^= rotate(*a, 6); *a += *c;
	*c -= *b; *c ^= rotate(*b, 8); *b += *a;
	*a -= *c; *a ^= rotate(*c, 16); *c += *b;
	*b -= *a; *b ^= rotate(*a, 19); *a += *c;
	*c -= *b; *c ^= rotate(*b, 4); *b += *a;
}

static u32 jhash_final(u32 a, u32 b, u32 c)
{
	c ^= b; c -= rotate(b, 14);
	a ^= c; a -= rotate(c, 11);
	b ^= a; b -= rotate(a, 25);
	c ^= b; c -= rotate(b, 16);
	a ^= c; a -= rotate(c, 4);
	b ^= a; b -= rotate(a, 14);
	c ^= b; c -= rotate(b, 24);
	return c;
}

u32 jhash(const void *key, u32 length, u32 initval)
{
	u32 a = JHASH_INITVAL + length + initval, b = a, c = a;
	const u8 *k = key;
	u8 last[12] = "";

	for (; length > 12; length -= 12, k += 12) {
		a += get_unaligned_le32(k);
		b += get_unaligned_le32(k + 4);
		c += get_unaligned_le32(k + 8);
		jhash_mix(&a, &b, &c);
	}
	if (!length)
		return c;
	memcpy(last, k, length);
	return jhash_final(a + get_unaligned_le32(last), b + get_unaligned_le32(last + 4),
			   c + get_unaligned_le32(last + 8));
}

u32 jhash2(const u32 *k, u32 words, u32 initval)
{
	u32 a = JHASH_INITVAL + (words << 2) + initval, b = a, c = a;

	for (; words > 3; words -= 3, k += 3) {
		a += k[0];
		b += k[1];
		c += k[2];
		jhash_mix(&a, &b, &c);
	}
	if (!words)
		return c;
	return jhash_final(a + k[0], b + (words > 1 ? k[1] : 0), c + (words > 2 ? k[2] : 0));
}

u32 jhash_3words(u32 a, u32 b, u32 c, u32 initval)
{
	initval += JHASH_INITVAL + (3 << 2);
	return jhash_final(a + initval, b + initval, c + initval);
}

u32 jhash_2words(u32 a, u32 b, u32 initval)
{
	initval += JHASH_INITVAL + (2 << 2);
	return jhash_final(a + initval, b + initval, initval);
}

u32 jhash_1word(u32 a, u32 initval)
{
	initval += JHASH_INITVAL + (1 << 2);
	return jhash_final(a + initval, initval, initval);
}
