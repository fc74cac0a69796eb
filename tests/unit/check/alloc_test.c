// SPDX-License-Identifier: GPL-2.0
/*
 * The allocation pass (docs/format/75-allocation.md, section 7; 80-accounting.md, section 5) over a
 * small set that is right in every key, and over the same set with one thing wrong in it: exactly the
 * errors that the format names for it must be found, and nothing else.
 *
 * Three members of 64 buckets of 256 sectors; extents of one and two copies, compressed, cached,
 * indirect, in a stripe; a reservation; buckets in every state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kernel.h>

#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/accounting.h"
#include "engine/key/alloc.h"
#include "engine/sb/sb.h"
#include "../../lib/memory_set.h"
#include "../../lib/random.h"
#include "../../lib/sb_builder.h"

#define DEVS		3
#define BUCKETS		64
#define BUCKET_SECTORS	256
#define SNAP		0xffffffffU

struct fixture {
	struct memory_set	m;
	struct member_info	member[BCH_MEMBERS_MAX];
	struct sb_builder	sb;
	u8			replicas[64];
	size_t			replicas_bytes;
};

/* ---- values ---- */

struct bucket_state {
	u8	dev;
	u8	bucket;
	u8	type;
	u8	gen, oldest;
	u32	dirty, cached, striped, stripe;
	u64	read_time;
};

static const struct bucket_state states[] = {
	{ 0, 0, BCH_DATA_sb,		0, 0, 256 },
	{ 0, 1, BCH_DATA_journal,	0, 0, 256 },
	{ 0, 2, BCH_DATA_user,		3, 3, 104 },
	{ 0, 4, BCH_DATA_need_discard,	5, 5 },
	{ 0, 5, BCH_DATA_free,		40, 5 },
	{ 0, 6, BCH_DATA_stripe,	1, 1, 0, 0, 32, 1 },
	{ 1, 0, BCH_DATA_sb,		0, 0, 256 },
	{ 1, 2, BCH_DATA_user,		9, 9, 96 },
	{ 1, 3, BCH_DATA_cached,	1, 1, 0, 32, 0, 0, 77 },
	{ 1, 6, BCH_DATA_stripe,	0, 0, 0, 0, 0, 1 },
	{ 2, 0, BCH_DATA_sb,		0, 0, 256 },
	{ 2, 6, BCH_DATA_parity,	2, 2, 256, 0, 0, 1 },
};

static struct bch_alloc_v4 *alloc_at(struct fixture *f, unsigned int dev, u64 bucket)
{
	return (void *)memory_find(&f->m, BTREE_ID_alloc, POS(dev, bucket))->v;
}

static void put_alloc(struct fixture *f, const struct bucket_state *s)
{
	u32 flags = BITS_SET(0U, ALLOC_V4_BACKPOINTERS_START, ALLOC_V4_U64S);
	struct bch_alloc_v4 v = {
		.gen = s->gen,
		.oldest_gen = s->oldest,
		.data_type = s->type,
		.dirty_sectors = cpu_to_le32(s->dirty),
		.cached_sectors = cpu_to_le32(s->cached),
		.stripe_sectors = cpu_to_le32(s->striped),
		.stripe = cpu_to_le32(s->stripe),
		.stripe_redundancy = s->stripe ? 1 : 0,
		.io_time[0] = cpu_to_le64(s->read_time),
	};

	if (s->type != BCH_DATA_free)
		flags = BITS_SET(flags, ALLOC_NEED_DISCARD, 1);
	v.flags = cpu_to_le32(flags);
	memory_key(&f->m, BTREE_ID_alloc, KEY_TYPE_alloc_v4, POS(s->dev, s->bucket), 0, &v,
		   sizeof(v));
}

static void put_free(struct fixture *f, unsigned int dev, u64 genbits, u64 first, u32 nr)
{
	memory_key(&f->m, BTREE_ID_freespace, KEY_TYPE_set,
		   POS(dev, (genbits << 56 | first) + nr), nr, NULL, 0);
}

static void put_lru(struct fixture *f, u64 id, u64 time, u64 dev, u64 bucket)
{
	memory_key(&f->m, BTREE_ID_lru, KEY_TYPE_set, POS(id << 48 | time, dev << 48 | bucket), 0,
		   NULL, 0);
}

static struct bpos frag_lru(u64 sectors, u64 dev, u64 bucket)
{
	return POS(0xffffULL << 48 | (sectors << 31) / BUCKET_SECTORS, dev << 48 | bucket);
}

static __le64 ptr_word(unsigned int dev, unsigned int gen, u64 sector, bool cached)
{
	return cpu_to_le64(1 | (u64)cached << EXTENT_PTR_CACHED_LO |
			   sector << EXTENT_PTR_OFFSET_LO | (u64)dev << EXTENT_PTR_DEV_LO |
			   (u64)gen << EXTENT_PTR_GEN_LO);
}

