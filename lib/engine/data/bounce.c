// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of a caller's bio as memory: zeroing, filling and checksumming the
 * range that a struct bvec_iter names, without changing the bio's own iterator.
 */
#include <linux/bio.h>
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/string.h>

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
