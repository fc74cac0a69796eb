// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers kept for reuse. A bounce buffer or a decompression workspace is tens
 * to hundreds of KiB, made and thrown away for each 64 KiB extent otherwise;
 * such sizes come from high-order pages, or from vmalloc at the price of page
 * table work.
 */
#include "engine/data/buffer_pool.h"

#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

static void *pool_pop(struct buffer_pool *pool)
{
	struct list_head *link = NULL;

	spin_lock(&pool->lock);
	if (!list_empty(&pool->idle)) {
		link = pool->idle.next;
		list_del(link);
		pool->nr_idle--;
	}
	spin_unlock(&pool->lock);
	return link;
}

void *bce_buffer_try_get(struct buffer_pool *pool)
{
	return pool_pop(pool) ?:
	       kvmalloc(pool->bytes, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
}

void *bce_buffer_get(struct buffer_pool *pool)
{
	void *buffer = bce_buffer_try_get(pool);

	if (!buffer)
		wait_event(pool->wait, (buffer = pool_pop(pool)));
	return buffer;
}

void bce_buffer_put(struct buffer_pool *pool, void *buffer)
{
	struct list_head *link = buffer;

	if (!buffer)
		return;
	spin_lock(&pool->lock);
	if (pool->nr_idle < pool->max_idle) {
		list_add(link, &pool->idle);
		pool->nr_idle++;
		buffer = NULL;
	}
	spin_unlock(&pool->lock);
	kvfree(buffer);
	wake_up(&pool->wait);
}

int bce_buffer_pool_init(struct buffer_pool *pool, size_t bytes, unsigned int max_idle)
{
	void *first;

	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->idle);
	init_waitqueue_head(&pool->wait);
	pool->nr_idle = 0;
	pool->max_idle = max(max_idle, 1U);
	pool->bytes = max(bytes, sizeof(struct list_head));

	first = kvmalloc(pool->bytes, GFP_KERNEL);
	if (!first)
		return -ENOMEM;
	bce_buffer_put(pool, first);
	return 0;
}

void bce_buffer_pool_exit(struct buffer_pool *pool)
{
	void *buffer;

	if (!pool->bytes)
		return;		/* never initialised: all zero */
	while ((buffer = pool_pop(pool)))
		kvfree(buffer);
}
