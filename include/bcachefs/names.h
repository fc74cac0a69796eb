/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_NAMES_H
#define BCACHEFS_NAMES_H

/*
 * Files by number and name. All calls read the set.
 *
 * Context of all: process, may sleep for I/O; memory is got without entering the file system, so
 * locks of the page cache may be held. Errors of all: -EIO unreadable metadata (logged with btree
 * and position), -ENOMEM, -ESHUTDOWN the set has not been started, or what its start ended with.
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

/**
 * bce_inode_read() - what is known of a file
 * Return: 0; -ENOENT no such inode visible in that subvolume, or the subvolume is not there.
 */
int bce_inode_read(struct bce_set *set, struct bce_file_id id, struct bce_inode *out);

/**
 * bce_dirent_lookup() - the file of a name in a directory
 * @name: @len bytes, no NUL needed
 * @out:  a subvolume's entry gives the child's subvolume and root inode
 *
 * Source: docs/format/60-filesystem-keys.md, section 9.
 * Return: 0; -ENOENT no such name.
 */
int bce_dirent_lookup(struct bce_set *set, const struct bce_inode *dir, const char *name,
		      unsigned int len, struct bce_file_id *out);

struct bce_dirent {
	const char		*name;
	unsigned int		len;
	u64			pos;	/* the entry's own cookie; go on at pos + 1 */
	u8			dt_type;	/* DT_* as readdir wants it */
	struct bce_file_id	target;
};
/**
 * bce_readdir() - names in a directory
 * @pos:  cookie to begin at; "." and ".." (0 and 1) are the caller's
 * @emit: returns false to stop. No lock is held while it runs; @d is valid during the call. Entries
 *        that lead nowhere are left out
 *
 * Return: 0, also when stopped. With an error, what could be read before it has been emitted.
 */
int bce_readdir(struct bce_set *set, const struct bce_inode *dir, u64 pos,
		bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx);

/**
 * bce_parent() - the directory that holds a directory, or a file with one link, by back reference
 * Return: 0; -ENOENT the root, or a file without one.
 */
int bce_parent(struct bce_set *set, const struct bce_inode *inode, struct bce_file_id *out);
/**
 * bce_name_of() - the name under which @child stands in @dir, NUL-terminated: for NFS reconnection
 * Return: 0; -ENOENT.
 */
int bce_name_of(struct bce_set *set, const struct bce_inode *dir, const struct bce_inode *child,
		char name[BCE_NAME_MAX + 1]);

/* x_type numbers of docs/format/60-filesystem-keys.md, section 11 */
enum bce_xattr_type {
	BCE_XATTR_USER, BCE_XATTR_ACL_ACCESS, BCE_XATTR_ACL_DEFAULT, BCE_XATTR_TRUSTED,
	BCE_XATTR_SECURITY,
};
/**
 * bce_xattr_get() - the value of an extended attribute, as it is stored (ACLs too)
 * @name: without its prefix, NUL-terminated
 * @size: bytes of @buf; 0 asks for the length alone
 * Return: length in bytes; -ENODATA no such attribute; -ERANGE @size is too small.
 */
int bce_xattr_get(struct bce_set *set, const struct bce_inode *inode, enum bce_xattr_type type,
		  const char *name, void *buf, size_t size);
/**
 * bce_xattr_list() - names of extended attributes
 * @emit: @name without its prefix, NUL-terminated, @len without the NUL; false stops. No lock is
 *        held while it runs
 * Return: 0, also when stopped.
 */
int bce_xattr_list(struct bce_set *set, const struct bce_inode *inode,
		   bool (*emit)(void *ctx, enum bce_xattr_type type, const char *name,
				unsigned int len), void *ctx);

extern const char *const bce_inode_opt_names[10];
/**
 * bce_inode_opt_text() - an option of an inode as text: "zstd:5", "ssd"
 * @opt:       index into bce_inode_opt_names
 * @effective: also what was inherited, not only what was set here
 * @size:      bytes of @buf with the NUL; 0 asks for the length alone
 *
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 4.
 * Return: length without the NUL; -ENODATA not set; -EINVAL no such option; -ERANGE.
 */
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
/* Return: 0; -ENOENT. */
int bce_subvolume_read(struct bce_set *set, u32 id, struct bce_subvolume *out);
/* the one with the lowest id above @id, but for those that are being deleted. Return: 0; -ENOENT */
int bce_subvolume_read_next(struct bce_set *set, u32 id, struct bce_subvolume *out);

/* without superblocks, journal and what allocations must leave free; sectors of 512 bytes */
struct bce_usage {
	u64	capacity_sectors;
	u64	used_sectors;
	u64	free_sectors;
	u64	nr_inodes;
};
/**
 * bce_set_usage() - how full the set is; capacity is that of read-write members that are there
 * Source: docs/format/80-accounting.md, section 6.
 */
int bce_set_usage(struct bce_set *set, struct bce_usage *out);

#endif
