// SPDX-License-Identifier: GPL-2.0
/*
 * Names being changed: create, link, unlink, rename and their like. Each is one call of the engine,
 * done or not done; what the VFS has in memory follows from what the engine then tells.
 *
 * The VFS holds i_rwsem of the directories exclusively, and of the inodes that lose or gain a name; of a
 * directory that is moved it does not on all kernels, so of that one only is taken over what a
 * move changes.
 *
 * A new file's inode is made first: its owner, ACLs and labels are decided by the VFS's functions,
 * which want an inode. With the engine's answer it gets its number and is found by others. Times of the
 * directory are those of the change, which the engine has also given to the file.
 */
#include "vfs.h"

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include <bcachefs/ops.h>

#include "kc/kc.h"

int bcachefs_sync_change(struct inode *inode)
{
	bool sync = S_ISDIR(inode->i_mode) ? IS_DIRSYNC(inode) : IS_SYNC(inode);

	return sync ? bce_sync_inode(bcachefs_set_of(inode), bcachefs_id_of(inode)) : 0;
}

/* ---- new files ---- */

/* security modules label a file with a few attributes */
#define NEW_XATTRS_MAX	8

void bcachefs_new_drop(struct bcachefs_new *n)
{
	unsigned int i;

	for (i = 0; i < n->what.nr_xattrs; i++) {
		kfree(n->xattrs[i].name);
		kfree(n->xattrs[i].value);
	}
	kfree(n->xattrs);
	kfree(n->what.acl_access);
	kfree(n->what.acl_default);
	posix_acl_release(n->acl);
	posix_acl_release(n->default_acl);
	iput(n->inode);
}

/* called by the VFS with an array that ends with an empty name */
static int take_labels(struct inode *inode, const struct xattr *array, void *data)
{
	struct bcachefs_new *n = data;

	if (!array->name)
		return 0;
	n->xattrs = kcalloc(NEW_XATTRS_MAX, sizeof(*n->xattrs), GFP_NOFS);
	if (!n->xattrs)
		return -ENOMEM;
	n->what.xattrs = n->xattrs;
	for (; array->name; array++) {
		struct bce_xattr *x = &n->xattrs[n->what.nr_xattrs];

		if (n->what.nr_xattrs == NEW_XATTRS_MAX || array->value_len > U16_MAX)
			return -E2BIG;
		x->type = BCE_XATTR_SECURITY;
		x->bytes = array->value_len;
		x->name = kstrdup(array->name, GFP_NOFS);
		x->value = kmemdup(array->value, array->value_len, GFP_NOFS);
		n->what.nr_xattrs++;
		if (!x->name || !x->value)
			return -ENOMEM;
	}
	return 0;
}

static int encode_acl(const struct posix_acl *acl, const void **value, u16 *bytes)
{
	void *encoded = acl ? bcachefs_acl_encode(acl, bytes) : NULL;

	if (IS_ERR(encoded))
		return PTR_ERR(encoded);
	*value = encoded;
	return 0;
}

static int new_acls(struct inode *dir, struct bcachefs_new *n)
{
	int ret;

	if (S_ISLNK(n->inode->i_mode))
		return 0;
	/* applies the umask too, where there is no default ACL */
	ret = posix_acl_create(dir, &n->inode->i_mode, &n->default_acl, &n->acl);
	if (!ret)
		ret = encode_acl(n->acl, &n->what.acl_access, &n->what.acl_access_bytes);
	if (!ret)
		ret = encode_acl(n->default_acl, &n->what.acl_default, &n->what.acl_default_bytes);
	return ret;
}

int bcachefs_new_prepare(kc_idmap *idmap, struct inode *dir, const struct qstr *name, umode_t mode,
			 struct bcachefs_new *n)
{
	int ret;

	n->inode = new_inode(dir->i_sb);
	if (!n->inode)
		return -ENOMEM;
	inode_init_owner(idmap, n->inode, dir, mode);
	ret = new_acls(dir, n);
	if (!ret)
		ret = security_inode_init_security(n->inode, dir, name, take_labels, n);
	if (ret && ret != -EOPNOTSUPP) {
		bcachefs_new_drop(n);
		return ret;
	}
	n->what.mode = n->inode->i_mode;
	n->what.uid = i_uid_read(n->inode);
	n->what.gid = i_gid_read(n->inode);
	return 0;
}

