// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices form the set (docs/format/10-superblock.md, 8.5 to 8.8), and what is missing
 * without the others (6.3).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../lib/sb_builder.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/replicas.h"

#define NR	3

struct trio {
	struct sb_builder	b[NR];
	struct sb_candidate	c[NR];
	struct text_buf		why;
};

/* three members of one set, all written together */
static void trio_init(struct trio *t)
{
	static const char *const names[NR] = { "sda", "sdb", "sdc" };
	unsigned int i;

	memset(t, 0, sizeof(*t));
	for (i = 0; i < NR; i++) {
		sbb_init(&t->b[i], NR, i);
		t->c[i] = (struct sb_candidate) {
			.sb = t->b[i].sb,
			.name = names[i],
			.device_sectors = SBB_DEV_SECTORS,
		};
	}
}

static void trio_exit(struct trio *t)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		sbb_exit(&t->b[i]);
	bce_text_exit(&t->why);
}

static void set_seq(struct sb_builder *b, u64 seq, u64 time)
{
	b->sb->seq = cpu_to_le64(seq);
	b->sb->write_time = cpu_to_le64(time);
}

/* "member @writer wrote as number @seq what @others (bits) took part in" */
static void write_together(struct trio *t, u64 seq, u64 time, u64 members)
{
	unsigned int i, j;

	for (i = 0; i < NR; i++) {
		if (!(members >> i & 1))
			continue;
		set_seq(&t->b[i], seq, time);
		for (j = 0; j < NR; j++)
			if (members >> j & 1)
				sbb_member(&t->b[i], j)->seq = cpu_to_le64(seq);
	}
}

static int choose(struct trio *t, bool no_check)
{
	bce_text_reset(&t->why);
	return bce_sb_choose(t->c, NR, no_check, &t->why);
}

static void assert_verdicts(struct trio *t, enum sb_verdict a, enum sb_verdict b, enum sb_verdict c)
{
	assert_int_equal(t->c[0].verdict, a);
	assert_int_equal(t->c[1].verdict, b);
	assert_int_equal(t->c[2].verdict, c);
}

static void all_equal(void **state)
{
	struct trio t;

	trio_init(&t);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);
	assert_string_equal(bce_text_str(&t.why), "");
	trio_exit(&t);
}

static void newest_leads(void **state)
{
	struct trio t;

	trio_init(&t);
	write_together(&t, 11, 1001, 1 << 1 | 1 << 2);	/* member 0 was away */
	assert_int_equal(choose(&t, false), 1);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);
	write_together(&t, 12, 1002, 1 << 2);
	assert_int_equal(choose(&t, false), 2);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);
	trio_exit(&t);
}

static void foreign(void **state)
{
	struct trio t;

	trio_init(&t);
	t.b[1].sb->uuid[5] ^= 1;
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_FOREIGN, SB_USE);
	assert_string_equal(bce_text_str(&t.why), "sdb: belongs to another set\n");

	t.b[1].sb->uuid[5] ^= 1;
	t.b[2].sb->block_size = cpu_to_le16(4);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_FOREIGN);
	trio_exit(&t);
}

static void removed(void **state)
{
	struct trio t;

	trio_init(&t);
	write_together(&t, 11, 1001, 3);
	memset(sbb_member(&t.b[0], 2)->uuid, 0, 16);
	memset(sbb_member(&t.b[1], 2)->uuid, 0, 16);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_REMOVED);
	assert_non_null(strstr(bce_text_str(&t.why), "sdc: was removed"));

	/* another device has the slot now */
	memset(sbb_member(&t.b[0], 2)->uuid, 0x77, 16);
	memset(sbb_member(&t.b[1], 2)->uuid, 0x77, 16);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_REMOVED);

	/* the newest has no slot in its own superblock: the next one leads */
	write_together(&t, 12, 1002, 1 << 2);
	memset(sbb_member(&t.b[2], 2)->uuid, 0, 16);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_REMOVED);
	trio_exit(&t);
}

/* sdc and the others were each written while the other was away */
static void split_brain(void **state)
{
	struct trio t;

	trio_init(&t);
	write_together(&t, 12, 1002, 3);
	write_together(&t, 11, 1001, 1 << 2);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_SPLIT);
	assert_non_null(strstr(bce_text_str(&t.why),
			       "sdc: has sequence number 11, member 0 saw it last at 10"));
	assert_int_equal(choose(&t, true), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);

	/* versions before 1.4 did not note what is compared */
	t.b[0].sb->version = cpu_to_le16(BCH_VERSION(1, 3));
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);
	trio_exit(&t);
}

/* the last write for all reached one only, and the others went on without it */
static void crash_while_written(void **state)
{
	struct trio t;

	trio_init(&t);
	set_seq(&t.b[2], 11, 1001);
	for (unsigned int j = 0; j < NR; j++)
		sbb_member(&t.b[2], j)->seq = cpu_to_le64(11);
	write_together(&t, 12, 1002, 3);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_USE);
	trio_exit(&t);
}

static void split_brain_same_seq(void **state)
{
	struct trio t;

	trio_init(&t);
	write_together(&t, 11, 1002, 3);
	write_together(&t, 11, 1001, 1 << 2);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_SPLIT);
	assert_non_null(strstr(bce_text_str(&t.why), "same sequence number 11"));
	trio_exit(&t);
}

