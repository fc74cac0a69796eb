// SPDX-License-Identifier: GPL-2.0
/*
 * Indexes of buckets, made what the table of buckets says: freespace, need_discard, bucket_gens, lru.
 *
 * Single keys are dropped where they do not belong and put where they are missing. Freespace has
 * ranges; where one of a member's is wrong, all of them are made anew, as they are few.
 *
 * Source: docs/format/75-allocation.md, section 5.
 */
#include "engine/check/mend.h"

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"

#define GENBITS_NR	16

static bool member_known(const struct alloc_check *a, u64 dev)
{
	return dev < BCH_MEMBERS_MAX && a->dev[dev].info;
}

static int put_set(struct alloc_check *a, unsigned int btree_id, struct bpos p)
{
	const struct bkey k = { .p = p, .type = KEY_TYPE_set };

	return mend_put(a, btree_id, &k);
}

/* ---- what is there ---- */

static int see_need_discard(struct alloc_check *a, const struct bkey *k)
{
	struct check_bucket *b = check_bucket_at(a, min_t(u64, k->p.inode, U32_MAX), k->p.offset);

	if (!b || b->type != BCH_DATA_need_discard || !(b->flags & BUCKET_HAS_KEY))
		return mend_drop(a, BTREE_ID_need_discard, k->p);
	b->flags |= BUCKET_IN_NEED_DISCARD;
	return 0;
}

static int see_lru(struct alloc_check *a, const struct bkey *k)
{
	unsigned int id = k->p.inode >> LRU_TIME_BITS, dev = k->p.offset >> LRU_TIME_BITS;
	u64 time = k->p.inode & LRU_TIME_MASK;
	struct check_bucket *b = check_bucket_at(a, dev, k->p.offset & LRU_TIME_MASK);
	u64 want = 0;

	if (b && id == LRU_ID_FRAGMENTATION)
		want = check_fragmentation_time(a, dev, b);
	else if (b && id == dev)
		want = check_read_lru_time(b);
	if (!time || want != time)
		return mend_drop(a, BTREE_ID_lru, k->p);
	b->flags |= id == LRU_ID_FRAGMENTATION ? BUCKET_IN_FRAG_LRU : BUCKET_IN_READ_LRU;
	return 0;
}

static int see_gens(struct alloc_check *a, const struct bkey *k)
{
	u64 first = k->p.offset * GENS_PER_KEY;

	if (member_known(a, k->p.inode) && k->p.offset <= U32_MAX &&
	    first < a->dev[k->p.inode].info->nbuckets &&
	    first + GENS_PER_KEY > a->dev[k->p.inode].info->first_bucket)
		return 0;
	return mend_drop(a, BTREE_ID_bucket_gens, k->p);
}

static int see_freespace(struct alloc_check *a, const struct bkey *k)
{
	u64 start = bkey_start_offset(k), first = start & ((1ULL << GENBITS_SHIFT) - 1);
	unsigned int dev = k->p.inode;
	const struct member_info *m;

	if (!member_known(a, k->p.inode))
		return mend_drop(a, BTREE_ID_freespace, k->p);
	m = a->dev[dev].info;
	if (first < m->first_bucket || first + k->size > m->nbuckets || !k->size) {
		a->mend->bad_freespace |= BIT_ULL(dev);
		return 0;
	}
	for (u64 i = first; i < first + k->size; i++) {
		struct check_bucket *b = &a->dev[dev].bucket[i];

		if (!check_bucket_is_free(b) || (b->flags & BUCKET_IN_FREESPACE) ||
		    check_expected_genbits(b) != start >> GENBITS_SHIFT)
			a->mend->bad_freespace |= BIT_ULL(dev);
		b->flags |= BUCKET_IN_FREESPACE;
	}
	return 0;
}

static int see_key(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		   const struct bkey *k)
{
	switch (btree_id) {
	case BTREE_ID_need_discard:
		return see_need_discard(a, k);
	case BTREE_ID_lru:
		return see_lru(a, k);
	case BTREE_ID_bucket_gens:
		return see_gens(a, k);
	default:
		return see_freespace(a, k);
	}
}

/* ---- what is missing ---- */

static int put_missing(struct alloc_check *a, unsigned int dev, u64 bucket,
		       const struct check_bucket *b)
{
	u64 read = check_read_lru_time(b), fragmented = check_fragmentation_time(a, dev, b);
	int ret = 0;

	if (check_bucket_is_free(b) && !(b->flags & BUCKET_IN_FREESPACE))
		a->mend->bad_freespace |= BIT_ULL(dev);
	if (!(b->flags & BUCKET_HAS_KEY))
		return 0;
	if (b->type == BCH_DATA_need_discard && !(b->flags & BUCKET_IN_NEED_DISCARD))
		ret = put_set(a, BTREE_ID_need_discard, POS(dev, bucket));
	if (!ret && read && !(b->flags & BUCKET_IN_READ_LRU))
		ret = put_set(a, BTREE_ID_lru, bce_lru_pos(dev, read, dev, bucket));
	if (!ret && fragmented && !(b->flags & BUCKET_IN_FRAG_LRU))
		ret = put_set(a, BTREE_ID_lru, bce_lru_pos(LRU_ID_FRAGMENTATION, fragmented, dev, bucket));
	return ret;
}

