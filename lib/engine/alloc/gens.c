// SPDX-License-Identifier: GPL-2.0
/*
 * The oldest_gen pass: generations have eight bits, and old pointers must not come to look new.
 *
 * Pointers into a bucket that was invalidated stay in their extents, stale. oldest_gen of a bucket is
 * a bound below the generations of all of them; when a bucket's generation has moved 96 ahead of it, the
 * bucket is not used until the bound has been found anew. Only cached pointers can be stale, so a
 * walk over the leaves of extents and reflink finds all there are. Keys with pointers that
 * lag by more than 16 are rewritten without them, so that the bound can rise at all.
 *
 *	oldest[bucket] = generation now       \
 *	walk: oldest = min(oldest, pointer)    >  keys written meanwhile with stale pointers lower it, too
 *	oldest_gen of the alloc key = oldest  /
 *
 * A key that is written with a stale pointer while we write alloc keys either sees the new
 * oldest_gen and lowers it again (trigger.c), or has noted its generation here, which we look at
 * again after each commit.
 *
 * A key that has nothing but such pointers is a hole that counts as allocated; taking it away
 * changes the file, which is the data room's to do (mover operation prune). Without that it
 * stays, and its buckets wait.
 *
 * Source: docs/format/75-allocation.md, 4.2; 70-extents.md, 3.1, 5.5, 5.8.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/key/extent_edit.h"

/* pointers that lag by more are taken out of their keys */
#define LAG_KEPT	16
/* keys looked at between two times the leaf is let go */
#define WALK_BATCH	256

void alloc_gens_note(struct allocator *a, unsigned int dev, u64 bucket, u8 gen)
{
	struct alloc_dev *d = alloc_dev(a, dev);
	u8 *oldest, was;

	rcu_read_lock();
	oldest = d ? rcu_dereference(d->oldest) : NULL;
	if (oldest && bucket < d->info.nbuckets) {
		oldest += bucket;
		was = READ_ONCE(*oldest);
		while (gen_lag(was, gen) > 0) {
			u8 now = cmpxchg(oldest, was, gen);

			if (now == was)
				break;
			was = now;
		}
	}
	rcu_read_unlock();
}

/* ---- arrays ---- */

static void arrays_free(struct allocator *a)
{
	u8 *old[BCH_MEMBERS_MAX];

	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++) {
		old[i] = rcu_dereference_protected(a->dev[i].oldest, true);
		RCU_INIT_POINTER(a->dev[i].oldest, NULL);
	}
	synchronize_rcu();
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		kvfree(old[i]);
}

static int arrays_make(struct allocator *a)
{
	for (unsigned int i = 0; i < a->nr_devs; i++) {
		struct alloc_dev *d = &a->dev[i];
		u8 *oldest;

		if (!d->info.exists || !d->gens)
			continue;
		oldest = kvmalloc(d->info.nbuckets, GFP_KERNEL);
		if (!oldest)
			return -ENOMEM;
		for (u64 b = 0; b < d->info.nbuckets; b++)
			oldest[b] = READ_ONCE(d->gens[b]);
		rcu_assign_pointer(d->oldest, oldest);
	}
	return 0;
}

/* ---- the walk ---- */

static bool ptr_lags(struct allocator *a, const struct extent_ptr *ptr, int more_than)
{
	u64 bucket;
	u32 offset;

	return ptr->cached && bce_bucket_of(a, ptr->dev, ptr->sector, &bucket, &offset) &&
	       gen_lag(bce_bucket_gen(a, ptr->dev, bucket), ptr->gen) > more_than;
}

static void key_note(struct allocator *a, const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;
	u64 bucket;
	u32 offset;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		if (ptr_lags(a, &p.ptr, 0) &&
		    bce_bucket_of(a, p.ptr.dev, p.ptr.sector, &bucket, &offset))
			alloc_gens_note(a, p.ptr.dev, bucket, p.ptr.gen);
}

static bool key_lags(struct allocator *a, const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;
	bool lags = false;

	bce_extent_walk_init(&w, k, 0);
	while (bce_extent_next_ptr(&w, &p))
		lags |= ptr_lags(a, &p.ptr, LAG_KEPT);
	return lags;
}

