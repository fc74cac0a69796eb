// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes: all versions of one are gathered, as they follow each other in the btree, and judged together.
 *
 * What a version says about its name is looked up from here; whether a name says the right thing
 * about its inode is the matter of dirents.c. Versions with several links, or that do not know
 * their name, are noted down for it to count.
 *
 * Source: docs/format/60-filesystem-keys.md, part I, part VIII.
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/check/alloc_internal.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/snapshot.h"

static void inode_error(struct name_check *n, enum bce_error id, const struct inode_fields *f,
			const char *what)
{
	bce_log_error(n->c->log, id, "btree inodes 0:%llu:%u: %s", f->inum, f->snapshot, what);
}

static bool has_flag(const struct inode_fields *f, unsigned int flag)
{
	return f->flags & BIT(flag);
}

static bool is_inode(const struct check_version *v)
{
	return bce_key_type_is_inode(v->type);
}

/* ---- one version among the others ---- */

static bool has_child(const struct name_check *n, size_t i)
{
	const struct check_version *v = n->version;

	/* descendants have lower ids */
	for (size_t j = 0; j < i; j++)
		if (is_inode(&v[j]) && v[j].f.snapshot != v[i].f.snapshot &&
		    bce_snapshot_is_ancestor(n->c->snapshots, v[j].f.snapshot, v[i].f.snapshot))
			return true;
	return false;
}

static int check_same_hash(struct name_check *n, const struct inode_fields *f)
{
	const struct inode_fields *oldest = NULL;

	for (size_t i = n->nr_versions; i-- && !oldest; )
		if (is_inode(&n->version[i]))
			oldest = &n->version[i].f;
	if (!oldest || (oldest->hash_seed == f->hash_seed && oldest->str_hash == f->str_hash))
		return 0;
	bce_log_error(n->c->log, BCE_ERR_inode_snapshot_mismatch,
		      "btree inodes 0:%llu:%u: hash type %u, seed %llx; version %u has %u, %llx",
		      f->inum, f->snapshot, f->str_hash, f->hash_seed, oldest->snapshot,
		      oldest->str_hash, oldest->hash_seed);
	/* entries that were put by the other seed are at the wrong place then, and move */
	return mend_inode(n, f->inum, f->snapshot, MEND_HASH, oldest->hash_seed, oldest->str_hash);
}

static int check_child_flag(struct name_check *n, size_t i)
{
	const struct inode_fields *f = &n->version[i].f;

	if (has_flag(f, INODE_FLAG_has_child_snapshot) == has_child(n, i))
		return 0;
	inode_error(n, BCE_ERR_inode_has_child_snapshots_wrong, f,
		    has_child(n, i) ? "has versions below, not flagged" :
				      "flagged as having versions below, has none");
	return mend_inode(n, f->inum, f->snapshot, has_child(n, i) ? MEND_FLAGS_ON : MEND_FLAGS_OFF,
			  BIT(INODE_FLAG_has_child_snapshot), 0);
}

/* ---- subvolume roots ---- */

static int check_bi_subvol(struct name_check *n, const struct inode_fields *f)
{
	struct subvolume_info s;
	int ret;

	if (f->parent_subvol && (!f->subvol || f->subvol == ROOT_SUBVOL)) {
		inode_error(n, BCE_ERR_inode_bi_parent_nonzero, f,
			    "names a parent subvolume, is no root of one");
		ret = mend_inode(n, f->inum, f->snapshot, MEND_PARENT_SUBVOL, 0, 0);
		if (ret)
			return ret;
	}
	if (!f->subvol)
		return 0;
	ret = check_subvolume_lookup(n, f->subvol, &s);
	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_inode_bi_subvol_missing,
			      "btree inodes 0:%llu:%u: root of subvolume %u, which does not exist",
			      f->inum, f->snapshot, f->subvol);
	else if (!ret && (s.inode != f->inum ||
			  !bce_snapshot_is_ancestor(n->c->snapshots, s.snapshot, f->snapshot)))
		bce_log_error(n->c->log, BCE_ERR_inode_bi_subvol_wrong,
			      "btree inodes 0:%llu:%u: root of subvolume %u, whose root is %llu in snapshot %u",
			      f->inum, f->snapshot, f->subvol, s.inode, s.snapshot);
	else
		return check_memory_only(ret);
	return mend_root_of(n, f);
}

/* ---- names ---- */

