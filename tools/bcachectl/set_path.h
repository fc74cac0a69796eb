/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SET_PATH_H
#define BCACHECTL_SET_PATH_H

#include <bcachefs/names.h>

/* Paths in a set: from its root, with or without a leading slash; "." and ".." as usual. */

/**
 * set_path_lookup() - the file of a path; symbolic links are not followed
 * Return: 0; -ENOENT, -ENOTDIR, -ENAMETOOLONG, what reading gives.
 */
int set_path_lookup(struct bce_set *set, const char *path, struct bce_inode *out);
/**
 * set_path_parent() - the directory that holds, or is to hold, the last name of a path
 * @name: points into @path; @len bytes
 * Return: as set_path_lookup(); -EINVAL the path names the root or ends in "..".
 */
int set_path_parent(struct bce_set *set, const char *path, struct bce_inode *dir,
		    const char **name, unsigned int *len);
/* the entry @name of @dir. Return: 0, -ENOENT, ... */
int set_path_child(struct bce_set *set, const struct bce_inode *dir, const char *name,
		   unsigned int len, struct bce_inode *out);
/* last name of a path of this machine or of a set, trailing slashes left out; "" for "/" */
const char *path_last(const char *path, unsigned int *len);

#endif
