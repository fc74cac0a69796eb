// SPDX-License-Identifier: GPL-2.0
/*
 * The format's checksum types behind one interface, and its stream cipher.
 *
 * A checksum is 128 bits whatever its type, and always compared whole: what a
 * type does not produce must be zero on disk too. CRCs come from crc32c.c and
 * crc64.c; XXH64, ChaCha20 and Poly1305 from the kernel's libraries (not its
 * crypto API: no allocation, no templates, usable in softirq context).
 *
 * Two types are MACs. The one-time Poly1305 key of a structure is the start of
 * the key stream for the structure's nonce with one bit changed, so a MAC never
 * shares key stream with the encryption of the same structure. MACs cover the
 * encrypted bytes.
 *
 * Source: docs/format/20-checksums-encryption.md.
 */
#include "engine/util/csum.h"

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xxhash.h>

#include "engine/format/ids.h"
#include "engine/util/crc.h"
#include "kc/kc.h"

#define CHACHA_BLOCK_BYTES	64
#define NONCE_POLY_KEY		(1U << 31)	/* xor in d[3] */

/* library calls count in unsigned int */
#define LIBRARY_BYTES_MAX	(1U << 30)

struct bce_cipher {
	u32	key[8];
};

union lib_state {
	struct poly1305_desc_ctx	mac;
	struct xxh64_state		xxh64;
};

static_assert(sizeof(union lib_state) <= sizeof_field(struct bce_csum_state, lib));

static union lib_state *lib_state(struct bce_csum_state *s)
{
	return (union lib_state *)&s->lib;
}

/**
 * bce_cipher_alloc() - take a copy of the master key
 * @key: 32 bytes, as in the superblock's crypt section once unwrapped
 *
 * Context: may sleep.
 * Return: the cipher, or NULL without memory. Free with bce_cipher_free().
 */
struct bce_cipher *bce_cipher_alloc(const u8 key[32])
{
	struct bce_cipher *cipher = kmalloc(sizeof(*cipher), GFP_KERNEL);
	unsigned int i;

	if (!cipher)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(cipher->key); i++)
		cipher->key[i] = get_unaligned_le32(key + 4 * i);
	return cipher;
}

void bce_cipher_free(struct bce_cipher *cipher)
{
	if (!cipher)
		return;
	memzero_explicit(cipher, sizeof(*cipher));
	kfree(cipher);
}

/* the block counter wraps without carry */
struct bce_nonce bce_nonce_add(struct bce_nonce nonce, u32 bytes)
{
	nonce.d[0] += bytes / CHACHA_BLOCK_BYTES;
	return nonce;
}

/* an all-zero state for chacha_init() would do too, but this says which words are what */
static void key_stream_start(u32 state[16], const struct bce_cipher *cipher,
			     struct bce_nonce nonce)
{
	u8 iv[16];
	unsigned int i;

	for (i = 0; i < 4; i++)
		put_unaligned_le32(nonce.d[i], iv + 4 * i);
	chacha_init(state, cipher->key, iv);
}

/* XOR the whole blocks, and what follows them, of a region that starts at a block boundary */
static void crypt_from_block(const struct bce_cipher *cipher, struct bce_nonce nonce, u8 *p,
			     size_t bytes)
{
	u32 state[16] __aligned(16);

	key_stream_start(state, cipher, nonce);
	while (bytes) {
		unsigned int part = min_t(size_t, bytes, LIBRARY_BYTES_MAX);

		chacha20_crypt(state, p, p, part);
		p += part;
		bytes -= part;
	}
	memzero_explicit(state, sizeof(state));
}

/* XOR part of one block: bytes [@skip, @skip + @bytes) of it */
static void crypt_in_block(const struct bce_cipher *cipher, struct bce_nonce nonce,
			   unsigned int skip, u8 *p, unsigned int bytes)
{
	u8 block[CHACHA_BLOCK_BYTES] = { };
	unsigned int i;

	crypt_from_block(cipher, nonce, block, sizeof(block));
	for (i = 0; i < bytes; i++)
		p[i] ^= block[skip + i];
	memzero_explicit(block, sizeof(block));
}

