// SPDX-License-Identifier: GPL-2.0
/* lib/kapi/compress.c: round trips with the caller's workspaces, damage, short buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/lz4.h>
#include <linux/slab.h>
#include <linux/zlib.h>
#include <linux/zstd.h>

#define PLAIN_BYTES	(64 << 10)

static u8 plain[PLAIN_BYTES], packed[2 * PLAIN_BYTES], again[PLAIN_BYTES];

static int make_plain(void **state)
{
	u32 x = 1;

	for (size_t i = 0; i < PLAIN_BYTES; i++)
		plain[i] = (x = x * 1103515245 + 12345) >> 28;
	return 0;
}

static void lz4(void **state)
{
	void *work = kvmalloc(LZ4HC_MEM_COMPRESS, GFP_KERNEL);
	int src_bytes = PLAIN_BYTES, n, high;

	n = LZ4_compress_default((char *)plain, (char *)packed, PLAIN_BYTES, sizeof(packed), work);
	assert_in_range(n, 1, PLAIN_BYTES);
	assert_int_equal(LZ4_decompress_safe((char *)packed, (char *)again, n, PLAIN_BYTES),
			 PLAIN_BYTES);
	assert_memory_equal(plain, again, PLAIN_BYTES);
	memset(again, 0, PLAIN_BYTES);
	assert_int_equal(LZ4_decompress_safe_partial((char *)packed, (char *)again, n, 1000, 1000),
			 1000);
	assert_memory_equal(plain, again, 1000);
	assert_true(LZ4_decompress_safe((char *)packed, (char *)again, n - 5, PLAIN_BYTES) < 0);
	high = LZ4_compress_HC((char *)plain, (char *)packed, PLAIN_BYTES, sizeof(packed), 9, work);
	assert_in_range(high, 1, n);
	n = LZ4_compress_destSize((char *)plain, (char *)packed, &src_bytes, 8192, work);
	assert_in_range(n, 1, 8192);
	assert_in_range(src_bytes, 8193, PLAIN_BYTES - 1);
	assert_int_equal(LZ4_decompress_safe((char *)packed, (char *)again, n, PLAIN_BYTES),
			 src_bytes);
	kvfree(work);
}

static void zstd_level(int level)
{
	zstd_parameters params = zstd_get_params(level, PLAIN_BYTES);
	size_t work_bytes = zstd_cctx_workspace_bound(&params.cParams);
	size_t dwork_bytes = zstd_dctx_workspace_bound(), n;
	void *work = kvmalloc(work_bytes, GFP_KERNEL), *dwork = kvmalloc(dwork_bytes, GFP_KERNEL);
	zstd_cctx *c = zstd_init_cctx(work, work_bytes);
	zstd_dctx *d = zstd_init_dctx(dwork, dwork_bytes);

	assert_non_null(c);
	assert_non_null(d);
	n = zstd_compress_cctx(c, packed, sizeof(packed), plain, PLAIN_BYTES, &params);
	assert_false(zstd_is_error(n));
	assert_in_range(n, 1, PLAIN_BYTES);
	assert_int_equal(zstd_find_frame_compressed_size(packed, sizeof(packed)), n);
	assert_int_equal(zstd_decompress_dctx(d, again, PLAIN_BYTES, packed, n), PLAIN_BYTES);
	assert_memory_equal(plain, again, PLAIN_BYTES);
	assert_int_equal(zstd_get_error_code(zstd_decompress_dctx(d, again, 100, packed, n)),
			 ZSTD_error_dstSize_tooSmall);
	assert_true(zstd_is_error(zstd_decompress_dctx(d, again, PLAIN_BYTES, packed, n - 9)));
	assert_int_equal(zstd_get_error_code(zstd_compress_cctx(c, packed, 50, plain, PLAIN_BYTES,
								&params)),
			 ZSTD_error_dstSize_tooSmall);
	kvfree(dwork);
	kvfree(work);
}

static void zstd(void **state)
{
	zstd_level(1);
	zstd_level(3);
	zstd_level(15);
}

static void deflate_raw(void **state)
{
	z_stream s = { .next_in = plain, .avail_in = PLAIN_BYTES };
	size_t n;

	s.workspace = kvmalloc(zlib_deflate_workspacesize(MAX_WBITS, DEF_MEM_LEVEL), GFP_KERNEL);
	assert_int_equal(zlib_deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, DEF_MEM_LEVEL,
					   Z_DEFAULT_STRATEGY), Z_OK);
	s.next_out = packed;
	s.avail_out = sizeof(packed);
	assert_int_equal(zlib_deflate(&s, Z_FINISH), Z_STREAM_END);
	n = s.total_out;
	assert_int_equal(zlib_deflateEnd(&s), Z_OK);
	kvfree(s.workspace);
	assert_in_range(n, 1, PLAIN_BYTES);

	s = (z_stream){ .next_in = packed, .avail_in = n, .next_out = again,
			.avail_out = PLAIN_BYTES };
	s.workspace = kvmalloc(zlib_inflate_workspacesize(), GFP_KERNEL);
	assert_int_equal(zlib_inflateInit2(&s, -MAX_WBITS), Z_OK);
	assert_int_equal(zlib_inflate(&s, Z_FINISH), Z_STREAM_END);
	assert_int_equal(s.total_out, PLAIN_BYTES);
	assert_memory_equal(plain, again, PLAIN_BYTES);
	assert_int_equal(zlib_inflateReset(&s), Z_OK);
	packed[0] = 0xff;
	s.next_in = packed;
	s.avail_in = n;
	s.next_out = again;
	s.avail_out = PLAIN_BYTES;
	assert_int_equal(zlib_inflate(&s, Z_FINISH), Z_DATA_ERROR);
	assert_int_equal(zlib_inflateEnd(&s), Z_OK);
	kvfree(s.workspace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lz4),
		cmocka_unit_test(zstd),
		cmocka_unit_test(deflate_raw),
	};

	return cmocka_run_group_tests(tests, make_plain, NULL);
}
