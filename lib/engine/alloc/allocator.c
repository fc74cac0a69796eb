// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator of a set: its members, their generations, its beginning and end.
 *
 * Nothing here scans buckets. Counters are read from the accounting btree when they are needed;
 * generations come from bucket_gens at the start, 256 to a key.
 *
 * The generations in memory are for readers, who have to tell a stale pointer from a good one. They
 * may lag behind the alloc keys, as nothing tells us when a transaction has committed; but
 * a bucket whose generation went up still holds what it held until it is discarded or used anew,
 * and before either is done the generation here is put right (reclaim.c, pick.c). A reader therefore
 * looks before and again after reading.
 *
 * Source: docs/format/75-allocation.md, 5.3; 85-policies.md, 1.2.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"

struct alloc_dev *alloc_dev(struct allocator *a, unsigned int dev)
{
	return dev < BCH_MEMBERS_MAX && a->dev[dev].info.exists ? &a->dev[dev] : NULL;
}

/* times of keys have 48 bits, and 0 means none */
u64 alloc_clock(const struct allocator *a, unsigned int rw)
{
	return (a->config.io_clock(a->config.clock_ctx, rw) & ALLOC_IO_TIME_MAX) ?: 1;
}

/* in memory nothing ever becomes durable, and nothing waits for it */
u64 alloc_flushed_seq(const struct allocator *a)
{
	return a->config.journal ? bce_journal_flushed_seq(a->config.journal) : U64_MAX;
}

/* ---- members ---- */

static unsigned int sb_nr_groups(const struct bch_sb *sb)
{
	size_t bytes;
	const struct bch_sb_field *f = bce_sb_field(sb, BCH_SB_FIELD_disk_groups, &bytes);

	return f ? (bytes - sizeof(*f)) / sizeof(struct bch_disk_group) : 0;
}

/* under the superblock's mutex and @a->members_lock */
static int groups_read(struct allocator *a, const struct bch_sb *sb)
{
	unsigned int nr = sb_nr_groups(sb);
	u64 *groups = kvcalloc(nr ?: 1, sizeof(*groups), GFP_KERNEL);

	if (!groups)
		return -ENOMEM;
	for (unsigned int g = 0; g < nr; g++)
		for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
			if (a->dev[i].info.exists &&
			    bce_sb_target_has_dev(sb, BCH_TARGET_GROUP_BASE + g, i))
				groups[g] |= 1ULL << i;
	kvfree(a->groups);
	a->groups = groups;
	a->nr_groups = nr;
	return 0;
}

/* geometry is read without the lock and stays as it was first seen */
static void member_refresh(struct member_info *have, const struct member_info *now)
{
	if (!have->exists) {
		*have = *now;
		return;
	}
	have->state = now->state;
	have->data_allowed = now->data_allowed;
	have->btree_bitmap = now->btree_bitmap;
	have->btree_bitmap_shift = now->btree_bitmap_shift;
	/* others read these without the lock, one at a time */
	if (have->discard != now->discard)
		WRITE_ONCE(have->discard, now->discard);
	if (have->durability != now->durability)
		WRITE_ONCE(have->durability, now->durability);
	if (have->freespace_initialized != now->freespace_initialized)
		WRITE_ONCE(have->freespace_initialized, now->freespace_initialized);
}

int bce_allocator_members_changed(struct allocator *a)
{
	const struct bch_sb *sb = bce_sb_edit_begin(a->config.sb);
	unsigned int nr_devs = 0;
	struct member_info m;
	int ret;

	mutex_lock(&a->members_lock);
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++) {
		bce_sb_member(sb, i, &m);
		member_refresh(&a->dev[i].info, &m);
		if (a->dev[i].info.exists)
			nr_devs = i + 1;
	}
	/* writers of btree nodes look at it without the lock; it never gets less */
	if (nr_devs > a->nr_devs)
		WRITE_ONCE(a->nr_devs, nr_devs);
	ret = groups_read(a, sb);
	mutex_unlock(&a->members_lock);
	bce_sb_edit_end(a->config.sb);
	return ret;
}

u64 alloc_target_devs(struct allocator *a, u16 target)
{
	u64 devs = 0;

	if (target == BCH_TARGET_NONE)
		return U64_MAX;
	if (target < BCH_TARGET_GROUP_BASE)
		return target - BCH_TARGET_DEV_BASE < BCH_MEMBERS_MAX ?
			1ULL << (target - BCH_TARGET_DEV_BASE) : 0;
	mutex_lock(&a->members_lock);
	if (target - BCH_TARGET_GROUP_BASE < a->nr_groups)
		devs = a->groups[target - BCH_TARGET_GROUP_BASE];
	mutex_unlock(&a->members_lock);
	return devs;
}

u64 alloc_writable_devs(struct allocator *a, unsigned int data_type)
{
	u64 present = bce_members_present(a->config.members), devs = 0;

	mutex_lock(&a->members_lock);
	for (unsigned int i = 0; i < a->nr_devs; i++) {
		const struct member_info *m = &a->dev[i].info;

		if (m->exists && m->state == MEMBER_RW && (m->data_allowed >> data_type & 1))
			devs |= 1ULL << i;
	}
	mutex_unlock(&a->members_lock);
	return devs & present;
}

u64 bce_alloc_target_devs(struct allocator *a, u16 target, unsigned int data_type)
{
	return alloc_target_devs(a, target) & alloc_writable_devs(a, data_type);
}

/* ---- buckets ---- */

