// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that follows from other keys, recomputed.
 *
 *   alloc leaves      --> a table of buckets per member: what the keys say
 *   superblocks, journals, stripes, all keys of all levels, roots
 *                     --> the same tables: what refers to each bucket; counters; expected
 *                         backpointers; references to indirect extents; sectors of stripe blocks
 *   freespace, need_discard, bucket_gens, lru
 *                     --> compared key by key with the table, and what was met is marked there
 *   then              tables, counters and backpointers are gone through for what does not agree
 *                     or is not there
 *
 * One walk over everything, except that alloc, stripes and reflink come first, for pointers are judged by
 * them, and that the leaves of backpointers and accounting come last, when it is known what they
 * have to be. Nothing is looked up in a btree, so no lock is held but the walk's own, and the time
 * is that of reading.
 *
 * A node that cannot be read hides references: then only what is there is judged (keys that are
 * wrong in themselves), not what is missing, and no sums.
 *
 * Of a member that is not here, superblock and journal buckets are believed, as its own superblock
 * is what tells where they are.
 *
 * Source: docs/format/75-allocation.md, 80-accounting.md.
 */
#include "engine/check/alloc_internal.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/journal/replay.h"
#include "engine/journal/ring_walk.h"
#include "engine/key/text.h"
#include "engine/sb/entry.h"

#define PROGRESS_KEYS	1024

int check_array_room(void **array, size_t nr, size_t *room, size_t each)
{
	size_t want = max_t(size_t, 64, *room * 2);
	void *bigger;

	if (nr < *room)
		return 0;
	bigger = kvmalloc_array(want, each, GFP_KERNEL);
	if (!bigger)
		return -ENOMEM;
	if (nr)
		memcpy(bigger, *array, nr * each);
	kvfree(*array);
	*array = bigger;
	*room = want;
	return 0;
}

/* ---- the table of buckets ---- */

struct check_bucket *check_bucket_at(struct alloc_check *a, unsigned int dev, u64 bucket)
{
	const struct check_dev *d = dev < BCH_MEMBERS_MAX ? &a->dev[dev] : NULL;

	if (!d || !d->info || bucket < d->info->first_bucket || bucket >= d->info->nbuckets)
		return NULL;
	return &d->bucket[bucket];
}

u64 check_bucket_of_sector(const struct check_dev *d, u64 sector, u32 *offset)
{
	return div_u64_rem(sector, d->info->bucket_sectors, offset);
}

void check_bucket_stored(const struct check_bucket *b, struct alloc_info *out)
{
	*out = (struct alloc_info) {
		.need_discard		= b->flags & BUCKET_NEED_DISCARD,
		.gen			= b->gen,
		.oldest_gen		= b->oldest_gen,
		.data_type		= b->type,
		.stripe_redundancy	= b->redundancy,
		.dirty_sectors		= b->dirty,
		.cached_sectors		= b->cached,
		.stripe_sectors		= b->striped,
		.stripe			= b->stripe,
		.io_time[0]		= b->read_time,
	};
}

void check_bucket_walked(const struct check_bucket *b, struct alloc_info *out)
{
	check_bucket_stored(b, out);
	out->dirty_sectors = b->w_dirty;
	out->cached_sectors = b->w_cached;
	out->stripe_sectors = b->w_striped;
	out->stripe = b->w_stripe;
	out->stripe_redundancy = b->w_redundancy;
	out->data_type = bce_alloc_data_type(out, b->w_type);
}

/* user data, cached or not, in a stripe or not, may share a bucket; nothing else may */
static unsigned int data_class(unsigned int type)
{
	return type == BCH_DATA_cached || type == BCH_DATA_stripe ? BCH_DATA_user : type;
}

static void told_mix(struct alloc_check *a, unsigned int dev, u64 bucket, struct check_bucket *b,
		     unsigned int type, const char *what)
{
	enum bce_error id = type == BCH_DATA_sb || type == BCH_DATA_journal ?
		BCE_ERR_bucket_metadata_type_mismatch : BCE_ERR_ptr_bucket_data_type_mismatch;

	if (b->flags & BUCKET_TOLD_MIX)
		return;
	b->flags |= BUCKET_TOLD_MIX;
	bce_log_error(a->c->log, id, "bucket %u:%llu: %s of type %s in a bucket that holds %s", dev,
		      bucket, what, bce_data_type_name(type), bce_data_type_name(b->w_type));
}

