// SPDX-License-Identifier: GPL-2.0
/*
 * Buckets: alloc keys of four versions, and what follows from their counters.
 *
 * Only version 4 is written nowadays. It has a fixed layout which once ended after
 * 48 bytes; a field in its flags tells where the fixed part ends, and what lies
 * behind that (obsolete inline backpointers) is not ours to read. Versions 2 and 3
 * pack most fields as varints, version 1 as fixed-size fields with a presence map.
 *
 * Source: docs/format/75-allocation.md, sections 2 and 3.
 */
#include "engine/key/alloc.h"

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/key/values.h"
#include "engine/key/varint.h"

/* a bucket this many generations ahead of its oldest pointer must not be reused */
#define BUCKET_GENS_AHEAD_MAX	96

enum { FIELD_READ_TIME, FIELD_WRITE_TIME, FIELD_DIRTY, FIELD_CACHED, FIELD_STRIPE,
       FIELD_STRIPE_REDUNDANCY, FIELD_NR };

bool bce_key_type_is_alloc(unsigned int type)
{
	return type == KEY_TYPE_alloc || type == KEY_TYPE_alloc_v2 ||
		type == KEY_TYPE_alloc_v3 || type == KEY_TYPE_alloc_v4;
}

static u64 get_le(const u8 *p, unsigned int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static const char *decode_v1(const struct bkey *k, struct alloc_info *out)
{
	static const u8 width[] = {
#define x(name, bytes)	bytes,
		ALLOC_V1_FIELD_LIST(x)
#undef x
	};
	const struct bch_alloc *v = k->v;
	const u8 *next = v->data, *end = (const u8 *)v + bkey_val_bytes(k);
	u64 value[ARRAY_SIZE(width)] = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(width); i++) {
		if (!(v->fields & (1U << i)))
			continue;
		if (width[i] > end - next)
			return "value ends before its fields";
		value[i] = get_le(next, width[i]);
		next += width[i];
	}

	i = 0;
	out->gen = v->gen;
	out->io_time[0] = value[i++];
	out->io_time[1] = value[i++];
	out->data_type = value[i++];
	out->dirty_sectors = value[i++];
	out->cached_sectors = value[i++];
	out->oldest_gen = value[i++];
	out->stripe = value[i++];
	out->stripe_redundancy = value[i++];
	return NULL;
}

/* the varints of versions 2 and 3 */
static const char *decode_varints(const u8 *next, const u8 *end, unsigned int nr,
				  struct alloc_info *out)
{
	static const u8 bits[FIELD_NR] = {
		[FIELD_READ_TIME]		= 64,
		[FIELD_WRITE_TIME]		= 64,
		[FIELD_DIRTY]			= 32,
		[FIELD_CACHED]			= 32,
		[FIELD_STRIPE]			= 32,
		[FIELD_STRIPE_REDUNDANCY]	= 8,
	};
	u64 value[FIELD_NR] = { };
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, nr, FIELD_NR); i++) {
		unsigned int bytes = bce_varint_decode(next, end, &value[i]);

		if (!bytes)
			return "packed fields end in the middle";
		if (bits[i] < 64 && value[i] >> bits[i])
			return "field exceeds its width";
		next += bytes;
	}

	out->io_time[0] = value[FIELD_READ_TIME];
	out->io_time[1] = value[FIELD_WRITE_TIME];
	out->dirty_sectors = value[FIELD_DIRTY];
	out->cached_sectors = value[FIELD_CACHED];
	out->stripe = value[FIELD_STRIPE];
	out->stripe_redundancy = value[FIELD_STRIPE_REDUNDANCY];
	return NULL;
}

static const char *decode_v2(const struct bkey *k, struct alloc_info *out)
{
	const struct bch_alloc_v2 *v = k->v;

	out->gen = v->gen;
	out->oldest_gen = v->oldest_gen;
	out->data_type = v->data_type;
	return decode_varints(v->data, (const u8 *)v + bkey_val_bytes(k), v->nr_fields, out);
}

/* need_inc_gen is not carried over: conversion to version 4 drops it */
static const char *decode_v3(const struct bkey *k, struct alloc_info *out)
{
	const struct bch_alloc_v3 *v = k->v;

	if (bkey_val_bytes(k) < sizeof(*v))
		return "value too short";
	out->journal_seq = le64_to_cpu(v->journal_seq);
	out->need_discard = BITS_GET(le32_to_cpu(v->flags), ALLOC_NEED_DISCARD);
	out->gen = v->gen;
	out->oldest_gen = v->oldest_gen;
	out->data_type = v->data_type;
	return decode_varints(v->data, (const u8 *)v + bkey_val_bytes(k), v->nr_fields, out);
}

