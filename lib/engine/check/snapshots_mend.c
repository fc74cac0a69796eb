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
#include "engine/check/names_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

/* ---- writing ---- */

struct put {
	unsigned int	btree_id;
	struct bkey	k;
};

static int put_fn(struct bce_trans *t, void *ctx)
{
	const struct put *p = ctx;

	return bce_trans_update(t, p->btree_id, &p->k, TRANS_NO_TRIGGER);
}

static int put_key(struct name_check *n, unsigned int btree_id, const struct bkey *k)
{
	struct put p = { btree_id, *k };
	int ret = mend_run(n, put_fn, &p);

	n->mend->again |= !ret;
	return ret;
}

struct change {
	const char	*what;
	u64		was, now;
};

static void say_changes(struct name_check *n, unsigned int btree_id, u32 id, const struct change *c, unsigned int nr)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree %s 0:%u:", bce_btree_name(btree_id), id);
	for (unsigned int i = 0; i < nr; i++)
		if (c[i].was != c[i].now)
			bce_text_printf(&text, " %s was %llu, is now %llu;", c[i].what, c[i].was, c[i].now);
	mend_say(n, &text);
	bce_text_exit(&text);
}

/* all of them: the table takes a node whose parent it cannot find for a root, and forgets which parent that was */
static int edit_nodes(struct name_check *n, struct snapshot_data *d, u32 id, const struct snapshot_info *node)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++)
		ret = bce_snapshot_edit_node(d, n->snapshot[i].id, &n->snapshot[i].info);
	return ret ?: bce_snapshot_edit_node(d, id, node);
}

/* the table is what everybody asks who sees what */
static int edit_table(struct name_check *n, u32 id, const struct snapshot_info *node, const struct subvolume_info *s)
{
	struct snapshot_table *table = n->c->repair->snapshots;
	struct snapshot_data *d;
	int ret = -ENOMEM;

	bce_snapshot_table_lock(table);
	d = bce_snapshot_edit(table);
	if (d) {
		ret = node ? edit_nodes(n, d, id, node) : bce_snapshot_edit_subvol(d, s);
		if (ret)
			bce_snapshot_edit_drop(d);
		else
			bce_snapshot_edit_publish(table, d);
	}
	bce_snapshot_table_unlock(table);
	return ret;
}

static int put_node(struct name_check *n, u32 id, const struct snapshot_info *s)
{
	struct bkey k = { .p = POS(0, id) };
	int ret;

	bce_snapshot_encode(&k, &n->mend->val, s);
	ret = put_key(n, BTREE_ID_snapshots, &k);
	return ret ?: edit_table(n, id, s, NULL);
}

static int change_node(struct name_check *n, struct check_snapshot *s, const struct snapshot_info *now)
{
	const struct snapshot_info was = s->info;
	const struct change changes[] = {
		{ "parent", was.parent, now->parent },
		{ "first child", was.children[0], now->children[0] },
		{ "second child", was.children[1], now->children[1] },
		{ "flag for subvolumes", was.is_subvol, now->is_subvol },
		{ "subvolume", was.subvol, now->subvol },
		{ "tree", was.tree, now->tree },
		{ "depth", was.depth, now->depth },
		{ "first skip", was.skip[0], now->skip[0] },
		{ "second skip", was.skip[1], now->skip[1] },
		{ "third skip", was.skip[2], now->skip[2] },
	};
	bool differs = false;
	int ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++)
		differs |= changes[i].was != changes[i].now;
	if (!differs)
		return 0;
	s->info = *now;
	ret = put_node(n, s->id, &s->info);
	if (!ret)
		say_changes(n, BTREE_ID_snapshots, s->id, changes, ARRAY_SIZE(changes));
	return mend_tried(ret);
}

/* @at: in the array */
static int change_subvol(struct name_check *n, struct subvolume_info *at, const struct subvolume_info *now)
{
	const struct subvolume_info copy = *at, *was = &copy;
	const struct change changes[] = {
		{ "snapshot", was->snapshot, now->snapshot },
		{ "flag of a snapshot", was->snap, now->snap },
		{ "root inode", was->inode, now->inode },
		{ "parent subvolume", was->fs_path_parent, now->fs_path_parent },
	};
	struct bkey k = { .p = POS(0, was->id) };
	int ret;

	bce_subvolume_encode(&k, &n->mend->val, now);
	ret = put_key(n, BTREE_ID_subvolumes, &k);
	if (!ret)
		ret = edit_table(n, 0, NULL, now);
	if (!ret)
		*at = *now;
	if (!ret)
		say_changes(n, BTREE_ID_subvolumes, was->id, changes, ARRAY_SIZE(changes));
	return mend_tried(ret);
}

