// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the pages of a bio to a range of a file.
 *
 *  bce_data_write (caller)        devices               wq
 *  -----------------------        -------               --
 *  options of the file
 *  space reserved
 *  batch: extent, extent, ... --> each to all its
 *  each encoded, given space      replicas at once
 *  and sent                             |
 *                                       +- the last --> failures settled (write_io.c)
 *                                                       one transaction: all keys of the batch
 *                                                         and the inode
 *                                                       space and buffers given back
 *                                                       more of the bio? the next batch (more_wq)
 *                                                       flush, if asked for;  done()
 *
 * A batch is at most WRITE_BATCH extents, or ends where a buffer would have to be waited for: who
 * holds buffers never waits for another, so the first extent of a batch always gets one.
 *
 * Keys are committed only after their data has been written, and the journal entry that holds them is
 * written behind a flush of the devices, so a key never leads to data that is not there. The transaction
 * looks up afresh which snapshot the file is written in and how long it is. What lies behind its end
 * by then (somebody truncated it) is not made a key.
 *
 * Small files: what is left of the data, if it is at most half a block (and 1 KiB), is put into
 * the key itself. It still fills a whole block of the file.
 *
 * Files with option nocow: extents that may be written over are (nocow.c). They are part of a batch like others, but
 * no key of theirs is committed.
 *
 * Source: docs/format/65-operations.md, section 8; 85-policies.md, section 3.
 */
#include "engine/data/write.h"

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/data/compress.h"
#include "engine/data/extent_at.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

#define WRITE_BATCH		16
#define KEYS_PER_STEP		64
#define OPS_RESERVED		4
#define INDEX_THREADS		16
#define BIOS_RESERVED		64
#define BUFFERS_IDLE		32

#define INLINE_BYTES_MAX	1024

struct write_op {
	struct bce_closure		cl;
	struct data_writer		*w;
	struct data_write		*req;
	struct data_options		opts;
	struct bvec_iter		iter;		/* not yet in a batch ... */
	u64				pos;		/* ... and its file sector */
	u64				data_end_bytes;	/* of the file, when this is done */
	u32				snapshot;	/* that is written in, when it began */
	struct space_reservation	own;		/* if the caller brought none */
	struct space_reservation	split;		/* for what cutting compressed extents costs */
	unsigned int			nr;
	unsigned int			committed, committing;	/* of them */
	u64				inode_sectors;	/* of the file, with those being committed */
	int				error;
	struct write_extent		e[WRITE_BATCH];
};

/* ---- options ---- */

#define TAKE_OPT(out, inode, field)					\
	do {								\
		if ((inode)->field)					\
			(out)->field = (inode)->field - 1;		\
	} while (0)

void bce_data_options_of(struct data_writer *w, const struct inode_fields *inode,
			 struct data_options *out)
{
	w->c.ops->options(w->c.ctx, out);
	if (inode) {
		TAKE_OPT(out, inode, data_checksum);
		TAKE_OPT(out, inode, compression);
		TAKE_OPT(out, inode, background_compression);
		TAKE_OPT(out, inode, data_replicas);
		TAKE_OPT(out, inode, foreground_target);
		TAKE_OPT(out, inode, background_target);
		TAKE_OPT(out, inode, promote_target);
		TAKE_OPT(out, inode, nocow);
	}
	out->data_replicas = clamp_t(u8, out->data_replicas, 1, ALLOC_PTRS_MAX);
	/* it would be stored as it is, and whoever has the disks could read it */
	if (w->c.cipher)
		out->nocow = false;
	if (out->nocow) {
		out->data_checksum = BCH_CSUM_OPT_none;
		out->compression = 0;
		out->background_compression = 0;
	}
}

void bce_data_wanted(struct data_writer *w, const struct data_options *opts,
		     struct extent_wanted *out)
{
	*out = (struct extent_wanted) {
		.target		= opts->background_target,
		.compression	= opts->background_compression ?: opts->compression,
	};
	if (out->target)
		out->target_devs = w->c.ops->target_devs(w->c.ctx, out->target);
}

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

	op->committing = min(op->nr, op->committed + READ_ONCE(w->keys_per_step));
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

