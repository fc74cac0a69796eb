// SPDX-License-Identifier: GPL-2.0
/*
 * Unlinked inodes removed for good (docs/format/65-operations.md, section 5.1; 60, section 6).
 *
 * One version of an inode, at one snapshot, is removed in one transaction if it is no directory and has little in it.
 * Otherwise in several: data, attributes and tombstones of names piecewise, then the inode itself, in
 * whose place its generation stays. It stands in deleted_inodes until the last one, so a crash leaves
 * nothing that the next start does not find. When a version goes, the nearest one above it may become removable.
 *
 * A version with versions below it stays: files of snapshots are seen through it.
 *
 * Keys of an interior node may be on their way down, the inode last (snapshot_clean.c): who took it away where
 * it still is would leave behind what went before it. So the last transaction makes sure that the
 * node is a leaf, which nothing can leave; for another one all cleaning is done first, and no more is begun
 * meanwhile. That is rare: a snapshot was taken between unlinking and the last close.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/stat.h>

#include "engine/btree/snapshot_update.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define KEYS_PER_COMMIT	64
/* how often an inode that goes may have moved down meanwhile */
#define MOVES_MAX	8

struct version {
	u64			inum;
	u32			snapshot;
	struct inode_fields	f;
	bool			found;
	bool			settled;	/* clean_lock is held and nothing is on its way */
	bool			interior;	/* there is no telling without */
	u64			sectors_before;	/* data was removed */
	struct bpos		pos;		/* how far keys have been removed */
	struct bpos		next;		/* how far they will be by what is under way */
	bool			done;
};

static bool is_removable(const struct inode_fields *f)
{
	return names_is_unlinked(f) && !(f->flags & BIT(INODE_FLAG_has_child_snapshot));
}

/* keys only ever leave a node that has had others below it */
static int look_at_node(struct names_tx *tx, struct version *v)
{
	struct snapshot_info s;
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_snapshots, POS(0, v->snapshot), NULL, 0, &k);

	v->interior = ret == -ENOENT;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	bce_snapshot_decode(&k, &s);
	v->interior = s.children[0] || s.children[1];
	return 0;
}

/* the version at exactly that snapshot, if it is there and to be removed */
static int version_read(struct names_tx *tx, struct version *v)
{
	struct bkey k;
	int ret = bce_trans_lookup(tx->t, BTREE_ID_inodes, SPOS(0, v->inum, v->snapshot), NULL, 0,
				   &k);

	v->found = v->interior = false;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!bce_key_type_is_inode(k.type))
		return 0;
	if (bce_inode_unpack(&k, &v->f))
		return -EIO;
	v->found = is_removable(&v->f);
	return v->found && !v->settled ? look_at_node(tx, v) : 0;
}

/* ---- keys of the file ---- */

/* made through another subvolume: it does not show here, and is its subvolume's to remove */
static bool is_foreign_subvol(const struct version *v, const struct bkey *k)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent || k->p.snapshot == v->snapshot)
		return false;
	bce_dirent_decode(k, &d);
	return d.d_type == BCH_DT_SUBVOL;
}

static int remove_some(struct names_tx *tx, struct version *v, unsigned int btree_id)
{
	struct snapshot_view view = bce_snapshot_view(tx->w->snapshots, v->snapshot);
	struct bpos pos = v->pos, end = SPOS(v->inum + 1, 0, 0);
	struct bkey k;
	unsigned int i;
	int ret;

	v->done = false;
	for (i = 0; i < KEYS_PER_COMMIT; i++) {
		ret = bce_trans_peek(tx->t, btree_id, pos, end, &view, 0, &k);
		if (ret) {
			v->done = true;
			return ret == -ENOENT ? 0 : ret;
		}
		pos = bce_trans_after(btree_id, &k, &view);
		if (!is_foreign_subvol(v, &k))
			ret = bce_snapshot_delete(tx->t, btree_id, k.p, &view, 0);
		if (ret)
			return ret;
	}
	v->next = pos;
	return 0;
}

static int remove_xattrs_fn(struct names_tx *tx, void *ctx)
{
	return remove_some(tx, ctx, BTREE_ID_xattrs);
}

static int remove_dirents_fn(struct names_tx *tx, void *ctx)
{
	return remove_some(tx, ctx, BTREE_ID_dirents);
}

static int remove_keys(struct names_writer *w, struct version *v,
		       int (*fn)(struct names_tx *tx, void *ctx))
{
	int ret;

	/* what could not be committed is tried again from the same position */
	v->next = SPOS(v->inum, 0, 0);
	do {
		v->pos = v->next;
		ret = names_run(w, fn, v);
	} while (!ret && !v->done);
	return ret;
}

