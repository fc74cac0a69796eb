// SPDX-License-Identifier: GPL-2.0
/*
 * Pieces to devices and back.
 *
 * A run is one bio: pieces that lie behind each other on one device, in order.
 * Segments of the caller's pages (plain, verify) and bounce buffers mix freely
 * in it:
 *
 *   device   | stored extent 1 | stored extent 2 | stored extent 3 |
 *   bio      | caller's pages  | caller's pages  | bounce buffer   |
 *   pieces   | verify          | verify          | bounce          |
 *
 * A piece that finds no buffer closes the run before it; only the first piece of
 * a run may wait for one, when nothing that was collected is unsent.
 *
 * bi_end_io runs in interrupt context and only queues the run. The worker checks
 * plain and verify pieces one after the other, as the data just arrived lies in
 * this processor's reach; a piece that must be decrypted or decompressed goes
 * on to decode_wq, each as an item of its own, so that several processors work on
 * one large read.
 *
 * When a shared bio failed, each piece is read again alone on the same member
 * before the member is held to have failed for it: one bad sector must not
 * take its neighbours along. When a checksum was wrong in the caller's pages the
 * piece is read again into a buffer, as the owner of the pages may have written
 * to them.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>

#include "engine/data/compress.h"
#include "engine/data/read_internal.h"
#include "engine/util/event.h"

struct read_run {
	struct data_reader	*reader;
	struct member_dev	*member;	/* I/O reference held */
	struct list_head	pieces;
	struct work_struct	work;
	u64			sector;		/* of the device */
	u32			sectors;
	u64			start_ns;
	u64			duration_ns;
	struct bio		bio;		/* last: inline vectors follow */
};

int bce_read_bioset_init(struct bio_set *bs, unsigned int nr)
{
	return bioset_init(bs, nr, offsetof(struct read_run, bio), BIOSET_NEED_BVECS);
}

/* ---- how a piece ends ---- */

static void policy_read_done(const struct read_piece *piece)
{
	const struct data_read_policy *policy;

	if (piece->rebuild)
		return;		/* of no one member */
	rcu_read_lock();
	policy = rcu_dereference(piece->reader->policy);
	if (policy && policy->read_done)
		policy->read_done(policy->ctx, piece->read->inum, piece->file_sector,
				  piece->iter.bi_size >> SECTOR_SHIFT, piece->dev, piece->cached);
	rcu_read_unlock();
}

/* bad copies are mended; buckets of cached data that nobody reads are the first to be emptied */
static void tell_live(const struct read_piece *piece)
{
	const struct data_read_live *live;

	if (!piece->bad && !piece->cached)
		return;
	rcu_read_lock();
	live = rcu_dereference(piece->reader->live);
	if (live && piece->bad && live->bad_copy)
		live->bad_copy(live->ctx, piece->read->inum, piece->read->view.id,
			       piece->file_sector, piece->bad);
	if (live && piece->cached && live->cached_read)
		live->cached_read(live->ctx, piece->dev, piece->dev_sector);
	rcu_read_unlock();
}

static void piece_good(struct read_piece *piece)
{
	struct data_reader *r = piece->reader;
	struct data_read *read = piece->read;

	policy_read_done(piece);
	tell_live(piece);
	bce_buffer_put(&r->stored, piece->buffer);
	mempool_free(piece, &r->pieces);
	bce_read_put(read, 0);
}

/* this member cannot serve the piece: ask another one */
static void piece_exclude_member(struct read_piece *piece, int error)
{
	if (piece->rebuild)
		piece->lost |= piece->rebuild;
	else
		piece->tried |= 1ULL << piece->dev;
	piece->last_error = error;
	bce_event(piece->reader->c.log, BCE_EVENT_read_retry, 1);
	bce_read_piece_again(piece);
}

static void rebuilt_complain(const struct read_piece *piece, const char *what)
{
	bce_log_line(piece->reader->c.log, BCE_LOG_ERR,
		     "inode %llu offset %llu, made from stripe %llu: %s", piece->read->inum,
		     piece->file_sector << SECTOR_SHIFT, piece->stripe.idx, what);
}

