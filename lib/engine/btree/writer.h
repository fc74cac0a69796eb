/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_WRITER_H
#define ENGINE_BTREE_WRITER_H

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/key/extent.h"

/* What btrees need in order to be written: journal, space, and what follows from a key. */

/* room for one node on several members */
struct btree_space {
	unsigned int		nr;
	struct extent_ptr	ptr[BTREE_PTRS_MAX];
	void			*private[BTREE_PTRS_MAX];	/* the allocator's: open buckets */
};

struct btree_space_ops {
	/*
	 * Room for a node of node_sectors on as many members as metadata_replicas asks for. It
	 * stays ours until put, referenced by a key or not. The place is marked in the members'
	 * btree bitmaps before the call returns.
	 * @reserve: for reclaim: may dip into the last reserve
	 * Context: may sleep. No node locks. Return: 0, -ENOSPC, -EROFS, -EIO.
	 */
	int (*get)(void *ctx, struct btree_space *out, bool reserve);
	/* a committed key refers to it, or nobody ever will */
	void (*put)(void *ctx, struct btree_space *space);
};

/*
 * What follows from a key: counters, back references and so on, in the same transaction. For
 * each round of updates that have not been seen yet: key(OVERWRITE) for all, then key(INSERT)
 * for all, then finish(), which may add updates; these make another round.
 * @old: what is there; type deleted if nothing. @new: what is to be there; likewise.
 * Called without locks; may read through @t. Return: 0, BCE_TRANS_RESTART, negative errno.
 */
enum btree_trigger_phase { TRIGGER_OVERWRITE, TRIGGER_INSERT };
struct btree_trigger_ops {
	int (*key)(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		   unsigned int btree_id, unsigned int level, const struct bkey *old,
		   const struct bkey *new);
	int (*finish)(void *ctx, struct bce_trans *t);
	/*
	 * Does anything follow from keys in leaves of this btree? If not, key() is not called for
	 * them, and what was there before need not be looked for. NULL: from all. From pointers
	 * to nodes always.
	 */
	bool (*wants)(unsigned int btree_id);
};

struct btrees_write_config {
	struct journal			*journal;	/* NULL: nothing leaves memory (tests, repair) */
	/*
	 * Without @journal: what is changed is to be written by a later start, as if it had come with
	 * this entry, which is on the members. 0: nobody will ever write it
	 */
	u64				held_seq;
	u8				csum_type;	/* of metadata */
	const struct btree_space_ops	*space;		/* NULL with @journal */
	void				*space_ctx;
	const struct btree_trigger_ops	*triggers;	/* NULL: none */
	void				*trigger_ctx;
};
/**
 * bce_btrees_start_writing() - transactions may be committed from now on
 * With an overlay its keys are put into the nodes first, pinning entry @replay_seq, and the
 * overlay is used no more (the caller may free it). What was changed without a journal before
 * (held_seq) pins that entry, too. Return: 0, -EIO, -ENOMEM.
 */
int bce_btrees_start_writing(struct btrees *b, const struct btrees_write_config *config,
			     u64 replay_seq);
/* nodes, and what is appended to them, from now on */
void bce_btrees_tune(struct btrees *b, u8 csum_type);
/**
 * bce_btrees_flush() - write nodes until none has anything unwritten
 * Context: may sleep long. Return: 0 or the first error.
 */
int bce_btrees_flush(struct btrees *b);
/**
 * bce_btree_forget() - a btree begins anew, empty
 * For one that cannot be read and can be derived from others. Its nodes are not given back: who
 * calls this recomputes what is in use. Before any writing; the overlay has no keys of it any more.
 */
void bce_btree_forget(struct btrees *b, unsigned int btree_id);
/*
 * No transaction runs any more; pins of unwritten keys (after an error) are dropped. The journal
 * has been stopped or halted, and is to be closed before the btrees.
 */
void bce_btrees_stop_writing(struct btrees *b);

/*
 * Root entries of all btrees that have a root on disk, as they are now: for journal entries and
 * the clean section. Must not sleep. Return: words written, at most @room_u64s.
 */
unsigned int bce_btrees_root_entries(struct btrees *b, void *out, unsigned int room_u64s);

/*
 * Move a node's replicas elsewhere, or off a member: write it anew.
 * @pos: the node's max position, @level its level. Return: 0, -ENOENT there is none.
 */
int bce_btree_node_rewrite(struct btrees *b, unsigned int btree_id, unsigned int level,
			   struct bpos pos);

struct btrees_write_stats {
	u64	commits, restarts;
	u64	node_writes, node_write_sectors;	/* one copy counted */
	u64	splits, merges, rewrites;
	u64	nodes_dirty;
};
void bce_btrees_write_stats(const struct btrees *b, struct btrees_write_stats *out);

#endif
