// SPDX-License-Identifier: GPL-2.0
/*
 * Member records.
 *
 * They are kept in members_v2, whose records may be longer than what we know (a newer writer's:
 * the rest of each stays as it is) and are made long enough when a set is opened for writing.
 * members_v1 holds the first 56 bytes of each and is copied from there before every write.
 *
 * Source: docs/format/10-superblock.md, 6.1, 6.11.
 */
#include "engine/sb/write.h"

#include <linux/err.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"

#define BITMAP_BITS_LOG2	6	/* btree_allocated_bitmap is one word */
#define BITMAP_SHIFT_MAX	57

static unsigned int words(size_t bytes)
{
	return DIV_ROUND_UP(bytes, 8);
}

static unsigned int v1_u64s(unsigned int nr)
{
	return words(sizeof(struct bch_sb_field_members_v1) + BCH_MEMBER_V1_BYTES * nr);
}

static unsigned int v2_u64s(unsigned int nr, unsigned int stride)
{
	return words(sizeof(struct bch_sb_field_members_v2) + stride * nr);
}

static struct bch_sb_field_members_v2 *members_v2(struct sb_writer *w)
{
	return (void *)sb_writer_field(w, BCH_SB_FIELD_members_v2);
}

/* members_v2 for @nr members; without it so far, its stride is set */
static int v2_resize(struct sb_writer *w, unsigned int nr, unsigned int stride)
{
	struct bch_sb_field *f;

	f = bce_sb_field_resize(w, BCH_SB_FIELD_members_v2, v2_u64s(nr, stride));
	if (IS_ERR(f))
		return PTR_ERR(f);
	((struct bch_sb_field_members_v2 *)f)->member_bytes = cpu_to_le16(stride);
	return 0;
}

static int v1_resize(struct sb_writer *w, unsigned int nr)
{
	return PTR_ERR_OR_ZERO(bce_sb_field_resize(w, BCH_SB_FIELD_members_v1, v1_u64s(nr)));
}

