// SPDX-License-Identifier: GPL-2.0
/*
 * Where the last writer of each journal ring stood.
 *
 * After a clean shutdown the member's record tells: ring index and sectors used. The last entry
 * there is the one an unclean recovery would start from until a newer flush entry exists, so its
 * bucket counts as holding it.
 *
 * After any other end the rings themselves tell (bce_journal_rings_stand()).
 *
 * Source: docs/format/30-journal.md, sections 5, 7, 10.
 */
#include "engine/set/rw.h"

#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "engine/format/ids.h"
#include "engine/journal/ring_walk.h"
#include "engine/set/set_internal.h"

bool bce_set_member_keeps_journal(const struct member_info *m)
{
	return m->exists && m->state == MEMBER_RW && m->durability &&
		(m->data_allowed >> BCH_DATA_journal & 1);
}

static int ring_load(struct journal_ring *ring, const struct bch_sb *own_sb)
{
	struct ring_walk w;
	u64 bucket;
	u32 index;

	bce_ring_walk_init(&w, own_sb);
	while (bce_ring_walk_next(&w, &bucket, &index))
		ring->nr++;
	if (!ring->nr)
		return 0;
	ring->bucket = kvcalloc(ring->nr, sizeof(*ring->bucket), GFP_KERNEL);
	ring->bucket_seq = kvcalloc(ring->nr, sizeof(*ring->bucket_seq), GFP_KERNEL);
	if (!ring->bucket || !ring->bucket_seq)
		return -ENOMEM;
	bce_ring_walk_init(&w, own_sb);
	while (bce_ring_walk_next(&w, &bucket, &index))
		ring->bucket[index] = bucket;
	return 0;
}

static void stand_by_record(struct journal_ring *ring, const struct member_info *m, u64 last_seq)
{
	if (m->last_journal_bucket >= ring->nr)
		return;
	ring->cur_idx = m->last_journal_bucket;
	ring->cur_used_sectors = min(m->last_journal_offset_sectors, m->bucket_sectors);
	ring->bucket_seq[ring->cur_idx] = last_seq;
}

int bce_set_rings_make(struct bce_set *set, struct journal_ring *ring)
{
	struct member_info m;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < set->info.nr_devices; i++) {
		if (!set->dev_sb[i].sb)
			continue;
		bce_sb_member(set->best.sb, i, &m);
		ret = ring_load(&ring[i], set->dev_sb[i].sb);
		if (ret || !ring[i].nr)
			continue;
		ring[i].usable = bce_set_member_keeps_journal(&m);
		if (set->replay.clean)
			stand_by_record(&ring[i], &m, set->replay.next_seq - 1);
	}
	if (!ret && !set->replay.clean)
		bce_journal_rings_stand(&set->replay, ring, set->info.nr_devices);
	if (ret)
		bce_set_rings_free(ring);
	return ret;
}

void bce_set_rings_free(struct journal_ring *ring)
{
	unsigned int i;

	for (i = 0; i < BCE_SET_MEMBERS_MAX; i++) {
		kvfree(ring[i].bucket);
		kvfree(ring[i].bucket_seq);
		ring[i] = (struct journal_ring) { };
	}
}