static void piece_complain(const struct read_piece *piece, const char *what)
{
	struct data_reader *r = piece->reader;
	struct member_dev *m;

	if (!__ratelimit(&r->complaints))
		return;
	if (piece->rebuild)
		return rebuilt_complain(piece, what);
	m = bce_member_get_io(r->c.members, piece->dev);
	bce_log_line(r->c.log, BCE_LOG_ERR, "%s: inode %llu offset %llu, device sector %llu: %s",
		     m ? m->name : "(member gone)", piece->read->inum,
		     piece->file_sector << SECTOR_SHIFT, piece->dev_sector, what);
	if (m)
		bce_member_put_io(m);
}

static void piece_io_error(struct read_piece *piece, bool shared)
{
	if (shared) {
		piece->alone = true;
		piece->same_dev = true;
		bce_read_piece_again(piece);
		return;
	}
	piece_complain(piece, "read error");
	piece->bad |= 1ULL << piece->dev;
	piece_exclude_member(piece, -EIO);
}

static void count_csum_error(const struct read_piece *piece)
{
	struct member_dev *m = bce_member_get_io(piece->reader->c.members, piece->dev);

	if (!m)
		return;
	bce_member_count_csum_error(m);
	bce_member_put_io(m);
}

static void piece_bad_csum(struct read_piece *piece, struct bce_csum got)
{
	struct bce_csum want = piece->crc.csum;
	char what[128];

	if (piece->kind == PIECE_VERIFY) {
		piece->bounce_only = true;
		piece->same_dev = true;
		bce_read_piece_again(piece);
		return;
	}
	snprintf(what, sizeof(what), "checksum type %u is %llx:%llx, should be %llx:%llx",
		 piece->crc.csum_type, got.hi, got.lo, want.hi, want.lo);
	piece_complain(piece, what);
	if (!piece->rebuild) {
		count_csum_error(piece);
		piece->bad |= 1ULL << piece->dev;
	}
	piece_exclude_member(piece, -EILSEQ);
}

/* ---- checking and decoding ---- */

/* 0; -EAGAIN: it did not match, and the piece is dealt with; other: cannot be checked */
static int piece_verify(struct read_piece *piece)
{
	const struct bce_cipher *cipher = piece->reader->c.cipher;
	const struct extent_crc *crc = &piece->crc;
	struct bce_nonce nonce;
	struct bce_csum got;
	int ret;

	if (!crc->csum_type)
		return 0;
	nonce = bce_extent_nonce(piece->version, crc);
	if (piece->kind == PIECE_VERIFY)
		ret = bce_bio_csum(piece->read->bio, piece->iter, crc->csum_type, cipher, nonce,
				   &got);
	else
		ret = bce_csum(crc->csum_type, cipher, nonce, piece->buffer,
			       (size_t)piece->dev_sectors << SECTOR_SHIFT, &got);
	if (ret || bce_csum_equal(got, crc->csum))
		return ret;
	piece_bad_csum(piece, got);
	return -EAGAIN;
}

static void piece_copy_out(struct read_piece *piece, const void *decoded)
{
	bce_bio_fill(piece->read->bio, piece->iter,
		     decoded + ((size_t)piece->skip_sectors << SECTOR_SHIFT));
}

static int piece_decompress(struct read_piece *piece)
{
	struct data_reader *r = piece->reader;
	const struct extent_crc *crc = &piece->crc;
	void *out = bce_buffer_get(&r->decoded);
	int ret = bce_decompress(r->decompressor, crc->compression_type, piece->buffer,
				 (size_t)crc->compressed_size << SECTOR_SHIFT, out,
				 (size_t)crc->uncompressed_size << SECTOR_SHIFT);

	if (!ret)
		piece_copy_out(piece, out);
	bce_buffer_put(&r->decoded, out);
	return ret;
}

static void piece_decode(struct read_piece *piece)
{
	const struct extent_crc *crc = &piece->crc;
	int ret = piece_verify(piece);

	if (ret == -EAGAIN)
		return;
	if (!ret && bce_csum_type_is_mac(crc->csum_type))
		bce_cipher_crypt(piece->reader->c.cipher, bce_extent_nonce(piece->version, crc),
				 piece->buffer, (size_t)piece->dev_sectors << SECTOR_SHIFT);
	if (!ret && bce_compression_type_is_compressed(crc->compression_type))
		ret = piece_decompress(piece);
	else if (!ret && piece->kind == PIECE_BOUNCE)
		piece_copy_out(piece, piece->buffer);

	if (!ret) {
		piece_good(piece);
		return;
	}
	piece_complain(piece, ret == -ENOKEY ? "encrypted, and there is no key" :
					       "does not decode");
	piece_exclude_member(piece, ret == -ENOKEY ? ret : -EILSEQ);
}

