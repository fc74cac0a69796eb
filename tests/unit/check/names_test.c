// SPDX-License-Identifier: GPL-2.0
/*
 * The passes over names (docs/format/60-filesystem-keys.md, part VIII) over a small set that is right,
 * and over the same set with one thing wrong in it: exactly the errors that the format names for it.
 *
 *   tree 1   100 - 90  subvolume 1, the root         tree 2   70  subvolume 3, "nested" in the root
 *              \ - 80  subvolume 2, a snapshot of it, "snap" in the root
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "engine/key/values_write.h"
#include "../../lib/memory_set.h"
#include "../../lib/random.h"

#define PARENT	100
#define SNAP1	90
#define SNAP2	80
#define NESTED	70

#define SEED	0x0123456789abcdefULL
#define HASH	BCH_STR_HASH_siphash

enum { ROOT = 4096, DIR = 5000, FILE_, LINKED, GONE, ORPHAN, OWN, SUBDIR, NESTED_ROOT = 6000 };

struct fixture {
	struct memory_set	m;
	bool			clean;
};

static void put(struct fixture *f, unsigned int btree_id, struct bpos p, u32 size,
		const struct bkey *k)
{
	memory_key(&f->m, btree_id, k->type, p, size, k->v, k->val_u64s * 8);
}

static void put_type(struct fixture *f, unsigned int btree_id, unsigned int type, struct bpos p)
{
	memory_key(&f->m, btree_id, type, p, 0, NULL, 0);
}

/* ---- snapshots, subvolumes ---- */

static void put_snapshot(struct fixture *f, u32 id, const struct snapshot_info *s)
{
	struct val_buf val;
	struct bkey k = { };

	bce_snapshot_encode(&k, &val, s);
	put(f, BTREE_ID_snapshots, POS(0, id), 0, &k);
}

static const struct snapshot_info parent_node = { .children = { 90, 80 }, .tree = 1 };
static const struct snapshot_info node1 = {
	.is_subvol = true, .parent = 100, .subvol = 1, .tree = 1, .depth = 1,
	.skip = { 100, 100, 100 },
};
static const struct snapshot_info node2 = {
	.is_subvol = true, .parent = 100, .subvol = 2, .tree = 1, .depth = 1,
	.skip = { 100, 100, 100 },
};
static const struct snapshot_info nested_node = { .is_subvol = true, .subvol = 3, .tree = 2 };

static void put_tree(struct fixture *f, u32 id, u32 master, u32 root)
{
	struct snapshot_tree_info t = { .master_subvol = master, .root_snapshot = root };
	struct val_buf val;
	struct bkey k = { };

	bce_snapshot_tree_encode(&k, &val, &t);
	put(f, BTREE_ID_snapshot_trees, POS(0, id), 0, &k);
}

static void put_subvolume(struct fixture *f, u32 id, u32 snapshot, u64 inode, u32 parent,
			  bool snap)
{
	struct subvolume_info s = {
		.snapshot = snapshot, .inode = inode, .fs_path_parent = parent, .snap = snap,
	};
	struct val_buf val;
	struct bkey k = { };

	bce_subvolume_encode(&k, &val, &s);
	put(f, BTREE_ID_subvolumes, POS(0, id), 0, &k);
}

/* ---- inodes, names ---- */

static u64 hash_of(const char *name)
{
	return bce_name_hash(HASH, SEED, name, strlen(name), true);
}

/* fields of an inode as it is in the set, to be changed and put again */
static struct inode_fields inode(u64 inum, u32 snapshot, u32 mode)
{
	return (struct inode_fields) {
		.inum = inum, .snapshot = snapshot, .mode = mode, .hash_seed = SEED,
		.str_hash = HASH,
	};
}

static void put_inode(struct fixture *f, const struct inode_fields *fields)
{
	struct inode_val val;
	struct bkey k = { };

	bce_inode_pack(fields, &k, &val);
	put(f, BTREE_ID_inodes, SPOS(0, fields->inum, fields->snapshot), 0, &k);
}

static struct inode_fields get_inode(struct fixture *f, u64 inum, u32 snapshot)
{
	struct memory_key *key = memory_find(&f->m, BTREE_ID_inodes, SPOS(0, inum, snapshot));
	struct inode_fields fields;

	assert_non_null(key);
	assert_null(bce_inode_unpack(&key->k, &fields));
	return fields;
}

#define CHANGE_INODE(f, inum, snapshot, change)					\
do {										\
	struct inode_fields i = get_inode(f, inum, snapshot);			\
										\
	change;									\
	put_inode(f, &i);							\
} while (0)

