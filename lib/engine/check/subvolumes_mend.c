// SPDX-License-Identifier: GPL-2.0
/*
 * Subvolumes: where they stand, their root inodes, and where their names are (snapshots_mend.c).
 *
 * Source: docs/format/60-filesystem-keys.md, sections 10, 14.
 */
#include "engine/check/snapshots_mend.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

/* ---- subvolumes ---- */

/* a subvolume that stands nowhere, or where files are not written, stands in the one node that names it */
static int mend_standing(struct name_check *n, struct subvolume_info *s)
{
	const struct check_snapshot *at = check_snapshot_node(n, s->snapshot);
	struct subvolume_info now = *s, other;
	const struct check_snapshot *by;
	unsigned int nr, others;

	if (at && !at->info.children[0])
		return 0;
	by = mend_node_naming(n, s->id, &nr);
	if (nr != 1 || by->info.children[0])
		return 0;
	mend_subvols_in(n, by->id, &other, &others);
	if (others)
		return 0;
	now.snapshot = by->id;
	return mend_change_subvol(n, s, &now);
}

static int mend_node_subvol(struct name_check *n, struct check_snapshot *s)
{
	struct snapshot_info now = s->info;
	struct subvolume_info v;
	unsigned int nr;

	mend_subvols_in(n, s->id, &v, &nr);
	if (nr > 1 || (nr && now.deleted))
		return 0;
	/* a leaf without subvolume is cleaned away */
	if (!nr && !now.deleted && !now.children[0])
		return 0;
	now.is_subvol = nr;
	now.subvol = nr ? v.id : 0;
	return mend_change_node(n, s, &now);
}

int mend_subvols(struct name_check *n)
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
	struct subvolume_info s;
	struct inode_fields root;
	int ret = find_root(n, node->info.subvol, node->id, &root);

	if (!ret)
		ret = mend_tree_lookup(n, node->info.tree, &tree);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	s = (struct subvolume_info) {
		.id = node->info.subvol, .snapshot = node->id, .inode = root.inum, .fs_path_parent = root.parent_subvol,
		.snap = tree.master_subvol != node->info.subvol, .otime = node->info.btime,
	};
	ret = mend_put_subvol(n, &s);
	if (ret)
		return mend_tried(ret);
	bce_text_printf(&text, "btree subvolumes 0:%u: was missing, is now in snapshot %u, with root inode %llu, parent subvolume %u",
			s.id, s.snapshot, s.inode, s.fs_path_parent);
	mend_say(n, &text);
	bce_text_exit(&text);
	return 0;
}

int mend_missing_subvols(struct name_check *n)
{
	struct subvolume_info other;
	unsigned int nr, standing;
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_snapshots; i++) {
		const struct check_snapshot *s = &n->snapshot[i];

		if (!s->info.is_subvol || s->info.deleted || s->info.children[0] || !s->info.subvol ||
		    bce_subvolume_find(n->c->snapshots, s->info.subvol, &other))
			continue;
		mend_node_naming(n, s->info.subvol, &nr);
		mend_subvols_in(n, s->id, &other, &standing);
		if (nr == 1 && !standing)
			ret = make_subvol(n, s);
	}
	return ret;
}

/* ---- the way to the root ---- */

int mend_listed_children(struct name_check *n)
{
	struct bkey k;
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_subvols; i++) {
		struct subvolume_info now = n->subvol[i];
		struct bpos p;

		if (now.id == ROOT_SUBVOL && now.fs_path_parent) {
			now.fs_path_parent = 0;
			ret = mend_change_subvol(n, &n->subvol[i], &now);
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
	struct subvolume_info *s = mend_subvol_by_id(n, f->subvol), now;
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
	return mend_change_subvol(n, s, &now);
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

	mend_subvols_in(n, s->snapshot, &other, &nr);
	if (!n->c->repair || nr != 1 || other.id != s->id || f->snapshot != s->snapshot)
		return 0;
	return mend_inode(n, f->inum, f->snapshot, MEND_SUBVOL, s->id, 0);
}

bool mend_subvolume_is_lost(struct name_check *n, u32 id)
{
	unsigned int nr;

	return mend_node_naming(n, id, &nr);
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
	ret = mend_put_key(n, BTREE_ID_dirents, &now);
	if (!ret)
		mend_say(n, &text);
	bce_text_exit(&text);
	return mend_tried(ret);
}

int mend_subvolume_parent(struct name_check *n, const struct bkey *k, u32 subvol, const struct inode_fields *root)
{
	struct subvolume_info *s = mend_subvol_by_id(n, subvol), now;
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
		ret = mend_change_subvol(n, s, &now);
	if (!ret && parent != root->parent_subvol)
		ret = mend_inode(n, root->inum, root->snapshot, MEND_PARENT_SUBVOL, parent, 0);
	if (!ret && parent != d.parent_subvol)
		ret = mend_name_parent(n, k, &d, parent);
	return ret;
}
