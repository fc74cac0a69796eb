// SPDX-License-Identifier: GPL-2.0
/*
 * Members as they are when a set begins to be written to.
 *
 * Superblock copies and journal rings lie in buckets that no pointer leads to. Their alloc keys
 * are compared with the layouts and rings and put right where they differ, which on a set that
 * has been used is nowhere. A member without freespace then gets it from its alloc keys. For a new
 * member the counter of its free buckets comes first, as all changes of buckets move them from
 * there.
 *
 *	{dev, free} counter -> superblock and journal buckets -> freespace -> flag, superblocks
 *
 * A crash anywhere in between leaves the flag clear and everything is done again; what is there
 * already is not done twice.
 *
 * Source: docs/format/00-overview.md, section 9, 3 to 5; 75-allocation.md, sections 6, 7.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/key/text.h"

/* a bucket that is not ours to give */
struct bucket_mark {
	u64	bucket;
	u32	sectors;
	u8	data_type;
};

struct mark_list {
	struct bucket_mark	*mark;
	unsigned int		nr, max;
};

/* ---- what layouts and rings say ---- */

static int mark_add(struct mark_list *l, u64 bucket, unsigned int data_type, u32 sectors)
{
	/* runs of superblock copies that meet in a bucket; rings name each bucket once */
	for (unsigned int i = l->nr; data_type == BCH_DATA_sb && i-- > 0; )
		if (l->mark[i].bucket == bucket) {
			l->mark[i].sectors += sectors;
			return 0;
		}
	if (l->nr == l->max) {
		unsigned int max = max(l->max * 2, 64U);
		struct bucket_mark *mark = kvcalloc(max, sizeof(*mark), GFP_KERNEL);

		if (!mark)
			return -ENOMEM;
		if (l->nr)
			memcpy(mark, l->mark, l->nr * sizeof(*mark));
		kvfree(l->mark);
		l->mark = mark;
		l->max = max;
	}
	l->mark[l->nr++] = (struct bucket_mark) {
		.bucket = bucket, .data_type = data_type, .sectors = sectors,
	};
	return 0;
}

static int mark_sectors(struct mark_list *l, const struct member_info *m, u64 start, u64 end)
{
	int ret = 0;

	while (start < end && !ret) {
		u32 offset;
		u64 bucket = div_u64_rem(start, m->bucket_sectors, &offset);
		u64 next = min(end, start - offset + m->bucket_sectors);

		if (bucket >= m->nbuckets)
			break;
		ret = mark_add(l, bucket, BCH_DATA_sb, next - start);
		start = next;
	}
	return ret;
}

static int marks_of_layout(struct mark_list *l, const struct member_info *m,
			   const struct bch_sb_layout *layout)
{
	u64 sectors = 1ULL << min_t(unsigned int, layout->sb_max_size_bits, BCH_SB_LAYOUT_MAX_BITS);
	int ret = 0;

	for (unsigned int i = 0;
	     i < min_t(unsigned int, layout->nr_superblocks, BCH_SB_LAYOUT_COPIES) && !ret; i++) {
		u64 start = le64_to_cpu(layout->sb_offset[i]);

		if (start == BCH_SB_SECTOR)
			ret = mark_sectors(l, m, 0, start);
		if (!ret)
			ret = mark_sectors(l, m, start, start + sectors);
	}
	return ret;
}

static int marks_of_ring(struct mark_list *l, const struct member_info *m,
			 const struct bch_sb_field *field)
{
	const struct bch_sb_field_journal_v2 *f = container_of(field, struct bch_sb_field_journal_v2,
							       field);
	unsigned int nr = (le32_to_cpu(field->u64s) * sizeof(u64) - sizeof(*f)) / sizeof(f->d[0]);
	int ret = 0;

	for (unsigned int i = 0; i < nr; i++)
		for (u64 j = 0; j < le64_to_cpu(f->d[i].nr) && !ret; j++)
			ret = mark_add(l, le64_to_cpu(f->d[i].start) + j, BCH_DATA_journal,
				       m->bucket_sectors);
	return ret;
}

static int marks_of_old_ring(struct mark_list *l, const struct member_info *m,
			     const struct bch_sb_field *field)
{
	const struct bch_sb_field_journal *f = container_of(field, struct bch_sb_field_journal, field);
	unsigned int nr = (le32_to_cpu(field->u64s) * sizeof(u64) - sizeof(*f)) / sizeof(u64);
	int ret = 0;

	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = mark_add(l, le64_to_cpu(f->buckets[i]), BCH_DATA_journal, m->bucket_sectors);
	return ret;
}

