/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_CHECK_H
#define BCACHEFS_CHECK_H

/*
 * Checking a started set without changing anything: all that the in-tree driver's checker compares,
 * and what else the format promises. Findings are messages of the set with an error id.
 */

#include <linux/types.h>

struct bce_set;

#define BCE_CHECK_IDS	320		/* more than there are error ids */

enum bce_check_passes {
	BCE_CHECK_NODES		= 1 << 0,	/* read every node, validate every key */
	BCE_CHECK_ALLOCATIONS	= 1 << 1,	/* buckets, backpointers, counters, ... */
	BCE_CHECK_NAMES		= 1 << 2,	/* snapshots, inodes, names, extents, ... */
	BCE_CHECK_JOURNAL	= 1 << 3,	/* of a clean set nobody writes to: agrees with the clean section */
	BCE_CHECK_ALL		= BCE_CHECK_NODES | BCE_CHECK_ALLOCATIONS | BCE_CHECK_NAMES |
				  BCE_CHECK_JOURNAL,
};

struct bce_check_opts {
	unsigned int	passes;			/* 0: all */
	/* now and then: @done of @total keys of the pass; @total 0: not known */
	void		(*progress)(void *ctx, const char *pass, u64 done, u64 total);
	void		*progress_ctx;
};

struct bce_check_result {
	u64	nodes;
	u64	unreadable_nodes;
	u64	keys;
	u64	inum_mismatches;		/* per-inode accounting; no findings */
	u64	findings;			/* of this check, by id too: docs/format/40, section 5 */
	u64	by_id[BCE_CHECK_IDS];
};

/**
 * bce_set_check() - run the passes, go on after findings
 * What the set's start has found is not in the result; bce_set_info() has all.
 * Context: may sleep for long. Takes memory by the number of buckets and pointers.
 * Return: 0 the check was made; -ESHUTDOWN not started, or why it could not; -ENOMEM.
 */
int bce_set_check(struct bce_set *set, const struct bce_check_opts *opts,
		  struct bce_check_result *out);

/* "alloc_key_gen_wrong"; "unknown" */
const char *bce_check_id_name(unsigned int id);

#endif