struct prune {
	struct allocator	*a;
	unsigned int		btree_id;
	struct bpos		pos;
	bool			nothing_left;
};

/* @k without what lags, its value in the transaction's memory. 0, -EINVAL, -ENOMEM */
static int key_without_old(struct prune *p, struct bce_trans *t, struct bkey *k)
{
	struct extent_value *value = bce_trans_alloc(t, sizeof(*value));
	struct extent_ptrs *ptrs = bce_trans_alloc(t, sizeof(*ptrs));
	int ret;

	if (!value || !ptrs)
		return -ENOMEM;
	ret = bce_extent_ptrs_decode(k, ptrs);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < ptrs->nr; ) {
		if (ptr_lags(p->a, &ptrs->p[i].ptr, LAG_KEPT))
			bce_extent_ptrs_drop(ptrs, i);
		else
			i++;
	}
	p->nothing_left = !ptrs->nr;
	bce_extent_ptrs_encode(ptrs, k, value);
	return 0;
}

static int prune_key(struct bce_trans *t, void *ctx)
{
	struct prune *p = ctx;
	struct bkey k;
	int ret;

	p->nothing_left = false;
	ret = bce_trans_lookup(t, p->btree_id, p->pos, NULL, 0, &k);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if ((k.type != KEY_TYPE_extent && k.type != KEY_TYPE_reflink_v) || !key_lags(p->a, &k))
		return 0;
	ret = key_without_old(p, t, &k);
	return ret || p->nothing_left ? ret : bce_trans_update(t, p->btree_id, &k, 0);
}

static int prune_at(struct allocator *a, unsigned int btree_id, struct bpos pos)
{
	/* pairs with the release in bce_allocator_set_mover() */
	const struct alloc_mover_ops *mover = smp_load_acquire(&a->mover);
	struct prune p = { .a = a, .btree_id = btree_id, .pos = pos };
	int ret = bce_trans_run(a->config.btrees, prune_key, &p, TRANS_COMMIT_ALLOC, NULL);

	if (ret || !p.nothing_left)
		return ret;
	if (mover && mover->prune)
		return mover->prune(a->mover_ctx, btree_id, pos);
	bce_log_line(a->config.log, BCE_LOG_WARN,
		     "btree %u %llu:%llu:%u: nothing but cached pointers more than %u generations old; "
		     "left as it is, their buckets cannot be used",
		     btree_id, pos.inode, pos.offset, pos.snapshot, LAG_KEPT);
	return 0;
}

/* up to WALK_BATCH keys from @from on; *@prune: one of them has to be rewritten. 1 more, 0 the end */
static int walk_some(struct allocator *a, unsigned int btree_id, struct bpos *from,
		     struct bpos *prune, bool *found)
{
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int nr = 0;

	*found = false;
	bce_btree_iter_init(&iter, a->config.btrees, btree_id, 0, *from, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter)) {
		if (nr++ == WALK_BATCH || *found)
			break;
		*from = bpos_successor(k->p);
		if (!bce_key_has_ptrs(k->type))
			continue;
		*found = key_lags(a, k);
		*prune = k->p;
		if (!*found)
			key_note(a, k);
	}
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : k != NULL;
}

/* what could not be taken out of a pruned key counts after all */
static int note_at(struct allocator *a, unsigned int btree_id, struct bpos pos)
{
	struct bkey_buf *buf = kmalloc(sizeof(*buf), GFP_NOFS);
	struct bkey k;
	int ret;

	if (!buf)
		return -ENOMEM;
	ret = bce_btree_lookup(a->config.btrees, btree_id, pos, NULL, &k, buf);
	if (!ret)
		key_note(a, &k);
	kfree(buf);
	return ret == -ENOENT ? 0 : ret;
}

static int walk(struct allocator *a, unsigned int btree_id)
{
	struct bpos from = POS_MIN, prune;
	int ret, more;
	bool found;

	do {
		more = walk_some(a, btree_id, &from, &prune, &found);
		ret = min(more, 0);
		if (!ret && found)
			ret = prune_at(a, btree_id, prune) ?: note_at(a, btree_id, prune);
		cond_resched();
	} while (!ret && more && !READ_ONCE(a->stopping));
	return ret;
}

