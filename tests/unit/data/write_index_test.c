// SPDX-License-Identifier: GPL-2.0
/*
 * Writes whose keys are committed together: what becomes ready while a commit of the same file is under way. While the
 * first transaction asks for the time, more writes are sent, and all of them have reached their devices before it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/sched.h>

#include "data_rig.h"
#include "engine/btree/writer.h"
#include "engine/data/write_internal.h"

#define INUM		4100
#define WRITES_MAX	40
#define GROUP		16	/* writes that are committed together at most */

static struct data_rig rig;
static u64 other_inum;		/* in the lane of INUM */
static u8 block[WRITES_MAX][RIG_BLOCK_BYTES] __attribute__((aligned(4096)));

struct one_write {
	struct data_write	write;
	struct bio		bio;
	struct bio_vec		vec;
	struct completion	done;
	int			error;
};
static struct one_write writes[WRITES_MAX];
static unsigned int nr_writes;

static void one_done(struct data_write *write, int error)
{
	struct one_write *o = container_of(write, struct one_write, write);

	o->error = error;
	complete(&o->done);
}

/* block @i of a file gets block[@i] */
static void send(unsigned int i, u64 inum)
{
	struct one_write *o = &writes[i];

	*o = (struct one_write) {
		.write = {
			.file = { .subvol = 1, .inum = inum },
			.new_size = (i + 1) * RIG_BLOCK_BYTES, .mtime = true, .stream = inum,
			.done = one_done, .bio = &o->bio,
		},
		.vec = { .bv_page = virt_to_page(block[i]), .bv_len = RIG_BLOCK_BYTES },
	};
	init_completion(&o->done);
	bio_init(&o->bio, NULL, &o->vec, 1, REQ_OP_WRITE);
	o->bio.bi_vcnt = 1;
	o->bio.bi_iter.bi_size = RIG_BLOCK_BYTES;
	o->bio.bi_iter.bi_sector = i * RIG_BLOCK_SECTORS;
	bce_data_write(rig.writer, &o->write);
}

static unsigned int lane_of(u64 inum)
{
	return hash_64(inum, INDEX_LANES_BITS);
}

static unsigned int nr_ready(void)
{
	struct index_lane *lane = &rig.writer->lanes[lane_of(INUM)];
	struct list_head *pos;
	unsigned int nr = 0;

	spin_lock_irq(&lane->lock);
	list_for_each(pos, &lane->ready)
		nr++;
	spin_unlock_irq(&lane->lock);
	return nr;
}

static u64 inum_of(unsigned int i)
{
	return other_inum && i % 2 ? other_inum : INUM;
}

static void send_the_rest(struct data_rig *r)
{
	for (unsigned int i = 1; i < nr_writes; i++)
		send(i, inum_of(i));
	while (nr_ready() < nr_writes - 1)
		cond_resched();
}

static u64 commits(void)
{
	struct btrees_write_stats stats;

	bce_btrees_write_stats(rig.mem.b, &stats);
	return stats.commits;
}

/* Return: transactions that it took; *failed: writes that failed with @error */
static u64 write_all(unsigned int nr, int error, unsigned int *failed)
{
	u64 before = commits();

	nr_writes = nr;
	rig.on_now = send_the_rest;
	send(0, INUM);
	*failed = 0;
	for (unsigned int i = 0; i < nr; i++) {
		wait_for_completion(&writes[i].done);
		assert_true(!writes[i].error || writes[i].error == error);
		*failed += !!writes[i].error;
	}
	return commits() - before;
}

/* what was written is there, what was not is not */
static void look(unsigned int i)
{
	static u8 got[RIG_BLOCK_BYTES], zero[RIG_BLOCK_BYTES];
	struct bce_file_id file = { .subvol = 1, .inum = inum_of(i) };

	assert_int_equal(rig_read(&rig, file, i * RIG_BLOCK_SECTORS, got, sizeof(got)), 0);
	assert_memory_equal(got, writes[i].error ? zero : block[i], sizeof(got));
}

static int begin(void **state)
{
	rig_init(&rig, false);
	rig_inode(&rig, 1, INUM, NULL);
	other_inum = 0;
	for (unsigned int i = 0; i < WRITES_MAX; i++)
		memset(block[i], 'A' + i, RIG_BLOCK_BYTES);
	return 0;
}

static int end(void **state)
{
	for (unsigned int i = 0; i < nr_writes; i++)
		look(i);
	rig_check(&rig);
	assert_int_equal(rig.open, 0);
	assert_int_equal(rig.reserved, 0);
	rig_exit(&rig);
	return 0;
}

static void committed_together(void **state)
{
	unsigned int failed;

	assert_int_equal(write_all(1 + GROUP, 0, &failed), 2);
	assert_int_equal(failed, 0);
	assert_int_equal(writes[GROUP].write.inode_sectors, (1 + GROUP) * RIG_BLOCK_SECTORS);
}

static void more_than_a_group(void **state)
{
	unsigned int failed;

	assert_int_equal(write_all(1 + 2 * GROUP + 1, 0, &failed), 4);
	assert_int_equal(failed, 0);
}

/* who fails, fails alone */
static void quota_for_some(void **state)
{
	unsigned int failed;

	rig.quota = 6 * RIG_BLOCK_SECTORS;
	write_all(1 + 8, -EDQUOT, &failed);
	assert_int_equal(failed, 3);
	assert_int_equal(rig.charged, 6 * RIG_BLOCK_SECTORS);
}

/* two files by turns in one lane: two groups */
static void not_with_another_file(void **state)
{
	unsigned int failed;

	for (other_inum = INUM + 1; lane_of(other_inum) != lane_of(INUM); other_inum++)
		;
	rig_inode(&rig, 1, other_inum, NULL);
	assert_int_equal(write_all(1 + 10, 0, &failed), 3);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(committed_together, begin, end),
		cmocka_unit_test_setup_teardown(more_than_a_group, begin, end),
		cmocka_unit_test_setup_teardown(quota_for_some, begin, end),
		cmocka_unit_test_setup_teardown(not_with_another_file, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
