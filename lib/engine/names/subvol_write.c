// SPDX-License-Identifier: GPL-2.0
/*
 * Subvolumes and snapshots being made and deleted (docs/format/60-filesystem-keys.md, sections 14
 * to 18; 65-operations.md, 13 to 15).
 *
 * Whoever changes subvolumes or snapshot nodes holds the table's lock from before his transaction
 * until its result is published, so ids are given out by one at a time. A new leaf below a node
 * is published before the commit already: the transaction's own views look up through it, and nobody
 * else knows its id yet. What subvolumes say is published after the commit.
 *
 * Taking a snapshot of subvolume V at node P makes P an interior node with two leaves, n0 for the
 * snapshot, n1 for V. A writer in V who began before reads V's key in his transaction, and begins
 * anew, in n1.
 *
 * Deleting a subvolume takes its name away first and flags its key; then its key goes and its node
 * is flagged; both flags are found at the next start. Keys in the node are removed in the
 * background (snapshot_clean.c). Every snapshot tree has one subvolume that is no snapshot; when that
 * one goes, the oldest of the others takes its place. If there is no other the key stays, flagged,
 * until the tree goes with it: a tree without a subvolume would be an error after a crash.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define SUBVOL_ID_MAX	S32_MAX

/* how long a snapshot waits for truncations and the like to end in its source */
#define LOGGED_OP_WAIT_MS	10
#define LOGGED_OP_WAITS		3000

int names_subvol_put(struct names_tx *tx, const struct subvolume_info *s)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = POS(0, s->id) };

	if (!val)
		return -ENOMEM;
	bce_subvolume_encode(&k, val, s);
	return bce_trans_update(tx->t, BTREE_ID_subvolumes, &k, 0);
}

static int node_put(struct names_tx *tx, u32 id, const struct snapshot_info *s)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = POS(0, id) };

	if (!val)
		return -ENOMEM;
	bce_snapshot_encode(&k, val, s);
	return bce_trans_update(tx->t, BTREE_ID_snapshots, &k, 0);
}

static int node_get(struct names_tx *tx, u32 id, struct snapshot_info *out)
{
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_snapshots, POS(0, id), NULL, 0, &k);

	if (!ret)
		bce_snapshot_decode(&k, out);
	return ret == -ENOENT ? -EIO : ret;
}

static int tree_put(struct names_tx *tx, u32 id, const struct snapshot_tree_info *t)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = POS(0, id) };

	if (!val)
		return -ENOMEM;
	bce_snapshot_tree_encode(&k, val, t);
	return bce_trans_update(tx->t, BTREE_ID_snapshot_trees, &k, 0);
}

/* ---- roots ---- */

/*
 * Another subvolume, below @snapshot, with the same root directory. Return: 0; -ENOENT
 */
static int root_heir(struct names_tx *tx, u64 inum, u32 snapshot, u32 not_this,
		     struct names_inode *out)
{
	struct subvolume_info s = { };
	struct bce_file_id id = { .inum = inum };
	int ret;

	while (bce_subvolume_next(tx->w->snapshots, s.id, &s)) {
		if (s.id == not_this || s.inode != inum || s.unlinked ||
		    !bce_snapshot_is_ancestor(tx->w->snapshots, s.snapshot, snapshot))
			continue;
		id.subvol = s.id;
		ret = names_inode_get_ro(tx, id, out);
		if (ret != -ENOENT)
			return ret;
	}
	return -ENOENT;
}

/*
 * A subvolume's root directory has versions in the interior nodes above its leaf, left by snapshots.
 * No subvolume sees them, as each has a root of its own, but they are checked: what they say of their
 * subvolume and their name must be so. They follow it where it moves, and pass to another subvolume
 * below them when it goes.
 */
