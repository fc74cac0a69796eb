// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of the superblock's sections, one function per type, in a table.
 *
 * Members come first, in whatever order the disk has them: journal, replicas and disk groups
 * are checked against them. Then every section in turn. Sections of unknown types are left
 * alone: a newer writer may have put them there.
 *
 * Uniqueness and overlap are checked by sorting pointers and comparing neighbours, so that
 * a superblock made to hurt costs n log n and not n squared.
 *
 * Source: docs/format/10-superblock.md, section 6.
 */
#include "engine/sb/sb_internal.h"

#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/replicas.h"

static const char *const field_names[BCH_SB_FIELD_NR] = {
#define x(name, nr)	[nr] = #name,
	BCH_SB_FIELD_LIST(x)
#undef x
};

const char *sb_field_name(unsigned int type)
{
	return type < BCH_SB_FIELD_NR ? field_names[type] : NULL;
}

static int too_short(const struct bch_sb_field *f, size_t need, struct text_buf *why)
{
	bce_text_printf(why, "%zu bytes, at least %zu expected", sb_field_bytes(f), need);
	return -EINVAL;
}

/* number of records of @record_bytes after a head of @head_bytes, or -EINVAL if it is not whole */
static int record_count(const struct bch_sb_field *f, size_t head_bytes, size_t record_bytes,
			struct text_buf *why)
{
	size_t payload;

	if (sb_field_bytes(f) < head_bytes)
		return too_short(f, head_bytes, why);
	payload = sb_field_bytes(f) - head_bytes;
	if (!(payload % record_bytes))
		return payload / record_bytes;
	bce_text_printf(why, "%zu bytes are not a whole number of entries of %zu", payload,
			record_bytes);
	return -EINVAL;
}

/*
 * Sort pointers to @nr records, @stride bytes apart, and find two neighbours for which
 * @clash says they must not stand together.
 * Return: 0, -EINVAL with *@a and *@b set, -ENOMEM.
 */
static int find_clash(const void *records, size_t nr, size_t stride, cmp_func_t cmp,
		      bool (*clash)(const void *a, const void *b), const void **a, const void **b)
{
	const void **sorted;
	int ret = 0;
	size_t i;

	if (nr < 2)
		return 0;
	sorted = kvmalloc_array(nr, sizeof(*sorted), GFP_KERNEL);
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		sorted[i] = (const u8 *)records + i * stride;
	sort(sorted, nr, sizeof(*sorted), cmp, NULL);
	for (i = 1; i < nr && !ret; i++)
		if (clash(sorted[i - 1], sorted[i])) {
			*a = sorted[i - 1];
			*b = sorted[i];
			ret = -EINVAL;
		}
	kvfree(sorted);
	return ret;
}

/* ---- members ---- */

static int member_check(const struct bch_sb *sb, unsigned int idx, const struct bch_member *record,
			struct text_buf *why)
{
	struct member_info m;
	unsigned int need = le16_to_cpu(sb->block_size);

	sb_member_decode(record, &m);
	if (need < BCH_SB_FLAG(sb, BTREE_NODE_SIZE))
		need = BCH_SB_FLAG(sb, BTREE_NODE_SIZE);
	if (m.nbuckets > BCH_MAX_NR_BUCKETS)
		bce_text_printf(why, "member %u: %llu buckets, at most %llu", idx,
				(unsigned long long)m.nbuckets,
				(unsigned long long)BCH_MAX_NR_BUCKETS);
	else if (m.nbuckets < m.first_bucket + BCH_MIN_NR_BUCKETS)
		bce_text_printf(why, "member %u: buckets %u to %llu, at least %u expected", idx,
				m.first_bucket, (unsigned long long)m.nbuckets, BCH_MIN_NR_BUCKETS);
	else if (m.bucket_sectors < need)
		bce_text_printf(why, "member %u: bucket of %u sectors, block or btree node has %u",
				idx, m.bucket_sectors, need);
	else if (m.bucket_sectors % le16_to_cpu(sb->block_size))
		bce_text_printf(why, "member %u: bucket of %u sectors is not whole blocks of %u",
				idx, m.bucket_sectors, le16_to_cpu(sb->block_size));
	else if (m.btree_bitmap_shift >= 58)
		bce_text_printf(why, "member %u: btree bitmap shift %u, must be below 58", idx,
				m.btree_bitmap_shift);
	else
		return 0;
	return -EINVAL;
}

