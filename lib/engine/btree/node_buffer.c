// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers for reading nodes, with a reserve of one.
 *
 * Eviction frees memory, but a node read may be what the one who needs memory waits for. So a read
 * must not depend on a large allocation: it takes an idle buffer, or a new one if that can be had
 * without pressing, or waits until another read gives its buffer back. That other read needs no
 * second buffer, so it ends, and the first one goes on.
 */
#include "engine/btree/node_buffer.h"

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "engine/key/keyset.h"

#define KEEP_IDLE	4U

static void buffer_free(struct node_buffer *buf)
{
	kvfree(buf->data);
	kvfree(buf->runs);
	kfree(buf);
}

static struct node_buffer *buffer_alloc(const struct node_buffers *pool, gfp_t gfp)
{
	struct node_buffer *buf = kzalloc(sizeof(*buf), gfp);

	if (!buf)
		return NULL;
	buf->data = kvmalloc(pool->data_bytes, gfp);
	buf->runs = kvmalloc_array(pool->nr_runs_max, sizeof(*buf->runs), gfp);
	buf->nr_runs_max = pool->nr_runs_max;
	if (buf->data && buf->runs)
		return buf;
	buffer_free(buf);
	return NULL;
}

int bce_node_buffers_init(struct node_buffers *pool, size_t data_bytes, unsigned int nr_runs_max)
{
	struct node_buffer *buf;

	pool->data_bytes = data_bytes;
	pool->nr_runs_max = nr_runs_max;
	pool->nr_idle = 0;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->idle);
	init_waitqueue_head(&pool->wait);

	buf = buffer_alloc(pool, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	bce_node_buffer_put(pool, buf);
	return 0;
}

void bce_node_buffers_exit(struct node_buffers *pool)
{
	struct node_buffer *buf, *next;

	list_for_each_entry_safe(buf, next, &pool->idle, link)
		buffer_free(buf);
	INIT_LIST_HEAD(&pool->idle);
}

static struct node_buffer *buffer_take_idle(struct node_buffers *pool)
{
	struct node_buffer *buf;

	spin_lock(&pool->lock);
	buf = list_first_entry_or_null(&pool->idle, struct node_buffer, link);
	if (buf) {
		list_del(&buf->link);
		pool->nr_idle--;
	}
	spin_unlock(&pool->lock);
	return buf;
}

struct node_buffer *bce_node_buffer_get(struct node_buffers *pool)
{
	struct node_buffer *buf = buffer_take_idle(pool);

	if (!buf)
		buf = buffer_alloc(pool, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!buf)
		wait_event(pool->wait, (buf = buffer_take_idle(pool)));
	return buf;
}

void bce_node_buffer_put(struct node_buffers *pool, struct node_buffer *buf)
{
	bool keep;

	spin_lock(&pool->lock);
	keep = pool->nr_idle < KEEP_IDLE;
	if (keep) {
		list_add(&buf->link, &pool->idle);
		pool->nr_idle++;
	}
	spin_unlock(&pool->lock);

	if (keep)
		wake_up(&pool->wait);
	else
		buffer_free(buf);
}
