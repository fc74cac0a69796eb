// SPDX-License-Identifier: GPL-2.0
/*
 * Subvolumes and snapshots by ioctl (docs/format/90-ioctl-mount-sysfs.md, section 5.1).
 *
 * To the VFS a subvolume's root is a directory. It is made as mkdir makes one, and taken away as rmdir does, though it
 * need not be empty: then the dentries below go, mounts on them are detached, and inodes of its files are unhashed, so
 * that those nobody has open are dropped with their pages. Open ones live on and answer -ENOENT. A subvolume's id
 * does not come again before the next mount, so no old inode is ever taken for a new file.
 *
 * Numbers of inodes repeat in snapshots. So that programs which know a file by device and number (hard links in
 * archives, loops in trees) tell them apart, each subvolume but the first shows a device number of its own,
 * as long as it is mounted.
 *
 * Before a snapshot dirty pages are written, with no directory locked: what a write(2) that has returned before
 * has written is in the snapshot.
 *
 * Who takes a snapshot must be the owner of what it is taken of: it keeps files alive that others may want to be
 * rid of, with their permissions as they were.
 */
#include "vfs.h"

#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/writeback.h>

#include <bcachefs/ioctl.h>
#include <bcachefs/ops.h>

#include "kc/kc.h"

static int read_arg(struct bce_ioctl_subvolume *arg, const void __user *from)
{
	if (copy_from_user(arg, from, sizeof(*arg)))
		return -EFAULT;
	return arg->pad[0] || arg->pad[1] || arg->pad[2] ? -EINVAL : 0;
}

/* ---- device numbers ---- */

dev_t bcachefs_subvol_dev(struct super_block *sb, u32 subvol)
{
	struct xarray *devs = &to_bcachefs_super(sb)->subvol_devs;
	void *there = subvol == BCE_ROOT_SUBVOL ? NULL : xa_load(devs, subvol);
	dev_t dev;

	if (there)
		return xa_to_value(there);
	/* without memory or numbers its files are shown as the root's are */
	if (subvol == BCE_ROOT_SUBVOL || get_anon_bdev(&dev))
		return sb->s_dev;
	there = xa_cmpxchg(devs, subvol, NULL, xa_mk_value(dev), GFP_KERNEL);
	if (!there)
		return dev;
	free_anon_bdev(dev);
	return xa_is_err(there) ? sb->s_dev : xa_to_value(there);
}

void bcachefs_subvol_devs_free(struct bcachefs_super *vs)
{
	unsigned long subvol;
	void *dev;

	xa_for_each(&vs->subvol_devs, subvol, dev)
		free_anon_bdev(xa_to_value(dev));
	xa_destroy(&vs->subvol_devs);
}

/* ---- create, snapshot ---- */

static void write_dirty_data(struct super_block *sb)
{
	down_read(&sb->s_umount);
	sync_inodes_sb(sb);
	up_read(&sb->s_umount);
}

/* may the caller take a snapshot of it? */
static int check_source(struct super_block *sb, kc_idmap *idmap, u32 subvol)
{
	struct bce_file_id id = { .subvol = subvol };
	struct bce_subvolume s;
	struct inode *root;
	int ret = bce_subvolume_read(to_bcachefs_super(sb)->set, subvol, &s);

	if (ret)
		return ret;
	id.inum = s.root_inum;
	root = bcachefs_iget(sb, id);
	if (IS_ERR(root))
		return PTR_ERR(root);
	ret = inode_owner_or_capable(idmap, root) ? 0 : -EPERM;
	iput(root);
	return ret;
}

