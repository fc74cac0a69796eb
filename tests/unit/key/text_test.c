// SPDX-License-Identifier: GPL-2.0
/*
 * Keys as text. Lines of the reference listings in tests/golden, from keys built by
 * the specification; forms that no reference has, so that a change of them is seen.
 * Whole listings are compared by tests/golden/listings.sh.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "test_key.h"

/* members 0..2 with buckets of 256 sectors; bucket 97 of member 0 was reused once */
static const struct key_rules_dev devs[BCH_MEMBERS_MAX] = {
	[0] = { .exists = true, .durability = 1, .bucket_sectors = 256, .nbuckets = 2048 },
	[1] = { .exists = true, .durability = 2, .bucket_sectors = 256, .nbuckets = 2048 },
	[2] = { .exists = true, .durability = 1, .bucket_sectors = 256, .nbuckets = 2048 },
};

static int bucket_gen(void *ctx, unsigned int dev, u64 bucket)
{
	if (dev == 2)
		return -1;
	return dev == 0 && bucket == 97;
}

static void target_text(void *ctx, struct text_buf *out, u16 target)
{
	bce_text_printf(out, "%s%u", (const char *)ctx, target);
}

static const struct key_rules rules = {
	.dev = devs, .btree_node_sectors = 256, .bucket_gen = bucket_gen,
	.target_text = target_text, .text_ctx = (void *)"target",
};

static void assert_key_text(struct bkey k, const struct key_rules *r, const char *want)
{
	struct text_buf out = TEXT_BUF_INIT;

	bce_key_text(&out, &k, r);
	assert_string_equal(bce_text_str(&out), want);
	bce_text_exit(&out);
	test_key_free(&k);
}

static struct bkey sized(struct bkey k, u32 size)
{
	k.size = size;
	return k;
}

static struct bkey versioned(struct bkey k, u64 lo, u32 hi)
{
	k.version.lo = lo;
	k.version.hi = hi;
	return k;
}

#define HEX(type, i, o, s, digits)	test_key_hex(KEY_TYPE_##type, SPOS(i, o, s), digits)

