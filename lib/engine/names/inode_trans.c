// SPDX-License-Identifier: GPL-2.0
/*
 * Reading and writing inodes in transactions.
 *
 * A version in an ancestor snapshot is never changed by writers: the changed inode is written in
 * the writer's own snapshot, which hides it. An ancestor's version only carries a flag that such
 * descendants exist, which the trigger keeps (trigger.c).
 */
#include "engine/names/inode_trans.h"

#include <linux/bits.h>
#include <linux/errno.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"

static int inode_decode(const struct bkey *k, struct bce_log *log, struct inode_fields *out)
{
	const char *what = bce_inode_unpack(k, out);

	if (!what)
		return 0;
	bce_log_error(log, BCE_ERR_inode_unpack_error, "inode %llu:%u: %s", k->p.offset,
		      k->p.snapshot, what);
	return -EIO;
}

int bce_inode_trans_read(struct bce_trans *t, u64 inum, const struct snapshot_view *view,
			 struct bce_log *log, struct inode_fields *out)
{
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_inodes, SPOS(0, inum, view->id), view, 0, &k);

	if (ret)
		return ret;
	if (!bce_key_type_is_inode(k.type))
		return -ENOENT;
	return inode_decode(&k, log, out);
}

int bce_inode_trans_put(struct bce_trans *t, const struct inode_fields *f)
{
	struct inode_val val;
	struct bkey k;

	bce_inode_pack(f, &k, &val);
	return bce_trans_update(t, BTREE_ID_inodes, &k, TRANS_SEQ_IN_VALUE);
}

int bce_inode_trans_write(struct bce_trans *t, u32 snapshot, struct inode_fields *f)
{
	f->snapshot = snapshot;
	f->flags &= ~BIT(INODE_FLAG_has_child_snapshot);
	return bce_inode_trans_put(t, f);
}

static struct bpos inode_end(u64 inum)
{
	return SPOS(0, inum + 1, 0);
}

int bce_inode_trans_above(struct bce_trans *t, const struct snapshot_table *table, u64 inum,
			  u32 snapshot, struct bce_log *log, struct inode_fields *out)
{
	struct bpos pos = SPOS(0, inum, snapshot);
	struct bkey k;
	int ret;

	if (!bce_snapshot_parent(table, snapshot))
		return -ENOENT;
	for (;;) {
		pos = bpos_successor(pos);
		ret = bce_trans_peek(t, BTREE_ID_inodes, pos, inode_end(inum), NULL, 0, &k);
		if (ret)
			return ret;
		pos = k.p;
		if (bce_key_type_is_inode(k.type) &&
		    bce_snapshot_is_ancestor(table, snapshot, k.p.snapshot))
			return inode_decode(&k, log, out);
	}
}

int bce_inode_trans_is_below(struct bce_trans *t, const struct snapshot_table *table, u64 inum,
			     u32 snapshot)
{
	struct bpos pos = SPOS(0, inum, 0);
	struct bkey k;
	int ret;

	for (;;) {
		ret = bce_trans_peek(t, BTREE_ID_inodes, pos, SPOS(0, inum, snapshot), NULL, 0, &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (bce_key_type_is_inode(k.type) &&
		    bce_snapshot_is_ancestor(table, k.p.snapshot, snapshot))
			return 1;
		pos = bpos_successor(k.p);
	}
}
