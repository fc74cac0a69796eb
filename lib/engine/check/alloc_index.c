// SPDX-License-Identifier: GPL-2.0
/*
 * Indexes of buckets: freespace, need_discard, bucket_gens, lru.
 *
 * Each key is compared with what the alloc key of its bucket says, and the bucket marked as found;
 * what should have been found and was not is told at the end. The alloc keys' own words count
 * here, not what they should say: one wrong alloc key is one finding, not five.
 *
 * Source: docs/format/75-allocation.md, sections 5 and 7.
 */
#include "engine/check/alloc_internal.h"

#include <linux/minmax.h>

#include "engine/key/text.h"

#define GENBITS_GENS_SHIFT	4	/* generations by 16 */

unsigned int check_expected_genbits(const struct check_bucket *b)
{
	return (u8)(b->gen - b->oldest_gen) >> GENBITS_GENS_SHIFT;
}

/* buckets without a key are free, of generation 0 */
bool check_bucket_is_free(const struct check_bucket *b)
{
	return !(b->flags & BUCKET_HAS_KEY) || b->type == BCH_DATA_free;
}

static void to_invalid_bucket(struct alloc_check *a, unsigned int btree_id, u64 dev, u64 bucket)
{
	bce_log_error(a->c->log, BCE_ERR_need_discard_freespace_key_to_invalid_dev_bucket,
		      "btree %s: bucket %llu:%llu does not exist", bce_btree_name(btree_id), dev,
		      bucket);
}

/* does the member keep these indexes? one that does not has them made at the next mount */
static bool has_freespace(const struct alloc_check *a, u64 dev)
{
	return dev < BCH_MEMBERS_MAX && a->dev[dev].info &&
		a->dev[dev].info->freespace_initialized;
}

/* ---- freespace, need_discard ---- */

static void free_bucket(struct alloc_check *a, unsigned int dev, u64 bucket, unsigned int genbits)
{
	struct check_bucket *b = check_bucket_at(a, dev, bucket);

	if (check_bucket_is_free(b) && genbits == check_expected_genbits(b))
		b->flags |= BUCKET_IN_FREESPACE;
	else
		bce_log_error(a->c->log, BCE_ERR_need_discard_freespace_key_bad,
			      "btree freespace: bucket %u:%llu, generation bits %u: its alloc key says type %s, bits %u",
			      dev, bucket, genbits, bce_data_type_name(b->type),
			      check_expected_genbits(b));
}

static void check_freespace(struct alloc_check *a, const struct bkey *k)
{
	u64 start = bkey_start_offset(k);
	unsigned int genbits = start >> GENBITS_SHIFT;
	u64 first = start & ((1ULL << GENBITS_SHIFT) - 1);
	u64 end = first + k->size;
	const struct member_info *m;

	if (k->p.inode >= BCH_MEMBERS_MAX || !a->dev[k->p.inode].info) {
		to_invalid_bucket(a, BTREE_ID_freespace, k->p.inode, first);
		return;
	}
	m = a->dev[k->p.inode].info;
	if (first < m->first_bucket)
		to_invalid_bucket(a, BTREE_ID_freespace, k->p.inode, first);
	if (end > m->nbuckets)
		to_invalid_bucket(a, BTREE_ID_freespace, k->p.inode, end - 1);
	if (!m->freespace_initialized)
		return;
	for (u64 i = max_t(u64, first, m->first_bucket); i < min(end, m->nbuckets); i++)
		free_bucket(a, k->p.inode, i, genbits);
}

static void check_need_discard(struct alloc_check *a, const struct bkey *k)
{
	struct check_bucket *b = check_bucket_at(a, min_t(u64, k->p.inode, U32_MAX), k->p.offset);

	if (!b)
		to_invalid_bucket(a, BTREE_ID_need_discard, k->p.inode, k->p.offset);
	else if (b->type == BCH_DATA_need_discard)
		b->flags |= BUCKET_IN_NEED_DISCARD;
	else if (has_freespace(a, k->p.inode))
		bce_log_error(a->c->log, BCE_ERR_need_discard_freespace_key_bad,
			      "btree need_discard: bucket %llu:%llu: its alloc key says type %s",
			      k->p.inode, k->p.offset, bce_data_type_name(b->type));
}

