// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/ops.h>: the calls of names/ that change something, with a set in front of them. Each
 * counts as a user of writing, so the end of writing waits for it.
 */
#include <bcachefs/ops.h>

#include <linux/export.h>

#include "engine/names/write.h"
#include "engine/set/rw.h"

int bce_create(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       const struct bce_create *what, struct bce_inode *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_create(&c.rw->names, dir, name, len, what, out));
}
EXPORT_SYMBOL_GPL(bce_create);

int bce_tmpfile(struct bce_set *set, struct bce_file_id dir, const struct bce_create *what,
		struct bce_inode *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_tmpfile(&c.rw->names, dir, what, out));
}
EXPORT_SYMBOL_GPL(bce_tmpfile);

int bce_link(struct bce_set *set, struct bce_file_id inode, struct bce_file_id dir,
	     const char *name, unsigned int len, struct bce_inode *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_link(&c.rw->names, inode, dir, name, len, out));
}
EXPORT_SYMBOL_GPL(bce_link);

int bce_unlink(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       bool rmdir, struct bce_inode *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_unlink(&c.rw->names, dir, name, len, rmdir, out));
}
EXPORT_SYMBOL_GPL(bce_unlink);

int bce_inode_release(struct bce_set *set, struct bce_file_id inode)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_inode_release(&c.rw->names, inode));
}
EXPORT_SYMBOL_GPL(bce_inode_release);

int bce_rename(struct bce_set *set, struct bce_file_id src_dir, const char *src_name,
	       unsigned int src_len, struct bce_file_id dst_dir, const char *dst_name,
	       unsigned int dst_len, unsigned int flags, const struct bce_creds *whiteout,
	       struct bce_inode *replaced)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_rename(&c.rw->names, src_dir, src_name, src_len, dst_dir,
					       dst_name, dst_len, flags, whiteout,
					       replaced));
}
EXPORT_SYMBOL_GPL(bce_rename);

int bce_setattr(struct bce_set *set, const struct bce_inode *attrs, unsigned int valid,
		struct bce_inode *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_setattr(&c.rw->names, attrs, valid, out));
}
EXPORT_SYMBOL_GPL(bce_setattr);

int bce_xattr_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		  const char *name, const void *value, size_t bytes, unsigned int flags)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_xattr_set(&c.rw->names, inode, type, name, value, bytes,
						  flags));
}
EXPORT_SYMBOL_GPL(bce_xattr_set);

int bce_acl_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		umode_t mode, const void *value, size_t bytes)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_acl_set(&c.rw->names, inode, type, mode, value, bytes));
}
EXPORT_SYMBOL_GPL(bce_acl_set);

int bce_inode_opts_inherit(struct bce_set *set, struct bce_file_id inode, struct bce_file_id dir, bool *changed)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_inode_opts_inherit(&c.rw->names, inode, dir, changed));
}
EXPORT_SYMBOL_GPL(bce_inode_opts_inherit);

int bce_inode_opt_set(struct bce_set *set, struct bce_file_id inode, unsigned int opt,
		      const char *text)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_inode_opt_set(&c.rw->names, inode, opt, text));
}
EXPORT_SYMBOL_GPL(bce_inode_opt_set);

int bce_subvolume_create(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len, u32 source_subvol, unsigned int flags,
			 const struct bce_create *what, struct bce_inode *out)
{
	struct change_call c;
	int ret = bce_change_begin(set, &c);

	if (ret)
		return ret;
	ret = names_subvolume_create(&c.rw->names, dir, name, len, source_subvol, flags, what, out);
	/* what a snapshot shows does not change any more */
	if (source_subvol)
		bce_data_shared(c.rw->data);
	return bce_change_end(&c, ret);
}
EXPORT_SYMBOL_GPL(bce_subvolume_create);

int bce_subvolume_delete(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_subvolume_delete(&c.rw->names, dir, name, len));
}
EXPORT_SYMBOL_GPL(bce_subvolume_delete);

int bce_subvolume_set_ro(struct bce_set *set, u32 subvol, bool ro)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_subvolume_set_ro(&c.rw->names, subvol, ro));
}
EXPORT_SYMBOL_GPL(bce_subvolume_set_ro);

int bce_snapshots_cleaned(struct bce_set *set)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_snapshots_cleaned(&c.rw->names));
}
EXPORT_SYMBOL_GPL(bce_snapshots_cleaned);

/* ---- durability ---- */

/*
 * Whatever changes a file, its contents too, writes its inode's key, which says in which journal
 * entry that was. Only up to there; nothing at all if others have had it flushed. A file that cannot be
 * read may still have been changed: then everything.
 */
static int sync_inode(struct set_rw *rw, struct bce_file_id inode)
{
	u64 seq;

	if (names_inode_journal_seq(&rw->names.src, inode, &seq))
		return bce_journal_flush(rw->journal);
	return bce_journal_flush_seq(rw->journal, seq);
}

int bce_sync_inode(struct bce_set *set, struct bce_file_id inode)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?: bce_change_end(&c, sync_inode(c.rw, inode));
}
EXPORT_SYMBOL_GPL(bce_sync_inode);

int bce_sync(struct bce_set *set)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?: bce_change_end(&c, bce_journal_flush(c.rw->journal));
}
EXPORT_SYMBOL_GPL(bce_sync);