static int members_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			 struct text_buf *why)
{
	struct bch_member record;
	unsigned int idx;
	int ret = 0;

	for (idx = 0; idx < sb->nr_devices && !ret; idx++) {
		if (!sb_member_of_field(f, idx, &record)) {
			bce_text_printf(why, "%zu bytes do not hold %u members", sb_field_bytes(f),
					sb->nr_devices);
			return -EINVAL;
		}
		ret = member_check(sb, idx, &record, why);
	}
	return ret;
}

static int members_v2_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			    struct text_buf *why)
{
	const struct bch_sb_field_members_v2 *v2 = (const void *)f;

	if (sb_field_bytes(f) < sizeof(*v2))
		return too_short(f, sizeof(*v2), why);
	if (le16_to_cpu(v2->member_bytes) < BCH_MEMBER_V1_BYTES) {
		bce_text_printf(why, "records of %u bytes, at least %u expected",
				le16_to_cpu(v2->member_bytes), BCH_MEMBER_V1_BYTES);
		return -EINVAL;
	}
	return members_check(sb, f, why);
}

/* ---- journal rings ---- */

/* Is the bucket range [start, start + nr) usable for this device's journal? */
static int ring_range_check(const struct bch_sb *sb, u64 start, u64 nr, struct text_buf *why)
{
	struct member_info m;

	bce_sb_member(sb, sb->dev_idx, &m);
	if (start && nr && start >= m.first_bucket && start < m.nbuckets &&
	    nr <= m.nbuckets - start)
		return 0;
	bce_text_printf(why, "%llu buckets from %llu, the device has %u to %llu",
			(unsigned long long)nr, (unsigned long long)start, m.first_bucket ?: 1,
			(unsigned long long)m.nbuckets);
	return -EINVAL;
}

/* also serves ranges, whose first word is their start */
static int le64_cmp(const void *a, const void *b)
{
	u64 l = le64_to_cpup(*(const __le64 *const *)a);
	u64 r = le64_to_cpup(*(const __le64 *const *)b);

	return l < r ? -1 : l > r;
}

static bool le64_equal(const void *a, const void *b)
{
	return *(const __le64 *)a == *(const __le64 *)b;
}

static int journal_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			 struct text_buf *why)
{
	const struct bch_sb_field_journal *j = (const void *)f;
	int nr = record_count(f, sizeof(*j), sizeof(j->buckets[0]), why), i, ret = 0;
	const void *a, *b;

	if (nr < 0)
		return nr;
	for (i = 0; i < nr && !ret; i++)
		ret = ring_range_check(sb, le64_to_cpu(j->buckets[i]), 1, why);
	if (ret)
		return ret;
	ret = find_clash(j->buckets, nr, sizeof(j->buckets[0]), le64_cmp, le64_equal, &a, &b);
	if (ret == -EINVAL)
		bce_text_printf(why, "bucket %llu twice", (unsigned long long)le64_to_cpup(a));
	return ret;
}

static bool ring_ranges_overlap(const void *a, const void *b)
{
	const struct bch_sb_journal_v2_entry *l = a, *r = b;

	return le64_to_cpu(l->start) + le64_to_cpu(l->nr) > le64_to_cpu(r->start);
}

static int journal_v2_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			    struct text_buf *why)
{
	const struct bch_sb_field_journal_v2 *j = (const void *)f;
	int nr = record_count(f, sizeof(*j), sizeof(j->d[0]), why), i, ret = 0;
	const void *a, *b;

	if (nr < 0)
		return nr;
	for (i = 0; i < nr && !ret; i++)
		ret = ring_range_check(sb, le64_to_cpu(j->d[i].start),
				       le64_to_cpu(j->d[i].nr), why);
	if (ret)
		return ret;
	/* disjoint ranges below nbuckets: their sum stays below 2^32 by itself */
	ret = find_clash(j->d, nr, sizeof(j->d[0]), le64_cmp, ring_ranges_overlap, &a, &b);
	if (ret == -EINVAL)
		bce_text_printf(why, "ranges from bucket %llu and from %llu overlap",
				(unsigned long long)le64_to_cpup(a),
				(unsigned long long)le64_to_cpup(b));
	return ret;
}

/* ---- crypt, quota, clean, ext: mere sizes ---- */

