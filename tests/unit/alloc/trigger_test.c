// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from one key at a time: docs/format/75-allocation.md, sections 3, 4, 5.6, 8;
 * 80-accounting.md, section 3. After each the checker recomputes everything.
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "alloc_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/alloc/encode.h"
#include "engine/format/ids.h"
#include "engine/sb/replicas.h"
#include "journal_rig.h"
#include "sb_builder.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define INUM		4096

static struct alloc_rig r;

static int setup(void **state)
{
	alloc_rig_open(&r, 4, NULL);
	return 0;
}

static int teardown(void **state)
{
	alloc_rig_close(&r);
	return 0;
}

/* ---- helpers ---- */

static struct extent_ptr pointer(unsigned int dev, u64 bucket, u32 offset)
{
	return (struct extent_ptr) {
		.dev = dev, .sector = bucket * SBB_BUCKET_SECTORS + offset,
		.gen = bce_bucket_gen(r.a, dev, bucket),
	};
}

static struct extent_ptr cached_pointer(unsigned int dev, u64 bucket, u32 offset)
{
	struct extent_ptr p = pointer(dev, bucket, offset);

	p.cached = true;
	return p;
}

static void extent(struct test_key *key, u64 end, u32 size)
{
	key_init(key, KEY_TYPE_extent, SPOS(INUM, end, U32_MAX), size);
}

static void put(const struct test_key *key)
{
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key->k), 0);
}

static void remove_at(const struct test_key *key)
{
	struct bkey gone = { .type = KEY_TYPE_deleted, .p = key->k.p };

	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &gone), 0);
}

static struct alloc_info bucket(unsigned int dev, u64 nr)
{
	struct alloc_info info;

	alloc_rig_bucket(&r, dev, nr, &info);
	return info;
}

static s64 replicas(unsigned int type, unsigned int required, unsigned int nr, u8 d0, u8 d1)
{
	struct accounting_pos pos = { .type = ACCOUNTING_replicas };

	pos.replicas.data_type = type;
	pos.replicas.nr_devs = nr;
	pos.replicas.nr_required = required;
	pos.replicas.devs[0] = d0;
	if (nr > 1)
		pos.replicas.devs[1] = d1;
	return alloc_rig_counter(&r, &pos, 0);
}

static bool has_key(unsigned int btree_id, struct bpos pos)
{
	struct bkey_buf buf;
	struct bkey k;

	return !bce_btree_lookup(r.mem.b, btree_id, pos, NULL, &k, &buf);
}

/* ---- counters and backpointers ---- */

/* the example of 80, 3.1, and that of 75, 5.6 with other numbers */
static void test_two_replicas(void **state)
{
	struct accounting_pos snapshot = { .type = ACCOUNTING_snapshot,
					   .snapshot.id = cpu_to_le32(U32_MAX) };
	struct accounting_pos inum = { .type = ACCOUNTING_inum, .inum.inum = cpu_to_le64(INUM) };
	struct extent_ptr p1 = pointer(1, 20, 40), p3 = pointer(3, 21, 0);
	const struct extent_crc plain = { };
	struct backpointer_info bp;
	struct bkey_buf buf;
	struct test_key key;
	struct sb_image img;
	struct bkey k;

	extent(&key, 72, 8);
	key_add(&key, ptr_word(&p1));
	key_add(&key, ptr_word(&p3));
	put(&key);
	assert_int_equal(replicas(BCH_DATA_user, 1, 2, 1, 3), 16);
	assert_int_equal(alloc_rig_counter(&r, &snapshot, 0), 16);
	assert_int_equal(alloc_rig_counter(&r, &inum, 0), 1);
	assert_int_equal(alloc_rig_counter(&r, &inum, 1), 8);
	assert_int_equal(alloc_rig_counter(&r, &inum, 2), 16);

	/* on disk before the counter was */
	sb_rig_read(&r.sb, 2, 0, &img);
	assert_true(bce_replicas_listed(img.sb, BCH_DATA_user, 1 << 1 | 1 << 3, false));
	bce_sb_image_exit(&img);

	assert_int_equal(bucket(1, 20).dirty_sectors, 8);
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_user);
	assert_true(bucket(1, 20).need_discard && bucket(1, 20).need_inc_gen);
	assert_int_equal(bce_btree_lookup(r.mem.b, BTREE_ID_backpointers,
					  bce_backpointer_pos(&p1, &plain), NULL, &k, &buf), 0);
	bce_backpointer_decode(&k, &bp);
	assert_int_equal(bp.btree_id, BTREE_ID_extents);
	assert_int_equal(bp.level, 0);
	assert_int_equal(bp.data_type, BCH_DATA_user);
	assert_int_equal(bp.bucket_offset, 40 << 10);
	assert_int_equal(bp.bucket_len, 8);
	assert_int_equal(bpos_cmp(bp.pos, key.k.p), 0);
	alloc_rig_check(&r);
}

