/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_NAMES_H
#define BCACHEFS_NAMES_H

/*
 * Files by number and name. All calls read the set; a set must have been
 * started. Context: process, may sleep for I/O. Errors everywhere: -EIO
 * unreadable metadata (logged with btree and position), -ENOMEM.
 */

#include <linux/time64.h>
#include <linux/types.h>

struct bce_set;

#define BCE_ROOT_SUBVOL		1
#define BCE_NAME_MAX		512

/* a file: the subvolume it is reached through, and its number */
struct bce_file_id {
	u32	subvol;
	u64	inum;
};

enum bce_inode_flag {
	BCE_INODE_SYNC			= 1 << 0,
	BCE_INODE_IMMUTABLE		= 1 << 1,
	BCE_INODE_APPEND		= 1 << 2,
	BCE_INODE_NODUMP		= 1 << 3,
	BCE_INODE_NOATIME		= 1 << 4,
	BCE_INODE_UNLINKED		= 1 << 7,
};

struct bce_inode {
	struct bce_file_id	id;
	u32			snapshot;	/* the version's own */
	umode_t			mode;
	u32			flags;		/* enum bce_inode_flag */
	u32			uid, gid;
	u32			nlink;		/* real count */
	u32			generation;
	u32			rdev_major, rdev_minor;
	u64			size;		/* bytes */
	u64			sectors;
	struct timespec64	atime, mtime, ctime, btime;
	u32			project;	/* id; 0 none */
	u32			root_of_subvol;	/* this directory is that subvolume's root; else 0 */
	u64			parent_inum;	/* back reference; 0 unknown */
	u32			parent_subvol;
	/* for lookups in it */
	u64			hash_seed;
	u8			hash_type;
	/* options, value + 1; 0 inherits (docs/format/10-superblock.md, section 5) */
	u16			opt[10];
	u16			opts_explicit;
};

/* -ENOENT no such inode visible in that subvolume, or the subvolume is not there */
int bce_inode_read(struct bce_set *set, struct bce_file_id id, struct bce_inode *out);

/* -ENOENT. A subvolume's dirent gives the child's subvolume and root inode. */
int bce_dirent_lookup(struct bce_set *set, const struct bce_inode *dir, const char *name,
		      unsigned int len, struct bce_file_id *out);

struct bce_dirent {
	const char		*name;
	unsigned int		len;
	u64			pos;	/* the entry's own cookie; go on at pos + 1 */
	u8			dt_type;	/* DT_* as readdir wants it */
	struct bce_file_id	target;
};
/*
 * Entries from cookie @pos on (>= 2; "." and ".." are the caller's). @emit returns false to stop.
 * No lock is held while @emit runs; @d->name is valid during the call.
 */
int bce_readdir(struct bce_set *set, const struct bce_inode *dir, u64 pos,
		bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx);

/* the directory that holds a directory or a file with one link, by back reference; -ENOENT */
int bce_parent(struct bce_set *set, const struct bce_inode *inode, struct bce_file_id *out);
/* the name under which @child stands in @dir: for NFS reconnection. -ENOENT */
int bce_name_of(struct bce_set *set, const struct bce_inode *dir, const struct bce_inode *child,
		char name[BCE_NAME_MAX + 1]);

/* x_type numbers of docs/format/60-filesystem-keys.md, section 11 */
enum bce_xattr_type {
	BCE_XATTR_USER, BCE_XATTR_ACL_ACCESS, BCE_XATTR_ACL_DEFAULT, BCE_XATTR_TRUSTED,
	BCE_XATTR_SECURITY,
};
/* length, or copied length; -ENODATA, -ERANGE. @size 0 asks for the length */
int bce_xattr_get(struct bce_set *set, const struct bce_inode *inode, enum bce_xattr_type type,
		  const char *name, void *buf, size_t size);
int bce_xattr_list(struct bce_set *set, const struct bce_inode *inode,
		   bool (*emit)(void *ctx, enum bce_xattr_type type, const char *name,
				unsigned int len), void *ctx);

/*
 * Inode options as text ("zstd:5", "ssd"), NUL-terminated. Return: length without the NUL; @size 0
 * asks for it alone; -ENODATA not set; -EINVAL no such option; -ERANGE. index 0..9
 */
extern const char *const bce_inode_opt_names[10];
int bce_inode_opt_text(struct bce_set *set, const struct bce_inode *inode, unsigned int opt,
		       bool effective, char *buf, size_t size);

struct bce_subvolume {
	u32			id;
	u32			snapshot;
	bool			read_only;
	bool			is_snapshot;
	u64			root_inum;
	u32			creation_parent;
	u32			path_parent;
	struct timespec64	otime;
};
int bce_subvolume_read(struct bce_set *set, u32 id, struct bce_subvolume *out);

struct bce_usage {
	u64	capacity_sectors;
	u64	used_sectors;
	u64	free_sectors;
	u64	nr_inodes;
};
int bce_set_usage(struct bce_set *set, struct bce_usage *out);

#endif
