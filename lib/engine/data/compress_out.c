// SPDX-License-Identifier: GPL-2.0
/*
 * Compression of extents (docs/format/70-extents.md, section 7).
 *
 * What comes out must be smaller by a block at least, or it is not used. When it does not fit into the
 * room there is (the rest of a bucket), less is compressed and the rest of the source becomes
 * another extent: lz4 says itself how much fits, for the others the source is shortened by half of
 * what is too much, until it fits or there is nothing to be gained.
 *
 * A level is a hint, in steps of the algorithm; 0 is its default.
 *
 * Workspaces are large (zstd's a megabyte or more), so each algorithm gets its pool when it is
 * first used. From then on progress needs no memory: whoever waits for a workspace gets it when
 * its holder has gone through one extent.
 */
#include "engine/data/compress.h"

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/lz4.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/zlib.h>
#include <linux/zstd.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

#include "engine/data/buffer_pool.h"
#include "engine/format/ids.h"

/* raw deflate, window 2^15 */
#define DEFLATE_WINDOW_BITS	15

/* the le32 length before a zstd frame */
#define ZSTD_LENGTH_BYTES	4

#define ZSTD_LEVEL_DEFAULT	3
#define ZSTD_LEVEL_MAX		22

struct lazy_pool {
	struct buffer_pool	pool;
	bool			ready;		/* pairs acquire and release in pool_get() */
};

struct bce_compressor {
	struct mutex		lock;		/* making pools */
	struct lazy_pool	pool[BCH_COMPRESSION_OPT_NR];
	size_t			max_bytes;
};

int bce_compressor_alloc(struct bce_compressor **out, size_t max_bytes)
{
	struct bce_compressor *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	mutex_init(&c->lock);
	c->max_bytes = max_bytes;
	*out = c;
	return 0;
}

void bce_compressor_free(struct bce_compressor *c)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < BCH_COMPRESSION_OPT_NR; i++)
		if (c->pool[i].ready)
			bce_buffer_pool_exit(&c->pool[i].pool);
	kfree(c);
}

/* ---- workspaces ---- */

/* the greediest level decides: any may be asked for */
static size_t zstd_workspace_bytes(size_t max_bytes)
{
	size_t most = 0;

	for (int level = 1; level <= ZSTD_LEVEL_MAX; level++) {
		zstd_parameters p = zstd_get_params(level, max_bytes);

		most = max(most, zstd_cctx_workspace_bound(&p.cParams));
	}
	return most;
}

static size_t workspace_bytes(const struct bce_compressor *c, unsigned int algorithm)
{
	switch (algorithm) {
	case BCH_COMPRESSION_OPT_lz4:
		return max(LZ4_MEM_COMPRESS, LZ4HC_MEM_COMPRESS);
	case BCH_COMPRESSION_OPT_gzip:
		return zlib_deflate_workspacesize(DEFLATE_WINDOW_BITS, DEF_MEM_LEVEL);
	default:
		return zstd_workspace_bytes(c->max_bytes);
	}
}

static struct buffer_pool *pool_get(struct bce_compressor *c, unsigned int algorithm)
{
	struct lazy_pool *p = &c->pool[algorithm];
	int ret = 0;

	if (smp_load_acquire(&p->ready))
		return &p->pool;
	mutex_lock(&c->lock);
	if (!p->ready) {
		ret = bce_buffer_pool_init(&p->pool, workspace_bytes(c, algorithm),
					   num_online_cpus());
		if (!ret)
			smp_store_release(&p->ready, true);
	}
	mutex_unlock(&c->lock);
	return ret ? NULL : &p->pool;
}

/* ---- algorithms: bytes made, 0 if it does not fit ---- */

static size_t compress_lz4(void *work, unsigned int level, const void *src, size_t *src_bytes,
			   void *dst, size_t room)
{
	int n = *src_bytes, got;

	if (level >= LZ4HC_MIN_CLEVEL) {
		got = LZ4_compress_HC(src, dst, n, room, level, work);
		return max(got, 0);
	}
	got = LZ4_compress_destSize(src, dst, &n, room, work);
	*src_bytes = n;
	return max(got, 0);
}

