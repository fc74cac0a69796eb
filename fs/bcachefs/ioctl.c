// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls that read: inode flags, generation, label, UUID. Numbers and layouts
 * of the file system's own are those of docs/format/90-ioctl-mount-sysfs.md, section 5.
 */
#include "vfs.h"

#include <linux/fileattr.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#define IOCTL_QUERY_UUID	_IOR(0xbc, 1, __u8[16])

int bcachefs_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	const struct bce_inode *e = &to_bcachefs_inode(d_inode(dentry))->e;
	u32 flags = 0;

	if (e->flags & BCE_INODE_SYNC)
		flags |= FS_SYNC_FL;
	if (e->flags & BCE_INODE_IMMUTABLE)
		flags |= FS_IMMUTABLE_FL;
	if (e->flags & BCE_INODE_APPEND)
		flags |= FS_APPEND_FL;
	if (e->flags & BCE_INODE_NODUMP)
		flags |= FS_NODUMP_FL;
	if (e->flags & BCE_INODE_NOATIME)
		flags |= FS_NOATIME_FL;
	fileattr_fill_flags(fa, flags);
	fa->fsx_projid = e->project;
	/* bit 2 of the explicitly set options: docs/format/60-filesystem-keys.md, section 4 */
	if (e->opts_explicit & BIT(2))
		fa->fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return 0;
}

static long get_label(struct super_block *sb, char __user *arg)
{
	char label[FSLABEL_MAX] = { };

	memcpy(label, to_bcachefs_super(sb)->info.label, sizeof(to_bcachefs_super(sb)->info.label));
	return copy_to_user(arg, label, sizeof(label)) ? -EFAULT : 0;
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
	case IOCTL_QUERY_UUID:
		return copy_to_user((void __user *)arg, vs->info.uuid, sizeof(vs->info.uuid)) ?
			-EFAULT : 0;
	default:
		return -ENOTTY;
	}
}
