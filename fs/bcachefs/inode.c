// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes in memory: found by number, filled in from the engine's description, kept up with it, given up.
 *
 * A file is known by the subvolume it is reached through and its number; the
 * number alone repeats between snapshots. Both are the key of the inode hash.
 *
 * Whatever changes an inode in the engine ends here with what the engine then said of it, under i_rwsem; only
 * times are written back without (attr.c). Times that the VFS has changed since are kept: they are ahead of
 * the engine and will reach it. A size is never taken over: pages may be dirty beyond what the
 * engine knows of.
 *
 * e.id and the two fields of the hash of names never change: they are read without a lock.
 */
#include "vfs.h"

#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/kdev_t.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/stat.h>

#include <bcachefs/ops.h>

#include "kc/kc.h"

static unsigned long id_hash(struct bce_file_id id)
{
	return hash_64(id.inum ^ ((u64)id.subvol << 40), BITS_PER_LONG);
}

static bool id_equal(struct bce_file_id a, struct bce_file_id b)
{
	return a.inum == b.inum && a.subvol == b.subvol;
}

static int inode_test(struct inode *inode, void *id)
{
	return id_equal(bcachefs_id_of(inode), *(struct bce_file_id *)id);
}

static int inode_set(struct inode *inode, void *id)
{
	to_bcachefs_inode(inode)->e.id = *(struct bce_file_id *)id;
	inode->i_ino = bcachefs_id_of(inode).inum;
	return 0;
}

bool bcachefs_in_read_only_subvol(struct inode *inode)
{
	struct bce_subvolume s;

	return !bce_subvolume_read(bcachefs_set_of(inode), bcachefs_id_of(inode).subvol, &s) &&
	       s.read_only;
}

/* ---- what the engine says ---- */

static void set_owner_and_flags(struct inode *inode, const struct bce_inode *e)
{
	unsigned int flags = 0;

	inode->i_mode = e->mode;
	i_uid_write(inode, e->uid);
	i_gid_write(inode, e->gid);
	set_nlink(inode, e->nlink);
	if (e->flags & BCE_INODE_SYNC)
		flags |= S_ISDIR(e->mode) ? S_SYNC | S_DIRSYNC : S_SYNC;
	if (e->flags & BCE_INODE_IMMUTABLE)
		flags |= S_IMMUTABLE;
	if (e->flags & BCE_INODE_APPEND)
		flags |= S_APPEND;
	if (e->flags & BCE_INODE_NOATIME)
		flags |= S_NOATIME;
	inode_set_flags(inode, flags, S_SYNC | S_DIRSYNC | S_IMMUTABLE | S_APPEND | S_NOATIME);
}

static void set_attributes(struct inode *inode, const struct bce_inode *e)
{
	set_owner_and_flags(inode, e);
	inode->i_size = e->size;
	inode->i_blocks = e->sectors;
	inode->i_generation = e->generation;
	kc_inode_set_atime(inode, e->atime);
	kc_inode_set_mtime(inode, e->mtime);
	kc_inode_set_ctime(inode, e->ctime);
	/* nothing that is told later concerns a file there */
	if (bcachefs_in_read_only_subvol(inode))
		inode->i_flags |= S_NOATIME;
	if (!IS_POSIXACL(inode))
		cache_no_acl(inode);
}

static bool same_time(struct timespec64 a, struct timespec64 b)
{
	return timespec64_equal(&a, &b);
}

/* the engine's time, unless the VFS has another one since it was last told @before */
static struct timespec64 merged(struct timespec64 mem, struct timespec64 before,
				struct timespec64 now)
{
	return same_time(mem, before) ? now : mem;
}

static struct timespec64 later(struct timespec64 a, struct timespec64 b)
{
	return timespec64_compare(&a, &b) < 0 ? b : a;
}

static void take_ctime(struct inode *inode, const struct bce_inode *before,
		       const struct bce_inode *e)
{
	struct timespec64 t = merged(kc_inode_get_ctime(inode), before->ctime, e->ctime);

	kc_inode_set_ctime(inode, later(t, e->ctime));
}

/* all but what never changes, and what is told of contents (space.c) */
static void take_over(struct bce_inode *to, const struct bce_inode *e)
{
	to->snapshot = e->snapshot;
	to->mode = e->mode;
	to->flags = e->flags;
	to->uid = e->uid;
	to->gid = e->gid;
	to->nlink = e->nlink;
	to->atime = e->atime;
	to->mtime = e->mtime;
	to->ctime = e->ctime;
	to->project = e->project;
	to->parent_inum = e->parent_inum;
	to->parent_subvol = e->parent_subvol;
	memcpy(to->opt, e->opt, sizeof(to->opt));
	to->opts_explicit = e->opts_explicit;
}

void bcachefs_inode_told(struct inode *inode, const struct bce_inode *e)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	kc_inode_set_atime(inode, merged(kc_inode_get_atime(inode), vi->e.atime, e->atime));
	kc_inode_set_mtime(inode, merged(kc_inode_get_mtime(inode), vi->e.mtime, e->mtime));
	take_ctime(inode, &vi->e, e);
	take_over(&vi->e, e);
	set_owner_and_flags(inode, e);
	spin_unlock(&vi->lock);
}

void bcachefs_inode_copy(struct inode *inode, struct bce_inode *out)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	*out = vi->e;
	spin_unlock(&vi->lock);
}

void bcachefs_inode_moved(struct inode *inode, const struct bce_inode *e)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	take_ctime(inode, &vi->e, e);
	vi->e.ctime = later(vi->e.ctime, e->ctime);
	vi->e.parent_inum = e->parent_inum;
	vi->e.parent_subvol = e->parent_subvol;
	spin_unlock(&vi->lock);
}

