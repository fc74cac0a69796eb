// SPDX-License-Identifier: GPL-2.0
/*
 * Making room in a file, and closing a gap: all extents behind a place move by the same distance
 * (docs/format/60-filesystem-keys.md, part VII; 65-operations.md, section 11).
 *
 *	insert    src |aaaa|bb|cc           collapse    |xxxx|bb|cc
 *	              .... |aaaa|bb|cc                  |bb|cc
 *	          last key first, upwards               first key first, downwards
 *
 * Some keys move in each transaction, which also notes in the record how far the move has come: after
 * a crash it goes on from there. The record is made together with the first change: the
 * new size of a file that grows; the hole in one that shrinks. Of a hole that takes several
 * transactions all but the last go before: should the crash come then, nothing but a part of what
 * was to disappear is a hole.
 *
 * If it cannot go on, and the set does, the record goes: what is written to the file from then on must not be moved by the next
 * start. What had not been moved stays where it was.
 *
 * A key that belongs to an ancestor snapshot stays where it is for others. Two extents must not own the
 * same sectors of a device, so such an extent becomes a shared one first, and what moves is a
 * reference. One that was never written cannot be shared (docs/format/70-extents.md, section 4): what
 * moves then is the promise of as much space.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/data/reflink.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/key/extent.h"
#include "engine/key/values.h"

enum { SHIFT_START, SHIFT_EXTENTS, SHIFT_FINISH };

struct shift {
	struct data_writer		*w;
	struct data_target		target;
	struct logged_op_finsert_info	info;
	struct bpos			record;
	s64				by;		/* sectors */
	u64				hole_end;	/* collapse: what goes is [src, here) */
	u64				done;
	bool				over;
	bool				resumed;	/* the record is there */
	bool				plain;		/* data may be written over in place later */
	u64				seq;
};

static int put_record(struct bce_trans *t, const struct shift *s)
{
	struct bch_logged_op_finsert v = {
		.state		= s->info.state,
		.subvol		= cpu_to_le32(s->info.subvol),
		.inum		= cpu_to_le64(s->info.inum),
		.dst_offset	= cpu_to_le64(s->info.dst_sector),
		.src_offset	= cpu_to_le64(s->info.src_sector),
		.pos		= cpu_to_le64(s->info.pos_sector),
	};
	struct bkey k = {
		.p		= s->record,
		.type		= KEY_TYPE_logged_op_finsert,
		.val_u64s	= sizeof(v) / sizeof(u64),
		.v		= &v,
	};

	return bce_trans_update(t, BTREE_ID_logged_ops, &k, 0);
}

/* ---- the first transaction ---- */

static int begin_record(struct bce_trans *t, struct shift *s)
{
	int ret = s->resumed ? 0 : bce_logged_op_pos(t, &s->record);

	s->info.state = SHIFT_EXTENTS;
	s->info.pos_sector = s->by > 0 ? U64_MAX : s->info.src_sector;
	return ret ?: put_record(t, s);
}

static int insert_begin(struct bce_trans *t, void *ctx)
{
	struct shift *s = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (!ret)
		ret = begin_record(t, s);
	if (ret)
		return ret;
	inode.f.size += s->by << SECTOR_SHIFT;
	return bce_data_inode_put(t, &inode);
}

static int collapse_begin(struct bce_trans *t, void *ctx)
{
	struct shift *s = ctx;
	struct extent_change change = { };
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (!ret)
		ret = bce_extent_delete(t, &s->w->env, inode.f.inum, s->info.src_sector,
					s->hole_end, inode.snapshot,
					READ_ONCE(s->w->keys_per_step), &s->done, &change);
	if (!ret && s->done == s->hole_end)
		ret = begin_record(t, s);
	if (ret)
		return ret;
	bce_data_inode_sectors(&inode, &change);
	return bce_data_inode_put(t, &inode);
}

static int begin(struct shift *s)
{
	int ret;

	if (s->by > 0)
		return bce_data_step(s->w, insert_begin, s, &s->seq);
	do {
		ret = bce_data_step(s->w, collapse_begin, s, &s->seq);
	} while (!ret && s->done < s->hole_end);
	return ret;
}

/* ---- moving ---- */

