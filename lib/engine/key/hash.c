// SPDX-License-Identifier: GPL-2.0
/*
 * Where a name belongs in the btrees that serve as hash tables, dirents and
 * xattrs. The kind of hash and its seed are fields of the directory's inode.
 *
 * Where that hash is SipHash, xattrs of seven and more bytes are hashed as if
 * another string stood there: the in-tree driver hashes the type byte first and
 * then the name, and of the bytes left over after whole words the last is lost.
 * What it looks for is where we must look.
 *
 * Source: docs/format/60-filesystem-keys.md, section 8.
 */
#include "engine/key/inode.h"

#include <crypto/sha2.h>
#include <linux/minmax.h>
#include <linux/siphash.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/util/csum.h"
#include "kc/kc.h"

/* offsets 0 and 1 are the readdir cookies of "." and ".." */
#define DIRENT_OFFSET_MIN	2

/* a type byte and the longest name of an xattr */
#define XATTR_STRING_MAX	256
#define SIPHASH_WORD		8

static u64 hash_crc32c(u64 seed, const void *name, unsigned int len)
{
	__le64 seed_le = cpu_to_le64(seed);
	u32 reg = bce_crc32c(U32_MAX, &seed_le, sizeof(seed_le));

	return bce_crc32c(reg, name, len);
}

static u64 hash_crc64(u64 seed, const void *name, unsigned int len)
{
	__le64 seed_le = cpu_to_le64(seed);
	u64 reg = bce_crc64(U64_MAX, &seed_le, sizeof(seed_le));

	return bce_crc64(reg, name, len) >> 1;
}

static u64 hash_siphash(u64 seed, const void *name, unsigned int len)
{
	siphash_key_t key = { { seed, 0 } };

	return siphash(name, len, &key) >> 1;
}

static u64 hash_siphash_old(u64 seed, const void *name, unsigned int len)
{
	__le64 seed_le = cpu_to_le64(seed);
	u8 digest[SHA256_DIGEST_SIZE];
	siphash_key_t key;

	sha256((const u8 *)&seed_le, sizeof(seed_le), digest);
	key.key[0] = get_unaligned_le64(digest);
	key.key[1] = get_unaligned_le64(digest + 8);
	return siphash(name, len, &key) >> 1;
}

/*
 * The string that is hashed for an xattr. The type byte alone fills the first byte of
 * an 8-byte buffer, the name follows through it; what is left over at the end is put
 * behind the first byte again, where the type still stands, instead of over it.
 */
static unsigned int siphash_xattr_string(u8 out[XATTR_STRING_MAX], const u8 *typed,
					 unsigned int len)
{
	unsigned int rest;

	len = min_t(unsigned int, len, XATTR_STRING_MAX);
	rest = len % SIPHASH_WORD;
	memcpy(out, typed, len);
	if (len >= SIPHASH_WORD && rest) {
		memmove(out + len - rest + 1, typed + len - rest, rest - 1);
		out[len - rest] = typed[0];
	}
	return len;
}

/**
 * bce_name_hash() - first place to look for a name
 * @str_hash_type: enum bch_str_hash_type, of the inode; unknown ones hash to 0
 * @seed:   the inode's hash_seed
 * @name:   the name; for xattrs a type byte and the name without prefix
 * @len:    its length in bytes
 * @dirent: keep off the offsets that readdir uses for "." and ".."
 */
u64 bce_name_hash(unsigned int str_hash_type, u64 seed, const void *name, unsigned int len,
		  bool dirent)
{
	u8 xattr[XATTR_STRING_MAX];
	u64 hash = 0;

	if (!dirent && (str_hash_type == BCH_STR_HASH_siphash ||
			str_hash_type == BCH_STR_HASH_siphash_old)) {
		len = siphash_xattr_string(xattr, name, len);
		name = xattr;
	}

	switch (str_hash_type) {
	case BCH_STR_HASH_crc32c:
		hash = hash_crc32c(seed, name, len);
		break;
	case BCH_STR_HASH_crc64:
		hash = hash_crc64(seed, name, len);
		break;
	case BCH_STR_HASH_siphash_old:
		hash = hash_siphash_old(seed, name, len);
		break;
	case BCH_STR_HASH_siphash:
		hash = hash_siphash(seed, name, len);
		break;
	}
	return dirent ? max_t(u64, hash, DIRENT_OFFSET_MIN) : hash;
}
