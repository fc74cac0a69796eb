// SPDX-License-Identifier: GPL-2.0
/*
 * A superblock for people, in the form of the show-super.txt references.
 *
 *   header facts          "Name:                 value", values in one column
 *   Options:              one per line
 *   layout:
 *   <section> (size n):   in the order of the disk, a blank line before each
 *
 * The device's own name ("Device: ...") is not ours to know; whoever opened it prints that
 * line before. Images that were not validated can be printed: walks stop where a section
 * does not hold what it should.
 */
#include "engine/sb/sb.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/format/counters.h"
#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/format/passes.h"
#include "engine/key/text.h"
#include "engine/sb/entry.h"
#include "engine/sb/replicas.h"
#include "engine/sb/sb_internal.h"
#include "engine/sb/text_internal.h"

#define VALUE_COLUMN	43
#define LAYOUT_COLUMN	27
#define CRYPT_COLUMN	19
#define CLEAN_COLUMN	16

#define x(name, nr, ...)	[nr] = #name,
static const char *const feature_names[] = { BCH_FEATURE_LIST(x) };
static const char *const compat_names[] = { BCH_COMPAT_LIST(x) };
static const char *const data_type_names[] = { BCH_DATA_TYPE_LIST(x) };
static const char *const state_names[] = { BCH_MEMBER_STATE_LIST(x) };
static const char *const counter_names[] = { BCH_COUNTER_LIST(x) };
static const char *const btree_names[] = { BTREE_ID_LIST(x) };
#undef x

/* by stable id */
static const char *const pass_names[64] = {
#define x(name, order, stable, when)	[stable] = #name,
	BCH_RECOVERY_PASS_LIST(x)
#undef x
};

static const char *const iops_names[BCH_IOPS_NR] = {
	"seqread", "seqwrite", "randread", "randwrite",
};
static const char *const error_names[BCH_MEMBER_ERROR_NR] = { "read", "write", "checksum" };

/* "name" and the spaces up to the values' column */
static void label_at(struct text_buf *out, unsigned int column, const char *name)
{
	size_t start = out->len;

	bce_text_printf(out, "%s", name);
	text_pad(out, start, column);
}

static void label(struct text_buf *out, const char *name)
{
	label_at(out, VALUE_COLUMN, name);
}

static void number_line(struct text_buf *out, unsigned int column, const char *name, u64 v)
{
	label_at(out, column, name);
	bce_text_printf(out, "%llu\n", (unsigned long long)v);
}

static void number(struct text_buf *out, const char *name, u64 v)
{
	number_line(out, VALUE_COLUMN, name, v);
}

static void size_line(struct text_buf *out, const char *name, u64 bytes)
{
	label(out, name);
	text_size(out, bytes);
	bce_text_putc(out, '\n');
}

static void string_line(struct text_buf *out, const char *name, const char *s)
{
	label(out, name);
	bce_text_printf(out, "%s\n", s);
}

static void uuid_line(struct text_buf *out, const char *name, const u8 uuid[16])
{
	label(out, name);
	text_uuid(out, uuid);
	bce_text_putc(out, '\n');
}

static void version_line(struct text_buf *out, const char *name, unsigned int version)
{
	label(out, name);
	bce_version_text(out, version);
	bce_text_putc(out, '\n');
}

static void date_line(struct text_buf *out, const char *name, s64 seconds)
{
	label(out, name);
	text_date(out, seconds);
	bce_text_putc(out, '\n');
}

static void bits_line(struct text_buf *out, const char *name, u64 bits,
		      const char *const *names, unsigned int nr_names)
{
	label(out, name);
	text_bits(out, bits, names, nr_names);
	bce_text_putc(out, '\n');
}

/* ---- header ---- */

static unsigned int nr_members(const struct bch_sb *sb)
{
	unsigned int idx, nr = 0;
	struct member_info m;

	for (idx = 0; idx < sb->nr_devices; idx++) {
		bce_sb_member(sb, idx, &m);
		nr += m.exists;
	}
	return nr;
}

