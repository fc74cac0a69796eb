// SPDX-License-Identifier: GPL-2.0
/*
 * Free buckets as ranges in the freespace btree.
 *
 * A key covers buckets [start, p.offset) of one generation distance. Taking a bucket out of a
 * range leaves a part to the left, which needs a new key, and one to the right, which keeps its
 * position; putting one back joins it with its neighbours, so that the btree stays small.
 *
 * Members without freespace (the flag in their record is clear) get theirs from their alloc keys
 * at the start, before anybody else changes buckets of theirs: until then nothing can be
 * allocated from them. A crash in the middle leaves the flag clear, and it is done again: what the
 * first attempt has written is the same as what the second one writes, as long as ranges are
 * cut at the same buckets, so each begins with removing what is there.
 *
 * Source: docs/format/75-allocation.md, 5.1, 5.2, 7 (end).
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "engine/alloc/encode.h"

/* keys of one transaction while a member's freespace is made */
#define INIT_BATCH	64

static int range_put(struct bce_trans *t, unsigned int dev, u64 start, u64 end)
{
	struct bkey k = { .p = POS(dev, end), .type = KEY_TYPE_set, .size = end - start };

	return bce_trans_update(t, BTREE_ID_freespace, &k, TRANS_NO_TRIGGER);
}

/* the first range that ends behind @start and begins before @end */
static int range_peek(struct bce_trans *t, unsigned int dev, u64 start, u64 end, struct bkey *k)
{
	int ret = bce_trans_peek(t, BTREE_ID_freespace, POS(dev, start), POS(dev, end), NULL, 0, k);

	/* the next member's ranges are not ours */
	return !ret && k->p.inode != dev ? -ENOENT : ret;
}

/* damage that the change at hand heals, or a moment that has passed */
static int freespace_bad(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 start,
			 const char *what)
{
	int ret = bce_trans_check_reads(t);

	if (ret)
		return ret;
	bce_log_error(a->config.log, BCE_ERR_freespace_key_wrong,
		      "btree freespace %u:%llu: bucket %llu %s", dev, start,
		      bce_freespace_bucket(start), what);
	return 0;
}

int alloc_freespace_remove(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 start)
{
	struct bkey k;
	int ret = range_peek(t, dev, start, start + 1, &k);

	if (ret == -ENOENT)
		return freespace_bad(a, t, dev, start, "was not in freespace");
	if (ret)
		return ret;
	if (bkey_start_offset(&k) < start)
		ret = range_put(t, dev, bkey_start_offset(&k), start);
	if (ret)
		return ret;
	if (k.p.offset > start + 1)
		return range_put(t, dev, start + 1, k.p.offset);
	return bce_trans_delete(t, BTREE_ID_freespace, k.p, TRANS_NO_TRIGGER);
}

int alloc_freespace_add(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 start)
{
	u64 from = start, to = start + 1;
	struct bkey k;
	int ret;

	ret = range_peek(t, dev, start, start + 2, &k);
	if (!ret && bkey_start_offset(&k) <= start)
		return freespace_bad(a, t, dev, start, "was in freespace already");
	if (!ret && k.size < U32_MAX - 1)
		to = k.p.offset;
	else if (ret && ret != -ENOENT)
		return ret;

	ret = bce_trans_lookup(t, BTREE_ID_freespace, POS(dev, start), NULL, 0, &k);
	if (!ret && k.type == KEY_TYPE_set && to - bkey_start_offset(&k) <= U32_MAX) {
		from = bkey_start_offset(&k);
		ret = bce_trans_delete(t, BTREE_ID_freespace, k.p, TRANS_NO_TRIGGER);
	}
	if (ret && ret != -ENOENT)
		return ret;
	return range_put(t, dev, from, to);
}

/* ---- a member's freespace from its alloc keys ---- */

struct freespace_init {
	struct allocator	*a;
	unsigned int		dev;
	u64			next;		/* bucket to go on with */
	u64			end;		/* out: where this transaction stopped */
};

/* buckets [start, end) without keys */
static int gap_put(struct bce_trans *t, unsigned int dev, u64 start, u64 *end)
{
	if (start == *end)
		return 0;
	*end = min_t(u64, *end, start + U32_MAX);
	return range_put(t, dev, start, *end);
}

static int bucket_put(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket)
{
	struct alloc_info info;
	u64 start;
	int ret;

	ret = alloc_bucket_lookup(a, t, dev, bucket, &info);
	if (ret)
		return ret;
	start = bce_freespace_start(bce_freespace_gen_bits(&info), bucket);
	if (info.data_type == BCH_DATA_free)
		return range_put(t, dev, start, start + 1);
	if (info.data_type == BCH_DATA_need_discard)
		return alloc_set_key(t, BTREE_ID_need_discard, POS(dev, bucket), true);
	return 0;
}

/* one transaction's worth, from @next on */
static int freespace_init_part(struct bce_trans *t, void *ctx)
{
	struct freespace_init *f = ctx;
	u64 nbuckets = f->a->dev[f->dev].info.nbuckets;
	u64 at = f->next, gap_end;
	struct bkey k;
	int ret = 0;

	for (unsigned int i = 0; i < INIT_BATCH && at < nbuckets && !ret; i++) {
		ret = bce_trans_peek(t, BTREE_ID_alloc, POS(f->dev, at), POS(f->dev, nbuckets), NULL,
				     0, &k);
		if (ret && ret != -ENOENT)
			return ret;
		gap_end = ret ? nbuckets : k.p.offset;
		ret = gap_put(t, f->dev, at, &gap_end);
		at = gap_end;
		if (!ret && at < nbuckets && at == k.p.offset && k.p.inode == f->dev)
			ret = bucket_put(f->a, t, f->dev, at++);
	}
	f->end = at;
	return ret;
}

/* what an attempt that did not end has left */
static int freespace_clear_part(struct bce_trans *t, void *ctx)
{
	struct freespace_init *f = ctx;
	struct bkey k;
	int ret = 0;

	f->end = 0;
	for (unsigned int i = 0; i < INIT_BATCH && !ret; i++) {
		ret = range_peek(t, f->dev, 0, U64_MAX, &k);
		if (!ret)
			ret = bce_trans_delete(t, BTREE_ID_freespace, k.p, TRANS_NO_TRIGGER);
		f->end += !ret;
	}
	return ret == -ENOENT ? 0 : ret;
}

int alloc_freespace_init(struct allocator *a, unsigned int dev)
{
	struct freespace_init f = { .a = a, .dev = dev };
	int ret;

	do {
		ret = bce_trans_run(a->config.btrees, freespace_clear_part, &f,
				    TRANS_COMMIT_ALLOC, NULL);
	} while (!ret && f.end);

	f.next = a->dev[dev].info.first_bucket;
	while (!ret && f.next < a->dev[dev].info.nbuckets) {
		ret = bce_trans_run(a->config.btrees, freespace_init_part, &f,
				    TRANS_COMMIT_ALLOC, NULL);
		f.next = f.end;
	}
	if (!ret)
		WRITE_ONCE(a->dev[dev].freespace, true);	/* others take buckets meanwhile */
	return ret;
}