/**
 * bce_cipher_crypt_at() - encrypt or decrypt one piece of a region, in place
 * @cipher: master key
 * @nonce:  of the region's first byte
 * @pos:    byte offset of @p in the region, of any alignment
 * @p:      the piece
 * @bytes:  its length
 *
 * Context: any that may use the FPU: process or softirq.
 * Source:  docs/format/20-checksums-encryption.md, section 4.
 */
void bce_cipher_crypt_at(const struct bce_cipher *cipher, struct bce_nonce nonce, u64 pos,
			 void *p, size_t bytes)
{
	unsigned int skip = pos % CHACHA_BLOCK_BYTES;
	u8 *next = p;

	nonce.d[0] += pos / CHACHA_BLOCK_BYTES;
	if (skip && bytes) {
		unsigned int part = min_t(size_t, bytes, CHACHA_BLOCK_BYTES - skip);

		crypt_in_block(cipher, nonce, skip, next, part);
		nonce.d[0]++;
		next += part;
		bytes -= part;
	}
	if (bytes)
		crypt_from_block(cipher, nonce, next, bytes);
}

void bce_cipher_crypt(const struct bce_cipher *cipher, struct bce_nonce nonce, void *p,
		      size_t bytes)
{
	crypt_from_block(cipher, nonce, p, bytes);
}

bool bce_csum_type_known(unsigned int type)
{
	return type < BCH_CSUM_NR;
}

bool bce_csum_type_is_mac(unsigned int type)
{
	return type == BCH_CSUM_chacha20_poly1305_80 || type == BCH_CSUM_chacha20_poly1305_128;
}

/* bytes a stored checksum of this type needs; 0 for none and unknown types */
unsigned int bce_csum_bytes(unsigned int type)
{
	static const u8 width[BCH_CSUM_NR] = {
#define x(name, nr, bytes)	[nr] = bytes,
		BCH_CSUM_TYPE_LIST(x)
#undef x
	};

	return type < BCH_CSUM_NR ? width[type] : 0;
}

static void mac_begin(struct poly1305_desc_ctx *mac, const struct bce_cipher *cipher,
		      struct bce_nonce nonce)
{
	u8 one_time_key[POLY1305_KEY_SIZE] = { };

	nonce.d[3] ^= NONCE_POLY_KEY;
	crypt_from_block(cipher, nonce, one_time_key, sizeof(one_time_key));
	poly1305_init(mac, one_time_key);
	memzero_explicit(one_time_key, sizeof(one_time_key));
}

static void mac_update(struct poly1305_desc_ctx *mac, const u8 *p, size_t bytes)
{
	while (bytes) {
		unsigned int part = min_t(size_t, bytes, LIBRARY_BYTES_MAX);

		poly1305_update(mac, p, part);
		p += part;
		bytes -= part;
	}
}

static struct bce_csum mac_end(struct poly1305_desc_ctx *mac, unsigned int type)
{
	u8 tag[POLY1305_DIGEST_SIZE];
	struct bce_csum csum;

	poly1305_final(mac, tag);
	csum.lo = get_unaligned_le64(tag);
	csum.hi = get_unaligned_le64(tag + 8);
	if (type == BCH_CSUM_chacha20_poly1305_80)
		csum.hi &= 0xffff;
	return csum;
}

/**
 * bce_csum_begin() - start a checksum over data that comes in pieces
 * @s:      state, on the caller's stack; nothing to free
 * @type:   checksum type number
 * @cipher: needed by the two MAC types only
 * @nonce:  likewise
 *
 * Return: 0; -EINVAL for an unknown type; -ENOKEY for a MAC without key. After
 * an error @s must not be used.
 */
