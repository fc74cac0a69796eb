// SPDX-License-Identifier: GPL-2.0
/*
 * The passes over names (docs/format/60-filesystem-keys.md, part VIII) over a small set that is right,
 * and over the same set with one thing wrong in it: exactly the errors that the format names for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "names_set.h"
#include "random.h"

static void nothing_wrong(void **state)
{
	struct names_set f;

	names_set_begin(&f);
	names_set_start(&f);
	assert_int_equal(names_set_check(&f, f.m.log), 0);
	assert_int_equal(names_set_repair(&f, false), 0);
	names_set_exit(&f);
}

/* ---- one thing wrong: snapshots ---- */

#define CHANGE_NODE(f, id, node, change)	\
do {						\
	struct snapshot_info s = node;		\
						\
	change;					\
	names_put_snapshot(f, id, &s);		\
} while (0)

static void node_no_parent(struct names_set *f)
{
	CHANGE_NODE(f, NESTED, names_nested_node, s.parent = 95; s.depth = 1;
		    s.skip[0] = s.skip[1] = s.skip[2] = 95);
}

static void node_not_a_child(struct names_set *f)
{
	CHANGE_NODE(f, PARENT, names_parent_node, s.children[1] = 0);
}

static void node_no_child(struct names_set *f)
{
	CHANGE_NODE(f, SNAP2, names_node2, s.children[0] = 60);
}

static void node_others_child(struct names_set *f)
{
	CHANGE_NODE(f, SNAP2, names_node2, s.children[0] = 70);
}

static void node_depth(struct names_set *f)
{
	CHANGE_NODE(f, SNAP1, names_node1, s.depth = 2);
}

static void node_skip(struct names_set *f)
{
	CHANGE_NODE(f, SNAP1, names_node1, s.skip[0] = 0);
}

static void node_root_skip(struct names_set *f)
{
	CHANGE_NODE(f, NESTED, names_nested_node, s.skip[2] = 90);
}

static void node_subvol(struct names_set *f)
{
	CHANGE_NODE(f, PARENT, names_parent_node, s.subvol = 1);
}

static void node_wrong_subvol(struct names_set *f)
{
	CHANGE_NODE(f, PARENT, names_parent_node, s.is_subvol = true; s.subvol = 1);
}

static void node_tree(struct names_set *f)
{
	CHANGE_NODE(f, SNAP1, names_node1, s.tree = 2);
}

static void node_no_tree(struct names_set *f)
{
	CHANGE_NODE(f, SNAP2, names_node2, s.tree = 9);
}

static void tree_no_root(struct names_set *f)
{
	names_put_tree(f, 3, 3, 60);
}

static void tree_not_root(struct names_set *f)
{
	names_put_tree(f, 3, 1, SNAP1);
}

static void tree_no_master(struct names_set *f)
{
	names_put_tree(f, 2, 9, NESTED);
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void tree_wrong_master(struct names_set *f)
{
	names_put_tree(f, 2, 1, NESTED);
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void tree_snapshot_master(struct names_set *f)
{
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void subvol_not_master(struct names_set *f)
{
	names_put_subvolume(f, 2, SNAP2, ROOT, 1, false);
}

static void subvol_no_snapshot(struct names_set *f)
{
	names_put_subvolume(f, 4, 60, ROOT, 1, true);
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 4));
}

static void subvol_no_root(struct names_set *f)
{
	names_put_subvolume(f, 3, NESTED, 6001, 1, false);
}

static void subvol_root_of_another(struct names_set *f)
{
	names_put_subvolume(f, 4, NESTED, NESTED_ROOT, 1, true);
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 4));
}

static void node_forgets_subvol(struct names_set *f)
{
	CHANGE_NODE(f, SNAP2, names_node2, s.is_subvol = false; s.subvol = 0);
}

static void subvol_1_has_parent(struct names_set *f)
{
	names_put_subvolume(f, 1, SNAP1, ROOT, 2, false);
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 1));
}

static void subvol_child_missing(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 2));
}

