// SPDX-License-Identifier: GPL-2.0
/*
 * Sharing a range of a file (docs/format/65-operations.md, section 12).
 *
 * Extent by extent, one transaction each:
 *
 *	source     extent K             -> reference to V, in K's place (K's own snapshot)
 *	reflink                            V: K's pointers, at the end of the address space
 *	target     whatever was there   -> reference to the part of V that is wanted
 *
 * A source that is a reference already is only referred to again. What holds no data in the source
 * becomes a hole in the target.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/data/reflink.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

int bce_data_need_reflink(struct data_writer *w)
{
	return bce_write_need_features(w, 1ULL << BCH_FEATURE_reflink |
					  1ULL << BCH_FEATURE_reflink_inline_data);
}

int bce_data_make_shared(struct bce_trans *t, struct data_writer *w, struct bkey *k)
{
	struct bkey shared, p;
	u64 idx;
	int ret = bce_reflink_end(t, &idx);

	if (!ret)
		ret = bce_reflink_make_shared(t, k, idx, &shared);
	if (!ret)
		ret = bce_trans_update(t, BTREE_ID_reflink, &shared, 0);
	if (!ret)
		ret = bce_reflink_make_p(t, k->p, k->size, idx, &p);
	if (!ret)
		ret = bce_reflink_set_pads(t, &p);
	if (!ret)
		ret = bce_trans_update(t, BTREE_ID_extents, &p, 0);
	if (!ret)
		*k = p;
	return ret;
}

struct share {
	struct data_writer	*w;
	struct bce_file_id	src_file, dst_file;
	u64			src, dst;	/* what comes next */
	u64			end;		/* of the source */
	u64			new_size;
	u64			step;		/* out: sectors done by a transaction */
};

/* does it show data? */
static bool has_data(const struct bkey *k)
{
	switch (k->type) {
	case KEY_TYPE_extent:
		return !bce_extent_is_unwritten(k);
	case KEY_TYPE_inline_data:
	case KEY_TYPE_reflink_p:
	case KEY_TYPE_error:
		return true;
	default:
		return false;
	}
}

/*
 * The next stretch of the source: s->step sectors of it, with data in @k or without (type deleted)
 */
static int source_stretch(struct bce_trans *t, struct share *s, struct bkey *k)
{
	struct snapshot_view view;
	u32 snapshot;
	int ret = s->w->env.snapshots->subvol(s->w->env.snapshots->ctx, t, s->src_file.subvol, false,
					      &snapshot);

	if (ret)
		return ret;
	view = s->w->env.snapshots->view(s->w->env.snapshots->ctx, snapshot);
	ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(s->src_file.inum, s->src, 0),
			     SPOS(s->src_file.inum, s->end, 0), &view, 0, k);
	if (ret && ret != -ENOENT)
		return ret;
	s->step = s->end - s->src;
	if (ret) {
		k->type = KEY_TYPE_deleted;
	} else if (bkey_start_offset(k) > s->src) {
		s->step = min(s->end, bkey_start_offset(k)) - s->src;
		k->type = KEY_TYPE_deleted;
	} else {
		s->step = min(s->end, k->p.offset) - s->src;
	}
	return 0;
}

static int share_hole(struct bce_trans *t, struct share *s, const struct data_inode *inode,
		      struct extent_change *change)
{
	u64 done;
	int ret = bce_extent_delete(t, &s->w->env, inode->f.inum, s->dst, s->dst + s->step,
				    inode->snapshot, READ_ONCE(s->w->keys_per_step), &done, change);

	if (!ret)
		s->step = done - s->dst;
	return ret;
}

static int share_data(struct bce_trans *t, struct share *s, struct bkey *k,
		      const struct data_inode *inode, struct extent_change *change)
{
	struct reflink_p_info info;
	struct bkey p;
	int ret = 0;

	if (k->type == KEY_TYPE_error)
		return -EIO;
	if (k->type != KEY_TYPE_reflink_p)
		ret = bce_data_make_shared(t, s->w, k);
	if (ret)
		return ret;
	bce_reflink_p_decode(k, &info);
	ret = bce_reflink_make_p(t, SPOS(inode->f.inum, s->dst + s->step, inode->snapshot), s->step,
				 info.idx + (s->src - bkey_start_offset(k)), &p);
	return ret ?: bce_extent_update(t, &s->w->env, &p, change);
}

static int share_step(struct bce_trans *t, void *ctx)
{
	struct share *s = ctx;
	struct extent_change change = { };
	struct data_inode inode;
	struct bkey k;
	int ret = bce_data_inode_get(t, &s->w->env, s->dst_file, &inode);

	if (!ret)
		ret = source_stretch(t, s, &k);
	if (ret)
		return ret;
	ret = has_data(&k) ? share_data(t, s, &k, &inode, &change) :
			     share_hole(t, s, &inode, &change);
	if (ret)
		return ret;
	bce_data_inode_sectors(&inode, &change);
	inode.f.size = max(inode.f.size,
			   min((s->dst + s->step) << SECTOR_SHIFT, s->new_size));
	inode.f.mtime = inode.f.ctime = s->w->c.ops->now(s->w->c.ctx);
	return bce_data_inode_put(t, &inode);
}

int bce_data_reflink(struct data_writer *w, struct bce_file_id src_file, u64 src,
		     struct bce_file_id dst_file, u64 dst, u64 sectors, u64 new_size_bytes,
		     u64 *done_sectors, u64 *seq)
{
	struct share s = {
		.w = w, .src_file = src_file, .dst_file = dst_file, .src = src, .dst = dst,
		.end = src + sectors, .new_size = new_size_bytes,
	};
	int ret;

	*done_sectors = 0;
	if ((src | dst | sectors) % w->c.block_sectors)
		return -EINVAL;
	ret = bce_data_need_reflink(w);
	while (!ret && s.src < s.end) {
		ret = bce_data_step(w, share_step, &s, seq);
		if (ret)
			break;
		s.src += s.step;
		s.dst += s.step;
		*done_sectors += s.step;
	}
	/* what is shared now does not change any more */
	bce_nocow_drain(w);
	return ret;
}
