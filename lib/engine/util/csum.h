/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_CSUM_H
#define ENGINE_UTIL_CSUM_H

#include <linux/compiler.h>
#include <linux/types.h>

/*
 * Checksums and the cipher of the format (docs/format/20-checksums-encryption.md).
 * Pure: memory in, value out; process or softirq context, never sleeps.
 */

/* 128-bit checksum value in CPU order; unused bits zero */
struct bce_csum {
	u64	lo;
	u64	hi;
};

/* the 128-bit nonce structure d[0..3]; d[0] is ChaCha20's block counter */
struct bce_nonce {
	u32	d[4];
};

/* master key; zeroed on free */
struct bce_cipher;

struct bce_cipher *bce_cipher_alloc(const u8 key[32]);
void bce_cipher_free(struct bce_cipher *cipher);

static inline bool bce_csum_equal(struct bce_csum a, struct bce_csum b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* nonce moved on by @bytes (a multiple of 64) */
struct bce_nonce bce_nonce_add(struct bce_nonce nonce, u32 bytes);

bool bce_csum_type_known(unsigned int type);
bool bce_csum_type_is_mac(unsigned int type);
unsigned int bce_csum_bytes(unsigned int type);	/* stored width needed: 0, 4, 8, 10, 16 */

/*
 * One-shot: @type 0..7; types 3, 4 need @cipher (-ENOKEY without), @nonce is
 * ignored by the others. Return: 0, -EINVAL for an unknown type.
 */
int bce_csum(unsigned int type, const struct bce_cipher *cipher, struct bce_nonce nonce,
	     const void *p, size_t bytes, struct bce_csum *out);

/* incremental, for data in pieces (bio segments) */
struct bce_csum_state {
	unsigned int	type;
	u64		reg;
	struct {
		u8	bytes[384];
	} lib __aligned(16);	/* xxhash or Poly1305 state */
};
int bce_csum_begin(struct bce_csum_state *s, unsigned int type, const struct bce_cipher *cipher,
		   struct bce_nonce nonce);
void bce_csum_update(struct bce_csum_state *s, const void *p, size_t bytes);
struct bce_csum bce_csum_end(struct bce_csum_state *s);

/* XOR with the key stream: encrypts and decrypts. In place. */
void bce_cipher_crypt(const struct bce_cipher *cipher, struct bce_nonce nonce, void *p,
		      size_t bytes);
/* the same for data in pieces: @pos is the byte offset of @p in the region */
void bce_cipher_crypt_at(const struct bce_cipher *cipher, struct bce_nonce nonce, u64 pos,
			 void *p, size_t bytes);

/* raw register update, no initial or final inversion; instruction speed where the CPU has it */
u32 bce_crc32c(u32 reg, const void *p, size_t bytes);
u64 bce_crc64(u64 reg, const void *p, size_t bytes);

/* checksum(A||B) from both halves; types 0, 5, 6 only (section 3) */
struct bce_csum bce_csum_concat(unsigned int type, struct bce_csum a, struct bce_csum b,
				u64 b_bytes);

#endif
