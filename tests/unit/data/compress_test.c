// SPDX-License-Identifier: GPL-2.0
/*
 * bce_decompress() (docs/format/70-extents.md, section 7) against streams made by the libraries:
 * framing and zero padding, every wrong length, truncation and single flipped bytes (which may
 * decode to something else, but never write outside), failing memory, and many threads on one pool.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include <linux/errno.h>
#include <linux/kernel.h>
#include <asm/byteorder.h>

#include "engine/data/compress.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"

#define MAX_BYTES	(64 << 10)

/* two thirds repetition, one third noise */
static void make_data(u8 *p, size_t n, unsigned int seed)
{
	u32 x = seed;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = i % 96 < 64 ? "the quick brown fox"[i % 19] : x >> 24;
	}
}

/* bytes made; @dst has MAX_BYTES and the rest of it is zeroed to a sector */
static size_t pack(unsigned int type, const u8 *src, size_t n, u8 *dst)
{
	size_t got = 0;

	memset(dst, 0, 2 * MAX_BYTES);
	switch (type) {
	case BCH_COMPRESSION_TYPE_lz4_old:
	case BCH_COMPRESSION_TYPE_lz4:
		got = LZ4_compress_default((const char *)src, (char *)dst, n, MAX_BYTES);
		break;
	case BCH_COMPRESSION_TYPE_gzip: {
		z_stream s = { .next_in = (u8 *)src, .avail_in = n, .next_out = dst,
			       .avail_out = MAX_BYTES };

		assert_int_equal(deflateInit2(&s, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
		assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
		got = s.total_out;
		deflateEnd(&s);
		break;
	}
	case BCH_COMPRESSION_TYPE_zstd: {
		__le32 length;

		got = ZSTD_compress(dst + 4, MAX_BYTES - 4, src, n, 3);
		assert_false(ZSTD_isError(got));
		length = cpu_to_le32(got);
		memcpy(dst, &length, 4);
		got += 4;
		break;
	}
	}
	assert_true(got > 0);
	return (got + 511) & ~511UL;
}

struct fixture {
	struct bce_decompressor	*d;
	u8			*src, *packed, *out;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->src = malloc(MAX_BYTES);
	f->packed = malloc(2 * MAX_BYTES);
	f->out = malloc(MAX_BYTES);
	*state = f;
	return bce_decompressor_alloc(&f->d, MAX_BYTES);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bce_decompressor_free(f->d);
	free(f->src);
	free(f->packed);
	free(f->out);
	free(f);
	return 0;
}

static const unsigned int types[] = {
	BCH_COMPRESSION_TYPE_lz4_old, BCH_COMPRESSION_TYPE_gzip, BCH_COMPRESSION_TYPE_lz4,
	BCH_COMPRESSION_TYPE_zstd,
};

static void round_trip(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = { 512, 4096, 12288, 65536 };

	for (int t = 0; t < 4; t++)
		for (int s = 0; s < 4; s++) {
			size_t packed;

			make_data(f->src, sizes[s], s);
			packed = pack(types[t], f->src, sizes[s], f->packed);
			memset(f->out, 0xee, MAX_BYTES);
			if (bce_decompress(f->d, types[t], f->packed, packed, f->out, sizes[s]))
				fail_msg("type %u: %zu bytes do not come out of %zu", types[t],
					 sizes[s], packed);
			assert_memory_equal(f->out, f->src, sizes[s]);
		}
}

/* the stream holds less or more than the extent says: lz4 may be cut short, nothing else */
static void wrong_length(void **state)
{
	struct fixture *f = *state;

	for (int t = 0; t < 4; t++) {
		bool lz4 = types[t] == BCH_COMPRESSION_TYPE_lz4 ||
			   types[t] == BCH_COMPRESSION_TYPE_lz4_old;
		size_t packed;

		make_data(f->src, 16384, t);
		packed = pack(types[t], f->src, 16384, f->packed);
		assert_int_equal(bce_decompress(f->d, types[t], f->packed, packed, f->out, 20480),
				 -EILSEQ);
		assert_int_equal(bce_decompress(f->d, types[t], f->packed, packed, f->out, 8192),
				 lz4 ? 0 : -EILSEQ);
		assert_int_equal(bce_decompress(f->d, types[t], f->packed, 512, f->out, 16384),
				 -EILSEQ);
		assert_int_equal(bce_decompress(f->d, types[t], f->packed, MAX_BYTES + 512, f->out,
						16384), -EILSEQ);
		assert_int_equal(bce_decompress(f->d, types[t], f->packed, packed, f->out,
						MAX_BYTES + 512), -EILSEQ);
	}
}

static void zstd_length_prefix(void **state)
{
	struct fixture *f = *state;
	static const u32 absurd[] = { 0, 1, 508, 509, 512, 0x7fffffff, 0xffffffff };

	memset(f->packed, 0, 512);
	for (int i = 0; i < ARRAY_SIZE(absurd); i++) {
		__le32 length = cpu_to_le32(absurd[i]);

		memcpy(f->packed, &length, 4);
		assert_int_equal(bce_decompress(f->d, BCH_COMPRESSION_TYPE_zstd, f->packed, 512,
						f->out, 4096), -EILSEQ);
	}
	assert_int_equal(bce_decompress(f->d, BCH_COMPRESSION_TYPE_zstd, f->packed, 3, f->out, 4096),
			 -EILSEQ);
}

/* buffers of exactly the right size, so that the sanitizer sees a step too far */
static void flipped_bytes(void **state)
{
	struct fixture *f = *state;

	for (int t = 0; t < 4; t++) {
		size_t n = 4096, packed;
		u8 *in, *out;

		make_data(f->src, n, 3);
		packed = pack(types[t], f->src, n, f->packed);
		in = malloc(packed);
		out = malloc(n);
		for (size_t at = 0; at < packed; at++) {
			memcpy(in, f->packed, packed);
			in[at] ^= 1 << at % 8;
			bce_decompress(f->d, types[t], in, packed, out, n);
		}
		free(in);
		free(out);
	}
}

static void unknown_types(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bce_decompress(f->d, 0, f->packed, 512, f->out, 512), -EINVAL);
	assert_int_equal(bce_decompress(f->d, 5, f->packed, 512, f->out, 512), -EINVAL);
	assert_int_equal(bce_decompress(f->d, 6, f->packed, 512, f->out, 512), -EINVAL);
}

struct job {
	struct fixture	*f;
	unsigned int	type;
	size_t		packed;
	const u8	*in;
	bool		ok;
};

static void *job_run(void *arg)
{
	struct job *j = arg;
	u8 *out = malloc(MAX_BYTES);

	j->ok = true;
	for (int i = 0; i < 50; i++)
		j->ok &= !bce_decompress(j->f->d, j->type, j->in, j->packed, out, MAX_BYTES) &&
			 !memcmp(out, j->f->src, MAX_BYTES);
	free(out);
	return NULL;
}

/* all allocation fails: eight threads share the one workspace that the pool was born with */
static void memory_is_short(void **state)
{
	struct fixture *f = *state;
	struct job job[8];
	pthread_t thread[8];
	u8 *in[2];

	make_data(f->src, MAX_BYTES, 1);
	for (int i = 0; i < 2; i++) {
		in[i] = malloc(2 * MAX_BYTES);
		job[i].packed = pack(types[1 + 2 * i], f->src, MAX_BYTES, in[i]);
	}
	kapi_alloc_fail(1, true);
	for (int i = 0; i < 8; i++) {
		job[i] = (struct job) { .f = f, .type = types[1 + 2 * (i % 2)], .in = in[i % 2],
					.packed = job[i % 2].packed };
		pthread_create(&thread[i], NULL, job_run, &job[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(thread[i], NULL);
		assert_true(job[i].ok);
	}
	kapi_alloc_fail(0, false);
	free(in[0]);
	free(in[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(wrong_length),
		cmocka_unit_test(zstd_length_prefix),
		cmocka_unit_test(flipped_bytes),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(memory_is_short),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
