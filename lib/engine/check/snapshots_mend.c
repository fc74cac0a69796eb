// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot nodes, trees and subvolumes, made to agree where only one answer is possible.
 *
 * Each link is written down at both of its ends:
 *
 *	snapshot_trees  t: root r          r: tree t
 *	snapshots       p: child c         c: parent p; depth and skips follow
 *	subvolumes      v: snapshot c      c: subvolume v
 *	                v: parent subvolume u; the name's: u; the root inode's: u     subvolume_children  (u, v)
 *
 * If one end is lost or leads elsewhere, the other one says what it was, unless the end that is there is
 * confirmed by a third. A node that is missing altogether is made again where others tell all of it.
 *
 * What is left alone: two claims of equal weight. And nothing is done by which keys would lose all that uses them: a leaf that
 * names a subvolume which is not there keeps naming it, for as a leaf without subvolume it would be cleaned away with all its
 * files. The subvolume is made again, if its root inode is there.
 *
 * Who sees which keys depends on all this, so the round ends when something was changed here, and names are judged in the next.
 *
 * Source: docs/format/60-filesystem-keys.md, part IV.
 */
#include "engine/check/snapshots_mend.h"

#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

/* ---- parents and children ---- */

/* Is it known to be the root of its tree? 1, 0, negative errno */
static int is_known_root(struct name_check *n, const struct check_snapshot *s)
{
	struct snapshot_tree_info t;
	int ret = mend_tree_lookup(n, s->info.tree, &t);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return t.root_snapshot == s->id;
}

/* @parent: out, the one that is certain; U32_MAX if none is */
static int find_parent(struct name_check *n, const struct check_snapshot *s, u32 *parent)
{
	const struct check_snapshot *named = mend_parent_of(n, s);
	const struct check_snapshot *by;
	unsigned int nr;
	int root;

	by = mend_lister(n, s->id, &nr);
	*parent = s->info.parent;
	if (named && mend_lists(named, s->id))
		return 0;
	root = is_known_root(n, s);
	if (root < 0)
		return root;
	/* whoever lists it beside is wrong */
	if (root && (!s->info.parent || !nr))
		*parent = 0;
	else if (named && nr)
		*parent = nr == 1 && named->info.tree != s->info.tree && by->info.tree == s->info.tree ? by->id : U32_MAX;
	else if (nr)
		*parent = nr == 1 && !root ? by->id : U32_MAX;
	else if (!named && s->info.parent)
		*parent = U32_MAX;
	return 0;
}

static int mend_parents(struct name_check *n)
{
	for (size_t i = 0; i < n->nr_snapshots; i++) {
		struct snapshot_info now = n->snapshot[i].info;
		u32 parent;
		int ret = find_parent(n, &n->snapshot[i], &parent);

		if (ret)
			return ret;
		n->snapshot[i].unsettled = parent == U32_MAX;
		if (parent == U32_MAX)
			continue;
		now.parent = parent;
		ret = mend_change_node(n, &n->snapshot[i], &now);
		if (ret)
			return ret;
	}
	return 0;
}

/* those that name it; highest first. Return: how many, of which @children has two at most */
static unsigned int children_of(struct name_check *n, u32 id, u32 children[2])
{
	unsigned int nr = 0;

	children[0] = children[1] = 0;
	for (size_t i = n->nr_snapshots; i--; )
		if (n->snapshot[i].info.parent == id && n->snapshot[i].id < id) {
			if (nr < 2)
				children[nr] = n->snapshot[i].id;
			nr++;
		}
	return nr;
}

/* then it is no wrong child */
bool mend_is_missed(struct name_check *n, u32 id)
{
	struct subvolume_info s;
	unsigned int nr;
	u32 children[2];

	if (!id || check_snapshot_node(n, id))
		return false;
	mend_subvols_in(n, id, &s, &nr);
	return nr || children_of(n, id, children);
}

/* does anybody claim to be its child, or is claimed by it, without being certain? */
static bool has_unsettled(struct name_check *n, const struct check_snapshot *s)
{
	for (size_t i = 0; i < n->nr_snapshots; i++)
		if (n->snapshot[i].unsettled &&
		    (n->snapshot[i].info.parent == s->id || mend_lists(s, n->snapshot[i].id)))
			return true;
	return mend_is_missed(n, s->info.children[0]) || mend_is_missed(n, s->info.children[1]);
}

