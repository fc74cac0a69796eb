/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_TRANS_INTERNAL_H
#define ENGINE_BTREE_TRANS_INTERNAL_H

#include "engine/btree/node_change.h"
#include "engine/btree/trans.h"

struct journal_res;

/* what triggers have been told about an update */
struct trigger_state {
	struct bkey	seen;		/* the new key of the last round; valid if @told */
	struct bkey	old, now;	/* of the round under way */
	bool		told;
};

/**
 * struct trans_update - a key that is to be put
 * @k:       with its value in the transaction's memory
 * @pending: triggers have not seen @k
 */
struct trans_update {
	u8			btree_id;
	u8			level;
	u8			flags;
	bool			pending;
	struct bkey		k;
	struct trigger_state	*trigger;
};

struct trans_delta {
	struct bpos		pos;
	unsigned int		nr;
	s64			counters[ACCOUNTING_COUNTERS_MAX];
};

/*
 * What was found in a node: the first live key at or after @from, up to @to, was @k; or there was
 * none (type deleted).
 */
struct read_key {
	struct read_key		*next;
	struct bpos		from;
	struct bpos		to;
	struct bkey		k;
};

/**
 * struct trans_read - a node as it was read
 * @seq:        of its lock
 * @min, @max:  its range, for whoever looks there again
 * @keys:       what was found in it, unless it was too much to be remembered:
 * @many:       then only the sequence number can tell whether it has changed
 */
struct trans_read {
	struct btree_node	*n;
	u32			seq;
	bool			many;
	u8			nr_keys;
	u8			btree_id;
	u8			level;
	struct bpos		min;
	struct bpos		max;
	struct read_key		*keys;
};

/*
 * For changes of the tree itself: nodes that are locked with those of the keys, and a say in the
 * moment of the commit. It stays with the transaction until the next begin.
 */
struct trans_hook {
	struct btree_node	**nodes;	/* are write-locked too, wherever they are */
	unsigned int		nr_nodes;
	unsigned int		journal_u64s;	/* that apply() adds, headers included */
	/* all is locked and nothing done: 0, or what the commit is to return */
	int (*check)(struct trans_hook *hook, struct bce_trans *t);
	/*
	 * The keys have been put. @res: NULL without journal. Nodes that are replaced are forgotten
	 * here (cache.h), those that replace them published; nodes of the transaction's are
	 * unlocked behind it, so none is retired before the commit returns.
	 */
	void (*apply)(struct trans_hook *hook, struct bce_trans *t, struct journal_res *res,
		      u64 seq);
};

/* private flag of an update: triggers are told of it, nothing is put anywhere */
#define TRANS_TRIGGER_ONLY	(1 << 7)
/*
 * Triggers shall see how the pointer to a root becomes another one: it is no key of a node.
 * @level: that a key with the pointer would have; @old, @new: type deleted for none
 * Return: 0, -ENOMEM.
 */
int bce_trans_tell_triggers(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			    const struct bkey *old, const struct bkey *new);

/* Context: after begin. */
void bce_trans_set_hook(struct bce_trans *t, struct trans_hook *hook);

/* a node, read-locked, is being read: 0, -ENOMEM, BCE_TRANS_RESTART */
int bce_trans_note_leaf(struct bce_trans *t, const struct btree_node *n);
/*
 * Of what was noted: the first key at or after @from, up to @to, is @k, whose value moves into the
 * transaction's memory; NULL: there is none.
 */
int bce_trans_note_key(struct bce_trans *t, const struct btree_node *n, struct bpos from,
		       struct bpos to, struct bkey *k);
/* the node's number has changed; would the same be found in it? @r->n locked */
bool bce_trans_read_same(const struct trans_read *r);

/* where the update of this position is, or would be */
unsigned int bce_trans_update_index(const struct bce_trans *t, unsigned int btree_id,
				    unsigned int level, struct bpos p);

/* what is in the btree at @p, whatever the transaction is to put there; tracked */
int bce_trans_lookup_below(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   struct bpos p, struct bkey *k);

/* count it and remember that it is to begin anew */
int bce_trans_restart(struct bce_trans *t);
/* is all that was read still as it was? Only a moment's answer */
bool bce_trans_reads_hold(struct bce_trans *t);
/* does this task, by whatever transaction, keep others from committing? */
bool bce_trans_alone(const struct btrees *b);
void bce_trans_end_exclusive(struct bce_trans *t);

#endif
