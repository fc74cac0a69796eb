// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls: generation, label, UUID, inherited options, shutting down, subvolumes, usage. Numbers and layouts
 * of the file system's own are those of docs/format/90-ioctl-mount-sysfs.md, section 5, and <bcachefs/ioctl.h>.
 */
#include "vfs.h"

#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <bcachefs/ioctl.h>
#include <bcachefs/options.h>

#define IOCTL_QUERY_UUID	_IOR(0xbc, 1, __u8[16])
#define IOCTL_REINHERIT		_IOR(0xbc, 64, const char __user *)

/* as f2fs and others have it */
#define IOCTL_GOING_DOWN	_IOR('X', 125, __u32)
enum { GOING_DOWN_SYNC, GOING_DOWN_FLUSH, GOING_DOWN_AT_ONCE };

static long get_label(struct super_block *sb, char __user *arg)
{
	char label[FSLABEL_MAX] = { };
	struct bce_set_info info;

	bce_set_info(to_bcachefs_super(sb)->set, &info);
	memcpy(label, info.label, sizeof(info.label));
	return copy_to_user(arg, label, sizeof(label)) ? -EFAULT : 0;
}

int bcachefs_label_set(struct super_block *sb, const char *label)
{
	int ret = bce_set_label_set(to_bcachefs_super(sb)->set, label);

	/* whoever looks at the set's device is to see the new one */
	if (!ret)
		invalidate_bdev(sb->s_bdev);
	return ret;
}

static long set_label(struct file *file, const char __user *arg)
{
	char label[FSLABEL_MAX];
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(label, arg, sizeof(label)))
		return -EFAULT;
	if (strnlen(label, sizeof(label)) == sizeof(label))
		return -EINVAL;
	ret = mnt_want_write_file(file);
	if (ret)
		return ret;
	ret = bcachefs_label_set(file_inode(file)->i_sb, label);
	mnt_drop_write_file(file);
	return ret;
}

/*
 * Shutting down, for tests of what a crash leaves: nothing more is written. Before that all of the file system goes down, or
 * what has been told to the engine does, or nothing.
 */
static long going_down(struct super_block *sb, const u32 __user *arg)
{
	struct bce_set *set = to_bcachefs_super(sb)->set;
	u32 how;
	int ret = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(how, arg))
		return -EFAULT;
	switch (how) {
	case GOING_DOWN_SYNC:
		down_read(&sb->s_umount);
		ret = sync_filesystem(sb);
		up_read(&sb->s_umount);
		break;
	case GOING_DOWN_FLUSH:
		if (bce_set_is_rw(set))
			ret = bce_sync(set);
		break;
	case GOING_DOWN_AT_ONCE:
		break;
	default:
		return -EINVAL;
	}
	if (!ret)
		bce_set_stop_writing(set, "shut down by an ioctl");
	return ret;
}

static int inherit(kc_idmap *idmap, struct inode *inode, struct inode *dir)
{
	bool changed = false;
	int ret = inode_permission(idmap, inode, MAY_WRITE);

	if (ret)
		return ret;
	if (bcachefs_id_of(inode).subvol != bcachefs_id_of(dir).subvol)
		return -EXDEV;
	inode_lock_nested(inode, I_MUTEX_CHILD);
	ret = bce_inode_opts_inherit(bcachefs_set_of(inode), bcachefs_id_of(inode), bcachefs_id_of(dir), &changed);
	if (changed)
		bcachefs_inode_refresh(inode);
	inode_unlock(inode);
	return ret ?: changed;
}

/* options of the file of that name: those not set for itself become the directory's. Return: 1 some changed */
static long reinherit(struct file *file, const char __user *arg)
{
	struct inode *dir = file_inode(file);
	struct dentry *dentry;
	char *name;
	long ret;

	if (!S_ISDIR(dir->i_mode))
		return -ENOTDIR;
	name = strndup_user(arg, BCE_NAME_MAX + 1);
	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = mnt_want_write_file(file);
	if (ret)
		goto free_name;
	inode_lock_nested(dir, I_MUTEX_PARENT);
	dentry = lookup_one(kc_file_idmap(file), name, file->f_path.dentry, strlen(name));
	ret = IS_ERR(dentry) ? PTR_ERR(dentry) : 0;
	if (!ret) {
		ret = d_is_positive(dentry) ? inherit(kc_file_idmap(file), d_inode(dentry), dir) : -ENOENT;
		dput(dentry);
	}
	inode_unlock(dir);
	mnt_drop_write_file(file);
free_name:
	kfree(name);
	return ret;
}

long bcachefs_ioctl_file(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct inode *inode = file_inode(file);
	struct bcachefs_super *vs = to_bcachefs_super(inode->i_sb);

	switch (cmd) {
	case FS_IOC_GETVERSION:
	case FS_IOC32_GETVERSION:
		return put_user(inode->i_generation, (int __user *)arg);
	case FS_IOC_GETFSLABEL:
		return get_label(inode->i_sb, (char __user *)arg);
	case FS_IOC_SETFSLABEL:
		return set_label(file, (char __user *)arg);
	case IOCTL_QUERY_UUID:
		return copy_to_user((void __user *)arg, vs->info.uuid, sizeof(vs->info.uuid)) ?
			-EFAULT : 0;
	case IOCTL_REINHERIT:
		return reinherit(file, (const char __user *)arg);
	case IOCTL_GOING_DOWN:
		return going_down(inode->i_sb, (const u32 __user *)arg);
	case BCE_IOC_SUBVOLUME_CREATE:
		return bcachefs_subvolume_create(inode->i_sb, (void __user *)arg);
	case BCE_IOC_SUBVOLUME_DESTROY:
		return bcachefs_subvolume_destroy(inode->i_sb, (void __user *)arg);
	case BCE_IOC_SUBVOLUME_NEXT:
		return bcachefs_subvolume_next(inode->i_sb, (void __user *)arg);
	case BCE_IOC_QUERY_ACCOUNTING:
		return bcachefs_query_accounting(inode->i_sb, (void __user *)arg);
	case BCE_IOC_DEV_USAGE_V2:
		return bcachefs_dev_usage(inode->i_sb, (void __user *)arg);
	case BCE_IOC_MEMBER:
		return bcachefs_member(inode->i_sb, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}