static void piece_decode_work(struct work_struct *work)
{
	unsigned int nofs = memalloc_nofs_save();

	piece_decode(container_of(work, struct read_piece, work));
	memalloc_nofs_restore(nofs);
}

static bool piece_is_costly(const struct read_piece *piece)
{
	return bce_csum_type_is_mac(piece->crc.csum_type) ||
	       bce_compression_type_is_compressed(piece->crc.compression_type);
}

/* has its bucket been emptied and used anew since the pointer was written? */
static bool piece_is_stale(const struct read_piece *piece)
{
	int gen = bce_live_bucket_gen(piece->reader, piece->dev, piece->dev_sector);

	return gen >= 0 && gen != piece->gen;
}

/*
 * What was read is other data. The key that led there has changed, so it is looked up again; should
 * it lead to the same place the pointer itself is wrong.
 */
static void piece_stale(struct read_piece *piece)
{
	if (piece->cached) {
		piece->tried |= 1ULL << piece->dev;
		bce_read_piece_again(piece);
	} else if (!piece->was_stale) {
		piece->was_stale = true;
		bce_read_piece_again(piece);
	} else {
		piece_complain(piece, "pointer into a bucket of another generation");
		piece_exclude_member(piece, -EIO);
	}
}

/* the data is there; @shared: in a bio with other pieces */
static void piece_arrived(struct read_piece *piece, int error, bool shared)
{
	if (error) {
		piece_io_error(piece, shared);
	} else if (piece_is_stale(piece)) {
		piece_stale(piece);
	} else if (piece_is_costly(piece)) {
		INIT_WORK(&piece->work, piece_decode_work);
		queue_work(piece->reader->decode_wq, &piece->work);
	} else {
		piece_decode(piece);
	}
}

static void piece_rebuild_work(struct work_struct *work)
{
	struct read_piece *piece = container_of(work, struct read_piece, work);
	unsigned int nofs = memalloc_nofs_save();
	int error;

	piece->buffer = bce_buffer_get(&piece->reader->stored);
	error = bce_piece_rebuild(piece->reader, piece);
	if (!error)
		piece_arrived(piece, 0, false);
	else if (piece_is_stale(piece))
		piece_stale(piece);
	else
		piece_exclude_member(piece, piece->last_error ?: error);
	memalloc_nofs_restore(nofs);
}

void bce_read_piece_rebuild(struct read_piece *piece)
{
	INIT_WORK(&piece->work, piece_rebuild_work);
	queue_work(piece->reader->rebuild_wq, &piece->work);
}

/* ---- runs ---- */

static void run_done_work(struct work_struct *work)
{
	struct read_run *run = container_of(work, struct read_run, work);
	int error = blk_status_to_errno(run->bio.bi_status);
	bool shared = !list_is_singular(&run->pieces);
	struct read_piece *piece, *next;
	LIST_HEAD(pieces);

	bce_member_io_done(run->member, run->duration_ns, error != 0);
	trace_bce_read(bce_event_set(run->reader->c.log), run->member->idx, run->sector, run->sectors, run->duration_ns,
		       error);
	if (!error)
		bce_event(run->reader->c.log, BCE_EVENT_io_read, run->sectors);
	bce_member_put_io(run->member);
	list_splice(&run->pieces, &pieces);
	bio_put(&run->bio);

	/* the last piece may end the read, and with it everything but @pieces */
	list_for_each_entry_safe(piece, next, &pieces, link) {
		list_del(&piece->link);
		piece_arrived(piece, error, shared);
	}
}

static void run_end_io(struct bio *bio)
{
	struct read_run *run = container_of(bio, struct read_run, bio);

	run->duration_ns = ktime_get_ns() - run->start_ns;
	queue_work(run->reader->done_wq, &run->work);
}

static unsigned int piece_bvecs(const struct read_piece *piece)
{
	return piece->kind == PIECE_BOUNCE ? bce_virtual_bvecs(piece->buffer, piece->dev_sectors << SECTOR_SHIFT) :
	       bce_bio_count_bvecs(piece->read->bio, piece->iter, BIO_MAX_VECS);
}

