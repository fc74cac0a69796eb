// SPDX-License-Identifier: GPL-2.0
/*
 * Names against files.
 *
 * One walk over each of the btrees inodes, dirents, extents, xattrs and
 * subvolumes, in key order; what a key refers to is looked up where it is. Each
 * key is judged in its own snapshot: an inode version at snapshot S must be
 * right as seen from S. (Descendants that do not change it see the same keys,
 * those that change it have a version of their own.)
 *
 * Memory is constant: no table of inodes is kept.
 */
#include "engine/check/check.h"

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/text.h"
#include "engine/key/values.h"
#include "engine/names/snapshot.h"

#define ROOT_INUM	4096
#define DIRENT_TYPE_DIRECTORY	(S_IFDIR >> 12)
#define PROGRESS_KEYS	1024

/* buffers too large for the stack, and the inode last looked up */
struct name_check {
	struct check		*c;
	struct bkey_buf		buf;
	u64			done;
	struct {
		bool		valid;
		int		ret;
		u64		inum;
		u32		snapshot;
		struct inode_fields fields;
	}			last;
};

typedef int (*key_fn)(struct name_check *n, const struct bkey *k);

/* the version of an inode that snapshot @snapshot sees. 0, -ENOENT, or what reading gave */
static int inode_at(struct name_check *n, u64 inum, u32 snapshot, struct inode_fields *out)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, snapshot);
	struct bkey k;
	int ret;

	if (n->last.valid && n->last.inum == inum && n->last.snapshot == snapshot) {
		*out = n->last.fields;
		return n->last.ret;
	}
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_inodes, SPOS(0, inum, snapshot), &view, &k,
			       &n->buf);
	if (!ret && (!bce_key_type_is_inode(k.type) || bce_inode_unpack(&k, out)))
		ret = -ENOENT;
	n->last.valid = !ret || ret == -ENOENT;
	n->last.ret = ret;
	n->last.inum = inum;
	n->last.snapshot = snapshot;
	n->last.fields = *out;
	return ret;
}

/* walk a btree; a key's check may look up others, so no lock is held while it runs */
static int for_each_key(struct name_check *n, unsigned int btree_id, const char *pass, key_fn fn)
{
	struct bkey_buf *copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	struct btree_iter iter;
	const struct bkey *found;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
	for (found = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(found);
	     found = bce_btree_iter_next(&iter)) {
		struct bkey k = *found;

		memcpy(copy->v, k.v, bkey_val_bytes(&k));
		k.v = copy->v;
		bce_btree_iter_unlock(&iter);
		ret = fn(n, &k);
		if (ret)
			break;
		if (!(++n->done % PROGRESS_KEYS) && n->c->progress)
			n->c->progress(n->c->progress_ctx, pass, n->done, 5 * n->c->keys);
		cond_resched();
	}
	bce_btree_iter_exit(&iter);
	kfree(copy);
	/* what cannot be read was reported by the pass over nodes */
	return ret == -ENOMEM || found == ERR_PTR(-ENOMEM) ? -ENOMEM : 0;
}

static bool snapshot_known(struct name_check *n, unsigned int btree_id, const struct bkey *k)
{
	if (bce_snapshot_exists(n->c->snapshots, k->p.snapshot))
		return true;
	bce_log_error(n->c->log, BCE_ERR_bkey_in_missing_snapshot,
		      "btree %s %llu:%llu:%u: key of type %s in a snapshot that does not exist",
		      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot,
		      bce_key_type_name(k->type));
	return false;
}

/* ---- inodes ---- */

/* sum of allocated sectors, or number of subdirectories, as the inode's own snapshot sees them */
static int sum_keys(struct name_check *n, unsigned int btree_id, const struct inode_fields *f,
		    u64 (*worth)(const struct bkey *k), u64 *sum)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, f->snapshot);
	const struct bkey *k;
	struct btree_iter iter;

	*sum = 0;
	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS(f->inum, 0), 0, &view);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && k->p.inode == f->inum;
	     k = bce_btree_iter_next(&iter))
		*sum += worth(k);
	bce_btree_iter_exit(&iter);
	return IS_ERR(k) ? PTR_ERR(k) : 0;
}

static u64 allocated_sectors(const struct bkey *k)
{
	switch (k->type) {
	case KEY_TYPE_extent:
	case KEY_TYPE_reservation:
	case KEY_TYPE_reflink_p:
	case KEY_TYPE_inline_data:
	case KEY_TYPE_error:
		return k->size;
	default:
		return 0;
	}
}

static u64 is_subdirectory(const struct bkey *k)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return 0;
	bce_dirent_decode(k, &d);
	return d.d_type == DIRENT_TYPE_DIRECTORY;
}

