// SPDX-License-Identifier: GPL-2.0
/*
 * Committing the keys of what has been written: the second half of a write (write.c).
 *
 *	last bio of a write ends        lane of the file               a thread of wq
 *	------------------------        ----------------               --------------
 *	bce_write_index()  ---------->  ready, ready, ready ---------> a group: as many as there are of one file
 *	                                                               failures settled (write_io.c)
 *	                                                               one transaction: all keys of the group
 *	                                                                 and the inode, once
 *	                                                               space and buffers given back
 *	                                                               bce_write_indexed() for each
 *
 * A file has one lane, by a hash of its number, and of a lane only one group is committed at a time. Two transactions of
 * one file would both change its inode, and one of them would have to begin anew; together they look it up and
 * write it once, and so it is with the totals of accounting and the bucket that they all went to. What becomes ready
 * while a group is committed is the next group, so groups are as large as the set is behind; a write that comes alone
 * waits for nobody.
 *
 * A group that fails is committed one by one, so that each gets the error that is its own.
 *
 * A commit may have to read nodes. A group's leaves of extents are asked for before its transaction goes to them one by one.
 */
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "engine/btree/btrees.h"
#include "engine/data/write_op.h"
#include "engine/format/ids.h"

#define KEYS_PER_STEP		64
#define GROUP_OPS		16
#define INDEX_THREADS		16

/* writes of one file whose keys are committed together */
struct index_group {
	struct data_writer	*w;
	bool			enforce;	/* quotas: nothing was promised */
	unsigned int		nr;
	struct write_op		*op[GROUP_OPS];
};

/* ---- keys ---- */

static void inline_key(const struct write_extent *e, struct bkey *k)
{
	k->type = KEY_TYPE_inline_data;
	k->v = e->buffer;
	k->val_u64s = DIV_ROUND_UP(e->inline_bytes, sizeof(u64));
}

void bce_write_extent_key(const struct write_extent *e, const struct data_options *opts,
			  struct bpos pos, struct bkey *k, struct extent_value *v)
{
	struct extent_ptrs ptrs = { };
	struct extent_wanted want;

	*k = (struct bkey) {
		.p		= pos,
		.size		= e->sectors,
		.version	= e->version,
		.type		= KEY_TYPE_extent,
	};
	if (e->type == KEY_TYPE_inline_data) {
		inline_key(e, k);
		return;
	}
	for (unsigned int i = 0; i < e->space.nr; i++) {
		ptrs.p[i].ptr = e->space.ptr[i];
		ptrs.p[i].crc = e->crc;
	}
	ptrs.nr = e->space.nr;
	bce_data_wanted(e->w, opts, &want);
	bce_extent_set_rebalance(&ptrs, &want, false);
	bce_extent_ptrs_encode(&ptrs, k, v);
}

/* @end: behind it nothing may be. False: nothing is left */
static bool commit_key(struct write_op *op, const struct write_extent *e, u64 inum, u32 snapshot,
		       u64 end, struct bkey *k, struct extent_value *v)
{
	if (e->start >= end)
		return false;
	bce_write_extent_key(e, &op->opts, SPOS(inum, e->start + e->sectors, snapshot), k, v);
	bce_key_cut_back(k, end);
	return true;
}

static void grow(struct data_inode *inode, u64 end_sectors, u64 new_size)
{
	u64 size = min(end_sectors << SECTOR_SHIFT, new_size);

	inode->f.size = max(inode->f.size, size);
}

/*
 * Pieces of compressed extents are charged whole sectors each, on paper: the data stays where it is. Who is here has
 * been promised his space, so this is counted and not asked for.
 */
static void reserve_split(struct write_op *op, u64 sectors)
{
	struct data_writer *w = op->w;

	w->c.ops->unreserve(w->c.ctx, &op->split);	/* of a run that was begun anew */
	if (sectors)
		w->c.ops->reserve_more(w->c.ctx, &op->split, sectors);
}