static int commit_batch(struct bce_trans *t, void *ctx)
{
	struct write_op *op = ctx;
	struct data_writer *w = op->w;
	struct data_inode inode;
	int ret = bce_data_inode_get(t, &w->env, op->req->file, &inode);

	if (!ret)
		ret = commit_extents(t, op, &inode);
	if (ret)
		return ret;
	op->inode_sectors = inode.f.sectors;
	if (op->req->mtime)
		inode.f.mtime = inode.f.ctime = w->c.ops->now(w->c.ctx);
	return bce_data_inode_put(t, &inode);
}

/* ---- batches ---- */

static struct write_how op_how(const struct write_op *op)
{
	return (struct write_how) {
		.opts		= &op->opts,
		.watermark	= ALLOC_NORMAL,
		.stream		= op->req->stream,
		.may_wait	= true,
		.unstable	= op->req->flags & BCE_WRITE_UNSTABLE,
	};
}

static void copy_inline(struct write_op *op, struct write_extent *e, unsigned int bytes)
{
	struct bvec_iter iter = op->iter, i;
	struct bio_vec bv;
	void *dst = e->buffer;

	memset(dst, 0, round_up(bytes, sizeof(u64)));
	iter.bi_size = bytes;
	__bio_for_each_segment(bv, op->req->bio, i, iter) {
		memcpy_from_bvec(dst, &bv);
		dst += bv.bv_len;
	}
	e->inline_bytes = bytes;
}

/* bytes that may go into the key as all that is left to write; 0: not to be done */
static unsigned int inline_bytes(const struct write_op *op)
{
	u32 block_bytes = op->w->c.block_sectors << SECTOR_SHIFT;
	u64 start = op->pos << SECTOR_SHIFT;
	u64 bytes;

	if (!op->opts.inline_data || op->data_end_bytes <= start ||
	    op->iter.bi_size != block_bytes)
		return 0;
	bytes = op->data_end_bytes - start;
	return bytes <= min_t(u32, block_bytes / 2, INLINE_BYTES_MAX) ? bytes : 0;
}

static int next_inline(struct write_op *op, struct write_extent *e, unsigned int bytes)
{
	struct data_writer *w = op->w;
	int ret = bce_write_need_features(w, 1ULL << BCH_FEATURE_inline_data);

	if (ret)
		return ret;
	*e = (struct write_extent) {
		.w = w,
		.start = op->pos,
		.sectors = w->c.block_sectors,
		.type = KEY_TYPE_inline_data,
	};
	e->buffer = op->nr ? bce_buffer_try_get(&w->stored) : bce_buffer_get(&w->stored);
	if (!e->buffer)
		return -EAGAIN;
	copy_inline(op, e, bytes);
	return 0;
}

static int next_extent(struct write_op *op, struct write_run *run)
{
	struct write_extent *e = &op->e[op->nr];
	struct write_how how = op_how(op);
	unsigned int bytes = inline_bytes(op);
	int ret;

	how.may_wait = !op->nr;
	ret = op->opts.nocow ? bce_nocow_next(op->w, &how, op->req->file, op->req->bio, op->iter, op->pos, e) : 0;
	if (ret < 0)
		return ret;
	if (ret)
		ret = 0;
	else if (bytes)
		ret = next_inline(op, e, bytes);
	else
		ret = bce_write_encode(op->w, &how, op->req->bio, op->iter, op->pos, e);
	if (ret)
		return ret;
	bio_advance_iter(op->req->bio, &op->iter, e->sectors << SECTOR_SHIFT);
	op->pos += e->sectors;
	op->nr++;
	bce_write_run_add(run, e, &op->cl);
	return 0;
}