static void put_dirent_at(struct fixture *f, u64 dir, u64 slot, u32 snapshot, const char *name,
			  u8 d_type, u64 target)
{
	struct dirent_info d = {
		.inum = d_type == BCH_DT_SUBVOL ? 0 : target,
		.child_subvol = d_type == BCH_DT_SUBVOL ? target : 0,
		.parent_subvol = d_type == BCH_DT_SUBVOL ? 1 : 0,
		.d_type = d_type,
		.name = (const u8 *)name,
		.name_len = strlen(name),
	};
	struct val_buf val;
	struct bkey k = { };

	bce_dirent_encode(&k, &val, &d);
	put(f, BTREE_ID_dirents, SPOS(dir, slot, snapshot), 0, &k);
}

static void put_dirent(struct fixture *f, u64 dir, u32 snapshot, const char *name, u8 d_type,
		       u64 target)
{
	put_dirent_at(f, dir, hash_of(name), snapshot, name, d_type, target);
}

static u64 xattr_hash(u8 type, const char *name)
{
	u8 typed[64] = { type };

	memcpy(typed + 1, name, strlen(name));
	return bce_name_hash(HASH, SEED, typed, 1 + strlen(name), false);
}

static void put_xattr(struct fixture *f, u64 inum, u64 slot, u32 snapshot, const char *name)
{
	struct xattr_info x = {
		.name = (const u8 *)name, .name_len = strlen(name), .val = (const u8 *)"v",
		.val_len = 1,
	};
	struct val_buf val;
	struct bkey k = { };

	bce_xattr_encode(&k, &val, &x);
	put(f, BTREE_ID_xattrs, SPOS(inum, slot, snapshot), 0, &k);
}

/* a hole's worth of nothing: what it holds is not this pass's matter */
static void put_extent(struct fixture *f, u64 inum, u64 end, u32 snapshot, u32 size)
{
	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_error, SPOS(inum, end, snapshot), size, NULL,
		   0);
}

static void put_reservation(struct fixture *f, u64 inum, u64 end, u32 snapshot, u32 size)
{
	struct bch_reservation r = { .nr_replicas = 1 };

	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_reservation, SPOS(inum, end, snapshot), size,
		   &r, sizeof(r));
}

/* ---- the set ---- */

static void put_subvolumes(struct fixture *f)
{
	put_snapshot(f, PARENT, &parent_node);
	put_snapshot(f, SNAP1, &node1);
	put_snapshot(f, SNAP2, &node2);
	put_snapshot(f, NESTED, &nested_node);
	put_tree(f, 1, 1, PARENT);
	put_tree(f, 2, 3, NESTED);
	put_subvolume(f, 1, SNAP1, ROOT, 0, false);
	put_subvolume(f, 2, SNAP2, ROOT, 1, true);
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, false);
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 2));
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 3));
}

static void put_roots(struct fixture *f)
{
	struct inode_fields i = inode(ROOT, PARENT, S_IFDIR | 0755);

	i.subvol = 1;
	i.nlink = 1;
	i.flags = BIT(INODE_FLAG_has_child_snapshot);
	put_inode(f, &i);
	i.snapshot = SNAP1;
	i.flags = 0;
	put_inode(f, &i);
	i.snapshot = SNAP2;
	i.subvol = 2;
	i.parent_subvol = 1;
	i.dir = ROOT;
	i.dir_offset = hash_of("snap");
	put_inode(f, &i);
	i.inum = NESTED_ROOT;
	i.snapshot = NESTED;
	i.subvol = 3;
	i.nlink = 0;
	i.dir_offset = hash_of("nested");
	put_inode(f, &i);
	put_dirent(f, ROOT, PARENT, "dir", 4, DIR);
	put_dirent(f, ROOT, SNAP1, "snap", BCH_DT_SUBVOL, 2);
	put_dirent(f, ROOT, SNAP1, "nested", BCH_DT_SUBVOL, 3);
}

