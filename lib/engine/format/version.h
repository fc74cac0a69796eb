/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_VERSION_H
#define ENGINE_FORMAT_VERSION_H

/*
 * Metadata versions, major * 1024 + minor; one number covers all structures.
 * Source: docs/format/00-overview.md, section 5.
 */

#define BCH_VERSION(major, minor)	((major) * 1024 + (minor))
#define BCH_VERSION_MAJOR(version)	((version) / 1024)
#define BCH_VERSION_MINOR(version)	((version) % 1024)

/* x(what it brought, major, minor) */
#define BCH_VERSION_LIST(x)	\
	x(bkey_renumber,			0,	10)	\
	x(inode_btree_change,			0,	11)	\
	x(snapshot,				0,	12)	\
	x(inode_backpointers,			0,	13)	\
	x(btree_ptr_sectors_written,		0,	14)	\
	x(snapshot_2,				0,	15)	\
	x(reflink_p_fix,			0,	16)	\
	x(subvol_dirent,			0,	17)	\
	x(inode_v2,				0,	18)	\
	x(freespace,				0,	19)	\
	x(alloc_v4,				0,	20)	\
	x(new_data_types,			0,	21)	\
	x(backpointers,				0,	22)	\
	x(inode_v3,				0,	23)	\
	x(unwritten_extents,			0,	24)	\
	x(bucket_gens,				0,	25)	\
	x(lru_v2,				0,	26)	\
	x(fragmentation_lru,			0,	27)	\
	x(no_bps_in_alloc_keys,			0,	28)	\
	x(snapshot_trees,			0,	29)	\
	x(major_minor,				1,	0)	\
	x(snapshot_skiplists,			1,	1)	\
	x(deleted_inodes,			1,	2)	\
	x(rebalance_work,			1,	3)	\
	x(member_seq,				1,	4)	\
	x(subvolume_fs_parent,			1,	5)	\
	x(btree_subvolume_children,		1,	6)	\
	x(mi_btree_bitmap,			1,	7)	\
	x(bucket_stripe_sectors,		1,	8)	\
	x(disk_accounting_v2,			1,	9)	\
	x(disk_accounting_v3,			1,	10)	\
	x(disk_accounting_inum,			1,	11)	\
	x(rebalance_work_acct_fix,		1,	12)	\
	x(inode_has_child_snapshots,		1,	13)

enum bch_version {
#define x(name, major, minor)	BCH_VERSION_##name = BCH_VERSION(major, minor),
	BCH_VERSION_LIST(x)
#undef x
};

#define BCH_VERSION_MIN		9	/* oldest readable */
#define BCH_VERSION_CURRENT	BCH_VERSION_inode_has_child_snapshots

#endif
