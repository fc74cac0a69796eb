// SPDX-License-Identifier: GPL-2.0
/*
 * Options stored in the superblock: where their bits lie, what they mean, what is allowed.
 * The order is that of the reference listings.
 *
 * A stored zero can stand for something else (fields that older writers did not know);
 * that is resolved here, on reading, so the image itself stays byte for byte what the
 * disk has.
 *
 * Source: docs/format/10-superblock.md, section 4; 90-ioctl-mount-sysfs.md, section 2.
 */
#include "engine/sb/sb.h"

#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/sb_internal.h"
#include "engine/sb/text_internal.h"
#include "engine/sb/write.h"

#define x(name, nr)	[nr] = #name,
static const char *const error_actions[] = { BCH_ERROR_ACTION_LIST(x) NULL };
static const char *const csum_opts[] = { BCH_CSUM_OPT_LIST(x) NULL };
static const char *const compression_opts[] = { BCH_COMPRESSION_OPT_LIST(x) NULL };
static const char *const str_hash_opts[] = { BCH_STR_HASH_OPT_LIST(x) NULL };
static const char *const version_upgrades[] = { BCH_VERSION_UPGRADE_LIST(x) NULL };
#undef x

#define FIELD(field)	.word = BCH_SB_##field##_WORD, .lo = BCH_SB_##field##_LO, \
			.hi = BCH_SB_##field##_HI, .hi_word = -1
#define SPLIT_FIELD(field) \
			.word = BCH_SB_##field##_LO_WORD, .lo = BCH_SB_##field##_LO_LO, \
			.hi = BCH_SB_##field##_LO_HI, .hi_word = BCH_SB_##field##_HI_WORD, \
			.hi_lo = BCH_SB_##field##_HI_LO, .hi_hi = BCH_SB_##field##_HI_HI
#define BOOL		.unit = SB_OPTION_BOOL, .max = 1
#define CHOICE(names)	.unit = SB_OPTION_CHOICE, .choices = names, .max = ARRAY_SIZE(names) - 2
#define COUNT(_min, _max) .unit = SB_OPTION_PLAIN, .min = _min, .max = _max
#define TARGET		.unit = SB_OPTION_TARGET, .max = U64_MAX

const struct sb_option_desc bce_sb_options[] = {
	{ "block_size", .word = SB_OPTION_WORD_BLOCK_SIZE, .hi_word = -1,
	  .unit = SB_OPTION_SECTORS, .pow2 = true, .min = SECTOR_BYTES, .max = 32768 },
	{ "btree_node_size", FIELD(BTREE_NODE_SIZE),
	  .unit = SB_OPTION_SECTORS, .pow2 = true, .min = SECTOR_BYTES, .max = 524288 },
	{ "errors", FIELD(ERROR_ACTION), CHOICE(error_actions) },
	{ "metadata_replicas", FIELD(META_REPLICAS_WANT), COUNT(1, 3) },
	{ "data_replicas", FIELD(DATA_REPLICAS_WANT), COUNT(1, 3) },
	{ "metadata_replicas_required", FIELD(META_REPLICAS_REQ), COUNT(1, 3) },
	{ "data_replicas_required", FIELD(DATA_REPLICAS_REQ), COUNT(1, 3) },
	{ "encoded_extent_max", FIELD(ENCODED_EXTENT_MAX_BITS),
	  .unit = SB_OPTION_LOG2_SECTORS, .pow2 = true, .min = 4096, .max = 1048576 },
	{ "metadata_checksum", FIELD(META_CSUM_TYPE), CHOICE(csum_opts) },
	{ "data_checksum", FIELD(DATA_CSUM_TYPE), CHOICE(csum_opts) },
	{ "compression", SPLIT_FIELD(COMPRESSION_TYPE),
	  .unit = SB_OPTION_COMPRESSION, .max = U8_MAX },
	{ "background_compression", SPLIT_FIELD(BACKGROUND_COMPRESSION_TYPE),
	  .unit = SB_OPTION_COMPRESSION, .max = U8_MAX },
	{ "str_hash", FIELD(STR_HASH_TYPE), CHOICE(str_hash_opts) },
	{ "metadata_target", FIELD(METADATA_TARGET), TARGET },
	{ "foreground_target", FIELD(FOREGROUND_TARGET), TARGET },
	{ "background_target", FIELD(BACKGROUND_TARGET), TARGET },
	{ "promote_target", FIELD(PROMOTE_TARGET), TARGET },
	{ "erasure_code", FIELD(ERASURE_CODE), BOOL },
	{ "inodes_32bit", FIELD(INODE_32BIT), BOOL },
	{ "shard_inode_numbers", FIELD(SHARD_INUMS), BOOL },
	{ "inodes_use_key_cache", FIELD(INODES_USE_KEY_CACHE), BOOL },
	{ "gc_reserve_percent", FIELD(GC_RESERVE), COUNT(5, 20) },
	{ "gc_reserve_bytes", FIELD(GC_RESERVE_BYTES),
	  .unit = SB_OPTION_SECTORS, .max = U64_MAX },
	{ "root_reserve_percent", FIELD(ROOT_RESERVE), COUNT(0, 99) },
	{ "wide_macs", FIELD(128_BIT_MACS), BOOL },
	{ "promote_whole_extents", FIELD(PROMOTE_WHOLE_EXTENTS), BOOL, .before_1_10 = 1 },
	{ "acl", FIELD(POSIX_ACL), BOOL },
	{ "usrquota", FIELD(USRQUOTA), BOOL },
	{ "grpquota", FIELD(GRPQUOTA), BOOL },
	{ "prjquota", FIELD(PRJQUOTA), BOOL },
	{ "journal_flush_delay", FIELD(JOURNAL_FLUSH_DELAY),
	  COUNT(1, U32_MAX - 1), .if_zero = 1000 },
	{ "journal_flush_disabled", FIELD(JOURNAL_FLUSH_DISABLED), BOOL },
	{ "journal_reclaim_delay", FIELD(JOURNAL_RECLAIM_DELAY),
	  COUNT(0, U32_MAX - 1), .if_zero = 1000 },
	{ "journal_transaction_names", FIELD(JOURNAL_TRANSACTION_NAMES), BOOL },
	{ "allocator_stuck_timeout", FIELD(ALLOCATOR_STUCK_TIMEOUT),
	  COUNT(0, 65534), .before_1_10 = 30 },
	{ "version_upgrade", FIELD(VERSION_UPGRADE), CHOICE(version_upgrades) },
	{ "nocow", FIELD(NOCOW), BOOL },
};

