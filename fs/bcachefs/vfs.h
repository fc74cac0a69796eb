/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_VFS_H
#define BCACHEFS_VFS_H

#include <linux/fs.h>
#include <linux/spinlock.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

/* one mounted file system; sb->s_fs_info */
struct bcachefs_super {
	struct bce_set		*set;		/* claimed by us */
	struct bce_set_info	info;		/* as it was at mount */
	bool			acl;
};

/* an inode in memory: the VFS's part and the engine's description */
struct bcachefs_inode {
	struct inode		v;
	spinlock_t		lock;		/* guards @e, but for e.id, which is constant */
	struct bce_inode	e;		/* as the engine last told it */
};

static inline struct bcachefs_inode *to_bcachefs_inode(struct inode *inode)
{
	return container_of(inode, struct bcachefs_inode, v);
}

static inline struct bcachefs_super *to_bcachefs_super(struct super_block *sb)
{
	return sb->s_fs_info;
}

/* inode.c */
extern const struct inode_operations bcachefs_dir_iops;
extern const struct inode_operations bcachefs_file_iops;
extern const struct inode_operations bcachefs_symlink_iops;
extern const struct inode_operations bcachefs_special_iops;
/* the inode, locked no more; ERR_PTR: -ENOENT, -EIO, -ENOMEM */
struct inode *bcachefs_iget(struct super_block *sb, struct bce_file_id id);

/* dir.c */
extern const struct file_operations bcachefs_dir_fops;
struct dentry *bcachefs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags);

/* file.c */
extern const struct file_operations bcachefs_file_fops;
int bcachefs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);

/* read.c */
extern const struct address_space_operations bcachefs_aops;
int bcachefs_read_init(void);
void bcachefs_read_exit(void);

/* direct.c */
ssize_t bcachefs_direct_read(struct kiocb *iocb, struct iov_iter *iter);
int bcachefs_direct_init(void);
void bcachefs_direct_exit(void);

/* ioctl.c */
long bcachefs_ioctl_file(struct file *file, unsigned int cmd, unsigned long arg);
struct fileattr;
int bcachefs_fileattr_get(struct dentry *dentry, struct fileattr *fa);

/* xattr.c */
extern const struct xattr_handler *bcachefs_xattr_handlers[];
ssize_t bcachefs_listxattr(struct dentry *dentry, char *list, size_t size);

/* acl.c */
struct posix_acl;
struct posix_acl *bcachefs_get_acl(struct inode *inode, int type, bool rcu);

/* export.c */
extern const struct export_operations bcachefs_export_ops;

#endif
