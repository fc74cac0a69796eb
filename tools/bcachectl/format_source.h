/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_FORMAT_SOURCE_H
#define BCACHECTL_FORMAT_SOURCE_H

#include <sys/stat.h>

#include "tree_copy.h"

struct block_device;

/*
 * A tree of this machine becomes the contents of a new set. Until all of it is there, the set bears the
 * label FORMAT_SOURCE_LABEL and a UUID that nobody knows: whatever looks for it by label or UUID does not find
 * half of it, whenever the work is broken off.
 */
#define FORMAT_SOURCE_LABEL	"unfinished"

struct format_source {
	const char		*path;
	struct tree_copy_opts	opts;
	/* the set's, in the end */
	const char		*label;		/* NULL: none */
	u8			uuid[16];
	const u8		*passphrase_key;
	/* found out */
	struct tree_counts	total, done;
};

/**
 * format_source_look() - is the tree there, can it be read, and how much is it
 * @made: of image files: none of them may lie in the tree
 * Prints what is wrong. Return: enum exit_code.
 */
int format_source_look(struct format_source *s, const struct stat *made, unsigned int nr_made);
/**
 * format_source_fill() - start the set for the first time, copy all of the tree, and close it cleanly
 * @bdev: open for writing and exclusively; @paths: their names. All members, with new superblocks
 * interrupt_catch() has been called before anything was written.
 * Prints what is wrong. Return: enum exit_code; not 0: what is on the devices is of no use.
 */
int format_source_fill(struct format_source *s, char **paths, struct block_device **bdev, unsigned int nr);

#endif
