// SPDX-License-Identifier: GPL-2.0
/*
 * Directories. The cookie of an entry is its hash slot (2 and above), so a
 * listing survives anything that happens between two calls; 0 and 1 are "."
 * and "..", which have no keys.
 *
 * A name that is not there is remembered by the VFS as such; nothing makes names behind its back. Names
 * longer than Linux allows are found if another system has made them.
 */
#include "vfs.h"

#include <linux/dcache.h>
#include <linux/fs.h>

struct dentry *bcachefs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct bce_file_id id;
	struct inode *inode = NULL;
	int ret;

	if (dentry->d_name.len > BCE_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	ret = bce_dirent_lookup(bcachefs_set_of(dir), &to_bcachefs_inode(dir)->e,
				dentry->d_name.name, dentry->d_name.len, &id);
	if (!ret)
		inode = bcachefs_iget(dir->i_sb, id);
	else if (ret != -ENOENT)
		return ERR_PTR(ret);
	else if (dentry->d_name.len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	/* a name whose inode is missing is damage, not absence */
	if (inode == ERR_PTR(-ENOENT))
		inode = ERR_PTR(-EUCLEAN);
	return d_splice_alias(inode, dentry);
}

struct readdir_state {
	struct dir_context	*ctx;
};

static bool readdir_emit(void *ctx, const struct bce_dirent *d)
{
	struct readdir_state *s = ctx;

	s->ctx->pos = d->pos;
	if (!dir_emit(s->ctx, d->name, d->len, d->target.inum, d->dt_type))
		return false;
	s->ctx->pos = d->pos + 1;
	return true;
}

static int bcachefs_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	struct readdir_state s = { .ctx = ctx };

	if (!dir_emit_dots(file, ctx))
		return 0;
	/* the step beyond the highest possible slot */
	if (ctx->pos < 0)
		return 0;
	return bce_readdir(bcachefs_set_of(dir), &to_bcachefs_inode(dir)->e, ctx->pos,
			   readdir_emit, &s);
}

const struct file_operations bcachefs_dir_fops = {
	.llseek		= generic_file_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= bcachefs_iterate,
	.fsync		= bcachefs_fsync,
	.unlocked_ioctl	= bcachefs_ioctl_file,
	.compat_ioctl	= compat_ptr_ioctl,
};