static int put_tree(struct name_check *n, u32 id, const struct snapshot_tree_info *was,
		    const struct snapshot_tree_info *now)
{
	const struct change changes[] = {
		{ "master subvolume", was->master_subvol, now->master_subvol },
		{ "root", was->root_snapshot, now->root_snapshot },
	};
	struct bkey k = { .p = POS(0, id) };
	int ret;

	bce_snapshot_tree_encode(&k, &n->mend->val, now);
	ret = put_key(n, BTREE_ID_snapshot_trees, &k);
	if (!ret)
		say_changes(n, BTREE_ID_snapshot_trees, id, changes, ARRAY_SIZE(changes));
	return mend_tried(ret);
}

/* ---- looking ---- */

static bool lists(const struct check_snapshot *s, u32 id)
{
	return s->info.children[0] == id || s->info.children[1] == id;
}

/* @nr: how many nodes have @id among their children. Return: the last of them */
static struct check_snapshot *lister(struct name_check *n, u32 id, unsigned int *nr)
{
	struct check_snapshot *found = NULL;

	*nr = 0;
	for (size_t i = 0; i < n->nr_snapshots; i++)
		if (n->snapshot[i].id > id && lists(&n->snapshot[i], id)) {
			found = &n->snapshot[i];
			++*nr;
		}
	return found;
}

static int tree_lookup(struct name_check *n, u32 id, struct snapshot_tree_info *out)
{
	struct bkey k;
	int ret = bce_btree_lookup(n->c->btrees, BTREE_ID_snapshot_trees, POS(0, id), NULL, &k, &n->buf);

	*out = (struct snapshot_tree_info) { };
	if (!ret && k.type != KEY_TYPE_snapshot_tree)
		ret = -ENOENT;
	if (!ret)
		bce_snapshot_tree_decode(&k, out);
	return ret;
}

/* the next tree from @id on. 0, -ENOENT, negative errno */
static int tree_next(struct name_check *n, u64 id, u32 *found, struct snapshot_tree_info *out)
{
	const struct bkey *k;
	struct btree_iter iter;
	int ret = -ENOENT;

	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_snapshot_trees, 0, POS(0, id), 0, NULL);
	for (k = bce_btree_iter_peek(&iter); ret && !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		if (k->type != KEY_TYPE_snapshot_tree || k->p.inode || k->p.offset > U32_MAX)
			continue;
		bce_snapshot_tree_decode(k, out);
		*found = k->p.offset;
		ret = 0;
	}
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : ret;
}

/* trees whose root is @root: @nr of them, the last is @id. 0 or negative errno */
static int trees_of(struct name_check *n, u32 root, u32 *id, unsigned int *nr)
{
	struct snapshot_tree_info t;
	u32 at = 0;
	int ret;

	*nr = 0;
	for (u64 from = 0; ; from = at + 1ULL) {
		ret = tree_next(n, from, &at, &t);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (t.root_snapshot == root) {
			*id = at;
			++*nr;
		}
	}
}

/* @nr: how many subvolumes stand in @snapshot. @out: the last of them */
static void subvols_in(struct name_check *n, u32 snapshot, struct subvolume_info *out, unsigned int *nr)
{
	*nr = 0;
	*out = (struct subvolume_info) { };
	for (size_t i = 0; i < n->nr_subvols; i++)
		if (n->subvol[i].snapshot == snapshot) {
			*out = n->subvol[i];
			++*nr;
		}
}

static const struct check_snapshot *parent_of(struct name_check *n, const struct check_snapshot *s)
{
	return s->info.parent > s->id ? check_snapshot_node(n, s->info.parent) : NULL;
}

static const struct check_snapshot *root_of(struct name_check *n, const struct check_snapshot *s)
{
	const struct check_snapshot *up;

	while ((up = parent_of(n, s)))
		s = up;
	return s;
}

static struct subvolume_info *subvol_by_id(struct name_check *n, u32 id)
{
	for (size_t i = 0; i < n->nr_subvols; i++)
		if (n->subvol[i].id == id)
			return &n->subvol[i];
	return NULL;
}

/* ---- parents and children ---- */