/* ---- bucket_gens ---- */

static int check_gen_byte(struct alloc_check *a, unsigned int dev, u64 bucket, u8 gen)
{
	struct check_bucket *b = check_bucket_at(a, dev, bucket);
	int ret = 0;

	if (!b) {
		if (gen)
			bce_log_error(a->c->log, BCE_ERR_bucket_gens_nonzero_for_invalid_buckets,
				      "btree bucket_gens: bucket %u:%llu does not exist, generation %u",
				      dev, bucket, gen);
		return 0;
	}
	b->flags |= BUCKET_IN_GENS;
	if (!(b->flags & BUCKET_HAS_KEY) && gen) {
		bce_log_error(a->c->log, BCE_ERR_bucket_gens_hole_wrong,
			      "btree bucket_gens: bucket %u:%llu has no alloc key, generation %u",
			      dev, bucket, gen);
		ret = mend_gen(a, dev, bucket, gen, GEN_LISTED);
	} else if (!(b->flags & BUCKET_HAS_KEY)) {
		return 0;
	} else if (gen != b->gen) {
		bce_log_error(a->c->log, BCE_ERR_bucket_gens_key_wrong,
			      "btree bucket_gens: bucket %u:%llu: generation %u, should be %u",
			      dev, bucket, gen, b->gen);
	}
	return ret;
}

static int check_bucket_gens(struct alloc_check *a, const struct bkey *k)
{
	const struct bch_bucket_gens *v = k->v;
	u64 first = k->p.offset * GENS_PER_KEY;
	const struct member_info *m;
	int ret = 0;

	if (k->p.inode >= BCH_MEMBERS_MAX || !a->dev[k->p.inode].info) {
		bce_log_error(a->c->log, BCE_ERR_bucket_gens_to_invalid_dev,
			      "btree bucket_gens %llu:%llu: no such member", k->p.inode,
			      k->p.offset);
		return 0;
	}
	m = a->dev[k->p.inode].info;
	if (k->p.offset > U32_MAX || first >= m->nbuckets ||
	    first + GENS_PER_KEY <= m->first_bucket) {
		bce_log_error(a->c->log, BCE_ERR_bucket_gens_to_invalid_buckets,
			      "btree bucket_gens %llu:%llu: no such buckets", k->p.inode,
			      k->p.offset);
		return 0;
	}
	if (!m->freespace_initialized || bkey_val_bytes(k) < sizeof(*v))
		return 0;
	for (unsigned int i = 0; !ret && i < GENS_PER_KEY; i++)
		ret = check_gen_byte(a, k->p.inode, first + i, v->gens[i]);
	return ret;
}

/* ---- lru ---- */

u64 check_read_lru_time(const struct check_bucket *b)
{
	return b->type == BCH_DATA_cached ? b->read_time & LRU_TIME_MASK : 0;
}

u64 check_fragmentation_time(const struct alloc_check *a, unsigned int dev,
			     const struct check_bucket *b)
{
	struct alloc_info info;

	check_bucket_stored(b, &info);
	return bce_alloc_fragmentation_index(&info, a->dev[dev].info->bucket_sectors);
}

static void check_lru(struct alloc_check *a, const struct bkey *k)
{
	unsigned int id = k->p.inode >> LRU_TIME_BITS;
	unsigned int dev = k->p.offset >> LRU_TIME_BITS;
	u64 time = k->p.inode & LRU_TIME_MASK, bucket = k->p.offset & LRU_TIME_MASK;
	struct check_bucket *b = check_bucket_at(a, dev, bucket);
	u64 want = 0;

	if (!time)
		bce_log_error(a->c->log, BCE_ERR_lru_entry_at_time_0,
			      "btree lru %llu:%llu: at time 0", k->p.inode, k->p.offset);
	if (!b) {
		bce_log_error(a->c->log, BCE_ERR_lru_entry_to_invalid_bucket,
			      "btree lru %llu:%llu: bucket %u:%llu does not exist", k->p.inode,
			      k->p.offset, dev, bucket);
		return;
	}
	if (id == LRU_ID_FRAGMENTATION)
		want = check_fragmentation_time(a, dev, b);
	else if (id == dev)
		want = check_read_lru_time(b);
	if (want != time)
		bce_log_error(a->c->log, BCE_ERR_lru_entry_bad,
			      "btree lru %u at %llu: bucket %u:%llu belongs at %llu (type %s)", id,
			      time, dev, bucket, want, bce_data_type_name(b->type));
	else
		b->flags |= id == LRU_ID_FRAGMENTATION ? BUCKET_IN_FRAG_LRU : BUCKET_IN_READ_LRU;
}

