// SPDX-License-Identifier: GPL-2.0
/*
 * Packed keys.
 *
 * A packed header is one little-endian number of key_u64s words. Fields lie from
 * its top downwards, inode first; its lowest 24 bits are length, format byte and
 * type. A field is stored as its distance from the format's offset, in the
 * format's number of bits, none if it is the same in all keys.
 *
 *	word key_u64s - 1                                 word 0
 *	| inode | offset | snapshot | size | version | 0 | type | 0 | u64s |
 *
 * So packed keys of one format compare by position as numbers, from the last word
 * down. A key that does not fit the format of its node lies there unpacked.
 *
 * Keys and their values are 8-byte aligned wherever they are handed to us.
 *
 * Source: docs/format/50-btree.md, sections 3, 4.
 */
#include "engine/key/pack.h"

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/errors.h"

static const u8 unpacked_bits[BKEY_NR_FIELDS] = { 64, 64, 32, 32, 32, 64 };

const struct key_format key_format_position_only = {
	.key_u64s	= 3,
	.bits		= { 64, 64, 32, 0, 0, 0 },
	.byte		= { 16, 8 },
	.shift		= { 128, 64, 32, 32, 32, 32 },
};

/* largest number of @bits bits, 0 to 64 */
static u64 max_of_bits(unsigned int bits)
{
	return bits ? U64_MAX >> (64 - bits) : 0;
}

static unsigned int format_bits(const struct key_format *f)
{
	unsigned int i, sum = BKEY_PACKED_HEADER_BITS;

	for (i = 0; i < BKEY_NR_FIELDS; i++)
		sum += f->bits[i];
	return sum;
}

static void format_set_shifts(struct key_format *f)
{
	unsigned int i, shift = f->key_u64s * 64;

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		unsigned int last_byte = max(DIV_ROUND_UP(shift, 8), 8U);

		f->byte[i] = last_byte - 8;
		f->up[i] = last_byte * 8 - shift;
		shift -= f->bits[i];
		f->shift[i] = shift;
	}
}

/* is every value that field @i can express one that the unpacked field can? */
static bool field_range_ok(const struct key_format *f, unsigned int i)
{
	unsigned int bits = f->bits[i], width = unpacked_bits[i];

	if (bits > width)
		return false;
	if (bits == width)
		return !f->offset[i];
	return f->offset[i] <= max_of_bits(width) - max_of_bits(bits);
}

const char *bce_key_format_decode(struct key_format *f, const struct bkey_format_le *disk)
{
	unsigned int i;

	if (disk->nr_fields != BKEY_NR_FIELDS)
		return "number of fields is not 6";

	*f = (struct key_format) { .key_u64s = disk->key_u64s };
	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		f->bits[i] = disk->bits_per_field[i];
		f->offset[i] = le64_to_cpu(disk->field_offset[i]);
		if (!field_range_ok(f, i))
			return "a field's range is larger than the field";
	}
	if (f->key_u64s != DIV_ROUND_UP(format_bits(f), 64))
		return "key length does not match the fields";

	format_set_shifts(f);
	return NULL;
}

void bce_key_format_encode(struct bkey_format_le *disk, const struct key_format *f)
{
	unsigned int i;

	disk->key_u64s = f->key_u64s;
	disk->nr_fields = BKEY_NR_FIELDS;
	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		disk->bits_per_field[i] = f->bits[i];
		disk->field_offset[i] = cpu_to_le64(f->offset[i]);
	}
}

const char *bce_disk_key_check(const struct key_format *f, const struct disk_key *k,
			       unsigned int room_u64s, int *id)
{
	unsigned int header_u64s;

	if (!room_u64s || k->u64s > room_u64s) {
		*id = BCE_ERR_btree_node_bkey_past_bset_end;
		return "key extends past the end";
	}
	if ((k->format & BKEY_FORMAT_MASK) > KEY_FORMAT_UNPACKED) {
		*id = BCE_ERR_btree_node_bkey_bad_format;
		return "key with an unknown format byte";
	}
	header_u64s = disk_key_u64s(f, k);
	if (k->u64s < header_u64s || k->u64s - header_u64s > BKEY_VAL_U64S_MAX) {
		*id = BCE_ERR_btree_node_bkey_bad_u64s;
		return "key with a bad length";
	}
	return NULL;
}

static bool key_is_packed(const struct disk_key *k)
{
	return (k->format & BKEY_FORMAT_MASK) == KEY_FORMAT_PACKED;
}

/* a field of more than 56 bits that shares bytes may touch 9 of them */
static bool field_is_split(const struct key_format *f, unsigned int i)
{
	return f->up[i] + f->bits[i] > 64;
}