/* the last key that begins before @pos and ends behind @src, as seen in @view */
static int last_before(struct bce_trans *t, u64 inum, const struct snapshot_view *view, u64 src,
		       u64 pos, struct bkey *k)
{
	struct bpos at = SPOS(inum, pos, U32_MAX);
	int ret;

	for (;;) {
		ret = bce_trans_peek_prev(t, BTREE_ID_extents, at, SPOS(inum, src, U32_MAX), 0, k);
		if (ret)
			return ret;
		if (k->p.inode != inum || k->p.offset <= src)
			return -ENOENT;
		at = k->p;
		ret = bce_trans_lookup(t, BTREE_ID_extents, at, view, 0, k);
		if (ret != -ENOENT)
			return ret;
		at = SPOS(inum, at.offset - 1, U32_MAX);
	}
}

static int next_key(struct bce_trans *t, const struct shift *s, const struct snapshot_view *view,
		    struct bkey *k)
{
	u64 inum = s->info.inum;

	if (s->by > 0)
		return last_before(t, inum, view, s->info.src_sector, s->info.pos_sector, k);
	return bce_trans_peek(t, BTREE_ID_extents, SPOS(inum, s->info.pos_sector, 0),
			      SPOS(inum, U64_MAX, 0), view, 0, k);
}

/* in place of an extent that cannot be shared: the promise of as many copies */
static int make_reservation(struct bce_trans *t, struct bkey *k)
{
	struct bch_reservation *v = bce_trans_alloc(t, sizeof(*v));
	struct extent_ptr_decoded p;
	unsigned int replicas = 0;
	struct extent_walk walk;

	if (!v)
		return -ENOMEM;
	bce_extent_walk_init(&walk, k, 0);
	while (bce_extent_next_ptr(&walk, &p))
		replicas += !p.ptr.cached;
	v->nr_replicas = clamp(replicas, 1U, 4U);
	k->type = KEY_TYPE_reservation;
	k->version = (struct bversion) { };
	k->val_u64s = sizeof(*v) / sizeof(u64);
	k->v = v;
	return 0;
}

static bool has_encoded(const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk walk;

	bce_extent_walk_init(&walk, k, 0);
	while (bce_extent_next_ptr(&walk, &p))
		if (bce_extent_is_encoded(&p.crc))
			return true;
	return false;
}

static int move_key(struct bce_trans *t, struct shift *s, struct data_inode *inode, struct bkey *k)
{
	u64 start = s->by > 0 ? max(bkey_start_offset(k), s->info.src_sector) :
				bkey_start_offset(k);
	u64 end = k->p.offset, done;
	struct extent_change change = { };
	bool shares = k->p.snapshot != inode->snapshot && k->type == KEY_TYPE_extent;
	bool unwritten = bce_extent_is_unwritten(k);
	struct bkey moved = { };
	int ret = 0;

	if (shares && !unwritten)
		ret = bce_data_make_shared(t, s->w, k);
	s->plain |= k->type == KEY_TYPE_extent && !has_encoded(k);
	if (!ret)
		ret = bce_extent_piece(t, k, start, end, &moved);
	if (!ret && shares && unwritten)
		ret = make_reservation(t, &moved);
	moved.p.offset = end + s->by;
	moved.p.snapshot = inode->snapshot;
	if (!ret)
		ret = bce_extent_delete(t, &s->w->env, inode->f.inum, start, end, inode->snapshot,
					UINT_MAX, &done, &change);
	if (!ret)
		ret = bce_extent_update(t, &s->w->env, &moved, &change);
	bce_data_inode_sectors(inode, &change);
	s->info.pos_sector = s->by > 0 ? start : end;
	return ret;
}

/* both places of a key change, and for each what refers to it from the device */
static unsigned int keys_per_step(const struct shift *s)
{
	return max(READ_ONCE(s->w->keys_per_step) / 4, 1U);
}

static int shift_keys(struct bce_trans *t, struct shift *s, struct data_inode *inode)
{
	struct snapshot_view view = s->w->env.snapshots->view(s->w->env.snapshots->ctx,
							      inode->snapshot);
	struct bkey k;
	int ret = 0;

	s->over = false;
	for (unsigned int i = keys_per_step(s); !ret && i; i--) {
		ret = next_key(t, s, &view, &k);
		s->over = ret == -ENOENT;
		if (s->over)
			return 0;
		if (!ret)
			ret = move_key(t, s, inode, &k);
	}
	return ret;
}