int names_root_versions(struct names_tx *tx, const struct names_inode *root, bool gone)
{
	u32 at = root->subvol.snapshot;
	struct names_inode heir;
	const struct inode_fields *as;
	struct inode_fields f;
	int ret;

	while (!(ret = bce_inode_trans_above(tx->t, tx->w->snapshots, root->id.inum, at,
					     tx->w->src.log, &f))) {
		at = f.snapshot;
		if (f.subvol != root->id.subvol)
			continue;
		as = &root->f;
		ret = gone ? root_heir(tx, root->id.inum, at, root->id.subvol, &heir) : 0;
		if (ret && ret != -ENOENT)
			return ret;
		if (gone && !ret)
			as = &heir.f;
		f.subvol = as->subvol;
		f.parent_subvol = as->parent_subvol;
		f.dir = as->dir;
		f.dir_offset = as->dir_offset;
		ret = bce_inode_trans_put(tx->t, &f);
		if (ret)
			return ret;
	}
	return ret == -ENOENT ? 0 : ret;
}

/* ---- ids ---- */

static int id_above_highest(struct names_tx *tx, unsigned int btree_id, u64 max, u32 *id)
{
	struct bkey k;
	int ret = bce_trans_peek_prev(tx->t, btree_id, POS(0, max), POS(0, 1), 0, &k);

	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && k.p.offset >= max)
		return -ENOSPC;
	*id = ret ? 1 : k.p.offset + 1;
	return 0;
}

/* one that no subvolume has had since the set was opened: who still holds files of a deleted one must not meet others */
static int subvol_id(struct names_tx *tx, u32 *id)
{
	int ret = id_above_highest(tx, BTREE_ID_subvolumes, SUBVOL_ID_MAX, id);

	if (!ret)
		*id = max(*id, tx->w->subvol_last + 1);
	return ret ?: *id > SUBVOL_ID_MAX ? -ENOSPC : 0;
}

