/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_H
#define ENGINE_BTREE_NODE_H

#include <linux/list.h>

#include "engine/format/btree.h"
#include "engine/key/keyset.h"
#include "six/six.h"

/*
 * Which node is it: btree and level, the place on disk, the nonce of its making and the end of
 * its range. Nodes that were never on disk (an empty root, a root above the one on disk) have
 * @ptr and @seq 0.
 */
struct node_id {
	struct bpos	max;
	u64		seq;
	u64		ptr;		/* first pointer, as stored */
	u8		btree_id;
	u8		level;
};

/**
 * struct btree_node - a node in memory
 * @lock:       read: whoever uses the node; write: while it is read in, or thrown out
 * @id:         changes only under the write lock; a node that is hashed keeps it
 * @error:      why it could not be read; such a node is hashed no more
 * @heat:       turns of the clock's hand it may still stay; no lock, a lost store does no harm
 * @pinned:     a root: stays until the btrees are closed
 * @bad_children: ranges of the children do not join: every descent checks the child it takes
 * @min:        range, with @id.max; both inclusive
 * @set:        the keys; changes only under the write lock, like all of these
 * @disk_format: of packed keys on disk; @set may have a better one
 * @hash_link:  lock of the hash bucket
 * @list:       in the clock or in a list of free nodes: the cache's list_lock
 *
 * The memory of a node is not given back before the btrees are closed, only its keys are: a stale
 * pointer to a node may be locked, and then compared with what is looked for.
 */
struct btree_node {
	struct bce_six_lock	lock;
	struct node_id		id;
	int			error;
	u8			heat;
	bool			pinned;
	bool			bad_children;
	struct bpos		min;
	struct keyset		set;
	struct key_format	disk_format;
	struct hlist_node	hash_link;
	struct list_head	list;
};

static inline bool node_covers(const struct btree_node *n, struct bpos p)
{
	return bpos_cmp(n->min, p) <= 0 && bpos_cmp(p, n->id.max) <= 0;
}

static inline bool node_trylock_read(struct btree_node *n)
{
	return bce_six_trylock(&n->lock, BCE_SIX_READ);
}

static inline void node_unlock_read(struct btree_node *n)
{
	bce_six_unlock(&n->lock, BCE_SIX_READ);
}

/* Context: may sleep, until a read in flight has ended. */
void bce_node_lock_read(struct btree_node *n);

#endif