static void subvol_child_too_much(struct names_set *f)
{
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
}

static void subvol_child_unknown(struct names_set *f)
{
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 9));
}

static void subvol_loops(struct names_set *f)
{
	names_put_subvolume(f, 2, SNAP2, ROOT, 3, true);
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 2, false);
	memory_clear(&f->m, BTREE_ID_subvolume_children);
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(3, 2));
}

static void subvol_nowhere(struct names_set *f)
{
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 0, false);
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 3));
}

static void no_root_subvol(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_subvolumes, POS(0, 1));
}

static void no_root_dir(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ROOT, SNAP1));
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ROOT, PARENT));
}

static void root_is_file(struct names_set *f)
{
	CHANGE_INODE(f, ROOT, SNAP1, i.mode = S_IFREG | 0755; i.nlink = 0);
}

/* ---- one thing wrong: inodes ---- */

static void key_of_no_snapshot(struct names_set *f)
{
	names_put_extent(f, FILE_, 8, 50, 8);
}

static void other_seed(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.hash_seed++);
}

static void child_flag_missing(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.flags = 0);
}

static void child_flag_too_much(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.flags = BIT(INODE_FLAG_has_child_snapshot));
}

static void unlinked_not_listed(struct names_set *f)
{
	memory_clear(&f->m, BTREE_ID_deleted_inodes);
}

static void listed_but_clean(struct names_set *f)
{
	f->clean = true;
}

static void listed_missing(struct names_set *f)
{
	names_put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, ORPHAN + 100, SNAP1));
}

static void listed_not_unlinked(struct names_set *f)
{
	names_put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, FILE_, SNAP1));
}

static void listed_has_child(struct names_set *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.flags |= BIT(INODE_FLAG_has_child_snapshot));
}

static void unlinked_has_name(struct names_set *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.dir = DIR; i.dir_offset = 77);
}

static void unlinked_dir(struct names_set *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.mode = S_IFDIR | 0700);
}

static void unlinked_dir_not_empty(struct names_set *f)
{
	unlinked_dir(f);
	names_put_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = ORPHAN);
	names_put_dirent(f, ORPHAN, SNAP1, "x", 8, OWN + 10);
}

static void size_flagged(struct names_set *f)
{
	memory_clear(&f->m, BTREE_ID_deleted_inodes);
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ORPHAN, SNAP1));
	f->clean = true;
	CHANGE_INODE(f, FILE_, SNAP1, i.flags |= BIT(INODE_FLAG_i_size_dirty));
}

static void sectors_flagged(struct names_set *f)
{
	size_flagged(f);
	CHANGE_INODE(f, FILE_, SNAP1, i.flags = BIT(INODE_FLAG_i_sectors_dirty); i.sectors = 0);
}

static void clean_with_logged_op(struct names_set *f)
{
	struct bch_logged_op_truncate v = { };

	memory_clear(&f->m, BTREE_ID_deleted_inodes);
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ORPHAN, SNAP1));
	f->clean = true;
	memory_key(&f->m, BTREE_ID_logged_ops, KEY_TYPE_logged_op_truncate, POS(0, 1), 0, &v,
		   sizeof(v));
}

static void parent_without_subvol(struct names_set *f)
{
	CHANGE_INODE(f, SUBDIR, PARENT, i.parent_subvol = 1);
}

static void bi_subvol_missing(struct names_set *f)
{
	CHANGE_INODE(f, ROOT, PARENT, i.subvol = 9);
}

static void bi_subvol_wrong(struct names_set *f)
{
	CHANGE_INODE(f, ROOT, PARENT, i.subvol = 3);
}

static void name_missing(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset += 3);
}

static void name_of_another(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset = names_hash("one"));
}

static void no_name_known(struct names_set *f)
{
	CHANGE_INODE(f, OWN, PARENT, i.dir = i.dir_offset = 0);
}

static void no_name_at_all(struct names_set *f)
{
	names_put_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = i.dir_offset = 0);
}

static void dir_no_name(struct names_set *f)
{
	names_put_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = i.dir_offset = 0; i.mode = S_IFDIR | 0700);
}