/* @nr ids that follow each other downwards, the highest in @id */
static int snapshot_ids(struct names_tx *tx, unsigned int nr, u32 *id)
{
	struct bkey k;
	int ret = bce_trans_peek(tx->t, BTREE_ID_snapshots, POS(0, 1), POS(1, 0), NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? -EIO : ret;
	if (k.p.offset <= nr)
		return -ENOSPC;
	*id = k.p.offset - 1;
	return 0;
}

/* ---- making ---- */

struct subvol_create {
	struct bce_file_id	dir_id;
	const char		*name;
	unsigned int		len;
	u32			source;		/* 0: new and empty */
	unsigned int		flags;
	const struct bce_create	*what;
	struct snapshot_data	*edit;		/* to be published when that is committed */
	u32			node, node2;	/* published early; 0: none */
	struct names_inode	root;
};

/* the new subvolume's name */
static int subvol_name(struct names_tx *tx, const struct subvol_create *c, struct names_inode *dir,
		       const struct subvolume_info *s, struct inode_fields *root)
{
	struct dirent_info d = names_target(root, s->id, dir->id.subvol);
	struct names_entry e;
	int ret = names_entry_find(tx, dir, c->name, c->len, &e);

	if (ret)
		return ret;
	if (e.place.found)
		return -EEXIST;
	root->subvol = s->id;
	root->parent_subvol = dir->id.subvol;
	root->dir = dir->id.inum;
	root->dir_offset = e.place.slot;
	names_touch(tx, dir);
	return names_entry_put(tx, dir, &e, &d, c->name, c->len) ?: names_inode_put(tx, dir);
}

static struct subvolume_info subvol_new(struct names_tx *tx, const struct subvol_create *c, u32 id,
					u32 snapshot, u64 inum)
{
	return (struct subvolume_info) {
		.id = id,
		.ro = c->flags & BCE_SUBVOL_RO,
		.snap = c->source,
		.snapshot = snapshot,
		.inode = inum,
		.creation_parent = c->source,
		.fs_path_parent = c->dir_id.subvol,
		.otime = tx->now,
	};
}

static int edit_begin(struct names_tx *tx, struct subvol_create *c)
{
	bce_snapshot_edit_drop(c->edit);
	c->edit = bce_snapshot_edit(tx->w->snapshots);
	return c->edit ? 0 : -ENOMEM;
}

static void root_result(struct subvol_create *c, const struct subvolume_info *s,
			const struct inode_fields *f)
{
	c->root.id = (struct bce_file_id) { .subvol = s->id, .inum = f->inum };
	c->root.subvol = *s;
	c->root.f = *f;
}

/* a tree of its own, with one node */
static int create_empty_fn(struct names_tx *tx, void *ctx)
{
	struct subvol_create *c = ctx;
	struct snapshot_info node = { .is_subvol = true, .btime = tx->now };
	struct snapshot_tree_info tree;
	struct names_inode dir;
	struct inode_fields root;
	struct subvolume_info s;
	struct snapshot_view view;
	u32 id;
	int ret;

	ret = names_dir_get(tx, c->dir_id, &dir) ?:
	      subvol_id(tx, &node.subvol) ?:
	      id_above_highest(tx, BTREE_ID_snapshot_trees, U32_MAX, &node.tree) ?:
	      snapshot_ids(tx, 1, &id) ?:
	      names_inode_new(tx, id, c->what, &dir.f, &root);
	if (ret)
		return ret;
	s = subvol_new(tx, c, node.subvol, id, root.inum);
	tree = (struct snapshot_tree_info) { .master_subvol = s.id, .root_snapshot = id };
	view = bce_snapshot_view(tx->w->snapshots, id);
	ret = edit_begin(tx, c) ?:
	      bce_snapshot_edit_node(c->edit, id, &node) ?:
	      bce_snapshot_edit_subvol(c->edit, &s) ?:
	      tree_put(tx, node.tree, &tree) ?:
	      node_put(tx, id, &node) ?:
	      names_subvol_put(tx, &s) ?:
	      subvol_name(tx, c, &dir, &s, &root) ?:
	      names_new_xattrs_put(tx, &root, &view, c->what) ?:
	      names_tx_charge(tx, &root, 1) ?:
	      bce_inode_trans_write(tx->t, id, &root);
	if (!ret)
		root_result(c, &s, &root);
	return ret;
}

static int cmp_u32(const void *a, const void *b)
{
	u32 l = *(const u32 *)a, r = *(const u32 *)b;

	return l < r ? -1 : l > r;
}

/* three ancestors at random, the parent or above it */
static void node_pick_skips(struct names_tx *tx, u32 parent, struct snapshot_info *s)
{
	unsigned int i, up;

	for (i = 0; i < 3; i++) {
		s->skip[i] = parent;
		for (up = names_random(tx->w) % s->depth; up; up--)
			s->skip[i] = bce_snapshot_parent(tx->w->snapshots, s->skip[i]) ?:
				     s->skip[i];
	}
	sort(s->skip, 3, sizeof(s->skip[0]), cmp_u32, NULL);
}

static struct snapshot_info node_below(struct names_tx *tx, u32 parent,
				       const struct snapshot_info *p, u32 subvol)
{
	struct snapshot_info s = {
		.is_subvol = true,
		.parent = parent,
		.subvol = subvol,
		.tree = p->tree,
		.depth = p->depth + 1,
		.btime = tx->now,
	};

	node_pick_skips(tx, parent, &s);
	return s;
}

/* both leaves are known before the transaction looks through them; once */
static int publish_leaves(struct names_tx *tx, struct subvol_create *c, u32 id,
			  const struct snapshot_info *leaf)
{
	struct snapshot_data *early;
	int ret;

	if (c->node)
		return 0;
	early = bce_snapshot_edit(tx->w->snapshots);
	if (!early)
		return -ENOMEM;
	ret = bce_snapshot_edit_node(early, id, leaf) ?:
	      bce_snapshot_edit_node(early, id - 1, leaf);
	if (ret) {
		bce_snapshot_edit_drop(early);
		return ret;
	}
	bce_snapshot_edit_publish(tx->w->snapshots, early);
	c->node = id;
	c->node2 = id - 1;
	return 0;
}

static u32 logged_op_subvol(const struct bkey *k)
{
	struct logged_op_truncate_info t;
	struct logged_op_finsert_info f;

	if (k->type == KEY_TYPE_logged_op_truncate) {
		bce_logged_op_truncate_decode(k, &t);
		return t.subvol;
	}
	if (k->type == KEY_TYPE_logged_op_finsert) {
		bce_logged_op_finsert_decode(k, &f);
		return f.subvol;
	}
	return 0;
}

/* a snapshot in the middle of one could not be told what is to be finished. -EAGAIN */
static int check_no_logged_op(struct names_tx *tx, u32 subvol)
{
	struct bpos pos = POS_MIN;
	struct bkey k;
	int ret;

	while (!(ret = bce_trans_peek(tx->t, BTREE_ID_logged_ops, pos, POS_MAX, NULL, 0, &k))) {
		if (logged_op_subvol(&k) == subvol)
			return -EAGAIN;
		pos = bpos_successor(k.p);
	}
	return ret == -ENOENT ? 0 : ret;
}

/* the directory that gets the name; after the change it may be in the source's new leaf */
static int snapshot_dir(struct names_tx *tx, const struct subvol_create *c, u32 leaf,
			struct names_inode *dir)
{
	int ret = names_dir_get(tx, c->dir_id, dir);

	if (!ret && c->dir_id.subvol == c->source) {
		dir->subvol.snapshot = leaf;
		dir->view = bce_snapshot_view(tx->w->snapshots, leaf);
	}
	return ret;
}

static int snapshot_nodes(struct names_tx *tx, struct subvol_create *c, struct subvolume_info *v,
			  u32 w_id, u32 n0)
{
	struct snapshot_info p, leaf[2];
	u32 parent = v->snapshot;
	int ret = node_get(tx, parent, &p);

	if (ret)
		return ret;
	leaf[0] = node_below(tx, parent, &p, w_id);
	leaf[1] = node_below(tx, parent, &p, v->id);
	p.children[0] = n0;
	p.children[1] = n0 - 1;
	p.subvol = 0;
	p.is_subvol = false;
	v->snapshot = n0 - 1;
	return publish_leaves(tx, c, n0, &leaf[0]) ?:
	       edit_begin(tx, c) ?:
	       bce_snapshot_edit_node(c->edit, n0, &leaf[0]) ?:
	       bce_snapshot_edit_node(c->edit, n0 - 1, &leaf[1]) ?:
	       bce_snapshot_edit_subvol(c->edit, v) ?:
	       node_put(tx, parent, &p) ?:
	       node_put(tx, n0, &leaf[0]) ?:
	       node_put(tx, n0 - 1, &leaf[1]) ?:
	       names_subvol_put(tx, v);
}

static int create_snapshot_fn(struct names_tx *tx, void *ctx)
{
	struct subvol_create *c = ctx;
	struct names_inode dir, root;
	struct bce_file_id root_id = { .subvol = c->source };
	struct subvolume_info v, w;
	u32 id, n0;
	int ret;

	ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, c->source, &v) ?:
	      check_no_logged_op(tx, c->source) ?:
	      subvol_id(tx, &id) ?:
	      snapshot_ids(tx, 2, &n0);
	if (ret)
		return ret;
	root_id.inum = v.inode;
	w = subvol_new(tx, c, id, n0, v.inode);
	/* the directory and the old root are read before the source moves to its new leaf */
	ret = names_inode_get_ro(tx, root_id, &root) ?:
	      snapshot_dir(tx, c, n0 - 1, &dir) ?:
	      snapshot_nodes(tx, c, &v, id, n0) ?:
	      bce_snapshot_edit_subvol(c->edit, &w) ?:
	      names_subvol_put(tx, &w) ?:
	      subvol_name(tx, c, &dir, &w, &root.f) ?:
	      bce_inode_trans_write(tx->t, n0, &root.f);
	if (!ret)
		root_result(c, &w, &root.f);
	return ret;
}

