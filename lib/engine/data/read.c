// SPDX-License-Identifier: GPL-2.0
/*
 * Reading a range of a file into the pages of a bio.
 *
 *  walk (caller's context)            device            done_wq, decode_wq
 *  ------------------------           ------            ------------------
 *  extents [start, end)
 *    hole, reservation -> zeros
 *    inline data -> copied
 *    reflink_p -> reflink btree
 *    extent -> pick a replica
 *       -> struct read_piece  --+
 *                               |
 *  neighbours on one device     +-- run: one bio --> end_io --> each piece:
 *                                                     checksum, decrypt, decompress
 *                                                       |
 *                                                       +- good: read_put()
 *                                                       +- bad: again, without that
 *                                                          member (retry_wq)
 *       -> no replica left, but a stripe: made from its other blocks (rebuild_wq)
 *
 * First the whole range is walked and its pieces are collected, then, with no
 * btree lock held, they are sent. Pieces that follow each other on a device go
 * out as one bio (read_io.c): a file written in sequence is a row of 64 KiB
 * stored extents, each with its own checksum, and one I/O of a megabyte costs
 * much less than sixteen of 64 KiB.
 *
 * How a piece is brought in (enum piece_kind):
 *   plain   no checksum, not compressed: just the wanted sectors, straight into
 *           the caller's pages;
 *   verify  all of a stored extent is wanted: straight into the caller's pages,
 *           and checked there;
 *   bounce  everything else: only a part of a checksummed extent is wanted, or it
 *           is compressed, or encrypted. Encrypted data is never read straight,
 *           since pages of a direct read can be seen by their owner all the time,
 *           and ciphertext beside its plaintext gives away the key stream.
 *
 * Counting: read->pending starts at one for the walk, and each piece holds one.
 * The last put calls read->done(). A piece that failed hands its reference to
 * the walk that looks for another replica.
 *
 * Retries end: each adds a member to piece->tried, or forces the bounce buffer
 * (user space may have written into pages while they were being checked), or
 * takes the piece out of a shared bio (whose error says nothing about this part), or looks
 * its key up again because the bucket has been used anew meanwhile, or has tried a pointer's
 * stripe (piece->lost). Each happens once.
 *
 * Memory: pieces come from a mempool, bios from a bioset, buffers from pools that
 * never run dry. Whoever has to wait for one of them first sends what he has
 * collected, so that everything that is held is on its way back.
 */
#include "engine/data/read.h"

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/data/compress.h"
#include "engine/data/read_internal.h"
#include "engine/format/ids.h"

#define PIECES_RESERVED		64
#define BIOS_RESERVED		16
#define BUFFERS_IDLE		16

/* reads of at least this many sectors are worth reading btree leaves ahead */
#define PREFETCH_SECTORS	2048

/*
 * Longest value of a key with pointers: a refcount, 16 pointers each with a
 * 3-word checksum and a stripe reference, and the rebalance entry.
 */
#define PTRS_VAL_U64S_MAX	(1 + 16 * 5 + 1)

/* one pass over a range of a file */
struct read_walk {
	struct data_reader	*r;
	struct data_read	*read;
	u64			pos;		/* next file sector to fill ... */
	u64			end;
	struct bvec_iter	iter;		/* ... and where it goes */
	struct list_head	pieces;

	/* from the piece that is tried again */
	u64			tried;
	u64			bad;
	u32			lost;
	int			last_error;
	bool			bounce_only;
	bool			alone;
	bool			same_dev;
	bool			was_stale;
	u8			dev;		/* which one, if @same_dev */

	/* the key at hand, copied: it outlives the iterator's locks */
	struct btree_iter	*held;
	struct bkey		k;
	u64			v[PTRS_VAL_U64S_MAX];
};

void bce_read_put(struct data_read *read, int error)
{
	if (error)
		cmpxchg(&read->error, 0, error);
	if (atomic_dec_and_test(&read->pending))
		read->done(read, read->error);
}

