// SPDX-License-Identifier: GPL-2.0
/*
 * A bucket's alloc key changes, and everything that follows from that.
 *
 *	old, new (counters changed) --> data type, times, generation
 *	                            --> alloc key
 *	                            --> freespace or need_discard
 *	                            --> read LRU, fragmentation LRU
 *	                            --> bucket_gens
 *	                            --> dev_data_type, replicas of what was invalidated
 *
 * All of these are written without triggers of their own: this is the only place that writes
 * them. The alloc key was read through the transaction, so whoever changes the same bucket
 * at the same time makes one of both begin anew.
 *
 * The generation goes up when a bucket has become empty, unless somebody has it open: he may be about
 * to commit pointers of the present generation. Then the flag NEED_INC_GEN stays, and whoever
 * changes the key next (as a rule the discard worker) does it.
 *
 * A bucket that turns empty or non-empty gets the transaction's journal sequence: before that
 * entry is durable it must be neither discarded nor used anew.
 *
 * Source: docs/format/75-allocation.md, sections 3, 4.1, 4.3.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"
#include "engine/key/text.h"

int alloc_bucket_lookup(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			struct alloc_info *out)
{
	const char *bad;
	struct bkey k;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = bce_trans_lookup(t, BTREE_ID_alloc, POS(dev, bucket), NULL, 0, &k);
	if (ret == -ENOENT)
		return 0;
	if (ret || !bce_key_type_is_alloc(k.type))
		return ret;
	bad = bce_alloc_decode(&k, out);
	if (!bad)
		return 0;
	bce_log_line(a->config.log, BCE_LOG_ERR, "btree alloc %u:%llu:0: %s", dev, bucket, bad);
	return -EIO;
}

int alloc_set_key(struct bce_trans *t, unsigned int btree_id, struct bpos pos, bool set)
{
	struct bkey k = { .p = pos, .type = set ? KEY_TYPE_set : KEY_TYPE_deleted };

	return bce_trans_update(t, btree_id, &k, TRANS_NO_TRIGGER);
}

/* ---- steps 1 to 3, 5: the new contents ---- */

static u64 counted_sectors(const struct alloc_info *a)
{
	return (u64)a->dirty_sectors + a->cached_sectors + a->stripe_sectors;
}

static void bucket_complete(struct allocator *a, unsigned int dev, u64 bucket,
			    const struct alloc_info *old, struct alloc_info *new)
{
	new->data_type = bce_alloc_data_type(new, new->data_type);
	if (counted_sectors(new) > counted_sectors(old)) {
		new->io_time[0] = alloc_clock(a, 0);
		new->io_time[1] = alloc_clock(a, 1);
		new->need_inc_gen = true;
		new->need_discard = true;
		new->data_type = bce_alloc_data_type(new, new->data_type);
	}
	if (bce_data_type_is_empty(new->data_type) && new->need_inc_gen &&
	    !alloc_bucket_is_open_emptied(a, dev, bucket)) {
		new->gen++;
		new->need_inc_gen = false;
		new->data_type = bce_alloc_data_type(new, new->data_type);
	}
	if (new->data_type == BCH_DATA_cached && !new->io_time[0])
		new->io_time[0] = alloc_clock(a, 0);
}

/* ---- step 4 ---- */

static int free_keys_update(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			    const struct alloc_info *old, const struct alloc_info *new)
{
	bool was_free = old->data_type == BCH_DATA_free, is_free = new->data_type == BCH_DATA_free;
	u64 start_old = bce_freespace_start(bce_freespace_gen_bits(old), bucket);
	u64 start_new = bce_freespace_start(bce_freespace_gen_bits(new), bucket);
	int ret = 0;

	if (!a->dev[dev].freespace)
		return 0;
	if (was_free && !(is_free && start_old == start_new))
		ret = alloc_freespace_remove(a, t, dev, start_old);
	if (!ret && is_free && !(was_free && start_old == start_new))
		ret = alloc_freespace_add(a, t, dev, start_new);
	if (ret || old->data_type == new->data_type)
		return ret;
	if (new->data_type == BCH_DATA_need_discard)
		atomic_set(&a->discards, DISCARD_LOOKS);
	if (new->data_type == BCH_DATA_need_gc_gens)
		WRITE_ONCE(a->gens, true);
	if (old->data_type == BCH_DATA_need_discard || new->data_type == BCH_DATA_need_discard)
		ret = alloc_set_key(t, BTREE_ID_need_discard, POS(dev, bucket),
				    new->data_type == BCH_DATA_need_discard);
	return ret;
}

