// SPDX-License-Identifier: GPL-2.0
/*
 * Block I/O requests: the memory side. What carries them out is in bdev.c.
 *
 * Vectors may span pages that follow each other; the single-page iterators cut them again. A
 * completed bio has its iterator at the end, as drivers leave it: who needs the range later keeps
 * a copy of bi_iter from before.
 */
#include <limits.h>
#include <string.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>

struct bio_set fs_bio_set = { .ready = true };

bool bvec_iter_advance(const struct bio_vec *v, struct bvec_iter *it, unsigned int bytes)
{
	if (WARN_ONCE(bytes > it->bi_size, "bvec_iter_advance() past the end\n")) {
		it->bi_size = 0;
		return false;
	}
	it->bi_size -= bytes;
	bytes += it->bi_bvec_done;
	while (bytes && bytes >= v[it->bi_idx].bv_len)
		bytes -= v[it->bi_idx++].bv_len;
	it->bi_bvec_done = bytes;
	return true;
}

/* ---- life ---- */

int bioset_init(struct bio_set *bs, unsigned int pool_size, unsigned int front_pad, int flags)
{
	*bs = (struct bio_set){ .front_pad = front_pad, .pool_size = pool_size, .ready = true };
	return 0;
}

void bioset_exit(struct bio_set *bs)
{
	bs->ready = false;
}

void bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *table,
	      unsigned short max_vecs, blk_opf_t opf)
{
	memset(bio, 0, sizeof(*bio));
	bio->bi_bdev = bdev;
	bio->bi_opf = opf;
	bio->bi_io_vec = table;
	bio->bi_max_vecs = max_vecs;
	atomic_set(&bio->__bi_remaining, 1);
	atomic_set(&bio->__bi_cnt, 1);
}

void bio_uninit(struct bio *bio)
{
}

void bio_reset(struct bio *bio, struct block_device *bdev, blk_opf_t opf)
{
	struct bio_set *bs = bio->bi_pool;

	bio_init(bio, bdev, bio->bi_io_vec, bio->bi_max_vecs, opf);
	bio->bi_pool = bs;
}

struct bio *bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf,
			     gfp_t gfp, struct bio_set *bs)
{
	struct bio *bio;
	char *p;

	if (WARN_ON_ONCE(nr_vecs > BIO_MAX_VECS || !bs->ready))
		return NULL;
	/* A set keeps a reserve: who may wait never goes without. */
	if (gfpflags_allow_blocking(gfp))
		gfp |= __GFP_NOFAIL;
	p = kmalloc(bs->front_pad + sizeof(*bio) + nr_vecs * sizeof(struct bio_vec), gfp);
	if (!p)
		return NULL;
	bio = (struct bio *)(p + bs->front_pad);
	bio_init(bio, bdev, nr_vecs ? bio->bi_inline_vecs : NULL, nr_vecs, opf);
	bio->bi_pool = bs;
	return bio;
}

/* The caller does bio_init() and kfree(). */
struct bio *bio_kmalloc(unsigned short nr_vecs, gfp_t gfp)
{
	return kmalloc(struct_size_t(struct bio, bi_inline_vecs, nr_vecs), gfp);
}

void bio_put(struct bio *bio)
{
	if (!atomic_dec_and_test(&bio->__bi_cnt))
		return;
	if (bio->bi_pool)
		kfree((char *)bio - bio->bi_pool->front_pad);
}

struct bio *bio_alloc_clone(struct block_device *bdev, struct bio *src, gfp_t gfp,
			    struct bio_set *bs)
{
	struct bio *bio = bio_alloc_bioset(bdev, 0, src->bi_opf, gfp, bs);

	if (!bio)
		return NULL;
	bio_set_flag(bio, BIO_CLONED);
	bio->bi_ioprio = src->bi_ioprio;
	bio->bi_iter = src->bi_iter;
	bio->bi_io_vec = src->bi_io_vec;
	return bio;
}

/* ---- content ---- */

void __bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int offset)
{
	WARN_ON_ONCE(bio_flagged(bio, BIO_CLONED) || bio_full(bio, len));
	bvec_set_page(&bio->bi_io_vec[bio->bi_vcnt++], page, len, offset);
	bio->bi_iter.bi_size += len;
}

static bool merge_page(struct bio *bio, struct page *page, unsigned int len, unsigned int offset)
{
	struct bio_vec *last;

	if (!bio->bi_vcnt)
		return false;
	last = &bio->bi_io_vec[bio->bi_vcnt - 1];
	if ((u8 *)bvec_virt(last) + last->bv_len != (u8 *)page_address(page) + offset ||
	    last->bv_len > UINT_MAX - len)
		return false;
	last->bv_len += len;
	bio->bi_iter.bi_size += len;
	return true;
}

/* Return: @len, or 0 when the bio has no room. */
int bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int offset)
{
	if (WARN_ON_ONCE(bio_flagged(bio, BIO_CLONED)) || bio->bi_iter.bi_size > UINT_MAX - len)
		return 0;
	if (merge_page(bio, page, len, offset))
		return len;
	if (bio_full(bio, len))
		return 0;
	__bio_add_page(bio, page, len, offset);
	return len;
}