static u64 wanted_sectors(const struct bvec_iter *iter)
{
	return iter->bi_size >> SECTOR_SHIFT;
}

/* the next part of the caller's pages, up to @end; moves on */
static struct bvec_iter walk_take(struct read_walk *w, u64 end)
{
	struct bvec_iter part = w->iter;

	part.bi_size = (end - w->pos) << SECTOR_SHIFT;
	bio_advance_iter(w->read->bio, &w->iter, part.bi_size);
	w->pos = end;
	return part;
}

static void walk_fail(struct read_walk *w, u64 end, int error)
{
	walk_take(w, end);
	cmpxchg(&w->read->error, 0, error);
}

static void walk_zeros(struct read_walk *w, u64 end)
{
	bce_bio_zero(w->read->bio, walk_take(w, end));
}

static void walk_inline(struct read_walk *w, const struct bkey *k, u64 skip_sectors, u64 end)
{
	struct bvec_iter part = walk_take(w, end);
	u64 skip = skip_sectors << SECTOR_SHIFT;
	struct bvec_iter head = part;
	unsigned int bytes;
	const void *data = bce_inline_data(k, &bytes);

	if (skip < bytes) {
		head.bi_size = min_t(u64, bytes - skip, part.bi_size);
		bce_bio_fill(w->read->bio, head, data + skip);
		bio_advance_iter(w->read->bio, &part, head.bi_size);
	}
	bce_bio_zero(w->read->bio, part);
}

/* Context: may send the pieces collected so far and drop the iterator's locks */
static struct read_piece *piece_alloc(struct read_walk *w)
{
	struct read_piece *piece = mempool_alloc(&w->r->pieces, GFP_NOWAIT);

	if (!piece) {
		bce_btree_iter_unlock(w->held);
		bce_read_submit_pieces(w->r, &w->pieces);
		piece = mempool_alloc(&w->r->pieces, GFP_NOIO);
	}
	memset(piece, 0, sizeof(*piece));
	return piece;
}

/* is the wanted part [skip, skip + sectors) all that is stored? */
static bool wants_whole(const struct extent_crc *crc, u64 skip, u64 sectors)
{
	return !skip && sectors == crc->uncompressed_size;
}

/* sizes a sound extent has; they bound all buffer arithmetic after this */
static bool crc_is_sane(const struct data_reader *r, const struct extent_crc *crc, u64 skip,
			u64 sectors)
{
	u32 max = r->stored.bytes >> SECTOR_SHIFT;

	if (skip + sectors > crc->uncompressed_size)
		return false;
	if (crc->compressed_size > crc->uncompressed_size)
		return false;
	if (!bce_compression_type_is_compressed(crc->compression_type) &&
	    crc->compressed_size != crc->uncompressed_size)
		return false;
	return !bce_extent_is_encoded(crc) ||
	       (crc->compressed_size <= max && crc->uncompressed_size <= max);
}

/* as many of @sectors as one bio can take from the caller's pages, in whole blocks */
static u64 straight_sectors(const struct read_walk *w, u64 sectors)
{
	struct bvec_iter part = w->iter;

	part.bi_size = sectors << SECTOR_SHIFT;
	return rounddown(bce_bio_bytes_in_bvecs(w->read->bio, part, BIO_MAX_VECS) >> SECTOR_SHIFT,
			 w->r->c.block_sectors);
}

/*
 * An unchecked part is read alone, into the caller's pages where it is made of whole
 * blocks. Otherwise its ends are widened to whole blocks and it goes through a buffer.
 * It is cut where a bio or a buffer ends. Returns the end of what the piece covers.
 */
