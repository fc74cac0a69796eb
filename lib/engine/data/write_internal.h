/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_WRITE_INTERNAL_H
#define ENGINE_DATA_WRITE_INTERNAL_H

#include <linux/bio.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "closures/closure.h"
#include "engine/data/buffer_pool.h"
#include "engine/data/inode_update.h"
#include "engine/data/write.h"
#include "engine/key/extent_edit.h"

/* buckets that are written to in place: nocow.c. By a hash; changed under @lock, writers also looked at without */
#define NOCOW_SLOTS_BITS	12
#define NOCOW_SLOTS		(1U << NOCOW_SLOTS_BITS)
struct nocow_buckets {
	spinlock_t		lock;
	wait_queue_head_t	wait;
	struct nocow_slot {
		u16	writers, movers;
		u16	waiting;	/* movers, and others for whom writers make way */
	}			slot[NOCOW_SLOTS];
};
/* slots that a mover has */
struct nocow_held {
	unsigned int	nr;
	u16		slot[EXTENT_PTRS_MAX];
};

/* writes whose keys are to be committed, of the files that have this lane: write_index.c */
#define INDEX_LANES_BITS	6
struct index_lane {
	struct data_writer	*w;
	spinlock_t		lock;		/* irq-safe: @ready */
	struct list_head	ready;
	struct work_struct	work;
};

struct bce_compressor;
struct move;

struct data_writer {
	struct data_writer_config	c;
	struct extent_env		env;
	struct bce_compressor		*compressor;
	mempool_t			ops;		/* struct write_op */
	struct bio_set			bios;		/* of struct write_bio */
	struct buffer_pool		source;		/* what is compressed: held within one call */
	struct buffer_pool		stored;		/* what goes to the devices */
	struct index_lane		*lanes;		/* [1 << INDEX_LANES_BITS] */
	struct workqueue_struct		*wq;		/* of the lanes: everything after the devices */
	struct workqueue_struct		*more_wq;	/* what waits for buffers that those on @wq give back */
	struct ratelimit_state		complaints;
	u64				features;	/* known to be set; only ever grows */
	/* old keys that one transaction changes at most; fewer where journal entries are short */
	unsigned int			keys_per_step;
	/* moving: one at a time, so that it needs no memory it cannot get */
	struct mutex			move_lock;
	struct move			*move;
	void				*move_buffer;
	struct nocow_buckets		nocow;
	struct work_struct		heal_work;
	spinlock_t			heal_lock;	/* heal, nr_heal, heal_paused */
	bool				heal_paused;
	struct heal_request {
		u64	inum, sector, devs;
		u32	snapshot;
	}				heal[32];
	unsigned int			nr_heal;
};

/*
 * One extent on its way. Its data lies in the caller's pages (@src, @iter) or in @buffer, as it is
 * to be stored.
 */
struct write_extent {
	struct data_writer	*w;
	u64			start;		/* file sector */
	u32			sectors;	/* live */
	u8			type;		/* KEY_TYPE_extent, inline_data */
	struct extent_crc	crc;
	struct bversion		version;
	struct alloc_space	space;
	unsigned long		failed;		/* bit per pointer of @space */
	u64			failed_devs;	/* not to be tried again */
	struct bio		*src;
	struct bvec_iter	iter;
	void			*buffer;
	unsigned int		inline_bytes;
	bool			in_place;	/* over what is there: no key changes. nocow.c */
	u16			nocow_slot;
};

/* how an extent is to be made */
struct write_how {
	const struct data_options	*opts;
	enum alloc_watermark		watermark;
	u64				stream;
	bool				may_wait;	/* for buffers: the caller holds none */
	bool				nonblock;	/* no waiting for space */
	bool				unstable;	/* the pages may change under us */
};

/* ---- write_encode.c ---- */

/* the checksum type of data, as stored */
u8 bce_data_csum_type(const struct data_writer *w, const struct data_options *opts);
/**
 * bce_write_encode() - the next extent out of @src
 * @iter: what is left, at file sector @start; not moved
 * Makes as long an extent as it can and gets space for it; e->sectors tells how much it took.
 * Return: 0; -EAGAIN no buffer, and the caller must not wait; -ENOSPC, -EROFS, -ENOMEM, -EIO.
 */
int bce_write_encode(struct data_writer *w, const struct write_how *how, struct bio *src,
		     struct bvec_iter iter, u64 start, struct write_extent *e);
int bce_write_need_features(struct data_writer *w, u64 features);
/* space for @sectors stored sectors with as many replicas as wanted, elsewhere than on @exclude */
int bce_write_get_space(struct data_writer *w, const struct write_how *how, unsigned int replicas,
			u64 exclude, u32 sectors, struct alloc_space *out);

/* as many as one bio can take from the caller's pages, in whole blocks */
u32 bce_write_straight_sectors(const struct data_writer *w, struct bio *src, struct bvec_iter iter);

/* ---- nocow.c ---- */

void bce_nocow_init(struct nocow_buckets *b);
/**
 * bce_nocow_next() - the next extent of a write, over what is there
 * @iter: what is left, at file sector @start; not moved
 * @e:    out, if 1 is returned: to be submitted, which ends with bce_nocow_written()
 * Return: 1; 0 it must be written elsewhere; -EAGAIN a mover is at work there, and the caller must not wait;
 * -ENOENT, -EIO, -ENOMEM.
 */