static int check_inode_sums(struct name_check *n, const struct inode_fields *f)
{
	u64 sum;
	int ret = 0;

	if (S_ISREG(f->mode) || S_ISLNK(f->mode)) {
		ret = sum_keys(n, BTREE_ID_extents, f, allocated_sectors, &sum);
		if (!ret && sum != f->sectors)
			bce_log_error(n->c->log, BCE_ERR_inode_i_sectors_wrong,
				      "inode %llu:%u: %llu sectors recorded, its extents have %llu",
				      f->inum, f->snapshot, f->sectors, sum);
	} else if (S_ISDIR(f->mode)) {
		ret = sum_keys(n, BTREE_ID_dirents, f, is_subdirectory, &sum);
		if (!ret && sum != f->nlink)
			bce_log_error(n->c->log, BCE_ERR_inode_dir_wrong_nlink,
				      "directory %llu:%u: %u subdirectories recorded, it has %llu",
				      f->inum, f->snapshot, f->nlink, sum);
	}
	return ret == -ENOMEM ? ret : 0;
}

/* the snapshot in which an inode's name stands: a subvolume root's is in the parent subvolume */
static int name_snapshot(struct name_check *n, const struct inode_fields *f, u32 *snapshot)
{
	struct bkey k;
	struct subvolume_info s;
	int ret;

	*snapshot = f->snapshot;
	if (!f->subvol || !f->parent_subvol)
		return 0;
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_subvolumes, POS(0, f->parent_subvol), NULL,
			       &k, &n->buf);
	if (ret)
		return ret;
	bce_subvolume_decode(&k, &s);
	*snapshot = s.snapshot;
	return 0;
}

static bool dirent_names_inode(const struct bkey *k, const struct inode_fields *f)
{
	struct dirent_info d;

	if (k->type != KEY_TYPE_dirent)
		return false;
	bce_dirent_decode(k, &d);
	return d.child_subvol ? d.child_subvol == f->subvol : d.inum == f->inum;
}

static int check_inode_name(struct name_check *n, const struct inode_fields *f)
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
			      "inode %llu:%u: no name at %llu:%llu, where it says its name is",
			      f->inum, f->snapshot, f->dir, f->dir_offset);
	else if (!ret && !dirent_names_inode(&k, f))
		bce_log_error(n->c->log, BCE_ERR_inode_points_to_wrong_dirent,
			      "inode %llu:%u: the name at %llu:%llu leads to another inode",
			      f->inum, f->snapshot, f->dir, f->dir_offset);
	return ret == -ENOMEM ? ret : 0;
}

static int check_inode(struct name_check *n, const struct bkey *k)
{
	struct inode_fields f;
	int ret;

	if (!snapshot_known(n, BTREE_ID_inodes, k) || !bce_key_type_is_inode(k->type) ||
	    bce_inode_unpack(k, &f))
		return 0;
	ret = check_inode_sums(n, &f);
	if (ret)
		return ret;

	if (f.flags & BIT(INODE_FLAG_unlinked)) {
		if (f.dir)
			bce_log_error(n->c->log, BCE_ERR_inode_unlinked_but_has_dirent,
				      "inode %llu:%u: unlinked, yet it has a name at %llu:%llu",
				      f.inum, f.snapshot, f.dir, f.dir_offset);
		return 0;
	}
	if (f.dir)
		return check_inode_name(n, &f);
	/* files with a back reference of 0, 0 come from old versions: silently mended elsewhere */
	if (S_ISDIR(f.mode) && !(f.inum == ROOT_INUM && f.subvol == 1))
		bce_log_error(n->c->log, BCE_ERR_inode_unreachable,
			      "directory %llu:%u: no name leads to it", f.inum, f.snapshot);
	return 0;
}

/* ---- dirents ---- */

static int check_dirent_subvolume(struct name_check *n, const struct bkey *k,
				  const struct dirent_info *d)
{
	struct bkey found;
	int ret = bce_btree_lookup(n->c->btrees, BTREE_ID_subvolumes, POS(0, d->child_subvol),
				   NULL, &found, &n->buf);

	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_dirent_to_missing_subvol,
			      "dirent %llu:%llu:%u: subvolume %u does not exist", k->p.inode,
			      k->p.offset, k->p.snapshot, d->child_subvol);
	return ret == -ENOMEM ? ret : 0;
}

static int check_dirent_inode(struct name_check *n, const struct bkey *k,
			      const struct dirent_info *d)
{
	struct inode_fields f;
	int ret = inode_at(n, d->inum, k->p.snapshot, &f);

	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_dirent_to_missing_inode,
			      "dirent %llu:%llu:%u \"%.*s\": inode %llu does not exist", k->p.inode,
			      k->p.offset, k->p.snapshot, d->name_len, d->name, d->inum);
	else if (!ret && ((f.mode >> 12) & 15) != d->d_type)
		bce_log_error(n->c->log, BCE_ERR_dirent_d_type_wrong,
			      "dirent %llu:%llu:%u \"%.*s\": type %u, inode %llu has mode %o",
			      k->p.inode, k->p.offset, k->p.snapshot, d->name_len, d->name,
			      d->d_type, d->inum, f.mode);
	return ret == -ENOMEM ? ret : 0;
}

