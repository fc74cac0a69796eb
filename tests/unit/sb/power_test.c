// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks when the power fails (docs/format/10-superblock.md, section 7; sb/write.c): whatever a
 * crash leaves of the writes that were under way, every member has a superblock that is whole, not
 * older than the last write that was reported done; and what the newest one says of other blocks is
 * on disk.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "engine/sb/write.h"
#include "kapi/kapi.h"
#include "../../lib/random.h"
#include "../../lib/record.h"
#include "../../lib/sb_rig.h"

#define DEVS		3
#define STEPS		12
#define SEEDS		8
#define BLOCK_SECTOR	4096	/* of what the superblock tells about */

struct fixture {
	struct sb_rig	rig;
	struct record	*r;
};

/* the rig's devices are recorded from now on */
static void record(struct fixture *f)
{
	bce_members_detach(f->rig.members, &f->rig);
	f->r = record_start(f->rig.fd, DEVS, 512);
	for (unsigned int i = 0; i < DEVS; i++) {
		kapi_bdev_close(f->rig.bdev[i]);
		f->rig.bdev[i] = record_bdev(f->r, i);
		sb_rig_attach(&f->rig, i);
	}
}

static void record_end(struct fixture *f)
{
	bce_members_detach(f->rig.members, &f->rig);
	record_stop(f->r);
	for (unsigned int i = 0; i < DEVS; i++) {
		f->rig.bdev[i] = kapi_bdev_from_fd(dup(f->rig.fd[i]), "device", O_RDWR);
		assert_false(IS_ERR(f->rig.bdev[i]));
	}
}

/* without a flush: that is the superblock's writer's to do */
static void write_block(struct fixture *f, unsigned int dev, u32 value)
{
	u32 *data = kmalloc(512, GFP_KERNEL);
	struct bio *bio = bio_alloc(f->rig.bdev[dev], 1, REQ_OP_WRITE, GFP_KERNEL);

	for (unsigned int i = 0; i < 512 / sizeof(*data); i++)
		data[i] = value;
	bio->bi_iter.bi_sector = BLOCK_SECTOR;
	assert_int_equal(bio_add_page(bio, virt_to_page(data), 512, offset_in_page(data)), 512);
	assert_int_equal(submit_bio_wait(bio), 0);
	bio_put(bio);
	kfree(data);
}

/* a section that grows and shrinks, and the number of the block in the label */
static void step(struct fixture *f, unsigned int nr)
{
	struct bch_sb *sb;

	for (unsigned int dev = 0; dev < DEVS; dev++)
		write_block(f, dev, nr);
	bce_sb_edit_begin(f->rig.w);
	assert_false(IS_ERR(bce_sb_field_resize(f->rig.w, BCH_SB_FIELD_counters,
						1 + rnd() % 200)));
	sb = bce_sb_image(f->rig.w);
	memset(sb->label, 0, sizeof(sb->label));
	snprintf((char *)sb->label, sizeof(sb->label), "%u", nr);
	assert_int_equal(bce_sb_write(f->rig.w), 0);
	record_ack(f->r, le64_to_cpu(bce_sb_image(f->rig.w)->seq));
	bce_sb_edit_end(f->rig.w);
}

static u32 block_of(int fd)
{
	u32 data[512 / sizeof(u32)];

	assert_int_equal(pread(fd, data, 512, BLOCK_SECTOR * 512), 512);
	return data[0];
}

static void check_member(int fd, u64 acked, u64 *newest, unsigned int *says)
{
	struct block_device *bdev = kapi_bdev_from_fd(dup(fd), "image", O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	u64 seq;

	assert_false(IS_ERR(bdev));
	if (bce_sb_read(&img, bdev, 0, &why))
		fail_msg("no superblock: %s", bce_text_str(&why));
	seq = le64_to_cpu(img.sb->seq);
	assert_true(seq >= acked);
	if (seq > *newest) {
		*newest = seq;
		*says = strtoul((char *)img.sb->label, NULL, 10);
	}
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
	kapi_bdev_close(bdev);
}

static void check_crash(struct fixture *f, size_t mark, u64 seed)
{
	struct record_crash crash;
	unsigned int says = 0;
	int images[DEVS];
	u64 newest = 0;

	record_crash(f->r, mark, seed, images, &crash);
	for (unsigned int dev = 0; dev < DEVS; dev++)
		check_member(images[dev], crash.acked, &newest, &says);
	for (unsigned int dev = 0; dev < DEVS; dev++)
		assert_true(block_of(images[dev]) >= says);
	record_close_images(f->r, images);
}

static void any_moment(void **state)
{
	struct fixture f;

	rnd_setup(NULL);
	sb_rig_open(&f.rig, DEVS, NULL);
	record(&f);
	for (unsigned int i = 1; i <= STEPS; i++)
		step(&f, i);
	record_end(&f);
	assert_true(record_nr_marks(f.r) > STEPS * DEVS);
	for (size_t mark = 0; mark < record_nr_marks(f.r); mark++)
		for (u64 seed = 0; seed < SEEDS; seed++)
			check_crash(&f, mark, seed);
	record_free(f.r);
	sb_rig_close(&f.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