static void links_wrong(struct names_set *f)
{
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 2);
}

static void links_wrong_in_snapshot(struct names_set *f)
{
	CHANGE_INODE(f, LINKED, SNAP2, i.nlink = 1);
}

static void links_0(struct names_set *f)
{
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 0);
}

static void subdirs_wrong(struct names_set *f)
{
	CHANGE_INODE(f, DIR, SNAP2, i.nlink = 0);
}

static void dirs_in_a_ring(struct names_set *f)
{
	names_put_file(f, 5100, PARENT, "ring");
	CHANGE_INODE(f, 5100, PARENT, i.mode = S_IFDIR | 0700; i.dir = 5101; i.nlink = 1);
	names_put_file(f, 5101, PARENT, "ring");
	CHANGE_INODE(f, 5101, PARENT, i.mode = S_IFDIR | 0700; i.dir = 5100; i.nlink = 1);
	names_put_dirent(f, 5101, PARENT, "ring", 4, 5100);
	names_put_dirent(f, 5100, PARENT, "ring", 4, 5101);
}

/* ---- one thing wrong: extents ---- */

static void sectors_wrong(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.sectors = 23);
}

static void sectors_wrong_in_snapshot(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 24);
}

static void overlap(struct names_set *f)
{
	names_put_extent(f, FILE_, 20, SNAP1, 8);
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 40; i.size = 1 << 20);
}

static void overlap_across_snapshots(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_extents, SPOS(FILE_, 8, SNAP1));
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 40);
}

static void behind_the_end(struct names_set *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.size = 0);
}

static void put_truncate(struct names_set *f, u64 inum, u32 subvol, u64 size)
{
	struct bch_logged_op_truncate v = {
		.subvol = cpu_to_le32(subvol), .inum = cpu_to_le64(inum), .new_i_size = cpu_to_le64(size),
	};

	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 32; i.size = 0);
	memory_key(&f->m, BTREE_ID_logged_ops, KEY_TYPE_logged_op_truncate, POS(0, 1), 0, &v, sizeof(v));
}

static void half_cut(struct names_set *f)
{
	put_truncate(f, FILE_, 1, 0);
}

static void another_half_cut(struct names_set *f)
{
	put_truncate(f, OWN, 1, 0);
}

static void half_cut_elsewhere(struct names_set *f)
{
	put_truncate(f, FILE_, 2, 0);
}

static void half_cut_to_another_size(struct names_set *f)
{
	put_truncate(f, FILE_, 1, 4096);
}

static void extent_no_inode(struct names_set *f)
{
	names_put_extent(f, 7000, 8, SNAP1, 8);
}

static void extent_of_dir(struct names_set *f)
{
	names_put_extent(f, DIR, 8, PARENT, 8);
	CHANGE_INODE(f, DIR, PARENT, i.sectors = 8);
	CHANGE_INODE(f, DIR, SNAP2, i.sectors = 8);
}

static void extent_without_version(struct names_set *f)
{
	names_put_extent(f, OWN, 8, SNAP2, 8);
}

/* ---- one thing wrong: names ---- */

static void dirent_no_dir(struct names_set *f)
{
	names_put_dirent(f, 7000, PARENT, "two", 8, LINKED);
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, names_hash("two"), PARENT));
	CHANGE_INODE(f, LINKED, PARENT, i.dir_offset = names_hash("one"));
}

static void dirent_in_file(struct names_set *f)
{
	names_put_dirent(f, OWN, PARENT, "two", 8, LINKED);
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, names_hash("two"), PARENT));
	CHANGE_INODE(f, LINKED, PARENT, i.dir_offset = names_hash("one"));
}

static void wrong_slot(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, names_hash("pushed"), PARENT));
}

static void slot_before_hash(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, names_hash("file"), PARENT));
	names_put_dirent_at(f, DIR, names_hash("file") - 1, PARENT, "file", 8, FILE_);
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset--);
	CHANGE_INODE(f, FILE_, SNAP1, i.dir_offset--);
}