static int crypt_check(const struct bch_sb *sb, const struct bch_sb_field *f, struct text_buf *why)
{
	const struct bch_sb_field_crypt *c = (const void *)f;

	if (sb_field_bytes(f) < sizeof(*c))
		return too_short(f, sizeof(*c), why);
	if (BITS_GET(le64_to_cpu(c->flags), BCH_CRYPT_KDF_TYPE) != BCH_KDF_SCRYPT) {
		bce_text_printf(why, "key derivation %llu, only %u (scrypt) is known",
				(unsigned long long)BITS_GET(le64_to_cpu(c->flags),
							     BCH_CRYPT_KDF_TYPE),
				BCH_KDF_SCRYPT);
		return -EINVAL;
	}
	return 0;
}

static int quota_check(const struct bch_sb *sb, const struct bch_sb_field *f, struct text_buf *why)
{
	size_t need = sizeof(struct bch_sb_field_quota);

	return sb_field_bytes(f) < need ? too_short(f, need, why) : 0;
}

static int clean_check(const struct bch_sb *sb, const struct bch_sb_field *f, struct text_buf *why)
{
	size_t need = sizeof(struct bch_sb_field_clean);

	return sb_field_bytes(f) < need ? too_short(f, need, why) : 0;
}

static int ext_check(const struct bch_sb *sb, const struct bch_sb_field *f, struct text_buf *why)
{
	size_t need = BCH_SB_FIELD_EXT_BYTES_MIN;

	return sb_field_bytes(f) < need ? too_short(f, need, why) : 0;
}

/* ---- replicas ---- */

static u64 existing_members(const struct bch_sb *sb)
{
	struct member_info m;
	unsigned int idx;
	u64 mask = 0;

	for (idx = 0; idx < sb->nr_devices; idx++) {
		bce_sb_member(sb, idx, &m);
		if (m.exists)
			mask |= 1ULL << idx;
	}
	return mask;
}

static int replicas_entry_check(const struct replicas_entry *e, u64 members, struct text_buf *why)
{
	unsigned int i;

	if (e->data_type >= BCH_DATA_NR) {
		bce_text_printf(why, "data type %u is unknown", e->data_type);
		return -EINVAL;
	}
	if (!e->nr_devs || (e->nr_required > 1 && e->nr_required >= e->nr_devs)) {
		bce_text_printf(why, "entry of type %u: %u devices, %u of them required",
				e->data_type, e->nr_devs, e->nr_required);
		return -EINVAL;
	}
	for (i = 0; i < e->nr_devs; i++) {
		u8 dev = e->devs[i];

		if (dev != BCH_DEV_INVALID && (dev >= BCH_MEMBERS_MAX || !(members >> dev & 1))) {
			bce_text_printf(why, "entry of type %u: device %u is no member",
					e->data_type, dev);
			return -EINVAL;
		}
		if (i && dev <= e->devs[i - 1]) {
			bce_text_printf(why, "entry of type %u: device %u after %u", e->data_type,
					dev, e->devs[i - 1]);
			return -EINVAL;
		}
	}
	return 0;
}

static int replicas_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			  struct text_buf *why)
{
	u64 members = existing_members(sb);
	struct replicas_entry e;
	struct replicas_walk w;
	int ret = 0;

	bce_replicas_walk_field(&w, f);
	while (!ret && bce_replicas_next(&w, &e))
		ret = replicas_entry_check(&e, members, why);
	if (!ret && w.bad) {
		bce_text_printf(why, "last entry runs past the end of the section");
		ret = -EINVAL;
	}
	return ret;
}

/* ---- disk groups ---- */

const struct bch_disk_group *sb_groups(const struct bch_sb *sb, unsigned int *nr)
{
	const struct bch_sb_field_disk_groups *g;
	size_t bytes;

	g = (const void *)bce_sb_field(sb, BCH_SB_FIELD_disk_groups, &bytes);
	*nr = g ? (bytes - sizeof(*g)) / sizeof(g->entries[0]) : 0;
	return g ? g->entries : NULL;
}

static bool group_deleted(const struct bch_disk_group *g)
{
	return BITS_GET(le64_to_cpu(g->flags[0]), BCH_GROUP_DELETED);
}

static u64 group_parent(const struct bch_disk_group *g)
{
	return BITS_GET(le64_to_cpu(g->flags[0]), BCH_GROUP_PARENT);
}

/* deleted ones last, then by parent and label */
static int group_cmp(const void *_a, const void *_b)
{
	const struct bch_disk_group *a = *(const struct bch_disk_group *const *)_a;
	const struct bch_disk_group *b = *(const struct bch_disk_group *const *)_b;

	if (group_deleted(a) != group_deleted(b))
		return group_deleted(a) ? 1 : -1;
	if (group_parent(a) != group_parent(b))
		return group_parent(a) < group_parent(b) ? -1 : 1;
	return strncmp((const char *)a->label, (const char *)b->label, sizeof(a->label));
}

