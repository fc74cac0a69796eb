// SPDX-License-Identifier: GPL-2.0
/*
 * Checking a set that is being written to, also one that was started for the first time just now: its
 * rings and replicas are in none of the superblocks that it was opened with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "set_image.h"
#include "set_io.h"

#define BYTES	65536

static void make_files(struct test_set *t, char letter)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	u8 *data = aligned_alloc(4096, BYTES);
	struct bce_subvolume root;
	struct bce_inode inode;

	memset(data, letter, BYTES);
	assert_int_equal(bce_subvolume_read(t->set, BCE_ROOT_SUBVOL, &root), 0);
	for (char name[2] = { letter, '0' }; name[1] <= '9'; name[1]++) {
		struct bce_file_id dir = { BCE_ROOT_SUBVOL, root.root_inum };

		assert_int_equal(bce_create(t->set, dir, name, 2, &what, &inode), 0);
		assert_int_equal(set_write(t->set, inode.id, 0, data, BYTES, BYTES, 0), 0);
	}
	assert_int_equal(bce_sync(t->set), 0);
	free(data);
}

static void check_while_written(void **state)
{
	struct set_image image;
	struct test_set t;
	char why[512];

	for (u64 seed = 1; seed <= 3; seed++) {
		assert_int_equal(set_image_make(&image, seed), 0);
		if (test_set_open(&t, image.path, image.nr, true, why))
			fail_msg("%s", why);
		make_files(&t, 'a');
		assert_int_equal(set_image_check(t.set), 0);
		make_files(&t, 'b');
		assert_int_equal(set_image_check(t.set), 0);
		assert_int_equal(test_set_close(&t, true), 0);
		set_image_remove(&image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
