// SPDX-License-Identifier: GPL-2.0
/*
 * Rules of keys: docs/format/55-key-types.md, sections 3, 4 and 4.1; 70-extents.md,
 * section 4; 75-allocation.md, 2.1; 80-accounting.md, section 1. One table: a key,
 * where it lies, and the error it must give. Legal keys stand beside illegal ones,
 * as near to the border as they can.
 */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/validate.h"
#include "test_key.h"

#define OK	-1

/* members 0, 1 and 2: 256 sectors a bucket, buckets 4..99; 3 is not there */
static const struct key_rules_dev devs[BCH_MEMBERS_MAX] = {
	[0] = { .exists = true, .durability = 1, .bucket_sectors = 256, .first_bucket = 4,
		.nbuckets = 100 },
	[1] = { .exists = true, .durability = 1, .bucket_sectors = 256, .first_bucket = 4,
		.nbuckets = 100 },
	[2] = { .exists = true, .durability = 1, .bucket_sectors = 256, .first_bucket = 4,
		.nbuckets = 100 },
};

static const struct key_rules plain_rules = {
	.dev = devs,
	.btree_node_sectors = 256,
	.block_sectors = 8,
	.encoded_extent_max_sectors = 128,
};

static const struct key_rules encrypted_rules = {
	.dev = devs,
	.btree_node_sectors = 256,
	.block_sectors = 8,
	.encoded_extent_max_sectors = 128,
	.encrypted = true,
};

struct test {
	unsigned int		btree;
	unsigned int		type;
	struct bpos		p;
	u32			size;
	const char		*hex;		/* the value, ... */
	u64			words[24];	/* ... or, when NULL: these */
	unsigned int		nr;
	int			want;
	enum key_rules_context	context;
	unsigned int		level;
	const struct key_rules	*rules;		/* default: plain_rules */
	struct bversion		version;
};

static void run(const struct test *t, unsigned int line)
{
	struct bkey k = t->hex ? test_key_hex(t->type, t->p, t->hex) :
		test_key(t->type, t->p, t->words, t->nr * 8);
	struct text_buf err = TEXT_BUF_INIT;
	int got;

	k.size = t->size;
	k.version = t->version;
	got = bce_key_validate(&k, t->btree, t->level, t->rules ?: &plain_rules, t->context, &err);
	if (got != t->want + 1)
		fail_msg("case %u: \"%s\" (%s), expected %s", line, bce_text_str(&err),
			 got ? bce_error_name(got - 1) : "no error",
			 t->want == OK ? "no error" : bce_error_name(t->want));
	assert_int_equal(got != 0, err.len != 0);

	/* without rules and without words it must at least not crash */
	bce_key_validate(&k, t->btree, t->level, NULL, t->context, NULL);
	bce_text_exit(&err);
	test_key_free(&k);
}

static void run_all(const struct test *tests, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		run(&tests[i], i);
}

#define B(name)		.btree = BTREE_ID_##name
#define T(name)		.type = KEY_TYPE_##name
#define AT(i, o, s)	.p = { .inode = (i), .offset = (o), .snapshot = (s) }
#define ERR(name)	.want = BCE_ERR_##name
#define FILE_POS	AT(4096, 128, U32_MAX)
#define WORDS(...)	.words = { __VA_ARGS__ },						\
			.nr = sizeof((u64[]) { __VA_ARGS__ }) / 8