static u64 in_bucket(unsigned int bucket, unsigned int offset)
{
	return bucket * BUCKET_SECTORS + offset;
}

static void put_extent(struct fixture *f, u64 inum, u64 end, u32 size, const __le64 *v,
		       unsigned int u64s)
{
	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_extent, SPOS(inum, end, SNAP), size, v,
		   u64s * 8);
}

static struct bpos backpointer_pos(unsigned int dev, unsigned int bucket, unsigned int offset)
{
	return POS(dev, in_bucket(bucket, offset) << BACKPOINTER_OFFSET_SHIFT);
}

static void put_backpointer(struct fixture *f, unsigned int dev, unsigned int bucket,
			    unsigned int offset, unsigned int btree_id, unsigned int data_type,
			    u32 len, struct bpos pos)
{
	struct bch_backpointer v = {
		.btree_id = btree_id,
		.data_type = data_type,
		.bucket_len = cpu_to_le32(len),
		.pos = {
			.snapshot = cpu_to_le32(pos.snapshot),
			.offset = cpu_to_le64(pos.offset),
			.inode = cpu_to_le64(pos.inode),
		},
	};
	u64 bucket_offset = (u64)offset << BACKPOINTER_OFFSET_SHIFT;

	for (unsigned int i = 0; i < 5; i++)
		v.bucket_offset[i] = bucket_offset >> (8 * i);
	memory_key(&f->m, BTREE_ID_backpointers, KEY_TYPE_backpointer,
		   backpointer_pos(dev, bucket, offset), 0, &v, sizeof(v));
}

static void put_counter(struct fixture *f, const struct accounting_pos *pos, unsigned int nr,
			s64 d0, s64 d1, s64 d2)
{
	__le64 d[] = { cpu_to_le64(d0), cpu_to_le64(d1), cpu_to_le64(d2) };

	memory_key(&f->m, BTREE_ID_accounting, KEY_TYPE_accounting,
		   bce_accounting_pos_encode(pos), 0, d, nr * 8);
}

static struct accounting_pos replicas_pos(unsigned int type, unsigned int required,
					  unsigned int nr, u8 d0, u8 d1, u8 d2)
{
	u8 devs[] = { d0, d1, d2 };
	struct accounting_pos pos = { .type = ACCOUNTING_replicas };

	pos.replicas.data_type = type;
	pos.replicas.nr_devs = nr;
	pos.replicas.nr_required = required;
	memcpy(pos.replicas.devs, devs, nr);
	return pos;
}

static void put_replicas(struct fixture *f, unsigned int type, unsigned int required,
			 unsigned int nr, u8 d0, u8 d1, u8 d2, u64 sectors)
{
	struct accounting_pos pos = replicas_pos(type, required, nr, d0, d1, d2);
	u8 *e = f->replicas + f->replicas_bytes;

	put_counter(f, &pos, 1, sectors, 0, 0);
	*e++ = type;
	*e++ = nr;
	*e++ = required;
	memcpy(e, pos.replicas.devs, nr);
	f->replicas_bytes += 3 + nr;
}

/* ---- the set ---- */

static void put_buckets(struct fixture *f)
{
	struct bch_bucket_gens gens[DEVS] = { };

	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
		put_alloc(f, &states[i]);
		gens[states[i].dev].gens[states[i].bucket] = states[i].gen;
	}
	for (unsigned int dev = 0; dev < DEVS; dev++)
		memory_key(&f->m, BTREE_ID_bucket_gens, KEY_TYPE_bucket_gens, POS(dev, 0), 0,
			   &gens[dev], sizeof(gens[dev]));
	put_free(f, 0, 0, 3, 1);
	put_free(f, 0, 2, 5, 1);
	put_free(f, 0, 0, 7, 57);
	put_free(f, 1, 0, 1, 1);
	put_free(f, 1, 0, 4, 2);
	put_free(f, 1, 0, 7, 57);
	put_free(f, 2, 0, 1, 5);
	put_free(f, 2, 0, 7, 57);
	memory_key(&f->m, BTREE_ID_need_discard, KEY_TYPE_set, POS(0, 4), 0, NULL, 0);
	put_lru(f, 1, 77, 1, 3);
	put_lru(f, 0xffff, (104ULL << 31) / BUCKET_SECTORS, 0, 2);
	put_lru(f, 0xffff, (96ULL << 31) / BUCKET_SECTORS, 1, 2);
	put_lru(f, 0xffff, (32ULL << 31) / BUCKET_SECTORS, 0, 6);
}

static void put_stripe(struct fixture *f, unsigned int block0_sectors)
{
	struct {
		struct bch_stripe	s;
		__le64			ptr[3];
		__le16			count[4];
	} v = {
		.s = { .sectors = cpu_to_le16(256), .nr_blocks = 3, .nr_redundant = 1,
		       .csum_granularity_bits = 10 },
		.ptr = { ptr_word(0, 1, in_bucket(6, 0), false),
			 ptr_word(1, 0, in_bucket(6, 0), false),
			 ptr_word(2, 2, in_bucket(6, 0), false) },
		.count = { cpu_to_le16(block0_sectors) },
	};

	memory_key(&f->m, BTREE_ID_stripes, KEY_TYPE_stripe, POS(0, 1), 0, &v, sizeof(v));
}

