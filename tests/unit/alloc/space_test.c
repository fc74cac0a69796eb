// SPDX-License-Identifier: GPL-2.0
/*
 * Getting space: which members, which buckets, what happens when there is none
 * (docs/format/75-allocation.md, section 9; 85-policies.md, section 1).
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "alloc_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/format/ids.h"
#include "sb_builder.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define INUM		4096

static struct alloc_rig r;

/* member 3 is a pure cache */
static void durabilities(struct sb_builder *b, unsigned int dev)
{
	struct bch_member *m = sbb_member(b, b->sb->nr_devices - 1);

	m->flags = cpu_to_le64(BITS_SET(le64_to_cpu(m->flags), BCH_MEMBER_DURABILITY, 1));
}

static int setup(void **state)
{
	alloc_rig_open(&r, 4, NULL);
	return 0;
}

static int setup_one(void **state)
{
	alloc_rig_open(&r, 1, NULL);
	return 0;
}

static int setup_cache(void **state)
{
	alloc_rig_open(&r, 4, durabilities);
	return 0;
}

static int teardown(void **state)
{
	alloc_rig_close(&r);
	return 0;
}

static const struct alloc_request user = {
	.data_type = BCH_DATA_user, .replicas = 1, .replicas_required = 1,
	.watermark = ALLOC_NORMAL,
};

static u64 bucket_of(const struct extent_ptr *p)
{
	return p->sector / SBB_BUCKET_SECTORS;
}

/* ---- write points ---- */

static void test_consecutive(void **state)
{
	struct alloc_request req = user;
	struct alloc_space a, b, c;

	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &a), 0);
	assert_int_equal(bce_alloc_space_get(r.a, &req, 16, &b), 0);
	assert_int_equal(a.nr, 1);
	assert_int_equal(a.sectors, 8);
	assert_int_equal(b.ptr[0].sector, a.ptr[0].sector + 8);
	assert_int_equal(b.ptr[0].dev, a.ptr[0].dev);
	/* more than is left */
	assert_int_equal(bce_alloc_space_get(r.a, &req, 4096, &c), 0);
	assert_int_equal(c.sectors, SBB_BUCKET_SECTORS - 24);
	bce_alloc_space_put(r.a, &a);
	bce_alloc_space_put(r.a, &b);
	bce_alloc_space_put(r.a, &c);
}

static void test_streams_apart(void **state)
{
	struct alloc_request req = user;
	struct alloc_space a, b;

	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &a), 0);
	for (req.stream = 1; req.stream < 100; req.stream++) {
		assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &b), 0);
		bce_alloc_space_put(r.a, &b);
		if (b.ptr[0].dev != a.ptr[0].dev || bucket_of(&b.ptr[0]) != bucket_of(&a.ptr[0]))
			break;
	}
	assert_int_not_equal(req.stream, 100);
	bce_alloc_space_put(r.a, &a);
}

static void test_replicas(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s;

	req.replicas = 3;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 3);
	assert_true(s.ptr[0].dev != s.ptr[1].dev && s.ptr[1].dev != s.ptr[2].dev &&
		    s.ptr[0].dev != s.ptr[2].dev);
	bce_alloc_space_put(r.a, &s);

	/* too few members: down to what is required, no further */
	req.exclude_devs = 0xd;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 1);
	assert_int_equal(s.ptr[0].dev, 1);
	bce_alloc_space_put(r.a, &s);
	req.replicas_required = 2;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), -EROFS);
}

static void test_target(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s;

	req.target = BCH_TARGET_DEV_BASE + 2;
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(bce_alloc_space_get(r.a, &req, 512, &s), 0);
		assert_int_equal(s.ptr[0].dev, 2);
		bce_alloc_space_put(r.a, &s);
	}
	req.replicas = 2;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.ptr[0].dev, 2);
	bce_alloc_space_put(r.a, &s);

	req.only_target = true;
	req.replicas_required = 2;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), -EROFS);
}

static void test_durability_0(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s;

	req.target = BCH_TARGET_DEV_BASE + 3;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.ptr[0].dev, 3);
	assert_true(s.ptr[0].cached);
	assert_false(s.ptr[1].cached);
	bce_alloc_space_put(r.a, &s);
}

static void test_cached(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s;

	req.cached = true;
	req.exclude_devs = 0xf;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 0);
	req.exclude_devs = 0x7;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), 0);
	assert_int_equal(s.nr, 1);
	assert_true(s.ptr[0].cached);
	bce_alloc_space_put(r.a, &s);
}