static u64 piece_set_plain(struct read_walk *w, struct read_piece *piece, u64 stored_sector,
			   u64 skip, u64 end)
{
	u32 block = w->r->c.block_sectors;
	u32 head = (u32)skip % block;
	u64 sectors = end - w->pos;
	u64 straight = head || sectors % block || piece->bounce_only ? 0 :
		       straight_sectors(w, sectors);

	if (straight) {
		piece->kind = PIECE_PLAIN;
		piece->dev_sector = stored_sector + skip;
		piece->dev_sectors = straight;
		return w->pos + straight;
	}

	sectors = min(sectors, (u64)(w->r->stored.bytes >> SECTOR_SHIFT) - head);
	piece->kind = PIECE_BOUNCE;
	piece->dev_sector = stored_sector + skip - head;
	piece->dev_sectors = roundup(head + (u32)sectors, block);
	piece->skip_sectors = head;
	piece->crc.compressed_size = piece->dev_sectors;
	piece->crc.uncompressed_size = piece->dev_sectors;
	return w->pos + sectors;
}

static u64 piece_set_whole(struct read_walk *w, struct read_piece *piece, u64 stored_sector,
			   u64 skip, u64 end)
{
	const struct extent_crc *crc = &piece->crc;
	struct bvec_iter part = w->iter;

	part.bi_size = (end - w->pos) << SECTOR_SHIFT;
	piece->dev_sector = stored_sector;
	piece->dev_sectors = crc->compressed_size;
	piece->skip_sectors = skip;
	if (!bce_compression_type_is_compressed(crc->compression_type) &&
	    !bce_csum_type_is_mac(crc->csum_type) && !piece->bounce_only &&
	    wants_whole(crc, skip, end - w->pos) &&
	    bce_bio_count_bvecs(w->read->bio, part, BIO_MAX_VECS) <= BIO_MAX_VECS)
		piece->kind = PIECE_VERIFY;
	else
		piece->kind = PIECE_BOUNCE;
	return end;
}

static void walk_bad_extent(struct read_walk *w, u64 end, const char *what)
{
	if (__ratelimit(&w->r->complaints))
		bce_log_line(w->r->c.log, BCE_LOG_ERR, "inode %llu sectors %llu to %llu: %s",
			     w->read->inum, w->pos, end, what);
	walk_fail(w, end, -EIO);
}

/* where the piece before ended; or the member that is to be asked once more */
static void pick_after_previous(const struct read_walk *w, struct pick_request *req)
{
	const struct read_piece *last;

	if (w->same_dev) {
		req->has_previous = true;
		req->same_dev = true;
		req->previous_dev = w->dev;
		return;
	}
	if (list_empty(&w->pieces))
		return;
	last = list_last_entry(&w->pieces, struct read_piece, link);
	req->has_previous = true;
	req->previous_dev = last->dev;
	req->previous_end = last->dev_sector + last->dev_sectors;
}

/* @rebuild: bit of a pointer whose stripe is used */
static void walk_piece(struct read_walk *w, const struct extent_ptr_decoded *p, u64 skip,
		       u64 end, u32 rebuild)
{
	struct read_piece *piece = piece_alloc(w);

	piece->reader = w->r;
	piece->read = w->read;
	piece->file_sector = w->pos;
	piece->dev = p->ptr.dev;
	piece->gen = p->ptr.gen;
	piece->cached = p->ptr.cached;
	piece->crc = p->crc;
	piece->version = w->k.version;
	piece->tried = w->tried;
	piece->bad = w->bad;
	piece->lost = w->lost;
	piece->last_error = w->last_error;
	piece->bounce_only = w->bounce_only || rebuild;
	piece->alone = w->alone;
	piece->was_stale = w->was_stale;
	piece->rebuild = rebuild;
	piece->stripe = p->stripe;
	end = bce_extent_is_encoded(&p->crc) ? piece_set_whole(w, piece, p->ptr.sector, skip, end) :
					piece_set_plain(w, piece, p->ptr.sector, skip, end);
	piece->iter = walk_take(w, end);
	atomic_inc(&w->read->pending);
	if (rebuild)
		bce_read_piece_rebuild(piece);
	else
		list_add_tail(&piece->link, &w->pieces);
}

