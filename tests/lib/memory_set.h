/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_MEMORY_SET_H
#define TESTS_MEMORY_SET_H

#include "engine/btree/btrees.h"
#include "engine/journal/replay.h"
#include "engine/key/bkey.h"
#include "engine/names/snapshot.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

/*
 * Btrees without devices: keys in any order, given to the btrees as a journal over nothing, or over
 * the roots of a real set whose keys are to be changed. Keys may be changed and removed until the start.
 */

struct memory_key {
	unsigned int	btree_id;
	struct bkey	k;		/* k.v: the value below */
	u64		v[250];
};

struct memory_set {
	struct btrees		*btrees;
	struct snapshot_table	*snapshots;
	struct bce_log		*log;
	struct member_table	*members;
	struct journal_replay	replay;
	struct overlay		*overlay;
	struct memory_key	**key;
	size_t			nr, room;
	bool			own_log;
};

void memory_init(struct memory_set *m);
/* @value is copied, its length rounded up to 8 with zeros; replaces a key of that position */
struct memory_key *memory_key(struct memory_set *m, unsigned int btree_id, unsigned int type,
			      struct bpos p, u32 size, const void *value, size_t bytes);
/* the same where no key of that position has been given before: does not look for one */
struct memory_key *memory_append(struct memory_set *m, unsigned int btree_id, unsigned int type,
				 struct bpos p, u32 size, const void *value, size_t bytes);
struct memory_key *memory_find(struct memory_set *m, unsigned int btree_id, struct bpos p);
/* it was never there; over a real set use type deleted instead */
void memory_remove(struct memory_set *m, unsigned int btree_id, struct bpos p);
/* all keys of a btree */
void memory_clear(struct memory_set *m, unsigned int btree_id);

/* something of some key changed at random: position, size, type, version or value */
void memory_scramble(struct memory_set *m, u64 random);

/*
 * Open the btrees and read the snapshot table. @config: NULL for nodes of 64 KiB that are nowhere;
 * else the set's own, whose roots are taken over and whose log is used.
 */
int memory_start(struct memory_set *m, const struct btrees_config *config);
void memory_exit(struct memory_set *m);

#endif
