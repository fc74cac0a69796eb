// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot trees, snapshot nodes, subvolumes and the way from each to the root.
 *
 * The nodes are read into an array by id. Children have lower ids than their parents, so one pass
 * upwards over it tells which nodes live: those that a subvolume uses which is not being deleted, and
 * those above. Others wait for being cleaned away, and a node with one live child for being folded
 * into it; their keys may be half gone and are not judged by the passes over files. The in-tree
 * driver cleans up before it checks those.
 *
 * Source: docs/format/60-filesystem-keys.md, part IV, part VIII; 40-recovery.md, section 4.
 */
#include "engine/check/names_internal.h"

#include <linux/minmax.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/check/alloc_internal.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

/* ---- the array ---- */

struct check_snapshot *check_snapshot_node(struct name_check *n, u32 id)
{
	size_t lo = 0, hi = n->nr_snapshots;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (n->snapshot[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n->nr_snapshots && n->snapshot[lo].id == id ? &n->snapshot[lo] : NULL;
}

int check_subvolume_lookup(struct name_check *n, u32 id, struct subvolume_info *out)
{
	struct bkey k;
	int ret = bce_btree_lookup(n->c->btrees, BTREE_ID_subvolumes, POS(0, id), NULL, &k,
				   &n->buf2);

	if (!ret && k.type != KEY_TYPE_subvolume)
		ret = -ENOENT;
	if (!ret)
		bce_subvolume_decode(&k, out);
	return ret;
}

/* used by a subvolume that is to stay? */
static bool has_subvolume(struct name_check *n, const struct snapshot_info *s)
{
	struct subvolume_info v;

	return s->is_subvol && !s->deleted && s->subvol &&
		!check_subvolume_lookup(n, s->subvol, &v) && !v.unlinked;
}

/* nodes below it are in the array already: theirs are lower ids */
static void judge_node(struct name_check *n, struct check_snapshot *s)
{
	unsigned int nr = 0;
	u32 below = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(s->info.children); i++) {
		struct check_snapshot *child = s->info.children[i] < s->id ?
			check_snapshot_node(n, s->info.children[i]) : NULL;

		if (child && child->live) {
			nr++;
			below = child->same_as;
		}
	}
	if (has_subvolume(n, &s->info) || nr > 1)
		below = s->id;
	s->live = below;
	s->same_as = below;
}

static int read_node(struct name_check *n, const struct bkey *k)
{
	struct check_snapshot *s;
	int ret;

	if (k->type != KEY_TYPE_snapshot || k->p.inode || k->p.offset > U32_MAX)
		return 0;
	ret = check_array_room((void **)&n->snapshot, n->nr_snapshots, &n->snapshots_room,
			       sizeof(*n->snapshot));
	if (ret)
		return ret;
	s = &n->snapshot[n->nr_snapshots];
	*s = (struct check_snapshot) { .id = k->p.offset };
	bce_snapshot_decode(k, &s->info);
	judge_node(n, s);
	n->nr_snapshots++;
	return 0;
}

bool check_snapshot_judged(struct name_check *n, unsigned int btree_id, const struct bkey *k)
{
	const struct check_snapshot *s = check_snapshot_node(n, k->p.snapshot);

	if (s)
		return s->same_as == s->id;
	bce_log_error(n->c->log, BCE_ERR_bkey_in_missing_snapshot,
		      "btree %s %llu:%llu:%u: key of type %s in a snapshot that does not exist",
		      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot,
		      bce_key_type_name(k->type));
	return false;
}

/* ---- nodes ---- */

static void snapshot_error(struct name_check *n, enum bce_error id, const struct check_snapshot *s,
			   const char *what, u32 number)
{
	if (id == BCE_ERR_snapshot_node_missing || id == BCE_ERR_snapshot_parent_bad || id == BCE_ERR_snapshot_child_bad)
		n->unsettled = true;
	bce_log_error(n->c->log, id, "btree snapshots 0:%u: %s %u", s->id, what, number);
}

static bool lists_child(const struct check_snapshot *parent, u32 id)
{
	return parent->info.children[0] == id || parent->info.children[1] == id;
}

static void check_relations(struct name_check *n, const struct check_snapshot *s)
{
	const struct check_snapshot *parent = NULL;

	if (s->info.parent) {
		parent = check_snapshot_node(n, s->info.parent);
		if (!parent)
			snapshot_error(n, BCE_ERR_snapshot_node_missing, s,
				       "parent does not exist:", s->info.parent);
		else if (parent->id <= s->id || !lists_child(parent, s->id))
			snapshot_error(n, BCE_ERR_snapshot_parent_bad, s,
				       "not a child of its parent", s->info.parent);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(s->info.children); i++) {
		u32 id = s->info.children[i];
		const struct check_snapshot *child = id ? check_snapshot_node(n, id) : NULL;

		if (id && !child)
			snapshot_error(n, BCE_ERR_snapshot_node_missing, s,
				       "child does not exist:", id);
		else if (id && (child->id >= s->id || child->info.parent != s->id))
			snapshot_error(n, BCE_ERR_snapshot_child_bad, s,
				       "child has another parent:", id);
	}
	if (s->info.depth != (parent ? parent->info.depth + 1 : 0))
		snapshot_error(n, BCE_ERR_snapshot_bad_depth, s, "depth is wrong:", s->info.depth);
}

bool check_skip_is_right(struct name_check *n, const struct check_snapshot *s, unsigned int i)
{
	u32 skip = s->info.skip[i];

	if (!s->info.parent)
		return !skip;
	return skip && skip != s->id && bce_snapshot_is_ancestor(n->c->snapshots, s->id, skip);
}

static void check_skips(struct name_check *n, const struct check_snapshot *s)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(s->info.skip); i++)
		if (!check_skip_is_right(n, s, i))
			snapshot_error(n, BCE_ERR_snapshot_bad_skiplist, s, "skip entry is no ancestor:",
				       s->info.skip[i]);
}

