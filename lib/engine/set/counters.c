// SPDX-License-Identifier: GPL-2.0
/*
 * How often something has happened in a set: since it was assembled, and ever.
 *
 * The first is counted in memory. The second is that and what the superblock said when the set was opened. A clean end of
 * writing adds what is new to the superblock; a crash forgets it, as these are statistics, and no write is made for them.
 *
 * Source: docs/format/10-superblock.md, sections 6, 10.
 */
#include <bcachefs/stats.h>

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>

#include "engine/format/counters.h"
#include "engine/sb/write.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "engine/util/event.h"

static const struct {
	const char	*name;
	int		nr;		/* in the superblock; -1: not there */
} counters[] = {
#define x(event, number)	[BCE_EVENT_##event] = { #event, number },
	BCE_EVENT_LIST(x)
#undef x
};

const char *bce_counter_name(unsigned int counter)
{
	return counter < ARRAY_SIZE(counters) ? counters[counter].name : NULL;
}
EXPORT_SYMBOL_GPL(bce_counter_name);

static u64 stored(const struct bch_sb *sb, int nr)
{
	const struct bch_sb_field_counters *c;
	size_t bytes;

	c = (const void *)bce_sb_field(sb, BCH_SB_FIELD_counters, &bytes);
	if (!c || nr < 0 || sizeof(c->field) + (nr + 1) * sizeof(c->d[0]) > bytes)
		return 0;
	return le64_to_cpu(c->d[nr]);
}

int bce_set_counter(struct bce_set *set, unsigned int counter, struct bce_counter *out)
{
	if (counter >= ARRAY_SIZE(counters))
		return -EINVAL;
	out->since_assembled = bce_event_count(set->log, counter);
	out->kept = counters[counter].nr >= 0;
	out->ever = out->since_assembled + stored(set->best.sb, counters[counter].nr);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_set_counter);

void bce_set_counters_note(struct bce_set *set)
{
	struct set_rw *rw = set->rw;

	for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++) {
		u64 now = bce_event_count(set->log, i), new = now - rw->counters_told[i];

		/* without room in the superblock they are not kept */
		if (counters[i].nr >= 0 && new && !bce_sb_counter_add(rw->sb, counters[i].nr, new))
			rw->counters_told[i] = now;
	}
}
