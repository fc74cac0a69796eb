// SPDX-License-Identifier: GPL-2.0
/*
 * Pointer lists taken apart and put together (docs/format/70-extents.md): the worked examples of
 * section 2 come out bit for bit; random lists survive a round trip and stay legal; merging (5.4) undoes
 * cutting, joins what was written in a row, and refuses what must not be joined, the cached bit
 * included (72); the rebalance entry (section 9).
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/extent_edit.h"
#include "engine/key/validate.h"
#include "random.h"

#define BUCKET	1024

static struct key_rules_dev devs[64];
static const struct key_rules rules = {
	.dev = devs,
	.block_sectors = 8,
	.encoded_extent_max_sectors = 128,
	.encrypted = true,
};

static struct bkey key(u32 size)
{
	return (struct bkey) { .p = SPOS(4096, 1 << 20, U32_MAX), .size = size,
			       .type = KEY_TYPE_extent };
}

static struct extent_ptr_decoded ptr(unsigned int dev, u64 sector, u32 sectors, u8 csum_type)
{
	return (struct extent_ptr_decoded) {
		.ptr = { .dev = dev, .gen = 7, .sector = sector },
		.crc = { .compressed_size = sectors, .uncompressed_size = sectors,
			 .csum_type = csum_type },
	};
}

static void encode_one(const struct extent_ptr_decoded *p, u32 size, struct bkey *k,
		       struct extent_value *v)
{
	struct extent_ptrs ptrs = { .nr = 1, .p[0] = *p };

	*k = key(size);
	bce_extent_ptrs_encode(&ptrs, k, v);
}

/* 70, 2.1 and 2.2 */
static void worked_examples(void **state)
{
	struct extent_ptr_decoded p = ptr(2, 0x12345, 16, 0);
	struct extent_value v;
	struct bkey k;

	encode_one(&p, 16, &k, &v);
	assert_int_equal(k.val_u64s, 1);
	assert_int_equal(v.v[0], 0x0702000000123451);
	p.ptr.cached = true;
	encode_one(&p, 16, &k, &v);
	assert_int_equal(v.v[0], 0x0702000000123453);
	p.ptr.cached = false;
	p.ptr.unwritten = true;
	encode_one(&p, 16, &k, &v);
	assert_int_equal(v.v[0], 0x0702000000123459);

	p = ptr(2, 0x12345, 16, 5);
	p.crc = (struct extent_crc) { 8, 16, 3, 0, 5, 4, { 0xdeadbeef, 0 } };
	encode_one(&p, 8, &k, &v);
	assert_int_equal(k.val_u64s, 2);
	assert_int_equal(v.v[0], 0xdeadbeef45031e1e);

	p.crc = (struct extent_crc) { 16, 128, 8, 5, 6, 0, { 0x0123456789abcdef, 0 } };
	encode_one(&p, 8, &k, &v);
	assert_int_equal(k.val_u64s, 3);
	assert_int_equal(v.v[0], 0x000006014107f07c);
	assert_int_equal(v.v[1], 0x0123456789abcdef);

	p.crc = (struct extent_crc) { 128, 128, 0, 0, 3, 0, { 0x0123456789abcdef, 0xbeef } };
	encode_one(&p, 128, &k, &v);
	assert_int_equal(v.v[0], 0xbeef03000007f3fc);

	p.crc = (struct extent_crc) { 100, 256, 10, 4, 4, 3, { 11, 22 } };
	encode_one(&p, 8, &k, &v);
	assert_int_equal(k.val_u64s, 4);
	assert_int_equal(v.v[0], 0x3400200281fe0638);
	assert_int_equal(v.v[1], 11);
	assert_int_equal(v.v[2], 22);
}

static void rebalance_and_stripe_examples(void **state)
{
	struct extent_ptrs ptrs = { .nr = 1, .has_rebalance = true };
	struct extent_value v;
	struct bkey k = key(16);

	ptrs.p[0] = ptr(2, 0x12345, 16, 0);
	ptrs.p[0].has_stripe = true;
	ptrs.p[0].stripe = (struct extent_stripe_ref) { .block = 3, .redundancy = 2, .idx = 0x1234 };
	ptrs.rebalance = (struct extent_rebalance) { .target = 0x104, .compression = 0x33 };
	bce_extent_ptrs_encode(&ptrs, &k, &v);
	assert_int_equal(k.val_u64s, 3);
	assert_int_equal(v.v[0], 0x0000000024684070);
	assert_int_equal(v.v[1], 0x0702000000123451);
	assert_int_equal(v.v[2], 0x0104330000000020);
}

