/* SPDX-License-Identifier: GPL-2.0 */
/* ChaCha20. The 16-byte iv holds the counter word, then three nonce words. */
#ifndef KAPI_CRYPTO_CHACHA_H
#define KAPI_CRYPTO_CHACHA_H

#include <linux/types.h>

#define CHACHA_IV_SIZE		16
#define CHACHA_KEY_SIZE		32
#define CHACHA_BLOCK_SIZE	64
#define CHACHA_STATE_WORDS	(CHACHA_BLOCK_SIZE / sizeof(u32))

void chacha_init(u32 *state, const u32 *key, const u8 *iv);
/* Advances the counter word by the blocks used, a partial one counting whole; it wraps. */
void chacha20_crypt(u32 *state, u8 *dst, const u8 *src, unsigned int bytes);

#endif
