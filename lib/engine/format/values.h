/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_VALUES_H
#define ENGINE_FORMAT_VALUES_H

#include "engine/format/btree.h"
#include "engine/format/types.h"

/*
 * Values of keys. A value begins right behind its key's header, at a multiple of
 * 8 bytes; its length must be checked against the shortest legal one
 * (BKEY_TYPE_LIST) before it is read, and fields beyond its end are 0.
 *
 * Sources: docs/format/55-key-types.md; 60-filesystem-keys.md; 70-extents.md;
 * 75-allocation.md; 80-accounting.md. Struct names follow the key types.
 *
 * deleted, whiteout, error, hash_whiteout and set have no value; inline_data is
 * nothing but bytes.
 */

/* ---- small ones: 55-key-types.md ---- */

struct bch_cookie {
	__le64	cookie;
};

struct bch_reservation {
	__le32	generation;
	__u8	nr_replicas;
	__u8	pad[3];
};

struct bch_inode_generation {
	__le32	bi_generation;
	__le32	pad;
};

struct bch_lru {
	__le64	idx;
};

/* ---- pointers: 70-extents.md, sections 1, 2 ---- */

/*
 * Entries of a pointer list are told apart by the lowest set bit of their first
 * word: bit n set means type n. All bit positions are in that first word.
 */
#define EXTENT_ENTRY_TYPE_LIST(x)	\
	x(ptr,		0,	1)	\
	x(crc32,	1,	1)	\
	x(crc64,	2,	2)	\
	x(crc128,	3,	3)	\
	x(stripe_ptr,	4,	1)	\
	x(rebalance,	5,	1)

/* number of the type, and its length in u64s */
enum extent_entry_type {
#define x(name, nr, u64s)	EXTENT_ENTRY_TYPE_##name = nr, EXTENT_ENTRY_U64S_##name = u64s,
	EXTENT_ENTRY_TYPE_LIST(x)
#undef x
};

#define EXTENT_ENTRY_TYPE_NR	6
#define EXTENT_PTRS_MAX		16
#define EXTENT_VAL_U64S_MAX	21	/* what writers make */

enum extent_entry_bits {
	EXTENT_PTR_CACHED_LO	= 1,	EXTENT_PTR_CACHED_HI	= 2,
	EXTENT_PTR_UNWRITTEN_LO	= 3,	EXTENT_PTR_UNWRITTEN_HI	= 4,
	EXTENT_PTR_OFFSET_LO	= 4,	EXTENT_PTR_OFFSET_HI	= 48,
	EXTENT_PTR_DEV_LO	= 48,	EXTENT_PTR_DEV_HI	= 56,
	EXTENT_PTR_GEN_LO	= 56,	EXTENT_PTR_GEN_HI	= 64,

	/* sizes are stored minus one */
	EXTENT_CRC32_COMPRESSED_SIZE_LO		= 2,	EXTENT_CRC32_COMPRESSED_SIZE_HI		= 9,
	EXTENT_CRC32_UNCOMPRESSED_SIZE_LO	= 9,	EXTENT_CRC32_UNCOMPRESSED_SIZE_HI	= 16,
	EXTENT_CRC32_OFFSET_LO			= 16,	EXTENT_CRC32_OFFSET_HI			= 23,
	EXTENT_CRC32_CSUM_TYPE_LO		= 24,	EXTENT_CRC32_CSUM_TYPE_HI		= 28,
	EXTENT_CRC32_COMPRESSION_TYPE_LO	= 28,	EXTENT_CRC32_COMPRESSION_TYPE_HI	= 32,
	EXTENT_CRC32_CSUM_LO			= 32,	EXTENT_CRC32_CSUM_HI			= 64,

	EXTENT_CRC64_COMPRESSED_SIZE_LO		= 3,	EXTENT_CRC64_COMPRESSED_SIZE_HI		= 12,
	EXTENT_CRC64_UNCOMPRESSED_SIZE_LO	= 12,	EXTENT_CRC64_UNCOMPRESSED_SIZE_HI	= 21,
	EXTENT_CRC64_OFFSET_LO			= 21,	EXTENT_CRC64_OFFSET_HI			= 30,
	EXTENT_CRC64_NONCE_LO			= 30,	EXTENT_CRC64_NONCE_HI			= 40,
	EXTENT_CRC64_CSUM_TYPE_LO		= 40,	EXTENT_CRC64_CSUM_TYPE_HI		= 44,
	EXTENT_CRC64_COMPRESSION_TYPE_LO	= 44,	EXTENT_CRC64_COMPRESSION_TYPE_HI	= 48,
	EXTENT_CRC64_CSUM_HIGH_LO		= 48,	EXTENT_CRC64_CSUM_HIGH_HI		= 64,