/* inlined: every search and every key an iterator returns comes through here */
static __always_inline u64 field_get(const struct key_format *f, const struct disk_key *k,
				     unsigned int i)
{
	const u8 *p = (const u8 *)k + f->byte[i];
	__le64 v;

	if (!f->bits[i])
		return f->offset[i];
	memcpy(&v, p, sizeof(v));
	if (unlikely(field_is_split(f, i))) {
		unsigned int below = f->up[i] + f->bits[i] - 64;

		return f->offset[i] + ((le64_to_cpu(v) << f->up[i] >> (64 - f->bits[i])) |
				       p[-1] >> (8 - below));
	}
	return f->offset[i] + (le64_to_cpu(v) << f->up[i] >> (64 - f->bits[i]));
}

/* into a zeroed header; @v fits */
static void field_put(const struct key_format *f, struct disk_key *k, unsigned int i, u64 v)
{
	__le64 *word = (__le64 *)k + f->shift[i] / 64;
	unsigned int bits = f->bits[i], low = f->shift[i] % 64;

	if (!bits)
		return;
	v -= f->offset[i];
	word[0] |= cpu_to_le64(v << low);
	if (low + bits > 64)
		word[1] |= cpu_to_le64(v >> (64 - low));
}

static bool field_fits(const struct key_format *f, unsigned int i, u64 v)
{
	return v >= f->offset[i] && v - f->offset[i] <= max_of_bits(f->bits[i]);
}

static struct bpos bpos_from_le(const struct bpos_le *p)
{
	return SPOS(le64_to_cpu(p->inode), le64_to_cpu(p->offset), le32_to_cpu(p->snapshot));
}

static void unpack_from_packed(const struct key_format *f, const struct disk_key *k,
			       struct bkey *out)
{
	out->p.inode	= field_get(f, k, BKEY_FIELD_INODE);
	out->p.offset	= field_get(f, k, BKEY_FIELD_OFFSET);
	out->p.snapshot	= field_get(f, k, BKEY_FIELD_SNAPSHOT);
	out->size	= field_get(f, k, BKEY_FIELD_SIZE);
	out->version.hi	= field_get(f, k, BKEY_FIELD_VERSION_HI);
	out->version.lo	= field_get(f, k, BKEY_FIELD_VERSION_LO);
	out->type	= k->type;
	out->val_u64s	= k->u64s - f->key_u64s;
	out->v		= (const __le64 *)k + f->key_u64s;
}

static void unpack_from_unpacked(const struct disk_bkey *k, struct bkey *out)
{
	out->p		= bpos_from_le(&k->p);
	out->size	= le32_to_cpu(k->size);
	out->version.hi	= le32_to_cpu(k->version_hi);
	out->version.lo	= le64_to_cpu(k->version_lo);
	out->type	= k->type;
	out->val_u64s	= k->u64s - BKEY_U64S;
	out->v		= (const __le64 *)k + BKEY_U64S;
}

void bce_key_unpack(const struct key_format *f, const struct disk_key *k, struct bkey *out)
{
	if (key_is_packed(k))
		unpack_from_packed(f, k, out);
	else
		unpack_from_unpacked((const struct disk_bkey *)k, out);
}

struct bpos bce_key_unpack_pos(const struct key_format *f, const struct disk_key *k)
{
	if (!key_is_packed(k))
		return bpos_from_le(&((const struct disk_bkey *)k)->p);
	return SPOS(field_get(f, k, BKEY_FIELD_INODE), field_get(f, k, BKEY_FIELD_OFFSET),
		    field_get(f, k, BKEY_FIELD_SNAPSHOT));
}

static void key_fields(const struct bkey *k, u64 v[BKEY_NR_FIELDS])
{
	v[BKEY_FIELD_INODE]		= k->p.inode;
	v[BKEY_FIELD_OFFSET]		= k->p.offset;
	v[BKEY_FIELD_SNAPSHOT]		= k->p.snapshot;
	v[BKEY_FIELD_SIZE]		= k->size;
	v[BKEY_FIELD_VERSION_HI]	= k->version.hi;
	v[BKEY_FIELD_VERSION_LO]	= k->version.lo;
}

static void copy_val(struct disk_key *out, unsigned int header_u64s, const struct bkey *k)
{
	if (k->val_u64s)
		memcpy((__le64 *)out + header_u64s, k->v, bkey_val_bytes(k));
}

static bool fields_fit(const struct key_format *f, const u64 v[BKEY_NR_FIELDS])
{
	unsigned int i;

	for (i = 0; i < BKEY_NR_FIELDS; i++)
		if (!field_fits(f, i, v[i]))
			return false;
	return true;
}

