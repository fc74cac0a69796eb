// SPDX-License-Identifier: GPL-2.0
/*
 * ChaCha20 and Poly1305 over libsodium.
 *
 * libsodium refuses a counter that would pass 2^32; the on-disk format lets it wrap
 * (docs/format/20-checksums-encryption.md, section 4), so a call is cut at the wrap.
 */
#include <sodium.h>
#include <string.h>

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/unaligned.h>

enum {
	STATE_KEY	= 4,
	STATE_COUNTER	= 12,
	STATE_NONCE	= 13,
};

void chacha_init(u32 *state, const u32 *key, const u8 *iv)
{
	static const char constant[16] = "expand 32-byte k";

	for (int i = 0; i < 4; i++) {
		state[i] = get_unaligned_le32(constant + 4 * i);
		state[STATE_COUNTER + i] = get_unaligned_le32(iv + 4 * i);
	}
	memcpy(state + STATE_KEY, key, CHACHA_KEY_SIZE);
}

void chacha20_crypt(u32 *state, u8 *dst, const u8 *src, unsigned int bytes)
{
	u8 key[CHACHA_KEY_SIZE], nonce[12];

	for (int i = 0; i < 8; i++)
		put_unaligned_le32(state[STATE_KEY + i], key + 4 * i);
	for (int i = 0; i < 3; i++)
		put_unaligned_le32(state[STATE_NONCE + i], nonce + 4 * i);
	while (bytes) {
		u64 to_wrap = ((1ULL << 32) - state[STATE_COUNTER]) * CHACHA_BLOCK_SIZE;
		unsigned int n = min_t(u64, bytes, to_wrap);

		crypto_stream_chacha20_ietf_xor_ic(dst, src, n, nonce, state[STATE_COUNTER], key);
		state[STATE_COUNTER] += (n + CHACHA_BLOCK_SIZE - 1) / CHACHA_BLOCK_SIZE;
		dst += n;
		src += n;
		bytes -= n;
	}
	sodium_memzero(key, sizeof(key));
}

static_assert(sizeof(struct poly1305_desc_ctx) >= sizeof(crypto_onetimeauth_poly1305_state));

static crypto_onetimeauth_poly1305_state *poly(struct poly1305_desc_ctx *d)
{
	return (crypto_onetimeauth_poly1305_state *)d->kapi_state;
}

void poly1305_init(struct poly1305_desc_ctx *d, const u8 *key)
{
	crypto_onetimeauth_poly1305_init(poly(d), key);
}

void poly1305_update(struct poly1305_desc_ctx *d, const u8 *src, unsigned int bytes)
{
	crypto_onetimeauth_poly1305_update(poly(d), src, bytes);
}

void poly1305_final(struct poly1305_desc_ctx *d, u8 *digest)
{
	crypto_onetimeauth_poly1305_final(poly(d), digest);
	sodium_memzero(d, sizeof(*d));
}
