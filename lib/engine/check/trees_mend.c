// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot trees: their roots, their nodes and the one subvolume of each that is no snapshot (snapshots_mend.c).
 *
 * Source: docs/format/60-filesystem-keys.md, section 16.
 */
#include "engine/check/snapshots_mend.h"

#include <linux/errno.h>

#include "engine/format/ids.h"
#include "engine/names/snapshot.h"

/* is there a root, other than @not, that names tree @id? */
static bool is_named(struct name_check *n, u32 id, const struct check_snapshot *not, bool roots_only)
{
	for (size_t i = 0; i < n->nr_snapshots; i++) {
		const struct check_snapshot *s = &n->snapshot[i];

		if (s != not && s->info.tree == id && (!roots_only || !s->info.parent))
			return true;
	}
	return false;
}

static bool in_tree(struct name_check *n, const struct subvolume_info *s, const struct check_snapshot *root)
{
	const struct check_snapshot *at = check_snapshot_node(n, s->snapshot);

	return at && !s->unlinked && mend_root_node(n, at) == root;
}

/* does a node of @root's tree name a subvolume that is not there? */
static bool misses_subvol(struct name_check *n, const struct check_snapshot *root)
{
	struct subvolume_info s;

	for (size_t i = 0; i < n->nr_snapshots; i++) {
		const struct check_snapshot *at = &n->snapshot[i];

		if (at->info.is_subvol && !at->info.deleted && mend_root_node(n, at) == root &&
		    !bce_subvolume_find(n->c->snapshots, at->info.subvol, &s))
			return true;
	}
	return false;
}

/*
 * The subvolume of @root's tree that is no snapshot: the only one; of several the only one that was made from none;
 * if all are snapshots, and none is missing, the oldest, as after the original was deleted. 0: not to be said, or there is none
 */
static u32 find_master(struct name_check *n, const struct check_snapshot *root)
{
	unsigned int originals = 0, nr_from_none = 0;
	u32 oldest = 0, original = 0, from_none = 0;

	for (size_t i = 0; i < n->nr_subvols; i++) {
		const struct subvolume_info *s = &n->subvol[i];

		if (!in_tree(n, s, root))
			continue;
		oldest = oldest ?: s->id;
		if (s->snap)
			continue;
		originals++;
		original = s->id;
		if (!s->creation_parent) {
			nr_from_none++;
			from_none = s->id;
		}
	}
	if (originals > 1)
		return nr_from_none == 1 ? from_none : 0;
	return original ?: misses_subvol(n, root) ? 0 : oldest;
}

static bool master_is_right(struct name_check *n, const struct snapshot_tree_info *t,
			    const struct check_snapshot *root)
{
	struct subvolume_info s;

	return bce_subvolume_find(n->c->snapshots, t->master_subvol, &s) && !s.snap && in_tree(n, &s, root);
}

static int mend_snap_flags(struct name_check *n, const struct check_snapshot *root, u32 master)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_subvols; i++) {
		struct subvolume_info now = n->subvol[i];

		if (!in_tree(n, &now, root) || now.snap == (now.id != master))
			continue;
		now.snap = !now.snap;
		ret = mend_change_subvol(n, &n->subvol[i], &now);
	}
	return ret;
}

static int mend_master(struct name_check *n, u32 id, const struct check_snapshot *root)
{
	struct snapshot_tree_info t, now;
	int ret = mend_tree_lookup(n, id, &t);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	now = t;
	if (!master_is_right(n, &t, root))
		now.master_subvol = find_master(n, root);
	if (!now.master_subvol)
		return 0;
	if (now.master_subvol != t.master_subvol)
		ret = mend_put_tree(n, id, &t, &now);
	return ret ?: mend_snap_flags(n, root, now.master_subvol);
}

/* @root's tree is the one that says so; the only one that has @root, if none does; the one it names, if nobody else has that */
static int mend_root_tree(struct name_check *n, struct check_snapshot *root)
{
	struct snapshot_info now = root->info;
	const struct check_snapshot *other;
	struct snapshot_tree_info t, new;
	unsigned int nr;
	u32 id;
	int ret = mend_tree_lookup(n, now.tree, &t), missing = ret == -ENOENT;

	if ((ret && !missing) || (!ret && t.root_snapshot == root->id))
		return ret;
	ret = mend_trees_of(n, root->id, &id, &nr);
	if (ret)
		return ret;
	if (nr == 1 && !is_named(n, id, root, true)) {
		now.tree = id;
		return mend_change_node(n, root, &now);
	}
	other = check_snapshot_node(n, t.root_snapshot);
	if (nr || !now.tree || is_named(n, now.tree, root, true) ||
	    (other && !other->info.parent))
		return 0;
	new = t;
	new.root_snapshot = root->id;
	if (missing)
		new.master_subvol = find_master(n, root);
	return missing && !new.master_subvol ? 0 : mend_put_tree(n, now.tree, &t, &new);
}

int mend_trees_of_nodes(struct name_check *n)
{
	int ret = 0;

	/* parents first */
	for (size_t i = n->nr_snapshots; !ret && i--; ) {
		struct check_snapshot *s = &n->snapshot[i];
		struct snapshot_info now = s->info;
		const struct check_snapshot *parent = mend_parent_of(n, s);

		if (!now.parent) {
			ret = mend_root_tree(n, s);
			if (!ret)
				ret = mend_master(n, s->info.tree, s);
		} else if (parent) {
			now.tree = parent->info.tree;
			ret = mend_change_node(n, s, &now);
		}
	}
	return ret;
}

/* trees that no node is of */
int mend_trees_of_nobody(struct name_check *n)
{
	struct snapshot_tree_info t;
	u32 id = 0;
	int ret;

	for (u64 from = 0; ; from = id + 1ULL) {
		ret = mend_tree_next(n, from, &id, &t);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (is_named(n, id, NULL, false) || mend_is_missed(n, t.root_snapshot))
			continue;
		n->mend->again = true;
		ret = mend_name_key(n, BTREE_ID_snapshot_trees, POS(0, id), KEY_TYPE_deleted);
		if (ret)
			return ret;
	}
}
