/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_USAGE_H
#define BCACHEFS_USAGE_H

/*
 * What takes up a set's space. Sectors are of 512 bytes. Context of all: process, may sleep for I/O.
 * Errors of all: -EIO, -ENOMEM, -ESHUTDOWN the set has not been started.
 */

#include <linux/types.h>

struct bce_set;

#define BCE_ACCOUNTING_POS_BYTES	20
#define BCE_ACCOUNTING_COUNTERS		3

/* one counter of docs/format/80-accounting.md, section 1 */
struct bce_accounting {
	u8	pos[BCE_ACCOUNTING_POS_BYTES];	/* a tagged structure; pos[0] is the type */
	u8	nr;
	s64	counter[BCE_ACCOUNTING_COUNTERS];
};

/**
 * bce_set_accounting() - every counter of the set but those of single inodes
 * @types: bit per type, those wanted
 * @emit:  @a is valid during the call; no lock is held; false stops
 * Counters that are zero are left out. Return: 0, also when stopped.
 */
int bce_set_accounting(struct bce_set *set, u32 types,
		       bool (*emit)(void *ctx, const struct bce_accounting *a), void *ctx);

/* promised to writers, not written yet; copies counted. 0 while the set is not written */
u64 bce_set_reserved_sectors(struct bce_set *set);

#endif