/* names of the sections that are there, by type number */
static void sections_line(struct text_buf *out, const struct bch_sb *sb)
{
	const struct bch_sb_field *f = NULL;
	const char *comma = "";
	unsigned int type;

	label(out, "Sections:");
	for (type = 0; type < BCH_SB_FIELD_NR; type++)
		if (bce_sb_field(sb, type, NULL)) {
			bce_text_printf(out, "%s%s", comma, sb_field_name(type));
			comma = ",";
		}
	while ((f = sb_field_next(sb, f)))
		if (!sb_field_name(le32_to_cpu(f->type))) {
			bce_text_printf(out, "%sunknown %u", comma, le32_to_cpu(f->type));
			comma = ",";
		}
	bce_text_putc(out, '\n');
}

static void header_text(struct text_buf *out, const struct bch_sb *sb)
{
	struct sb_info info;

	bce_sb_info(sb, &info);
	uuid_line(out, "External UUID:", info.user_uuid);
	uuid_line(out, "Internal UUID:", info.uuid);
	uuid_line(out, "Magic number:", sb->magic);
	number(out, "Device index:", info.dev_idx);
	string_line(out, "Label:", info.label[0] ? info.label : "(none)");
	version_line(out, "Version:", info.version);
	version_line(out, "Version upgrade complete:", info.version_upgrade_complete);
	version_line(out, "Oldest version on disk:", info.version_min);
	date_line(out, "Created:", info.time_base_ns / 1000000000);
	number(out, "Sequence number:", info.seq);
	date_line(out, "Time of last write:", info.write_time);

	label(out, "Superblock size:");
	text_size(out, sb_total_bytes(sb));
	bce_text_putc(out, '/');
	text_size(out, (u64)SECTOR_BYTES << min_t(u8, sb->layout.sb_max_size_bits, 54));
	bce_text_putc(out, '\n');

	number(out, "Clean:", info.clean);
	number(out, "Devices:", nr_members(sb));
	sections_line(out, sb);
	bits_line(out, "Features:", info.features, feature_names, ARRAY_SIZE(feature_names));
	bits_line(out, "Compat features:", info.compat, compat_names, ARRAY_SIZE(compat_names));
}

static void options_text(struct text_buf *out, const struct bch_sb *sb)
{
	unsigned int i;

	bce_text_printf(out, "\nOptions:\n");
	for (i = 0; i < bce_sb_nr_options; i++) {
		size_t start = out->len;

		bce_text_printf(out, "  %s:", bce_sb_options[i].name);
		text_pad(out, start, VALUE_COLUMN);
		bce_sb_option_text(out, sb, &bce_sb_options[i]);
		bce_text_putc(out, '\n');
	}
}

static void layout_text(struct text_buf *out, const struct bch_sb_layout *l)
{
	unsigned int i, nr = min_t(unsigned int, l->nr_superblocks, BCH_SB_LAYOUT_COPIES);

	bce_text_printf(out, "\nlayout:\n");
	number_line(out, LAYOUT_COLUMN, "  Type:", l->layout_type);
	label_at(out, LAYOUT_COLUMN, "  Superblock max size:");
	text_size(out, (u64)SECTOR_BYTES << min_t(u8, l->sb_max_size_bits, 54));
	bce_text_putc(out, '\n');
	number_line(out, LAYOUT_COLUMN, "  Nr superblocks:", l->nr_superblocks);
	label_at(out, LAYOUT_COLUMN, "  Offsets:");
	for (i = 0; i < nr; i++)
		bce_text_printf(out, "%s%llu", i ? ", " : "",
				(unsigned long long)le64_to_cpu(l->sb_offset[i]));
	bce_text_putc(out, '\n');
}

/* ---- members ---- */

/* the last component of the label, and its index */
static void member_label_line(struct text_buf *out, const struct bch_sb *sb,
			      const struct member_info *m)
{
	const struct bch_disk_group *groups;
	unsigned int nr;

	label(out, "  Label:");
	groups = sb_groups(sb, &nr);
	if (!m->group)
		bce_text_printf(out, "(none)\n");
	else if (m->group > nr)
		bce_text_printf(out, "(missing) (%u)\n", m->group - 1);
	else
		bce_text_printf(out, "%.32s (%u)\n", groups[m->group - 1].label, m->group - 1);
}

