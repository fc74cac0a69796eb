// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of hash tables, put where a search finds them (lib/engine/check/hash_mend.c;
 * docs/format/60-filesystem-keys.md, sections 9, 20): where they are afterwards, who sees them, and what their inodes say.
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

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "names_set.h"

static struct names_set f;
static struct bkey_buf buf;

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

/* type of the key at exactly this position; 0: none */
static unsigned int dirent_at(u64 dir, u64 slot, u32 snapshot)
{
	return names_type_at(&f, BTREE_ID_dirents, SPOS(dir, slot, snapshot), NULL);
}

/* what a search for the name in @dir finds, in the view of @snapshot; 0: nothing */
static u64 find(u64 dir, const char *name, u32 snapshot, u64 *slot)
{
	struct snapshot_view view = bce_snapshot_view(f.m.snapshots, snapshot);
	struct dirent_info d;
	struct bkey k;

	for (*slot = names_hash(name); ; ++*slot) {
		if (bce_btree_lookup(f.m.btrees, BTREE_ID_dirents, SPOS(dir, *slot, snapshot), &view, &k, &buf))
			return 0;
		if (k.type != KEY_TYPE_dirent)
			continue;
		bce_dirent_decode(&k, &d);
		if (d.name_len == strlen(name) && !memcmp(d.name, name, d.name_len))
			return d.d_type == BCH_DT_SUBVOL ? d.child_subvol : d.inum;
	}
}

static void inode_points(u64 inum, u32 snapshot, u64 dir, u64 slot)
{
	struct inode_fields i;

	names_inode_at(&f, inum, snapshot, &i);
	assert_int_equal(i.dir, dir);
	assert_int_equal(i.dir_offset, slot);
}

/* away from where its hash is, with all that points to it */
static void misplace(const char *name, u8 d_type, u64 inum, u64 slot)
{
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash(name), PARENT));
	names_put_dirent_at(&f, DIR, slot, PARENT, name, d_type, inum);
}

/* all versions of the inode follow */
static void seen_by_all(void **state)
{
	u64 slot, old = names_hash("file") + 5;

	misplace("file", 8, FILE_, old);
	CHANGE_INODE(&f, FILE_, PARENT, i.dir_offset = old);
	CHANGE_INODE(&f, FILE_, SNAP1, i.dir_offset = old);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "file", PARENT, &slot), FILE_);
	assert_int_equal(slot, names_hash("file"));
	assert_int_equal(find(DIR, "file", SNAP1, &slot), FILE_);
	assert_int_equal(find(DIR, "file", SNAP2, &slot), FILE_);
	assert_int_equal(dirent_at(DIR, old, PARENT), KEY_TYPE_hash_whiteout);
	inode_points(FILE_, PARENT, DIR, slot);
	inode_points(FILE_, SNAP1, DIR, slot);
}

/* a child had removed the name, where it was: it is not to come back */
static void hidden_from_child(void **state)
{
	u64 slot, old = names_hash("gone") - 3;

	misplace("gone", 8, GONE, old);
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash("gone"), SNAP2));
	names_put_type(&f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, old, SNAP2));
	CHANGE_INODE(&f, GONE, PARENT, i.dir_offset = old);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "gone", PARENT, &slot), GONE);
	assert_int_equal(find(DIR, "gone", SNAP1, &slot), GONE);
	assert_int_equal(find(DIR, "gone", SNAP2, &slot), 0);
	assert_int_equal(dirent_at(DIR, old, SNAP2), KEY_TYPE_whiteout);
}

/* a child has a key of its own there, which would hide it: the place behind is taken */
static void place_of_child(unsigned int type)
{
	u64 slot, right = names_hash("file"), old = right + 9;

	names_set_begin(&f);
	misplace("file", 8, FILE_, old);
	CHANGE_INODE(&f, FILE_, PARENT, i.dir_offset = old);
	CHANGE_INODE(&f, FILE_, SNAP1, i.dir_offset = old);
	names_put_type(&f, BTREE_ID_dirents, type, SPOS(DIR, right, SNAP2));
	names_set_mended(&f);
	assert_int_equal(find(DIR, "file", SNAP1, &slot), FILE_);
	assert_int_equal(slot, right + 1);
	assert_int_equal(dirent_at(DIR, right, PARENT), KEY_TYPE_hash_whiteout);
	assert_int_equal(find(DIR, "file", SNAP2, &slot), FILE_);
	assert_int_equal(slot, right + 1);
	inode_points(FILE_, SNAP1, DIR, right + 1);
	names_set_exit(&f);
}

static void places_of_children(void **state)
{
	place_of_child(KEY_TYPE_hash_whiteout);
	place_of_child(KEY_TYPE_whiteout);
}

static void new_file(u64 inum, u32 snapshot, u64 slot)
{
	names_put_file(&f, inum, snapshot, "x");
	CHANGE_INODE(&f, inum, snapshot, i.dir_offset = slot);
}

