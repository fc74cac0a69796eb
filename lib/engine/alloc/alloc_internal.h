/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_ALLOC_ALLOC_INTERNAL_H
#define ENGINE_ALLOC_ALLOC_INTERNAL_H

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "engine/alloc/alloc.h"
#include "engine/format/ids.h"
#include "engine/key/values.h"

/* What the files of this room share. How it fits together: docs/arch/alloc.md. */

#define OPEN_BUCKETS_MAX	1024
#define WRITE_POINTS_HASHED	32
#define WRITE_POINT_BUCKETS	8
#define READ_NOTES		256
#define DISCARD_LOOKS		2

/**
 * struct alloc_dev - a member as the allocator sees it
 * @info:	geometry never changes; the rest is renewed by bce_allocator_members_changed() under @members_lock
 * @gens:	a generation for each bucket; NULL before bce_allocator_read(). May lag behind the
 *		alloc key, but never while the bucket's contents may change: see docs/arch/alloc.md
 * @oldest:	during the oldest_gen pass: oldest generation met so far, by bucket
 * @freespace:	freespace and need_discard keys of this member are kept
 * @cursor:	where the search for free buckets goes on, data and btree; under @pick_lock
 * @nr_open:	open buckets on this member, under open.lock
 * @nr_open_free: of them, those that no key refers to yet: counters still call them free
 */
struct alloc_dev {
	struct member_info	info;
	u8			*gens;
	u8 __rcu		*oldest;
	bool			freespace;
	u64			cursor[2];
	struct mutex		pick_lock;
	u32			nr_open, nr_open_free;
};

/**
 * struct open_bucket - a bucket somebody writes to
 * @used:	sectors from its start that have been given out
 * @refs:	write points, and spaces that nobody has put yet
 * @emptied:	its last pointer went while it was open: its generation waits for us
 * @partial:	owned by no write point, has room left
 * @referred:	a transaction has given it a pointer
 * @copygc:	taken for moving what is there
 */
struct open_bucket {
	struct hlist_node	hash;
	struct list_head	list;		/* free ones, or partial ones */
	u64			bucket;
	u32			used;
	u32			refs;
	u8			dev;
	u8			gen;
	u8			data_type;
	bool			emptied;
	bool			partial;
	bool			referred;
	bool			copygc;
};

/* all under @lock, but @used of an owned bucket: that is its write point's */
struct open_buckets {
	spinlock_t		lock;
	struct open_bucket	*all;		/* [OPEN_BUCKETS_MAX] */
	struct list_head	free;
	struct list_head	partial;
	unsigned int		nr_free;
	DECLARE_HASHTABLE(hash, 10);
};

/* who fills which buckets; all under @lock. @share: docs/format/75-allocation.md, 9, "device choice" */
struct write_point {
	struct mutex		lock;
	unsigned int		nr;
	struct open_bucket	*ob[WRITE_POINT_BUCKETS];
	u64			share[BCH_MEMBERS_MAX];
};

struct replicas_known;

struct allocator {
	struct allocator_config		config;
	struct alloc_dev		dev[BCH_MEMBERS_MAX];
	unsigned int			nr_devs;	/* one behind the highest index */
	struct mutex			members_lock;	/* @groups, dev[].info but geometry */
	u64				*groups;	/* members by disk group */
	unsigned int			nr_groups;

	struct mutex			replicas_lock;	/* adding to @replicas */
	DECLARE_HASHTABLE(replicas, 6);			/* struct replicas_known; RCU, never removed */

	struct open_buckets		open;
	struct write_point		wp_hashed[WRITE_POINTS_HASHED];
	struct write_point		wp_btree, wp_copygc;
	unsigned int			nr_streams;	/* write points in use; a hint */

	const struct alloc_policy_ops	*policy;
	void				*policy_ctx;
	const struct alloc_mover_ops	*mover;
	void				*mover_ctx;

	/* promises: reserve.c */
	struct mutex			reserve_lock;	/* renewing @budget, and what follows */
	atomic64_t			budget;
	unsigned int			budget_replicas;	/* it was made for so many copies, or fewer */
	u64				holes_useless;	/* sectors of holes that copygc could make nothing of */
	atomic64_t			reserved;

	/* data spaces given out and not put yet, and how many ever were put: who wants one waits for others' */
	atomic_t			spaces_out;
	atomic64_t			spaces_put;
	wait_queue_head_t		space_wait;
	bool				copygc_urgent;	/* somebody waits: whatever there is to be gained */

