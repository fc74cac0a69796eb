// SPDX-License-Identifier: GPL-2.0
/*
 * One journal entry: checksum, cipher, rules, its list.
 *
 *   0    csum, magic, seq, version, flags, u64s        in the clear
 *   44   clocks, last_seq, sub-entries                 encrypted if the checksum is a MAC
 *
 * Source: docs/format/30-journal.md, section 2; 20-checksums-encryption.md, section 4.
 */
#include "engine/journal/journal_internal.h"

#include <linux/errno.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/util/csum.h"

#define JOURNAL_NONCE	(3U << 28)

u64 jset_magic(u64 uuid_word)
{
	return uuid_word ^ JSET_MAGIC_XOR;
}

bool bce_jset_is_noflush(const struct jset *j)
{
	return BITS_GET(le32_to_cpu(j->flags), JSET_NO_FLUSH);
}

static unsigned int jset_csum_type(const struct jset *j)
{
	return BITS_GET(le32_to_cpu(j->flags), JSET_CSUM_TYPE);
}

bool jset_version_supported(const struct jset *j)
{
	u32 version = le32_to_cpu(j->version);

	return version >= BCH_VERSION_MIN &&
	       BCH_VERSION_MAJOR(version) <= BCH_VERSION_MAJOR(BCH_VERSION_CURRENT);
}

static struct bce_nonce jset_nonce(const struct jset *j)
{
	u64 seq = le64_to_cpu(j->seq);

	return (struct bce_nonce) { .d = { 0, seq, seq >> 32, JOURNAL_NONCE } };
}

int jset_csum_check(const struct jset *j, size_t bytes, const struct bce_cipher *cipher,
		    bool *good)
{
	unsigned int type = jset_csum_type(j);
	struct bce_csum stored = {
		.lo = le64_to_cpu(j->csum.lo),
		.hi = le64_to_cpu(j->csum.hi),
	};
	struct bce_csum csum;
	int ret;

	*good = false;
	if (!bce_csum_type_known(type))
		return 0;
	ret = bce_csum(type, cipher, jset_nonce(j), (const u8 *)j + sizeof(j->csum),
		       bytes - sizeof(j->csum), &csum);
	if (ret)
		return ret;
	*good = bce_csum_equal(stored, csum);
	return 0;
}

void jset_decrypt(struct jset *j, size_t bytes, const struct bce_cipher *cipher)
{
	if (bce_csum_type_is_mac(jset_csum_type(j)) && cipher)
		bce_cipher_crypt(cipher, jset_nonce(j), (u8 *)j + JSET_CRYPT_START,
				 bytes - JSET_CRYPT_START);
}

int jset_seal(struct jset *j, size_t bytes, unsigned int csum_type,
	      const struct bce_cipher *cipher)
{
	struct bce_csum csum;
	int ret;

	jset_decrypt(j, bytes, cipher);		/* the same operation */
	ret = bce_csum(csum_type, cipher, jset_nonce(j), (const u8 *)j + sizeof(j->csum),
		       bytes - sizeof(j->csum), &csum);
	if (ret)
		return ret;
	j->csum.lo = cpu_to_le64(csum.lo);
	j->csum.hi = cpu_to_le64(csum.hi);
	return 0;
}

static int head_check(const struct jset *j, size_t bytes, struct text_buf *err)
{
	if (bytes < sizeof(*j) || jset_bytes(j) > bytes) {
		bce_text_printf(err, "%zu bytes do not hold it", bytes);
		return BCE_ERR_jset_past_bucket_end + 1;
	}
	if (!jset_version_supported(j)) {
		bce_text_printf(err, "version %u.%u is not known",
				BCH_VERSION_MAJOR(le32_to_cpu(j->version)),
				BCH_VERSION_MINOR(le32_to_cpu(j->version)));
		return BCE_ERR_jset_unsupported_version + 1;
	}
	if (!bce_csum_type_known(jset_csum_type(j))) {
		bce_text_printf(err, "checksum type %u is not known", jset_csum_type(j));
		return BCE_ERR_jset_unknown_csum + 1;
	}
	if (!bce_jset_is_noflush(j) && le64_to_cpu(j->last_seq) > le64_to_cpu(j->seq)) {
		bce_text_printf(err, "last_seq %llu is newer than seq %llu",
				(unsigned long long)le64_to_cpu(j->last_seq),
				(unsigned long long)le64_to_cpu(j->seq));
		return BCE_ERR_jset_last_seq_newer_than_seq + 1;
	}
	return 0;
}

int bce_jset_validate(const struct jset *j, size_t bytes, const struct key_rules *rules,
		      struct text_buf *err)
{
	int ret = head_check(j, bytes, err);

	return ret ?: bce_entries_validate(j->entries, le32_to_cpu(j->u64s), rules, err);
}

/* the entry at @p if it is wholly in the list */
static const struct jset_entry *entry_at(const struct jset *j, const __le64 *p)
{
	struct entry_walk w;

	bce_entry_walk_init(&w, p, j->entries + le32_to_cpu(j->u64s) - p);
	return bce_entry_next(&w);
}

const struct jset_entry *bce_jset_first(const struct jset *j)
{
	return entry_at(j, j->entries);
}

const struct jset_entry *bce_jset_next(const struct jset *j, const struct jset_entry *e)
{
	return entry_at(j, e->payload + jset_entry_u64s(e));
}