static u64 place_on_1(void *ctx, unsigned int data_type, u16 target, bool *fallback)
{
	*fallback = false;
	return 1 << 1;
}

static void test_policy(void **state)
{
	static const struct alloc_policy_ops ops = { .place = place_on_1 };
	struct alloc_request req = user;
	struct alloc_space s;

	bce_allocator_set_policy(r.a, &ops, NULL);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(bce_alloc_space_get(r.a, &req, 1024, &s), 0);
		assert_int_equal(s.ptr[0].dev, 1);
		bce_alloc_space_put(r.a, &s);
	}
}

/* in the long run members share by free space: equal ones equally */
static void test_spread(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s[40];
	unsigned int nr[4] = { };

	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(bce_alloc_space_get(r.a, &req, 1024, &s[i]), 0);
		nr[s[i].ptr[0].dev]++;
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_in_range(nr[i], 8, 12);
	for (unsigned int i = 0; i < 40; i++)
		bce_alloc_space_put(r.a, &s[i]);
}

/* ---- nodes ---- */

static u64 sb_seq(void)
{
	u64 seq;

	seq = le64_to_cpu(bce_sb_edit_begin(r.sb.w)->seq);
	bce_sb_edit_end(r.sb.w);
	return seq;
}

static void test_nodes(void **state)
{
	struct btree_space a = { }, b = { };
	struct member_info m;
	struct sb_image img;
	u64 seq, bit;

	assert_int_equal(bce_alloc_btree_space_ops.get(r.a, &a, false), 0);
	assert_int_equal(a.nr, 1);
	/* on disk before a node is */
	sb_rig_read(&r.sb, a.ptr[0].dev, 0, &img);
	bce_sb_member(img.sb, a.ptr[0].dev, &m);
	bit = a.ptr[0].sector >> m.btree_bitmap_shift;
	assert_true(bit < 64 && (m.btree_bitmap >> bit & 1));
	bce_sb_image_exit(&img);

	seq = sb_seq();
	assert_int_equal(bce_alloc_btree_space_ops.get(r.a, &b, false), 0);
	assert_int_equal(b.ptr[0].sector, a.ptr[0].sector + SBB_NODE_SECTORS);
	assert_int_equal(sb_seq(), seq);
	bce_alloc_btree_space_ops.put(r.a, &a);
	bce_alloc_btree_space_ops.put(r.a, &b);
}

/* what is kept for reclaim: nobody else gets it */
static void test_reserve(void **state)
{
	struct btree_space s[2 * SBB_NBUCKETS];
	unsigned int nr = 0, normal;
	struct alloc_request req = user;
	struct alloc_space data;
	int ret;

	while (!(ret = bce_alloc_btree_space_ops.get(r.a, &s[nr], false)))
		nr++;
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &data), -ENOSPC);
	normal = nr;
	while (!(ret = bce_alloc_btree_space_ops.get(r.a, &s[nr], true)))
		nr++;
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(nr - normal, 28);		/* nodes, by definition of the reserve */
	while (nr)
		bce_alloc_btree_space_ops.put(r.a, &s[--nr]);
}

/* ---- full ---- */

static int write_bucket(u64 end, u8 type)
{
	struct alloc_request req = user;
	struct alloc_space s;
	struct test_key key;
	int ret = bce_alloc_space_get(r.a, &req, SBB_BUCKET_SECTORS, &s);

	if (ret)
		return ret;
	assert_int_equal(s.sectors, SBB_BUCKET_SECTORS);
	s.ptr[0].cached = type == BCH_DATA_cached;
	key_init(&key, KEY_TYPE_extent, SPOS(INUM, end, U32_MAX), SBB_BUCKET_SECTORS);
	key_add_space(&key, &s);
	r.clock[0]++;
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), 0);
	bce_alloc_space_put(r.a, &s);
	return 0;
}

static unsigned int fill(u8 type)
{
	unsigned int nr = 0;
	int ret;

	while (!(ret = write_bucket((nr + 1) * SBB_BUCKET_SECTORS, type)))
		assert_true(++nr < 1000);
	assert_int_equal(ret, -ENOSPC);
	return nr;
}

