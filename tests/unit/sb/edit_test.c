// SPDX-License-Identifier: GPL-2.0
/*
 * Changing superblocks: each editor against a model of its own, written and read back by the rules
 * that any superblock has to follow (docs/format/10-superblock.md, section 6).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bitops.h>
#include <linux/err.h>

#include "engine/format/counters.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/replicas.h"
#include "random.h"
#include "sb_builder.h"
#include "sb_rig.h"

/* ---- sections ---- */

#define TYPES		8
#define TYPE(i)		(1000 + (i))	/* unknown ones: kept and ignored */

struct section_model {
	u8		*bytes[TYPES];
	unsigned int	u64s[TYPES];
};

static void section_compare(const struct section_model *m, const struct bch_sb *sb)
{
	unsigned int i;
	size_t bytes;

	for (i = 0; i < TYPES; i++) {
		const struct bch_sb_field *f = bce_sb_field(sb, TYPE(i), &bytes);

		assert_int_equal(bytes, 8 * m->u64s[i]);
		if (f)
			assert_memory_equal(f + 1, m->bytes[i], bytes - 8);
	}
}

/* one section to a random size, its new part filled; what was there stays */
static void section_change(struct section_model *m, struct sb_rig *r, unsigned int i,
			   unsigned int u64s)
{
	struct bch_sb_field *f = bce_sb_field_resize(r->w, TYPE(i), u64s);
	unsigned int old = m->u64s[i], at;

	assert_false(IS_ERR(f));
	assert_int_equal(f == NULL, !u64s);
	m->bytes[i] = realloc(m->bytes[i], 8 * u64s + 1);
	m->u64s[i] = u64s;
	for (at = old ? 8 * old - 8 : 0; u64s && at < 8 * u64s - 8; at++) {
		assert_int_equal(((u8 *)(f + 1))[at], 0);
		((u8 *)(f + 1))[at] = m->bytes[i][at] = rnd();
	}
}

