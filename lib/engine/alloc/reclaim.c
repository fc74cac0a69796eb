// SPDX-License-Identifier: GPL-2.0
/*
 * Making buckets free: discards, and cached buckets given up.
 *
 *	cached --invalidate, oldest read first--> need_discard --entry durable, discard--> free
 *
 * A bucket that was emptied waits in need_discard until the journal entry that emptied it is durable:
 * before that a crash would bring its pointers back. Then it is discarded, if the member wants
 * that and can, and a transaction makes it free. Cached buckets are invalidated by raising
 * their generation; the pointers in extents are thereby stale, and are dropped when somebody
 * comes across them. Before either, the generation in memory is put right (allocator.c).
 *
 * Passes run from the work queue when the journal has flushed and there may be something to discard,
 * when buckets are short, and by who finds nothing free himself: then the journal is
 * flushed as well. One at a time; who had to wait for another's pass first looks what that
 * has brought.
 *
 * All transactions here are of the kind that may use what journal space others may not (ALLOC),
 * and need no space for data, so they do not wait for those who wait for us.
 *
 * Locks: reclaim_lock > what a transaction takes. No lock of a write point is held.
 *
 * Source: docs/format/75-allocation.md, 4.2 to 4.4, 5.4.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/blkdev.h>
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "engine/alloc/encode.h"
#include "engine/util/event.h"

/* buckets whose places are kept while they are worked on, and how many times so many in a pass */
#define PASS_BATCH	64
#define PASS_BATCHES	8
/* cached buckets to give up on a member when somebody waits, however small it is */
#define INVALIDATE_MIN	4
/* times of reads are collected so long before keys are written */
#define READ_DELAY	HZ

struct bucket_job {
	struct allocator	*a;
	unsigned int		dev;
	u64			bucket;
	u64			time;		/* of the LRU entry */
	u8			gen;		/* out */
	bool			done;		/* out */
};

/* buckets found in a btree, by position, with no lock held while they are worked on */
struct bucket_list {
	struct bpos	pos[PASS_BATCH];
	unsigned int	nr;
};

static int list_fill(struct allocator *a, unsigned int btree_id, struct bpos *from, struct bpos end,
		     struct bucket_list *list)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	list->nr = 0;
	bce_btree_iter_init(&iter, a->config.btrees, btree_id, 0, *from, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR(k)) {
			ret = PTR_ERR(k);
			break;
		}
		if (bpos_cmp(k->p, end) >= 0 || list->nr == PASS_BATCH)
			break;
		list->pos[list->nr++] = k->p;
	}
	bce_btree_iter_exit(&iter);
	if (list->nr)
		*from = bpos_successor(list->pos[list->nr - 1]);
	return ret;
}

/* ---- discards ---- */

/* the device forgets what the bucket held: it may fail, as that is only a hint */
static void bucket_discard(struct allocator *a, unsigned int dev, u64 bucket)
{
	const struct member_info *info = &a->dev[dev].info;
	struct member_dev *m;

	if (!info->discard)
		return;
	m = bce_member_get_io(a->config.members, dev);
	if (!m)
		return;
	if (bdev_max_discard_sectors(m->bdev))
		blkdev_issue_discard(m->bdev, bucket * info->bucket_sectors, info->bucket_sectors,
				     GFP_NOFS);
	bce_member_put_io(m);
}

/* Is the key still there? It was found before the transaction began. 1, 0, errno */
static int need_discard_there(struct bce_trans *t, const struct bucket_job *job)
{
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_need_discard, POS(job->dev, job->bucket), NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return bce_trans_check_reads(t) ?: 1;
}

/* may the bucket be discarded now? 1, 0, -EBUSY waits for the journal, other errno */
static int discard_ready(struct bce_trans *t, struct bucket_job *job, struct alloc_info *info)
{
	int ret = alloc_bucket_lookup(job->a, t, job->dev, job->bucket, info);

	if (ret)
		return ret;
	if (info->data_type != BCH_DATA_need_discard) {
		ret = need_discard_there(t, job);
		if (ret <= 0)
			return ret;
		bce_log_error(job->a->config.log,
			      BCE_ERR_discarding_bucket_not_in_need_discard_btree,
			      "btree need_discard %u:%llu:0: the bucket is of another type",
			      job->dev, job->bucket);
		return 0;
	}
	if (alloc_bucket_is_open(job->a, job->dev, job->bucket))
		return 0;
	return info->journal_seq > alloc_flushed_seq(job->a) ? -EBUSY : 1;
}