/* Is it known to be the root of its tree? 1, 0, negative errno */
static int is_known_root(struct name_check *n, const struct check_snapshot *s)
{
	struct snapshot_tree_info t;
	int ret = tree_lookup(n, s->info.tree, &t);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return t.root_snapshot == s->id;
}

/* @parent: out, the one that is certain; U32_MAX if none is */
static int find_parent(struct name_check *n, const struct check_snapshot *s, u32 *parent)
{
	const struct check_snapshot *named = parent_of(n, s);
	const struct check_snapshot *by;
	unsigned int nr;
	int ret = 0;

	by = lister(n, s->id, &nr);
	*parent = U32_MAX;
	if (named) {
		if (!nr || lists(named, s->id))
			*parent = s->info.parent;
		else if (nr == 1 && named->info.tree != s->info.tree && by->info.tree == s->info.tree)
			*parent = by->id;
		return 0;
	}
	ret = is_known_root(n, s);
	if (ret < 0)
		return ret;
	if (!nr && (ret || !s->info.parent))
		*parent = 0;
	else if (ret && !s->info.parent)
		*parent = 0;	/* whoever lists it is wrong */
	else if (nr == 1 && !ret)
		*parent = by->id;
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
		ret = change_node(n, &n->snapshot[i], &now);
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

/* is it missing, and does it have to be there? Then it is no wrong child */
static bool is_missed(struct name_check *n, u32 id)
{
	struct subvolume_info s;
	unsigned int nr;
	u32 children[2];

	if (!id || check_snapshot_node(n, id))
		return false;
	subvols_in(n, id, &s, &nr);
	return nr || children_of(n, id, children);
}

/* does anybody claim to be its child, or is claimed by it, without being certain? */
static bool has_unsettled(struct name_check *n, const struct check_snapshot *s)
{
	for (size_t i = 0; i < n->nr_snapshots; i++)
		if (n->snapshot[i].unsettled &&
		    (n->snapshot[i].info.parent == s->id || lists(s, n->snapshot[i].id)))
			return true;
	return is_missed(n, s->info.children[0]) || is_missed(n, s->info.children[1]);
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
		ret = change_node(n, s, &now);
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

		if (now.parent && !parent_of(n, s))
			continue;
		now.depth = 0;
		for (up = parent_of(n, s); up; up = parent_of(n, up))
			now.depth++;
		for (unsigned int j = 0; j < ARRAY_SIZE(now.skip); j++)
			if (!check_skip_is_right(n, s, j))
				now.skip[0] = now.skip[1] = now.skip[2] = now.parent;
		ret = change_node(n, s, &now);
	}
	return ret;
}

/* ---- subvolumes ---- */

/* @nr: how many nodes name subvolume @id as theirs. Return: the last of them */
static const struct check_snapshot *node_naming(struct name_check *n, u32 id, unsigned int *nr)
{
	const struct check_snapshot *found = NULL;

	*nr = 0;
	for (size_t i = 0; i < n->nr_snapshots; i++) {
		const struct snapshot_info *s = &n->snapshot[i].info;

		if (s->is_subvol && !s->deleted && s->subvol == id) {
			found = &n->snapshot[i];
			++*nr;
		}
	}
	return found;
}

/* a subvolume that stands nowhere, or where files are not written, stands in the one node that names it */
static int mend_standing(struct name_check *n, struct subvolume_info *s)
{
	const struct check_snapshot *at = check_snapshot_node(n, s->snapshot);
	struct subvolume_info now = *s, other;
	const struct check_snapshot *by;
	unsigned int nr, others;

	if (at && !at->info.children[0])
		return 0;
	by = node_naming(n, s->id, &nr);
	if (nr != 1 || by->info.children[0])
		return 0;
	subvols_in(n, by->id, &other, &others);
	if (others)
		return 0;
	now.snapshot = by->id;
	return change_subvol(n, s, &now);
}

static int mend_node_subvol(struct name_check *n, struct check_snapshot *s)
{
	struct snapshot_info now = s->info;
	struct subvolume_info v;
	unsigned int nr;

	subvols_in(n, s->id, &v, &nr);
	if (nr > 1 || (nr && now.deleted))
		return 0;
	/* a leaf without subvolume is cleaned away */
	if (!nr && !now.deleted && !now.children[0])
		return 0;
	now.is_subvol = nr;
	now.subvol = nr ? v.id : 0;
	return change_node(n, s, &now);
}

