/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_WRITE_RIG_H
#define TESTS_LIB_WRITE_RIG_H

#include "engine/btree/btrees.h"
#include "engine/btree/writer.h"
#include "engine/journal/journal.h"
#include "engine/journal/replay.h"
#include "sb_builder.h"

/*
 * Btrees that are written, with the real journal, over a few members in memory; space for nodes is
 * given out one behind the other and never again. Triggers count the nodes of each btree in the
 * accounting btree, so whatever changes a pointer must tell them.
 */

#define WR_DEVS		3
#define WR_RING_FIRST	4		/* first bucket of each ring */
#define WR_RING_MAX	64

struct wr_options {
	unsigned int	nr;		/* members */
	unsigned int	replicas;	/* of nodes; 0: 1 */
	unsigned int	node_sectors;	/* 0: 8 */
	unsigned int	block_sectors;	/* 0: 1 */
	unsigned int	bucket_sectors;	/* 0: 128 */
	unsigned int	ring_nr;	/* 0: 32 */
	unsigned int	csum_type;
	bool		encrypted;
	bool		no_triggers;
	size_t		cache_bytes;
};

struct write_rig {
	struct wr_options	o;
	struct sb_builder	b[WR_DEVS];
	int			fd[WR_DEVS];
	struct block_device	*bdev[WR_DEVS];
	struct member_table	*members;
	struct bce_cipher	*cipher;
	struct bce_log		*log;
	const struct bch_sb	*dev_sb[64];
	struct key_rules_dev	rules_dev[64];
	struct key_rules	rules;
	u64			ring_bucket[WR_RING_MAX];
	u64			ring_seq[WR_DEVS][WR_RING_MAX];
	struct journal_ring	ring[64];
	struct journal_replay	r;
	struct overlay		*overlay;
	struct journal_config	journal_config;
	struct journal		*j;
	struct btrees		*btrees;
	u64			next_node;	/* of the space for nodes, each on all members */
	unsigned int		space_held;
	unsigned int		space_fail;	/* -ENOSPC for so many */
	unsigned int		nr_blacklisted;
	int			failed;
	struct record		*record;	/* members are recorded; before wr_open() */
	/* faults: bit per member; its writes to nodes fail, the journal's do not */
	u64			fail_writes;
};

void wr_init(struct write_rig *rig, const struct wr_options *o);
void wr_exit(struct write_rig *rig);
/* from what is on the members. Return: 0 or what failed */
int wr_open(struct write_rig *rig);
/* only what is on the members remains */
void wr_crash(struct write_rig *rig);
/* record from now on; before wr_open(). rig->record is the caller's to stop and free, after wr_exit() */
void wr_record(struct write_rig *rig);
/* instead of what wr_init() has made, the members as @fds have them, which are closed with it */
void wr_take_images(struct write_rig *rig, const int *fds, u64 next_node);
/* everything written, the journal ended; the next open finds nothing to replay */
void wr_stop(struct write_rig *rig);

/* nodes of a btree on disk, counted by walking, and by accounting */
unsigned int wr_count_nodes(struct write_rig *rig, unsigned int btree_id);
unsigned int wr_accounted_nodes(struct write_rig *rig, unsigned int btree_id);

#endif
