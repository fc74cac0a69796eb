/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_BTREE_H
#define ENGINE_FORMAT_BTREE_H

#include "engine/format/types.h"

/*
 * Keys and btree nodes as they lie on disk.
 * Source: docs/format/50-btree.md.
 *
 *  node    0 +----------------------------+ struct btree_node_disk
 *            | csum, magic, flags         |
 *            | min_key, max_key           |
 *            | format of packed keys      |
 *        136 | struct bset                |
 *        160 | keys of the first bset     |
 *            +--- next block boundary ----+ struct btree_node_entry
 *            | csum                       |
 *            | struct bset                |
 *            | keys                       |
 *            +--- next block boundary ----+ ... until sectors_written
 */

#define BTREE_MAGIC_XOR		0x90135c78b99e07f5ULL	/* with the internal uuid's first word */

/* section 1; may lie at a multiple of 4 only */
struct bpos_le {
	__le32	snapshot;
	__le64	offset;
	__le64	inode;
} __packed __aligned(4);

/*
 * The start of any key in a node or journal entry. The fourth byte is padding in
 * an unpacked key and the lowest field bits of a packed one. @u64s counts the
 * whole key, header and value.
 */
struct disk_key {
	__u8	u64s;
	__u8	format;		/* BKEY_FORMAT_MASK: KEY_FORMAT_*; bit 7 ignored, written as 0 */
	__u8	type;		/* enum bkey_type */
	__u8	pad_or_data;
};

#define BKEY_FORMAT_MASK	0x7f
#define KEY_FORMAT_PACKED	0	/* header packed by the node's format */
#define KEY_FORMAT_UNPACKED	1	/* header is struct disk_bkey */

#define BKEY_U64S		5	/* length of an unpacked header */
#define BKEY_VAL_U64S_MAX	250

/* section 3: the header of an unpacked key */
struct disk_bkey {
	__u8		u64s;
	__u8		format;
	__u8		type;
	__u8		pad;
	__le64		version_lo;
	__le32		version_hi;
	__le32		size;
	struct bpos_le	p;
} __packed __aligned(4);

/* section 4.1; fields in the order inode, offset, snapshot, size, version hi, version lo */
struct bkey_format_le {
	__u8	key_u64s;
	__u8	nr_fields;
	__u8	bits_per_field[6];
	__le64	field_offset[6];
};

/* bits of a packed header that are not fields: u64s, format, type */
#define BKEY_PACKED_HEADER_BITS	24

/* section 6.2 */
struct bset {
	__le64	seq;
	__le64	journal_seq;
	__le32	flags;		/* BSET_* */
	__le16	version;
	__le16	u64s;		/* of the keys that follow */
	__le64	keys[];
};

enum bset_flag_bits {
	BSET_CSUM_TYPE_LO		= 0,	BSET_CSUM_TYPE_HI		= 4,
	BSET_BIG_ENDIAN_LO		= 4,	BSET_BIG_ENDIAN_HI		= 5,
	BSET_SEPARATE_WHITEOUTS_LO	= 5,	BSET_SEPARATE_WHITEOUTS_HI	= 6,
	BSET_OFFSET_LO			= 16,	BSET_OFFSET_HI			= 32,	/* sectors */
};

/* section 6.1: the head of a node and of its first bset */
struct btree_node_disk {
	struct bch_csum		csum;
	__le64			magic;
	__le64			flags;		/* BTREE_NODE_* */
	struct bpos_le		min_key;	/* inclusive */
	struct bpos_le		max_key;	/* inclusive */
	__le64			_ptr;		/* obsolete, 0 */
	struct bkey_format_le	format;
	struct bset		keys;
};

enum btree_node_flag_bits {
	BTREE_NODE_ID_LOW_LO		= 0,	BTREE_NODE_ID_LOW_HI		= 4,
	BTREE_NODE_LEVEL_LO		= 4,	BTREE_NODE_LEVEL_HI		= 8,
	BTREE_NODE_NEW_EXTENT_OVERWRITE_LO = 8,	BTREE_NODE_NEW_EXTENT_OVERWRITE_HI = 9,
	BTREE_NODE_ID_HIGH_LO		= 9,	BTREE_NODE_ID_HIGH_HI		= 25,
	BTREE_NODE_SEQ_LO		= 32,	BTREE_NODE_SEQ_HI		= 64,
};

#define BTREE_NODE_ID_LOW_BITS	4

/* section 6.3: the head of every further bset */
struct btree_node_entry {
	struct bch_csum		csum;
	struct bset		keys;
};

/* encrypted part of the node head: from flags to the end of the format (6.4) */
#define BTREE_NODE_CRYPT_START	24
#define BTREE_NODE_CRYPT_BYTES	112

#define BTREE_LEVELS_MAX	4	/* levels 0..3 */
#define BTREE_PTRS_MAX		4

#endif
