// SPDX-License-Identifier: GPL-2.0
/*
 * Reading a device into kernel memory: superblocks and journal buckets.
 *
 * A range is cut into bios of up to BIO_MAX_VECS pages, all submitted before the first is
 * waited for. @pending starts at one, the starter's own, so that an early completion does
 * not end the read while later bios are still being made.
 *
 * The public calls take any multiple of 512 bytes. Devices with larger logical blocks are
 * read in whole blocks through a bounce buffer; that concerns little more than the layout
 * sector.
 */
#include "engine/sb/bdev_read.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "engine/sb/bio_buffer.h"
#include "engine/sb/members.h"

static void read_put(struct bdev_read *r)
{
	if (atomic_dec_and_test(&r->pending))
		complete(&r->done);
}

static void read_endio(struct bio *bio)
{
	struct bdev_read *r = bio->bi_private;

	if (bio->bi_status)
		cmpxchg(&r->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	read_put(r);
}

void bce_bdev_read_start(struct bdev_read *r, struct block_device *bdev, u64 sector, void *buf,
			 size_t bytes)
{
	struct blk_plug plug;
	size_t done = 0, added;

	atomic_set(&r->pending, 1);
	r->error = 0;
	r->buf = buf;
	r->bytes = bytes;
	init_completion(&r->done);

	blk_start_plug(&plug);
	while (done < bytes) {
		struct bio *bio = bio_alloc(bdev, BIO_MAX_VECS, REQ_OP_READ | REQ_META | REQ_SYNC,
					    GFP_KERNEL);

		bio->bi_iter.bi_sector = sector + (done >> SECTOR_SHIFT);
		bio->bi_end_io = read_endio;
		bio->bi_private = r;
		added = bce_bio_add_buffer(bio, (const u8 *)buf + done, bytes - done);
		done += added;
		atomic_inc(&r->pending);
		if (!added) {
			bio_io_error(bio);
			break;
		}
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
}

int bce_bdev_read_wait(struct bdev_read *r)
{
	read_put(r);
	wait_for_completion(&r->done);
	if (is_vmalloc_addr(r->buf))
		invalidate_kernel_vmap_range(r->buf, r->bytes);
	return r->error;
}

static int read_whole_blocks(struct block_device *bdev, u64 sector, void *buf, size_t bytes)
{
	struct bdev_read r;

	bce_bdev_read_start(&r, bdev, sector, buf, bytes);
	return bce_bdev_read_wait(&r);
}

int bce_bdev_read_sync(struct block_device *bdev, u64 sector, void *buf, size_t bytes)
{
	u64 block_sectors = bdev_logical_block_size(bdev) >> SECTOR_SHIFT;
	u64 sectors = bytes >> SECTOR_SHIFT, start, end;
	void *bounce;
	int ret;

	if (!bytes || bytes % SECTOR_SIZE)
		return -EINVAL;
	/* what lies beyond the end is refused here, not by a warning of the block layer */
	if (sector > bdev_nr_sectors(bdev) || sectors > bdev_nr_sectors(bdev) - sector)
		return -EIO;
	start = round_down(sector, block_sectors);
	end = round_up(sector + sectors, block_sectors);
	if (start == sector && end == sector + sectors)
		return read_whole_blocks(bdev, sector, buf, bytes);

	bounce = kvmalloc((end - start) << SECTOR_SHIFT, GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	ret = read_whole_blocks(bdev, start, bounce, (end - start) << SECTOR_SHIFT);
	if (!ret)
		memcpy(buf, (u8 *)bounce + ((sector - start) << SECTOR_SHIFT), bytes);
	kvfree(bounce);
	return ret;
}

int bce_member_read_sync(struct member_dev *m, u64 sector, void *buf, size_t bytes)
{
	return bce_bdev_read_sync(m->bdev, sector, buf, bytes);
}