static void test_fill_delete_fill(void **state)
{
	unsigned int nr = fill(BCH_DATA_user), i;

	alloc_rig_check(&r);
	/* one bucket each for superblocks at both ends, four of the journal, two reserves and a bit */
	assert_int_equal(nr, SBB_NBUCKETS - 2 - 4 - 2 * 14 - 1);
	for (unsigned int round = 0; round < 3; round++) {
		for (i = 0; i < nr; i++) {
			struct bkey gone = { .type = KEY_TYPE_deleted,
				.p = SPOS(INUM, (i + 1) * SBB_BUCKET_SECTORS, U32_MAX) };

			assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &gone), 0);
		}
		alloc_rig_check(&r);
		assert_int_equal(fill(BCH_DATA_user), nr);
	}
	alloc_rig_check(&r);
}

/* what is only cached makes room, the oldest first */
static void test_cached_makes_room(void **state)
{
	struct alloc_info info;
	unsigned int cached = 0;

	for (unsigned int i = 0; i < 300; i++)
		assert_int_equal(write_bucket((i + 1) * SBB_BUCKET_SECTORS, BCH_DATA_cached), 0);
	alloc_rig_check(&r);
	for (u64 b = 0; b < SBB_NBUCKETS; b++) {
		alloc_rig_bucket(&r, 0, b, &info);
		cached += info.data_type == BCH_DATA_cached;
		if (info.data_type == BCH_DATA_cached)
			assert_true(info.io_time[0] > 300 - 60);
	}
	assert_true(cached > 20);
}

static void test_nonblock(void **state)
{
	struct alloc_request req = user;
	struct alloc_space s;

	fill(BCH_DATA_user);
	req.nonblock = true;
	assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s), -EAGAIN);
}

/* half-full buckets of other streams are used before the answer is no */
static void test_other_streams_buckets(void **state)
{
	struct alloc_space *s = calloc(SBB_NBUCKETS, SBB_BUCKET_SECTORS / 8 * sizeof(*s));
	struct alloc_request req = user;
	unsigned int nr = 0;

	for (; req.stream < 32; req.stream++)
		assert_int_equal(bce_alloc_space_get(r.a, &req, 8, &s[nr++]), 0);
	while (!bce_alloc_space_get(r.a, &req, 8, &s[nr]))
		nr++;
	assert_int_equal(nr * 8 % SBB_BUCKET_SECTORS, 0);
	while (nr)
		bce_alloc_space_put(r.a, &s[--nr]);
	free(s);
}

/* ---- promises ---- */

static void test_promises(void **state)
{
	struct space_reservation res[1000], more;
	struct alloc_usage usage;
	unsigned int nr = 0;

	bce_alloc_usage(r.a, &usage);
	assert_true(usage.free_sectors > 0);
	assert_int_equal(usage.used_sectors, 0);
	while (!bce_space_reserve(r.a, &res[nr], 64, 2))
		assert_true(++nr < 1000);
	/* all of it but less than one more, metadata's share included */
	assert_in_range(nr * 130, usage.free_sectors - 2 * 130, usage.free_sectors);
	bce_space_unreserve(r.a, &res[--nr]);
	assert_int_equal(bce_space_reserve(r.a, &more, 64, 2), 0);
	bce_space_unreserve(r.a, &more);
	while (nr)
		bce_space_unreserve(r.a, &res[--nr]);
	bce_alloc_usage(r.a, &usage);
	assert_int_equal(usage.used_sectors, 0);
}

static void test_usage(void **state)
{
	struct alloc_dev_usage dev;
	struct alloc_usage usage;

	assert_int_equal(write_bucket(SBB_BUCKET_SECTORS, BCH_DATA_user), 0);
	bce_alloc_usage(r.a, &usage);
	assert_int_equal(usage.used_sectors, SBB_BUCKET_SECTORS);
	bce_alloc_dev_usage(r.a, 0, &dev);
	assert_int_equal(dev.buckets[BCH_DATA_user], 1);
	assert_int_equal(dev.sectors[BCH_DATA_user], SBB_BUCKET_SECTORS);
	assert_int_equal(dev.buckets[BCH_DATA_journal], 4);
	assert_int_equal(dev.buckets[BCH_DATA_sb], 2);
	assert_int_equal(dev.buckets[BCH_DATA_free], SBB_NBUCKETS - 7);
}

/* ---- copygc ---- */

static unsigned int nr_moved;

