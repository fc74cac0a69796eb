// SPDX-License-Identifier: GPL-2.0
/* An allocator with nothing above it and little below. */
#include "alloc_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alloc/alloc_internal.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "require.h"
#include "sb_builder.h"

/* buckets of each member's ring: behind the first superblock copies */
#define RING_FIRST	3
#define RING_NR		4

static int rig_trigger(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		       unsigned int btree_id, unsigned int level, const struct bkey *old,
		       const struct bkey *new)
{
	struct alloc_rig *r = ctx;

	int ret = bce_alloc_trigger(r->a, t, phase, btree_id, level, old, new);

	if (!ret && r->more)
		ret = r->more->key(r->more_ctx, t, phase, btree_id, level, old, new);
	return ret;
}

static int rig_finish(void *ctx, struct bce_trans *t)
{
	struct alloc_rig *r = ctx;

	int ret = bce_alloc_trigger_finish(r->a, t);

	return ret || !r->more ? ret : r->more->finish(r->more_ctx, t);
}

static const struct btree_trigger_ops rig_triggers = { .key = rig_trigger, .finish = rig_finish };

static u64 rig_clock(void *ctx, unsigned int rw)
{
	struct alloc_rig *r = ctx;

	return r->clock[rw];
}

static void rings_make(struct alloc_rig *r)
{
	u64 bucket[RING_NR];

	for (unsigned int i = 0; i < RING_NR; i++)
		bucket[i] = RING_FIRST + i;
	bce_sb_edit_begin(r->sb.w);
	for (unsigned int dev = 0; dev < r->sb.nr; dev++)
		require(!bce_sb_journal_set(r->sb.w, dev, bucket, RING_NR));
	require(!bce_sb_write(r->sb.w));
	bce_sb_edit_end(r->sb.w);
}

static void rules_fill(struct alloc_rig *r)
{
	for (unsigned int dev = 0; dev < r->sb.nr; dev++) {
		struct member_info m;

		bce_sb_member(r->sb.img[dev].sb, dev, &m);
		r->rules_dev[dev] = (struct key_rules_dev) {
			.exists = true, .durability = m.durability,
			.bucket_sectors = m.bucket_sectors, .first_bucket = m.first_bucket,
			.nbuckets = m.nbuckets,
		};
	}
	r->mem.rules = (struct key_rules) {
		.dev = r->rules_dev,
		.btree_node_sectors = SBB_NODE_SECTORS,
		.block_sectors = SBB_BLOCK_SECTORS,
		.encoded_extent_max_sectors = 128,
	};
}

/* members as a formatter leaves them */
static void (*member_change)(struct sb_builder *b, unsigned int dev);

static void member_fresh(struct sb_builder *b, unsigned int dev)
{
	for (unsigned int i = 0; i < b->sb->nr_devices; i++) {
		struct bch_member *m = sbb_member(b, i);

		m->flags &= ~cpu_to_le64(1ULL << BCH_MEMBER_FREESPACE_INITIALIZED_LO);
	}
	if (member_change)
		member_change(b, dev);
	sbb_seal(b);
}

void alloc_rig_open(struct alloc_rig *r, unsigned int nr,
		    void (*change)(struct sb_builder *b, unsigned int dev))
{
	struct allocator_config config;

	memset(r, 0, sizeof(*r));
	member_change = change;
	sb_rig_open(&r->sb, nr, member_fresh);
	rings_make(r);
	mem_btrees_init(&r->mem);
	rules_fill(r);
	mem_btrees_open(&r->mem, &rig_triggers, r);
	r->clock[0] = r->clock[1] = 1;
	config = (struct allocator_config) {
		.btrees			= r->mem.b,
		.members		= r->sb.members,
		.sb			= r->sb.w,
		.log			= r->mem.log,
		.node_sectors		= SBB_NODE_SECTORS,
		.block_sectors		= SBB_BLOCK_SECTORS,
		.metadata_replicas	= 1,
		.metadata_replicas_required = 1,
		.gc_reserve_percent	= 8,
		.patience_ms		= 200,
		.io_clock		= rig_clock,
		.clock_ctx		= r,
	};
	require(!bce_allocator_open(&r->a, &config));
	require(!bce_allocator_read(r->a));
	require(!bce_allocator_init_members(r->a));
}

void alloc_rig_close(struct alloc_rig *r)
{
	bce_allocator_close(r->a);
	mem_btrees_exit(&r->mem);
	sb_rig_close(&r->sb);
}

void alloc_rig_check(struct alloc_rig *r)
{
	static struct member_info member[64];
	const struct bch_sb *dev_sb[64] = { };
	struct sb_image img[SB_RIG_MAX];
	u64 before = bce_log_errors_total(r->mem.log);
	struct check c = {
		.btrees		= r->mem.b,
		.log		= r->mem.log,
		.member		= member,
		.dev_sb		= dev_sb,
		.node_sectors	= SBB_NODE_SECTORS,
		.block_sectors	= SBB_BLOCK_SECTORS,
	};

	memset(member, 0, sizeof(member));
	for (unsigned int dev = 0; dev < r->sb.nr; dev++) {
		sb_rig_read(&r->sb, dev, 0, &img[dev]);
		dev_sb[dev] = img[dev].sb;
		bce_sb_member(img[0].sb, dev, &member[dev]);
	}
	c.sb = dev_sb[0];
	require(!bce_check_allocations(&c));
	if (bce_log_errors_total(r->mem.log) != before && !getenv("VERBOSE"))
		fprintf(stderr, "VERBOSE=1 tells what the checker found\n");
	require(bce_log_errors_total(r->mem.log) == before);
	require(!c.inum_mismatches);
	for (unsigned int dev = 0; dev < r->sb.nr; dev++)
		bce_sb_image_exit(&img[dev]);
}

struct put_job {
	unsigned int		btree_id;
	const struct bkey	*k;
};

static int put_key(struct bce_trans *t, void *ctx)
{
	const struct put_job *job = ctx;

	return bce_trans_update(t, job->btree_id, job->k, 0);
}

int alloc_rig_put(struct alloc_rig *r, unsigned int btree_id, const struct bkey *k)
{
	struct put_job job = { .btree_id = btree_id, .k = k };

	return bce_trans_run(r->mem.b, put_key, &job, 0, NULL);
}

void alloc_rig_bucket(struct alloc_rig *r, unsigned int dev, u64 bucket, struct alloc_info *out)
{
	struct bkey_buf buf;
	struct bkey k;

	memset(out, 0, sizeof(*out));
	if (!bce_btree_lookup(r->mem.b, BTREE_ID_alloc, POS(dev, bucket), NULL, &k, &buf))
		require(!bce_alloc_decode(&k, out));
}

s64 alloc_rig_counter(struct alloc_rig *r, const struct accounting_pos *pos, unsigned int i)
{
	s64 counters[ACCOUNTING_COUNTERS_MAX];

	require(!alloc_counter(r->a, pos, i + 1, counters));
	return counters[i];
}
