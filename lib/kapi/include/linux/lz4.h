/* SPDX-License-Identifier: GPL-2.0 */
/* LZ4 with the kernel signatures: the caller brings the workspace. */
#ifndef KAPI_LINUX_LZ4_H
#define KAPI_LINUX_LZ4_H

#include <linux/types.h>

#define LZ4_MAX_INPUT_SIZE	0x7E000000
#define LZ4_MEM_COMPRESS	16512
#define LZ4HC_MEM_COMPRESS	262272
#define LZ4HC_MIN_CLEVEL	3
#define LZ4HC_DEFAULT_CLEVEL	9
#define LZ4HC_MAX_CLEVEL	16
#define LZ4_COMPRESSBOUND(n) \
	((unsigned int)(n) > LZ4_MAX_INPUT_SIZE ? 0 : (n) + ((n) / 255) + 16)

/* Some of these names exist in liblz4 with other arguments. */
#define LZ4_compressBound		kapi_lz4_compressBound
#define LZ4_compress_default		kapi_lz4_compress_default
#define LZ4_compress_fast		kapi_lz4_compress_fast
#define LZ4_compress_destSize		kapi_lz4_compress_destSize
#define LZ4_compress_HC			kapi_lz4_compress_HC
#define LZ4_decompress_safe		kapi_lz4_decompress_safe
#define LZ4_decompress_safe_partial	kapi_lz4_decompress_safe_partial

static inline int LZ4_compressBound(size_t n)
{
	return LZ4_COMPRESSBOUND(n);
}

int LZ4_compress_default(const char *src, char *dst, int src_bytes, int dst_bytes, void *work);
int LZ4_compress_fast(const char *src, char *dst, int src_bytes, int dst_bytes, int accel,
		      void *work);
int LZ4_compress_destSize(const char *src, char *dst, int *src_bytes, int dst_bytes, void *work);
int LZ4_compress_HC(const char *src, char *dst, int src_bytes, int dst_bytes, int level,
		    void *work);
int LZ4_decompress_safe(const char *src, char *dst, int src_bytes, int dst_bytes);
int LZ4_decompress_safe_partial(const char *src, char *dst, int src_bytes, int want_bytes,
				int dst_bytes);

#endif