/* 80, 3.2 */
static void test_compression(void **state)
{
	struct accounting_pos lz4 = { .type = ACCOUNTING_compression,
				      .compression.type = BCH_COMPRESSION_TYPE_lz4 };
	struct extent_ptr p0 = pointer(0, 20, 0), p1 = pointer(1, 20, 0);
	struct test_key key;

	extent(&key, 50, 50);
	key_add(&key, crc32_word(40, 128, BCH_COMPRESSION_TYPE_lz4));
	key_add(&key, ptr_word(&p0));
	key_add(&key, ptr_word(&p1));
	put(&key);
	assert_int_equal(alloc_rig_counter(&r, &lz4, 0), 1);
	assert_int_equal(alloc_rig_counter(&r, &lz4, 1), 256);
	assert_int_equal(alloc_rig_counter(&r, &lz4, 2), 80);
	assert_int_equal(bucket(0, 20).dirty_sectors, 16);	/* 70, 6.3 */
	alloc_rig_check(&r);
	remove_at(&key);
	assert_int_equal(alloc_rig_counter(&r, &lz4, 0), 0);
	alloc_rig_check(&r);
}

/* nothing but its version changes */
static void test_same_pointers(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct alloc_info before, after;
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	before = bucket(0, 20);
	r.clock[0] = r.clock[1] = 99;
	key.k.version.lo = 7;
	put(&key);
	after = bucket(0, 20);
	assert_memory_equal(&before, &after, sizeof(before));
	alloc_rig_check(&r);
}

static void test_reservation(void **state)
{
	struct accounting_pos pos = { .type = ACCOUNTING_persistent_reserved,
				      .persistent_reserved.nr_replicas = 2 };
	struct test_key key;

	key_init(&key, KEY_TYPE_reservation, SPOS(INUM, 100, U32_MAX), 24);
	key_add(&key, 2ULL << 32);
	put(&key);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), 24);
	remove_at(&key);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), 0);
}

static void test_rebalance(void **state)
{
	struct accounting_pos pos = { .type = ACCOUNTING_rebalance_work };
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	key_add(&key, 0x0003330000000020ULL);	/* member 2, zstd */
	put(&key);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), 16);
	assert_true(has_key(BTREE_ID_rebalance_work, key.k.p));
	alloc_rig_check(&r);

	key.k.val_u64s = 1;
	put(&key);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), 0);
	assert_false(has_key(BTREE_ID_rebalance_work, key.k.p));
	alloc_rig_check(&r);
}

/* ---- nodes ---- */

struct node_job {
	struct bkey	old, new;
};

static int node_trigger(struct bce_trans *t, void *ctx)
{
	struct node_job *job = ctx;

	return bce_alloc_trigger(r.a, t, TRIGGER_OVERWRITE, BTREE_ID_dirents, 2, &job->old,
				 &job->new) ?:
	       bce_alloc_trigger(r.a, t, TRIGGER_INSERT, BTREE_ID_dirents, 2, &job->old,
				 &job->new) ?:
	       bce_alloc_trigger_finish(r.a, t);
}

