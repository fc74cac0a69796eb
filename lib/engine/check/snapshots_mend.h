/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_SNAPSHOTS_MEND_H
#define ENGINE_CHECK_SNAPSHOTS_MEND_H

#include "engine/check/names_internal.h"

/*
 * Between the files that mend snapshots and subvolumes. Ints without another word: 0 or negative errno; a key that is refused
 * stays as it was, and is 0 (mend_tried()).
 */

/* snapshots_write.c: changes; all but the first say what they do */
int mend_put_key(struct name_check *n, unsigned int btree_id, const struct bkey *k);
/* @s in the array becomes @now; nothing if it is */
int mend_change_node(struct name_check *n, struct check_snapshot *s, const struct snapshot_info *now);
/* @at: in the array */
int mend_change_subvol(struct name_check *n, struct subvolume_info *at, const struct subvolume_info *now);
int mend_put_tree(struct name_check *n, u32 id, const struct snapshot_tree_info *was,
		  const struct snapshot_tree_info *now);
/* a node that is not in the array, without a word; also -EINVAL */
int mend_put_node(struct name_check *n, u32 id, const struct snapshot_info *s);
/* likewise */
int mend_put_subvol(struct name_check *n, const struct subvolume_info *s);

/* snapshots_write.c: who says what */
bool mend_lists(const struct check_snapshot *s, u32 child);
/* @nr: how many nodes have @id among their children. Return: the last of them */
struct check_snapshot *mend_lister(struct name_check *n, u32 id, unsigned int *nr);
/* @nr: how many nodes name subvolume @id as theirs. Return: the last of them */
const struct check_snapshot *mend_node_naming(struct name_check *n, u32 id, unsigned int *nr);
/* @nr: how many subvolumes stand in @snapshot. @out: the last of them */
void mend_subvols_in(struct name_check *n, u32 snapshot, struct subvolume_info *out, unsigned int *nr);
struct subvolume_info *mend_subvol_by_id(struct name_check *n, u32 id);	/* NULL: none */
const struct check_snapshot *mend_parent_of(struct name_check *n, const struct check_snapshot *s);	/* NULL: none */
const struct check_snapshot *mend_root_node(struct name_check *n, const struct check_snapshot *s);
/* also -ENOENT */
int mend_tree_lookup(struct name_check *n, u32 id, struct snapshot_tree_info *out);
/* the next tree from @id on; also -ENOENT */
int mend_tree_next(struct name_check *n, u64 id, u32 *found, struct snapshot_tree_info *out);
/* trees whose root is @root: @nr of them, the last is @id */
int mend_trees_of(struct name_check *n, u32 root, u32 *id, unsigned int *nr);

/* snapshots_mend.c: is node @id missing, and does it have to be there? */
bool mend_is_missed(struct name_check *n, u32 id);

/* trees_mend.c: with parents that are right */
int mend_trees_of_nodes(struct name_check *n);
int mend_trees_of_nobody(struct name_check *n);

/* subvolumes_mend.c */
int mend_subvols(struct name_check *n);
int mend_missing_subvols(struct name_check *n);
int mend_listed_children(struct name_check *n);

#endif