void check_bucket_mark(struct alloc_check *a, unsigned int dev, u64 bucket, unsigned int type,
		       u32 *counter, u64 sectors, const char *what)
{
	struct check_bucket *b = &a->dev[dev].bucket[bucket];

	if (!(b->flags & (BUCKET_HAS_KEY | BUCKET_TOLD_NO_KEY))) {
		b->flags |= BUCKET_TOLD_NO_KEY;
		bce_log_error(a->c->log, BCE_ERR_ptr_to_missing_alloc_key,
			      "bucket %u:%llu: %s refers to it, it has no alloc key", dev, bucket,
			      what);
	}
	if (!(b->flags & BUCKET_REFERENCED))
		b->w_type = type;
	else if (data_class(b->w_type) != data_class(type))
		told_mix(a, dev, bucket, b, type, what);
	else if (b->w_type == BCH_DATA_user)
		b->w_type = type;
	b->flags |= BUCKET_REFERENCED;
	if (sectors > U32_MAX - *counter) {
		bce_log_error(a->c->log, BCE_ERR_bucket_sector_count_overflow,
			      "bucket %u:%llu: %u + %llu sectors", dev, bucket, *counter, sectors);
		sectors = U32_MAX - *counter;
	}
	*counter += sectors;
}

static int make_tables(struct alloc_check *a)
{
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++) {
		const struct member_info *info = &a->c->member[i];

		if (!info->exists || !info->bucket_sectors)
			continue;
		a->dev[i].bucket = kvcalloc(info->nbuckets, sizeof(struct check_bucket),
					    GFP_KERNEL);
		if (!a->dev[i].bucket)
			return -ENOMEM;
		a->dev[i].info = info;
	}
	return 0;
}

void check_alloc_free(struct alloc_check *a)
{
	if (!a)
		return;
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		kvfree(a->dev[i].bucket);
	for (size_t i = 0; i < a->nr_runs; i++)
		kvfree(a->run[i].e);
	kvfree(a->run);
	kvfree(a->stripe);
	kvfree(a->shared);
	kvfree(a->inum);
	kvfree(a->counter);
	kvfree(a);
}

/* ---- walking ---- */

static void check_version(struct alloc_check *a, unsigned int btree_id, const struct bkey *k)
{
	u64 newest = a->c->replay ? a->c->replay->key_version : 0;

	mend_version(a, k->version.hi || btree_id == BTREE_ID_accounting ? 0 : k->version.lo);
	if (!a->c->replay || btree_id == BTREE_ID_accounting ||
	    (!k->version.hi && k->version.lo <= newest))
		return;
	bce_log_error(a->c->log, BCE_ERR_bkey_version_in_future,
		      "btree %s %llu:%llu:%u: version %u:%llu, the newest is %llu",
		      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot,
		      k->version.hi, k->version.lo, newest);
}

static void told_incomplete(struct alloc_check *a, unsigned int btree_id, int error)
{
	if (!a->incomplete)
		bce_log_line(a->c->log, BCE_LOG_WARN,
			     "btree %s is not wholly readable (error %d): sums and missing references are not checked",
			     bce_btree_name(btree_id), error);
	a->incomplete = true;
}

static void count_key(struct alloc_check *a, const char *pass)
{
	if (++a->done % PROGRESS_KEYS)
		return;
	if (a->c->progress)
		a->c->progress(a->c->progress_ctx, pass, a->done, a->c->keys);
	cond_resched();
}