/* in the snapshot of a subvolume nothing stays at the old place, unless it is needed or hides something */
static void old_place(void **state)
{
	u64 slot, a = names_hash("leaf") + 100, c = names_hash("one");

	names_put_dirent_at(&f, DIR, a, SNAP2, "leaf", 8, 7000);
	new_file(7000, SNAP2, a);
	/* something stands behind it */
	names_put_dirent_at(&f, DIR, names_hash("pushed") + 2, SNAP2, "needed", 8, 7001);
	new_file(7001, SNAP2, names_hash("pushed") + 2);
	/* over a name of the parent: "one" is gone in this snapshot, and its link */
	names_put_dirent_at(&f, DIR, c, SNAP2, "over", 8, 7002);
	new_file(7002, SNAP2, c);
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash("two"), SNAP2));
	CHANGE_INODE(&f, LINKED, SNAP2, i.dir_offset = names_hash("two"));
	names_set_mended(&f);
	assert_int_equal(find(DIR, "leaf", SNAP2, &slot), 7000);
	assert_int_equal(dirent_at(DIR, a, SNAP2), 0);
	assert_int_equal(find(DIR, "needed", SNAP2, &slot), 7001);
	inode_points(7001, SNAP2, DIR, names_hash("needed"));
	assert_int_equal(find(DIR, "over", SNAP2, &slot), 7002);
	assert_int_equal(dirent_at(DIR, c, SNAP2), KEY_TYPE_whiteout);
	assert_int_equal(find(DIR, "one", SNAP2, &slot), 0);
	assert_int_equal(find(DIR, "one", SNAP1, &slot), LINKED);
}

/* the search goes on over the old place */
static void chain_goes_on(void **state)
{
	u64 slot, old = names_hash("one") + 1;

	names_put_dirent_at(&f, DIR, old, SNAP2, "wrong", 8, 7000);
	new_file(7000, SNAP2, old);
	/* "one" again in this snapshot: stands at its place, and what has its hash behind it */
	memory_remove(&f.m, BTREE_ID_dirents, SPOS(DIR, names_hash("one"), PARENT));
	names_put_type(&f, BTREE_ID_dirents, KEY_TYPE_hash_whiteout, SPOS(DIR, names_hash("one"), PARENT));
	names_put_dirent_at(&f, DIR, old + 1, SNAP2, "one", 8, LINKED);
	CHANGE_INODE(&f, LINKED, SNAP2, i.dir_offset = old + 1);
	CHANGE_INODE(&f, LINKED, PARENT, i.nlink = 0);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "wrong", SNAP2, &slot), 7000);
	assert_int_equal(find(DIR, "one", SNAP2, &slot), LINKED);
	assert_int_equal(slot, old + 1);
	assert_int_equal(dirent_at(DIR, old, SNAP2), KEY_TYPE_hash_whiteout);
}

/* the inode is the parent's, the name was written anew in the child: only there it is elsewhere */
static void inherited_inode(void **state)
{
	struct inode_fields i;
	u64 slot, old = names_hash("pushed") + 1;

	names_put_type(&f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, names_hash("pushed"), SNAP2));
	names_put_dirent_at(&f, DIR, old, SNAP2, "pushed", 8, OWN);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "pushed", SNAP2, &slot), OWN);
	assert_int_equal(slot, old - 1);
	inode_points(OWN, SNAP2, DIR, old - 1);
	inode_points(OWN, PARENT, DIR, old);
	names_inode_at(&f, OWN, PARENT, &i);
	assert_true(i.flags & BIT(INODE_FLAG_has_child_snapshot));
	assert_int_equal(find(DIR, "pushed", SNAP1, &slot), OWN);
	assert_int_equal(slot, old);
}

static void hole_in_child(void **state)
{
	u64 slot;

	names_put_type(&f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, names_hash("pushed"), SNAP2));
	names_set_start(&f);
	assert_int_equal(find(DIR, "pushed", SNAP2, &slot), 0);
	assert_int_equal(names_set_repair(&f, false), 1);
	assert_int_equal(find(DIR, "pushed", SNAP2, &slot), OWN);
}

/* ---- a subvolume's name ---- */

static void subvolume(void **state)
{
	u64 slot, old = names_hash("nested") + 1000;
	struct memory_key *k = memory_find(&f.m, BTREE_ID_dirents, SPOS(ROOT, names_hash("nested"), SNAP1));

	k->k.p.offset = old;
	CHANGE_INODE(&f, NESTED_ROOT, NESTED, i.dir_offset = old);
	names_set_mended(&f);
	assert_int_equal(find(ROOT, "nested", SNAP1, &slot), 3);
	inode_points(NESTED_ROOT, NESTED, ROOT, slot);
	assert_int_equal(dirent_at(ROOT, old, SNAP1), 0);
}

/* ---- duplicates ---- */

