// SPDX-License-Identifier: GPL-2.0
/*
 * Everything out of a bucket, for copygc: its back references lead to every key with a pointer into
 * it. Extents are moved, nodes of btrees written anew by the btree room. A back reference whose key
 * has changed meanwhile is passed over; the bucket is empty when the last key has let go of it.
 *
 * Source: docs/format/75-allocation.md, 5.6, 9.1.
 */
#include <linux/errno.h>

#include "engine/btree/writer.h"
#include "engine/data/move.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/values.h"

/* stream of these writes: old data together, apart from new data */
#define STREAM_COPYGC	(~0ULL)

struct next_backpointer {
	struct bpos		from, end;
	struct bpos		at;
	struct backpointer_info	info;
};

static int next_backpointer(struct bce_trans *t, void *ctx)
{
	struct next_backpointer *n = ctx;
	struct bkey k;
	int ret = bce_trans_peek(t, BTREE_ID_backpointers, n->from, n->end, NULL, 0, &k);

	if (ret)
		return ret;
	n->at = k.p;
	n->info = (struct backpointer_info) { };
	if (k.type == KEY_TYPE_backpointer)
		bce_backpointer_decode(&k, &n->info);
	return 0;
}

static int move_node(struct data_writer *w, const struct backpointer_info *b)
{
	return bce_btree_node_rewrite(w->c.btrees, b->btree_id, b->level - 1, b->pos);
}

static int move_extent(struct data_writer *w, unsigned int dev, const struct backpointer_info *b)
{
	struct data_move m = {
		.btree_id	= b->btree_id,
		.pos		= b->pos,
		.drop_devs	= 1ULL << dev,
		.watermark	= ALLOC_COPYGC,
		.stream		= STREAM_COPYGC,
	};

	return bce_data_move(w, &m);
}

static int bucket_sectors(struct data_writer *w, unsigned int dev, u32 *sectors)
{
	struct member_dev *m = bce_member_get_io(w->c.members, dev);

	if (!m)
		return -EIO;
	*sectors = m->info.bucket_sectors;
	bce_member_put_io(m);
	return 0;
}

/* the first error that is not about space: the rest may still be moved */
static int empty_bucket(void *ctx, unsigned int dev, u64 bucket)
{
	struct data_writer *w = ctx;
	struct next_backpointer n;
	int ret, first = 0;
	u32 sectors;

	ret = bucket_sectors(w, dev, &sectors);
	if (ret)
		return ret;
	n.from = POS(dev, (bucket * sectors) << BACKPOINTER_OFFSET_SHIFT);
	n.end = POS(dev, ((bucket + 1) * sectors) << BACKPOINTER_OFFSET_SHIFT);
	while (!(ret = bce_data_look(w, next_backpointer, &n))) {
		ret = n.info.level ? move_node(w, &n.info) : move_extent(w, dev, &n.info);
		if (ret == -ENOSPC || ret == -EROFS)
			return ret;
		if (ret != -ENOENT)
			first = first ?: ret;
		n.from = bpos_successor(n.at);
	}
	return ret == -ENOENT ? first : ret;
}

const struct alloc_mover_ops bce_data_mover_ops = {
	.bucket	= empty_bucket,
	.prune	= bce_data_prune,
	.held	= bce_nocow_held,
};
