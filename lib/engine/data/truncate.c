// SPDX-License-Identifier: GPL-2.0
/*
 * Changing a file's size (docs/format/65-operations.md, section 9).
 *
 * A file that becomes shorter:
 *
 *	1. the block in which the new end lies is read, and written anew with zeros behind the end; no
 *	   key leads to that yet
 *	2. one transaction: record of the operation, the new size, the key of that block. Whether anything lies
 *	   behind the end, so that there must be a record, is looked at in it: until it is committed others
 *	   may write there
 *	3. some transactions: extents behind the end are deleted
 *	4. the record is deleted
 *
 * A crash before 2 changes nothing; after it the size is new, and the record tells whoever starts the
 * set next to go on with 3. If 3 fails, though, and the set goes on, the record goes, and the old size comes back: what is
 * written behind the new end from now on must not be cut by the next start. What has been deleted by then reads as zeros.
 *
 * As long as there is a record no snapshot is taken of the subvolume (names/subvol_write.c), for it would keep the new size
 * together with what is behind it.
 */
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/data/extent_at.h"
#include "engine/data/read_internal.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/key/values.h"

struct truncate {
	struct data_writer	*w;
	struct data_target	target;
	u64			new_size;
	u64			seq;
	/* found */
	struct inode_fields	inode;
	u32			snapshot;
	struct data_options	opts;
	/* made */
	bool			more;		/* something lies behind the end; as of the last run of set_size() */
	struct bpos		record;
	bool			has_tail;
	struct write_extent	tail;
};

static u64 new_end(const struct truncate *tr)
{
	return bce_data_eof_sectors(tr->new_size, tr->w->c.block_sectors);
}

static int look_at_file(struct bce_trans *t, void *ctx)
{
	struct truncate *tr = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, tr->w, &tr->target, &inode);

	if (ret)
		return ret;
	tr->inode = inode.f;
	tr->snapshot = inode.snapshot;
	bce_data_options_of(tr->w, &inode.f, &tr->opts);
	return 0;
}

/* ---- the last block ---- */

struct block_read {
	struct data_read	read;
	struct completion	done;
	int			error;
};

static void block_read_done(struct data_read *read, int error)
{
	struct block_read *b = container_of(read, struct block_read, read);

	b->error = error;
	complete(&b->done);
}

static int read_block(struct truncate *tr, struct bio *bio)
{
	struct data_writer *w = tr->w;
	struct block_read b = {
		.read = {
			.bio	= bio,
			.inum	= tr->inode.inum,
			.view	= w->env.snapshots->view(w->env.snapshots->ctx, tr->snapshot),
			.done	= block_read_done,
		},
	};

	init_completion(&b.done);
	bce_data_read(w->c.reader, &b.read);
	wait_for_completion(&b.done);
	return b.error;
}

/* is there anything in the block but zeros? 1, 0, errno */
static int block_has_data(struct truncate *tr, u64 sector)
{
	struct data_writer *w = tr->w;
	struct snapshot_view view = w->env.snapshots->view(w->env.snapshots->ctx, tr->snapshot);
	struct bce_extent at;
	int ret = bce_data_extent_at(w->c.btrees, tr->inode.inum, &view, sector, &at);

	if (ret)
		return ret;
	return at.kind != BCE_EXTENT_HOLE && at.kind != BCE_EXTENT_RESERVED &&
	       at.kind != BCE_EXTENT_UNWRITTEN;
}

static struct write_how tail_how(const struct truncate *tr)
{
	return (struct write_how) {
		.opts		= &tr->opts,
		.watermark	= ALLOC_NORMAL,
		.stream		= tr->inode.inum,
		.may_wait	= true,
	};
}

/* through @bio, which is over @page: a block */
static int write_tail(struct truncate *tr, struct bio *bio, void *page, u32 block_bytes)
{
	struct write_how how = tail_how(tr);
	struct bvec_iter iter = bio->bi_iter;
	unsigned int keep = tr->new_size % block_bytes;
	int ret = read_block(tr, bio);

	if (ret)
		return ret;
	memset(page + keep, 0, block_bytes - keep);
	ret = bce_write_encode(tr->w, &how, bio, iter, iter.bi_sector, &tr->tail);
	if (ret)
		return ret;
	ret = bce_write_extent_sync(&tr->tail, &how, tr->opts.data_replicas_required);
	if (ret)
		bce_write_extent_release(&tr->tail);
	tr->has_tail = !ret;
	return ret;
}

static struct bio *bio_over(void *p, u32 bytes)
{
	unsigned int nr = bce_virtual_bvecs(p, bytes);
	struct bio *bio = bio_kmalloc(nr, GFP_NOIO);

	if (!bio)
		return NULL;
	bio_init(bio, NULL, bio->bi_inline_vecs, nr, REQ_OP_READ);
	bce_bio_add_virtual(bio, p, bytes);
	return bio;
}

static int prepare_tail(struct truncate *tr)
{
	u32 block_bytes = tr->w->c.block_sectors << SECTOR_SHIFT;
	u64 sector = round_down(tr->new_size, block_bytes) >> SECTOR_SHIFT;
	struct bio *bio;
	void *page;
	int ret;

	if (!(tr->new_size % block_bytes) || tr->inode.size <= tr->new_size)
		return 0;
	ret = block_has_data(tr, sector);
	if (ret <= 0)
		return ret;
	page = kvmalloc(block_bytes, GFP_NOIO);
	bio = page ? bio_over(page, block_bytes) : NULL;
	ret = -ENOMEM;
	if (bio) {
		bio->bi_iter.bi_sector = sector;
		ret = write_tail(tr, bio, page, block_bytes);
		bio_uninit(bio);
	}
	kfree(bio);
	kvfree(page);
	return ret;
}

