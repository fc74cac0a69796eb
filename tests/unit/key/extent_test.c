// SPDX-License-Identifier: GPL-2.0
/*
 * Pointer lists: the worked examples of docs/format/70-extents.md and 50-btree.md,
 * how entries apply to each other, cutting, and garbage of any length.
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
#include "engine/key/extent.h"
#include "random.h"
#include "test_key.h"

static const struct bpos somewhere = { .inode = 4096, .offset = 1000, .snapshot = U32_MAX };

static struct bkey words_key(unsigned int type, u32 size, const u64 *words, unsigned int nr)
{
	struct bkey k = test_key(type, somewhere, words, nr * 8);

	k.size = size;
	return k;
}

static struct extent_entry decode(const u64 *words, unsigned int nr)
{
	struct extent_entry e;

	assert_true(bce_extent_entry_decode((const __le64 *)words, nr, &e));
	assert_int_equal(e.u64s, nr);
	return e;
}

/* 70, 2.1 */
static void pointer_examples(void **state)
{
	struct extent_entry e = decode((u64[]) { 0x0702000000123451 }, 1);

	assert_int_equal(e.kind, EXTENT_ENTRY_PTR);
	assert_int_equal(e.ptr.dev, 2);
	assert_int_equal(e.ptr.gen, 7);
	assert_int_equal(e.ptr.sector, 0x12345);
	assert_false(e.ptr.cached);
	assert_false(e.ptr.unwritten);
	assert_true(decode((u64[]) { 0x0702000000123453 }, 1).ptr.cached);
	assert_true(decode((u64[]) { 0x0702000000123459 }, 1).ptr.unwritten);
}

static void assert_crc(const struct extent_crc *crc, u32 compressed, u32 uncompressed, u32 offset,
		       u32 nonce, u8 csum_type, u8 compression, u64 hi, u64 lo)
{
	assert_int_equal(crc->compressed_size, compressed);
	assert_int_equal(crc->uncompressed_size, uncompressed);
	assert_int_equal(crc->offset, offset);
	assert_int_equal(crc->nonce, nonce);
	assert_int_equal(crc->csum_type, csum_type);
	assert_int_equal(crc->compression_type, compression);
	assert_int_equal(crc->csum.hi, hi);
	assert_int_equal(crc->csum.lo, lo);
}

/* 70, 2.2 */
static void checksum_examples(void **state)
{
	struct extent_entry e = decode((u64[]) { 0xdeadbeef45031e1e }, 1);

	assert_int_equal(e.kind, EXTENT_ENTRY_CRC32);
	assert_crc(&e.crc, 8, 16, 3, 0, 5, 4, 0, 0xdeadbeef);

	e = decode((u64[]) { 0x000006014107f07c, 0x0123456789abcdef }, 2);
	assert_int_equal(e.kind, EXTENT_ENTRY_CRC64);
	assert_crc(&e.crc, 16, 128, 8, 5, 6, 0, 0, 0x0123456789abcdef);

	e = decode((u64[]) { 0xbeef03000007f3fc, 0x0123456789abcdef }, 2);
	assert_crc(&e.crc, 128, 128, 0, 0, 3, 0, 0xbeef, 0x0123456789abcdef);

	e = decode((u64[]) { 0x3400200281fe0638, 11, 22 }, 3);
	assert_int_equal(e.kind, EXTENT_ENTRY_CRC128);
	assert_crc(&e.crc, 100, 256, 10, 4, 4, 3, 22, 11);
}

/* 70, 2.3, 2.4 */
static void stripe_and_rebalance_examples(void **state)
{
	struct extent_entry e = decode((u64[]) { 0x0000000024684070 }, 1);

	assert_int_equal(e.kind, EXTENT_ENTRY_STRIPE);
	assert_int_equal(e.stripe.block, 3);
	assert_int_equal(e.stripe.redundancy, 2);
	assert_int_equal(e.stripe.idx, 0x1234);

	e = decode((u64[]) { 0x0104330000000020 }, 1);
	assert_int_equal(e.kind, EXTENT_ENTRY_REBALANCE);
	assert_int_equal(e.rebalance.compression, 0x33);
	assert_int_equal(e.rebalance.target, 0x104);
}

