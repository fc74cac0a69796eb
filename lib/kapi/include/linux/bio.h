/* SPDX-License-Identifier: GPL-2.0 */
/* Block I/O requests. */
#ifndef KAPI_LINUX_BIO_H
#define KAPI_LINUX_BIO_H

#include <linux/blk_types.h>
#include <linux/bvec.h>
#include <linux/gfp_types.h>
#include <linux/highmem.h>
#include <linux/mempool.h>
#include <linux/types.h>
#include <limits.h>

#define BIO_MAX_VECS		256U

struct bio_set {
	unsigned int front_pad;
	unsigned int pool_size;
	bool ready;
};

enum {
	BIOSET_NEED_BVECS	= 1 << 0,
	BIOSET_NEED_RESCUER	= 1 << 1,
	BIOSET_PERCPU_CACHE	= 1 << 2,
};

extern struct bio_set fs_bio_set;

int bioset_init(struct bio_set *bs, unsigned int pool_size, unsigned int front_pad, int flags);
void bioset_exit(struct bio_set *bs);

static inline bool bioset_initialized(struct bio_set *bs)
{
	return bs->ready;
}

/* Never NULL when @gfp may block. */
struct bio *bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf,
			     gfp_t gfp, struct bio_set *bs);
struct bio *bio_kmalloc(unsigned short nr_vecs, gfp_t gfp);
struct bio *bio_alloc_clone(struct block_device *bdev, struct bio *src, gfp_t gfp,
			    struct bio_set *bs);
void bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *table,
	      unsigned short max_vecs, blk_opf_t opf);
void bio_uninit(struct bio *bio);
void bio_reset(struct bio *bio, struct block_device *bdev, blk_opf_t opf);
void bio_put(struct bio *bio);
int bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int offset);
void __bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int offset);
void bio_chain(struct bio *bio, struct bio *parent);
struct bio *bio_split(struct bio *bio, int sectors, gfp_t gfp, struct bio_set *bs);
void bio_trim(struct bio *bio, sector_t offset_sectors, sector_t sectors);
void bio_advance(struct bio *bio, unsigned int bytes);
void bio_endio(struct bio *bio);
void bio_copy_data(struct bio *dst, struct bio *src);
void bio_copy_data_iter(struct bio *dst, struct bvec_iter *dst_iter, struct bio *src,
			struct bvec_iter *src_iter);
void zero_fill_bio_iter(struct bio *bio, struct bvec_iter start);
void bio_free_pages(struct bio *bio);
void submit_bio(struct bio *bio);
int submit_bio_wait(struct bio *bio);
#define submit_bio_noacct(bio)	submit_bio(bio)
#define zero_fill_bio(bio)	zero_fill_bio_iter((bio), (bio)->bi_iter)

static inline struct bio *bio_alloc(struct block_device *bdev, unsigned short nr_vecs,
				    blk_opf_t opf, gfp_t gfp)
{
	return bio_alloc_bioset(bdev, nr_vecs, opf, gfp, &fs_bio_set);
}

static inline void bio_set_flag(struct bio *bio, unsigned int bit)
{
	__atomic_fetch_or(&bio->bi_flags, 1U << bit, __ATOMIC_RELAXED);
}

static inline bool bio_flagged(struct bio *bio, unsigned int bit)
{
	return READ_ONCE(bio->bi_flags) & (1U << bit);
}

static inline void bio_clear_flag(struct bio *bio, unsigned int bit)
{
	__atomic_fetch_and(&bio->bi_flags, ~(1U << bit), __ATOMIC_RELAXED);
}

static inline void bio_get(struct bio *bio)
{
	bio_set_flag(bio, BIO_REFFED);
	atomic_inc(&bio->__bi_cnt);
}

static inline void bio_set_dev(struct bio *bio, struct block_device *bdev)
{
	bio->bi_bdev = bdev;
}

static inline void bio_io_error(struct bio *bio)
{
	bio->bi_status = BLK_STS_IOERR;
	bio_endio(bio);
}

static inline void bio_inc_remaining(struct bio *bio)
{
	bio_set_flag(bio, BIO_CHAIN);
	atomic_inc(&bio->__bi_remaining);
}

static inline bool bio_no_advance_iter(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_DISCARD || bio_op(bio) == REQ_OP_WRITE_ZEROES;
}

static inline bool bio_has_data(struct bio *bio)
{
	return bio && bio->bi_iter.bi_size && !bio_no_advance_iter(bio);
}

static inline bool bio_full(struct bio *bio, unsigned int len)
{
	return bio->bi_vcnt >= bio->bi_max_vecs || bio->bi_iter.bi_size > UINT_MAX - len;
}

static inline void bio_advance_iter(const struct bio *bio, struct bvec_iter *it,
				    unsigned int bytes)
{
	it->bi_sector += bytes >> 9;
	if (bio_no_advance_iter(bio))
		it->bi_size -= bytes;
	else
		bvec_iter_advance(bio->bi_io_vec, it, bytes);
}
#define bio_advance_iter_single(b, it, n)	bio_advance_iter(b, it, n)

static inline struct bio *bio_next_split(struct bio *bio, int sectors, gfp_t gfp,
					 struct bio_set *bs)
{
	if ((unsigned int)sectors >= bio->bi_iter.bi_size >> 9)
		return bio;
	return bio_split(bio, sectors, gfp, bs);
}