static __le64 stripe_word(u64 idx, unsigned int block)
{
	return cpu_to_le64(1 << EXTENT_ENTRY_TYPE_stripe_ptr |
			   (u64)block << EXTENT_STRIPE_PTR_BLOCK_LO |
			   1ULL << EXTENT_STRIPE_PTR_REDUNDANCY_LO |
			   idx << EXTENT_STRIPE_PTR_IDX_LO);
}

/* 8 sectors stored, 32 live, zstd */
static __le64 crc32_word(void)
{
	return cpu_to_le64(2 | 7ULL << EXTENT_CRC32_COMPRESSED_SIZE_LO |
			   31ULL << EXTENT_CRC32_UNCOMPRESSED_SIZE_LO |
			   (u64)BCH_CSUM_crc32c << EXTENT_CRC32_CSUM_TYPE_LO |
			   (u64)BCH_COMPRESSION_TYPE_zstd << EXTENT_CRC32_COMPRESSION_TYPE_LO);
}

static void put_reflink_v(struct fixture *f, u64 refs)
{
	__le64 v[] = { cpu_to_le64(refs), ptr_word(1, 9, in_bucket(2, 64), false) };

	memory_key(&f->m, BTREE_ID_reflink, KEY_TYPE_reflink_v, POS(0, 32), 32, v, sizeof(v));
}

static void put_files(struct fixture *f)
{
	__le64 two[] = { ptr_word(0, 3, in_bucket(2, 0), false),
			 ptr_word(1, 9, in_bucket(2, 0), false) };
	__le64 cached[] = { ptr_word(0, 3, in_bucket(2, 64), false),
			    ptr_word(1, 1, in_bucket(3, 0), true) };
	__le64 packed[] = { crc32_word(), ptr_word(0, 3, in_bucket(2, 96), false) };
	__le64 striped[] = { stripe_word(1, 0), ptr_word(0, 1, in_bucket(6, 0), false) };
	struct bch_reflink_p p = { .idx = cpu_to_le64(8), .front_pad = cpu_to_le32(8),
				   .back_pad = cpu_to_le32(8) };
	struct bch_reservation r = { .nr_replicas = 2 };
	struct bch_inode_v3 inode = { };

	put_extent(f, 5000, 64, 64, two, 2);
	put_extent(f, 5000, 96, 32, cached, 2);
	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_reflink_p, SPOS(5001, 16, SNAP), 16, &p,
		   sizeof(p));
	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_reservation, SPOS(5001, 32, SNAP), 16, &r,
		   sizeof(r));
	put_extent(f, 5001, 64, 32, packed, 2);
	put_extent(f, 5002, 32, 32, striped, 2);
	put_reflink_v(f, 1);
	put_stripe(f, 32);
	for (u64 inum = 5000; inum < 5003; inum++)
		memory_key(&f->m, BTREE_ID_inodes, KEY_TYPE_inode_v3, SPOS(0, inum, SNAP), 0,
			   &inode, sizeof(inode));

	put_backpointer(f, 0, 2, 0, 0, BCH_DATA_user, 64, SPOS(5000, 64, SNAP));
	put_backpointer(f, 1, 2, 0, 0, BCH_DATA_user, 64, SPOS(5000, 64, SNAP));
	put_backpointer(f, 0, 2, 64, 0, BCH_DATA_user, 32, SPOS(5000, 96, SNAP));
	put_backpointer(f, 0, 2, 96, 0, BCH_DATA_user, 8, SPOS(5001, 64, SNAP));
	put_backpointer(f, 0, 6, 0, 0, BCH_DATA_stripe, 32, SPOS(5002, 32, SNAP));
	put_backpointer(f, 1, 2, 64, BTREE_ID_reflink, BCH_DATA_user, 32, SPOS(0, 32, 0));
}

static void put_bucket_counter(struct fixture *f, unsigned int dev, unsigned int type, u64 buckets,
			       u64 sectors, u64 fragmented)
{
	struct accounting_pos pos = { .type = ACCOUNTING_dev_data_type };

	pos.dev_data_type.dev = dev;
	pos.dev_data_type.data_type = type;
	put_counter(f, &pos, 3, buckets, sectors, fragmented);
}

static struct accounting_pos simple_pos(unsigned int type, u64 field)
{
	struct accounting_pos pos = { .type = type };

	for (unsigned int i = 0; i < 8; i++)
		pos.bytes[i] = field >> (8 * i);
	return pos;
}

static void put_simple(struct fixture *f, unsigned int type, u64 field, unsigned int nr, s64 d0,
		       s64 d1, s64 d2)
{
	struct accounting_pos pos = simple_pos(type, field);

	put_counter(f, &pos, nr, d0, d1, d2);
}

