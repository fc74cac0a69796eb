/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_EVENT_H
#define ENGINE_UTIL_EVENT_H

#include <linux/types.h>

#include "kc/trace.h"

/*
 * What happens in a set, counted for people, beside what is shown to tracers (kc/trace.h) and what is written in the log:
 * whoever has the set's log can count. In sectors of 512 bytes or in times, as the name says.
 *
 * Names are those of docs/format/10-superblock.md, section 10, where there is one: these are kept in the superblock, too.
 */
struct bce_log;

/* name, number in the superblock or -1 */
#define BCE_EVENT_LIST(x)				\
	x(io_read,		BCH_COUNTER_io_read)	/* sectors of data that members gave */		\
	x(io_write,		BCH_COUNTER_io_write)	/* sectors of data that they took, of all copies */	\
	x(io_flush,		-1)			/* times their caches were flushed */	\
	x(read_retry,		BCH_COUNTER_read_retry)	/* reads from another copy */		\
	x(bucket_alloc,		BCH_COUNTER_bucket_alloc)	\
	x(bucket_discard,	BCH_COUNTER_bucket_discard)	\
	x(btree_node_read,	BCH_COUNTER_btree_node_read)	\
	x(btree_node_write,	BCH_COUNTER_btree_node_write)	\
	x(btree_node_split,	BCH_COUNTER_btree_node_split)	\
	x(btree_node_merge,	BCH_COUNTER_btree_node_merge)	\
	x(btree_node_rewrite,	BCH_COUNTER_btree_node_rewrite)	\
	x(journal_write,	BCH_COUNTER_journal_write)	\
	x(transaction_commit,	BCH_COUNTER_transaction_commit)	\
	x(trans_restart,	-1)				\
	x(copygc,		BCH_COUNTER_copygc)	/* buckets emptied */

enum bce_event {
#define x(name, nr)	BCE_EVENT_##name,
	BCE_EVENT_LIST(x)
#undef x
	BCE_EVENT_NR,
};

/* @log NULL: nobody counts. Context: any */
void bce_event(struct bce_log *log, enum bce_event what, u64 nr);
/* since the log was made; what happens meanwhile may be counted or not */
u64 bce_event_count(const struct bce_log *log, enum bce_event what);
/* whose events they are, for tracers: 16 bytes; zeros without @log */
const u8 *bce_event_set(const struct bce_log *log);

#endif
