// SPDX-License-Identifier: GPL-2.0
/*
 * What the superblock knows of the journal: where each member's ring is, which sequence numbers
 * must never count, and the state at a clean shutdown.
 *
 * Source: docs/format/10-superblock.md, 6.0, 6.6, 6.8, 6.9; 30-journal.md, section 8.
 */
#include "engine/sb/write.h"

#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"

#define RING_RANGE_U64S		(sizeof(struct bch_sb_journal_v2_entry) / 8)
#define BLACKLIST_RANGE_U64S	(sizeof(struct bch_journal_seq_blacklist_entry) / 8)

/* ---- rings ---- */

static bool begins_range(const u64 *buckets, unsigned int i)
{
	return !i || buckets[i] != buckets[i - 1] + 1;
}

static unsigned int ring_ranges(const u64 *buckets, unsigned int nr)
{
	unsigned int i, ranges = 0;

	for (i = 0; i < nr; i++)
		ranges += begins_range(buckets, i);
	return ranges;
}

int bce_sb_journal_set(struct sb_writer *w, unsigned int dev, const u64 *buckets, unsigned int nr)
{
	unsigned int ranges = ring_ranges(buckets, nr), i;
	struct bch_sb_journal_v2_entry *d;
	struct bch_sb_field *f;

	f = bce_sb_dev_field_resize(w, dev, BCH_SB_FIELD_journal_v2,
				    ranges ? 1 + RING_RANGE_U64S * ranges : 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	d = f ? ((struct bch_sb_field_journal_v2 *)f)->d : NULL;
	for (i = 0; i < nr; i++) {
		if (begins_range(buckets, i)) {
			d += i != 0;
			d->start = cpu_to_le64(buckets[i]);
			d->nr = 0;
		}
		le64_add_cpu(&d->nr, 1);
	}
	/* the old form would be ignored from now on */
	bce_sb_dev_field_resize(w, dev, BCH_SB_FIELD_journal, 0);
	w->unwritten = true;
	return 0;
}

/* ---- blacklist ---- */

struct seq_range {
	u64	start;
	u64	end;
};

static struct bch_journal_seq_blacklist_entry *blacklist(struct sb_writer *w, unsigned int *nr)
{
	struct bch_sb_field_journal_seq_blacklist *bl;

	bl = (void *)sb_writer_field(w, BCH_SB_FIELD_journal_seq_blacklist);
	*nr = bl ? (sb_field_bytes(&bl->field) - sizeof(*bl)) / sizeof(bl->entries[0]) : 0;
	return bl ? bl->entries : NULL;
}

static int blacklist_store(struct sb_writer *w, const struct seq_range *r, unsigned int nr)
{
	struct bch_journal_seq_blacklist_entry *e;
	struct bch_sb_field *f;
	unsigned int i;

	f = bce_sb_field_resize(w, BCH_SB_FIELD_journal_seq_blacklist,
				nr ? 1 + BLACKLIST_RANGE_U64S * nr : 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	e = f ? ((struct bch_sb_field_journal_seq_blacklist *)f)->entries : NULL;
	for (i = 0; i < nr; i++) {
		e[i].start = cpu_to_le64(r[i].start);
		e[i].end = cpu_to_le64(r[i].end);
	}
	if (nr)
		w->sb->features[0] |= cpu_to_le64(1ULL << BCH_FEATURE_journal_seq_blacklist_v3);
	w->unwritten = true;
	return 0;
}

/* the list in CPU order, with room for one more */
static struct seq_range *blacklist_load(struct sb_writer *w, unsigned int *nr)
{
	struct bch_journal_seq_blacklist_entry *e = blacklist(w, nr);
	struct seq_range *r = kvmalloc_array(*nr + 1, sizeof(*r), GFP_KERNEL);
	unsigned int i;

	for (i = 0; r && i < *nr; i++)
		r[i] = (struct seq_range) { le64_to_cpu(e[i].start), le64_to_cpu(e[i].end) };
	return r;
}

/* @add goes to its place; whatever it overlaps or touches becomes part of it */
static unsigned int range_merge(struct seq_range *r, unsigned int nr, struct seq_range add)
{
	unsigned int first = 0, after;

	while (first < nr && r[first].end < add.start)
		first++;
	for (after = first; after < nr && r[after].start <= add.end; after++) {
		add.start = min(add.start, r[after].start);
		add.end = max(add.end, r[after].end);
	}
	memmove(&r[first + 1], &r[after], (nr - after) * sizeof(*r));
	r[first] = add;
	return nr + 1 - (after - first);
}

int bce_sb_blacklist_add(struct sb_writer *w, u64 start, u64 end)
{
	struct seq_range *r;
	unsigned int nr;
	int ret;

	if (start >= end)
		return -EINVAL;
	r = blacklist_load(w, &nr);
	if (!r)
		return -ENOMEM;
	nr = range_merge(r, nr, (struct seq_range) { start, end });
	ret = blacklist_store(w, r, nr);
	kvfree(r);
	return ret;
}

int bce_sb_blacklist_remove(struct sb_writer *w, u64 start, u64 end)
{
	unsigned int nr, i, kept = 0;
	struct seq_range *r = blacklist_load(w, &nr);
	int ret = 0;

	if (!r)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		if (r[i].start < start || r[i].end > end)
			r[kept++] = r[i];
	if (kept < nr)
		ret = blacklist_store(w, r, kept);
	kvfree(r);
	return ret;
}

/* ---- clean ---- */

int bce_sb_clean_set(struct sb_writer *w, u64 journal_seq, const void *entries, unsigned int u64s)
{
	struct bch_sb_field_clean *c;
	struct bch_sb_field *f;

	f = bce_sb_field_resize(w, BCH_SB_FIELD_clean, sizeof(*c) / 8 + u64s);
	if (IS_ERR(f))
		return PTR_ERR(f);
	c = (void *)f;
	c->flags = 0;
	c->_read_clock = 0;
	c->_write_clock = 0;
	c->journal_seq = cpu_to_le64(journal_seq);
	memcpy(c->entries, entries, 8 * (size_t)u64s);
	w->unwritten = true;
	return 0;
}