/* ---- step 6 ---- */

static int lru_move(struct bce_trans *t, u16 lru_id, unsigned int dev, u64 bucket, u64 from, u64 to)
{
	int ret = 0;

	if (from == to)
		return 0;
	if (from)
		ret = alloc_set_key(t, BTREE_ID_lru, bce_lru_pos(lru_id, from, dev, bucket), false);
	if (!ret && to)
		ret = alloc_set_key(t, BTREE_ID_lru, bce_lru_pos(lru_id, to, dev, bucket), true);
	return ret;
}

static u64 read_lru_time(const struct alloc_info *a)
{
	return a->data_type == BCH_DATA_cached ? a->io_time[0] & ALLOC_IO_TIME_MAX : 0;
}

static int lru_update(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
		      const struct alloc_info *old, const struct alloc_info *new)
{
	u32 bucket_sectors = a->dev[dev].info.bucket_sectors;

	return lru_move(t, dev, dev, bucket, read_lru_time(old), read_lru_time(new)) ?:
	       lru_move(t, ALLOC_LRU_ID_FRAGMENTATION, dev, bucket,
			bce_alloc_fragmentation_index(old, bucket_sectors),
			bce_alloc_fragmentation_index(new, bucket_sectors));
}

/* ---- step 7 ---- */

static int gens_update(struct bce_trans *t, unsigned int dev, u64 bucket, u8 gen)
{
	struct bpos pos = POS(dev, bucket / ALLOC_BUCKETS_PER_GENS_KEY);
	struct bch_bucket_gens v = { };
	struct bkey k;
	int ret;

	ret = bce_trans_lookup(t, BTREE_ID_bucket_gens, pos, NULL, 0, &k);
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && k.type == KEY_TYPE_bucket_gens)
		bce_val_copy(&k, &v, sizeof(v));
	v.gens[bucket % ALLOC_BUCKETS_PER_GENS_KEY] = gen;
	k = (struct bkey) {
		.p		= pos,
		.type		= KEY_TYPE_bucket_gens,
		.val_u64s	= sizeof(v) / sizeof(u64),
		.v		= &v,
	};
	return bce_trans_update(t, BTREE_ID_bucket_gens, &k, TRANS_NO_TRIGGER);
}

/* ---- steps 8, 9 ---- */

static int dev_account(struct allocator *a, struct bce_trans *t, unsigned int dev,
		       const struct alloc_info *old, const struct alloc_info *new)
{
	u32 bucket_sectors = a->dev[dev].info.bucket_sectors;
	s64 sectors[2] = { bce_alloc_sectors(old), bce_alloc_sectors(new) };
	s64 fragmented[2] = { bce_alloc_fragmented_sectors(old, bucket_sectors),
			      bce_alloc_fragmented_sectors(new, bucket_sectors) };
	s64 unstriped[2] = { old->data_type == BCH_DATA_stripe ? old->dirty_sectors : 0,
			     new->data_type == BCH_DATA_stripe ? new->dirty_sectors : 0 };
	int ret;

	if (old->data_type != new->data_type)
		ret = alloc_account_dev(t, dev, new->data_type, 1, sectors[1], fragmented[1]) ?:
		      alloc_account_dev(t, dev, old->data_type, -1, -sectors[0], -fragmented[0]);
	else
		ret = alloc_account_dev(t, dev, new->data_type, 0, sectors[1] - sectors[0],
					fragmented[1] - fragmented[0]);
	return ret ?: alloc_account_dev(t, dev, BCH_DATA_unstriped, !!unstriped[1] - !!unstriped[0],
					unstriped[1] - unstriped[0], 0);
}