#define bio_iter_iovec(bio, it)		bvec_iter_bvec((bio)->bi_io_vec, (it))
#define bio_iter_page(bio, it)		bvec_iter_page((bio)->bi_io_vec, (it))
#define bio_iter_len(bio, it)		bvec_iter_len((bio)->bi_io_vec, (it))
#define bio_iter_offset(bio, it)	bvec_iter_offset((bio)->bi_io_vec, (it))
#define bio_iter_last(bv, it)		((it).bi_size == (bv).bv_len)
#define bio_iovec(bio)			bio_iter_iovec((bio), (bio)->bi_iter)
#define bio_page(bio)			bio_iter_page((bio), (bio)->bi_iter)
#define bio_offset(bio)			bio_iter_offset((bio), (bio)->bi_iter)
#define bio_cur_bytes(bio)		bio_iter_len((bio), (bio)->bi_iter)
#define bvec_iter_sectors(it)		((it).bi_size >> 9)
#define bvec_iter_end_sector(it)	((it).bi_sector + bvec_iter_sectors((it)))
#define bio_sectors(bio)		bvec_iter_sectors((bio)->bi_iter)
#define bio_end_sector(bio)		bvec_iter_end_sector((bio)->bi_iter)
#define bio_data_dir(bio)		(op_is_write((bio)->bi_opf) ? 1 : 0)
#define bio_list_on_stack_init(bl)	bio_list_init(bl)

static inline void *bio_data(struct bio *bio)
{
	struct bio_vec bv = bio_iovec(bio);

	return bio_has_data(bio) ? bvec_virt(&bv) : NULL;
}

static inline struct bio_vec *bio_first_bvec_all(struct bio *bio)
{
	return bio->bi_io_vec;
}

static inline struct page *bio_first_page_all(struct bio *bio)
{
	return bio->bi_io_vec->bv_page;
}

static inline unsigned int bio_segments(struct bio *bio)
{
	struct bio_vec bv;
	struct bvec_iter it;
	unsigned int n = 0;

	for_each_bvec(bv, bio->bi_io_vec, it, bio->bi_iter)
		n++;
	return n;
}

#define __bio_for_each_segment(bv, bio, it, start) \
	for (it = (start); (it).bi_size && ((bv = bio_iter_iovec((bio), (it))), 1); \
	     bio_advance_iter((bio), &(it), (bv).bv_len))
#define bio_for_each_segment(bv, bio, it) \
	__bio_for_each_segment(bv, bio, it, (bio)->bi_iter)
#define __bio_for_each_bvec(bv, bio, it, start) \
	for (it = (start); (it).bi_size && \
	     ((bv = mp_bvec_iter_bvec((bio)->bi_io_vec, (it))), 1); \
	     bio_advance_iter((bio), &(it), (bv).bv_len))
#define bio_for_each_bvec(bv, bio, it) \
	__bio_for_each_bvec(bv, bio, it, (bio)->bi_iter)
#define bio_for_each_bvec_all(bv, bio, i) \
	for (i = 0, bv = (bio)->bi_io_vec; i < (bio)->bi_vcnt; i++, bv++)

/* Page by page over every vector, from the start, whatever bi_iter says. */
static inline struct bio_vec *bvec_init_iter_all(struct bvec_iter_all *it)
{
	it->idx = 0;
	it->done = 0;
	return &it->bv;
}

static inline bool bio_next_segment(const struct bio *bio, struct bvec_iter_all *it)
{
	struct bvec_iter at;

	if (it->idx < bio->bi_vcnt && it->done >= bio->bi_io_vec[it->idx].bv_len) {
		it->idx++;
		it->done = 0;
	}
	if (it->idx >= bio->bi_vcnt)
		return false;
	at = (struct bvec_iter){
		.bi_idx = it->idx, .bi_bvec_done = it->done, .bi_size = UINT_MAX,
	};
	it->bv = bvec_iter_bvec(bio->bi_io_vec, at);
	it->done += it->bv.bv_len;
	return true;
}

#define bio_for_each_segment_all(bvl, bio, it) \
	for (bvl = bvec_init_iter_all(&it); bio_next_segment((bio), &it); )

struct bio_list {
	struct bio *head;
	struct bio *tail;
};
#define BIO_EMPTY_LIST		{ NULL, NULL }

static inline void bio_list_init(struct bio_list *l)
{
	l->head = l->tail = NULL;
}

static inline int bio_list_empty(const struct bio_list *l)
{
	return !l->head;
}

static inline void bio_list_add(struct bio_list *l, struct bio *bio)
{
	bio->bi_next = NULL;
	if (l->tail)
		l->tail->bi_next = bio;
	else
		l->head = bio;
	l->tail = bio;
}

static inline void bio_list_add_head(struct bio_list *l, struct bio *bio)
{
	bio->bi_next = l->head;
	l->head = bio;
	if (!l->tail)
		l->tail = bio;
}

static inline void bio_list_merge(struct bio_list *l, struct bio_list *other)
{
	if (!other->head)
		return;
	if (l->tail)
		l->tail->bi_next = other->head;
	else
		l->head = other->head;
	l->tail = other->tail;
}

static inline struct bio *bio_list_peek(struct bio_list *l)
{
	return l->head;
}

static inline struct bio *bio_list_pop(struct bio_list *l)
{
	struct bio *bio = l->head;

	if (bio) {
		l->head = bio->bi_next;
		if (!l->head)
			l->tail = NULL;
		bio->bi_next = NULL;
	}
	return bio;
}

static inline struct bio *bio_list_get(struct bio_list *l)
{
	struct bio *bio = l->head;

	bio_list_init(l);
	return bio;
}

#define bio_list_for_each(bio, l) for (bio = (l)->head; bio; bio = bio->bi_next)

#endif