static int check_dirent(struct name_check *n, const struct bkey *k)
{
	struct inode_fields dir;
	struct dirent_info d;
	int ret;

	if (!snapshot_known(n, BTREE_ID_dirents, k) || k->type != KEY_TYPE_dirent)
		return 0;
	ret = inode_at(n, k->p.inode, k->p.snapshot, &dir);
	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_key_in_missing_inode,
			      "dirent %llu:%llu:%u: its directory does not exist", k->p.inode,
			      k->p.offset, k->p.snapshot);
	else if (!ret && !S_ISDIR(dir.mode))
		bce_log_error(n->c->log, BCE_ERR_key_in_wrong_inode_type,
			      "dirent %llu:%llu:%u: inode %llu is no directory (mode %o)",
			      k->p.inode, k->p.offset, k->p.snapshot, k->p.inode, dir.mode);
	if (ret == -ENOMEM)
		return ret;

	bce_dirent_decode(k, &d);
	return d.child_subvol ? check_dirent_subvolume(n, k, &d) : check_dirent_inode(n, k, &d);
}

/* ---- what belongs to inodes ---- */

static int check_owner(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		       bool (*mode_ok)(umode_t mode))
{
	struct inode_fields f;
	int ret;

	if (!snapshot_known(n, btree_id, k) || k->type == KEY_TYPE_whiteout ||
	    k->type == KEY_TYPE_hash_whiteout)
		return 0;
	ret = inode_at(n, k->p.inode, k->p.snapshot, &f);
	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_key_in_missing_inode,
			      "btree %s %llu:%llu:%u: inode %llu does not exist",
			      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot,
			      k->p.inode);
	else if (!ret && !mode_ok(f.mode))
		bce_log_error(n->c->log, BCE_ERR_key_in_wrong_inode_type,
			      "btree %s %llu:%llu:%u: not for an inode of mode %o",
			      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot,
			      f.mode);
	return ret == -ENOMEM ? ret : 0;
}

static bool mode_has_data(umode_t mode)
{
	return S_ISREG(mode) || S_ISLNK(mode);
}

static bool mode_any(umode_t mode)
{
	return true;
}

static int check_extent(struct name_check *n, const struct bkey *k)
{
	return check_owner(n, BTREE_ID_extents, k, mode_has_data);
}

static int check_xattr(struct name_check *n, const struct bkey *k)
{
	return check_owner(n, BTREE_ID_xattrs, k, mode_any);
}

/* ---- subvolumes ---- */

static int check_subvolume(struct name_check *n, const struct bkey *k)
{
	struct inode_fields root;
	struct subvolume_info s;
	int ret;

	if (k->type != KEY_TYPE_subvolume)
		return 0;
	bce_subvolume_decode(k, &s);
	if (!bce_snapshot_exists(n->c->snapshots, s.snapshot)) {
		bce_log_error(n->c->log, BCE_ERR_snapshot_node_missing,
			      "subvolume %llu: its snapshot %u does not exist", k->p.offset,
			      s.snapshot);
		return 0;
	}
	ret = inode_at(n, s.inode, s.snapshot, &root);
	if (ret == -ENOENT)
		bce_log_error(n->c->log, BCE_ERR_subvol_to_missing_root,
			      "subvolume %llu: its root inode %llu does not exist", k->p.offset,
			      s.inode);
	else if (!ret && root.subvol != k->p.offset)
		bce_log_error(n->c->log, BCE_ERR_subvol_root_wrong_bi_subvol,
			      "subvolume %llu: its root inode says subvolume %u", k->p.offset,
			      root.subvol);
	return ret == -ENOMEM ? ret : 0;
}

static const struct {
	unsigned int	btree_id;
	const char	*pass;
	key_fn		fn;
} passes[] = {
	{ BTREE_ID_subvolumes,	"subvolumes",	check_subvolume },
	{ BTREE_ID_inodes,	"inodes",	check_inode },
	{ BTREE_ID_dirents,	"names",	check_dirent },
	{ BTREE_ID_extents,	"extents",	check_extent },
	{ BTREE_ID_xattrs,	"attributes",	check_xattr },
};

int bce_check_names(struct check *c)
{
	struct name_check *n = kvzalloc(sizeof(*n), GFP_KERNEL);
	unsigned int i;
	int ret = 0;

	if (!n)
		return -ENOMEM;
	n->c = c;
	for (i = 0; !ret && i < ARRAY_SIZE(passes); i++)
		ret = for_each_key(n, passes[i].btree_id, passes[i].pass, passes[i].fn);
	kvfree(n);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_check_names);
