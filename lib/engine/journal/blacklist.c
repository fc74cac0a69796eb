// SPDX-License-Identifier: GPL-2.0
/*
 * Sequence numbers that no journal entry on disk may stand for: after a crash the tail that
 * was never flushed is given up, and btree nodes written under those numbers must stay
 * invalid for ever.
 *
 * Half-open ranges, sorted and merged, searched by halving: every bset read asks.
 *
 * Source: docs/format/30-journal.md, section 8; 10-superblock.md, 6.8.
 */
#include "engine/journal/journal_internal.h"

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

struct seq_range {
	u64	start;
	u64	end;		/* not included */
};

struct journal_blacklist {
	size_t			nr;
	size_t			room;
	struct seq_range	range[];
};

static struct journal_blacklist *blacklist_grow(struct journal_blacklist *old)
{
	size_t room = old ? 2 * old->room : 16;
	struct journal_blacklist *bl;

	bl = kvmalloc(struct_size(bl, range, room), GFP_KERNEL);
	if (!bl)
		return NULL;
	bl->nr = old ? old->nr : 0;
	bl->room = room;
	if (old)
		memcpy(bl->range, old->range, old->nr * sizeof(old->range[0]));
	kvfree(old);
	return bl;
}

int journal_blacklist_add(struct journal_blacklist **bl, u64 start, u64 end)
{
	if (start >= end)
		return 0;
	if (!*bl || (*bl)->nr == (*bl)->room) {
		struct journal_blacklist *more = blacklist_grow(*bl);

		if (!more)
			return -ENOMEM;
		*bl = more;
	}
	(*bl)->range[(*bl)->nr++] = (struct seq_range) { start, end };
	return 0;
}

static int range_cmp(const void *_a, const void *_b)
{
	const struct seq_range *a = _a, *b = _b;

	return a->start < b->start ? -1 : a->start > b->start;
}

void journal_blacklist_sort(struct journal_blacklist *bl)
{
	size_t i, last = 0;

	if (!bl || !bl->nr)
		return;
	sort(bl->range, bl->nr, sizeof(bl->range[0]), range_cmp, NULL);
	for (i = 1; i < bl->nr; i++) {
		if (bl->range[i].start <= bl->range[last].end)
			bl->range[last].end = max(bl->range[last].end, bl->range[i].end);
		else
			bl->range[++last] = bl->range[i];
	}
	bl->nr = last + 1;
}

int journal_blacklist_load(struct journal_blacklist **out, const struct bch_sb *sb)
{
	const struct bch_sb_field_journal_seq_blacklist *f;
	size_t bytes, i, nr;
	int ret = 0;

	*out = NULL;
	f = (const void *)bce_sb_field(sb, BCH_SB_FIELD_journal_seq_blacklist, &bytes);
	nr = f ? (bytes - sizeof(*f)) / sizeof(f->entries[0]) : 0;
	for (i = 0; i < nr && !ret; i++)
		ret = journal_blacklist_add(out, le64_to_cpu(f->entries[i].start),
					    le64_to_cpu(f->entries[i].end));
	journal_blacklist_sort(*out);
	return ret;
}

/* index of the first range that ends after @seq */
static size_t range_after(const struct journal_blacklist *bl, u64 seq)
{
	size_t l = 0, r = bl->nr;

	while (l < r) {
		size_t m = l + (r - l) / 2;

		if (bl->range[m].end <= seq)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

bool bce_journal_seq_blacklisted(const struct journal_blacklist *bl, u64 seq)
{
	size_t i;

	if (!bl)
		return false;
	i = range_after(bl, seq);
	return i < bl->nr && bl->range[i].start <= seq;
}

u64 journal_blacklist_first_hole(const struct journal_blacklist *bl, u64 start, u64 end)
{
	size_t i;

	if (!bl)
		return start;
	i = range_after(bl, start);
	if (i == bl->nr || bl->range[i].start > start)
		return start;
	return min(bl->range[i].end, end);	/* ranges are merged: a hole follows */
}
