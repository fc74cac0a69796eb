// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers of the format against the examples of the specification. Sizes and offsets of
 * structures need no test: lib/engine/format/ondisk.c does not compile if one is wrong.
 */
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "engine/format/btree.h"
#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/format/journal.h"
#include "engine/format/passes.h"
#include "engine/format/sb.h"
#include "engine/format/values.h"
#include "engine/format/version.h"

static void bits_of_words(void **state)
{
	assert_int_equal(bits_get(0xfedcba9876543210ULL, 0, 64), 0xfedcba9876543210ULL);
	assert_int_equal(bits_get(0xfedcba9876543210ULL, 4, 12), 0x21);
	assert_int_equal(bits_get(0xfedcba9876543210ULL, 63, 64), 1);
	assert_int_equal(bits_set(0, 0, 64, ~0ULL), ~0ULL);
	assert_int_equal(bits_set(~0ULL, 8, 16, 0x5a), 0xffffffffffff5affULL);
	assert_int_equal(bits_set(0, 4, 8, 0x123), 0x30);	/* cut to the field */
}

/* docs/format/10-superblock.md, section 9: the words of a fresh file system */
static void superblock_flags(void **state)
{
	struct bch_sb sb = {
		.flags = {
			cpu_to_le64(0x8111110080200100ULL), cpu_to_le64(0x111c102ULL), 0,
			cpu_to_le64(0xfa30000000ULL), cpu_to_le64(0x100000064ULL),
			cpu_to_le64(0x1e040dULL),
		},
	};

	assert_int_equal(BCH_SB_FLAG(&sb, INITIALIZED), 0);
	assert_int_equal(BCH_SB_FLAG(&sb, CSUM_TYPE), 0);
	assert_int_equal(BCH_SB_FLAG(&sb, ERROR_ACTION), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, BTREE_NODE_SIZE), 512);
	assert_int_equal(BCH_SB_FLAG(&sb, GC_RESERVE), 8);
	assert_int_equal(BCH_SB_FLAG(&sb, META_CSUM_TYPE), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, DATA_CSUM_TYPE), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, META_REPLICAS_WANT), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, DATA_REPLICAS_WANT), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, POSIX_ACL), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, PROMOTE_WHOLE_EXTENTS), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, STR_HASH_TYPE), 2);
	assert_int_equal(BCH_SB_FLAG(&sb, INODE_32BIT), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, ENCODED_EXTENT_MAX_BITS), 7);
	assert_int_equal(BCH_SB_FLAG(&sb, META_REPLICAS_REQ), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, DATA_REPLICAS_REQ), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, SHARD_INUMS), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, INODES_USE_KEY_CACHE), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, JOURNAL_FLUSH_DELAY), 1000);
	assert_int_equal(BCH_SB_FLAG(&sb, JOURNAL_RECLAIM_DELAY), 100);
	assert_int_equal(BCH_SB_FLAG(&sb, JOURNAL_TRANSACTION_NAMES), 1);
	assert_int_equal(BCH_SB_FLAG(&sb, VERSION_UPGRADE_COMPLETE), BCH_VERSION_CURRENT);
	assert_int_equal(BCH_SB_FLAG(&sb, ALLOCATOR_STUCK_TIMEOUT), 30);
}

/* 10-superblock.md, 6.11: the formatter's default member, before and after initialisation */
static void member_flags(void **state)
{
	assert_int_equal(BITS_GET(0x200e0000, BCH_MEMBER_DATA_ALLOWED), 0x1c);
	assert_int_equal(BITS_GET(0x200e0000, BCH_MEMBER_DURABILITY), 2);
	assert_int_equal(BITS_GET(0x200e0000, BCH_MEMBER_FREESPACE_INITIALIZED), 0);
	assert_int_equal(BITS_GET(0x600e0000, BCH_MEMBER_FREESPACE_INITIALIZED), 1);
}

/* no bit of a word belongs to two fields */
static void superblock_flags_are_apart(void **state)
{
	u64 seen[7] = { };

#define x(name, word, lo, hi) \
	assert_int_equal(seen[word] & bits_set(0, lo, hi, ~0ULL), 0); \
	seen[word] |= bits_set(0, lo, hi, ~0ULL);
	BCH_SB_FLAG_LIST(x)
#undef x
}

