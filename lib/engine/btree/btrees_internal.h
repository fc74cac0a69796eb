/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_BTREES_INTERNAL_H
#define ENGINE_BTREE_BTREES_INTERNAL_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/percpu-rwsem.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "engine/btree/btrees.h"
#include "engine/btree/cache.h"
#include "engine/btree/iter.h"
#include "engine/btree/node.h"
#include "engine/btree/node_buffer.h"
#include "engine/btree/writer.h"

struct task_struct;

/* nodes that are written at the same time by maintenance */
#define BTREE_MAINTAIN_WORKERS	4

/**
 * struct btrees - roots and nodes of one set
 * @config:      as given at open
 * @cache:       all nodes in memory, roots included
 * @buffers:     for reading
 * @roots_lock:  one root is loaded at a time
 * @roots:       pinned nodes; loaded under @roots_lock, read without; exchanged under the write
 *               lock of the old one
 * @overlay_lock: read: config.overlay is used; write: it goes
 * @root_keys_lock: protects @root_key
 * @root_key:    what journal entries and the clean section say of each root
 * @prefetch_wq: reads ahead
 * @prefetching: reads queued or running there
 * @writable:    transactions may be committed; what is below is set up
 * @writing:     as given at the start of writing
 * @exclusive:   read: commits; write: a transaction that has restarted often
 * @exclusive_task: who holds it for writing: what else he commits passes
 * @memory_seq:  what counts commits where there is no journal
 * @interior_lock: nodes are replaced by one task at a time
 * @node_wait:   for the end of writes of nodes, and for maintenance to catch up
 * @maintain_lock: protects the queue of maintenance, nodes linked by maintain_link
 * @maintain_queued: nodes in it
 * @maintain_busy: nodes that workers have in hand
 * @maintain_far: nodes that are far over their limits
 * @maintain_open: nodes may be queued
 * @maintain_error: first one since the last flush
 * @maintain_last_error: of the node that was done last; 0: it went well
 * @maintain_wq, @maintain_worker: who works on it, several at once
 */
/* what could not be read since bce_btrees_damage_once(); what has no room any more is reported anew each time */
#define DAMAGE_MAX	64

struct damage {
	spinlock_t		lock;
	unsigned int		users;
	unsigned int		nr;
	struct node_id		node[DAMAGE_MAX];
	u64			roots;		/* bit per btree */
};

struct btrees {
	struct btrees_config	config;
	struct damage		damage;
	struct node_cache	cache;
	struct node_buffers	buffers;
	struct mutex		roots_lock;
	struct btree_node	*roots[BTREE_ID_MAX];
	struct rw_semaphore	overlay_lock;
	spinlock_t		root_keys_lock;
	struct journal_root	root_key[BTREE_ID_MAX];
	struct workqueue_struct	*prefetch_wq;
	atomic_t		prefetching;
	atomic64_t		reads;
	atomic64_t		read_errors;

	bool			writable;
	struct btrees_write_config writing;
	struct percpu_rw_semaphore exclusive;
	struct task_struct	*exclusive_task;
	atomic64_t		memory_seq;
	atomic64_t		commits;
	atomic64_t		restarts;
	atomic64_t		node_writes, node_write_sectors;
	atomic64_t		splits, merges, rewrites;
	struct mutex		interior_lock;
	wait_queue_head_t	node_wait;
	spinlock_t		maintain_lock;
	struct list_head	maintain_queue;
	unsigned int		maintain_queued, maintain_busy;
	atomic_t		maintain_far;
	bool			maintain_open;
	int			maintain_error, maintain_last_error;
	struct workqueue_struct	*maintain_wq;
	struct maintain_worker {
		struct work_struct	work;
		struct btrees		*b;
	}			maintain_worker[BTREE_MAINTAIN_WORKERS];
};

/* ---- root.c ---- */

/**
 * bce_root_lock() - the root of a btree, read-locked; loaded at first use
 * An absent btree has an empty leaf for its root.
 * Context: may sleep. Return: node, or ERR_PTR(-EIO, -ENOMEM, -EINVAL no such btree).
 */
struct btree_node *bce_root_lock(struct btrees *b, unsigned int btree_id);
/* will locking it read nothing? Context: any */
bool bce_root_loaded(struct btrees *b, unsigned int btree_id);

