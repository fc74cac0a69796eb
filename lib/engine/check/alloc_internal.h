/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_CHECK_ALLOC_INTERNAL_H
#define ENGINE_CHECK_ALLOC_INTERNAL_H

#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/alloc.h"
#include "engine/key/extent.h"
#include "engine/sb/sb.h"

/*
 * What the allocation pass keeps in memory: see alloc.c.
 */

enum check_bucket_flags {
	BUCKET_HAS_KEY		= 1 << 0,
	BUCKET_NEED_DISCARD	= 1 << 1,	/* of the key */
	BUCKET_REFERENCED	= 1 << 2,	/* by a pointer, superblock, journal or stripe */
	BUCKET_IN_FREESPACE	= 1 << 3,	/* with the right generation bits */
	BUCKET_IN_NEED_DISCARD	= 1 << 4,
	BUCKET_IN_GENS		= 1 << 5,
	BUCKET_IN_READ_LRU	= 1 << 6,
	BUCKET_IN_FRAG_LRU	= 1 << 7,
	BUCKET_TOLD_MIX		= 1 << 8,	/* classes of data mixed: told once */
	BUCKET_TOLD_NO_KEY	= 1 << 9,
	BUCKET_BELIEVED		= 1 << 10,	/* superblock or journal of a member that is not here */
};

/* a bucket as its alloc key has it, and as the references to it add up */
struct check_bucket {
	u64	read_time;
	u32	dirty, cached, striped;
	u32	stripe;
	u32	w_dirty, w_cached, w_striped;
	u32	w_stripe;
	u8	gen, oldest_gen, type, redundancy;
	u8	w_type, w_redundancy;
	u16	flags;
};

struct check_dev {
	const struct member_info	*info;		/* NULL: no such member */
	struct check_bucket		*bucket;	/* by number; below first_bucket unused */
};

struct check_stripe {
	u64			idx;
	u16			sectors;
	u8			nr_blocks;
	u8			nr_redundant;
	bool			told;
	struct extent_ptr	ptr[EXTENT_PTRS_MAX];
	u32			count[EXTENT_PTRS_MAX];		/* as stored */
	u64			w_count[EXTENT_PTRS_MAX];
};

/* an indirect extent */
struct check_shared {
	u64	end;
	u32	size;
	u32	w_refs;
	u64	refs;		/* as stored */
};

/* a counter of the accounting btree, from the references; a slot of a hash table */
struct check_counter {
	struct bpos	pos;
	bool		used;
	bool		seen;		/* in the btree */
	s64		d[ACCOUNTING_COUNTERS_MAX];
};

struct check_inum {
	u64	inum;
	s64	d[ACCOUNTING_COUNTERS_MAX];
};

/* a backpointer that has to be there: position, value, the key it belongs to */
struct check_backpointer {
	u64	offset;		/* of the position */
	u32	len;
	u8	dev, btree_id, level, data_type;
	u32	pos_snapshot;
	u32	pad;
	u64	pos_offset;
	u64	pos_inode;
};

#define BACKPOINTERS_PER_RUN	(1U << 12)

struct backpointer_run {
	struct check_backpointer	*e;
	u32				nr;
	u32				at;		/* while merging */
};

/* the key that is looked at, its pointers decoded: too large for a stack */
struct key_ptr {
	struct extent_ptr_decoded	p;
	u64				sectors;	/* charged */
	bool				stale;		/* and cached */
};

struct key_ptrs {
	const struct bkey		*k;
	unsigned int			btree_id;
	unsigned int			level;
	unsigned int			nr;
	struct key_ptr			ptr[EXTENT_PTRS_MAX];
	struct extent_rebalance		rebalance;
	bool				has_rebalance;
};

struct alloc_check {
	struct check			*c;
	struct check_dev		dev[BCH_MEMBERS_MAX];
	bool				incomplete;	/* something could not be read */
	u64				done;		/* keys */

	struct check_stripe		*stripe;	/* by idx */
	size_t				nr_stripes, stripes_room;
	struct check_shared		*shared;	/* by end */
	size_t				nr_shared, shared_room;
	struct check_inum		*inum;		/* by inum; reflink's 0 apart */
	size_t				nr_inums, inums_room;
	struct check_inum		inum0;
	struct check_counter		*counter;	/* 1 << counter_bits slots */
	unsigned int			counter_bits;
	size_t				nr_counters;
	struct key_ptrs			ptrs;
	struct backpointer_run		*run;
	size_t				nr_runs, runs_room;
	struct merge			*merge;		/* while backpointers are compared */
	struct mend			*mend;		/* NULL: only told what is wrong */
};

int check_alloc_walk(struct alloc_check *a);
struct alloc_check *check_alloc_new(struct check *c);
void check_alloc_free(struct alloc_check *a);