static int discard_look(struct bce_trans *t, void *ctx)
{
	struct bucket_job *job = ctx;
	struct alloc_info info;
	int ret = discard_ready(t, job, &info);

	job->done = ret == 1;
	job->gen = info.gen + info.need_inc_gen;
	return min(ret, 0);
}

static int discard_commit(struct bce_trans *t, void *ctx)
{
	struct bucket_job *job = ctx;
	struct alloc_info info, new;
	int ret = discard_ready(t, job, &info);

	job->done = ret == 1;
	if (ret != 1)
		return ret;
	new = info;
	new.need_discard = false;
	return alloc_bucket_change(job->a, t, job->dev, job->bucket, &info, &new);
}

static int job_run(struct bucket_job *job, int (*fn)(struct bce_trans *, void *))
{
	return bce_trans_run(job->a->config.btrees, fn, job, TRANS_COMMIT_ALLOC, NULL);
}

/*
 * The device is told before the bucket becomes free: from then on somebody may write to it. Where
 * nothing is to be told, whoever takes the bucket puts its generation right.
 */
static int discard_one(struct allocator *a, unsigned int dev, u64 bucket, bool *waits)
{
	struct bucket_job job = { .a = a, .dev = dev, .bucket = bucket, .done = true };
	int ret = 0;

	if (a->dev[dev].info.discard)
		ret = job_run(&job, discard_look);
	if (!ret && job.done) {
		if (a->dev[dev].info.discard) {
			alloc_gen_set(a, dev, bucket, job.gen);
			bucket_discard(a, dev, bucket);
		}
		ret = job_run(&job, discard_commit);
	}
	if (ret == -EBUSY) {
		*waits = true;
		return 0;
	}
	if (!ret && job.done) {
		atomic64_inc(&a->buckets_freed);
		bce_event(a->config.log, BCE_EVENT_bucket_discard, 1);
	}
	if (ret || job.done)
		trace_bce_bucket_discard(bce_event_set(a->config.log), dev, bucket, ret);
	return ret;
}

/* from @from on; @waits: some have to wait for the journal. Return: 1 there are more, 0, errno */
static int discard_range(struct allocator *a, struct bpos *from, bool *waits)
{
	struct bucket_list *list = kmalloc(sizeof(*list), GFP_NOFS);
	int ret = 0, more = 1;

	if (!list)
		return -ENOMEM;
	for (unsigned int n = 0; n < PASS_BATCHES && more && !ret; n++) {
		ret = list_fill(a, BTREE_ID_need_discard, from, SPOS_MAX, list);
		for (unsigned int i = 0; i < list->nr && !ret; i++)
			if (alloc_dev(a, list->pos[i].inode))
				ret = discard_one(a, list->pos[i].inode, list->pos[i].offset, waits);
		more = list->nr == PASS_BATCH;
		cond_resched();
	}
	kfree(list);
	return ret ?: more;
}

/*
 * Under reclaim_lock. A pass is short, as others may wait for what it has freed; the next one goes on
 * where it ended. One that has found nothing up to the end looks from the beginning, too.
 */
static int discard_pass(struct allocator *a, bool *waits)
{
	s64 freed = atomic64_read(&a->buckets_freed);
	bool from_start = !bpos_cmp(a->discard_from, POS_MIN);
	int ret;

	atomic_add_unless(&a->discards, -1, 0);
	*waits = false;
	ret = discard_range(a, &a->discard_from, waits);
	if (!ret && !from_start && atomic64_read(&a->buckets_freed) == freed) {
		a->discard_from = POS_MIN;
		ret = discard_range(a, &a->discard_from, waits);
		from_start = true;
	}
	if (ret <= 0)
		a->discard_from = POS_MIN;
	/* if all that was met waits for the journal, that tells when to go on */
	a->discard_more = (ret > 0 || (!ret && !from_start)) &&
			  atomic64_read(&a->buckets_freed) != freed;
	if (*waits || ret)
		atomic_set(&a->discards, DISCARD_LOOKS);
	return min(ret, 0);
}

/* ---- invalidation ---- */

static int invalidate_commit(struct bce_trans *t, void *ctx)
{
	struct bucket_job *job = ctx;
	struct allocator *a = job->a;
	struct alloc_info old, new;
	int ret = alloc_bucket_lookup(a, t, job->dev, job->bucket, &old);

	job->done = false;
	if (ret || old.data_type != BCH_DATA_cached || old.io_time[0] != job->time ||
	    alloc_bucket_is_open(a, job->dev, job->bucket))
		return ret;
	new = old;
	new.gen++;
	new.need_inc_gen = false;
	new.dirty_sectors = new.cached_sectors = new.stripe_sectors = 0;
	new.io_time[0] = alloc_clock(a, 0);
	new.io_time[1] = alloc_clock(a, 1);
	job->done = true;
	job->gen = new.gen;
	return alloc_bucket_change(a, t, job->dev, job->bucket, &old, &new);
}