int sb_members_normalize(struct sb_writer *w)
{
	struct bch_sb_field_members_v2 *v2 = members_v2(w);
	unsigned int nr = w->sb->nr_devices, idx;
	struct bch_member *m;
	int ret;

	/* nobody writes such records; they could not be changed in place */
	if (v2 && le16_to_cpu(v2->member_bytes) % 8)
		return -EINVAL;
	if (v2 && le16_to_cpu(v2->member_bytes) >= sizeof(*m) &&
	    bce_sb_field(w->sb, BCH_SB_FIELD_members_v1, NULL))
		return 0;
	m = kcalloc(nr, sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	for (idx = 0; idx < nr; idx++)
		sb_member_record(w->sb, idx, &m[idx]);
	ret = 0;
	if (!v2 || le16_to_cpu(v2->member_bytes) < sizeof(*m))
		ret = v2_resize(w, nr, sizeof(*m));
	if (!ret)
		ret = v1_resize(w, nr);
	for (idx = 0; idx < nr && !ret; idx++)
		*sb_members_record(w, idx) = m[idx];
	kfree(m);
	return ret;
}

struct bch_member *sb_members_record(struct sb_writer *w, unsigned int idx)
{
	struct bch_sb_field_members_v2 *v2 = members_v2(w);

	return (struct bch_member *)(v2->members + le16_to_cpu(v2->member_bytes) * idx);
}

void sb_members_v1_copy(struct sb_writer *w)
{
	struct bch_sb_field_members_v1 *v1;
	unsigned int idx;

	v1 = (void *)sb_writer_field(w, BCH_SB_FIELD_members_v1);
	for (idx = 0; v1 && idx < w->sb->nr_devices; idx++)
		memcpy(v1->members + BCH_MEMBER_V1_BYTES * idx, sb_members_record(w, idx),
		       BCH_MEMBER_V1_BYTES);
}

/* one more slot, zero */
static int slot_add(struct sb_writer *w)
{
	unsigned int nr = w->sb->nr_devices + 1;
	struct bch_sb_field_members_v2 *v2 = members_v2(w);
	int ret = v2_resize(w, nr, v2 ? le16_to_cpu(v2->member_bytes) :
					sizeof(struct bch_member));

	if (!ret)
		ret = v1_resize(w, nr);
	if (!ret)
		w->sb->nr_devices = nr;
	return ret;
}

static u64 member_flags(u64 flags, const struct member_info *m)
{
	flags = BITS_SET(flags, BCH_MEMBER_STATE, m->state);
	flags = BITS_SET(flags, BCH_MEMBER_DISCARD, m->discard);
	flags = BITS_SET(flags, BCH_MEMBER_DATA_ALLOWED, m->data_allowed);
	flags = BITS_SET(flags, BCH_MEMBER_GROUP, m->group);
	flags = BITS_SET(flags, BCH_MEMBER_DURABILITY, m->durability + 1);
	return BITS_SET(flags, BCH_MEMBER_FREESPACE_INITIALIZED, m->freespace_initialized);
}

static void member_encode(struct bch_member *out, const struct member_info *m)
{
	unsigned int i;

	if (m->exists)
		memcpy(out->uuid, m->uuid, sizeof(out->uuid));
	else
		memset(out->uuid, 0, sizeof(out->uuid));
	out->nbuckets = cpu_to_le64(m->nbuckets);
	out->first_bucket = cpu_to_le16(m->first_bucket);
	out->bucket_size = cpu_to_le16(m->bucket_sectors);
	out->last_mount = cpu_to_le64(m->last_mount);
	out->flags = cpu_to_le64(member_flags(le64_to_cpu(out->flags), m));
	for (i = 0; i < BCH_MEMBER_ERROR_NR; i++)
		out->errors[i] = cpu_to_le64(m->errors[i]);
	out->seq = cpu_to_le64(m->seq);
	out->btree_allocated_bitmap = cpu_to_le64(m->btree_bitmap);
	out->btree_bitmap_shift = m->btree_bitmap_shift;
	out->last_journal_bucket = cpu_to_le32(m->last_journal_bucket);
	out->last_journal_bucket_offset = cpu_to_le32(m->last_journal_offset_sectors);
}

int bce_sb_member_set(struct sb_writer *w, unsigned int idx, const struct member_info *m)
{
	int ret = 0;

	if (idx >= BCH_MEMBERS_MAX || idx > w->sb->nr_devices ||
	    m->durability > BCE_SB_DURABILITY_MAX ||
	    m->bucket_sectors > U16_MAX || m->first_bucket > U16_MAX ||
	    !sb_member_label_fits(w->sb, m->group))
		return -EINVAL;
	if (idx == w->sb->nr_devices)
		ret = slot_add(w);
	if (!ret) {
		member_encode(sb_members_record(w, idx), m);
		sb_members_v1_copy(w);
		w->unwritten = true;
	}
	return ret;
}

/* ---- btree bitmap: docs/format/10-superblock.md, 6.11, "btree bitmap update rule" ---- */

/* each bit now stands for 2^@by times as many sectors */
static u64 btree_bitmap_fold(u64 bits, unsigned int by)
{
	u64 folded = 0;
	unsigned int i;

	for (i = 0; i < 64; i++)
		if (bits >> i & 1)
			folded |= 1ULL << (by < 64 ? i >> by : 0);
	return folded;
}

static u64 bitmap_range(u64 start, u64 end, unsigned int shift)
{
	u64 bits = 0, b;

	for (b = start >> shift; b < 64 && b << shift < end; b++)
		bits |= 1ULL << b;
	return bits;
}

int bce_sb_btree_bitmap_mark(struct sb_writer *w, unsigned int dev, u64 sector, u32 sectors)
{
	u64 end = sector + sectors, bits;
	struct bch_member *m;
	int shift, fold;

	if (dev >= w->sb->nr_devices || !sectors || end < sector || end > 1ULL << 62)
		return -EINVAL;
	m = sb_members_record(w, dev);
	shift = m->btree_bitmap_shift;
	bits = le64_to_cpu(m->btree_allocated_bitmap);
	fold = (int)ilog2(roundup_pow_of_two(end)) - (shift + BITMAP_BITS_LOG2);
	if (fold > 0) {
		if (shift + fold > BITMAP_SHIFT_MAX)
			return -EINVAL;
		bits = btree_bitmap_fold(bits, fold);
		shift += fold;
	}
	bits |= bitmap_range(sector, end, shift);
	if (bits == le64_to_cpu(m->btree_allocated_bitmap) && shift == m->btree_bitmap_shift)
		return 0;
	m->btree_allocated_bitmap = cpu_to_le64(bits);
	m->btree_bitmap_shift = shift;
	w->unwritten = true;
	return 1;
}
