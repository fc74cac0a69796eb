// SPDX-License-Identifier: GPL-2.0
/*
 * Packing an inode: the head of version 3, then every field up to the last one that is not zero,
 * by the same table that unpacking runs from. Times, wider than 64 bits, get a second integer,
 * which is 0.
 *
 * Source: docs/format/60-filesystem-keys.md, section 2.
 */
#include "engine/key/inode.h"

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode_internal.h"
#include "engine/key/varint.h"

#define NR_TIMES	4

static_assert(INODE_VAL_U64S_MAX * 8 >= sizeof(struct bch_inode_v3) +
	      (INODE_V3_NR_FIELDS + NR_TIMES) * VARINT_BYTES_MAX);

static u64 member_load(const struct inode_fields *f, const struct inode_field *field)
{
	const void *member = (const u8 *)f + field->at;

	switch (field->bytes) {
	case 1:
		return *(const u8 *)member;
	case 2:
		return *(const u16 *)member;
	case 4:
		return *(const u32 *)member;
	default:
		return *(const u64 *)member;
	}
}

static unsigned int last_field(const struct inode_fields *f)
{
	unsigned int nr = INODE_V3_NR_FIELDS;

	while (nr && !member_load(f, &bce_inode_fields_v3[nr - 1]))
		nr--;
	return nr;
}

static u8 *pack_fields(const struct inode_fields *f, unsigned int nr, u8 *out)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct inode_field *field = &bce_inode_fields_v3[i];

		out += bce_varint_encode(out, member_load(f, field));
		if (field->bits > 64)
			out += bce_varint_encode(out, 0);
	}
	return out;
}

void bce_inode_pack(const struct inode_fields *f, struct bkey *k, struct inode_val *val)
{
	struct bch_inode_v3 *v = (struct bch_inode_v3 *)val->v;
	unsigned int nr = last_field(f);
	u64 flags = 0;
	u8 *end;

	memset(val, 0, sizeof(*val));
	flags = BITS_SET(flags, INODE_FLAGS, f->flags);
	flags = BITS_SET(flags, INODE_STR_HASH, f->str_hash);
	flags = BITS_SET(flags, INODE_NR_FIELDS, nr);
	flags = BITS_SET(flags, INODE_V3_FIELDS_START, INODE_V3_FIELDS_START_U64S);
	flags = BITS_SET(flags, INODE_V3_MODE, f->mode);
	v->bi_journal_seq = cpu_to_le64(f->journal_seq);
	v->bi_hash_seed = cpu_to_le64(f->hash_seed);
	v->bi_flags = cpu_to_le64(flags);
	v->bi_sectors = cpu_to_le64(f->sectors);
	v->bi_size = cpu_to_le64(f->size);
	v->bi_version = cpu_to_le64(f->version);
	end = pack_fields(f, nr, v->fields);

	*k = (struct bkey) {
		.p = SPOS(0, f->inum, f->snapshot),
		.type = KEY_TYPE_inode_v3,
		.val_u64s = DIV_ROUND_UP(end - (u8 *)v, 8),
		.v = val->v,
	};
}