int check_walk(struct alloc_check *a, unsigned int btree_id, unsigned int level, const char *pass,
	       check_key_fn fn)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, a->c->btrees, btree_id, level, POS_MIN,
			    level ? 0 : BTREE_ITER_PREFETCH, NULL);
	k = bce_btree_iter_peek(&iter);
	while (!ret && k) {
		if (!IS_ERR(k)) {
			check_version(a, btree_id, k);
			ret = fn(a, btree_id, level, k);
			if (!level)
				count_key(a, pass);
			k = ret ? NULL : bce_btree_iter_next(&iter);
			continue;
		}
		ret = PTR_ERR(k);
		if (ret == -ENOMEM)
			break;
		told_incomplete(a, btree_id, ret);
		ret = 0;
		if (!bce_btree_iter_skip_unreadable(&iter))
			break;
		k = bce_btree_iter_peek(&iter);
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

static int read_alloc_key(struct alloc_check *a, unsigned int btree_id, unsigned int level,
			  const struct bkey *k)
{
	struct check_bucket *b = check_bucket_at(a, min_t(u64, k->p.inode, U32_MAX), k->p.offset);
	struct alloc_info info;

	if (!b) {
		bce_log_error(a->c->log, BCE_ERR_alloc_key_to_missing_dev_bucket,
			      "btree alloc %llu:%llu: no such bucket", k->p.inode, k->p.offset);
		return mend_drop(a, btree_id, k->p);
	}
	if (!bce_key_type_is_alloc(k->type) || bce_alloc_decode(k, &info))
		return 0;	/* the rules of keys have told */
	b->flags |= BUCKET_HAS_KEY | (info.need_discard ? BUCKET_NEED_DISCARD : 0);
	b->gen = info.gen;
	b->oldest_gen = info.oldest_gen;
	b->type = info.data_type;
	b->redundancy = info.stripe_redundancy;
	b->dirty = info.dirty_sectors;
	b->cached = info.cached_sectors;
	b->striped = info.stripe_sectors;
	b->stripe = info.stripe;
	b->read_time = info.io_time[0];
	return 0;
}

static int read_first(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		      const struct bkey *k)
{
	if (k->type == KEY_TYPE_stripe)
		return check_stripe_read(a, k);
	if (btree_id == BTREE_ID_reflink) {
		int ret = check_shared_read(a, k);

		return ret ?: check_key_refs(a, btree_id, level, k);
	}
	return 0;
}

static int read_leaf(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		     const struct bkey *k)
{
	switch (btree_id) {
	case BTREE_ID_freespace:
	case BTREE_ID_need_discard:
	case BTREE_ID_bucket_gens:
	case BTREE_ID_lru:
		return check_index_key(a, btree_id, k);
	default:
		return check_key_refs(a, btree_id, level, k);
	}
}

struct root_arg {
	struct alloc_check	*a;
	unsigned int		btree_id;
	int			ret;
};

/* the first node of a walk over all: the root, whose pointer no node holds */
static int read_root(void *ctx, const struct btree_node_view *v)
{
	struct root_arg *arg = ctx;

	if (bce_key_is_btree_ptr(v->ptr->type) && v->ptr->val_u64s)
		arg->ret = check_key_refs(arg->a, arg->btree_id, v->level + 1, v->ptr);
	return 1;
}

static int read_nodes(struct alloc_check *a, unsigned int btree_id)
{
	struct root_arg arg = { .a = a, .btree_id = btree_id };
	int level = bce_btree_root_level(a->c->btrees, btree_id);
	int ret = 0;

	if (level < 0)
		return 0;
	for (int i = 1; !ret && i <= level; i++)
		ret = check_walk(a, btree_id, i, bce_btree_name(btree_id), check_key_refs);
	if (!ret) {
		ret = bce_btree_for_each_node(a->c->btrees, btree_id, read_root, &arg);
		ret = ret == -ENOMEM ? ret : arg.ret;
	}
	return ret;
}

static bool leaf_comes_apart(unsigned int btree_id)
{
	return btree_id == BTREE_ID_alloc || btree_id == BTREE_ID_stripes ||
		btree_id == BTREE_ID_reflink || btree_id == BTREE_ID_backpointers ||
		btree_id == BTREE_ID_accounting;
}

static int read_all(struct alloc_check *a)
{
	int ret = 0;

	for (unsigned int id = 0; !ret && id < BTREE_ID_MAX; id++) {
		if (id < BTREE_ID_NR && !leaf_comes_apart(id))
			ret = check_walk(a, id, 0, bce_btree_name(id), read_leaf);
		if (!ret)
			ret = read_nodes(a, id);
	}
	return ret;
}

/* ---- superblocks and journals ---- */

static void mark_range(struct alloc_check *a, unsigned int dev, u64 start, u64 end)
{
	const struct check_dev *d = &a->dev[dev];

	while (start < end) {
		u32 offset;
		u64 bucket = check_bucket_of_sector(d, start, &offset);
		u64 stop = min_t(u64, end, start - offset + d->info->bucket_sectors);
		struct check_bucket *b = check_bucket_at(a, dev, bucket);

		if (b)
			check_bucket_mark(a, dev, bucket, BCH_DATA_sb, &b->w_dirty, stop - start,
					  "superblock");
		start = stop;
	}
}

static void mark_superblocks(struct alloc_check *a, unsigned int dev, const struct bch_sb *sb)
{
	const struct bch_sb_layout *layout = &sb->layout;
	u64 sectors = 1ULL << min_t(unsigned int, layout->sb_max_size_bits,
				    BCH_SB_LAYOUT_MAX_BITS);

	for (unsigned int i = 0; i < min_t(unsigned int, layout->nr_superblocks,
					   BCH_SB_LAYOUT_COPIES); i++) {
		u64 start = le64_to_cpu(layout->sb_offset[i]);

		if (start == BCH_SB_SECTOR)
			mark_range(a, dev, 0, BCH_SB_SECTOR);
		mark_range(a, dev, start, start + sectors);
	}
}

static void mark_journal(struct alloc_check *a, unsigned int dev, const struct bch_sb *sb)
{
	struct ring_walk w;
	u64 bucket;
	u32 index;

	bce_ring_walk_init(&w, sb);
	while (bce_ring_walk_next(&w, &bucket, &index)) {
		struct check_bucket *b = check_bucket_at(a, dev, bucket);

		if (b)
			check_bucket_mark(a, dev, bucket, BCH_DATA_journal, &b->w_dirty,
					  a->dev[dev].info->bucket_sectors, "journal");
	}
}

static void believe_bucket(struct check_bucket *b)
{
	if (!(b->flags & BUCKET_HAS_KEY) ||
	    (b->type != BCH_DATA_sb && b->type != BCH_DATA_journal))
		return;
	b->flags |= BUCKET_REFERENCED | BUCKET_BELIEVED;
	b->w_type = b->type;
	b->w_dirty = b->dirty;
}

static void mark_metadata(struct alloc_check *a)
{
	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++) {
		const struct bch_sb *sb = a->c->dev_sb ? a->c->dev_sb[dev] : NULL;
		const struct check_dev *d = &a->dev[dev];

		if (!d->info)
			continue;
		if (sb) {
			mark_superblocks(a, dev, sb);
			mark_journal(a, dev, sb);
			continue;
		}
		for (u64 i = d->info->first_bucket; i < d->info->nbuckets; i++)
			believe_bucket(&d->bucket[i]);
	}
}

