// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of the allocation btrees, put together. What takes them apart is in key/.
 *
 * Source: docs/format/75-allocation.md, sections 2.1, 5, 8.1.
 */
#include "engine/alloc/encode.h"

#include <linux/string.h>

#include "kc/kc.h"

/* inline backpointers of old keys are dropped, obsolete fields are zero */
void bce_alloc_v4_encode(const struct alloc_info *a, struct bch_alloc_v4 *v)
{
	u32 flags = 0;

	flags = BITS_SET(flags, ALLOC_NEED_DISCARD, a->need_discard);
	flags = BITS_SET(flags, ALLOC_NEED_INC_GEN, a->need_inc_gen);
	flags = BITS_SET(flags, ALLOC_V4_BACKPOINTERS_START, ALLOC_V4_U64S);
	*v = (struct bch_alloc_v4) {
		.journal_seq		= cpu_to_le64(a->journal_seq),
		.flags			= cpu_to_le32(flags),
		.gen			= a->gen,
		.oldest_gen		= a->oldest_gen,
		.data_type		= a->data_type,
		.stripe_redundancy	= a->stripe_redundancy,
		.dirty_sectors		= cpu_to_le32(a->dirty_sectors),
		.cached_sectors		= cpu_to_le32(a->cached_sectors),
		.io_time		= { cpu_to_le64(a->io_time[0]), cpu_to_le64(a->io_time[1]) },
		.stripe			= cpu_to_le32(a->stripe),
		.stripe_sectors		= cpu_to_le32(a->stripe_sectors),
	};
}

struct bpos bce_lru_pos(u16 lru_id, u64 time, unsigned int dev, u64 bucket)
{
	return POS((u64)lru_id << 48 | time, (u64)dev << 48 | bucket);
}

struct bpos bce_backpointer_pos(const struct extent_ptr *ptr, const struct extent_crc *crc)
{
	return POS(ptr->dev, (ptr->sector << BACKPOINTER_OFFSET_SHIFT) + crc->offset);
}

void bce_backpointer_encode(const struct backpointer_info *b, struct bch_backpointer *v)
{
	__le64 offset = cpu_to_le64(b->bucket_offset);

	*v = (struct bch_backpointer) {
		.btree_id	= b->btree_id,
		.level		= b->level,
		.data_type	= b->data_type,
		.bucket_len	= cpu_to_le32(b->bucket_len),
		.pos		= bpos_to_le(b->pos),
	};
	memcpy(v->bucket_offset, &offset, sizeof(v->bucket_offset));
}

bool bce_stripe_set_block_sectors(struct bkey *k, unsigned int block, u16 sectors)
{
	struct stripe_info s;
	unsigned int at;

	bce_stripe_decode(k, &s);
	at = bce_stripe_val_bytes(&s) - (s.nr_blocks - block) * sizeof(__le16);
	if (block >= s.nr_blocks || at + sizeof(__le16) > bkey_val_bytes(k))
		return false;
	put_unaligned_le16(sectors, (u8 *)k->v + at);
	return true;
}
