// SPDX-License-Identifier: GPL-2.0
/*
 * Names: the directory they stand in, their place there, what they lead to, and what that says back.
 *
 * Names are counted for the versions of inodes that inodes.c has noted: with several links, or
 * without a way back. A name in snapshot A is seen by version V of an inode if A is V's snapshot or above,
 * and no key at the same position is nearer to V. Keys of one position follow each other, lowest snapshot
 * first, so the nearer ones have just been met: their snapshots are kept in @seen.
 *
 * Source: docs/format/60-filesystem-keys.md, section 10, part VIII.
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/check/alloc_internal.h"
#include "engine/format/ids.h"
#include "engine/names/snapshot.h"

bool check_dirent_names(const struct bkey *k, const struct inode_fields *f)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return false;
	bce_dirent_decode(k, &d);
	return d.child_subvol ? d.child_subvol == f->subvol : d.inum == f->inum;
}

static void dirent_error(struct name_check *n, enum bce_error id, const struct bkey *k,
			 const char *what, u64 number)
{
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	bce_log_error(n->c->log, id, "btree dirents %llu:%llu:%u \"%.*s\": %s %llu", k->p.inode,
		      k->p.offset, k->p.snapshot, d.name_len, d.name, what, number);
}

/* ---- a directory's count of directories ---- */

int check_dir_links(struct name_check *n, const struct inode_fields *f)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, f->snapshot);
	struct dirent_info d;
	const struct bkey *k;
	struct btree_iter iter;
	u64 nr = 0;

	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_dirents, 0, POS(f->inum, 0), 0, &view);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && k->p.inode == f->inum;
	     k = bce_btree_iter_next(&iter)) {
		if (k->type != KEY_TYPE_dirent)
			continue;
		bce_dirent_decode(k, &d);
		nr += d.d_type == DIRENT_TYPE_DIRECTORY;
	}
	bce_btree_iter_exit(&iter);
	if (IS_ERR(k))
		return check_memory_only(PTR_ERR(k));
	if (nr == f->nlink)
		return 0;
	bce_log_error(n->c->log, BCE_ERR_inode_dir_wrong_nlink,
		      "btree inodes 0:%llu:%u: %u subdirectories recorded, it has %llu", f->inum,
		      f->snapshot, f->nlink, nr);
	return mend_inode(n, f->inum, f->snapshot, MEND_NLINK, nr, 0);
}

/* ---- what the target says back ---- */

static bool points_back(const struct bkey *k, const struct inode_fields *f)
{
	return f->dir == k->p.inode && f->dir_offset == k->p.offset;
}

/* the root of a subvolume has the subvolume's name, no other */
static int mend_points_here(struct name_check *n, const struct bkey *k, const struct inode_fields *f)
{
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	if (f->subvol && d.d_type != BCH_DT_SUBVOL)
		return 0;
	return mend_inode(n, f->inum, f->snapshot, MEND_NAME, k->p.inode, k->p.offset);
}

/* the target names another dirent: is that one its name, too? */
static int check_other_name(struct name_check *n, const struct bkey *k,
			    const struct inode_fields *f)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, k->p.snapshot);
	bool one_name = S_ISDIR(f->mode) || f->subvol;
	struct bkey other;
	int ret;

	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_dirents,
			       SPOS(f->dir, f->dir_offset, k->p.snapshot), &view, &other, &n->buf);
	if (ret && ret != -ENOENT)
		return check_memory_only(ret);
	if (ret || !check_dirent_names(&other, f)) {
		dirent_error(n, BCE_ERR_inode_wrong_backpointer, k,
			     "does not point back, and to no other name of its: inode", f->inum);
		return mend_points_here(n, k, f);
	}
	if (one_name) {
		dirent_error(n, BCE_ERR_inode_dir_multiple_links, k,
			     "has another name already: directory", f->inum);
		return mend_name_key(n, BTREE_ID_dirents, k->p, KEY_TYPE_hash_whiteout);
	}
	if (f->nlink)
		return 0;
	dirent_error(n, BCE_ERR_inode_multiple_links_but_nlink_0, k,
		     "has another name, and one link: inode", f->inum);
	/* so that the next round counts them */
	return mend_inode(n, f->inum, f->snapshot, MEND_NLINK, 1, 0);
}

static int check_back_reference(struct name_check *n, const struct bkey *k,
				const struct inode_fields *f)
{
	if (f->flags & BIT(INODE_FLAG_unlinked)) {
		dirent_error(n, BCE_ERR_inode_unlinked_but_has_dirent, k, "unlinked: inode",
			     f->inum);
		return 0;
	}
	if (!f->dir) {
		if (S_ISDIR(f->mode) || f->subvol)
			dirent_error(n, BCE_ERR_inode_dir_missing_backpointer, k,
				     "does not point back: directory", f->inum);
		return S_ISDIR(f->mode) || f->subvol ? mend_points_here(n, k, f) : 0;
	}
	return points_back(k, f) ? 0 : check_other_name(n, k, f);
}