	EXTENT_CRC128_COMPRESSED_SIZE_LO	= 4,	EXTENT_CRC128_COMPRESSED_SIZE_HI	= 17,
	EXTENT_CRC128_UNCOMPRESSED_SIZE_LO	= 17,	EXTENT_CRC128_UNCOMPRESSED_SIZE_HI	= 30,
	EXTENT_CRC128_OFFSET_LO			= 30,	EXTENT_CRC128_OFFSET_HI			= 43,
	EXTENT_CRC128_NONCE_LO			= 43,	EXTENT_CRC128_NONCE_HI			= 56,
	EXTENT_CRC128_CSUM_TYPE_LO		= 56,	EXTENT_CRC128_CSUM_TYPE_HI		= 60,
	EXTENT_CRC128_COMPRESSION_TYPE_LO	= 60,	EXTENT_CRC128_COMPRESSION_TYPE_HI	= 64,

	EXTENT_STRIPE_PTR_BLOCK_LO	= 5,	EXTENT_STRIPE_PTR_BLOCK_HI	= 13,
	EXTENT_STRIPE_PTR_REDUNDANCY_LO	= 13,	EXTENT_STRIPE_PTR_REDUNDANCY_HI	= 17,
	EXTENT_STRIPE_PTR_IDX_LO	= 17,	EXTENT_STRIPE_PTR_IDX_HI	= 64,

	EXTENT_REBALANCE_COMPRESSION_LO	= 40,	EXTENT_REBALANCE_COMPRESSION_HI	= 48,
	EXTENT_REBALANCE_TARGET_LO	= 48,	EXTENT_REBALANCE_TARGET_HI	= 64,
};

struct bch_extent_ptr {
	__le64	word;			/* EXTENT_PTR_* */
};

struct bch_extent_crc32 {
	__le64	word;			/* EXTENT_CRC32_*, checksum included */
};

struct bch_extent_crc64 {
	__le64	word;			/* EXTENT_CRC64_* */
	__le64	csum_lo;
};

struct bch_extent_crc128 {
	__le64		word;		/* EXTENT_CRC128_* */
	struct bch_csum	csum;
};

struct bch_extent_stripe_ptr {
	__le64	word;			/* EXTENT_STRIPE_PTR_* */
};

struct bch_extent_rebalance {
	__le64	word;			/* EXTENT_REBALANCE_* */
};

/* The values of extent and btree_ptr are pointer lists and nothing else. */

struct bch_btree_ptr_v2 {
	__le64		mem_ptr;	/* 0; ignored */
	__le64		seq;
	__le16		sectors_written;
	__le16		flags;		/* BTREE_PTR_* */
	struct bpos_le	min_key;	/* inclusive */
	__le64		ptrs[];
};

enum btree_ptr_flag_bits {
	BTREE_PTR_RANGE_UPDATED_LO	= 0,	BTREE_PTR_RANGE_UPDATED_HI	= 1,
};

struct bch_reflink_v {
	__le64	refcount;
	__le64	entries[];
};

struct bch_indirect_inline_data {
	__le64	refcount;
	__u8	data[];
};

struct bch_reflink_p {
	__le64	idx;			/* sectors */
	__le32	front_pad;
	__le32	back_pad;
};

/* ---- inodes: 60-filesystem-keys.md, part I ---- */

struct bch_inode {
	__le64	bi_hash_seed;
	__le32	bi_flags;		/* INODE_* */
	__le16	bi_mode;
	__u8	fields[];
} __packed;

struct bch_inode_v2 {
	__le64	bi_journal_seq;
	__le64	bi_hash_seed;
	__le64	bi_flags;		/* INODE_* */
	__le16	bi_mode;
	__u8	fields[];
} __packed;

struct bch_inode_v3 {
	__le64	bi_journal_seq;
	__le64	bi_hash_seed;
	__le64	bi_flags;		/* INODE_* and INODE_V3_* */
	__le64	bi_sectors;
	__le64	bi_size;
	__le64	bi_version;
	__u8	fields[];
};

#define INODE_V3_FIELDS_START_U64S	6