static void invalid_entries(void **state)
{
	struct extent_entry e;

	assert_false(bce_extent_entry_decode((__le64[]) { 0 }, 1, &e));
	assert_false(bce_extent_entry_decode((__le64[]) { 0x40 }, 1, &e));
	assert_false(bce_extent_entry_decode((__le64[]) { 1ULL << 63 }, 1, &e));
	assert_false(bce_extent_entry_decode((__le64[]) { 1 }, 0, &e));
	/* longer than the room */
	assert_false(bce_extent_entry_decode((__le64[]) { 4 }, 1, &e));
	assert_false(bce_extent_entry_decode((__le64[]) { 8, 0 }, 2, &e));
}

#define PTR(dev, sector)	(1 | (u64)(sector) << 4 | (u64)(dev) << 48)
#define CRC32_16_SECTORS	0xdeadbeef05001e3eULL	/* 16 of 16 sectors, crc32c */
#define STRIPE_REF		0x0000000024684070ULL

static void entries_apply_to_what_follows(void **state)
{
	const u64 words[] = {
		PTR(0, 100), CRC32_16_SECTORS, PTR(1, 200), STRIPE_REF, PTR(2, 300), PTR(3, 400),
		0x000006014107f07c, 5, PTR(4, 500), 0x20,
	};
	struct bkey k = words_key(KEY_TYPE_extent, 12, words, ARRAY_SIZE(words));
	static const struct {
		u8 dev, csum_type;
		u32 size;
		bool stripe;
	} want[] = {
		{ 0, 0, 12, false }, { 1, 5, 16, false }, { 2, 5, 16, true }, { 3, 5, 16, false },
		{ 4, 6, 128, false },
	};
	struct extent_ptr_decoded p;
	struct extent_walk w;
	unsigned int i;

	bce_extent_walk_init(&w, &k, 0);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(bce_extent_next_ptr(&w, &p));
		assert_int_equal(p.ptr.dev, want[i].dev);
		assert_int_equal(p.crc.csum_type, want[i].csum_type);
		assert_int_equal(p.crc.uncompressed_size, want[i].size);
		assert_int_equal(p.has_stripe, want[i].stripe);
		assert_int_equal(p.stripe.idx, want[i].stripe ? 0x1234 : 0);
		assert_int_equal(w.crc_implicit, i == 0);
	}
	assert_false(bce_extent_next_ptr(&w, &p));
	assert_false(w.bad);
	test_key_free(&k);
}

static void a_bad_entry_ends_the_list(void **state)
{
	const u64 words[] = { PTR(0, 100), 0, PTR(1, 200) };
	struct bkey k = words_key(KEY_TYPE_extent, 8, words, 3);
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_extent_walk_init(&w, &k, 0);
	assert_true(bce_extent_next_ptr(&w, &p));
	assert_false(bce_extent_next_ptr(&w, &p));
	assert_true(w.bad);
	assert_false(bce_extent_next_ptr(&w, &p));
	test_key_free(&k);
}

/* where the list starts, by type; values shorter than their head hold none */
static void streams_start_by_type(void **state)
{
	static const struct {
		unsigned int type, head_u64s;
		bool has;
	} cases[] = {
		{ KEY_TYPE_extent, 0, true }, { KEY_TYPE_btree_ptr, 0, true },
		{ KEY_TYPE_reflink_v, 1, true }, { KEY_TYPE_btree_ptr_v2, 5, true },
		{ KEY_TYPE_inline_data, 0, false }, { KEY_TYPE_stripe, 1, false },
		{ KEY_TYPE_reservation, 0, false },
	};
	const u64 words[] = { PTR(0, 0), PTR(1, 0), PTR(2, 0), PTR(3, 0), PTR(4, 0), PTR(5, 0) };
	unsigned int i, nr, seen;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (nr = 0; nr <= 6; nr++) {
			struct bkey k = words_key(cases[i].type, 8, words, nr);
			struct extent_ptr_decoded p;
			struct extent_walk w;

			bce_extent_walk_init(&w, &k, 256);
			for (seen = 0; bce_extent_next_ptr(&w, &p); seen++) {
				assert_int_equal(p.ptr.dev, cases[i].head_u64s + seen);
				assert_int_equal(p.crc.compressed_size,
						 bce_key_is_btree_ptr(cases[i].type) ? 256 : 8);
			}
			assert_int_equal(bce_key_has_ptrs(cases[i].type), cases[i].has);
			assert_int_equal(seen, cases[i].has && nr > cases[i].head_u64s ?
					 nr - cases[i].head_u64s : 0);
			test_key_free(&k);
		}
	}
}

