// SPDX-License-Identifier: GPL-2.0
/*
 * Where data and metadata of a whole set go (docs/format/85-policies.md, sections 1, 2): to the members of their target as long
 * as there is room, with as many copies as durabilities make up, elsewhere when the target is full, and anywhere without
 * one. Three members under two labels.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bits.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>
#include <bcachefs/options.h>
#include <bcachefs/usage.h>
#include <bcachefs/write.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT	((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define BYTES	(1U << 20)
#define NR	3

static u8 data[BYTES] __attribute__((aligned(4096)));

static void set_opt(struct small_set *s, const char *name, const char *text)
{
	unsigned int i;

	for (i = 0; strcmp(bce_option_name(i), name); i++)
		;
	assert_int_equal(bce_set_option_set(s->set, i, text, NULL), 0);
}

static void make(struct small_set *s, u8 durability_0)
{
	struct small_shape shape = {
		.nr = NR, .replicas = 1, .dev_bytes = 24 << 20, .bucket_bytes = 64 << 10, .node = "4k", .block = "512",
		.label = { "fast.one", "slow.one", "slow.two" }, .durability = { durability_0 },
	};
	char why[512];

	small_set_format(s, &shape);
	if (small_set_open(s, why))
		fail_msg("%s", why);
}

static void finish(struct small_set *s)
{
	assert_int_equal(small_set_close(s, true), 0);
	assert_int_equal(small_set_check(s, "at the end"), 0);
	small_set_free(s);
}

static int write_file(struct small_set *s, unsigned int nr, unsigned int bytes)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "file%u", nr);
	ret = bce_create(s->set, ROOT, name, strlen(name), &what, &inode);
	return ret ?: set_write(s->set, inode.id, 0, data, bytes, bytes, 0);
}

/* sectors of each member, by type of data */
struct spread {
	s64	user[NR], btree[NR];
};

static bool spread_take(void *ctx, const struct bce_accounting *a)
{
	const struct accounting_pos *p = (const void *)a->pos;
	struct spread *s = ctx;

	if (p->dev_data_type.dev >= NR)
		return true;
	if (p->dev_data_type.data_type == BCH_DATA_user)
		s->user[p->dev_data_type.dev] = a->counter[1];
	if (p->dev_data_type.data_type == BCH_DATA_btree)
		s->btree[p->dev_data_type.dev] = a->counter[1];
	return true;
}

static struct spread spread(struct small_set *s)
{
	struct spread now = { };

	assert_int_equal(bce_sync(s->set), 0);
	assert_int_equal(bce_set_accounting(s->set, BIT(ACCOUNTING_dev_data_type), spread_take, &now), 0);
	return now;
}

static void to_the_target(void **state)
{
	struct spread before, after;
	struct small_set s;
	unsigned int i;

	make(&s, 0);
	set_opt(&s, "metadata_target", "slow");
	set_opt(&s, "foreground_target", "fast");
	before = spread(&s);
	for (i = 0; i < 8; i++)
		assert_int_equal(write_file(&s, i, BYTES), 0);
	after = spread(&s);
	assert_int_equal(after.user[0], 8 * BYTES / 512);
	assert_int_equal(after.user[1] + after.user[2], 0);
	/* nodes were made, none of them there */
	for (i = 100; i < 400; i++)
		assert_int_equal(write_file(&s, i, 512), 0);
	after = spread(&s);
	assert_true(after.btree[1] + after.btree[2] > before.btree[1] + before.btree[2]);
	assert_true(after.btree[0] <= before.btree[0]);

	/* a label above others stands for all of them */
	set_opt(&s, "foreground_target", "slow");
	before = spread(&s);
	for (i = 1000; i < 1010; i++)
		assert_int_equal(write_file(&s, i, BYTES), 0);
	after = spread(&s);
	assert_int_equal(after.user[0], before.user[0]);
	assert_true(after.user[1] > before.user[1] && after.user[2] > before.user[2]);
	set_opt(&s, "foreground_target", "slow.two");
	before = spread(&s);
	assert_int_equal(write_file(&s, 2000, BYTES), 0);
	after = spread(&s);
	assert_int_equal(after.user[2] - before.user[2], BYTES / 512);
	finish(&s);
}

static void elsewhere_when_full(void **state)
{
	struct small_set s;
	struct spread now;

	make(&s, 0);
	set_opt(&s, "foreground_target", "fast");
	/* more than the member is large */
	for (unsigned int i = 0; i < 32; i++)
		assert_int_equal(write_file(&s, i, BYTES), 0);
	now = spread(&s);
	assert_true(now.user[0] > 16 * BYTES / 512);
	assert_int_equal(now.user[0] + now.user[1] + now.user[2], 32 * BYTES / 512);
	finish(&s);
}

static void by_durability(void **state)
{
	struct small_set s;
	struct spread now;

	/* two copies: one there is as good as two elsewhere */
	make(&s, 2);
	set_opt(&s, "data_replicas", "2");
	set_opt(&s, "foreground_target", "fast");
	assert_int_equal(write_file(&s, 0, BYTES), 0);
	now = spread(&s);
	assert_int_equal(now.user[0], BYTES / 512);
	assert_int_equal(now.user[1] + now.user[2], 0);
	set_opt(&s, "foreground_target", "slow");
	assert_int_equal(write_file(&s, 1, BYTES), 0);
	now = spread(&s);
	assert_int_equal(now.user[0], BYTES / 512);
	assert_int_equal(now.user[1], BYTES / 512);
	assert_int_equal(now.user[2], BYTES / 512);
	finish(&s);

	/* a target with too few members: one copy there, the other outside */
	make(&s, 1);
	set_opt(&s, "data_replicas", "2");
	set_opt(&s, "foreground_target", "fast");
	assert_int_equal(write_file(&s, 0, BYTES), 0);
	now = spread(&s);
	assert_int_equal(now.user[0], BYTES / 512);
	assert_int_equal(now.user[1] + now.user[2], BYTES / 512);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_the_target),
		cmocka_unit_test(elsewhere_when_full),
		cmocka_unit_test(by_durability),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