enum bch_inode_flag_bits {
	INODE_FLAGS_LO		= 0,	INODE_FLAGS_HI		= 20,	/* INODE_FLAG_LIST */
	INODE_STR_HASH_LO	= 20,	INODE_STR_HASH_HI	= 24,
	INODE_NR_FIELDS_LO	= 24,	INODE_NR_FIELDS_HI	= 31,
	INODE_V1_NEW_VARINT_LO	= 31,	INODE_V1_NEW_VARINT_HI	= 32,
	INODE_V3_FIELDS_START_LO = 31,	INODE_V3_FIELDS_START_HI = 36,
	INODE_V3_MODE_LO	= 36,	INODE_V3_MODE_HI	= 52,
};

/* section 3: x(name, bit) */
#define INODE_FLAG_LIST(x)		\
	x(sync,			0)	\
	x(immutable,		1)	\
	x(append,		2)	\
	x(nodump,		3)	\
	x(noatime,		4)	\
	x(i_size_dirty,		5)	\
	x(i_sectors_dirty,	6)	\
	x(unlinked,		7)	\
	x(backptr_untrusted,	8)	\
	x(has_child_snapshot,	9)

enum inode_flag {
#define x(name, bit)	INODE_FLAG_##name = bit,
	INODE_FLAG_LIST(x)
#undef x
	INODE_FLAG_NR,
};

/* packed fields of inode_v3 in order: x(name, width in bits) */
#define INODE_V3_FIELD_LIST(x)		\
	x(bi_atime,			96)	\
	x(bi_ctime,			96)	\
	x(bi_mtime,			96)	\
	x(bi_otime,			96)	\
	x(bi_uid,			32)	\
	x(bi_gid,			32)	\
	x(bi_nlink,			32)	\
	x(bi_generation,		32)	\
	x(bi_dev,			32)	\
	x(bi_data_checksum,		8)	\
	x(bi_compression,		8)	\
	x(bi_project,			32)	\
	x(bi_background_compression,	8)	\
	x(bi_data_replicas,		8)	\
	x(bi_promote_target,		16)	\
	x(bi_foreground_target,		16)	\
	x(bi_background_target,		16)	\
	x(bi_erasure_code,		16)	\
	x(bi_fields_set,		16)	\
	x(bi_dir,			64)	\
	x(bi_dir_offset,		64)	\
	x(bi_subvol,			32)	\
	x(bi_parent_subvol,		32)	\
	x(bi_nocow,			8)

/* options an inode can carry, by bit of bi_fields_set: 10-superblock.md, section 5 */
#define INODE_OPT_LIST(x)		\
	x(data_checksum,	0,	8)	\
	x(compression,		1,	8)	\
	x(project,		2,	32)	\
	x(background_compression, 3,	8)	\
	x(data_replicas,	4,	8)	\
	x(promote_target,	5,	16)	\
	x(foreground_target,	6,	16)	\
	x(background_target,	7,	16)	\
	x(erasure_code,		8,	16)	\
	x(nocow,		9,	8)

enum inode_opt {
#define x(name, nr, bits)	INODE_OPT_##name = nr,
	INODE_OPT_LIST(x)
#undef x
	INODE_OPT_NR,
};

#define BCACHEFS_ROOT_INO	4096
#define BCACHEFS_ROOT_SUBVOL	1
#define BLOCKDEV_INODE_MAX	4096	/* inode numbers start here */

/* ---- directories and attributes: part II ---- */

#define BCH_DT_SUBVOL		16
#define BCH_DIRENT_NAME_MAX	512

struct bch_dirent {
	union {
		__le64			d_inum;
		struct {
			__le32		d_child_subvol;		/* d_type BCH_DT_SUBVOL */
			__le32		d_parent_subvol;
		};
	};
	__u8	d_type;
	__u8	d_name[];
} __packed;

#define BCH_XATTR_TYPE_LIST(x)			\
	x(user,			0,	"user.")	\
	x(posix_acl_access,	1,	"")	\
	x(posix_acl_default,	2,	"")	\
	x(trusted,		3,	"trusted.")	\
	x(security,		4,	"security.")

enum bch_xattr_type {
#define x(name, nr, prefix)	BCH_XATTR_##name = nr,
	BCH_XATTR_TYPE_LIST(x)
#undef x
	BCH_XATTR_NR,
};

struct bch_xattr {
	__u8	x_type;
	__u8	x_name_len;
	__le16	x_val_len;
	__u8	x_name[];		/* then the value */
};