/* a key only where one was, or a generation is not 0 */
static int put_gens(struct alloc_check *a, unsigned int dev, u64 first)
{
	const struct check_dev *d = &a->dev[dev];
	struct bch_bucket_gens v = { };
	struct bkey k = {
		.p = POS(dev, first / GENS_PER_KEY), .type = KEY_TYPE_bucket_gens,
		.val_u64s = sizeof(v) / sizeof(u64), .v = &v,
	};
	bool any = false;
	struct bkey old;
	int ret;

	for (u64 i = 0; i < GENS_PER_KEY && first + i < d->info->nbuckets; i++) {
		const struct check_bucket *b = &d->bucket[first + i];

		if (first + i < d->info->first_bucket || !(b->flags & BUCKET_HAS_KEY))
			continue;
		v.gens[i] = b->gen;
		any |= b->gen;
	}
	ret = any ? 0 : bce_btree_lookup(a->c->btrees, BTREE_ID_bucket_gens, k.p, NULL, &old, &a->mend->buf);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return mend_put(a, BTREE_ID_bucket_gens, &k);
}

/* ---- freespace anew ---- */

static int drop_range(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		      const struct bkey *k)
{
	const struct bkey gone = { .p = k->p, .type = KEY_TYPE_deleted };

	if (!member_known(a, k->p.inode) || !(a->mend->bad_freespace >> k->p.inode & 1))
		return 0;
	return mend_put_quiet(a, btree_id, &gone);
}

static int put_ranges(struct alloc_check *a, unsigned int dev, unsigned int genbits)
{
	const struct check_dev *d = &a->dev[dev];
	u64 i = d->info->first_bucket, start;
	int ret = 0;

	while (!ret && i < d->info->nbuckets) {
		struct bkey k = { .type = KEY_TYPE_set };

		for (start = i; i < d->info->nbuckets && i - start < U32_MAX &&
		     check_bucket_is_free(&d->bucket[i]) &&
		     check_expected_genbits(&d->bucket[i]) == genbits; i++)
			;
		if (i == start) {
			i++;
			continue;
		}
		k.p = POS(dev, bce_freespace_start(genbits, start) + (i - start));
		k.size = i - start;
		ret = mend_put_quiet(a, BTREE_ID_freespace, &k);
	}
	return ret;
}

static int freespace_anew(struct alloc_check *a)
{
	struct check_repair *r = a->mend->r;
	char line[80];
	int ret;

	if (!a->mend->bad_freespace)
		return 0;
	ret = check_walk(a, BTREE_ID_freespace, 0, "freespace", drop_range);
	for (unsigned int dev = 0; !ret && dev < BCH_MEMBERS_MAX; dev++) {
		if (!(a->mend->bad_freespace >> dev & 1))
			continue;
		for (unsigned int bits = 0; !ret && bits < GENBITS_NR; bits++)
			ret = put_ranges(a, dev, bits);
		scnprintf(line, sizeof(line), "btree freespace %u: made anew from the alloc keys", dev);
		r->changes++;
		if (r->said)
			r->said(r->ctx, line);
	}
	return ret;
}

static int mend_member(struct alloc_check *a, unsigned int dev)
{
	const struct check_dev *d = &a->dev[dev];
	int ret = 0;

	for (u64 i = d->info->first_bucket; !ret && i < d->info->nbuckets; i++)
		ret = put_missing(a, dev, i, &d->bucket[i]);
	for (u64 i = round_down(d->info->first_bucket, GENS_PER_KEY); !ret && i < d->info->nbuckets;
	     i += GENS_PER_KEY)
		ret = put_gens(a, dev, i);
	return ret;
}

static void forget_seen(struct alloc_check *a)
{
	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++)
		for (u64 i = 0; a->dev[dev].info && i < a->dev[dev].info->nbuckets; i++)
			a->dev[dev].bucket[i].flags &= ~(BUCKET_IN_FREESPACE | BUCKET_IN_NEED_DISCARD |
							 BUCKET_IN_READ_LRU | BUCKET_IN_FRAG_LRU);
}

int mend_indexes(struct alloc_check *a)
{
	static const u8 index[] = {
		BTREE_ID_freespace, BTREE_ID_need_discard, BTREE_ID_bucket_gens, BTREE_ID_lru,
	};
	int ret = 0;

	a->mend->bad_freespace = 0;
	forget_seen(a);
	for (unsigned int i = 0; !ret && i < sizeof(index); i++)
		ret = check_walk(a, index[i], 0, "indexes", see_key);
	for (unsigned int dev = 0; !ret && dev < BCH_MEMBERS_MAX; dev++)
		if (a->dev[dev].info)
			ret = mend_member(a, dev);
	if (!ret)
		ret = freespace_anew(a);
	return ret ?: mend_apply(a);
}