/* ---- names of subvolumes ---- */

static int check_parent_subvolume(struct name_check *n, const struct bkey *k,
				  const struct dirent_info *d)
{
	struct subvolume_info parent;
	int ret = check_subvolume_lookup(n, d->parent_subvol, &parent);

	if (ret == -ENOENT)
		dirent_error(n, BCE_ERR_dirent_to_missing_parent_subvol, k,
			     "does not exist: parent subvolume", d->parent_subvol);
	else if (!ret && !bce_snapshot_is_ancestor(n->c->snapshots, parent.snapshot,
						   k->p.snapshot))
		dirent_error(n, BCE_ERR_dirent_not_visible_in_parent_subvol, k,
			     "not to be seen in subvolume", d->parent_subvol);
	return check_memory_only(ret);
}

static int check_child_subvolume(struct name_check *n, const struct bkey *k,
				 const struct dirent_info *d)
{
	struct subvolume_info s;
	struct inode_fields root;
	int ret = check_subvolume_lookup(n, d->child_subvol, &s);

	if (ret == -ENOENT) {
		dirent_error(n, BCE_ERR_dirent_to_missing_subvol, k,
			     "does not exist: subvolume", d->child_subvol);
		return mend_subvolume_is_lost(n, d->child_subvol) ? 0 :
			mend_name_key(n, BTREE_ID_dirents, k->p, KEY_TYPE_hash_whiteout);
	}
	if (ret || s.unlinked)
		return check_memory_only(ret);
	if (s.fs_path_parent != d->parent_subvol)
		dirent_error(n, BCE_ERR_subvol_fs_path_parent_wrong, k,
			     "is elsewhere by its own words: subvolume", d->child_subvol);
	ret = check_inode_at(n, s.inode, s.snapshot, &root);
	if (ret)
		return check_memory_only(ret);	/* told with subvolumes */
	if (root.parent_subvol != d->parent_subvol)
		dirent_error(n, BCE_ERR_inode_bi_parent_wrong, k,
			     "has another parent subvolume: root inode", s.inode);
	ret = points_back(k, &root) ? mend_subvolume_parent(n, k, s.id, &root) : 0;
	return ret ?: check_back_reference(n, k, &root);
}

static int check_subvolume_name(struct name_check *n, const struct bkey *k,
				const struct dirent_info *d)
{
	int ret = check_parent_subvolume(n, k, d);

	return ret ?: check_child_subvolume(n, k, d);
}

/* ---- other names ---- */

/* does the inode exist in a snapshot below, where the name is seen as well? */
static int exists_below(struct name_check *n, const struct bkey *k, u64 inum, bool *exists)
{
	struct btree_iter iter;
	const struct bkey *v;

	*exists = false;
	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_inodes, 0, POS(0, inum), 0, NULL);
	for (v = bce_btree_iter_peek(&iter);
	     !*exists && !IS_ERR_OR_NULL(v) && v->p.offset == inum;
	     v = bce_btree_iter_next(&iter))
		*exists = bce_key_type_is_inode(v->type) &&
			bce_snapshot_is_ancestor(n->c->snapshots, v->p.snapshot, k->p.snapshot);
	bce_btree_iter_exit(&iter);
	return IS_ERR(v) ? PTR_ERR(v) : 0;
}

int check_dirent_leads_nowhere(struct name_check *n, const struct bkey *k, u64 inum)
{
	struct inode_fields f;
	bool exists = true;
	int ret = check_inode_at(n, inum, k->p.snapshot, &f);

	if (ret == -ENOENT)
		ret = exists_below(n, k, inum, &exists);
	return ret ?: !exists;
}

static int check_file_name(struct name_check *n, const struct bkey *k,
			   const struct dirent_info *d)
{
	struct inode_fields f;
	bool exists = true;
	int ret = check_inode_at(n, d->inum, k->p.snapshot, &f);

	if (ret == -ENOENT) {
		ret = exists_below(n, k, d->inum, &exists);
		if (ret || exists)
			return check_memory_only(ret);
		dirent_error(n, BCE_ERR_dirent_to_missing_inode, k, "does not exist: inode", d->inum);
		return mend_name_key(n, BTREE_ID_dirents, k->p, KEY_TYPE_hash_whiteout);
	}
	if (ret)
		return check_memory_only(ret);
	if (f.subvol || ((f.mode >> 12) & 15) != d->d_type) {
		dirent_error(n, BCE_ERR_dirent_d_type_wrong, k,
			     f.subvol ? "is a subvolume's root: inode" :
					"is of another type than the name says: inode", d->inum);
		if (!f.subvol)
			ret = mend_dirent_type(n, k, (f.mode >> 12) & 15);
	}
	if (!ret)
		ret = check_back_reference(n, k, &f);
	return ret || !S_ISDIR(f.mode) ? ret : mend_versions_below(n, k);
}

/* ---- counting ---- */

