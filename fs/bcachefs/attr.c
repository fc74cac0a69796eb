// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes: shown, changed, and times written back.
 *
 * Times are the VFS's while an inode is in memory: it changes them at will and calls write_inode some
 * time later (lazytime: much later). Everything else is changed in the engine first and then taken
 * over. Writing times back runs beside everything but other changes of attributes, which time_lock keeps out;
 * an operation on names may have given the inode a later ctime meanwhile, so the one written back
 * never lowers it.
 */
#include "vfs.h"

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fileattr.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <linux/writeback.h>

#include <bcachefs/ops.h>

#include "kc/kc.h"

/* bit 2 of the explicitly set options: docs/format/60-filesystem-keys.md, section 4 */
#define PROJECT_EXPLICIT	BIT(2)

/* ---- shown ---- */

int bcachefs_getattr(kc_idmap *idmap, const struct path *path, struct kstat *stat, u32 request_mask,
		     unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	const struct bce_inode *e = &to_bcachefs_inode(inode)->e;
	u32 eflags = READ_ONCE(e->flags);

	kc_fillattr(idmap, request_mask, inode, stat);
	/* what a read or write should be of: the C library makes its buffers like this, and the page cache has pages */
	stat->blksize = max_t(u32, to_bcachefs_super(inode->i_sb)->info.block_bytes, PAGE_SIZE);
	if (request_mask & STATX_BTIME) {
		stat->result_mask |= STATX_BTIME;
		stat->btime = e->btime;
	}
	if ((request_mask & STATX_DIOALIGN) && S_ISREG(inode->i_mode)) {
		stat->result_mask |= STATX_DIOALIGN;
		stat->dio_mem_align = SECTOR_SIZE;
		stat->dio_offset_align = SECTOR_SIZE;
	}
	stat->dev = bcachefs_subvol_dev(inode->i_sb, e->id.subvol);
	kc_stat_set_subvol(stat, e->id.subvol);

	if (eflags & BCE_INODE_IMMUTABLE)
		stat->attributes |= STATX_ATTR_IMMUTABLE;
	if (eflags & BCE_INODE_APPEND)
		stat->attributes |= STATX_ATTR_APPEND;
	if (eflags & BCE_INODE_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	stat->attributes_mask |= STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	return 0;
}

/* nothing is written in a read-only snapshot; devices and the like are not what is written to */
int bcachefs_permission(kc_idmap *idmap, struct inode *inode, int mask)
{
	umode_t mode = inode->i_mode;

	if (mask & MAY_WRITE && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)) &&
	    bcachefs_in_read_only_subvol(inode))
		return -EROFS;
	return generic_permission(idmap, inode, mask);
}

/* ---- changed ---- */

/* the engine's change of one inode, and the VFS's view of it */
static int change(struct inode *inode, struct bce_inode *attrs, unsigned int valid)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	struct bce_inode e;
	int ret;

	attrs->id = vi->e.id;
	mutex_lock(&vi->time_lock);
	ret = bce_setattr(bcachefs_set_of(inode), attrs, valid, &e);
	if (!ret) {
		/* given ones are in force, whatever was kept in memory */
		if (valid & BCE_ATTR_ATIME)
			kc_inode_set_atime(inode, e.atime);
		if (valid & BCE_ATTR_MTIME)
			kc_inode_set_mtime(inode, e.mtime);
		kc_inode_set_ctime(inode, e.ctime);
		bcachefs_inode_told(inode, &e);
	}
	mutex_unlock(&vi->time_lock);
	return ret ?: bcachefs_sync_change(inode);
}

/* setgid is not for those outside of the group that the file has afterwards */
static umode_t mode_to_set(kc_idmap *idmap, struct inode *inode, const struct iattr *attr)
{
	vfsgid_t gid = attr->ia_valid & ATTR_GID ? attr->ia_vfsgid :
						   i_gid_into_vfsgid(idmap, inode);

	if (!vfsgid_in_group_p(gid) && !capable_wrt_inode_uidgid(idmap, inode, CAP_FSETID))
		return attr->ia_mode & ~S_ISGID;
	return attr->ia_mode;
}

static unsigned int attrs_from(kc_idmap *idmap, struct inode *inode, const struct iattr *attr,
			       struct bce_inode *out)
{
	struct user_namespace *fs_ns = i_user_ns(inode);
	unsigned int from = attr->ia_valid, valid = 0;

	if (from & ATTR_MODE) {
		out->mode = mode_to_set(idmap, inode, attr);
		valid |= BCE_ATTR_MODE;
	}
	if (from & ATTR_UID) {
		out->uid = from_kuid(fs_ns, from_vfsuid(idmap, fs_ns, attr->ia_vfsuid));
		valid |= BCE_ATTR_UID;
	}
	if (from & ATTR_GID) {
		out->gid = from_kgid(fs_ns, from_vfsgid(idmap, fs_ns, attr->ia_vfsgid));
		valid |= BCE_ATTR_GID;
	}
	if (from & ATTR_ATIME) {
		out->atime = attr->ia_atime;
		valid |= BCE_ATTR_ATIME;
	}
	if (from & ATTR_MTIME) {
		out->mtime = attr->ia_mtime;
		valid |= BCE_ATTR_MTIME;
	}
	if (from & ATTR_CTIME) {
		out->ctime = attr->ia_ctime;
		valid |= BCE_ATTR_CTIME;
	}
	return valid;
}

/* times follow with the others that are kept in memory */
static int set_size(struct inode *inode, loff_t size)
{
	int ret = bcachefs_setsize(inode, size);

	if (ret)
		return ret;
	kc_inode_set_mtime(inode, inode_set_ctime_current(inode));
	mark_inode_dirty(inode);
	return 0;
}