static int commit_extents(struct bce_trans *t, struct write_op *op, struct data_inode *inode)
{
	struct data_writer *w = op->w;
	u64 new_size = op->req->new_size;
	u64 split_sectors = 0;
	u64 end = bce_data_eof_sectors(max(inode->f.size, new_size), w->c.block_sectors);

	for (unsigned int i = op->committed; i < op->committing; i++) {
		struct extent_change change = { };
		struct extent_value v;
		struct bkey k;
		int ret;

		if (op->e[i].in_place) {
			grow(inode, min(end, op->e[i].start + op->e[i].sectors), new_size);
			continue;
		}
		if (!commit_key(op, &op->e[i], inode->f.inum, inode->snapshot, end, &k, &v))
			break;
		ret = bce_extent_update(t, &w->env, &k, &change);
		if (ret)
			return ret;
		bce_data_inode_sectors(inode, &change);
		split_sectors += change.split_sectors;
		grow(inode, k.p.offset, new_size);
	}
	reserve_split(op, split_sectors);
	return 0;
}

/* ---- groups ---- */

/* one transaction: as many of the keys that are left as fit */
static int commit_step(struct bce_trans *t, void *ctx)
{
	struct index_group *g = ctx;
	struct data_writer *w = g->w;
	unsigned int room = READ_ONCE(w->keys_per_step);
	struct data_inode inode;
	bool mtime = false;
	int ret = bce_data_inode_get(t, &w->env, g->op[0]->req->file, &inode);

	for (unsigned int i = 0; i < g->nr && !ret; i++) {
		struct write_op *op = g->op[i];

		op->committing = min(op->nr, op->committed + room);
		room -= op->committing - op->committed;
		ret = commit_extents(t, op, &inode);
		op->inode_sectors = inode.f.sectors;
		mtime |= op->req->mtime;
	}
	if (ret)
		return ret;
	if (mtime)
		inode.f.mtime = inode.f.ctime = w->c.ops->now(w->c.ctx);
	return bce_data_inode_put(t, &inode);
}

static bool group_has_keys(const struct index_group *g)
{
	for (unsigned int i = 0; i < g->nr; i++)
		if (g->op[i]->committed < g->op[i]->nr)
			return true;
	return false;
}

/* one transaction, unless journal entries are short */
static int group_commit(struct index_group *g)
{
	struct data_writer *w = g->w;

	while (group_has_keys(g)) {
		u64 seq = 0;
		int ret = bce_data_step_charged(w, commit_step, g, g->enforce, &seq);

		for (unsigned int i = 0; i < g->nr; i++)
			w->c.ops->unreserve(w->c.ctx, &g->op[i]->split);
		if (ret)
			return ret;
		for (unsigned int i = 0; i < g->nr; i++) {
			struct write_op *op = g->op[i];

			if (op->committing == op->committed)
				continue;
			op->committed = op->committing;
			op->req->inode_sectors = op->inode_sectors;
			if (seq)
				op->req->seq = seq;
		}
	}
	return 0;
}

static void commit_alone(const struct index_group *g, struct write_op *op)
{
	struct index_group one = { .w = g->w, .enforce = g->enforce, .nr = 1, .op = { op } };
	int ret = group_commit(&one);

	if (ret)
		op->error = ret;
}

static int op_settle(struct write_op *op)
{
	struct write_how how = bce_write_op_how(op);
	unsigned int i;

	for (i = 0; i < op->nr; i++) {
		int ret = bce_write_extent_settle(&op->e[i], &how, op->opts.data_replicas_required);

		if (ret) {
			/* those before it lie on the devices: they are written */
			for (unsigned int j = i; j < op->nr; j++)
				bce_write_extent_release(&op->e[j]);
			op->nr = i;
			return ret;
		}
	}
	return 0;
}

