/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_SB_H
#define ENGINE_FORMAT_SB_H

#include "engine/format/types.h"

/*
 * Superblock: layout, header, sections ("fields"). Source: docs/format/10-superblock.md;
 * magics, features and compat bits: 00-overview.md, sections 4, 6, 7.
 *
 * Sections that are tables end with a flexible array; its length follows from
 * bch_sb_field.u64s. Nothing here is aligned to more than the section is: the
 * sections themselves lie at multiples of 8 bytes.
 */

#define BCH_SB_SECTOR		8	/* where a reader starts */
#define BCH_SB_LAYOUT_SECTOR	7	/* stand-alone copy of the layout */
#define BCH_SB_LABEL_BYTES	32
#define BCH_SB_LAYOUT_MAX_BITS	16	/* log2 sectors of the largest copy */
#define BCH_SB_LAYOUT_COPIES	61

/* as initializers of a 16-byte array; bytes in the order of the UUID's text */
#define BCHFS_MAGIC_BYTES { \
	0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, \
	0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef }
/* older; accepted, never written */
#define BCACHE_MAGIC_BYTES { \
	0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, \
	0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81 }

#define BCACHEFS_STATFS_MAGIC	0xca451a4e

/* section 2 */
struct bch_sb_layout {
	__u8	magic[16];
	__u8	layout_type;		/* 0 */
	__u8	sb_max_size_bits;	/* log2 sectors reserved for each copy */
	__u8	nr_superblocks;
	__u8	pad[5];
	__le64	sb_offset[BCH_SB_LAYOUT_COPIES];	/* sectors */
};

/* head of every section; u64s includes it */
struct bch_sb_field {
	__le32	u64s;
	__le32	type;			/* enum bch_sb_field_type */
};

/* section 3 */
struct bch_sb {
	struct bch_csum		csum;
	__le16			version;
	__le16			version_min;
	__u8			pad[4];
	__u8			magic[16];
	__u8			uuid[16];	/* internal */
	__u8			user_uuid[16];
	__u8			label[BCH_SB_LABEL_BYTES];
	__le64			offset;		/* sector of this copy */
	__le64			seq;
	__le16			block_size;	/* sectors */
	__u8			dev_idx;
	__u8			nr_devices;
	__le32			u64s;		/* of the sections */
	__le64			time_base_lo;	/* ns */
	__le32			time_base_hi;
	__le32			time_precision;	/* ns */
	__le64			flags[7];	/* BCH_SB_FLAG_LIST */
	__le64			write_time;	/* s */
	__le64			features[2];
	__le64			compat[2];
	struct bch_sb_layout	layout;
	__le64			sections[];
};

/* section 4: x(name, word of flags[], first bit, bit after the last) */
#define BCH_SB_FLAG_LIST(x)				\
	x(INITIALIZED,			0,	0,	1)	\
	x(CLEAN,			0,	1,	2)	\
	x(CSUM_TYPE,			0,	2,	8)	\
	x(ERROR_ACTION,			0,	8,	12)	\
	x(BTREE_NODE_SIZE,		0,	12,	28)	\
	x(GC_RESERVE,			0,	28,	33)	\
	x(ROOT_RESERVE,			0,	33,	40)	\
	x(META_CSUM_TYPE,		0,	40,	44)	\
	x(DATA_CSUM_TYPE,		0,	44,	48)	\
	x(META_REPLICAS_WANT,		0,	48,	52)	\
	x(DATA_REPLICAS_WANT,		0,	52,	56)	\
	x(POSIX_ACL,			0,	56,	57)	\
	x(USRQUOTA,			0,	57,	58)	\
	x(GRPQUOTA,			0,	58,	59)	\
	x(PRJQUOTA,			0,	59,	60)	\
	x(HAS_ERRORS,			0,	60,	61)	\
	x(HAS_TOPOLOGY_ERRORS,		0,	61,	62)	\
	x(BIG_ENDIAN,			0,	62,	63)	\
	x(PROMOTE_WHOLE_EXTENTS,	0,	63,	64)	\
	x(STR_HASH_TYPE,		1,	0,	4)	\
	x(COMPRESSION_TYPE_LO,		1,	4,	8)	\
	x(INODE_32BIT,			1,	8,	9)	\
	x(128_BIT_MACS,			1,	9,	10)	\
	x(ENCRYPTION_TYPE,		1,	10,	14)	\
	x(ENCODED_EXTENT_MAX_BITS,	1,	14,	20)	\
	x(META_REPLICAS_REQ,		1,	20,	24)	\
	x(DATA_REPLICAS_REQ,		1,	24,	28)	\
	x(PROMOTE_TARGET,		1,	28,	40)	\
	x(FOREGROUND_TARGET,		1,	40,	52)	\
	x(BACKGROUND_TARGET,		1,	52,	64)	\
	x(BACKGROUND_COMPRESSION_TYPE_LO, 2,	0,	4)	\
	x(GC_RESERVE_BYTES,		2,	4,	64)	\
	x(ERASURE_CODE,			3,	0,	16)	\
	x(METADATA_TARGET,		3,	16,	28)	\
	x(SHARD_INUMS,			3,	28,	29)	\
	x(INODES_USE_KEY_CACHE,		3,	29,	30)	\
	x(JOURNAL_FLUSH_DELAY,		3,	30,	62)	\
	x(JOURNAL_FLUSH_DISABLED,	3,	62,	63)	\
	x(JOURNAL_RECLAIM_DELAY,	4,	0,	32)	\
	x(JOURNAL_TRANSACTION_NAMES,	4,	32,	33)	\
	x(NOCOW,			4,	33,	34)	\
	x(WRITE_BUFFER_SIZE,		4,	34,	54)	\
	x(VERSION_UPGRADE,		4,	54,	56)	\
	x(COMPRESSION_TYPE_HI,		4,	56,	60)	\
	x(BACKGROUND_COMPRESSION_TYPE_HI, 4,	60,	64)	\
	x(VERSION_UPGRADE_COMPLETE,	5,	0,	16)	\
	x(ALLOCATOR_STUCK_TIMEOUT,	5,	16,	32)