/* room for an interior key's value */
struct ptr_buf {
	u64	v[5 + BTREE_PTRS_MAX];
};
/* what journal and clean section are told about the root; false: nothing */
bool bce_root_entry(struct btrees *b, unsigned int btree_id, struct journal_root *out);
/* the pointer key to the root that is on disk; false: there is none */
bool bce_root_disk_ptr(struct btrees *b, unsigned int btree_id, struct bkey *k,
		       struct ptr_buf *buf);
/*
 * The root is where @ptr says, from the transaction on that holds @res: 1 + BKEY_U64S + val_u64s
 * words of it are taken. Must not sleep.
 */
struct journal_res;
void bce_root_journal(struct btrees *b, struct journal_res *res, unsigned int btree_id,
		      unsigned int level, const struct bkey *ptr);

/* ---- node_read.c ---- */

/* true: it has not been said of this btree's root yet, as far as is remembered */
bool bce_damage_note_root(struct btrees *b, unsigned int btree_id);

/**
 * bce_node_read() - fill a node from disk and journal
 * @n:   write-locked, @n->id set
 * @ptr: pointer key
 * @min: lower bound by the neighbours, for legacy pointers, which do not tell
 *
 * Context: may sleep. Return: 0, -EIO no good replica (logged), -ENOKEY, -ENOMEM.
 */
int bce_node_read(struct btrees *b, struct btree_node *n, const struct bkey *ptr,
		  struct bpos min);
/* the same for a node that is not on disk: @run, at most one key, and the journal */
int bce_node_make(struct btrees *b, struct btree_node *n, const struct keyset_input *run);

/* ---- iter.c ---- */

/* the first key at or after iter->search, whatever its snapshot, into iter->k; -ENOENT: none */
int bce_iter_raw_peek(struct btree_iter *iter);
/* past iter->k, which raw_peek() has just found */
void bce_iter_raw_advance(struct btree_iter *iter);
/**
 * bce_node_lock_at() - the node of a level that covers @p, read-locked
 * Context: may sleep. Return: node, or ERR_PTR: -ENOENT the btree is not as high, -EIO, -ENOMEM,
 * -EINVAL no such btree.
 */
struct btree_node *bce_node_lock_at(struct btrees *b, unsigned int btree_id, unsigned int level,
				    struct bpos p);

/* ---- child.c ---- */

/**
 * bce_node_child_lock() - the child under which a position lies
 * @parent: read-locked interior node that covers @search
 * @pos:    out: place of the pointer in the parent's keys; may be NULL
 *
 * Context: may sleep.
 * Return: child, read-locked, covers @search; ERR_PTR(-EIO) unreadable, or a hole between
 *         children (logged); -ENOMEM.
 */
struct btree_node *bce_node_child_lock(struct btrees *b, struct btree_node *parent,
				       struct bpos search, u32 *pos);
/* the child of the pointer at @pos, wherever it lies: for walking all nodes */
struct btree_node *bce_node_child_lock_at(struct btrees *b, struct btree_node *parent, u32 pos);
/* is the child of the pointer at @pos in memory? */
bool bce_node_child_cached(struct btrees *b, struct btree_node *parent, u32 pos);
/* lower bound of the child at @pos as its left neighbour has it */
struct bpos bce_node_child_min(const struct btree_node *parent, u32 pos);

/* move a pointer key's value to @buf, with the word kept for hints zeroed */
void bce_ptr_copy_value(struct bkey *k, struct ptr_buf *buf);
/* interior key at @pos with its value copied, the place kept for hints zeroed */
void bce_node_ptr_key(const struct btree_node *n, u32 pos, struct bkey *k, struct ptr_buf *buf);

/* @n has come from disk, where anything may stand in place of hints */
void bce_node_zero_hints(struct btree_node *n);
/* log holes and overlaps between an interior node's children, and remember if there are any */
void bce_node_check_children(struct btrees *b, struct btree_node *n);

/* ---- start_writing.c ---- */

int bce_writing_init(struct btrees *b);
void bce_writing_exit(struct btrees *b);

/* ---- prefetch.c ---- */

int bce_prefetch_init(struct btrees *b);
void bce_prefetch_exit(struct btrees *b);
/* start reading the children right of @pos that are not in memory; @parent read-locked */
void bce_prefetch_siblings(struct btrees *b, struct btree_node *parent, u32 pos);

#endif