/* the snapshot in which an inode's name stands: a subvolume root's is in the parent subvolume */
static int name_snapshot(struct name_check *n, const struct inode_fields *f, u32 *snapshot)
{
	struct subvolume_info s;
	int ret;

	*snapshot = f->snapshot;
	if (!f->subvol || !f->parent_subvol)
		return 0;
	ret = check_subvolume_lookup(n, f->parent_subvol, &s);
	if (!ret)
		*snapshot = s.snapshot;
	return ret;
}

static int check_name(struct name_check *n, const struct inode_fields *f)
{
	struct snapshot_view view;
	struct bkey k;
	u32 snapshot;
	int ret = name_snapshot(n, f, &snapshot);

	if (!ret) {
		view = bce_snapshot_view(n->c->snapshots, snapshot);
		ret = bce_btree_lookup(n->c->btrees, BTREE_ID_dirents,
				       SPOS(f->dir, f->dir_offset, snapshot), &view, &k, &n->buf);
	}
	if (ret == -ENOENT || (!ret && k.type != KEY_TYPE_dirent))
		bce_log_error(n->c->log, BCE_ERR_inode_points_to_missing_dirent,
			      "btree inodes 0:%llu:%u: no name at %llu:%llu, where it says its name is",
			      f->inum, f->snapshot, f->dir, f->dir_offset);
	else if (!ret && !check_dirent_names(&k, f))
		bce_log_error(n->c->log, BCE_ERR_inode_points_to_wrong_dirent,
			      "btree inodes 0:%llu:%u: the name at %llu:%llu leads to another inode",
			      f->inum, f->snapshot, f->dir, f->dir_offset);
	else
		return check_memory_only(ret);
	return mend_forget_name(n, f);
}

static int note_links(struct name_check *n, const struct inode_fields *f)
{
	int ret = check_array_room((void **)&n->links, n->nr_links, &n->links_room,
				   sizeof(*n->links));

	if (ret)
		return ret;
	n->links[n->nr_links++] = (struct check_links) {
		.inum = f->inum,
		.snapshot = f->snapshot,
		.nlink = f->nlink,
		.no_back_reference = !f->dir,
	};
	return 0;
}

int check_dir_empty(struct name_check *n, const struct inode_fields *f, bool *empty)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, f->snapshot);
	const struct bkey *k;
	struct btree_iter iter;

	*empty = true;
	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_dirents, 0, POS(f->inum, 0), 0, &view);
	for (k = bce_btree_iter_peek(&iter);
	     *empty && !IS_ERR_OR_NULL(k) && k->p.inode == f->inum; k = bce_btree_iter_next(&iter))
		*empty = k->type != KEY_TYPE_dirent;
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? check_memory_only(PTR_ERR(k)) : 0;
}

/* ---- unlinked ones ---- */

static int check_listed_deleted(struct name_check *n, const struct inode_fields *f)
{
	struct bkey k;
	int ret;

	if (has_flag(f, INODE_FLAG_has_child_snapshot))
		return 0;
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_deleted_inodes,
			       SPOS(0, f->inum, f->snapshot), NULL, &k, &n->buf);
	if (ret == -ENOENT) {
		inode_error(n, BCE_ERR_unlinked_inode_not_on_deleted_list, f,
			    "unlinked, not in deleted_inodes");
		return mend_name_key(n, BTREE_ID_deleted_inodes, SPOS(0, f->inum, f->snapshot), KEY_TYPE_set);
	}
	return check_memory_only(ret);
}

static int check_unlinked(struct name_check *n, const struct inode_fields *f)
{
	bool empty = true;
	int ret = check_listed_deleted(n, f);

	if (f->dir)
		bce_log_error(n->c->log, BCE_ERR_inode_unlinked_but_has_dirent,
			      "btree inodes 0:%llu:%u: unlinked, yet it has a name at %llu:%llu",
			      f->inum, f->snapshot, f->dir, f->dir_offset);
	if (!S_ISDIR(f->mode))
		return ret;
	/* the in-tree checker takes the flag off, and then finds no name */
	inode_error(n, BCE_ERR_inode_unreachable, f, "directory, unlinked, and still there");
	if (!ret)
		ret = check_dir_empty(n, f, &empty);
	if (!empty)
		inode_error(n, BCE_ERR_inode_dir_unlinked_but_not_empty, f,
			    "directory, unlinked, not empty");
	return ret;
}

