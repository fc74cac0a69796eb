// SPDX-License-Identifier: GPL-2.0
/*
 * Making one file durable: what changed it is, whatever it was; what others did is not waited for, and
 * what is durable already is not written again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kernel.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "engine/set/rw.h"
#include "set_image.h"
#include "set_io.h"

#define BYTES	65536

struct fixture {
	struct set_image	image;
	struct test_set		t;
	struct bce_file_id	root;
	struct bce_file_id	a, b;
	u8			*data;
};

static struct bce_file_id make_file(struct fixture *f, const char *name)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;

	assert_int_equal(bce_create(f->t.set, f->root, name, strlen(name), &what, &inode), 0);
	return inode.id;
}

static void write_file(struct fixture *f, struct bce_file_id id)
{
	assert_int_equal(set_write(f->t.set, id, 0, f->data, BYTES, BYTES, 0), 0);
}

static void open_set(struct fixture *f)
{
	char why[512];

	if (test_set_open(&f->t, f->image.path, f->image.nr, true, why))
		fail_msg("%s", why);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	set_image_begin(&f->image, 7, &f->t, &f->root);
	f->data = aligned_alloc(4096, BYTES);
	memset(f->data, 'x', BYTES);
	f->a = make_file(f, "a");
	f->b = make_file(f, "b");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	set_image_end(&f->image, &f->t);
	free(f->data);
	free(f);
	return 0;
}

/* flush entries that making @id durable takes */
static u64 entries_for(struct fixture *f, struct bce_file_id id)
{
	struct journal *j = f->t.set->rw->journal;
	struct journal_stats before, after;

	bce_journal_stats(j, &before);
	assert_int_equal(bce_sync_inode(f->t.set, id), 0);
	bce_journal_stats(j, &after);
	return after.flush_entries - before.flush_entries;
}

/* The journal flushes by itself, too, once a second: it does not do so each time. */
static void only_its_own_changes(void **state)
{
	struct fixture *f = *state;
	u64 least = U64_MAX;

	for (unsigned int i = 0; i < 5; i++) {
		write_file(f, f->a);
		assert_int_equal(bce_sync_inode(f->t.set, f->a), 0);
		write_file(f, f->b);
		least = min(least, entries_for(f, f->a));
	}
	assert_int_equal(least, 0);
}

typedef void (*change_fn)(struct fixture *f, struct bce_file_id id);

static void change_contents(struct fixture *f, struct bce_file_id id)
{
	memset(f->data, 'y', BYTES);
	write_file(f, id);
}

static void change_size(struct fixture *f, struct bce_file_id id)
{
	struct bce_inode inode;

	assert_int_equal(bce_truncate(f->t.set, id, 1000, &inode), 0);
}

static void change_mode(struct fixture *f, struct bce_file_id id)
{
	struct bce_inode inode;

	assert_int_equal(bce_inode_read(f->t.set, id, &inode), 0);
	inode.mode = S_IFREG | 0600;
	assert_int_equal(bce_setattr(f->t.set, &inode, BCE_ATTR_MODE, &inode), 0);
}

static void change_name(struct fixture *f, struct bce_file_id id)
{
	struct bce_inode inode;

	assert_int_equal(bce_link(f->t.set, id, f->root, "c", 1, &inode), 0);
}

/* it takes place in an entry that was not flushed before, and is there after a crash */
static void every_change(void **state)
{
	static const change_fn change[] = {
		change_contents, change_size, change_mode, change_name,
	};
	struct fixture *f = *state;
	struct journal *j;
	struct bce_inode want, got;

	for (unsigned int i = 0; i < ARRAY_SIZE(change); i++) {
		write_file(f, f->a);
		assert_int_equal(bce_sync(f->t.set), 0);
		change[i](f, f->a);
		j = f->t.set->rw->journal;
		assert_true(bce_journal_flushed_seq(j) < bce_journal_cur_seq(j));
		assert_int_equal(bce_inode_read(f->t.set, f->a, &want), 0);
		assert_int_equal(bce_sync_inode(f->t.set, f->a), 0);
		test_set_close(&f->t, false);
		open_set(f);
		assert_int_equal(bce_inode_read(f->t.set, f->a, &got), 0);
		assert_int_equal(want.size, got.size);
		assert_int_equal(want.mode, got.mode);
		assert_int_equal(want.nlink, got.nlink);
		assert_memory_equal(&want.ctime, &got.ctime, sizeof(want.ctime));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_its_own_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(every_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