bool bce_bucket_of(struct allocator *a, unsigned int dev, u64 sector, u64 *bucket, u32 *offset)
{
	const struct alloc_dev *d = alloc_dev(a, dev);

	if (!d)
		return false;
	*bucket = div_u64_rem(sector, d->info.bucket_sectors, offset);
	return *bucket >= d->info.first_bucket && *bucket < d->info.nbuckets;
}

u8 bce_bucket_gen(struct allocator *a, unsigned int dev, u64 bucket)
{
	const struct alloc_dev *d = alloc_dev(a, dev);

	return d && d->gens && bucket < d->info.nbuckets ? READ_ONCE(d->gens[bucket]) : 0;
}

/* readers who look after their read see this before what is done to the bucket next */
void alloc_gen_set(struct allocator *a, unsigned int dev, u64 bucket, u8 gen)
{
	struct alloc_dev *d = alloc_dev(a, dev);

	if (d && d->gens && bucket < d->info.nbuckets) {
		WRITE_ONCE(d->gens[bucket], gen);
		/* pairs with the read barrier of whoever reads a bucket, then its generation */
		smp_mb();
	}
}

static void gens_take(struct allocator *a, const struct bkey *k)
{
	struct alloc_dev *d = k->p.inode < BCH_MEMBERS_MAX ? alloc_dev(a, k->p.inode) : NULL;
	u64 first = k->p.offset * ALLOC_BUCKETS_PER_GENS_KEY;

	if (!d || k->type != KEY_TYPE_bucket_gens || k->p.offset > d->info.nbuckets ||
	    first >= d->info.nbuckets)
		return;
	memcpy(d->gens + first, k->v,
	       min3((u64)ALLOC_BUCKETS_PER_GENS_KEY, (u64)bkey_val_bytes(k),
		    d->info.nbuckets - first));
}

static int gens_read(struct allocator *a)
{
	const struct bkey *k;
	struct btree_iter iter;

	for (unsigned int i = 0; i < a->nr_devs; i++) {
		struct alloc_dev *d = &a->dev[i];

		if (!d->info.exists || d->gens)
			continue;
		d->gens = kvcalloc(d->info.nbuckets, 1, GFP_KERNEL);
		if (!d->gens)
			return -ENOMEM;
	}

	bce_btree_iter_init(&iter, a->config.btrees, BTREE_ID_bucket_gens, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k); k = bce_btree_iter_next(&iter))
		gens_take(a, k);
	bce_btree_iter_exit(&iter);
	return PTR_ERR_OR_ZERO(k);
}

int bce_allocator_read(struct allocator *a)
{
	for (unsigned int i = 0; i < a->nr_devs; i++)
		a->dev[i].freespace = a->dev[i].info.freespace_initialized;
	return gens_read(a);
}

/* ---- beginning and end ---- */

static void allocator_init(struct allocator *a, const struct allocator_config *config)
{
	a->config = *config;
	mutex_init(&a->members_lock);
	mutex_init(&a->replicas_lock);
	mutex_init(&a->reclaim_lock);
	mutex_init(&a->gens_lock);
	hash_init(a->replicas);
	INIT_DELAYED_WORK(&a->read_work, alloc_read_work);
	INIT_WORK(&a->reclaim_work, alloc_reclaim_work);
	INIT_WORK(&a->copygc_work, alloc_copygc_work);
	INIT_WORK(&a->gens_work, alloc_gens_work);
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		mutex_init(&a->dev[i].pick_lock);
	alloc_write_points_init(a);
	alloc_reserve_init(a);
}

int bce_allocator_open(struct allocator **out, const struct allocator_config *config)
{
	struct allocator *a = kvzalloc(sizeof(*a), GFP_KERNEL);
	int ret;

	if (!a)
		return -ENOMEM;
	allocator_init(a, config);
	a->wq = alloc_workqueue("bce_alloc", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	ret = a->wq ? 0 : -ENOMEM;
	ret = ret ?: alloc_open_init(a) ?:
	      bce_allocator_members_changed(a) ?:
	      alloc_replicas_read(a);
	if (ret) {
		bce_allocator_close(a);
		return ret;
	}
	*out = a;
	return 0;
}

void bce_allocator_close(struct allocator *a)
{
	if (!a)
		return;
	bce_allocator_stop(a);
	if (a->open.all)
		alloc_write_points_drop(a);
	if (a->wq)
		destroy_workqueue(a->wq);
	alloc_open_exit(a);
	alloc_replicas_exit(a);
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		kvfree(a->dev[i].gens);
	kvfree(a->groups);
	kvfree(a);
}

int bce_allocator_start(struct allocator *a)
{
	WRITE_ONCE(a->stopping, false);
	atomic_set(&a->discards, DISCARD_LOOKS);
	WRITE_ONCE(a->gens, true);
	/* pairs with the acquire in alloc_kick() */
	smp_store_release(&a->started, true);
	alloc_kick(a);
	return 0;
}

void bce_allocator_stop(struct allocator *a)
{
	WRITE_ONCE(a->stopping, true);
	smp_store_release(&a->started, false);
	if (a->wq) {
		cancel_delayed_work_sync(&a->read_work);
		cancel_work_sync(&a->reclaim_work);
		cancel_work_sync(&a->copygc_work);
		cancel_work_sync(&a->gens_work);
	}
}

void bce_allocator_set_policy(struct allocator *a, const struct alloc_policy_ops *ops, void *ctx)
{
	a->policy_ctx = ctx;
	/* pairs with the acquire in space.c */
	smp_store_release(&a->policy, ops);
}

void bce_allocator_set_mover(struct allocator *a, const struct alloc_mover_ops *ops, void *ctx)
{
	a->mover_ctx = ctx;
	/* pairs with the acquire in copygc.c */
	smp_store_release(&a->mover, ops);
}
