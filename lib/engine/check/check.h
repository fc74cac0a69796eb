/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_CHECK_H
#define ENGINE_CHECK_CHECK_H

#include <linux/types.h>

#include "engine/util/log.h"

struct btrees;
struct snapshot_table;

/*
 * Finding damage without changing anything. Every finding goes to the log with
 * its error id and position; the passes go on after it.
 */
struct check {
	struct btrees			*btrees;
	const struct snapshot_table	*snapshots;
	struct bce_log			*log;

	/* called now and then: @done of @total keys, @total 0 when it is not known */
	void				(*progress)(void *ctx, const char *pass, u64 done, u64 total);
	void				*progress_ctx;

	/* results */
	u64				nodes;
	u64				unreadable_nodes;
	u64				keys;
};

/**
 * bce_check_nodes() - read every node of every btree
 * Reading applies the rules of nodes and keys (docs/format/50-btree.md, 6.5;
 * 55-key-types.md, 3 and 4). An unreadable node hides what is below it.
 * Context: may sleep. Return: 0 or -ENOMEM; findings are counted in the log.
 */
int bce_check_nodes(struct check *c);

/**
 * bce_check_names() - names against files, files against names
 * Every inode in use has a name that leads to it, every name leads to an inode of
 * the right type; directories count their subdirectories and files their sectors
 * rightly; extents and attributes belong to an inode; subvolumes have a root.
 * Source: docs/format/60-filesystem-keys.md, part VIII.
 */
int bce_check_names(struct check *c);

#endif