	/* background: reclaim.c, copygc.c, gens.c */
	struct workqueue_struct		*wq;
	struct work_struct		reclaim_work;
	struct work_struct		copygc_work;
	struct work_struct		gens_work;
	struct mutex			reclaim_lock;	/* one pass at a time */
	struct mutex			gens_lock;	/* one oldest_gen pass at a time */
	atomic64_t			buckets_freed;	/* by us, since the start */
	u64				copygc_after;	/* write clock: not before */
	struct bpos			discard_from;	/* under reclaim_lock, like @discard_more */
	bool				discard_more;	/* the last pass did not come to the end */
	/*
	 * Flushes of the journal after which to look for discards. Triggers tell before the commit: a
	 * look may come too early, so there is another one.
	 */
	atomic_t			discards;
	bool				gens;		/* some bucket may wait for an oldest_gen pass */

	/* buckets whose cached data users have read: written now and then */
	struct delayed_work		read_work;
	atomic64_t			read_note[READ_NOTES];

	bool				started;
	bool				stopping;
};

/* ---- room.c ---- */

/* disk sectors that data with @replicas copies could take now. 0, negative errno */
int alloc_room(struct allocator *a, unsigned int replicas, u64 *sectors);
/* sectors in buckets that moving might gain */
int alloc_holes(struct allocator *a, u64 *sectors);

/* ---- allocator.c ---- */

/* NULL: no such member */
struct alloc_dev *alloc_dev(struct allocator *a, unsigned int dev);
u64 alloc_clock(const struct allocator *a, unsigned int rw);
u64 alloc_flushed_seq(const struct allocator *a);
/* members of a target; 0 where it does not exist */
u64 alloc_target_devs(struct allocator *a, u16 target);
/* members that may be written to with data of a type */
u64 alloc_writable_devs(struct allocator *a, unsigned int data_type);
/* the bucket's generation is known to be @gen */
void alloc_gen_set(struct allocator *a, unsigned int dev, u64 bucket, u8 gen);

/* ---- replicas.c ---- */

int alloc_replicas_read(struct allocator *a);
void alloc_replicas_exit(struct allocator *a);
/* the superblock lists the combination before we go on; @devs ascending */
int alloc_replicas_ensure(struct allocator *a, unsigned int data_type, unsigned int nr_required,
			  const u8 *devs, unsigned int nr_devs);
/* sum of the replicas counters of a data type */
int alloc_replicas_sum(struct allocator *a, unsigned int data_type, u64 *sectors);

/* ---- account.c ---- */

int alloc_account_replicas(struct allocator *a, struct bce_trans *t, unsigned int data_type,
			   unsigned int nr_required, const u8 *devs, unsigned int nr_devs,
			   s64 sectors);
int alloc_account(struct bce_trans *t, const struct accounting_pos *pos, s64 c0, s64 c1, s64 c2,
		  unsigned int nr);
int alloc_account_dev(struct bce_trans *t, unsigned int dev, unsigned int data_type, s64 buckets,
		      s64 sectors, s64 fragmented);
/* a counter's total as the btree has it; 0 where there is none */
int alloc_counter(struct allocator *a, const struct accounting_pos *pos, unsigned int nr, s64 *out);
int alloc_dev_counters(struct allocator *a, unsigned int dev, unsigned int data_type, s64 out[3]);

/* ---- touched.c: what a transaction does to buckets, summed ---- */

/**
 * struct bucket_touch - changes of a bucket's counters
 * @type:	implied by the last pointer
 * @inserts:	some pointer is added: the generation must be right
 * @unstripe:	its stripe is deleted
 * @pending:	not worked off yet
 * @emptiness:	its alloc key carries the transaction's sequence
 */
struct bucket_touch {
	u64	bucket;
	s64	dirty, cached, striped;
	u8	dev, gen, type;
	bool	inserts, unstripe, pending, emptiness;
};

struct stripe_touch {
	u64	idx;
	s64	sectors[EXTENT_PTRS_MAX];
	bool	pending;
};

struct touched {
	struct bucket_touch	*bucket;
	unsigned int		nr_buckets, max_buckets;
	struct stripe_touch	*stripe;
	unsigned int		nr_stripes, max_stripes;
};

/* NULL: no memory */
struct touched *alloc_touched(struct bce_trans *t);
struct bucket_touch *alloc_touch_bucket(struct bce_trans *t, unsigned int dev, u64 bucket, u8 gen);
struct stripe_touch *alloc_touch_stripe(struct bce_trans *t, u64 idx);

/* ---- bucket.c ---- */

/* a bucket's state as the transaction sees it; one without key is all zero */
int alloc_bucket_lookup(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			struct alloc_info *out);
/* steps 1 to 10 of 75-allocation.md, 4.1 */
int alloc_bucket_change(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			const struct alloc_info *old, struct alloc_info *new);
int alloc_set_key(struct bce_trans *t, unsigned int btree_id, struct bpos pos, bool set);

