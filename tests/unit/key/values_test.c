// SPDX-License-Identifier: GPL-2.0
/*
 * Decoders of values: the worked examples of docs/format/60-filesystem-keys.md and
 * 75-allocation.md, values of older lengths, and garbage of any length.
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
#include "engine/key/values.h"
#include "random.h"
#include "test_key.h"

static struct bkey hex(unsigned int type, const char *digits)
{
	return test_key_hex(type, SPOS(4096, 5, U32_MAX), digits);
}

/* 60, section 10 */
static void dirent_examples(void **state)
{
	struct bkey k = hex(KEY_TYPE_dirent, "0210000000000000 08 68656c6c6f 0000");
	struct dirent_info d;

	bce_dirent_decode(&k, &d);
	assert_int_equal(d.inum, 4098);
	assert_int_equal(d.d_type, 8);
	assert_int_equal(d.name_len, 5);
	assert_memory_equal(d.name, "hello", 5);
	assert_int_equal(d.child_subvol, 0);
	test_key_free(&k);

	k = hex(KEY_TYPE_dirent, "02000000 01000000 10 736e6170 000000");
	bce_dirent_decode(&k, &d);
	assert_int_equal(d.child_subvol, 2);
	assert_int_equal(d.parent_subvol, 1);
	assert_int_equal(d.inum, 0);
	assert_int_equal(d.name_len, 4);
	assert_memory_equal(d.name, "snap", 4);
	test_key_free(&k);
}

/* all lengths of names: at 7, 15 ... there is no padding at all */
static void dirent_name_lengths(void **state)
{
	unsigned int len;

	for (len = 1; len <= 512; len++) {
		u8 v[9 + 512] = { 1, 0, 0, 0, 0, 0, 0, 0, 8 };
		struct dirent_info d;
		struct bkey k;

		memset(v + 9, 'n', len);
		k = test_key(KEY_TYPE_dirent, POS(4096, 9), v, 9 + len);
		bce_dirent_decode(&k, &d);
		assert_int_equal(d.name_len, len);
		test_key_free(&k);
	}
}

/* padding is looked for in the last word only: more of it belongs to the name */
static void dirent_with_a_word_too_many(void **state)
{
	struct bkey k = hex(KEY_TYPE_dirent, "0210000000000000 08 68656c6c6f 0000 0000000000000000");
	struct dirent_info d;

	bce_dirent_decode(&k, &d);
	assert_int_equal(d.name_len, 7);
	assert_memory_equal(d.name, "hello\0\0", 7);
	test_key_free(&k);
}

static void dirents_without_name(void **state)
{
	static const char *const values[] = {
		"", "0000000000000000", "0100000000000000 0800000000000000",
		"0100000000000000 0000000000000000",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct bkey k = hex(KEY_TYPE_dirent, values[i]);
		struct dirent_info d;

		bce_dirent_decode(&k, &d);
		assert_int_equal(d.name_len, 0);
		test_key_free(&k);
	}
}

/* 60, section 11 */
static void xattr_examples(void **state)
{
	struct bkey k = hex(KEY_TYPE_xattr, "00030300 666f6f 626172 000000000000");
	struct xattr_info x;

	bce_xattr_decode(&k, &x);
	assert_int_equal(x.type, 0);
	assert_int_equal(x.name_len, 3);
	assert_memory_equal(x.name, "foo", 3);
	assert_int_equal(x.val_len, 3);
	assert_memory_equal(x.val, "bar", 3);
	test_key_free(&k);

	k = hex(KEY_TYPE_xattr, "01001c00 01000000 01000600 02000400 e8030000 04000400"
		"10000400 20000000");
	bce_xattr_decode(&k, &x);
	assert_int_equal(x.type, 1);
	assert_int_equal(x.name_len, 0);
	assert_int_equal(x.val_len, 28);
	assert_int_equal(x.val[0], 1);
	test_key_free(&k);
}

