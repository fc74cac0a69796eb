/* SPDX-License-Identifier: GPL-2.0 */
/* Segments of memory and iterators over them. */
#ifndef KAPI_LINUX_BVEC_H
#define KAPI_LINUX_BVEC_H

#include <asm/page.h>
#include <linux/bug.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <string.h>

/* bv_len may reach over several pages that follow each other. */
struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size;
	unsigned int bi_idx;
	unsigned int bi_bvec_done;
};

struct bvec_iter_all {
	struct bio_vec bv;
	int idx;
	unsigned int done;
};

static inline void bvec_set_page(struct bio_vec *bv, struct page *page, unsigned int len,
				 unsigned int offset)
{
	bv->bv_page = page;
	bv->bv_len = len;
	bv->bv_offset = offset;
}

static inline void bvec_set_virt(struct bio_vec *bv, void *p, unsigned int len)
{
	bvec_set_page(bv, virt_to_page(p), len, offset_in_page(p));
}

/* The rest of the current vector, over as many pages as it has. */
static inline struct bio_vec kapi_mp_bvec(const struct bio_vec *v, struct bvec_iter it)
{
	const struct bio_vec *b = v + it.bi_idx;

	return (struct bio_vec){
		.bv_page = b->bv_page,
		.bv_len = min_t(unsigned int, it.bi_size, b->bv_len - it.bi_bvec_done),
		.bv_offset = b->bv_offset + it.bi_bvec_done,
	};
}

/* The same, cut at the page boundary. */
static inline struct bio_vec kapi_sp_bvec(const struct bio_vec *v, struct bvec_iter it)
{
	struct bio_vec b = kapi_mp_bvec(v, it);

	b.bv_page += b.bv_offset >> PAGE_SHIFT;
	b.bv_offset &= PAGE_SIZE - 1;
	b.bv_len = min_t(unsigned int, b.bv_len, PAGE_SIZE - b.bv_offset);
	return b;
}

#define mp_bvec_iter_bvec(v, it)	kapi_mp_bvec(v, it)
#define mp_bvec_iter_len(v, it)		(kapi_mp_bvec(v, it).bv_len)
#define bvec_iter_bvec(v, it)		kapi_sp_bvec(v, it)
#define bvec_iter_page(v, it)		(kapi_sp_bvec(v, it).bv_page)
#define bvec_iter_len(v, it)		(kapi_sp_bvec(v, it).bv_len)
#define bvec_iter_offset(v, it)		(kapi_sp_bvec(v, it).bv_offset)

/* False, and nothing left, when @bytes is more than there is. */
bool bvec_iter_advance(const struct bio_vec *v, struct bvec_iter *it, unsigned int bytes);

static inline void bvec_iter_advance_single(const struct bio_vec *v, struct bvec_iter *it,
					    unsigned int bytes)
{
	bvec_iter_advance(v, it, bytes);
}

#define for_each_bvec(bv, v, it, start) \
	for (it = (start); (it).bi_size && ((bv = bvec_iter_bvec((v), (it))), 1); \
	     bvec_iter_advance((v), &(it), (bv).bv_len))

static inline void *bvec_virt(struct bio_vec *bv)
{
	return (u8 *)page_address(bv->bv_page) + bv->bv_offset;
}

static inline void *bvec_kmap_local(struct bio_vec *bv)
{
	return bvec_virt(bv);
}

static inline void memcpy_from_bvec(char *to, struct bio_vec *bv)
{
	memcpy(to, bvec_virt(bv), bv->bv_len);
}

static inline void memcpy_to_bvec(struct bio_vec *bv, const char *from)
{
	memcpy(bvec_virt(bv), from, bv->bv_len);
}

static inline void memzero_bvec(struct bio_vec *bv)
{
	memset(bvec_virt(bv), 0, bv->bv_len);
}

#endif
