/* SPDX-License-Identifier: GPL-2.0 */
/* Zstandard with the kernel names. */
#ifndef KAPI_LINUX_ZSTD_H
#define KAPI_LINUX_ZSTD_H

#ifndef ZSTD_STATIC_LINKING_ONLY
#define ZSTD_STATIC_LINKING_ONLY
#endif
#include <linux/types.h>
#include <zstd.h>
#include <zstd_errors.h>

typedef ZSTD_ErrorCode zstd_error_code;
typedef ZSTD_CCtx zstd_cctx;
typedef ZSTD_DCtx zstd_dctx;
typedef ZSTD_compressionParameters zstd_compression_parameters;
typedef ZSTD_frameParameters zstd_frame_parameters;
typedef ZSTD_parameters zstd_parameters;

size_t zstd_compress_bound(size_t src_bytes);
unsigned int zstd_is_error(size_t code);
zstd_error_code zstd_get_error_code(size_t code);
const char *zstd_get_error_name(size_t code);
int zstd_min_clevel(void);
int zstd_max_clevel(void);
zstd_parameters zstd_get_params(int level, unsigned long long src_bytes);
size_t zstd_cctx_workspace_bound(const zstd_compression_parameters *p);
zstd_cctx *zstd_init_cctx(void *workspace, size_t workspace_bytes);
size_t zstd_compress_cctx(zstd_cctx *c, void *dst, size_t dst_bytes, const void *src,
			  size_t src_bytes, const zstd_parameters *p);
size_t zstd_dctx_workspace_bound(void);
zstd_dctx *zstd_init_dctx(void *workspace, size_t workspace_bytes);
size_t zstd_decompress_dctx(zstd_dctx *d, void *dst, size_t dst_bytes, const void *src,
			    size_t src_bytes);
size_t zstd_find_frame_compressed_size(const void *src, size_t src_bytes);

#endif