/* lengths that the value does not hold are cut */
static void xattr_lengths_are_cut(void **state)
{
	struct bkey k = hex(KEY_TYPE_xattr, "00ffffff 66666666 66666666 66666666");
	struct xattr_info x;

	bce_xattr_decode(&k, &x);
	assert_int_equal(x.name_len, 12);
	assert_int_equal(x.val_len, 0);
	test_key_free(&k);

	k = hex(KEY_TYPE_xattr, "0002ffff 66667777 77777777 77777777");
	bce_xattr_decode(&k, &x);
	assert_int_equal(x.name_len, 2);
	assert_int_equal(x.val_len, 10);
	assert_int_equal(x.val[0], 0x77);
	test_key_free(&k);
}

static void xattr_prefixes(void **state)
{
	assert_string_equal(bce_xattr_prefix(0), "user.");
	assert_null(bce_xattr_prefix(1));
	assert_null(bce_xattr_prefix(2));
	assert_string_equal(bce_xattr_prefix(3), "trusted.");
	assert_string_equal(bce_xattr_prefix(4), "security.");
	assert_null(bce_xattr_prefix(5));
	assert_null(bce_xattr_prefix(255));
}

/* 60, sections 14, 15; and their older lengths */
static void subvolumes_and_snapshots(void **state)
{
	struct bkey k = hex(KEY_TYPE_subvolume,
		"03000000 fbffffff 0010000000000000 02000000 07000000"
		"d2ffffffffffffff 0000000000000000");
	struct subvolume_info sv;
	struct snapshot_info sn;
	struct snapshot_tree_info tree;

	bce_subvolume_decode(&k, &sv);
	assert_true(sv.ro);
	assert_true(sv.snap);
	assert_false(sv.unlinked);
	assert_int_equal(sv.snapshot, U32_MAX - 4);
	assert_int_equal(sv.inode, 4096);
	assert_int_equal(sv.creation_parent, 2);
	assert_int_equal(sv.fs_path_parent, 7);
	assert_int_equal(sv.otime, -46);
	k.val_u64s = 2;
	bce_subvolume_decode(&k, &sv);
	assert_int_equal(sv.inode, 4096);
	assert_int_equal(sv.fs_path_parent, 0);
	assert_int_equal(sv.otime, 0);
	test_key_free(&k);

	k = hex(KEY_TYPE_snapshot,
		"01000000 ffffffff fdffffff fcffffff 05000000 02000000 03000000"
		"0a000000 0b000000 0c000000 1000000000000000 0000000000000000");
	bce_snapshot_decode(&k, &sn);
	assert_true(sn.deleted);
	assert_false(sn.is_subvol);
	assert_int_equal(sn.parent, U32_MAX);
	assert_int_equal(sn.children[0], U32_MAX - 2);
	assert_int_equal(sn.children[1], U32_MAX - 3);
	assert_int_equal(sn.subvol, 5);
	assert_int_equal(sn.tree, 2);
	assert_int_equal(sn.depth, 3);
	assert_int_equal(sn.skip[2], 12);
	assert_int_equal(sn.btime, 16);
	k.val_u64s = 3;
	bce_snapshot_decode(&k, &sn);
	assert_int_equal(sn.tree, 2);
	assert_int_equal(sn.depth, 0);
	assert_int_equal(sn.skip[0], 0);
	test_key_free(&k);

	k = hex(KEY_TYPE_snapshot_tree, "01000000 ffffffff");
	bce_snapshot_tree_decode(&k, &tree);
	assert_int_equal(tree.master_subvol, 1);
	assert_int_equal(tree.root_snapshot, U32_MAX);
	test_key_free(&k);
}