static void test_node_pointers(void **state)
{
	struct accounting_pos pos = { .type = ACCOUNTING_btree,
				      .btree.id = cpu_to_le32(BTREE_ID_dirents) };
	struct extent_ptr p = pointer(2, 30, 512);
	const struct extent_crc plain = { };
	struct backpointer_info bp;
	struct bkey_buf buf;
	struct test_key key;
	struct bkey k;
	struct node_job job = { .old = { .type = KEY_TYPE_deleted, .p = SPOS_MAX } };

	key_init(&key, KEY_TYPE_btree_ptr_v2, SPOS_MAX, 0);
	for (unsigned int i = 0; i < sizeof(struct bch_btree_ptr_v2) / 8; i++)
		key_add(&key, i == 2);		/* sectors_written 1 */
	key_add(&key, ptr_word(&p));
	job.new = key.k;
	assert_int_equal(bce_trans_run(r.mem.b, node_trigger, &job, 0, NULL), 0);

	assert_int_equal(alloc_rig_counter(&r, &pos, 0), SBB_NODE_SECTORS);
	assert_int_equal(replicas(BCH_DATA_btree, 1, 1, 2, 0), SBB_NODE_SECTORS);
	assert_int_equal(bucket(2, 30).data_type, BCH_DATA_btree);
	assert_int_equal(bucket(2, 30).dirty_sectors, SBB_NODE_SECTORS);
	assert_int_equal(bce_btree_lookup(r.mem.b, BTREE_ID_backpointers,
					  bce_backpointer_pos(&p, &plain), NULL, &k, &buf), 0);
	bce_backpointer_decode(&k, &bp);
	assert_int_equal(bp.btree_id, BTREE_ID_dirents);
	assert_int_equal(bp.level, 2);
	assert_int_equal(bp.data_type, BCH_DATA_btree);
	assert_int_equal(bp.bucket_len, SBB_NODE_SECTORS);
	assert_int_equal(bpos_cmp(bp.pos, SPOS_MAX), 0);

	/* sectors_written alone: nothing */
	job.old = job.new;
	assert_int_equal(bce_trans_run(r.mem.b, node_trigger, &job, 0, NULL), 0);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), SBB_NODE_SECTORS);

	job.new = (struct bkey) { .type = KEY_TYPE_deleted, .p = SPOS_MAX };
	assert_int_equal(bce_trans_run(r.mem.b, node_trigger, &job, 0, NULL), 0);
	assert_int_equal(bucket(2, 30).data_type, BCH_DATA_need_discard);
	alloc_rig_check(&r);
}

/* ---- what is refused ---- */

static void test_mixed_types(void **state)
{
	struct extent_ptr p = pointer(0, 3, 0);		/* the journal's */
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_ptr_bucket_data_type_mismatch), 1);
	assert_int_equal(bucket(0, 3).data_type, BCH_DATA_journal);
	alloc_rig_check(&r);
}

static void test_wrong_generation(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	p.gen++;
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_ptr_gen_newer_than_bucket_gen), 1);
	p.gen -= 2;
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_stale_dirty_ptr), 1);
	alloc_rig_check(&r);
}

static void test_no_such_device(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	p.dev = 9;
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_ptr_to_invalid_device), 1);
}

/* ---- the life of a bucket ---- */

static void test_emptied(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	assert_false(has_key(BTREE_ID_need_discard, POS(0, 20)));
	remove_at(&key);
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_need_discard);
	assert_int_equal(bucket(0, 20).gen, 1);
	assert_false(bucket(0, 20).need_inc_gen);
	assert_int_not_equal(bucket(0, 20).journal_seq, 0);
	assert_true(has_key(BTREE_ID_need_discard, POS(0, 20)));
	alloc_rig_check(&r);

	assert_true(alloc_make_space(r.a, false));
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_free);
	assert_false(has_key(BTREE_ID_need_discard, POS(0, 20)));
	alloc_rig_check(&r);
}

static void discarding(struct sb_builder *b, unsigned int dev)
{
	for (unsigned int i = 0; i < b->sb->nr_devices; i++) {
		struct bch_member *m = sbb_member(b, i);

		m->flags |= cpu_to_le64(1ULL << BCH_MEMBER_DISCARD_LO);
	}
}

static int setup_discarding(void **state)
{
	alloc_rig_open(&r, 2, discarding);
	return 0;
}

