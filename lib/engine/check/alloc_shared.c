// SPDX-License-Identifier: GPL-2.0
/*
 * Stripes and indirect extents: both are referred to by keys of files, and count their references.
 *
 * Their keys are read before all others, in order, into arrays that are then searched by halves.
 *
 * Source: docs/format/75-allocation.md, section 8; 60-filesystem-keys.md, section 13.
 */
#include "engine/check/alloc_internal.h"

#include <linux/limits.h>
#include <linux/minmax.h>

#include "engine/key/values.h"

/* ---- stripes ---- */

static int account_stripe(struct alloc_check *a, const struct check_stripe *s)
{
	u8 devs[EXTENT_PTRS_MAX];

	for (unsigned int i = 0; i < s->nr_blocks; i++)
		devs[i] = s->ptr[i].dev;
	return check_account_replicas(a, BCH_DATA_parity, s->nr_blocks - s->nr_redundant, devs,
				      s->nr_blocks, (s64)s->sectors * s->nr_redundant);
}

static void mark_block(struct alloc_check *a, const struct check_stripe *s, unsigned int i)
{
	const struct extent_ptr *ptr = &s->ptr[i];
	bool parity = i >= s->nr_blocks - s->nr_redundant;
	struct check_bucket *b;
	u64 bucket;
	u32 offset;

	if (ptr->dev == BCH_DEV_INVALID)
		return;
	b = NULL;
	if (ptr->dev < BCH_MEMBERS_MAX && a->dev[ptr->dev].info) {
		bucket = check_bucket_of_sector(&a->dev[ptr->dev], ptr->sector, &offset);
		b = check_bucket_at(a, ptr->dev, bucket);
	}
	if (!b) {
		bce_log_error(a->c->log, BCE_ERR_ptr_to_invalid_device,
			      "btree stripes 0:%llu: block %u: no bucket at %u:%llu", s->idx, i,
			      ptr->dev, ptr->sector);
		return;
	}
	if ((b->flags & BUCKET_HAS_KEY) && ptr->gen != b->gen)
		bce_log_error(a->c->log, BCE_ERR_stale_dirty_ptr,
			      "btree stripes 0:%llu: block %u: generation %u, bucket %u:%llu has %u",
			      s->idx, i, ptr->gen, ptr->dev, bucket, b->gen);
	if (b->w_stripe)
		bce_log_error(a->c->log, BCE_ERR_ptr_bucket_data_type_mismatch,
			      "btree stripes 0:%llu: block %u: bucket %u:%llu is in stripe %u too",
			      s->idx, i, ptr->dev, bucket, b->w_stripe);
	check_bucket_mark(a, ptr->dev, bucket, parity ? BCH_DATA_parity : BCH_DATA_stripe,
			  &b->w_dirty, parity ? s->sectors : 0, "stripe");
	b->w_stripe = s->idx;
	b->w_redundancy = s->nr_redundant;
}

int check_stripe_read(struct alloc_check *a, const struct bkey *k)
{
	struct check_stripe *s;
	struct stripe_info info;
	int ret = check_array_room((void **)&a->stripe, a->nr_stripes, &a->stripes_room,
				   sizeof(*a->stripe));

	if (ret)
		return ret;
	bce_stripe_decode(k, &info);
	if (info.nr_blocks > EXTENT_PTRS_MAX || info.nr_redundant > info.nr_blocks)
		return 0;	/* the rules of keys have told */
	s = &a->stripe[a->nr_stripes++];
	*s = (struct check_stripe) {
		.idx		= k->p.offset,
		.sectors	= info.sectors,
		.nr_blocks	= info.nr_blocks,
		.nr_redundant	= info.nr_redundant,
	};
	for (unsigned int i = 0; i < s->nr_blocks; i++) {
		s->count[i] = bce_stripe_block_sectors(k, i);
		if (bce_stripe_ptr(k, i, &s->ptr[i]))
			mark_block(a, s, i);
	}
	return account_stripe(a, s);
}

struct check_stripe *check_stripe_find(struct alloc_check *a, u64 idx)
{
	size_t lo = 0, hi = a->nr_stripes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->stripe[mid].idx < idx)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < a->nr_stripes && a->stripe[lo].idx == idx ? &a->stripe[lo] : NULL;
}

int check_stripes_compare(struct alloc_check *a)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < a->nr_stripes; i++) {
		const struct check_stripe *s = &a->stripe[i];
		bool differs = false;

		for (unsigned int j = 0; j < s->nr_blocks; j++)
			if (s->count[j] != s->w_count[j]) {
				differs = true;
				bce_log_error(a->c->log, BCE_ERR_stripe_sector_count_wrong,
					      "btree stripes 0:%llu: block %u has %u sectors, should be %llu",
					      s->idx, j, s->count[j], s->w_count[j]);
			}
		if (differs)
			ret = mend_stripe(a, s);
	}
	return ret;
}

/* ---- indirect extents ---- */

int check_shared_read(struct alloc_check *a, const struct bkey *k)
{
	int ret;

	if (k->type != KEY_TYPE_reflink_v && k->type != KEY_TYPE_indirect_inline_data)
		return 0;
	ret = check_array_room((void **)&a->shared, a->nr_shared, &a->shared_room,
			       sizeof(*a->shared));
	if (ret)
		return ret;
	a->shared[a->nr_shared++] = (struct check_shared) {
		.end	= k->p.offset,
		.size	= k->size,
		.refs	= bce_reflink_refcount(k),
	};
	return 0;
}

/* first one that ends behind @sector */
static size_t shared_from(const struct alloc_check *a, u64 sector)
{
	size_t lo = 0, hi = a->nr_shared;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->shared[mid].end <= sector)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static u64 shared_start(const struct check_shared *s)
{
	return s->end - s->size;
}

void check_shared_ref(struct alloc_check *a, const struct bkey *k)
{
	struct reflink_p_info p;
	u64 at, end;

	bce_reflink_p_decode(k, &p);
	at = p.idx - min_t(u64, p.front_pad, p.idx);
	end = p.idx + k->size + p.back_pad;
	if (end < p.idx)
		end = U64_MAX;
	for (size_t i = shared_from(a, at); at < end; i++) {
		struct check_shared *s = i < a->nr_shared ? &a->shared[i] : NULL;
		u64 hole_end = s ? min(shared_start(s), end) : end;

		if (hole_end > at)
			bce_log_error(a->c->log, BCE_ERR_reflink_p_to_missing_reflink_v,
				      "btree extents %llu:%llu:%u: indirect sectors %llu to %llu do not exist",
				      k->p.inode, k->p.offset, k->p.snapshot, at, hole_end);
		if (!s || shared_start(s) >= end)
			return;
		s->w_refs++;
		at = s->end;
	}
}

int check_shared_compare(struct alloc_check *a)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < a->nr_shared; i++) {
		const struct check_shared *s = &a->shared[i];

		if (s->refs == s->w_refs)
			continue;
		bce_log_error(a->c->log, BCE_ERR_reflink_v_refcount_wrong,
			      "btree reflink 0:%llu: reference count %llu, should be %u", s->end,
			      s->refs, s->w_refs);
		ret = mend_shared(a, s);
	}
	return ret;
}