void bio_advance(struct bio *bio, unsigned int bytes)
{
	bio_advance_iter(bio, &bio->bi_iter, bytes);
}

void bio_trim(struct bio *bio, sector_t offset_sectors, sector_t sectors)
{
	if (WARN_ON_ONCE(offset_sectors + sectors > bio_sectors(bio)))
		return;
	bio_advance(bio, offset_sectors << 9);
	bio->bi_iter.bi_size = sectors << 9;
}

struct bio *bio_split(struct bio *bio, int sectors, gfp_t gfp, struct bio_set *bs)
{
	struct bio *front;

	BUG_ON(sectors <= 0);
	BUG_ON(sectors >= bio_sectors(bio));
	front = bio_alloc_clone(bio->bi_bdev, bio, gfp, bs);
	if (!front)
		return NULL;
	front->bi_iter.bi_size = (unsigned int)sectors << 9;
	bio_advance(bio, front->bi_iter.bi_size);
	return front;
}

void bio_copy_data_iter(struct bio *dst, struct bvec_iter *dst_iter, struct bio *src,
			struct bvec_iter *src_iter)
{
	while (src_iter->bi_size && dst_iter->bi_size) {
		struct bio_vec s = bio_iter_iovec(src, *src_iter);
		struct bio_vec d = bio_iter_iovec(dst, *dst_iter);
		unsigned int n = min(s.bv_len, d.bv_len);

		memcpy(bvec_virt(&d), bvec_virt(&s), n);
		bvec_iter_advance(src->bi_io_vec, src_iter, n);
		bvec_iter_advance(dst->bi_io_vec, dst_iter, n);
	}
}

void bio_copy_data(struct bio *dst, struct bio *src)
{
	struct bvec_iter s = src->bi_iter, d = dst->bi_iter;

	bio_copy_data_iter(dst, &d, src, &s);
}

void zero_fill_bio_iter(struct bio *bio, struct bvec_iter start)
{
	struct bio_vec bv;
	struct bvec_iter it;

	__bio_for_each_segment(bv, bio, it, start)
		memzero_bvec(&bv);
}

void bio_free_pages(struct bio *bio)
{
	struct bvec_iter_all it;
	struct bio_vec *bv;

	bio_for_each_segment_all(bv, bio, it)
		__free_page(bv->bv_page);
}

/* ---- completion ---- */

static void chain_end(struct bio *bio)
{
	struct bio *parent = bio->bi_private;

	/* The first error of any part stays. */
	if (bio->bi_status) {
		blk_status_t none = BLK_STS_OK;

		try_cmpxchg(&parent->bi_status, &none, bio->bi_status);
	}
	bio_put(bio);
	bio_endio(parent);
}

void bio_chain(struct bio *bio, struct bio *parent)
{
	BUG_ON(bio->bi_private || bio->bi_end_io);
	bio->bi_private = parent;
	bio->bi_end_io = chain_end;
	bio_inc_remaining(parent);
}

void bio_endio(struct bio *bio)
{
	if (bio_flagged(bio, BIO_CHAIN)) {
		if (!atomic_dec_and_test(&bio->__bi_remaining))
			return;
		bio_clear_flag(bio, BIO_CHAIN);
	}
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
}

static void wait_end(struct bio *bio)
{
	complete(bio->bi_private);
}

int submit_bio_wait(struct bio *bio)
{
	DECLARE_COMPLETION_ONSTACK(done);

	bio->bi_private = &done;
	bio->bi_end_io = wait_end;
	bio->bi_opf |= REQ_SYNC;
	submit_bio(bio);
	wait_for_completion_io(&done);
	return blk_status_to_errno(bio->bi_status);
}

/* ---- status ---- */

static const struct {
	blk_status_t status;
	int error;
	const char *name;
} statuses[] = {
	{ BLK_STS_OK, 0, "" },
	{ BLK_STS_NOTSUPP, -EOPNOTSUPP, "operation not supported" },
	{ BLK_STS_TIMEOUT, -ETIMEDOUT, "timeout" },
	{ BLK_STS_NOSPC, -ENOSPC, "critical space allocation" },
	{ BLK_STS_TRANSPORT, -ENOLINK, "recoverable transport" },
	{ BLK_STS_TARGET, -EREMOTEIO, "critical target" },
	{ BLK_STS_MEDIUM, -ENODATA, "critical medium" },
	{ BLK_STS_PROTECTION, -EILSEQ, "protection" },
	{ BLK_STS_RESOURCE, -ENOMEM, "kernel resource" },
	{ BLK_STS_AGAIN, -EAGAIN, "nonblocking retry" },
	{ BLK_STS_IOERR, -EIO, "I/O" },
};

int blk_status_to_errno(blk_status_t status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].error;
	return -EIO;
}

blk_status_t errno_to_blk_status(int error)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].error == error)
			return statuses[i].status;
	return BLK_STS_IOERR;
}

const char *blk_status_to_str(blk_status_t status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "<null>";
}