/* the device forgets the bucket, and nothing else; readers know before */
static void test_discard(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	const off_t start = 20 * SBB_BUCKET_SECTORS * 512;
	struct test_key key;
	u8 around[3] = { 1, 2, 3 };

	assert_int_equal(pwrite(r.sb.fd[0], &around[0], 1, start - 1), 1);
	assert_int_equal(pwrite(r.sb.fd[0], &around[1], 1, start + 5000), 1);
	assert_int_equal(pwrite(r.sb.fd[0], &around[2], 1, start + SBB_BUCKET_SECTORS * 512), 1);
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	remove_at(&key);
	assert_int_equal(bce_bucket_gen(r.a, 0, 20), 0);
	assert_true(alloc_make_space(r.a, false));
	assert_int_equal(bce_bucket_gen(r.a, 0, 20), 1);
	assert_int_equal(pread(r.sb.fd[0], &around[0], 1, start - 1), 1);
	assert_int_equal(pread(r.sb.fd[0], &around[1], 1, start + 5000), 1);
	assert_int_equal(pread(r.sb.fd[0], &around[2], 1, start + SBB_BUCKET_SECTORS * 512), 1);
	assert_int_equal(around[0], 1);
	assert_int_equal(around[1], 0);
	assert_int_equal(around[2], 3);
}

/* whoever takes a bucket knows its generation, and so do readers */
static void test_gen_of_taken(void **state)
{
	struct alloc_request req = { .data_type = BCH_DATA_user, .replicas = 1,
				     .watermark = ALLOC_NORMAL };
	struct alloc_space space;
	struct test_key key;
	unsigned int dev, gen;

	for (gen = 0; gen < 3; gen++) {
		req.target = BCH_TARGET_DEV_BASE + 1;
		for (u64 b = 0; b < SBB_NBUCKETS; b++) {
			struct extent_ptr p = { .dev = 1, .sector = b * SBB_BUCKET_SECTORS,
						.gen = bucket(1, b).gen };

			if (bucket(1, b).data_type != BCH_DATA_free)
				continue;
			extent(&key, 8, 8);
			key_add(&key, ptr_word(&p));
			put(&key);
			remove_at(&key);
		}
		alloc_make_space(r.a, false);
		assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &space), 0);
		dev = space.ptr[0].dev;
		assert_int_equal(space.ptr[0].gen, gen + 1);
		assert_int_equal(bce_bucket_gen(r.a, dev, space.ptr[0].sector / SBB_BUCKET_SECTORS),
				 gen + 1);
		bce_alloc_space_put(r.a, &space);
		alloc_write_points_drop(r.a);
	}
	alloc_rig_check(&r);
}

/* as long as somebody may write pointers of its generation, that stays */
static void test_emptied_while_open(void **state)
{
	struct alloc_request req = { .data_type = BCH_DATA_user, .replicas = 1,
				     .watermark = ALLOC_NORMAL };
	struct alloc_space space;
	struct test_key key;
	unsigned int dev;
	u64 nr;
	u32 offset;

	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &space), 0);
	dev = space.ptr[0].dev;
	assert_true(bce_bucket_of(r.a, dev, space.ptr[0].sector, &nr, &offset));
	extent(&key, 8, 8);
	key_add_space(&key, &space);
	put(&key);
	remove_at(&key);
	assert_int_equal(bucket(dev, nr).gen, 0);
	assert_true(bucket(dev, nr).need_inc_gen);
	alloc_make_space(r.a, false);
	assert_int_equal(bucket(dev, nr).data_type, BCH_DATA_need_discard);
	alloc_rig_check(&r);

	/* the same generation is good as long as it is open */
	put(&key);
	assert_int_equal(bucket(dev, nr).data_type, BCH_DATA_user);
	alloc_rig_check(&r);
	remove_at(&key);

	bce_alloc_space_put(r.a, &space);
	alloc_write_points_drop(r.a);
	assert_true(alloc_make_space(r.a, false));
	assert_int_equal(bucket(dev, nr).gen, 1);
	assert_int_equal(bucket(dev, nr).data_type, BCH_DATA_free);
	alloc_rig_check(&r);
}

/* a bucket that loses one pointer and gets another is never empty */
static int move_in_bucket(struct bce_trans *t, void *ctx)
{
	struct test_key *key = ctx;

	return bce_trans_delete(t, BTREE_ID_extents, key[0].k.p, 0) ?:
	       bce_trans_update(t, BTREE_ID_extents, &key[1].k, 0);
}