static_assert(ARRAY_SIZE(bce_sb_options) <= BCE_SB_OPTIONS_MAX);
const unsigned int bce_sb_nr_options = ARRAY_SIZE(bce_sb_options);

const struct sb_option_desc *bce_sb_option_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < bce_sb_nr_options; i++)
		if (!strcmp(bce_sb_options[i].name, name))
			return &bce_sb_options[i];
	return NULL;
}

/* the bits as they are */
static u64 option_stored(const struct bch_sb *sb, const struct sb_option_desc *desc)
{
	u64 v;

	if (desc->word == SB_OPTION_WORD_BLOCK_SIZE)
		return le16_to_cpu(sb->block_size);
	/* a running set's are changed while others ask for them */
	v = bits_get(le64_to_cpu(READ_ONCE(sb->flags[desc->word])), desc->lo, desc->hi);
	if (desc->hi_word >= 0)
		v |= bits_get(le64_to_cpu(sb->flags[desc->hi_word]), desc->hi_lo, desc->hi_hi) <<
		     (desc->hi - desc->lo);
	return v;
}

static u64 sectors_to_bytes_clamped(u64 sectors)
{
	return sectors > U64_MAX / SECTOR_BYTES ? U64_MAX : sectors * SECTOR_BYTES;
}

u64 bce_sb_option_get(const struct bch_sb *sb, const struct sb_option_desc *desc)
{
	u64 v = option_stored(sb, desc);

	if (!v && desc->if_zero)
		return desc->if_zero;
	if (!v && desc->before_1_10 &&
	    le16_to_cpu(sb->version) < BCH_VERSION_disk_accounting_v3)
		return desc->before_1_10;

	switch (desc->unit) {
	case SB_OPTION_SECTORS:
		return sectors_to_bytes_clamped(v);
	case SB_OPTION_LOG2_SECTORS:
		return (u64)SECTOR_BYTES << (v < 54 ? v : 54);
	default:
		return v;
	}
}

const char *bce_sb_option_check(const struct sb_option_desc *desc, u64 v)
{
	if (v < desc->min)
		return "too small";
	if (v > desc->max)
		return "too big";
	if (desc->pow2 && !is_power_of_2(v))
		return "not a power of two";
	if (desc->unit == SB_OPTION_COMPRESSION) {
		if ((v & 15) >= BCH_COMPRESSION_OPT_NR)
			return "an unknown algorithm";
		if (!(v & 15) && v >> 4)
			return "a level without an algorithm";
	}
	return NULL;
}

