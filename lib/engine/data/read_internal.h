/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_READ_INTERNAL_H
#define ENGINE_DATA_READ_INTERNAL_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/ratelimit.h>
#include <linux/workqueue.h>

#include "engine/data/buffer_pool.h"
#include "engine/data/read.h"
#include "engine/key/extent.h"

struct bce_decompressor;

#define GEN_CACHE_SLOTS		256

struct data_reader {
	struct data_reader_config	c;
	struct bce_decompressor		*decompressor;
	mempool_t			pieces;
	struct bio_set			bios;		/* of struct read_run */
	struct buffer_pool		stored;		/* what devices read into */
	struct buffer_pool		decoded;	/* output of decompression */
	struct workqueue_struct		*done_wq;	/* completions, checksums */
	struct workqueue_struct		*decode_wq;	/* decryption, decompression */
	struct workqueue_struct		*rebuild_wq;	/* pieces made from their stripe */
	struct workqueue_struct		*retry_wq;	/* pieces tried again */
	struct ratelimit_state		complaints;
	const struct data_read_policy __rcu *policy;
	const struct data_read_live __rcu *live;
	u64				gen_cache[GEN_CACHE_SLOTS];	/* pick.c */
};

/* how the wanted part of an extent is brought in */
enum piece_kind {
	PIECE_PLAIN,		/* just those sectors, into the caller's pages, unchecked */
	PIECE_VERIFY,		/* the whole stored extent into the caller's pages, then checked */
	PIECE_BOUNCE,		/* the whole stored extent into a buffer, the wanted part copied */
};

/*
 * A stretch of a file that one stored extent answers, with the replica chosen
 * for it.
 */
struct read_piece {
	struct list_head	link;		/* of the walk, then of the run */
	struct work_struct	work;
	struct data_reader	*reader;
	struct data_read	*read;
	struct bvec_iter	iter;		/* where it goes in read->bio */
	u64			file_sector;
	enum piece_kind		kind;

	u8			dev;
	u8			gen;		/* the pointer's */
	bool			cached;		/* by a cached pointer */
	u64			dev_sector;	/* what is read from the device ... */
	u32			dev_sectors;
	u32			skip_sectors;	/* ... and where in the decoded data ours begins */
	struct extent_crc	crc;
	struct bversion		version;
	void			*buffer;	/* PIECE_BOUNCE */
	u32			rebuild;	/* not read: made from stripe; bit of the pointer */
	struct extent_stripe_ref stripe;

	/* what has gone wrong so far */
	u64			tried;		/* bit per member not to be asked again */
	u64			bad;		/* bit per member whose copy is bad */
	u32			lost;		/* bit per pointer whose stripe did not help */
	int			last_error;
	bool			bounce_only;	/* caller's pages were seen to change under us */
	bool			alone;		/* must not share a device bio */
	bool			same_dev;	/* ask the same member once more */
	bool			was_stale;	/* a bucket was used anew while it was read */
};

/* read.c */
void bce_read_put(struct data_read *read, int error);
/* look @piece up again, with what it learned; takes over its memory and its reference */
void bce_read_piece_again(struct read_piece *piece);

/* rebuild.c: fill @piece->buffer. 0 or negative errno, logged */
int bce_piece_rebuild(struct data_reader *r, struct read_piece *piece);

/* read_io.c */
/* @piece->rebuild is set: its data comes from other blocks of the stripe */
void bce_read_piece_rebuild(struct read_piece *piece);
void bce_read_submit_pieces(struct data_reader *r, struct list_head *pieces);
int bce_read_bioset_init(struct bio_set *bs, unsigned int nr);

/* bio pages: bounce.c */
void bce_bio_zero(struct bio *bio, struct bvec_iter iter);
void bce_bio_fill(struct bio *bio, struct bvec_iter iter, const void *src);
/* multi-page segments of a part; counting stops at @max + 1 */
unsigned int bce_bio_count_bvecs(struct bio *bio, struct bvec_iter iter, unsigned int max);
/* bytes in the first @max multi-page segments of a part */
unsigned int bce_bio_bytes_in_bvecs(struct bio *bio, struct bvec_iter iter, unsigned int max);
/* kernel memory into a bio, which has room for bce_virtual_bvecs() more */
unsigned int bce_virtual_bvecs(const void *p, unsigned int bytes);
void bce_bio_add_virtual(struct bio *bio, void *p, unsigned int bytes);
int bce_bio_csum(struct bio *bio, struct bvec_iter iter, unsigned int type,
		 const struct bce_cipher *cipher, struct bce_nonce nonce, struct bce_csum *out);

/* pick.c */
struct pick_request {
	const struct bkey	*k;		/* extent or reflink_v; private copy of the value */
	struct btree_iter	*held;		/* unlocked before another btree is read */
	u64			tried;
	/* where the piece before it ended: a replica there extends its I/O */
	bool			has_previous;
	bool			same_dev;	/* the member matters, not the place */
	u8			previous_dev;
	u64			previous_end;
};
enum pick_result {
	PICK_ZEROS,		/* nothing was ever written, or only stale copies are left */
	PICK_REPLICA,
	PICK_NOTHING,		/* there should be data, but no replica to ask */
};
/* generation of the bucket with a device sector, of a set that is written; -1: not known */
int bce_live_bucket_gen(struct data_reader *r, unsigned int dev, u64 sector);

/* PICK_*, or a negative errno of a metadata read */
int bce_pick_replica(struct data_reader *r, const struct pick_request *req,
		     struct extent_ptr_decoded *out);

#endif