/* ---- alloc keys against the sums ---- */

static void compare_number(struct alloc_check *a, enum bce_error id, unsigned int dev, u64 bucket,
			   const char *what, u64 stored, u64 walked)
{
	if (stored != walked)
		bce_log_error(a->c->log, id, "btree alloc %u:%llu: %s %llu, should be %llu", dev,
			      bucket, what, stored, walked);
}

static void compare_bucket(struct alloc_check *a, unsigned int dev, u64 bucket,
			   const struct check_bucket *b)
{
	struct alloc_info w;

	check_bucket_walked(b, &w);
	if (w.data_type != b->type)
		bce_log_error(a->c->log, BCE_ERR_alloc_key_data_type_wrong,
			      "btree alloc %u:%llu: type %s, should be %s", dev, bucket,
			      bce_data_type_name(b->type), bce_data_type_name(w.data_type));
	compare_number(a, BCE_ERR_alloc_key_dirty_sectors_wrong, dev, bucket, "dirty sectors",
		       b->dirty, b->w_dirty);
	compare_number(a, BCE_ERR_alloc_key_cached_sectors_wrong, dev, bucket, "cached sectors",
		       b->cached, b->w_cached);
	compare_number(a, BCE_ERR_alloc_key_stripe_sectors_wrong, dev, bucket, "stripe sectors",
		       b->striped, b->w_striped);
	compare_number(a, BCE_ERR_alloc_key_stripe_wrong, dev, bucket, "stripe", b->stripe,
		       b->w_stripe);
	compare_number(a, BCE_ERR_alloc_key_stripe_redundancy_wrong, dev, bucket,
		       "stripe redundancy", b->redundancy, b->w_redundancy);
	if (b->type == BCH_DATA_cached && !b->read_time)
		bce_log_error(a->c->log, BCE_ERR_alloc_key_cached_but_read_time_zero,
			      "btree alloc %u:%llu: cached, but was never read", dev, bucket);
}

static void compare_buckets(struct alloc_check *a)
{
	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++) {
		const struct check_dev *d = &a->dev[dev];

		for (u64 i = d->info ? d->info->first_bucket : 0; d->info && i < d->info->nbuckets;
		     i++)
			if (d->bucket[i].flags & BUCKET_HAS_KEY)
				compare_bucket(a, dev, i, &d->bucket[i]);
	}
}

int check_alloc_walk(struct alloc_check *a)
{
	int ret;

	ret = make_tables(a);
	if (!ret)
		ret = check_walk(a, BTREE_ID_alloc, 0, "alloc", read_alloc_key);
	if (ret)
		return ret;
	mark_metadata(a);
	ret = check_walk(a, BTREE_ID_stripes, 0, "stripes", read_first);
	if (!ret)
		ret = check_walk(a, BTREE_ID_reflink, 0, "reflink", read_first);
	return ret ?: read_all(a);
}

static int run(struct alloc_check *a)
{
	int ret = check_alloc_walk(a);

	if (ret)
		return ret;
	if (!a->incomplete) {
		compare_buckets(a);
		check_index_missing(a);
		ret = check_stripes_compare(a) ?: check_shared_compare(a);
	}
	if (!ret)
		ret = check_backpointers_compare(a);
	if (!ret)
		ret = check_account_buckets(a);
	return ret ?: check_accounting_compare(a);
}

struct alloc_check *check_alloc_new(struct check *c)
{
	struct alloc_check *a = kvzalloc(sizeof(*a), GFP_KERNEL);

	if (a)
		a->c = c;
	return a;
}

int bce_check_allocations(struct check *c)
{
	struct alloc_check *a = check_alloc_new(c);
	int ret = a ? run(a) : -ENOMEM;

	check_alloc_free(a);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_check_allocations);
