/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_CHANGE_H
#define ENGINE_BTREE_NODE_CHANGE_H

#include "engine/btree/node.h"

struct btrees;

/* Reading and changing the keys of one node, set and open ones together. See node_change.c. */

/* a place among the keys of a node; valid while it is locked */
struct node_cursor {
	u32	set;		/* in the set */
	u32	open;		/* among the open keys */
	bool	in_open;	/* what peek found is an open one */
};

/* to the first key at or after @p. @n read-locked, as for all that follows */
void bce_node_seek(const struct btree_node *n, struct bpos p, struct node_cursor *c);
/* the live key there, lying in the node; false: there is none */
bool bce_node_peek(const struct btree_node *n, struct node_cursor *c, struct bkey *k);
/* past what peek has just found */
void bce_node_step(const struct btree_node *n, struct node_cursor *c);
/* the live key at exactly @p */
bool bce_node_lookup(const struct btree_node *n, struct bpos p, struct bkey *k);
/* the last live key at or before @p */
bool bce_node_peek_prev(const struct btree_node *n, struct bpos p, struct bkey *k);

/**
 * bce_node_reserve() - memory for @nr more changes, of @words u64s together
 * @n write-locked. Return: 0, -ENOMEM.
 */
int bce_node_reserve(struct btree_node *n, u32 nr, u32 words, gfp_t gfp);
/**
 * bce_node_put() - put @k at its position; type deleted removes
 * @n:     leaf, write-locked, reserved; it becomes dirty. Pins are the caller's
 * @flags: enum open_put_flags; OPEN_SET_HAS is found out here
 */
void bce_node_put(struct btree_node *n, const struct bkey *k, unsigned int flags);

/**
 * bce_node_put_all() - the same for an interior node, whose set follows at once
 * Hints of children that stay are kept or zeroed. All or nothing.
 * @keys: strictly ascending. Return: 0, -ENOMEM.
 */
int bce_node_put_all(struct btrees *b, struct btree_node *n, const struct bkey *const *keys,
		     unsigned int nr);

/* leaf: is merging open keys into the set worth it? @n locked in any way */
bool bce_node_wants_merge(const struct btree_node *n);
/*
 * Merge what need not stay among the open keys into the set. Holds intent meanwhile, write only
 * to exchange the set. @n unlocked; nothing happens if it has become another node.
 * Context: may sleep. Return: 0, -ENOMEM (nothing has happened).
 */
int bce_node_merge_open(struct btrees *b, struct btree_node *n);

#endif