enum bch_sb_flag_bits {
#define x(name, word, lo, hi) \
	BCH_SB_##name##_WORD = word, BCH_SB_##name##_LO = lo, BCH_SB_##name##_HI = hi,
	BCH_SB_FLAG_LIST(x)
#undef x
};

/* BCH_SB_FLAG(sb, CLEAN) */
#define BCH_SB_FLAG(sb, name) \
	BITS_GET(le64_to_cpu((sb)->flags[BCH_SB_##name##_WORD]), BCH_SB_##name)
/* BCH_SB_FLAG_SET(sb, CLEAN, 1) */
#define BCH_SB_FLAG_SET(sb, name, value)						\
	((sb)->flags[BCH_SB_##name##_WORD] =						\
		cpu_to_le64(BITS_SET(le64_to_cpu((sb)->flags[BCH_SB_##name##_WORD]),	\
				     BCH_SB_##name, value)))

#define BCH_ERROR_ACTION_LIST(x)	\
	x(continue,	0)		\
	x(fix_safe,	1)		\
	x(panic,	2)		\
	x(ro,		3)

#define BCH_VERSION_UPGRADE_LIST(x)	\
	x(compatible,	0)		\
	x(incompatible,	1)		\
	x(none,		2)

/* ---- features[0]: incompatible ---- */

#define BCH_FEATURE_LIST(x)			\
	x(lz4,				0)	\
	x(gzip,				1)	\
	x(zstd,				2)	\
	x(atomic_nlink,			3)	\
	x(ec,				4)	\
	x(journal_seq_blacklist_v3,	5)	\
	x(reflink,			6)	\
	x(new_siphash,			7)	\
	x(inline_data,			8)	\
	x(new_extent_overwrite,		9)	\
	x(incompressible,		10)	\
	x(btree_ptr_v2,			11)	\
	x(extents_above_btree_updates,	12)	\
	x(btree_updates_journalled,	13)	\
	x(reflink_inline_data,		14)	\
	x(new_varint,			15)	\
	x(journal_no_flush,		16)	\
	x(alloc_v2,			17)	\
	x(extents_across_btree_nodes,	18)

enum bch_feature {
#define x(name, bit)	BCH_FEATURE_##name = bit,
	BCH_FEATURE_LIST(x)
#undef x
	BCH_FEATURE_NR,
};

#define BCH_FEATURES_ALWAYS	0x63200ULL	/* on while read-write */
#define BCH_FEATURES_ALL	0x7ba80ULL	/* what a formatter sets */
#define BCH_FEATURES_KNOWN	((1ULL << BCH_FEATURE_NR) - 1)

/* ---- compat[0] ---- */

#define BCH_COMPAT_LIST(x)				\
	x(alloc_info,				0)	\
	x(alloc_metadata,			1)	\
	x(extents_above_btree_updates_done,	2)	\
	x(bformat_overflow_done,		3)

enum bch_compat {
#define x(name, bit)	BCH_COMPAT_##name = bit,
	BCH_COMPAT_LIST(x)
#undef x
	BCH_COMPAT_NR,
};

/* ---- section 6: sections ---- */

#define BCH_SB_FIELD_LIST(x)		\
	x(journal,		0)	\
	x(members_v1,		1)	\
	x(crypt,		2)	\
	x(replicas_v0,		3)	\
	x(quota,		4)	\
	x(disk_groups,		5)	\
	x(clean,		6)	\
	x(replicas,		7)	\
	x(journal_seq_blacklist, 8)	\
	x(journal_v2,		9)	\
	x(counters,		10)	\
	x(members_v2,		11)	\
	x(errors,		12)	\
	x(ext,			13)	\
	x(downgrade,		14)

enum bch_sb_field_type {
#define x(name, nr)	BCH_SB_FIELD_##name = nr,
	BCH_SB_FIELD_LIST(x)
#undef x
	BCH_SB_FIELD_NR,		/* higher ones are kept and ignored */
};

/* 6.0 */
struct bch_sb_field_journal {
	struct bch_sb_field	field;
	__le64			buckets[];
};

enum bch_member_iops {
	BCH_IOPS_seqread, BCH_IOPS_seqwrite, BCH_IOPS_randread, BCH_IOPS_randwrite,
	BCH_IOPS_NR,
};

enum bch_member_error {
	BCH_MEMBER_ERROR_read, BCH_MEMBER_ERROR_write, BCH_MEMBER_ERROR_checksum,
	BCH_MEMBER_ERROR_NR,
};

/* 6.11; records on disk may be shorter or longer than this */
struct bch_member {
	__u8	uuid[16];		/* zero: slot empty */
	__le64	nbuckets;
	__le16	first_bucket;
	__le16	bucket_size;		/* sectors */
	__u8	btree_bitmap_shift;
	__u8	pad[3];
	__le64	last_mount;		/* s */
	__le64	flags;			/* BCH_MEMBER_FLAG_LIST */
	__le32	iops[BCH_IOPS_NR];
	__le64	errors[BCH_MEMBER_ERROR_NR];
	__le64	errors_at_reset[BCH_MEMBER_ERROR_NR];
	__le64	errors_reset_time;	/* s */
	__le64	seq;
	__le64	btree_allocated_bitmap;
	__le32	last_journal_bucket;	/* index in the ring */
	__le32	last_journal_bucket_offset;	/* sectors */
};

#define BCH_MEMBER_V1_BYTES	56	/* what members_v1 has of it: up to iops[1] */
#define BCH_MIN_NR_BUCKETS	64
#define BCH_MAX_NR_BUCKETS	((1ULL << 31) - 1 - 64)

#define BCH_MEMBER_FLAG_LIST(x)			\
	x(STATE,			0,	4)	\
	x(DISCARD,			14,	15)	\
	x(DATA_ALLOWED,			15,	20)	\
	x(GROUP,			20,	28)	\
	x(DURABILITY,			28,	30)	\
	x(FREESPACE_INITIALIZED,	30,	31)

enum bch_member_flag_bits {
#define x(name, lo, hi)	BCH_MEMBER_##name##_LO = lo, BCH_MEMBER_##name##_HI = hi,
	BCH_MEMBER_FLAG_LIST(x)
#undef x
};

#define BCH_MEMBER_STATE_LIST(x)	\
	x(rw,		0)		\
	x(ro,		1)		\
	x(failed,	2)		\
	x(spare,	3)

/* 6.1: records of exactly BCH_MEMBER_V1_BYTES follow */
struct bch_sb_field_members_v1 {
	struct bch_sb_field	field;
	__u8			members[];
};

/* 6.11: records of member_bytes each follow */
struct bch_sb_field_members_v2 {
	struct bch_sb_field	field;
	__le16			member_bytes;
	__u8			pad[6];
	__u8			members[];
};

/* 6.2 */
#define BCH_KEY_MAGIC		0x79656b2a2a686362ULL	/* "bch**key" */

struct bch_key {
	__le64	magic;
	__u8	key[32];
};

struct bch_sb_field_crypt {
	struct bch_sb_field	field;
	__le64			flags;		/* BCH_CRYPT_* */
	__le64			kdf_flags;	/* BCH_KDF_SCRYPT_* */
	struct bch_key		key;
};

enum bch_crypt_flag_bits {
	BCH_CRYPT_KDF_TYPE_LO	= 0,	BCH_CRYPT_KDF_TYPE_HI	= 4,
	BCH_KDF_SCRYPT_N_LO	= 0,	BCH_KDF_SCRYPT_N_HI	= 16,	/* log2 */
	BCH_KDF_SCRYPT_R_LO	= 16,	BCH_KDF_SCRYPT_R_HI	= 32,
	BCH_KDF_SCRYPT_P_LO	= 32,	BCH_KDF_SCRYPT_P_HI	= 48,
};

#define BCH_KDF_SCRYPT		0

/* 6.3, 6.7: entries of variable length, unaligned, directly after the section's head */
struct bch_replicas_entry_v0 {
	__u8	data_type;
	__u8	nr_devs;
	__u8	devs[];
};

struct bch_replicas_entry_v1 {
	__u8	data_type;
	__u8	nr_devs;
	__u8	nr_required;
	__u8	devs[];
};

struct bch_sb_field_replicas_v0 {
	struct bch_sb_field	field;
	__u8			entries[];
};

struct bch_sb_field_replicas {
	struct bch_sb_field	field;
	__u8			entries[];
};

/* 6.4 */
enum bch_quota_type { BCH_QUOTA_user, BCH_QUOTA_group, BCH_QUOTA_project, BCH_QUOTA_NR };
enum bch_quota_counter { BCH_QUOTA_space, BCH_QUOTA_inodes, BCH_QUOTA_COUNTER_NR };

struct bch_sb_quota_counter {
	__le32	timelimit;		/* s */
	__le32	warnlimit;
};

struct bch_sb_quota_type {
	__le64				flags;
	struct bch_sb_quota_counter	c[BCH_QUOTA_COUNTER_NR];
};

struct bch_sb_field_quota {
	struct bch_sb_field		field;
	struct bch_sb_quota_type	q[BCH_QUOTA_NR];
};

/* 6.5 */
struct bch_disk_group {
	__u8	label[BCH_SB_LABEL_BYTES];
	__le64	flags[2];		/* flags[0]: BCH_GROUP_* */
};

enum bch_group_flag_bits {
	BCH_GROUP_DELETED_LO		= 0,	BCH_GROUP_DELETED_HI		= 1,
	BCH_GROUP_DATA_ALLOWED_LO	= 1,	BCH_GROUP_DATA_ALLOWED_HI	= 6,
	BCH_GROUP_PARENT_LO		= 6,	BCH_GROUP_PARENT_HI		= 24,	/* index + 1 */
};

struct bch_sb_field_disk_groups {
	struct bch_sb_field	field;
	struct bch_disk_group	entries[];
};

/* 6.6: journal entries (struct jset_entry) fill the rest */
struct bch_sb_field_clean {
	struct bch_sb_field	field;
	__le32			flags;
	__le16			_read_clock;
	__le16			_write_clock;
	__le64			journal_seq;
	__le64			entries[];
};

/* 6.8 */
struct bch_journal_seq_blacklist_entry {
	__le64	start;
	__le64	end;			/* not included */
};

struct bch_sb_field_journal_seq_blacklist {
	struct bch_sb_field			field;
	struct bch_journal_seq_blacklist_entry	entries[];
};

/* 6.9 */
struct bch_sb_journal_v2_entry {
	__le64	start;			/* bucket */
	__le64	nr;
};

struct bch_sb_field_journal_v2 {
	struct bch_sb_field		field;
	struct bch_sb_journal_v2_entry	d[];
};

/* 6.10: by enum bch_counter, format/counters.h */
struct bch_sb_field_counters {
	struct bch_sb_field	field;
	__le64			d[];
};

/* 6.12 */
struct bch_sb_error_entry {
	__le64	v;			/* BCH_SB_ERROR_* */
	__le64	last_error_time;	/* s */
};

enum bch_sb_error_bits {
	BCH_SB_ERROR_ID_LO	= 0,	BCH_SB_ERROR_ID_HI	= 16,
	BCH_SB_ERROR_COUNT_LO	= 16,	BCH_SB_ERROR_COUNT_HI	= 64,
};

struct bch_sb_field_errors {
	struct bch_sb_field		field;
	struct bch_sb_error_entry	entries[];
};

/* 6.13 */
struct bch_sb_field_ext {
	struct bch_sb_field	field;
	__le64			recovery_passes_required[2];	/* bit: stable pass id */
	__le64			errors_silent[8];		/* bit: error id */
	__le64			btrees_lost_data;		/* bit: btree id */
};

#define BCH_SB_FIELD_EXT_BYTES_MIN	88

/* 6.14: entries of variable length, aligned to 2 */
struct bch_sb_field_downgrade_entry {
	__le16	version;
	__le64	recovery_passes[2];
	__le16	nr_errors;
	__le16	errors[];
} __packed __aligned(2);

struct bch_sb_field_downgrade {
	struct bch_sb_field	field;
	__u8			entries[];
};

#endif