struct inode *bcachefs_new_done(struct bcachefs_new *n, const struct bce_inode *e)
{
	struct inode *inode = n->inode;
	int ret = bcachefs_inode_new(inode, e);

	if (ret)
		return ERR_PTR(ret);
	if (IS_POSIXACL(inode) && !S_ISLNK(inode->i_mode)) {
		set_cached_acl(inode, ACL_TYPE_ACCESS, n->acl);
		if (S_ISDIR(inode->i_mode))
			set_cached_acl(inode, ACL_TYPE_DEFAULT, n->default_acl);
	}
	n->inode = NULL;
	return inode;
}

/*
 * The new file under its name. Somebody may have guessed its handle (export.c) between the engine's
 * commit and this: then his inode is the one.
 */
static int new_instantiate(struct bcachefs_new *n, struct dentry *dentry, const struct bce_inode *e)
{
	struct inode *inode = bcachefs_new_done(n, e);

	if (!IS_ERR(inode)) {
		d_instantiate_new(dentry, inode);
		return 0;
	}
	if (S_ISDIR(e->mode)) {
		/* the next lookup finds it, with the alias that it may have */
		d_drop(dentry);
		return 0;
	}
	inode = bcachefs_iget(dentry->d_sb, e->id);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	d_instantiate(dentry, inode);
	return 0;
}

static int new_under_name(kc_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
			  struct bcachefs_new *n)
{
	struct bce_inode e;
	int ret = bcachefs_new_prepare(idmap, dir, &dentry->d_name, mode, n);

	if (ret)
		return ret;
	ret = bce_create(bcachefs_set_of(dir), bcachefs_id_of(dir), dentry->d_name.name,
			 dentry->d_name.len, &n->what, &e);
	if (!ret) {
		bcachefs_dir_changed(dir, e.ctime, S_ISDIR(e.mode) ? 1 : 0);
		ret = new_instantiate(n, dentry, &e);
	}
	bcachefs_new_drop(n);
	return ret ?: bcachefs_sync_change(dir);
}

static int bcachefs_create(kc_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
			   bool excl)
{
	struct bcachefs_new n = { };

	return new_under_name(idmap, dir, dentry, mode | S_IFREG, &n);
}

static int bcachefs_mkdir(kc_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct bcachefs_new n = { };

	return new_under_name(idmap, dir, dentry, mode | S_IFDIR, &n);
}

static int bcachefs_mknod(kc_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
			  dev_t dev)
{
	struct bcachefs_new n = {
		.what = { .rdev_major = MAJOR(dev), .rdev_minor = MINOR(dev) },
	};

	return new_under_name(idmap, dir, dentry, mode, &n);
}

static int bcachefs_symlink(kc_idmap *idmap, struct inode *dir, struct dentry *dentry,
			    const char *target)
{
	struct bcachefs_new n = { .what = { .symlink = target } };

	return new_under_name(idmap, dir, dentry, S_IFLNK | 0777, &n);
}

static int bcachefs_tmpfile(kc_idmap *idmap, struct inode *dir, struct file *file, umode_t mode)
{
	struct bcachefs_new n = { };
	struct inode *inode;
	struct bce_inode e;
	int ret = bcachefs_new_prepare(idmap, dir, NULL, mode | S_IFREG, &n);

	if (ret)
		return finish_open_simple(file, ret);
	ret = bce_tmpfile(bcachefs_set_of(dir), bcachefs_id_of(dir), &n.what, &e);
	if (!ret) {
		inode = bcachefs_new_done(&n, &e);
		ret = PTR_ERR_OR_ZERO(inode);
	}
	if (!ret) {
		/* it counts the link down that is not there */
		set_nlink(inode, 1);
		d_tmpfile(file, inode);
		unlock_new_inode(inode);
	}
	bcachefs_new_drop(&n);
	return finish_open_simple(file, ret);
}

/* ---- names of files that exist ---- */

static int bcachefs_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	struct bce_inode e;
	int ret = bce_link(bcachefs_set_of(dir), bcachefs_id_of(inode), bcachefs_id_of(dir),
			   dentry->d_name.name, dentry->d_name.len, &e);

	if (ret)
		return ret;
	bcachefs_inode_told(inode, &e);
	bcachefs_dir_changed(dir, e.ctime, 0);
	ihold(inode);
	d_instantiate(dentry, inode);
	return bcachefs_sync_change(dir);
}

