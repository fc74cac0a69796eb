// SPDX-License-Identifier: GPL-2.0
/*
 * Making the next extent out of a bio (docs/format/70-extents.md, section 6):
 *
 *	take a stretch -> compress -> get space -> encrypt -> checksum
 *
 *	                    caller's pages     source buffer     stored buffer
 *	plain, checksum         written
 *	compressed               copied  ------>  in    ------------> out, written
 *	encrypted                copied  ----------------------------> in place, written
 *	checksum, unstable       copied  ----------------------------> written
 *
 * A checksum over the caller's pages is made right before they are sent, while they are in the
 * cache. Nobody changes them until the write is over; where the caller cannot promise that (unstable), it is
 * made of a copy.
 *
 * Compression comes before space, as only then it is known how much is needed. Space may be the short
 * rest of a bucket: then less is compressed, so that it fits; or, if there is nothing to be gained,
 * that much is stored as it is.
 *
 * Buffers: a stored buffer is kept until the extent's write is over, so only who holds none may
 * wait for one (may_wait). The source buffer is given back before anything is waited for.
 */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/math.h>
#include <linux/minmax.h>

#include "engine/data/compress.h"
#include "engine/data/read_internal.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

u8 bce_data_csum_type(const struct data_writer *w, const struct data_options *opts)
{
	if (opts->nocow)
		return BCH_CSUM_none;
	if (w->c.cipher)
		return opts->wide_macs ? BCH_CSUM_chacha20_poly1305_128 :
					 BCH_CSUM_chacha20_poly1305_80;
	switch (opts->data_checksum) {
	case BCH_CSUM_OPT_crc32c:
		return BCH_CSUM_crc32c;
	case BCH_CSUM_OPT_crc64:
		return BCH_CSUM_crc64;
	case BCH_CSUM_OPT_xxhash:
		return BCH_CSUM_xxhash;
	default:
		return BCH_CSUM_none;
	}
}

int bce_write_need_features(struct data_writer *w, u64 features)
{
	int ret;

	if (!(features & ~READ_ONCE(w->features)))
		return 0;
	ret = w->c.ops->need_features(w->c.ctx, features);
	if (!ret)
		WRITE_ONCE(w->features, READ_ONCE(w->features) | features);
	return ret;
}

static u64 compression_feature(u8 option)
{
	switch (option & 0xf) {
	case BCH_COMPRESSION_OPT_lz4:
		return 1ULL << BCH_FEATURE_lz4;
	case BCH_COMPRESSION_OPT_gzip:
		return 1ULL << BCH_FEATURE_gzip;
	default:
		return 1ULL << BCH_FEATURE_zstd;
	}
}

int bce_write_get_space(struct data_writer *w, const struct write_how *how, unsigned int replicas,
			u64 exclude, u32 sectors, struct alloc_space *out)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user,
		.replicas = replicas,
		.replicas_required = min_t(unsigned int, replicas,
					   how->opts->data_replicas_required),
		.watermark = how->watermark,
		.target = how->opts->foreground_target,
		.nonblock = how->nonblock,
		.exclude_devs = exclude,
		.stream = how->stream,
	};

	return w->c.ops->space_get(w->c.ctx, &req, sectors, out);
}

/* ---- bio and buffers ---- */

static void copy_from_bio(void *dst, struct bio *bio, struct bvec_iter iter, u32 sectors)
{
	struct bvec_iter i;
	struct bio_vec bv;

	iter.bi_size = sectors << SECTOR_SHIFT;
	__bio_for_each_segment(bv, bio, i, iter) {
		memcpy_from_bvec(dst, &bv);
		dst += bv.bv_len;
	}
}

static int stored_buffer(struct data_writer *w, const struct write_how *how,
			 struct write_extent *e)
{
	if (!e->buffer)
		e->buffer = how->may_wait ? bce_buffer_get(&w->stored) :
					    bce_buffer_try_get(&w->stored);
	return e->buffer ? 0 : -EAGAIN;
}

static u32 buffer_sectors(const struct data_writer *w)
{
	return w->stored.bytes >> SECTOR_SHIFT;
}

u32 bce_write_straight_sectors(const struct data_writer *w, struct bio *src, struct bvec_iter iter)
{
	return rounddown(bce_bio_bytes_in_bvecs(src, iter, BIO_MAX_VECS) >> SECTOR_SHIFT,
			 w->c.block_sectors);
}

/* ---- compression ---- */

static void set_sizes(struct write_extent *e, u32 stored, u32 sectors, u8 compression_type)
{
	e->sectors = sectors;
	e->crc.compressed_size = stored;
	e->crc.uncompressed_size = sectors;
	e->crc.compression_type = compression_type;
}

/* at most @room stored sectors. 0: e->buffer is filled, sizes are set. -EFBIG: not worth it */
static int try_compress(struct data_writer *w, const struct write_how *how, struct bio *src,
			struct bvec_iter iter, u32 sectors, u32 room, struct write_extent *e)
{
	size_t in = (size_t)sectors << SECTOR_SHIFT, out = (size_t)room << SECTOR_SHIFT;
	u8 option = how->opts->compression;
	void *source;
	int ret = stored_buffer(w, how, e);

	if (ret)
		return ret;
	source = bce_buffer_get(&w->source);
	copy_from_bio(source, src, iter, sectors);
	ret = bce_compress(w->compressor, option, source, &in, e->buffer, &out,
			   (size_t)w->c.block_sectors << SECTOR_SHIFT);
	bce_buffer_put(&w->source, source);
	if (!ret)
		set_sizes(e, out >> SECTOR_SHIFT, in >> SECTOR_SHIFT,
			  bce_compression_type_of_option(option));
	return ret;
}

