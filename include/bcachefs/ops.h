/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_OPS_H
#define BCACHEFS_OPS_H

/*
 * Changing names and attributes: each call is one transaction, done or not done after a crash
 * (docs/format/65-operations.md). Durable after bce_sync_inode() or bce_sync().
 *
 * Context of all: process, may sleep for I/O and journal space; no locks of the page cache's
 * that writeback takes. The caller serialises operations on one directory or inode as the VFS
 * does; the engine stays consistent if he does not. Errors of all: -EROFS the set or subvolume is
 * read-only, -ENOSPC, -EDQUOT, -EIO, -ENOMEM, -ENOENT the file or its subvolume is gone.
 */

#include <bcachefs/names.h>

struct bce_creds {
	u32	uid, gid;
};

/* an attribute that a new file begins with */
struct bce_xattr {
	u8			type;		/* enum bce_xattr_type */
	const char		*name;		/* without its prefix */
	const void		*value;
	u16			bytes;
};

struct bce_create {
	umode_t			mode;		/* with type; the umask is the caller's */
	u32			uid, gid;	/* setgid directories: the caller has applied that */
	u32			rdev_major, rdev_minor;
	const char		*symlink;	/* target, for S_IFLNK */
	/* ACLs as they are to be stored, or NULL (docs/format/60, section 11) */
	const void		*acl_access, *acl_default;
	u16			acl_access_bytes, acl_default_bytes;
	const struct bce_xattr	*xattrs;	/* others, labels of security modules */
	unsigned int		nr_xattrs;
};
/**
 * bce_create() - a new file, directory, device node, symlink under a name
 * Return: 0 and the inode in @out; -EEXIST; -ENAMETOOLONG; -EINVAL.
 */
int bce_create(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       const struct bce_create *what, struct bce_inode *out);
/* without a name: O_TMPFILE. It goes away with bce_inode_release() unless it is linked */
int bce_tmpfile(struct bce_set *set, struct bce_file_id dir, const struct bce_create *what,
		struct bce_inode *out);
/* Return: 0; -EEXIST, -EXDEV other subvolume or inherited options that differ, -EPERM directory, -EMLINK */
int bce_link(struct bce_set *set, struct bce_file_id inode, struct bce_file_id dir,
	     const char *name, unsigned int len, struct bce_inode *out);
/**
 * bce_unlink() - take a name away; @rmdir: of an empty directory (or empty subvolume's root)
 * @out: the inode as it is now; unlinked ones keep their data until bce_inode_release()
 * Return: 0; -ENOTEMPTY, -ENOTDIR, -EISDIR.
 */
int bce_unlink(struct bce_set *set, struct bce_file_id dir, const char *name, unsigned int len,
	       bool rmdir, struct bce_inode *out);
/* nobody has the unlinked inode open any more: data, attributes and inode are removed */
int bce_inode_release(struct bce_set *set, struct bce_file_id inode);

enum bce_rename_flags {
	BCE_RENAME_NOREPLACE = 1, BCE_RENAME_EXCHANGE = 2, BCE_RENAME_WHITEOUT = 4,
};
/*
 * @whiteout: whose the device left behind is; NULL: the moved file's owner's. @replaced: the inode that
 * lost its name (inum 0: none). Return: 0; -EEXIST, -ENOTEMPTY, -EXDEV, -EINVAL
 */
int bce_rename(struct bce_set *set, struct bce_file_id src_dir, const char *src_name,
	       unsigned int src_len, struct bce_file_id dst_dir, const char *dst_name,
	       unsigned int dst_len, unsigned int flags, const struct bce_creds *whiteout,
	       struct bce_inode *replaced);