static int mend_subvols(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_subvols; i++)
		ret = n->subvol[i].unlinked ? 0 : mend_standing(n, &n->subvol[i]);
	for (size_t i = 0; !ret && i < n->nr_snapshots; i++)
		ret = mend_node_subvol(n, &n->snapshot[i]);
	return ret;
}

/* ---- subvolumes that are missing ---- */

/* the directory that @snapshot sees as the root of subvolume @id. 0, -ENOENT, negative errno */
static int find_root(struct name_check *n, u32 id, u32 snapshot, struct inode_fields *out)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, snapshot);
	const struct bkey *k;
	struct btree_iter iter;
	int ret = -ENOENT;

	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_inodes, 0, POS_MIN, BTREE_ITER_PREFETCH, &view);
	for (k = bce_btree_iter_peek(&iter); ret && !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		if (!bce_key_type_is_inode(k->type) || bce_inode_unpack(k, out) || out->subvol != id ||
		    !S_ISDIR(out->mode))
			continue;
		out->inum = k->p.offset;
		ret = 0;
	}
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : ret;
}

/* the node names it, its root does, and where its name is; what it was made from and that it was read-only is lost */
static int make_subvol(struct name_check *n, const struct check_snapshot *node)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct snapshot_tree_info tree;
	struct bkey k = { .p = POS(0, node->info.subvol) };
	struct subvolume_info s;
	struct inode_fields root;
	int ret = find_root(n, node->info.subvol, node->id, &root);

	if (!ret)
		ret = tree_lookup(n, node->info.tree, &tree);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	s = (struct subvolume_info) {
		.id = node->info.subvol, .snapshot = node->id, .inode = root.inum, .fs_path_parent = root.parent_subvol,
		.snap = tree.master_subvol != node->info.subvol, .otime = node->info.btime,
	};
	bce_subvolume_encode(&k, &n->mend->val, &s);
	ret = put_key(n, BTREE_ID_subvolumes, &k);
	if (!ret)
		ret = edit_table(n, 0, NULL, &s);
	if (ret)
		return mend_tried(ret);
	bce_text_printf(&text, "btree subvolumes 0:%u: was missing, is now in snapshot %u, with root inode %llu, parent subvolume %u",
			s.id, s.snapshot, s.inode, s.fs_path_parent);
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}

static int mend_missing_subvols(struct name_check *n)
{
	struct subvolume_info other;
	unsigned int nr, standing;
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++) {
		const struct check_snapshot *s = &n->snapshot[i];

		if (!s->info.is_subvol || s->info.deleted || s->info.children[0] || !s->info.subvol ||
		    bce_subvolume_find(n->c->snapshots, s->info.subvol, &other))
			continue;
		node_naming(n, s->info.subvol, &nr);
		subvols_in(n, s->id, &other, &standing);
		if (nr == 1 && !standing)
			ret = make_subvol(n, s);
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

	by = lister(n, id, &parents);
	ret = trees_of(n, id, &tree, &roots);
	if (ret)
		return ret;
	*out = (struct snapshot_info) { };
	nr = children_of(n, id, out->children);
	subvols_in(n, id, &s, &subvols);
	/* files are written in leaves only */
	if (parents + roots != 1 || nr > 2 || subvols + !!nr != 1)
		return 0;
	out->is_subvol = subvols;
	out->subvol = subvols ? s.id : 0;
	out->tree = roots ? tree : by->info.tree;
	if (parents)
		out->parent = out->skip[0] = out->skip[1] = out->skip[2] = by->id;
	for (up = parents ? by : NULL; up; up = parent_of(n, up))
		out->depth++;
	return 1;
}

static int make_missing(struct name_check *n, u32 id, bool *made)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct snapshot_info s;
	int ret;

	if (!is_missed(n, id))
		return 0;
	ret = describe_missing(n, id, &s);
	if (ret <= 0)
		return ret;
	ret = put_node(n, id, &s);
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

/* ---- trees ---- */

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

	return at && !s->unlinked && root_of(n, at) == root;
}

