/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_MAINTAIN_H
#define ENGINE_BTREE_MAINTAIN_H

#include "engine/btree/node.h"

struct btrees;

/*
 * What commits leave to be done: writing nodes that have gathered much, replacing those that have
 * outgrown their place. See maintain.c.
 */

/* is it time for maintenance to look at @n? Write-locked, by a commit that has changed it */
bool bce_node_wants_maintenance(const struct btrees *b, const struct btree_node *n);
/* @n may need work; nothing happens if it is queued already. Any context that may take spinlocks */
void bce_maintain_queue(struct btrees *b, struct btree_node *n);
/*
 * After a commit, holding nothing: wait while much too much is undone. Not for commits with
 * TRANS_COMMIT_RECLAIM.
 */
void bce_maintain_wait(struct btrees *b);

/* the flush functions of all nodes' @pin, and @writing_pin */
int bce_node_pin_flush(struct journal *j, struct journal_pin *pin, u64 seq);
int bce_node_pin_flush_writing(struct journal *j, struct journal_pin *pin, u64 seq);

#endif