static void slot_hole_in_snapshot(struct names_set *f)
{
	names_put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout,
		 SPOS(DIR, names_hash("pushed"), SNAP2));
}

static void same_name_twice(struct names_set *f)
{
	names_put_dirent(f, DIR, PARENT, "pushed", 8, LINKED);
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 2);
	CHANGE_INODE(f, LINKED, SNAP2, i.nlink = 1);
}

static void target_missing(struct names_set *f)
{
	names_put_dirent(f, DIR, PARENT, "nobody", 8, 7000);
}

static void target_missing_in_snapshot(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, names_hash("gone"), SNAP2));
}

static void target_below_only(struct names_set *f)
{
	/* a name that a snapshot below has made good: nothing to say */
	names_put_dirent(f, DIR, PARENT, "late", 8, 7000);
	names_put_file(f, 7000, SNAP1, "late");
}

static void target_type(struct names_set *f)
{
	names_put_dirent(f, DIR, PARENT, "file", 10, FILE_);
}

static void root_by_plain_name(struct names_set *f)
{
	names_put_dirent(f, NESTED_ROOT, NESTED, "me", 4, NESTED_ROOT);
	CHANGE_INODE(f, NESTED_ROOT, NESTED, i.nlink = 1);
}

static void dir_not_pointing_back(struct names_set *f)
{
	CHANGE_INODE(f, SUBDIR, PARENT, i.dir = i.dir_offset = 0);
}

static void unlinked_but_named(struct names_set *f)
{
	names_put_dirent(f, DIR, SNAP1, "orphan", 8, ORPHAN);
}

static void dir_with_two_names(struct names_set *f)
{
	names_put_dirent(f, DIR, PARENT, "again", 4, SUBDIR);
	CHANGE_INODE(f, DIR, PARENT, i.nlink = 2);
	CHANGE_INODE(f, DIR, SNAP2, i.nlink = 2);
}

static void subvol_name_no_parent(struct names_set *f)
{
	struct bch_dirent *d;

	d = (void *)memory_find(&f->m, BTREE_ID_dirents, SPOS(ROOT, names_hash("nested"), SNAP1))->v;
	d->d_parent_subvol = cpu_to_le32(9);
}

static void subvol_name_other_parent(struct names_set *f)
{
	struct bch_dirent *d;

	d = (void *)memory_find(&f->m, BTREE_ID_dirents, SPOS(ROOT, names_hash("nested"), SNAP1))->v;
	d->d_parent_subvol = cpu_to_le32(2);
}

static void subvol_name_no_child(struct names_set *f)
{
	names_put_dirent(f, ROOT, SNAP1, "ghost", BCH_DT_SUBVOL, 9);
}

static void subvol_name_twice(struct names_set *f)
{
	names_put_dirent(f, ROOT, SNAP1, "nested2", BCH_DT_SUBVOL, 3);
}

static void subvol_elsewhere(struct names_set *f)
{
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 2, false);
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 3));
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
}

static void bi_parent_elsewhere(struct names_set *f)
{
	CHANGE_INODE(f, NESTED_ROOT, NESTED, i.parent_subvol = 0);
}

static void xattr_no_inode(struct names_set *f)
{
	names_put_xattr(f, 7000, names_xattr_hash(0, "a"), PARENT, "a");
}

static void xattr_slot(struct names_set *f)
{
	memory_remove(&f->m, BTREE_ID_xattrs, SPOS(FILE_, names_xattr_hash(0, "b"), PARENT));
}

static void xattr_twice(struct names_set *f)
{
	names_put_xattr(f, FILE_, names_xattr_hash(0, "b"), PARENT, "b");
}

#define IDS_MAX		8
#define E(id)		(BCE_ERR_##id + 1)

