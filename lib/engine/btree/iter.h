/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_ITER_H
#define ENGINE_BTREE_ITER_H

#include "engine/key/bkey.h"

struct bce_trans;
struct btrees;
struct btree_node;

#define BTREE_MAX_DEPTH		4

/*
 * Which snapshot versions of keys are wanted. @is_ancestor tells whether
 * @ancestor is @id itself or above it in the snapshot tree.
 */
struct snapshot_view {
	u32	id;
	bool	(*is_ancestor)(const void *ctx, u32 id, u32 ancestor);
	const void *ctx;
};

enum btree_iter_flags {
	BTREE_ITER_PREFETCH	= 1 << 0,	/* read sibling leaves ahead */
	BTREE_ITER_WHITEOUTS	= 1 << 1,	/* with a view: show whiteouts too */
	BTREE_ITER_CACHED	= 1 << 2,	/* -EAGAIN where a node would have to be read */
};

/* a place among the keys of a node, valid while it is locked: node_change.h */
struct node_cursor {
	u32	set;		/* in the set */
	u32	open;		/* among the open keys */
	bool	in_open;	/* what peek found is one of these */
};

/*
 * An iterator lives on the stack, between init and exit. It holds read locks
 * on the nodes of its path from the first peek until bce_btree_iter_unlock()
 * or exit; keys it returned are valid as long, and until the iterator moves.
 * Move it by the functions below only; fields from @search on are private.
 */
#define BTREE_ITER_LEFT_MAX	8

struct btree_iter {
	struct btrees			*btrees;
	struct bpos			pos;		/* next peek: first key at or after it */
	unsigned int			btree_id;
	unsigned int			level;		/* 0: leaves */
	unsigned int			flags;
	const struct snapshot_view	*view;
	struct bkey			k;		/* what peek returned */
	struct bpos			search;		/* the next key is at or after it */
	struct {
		struct btree_node	*node;		/* read-locked */
		struct node_cursor	at;
	}				path[BTREE_MAX_DEPTH];
	struct btree_node		*unlocked;	/* last leaf, after unlock */
	u32				unlocked_seq;	/* its lock's sequence then */
	struct bce_trans		*trans;		/* is told of every leaf, see trans.c */
	struct bpos			limit;		/* with @trans: leaves from it on are not wanted */
	/* leaves this peek has found nothing in, as they were */
	struct {
		struct btree_node	*node;
		u32			changes, lives;
	}				left[BTREE_ITER_LEFT_MAX];
	u8				nr_left;
	bool				placed;		/* path[level].at is where @search is */
	bool				found;		/* @k.p is where the last peek was; the key may be gone by now */
	bool				at_end;
	bool				extents;	/* keys stand where they end: leaves of such a btree */
	u64				ptr_value[9];	/* of an interior key */
};

/**
 * bce_btree_iter_init() - place an iterator
 * @level: 0, or the level of interior nodes whose pointers are wanted
 * @view:  NULL: every key of every snapshot
 */
void bce_btree_iter_init(struct btree_iter *iter, struct btrees *b, unsigned int btree_id,
			 unsigned int level, struct bpos pos, unsigned int flags,
			 const struct snapshot_view *view);
/* drop locks; the last key is no longer valid */
void bce_btree_iter_exit(struct btree_iter *iter);

/**
 * bce_btree_iter_peek() - the first key at or after iter->pos
 *
 * In extent btrees: the first key that ends after iter->pos.offset (so it covers
 * or follows the position). Without a view positions are full ones. With a view:
 * per logical position the version nearest to view->id, ancestors of it included,
 * others skipped, whiteouts dropped (docs/format/60-filesystem-keys.md, section 19).
 *
 * Context: may sleep (node reads). Return: key, valid until the next call;
 * NULL at the end of the btree; ERR_PTR: -EIO unreadable node (logged), -ENOMEM.
 */
const struct bkey *bce_btree_iter_peek(struct btree_iter *iter);
/* move past what peek returned (the first key, if it has not been called), then peek */
const struct bkey *bce_btree_iter_next(struct btree_iter *iter);
/* go anywhere; locks of the path are kept for what is near */
void bce_btree_iter_set_pos(struct btree_iter *iter, struct bpos pos);
/* drop locks, keep the position; the last key is no longer valid */
void bce_btree_iter_unlock(struct btree_iter *iter);

/*
 * After an error of peek or next: go on behind the node that cannot be read. Drops locks.
 * Return: false if nothing is behind it.
 */
bool bce_btree_iter_skip_unreadable(struct btree_iter *iter);

/*
 * All keys of a btree, or those seen in @view, from the first on. @k is a copy and no lock is held while
 * @fn runs; what it returns, if not 0, ends the walk. Return: that; 0; -EIO, -ENOMEM.
 */
int bce_btree_for_each_key(struct btrees *b, unsigned int btree_id,
			   const struct snapshot_view *view,
			   int (*fn)(void *ctx, const struct bkey *k), void *ctx);
/* the same, passing over nodes that cannot be read; their error at the end, but -ENOMEM at once */
int bce_btree_for_each_readable_key(struct btrees *b, unsigned int btree_id,
				    const struct snapshot_view *view,
				    int (*fn)(void *ctx, const struct bkey *k), void *ctx);

/*
 * One key at an exact logical position as seen in @view (or at the exact full
 * position without view), copied: @k->v points into @buf.
 * Return: 0, -ENOENT, -EIO, -ENOMEM.
 */
struct bkey_buf {
	u64	v[250];
};
int bce_btree_lookup(struct btrees *b, unsigned int btree_id, struct bpos pos,
		     const struct snapshot_view *view, struct bkey *k, struct bkey_buf *buf);

#endif
