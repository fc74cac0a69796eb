// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes: from the engine's description to the VFS's, and what stat tells.
 *
 * A file is known by the subvolume it is reached through and its number; the
 * number alone repeats between snapshots. Both are the key of the inode hash.
 */
#include "vfs.h"

#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/kdev_t.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/stat.h>

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
	return id_equal(to_bcachefs_inode(inode)->e.id, *(struct bce_file_id *)id);
}

static int inode_set(struct inode *inode, void *id)
{
	to_bcachefs_inode(inode)->e.id = *(struct bce_file_id *)id;
	inode->i_ino = to_bcachefs_inode(inode)->e.id.inum;
	return 0;
}

static void set_attributes(struct inode *inode, const struct bce_inode *e)
{
	inode->i_mode = e->mode;
	i_uid_write(inode, e->uid);
	i_gid_write(inode, e->gid);
	set_nlink(inode, e->nlink);
	inode->i_size = e->size;
	inode->i_blocks = e->sectors;
	inode->i_generation = e->generation;
	kc_inode_set_atime(inode, e->atime);
	kc_inode_set_mtime(inode, e->mtime);
	kc_inode_set_ctime(inode, e->ctime);

	inode_set_flags(inode,
			(e->flags & BCE_INODE_SYNC ? S_SYNC : 0) |
			(e->flags & BCE_INODE_IMMUTABLE ? S_IMMUTABLE : 0) |
			(e->flags & BCE_INODE_APPEND ? S_APPEND : 0) |
			(e->flags & BCE_INODE_NOATIME ? S_NOATIME : 0),
			S_SYNC | S_IMMUTABLE | S_APPEND | S_NOATIME);
	if (!IS_POSIXACL(inode))
		cache_no_acl(inode);
}

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

static int bcachefs_getattr_inode(kc_idmap *idmap, const struct path *path, struct kstat *stat,
			     u32 request_mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	const struct bce_inode *e = &to_bcachefs_inode(inode)->e;

	kc_fillattr(idmap, request_mask, inode, stat);
	stat->blksize = to_bcachefs_super(inode->i_sb)->info.block_bytes;
	if (request_mask & STATX_BTIME) {
		stat->result_mask |= STATX_BTIME;
		stat->btime = e->btime;
	}
	if ((request_mask & STATX_DIOALIGN) && S_ISREG(inode->i_mode)) {
		stat->result_mask |= STATX_DIOALIGN;
		stat->dio_mem_align = SECTOR_SIZE;
		stat->dio_offset_align = SECTOR_SIZE;
	}
	kc_stat_set_subvol(stat, e->id.subvol);

	if (e->flags & BCE_INODE_IMMUTABLE)
		stat->attributes |= STATX_ATTR_IMMUTABLE;
	if (e->flags & BCE_INODE_APPEND)
		stat->attributes |= STATX_ATTR_APPEND;
	if (e->flags & BCE_INODE_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	stat->attributes_mask |= STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	return 0;
}

const struct inode_operations bcachefs_file_iops = {
	.getattr	= bcachefs_getattr_inode,
	.fiemap		= bcachefs_fiemap,
	.listxattr	= bcachefs_listxattr,
	.fileattr_get	= bcachefs_fileattr_get,
	.KC_GET_ACL	= bcachefs_get_acl,
};

const struct inode_operations bcachefs_dir_iops = {
	.lookup		= bcachefs_lookup,
	.getattr	= bcachefs_getattr_inode,
	.listxattr	= bcachefs_listxattr,
	.fileattr_get	= bcachefs_fileattr_get,
	.KC_GET_ACL	= bcachefs_get_acl,
};

/* the target is the file's first block: read like any data, through the page cache */
const struct inode_operations bcachefs_symlink_iops = {
	.get_link	= page_get_link,
	.getattr	= bcachefs_getattr_inode,
	.listxattr	= bcachefs_listxattr,
};

const struct inode_operations bcachefs_special_iops = {
	.getattr	= bcachefs_getattr_inode,
	.listxattr	= bcachefs_listxattr,
	.KC_GET_ACL	= bcachefs_get_acl,
};