static const struct damage {
	void		(*make)(struct names_set *f);
	const char	*what;
	unsigned int	id[IDS_MAX];	/* E(), in any order, 0: no more */
	unsigned int	left[IDS_MAX];	/* after the repair */
} damages[] = {
/* mended; in part; not */
#define D(fn, ...)	{ fn, #fn, { __VA_ARGS__ } }
#define LEFT(...)		{ __VA_ARGS__ }
#define PART(fn, left_, ...)	{ fn, #fn, { __VA_ARGS__ }, left_ }
#define KEPT(fn, ...)	{ fn, #fn, { __VA_ARGS__ }, { __VA_ARGS__ } }
	D(node_no_parent, E(snapshot_node_missing), E(snapshot_bad_skiplist), E(snapshot_bad_depth),
	  E(snapshot_tree_to_missing_snapshot)),
	D(node_not_a_child, E(snapshot_parent_bad)),
	D(node_no_child, E(snapshot_node_missing)),
	D(node_others_child, E(snapshot_child_bad)),
	D(node_depth, E(snapshot_bad_depth)),
	D(node_skip, E(snapshot_bad_skiplist)),
	D(node_root_skip, E(snapshot_bad_skiplist)),
	D(node_subvol, E(snapshot_should_not_have_subvol)),
	D(node_wrong_subvol, E(snapshot_should_not_have_subvol)),
	D(node_tree, E(snapshot_to_bad_snapshot_tree), E(subvol_not_master_and_not_snapshot)),
	D(node_no_tree, E(snapshot_to_bad_snapshot_tree)),
	D(tree_no_root, E(snapshot_tree_to_missing_snapshot), E(snapshot_tree_to_wrong_subvol)),
	D(tree_not_root, E(snapshot_tree_to_missing_snapshot)),
	D(tree_no_master, E(snapshot_tree_to_missing_subvol)),
	D(tree_wrong_master, E(snapshot_tree_to_wrong_subvol)),
	D(tree_snapshot_master, E(snapshot_tree_to_snapshot_subvol)),
	D(subvol_not_master, E(subvol_not_master_and_not_snapshot)),
	KEPT(subvol_no_snapshot, E(snapshot_node_missing)),
	D(subvol_no_root, E(subvol_to_missing_root), E(inode_bi_subvol_wrong)),
	KEPT(subvol_root_of_another, E(subvol_root_wrong_bi_subvol), E(subvol_snapshot_bad)),
	D(node_forgets_subvol, E(subvol_snapshot_bad)),
	D(subvol_1_has_parent, E(subvol_root_fs_path_parent_nonzero)),
	D(subvol_child_missing, E(subvol_children_not_set)),
	D(subvol_child_too_much, E(subvol_children_bad)),
	D(subvol_child_unknown, E(subvol_children_bad)),
	D(subvol_loops, E(subvol_loop), E(subvol_fs_path_parent_wrong)),
	D(subvol_nowhere, E(subvol_unreachable), E(subvol_fs_path_parent_wrong)),
	D(no_root_subvol, E(root_subvol_missing), E(snapshot_tree_to_missing_subvol),
	  E(snapshot_should_not_have_subvol), E(inode_points_to_missing_dirent), E(subvol_unreachable)),
	PART(no_root_dir, LEFT(E(inode_points_to_missing_dirent), E(inode_unreachable), E(root_dir_missing),
	  E(subvol_to_missing_root)), E(root_dir_missing), E(subvol_to_missing_root),
	  E(key_in_missing_inode)),
	KEPT(root_is_file, E(root_inode_not_dir), E(key_in_wrong_inode_type)),

	KEPT(key_of_no_snapshot, E(bkey_in_missing_snapshot)),
	D(other_seed, E(inode_snapshot_mismatch)),
	D(child_flag_missing, E(inode_has_child_snapshots_wrong)),
	D(child_flag_too_much, E(inode_has_child_snapshots_wrong)),
	D(unlinked_not_listed, E(unlinked_inode_not_on_deleted_list)),
	KEPT(listed_but_clean, E(deleted_inode_but_clean)),
	D(listed_missing, E(deleted_inode_missing)),
	D(listed_not_unlinked, E(deleted_inode_not_unlinked)),
	D(listed_has_child, E(deleted_inode_has_child_snapshots), E(inode_has_child_snapshots_wrong)),
	KEPT(unlinked_has_name, E(inode_unlinked_but_has_dirent)),
	KEPT(unlinked_dir, E(inode_unreachable)),
	KEPT(unlinked_dir_not_empty, E(inode_unreachable), E(inode_dir_unlinked_but_not_empty),
	  E(deleted_inode_is_dir)),
	D(size_flagged, E(inode_i_size_dirty_but_clean)),
	D(sectors_flagged, E(inode_i_sectors_dirty_but_clean)),
	KEPT(clean_with_logged_op, E(logged_op_but_clean)),
	D(parent_without_subvol, E(inode_bi_parent_nonzero)),
	D(bi_subvol_missing, E(inode_bi_subvol_missing), E(inode_unreachable)),
	D(bi_subvol_wrong, E(inode_bi_subvol_wrong), E(inode_unreachable)),
	D(name_missing, E(inode_points_to_missing_dirent), E(inode_wrong_backpointer)),
	D(name_of_another, E(inode_points_to_wrong_dirent), E(inode_wrong_backpointer)),
	D(no_name_known, 0),
	D(no_name_at_all, E(inode_unreachable)),
	D(dir_no_name, E(inode_unreachable)),
	D(links_wrong, E(inode_wrong_nlink)),
	D(links_wrong_in_snapshot, E(inode_wrong_nlink)),
	D(links_0, E(inode_multiple_links_but_nlink_0)),
	D(subdirs_wrong, E(inode_dir_wrong_nlink)),
	KEPT(dirs_in_a_ring, E(dir_loop)),

	D(sectors_wrong, E(inode_i_sectors_wrong)),
	D(sectors_wrong_in_snapshot, E(inode_i_sectors_wrong)),
	KEPT(overlap, E(extent_overlapping)),
	KEPT(overlap_across_snapshots, E(extent_overlapping)),
	D(behind_the_end, E(extent_past_end_of_inode)),
	D(half_cut, 0),
	D(another_half_cut, E(extent_past_end_of_inode)),
	D(half_cut_elsewhere, E(extent_past_end_of_inode)),
	D(half_cut_to_another_size, E(extent_past_end_of_inode)),
	D(extent_no_inode, E(key_in_missing_inode)),
	KEPT(extent_of_dir, E(key_in_wrong_inode_type)),
	D(extent_without_version, E(inode_i_sectors_wrong), E(extent_past_end_of_inode)),

	D(dirent_no_dir, E(key_in_missing_inode)),
	KEPT(dirent_in_file, E(key_in_wrong_inode_type)),
	D(wrong_slot, E(hash_table_key_wrong_offset)),
	D(slot_before_hash, E(hash_table_key_wrong_offset)),
	D(slot_hole_in_snapshot, E(hash_table_key_wrong_offset)),
	D(same_name_twice, E(hash_table_key_duplicate)),
	D(target_missing, E(dirent_to_missing_inode)),
	D(target_missing_in_snapshot, E(dirent_to_missing_inode)),
	D(target_below_only, 0),
	D(target_type, E(dirent_d_type_wrong)),
	KEPT(root_by_plain_name, E(dirent_d_type_wrong), E(inode_wrong_backpointer)),
	D(dir_not_pointing_back, E(inode_unreachable), E(inode_dir_missing_backpointer)),
	KEPT(unlinked_but_named, E(inode_unlinked_but_has_dirent)),
	D(dir_with_two_names, E(inode_dir_multiple_links)),
	D(subvol_name_no_parent, E(dirent_to_missing_parent_subvol), E(subvol_fs_path_parent_wrong),
	  E(inode_bi_parent_wrong)),
	D(subvol_name_other_parent, E(dirent_not_visible_in_parent_subvol), E(subvol_fs_path_parent_wrong),
	  E(inode_bi_parent_wrong)),
	D(subvol_name_no_child, E(dirent_to_missing_subvol)),
	D(subvol_name_twice, E(inode_dir_multiple_links)),
	D(subvol_elsewhere, E(subvol_fs_path_parent_wrong)),
	D(bi_parent_elsewhere, E(inode_bi_parent_wrong), E(inode_points_to_missing_dirent)),
	D(xattr_no_inode, E(key_in_missing_inode)),
	D(xattr_slot, E(hash_table_key_wrong_offset)),
	D(xattr_twice, E(hash_table_key_duplicate)),
#undef D
#undef PART
#undef LEFT
#undef KEPT
};

