/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_NAMES_H
#define ENGINE_NAMES_NAMES_H

#include <bcachefs/names.h>

#include "engine/btree/iter.h"
#include "engine/key/inode.h"
#include "engine/names/snapshot.h"
#include "engine/sb/sb.h"
#include "engine/util/log.h"

/*
 * What names are read from. The calls below are those of <bcachefs/names.h>
 * with this in the place of the set; see there for meaning and errors.
 */
struct names_source {
	struct btrees			*btrees;
	const struct snapshot_table	*snapshots;
	const struct sb_info		*info;
	const struct bch_sb		*sb;
	const struct bch_sb		*options;	/* a header: options in effect; NULL: those of @sb */
	u64				members_present;	/* bit per member; for usage */
	struct bce_log			*log;
};

/* an option of the set by name; 0 where there is no superblock */
u64 names_sb_option(const struct names_source *src, const char *name);
/* the snapshot in which files of subvolume @id are read; -ENOENT */
int names_view(const struct names_source *src, u32 subvol, struct snapshot_view *view);

struct timespec64 names_time(const struct sb_info *info, s64 t);
/* and back: in time units */
s64 names_time_encode(const struct sb_info *info, struct timespec64 ts);
/* now, by the clock that the VFS takes times from: a finer one would be ahead of it */
s64 names_time_now(const struct sb_info *info);

/* the inode key seen through @view, decoded. -ENOENT, -EIO */
int names_inode_fields(const struct names_source *src, u64 inum, const struct snapshot_view *view,
		       struct inode_fields *out);
/* what users see of the stored fields */
void names_inode_present(const struct sb_info *info, struct bce_file_id id,
			 const struct inode_fields *f, struct bce_inode *out);
/* the journal entry that holds the last change of an inode: for fsync. 0, -ENOENT, -EIO */
int names_inode_journal_seq(const struct names_source *src, struct bce_file_id id, u64 *seq);
int names_inode_read(const struct names_source *src, struct bce_file_id id,
		     struct bce_inode *out);
int names_parent(const struct names_source *src, const struct bce_inode *inode,
		 struct bce_file_id *out);
int names_subvolume_read(const struct names_source *src, u32 id, struct bce_subvolume *out);
int names_subvolume_next(const struct names_source *src, u32 id, struct bce_subvolume *out);

int names_dirent_lookup(const struct names_source *src, const struct bce_inode *dir,
			const char *name, unsigned int len, struct bce_file_id *out);
int names_readdir(const struct names_source *src, const struct bce_inode *dir, u64 pos,
		  bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx);
int names_name_of(const struct names_source *src, const struct bce_inode *dir,
		  const struct bce_inode *child, char name[BCE_NAME_MAX + 1]);

int names_xattr_get(const struct names_source *src, const struct bce_inode *inode,
		    enum bce_xattr_type type, const char *name, void *buf, size_t size);
int names_xattr_list(const struct names_source *src, const struct bce_inode *inode,
		     bool (*emit)(void *ctx, enum bce_xattr_type type, const char *name,
				  unsigned int len), void *ctx);

int names_inode_opt_text(const struct names_source *src, const struct bce_inode *inode,
			 unsigned int opt, bool effective, char *buf, size_t size);

int names_nr_inodes(const struct names_source *src, u64 *nr);
int names_usage(const struct names_source *src, struct bce_usage *out);

#endif
