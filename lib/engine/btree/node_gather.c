// SPDX-License-Identifier: GPL-2.0
/*
 * The keys of nodes that are to be replaced, and how they are shared out among new ones.
 *
 *	| min      keys of one node, or two neighbours                             max |
 *	| piece 0                  | piece 1              | piece 2                    |
 *	                          ^ last key of piece 0; piece 1 begins at its successor
 *
 * A node that would be more than two thirds full becomes several: three fifths of the keys go to the
 * first one, but no more than three fifths of what a node holds, and so on with the rest until it
 * fits. So there is room behind the keys of each for what is appended later.
 *
 * A node's memory has no limit, so a rest may be very large. After some pieces the last one takes all
 * of it; who writes it puts as many keys as he can into the block, and the others follow as keys
 * that are not written.
 *
 * A node must cover more than one position (its pointer says so), which moves a cut now and then.
 *
 * Lengths are those of keys in a format that packs all of them; that of a piece is never worse.
 *
 * Source: docs/format/50-btree.md, 4.5, 6.7.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/btree/node_build.h"
#include "engine/btree/node_change.h"
#include "engine/btree/write_internal.h"
#include "engine/format/ids.h"

/* ---- reading out ---- */

u32 bce_node_keys_bound(const struct btree_node *n)
{
	return n->set.nr_u64s + n->set.nr_keys * BKEY_U64S + n->open.nr_words;
}

void bce_node_keys_add(struct node_keys *keys, const struct btree_node *n)
{
	struct node_cursor at;
	struct bkey k;

	for (bce_node_seek(n, n->min, &at); bce_node_peek(n, &at, &k); bce_node_step(n, &at)) {
		u64 *to = keys->words + keys->nr_words;

		keys->nr_words += bce_key_write_unpacked(&k, (struct disk_key *)to);
		keys->nr++;
		if (k.type == KEY_TYPE_btree_ptr_v2 && k.val_u64s)
			to[BKEY_U64S] = 0;	/* a hint */
	}
}

u32 bce_node_live_estimate(const struct btree_node *n)
{
	u32 each = n->set.nr_keys ? n->set.nr_u64s / n->set.nr_keys : 0, live = n->set.nr_u64s, i;

	for (i = 0; i < n->open.nr && !n->id.level; i++) {
		if (open_disk_key(&n->open, i)->type != KEY_TYPE_deleted)
			live += open_disk_key(&n->open, i)->u64s;
		else
			live -= min(live, each);
	}
	return live;
}

/* ---- cutting ---- */

static const struct disk_key *key_at(const struct node_keys *keys, u32 pos)
{
	return (const struct disk_key *)(keys->words + pos);
}

static void node_key_get(const struct node_keys *keys, u32 pos, struct bkey *k)
{
	bce_key_unpack(&key_format_position_only, key_at(keys, pos), k);
}

static struct bpos pos_at(const struct node_keys *keys, u32 pos)
{
	return bce_key_unpack_pos(&key_format_position_only, key_at(keys, pos));
}

static struct key_format format_of(const struct node_keys *keys, u32 first, u32 end,
				   struct bpos min, struct bpos max)
{
	struct key_format_stats stats;
	struct bkey k;
	u32 pos;

	bce_key_format_stats_init(&stats);
	bce_key_format_stats_add_pos(&stats, min);
	bce_key_format_stats_add_pos(&stats, max);
	for (pos = first; pos < end; pos += key_at(keys, pos)->u64s) {
		node_key_get(keys, pos, &k);
		bce_key_format_stats_add(&stats, &k);
	}
	return bce_key_format_choose(&stats);
}

struct cut {
	const struct node_keys	*keys;
	struct bpos		max;
	unsigned int		key_u64s;	/* of a packed key */
	u32			left;		/* u64s of packed keys, from @pos on */
	u32			pos;
};

static u32 packed_u64s(const struct cut *c, u32 pos)
{
	return key_at(c->keys, pos)->u64s - BKEY_U64S + c->key_u64s;
}

/* Can a piece from @min end with the key before @end, and another one begin behind it? */
static bool may_cut(const struct cut *c, struct bpos min, struct bpos last)
{
	return bpos_cmp(min, last) < 0 && bpos_cmp(bpos_successor(last), c->max) < 0;
}

/* The next piece, of about @target u64s; all that is left if no cut is possible. */
static void cut_piece(struct cut *c, u32 target, struct node_piece *p)
{
	u32 used = 0, pos = c->pos;
	struct bpos last = p->min;

	p->nr = 0;
	while (pos < c->keys->nr_words &&
	       (used + packed_u64s(c, pos) <= target || !may_cut(c, p->min, last))) {
		used += packed_u64s(c, pos);
		last = pos_at(c->keys, pos);
		pos += key_at(c->keys, pos)->u64s;
		p->nr++;
	}
	p->first = c->pos;
	p->end = pos;
	p->max = pos < c->keys->nr_words ? last : c->max;
	c->left -= used;
	c->pos = pos;
}

/* u64s a piece may have so that there are several, or all */
static u32 piece_target(const struct cut *c, u32 capacity)
{
	if (c->left <= capacity / 3 * 2)
		return U32_MAX;
	return min(c->left, capacity) / 5 * 3;
}

unsigned int bce_node_keys_cut(const struct btrees_config *config, const struct node_keys *keys,
			       struct bpos min, struct bpos max, struct node_piece *pieces)
{
	u32 capacity = bce_node_capacity_u64s(config), target;
	struct cut c = { .keys = keys, .max = max };
	struct node_piece *p;
	unsigned int nr = 0;

	c.key_u64s = format_of(keys, 0, keys->nr_words, min, max).key_u64s;
	c.left = keys->nr_words - keys->nr * (BKEY_U64S - c.key_u64s);
	do {
		p = &pieces[nr++];
		p->min = min;
		target = nr == NODE_PIECES_MAX ? U32_MAX : piece_target(&c, capacity);
		cut_piece(&c, target, p);
		p->format = format_of(keys, p->first, p->end, p->min, p->max);
		min = bpos_successor(p->max);
	} while (c.pos < keys->nr_words);
	return nr;
}
