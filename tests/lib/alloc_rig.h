/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_ALLOC_RIG_H
#define TESTS_LIB_ALLOC_RIG_H

#include "engine/alloc/alloc.h"
#include "mem_btrees.h"
#include "sb_rig.h"

/*
 * An allocator over empty btrees in memory and members of sb_rig's, initialised as a fresh set
 * is: superblock and journal buckets marked, freespace made. Its triggers are the only ones.
 */
struct alloc_rig {
	struct sb_rig		sb;
	struct mem_btrees	mem;
	struct key_rules_dev	rules_dev[64];
	struct allocator	*a;
	const struct btree_trigger_ops *more;	/* run behind the allocator's; may be set at any time */
	void			*more_ctx;
	u64			clock[2];
};

struct sb_builder;

/* @change: as for sb_rig_open() */
void alloc_rig_open(struct alloc_rig *r, unsigned int nr,
		    void (*change)(struct sb_builder *b, unsigned int dev));
void alloc_rig_close(struct alloc_rig *r);
/* everything recomputed from the keys (engine/check) agrees with what is there; else it stops */
void alloc_rig_check(struct alloc_rig *r);

/* one key in a transaction of its own; type deleted removes. What committing returned */
int alloc_rig_put(struct alloc_rig *r, unsigned int btree_id, const struct bkey *k);
/* a bucket's alloc key; zeros if there is none */
void alloc_rig_bucket(struct alloc_rig *r, unsigned int dev, u64 bucket, struct alloc_info *out);
/* a counter of the accounting btree */
s64 alloc_rig_counter(struct alloc_rig *r, const struct accounting_pos *pos, unsigned int i);

#endif