static void renamed(void **state)
{
	u64 slot;

	names_put_dirent(&f, DIR, PARENT, "pushed", 8, LINKED);
	CHANGE_INODE(&f, LINKED, PARENT, i.nlink = 2);
	CHANGE_INODE(&f, LINKED, SNAP2, i.nlink = 1);
	/* and the name it would get first is somebody's */
	names_put_dirent(&f, DIR, PARENT, "pushed.fsck-renamed-0", 8, 7000);
	names_put_file(&f, 7000, PARENT, "pushed.fsck-renamed-0");
	names_set_mended(&f);
	assert_int_equal(find(DIR, "pushed", PARENT, &slot), LINKED);
	assert_int_equal(find(DIR, "pushed.fsck-renamed-0", PARENT, &slot), 7000);
	assert_int_equal(find(DIR, "pushed.fsck-renamed-1", PARENT, &slot), OWN);
	inode_points(OWN, PARENT, DIR, slot);
	assert_int_equal(find(DIR, "pushed.fsck-renamed-1", SNAP2, &slot), OWN);
}

/* cut to 255 bytes, and not inside of a character */
static void long_name(void **state)
{
	char name[256] = "x", want[256];
	u64 slot, h;

	while (strlen(name) < 252)
		strcat(name, "\xe2\x82\xac");
	strcat(name, "yz");
	assert_int_equal(strlen(name), 255);
	h = names_hash(name);
	names_put_dirent(&f, DIR, PARENT, name, 8, 7000);
	names_put_file(&f, 7000, PARENT, name);
	names_put_dirent_at(&f, DIR, h + 1, PARENT, name, 8, 7001);
	new_file(7001, PARENT, h + 1);
	names_set_mended(&f);
	snprintf(want, sizeof(want), "%.238s.fsck-renamed-0", name);
	assert_int_equal(find(DIR, name, PARENT, &slot), 7000);
	assert_int_equal(find(DIR, want, PARENT, &slot), 7001);
	inode_points(7001, PARENT, DIR, slot);
}

/* nothing is lost */
static void same_name_same_file(void **state)
{
	struct inode_fields i;
	u64 slot, h = names_hash("only");

	names_put_dirent(&f, DIR, SNAP1, "only", 8, 7000);
	names_put_dirent_at(&f, DIR, h + 1, SNAP1, "only", 8, 7000);
	names_put_file(&f, 7000, SNAP1, "only");
	CHANGE_INODE(&f, 7000, SNAP1, i.nlink = 1; i.dir_offset = h + 1);
	CHANGE_INODE(&f, DIR, SNAP2, i.flags = 0);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "only", SNAP1, &slot), 7000);
	assert_int_equal(dirent_at(DIR, h + 1, SNAP1), 0);
	assert_int_equal(find(DIR, "only.fsck-renamed-0", SNAP1, &slot), 0);
	names_inode_at(&f, 7000, SNAP1, &i);
	assert_int_equal(i.nlink, 0);
}

/* what leads nowhere gets no other name */
static void duplicate_of_nothing(void **state)
{
	u64 slot, h = names_hash("pushed");

	names_put_dirent_at(&f, DIR, h + 2, PARENT, "pushed", 8, 7000);
	names_set_mended(&f);
	assert_int_equal(find(DIR, "pushed", PARENT, &slot), OWN);
	assert_int_equal(dirent_at(DIR, h + 2, PARENT), KEY_TYPE_hash_whiteout);
	assert_int_equal(find(DIR, "pushed.fsck-renamed-0", PARENT, &slot), 0);
}

static void attributes(void **state)
{
	u64 h = names_xattr_hash(0, "b");

	names_put_xattr(&f, FILE_, h, PARENT, "b");
	names_set_mended(&f);
	assert_int_equal(names_type_at(&f, BTREE_ID_xattrs, SPOS(FILE_, h, PARENT), NULL), KEY_TYPE_xattr);
	assert_int_equal(names_type_at(&f, BTREE_ID_xattrs, SPOS(FILE_, h + 1, PARENT), NULL), KEY_TYPE_hash_whiteout);
}

/* nothing gets another name, or goes */
static void careful(void **state)
{
	names_put_dirent(&f, DIR, PARENT, "pushed", 8, LINKED);
	CHANGE_INODE(&f, LINKED, PARENT, i.nlink = 2);
	CHANGE_INODE(&f, LINKED, SNAP2, i.nlink = 1);
	names_put_xattr(&f, FILE_, names_xattr_hash(0, "b"), PARENT, "b");
	names_set_start(&f);
	assert_int_equal(names_set_repair(&f, true), 0);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(seen_by_all),
		TEST(hidden_from_child),
		cmocka_unit_test(places_of_children),
		TEST(old_place),
		TEST(chain_goes_on),
		TEST(inherited_inode),
		TEST(hole_in_child),
		TEST(subvolume),
		TEST(renamed),
		TEST(long_name),
		TEST(same_name_same_file),
		TEST(duplicate_of_nothing),
		TEST(attributes),
		TEST(careful),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
