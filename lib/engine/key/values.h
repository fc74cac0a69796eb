/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VALUES_H
#define ENGINE_KEY_VALUES_H

#include "engine/format/values.h"
#include "engine/key/bkey.h"
#include "engine/key/extent.h"

/*
 * Values of the simpler key types in CPU order. Each decoder takes any key of its
 * type with any value length: what the value does not hold reads as 0. Whether a
 * value is legal is the business of key/validate.h.
 */

/* first @bytes of the value to @dst, continued with zeros where the value ends */
void bce_val_copy(const struct bkey *k, void *dst, size_t bytes);

static inline struct bpos bpos_from_le(struct bpos_le p)
{
	return SPOS(le64_to_cpu(p.inode), le64_to_cpu(p.offset), le32_to_cpu(p.snapshot));
}

static inline struct bpos_le bpos_to_le(struct bpos p)
{
	return (struct bpos_le) {
		.snapshot	= cpu_to_le32(p.snapshot),
		.offset		= cpu_to_le64(p.offset),
		.inode		= cpu_to_le64(p.inode),
	};
}

/* reservation: docs/format/55-key-types.md, 2.1 */
struct reservation_info {
	u32	generation;
	u8	nr_replicas;
};
void bce_reservation_decode(const struct bkey *k, struct reservation_info *out);

u32 bce_inode_generation_decode(const struct bkey *k);
u64 bce_cookie_decode(const struct bkey *k);

/* dirent: docs/format/60-filesystem-keys.md, section 10 */
struct dirent_info {
	u64		inum;		/* 0 for a subvolume */
	u32		child_subvol;	/* 0 for anything but a subvolume */
	u32		parent_subvol;
	u8		d_type;
	unsigned int	name_len;
	const u8	*name;		/* inside the value, not terminated */
};
void bce_dirent_decode(const struct bkey *k, struct dirent_info *out);

/* xattr: section 11; both lengths are cut to what the value holds */
struct xattr_info {
	u8		type;		/* enum bch_xattr_type */
	unsigned int	name_len;
	unsigned int	val_len;
	const u8	*name;		/* without prefix */
	const u8	*val;
};
void bce_xattr_decode(const struct bkey *k, struct xattr_info *out);
/* "user." and so on; NULL for ACLs and unknown types */
const char *bce_xattr_prefix(unsigned int type);

/* subvolume, snapshot, snapshot_tree: sections 14..16. Times in time units. */
struct subvolume_info {
	u32	id;		/* from the key's position */
	bool	ro;
	bool	snap;
	bool	unlinked;
	u32	snapshot;
	u64	inode;
	u32	creation_parent;
	u32	fs_path_parent;
	s64	otime;
};
void bce_subvolume_decode(const struct bkey *k, struct subvolume_info *out);

struct snapshot_info {
	bool	deleted;
	bool	is_subvol;
	u32	parent;
	u32	children[2];
	u32	subvol;
	u32	tree;
	u32	depth;
	u32	skip[3];
	s64	btime;
};
void bce_snapshot_decode(const struct bkey *k, struct snapshot_info *out);

struct snapshot_tree_info {
	u32	master_subvol;
	u32	root_snapshot;
};
void bce_snapshot_tree_decode(const struct bkey *k, struct snapshot_tree_info *out);

/* quota: part VI. Space in sectors. */
struct quota_limit {
	u64	hard;
	u64	soft;
};
struct quota_limits {
	struct quota_limit	space_sectors;
	struct quota_limit	inodes;
};
void bce_quota_decode(const struct bkey *k, struct quota_limits *out);

/* logged operations: part VII */
struct logged_op_truncate_info {
	u32	subvol;
	u64	inum;
	u64	new_size_bytes;
};
void bce_logged_op_truncate_decode(const struct bkey *k, struct logged_op_truncate_info *out);

struct logged_op_finsert_info {
	u8	state;
	u32	subvol;
	u64	inum;
	u64	dst_sector;
	u64	src_sector;
	u64	pos_sector;
};
void bce_logged_op_finsert_decode(const struct bkey *k, struct logged_op_finsert_info *out);

/* backpointer: docs/format/75-allocation.md, 5.6 */
struct backpointer_info {
	u8		btree_id;
	u8		level;
	u8		data_type;
	u64		bucket_offset;	/* sectors << BACKPOINTER_OFFSET_SHIFT, plus crc offset */
	u32		bucket_len;	/* sectors */
	struct bpos	pos;
};
void bce_backpointer_decode(const struct bkey *k, struct backpointer_info *out);

/* stripe: docs/format/75-allocation.md, 8.1 */
struct stripe_info {
	u16	sectors;
	u8	algorithm;
	u8	nr_blocks;
	u8	nr_redundant;
	u8	csum_granularity_bits;
	u8	csum_type;
	u8	disk_label;
};
void bce_stripe_decode(const struct bkey *k, struct stripe_info *out);
/* bytes the value of such a stripe needs, before rounding up to words */
unsigned int bce_stripe_val_bytes(const struct stripe_info *s);
/* pointer word of a block; false past the end of the value or when it is no pointer */
bool bce_stripe_ptr(const struct bkey *k, unsigned int block, struct extent_ptr *out);
/* sectors in use in a block; 0 past the end of the value */
unsigned int bce_stripe_block_sectors(const struct bkey *k, unsigned int block);
/* blocks that hold data, not parity; 0: the numbers are impossible */
unsigned int bce_stripe_data_blocks(const struct stripe_info *s);
/* sectors that one checksum covers; the last of a block may cover fewer */
u32 bce_stripe_unit_sectors(const struct stripe_info *s);
/* checksum of unit @unit of a block; false past the end of the value */
bool bce_stripe_csum(const struct bkey *k, unsigned int block, unsigned int unit,
		     struct bce_csum *out);
/* does @ptr lead into the block of a stripe, of @sectors, that begins at @block? */
bool bce_stripe_block_holds(const struct extent_ptr *block, u32 sectors,
			    const struct extent_ptr *ptr);
/* does the stripe with key @k hold what @p, a pointer with a stripe entry, leads to? */
bool bce_stripe_holds(const struct bkey *k, const struct extent_ptr_decoded *p);

#endif
