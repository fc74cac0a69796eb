// SPDX-License-Identifier: GPL-2.0
/*
 * Findings while a set is written: what each policy makes of them, and what the superblock remembers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/stat.h>

#include <bcachefs/ops.h>

#include "engine/format/errors.h"
#include "engine/sb/sb.h"
#include "engine/set/set_internal.h"
#include "set_image.h"
#include "set_io.h"

struct fixture {
	struct set_image	image;
	struct test_set		t;
	struct bce_file_id	root;
	unsigned int		told;
};

static void count(void *ctx)
{
	((struct fixture *)ctx)->told++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	set_image_begin(&f->image, 11, &f->t, &f->root);
	bce_set_on_error_end(f->t.set, count, f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	set_image_end(&f->image, &f->t);
	free(f);
	return 0;
}

static int make(struct fixture *f, const char *name)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;

	return bce_create(f->t.set, f->root, name, strlen(name), &what, &inode);
}

/* how often the members' superblocks say that it was found; -1: they have no such flag */
static s64 remembered(struct fixture *f, unsigned int id)
{
	const struct bch_sb_field_errors *errors;
	struct test_set t;
	unsigned int i, nr;
	size_t bytes;
	char why[512];
	s64 count = 0;

	if (test_set_open(&t, f->image.path, f->image.nr, false, why))
		fail_msg("%s", why);
	errors = (const void *)bce_sb_field(t.set->best.sb, BCH_SB_FIELD_errors, &bytes);
	nr = errors ? (bytes - offsetof(struct bch_sb_field_errors, entries)) / sizeof(errors->entries[0]) : 0;
	for (i = 0; i < nr; i++) {
		u64 v = le64_to_cpu(errors->entries[i].v);

		if (BITS_GET(v, BCH_SB_ERROR_ID) == id)
			count = BITS_GET(v, BCH_SB_ERROR_COUNT);
	}
	if (!BCH_SB_FLAG(t.set->best.sb, HAS_ERRORS))
		count = -1;
	test_set_close(&t, false);
	return count;
}

static void find(struct fixture *f, unsigned int nr)
{
	while (nr--)
		bce_log_error(f->t.set->log, BCE_ERR_dirent_to_missing_subvol, "made up by a test");
}

static void none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(make(f, "a"), 0);
	assert_int_equal(test_set_close(&f->t, true), 0);
	assert_int_equal(remembered(f, BCE_ERR_dirent_to_missing_subvol), -1);
}

static void others_go_on(void **state)
{
	struct fixture *f = *state;

	bce_set_errors_set(f->t.set, BCE_ERRORS_FIX_SAFE);
	find(f, 3);
	bce_set_errors_set(f->t.set, BCE_ERRORS_CONTINUE);
	find(f, 2);
	assert_int_equal(make(f, "a"), 0);
	assert_true(bce_set_is_rw(f->t.set));
	assert_int_equal(test_set_close(&f->t, true), 0);
	assert_int_equal(f->told, 0);
	assert_int_equal(remembered(f, BCE_ERR_dirent_to_missing_subvol), 5);
}

static void read_only(void **state)
{
	struct fixture *f = *state;
	int i;

	bce_set_errors_set(f->t.set, BCE_ERRORS_RO);
	assert_int_equal(make(f, "a"), 0);
	assert_string_equal(bce_set_fail_reason(f->t.set), "");
	find(f, 1);
	for (i = 0; i < 5000 && bce_set_is_rw(f->t.set); i++)
		usleep(1000);
	assert_false(bce_set_is_rw(f->t.set));
	assert_int_equal(f->told, 1);
	assert_non_null(strstr(bce_set_fail_reason(f->t.set), "errors=ro"));
	assert_non_null(strstr(bce_set_fail_reason(f->t.set), "dirent_to_missing_subvol"));
	assert_int_equal(make(f, "b"), -EROFS);
	/* counted already, and once only */
	assert_int_equal(bce_set_go_ro(f->t.set), -EROFS);
	assert_int_equal(bce_set_go_rw(f->t.set, NULL), -EROFS);
	test_set_close(&f->t, false);
	assert_int_equal(remembered(f, BCE_ERR_dirent_to_missing_subvol), 1);
}

/* findings of a reader are told to nobody */
static void before_writing(void **state)
{
	struct fixture *f = *state;

	bce_set_errors_set(f->t.set, BCE_ERRORS_RO);
	assert_int_equal(bce_set_go_ro(f->t.set), 0);
	find(f, 4);
	assert_int_equal(bce_set_go_rw(f->t.set, NULL), 0);
	usleep(20000);
	assert_true(bce_set_is_rw(f->t.set));
	assert_int_equal(make(f, "a"), 0);
	assert_int_equal(test_set_close(&f->t, true), 0);
	assert_int_equal(remembered(f, BCE_ERR_dirent_to_missing_subvol), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none, setup, teardown),
		cmocka_unit_test_setup_teardown(others_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(before_writing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
