// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks of the golden sets: every copy of every disk is valid, and its text is that of
 * the reference (docs/format/10-superblock.md).
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <cmocka.h>

#include <linux/err.h>

#include "../lib/golden_set.h"
#include "kapi/kapi.h"
#include "same_lines.h"

/* every copy that the layout names, each at its own sector */
static void check_copies(const char *path)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image primary, copy;
	unsigned int i;

	assert_false(IS_ERR(bdev));
	assert_int_equal(bce_sb_read(&primary, bdev, 0, &why), 0);
	assert_int_equal(primary.read_from_sector, BCH_SB_SECTOR);
	assert_string_equal(bce_text_str(&why), "");
	for (i = 0; i < primary.sb->layout.nr_superblocks; i++) {
		u64 sector = le64_to_cpu(primary.sb->layout.sb_offset[i]);

		assert_int_equal(bce_sb_read(&copy, bdev, sector, &why), 0);
		assert_int_equal(le64_to_cpu(copy.sb->offset), sector);
		assert_int_equal(copy.sb->seq, primary.sb->seq);
		bce_sb_image_exit(&copy);
	}
	bce_sb_image_exit(&primary);
	bce_text_exit(&why);
	kapi_bdev_close(bdev);
}

static void all_copies_valid(void **state)
{
	unsigned int i;
	size_t disk;
	glob_t found;

	for (i = 0; golden_sets[i]; i++) {
		assert_int_equal(glob(golden_image_path(golden_sets[i], "disk*.img"), 0, NULL,
				      &found), 0);
		for (disk = 0; disk < found.gl_pathc; disk++)
			check_copies(found.gl_pathv[disk]);
		globfree(&found);
	}
}

/* the lines of show-super.txt: "=== diskN.img", the device's name, then what we print */
static char *set_text(const char *set)
{
	struct text_buf out = TEXT_BUF_INIT, why = TEXT_BUF_INIT;
	struct block_device *bdev;
	struct sb_image img;
	glob_t found;
	char *text;
	size_t i;

	assert_int_equal(glob(golden_image_path(set, "disk?.img"), 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc; i++) {
		bdev = kapi_bdev_open(found.gl_pathv[i], O_RDONLY);
		assert_false(IS_ERR(bdev));
		assert_int_equal(bce_sb_read(&img, bdev, 0, &why), 0);
		bce_text_printf(&out, "=== %s\n", strrchr(found.gl_pathv[i], '/') + 1);
		bce_text_printf(&out, "Device:                                     (reg file)\n");
		bce_sb_text(&out, img.sb, true, ~0ULL);
		bce_sb_image_exit(&img);
		kapi_bdev_close(bdev);
	}
	globfree(&found);
	assert_false(out.failed);
	text = strdup(bce_text_str(&out));
	bce_text_exit(&out);
	bce_text_exit(&why);
	return text;
}

static void text_equals_reference(void **state)
{
	unsigned int i;

	for (i = 0; golden_sets[i]; i++) {
		char *ours = set_text(golden_sets[i]);
		char *theirs = golden_reference(golden_sets[i], "show-super.txt");

		assert_non_null(theirs);
		assert_same_lines(golden_sets[i], ours, theirs);
		assert_string_equal(ours, theirs);
		free(ours);
		free(theirs);
	}
}

/* the third disk was away while the others were written */
static void stale_member_is_known(void **state)
{
	const char *paths[3] = { };
	struct golden_set g;
	char path[3][512];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		snprintf(path[i], sizeof(path[i]), "%s",
			 golden_image_path("degraded", i == 2 ? "disk2-stale.img" :
					   i ? "disk1.img" : "disk0.img"));
		paths[i] = path[i];
	}
	assert_int_equal(golden_set_open_files(&g, paths, 3), 0);
	/* it only missed writes: 10-superblock 8.7 lets it take part */
	assert_int_equal(g.candidate[2].verdict, SB_USE);
	assert_true(le64_to_cpu(g.image[2].sb->seq) < le64_to_cpu(g.sb->seq));
	golden_set_close(&g);
}

static void encrypted_set_unlocks(void **state)
{
	struct golden_set g;
	u8 wrong[32] = { 1 };
	struct bce_cipher *cipher;
	char description[BCE_KEY_DESCRIPTION_BYTES];

	assert_int_equal(golden_set_open(&g, "encrypted"), 0);
	assert_non_null(g.cipher);
	assert_true(bce_sb_key_is_wrapped(g.sb));
	assert_int_equal(bce_sb_unlock(g.sb, NULL, &cipher), -ENOKEY);
	assert_int_equal(bce_sb_unlock(g.sb, wrong, &cipher), -EKEYREJECTED);
	assert_null(cipher);
	bce_sb_key_description(g.sb, description);
	assert_int_equal(strncmp(description, "bcachefs:", 9), 0);
	assert_int_equal(strlen(description), 9 + 36);
	golden_set_close(&g);
}

static void presence_of_degraded_set(void **state)
{
	struct golden_set g;
	struct sb_presence p;

	assert_int_equal(golden_set_open(&g, "degraded"), 0);
	bce_sb_presence(g.sb, bce_members_present(g.members), &p);
	assert_int_equal(p.nr_expected, 3);
	assert_int_equal(p.nr_present, 2);
	assert_int_equal(p.missing, 1 << 2);
	assert_true(p.data_complete);
	assert_true(p.data_degraded);
	/* btree: 1 [0] is listed, so without member 0 data is gone */
	bce_sb_presence(g.sb, 1 << 1, &p);
	assert_false(p.data_complete);
	golden_set_close(&g);
}

static void labels_and_targets(void **state)
{
	const struct sb_option_desc *desc = bce_sb_option_by_name("background_target");
	struct text_buf out = TEXT_BUF_INIT;
	struct golden_set g;
	u64 hdd;

	assert_int_equal(golden_set_open(&g, "tiered"), 0);
	bce_sb_member_label(&out, g.sb, 1);
	assert_string_equal(bce_text_str(&out), "hdd.hdd1");
	bce_text_reset(&out);
	assert_non_null(desc);
	hdd = bce_sb_option_get(g.sb, desc);
	bce_sb_target_text(&out, g.sb, hdd);
	assert_string_equal(bce_text_str(&out), "hdd");
	assert_false(bce_sb_target_has_dev(g.sb, hdd, 0));
	assert_true(bce_sb_target_has_dev(g.sb, hdd, 1));
	assert_true(bce_sb_target_has_dev(g.sb, hdd, 2));
	assert_true(bce_sb_target_has_dev(g.sb, 0, 0));
	assert_true(bce_sb_target_has_dev(g.sb, 1 + 2, 2));
	assert_false(bce_sb_target_has_dev(g.sb, 1 + 2, 1));
	bce_text_exit(&out);
	golden_set_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_copies_valid),
		cmocka_unit_test(text_equals_reference),
		cmocka_unit_test(stale_member_is_known),
		cmocka_unit_test(encrypted_set_unlocks),
		cmocka_unit_test(presence_of_degraded_set),
		cmocka_unit_test(labels_and_targets),
	};

	return cmocka_run_group_tests_name("golden superblocks", tests, NULL, NULL);
}
