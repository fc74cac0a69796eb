/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_SNAPSHOT_H
#define ENGINE_NAMES_SNAPSHOT_H

#include "engine/btree/iter.h"
#include "engine/key/values.h"
#include "engine/util/log.h"

struct btrees;
struct snapshot_table;

/*
 * Snapshot nodes in memory: who is whose ancestor, in O(log depth) by the skip
 * entries (docs/format/60-filesystem-keys.md, section 15). Read once at start.
 */
int bce_snapshot_table_read(struct snapshot_table **out, struct btrees *b, struct bce_log *log);
void bce_snapshot_table_free(struct snapshot_table *t);

bool bce_snapshot_is_ancestor(const struct snapshot_table *t, u32 id, u32 ancestor);
bool bce_snapshot_exists(const struct snapshot_table *t, u32 id);
u32 bce_snapshot_parent(const struct snapshot_table *t, u32 id);
u32 bce_snapshot_tree(const struct snapshot_table *t, u32 id);

/* a view for iterators reading in snapshot @id */
struct snapshot_view bce_snapshot_view(const struct snapshot_table *t, u32 id);

/* from the table; NULL: no such subvolume */
const struct subvolume_info *bce_subvolume_find(const struct snapshot_table *t, u32 id);
/* from the btree. Return: 0, -ENOENT, -EIO */
int bce_subvolume_lookup(struct btrees *b, u32 id, struct subvolume_info *out);

#endif