static void member_counts(struct text_buf *out, const struct bch_member *record)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < BCH_MEMBER_ERROR_NR; i++) {
		snprintf(name, sizeof(name), "  %s errors:", error_names[i]);
		number(out, name, le64_to_cpu(record->errors[i]));
	}
	for (i = 0; i < BCH_IOPS_NR; i++) {
		snprintf(name, sizeof(name), "  %s iops:", iops_names[i]);
		number(out, name, le32_to_cpu(record->iops[i]));
	}
}

static void bits_or_none_line(struct text_buf *out, const char *name, u64 bits)
{
	if (bits)
		bits_line(out, name, bits, data_type_names, ARRAY_SIZE(data_type_names));
	else
		string_line(out, name, "(none)");
}

static void bitmap_line(struct text_buf *out, const char *name, u64 bits)
{
	int bit;

	label(out, name);
	for (bit = 63; bit >= 0; bit--)
		bce_text_putc(out, bits >> bit & 1 ? '1' : '0');
	bce_text_putc(out, '\n');
}

static void member_text(struct text_buf *out, const struct bch_sb *sb, unsigned int idx,
			const struct bch_member *record)
{
	struct member_info m;

	sb_member_decode(record, &m);
	if (!m.exists)
		return;
	number(out, "Device:", idx);
	member_label_line(out, sb, &m);
	uuid_line(out, "  UUID:", m.uuid);
	size_line(out, "  Size:", m.nbuckets * m.bucket_sectors * SECTOR_BYTES);
	member_counts(out, record);
	size_line(out, "  Bucket size:", (u64)m.bucket_sectors * SECTOR_BYTES);
	number(out, "  First bucket:", m.first_bucket);
	number(out, "  Buckets:", m.nbuckets);
	if (m.last_mount)
		date_line(out, "  Last mount:", m.last_mount);
	else
		string_line(out, "  Last mount:", "(never)");
	number(out, "  Last superblock write:", m.seq);
	string_line(out, "  State:", m.state < ARRAY_SIZE(state_names) ? state_names[m.state]
								       : "unknown");
	bits_or_none_line(out, "  Data allowed:", m.data_allowed);
	bits_or_none_line(out, "  Has data:", bce_replicas_data_of(sb, idx));
	size_line(out, "  Btree allocated bitmap blocksize:",
		  1ULL << min_t(u8, m.btree_bitmap_shift, 63));
	bitmap_line(out, "  Btree allocated bitmap:", m.btree_bitmap);
	number(out, "  Durability:", m.durability);
	number(out, "  Discard:", m.discard);
	number(out, "  Freespace initialized:", m.freespace_initialized);
}

static void members_text(struct text_buf *out, const struct bch_sb *sb,
			 const struct bch_sb_field *f)
{
	struct bch_member record;
	unsigned int idx;

	for (idx = 0; idx < sb->nr_devices; idx++)
		if (sb_member_of_field(f, idx, &record))
			member_text(out, sb, idx, &record);
}

/* ---- the other sections ---- */

static size_t records(const struct bch_sb_field *f, size_t head_bytes, size_t record_bytes)
{
	return sb_field_bytes(f) < head_bytes ? 0 : (sb_field_bytes(f) - head_bytes) / record_bytes;
}

static void journal_text(struct text_buf *out, const struct bch_sb *sb,
			 const struct bch_sb_field *f)
{
	const struct bch_sb_field_journal *j = (const void *)f;
	size_t i, nr = records(f, sizeof(*j), sizeof(j->buckets[0]));

	bce_text_printf(out, "Buckets: ");
	for (i = 0; i < nr; i++)
		bce_text_printf(out, " %llu", (unsigned long long)le64_to_cpu(j->buckets[i]));
	bce_text_putc(out, '\n');
}