static bool has(const unsigned int ids[IDS_MAX], unsigned int id)
{
	for (unsigned int i = 0; i < IDS_MAX; i++)
		if (ids[i] == id + 1)
			return true;
	return false;
}

/* Return: how many are otherwise */
static unsigned int compare(const struct damage *d, const char *when, const unsigned int ids[IDS_MAX],
			    const struct bce_log *log)
{
	unsigned int failed = 0;

	for (unsigned int id = 0; id < BCE_ERR_NR; id++) {
		u64 nr = bce_log_error_count(log, id);

		if (!nr == !has(ids, id))
			continue;
		print_error("%s: %s %s %s\n", d->what, bce_error_name(id), nr ? "found" : "not found", when);
		failed++;
	}
	return failed;
}

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		print_error("left: %s\n", line);
}

static unsigned int one_thing(const struct damage *d)
{
	struct bce_log *after = bce_log_alloc("after");
	unsigned int failed;
	struct names_set f;

	bce_log_set_print(after, print_line, NULL);
	names_set_begin(&f);
	d->make(&f);
	names_set_start(&f);
	names_set_check(&f, f.m.log);
	failed = compare(d, "", d->id, f.m.log);
	names_set_repair(&f, false);
	names_set_check(&f, after);
	failed += compare(d, "after the repair", d->left, after);
	/* and what is left is not changed to and fro */
	if (names_set_repair(&f, false)) {
		print_error("%s: changed by a second repair\n", d->what);
		failed++;
	}
	names_set_exit(&f);
	bce_log_free(after);
	return failed;
}