int bcachefs_setattr(kc_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct bce_inode attrs = { };
	unsigned int valid;
	int ret = setattr_prepare(idmap, dentry, attr);

	if (!ret && attr->ia_valid & ATTR_SIZE)
		ret = set_size(inode, attr->ia_size);
	if (ret)
		return ret;
	valid = attrs_from(idmap, inode, attr, &attrs);
	if (valid)
		ret = change(inode, &attrs, valid);
	if (!ret && attr->ia_valid & ATTR_MODE)
		ret = kc_acl_chmod(idmap, dentry, inode->i_mode);
	return ret;
}

/* ---- times written back ---- */

/* what the engine does not know yet */
static unsigned int unwritten_times(struct bcachefs_inode *vi, struct bce_inode *out)
{
	unsigned int valid = 0;

	out->id = vi->e.id;
	spin_lock(&vi->lock);
	out->atime = kc_inode_get_atime(&vi->v);
	out->mtime = kc_inode_get_mtime(&vi->v);
	out->ctime = kc_inode_get_ctime(&vi->v);
	if (!timespec64_equal(&out->atime, &vi->e.atime))
		valid |= BCE_ATTR_ATIME;
	if (!timespec64_equal(&out->mtime, &vi->e.mtime))
		valid |= BCE_ATTR_MTIME;
	if (valid || !timespec64_equal(&out->ctime, &vi->e.ctime))
		valid |= BCE_ATTR_CTIME_LATER;
	spin_unlock(&vi->lock);
	return valid;
}

int bcachefs_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	struct bce_inode attrs = { }, e;
	unsigned int valid;
	int ret = 0;

	mutex_lock(&vi->time_lock);
	valid = unwritten_times(vi, &attrs);
	if (valid)
		ret = bce_setattr(bcachefs_set_of(inode), &attrs, valid, &e);
	if (valid && !ret)
		bcachefs_times_told(inode, &e, valid);
	mutex_unlock(&vi->time_lock);
	/* the subvolume has been deleted while the file was open */
	return ret == -ENOENT ? 0 : ret;
}

/* ---- flags ---- */

/* of bce_inode_opt_names: a flag to everybody else, an option to us. What the set says of all files is no flag */
#define OPT_NOCOW	9

static bool has_nocow(const struct bcachefs_inode *vi)
{
	return vi->e.opt[OPT_NOCOW] == 2;	/* value + 1 */
}

static const struct {
	u32	fs, engine;
} flag_map[] = {
	{ FS_SYNC_FL,		BCE_INODE_SYNC },
	{ FS_IMMUTABLE_FL,	BCE_INODE_IMMUTABLE },
	{ FS_APPEND_FL,		BCE_INODE_APPEND },
	{ FS_NODUMP_FL,		BCE_INODE_NODUMP },
	{ FS_NOATIME_FL,	BCE_INODE_NOATIME },
};

int bcachefs_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(d_inode(dentry));
	u32 flags = 0;

	spin_lock(&vi->lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(flag_map); i++)
		if (vi->e.flags & flag_map[i].engine)
			flags |= flag_map[i].fs;
	if (vi->e.opts_explicit & PROJECT_EXPLICIT)
		flags |= FS_PROJINHERIT_FL;
	if (has_nocow(vi))
		flags |= FS_NOCOW_FL;
	fileattr_fill_flags(fa, flags);
	fa->fsx_projid = vi->e.project;
	spin_unlock(&vi->lock);
	return 0;
}

/* Return: what is to be changed; negative: there are flags we do not have */
static int flags_from(struct bcachefs_inode *vi, const struct fileattr *fa, struct bce_inode *out)
{
	u32 rest = fa->flags & ~(FS_PROJINHERIT_FL | FS_NOCOW_FL);
	bool was = vi->e.opts_explicit & PROJECT_EXPLICIT, is = fa->flags & FS_PROJINHERIT_FL;
	bool other_project = fa->fsx_valid && fa->fsx_projid != vi->e.project;

	out->flags = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(flag_map); i++) {
		if (fa->flags & flag_map[i].fs)
			out->flags |= flag_map[i].engine;
		rest &= ~flag_map[i].fs;
	}
	if (rest || (fa->fsx_valid && (fa->fsx_extsize || fa->fsx_cowextsize)))
		return -EOPNOTSUPP;
	if (!other_project && was == is)
		return BCE_ATTR_FLAGS;
	/* one that the directory does not have must be the file's own, or it would be lost with the next rename */
	out->project = fa->fsx_valid ? fa->fsx_projid : vi->e.project;
	out->opts_explicit = is || other_project ? PROJECT_EXPLICIT : 0;
	return BCE_ATTR_FLAGS | BCE_ATTR_PROJECT;
}

/* what may be changed, and by whom, the VFS has checked; it holds i_rwsem, so nothing changes beside us */
int bcachefs_fileattr_set(kc_idmap *idmap, struct dentry *dentry, struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct bce_inode attrs = { };
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	int valid = flags_from(vi, fa, &attrs), ret = 0;
	bool nocow = fa->flags & FS_NOCOW_FL;

	if (valid < 0)
		return valid;
	/* FS_IOC_FSSETXATTR has no such flag, and says nothing of it */
	if (fa->flags_valid && nocow != has_nocow(vi))
		ret = bcachefs_option_change(inode, OPT_NOCOW, nocow ? "1" : "0");
	return ret ?: change(inode, &attrs, valid);
}
