/* SPDX-License-Identifier: GPL-2.0 */
/* Poly1305 with a one-time key. */
#ifndef KAPI_CRYPTO_POLY1305_H
#define KAPI_CRYPTO_POLY1305_H

#include <linux/types.h>

#define POLY1305_BLOCK_SIZE	16
#define POLY1305_KEY_SIZE	32
#define POLY1305_DIGEST_SIZE	16

struct poly1305_desc_ctx {
	u8 kapi_state[256] __aligned(16);
};

void poly1305_init(struct poly1305_desc_ctx *d, const u8 *key);
void poly1305_update(struct poly1305_desc_ctx *d, const u8 *src, unsigned int bytes);
void poly1305_final(struct poly1305_desc_ctx *d, u8 *digest);

#endif
