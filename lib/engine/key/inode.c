// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of all on-disk versions.
 *
 * A value is a fixed head, which differs by version, and packed fields in a fixed
 * order, of which the head says how many are there; the rest are zero. Two orders
 * exist: version 3 moved size and sectors into its head and added nocow. Version 1
 * may use an older integer code. Everything else is common, so decoding runs from
 * one table per order.
 *
 * A field wider than 64 bits (the four times) is stored as two integers, of which
 * the second, the high part, must be zero.
 *
 * Source: docs/format/60-filesystem-keys.md, part I.
 */
#include "engine/key/inode.h"

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode_internal.h"
#include "engine/key/values.h"
#include "engine/key/varint.h"

#define FIELD(_member, _bits) {							\
	.bits	= (_bits),							\
	.bytes	= sizeof_field(struct inode_fields, _member),			\
	.at	= offsetof(struct inode_fields, _member),			\
}

#define TIME_FIELDS								\
	FIELD(atime, 96), FIELD(ctime, 96), FIELD(mtime, 96), FIELD(otime, 96)

#define COMMON_FIELDS								\
	FIELD(uid, 32), FIELD(gid, 32), FIELD(nlink, 32),			\
	FIELD(generation, 32), FIELD(dev, 32),					\
	FIELD(data_checksum, 8), FIELD(compression, 8), FIELD(project, 32),	\
	FIELD(background_compression, 8), FIELD(data_replicas, 8),		\
	FIELD(promote_target, 16), FIELD(foreground_target, 16),		\
	FIELD(background_target, 16), FIELD(erasure_code, 16),			\
	FIELD(fields_set, 16), FIELD(dir, 64), FIELD(dir_offset, 64),		\
	FIELD(subvol, 32), FIELD(parent_subvol, 32)

const struct inode_field bce_inode_fields_v3[INODE_V3_NR_FIELDS] = {
	TIME_FIELDS, COMMON_FIELDS, FIELD(nocow, 8),
};

static const struct inode_field fields_v1[] = {
	TIME_FIELDS, FIELD(size, 64), FIELD(sectors, 64), COMMON_FIELDS,
};

/* where the packed fields of one value lie, and what they are */
struct packed_fields {
	const u8		*next;
	const u8		*end;
	unsigned int		nr;
	bool			old_code;
	const struct inode_field	*order;
	unsigned int		order_nr;
};

bool bce_key_type_is_inode(unsigned int type)
{
	return type == KEY_TYPE_inode || type == KEY_TYPE_inode_v2 || type == KEY_TYPE_inode_v3;
}

static bool fits(u64 value, unsigned int bits)
{
	return bits >= 64 || !(value >> bits);
}

static const char *next_integer(struct packed_fields *p, u64 *v)
{
	unsigned int bytes;

	/* most are zero: one byte, whose lowest bit is clear */
	if (likely(p->next < p->end && !(*p->next & 1))) {
		*v = *p->next++ >> 1;
		return NULL;
	}
	bytes = bce_varint_decode(p->next, p->end, v);
	if (!bytes)
		return "packed fields end in the middle";
	p->next += bytes;
	return NULL;
}

/* one field; the two integers of a wide one */
static const char *next_value(struct packed_fields *p, unsigned int bits, u64 *v)
{
	const char *err;
	u64 high = 0;

	err = next_integer(p, v);
	if (!err && bits > 64)
		err = next_integer(p, &high);
	if (err)
		return err;
	return high ? "high part of a time is not zero" : NULL;
}

static const char *next_old_value(struct packed_fields *p, u64 *v)
{
	struct old_varint number;
	unsigned int bytes = bce_old_varint_decode(p->next, p->end, &number);

	if (!bytes)
		return "packed fields end in the middle";
	if (number.hi)
		return "field exceeds 64 bits";
	p->next += bytes;
	*v = number.lo;
	return NULL;
}

/* host order: the members are CPU integers of 1, 2, 4 or 8 bytes */
static void member_store(struct inode_fields *out, const struct inode_field *f, u64 v)
{
	void *member = (u8 *)out + f->at;

	switch (f->bytes) {
	case 1:
		*(u8 *)member = v;
		break;
	case 2:
		*(u16 *)member = v;
		break;
	case 4:
		*(u32 *)member = v;
		break;
	case 8:
		*(u64 *)member = v;
		break;
	}
}

/* fields beyond the known ones are ignored */
static const char *unpack_fields(struct packed_fields *p, struct inode_fields *out)
{
	unsigned int i, nr = min(p->nr, p->order_nr);
	const char *err;
	u64 v;

	for (i = 0; i < nr; i++) {
		const struct inode_field *f = &p->order[i];

		/* most are zero, which is one byte, and @out is zero already */
		if (likely(f->bits <= 64 && p->next < p->end && !*p->next && !p->old_code)) {
			p->next++;
			continue;
		}
		err = p->old_code ? next_old_value(p, &v) : next_value(p, f->bits, &v);
		if (err)
			return err;
		if (!fits(v, f->bits))
			return "field exceeds its width";
		if (v)
			member_store(out, f, v);
	}
	return NULL;
}

