// SPDX-License-Identifier: GPL-2.0
/*
 * Changing snapshot nodes, trees and subvolumes where they are mended: the key, the arrays in which the checker has them, and the
 * table that everybody asks who sees what. And looking for what others say about one.
 */
#include "engine/check/snapshots_mend.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

/* ---- writing ---- */

int mend_put_key(struct name_check *n, unsigned int btree_id, const struct bkey *k)
{
	int ret = mend_name_put(n, btree_id, k);

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

/* the table that everybody asks has node @id, or subvolume @s, too */
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

int mend_put_node(struct name_check *n, u32 id, const struct snapshot_info *s)
{
	struct bkey k = { .p = POS(0, id) };
	int ret;

	bce_snapshot_encode(&k, &n->mend->val, s);
	ret = mend_put_key(n, BTREE_ID_snapshots, &k);
	return ret ?: edit_table(n, id, s, NULL);
}

int mend_put_subvol(struct name_check *n, const struct subvolume_info *s)
{
	struct bkey k = { .p = POS(0, s->id) };
	int ret;

	bce_subvolume_encode(&k, &n->mend->val, s);
	ret = mend_put_key(n, BTREE_ID_subvolumes, &k);
	return ret ?: edit_table(n, 0, NULL, s);
}

int mend_change_node(struct name_check *n, struct check_snapshot *s, const struct snapshot_info *now)
{
	const struct snapshot_info *was = &s->info;
	const struct change changes[] = {
		{ "parent", was->parent, now->parent },
		{ "first child", was->children[0], now->children[0] },
		{ "second child", was->children[1], now->children[1] },
		{ "flag for subvolumes", was->is_subvol, now->is_subvol },
		{ "subvolume", was->subvol, now->subvol },
		{ "tree", was->tree, now->tree },
		{ "depth", was->depth, now->depth },
		{ "first skip", was->skip[0], now->skip[0] },
		{ "second skip", was->skip[1], now->skip[1] },
		{ "third skip", was->skip[2], now->skip[2] },
	};
	bool differs = false;
	int ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++)
		differs |= changes[i].was != changes[i].now;
	if (!differs)
		return 0;
	s->info = *now;
	ret = mend_put_node(n, s->id, &s->info);
	if (!ret)
		say_changes(n, BTREE_ID_snapshots, s->id, changes, ARRAY_SIZE(changes));
	return mend_tried(ret);
}

int mend_change_subvol(struct name_check *n, struct subvolume_info *at, const struct subvolume_info *now)
{
	const struct change changes[] = {
		{ "snapshot", at->snapshot, now->snapshot },
		{ "flag of a snapshot", at->snap, now->snap },
		{ "root inode", at->inode, now->inode },
		{ "parent subvolume", at->fs_path_parent, now->fs_path_parent },
	};
	int ret = mend_put_subvol(n, now);

	if (ret)
		return mend_tried(ret);
	*at = *now;
	say_changes(n, BTREE_ID_subvolumes, at->id, changes, ARRAY_SIZE(changes));
	return 0;
}

int mend_put_tree(struct name_check *n, u32 id, const struct snapshot_tree_info *was,
		    const struct snapshot_tree_info *now)
{
	const struct change changes[] = {
		{ "master subvolume", was->master_subvol, now->master_subvol },
		{ "root", was->root_snapshot, now->root_snapshot },
	};
	struct bkey k = { .p = POS(0, id) };
	int ret;

	bce_snapshot_tree_encode(&k, &n->mend->val, now);
	ret = mend_put_key(n, BTREE_ID_snapshot_trees, &k);
	if (!ret)
		say_changes(n, BTREE_ID_snapshot_trees, id, changes, ARRAY_SIZE(changes));
	return mend_tried(ret);
}

/* ---- looking ---- */

bool mend_lists(const struct check_snapshot *s, u32 id)
{
	return s->info.children[0] == id || s->info.children[1] == id;
}

struct check_snapshot *mend_lister(struct name_check *n, u32 id, unsigned int *nr)
{
	struct check_snapshot *found = NULL;

	*nr = 0;
	for (size_t i = 0; i < n->nr_snapshots; i++)
		if (n->snapshot[i].id > id && mend_lists(&n->snapshot[i], id)) {
			found = &n->snapshot[i];
			++*nr;
		}
	return found;
}

int mend_tree_lookup(struct name_check *n, u32 id, struct snapshot_tree_info *out)
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

int mend_tree_next(struct name_check *n, u64 id, u32 *found, struct snapshot_tree_info *out)
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

int mend_trees_of(struct name_check *n, u32 root, u32 *id, unsigned int *nr)
{
	struct snapshot_tree_info t;
	u32 at = 0;
	int ret;

	*nr = 0;
	for (u64 from = 0; ; from = at + 1ULL) {
		ret = mend_tree_next(n, from, &at, &t);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (t.root_snapshot == root) {
			*id = at;
			++*nr;
		}
	}
}

void mend_subvols_in(struct name_check *n, u32 snapshot, struct subvolume_info *out, unsigned int *nr)
{
	*nr = 0;
	*out = (struct subvolume_info) { };
	for (size_t i = 0; i < n->nr_subvols; i++)
		if (n->subvol[i].snapshot == snapshot) {
			*out = n->subvol[i];
			++*nr;
		}
}

const struct check_snapshot *mend_parent_of(struct name_check *n, const struct check_snapshot *s)
{
	return s->info.parent > s->id ? check_snapshot_node(n, s->info.parent) : NULL;
}

const struct check_snapshot *mend_root_node(struct name_check *n, const struct check_snapshot *s)
{
	const struct check_snapshot *up;

	while ((up = mend_parent_of(n, s)))
		s = up;
	return s;
}

struct subvolume_info *mend_subvol_by_id(struct name_check *n, u32 id)
{
	for (size_t i = 0; i < n->nr_subvols; i++)
		if (n->subvol[i].id == id)
			return &n->subvol[i];
	return NULL;
}

const struct check_snapshot *mend_node_naming(struct name_check *n, u32 id, unsigned int *nr)
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
