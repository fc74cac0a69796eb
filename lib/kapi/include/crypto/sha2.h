/* SPDX-License-Identifier: GPL-2.0 */
/* SHA-256. */
#ifndef KAPI_CRYPTO_SHA2_H
#define KAPI_CRYPTO_SHA2_H

#include <linux/types.h>

#define SHA256_DIGEST_SIZE	32
#define SHA256_BLOCK_SIZE	64

struct sha256_state {
	u32 state[SHA256_DIGEST_SIZE / 4];
	u64 count;
	u8 buf[SHA256_BLOCK_SIZE];
};

void sha256_init(struct sha256_state *s);
void sha256_update(struct sha256_state *s, const u8 *data, unsigned int bytes);
void sha256_final(struct sha256_state *s, u8 *out);
void sha256(const u8 *data, unsigned int bytes, u8 *out);

#endif