static void sections(void **state)
{
	struct section_model m = { };
	struct sb_image img;
	struct sb_rig r;
	unsigned int i, n;

	sb_rig_open(&r, 2, NULL);
	for (n = 0; n < 300; n++) {
		bce_sb_edit_begin(r.w);
		section_change(&m, &r, rnd() % TYPES, rnd() % 4 ? rnd() % 800 : 0);
		section_compare(&m, bce_sb_image(r.w));
		assert_int_equal(n % 8 ? 0 : bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
		if (n % 8)
			continue;
		sb_rig_read(&r, n / 8 % 2, 0, &img);
		section_compare(&m, img.sb);
		bce_sb_image_exit(&img);
	}
	assert_string_equal(r.said, "");
	sb_rig_close(&r);
	for (i = 0; i < TYPES; i++)
		free(m.bytes[i]);
}

/* copies have 64 KiB: that much fits and not a word more, of the longest member */
static void limit(void **state)
{
	struct bch_sb_field *f;
	unsigned int used;
	struct sb_rig r;
	u64 ring[1] = { 20 };

	sb_rig_open(&r, 2, NULL);
	assert_int_equal(sb_rig_write(&r), 0);
	bce_sb_edit_begin(r.w);
	assert_int_equal(bce_sb_journal_set(r.w, 1, ring, 1), 0);
	used = (sizeof(struct bch_sb) + 8 * le32_to_cpu(bce_sb_image(r.w)->u64s)) / 8 + 3;
	f = bce_sb_field_resize(r.w, TYPE(0), SBB_BYTES_MAX / 8 - used + 1);
	assert_int_equal(PTR_ERR(f), -ENOSPC);
	assert_non_null(strstr(r.said, "superblock of member 1: section (unknown) would grow by"));
	f = bce_sb_field_resize(r.w, TYPE(0), SBB_BYTES_MAX / 8 - used);
	assert_false(IS_ERR_OR_NULL(f));
	assert_int_equal(bce_sb_write(r.w), 0);

	/* full: nothing goes, and nothing is lost by trying */
	f = bce_sb_field_resize(r.w, TYPE(1), 1);
	assert_int_equal(PTR_ERR(f), -ENOSPC);
	assert_int_equal(bce_sb_replicas_add(r.w, BCH_DATA_user, 1, 3), -ENOSPC);
	assert_int_equal(bce_sb_blacklist_add(r.w, 1, 2), -ENOSPC);
	assert_int_equal(bce_sb_label_set(r.w, 0, "ssd"), -ENOSPC);
	assert_int_equal(bce_sb_clean_set(r.w, 1, "", 0), -ENOSPC);
	assert_int_equal(bce_sb_error_count(r.w, 5, 1), -ENOSPC);
	ring[0] = 30;
	assert_int_equal(bce_sb_journal_set(r.w, 1, ring, 1), 0);
	assert_int_equal(bce_sb_write(r.w), 0);

	/* a section that shrinks makes room */
	f = bce_sb_field_resize(r.w, TYPE(0), 4);
	assert_false(IS_ERR_OR_NULL(f));
	assert_int_equal(bce_sb_clean_set(r.w, 1, "", 0), 0);
	assert_int_equal(bce_sb_write(r.w), 0);
	f = bce_sb_field_resize(r.w, BCH_SB_FIELD_journal_v2, 3);
	assert_int_equal(PTR_ERR(f), -EINVAL);
	f = bce_sb_dev_field_resize(r.w, 1, TYPE(0), 3);
	assert_int_equal(PTR_ERR(f), -EINVAL);
	f = bce_sb_dev_field_resize(r.w, 2, BCH_SB_FIELD_journal_v2, 3);
	assert_int_equal(PTR_ERR(f), -ENODEV);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

/* ---- members ---- */

static void member_random(struct member_info *m)
{
	unsigned int i;

	m->exists = rnd() % 8;
	for (i = 0; i < 16; i++)
		m->uuid[i] = m->exists ? rnd() | 1 : 0;
	m->first_bucket = rnd() % 4;
	m->nbuckets = 70 + rnd() % 10;
	m->bucket_sectors = SBB_NODE_SECTORS + 8 * (rnd() % 8);
	m->last_mount = rnd();
	m->state = rnd() % 4;
	m->discard = rnd() & 1;
	m->data_allowed = rnd() & 31;
	m->durability = rnd() % 3;
	m->freespace_initialized = rnd() & 1;
	m->seq = rnd();
	for (i = 0; i < 3; i++)
		m->errors[i] = rnd();
	m->btree_bitmap = rnd();
	m->btree_bitmap_shift = rnd() % 58;
	m->last_journal_bucket = rnd();
	m->last_journal_offset_sectors = rnd();
}

static void member_compare(const struct bch_sb *sb, unsigned int idx, struct member_info *m)
{
	struct member_info got;

	bce_sb_member(sb, idx, &got);
	assert_int_equal(got.exists, m->exists);
	assert_memory_equal(got.uuid, m->uuid, 16);
	assert_int_equal(got.nbuckets, m->nbuckets);
	assert_int_equal(got.first_bucket, m->first_bucket);
	assert_int_equal(got.bucket_sectors, m->bucket_sectors);
	assert_int_equal(got.last_mount, m->last_mount);
	assert_int_equal(got.state, m->state);
	assert_int_equal(got.discard, m->discard);
	assert_int_equal(got.data_allowed, m->data_allowed);
	assert_int_equal(got.durability, m->durability);
	assert_int_equal(got.freespace_initialized, m->freespace_initialized);
	assert_int_equal(got.seq, m->seq);
	assert_memory_equal(got.errors, m->errors, sizeof(m->errors));
	assert_int_equal(got.btree_bitmap, m->btree_bitmap);
	assert_int_equal(got.btree_bitmap_shift, m->btree_bitmap_shift);
	assert_int_equal(got.last_journal_bucket, m->last_journal_bucket);
	assert_int_equal(got.last_journal_offset_sectors, m->last_journal_offset_sectors);
}

/* members_v1 repeats the first 56 bytes of each record */
static void members_v1_compare(const struct bch_sb *sb)
{
	const struct bch_sb_field_members_v2 *v2;
	const struct bch_sb_field_members_v1 *v1;
	unsigned int i;
	size_t bytes;

	v1 = (const void *)bce_sb_field(sb, BCH_SB_FIELD_members_v1, &bytes);
	assert_int_equal(bytes, 8 * (1 + 7 * sb->nr_devices));
	v2 = (const void *)bce_sb_field(sb, BCH_SB_FIELD_members_v2, &bytes);
	assert_int_equal(bytes, 8 * (2 + 18 * sb->nr_devices));
	for (i = 0; i < sb->nr_devices; i++)
		assert_memory_equal(v1->members + 56 * i, v2->members + 144 * i, 56);
}

static void members(void **state)
{
	struct member_info m[64];
	struct sb_image img;
	struct sb_rig r;
	unsigned int n, i, nr = 2;

	sb_rig_open(&r, 2, NULL);
	/* those of the devices stay as they are, or they could not be read */
	for (n = 0; n < 400; n++) {
		bce_sb_edit_begin(r.w);
		i = nr > 2 && rnd() % 2 ? 2 + rnd() % (nr - 2) : nr;
		if (i < 64) {
			memset(&m[i], 0, sizeof(m[i]));
			member_random(&m[i]);
			assert_int_equal(bce_sb_member_set(r.w, i, &m[i]), 0);
			nr += i == nr;
		} else {
			assert_int_equal(bce_sb_member_set(r.w, i, &m[i - 1]), -EINVAL);
		}
		assert_int_equal(bce_sb_image(r.w)->nr_devices, nr);
		assert_int_equal(n % 16 ? 0 : bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
	}
	assert_int_equal(nr, 64);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	for (i = 2; i < 64; i++)
		member_compare(img.sb, i, &m[i]);
	members_v1_compare(img.sb);
	bce_sb_image_exit(&img);

	bce_sb_edit_begin(r.w);
	m[3].durability = 3;	/* does not fit its two bits */
	assert_int_equal(bce_sb_member_set(r.w, 3, &m[3]), -EINVAL);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

static void flag_unknown_bits(struct sb_builder *b, unsigned int dev)
{
	sbb_member(b, dev)->flags |= cpu_to_le64(1ULL << 40 | 1 << 7);
	sbb_member(b, dev)->iops[2] = cpu_to_le32(17);
}

static void short_records(struct sb_builder *b, unsigned int dev)
{
	struct bch_sb_field_members_v2 *v2 = sbb_find(b, BCH_SB_FIELD_members_v2);
	unsigned int i;

	for (i = 1; i < b->sb->nr_devices; i++)
		memmove(v2->members + i * 128, v2->members + i * 144, 128);
	v2->member_bytes = cpu_to_le16(128);
}

static void no_v2(struct sb_builder *b, unsigned int dev)
{
	struct bch_sb_field_members_v1 *v1 = sbb_find(b, BCH_SB_FIELD_members_v1);
	unsigned int i;

	for (i = 0; i < b->sb->nr_devices; i++)
		memcpy(v1->members + 56 * i, sbb_member(b, i), 56);
	((struct bch_sb_field *)sbb_find(b, BCH_SB_FIELD_members_v2))->type = cpu_to_le32(TYPE(7));
}

/* what is not in a member_info stays; records of older writers grow to their full length */
static void older_records(void **state)
{
	struct bch_member record;
	struct member_info m;
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 2, flag_unknown_bits);
	bce_sb_edit_begin(r.w);
	bce_sb_member(bce_sb_image(r.w), 0, &m);
	m.state = MEMBER_RO;
	assert_int_equal(bce_sb_member_set(r.w, 0, &m), 0);
	bce_sb_edit_end(r.w);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	memcpy(&record, (u8 *)bce_sb_field(img.sb, BCH_SB_FIELD_members_v2, NULL) + 16, 144);
	assert_int_equal(le64_to_cpu(record.flags), 0x600E0001ULL | 1ULL << 40 | 1 << 7 | 2 << 28);
	assert_int_equal(le32_to_cpu(record.iops[2]), 17);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);

	sb_rig_open(&r, 3, short_records);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 2, 0, &img);
	members_v1_compare(img.sb);
	bce_sb_member(img.sb, 1, &m);
	assert_int_equal(m.uuid[3], 0x31);
	assert_int_equal(m.seq, 11);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);

	sb_rig_open(&r, 2, no_v2);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 1, 0, &img);
	members_v1_compare(img.sb);
	bce_sb_member(img.sb, 1, &m);
	assert_int_equal(m.nbuckets, SBB_NBUCKETS);
	assert_int_equal(m.seq, 11);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