static int invalidated_account(struct allocator *a, struct bce_trans *t, unsigned int dev,
			       u32 cached_sectors)
{
	u8 devs[1] = { dev };

	return alloc_account_replicas(a, t, BCH_DATA_cached, 1, devs, 1, -(s64)cached_sectors);
}

/* ---- step 10: the key ---- */

/* once a key of this transaction has to carry its sequence, later ones for the bucket do */
static int emptiness_changed(struct bce_trans *t, unsigned int dev, u64 bucket, bool now)
{
	struct touched *touched = alloc_touched(t);
	struct bucket_touch *b;

	if (!touched)
		return -ENOMEM;
	for (b = touched->bucket; b < touched->bucket + touched->nr_buckets; b++)
		if (b->dev == dev && b->bucket == bucket && b->emptiness)
			return 1;
	if (!now)
		return 0;
	for (b = touched->bucket; b < touched->bucket + touched->nr_buckets; b++)
		if (b->dev == dev && b->bucket == bucket)
			break;
	if (b == touched->bucket + touched->nr_buckets) {
		b = alloc_touch_bucket(t, dev, bucket, 0);
		if (!b)
			return -ENOMEM;
		b->pending = false;
	}
	b->emptiness = true;
	return 1;
}

static int alloc_key_write(struct bce_trans *t, unsigned int dev, u64 bucket,
			   const struct alloc_info *old, const struct alloc_info *new)
{
	int seq = emptiness_changed(t, dev, bucket, bce_data_type_is_empty(old->data_type) !=
						    bce_data_type_is_empty(new->data_type));
	struct bch_alloc_v4 v;
	struct bkey k = {
		.p		= POS(dev, bucket),
		.type		= KEY_TYPE_alloc_v4,
		.val_u64s	= sizeof(v) / sizeof(u64),
		.v		= &v,
	};

	if (seq < 0)
		return seq;
	bce_alloc_v4_encode(new, &v);
	return bce_trans_update(t, BTREE_ID_alloc, &k,
				TRANS_NO_TRIGGER | (seq ? TRANS_SEQ_IN_VALUE : 0));
}

int alloc_bucket_change(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			const struct alloc_info *old, struct alloc_info *new)
{
	bool invalidated = old->data_type == BCH_DATA_cached && !new->cached_sectors &&
			   new->gen != old->gen;
	int ret = 0;

	bucket_complete(a, dev, bucket, old, new);
	if (invalidated)
		ret = invalidated_account(a, t, dev, old->cached_sectors);
	if (!ret && new->gen != old->gen)
		ret = gens_update(t, dev, bucket, new->gen);
	return ret ?:
	       free_keys_update(a, t, dev, bucket, old, new) ?:
	       lru_update(a, t, dev, bucket, old, new) ?:
	       dev_account(a, t, dev, old, new) ?:
	       alloc_key_write(t, dev, bucket, old, new);
}

int bce_alloc_bucket_update(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			    const struct alloc_info *new)
{
	struct alloc_info old, copy = *new;
	int ret;

	if (!alloc_dev(a, dev) || bucket < a->dev[dev].info.first_bucket ||
	    bucket >= a->dev[dev].info.nbuckets)
		return -EINVAL;
	ret = alloc_bucket_lookup(a, t, dev, bucket, &old);
	return ret ?: alloc_bucket_change(a, t, dev, bucket, &old, &copy);
}

/* ---- the end of a round ---- */

/* kinds of data that must not share a bucket */
static unsigned int data_class(unsigned int type)
{
	return type == BCH_DATA_cached || type == BCH_DATA_stripe ? BCH_DATA_user : type;
}