/* bit of the first pointer that is in a stripe which was not tried in vain; 0: there is none */
static u32 pick_stripe(const struct read_walk *w, struct extent_ptr_decoded *p)
{
	struct extent_walk walk;
	u32 bit = 1;

	bce_extent_walk_init(&walk, &w->k, 0);
	for (; bit && bce_extent_next_ptr(&walk, p); bit <<= 1)
		if (p->has_stripe && !(w->lost & bit))
			return bit;
	return 0;
}

/*
 * Fill up to @end from w->k, of which the part wanted begins @skip sectors after its
 * start. An unchecked extent may take several pieces.
 */
static void walk_extent(struct read_walk *w, u64 skip, u64 end)
{
	u64 origin = w->pos;

	while (w->pos < end) {
		struct pick_request req = { .k = &w->k, .held = w->held, .tried = w->tried };
		u64 live = skip + (w->pos - origin);
		struct extent_ptr_decoded p;
		u32 rebuild = 0;
		int ret;

		pick_after_previous(w, &req);
		ret = bce_pick_replica(w->r, &req, &p);
		if (ret < 0)
			return walk_fail(w, end, ret);
		if (ret == PICK_ZEROS)
			return walk_zeros(w, end);
		if (ret == PICK_NOTHING)
			rebuild = pick_stripe(w, &p);
		if (ret == PICK_NOTHING && !rebuild && w->last_error)
			return walk_fail(w, end, w->last_error);
		if (ret == PICK_NOTHING && !rebuild)
			return walk_bad_extent(w, end, "no member with this data is there");

		live += p.crc.offset;
		if (!crc_is_sane(w->r, &p.crc, live, end - w->pos))
			return walk_bad_extent(w, end, "sizes of the stored extent are impossible");
		walk_piece(w, &p, live, end, rebuild);
	}
}

/* keep @k's header and value when its iterator unlocks */
static bool walk_copy_key(struct read_walk *w, const struct bkey *k)
{
	if (bkey_val_bytes(k) > sizeof(w->v))
		return false;
	w->k = *k;
	memcpy(w->v, k->v, bkey_val_bytes(k));
	w->k.v = w->v;
	return true;
}

static void walk_indirect_key(struct read_walk *w, const struct bkey *k, u64 skip, u64 end)
{
	switch (k->type) {
	case KEY_TYPE_reflink_v:
		if (walk_copy_key(w, k))
			walk_extent(w, skip, end);
		else
			walk_bad_extent(w, end, "more pointers than any extent may have");
		break;
	case KEY_TYPE_indirect_inline_data:
		walk_inline(w, k, skip, end);
		break;
	default:
		walk_bad_extent(w, end, "the shared data was lost");
	}
}

static void walk_missing_indirect(struct read_walk *w, u64 idx, u64 end)
{
	bce_log_error(w->r->c.log, BCE_ERR_reflink_p_to_missing_reflink_v,
		      "inode %llu sectors %llu to %llu: no shared extent at %llu",
		      w->read->inum, w->pos, end, idx);
	walk_fail(w, end, -EIO);
}

/*
 * Fill up to @end with the shared data from address @idx on; several keys may
 * answer, without gaps (docs/format/60-filesystem-keys.md, section 13).
 */
static void walk_indirect(struct read_walk *w, u64 idx, u64 end)
{
	u64 origin = w->pos - idx;	/* file sector of address 0, modulo 2^64 */
	struct btree_iter *outer = w->held;
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_unlock(outer);
	bce_btree_iter_init(&iter, w->r->c.btrees, BTREE_ID_reflink, 0, SPOS(0, idx, 0),
			    w->read->nowait ? BTREE_ITER_CACHED : 0, NULL);
	w->held = &iter;
	for (k = bce_btree_iter_peek(&iter); w->pos < end; k = bce_btree_iter_next(&iter)) {
		u64 at = w->pos - origin;
		u64 k_end;

		if (IS_ERR(k)) {
			walk_fail(w, end, PTR_ERR(k));
			break;
		}
		if (!k || k->p.inode || bkey_start_offset(k) > at || k->p.offset <= at) {
			walk_missing_indirect(w, at, end);
			break;
		}
		k_end = min(end - w->pos, k->p.offset - at) + w->pos;
		walk_indirect_key(w, k, at - bkey_start_offset(k), k_end);
	}
	bce_btree_iter_exit(&iter);
	w->held = outer;
}