static int check_linked(struct name_check *n, const struct inode_fields *f)
{
	int ret = 0;

	if (f->inum == ROOT_INUM && f->subvol == ROOT_SUBVOL)
		return 0;
	if (f->dir) {
		ret = check_name(n, f);
	} else if (S_ISDIR(f->mode)) {
		inode_error(n, BCE_ERR_inode_unreachable, f, "directory, no name leads to it");
		ret = mend_lost_inode(n, f);
	}
	if (!ret && !S_ISDIR(f->mode) && (f->nlink || !f->dir))
		ret = note_links(n, f);
	return ret;
}

/* ---- the way up ---- */

static bool known_good(struct name_check *n, const struct inode_fields *f, bool set)
{
	size_t slot = (f->inum + f->snapshot) % LOOP_CACHE_SLOTS;

	if (set) {
		n->no_loop[slot].inum = f->inum;
		n->no_loop[slot].snapshot = f->snapshot;
	}
	return n->no_loop[slot].inum == f->inum && n->no_loop[slot].snapshot == f->snapshot;
}

/*
 * From directory to directory in this version's view, up to a subvolume's root. Missing ones end
 * it: that is told elsewhere.
 */
static int check_way_up(struct name_check *n, const struct inode_fields *f)
{
	u64 steps = 0, limit = 1, tortoise = f->inum;
	struct inode_fields at = *f;
	int ret = 0;

	while (!at.subvol && at.dir && !known_good(n, &at, false)) {
		ret = check_inode_at(n, at.dir, f->snapshot, &at);
		if (ret)
			break;
		at.snapshot = f->snapshot;
		if (at.inum == tortoise) {
			bce_log_error(n->c->log, BCE_ERR_dir_loop,
				      "btree inodes 0:%llu:%u: directory inside of itself, by way of %llu",
				      f->inum, f->snapshot, at.inum);
			return 0;
		}
		if (++steps == limit) {
			limit *= 2;
			tortoise = at.inum;
		}
	}
	known_good(n, f, true);
	return check_memory_only(ret);
}

/* ---- a version, all versions ---- */

static int check_dirty_flags(struct name_check *n, const struct inode_fields *f)
{
	u32 dirty = BIT(INODE_FLAG_i_size_dirty) | BIT(INODE_FLAG_i_sectors_dirty);

	if (!n->clean || !(f->flags & dirty))
		return 0;
	if (has_flag(f, INODE_FLAG_i_size_dirty))
		inode_error(n, BCE_ERR_inode_i_size_dirty_but_clean, f,
			    "size flagged as not certain");
	if (has_flag(f, INODE_FLAG_i_sectors_dirty))
		inode_error(n, BCE_ERR_inode_i_sectors_dirty_but_clean, f,
			    "sectors flagged as not certain");
	return mend_inode(n, f->inum, f->snapshot, MEND_FLAGS_OFF, dirty, 0);
}

static int check_version(struct name_check *n, size_t i)
{
	const struct inode_fields *f = &n->version[i].f;
	int ret;

	ret = check_same_hash(n, f);
	if (!ret)
		ret = check_child_flag(n, i);
	if (!ret)
		ret = check_dirty_flags(n, f);
	if (!ret)
		ret = check_bi_subvol(n, f);
	if (!ret)
		ret = check_version_extents(n, f);
	if (!ret && S_ISDIR(f->mode))
		ret = check_dir_links(n, f);
	if (ret)
		return ret;
	if (has_flag(f, INODE_FLAG_unlinked))
		return check_unlinked(n, f);
	ret = check_linked(n, f);
	return ret || !S_ISDIR(f->mode) ? ret : check_way_up(n, f);
}

/* an inode deleted in a snapshot: the name it had above must be gone there, too */
static int check_deleted_version(struct name_check *n, size_t i)
{
	const struct inode_fields *hidden = NULL;
	u32 snapshot = n->version[i].f.snapshot;
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, snapshot);
	struct bkey k;
	int ret;

	for (size_t j = i + 1; j < n->nr_versions && !hidden; j++)
		if (bce_snapshot_is_ancestor(n->c->snapshots, snapshot,
					     n->version[j].f.snapshot)) {
			if (!is_inode(&n->version[j]))
				return 0;
			hidden = &n->version[j].f;
		}
	if (!hidden || !hidden->dir || hidden->subvol)
		return 0;
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_dirents,
			       SPOS(hidden->dir, hidden->dir_offset, snapshot), &view, &k,
			       &n->buf);
	if (ret || k.type != KEY_TYPE_dirent || !check_dirent_names(&k, hidden))
		return check_memory_only(ret);
	bce_log_error(n->c->log, BCE_ERR_dirent_to_missing_inode,
		      "btree dirents %llu:%llu:%u: inode %llu does not exist in snapshot %u",
		      k.p.inode, k.p.offset, k.p.snapshot, hidden->inum, snapshot);
	k.p.snapshot = snapshot;
	return mend_name_key(n, BTREE_ID_dirents, k.p, KEY_TYPE_hash_whiteout);
}