static void test_never_empty(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key[2];

	extent(&key[0], 8, 8);
	key_add(&key[0], ptr_word(&p));
	put(&key[0]);
	extent(&key[1], 16, 8);
	p = pointer(0, 20, 8);
	key_add(&key[1], ptr_word(&p));
	assert_int_equal(bce_trans_run(r.mem.b, move_in_bucket, key, 0, NULL), 0);
	assert_int_equal(bucket(0, 20).gen, 0);
	assert_int_equal(bucket(0, 20).dirty_sectors, 8);
	alloc_rig_check(&r);
}

/* ---- what the journal has to say: 75, 4.3 ---- */

static const struct jr_options one_ring = {
	.nr = 1, .ring_nr = 8, .bucket_sectors = 256, .block_sectors = 8,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};

/* entries of another journal, but their numbers are what counts */
static void flush_up_to(struct jr_rig *j, u64 seq)
{
	int error = 0;

	while (bce_journal_flushed_seq(j->j) < seq) {
		u64 now = jr_put_keys(j, 1, JOURNAL_NORMAL, 1, &error);

		assert_int_not_equal(now, 0);
		assert_int_equal(jr_flush(j, now), 0);
	}
}

static void test_not_before_it_is_durable(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct alloc_request req = { .data_type = BCH_DATA_user, .replicas = 1,
				     .watermark = ALLOC_NORMAL,
				     .target = BCH_TARGET_DEV_BASE, .only_target = true };
	struct alloc_space s[SBB_NBUCKETS];
	struct jr_rig *j = calloc(1, sizeof(*j));
	struct test_key key;
	unsigned int nr = 0;
	u64 seq;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	remove_at(&key);
	seq = bucket(0, 20).journal_seq;

	jr_init(j, &one_ring);
	assert_int_equal(jr_open(j), 0);
	r.a->config.journal = j->j;
	flush_up_to(j, seq - 2);
	/* this flushes one entry more */
	assert_false(alloc_make_space(r.a, false));
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_need_discard);
	flush_up_to(j, seq);
	assert_true(alloc_make_space(r.a, false));
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_free);

	/* free, but of an entry that is not durable: as after a crash whose replay is not flushed */
	jr_exit(j);
	jr_init(j, &one_ring);
	assert_int_equal(jr_open(j), 0);
	r.a->config.journal = j->j;
	while (!bce_alloc_space_get(r.a, &req, SBB_BUCKET_SECTORS, &s[nr])) {
		assert_int_not_equal(s[nr].ptr[0].sector / SBB_BUCKET_SECTORS, 20);
		nr++;
	}
	assert_true(nr > 10);
	while (nr)
		bce_alloc_space_put(r.a, &s[--nr]);
	r.a->config.journal = NULL;
	jr_exit(j);
	free(j);
}

/* the journal tells, and the worker does the rest */
static void test_flushed(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	assert_int_equal(bce_allocator_start(r.a), 0);
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	remove_at(&key);
	bce_allocator_flushed(r.a, 0);
	flush_workqueue(r.a->wq);
	bce_allocator_stop(r.a);
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_free);
	alloc_rig_check(&r);
}

/* ---- more than one round of triggers ---- */

static struct test_key second;

static int no_trigger(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		      unsigned int btree_id, unsigned int level, const struct bkey *old,
		      const struct bkey *new)
{
	return 0;
}

/* the second key's change follows from the first one's */
static int put_second(void *ctx, struct bce_trans *t)
{
	unsigned int *nr = bce_trans_slot(t, TRANS_SLOT_USER, sizeof(*nr));

	assert_non_null(nr);
	return (*nr)++ ? 0 : bce_trans_update(t, BTREE_ID_extents, &second.k, 0);
}