static void put_counters(struct fixture *f)
{
	put_replicas(f, BCH_DATA_user, 1, 2, 0, 1, 0, 128);
	put_replicas(f, BCH_DATA_user, 1, 1, 0, 0, 0, 40);
	put_replicas(f, BCH_DATA_user, 1, 1, 1, 0, 0, 32);
	put_replicas(f, BCH_DATA_cached, 1, 1, 1, 0, 0, 32);
	put_replicas(f, BCH_DATA_user, 2, 3, 0, 1, 2, 32);
	put_replicas(f, BCH_DATA_parity, 2, 3, 0, 1, 2, 256);
	put_simple(f, ACCOUNTING_snapshot, SNAP, 1, 168, 0, 0);
	put_simple(f, ACCOUNTING_compression, BCH_COMPRESSION_TYPE_zstd, 3, 1, 32, 8);
	put_simple(f, ACCOUNTING_persistent_reserved, 2, 1, 16, 0, 0);
	put_simple(f, ACCOUNTING_nr_inodes, 0, 1, 3, 0, 0);
	put_simple(f, ACCOUNTING_inum, 5000, 3, 2, 96, 160);
	put_simple(f, ACCOUNTING_inum, 5001, 3, 1, 32, 8);
	put_simple(f, ACCOUNTING_inum, 5002, 3, 1, 32, 0);
	put_simple(f, ACCOUNTING_inum, 0, 3, 1, 32, 32);

	put_bucket_counter(f, 0, BCH_DATA_sb, 1, 256, 0);
	put_bucket_counter(f, 0, BCH_DATA_journal, 1, 256, 0);
	put_bucket_counter(f, 0, BCH_DATA_user, 1, 104, 152);
	put_bucket_counter(f, 0, BCH_DATA_need_discard, 1, 0, 0);
	put_bucket_counter(f, 0, BCH_DATA_stripe, 1, 32, 224);
	put_bucket_counter(f, 0, BCH_DATA_free, 59, 0, 0);
	put_bucket_counter(f, 1, BCH_DATA_sb, 1, 256, 0);
	put_bucket_counter(f, 1, BCH_DATA_user, 1, 96, 160);
	put_bucket_counter(f, 1, BCH_DATA_cached, 1, 32, 224);
	put_bucket_counter(f, 1, BCH_DATA_stripe, 1, 0, 0);
	put_bucket_counter(f, 1, BCH_DATA_free, 60, 0, 0);
	put_bucket_counter(f, 2, BCH_DATA_sb, 1, 256, 0);
	put_bucket_counter(f, 2, BCH_DATA_parity, 1, 256, 0);
	put_bucket_counter(f, 2, BCH_DATA_free, 62, 0, 0);
}

static void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	memory_init(&f->m);
	for (unsigned int i = 0; i < DEVS; i++)
		f->member[i] = (struct member_info) {
			.exists = true,
			.nbuckets = BUCKETS,
			.bucket_sectors = BUCKET_SECTORS,
			.durability = 1,
			.freespace_initialized = true,
		};
	put_buckets(f);
	put_files(f);
	put_counters(f);
}

static void fixture_check(struct fixture *f, struct check *c)
{
	void *section;

	sbb_init(&f->sb, DEVS, 0);
	section = sbb_add(&f->sb, BCH_SB_FIELD_replicas, f->replicas_bytes);
	memcpy((u8 *)section + sizeof(struct bch_sb_field), f->replicas, f->replicas_bytes);
	assert_int_equal(memory_start(&f->m, NULL), 0);
	*c = (struct check) {
		.btrees = f->m.btrees,
		.snapshots = f->m.snapshots,
		.log = f->m.log,
		.member = f->member,
		.sb = f->sb.sb,
		.replay = &f->m.replay,
		.node_sectors = 128,
		.block_sectors = 1,
	};
	assert_int_equal(bce_check_allocations(c), 0);
}

static void fixture_end(struct fixture *f)
{
	memory_exit(&f->m);
	sbb_exit(&f->sb);
}

static void nothing_wrong(void **state)
{
	struct fixture f;
	struct check c;

	fixture_begin(&f);
	fixture_check(&f, &c);
	assert_int_equal(bce_log_errors_total(f.m.log), 0);
	assert_int_equal(c.inum_mismatches, 0);
	fixture_end(&f);
}

/* ---- one thing wrong ---- */

static void dirty_sectors(struct fixture *f)
{
	alloc_at(f, 0, 2)->dirty_sectors = cpu_to_le32(105);
}

static void parity_sectors(struct fixture *f)
{
	alloc_at(f, 2, 6)->dirty_sectors = cpu_to_le32(255);
}

static void cached_sectors(struct fixture *f)
{
	alloc_at(f, 1, 3)->cached_sectors = cpu_to_le32(33);
}

