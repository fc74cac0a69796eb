// SPDX-License-Identifier: GPL-2.0
/*
 * What a set notes about itself in its superblock: findings, statistics, and what other versions
 * of the software have to do before they may trust it (section downgrade).
 *
 * Source: docs/format/10-superblock.md, 6.10, 6.12 to 6.14.
 */
#include "engine/sb/write.h"

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/string.h>

#include "engine/format/counters.h"
#include "engine/format/errors.h"
#include "engine/format/passes.h"
#include "engine/format/version.h"
#include "engine/sb/write_internal.h"

/* ---- errors ---- */

#define ERROR_ENTRY_U64S	(sizeof(struct bch_sb_error_entry) / 8)
#define ERROR_COUNT_MAX		((1ULL << 48) - 1)

static unsigned int errors_nr(const struct bch_sb_field *f)
{
	return f ? (sb_field_bytes(f) - sizeof(*f)) / sizeof(struct bch_sb_error_entry) : 0;
}

static u64 error_id(const struct bch_sb_error_entry *e)
{
	return BITS_GET(le64_to_cpu(e->v), BCH_SB_ERROR_ID);
}

/* the entry of @id, or where it belongs */
static unsigned int error_place(const struct bch_sb_field *f, unsigned int id)
{
	const struct bch_sb_field_errors *errors = (const void *)f;
	unsigned int i = 0, nr = errors_nr(f);

	while (i < nr && error_id(&errors->entries[i]) < id)
		i++;
	return i;
}

/* the section with an entry for @id at @at */
static struct bch_sb_field_errors *error_entry_make(struct sb_writer *w, unsigned int id,
						    unsigned int at)
{
	struct bch_sb_field *f = sb_writer_field(w, BCH_SB_FIELD_errors);
	struct bch_sb_field_errors *errors = (void *)f;
	unsigned int nr = errors_nr(f);

	if (at < nr && error_id(&errors->entries[at]) == id)
		return errors;
	f = bce_sb_field_resize(w, BCH_SB_FIELD_errors, 1 + ERROR_ENTRY_U64S * (nr + 1));
	if (IS_ERR(f))
		return (void *)f;
	errors = (void *)f;
	memmove(&errors->entries[at + 1], &errors->entries[at],
		(nr - at) * sizeof(errors->entries[0]));
	errors->entries[at].v = cpu_to_le64(BITS_SET(0ULL, BCH_SB_ERROR_ID, (u64)id));
	return errors;
}

int bce_sb_error_count(struct sb_writer *w, unsigned int error_id, u64 nr)
{
	unsigned int at = error_place(sb_writer_field(w, BCH_SB_FIELD_errors), error_id);
	struct bch_sb_field_errors *errors;
	u64 v, count;

	if (error_id > U16_MAX)
		return -EINVAL;
	/* counted or not, there was one */
	SB_FLAG_SET(w->sb, HAS_ERRORS, 1);
	w->unwritten = true;
	errors = error_entry_make(w, error_id, at);
	if (IS_ERR(errors))
		return PTR_ERR(errors);
	v = le64_to_cpu(errors->entries[at].v);
	count = BITS_GET(v, BCH_SB_ERROR_COUNT);
	count += min_t(u64, nr, ERROR_COUNT_MAX - min_t(u64, count, ERROR_COUNT_MAX));
	v = BITS_SET(v, BCH_SB_ERROR_COUNT, count);
	errors->entries[at].v = cpu_to_le64(v);
	errors->entries[at].last_error_time = cpu_to_le64(ktime_get_real_seconds());
	return 0;
}

/* ---- ext ---- */

struct bch_sb_field_ext *bce_sb_ext(struct sb_writer *w)
{
	struct bch_sb_field *f = sb_writer_field(w, BCH_SB_FIELD_ext);
	unsigned int u64s = sizeof(struct bch_sb_field_ext) / 8;

	if (!f || le32_to_cpu(f->u64s) < u64s)
		f = bce_sb_field_resize(w, BCH_SB_FIELD_ext, u64s);
	return (void *)f;
}

/* ---- counters ---- */

int bce_sb_counter_add(struct sb_writer *w, unsigned int counter, u64 add)
{
	struct bch_sb_field *f = sb_writer_field(w, BCH_SB_FIELD_counters);
	struct bch_sb_field_counters *c;

	if (counter >= BCH_COUNTER_NR)
		return -EINVAL;
	if (!f || le32_to_cpu(f->u64s) < 1 + BCH_COUNTER_NR)
		f = bce_sb_field_resize(w, BCH_SB_FIELD_counters, 1 + BCH_COUNTER_NR);
	if (IS_ERR(f))
		return PTR_ERR(f);
	c = (void *)f;
	le64_add_cpu(&c->d[counter], add);
	return 0;
}

/* ---- downgrade ---- */

#define DOWNGRADE_ERRORS_MAX	13

struct downgrade_row {
	u16	version;
	bool	if_stripes;	/* only where there can be stripes */
	u8	nr_errors;
	u16	errors[DOWNGRADE_ERRORS_MAX];
};

