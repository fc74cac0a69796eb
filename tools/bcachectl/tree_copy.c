// SPDX-License-Identifier: GPL-2.0
/*
 * Copying trees in and out of a set.
 *
 * What goes wrong with one file is said and counted, and the rest goes on, as with cp(1). A file that
 * has several names on this side is copied once: a table of (device, number) of those already
 * copied gives the file on the other side, which then gets another name.
 *
 * Attributes of a directory come last, when its contents no longer change its times.
 */
#include "tree_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "file_io.h"
#include "json_out.h"
#include "set_path.h"

#define XATTR_BYTES_MAX	65536
#define SECTOR_BYTES	512

/* a file that has been copied and has more names */
struct linked {
	u64	dev, number;
	struct bce_file_id there;	/* in the set */
	char	*local;			/* or here */
};

struct tree_copy {
	struct bce_set		*set;
	struct tree_copy_opts	opts;
	u32			block_bytes;
	void			*buffer;
	void			*links;		/* tsearch() tree of struct linked */
	unsigned long		failed, files;
	u64			bytes;
	struct timespec		start, shown;
};

/* ---- progress ---- */

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return to->tv_sec - from->tv_sec + (to->tv_nsec - from->tv_nsec) / 1e9;
}

static void show(struct tree_copy *c, bool last)
{
	struct timespec now;
	double elapsed;

	if (!c->opts.progress && !c->opts.progress_json)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!last && seconds_between(&c->shown, &now) < 0.1)
		return;
	c->shown = now;
	elapsed = seconds_between(&c->start, &now);
	if (c->opts.progress_json)
		fprintf(stderr, "{\"files\":%lu,\"bytes\":%ju}\n", c->files, (uintmax_t)c->bytes);
	else
		fprintf(stderr, "\r%lu files, %.1f MiB, %.1f MiB/s   %s", c->files,
			c->bytes / 1048576.0, elapsed > 0 ? c->bytes / 1048576.0 / elapsed : 0,
			last ? "\n" : "");
}

static int fail(struct tree_copy *c, const char *path, const char *what, int error)
{
	complain("%s: %s: %s", path, what, strerror(-error));
	c->failed++;
	return 0;
}

/* errors after which the rest would fail too */
static bool is_fatal(int error)
{
	return error == -ENOSPC || error == -EROFS || error == -ENOMEM || error == -EDQUOT;
}

static int settle(struct tree_copy *c, const char *path, const char *what, int error)
{
	if (!error)
		return 0;
	fail(c, path, what, error);
	return is_fatal(error) ? error : 0;
}

/* ---- begin and end ---- */

static void linked_free(void *p)
{
	struct linked *l = p;

	free(l->local);
	free(l);
}

struct tree_copy *tree_copy_begin(struct bce_set *set, const struct tree_copy_opts *opts)
{
	struct tree_copy *c = calloc(1, sizeof(*c));
	struct bce_set_info info;

	if (!c)
		return NULL;
	bce_set_info(set, &info);
	c->set = set;
	c->opts = *opts;
	c->block_bytes = info.block_bytes;
	c->buffer = file_io_buffer();
	clock_gettime(CLOCK_MONOTONIC, &c->start);
	if (!c->buffer) {
		free(c);
		return NULL;
	}
	return c;
}

unsigned long tree_copy_end(struct tree_copy *c)
{
	unsigned long failed = c->failed;

	show(c, true);
	tdestroy(c->links, linked_free);
	free(c->buffer);
	free(c);
	return failed;
}

/* ---- several names of one file ---- */

static int linked_cmp(const void *a, const void *b)
{
	const struct linked *l = a, *r = b;

	if (l->dev != r->dev)
		return l->dev < r->dev ? -1 : 1;
	return l->number < r->number ? -1 : l->number > r->number;
}

static struct linked *linked_find(struct tree_copy *c, u64 dev, u64 number)
{
	struct linked key = { .dev = dev, .number = number };
	struct linked **found = tfind(&key, &c->links, linked_cmp);

	return found ? *found : NULL;
}

/* without memory the next name becomes a copy */
static void linked_add(struct tree_copy *c, u64 dev, u64 number, struct bce_file_id there,
		       const char *local)
{
	struct linked *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	*l = (struct linked) { .dev = dev, .number = number, .there = there };
	l->local = local ? strdup(local) : NULL;
	if ((local && !l->local) || !tsearch(l, &c->links, linked_cmp))
		linked_free(l);
}

/* ---- into the set ---- */