static void common_rules(void **state)
{
	static const struct test tests[] = {
		/* btree and type, at the leaves for writers only */
		{ B(extents), T(dirent), FILE_POS, .size = 8, .hex = "0110000000000000 08 61 000000000000",
		  .want = OK },
		{ B(extents), T(dirent), FILE_POS, .size = 8, .hex = "0110000000000000 08 61 000000000000",
		  ERR(bkey_invalid_type_for_btree), .context = KEY_TO_WRITE },
		{ B(lru), T(lru), AT(1, 1, 0), .hex = "0000000000000000",
		  ERR(bkey_invalid_type_for_btree), .context = KEY_TO_WRITE },
		{ .btree = 21, T(dirent), FILE_POS, .hex = "0020000000000000 08 61 000000000000",
		  .want = OK, .context = KEY_TO_WRITE },
		{ B(extents), .type = 40, FILE_POS, .size = 8, .hex = "00", .want = OK },
		{ B(extents), .type = 40, FILE_POS, .size = 0, .hex = "00",
		  ERR(bkey_extent_size_zero) },
		/* interior nodes: always */
		{ B(extents), T(inline_data), FILE_POS, .level = 1,
		  ERR(bkey_invalid_type_for_btree) },
		{ B(extents), .type = 40, FILE_POS, .level = 1, ERR(bkey_invalid_type_for_btree) },
		{ B(extents), T(deleted), FILE_POS, .level = 1, .want = OK },

		/* sizes */
		{ B(extents), T(error), FILE_POS, .size = 8, .want = OK },
		{ B(extents), T(error), FILE_POS, .size = 0, ERR(bkey_extent_size_zero) },
		{ B(extents), T(error), FILE_POS, .size = 128, .want = OK },
		{ B(extents), T(error), FILE_POS, .size = 129,
		  ERR(bkey_extent_size_greater_than_offset) },
		{ B(extents), T(whiteout), FILE_POS, .size = 0, .want = OK },
		{ B(extents), T(whiteout), FILE_POS, .size = 8, ERR(bkey_size_nonzero) },
		{ B(extents), T(deleted), FILE_POS, .size = 8, ERR(bkey_size_nonzero) },
		{ B(freespace), T(set), AT(0, 10, 0), .size = 0, ERR(bkey_extent_size_zero) },
		{ B(freespace), T(set), AT(0, 10, 0), .size = 10, .want = OK },
		{ B(need_discard), T(set), AT(0, 10, 0), .size = 1, ERR(bkey_size_nonzero) },

		/* snapshots */
		{ B(extents), T(error), AT(4096, 128, 0), .size = 8, ERR(bkey_snapshot_zero) },
		{ B(inodes), T(deleted), AT(0, 4096, 0), ERR(bkey_snapshot_zero) },
		{ B(need_discard), T(set), AT(0, 10, 1), ERR(bkey_snapshot_nonzero) },
		{ B(deleted_inodes), T(set), AT(0, 10, 1), .want = OK },
		{ B(deleted_inodes), T(set), AT(0, 10, 0), .want = OK },
		{ B(rebalance_work), T(set), AT(1, 10, U32_MAX), .want = OK },

		/* last position, leaves only */
		{ B(dirents), T(hash_whiteout), AT(U64_MAX, U64_MAX, 5), ERR(bkey_at_pos_max) },
		{ B(dirents), T(hash_whiteout), AT(U64_MAX, U64_MAX - 1, 5), .want = OK },
		{ B(dirents), T(deleted), AT(U64_MAX, U64_MAX, U32_MAX), .level = 1, .want = OK },
		{ B(alloc), T(deleted), AT(U64_MAX, U64_MAX, U32_MAX), .level = 1, .want = OK },

		/* sizes of values */
		{ B(extents), T(error), FILE_POS, .size = 8, .hex = "0000000000000000",
		  ERR(bkey_val_size_nonzero) },
		{ B(dirents), T(hash_whiteout), FILE_POS, .hex = "0000000000000000",
		  ERR(bkey_val_size_nonzero) },
		{ B(need_discard), T(set), AT(0, 10, 0), .hex = "0000000000000000",
		  ERR(bkey_val_size_nonzero) },
		{ B(extents), T(cookie), FILE_POS, .size = 8, ERR(bkey_val_size_too_small) },
		{ B(quotas), T(quota), AT(0, 0, 0), .hex = "00 0000000000000000 0000000000000000",
		  ERR(bkey_val_size_too_small) },
		{ B(dirents), T(dirent), FILE_POS, .hex = "0000000000000000",
		  ERR(bkey_val_size_too_small) },
		{ B(extents), T(inline_data), FILE_POS, .size = 8, .want = OK },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

#define PTR(dev, sector)	(1 | (u64)(sector) << 4 | (u64)(dev) << 48)
#define CACHED			2
#define UNWRITTEN		8
/* crc32 entry: 1 | csum type | compressed, uncompressed size, offset */
#define CRC32(type, c, u, o)	(2 | (u64)((c) - 1) << 2 | (u64)((u) - 1) << 9 |		\
				 (u64)(o) << 16 | (u64)(type) << 24 | 0xabcdULL << 32)
#define CRC64(type, c, u, o, n)	(4 | (u64)((c) - 1) << 3 | (u64)((u) - 1) << 12 |		\
				 (u64)(o) << 21 | (u64)(n) << 30 | (u64)(type) << 40), 0x1234
#define CRC128(type, c, u, o, n) (8 | (u64)((c) - 1) << 4 | (u64)((u) - 1) << 17 |		\
				 (u64)(o) << 30 | (u64)(n) << 43 | (u64)(type) << 56), 1, 2
#define STRIPE_REF		(16ULL | 1 << 5 | 1 << 13 | 9 << 17)
#define REBALANCE		(32ULL | 1ULL << 48)

#define EXTENT(sectors)		B(extents), T(extent), FILE_POS, .size = (sectors)

