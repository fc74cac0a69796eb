// SPDX-License-Identifier: GPL-2.0
/*
 * Keys with any contents: the structural check, unpacking, all rules, text, and the
 * decoders and cuts that readers use; what passed the rules is made anew as a writer does.
 *
 * Input: 1 byte btree id, 1 byte flags (below), with PACKED the 56 bytes of a node's
 * key format, then the key as it lies in a node. It is copied to memory of exactly
 * the size that is left, so a step beyond the key shows.
 *
 * The seeds in corpus/key are keys of the golden sets, the first two of each type as
 * they lie in their nodes, packed and unpacked; composed-* are of types that no
 * golden set holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/format/ids.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/key/extent_edit.h"
#include "engine/key/inode.h"
#include "engine/key/pack.h"
#include "engine/key/text.h"
#include "engine/key/values.h"
#include "engine/key/values_write.h"

enum {
	FLAG_LEVEL	= 3,		/* mask */
	FLAG_PACKED	= 1 << 2,
	FLAG_RULES	= 1 << 3,
	FLAG_ENCRYPTED	= 1 << 4,
	FLAG_CONTEXT	= 3 << 5,	/* mask */
};

#define CONTEXT_SHIFT	5
#define KEY_BYTES_MAX	(255 * 8)

static const struct key_rules_dev devs[BCH_MEMBERS_MAX] = {
	[0] = { .exists = true, .durability = 1, .bucket_sectors = 256, .nbuckets = 1 << 20 },
	[1] = { .exists = true, .durability = 2, .bucket_sectors = 1000, .first_bucket = 1,
		.nbuckets = 5 },
	[2] = { .exists = true },
};

static int bucket_gen(void *ctx, unsigned int dev, u64 bucket)
{
	return bucket & 0x7f;
}

static void read_everything(const struct bkey *k)
{
	struct inode_fields inode;
	struct alloc_info alloc;
	struct dirent_info dirent;
	struct xattr_info xattr;
	struct extent_ptr_decoded p;
	struct bce_csum csum;
	struct extent_ptr ptr;
	struct extent_walk w;
	unsigned int bytes, i;

	bce_extent_walk_init(&w, k, 256);
	while (bce_extent_next_ptr(&w, &p)) {
		bce_extent_charged_sectors(k, &p.crc, 256);
		bce_extent_nonce(k->version, &p.crc);
		bce_stripe_holds(k, &p);
	}
	bce_inode_unpack(k, &inode);
	bce_inode_nlink(&inode);
	bce_alloc_decode(k, &alloc);
	bce_alloc_fragmentation_index(&alloc, 256);
	bce_dirent_decode(k, &dirent);
	for (i = 0; i < dirent.name_len; i++)
		*(volatile const u8 *)&dirent.name[i];
	bce_xattr_decode(k, &xattr);
	for (i = 0; i < xattr.name_len + xattr.val_len; i++)
		*(volatile const u8 *)&xattr.name[i];
	bce_inline_data(k, &bytes);
	for (i = 0; i < 256; i += 5) {
		bce_stripe_ptr(k, i, &ptr);
		bce_stripe_block_sectors(k, i);
		bce_stripe_csum(k, i % 16, i / 16, &csum);
	}
}

/* pointers taken apart and put together stay what they were; halves merge or do not */
static void rewrite_extent(const struct bkey *k, const struct key_rules *r)
{
	struct extent_value value, other;
	struct extent_ptrs before, after;
	u64 start = bkey_start_offset(k);
	struct bkey new = *k, left, out;

	if (bce_extent_ptrs_decode(k, &before))
		return;
	bce_extent_ptrs_encode(&before, &new, &value);
	if (bce_extent_ptrs_decode(&new, &after) || after.nr != before.nr ||
	    after.refcount != before.refcount)
		abort();
	if (k->size < 2 || !r)
		return;
	left = new;
	memcpy(&other, &value, sizeof(value));
	left.v = (void *)&other;
	bce_key_cut_back(&left, start + k->size / 2);
	bce_key_cut_front(&new, start + k->size / 2);
	bce_extent_merge(&left, &new, r, &out, &value);
}

static void write_again(const struct bkey *k, const struct key_rules *r)
{
	struct bkey new = { .p = k->p };
	struct inode_fields inode, same;
	struct dirent_info dirent;
	struct xattr_info xattr;
	struct inode_val packed;
	struct val_buf val;

	if (k->type == KEY_TYPE_extent || k->type == KEY_TYPE_reflink_v)
		rewrite_extent(k, r);
	if (bce_key_type_is_inode(k->type) && !bce_inode_unpack(k, &inode)) {
		bce_inode_pack(&inode, &new, &packed);
		if (bce_inode_unpack(&new, &same) || inode.mode != same.mode)
			abort();
	}
	if (k->type == KEY_TYPE_dirent) {
		bce_dirent_decode(k, &dirent);
		bce_dirent_encode(&new, &val, &dirent);
	}
	if (k->type == KEY_TYPE_xattr) {
		bce_xattr_decode(k, &xattr);
		bce_xattr_encode(&new, &val, &xattr);
	}
}

static void cut(struct bkey k)
{
	u64 start = bkey_start_offset(&k);

	bce_key_cut_front(&k, start + k.size / 3);
	read_everything(&k);
	bce_key_cut_back(&k, start + k.size / 2);
	read_everything(&k);
}

static void one_key(const struct key_format *f, const struct disk_key *d, unsigned int u64s,
		    uint8_t btree, uint8_t flags)
{
	const struct key_rules rules = {
		.dev = devs, .btree_node_sectors = 256, .block_sectors = 8,
		.encoded_extent_max_sectors = 128, .encrypted = flags & FLAG_ENCRYPTED,
		.bucket_gen = bucket_gen,
	};
	const struct key_rules *r = flags & FLAG_RULES ? &rules : NULL;
	unsigned int context = (flags & FLAG_CONTEXT) >> CONTEXT_SHIFT;
	struct text_buf err = TEXT_BUF_INIT, text = TEXT_BUF_INIT;
	struct bkey k;
	int id, bad;

	if (bce_disk_key_check(f, d, u64s, &id))
		return;
	bce_key_unpack(f, d, &k);
	bad = bce_key_validate(&k, btree, flags & FLAG_LEVEL, r,
			       context > KEY_TO_WRITE ? KEY_TO_WRITE : context, &err);
	if (!bad != !err.len || bad < 0 || bad > BCE_ERR_NR)
		abort();
	bce_key_text(&text, &k, r);
	if (!text.len)
		abort();
	read_everything(&k);
	if (!bad && r)
		write_again(&k, r);
	cut(k);
	bce_text_exit(&err);
	bce_text_exit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_format f = key_format_position_only;
	uint8_t btree, flags;
	unsigned int u64s;
	uint64_t *key;

	if (size < 2)
		return 0;
	btree = data[0];
	flags = data[1];
	data += 2;
	size -= 2;

	if (flags & FLAG_PACKED) {
		struct bkey_format_le disk;

		if (size < sizeof(disk))
			return 0;
		memcpy(&disk, data, sizeof(disk));
		if (bce_key_format_decode(&f, &disk))
			return 0;
		data += sizeof(disk);
		size -= sizeof(disk);
	}

	u64s = (size < KEY_BYTES_MAX ? size : KEY_BYTES_MAX) / 8;
	if (!u64s)
		return 0;
	key = malloc(u64s * 8);
	if (!key)
		return 0;
	memcpy(key, data, u64s * 8);
	one_key(&f, (struct disk_key *)key, u64s, btree, flags);
	free(key);
	return 0;
}
