// SPDX-License-Identifier: GPL-2.0
/*
 * Writing kernel memory to members: superblocks, journal entries, btree nodes.
 *
 * As in bdev_read.c a range is cut into bios of up to BIO_MAX_VECS pages, all submitted without
 * waiting. @pending starts at one, the starter's own, so that an early completion does not end
 * the write while later bios are still being made.
 *
 * A preflush goes with the first bio only. A later one may reach the medium before the flush,
 * but the whole (which is what its checksum covers) cannot be there without the first. FUA goes
 * with all of them.
 *
 * These writes are what frees memory and journal space, hence GFP_NOIO; bios come from the
 * block layer's own reserve, and each is submitted before the next is got.
 */
#include "engine/sb/bdev_write.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "engine/sb/bio_buffer.h"
#include "engine/sb/members.h"

static void write_put(struct bdev_write *w)
{
	if (!atomic_dec_and_test(&w->pending))
		return;
	bce_member_write_done(w->m, w->sectors, ktime_get_ns() - w->start_ns, w->error != 0);
	/* whoever waits or is called may free @w */
	if (w->done)
		w->done(w);
	else
		complete(&w->completion);
}

static void write_endio(struct bio *bio)
{
	struct bdev_write *w = bio->bi_private;

	if (bio->bi_status)
		cmpxchg(&w->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	write_put(w);
}

static void write_init(struct bdev_write *w, struct member_dev *m, size_t bytes,
		       void (*done)(struct bdev_write *w))
{
	atomic_set(&w->pending, 1);
	w->sectors = bytes >> SECTOR_SHIFT;
	w->start_ns = ktime_get_ns();
	w->error = 0;
	w->m = m;
	w->done = done;
	if (!done)
		init_completion(&w->completion);
}

static struct bio *write_bio(struct bdev_write *w, u64 sector, unsigned int vecs, blk_opf_t opf)
{
	struct bio *bio = bio_alloc(w->m->bdev, vecs, opf, GFP_NOIO);

	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = write_endio;
	bio->bi_private = w;
	atomic_inc(&w->pending);
	return bio;
}

/* what lies beyond the end is refused here, not by a warning of the block layer */
static bool range_is_on(struct block_device *bdev, u64 sector, size_t bytes)
{
	u64 sectors = bytes >> SECTOR_SHIFT, nr = bdev_nr_sectors(bdev);

	return bytes && !(bytes % SECTOR_SIZE) && sector <= nr && sectors <= nr - sector;
}

static void submit_pieces(struct bdev_write *w, u64 sector, const u8 *buf, size_t bytes,
			  blk_opf_t opf)
{
	size_t done = 0, added;

	while (done < bytes) {
		struct bio *bio = write_bio(w, sector + (done >> SECTOR_SHIFT),
					    min_t(size_t, BIO_MAX_VECS,
						  (bytes - done) / PAGE_SIZE + 2), opf);

		opf &= ~REQ_PREFLUSH;
		added = bce_bio_add_buffer(bio, buf + done, bytes - done);
		done += added;
		if (!added) {
			bio_io_error(bio);
			return;
		}
		submit_bio(bio);
	}
}

void bce_member_write_start(struct bdev_write *w, struct member_dev *m, u64 sector,
			    const void *buf, size_t bytes, blk_opf_t flags,
			    void (*done)(struct bdev_write *w))
{
	struct blk_plug plug;

	write_init(w, m, bytes, done);
	if (range_is_on(m->bdev, sector, bytes)) {
		if (is_vmalloc_addr(buf))
			flush_kernel_vmap_range((void *)buf, bytes);
		blk_start_plug(&plug);
		submit_pieces(w, sector, buf, bytes, REQ_OP_WRITE | REQ_META | REQ_SYNC | flags);
		blk_finish_plug(&plug);
	} else {
		w->error = -EIO;
	}
	if (done)
		write_put(w);
}

void bce_member_flush_start(struct bdev_write *w, struct member_dev *m,
			    void (*done)(struct bdev_write *w))
{
	write_init(w, m, 0, done);
	submit_bio(write_bio(w, 0, 0, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH));
	if (done)
		write_put(w);
}

int bce_member_write_wait(struct bdev_write *w)
{
	write_put(w);
	wait_for_completion(&w->completion);
	return w->error;
}

static int write_whole_blocks(struct member_dev *m, u64 sector, const void *buf, size_t bytes,
			      blk_opf_t flags)
{
	struct bdev_write w;

	bce_member_write_start(&w, m, sector, buf, bytes, flags, NULL);
	return bce_member_write_wait(&w);
}

/* [start, end) are the whole blocks around the range */
static int write_through_bounce(struct member_dev *m, u64 sector, const void *buf, size_t bytes,
				u64 start, u64 end, blk_opf_t flags)
{
	size_t all = (end - start) << SECTOR_SHIFT;
	u8 *bounce = kvmalloc(all, GFP_NOIO);
	int ret;

	if (!bounce)
		return -ENOMEM;
	ret = bce_member_read_sync(m, start, bounce, all);
	if (!ret) {
		memcpy(bounce + ((sector - start) << SECTOR_SHIFT), buf, bytes);
		ret = write_whole_blocks(m, start, bounce, all, flags);
	}
	kvfree(bounce);
	return ret;
}

int bce_member_write_sync(struct member_dev *m, u64 sector, const void *buf, size_t bytes,
			  blk_opf_t flags)
{
	u64 block_sectors = bdev_logical_block_size(m->bdev) >> SECTOR_SHIFT;
	u64 start, end;

	if (!bytes || bytes % SECTOR_SIZE)
		return -EINVAL;
	if (!range_is_on(m->bdev, sector, bytes))
		return -EIO;
	start = round_down(sector, block_sectors);
	end = round_up(sector + (bytes >> SECTOR_SHIFT), block_sectors);
	if (start == sector && end == sector + (bytes >> SECTOR_SHIFT))
		return write_whole_blocks(m, sector, buf, bytes, flags);
	return write_through_bounce(m, sector, buf, bytes, start, end, flags);
}

/* as many at a time as fit on the stack */
#define FLUSH_BATCH	4

static u64 flush_batch(struct member_table *t, u64 *mask)
{
	struct bdev_write w[FLUSH_BATCH];
	unsigned int nr = 0, i;
	u64 failed = 0;

	while (*mask && nr < FLUSH_BATCH) {
		unsigned int idx = __builtin_ctzll(*mask);
		struct member_dev *m = bce_member_get_io_quietly(t, idx);

		*mask &= *mask - 1;
		if (m)
			bce_member_flush_start(&w[nr++], m, NULL);
		else
			failed |= 1ULL << idx;
	}
	for (i = 0; i < nr; i++) {
		if (bce_member_write_wait(&w[i]))
			failed |= 1ULL << w[i].m->idx;
		bce_member_put_io(w[i].m);
	}
	return failed;
}

u64 bce_members_flush(struct member_table *t, u64 mask)
{
	u64 failed = 0;

	while (mask)
		failed |= flush_batch(t, &mask);
	return failed;
}