/* ACL value (section 11): header, then entries of 4 or 8 bytes by tag */
#define BCH_ACL_VERSION		1

struct bch_acl_header {
	__le32	a_version;
};

enum bch_acl_tag {
	BCH_ACL_USER_OBJ	= 0x01,
	BCH_ACL_USER		= 0x02,	/* long entry */
	BCH_ACL_GROUP_OBJ	= 0x04,
	BCH_ACL_GROUP		= 0x08,	/* long entry */
	BCH_ACL_MASK		= 0x10,
	BCH_ACL_OTHER		= 0x20,
};

struct bch_acl_entry_short {
	__le16	e_tag;
	__le16	e_perm;
};

struct bch_acl_entry {
	__le16	e_tag;
	__le16	e_perm;
	__le32	e_id;
};

/* ---- subvolumes and snapshots: part IV ---- */

/* a time of 128 bits in file system time units */
struct bch_time128 {
	__le64	lo;
	__le64	hi;
};

enum bch_subvolume_flag_bits {
	BCH_SUBVOLUME_RO_LO		= 0,	BCH_SUBVOLUME_RO_HI		= 1,
	BCH_SUBVOLUME_SNAP_LO		= 1,	BCH_SUBVOLUME_SNAP_HI		= 2,
	BCH_SUBVOLUME_UNLINKED_LO	= 2,	BCH_SUBVOLUME_UNLINKED_HI	= 3,
};

struct bch_subvolume {
	__le32			flags;		/* BCH_SUBVOLUME_* */
	__le32			snapshot;
	__le64			inode;
	__le32			creation_parent;	/* older values end before this */
	__le32			fs_path_parent;
	struct bch_time128	otime;
};

enum bch_snapshot_flag_bits {
	BCH_SNAPSHOT_DELETED_LO		= 0,	BCH_SNAPSHOT_DELETED_HI		= 1,
	BCH_SNAPSHOT_SUBVOL_LO		= 1,	BCH_SNAPSHOT_SUBVOL_HI		= 2,
};

struct bch_snapshot {
	__le32			flags;		/* BCH_SNAPSHOT_* */
	__le32			parent;
	__le32			children[2];
	__le32			subvol;
	__le32			tree;
	__le32			depth;		/* older values end before this */
	__le32			skip[3];
	struct bch_time128	btime;
};

struct bch_snapshot_tree {
	__le32	master_subvol;
	__le32	root_snapshot;
};

/* ---- quotas, logged operations: parts VI, VII ---- */

struct bch_quota_counter_value {
	__le64	hardlimit;
	__le64	softlimit;
};

/* by enum bch_quota_counter of format/sb.h: space (sectors), inodes */
struct bch_quota {
	struct bch_quota_counter_value	c[2];
};

struct bch_logged_op_truncate {
	__le32	subvol;
	__le32	pad;
	__le64	inum;
	__le64	new_i_size;
};

#define BCH_LOGGED_OP_FINSERT_STATE_LIST(x)	\
	x(start,		0)		\
	x(shift_extents,	1)		\
	x(finish,		2)

struct bch_logged_op_finsert {
	__u8	state;
	__u8	pad[3];
	__le32	subvol;
	__le64	inum;
	__le64	dst_offset;		/* sectors */
	__le64	src_offset;
	__le64	pos;			/* may be missing in a short value */
};

/* ---- allocation: 75-allocation.md ---- */

/* x(name, bytes), in the order of their bits in fields */
#define ALLOC_V1_FIELD_LIST(x)	\
	x(read_time,		2)	\
	x(write_time,		2)	\
	x(data_type,		1)	\
	x(dirty_sectors,	2)	\
	x(cached_sectors,	2)	\
	x(oldest_gen,		1)	\
	x(stripe,		4)	\
	x(stripe_redundancy,	1)

struct bch_alloc {
	__u8	fields;			/* which follow: ALLOC_V1_FIELD_LIST */
	__u8	gen;
	__u8	data[];
};

/* varints of alloc_v2 and v3, in order */
#define ALLOC_V2_FIELD_LIST(x)	\
	x(read_time)		\
	x(write_time)		\
	x(dirty_sectors)	\
	x(cached_sectors)	\
	x(stripe)		\
	x(stripe_redundancy)

struct bch_alloc_v2 {
	__u8	nr_fields;
	__u8	gen;
	__u8	oldest_gen;
	__u8	data_type;
	__u8	data[];
};

