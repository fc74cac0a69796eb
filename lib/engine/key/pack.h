/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_PACK_H
#define ENGINE_KEY_PACK_H

#include "engine/format/btree.h"
#include "engine/key/bkey.h"

/*
 * Keys as they lie in nodes and journal: packed with the node's format (format
 * byte 0) or unpacked (format byte 1), mixed freely.
 */

enum { BKEY_FIELD_INODE, BKEY_FIELD_OFFSET, BKEY_FIELD_SNAPSHOT, BKEY_FIELD_SIZE,
       BKEY_FIELD_VERSION_HI, BKEY_FIELD_VERSION_LO, BKEY_NR_FIELDS };

/* the node's format in CPU order, with what unpacking wants precomputed */
struct key_format {
	u8	key_u64s;
	u8	bits[BKEY_NR_FIELDS];
	u8	byte[BKEY_NR_FIELDS];	/* the 8 bytes of the number that end with the field's last */
	u8	up[BKEY_NR_FIELDS];	/* bits above the field in them */
	u16	shift[BKEY_NR_FIELDS];	/* lowest bit of each field in the key_u64s*64 bit number */
	u64	offset[BKEY_NR_FIELDS];
};

/* the format of keys nobody packed: 64/64/32 and nothing else, as a new root has it */
extern const struct key_format key_format_position_only;

/**
 * bce_key_format_decode() - check and convert a node's format descriptor
 * Return: NULL, or what is wrong (text for error btree_node_bad_format).
 * Source: docs/format/50-btree.md, 4.1, 4.2.
 */
const char *bce_key_format_decode(struct key_format *f, const struct bkey_format_le *disk);
void bce_key_format_encode(struct bkey_format_le *disk, const struct key_format *f);

/* do the words that a search compares hold whole positions? */
static inline bool key_format_searches_well(const struct key_format *f)
{
	return f->bits[BKEY_FIELD_INODE] + f->bits[BKEY_FIELD_OFFSET] +
		f->bits[BKEY_FIELD_SNAPSHOT] <= 64;
}

/* length of the key header in u64s by its format byte: f->key_u64s or 5 */
static inline unsigned int disk_key_u64s(const struct key_format *f, const struct disk_key *k)
{
	return (k->format & BKEY_FORMAT_MASK) == KEY_FORMAT_PACKED ? f->key_u64s : BKEY_U64S;
}

/*
 * Structural check of the key at @k with @room_u64s u64s left before the end.
 * Return: NULL or text; *id says which error (54, 55, 260).
 */
const char *bce_disk_key_check(const struct key_format *f, const struct disk_key *k,
			       unsigned int room_u64s, int *id);

/* Unpack; out->v points into @k. @k must have passed bce_disk_key_check(). */
void bce_key_unpack(const struct key_format *f, const struct disk_key *k, struct bkey *out);
/* position only: the inner loop of merging and searching */
struct bpos bce_key_unpack_pos(const struct key_format *f, const struct disk_key *k);

/*
 * Pack @k with its value to @out (room for BKEY_U64S + 250 u64s). Stored
 * unpacked when the format cannot hold it. Return: u64s written.
 */
unsigned int bce_key_pack(const struct key_format *f, const struct bkey *k, struct disk_key *out);

/* u64s that bce_key_pack() would write */
unsigned int bce_key_packed_u64s(const struct key_format *f, const struct bkey *k);

/* unpacked form, as in journal entries and the clean section */
unsigned int bce_key_write_unpacked(const struct bkey *k, struct disk_key *out);
/* NULL or text: an unpacked key of at most @room_u64s */
const char *bce_key_read_unpacked(const void *p, unsigned int room_u64s, struct bkey *out);

/*
 * A good format for a set of keys (section 4.5): feed all keys and both node
 * bounds, then ask.
 */
struct key_format_stats {
	u64	min[BKEY_NR_FIELDS];
	u64	max[BKEY_NR_FIELDS];
};
void bce_key_format_stats_init(struct key_format_stats *s);
void bce_key_format_stats_add_pos(struct key_format_stats *s, struct bpos p);
void bce_key_format_stats_add(struct key_format_stats *s, const struct bkey *k);
struct key_format bce_key_format_choose(const struct key_format_stats *s);

#endif
