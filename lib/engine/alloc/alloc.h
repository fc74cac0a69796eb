/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_ALLOC_ALLOC_H
#define ENGINE_ALLOC_ALLOC_H

#include "engine/btree/trans.h"
#include "engine/btree/writer.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/sb/members.h"
#include "engine/sb/write.h"

/*
 * Buckets of all members: which are free, who fills which, what follows from a pointer.
 * docs/format/75-allocation.md, 80-accounting.md; docs/arch/alloc.md.
 */
struct allocator;

/* where to put data; registered by the dm target, absent offline */
struct alloc_policy_ops {
	/* members that should take this write; 0: any. @fallback: others may if these are full */
	u64 (*place)(void *ctx, unsigned int data_type, u16 target, bool *fallback);
};

struct allocator_config {
	struct btrees			*btrees;
	struct journal			*journal;
	struct member_table		*members;
	struct sb_writer		*sb;
	struct bce_log			*log;
	u32				node_sectors;
	u32				block_sectors;
	u8				metadata_replicas, metadata_replicas_required;
	u16				metadata_target;	/* 0: any */
	u64				gc_reserve_sectors;	/* 0: gc_reserve_percent */
	u8				gc_reserve_percent;
	unsigned int			patience_ms;	/* for space, while nothing moves. 0: default */
	/* sectors read and written by users since ever; never 0 */
	u64				(*io_clock)(void *ctx, unsigned int rw);
	void				*clock_ctx;
};

int bce_allocator_open(struct allocator **out, const struct allocator_config *config);
void bce_allocator_close(struct allocator *a);

/* generations from bucket_gens, usage from accounting; no scan of buckets. 0, -EIO, -ENOMEM */
int bce_allocator_read(struct allocator *a);
/*
 * Superblock and journal buckets as the layouts and rings have them, freespace for members
 * without it (docs/format/00-overview.md, section 9, 3 to 5). Needs a journal.
 */
int bce_allocator_init_members(struct allocator *a);
/* background work: discards, invalidation, copygc, generations. stop() waits for its end */
int bce_allocator_start(struct allocator *a);
void bce_allocator_stop(struct allocator *a);
/* flush the journal, discard what waits for that. Context: sleeps. Return: buckets have come free */
bool bce_allocator_reclaim(struct allocator *a);
/* what the journal's flushed() tells: buckets emptied up to @seq may be discarded, then reused */
void bce_allocator_flushed(struct allocator *a, u64 seq);
/* states, labels, durabilities, targets as the superblock has them now. 0, -ENOMEM */
int bce_allocator_members_changed(struct allocator *a);
/* nodes got from now on */
void bce_allocator_tune(struct allocator *a, u8 metadata_replicas, u16 metadata_target);
void bce_allocator_set_policy(struct allocator *a, const struct alloc_policy_ops *ops, void *ctx);

/* what btrees are given */
extern const struct btree_space_ops bce_alloc_btree_space_ops;	/* ctx: struct allocator */

/* ---- triggers: called by the set's dispatcher for keys with pointers, reservations, inodes ---- */

int bce_alloc_trigger(struct allocator *a, struct bce_trans *t, enum btree_trigger_phase phase,
		      unsigned int btree_id, unsigned int level, const struct bkey *old,
		      const struct bkey *new);
/* the buckets touched in this round, each once: alloc keys and what follows from them */
int bce_alloc_trigger_finish(struct allocator *a, struct bce_trans *t);

/* change a bucket directly (superblock, journal, discard, invalidation): 75, 4.1 */
int bce_alloc_bucket_update(struct allocator *a, struct bce_trans *t, unsigned int dev, u64 bucket,
			    const struct alloc_info *new);

/* ---- space of data ---- */

enum alloc_watermark {
	ALLOC_STRIPE, ALLOC_NORMAL, ALLOC_COPYGC, ALLOC_BTREE, ALLOC_BTREE_COPYGC, ALLOC_RECLAIM,
	ALLOC_INTERIOR_UPDATES,
};