/* leaves that did not come to be; if memory is wanting they stay, unknown to anybody */
static void unpublish_leaves(struct names_writer *w, struct subvol_create *c)
{
	struct snapshot_data *d = c->node ? bce_snapshot_edit(w->snapshots) : NULL;

	if (!d)
		return;
	bce_snapshot_edit_node_remove(d, c->node);
	bce_snapshot_edit_node_remove(d, c->node2);
	bce_snapshot_edit_publish(w->snapshots, d);
}

static int subvol_create_once(struct names_writer *w, struct subvol_create *c)
{
	int ret;

	c->edit = NULL;
	c->node = c->node2 = 0;
	bce_snapshot_table_lock(w->snapshots);
	ret = names_run(w, c->source ? create_snapshot_fn : create_empty_fn, c);
	if (!ret) {
		w->subvol_last = c->root.id.subvol;
		bce_snapshot_edit_publish(w->snapshots, c->edit);
	} else {
		bce_snapshot_edit_drop(c->edit);
		unpublish_leaves(w, c);
	}
	bce_snapshot_table_unlock(w->snapshots);
	return ret;
}

int names_subvolume_create(struct names_writer *w, struct bce_file_id dir, const char *name,
			   unsigned int len, u32 source_subvol, unsigned int flags,
			   const struct bce_create *what, struct bce_inode *out)
{
	struct subvol_create c = {
		.dir_id = dir, .name = name, .len = len, .source = source_subvol, .flags = flags,
		.what = what,
	};
	unsigned int waits = 0;
	int ret = names_name_check(name, len);

	if (!ret && !source_subvol && !S_ISDIR(what->mode))
		ret = -EINVAL;
	if (ret)
		return ret;
	while ((ret = subvol_create_once(w, &c)) == -EAGAIN && waits++ < LOGGED_OP_WAITS)
		msleep(LOGGED_OP_WAIT_MS);
	if (!ret)
		names_inode_present(w->src.info, c.root.id, &c.root.f, out);
	return ret == -EAGAIN ? -EBUSY : ret;
}