void bcachefs_times_told(struct inode *inode, const struct bce_inode *e, unsigned int valid)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);

	spin_lock(&vi->lock);
	if (valid & BCE_ATTR_ATIME)
		vi->e.atime = e->atime;
	if (valid & BCE_ATTR_MTIME)
		vi->e.mtime = e->mtime;
	vi->e.ctime = later(vi->e.ctime, e->ctime);
	kc_inode_set_ctime(inode, later(kc_inode_get_ctime(inode), e->ctime));
	spin_unlock(&vi->lock);
}

void bcachefs_times_diverged(struct inode *inode, const struct bce_inode *e)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	bool differ;

	spin_lock(&vi->lock);
	vi->e.mtime = e->mtime;
	vi->e.ctime = later(vi->e.ctime, e->ctime);
	kc_inode_set_ctime(inode, later(kc_inode_get_ctime(inode), e->ctime));
	differ = !same_time(kc_inode_get_mtime(inode), e->mtime) ||
		 !same_time(kc_inode_get_ctime(inode), e->ctime);
	spin_unlock(&vi->lock);
	if (differ)
		mark_inode_dirty_sync(inode);
}

void bcachefs_dir_changed(struct inode *dir, struct timespec64 when, int subdirs)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(dir);

	spin_lock(&vi->lock);
	vi->e.mtime = vi->e.ctime = when;
	kc_inode_set_mtime(dir, when);
	kc_inode_set_ctime(dir, when);
	vi->e.nlink += subdirs;
	set_nlink(dir, vi->e.nlink);
	spin_unlock(&vi->lock);
}

void bcachefs_inode_refresh(struct inode *inode)
{
	struct bce_inode e;

	/* it is read again with the next change, or when it is needed again */
	if (!bce_inode_read(bcachefs_set_of(inode), bcachefs_id_of(inode), &e))
		bcachefs_inode_told(inode, &e);
}

/* ---- found and made ---- */

static int set_operations(struct inode *inode, const struct bce_inode *e)
{
	switch (e->mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &bcachefs_file_iops;
		inode->i_fop = &bcachefs_file_fops;
		inode->i_mapping->a_ops = &bcachefs_aops;
		mapping_set_large_folios(inode->i_mapping);
		return 0;
	case S_IFDIR:
		inode->i_op = &bcachefs_dir_iops;
		inode->i_fop = &bcachefs_dir_fops;
		return 0;
	case S_IFLNK:
		inode->i_op = &bcachefs_symlink_iops;
		inode->i_mapping->a_ops = &bcachefs_aops;
		inode_nohighmem(inode);
		return 0;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		inode->i_op = &bcachefs_special_iops;
		init_special_inode(inode, e->mode, MKDEV(e->rdev_major, e->rdev_minor));
		return 0;
	default:
		return -EUCLEAN;
	}
}

struct inode *bcachefs_iget(struct super_block *sb, struct bce_file_id id)
{
	struct inode *inode = iget5_locked(sb, id_hash(id), inode_test, inode_set, &id);
	struct bce_inode e;
	int ret;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;

	/* not read in place: the id there is what others looking for this inode compare with */
	ret = bce_inode_read(to_bcachefs_super(sb)->set, id, &e);
	if (!ret) {
		to_bcachefs_inode(inode)->e = e;
		set_attributes(inode, &e);
		ret = set_operations(inode, &e);
	}
	if (ret) {
		iget_failed(inode);
		return ERR_PTR(ret);
	}
	unlock_new_inode(inode);
	return inode;
}

int bcachefs_inode_new(struct inode *inode, const struct bce_inode *e)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	int ret;

	vi->e = *e;
	inode->i_ino = e->id.inum;
	set_attributes(inode, e);
	ret = set_operations(inode, e);
	if (!ret)
		ret = insert_inode_locked4(inode, id_hash(e->id), inode_test, &vi->e.id);
	/* not that file's inode after all: it must not be given up with it */
	if (ret)
		vi->e.id = (struct bce_file_id) { };
	return ret;
}

/* ---- given up ---- */

static bool has_been_read(struct inode *inode)
{
	return bcachefs_id_of(inode).inum && !is_bad_inode(inode);
}

void bcachefs_evict_inode(struct inode *inode)
{
	struct bce_set *set = bcachefs_set_of(inode);

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (!has_been_read(inode))
		return;
	bcachefs_data_evict(inode);
	/* if that fails, what is left is removed at the next start */
	if (!inode->i_nlink && bce_set_is_rw(set))
		bce_inode_release(set, bcachefs_id_of(inode));
}

/* ---- operations; those of directories are in namei.c ---- */

const struct inode_operations bcachefs_file_iops = {
	.permission	= bcachefs_permission,
	.getattr	= bcachefs_getattr,
	.setattr	= bcachefs_setattr,
	.fiemap		= bcachefs_fiemap,
	.listxattr	= bcachefs_listxattr,
	.fileattr_get	= bcachefs_fileattr_get,
	.fileattr_set	= bcachefs_fileattr_set,
	.KC_GET_ACL	= bcachefs_get_acl,
	.set_acl	= bcachefs_set_acl,
};

/* the target is the file's first block: read like any data, through the page cache */
const struct inode_operations bcachefs_symlink_iops = {
	.get_link	= page_get_link,
	.permission	= bcachefs_permission,
	.getattr	= bcachefs_getattr,
	.setattr	= bcachefs_setattr,
	.listxattr	= bcachefs_listxattr,
};

const struct inode_operations bcachefs_special_iops = {
	.permission	= bcachefs_permission,
	.getattr	= bcachefs_getattr,
	.setattr	= bcachefs_setattr,
	.listxattr	= bcachefs_listxattr,
	.KC_GET_ACL	= bcachefs_get_acl,
	.set_acl	= bcachefs_set_acl,
};