static void positions(void **state)
{
	static const struct {
		struct bpos p;
		const char *text;
	} cases[] = {
		{ { 0, 0, 0 }, "POS_MIN" },
		{ { U64_MAX, U64_MAX, 0 }, "POS_MAX" },
		{ { U64_MAX, U64_MAX, U32_MAX }, "SPOS_MAX" },
		{ { 4098, 16, U32_MAX }, "4098:16:U32_MAX" },
		{ { 0, 0, 1 }, "0:0:1" },
		{ { U64_MAX, 5, 0 }, "U64_MAX:5:0" },
		{ { 5, U64_MAX, 7 }, "5:U64_MAX:7" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text_buf out = TEXT_BUF_INIT;

		bce_pos_text(&out, cases[i].p);
		assert_string_equal(bce_text_str(&out), cases[i].text);
		bce_text_exit(&out);
	}
}

static void names_of_numbers(void **state)
{
	unsigned int id;

	assert_string_equal(bce_key_type_name(29), "inode_v3");
	assert_string_equal(bce_key_type_name(35), "unknown");
	assert_string_equal(bce_btree_name(18), "rebalance_work");
	assert_string_equal(bce_btree_name(21), "unknown");
	assert_string_equal(bce_data_type_name(8), "need_gc_gens");
	assert_string_equal(bce_data_type_name(200), "unknown");
	assert_string_equal(bce_csum_type_name(3), "chacha20_poly1305_80");
	assert_string_equal(bce_csum_type_name(8), "unknown");
	assert_string_equal(bce_compression_type_name(5), "incompressible");
	assert_string_equal(bce_compression_type_name(6), "unknown");
	for (id = 0; id < BTREE_ID_NR; id++)
		assert_int_equal(bce_btree_id_by_name(bce_btree_name(id)), id);
	assert_int_equal(bce_btree_id_by_name("unknown"), -EINVAL);
	assert_int_equal(bce_btree_id_by_name(""), -EINVAL);
}

static void keys_without_value(void **state)
{
	assert_key_text(HEX(whiteout, 1073741832, 128, 4294967290, ""), &rules,
			"u64s 5 type whiteout 1073741832:128:4294967290 len 0 ver 0");
	assert_key_text(sized(HEX(set, 0, 2040, 0, ""), 1963), &rules,
			"u64s 5 type set 0:2040:0 len 1963 ver 0");
	assert_key_text(HEX(btree_ptr, U64_MAX, U64_MAX, U32_MAX, ""), &rules,
			"u64s 5 type btree_ptr SPOS_MAX len 0 ver 0");
}

static void versions(void **state)
{
	assert_key_text(versioned(HEX(set, 0, 1, 0, ""), 7, 0), NULL,
			"u64s 5 type set 0:1:0 len 0 ver 7");
	assert_key_text(versioned(HEX(set, 0, 1, 0, ""), 7, 3), NULL,
			"u64s 5 type set 0:1:0 len 0 ver 3:7");
}

/* ptr words: dev 0, bucket 50, offset 128 = sector 0x3280 */
static void extents(void **state)
{
	assert_key_text(sized(HEX(extent, 4098, 16, U32_MAX, "3e1e0005949cb7f3 0128030000000000"), 16),
			&rules,
			"u64s 7 type extent 4098:16:U32_MAX len 16 ver 0: durability: 1 "
			"crc: c_size 16 size 16 offset 0 nonce 0 csum crc32c 0:f3b79c94  "
			"compress none ptr: 0:50:128 gen 0");
	/* plain; a stale pointer; a cached one on a member of unknown generations */
	assert_key_text(sized(HEX(extent, 4098, 16, U32_MAX, "0110060000000000 0310060000000200"), 16),
			&rules,
			"u64s 7 type extent 4098:16:U32_MAX len 16 ver 0: durability: 1 "
			"ptr: 0:97:0 gen 0 stale ptr: 2:97:0 gen 0 cached");
	/* the 80-bit entry of encrypted data; member 1 counts twice */
	assert_key_text(versioned(sized(HEX(extent, 4103, 8, U32_MAX,
			"3c7000000003 45cc 9f0ab0759e679fce 01e0030000000100"), 8), 1, 0),
			&rules,
			"u64s 8 type extent 4103:8:U32_MAX len 8 ver 1: durability: 2 "
			"crc: c_size 8 size 8 offset 0 nonce 0 csum chacha20_poly1305_80 "
			"cc45:ce9f679e75b00a9f  compress none ptr: 1:62:0 gen 0");
	/* rebalance: zstd level 3 wanted, target 0x104; then nothing wanted */
	assert_key_text(sized(HEX(extent, 1, 8, 1, "0110060000000001 2000000000330401"), 8), &rules,
			"u64s 7 type extent 1:8:1 len 8 ver 0: durability: 1 ptr: 0:97:0 gen 1 "
			"rebalance: target target260 compression zstd:3");
	assert_key_text(sized(HEX(extent, 1, 8, 1, "0110060000000001 2000000000000000"), 8), &rules,
			"u64s 7 type extent 1:8:1 len 8 ver 0: durability: 1 ptr: 0:97:0 gen 1 "
			"rebalance: target none compression none");
	/* striped, unwritten, on a member that is not there, and what is no entry */
	assert_key_text(sized(HEX(extent, 1, 8, 1, "7040682400000000 0910060000000001"
			"0100000000000900 4000000000000000"), 8), &rules,
			"u64s 9 type extent 1:8:1 len 8 ver 0: durability: 3 "
			"ec: idx 4660 block 3 redundancy 2 ptr: 0:97:0 gen 1 unwritten "
			"ptr: 9:sector 0 gen 0 (invalid entry)");
}

/* without a set: sectors, and nothing that only a set knows */
static void extents_without_rules(void **state)
{
	assert_key_text(sized(HEX(extent, 1, 8, 1, "0110060000000001 2000000000330401"), 8), NULL,
			"u64s 7 type extent 1:8:1 len 8 ver 0: ptr: 0:24832 gen 1 "
			"rebalance: target 260 compression zstd:3");
}

static void other_pointers(void **state)
{
	assert_key_text(HEX(btree_ptr_v2, U64_MAX, U64_MAX, U32_MAX,
			"0000000000000000 57d9c14e2e9d08 1c 5800 0000"
			"00000000 b611000000000000 0000000000000000 0140020000000000"), &rules,
			"u64s 11 type btree_ptr_v2 SPOS_MAX len 0 ver 0: seq 1c089d2e4ec1d957 "
			"written 88 min_key 0:4534:0 durability: 1 ptr: 0:36:0 gen 0");
	assert_key_text(HEX(btree_ptr_v2, 0, 9, 1,
			"0000000000000000 0500000000000000 0800 0100"
			"00000000 0000000000000000 0000000000000000 0140020000000000"), &rules,
			"u64s 11 type btree_ptr_v2 0:9:1 len 0 ver 0: seq 5 "
			"written 8 range_updated min_key POS_MIN durability: 1 ptr: 0:36:0 gen 0");
	assert_key_text(sized(HEX(reflink_v, 0, 344, 0, "0200000000000000 3e1e0005c07dfbc5"
			"0120030000000000"), 16), &rules,
			"u64s 8 type reflink_v 0:344:0 len 16 ver 0: refcount: 2 durability: 1 "
			"crc: c_size 16 size 16 offset 0 nonce 0 csum crc32c 0:c5fb7dc0  "
			"compress none ptr: 0:50:0 gen 0");
	assert_key_text(HEX(stripe, 0, 7, 0, "0001 00 03 01 07 00 02 0140020000000000 0150020000000100"
			"0160020000000200 0500 0600 0000 0000"), &rules,
			"u64s 10 type stripe 0:7:0 len 0 ver 0: algo 0 sectors 256 blocks 2:1 "
			"csum none gran 7 label 2 ptr: 0:36:0 gen 0#5 ptr: 1:37:0 gen 0#6 "
			"ptr: 2:38:0 gen 0#0");
}

static void data_without_pointers(void **state)
{
	assert_key_text(sized(HEX(inline_data, 4108, 8, U32_MAX, "6368616e6765640a"), 8), &rules,
			"u64s 6 type inline_data 4108:8:U32_MAX len 8 ver 0: "
			"value bytes 8: 6368616e6765640a");
	assert_key_text(sized(HEX(indirect_inline_data, 0, 352, 0,
			"0200000000000000 6368616e6765640a"), 8), &rules,
			"u64s 7 type indirect_inline_data 0:352:0 len 8 ver 0: "
			"refcount 2: value bytes 8: 6368616e6765640a");
	assert_key_text(sized(HEX(reservation, 4114, 192, U32_MAX, "00000000 01 000000"), 192), &rules,
			"u64s 6 type reservation 4114:192:U32_MAX len 192 ver 0: "
			"generation 0 replicas 1");
	assert_key_text(sized(HEX(reflink_p, 4103, 16, U32_MAX, "0000000000000000 00000000 70000000"),
			16), &rules,
			"u64s 7 type reflink_p 4103:16:U32_MAX len 16 ver 0: "
			"idx 0 front_pad 0 back_pad 112");
	assert_key_text(HEX(cookie, 4112, U64_MAX - 1, U32_MAX, "0100000000000000"), &rules,
			"u64s 6 type cookie 4112:18446744073709551614:U32_MAX len 0 ver 0: 1");
}

static void inodes(void **state)
{
	assert_key_text(HEX(inode_v3, 0, 4097, U32_MAX,
			"0100000000000000 0000000000000000 80023002 031a0800"
			"0800000000000000 0500000000000000 0000000000000000"
			"fe00 ff ffffffffffffffff 00 0000000000"), &rules,
			"u64s 14 type inode_v3 0:4097:U32_MAX len 0 ver 0: "
			"\n  mode=100640\n  flags=unlinked,has_child_snapshot(2300280)"
			"\n  journal_seq=1\n  bi_size=5\n  bi_sectors=8\n  bi_version=0"
			"\n  bi_atime=127\n  bi_ctime=18446744073709551615\n  bi_mtime=0"
			"\n  bi_otime=0\n  bi_uid=0\n  bi_gid=0\n  bi_nlink=0\n  bi_generation=0"
			"\n  bi_dev=0\n  bi_data_checksum=0\n  bi_compression=0\n  bi_project=0"
			"\n  bi_background_compression=0\n  bi_data_replicas=0"
			"\n  bi_promote_target=0\n  bi_foreground_target=0"
			"\n  bi_background_target=0\n  bi_erasure_code=0\n  bi_fields_set=0"
			"\n  bi_dir=0\n  bi_dir_offset=0\n  bi_subvol=0\n  bi_parent_subvol=0"
			"\n  bi_nocow=0");
	assert_key_text(HEX(inode_v3, 0, 4097, U32_MAX, "0000000000000000"), &rules,
			"u64s 6 type inode_v3 0:4097:U32_MAX len 0 ver 0: (value too short)");
	assert_key_text(HEX(inode_generation, 0, 4123, U32_MAX, "01000000 00000000"), &rules,
			"u64s 6 type inode_generation 0:4123:U32_MAX len 0 ver 0: generation: 1");
}

static void names(void **state)
{
	assert_key_text(HEX(dirent, 4096, 189095294192827480, U32_MAX,
			"1010000000000000 04 6c7a34 00000000"), &rules,
			"u64s 7 type dirent 4096:189095294192827480:U32_MAX len 0 ver 0: "
			"lz4 -> 4112 type dir");
	assert_key_text(HEX(dirent, 4096, 3, U32_MAX, "05000000 01000000 10 736e617032 0000"), &rules,
			"u64s 7 type dirent 4096:3:U32_MAX len 0 ver 0: "
			"snap2 -> 1 -> 5 type subvol");
	assert_key_text(HEX(dirent, 4096, 3, U32_MAX, "0500000000000000 03 61 000000000000"), &rules,
			"u64s 7 type dirent 4096:3:U32_MAX len 0 ver 0: a -> 5 type unknown");

	assert_key_text(HEX(xattr, 4373, 5, U32_MAX, "00040900 74657874 736f6d652074657874 000000"
			"00000000"), &rules,
			"u64s 8 type xattr 4373:5:U32_MAX len 0 ver 0: user.text:some text");
	assert_key_text(HEX(xattr, 4377, 5, U32_MAX, "03010700 74 74727573746564 00000000"), &rules,
			"u64s 7 type xattr 4377:5:U32_MAX len 0 ver 0: trusted.t:trusted");
	assert_key_text(HEX(xattr, 4377, 5, U32_MAX, "09010100 74 75 0000"), &rules,
			"u64s 6 type xattr 4377:5:U32_MAX len 0 ver 0: (type 9)t:u");
	assert_key_text(HEX(xattr, 4382, 5, U32_MAX, "01002c00 01000000 01000600 02000600 e8030000"
			"04000400 08000400 e9030000 10000700 20000400 00000000 00000000"), &rules,
			"u64s 11 type xattr 4382:5:U32_MAX len 0 ver 0: (type 1):\001 user_obj 6 "
			"user uid 1000 6 group_obj 4 group gid 1001 4 mask 7 other 4");
	/* a long entry without its id */
	assert_key_text(HEX(xattr, 4382, 5, U32_MAX, "02000800 01000000 02000600"), &rules,
			"u64s 7 type xattr 4382:5:U32_MAX len 0 ver 0: (type 2):\001");
}

static void subvolumes_and_the_like(void **state)
{
	assert_key_text(HEX(subvolume, 0, 5, 0, "02000000 f4ffffff 0000004000000000 03000000 01000000"
			"0000000000000000 0000000000000000"), &rules,
			"u64s 10 type subvolume 0:5:0 len 0 ver 0: root 1073741824 "
			"snapshot id 4294967284 creation_parent 3 fs_parent 1");
	assert_key_text(HEX(snapshot, 0, U32_MAX, 0, "02000000 00000000 00000000 00000000 01000000"
			"01000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000"
			"00000000"), &rules,
			"u64s 12 type snapshot 0:4294967295:0 len 0 ver 0: is_subvol 1 deleted 0 "
			"parent          0 children          0          0 subvol 1 tree 1 "
			"depth 0 skiplist 0 0 0");
	assert_key_text(HEX(snapshot_tree, 0, 1, 0, "01000000 ffffffff"), &rules,
			"u64s 6 type snapshot_tree 0:1:0 len 0 ver 0: "
			"subvol 1 root snapshot 4294967295");
	assert_key_text(HEX(logged_op_truncate, 0, 3, 0, "01000000 00000000 1b00004000000000"
			"3582000000000000"), &rules,
			"u64s 8 type logged_op_truncate 0:3:0 len 0 ver 0: "
			"subvol=1 inum=1073741851 new_i_size=33333");
	assert_key_text(HEX(logged_op_finsert, 0, 2, 0, "00000000 01000000 1700004000000000"
			"8001000000000000 0001000000000000 0000000000000000"), &rules,
			"u64s 10 type logged_op_finsert 0:2:0 len 0 ver 0: "
			"subvol=1 inum=1073741847 dst_offset=384 src_offset=256");
	assert_key_text(HEX(quota, 1, 1000, 0, "0a00000000000000 0b00000000000000 0c00000000000000"
			"0d00000000000000"), &rules,
			"u64s 9 type quota 1:1000:0 len 0 ver 0: space hardlimit 10 softlimit 11 "
			"inodes hardlimit 12 softlimit 13");
}

#define BUCKET_LINES(frag, start)							\
	"\n  need_discard      1\n  need_inc_gen      0\n  dirty_sectors     128"	\
	"\n  stripe_sectors    0\n  cached_sectors    0\n  stripe            0"	\
	"\n  stripe_redundancy 0\n  io_time[READ]     1\n  io_time[WRITE]    256"	\
	"\n  fragmentation     " frag "\n  bp_start          " start "\n"

static void allocation(void **state)
{
	static const char v4[] = "0100000000000000 21000000 03020400 80000000 00000000"
		"0100000000000000 0001000000000000 00000000 00000000 0000000000000000"
		"00000000 00000000";

	assert_key_text(HEX(alloc_v4, 0, 9, 0, v4), &rules,
			"u64s 13 type alloc_v4 0:9:0 len 0 ver 0: "
			"\n  gen 3 oldest_gen 2 data_type user\n  journal_seq       1"
			BUCKET_LINES("1073741824", "8"));
	/* a member of unknown geometry */
	assert_key_text(HEX(alloc_v4, 9, 9, 0, v4), &rules,
			"u64s 13 type alloc_v4 9:9:0 len 0 ver 0: "
			"\n  gen 3 oldest_gen 2 data_type user\n  journal_seq       1"
			BUCKET_LINES("0", "8"));
	assert_key_text(HEX(alloc_v3, 0, 9, 0, "0000000000000000 01000000 03 03 02 04 02 0104 0102"
			"000000"), &rules,
			"u64s 8 type alloc_v3 0:9:0 len 0 ver 0: "
			"\n  gen 3 oldest_gen 2 data_type user\n  journal_seq       0"
			BUCKET_LINES("1073741824", "8"));
	assert_key_text(HEX(alloc_v2, 0, 9, 0, "06 00 00 00 ff 00 00 00"), &rules,
			"u64s 6 type alloc_v2 0:9:0 len 0 ver 0: (packed fields end in the middle)");

	assert_key_text(HEX(backpointer, 0, 11804672, 0, "000004 0020000000 08000000 ffffffff"
			"0800000000000000 0510000000000000"), &rules,
			"u64s 9 type backpointer 0:11804672:0 len 0 ver 0: bucket=0:45:0 "
			"btree=extents l=0 offset=8:0 len=8 pos=4101:8:U32_MAX");
	assert_key_text(HEX(backpointer, 9, 11804677, 0, "210103 0520000000 00010000 ffffffff"
			"ffffffffffffffff ffffffffffffffff"), &rules,
			"u64s 9 type backpointer 9:11804677:0 len 0 ver 0: sector=9:11528 "
			"btree=unknown l=1 offset=8:5 len=256 pos=SPOS_MAX");
	assert_key_text(HEX(bucket_gens, 0, 0, 0, "00010200000000ff"), &rules,
			"u64s 6 type bucket_gens POS_MIN len 0 ver 0: 0 1 2 0 0 0 0 255");
	assert_key_text(HEX(lru, 0, 1, 0, "0500000000000000"), &rules,
			"u64s 6 type lru 0:1:0 len 0 ver 0: idx 5");
}

static void accounting(void **state)
{
	static const struct {
		u64 offset;
		u32 snapshot;
		const char *text;
	} cases[] = {
		{ 0, 0, "POS_MIN len 0 ver 5: nr_inodes  -1" },
		{ 0, 0x00000101, "0:0:257 len 0 ver 5: persistent_reserved replicas=1 -1" },
		{ 0x0301, 0x01020402, "0:769:16909314 len 0 ver 5: replicas user: 1/2 [1 3] -1" },
		{ 0, 0x00000003, "0:0:3 len 0 ver 5: dev_data_type dev=0 data_type=free -1" },
		{ 0, 0x00000504, "0:0:1284 len 0 ver 5: compression incompressible -1" },
		{ 0xff, 0xffffff05, "0:255:4294967045 len 0 ver 5: snapshot id=4294967295 -1" },
		{ 0, 0x00000d06, "0:0:3334 len 0 ver 5: btree btree=backpointers -1" },
		{ 0, 0x00000007, "0:0:7 len 0 ver 5: rebalance_work  -1" },
		{ 0, 0x00100008, "0:0:1048584 len 0 ver 5: inum  -1" },
		{ 0, 0x00000063, "0:0:99 len 0 ver 5: type=99  -1" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[200] = "u64s 6 type accounting ";

		strcat(want, cases[i].text);
		assert_key_text(versioned(HEX(accounting, 0, cases[i].offset, cases[i].snapshot,
					      "ffffffffffffffff"), 5, 0), &rules, want);
	}
	assert_key_text(versioned(HEX(accounting, 0, 0, 0x00040203, "0100000000000000"
			"0200000000000000 fdffffffffffffff"), 5, 0), &rules,
			"u64s 8 type accounting 0:0:262659 len 0 ver 5: "
			"dev_data_type dev=2 data_type=user 1 2 -3");
}

static void types_of_newer_versions(void **state)
{
	assert_key_text(test_key_hex(40, SPOS(1, 2, 3), "0102030405060708"), &rules,
			"u64s 6 type 40 1:2:3 len 0 ver 0: value bytes 8: 0102030405060708");
	assert_key_text(HEX(whiteout, 1, 2, 3, "0102030405060708"), &rules,
			"u64s 6 type whiteout 1:2:3 len 0 ver 0: value bytes 8: 0102030405060708");
}

/* every type at every length, in exact memory: the sanitizer is the judge */
static void any_value_has_a_text(void **state)
{
	struct text_buf out = TEXT_BUF_INIT;
	unsigned int type, u64s, round, i;

	srand(7);
	for (round = 0; round < 60; round++) {
		for (type = 0; type < 40; type++) {
			for (u64s = 0; u64s < 14; u64s++) {
				u8 v[14 * 8];
				struct bkey k;

				for (i = 0; i < sizeof(v); i++)
					v[i] = rand() & 1 ? rand() : round & 1 ? 0xff : 0;
				k = test_key(type, SPOS(rand() % 4, rand(), rand()), v, u64s * 8);
				bce_text_reset(&out);
				bce_key_text(&out, &k, round & 2 ? &rules : NULL);
				assert_true(out.len > 0);
				test_key_free(&k);
			}
		}
	}
	bce_text_exit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions),
		cmocka_unit_test(names_of_numbers),
		cmocka_unit_test(keys_without_value),
		cmocka_unit_test(versions),
		cmocka_unit_test(extents),
		cmocka_unit_test(extents_without_rules),
		cmocka_unit_test(other_pointers),
		cmocka_unit_test(data_without_pointers),
		cmocka_unit_test(inodes),
		cmocka_unit_test(names),
		cmocka_unit_test(subvolumes_and_the_like),
		cmocka_unit_test(allocation),
		cmocka_unit_test(accounting),
		cmocka_unit_test(types_of_newer_versions),
		cmocka_unit_test(any_value_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