/* of DIR; "in the way" of "pushed" was deleted, so that one stands behind its hash */
static void put_dir(struct fixture *f)
{
	struct inode_fields i = inode(DIR, PARENT, S_IFDIR | 0755);

	i.dir = ROOT;
	i.dir_offset = hash_of("dir");
	i.nlink = 1;
	i.flags = BIT(INODE_FLAG_has_child_snapshot);
	put_inode(f, &i);
	i.snapshot = SNAP2;
	i.flags = 0;
	put_inode(f, &i);
	put_dirent(f, DIR, PARENT, "file", 8, FILE_);
	put_dirent(f, DIR, PARENT, "one", 8, LINKED);
	put_dirent(f, DIR, PARENT, "two", 8, LINKED);
	put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, hash_of("two"), SNAP2));
	put_dirent(f, DIR, PARENT, "gone", 8, GONE);
	put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, hash_of("gone"), SNAP2));
	put_type(f, BTREE_ID_dirents, KEY_TYPE_hash_whiteout,
		 SPOS(DIR, hash_of("pushed"), PARENT));
	put_dirent_at(f, DIR, hash_of("pushed") + 1, PARENT, "pushed", 8, OWN);
	put_dirent(f, DIR, PARENT, "sub", 4, SUBDIR);
	i = inode(SUBDIR, PARENT, S_IFDIR | 0700);
	i.dir = DIR;
	i.dir_offset = hash_of("sub");
	put_inode(f, &i);
}

static void put_named_file(struct fixture *f, u64 inum, u32 snapshot, const char *name)
{
	struct inode_fields i = inode(inum, snapshot, S_IFREG | 0644);

	i.dir = DIR;
	i.dir_offset = hash_of(name);
	put_inode(f, &i);
}

static void put_files(struct fixture *f)
{
	put_named_file(f, FILE_, PARENT, "file");
	CHANGE_INODE(f, FILE_, PARENT, i.sectors = 24; i.size = 4096 - 5;
		     i.flags = BIT(INODE_FLAG_has_child_snapshot));
	put_named_file(f, FILE_, SNAP1, "file");
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 32; i.size = 8192);
	put_extent(f, FILE_, 8, PARENT, 8);
	put_reservation(f, FILE_, 32, PARENT, 16);
	/* rewritten from 0 to 16 */
	put_type(f, BTREE_ID_extents, KEY_TYPE_whiteout, SPOS(FILE_, 8, SNAP1));
	put_extent(f, FILE_, 16, SNAP1, 16);

	put_named_file(f, LINKED, PARENT, "two");
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 1;
		     i.flags = BIT(INODE_FLAG_has_child_snapshot));
	put_named_file(f, LINKED, SNAP2, "one");

	put_named_file(f, GONE, PARENT, "gone");
	put_type(f, BTREE_ID_inodes, KEY_TYPE_whiteout, SPOS(0, GONE, SNAP2));

	put_named_file(f, OWN, PARENT, "pushed");
	CHANGE_INODE(f, OWN, PARENT, i.dir_offset++);

	put_named_file(f, ORPHAN, SNAP1, "orphan");
	CHANGE_INODE(f, ORPHAN, SNAP1, i.dir = i.dir_offset = 0;
		     i.flags = BIT(INODE_FLAG_unlinked));
	put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, ORPHAN, SNAP1));

	put_xattr(f, FILE_, xattr_hash(0, "a"), PARENT, "a");
	put_type(f, BTREE_ID_xattrs, KEY_TYPE_hash_whiteout,
		 SPOS(FILE_, xattr_hash(0, "b"), PARENT));
	put_xattr(f, FILE_, xattr_hash(0, "b") + 1, PARENT, "b");
}

static void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	memory_init(&f->m);
	put_subvolumes(f);
	put_roots(f);
	put_dir(f);
	put_files(f);
}

static void fixture_check(struct fixture *f)
{
	struct check c;

	f->m.replay.clean = f->clean;
	assert_int_equal(memory_start(&f->m, NULL), 0);
	c = (struct check) {
		.btrees = f->m.btrees,
		.snapshots = f->m.snapshots,
		.log = f->m.log,
		.replay = &f->m.replay,
		.block_sectors = 8,
	};
	assert_int_equal(bce_check_names(&c), 0);
}

static void nothing_wrong(void **state)
{
	struct fixture f;

	fixture_begin(&f);
	fixture_check(&f);
	assert_int_equal(bce_log_errors_total(f.m.log), 0);
	memory_exit(&f.m);
}

/* ---- one thing wrong: snapshots ---- */

#define CHANGE_NODE(f, id, node, change)	\
do {						\
	struct snapshot_info s = node;		\
						\
	change;					\
	put_snapshot(f, id, &s);		\
} while (0)

static void node_no_parent(struct fixture *f)
{
	CHANGE_NODE(f, NESTED, nested_node, s.parent = 95; s.depth = 1;
		    s.skip[0] = s.skip[1] = s.skip[2] = 95);
}

static void node_not_a_child(struct fixture *f)
{
	CHANGE_NODE(f, PARENT, parent_node, s.children[1] = 0);
}