static size_t compress_gzip(void *work, unsigned int level, const void *src, size_t src_bytes,
			    void *dst, size_t room)
{
	z_stream strm = {
		.workspace = work,
		.next_in = src,
		.avail_in = src_bytes,
		.next_out = dst,
		.avail_out = room,
	};
	int ret;

	if (zlib_deflateInit2(&strm, level ? min(level, 9U) : Z_DEFAULT_COMPRESSION, Z_DEFLATED,
			      -DEFLATE_WINDOW_BITS, DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	ret = zlib_deflate(&strm, Z_FINISH);
	zlib_deflateEnd(&strm);
	return ret == Z_STREAM_END ? strm.total_out : 0;
}

static size_t compress_zstd(void *work, size_t work_bytes, unsigned int level, const void *src,
			    size_t src_bytes, void *dst, size_t room)
{
	int zlevel = level ? min(max(level * 3 / 2, 1U), (unsigned int)ZSTD_LEVEL_MAX) :
			     ZSTD_LEVEL_DEFAULT;
	zstd_parameters params = zstd_get_params(zlevel, src_bytes);
	zstd_cctx *ctx = zstd_init_cctx(work, work_bytes);
	__le32 length;
	size_t got;

	if (!ctx || room <= ZSTD_LENGTH_BYTES)
		return 0;
	got = zstd_compress_cctx(ctx, dst + ZSTD_LENGTH_BYTES, room - ZSTD_LENGTH_BYTES, src,
				 src_bytes, &params);
	if (zstd_is_error(got))
		return 0;
	length = cpu_to_le32(got);
	memcpy(dst, &length, sizeof(length));
	return got + ZSTD_LENGTH_BYTES;
}

static size_t compress_in(void *work, size_t work_bytes, u8 option, const void *src,
			  size_t *src_bytes, void *dst, size_t room)
{
	unsigned int level = option >> 4;

	switch (option & 0xf) {
	case BCH_COMPRESSION_OPT_lz4:
		return compress_lz4(work, level, src, src_bytes, dst, room);
	case BCH_COMPRESSION_OPT_gzip:
		return compress_gzip(work, level, src, *src_bytes, dst, room);
	default:
		return compress_zstd(work, work_bytes, level, src, *src_bytes, dst, room);
	}
}

/*
 * Less and less of the source until it fits. Rounding what lz4 took down to a block means going
 * through that part once more, so that nothing else is in the output.
 */
static int compress_shrinking(struct buffer_pool *pool, void *work, u8 option, const void *src,
			      size_t *src_bytes, void *dst, size_t *dst_bytes, size_t block)
{
	size_t n = *src_bytes, room = *dst_bytes;

	while (n > block) {
		size_t limit = min(room, n - block), taken = n;
		size_t got = compress_in(work, pool->bytes, option, src, &taken, dst, limit);

		if (got && taken == n) {
			*src_bytes = n;
			*dst_bytes = round_up(got, block);
			memset(dst + got, 0, *dst_bytes - got);
			return 0;
		}
		if (n <= room)
			return -EFBIG;	/* it has shrunk by less than a block */
		if (got && taken < n)
			n = round_down(taken, block);
		else
			n = round_down(n - max((n - room) / 2, block), block);
	}
	return -EFBIG;
}

int bce_compress(struct bce_compressor *c, u8 option, const void *src, size_t *src_bytes,
		 void *dst, size_t *dst_bytes, size_t block_bytes)
{
	unsigned int algorithm = option & 0xf;
	struct buffer_pool *pool;
	void *work;
	int ret;

	if (algorithm == BCH_COMPRESSION_OPT_none || algorithm >= BCH_COMPRESSION_OPT_NR ||
	    *src_bytes > c->max_bytes)
		return -EFBIG;
	pool = pool_get(c, algorithm);
	if (!pool)
		return -ENOMEM;
	work = bce_buffer_get(pool);
	ret = compress_shrinking(pool, work, option, src, src_bytes, dst, dst_bytes, block_bytes);
	bce_buffer_put(pool, work);
	return ret;
}
