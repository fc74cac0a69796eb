// SPDX-License-Identifier: GPL-2.0
/* What lies below names and data, all of it real. */
#include "nodes_rig.h"

#include <linux/kernel.h>
#include <linux/string.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/journal/overlay.h"
#include "require.h"
#include "sb_builder.h"

#define NBUCKETS	(SBB_DEV_SECTORS / BUCKET_SECTORS)

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

static void open_all(struct world *w)
{
	unsigned int replicas = w->replicas;
	struct overlay *overlay = NULL;
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
		.next_seq = w->replay.next_seq ?: 1,
		.replay_seq = w->replay.nr_entries ? w->replay.last_seq : 1,
		.ops = &journal_ops, .ctx = w,
	};
	struct allocator_config alloc = {
		.members = w->sb.members, .sb = w->sb.w, .log = w->log,
		.node_sectors = NODE_SECTORS, .block_sectors = BLOCK_SECTORS,
		.metadata_replicas = replicas, .metadata_replicas_required = 1,
		.gc_reserve_percent = 8,
		.io_clock = op_io_clock, .clock_ctx = w,
	};
	struct btrees_write_config writing = {
		.csum_type = BCH_CSUM_crc32c_nonzero, .space = &bce_alloc_btree_space_ops,
		.triggers = &triggers, .trigger_ctx = w,
	};

	if (w->replay.nr_entries)
		require(!bce_overlay_build(&overlay, &w->replay));
	btrees.overlay = overlay;
	require(!bce_btrees_open(&w->b, &btrees));
	require(!bce_journal_open(&w->j, &journal));
	alloc.btrees = w->b;
	alloc.journal = w->j;
	require(!bce_allocator_open(&w->a, &alloc));
	writing.journal = w->j;
	writing.space_ctx = w->a;
	require(!bce_btrees_start_writing(w->b, &writing, journal.replay_seq));
	bce_journal_replay_done(w->j);
	bce_overlay_free(overlay);
	require(!bce_allocator_read(w->a));
	require(!bce_allocator_init_members(w->a));
	require(!bce_allocator_start(w->a));
}

struct world *world_open(unsigned int nr, unsigned int replicas)
{
	struct world *w = calloc(1, sizeof(*w));

	sb_rig_open(&w->sb, nr, small_members);
	w->log = bce_log_alloc("nodes");
	bce_log_set_print(w->log, print_line, NULL);
	atomic64_set(&w->clock, 1);
	rings_make(w);
	w->replicas = replicas;
	open_all(w);
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
	require(!bce_check_nodes(&c));
	require(!bce_check_allocations(&c));
	require(!bce_log_errors_total(w->log));
	require(!c.inum_mismatches);
	for (unsigned int dev = 0; dev < w->sb.nr; dev++)
		bce_sb_image_exit(&img[dev]);
}

/* where each ring stands, and what is still needed in it */
static void note_positions(struct world *w)
{
	memset(w->ring_seq, 0, sizeof(w->ring_seq));
	for (unsigned int dev = 0; dev < w->sb.nr; dev++)
		w->ring[dev].bucket_seq = w->ring_seq[dev];
	bce_journal_rings_stand(&w->replay, w->ring, w->sb.nr);
}

static void journal_read(struct world *w)
{
	const struct bch_sb *dev_sb[64] = { };
	struct journal_read_context ctx = {
		.dev_sb = dev_sb, .members = w->sb.members, .rules = &w->rules, .log = w->log,
	};

	for (unsigned int dev = 0; dev < w->sb.nr; dev++)
		dev_sb[dev] = w->sb.img[dev].sb;
	ctx.sb = dev_sb[0];
	bce_journal_replay_exit(&w->replay);
	require(!bce_journal_read(&w->replay, &ctx));
	note_positions(w);
	bce_sb_edit_begin(w->sb.w);
	require(bce_sb_blacklist_add(w->sb.w, w->replay.flush_seq + 1, w->replay.next_seq) >= 0);
	require(!bce_sb_write(w->sb.w));
	bce_sb_edit_end(w->sb.w);
}

static void close_all(struct world *w)
{
	bce_btrees_stop_writing(w->b);
	bce_allocator_close(w->a);
	bce_btrees_close(w->b);
	bce_journal_close(w->j);
}

void world_crash(struct world *w)
{
	bce_allocator_stop(w->a);
	bce_journal_halt(w->j);
	close_all(w);
	sb_rig_reopen(&w->sb);
	journal_read(w);
	w->failed = 0;
	open_all(w);
	bce_allocator_stop(w->a);
	check(w);
	require(!bce_allocator_start(w->a));
}

void world_close(struct world *w)
{
	struct journal_ring_end ends[64];
	u64 seq;

	bce_allocator_stop(w->a);
	require(!bce_btrees_flush(w->b));
	check(w);
	require(!bce_journal_stop(w->j, &seq, ends));
	require(!w->failed);
	close_all(w);
	bce_journal_replay_exit(&w->replay);
	bce_log_free(w->log);
	sb_rig_close(&w->sb);
	free(w);
}