/* ---- read-only, and what renames change ---- */

struct subvol_ro {
	u32			id;
	bool			ro;
	struct subvolume_info	s;
	struct snapshot_data	*edit;
};

static int set_ro_fn(struct names_tx *tx, void *ctx)
{
	struct subvol_ro *r = ctx;
	int ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, r->id, &r->s);

	if (ret)
		return ret;
	r->s.ro = r->ro;
	bce_snapshot_edit_drop(r->edit);
	r->edit = bce_snapshot_edit(tx->w->snapshots);
	if (!r->edit)
		return -ENOMEM;
	return bce_snapshot_edit_subvol(r->edit, &r->s) ?: names_subvol_put(tx, &r->s);
}

int names_subvolume_set_ro(struct names_writer *w, u32 subvol, bool ro)
{
	struct subvol_ro r = { .id = subvol, .ro = ro };
	int ret;

	bce_snapshot_table_lock(w->snapshots);
	ret = names_run(w, set_ro_fn, &r);
	if (ret)
		bce_snapshot_edit_drop(r.edit);
	else
		bce_snapshot_edit_publish(w->snapshots, r.edit);
	bce_snapshot_table_unlock(w->snapshots);
	return ret;
}

void names_subvol_refresh(struct names_writer *w, u32 id)
{
	struct subvolume_info s;
	struct snapshot_data *d;

	bce_snapshot_table_lock(w->snapshots);
	d = bce_snapshot_edit(w->snapshots);
	if (d && !bce_subvolume_lookup(w->src.btrees, id, &s) && !bce_snapshot_edit_subvol(d, &s))
		bce_snapshot_edit_publish(w->snapshots, d);
	else
		bce_snapshot_edit_drop(d);
	bce_snapshot_table_unlock(w->snapshots);
}

