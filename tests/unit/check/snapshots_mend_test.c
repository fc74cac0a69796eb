// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot nodes, trees and subvolumes are mended by what their other ends say (lib/engine/check/snapshots_mend.c;
 * docs/format/60-filesystem-keys.md, part IV): what they are afterwards, and what is not touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "kapi/kapi.h"
#include "names_set.h"

static struct names_set f;

static int begin(void **state)
{
	names_set_begin(&f);
	return 0;
}

static int end(void **state)
{
	names_set_exit(&f);
	return 0;
}

static void node_is(u32 id, const struct snapshot_info *want)
{
	struct snapshot_info s;
	struct bkey k;

	assert_int_equal(names_type_at(&f, BTREE_ID_snapshots, POS(0, id), &k), KEY_TYPE_snapshot);
	bce_snapshot_decode(&k, &s);
	assert_int_equal(s.is_subvol, want->is_subvol);
	assert_int_equal(s.deleted, want->deleted);
	assert_int_equal(s.subvol, want->subvol);
	assert_int_equal(s.parent, want->parent);
	assert_memory_equal(s.children, want->children, sizeof(s.children));
	assert_int_equal(s.tree, want->tree);
	assert_int_equal(s.depth, want->depth);
	assert_memory_equal(s.skip, want->skip, sizeof(s.skip));
}

static void subvolume_at(u32 id, struct subvolume_info *s)
{
	struct bkey k;

	assert_int_equal(names_type_at(&f, BTREE_ID_subvolumes, POS(0, id), &k), KEY_TYPE_subvolume);
	bce_subvolume_decode(&k, s);
}

static void tree_is(u32 id, u32 master, u32 root)
{
	struct snapshot_tree_info t;
	struct bkey k;

	assert_int_equal(names_type_at(&f, BTREE_ID_snapshot_trees, POS(0, id), &k), KEY_TYPE_snapshot_tree);
	bce_snapshot_tree_decode(&k, &t);
	assert_int_equal(t.master_subvol, master);
	assert_int_equal(t.root_snapshot, root);
}

/* a name that only this snapshot has, and one that it inherits */
static void names_are_there(void)
{
	assert_int_equal(names_type_at(&f, BTREE_ID_dirents, SPOS(ROOT, names_hash("snap"), SNAP1), NULL),
			 KEY_TYPE_dirent);
	assert_int_equal(names_type_at(&f, BTREE_ID_dirents, SPOS(DIR, names_hash("file"), PARENT), NULL),
			 KEY_TYPE_dirent);
}

/* ---- nodes that are missing ---- */

static void missing_leaf(void **state)
{
	memory_remove(&f.m, BTREE_ID_snapshots, POS(0, SNAP2));
	names_set_mended(&f);
	node_is(SNAP2, &names_node2);
	node_is(PARENT, &names_parent_node);
	names_are_there();
}

static void missing_root(void **state)
{
	memory_remove(&f.m, BTREE_ID_snapshots, POS(0, PARENT));
	names_set_mended(&f);
	node_is(PARENT, &names_parent_node);
	node_is(SNAP1, &names_node1);
	names_are_there();
}

static void missing_single(void **state)
{
	memory_remove(&f.m, BTREE_ID_snapshots, POS(0, NESTED));
	names_set_mended(&f);
	node_is(NESTED, &names_nested_node);
	tree_is(2, 3, NESTED);
}

/* ---- links ---- */

static void lost_parent(void **state)
{
	struct snapshot_info s = names_node2;

	s.parent = 0;
	s.depth = 0;
	memset(s.skip, 0, sizeof(s.skip));
	names_put_snapshot(&f, SNAP2, &s);
	names_set_mended(&f);
	node_is(SNAP2, &names_node2);
	names_are_there();
}

/* the tree says it is the root, and nobody lists it */
static void root_with_parent(void **state)
{
	struct snapshot_info s = names_nested_node;

	s.parent = SNAP2;
	names_put_snapshot(&f, NESTED, &s);
	names_set_mended(&f);
	node_is(NESTED, &names_nested_node);
	node_is(SNAP2, &names_node2);
}

/* only the one that is wrong is changed */
static void depth_above(void **state)
{
	struct snapshot_info s = names_parent_node;

	s.depth = 7;
	names_put_snapshot(&f, PARENT, &s);
	names_set_start(&f);
	assert_int_equal(names_set_repair(&f, false), 1);
	node_is(PARENT, &names_parent_node);
	node_is(SNAP1, &names_node1);
}

