// SPDX-License-Identifier: GPL-2.0
/*
 * Stripes that exist: their pointers' counters, and their end.
 *
 * A stripe's key says for each of its blocks how many sectors are still in use; the extents in it
 * come and go, and the counts follow. When the last one has gone the stripe is deleted in
 * the same transaction, which gives its buckets back, parity included.
 *
 * Making stripes, or changing their blocks, is not done here: such keys are refused.
 *
 * Source: docs/format/75-allocation.md, section 8; 80-accounting.md, 3.1, 3.4.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"

struct stripe_devs {
	u8		dev[EXTENT_PTRS_MAX];
	unsigned int	nr;
};

static int dev_cmp(const void *l, const void *r)
{
	return *(const u8 *)l - *(const u8 *)r;
}

static int stripe_bad(struct allocator *a, struct bce_trans *t, u64 idx, const char *what)
{
	int ret = bce_trans_check_reads(t);

	if (ret)
		return ret;
	bce_log_error(a->config.log, BCE_ERR_ptr_to_incorrect_stripe,
		      "btree stripes 0:%llu:0: %s", idx, what);
	return -EIO;
}

/* all blocks' members, parity included */
static int stripe_devs(struct allocator *a, struct bce_trans *t, const struct bkey *k,
		       const struct stripe_info *s, struct stripe_devs *devs)
{
	struct extent_ptr ptr;

	devs->nr = 0;
	for (unsigned int i = 0; i < s->nr_blocks; i++) {
		if (!bce_stripe_ptr(k, i, &ptr))
			return stripe_bad(a, t, k->p.offset, "the list of blocks is damaged");
		devs->dev[devs->nr++] = ptr.dev;
	}
	sort(devs->dev, devs->nr, 1, dev_cmp, NULL);
	return 0;
}

/* 0, -ENOENT, or what reading says */
static int stripe_lookup(struct allocator *a, struct bce_trans *t, u64 idx, struct bkey *k,
			 struct stripe_info *s)
{
	int ret = bce_trans_lookup(t, BTREE_ID_stripes, POS(0, idx), NULL, 0, k);

	if (ret)
		return ret;
	if (k->type != KEY_TYPE_stripe)
		return -ENOENT;
	bce_stripe_decode(k, s);
	return bce_stripe_data_blocks(s) ? 0 : stripe_bad(a, t, idx, "impossible numbers of blocks");
}

static int ptr_bad(struct allocator *a, struct bce_trans *t, const struct extent_ptr_decoded *p,
		   s64 sectors, enum bce_error id)
{
	int ret = bce_trans_check_reads(t);

	if (ret)
		return ret;
	bce_log_error(a->config.log, id,
		      "pointer to device %u sector %llu as block %u of stripe %llu: %s; %s",
		      p->ptr.dev, p->ptr.sector, p->stripe.block, p->stripe.idx,
		      id == BCE_ERR_ptr_to_missing_stripe ? "there is no such stripe" :
							    "the block is elsewhere",
		      sectors > 0 ? "transaction refused" : "removed without it");
	return sectors > 0 ? -EIO : 0;
}

int alloc_stripe_ptr(struct allocator *a, struct bce_trans *t, const struct extent_ptr_decoded *p,
		     s64 sectors)
{
	struct stripe_devs devs;
	struct stripe_touch *touch;
	struct stripe_info s;
	struct bkey k;
	int ret;

	ret = stripe_lookup(a, t, p->stripe.idx, &k, &s);
	if (ret == -ENOENT)
		return ptr_bad(a, t, p, sectors, BCE_ERR_ptr_to_missing_stripe);
	if (ret)
		return ret;
	if (!bce_stripe_holds(&k, p))
		return ptr_bad(a, t, p, sectors, BCE_ERR_ptr_to_incorrect_stripe);

	touch = alloc_touch_stripe(t, p->stripe.idx);
	if (!touch)
		return -ENOMEM;
	touch->sectors[p->stripe.block] += sectors;
	return stripe_devs(a, t, &k, &s, &devs) ?:
	       alloc_account_replicas(a, t, BCH_DATA_user, bce_stripe_data_blocks(&s), devs.dev,
				      devs.nr, sectors);
}

/* do only checksums or counts differ? */
static bool same_blocks(const struct bkey *old, const struct bkey *new)
{
	struct stripe_info l, r;
	size_t bytes;

	bce_stripe_decode(old, &l);
	bce_stripe_decode(new, &r);
	bytes = sizeof(struct bch_stripe) + l.nr_blocks * sizeof(__le64);
	return l.nr_blocks == r.nr_blocks && bytes <= bkey_val_bytes(old) &&
	       bytes <= bkey_val_bytes(new) && !memcmp(old->v, new->v, bytes);
}

