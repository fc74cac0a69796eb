/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_TRANS_H
#define ENGINE_BTREE_TRANS_H

#include "engine/btree/iter.h"
#include "engine/journal/journal.h"
#include "engine/key/accounting.h"
#include "engine/key/bkey.h"

/*
 * Transactions: any number of keys of any number of btrees change together or not at all.
 *
 * A transaction is optimistic. While it is being put together it holds no locks: what it reads is
 * copied, and the leaf it came from remembered with its sequence number; what it writes is a
 * list. Commit locks the leaves that are to change, in an order that is the same for everybody,
 * checks that nothing that was read has changed since, and writes. If something has changed, commit
 * (or a read) returns BCE_TRANS_RESTART and the caller begins anew:
 *
 *	bce_trans_init(&t, btrees);
 *	do {
 *		bce_trans_begin(&t);
 *		ret = work(&t) ?: bce_trans_commit(&t, ...);
 *	} while (ret == BCE_TRANS_RESTART);
 *	bce_trans_exit(&t);
 *
 * A caller holds no iterator locks across any of these calls, and between begin and commit waits
 * for nothing that takes other transactions to happen. See trans.c and commit.c.
 */
struct btrees;
struct bce_trans;

/* not an errno anybody else uses: begin again */
#define BCE_TRANS_RESTART	(-2048)

/* memory of a transaction, given back all at once */
struct trans_chunk;

struct trans_update;
struct trans_delta;
struct trans_read;
struct trans_hook;

/* private; on the caller's stack */
struct open_keys;
struct bce_trans {
	struct btrees		*btrees;
	struct trans_chunk	*chunks;
	struct trans_update	**updates;	/* sorted by btree, level, position */
	unsigned int		nr_updates, max_updates;
	struct trans_delta	*deltas;	/* accounting */
	unsigned int		nr_deltas, max_deltas;
	struct trans_read	*reads;
	unsigned int		nr_reads, max_reads;
	struct trans_hook	*hook;
	void			*slot[4];	/* bce_trans_slot() */
	struct btree_node	*last_node;	/* of the last commit: where the next key may go */
	struct bpos		last_min, last_max;
	u8			last_btree_id;
	struct open_keys	*spare;		/* room for nodes that was not to be had under their locks; or NULL */
	unsigned int		restarts;
	bool			exclusive;	/* has restarted often: nobody else commits now */
	u64			journal_seq;	/* of the last commit */
};

/* never fails and takes no memory yet */
void bce_trans_init(struct bce_trans *t, struct btrees *b);
void bce_trans_exit(struct bce_trans *t);
/* forget all reads and updates; also the first call */
void bce_trans_begin(struct bce_trans *t);

/* memory until the next begin or exit; zeroed, 8-byte aligned; NULL */
void *bce_trans_alloc(struct bce_trans *t, size_t bytes);

/*
 * Storage of a trigger owner between its calls: zeroed at the first call after begin.
 * @slot: enum trans_slot
 */
enum trans_slot { TRANS_SLOT_ALLOC, TRANS_SLOT_REFLINK, TRANS_SLOT_NAMES, TRANS_SLOT_USER };
void *bce_trans_slot(struct bce_trans *t, enum trans_slot slot, size_t bytes);

/* ---- reading; the transaction's own updates are seen ---- */

enum trans_peek_flags {
	TRANS_WHITEOUTS		= 1 << 0,	/* with a view: show whiteouts too */
	TRANS_UNTRACKED		= 1 << 1,	/* the result may be outdated at commit: hints, statistics */
};

/**
 * bce_trans_lookup() - the key at an exact position
 * With a view (snapshot btrees): the version at the logical position that is visible in it.
 * @k: out; its value lies in the transaction's memory, 8-byte aligned
 * Return: 0, -ENOENT, -EIO, -ENOMEM, BCE_TRANS_RESTART.
 */