static void one_thing_wrong(void **state)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(damages); i++) {
		if (getenv("ONLY") && !strstr(damages[i].what, getenv("ONLY")))
			continue;
		failed += one_thing(&damages[i]);
	}
	assert_int_equal(failed, 0);
}

/* ---- what waits for its cleaning is not judged ---- */

static void dead_snapshot(void **state)
{
	struct names_set f;

	names_set_begin(&f);
	/* subvolume 2 is deleted, its keys half gone, its node still there */
	CHANGE_NODE(&f, SNAP2, names_node2, s.deleted = true; s.is_subvol = false; s.subvol = 0);
	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 2));
	memory_remove(&f.m, BTREE_ID_subvolume_children, POS(1, 2));
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(ROOT, names_hash("snap"), SNAP1));
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash("gone"), SNAP2));
	/* and one of 100 has been moved down to 90 already */
	memory_remove(&f.m, BTREE_ID_extents, SPOS(FILE_, 32, PARENT));
	names_put_reservation(&f, FILE_, 32, SNAP1, 16);
	names_set_start(&f);
	assert_int_equal(names_set_check(&f, f.m.log), 0);
	assert_int_equal(names_set_repair(&f, false), 0);
	names_set_exit(&f);
}

/* whatever stands in the keys: it ends, and the sanitizers have nothing to say */
static void anything_wrong(void **state)
{
	for (unsigned int i = 0; i < 600; i++) {
		struct names_set f;

		names_set_begin(&f);
		for (unsigned int j = rnd() % 4 + 1; j; j--)
			memory_scramble(&f.m, rnd());
		names_set_start(&f);
		names_set_check(&f, f.m.log);
		names_set_repair(&f, false);
		/* and what is left is not changed to and fro */
		assert_int_equal(names_set_repair(&f, false), 0);
		names_set_exit(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_wrong),
		cmocka_unit_test(one_thing_wrong),
		cmocka_unit_test(dead_snapshot),
		cmocka_unit_test_setup(anything_wrong, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