/* 70, 6.1 */
static void nonce_example(void **state)
{
	struct extent_crc crc = {
		.compressed_size = 40, .uncompressed_size = 128,
		.compression_type = BCH_COMPRESSION_TYPE_gzip,
	};
	struct bversion version = { .lo = 2 };
	struct bce_nonce nonce = bce_extent_nonce(version, &crc);

	assert_int_equal(nonce.d[0], 0x20000000);
	assert_int_equal(nonce.d[1], 2);
	assert_int_equal(nonce.d[2], 0);
	assert_int_equal(nonce.d[3], 0x12000000);

	crc.nonce = 3;
	assert_int_equal(bce_extent_nonce(version, &crc).d[0], 0x20000000 + 3 * 8);

	/* neither size nor type of what is not really compressed */
	crc.compression_type = BCH_COMPRESSION_TYPE_incompressible;
	version.lo = 0x1122334455667788;
	version.hi = 0x99;
	nonce = bce_extent_nonce(version, &crc);
	assert_int_equal(nonce.d[0], 24);
	assert_int_equal(nonce.d[1], 0x55667788);
	assert_int_equal(nonce.d[2], 0x11223344);
	assert_int_equal(nonce.d[3], 0x10000099);
}

/* 70, 6.3 */
static void charged_sectors_example(void **state)
{
	struct extent_crc crc = {
		.compressed_size = 40, .uncompressed_size = 128,
		.compression_type = BCH_COMPRESSION_TYPE_lz4,
	};
	struct bkey k = { .type = KEY_TYPE_extent, .size = 50 };

	assert_int_equal(bce_extent_charged_sectors(&k, &crc, 256), 16);
	k.size = 78;
	assert_int_equal(bce_extent_charged_sectors(&k, &crc, 256), 25);
	crc.compression_type = BCH_COMPRESSION_TYPE_incompressible;
	assert_int_equal(bce_extent_charged_sectors(&k, &crc, 256), 78);
	k.type = KEY_TYPE_btree_ptr_v2;
	assert_int_equal(bce_extent_charged_sectors(&k, &crc, 256), 256);
}

/* 70, 3.1 */
static void generation_examples(void **state)
{
	assert_int_equal(gen_lag(3, 254), 5);
	assert_int_equal(gen_lag(254, 3), -5);
	assert_int_equal(gen_lag(7, 7), 0);
}

/* 50, 5.1 */
static void btree_ptr_v2_example(void **state)
{
	struct bkey k = test_key_hex(KEY_TYPE_btree_ptr_v2, SPOS_MAX,
		"0000000000000000 bdc7dbc5f19fa2ac 1800 0000"
		"00000000 0000000000000000 0000000000000000 0178040000000000");
	struct btree_ptr_info info;
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_btree_ptr_decode(&k, &info);
	assert_true(info.v2);
	assert_int_equal(info.seq, 0xaca29ff1c5dbc7bd);
	assert_int_equal(info.sectors_written, 24);
	assert_false(info.range_updated);
	assert_int_equal(bpos_cmp(info.min_key, POS_MIN), 0);

	bce_extent_walk_init(&w, &k, 512);
	assert_true(bce_extent_next_ptr(&w, &p));
	assert_int_equal(p.ptr.sector, 0x4780);
	assert_int_equal(p.crc.compressed_size, 512);
	assert_false(bce_extent_next_ptr(&w, &p));

	k.type = KEY_TYPE_btree_ptr;
	bce_btree_ptr_decode(&k, &info);
	assert_false(info.v2);
	assert_int_equal(info.seq, 0);
	test_key_free(&k);
}

/* 60, section 13, example 1 */
static void reflink_p_example(void **state)
{
	struct bkey k = test_key_hex(KEY_TYPE_reflink_p, somewhere,
				     "6000000000000000 10000000 08000000");
	struct reflink_p_info info;

	bce_reflink_p_decode(&k, &info);
	assert_int_equal(info.idx, 96);
	assert_int_equal(info.front_pad, 16);
	assert_int_equal(info.back_pad, 8);
	test_key_free(&k);
}

static void assert_range(const struct bkey *k, u64 start, u64 end)
{
	assert_int_equal(bkey_start_offset(k), start);
	assert_int_equal(k->p.offset, end);
}

static struct extent_ptr_decoded only_ptr(const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_extent_walk_init(&w, k, 0);
	assert_true(bce_extent_next_ptr(&w, &p));
	return p;
}