int check_index_key(struct alloc_check *a, unsigned int btree_id, const struct bkey *k)
{
	if (btree_id == BTREE_ID_freespace)
		check_freespace(a, k);
	else if (btree_id == BTREE_ID_need_discard)
		check_need_discard(a, k);
	else if (btree_id == BTREE_ID_lru)
		check_lru(a, k);
	else if (k->type == KEY_TYPE_bucket_gens)
		return check_bucket_gens(a, k);
	return 0;
}

/* ---- what was not met ---- */

static void missing_index(struct alloc_check *a, unsigned int dev, u64 bucket,
			  const struct check_bucket *b)
{
	if (b->type == BCH_DATA_free && !(b->flags & BUCKET_IN_FREESPACE))
		bce_log_error(a->c->log, BCE_ERR_freespace_key_wrong,
			      "btree freespace: free bucket %u:%llu (generation bits %u) is missing",
			      dev, bucket, check_expected_genbits(b));
	if (b->type == BCH_DATA_need_discard && !(b->flags & BUCKET_IN_NEED_DISCARD))
		bce_log_error(a->c->log, BCE_ERR_need_discard_key_wrong,
			      "btree need_discard: bucket %u:%llu is missing", dev, bucket);
	if (b->gen && !(b->flags & BUCKET_IN_GENS))
		bce_log_error(a->c->log, BCE_ERR_bucket_gens_key_wrong,
			      "btree bucket_gens: bucket %u:%llu is missing, should be %u", dev,
			      bucket, b->gen);
}

static void missing_lru(struct alloc_check *a, unsigned int dev, u64 bucket,
			const struct check_bucket *b)
{
	if (check_read_lru_time(b) && !(b->flags & BUCKET_IN_READ_LRU))
		bce_log_error(a->c->log, BCE_ERR_alloc_key_to_missing_lru_entry,
			      "btree lru: cached bucket %u:%llu, read at %llu, is missing", dev,
			      bucket, check_read_lru_time(b));
	if (check_fragmentation_time(a, dev, b) && !(b->flags & BUCKET_IN_FRAG_LRU))
		bce_log_error(a->c->log, BCE_ERR_alloc_key_to_missing_lru_entry,
			      "btree lru: fragmented bucket %u:%llu is missing at %llu", dev,
			      bucket, check_fragmentation_time(a, dev, b));
}

/* consecutive buckets without a key that are not in freespace are one finding */
static u64 missing_hole(struct alloc_check *a, unsigned int dev, u64 start)
{
	const struct check_dev *d = &a->dev[dev];
	u64 end = start;

	while (end < d->info->nbuckets &&
	       !(d->bucket[end].flags & (BUCKET_HAS_KEY | BUCKET_IN_FREESPACE)))
		end++;
	if (end > start)
		bce_log_error(a->c->log, BCE_ERR_freespace_hole_missing,
			      "btree freespace: buckets %u:%llu to %llu without alloc keys are missing",
			      dev, start, end - 1);
	return end;
}

static void missing_of_dev(struct alloc_check *a, unsigned int dev)
{
	const struct check_dev *d = &a->dev[dev];
	u64 i = d->info->first_bucket;

	while (i < d->info->nbuckets) {
		const struct check_bucket *b = &d->bucket[i];

		if (b->flags & BUCKET_HAS_KEY) {
			missing_lru(a, dev, i, b);
			if (d->info->freespace_initialized)
				missing_index(a, dev, i, b);
		} else if (!(b->flags & BUCKET_IN_FREESPACE) && d->info->freespace_initialized) {
			i = missing_hole(a, dev, i);
			continue;
		}
		i++;
	}
}

void check_index_missing(struct alloc_check *a)
{
	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++)
		if (a->dev[dev].info)
			missing_of_dev(a, dev);
}