static void node_no_child(struct fixture *f)
{
	CHANGE_NODE(f, SNAP2, node2, s.children[0] = 60);
}

static void node_others_child(struct fixture *f)
{
	CHANGE_NODE(f, SNAP2, node2, s.children[0] = 70);
}

static void node_depth(struct fixture *f)
{
	CHANGE_NODE(f, SNAP1, node1, s.depth = 2);
}

static void node_skip(struct fixture *f)
{
	CHANGE_NODE(f, SNAP1, node1, s.skip[0] = 0);
}

static void node_root_skip(struct fixture *f)
{
	CHANGE_NODE(f, NESTED, nested_node, s.skip[2] = 90);
}

static void node_subvol(struct fixture *f)
{
	CHANGE_NODE(f, PARENT, parent_node, s.subvol = 1);
}

static void node_wrong_subvol(struct fixture *f)
{
	CHANGE_NODE(f, PARENT, parent_node, s.is_subvol = true; s.subvol = 1);
}

static void node_tree(struct fixture *f)
{
	CHANGE_NODE(f, SNAP1, node1, s.tree = 2);
}

static void node_no_tree(struct fixture *f)
{
	CHANGE_NODE(f, SNAP2, node2, s.tree = 9);
}

static void tree_no_root(struct fixture *f)
{
	put_tree(f, 3, 3, 60);
}

static void tree_not_root(struct fixture *f)
{
	put_tree(f, 3, 1, SNAP1);
}

static void tree_no_master(struct fixture *f)
{
	put_tree(f, 2, 9, NESTED);
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void tree_wrong_master(struct fixture *f)
{
	put_tree(f, 2, 1, NESTED);
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void tree_snapshot_master(struct fixture *f)
{
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, true);
}

static void subvol_not_master(struct fixture *f)
{
	put_subvolume(f, 2, SNAP2, ROOT, 1, false);
}

static void subvol_no_snapshot(struct fixture *f)
{
	put_subvolume(f, 4, 60, ROOT, 1, true);
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 4));
}

static void subvol_no_root(struct fixture *f)
{
	put_subvolume(f, 3, NESTED, 6001, 1, false);
}

static void subvol_root_of_another(struct fixture *f)
{
	put_subvolume(f, 4, NESTED, NESTED_ROOT, 1, true);
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 4));
}

static void subvol_1_has_parent(struct fixture *f)
{
	put_subvolume(f, 1, SNAP1, ROOT, 2, false);
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 1));
}

static void subvol_child_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 2));
}

static void subvol_child_too_much(struct fixture *f)
{
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
}

static void subvol_child_unknown(struct fixture *f)
{
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 9));
}

static void subvol_loops(struct fixture *f)
{
	put_subvolume(f, 2, SNAP2, ROOT, 3, true);
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 2, false);
	memory_clear(&f->m, BTREE_ID_subvolume_children);
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(3, 2));
}

static void subvol_nowhere(struct fixture *f)
{
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 0, false);
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 3));
}

static void no_root_subvol(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_subvolumes, POS(0, 1));
}

static void no_root_dir(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ROOT, SNAP1));
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ROOT, PARENT));
}

static void root_is_file(struct fixture *f)
{
	CHANGE_INODE(f, ROOT, SNAP1, i.mode = S_IFREG | 0755; i.nlink = 0);
}

/* ---- one thing wrong: inodes ---- */

static void key_of_no_snapshot(struct fixture *f)
{
	put_extent(f, FILE_, 8, 50, 8);
}

static void other_seed(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.hash_seed++);
}

static void child_flag_missing(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.flags = 0);
}

static void child_flag_too_much(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.flags = BIT(INODE_FLAG_has_child_snapshot));
}

static void unlinked_not_listed(struct fixture *f)
{
	memory_clear(&f->m, BTREE_ID_deleted_inodes);
}

static void listed_but_clean(struct fixture *f)
{
	f->clean = true;
}

static void listed_missing(struct fixture *f)
{
	put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, ORPHAN + 100, SNAP1));
}

static void listed_not_unlinked(struct fixture *f)
{
	put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, FILE_, SNAP1));
}

static void listed_has_child(struct fixture *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.flags |= BIT(INODE_FLAG_has_child_snapshot));
}

static void unlinked_has_name(struct fixture *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.dir = DIR; i.dir_offset = 77);
}

static void unlinked_dir(struct fixture *f)
{
	CHANGE_INODE(f, ORPHAN, SNAP1, i.mode = S_IFDIR | 0700);
}