struct bch_alloc_v3 {
	__le64	journal_seq;
	__le32	flags;			/* ALLOC_NEED_* */
	__u8	nr_fields;
	__u8	gen;
	__u8	oldest_gen;
	__u8	data_type;
	__u8	data[];
};

enum alloc_flag_bits {
	ALLOC_NEED_DISCARD_LO		= 0,	ALLOC_NEED_DISCARD_HI		= 1,
	ALLOC_NEED_INC_GEN_LO		= 1,	ALLOC_NEED_INC_GEN_HI		= 2,
	ALLOC_V4_BACKPOINTERS_START_LO	= 2,	ALLOC_V4_BACKPOINTERS_START_HI	= 8,	/* u64s */
	ALLOC_V4_NR_BACKPOINTERS_LO	= 8,	ALLOC_V4_NR_BACKPOINTERS_HI	= 14,
};

#define ALLOC_V4_U64S		8	/* current fixed part */
#define ALLOC_V4_U64S_V0	6	/* original one; what a START of 0 means */

struct bch_alloc_v4 {
	__le64	journal_seq;
	__le32	flags;			/* ALLOC_* */
	__u8	gen;
	__u8	oldest_gen;
	__u8	data_type;
	__u8	stripe_redundancy;
	__le32	dirty_sectors;
	__le32	cached_sectors;
	__le64	io_time[2];		/* read, write; 48 bits */
	__le32	stripe;
	__le32	nr_external_backpointers;	/* obsolete */
	__le64	fragmentation_lru;	/* obsolete; the original form ends before this */
	__le32	stripe_sectors;
	__le32	pad;
};

#define ALLOC_IO_TIME_MAX	((1ULL << 48) - 1)

struct bch_bucket_gens {
	__u8	gens[256];
};

struct bch_backpointer {
	__u8		btree_id;
	__u8		level;
	__u8		data_type;
	__u8		bucket_offset[5];	/* little-endian */
	__le32		bucket_len;		/* sectors */
	struct bpos_le	pos;
};

#define BACKPOINTER_OFFSET_SHIFT	10	/* bucket_offset: sectors << this | crc offset */

/* ---- stripes: 75-allocation.md, 8.1 ---- */

struct bch_stripe {
	__le16	sectors;
	__u8	algorithm;
	__u8	nr_blocks;
	__u8	nr_redundant;
	__u8	csum_granularity_bits;
	__u8	csum_type;
	__u8	disk_label;
	__le64	ptrs[];			/* nr_blocks; then checksums, then __le16 sector counts */
};

/* ---- accounting: 80-accounting.md ---- */

/* x(name, number, counters) */
#define ACCOUNTING_TYPE_LIST(x)			\
	x(nr_inodes,		0,	1)	\
	x(persistent_reserved,	1,	1)	\
	x(replicas,		2,	1)	\
	x(dev_data_type,	3,	3)	\
	x(compression,		4,	3)	\
	x(snapshot,		5,	1)	\
	x(btree,		6,	1)	\
	x(rebalance_work,	7,	1)	\
	x(inum,			8,	3)

enum accounting_type {
#define x(name, nr, counters)	ACCOUNTING_##name = nr,
	ACCOUNTING_TYPE_LIST(x)
#undef x
	ACCOUNTING_NR,
};

#define ACCOUNTING_COUNTERS_MAX		3
#define ACCOUNTING_REPLICAS_DEVS_MAX	16	/* 20 bytes less the four before them */

/*
 * The key's position, as the 20 bytes of struct bpos_le: a type, then fields
 * without alignment. Bytes after the type's fields are 0.
 */
struct accounting_pos {
	__u8	type;				/* enum accounting_type */
	union {
		__u8	bytes[19];
		struct {
			__u8	nr_replicas;
		} persistent_reserved;
		struct {
			__u8	data_type;
			__u8	nr_devs;
			__u8	nr_required;
			__u8	devs[ACCOUNTING_REPLICAS_DEVS_MAX];
		} replicas;
		struct {
			__u8	dev;
			__u8	data_type;
		} dev_data_type;
		struct {
			__u8	type;
		} compression;
		struct {
			__le32	id;
		} __packed snapshot;
		struct {
			__le32	id;
		} __packed btree;
		struct {
			__le64	inum;
		} __packed inum;
	} __packed;
} __packed;

struct bch_accounting {
	__le64	d[ACCOUNTING_COUNTERS_MAX];	/* as many as the value holds */
};

#endif
