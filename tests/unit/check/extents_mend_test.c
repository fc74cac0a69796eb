// SPDX-License-Identifier: GPL-2.0
/*
 * Extents behind the end of a file are cut away in the snapshot that sees the end (lib/engine/check/extents_mend.c;
 * docs/format/60-filesystem-keys.md, sections 12, 21): what goes, what stays, and for whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "names_set.h"

#define BIG	7000		/* [0, 8) [8, 40) */

static struct names_set f;

/* data is what is cut, and what it is does not matter here */
static void put_big(u32 snapshot, u64 size)
{
	names_put_dirent(&f, DIR, snapshot, "big", 8, BIG);
	names_put_file(&f, BIG, snapshot, "big");
	CHANGE_INODE(&f, BIG, snapshot, i.size = size; i.sectors = 40);
	names_put_extent(&f, BIG, 8, snapshot, 8);
	names_put_extent(&f, BIG, 40, snapshot, 32);
}

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

/* size of the key that ends there; -1: none, 0: a whiteout */
static int size_at(u64 end, u32 snapshot)
{
	struct bkey k;
	unsigned int type = names_type_at(&f, BTREE_ID_extents, SPOS(BIG, end, snapshot), &k);

	return !type ? -1 : type == KEY_TYPE_whiteout ? 0 : (int)k.size;
}

static void sectors_are(u32 snapshot, u64 sectors)
{
	struct inode_fields i;

	names_inode_at(&f, BIG, snapshot, &i);
	assert_int_equal(i.sectors, sectors);
}

/* the block with the end stays, and reserved space */
static void over_the_end(void **state)
{
	put_big(SNAP1, 12 * 512);
	names_put_extent(&f, BIG, 80, SNAP1, 8);
	names_put_reservation(&f, BIG, 120, SNAP1, 8);
	CHANGE_INODE(&f, BIG, SNAP1, i.sectors = 56);
	names_set_mended(&f);
	assert_int_equal(size_at(8, SNAP1), 8);
	assert_int_equal(size_at(16, SNAP1), 8);
	assert_int_equal(size_at(40, SNAP1), -1);
	assert_int_equal(size_at(80, SNAP1), -1);
	assert_int_equal(size_at(120, SNAP1), 8);
	sectors_are(SNAP1, 24);
}

/* of an ancestor's extent others see all */
static void of_an_ancestor(void **state)
{
	struct inode_fields i;

	put_big(PARENT, 40 * 512);
	CHANGE_INODE(&f, BIG, PARENT, i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(&f, BIG, SNAP2, "big");
	CHANGE_INODE(&f, BIG, SNAP2, i.size = 16 * 512; i.sectors = 40);
	names_set_mended(&f);
	assert_int_equal(size_at(40, SNAP2), 0);
	assert_int_equal(size_at(16, PARENT), 8);
	assert_int_equal(size_at(40, PARENT), 24);
	sectors_are(SNAP2, 16);
	sectors_are(PARENT, 40);
	names_inode_at(&f, BIG, SNAP2, &i);
	assert_int_equal(i.size, 16 * 512);
}

/* all that see it end before it */
static void of_all(void **state)
{
	put_big(PARENT, 8 * 512);
	CHANGE_INODE(&f, BIG, PARENT, i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(&f, BIG, SNAP2, "big");
	CHANGE_INODE(&f, BIG, SNAP2, i.size = 7 * 512; i.sectors = 40);
	names_set_mended(&f);
	assert_int_equal(size_at(40, PARENT), -1);
	sectors_are(SNAP2, 8);
	sectors_are(PARENT, 8);
}

/* a younger version has it: then the older one's end is what is wrong */
static void wanted_below(void **state)
{
	put_big(PARENT, 8 * 512);
	CHANGE_INODE(&f, BIG, PARENT, i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(&f, BIG, SNAP2, "big");
	CHANGE_INODE(&f, BIG, SNAP2, i.size = 40 * 512; i.sectors = 40);
	names_set_start(&f);
	assert_int_equal(names_set_check(&f, f.m.log), 1);
	assert_int_equal(names_set_repair(&f, false), 0);
	assert_int_equal(size_at(40, PARENT), 32);
}

/* unless it has hidden it */
static void hidden_below(void **state)
{
	put_big(PARENT, 8 * 512);
	CHANGE_INODE(&f, BIG, PARENT, i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(&f, BIG, SNAP2, "big");
	CHANGE_INODE(&f, BIG, SNAP2, i.size = 40 * 512; i.sectors = 40);
	names_put_extent(&f, BIG, 40, SNAP2, 32);
	names_set_mended(&f);
	assert_int_equal(size_at(40, PARENT), -1);
	assert_int_equal(size_at(40, SNAP2), 32);
	sectors_are(SNAP2, 40);
}

static void careful(void **state)
{
	put_big(SNAP1, 8 * 512);
	names_set_start(&f);
	assert_int_equal(names_set_check(&f, f.m.log), 1);
	assert_int_equal(names_set_repair(&f, true), 0);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(over_the_end),
		TEST(of_an_ancestor),
		TEST(of_all),
		TEST(wanted_below),
		TEST(hidden_below),
		TEST(careful),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