/* ---- deleting ---- */

static int check_no_children(struct names_tx *tx, u32 id)
{
	struct bkey k;
	int ret = bce_trans_peek(tx->t, BTREE_ID_subvolume_children, POS(id, 0),
				 POS((u64)id + 1, 0), NULL, 0, &k);

	return ret == -ENOENT ? 0 : ret ?: -ENOTEMPTY;
}

int names_subvol_unlink(struct names_tx *tx, struct names_inode *dir, const struct names_entry *e,
			bool empty, struct names_inode *root)
{
	struct bce_file_id id = { .subvol = e->d.child_subvol };
	struct subvolume_info s;
	int ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, id.subvol, &s);

	if (ret)
		return ret;
	id.inum = s.inode;
	ret = check_no_children(tx, id.subvol) ?: names_inode_get_ro(tx, id, root);
	if (!ret && empty)
		ret = names_dir_check_empty(tx, id.inum, id.subvol, &root->view);
	if (ret)
		return ret;
	s.unlinked = true;
	/* nobody's child any more: the parent can be deleted without waiting for the background */
	s.fs_path_parent = 0;
	root->f.dir = root->f.dir_offset = 0;
	root->f.ctime = tx->now;
	names_touch(tx, dir);
	return names_subvol_put(tx, &s) ?: names_entry_remove(tx, dir, e) ?:
	       names_inode_put(tx, root) ?: names_root_versions(tx, root, true) ?:
	       names_inode_put(tx, dir);
}

struct subvol_finish {
	u32			id;
	u32			snapshot;	/* its own, until then */
	u32			new_master;	/* that was a snapshot until now */
	bool			last;		/* of its tree: its key goes later, with the node (snapshot_clean.c) */
	struct snapshot_data	*edit;
};

/* the oldest of the tree's other subvolumes becomes the one that is no snapshot */
static int choose_master(struct names_tx *tx, struct subvol_finish *f, u32 tree,
			 struct subvolume_info *out)
{
	struct snapshot_tree_info info;
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_snapshot_trees, POS(0, tree), NULL, 0, &k);

	f->new_master = out->id = 0;
	f->last = false;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	bce_snapshot_tree_decode(&k, &info);
	if (info.master_subvol != f->id)
		return 0;
	while (bce_subvolume_next(tx->w->snapshots, out->id, out))
		if (out->id != f->id && !out->unlinked &&
		    bce_snapshot_tree(tx->w->snapshots, out->snapshot) == tree) {
			f->new_master = info.master_subvol = out->id;
			return tree_put(tx, tree, &info);
		}
	f->last = true;
	return 0;
}

/* @s as it is in the transaction, with what @f's going changes */
static int other_subvol(struct names_tx *tx, struct subvol_finish *f, u32 id, u32 creation_parent)
{
	struct subvolume_info s;
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_subvolumes, POS(0, id), NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	bce_subvolume_decode(&k, &s);
	if (s.creation_parent == f->id)
		s.creation_parent = creation_parent;
	if (s.id == f->new_master)
		s.snap = false;
	return bce_snapshot_edit_subvol(f->edit, &s) ?: names_subvol_put(tx, &s);
}

static int other_subvols(struct names_tx *tx, struct subvol_finish *f,
			 const struct subvolume_info *gone)
{
	struct subvolume_info s = { };
	int ret = 0;

	while (!ret && bce_subvolume_next(tx->w->snapshots, s.id, &s))
		if (s.id != f->id && (s.creation_parent == f->id || s.id == f->new_master))
			ret = other_subvol(tx, f, s.id, gone->creation_parent);
	return ret;
}