static void unlinked_dir_not_empty(struct fixture *f)
{
	unlinked_dir(f);
	put_named_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = ORPHAN);
	put_dirent(f, ORPHAN, SNAP1, "x", 8, OWN + 10);
}

static void size_flagged(struct fixture *f)
{
	memory_clear(&f->m, BTREE_ID_deleted_inodes);
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ORPHAN, SNAP1));
	f->clean = true;
	CHANGE_INODE(f, FILE_, SNAP1, i.flags |= BIT(INODE_FLAG_i_size_dirty));
}

static void sectors_flagged(struct fixture *f)
{
	size_flagged(f);
	CHANGE_INODE(f, FILE_, SNAP1, i.flags = BIT(INODE_FLAG_i_sectors_dirty); i.sectors = 0);
}

static void clean_with_logged_op(struct fixture *f)
{
	struct bch_logged_op_truncate v = { };

	memory_clear(&f->m, BTREE_ID_deleted_inodes);
	memory_remove(&f->m, BTREE_ID_inodes, SPOS(0, ORPHAN, SNAP1));
	f->clean = true;
	memory_key(&f->m, BTREE_ID_logged_ops, KEY_TYPE_logged_op_truncate, POS(0, 1), 0, &v,
		   sizeof(v));
}

static void parent_without_subvol(struct fixture *f)
{
	CHANGE_INODE(f, SUBDIR, PARENT, i.parent_subvol = 1);
}

static void bi_subvol_missing(struct fixture *f)
{
	CHANGE_INODE(f, ROOT, PARENT, i.subvol = 9);
}

static void bi_subvol_wrong(struct fixture *f)
{
	CHANGE_INODE(f, ROOT, PARENT, i.subvol = 3);
}

static void name_missing(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset += 3);
}

static void name_of_another(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset = hash_of("one"));
}

static void no_name_known(struct fixture *f)
{
	CHANGE_INODE(f, OWN, PARENT, i.dir = i.dir_offset = 0);
}

static void no_name_at_all(struct fixture *f)
{
	put_named_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = i.dir_offset = 0);
}

static void dir_no_name(struct fixture *f)
{
	put_named_file(f, OWN + 10, SNAP1, "x");
	CHANGE_INODE(f, OWN + 10, SNAP1, i.dir = i.dir_offset = 0; i.mode = S_IFDIR | 0700);
}

static void links_wrong(struct fixture *f)
{
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 2);
}

static void links_wrong_in_snapshot(struct fixture *f)
{
	CHANGE_INODE(f, LINKED, SNAP2, i.nlink = 1);
}

static void links_0(struct fixture *f)
{
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 0);
}

static void subdirs_wrong(struct fixture *f)
{
	CHANGE_INODE(f, DIR, SNAP2, i.nlink = 0);
}

static void dirs_in_a_ring(struct fixture *f)
{
	put_named_file(f, 5100, PARENT, "ring");
	CHANGE_INODE(f, 5100, PARENT, i.mode = S_IFDIR | 0700; i.dir = 5101; i.nlink = 1);
	put_named_file(f, 5101, PARENT, "ring");
	CHANGE_INODE(f, 5101, PARENT, i.mode = S_IFDIR | 0700; i.dir = 5100; i.nlink = 1);
	put_dirent(f, 5101, PARENT, "ring", 4, 5100);
	put_dirent(f, 5100, PARENT, "ring", 4, 5101);
}

/* ---- one thing wrong: extents ---- */

static void sectors_wrong(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.sectors = 23);
}

static void sectors_wrong_in_snapshot(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 24);
}

static void overlap(struct fixture *f)
{
	put_extent(f, FILE_, 20, SNAP1, 8);
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 40; i.size = 1 << 20);
}

static void overlap_across_snapshots(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_extents, SPOS(FILE_, 8, SNAP1));
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 40);
}

static void behind_the_end(struct fixture *f)
{
	CHANGE_INODE(f, FILE_, PARENT, i.size = 0);
}

static void put_truncate(struct fixture *f, u64 inum, u32 subvol, u64 size)
{
	struct bch_logged_op_truncate v = {
		.subvol = cpu_to_le32(subvol), .inum = cpu_to_le64(inum), .new_i_size = cpu_to_le64(size),
	};

	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 32; i.size = 0);
	memory_key(&f->m, BTREE_ID_logged_ops, KEY_TYPE_logged_op_truncate, POS(0, 1), 0, &v, sizeof(v));
}