static void pointer_lists(void **state)
{
	static const struct test tests[] = {
		{ EXTENT(8), WORDS(PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(PTR(0, 1024), PTR(1, 1024)), .want = OK },
		{ EXTENT(8), WORDS(PTR(0, 1024), 0), ERR(extent_ptrs_invalid_entry) },
		{ EXTENT(8), WORDS(PTR(0, 1024), 64), ERR(extent_ptrs_invalid_entry) },
		{ EXTENT(8), WORDS(PTR(0, 1024), 4), ERR(extent_ptrs_invalid_entry) },
		{ EXTENT(8), .nr = 0, ERR(extent_ptrs_no_ptrs) },
		{ EXTENT(8), WORDS(REBALANCE), ERR(extent_ptrs_no_ptrs) },
		{ EXTENT(8), WORDS(PTR(0, 1024), REBALANCE), .want = OK },

		/* devices; the one that is not there may appear twice */
		{ EXTENT(8), WORDS(PTR(0, 1024), PTR(0, 2048)), ERR(ptr_to_duplicate_device) },
		{ EXTENT(8), WORDS(PTR(0, 1024), PTR(0, 2048) | CACHED),
		  ERR(ptr_to_duplicate_device) },
		{ EXTENT(8), WORDS(PTR(3, 0), PTR(3, 0)), .want = OK },
		{ EXTENT(8), WORDS(PTR(255, 0), PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0),
				   PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0),
				   PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0)), .want = OK },
		{ EXTENT(8), WORDS(PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0),
				   PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0),
				   PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0), PTR(3, 0)),
		  ERR(extent_ptrs_too_many_ptrs) },

		/* buckets 4..99 of 256 sectors */
		{ EXTENT(8), WORDS(PTR(0, 1023)), ERR(ptr_before_first_bucket) },
		{ EXTENT(8), WORDS(PTR(0, 25592)), .want = OK },
		{ EXTENT(8), WORDS(PTR(0, 25600)), ERR(ptr_after_last_bucket) },
		{ EXTENT(8), WORDS(PTR(0, (1ULL << 44) - 1)), ERR(ptr_after_last_bucket) },
		{ EXTENT(8), WORDS(PTR(0, 1280 - 8)), .want = OK },
		{ EXTENT(8), WORDS(PTR(0, 1280 - 7)), ERR(ptr_spans_multiple_buckets) },
		/* what is stored counts, not what is live */
		{ EXTENT(8), WORDS(CRC32(5, 64, 64, 0), PTR(0, 1280 - 64)), .want = OK },
		{ EXTENT(8), WORDS(CRC32(5, 64, 64, 0), PTR(0, 1280 - 63)),
		  ERR(ptr_spans_multiple_buckets) },
		{ EXTENT(64), WORDS(CRC32(5, 8, 64, 0), PTR(0, 1280 - 8)), .want = OK },

		/* checksum entries */
		{ EXTENT(8), WORDS(CRC32(5, 16, 16, 8), PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(CRC32(5, 16, 16, 9), PTR(0, 1024)),
		  ERR(ptr_crc_uncompressed_size_too_small) },
		{ EXTENT(8), WORDS(CRC32(8, 16, 16, 0), PTR(0, 1024)),
		  ERR(ptr_crc_csum_type_unknown) },
		{ EXTENT(8), WORDS(CRC64(3, 16, 16, 0, 0), PTR(0, 1024)),
		  ERR(ptr_crc_csum_type_unknown) },
		{ EXTENT(8), WORDS(CRC64(3, 16, 16, 0, 0), PTR(0, 1024)), .want = OK,
		  .rules = &encrypted_rules },
		{ EXTENT(8), WORDS(CRC32(5, 16, 16, 0) | 5ULL << 28, PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(CRC32(5, 16, 16, 0) | 6ULL << 28, PTR(0, 1024)),
		  ERR(ptr_crc_compression_type_unknown) },
		{ EXTENT(8), WORDS(CRC32(5, 8, 8, 0), CRC32(5, 8, 8, 0), PTR(0, 1024)),
		  ERR(ptr_crc_redundant) },
		{ EXTENT(8), WORDS(PTR(0, 1024), CRC32(5, 8, 8, 0)),
		  ERR(extent_ptrs_redundant_crc) },
		{ EXTENT(8), WORDS(PTR(0, 1024), CRC32(5, 8, 8, 0), REBALANCE),
		  ERR(extent_ptrs_redundant_crc) },
		{ EXTENT(8), WORDS(CRC64(5, 256, 256, 0, 0), PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(CRC64(5, 129, 129, 0, 0), PTR(0, 1024)),
		  ERR(ptr_crc_uncompressed_size_too_big), .context = KEY_TO_WRITE },
		{ EXTENT(8), WORDS(CRC64(5, 128, 128, 0, 0), PTR(0, 1024)), .want = OK,
		  .context = KEY_TO_WRITE },
		{ EXTENT(8), WORDS(CRC64(0, 256, 256, 0, 0), PTR(0, 1024)), .want = OK,
		  .context = KEY_TO_WRITE },

		/* offset + nonce of encrypted entries */
		{ EXTENT(8), WORDS(CRC64(3, 16, 16, 4, 6), PTR(0, 1024), CRC128(4, 16, 16, 2, 8),
				   PTR(1, 1024)), .want = OK, .rules = &encrypted_rules },
		{ EXTENT(8), WORDS(CRC64(3, 16, 16, 4, 6), PTR(0, 1024), CRC128(4, 16, 16, 2, 7),
				   PTR(1, 1024)), ERR(ptr_crc_nonce_mismatch),
		  .rules = &encrypted_rules },
		{ EXTENT(8), WORDS(CRC64(3, 16, 16, 4, 6), PTR(0, 1024), CRC64(5, 16, 16, 2, 7),
				   PTR(1, 1024)), .want = OK, .rules = &encrypted_rules },

		/* stripes */
		{ EXTENT(8), WORDS(STRIPE_REF, PTR(0, 1024)), .want = OK },
		{ EXTENT(8), WORDS(STRIPE_REF, STRIPE_REF, PTR(0, 1024)),
		  ERR(ptr_stripe_redundant) },
		{ EXTENT(8), WORDS(PTR(0, 1024), STRIPE_REF), ERR(extent_ptrs_redundant_stripe) },
		{ EXTENT(8), WORDS(STRIPE_REF, PTR(0, 1024) | CACHED),
		  ERR(ptr_cached_and_erasure_coded) },
		{ EXTENT(8), WORDS(STRIPE_REF, PTR(0, 1024), PTR(1, 1024) | CACHED), .want = OK },

		/* unwritten */
		{ EXTENT(8), WORDS(PTR(0, 1024) | UNWRITTEN, PTR(1, 1024) | UNWRITTEN),
		  .want = OK },
		{ EXTENT(8), WORDS(PTR(0, 1024) | UNWRITTEN, PTR(1, 1024)),
		  ERR(extent_ptrs_written_and_unwritten) },
		{ B(reflink), T(reflink_v), AT(0, 128, 0), .size = 8,
		  WORDS(1, PTR(0, 1024) | UNWRITTEN), ERR(extent_ptrs_unwritten) },
		{ B(reflink), T(reflink_v), AT(0, 128, 0), .size = 8, WORDS(1, PTR(0, 1024)),
		  .want = OK },
		{ B(reflink), T(reflink_v), AT(1, 128, 0), .size = 8, WORDS(1, PTR(0, 1024)),
		  ERR(reflink_v_pos_bad) },
		{ B(reflink), T(reflink_v), AT(0, 128, 0), .size = 8, WORDS(1),
		  ERR(extent_ptrs_no_ptrs) },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

/* head of btree_ptr_v2: seq 5, @written sectors, min_key 4096:@offset:0 */
#define HEAD_V2(written, min_offset)							\
	0, 5, (u64)(written), (u64)(min_offset), 4096

#define NODE(p_offset)	B(extents), T(btree_ptr_v2), AT(4096, p_offset, U32_MAX), .level = 1

static void pointers_to_nodes(void **state)
{
	static const struct test tests[] = {
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024)), .want = OK,
		  .context = KEY_TO_WRITE },
		{ NODE(9), WORDS(HEAD_V2(24, 8)), ERR(extent_ptrs_no_ptrs) },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024), PTR(1, 1024), PTR(2, 1024), PTR(3, 0)),
		  .want = OK },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024), PTR(1, 1024), PTR(2, 1024), PTR(3, 0),
				 PTR(4, 0)), ERR(btree_ptr_v2_val_too_big) },
		{ NODE(7), WORDS(HEAD_V2(24, 8), PTR(0, 1024)), ERR(btree_ptr_v2_min_key_bad) },
		{ B(extents), T(btree_ptr_v2), AT(4096, 8, 0), .level = 1,
		  WORDS(HEAD_V2(24, 8), PTR(0, 1024)), ERR(btree_ptr_v2_min_key_bad) },
		{ NODE(9), WORDS(HEAD_V2(0, 8), PTR(0, 1024)), ERR(btree_ptr_v2_written_0),
		  .context = KEY_TO_WRITE },
		{ NODE(9), WORDS(HEAD_V2(0, 8), PTR(0, 1024)), .want = OK },
		{ NODE(9), WORDS(HEAD_V2(24, 8), CRC32(5, 8, 8, 0), PTR(0, 1024)),
		  ERR(btree_ptr_has_non_ptr) },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024), REBALANCE),
		  ERR(btree_ptr_has_non_ptr) },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024), 0), ERR(btree_ptr_has_non_ptr) },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024) | CACHED),
		  ERR(btree_ptr_has_non_ptr) },
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1024) | UNWRITTEN),
		  ERR(extent_ptrs_unwritten) },
		/* a whole node must fit the bucket */
		{ NODE(9), WORDS(HEAD_V2(24, 8), PTR(0, 1025)), ERR(ptr_spans_multiple_buckets) },
		{ B(extents), T(btree_ptr), AT(4096, 8, 1), .level = 1,
		  WORDS(PTR(0, 1024), PTR(1, 1024)), .want = OK },
		{ B(extents), T(btree_ptr), AT(4096, 8, 1), .level = 1,
		  WORDS(PTR(0, 1024), PTR(1, 1024), PTR(2, 1024), PTR(3, 0), PTR(4, 0)),
		  ERR(btree_ptr_val_too_big) },
		{ B(extents), T(btree_ptr), AT(4096, 8, 1), .level = 1, .size = 1,
		  WORDS(PTR(0, 1024)), ERR(bkey_size_nonzero) },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