/* ---- btree bitmap ---- */

static bool bitmap_has(const struct member_info *m, u64 sector, u32 sectors)
{
	u64 s;

	for (s = sector; s < sector + sectors; s += 8)
		if (s >> m->btree_bitmap_shift > 63 ||
		    !(m->btree_bitmap >> (s >> m->btree_bitmap_shift) & 1))
			return false;
	return true;
}

static void btree_bitmap(void **state)
{
	u64 at[200], start, top = 0;
	struct member_info m;
	struct sb_image img;
	struct sb_rig r;
	unsigned int n, i;

	/* the example of 6.11 */
	sb_rig_open(&r, 1, NULL);
	assert_int_equal(bce_sb_mark_btree(r.w, 0, 4096, 512), 0);
	sb_rig_read(&r, 0, 0, &img);
	bce_sb_member(img.sb, 0, &m);
	assert_int_equal(m.btree_bitmap_shift, 7);
	assert_int_equal(m.btree_bitmap, 0x0000000F00000000ULL);
	bce_sb_image_exit(&img);
	bce_sb_edit_begin(r.w);
	assert_int_equal(bce_sb_btree_bitmap_mark(r.w, 0, 4096 + 256, 256), 0);
	assert_int_equal(bce_sb_btree_bitmap_mark(r.w, 0, 0, 8), 1);
	assert_int_equal(bce_sb_btree_bitmap_mark(r.w, 0, 0, 0), -EINVAL);
	assert_int_equal(bce_sb_btree_bitmap_mark(r.w, 1, 0, 8), -EINVAL);
	assert_int_equal(bce_sb_btree_bitmap_mark(r.w, 0, 1ULL << 63, 512), -EINVAL);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);

	sb_rig_open(&r, 1, NULL);
	bce_sb_edit_begin(r.w);
	for (n = 0; n < 200; n++) {
		start = (rnd() >> (20 + rnd() % 40)) / 512 * 512;
		at[n] = start;
		top = max(top, start + 512);
		assert_true(bce_sb_btree_bitmap_mark(r.w, 0, start, 512) >= 0);
		bce_sb_member(bce_sb_image(r.w), 0, &m);
		for (i = 0; i <= n; i++)
			assert_true(bitmap_has(&m, at[i], 512));
		/* no coarser than it must be, and nothing marked beyond the last node */
		assert_true(m.btree_bitmap_shift == 0 || top > 32ULL << m.btree_bitmap_shift);
		assert_true(top > (u64)(63 - __builtin_clzll(m.btree_bitmap)) << m.btree_bitmap_shift);
	}
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

