// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the replicas table. Entries are byte strings laid end to end; zeros pad the
 * section to a multiple of 8, so a data type of 0 ends the walk.
 *
 *   v0   | type | n | dev .. dev |          one copy is enough to read
 *   v1   | type | n | required | dev .. dev |
 */
#include "engine/sb/replicas.h"

#include "engine/format/ids.h"
#include "engine/sb/sb_internal.h"

void bce_replicas_walk_field(struct replicas_walk *w, const struct bch_sb_field *f)
{
	w->next = (const u8 *)(f + 1);
	w->end = (const u8 *)f + sb_field_bytes(f);
	w->v0 = le32_to_cpu(f->type) == BCH_SB_FIELD_replicas_v0;
	w->bad = false;
}

void bce_replicas_walk_init(struct replicas_walk *w, const struct bch_sb *sb)
{
	const struct bch_sb_field *f = bce_sb_field(sb, BCH_SB_FIELD_replicas, NULL);

	if (!f)
		f = bce_sb_field(sb, BCH_SB_FIELD_replicas_v0, NULL);
	if (f)
		bce_replicas_walk_field(w, f);
	else
		*w = (struct replicas_walk) { };
}

bool bce_replicas_next(struct replicas_walk *w, struct replicas_entry *e)
{
	size_t head = w->v0 ? sizeof(struct bch_replicas_entry_v0)
			    : sizeof(struct bch_replicas_entry_v1);
	size_t room = w->end - w->next;

	if (w->bad || !room || !w->next[0])
		return false;
	if (room < head || room < head + w->next[1]) {
		w->bad = true;
		return false;
	}
	e->data_type = w->next[0];
	e->nr_devs = w->next[1];
	e->nr_required = w->v0 ? 1 : w->next[2];
	e->devs = w->next + head;
	w->next += head + e->nr_devs;
	return true;
}

u64 bce_replicas_devs_mask(const struct replicas_entry *e)
{
	unsigned int i;
	u64 mask = 0;

	for (i = 0; i < e->nr_devs; i++)
		if (e->devs[i] < BCH_MEMBERS_MAX)
			mask |= 1ULL << e->devs[i];
	return mask;
}

u64 bce_replicas_members_of(const struct bch_sb *sb, unsigned int data_type)
{
	struct replicas_entry e;
	struct replicas_walk w;
	u64 mask = 0;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e))
		if (e.data_type == data_type)
			mask |= bce_replicas_devs_mask(&e);
	return mask;
}

u64 bce_replicas_data_of(const struct bch_sb *sb, unsigned int dev)
{
	struct replicas_entry e;
	struct replicas_walk w;
	u64 types = 0;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e))
		if (e.data_type < BCH_DATA_NR && (bce_replicas_devs_mask(&e) >> dev & 1))
			types |= 1ULL << e.data_type;
	return types;
}

bool bce_replicas_listed(const struct bch_sb *sb, unsigned int data_type, u64 devs, bool subset)
{
	struct replicas_entry e;
	struct replicas_walk w;

	bce_replicas_walk_init(&w, sb);
	while (bce_replicas_next(&w, &e)) {
		u64 mask = bce_replicas_devs_mask(&e);

		if (e.data_type == data_type &&
		    (mask == devs || (subset && (mask & devs) == devs)))
			return true;
	}
	return false;
}
