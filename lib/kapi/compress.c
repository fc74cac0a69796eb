// SPDX-License-Identifier: GPL-2.0
/*
 * Compression libraries behind the kernel's names.
 *
 * In the kernel the caller brings all memory. LZ4 and Zstandard offer that themselves; for zlib a
 * small allocator deals the caller's workspace out, the library's own stream first.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static int (*const lib_fast)(void *, const char *, char *, int, int, int) =
	LZ4_compress_fast_extState;
static int (*const lib_hc)(void *, const char *, char *, int, int, int) =
	LZ4_compress_HC_extStateHC;
static int (*const lib_dest_size)(const char *, char *, int *, int) = LZ4_compress_destSize;
static int (*const lib_safe)(const char *, char *, int, int) = LZ4_decompress_safe;
static int (*const lib_partial)(const char *, char *, int, int, int) =
	LZ4_decompress_safe_partial;
typedef z_stream lib_z_stream;

#undef LZ4HC_DEFAULT_CLEVEL
#undef LZ4_MAX_INPUT_SIZE
#undef LZ4_COMPRESSBOUND
#undef LZ4HC_CLEVEL_MIN

#include <linux/build_bug.h>
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/lz4.h>
#include <linux/types.h>
#include <linux/zlib.h>
#include <linux/zstd.h>

/* ---- LZ4 ---- */

static_assert(LZ4_MEM_COMPRESS >= sizeof(LZ4_stream_t));
static_assert(LZ4HC_MEM_COMPRESS >= sizeof(LZ4_streamHC_t));

int LZ4_compress_fast(const char *src, char *dst, int src_bytes, int dst_bytes, int accel,
		      void *work)
{
	return lib_fast(work, src, dst, src_bytes, dst_bytes, accel);
}

int LZ4_compress_default(const char *src, char *dst, int src_bytes, int dst_bytes, void *work)
{
	return LZ4_compress_fast(src, dst, src_bytes, dst_bytes, 1, work);
}

int LZ4_compress_destSize(const char *src, char *dst, int *src_bytes, int dst_bytes, void *work)
{
	return lib_dest_size(src, dst, src_bytes, dst_bytes);
}

int LZ4_compress_HC(const char *src, char *dst, int src_bytes, int dst_bytes, int level,
		    void *work)
{
	return lib_hc(work, src, dst, src_bytes, dst_bytes, level);
}

int LZ4_decompress_safe(const char *src, char *dst, int src_bytes, int dst_bytes)
{
	return lib_safe(src, dst, src_bytes, dst_bytes);
}

int LZ4_decompress_safe_partial(const char *src, char *dst, int src_bytes, int want_bytes,
				int dst_bytes)
{
	return lib_partial(src, dst, src_bytes, want_bytes, dst_bytes);
}

/* ---- Zstandard ---- */

size_t zstd_compress_bound(size_t src_bytes)
{
	return ZSTD_compressBound(src_bytes);
}

unsigned int zstd_is_error(size_t code)
{
	return ZSTD_isError(code);
}

zstd_error_code zstd_get_error_code(size_t code)
{
	return ZSTD_getErrorCode(code);
}

const char *zstd_get_error_name(size_t code)
{
	return ZSTD_getErrorName(code);
}

int zstd_min_clevel(void)
{
	return ZSTD_minCLevel();
}

int zstd_max_clevel(void)
{
	return ZSTD_maxCLevel();
}

zstd_parameters zstd_get_params(int level, unsigned long long src_bytes)
{
	return ZSTD_getParams(level, src_bytes, 0);
}

size_t zstd_cctx_workspace_bound(const zstd_compression_parameters *p)
{
	return ZSTD_estimateCCtxSize_usingCParams(*p);
}

zstd_cctx *zstd_init_cctx(void *workspace, size_t workspace_bytes)
{
	return workspace ? ZSTD_initStaticCCtx(workspace, workspace_bytes) : NULL;
}

size_t zstd_compress_cctx(zstd_cctx *c, void *dst, size_t dst_bytes, const void *src,
			  size_t src_bytes, const zstd_parameters *p)
{
	const struct {
		ZSTD_cParameter name;
		int value;
	} set[] = {
		{ ZSTD_c_windowLog, p->cParams.windowLog },
		{ ZSTD_c_chainLog, p->cParams.chainLog },
		{ ZSTD_c_hashLog, p->cParams.hashLog },
		{ ZSTD_c_searchLog, p->cParams.searchLog },
		{ ZSTD_c_minMatch, p->cParams.minMatch },
		{ ZSTD_c_targetLength, p->cParams.targetLength },
		{ ZSTD_c_strategy, p->cParams.strategy },
		{ ZSTD_c_contentSizeFlag, p->fParams.contentSizeFlag },
		{ ZSTD_c_checksumFlag, p->fParams.checksumFlag },
		{ ZSTD_c_dictIDFlag, !p->fParams.noDictIDFlag },
	};
	size_t code = ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);

	for (size_t i = 0; i < ARRAY_SIZE(set) && !ZSTD_isError(code); i++)
		code = ZSTD_CCtx_setParameter(c, set[i].name, set[i].value);
	return ZSTD_isError(code) ? code : ZSTD_compress2(c, dst, dst_bytes, src, src_bytes);
}