static void half_cut(struct fixture *f)
{
	put_truncate(f, FILE_, 1, 0);
}

static void another_half_cut(struct fixture *f)
{
	put_truncate(f, OWN, 1, 0);
}

static void half_cut_elsewhere(struct fixture *f)
{
	put_truncate(f, FILE_, 2, 0);
}

static void half_cut_to_another_size(struct fixture *f)
{
	put_truncate(f, FILE_, 1, 4096);
}

static void extent_no_inode(struct fixture *f)
{
	put_extent(f, 7000, 8, SNAP1, 8);
}

static void extent_of_dir(struct fixture *f)
{
	put_extent(f, DIR, 8, PARENT, 8);
	CHANGE_INODE(f, DIR, PARENT, i.sectors = 8);
	CHANGE_INODE(f, DIR, SNAP2, i.sectors = 8);
}

static void extent_without_version(struct fixture *f)
{
	put_extent(f, OWN, 8, SNAP2, 8);
}

/* ---- one thing wrong: names ---- */

static void dirent_no_dir(struct fixture *f)
{
	put_dirent(f, 7000, PARENT, "two", 8, LINKED);
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, hash_of("two"), PARENT));
	CHANGE_INODE(f, LINKED, PARENT, i.dir_offset = hash_of("one"));
}

static void dirent_in_file(struct fixture *f)
{
	put_dirent(f, OWN, PARENT, "two", 8, LINKED);
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, hash_of("two"), PARENT));
	CHANGE_INODE(f, LINKED, PARENT, i.dir_offset = hash_of("one"));
}

static void wrong_slot(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, hash_of("pushed"), PARENT));
}

static void slot_before_hash(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, hash_of("file"), PARENT));
	put_dirent_at(f, DIR, hash_of("file") - 1, PARENT, "file", 8, FILE_);
	CHANGE_INODE(f, FILE_, PARENT, i.dir_offset--);
	CHANGE_INODE(f, FILE_, SNAP1, i.dir_offset--);
}

static void slot_hole_in_snapshot(struct fixture *f)
{
	put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout,
		 SPOS(DIR, hash_of("pushed"), SNAP2));
}

static void same_name_twice(struct fixture *f)
{
	put_dirent(f, DIR, PARENT, "pushed", 8, LINKED);
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 2);
	CHANGE_INODE(f, LINKED, SNAP2, i.nlink = 1);
}

static void target_missing(struct fixture *f)
{
	put_dirent(f, DIR, PARENT, "nobody", 8, 7000);
}

static void target_missing_in_snapshot(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_dirents, SPOS(DIR, hash_of("gone"), SNAP2));
}

static void target_below_only(struct fixture *f)
{
	/* a name that a snapshot below has made good: nothing to say */
	put_dirent(f, DIR, PARENT, "late", 8, 7000);
	put_named_file(f, 7000, SNAP1, "late");
}

static void target_type(struct fixture *f)
{
	put_dirent(f, DIR, PARENT, "file", 10, FILE_);
}

static void root_by_plain_name(struct fixture *f)
{
	put_dirent(f, NESTED_ROOT, NESTED, "me", 4, NESTED_ROOT);
	CHANGE_INODE(f, NESTED_ROOT, NESTED, i.nlink = 1);
}

static void dir_not_pointing_back(struct fixture *f)
{
	CHANGE_INODE(f, SUBDIR, PARENT, i.dir = i.dir_offset = 0);
}

static void unlinked_but_named(struct fixture *f)
{
	put_dirent(f, DIR, SNAP1, "orphan", 8, ORPHAN);
}

static void dir_with_two_names(struct fixture *f)
{
	put_dirent(f, DIR, PARENT, "again", 4, SUBDIR);
	CHANGE_INODE(f, DIR, PARENT, i.nlink = 2);
	CHANGE_INODE(f, DIR, SNAP2, i.nlink = 2);
}

static void subvol_name_no_parent(struct fixture *f)
{
	struct bch_dirent *d;

	d = (void *)memory_find(&f->m, BTREE_ID_dirents, SPOS(ROOT, hash_of("nested"), SNAP1))->v;
	d->d_parent_subvol = cpu_to_le32(9);
}

static void subvol_name_other_parent(struct fixture *f)
{
	struct bch_dirent *d;

	d = (void *)memory_find(&f->m, BTREE_ID_dirents, SPOS(ROOT, hash_of("nested"), SNAP1))->v;
	d->d_parent_subvol = cpu_to_le32(2);
}

