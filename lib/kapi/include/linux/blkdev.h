/* SPDX-License-Identifier: GPL-2.0 */
/* Block devices: opened by kapi_bdev_open(), from a device or an ordinary file. */
#ifndef KAPI_LINUX_BLKDEV_H
#define KAPI_LINUX_BLKDEV_H

#include <linux/bio.h>
#include <linux/blk_types.h>
#include <linux/types.h>

#define BDEVNAME_SIZE		32
#define FMODE_READ		((__force fmode_t)1)
#define FMODE_WRITE		((__force fmode_t)2)
#define FMODE_EXCL		((__force fmode_t)0x80)
#define BLK_OPEN_READ		FMODE_READ
#define BLK_OPEN_WRITE		FMODE_WRITE

struct blk_plug {
	char unused;
};

u64 bdev_nr_bytes(struct block_device *bdev);
unsigned int bdev_logical_block_size(struct block_device *bdev);
unsigned int bdev_physical_block_size(struct block_device *bdev);
unsigned int bdev_io_opt(struct block_device *bdev);
unsigned int bdev_max_discard_sectors(struct block_device *bdev);
bool bdev_read_only(struct block_device *bdev);
bool bdev_nonrot(struct block_device *bdev);
bool bdev_fua(struct block_device *bdev);
int blkdev_issue_flush(struct block_device *bdev);
int blkdev_issue_discard(struct block_device *bdev, sector_t sector, sector_t sectors, gfp_t gfp);
int blkdev_issue_zeroout(struct block_device *bdev, sector_t sector, sector_t sectors, gfp_t gfp,
			 unsigned int flags);
int blk_status_to_errno(blk_status_t status);
blk_status_t errno_to_blk_status(int error);
const char *blk_status_to_str(blk_status_t status);

static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return bdev_nr_bytes(bdev) >> SECTOR_SHIFT;
}

static inline void blk_start_plug(struct blk_plug *p)
{
	(void)p;
}

static inline void blk_finish_plug(struct blk_plug *p)
{
	(void)p;
}

#endif