/* ---- replicas ---- */

struct replicas_model {
	u8	type, required;
	u64	devs;
};

static void replicas_compare(const struct bch_sb *sb, const struct replicas_model *m,
			     unsigned int nr)
{
	struct replicas_entry e;
	struct replicas_walk w;
	unsigned int i, found = 0;
	bool v1 = false;

	for (i = 0; i < nr; i++)
		v1 |= m[i].required != 1;
	assert_int_equal(bce_sb_field(sb, BCH_SB_FIELD_replicas, NULL) != NULL, nr && v1);
	assert_int_equal(bce_sb_field(sb, BCH_SB_FIELD_replicas_v0, NULL) != NULL, nr && !v1);
	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e)) {
		found++;
		for (i = 0; i < nr; i++)
			if (m[i].type == e.data_type && m[i].required == e.nr_required &&
			    m[i].devs == bce_replicas_devs_mask(&e))
				break;
		assert_true(i < nr);
	}
	assert_int_equal(found, nr);
}

static void replicas(void **state)
{
	struct replicas_model m[300], e;
	struct sb_image img;
	struct sb_rig r;
	unsigned int n, i, nr = 0;

	sb_rig_open(&r, 4, NULL);
	for (n = 0; n < 600; n++) {
		bool all_one = n % 200 < 100;

		e.type = 2 + rnd() % 5;
		e.devs = rnd() & 15;
		e.required = all_one ? 1 : rnd() % 3;
		for (i = 0; i < nr; i++)
			if (!memcmp(&m[i].type, &e.type, 2) && m[i].devs == e.devs)
				break;
		bce_sb_edit_begin(r.w);
		if (!e.devs || (e.required == 2 && hweight64(e.devs) <= 2)) {
			assert_int_equal(bce_sb_replicas_add(r.w, e.type, e.required, e.devs), -EINVAL);
		} else if (rnd() % 3) {
			assert_int_equal(bce_sb_replicas_add(r.w, e.type, e.required, e.devs), i == nr);
			if (i == nr)
				m[nr++] = e;
		} else {
			assert_int_equal(bce_sb_replicas_remove(r.w, e.type, e.required, e.devs), i < nr);
			if (i < nr)
				m[i] = m[--nr];
		}
		/* back to the old form when the last that needs more has gone */
		for (i = 0; n % 200 == 199 && i < nr; ) {
			if (m[i].required == 1) {
				i++;
				continue;
			}
			assert_int_equal(bce_sb_replicas_remove(r.w, m[i].type, m[i].required, m[i].devs), 1);
			m[i] = m[--nr];
		}
		replicas_compare(bce_sb_image(r.w), m, nr);
		assert_int_equal(n % 16 ? 0 : bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
		if (n % 16)
			continue;
		sb_rig_read(&r, n / 16 % 4, 0, &img);
		replicas_compare(img.sb, m, nr);
		bce_sb_image_exit(&img);
	}
	assert_int_equal(bce_sb_mark_replicas(r.w, 0, 1, 1), -EINVAL);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_NR, 1, 1), -EINVAL);
	/* a member that does not exist: refused before it is written */
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_user, 1, 1 << 5), -EINVAL);
	sb_rig_close(&r);
}

/* the example of 6.3, byte by byte */
static void replicas_bytes(void **state)
{
	static const u8 expected[16] = { 2, 1, 0, 3, 1, 0, 4, 1, 0 };
	const struct bch_sb_field *f;
	struct sb_image img;
	struct sb_rig r;
	size_t bytes;

	sb_rig_open(&r, 1, NULL);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_journal, 1, 1), 0);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_btree, 1, 1), 0);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_user, 1, 1), 0);
	assert_int_equal(bce_sb_mark_replicas(r.w, BCH_DATA_user, 1, 1), 0);
	sb_rig_read(&r, 0, 0, &img);
	assert_int_equal(le64_to_cpu(img.sb->seq), 13);
	f = bce_sb_field(img.sb, BCH_SB_FIELD_replicas_v0, &bytes);
	assert_int_equal(bytes, 24);
	assert_memory_equal(f + 1, expected, 16);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

/* ---- journal ---- */

