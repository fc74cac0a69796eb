/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_JOURNAL_H
#define ENGINE_FORMAT_JOURNAL_H

#include "engine/format/btree.h"
#include "engine/format/types.h"

/*
 * Journal entries (jsets) and the entries in them, which also fill the
 * superblock's clean section. Source: docs/format/30-journal.md, section 2.
 */

#define JSET_MAGIC_XOR		0x245235c1a3625032ULL	/* with the internal uuid's first word */
#define JSET_BYTES_MAX		(4U << 20)
#define JSET_CRYPT_START	44	/* first encrypted byte: _read_clock */

/* written entries skip this many sequence numbers after an unclean shutdown (section 8) */
#define JOURNAL_SEQ_SKIP	8

struct jset {
	struct bch_csum	csum;
	__le64		magic;
	__le64		seq;
	__le32		version;
	__le32		flags;		/* JSET_* */
	__le32		u64s;		/* of the entries */
	__le16		_read_clock;
	__le16		_write_clock;
	__le64		last_seq;	/* 0 if JSET_NO_FLUSH */
	__le64		entries[];
};

enum jset_flag_bits {
	JSET_CSUM_TYPE_LO	= 0,	JSET_CSUM_TYPE_HI	= 4,
	JSET_BIG_ENDIAN_LO	= 4,	JSET_BIG_ENDIAN_HI	= 5,
	JSET_NO_FLUSH_LO	= 5,	JSET_NO_FLUSH_HI	= 6,
};

struct jset_entry {
	__le16	u64s;			/* of the payload, this header excluded */
	__u8	btree_id;
	__u8	level;
	__u8	type;			/* enum jset_entry_type */
	__u8	pad[3];
	__le64	payload[];
};

#define JSET_ENTRY_TYPE_LIST(x)		\
	x(btree_keys,		0)	\
	x(btree_root,		1)	\
	x(prio_ptrs,		2)	\
	x(blacklist,		3)	\
	x(blacklist_v2,		4)	\
	x(usage,		5)	\
	x(data_usage,		6)	\
	x(clock,		7)	\
	x(dev_usage,		8)	\
	x(log,			9)	\
	x(overwrite,		10)	\
	x(write_buffer_keys,	11)	\
	x(datetime,		12)

enum jset_entry_type {
#define x(name, nr)	JSET_ENTRY_##name = nr,
	JSET_ENTRY_TYPE_LIST(x)
#undef x
	JSET_ENTRY_NR,			/* higher ones are ignored */
};

/*
 * Payloads that are not keys: what lies at jset_entry.payload. Lengths must be
 * checked against jset_entry.u64s before they are looked at.
 */

/* blacklist, always one u64 */
struct jset_payload_blacklist {
	__le64	seq;
};

struct jset_payload_blacklist_v2 {
	__le64	start;
	__le64	end;			/* inclusive */
};

/* usage: jset_entry.btree_id says what is counted */
enum jset_usage_kind {
	JSET_USAGE_reserved	= 0,
	JSET_USAGE_inodes	= 1,
	JSET_USAGE_key_version	= 2,
};

struct jset_payload_usage {
	__le64	value;
};

struct jset_payload_data_usage {
	__le64	value;
	__u8	data_type;
	__u8	nr_devs;
	__u8	nr_required;
	__u8	devs[];
} __packed;

struct jset_payload_clock {
	__u8	rw;			/* 0 read, 1 write */
	__u8	pad[7];
	__le64	time;			/* sectors */
};

struct jset_dev_usage_type {
	__le64	buckets;
	__le64	sectors;
	__le64	fragmented;
};

struct jset_payload_dev_usage {
	__le32				dev;
	__le32				pad;
	__le64				unused[2];
	struct jset_dev_usage_type	d[];	/* by data type */
};

/* log: text, NUL padded to a u64 */

struct jset_payload_datetime {
	__le64	seconds;
};

#endif