static void stands_nowhere(void **state)
{
	struct subvolume_info s;

	names_put_subvolume(&f, 2, 61, ROOT, 1, true);
	names_set_mended(&f);
	subvolume_at(2, &s);
	assert_int_equal(s.snapshot, SNAP2);
	node_is(SNAP2, &names_node2);
}

/* files are written in leaves */
static void stands_in_parent(void **state)
{
	struct subvolume_info s;

	names_put_subvolume(&f, 1, PARENT, ROOT, 0, false);
	names_set_mended(&f);
	subvolume_at(1, &s);
	assert_int_equal(s.snapshot, SNAP1);
	node_is(PARENT, &names_parent_node);
}

static void node_forgot_subvolume(void **state)
{
	struct snapshot_info s = names_node1;

	s.is_subvol = false;
	s.subvol = 0;
	names_put_snapshot(&f, SNAP1, &s);
	names_set_mended(&f);
	node_is(SNAP1, &names_node1);
	names_are_there();
}

static void missing_tree(void **state)
{
	memory_remove(&f.m, BTREE_ID_snapshot_trees, POS(0, 1));
	names_set_mended(&f);
	tree_is(1, 1, PARENT);
	node_is(SNAP1, &names_node1);
}

static void all_are_snapshots(void **state)
{
	struct subvolume_info s;

	names_put_subvolume(&f, 1, SNAP1, ROOT, 0, true);
	names_set_mended(&f);
	subvolume_at(1, &s);
	assert_false(s.snap);
	subvolume_at(2, &s);
	assert_true(s.snap);
	tree_is(1, 1, PARENT);
}

/* two of three say where it is */
static void parent_by_two(void **state)
{
	struct subvolume_info s;

	names_put_subvolume(&f, 3, NESTED, NESTED_ROOT, 2, false);
	memory_remove(&f.m, BTREE_ID_subvolume_children, POS(1, 3));
	CHANGE_INODE(&f, NESTED_ROOT, NESTED, i.parent_subvol = 1);
	names_set_mended(&f);
	subvolume_at(3, &s);
	assert_int_equal(s.fs_path_parent, 1);
	assert_int_equal(names_type_at(&f, BTREE_ID_subvolume_children, POS(1, 3), NULL), KEY_TYPE_set);
}

static void root_of_another(void **state)
{
	struct inode_fields i;

	CHANGE_INODE(&f, NESTED_ROOT, NESTED, i.subvol = 1);
	names_set_mended(&f);
	names_inode_at(&f, NESTED_ROOT, NESTED, &i);
	assert_int_equal(i.subvol, 3);
}

/* an older version, too, hashes as the oldest one does, and its names follow */
static void other_seed(void **state)
{
	struct inode_fields i;

	CHANGE_INODE(&f, DIR, SNAP2, i.hash_seed++);
	names_set_mended(&f);
	names_inode_at(&f, DIR, SNAP2, &i);
	assert_int_equal(i.hash_seed, SEED);
	names_are_there();
}

/* ---- subvolumes that are missing ---- */

static void lost_root_subvolume(void **state)
{
	struct subvolume_info s;

	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 1));
	names_set_mended(&f);
	subvolume_at(1, &s);
	assert_int_equal(s.snapshot, SNAP1);
	assert_int_equal(s.inode, ROOT);
	assert_int_equal(s.fs_path_parent, 0);
	assert_false(s.snap);
	node_is(SNAP1, &names_node1);
	names_are_there();
}

static void lost_snapshot(void **state)
{
	struct subvolume_info s;

	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 2));
	names_set_mended(&f);
	subvolume_at(2, &s);
	assert_int_equal(s.snapshot, SNAP2);
	assert_int_equal(s.inode, ROOT);
	assert_int_equal(s.fs_path_parent, 1);
	assert_true(s.snap);
	names_are_there();
}

/* ---- what is not to be said ---- */