#define INODE(v)	B(inodes), T(inode_v3), AT(0, 4096, U32_MAX), .hex = (v)
/* head with flags word @flags (8 bytes of hex), then the packed fields */
#define V3(flags, fields)								\
	"0000000000000000 0000000000000000" flags						\
	"0000000000000000 0000000000000000 0000000000000000" fields

static void inodes(void **state)
{
	static const struct test tests[] = {
		/* fields_start 6, mode 040755 or 0100644, so many fields, str_hash 3 */
		{ INODE(V3("0000300000000000", "")), ERR(inode_v3_fields_start_bad) },
		{ INODE(V3("0000308002000000", "")), ERR(inode_v3_fields_start_bad) },
		{ INODE(V3("0000308003000000", "")), ERR(inode_v3_fields_start_bad) },
		{ INODE(V3("0000300003000000", "")), .want = OK },
		{ INODE(V3("0000400003000000", "")), ERR(inode_str_hash_invalid) },
		{ B(inodes), T(inode_v3), AT(1, 4096, U32_MAX), .hex = V3("0000300003000000", ""),
		  ERR(inode_pos_inode_nonzero) },
		{ B(inodes), T(inode_v3), AT(0, 4095, U32_MAX), .hex = V3("0000300003000000", ""),
		  ERR(inode_pos_blockdev_range) },
		/* ten fields: four times of two, five, data_checksum; 8 is 4, 0a is 5 */
		{ INODE(V3("0000300a03000000", "0000000000000000 0000000000 08 0000")),
		  .want = OK },
		{ INODE(V3("0000300a03000000", "0000000000000000 0000000000 0a 0000")),
		  ERR(inode_checksum_type_invalid) },
		{ INODE(V3("0000300a03000000", "0000000000000000")), ERR(inode_unpack_error) },
		/* compression: 1 none, 8 zstd level 0, 5 is type 4; 0x11 + 1 lz4 level 1 */
		{ INODE(V3("0000300b03000000", "0000000000000000 0000000000 00 02 00")),
		  .want = OK },
		{ INODE(V3("0000300b03000000", "0000000000000000 0000000000 00 08 00")),
		  .want = OK },
		{ INODE(V3("0000300b03000000", "0000000000000000 0000000000 00 0a 00")),
		  ERR(inode_compression_type_invalid) },
		{ INODE(V3("0000300b03000000", "0000000000000000 0000000000 00 24 00")),
		  .want = OK },
		{ INODE(V3("0000300b03000000", "0000000000000000 0000000000 00 22 00")),
		  ERR(inode_compression_type_invalid) },
		/* unlinked, nlink 0 and 1 */
		{ INODE(V3("8000300703000000", "0000000000000000 0000 00 0000000000")),
		  .want = OK },
		{ INODE(V3("8000300703000000", "0000000000000000 0000 02 0000000000")),
		  ERR(inode_unlinked_but_nlink_nonzero) },
		/* subvolume root: field 22; mode 0100644 = 0x81a4, 040755 = 0x41ed */
		{ INODE(V3("00003016431a0800", "0000000000000000 000000000000000000000000000000 0000"
			   "02 000000000000")), ERR(inode_subvol_root_but_not_dir) },
		{ INODE(V3("00003016d31e0400", "0000000000000000 000000000000000000000000000000 0000"
			   "02 000000000000")), .want = OK },
		{ B(inodes), T(inode_generation), AT(0, 4096, U32_MAX), .hex = "0100000000000000",
		  .want = OK },
		{ B(inodes), T(inode_generation), AT(1, 4096, U32_MAX), .hex = "0100000000000000",
		  ERR(inode_pos_inode_nonzero) },
		{ B(inodes), T(inode), AT(0, 4096, 1), .hex = "0000000000000000 00003080 a481 0000",
		  .want = OK },
		{ B(inodes), T(inode), AT(0, 4096, 1), .hex = "0000000000000000 00005080 a481 0000",
		  ERR(inode_str_hash_invalid) },
		{ B(inodes), T(inode_v2), AT(0, 4096, 1),
		  .hex = "0000000000000000 0000000000000000 0000300100000000 a481 0000 00000000",
		  .want = OK },
		{ B(inodes), T(inode_v2), AT(0, 4096, 1),
		  .hex = "0000000000000000 0000000000000000 0000300100000000 a481 ff00 00000000",
		  ERR(inode_unpack_error) },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

#define DIRENT(v)	B(dirents), T(dirent), AT(4096, 77, U32_MAX), .hex = (v)
#define XATTR(v)	B(xattrs), T(xattr), AT(4096, 77, U32_MAX), .hex = (v)

static void names(void **state)
{
	static const struct test tests[] = {
		{ DIRENT("0210000000000000 08 68656c6c6f 0000"), .want = OK },
		{ DIRENT("0210000000000000 08 00000000000000"), ERR(dirent_empty_name) },
		{ DIRENT("0210000000000000 08 68656c6c6f 0000 0000000000000000"),
		  ERR(dirent_val_too_big) },
		{ DIRENT("0210000000000000 08 68006c6c6f 0000"), ERR(dirent_name_embedded_nul) },
		{ DIRENT("0210000000000000 08 2e 000000000000"), ERR(dirent_name_dot_or_dotdot) },
		{ DIRENT("0210000000000000 08 2e2e 0000000000"), ERR(dirent_name_dot_or_dotdot) },
		{ DIRENT("0210000000000000 08 2e2e2e 00000000"), .want = OK },
		{ DIRENT("0210000000000000 08 682f6c6c6f 0000"), ERR(dirent_name_has_slash) },
		{ DIRENT("0010000000000000 04 68656c6c6f 0000"), ERR(dirent_to_itself) },
		/* subvolume 4096 in it */
		{ DIRENT("0010000000000000 10 68656c6c6f 0000"), .want = OK },

		{ XATTR("00030300 666f6f 626172 000000000000"), .want = OK },
		{ XATTR("00030900 666f6f 626172 000000000000"), .want = OK },
		{ XATTR("00030a00 666f6f 626172 000000000000"), ERR(xattr_val_size_too_small) },
		{ XATTR("00010000 66 000000"), .want = OK },
		/* four bytes of slack may cost a word */
		{ XATTR("00010000 66 000000 0000000000000000"), .want = OK },
		{ XATTR("00000000 00000000 0000000000000000"), ERR(xattr_val_size_too_big) },
		{ XATTR("05030300 666f6f 626172 000000000000"), ERR(xattr_invalid_type) },
		{ XATTR("00030300 66006f 626172 000000000000"), ERR(xattr_name_invalid_chars) },
		{ XATTR("00030300 666f6f 620072 000000000000"), .want = OK },
	};
	struct bkey k;
	u8 v[9 + 520] = { 1, 1, 1, 0, 0, 0, 0, 0, 8 };
	unsigned int len;

	run_all(tests, ARRAY_SIZE(tests));

	/* long names: limited for new keys */
	memset(v + 9, 'n', 520);
	for (len = 510; len <= 516; len++) {
		k = test_key(KEY_TYPE_dirent, SPOS(4096, 77, 1), v, 9 + len);
		assert_int_equal(bce_key_validate(&k, BTREE_ID_dirents, 0, NULL, KEY_FROM_NODE, NULL),
				 0);
		assert_int_equal(bce_key_validate(&k, BTREE_ID_dirents, 0, NULL, KEY_TO_WRITE, NULL),
				 len > 512 ? BCE_ERR_dirent_name_too_long + 1 : 0);
		test_key_free(&k);
	}
}

#define SNAPSHOT(id, v)	B(snapshots), T(snapshot), AT(0, id, 0), .hex = (v)

static void subvolumes_and_snapshots(void **state)
{
	static const struct test tests[] = {
		{ B(subvolumes), T(subvolume), AT(0, 1, 0), .hex = "00000000 ffffffff 0010000000000000",
		  .want = OK },
		{ B(subvolumes), T(subvolume), AT(0, 0, 0), .hex = "00000000 ffffffff 0010000000000000",
		  ERR(subvol_pos_bad) },
		{ B(subvolumes), T(subvolume), AT(1, 1, 0), .hex = "00000000 ffffffff 0010000000000000",
		  ERR(subvol_pos_bad) },
		{ B(subvolumes), T(subvolume), AT(0, S32_MAX, 0),
		  .hex = "00000000 ffffffff 0010000000000000", .want = OK },
		{ B(subvolumes), T(subvolume), AT(0, 1ULL << 31, 0),
		  .hex = "00000000 ffffffff 0010000000000000", ERR(subvol_pos_bad) },
		{ B(subvolumes), T(subvolume), AT(0, 1, 0), .hex = "00000000 00000000 0010000000000000",
		  ERR(subvol_snapshot_bad) },
		{ B(subvolumes), T(subvolume), AT(0, 1, 0), .hex = "00000000 ffffffff 0000000000000000",
		  ERR(subvol_inode_bad) },

		/* flags, parent, children, subvol, tree, depth, skip */
		{ SNAPSHOT(100, "02000000 00000000 00000000 00000000 01000000 01000000"),
		  .want = OK },
		{ SNAPSHOT(0, "02000000 00000000 00000000 00000000 01000000 01000000"),
		  ERR(snapshot_pos_bad) },
		{ SNAPSHOT(1ULL << 32, "02000000 00000000 00000000 00000000 01000000 01000000"),
		  ERR(snapshot_pos_bad) },
		{ SNAPSHOT(100, "02000000 64000000 00000000 00000000 01000000 01000000"),
		  ERR(snapshot_parent_bad) },
		{ SNAPSHOT(100, "02000000 65000000 00000000 00000000 01000000 01000000"),
		  .want = OK },
		{ SNAPSHOT(100, "02000000 00000000 62000000 63000000 01000000 01000000"),
		  ERR(snapshot_children_not_normalized) },
		{ SNAPSHOT(100, "02000000 00000000 63000000 62000000 01000000 01000000"),
		  .want = OK },
		{ SNAPSHOT(100, "02000000 00000000 63000000 63000000 01000000 01000000"),
		  ERR(snapshot_child_duplicate) },
		{ SNAPSHOT(100, "02000000 00000000 64000000 63000000 01000000 01000000"),
		  ERR(snapshot_child_bad) },
		{ SNAPSHOT(100, "02000000 65000000 00000000 00000000 01000000 01000000 01000000"
			   "65000000 65000000 66000000 00000000"), .want = OK },
		{ SNAPSHOT(100, "02000000 65000000 00000000 00000000 01000000 01000000 01000000"
			   "66000000 65000000 66000000 00000000"),
		  ERR(snapshot_skiplist_not_normalized) },
		{ SNAPSHOT(100, "02000000 66000000 00000000 00000000 01000000 01000000 01000000"
			   "65000000 66000000 66000000 00000000"), ERR(snapshot_skiplist_bad) },

		{ B(snapshot_trees), T(snapshot_tree), AT(0, 1, 0), .hex = "01000000 ffffffff",
		  .want = OK },
		{ B(snapshot_trees), T(snapshot_tree), AT(0, 0, 0), .hex = "01000000 ffffffff",
		  ERR(snapshot_tree_pos_bad) },
		{ B(snapshot_trees), T(snapshot_tree), AT(1, 1, 0), .hex = "01000000 ffffffff",
		  ERR(snapshot_tree_pos_bad) },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

/* flags | gen, oldest, type, redundancy | dirty, cached | times | stripe, 0 | 0 | striped */
#define ALLOC(flags, gens, dirty, cached, read, write, stripe, striped)		\
	B(alloc), T(alloc_v4), AT(0, 10, 0),						\
	.hex = "0000000000000000" flags gens dirty cached read write stripe "00000000"		\
	"0000000000000000" striped "00000000"
#define TIME1	"0100000000000000"
#define NONE	"00000000"
#define SOME	"08000000"

static void buckets(void **state)
{
	static const struct test tests[] = {
		{ ALLOC("23000000", "07070400", SOME, NONE, TIME1, TIME1, NONE, NONE), .want = OK,
		  .context = KEY_TO_WRITE },
		/* backpointers: eight words and one of four do not fit */
		{ ALLOC("23010000", "07070400", SOME, NONE, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_v4_val_size_bad) },
		{ ALLOC("27000000", "07070400", SOME, NONE, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_v4_val_size_bad) },
		{ B(alloc), T(alloc_v4), AT(0, 10, 0), WORDS(0, 0x00040707ULL << 32 | 0x100, 8, 1, 1,
		  0, 0, 0, 0, 0), ERR(alloc_v4_backpointers_start_bad) },
		{ ALLOC("20000000", "07070400", NONE, NONE, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_key_data_type_bad) },
		{ ALLOC("20000000", "07070500", SOME, SOME, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_key_cached_inconsistency) },
		{ ALLOC("20000000", "07070500", NONE, SOME, TIME1, TIME1, NONE, NONE), .want = OK },
		{ ALLOC("20000000", "07070500", NONE, SOME, "0000000000000000", TIME1, NONE, NONE),
		  .want = OK },
		{ ALLOC("20000000", "07070500", NONE, SOME, "0000000000000000", TIME1, NONE, NONE),
		  ERR(alloc_key_cached_but_read_time_zero), .context = KEY_TO_WRITE },
		{ ALLOC("20000000", "07070000", SOME, NONE, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_key_empty_but_have_data) },
		{ ALLOC("20000000", "07070000", NONE, NONE, TIME1, TIME1, NONE, NONE), .want = OK },
		{ ALLOC("21000000", "07070900", NONE, NONE, TIME1, TIME1, NONE, NONE), .want = OK },
		{ ALLOC("20000000", "60000800", NONE, NONE, TIME1, TIME1, NONE, NONE), .want = OK },
		{ ALLOC("20000000", "60000000", NONE, NONE, TIME1, TIME1, NONE, NONE),
		  ERR(alloc_key_data_type_bad) },
		{ ALLOC("20000000", "07070400", SOME, NONE, "0000000000000100", TIME1, NONE, NONE),
		  ERR(alloc_key_io_time_bad) },
		{ ALLOC("20000000", "07070400", SOME, NONE, TIME1, "ffffffffffff0000", NONE, NONE),
		  .want = OK },
		/* a parity bucket of a stripe, with and without sectors */
		{ ALLOC("20000000", "07070601", SOME, NONE, TIME1, TIME1, SOME, NONE), .want = OK },
		{ ALLOC("20000000", "07070601", NONE, NONE, TIME1, TIME1, SOME, NONE),
		  ERR(alloc_key_dirty_sectors_0) },
		{ ALLOC("20000000", "07070701", NONE, NONE, TIME1, TIME1, SOME, SOME), .want = OK },

		{ B(alloc), T(alloc), AT(0, 10, 0), .hex = "ff 00 00 00 00 00 00 00",
		  ERR(alloc_v1_val_size_bad) },
		{ B(alloc), T(alloc_v2), AT(0, 10, 0), .hex = "06 00 00 00 ff 00 00 00",
		  ERR(alloc_v2_unpack_error) },
		{ B(alloc), T(alloc_v3), AT(0, 10, 0), .hex = "0000000000000000 00000000 01 00 00 00",
		  ERR(alloc_v2_unpack_error) },
		{ B(lru), T(set), AT(1ULL << 48, 10, 0), ERR(lru_entry_at_time_0) },
		{ B(lru), T(set), AT(1ULL << 48 | 1, 10, 0), .want = OK },

		/* bucket 100 of 256 sectors, offset 40, crc offset 8 */
		{ B(backpointers), T(backpointer), AT(0, 25640 * 1024 + 8, 0),
		  .hex = "000004 08a0000000 08000000 ffffffff 4800000000000000 0010000000000000",
		  .want = OK },
		{ B(backpointers), T(backpointer), AT(0, 25640 * 1024 + 9, 0),
		  .hex = "000004 08a0000000 08000000 ffffffff 4800000000000000 0010000000000000",
		  ERR(backpointer_bucket_offset_wrong) },
		{ B(backpointers), T(backpointer), AT(0, 25640 * 1024 + 8, 0),
		  .hex = "000004 08a0040000 08000000 ffffffff 4800000000000000 0010000000000000",
		  ERR(backpointer_bucket_offset_wrong) },
		{ B(backpointers), T(backpointer), AT(3, 9, 0),
		  .hex = "000004 08a0000000 08000000 ffffffff 4800000000000000 0010000000000000",
		  .want = OK },
		{ B(backpointers), T(backpointer), AT(0, 25640 * 1024 + 8, 0),
		  .hex = "000504 08a0000000 08000000 ffffffff 4800000000000000 0010000000000000",
		  ERR(backpointer_level_bad) },
	};
	struct bkey k;
	u8 gens[264] = { };

	run_all(tests, ARRAY_SIZE(tests));

	k = test_key(KEY_TYPE_bucket_gens, POS(0, 0), gens, 256);
	assert_int_equal(bce_key_validate(&k, BTREE_ID_bucket_gens, 0, NULL, 0, NULL), 0);
	test_key_free(&k);
	k = test_key(KEY_TYPE_bucket_gens, POS(0, 0), gens, 264);
	assert_int_equal(bce_key_validate(&k, BTREE_ID_bucket_gens, 0, NULL, 0, NULL),
			 BCE_ERR_bucket_gens_val_size_bad + 1);
	test_key_free(&k);
}

/* two data blocks and one parity block of 256 sectors, no checksums: P 32, Q 32, end 38 */
#define STRIPE_HEAD	"0001 00 03 01 07 00 00"
#define STRIPE(pos, v)	B(stripes), T(stripe), pos, .hex = (v)

static void stripes_and_small_values(void **state)
{
	static const struct test tests[] = {
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000100 0140000000000200"
			 "0000000000000000"), .want = OK },
		{ STRIPE(AT(0, 0, 0), STRIPE_HEAD "0140000000000000 0140000000000100 0140000000000200"
			 "0000000000000000"), ERR(stripe_pos_bad) },
		{ STRIPE(AT(1, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000100 0140000000000200"
			 "0000000000000000"), ERR(stripe_pos_bad) },
		{ STRIPE(AT(0, 1ULL << 32, 0), STRIPE_HEAD "0140000000000000 0140000000000100"
			 "0140000000000200 0000000000000000"), ERR(stripe_pos_bad) },
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000100 0140000000000200"),
		  ERR(stripe_val_size_bad) },
		{ STRIPE(AT(0, 1, 0), "0001 00 03 01 40 00 00" "0140000000000000 0140000000000100"
			 "0140000000000200 0000000000000000"), ERR(stripe_csum_granularity_bad) },
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000000 0140000000000200"
			 "0000000000000000"), ERR(ptr_to_duplicate_device) },
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0240000000000100 0140000000000200"
			 "0000000000000000"), ERR(extent_ptrs_invalid_entry) },
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000100 1140000000000200"
			 "0000000000000000"), ERR(ptr_spans_multiple_buckets) },
		{ STRIPE(AT(0, 1, 0), STRIPE_HEAD "0140000000000000 0140000000000100 014000000000ff00"
			 "0000000000000000"), .want = OK },

		{ B(extents), T(reservation), FILE_POS, .size = 8, .hex = "00000000 00 000000",
		  ERR(reservation_key_nr_replicas_invalid) },
		{ B(extents), T(reservation), FILE_POS, .size = 8, .hex = "00000000 04 000000",
		  .want = OK },
		{ B(extents), T(reservation), FILE_POS, .size = 8, .hex = "00000000 05 000000",
		  ERR(reservation_key_nr_replicas_invalid) },
		{ B(extents), T(reflink_p), FILE_POS, .size = 8,
		  .hex = "1000000000000000 10000000 00000000", .want = OK },
		{ B(extents), T(reflink_p), FILE_POS, .size = 8,
		  .hex = "1000000000000000 11000000 00000000", ERR(reflink_p_front_pad_bad) },
		{ B(quotas), T(quota), AT(2, 7, 0),
		  .hex = "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
		  .want = OK },
		{ B(quotas), T(quota), AT(3, 7, 0),
		  .hex = "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
		  ERR(quota_type_invalid) },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