/* ---- any list ---- */

static void random_crc(struct extent_crc *c, u32 size)
{
	static const u8 csums[] = { 0, 5, 6, 7, 5 };

	*c = (struct extent_crc) { .compressed_size = size, .uncompressed_size = size };
	if (rnd() % 3 == 0)
		return;
	c->csum_type = csums[rnd() % 5];
	c->csum.lo = bce_csum_bytes(c->csum_type) == 8 ? rnd() : c->csum_type ? (u32)rnd() : 0;
	c->offset = rnd() % 3 * 8;
	c->uncompressed_size += c->offset + rnd() % 3 * 8;
	c->compressed_size = c->uncompressed_size;
	if (rnd() % 3 == 0) {
		c->compression_type = 2 + rnd() % 3;
		c->compressed_size = 8;
	}
}

static void random_ptrs(struct extent_ptrs *ptrs, u32 size)
{
	memset(ptrs, 0, sizeof(*ptrs));
	ptrs->nr = 1 + rnd() % 8;
	for (unsigned int i = 0; i < ptrs->nr; i++) {
		ptrs->p[i] = ptr(i, rnd() % 5000 * BUCKET, size, 0);
		ptrs->p[i].ptr.gen = rnd();
		if (i && rnd() % 2)
			ptrs->p[i].crc = ptrs->p[rnd() % i].crc;
		else
			random_crc(&ptrs->p[i].crc, size);
		ptrs->p[i].ptr.cached = rnd() % 4 == 0;
		if (!ptrs->p[i].ptr.cached && rnd() % 5 == 0) {
			ptrs->p[i].has_stripe = true;
			ptrs->p[i].stripe.idx = rnd() % 100000;
		}
	}
	ptrs->has_rebalance = rnd() % 2;
	if (ptrs->has_rebalance)
		ptrs->rebalance.target = rnd();
	ptrs->refcount = rnd();
}

static const struct extent_ptr_decoded *find_dev(const struct extent_ptrs *ptrs, unsigned int dev)
{
	for (unsigned int i = 0; i < ptrs->nr; i++)
		if (ptrs->p[i].ptr.dev == dev)
			return &ptrs->p[i];
	return NULL;
}

static void assert_same(const struct extent_ptr_decoded *a, const struct extent_ptr_decoded *b)
{
	assert_non_null(b);
	assert_int_equal(a->ptr.sector, b->ptr.sector);
	assert_int_equal(a->ptr.gen, b->ptr.gen);
	assert_int_equal(a->ptr.cached, b->ptr.cached);
	assert_int_equal(a->has_stripe, b->has_stripe);
	assert_int_equal(a->stripe.idx, b->stripe.idx);
	assert_true(bce_extent_crc_equal(&a->crc, &b->crc));
}

static void round_trips(void **state)
{
	for (int n = 0; n < 20000; n++) {
		u32 size = 8 * (1 + rnd() % 10);
		struct extent_ptrs in, out;
		struct extent_value v;
		struct bkey k = key(size);
		struct text_buf err = TEXT_BUF_INIT;

		k.type = n % 2 ? KEY_TYPE_reflink_v : KEY_TYPE_extent;
		if (k.type == KEY_TYPE_reflink_v)
			k.p = POS(0, 5000);
		random_ptrs(&in, size);
		bce_extent_ptrs_encode(&in, &k, &v);
		if (bce_key_validate(&k, n % 2 ? BTREE_ID_reflink : BTREE_ID_extents, 0, &rules,
				     KEY_TO_WRITE, &err))
			fail_msg("%s", bce_text_str(&err));
		bce_text_exit(&err);
		assert_int_equal(bce_extent_ptrs_decode(&k, &out), 0);
		assert_int_equal(in.nr, out.nr);
		assert_int_equal(in.has_rebalance, out.has_rebalance);
		if (n % 2)
			assert_int_equal(in.refcount, out.refcount);
		for (unsigned int i = 0; i < in.nr; i++)
			assert_same(&in.p[i], find_dev(&out, in.p[i].ptr.dev));

		bce_extent_ptrs_drop(&out, rnd() % out.nr);
		if (!out.nr)
			continue;
		bce_extent_ptrs_encode(&out, &k, &v);
		assert_int_equal(bce_key_validate(&k, n % 2 ? BTREE_ID_reflink : BTREE_ID_extents, 0,
						  &rules, KEY_TO_WRITE, NULL), 0);
	}
}

/* ---- merging ---- */

