// SPDX-License-Identifier: GPL-2.0
/*
 * From reading to writing, and back.
 *
 * Btrees are opened for reading. When the set goes read-write it hands in the journal, space for
 * nodes and the triggers, and from then on transactions are committed. Without a journal all stays
 * in memory: nodes that were changed are never written and never dropped.
 */
#include "engine/btree/writer.h"

#include <linux/export.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/maintain.h"

int bce_writing_init(struct btrees *b)
{
	spin_lock_init(&b->maintain_lock);
	INIT_LIST_HEAD(&b->maintain_queue);
	atomic64_set(&b->memory_seq, 0);
	atomic64_set(&b->commits, 0);
	atomic64_set(&b->restarts, 0);
	return percpu_init_rwsem(&b->exclusive);
}

void bce_writing_exit(struct btrees *b)
{
	percpu_free_rwsem(&b->exclusive);
}

int bce_btrees_start_writing(struct btrees *b, const struct btrees_write_config *config,
			     u64 replay_seq)
{
	if (b->config.overlay)
		return -EOPNOTSUPP;	/* replay */
	b->writing = *config;
	/* pairs with smp_load_acquire() in bce_trans_commit() */
	smp_store_release(&b->writable, true);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_btrees_start_writing);
