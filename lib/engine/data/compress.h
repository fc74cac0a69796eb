/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_COMPRESS_H
#define ENGINE_DATA_COMPRESS_H

#include <linux/types.h>

struct bce_decompressor;

/*
 * Workspaces for decompression, shared by all readers of a set; allocation
 * failure falls back to a reserve of one of each, so progress is certain.
 * @max_bytes: largest decompressed extent (encoded_extent_max).
 */
int bce_decompressor_alloc(struct bce_decompressor **out, size_t max_bytes);
void bce_decompressor_free(struct bce_decompressor *d);

/**
 * bce_decompress() - one extent
 * @type:      compression type number 1..4
 * @dst_bytes: uncompressed_size * 512: exactly this much must come out
 * Context: may sleep. Return: 0, -EINVAL type, -EILSEQ the data does not decode.
 * Source: docs/format/70-extents.md, section 7.
 */
int bce_decompress(struct bce_decompressor *d, unsigned int type, const void *src,
		   size_t src_bytes, void *dst, size_t dst_bytes);

#endif
