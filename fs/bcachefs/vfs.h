/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_VFS_H
#define BCACHEFS_VFS_H

#include <linux/fs.h>
#include <linux/spinlock.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>
#include <bcachefs/write.h>

#include "add_lock.h"

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
	/* contents: space.c, add_lock.c */
	struct bce_space	space;		/* promised for dirty pages; @lock */
	struct bcachefs_add_lock add_lock;
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

/* ---- contents (more between these files: data.h) ---- */

/* file.c */
extern const struct file_operations bcachefs_file_fops;
int bcachefs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);
/* module's start and end */
int bcachefs_data_init(void);
void bcachefs_data_exit(void);
/* also of directories */
int bcachefs_fsync(struct file *file, loff_t start, loff_t end, int datasync);

/* space.c: slab constructor's part, and the end, when the page cache is empty */
void bcachefs_data_inode_init_once(struct bcachefs_inode *vi);
void bcachefs_data_evict(struct inode *inode);

/* write.c: i_rwsem is held exclusively, setattr_prepare() has allowed it */
int bcachefs_setsize(struct inode *inode, loff_t size);

/* read.c */
extern const struct address_space_operations bcachefs_aops;

/* writeback.c */
struct swap_info_struct;
struct writeback_control;
int bcachefs_writepages(struct address_space *mapping, struct writeback_control *wbc);
bool bcachefs_dirty_folio(struct address_space *mapping, struct folio *folio);
void bcachefs_invalidate_folio(struct folio *folio, size_t offset, size_t len);
bool bcachefs_release_folio(struct folio *folio, gfp_t gfp);
int bcachefs_swap_activate(struct swap_info_struct *sis, struct file *file, sector_t *span);

/* mmap.c */
int bcachefs_mmap(struct file *file, struct vm_area_struct *vma);

/* direct.c, direct_write.c */
ssize_t bcachefs_direct_read(struct kiocb *iocb, struct iov_iter *iter);

/* range.c */
long bcachefs_fallocate(struct file *file, int mode, loff_t start, loff_t len);
loff_t bcachefs_remap_file_range(struct file *file_in, loff_t pos_in, struct file *file_out,
				 loff_t pos_out, loff_t len, unsigned int flags);

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