/* does a node of @root's tree name a subvolume that is not there? */
static bool misses_subvol(struct name_check *n, const struct check_snapshot *root)
{
	struct subvolume_info s;

	for (size_t i = 0; i < n->nr_snapshots; i++) {
		const struct check_snapshot *at = &n->snapshot[i];

		if (at->info.is_subvol && !at->info.deleted && root_of(n, at) == root &&
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
		ret = change_subvol(n, &n->subvol[i], &now);
	}
	return ret;
}

static int mend_master(struct name_check *n, u32 id, const struct check_snapshot *root)
{
	struct snapshot_tree_info t, now;
	int ret = tree_lookup(n, id, &t);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	now = t;
	if (!master_is_right(n, &t, root))
		now.master_subvol = find_master(n, root);
	if (!now.master_subvol)
		return 0;
	if (now.master_subvol != t.master_subvol)
		ret = put_tree(n, id, &t, &now);
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
	int ret = tree_lookup(n, now.tree, &t), missing = ret == -ENOENT;

	if ((ret && !missing) || (!ret && t.root_snapshot == root->id))
		return ret;
	ret = trees_of(n, root->id, &id, &nr);
	if (ret)
		return ret;
	if (nr == 1 && !is_named(n, id, root, true)) {
		now.tree = id;
		return change_node(n, root, &now);
	}
	other = check_snapshot_node(n, t.root_snapshot);
	if (nr || !now.tree || is_named(n, now.tree, root, true) ||
	    (other && !other->info.parent))
		return 0;
	new = t;
	new.root_snapshot = root->id;
	if (missing)
		new.master_subvol = find_master(n, root);
	return missing && !new.master_subvol ? 0 : put_tree(n, now.tree, &t, &new);
}

static int mend_trees_of_nodes(struct name_check *n)
{
	int ret = 0;

	/* parents first */
	for (size_t i = n->nr_snapshots; !ret && i--; ) {
		struct check_snapshot *s = &n->snapshot[i];
		struct snapshot_info now = s->info;
		const struct check_snapshot *parent = parent_of(n, s);

		if (!now.parent) {
			ret = mend_root_tree(n, s);
			if (!ret)
				ret = mend_master(n, s->info.tree, s);
		} else if (parent) {
			now.tree = parent->info.tree;
			ret = change_node(n, s, &now);
		}
	}
	return ret;
}

/* trees that no node is of */
static int mend_trees_of_nobody(struct name_check *n)
{
	struct snapshot_tree_info t;
	u32 id = 0;
	int ret;

	for (u64 from = 0; ; from = id + 1ULL) {
		ret = tree_next(n, from, &id, &t);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (is_named(n, id, NULL, false) || is_missed(n, t.root_snapshot))
			continue;
		n->mend->again = true;
		ret = mend_name_key(n, BTREE_ID_snapshot_trees, POS(0, id), KEY_TYPE_deleted);
		if (ret)
			return ret;
	}
}

/* ---- the way to the root ---- */

static int mend_listed_children(struct name_check *n)
{
	struct bkey k;
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_subvols; i++) {
		struct subvolume_info now = n->subvol[i];
		struct bpos p;

		if (now.id == ROOT_SUBVOL && now.fs_path_parent) {
			now.fs_path_parent = 0;
			ret = change_subvol(n, &n->subvol[i], &now);
		}
		p = POS(now.fs_path_parent, now.id);
		if (ret || now.unlinked || !now.fs_path_parent)
			continue;
		ret = bce_btree_lookup(n->c->btrees, BTREE_ID_subvolume_children, p, NULL, &k, &n->buf);
		if (ret == -ENOENT)
			ret = mend_name_key(n, BTREE_ID_subvolume_children, p, KEY_TYPE_set);
	}
	return ret;
}

/* ---- root inodes ---- */

/* the subvolume whose root a version is: the only one that sees it; of several the one that is no snapshot. 0: none */
static u32 subvol_with_root(struct name_check *n, const struct inode_fields *f)
{
	unsigned int nr = 0, originals = 0;
	u32 any = 0, original = 0;

	for (size_t i = 0; i < n->nr_subvols; i++) {
		const struct subvolume_info *s = &n->subvol[i];

		if (s->inode != f->inum || !bce_snapshot_is_ancestor(n->c->snapshots, s->snapshot, f->snapshot))
			continue;
		nr++;
		any = s->id;
		originals += !s->snap;
		original = s->snap ? original : s->id;
	}
	return nr == 1 ? any : originals == 1 ? original : 0;
}