/* of a member that is here; nothing for others */
static int marks_read(struct allocator *a, unsigned int dev, struct mark_list *l)
{
	const struct member_info *m = &a->dev[dev].info;
	const struct bch_sb_layout *layout;
	const struct bch_sb_field *v1, *v2;
	int ret = 0;

	bce_sb_edit_begin(a->config.sb);
	layout = bce_sb_dev_layout(a->config.sb, dev);
	v2 = bce_sb_dev_field(a->config.sb, dev, BCH_SB_FIELD_journal_v2);
	v1 = v2 ? NULL : bce_sb_dev_field(a->config.sb, dev, BCH_SB_FIELD_journal);
	if (layout)
		ret = marks_of_layout(l, m, layout);
	if (!ret && v2)
		ret = marks_of_ring(l, m, v2);
	if (!ret && v1)
		ret = marks_of_old_ring(l, m, v1);
	bce_sb_edit_end(a->config.sb);
	return ret;
}

/* ---- alloc keys ---- */

struct mark_job {
	struct allocator		*a;
	unsigned int			dev;
	const struct bucket_mark	*mark;
	unsigned int			nr;
};

#define MARK_BATCH	16

static int mark_bucket(struct allocator *a, struct bce_trans *t, unsigned int dev,
		       const struct bucket_mark *mark)
{
	struct alloc_info old, new;
	int ret = alloc_bucket_lookup(a, t, dev, mark->bucket, &old);

	if (ret || (old.data_type == mark->data_type && old.dirty_sectors == mark->sectors))
		return ret;
	if (!bce_data_type_is_empty(old.data_type) && old.data_type != mark->data_type) {
		bce_log_error(a->config.log, BCE_ERR_bucket_metadata_type_mismatch,
			      "btree alloc %u:%llu:0: %s lies here, but the key says %s", dev,
			      mark->bucket, bce_data_type_name(mark->data_type),
			      bce_data_type_name(old.data_type));
		return -EIO;
	}
	new = old;
	new.data_type = mark->data_type;
	new.dirty_sectors = mark->sectors;
	return alloc_bucket_change(a, t, dev, mark->bucket, &old, &new);
}

static int mark_some(struct bce_trans *t, void *ctx)
{
	struct mark_job *job = ctx;
	int ret = 0;

	for (unsigned int i = 0; i < job->nr && !ret; i++)
		ret = mark_bucket(job->a, t, job->dev, &job->mark[i]);
	return ret;
}

static int member_mark(struct allocator *a, unsigned int dev)
{
	struct mark_list l = { };
	int ret = marks_read(a, dev, &l);

	for (unsigned int i = 0; i < l.nr && !ret; i += MARK_BATCH) {
		struct mark_job job = {
			.a = a, .dev = dev, .mark = l.mark + i,
			.nr = min_t(unsigned int, l.nr - i, MARK_BATCH),
		};

		ret = bce_trans_run(a->config.btrees, mark_some, &job, TRANS_COMMIT_ALLOC, NULL);
	}
	kvfree(l.mark);
	return ret;
}

/* ---- the counter a new member begins with ---- */

static int new_member_account(struct bce_trans *t, void *ctx)
{
	const struct mark_job *job = ctx;
	const struct member_info *m = &job->a->dev[job->dev].info;

	return alloc_account_dev(t, job->dev, BCH_DATA_free, m->nbuckets - m->first_bucket, 0, 0);
}

static int member_account(struct allocator *a, unsigned int dev)
{
	struct mark_job job = { .a = a, .dev = dev };
	s64 counters[3], sum = 0;
	int ret = 0;

	for (unsigned int type = 0; type < BCH_DATA_unstriped && !ret; type++) {
		ret = alloc_dev_counters(a, dev, type, counters);
		sum += counters[0];
	}
	if (ret || sum)
		return ret;
	return bce_trans_run(a->config.btrees, new_member_account, &job, TRANS_COMMIT_ALLOC, NULL);
}

/* ---- the flag ---- */

static int flags_write(struct allocator *a, u64 devs)
{
	struct member_info m;
	int ret = 0;

	bce_sb_edit_begin(a->config.sb);
	for (unsigned int i = 0; i < a->nr_devs && !ret; i++) {
		if (!(devs >> i & 1))
			continue;
		bce_sb_member(bce_sb_image(a->config.sb), i, &m);
		m.freespace_initialized = true;
		ret = bce_sb_member_set(a->config.sb, i, &m);
	}
	if (!ret)
		ret = bce_sb_write(a->config.sb);
	bce_sb_edit_end(a->config.sb);
	return ret ?: bce_allocator_members_changed(a);
}

int bce_allocator_init_members(struct allocator *a)
{
	u64 present = bce_members_present(a->config.members), made = 0;
	int ret = 0;

	for (unsigned int i = 0; i < a->nr_devs && !ret; i++) {
		/* one that is away is looked at when it comes back */
		if (!a->dev[i].info.exists || !(present >> i & 1))
			continue;
		ret = member_account(a, i) ?: member_mark(a, i);
		if (ret || a->dev[i].freespace)
			continue;
		ret = alloc_freespace_init(a, i);
		made |= 1ULL << i;
	}
	/* keys before the flag that says they are there */
	if (!ret && made && a->config.journal)
		ret = bce_journal_flush(a->config.journal);
	return ret || !made ? ret : flags_write(a, made);
}
