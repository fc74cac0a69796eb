// SPDX-License-Identifier: GPL-2.0
/* Counters of a set (docs/format/10-superblock.md, section 10): what is done is counted, and kept over a clean end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/stats.h>
#include <bcachefs/write.h>

#include "set_io.h"
#include "small_set.h"

#define ROOT	((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define BYTES	65536

static u8 data[BYTES] __attribute__((aligned(4096)));

static struct bce_counter counter(struct small_set *s, const char *name)
{
	struct bce_counter c;
	unsigned int i;

	for (i = 0; bce_counter_name(i); i++)
		if (!strcmp(bce_counter_name(i), name)) {
			assert_int_equal(bce_set_counter(s->set, i, &c), 0);
			return c;
		}
	fail_msg("no counter %s", name);
	return c;
}

static void open_set(struct small_set *s)
{
	char why[512];

	if (small_set_open(s, why))
		fail_msg("%s", why);
}

static void counted_and_kept(void **state)
{
	struct small_shape shape = {
		.nr = 2, .replicas = 2, .dev_bytes = 32 << 20, .bucket_bytes = 64 << 10, .node = "4k", .block = "512",
	};
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_counter written, commits;
	struct bce_member_io io;
	struct bce_inode inode;
	struct small_set s;
	u64 before;

	small_set_format(&s, &shape);
	open_set(&s);
	before = counter(&s, "transaction_commit").since_assembled;
	assert_int_equal(bce_create(s.set, ROOT, "file", 4, &what, &inode), 0);
	assert_int_equal(counter(&s, "transaction_commit").since_assembled, before + 1);
	before = counter(&s, "io_write").since_assembled;
	assert_int_equal(set_write(s.set, inode.id, 0, data, BYTES, BYTES, 0), 0);
	assert_int_equal(counter(&s, "io_write").since_assembled, before + 2 * BYTES / 512);
	before = counter(&s, "io_flush").since_assembled;
	assert_int_equal(bce_sync(s.set), 0);
	assert_true(counter(&s, "journal_write").since_assembled);
	before = counter(&s, "io_read").since_assembled;
	assert_int_equal(set_read(s.set, inode.id, 0, data, BYTES), 0);
	assert_int_equal(counter(&s, "io_read").since_assembled, before + BYTES / 512);
	assert_true(counter(&s, "bucket_alloc").since_assembled);
	assert_int_equal(bce_set_counter(s.set, 1000, &written), -EINVAL);
	assert_int_equal(bce_set_member_io(s.set, 0, BCE_IO_WRITE, &io), 0);
	assert_true(io.nr && io.bytes >= BYTES && io.sum_ns);
	assert_int_equal(bce_set_member_io(s.set, 0, BCE_IO_NR, &io), -EINVAL);
	assert_int_equal(bce_set_member_io(s.set, 2, BCE_IO_READ, &io), -EINVAL);

	/* clean twice: nothing is added again */
	written = counter(&s, "io_write");
	commits = counter(&s, "transaction_commit");
	assert_int_equal(written.ever, written.since_assembled);
	assert_int_equal(bce_set_go_ro(s.set), 0);
	assert_int_equal(bce_set_go_rw(s.set, NULL), 0);
	assert_int_equal(small_set_close(&s, true), 0);
	open_set(&s);
	assert_int_equal(counter(&s, "io_write").since_assembled, 0);
	assert_int_equal(counter(&s, "io_write").ever, written.ever);
	assert_true(counter(&s, "transaction_commit").ever >= commits.ever);
	assert_true(counter(&s, "io_write").kept);
	assert_false(counter(&s, "trans_restart").kept);

	/* a crash forgets what was counted since */
	assert_int_equal(set_write(s.set, inode.id, 0, data, BYTES, BYTES, 0), 0);
	small_set_close(&s, false);
	open_set(&s);
	assert_int_equal(counter(&s, "io_write").ever, written.ever);
	assert_int_equal(small_set_close(&s, true), 0);
	assert_int_equal(small_set_check(&s, "at the end"), 0);
	small_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counted_and_kept),
	};

	return cmocka_run_group_tests_name("counters of a set", tests, NULL, NULL);
}
