/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_H
#define ENGINE_BTREE_NODE_H

#include <linux/list.h>

#include "engine/btree/open_keys.h"
#include "engine/format/btree.h"
#include "engine/journal/journal.h"
#include "engine/key/keyset.h"
#include "six/six.h"

struct node_cache;

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

/* btree_id of a node without identity: idle, evicted, or replaced by others */
#define NO_BTREE	0xff

/**
 * struct btree_node - a node in memory
 * @lock:       read: whoever uses the node; write: while it is changed, read in, or thrown out
 * @cache:      it belongs to, for ever
 * @id:         changes only under the write lock; a node that is hashed keeps it
 * @error:      why it could not be read; such a node is hashed no more
 * @heat:       turns of the clock's hand it may still stay; no lock, a lost store does no harm
 * @pinned:     a root: stays until the btrees are closed, or it is root no more
 * @dirty:      something in it is not on disk, or on its way: it is not evicted. Set by whoever
 *              changes it; cleared under the write lock when pointer and block are written
 * @bad_children: ranges of the children do not join: every descent checks the child it takes
 * @min:        range, with @id.max; both inclusive
 * @set:        keys up to the last merge; changes only under the write lock, like all of these.
 *              In an interior node: all keys, always
 * @open:       later keys. In an interior node: what is not written
 * @disk_format: of packed keys on disk; @set may have a better one
 * @written_sectors: of the node on disk, as the pointer to it says; 0: unknown (a pointer of the
 *              old kind), or it has no place: it cannot be appended to
 * @node_seq:   generation counter in the node's header
 * @journal_seq: highest sequence number of what came since the last write was begun
 * @last_seq, @last_offset: place in the journal of the last commit that changed the node, or one
 *              that it replaces
 * @changes, @lives: commits that changed it; identities it has lost. Both only grow, for iterators
 * @pin:        of the journal, for what is not written
 * @writing_pin: for what is on its way
 * @flags:      enum node_flag_bits, atomic bit operations
 * @hash_link:  lock of the hash bucket
 * @list:       in the clock or in a list of free nodes: the cache's list_lock
 * @counted_bytes: what the cache counts for it; under the write lock
 * @maintain_link, @maintain_queued: in the queue of maintenance; its lock
 *
 * The memory of a node is not given back before the btrees are closed, only its keys are: a stale
 * pointer to a node may be locked, and then compared with what is looked for.
 */
struct btree_node {
	struct bce_six_lock	lock;
	struct node_cache	*cache;
	struct node_id		id;
	int			error;
	u8			heat;
	bool			pinned;
	bool			dirty;
	bool			bad_children;
	struct bpos		min;
	struct keyset		set;
	struct open_keys	open;
	struct key_format	disk_format;
	u32			written_sectors;
	u32			node_seq;
	u64			journal_seq;
	u64			last_seq;
	u32			last_offset;
	u32			changes;
	u32			lives;
	struct journal_pin	pin;
	struct journal_pin	writing_pin;
	unsigned long		flags;
	struct hlist_node	hash_link;
	struct list_head	list;
	size_t			counted_bytes;
	struct list_head	maintain_link;
	bool			maintain_queued;
};

enum node_flag_bits {
	NODE_WRITING,		/* a write is under way */
	NODE_REPLACING,		/* its keys have been read out for the nodes that replace it */
	NODE_TO_MOVE,		/* a replica could not be written: others have to be made */
	NODE_TO_JOIN,		/* two small nodes have become one: perhaps there is a third */
	NODE_FAR_OVER,		/* committers wait until it has been written */
};

static inline bool node_covers(const struct btree_node *n, struct bpos p)
{
	return bpos_cmp(n->min, p) <= 0 && bpos_cmp(p, n->id.max) <= 0;
}

/* is it (still) the node of this btree and level that holds @p? @n locked in any way */
static inline bool node_is_at(const struct btree_node *n, unsigned int btree_id,
			      unsigned int level, struct bpos p)
{
	return n->id.btree_id == btree_id && n->id.level == level && !n->error &&
		node_covers(n, p);
}

/* do lookups have to ask @open too? */
static inline bool node_has_open(const struct btree_node *n)
{
	return !n->id.level && n->open.nr;
}

static inline bool node_trylock_read(struct btree_node *n)
{
	return bce_six_trylock(&n->lock, BCE_SIX_READ);
}

static inline void node_unlock_read(struct btree_node *n)
{
	bce_six_unlock(&n->lock, BCE_SIX_READ);
}

static inline void node_unlock_intent(struct btree_node *n)
{
	bce_six_unlock(&n->lock, BCE_SIX_INTENT);
}

/* write and the intent below it */
static inline void node_unlock_write(struct btree_node *n)
{
	bce_six_unlock(&n->lock, BCE_SIX_WRITE);
	bce_six_unlock(&n->lock, BCE_SIX_INTENT);
}

/* Context: may sleep. */
void bce_node_lock_read(struct btree_node *n);
void bce_node_lock_intent(struct btree_node *n);
/* on top of intent */
void bce_node_upgrade_write(struct btree_node *n);
/* intent, then write */
void bce_node_lock_write(struct btree_node *n);

#endif
