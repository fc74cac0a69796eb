/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_WRITE_H
#define ENGINE_NAMES_WRITE_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <bcachefs/ops.h>

#include "engine/btree/trans.h"
#include "engine/names/names.h"
#include "engine/names/quota.h"

/*
 * Changing names. The calls below are those of <bcachefs/ops.h> with this in the place of the set;
 * see there for meaning and errors, and docs/arch/names.md.
 */

/* what lies beside or above names; each may be NULL unless it is said otherwise */
struct names_write_ops {
	/* NULL: the kernel's clock and random numbers */
	u64 (*now_ns)(void *ctx);
	u64 (*random)(void *ctx);
	/*
	 * Remove all extents of the inode that @snapshot sees, in transactions of its own; bi_sectors
	 * of the version at @snapshot follows. Quotas are names' business here. NULL: no data.
	 */
	int (*data_remove)(void *ctx, u64 inum, u32 snapshot);
	/*
	 * The same as part of @t, which takes the inode itself away, too, so bi_sectors stays. -E2BIG: there is too
	 * much of it, and @t must not be committed. NULL: always
	 */
	int (*data_remove_in)(void *ctx, struct bce_trans *t, u64 inum, u32 snapshot);
	/* contents of a new file, from offset 0; its size is @bytes afterwards. NULL: -EOPNOTSUPP */
	int (*data_write)(void *ctx, struct bce_file_id file, const void *data, size_t bytes);
	/* everything committed so far becomes durable. NULL: it need not */
	int (*flush)(void *ctx);
	/* superblock features that keys about to be written need */
	int (*set_features)(void *ctx, u64 features);
	/* index of the member that a text like "/dev/sdb" names, for targets; -ENODEV */
	int (*member_by_name)(void *ctx, const char *text);
	/* somebody has this inode open, through whatever subvolume */
	bool (*inode_in_use)(void *ctx, u64 inum);
};

struct names_writer {
	/* set by the caller before bce_names_writer_init() */
	struct names_source		src;
	struct snapshot_table		*snapshots;	/* the same as src.snapshots */
	const struct names_write_ops	*ops;
	void				*ctx;
	unsigned int			quota_types;	/* bit per type that is counted */

	/* private */
	struct quota_table		*quota;		/* NULL: none is enabled */
	spinlock_t			inum_lock;	/* the next two */
	u64				inum_next;	/* 0: not known yet */
	bool				inum_wrapped;	/* numbers may be in use from here on */
	u32				subvol_last;	/* the highest id given out; table's lock */
	struct workqueue_struct		*clean_wq;
	struct work_struct		clean_work;
	struct mutex			clean_lock;	/* cleaning: without it keys may be on their way down */
	int				clean_error;
	bool				stopping;
};

/* Return: 0, -ENOMEM */
int bce_names_writer_init(struct names_writer *w);
/* transactions can be committed: usage of quotas, leftovers of deletions. 0 or negative errno */
int bce_names_writer_start(struct names_writer *w);
/* no work in the background until unpause, while nobody changes anything */
void bce_names_writer_pause(struct names_writer *w);
void bce_names_writer_unpause(struct names_writer *w);
/* nobody calls any more; waits for background work to reach a safe point */
void bce_names_writer_exit(struct names_writer *w);

int names_create(struct names_writer *w, struct bce_file_id dir, const char *name,
		 unsigned int len, const struct bce_create *what, struct bce_inode *out);
int names_tmpfile(struct names_writer *w, struct bce_file_id dir, const struct bce_create *what,
		  struct bce_inode *out);
int names_link(struct names_writer *w, struct bce_file_id inode, struct bce_file_id dir,
	       const char *name, unsigned int len, struct bce_inode *out);
int names_unlink(struct names_writer *w, struct bce_file_id dir, const char *name,
		 unsigned int len, bool rmdir, struct bce_inode *out);
int names_inode_release(struct names_writer *w, struct bce_file_id inode);
int names_rename(struct names_writer *w, struct bce_file_id src_dir, const char *src_name,
		 unsigned int src_len, struct bce_file_id dst_dir, const char *dst_name,
		 unsigned int dst_len, unsigned int flags, const struct bce_creds *whiteout,
		 struct bce_inode *replaced);
int names_setattr(struct names_writer *w, const struct bce_inode *attrs, unsigned int valid,
		  struct bce_inode *out);
int names_xattr_set(struct names_writer *w, struct bce_file_id inode, enum bce_xattr_type type,
		    const char *name, const void *value, size_t bytes, unsigned int flags);
int names_acl_set(struct names_writer *w, struct bce_file_id inode, enum bce_xattr_type type,
		  umode_t mode, const void *value, size_t bytes);
int names_inode_opt_set(struct names_writer *w, struct bce_file_id inode, unsigned int opt,
			const char *text);

int names_inode_opts_inherit(struct names_writer *w, struct bce_file_id inode, struct bce_file_id dir, bool *changed);
/* the whole set is marked to be looked at: options of background movement have changed. Return: 0 */
int names_rebalance_all(struct names_writer *w);

int names_subvolume_create(struct names_writer *w, struct bce_file_id dir, const char *name,
			   unsigned int len, u32 source_subvol, unsigned int flags,
			   const struct bce_create *what, struct bce_inode *out);
int names_subvolume_delete(struct names_writer *w, struct bce_file_id dir, const char *name,
			   unsigned int len);
int names_subvolume_set_ro(struct names_writer *w, u32 subvol, bool ro);
/* wait until what was deleted until now is cleaned up. Return: 0, or why it could not be */
int names_snapshots_cleaned(struct names_writer *w);

int names_quota_get(struct names_writer *w, unsigned int type, u32 id, struct bce_quota *out);
int names_quota_next(struct names_writer *w, unsigned int type, u32 *id, struct bce_quota *out);
int names_quota_set(struct names_writer *w, unsigned int type, u32 id,
		    const struct bce_quota *limits);

/*
 * The root directory of a new file system: snapshot tree, snapshot, subvolume 1, inode 4096
 * (docs/format/60-filesystem-keys.md, section 17), and lost+found in it. The table is read afterwards.
 */
int bce_names_make_root(struct btrees *b, const struct sb_info *info, const struct bch_sb *sb,
			u64 now_ns, u32 uid, u32 gid);

#endif
