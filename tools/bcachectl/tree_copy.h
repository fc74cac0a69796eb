/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_TREE_COPY_H
#define BCACHECTL_TREE_COPY_H

#include <stdbool.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

/*
 * Files and trees between this machine and a set that this process has opened: contents (holes
 * stay holes), modes, owners, times, extended attributes with ACLs and capabilities, symbolic and hard links,
 * device nodes. interrupt.h may end a copy early, with -EINTR.
 */
struct stat;
struct tree_copy;

struct tree_copy_opts {
	bool	recursive;
	bool	progress;	/* a line on standard error */
	bool	progress_json;
	bool	strict;		/* the first file that cannot be copied ends it */
	bool	silent;		/* nothing is said of files */
};

struct tree_counts {
	unsigned long	files;		/* of any kind; several names of one are one */
	u64		bytes;		/* of data, without holes */
};

/**
 * tree_measure() - how much lies at @local of this machine, and whether it can be read
 * The top itself is not counted.
 * @silent:   what cannot be read is not complained of
 * @unwanted: called for each file; true, after a complaint, ends it with -EINVAL. May be NULL
 * Return: 0 or -errno.
 */
int tree_measure(const char *local, bool silent,
		 bool (*unwanted)(void *ctx, const char *path, const struct stat *st), void *ctx,
		 struct tree_counts *out);

/* NULL: no memory */
struct tree_copy *tree_copy_begin(struct bce_set *set, const struct tree_copy_opts *opts);
/* ends the line of progress. Return: files that could not be copied; each has been complained of */
unsigned long tree_copy_end(struct tree_copy *c);
/* so much will be copied: progress is told with an end in sight */
void tree_copy_expect(struct tree_copy *c, const struct tree_counts *total);
/* so much has been */
void tree_copy_counts(const struct tree_copy *c, struct tree_counts *out);

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
