// SPDX-License-Identifier: GPL-2.0
/*
 * Decompression of extents (docs/format/70-extents.md, section 7).
 *
 * What lies at the pointer is compressed_size sectors; how many of those bytes
 * the compressor made is stored for zstd only. LZ4 stops when the output is
 * full, deflate at its end marker; the rest is padding.
 *
 * lz4 needs no memory. zlib and zstd need a workspace of tens to hundreds of
 * KiB, too much to allocate for each extent: each of the two has a pool
 * (data/buffer_pool.h). A reader that finds no idle one and gets no memory for
 * another can wait: whoever holds one decodes one extent from memory to memory
 * and puts it back, without allocating or doing I/O in between.
 *
 * The input comes from a disk. Its checksum, where it has one, was verified
 * before; where it has none anything may stand here. The decoders check every
 * length against both buffers, and a result of the wrong length is an error.
 */
#include "engine/data/compress.h"

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/lz4.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/zlib.h>
#include <linux/zstd.h>
#include <asm/byteorder.h>

#include "engine/data/buffer_pool.h"
#include "engine/format/ids.h"

/* raw deflate, window 2^15 */
#define DEFLATE_WINDOW_BITS	(-15)

/* the le32 length before a zstd frame */
#define ZSTD_LENGTH_BYTES	4

struct bce_decompressor {
	struct buffer_pool	inflate;
	struct buffer_pool	zstd;
	size_t			max_bytes;
};

int bce_decompressor_alloc(struct bce_decompressor **out, size_t max_bytes)
{
	struct bce_decompressor *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int ret;

	if (!d)
		return -ENOMEM;
	d->max_bytes = max_bytes;
	ret = bce_buffer_pool_init(&d->inflate, zlib_inflate_workspacesize(), num_online_cpus());
	if (ret)
		goto err_free;
	ret = bce_buffer_pool_init(&d->zstd, zstd_dctx_workspace_bound(), num_online_cpus());
	if (ret)
		goto err_inflate;
	*out = d;
	return 0;

err_inflate:
	bce_buffer_pool_exit(&d->inflate);
err_free:
	kfree(d);
	return ret;
}

void bce_decompressor_free(struct bce_decompressor *d)
{
	if (!d)
		return;
	bce_buffer_pool_exit(&d->zstd);
	bce_buffer_pool_exit(&d->inflate);
	kfree(d);
}

static int decompress_lz4(const void *src, size_t src_bytes, void *dst, size_t dst_bytes)
{
	int got = LZ4_decompress_safe_partial(src, dst, src_bytes, dst_bytes, dst_bytes);

	return got >= 0 && (size_t)got == dst_bytes ? 0 : -EILSEQ;
}

static int inflate_in(void *workspace, const void *src, size_t src_bytes, void *dst,
		      size_t dst_bytes)
{
	z_stream strm = {
		.workspace = workspace,
		.next_in = src,
		.avail_in = src_bytes,
		.next_out = dst,
		.avail_out = dst_bytes,
	};
	int ret;

	if (zlib_inflateInit2(&strm, DEFLATE_WINDOW_BITS) != Z_OK)
		return -EILSEQ;
	ret = zlib_inflate(&strm, Z_FINISH);
	zlib_inflateEnd(&strm);
	return ret == Z_STREAM_END && strm.total_out == dst_bytes ? 0 : -EILSEQ;
}

static int decompress_gzip(struct buffer_pool *pool, const void *src, size_t src_bytes,
			   void *dst, size_t dst_bytes)
{
	void *workspace = bce_buffer_get(pool);
	int ret = inflate_in(workspace, src, src_bytes, dst, dst_bytes);

	bce_buffer_put(pool, workspace);
	return ret;
}

static int unzstd_in(void *workspace, size_t workspace_bytes, const void *src, size_t src_bytes,
		     void *dst, size_t dst_bytes)
{
	zstd_dctx *dctx = zstd_init_dctx(workspace, workspace_bytes);
	size_t got;

	if (!dctx)
		return -EILSEQ;
	got = zstd_decompress_dctx(dctx, dst, dst_bytes, src, src_bytes);
	return !zstd_is_error(got) && got == dst_bytes ? 0 : -EILSEQ;
}

static int decompress_zstd(struct buffer_pool *pool, const void *src, size_t src_bytes,
			   void *dst, size_t dst_bytes)
{
	__le32 length;
	size_t frame_bytes;
	void *workspace;
	int ret;

	if (src_bytes < ZSTD_LENGTH_BYTES)
		return -EILSEQ;
	memcpy(&length, src, sizeof(length));
	frame_bytes = le32_to_cpu(length);
	if (frame_bytes > src_bytes - ZSTD_LENGTH_BYTES)
		return -EILSEQ;

	workspace = bce_buffer_get(pool);
	ret = unzstd_in(workspace, pool->bytes, src + ZSTD_LENGTH_BYTES, frame_bytes, dst,
			dst_bytes);
	bce_buffer_put(pool, workspace);
	return ret;
}

int bce_decompress(struct bce_decompressor *d, unsigned int type, const void *src,
		   size_t src_bytes, void *dst, size_t dst_bytes)
{
	if (dst_bytes > d->max_bytes || src_bytes > d->max_bytes)
		return -EILSEQ;

	switch (type) {
	case BCH_COMPRESSION_TYPE_lz4_old:
	case BCH_COMPRESSION_TYPE_lz4:
		return decompress_lz4(src, src_bytes, dst, dst_bytes);
	case BCH_COMPRESSION_TYPE_gzip:
		return decompress_gzip(&d->inflate, src, src_bytes, dst, dst_bytes);
	case BCH_COMPRESSION_TYPE_zstd:
		return decompress_zstd(&d->zstd, src, src_bytes, dst, dst_bytes);
	default:
		return -EINVAL;
	}
}
