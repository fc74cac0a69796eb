// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer of variable-length records, aligned so that their fields are.
 */
#include "engine/names/batch.h"

#include <linux/align.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>

int batch_init(struct batch *b)
{
	*b = (struct batch) { .buf = kvmalloc(BATCH_BYTES, GFP_KERNEL) };
	return b->buf ? 0 : -ENOMEM;
}

void batch_exit(struct batch *b)
{
	kvfree(b->buf);
}

void batch_restart(struct batch *b)
{
	b->used = 0;
	b->last = false;
}

static size_t record_bytes(unsigned int len)
{
	return ALIGN(sizeof(struct batch_record) + len, __alignof__(struct batch_record));
}

struct batch_record *batch_add(struct batch *b, unsigned int len)
{
	struct batch_record *rec = b->buf + b->used;

	if (record_bytes(len) > BATCH_BYTES - b->used)
		return NULL;
	b->used += record_bytes(len);
	*rec = (struct batch_record) { .len = len };
	return rec;
}

const struct batch_record *batch_next(const struct batch *b, const struct batch_record *prev)
{
	const void *next = prev ? (const void *)prev + record_bytes(prev->len) : b->buf;

	return next < b->buf + b->used ? next : NULL;
}
