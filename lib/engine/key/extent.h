/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_EXTENT_H
#define ENGINE_KEY_EXTENT_H

#include "engine/key/bkey.h"
#include "engine/util/csum.h"

/* Values that carry pointers: docs/format/70-extents.md. All sizes in sectors. */

struct extent_crc {
	u32		compressed_size;
	u32		uncompressed_size;
	u32		offset;		/* start of the live range in the uncompressed data */
	u32		nonce;
	u8		csum_type;
	u8		compression_type;
	struct bce_csum	csum;
};

struct extent_ptr {
	u64	sector;			/* device sector of the stored data */
	u8	dev;
	u8	gen;
	bool	cached;
	bool	unwritten;
};

struct extent_stripe_ref {
	u64	idx;
	u8	block;
	u8	redundancy;
};

/* a pointer with everything that applies to it */
struct extent_ptr_decoded {
	struct extent_ptr		ptr;
	struct extent_crc		crc;
	bool				has_stripe;
	struct extent_stripe_ref	stripe;
};

struct extent_rebalance {
	u16	target;
	u8	compression;
};

enum extent_entry_kind {
	EXTENT_ENTRY_PTR, EXTENT_ENTRY_CRC32, EXTENT_ENTRY_CRC64, EXTENT_ENTRY_CRC128,
	EXTENT_ENTRY_STRIPE, EXTENT_ENTRY_REBALANCE, EXTENT_ENTRY_NR,
};

/* the raw entries, in order: for text, checks and rewriting */
struct extent_entry {
	enum extent_entry_kind		kind;
	unsigned int			u64s;
	union {
		struct extent_ptr		ptr;
		struct extent_crc		crc;
		struct extent_stripe_ref	stripe;
		struct extent_rebalance		rebalance;
	};
};

struct extent_walk {
	const __le64		*next;
	const __le64		*end;
	struct extent_crc	crc;		/* current one */
	bool			crc_implicit;
	struct extent_stripe_ref stripe;
	bool			has_stripe;
	bool			bad;		/* stopped at an invalid entry */
};

/* does this type carry an entry stream (extent, reflink_v, btree_ptr, btree_ptr_v2)? */
bool bce_key_has_ptrs(unsigned int type);
bool bce_key_is_btree_ptr(unsigned int type);

/*
 * Start a walk. @btree_node_sectors is the stored size of btree pointers'
 * targets (only used for the implicit crc of btree_ptr keys).
 */
void bce_extent_walk_init(struct extent_walk *w, const struct bkey *k, u32 btree_node_sectors);
/* one entry at @p, if the @room_u64s words there hold a whole and valid one */
bool bce_extent_entry_decode(const __le64 *p, unsigned int room_u64s, struct extent_entry *e);
/* next raw entry; false at the end or at an invalid one (w->bad); @crc and @stripe stay */
bool bce_extent_next_entry(struct extent_walk *w, struct extent_entry *e);
/* next pointer with its crc and stripe; false at the end */
bool bce_extent_next_ptr(struct extent_walk *w, struct extent_ptr_decoded *p);

/* does it promise sectors that were never written? They read as zeros */
bool bce_extent_is_unwritten(const struct bkey *k);

/* type is compressed (not none, not incompressible) */
bool bce_compression_type_is_compressed(unsigned int type);
/* stored data is not, sector by sector, what the file holds, or has a checksum over all of it */
bool bce_extent_is_encoded(const struct extent_crc *crc);
/* sectors charged for (key, pointer): section 6.3 */
u64 bce_extent_charged_sectors(const struct bkey *k, const struct extent_crc *crc,
			       u32 btree_node_sectors);

/* nonce of stored extent data: section 6.1 */
struct bce_nonce bce_extent_nonce(struct bversion version, const struct extent_crc *crc);

/* generations: how far @ptr_gen lags behind @bucket_gen; negative: it is newer */
static inline int gen_lag(u8 bucket_gen, u8 ptr_gen)
{
	return (s8)(u8)(bucket_gen - ptr_gen);
}

/* btree_ptr_v2's header, decoded */
struct btree_ptr_info {
	u64		seq;
	u16		sectors_written;	/* 0 for the legacy form: scan to the end */
	bool		range_updated;
	bool		v2;
	struct bpos	min_key;
};
void bce_btree_ptr_decode(const struct bkey *k, struct btree_ptr_info *out);

/* reflink_p, reflink_v */
struct reflink_p_info {
	u64	idx;
	u32	front_pad;
	u32	back_pad;
};
void bce_reflink_p_decode(const struct bkey *k, struct reflink_p_info *out);
u64 bce_reflink_refcount(const struct bkey *k);

/* inline_data, indirect_inline_data: the bytes and their number */
const void *bce_inline_data(const struct bkey *k, unsigned int *bytes);

/*
 * Cut in place (section 5): @k->v must point to a private copy. The live range
 * becomes [start, ...) or [..., end) in sectors of p.inode.
 */
void bce_key_cut_front(struct bkey *k, u64 start);
void bce_key_cut_back(struct bkey *k, u64 end);

#endif
