// SPDX-License-Identifier: GPL-2.0
/*
 * A ring is a list of buckets: as ranges in the present form of its section, one by one in the
 * old one. A superblock without either has no ring.
 */
#include "engine/journal/ring_walk.h"

#include <linux/string.h>

#include "engine/sb/sb.h"

void bce_ring_walk_init(struct ring_walk *w, const struct bch_sb *sb)
{
	const struct bch_sb_field_journal_v2 *v2;
	const struct bch_sb_field_journal *v1;
	size_t bytes;

	memset(w, 0, sizeof(*w));
	v2 = (const void *)bce_sb_field(sb, BCH_SB_FIELD_journal_v2, &bytes);
	if (v2) {
		w->range = v2->d;
		w->nr_ranges = (bytes - sizeof(*v2)) / sizeof(v2->d[0]);
		return;
	}
	v1 = (const void *)bce_sb_field(sb, BCH_SB_FIELD_journal, &bytes);
	if (v1) {
		w->bucket = v1->buckets;
		w->nr_buckets = (bytes - sizeof(*v1)) / sizeof(v1->buckets[0]);
	}
}

bool bce_ring_walk_next(struct ring_walk *w, u64 *bucket, u32 *index)
{
	if (w->range) {
		while (w->at < w->nr_ranges && w->in_range >= le64_to_cpu(w->range[w->at].nr)) {
			w->at++;
			w->in_range = 0;
		}
		if (w->at == w->nr_ranges)
			return false;
		*bucket = le64_to_cpu(w->range[w->at].start) + w->in_range++;
	} else {
		if (w->at == w->nr_buckets)
			return false;
		*bucket = le64_to_cpu(w->bucket[w->at++]);
	}
	*index = w->index++;
	return true;
}