/* how many cached buckets of a member to give up */
static int invalidate_wanted(struct allocator *a, unsigned int dev, bool urgent, u64 *nr)
{
	const struct member_info *m = &a->dev[dev].info;
	s64 want = m->nbuckets / 128, have;
	s64 free[3], discard[3], cached[3];
	int ret;

	ret = alloc_dev_counters(a, dev, BCH_DATA_free, free) ?:
	      alloc_dev_counters(a, dev, BCH_DATA_need_discard, discard) ?:
	      alloc_dev_counters(a, dev, BCH_DATA_cached, cached);
	if (urgent)
		want = max_t(s64, want, INVALIDATE_MIN);
	have = free[0] + discard[0] - (s64)alloc_reserve_buckets(a, m, ALLOC_STRIPE);
	want -= max_t(s64, have, 0);
	*nr = clamp_t(s64, want, 0, max_t(s64, cached[0], 0));
	return ret;
}

static int invalidate_range(struct allocator *a, unsigned int dev, u64 first, u64 last, u64 *nr)
{
	struct bpos from = POS((u64)dev << 48 | first, 0), end = POS(((u64)dev << 48 | last) + 1, 0);
	struct bucket_list *list;
	int ret = 0;

	list = kmalloc(sizeof(*list), GFP_NOFS);
	if (!list)
		return -ENOMEM;
	do {
		ret = list_fill(a, BTREE_ID_lru, &from, end, list);
		for (unsigned int i = 0; i < list->nr && *nr && !ret; i++) {
			struct bucket_job job = {
				.a = a, .dev = dev, .bucket = bce_lru_bucket(list->pos[i]),
				.time = bce_lru_time(list->pos[i]),
			};

			ret = job_run(&job, invalidate_commit);
			if (ret || !job.done)
				continue;
			alloc_gen_set(a, dev, job.bucket, job.gen);
			(*nr)--;
		}
		cond_resched();
	} while (!ret && *nr && list->nr == PASS_BATCH && !READ_ONCE(a->stopping));
	kfree(list);
	return ret;
}

/* oldest first; times ahead of now are from before the clock wrapped, hence oldest of all */
static int invalidate_dev(struct allocator *a, unsigned int dev, bool urgent, bool *some)
{
	u64 start = (alloc_clock(a, 0) + U32_MAX) & ALLOC_IO_TIME_MAX;
	u64 wanted, left;
	int ret = invalidate_wanted(a, dev, urgent, &wanted);

	left = wanted;
	if (!ret && left)
		ret = invalidate_range(a, dev, start, ALLOC_IO_TIME_MAX, &left);
	if (!ret && left)
		ret = invalidate_range(a, dev, 0, start - 1, &left);
	*some |= left < wanted;
	return ret;
}

static int invalidate_pass(struct allocator *a, bool urgent, bool *some)
{
	u64 devs = alloc_writable_devs(a, BCH_DATA_user);
	int ret = 0;

	*some = false;
	for (unsigned int i = 0; i < a->nr_devs && !ret; i++)
		if (devs >> i & 1)
			ret = invalidate_dev(a, i, urgent, some);
	return ret;
}

/* ---- passes ---- */

/* do more buckets of some member wait than are free? */
static bool flush_wanted(struct allocator *a)
{
	s64 free[3], discard[3];

	for (unsigned int i = 0; i < a->nr_devs; i++)
		if (a->dev[i].info.exists &&
		    !alloc_dev_counters(a, i, BCH_DATA_free, free) &&
		    !alloc_dev_counters(a, i, BCH_DATA_need_discard, discard) &&
		    discard[0] > free[0])
			return true;
	return false;
}

/* under reclaim_lock */
static int reclaim_pass(struct allocator *a, bool urgent)
{
	bool waits, invalidated;
	int ret;

	ret = discard_pass(a, &waits) ?:
	      invalidate_pass(a, urgent, &invalidated);
	if (ret || !(invalidated || waits) || !(urgent || flush_wanted(a)))
		return ret;
	if (a->config.journal)
		ret = bce_journal_flush(a->config.journal);
	return ret ?: discard_pass(a, &waits);
}

static void told_error(struct allocator *a, int ret)
{
	if (ret && ret != -EROFS)
		bce_log_line(a->config.log, BCE_LOG_ERR, "freeing buckets: error %d", ret);
}

