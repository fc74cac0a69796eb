// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/ops.h>: the calls of names/ that change something, with a set in front of them. Each
 * counts as a user of writing, so the end of writing waits for it.
 */
#include <bcachefs/ops.h>

#include <linux/export.h>
#include <linux/sched/mm.h>

#include "engine/names/write.h"
#include "engine/set/rw.h"

/* memory that is got on the way must not come back into the file system */
struct ops_call {
	struct names_writer	*w;
	unsigned int		nofs;
};

static int ops_begin(struct bce_set *set, struct ops_call *call)
{
	int ret = bce_set_write_get(set);

	if (ret)
		return ret;
	call->w = &set->rw->names;
	call->nofs = memalloc_nofs_save();
	return 0;
}

static int ops_end(struct bce_set *set, struct ops_call *call, int ret)
{
	memalloc_nofs_restore(call->nofs);
	bce_set_write_put(set);
	return ret;
}

int bce_create(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       const struct bce_create *what, struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_create(c.w, dir, name, len, what, out));
}
EXPORT_SYMBOL_GPL(bce_create);

int bce_tmpfile(struct bce_set *set, struct bce_file_id dir, const struct bce_create *what,
		struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_tmpfile(c.w, dir, what, out));
}
EXPORT_SYMBOL_GPL(bce_tmpfile);

int bce_link(struct bce_set *set, struct bce_file_id inode, struct bce_file_id dir,
	     const char *name, unsigned int len, struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_link(c.w, inode, dir, name, len, out));
}
EXPORT_SYMBOL_GPL(bce_link);

int bce_unlink(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       bool rmdir, struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_unlink(c.w, dir, name, len, rmdir, out));
}
EXPORT_SYMBOL_GPL(bce_unlink);

int bce_inode_release(struct bce_set *set, struct bce_file_id inode)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_inode_release(c.w, inode));
}
EXPORT_SYMBOL_GPL(bce_inode_release);

int bce_rename(struct bce_set *set, struct bce_file_id src_dir, const char *src_name,
	       unsigned int src_len, struct bce_file_id dst_dir, const char *dst_name,
	       unsigned int dst_len, unsigned int flags, struct bce_inode *replaced)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_rename(c.w, src_dir, src_name, src_len, dst_dir, dst_name,
					     dst_len, flags, replaced));
}
EXPORT_SYMBOL_GPL(bce_rename);

int bce_setattr(struct bce_set *set, const struct bce_inode *attrs, unsigned int valid,
		struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_setattr(c.w, attrs, valid, out));
}
EXPORT_SYMBOL_GPL(bce_setattr);

int bce_xattr_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		  const char *name, const void *value, size_t bytes, unsigned int flags)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_xattr_set(c.w, inode, type, name, value, bytes, flags));
}
EXPORT_SYMBOL_GPL(bce_xattr_set);

int bce_acl_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		umode_t mode, const void *value, size_t bytes)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_acl_set(c.w, inode, type, mode, value, bytes));
}
EXPORT_SYMBOL_GPL(bce_acl_set);

int bce_inode_opt_set(struct bce_set *set, struct bce_file_id inode, unsigned int opt,
		      const char *text)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_inode_opt_set(c.w, inode, opt, text));
}
EXPORT_SYMBOL_GPL(bce_inode_opt_set);

int bce_subvolume_create(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len, u32 source_subvol, unsigned int flags, u32 uid, u32 gid,
			 umode_t mode, struct bce_inode *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_subvolume_create(c.w, dir, name, len, source_subvol, flags,
						       uid, gid, mode, out));
}
EXPORT_SYMBOL_GPL(bce_subvolume_create);

int bce_subvolume_delete(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len)
{
	struct ops_call c;

	return ops_begin(set, &c) ?:
	       ops_end(set, &c, names_subvolume_delete(c.w, dir, name, len));
}
EXPORT_SYMBOL_GPL(bce_subvolume_delete);

int bce_subvolume_set_ro(struct bce_set *set, u32 subvol, bool ro)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_subvolume_set_ro(c.w, subvol, ro));
}
EXPORT_SYMBOL_GPL(bce_subvolume_set_ro);

int bce_snapshots_cleaned(struct bce_set *set)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_snapshots_cleaned(c.w));
}
EXPORT_SYMBOL_GPL(bce_snapshots_cleaned);

int bce_quota_get(struct bce_set *set, unsigned int type, u32 id, struct bce_quota *out)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_quota_get(c.w, type, id, out));
}
EXPORT_SYMBOL_GPL(bce_quota_get);

int bce_quota_set(struct bce_set *set, unsigned int type, u32 id, const struct bce_quota *limits)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, names_quota_set(c.w, type, id, limits));
}
EXPORT_SYMBOL_GPL(bce_quota_set);

/* ---- durability ---- */

/*
 * The inode's key says which journal entry changed it last. Data writes that did not change the
 * inode are not told apart from later ones: what is open now is flushed then.
 */
int bce_sync_inode(struct bce_set *set, struct bce_file_id inode)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, bce_journal_flush(set->rw->journal));
}
EXPORT_SYMBOL_GPL(bce_sync_inode);

int bce_sync(struct bce_set *set)
{
	struct ops_call c;

	return ops_begin(set, &c) ?: ops_end(set, &c, bce_journal_flush(set->rw->journal));
}
EXPORT_SYMBOL_GPL(bce_sync);