static void subvol_name_no_child(struct fixture *f)
{
	put_dirent(f, ROOT, SNAP1, "ghost", BCH_DT_SUBVOL, 9);
}

static void subvol_name_twice(struct fixture *f)
{
	put_dirent(f, ROOT, SNAP1, "nested2", BCH_DT_SUBVOL, 3);
}

static void subvol_elsewhere(struct fixture *f)
{
	put_subvolume(f, 3, NESTED, NESTED_ROOT, 2, false);
	memory_remove(&f->m, BTREE_ID_subvolume_children, POS(1, 3));
	put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(2, 3));
}

static void bi_parent_elsewhere(struct fixture *f)
{
	CHANGE_INODE(f, NESTED_ROOT, NESTED, i.parent_subvol = 0);
}

static void xattr_no_inode(struct fixture *f)
{
	put_xattr(f, 7000, xattr_hash(0, "a"), PARENT, "a");
}

static void xattr_slot(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_xattrs, SPOS(FILE_, xattr_hash(0, "b"), PARENT));
}

static void xattr_twice(struct fixture *f)
{
	put_xattr(f, FILE_, xattr_hash(0, "b"), PARENT, "b");
}

#define IDS_MAX		8
#define E(id)		(BCE_ERR_##id + 1)

static const struct damage {
	void		(*make)(struct fixture *f);
	const char	*what;
	unsigned int	id[IDS_MAX];	/* E(), in any order, 0: no more */
} damages[] = {
#define D(fn, ...)	{ fn, #fn, { __VA_ARGS__ } }
	D(node_no_parent, E(snapshot_node_missing), E(snapshot_bad_skiplist),
	  E(snapshot_bad_depth), E(snapshot_tree_to_missing_snapshot)),
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
	D(subvol_no_snapshot, E(snapshot_node_missing)),
	D(subvol_no_root, E(subvol_to_missing_root), E(inode_bi_subvol_wrong)),
	D(subvol_root_of_another, E(subvol_root_wrong_bi_subvol)),
	D(subvol_1_has_parent, E(subvol_root_fs_path_parent_nonzero)),
	D(subvol_child_missing, E(subvol_children_not_set)),
	D(subvol_child_too_much, E(subvol_children_bad)),
	D(subvol_child_unknown, E(subvol_children_bad)),
	D(subvol_loops, E(subvol_loop), E(subvol_fs_path_parent_wrong)),
	D(subvol_nowhere, E(subvol_unreachable), E(subvol_fs_path_parent_wrong)),
	D(no_root_subvol, E(root_subvol_missing), E(snapshot_tree_to_missing_subvol),
	  E(snapshot_should_not_have_subvol), E(inode_points_to_missing_dirent),
	  E(subvol_unreachable)),
	D(no_root_dir, E(root_dir_missing), E(subvol_to_missing_root),
	  E(key_in_missing_inode)),
	D(root_is_file, E(root_inode_not_dir), E(key_in_wrong_inode_type)),

	D(key_of_no_snapshot, E(bkey_in_missing_snapshot)),
	D(other_seed, E(inode_snapshot_mismatch)),
	D(child_flag_missing, E(inode_has_child_snapshots_wrong)),
	D(child_flag_too_much, E(inode_has_child_snapshots_wrong)),
	D(unlinked_not_listed, E(unlinked_inode_not_on_deleted_list)),
	D(listed_but_clean, E(deleted_inode_but_clean)),
	D(listed_missing, E(deleted_inode_missing)),
	D(listed_not_unlinked, E(deleted_inode_not_unlinked)),
	D(listed_has_child, E(deleted_inode_has_child_snapshots),
	  E(inode_has_child_snapshots_wrong)),
	D(unlinked_has_name, E(inode_unlinked_but_has_dirent)),
	D(unlinked_dir, E(inode_unreachable)),
	D(unlinked_dir_not_empty, E(inode_unreachable), E(inode_dir_unlinked_but_not_empty),
	  E(deleted_inode_is_dir)),
	D(size_flagged, E(inode_i_size_dirty_but_clean)),
	D(sectors_flagged, E(inode_i_sectors_dirty_but_clean)),
	D(clean_with_logged_op, E(logged_op_but_clean)),
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
	D(dirs_in_a_ring, E(dir_loop)),

	D(sectors_wrong, E(inode_i_sectors_wrong)),
	D(sectors_wrong_in_snapshot, E(inode_i_sectors_wrong)),
	D(overlap, E(extent_overlapping)),
	D(overlap_across_snapshots, E(extent_overlapping)),
	D(behind_the_end, E(extent_past_end_of_inode)),
	D(half_cut, 0),
	D(another_half_cut, E(extent_past_end_of_inode)),
	D(half_cut_elsewhere, E(extent_past_end_of_inode)),
	D(half_cut_to_another_size, E(extent_past_end_of_inode)),
	D(extent_no_inode, E(key_in_missing_inode)),
	D(extent_of_dir, E(key_in_wrong_inode_type)),
	D(extent_without_version, E(inode_i_sectors_wrong), E(extent_past_end_of_inode)),

	D(dirent_no_dir, E(key_in_missing_inode)),
	D(dirent_in_file, E(key_in_wrong_inode_type)),
	D(wrong_slot, E(hash_table_key_wrong_offset)),
	D(slot_before_hash, E(hash_table_key_wrong_offset)),
	D(slot_hole_in_snapshot, E(hash_table_key_wrong_offset)),
	D(same_name_twice, E(hash_table_key_duplicate)),
	D(target_missing, E(dirent_to_missing_inode)),
	D(target_missing_in_snapshot, E(dirent_to_missing_inode)),
	D(target_below_only, 0),
	D(target_type, E(dirent_d_type_wrong)),
	D(root_by_plain_name, E(dirent_d_type_wrong), E(inode_wrong_backpointer)),
	D(dir_not_pointing_back, E(inode_unreachable), E(inode_dir_missing_backpointer)),
	D(unlinked_but_named, E(inode_unlinked_but_has_dirent)),
	D(dir_with_two_names, E(inode_dir_multiple_links)),
	D(subvol_name_no_parent, E(dirent_to_missing_parent_subvol),
	  E(subvol_fs_path_parent_wrong), E(inode_bi_parent_wrong)),
	D(subvol_name_other_parent, E(dirent_not_visible_in_parent_subvol),
	  E(subvol_fs_path_parent_wrong), E(inode_bi_parent_wrong)),
	D(subvol_name_no_child, E(dirent_to_missing_subvol)),
	D(subvol_name_twice, E(inode_dir_multiple_links)),
	D(subvol_elsewhere, E(subvol_fs_path_parent_wrong)),
	D(bi_parent_elsewhere, E(inode_bi_parent_wrong), E(inode_points_to_missing_dirent)),
	D(xattr_no_inode, E(key_in_missing_inode)),
	D(xattr_slot, E(hash_table_key_wrong_offset)),
	D(xattr_twice, E(hash_table_key_duplicate)),
#undef D
};

