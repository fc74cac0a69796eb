/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_ALLOC_ENCODE_H
#define ENGINE_ALLOC_ENCODE_H

#include "engine/format/values.h"
#include "engine/key/alloc.h"
#include "engine/key/bkey.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"

/* Positions and values of the allocation btrees: docs/format/75-allocation.md, sections 2, 5. Pure. */

#define ALLOC_LRU_ID_FRAGMENTATION	0xffff
#define ALLOC_BUCKETS_PER_GENS_KEY	256
#define ALLOC_FREESPACE_GEN_SHIFT	56

void bce_alloc_v4_encode(const struct alloc_info *a, struct bch_alloc_v4 *v);

/* generation distance as freespace keys carry it */
static inline u64 bce_freespace_gen_bits(const struct alloc_info *a)
{
	return (u8)(a->gen - a->oldest_gen) >> 4;
}
/* where a free bucket's range starts; it ends one behind */
static inline u64 bce_freespace_start(u64 gen_bits, u64 bucket)
{
	return gen_bits << ALLOC_FREESPACE_GEN_SHIFT | bucket;
}
static inline u64 bce_freespace_bucket(u64 offset)
{
	return offset & ((1ULL << ALLOC_FREESPACE_GEN_SHIFT) - 1);
}

/* @time must not be 0 */
struct bpos bce_lru_pos(u16 lru_id, u64 time, unsigned int dev, u64 bucket);
static inline u64 bce_lru_time(struct bpos p)
{
	return p.inode & ALLOC_IO_TIME_MAX;
}
static inline u64 bce_lru_bucket(struct bpos p)
{
	return p.offset & ALLOC_IO_TIME_MAX;
}
static inline unsigned int bce_lru_dev(struct bpos p)
{
	return p.offset >> 48;
}

/* where a pointer's backpointer stands */
struct bpos bce_backpointer_pos(const struct extent_ptr *ptr, const struct extent_crc *crc);
void bce_backpointer_encode(const struct backpointer_info *b, struct bch_backpointer *v);

/* a new le16 sector count of a stripe's block in a private copy of the value; false: no such place */
bool bce_stripe_set_block_sectors(struct bkey *k, unsigned int block, u16 sectors);

#endif