/* ---- transactions ---- */

static int put_record(struct bce_trans *t, struct truncate *tr)
{
	struct bch_logged_op_truncate v = {
		.subvol		= cpu_to_le32(tr->target.file.subvol),
		.inum		= cpu_to_le64(tr->target.file.inum),
		.new_i_size	= cpu_to_le64(tr->new_size),
	};
	struct bkey k = {
		.type		= KEY_TYPE_logged_op_truncate,
		.val_u64s	= sizeof(v) / sizeof(u64),
		.v		= &v,
	};
	int ret = bce_logged_op_pos(t, &tr->record);

	k.p = tr->record;
	return ret ?: bce_trans_update(t, BTREE_ID_logged_ops, &k, 0);
}

/* is something to be deleted behind the end? A file that grows keeps what was allocated there */
static int look_behind_end(struct bce_trans *t, struct truncate *tr, const struct data_inode *inode)
{
	struct data_writer *w = tr->w;
	struct snapshot_view view = w->env.snapshots->view(w->env.snapshots->ctx, inode->snapshot);
	struct bkey k;
	int ret;

	tr->more = false;
	if (tr->new_size > inode->f.size)
		return 0;
	ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(inode->f.inum, new_end(tr), 0),
			     SPOS(inode->f.inum, U64_MAX, 0), &view, 0, &k);
	tr->more = !ret;
	return ret == -ENOENT ? 0 : ret;
}

static int put_tail(struct bce_trans *t, struct truncate *tr, struct data_inode *inode)
{
	struct extent_change change = { };
	struct extent_value v;
	struct bkey k;
	int ret;

	bce_write_extent_key(&tr->tail, &tr->opts,
			     SPOS(inode->f.inum, tr->tail.start + tr->tail.sectors,
				  inode->snapshot), &k, &v);
	ret = bce_extent_update(t, &tr->w->env, &k, &change);
	bce_data_inode_sectors(inode, &change);
	return ret;
}

static int set_size(struct bce_trans *t, void *ctx)
{
	struct truncate *tr = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, tr->w, &tr->target, &inode);

	if (!ret)
		ret = look_behind_end(t, tr, &inode);
	if (!ret && tr->more)
		ret = put_record(t, tr);
	if (!ret && tr->has_tail)
		ret = put_tail(t, tr, &inode);
	if (ret)
		return ret;
	inode.f.size = tr->new_size;
	inode.f.mtime = inode.f.ctime = tr->w->c.ops->now(tr->w->c.ctx);
	return bce_data_inode_put(t, &inode);
}

static int take_back(struct bce_trans *t, void *ctx)
{
	struct truncate *tr = ctx;
	struct data_inode inode;
	int ret = bce_trans_delete(t, BTREE_ID_logged_ops, tr->record, 0);

	if (!ret)
		ret = bce_data_target_inode(t, tr->w, &tr->target, &inode);
	if (ret)
		return ret;
	inode.f.size = max(inode.f.size, tr->inode.size);
	return bce_data_inode_put(t, &inode);
}

static void give_up(struct truncate *tr, int error)
{
	int ret = bce_data_step_on(tr->w, take_back, tr, &tr->seq);

	bce_log_line(tr->w->c.log, BCE_LOG_ERR, "inode %llu: could not be cut to %llu bytes (error %d), %s",
		     tr->target.file.inum, tr->new_size, error,
		     ret ? "the next start will try again" : "its size is as before");
}

static int truncate(struct truncate *tr)
{
	struct data_writer *w = tr->w;
	int ret = bce_data_look(w, look_at_file, tr);

	if (!ret)
		ret = prepare_tail(tr);
	if (!ret)
		ret = bce_data_step(w, set_size, tr, &tr->seq);
	if (tr->has_tail)
		bce_write_extent_release(&tr->tail);
	if (ret || !tr->more)
		return ret;
	ret = bce_data_delete_range(w, &tr->target, new_end(tr), U64_MAX, &tr->seq);
	if (!ret)
		ret = bce_logged_op_delete(w, tr->record, &tr->seq);
	if (ret)
		give_up(tr, ret);
	return ret;
}

int bce_data_truncate(struct data_writer *w, struct bce_file_id file, u64 new_size_bytes, u64 *seq)
{
	unsigned int nofs = memalloc_nofs_save();
	struct truncate *tr = kzalloc(sizeof(*tr), GFP_NOFS);
	int ret = -ENOMEM;

	if (tr) {
		tr->w = w;
		tr->target.file = file;
		tr->new_size = new_size_bytes;
		ret = truncate(tr);
		if (seq)
			*seq = tr->seq;
		kfree(tr);
	}
	memalloc_nofs_restore(nofs);
	return ret;
}

/* ---- after a crash ---- */

static int resume_size(struct bce_trans *t, void *ctx)
{
	struct truncate *tr = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, tr->w, &tr->target, &inode);

	if (ret)
		return ret;
	inode.f.size = tr->new_size;
	return bce_data_inode_put(t, &inode);
}

int bce_truncate_resume(struct data_writer *w, const struct bkey *k)
{
	struct logged_op_truncate_info info;
	struct truncate *tr;
	int ret;

	bce_logged_op_truncate_decode(k, &info);
	tr = kzalloc(sizeof(*tr), GFP_NOFS);
	if (!tr)
		return -ENOMEM;
	tr->w = w;
	tr->target.file = (struct bce_file_id) { .subvol = info.subvol, .inum = info.inum };
	tr->new_size = info.new_size_bytes;
	ret = bce_data_step(w, resume_size, tr, NULL);
	if (!ret)
		ret = bce_data_delete_range(w, &tr->target, new_end(tr), U64_MAX, NULL);
	kfree(tr);
	return ret ?: bce_logged_op_delete(w, k->p, NULL);
}