static void journal_v2_text(struct text_buf *out, const struct bch_sb *sb,
			    const struct bch_sb_field *f)
{
	const struct bch_sb_field_journal_v2 *j = (const void *)f;
	size_t i, nr = records(f, sizeof(*j), sizeof(j->d[0]));

	bce_text_printf(out, "Buckets: ");
	for (i = 0; i < nr; i++)
		bce_text_printf(out, " %llu-%llu", (unsigned long long)le64_to_cpu(j->d[i].start),
				(unsigned long long)(le64_to_cpu(j->d[i].start) +
						     le64_to_cpu(j->d[i].nr)));
	bce_text_putc(out, '\n');
}

static void crypt_text(struct text_buf *out, const struct bch_sb *sb,
		       const struct bch_sb_field *f)
{
	const struct bch_sb_field_crypt *c = (const void *)f;
	u64 kdf;

	if (sb_field_bytes(f) < sizeof(*c))
		return;
	kdf = le64_to_cpu(c->kdf_flags);
	number_line(out, CRYPT_COLUMN, "KFD:",
		    BITS_GET(le64_to_cpu(c->flags), BCH_CRYPT_KDF_TYPE));
	number_line(out, CRYPT_COLUMN, "scrypt n:", BITS_GET(kdf, BCH_KDF_SCRYPT_N));
	number_line(out, CRYPT_COLUMN, "scrypt r:", BITS_GET(kdf, BCH_KDF_SCRYPT_R));
	number_line(out, CRYPT_COLUMN, "scrypt p:", BITS_GET(kdf, BCH_KDF_SCRYPT_P));
}

static void replicas_text(struct text_buf *out, const struct bch_sb *sb,
			  const struct bch_sb_field *f)
{
	struct replicas_entry e;
	struct replicas_walk w;
	const char *space = "";
	unsigned int i;

	bce_replicas_walk_field(&w, f);
	while (bce_replicas_next(&w, &e)) {
		bce_text_printf(out, "%s%s: ", space, bce_data_type_name(e.data_type));
		if (!w.v0)
			bce_text_printf(out, "%u/", e.nr_required);
		bce_text_printf(out, "%u [", e.nr_devs);
		for (i = 0; i < e.nr_devs; i++)
			bce_text_printf(out, "%s%u", i ? " " : "", e.devs[i]);
		bce_text_putc(out, ']');
		space = " ";
	}
	bce_text_putc(out, '\n');
}

static void quota_text(struct text_buf *out, const struct bch_sb *sb,
		       const struct bch_sb_field *f)
{
	static const char *const types[BCH_QUOTA_NR] = { "user", "group", "project" };
	static const char *const counters[BCH_QUOTA_COUNTER_NR] = { "space", "inodes" };
	const struct bch_sb_field_quota *q = (const void *)f;
	unsigned int type, c;

	if (sb_field_bytes(f) < sizeof(*q))
		return;
	for (type = 0; type < BCH_QUOTA_NR; type++) {
		bce_text_printf(out, "%s: flags %llx", types[type],
				(unsigned long long)le64_to_cpu(q->q[type].flags));
		for (c = 0; c < BCH_QUOTA_COUNTER_NR; c++)
			bce_text_printf(out, " %s timelimit %u warnlimit %u", counters[c],
					le32_to_cpu(q->q[type].c[c].timelimit),
					le32_to_cpu(q->q[type].c[c].warnlimit));
		bce_text_putc(out, '\n');
	}
}

/* no newline at the end: so the references have it */
static void disk_groups_text(struct text_buf *out, const struct bch_sb *sb,
			     const struct bch_sb_field *f)
{
	const struct bch_sb_field_disk_groups *g = (const void *)f;
	size_t i, nr = records(f, sizeof(*g), sizeof(g->entries[0]));
	u64 flags;

	for (i = 0; i < nr; i++) {
		flags = le64_to_cpu(g->entries[i].flags[0]);
		bce_text_printf(out, "%s", i ? " " : "");
		if (BITS_GET(flags, BCH_GROUP_DELETED))
			bce_text_printf(out, "[deleted]");
		else
			bce_text_printf(out, "[parent %llu name %.32s]",
					(unsigned long long)BITS_GET(flags, BCH_GROUP_PARENT),
					g->entries[i].label);
	}
}

