// SPDX-License-Identifier: GPL-2.0
/*
 * Checking a set that is being written to, also one that was started for the first time just now: its
 * rings and replicas are in none of the superblocks that it was opened with.
 */
#include <pthread.h>
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

/* a file without a name that somebody has open is no finding, though the set was shut down cleanly before */
static void unlinked_and_open(void **state)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_file_id dir;
	struct bce_inode inode;
	struct set_image image;
	struct test_set t;

	set_image_begin(&image, 2, &t, &dir);
	assert_int_equal(bce_create(t.set, dir, "open", 4, &what, &inode), 0);
	assert_int_equal(bce_unlink(t.set, dir, "open", 4, false, &inode), 0);
	assert_int_equal(set_image_check(t.set), 0);
	assert_int_equal(bce_inode_release(t.set, inode.id), 0);
	assert_int_equal(set_image_check(t.set), 0);
	set_image_end(&image, &t);
}

/* ---- while others write, and buckets are discarded ---- */

struct writers {
	struct bce_set		*set;
	struct bce_file_id	dir;
	int			stop, made, error;
	pthread_t		thread[3];
};

static void *write_and_remove(void *ctx)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	u8 *data = aligned_alloc(4096, BYTES);
	struct writers *w = ctx;
	struct bce_inode inode;
	char name[32];
	int ret = 0;

	memset(data, 'x', BYTES);
	while (!ret && !__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		snprintf(name, sizeof(name), "file%d", __atomic_add_fetch(&w->made, 1, __ATOMIC_RELAXED));
		ret = bce_create(w->set, w->dir, name, strlen(name), &what, &inode);
		for (u64 at = 0; !ret && at < 16; at++)
			ret = set_write(w->set, inode.id, at * BYTES / 512, data, BYTES, (at + 1) * BYTES, 0);
		ret = ret ?: bce_unlink(w->set, w->dir, name, strlen(name), false, &inode) ?:
		      bce_inode_release(w->set, inode.id) ?: bce_sync(w->set);
	}
	if (ret)
		__atomic_store_n(&w->error, ret, __ATOMIC_RELAXED);
	free(data);
	return NULL;
}

static void check_beside_writers(void **state)
{
	struct writers w = { };
	struct set_image image;
	struct test_set t;
	int before, bad = 0;

	set_image_begin(&image, 2, &t, &w.dir);
	w.set = t.set;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&w.thread[i], NULL, write_and_remove, &w), 0);
	for (int round = 0; round < 6; round++) {
		/* they are at it again */
		before = __atomic_load_n(&w.made, __ATOMIC_RELAXED);
		while (__atomic_load_n(&w.made, __ATOMIC_RELAXED) < before + 8 &&
		       !__atomic_load_n(&w.error, __ATOMIC_RELAXED))
			usleep(1000);
		bad += !!set_image_check(t.set);
	}
	__atomic_store_n(&w.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(w.thread[i], NULL), 0);
	assert_int_equal(bad, 0);
	assert_int_equal(w.error, 0);
	set_image_end(&image, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_while_written),
		cmocka_unit_test(unlinked_and_open),
		cmocka_unit_test(check_beside_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