static void clones(void **state)
{
	struct trio t;

	trio_init(&t);
	/* sdc is a copy of sdb */
	memcpy(t.b[2].sb, t.b[1].sb, sbb_bytes(&t.b[1]));
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_CLONE);
	/* sdb is the older one of the two */
	write_together(&t, 11, 1001, 1 << 0 | 1 << 2);
	sbb_member(&t.b[0], 1)->seq = cpu_to_le64(11);
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_CLONE, SB_USE);
	trio_exit(&t);
}

static void too_small(void **state)
{
	struct trio t;

	trio_init(&t);
	t.c[2].device_sectors = SBB_DEV_SECTORS - 1;
	assert_int_equal(choose(&t, false), 0);
	assert_verdicts(&t, SB_USE, SB_USE, SB_TOO_SMALL);
	t.c[0].device_sectors = 5;
	assert_int_equal(choose(&t, false), 1);
	assert_verdicts(&t, SB_TOO_SMALL, SB_USE, SB_TOO_SMALL);
	t.c[1].device_sectors = 5;
	assert_int_equal(choose(&t, false), -EINVAL);
	assert_non_null(strstr(bce_text_str(&t.why), "sdb: the device has 5 sectors, member 1"));
	trio_exit(&t);
}

/* ---- presence ---- */

static const u8 two_copies[] = {
	BCH_DATA_journal, 2, 0, 1,
	BCH_DATA_btree, 2, 0, 1,
	BCH_DATA_user, 2, 1, 2,
	BCH_DATA_cached, 1, 2,
};

static void assert_presence(const struct sb_builder *b, u64 present, unsigned int nr_present,
			    bool complete, bool degraded)
{
	struct sb_presence p;

	bce_sb_presence(b->sb, present, &p);
	assert_int_equal(p.nr_present, nr_present);
	assert_int_equal(p.data_complete, complete);
	assert_int_equal(p.data_degraded, degraded);
}

static void presence(void **state)
{
	struct sb_presence p;
	struct sb_builder b;

	sbb_init(&b, 3, 0);
	assert_presence(&b, 0, 0, true, false);		/* nothing written yet */
	sbb_replicas(&b, two_copies, sizeof(two_copies));
	assert_presence(&b, 7, 3, true, false);
	assert_presence(&b, 3, 2, true, true);
	assert_presence(&b, 5, 2, true, true);
	assert_presence(&b, 1, 1, false, true);
	assert_presence(&b, 4, 1, false, true);

	/* a failed member is not waited for */
	sbb_member(&b, 2)->flags = cpu_to_le64(MEMBER_FAILED);
	bce_sb_presence(b.sb, 3, &p);
	assert_int_equal(p.nr_expected, 2);
	assert_int_equal(p.missing, 0);
	assert_true(p.data_complete);
	bce_sb_presence(b.sb, 1, &p);
	assert_int_equal(p.missing, 2);
	/* nor does it stand for one that is away: what it has may be old */
	bce_sb_presence(b.sb, 5, &p);
	assert_int_equal(p.missing, 2);
	assert_false(p.data_complete);
	sbb_exit(&b);
}

/* erasure coding: two of three needed, and an entry that others can rebuild */
static void presence_required(void **state)
{
	static const u8 entries[] = { BCH_DATA_parity, 3, 2, 0, 1, 2, BCH_DATA_user, 1, 0, 0 };
	struct bch_sb_field *f;
	struct sb_builder b;

	sbb_init(&b, 3, 0);
	sbb_replicas(&b, two_copies, sizeof(two_copies));	/* overruled by the newer table */
	f = sbb_add(&b, BCH_SB_FIELD_replicas, sizeof(entries));
	memcpy(f + 1, entries, sizeof(entries));
	assert_presence(&b, 7, 3, true, false);
	assert_presence(&b, 6, 2, true, true);
	assert_presence(&b, 2, 1, false, true);

	assert_int_equal(bce_replicas_members_of(b.sb, BCH_DATA_parity), 7);
	assert_int_equal(bce_replicas_members_of(b.sb, BCH_DATA_journal), 0);
	assert_int_equal(bce_replicas_data_of(b.sb, 0), 1 << BCH_DATA_parity | 1 << BCH_DATA_user);
	assert_true(bce_replicas_listed(b.sb, BCH_DATA_parity, 7, false));
	assert_false(bce_replicas_listed(b.sb, BCH_DATA_parity, 3, false));
	assert_true(bce_replicas_listed(b.sb, BCH_DATA_parity, 3, true));
	sbb_exit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_equal),
		cmocka_unit_test(newest_leads),
		cmocka_unit_test(foreign),
		cmocka_unit_test(removed),
		cmocka_unit_test(split_brain),
		cmocka_unit_test(crash_while_written),
		cmocka_unit_test(split_brain_same_seq),
		cmocka_unit_test(clones),
		cmocka_unit_test(too_small),
		cmocka_unit_test(presence),
		cmocka_unit_test(presence_required),
	};

	return cmocka_run_group_tests_name("choice among members", tests, NULL, NULL);
}