static void striped_sectors(struct fixture *f)
{
	alloc_at(f, 1, 6)->stripe_sectors = cpu_to_le32(256);
}

static void stripe_of_bucket(struct fixture *f)
{
	alloc_at(f, 2, 6)->stripe = cpu_to_le32(2);
}

static void redundancy_of_bucket(struct fixture *f)
{
	alloc_at(f, 2, 6)->stripe_redundancy = 2;
}

static void type_of_bucket(struct fixture *f)
{
	alloc_at(f, 2, 6)->data_type = BCH_DATA_user;
}

static void no_alloc_key(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_alloc, POS(2, 6));
}

static void alloc_key_nowhere(struct fixture *f)
{
	put_alloc(f, &(struct bucket_state) { 0, 64, BCH_DATA_free });
}

static void alloc_key_no_member(struct fixture *f)
{
	put_alloc(f, &(struct bucket_state) { 7, 6, BCH_DATA_free });
}

static void set_gen(struct fixture *f, unsigned int dev, unsigned int bucket, u8 gen)
{
	struct bch_bucket_gens *g = (void *)memory_find(&f->m, BTREE_ID_bucket_gens,
							POS(dev, 0))->v;

	alloc_at(f, dev, bucket)->gen = gen;
	g->gens[bucket] = gen;
}

static void bucket_reused(struct fixture *f)
{
	set_gen(f, 1, 2, 10);
}

static void bucket_long_reused(struct fixture *f)
{
	set_gen(f, 1, 2, 9 + 97);
}

static void pointer_too_new(struct fixture *f)
{
	set_gen(f, 1, 2, 8);
}

static void cached_pointer_stale(struct fixture *f)
{
	set_gen(f, 1, 3, 2);
}

static void free_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_freespace, POS(0, (2ULL << 56 | 5) + 1));
}

static void free_hole(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_freespace, POS(2, 64));
}

static void free_too_much(struct fixture *f)
{
	put_free(f, 0, 0, 2, 1);
}

static void free_genbits(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_freespace, POS(0, (2ULL << 56 | 5) + 1));
	put_free(f, 0, 1, 5, 1);
}

static void free_nowhere(struct fixture *f)
{
	put_free(f, 0, 0, 64, 2);
}

static void free_no_member(struct fixture *f)
{
	put_free(f, 5, 0, 3, 2);
}

static void discard_missing(struct fixture *f)
{
	memory_clear(&f->m, BTREE_ID_need_discard);
}

static void discard_too_much(struct fixture *f)
{
	memory_key(&f->m, BTREE_ID_need_discard, KEY_TYPE_set, POS(1, 2), 0, NULL, 0);
}

static void discard_nowhere(struct fixture *f)
{
	memory_key(&f->m, BTREE_ID_need_discard, KEY_TYPE_set, POS(1, 200), 0, NULL, 0);
}

static struct bch_bucket_gens *gens_at(struct fixture *f, unsigned int dev)
{
	return (void *)memory_find(&f->m, BTREE_ID_bucket_gens, POS(dev, 0))->v;
}

static void gens_wrong(struct fixture *f)
{
	gens_at(f, 1)->gens[2] = 8;
}

static void gens_hole(struct fixture *f)
{
	gens_at(f, 1)->gens[1] = 8;
}

static void gens_beyond(struct fixture *f)
{
	gens_at(f, 1)->gens[64] = 8;
}

static void gens_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_bucket_gens, POS(2, 0));
}

static void put_gens(struct fixture *f, u64 dev, u64 offset)
{
	struct bch_bucket_gens g = { };

	memory_key(&f->m, BTREE_ID_bucket_gens, KEY_TYPE_bucket_gens, POS(dev, offset), 0, &g,
		   sizeof(g));
}

static void gens_no_member(struct fixture *f)
{
	put_gens(f, 3, 0);
}

static void gens_nowhere(struct fixture *f)
{
	put_gens(f, 2, 1);
}

static void lru_read_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_lru, POS(1ULL << 48 | 77, 1ULL << 48 | 3));
}

static void lru_fragmented_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_lru, frag_lru(96, 1, 2));
}

static void lru_too_much(struct fixture *f)
{
	put_lru(f, 1, 78, 1, 3);
}

static void lru_other_member(struct fixture *f)
{
	put_lru(f, 2, 77, 1, 3);
}

static void lru_nowhere(struct fixture *f)
{
	put_lru(f, 0xffff, 1, 1, 100);
}

static void lru_time_0(struct fixture *f)
{
	put_lru(f, 0xffff, 0, 0, 0);
}

static void never_read(struct fixture *f)
{
	alloc_at(f, 1, 3)->io_time[0] = 0;
	lru_read_missing(f);
}

static void backpointer_missing(struct fixture *f)
{
	memory_remove(&f->m, BTREE_ID_backpointers, backpointer_pos(0, 2, 64));
}

static void backpointer_too_much(struct fixture *f)
{
	put_backpointer(f, 0, 2, 40, 0, BCH_DATA_user, 8, SPOS(5000, 64, SNAP));
}

