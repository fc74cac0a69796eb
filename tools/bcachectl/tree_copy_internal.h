/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_TREE_COPY_INTERNAL_H
#define BCACHECTL_TREE_COPY_INTERNAL_H

#include <time.h>

#include "tree_copy.h"

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
	unsigned long		failed;
	unsigned long		files, total_files;
	u64			bytes, total_bytes;	/* totals: 0 if nothing was measured */
	u64			file_bytes, file_weight; /* of the file on its way: done, and at most counted */
	struct timespec		start, shown;
};

/* ---- tree_copy.c ---- */

/* the line of progress, unless it is too early for a new one */
void tree_show(struct tree_copy *c, bool last);
/* contents of a file begin, and end; between them tree_file_bytes() tells how far it is */
void tree_file_begin(struct tree_copy *c, u64 weight);
void tree_file_bytes(struct tree_copy *c, u64 bytes);
void tree_file_end(struct tree_copy *c);

/* say and count it. Return: 0 if the rest may go on */
int tree_fail(struct tree_copy *c, const char *path, const char *what, int error);
/* the same for what may have failed, or not; errors after which all would fail come back */
int tree_settle(struct tree_copy *c, const char *path, const char *what, int error);

struct linked *tree_linked_find(struct tree_copy *c, u64 dev, u64 number);
/* without memory the next name becomes a copy */
void tree_linked_add(struct tree_copy *c, u64 dev, u64 number, struct bce_file_id there, const char *local);
void tree_linked_forget(struct tree_copy *c);

struct xattr_kind {
	const char		*prefix;
	enum bce_xattr_type	type;
	bool			is_acl;		/* @prefix is the whole name */
};
extern const struct xattr_kind tree_xattr_kinds[];
extern const unsigned int tree_nr_xattr_kinds;

#endif
