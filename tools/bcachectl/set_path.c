// SPDX-License-Identifier: GPL-2.0
/* Walking down names from the root directory of the root subvolume. */
#include "set_path.h"

#include <errno.h>
#include <string.h>

#include <linux/stat.h>

static bool is_name(const char *name, unsigned int len, const char *what)
{
	return len == strlen(what) && !memcmp(name, what, len);
}

int set_path_child(struct bce_set *set, const struct bce_inode *dir, const char *name,
		   unsigned int len, struct bce_inode *out)
{
	struct bce_file_id id;
	int ret;

	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (len > BCE_NAME_MAX)
		return -ENAMETOOLONG;
	ret = bce_dirent_lookup(set, dir, name, len, &id);
	return ret ? ret : bce_inode_read(set, id, out);
}

static int step(struct bce_set *set, struct bce_inode *at, const char *name, unsigned int len)
{
	struct bce_file_id id;
	struct bce_inode next;
	int ret;

	if (is_name(name, len, "."))
		return S_ISDIR(at->mode) ? 0 : -ENOTDIR;
	if (is_name(name, len, "..")) {
		ret = bce_parent(set, at, &id);
		if (ret == -ENOENT)
			return 0;	/* the root is its own parent */
		ret = ret ? ret : bce_inode_read(set, id, &next);
	} else {
		ret = set_path_child(set, at, name, len, &next);
	}
	if (!ret)
		*at = next;
	return ret;
}

/* the first @bytes of @path */
static int walk(struct bce_set *set, const char *path, size_t bytes, struct bce_inode *out)
{
	struct bce_file_id root = { .subvol = BCE_ROOT_SUBVOL, .inum = 4096 };
	struct bce_subvolume subvol;
	const char *end = path + bytes, *name;
	int ret;

	if (!bce_subvolume_read(set, BCE_ROOT_SUBVOL, &subvol))
		root.inum = subvol.root_inum;
	ret = bce_inode_read(set, root, out);
	while (!ret && path < end) {
		if (*path == '/') {
			path++;
			continue;
		}
		for (name = path; path < end && *path != '/'; path++)
			;
		ret = step(set, out, name, path - name);
	}
	return ret;
}

int set_path_lookup(struct bce_set *set, const char *path, struct bce_inode *out)
{
	return walk(set, path, strlen(path), out);
}

const char *path_last(const char *path, unsigned int *len)
{
	const char *end = path + strlen(path), *name;

	while (end > path && end[-1] == '/')
		end--;
	for (name = end; name > path && name[-1] != '/'; name--)
		;
	*len = end - name;
	return name;
}

int set_path_parent(struct bce_set *set, const char *path, struct bce_inode *dir,
		    const char **name, unsigned int *len)
{
	*name = path_last(path, len);
	if (!*len || is_name(*name, *len, ".") || is_name(*name, *len, ".."))
		return -EINVAL;
	return walk(set, path, *name - path, dir);
}