/* 70, 5.2: [0,16) compressed, [4,8) overwritten */
static void cutting_example(void **state)
{
	const u64 words[] = { 0xdeadbeef45001e1e, PTR(0, 0x1000) };
	struct bkey left = words_key(KEY_TYPE_extent, 16, words, 2);
	struct bkey right = words_key(KEY_TYPE_extent, 16, words, 2);

	left.p.offset = right.p.offset = 16;
	bce_key_cut_back(&left, 4);
	assert_range(&left, 0, 4);
	assert_int_equal(only_ptr(&left).crc.offset, 0);
	assert_int_equal(only_ptr(&left).ptr.sector, 0x1000);

	bce_key_cut_front(&right, 8);
	assert_range(&right, 8, 16);
	assert_int_equal(only_ptr(&right).crc.offset, 8);
	assert_int_equal(only_ptr(&right).crc.uncompressed_size, 16);
	assert_int_equal(only_ptr(&right).crc.csum.lo, 0xdeadbeef);
	assert_int_equal(only_ptr(&right).ptr.sector, 0x1000);
	test_key_free(&left);
	test_key_free(&right);
}

/* plain pointers move, those behind a checksum do not; all widths of checksum entries */
static void cutting_a_mixed_list(void **state)
{
	const u64 words[] = {
		7, PTR(0, 100), CRC32_16_SECTORS, PTR(1, 200), 0x000006014107f07c, 5, PTR(2, 300),
		0x3400200281fe0638, 11, 22, STRIPE_REF, PTR(3, 400), 0x0104330000000020,
	};
	static const u32 sectors[] = { 105, 200, 300, 400 }, offsets[] = { 0, 5, 13, 15 };
	struct bkey k = words_key(KEY_TYPE_reflink_v, 10, words, ARRAY_SIZE(words));
	struct extent_ptr_decoded p;
	struct extent_walk w;
	unsigned int i;

	bce_key_cut_front(&k, 995);
	assert_range(&k, 995, 1000);
	assert_int_equal(bce_reflink_refcount(&k), 7);
	bce_extent_walk_init(&w, &k, 0);
	for (i = 0; i < 4; i++) {
		assert_true(bce_extent_next_ptr(&w, &p));
		assert_int_equal(p.ptr.sector, sectors[i]);
		assert_int_equal(p.crc.offset, offsets[i]);
	}
	assert_int_equal(((u64 *)k.v)[12], words[12]);
	test_key_free(&k);
}

static void cutting_everything_deletes(void **state)
{
	const u64 word = PTR(0, 100);
	struct bkey k = words_key(KEY_TYPE_extent, 10, &word, 1);

	bce_key_cut_front(&k, 1000);
	assert_int_equal(k.type, KEY_TYPE_deleted);
	assert_int_equal(k.size, 0);
	assert_int_equal(k.val_u64s, 0);
	test_key_free(&k);

	k = words_key(KEY_TYPE_extent, 10, &word, 1);
	bce_key_cut_back(&k, 5);
	assert_int_equal(k.type, KEY_TYPE_deleted);
	assert_int_equal(k.p.offset, 990);
	test_key_free(&k);
}

static void cutting_outside_does_nothing(void **state)
{
	const u64 word = PTR(0, 100);
	struct bkey k = words_key(KEY_TYPE_extent, 10, &word, 1);

	bce_key_cut_front(&k, 990);
	bce_key_cut_front(&k, 17);
	bce_key_cut_back(&k, 1000);
	bce_key_cut_back(&k, 5000);
	assert_range(&k, 990, 1000);
	assert_int_equal(only_ptr(&k).ptr.sector, 100);
	test_key_free(&k);
}

static void cutting_reflink_p_and_reservation(void **state)
{
	struct bkey k = test_key_hex(KEY_TYPE_reflink_p, somewhere,
				     "6000000000000000 10000000 08000000");
	struct reflink_p_info info;

	k.size = 8;
	bce_key_cut_front(&k, 995);
	bce_reflink_p_decode(&k, &info);
	assert_int_equal(info.idx, 99);
	assert_int_equal(info.front_pad, 16);
	test_key_free(&k);

	k = test_key_hex(KEY_TYPE_reservation, somewhere, "0000000001000000");
	k.size = 8;
	bce_key_cut_front(&k, 995);
	assert_range(&k, 995, 1000);
	assert_int_equal(*(u64 *)k.v, 1ULL << 32);
	test_key_free(&k);
}

