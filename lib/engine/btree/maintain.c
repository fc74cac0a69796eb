// SPDX-License-Identifier: GPL-2.0
/*
 * What commits leave to be done.
 *
 * A commit that finds a node full of unwritten keys, or larger than its place on disk, puts it
 * into a queue. Without a journal nodes have no place and no limit, and nothing is ever queued.
 */
#include "engine/btree/maintain.h"

#include "engine/btree/btrees_internal.h"

bool bce_node_wants_maintenance(const struct btrees *b, const struct btree_node *n)
{
	return false;
}

void bce_maintain_queue(struct btrees *b, struct btree_node *n)
{
	spin_lock(&b->maintain_lock);
	if (!n->maintain_queued) {
		n->maintain_queued = true;
		list_add_tail(&n->maintain_link, &b->maintain_queue);
	}
	spin_unlock(&b->maintain_lock);
}

void bce_maintain_wait(struct btrees *b)
{
}

int bce_node_pin_flush(struct journal *j, struct journal_pin *pin, u64 seq)
{
	return -EOPNOTSUPP;	/* writing nodes */
}