static int unlink_name(struct inode *dir, struct dentry *dentry, bool rmdir)
{
	struct inode *inode = d_inode(dentry);
	struct bce_inode e;
	int ret = bce_unlink(bcachefs_set_of(dir), bcachefs_id_of(dir), dentry->d_name.name,
			     dentry->d_name.len, rmdir, &e);

	if (ret)
		return ret;
	bcachefs_inode_told(inode, &e);
	/* subvolumes do not count in the directory's links, nor does their root's own count change */
	bcachefs_dir_changed(dir, e.ctime, rmdir && !e.root_of_subvol ? -1 : 0);
	if (rmdir)
		clear_nlink(inode);
	return bcachefs_sync_change(dir);
}

static int bcachefs_unlink(struct inode *dir, struct dentry *dentry)
{
	return unlink_name(dir, dentry, false);
}

static int bcachefs_rmdir(struct inode *dir, struct dentry *dentry)
{
	return unlink_name(dir, dentry, true);
}

/* ---- rename ---- */

/* what was moved; what else goes on in a directory meanwhile is not to be overwritten */
static void refresh_moved(struct inode *inode)
{
	struct bce_inode e;

	if (bce_inode_read(bcachefs_set_of(inode), bcachefs_id_of(inode), &e))
		return;
	if (S_ISDIR(inode->i_mode))
		bcachefs_inode_moved(inode, &e);
	else
		bcachefs_inode_told(inode, &e);
}

/* whose a file is that the caller makes in @dir */
static struct bce_creds new_owner(kc_idmap *idmap, struct inode *dir)
{
	struct user_namespace *ns = i_user_ns(dir);

	return (struct bce_creds) {
		.uid = from_kuid(ns, mapped_fsuid(idmap, ns)),
		.gid = dir->i_mode & S_ISGID ? i_gid_read(dir) :
					       from_kgid(ns, mapped_fsgid(idmap, ns)),
	};
}

static int bcachefs_rename(kc_idmap *idmap, struct inode *old_dir, struct dentry *old,
			   struct inode *new_dir, struct dentry *new, unsigned int flags)
{
	struct bce_creds whiteout = new_owner(idmap, old_dir);
	struct inode *target = d_inode(new);
	struct bce_inode replaced;
	int ret;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	ret = bce_rename(bcachefs_set_of(old_dir), bcachefs_id_of(old_dir), old->d_name.name,
			 old->d_name.len, bcachefs_id_of(new_dir), new->d_name.name, new->d_name.len,
			 (flags & RENAME_NOREPLACE ? BCE_RENAME_NOREPLACE : 0) |
			 (flags & RENAME_EXCHANGE ? BCE_RENAME_EXCHANGE : 0) |
			 (flags & RENAME_WHITEOUT ? BCE_RENAME_WHITEOUT : 0), &whiteout, &replaced);
	if (ret)
		return ret;
	refresh_moved(d_inode(old));
	if (flags & RENAME_EXCHANGE)
		refresh_moved(target);
	else if (target && replaced.id.inum)
		bcachefs_inode_told(target, &replaced);
	bcachefs_inode_refresh(old_dir);
	if (new_dir != old_dir)
		bcachefs_inode_refresh(new_dir);
	ret = bcachefs_sync_change(old_dir);
	return new_dir == old_dir ? ret : ret ?: bcachefs_sync_change(new_dir);
}

const struct inode_operations bcachefs_dir_iops = {
	.lookup		= bcachefs_lookup,
	.create		= bcachefs_create,
	.link		= bcachefs_link,
	.unlink		= bcachefs_unlink,
	.symlink	= bcachefs_symlink,
	.mkdir		= bcachefs_mkdir,
	.rmdir		= bcachefs_rmdir,
	.mknod		= bcachefs_mknod,
	.rename		= bcachefs_rename,
	.tmpfile	= bcachefs_tmpfile,
	.permission	= bcachefs_permission,
	.getattr	= bcachefs_getattr,
	.setattr	= bcachefs_setattr,
	.listxattr	= bcachefs_listxattr,
	.fileattr_get	= bcachefs_fileattr_get,
	.fileattr_set	= bcachefs_fileattr_set,
	.KC_GET_ACL	= bcachefs_get_acl,
	.set_acl	= bcachefs_set_acl,
};
