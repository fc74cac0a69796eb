// SPDX-License-Identifier: GPL-2.0
/*
 * What recovery needs before any btree can be read: roots, the key version, the clocks. It
 * stands in every journal entry and in the clean section, in the same form; the last one
 * wins. Lists come here validated.
 *
 * Source: docs/format/30-journal.md, section 9.
 */
#include "engine/journal/journal_internal.h"

#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"

static void take_root(struct journal_replay *r, const struct jset_entry *e)
{
	struct journal_root *root = &r->root[e->btree_id];
	unsigned int u64s = jset_entry_u64s(e);
	struct disk_key *k = (void *)root->key;
	struct bch_btree_ptr_v2 *v = (void *)(root->key + BKEY_U64S);

	memset(root, 0, sizeof(*root));
	root->present = true;
	root->level = e->level;
	memcpy(root->key, e->payload, u64s * 8);
	k->format &= BKEY_FORMAT_MASK;
	if (u64s && k->type == KEY_TYPE_btree_ptr_v2)
		v->mem_ptr = 0;		/* meant something in the writer's memory only */
}

static int take_blacklist(struct journal_replay *r, const struct jset_entry *e)
{
	const struct jset_payload_blacklist *v1 = (const void *)e->payload;
	const struct jset_payload_blacklist_v2 *v2 = (const void *)e->payload;
	u64 start = le64_to_cpu(v1->seq);
	u64 last = e->type == JSET_ENTRY_blacklist ? start : le64_to_cpu(v2->end);

	return journal_blacklist_add(&r->blacklist, start, last == U64_MAX ? last : last + 1);
}

static int take_entry(struct journal_replay *r, const struct jset_entry *e)
{
	const struct jset_payload_usage *usage = (const void *)e->payload;
	const struct jset_payload_clock *clock = (const void *)e->payload;

	switch (e->type) {
	case JSET_ENTRY_btree_root:
		take_root(r, e);
		return 0;
	case JSET_ENTRY_usage:
		if (e->btree_id == JSET_USAGE_key_version)
			r->key_version = le64_to_cpu(usage->value);
		return 0;
	case JSET_ENTRY_clock:
		r->io_clock[clock->rw] = le64_to_cpu(clock->time);
		return 0;
	case JSET_ENTRY_blacklist:
	case JSET_ENTRY_blacklist_v2:
		return take_blacklist(r, e);
	default:
		return 0;
	}
}

int journal_early_apply(struct journal_replay *r, const void *list, size_t u64s)
{
	const struct jset_entry *e;
	struct entry_walk w;
	int ret = 0;

	bce_entry_walk_init(&w, list, u64s);
	while (!ret && (e = bce_entry_next(&w)))
		ret = take_entry(r, e);
	return ret;
}