/* fill up to @end from @k, which covers it */
static void walk_key(struct read_walk *w, const struct bkey *k, u64 end)
{
	u64 skip = w->pos - bkey_start_offset(k);
	struct reflink_p_info link;

	switch (k->type) {
	case KEY_TYPE_extent:
		if (walk_copy_key(w, k))
			walk_extent(w, skip, end);
		else
			walk_bad_extent(w, end, "more pointers than any extent may have");
		break;
	case KEY_TYPE_inline_data:
		walk_inline(w, k, skip, end);
		break;
	case KEY_TYPE_reflink_p:
		bce_reflink_p_decode(k, &link);
		walk_indirect(w, link.idx + skip, end);
		break;
	case KEY_TYPE_reservation:
	case KEY_TYPE_cookie:
	case KEY_TYPE_whiteout:
	case KEY_TYPE_deleted:
		walk_zeros(w, end);
		break;
	case KEY_TYPE_error:
		walk_bad_extent(w, end, "data was lost earlier");
		break;
	default:
		walk_bad_extent(w, end, "key of a type that cannot be read");
	}
}

static void walk_range(struct read_walk *w)
{
	unsigned int flags = w->end - w->pos >= PREFETCH_SECTORS ? BTREE_ITER_PREFETCH : 0;
	struct data_read *read = w->read;
	struct btree_iter iter;
	const struct bkey *k;

	if (read->nowait)
		flags = BTREE_ITER_CACHED;
	bce_btree_iter_init(&iter, w->r->c.btrees, BTREE_ID_extents, 0,
			    SPOS(read->inum, w->pos, 0), flags, &read->view);
	w->held = &iter;
	for (k = bce_btree_iter_peek(&iter); w->pos < w->end; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR(k)) {
			walk_fail(w, w->end, PTR_ERR(k));
			break;
		}
		if (!k || k->p.inode != read->inum || bkey_start_offset(k) >= w->end) {
			walk_zeros(w, w->end);
			break;
		}
		if (k->p.offset <= w->pos) {
			walk_bad_extent(w, w->end, "extents are out of order");
			break;
		}
		if (bkey_start_offset(k) > w->pos)
			walk_zeros(w, bkey_start_offset(k));
		walk_key(w, k, min(w->end, k->p.offset));
	}
	bce_btree_iter_exit(&iter);
	bce_read_submit_pieces(w->r, &w->pieces);
}

void bce_data_read(struct data_reader *r, struct data_read *read)
{
	unsigned int nofs = memalloc_nofs_save();
	struct read_walk w = {
		.r = r,
		.read = read,
		.pos = read->bio->bi_iter.bi_sector,
		.iter = read->bio->bi_iter,
	};

	w.end = w.pos + wanted_sectors(&w.iter);
	INIT_LIST_HEAD(&w.pieces);
	read->reader = r;
	read->error = 0;
	atomic_set(&read->pending, 1);
	walk_range(&w);
	memalloc_nofs_restore(nofs);
	bce_read_put(read, 0);
}

static void piece_again_work(struct work_struct *work)
{
	struct read_piece *piece = container_of(work, struct read_piece, work);
	unsigned int nofs = memalloc_nofs_save();
	struct data_read *read = piece->read;
	struct read_walk w = {
		.r = piece->reader,
		.read = read,
		.pos = piece->file_sector,
		.end = piece->file_sector + wanted_sectors(&piece->iter),
		.iter = piece->iter,
		.tried = piece->tried,
		.bad = piece->bad,
		.lost = piece->lost,
		.last_error = piece->last_error,
		.bounce_only = piece->bounce_only,
		.alone = piece->alone,
		.same_dev = piece->same_dev,
		.was_stale = piece->was_stale,
		.dev = piece->dev,
	};

	INIT_LIST_HEAD(&w.pieces);
	mempool_free(piece, &w.r->pieces);
	walk_range(&w);
	memalloc_nofs_restore(nofs);
	bce_read_put(read, 0);
}