static bool group_same_name(const void *_a, const void *_b)
{
	const struct bch_disk_group *a = _a, *b = _b;

	return !group_deleted(a) && !group_deleted(b) && group_parent(a) == group_parent(b) &&
	       !strncmp((const char *)a->label, (const char *)b->label, sizeof(a->label));
}

static int member_groups_check(const struct bch_sb *sb, const struct bch_disk_group *groups,
			       unsigned int nr, struct text_buf *why)
{
	struct member_info m;
	unsigned int idx;

	for (idx = 0; idx < sb->nr_devices; idx++) {
		bce_sb_member(sb, idx, &m);
		if (!m.group || (m.group <= nr && !group_deleted(&groups[m.group - 1])))
			continue;
		bce_text_printf(why, "member %u has label %u, which %s", idx, m.group - 1,
				m.group <= nr ? "is deleted" : "is not there");
		return -EINVAL;
	}
	return 0;
}

static int disk_groups_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			     struct text_buf *why)
{
	const struct bch_sb_field_disk_groups *g = (const void *)f;
	int nr = record_count(f, sizeof(*g), sizeof(g->entries[0]), why), i, ret;
	const void *a, *b;

	if (nr < 0)
		return nr;
	for (i = 0; i < nr; i++) {
		if (group_deleted(&g->entries[i]))
			continue;
		if (!g->entries[i].label[0] || group_parent(&g->entries[i]) > nr) {
			bce_text_printf(why, "label %d %s", i,
					g->entries[i].label[0] ? "has no such parent" : "is empty");
			return -EINVAL;
		}
	}
	ret = find_clash(g->entries, nr, sizeof(g->entries[0]), group_cmp, group_same_name, &a, &b);
	if (ret == -EINVAL)
		bce_text_printf(why, "label \"%.32s\" twice",
				((const struct bch_disk_group *)a)->label);
	return ret ?: member_groups_check(sb, g->entries, nr, why);
}

/* ---- tables of numbers ---- */

static int blacklist_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			   struct text_buf *why)
{
	const struct bch_sb_field_journal_seq_blacklist *bl = (const void *)f;
	int nr = record_count(f, sizeof(*bl), sizeof(bl->entries[0]), why), i;
	u64 start, end, prev_end = 0;

	for (i = 0; i < nr; i++, prev_end = end) {
		start = le64_to_cpu(bl->entries[i].start);
		end = le64_to_cpu(bl->entries[i].end);
		if (start < end && start >= prev_end)
			continue;
		bce_text_printf(why, "range %llu to %llu after one that ends at %llu",
				(unsigned long long)start, (unsigned long long)end,
				(unsigned long long)prev_end);
		return -EINVAL;
	}
	return nr < 0 ? nr : 0;
}

static int errors_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			struct text_buf *why)
{
	const struct bch_sb_field_errors *e = (const void *)f;
	int nr = record_count(f, sizeof(*e), sizeof(e->entries[0]), why), i;
	s64 prev = -1;

	for (i = 0; i < nr; i++) {
		u64 v = le64_to_cpu(e->entries[i].v);
		s64 id = BITS_GET(v, BCH_SB_ERROR_ID);

		if (!BITS_GET(v, BCH_SB_ERROR_COUNT) || id <= prev) {
			bce_text_printf(why, "entry %d: error %lld after %lld, counted %llu times",
					i, (long long)id, (long long)prev,
					(unsigned long long)BITS_GET(v, BCH_SB_ERROR_COUNT));
			return -EINVAL;
		}
		prev = id;
	}
	return nr < 0 ? nr : 0;
}

static int downgrade_check(const struct bch_sb *sb, const struct bch_sb_field *f,
			   struct text_buf *why)
{
	const u8 *p = (const u8 *)(f + 1), *end = (const u8 *)f + sb_field_bytes(f);
	const struct bch_sb_field_downgrade_entry *e;
	size_t bytes;