static void backpointer_wrong(struct fixture *f)
{
	put_backpointer(f, 0, 2, 64, 0, BCH_DATA_user, 32, SPOS(5000, 97, SNAP));
}

static void backpointer_no_member(struct fixture *f)
{
	put_backpointer(f, 9, 2, 64, 0, BCH_DATA_user, 32, SPOS(5000, 96, SNAP));
}

static void backpointer_no_alloc(struct fixture *f)
{
	put_backpointer(f, 0, 9, 64, 0, BCH_DATA_user, 32, SPOS(5000, 96, SNAP));
}

static void counter_off(struct fixture *f)
{
	put_simple(f, ACCOUNTING_nr_inodes, 0, 1, 4, 0, 0);
}

static void second_counter_off(struct fixture *f)
{
	put_bucket_counter(f, 0, BCH_DATA_user, 1, 104, 151);
}

static void counter_missing(struct fixture *f)
{
	struct accounting_pos pos = simple_pos(ACCOUNTING_snapshot, SNAP);

	memory_remove(&f->m, BTREE_ID_accounting, bce_accounting_pos_encode(&pos));
}

static void counter_too_much(struct fixture *f)
{
	put_simple(f, ACCOUNTING_rebalance_work, 0, 1, 8, 0, 0);
}

static void counter_zero_is_none(struct fixture *f)
{
	put_simple(f, ACCOUNTING_rebalance_work, 0, 1, 0, 0, 0);
}

static void counter_no_member(struct fixture *f)
{
	put_bucket_counter(f, 6, BCH_DATA_user, 1, 104, 151);
}

static void replicas_entry_missing(struct fixture *f)
{
	f->replicas[2] = 3;	/* of the first entry: required */
}

static void version_too_new(struct fixture *f)
{
	memory_find(&f->m, BTREE_ID_inodes, SPOS(0, 5000, SNAP))->k.version.lo = 1;
}

static void refcount_off(struct fixture *f)
{
	put_reflink_v(f, 2);
}

static void indirect_missing(struct fixture *f)
{
	struct bch_reflink_p p = { .idx = cpu_to_le64(24) };

	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_reflink_p, SPOS(5001, 16, SNAP), 16, &p,
		   sizeof(p));
}

static void stripe_count_off(struct fixture *f)
{
	put_stripe(f, 31);
}

static void put_striped(struct fixture *f, u64 idx, unsigned int block)
{
	__le64 v[] = { stripe_word(idx, block), ptr_word(0, 1, in_bucket(6, 0), false) };

	put_extent(f, 5002, 32, 32, v, 2);
}

static void stripe_missing(struct fixture *f)
{
	put_striped(f, 2, 0);
}

static void stripe_other_block(struct fixture *f)
{
	put_striped(f, 1, 1);
}

static void same_sectors_twice(struct fixture *f)
{
	__le64 v[] = { ptr_word(1, 9, in_bucket(2, 64), false) };

	put_extent(f, 5003, 32, 32, v, 1);
}

static void pointer_no_member(struct fixture *f)
{
	__le64 v[] = { ptr_word(8, 9, in_bucket(2, 64), false) };

	put_extent(f, 5003, 32, 32, v, 1);
}

static void pointer_nowhere(struct fixture *f)
{
	__le64 v[] = { ptr_word(0, 0, in_bucket(64, 0), false) };

	put_extent(f, 5003, 32, 32, v, 1);
}

static void data_in_journal(struct fixture *f)
{
	__le64 v[] = { ptr_word(0, 0, in_bucket(1, 0), false) };

	put_extent(f, 5003, 32, 32, v, 1);
}

/* an id that must be found, and those that follow from the same damage */
#define IDS_MAX		6
#define E(id)		(BCE_ERR_##id + 1)