unsigned int bce_key_packed_u64s(const struct key_format *f, const struct bkey *k)
{
	u64 v[BKEY_NR_FIELDS];

	key_fields(k, v);
	return (fields_fit(f, v) ? f->key_u64s : BKEY_U64S) + k->val_u64s;
}

unsigned int bce_key_pack(const struct key_format *f, const struct bkey *k, struct disk_key *out)
{
	u64 v[BKEY_NR_FIELDS];
	unsigned int i;

	key_fields(k, v);
	if (!fields_fit(f, v))
		return bce_key_write_unpacked(k, out);

	memset(out, 0, f->key_u64s * sizeof(__le64));
	for (i = 0; i < BKEY_NR_FIELDS; i++)
		field_put(f, out, i, v[i]);
	out->u64s	= f->key_u64s + k->val_u64s;
	out->format	= KEY_FORMAT_PACKED;
	out->type	= k->type;
	copy_val(out, f->key_u64s, k);
	return out->u64s;
}

unsigned int bce_key_write_unpacked(const struct bkey *k, struct disk_key *out)
{
	struct disk_bkey *d = (struct disk_bkey *)out;

	*d = (struct disk_bkey) {
		.u64s		= BKEY_U64S + k->val_u64s,
		.format		= KEY_FORMAT_UNPACKED,
		.type		= k->type,
		.version_lo	= cpu_to_le64(k->version.lo),
		.version_hi	= cpu_to_le32(k->version.hi),
		.size		= cpu_to_le32(k->size),
		.p.inode	= cpu_to_le64(k->p.inode),
		.p.offset	= cpu_to_le64(k->p.offset),
		.p.snapshot	= cpu_to_le32(k->p.snapshot),
	};
	copy_val(out, BKEY_U64S, k);
	return d->u64s;
}

const char *bce_key_read_unpacked(const void *p, unsigned int room_u64s, struct bkey *out)
{
	const struct disk_key *k = p;

	if (!room_u64s || k->u64s > room_u64s)
		return "key extends past the end";
	if ((k->format & BKEY_FORMAT_MASK) != KEY_FORMAT_UNPACKED)
		return "key with a format byte other than 1";
	if (k->u64s < BKEY_U64S)
		return "key shorter than its header";

	unpack_from_unpacked(p, out);
	return NULL;
}

/* ---- choosing a format ---- */

void bce_key_format_stats_init(struct key_format_stats *s)
{
	unsigned int i;

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		s->min[i] = U64_MAX;
		s->max[i] = 0;
	}
}

static void stats_add_field(struct key_format_stats *s, unsigned int i, u64 v)
{
	s->min[i] = min(s->min[i], v);
	s->max[i] = max(s->max[i], v);
}

void bce_key_format_stats_add_pos(struct key_format_stats *s, struct bpos p)
{
	stats_add_field(s, BKEY_FIELD_INODE, p.inode);
	stats_add_field(s, BKEY_FIELD_OFFSET, p.offset);
	stats_add_field(s, BKEY_FIELD_SNAPSHOT, p.snapshot);
}

void bce_key_format_stats_add(struct key_format_stats *s, const struct bkey *k)
{
	u64 v[BKEY_NR_FIELDS];
	unsigned int i;

	key_fields(k, v);
	for (i = 0; i < BKEY_NR_FIELDS; i++)
		stats_add_field(s, i, v[i]);
}

/* grow fields to whole bytes, in order, while the key gets no longer */
static void format_use_spare_bits(struct key_format *f)
{
	unsigned int i, spare = f->key_u64s * 64 - format_bits(f);

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		unsigned int more = min(spare, -(unsigned int)f->bits[i] % 8);

		f->bits[i] += more;
		spare -= more;
	}
}

struct key_format bce_key_format_choose(const struct key_format_stats *s)
{
	struct key_format f = { };
	u64 lowest[BKEY_NR_FIELDS];
	unsigned int i;

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		/* deletions are packed with size 0; a field nobody added is 0 */
		lowest[i] = i == BKEY_FIELD_SIZE ? 0 : min(s->min[i], s->max[i]);
		f.bits[i] = fls64(s->max[i] - lowest[i]);
	}
	/* extents that get merged later should fit too */
	if (f.bits[BKEY_FIELD_SIZE])
		f.bits[BKEY_FIELD_SIZE] += min(4, 32 - f.bits[BKEY_FIELD_SIZE]);

	f.key_u64s = DIV_ROUND_UP(format_bits(&f), 64);
	format_use_spare_bits(&f);
	for (i = 0; i < BKEY_NR_FIELDS; i++)
		f.offset[i] = min(lowest[i], max_of_bits(unpacked_bits[i]) - max_of_bits(f.bits[i]));
	format_set_shifts(&f);
	return f;
}
