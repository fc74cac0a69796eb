// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator below btrees that are written: small nodes that split and are replaced all the time, a
 * journal that wraps, extents that come and go. Space for nodes comes from the allocator, whose own
 * keys fill nodes in turn. In the end everything is recomputed from all keys of all levels.
 *
 * SEED= gives other rows.
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/alloc/alloc_internal.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/journal/journal.h"
#include "random.h"
#include "require.h"
#include "sb_builder.h"
#include "sb_rig.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define INUM		4096
#define NODE_SECTORS	16
#define BLOCK_SECTORS	1
#define BUCKET_SECTORS	64
#define NBUCKETS	(SBB_DEV_SECTORS / BUCKET_SECTORS)
#define RING_FIRST	8
#define RING_NR		24

struct world {
	struct sb_rig		sb;
	struct bce_log		*log;
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	struct journal_replay	replay;
	struct journal_ring	ring[64];
	u64			ring_bucket[RING_NR];
	struct journal		*j;
	struct btrees		*b;
	struct allocator	*a;
	atomic64_t		clock;
	int			failed;
};

static void small_members(struct sb_builder *b, unsigned int dev)
{
	b->sb->block_size = cpu_to_le16(BLOCK_SECTORS);
	SBB_SET(b, BTREE_NODE_SIZE, NODE_SECTORS);
	for (unsigned int i = 0; i < b->sb->nr_devices; i++) {
		struct bch_member *m = sbb_member(b, i);

		m->bucket_size = cpu_to_le16(BUCKET_SECTORS);
		m->nbuckets = cpu_to_le64(NBUCKETS);
		m->flags &= ~cpu_to_le64(1ULL << BCH_MEMBER_FREESPACE_INITIALIZED_LO);
	}
	sbb_seal(b);
}

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "%d (error %d): %s\n", level, error_id, line);
}

/* ---- what the others ask ---- */

static unsigned int op_roots(void *ctx, void *out, unsigned int room)
{
	struct world *w = ctx;

	return bce_btrees_root_entries(w->b, out, room);
}

static u64 op_key_version(void *ctx)
{
	return 1;
}

static u64 op_io_clock(void *ctx, unsigned int rw)
{
	struct world *w = ctx;

	return atomic64_inc_return(&w->clock);
}

static int op_mark_replicas(void *ctx, u64 devs)
{
	struct world *w = ctx;

	return bce_sb_mark_replicas(w->sb.w, BCH_DATA_journal, 1, devs);
}

static void op_flushed(void *ctx, u64 seq)
{
	struct world *w = ctx;

	bce_allocator_flushed(w->a, seq);
}

static void op_failed(void *ctx, int error)
{
	struct world *w = ctx;

	w->failed = error;
}

static const struct journal_ops journal_ops = {
	.roots = op_roots, .key_version = op_key_version, .io_clock = op_io_clock,
	.mark_replicas = op_mark_replicas, .flushed = op_flushed, .failed = op_failed,
};

static int trigger(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		   unsigned int btree_id, unsigned int level, const struct bkey *old,
		   const struct bkey *new)
{
	struct world *w = ctx;

	return bce_alloc_trigger(w->a, t, phase, btree_id, level, old, new);
}

static int finish(void *ctx, struct bce_trans *t)
{
	struct world *w = ctx;

	return bce_alloc_trigger_finish(w->a, t);
}

static const struct btree_trigger_ops triggers = { .key = trigger, .finish = finish };

/* ---- life ---- */