static void quotas_and_logged_operations(void **state)
{
	struct bkey k = hex(KEY_TYPE_quota,
		"0a00000000000000 0b00000000000000 0c00000000000000 0d00000000000000");
	struct logged_op_truncate_info t;
	struct logged_op_finsert_info f;
	struct quota_limits q;

	bce_quota_decode(&k, &q);
	assert_int_equal(q.space_sectors.hard, 10);
	assert_int_equal(q.space_sectors.soft, 11);
	assert_int_equal(q.inodes.hard, 12);
	assert_int_equal(q.inodes.soft, 13);
	test_key_free(&k);

	k = hex(KEY_TYPE_logged_op_truncate, "02000000 00000000 0810000000000000 35820000 00000000");
	bce_logged_op_truncate_decode(&k, &t);
	assert_int_equal(t.subvol, 2);
	assert_int_equal(t.inum, 4104);
	assert_int_equal(t.new_size_bytes, 33333);
	test_key_free(&k);

	k = hex(KEY_TYPE_logged_op_finsert, "01000000 03000000 0910000000000000 8001000000000000"
		"0001000000000000 ffffffffffffffff");
	bce_logged_op_finsert_decode(&k, &f);
	assert_int_equal(f.state, 1);
	assert_int_equal(f.subvol, 3);
	assert_int_equal(f.inum, 4105);
	assert_int_equal(f.dst_sector, 384);
	assert_int_equal(f.src_sector, 256);
	assert_int_equal(f.pos_sector, U64_MAX);
	k.val_u64s = 3;
	bce_logged_op_finsert_decode(&k, &f);
	assert_int_equal(f.dst_sector, 384);
	assert_int_equal(f.src_sector, 0);
	test_key_free(&k);
}

static void small_ones(void **state)
{
	struct bkey k = hex(KEY_TYPE_reservation, "07000000 03 000000");
	struct reservation_info r;

	bce_reservation_decode(&k, &r);
	assert_int_equal(r.generation, 7);
	assert_int_equal(r.nr_replicas, 3);
	test_key_free(&k);

	k = hex(KEY_TYPE_inode_generation, "2a000000 00000000");
	assert_int_equal(bce_inode_generation_decode(&k), 42);
	test_key_free(&k);

	k = hex(KEY_TYPE_cookie, "0100000000000080");
	assert_int_equal(bce_cookie_decode(&k), 0x8000000000000001);
	test_key_free(&k);
}

/* 75, 5.6 */
static void backpointer_example(void **state)
{
	struct bkey k = hex(KEY_TYPE_backpointer,
		"000004 08a0000000 08000000 ffffffff 4800000000000000 0010000000000000");
	struct backpointer_info bp;

	bce_backpointer_decode(&k, &bp);
	assert_int_equal(bp.btree_id, BTREE_ID_extents);
	assert_int_equal(bp.level, 0);
	assert_int_equal(bp.data_type, BCH_DATA_user);
	assert_int_equal(bp.bucket_offset, 40 << 10 | 8);
	assert_int_equal(bp.bucket_len, 8);
	assert_int_equal(bpos_cmp(bp.pos, SPOS(4096, 0x48, U32_MAX)), 0);
	test_key_free(&k);

	/* all forty bits */
	k = hex(KEY_TYPE_backpointer,
		"000004 ffffffffff 08000000 ffffffff 4800000000000000 0010000000000000");
	bce_backpointer_decode(&k, &bp);
	assert_int_equal(bp.bucket_offset, (1ULL << 40) - 1);
	test_key_free(&k);
}

