// SPDX-License-Identifier: GPL-2.0
/* From this machine into a set. */
#include "tree_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl_xattr.h"
#include "cmd.h"
#include "file_io.h"
#include "interrupt.h"
#include "set_path.h"
#include "tree_copy_internal.h"

/* ---- before: how much it is ---- */

/* what a regular file counts for: its data, without holes */
static u64 weight_of(const struct stat *st)
{
	u64 stored = (u64)st->st_blocks * SECTOR_BYTES;

	return stored < (u64)st->st_size ? stored : (u64)st->st_size;
}

static bool seen_before(struct tree_copy *c, const struct stat *st)
{
	struct bce_file_id none = { };

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return false;
	if (tree_linked_find(c, st->st_dev, st->st_ino))
		return true;
	tree_linked_add(c, st->st_dev, st->st_ino, none, NULL);
	return false;
}

static int measure_one(struct tree_copy *c, const FTSENT *e, struct tree_counts *out)
{
	switch (e->fts_info) {
	case FTS_DNR: case FTS_NS: case FTS_ERR:
		return tree_fail(c, e->fts_path, "read", -e->fts_errno);
	case FTS_DP:
		return 0;
	}
	if (seen_before(c, e->fts_statp))
		return 0;
	out->files += e->fts_level > 0;
	if (!S_ISREG(e->fts_statp->st_mode))
		return 0;
	out->bytes += weight_of(e->fts_statp);
	return access(e->fts_accpath, R_OK) ? tree_fail(c, e->fts_path, "read", -errno) : 0;
}

int tree_measure(const char *local, bool silent,
		 bool (*unwanted)(void *ctx, const char *path, const struct stat *st), void *ctx,
		 struct tree_counts *out)
{
	struct tree_copy_opts opts = { .silent = silent };
	struct tree_copy *c = tree_copy_begin(NULL, &opts);
	char *paths[] = { (char *)local, NULL };
	FTS *fts = c ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
	unsigned long failed;
	FTSENT *e;
	int ret = fts ? 0 : -ENOMEM;

	*out = (struct tree_counts) { };
	for (errno = 0; !ret && (e = fts_read(fts)); errno = 0) {
		ret = measure_one(c, e, out);
		if (!ret && e->fts_info != FTS_DP && e->fts_statp && unwanted &&
		    unwanted(ctx, e->fts_path, e->fts_statp))
			ret = -EINVAL;
		if (interrupted())
			ret = -EINTR;
	}
	if (!ret && errno)
		ret = -errno;
	if (fts)
		fts_close(fts);
	failed = c ? tree_copy_end(c) : 0;
	return ret ? ret : failed ? -EIO : 0;
}

/* ---- attributes ---- */

static int put_acl(struct tree_copy *c, struct bce_file_id id, const struct stat *st, enum bce_xattr_type type,
		   const void *value, size_t bytes)
{
	static char stored[XATTR_BYTES_MAX];
	int ret = acl_to_stored(value, bytes, stored, sizeof(stored));

	return ret < 0 ? ret : bce_acl_set(c->set, id, type, st->st_mode, stored, ret);
}

static int put_xattr(struct tree_copy *c, const char *local, const char *name, struct bce_file_id id,
		     const struct stat *st)
{
	static char value[XATTR_BYTES_MAX];
	ssize_t bytes = lgetxattr(local, name, value, sizeof(value));
	unsigned int i;

	if (bytes < 0)
		return -errno;
	for (i = 0; i < tree_nr_xattr_kinds; i++) {
		const struct xattr_kind *kind = &tree_xattr_kinds[i];
		size_t len = strlen(kind->prefix);

		if (kind->is_acl && !strcmp(name, kind->prefix))
			return put_acl(c, id, st, kind->type, value, bytes);
		if (!kind->is_acl && !strncmp(name, kind->prefix, len))
			return bce_xattr_set(c->set, id, kind->type, name + len, value, bytes, 0);
	}
	return 0;	/* those that a file system makes up for itself mean nothing elsewhere */
}