struct pair {
	struct extent_ptrs	l, r;
	struct bkey		lk, rk;
	struct extent_value	lv, rv;
};

/* two extents of 16 sectors written one behind the other, each with its own checksum */
static void pair_init(struct pair *p, u8 csum_type, const u8 *data)
{
	memset(p, 0, sizeof(*p));
	p->l.nr = p->r.nr = 1;
	p->l.p[0] = ptr(1, 4096, 16, csum_type);
	p->r.p[0] = ptr(1, 4112, 16, csum_type);
	bce_csum(csum_type, NULL, (struct bce_nonce) { }, data, 16 * 512, &p->l.p[0].crc.csum);
	bce_csum(csum_type, NULL, (struct bce_nonce) { }, data + 16 * 512, 16 * 512,
		 &p->r.p[0].crc.csum);
}

static bool pair_merge(struct pair *p, struct bkey *out, struct extent_value *v)
{
	p->lk = p->rk = key(16);
	p->lk.p.offset -= 16;
	bce_extent_ptrs_encode(&p->l, &p->lk, &p->lv);
	bce_extent_ptrs_encode(&p->r, &p->rk, &p->rv);
	return bce_extent_merge(&p->lk, &p->rk, &rules, out, v);
}

static void written_in_a_row(void **state)
{
	static const u8 csums[] = { 0, 5, 6 };
	u8 data[32 * 512];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = rnd();
	for (int i = 0; i < 3; i++) {
		struct extent_value v;
		struct extent_ptrs ptrs;
		struct bce_csum want;
		struct bkey out;
		struct pair p;

		pair_init(&p, csums[i], data);
		assert_true(pair_merge(&p, &out, &v));
		assert_int_equal(out.size, 32);
		assert_int_equal(out.p.offset, 1 << 20);
		assert_int_equal(bce_extent_ptrs_decode(&out, &ptrs), 0);
		assert_int_equal(ptrs.nr, 1);
		assert_int_equal(ptrs.p[0].ptr.sector, 4096);
		assert_int_equal(ptrs.p[0].crc.compressed_size, 32);
		bce_csum(csums[i], NULL, (struct bce_nonce) { }, data, sizeof(data), &want);
		assert_true(bce_csum_equal(ptrs.p[0].crc.csum, want));
	}
}

static void what_does_not_merge(void **state)
{
	u8 data[32 * 512] = { };
	struct extent_value v;
	struct bkey out;
	struct pair p;

#define REFUSED(csum, change)				\
	do {						\
		pair_init(&p, csum, data);		\
		change;					\
		assert_false(pair_merge(&p, &out, &v));	\
	} while (0)

	REFUSED(7, );					/* xxhash cannot be continued */
	REFUSED(5, p.r.p[0].ptr.cached = true);
	REFUSED(5, p.l.p[0].ptr.cached = true);
	REFUSED(5, p.r.p[0].ptr.gen++);
	REFUSED(5, p.r.p[0].ptr.dev++);
	REFUSED(5, p.r.p[0].ptr.sector += 8);
	REFUSED(5, p.r.p[0].crc.csum_type = 6);
	REFUSED(5, p.r.p[0].crc.nonce = 1);
	REFUSED(5, p.r.has_rebalance = true);
	REFUSED(0, p.r.p[0].ptr.unwritten = true);
	REFUSED(0, (p.l.p[0].ptr.sector = 5 * BUCKET - 16, p.r.p[0].ptr.sector = 5 * BUCKET));
	REFUSED(0, (p.r.p[1] = ptr(2, 0, 16, 0), p.r.nr = 2));
	REFUSED(0, (p.l.p[0].crc.compression_type = p.r.p[0].crc.compression_type =
		    BCH_COMPRESSION_TYPE_lz4));
}

/* two compressed extents whose numbers fit by chance: 4096 + 0 + 16 = 4104 + 8 */
static void compressed_by_chance(void **state)
{
	struct extent_crc crc = { 8, 32, 0, 0, BCH_CSUM_crc32c, BCH_COMPRESSION_TYPE_lz4,
				  { 1234, 0 } };
	u8 data[32 * 512] = { };
	struct extent_value v;
	struct bkey out;
	struct pair p;

	pair_init(&p, 0, data);
	p.l.p[0].crc = p.r.p[0].crc = crc;
	p.r.p[0].ptr.sector = 4104;
	p.r.p[0].crc.offset = 8;
	assert_false(pair_merge(&p, &out, &v));
	p.r.p[0].ptr.sector = 4096;
	p.r.p[0].crc.offset = 16;
	assert_true(pair_merge(&p, &out, &v));
	p.r.p[0].crc.csum.lo++;
	assert_false(pair_merge(&p, &out, &v));
}

