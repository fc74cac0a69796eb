// SPDX-License-Identifier: GPL-2.0
/* Out of a set to this machine. */
#include "tree_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl_xattr.h"
#include "file_io.h"
#include "interrupt.h"
#include "tree_copy_internal.h"

/* ---- attributes ---- */

struct get_xattr {
	struct tree_copy	*c;
	const struct bce_inode	*inode;
	const char		*local;
};

static const struct xattr_kind *kind_of(enum bce_xattr_type type)
{
	unsigned int i;

	for (i = 0; i < tree_nr_xattr_kinds; i++)
		if (tree_xattr_kinds[i].type == type)
			return &tree_xattr_kinds[i];
	return NULL;
}

/* Return: bytes of @value in the form this machine wants, -errno */
static int get_value(const struct get_xattr *g, const struct xattr_kind *kind, const char *name, void *value)
{
	static char stored[XATTR_BYTES_MAX];
	int bytes;

	if (!kind->is_acl)
		return bce_xattr_get(g->c->set, g->inode, kind->type, name, value, XATTR_BYTES_MAX);
	bytes = bce_xattr_get(g->c->set, g->inode, kind->type, name, stored, sizeof(stored));
	return bytes < 0 ? bytes : acl_from_stored(stored, bytes, value, XATTR_BYTES_MAX);
}

static bool get_xattr(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	static char value[XATTR_BYTES_MAX];
	struct get_xattr *g = ctx;
	const struct xattr_kind *kind = kind_of(type);
	char full[XATTR_NAME_MAX + 1];
	int bytes;

	if (!kind)
		return true;
	bytes = get_value(g, kind, name, value);
	snprintf(full, sizeof(full), "%s%s", kind->prefix, name);
	if (bytes < 0)
		tree_fail(g->c, g->local, full, bytes);
	else if (lsetxattr(g->local, full, value, bytes, 0))
		tree_fail(g->c, g->local, full, -errno);
	return true;
}

/* the owner first: a change of it takes capabilities and set-uid bits away */
static int get_attrs(struct tree_copy *c, const struct bce_inode *inode, const char *local)
{
	struct get_xattr g = { c, inode, local };
	struct timespec times[2] = {
		{ inode->atime.tv_sec, inode->atime.tv_nsec },
		{ inode->mtime.tv_sec, inode->mtime.tv_nsec },
	};
	int ret;

	/* who may not give files away keeps them, as with cp -a */
	if (lchown(local, inode->uid, inode->gid) && errno != EPERM)
		tree_fail(c, local, "owner", -errno);
	ret = bce_xattr_list(c->set, inode, get_xattr, &g);
	if (ret)
		tree_fail(c, local, "extended attributes", ret);
	if (!S_ISLNK(inode->mode) && chmod(local, inode->mode & 07777))
		tree_fail(c, local, "mode", -errno);
	if (utimensat(AT_FDCWD, local, times, AT_SYMLINK_NOFOLLOW))
		tree_fail(c, local, "times", -errno);
	return 0;
}

/* ---- contents ---- */

static int write_fully(int fd, const char *buf, size_t bytes)
{
	ssize_t n;

	for (; bytes; buf += n, bytes -= n) {
		n = write(fd, buf, bytes);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return -errno;
	}
	return 0;
}

static bool is_hole(const struct bce_extent *e)
{
	return e->kind == BCE_EXTENT_HOLE || e->kind == BCE_EXTENT_UNWRITTEN || e->kind == BCE_EXTENT_RESERVED;
}

static u64 bytes_up_to(const struct bce_inode *inode, u64 sector)
{
	return sector > inode->size / SECTOR_BYTES ? inode->size : sector * SECTOR_BYTES;
}

/*
 * The next stretch of data at or behind *at, which moves there: up to *end, at most one buffer of it. Both are the
 * file's size if there is none.
 */
static int next_data(struct tree_copy *c, const struct bce_inode *inode, u64 *at, u64 *end)
{
	struct bce_extent e;
	bool found = false;
	u64 pos = *at;
	int ret;

	while (pos < inode->size) {
		ret = bce_extent_at(c->set, inode->id, pos / SECTOR_BYTES, &e);
		if (ret)
			return ret;
		if (found && is_hole(&e))
			break;
		if (!found && !is_hole(&e)) {
			found = true;
			*at = pos;
		}
		pos = bytes_up_to(inode, e.end_sector);
		if (found && pos - *at >= FILE_IO_BYTES)
			break;
	}
	if (!found)
		*at = pos;
	*end = pos - *at > FILE_IO_BYTES ? *at + FILE_IO_BYTES : pos;
	return 0;
}

