/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_TRIGGER_H
#define ENGINE_NAMES_TRIGGER_H

#include "engine/btree/trans.h"
#include "engine/btree/writer.h"
#include "engine/names/snapshot.h"
#include "engine/util/log.h"

/*
 * What follows from inodes and subvolumes: deleted_inodes, has_child_snapshot, subvolume_children.
 * The set's dispatcher calls it for keys of the btrees inodes and subvolumes (others are ignored).
 */
struct names_trigger {
	const struct snapshot_table	*snapshots;
	struct bce_log			*log;
};

int bce_names_trigger(const struct names_trigger *n, struct bce_trans *t,
		      enum btree_trigger_phase phase, unsigned int btree_id, unsigned int level,
		      const struct bkey *old, const struct bkey *new);

#endif
