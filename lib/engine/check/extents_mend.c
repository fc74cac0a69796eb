// SPDX-License-Identifier: GPL-2.0
/*
 * What lies behind the end of a file, cut away in the snapshot of the version that ends there.
 *
 * Nobody reads it there, and longer it would show when the file grows. The cut is a deletion in that snapshot as a
 * writer makes it: what belongs to an ancestor stays for the ancestor's others. Reserved space stays. So does what a version
 * in a snapshot below has within its end: then it is the end that is wrong, and which one only the owner knows.
 *
 * Source: docs/format/60-filesystem-keys.md, sections 12, 21.
 */
#include "engine/check/names_internal.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "engine/btree/trans.h"
#include "engine/data/extent_update.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

struct cut {
	struct name_check		*n;
	const struct inode_fields	*f;
	u64				at;		/* keys up to here have been looked at */
	struct bkey			k;		/* the one cut; its value is not there any more */
	u64				from;
	bool				cut, end;
};

/* ---- what deleting asks about snapshots ---- */

static struct snapshot_view view_of(void *ctx, u32 id)
{
	return bce_snapshot_view(ctx, id);
}

static u32 parent_of(void *ctx, u32 id)
{
	return bce_snapshot_parent(ctx, id);
}

static bool has_children(void *ctx, u32 id)
{
	return bce_snapshot_has_children(ctx, id);
}

/* ---- cutting ---- */

/* Does @snapshot, below the cut, see @k? 1, 0, negative errno */
static int sees(struct bce_trans *t, struct cut *c, const struct bkey *k, u32 snapshot)
{
	struct snapshot_view view = bce_snapshot_view(c->n->c->snapshots, snapshot);
	struct bkey seen;
	int ret;

	if (snapshot == c->f->snapshot || !bce_snapshot_is_ancestor(c->n->c->snapshots, snapshot, c->f->snapshot))
		return 0;
	ret = bce_trans_lookup(t, BTREE_ID_extents, SPOS(k->p.inode, k->p.offset, snapshot), &view, 0, &seen);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return seen.p.snapshot == k->p.snapshot;
}

/* Does a version in a snapshot below reach farther, and see @k? 1, 0, negative errno */
static int wanted_below(struct bce_trans *t, struct cut *c, const struct bkey *k)
{
	struct bpos at = POS(0, k->p.inode);
	struct inode_fields f;
	struct bkey v;
	int ret;

	for (;;) {
		ret = bce_trans_peek(t, BTREE_ID_inodes, at, SPOS(0, k->p.inode, c->f->snapshot), NULL, 0, &v);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		at = bpos_successor(v.p);
		if (!bce_key_type_is_inode(v.type) || bce_inode_unpack(&v, &f) ||
		    check_end_of_inode(c->n, &f) <= c->from)
			continue;
		ret = sees(t, c, k, v.p.snapshot);
		if (ret)
			return ret;
	}
}

static int cut_next(struct bce_trans *t, void *ctx)
{
	struct cut *c = ctx;
	const struct data_snapshots snapshots = {
		.view = view_of, .parent = parent_of, .has_children = has_children,
		.ctx = (void *)c->n->c->snapshots,
	};
	const struct extent_env env = { .snapshots = &snapshots };
	struct snapshot_view view = bce_snapshot_view(c->n->c->snapshots, c->f->snapshot);
	struct extent_change change = { };
	u64 done;
	int ret;

	c->cut = false;
	ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(c->f->inum, c->at, 0), SPOS(c->f->inum, U64_MAX, 0), &view, 0,
			     &c->k);
	c->end = ret == -ENOENT;
	if (ret)
		return c->end ? 0 : ret;
	if (!c->k.size || check_extent_is_reserved(&c->k))
		return 0;
	c->from = max(bkey_start_offset(&c->k), check_end_of_inode(c->n, c->f));
	/* larger than its place allows */
	if (c->from >= c->k.p.offset)
		return 0;
	ret = wanted_below(t, c, &c->k);
	if (ret)
		return min(ret, 0);
	c->cut = true;
	return bce_extent_delete(t, &env, c->f->inum, c->from, c->k.p.offset, c->f->snapshot, UINT_MAX, &done,
				 &change);
}

static void say_cut(const struct cut *c)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree extents %llu:%llu:%u: from sector %llu on removed, behind the end of inode version %u",
			c->k.p.inode, c->k.p.offset, c->k.p.snapshot, c->from, c->f->snapshot);
	mend_say(c->n, &text);
	bce_text_exit(&text);
}

int mend_past_end(struct name_check *n, const struct inode_fields *f)
{
	struct cut c = { .n = n, .f = f, .at = check_end_of_inode(n, f) };
	u64 nr = 0;
	int ret;

	if (!n->c->repair || mend_is_careful(n))
		return 0;
	for (;;) {
		ret = mend_run(n, cut_next, &c);
		/* -EIO: extents over each other; which one is right nobody knows, and it stays */
		if (ret || c.end || c.k.p.offset <= c.at)
			break;
		c.at = c.k.p.offset;
		if (!c.cut)
			continue;
		say_cut(&c);
		nr++;
	}
	ret = mend_tried(ret);
	return ret ?: nr > 0;
}