int bce_csum_begin(struct bce_csum_state *s, unsigned int type, const struct bce_cipher *cipher,
		   struct bce_nonce nonce)
{
	s->type = type;
	s->reg = 0;
	switch (type) {
	case BCH_CSUM_none:
	case BCH_CSUM_crc32c:
	case BCH_CSUM_crc64:
		return 0;
	case BCH_CSUM_crc32c_nonzero:
		s->reg = U32_MAX;
		return 0;
	case BCH_CSUM_crc64_nonzero:
		s->reg = U64_MAX;
		return 0;
	case BCH_CSUM_xxhash:
		xxh64_reset(&lib_state(s)->xxh64, 0);
		return 0;
	case BCH_CSUM_chacha20_poly1305_80:
	case BCH_CSUM_chacha20_poly1305_128:
		if (!cipher)
			return -ENOKEY;
		mac_begin(&lib_state(s)->mac, cipher, nonce);
		return 0;
	}
	return -EINVAL;
}

void bce_csum_update(struct bce_csum_state *s, const void *p, size_t bytes)
{
	switch (s->type) {
	case BCH_CSUM_crc32c:
	case BCH_CSUM_crc32c_nonzero:
		s->reg = bce_crc32c(s->reg, p, bytes);
		return;
	case BCH_CSUM_crc64:
	case BCH_CSUM_crc64_nonzero:
		s->reg = bce_crc64(s->reg, p, bytes);
		return;
	case BCH_CSUM_xxhash:
		/* fails for a NULL pointer only, and an empty piece may have one */
		if (bytes)
			xxh64_update(&lib_state(s)->xxh64, p, bytes);
		return;
	case BCH_CSUM_chacha20_poly1305_80:
	case BCH_CSUM_chacha20_poly1305_128:
		mac_update(&lib_state(s)->mac, p, bytes);
		return;
	}
}

/* the checksum of all pieces; @s is used up */
struct bce_csum bce_csum_end(struct bce_csum_state *s)
{
	struct bce_csum csum = { .lo = s->reg };

	switch (s->type) {
	case BCH_CSUM_crc32c_nonzero:
		csum.lo ^= U32_MAX;
		return csum;
	case BCH_CSUM_crc64_nonzero:
		csum.lo ^= U64_MAX;
		return csum;
	case BCH_CSUM_xxhash:
		csum.lo = xxh64_digest(&lib_state(s)->xxh64);
		return csum;
	case BCH_CSUM_chacha20_poly1305_80:
	case BCH_CSUM_chacha20_poly1305_128:
		return mac_end(&lib_state(s)->mac, s->type);
	}
	return csum;
}

int bce_csum(unsigned int type, const struct bce_cipher *cipher, struct bce_nonce nonce,
	     const void *p, size_t bytes, struct bce_csum *out)
{
	struct bce_csum_state s;
	int ret;

	ret = bce_csum_begin(&s, type, cipher, nonce);
	if (ret)
		return ret;
	bce_csum_update(&s, p, bytes);
	*out = bce_csum_end(&s);
	return 0;
}

/**
 * bce_csum_concat() - checksum of A followed by B, from both halves' checksums
 * @type:    0, 5 or 6; the other types cannot be joined
 * @a:       checksum of A
 * @b:       checksum of B
 * @b_bytes: length of B
 *
 * Source: docs/format/20-checksums-encryption.md, section 3.
 */
struct bce_csum bce_csum_concat(unsigned int type, struct bce_csum a, struct bce_csum b,
				u64 b_bytes)
{
	struct bce_csum csum = { };

	if (type == BCH_CSUM_crc32c)
		csum.lo = bce_crc32c_zeros(a.lo, b_bytes) ^ b.lo;
	else if (type == BCH_CSUM_crc64)
		csum.lo = bce_crc64_zeros(a.lo, b_bytes) ^ b.lo;
	return csum;
}
