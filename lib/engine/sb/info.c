// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock in CPU order: header facts, sections by type, member records.
 *
 * Accessors expect a validated image, yet none of them believes a length from it: a section
 * that does not fit ends the search, a record that is not there reads as an empty slot. So
 * they are also safe on an image of which only the envelope was checked, as tools that show
 * broken superblocks need it.
 *
 * A member record has grown over the years. Both sections hold prefixes of struct
 * bch_member; what is not stored reads as zero, which is the right default of each field.
 */
#include "engine/sb/sb.h"

#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/sb/sb_internal.h"

const struct bch_sb_field *sb_field_next(const struct bch_sb *sb, const struct bch_sb_field *f)
{
	const u8 *end = (const u8 *)sb + sb_total_bytes(sb);
	const u8 *p = f ? (const u8 *)f + sb_field_bytes(f) : (const u8 *)sb->sections;

	if (end - p < (ptrdiff_t)sizeof(*f))
		return NULL;
	f = (const void *)p;
	if (!f->u64s || sb_field_bytes(f) > end - p)
		return NULL;
	return f;
}

const struct bch_sb_field *bce_sb_field(const struct bch_sb *sb, unsigned int type, size_t *bytes)
{
	const struct bch_sb_field *f = NULL;

	while ((f = sb_field_next(sb, f)))
		if (le32_to_cpu(f->type) == type)
			break;
	if (bytes)
		*bytes = f ? sb_field_bytes(f) : 0;
	return f;
}

static void info_identity(const struct bch_sb *sb, struct sb_info *out)
{
	__le64 word;

	memcpy(out->uuid, sb->uuid, sizeof(out->uuid));
	memcpy(out->user_uuid, sb->user_uuid, sizeof(out->user_uuid));
	memcpy(out->label, sb->label, sizeof(sb->label));
	out->label[sizeof(sb->label)] = '\0';
	memcpy(&word, sb->uuid, sizeof(word));
	out->uuid_word = le64_to_cpu(word);
	out->dev_idx = sb->dev_idx;
	out->nr_devices = sb->nr_devices;
}

void bce_sb_info(const struct bch_sb *sb, struct sb_info *out)
{
	memset(out, 0, sizeof(*out));
	info_identity(sb, out);
	out->version = le16_to_cpu(sb->version);
	out->version_min = le16_to_cpu(sb->version_min);
	out->version_upgrade_complete = BCH_SB_FLAG(sb, VERSION_UPGRADE_COMPLETE) ?: out->version;
	out->seq = le64_to_cpu(sb->seq);
	out->write_time = le64_to_cpu(sb->write_time);
	out->block_sectors = le16_to_cpu(sb->block_size);
	out->btree_node_sectors = BCH_SB_FLAG(sb, BTREE_NODE_SIZE);
	out->time_base_ns = le64_to_cpu(sb->time_base_lo);
	out->time_precision = le32_to_cpu(sb->time_precision);
	out->features = le64_to_cpu(sb->features[0]);
	out->compat = le64_to_cpu(sb->compat[0]);
	out->initialized = BCH_SB_FLAG(sb, INITIALIZED);
	out->clean = BCH_SB_FLAG(sb, CLEAN);
	out->encrypted = BCH_SB_FLAG(sb, ENCRYPTION_TYPE) != 0;
	out->acl = BCH_SB_FLAG(sb, POSIX_ACL);
	out->has_errors = BCH_SB_FLAG(sb, HAS_ERRORS);
	out->has_topology_errors = BCH_SB_FLAG(sb, HAS_TOPOLOGY_ERRORS);
	out->csum_type = BCH_SB_FLAG(sb, CSUM_TYPE);
	out->encoded_extent_max_sectors =
		1U << min_t(u64, BCH_SB_FLAG(sb, ENCODED_EXTENT_MAX_BITS), 31);
}

/* @stride bytes per record from @first on; what a record lacks of *out stays zero */
static bool record_at(const struct bch_sb_field *f, size_t first, size_t stride, unsigned int idx,
		      struct bch_member *out)
{
	memset(out, 0, sizeof(*out));
	if (first + stride * (idx + 1) > sb_field_bytes(f))
		return false;
	memcpy(out, (const u8 *)f + first + stride * idx, min(stride, sizeof(*out)));
	return true;
}