static int touch_bad(struct allocator *a, struct bce_trans *t, const struct bucket_touch *b,
		     const struct alloc_info *old, enum bce_error id, const char *what)
{
	int ret = bce_trans_check_reads(t);

	if (ret)
		return ret;
	bce_log_error(a->config.log, id,
		      "btree alloc %u:%llu:0: %s: gen %u type %s dirty %u cached %u striped %u, "
		      "change gen %u type %s dirty %lld cached %lld striped %lld; transaction refused",
		      b->dev, b->bucket, what, old->gen, bce_data_type_name(old->data_type),
		      old->dirty_sectors, old->cached_sectors, old->stripe_sectors, b->gen,
		      bce_data_type_name(b->type), b->dirty, b->cached, b->striped);
	return -EIO;
}

static bool counter_add(u32 *counter, s64 delta)
{
	s64 sum = *counter + delta;

	if (sum < 0 || sum > U32_MAX)
		return false;
	*counter = sum;
	return true;
}

/* pointers of another generation than the bucket's: Return 1 to leave them out, negative errno */
static int touch_check_gen(struct allocator *a, struct bce_trans *t, const struct bucket_touch *b,
			   const struct alloc_info *old)
{
	int ret;

	if (b->gen == old->gen)
		return 0;
	if (b->inserts)
		return touch_bad(a, t, b, old, gen_lag(old->gen, b->gen) > 0 ?
				 BCE_ERR_stale_dirty_ptr : BCE_ERR_ptr_gen_newer_than_bucket_gen,
				 "generations differ");
	ret = bce_trans_check_reads(t);
	if (ret)
		return ret;
	bce_log_error(a->config.log, BCE_ERR_stale_dirty_ptr,
		      "btree alloc %u:%llu:0: a pointer of generation %u was removed, the bucket has %u",
		      b->dev, b->bucket, b->gen, old->gen);
	return 1;
}

static int touch_apply(struct allocator *a, struct bce_trans *t, const struct bucket_touch *b)
{
	struct alloc_info old, new;
	int ret;

	ret = alloc_bucket_lookup(a, t, b->dev, b->bucket, &old) ?:
	      touch_check_gen(a, t, b, &old);
	if (ret)
		return ret < 0 ? ret : 0;
	if (!b->unstripe && !bce_data_type_is_empty(old.data_type) &&
	    data_class(old.data_type) != data_class(b->type))
		return touch_bad(a, t, b, &old, BCE_ERR_ptr_bucket_data_type_mismatch,
				 "different types of data in one bucket");

	new = old;
	if (!counter_add(&new.dirty_sectors, b->dirty) ||
	    !counter_add(&new.cached_sectors, b->cached) ||
	    !counter_add(&new.stripe_sectors, b->striped))
		return touch_bad(a, t, b, &old, BCE_ERR_bucket_sector_count_overflow,
				 "counter out of range");
	if (b->unstripe) {
		new.stripe = 0;
		new.stripe_redundancy = 0;
	}
	/* the type counts only where sectors are left */
	new.data_type = new.stripe && old.data_type == BCH_DATA_parity ? BCH_DATA_parity : b->type;
	if (old.data_type == BCH_DATA_free && b->inserts)
		alloc_open_referred(a, b->dev, b->bucket);
	return alloc_bucket_change(a, t, b->dev, b->bucket, &old, &new);
}

int bce_alloc_trigger_finish(struct allocator *a, struct bce_trans *t)
{
	struct touched *touched = alloc_touched(t);
	int ret;

	if (!touched)
		return -ENOMEM;
	ret = alloc_stripes_finish(a, t, touched);
	/* the list may grow while it is worked off: alloc_key_write() notes what it wrote */
	for (unsigned int i = 0; i < touched->nr_buckets && !ret; i++) {
		struct bucket_touch b = touched->bucket[i];

		if (!b.pending)
			continue;
		touched->bucket[i].pending = false;
		touched->bucket[i].dirty = touched->bucket[i].cached = 0;
		touched->bucket[i].striped = 0;
		touched->bucket[i].inserts = touched->bucket[i].unstripe = false;
		if (b.dirty || b.cached || b.striped || b.unstripe || b.inserts)
			ret = touch_apply(a, t, &b);
	}
	return ret;
}