static const struct damage {
	const char	*what;
	void		(*make)(struct fixture *f);
	unsigned int	id[IDS_MAX];	/* E(), in any order, 0: no more */
} damages[] = {
	{ "dirty sectors", dirty_sectors,
	  { E(alloc_key_dirty_sectors_wrong), E(lru_entry_bad),
	    E(alloc_key_to_missing_lru_entry) } },
	{ "parity sectors", parity_sectors, { E(alloc_key_dirty_sectors_wrong) } },
	{ "cached sectors", cached_sectors, { E(alloc_key_cached_sectors_wrong) } },
	{ "striped sectors", striped_sectors, { E(alloc_key_stripe_sectors_wrong) } },
	{ "stripe of a bucket", stripe_of_bucket, { E(alloc_key_stripe_wrong) } },
	{ "redundancy of a bucket", redundancy_of_bucket,
	  { E(alloc_key_stripe_redundancy_wrong) } },
	{ "type of a bucket", type_of_bucket, { E(alloc_key_data_type_wrong) } },
	{ "no alloc key", no_alloc_key,
	  { E(ptr_to_missing_alloc_key), E(freespace_hole_missing),
	    E(bucket_gens_hole_wrong) } },
	{ "alloc key of no bucket", alloc_key_nowhere, { E(alloc_key_to_missing_dev_bucket) } },
	{ "alloc key of no member", alloc_key_no_member,
	  { E(alloc_key_to_missing_dev_bucket) } },
	{ "a bucket reused", bucket_reused, { E(stale_dirty_ptr) } },
	{ "a bucket reused very often", bucket_long_reused, { E(ptr_too_stale) } },
	{ "a pointer from the future", pointer_too_new, { E(ptr_gen_newer_than_bucket_gen) } },
	{ "a stale cached pointer", cached_pointer_stale,
	  { E(alloc_key_data_type_wrong), E(alloc_key_cached_sectors_wrong),
	    E(accounting_mismatch) } },
	{ "a free bucket missing", free_missing, { E(freespace_key_wrong) } },
	{ "never used buckets missing", free_hole, { E(freespace_hole_missing) } },
	{ "a used bucket free", free_too_much, { E(need_discard_freespace_key_bad) } },
	{ "free with other generation bits", free_genbits,
	  { E(need_discard_freespace_key_bad), E(freespace_key_wrong) } },
	{ "free beyond the member", free_nowhere,
	  { E(need_discard_freespace_key_to_invalid_dev_bucket) } },
	{ "free of no member", free_no_member,
	  { E(need_discard_freespace_key_to_invalid_dev_bucket) } },
	{ "a discard missing", discard_missing, { E(need_discard_key_wrong) } },
	{ "a discard of data", discard_too_much, { E(need_discard_freespace_key_bad) } },
	{ "a discard beyond the member", discard_nowhere,
	  { E(need_discard_freespace_key_to_invalid_dev_bucket) } },
	{ "a generation wrong", gens_wrong, { E(bucket_gens_key_wrong) } },
	{ "a generation without key", gens_hole, { E(bucket_gens_hole_wrong) } },
	{ "a generation beyond", gens_beyond, { E(bucket_gens_nonzero_for_invalid_buckets) } },
	{ "generations missing", gens_missing, { E(bucket_gens_key_wrong) } },
	{ "generations of no member", gens_no_member, { E(bucket_gens_to_invalid_dev) } },
	{ "generations of no buckets", gens_nowhere, { E(bucket_gens_to_invalid_buckets) } },
	{ "read lru missing", lru_read_missing, { E(alloc_key_to_missing_lru_entry) } },
	{ "fragmentation lru missing", lru_fragmented_missing,
	  { E(alloc_key_to_missing_lru_entry) } },
	{ "lru too much", lru_too_much, { E(lru_entry_bad) } },
	{ "lru of another member", lru_other_member, { E(lru_entry_bad) } },
	{ "lru of no bucket", lru_nowhere, { E(lru_entry_to_invalid_bucket) } },
	{ "lru at time 0", lru_time_0, { E(lru_entry_at_time_0) } },
	{ "cached, never read", never_read, { E(alloc_key_cached_but_read_time_zero) } },
	{ "backpointer missing", backpointer_missing, { E(ptr_to_missing_backpointer) } },
	{ "backpointer too much", backpointer_too_much, { E(backpointer_to_missing_ptr) } },
	{ "backpointer wrong", backpointer_wrong,
	  { E(ptr_to_missing_backpointer), E(backpointer_to_missing_ptr) } },
	{ "backpointer of no member", backpointer_no_member,
	  { E(backpointer_to_missing_device) } },
	{ "backpointer without alloc key", backpointer_no_alloc,
	  { E(backpointer_to_missing_alloc) } },
	{ "a counter off by one", counter_off, { E(accounting_mismatch) } },
	{ "the last of three off by one", second_counter_off, { E(accounting_mismatch) } },
	{ "a counter missing", counter_missing, { E(accounting_mismatch) } },
	{ "a counter too much", counter_too_much, { E(accounting_mismatch) } },
	{ "a counter of zero", counter_zero_is_none, { } },
	{ "a counter of no member", counter_no_member,
	  { E(accounting_to_invalid_device), E(accounting_mismatch) } },
	{ "a replicas entry missing", replicas_entry_missing,
	  { E(accounting_replicas_not_marked), E(ptr_to_missing_replicas_entry) } },
	{ "a version too new", version_too_new, { E(bkey_version_in_future) } },
	{ "a reference count", refcount_off, { E(reflink_v_refcount_wrong) } },
	{ "an indirect extent missing", indirect_missing,
	  { E(reflink_p_to_missing_reflink_v) } },
	{ "sectors of a stripe", stripe_count_off, { E(stripe_sector_count_wrong) } },
	{ "no such stripe", stripe_missing,
	  { E(ptr_to_missing_stripe), E(stripe_sector_count_wrong), E(accounting_mismatch) } },
	{ "another block of the stripe", stripe_other_block,
	  { E(ptr_to_incorrect_stripe), E(stripe_sector_count_wrong) } },
	{ "two keys for the same sectors", same_sectors_twice,
	  { E(dup_backpointer_to_bad_csum_extent), E(alloc_key_dirty_sectors_wrong),
	    E(accounting_mismatch) } },
	{ "a pointer to no member", pointer_no_member,
	  { E(ptr_to_invalid_device), E(accounting_mismatch),
	    E(ptr_to_missing_replicas_entry) } },
	{ "a pointer to no bucket", pointer_nowhere,
	  { E(ptr_to_invalid_device), E(accounting_mismatch) } },
	{ "data in the journal", data_in_journal,
	  { E(ptr_bucket_data_type_mismatch), E(ptr_to_missing_backpointer),
	    E(alloc_key_dirty_sectors_wrong), E(accounting_mismatch) } },
};

