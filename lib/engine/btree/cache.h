/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_CACHE_H
#define ENGINE_BTREE_CACHE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>

#include "engine/btree/iter.h"
#include "engine/btree/node.h"

struct cache_bucket;
struct shrinker;

/**
 * struct node_cache - nodes in memory
 * @buckets:   hash table over node_id, 1 << @bucket_bits of them, each with its lock
 * @limit_bytes: keys and nodes in memory should not exceed it
 * @list_lock: protects the lists and @nr_nodes
 * @clock:     nodes that may be evicted; the hand stands at the head
 * @nr_nodes:  nodes in @clock
 * @idle:      nodes without identity, by level, since a lock keeps its lockdep class
 * @bytes:     held by nodes that have keys
 */
struct node_cache {
	struct cache_bucket	*buckets;
	unsigned int		bucket_bits;
	size_t			limit_bytes;
	spinlock_t		list_lock;
	struct list_head	clock;
	size_t			nr_nodes;
	struct list_head	idle[BTREE_MAX_DEPTH];
	atomic64_t		bytes;
	atomic64_t		evictions;
	struct shrinker		*shrinker;
};

int bce_node_cache_init(struct node_cache *c, size_t limit_bytes, size_t node_bytes);
/* nobody uses any node any more */
void bce_node_cache_exit(struct node_cache *c);

typedef int (*node_fill_fn)(void *ctx, struct btree_node *n);

/**
 * bce_node_cache_get() - the node of an identity, filled if it was not there
 * @fill:   called without locks but the node's write lock, by one task per node at a time
 * @pinned: keep it until the cache is closed
 *
 * Others who want the node at the same time wait for @fill and share what comes of it. After an
 * error the next call tries again.
 *
 * Context: may sleep. Return: node, read-locked, or ERR_PTR of @fill, or -ENOMEM.
 */
struct btree_node *bce_node_cache_get(struct node_cache *c, const struct node_id *id,
				      bool pinned, node_fill_fn fill, void *ctx);
bool bce_node_cache_has(struct node_cache *c, const struct node_id *id);

/* ---- nodes made in memory, and nodes that go ---- */

/* a write-locked node for @level without identity and keys; NULL. May sleep */
struct btree_node *bce_node_cache_new(struct node_cache *c, unsigned int level);
/*
 * From now on @n is found: its identity is set, it has its keys. @n stays write-locked.
 * Return: 0; -EEXIST another one has the identity.
 */
int bce_node_cache_publish(struct node_cache *c, struct btree_node *n, bool pinned);
/*
 * @n, write-locked, is not to be found any more, neither by who looks for it nor by who waits for
 * its lock: it has no identity. Its keys stay until it is retired.
 */
void bce_node_cache_forget(struct node_cache *c, struct btree_node *n);
/*
 * @n, write-locked, is no node any more, published or not, forgotten or not. Its keys go; its pins
 * must have gone. Unlocks it.
 */
void bce_node_cache_retire(struct node_cache *c, struct btree_node *n);
/* a root may have to stay, or may go again; @n write-locked, published */
void bce_node_cache_set_pinned(struct node_cache *c, struct btree_node *n, bool pinned);
/* the memory of @n has changed; @n write-locked */
void bce_node_cache_recount(struct node_cache *c, struct btree_node *n);

/* every node that can be found. @fn runs under a spinlock */
void bce_node_cache_for_each(struct node_cache *c, void (*fn)(void *ctx, struct btree_node *n),
			     void *ctx);

/* evict what nobody holds until at most @bytes remain; returns bytes freed. May sleep. */
size_t bce_node_cache_shrink(struct node_cache *c, size_t bytes);

bool bce_node_id_equal(const struct node_id *a, const struct node_id *b);

#endif
