// SPDX-License-Identifier: GPL-2.0
/*
 * From keys to the bytes of a btree node: what node_parse.c reads back.
 *
 *	new node	| csum, magic, flags, range, format | bset | keys ... | 0 |	node_head
 *	appended	| csum | bset | keys ............................... | 0 |	node_tail
 *			0      what the checksum covers                      ^ end of a block
 *
 * Keys are packed where the node's format holds them. The format is the node's for good: what
 * is appended later and does not fit it is stored unpacked.
 *
 * A node is never filled to its last word, and a bset's length is a 16-bit number; the
 * capacities below say what is left. Everything that is not a key or a header is zero.
 *
 * Source: docs/format/50-btree.md, 6.1 to 6.4, 6.6; 20-checksums-encryption.md, section 4.
 */
#include "engine/btree/node_build.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/btree.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/util/csum.h"

#define NODE_NONCE	0x20000000U	/* 20-checksums-encryption.md: nonce constants */

/* u64s for keys in a node of @sectors behind a head of @head_bytes; the last word stays free */
static u32 capacity(u32 sectors, size_t head_bytes)
{
	size_t bytes = (size_t)sectors * SECTOR_BYTES;

	if (bytes < head_bytes + 2 * sizeof(u64))
		return 0;
	return min_t(size_t, (bytes - head_bytes) / sizeof(u64) - 1, U16_MAX);
}

u32 bce_node_capacity_u64s(const struct btrees_config *config)
{
	return capacity(config->node_sectors, sizeof(struct btree_node_disk));
}

u32 bce_bset_capacity_u64s(const struct btrees_config *config, u32 written_sectors)
{
	if (!written_sectors || written_sectors >= config->node_sectors)
		return 0;
	return capacity(config->node_sectors - written_sectors, sizeof(struct btree_node_entry));
}

static struct bpos_le pos_to_disk(struct bpos p)
{
	return (struct bpos_le) {
		.snapshot = cpu_to_le32(p.snapshot),
		.offset = cpu_to_le64(p.offset),
		.inode = cpu_to_le64(p.inode),
	};
}

static void bset_init(struct node_build *nb, u64 seq, u64 journal_seq, u32 room_u64s)
{
	u32 flags = 0;

	flags = BITS_SET(flags, BSET_CSUM_TYPE, nb->csum_type);
	flags = BITS_SET(flags, BSET_OFFSET, nb->sector);
	*nb->bset = (struct bset) {
		.seq = cpu_to_le64(seq),
		.journal_seq = cpu_to_le64(journal_seq),
		.flags = cpu_to_le32(flags),
		.version = cpu_to_le16(BCH_VERSION_CURRENT),
	};
	nb->next = (u64 *)nb->bset->keys;
	nb->end = nb->next + room_u64s;
}

static u64 head_flags(const struct node_head *head)
{
	u64 flags = 0;

	flags = BITS_SET(flags, BTREE_NODE_ID_LOW, head->btree_id);
	flags = BITS_SET(flags, BTREE_NODE_ID_HIGH, head->btree_id >> BTREE_NODE_ID_LOW_BITS);
	flags = BITS_SET(flags, BTREE_NODE_LEVEL, head->level);
	flags = BITS_SET(flags, BTREE_NODE_NEW_EXTENT_OVERWRITE, 1);
	return BITS_SET(flags, BTREE_NODE_SEQ, head->node_seq);
}

void bce_node_build_new(struct node_build *nb, const struct btrees_config *config,
			unsigned int csum_type, void *buf, const struct node_head *head)
{
	struct btree_node_disk *disk = buf;

	*nb = (struct node_build) {
		.config = config, .csum_type = csum_type, .format = *head->format,
		.block = buf, .bset = &disk->keys,
	};
	memset(disk, 0, sizeof(*disk));
	disk->magic = cpu_to_le64(config->uuid_word ^ BTREE_MAGIC_XOR);
	disk->flags = cpu_to_le64(head_flags(head));
	disk->min_key = pos_to_disk(head->min);
	disk->max_key = pos_to_disk(head->max);
	bce_key_format_encode(&disk->format, head->format);
	bset_init(nb, head->seq, 0, bce_node_capacity_u64s(config));
}