void bce_read_piece_again(struct read_piece *piece)
{
	bce_buffer_put(&piece->reader->stored, piece->buffer);
	piece->buffer = NULL;
	INIT_WORK(&piece->work, piece_again_work);
	queue_work(piece->reader->retry_wq, &piece->work);
}

void bce_data_reader_set_policy(struct data_reader *r, const struct data_read_policy *policy)
{
	rcu_assign_pointer(r->policy, policy);
	synchronize_rcu();	/* nobody calls the old one any more */
}

void bce_data_reader_set_live(struct data_reader *r, const struct data_read_live *live)
{
	rcu_assign_pointer(r->live, live);
	synchronize_rcu();	/* nobody asks the old one any more */
}

/*
 * done_wq is bound and of high priority: checksums are made on the processor
 * that took the interrupt, before other work. Decoding costs ten times as much
 * and may use any processor. All must run when memory is short, since reads feed
 * swap and reclaim; each may then be down to one thread. So a worker waits only for
 * what workers of the queues before it in this order give back: done_wq for nothing,
 * decode_wq for workspaces and output buffers, which are held within one call,
 * rebuild_wq for buffers and btree nodes, retry_wq for pieces, too.
 */
static int reader_workqueues(struct data_reader *r)
{
	r->done_wq = alloc_workqueue("bce_read", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	r->decode_wq = alloc_workqueue("bce_decode", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	r->retry_wq = alloc_workqueue("bce_read_retry", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	r->rebuild_wq = alloc_workqueue("bce_rebuild", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return r->done_wq && r->decode_wq && r->retry_wq && r->rebuild_wq ? 0 : -ENOMEM;
}

static int reader_init(struct data_reader *r)
{
	size_t max_bytes = max(r->c.encoded_extent_max_sectors, r->c.block_sectors) *
			   (size_t)SECTOR_SIZE;
	int ret;

	ret = bce_buffer_pool_init(&r->stored, max_bytes, BUFFERS_IDLE);
	if (!ret)
		ret = bce_buffer_pool_init(&r->decoded, max_bytes, BUFFERS_IDLE);
	if (!ret)
		ret = bce_decompressor_alloc(&r->decompressor, max_bytes);
	if (!ret)
		ret = mempool_init_kmalloc_pool(&r->pieces, PIECES_RESERVED,
						sizeof(struct read_piece));
	if (!ret)
		ret = bce_read_bioset_init(&r->bios, BIOS_RESERVED);
	if (!ret)
		ret = reader_workqueues(r);
	return ret;
}

int bce_data_reader_alloc(struct data_reader **out, const struct data_reader_config *config)
{
	struct data_reader *r;
	int ret;

	if (!config->block_sectors || !config->encoded_extent_max_sectors)
		return -EINVAL;
	r = kvzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	r->c = *config;
	ratelimit_state_init(&r->complaints, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);

	ret = reader_init(r);
	if (ret) {
		bce_data_reader_free(r);
		return ret;
	}
	*out = r;
	return 0;
}

void bce_data_reader_free(struct data_reader *r)
{
	if (!r)
		return;
	if (r->done_wq)
		destroy_workqueue(r->done_wq);
	if (r->decode_wq)
		destroy_workqueue(r->decode_wq);
	if (r->rebuild_wq)
		destroy_workqueue(r->rebuild_wq);
	if (r->retry_wq)
		destroy_workqueue(r->retry_wq);
	bioset_exit(&r->bios);
	mempool_exit(&r->pieces);
	bce_decompressor_free(r->decompressor);
	bce_buffer_pool_exit(&r->decoded);
	bce_buffer_pool_exit(&r->stored);
	kvfree(r);
}