static void unpack_flags(u64 word, struct inode_fields *out, struct packed_fields *p)
{
	out->flags = BITS_GET(word, INODE_FLAGS);
	out->str_hash = BITS_GET(word, INODE_STR_HASH);
	p->nr = BITS_GET(word, INODE_NR_FIELDS);
}

static void packed_region(const struct bkey *k, unsigned int head_bytes,
			  const struct inode_field *order, unsigned int order_nr,
			  struct packed_fields *p)
{
	p->next = (const u8 *)k->v + head_bytes;
	p->end = (const u8 *)k->v + bkey_val_bytes(k);
	p->order = order;
	p->order_nr = order_nr;
}

static void unpack_head_v1(const struct bkey *k, struct inode_fields *out,
			   struct packed_fields *p)
{
	const struct bch_inode *v = k->v;
	u32 flags = le32_to_cpu(v->bi_flags);

	out->hash_seed = le64_to_cpu(v->bi_hash_seed);
	out->mode = le16_to_cpu(v->bi_mode);
	unpack_flags(flags, out, p);
	p->old_code = !BITS_GET(flags, INODE_V1_NEW_VARINT);
	packed_region(k, offsetof(struct bch_inode, fields), fields_v1, ARRAY_SIZE(fields_v1), p);
}

static void unpack_head_v2(const struct bkey *k, struct inode_fields *out,
			   struct packed_fields *p)
{
	const struct bch_inode_v2 *v = k->v;

	out->journal_seq = le64_to_cpu(v->bi_journal_seq);
	out->hash_seed = le64_to_cpu(v->bi_hash_seed);
	out->mode = le16_to_cpu(v->bi_mode);
	unpack_flags(le64_to_cpu(v->bi_flags), out, p);
	packed_region(k, offsetof(struct bch_inode_v2, fields), fields_v1,
		      ARRAY_SIZE(fields_v1), p);
}

static void unpack_head_v3(const struct bkey *k, struct inode_fields *out,
			   struct packed_fields *p)
{
	const struct bch_inode_v3 *v = k->v;
	u64 flags = le64_to_cpu(v->bi_flags);

	out->journal_seq = le64_to_cpu(v->bi_journal_seq);
	out->hash_seed = le64_to_cpu(v->bi_hash_seed);
	out->sectors = le64_to_cpu(v->bi_sectors);
	out->size = le64_to_cpu(v->bi_size);
	out->version = le64_to_cpu(v->bi_version);
	out->mode = BITS_GET(flags, INODE_V3_MODE);
	unpack_flags(flags, out, p);
	packed_region(k, offsetof(struct bch_inode_v3, fields), bce_inode_fields_v3,
		      ARRAY_SIZE(bce_inode_fields_v3), p);
}

static unsigned int head_bytes(unsigned int type)
{
	switch (type) {
	case KEY_TYPE_inode:
		return sizeof(struct bch_inode);
	case KEY_TYPE_inode_v2:
		return sizeof(struct bch_inode_v2);
	default:
		return sizeof(struct bch_inode_v3);
	}
}

static const char *unpack_head(const struct bkey *k, struct inode_fields *out, struct packed_fields *p)
{
	memset(out, 0, sizeof(*out));
	out->inum = k->p.offset;
	out->snapshot = k->p.snapshot;
	if (!bce_key_type_is_inode(k->type))
		return "not an inode";
	if (bkey_val_bytes(k) < head_bytes(k->type))
		return "value too short";

	switch (k->type) {
	case KEY_TYPE_inode:
		unpack_head_v1(k, out, p);
		break;
	case KEY_TYPE_inode_v2:
		unpack_head_v2(k, out, p);
		break;
	case KEY_TYPE_inode_v3:
		unpack_head_v3(k, out, p);
		break;
	}
	return NULL;
}

/**
 * bce_inode_unpack() - decode an inode key of any version
 * @k:   key of type inode, inode_v2 or inode_v3
 * @out: filled completely; on error what was decoded until then
 *
 * The start of the fields that version 3 stores is not believed, as upstream does
 * not either.
 *
 * Return: NULL, or what is wrong: text for error inode_unpack_error.
 */
const char *bce_inode_unpack(const struct bkey *k, struct inode_fields *out)
{
	struct packed_fields p = { };
	const char *err = unpack_head(k, out, &p);

	return err ? err : unpack_fields(&p, out);
}

const char *bce_inode_unpack_head(const struct bkey *k, struct inode_fields *out)
{
	struct packed_fields p = { };

	return unpack_head(k, out, &p);
}

u32 bce_inode_nlink(const struct inode_fields *f)
{
	u32 bias = S_ISDIR(f->mode) ? 2 : 1;

	if (f->flags & (1U << INODE_FLAG_unlinked))
		return 0;
	return min(f->nlink, U32_MAX - bias) + bias;
}