void bce_node_build_append(struct node_build *nb, const struct btrees_config *config,
			   unsigned int csum_type, void *buf, const struct node_tail *tail)
{
	struct btree_node_entry *disk = buf;

	*nb = (struct node_build) {
		.config = config, .csum_type = csum_type, .format = *tail->format,
		.block = buf, .bset = &disk->keys, .sector = tail->written_sectors,
	};
	memset(disk, 0, sizeof(*disk));
	bset_init(nb, tail->seq, tail->journal_seq,
		  bce_bset_capacity_u64s(config, tail->written_sectors));
}

/* The hint of a pointer means something in memory only. */
static void zero_hint(const struct node_build *nb, struct disk_key *k)
{
	unsigned int key_u64s = disk_key_u64s(&nb->format, k);

	if (k->type == KEY_TYPE_btree_ptr_v2 && k->u64s > key_u64s)
		((u64 *)k)[key_u64s] = 0;
}

bool bce_node_build_key(struct node_build *nb, const struct bkey *k)
{
	struct disk_key *to = (struct disk_key *)nb->next;

	/* near the end it matters how long the key is exactly */
	if (nb->end - nb->next < BKEY_U64S + k->val_u64s &&
	    nb->end - nb->next < (ptrdiff_t)bce_key_packed_u64s(&nb->format, k))
		return false;
	nb->next += bce_key_pack(&nb->format, k, to);
	zero_hint(nb, to);
	return true;
}

static struct bce_nonce bset_nonce(const struct node_build *nb)
{
	u64 seq = le64_to_cpu(nb->bset->seq);
	u32 journal_seq = (u32)le64_to_cpu(nb->bset->journal_seq);

	return (struct bce_nonce) { .d = {
		nb->sector * SECTOR_BYTES, (u32)seq, (u32)(seq >> 32), journal_seq ^ NODE_NONCE,
	} };
}

static void encrypt(struct node_build *nb)
{
	struct bce_nonce nonce = bset_nonce(nb);

	if (!nb->sector) {
		bce_cipher_crypt(nb->config->cipher, nonce, nb->block + BTREE_NODE_CRYPT_START,
				 BTREE_NODE_CRYPT_BYTES);
		nonce = bce_nonce_add(nonce, round_up(BTREE_NODE_CRYPT_BYTES, 64));
	}
	bce_cipher_crypt(nb->config->cipher, nonce, nb->bset->keys,
			 le16_to_cpu(nb->bset->u64s) * sizeof(u64));
}

int bce_node_build_end(struct node_build *nb, u32 *sectors)
{
	size_t bytes = (u8 *)nb->next - nb->block, skip = sizeof(struct bch_csum), all;
	struct bch_csum *csum = (struct bch_csum *)nb->block;
	struct bce_csum found;
	int ret;

	all = round_up(bytes, (size_t)nb->config->block_sectors * SECTOR_BYTES);
	memset(nb->block + bytes, 0, all - bytes);
	*sectors = all / SECTOR_BYTES;
	nb->bset->u64s = cpu_to_le16(nb->next - (u64 *)nb->bset->keys);

	if (bce_csum_type_is_mac(nb->csum_type)) {
		if (!nb->config->cipher)
			return -ENOKEY;
		encrypt(nb);
	}
	ret = bce_csum(nb->csum_type, nb->config->cipher, bset_nonce(nb), nb->block + skip,
		       bytes - skip, &found);
	csum->lo = cpu_to_le64(found.lo);
	csum->hi = cpu_to_le64(found.hi);
	return ret;
}