/* ---- freespace.c ---- */

int alloc_freespace_add(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 start);
int alloc_freespace_remove(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 start);
/* freespace and need_discard keys of a member from its alloc keys */
int alloc_freespace_init(struct allocator *a, unsigned int dev);

/* ---- stripe.c ---- */

/* counters of a pointer into a stripe */
int alloc_stripe_ptr(struct allocator *a, struct bce_trans *t, const struct extent_ptr_decoded *p,
		     s64 sectors);
int alloc_stripe_trigger(struct allocator *a, struct bce_trans *t, enum btree_trigger_phase phase,
			 const struct bkey *old, const struct bkey *new);
int alloc_stripes_finish(struct allocator *a, struct bce_trans *t, struct touched *touched);

/* ---- rebalance.c ---- */

/* sectors of a key that wait for background work */
u64 alloc_rebalance_sectors(struct allocator *a, const struct bkey *k);

/* ---- open_bucket.c ---- */

int alloc_open_init(struct allocator *a);
void alloc_open_exit(struct allocator *a);
bool alloc_bucket_is_open(struct allocator *a, unsigned int dev, u64 bucket);
/* the same, asked by who has just taken the last pointer out of it */
bool alloc_bucket_is_open_emptied(struct allocator *a, unsigned int dev, u64 bucket);
/* with one reference; NULL: somebody has it open already, or no slot left for @wm (*@full) */
struct open_bucket *alloc_open_get(struct allocator *a, unsigned int dev, u64 bucket,
				   unsigned int data_type, enum alloc_watermark wm, bool *full);
void alloc_open_ref(struct allocator *a, struct open_bucket *ob);
void alloc_open_put(struct allocator *a, struct open_bucket *ob);
/* give up a write point's bucket that has room left: the next one takes it */
void alloc_open_park(struct allocator *a, struct open_bucket *ob);
/* such a bucket on a member, with a reference; @copygc: one that copygc has left. NULL: there is none */
struct open_bucket *alloc_open_unpark(struct allocator *a, unsigned int dev,
				      unsigned int data_type, bool copygc);
u32 alloc_open_nr(struct allocator *a, unsigned int dev);
/* those that counters still call free */
u32 alloc_open_nr_free(struct allocator *a, unsigned int dev);
/* sectors that are left in those of users' data */
u64 alloc_open_room(struct allocator *a, unsigned int dev);
/* a transaction is about to make it more than free */
void alloc_open_referred(struct allocator *a, unsigned int dev, u64 bucket);

/* ---- pick.c ---- */

/* buckets a watermark has to leave on a member */
u64 alloc_reserve_buckets(const struct allocator *a, const struct member_info *m,
			  enum alloc_watermark wm);
/* buckets that an allocation at @wm may take now */
int alloc_free_buckets(struct allocator *a, unsigned int dev, enum alloc_watermark wm, u64 *nr);
/* take a free bucket: open, with one reference. -ENOSPC, -EIO, -ENOMEM, -EAGAIN no slot */
int alloc_bucket_pick(struct allocator *a, unsigned int dev, unsigned int data_type,
		      enum alloc_watermark wm, struct open_bucket **out);

/* ---- space.c ---- */

void alloc_write_points_init(struct allocator *a);
/* all buckets that write points hold are given up */
void alloc_write_points_drop(struct allocator *a);

/* ---- reserve.c ---- */

void alloc_reserve_init(struct allocator *a);

/* ---- reclaim.c, copygc.c, gens.c ---- */

void alloc_read_work(struct work_struct *work);
void alloc_reclaim_work(struct work_struct *work);
void alloc_copygc_work(struct work_struct *work);
void alloc_gens_work(struct work_struct *work);
/* look whether something can be freed, soon */
void alloc_kick(struct allocator *a);
/* a bucket was taken, and @nr_free are left beyond what is reserved: look before there is need */
void alloc_kick_if_short(struct allocator *a, unsigned int dev, u64 nr_free);
/*
 * Somebody needs space: discards, invalidates, flushes the journal for that.
 * @copygc: if that gives nothing, also by moving data
 * Context: process, nothing held. Return: true something came free, look again
 */
bool alloc_make_space(struct allocator *a, bool copygc);
/*
 * The same by moving what is in the emptiest buckets, whatever else might come free.
 * Context: process, nothing held. Return: true something came free
 */
bool alloc_move_together(struct allocator *a);
/* a stale pointer is written while the pass runs: it must not miss it */
void alloc_gens_note(struct allocator *a, unsigned int dev, u64 bucket, u8 gen);

#endif