static void batch_send(struct write_op *op)
{
	struct write_run run = { };
	struct blk_plug plug;
	int ret = 0;

	op->nr = 0;
	blk_start_plug(&plug);
	while (!ret && op->iter.bi_size && op->nr < WRITE_BATCH)
		ret = next_extent(op, &run);
	bce_write_run_end(&run, &op->cl);
	blk_finish_plug(&plug);
	if (ret && ret != -EAGAIN)
		op->error = ret;
}

static int batch_settle(struct write_op *op)
{
	struct write_how how = op_how(op);
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

static void batch_end(struct write_op *op)
{
	int ret = batch_settle(op);

	if (ret)
		op->error = ret;
	/* one transaction, unless journal entries are short */
	for (op->committed = 0; op->committed < op->nr; op->committed = op->committing) {
		ret = bce_data_step_charged(op->w, commit_batch, op, !op->req->space,
					    &op->req->seq);
		op->w->c.ops->unreserve(op->w->c.ctx, &op->split);
		if (ret) {
			op->error = ret;
			break;
		}
		op->req->inode_sectors = op->inode_sectors;
	}
	for (unsigned int i = 0; i < op->nr; i++)
		bce_write_extent_release(&op->e[i]);
}

static void op_free(struct bce_closure *cl)
{
	struct write_op *op = container_of(cl, struct write_op, cl);
	struct data_writer *w = op->w;
	struct data_write *req = op->req;
	int error = op->error;

	w->c.ops->unreserve(w->c.ctx, op->req->space ?: &op->own);
	mempool_free(op, &w->ops);
	req->done(req, error);
}

static void op_end(struct write_op *op)
{
	struct data_writer *w = op->w;

	if (!op->error && op->req->seq && (op->req->flags & BCE_WRITE_FUA))
		op->error = w->c.ops->flush(w->c.ctx, op->req->seq);
	bce_closure_return_with_destructor(&op->cl, op_free);
}

static void op_more(struct bce_closure *cl);

static void op_index(struct bce_closure *cl)
{
	struct write_op *op = container_of(cl, struct write_op, cl);
	unsigned int nofs = memalloc_nofs_save();

	batch_end(op);
	if (op->iter.bi_size && !op->error)
		bce_closure_continue_at(&op->cl, op_more, op->w->more_wq);
	else
		op_end(op);
	memalloc_nofs_restore(nofs);
}

static void op_more(struct bce_closure *cl)
{
	struct write_op *op = container_of(cl, struct write_op, cl);
	unsigned int nofs = memalloc_nofs_save();

	batch_send(op);
	bce_closure_continue_at(&op->cl, op_index, op->w->wq);
	memalloc_nofs_restore(nofs);
}

/* ---- begin ---- */

static int read_inode(struct bce_trans *t, void *ctx)
{
	struct write_op *op = ctx;
	struct data_inode inode;
	int ret = bce_data_inode_get(t, &op->w->env, op->req->file, &inode);

	if (ret)
		return ret;
	bce_data_options_of(op->w, &inode.f, &op->opts);
	op->data_end_bytes = max(inode.f.size, op->req->new_size);
	op->snapshot = inode.snapshot;
	return 0;
}

/* does the file itself hold space for all of it? Then it needs no more of what is free */
static bool reserved_in_file(struct write_op *op)
{
	struct data_writer *w = op->w;
	struct snapshot_view view = w->env.snapshots->view(w->env.snapshots->ctx, op->snapshot);
	u64 end = op->pos + (op->iter.bi_size >> SECTOR_SHIFT);
	struct bce_extent e;

	if (op->opts.nocow && bce_nocow_has_places(w, op->req->file, op->pos, end))
		return true;
	for (u64 at = op->pos; at < end; at = e.end_sector)
		if (bce_data_extent_at(w->c.btrees, op->req->file.inum, &view, at, &e) ||
		    e.kind != BCE_EXTENT_RESERVED)
			return false;
	return true;
}

static int op_begin(struct write_op *op)
{
	struct data_writer *w = op->w;
	u64 blocks = op->iter.bi_size | op->pos << SECTOR_SHIFT;
	int ret;

	if (!op->iter.bi_size || blocks % (w->c.block_sectors << SECTOR_SHIFT))
		return -EINVAL;
	ret = bce_data_look(w, read_inode, op);
	if (!ret && !op->req->space)
		ret = w->c.ops->reserve(w->c.ctx, &op->own, op->iter.bi_size >> SECTOR_SHIFT,
					op->opts.data_replicas);
	if (ret == -ENOSPC && reserved_in_file(op))
		ret = 0;
	return ret;
}

void bce_data_write(struct data_writer *w, struct data_write *write)
{
	unsigned int nofs = memalloc_nofs_save();
	struct write_op *op = mempool_alloc(&w->ops, GFP_NOIO);

	memset(op, 0, offsetof(struct write_op, e));
	bce_closure_init(&op->cl, NULL);
	op->w = w;
	op->req = write;
	op->iter = write->bio->bi_iter;
	op->pos = write->bio->bi_iter.bi_sector;
	write->seq = 0;
	write->inode_sectors = -1;
	op->error = op_begin(op);
	if (op->error) {
		op_end(op);
	} else {
		batch_send(op);
		bce_closure_continue_at(&op->cl, op_index, w->wq);
	}
	memalloc_nofs_restore(nofs);
}

/* ---- the writer ---- */

/*
 * What follows the devices is done on the processor that took the interrupt, and by not more threads than are of use: they
 * wait for btrees and the journal, and for nothing that others of their queue give back. Making the next batch is
 * another matter: it waits for buffers, which are given back by those threads, of which there may be one only when
 * memory is short.
 */
static int writer_workqueues(struct data_writer *w)
{
	w->wq = alloc_workqueue("bce_write", WQ_MEM_RECLAIM, INDEX_THREADS);
	w->more_wq = alloc_workqueue("bce_write_more", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return w->wq && w->more_wq ? 0 : -ENOMEM;
}

static int writer_init(struct data_writer *w)
{
	size_t max_bytes = (size_t)max(w->c.encoded_extent_max_sectors, w->c.block_sectors) *
			   SECTOR_SIZE;
	int ret = bce_buffer_pool_init(&w->source, max_bytes, BUFFERS_IDLE);

	if (!ret)
		ret = bce_buffer_pool_init(&w->stored, max_bytes, BUFFERS_IDLE);
	if (!ret)
		ret = bce_compressor_alloc(&w->compressor, max_bytes);
	if (!ret)
		ret = mempool_init_kmalloc_pool(&w->ops, OPS_RESERVED, sizeof(struct write_op));
	if (!ret)
		ret = bce_write_bioset_init(&w->bios, BIOS_RESERVED);
	if (ret)
		return ret;
	return writer_workqueues(w) ?: bce_move_init(w);
}

int bce_data_writer_alloc(struct data_writer **out, const struct data_writer_config *config)
{
	struct data_writer *w;
	int ret;

	if (!config->block_sectors || !config->encoded_extent_max_sectors)
		return -EINVAL;
	w = kvzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	w->c = *config;
	w->keys_per_step = KEYS_PER_STEP;
	w->env = (struct extent_env) { .snapshots = config->snapshots, .rules = config->rules };
	mutex_init(&w->move_lock);
	bce_nocow_init(&w->nocow);
	spin_lock_init(&w->heal_lock);
	INIT_WORK(&w->heal_work, bce_heal_work);
	ratelimit_state_init(&w->complaints, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	ret = writer_init(w);
	if (ret) {
		bce_data_writer_free(w);
		return ret;
	}
	*out = w;
	return 0;
}

void bce_data_writer_free(struct data_writer *w)
{
	if (!w)
		return;
	if (w->more_wq)
		destroy_workqueue(w->more_wq);
	if (w->wq)
		destroy_workqueue(w->wq);
	bce_move_exit(w);
	bioset_exit(&w->bios);
	mempool_exit(&w->ops);
	bce_compressor_free(w->compressor);
	bce_buffer_pool_exit(&w->stored);
	bce_buffer_pool_exit(&w->source);
	kvfree(w);
}