/* to begin with: sizes, and with them how much space is wanted */
static int choose_form(struct data_writer *w, const struct write_how *how, struct bio *src,
		       struct bvec_iter iter, u32 sectors, struct write_extent *e)
{
	u8 option = how->opts->nocow ? 0 : how->opts->compression;
	int ret;

	set_sizes(e, sectors, sectors, BCH_COMPRESSION_TYPE_none);
	if (!(option & 0xf))
		return 0;
	ret = bce_write_need_features(w, compression_feature(option));
	if (!ret)
		ret = try_compress(w, how, src, iter, sectors, sectors, e);
	if (ret == -EFBIG) {
		set_sizes(e, sectors, sectors, BCH_COMPRESSION_TYPE_incompressible);
		return 0;
	}
	return ret;
}

/* there is less space than was wanted */
static int fit_space(struct data_writer *w, const struct write_how *how, struct bio *src,
		     struct bvec_iter iter, u32 sectors, struct write_extent *e)
{
	u32 room = e->space.sectors;
	int ret;

	if (!bce_compression_type_is_compressed(e->crc.compression_type)) {
		set_sizes(e, room, room, e->crc.compression_type);
		return 0;
	}
	ret = try_compress(w, how, src, iter, sectors, room, e);
	if (ret == -EFBIG) {
		room = min(room, sectors);
		set_sizes(e, room, room, BCH_COMPRESSION_TYPE_incompressible);
		return 0;
	}
	return ret;
}

/* ---- encryption and checksum ---- */

/* what is compressed is a copy already */
static int make_copy(struct data_writer *w, const struct write_how *how, struct bio *src,
		     struct bvec_iter iter, struct write_extent *e)
{
	int ret = stored_buffer(w, how, e);

	if (!ret && !bce_compression_type_is_compressed(e->crc.compression_type))
		copy_from_bio(e->buffer, src, iter, e->sectors);
	return ret;
}

static void encrypt(struct data_writer *w, struct write_extent *e)
{
	e->version = (struct bversion) { .lo = w->c.ops->key_version(w->c.ctx) };
	bce_cipher_crypt(w->c.cipher, bce_extent_nonce(e->version, &e->crc), e->buffer,
			 (size_t)e->crc.compressed_size << SECTOR_SHIFT);
}

static int checksum(struct data_writer *w, struct write_extent *e)
{
	struct bce_nonce nonce = bce_extent_nonce(e->version, &e->crc);

	if (!e->crc.csum_type)
		return 0;
	if (!e->buffer)
		return bce_bio_csum(e->src, e->iter, e->crc.csum_type, w->c.cipher, nonce,
				    &e->crc.csum);
	return bce_csum(e->crc.csum_type, w->c.cipher, nonce, e->buffer,
			(size_t)e->crc.compressed_size << SECTOR_SHIFT, &e->crc.csum);
}

static int seal(struct data_writer *w, const struct write_how *how, struct bio *src,
		struct bvec_iter iter, struct write_extent *e)
{
	bool mac = bce_csum_type_is_mac(e->crc.csum_type);
	int ret = 0;

	if (mac || (e->crc.csum_type && how->unstable)) {
		ret = make_copy(w, how, src, iter, e);
	} else if (e->buffer && !bce_compression_type_is_compressed(e->crc.compression_type)) {
		bce_buffer_put(&w->stored, e->buffer);	/* compression was in vain */
		e->buffer = NULL;
	}
	if (!ret && mac)
		encrypt(w, e);
	iter.bi_size = e->sectors << SECTOR_SHIFT;
	e->src = src;
	e->iter = iter;
	return ret ?: checksum(w, e);
}

/* sectors to make one extent of, at most */
static u32 stretch(const struct data_writer *w, const struct write_how *how, struct bio *src,
		   struct bvec_iter iter, u8 csum_type)
{
	u32 sectors = iter.bi_size >> SECTOR_SHIFT;
	bool copied = bce_csum_type_is_mac(csum_type) || (how->opts->compression & 0xf) ||
		      (csum_type && how->unstable);

	if (csum_type || (how->opts->compression & 0xf))
		sectors = min(sectors, buffer_sectors(w));
	return copied ? sectors : min(sectors, bce_write_straight_sectors(w, src, iter));
}

static int encode(struct data_writer *w, const struct write_how *how, struct bio *src,
		  struct bvec_iter iter, struct write_extent *e)
{
	u32 sectors = stretch(w, how, src, iter, e->crc.csum_type);
	int ret;

	if (!sectors)
		return -EINVAL;		/* pages that do not make up a block */
	ret = choose_form(w, how, src, iter, sectors, e);
	if (!ret)
		ret = bce_write_get_space(w, how, how->opts->data_replicas, 0,
					  e->crc.compressed_size, &e->space);
	if (ret)
		return ret;
	if (e->space.sectors < e->crc.compressed_size)
		ret = fit_space(w, how, src, iter, sectors, e);
	return ret ?: seal(w, how, src, iter, e);
}

int bce_write_encode(struct data_writer *w, const struct write_how *how, struct bio *src,
		     struct bvec_iter iter, u64 start, struct write_extent *e)
{
	int ret;

	*e = (struct write_extent) {
		.w = w,
		.start = start,
		.type = KEY_TYPE_extent,
		.crc.csum_type = bce_data_csum_type(w, how->opts),
	};
	ret = encode(w, how, src, iter, e);
	if (ret)
		bce_write_extent_release(e);
	return ret;
}
