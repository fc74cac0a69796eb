/* SPDX-License-Identifier: GPL-2.0 */
/* zlib with the kernel names: the caller brings the workspace. */
#ifndef KAPI_LINUX_ZLIB_H
#define KAPI_LINUX_ZLIB_H

#include <linux/types.h>

#ifndef ZLIB_H
#define Z_NO_FLUSH		0
#define Z_PARTIAL_FLUSH		1
#define Z_SYNC_FLUSH		2
#define Z_FULL_FLUSH		3
#define Z_FINISH		4
#define Z_OK			0
#define Z_STREAM_END		1
#define Z_NEED_DICT		2
#define Z_ERRNO			(-1)
#define Z_STREAM_ERROR		(-2)
#define Z_DATA_ERROR		(-3)
#define Z_MEM_ERROR		(-4)
#define Z_BUF_ERROR		(-5)
#define Z_DEFAULT_COMPRESSION	(-1)
#define Z_DEFAULT_STRATEGY	0
#define Z_DEFLATED		8
#define MAX_WBITS		15
#define MAX_MEM_LEVEL		9
#endif
#define DEF_MEM_LEVEL		8

struct kapi_z_stream {
	const u8 *next_in;
	unsigned long avail_in;
	unsigned long total_in;
	u8 *next_out;
	unsigned long avail_out;
	unsigned long total_out;
	char *msg;
	void *workspace;
	/* The library's own stream, inside the workspace. */
	void *state;
};
#define z_stream_s	kapi_z_stream
typedef struct kapi_z_stream kapi_z_stream_t;
#define z_stream	kapi_z_stream_t
typedef kapi_z_stream_t *kapi_z_streamp;
#define z_streamp	kapi_z_streamp

int zlib_inflate_workspacesize(void);
int zlib_inflateInit2(struct kapi_z_stream *s, int window_bits);
int zlib_inflate(struct kapi_z_stream *s, int flush);
int zlib_inflateReset(struct kapi_z_stream *s);
int zlib_inflateEnd(struct kapi_z_stream *s);
#define zlib_inflateInit(s)	zlib_inflateInit2(s, MAX_WBITS)

int zlib_deflate_workspacesize(int window_bits, int mem_level);
int zlib_deflateInit2(struct kapi_z_stream *s, int level, int method, int window_bits,
		      int mem_level, int strategy);
int zlib_deflate(struct kapi_z_stream *s, int flush);
int zlib_deflateReset(struct kapi_z_stream *s);
int zlib_deflateEnd(struct kapi_z_stream *s);
#define zlib_deflateInit(s, level) \
	zlib_deflateInit2(s, level, Z_DEFLATED, MAX_WBITS, DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY)

#endif