/* ---- the inode ---- */

/* does the master subvolume of the tree see this very version? */
static int is_charged(struct names_tx *tx, const struct version *v)
{
	u32 tree = bce_snapshot_tree(tx->w->snapshots, v->snapshot);
	struct snapshot_tree_info info;
	struct subvolume_info master;
	struct inode_fields seen;
	struct snapshot_view view;
	struct bkey k;
	int ret;

	if (!tx->w->quota)
		return 0;
	ret = bce_trans_lookup(tx->t, BTREE_ID_snapshot_trees, POS(0, tree), NULL, 0, &k);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	bce_snapshot_tree_decode(&k, &info);
	if (!bce_subvolume_find(tx->w->snapshots, info.master_subvol, &master))
		return 0;
	view = bce_snapshot_view(tx->w->snapshots, master.snapshot);
	ret = bce_inode_trans_read(tx->t, v->inum, &view, tx->w->src.log, &seen);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return seen.snapshot == v->snapshot;
}

static int uncharge(struct names_tx *tx, const struct version *v, u64 sectors, s64 inodes)
{
	struct inode_fields less = v->f;
	int charged = is_charged(tx, v);

	if (charged <= 0)
		return charged;
	less.sectors = -sectors;
	return names_tx_charge(tx, &less, -inodes);
}

/* what of the data is gone, all of it or not */
static int uncharge_data_fn(struct names_tx *tx, void *ctx)
{
	struct version *v = ctx;
	int ret = version_read(tx, v);

	if (ret || !v->found || v->f.sectors >= v->sectors_before)
		return ret;
	return uncharge(tx, v, v->sectors_before - v->f.sectors, 0);
}

static bool has_data(const struct names_writer *w, const struct version *v)
{
	return (S_ISREG(v->f.mode) || S_ISLNK(v->f.mode)) && w->ops->data_remove;
}

static int remove_data(struct names_writer *w, struct version *v)
{
	int ret, err;

	if (!has_data(w, v))
		return 0;
	v->sectors_before = v->f.sectors;
	ret = w->ops->data_remove(w->ctx, v->inum, v->snapshot);
	err = w->quota ? names_run(w, uncharge_data_fn, v) : 0;
	return ret ?: err;
}

static int put_generation(struct names_tx *tx, const struct version *v)
{
	struct bkey k = { };
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	int ret;

	if (!val)
		return -ENOMEM;
	ret = uncharge(tx, v, v->f.sectors, 1);
	if (ret)
		return ret;
	k.p = SPOS(0, v->inum, v->snapshot);
	bce_inode_generation_encode(&k, val, v->f.generation + 1);
	return bce_trans_update(tx->t, BTREE_ID_inodes, &k, 0);
}

static int remove_inode_fn(struct names_tx *tx, void *ctx)
{
	struct version *v = ctx;
	int ret = version_read(tx, v);

	return ret || !v->found || v->interior ? ret : put_generation(tx, v);
}

static int check_empty_fn(struct names_tx *tx, void *ctx)
{
	struct version *v = ctx;
	struct snapshot_view view = bce_snapshot_view(tx->w->snapshots, v->snapshot);

	return names_dir_check_empty(tx, v->inum, 0, &view);
}

/* -ENOENT: not there, or not to be removed; -EAGAIN: v->interior */
static int version_state(const struct version *v)
{
	return !v->found ? -ENOENT : v->interior ? -EAGAIN : 0;
}

/* -E2BIG: it is not done like this. v->f has been read, if v->found */
static int remove_at_once_fn(struct names_tx *tx, void *ctx)
{
	struct version *v = ctx;
	struct names_writer *w = tx->w;
	int ret = version_read(tx, v);

	if (ret || !v->found || v->interior)
		return ret;
	if (S_ISDIR(v->f.mode) || (has_data(w, v) && !w->ops->data_remove_in))
		return -E2BIG;
	if (has_data(w, v))
		ret = w->ops->data_remove_in(w->ctx, tx->t, v->inum, v->snapshot);
	v->pos = SPOS(v->inum, 0, 0);
	if (!ret)
		ret = remove_some(tx, v, BTREE_ID_xattrs);
	if (!ret && !v->done)
		ret = -E2BIG;
	return ret ?: put_generation(tx, v);
}

