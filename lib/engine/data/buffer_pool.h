/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_BUFFER_POOL_H
#define ENGINE_DATA_BUFFER_POOL_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

/*
 * Large buffers of one size for reuse, with a promise of progress: the pool is
 * born with one buffer and never gives up its last, so whoever waits gets one
 * as soon as a holder is done. Holders must therefore be able to finish without
 * another buffer of the same pool.
 *
 * Idle buffers keep the list link in their first bytes. Up to @max_idle lie
 * idle; more are freed when they come back.
 */
struct buffer_pool {
	spinlock_t		lock;		/* idle, nr_idle */
	struct list_head	idle;
	unsigned int		nr_idle;
	unsigned int		max_idle;
	size_t			bytes;
	wait_queue_head_t	wait;		/* for an idle one */
};

/* Return: 0 or -ENOMEM. @max_idle is at least 1. */
int bce_buffer_pool_init(struct buffer_pool *pool, size_t bytes, unsigned int max_idle);
/* all buffers are back; a pool of zeros is none, and fine */
void bce_buffer_pool_exit(struct buffer_pool *pool);

/* Context: may sleep for memory, but not for another holder. NULL: none to be had now. */
void *bce_buffer_try_get(struct buffer_pool *pool);
/* Context: sleeps until there is one */
void *bce_buffer_get(struct buffer_pool *pool);
void bce_buffer_put(struct buffer_pool *pool, void *buffer);

#endif