static const struct { const char *prefix; enum bce_xattr_type type; } xattr_kinds[] = {
	{ "user.", BCE_XATTR_USER },
	{ "trusted.", BCE_XATTR_TRUSTED },
	{ "security.", BCE_XATTR_SECURITY },
};
#define NR_XATTR_KINDS	(sizeof(xattr_kinds) / sizeof(xattr_kinds[0]))

static int put_xattr(struct tree_copy *c, const char *local, const char *name,
		     struct bce_file_id id)
{
	static char value[XATTR_BYTES_MAX];
	ssize_t bytes = lgetxattr(local, name, value, sizeof(value));
	unsigned int i;

	if (bytes < 0)
		return -errno;
	for (i = 0; i < NR_XATTR_KINDS; i++) {
		size_t len = strlen(xattr_kinds[i].prefix);

		if (!strncmp(name, xattr_kinds[i].prefix, len))
			return bce_xattr_set(c->set, id, xattr_kinds[i].type, name + len, value,
					     bytes, 0);
	}
	return 0;	/* system.*: ACLs have their own way, others mean nothing elsewhere */
}

static int put_xattrs(struct tree_copy *c, const char *local, struct bce_file_id id)
{
	static char names[XATTR_BYTES_MAX];
	ssize_t bytes = llistxattr(local, names, sizeof(names));
	char *name;
	int ret = 0;

	for (name = names; !ret && bytes > 0 && name < names + bytes; name += strlen(name) + 1)
		ret = settle(c, local, name, put_xattr(c, local, name, id));
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

/* @bytes of @c->buffer hold what lies at @at of the file */
static int put_piece(struct tree_copy *c, struct bce_file_id id, u64 at, size_t bytes)
{
	size_t whole = (bytes + c->block_bytes - 1) / c->block_bytes * c->block_bytes;
	int ret;

	memset((char *)c->buffer + bytes, 0, whole - bytes);
	ret = file_write(c->set, id, at / SECTOR_BYTES, c->buffer, whole, at + bytes);
	c->bytes += bytes;
	show(c, false);
	return ret;
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

static int put_contents(struct tree_copy *c, int fd, struct bce_file_id id, off_t size)
{
	off_t at = 0, hole;
	ssize_t n;
	int ret = 0;

	while (!ret && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= 0) {
			at = data / c->block_bytes * c->block_bytes;
			hole = lseek(fd, data, SEEK_HOLE);
		} else {
			hole = size;	/* no way to ask: all of it is data */
		}
		for (; !ret && at < hole; at += n) {
			n = read_fully(fd, c->buffer, FILE_IO_BYTES, at);
			if (n <= 0)
				return n;
			ret = put_piece(c, id, at, n);
		}
	}
	if (!ret && at < size) {
		struct bce_inode out;

		ret = bce_truncate(c->set, id, size, &out);
	}
	return ret;
}

static int put_file(struct tree_copy *c, const char *local, struct bce_file_id id,
		    const struct stat *st)
{
	int fd = open(local, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = put_contents(c, fd, id, st->st_size);
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
	struct linked *l = many ? linked_find(c, st->st_dev, st->st_ino) : NULL;
	struct bce_inode inode;
	int ret;

	if (l)
		return settle(c, local, "link", put_link(c, l, dir, name, len));
	ret = put_make(c, local, st, dir, name, len, &inode);
	if (ret)
		return settle(c, local, "create", ret);
	c->files++;
	if (many)
		linked_add(c, st->st_dev, st->st_ino, inode.id, NULL);
	if (S_ISDIR(st->st_mode))
		return tree_put_contents(c, local, &inode);
	if (S_ISREG(st->st_mode))
		ret = settle(c, local, "write", put_file(c, local, inode.id, st));
	if (!ret)
		ret = put_xattrs(c, local, inode.id);
	show(c, false);
	return ret ? ret : settle(c, local, "attributes", put_attrs(c, st, inode.id));
}

int tree_put(struct tree_copy *c, const char *local, const struct bce_inode *dir,
	     const char *name, unsigned int len)
{
	struct stat st;

	if (lstat(local, &st))
		return fail(c, local, "stat", -errno);
	if (S_ISDIR(st.st_mode) && !c->opts.recursive)
		return fail(c, local, "is a directory (give -r to copy it)", -EISDIR);
	return put_one(c, local, &st, dir, name, len);
}

int tree_put_contents(struct tree_copy *c, const char *local, const struct bce_inode *dir)
{
	DIR *d = opendir(local);
	struct dirent *e;
	struct stat st;
	int ret = 0;

	if (!d)
		return fail(c, local, "open", -errno);
	while (!ret && (e = readdir(d))) {
		char *path;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&path, "%s/%s", local, e->d_name) < 0) {
			ret = -ENOMEM;
			break;
		}
		ret = tree_put(c, path, dir, e->d_name, strlen(e->d_name));
		free(path);
	}
	if (!ret && fstat(dirfd(d), &st))
		ret = fail(c, local, "stat", -errno);
	else if (!ret)
		ret = put_xattrs(c, local, dir->id);
	if (!ret)
		ret = settle(c, local, "attributes", put_attrs(c, &st, dir->id));
	closedir(d);
	return ret;
}

