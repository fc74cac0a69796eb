// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from inodes and subvolumes, in the transaction that changes them
 * (docs/format/60-filesystem-keys.md, sections 6, 14, 20).
 *
 *   inode appears at S     the nearest version above S: has_child_snapshot set
 *   inode goes from S      the same: cleared, if nothing else is below it
 *   "unlinked, and nothing below" begins or ends at S     deleted_inodes (0, inum, S) set or deleted
 *   subvolume's fs_path_parent changes                    subvolume_children moves
 *
 * A flag that is changed above is an update of that inode key, which is shown to the trigger in
 * the next round: so deleted_inodes follows there, too. Only the nearest version needs a look: those
 * above it have that one below them.
 */
#include "engine/names/trigger.h"

#include <linux/bits.h>
#include <linux/errno.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"
#include "engine/names/inode_trans.h"

static int put_set(struct bce_trans *t, unsigned int btree_id, struct bpos p, bool there)
{
	struct bkey k = { .p = p, .type = there ? KEY_TYPE_set : KEY_TYPE_deleted };

	return bce_trans_update(t, btree_id, &k, 0);
}

/* an unlinked version that nobody below has changed: to be removed when nobody uses it */
static bool is_to_be_deleted(const struct bkey *k)
{
	u32 flags = BIT(INODE_FLAG_unlinked) | BIT(INODE_FLAG_has_child_snapshot);
	struct inode_fields f;

	return bce_key_type_is_inode(k->type) && !bce_inode_unpack_head(k, &f) &&
	       (f.flags & flags) == BIT(INODE_FLAG_unlinked);
}

static int set_has_child(struct bce_trans *t, struct inode_fields *f, bool has)
{
	u32 flag = BIT(INODE_FLAG_has_child_snapshot);

	if (!!(f->flags & flag) == has)
		return 0;
	f->flags ^= flag;
	return bce_inode_trans_put(t, f);
}

static int inode_came_or_went(const struct names_trigger *n, struct bce_trans *t, struct bpos p,
			      bool came)
{
	struct inode_fields above;
	int ret = bce_inode_trans_above(t, n->snapshots, p.offset, p.snapshot, n->log, &above);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!came)
		ret = bce_inode_trans_is_below(t, n->snapshots, p.offset, above.snapshot);
	return ret < 0 ? ret : set_has_child(t, &above, came || ret);
}

static int inode_trigger(const struct names_trigger *n, struct bce_trans *t,
			 const struct bkey *old, const struct bkey *new)
{
	bool was = bce_key_type_is_inode(old->type), is = bce_key_type_is_inode(new->type);
	bool listed = is_to_be_deleted(old), list = is_to_be_deleted(new);
	int ret = 0;

	/* without a table there is one snapshot: a set being made */
	if (was != is && n->snapshots)
		ret = inode_came_or_went(n, t, new->p, is);
	if (!ret && listed != list)
		ret = put_set(t, BTREE_ID_deleted_inodes, new->p, list);
	return ret;
}

static u32 path_parent(const struct bkey *k)
{
	struct subvolume_info s;

	if (k->type != KEY_TYPE_subvolume)
		return 0;
	bce_subvolume_decode(k, &s);
	return s.fs_path_parent;
}

static int subvolume_trigger(struct bce_trans *t, const struct bkey *old, const struct bkey *new)
{
	u32 was = path_parent(old), is = path_parent(new);
	int ret = 0;

	if (was == is)
		return 0;
	if (was)
		ret = put_set(t, BTREE_ID_subvolume_children, POS(was, new->p.offset), false);
	if (!ret && is)
		ret = put_set(t, BTREE_ID_subvolume_children, POS(is, new->p.offset), true);
	return ret;
}

int bce_names_trigger(const struct names_trigger *n, struct bce_trans *t,
		      enum btree_trigger_phase phase, unsigned int btree_id, unsigned int level,
		      const struct bkey *old, const struct bkey *new)
{
	if (level || phase != TRIGGER_INSERT)
		return 0;
	if (btree_id == BTREE_ID_inodes)
		return inode_trigger(n, t, old, new);
	if (btree_id == BTREE_ID_subvolumes)
		return subvolume_trigger(t, old, new);
	return 0;
}
