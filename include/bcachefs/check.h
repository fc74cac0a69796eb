/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_CHECK_H
#define BCACHEFS_CHECK_H

/*
 * Checking a started set without changing anything: all that the in-tree driver's checker compares,
 * and what else the format promises. Findings are messages of the set with an error id. And repair of
 * what can be derived.
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
 * What the set's start has found is not in the result; bce_set_info() has all. Of a set that is being written
 * it is a check of one moment: who changes something waits until its end.
 * Context: may sleep for long; the caller is inside no change. Takes memory by the number of buckets and pointers.
 * Return: 0 the check was made; -ESHUTDOWN not started, or why it could not; -ENOMEM.
 */
int bce_set_check(struct bce_set *set, const struct bce_check_opts *opts,
		  struct bce_check_result *out);

struct bce_repair_opts {
	bool		careful;		/* no name and no extent is taken away */
	void		(*said)(void *ctx, const char *line);	/* each change: what was there, what is now */
	void		*said_ctx;
	void		(*progress)(void *ctx, const char *pass, u64 done, u64 total);
	void		*progress_ctx;
};

/**
 * bce_set_repair() - put right what can be derived, in memory
 *
 * For a set that was started and is not written. Nothing goes to the members: the caller may look at
 * @out, which tells what a check finds afterwards, and either let it be written
 * (bce_set_repair_commit()) or close the set, which then is as it was. Findings about names may be left. Btrees of allocation
 * information that cannot be read are made anew; where another one cannot be read nothing is repaired.
 *
 * @why: 512 bytes for a reason when it fails
 * Context: may sleep for long. Memory: by buckets and pointers, and by what differs.
 * Return: changes made; -EROFS it may not be written; -EBUSY it is; -EIO what buckets are used by
 * cannot be read, or findings about allocations are left: it cannot be written; -ENOMEM.
 */
long bce_set_repair(struct bce_set *set, const struct bce_repair_opts *opts,
		    struct bce_check_result *out, char why[512]);
/**
 * bce_set_repair_commit() - write what was repaired, and shut down cleanly
 * From the first write on the superblock asks for the passes that would do the same, so after a crash it
 * is done again, here or by the in-tree driver; at the end it does not any more.
 * Return: 0, the set may go read-write as any other; as bce_set_go_rw().
 */
int bce_set_repair_commit(struct bce_set *set, char why[512]);

/* does the superblock ask for a check: passes, errors met, allocation information not complete? */
bool bce_set_wants_check(struct bce_set *set);

/* "alloc_key_gen_wrong"; "unknown" */
const char *bce_check_id_name(unsigned int id);

#endif
