/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_SNAPSHOT_H
#define ENGINE_NAMES_SNAPSHOT_H

#include "engine/btree/iter.h"
#include "engine/key/values.h"
#include "engine/util/log.h"

struct bce_trans;
struct btrees;
struct snapshot_data;
struct snapshot_table;

/*
 * Snapshot nodes in memory: who is whose ancestor, in O(log depth) by the skip
 * entries (docs/format/60-filesystem-keys.md, section 15). Read at start, replaced as a whole
 * when snapshots or subvolumes change. Readers take no lock.
 */
int bce_snapshot_table_read(struct snapshot_table **out, struct btrees *b, struct bce_log *log);
void bce_snapshot_table_free(struct snapshot_table *t);

bool bce_snapshot_is_ancestor(const struct snapshot_table *t, u32 id, u32 ancestor);
bool bce_snapshot_exists(const struct snapshot_table *t, u32 id);
u32 bce_snapshot_parent(const struct snapshot_table *t, u32 id);
u32 bce_snapshot_tree(const struct snapshot_table *t, u32 id);

/* a view for iterators reading in snapshot @id */
struct snapshot_view bce_snapshot_view(const struct snapshot_table *t, u32 id);

bool bce_snapshot_has_children(const struct snapshot_table *t, u32 id);
/*
 * All strict descendants of @id, parents before their children: begin with @prev = @id, go on with
 * what was returned; 0 ends. A node's own descendants need not follow it at once.
 */
u32 bce_snapshot_next_descendant(const struct snapshot_table *t, u32 id, u32 prev);

/* from the table; false: no such subvolume */
bool bce_subvolume_find(const struct snapshot_table *t, u32 id, struct subvolume_info *out);
/* the one with the next higher id than @id, which may be out->id; false: none */
bool bce_subvolume_next(const struct snapshot_table *t, u32 id, struct subvolume_info *out);
/* from the btree. Return: 0, -ENOENT, -EIO */
int bce_subvolume_lookup(struct btrees *b, u32 id, struct subvolume_info *out);

/**
 * bce_subvolume_trans_read() - the subvolume in which a transaction reads or writes files
 * What it says (snapshot, read-only) still holds when the transaction commits; names_view() and its
 * like are for readers without a transaction. Its snapshot is in the table.
 * Return: 0, -ENOENT (also: being deleted), BCE_TRANS_RESTART, -EIO, -ENOMEM.
 */
int bce_subvolume_trans_read(struct bce_trans *t, struct snapshot_table *table, u32 id,
			     struct subvolume_info *out);
/* the same for who is going to write: -EROFS too; @view: of its snapshot */
int bce_subvolume_trans_write_view(struct bce_trans *t, struct snapshot_table *table, u32 id,
				   struct subvolume_info *out, struct snapshot_view *view);

/*
 * Changing the table: lock, edit a copy, commit, publish the copy (or drop it), unlock. Several
 * copies may be prepared and published one after the other; a copy begins with what is published.
 * Context of all: may sleep. edit() returns NULL without memory; the other ints -ENOMEM.
 */
void bce_snapshot_table_lock(struct snapshot_table *t);
void bce_snapshot_table_unlock(struct snapshot_table *t);
struct snapshot_data *bce_snapshot_edit(struct snapshot_table *t);
/* added or replaced */
int bce_snapshot_edit_node(struct snapshot_data *d, u32 id, const struct snapshot_info *s);
void bce_snapshot_edit_node_remove(struct snapshot_data *d, u32 id);
int bce_snapshot_edit_subvol(struct snapshot_data *d, const struct subvolume_info *s);
void bce_snapshot_edit_subvol_remove(struct snapshot_data *d, u32 id);
void bce_snapshot_edit_publish(struct snapshot_table *t, struct snapshot_data *d);
void bce_snapshot_edit_drop(struct snapshot_data *d);

#endif