static void blacklist_compare(const struct bch_sb *sb, const bool listed[256])
{
	const struct bch_sb_field_journal_seq_blacklist *bl;
	bool got[256] = { };
	unsigned int i;
	size_t bytes;

	bl = (const void *)bce_sb_field(sb, BCH_SB_FIELD_journal_seq_blacklist, &bytes);
	for (i = 0; bl && i < (bytes - 8) / 16; i++) {
		/* neither overlapping nor touching */
		assert_true(!i || le64_to_cpu(bl->entries[i - 1].end) <
				  le64_to_cpu(bl->entries[i].start));
		memset(got + le64_to_cpu(bl->entries[i].start), 1,
		       le64_to_cpu(bl->entries[i].end) - le64_to_cpu(bl->entries[i].start));
	}
	assert_memory_equal(got, listed, 256);
	assert_true(!bl || le64_to_cpu(sb->features[0]) >> BCH_FEATURE_journal_seq_blacklist_v3 & 1);
}

/* ranges wholly inside [start, end) */
static void model_remove(bool listed[256], unsigned int start, unsigned int end)
{
	unsigned int i, from;

	for (i = 0; i < 256; i++) {
		for (from = i; i < 256 && listed[i]; i++)
			;
		if (i > from && from >= start && i <= end)
			memset(listed + from, 0, i - from);
	}
}

static void blacklist(void **state)
{
	bool listed[256] = { };
	unsigned int n, start, end;
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 1, NULL);
	for (n = 0; n < 2000; n++) {
		start = rnd() % 250;
		end = start + 1 + rnd() % 5;
		bce_sb_edit_begin(r.w);
		if (rnd() % 3) {
			assert_int_equal(bce_sb_blacklist_add(r.w, start, end), 0);
			memset(listed + start, 1, end - start);
		} else {
			end = min(start + (unsigned int)(rnd() % 60), 256U);
			assert_int_equal(bce_sb_blacklist_remove(r.w, start, end), 0);
			model_remove(listed, start, end);
		}
		blacklist_compare(bce_sb_image(r.w), listed);
		bce_sb_edit_end(r.w);
	}
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	blacklist_compare(img.sb, listed);
	bce_sb_image_exit(&img);
	bce_sb_edit_begin(r.w);
	assert_int_equal(bce_sb_blacklist_add(r.w, 5, 5), -EINVAL);
	assert_int_equal(bce_sb_blacklist_remove(r.w, 0, 256), 0);
	assert_null(bce_sb_field(bce_sb_image(r.w), BCH_SB_FIELD_journal_seq_blacklist, NULL));
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

static void old_ring(struct sb_builder *b, unsigned int dev)
{
	struct bch_sb_field_journal *j = sbb_add(b, BCH_SB_FIELD_journal, 8 * 2);

	j->buckets[0] = cpu_to_le64(10 + dev);
	j->buckets[1] = cpu_to_le64(20 + dev);
}

static void ring_compare(const struct bch_sb *sb, const u64 *buckets, unsigned int nr)
{
	const struct bch_sb_field_journal_v2 *j;
	unsigned int i, at = 0;
	size_t bytes;
	u64 b;

	assert_null(bce_sb_field(sb, BCH_SB_FIELD_journal, NULL));
	j = (const void *)bce_sb_field(sb, BCH_SB_FIELD_journal_v2, &bytes);
	for (i = 0; j && i < (bytes - 8) / 16; i++)
		for (b = 0; b < le64_to_cpu(j->d[i].nr); b++)
			assert_int_equal(buckets[at++], le64_to_cpu(j->d[i].start) + b);
	assert_int_equal(at, nr);
}

/* each member has its own ring; the old form goes */
static void rings(void **state)
{
	u64 ring[2][SBB_NBUCKETS];
	unsigned int dev, n, i, j, nr[2];
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 2, old_ring);
	assert_int_equal(sb_rig_write(&r), 0);
	for (dev = 0; dev < 2; dev++) {
		const struct bch_sb_field_journal *old;
		size_t bytes;

		sb_rig_read(&r, dev, 0, &img);
		old = (const void *)bce_sb_field(img.sb, BCH_SB_FIELD_journal, &bytes);
		assert_int_equal(bytes, 24);
		assert_int_equal(le64_to_cpu(old->buckets[1]), 20 + dev);
		bce_sb_image_exit(&img);
	}
	for (n = 0; n < 50; n++) {
		bce_sb_edit_begin(r.w);
		for (dev = 0; dev < 2; dev++) {
			nr[dev] = rnd() % (SBB_NBUCKETS - 1);
			for (i = 0; i < nr[dev]; i++)
				ring[dev][i] = i + 1;
			for (i = 0; i < nr[dev] && n % 4; i++) {
				j = rnd() % nr[dev];
				swap(ring[dev][i], ring[dev][j]);
			}
			assert_int_equal(bce_sb_journal_set(r.w, dev, ring[dev], nr[dev]), 0);
		}
		assert_int_equal(bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
		for (dev = 0; dev < 2; dev++) {
			sb_rig_read(&r, dev, 0, &img);
			ring_compare(img.sb, ring[dev], nr[dev]);
			bce_sb_image_exit(&img);
		}
	}
	sb_rig_reopen(&r);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 1, 0, &img);
	ring_compare(img.sb, ring[1], nr[1]);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