static int finish_fn(struct names_tx *tx, void *ctx)
{
	struct subvol_finish *f = ctx;
	struct subvolume_info s, master = { };
	struct snapshot_info node;
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_subvolumes, POS(0, f->id), NULL, 0, &k);

	if (ret)
		return ret;
	bce_subvolume_decode(&k, &s);
	if (!s.unlinked)
		return -ENOENT;
	ret = node_get(tx, s.snapshot, &node) ?: choose_master(tx, f, node.tree, &master);
	if (ret)
		return ret;
	bce_snapshot_edit_drop(f->edit);
	f->edit = bce_snapshot_edit(tx->w->snapshots);
	if (!f->edit)
		return -ENOMEM;
	f->snapshot = s.snapshot;
	bce_snapshot_edit_subvol_remove(f->edit, f->id);
	if (f->last)
		return 0;
	node.deleted = true;
	node.is_subvol = false;
	node.subvol = 0;
	return other_subvols(tx, f, &s) ?:
	       node_put(tx, s.snapshot, &node) ?:
	       bce_trans_delete(tx->t, BTREE_ID_subvolumes, POS(0, f->id), 0);
}

/* who was charged for its files is no longer; another may be from now on */
static void finish_quota(struct names_writer *w, const struct subvol_finish *f, bool was_snap)
{
	struct subvolume_info master;
	int ret = 0;

	if (!w->quota || was_snap)
		return;
	ret = bce_quota_count_snapshot(w->quota, w->src.btrees, w->snapshots, f->snapshot, -1);
	if (!ret && f->new_master && bce_subvolume_find(w->snapshots, f->new_master, &master))
		ret = bce_quota_count_snapshot(w->quota, w->src.btrees, w->snapshots,
					       master.snapshot, 1);
	if (ret)
		bce_log_line(w->src.log, BCE_LOG_WARN,
			     "quota usage of subvolume %u is counted until the next start: error %d",
			     f->id, ret);
}

int names_subvol_finish_delete(struct names_writer *w, u32 id)
{
	struct subvol_finish f = { .id = id };
	struct subvolume_info s = { };
	int ret;

	bce_snapshot_table_lock(w->snapshots);
	bce_subvolume_find(w->snapshots, id, &s);
	ret = names_run(w, finish_fn, &f);
	if (ret)
		bce_snapshot_edit_drop(f.edit);
	else
		bce_snapshot_edit_publish(w->snapshots, f.edit);
	if (!ret)
		finish_quota(w, &f, s.snap);
	bce_snapshot_table_unlock(w->snapshots);
	return ret == -ENOENT ? 0 : ret;
}

void names_subvol_unlinked(struct names_writer *w, u32 id)
{
	/* if that fails, the background tries again */
	names_subvol_finish_delete(w, id);
	queue_work(w->clean_wq, &w->clean_work);
}

struct subvol_delete {
	struct bce_file_id	dir_id;
	const char		*name;
	unsigned int		len;
	struct names_inode	root;
};

static int delete_fn(struct names_tx *tx, void *ctx)
{
	struct subvol_delete *d = ctx;
	struct names_inode dir;
	struct names_entry e;
	int ret = names_dir_get(tx, d->dir_id, &dir) ?:
		  names_entry_find(tx, &dir, d->name, d->len, &e);

	if (ret)
		return ret;
	if (!e.place.found)
		return -ENOENT;
	if (e.d.d_type != BCH_DT_SUBVOL)
		return -EINVAL;
	return names_subvol_unlink(tx, &dir, &e, false, &d->root);
}

int names_subvolume_delete(struct names_writer *w, struct bce_file_id dir, const char *name,
			   unsigned int len)
{
	struct subvol_delete d = { .dir_id = dir, .name = name, .len = len };
	int ret = names_name_check(name, len) ?: names_run(w, delete_fn, &d);

	if (!ret)
		names_subvol_unlinked(w, d.root.id.subvol);
	return ret;
}