/* 75, 8.1: 4 data and 1 parity block of 1024 sectors, crc32c per 128 sectors */
static void stripe_example(void **state)
{
	struct stripe_info s = {
		.sectors = 1024, .nr_blocks = 5, .nr_redundant = 1, .csum_granularity_bits = 7,
		.csum_type = BCH_CSUM_crc32c,
	};
	u8 v[28 * 8] = { 0, 4, 0, 5, 1, 7, 5, 3 };
	struct extent_ptr ptr;
	struct bkey k;
	unsigned int i;

	assert_int_equal(bce_stripe_val_bytes(&s), 218);
	for (i = 0; i < 5; i++) {
		v[8 + 8 * i] = 1;
		v[8 + 8 * i + 6] = i + 10;	/* device */
		v[208 + 2 * i] = i + 20;	/* sectors */
		v[208 + 2 * i + 1] = 1;
	}
	k = test_key(KEY_TYPE_stripe, POS(0, 1), v, sizeof(v));
	bce_stripe_decode(&k, &s);
	assert_int_equal(s.sectors, 1024);
	assert_int_equal(s.nr_blocks, 5);
	assert_int_equal(s.nr_redundant, 1);
	assert_int_equal(s.disk_label, 3);
	for (i = 0; i < 5; i++) {
		assert_true(bce_stripe_ptr(&k, i, &ptr));
		assert_int_equal(ptr.dev, i + 10);
		assert_int_equal(bce_stripe_block_sectors(&k, i), 256 + 20 + i);
	}
	assert_int_equal(bce_stripe_block_sectors(&k, 5), 0);

	k.val_u64s = 27;
	assert_int_equal(bce_stripe_block_sectors(&k, 3), 256 + 23);
	assert_int_equal(bce_stripe_block_sectors(&k, 4), 0);
	k.val_u64s = 3;
	assert_true(bce_stripe_ptr(&k, 1, &ptr));
	assert_false(bce_stripe_ptr(&k, 2, &ptr));
	test_key_free(&k);
}

static void garbage(void **state)
{
	unsigned int round, i;

	for (round = 0; round < 20000; round++) {
		unsigned int n = rnd() % 12 * 8;
		union {
			struct reservation_info reservation;
			struct dirent_info dirent;
			struct xattr_info xattr;
			struct subvolume_info subvolume;
			struct snapshot_info snapshot;
			struct snapshot_tree_info tree;
			struct quota_limits quota;
			struct logged_op_truncate_info truncate;
			struct logged_op_finsert_info finsert;
			struct backpointer_info backpointer;
			struct stripe_info stripe;
			struct extent_ptr ptr;
		} out;
		u8 bytes[96];
		struct bkey k;

		for (i = 0; i < n; i++)
			bytes[i] = rnd() & 1 ? rnd() : 0;
		k = test_key(rnd() % 35, POS(0, 1), bytes, n);
		bce_reservation_decode(&k, &out.reservation);
		bce_inode_generation_decode(&k);
		bce_cookie_decode(&k);
		bce_dirent_decode(&k, &out.dirent);
		assert_in_range(out.dirent.name_len, 0, n);
		bce_xattr_decode(&k, &out.xattr);
		assert_in_range(out.xattr.name_len + out.xattr.val_len, 0, n);
		bce_subvolume_decode(&k, &out.subvolume);
		bce_snapshot_decode(&k, &out.snapshot);
		bce_snapshot_tree_decode(&k, &out.tree);
		bce_quota_decode(&k, &out.quota);
		bce_logged_op_truncate_decode(&k, &out.truncate);
		bce_logged_op_finsert_decode(&k, &out.finsert);
		bce_backpointer_decode(&k, &out.backpointer);
		bce_stripe_decode(&k, &out.stripe);
		bce_stripe_val_bytes(&out.stripe);
		for (i = 0; i < 260; i += 1 + i / 4) {
			bce_stripe_ptr(&k, i, &out.ptr);
			bce_stripe_block_sectors(&k, i);
		}
		test_key_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dirent_examples),
		cmocka_unit_test(dirent_name_lengths),
		cmocka_unit_test(dirent_with_a_word_too_many),
		cmocka_unit_test(dirents_without_name),
		cmocka_unit_test(xattr_examples),
		cmocka_unit_test(xattr_lengths_are_cut),
		cmocka_unit_test(xattr_prefixes),
		cmocka_unit_test(subvolumes_and_snapshots),
		cmocka_unit_test(quotas_and_logged_operations),
		cmocka_unit_test(small_ones),
		cmocka_unit_test(backpointer_example),
		cmocka_unit_test(stripe_example),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