static int check_versions(struct name_check *n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n->nr_versions; i++) {
		const struct bkey at = {
			.p = SPOS(0, n->version[i].f.inum, n->version[i].f.snapshot),
			.type = n->version[i].type,
		};

		if (!check_snapshot_judged(n, BTREE_ID_inodes, &at))
			continue;
		if (is_inode(&n->version[i]))
			ret = check_version(n, i);
		else
			ret = check_deleted_version(n, i);
	}
	n->nr_versions = 0;
	return ret;
}

static int gather_version(struct name_check *n, const struct bkey *k)
{
	struct check_version *v;
	int ret = 0;

	/* the rules of keys have told */
	if (k->p.inode)
		return 0;
	if (n->nr_versions && n->version[0].f.inum != k->p.offset)
		ret = check_versions(n);
	if (!ret)
		ret = check_array_room((void **)&n->version, n->nr_versions, &n->versions_room,
				       sizeof(*n->version));
	if (ret)
		return ret;
	v = &n->version[n->nr_versions];
	*v = (struct check_version) { .type = k->type };
	if (is_inode(v) && bce_inode_unpack(k, &v->f))
		return 0;	/* likewise */
	v->f.inum = k->p.offset;
	v->f.snapshot = k->p.snapshot;
	n->nr_versions++;
	return 0;
}

int check_inodes(struct name_check *n)
{
	int ret = check_names_walk(n, BTREE_ID_inodes, "inodes", gather_version);

	return ret ?: check_versions(n);
}

/* ---- what lists inodes ---- */

static int check_deleted(struct name_check *n, const struct bkey *k)
{
	struct inode_fields f = { };
	bool empty = true;
	struct bkey inode;
	int ret;

	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_inodes, k->p, NULL, &inode, &n->buf);
	if (!ret && (!bce_key_type_is_inode(inode.type) || bce_inode_unpack(&inode, &f)))
		ret = -ENOENT;
	f.inum = k->p.offset;
	f.snapshot = k->p.snapshot;
	if (ret == -ENOENT) {
		inode_error(n, BCE_ERR_deleted_inode_missing, &f,
			    "in deleted_inodes, does not exist");
		return mend_name_key(n, BTREE_ID_deleted_inodes, k->p, KEY_TYPE_deleted);
	}
	if (ret)
		return check_memory_only(ret);
	if (!has_flag(&f, INODE_FLAG_unlinked)) {
		inode_error(n, BCE_ERR_deleted_inode_not_unlinked, &f,
			    "in deleted_inodes, not unlinked");
		return mend_name_key(n, BTREE_ID_deleted_inodes, k->p, KEY_TYPE_deleted);
	}
	if (has_flag(&f, INODE_FLAG_has_child_snapshot))
		inode_error(n, BCE_ERR_deleted_inode_has_child_snapshots, &f,
			    "in deleted_inodes, has versions below");
	if (S_ISDIR(f.mode))
		ret = check_dir_empty(n, &f, &empty);
	if (!empty)
		inode_error(n, BCE_ERR_deleted_inode_is_dir, &f,
			    "in deleted_inodes, a directory that is not empty");
	if (n->clean)
		inode_error(n, BCE_ERR_deleted_inode_but_clean, &f,
			    "in deleted_inodes after a clean shutdown");
	return ret;
}

static int check_logged_op(struct name_check *n, const struct bkey *k)
{
	if (n->clean)
		bce_log_error(n->c->log, BCE_ERR_logged_op_but_clean,
			      "btree logged_ops %llu:%llu: unfinished after a clean shutdown",
			      k->p.inode, k->p.offset);
	return 0;
}

int check_inode_index(struct name_check *n)
{
	int ret = check_names_walk(n, BTREE_ID_deleted_inodes, "deleted inodes", check_deleted);

	return ret ?: check_names_walk(n, BTREE_ID_logged_ops, "logged operations",
				       check_logged_op);
}