static void test_rounds(void **state)
{
	static const struct btree_trigger_ops more = { .key = no_trigger, .finish = put_second };
	struct extent_ptr p[2] = { pointer(0, 20, 0), pointer(0, 20, 8) };
	struct test_key first;
	u64 seq;

	extent(&first, 8, 8);
	key_add(&first, ptr_word(&p[0]));
	extent(&second, 16, 8);
	key_add(&second, ptr_word(&p[1]));
	r.more = &more;

	/* the first round fills the bucket, the second one writes its key anew */
	put(&first);
	assert_int_equal(bucket(0, 20).dirty_sectors, 16);
	seq = bucket(0, 20).journal_seq;
	assert_int_not_equal(seq, 0);
	alloc_rig_check(&r);

	/* the second one empties it */
	second.k = (struct bkey) { .type = KEY_TYPE_deleted, .p = second.k.p };
	remove_at(&first);
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_need_discard);
	assert_int_equal(bucket(0, 20).gen, 1);
	assert_true(bucket(0, 20).journal_seq > seq);
	alloc_rig_check(&r);
	r.more = NULL;
}

/* ---- cached pointers ---- */

static struct test_key dirty_and_cached(void)
{
	struct extent_ptr p = pointer(0, 20, 0), c = cached_pointer(1, 20, 0);
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	key_add(&key, ptr_word(&c));
	put(&key);
	return key;
}

static int invalidate(struct bce_trans *t, void *ctx)
{
	struct alloc_info info;
	int ret = alloc_bucket_lookup(r.a, t, 1, 20, &info);

	info.gen++;
	info.need_inc_gen = false;
	info.cached_sectors = 0;
	return ret ?: bce_alloc_bucket_update(r.a, t, 1, 20, &info);
}

static void test_cached(void **state)
{
	struct test_key key;

	r.clock[0] = 77;
	key = dirty_and_cached();
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_cached);
	assert_int_equal(bucket(1, 20).cached_sectors, 8);
	assert_true(has_key(BTREE_ID_lru, bce_lru_pos(1, 77, 1, 20)));
	assert_int_equal(replicas(BCH_DATA_cached, 1, 1, 1, 0), 8);
	alloc_rig_check(&r);

	r.clock[0] = 99;
	bce_bucket_read(r.a, 1, 20);
	alloc_read_work(&r.a->read_work.work);
	assert_false(has_key(BTREE_ID_lru, bce_lru_pos(1, 77, 1, 20)));
	assert_true(has_key(BTREE_ID_lru, bce_lru_pos(1, 99, 1, 20)));

	assert_int_equal(bce_trans_run(r.mem.b, invalidate, NULL, 0, NULL), 0);
	assert_int_equal(replicas(BCH_DATA_cached, 1, 1, 1, 0), 0);
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_need_discard);
	assert_false(has_key(BTREE_ID_lru, bce_lru_pos(1, 99, 1, 20)));
	alloc_rig_check(&r);

	/* the stale pointer goes without a trace */
	remove_at(&key);
	alloc_rig_check(&r);
	assert_int_equal(bucket(1, 20).gen, 1);
}

/* a bucket with nothing but cached data when its dirty data goes */
static void test_dirty_to_cached(void **state)
{
	struct extent_ptr p = pointer(0, 20, 0);
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	p.cached = true;
	extent(&key, 8, 8);
	key_add(&key, ptr_word(&p));
	put(&key);
	assert_int_equal(bucket(0, 20).data_type, BCH_DATA_cached);
	assert_int_equal(bucket(0, 20).gen, 0);
	alloc_rig_check(&r);
}

/* ---- generations that would wrap ---- */

static int age(struct bce_trans *t, void *ctx)
{
	struct alloc_info info;
	int ret = alloc_bucket_lookup(r.a, t, 1, 20, &info);

	info.gen = 97;
	info.need_discard = false;
	return ret ?: bce_alloc_bucket_update(r.a, t, 1, 20, &info);
}

static void age_bucket(void)
{
	assert_int_equal(bce_trans_run(r.mem.b, invalidate, NULL, 0, NULL), 0);
	assert_int_equal(bce_trans_run(r.mem.b, age, NULL, 0, NULL), 0);
	alloc_gen_set(r.a, 1, 20, 97);
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_need_gc_gens);
	alloc_gens_work(&r.a->gens_work);
}