static void clean_text(struct text_buf *out, const struct bch_sb *sb,
		       const struct bch_sb_field *f)
{
	const struct bch_sb_field_clean *c = (const void *)f;
	const struct jset_entry *e;
	struct entry_walk w;

	if (sb_field_bytes(f) < sizeof(*c))
		return;
	number_line(out, CLEAN_COLUMN, "flags:", le32_to_cpu(c->flags));
	number_line(out, CLEAN_COLUMN, "journal_seq:", le64_to_cpu(c->journal_seq));
	bce_entry_walk_init(&w, c->entries, (sb_field_bytes(f) - sizeof(*c)) / 8);
	while ((e = bce_entry_next(&w))) {
		if (e->type == JSET_ENTRY_btree_keys && !e->u64s)
			continue;	/* padding */
		bce_entry_text(out, e, NULL);
		bce_text_putc(out, '\n');
	}
}

static void blacklist_text(struct text_buf *out, const struct bch_sb *sb,
			   const struct bch_sb_field *f)
{
	const struct bch_sb_field_journal_seq_blacklist *bl = (const void *)f;
	size_t i, nr = records(f, sizeof(*bl), sizeof(bl->entries[0]));

	for (i = 0; i < nr; i++)
		bce_text_printf(out, "%s%llu-%llu", i ? " " : "",
				(unsigned long long)le64_to_cpu(bl->entries[i].start),
				(unsigned long long)le64_to_cpu(bl->entries[i].end));
	bce_text_putc(out, '\n');
}

static void counters_text(struct text_buf *out, const struct bch_sb *sb,
			  const struct bch_sb_field *f)
{
	const struct bch_sb_field_counters *c = (const void *)f;
	size_t i, nr = records(f, sizeof(*c), sizeof(c->d[0]));

	for (i = 0; i < nr && i < ARRAY_SIZE(counter_names); i++)
		number(out, counter_names[i], le64_to_cpu(c->d[i]));
}

static void error_name_text(struct text_buf *out, unsigned int id)
{
	if (id < BCE_ERR_NR)
		bce_text_printf(out, "%s", bce_error_name(id));
	else
		bce_text_printf(out, "error %u", id);
}

static void errors_text(struct text_buf *out, const struct bch_sb *sb,
			const struct bch_sb_field *f)
{
	const struct bch_sb_field_errors *e = (const void *)f;
	size_t i, nr = records(f, sizeof(*e), sizeof(e->entries[0]));

	for (i = 0; i < nr; i++) {
		u64 v = le64_to_cpu(e->entries[i].v);
		size_t start = out->len;

		error_name_text(out, BITS_GET(v, BCH_SB_ERROR_ID));
		text_pad(out, start, VALUE_COLUMN);
		bce_text_printf(out, "%-16llu", (unsigned long long)BITS_GET(v, BCH_SB_ERROR_COUNT));
		text_date(out, le64_to_cpu(e->entries[i].last_error_time));
		bce_text_putc(out, '\n');
	}
}

static void silent_errors_line(struct text_buf *out, const struct bch_sb_field_ext *ext)
{
	const char *comma = "";
	unsigned int id;

	label(out, "Errors to silently fix:");
	for (id = 0; id < 64 * ARRAY_SIZE(ext->errors_silent); id++) {
		if (!(le64_to_cpu(ext->errors_silent[id / 64]) >> (id % 64) & 1))
			continue;
		bce_text_printf(out, "%s", comma);
		error_name_text(out, id);
		comma = ",";
	}
	bce_text_putc(out, '\n');
}

