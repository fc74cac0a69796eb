/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_CHANGE_H
#define ENGINE_BTREE_NODE_CHANGE_H

#include "engine/btree/iter.h"
#include "engine/btree/node.h"

struct btrees;

/* Reading and changing the keys of one node, set and open ones together. See node_change.c. */

/* what the functions below come to when open keys have a say: leaves only */
void bce_node_seek_open(const struct btree_node *n, struct bpos p, struct node_cursor *c);
bool bce_node_peek_open(const struct btree_node *n, struct node_cursor *c, struct bkey *k);
bool bce_node_peek_pos_open(const struct btree_node *n, struct node_cursor *c, struct bpos *p);

/* to the first key at or after @p. @n read-locked, as for all that follows */
static inline void bce_node_seek(const struct btree_node *n, struct bpos p, struct node_cursor *c)
{
	c->set = bce_keyset_lower_bound(&n->set, p);
	c->open = 0;
	c->in_open = false;
	if (unlikely(node_has_open(n)))
		bce_node_seek_open(n, p, c);
}

/* the live key there, lying in the node; false: there is none */
static inline bool bce_node_peek(const struct btree_node *n, struct node_cursor *c,
				 struct bkey *k)
{
	if (unlikely(node_has_open(n)))
		return bce_node_peek_open(n, c, k);
	if (unlikely(c->set >= n->set.nr_u64s))
		return false;
	bce_key_unpack(&n->set.format, keyset_at(&n->set, c->set), k);
	return true;
}

/* the same, but its position only */
static inline bool bce_node_peek_pos(const struct btree_node *n, struct node_cursor *c,
				     struct bpos *p)
{
	if (unlikely(node_has_open(n)))
		return bce_node_peek_pos_open(n, c, p);
	if (unlikely(c->set >= n->set.nr_u64s))
		return false;
	*p = bce_key_unpack_pos(&n->set.format, keyset_at(&n->set, c->set));
	return true;
}

/* past what peek has just found */
static inline void bce_node_step(const struct btree_node *n, struct node_cursor *c)
{
	if (unlikely(c->in_open))
		c->open++;
	else
		c->set = keyset_next(&n->set, c->set);
}

/* the live key at exactly @p, lying in the node */
bool bce_node_lookup(const struct btree_node *n, struct bpos p, struct bkey *k);
/* the last live key at or before @p */
bool bce_node_peek_prev(const struct btree_node *n, struct bpos p, struct bkey *k);

/* ---- leaves ---- */

/**
 * bce_node_reserve() - memory for @nr more changes, of @words u64s together
 * @n write-locked. Return: 0, -ENOMEM.
 */
int bce_node_reserve(struct btree_node *n, u32 nr, u32 words, gfp_t gfp);
/**
 * bce_node_put() - put @k at its position; type deleted removes
 * @n:     leaf, write-locked, reserved; it becomes dirty. Pins are the caller's
 * @k:     does not lie in @n
 * @flags: enum open_put_flags; OPEN_SET_HAS is found out here
 */
void bce_node_put(struct btree_node *n, const struct bkey *k, unsigned int flags);

/* is merging open keys into the set worth it? @n locked in any way */
bool bce_node_wants_merge(const struct btree_node *n);
/*
 * Merge what need not stay among the open keys into the set. Holds intent meanwhile, write only
 * to exchange the set. @n unlocked; nothing happens if it has become another node.
 * Context: may sleep. Return: 0, -ENOMEM (nothing has happened).
 */
int bce_node_merge_open(struct btrees *b, struct btree_node *n);

/* ---- interior nodes: the set follows every change at once ---- */

/* a change that has been prepared */
struct ptrs_change {
	struct keyset	set;
	bool		new_set;	/* else keys are overwritten in place */
};

/**
 * bce_node_ptrs_prepare() - what putting @keys takes
 * @n:    write-locked until the change has been applied or cancelled
 * @keys: strictly ascending; pointers or deleted, hints zero
 * Return: 0, -ENOMEM.
 */
int bce_node_ptrs_prepare(struct btree_node *n, const struct bkey *const *keys, unsigned int nr,
			  struct ptrs_change *change);
void bce_node_ptrs_apply(struct btrees *b, struct btree_node *n, const struct bkey *const *keys,
			 unsigned int nr, struct ptrs_change *change);
void bce_node_ptrs_cancel(struct ptrs_change *change);

#endif