/* @sparse: skip what is no data, where the descriptor allows it */
static int get_contents(struct tree_copy *c, const struct bce_inode *inode, int fd, bool sparse)
{
	u64 at = 0, end;
	int ret = 0;

	for (; !ret && at < inode->size; at = end) {
		size_t bytes;

		end = inode->size - at > FILE_IO_BYTES ? at + FILE_IO_BYTES : inode->size;
		if (sparse) {
			ret = next_data(c, inode, &at, &end);
			if (!ret && lseek(fd, at, SEEK_SET) < 0)
				ret = -errno;
		}
		if (ret || at == end)
			continue;
		bytes = end - at;
		ret = file_read(c->set, inode->id, at / SECTOR_BYTES, c->buffer,
				(bytes + c->block_bytes - 1) / c->block_bytes * c->block_bytes);
		if (!ret)
			ret = write_fully(fd, c->buffer, bytes);
		c->bytes += bytes;
		tree_show(c, false);
		if (!ret && interrupted())
			ret = -EINTR;
	}
	return ret;
}

int tree_cat(struct tree_copy *c, const struct bce_inode *inode, int fd)
{
	return get_contents(c, inode, fd, false);
}

static int get_file(struct tree_copy *c, const struct bce_inode *inode, const char *local)
{
	int fd = open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), ret;

	if (fd < 0)
		return -errno;
	ret = get_contents(c, inode, fd, true);
	if (!ret && ftruncate(fd, inode->size))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int get_symlink(struct tree_copy *c, const struct bce_inode *inode, const char *local)
{
	size_t block = (inode->size + c->block_bytes) / c->block_bytes * c->block_bytes;
	int ret;

	if (block > FILE_IO_BYTES || inode->size >= PATH_MAX)
		return -ENAMETOOLONG;
	ret = file_read(c->set, inode->id, 0, c->buffer, block);
	if (ret)
		return ret;
	((char *)c->buffer)[inode->size] = '\0';
	unlink(local);
	return symlink(c->buffer, local) ? -errno : 0;
}

struct get_dir {
	struct tree_copy	*c;
	const char		*path, *local;
	int			ret;
};

static bool get_entry(void *ctx, const struct bce_dirent *d)
{
	struct get_dir *g = ctx;
	char *path = NULL, *local = NULL;
	struct bce_inode inode;
	int ret;

	if (asprintf(&path, "%s/%.*s", g->path, d->len, d->name) < 0 ||
	    asprintf(&local, "%s/%.*s", g->local, d->len, d->name) < 0) {
		free(path);
		g->ret = -ENOMEM;
		return false;
	}
	ret = bce_inode_read(g->c->set, d->target, &inode);
	if (ret)
		tree_fail(g->c, path, "read", ret);
	else
		g->ret = tree_get(g->c, &inode, path, local);
	free(path);
	free(local);
	return !g->ret;
}

static int get_dir(struct tree_copy *c, const struct bce_inode *inode, const char *path,
		   const char *local)
{
	struct get_dir g = { c, path, local, 0 };
	int ret;

	if (mkdir(local, 0700) && errno != EEXIST)
		return -errno;
	ret = bce_readdir(c->set, inode, 0, get_entry, &g);
	return ret ? ret : g.ret;
}

static int get_node(const struct bce_inode *inode, const char *local)
{
	unlink(local);
	return mknod(local, inode->mode, makedev(inode->rdev_major, inode->rdev_minor)) ?
		-errno : 0;
}

int tree_get(struct tree_copy *c, const struct bce_inode *inode, const char *path,
	     const char *local)
{
	bool many = inode->nlink > 1 && !S_ISDIR(inode->mode);
	struct linked *l = many ? tree_linked_find(c, inode->id.subvol, inode->id.inum) : NULL;
	int ret;

	if (l) {
		unlink(local);
		return tree_settle(c, path, "link", link(l->local, local) ? -errno : 0);
	}
	if (S_ISDIR(inode->mode) && !c->opts.recursive)
		return tree_fail(c, path, "is a directory (give -r to copy it)", -EISDIR);
	if (S_ISDIR(inode->mode))
		ret = get_dir(c, inode, path, local);
	else if (S_ISREG(inode->mode))
		ret = get_file(c, inode, local);
	else if (S_ISLNK(inode->mode))
		ret = get_symlink(c, inode, local);
	else
		ret = get_node(inode, local);
	if (ret)
		return tree_settle(c, path, "copy", ret);
	c->files++;
	if (many)
		tree_linked_add(c, inode->id.subvol, inode->id.inum, inode->id, local);
	return get_attrs(c, inode, local);
}
