/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_BUFFER_H
#define ENGINE_BTREE_NODE_BUFFER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

struct keyset_input;

/* What one node read needs besides the node. */
struct node_buffer {
	struct list_head	link;
	void			*data;		/* a whole node as on disk */
	struct keyset_input	*runs;
	unsigned int		nr_runs_max;
};

/*
 * Buffers for node reads. At least one always exists, so reads go on when memory cannot be had;
 * some are kept for the next read, since getting and clearing a quarter of a megabyte costs more
 * than searching it.
 */
struct node_buffers {
	size_t			data_bytes;
	unsigned int		nr_runs_max;
	spinlock_t		lock;		/* protects the list and its length */
	struct list_head	idle;
	unsigned int		nr_idle;
	wait_queue_head_t	wait;
};

int bce_node_buffers_init(struct node_buffers *pool, size_t data_bytes, unsigned int nr_runs_max);
void bce_node_buffers_exit(struct node_buffers *pool);

/* Context: may sleep, never fails. */
struct node_buffer *bce_node_buffer_get(struct node_buffers *pool);
void bce_node_buffer_put(struct node_buffers *pool, struct node_buffer *buf);

#endif