/* the data room's part, for a test with one extent in each bucket */
static int mover(void *ctx, unsigned int dev, u64 bucket)
{
	struct alloc_request req = user;
	struct alloc_space s;
	struct test_key key;
	struct bkey_buf buf;
	struct bpos pos = POS(dev, bucket * SBB_BUCKET_SECTORS << BACKPOINTER_OFFSET_SHIFT);
	struct backpointer_info bp;
	struct bkey k;

	assert_int_equal(bce_btree_lookup(r.mem.b, BTREE_ID_backpointers, pos, NULL, &k, &buf), 0);
	bce_backpointer_decode(&k, &bp);
	req.watermark = ALLOC_COPYGC;
	assert_int_equal(bce_alloc_space_get(r.a, &req, bp.bucket_len, &s), 0);
	if (s.sectors == bp.bucket_len) {
		key_init(&key, KEY_TYPE_extent, bp.pos, bp.bucket_len);
		key_add_space(&key, &s);
		assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &key.k), 0);
		nr_moved++;
	}
	bce_alloc_space_put(r.a, &s);
	return 0;
}

/* an eighth of an extent that fills a bucket stays */
static int cut(struct bce_trans *t, void *ctx)
{
	const unsigned int *i = ctx;
	struct bpos p = SPOS(INUM, *i * SBB_BUCKET_SECTORS, U32_MAX);
	struct test_key key;
	int ret;

	ret = bce_trans_lookup(t, BTREE_ID_extents, p, NULL, 0, &key.k);
	if (ret)
		return ret;
	memcpy(key.v, key.k.v, bkey_val_bytes(&key.k));
	key.k.v = key.v;
	bce_key_cut_back(&key.k, p.offset - SBB_BUCKET_SECTORS / 8 * 7);
	return bce_trans_delete(t, BTREE_ID_extents, p, 0) ?:
	       bce_trans_update(t, BTREE_ID_extents, &key.k, 0);
}

static void test_copygc(void **state)
{
	static const struct alloc_mover_ops ops = { .bucket = mover };
	unsigned int nr = fill(BCH_DATA_user);

	for (unsigned int i = 1; i <= nr; i++)
		assert_int_equal(bce_trans_run(r.mem.b, cut, &i, 0, NULL), 0);
	alloc_rig_check(&r);
	assert_int_equal(write_bucket(1000 * SBB_BUCKET_SECTORS, BCH_DATA_user), -ENOSPC);

	bce_allocator_set_mover(r.a, &ops, NULL);
	assert_int_equal(bce_allocator_start(r.a), 0);
	assert_int_equal(write_bucket(1000 * SBB_BUCKET_SECTORS, BCH_DATA_user), 0);
	bce_allocator_stop(r.a);
	assert_true(nr_moved > 8);
	alloc_rig_check(&r);
}

/* A bucket that only has to be discarded is no reason not to move what is in the others. */
static void test_copygc_for_promise(void **state)
{
	static const struct alloc_mover_ops ops = { .bucket = mover };
	unsigned int nr = fill(BCH_DATA_user);
	struct space_reservation res;
	struct bkey gone = { .type = KEY_TYPE_deleted,
			     .p = SPOS(INUM, nr * SBB_BUCKET_SECTORS, U32_MAX) };

	for (unsigned int i = 1; i < nr; i++)
		assert_int_equal(bce_trans_run(r.mem.b, cut, &i, 0, NULL), 0);
	assert_int_equal(alloc_rig_put(&r, BTREE_ID_extents, &gone), 0);
	alloc_rig_check(&r);

	nr_moved = 0;
	bce_allocator_set_mover(r.a, &ops, NULL);
	assert_int_equal(bce_allocator_start(r.a), 0);
	assert_int_equal(bce_space_reserve(r.a, &res, 3 * SBB_BUCKET_SECTORS, 1), 0);
	bce_space_unreserve(r.a, &res);
	bce_allocator_stop(r.a);
	assert_true(nr_moved > 2);
	alloc_rig_check(&r);
}

#define TEST(f)		cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_ONE(f)	cmocka_unit_test_setup_teardown(f, setup_one, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_consecutive),
		TEST(test_streams_apart),
		TEST(test_replicas),
		TEST(test_target),
		cmocka_unit_test_setup_teardown(test_durability_0, setup_cache, teardown),
		TEST(test_cached),
		TEST(test_policy),
		TEST(test_spread),
		TEST(test_nodes),
		TEST_ONE(test_reserve),
		TEST_ONE(test_fill_delete_fill),
		TEST_ONE(test_cached_makes_room),
		TEST_ONE(test_nonblock),
		TEST_ONE(test_other_streams_buckets),
		TEST(test_promises),
		TEST_ONE(test_usage),
		TEST_ONE(test_copygc),
		TEST_ONE(test_copygc_for_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