static int put_xattrs(struct tree_copy *c, const char *local, struct bce_file_id id, const struct stat *st)
{
	static char names[XATTR_BYTES_MAX];
	ssize_t bytes = llistxattr(local, names, sizeof(names));
	char *name;
	int ret = 0;

	if (bytes < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return tree_fail(c, local, "extended attributes", -errno);
	for (name = names; !ret && bytes > 0 && name < names + bytes; name += strlen(name) + 1)
		ret = tree_settle(c, local, name, put_xattr(c, local, name, id, st));
	return ret;
}

static int put_attrs(struct tree_copy *c, const struct stat *st, struct bce_file_id id)
{
	struct bce_inode a = {
		.id = id, .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
		.atime = { st->st_atim.tv_sec, st->st_atim.tv_nsec },
		.mtime = { st->st_mtim.tv_sec, st->st_mtim.tv_nsec },
	}, out;

	return bce_setattr(c->set, &a, BCE_ATTR_MODE | BCE_ATTR_UID | BCE_ATTR_GID |
			   BCE_ATTR_ATIME | BCE_ATTR_MTIME, &out);
}

static int put_all_attrs(struct tree_copy *c, const char *local, const struct stat *st, struct bce_file_id id)
{
	int ret = put_xattrs(c, local, id, st);

	return ret ? ret : tree_settle(c, local, "attributes", put_attrs(c, st, id));
}

/* a directory that was there has an ACL of its own, which does not go with the new mode */
static int drop_acls(struct tree_copy *c, const struct bce_inode *dir)
{
	static const enum bce_xattr_type types[] = { BCE_XATTR_ACL_ACCESS, BCE_XATTR_ACL_DEFAULT };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 2 && !ret; i++) {
		ret = bce_xattr_get(c->set, dir, types[i], "", NULL, 0);
		if (ret > 0)
			ret = bce_acl_set(c->set, dir->id, types[i], dir->mode, NULL, 0);
		else if (ret == -ENODATA)
			ret = 0;
	}
	return ret;
}

/* ---- contents ---- */

/* @bytes of @c->buffer hold what lies at @at of the file */
static int put_piece(struct tree_copy *c, struct bce_file_id id, u64 at, size_t bytes)
{
	size_t whole = (bytes + c->block_bytes - 1) / c->block_bytes * c->block_bytes;
	int ret;

	memset((char *)c->buffer + bytes, 0, whole - bytes);
	ret = file_write(c->set, id, at / SECTOR_BYTES, c->buffer, whole, at + bytes);
	tree_file_bytes(c, bytes);
	return ret ? ret : interrupted() ? -EINTR : 0;
}

