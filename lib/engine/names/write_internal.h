/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_WRITE_INTERNAL_H
#define ENGINE_NAMES_WRITE_INTERNAL_H

#include "engine/key/values_write.h"
#include "engine/names/hash_table.h"
#include "engine/names/inode_trans.h"
#include "engine/names/write.h"

/* a change of quotas, to be undone if the commit fails */
struct quota_change {
	struct quota_owner	from, to;
	bool			has_from;	/* else something new */
	s64			sectors, inodes;
};
#define QUOTA_CHANGES_MAX	4

/* one operation on names */
struct names_tx {
	struct bce_trans	*t;
	struct names_writer	*w;
	s64			now;		/* in the set's time units */
	struct quota_change	quota[QUOTA_CHANGES_MAX];
	unsigned int		nr_quota;
};

/*
 * Run @fn and commit, until it has worked or failed; each time from the beginning. Memory is got
 * without entering the file system.
 */
int names_run(struct names_writer *w, int (*fn)(struct names_tx *tx, void *ctx), void *ctx);

/* charge what this transaction adds or moves; undone if it is not committed */
int names_tx_charge(struct names_tx *tx, const struct inode_fields *f, s64 inodes);
int names_tx_charge_move(struct names_tx *tx, const struct inode_fields *old,
			 const struct inode_fields *new);

u64 names_random(struct names_writer *w);

/* ---- an inode that is read, and perhaps changed, through a subvolume ---- */

struct names_inode {
	struct bce_file_id	id;
	struct subvolume_info	subvol;
	struct snapshot_view	view;
	struct inode_fields	f;
};

/* for changing: -EROFS in a read-only subvolume */
int names_inode_get(struct names_tx *tx, struct bce_file_id id, struct names_inode *out);
/* reading only, and changing what a subvolume's name brings with it: read-only ones too */
int names_inode_get_ro(struct names_tx *tx, struct bce_file_id id, struct names_inode *out);
/* a directory in which names are to be changed: -ENOTDIR; -ENOENT it has been removed */
int names_dir_get(struct names_tx *tx, struct bce_file_id id, struct names_inode *out);
int names_inode_put(struct names_tx *tx, struct names_inode *i);
/* mtime and ctime */
void names_touch(struct names_tx *tx, struct names_inode *i);

/*
 * A new inode in @snapshot, number, times and hash seed filled in, with the options of @dir (NULL:
 * none). Not written yet.
 */
int names_inode_new(struct names_tx *tx, u32 snapshot, const struct bce_create *what,
		    const struct inode_fields *dir, struct inode_fields *out);

static inline bool names_is_unlinked(const struct inode_fields *f)
{
	return f->flags & (1U << INODE_FLAG_unlinked);
}

/* one link more, or less; the back reference is the caller's */
int names_nlink_inc(struct inode_fields *f);
void names_nlink_dec(struct names_tx *tx, struct inode_fields *f);

/* ---- options ---- */

/* would a file with these, under directory @dir, have others? explicitly set ones stay */
bool names_opts_differ(const struct inode_fields *f, const struct inode_fields *dir);
/* take them over. Return: whether any changed */
bool names_opts_inherit(struct inode_fields *f, const struct inode_fields *dir);
u64 names_opt_get(const struct inode_fields *f, unsigned int opt);
void names_opt_put(struct inode_fields *f, unsigned int opt, u64 stored);

/* ---- directory entries ---- */

/* an entry found, or the place for one */
struct names_entry {
	struct hash_place	place;
	struct dirent_info	d;		/* if place.found */
};

/* -EINVAL, -ENAMETOOLONG for names that cannot be stored */
int names_name_check(const char *name, unsigned int len);
/* Return: 0 whether it is there or not; negative errno */
int names_entry_find(struct names_tx *tx, const struct names_inode *dir, const char *name,
		     unsigned int len, struct names_entry *out);
/* what an entry leads to: a new one's contents but for the name */
struct dirent_info names_target(const struct inode_fields *f, u32 child_subvol, u32 parent_subvol);
/* into the free place @e, or over the entry in it */
int names_entry_put(struct names_tx *tx, const struct names_inode *dir,
		    const struct names_entry *e, const struct dirent_info *target,
		    const char *name, unsigned int len);
int names_entry_remove(struct names_tx *tx, const struct names_inode *dir,
		       const struct names_entry *e);
/* Return: 0; -ENOTEMPTY an entry shows through @subvol */
int names_dir_check_empty(struct names_tx *tx, u64 inum, u32 subvol,
			  const struct snapshot_view *view);

/* ---- attributes ---- */

/* @value NULL: remove. Return as bce_xattr_set() */
int names_xattr_put(struct names_tx *tx, const struct inode_fields *f,
		    const struct snapshot_view *view, u8 type, const char *name,
		    const void *value, size_t bytes, unsigned int flags);
/* ACLs and other attributes of a new file. -ERANGE, -E2BIG */
int names_new_xattrs_put(struct names_tx *tx, const struct inode_fields *f,
			 const struct snapshot_view *view, const struct bce_create *what);

/* ---- subvolumes ---- */

/* after a commit: the table's copy of a subvolume as it is now; a failure leaves the old one */
void names_subvol_refresh(struct names_writer *w, u32 id);
int names_subvol_put(struct names_tx *tx, const struct subvolume_info *s);
/* a subvolume's root has another name, or is @gone: its older versions follow */
int names_root_versions(struct names_tx *tx, const struct names_inode *root, bool gone);
/* the entry @e in @dir, of a subvolume, goes, and with it the subvolume; @empty: only if empty */
int names_subvol_unlink(struct names_tx *tx, struct names_inode *dir, const struct names_entry *e,
			bool empty, struct names_inode *root);
/* what is left to be done once that is committed; failures are left to the background */
void names_subvol_unlinked(struct names_writer *w, u32 id);
/* a subvolume that is flagged as unlinked: its key goes, its node is flagged. 0 or negative errno */
int names_subvol_finish_delete(struct names_writer *w, u32 id);
void names_clean_work(struct work_struct *work);
/* all that is to be cleaned now; under clean_lock. 0, or why there is something left: -EINTR, -EIO ... */
int names_clean_all(struct names_writer *w);

/* remove the inode's version at exactly @snapshot, unlinked and with nothing below */
int names_version_delete(struct names_writer *w, u64 inum, u32 snapshot);
/* everything in deleted_inodes */
int names_delete_leftovers(struct names_writer *w);

#endif
