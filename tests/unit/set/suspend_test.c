// SPDX-License-Identifier: GPL-2.0
/*
 * A set that is suspended while others change it: nothing reaches the members, who changes something
 * waits, what is on the members meanwhile is whole; and what happens when the table goes away instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/write.h>

#include "kapi/kapi.h"
#include "set_image.h"
#include "set_io.h"

#define WRITERS	3

struct fixture {
	struct set_image	image;
	struct test_set		t;
	struct bce_file_id	root;
	struct kapi_bdev_fault	fault;
	atomic_t		writes;		/* that reached a member */
	atomic_t		made;		/* files */
	atomic_t		stop;
	int			error;		/* with which the last writer ended */
	pthread_t		writer[WRITERS];
};

static void count_write(struct bio *bio, void *priv)
{
	struct fixture *f = priv;

	if (op_is_write(bio_op(bio)))
		atomic_inc(&f->writes);
}

/* until told to stop, or an error: a file, some of its contents, durable now and then */
static void *writer(void *ctx)
{
	struct fixture *f = ctx;
	struct bce_create what = { .mode = S_IFREG | 0644 };
	void *data = aligned_alloc(4096, 65536);
	struct bce_inode inode;
	char name[32];
	int ret = 0;

	memset(data, 'x', 65536);
	while (!ret && !atomic_read(&f->stop)) {
		snprintf(name, sizeof(name), "file%d", atomic_inc_return(&f->made));
		ret = bce_create(f->t.set, f->root, name, strlen(name), &what, &inode);
		if (!ret)
			ret = set_write(f->t.set, inode.id, 0, data, 65536, 65536, 0);
		if (!ret)
			ret = bce_sync_inode(f->t.set, inode.id);
		if (!ret && atomic_read(&f->made) % 3 == 0)
			ret = bce_unlink(f->t.set, f->root, name, strlen(name), false, &inode) ?:
			      bce_inode_release(f->t.set, inode.id);
	}
	if (ret)
		WRITE_ONCE(f->error, ret);
	free(data);
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	set_image_begin(&f->image, 7, &f->t, &f->root);
	f->fault = (struct kapi_bdev_fault) { .submit = count_write, .priv = f };
	for (unsigned int i = 0; i < f->t.nr; i++)
		kapi_bdev_set_fault(f->t.bdev[i], &f->fault);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&f->writer[i], NULL, writer, f), 0);
	return 0;
}

static void writers_end(struct fixture *f)
{
	atomic_set(&f->stop, 1);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(f->writer[i], NULL), 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	set_image_end(&f->image, &f->t);
	free(f);
	return 0;
}

static void wait_for_files(struct fixture *f, int more)
{
	int until = atomic_read(&f->made) + more;

	while (atomic_read(&f->made) < until && !READ_ONCE(f->error))
		usleep(1000);
	assert_int_equal(READ_ONCE(f->error), 0);
}

/* what is on the members is opened as another host would, and checked */
static void check_copy(struct fixture *f)
{
	char command[512], why[512], *path[8];
	struct test_set copy;

	for (unsigned int i = 0; i < f->image.nr; i++) {
		assert_true(asprintf(&path[i], "%s.copy", f->image.path[i]) > 0);
		snprintf(command, sizeof(command), "cp --sparse=always %s %s", f->image.path[i], path[i]);
		assert_int_equal(system(command), 0);
	}
	if (test_set_open(&copy, path, f->image.nr, true, why))
		fail_msg("%s", why);
	/* not while buckets are discarded in the background */
	assert_int_equal(bce_set_go_ro(copy.set), 0);
	assert_int_equal(set_image_check(copy.set), 0);
	assert_int_equal(copy.findings, 0);
	test_set_close(&copy, false);
	for (unsigned int i = 0; i < f->image.nr; i++) {
		unlink(path[i]);
		free(path[i]);
	}
}

static void nothing_is_written(void **state)
{
	struct fixture *f = *state;
	int made, writes;

	wait_for_files(f, 30);
	for (unsigned int round = 0; round < 3; round++) {
		assert_int_equal(bce_set_suspend(f->t.set), 0);
		assert_true(bce_set_is_rw(f->t.set));
		writes = atomic_read(&f->writes);
		/* each writer may have counted the file it waits with */
		made = atomic_read(&f->made);
		assert_int_equal(bce_set_suspend(f->t.set), 0);
		bce_set_resume(f->t.set);
		usleep(round ? 50000 : 1500000);
		assert_int_equal(atomic_read(&f->writes), writes);
		assert_true(atomic_read(&f->made) <= made + WRITERS);
		if (!round)
			check_copy(f);
		assert_int_equal(atomic_read(&f->writes), writes);
		bce_set_resume(f->t.set);
		wait_for_files(f, 10);
	}
	writers_end(f);
	assert_int_equal(bce_set_go_ro(f->t.set), 0);
	check_copy(f);
}

static void promises_outlast_it(void **state)
{
	struct fixture *f = *state;
	struct bce_space space;
	struct bce_inode root;
	struct bce_usage before, after;

	writers_end(f);
	assert_int_equal(bce_inode_read(f->t.set, f->root, &root), 0);
	assert_int_equal(bce_sync(f->t.set), 0);
	/* what the writers have left is written now, and not below */
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(bce_set_suspend(f->t.set), 0);
		bce_set_resume(f->t.set);
	}
	assert_int_equal(bce_space_get(f->t.set, &root, 2048, &space), 0);
	assert_int_equal(bce_set_usage(f->t.set, &before), 0);
	assert_int_equal(bce_set_suspend(f->t.set), 0);
	bce_set_resume(f->t.set);
	assert_int_equal(bce_set_usage(f->t.set, &after), 0);
	assert_int_equal(before.free_sectors, after.free_sectors);
	/* given back while it is suspended: nobody waits for that */
	assert_int_equal(bce_set_suspend(f->t.set), 0);
	bce_space_put(f->t.set, &space);
	bce_set_resume(f->t.set);
}

static void *go_ro(void *ctx)
{
	struct fixture *f = ctx;
	int ret = bce_set_go_ro(f->t.set);

	atomic_set(&f->made, -1);
	return (void *)(long)ret;
}

static void the_end_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *ret;

	wait_for_files(f, 10);
	writers_end(f);
	assert_int_equal(bce_set_suspend(f->t.set), 0);
	assert_int_equal(pthread_create(&thread, NULL, go_ro, f), 0);
	usleep(100000);
	assert_true(atomic_read(&f->made) > 0);
	bce_set_resume(f->t.set);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_null(ret);
	check_copy(f);
}

/* a table that is suspended and then wiped: writers learn of it, the members can be used again */
static void the_table_goes(void **state)
{
	struct fixture *f = *state;

	wait_for_files(f, 10);
	assert_int_equal(bce_set_suspend(f->t.set), 0);
	bce_set_detach(f->t.set, &f->t);
	bce_set_resume(f->t.set);
	writers_end(f);
	assert_int_equal(f->error, -EROFS);
	assert_false(bce_set_is_rw(f->t.set));
	assert_int_equal(bce_set_go_ro(f->t.set), -EROFS);
	check_copy(f);
}

/* the same without suspending first: as after a crash */
static void the_table_goes_at_once(void **state)
{
	struct fixture *f = *state;

	wait_for_files(f, 20);
	bce_set_detach(f->t.set, &f->t);
	writers_end(f);
	assert_true(f->error == -EROFS || f->error == -EIO);
	assert_int_equal(bce_set_go_ro(f->t.set), -EROFS);
	check_copy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(promises_outlast_it, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_goes_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