bool sb_member_of_field(const struct bch_sb_field *f, unsigned int idx, struct bch_member *out)
{
	const struct bch_sb_field_members_v2 *v2 = (const void *)f;

	if (le32_to_cpu(f->type) == BCH_SB_FIELD_members_v1)
		return record_at(f, sizeof(*f), BCH_MEMBER_V1_BYTES, idx, out);
	if (sb_field_bytes(f) < sizeof(*v2)) {
		memset(out, 0, sizeof(*out));
		return false;
	}
	return record_at(f, sizeof(*v2), le16_to_cpu(v2->member_bytes), idx, out);
}

bool sb_member_record(const struct bch_sb *sb, unsigned int idx, struct bch_member *out)
{
	const struct bch_sb_field *f = bce_sb_field(sb, BCH_SB_FIELD_members_v2, NULL);

	if (!f)
		f = bce_sb_field(sb, BCH_SB_FIELD_members_v1, NULL);
	if (f && idx < sb->nr_devices)
		return sb_member_of_field(f, idx, out);
	memset(out, 0, sizeof(*out));
	return false;
}

void sb_member_decode(const struct bch_member *m, struct member_info *out)
{
	u64 flags = le64_to_cpu(m->flags);
	unsigned int durability = BITS_GET(flags, BCH_MEMBER_DURABILITY);
	unsigned int i;

	memset(out, 0, sizeof(*out));
	memcpy(out->uuid, m->uuid, sizeof(out->uuid));
	out->exists = memchr_inv(m->uuid, 0, sizeof(m->uuid)) != NULL;
	out->nbuckets = le64_to_cpu(m->nbuckets);
	out->first_bucket = le16_to_cpu(m->first_bucket);
	out->bucket_sectors = le16_to_cpu(m->bucket_size);
	out->last_mount = le64_to_cpu(m->last_mount);
	out->state = BITS_GET(flags, BCH_MEMBER_STATE);
	out->discard = BITS_GET(flags, BCH_MEMBER_DISCARD);
	out->data_allowed = BITS_GET(flags, BCH_MEMBER_DATA_ALLOWED);
	out->group = BITS_GET(flags, BCH_MEMBER_GROUP);
	out->durability = durability ? durability - 1 : 1;
	out->freespace_initialized = BITS_GET(flags, BCH_MEMBER_FREESPACE_INITIALIZED);
	out->seq = le64_to_cpu(m->seq);
	for (i = 0; i < BCH_MEMBER_ERROR_NR; i++)
		out->errors[i] = le64_to_cpu(m->errors[i]);
	out->btree_bitmap = le64_to_cpu(m->btree_allocated_bitmap);
	out->btree_bitmap_shift = m->btree_bitmap_shift;
	out->last_journal_bucket = le32_to_cpu(m->last_journal_bucket);
	out->last_journal_offset_sectors = le32_to_cpu(m->last_journal_bucket_offset);
}

void bce_sb_member(const struct bch_sb *sb, unsigned int idx, struct member_info *out)
{
	struct bch_member m;

	sb_member_record(sb, idx, &m);
	sb_member_decode(&m, out);
}

/* ---- what it asks for ---- */

u64 bce_sb_passes_required(const struct bch_sb *sb)
{
	size_t bytes;
	const struct bch_sb_field_ext *ext = (const void *)bce_sb_field(sb, BCH_SB_FIELD_ext, &bytes);

	return ext && bytes >= offsetofend(struct bch_sb_field_ext, recovery_passes_required) ?
		le64_to_cpu(ext->recovery_passes_required[0]) : 0;
}

bool bce_sb_wants_check(const struct bch_sb *sb)
{
	if (!BCH_SB_FLAG(sb, INITIALIZED))
		return false;
	return bce_sb_passes_required(sb) || BCH_SB_FLAG(sb, HAS_ERRORS) ||
		BCH_SB_FLAG(sb, HAS_TOPOLOGY_ERRORS) ||
		!(le64_to_cpu(sb->compat[0]) >> BCH_COMPAT_alloc_info & 1);
}
