// SPDX-License-Identifier: GPL-2.0
/*
 * The master key of an encrypted set, out of the crypt section.
 *
 *   section crypt:  magic "bch**key" | 32 bytes of key        plain: no passphrase
 *                   the same 40 bytes XOR key stream          wrapped by a passphrase key
 *
 * The passphrase key is derived by user space (scrypt); the nonce is the internal uuid. The
 * only test of a passphrase is whether the magic appears.
 *
 * Source: docs/format/20-checksums-encryption.md, section 5.
 */
#include "engine/sb/sb.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/sb/sb_internal.h"
#include "engine/util/csum.h"
#include "kc/kc.h"

static const struct bch_sb_field_crypt *crypt_section(const struct bch_sb *sb)
{
	size_t bytes;
	const struct bch_sb_field *f = bce_sb_field(sb, BCH_SB_FIELD_crypt, &bytes);

	return f && bytes >= sizeof(struct bch_sb_field_crypt) ? (const void *)f : NULL;
}

void bce_sb_key_description(const struct bch_sb *sb, char out[BCE_KEY_DESCRIPTION_BYTES])
{
	const u8 *u = sb->user_uuid;

	snprintf(out, BCE_KEY_DESCRIPTION_BYTES,
		 "bcachefs:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

bool bce_sb_has_crypt(const struct bch_sb *sb)
{
	return crypt_section(sb) != NULL;
}

bool bce_sb_key_is_wrapped(const struct bch_sb *sb)
{
	const struct bch_sb_field_crypt *c = crypt_section(sb);

	return c && le64_to_cpu(c->key.magic) != BCH_KEY_MAGIC;
}

int bce_sb_kdf_params(const struct bch_sb *sb, u8 *log_n, u8 *log_r, u8 *log_p)
{
	const struct bch_sb_field_crypt *c = crypt_section(sb);
	u64 flags, n, r, p;

	if (!c || BITS_GET(le64_to_cpu(c->flags), BCH_CRYPT_KDF_TYPE) != BCH_KDF_SCRYPT)
		return -EINVAL;
	flags = le64_to_cpu(c->kdf_flags);
	n = BITS_GET(flags, BCH_KDF_SCRYPT_N);
	r = BITS_GET(flags, BCH_KDF_SCRYPT_R);
	p = BITS_GET(flags, BCH_KDF_SCRYPT_P);
	/* scrypt takes 2^(n + r + 7) bytes of memory: more than this is damage */
	if (n > 30 || r > 20 || p > 20)
		return -EINVAL;
	*log_n = n;
	*log_r = r;
	*log_p = p;
	return 0;
}

int sb_key_wrap(const struct bch_sb *sb, struct bch_key *key, const u8 *passphrase_key)
{
	struct bce_nonce nonce = {
		.d = { 0, 0, get_unaligned_le32(sb->uuid), get_unaligned_le32(sb->uuid + 4) },
	};
	struct bce_cipher *cipher = bce_cipher_alloc(passphrase_key);

	if (!cipher)
		return -ENOMEM;
	bce_cipher_crypt(cipher, nonce, key, sizeof(*key));
	bce_cipher_free(cipher);
	return 0;
}

/* undo the wrapping of @key in place */
static int key_unwrap(const struct bch_sb *sb, struct bch_key *key, const u8 *passphrase_key)
{
	int ret = sb_key_wrap(sb, key, passphrase_key);

	if (!ret && le64_to_cpu(key->magic) != BCH_KEY_MAGIC)
		ret = -EKEYREJECTED;
	return ret;
}

int bce_sb_unlock(const struct bch_sb *sb, const u8 *passphrase_key, struct bce_cipher **out)
{
	const struct bch_sb_field_crypt *c = crypt_section(sb);
	struct bch_key key;
	int ret = 0;

	*out = NULL;
	if (!c)
		return -EINVAL;
	key = c->key;
	if (le64_to_cpu(key.magic) != BCH_KEY_MAGIC)
		ret = passphrase_key ? key_unwrap(sb, &key, passphrase_key) : -ENOKEY;
	if (!ret) {
		*out = bce_cipher_alloc(key.key);
		ret = *out ? 0 : -ENOMEM;
	}
	memzero_explicit(&key, sizeof(key));
	return ret;
}