int bce_nocow_next(struct data_writer *w, const struct write_how *how, struct bce_file_id file, struct bio *src,
		   struct bvec_iter iter, u64 start, struct write_extent *e);
/* may all of [start, end) be written over? Should that change, it has to find space as it comes */
bool bce_nocow_has_places(struct data_writer *w, struct bce_file_id file, u64 start, u64 end);
/* Context: any, also interrupts */
void bce_nocow_written(struct write_extent *e);
/* wait until the writes in place that are under way have ended */
void bce_nocow_drain(struct data_writer *w);
/* a bucket that is held must not be used anew, whatever its key says. @writer: struct data_writer */
bool bce_nocow_held(void *writer, unsigned int dev, u64 bucket);
/**
 * bce_nocow_exclude() - nobody writes to these extents in place until bce_nocow_admit()
 * Context: sleeps, a tenth of a second at most. Return: 0, -EAGAIN they do
 */
int bce_nocow_exclude(struct data_writer *w, const struct extent_ptrs *ptrs, struct nocow_held *h);
void bce_nocow_admit(struct data_writer *w, struct nocow_held *h);

/* ---- write_io.c ---- */

int bce_write_bioset_init(struct bio_set *bs, unsigned int nr);
/* to all members; each write holds a reference of @cl. Failures: e->failed */
void bce_write_extent_submit(struct write_extent *e, struct bce_closure *cl);
/* extents of one array, of one bio, that follow one another on all their members, not yet submitted. Zeroed: none */
struct write_run {
	struct write_extent	*e;
	unsigned int		nr, bvecs;
};
/* the same as bce_write_extent_submit(), now or together with those that come next: see bce_write_run_end() */
void bce_write_run_add(struct write_run *r, struct write_extent *e, struct bce_closure *cl);
void bce_write_run_end(struct write_run *r, struct bce_closure *cl);
/*
 * All writes have ended. What failed is written to other members; replicas that cannot be are done
 * without, down to @required. Return: 0; -EIO. Context: may sleep
 */
int bce_write_extent_settle(struct write_extent *e, const struct write_how *how,
			    unsigned int required);
/* what the extent held is given back; its key has been committed, or never will be */
void bce_write_extent_release(struct write_extent *e);
/* submit, wait, settle */
int bce_write_extent_sync(struct write_extent *e, const struct write_how *how,
			  unsigned int required);

/* ---- write_index.c ---- */

int bce_write_index_init(struct data_writer *w);
/* all writes are done; may follow an init that failed */
void bce_write_index_exit(struct data_writer *w);
/* the key of a written extent at @pos_end, @k->v in @v; rebalance entry as the options ask */
void bce_write_extent_key(const struct write_extent *e, const struct data_options *opts,
			  struct bpos pos, struct bkey *k, struct extent_value *v);

/* ---- write.c ---- */

void bce_data_wanted(struct data_writer *w, const struct data_options *opts,
		     struct extent_wanted *out);

/* ---- range.c ---- */

/* puts one transaction together; may run several times */
typedef int (*data_step_fn)(struct bce_trans *t, void *ctx);
/* run and commit it. @seq: out, unless nothing was committed; may be NULL */
int bce_data_step(struct data_writer *w, data_step_fn fn, void *ctx, u64 *seq);
/* the same for an operation that has begun: for want of memory it does not stop at once, but waits, a second in all */
int bce_data_step_on(struct data_writer *w, data_step_fn fn, void *ctx, u64 *seq);
/* @enforce: quotas hold; bce_data_step() says so. What was promised before is not refused any more */
int bce_data_step_charged(struct data_writer *w, data_step_fn fn, void *ctx, bool enforce, u64 *seq);
/* only look at keys */
int bce_data_look(struct data_writer *w, data_step_fn fn, void *ctx);

/* what ranges are changed in */
struct data_target {
	struct bce_file_id	file;
	u32			snapshot;	/* not 0: in this one, whatever the subvolume */
};
int bce_data_target_inode(struct bce_trans *t, struct data_writer *w,
			  const struct data_target *target, struct data_inode *out);
/* remove extents of [start, end), with the inode's sectors, in as many transactions as it takes */
int bce_data_delete_range(struct data_writer *w, const struct data_target *target, u64 start,
			  u64 end, u64 *seq);

/* ---- logged_op.c ---- */

/* a record not yet there: at the first free position */
int bce_logged_op_pos(struct bce_trans *t, struct bpos *pos);
int bce_logged_op_delete(struct data_writer *w, struct bpos pos, u64 *seq);

/* ---- truncate.c, shift.c: finish what a record asks for, and delete it ---- */

int bce_truncate_resume(struct data_writer *w, const struct bkey *k);
int bce_shift_resume(struct data_writer *w, const struct bkey *k);

/* ---- reflink_range.c ---- */

/*
 * The extent or inline key @k, found in the extents btree, becomes shared: its place is taken by a
 * reference, which is put into @k.
 */
int bce_data_make_shared(struct bce_trans *t, struct data_writer *w, struct bkey *k);
int bce_data_need_reflink(struct data_writer *w);

/* ---- move.c, heal.c ---- */

int bce_move_init(struct data_writer *w);
void bce_move_exit(struct data_writer *w);
void bce_heal_work(struct work_struct *work);

#endif