static void test_oldest_gen(void **state)
{
	struct test_key key = dirty_and_cached();
	struct bkey_buf buf;
	struct bkey k;

	age_bucket();
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_free);
	assert_int_equal(bucket(1, 20).oldest_gen, 97);
	assert_int_equal(bce_btree_lookup(r.mem.b, BTREE_ID_extents, key.k.p, NULL, &k, &buf), 0);
	assert_int_equal(k.val_u64s, 1);
	alloc_rig_check(&r);
}

/* nothing else is in the key: it stays, and the bucket waits */
static void test_oldest_gen_cached_only(void **state)
{
	struct extent_ptr c = cached_pointer(1, 20, 0);
	struct test_key key;

	extent(&key, 8, 8);
	key_add(&key, ptr_word(&c));
	put(&key);
	age_bucket();
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_need_gc_gens);
	assert_int_equal(bucket(1, 20).oldest_gen, 0);
	remove_at(&key);
	WRITE_ONCE(r.a->gens, true);
	alloc_gens_work(&r.a->gens_work);
	assert_int_equal(bucket(1, 20).data_type, BCH_DATA_free);
	alloc_rig_check(&r);
}

/* an old pointer that is written anew lowers the bound again */
static void test_old_pointer_comes(void **state)
{
	struct test_key key = dirty_and_cached(), other;
	struct extent_ptr p = pointer(0, 21, 0);

	age_bucket();
	remove_at(&key);
	extent(&other, 8, 8);
	key_add(&other, ptr_word(&p));
	key_add(&other, BITS_SET(key.v[1], EXTENT_PTR_GEN, 5));
	put(&other);
	assert_int_equal(bucket(1, 20).oldest_gen, 5);
	alloc_rig_check(&r);
}

/* ---- stripes ---- */

#define STRIPE_BUCKET	40

/* as the in-tree driver leaves one: blocks on members 0 and 1, parity on 2 */
static int stripe_make(struct bce_trans *t, void *ctx)
{
	struct accounting_pos parity = {
		.type = ACCOUNTING_replicas,
		.replicas = { .data_type = BCH_DATA_parity, .nr_devs = 3, .nr_required = 2,
			      .devs = { 0, 1, 2 } },
	};
	const s64 sectors = SBB_BUCKET_SECTORS;
	u64 v[8] = { };
	struct bch_stripe *s = (void *)v;
	struct bkey k = { .type = KEY_TYPE_stripe, .p = POS(0, 5), .val_u64s = 5, .v = v };
	int ret = 0;

	*s = (struct bch_stripe) { .sectors = cpu_to_le16(SBB_BUCKET_SECTORS), .nr_blocks = 3,
				   .nr_redundant = 1, .csum_granularity_bits = 10 };
	for (unsigned int i = 0; i < 3 && !ret; i++) {
		struct extent_ptr p = pointer(i, STRIPE_BUCKET, 0);
		struct alloc_info info;

		v[1 + i] = ptr_word(&p);
		ret = alloc_bucket_lookup(r.a, t, i, STRIPE_BUCKET, &info);
		info.stripe = 5;
		info.stripe_redundancy = 1;
		info.data_type = i == 2 ? BCH_DATA_parity : BCH_DATA_stripe;
		info.dirty_sectors = i == 2 ? SBB_BUCKET_SECTORS : 0;
		ret = ret ?: bce_alloc_bucket_update(r.a, t, i, STRIPE_BUCKET, &info);
	}
	return ret ?: alloc_replicas_ensure(r.a, BCH_DATA_parity, 2, parity.replicas.devs, 3) ?:
	       bce_trans_account(t, &parity, &sectors, 1) ?:
	       bce_trans_update(t, BTREE_ID_stripes, &k, TRANS_NO_TRIGGER);
}

static void striped_extent(struct test_key *key, unsigned int block, u64 end)
{
	struct extent_ptr p = pointer(block, STRIPE_BUCKET, end - 8);
	u64 ref = 16;

	ref = BITS_SET(ref, EXTENT_STRIPE_PTR_BLOCK, block);
	ref = BITS_SET(ref, EXTENT_STRIPE_PTR_REDUNDANCY, 1);
	ref = BITS_SET(ref, EXTENT_STRIPE_PTR_IDX, 5);
	extent(key, end, 8);
	key_add(key, ref);
	key_add(key, ptr_word(&p));
}

