// SPDX-License-Identifier: GPL-2.0
/*
 * How much of the set's data the present members hold, by the replicas table alone: every
 * combination of members that holds anything is listed there before its first use, so no
 * btree has to be read to answer. Cached data never counts: losing it loses nothing.
 *
 * A member whose state is failed need not be there, and what only it has a copy of is not taken for readable: it
 * lost something once.
 */
#include "engine/sb/sb.h"

#include <linux/bitops.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/sb/replicas.h"

/* @failed: out, bit per member */
static void count_members(const struct bch_sb *sb, u64 present, struct sb_presence *out, u64 *failed)
{
	struct member_info m;
	unsigned int idx;

	for (idx = 0; idx < sb->nr_devices && idx < BCH_MEMBERS_MAX; idx++) {
		bce_sb_member(sb, idx, &m);
		if (m.exists && m.state == MEMBER_FAILED)
			*failed |= 1ULL << idx;
		if (!m.exists || (m.state != MEMBER_RW && m.state != MEMBER_RO))
			continue;
		out->nr_expected++;
		if (present >> idx & 1)
			out->nr_present++;
		else
			out->missing |= 1ULL << idx;
	}
}

void bce_sb_presence(const struct bch_sb *sb, u64 present, struct sb_presence *out)
{
	struct replicas_entry e;
	struct replicas_walk w;
	u64 failed = 0;

	memset(out, 0, sizeof(*out));
	out->data_complete = true;
	count_members(sb, present, out, &failed);

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e)) {
		unsigned int copies = hweight64(bce_replicas_devs_mask(&e) & present & ~failed);

		if (e.data_type == BCH_DATA_cached)
			continue;
		if (copies < e.nr_required)
			out->data_complete = false;
		if (copies < e.nr_devs)
			out->data_degraded = true;
	}
}