static void decode_v4(const struct bkey *k, struct alloc_info *out)
{
	struct bch_alloc_v4 v;
	unsigned int fixed_bytes;
	u32 flags;

	bce_val_copy(k, &v, sizeof(v));
	flags = le32_to_cpu(v.flags);
	out->backpointers_start = BITS_GET(flags, ALLOC_V4_BACKPOINTERS_START);
	fixed_bytes = (out->backpointers_start ?: ALLOC_V4_U64S_V0) * sizeof(u64);
	/* the flags themselves are in the original part, so a smaller start is nonsense */
	fixed_bytes = max_t(unsigned int, fixed_bytes, ALLOC_V4_U64S_V0 * sizeof(u64));
	if (fixed_bytes < sizeof(v))
		memset((u8 *)&v + fixed_bytes, 0, sizeof(v) - fixed_bytes);

	out->journal_seq = le64_to_cpu(v.journal_seq);
	out->need_discard = BITS_GET(flags, ALLOC_NEED_DISCARD);
	out->need_inc_gen = BITS_GET(flags, ALLOC_NEED_INC_GEN);
	out->nr_backpointers = BITS_GET(flags, ALLOC_V4_NR_BACKPOINTERS);
	out->gen = v.gen;
	out->oldest_gen = v.oldest_gen;
	out->data_type = v.data_type;
	out->stripe_redundancy = v.stripe_redundancy;
	out->dirty_sectors = le32_to_cpu(v.dirty_sectors);
	out->cached_sectors = le32_to_cpu(v.cached_sectors);
	out->stripe_sectors = le32_to_cpu(v.stripe_sectors);
	out->stripe = le32_to_cpu(v.stripe);
	out->io_time[0] = le64_to_cpu(v.io_time[0]);
	out->io_time[1] = le64_to_cpu(v.io_time[1]);
}

/**
 * bce_alloc_decode() - the state of a bucket
 * @k:   key of type alloc, alloc_v2, alloc_v3 or alloc_v4
 * @out: filled completely; what could be had, on error
 *
 * Return: NULL, or what is wrong with the value.
 */
const char *bce_alloc_decode(const struct bkey *k, struct alloc_info *out)
{
	memset(out, 0, sizeof(*out));
	out->backpointers_start = ALLOC_V4_U64S;
	if (!k->val_u64s)
		return "value too short";

	switch (k->type) {
	case KEY_TYPE_alloc:
		return decode_v1(k, out);
	case KEY_TYPE_alloc_v2:
		return decode_v2(k, out);
	case KEY_TYPE_alloc_v3:
		return decode_v3(k, out);
	case KEY_TYPE_alloc_v4:
		decode_v4(k, out);
		return NULL;
	}
	return "not an alloc key";
}

enum bch_data_type bce_alloc_data_type(const struct alloc_info *a, unsigned int implied)
{
	if (a->stripe)
		return implied == BCH_DATA_parity ? BCH_DATA_parity : BCH_DATA_stripe;
	if (a->dirty_sectors || a->stripe_sectors)
		return implied;
	if (a->cached_sectors)
		return BCH_DATA_cached;
	if (a->need_discard)
		return BCH_DATA_need_discard;
	if ((u8)(a->gen - a->oldest_gen) >= BUCKET_GENS_AHEAD_MAX)
		return BCH_DATA_need_gc_gens;
	return BCH_DATA_free;
}

bool bce_data_type_is_empty(unsigned int type)
{
	return type == BCH_DATA_free || type == BCH_DATA_need_gc_gens ||
		type == BCH_DATA_need_discard;
}

u64 bce_alloc_sectors(const struct alloc_info *a)
{
	if (a->data_type == BCH_DATA_cached)
		return a->cached_sectors;
	return (u64)a->dirty_sectors + a->stripe_sectors;
}

u64 bce_alloc_fragmented_sectors(const struct alloc_info *a, u32 bucket_sectors)
{
	u64 sectors = bce_alloc_sectors(a);

	return sectors && sectors < bucket_sectors ? bucket_sectors - sectors : 0;
}

u64 bce_alloc_fragmentation_index(const struct alloc_info *a, u32 bucket_sectors)
{
	u64 sectors = (u64)a->dirty_sectors + a->stripe_sectors;

	switch (a->data_type) {
	case BCH_DATA_btree:
	case BCH_DATA_user:
	case BCH_DATA_stripe:
		break;
	default:
		return 0;
	}
	if (!bce_alloc_fragmented_sectors(a, bucket_sectors))
		return 0;
	return div64_u64(sectors << 31, bucket_sectors);
}