static int check_node_subvolume(struct name_check *n, const struct check_snapshot *s)
{
	struct subvolume_info v;
	int ret;

	if (!s->info.is_subvol || s->info.deleted) {
		if (s->info.subvol)
			snapshot_error(n, BCE_ERR_snapshot_should_not_have_subvol, s,
				       "not flagged as a subvolume's, names subvolume",
				       s->info.subvol);
		return 0;
	}
	ret = check_subvolume_lookup(n, s->info.subvol, &v);
	if (ret == -ENOENT || (!ret && v.snapshot != s->id))
		snapshot_error(n, BCE_ERR_snapshot_should_not_have_subvol, s,
			       "does not belong to the subvolume it names:", s->info.subvol);
	return check_memory_only(ret);
}

static int check_node_tree(struct name_check *n, const struct check_snapshot *s)
{
	struct snapshot_tree_info t = { };
	struct bkey k;
	int ret = bce_btree_lookup(n->c->btrees, BTREE_ID_snapshot_trees, POS(0, s->info.tree),
				   NULL, &k, &n->buf);

	if (!ret && k.type == KEY_TYPE_snapshot_tree)
		bce_snapshot_tree_decode(&k, &t);
	if (ret == -ENOENT || (!ret && !bce_snapshot_is_ancestor(n->c->snapshots, s->id,
								 t.root_snapshot)))
		snapshot_error(n, BCE_ERR_snapshot_to_bad_snapshot_tree, s,
			       "not in the tree it names:", s->info.tree);
	return check_memory_only(ret);
}

static int check_nodes(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++) {
		const struct check_snapshot *s = &n->snapshot[i];

		check_relations(n, s);
		check_skips(n, s);
		ret = check_node_subvolume(n, s);
		if (!ret)
			ret = check_node_tree(n, s);
	}
	return ret;
}

/* ---- trees ---- */

static void tree_error(struct name_check *n, enum bce_error id, const struct bkey *k,
		       const char *what, u32 number)
{
	bce_log_error(n->c->log, id, "btree snapshot_trees 0:%llu: %s %u", k->p.offset, what,
		      number);
}