/* as a leaf without a subvolume all its files would go */
static void lost_subvolume_and_root(void **state)
{
	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 3));
	CHANGE_INODE(&f, NESTED_ROOT, NESTED, i.subvol = 0);
	names_set_start(&f);
	assert_true(names_set_check(&f, f.m.log) > 0);
	names_set_repair(&f, false);
	node_is(NESTED, &names_nested_node);
	tree_is(2, 3, NESTED);
	assert_int_equal(names_type_at(&f, BTREE_ID_subvolume_children, POS(1, 3), NULL), KEY_TYPE_set);
	assert_int_equal(names_type_at(&f, BTREE_ID_dirents, SPOS(ROOT, names_hash("nested"), SNAP1), NULL),
			 KEY_TYPE_dirent);
}

/* who sees what is not certain: nothing is taken away */
static void unsettled(void **state)
{
	names_put_subvolume(&f, 4, 60, ROOT, 1, true);
	names_put_type(&f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 4));
	names_put_extent(&f, 7000, 8, SNAP1, 8);
	names_put_dirent(&f, DIR, SNAP1, "nobody", 8, 7000);
	names_set_start(&f);
	assert_int_equal(names_set_check(&f, f.m.log), 3);
	assert_int_equal(names_set_repair(&f, false), 0);
	assert_int_equal(names_type_at(&f, BTREE_ID_extents, SPOS(7000, 8, SNAP1), NULL), KEY_TYPE_error);
	assert_int_equal(names_type_at(&f, BTREE_ID_dirents, SPOS(DIR, names_hash("nobody"), SNAP1), NULL),
			 KEY_TYPE_dirent);
}

/* one node is listed, another one named: both exist */
static void two_parents(void **state)
{
	const struct snapshot_info other = { .tree = 1, .children = { SNAP2, 0 } };
	u64 before;

	names_put_snapshot(&f, PARENT + 10, &other);
	names_set_start(&f);
	before = names_set_check(&f, f.m.log);
	assert_true(before > 0);
	names_set_repair(&f, false);
	node_is(SNAP2, &names_node2);
	node_is(PARENT, &names_parent_node);
	names_are_there();
}

/* ---- no memory ---- */

/* something for each that mends */
static void damage_all(void)
{
	struct snapshot_info s = names_parent_node;

	s.children[1] = 0;
	s.depth = 3;
	names_put_snapshot(&f, PARENT, &s);
	memory_remove(&f.m, BTREE_ID_snapshots, POS(0, NESTED));
	memory_remove(&f.m, BTREE_ID_subvolumes, POS(0, 2));
	names_put_tree(&f, 1, 77, 77);
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash("file"), PARENT));
	names_put_dirent_at(&f, DIR, names_hash("file") + 77, PARENT, "file", 8, FILE_);
	CHANGE_INODE(&f, FILE_, PARENT, i.size = 0);
	names_put_dirent(&f, DIR, PARENT, "pushed", 8, LINKED);
	names_put_dirent(&f, DIR, PARENT, "nobody", 8, 7000);
	CHANGE_INODE(&f, SUBDIR, PARENT, i.dir_offset++);
}

/* each allocation fails once: the repair says so and gives all back, or does without */
static void no_memory(void **state)
{
	bool failed = true;
	u64 nth, changes;

	for (nth = 1; failed; nth += 1 + nth / 16) {
		struct bce_log *log = bce_log_alloc("after");
		int ret;

		names_set_begin(&f);
		damage_all();
		names_set_start(&f);
		kapi_alloc_fail(nth, false);
		ret = names_set_try_repair(&f, false, &changes);
		failed = kapi_alloc_failed();
		kapi_alloc_fail(0, false);
		if (ret != -ENOMEM)
			assert_int_equal(ret, 0);
		if (!ret)
			assert_int_equal(names_set_check(&f, log), 0);
		names_set_exit(&f);
		bce_log_free(log);
	}
	assert_true(nth > 100);
	assert_true(changes > 10);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_leaf),
		TEST(missing_root),
		TEST(missing_single),
		TEST(lost_parent),
		TEST(root_with_parent),
		TEST(depth_above),
		TEST(stands_nowhere),
		TEST(stands_in_parent),
		TEST(node_forgot_subvolume),
		TEST(missing_tree),
		TEST(all_are_snapshots),
		TEST(parent_by_two),
		TEST(root_of_another),
		TEST(other_seed),
		TEST(lost_root_subvolume),
		TEST(lost_snapshot),
		TEST(lost_subvolume_and_root),
		TEST(unsettled),
		TEST(two_parents),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
