/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_VFS_H
#define BCACHEFS_VFS_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include <bcachefs/names.h>
#include <bcachefs/ops.h>
#include <bcachefs/set.h>
#include <bcachefs/write.h>

#include "add_lock.h"

#include "kc/kc.h"

/* one mounted file system; sb->s_fs_info */
struct bcachefs_super {
	struct bce_set		*set;		/* claimed by us */
	struct bce_set_info	info;		/* as it was at mount */
	bool			acl;
	struct bcachefs_sysfs	*sysfs;
	struct xarray		subvol_devs;	/* device numbers by subvolume: subvol.c */
};

/* an inode in memory: the VFS's part and the engine's description */
struct bcachefs_inode {
	struct inode		v;
	spinlock_t		lock;		/* guards @e, but for e.id, which is constant */
	struct bce_inode	e;		/* as the engine last told it */
	struct mutex		time_lock;	/* changes of attributes against times written back */
	/* contents: space.c, add_lock.c */
	struct bce_space	space;		/* promised for dirty pages; @lock */
	struct bcachefs_add_lock add_lock;
	struct rw_semaphore	no_writeback;	/* held for writing: none begins (range.c) */
};

static inline struct bcachefs_inode *to_bcachefs_inode(struct inode *inode)
{
	return container_of(inode, struct bcachefs_inode, v);
}

static inline struct bcachefs_super *to_bcachefs_super(struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct bce_set *bcachefs_set_of(struct inode *inode)
{
	return to_bcachefs_super(inode->i_sb)->set;
}

static inline struct bce_file_id bcachefs_id_of(struct inode *inode)
{
	return to_bcachefs_inode(inode)->e.id;
}

/* ---- names and attributes ---- */

/* inode.c */
extern const struct inode_operations bcachefs_file_iops;
extern const struct inode_operations bcachefs_symlink_iops;
extern const struct inode_operations bcachefs_special_iops;
/* the inode, locked no more; ERR_PTR: -ENOENT, -EIO, -ENOMEM */
struct inode *bcachefs_iget(struct super_block *sb, struct bce_file_id id);
/* a newly made file's inode gets its number and description; I_NEW. Return: 0; -EBUSY that inode is in memory */
int bcachefs_inode_new(struct inode *inode, const struct bce_inode *e);
void bcachefs_evict_inode(struct inode *inode);
bool bcachefs_in_read_only_subvol(struct inode *inode);
/*
 * What the engine's change of an inode has made of it; i_rwsem is held. All but the size is taken over; times that
 * the VFS has changed since stay.
 */
void bcachefs_inode_told(struct inode *inode, const struct bce_inode *e);
/* a directory whose own i_rwsem need not be held: parent, ctime */
void bcachefs_inode_moved(struct inode *inode, const struct bce_inode *e);
/* those in @valid have been written */
void bcachefs_times_told(struct inode *inode, const struct bce_inode *e, unsigned int valid);
/* the engine has times of its own for a change of contents: those in memory are right, and will be written */
void bcachefs_times_diverged(struct inode *inode, const struct bce_inode *e);
/* an entry in a directory has changed at @when; @subdirs: 1, 0, -1 */
void bcachefs_dir_changed(struct inode *dir, struct timespec64 when, int subdirs);
/* read again and told; i_rwsem is held */
void bcachefs_inode_refresh(struct inode *inode);
void bcachefs_inode_copy(struct inode *inode, struct bce_inode *out);

/* namei.c */
extern const struct inode_operations bcachefs_dir_iops;
/* a file about to be made */
struct bcachefs_new {
	struct inode		*inode;		/* until it is done */
	struct bce_create	what;
	struct bce_xattr	*xattrs;
	struct posix_acl	*acl, *default_acl;
};
/* @n: zeroed but for what is special of it in @n->what. Nothing is to be dropped if it fails */
int bcachefs_new_prepare(kc_idmap *idmap, struct inode *dir, const struct qstr *name, umode_t mode,
			 struct bcachefs_new *n);
/* the engine has made @e of it. Return: the inode, I_NEW; ERR_PTR(-EBUSY) it is in memory already */
struct inode *bcachefs_new_done(struct bcachefs_new *n, const struct bce_inode *e);
void bcachefs_new_drop(struct bcachefs_new *n);
/* a change is durable now, if the inode (dirsync: the directory) asks for that */
int bcachefs_sync_change(struct inode *inode);

/* attr.c */
struct fileattr;
struct writeback_control;
int bcachefs_getattr(kc_idmap *idmap, const struct path *path, struct kstat *stat, u32 request_mask,
		     unsigned int flags);
int bcachefs_setattr(kc_idmap *idmap, struct dentry *dentry, struct iattr *attr);
int bcachefs_permission(kc_idmap *idmap, struct inode *inode, int mask);
int bcachefs_write_inode(struct inode *inode, struct writeback_control *wbc);
int bcachefs_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int bcachefs_fileattr_set(kc_idmap *idmap, struct dentry *dentry, struct fileattr *fa);

/* dir.c */
extern const struct file_operations bcachefs_dir_fops;
struct dentry *bcachefs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags);

/* ioctl.c */
long bcachefs_ioctl_file(struct file *file, unsigned int cmd, unsigned long arg);
/* @label: terminated. Return: 0; -EINVAL too long; as bce_set_label_set() */
int bcachefs_label_set(struct super_block *sb, const char *label);

/* subvol.c */
/* what stat shows as the device of files in a subvolume */
dev_t bcachefs_subvol_dev(struct super_block *sb, u32 subvol);
void bcachefs_subvol_devs_free(struct bcachefs_super *vs);
long bcachefs_subvolume_create(struct super_block *sb, const void __user *arg);
long bcachefs_subvolume_destroy(struct super_block *sb, const void __user *arg);
long bcachefs_subvolume_next(struct super_block *sb, void __user *arg);

/* quota.c */
void bcachefs_quota_init(struct super_block *sb);

/* usage.c */
long bcachefs_query_accounting(struct super_block *sb, void __user *arg);
long bcachefs_dev_usage(struct super_block *sb, void __user *arg);
long bcachefs_member(struct super_block *sb, void __user *arg);

/* xattr.c */
extern const struct xattr_handler *bcachefs_xattr_handlers[];
/* @opt: of bce_inode_opt_names; @text NULL: inherit again. bcachefs_inode_refresh() is the caller's */
int bcachefs_option_change(struct inode *inode, unsigned int opt, const char *text);
ssize_t bcachefs_listxattr(struct dentry *dentry, char *list, size_t size);

/* acl.c */
struct posix_acl;
struct posix_acl *bcachefs_get_acl(struct inode *inode, int type, bool rcu);
int bcachefs_set_acl(KC_SET_ACL_ARGS);
/* as it is stored, to be freed by kfree(); ERR_PTR */
void *bcachefs_acl_encode(const struct posix_acl *acl, u16 *bytes);

/* export.c */
extern const struct export_operations bcachefs_export_ops;

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

#endif