struct alloc_request {
	u8			data_type;	/* user, btree */
	u8			replicas;	/* wanted: sum of durabilities */
	u8			replicas_required;
	enum alloc_watermark	watermark;
	u16			target;		/* docs/format/85-policies.md, 1.2 */
	bool			only_target;	/* rather fail than go elsewhere */
	bool			cached;		/* cached pointers: one is enough, none is no error */
	bool			nonblock;
	u64			exclude_devs;	/* they hold a copy already, or have failed */
	u64			stream;		/* equal streams fill the same buckets: task, file or mover */
};

#define ALLOC_PTRS_MAX	4
struct alloc_space {
	unsigned int		nr;
	u32			sectors;	/* on each; at most what was asked for */
	struct extent_ptr	ptr[ALLOC_PTRS_MAX];	/* gen filled in; cached for durability 0 */
	void			*open[ALLOC_PTRS_MAX];
};
/**
 * bce_alloc_space_get() - consecutive sectors in one open bucket of each of several members
 * @want_sectors: a multiple of the block; more than fits a bucket gives less
 * Context: may sleep for buckets to be freed, unless nonblock.
 * Return: 0; -ENOSPC; -EAGAIN; -EROFS too few members.
 */
int bce_alloc_space_get(struct allocator *a, const struct alloc_request *req, u32 want_sectors,
			struct alloc_space *out);
/* the keys that refer to it are committed, or the write was given up */
void bce_alloc_space_put(struct allocator *a, struct alloc_space *space);

/* ---- promises: space that a later write will need ---- */

struct space_reservation {
	u64	sectors;	/* of disk, all replicas counted */
	u8	replicas;
};
/* Return: 0, -ENOSPC */
int bce_space_reserve(struct allocator *a, struct space_reservation *res, u64 sectors,
		      unsigned int replicas);
void bce_space_unreserve(struct allocator *a, struct space_reservation *res);
/* @sectors more to the promise @res, whether they are there or not: later promises wait until they are */
void bce_space_reserve_more(struct allocator *a, struct space_reservation *res, u64 sectors);

/* ---- facts ---- */

/* members of a target (85-policies.md, 1.2) that are here, read-write and may hold the type */
u64 bce_alloc_target_devs(struct allocator *a, u16 target, unsigned int data_type);
u8 bce_bucket_gen(struct allocator *a, unsigned int dev, u64 bucket);
/* bucket and offset in it of a device sector; false: outside of the member's buckets */
bool bce_bucket_of(struct allocator *a, unsigned int dev, u64 sector, u64 *bucket, u32 *offset);
/* a user has read a cached pointer into it. Context: any; the key is written later, if at all */
void bce_bucket_read(struct allocator *a, unsigned int dev, u64 bucket);

struct alloc_dev_usage {
	u64	buckets[11], sectors[11], fragmented[11];	/* by data type */
	u64	open_buckets;
};
void bce_alloc_dev_usage(struct allocator *a, unsigned int dev, struct alloc_dev_usage *out);
struct alloc_usage {
	u64	capacity_sectors, used_sectors, reserved_sectors, free_sectors, cached_sectors;
};
void bce_alloc_usage(struct allocator *a, struct alloc_usage *out);
/* promised and not used up yet */
u64 bce_space_reserved(struct allocator *a);

/* moving extents out of buckets: given by the data room at start (copygc, evacuation) */
struct alloc_mover_ops {
	/* rewrite every key with a non-cached pointer into the bucket; 0, -ENOSPC, -EIO, -EAGAIN it is being written to */
	int (*bucket)(void *ctx, unsigned int dev, u64 bucket);
	/*
	 * A key of extents or reflink whose pointers are all stale beyond use: take it out of its
	 * file, which reads as zeros there already. May be NULL: it stays. 0 or negative errno
	 */
	int (*prune)(void *ctx, unsigned int btree_id, struct bpos pos);
	/*
	 * Somebody still writes into it, who began when it was in use: it is not to be taken. May be NULL.
	 * Context: under a spinlock
	 */
	bool (*held)(void *ctx, unsigned int dev, u64 bucket);
};
void bce_allocator_set_mover(struct allocator *a, const struct alloc_mover_ops *ops, void *ctx);

#endif