	for (; end - p >= (ptrdiff_t)sizeof(*e); p += bytes) {
		e = (const void *)p;
		bytes = sizeof(*e) + 2 * le16_to_cpu(e->nr_errors);
		if (BCH_VERSION_MAJOR(le16_to_cpu(e->version)) !=
		    BCH_VERSION_MAJOR(le16_to_cpu(sb->version))) {
			bce_text_printf(why, "entry for version %u.%u, superblock has %u.x",
					BCH_VERSION_MAJOR(le16_to_cpu(e->version)),
					BCH_VERSION_MINOR(le16_to_cpu(e->version)),
					BCH_VERSION_MAJOR(le16_to_cpu(sb->version)));
			return -EINVAL;
		}
		if (bytes > end - p) {
			bce_text_printf(why, "an entry of %zu bytes, only %zu left", bytes,
					(size_t)(end - p));
			return -EINVAL;
		}
	}
	return 0;
}

typedef int (*field_check_fn)(const struct bch_sb *sb, const struct bch_sb_field *f,
			      struct text_buf *why);

static const field_check_fn field_checks[BCH_SB_FIELD_NR] = {
	[BCH_SB_FIELD_journal]			= journal_check,
	[BCH_SB_FIELD_members_v1]		= members_check,
	[BCH_SB_FIELD_crypt]			= crypt_check,
	[BCH_SB_FIELD_replicas_v0]		= replicas_check,
	[BCH_SB_FIELD_quota]			= quota_check,
	[BCH_SB_FIELD_disk_groups]		= disk_groups_check,
	[BCH_SB_FIELD_clean]			= clean_check,
	[BCH_SB_FIELD_replicas]			= replicas_check,
	[BCH_SB_FIELD_journal_seq_blacklist]	= blacklist_check,
	[BCH_SB_FIELD_journal_v2]		= journal_v2_check,
	[BCH_SB_FIELD_members_v2]		= members_v2_check,
	[BCH_SB_FIELD_errors]			= errors_check,
	[BCH_SB_FIELD_ext]			= ext_check,
	[BCH_SB_FIELD_downgrade]		= downgrade_check,
};

static int field_check(const struct bch_sb *sb, const struct bch_sb_field *f,
		       struct text_buf *why)
{
	unsigned int type = le32_to_cpu(f->type);
	struct text_buf what = TEXT_BUF_INIT;
	int ret = 0;

	if (type < BCH_SB_FIELD_NR && field_checks[type])
		ret = field_checks[type](sb, f, &what);
	if (ret)
		bce_text_printf(why, "section %s: %s", field_names[type], bce_text_str(&what));
	bce_text_exit(&what);
	return ret;
}

/* Sections tile the space, and no type comes twice. */
static int tiling_check(const struct bch_sb *sb, struct text_buf *why)
{
	const struct bch_sb_field *f = NULL, *next;
	u32 seen = 0, type;
	const u8 *end;

	while ((next = sb_field_next(sb, f))) {
		f = next;
		type = le32_to_cpu(f->type);
		if (type < BCH_SB_FIELD_NR && (seen & (1U << type))) {
			bce_text_printf(why, "two sections of type %s", field_names[type]);
			return -EINVAL;
		}
		if (type < BCH_SB_FIELD_NR)
			seen |= 1U << type;
	}
	end = f ? (const u8 *)f + sb_field_bytes(f) : (const u8 *)sb->sections;
	if (end != (const u8 *)sb + sb_total_bytes(sb)) {
		bce_text_printf(why, "section at byte %zu is empty or runs past the end",
				(size_t)(end - (const u8 *)sb));
		return -EINVAL;
	}
	return 0;
}

static int check_of_type(const struct bch_sb *sb, unsigned int type, struct text_buf *why)
{
	const struct bch_sb_field *f = bce_sb_field(sb, type, NULL);

	return f ? field_check(sb, f, why) : 0;
}

static bool is_members(const struct bch_sb_field *f)
{
	u32 type = le32_to_cpu(f->type);

	return type == BCH_SB_FIELD_members_v1 || type == BCH_SB_FIELD_members_v2;
}

int sb_fields_check(const struct bch_sb *sb, struct text_buf *why)
{
	const struct bch_sb_field *f = NULL;
	int ret = tiling_check(sb, why);

	if (!ret && !bce_sb_field(sb, BCH_SB_FIELD_members_v1, NULL)) {
		bce_text_printf(why, "section members_v1 is missing");
		ret = -EINVAL;
	}
	if (!ret)
		ret = check_of_type(sb, BCH_SB_FIELD_members_v1, why);
	if (!ret)
		ret = check_of_type(sb, BCH_SB_FIELD_members_v2, why);
	while (!ret && (f = sb_field_next(sb, f)))
		if (!is_members(f))
			ret = field_check(sb, f, why);
	return ret;
}