static void rings_make(struct world *w)
{
	for (unsigned int i = 0; i < RING_NR; i++)
		w->ring_bucket[i] = RING_FIRST + i;
	bce_sb_edit_begin(w->sb.w);
	for (unsigned int dev = 0; dev < w->sb.nr; dev++) {
		require(!bce_sb_journal_set(w->sb.w, dev, w->ring_bucket, RING_NR));
		w->ring[dev] = (struct journal_ring) {
			.usable = true, .nr = RING_NR, .bucket = w->ring_bucket,
		};
		w->rules_dev[dev] = (struct key_rules_dev) {
			.exists = true, .bucket_sectors = BUCKET_SECTORS, .nbuckets = NBUCKETS,
		};
	}
	require(!bce_sb_write(w->sb.w));
	bce_sb_edit_end(w->sb.w);
	w->rules = (struct key_rules) {
		.dev = w->rules_dev, .btree_node_sectors = NODE_SECTORS,
		.block_sectors = BLOCK_SECTORS, .encoded_extent_max_sectors = 128,
	};
}

static void open_all(struct world *w, unsigned int replicas)
{
	struct btrees_config btrees = {
		.uuid_word = 0x1111111111111111ULL, .version = BCH_VERSION_CURRENT,
		.version_min = BCH_VERSION_CURRENT, .node_sectors = NODE_SECTORS,
		.block_sectors = BLOCK_SECTORS, .cache_bytes = 64 << 20,
		.members = w->sb.members, .rules = &w->rules, .replay = &w->replay, .log = w->log,
	};
	struct journal_config journal = {
		.uuid_word = btrees.uuid_word, .version = BCH_VERSION_CURRENT,
		.block_sectors = BLOCK_SECTORS, .csum_type = BCH_CSUM_crc32c_nonzero,
		.replicas = replicas, .replicas_required = 1, .flush_delay_ms = 10,
		.rules = &w->rules, .members = w->sb.members, .log = w->log, .ring = w->ring,
		.next_seq = 1, .replay_seq = 1, .ops = &journal_ops, .ctx = w,
	};
	struct allocator_config alloc = {
		.members = w->sb.members, .sb = w->sb.w, .log = w->log,
		.node_sectors = NODE_SECTORS, .block_sectors = BLOCK_SECTORS,
		.metadata_replicas = replicas, .metadata_replicas_required = 1,
		.data_replicas = replicas, .gc_reserve_percent = 8,
		.io_clock = op_io_clock, .clock_ctx = w,
	};
	struct btrees_write_config writing = {
		.csum_type = BCH_CSUM_crc32c_nonzero, .space = &bce_alloc_btree_space_ops,
		.triggers = &triggers, .trigger_ctx = w,
	};

	require(!bce_btrees_open(&w->b, &btrees));
	require(!bce_journal_open(&w->j, &journal));
	alloc.btrees = w->b;
	alloc.journal = w->j;
	require(!bce_allocator_open(&w->a, &alloc));
	writing.journal = w->j;
	writing.space_ctx = w->a;
	require(!bce_btrees_start_writing(w->b, &writing, 1));
	bce_journal_replay_done(w->j);
	require(!bce_allocator_read(w->a));
	require(!bce_allocator_init_members(w->a));
	require(!bce_allocator_start(w->a));
}

static struct world *world_open(unsigned int nr, unsigned int replicas)
{
	struct world *w = calloc(1, sizeof(*w));

	sb_rig_open(&w->sb, nr, small_members);
	w->log = bce_log_alloc("nodes");
	bce_log_set_print(w->log, print_line, NULL);
	atomic64_set(&w->clock, 1);
	rings_make(w);
	open_all(w, replicas);
	return w;
}

static void check(struct world *w)
{
	static struct member_info member[64];
	const struct bch_sb *dev_sb[64] = { };
	struct sb_image img[SB_RIG_MAX];
	struct check c = {
		.btrees = w->b, .log = w->log, .member = member, .dev_sb = dev_sb,
		.node_sectors = NODE_SECTORS, .block_sectors = BLOCK_SECTORS,
	};

	memset(member, 0, sizeof(member));
	for (unsigned int dev = 0; dev < w->sb.nr; dev++) {
		sb_rig_read(&w->sb, dev, 0, &img[dev]);
		dev_sb[dev] = img[dev].sb;
		bce_sb_member(img[0].sb, dev, &member[dev]);
	}
	c.sb = dev_sb[0];
	assert_int_equal(bce_check_nodes(&c), 0);
	assert_int_equal(bce_check_allocations(&c), 0);
	assert_int_equal(bce_log_errors_total(w->log), 0);
	assert_int_equal(c.inum_mismatches, 0);
	for (unsigned int dev = 0; dev < w->sb.nr; dev++)
		bce_sb_image_exit(&img[dev]);
}