/* the root that a subvolume names does not exist, @f says it is it, and can be */
static int mend_subvol_root(struct name_check *n, const struct inode_fields *f, bool *mended)
{
	struct subvolume_info *s = subvol_by_id(n, f->subvol), now;
	struct inode_fields root;
	int ret;

	if (!s || !S_ISDIR(f->mode) || !bce_snapshot_is_ancestor(n->c->snapshots, s->snapshot, f->snapshot))
		return 0;
	ret = check_inode_at(n, s->inode, s->snapshot, &root);
	if (ret != -ENOENT)
		return check_memory_only(ret);
	now = *s;
	now.inode = f->inum;
	*mended = true;
	return change_subvol(n, s, &now);
}

int mend_root_of(struct name_check *n, const struct inode_fields *f)
{
	bool mended = false;
	u32 subvol;
	int ret;

	if (!n->c->repair || n->mend->unsure)
		return 0;
	ret = mend_subvol_root(n, f, &mended);
	if (ret || mended)
		return ret;
	subvol = subvol_with_root(n, f);
	if (!subvol && mend_subvolume_is_lost(n, f->subvol))
		return 0;
	return mend_inode(n, f->inum, f->snapshot, MEND_SUBVOL, subvol, 0);
}

int mend_root_says(struct name_check *n, const struct subvolume_info *s, const struct inode_fields *f)
{
	struct subvolume_info other;
	unsigned int nr;

	subvols_in(n, s->snapshot, &other, &nr);
	if (!n->c->repair || nr != 1 || other.id != s->id || f->snapshot != s->snapshot)
		return 0;
	return mend_inode(n, f->inum, f->snapshot, MEND_SUBVOL, s->id, 0);
}

bool mend_subvolume_is_lost(struct name_check *n, u32 id)
{
	unsigned int nr;

	return node_naming(n, id, &nr);
}

/* ---- the subvolume in which a subvolume's name stands ---- */

/* 0 if it does not see the name */
static u32 if_it_sees(struct name_check *n, const struct bkey *k, u32 subvol, u32 child)
{
	struct subvolume_info s;

	return subvol != child && bce_subvolume_find(n->c->snapshots, subvol, &s) &&
		bce_snapshot_is_ancestor(n->c->snapshots, s.snapshot, k->p.snapshot) ? subvol : 0;
}

/* what two of the three say, or the only one that says something possible; 0: none */
static u32 parent_by_vote(const u32 said[3])
{
	if (said[0] && (said[0] == said[1] || said[0] == said[2]))
		return said[0];
	if (said[1] && said[1] == said[2])
		return said[1];
	return !!said[0] + !!said[1] + !!said[2] == 1 ? said[0] + said[1] + said[2] : 0;
}

static int mend_name_parent(struct name_check *n, const struct bkey *k, struct dirent_info *d, u32 parent)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct bkey now = *k;
	int ret;

	bce_text_printf(&text, "btree dirents %llu:%llu:%u \"%.*s\": parent subvolume was %u, is now %u", k->p.inode,
			k->p.offset, k->p.snapshot, d->name_len, d->name, d->parent_subvol, parent);
	d->parent_subvol = parent;
	bce_dirent_encode(&now, &n->mend->val, d);
	ret = put_key(n, BTREE_ID_dirents, &now);
	if (!ret)
		mend_say(n, &text);
	bce_text_exit(&text);
	return mend_tried(ret);
}

int mend_subvolume_parent(struct name_check *n, const struct bkey *k, u32 subvol, const struct inode_fields *root)
{
	struct subvolume_info *s = subvol_by_id(n, subvol), now;
	struct dirent_info d;
	u32 said[3], parent;
	int ret = 0;

	/* an inherited root is the one of this name as well, unless it is another subvolume's */
	if (!n->c->repair || n->mend->unsure || !s || root->subvol != subvol)
		return 0;
	now = *s;
	bce_dirent_decode(k, &d);
	said[0] = if_it_sees(n, k, d.parent_subvol, s->id);
	said[1] = if_it_sees(n, k, s->fs_path_parent, s->id);
	said[2] = if_it_sees(n, k, root->parent_subvol, s->id);
	parent = parent_by_vote(said);
	if (!parent)
		return 0;
	now.fs_path_parent = parent;
	if (parent != s->fs_path_parent)
		ret = change_subvol(n, s, &now);
	if (!ret && parent != root->parent_subvol)
		ret = mend_inode(n, root->inum, root->snapshot, MEND_PARENT_SUBVOL, parent, 0);
	if (!ret && parent != d.parent_subvol)
		ret = mend_name_parent(n, k, &d, parent);
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
