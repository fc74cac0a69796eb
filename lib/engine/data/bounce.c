// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of a caller's bio as memory: zeroing, filling and checksumming the
 * range that a struct bvec_iter names, without changing the bio's own iterator. And memory of ours
 * as parts of a bio.
 */
#include <linux/bio.h>
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "engine/data/read_internal.h"

void bce_bio_zero(struct bio *bio, struct bvec_iter iter)
{
	struct bvec_iter i;
	struct bio_vec bv;

	__bio_for_each_segment(bv, bio, i, iter)
		memzero_bvec(&bv);
}

void bce_bio_fill(struct bio *bio, struct bvec_iter iter, const void *src)
{
	struct bvec_iter i;
	struct bio_vec bv;

	__bio_for_each_segment(bv, bio, i, iter) {
		memcpy_to_bvec(&bv, src);
		src += bv.bv_len;
	}
}

unsigned int bce_bio_count_bvecs(struct bio *bio, struct bvec_iter iter, unsigned int max)
{
	unsigned int nr = 0;
	struct bvec_iter i;
	struct bio_vec bv;

	__bio_for_each_bvec(bv, bio, i, iter)
		if (++nr > max)
			break;
	return nr;
}

unsigned int bce_bio_bytes_in_bvecs(struct bio *bio, struct bvec_iter iter, unsigned int max)
{
	unsigned int bytes = 0;
	struct bvec_iter i;
	struct bio_vec bv;

	__bio_for_each_bvec(bv, bio, i, iter) {
		if (!max--)
			break;
		bytes += bv.bv_len;
	}
	return bytes;
}

int bce_bio_csum(struct bio *bio, struct bvec_iter iter, unsigned int type,
		 const struct bce_cipher *cipher, struct bce_nonce nonce, struct bce_csum *out)
{
	struct bce_csum_state state;
	struct bvec_iter i;
	struct bio_vec bv;
	int ret;

	ret = bce_csum_begin(&state, type, cipher, nonce);
	if (ret)
		return ret;
	__bio_for_each_segment(bv, bio, i, iter) {
		void *p = bvec_kmap_local(&bv);

		bce_csum_update(&state, p, bv.bv_len);
		kunmap_local(p);
	}
	*out = bce_csum_end(&state);
	return 0;
}

unsigned int bce_virtual_bvecs(const void *p, unsigned int bytes)
{
	return is_vmalloc_addr(p) ? DIV_ROUND_UP(offset_in_page(p) + bytes, PAGE_SIZE) : 1;
}

void bce_bio_add_virtual(struct bio *bio, void *p, unsigned int bytes)
{
	if (!is_vmalloc_addr(p)) {
		__bio_add_page(bio, virt_to_page(p), bytes, offset_in_page(p));
		return;
	}
	while (bytes) {
		unsigned int n = min_t(unsigned int, bytes, PAGE_SIZE - offset_in_page(p));

		__bio_add_page(bio, vmalloc_to_page(p), n, offset_in_page(p));
		p += n;
		bytes -= n;
	}
}