static int shift_some(struct bce_trans *t, void *ctx)
{
	struct shift *s = ctx;
	u64 pos = s->info.pos_sector;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (!ret)
		ret = shift_keys(t, s, &inode);
	if (!ret && s->info.pos_sector != pos)
		ret = put_record(t, s) ?: bce_data_inode_put(t, &inode);
	s->done = s->info.pos_sector;
	s->info.pos_sector = pos;	/* until it is committed: this may run again */
	return ret;
}

/* ---- the last transaction ---- */

static int finish(struct bce_trans *t, void *ctx)
{
	struct shift *s = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (ret)
		return ret;
	if (s->by < 0)
		inode.f.size -= min_t(u64, inode.f.size, -s->by << SECTOR_SHIFT);
	inode.f.mtime = inode.f.ctime = s->w->c.ops->now(s->w->c.ctx);
	ret = bce_data_inode_put(t, &inode);
	return ret ?: bce_trans_delete(t, BTREE_ID_logged_ops, s->record, 0);
}

/* what comes behind the transaction with the record */
static int shift_on(struct shift *s)
{
	int ret;

	while (s->info.state == SHIFT_EXTENTS) {
		ret = bce_data_step_on(s->w, shift_some, s, &s->seq);
		if (ret)
			return ret;
		s->info.pos_sector = s->done;
		if (s->over)
			s->info.state = SHIFT_FINISH;
	}
	return bce_data_step_on(s->w, finish, s, &s->seq);
}

static void give_up(struct shift *s, int error)
{
	int ret = bce_logged_op_delete(s->w, s->record, &s->seq);

	bce_log_line(s->w->c.log, BCE_LOG_ERR,
		     "inode %llu: what lies behind sector %llu could not all be moved to sector %llu (error %d), %s",
		     s->info.inum, s->info.src_sector, s->info.dst_sector, error,
		     ret ? "the next start will try again" : "the rest stays where it is");
}

static int shift_from(struct shift *s)
{
	int ret = s->info.state == SHIFT_START ? begin(s) : 0;

	if (ret)
		return ret;
	ret = shift_on(s);
	if (ret && !s->resumed)
		give_up(s, ret);
	/* it must not come back at its old place in the file with what is written over it at the new one */
	if (!ret && s->plain && s->seq)
		ret = s->w->c.ops->flush(s->w->c.ctx, s->seq);
	return ret;
}

/* ---- for others ---- */

static int shift_file(struct data_writer *w, struct bce_file_id file, u64 start, s64 by, u64 *seq)
{
	struct shift s = {
		.w		= w,
		.target.file	= file,
		.info		= {
			.subvol		= file.subvol,
			.inum		= file.inum,
			.src_sector	= start,
			.dst_sector	= start + by,
		},
		.by		= by,
		.hole_end	= start - by,
	};
	int ret;

	if (start % w->c.block_sectors || by % (s64)w->c.block_sectors || !by)
		return -EINVAL;
	ret = bce_data_need_reflink(w);
	if (!ret)
		ret = shift_from(&s);
	if (seq)
		*seq = s.seq;
	return ret;
}

int bce_data_insert_range(struct data_writer *w, struct bce_file_id file, u64 start, u64 sectors,
			  u64 *seq)
{
	return shift_file(w, file, start, sectors, seq);
}

int bce_data_collapse_range(struct data_writer *w, struct bce_file_id file, u64 start, u64 sectors,
			    u64 *seq)
{
	return shift_file(w, file, start, -(s64)sectors, seq);
}

int bce_shift_resume(struct data_writer *w, const struct bkey *k)
{
	struct shift s = { .w = w, .record = k->p, .resumed = true };
	int ret = bce_data_need_reflink(w);

	bce_logged_op_finsert_decode(k, &s.info);
	s.target.file = (struct bce_file_id) { .subvol = s.info.subvol, .inum = s.info.inum };
	s.by = s.info.dst_sector - s.info.src_sector;
	s.hole_end = s.info.src_sector - s.by;
	if (!s.by)
		return bce_logged_op_delete(w, k->p, NULL);
	return ret ?: shift_from(&s);
}
