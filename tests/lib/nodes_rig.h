/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_NODES_RIG_H
#define TESTS_LIB_NODES_RIG_H

#include <linux/atomic.h>

#include "engine/alloc/alloc.h"
#include "engine/journal/journal.h"
#include "engine/journal/replay.h"
#include "sb_rig.h"

/*
 * Members, superblocks, journal, btrees and allocator together, freshly initialised, with small nodes
 * and buckets: what a set is made of, without names and file data.
 */
#define NODE_SECTORS	16
#define BLOCK_SECTORS	1
#define BUCKET_SECTORS	64
#define RING_FIRST	8
#define RING_NR		24

struct world {
	struct sb_rig		sb;
	struct bce_log		*log;
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	struct journal_replay	replay;
	struct journal_ring	ring[64];
	u64			ring_bucket[RING_NR];
	u64			ring_seq[SB_RIG_MAX][RING_NR];
	unsigned int		replicas;
	struct journal		*j;
	struct btrees		*b;
	struct allocator	*a;
	atomic64_t		clock;
	int			failed;
};

/* @replicas: of nodes and journal */
struct world *world_open(unsigned int nr, unsigned int replicas);
/* what is in memory alone is lost; replayed, and the checker finds nothing */
void world_crash(struct world *w);
/* everything written; the checker finds nothing; the journal ended */
void world_close(struct world *w);

#endif