static void clean(void **state)
{
	const struct bch_sb_field_clean *c;
	__le64 entries[300];
	struct sb_image img;
	struct bch_sb *sb;
	struct sb_rig r;
	unsigned int n, i;
	size_t bytes;

	sb_rig_open(&r, 1, NULL);
	for (n = 0; n < 50; n++) {
		unsigned int u64s = rnd() % 300;

		for (i = 0; i < u64s; i++)
			entries[i] = cpu_to_le64(rnd());
		sb = bce_sb_edit_begin(r.w);
		assert_int_equal(bce_sb_clean_set(r.w, n + 5, entries, u64s), 0);
		sb = bce_sb_image(r.w);
		sb->flags[0] |= cpu_to_le64(1 << BCH_SB_CLEAN_LO);
		assert_int_equal(bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
		sb_rig_read(&r, 0, 0, &img);
		c = (const void *)bce_sb_field(img.sb, BCH_SB_FIELD_clean, &bytes);
		assert_int_equal(bytes, 24 + 8 * u64s);
		assert_int_equal(le64_to_cpu(c->journal_seq), n + 5);
		assert_memory_equal(c->entries, entries, 8 * u64s);
		assert_true(BCH_SB_FLAG(img.sb, CLEAN));
		bce_sb_image_exit(&img);
	}
	sb_rig_close(&r);
}

/* ---- errors, counters, downgrade ---- */

static void errors(void **state)
{
	const struct bch_sb_field_errors *e;
	u64 count[400] = { }, found = 0, v;
	struct sb_image img;
	struct sb_rig r;
	unsigned int n, i;
	size_t bytes;

	sb_rig_open(&r, 1, NULL);
	for (n = 0; n < 1000; n++) {
		i = rnd() % 30 * 13;
		bce_sb_edit_begin(r.w);
		assert_int_equal(bce_sb_error_count(r.w, i, 1), 0);
		bce_sb_edit_end(r.w);
		count[i]++;
	}
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	assert_true(BCH_SB_FLAG(img.sb, HAS_ERRORS));
	e = (const void *)bce_sb_field(img.sb, BCH_SB_FIELD_errors, &bytes);
	for (i = 0; i < (bytes - 8) / 16; i++) {
		v = le64_to_cpu(e->entries[i].v);
		assert_int_equal(v >> 16, count[v & 0xffff]);
		assert_true(le64_to_cpu(e->entries[i].last_error_time) > 1700000000);
		found += v >> 16;
	}
	assert_int_equal(found, 1000);
	bce_sb_image_exit(&img);

	/* a counter at its end stays there */
	bce_sb_edit_begin(r.w);
	((struct bch_sb_field_errors *)bce_sb_field(bce_sb_image(r.w), BCH_SB_FIELD_errors, NULL))
		->entries[0].v |= cpu_to_le64(~0ULL << 16);
	assert_int_equal(bce_sb_error_count(r.w, 0, 1), 0);
	assert_int_equal(bce_sb_error_count(r.w, 1 << 16, 1), -EINVAL);
	assert_int_equal(bce_sb_write(r.w), 0);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

static void counters_and_ext(void **state)
{
	const struct bch_sb_field_counters *c;
	struct bch_sb_field_ext *ext;
	struct sb_image img;
	struct sb_rig r;
	size_t bytes;

	sb_rig_open(&r, 1, NULL);
	bce_sb_edit_begin(r.w);
	assert_int_equal(bce_sb_counter_add(r.w, BCH_COUNTER_copygc, 5), 0);
	assert_int_equal(bce_sb_counter_add(r.w, BCH_COUNTER_NR, 5), -EINVAL);
	ext = bce_sb_ext(r.w);
	assert_false(IS_ERR(ext));
	ext->btrees_lost_data = cpu_to_le64(1 << 4);
	assert_int_equal(bce_sb_write(r.w), 0);
	assert_int_equal(bce_sb_write(r.w), 0);
	bce_sb_edit_end(r.w);
	sb_rig_read(&r, 0, 0, &img);
	c = (const void *)bce_sb_field(img.sb, BCH_SB_FIELD_counters, &bytes);
	assert_int_equal(bytes, 80 * 8);
	assert_int_equal(le64_to_cpu(c->d[BCH_COUNTER_copygc]), 5);
	assert_int_equal(le64_to_cpu(c->d[BCH_COUNTER_write_super]), 2);
	ext = (void *)bce_sb_field(img.sb, BCH_SB_FIELD_ext, &bytes);
	assert_int_equal(bytes, 96);
	assert_int_equal(le64_to_cpu(ext->btrees_lost_data), 1 << 4);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

static void with_stripes(struct sb_builder *b, unsigned int dev)
{
	b->sb->features[0] |= cpu_to_le64(1ULL << BCH_FEATURE_ec);
}

/* a longer table, of somebody newer */
static void newer_table(struct sb_builder *b, unsigned int dev)
{
	struct bch_sb_field *f = sbb_add(b, BCH_SB_FIELD_downgrade, 128);
	struct bch_sb_field_downgrade_entry *e = (void *)(f + 1);

	e->version = cpu_to_le16(BCH_VERSION(1, 20));
	e->nr_errors = cpu_to_le16(54);
}

static void older_set(struct sb_builder *b, unsigned int dev)
{
	b->sb->version = b->sb->version_min = cpu_to_le16(BCH_VERSION(1, 7));
}

static void downgrade(void **state)
{
	const struct bch_sb_field *f;
	struct sb_image img;
	struct sb_rig r;
	size_t bytes;

	sb_rig_open(&r, 1, NULL);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	f = bce_sb_field(img.sb, BCH_SB_FIELD_downgrade, &bytes);
	assert_int_equal(bytes, 120);
	assert_memory_equal(f + 1, "\x09\x04\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\x4c\0\x4d\0", 24);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);

	sb_rig_open(&r, 1, with_stripes);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	f = bce_sb_field(img.sb, BCH_SB_FIELD_downgrade, &bytes);
	assert_int_equal(bytes, 144);
	assert_memory_equal(f + 1, "\x08\x04\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x6c\0\x09\x04", 24);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);

	sb_rig_open(&r, 1, newer_table);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	f = bce_sb_field(img.sb, BCH_SB_FIELD_downgrade, &bytes);
	assert_int_equal(bytes, 136);
	assert_int_equal(*(const u8 *)(f + 1), 20);
	bce_sb_image_exit(&img);
	sb_rig_close(&r);

	sb_rig_open(&r, 1, older_set);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	assert_null(bce_sb_field(img.sb, BCH_SB_FIELD_downgrade, NULL));
	assert_int_equal(le16_to_cpu(img.sb->version), BCH_VERSION(1, 7));
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

/* ---- labels, options ---- */

static void label_is(const struct bch_sb *sb, unsigned int dev, const char *expected)
{
	struct text_buf label = TEXT_BUF_INIT;

	bce_sb_member_label(&label, sb, dev);
	assert_string_equal(bce_text_str(&label), expected);
	bce_text_exit(&label);
}

static void labels(void **state)
{
	static const char *const names[] = {
		"", "ssd", "ssd.a", "ssd.b", "hdd", "hdd.a", "hdd.a.b", "x.y.z.w",
		"01234567890123456789012345678901.01234567890123456789012345678901",
	};
	const char *has[3] = { "", "", "" };
	struct bch_sb_field_disk_groups *g;
	struct sb_image img;
	struct sb_rig r;
	unsigned int n, dev;
	size_t bytes;

	sb_rig_open(&r, 3, NULL);
	for (n = 0; n < 100; n++) {
		dev = rnd() % 3;
		has[dev] = names[rnd() % ARRAY_SIZE(names)];
		bce_sb_edit_begin(r.w);
		assert_int_equal(bce_sb_label_set(r.w, dev, has[dev]), 0);
		for (dev = 0; dev < 3; dev++)
			label_is(bce_sb_image(r.w), dev, has[dev]);
		assert_int_equal(bce_sb_write(r.w), 0);
		bce_sb_edit_end(r.w);
	}
	sb_rig_read(&r, 0, 0, &img);
	for (dev = 0; dev < 3; dev++)
		label_is(img.sb, dev, has[dev]);
	/* every name once, and no more than that: the 9 paths have 12 components */
	bce_sb_field(img.sb, BCH_SB_FIELD_disk_groups, &bytes);
	assert_int_equal(bytes, 8 + 12 * 48);
	bce_sb_image_exit(&img);

	bce_sb_edit_begin(r.w);
	assert_int_equal(bce_sb_label_set(r.w, 0, "a..b"), -EINVAL);
	assert_int_equal(bce_sb_label_set(r.w, 0, "a."), -EINVAL);
	assert_int_equal(bce_sb_label_set(r.w, 0, ".a"), -EINVAL);
	assert_int_equal(bce_sb_label_set(r.w, 0, "012345678901234567890123456789012"), -EINVAL);
	assert_int_equal(bce_sb_label_set(r.w, 3, "a"), -ENODEV);
	/* the slot of a deleted entry is taken again */
	assert_int_equal(bce_sb_label_set(r.w, 0, ""), 0);
	assert_int_equal(bce_sb_label_set(r.w, 1, NULL), 0);
	assert_int_equal(bce_sb_label_set(r.w, 2, NULL), 0);
	g = (void *)bce_sb_field(bce_sb_image(r.w), BCH_SB_FIELD_disk_groups, NULL);
	g->entries[3].flags[0] |= cpu_to_le64(1);
	assert_int_equal(bce_sb_label_set(r.w, 1, "fresh"), 0);
	assert_string_equal((char *)g->entries[3].label, "fresh");
	assert_int_equal(le64_to_cpu(g->entries[3].flags[0]), 31 << 1);
	label_is(bce_sb_image(r.w), 1, "fresh");
	assert_int_equal(bce_sb_write(r.w), 0);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

/* found by tests/fuzz/sb_fuzz.c: a member that refers to a label where there is none */
static void label_from_nowhere(void **state)
{
	struct member_info m;
	struct sb_image img;
	struct sb_rig r;

	sb_rig_open(&r, 2, NULL);
	bce_sb_edit_begin(r.w);
	bce_sb_member(bce_sb_image(r.w), 1, &m);
	m.group = 4;
	assert_int_equal(bce_sb_member_set(r.w, 1, &m), 0);
	assert_int_equal(bce_sb_label_set(r.w, 0, "a"), 0);
	label_is(bce_sb_image(r.w), 1, "");
	assert_int_equal(bce_sb_member_set(r.w, 1, &m), -EINVAL);
	m.group = 1;
	assert_int_equal(bce_sb_member_set(r.w, 1, &m), 0);
	bce_sb_edit_end(r.w);
	assert_int_equal(sb_rig_write(&r), 0);
	sb_rig_read(&r, 0, 0, &img);
	label_is(img.sb, 0, "a");
	label_is(img.sb, 1, "a");
	bce_sb_image_exit(&img);
	sb_rig_close(&r);
}

static u64 random_value(const struct sb_option_desc *desc)
{
	u64 v;

	do {
		v = desc->max - desc->min + 1 ? desc->min + rnd() % (desc->max - desc->min + 1) : rnd();
		if (desc->pow2)
			v = desc->min << rnd() % 12;
		if (desc->unit == SB_OPTION_TARGET)
			v &= 0xfff;
		if (desc->unit == SB_OPTION_SECTORS)
			v = v >> 9 << 9;
		if (desc->unit == SB_OPTION_SECTORS && !desc->pow2)
			v >>= rnd() % 30;
		v = desc->unit == SB_OPTION_SECTORS ? v >> 9 << 9 : v;
	} while (bce_sb_option_check(desc, v));
	return v;
}

/* all options to random values: each reads as it was set, none touches another */
static void options(void **state)
{
	struct bch_sb *sb;
	struct sb_rig r;
	unsigned int n, i;
	u64 v[64];

	sb_rig_open(&r, 1, NULL);
	assert_true(bce_sb_nr_options <= ARRAY_SIZE(v));
	sb = bce_sb_edit_begin(r.w);
	for (n = 0; n < 100; n++) {
		for (i = 0; i < bce_sb_nr_options; i++) {
			v[i] = random_value(&bce_sb_options[i]);
			bce_sb_option_set(sb, &bce_sb_options[i], v[i]);
		}
		for (i = 0; i < bce_sb_nr_options; i++)
			if (v[i] || !bce_sb_options[i].if_zero)
				assert_int_equal(bce_sb_option_get(sb, &bce_sb_options[i]), v[i]);
	}
	sb->features[0] = 0;
	bce_sb_option_set(sb, bce_sb_option_by_name("compression"), 3 | 9 << 4);
	assert_int_equal(le64_to_cpu(sb->features[0]), 1 << BCH_FEATURE_zstd);
	bce_sb_option_set(sb, bce_sb_option_by_name("background_compression"), 1);
	bce_sb_option_set(sb, bce_sb_option_by_name("erasure_code"), 1);
	assert_int_equal(le64_to_cpu(sb->features[0]),
			 1 << BCH_FEATURE_zstd | 1 << BCH_FEATURE_lz4 | 1 << BCH_FEATURE_ec);
	bce_sb_edit_end(r.w);
	sb_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections),
		cmocka_unit_test(limit),
		cmocka_unit_test(members),
		cmocka_unit_test(older_records),
		cmocka_unit_test(btree_bitmap),
		cmocka_unit_test(replicas),
		cmocka_unit_test(replicas_bytes),
		cmocka_unit_test(blacklist),
		cmocka_unit_test(rings),
		cmocka_unit_test(clean),
		cmocka_unit_test(errors),
		cmocka_unit_test(counters_and_ext),
		cmocka_unit_test(downgrade),
		cmocka_unit_test(labels),
		cmocka_unit_test(label_from_nowhere),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests_name("superblock editing", tests, rnd_setup, NULL);
}