/* room for one more in an array that doubles; 0 or -ENOMEM */
int check_array_room(void **array, size_t nr, size_t *room, size_t each);

/* alloc.c */
struct check_bucket *check_bucket_at(struct alloc_check *a, unsigned int dev, u64 bucket);
u64 check_bucket_of_sector(const struct check_dev *d, u64 sector, u32 *offset);
/* the bucket's state with the sums instead of the key's counters */
void check_bucket_walked(const struct check_bucket *b, struct alloc_info *out);
void check_bucket_stored(const struct check_bucket *b, struct alloc_info *out);
/* one more reference: add, and see to it that classes of data do not mix */
void check_bucket_mark(struct alloc_check *a, unsigned int dev, u64 bucket, unsigned int type,
		       u32 *counter, u64 sectors, const char *what);
typedef int (*check_key_fn)(struct alloc_check *a, unsigned int btree_id, unsigned int level,
			    const struct bkey *k);
/* every key of a level, in order; no look-ups by @fn. What is unreadable makes @a incomplete */
int check_walk(struct alloc_check *a, unsigned int btree_id, unsigned int level,
	       const char *pass, check_key_fn fn);

/*
 * mend.c: what is noted while the walks go on, and changed when they are over. All of them do nothing
 * where nothing is mended.
 */
/* a reference says which generation its bucket is in */
int mend_gen(struct alloc_check *a, unsigned int dev, u64 bucket, u8 gen, unsigned int kind);
enum mend_gen_kind { GEN_OF_CACHED, GEN_LISTED, GEN_OF_DATA };	/* the stronger word last */
/* @k, whose value is copied, is to be at its position; type deleted: nothing is */
int mend_put(struct alloc_check *a, unsigned int btree_id, const struct bkey *k);
/* nothing is to be there */
int mend_drop(struct alloc_check *a, unsigned int btree_id, struct bpos p);
/* a counter is to change by so much */
int mend_account(struct alloc_check *a, const struct accounting_pos *pos, const s64 *stored,
		 const s64 *want);
int mend_backpointer(struct alloc_check *a, const struct check_backpointer *e);
void mend_version(struct alloc_check *a, u64 version);
int mend_bitmap(struct alloc_check *a, unsigned int dev, u64 sector);
int mend_replicas(struct alloc_check *a, const struct accounting_pos *pos);
/* key versions, reference counts, sectors of stripes' blocks */
int mend_shared(struct alloc_check *a, const struct check_shared *s);
int mend_stripe(struct alloc_check *a, const struct check_stripe *s);
/* mend_index.c: freespace, need_discard, bucket_gens, lru, as the table of buckets has them now */
int mend_indexes(struct alloc_check *a);
/* all that was noted */
int mend_apply(struct alloc_check *a);

/* alloc_refs.c: what a key refers to */
int check_key_refs(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		   const struct bkey *k);

/* alloc_shared.c: stripes and indirect extents */
int check_stripe_read(struct alloc_check *a, const struct bkey *k);
struct check_stripe *check_stripe_find(struct alloc_check *a, u64 idx);
int check_stripes_compare(struct alloc_check *a);
int check_shared_read(struct alloc_check *a, const struct bkey *k);
void check_shared_ref(struct alloc_check *a, const struct bkey *k);
int check_shared_compare(struct alloc_check *a);

/* alloc_index.c: freespace, need_discard, bucket_gens, lru */
int check_index_key(struct alloc_check *a, unsigned int btree_id, const struct bkey *k);
void check_index_missing(struct alloc_check *a);
/* times under which the bucket stands in the lru btree; 0: it does not */
u64 check_read_lru_time(const struct check_bucket *b);
u64 check_fragmentation_time(const struct alloc_check *a, unsigned int dev,
			     const struct check_bucket *b);
unsigned int check_expected_genbits(const struct check_bucket *b);
bool check_bucket_is_free(const struct check_bucket *b);
#define LRU_TIME_BITS		48
#define LRU_TIME_MASK		((1ULL << LRU_TIME_BITS) - 1)
#define LRU_ID_FRAGMENTATION	0xffff
#define GENBITS_SHIFT		56	/* of freespace positions */
#define GENS_PER_KEY		256

/* backpointers.c */
int check_backpointer_expect(struct alloc_check *a, const struct check_backpointer *e);
int check_backpointers_compare(struct alloc_check *a);

/* accounting.c */
int check_account(struct alloc_check *a, const struct accounting_pos *pos, s64 d0, s64 d1, s64 d2);
int check_account_replicas(struct alloc_check *a, unsigned int data_type, unsigned int required,
			   u8 *devs, unsigned int nr, s64 sectors);
int check_account_inum(struct alloc_check *a, u64 inum, s64 extents, s64 size, s64 sectors);
int check_account_buckets(struct alloc_check *a);
int check_accounting_compare(struct alloc_check *a);

#endif