/* 0: the argument names no source. Return: the subvolume of what it names */
static int find_source(struct super_block *sb, const struct bce_ioctl_subvolume *arg, u32 *subvol)
{
	struct path path;
	int ret;

	*subvol = 0;
	if (!arg->src_ptr)
		return 0;
	ret = user_path_at(arg->dirfd, u64_to_user_ptr(arg->src_ptr),
			   LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
	if (ret)
		return ret;
	if (path.dentry->d_sb != sb) {
		ret = -EXDEV;
	} else {
		*subvol = bcachefs_id_of(d_inode(path.dentry)).subvol;
		ret = check_source(sb, kc_mnt_idmap(path.mnt), *subvol);
	}
	path_put(&path);
	return ret;
}

static int may_create_in(struct super_block *sb, kc_idmap *idmap, struct inode *dir)
{
	if (IS_DEADDIR(dir))
		return -ENOENT;
	if (!fsuidgid_has_mapping(sb, idmap))
		return -EOVERFLOW;
	return inode_permission(idmap, dir, MAY_WRITE | MAY_EXEC);
}

static int create_empty(kc_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct bcachefs_new n = { };
	struct inode *inode;
	struct bce_inode e;
	int ret;

	/* with ACLs it is applied where those are */
	if (!IS_POSIXACL(dir))
		mode &= ~current_umask();
	ret = bcachefs_new_prepare(idmap, dir, &dentry->d_name, mode | S_IFDIR, &n);
	if (ret)
		return ret;
	ret = bce_subvolume_create(bcachefs_set_of(dir), bcachefs_id_of(dir), dentry->d_name.name,
				   dentry->d_name.len, 0, 0, &n.what, &e);
	if (!ret) {
		bcachefs_dir_changed(dir, e.ctime, 0);
		inode = bcachefs_new_done(&n, &e);
		/* somebody has guessed its handle: the next lookup finds his inode */
		if (IS_ERR(inode))
			d_drop(dentry);
		else
			d_instantiate_new(dentry, inode);
	}
	bcachefs_new_drop(&n);
	return ret;
}

static int create_snapshot(struct inode *dir, struct dentry *dentry, u32 source, bool ro)
{
	struct bce_inode e;
	int ret = bce_subvolume_create(bcachefs_set_of(dir), bcachefs_id_of(dir),
				       dentry->d_name.name, dentry->d_name.len, source,
				       ro ? BCE_SUBVOL_RO : 0, NULL, &e);

	if (ret)
		return ret;
	bcachefs_inode_refresh(dir);
	/* the next lookup finds it */
	d_drop(dentry);
	return 0;
}

static int create_at(const struct bce_ioctl_subvolume *arg, const struct path *path,
		     struct dentry *dentry, u32 source)
{
	struct inode *dir = d_inode(path->dentry);
	kc_idmap *idmap = kc_mnt_idmap(path->mnt);
	int ret = may_create_in(dir->i_sb, idmap, dir);

	if (!ret && arg->flags & BCE_IOCTL_SUBVOL_SNAPSHOT && !source) {
		source = bcachefs_id_of(dir).subvol;
		ret = check_source(dir->i_sb, idmap, source);
	}
	if (ret)
		return ret;
	ret = source ? create_snapshot(dir, dentry, source, arg->flags & BCE_IOCTL_SUBVOL_RO) :
		       create_empty(idmap, dir, dentry, arg->mode & 07777);
	if (ret)
		return ret;
	fsnotify_mkdir(dir, dentry);
	return bcachefs_sync_change(dir);
}

long bcachefs_subvolume_create(struct super_block *sb, const void __user *from)
{
	struct bce_ioctl_subvolume arg;
	struct dentry *dentry;
	struct path path;
	u32 source;
	int ret = read_arg(&arg, from);

	if (ret)
		return ret;
	if (arg.flags & ~(BCE_IOCTL_SUBVOL_SNAPSHOT | BCE_IOCTL_SUBVOL_RO) ||
	    (!(arg.flags & BCE_IOCTL_SUBVOL_SNAPSHOT) && (arg.src_ptr || arg.flags)))
		return -EINVAL;
	ret = find_source(sb, &arg, &source);
	if (ret)
		return ret;
	if (arg.flags & BCE_IOCTL_SUBVOL_SNAPSHOT)
		write_dirty_data(sb);
	dentry = user_path_create(arg.dirfd, u64_to_user_ptr(arg.dst_ptr), &path, LOOKUP_DIRECTORY);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	ret = path.dentry->d_sb == sb ? create_at(&arg, &path, dentry, source) : -EXDEV;
	done_path_create(&path, dentry);
	return ret;
}

/* ---- destroy ---- */

/* the inode is in memory and of that subvolume: with a reference, else false */
static bool grab_of_subvol(struct inode *inode, u32 subvol)
{
	return bcachefs_id_of(inode).subvol == subvol && igrab(inode);
}

/* nobody finds its inodes any more; those in use are all that stays */
static void forget_inodes(struct super_block *sb, u32 subvol)
{
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!grab_of_subvol(inode, subvol))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		/* our reference to this one keeps our place in the list */
		iput(last);
		last = inode;
		remove_inode_hash(inode);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

static bool is_subvol_root(struct inode *inode)
{
	const struct bce_inode *e = &to_bcachefs_inode(inode)->e;

	return S_ISDIR(inode->i_mode) && e->root_of_subvol && e->root_of_subvol == e->id.subvol;
}

static int may_destroy(kc_idmap *idmap, struct inode *dir, struct dentry *victim)
{
	struct inode *inode = d_inode(victim);
	int ret = inode_permission(idmap, dir, MAY_WRITE | MAY_EXEC);

	/* that a snapshot is read-only is no reason to keep it */
	if (!ret)
		ret = generic_permission(idmap, inode, MAY_WRITE);
	if (ret)
		return ret;
	if (IS_APPEND(dir) || check_sticky(idmap, dir, inode) || IS_APPEND(inode) ||
	    IS_IMMUTABLE(inode))
		return -EPERM;
	return d_mountpoint(victim) ? -EBUSY : 0;
}

/* both are locked */
static int destroy_locked(kc_idmap *idmap, struct inode *dir, struct dentry *victim)
{
	struct inode *inode = d_inode(victim);
	int ret = may_destroy(idmap, dir, victim);

	if (!ret)
		ret = bce_subvolume_delete(bcachefs_set_of(dir), bcachefs_id_of(dir),
					   victim->d_name.name, victim->d_name.len);
	if (ret)
		return ret;
	inode->i_flags |= S_DEAD;
	dont_mount(victim);
	clear_nlink(inode);
	bcachefs_inode_refresh(dir);
	return bcachefs_sync_change(dir);
}

static int destroy(kc_idmap *idmap, struct dentry *victim)
{
	struct dentry *parent = dget_parent(victim);
	struct inode *dir = d_inode(parent), *inode = d_inode(victim);
	int ret = -ENOENT;
	bool gone;

	inode_lock_nested(dir, I_MUTEX_PARENT);
	inode_lock(inode);
	/* it may have been moved or removed meanwhile */
	if (victim->d_parent == parent && !d_unhashed(victim))
		ret = destroy_locked(idmap, dir, victim);
	gone = inode->i_flags & S_DEAD;
	inode_unlock(inode);
	if (gone && !ret) {
		d_invalidate(victim);
		d_delete_notify(dir, victim);
	}
	inode_unlock(dir);
	if (gone)
		forget_inodes(dir->i_sb, bcachefs_id_of(inode).subvol);
	dput(parent);
	return ret;
}

long bcachefs_subvolume_destroy(struct super_block *sb, const void __user *from)
{
	struct bce_ioctl_subvolume arg;
	struct path path;
	int ret = read_arg(&arg, from);

	if (ret)
		return ret;
	if (arg.flags || arg.mode || arg.src_ptr)
		return -EINVAL;
	ret = user_path_at(arg.dirfd, u64_to_user_ptr(arg.dst_ptr), 0, &path);
	if (ret)
		return ret;
	if (path.dentry->d_sb != sb)
		ret = -EXDEV;
	else if (!is_subvol_root(d_inode(path.dentry)))
		ret = -ENOENT;
	else if (path.dentry == path.mnt->mnt_root || IS_ROOT(path.dentry))
		ret = -EBUSY;
	else
		ret = mnt_want_write(path.mnt);
	if (!ret) {
		ret = destroy(kc_mnt_idmap(path.mnt), path.dentry);
		mnt_drop_write(path.mnt);
	}
	path_put(&path);
	return ret;
}

/* ---- list ---- */

/* one component in front of what is there. Return: where the path begins now, or ERR_PTR */
static char *path_prepend(struct bce_set *set, const struct bce_inode *dir,
			  const struct bce_inode *child, char *name, char *buf, char *at)
{
	size_t len;
	int ret = bce_name_of(set, dir, child, name);

	if (ret)
		return ERR_PTR(ret);
	len = strlen(name);
	if (at - buf < len + 1)
		return ERR_PTR(-ENAMETOOLONG);
	if (*at)
		*--at = '/';
	at -= len;
	memcpy(at, name, len);
	return at;
}

/* the way from the root of the file system to a subvolume's, in @buf of PATH_MAX bytes */
static char *path_of(struct bce_set *set, struct bce_file_id id, char *name, char *buf)
{
	char *at = buf + PATH_MAX - 1;
	struct bce_inode here, above;
	int ret = bce_inode_read(set, id, &here);

	*at = '\0';
	while (!ret && !IS_ERR(at)) {
		ret = bce_parent(set, &here, &id);
		if (ret == -ENOENT && here.root_of_subvol == BCE_ROOT_SUBVOL)
			return at;
		ret = ret ?: bce_inode_read(set, id, &above);
		if (!ret)
			at = path_prepend(set, &above, &here, name, buf, at);
		here = above;
	}
	return ret ? ERR_PTR(ret) : at;
}

/* -ERANGE; a subvolume without a path is told of all the same */
static int tell_path(struct bce_set *set, const struct bce_subvolume *s,
		     struct bce_ioctl_subvolume_next *arg)
{
	struct bce_file_id id = { .subvol = s->id, .inum = s->root_inum };
	char *buf = kmalloc(PATH_MAX + BCE_NAME_MAX + 1, GFP_KERNEL), *path;
	size_t room = arg->path_bytes;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	path = path_of(set, id, buf + PATH_MAX, buf);
	arg->path_bytes = IS_ERR(path) ? 0 : strlen(path) + 1;
	if (arg->path_bytes > room)
		ret = -ERANGE;
	else if (copy_to_user(u64_to_user_ptr(arg->path_ptr), path, arg->path_bytes))
		ret = -EFAULT;
	kfree(buf);
	return ret;
}

long bcachefs_subvolume_next(struct super_block *sb, void __user *user)
{
	struct bce_ioctl_subvolume_next arg;
	struct bce_subvolume s;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	ret = bce_subvolume_read_next(to_bcachefs_super(sb)->set, arg.after, &s);
	if (ret)
		return ret;
	arg.id = s.id;
	arg.flags = (s.is_snapshot ? BCE_IOCTL_SUBVOL_SNAPSHOT : 0) |
		    (s.read_only ? BCE_IOCTL_SUBVOL_RO : 0);
	arg.creation_parent = s.creation_parent;
	arg.path_parent = s.path_parent;
	arg.inum = s.root_inum;
	arg.otime_sec = s.otime.tv_sec;
	arg.otime_nsec = s.otime.tv_nsec;
	arg.pad = 0;
	ret = tell_path(to_bcachefs_super(sb)->set, &s, &arg);
	return ret ?: copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}