static void world_close(struct world *w)
{
	struct journal_ring_end ends[64];
	u64 seq;

	bce_allocator_stop(w->a);
	assert_int_equal(bce_btrees_flush(w->b), 0);
	check(w);
	assert_int_equal(bce_journal_stop(w->j, &seq, ends), 0);
	assert_int_equal(w->failed, 0);
	bce_btrees_stop_writing(w->b);
	bce_allocator_close(w->a);
	bce_btrees_close(w->b);
	bce_journal_close(w->j);
	bce_log_free(w->log);
	sb_rig_close(&w->sb);
	free(w);
}

/* ---- what is done ---- */

struct job {
	const struct bkey *k;
};

static int put_key(struct bce_trans *t, void *ctx)
{
	const struct job *job = ctx;

	return bce_trans_update(t, BTREE_ID_extents, job->k, 0);
}

static int put(struct world *w, const struct bkey *k)
{
	struct job job = { k };

	return bce_trans_run(w->b, put_key, &job, 0, NULL);
}

/* -ENOSPC or 0 */
static int write_extent(struct world *w, unsigned int replicas, u64 slot, unsigned int streams)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = replicas, .replicas_required = 1,
		.watermark = ALLOC_NORMAL, .stream = rnd() % streams,
	};
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(w->a, &req, 8, &s);

	if (ret)
		return ret;
	if (s.sectors == 8) {
		key_init(&key, KEY_TYPE_extent, SPOS(INUM, (slot + 1) * 8, U32_MAX), 8);
		key_add(&key, crc32_word(8, 8, 0));
		key_add_space(&key, &s);
		assert_int_equal(put(w, &key.k), 0);
	}
	bce_alloc_space_put(w->a, &s);
	return 0;
}

static void remove_extent(struct world *w, u64 slot)
{
	struct bkey gone = { .type = KEY_TYPE_deleted, .p = SPOS(INUM, (slot + 1) * 8, U32_MAX) };

	assert_int_equal(put(w, &gone), 0);
}

static void run(unsigned int nr_devs, unsigned int replicas, unsigned int changes)
{
	struct world *w = world_open(nr_devs, replicas);
	struct btrees_write_stats stats;

	for (unsigned int i = 0; i < changes; i++) {
		u64 slot = rnd() % 2000;

		if (rnd() % 4)
			assert_int_equal(write_extent(w, replicas, slot, 4), 0);
		else
			remove_extent(w, slot);
	}
	bce_btrees_write_stats(w->b, &stats);
	assert_true(stats.splits > 10);
	world_close(w);
}

static void test_one_member(void **state)
{
	run(1, 1, 6000);
}

static void test_three_members(void **state)
{
	run(3, 2, 6000);
}

static u64 fill(struct world *w)
{
	u64 nr = 0;
	int ret;

	while (!(ret = write_extent(w, 1, nr, 1)))
		nr++;
	assert_int_equal(ret, -ENOSPC);
	return nr;
}

/* a full set can be emptied, and holds as much afterwards */
static void test_full(void **state)
{
	struct world *w = world_open(1, 1);
	u64 first = fill(w), again;

	for (u64 slot = 0; slot < first; slot++)
		remove_extent(w, slot);
	again = fill(w);
	if (again < first - first / 50)
		print_error("%llu extents, then %llu\n", (unsigned long long)first,
			    (unsigned long long)again);
	assert_true(again >= first - first / 50);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_member, rnd_setup),
		cmocka_unit_test_setup(test_three_members, rnd_setup),
		cmocka_unit_test_setup(test_full, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
