/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_TREE_COPY_H
#define BCACHECTL_TREE_COPY_H

#include <stdbool.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

/*
 * Files and trees between this machine and a set that this process has opened: contents (holes
 * stay holes), modes, owners, times, extended attributes, symbolic and hard links, device nodes.
 */
struct tree_copy;

struct tree_copy_opts {
	bool	recursive;
	bool	progress;	/* a line on standard error */
	bool	progress_json;
};

/* NULL: no memory */
struct tree_copy *tree_copy_begin(struct bce_set *set, const struct tree_copy_opts *opts);
/* ends the line of progress. Return: files that could not be copied; each has been complained of */
unsigned long tree_copy_end(struct tree_copy *c);

/* @local into directory @dir under @name. Return: 0 or -errno of the copy as a whole */
int tree_put(struct tree_copy *c, const char *local, const struct bce_inode *dir,
	     const char *name, unsigned int len);
/* what lies in the directory @local, into the directory @dir, whose attributes become @local's */
int tree_put_contents(struct tree_copy *c, const char *local, const struct bce_inode *dir);
/* @inode, called @path in messages, to @local */
int tree_get(struct tree_copy *c, const struct bce_inode *inode, const char *path,
	     const char *local);
/* a file's contents to a descriptor */
int tree_cat(struct tree_copy *c, const struct bce_inode *inode, int fd);

#endif