static void ext_text(struct text_buf *out, const struct bch_sb *sb, const struct bch_sb_field *f)
{
	const struct bch_sb_field_ext *ext = (const void *)f;

	if (sb_field_bytes(f) < BCH_SB_FIELD_EXT_BYTES_MIN)
		return;
	bits_line(out, "Recovery passes required:", le64_to_cpu(ext->recovery_passes_required[0]),
		  pass_names, ARRAY_SIZE(pass_names));
	silent_errors_line(out, ext);
	if (sb_field_bytes(f) >= sizeof(*ext))
		bits_line(out, "Btrees with missing data:", le64_to_cpu(ext->btrees_lost_data),
			  btree_names, ARRAY_SIZE(btree_names));
}

static void downgrade_entry_text(struct text_buf *out,
				 const struct bch_sb_field_downgrade_entry *e)
{
	unsigned int i;

	bce_text_printf(out, "version:\t");
	bce_version_text(out, le16_to_cpu(e->version));
	bce_text_printf(out, "\nrecovery passes:\t");
	text_bits(out, le64_to_cpu(e->recovery_passes[0]), pass_names, ARRAY_SIZE(pass_names));
	bce_text_printf(out, "\nerrors:\t");
	for (i = 0; i < le16_to_cpu(e->nr_errors); i++) {
		bce_text_printf(out, "%s", i ? "," : "");
		error_name_text(out, le16_to_cpu(e->errors[i]));
	}
	bce_text_putc(out, '\n');
}

static void downgrade_text(struct text_buf *out, const struct bch_sb *sb,
			   const struct bch_sb_field *f)
{
	const u8 *p = (const u8 *)(f + 1), *end = (const u8 *)f + sb_field_bytes(f);
	const struct bch_sb_field_downgrade_entry *e;
	size_t bytes;

	for (; end - p >= (ptrdiff_t)sizeof(*e); p += bytes) {
		e = (const void *)p;
		bytes = sizeof(*e) + 2 * le16_to_cpu(e->nr_errors);
		if (bytes > end - p)
			break;
		downgrade_entry_text(out, e);
	}
}

typedef void (*field_text_fn)(struct text_buf *out, const struct bch_sb *sb,
			      const struct bch_sb_field *f);

static const field_text_fn field_texts[BCH_SB_FIELD_NR] = {
	[BCH_SB_FIELD_journal]			= journal_text,
	[BCH_SB_FIELD_members_v1]		= members_text,
	[BCH_SB_FIELD_crypt]			= crypt_text,
	[BCH_SB_FIELD_replicas_v0]		= replicas_text,
	[BCH_SB_FIELD_quota]			= quota_text,
	[BCH_SB_FIELD_disk_groups]		= disk_groups_text,
	[BCH_SB_FIELD_clean]			= clean_text,
	[BCH_SB_FIELD_replicas]			= replicas_text,
	[BCH_SB_FIELD_journal_seq_blacklist]	= blacklist_text,
	[BCH_SB_FIELD_journal_v2]		= journal_v2_text,
	[BCH_SB_FIELD_counters]			= counters_text,
	[BCH_SB_FIELD_members_v2]		= members_text,
	[BCH_SB_FIELD_errors]			= errors_text,
	[BCH_SB_FIELD_ext]			= ext_text,
	[BCH_SB_FIELD_downgrade]		= downgrade_text,
};

int bce_sb_field_by_name(const char *name)
{
	for (unsigned int type = 0; type < BCH_SB_FIELD_NR; type++)
		if (!strcmp(name, sb_field_name(type)))
			return type;
	return -EINVAL;
}

void bce_sb_text(struct text_buf *out, const struct bch_sb *sb, bool layout, u64 fields_mask)
{
	const struct bch_sb_field *f = NULL;

	header_text(out, sb);
	options_text(out, sb);
	if (layout)
		layout_text(out, &sb->layout);
	while ((f = sb_field_next(sb, f))) {
		u32 type = le32_to_cpu(f->type);

		if (type >= BCH_SB_FIELD_NR || !(fields_mask >> type & 1))
			continue;
		bce_text_printf(out, "\n%s (size %zu):\n", sb_field_name(type), sb_field_bytes(f));
		field_texts[type](out, sb, f);
	}
}
