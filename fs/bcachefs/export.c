// SPDX-License-Identifier: GPL-2.0
/*
 * Handles for NFS and open_by_handle_at(2): file number, subvolume and generation,
 * optionally the same of the directory. They stay valid over remounts.
 */
#include "vfs.h"

#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/string.h>
#include <linux/writeback.h>

#include <bcachefs/ops.h>

/* private types, out of the way of the generic ones */
#define FILEID_BCACHEFS			0xb1
#define FILEID_BCACHEFS_PARENT		0xb2

struct handle {
	__le64	inum;
	__le32	subvol;
	__le32	generation;
} __packed;

struct handle_pair {
	struct handle	file;
	struct handle	parent;
} __packed;

static struct handle handle_of(struct inode *inode)
{
	const struct bce_inode *e = &to_bcachefs_inode(inode)->e;

	return (struct handle) {
		.inum = cpu_to_le64(e->id.inum),
		.subvol = cpu_to_le32(e->id.subvol),
		.generation = cpu_to_le32(e->generation),
	};
}

static int encode(struct inode *inode, u32 *fh, int *max_len, struct inode *parent)
{
	int need = (parent ? sizeof(struct handle_pair) : sizeof(struct handle)) / sizeof(u32);
	struct handle_pair *out = (void *)fh;

	if (*max_len < need) {
		*max_len = need;
		return FILEID_INVALID;
	}
	*max_len = need;
	out->file = handle_of(inode);
	if (!parent)
		return FILEID_BCACHEFS;
	out->parent = handle_of(parent);
	return FILEID_BCACHEFS_PARENT;
}

/*
 * The number may have been given to another file since; or the file has no name left, and nobody but us holds it (a server of
 * NFS 4 comes by handle to what it has open).
 */
static bool handle_fits(const struct handle *h, struct inode *inode)
{
	return inode->i_generation == le32_to_cpu(h->generation) &&
	       (inode->i_nlink || atomic_read(&inode->i_count) > 1);
}

static struct dentry *decode(struct super_block *sb, const struct handle *h)
{
	struct bce_file_id id = {
		.inum = le64_to_cpu(h->inum),
		.subvol = le32_to_cpu(h->subvol),
	};
	struct inode *inode = bcachefs_iget(sb, id);

	if (inode == ERR_PTR(-ENOENT))
		return ERR_PTR(-ESTALE);
	if (!IS_ERR(inode) && !handle_fits(h, inode)) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}
	return d_obtain_alias(inode);
}

static struct dentry *fh_to_dentry(struct super_block *sb, struct fid *fid, int len, int type)
{
	int need = type == FILEID_BCACHEFS_PARENT ? sizeof(struct handle_pair) :
						    sizeof(struct handle);

	if ((type != FILEID_BCACHEFS && type != FILEID_BCACHEFS_PARENT) ||
	    len < need / (int)sizeof(u32))
		return NULL;
	return decode(sb, &((const struct handle_pair *)fid->raw)->file);
}

static struct dentry *fh_to_parent(struct super_block *sb, struct fid *fid, int len, int type)
{
	if (type != FILEID_BCACHEFS_PARENT ||
	    len < (int)(sizeof(struct handle_pair) / sizeof(u32)))
		return NULL;
	return decode(sb, &((const struct handle_pair *)fid->raw)->parent);
}

static struct dentry *get_parent(struct dentry *child)
{
	struct inode *inode = d_inode(child);
	struct bce_file_id id;
	struct bce_inode e;
	int ret;

	bcachefs_inode_copy(inode, &e);
	ret = bce_parent(bcachefs_set_of(inode), &e, &id);
	return ret ? ERR_PTR(ret) : d_obtain_alias(bcachefs_iget(inode->i_sb, id));
}

static int get_name(struct dentry *parent, char *name, struct dentry *child)
{
	struct inode *dir = d_inode(parent);
	char found[BCE_NAME_MAX + 1];
	struct bce_inode e;
	int ret;

	bcachefs_inode_copy(d_inode(child), &e);
	ret = bce_name_of(bcachefs_set_of(dir), &to_bcachefs_inode(dir)->e, &e, found);
	if (ret)
		return ret;
	if (strlen(found) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, found);
	return 0;
}

/* what a client was told is done */
static int commit_metadata(struct inode *inode)
{
	int ret = sync_inode_metadata(inode, 1);

	return ret ?: bce_sync_inode(bcachefs_set_of(inode), bcachefs_id_of(inode));
}

const struct export_operations bcachefs_export_ops = {
	.encode_fh	= encode,
	.fh_to_dentry	= fh_to_dentry,
	.fh_to_parent	= fh_to_parent,
	.get_parent	= get_parent,
	.get_name	= get_name,
	.commit_metadata = commit_metadata,
};