static unsigned int stripe_count(unsigned int block)
{
	struct bkey_buf buf;
	struct bkey k;

	assert_int_equal(bce_btree_lookup(r.mem.b, BTREE_ID_stripes, POS(0, 5), NULL, &k, &buf), 0);
	return bce_stripe_block_sectors(&k, block);
}

static void test_stripe(void **state)
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_replicas,
		.replicas = { .data_type = BCH_DATA_user, .nr_devs = 3, .nr_required = 2,
			      .devs = { 0, 1, 2 } },
	};
	struct test_key a, b;

	assert_int_equal(bce_trans_run(r.mem.b, stripe_make, NULL, 0, NULL), 0);
	striped_extent(&a, 0, 8);
	striped_extent(&b, 1, 16);
	put(&a);
	put(&b);
	alloc_rig_check(&r);
	assert_int_equal(alloc_rig_counter(&r, &pos, 0), 16);
	assert_int_equal(bucket(0, STRIPE_BUCKET).stripe_sectors, 8);
	assert_int_equal(stripe_count(0), 8);
	assert_int_equal(stripe_count(1), 8);

	remove_at(&a);
	alloc_rig_check(&r);
	assert_int_equal(stripe_count(0), 0);
	assert_int_equal(bucket(0, STRIPE_BUCKET).data_type, BCH_DATA_stripe);

	/* with the last sector the stripe goes, and its buckets become free */
	remove_at(&b);
	assert_false(has_key(BTREE_ID_stripes, POS(0, 5)));
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(bucket(i, STRIPE_BUCKET).data_type, BCH_DATA_need_discard);
		assert_int_equal(bucket(i, STRIPE_BUCKET).stripe, 0);
		assert_int_equal(bucket(i, STRIPE_BUCKET).gen, 1);
	}
	alloc_rig_check(&r);
}

static void test_no_new_stripes(void **state)
{
	u64 v[5] = { 0x0a01030400ULL };
	struct bkey k = { .type = KEY_TYPE_stripe, .p = POS(0, 5), .val_u64s = 5, .v = v };
	struct extent_ptr p = pointer(0, STRIPE_BUCKET, 0);

	for (unsigned int i = 1; i < 4; i++) {
		p.dev = i - 1;
		v[i] = ptr_word(&p);
	}
	((struct bch_stripe *)v)->sectors = cpu_to_le16(SBB_BUCKET_SECTORS);
	((struct bch_stripe *)v)->nr_blocks = 3;
	((struct bch_stripe *)v)->nr_redundant = 1;
	((struct bch_stripe *)v)->csum_granularity_bits = 10;
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_stripes, &k), -EOPNOTSUPP);
}

static void test_wrong_stripe(void **state)
{
	struct test_key key;

	striped_extent(&key, 0, 8);
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_ptr_to_missing_stripe), 1);
	assert_int_equal(bce_trans_run(r.mem.b, stripe_make, NULL, 0, NULL), 0);
	striped_extent(&key, 2, 8);		/* parity */
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), -EIO);
	assert_int_equal(bce_log_error_count(r.mem.log, BCE_ERR_ptr_to_incorrect_stripe), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_replicas),
		TEST(test_compression),
		TEST(test_same_pointers),
		TEST(test_reservation),
		TEST(test_rebalance),
		TEST(test_node_pointers),
		TEST(test_mixed_types),
		TEST(test_wrong_generation),
		TEST(test_no_such_device),
		TEST(test_emptied),
		cmocka_unit_test_setup_teardown(test_discard, setup_discarding, teardown),
		TEST(test_gen_of_taken),
		TEST(test_emptied_while_open),
		TEST(test_never_empty),
		TEST(test_not_before_it_is_durable),
		TEST(test_flushed),
		TEST(test_rounds),
		TEST(test_cached),
		TEST(test_dirty_to_cached),
		TEST(test_oldest_gen),
		TEST(test_oldest_gen_cached_only),
		TEST(test_old_pointer_comes),
		TEST(test_stripe),
		TEST(test_no_new_stripes),
		TEST(test_wrong_stripe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