/* ---- alloc keys ---- */

struct oldest_job {
	struct allocator	*a;
	unsigned int		dev;
	u64			bucket;
	u8			oldest;
};

static u8 oldest_of(struct allocator *a, unsigned int dev, u64 bucket)
{
	return READ_ONCE(rcu_dereference_protected(a->dev[dev].oldest, true)[bucket]);
}

static int oldest_commit(struct bce_trans *t, void *ctx)
{
	struct oldest_job *job = ctx;
	struct alloc_info old, new;
	int ret = alloc_bucket_lookup(job->a, t, job->dev, job->bucket, &old);

	job->oldest = oldest_of(job->a, job->dev, job->bucket);
	if (ret || old.oldest_gen == job->oldest)
		return ret;
	new = old;
	new.oldest_gen = job->oldest;
	return alloc_bucket_change(job->a, t, job->dev, job->bucket, &old, &new);
}

static int oldest_write(struct allocator *a, unsigned int dev, u64 bucket)
{
	struct oldest_job job = { .a = a, .dev = dev, .bucket = bucket };
	int ret;

	do {
		ret = bce_trans_run(a->config.btrees, oldest_commit, &job, TRANS_COMMIT_ALLOC, NULL);
		/* pairs with the cmpxchg in alloc_gens_note() */
		smp_mb();
	} while (!ret && oldest_of(a, dev, bucket) != job.oldest);
	return ret;
}

/* next bucket of a member, from @bucket on, whose alloc key has another oldest_gen. 1, 0, errno */
static int oldest_next(struct allocator *a, unsigned int dev, u64 *bucket)
{
	struct alloc_info info;
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, a->config.btrees, BTREE_ID_alloc, 0, POS(dev, *bucket), 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k) && !ret; k = bce_btree_iter_next(&iter)) {
		if (k->p.inode != dev || k->p.offset >= a->dev[dev].info.nbuckets)
			break;
		if (!bce_key_type_is_alloc(k->type) || bce_alloc_decode(k, &info))
			continue;
		*bucket = k->p.offset;
		ret = info.oldest_gen != oldest_of(a, dev, *bucket);
	}
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	bce_btree_iter_exit(&iter);
	return ret;
}

static int oldest_write_dev(struct allocator *a, unsigned int dev)
{
	u64 bucket = 0;
	int ret;

	while ((ret = oldest_next(a, dev, &bucket)) == 1 && !READ_ONCE(a->stopping)) {
		ret = oldest_write(a, dev, bucket++);
		if (ret)
			break;
		atomic64_inc(&a->buckets_freed);
	}
	return min(ret, 0);
}

/* ---- the pass ---- */

static int gens_pass(struct allocator *a)
{
	int ret;

	ret = arrays_make(a) ?:
	      walk(a, BTREE_ID_extents) ?:
	      walk(a, BTREE_ID_reflink);
	for (unsigned int i = 0; i < a->nr_devs && !ret; i++)
		if (a->dev[i].oldest && !READ_ONCE(a->stopping))
			ret = oldest_write_dev(a, i);
	arrays_free(a);
	return ret;
}

static bool gens_wanted(struct allocator *a)
{
	s64 counters[3];

	for (unsigned int i = 0; i < a->nr_devs; i++)
		if (a->dev[i].info.exists &&
		    !alloc_dev_counters(a, i, BCH_DATA_need_gc_gens, counters) && counters[0] > 0)
			return true;
	return false;
}

void alloc_gens_work(struct work_struct *work)
{
	struct allocator *a = container_of(work, struct allocator, gens_work);
	unsigned int nofs = memalloc_nofs_save();
	int ret = 0;

	mutex_lock(&a->gens_lock);
	WRITE_ONCE(a->gens, false);
	if (gens_wanted(a))
		ret = gens_pass(a);
	mutex_unlock(&a->gens_lock);
	memalloc_nofs_restore(nofs);
	if (ret && ret != -EROFS)
		bce_log_line(a->config.log, BCE_LOG_ERR, "oldest generations: error %d", ret);
}
