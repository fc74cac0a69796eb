/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_STATS_H
#define BCACHEFS_STATS_H

/*
 * What a set's members have done and how long it took them, since the set was assembled (a member that came later:
 * since then). Context of all: any; counters are read one by one, without a lock.
 */

#include <linux/types.h>

struct bce_set;

enum bce_io {
	BCE_IO_READ,
	BCE_IO_WRITE,
	BCE_IO_FLUSH,		/* of the device's cache, alone */
	BCE_IO_NR,
};

/* by powers of two: bucket n counts what took less than 2^n microseconds and fits no bucket before; the last: all else */
#define BCE_LATENCY_BUCKETS	25

struct bce_member_io {
	u64	nr;			/* that ended well */
	u64	bytes;
	u64	sum_ns, max_ns;
	u64	bucket[BCE_LATENCY_BUCKETS];
};
/* Return: 0; -EINVAL no such slot, or kind of I/O */
int bce_set_member_io(struct bce_set *set, unsigned int idx, enum bce_io io, struct bce_member_io *out);

/* ---- counters ---- */

/* by number from 0 on; docs/format/10-superblock.md, section 10, and ours. NULL: there are no more */
const char *bce_counter_name(unsigned int counter);

struct bce_counter {
	u64	since_assembled;
	bool	kept;			/* in the superblock, at every clean end of writing */
	u64	ever;			/* as far as they were kept */
};
/* Context: process. Return: 0; -EINVAL no such counter */
int bce_set_counter(struct bce_set *set, unsigned int counter, struct bce_counter *out);

#endif