enum bce_setattr_valid {
	BCE_ATTR_MODE = 1, BCE_ATTR_UID = 2, BCE_ATTR_GID = 4, BCE_ATTR_ATIME = 8,
	BCE_ATTR_MTIME = 16, BCE_ATTR_CTIME = 32, BCE_ATTR_FLAGS = 64, BCE_ATTR_PROJECT = 128,
	BCE_ATTR_BTIME = 256,	/* for restoring trees */
	/*
	 * ctime becomes the given one if that is later, and is not set to now: for times that were kept in memory,
	 * while others may have changed the inode
	 */
	BCE_ATTR_CTIME_LATER = 512,
};
/*
 * Sizes are changed by bce_truncate(). The project is one set explicitly, not inherited, if
 * @attrs->opts_explicit says so of option 2. Return: 0
 */
int bce_setattr(struct bce_set *set, const struct bce_inode *attrs, unsigned int valid,
		struct bce_inode *out);

enum bce_xattr_flags { BCE_XATTR_CREATE = 1, BCE_XATTR_REPLACE = 2 };
/* @value NULL: remove. Return: 0; -EEXIST, -ENODATA, -ERANGE name too long, -E2BIG value too long */
int bce_xattr_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		  const char *name, const void *value, size_t bytes, unsigned int flags);
/* the access ACL and the mode that goes with it, in one transaction; @value NULL: no ACL */
int bce_acl_set(struct bce_set *set, struct bce_file_id inode, enum bce_xattr_type type,
		umode_t mode, const void *value, size_t bytes);
/* by index into bce_inode_opt_names; @text NULL: inherit again. Return: 0; -EINVAL */
int bce_inode_opt_set(struct bce_set *set, struct bce_file_id inode, unsigned int opt,
		      const char *text);

/* options that were not set for the inode itself become those of its directory. Return: 0, and whether any changed */
int bce_inode_opts_inherit(struct bce_set *set, struct bce_file_id inode, struct bce_file_id dir, bool *changed);

/* ---- subvolumes ---- */

enum bce_subvolume_flags { BCE_SUBVOL_RO = 1 };
/*
 * @source_subvol 0: a new empty one, with a root directory as in @what; else a snapshot of it, and @what
 * is not looked at. Return: 0, the new root in @out; -EEXIST
 */
int bce_subvolume_create(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len, u32 source_subvol, unsigned int flags,
			 const struct bce_create *what, struct bce_inode *out);
/* its name goes now, its keys in the background. Return: 0; -ENOTEMPTY it has children; -EBUSY */
int bce_subvolume_delete(struct bce_set *set, struct bce_file_id dir, const char *name,
			 unsigned int len);
int bce_subvolume_set_ro(struct bce_set *set, u32 subvol, bool ro);
/* wait until the keys of deleted snapshots are gone */
int bce_snapshots_cleaned(struct bce_set *set);

/* ---- quota: types 0 user, 1 group, 2 project ---- */

struct bce_quota {
	u64	space_hard, space_soft, inodes_hard, inodes_soft;	/* limits; sectors, counts; 0 none */
	u64	space, inodes;						/* in use */
	s64	space_deadline, inodes_deadline;	/* seconds; of those above a soft limit, else 0 */
};
struct bce_quota_grace {
	u32	space_seconds, inodes_seconds;
};
int bce_quota_get(struct bce_set *set, unsigned int type, u32 id, struct bce_quota *out);
/* the first from *id on that has limits or usage. Return: 0; -ENOENT */
int bce_quota_next(struct bce_set *set, unsigned int type, u32 *id, struct bce_quota *out);
/* usage and deadlines in @limits are not looked at */
int bce_quota_set(struct bce_set *set, unsigned int type, u32 id, const struct bce_quota *limits);
/* how long a soft limit may be exceeded */
int bce_quota_grace_get(struct bce_set *set, unsigned int type, struct bce_quota_grace *out);
int bce_quota_grace_set(struct bce_set *set, unsigned int type, const struct bce_quota_grace *grace);

/* ---- durability ---- */
/* everything that changed the file is on stable storage */
int bce_sync_inode(struct bce_set *set, struct bce_file_id inode);
int bce_sync(struct bce_set *set);

#endif
