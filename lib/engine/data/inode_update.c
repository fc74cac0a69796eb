// SPDX-License-Identifier: GPL-2.0
/*
 * A change of extents and the inode (docs/format/65-operations.md, section 8): sizes and the count of
 * sectors belong to the inode's version in the snapshot that is written in. If the version that is
 * seen belongs to an ancestor, it is copied: a file with extents of its own in a snapshot must have
 * an inode there.
 *
 * Which snapshot a subvolume writes in is read in the transaction: should somebody take a snapshot of
 * it meanwhile, the commit begins anew and finds the new one.
 */
#include "engine/data/inode_update.h"

#include <linux/errno.h>
#include <linux/math.h>

#include "engine/format/ids.h"

int bce_data_inode_get_at(struct bce_trans *t, const struct extent_env *env, u64 inum,
			  u32 snapshot, struct data_inode *out)
{
	struct snapshot_view view = env->snapshots->view(env->snapshots->ctx, snapshot);
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_inodes, SPOS(0, inum, snapshot), &view, 0, &k);

	if (ret)
		return ret;
	if (!bce_key_type_is_inode(k.type))
		return -ENOENT;
	if (bce_inode_unpack(&k, &out->f))
		return -EIO;
	out->sectors_before = out->f.sectors;
	out->subvol = 0;
	out->snapshot = snapshot;
	out->inherited = k.p.snapshot != snapshot;
	return 0;
}

int bce_data_inode_get(struct bce_trans *t, const struct extent_env *env, struct bce_file_id file,
		       struct data_inode *out)
{
	u32 snapshot;
	int ret = env->snapshots->subvol(env->snapshots->ctx, t, file.subvol, true, &snapshot);

	if (!ret)
		ret = bce_data_inode_get_at(t, env, file.inum, snapshot, out);
	if (!ret)
		out->subvol = file.subvol;
	return ret;
}

void bce_data_inode_sectors(struct data_inode *inode, const struct extent_change *change)
{
	s64 sectors = (s64)inode->f.sectors + change->i_sectors;

	inode->f.sectors = sectors > 0 ? sectors : 0;
}

int bce_data_inode_put(struct bce_trans *t, struct data_inode *inode)
{
	struct inode_val val;
	struct bkey k;
	int ret = bce_data_charge_inode(t, inode);

	if (ret)
		return ret;
	inode->f.snapshot = inode->snapshot;
	if (inode->inherited)
		inode->f.flags &= ~(1U << INODE_FLAG_has_child_snapshot);	/* of the other version */
	bce_inode_pack(&inode->f, &k, &val);
	return bce_trans_update(t, BTREE_ID_inodes, &k, TRANS_SEQ_IN_VALUE);
}

u64 bce_data_eof_sectors(u64 size_bytes, u32 block_sectors)
{
	return round_up(DIV_ROUND_UP(size_bytes, SECTOR_BYTES), block_sectors);
}
