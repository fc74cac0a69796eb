// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a key: each room is asked about the keys that concern it. Buckets,
 * backpointers and counters last at each round's end, since the other rooms' finish may bring
 * keys with pointers of their own (a shared extent that nobody refers to any more).
 *
 * Source: docs/format/65-operations.md, section 0.
 */
#include "engine/set/rw.h"

#include "engine/alloc/alloc.h"
#include "engine/data/reflink.h"
#include "engine/format/ids.h"
#include "engine/names/trigger.h"
#include "engine/set/set_internal.h"

static int trigger_key(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		       unsigned int btree_id, unsigned int level, const struct bkey *old,
		       const struct bkey *new)
{
	struct bce_set *set = ctx;
	struct names_trigger names = { .snapshots = set->snapshots, .log = set->log };
	int ret;

	ret = bce_reflink_trigger(t, set->log, phase, btree_id, level, old, new);
	if (!ret)
		ret = bce_names_trigger(&names, t, phase, btree_id, level, old, new);
	if (!ret)
		ret = bce_alloc_trigger(set->rw->alloc, t, phase, btree_id, level, old, new);
	return ret;
}

static int trigger_finish(void *ctx, struct bce_trans *t)
{
	struct bce_set *set = ctx;
	int ret = bce_reflink_trigger_finish(t, set->log);

	return ret ?: bce_alloc_trigger_finish(set->rw->alloc, t);
}

/* all that the rooms act on: keys with pointers, reservations, references, inodes, subvolumes */
static bool trigger_wants(unsigned int btree_id)
{
	switch (btree_id) {
	case BTREE_ID_extents:
	case BTREE_ID_inodes:
	case BTREE_ID_stripes:
	case BTREE_ID_reflink:
	case BTREE_ID_subvolumes:
		return true;
	}
	return false;
}

const struct btree_trigger_ops bce_set_trigger_ops = {
	.key	= trigger_key,
	.finish	= trigger_finish,
	.wants	= trigger_wants,
};