void alloc_reclaim_work(struct work_struct *work)
{
	struct allocator *a = container_of(work, struct allocator, reclaim_work);
	unsigned int nofs = memalloc_nofs_save();
	bool more;

	mutex_lock(&a->reclaim_lock);
	if (!READ_ONCE(a->stopping))
		told_error(a, reclaim_pass(a, false));
	more = a->discard_more;
	mutex_unlock(&a->reclaim_lock);
	memalloc_nofs_restore(nofs);
	if (READ_ONCE(a->stopping))
		return;
	queue_work(a->wq, &a->copygc_work);
	if (READ_ONCE(a->gens))
		queue_work(a->wq, &a->gens_work);
	if (more)
		alloc_kick(a);
}

void alloc_kick(struct allocator *a)
{
	/* pairs with the release in bce_allocator_start() */
	if (smp_load_acquire(&a->started))
		queue_work(a->wq, &a->reclaim_work);
}

void alloc_kick_if_short(struct allocator *a, unsigned int dev, u64 nr_free)
{
	if (nr_free <= a->dev[dev].info.nbuckets / 128 ||
	    alloc_clock(a, 1) >= READ_ONCE(a->copygc_after))
		alloc_kick(a);
}

void bce_allocator_flushed(struct allocator *a, u64 seq)
{
	if (atomic_read(&a->discards))
		alloc_kick(a);
}

bool bce_allocator_reclaim(struct allocator *a)
{
	s64 before = atomic64_read(&a->buckets_freed);
	unsigned int nofs = memalloc_nofs_save();

	mutex_lock(&a->reclaim_lock);
	if (atomic64_read(&a->buckets_freed) == before)
		told_error(a, reclaim_pass(a, true));
	mutex_unlock(&a->reclaim_lock);
	memalloc_nofs_restore(nofs);
	return atomic64_read(&a->buckets_freed) != before;
}

bool alloc_move_together(struct allocator *a)
{
	if (!smp_load_acquire(&a->started) || READ_ONCE(a->stopping))
		return false;
	WRITE_ONCE(a->copygc_urgent, true);
	queue_work(a->wq, &a->copygc_work);
	flush_work(&a->copygc_work);
	if (READ_ONCE(a->gens)) {
		queue_work(a->wq, &a->gens_work);
		flush_work(&a->gens_work);
	}
	return bce_allocator_reclaim(a);
}

bool alloc_make_space(struct allocator *a, bool copygc)
{
	return bce_allocator_reclaim(a) || (copygc && alloc_move_together(a));
}

/* ---- a user has read a cached pointer ---- */

static int read_time_commit(struct bce_trans *t, void *ctx)
{
	struct bucket_job *job = ctx;
	struct alloc_info old, new;
	int ret = alloc_bucket_lookup(job->a, t, job->dev, job->bucket, &old);

	if (ret || old.data_type != BCH_DATA_cached || old.io_time[0] == job->time)
		return ret;
	new = old;
	new.io_time[0] = job->time;
	return alloc_bucket_change(job->a, t, job->dev, job->bucket, &old, &new);
}

static u64 read_note(unsigned int dev, u64 bucket)
{
	return 1ULL << 63 | (u64)dev << 56 | bucket;
}

/* Notes that share a slot push each other out: it is only about which bucket goes first. */
void bce_bucket_read(struct allocator *a, unsigned int dev, u64 bucket)
{
	u64 note = read_note(dev, bucket);
	atomic64_t *slot = &a->read_note[hash_64(note, 8)];

	BUILD_BUG_ON(READ_NOTES != 1 << 8);
	if (!alloc_dev(a, dev) || bucket >= a->dev[dev].info.nbuckets ||
	    atomic64_read(slot) == note)
		return;
	atomic64_set(slot, note);
	if (smp_load_acquire(&a->started))
		queue_delayed_work(a->wq, &a->read_work, READ_DELAY);
}

void alloc_read_work(struct work_struct *work)
{
	struct allocator *a = container_of(to_delayed_work(work), struct allocator, read_work);
	unsigned int nofs = memalloc_nofs_save();

	for (unsigned int i = 0; i < READ_NOTES && !READ_ONCE(a->stopping); i++) {
		u64 note = atomic64_xchg(&a->read_note[i], 0);
		struct bucket_job job = {
			.a = a, .dev = note >> 56 & 0x7f, .bucket = note & ((1ULL << 56) - 1),
			.time = alloc_clock(a, 0),
		};

		if (note)
			told_error(a, job_run(&job, read_time_commit));
	}
	memalloc_nofs_restore(nofs);
}
