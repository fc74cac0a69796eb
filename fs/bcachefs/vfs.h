/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_VFS_H
#define BCACHEFS_VFS_H

#include <linux/fs.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

/* one mounted file system; sb->s_fs_info */
struct vfs_super {
	struct bce_set		*set;		/* claimed by us */
	struct bce_set_info	info;		/* as it was at mount */
	bool			acl;
};

/* an inode in memory: the VFS's part and the engine's description */
struct vfs_inode {
	struct inode		v;
	struct bce_inode	e;		/* constant while the mount is read-only */
};

static inline struct vfs_inode *to_vfs_inode(struct inode *inode)
{
	return container_of(inode, struct vfs_inode, v);
}

static inline struct vfs_super *to_vfs_super(struct super_block *sb)
{
	return sb->s_fs_info;
}

/* inode.c */
extern const struct inode_operations vfs_dir_iops;
extern const struct inode_operations vfs_file_iops;
extern const struct inode_operations vfs_symlink_iops;
extern const struct inode_operations vfs_special_iops;
/* the inode, locked no more; ERR_PTR: -ENOENT, -EIO, -ENOMEM */
struct inode *vfs_iget(struct super_block *sb, struct bce_file_id id);

/* dir.c */
extern const struct file_operations vfs_dir_fops;
struct dentry *vfs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags);

/* file.c */
extern const struct file_operations vfs_file_fops;
int vfs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);

/* read.c */
extern const struct address_space_operations vfs_aops;
int vfs_read_init(void);
void vfs_read_exit(void);

/* direct.c */
ssize_t vfs_direct_read(struct kiocb *iocb, struct iov_iter *iter);
int vfs_direct_init(void);
void vfs_direct_exit(void);

/* ioctl.c */
long vfs_ioctl_file(struct file *file, unsigned int cmd, unsigned long arg);
struct fileattr;
int vfs_fileattr_get(struct dentry *dentry, struct fileattr *fa);

/* xattr.c */
extern const struct xattr_handler *vfs_xattr_handlers[];
ssize_t vfs_listxattr(struct dentry *dentry, char *list, size_t size);

/* acl.c */
struct posix_acl;
struct posix_acl *vfs_get_acl(struct inode *inode, int type, bool rcu);

/* export.c */
extern const struct export_operations vfs_export_ops;

#endif
