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

/*
 * Workspaces for compression, made when an algorithm is first used; then as above.
 * @max_bytes: most that is compressed at once
 */
struct bce_compressor;
int bce_compressor_alloc(struct bce_compressor **out, size_t max_bytes);
void bce_compressor_free(struct bce_compressor *c);

/**
 * bce_compress() - as much of @src as fits
 * @option:    option byte: algorithm, level in the high nibble; not none
 * @src_bytes: in: what there is, a multiple of @block_bytes; out: what of it has been compressed, too
 * @dst:       filled up to a multiple of @block_bytes with zeros
 * @dst_bytes: in: room, a multiple of @block_bytes; out: blocks filled, less than @src_bytes
 * Context: may sleep. Return: 0; -EFBIG not worth it, or not possible; -ENOMEM no workspace.
 * Source: docs/format/70-extents.md, section 7.
 */
int bce_compress(struct bce_compressor *c, u8 option, const void *src, size_t *src_bytes,
		 void *dst, size_t *dst_bytes, size_t block_bytes);

#endif