#define COUNTER(o, s)	B(accounting), T(accounting), AT(0, o, s), .hex = "0100000000000000",	\
			.version = { .lo = 1 }

static void accounting(void **state)
{
	static const struct test tests[] = {
		{ COUNTER(0, 0x01010402), .want = OK },
		{ B(accounting), T(accounting), AT(0, 0, 0), .hex = "0100000000000000",
		  ERR(accounting_key_version_0) },
		{ B(accounting), T(accounting), AT(0, 0, 0), .hex = "0100000000000000",
		  .version = { .hi = 1 }, .want = OK },
		{ COUNTER(0, 0x01000402), ERR(accounting_key_replicas_nr_devs_0) },
		{ COUNTER(0, 0x02010402), ERR(accounting_key_replicas_nr_required_bad) },
		{ COUNTER(0x0100, 0x02020402), ERR(accounting_key_replicas_nr_required_bad) },
		{ COUNTER(0x020100, 0x02030402), .want = OK },
		{ COUNTER(0x0100, 0x00020402), .want = OK },
		{ COUNTER(0x0001, 0x01020402), ERR(accounting_key_replicas_devs_unsorted) },
		{ COUNTER(0x0101, 0x01020402), ERR(accounting_key_replicas_devs_unsorted) },
		{ COUNTER(0, 0x01110402), ERR(accounting_key_junk_at_end) },
		{ COUNTER(0x0100, 0x01010402), ERR(accounting_key_junk_at_end) },
		{ COUNTER(1, 0x00000007), ERR(accounting_key_junk_at_end) },
		{ COUNTER(0, 0x00000107), ERR(accounting_key_junk_at_end) },
		{ COUNTER(0, 0x01000003), ERR(accounting_key_junk_at_end) },
		{ COUNTER(0xff, 0xffffff05), .want = OK },
		{ COUNTER(0x100, 0xffffff05), ERR(accounting_key_junk_at_end) },
		/* not checked: inum, unknown types */
		{ COUNTER(1ULL << 60, 0x00100008), .want = OK },
		{ COUNTER(1ULL << 60, 0x00100009), .want = OK },
	};

	run_all(tests, ARRAY_SIZE(tests));
}