static int check_tree(struct name_check *n, const struct bkey *k)
{
	const struct check_snapshot *root;
	struct snapshot_tree_info t;
	struct subvolume_info v;
	int ret;

	if (k->type != KEY_TYPE_snapshot_tree)
		return 0;
	bce_snapshot_tree_decode(k, &t);
	root = check_snapshot_node(n, t.root_snapshot);
	if (!root || root->info.parent || root->info.tree != k->p.offset)
		tree_error(n, BCE_ERR_snapshot_tree_to_missing_snapshot, k,
			   "root is no root of this tree:", t.root_snapshot);
	if (root && !root->live)
		return 0;	/* its last subvolume has been deleted */
	ret = check_subvolume_lookup(n, t.master_subvol, &v);
	if (ret == -ENOENT)
		tree_error(n, BCE_ERR_snapshot_tree_to_missing_subvol, k,
			   "master subvolume does not exist:", t.master_subvol);
	if (ret)
		return check_memory_only(ret);
	if (!bce_snapshot_is_ancestor(n->c->snapshots, v.snapshot, t.root_snapshot))
		tree_error(n, BCE_ERR_snapshot_tree_to_wrong_subvol, k,
			   "master subvolume is in another tree:", t.master_subvol);
	if (v.snap)
		tree_error(n, BCE_ERR_snapshot_tree_to_snapshot_subvol, k,
			   "master subvolume is a snapshot:", t.master_subvol);
	return 0;
}

/* ---- subvolumes ---- */

static void subvolume_error(struct name_check *n, enum bce_error id,
			    const struct subvolume_info *s, const char *what, u64 number)
{
	bce_log_error(n->c->log, id, "btree subvolumes 0:%u: %s %llu", s->id, what, number);
}

static int check_subvolume_root(struct name_check *n, const struct subvolume_info *s)
{
	struct inode_fields root;
	int ret = check_inode_at(n, s->inode, s->snapshot, &root);

	if (ret == -ENOENT)
		subvolume_error(n, BCE_ERR_subvol_to_missing_root, s,
				"root inode does not exist:", s->inode);
	if (ret || root.subvol == s->id)
		return check_memory_only(ret);
	subvolume_error(n, BCE_ERR_subvol_root_wrong_bi_subvol, s, "root inode says subvolume", root.subvol);
	return mend_root_says(n, s, &root);
}

static int check_subvolume_tree(struct name_check *n, const struct subvolume_info *s)
{
	struct snapshot_tree_info t = { };
	struct bkey k;
	int ret;

	if (s->snap)
		return 0;
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_snapshot_trees,
			       POS(0, bce_snapshot_tree(n->c->snapshots, s->snapshot)), NULL, &k,
			       &n->buf);
	if (!ret && k.type == KEY_TYPE_snapshot_tree)
		bce_snapshot_tree_decode(&k, &t);
	if (!ret && t.master_subvol != s->id)
		subvolume_error(n, BCE_ERR_subvol_not_master_and_not_snapshot, s,
				"no snapshot, yet its tree's master is subvolume",
				t.master_subvol);
	return check_memory_only(ret);
}

static int check_subvolume_parent(struct name_check *n, const struct subvolume_info *s)
{
	struct bkey k;
	int ret;

	if (s->id == ROOT_SUBVOL && s->fs_path_parent)
		subvolume_error(n, BCE_ERR_subvol_root_fs_path_parent_nonzero, s,
				"the root, yet in subvolume", s->fs_path_parent);
	if (!s->fs_path_parent)
		return 0;
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_subvolume_children,
			       POS(s->fs_path_parent, s->id), NULL, &k, &n->buf);
	if (ret == -ENOENT)
		subvolume_error(n, BCE_ERR_subvol_children_not_set, s,
				"missing in subvolume_children of", s->fs_path_parent);
	return check_memory_only(ret);
}

/* the way by parents ends in the root; Brent's way of noticing that it goes round */
static int check_subvolume_path(struct name_check *n, const struct subvolume_info *s)
{
	struct subvolume_info at = *s;
	u32 tortoise = s->id;
	u64 steps = 0, limit = 1;

	while (at.id != ROOT_SUBVOL) {
		int ret = at.fs_path_parent ?
			check_subvolume_lookup(n, at.fs_path_parent, &at) : -ENOENT;

		if (ret == -ENOENT)
			subvolume_error(n, BCE_ERR_subvol_unreachable, s,
					"no way to the root, it ends at subvolume", at.id);
		if (ret)
			return check_memory_only(ret);
		if (at.id == tortoise) {
			subvolume_error(n, BCE_ERR_subvol_loop, s,
					"inside of itself, by way of subvolume", at.id);
			return 0;
		}
		if (++steps == limit) {
			limit *= 2;
			tortoise = at.id;
		}
	}
	return 0;
}

