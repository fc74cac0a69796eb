/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_WRITE_INTERNAL_H
#define ENGINE_BTREE_WRITE_INTERNAL_H

#include "engine/btree/btrees_internal.h"

/* What node_write.c, node_gather.c, replace.c and maintain.c have of each other. */

/* ---- node_write.c ---- */

/*
 * Beside 0 and errors: it does not fit behind what is there, or there is no place, or not for all
 * replicas; or the node has little left in it.
 */
enum { NODE_TO_REPLACE = 1, NODE_HAS_SHRUNK };

enum node_write_flags {
	NODE_WRITE_TELL_SHRUNK	= 1 << 0,	/* a node that has shrunk is not written */
	NODE_WRITE_PARTIAL	= 1 << 1,	/* replicas may stay behind, if one is written */
};

/**
 * bce_node_write() - append what is unwritten to the node on disk
 * Waits for a write of @n that is under way. Nothing happens to a node that has nothing unwritten,
 * is being replaced, or is none any more.
 * @flags: enum node_write_flags
 * Context: may sleep, no locks held. Return: 0; NODE_TO_REPLACE, NODE_HAS_SHRUNK: nothing was done;
 * -EIO, -EROFS, -ENOMEM.
 */
int bce_node_write(struct btrees *b, struct btree_node *n, unsigned int flags);

/* wait until no write of @n is under way; it may begin again at once, unless it is locked */
void bce_node_wait_written(struct btrees *b, struct btree_node *n);

/*
 * Pins and numbers of what is unwritten now belong to a write, or a replacement, that begins; or
 * go back after it has failed. @n intent-locked.
 */
void bce_node_pins_take(struct btrees *b, struct btree_node *n, u64 *journal_seq);
void bce_node_pins_give_back(struct btrees *b, struct btree_node *n, u64 journal_seq);
/* what began with take has reached the disk: is there anything else? @n intent-locked */
void bce_node_pins_done(struct btrees *b, struct btree_node *n);

/* is @ptr the pointer to the node of @id? */
bool bce_ptr_is_to(const struct bkey *ptr, const struct node_id *id);
/*
 * The pointer to a node as it is now, from its parent or as a root.
 * Return: 0; -ENOENT it is not there; -EIO, -ENOMEM.
 */
int bce_node_find_ptr(struct btrees *b, const struct node_id *id, struct bkey *ptr,
		      struct ptr_buf *buf);

/* replicas of one block on their way */
struct node_io;
/**
 * bce_node_io_start() - submit @sectors at @offset_sectors of the node @ptr points to
 * @data stays until bce_node_io_wait(). Return: NULL: no memory.
 */
struct node_io *bce_node_io_start(struct btrees *b, const struct node_id *id,
				  const struct bkey *ptr, u32 offset_sectors, const void *data,
				  u32 sectors);
/* Return: 0: one replica at least is written; @missed: indices of those that are not. -EIO none */
int bce_node_io_wait(struct btrees *b, struct node_io *io, u32 *missed);

/* ---- node_gather.c ---- */

/* live keys of one node, or of neighbours, as one run of unpacked disk keys */
struct node_keys {
	u64	*words;		/* kvmalloc'ed */
	u32	nr_words;
	u32	max_words;
	u32	nr;
};

/* words that the keys of @n can take at most; @n locked in any way */
u32 bce_node_keys_bound(const struct btree_node *n);
/* the live keys of @n behind those that are there; there is room. @n locked in any way */
void bce_node_keys_add(struct node_keys *keys, const struct btree_node *n);

/* a new node: a stretch of the keys and of the range */
struct node_piece {
	struct bpos		min, max;
	u32			first, end;	/* words of the keys */
	u32			nr;
	struct key_format	format;
};
/* how many pieces are made at most at a time */
#define NODE_PIECES_MAX		16

/**
 * bce_node_keys_cut() - into as many nodes as they need
 * @pieces: [NODE_PIECES_MAX]; the last one may be larger than a node. In this case the rest of its
 *          keys has to be written later
 * Return: number of pieces, at least one.
 */
unsigned int bce_node_keys_cut(const struct btrees_config *config, const struct node_keys *keys,
			       struct bpos min, struct bpos max, struct node_piece *pieces);

/* u64s that the live keys of @n may take on disk: about. @n locked in any way */
u32 bce_node_live_estimate(const struct btree_node *n);

/* ---- replace.c ---- */

enum replace_why {
	REPLACE_FULL,		/* no room behind what is written, or no place */
	REPLACE_SHRUNK,		/* join it with a neighbour; -ENOENT if there is none that fits */
	REPLACE_MOVE,		/* to other members */
};
/**
 * bce_node_replace() - write all keys of a node to one or several new ones
 * Nothing happens if @n is not the node of @id any more.
 * Context: may sleep; interior_lock held, no locks of nodes.
 * Return: 0; -ENOENT; -ENOSPC, -EROFS, -EIO, -ENOMEM: all is as it was.
 */
int bce_node_replace(struct btrees *b, struct btree_node *n, const struct node_id *id,
		     enum replace_why why);

/* ---- maintain.c ---- */

int bce_maintain_init(struct btrees *b);
/* nothing is queued any more; returns when what was has been done */
void bce_maintain_stop(struct btrees *b);
void bce_maintain_exit(struct btrees *b);
/* returns when nothing is queued or in hand; the first error since the last call */
int bce_maintain_drain(struct btrees *b);
/* @n is not far over its limits any more, or is none any more: locked */
void bce_maintain_settled(struct btrees *b, struct btree_node *n);
/* queue @n if it wants maintenance. Context: may sleep */
void bce_maintain_look(struct btrees *b, struct btree_node *n);
/* write @n, or replace it: what its state asks for. Context: may sleep. Return: 0 or negative errno */
int bce_node_maintain(struct btrees *b, struct btree_node *n);

/* ---- replay.c ---- */

int bce_btrees_replay(struct btrees *b, u64 replay_seq);

#endif
