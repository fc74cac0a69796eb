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
 *                                       +- the last --> keys committed, with those of other writes (write_index.c)
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
#include "engine/data/write_op.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

#define OPS_RESERVED		4
#define BIOS_RESERVED		64
#define BUFFERS_IDLE		32

#define INLINE_BYTES_MAX	1024

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

/* ---- batches ---- */

struct write_how bce_write_op_how(const struct write_op *op)
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
	struct write_how how = bce_write_op_how(op);
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

static void op_more(struct bce_closure *cl)
{
	struct write_op *op = container_of(cl, struct write_op, cl);
	unsigned int nofs = memalloc_nofs_save();

	batch_send(op);
	bce_closure_continue_at(&op->cl, bce_write_index, NULL);
	memalloc_nofs_restore(nofs);
}

void bce_write_indexed(struct write_op *op)
{
	if (op->iter.bi_size && !op->error)
		bce_closure_continue_at(&op->cl, op_more, op->w->more_wq);
	else
		op_end(op);
}

/* ---- begin ---- */

/* what a write has to know of its file */
struct file_look {
	struct data_writer	*w;
	struct bce_file_id	file;
	struct data_options	opts;
	u64			size;
	u32			snapshot;	/* that is written in */
};

static int file_look(struct bce_trans *t, void *ctx)
{
	struct file_look *f = ctx;
	struct data_inode inode;
	int ret = bce_data_inode_get(t, &f->w->env, f->file, &inode);

	if (ret)
		return ret;
	bce_data_options_of(f->w, &inode.f, &f->opts);
	f->size = inode.f.size;
	f->snapshot = inode.snapshot;
	return 0;
}

static bool holds_space(const struct file_look *f, u64 start, u64 end)
{
	struct data_writer *w = f->w;
	struct snapshot_view view = w->env.snapshots->view(w->env.snapshots->ctx, f->snapshot);
	struct bce_extent e;

	if (f->opts.nocow && bce_nocow_has_places(w, f->file, start, end))
		return true;
	for (; start < end; start = e.end_sector)
		if (bce_data_extent_at(w->c.btrees, f->file.inum, &view, start, &e) ||
		    e.kind != BCE_EXTENT_RESERVED)
			return false;
	return true;
}

bool bce_data_holds_space(struct data_writer *w, struct bce_file_id file, u64 start, u64 end)
{
	struct file_look f = { .w = w, .file = file };

	return !bce_data_look(w, file_look, &f) && holds_space(&f, start, end);
}

static int op_begin(struct write_op *op)
{
	struct data_writer *w = op->w;
	struct file_look f = { .w = w, .file = op->req->file };
	u32 sectors = op->iter.bi_size >> SECTOR_SHIFT;
	u64 blocks = op->iter.bi_size | op->pos << SECTOR_SHIFT;
	int ret;

	if (!op->iter.bi_size || blocks % (w->c.block_sectors << SECTOR_SHIFT))
		return -EINVAL;
	ret = bce_data_look(w, file_look, &f);
	if (ret)
		return ret;
	op->opts = f.opts;
	op->snapshot = f.snapshot;
	op->data_end_bytes = max(f.size, op->req->new_size);
	if (!op->req->space)
		ret = w->c.ops->reserve(w->c.ctx, &op->own, sectors, op->opts.data_replicas);
	/* then it needs no more of what is free */
	if (ret == -ENOSPC && holds_space(&f, op->pos, op->pos + sectors))
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
		bce_closure_continue_at(&op->cl, bce_write_index, NULL);
	}
	memalloc_nofs_restore(nofs);
}

/* ---- the writer ---- */

/*
 * Making the next batch has a queue of its own: it waits for buffers, which are given back by the threads of the index, of
 * which there may be one only when memory is short.
 */
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
	w->more_wq = alloc_workqueue("bce_write_more", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!w->more_wq)
		return -ENOMEM;
	return bce_write_index_init(w) ?: bce_move_init(w);
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
	bce_write_index_exit(w);
	bce_move_exit(w);
	bioset_exit(&w->bios);
	mempool_exit(&w->ops);
	bce_compressor_free(w->compressor);
	bce_buffer_pool_exit(&w->stored);
	bce_buffer_pool_exit(&w->source);
	kvfree(w);
}