static ssize_t read_fully(int fd, void *buf, size_t bytes, off_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < bytes) {
		n = pread(fd, (char *)buf + done, bytes - done, at + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

/* [at, end) is data; whole blocks, but for the end of the file */
static int put_data(struct tree_copy *c, int fd, struct bce_file_id id, off_t at, off_t end)
{
	ssize_t n;
	int ret = 0;

	for (; !ret && at < end; at += n) {
		size_t bytes = end - at < FILE_IO_BYTES ? end - at : FILE_IO_BYTES;

		n = read_fully(fd, c->buffer, bytes, at);
		if (n <= 0)
			return n;	/* the file has become shorter */
		ret = put_piece(c, id, at, n);
	}
	return ret;
}

static int put_contents(struct tree_copy *c, int fd, struct bce_file_id id, off_t size)
{
	off_t at = 0, block = c->block_bytes;
	int ret = 0;

	while (!ret && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole = size;

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= 0) {	/* else there is no way to ask: all of it is data */
			at = data / block * block;
			hole = lseek(fd, data, SEEK_HOLE);
			hole = hole < 0 ? size : (hole + block - 1) / block * block;
		}
		ret = put_data(c, fd, id, at, hole < size ? hole : size);
		at = hole;
	}
	if (!ret && at < size) {
		struct bce_inode out;

		ret = bce_truncate(c->set, id, size, &out);
	}
	return ret;
}

static int put_file(struct tree_copy *c, const char *local, struct bce_file_id id, const struct stat *st)
{
	int fd = open(local, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	tree_file_begin(c, weight_of(st));
	ret = put_contents(c, fd, id, st->st_size);
	tree_file_end(c);
	close(fd);
	return ret;
}

static int put_create(struct tree_copy *c, const char *local, const struct stat *st,
		      const struct bce_inode *dir, const char *name, unsigned int len,
		      struct bce_inode *out)
{
	char target[PATH_MAX];
	struct bce_create what = {
		.mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
		.rdev_major = major(st->st_rdev), .rdev_minor = minor(st->st_rdev),
	};
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlink(local, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		what.symlink = target;
	}
	return bce_create(c->set, dir->id, name, len, &what, out);
}

/* an existing file of the name gives way, an existing directory takes the contents */
static int put_make(struct tree_copy *c, const char *local, const struct stat *st,
		    const struct bce_inode *dir, const char *name, unsigned int len,
		    struct bce_inode *out)
{
	struct bce_inode old;
	int ret = put_create(c, local, st, dir, name, len, out);

	if (ret != -EEXIST)
		return ret;
	ret = set_path_child(c->set, dir, name, len, &old);
	if (ret)
		return ret;
	if (S_ISDIR(old.mode)) {
		*out = old;
		return S_ISDIR(st->st_mode) ? 0 : -EISDIR;
	}
	if (S_ISDIR(st->st_mode))
		return -ENOTDIR;
	ret = bce_unlink(c->set, dir->id, name, len, false, &old);
	if (!ret && old.flags & BCE_INODE_UNLINKED)
		ret = bce_inode_release(c->set, old.id);
	return ret ? ret : put_create(c, local, st, dir, name, len, out);
}

static int put_link(struct tree_copy *c, const struct linked *l, const struct bce_inode *dir,
		    const char *name, unsigned int len)
{
	struct bce_inode out;

	return bce_link(c->set, l->there, dir->id, name, len, &out);
}

static int put_one(struct tree_copy *c, const char *local, const struct stat *st,
		   const struct bce_inode *dir, const char *name, unsigned int len)
{
	bool many = st->st_nlink > 1 && !S_ISDIR(st->st_mode);
	struct linked *l = many ? tree_linked_find(c, st->st_dev, st->st_ino) : NULL;
	struct bce_inode inode;
	int ret;

	if (l)
		return tree_settle(c, local, "link", put_link(c, l, dir, name, len));
	ret = put_make(c, local, st, dir, name, len, &inode);
	if (ret)
		return tree_settle(c, local, "create", ret);
	c->files++;
	if (many)
		tree_linked_add(c, st->st_dev, st->st_ino, inode.id, NULL);
	if (S_ISDIR(st->st_mode))
		return tree_put_contents(c, local, &inode);
	if (S_ISREG(st->st_mode))
		ret = tree_settle(c, local, "write", put_file(c, local, inode.id, st));
	tree_show(c, false);
	return ret ? ret : put_all_attrs(c, local, st, inode.id);
}

int tree_put(struct tree_copy *c, const char *local, const struct bce_inode *dir,
	     const char *name, unsigned int len)
{
	struct stat st;

	if (interrupted())
		return -EINTR;
	if (lstat(local, &st))
		return tree_fail(c, local, "stat", -errno);
	if (S_ISDIR(st.st_mode) && !c->opts.recursive)
		return tree_fail(c, local, "is a directory (give -r to copy it)", -EISDIR);
	return put_one(c, local, &st, dir, name, len);
}

static int put_entries(struct tree_copy *c, const char *local, DIR *d, const struct bce_inode *dir)
{
	struct dirent *e;
	int ret = 0;

	while (!ret && (errno = 0, e = readdir(d))) {
		char *path;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&path, "%s/%s", local, e->d_name) < 0)
			return -ENOMEM;
		ret = tree_put(c, path, dir, e->d_name, strlen(e->d_name));
		free(path);
	}
	return !ret && errno ? tree_fail(c, local, "read", -errno) : ret;
}

int tree_put_contents(struct tree_copy *c, const char *local, const struct bce_inode *dir)
{
	DIR *d = opendir(local);
	struct stat st;
	int ret;

	if (!d)
		return tree_fail(c, local, "open", -errno);
	ret = put_entries(c, local, d, dir);
	if (!ret && fstat(dirfd(d), &st)) {
		ret = tree_fail(c, local, "stat", -errno);
	} else if (!ret) {
		ret = tree_settle(c, local, "attributes", drop_acls(c, dir));
		ret = ret ? ret : put_all_attrs(c, local, &st, dir->id);
	}
	closedir(d);
	return ret;
}