/* all of them ask for the pass check_allocations */
static const struct downgrade_row downgrade_rows[] = {
	{ BCH_VERSION_bucket_stripe_sectors, true, 1, { BCE_ERR_alloc_key_dirty_sectors_wrong } },
	{ BCH_VERSION_disk_accounting_v2, false, 12, {
		BCE_ERR_dev_usage_buckets_wrong, BCE_ERR_dev_usage_sectors_wrong,
		BCE_ERR_dev_usage_fragmented_wrong, BCE_ERR_fs_usage_hidden_wrong,
		BCE_ERR_fs_usage_btree_wrong, BCE_ERR_fs_usage_data_wrong,
		BCE_ERR_fs_usage_cached_wrong, BCE_ERR_fs_usage_reserved_wrong,
		BCE_ERR_fs_usage_nr_inodes_wrong, BCE_ERR_fs_usage_persistent_reserved_wrong,
		BCE_ERR_fs_usage_replicas_wrong, BCE_ERR_bkey_version_in_future } },
	{ BCH_VERSION_disk_accounting_v3, false, 13, {
		BCE_ERR_dev_usage_buckets_wrong, BCE_ERR_dev_usage_sectors_wrong,
		BCE_ERR_dev_usage_fragmented_wrong, BCE_ERR_fs_usage_hidden_wrong,
		BCE_ERR_fs_usage_btree_wrong, BCE_ERR_fs_usage_data_wrong,
		BCE_ERR_fs_usage_cached_wrong, BCE_ERR_fs_usage_reserved_wrong,
		BCE_ERR_fs_usage_nr_inodes_wrong, BCE_ERR_fs_usage_persistent_reserved_wrong,
		BCE_ERR_fs_usage_replicas_wrong, BCE_ERR_accounting_replicas_not_marked,
		BCE_ERR_bkey_version_in_future } },
	{ BCH_VERSION_rebalance_work_acct_fix, false, 1, { BCE_ERR_accounting_mismatch } },
};

static bool row_applies(const struct bch_sb *sb, const struct downgrade_row *row)
{
	return !row->if_stripes || (le64_to_cpu(sb->features[0]) >> BCH_FEATURE_ec & 1);
}

static size_t row_bytes(const struct downgrade_row *row)
{
	return sizeof(struct bch_sb_field_downgrade_entry) + sizeof(__le16) * row->nr_errors;
}

static u8 *row_put(u8 *p, const struct downgrade_row *row)
{
	struct bch_sb_field_downgrade_entry *e = (void *)p;
	unsigned int i;

	e->version = cpu_to_le16(row->version);
	e->recovery_passes[0] = cpu_to_le64(1ULL << BCH_PASS_STABLE_check_allocations);
	e->recovery_passes[1] = 0;
	e->nr_errors = cpu_to_le16(row->nr_errors);
	for (i = 0; i < row->nr_errors; i++)
		e->errors[i] = cpu_to_le16(row->errors[i]);
	return p + row_bytes(row);
}

/*
 * The table for older software. A longer one than ours is a newer writer's and stays; so does
 * whatever a set has that is not at our version.
 */
static int downgrade_refresh(struct sb_writer *w)
{
	const struct downgrade_row *row, *end = downgrade_rows + ARRAY_SIZE(downgrade_rows);
	struct bch_sb_field *f = sb_writer_field(w, BCH_SB_FIELD_downgrade);
	size_t bytes = sizeof(*f);
	unsigned int u64s;
	u8 *p;

	if (le16_to_cpu(w->sb->version) != BCH_VERSION_CURRENT)
		return 0;
	for (row = downgrade_rows; row < end; row++)
		bytes += row_applies(w->sb, row) ? row_bytes(row) : 0;
	u64s = DIV_ROUND_UP(bytes, 8);
	if (f && le32_to_cpu(f->u64s) > u64s)
		return 0;
	f = bce_sb_field_resize(w, BCH_SB_FIELD_downgrade, u64s);
	if (IS_ERR(f))
		return PTR_ERR(f);
	memset(f + 1, 0, 8 * (size_t)u64s - sizeof(*f));
	for (row = downgrade_rows, p = (u8 *)(f + 1); row < end; row++)
		if (row_applies(w->sb, row))
			p = row_put(p, row);
	return 0;
}

int sb_derived_sections(struct sb_writer *w)
{
	int ret = sb_members_normalize(w);

	if (!ret)
		ret = PTR_ERR_OR_ZERO(bce_sb_ext(w));
	if (!ret && !sb_writer_field(w, BCH_SB_FIELD_errors))
		ret = PTR_ERR_OR_ZERO(bce_sb_field_resize(w, BCH_SB_FIELD_errors, 1));
	if (!ret)
		ret = bce_sb_counter_add(w, BCH_COUNTER_write_super, 1);
	if (!ret)
		ret = downgrade_refresh(w);
	if (!ret)
		sb_members_v1_copy(w);
	return ret;
}