/* the vectors were counted before: there is room for all */
static void run_add_data(struct bio *bio, struct read_piece *piece)
{
	struct bvec_iter i;
	struct bio_vec bv;

	if (piece->kind == PIECE_BOUNCE) {
		bce_bio_add_virtual(bio, piece->buffer, piece->dev_sectors << SECTOR_SHIFT);
		return;
	}
	__bio_for_each_bvec(bv, piece->read->bio, i, piece->iter)
		__bio_add_page(bio, bv.bv_page, bv.bv_len, bv.bv_offset);
}

static void run_submit(struct data_reader *r, struct list_head *pieces, unsigned int nr_vecs)
{
	struct read_piece *piece = list_first_entry(pieces, struct read_piece, link), *next;
	struct member_dev *m = bce_member_get_io(r->c.members, piece->dev);
	struct read_run *run;
	struct bio *bio;
	u32 sectors = 0;

	if (!m) {	/* gone since the replica was chosen */
		list_for_each_entry_safe(piece, next, pieces, link) {
			list_del(&piece->link);
			piece_exclude_member(piece, -EIO);
		}
		return;
	}

	bio = bio_alloc_bioset(m->bdev, nr_vecs, REQ_OP_READ, GFP_NOIO, &r->bios);
	run = container_of(bio, struct read_run, bio);
	run->reader = r;
	run->member = m;
	INIT_LIST_HEAD(&run->pieces);
	INIT_WORK(&run->work, run_done_work);
	bio->bi_iter.bi_sector = piece->dev_sector;
	bio->bi_opf |= piece->read->bio->bi_opf & (REQ_RAHEAD | REQ_SYNC | REQ_PRIO);
	bio->bi_ioprio = piece->read->bio->bi_ioprio;
	bio->bi_end_io = run_end_io;
	list_for_each_entry(piece, pieces, link) {
		run_add_data(bio, piece);
		sectors += piece->dev_sectors;
	}
	list_splice_init(pieces, &run->pieces);

	run->sector = bio->bi_iter.bi_sector;
	run->sectors = sectors;
	run->start_ns = ktime_get_ns();
	if (WARN_ON_ONCE(bio_sectors(bio) != sectors)) {
		bio_io_error(bio);
		return;
	}
	bce_member_count_read(m, sectors);
	submit_bio(bio);
}

/* @may_wait: nothing of ours is waiting to be sent */
static bool piece_get_buffer(struct data_reader *r, struct read_piece *piece, bool may_wait)
{
	if (piece->kind != PIECE_BOUNCE || piece->buffer)
		return true;
	piece->buffer = may_wait ? bce_buffer_get(&r->stored) : bce_buffer_try_get(&r->stored);
	return piece->buffer;
}

static bool pieces_adjoin(const struct read_piece *a, const struct read_piece *b)
{
	return a->dev == b->dev && a->dev_sector + a->dev_sectors == b->dev_sector &&
	       !a->alone && !b->alone;
}

/* move the longest run at the head of @pieces to @run; returns its vectors */
static unsigned int run_collect(struct data_reader *r, struct list_head *pieces,
				struct list_head *run)
{
	struct read_piece *piece = list_first_entry(pieces, struct read_piece, link), *prev;
	unsigned int nr_vecs;

	piece_get_buffer(r, piece, true);
	nr_vecs = piece_bvecs(piece);
	list_move_tail(&piece->link, run);

	while (!list_empty(pieces)) {
		unsigned int more;

		prev = piece;
		piece = list_first_entry(pieces, struct read_piece, link);
		if (!pieces_adjoin(prev, piece) || !piece_get_buffer(r, piece, false))
			break;
		more = piece_bvecs(piece);
		if (nr_vecs + more > BIO_MAX_VECS)
			break;
		nr_vecs += more;
		list_move_tail(&piece->link, run);
	}
	return nr_vecs;
}

/* empties @pieces. Context: may sleep; caller holds no btree locks. */
void bce_read_submit_pieces(struct data_reader *r, struct list_head *pieces)
{
	struct blk_plug plug;

	if (list_empty(pieces))
		return;
	blk_start_plug(&plug);
	while (!list_empty(pieces)) {
		LIST_HEAD(run);
		unsigned int nr_vecs = run_collect(r, pieces, &run);

		run_submit(r, &run, nr_vecs);
	}
	blk_finish_plug(&plug);
}