static bool expected(const struct damage *d, unsigned int id)
{
	for (unsigned int i = 0; i < IDS_MAX; i++)
		if (d->id[i] == id + 1)
			return true;
	return false;
}

static void one_thing_wrong(void **state)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];
		struct fixture f;
		struct check c;

		fixture_begin(&f);
		d->make(&f);
		fixture_check(&f, &c);
		for (unsigned int id = 0; id < BCE_ERR_NR; id++) {
			u64 nr = bce_log_error_count(f.m.log, id);

			if (!nr == !expected(d, id))
				continue;
			print_error("%s: %s %s\n", d->what, bce_error_name(id),
				    nr ? "found" : "not found");
			failed++;
		}
		fixture_end(&f);
	}
	assert_int_equal(failed, 0);
}

/* counters of inodes are told, not found */
static void inode_counters(void **state)
{
	struct fixture f;
	struct check c;

	fixture_begin(&f);
	put_simple(&f, ACCOUNTING_inum, 5000, 3, 3, 96, 160);
	put_simple(&f, ACCOUNTING_inum, 5009, 3, 1, 8, 8);
	fixture_check(&f, &c);
	assert_int_equal(bce_log_errors_total(f.m.log), 0);
	assert_int_equal(c.inum_mismatches, 2);
	fixture_end(&f);
}

/* members whose indexes have not been made yet */
static void freespace_not_initialized(void **state)
{
	struct fixture f;
	struct check c;

	fixture_begin(&f);
	for (unsigned int i = 0; i < DEVS; i++)
		f.member[i].freespace_initialized = false;
	memory_clear(&f.m, BTREE_ID_freespace);
	memory_clear(&f.m, BTREE_ID_need_discard);
	memory_clear(&f.m, BTREE_ID_bucket_gens);
	fixture_check(&f, &c);
	assert_int_equal(bce_log_errors_total(f.m.log), 0);
	fixture_end(&f);
}

/* enough pointers for several sorted runs, in an order of places unlike that of keys */
static void many_backpointers(void **state)
{
	enum { NR = 9000, MISSING = 5, EXTRA = 3 };
	struct fixture f;
	struct check c;

	fixture_begin(&f);
	for (unsigned int id = 0; id < BTREE_ID_NR; id++)
		memory_clear(&f.m, id);
	for (unsigned int i = 0; i < BUCKETS; i++)
		put_alloc(&f, &(struct bucket_state) { 0, i, BCH_DATA_user });
	for (unsigned int i = 0; i < NR + EXTRA; i++) {
		u64 sector = i * 7919 % (BUCKETS * BUCKET_SECTORS);
		struct bpos p = SPOS(5000, i + 1, SNAP);
		__le64 v = ptr_word(0, 0, sector, false);

		if (i < NR)
			memory_append(&f.m, BTREE_ID_extents, KEY_TYPE_extent, p, 1, &v,
				      sizeof(v));
		if (i >= MISSING)
			put_backpointer(&f, 0, sector / BUCKET_SECTORS, sector % BUCKET_SECTORS,
					0, BCH_DATA_user, 1, p);
	}
	fixture_check(&f, &c);
	assert_int_equal(bce_log_error_count(f.m.log, BCE_ERR_ptr_to_missing_backpointer),
			 MISSING);
	assert_int_equal(bce_log_error_count(f.m.log, BCE_ERR_backpointer_to_missing_ptr), EXTRA);
	fixture_end(&f);
}

/* whatever stands in the keys: it ends, and the sanitizers have nothing to say */
static void anything_wrong(void **state)
{
	for (unsigned int i = 0; i < 300; i++) {
		struct fixture f;
		struct check c;

		fixture_begin(&f);
		for (unsigned int j = rnd() % 4 + 1; j; j--)
			memory_scramble(&f.m, rnd());
		fixture_check(&f, &c);
		fixture_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_wrong),
		cmocka_unit_test(one_thing_wrong),
		cmocka_unit_test(inode_counters),
		cmocka_unit_test(freespace_not_initialized),
		cmocka_unit_test(many_backpointers),
		cmocka_unit_test_setup(anything_wrong, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