/* 00-overview.md, section 4: internal uuid 10111213-1415-1617-1819-1a1b1c1d1e1f */
static void magics(void **state)
{
	assert_int_equal(0x1716151413121110ULL ^ JSET_MAGIC_XOR, 0x334420d5b0704122ULL);
	assert_int_equal(0x1716151413121110ULL ^ BTREE_MAGIC_XOR, 0x8705496caa8c16e5ULL);
	assert_memory_equal(&(__le64) { cpu_to_le64(BCH_KEY_MAGIC) }, "bch**key", 8);
}

/* 00-overview.md, section 6: the sums of bits given there */
static void feature_sums(void **state)
{
	u64 always = 1ULL << BCH_FEATURE_new_extent_overwrite |
		     1ULL << BCH_FEATURE_extents_above_btree_updates |
		     1ULL << BCH_FEATURE_btree_updates_journalled |
		     1ULL << BCH_FEATURE_alloc_v2 |
		     1ULL << BCH_FEATURE_extents_across_btree_nodes;

	assert_int_equal(always, BCH_FEATURES_ALWAYS);
	assert_int_equal(always | 1ULL << BCH_FEATURE_new_siphash |
			 1ULL << BCH_FEATURE_btree_ptr_v2 | 1ULL << BCH_FEATURE_new_varint |
			 1ULL << BCH_FEATURE_journal_no_flush, BCH_FEATURES_ALL);
}

/* 50-btree.md, 6.1 */
static void node_flags(void **state)
{
	assert_int_equal(BITS_GET(0x300000304ULL, BTREE_NODE_ID_LOW) |
			 BITS_GET(0x300000304ULL, BTREE_NODE_ID_HIGH) << BTREE_NODE_ID_LOW_BITS, 20);
	assert_int_equal(BITS_GET(0x300000304ULL, BTREE_NODE_SEQ), 3);
	assert_int_equal(BITS_GET(0x300000304ULL, BTREE_NODE_LEVEL), 0);
	assert_int_equal(BITS_GET(0x110, BTREE_NODE_LEVEL), 1);
	assert_int_equal(BITS_GET(0x110, BTREE_NODE_NEW_EXTENT_OVERWRITE), 1);
}

/* 70-extents.md, section 2: the words of its examples */
static void extent_entries(void **state)
{
	u64 ptr = 0x0702000000123459ULL, crc32 = 0xdeadbeef45031e1eULL;
	u64 crc64 = 0x000006014107f07cULL, crc128 = 0x3400200281fe0638ULL;
	u64 stripe = 0x24684070, rebalance = 0x0104330000000020ULL;

	assert_int_equal(BITS_GET(ptr, EXTENT_PTR_CACHED), 0);
	assert_int_equal(BITS_GET(ptr, EXTENT_PTR_UNWRITTEN), 1);
	assert_int_equal(BITS_GET(ptr, EXTENT_PTR_OFFSET), 0x12345);
	assert_int_equal(BITS_GET(ptr, EXTENT_PTR_DEV), 2);
	assert_int_equal(BITS_GET(ptr, EXTENT_PTR_GEN), 7);
	assert_int_equal(BITS_GET(0x0702000000123453ULL, EXTENT_PTR_CACHED), 1);

	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_COMPRESSED_SIZE), 8 - 1);
	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_UNCOMPRESSED_SIZE), 16 - 1);
	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_OFFSET), 3);
	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_CSUM_TYPE), 5);
	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_COMPRESSION_TYPE), 4);
	assert_int_equal(BITS_GET(crc32, EXTENT_CRC32_CSUM), 0xdeadbeef);

	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_COMPRESSED_SIZE), 16 - 1);
	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_UNCOMPRESSED_SIZE), 128 - 1);
	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_OFFSET), 8);
	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_NONCE), 5);
	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_CSUM_TYPE), 6);
	assert_int_equal(BITS_GET(crc64, EXTENT_CRC64_COMPRESSION_TYPE), 0);
	assert_int_equal(BITS_GET(0xbeef03000007f3fcULL, EXTENT_CRC64_CSUM_HIGH), 0xbeef);

	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_COMPRESSED_SIZE), 100 - 1);
	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_UNCOMPRESSED_SIZE), 256 - 1);
	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_OFFSET), 10);
	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_NONCE), 4);
	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_CSUM_TYPE), 4);
	assert_int_equal(BITS_GET(crc128, EXTENT_CRC128_COMPRESSION_TYPE), 3);

	assert_int_equal(BITS_GET(stripe, EXTENT_STRIPE_PTR_BLOCK), 3);
	assert_int_equal(BITS_GET(stripe, EXTENT_STRIPE_PTR_REDUNDANCY), 2);
	assert_int_equal(BITS_GET(stripe, EXTENT_STRIPE_PTR_IDX), 0x1234);
	assert_int_equal(BITS_GET(rebalance, EXTENT_REBALANCE_COMPRESSION), 0x33);
	assert_int_equal(BITS_GET(rebalance, EXTENT_REBALANCE_TARGET), 0x104);
}