int bce_trans_lookup(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
		     const struct snapshot_view *view, unsigned int flags, struct bkey *k);
/* the same at any level, without view: pointers of interior nodes */
int bce_trans_lookup_level(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   struct bpos pos, struct bkey *k);

/**
 * bce_trans_peek() - the first key at or after @pos and before @end
 * In extent btrees @pos and @end are compared as in bce_btree_iter_peek(): the first key that ends
 * after @pos.offset and begins before @end.
 * Go on behind a key with bce_trans_after(). Return: as bce_trans_lookup(); -ENOENT none.
 */
int bce_trans_peek(struct bce_trans *t, unsigned int btree_id, struct bpos pos, struct bpos end,
		   const struct snapshot_view *view, unsigned int flags, struct bkey *k);
/*
 * Position to peek on from, behind @k (and behind its other versions if @view). In extent btrees
 * without view, peek takes a position whose snapshot is not 0 for a full one: at or after it.
 */
struct bpos bce_trans_after(unsigned int btree_id, const struct bkey *k,
			    const struct snapshot_view *view);
/* the last key at or before @pos and at or after @start; no view. For "highest id" searches */
int bce_trans_peek_prev(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			struct bpos start, unsigned int flags, struct bkey *k);

/*
 * Two reads may be of different moments and not fit together. Who finds something impossible asks
 * before he says so. Return: 0 all that was read still stands; BCE_TRANS_RESTART
 */
int bce_trans_check_reads(struct bce_trans *t);

/* ---- writing ---- */

enum trans_update_flags {
	TRANS_NO_TRIGGER	= 1 << 0,	/* derived key: its writer has done all that follows */
	/* the first word of the value becomes the journal sequence at commit (alloc, inode_v3) */
	TRANS_SEQ_IN_VALUE	= 1 << 1,
};

/**
 * bce_trans_update() - at commit, put @k where its position says
 * Type deleted removes what is there. Key and value are copied. Replaces an earlier update of
 * the same position in this transaction. Exact positions: overlapping extents are the caller's
 * to cut (data/extent_update.c), snapshots the caller's to respect (btree/snapshot_update.c).
 * Return: 0, -ENOMEM.
 */
int bce_trans_update(struct bce_trans *t, unsigned int btree_id, const struct bkey *k,
		     unsigned int flags);
int bce_trans_update_level(struct bce_trans *t, unsigned int btree_id, unsigned int level,
			   const struct bkey *k, unsigned int flags);
int bce_trans_delete(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
		     unsigned int flags);

/* add to counters of the accounting btree (docs/format/80-accounting.md); summed per position */
int bce_trans_account(struct bce_trans *t, const struct accounting_pos *pos, const s64 *counters,
		      unsigned int nr);

enum trans_commit_flags {
	TRANS_COMMIT_RECLAIM	= 1 << 0,	/* JOURNAL_RECLAIM, and no waiting for maintenance */
	TRANS_COMMIT_ALLOC	= 1 << 1,	/* JOURNAL_ALLOC */
	TRANS_COMMIT_NO_CHECK	= 1 << 2,	/* keys are not validated: only repair may */
};
/**
 * bce_trans_commit() - all of it, or nothing
 * Runs triggers first (btree/writer.h). Every key is validated by the writers' rules.
 * @t->journal_seq then says what to flush for durability.
 *
 * Context: may sleep; no locks of the engine's held.
 * Return: 0; BCE_TRANS_RESTART; -EROFS; -EIO; -ENOMEM; -EINVAL a key breaks a rule (logged); what
 * triggers return.
 */
int bce_trans_commit(struct bce_trans *t, unsigned int flags);

/*
 * The usual loop. @fn puts the transaction together; it may run several times.
 * @seq: out, journal sequence of the commit; may be NULL
 */
int bce_trans_run(struct btrees *b, int (*fn)(struct bce_trans *t, void *ctx), void *ctx,
		  unsigned int commit_flags, u64 *seq);

#endif