static int version_delete_one(struct names_writer *w, struct version *v)
{
	int ret = names_run(w, remove_at_once_fn, v);

	if (ret != -E2BIG)
		return ret ?: version_state(v);
	ret = 0;
	if (S_ISDIR(v->f.mode))
		ret = names_run(w, check_empty_fn, v);
	if (!ret)
		ret = remove_data(w, v);
	if (!ret)
		ret = remove_keys(w, v, remove_xattrs_fn);
	if (!ret && S_ISDIR(v->f.mode))
		ret = remove_keys(w, v, remove_dirents_fn);
	return ret ?: names_run(w, remove_inode_fn, v) ?: version_state(v);
}

static int version_delete(struct names_writer *w, struct version *v)
{
	int ret = version_delete_one(w, v);

	if (ret != -EAGAIN || !v->interior)
		return ret;
	mutex_lock(&w->clean_lock);
	v->settled = true;
	ret = names_clean_all(w) ?: version_delete_one(w, v);
	v->settled = false;
	mutex_unlock(&w->clean_lock);
	return ret;
}

static int version_above_fn(struct names_tx *tx, void *ctx)
{
	struct version *v = ctx;
	int ret = bce_inode_trans_above(tx->t, tx->w->snapshots, v->inum, v->snapshot,
					tx->w->src.log, &v->f);

	v->found = !ret && is_removable(&v->f);
	return ret == -ENOENT ? 0 : ret;
}

static bool in_use(struct names_writer *w, u64 inum)
{
	return w->ops->inode_in_use && w->ops->inode_in_use(w->ctx, inum);
}

int names_version_delete(struct names_writer *w, u64 inum, u32 snapshot)
{
	struct version v = { .inum = inum, .snapshot = snapshot };
	int ret = version_delete(w, &v);

	while (!ret) {
		ret = names_run(w, version_above_fn, &v);
		if (ret || !v.found || in_use(w, inum))
			return ret;
		v.snapshot = v.f.snapshot;
		ret = version_delete(w, &v);
	}
	return ret;
}

/* ---- who asks for it ---- */

struct release {
	struct bce_file_id	id;
	struct names_inode	i;
};

static int release_fn(struct names_tx *tx, void *ctx)
{
	struct release *r = ctx;

	return names_inode_get_ro(tx, r->id, &r->i);
}

int names_inode_release(struct names_writer *w, struct bce_file_id inode)
{
	struct release r = { .id = inode };
	unsigned int moves;
	int ret;

	for (moves = 0; moves < MOVES_MAX; moves++) {
		ret = names_run(w, release_fn, &r);
		/* gone already, or goes with its subvolume; not unlinked; or a version that others see */
		if (ret || !is_removable(&r.i.f) || in_use(w, inode.inum))
			break;
		ret = names_version_delete(w, inode.inum, r.i.f.snapshot);
		if (ret != -ENOENT)
			break;
	}
	return ret == -ENOENT ? 0 : ret;
}

/* an entry without an inode that is to be removed: does no harm, but may not stay */
struct stale {
	struct bpos	pos;
};

static int remove_stale_fn(struct names_tx *tx, void *ctx)
{
	const struct stale *s = ctx;
	struct version v = { .inum = s->pos.offset, .snapshot = s->pos.snapshot };
	int ret = version_read(tx, &v);

	if (ret || v.found)
		return ret;
	return bce_trans_delete(tx->t, BTREE_ID_deleted_inodes, s->pos, 0);
}

static int delete_leftover(struct names_writer *w, struct bpos pos)
{
	struct stale s = { pos };
	int ret = names_version_delete(w, pos.offset, pos.snapshot);

	if (ret == -ENOENT)
		return names_run(w, remove_stale_fn, &s);
	if (ret == -ENOTEMPTY) {
		bce_log_error(w->src.log, BCE_ERR_inode_dir_unlinked_but_not_empty,
			      "inode %llu:%u: unlinked directory is not empty, kept", pos.offset,
			      pos.snapshot);
		return 0;
	}
	return ret;
}

/* the first entry at or after @pos. 0, -ENOENT, -EIO */
static int next_leftover(struct names_writer *w, struct bpos *pos)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = -ENOENT;

	bce_btree_iter_init(&iter, w->src.btrees, BTREE_ID_deleted_inodes, 0, *pos, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (k)
		ret = 0;
	if (!ret)
		*pos = k->p;
	bce_btree_iter_exit(&iter);
	return ret;
}

int names_delete_leftovers(struct names_writer *w)
{
	struct bpos pos = POS_MIN;
	int ret;

	while (!(ret = next_leftover(w, &pos))) {
		ret = delete_leftover(w, pos);
		if (ret)
			break;
		pos = bpos_successor(pos);
	}
	if (ret == -ENOENT)
		return 0;
	bce_log_line(w->src.log, BCE_LOG_ERR, "unlinked inodes could not all be removed: error %d",
		     ret);
	return ret;
}
