// SPDX-License-Identifier: GPL-2.0
/*
 * From reading to writing, and back.
 *
 * Btrees are opened for reading. When the set goes read-write it hands in the journal, space for
 * nodes and the triggers, and from then on transactions are committed. Without a journal all stays
 * in memory: nodes that were changed are never written and never dropped.
 *
 * Repair is in between: its transactions stay in memory (held_seq), are looked at as a whole, and are
 * then written by a start with a journal, which the nodes they changed pin like those of a replay.
 *
 * After the end of writing nodes can still be read. What could not be written because of an error
 * stays in memory until the btrees are closed; its pins go, as the journal does. The journal is closed
 * before the btrees: reclaim may just be looking at a node.
 */
#include "engine/btree/writer.h"

#include <linux/errno.h>
#include <linux/export.h>

#include "engine/btree/maintain.h"
#include "engine/btree/write_internal.h"

int bce_writing_init(struct btrees *b)
{
	spin_lock_init(&b->maintain_lock);
	INIT_LIST_HEAD(&b->maintain_queue);
	mutex_init(&b->interior_lock);
	init_waitqueue_head(&b->node_wait);
	atomic_set(&b->maintain_far, 0);
	atomic64_set(&b->memory_seq, 0);
	atomic64_set(&b->commits, 0);
	atomic64_set(&b->restarts, 0);
	atomic64_set(&b->node_writes, 0);
	atomic64_set(&b->node_write_sectors, 0);
	atomic64_set(&b->splits, 0);
	atomic64_set(&b->merges, 0);
	atomic64_set(&b->rewrites, 0);
	return percpu_init_rwsem(&b->exclusive);
}

void bce_writing_exit(struct btrees *b)
{
	bce_maintain_exit(b);
	mutex_destroy(&b->interior_lock);
	percpu_free_rwsem(&b->exclusive);
}

void bce_btrees_tune(struct btrees *b, u8 csum_type)
{
	WRITE_ONCE(b->writing.csum_type, csum_type);
}

struct held {
	struct journal	*j;
	u64		seq;
};

static void pin_held(void *ctx, struct btree_node *n)
{
	const struct held *h = ctx;

	if (READ_ONCE(n->dirty))
		bce_journal_pin_add(h->j, &n->pin, h->seq, bce_node_pin_flush);
}

int bce_btrees_start_writing(struct btrees *b, const struct btrees_write_config *config,
			     u64 replay_seq)
{
	int ret;

	if (config->journal && !config->space)
		return -EINVAL;
	b->writing = *config;
	ret = config->journal ? bce_maintain_init(b) : 0;
	if (!ret && b->config.overlay)
		ret = bce_btrees_replay(b, replay_seq);
	else if (!ret && config->journal)
		/* nobody else changes nodes yet */
		bce_node_cache_for_each(&b->cache, pin_held,
					&(struct held) { config->journal, replay_seq });
	if (ret) {
		bce_btrees_stop_writing(b);
		return ret;
	}
	/* pairs with smp_load_acquire() in bce_trans_commit() */
	smp_store_release(&b->writable, true);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_btrees_start_writing);

static void drop_pins(void *ctx, struct btree_node *n)
{
	struct journal *j = ctx;

	bce_journal_pin_drop(j, &n->pin);
	bce_journal_pin_drop(j, &n->writing_pin);
}

void bce_btrees_stop_writing(struct btrees *b)
{
	struct journal *j = b->writing.journal;

	WRITE_ONCE(b->writable, false);
	if (!j)
		return;
	bce_maintain_stop(b);
	bce_node_cache_for_each(&b->cache, drop_pins, j);
	b->writing.journal = NULL;
}
EXPORT_SYMBOL_GPL(bce_btrees_stop_writing);

static void count_dirty(void *ctx, struct btree_node *n)
{
	u64 *nr = ctx;

	*nr += READ_ONCE(n->dirty);
}

void bce_btrees_write_stats(const struct btrees *b, struct btrees_write_stats *out)
{
	*out = (struct btrees_write_stats) {
		.commits = atomic64_read(&b->commits),
		.restarts = atomic64_read(&b->restarts),
		.node_writes = atomic64_read(&b->node_writes),
		.node_write_sectors = atomic64_read(&b->node_write_sectors),
		.splits = atomic64_read(&b->splits),
		.merges = atomic64_read(&b->merges),
		.rewrites = atomic64_read(&b->rewrites),
	};
	bce_node_cache_for_each((struct node_cache *)&b->cache, count_dirty, &out->nodes_dirty);
}
EXPORT_SYMBOL_GPL(bce_btrees_write_stats);
