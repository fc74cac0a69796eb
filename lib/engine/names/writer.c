// SPDX-License-Identifier: GPL-2.0
/*
 * The frame of all operations on names: a transaction that is begun anew until it could be
 * committed, with the time of the first attempt, and with quotas charged before each commit and
 * given back where there was none.
 */
#include "engine/names/write.h"

#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>

#include "engine/names/write_internal.h"

s64 names_time_encode(const struct sb_info *info, struct timespec64 ts)
{
	u32 precision = clamp_t(u32, info->time_precision, 1, NSEC_PER_SEC);

	return (u64)ts.tv_sec * (NSEC_PER_SEC / precision) + ts.tv_nsec / precision -
	       div_u64(info->time_base_ns, precision);
}

s64 names_time_now(const struct sb_info *info)
{
	struct timespec64 now;

	ktime_get_coarse_real_ts64(&now);
	return names_time_encode(info, now);
}

static s64 time_now(struct names_writer *w)
{
	if (!w->ops->now_ns)
		return names_time_now(w->src.info);
	return names_time_encode(w->src.info, ns_to_timespec64(w->ops->now_ns(w->ctx)));
}

u64 names_random(struct names_writer *w)
{
	return w->ops->random ? w->ops->random(w->ctx) : get_random_u64();
}

/* ---- quotas of a transaction ---- */

static int quota_apply(struct names_tx *tx, const struct quota_change *c)
{
	struct quota_table *q = tx->w->quota;

	return c->has_from ? bce_quota_move(q, &c->from, &c->to, c->sectors, c->inodes, 0) :
			     bce_quota_charge(q, &c->to, c->sectors, c->inodes, 0);
}

static void quota_undo(struct names_tx *tx)
{
	struct quota_table *q = tx->w->quota;

	while (tx->nr_quota) {
		const struct quota_change *c = &tx->quota[--tx->nr_quota];

		if (c->has_from)
			bce_quota_move(q, &c->to, &c->from, c->sectors, c->inodes, QUOTA_NO_LIMIT);
		else
			bce_quota_charge(q, &c->to, -c->sectors, -c->inodes, QUOTA_NO_LIMIT);
	}
}

static int quota_change(struct names_tx *tx, const struct quota_change *c)
{
	int ret;

	if (!tx->w->quota)
		return 0;
	ret = quota_apply(tx, c);
	if (!ret)
		tx->quota[tx->nr_quota++] = *c;
	return ret;
}

int names_tx_charge(struct names_tx *tx, const struct inode_fields *f, s64 inodes)
{
	struct quota_change c = {
		.to = bce_quota_owner(f),
		.sectors = f->sectors,
		.inodes = inodes,
	};

	return quota_change(tx, &c);
}

int names_tx_charge_move(struct names_tx *tx, const struct inode_fields *old,
			 const struct inode_fields *new)
{
	struct quota_change c = {
		.from = bce_quota_owner(old),
		.to = bce_quota_owner(new),
		.has_from = true,
		.sectors = old->sectors,
		.inodes = 1,
	};

	return quota_change(tx, &c);
}

/* ---- the loop ---- */

struct attempt {
	struct names_tx	tx;
	int		(*fn)(struct names_tx *tx, void *ctx);
	void		*ctx;
};

static int attempt_fn(struct bce_trans *t, void *ctx)
{
	struct attempt *a = ctx;

	/* of an attempt that was not committed */
	quota_undo(&a->tx);
	a->tx.t = t;
	return a->fn(&a->tx, a->ctx);
}

int names_run(struct names_writer *w, int (*fn)(struct names_tx *tx, void *ctx), void *ctx)
{
	unsigned int nofs = memalloc_nofs_save();
	struct attempt a = { .tx = { .w = w, .now = time_now(w) }, .fn = fn, .ctx = ctx };
	int ret = bce_trans_run(w->src.btrees, attempt_fn, &a, 0, NULL);

	if (ret)
		quota_undo(&a.tx);
	memalloc_nofs_restore(nofs);
	return ret;
}

/* ---- beginning and end ---- */

int bce_names_writer_init(struct names_writer *w)
{
	int ret;

	spin_lock_init(&w->inum_lock);
	mutex_init(&w->clean_lock);
	w->inum_next = 0;
	w->inum_wrapped = false;
	w->subvol_last = 0;
	w->stopping = false;
	w->clean_error = 0;
	w->quota = NULL;
	INIT_WORK(&w->clean_work, names_clean_work);
	w->clean_wq = alloc_workqueue("bce_names", WQ_UNBOUND | WQ_MEM_RECLAIM, 1);
	if (!w->clean_wq)
		return -ENOMEM;
	ret = w->src.sb ? bce_quota_open(&w->quota, w->src.sb, w->quota_types) : 0;
	if (ret)
		destroy_workqueue(w->clean_wq);
	return ret;
}

int bce_names_writer_start(struct names_writer *w)
{
	int ret = 0;

	if (w->quota)
		ret = bce_quota_read(w->quota, w->src.btrees, w->snapshots, w->src.log);
	if (!ret)
		ret = names_delete_leftovers(w);
	if (!ret)
		queue_work(w->clean_wq, &w->clean_work);
	return ret;
}

void bce_names_writer_pause(struct names_writer *w)
{
	WRITE_ONCE(w->stopping, true);
	cancel_work_sync(&w->clean_work);
}

void bce_names_writer_unpause(struct names_writer *w)
{
	WRITE_ONCE(w->stopping, false);
	queue_work(w->clean_wq, &w->clean_work);
}

void bce_names_writer_exit(struct names_writer *w)
{
	WRITE_ONCE(w->stopping, true);
	destroy_workqueue(w->clean_wq);
	mutex_destroy(&w->clean_lock);
	bce_quota_close(w->quota);
	w->quota = NULL;
}