/* what is stored for a value in user units */
static u64 option_to_stored(const struct sb_option_desc *desc, u64 v)
{
	switch (desc->unit) {
	case SB_OPTION_SECTORS:
		return v / SECTOR_BYTES;
	case SB_OPTION_LOG2_SECTORS:
		return v < SECTOR_BYTES ? 0 : ilog2(v / SECTOR_BYTES);
	default:
		return v;
	}
}

static void flag_bits_set(struct bch_sb *sb, unsigned int word, unsigned int lo, unsigned int hi,
			  u64 v)
{
	WRITE_ONCE(sb->flags[word], cpu_to_le64(bits_set(le64_to_cpu(sb->flags[word]), lo, hi, v)));
}

/* features that data written under this option will use */
static u64 option_features(const struct sb_option_desc *desc, u64 v)
{
	static const u8 compression[BCH_COMPRESSION_OPT_NR] = {
		[BCH_COMPRESSION_OPT_lz4]	= BCH_FEATURE_lz4,
		[BCH_COMPRESSION_OPT_gzip]	= BCH_FEATURE_gzip,
		[BCH_COMPRESSION_OPT_zstd]	= BCH_FEATURE_zstd,
	};

	if (desc->unit == SB_OPTION_COMPRESSION && (v & 15))
		return 1ULL << compression[v & 15];
	if (desc->word == BCH_SB_ERASURE_CODE_WORD && desc->lo == BCH_SB_ERASURE_CODE_LO && v)
		return 1ULL << BCH_FEATURE_ec;
	return 0;
}

void bce_sb_option_set(struct bch_sb *sb, const struct sb_option_desc *desc, u64 value)
{
	u64 v = option_to_stored(desc, value);

	if (desc->word == SB_OPTION_WORD_BLOCK_SIZE) {
		sb->block_size = cpu_to_le16(v);
		return;
	}
	flag_bits_set(sb, desc->word, desc->lo, desc->hi, v);
	if (desc->hi_word >= 0)
		flag_bits_set(sb, desc->hi_word, desc->hi_lo, desc->hi_hi,
			      v >> (desc->hi - desc->lo));
	sb->features[0] |= cpu_to_le64(option_features(desc, value));
}

int sb_options_check(const struct bch_sb *sb, struct text_buf *why)
{
	const struct sb_option_desc *desc;
	const char *what;

	for (desc = bce_sb_options; desc < bce_sb_options + bce_sb_nr_options; desc++) {
		u64 v = bce_sb_option_get(sb, desc);

		what = bce_sb_option_check(desc, v);
		if (what) {
			bce_text_printf(why, "option %s is %llu, which is %s (allowed: %llu to %llu)",
					desc->name, (unsigned long long)v, what,
					(unsigned long long)desc->min,
					(unsigned long long)desc->max);
			return -EINVAL;
		}
	}
	return 0;
}

u64 bce_sb_option_named(const struct bch_sb *sb, const char *name)
{
	const struct sb_option_desc *desc = bce_sb_option_by_name(name);

	return desc ? bce_sb_option_get(sb, desc) : 0;
}

static void choice_text(struct text_buf *out, const char *const *choices, u64 chosen)
{
	u64 i;

	for (i = 0; choices[i]; i++)
		bce_text_printf(out, i == chosen ? "[%s] " : "%s ", choices[i]);
}

static void compression_text(struct text_buf *out, u64 v)
{
	if ((v & 15) >= BCH_COMPRESSION_OPT_NR) {
		bce_text_printf(out, "unknown (%llu)", (unsigned long long)v);
		return;
	}
	bce_text_printf(out, "%s", compression_opts[v & 15]);
	if (v >> 4)
		bce_text_printf(out, ":%llu", (unsigned long long)(v >> 4));
}

void bce_sb_option_text(struct text_buf *out, const struct bch_sb *sb,
			const struct sb_option_desc *desc)
{
	u64 v = bce_sb_option_get(sb, desc);

	switch (desc->unit) {
	case SB_OPTION_CHOICE:
		choice_text(out, desc->choices, v);
		break;
	case SB_OPTION_SECTORS:
	case SB_OPTION_LOG2_SECTORS:
		text_size(out, v);
		break;
	case SB_OPTION_COMPRESSION:
		compression_text(out, v);
		break;
	case SB_OPTION_TARGET:
		bce_sb_target_text(out, sb, v);
		break;
	default:
		bce_text_printf(out, "%llu", (unsigned long long)v);
	}
}