/* docs/format/50-btree.md, section 2 */
static void properties_of_btrees(void **state)
{
	unsigned int id;

	for (id = 0; id < 64; id++) {
		assert_int_equal(bce_btree_has_extents(id), id == 0 || id == 7 || id == 11);
		assert_int_equal(bce_btree_has_snapshots(id), id <= 3);
		assert_int_equal(bce_btree_has_snapshot_field(id),
				 id <= 3 || id == 16 || id == 18 || id == 20);
		assert_true(bce_btree_allows_key_type(id, KEY_TYPE_deleted));
		assert_int_equal(bce_btree_allows_key_type(id, KEY_TYPE_alloc_v4),
				 id == BTREE_ID_alloc || id >= BTREE_ID_NR);
		assert_int_equal(bce_btree_allows_key_type(id, 99), id >= BTREE_ID_NR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_rules),
		cmocka_unit_test(pointer_lists),
		cmocka_unit_test(pointers_to_nodes),
		cmocka_unit_test(inodes),
		cmocka_unit_test(names),
		cmocka_unit_test(subvolumes_and_snapshots),
		cmocka_unit_test(buckets),
		cmocka_unit_test(stripes_and_small_values),
		cmocka_unit_test(accounting),
		cmocka_unit_test(properties_of_btrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