size_t zstd_dctx_workspace_bound(void)
{
	return ZSTD_estimateDCtxSize();
}

zstd_dctx *zstd_init_dctx(void *workspace, size_t workspace_bytes)
{
	return workspace ? ZSTD_initStaticDCtx(workspace, workspace_bytes) : NULL;
}

size_t zstd_decompress_dctx(zstd_dctx *d, void *dst, size_t dst_bytes, const void *src,
			    size_t src_bytes)
{
	return ZSTD_decompressDCtx(d, dst, dst_bytes, src, src_bytes);
}

size_t zstd_find_frame_compressed_size(const void *src, size_t src_bytes)
{
	return ZSTD_findFrameCompressedSize(src, src_bytes);
}

/* ---- zlib ---- */

/* Head of the workspace; what zlib allocates follows. */
struct zwork {
	lib_z_stream stream;
	size_t used;
	size_t size;
};

#define ZWORK_SLACK_BYTES	(32 << 10)

static size_t inflate_work_bytes(void)
{
	return sizeof(struct zwork) + (1 << MAX_WBITS) + ZWORK_SLACK_BYTES;
}

static size_t deflate_work_bytes(int window_bits, int mem_level)
{
	return sizeof(struct zwork) + (1UL << (window_bits + 2)) + (2UL << (mem_level + 9)) +
		ZWORK_SLACK_BYTES;
}

static void *zwork_alloc(void *opaque, unsigned int items, unsigned int bytes)
{
	struct zwork *w = opaque;
	size_t n = ALIGN((size_t)items * bytes, 64);
	void *p = (char *)w + w->used;

	if (n > w->size - w->used)
		return NULL;
	w->used += n;
	return p;
}

static void zwork_free(void *opaque, void *p)
{
}

static struct zwork *zwork_init(struct kapi_z_stream *s, size_t size)
{
	struct zwork *w = s->workspace;

	memset(w, 0, sizeof(*w));
	w->size = size;
	w->used = ALIGN(sizeof(*w), 64);
	w->stream.zalloc = zwork_alloc;
	w->stream.zfree = zwork_free;
	w->stream.opaque = w;
	s->state = w;
	s->total_in = s->total_out = 0;
	s->msg = NULL;
	return w;
}

static int zwork_run(struct kapi_z_stream *s, int (*fn)(lib_z_stream *, int), int flush)
{
	lib_z_stream *z = &((struct zwork *)s->state)->stream;
	int ret;

	z->next_in = (u8 *)s->next_in;
	z->avail_in = s->avail_in;
	z->next_out = s->next_out;
	z->avail_out = s->avail_out;
	ret = fn(z, flush);
	s->next_in = z->next_in;
	s->avail_in = z->avail_in;
	s->next_out = z->next_out;
	s->avail_out = z->avail_out;
	s->total_in = z->total_in;
	s->total_out = z->total_out;
	s->msg = (char *)z->msg;
	return ret;
}

static lib_z_stream *zwork_stream(struct kapi_z_stream *s)
{
	s->total_in = s->total_out = 0;
	return &((struct zwork *)s->state)->stream;
}

int zlib_inflate_workspacesize(void)
{
	return inflate_work_bytes();
}

int zlib_inflateInit2(struct kapi_z_stream *s, int window_bits)
{
	struct zwork *w = zwork_init(s, inflate_work_bytes());

	return inflateInit2_(&w->stream, window_bits, ZLIB_VERSION, sizeof(w->stream));
}

int zlib_inflate(struct kapi_z_stream *s, int flush)
{
	return zwork_run(s, inflate, flush);
}

int zlib_inflateReset(struct kapi_z_stream *s)
{
	return inflateReset(zwork_stream(s));
}

int zlib_inflateEnd(struct kapi_z_stream *s)
{
	return inflateEnd(&((struct zwork *)s->state)->stream);
}

int zlib_deflate_workspacesize(int window_bits, int mem_level)
{
	return deflate_work_bytes(window_bits < 0 ? -window_bits : window_bits, mem_level);
}

int zlib_deflateInit2(struct kapi_z_stream *s, int level, int method, int window_bits,
		      int mem_level, int strategy)
{
	struct zwork *w = zwork_init(s, zlib_deflate_workspacesize(window_bits, mem_level));

	return deflateInit2_(&w->stream, level, method, window_bits, mem_level, strategy,
			     ZLIB_VERSION, sizeof(w->stream));
}

int zlib_deflate(struct kapi_z_stream *s, int flush)
{
	return zwork_run(s, deflate, flush);
}

int zlib_deflateReset(struct kapi_z_stream *s)
{
	return deflateReset(zwork_stream(s));
}

int zlib_deflateEnd(struct kapi_z_stream *s)
{
	int ret = deflateEnd(&((struct zwork *)s->state)->stream);

	/* The kernel does not call the end of an unfinished stream an error. */
	return ret == Z_DATA_ERROR ? Z_OK : ret;
}
