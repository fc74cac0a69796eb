/* SPDX-License-Identifier: GPL-2.0 */
/* Block I/O types. */
#ifndef KAPI_LINUX_BLK_TYPES_H
#define KAPI_LINUX_BLK_TYPES_H

#include <asm/page.h>
#include <linux/atomic.h>
#include <linux/bvec.h>
#include <linux/types.h>

#define SECTOR_SHIFT	9
#define SECTOR_SIZE	(1 << SECTOR_SHIFT)
#define PAGE_SECTORS_SHIFT (PAGE_SHIFT - SECTOR_SHIFT)
#define PAGE_SECTORS	(1 << PAGE_SECTORS_SHIFT)

typedef u8 __bitwise blk_status_t;
typedef u32 __bitwise blk_opf_t;
typedef unsigned int blk_qc_t;

#define BLK_STS_OK		((__force blk_status_t)0)
#define BLK_STS_NOTSUPP		((__force blk_status_t)1)
#define BLK_STS_TIMEOUT		((__force blk_status_t)2)
#define BLK_STS_NOSPC		((__force blk_status_t)3)
#define BLK_STS_TRANSPORT	((__force blk_status_t)4)
#define BLK_STS_TARGET		((__force blk_status_t)5)
#define BLK_STS_MEDIUM		((__force blk_status_t)7)
#define BLK_STS_PROTECTION	((__force blk_status_t)8)
#define BLK_STS_RESOURCE	((__force blk_status_t)9)
#define BLK_STS_IOERR		((__force blk_status_t)10)
#define BLK_STS_AGAIN		((__force blk_status_t)12)

enum req_op {
	REQ_OP_READ		= 0,
	REQ_OP_WRITE		= 1,
	REQ_OP_FLUSH		= 2,
	REQ_OP_DISCARD		= 3,
	REQ_OP_WRITE_ZEROES	= 9,
};

#define REQ_OP_MASK	((__force blk_opf_t)0xff)
#define REQ_SYNC	((__force blk_opf_t)(1u << 11))
#define REQ_META	((__force blk_opf_t)(1u << 12))
#define REQ_PRIO	((__force blk_opf_t)(1u << 13))
#define REQ_NOMERGE	((__force blk_opf_t)(1u << 14))
#define REQ_IDLE	((__force blk_opf_t)(1u << 15))
#define REQ_FUA		((__force blk_opf_t)(1u << 17))
#define REQ_PREFLUSH	((__force blk_opf_t)(1u << 18))
#define REQ_RAHEAD	((__force blk_opf_t)(1u << 19))
#define REQ_BACKGROUND	((__force blk_opf_t)(1u << 20))
#define REQ_NOWAIT	((__force blk_opf_t)(1u << 21))

/* Bits of bi_flags. */
enum {
	BIO_PAGE_PINNED,
	BIO_CLONED,
	BIO_CHAIN,
	BIO_REFFED,
};

struct block_device;
struct bio;
struct bio_set;
typedef void (bio_end_io_t)(struct bio *bio);

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	blk_opf_t bi_opf;
	unsigned short bi_flags;
	unsigned short bi_ioprio;
	blk_status_t bi_status;
	atomic_t __bi_remaining;
	struct bvec_iter bi_iter;
	bio_end_io_t *bi_end_io;
	void *bi_private;
	unsigned short bi_vcnt;
	unsigned short bi_max_vecs;
	atomic_t __bi_cnt;
	struct bio_vec *bi_io_vec;
	struct bio_set *bi_pool;
	struct bio_vec bi_inline_vecs[];
};

static inline enum req_op bio_op(const struct bio *bio)
{
	return (enum req_op)(__force u32)(bio->bi_opf & REQ_OP_MASK);
}

static inline bool op_is_write(blk_opf_t op)
{
	return !!(op & (__force blk_opf_t)1);
}

static inline bool op_is_flush(blk_opf_t op)
{
	return !!(op & (REQ_FUA | REQ_PREFLUSH));
}

static inline bool op_is_sync(blk_opf_t op)
{
	return (op & REQ_OP_MASK) == (__force blk_opf_t)REQ_OP_READ ||
		(op & (REQ_SYNC | REQ_FUA | REQ_PREFLUSH));
}

#endif
