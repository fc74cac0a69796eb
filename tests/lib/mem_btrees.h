/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_MEM_BTREES_H
#define TESTS_MEM_BTREES_H

#include "engine/btree/btrees.h"
#include "engine/btree/writer.h"

/*
 * Empty btrees that take transactions and keep everything in memory: no members, no journal. The
 * log is silent and counts; with the environment VERBOSE it prints.
 */
struct mem_btrees {
	struct key_rules	rules;		/* may be filled in more before mem_btrees_open() */
	struct bce_log		*log;
	struct btrees		*b;
};

void mem_btrees_init(struct mem_btrees *m);
/* @triggers, @trigger_ctx: may be NULL */
void mem_btrees_open(struct mem_btrees *m, const struct btree_trigger_ops *triggers,
		     void *trigger_ctx);
void mem_btrees_exit(struct mem_btrees *m);

#endif
