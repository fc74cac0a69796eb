// SPDX-License-Identifier: GPL-2.0
/*
 * What bcachefs-tools 1.13 wrote for a new set, ours writes: byte for byte but for UUIDs and the time
 * (docs/format/00-overview.md, section 8). And what the 6.12 driver derives at each superblock write.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../lib/golden_set.h"
#include "engine/format/ids.h"
#include "engine/sb/format.h"
#include "engine/sb/members.h"
#include "engine/sb/write.h"

#define DEVICE_SECTORS	((u64)256 << 11)

static void dev_init(struct sb_format_dev *dev, const char *name)
{
	bce_sb_format_dev_init(dev);
	dev->name = name;
	dev->sectors = DEVICE_SECTORS;
	dev->physical_block_bytes = 4096;
}

/* what differs from one call of a formatter to the next */
static void mask_identity(struct bch_sb *sb)
{
	struct bch_sb_field_members_v1 *v1;
	struct bch_sb_field_members_v2 *v2;
	unsigned int i;

	memset(sb->uuid, 0, 16);
	memset(sb->user_uuid, 0, 16);
	sb->time_base_lo = 0;
	v1 = (void *)bce_sb_field(sb, BCH_SB_FIELD_members_v1, NULL);
	v2 = (void *)bce_sb_field(sb, BCH_SB_FIELD_members_v2, NULL);
	for (i = 0; i < sb->nr_devices; i++) {
		memset(v1->members + i * BCH_MEMBER_V1_BYTES, 0, 16);
		memset(v2->members + i * sizeof(struct bch_member), 0, 16);
	}
}

static void fresh_uninit(void **state)
{
	static const u64 copies[] = { 8, 2056, 522240 };
	int fd = open(golden_image_path("fresh-uninit", "disk0.img"), O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_format_dev dev;
	const struct sb_format f = { .dev = &dev, .nr_devs = 1 };
	_Alignas(8) u8 golden[976];
	struct sb_image img;
	unsigned int i;

	assert_true(fd >= 0);
	dev_init(&dev, "disk0.img");
	assert_int_equal(bce_sb_format_make(&img, &f, &why), 0);
	assert_int_equal(img.bytes, sizeof(golden));
	mask_identity(img.sb);
	for (i = 0; i < 3; i++) {
		assert_int_equal(pread(fd, golden, sizeof(golden), copies[i] * 512), sizeof(golden));
		mask_identity((struct bch_sb *)golden);
		img.sb->offset = cpu_to_le64(copies[i]);
		assert_memory_equal(img.sb, golden, sizeof(golden));
	}
	assert_int_equal(pread(fd, golden, 512, 7 * 512), 512);
	assert_memory_equal(&img.sb->layout, golden, 512);
	bce_sb_image_exit(&img);
	bce_text_exit(&why);
	close(fd);
}

/* three disks with labels and targets; initialised by the tools, so only what formatting decided */
static void fresh_3dev(void **state)
{
	static const struct sb_format_option option[] = {
		{ "foreground_target", "ssd" }, { "promote_target", "ssd" },
		{ "background_target", "hdd" },
	};
	static const char *const labels[] = { "ssd.ssd1", "hdd.hdd1", "hdd.hdd2" };
	const struct bch_sb_field *ours, *golden;
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_format_dev dev[3];
	const struct sb_format f = { .dev = dev, .nr_devs = 3, .option = option, .nr_options = 3 };
	struct member_info m[2];
	struct sb_image img[3];
	struct golden_set g;
	unsigned int i;
	size_t bytes[2];

	assert_int_equal(golden_set_open(&g, "fresh-3dev"), 0);
	for (i = 0; i < 3; i++) {
		dev_init(&dev[i], "disk");
		dev[i].label = labels[i];
	}
	assert_int_equal(bce_sb_format_make(img, &f, &why), 0);
	for (i = 0; i < 3; i++) {
		assert_memory_equal(&img[i].sb->layout, &g.dev_sb[i]->layout, 512);
		bce_sb_member(img[0].sb, i, &m[0]);
		bce_sb_member(g.sb, i, &m[1]);
		assert_int_equal(m[0].nbuckets, m[1].nbuckets);
		assert_int_equal(m[0].bucket_sectors, m[1].bucket_sectors);
		assert_int_equal(m[0].group, m[1].group);
		assert_int_equal(m[0].data_allowed, m[1].data_allowed);
	}
	ours = bce_sb_field(img[0].sb, BCH_SB_FIELD_disk_groups, &bytes[0]);
	golden = bce_sb_field(g.sb, BCH_SB_FIELD_disk_groups, &bytes[1]);
	assert_int_equal(bytes[0], bytes[1]);
	assert_memory_equal(ours, golden, bytes[0]);
	/* words of options; bits 0..8 of the first and 0..16 of the sixth are states */
	for (i = 0; i < 7; i++)
		assert_int_equal(le64_to_cpu(img[0].sb->flags[i]) >> (i == 5 ? 16 : i ? 0 : 8),
				 le64_to_cpu(g.sb->flags[i]) >> (i == 5 ? 16 : i ? 0 : 8));
	for (i = 0; i < 3; i++)
		bce_sb_image_exit(&img[i]);
	bce_text_exit(&why);
	golden_set_close(&g);
}

/* a superblock of the driver's, opened for writing and made anew: the sections it derives are ours */
static void derived_by_the_driver(void **state)
{
	static const u8 same[] = {
		BCH_SB_FIELD_downgrade, BCH_SB_FIELD_replicas, BCH_SB_FIELD_replicas_v0,
		BCH_SB_FIELD_clean, BCH_SB_FIELD_disk_groups, BCH_SB_FIELD_journal_seq_blacklist,
		BCH_SB_FIELD_errors,
	};
	const struct bch_sb_field *before, *after;
	struct golden_set g;
	struct sb_writer *w;
	unsigned int i, set;
	size_t bytes[2];

	for (set = 0; golden_sets[set]; set++) {
		assert_int_equal(golden_set_open(&g, golden_sets[set]), 0);
		assert_int_equal(bce_sb_writer_open(&w, g.sb, g.dev_sb, g.members, g.log), 0);
		bce_sb_edit_begin(w);
		if (BCH_SB_FLAG(g.sb, INITIALIZED))
			/* the devices are open for reading: all is made, nothing is written */
			assert_int_equal(bce_sb_write(w), -EIO);
		for (i = 0; i < sizeof(same); i++) {
			before = bce_sb_field(g.sb, same[i], &bytes[0]);
			after = bce_sb_field(bce_sb_image(w), same[i], &bytes[1]);
			assert_int_equal(bytes[0], bytes[1]);
			if (before)
				assert_memory_equal(before, after, bytes[0]);
		}
		bce_sb_edit_end(w);
		bce_sb_writer_close(w);
		golden_set_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_uninit),
		cmocka_unit_test(fresh_3dev),
		cmocka_unit_test(derived_by_the_driver),
	};

	return cmocka_run_group_tests_name("new sets as others make them", tests, NULL, NULL);
}