/* 60-filesystem-keys.md, 2.2, and 75-allocation.md, 2.1 */
static void inode_and_alloc_flags(void **state)
{
	u64 inode = 0x00041ed316300000ULL;

	assert_int_equal(BITS_GET(inode, INODE_FLAGS), 0);
	assert_int_equal(BITS_GET(inode, INODE_STR_HASH), 3);
	assert_int_equal(BITS_GET(inode, INODE_NR_FIELDS), 22);
	assert_int_equal(BITS_GET(inode, INODE_V3_FIELDS_START), 6);
	assert_int_equal(BITS_GET(inode, INODE_V3_MODE), 040755);
	assert_int_equal(BITS_GET(0x23, ALLOC_NEED_DISCARD), 1);
	assert_int_equal(BITS_GET(0x23, ALLOC_NEED_INC_GEN), 1);
	assert_int_equal(BITS_GET(0x23, ALLOC_V4_BACKPOINTERS_START), 8);
	assert_int_equal(BITS_GET(0x23, ALLOC_V4_NR_BACKPOINTERS), 0);
}

/* 80-accounting.md, section 1: replicas user on devices 1 and 3, as position fields */
static void accounting_positions(void **state)
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_replicas,
		.replicas = { BCH_DATA_user, 2, 1, { 1, 3 } },
	};
	struct bpos_le p;

	memcpy(&p, &pos, sizeof(p));
	assert_int_equal(le32_to_cpu(p.snapshot), 0x01020402);
	assert_int_equal(le64_to_cpu(p.offset), 0x0301);
	assert_int_equal(le64_to_cpu(p.inode), 0);
}

static void error_ids(void **state)
{
	unsigned int id;

	for (id = 0; id < BCE_ERR_NR; id++)
		assert_string_not_equal(bce_error_name(id), "unknown");
	assert_string_equal(bce_error_name(BCE_ERR_NR), "unknown");
	assert_string_equal(bce_error_name(~0U), "unknown");
	assert_string_equal(bce_error_name(0), "clean_but_journal_not_empty");
	assert_string_equal(bce_error_name(153), "ptr_too_stale");
	assert_string_equal(bce_error_name(272), "accounting_mismatch");
	assert_true(bce_error_autofix(272));
	assert_false(bce_error_autofix(273));
	assert_false(bce_error_autofix(BCE_ERR_NR));
}

/* 40-recovery.md: every stable id is used once; 10-superblock.md, 6.14 names one by bit */
static void pass_ids(void **state)
{
	u64 seen = 0;

#define x(name, order, stable, when) \
	assert_false(seen >> (stable) & 1); \
	seen |= 1ULL << (stable);
	BCH_RECOVERY_PASS_LIST(x)
#undef x
	assert_int_equal(seen, (1ULL << BCH_RECOVERY_PASS_NR) - 1);
	assert_int_equal(1 << BCH_PASS_STABLE_check_allocations, 0x20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_of_words),
		cmocka_unit_test(superblock_flags),
		cmocka_unit_test(member_flags),
		cmocka_unit_test(superblock_flags_are_apart),
		cmocka_unit_test(magics),
		cmocka_unit_test(feature_sums),
		cmocka_unit_test(node_flags),
		cmocka_unit_test(extent_entries),
		cmocka_unit_test(inode_and_alloc_flags),
		cmocka_unit_test(accounting_positions),
		cmocka_unit_test(error_ids),
		cmocka_unit_test(pass_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