static size_t links_from(const struct name_check *n, u64 inum)
{
	size_t lo = 0, hi = n->nr_links;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (n->links[mid].inum < inum)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool hidden_from(const struct name_check *n, u32 snapshot)
{
	for (size_t i = 0; i < n->nr_seen; i++)
		if (bce_snapshot_is_ancestor(n->c->snapshots, snapshot, n->seen[i]))
			return true;
	return false;
}

static void count_name(struct name_check *n, const struct bkey *k, const struct dirent_info *d)
{
	for (size_t i = links_from(n, d->inum);
	     i < n->nr_links && n->links[i].inum == d->inum; i++) {
		struct check_links *l = &n->links[i];

		if (bce_snapshot_is_ancestor(n->c->snapshots, l->snapshot, k->p.snapshot) &&
		    !hidden_from(n, l->snapshot))
			l->names++;
	}
}

/* @k's snapshot hides those above it at the same position */
static int remember_seen(struct name_check *n, const struct bkey *k)
{
	int ret = check_array_room((void **)&n->seen, n->nr_seen, &n->seen_room,
				   sizeof(*n->seen));

	if (!ret)
		n->seen[n->nr_seen++] = k->p.snapshot;
	return ret;
}

/* as it is now: what is lost is not in memory any more */
static int mend_nameless(struct name_check *n, const struct check_links *l)
{
	struct inode_fields f;
	int ret;

	if (!n->c->repair)
		return 0;
	ret = check_inode_at(n, l->inum, l->snapshot, &f);
	return ret ? check_memory_only(ret) : mend_lost_inode(n, &f);
}

int check_links_compare(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_links; i++) {
		const struct check_links *l = &n->links[i];

		if (l->no_back_reference && !l->names) {
			bce_log_error(n->c->log, BCE_ERR_inode_unreachable,
				      "btree inodes 0:%llu:%u: no name leads to it", l->inum,
				      l->snapshot);
			ret = mend_nameless(n, l);
		} else if (l->nlink && l->names != l->nlink + 1ULL) {
			bce_log_error(n->c->log, BCE_ERR_inode_wrong_nlink,
				      "btree inodes 0:%llu:%u: %llu links recorded, it has %llu names",
				      l->inum, l->snapshot, l->nlink + 1ULL, l->names);
			ret = mend_inode(n, l->inum, l->snapshot, MEND_NLINK,
					 l->names ? l->names - 1 : 0, 0);
		}
	}
	return ret;
}

/* ---- a key ---- */

static int check_directory(struct name_check *n, const struct bkey *k, struct inode_fields *dir)
{
	int ret = check_inode_at(n, k->p.inode, k->p.snapshot, dir);

	if (k->type != KEY_TYPE_dirent)
		return ret;
	if (ret == -ENOENT)
		dirent_error(n, BCE_ERR_key_in_missing_inode, k,
			     "does not exist: its directory", k->p.inode);
	else if (!ret && !S_ISDIR(dir->mode))
		dirent_error(n, BCE_ERR_key_in_wrong_inode_type, k,
			     "is no directory: inode", k->p.inode);
	return ret;
}

static int check_target(struct name_check *n, const struct bkey *k)
{
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	if (d.d_type == BCH_DT_SUBVOL)
		return check_subvolume_name(n, k, &d);
	if (d.d_type != DIRENT_TYPE_DIRECTORY)
		count_name(n, k, &d);
	return check_file_name(n, k, &d);
}

/* a name in a snapshot that is going to be merged is a name below it all the same */
static int count_unjudged(struct name_check *n, const struct bkey *k)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return 0;
	bce_dirent_decode(k, &d);
	if (d.d_type != BCH_DT_SUBVOL && d.d_type != DIRENT_TYPE_DIRECTORY)
		count_name(n, k, &d);
	return 0;
}

static int check_key(struct name_check *n, const struct bkey *k)
{
	struct inode_fields dir;
	int ret;

	if (!check_snapshot_judged(n, BTREE_ID_dirents, k))
		return count_unjudged(n, k);
	ret = check_directory(n, k, &dir);
	if (ret == -ENOENT && k->type == KEY_TYPE_dirent && n->c->repair)
		return mend_name_key(n, BTREE_ID_dirents, k->p, KEY_TYPE_deleted);
	if (!ret)
		ret = check_hash_key(n, BTREE_ID_dirents, k, &dir);
	/* elsewhere now: what it leads to is judged there, or in the next round */
	if (ret > 0)
		return 0;
	ret = check_memory_only(ret);
	return ret || k->type != KEY_TYPE_dirent ? ret : check_target(n, k);
}

static int check_dirent(struct name_check *n, const struct bkey *k)
{
	int ret;

	if (bpos_cmp_logical(n->at, k->p))
		n->nr_seen = 0;
	n->at = k->p;
	ret = check_key(n, k);
	return ret ?: remember_seen(n, k);
}

int check_dirents(struct name_check *n)
{
	n->at = POS_MIN;
	n->nr_seen = 0;
	return check_names_walk(n, BTREE_ID_dirents, "names", check_dirent);
}