static int mend_children(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++) {
		struct check_snapshot *s = &n->snapshot[i];
		struct snapshot_info now = s->info;
		unsigned int nr = children_of(n, s->id, now.children);

		if (nr > 2 || has_unsettled(n, s))
			continue;
		ret = mend_change_node(n, s, &now);
	}
	return ret;
}

/* ---- depth, skips ---- */

static int mend_depth_and_skips(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++) {
		struct check_snapshot *s = &n->snapshot[i];
		struct snapshot_info now = s->info;
		const struct check_snapshot *up;

		if (now.parent && !mend_parent_of(n, s))
			continue;
		now.depth = 0;
		for (up = mend_parent_of(n, s); up; up = mend_parent_of(n, up))
			now.depth++;
		for (unsigned int j = 0; j < ARRAY_SIZE(now.skip); j++)
			if (!check_skip_is_right(n, s, j))
				now.skip[0] = now.skip[1] = now.skip[2] = now.parent;
		ret = mend_change_node(n, s, &now);
	}
	return ret;
}

/* ---- nodes that are missing ---- */

/* what the others say about it. 1: all of it; 0; negative errno */
static int describe_missing(struct name_check *n, u32 id, struct snapshot_info *out)
{
	const struct check_snapshot *by, *up;
	struct subvolume_info s;
	unsigned int parents, roots, nr, subvols;
	u32 tree = 0;
	int ret;

	by = mend_lister(n, id, &parents);
	ret = mend_trees_of(n, id, &tree, &roots);
	if (ret)
		return ret;
	*out = (struct snapshot_info) { };
	nr = children_of(n, id, out->children);
	mend_subvols_in(n, id, &s, &subvols);
	/* files are written in leaves only */
	if (parents + roots != 1 || nr > 2 || subvols + !!nr != 1)
		return 0;
	out->is_subvol = subvols;
	out->subvol = subvols ? s.id : 0;
	out->tree = roots ? tree : by->info.tree;
	if (parents)
		out->parent = out->skip[0] = out->skip[1] = out->skip[2] = by->id;
	for (up = parents ? by : NULL; up; up = mend_parent_of(n, up))
		out->depth++;
	return 1;
}

static int make_missing(struct name_check *n, u32 id, bool *made)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct snapshot_info s;
	int ret;

	if (!mend_is_missed(n, id))
		return 0;
	ret = describe_missing(n, id, &s);
	if (ret <= 0)
		return ret;
	ret = mend_put_node(n, id, &s);
	if (ret)
		return mend_tried(ret);
	*made = true;
	bce_text_printf(&text, "btree snapshots 0:%u: was missing, is now of tree %u, with parent %u, children %u and %u, subvolume %u",
			id, s.tree, s.parent, s.children[0], s.children[1], s.subvol);
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}

/* what is named as parent, child or standing place. One at a time: it is not in the array yet */
static int mend_missing(struct name_check *n, bool *made)
{
	int ret = 0;

	for (size_t i = 0; !ret && !*made && i < n->nr_snapshots; i++)
		ret = make_missing(n, n->snapshot[i].info.parent, made);
	for (size_t i = 0; !ret && !*made && i < n->nr_subvols; i++)
		ret = make_missing(n, n->subvol[i].snapshot, made);
	return ret;
}

/* ---- all of it ---- */

int mend_snapshots(struct name_check *n)
{
	bool made = false;
	int ret;

	ret = mend_missing(n, &made);
	if (ret || made)
		return ret;
	ret = mend_parents(n);
	if (!ret)
		ret = mend_children(n);
	if (!ret)
		ret = mend_depth_and_skips(n);
	if (!ret)
		ret = mend_subvols(n);
	if (!ret && !n->mend->again) {
		ret = mend_missing_subvols(n);
		if (n->mend->again)
			return ret;
	}
	if (!ret)
		ret = mend_trees_of_nodes(n);
	if (!ret)
		ret = mend_trees_of_nobody(n);
	return ret ?: mend_listed_children(n);
}
