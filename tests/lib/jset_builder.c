// SPDX-License-Identifier: GPL-2.0
/*
 * Journal entries made by hand.
 */
#include "jset_builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/format/version.h"
#include "engine/key/pack.h"
#include "engine/util/csum.h"

#define BLOCK_BYTES	(SBB_BLOCK_SECTORS * SECTOR_BYTES)

size_t jb_bytes(const struct jset_builder *b)
{
	return sizeof(*b->j) + 8 * le32_to_cpu(b->j->u64s);
}

size_t jb_block_bytes(const struct jset_builder *b)
{
	return (jb_bytes(b) + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

void jb_init(struct jset_builder *b, u64 uuid_word, u64 seq, u64 last_seq)
{
	b->j = aligned_alloc(64, JB_BYTES_MAX);
	memset(b->j, 0, JB_BYTES_MAX);
	b->j->magic = cpu_to_le64(uuid_word ^ JSET_MAGIC_XOR);
	b->j->seq = cpu_to_le64(seq);
	b->j->last_seq = cpu_to_le64(last_seq);
	b->j->version = cpu_to_le32(BCH_VERSION_CURRENT);
	if (!last_seq)
		b->j->flags = cpu_to_le32(BITS_SET(0ULL, JSET_NO_FLUSH, 1ULL));
}

void jb_exit(struct jset_builder *b)
{
	free(b->j);
	b->j = NULL;
}

struct jset_entry *jb_entry(struct jset_builder *b, unsigned int type, unsigned int btree_id,
			    unsigned int level, const void *payload, size_t bytes)
{
	struct jset_entry *e = (void *)((u8 *)b->j + jb_bytes(b));
	size_t u64s = (bytes + 7) / 8;

	assert(jb_bytes(b) + 8 + 8 * u64s <= JB_BYTES_MAX);
	memset(e, 0, 8 + 8 * u64s);
	e->u64s = cpu_to_le16(u64s);
	e->type = type;
	e->btree_id = btree_id;
	e->level = level;
	if (bytes)
		memcpy(e->payload, payload, bytes);
	b->j->u64s = cpu_to_le32(le32_to_cpu(b->j->u64s) + 1 + u64s);
	return e;
}

void jb_key(struct jset_builder *b, unsigned int btree_id, unsigned int level,
	    const struct bkey *k)
{
	u64 buf[BKEY_U64S + BKEY_VAL_U64S_MAX];
	unsigned int u64s = bce_key_write_unpacked(k, (void *)buf);

	jb_entry(b, JSET_ENTRY_btree_keys, btree_id, level, buf, u64s * 8);
}

void jb_cookie(struct jset_builder *b, unsigned int btree_id, struct bpos p, u64 cookie)
{
	__le64 v = cpu_to_le64(cookie);
	struct bkey k = { .p = p, .type = KEY_TYPE_cookie, .val_u64s = 1, .v = &v };

	jb_key(b, btree_id, 0, &k);
}

void jb_deleted(struct jset_builder *b, unsigned int btree_id, struct bpos p)
{
	struct bkey k = { .p = p, .type = KEY_TYPE_deleted };

	jb_key(b, btree_id, 0, &k);
}

void jb_delta(struct jset_builder *b, struct bpos p, struct bversion version, s64 delta)
{
	__le64 v = cpu_to_le64(delta);
	struct bkey k = {
		.p = p, .type = KEY_TYPE_accounting, .version = version, .val_u64s = 1, .v = &v,
	};

	jb_key(b, BTREE_ID_accounting, 0, &k);
}

size_t jb_btree_ptr(u64 buf[14], struct bpos p, u64 mem_ptr, u64 sector)
{
	u64 val[6] = { };
	struct bch_btree_ptr_v2 *v = (void *)val;
	struct bkey k = {
		.p = p, .type = KEY_TYPE_btree_ptr_v2, .val_u64s = ARRAY_SIZE(val), .v = val,
	};

	v->mem_ptr = cpu_to_le64(mem_ptr);
	v->seq = cpu_to_le64(7);
	v->sectors_written = cpu_to_le16(SBB_BLOCK_SECTORS);
	/* docs/format/70-extents.md, section 2.1: an entry of type 0, device 0, generation 0 */
	v->ptrs[0] = cpu_to_le64(1 | sector << 4);
	return 8 * bce_key_write_unpacked(&k, (void *)buf);
}

void jb_root(struct jset_builder *b, unsigned int btree_id, unsigned int level, u64 sector)
{
	u64 buf[14];
	size_t bytes = jb_btree_ptr(buf, SPOS_MAX, 0xdddd, sector);

	jb_entry(b, JSET_ENTRY_btree_root, btree_id, level, buf, bytes);
}

void jb_key_version(struct jset_builder *b, u64 v)
{
	__le64 le = cpu_to_le64(v);

	jb_entry(b, JSET_ENTRY_usage, JSET_USAGE_key_version, 0, &le, sizeof(le));
}

void jb_clock(struct jset_builder *b, unsigned int rw, u64 time)
{
	struct jset_payload_clock c = { .rw = rw, .time = cpu_to_le64(time) };

	jb_entry(b, JSET_ENTRY_clock, 0, 0, &c, sizeof(c));
}

void jb_seal(struct jset_builder *b, unsigned int type, const struct bce_cipher *cipher)
{
	u64 seq = le64_to_cpu(b->j->seq);
	struct bce_nonce nonce = { .d = { 0, seq, seq >> 32, 3U << 28 } };
	struct bce_csum csum;

	b->j->flags = cpu_to_le32(BITS_SET((u64)le32_to_cpu(b->j->flags), JSET_CSUM_TYPE,
					   (u64)type));
	if (bce_csum_type_is_mac(type))
		bce_cipher_crypt(cipher, nonce, (u8 *)b->j + JSET_CRYPT_START,
				 jb_bytes(b) - JSET_CRYPT_START);
	assert(!bce_csum(type, cipher, nonce, (u8 *)b->j + 16, jb_bytes(b) - 16, &csum));
	b->j->csum.lo = cpu_to_le64(csum.lo);
	b->j->csum.hi = cpu_to_le64(csum.hi);
}

size_t jb_write(const struct jset_builder *b, int fd, u64 bucket, size_t offset)
{
	u64 at = bucket * SBB_BUCKET_SECTORS * SECTOR_BYTES + offset;
	size_t bytes = jb_block_bytes(b);

	assert(offset + bytes <= SBB_BUCKET_SECTORS * SECTOR_BYTES);
	assert(pwrite(fd, b->j, bytes, at) == (ssize_t)bytes);
	return offset + bytes;
}