static bool expected(const struct damage *d, unsigned int id)
{
	for (unsigned int i = 0; i < IDS_MAX; i++)
		if (d->id[i] == id + 1)
			return true;
	return false;
}

static void one_thing_wrong(void **state)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];
		struct fixture f;

		fixture_begin(&f);
		d->make(&f);
		fixture_check(&f);
		for (unsigned int id = 0; id < BCE_ERR_NR; id++) {
			u64 nr = bce_log_error_count(f.m.log, id);

			if (!nr == !expected(d, id))
				continue;
			print_error("%s: %s %s\n", d->what, bce_error_name(id),
				    nr ? "found" : "not found");
			failed++;
		}
		memory_exit(&f.m);
	}
	assert_int_equal(failed, 0);
}

/* ---- what waits for its cleaning is not judged ---- */

static void dead_snapshot(void **state)
{
	struct fixture f;

	fixture_begin(&f);
	/* subvolume 2 is deleted, its keys half gone, its node still there */
	CHANGE_NODE(&f, SNAP2, node2, s.deleted = true; s.is_subvol = false; s.subvol = 0);
	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 2));
	memory_remove(&f.m, BTREE_ID_subvolume_children, POS(1, 2));
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(ROOT, hash_of("snap"), SNAP1));
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, hash_of("gone"), SNAP2));
	/* and one of 100 has been moved down to 90 already */
	memory_remove(&f.m, BTREE_ID_extents, SPOS(FILE_, 32, PARENT));
	put_reservation(&f, FILE_, 32, SNAP1, 16);
	fixture_check(&f);
	assert_int_equal(bce_log_errors_total(f.m.log), 0);
	memory_exit(&f.m);
}

/* whatever stands in the keys: it ends, and the sanitizers have nothing to say */
static void anything_wrong(void **state)
{
	for (unsigned int i = 0; i < 300; i++) {
		struct fixture f;

		fixture_begin(&f);
		for (unsigned int j = rnd() % 4 + 1; j; j--)
			memory_scramble(&f.m, rnd());
		fixture_check(&f);
		memory_exit(&f.m);
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