static struct bkey inline_key(unsigned int type, unsigned int bytes, u32 size)
{
	unsigned int head = type == KEY_TYPE_indirect_inline_data ? 8 : 0, i;
	u8 v[2000] = { 3 };
	struct bkey k;

	for (i = 0; i < bytes; i++)
		v[head + i] = i / 8;
	k = test_key(type, somewhere, v, head + bytes);
	k.size = size;
	return k;
}

static void cutting_inline_data(void **state)
{
	static const unsigned int types[] = { KEY_TYPE_inline_data, KEY_TYPE_indirect_inline_data };
	unsigned int i, bytes;
	const u8 *data;

	for (i = 0; i < 2; i++) {
		struct bkey k = inline_key(types[i], 1200, 4);

		bce_key_cut_front(&k, 997);
		data = bce_inline_data(&k, &bytes);
		assert_int_equal(bytes, 1200 - 512);
		assert_int_equal(data[0], 64);
		assert_int_equal(data[bytes - 1], 149);

		bce_key_cut_back(&k, 998);
		data = bce_inline_data(&k, &bytes);
		assert_int_equal(bytes, 512);
		assert_int_equal(data[511], 127);
		assert_int_equal(k.val_u64s, 64 + i);
		test_key_free(&k);

		/* the range goes on where the data has ended: zeros */
		k = inline_key(types[i], 1200, 8);
		bce_key_cut_front(&k, 997);
		assert_null(bce_inline_data(&k, &bytes));
		assert_int_equal(bytes, 0);
		assert_int_equal(k.type, types[i]);
		assert_int_equal(k.val_u64s, i);
		assert_int_equal(bce_reflink_refcount(&k), i ? 3 : 0);
		test_key_free(&k);
	}
}

/* anything at all, in exact memory: the sanitizer is the judge */
static void garbage_of_any_length(void **state)
{
	unsigned int round, i;

	for (round = 0; round < 20000; round++) {
		u64 words[24];
		unsigned int nr = rnd() % 24;
		struct btree_ptr_info ptr_info;
		struct reflink_p_info reflink_info;
		struct extent_ptr_decoded p;
		struct extent_walk w;
		unsigned int bytes;
		struct bkey k;

		for (i = 0; i < nr; i++)
			words[i] = rnd() << rnd() % 8;
		k = words_key(rnd() % 40, rnd() >> rnd() % 64, words, nr);
		if (rnd() & 1)
			k.p.offset = rnd() >> rnd() % 64;
		bce_extent_walk_init(&w, &k, 256);
		for (i = 0; bce_extent_next_ptr(&w, &p); i++) {
			bce_extent_charged_sectors(&k, &p.crc, 256);
			bce_extent_nonce(k.version, &p.crc);
		}
		assert_in_range(i, 0, nr);
		bce_btree_ptr_decode(&k, &ptr_info);
		bce_reflink_p_decode(&k, &reflink_info);
		bce_reflink_refcount(&k);
		bce_inline_data(&k, &bytes);
		assert_in_range(bytes, 0, nr * 8);
		bce_key_cut_front(&k, bkey_start_offset(&k) + rnd() % 10);
		bce_key_cut_back(&k, k.p.offset - rnd() % 10);
		assert_in_range(k.val_u64s, 0, nr);
		test_key_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointer_examples),
		cmocka_unit_test(checksum_examples),
		cmocka_unit_test(stripe_and_rebalance_examples),
		cmocka_unit_test(invalid_entries),
		cmocka_unit_test(entries_apply_to_what_follows),
		cmocka_unit_test(a_bad_entry_ends_the_list),
		cmocka_unit_test(streams_start_by_type),
		cmocka_unit_test(nonce_example),
		cmocka_unit_test(charged_sectors_example),
		cmocka_unit_test(generation_examples),
		cmocka_unit_test(btree_ptr_v2_example),
		cmocka_unit_test(reflink_p_example),
		cmocka_unit_test(cutting_example),
		cmocka_unit_test(cutting_a_mixed_list),
		cmocka_unit_test(cutting_everything_deletes),
		cmocka_unit_test(cutting_outside_does_nothing),
		cmocka_unit_test(cutting_reflink_p_and_reservation),
		cmocka_unit_test(cutting_inline_data),
		cmocka_unit_test(garbage_of_any_length),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
