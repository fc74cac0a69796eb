// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls: generation, label, UUID, subvolumes, usage. Numbers and layouts
 * of the file system's own are those of docs/format/90-ioctl-mount-sysfs.md, section 5, and <bcachefs/ioctl.h>.
 */
#include "vfs.h"

#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/uaccess.h>

#include <bcachefs/ioctl.h>
#include <bcachefs/options.h>

#define IOCTL_QUERY_UUID	_IOR(0xbc, 1, __u8[16])

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
