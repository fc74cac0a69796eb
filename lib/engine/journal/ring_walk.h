/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_RING_WALK_H
#define ENGINE_JOURNAL_RING_WALK_H

#include "engine/format/sb.h"

/* The buckets of a member's ring, in the order of its own superblock: docs/format/10, 6.0, 6.9. */
struct ring_walk {
	const struct bch_sb_journal_v2_entry	*range;
	size_t					nr_ranges;
	const __le64				*bucket;	/* old form */
	size_t					nr_buckets;
	size_t					at;		/* range or bucket */
	u64					in_range;
	u32					index;
};

/* @sb: the member's own */
void bce_ring_walk_init(struct ring_walk *w, const struct bch_sb *sb);
/* false at the end */
bool bce_ring_walk_next(struct ring_walk *w, u64 *bucket, u32 *index);

#endif