static int block_free(struct bce_trans *t, const struct extent_ptr *ptr, u64 bucket,
		      s64 parity_sectors)
{
	struct bucket_touch *b = alloc_touch_bucket(t, ptr->dev, bucket, ptr->gen);

	if (!b)
		return -ENOMEM;
	b->dirty -= parity_sectors;
	b->type = BCH_DATA_user;
	b->unstripe = true;
	return 0;
}

static int stripe_delete(struct allocator *a, struct bce_trans *t, const struct bkey *k)
{
	struct stripe_devs devs;
	struct stripe_info s;
	struct extent_ptr ptr;
	u64 bucket;
	u32 offset;
	int ret;

	bce_stripe_decode(k, &s);
	if (!bce_stripe_data_blocks(&s))
		return stripe_bad(a, t, k->p.offset, "impossible numbers of blocks");
	ret = stripe_devs(a, t, k, &s, &devs) ?:
	      alloc_account_replicas(a, t, BCH_DATA_parity, bce_stripe_data_blocks(&s), devs.dev,
				     devs.nr, -(s64)s.sectors * s.nr_redundant);
	for (unsigned int i = 0; i < s.nr_blocks && !ret; i++) {
		bce_stripe_ptr(k, i, &ptr);
		if (bce_bucket_of(a, ptr.dev, ptr.sector, &bucket, &offset))
			ret = block_free(t, &ptr, bucket,
					 i < bce_stripe_data_blocks(&s) ? 0 : s.sectors);
	}
	return ret;
}

int alloc_stripe_trigger(struct allocator *a, struct bce_trans *t, enum btree_trigger_phase phase,
			 const struct bkey *old, const struct bkey *new)
{
	bool was = old->type == KEY_TYPE_stripe, is = new->type == KEY_TYPE_stripe;

	if (is && !(was && same_blocks(old, new))) {
		bce_log_line(a->config.log, BCE_LOG_ERR,
			     "btree stripes 0:%llu:0: stripes cannot be made or changed by this version",
			     new->p.offset);
		return -EOPNOTSUPP;
	}
	if (was && !is && phase == TRIGGER_OVERWRITE)
		return stripe_delete(a, t, old);
	return 0;
}

static int count_changed(struct allocator *a, struct bce_trans *t, struct bkey *k,
			 unsigned int block, s64 delta, bool *in_use)
{
	s64 count = (s64)bce_stripe_block_sectors(k, block) + delta;

	if (count < 0 || count > U16_MAX)
		return stripe_bad(a, t, k->p.offset, "a block's count of sectors would leave its range");
	*in_use |= count;
	if (delta && !bce_stripe_set_block_sectors(k, block, count))
		return stripe_bad(a, t, k->p.offset, "the value ends before its counts");
	return 0;
}

static int stripe_finish(struct allocator *a, struct bce_trans *t, struct stripe_touch *touch)
{
	bool in_use = false;
	struct stripe_info s;
	struct bkey k;
	void *v;
	int ret;

	ret = stripe_lookup(a, t, touch->idx, &k, &s);
	if (ret)
		return ret == -ENOENT ? stripe_bad(a, t, touch->idx, "vanished") : ret;
	v = bce_trans_alloc(t, bkey_val_bytes(&k));
	if (!v)
		return -ENOMEM;
	memcpy(v, k.v, bkey_val_bytes(&k));
	k.v = v;
	for (unsigned int i = 0; i < s.nr_blocks && !ret; i++)
		ret = count_changed(a, t, &k, i, touch->sectors[i], &in_use);
	if (ret)
		return ret;
	if (!in_use)
		return bce_trans_delete(t, BTREE_ID_stripes, k.p, 0);
	return bce_trans_update(t, BTREE_ID_stripes, &k, TRANS_NO_TRIGGER);
}

int alloc_stripes_finish(struct allocator *a, struct bce_trans *t, struct touched *touched)
{
	int ret = 0;

	for (unsigned int i = 0; i < touched->nr_stripes && !ret; i++) {
		struct stripe_touch *s = &touched->stripe[i];

		if (!s->pending)
			continue;
		ret = stripe_finish(a, t, s);
		memset(s->sectors, 0, sizeof(s->sectors));
		s->pending = false;
	}
	return ret;
}