/* not the first: the transaction goes there at once */
static void group_prefetch(const struct index_group *g)
{
	for (unsigned int i = 1; i < g->nr; i++) {
		const struct write_op *op = g->op[i];

		if (op->nr)
			bce_btrees_prefetch(g->w->c.btrees, BTREE_ID_extents,
					    SPOS(op->req->file.inum, op->e[0].start + 1, op->snapshot));
	}
}

static void group_index(struct index_group *g)
{
	group_prefetch(g);
	for (unsigned int i = 0; i < g->nr; i++) {
		int ret = op_settle(g->op[i]);

		if (ret)
			g->op[i]->error = ret;
		g->op[i]->committed = 0;
	}
	if (g->nr == 1 || group_commit(g))
		for (unsigned int i = 0; i < g->nr; i++)
			commit_alone(g, g->op[i]);
	for (unsigned int i = 0; i < g->nr; i++) {
		struct write_op *op = g->op[i];

		for (unsigned int j = 0; j < op->nr; j++)
			bce_write_extent_release(&op->e[j]);
		bce_write_indexed(op);
	}
}

/* ---- lanes ---- */

/* the first that is ready, and others like it */
static bool group_take(struct index_lane *lane, struct index_group *g)
{
	struct write_op *op, *next;
	bool more;

	g->w = lane->w;
	g->nr = 0;
	spin_lock_irq(&lane->lock);
	list_for_each_entry_safe(op, next, &lane->ready, ready) {
		if (!g->nr)
			g->enforce = !op->req->space;
		else if (op->req->file.inum != g->op[0]->req->file.inum ||
			 op->req->file.subvol != g->op[0]->req->file.subvol ||
			 g->enforce != !op->req->space)
			continue;
		list_del(&op->ready);
		g->op[g->nr++] = op;
		if (g->nr == GROUP_OPS)
			break;
	}
	more = !list_empty(&lane->ready);
	spin_unlock_irq(&lane->lock);
	/* behind other lanes */
	if (more)
		queue_work(lane->w->wq, &lane->work);
	return g->nr;
}

static void lane_work(struct work_struct *work)
{
	struct index_lane *lane = container_of(work, struct index_lane, work);
	unsigned int nofs = memalloc_nofs_save();
	struct index_group g;

	if (group_take(lane, &g))
		group_index(&g);
	memalloc_nofs_restore(nofs);
}

void bce_write_index(struct bce_closure *cl)
{
	struct write_op *op = container_of(cl, struct write_op, cl);
	struct data_writer *w = op->w;
	struct index_lane *lane = &w->lanes[hash_64(op->req->file.inum, INDEX_LANES_BITS)];
	unsigned long irq;

	spin_lock_irqsave(&lane->lock, irq);
	list_add_tail(&op->ready, &lane->ready);
	queue_work(w->wq, &lane->work);
	spin_unlock_irqrestore(&lane->lock, irq);
	/* not only @op may be gone now: if it was the last, @w, too */
}

/*
 * What follows the devices is done on the processor that took the interrupt, and by not more threads than are of use: they
 * wait for btrees and the journal, and for nothing that others of their queue give back.
 */
int bce_write_index_init(struct data_writer *w)
{
	w->keys_per_step = KEYS_PER_STEP;
	w->lanes = kcalloc(1U << INDEX_LANES_BITS, sizeof(*w->lanes), GFP_KERNEL);
	w->wq = alloc_workqueue("bce_write", WQ_MEM_RECLAIM, INDEX_THREADS);
	if (!w->lanes || !w->wq)
		return -ENOMEM;
	for (unsigned int i = 0; i < 1U << INDEX_LANES_BITS; i++) {
		struct index_lane *lane = &w->lanes[i];

		lane->w = w;
		spin_lock_init(&lane->lock);
		INIT_LIST_HEAD(&lane->ready);
		INIT_WORK(&lane->work, lane_work);
	}
	return 0;
}

void bce_write_index_exit(struct data_writer *w)
{
	if (w->wq)
		destroy_workqueue(w->wq);
	kfree(w->lanes);
}
