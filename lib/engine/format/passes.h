/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_FORMAT_PASSES_H
#define ENGINE_FORMAT_PASSES_H

/*
 * Recovery passes. The order of the lines is the order in which they run; the
 * stable id is the bit in the superblock's ext and downgrade sections.
 * Source: docs/format/40-recovery.md, section 2.
 */

enum bch_pass_when {
	BCH_PASS_ALWAYS	= 1 << 0,	/* at every mount */
	BCH_PASS_FSCK	= 1 << 1,
	BCH_PASS_ONLINE	= 1 << 2,	/* may run while in use */
};

/* x(name, place in the run order, stable id, enum bch_pass_when) */
#define BCH_RECOVERY_PASS_LIST(x)	\
	x(recovery_pass_empty,			0,	41,	0)	\
	x(scan_for_btree_nodes,			1,	37,	0)	\
	x(check_topology,			2,	4,	0)	\
	x(accounting_read,			3,	39,	BCH_PASS_ALWAYS)	\
	x(alloc_read,				4,	0,	BCH_PASS_ALWAYS)	\
	x(stripes_read,				5,	1,	BCH_PASS_ALWAYS)	\
	x(initialize_subvolumes,		6,	2,	0)	\
	x(snapshots_read,			7,	3,	BCH_PASS_ALWAYS)	\
	x(check_allocations,			8,	5,	BCH_PASS_FSCK)	\
	x(trans_mark_dev_sbs,			9,	6,	BCH_PASS_ALWAYS)	\
	x(fs_journal_alloc,			10,	7,	BCH_PASS_ALWAYS)	\
	x(set_may_go_rw,			11,	8,	BCH_PASS_ALWAYS)	\
	x(journal_replay,			12,	9,	BCH_PASS_ALWAYS)	\
	x(check_alloc_info,			13,	10,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_lrus,				14,	11,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_btree_backpointers,		15,	12,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_backpointers_to_extents,	16,	13,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_extents_to_backpointers,	17,	14,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_alloc_to_lru_refs,		18,	15,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(fs_freespace_init,			19,	16,	BCH_PASS_ALWAYS)	\
	x(bucket_gens_init,			20,	17,	0)	\
	x(reconstruct_snapshots,		21,	38,	0)	\
	x(check_snapshot_trees,			22,	18,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_snapshots,			23,	19,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_subvols,			24,	20,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_subvol_children,		25,	35,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(delete_dead_snapshots,		26,	21,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(fs_upgrade_for_subvolumes,		27,	22,	0)	\
	x(check_inodes,				28,	24,	BCH_PASS_FSCK)	\
	x(check_extents,			29,	25,	BCH_PASS_FSCK)	\
	x(check_indirect_extents,		30,	26,	BCH_PASS_FSCK)	\
	x(check_dirents,			31,	27,	BCH_PASS_FSCK)	\
	x(check_xattrs,				32,	28,	BCH_PASS_FSCK)	\
	x(check_root,				33,	29,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_unreachable_inodes,		34,	40,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_subvolume_structure,		35,	36,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_directory_structure,		36,	30,	BCH_PASS_FSCK | BCH_PASS_ONLINE)	\
	x(check_nlinks,				37,	31,	BCH_PASS_FSCK)	\
	x(resume_logged_ops,			38,	23,	BCH_PASS_ALWAYS)	\
	x(delete_dead_inodes,			39,	32,	BCH_PASS_ALWAYS)	\
	x(fix_reflink_p,			40,	33,	0)	\
	x(set_fs_needs_rebalance,		41,	34,	0)

enum bch_recovery_pass {
#define x(name, order, stable, when)	BCH_PASS_##name = order,
	BCH_RECOVERY_PASS_LIST(x)
#undef x
	BCH_RECOVERY_PASS_NR,
};

enum bch_recovery_pass_stable {
#define x(name, order, stable, when)	BCH_PASS_STABLE_##name = stable,
	BCH_RECOVERY_PASS_LIST(x)
#undef x
};

#endif