/* ---- out of the set ---- */

struct get_xattr {
	struct tree_copy	*c;
	const struct bce_inode	*inode;
	const char		*local;
};

static bool get_xattr(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	static char value[XATTR_BYTES_MAX];
	struct get_xattr *g = ctx;
	char full[XATTR_NAME_MAX + 1];
	unsigned int i;
	int bytes;

	for (i = 0; i < NR_XATTR_KINDS && xattr_kinds[i].type != type; i++)
		;
	if (i == NR_XATTR_KINDS)
		return true;	/* ACLs: by mode */
	bytes = bce_xattr_get(g->c->set, g->inode, type, name, value, sizeof(value));
	snprintf(full, sizeof(full), "%s%s", xattr_kinds[i].prefix, name);
	if (bytes < 0)
		fail(g->c, g->local, full, bytes);
	else if (lsetxattr(g->local, full, value, bytes, 0))
		fail(g->c, g->local, full, -errno);
	return true;
}

static int get_attrs(struct tree_copy *c, const struct bce_inode *inode, const char *local)
{
	struct get_xattr g = { c, inode, local };
	struct timespec times[2] = {
		{ inode->atime.tv_sec, inode->atime.tv_nsec },
		{ inode->mtime.tv_sec, inode->mtime.tv_nsec },
	};
	int ret = bce_xattr_list(c->set, inode, get_xattr, &g);

	if (ret)
		fail(c, local, "extended attributes", ret);
	/* who may not give files away keeps them, as with cp -a */
	if (lchown(local, inode->uid, inode->gid) && errno != EPERM)
		fail(c, local, "owner", -errno);
	if (!S_ISLNK(inode->mode) && chmod(local, inode->mode & 07777))
		fail(c, local, "mode", -errno);
	if (utimensat(AT_FDCWD, local, times, AT_SYMLINK_NOFOLLOW))
		fail(c, local, "times", -errno);
	return 0;
}

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

/* @sparse: skip what is no data, where the descriptor allows it */
static int get_contents(struct tree_copy *c, const struct bce_inode *inode, int fd, bool sparse)
{
	u64 at = 0;
	int ret = 0;

	while (!ret && at < inode->size) {
		size_t bytes = FILE_IO_BYTES - at % FILE_IO_BYTES;
		struct bce_extent e;

		if (sparse) {
			ret = bce_extent_at(c->set, inode->id, at / SECTOR_BYTES, &e);
			if (ret)
				break;
			if (e.kind == BCE_EXTENT_HOLE) {
				at = e.end_sector >= inode->size / SECTOR_BYTES + 1 ? inode->size :
					e.end_sector * SECTOR_BYTES;
				if (lseek(fd, at, SEEK_SET) < 0)
					ret = -errno;
				continue;
			}
		}
		ret = file_read(c->set, inode->id, at / SECTOR_BYTES, c->buffer,
				(bytes + c->block_bytes - 1) / c->block_bytes * c->block_bytes);
		if (bytes > inode->size - at)
			bytes = inode->size - at;
		if (!ret)
			ret = write_fully(fd, c->buffer, bytes);
		at += bytes;
		c->bytes += bytes;
		show(c, false);
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
		fail(g->c, path, "read", ret);
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
	struct linked *l = many ? linked_find(c, inode->id.subvol, inode->id.inum) : NULL;
	int ret;

	if (l) {
		unlink(local);
		return settle(c, path, "link", link(l->local, local) ? -errno : 0);
	}
	if (S_ISDIR(inode->mode) && !c->opts.recursive)
		return fail(c, path, "is a directory (give -r to copy it)", -EISDIR);
	if (S_ISDIR(inode->mode))
		ret = get_dir(c, inode, path, local);
	else if (S_ISREG(inode->mode))
		ret = get_file(c, inode, local);
	else if (S_ISLNK(inode->mode))
		ret = get_symlink(c, inode, local);
	else
		ret = get_node(inode, local);
	if (ret)
		return settle(c, path, "copy", ret);
	c->files++;
	if (many)
		linked_add(c, inode->id.subvol, inode->id.inum, inode->id, local);
	return get_attrs(c, inode, local);
}
