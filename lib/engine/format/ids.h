/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_IDS_H
#define ENGINE_FORMAT_IDS_H

/*
 * Numbers of the format that have names. Each set is a list macro, so that an
 * enum and a table of names are made from the same lines:
 *
 *	#define x(name, nr)	[nr] = #name,
 *	static const char *const names[] = { BCH_DATA_TYPE_LIST(x) };
 *	#undef x
 *
 * Sources: docs/format/00-overview.md, sections 2, 3; 20-checksums-encryption.md,
 * section 1; 55-key-types.md, section 1; 70-extents.md, section 2.2.
 */

#define BTREE_ID_LIST(x)		\
	x(extents,		0)	\
	x(inodes,		1)	\
	x(dirents,		2)	\
	x(xattrs,		3)	\
	x(alloc,		4)	\
	x(quotas,		5)	\
	x(stripes,		6)	\
	x(reflink,		7)	\
	x(subvolumes,		8)	\
	x(snapshots,		9)	\
	x(lru,			10)	\
	x(freespace,		11)	\
	x(need_discard,		12)	\
	x(backpointers,		13)	\
	x(bucket_gens,		14)	\
	x(snapshot_trees,	15)	\
	x(deleted_inodes,	16)	\
	x(logged_ops,		17)	\
	x(rebalance_work,	18)	\
	x(subvolume_children,	19)	\
	x(accounting,		20)

enum btree_id {
#define x(name, nr)	BTREE_ID_##name = nr,
	BTREE_ID_LIST(x)
#undef x
	BTREE_ID_NR,			/* known ones; up to 62 may be met */
};

/* x(name, number, shortest value in bytes): 55-key-types.md, section 1 */
#define BKEY_TYPE_LIST(x)			\
	x(deleted,		0,	0)	\
	x(whiteout,		1,	0)	\
	x(error,		2,	0)	\
	x(cookie,		3,	8)	\
	x(hash_whiteout,	4,	0)	\
	x(btree_ptr,		5,	0)	\
	x(extent,		6,	0)	\
	x(reservation,		7,	8)	\
	x(inode,		8,	16)	\
	x(inode_generation,	9,	8)	\
	x(dirent,		10,	16)	\
	x(xattr,		11,	8)	\
	x(alloc,		12,	8)	\
	x(quota,		13,	32)	\
	x(stripe,		14,	8)	\
	x(reflink_p,		15,	16)	\
	x(reflink_v,		16,	8)	\
	x(inline_data,		17,	0)	\
	x(btree_ptr_v2,		18,	40)	\
	x(indirect_inline_data,	19,	8)	\
	x(alloc_v2,		20,	8)	\
	x(subvolume,		21,	16)	\
	x(snapshot,		22,	24)	\
	x(inode_v2,		23,	32)	\
	x(alloc_v3,		24,	16)	\
	x(set,			25,	0)	\
	x(lru,			26,	8)	\
	x(alloc_v4,		27,	48)	\
	x(backpointer,		28,	32)	\
	x(inode_v3,		29,	48)	\
	x(bucket_gens,		30,	256)	\
	x(snapshot_tree,	31,	8)	\
	x(logged_op_truncate,	32,	24)	\
	x(logged_op_finsert,	33,	24)	\
	x(accounting,		34,	8)

enum bkey_type {
#define x(name, nr, min_bytes)	KEY_TYPE_##name = nr,
	BKEY_TYPE_LIST(x)
#undef x
	KEY_TYPE_NR,			/* higher ones are kept, unchecked */
};

/* what a bucket, a replicas entry or an accounting key is about */
#define BCH_DATA_TYPE_LIST(x)	\
	x(free,		0)	\
	x(sb,		1)	\
	x(journal,	2)	\
	x(btree,	3)	\
	x(user,		4)	\
	x(cached,	5)	\
	x(parity,	6)	\
	x(stripe,	7)	\
	x(need_gc_gens,	8)	\
	x(need_discard,	9)	\
	x(unstriped,	10)

enum bch_data_type {
#define x(name, nr)	BCH_DATA_##name = nr,
	BCH_DATA_TYPE_LIST(x)
#undef x
	BCH_DATA_NR,
};

/* types, as stored in structures; options count differently (below). Third: bytes used. */
#define BCH_CSUM_TYPE_LIST(x)			\
	x(none,			0,	0)	\
	x(crc32c_nonzero,	1,	4)	\
	x(crc64_nonzero,	2,	8)	\
	x(chacha20_poly1305_80,	3,	10)	\
	x(chacha20_poly1305_128, 4,	16)	\
	x(crc32c,		5,	4)	\
	x(crc64,		6,	8)	\
	x(xxhash,		7,	8)

enum bch_csum_type {
#define x(name, nr, bytes)	BCH_CSUM_##name = nr,
	BCH_CSUM_TYPE_LIST(x)
#undef x
	BCH_CSUM_NR,
};

#define BCH_CSUM_OPT_LIST(x)	\
	x(none,		0)	\
	x(crc32c,	1)	\
	x(crc64,	2)	\
	x(xxhash,	3)

enum bch_csum_opt {
#define x(name, nr)	BCH_CSUM_OPT_##name = nr,
	BCH_CSUM_OPT_LIST(x)
#undef x
	BCH_CSUM_OPT_NR,
};

#define BCH_COMPRESSION_TYPE_LIST(x)	\
	x(none,			0)	\
	x(lz4_old,		1)	\
	x(gzip,			2)	\
	x(lz4,			3)	\
	x(zstd,			4)	\
	x(incompressible,	5)

enum bch_compression_type {
#define x(name, nr)	BCH_COMPRESSION_TYPE_##name = nr,
	BCH_COMPRESSION_TYPE_LIST(x)
#undef x
	BCH_COMPRESSION_TYPE_NR,
};

/* low nibble of the compression option byte; the high one is the level */
#define BCH_COMPRESSION_OPT_LIST(x)	\
	x(none,		0)		\
	x(lz4,		1)		\
	x(gzip,		2)		\
	x(zstd,		3)

enum bch_compression_opt {
#define x(name, nr)	BCH_COMPRESSION_OPT_##name = nr,
	BCH_COMPRESSION_OPT_LIST(x)
#undef x
	BCH_COMPRESSION_OPT_NR,
};

/* as inodes store it: 60-filesystem-keys.md, section 8 */
#define BCH_STR_HASH_TYPE_LIST(x)	\
	x(crc32c,	0)		\
	x(crc64,	1)		\
	x(siphash_old,	2)		\
	x(siphash,	3)

enum bch_str_hash_type {
#define x(name, nr)	BCH_STR_HASH_##name = nr,
	BCH_STR_HASH_TYPE_LIST(x)
#undef x
	BCH_STR_HASH_NR,
};

/* as the superblock option stores it */
#define BCH_STR_HASH_OPT_LIST(x)	\
	x(crc32c,	0)		\
	x(crc64,	1)		\
	x(siphash,	2)

enum bch_str_hash_opt {
#define x(name, nr)	BCH_STR_HASH_OPT_##name = nr,
	BCH_STR_HASH_OPT_LIST(x)
#undef x
	BCH_STR_HASH_OPT_NR,
};

/* member index that stands for "no device any more" */
#define BCH_DEV_INVALID		255
#define BCH_MEMBERS_MAX		64

/* targets in options, inodes and rebalance entries: 85-policies.md, 1.2 */
#define BCH_TARGET_NONE		0
#define BCH_TARGET_DEV_BASE	1
#define BCH_TARGET_GROUP_BASE	257

#endif
