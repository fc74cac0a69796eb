// SPDX-License-Identifier: GPL-2.0
/*
 * After a crash: the journal's keys become unwritten keys of their nodes.
 *
 * While a set is only read, the overlay is merged into each node as it is read in. Before the
 * first transaction every key of the overlay is put into its node once more, as one that has
 * to be written, and the node is pinned to the oldest entry. Then the overlay goes.
 *
 *	before	set: disk + overlay                 clean, may be dropped and read again
 *	after	set: disk + overlay, open: overlay  dirty, stays until it has been written
 *
 * A node without keys in the overlay is the same with and without it. All the others are dirty
 * from here on. So it does not matter which of them were in memory, and readers may go on: what they
 * see never changes.
 *
 * Accounting keys are deltas in the journal. Reading has added them to the totals; the totals are
 * what is put.
 *
 * Nodes that have no place on disk, empty roots and those that only the journal knows, are written
 * whole one day, so they need no list of keys: they are dirty and pinned.
 *
 * Nothing is journalled and no trigger runs: what followed from a key is in the journal too.
 *
 * Source: docs/format/30-journal.md, section 9.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/maintain.h"
#include "engine/btree/node_change.h"
#include "engine/btree/write_internal.h"
#include "engine/format/ids.h"

struct replay {
	struct btrees		*b;
	u64			seq;
	unsigned int		btree_id, level;
	struct btree_node	*n;		/* write-locked, where the last key went */
	struct bkey		total;		/* accounting: the last one */
	u64			value[BKEY_VAL_U64S_MAX];
};

static void leave_node(struct replay *r)
{
	if (!r->n)
		return;
	bce_node_cache_recount(&r->b->cache, r->n);
	node_unlock_write(r->n);
	r->n = NULL;
}

/* The node for @p, write-locked, dirty and pinned. */
static int enter_node(struct replay *r, struct bpos p)
{
	struct btree_node *n;

	if (r->n && node_is_at(r->n, r->btree_id, r->level, p))
		return 0;
	leave_node(r);
	for (;;) {
		n = bce_node_lock_at(r->b, r->btree_id, r->level, p);
		if (IS_ERR(n))
			return PTR_ERR(n) == -ENOENT ? -EIO : PTR_ERR(n);
		node_unlock_read(n);
		bce_node_lock_write(n);
		if (node_is_at(n, r->btree_id, r->level, p))
			break;
		node_unlock_write(n);
	}
	r->n = n;
	WRITE_ONCE(n->dirty, true);
	n->journal_seq = max(n->journal_seq, r->seq);
	if (r->b->writing.journal)
		bce_journal_pin_add(r->b->writing.journal, &n->pin, r->seq, bce_node_pin_flush);
	return 0;
}

static int put(struct replay *r, const struct bkey *k)
{
	unsigned int flags = k->type == KEY_TYPE_deleted ? OPEN_DISK_HAS : 0;
	struct btree_node *n = r->n;
	int ret;

	if (n->open.written_id == OPEN_NEVER_WRITTEN)
		return 0;
	ret = bce_node_reserve(n, 1, BKEY_U64S + k->val_u64s, GFP_NOFS);
	if (ret)
		return ret;
	if (r->level)
		bce_open_put(&n->open, k, flags);
	else
		bce_node_put(n, k, flags);
	return 0;
}

static int replay_level(struct replay *r)
{
	struct keyset_input run;
	const u64 *at;
	struct bkey k;
	int ret = 0;

	bce_overlay_range(r->b->config.overlay, r->btree_id, r->level, POS_MIN, SPOS_MAX, &run);
	for (at = (const u64 *)run.start; at < (const u64 *)run.end && !ret;
	     at += ((const struct disk_key *)at)->u64s) {
		bce_key_unpack(run.format, (const struct disk_key *)at, &k);
		ret = enter_node(r, k.p) ?: put(r, &k);
	}
	leave_node(r);
	return ret;
}

static int replay_total(void *ctx, const struct bkey *delta)
{
	struct replay *r = ctx;
	int ret;

	if (r->total.type == KEY_TYPE_accounting && !bpos_cmp(r->total.p, delta->p))
		return 0;
	ret = enter_node(r, delta->p);
	if (ret)
		return ret;
	r->total.type = KEY_TYPE_deleted;
	if (!bce_node_lookup(r->n, delta->p, &r->total))
		return 0;
	memcpy(r->value, r->total.v, bkey_val_bytes(&r->total));
	r->total.v = r->value;
	return put(r, &r->total);
}

static int replay_accounting(struct replay *r)
{
	int ret;

	r->btree_id = BTREE_ID_accounting;
	r->level = 0;
	ret = bce_overlay_accounting(r->b->config.overlay, POS_MIN, SPOS_MAX, replay_total, r);
	leave_node(r);
	return ret;
}

/* From above: what is below is found through it. The root is loaded by the first look for a node. */
static int replay_btree(struct replay *r)
{
	int level, ret = 0;

	for (level = bce_overlay_max_level(r->b->config.overlay, r->btree_id); level >= 0 && !ret;
	     level--) {
		r->level = level;
		ret = replay_level(r);
	}
	return ret;
}

static int replay_all(struct replay *r)
{
	unsigned int id;
	int ret = 0;

	for (id = 0; id < BTREE_ID_MAX && !ret; id++) {
		r->btree_id = id;
		ret = replay_btree(r);
	}
	return ret ?: replay_accounting(r);
}

int bce_btrees_replay(struct btrees *b, u64 replay_seq)
{
	struct replay *r = kvzalloc(sizeof(*r), GFP_KERNEL);
	int ret;

	if (!r)
		return -ENOMEM;
	r->b = b;
	r->seq = replay_seq;
	ret = replay_all(r);
	kvfree(r);
	if (ret)
		return ret;
	down_write(&b->overlay_lock);
	b->config.overlay = NULL;
	up_write(&b->overlay_lock);
	return 0;
}