/* cut in two at any place, and joined again: the same key, whatever the checksum */
static void cutting_undone(void **state)
{
	for (int n = 0; n < 5000; n++) {
		u32 size = 8 * (2 + rnd() % 10), at = 8 * (1 + rnd() % (size / 8 - 1));
		struct extent_value v, lv, rv, mv;
		struct bkey k = key(size), l, r, out;
		struct extent_ptrs ptrs;

		random_ptrs(&ptrs, size);
		ptrs.refcount = 0;
		bce_extent_ptrs_encode(&ptrs, &k, &v);
		lv = rv = v;
		l = r = k;
		l.v = &lv;
		r.v = &rv;
		bce_key_cut_back(&l, bkey_start_offset(&k) + at);
		bce_key_cut_front(&r, bkey_start_offset(&k) + at);
		assert_true(bce_extent_merge(&l, &r, &rules, &out, &mv));
		assert_int_equal(out.size, size);
		assert_int_equal(out.val_u64s, k.val_u64s);
		assert_memory_equal(mv.v, v.v, k.val_u64s * 8);
	}
}

static void reservations(void **state)
{
	u64 two = 2ULL << 32, one = 1ULL << 32;
	struct bkey l = key(8), r = key(8), out;
	struct extent_value v;

	l.type = r.type = KEY_TYPE_reservation;
	l.p.offset -= 8;
	l.val_u64s = r.val_u64s = 1;
	l.v = r.v = &two;
	assert_true(bce_extent_merge(&l, &r, &rules, &out, &v));
	assert_int_equal(out.size, 16);
	r.v = &one;
	assert_false(bce_extent_merge(&l, &r, &rules, &out, &v));
	r.v = &two;
	r.version.lo = 1;
	assert_false(bce_extent_merge(&l, &r, &rules, &out, &v));
	r.version.lo = 0;
	r.p.snapshot--;
	assert_false(bce_extent_merge(&l, &r, &rules, &out, &v));
}

/* ---- rebalance ---- */

static void rebalance_entry(void **state)
{
	struct extent_wanted lz4 = { .compression = BCH_COMPRESSION_OPT_lz4 | 3 << 4 };
	struct extent_wanted target = { .target = 3, .target_devs = 1 << 2 }, none = { };
	struct extent_ptrs p = { .nr = 2 };

	p.p[0] = ptr(1, 0, 16, 5);
	p.p[1] = ptr(2, 0, 16, 5);
	bce_extent_set_rebalance(&p, &none, false);
	assert_false(p.has_rebalance);
	bce_extent_set_rebalance(&p, &target, false);
	assert_true(p.has_rebalance);
	assert_int_equal(p.rebalance.target, 3);
	p.p[0].ptr.cached = true;
	assert_false(bce_extent_needs_work(&p, &target));
	bce_extent_set_rebalance(&p, &target, true);
	assert_true(p.has_rebalance);
	bce_extent_set_rebalance(&p, &target, false);
	assert_false(p.has_rebalance);
	target.target_devs = 0;
	p.p[0].ptr.cached = false;
	assert_false(bce_extent_needs_work(&p, &target));

	assert_true(bce_extent_needs_work(&p, &lz4));
	p.p[0].crc.compression_type = p.p[1].crc.compression_type = BCH_COMPRESSION_TYPE_lz4;
	assert_false(bce_extent_needs_work(&p, &lz4));
	p.p[0].crc.compression_type = BCH_COMPRESSION_TYPE_zstd;
	assert_true(bce_extent_needs_work(&p, &lz4));
	p.p[1].crc.compression_type = BCH_COMPRESSION_TYPE_incompressible;
	assert_false(bce_extent_needs_work(&p, &lz4));
}

static int setup(void **state)
{
	for (int i = 0; i < 64; i++)
		devs[i] = (struct key_rules_dev) { .exists = true, .durability = 1,
						   .bucket_sectors = BUCKET, .nbuckets = 1 << 20 };
	return rnd_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worked_examples),
		cmocka_unit_test(rebalance_and_stripe_examples),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(written_in_a_row),
		cmocka_unit_test(what_does_not_merge),
		cmocka_unit_test(compressed_by_chance),
		cmocka_unit_test(cutting_undone),
		cmocka_unit_test(reservations),
		cmocka_unit_test(rebalance_entry),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