/* else the node looks as if it were to be cleaned away */
static void check_subvolume_node(struct name_check *n, const struct subvolume_info *s)
{
	const struct check_snapshot *node = check_snapshot_node(n, s->snapshot);

	if (!node->info.is_subvol || node->info.subvol != s->id)
		subvolume_error(n, BCE_ERR_subvol_snapshot_bad, s, "its snapshot's node names subvolume",
				node->info.subvol);
}

static int keep_subvolume(struct name_check *n, const struct subvolume_info *s)
{
	int ret = check_array_room((void **)&n->subvol, n->nr_subvols, &n->subvols_room, sizeof(*n->subvol));

	if (!ret)
		n->subvol[n->nr_subvols++] = *s;
	return ret;
}

static int check_subvolume(struct name_check *n, const struct bkey *k)
{
	struct subvolume_info s;
	int ret;

	if (k->type != KEY_TYPE_subvolume || k->p.inode || k->p.offset > U32_MAX)
		return 0;
	bce_subvolume_decode(k, &s);
	ret = keep_subvolume(n, &s);
	if (ret || s.unlinked)
		return ret;	/* on its way out */
	if (!check_snapshot_node(n, s.snapshot)) {
		n->unsettled = true;
		subvolume_error(n, BCE_ERR_snapshot_node_missing, &s,
				"its snapshot does not exist:", s.snapshot);
		return 0;
	}
	check_subvolume_node(n, &s);
	ret = check_subvolume_root(n, &s);
	if (!ret)
		ret = check_subvolume_tree(n, &s);
	if (!ret)
		ret = check_subvolume_parent(n, &s);
	return ret ?: check_subvolume_path(n, &s);
}

static int check_subvolume_child(struct name_check *n, const struct bkey *k)
{
	struct subvolume_info s;
	int ret = k->p.offset > U32_MAX ? -ENOENT : check_subvolume_lookup(n, k->p.offset, &s);

	if (ret == -ENOENT || (!ret && s.fs_path_parent != k->p.inode)) {
		bce_log_error(n->c->log, BCE_ERR_subvol_children_bad,
			      "btree subvolume_children %llu:%llu: that subvolume %s", k->p.inode,
			      k->p.offset, ret ? "does not exist" : "is elsewhere");
		return ret && mend_subvolume_is_lost(n, k->p.offset) ? 0 :
			mend_name_key(n, BTREE_ID_subvolume_children, k->p, KEY_TYPE_deleted);
	}
	return check_memory_only(ret);
}

/* ---- the root ---- */

static int check_root(struct name_check *n)
{
	struct subvolume_info s;
	struct inode_fields root;
	int ret = check_subvolume_lookup(n, ROOT_SUBVOL, &s);

	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_root_subvol_missing,
			      "btree subvolumes 0:%u: the root subvolume does not exist",
			      ROOT_SUBVOL);
	if (ret)
		return check_memory_only(ret);
	ret = check_inode_at(n, ROOT_INUM, s.snapshot, &root);
	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_root_dir_missing,
			      "btree inodes 0:%u:%u: the root directory does not exist", ROOT_INUM,
			      s.snapshot);
	else if (!ret && !S_ISDIR(root.mode))
		bce_log_error(n->c->log, BCE_ERR_root_inode_not_dir,
			      "btree inodes 0:%u:%u: the root is no directory, mode %o", ROOT_INUM,
			      s.snapshot, root.mode);
	return check_memory_only(ret);
}

static int check_all(struct name_check *n)
{
	int ret = check_names_walk(n, BTREE_ID_snapshots, "snapshots", read_node);

	if (!ret)
		ret = check_nodes(n);
	if (!ret)
		ret = check_names_walk(n, BTREE_ID_snapshot_trees, "snapshot trees", check_tree);
	if (!ret)
		ret = check_names_walk(n, BTREE_ID_subvolumes, "subvolumes", check_subvolume);
	if (!ret)
		ret = check_names_walk(n, BTREE_ID_subvolume_children, "subvolume children",
				       check_subvolume_child);
	return ret ?: check_root(n);
}

int check_snapshots(struct name_check *n)
{
	u64 before = bce_log_errors_total(n->c->log);
	int ret = check_all(n);

	if (ret || !n->mend || bce_log_errors_total(n->c->log) == before)
		return ret;
	ret = mend_snapshots(n);
	/* with what is left, nobody knows who sees which keys */
	n->mend->unsure = n->unsettled;
	return ret;
}
