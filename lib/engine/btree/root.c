// SPDX-License-Identifier: GPL-2.0
/*
 * Roots.
 *
 * What the journal or the clean section says about a root is a pointer key and a level. The node is
 * read at its first use and then stays in memory, so finding it is one load. A root that could not
 * be read is tried again by whoever comes next: its member may have come back.
 *
 * Two kinds of roots have no place on disk, and are made in memory:
 *
 *   - a btree that was never written has no root, or one without pointers; an empty leaf stands
 *     for it, with whatever keys the journal has
 *   - the journal may hold keys of a level above the root: the btree grew, and the nodes that grew
 *     it are known by these keys only. Then a node is put on top for each such level, whose first
 *     content is a pointer to the root so far, and the journal's keys are merged into it as into
 *     any node:
 *
 *          level 2   [ SPOS_MAX -> level 1 ] + journal keys of level 2
 *          level 1   [ SPOS_MAX -> disk    ] + journal keys of level 1
 *          level 0   root on disk
 *
 * Such a pointer has sequence 0 and no place; the node it means is in the cache, pinned, under
 * that identity.
 *
 * Source: docs/format/50-btree.md, 6.8, 6.9; 30-journal.md, section 9.
 */
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/writer.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/key/text.h"

/* a root as it is to be loaded */
struct root {
	struct btrees		*b;
	unsigned int		btree_id;
	unsigned int		level;
	bool			on_disk;
	struct bkey		ptr;		/* if on disk */
	struct ptr_buf		buf;
	struct btree_node	*node;		/* read-locked */
};

static int root_bad(const struct root *r, enum bce_error id, const char *what)
{
	bce_log_error(r->b->config.log, id, "btree %s: root: %s", bce_btree_name(r->btree_id),
		      what);
	return -EIO;
}

bool bce_root_entry(struct btrees *b, unsigned int btree_id, struct journal_root *out)
{
	if (btree_id >= BTREE_ID_MAX)
		return false;
	spin_lock(&b->root_keys_lock);
	*out = b->root_key[btree_id];
	spin_unlock(&b->root_keys_lock);
	return out->present;
}

bool bce_root_disk_ptr(struct btrees *b, unsigned int btree_id, struct bkey *k,
		       struct ptr_buf *buf)
{
	struct journal_root entry;

	if (!bce_root_entry(b, btree_id, &entry) ||
	    bce_key_read_unpacked(entry.key, ARRAY_SIZE(entry.key), k) ||
	    !bce_key_is_btree_ptr(k->type))
		return false;
	bce_ptr_copy_value(k, buf);
	return true;
}

void bce_root_journal(struct btrees *b, struct journal_res *res, unsigned int btree_id,
		      unsigned int level, const struct bkey *ptr)
{
	struct journal_root *root = &b->root_key[btree_id];
	struct jset_entry *e;

	e = bce_journal_add(b->writing.journal, res, JSET_ENTRY_btree_root, btree_id, level,
			    BKEY_U64S + ptr->val_u64s);
	bce_key_write_unpacked(ptr, (struct disk_key *)e->payload);
	spin_lock(&b->root_keys_lock);
	root->present = true;
	root->level = level;
	bce_key_write_unpacked(ptr, (struct disk_key *)root->key);
	spin_unlock(&b->root_keys_lock);
}

unsigned int bce_btrees_root_entries(struct btrees *b, void *out, unsigned int room_u64s)
{
	unsigned int id, u64s, used = 0;
	struct jset_entry *e;

	spin_lock(&b->root_keys_lock);
	for (id = 0; id < BTREE_ID_MAX; id++) {
		const struct journal_root *root = &b->root_key[id];

		if (!root->present)
			continue;
		u64s = ((const struct disk_key *)root->key)->u64s;
		if (WARN_ON_ONCE(used + 1 + u64s > room_u64s))
			break;
		e = (struct jset_entry *)((u64 *)out + used);
		*e = (struct jset_entry) {
			.u64s = cpu_to_le16(u64s), .btree_id = id, .level = root->level,
			.type = JSET_ENTRY_btree_root,
		};
		memcpy(e->payload, root->key, u64s * sizeof(u64));
		used += 1 + u64s;
	}
	spin_unlock(&b->root_keys_lock);
	return used;
}
EXPORT_SYMBOL_GPL(bce_btrees_root_entries);

/* Is the pointer one to a root? Its own fields are in order already. */
static int root_check_range(const struct root *r)
{
	struct btree_ptr_info info;

	bce_btree_ptr_decode(&r->ptr, &info);
	if (bpos_cmp(r->ptr.p, SPOS_MAX))
		return root_bad(r, BCE_ERR_btree_root_bad_max_key, "does not end at SPOS_MAX");
	if (info.v2 && bpos_cmp(info.min_key, POS_MIN))
		return root_bad(r, BCE_ERR_btree_root_bad_min_key,
				"does not begin at POS_MIN");
	return 0;
}

static bool ptr_has_place(const struct root *r)
{
	struct extent_ptr_decoded p;
	struct extent_walk walk;

	bce_extent_walk_init(&walk, &r->ptr, r->b->config.node_sectors);
	return bce_extent_next_ptr(&walk, &p);
}

/* Fill in level, on_disk and ptr from the journal's entry. */
static int root_find(struct root *r)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct journal_root entry;
	int ret;

	r->level = 0;
	r->on_disk = false;
	if (!bce_root_entry(r->b, r->btree_id, &entry))
		return 0;
	if (entry.level >= BTREE_MAX_DEPTH)
		return root_bad(r, BCE_ERR_btree_root_bkey_invalid, "level too high");
	if (!bce_root_disk_ptr(r->b, r->btree_id, &r->ptr, &r->buf))
		return root_bad(r, BCE_ERR_btree_root_bkey_invalid, "not a pointer to a node");
	if (!entry.level && r->ptr.type == KEY_TYPE_btree_ptr && !r->ptr.val_u64s)
		return 0;	/* never written */

	ret = bce_key_validate(&r->ptr, r->btree_id, entry.level + 1, r->b->config.rules,
			       KEY_FROM_NODE, &why);
	if (ret || !ptr_has_place(r))
		ret = root_bad(r, BCE_ERR_btree_root_bkey_invalid,
			       ret ? bce_text_str(&why) : "pointer to nowhere");
	else
		ret = root_check_range(r);
	bce_text_exit(&why);
	r->level = entry.level;
	r->on_disk = true;
	return ret;
}

/* ---- loading ---- */

static int fill_from_disk(void *ctx, struct btree_node *n)
{
	const struct root *r = ctx;

	return bce_node_read(r->b, n, &r->ptr, POS_MIN);
}

static int fill_empty(void *ctx, struct btree_node *n)
{
	const struct root *r = ctx;

	return bce_node_make(r->b, n, NULL);
}

/* a key that fits the node @r->node: its own pointer, or one that means it in memory */
static void ptr_to_root_so_far(const struct root *r, struct bch_btree_ptr_v2 *room,
			       struct bkey *k)
{
	if (r->on_disk && r->node->id.ptr) {
		*k = r->ptr;
		return;
	}
	memset(room, 0, sizeof(*room));
	*k = (struct bkey) {
		.p = SPOS_MAX, .type = KEY_TYPE_btree_ptr_v2,
		.val_u64s = sizeof(*room) / sizeof(u64), .v = room,
	};
}

static int fill_above(void *ctx, struct btree_node *n)
{
	u64 disk[BKEY_U64S + 5 + BTREE_PTRS_MAX];
	const struct root *r = ctx;
	struct bch_btree_ptr_v2 room;
	struct keyset_input run;
	unsigned int u64s;
	struct bkey k;

	ptr_to_root_so_far(r, &room, &k);
	u64s = bce_key_write_unpacked(&k, (struct disk_key *)disk);
	run = (struct keyset_input) {
		.format = &key_format_position_only,
		.start = (struct disk_key *)disk,
		.end = (struct disk_key *)(disk + u64s),
	};
	return bce_node_make(r->b, n, &run);
}

static int load_one(struct root *r, struct node_id *id, node_fill_fn fill)
{
	struct btree_node *n;

	id->max = SPOS_MAX;
	id->btree_id = r->btree_id;
	id->level = r->level;
	n = bce_node_cache_get(&r->b->cache, id, true, fill, r);
	if (r->node)
		node_unlock_read(r->node);
	r->node = IS_ERR(n) ? NULL : n;
	return PTR_ERR_OR_ZERO(n);
}

static int load_lowest(struct root *r)
{
	struct extent_ptr_decoded p;
	struct btree_ptr_info info;
	struct extent_walk walk;
	struct node_id id = { };

	if (!r->on_disk)
		return load_one(r, &id, fill_empty);

	bce_btree_ptr_decode(&r->ptr, &info);
	bce_extent_walk_init(&walk, &r->ptr, r->b->config.node_sectors);
	bce_extent_next_ptr(&walk, &p);
	id.seq = info.seq;
	id.ptr = le64_to_cpu(((const __le64 *)r->ptr.v)[info.v2 ? sizeof(struct bch_btree_ptr_v2) /
							sizeof(u64) : 0]);
	return load_one(r, &id, fill_from_disk);
}

/* The way up: nodes for the levels only the journal knows. */
static int load_above(struct root *r)
{
	int top = bce_btree_root_level(r->b, r->btree_id);
	struct node_id id = { };
	int ret = 0;

	if (top >= BTREE_MAX_DEPTH)
		return root_bad(r, BCE_ERR_btree_root_bkey_invalid,
				"the journal has keys of too high a level");
	while (!ret && top > (int)r->level) {
		r->level++;
		ret = load_one(r, &id, fill_above);
	}
	return ret;
}

static int root_load(struct btrees *b, unsigned int btree_id)
{
	struct root r = { .b = b, .btree_id = btree_id };
	int ret = root_find(&r);

	if (!ret)
		ret = load_lowest(&r);
	if (!ret)
		ret = load_above(&r);
	if (!ret)
		/* publishes a filled node; pairs with smp_load_acquire() in bce_root_lock() */
		smp_store_release(&b->roots[btree_id], r.node);
	else if (ret != -ENOMEM && bce_damage_note_root(b, btree_id))
		root_bad(&r, BCE_ERR_btree_root_read_error, "unreadable");
	if (r.node)
		node_unlock_read(r.node);
	return ret;
}

/* The root, unlocked: it may be one no more by the time it is locked. */
static struct btree_node *root_get(struct btrees *b, unsigned int btree_id)
{
	struct btree_node *n;
	int ret = 0;

	n = smp_load_acquire(&b->roots[btree_id]);
	if (unlikely(!n)) {
		mutex_lock(&b->roots_lock);
		if (!b->roots[btree_id])
			ret = root_load(b, btree_id);
		n = b->roots[btree_id];
		mutex_unlock(&b->roots_lock);
		if (ret)
			return ERR_PTR(ret);
	}
	return n;
}

/* The old root stays in the cache, under an identity that nobody looks for. */
void bce_btree_forget(struct btrees *b, unsigned int btree_id)
{
	mutex_lock(&b->roots_lock);
	spin_lock(&b->root_keys_lock);
	b->root_key[btree_id] = (struct journal_root) { };
	spin_unlock(&b->root_keys_lock);
	smp_store_release(&b->roots[btree_id], NULL);
	mutex_unlock(&b->roots_lock);
}
EXPORT_SYMBOL_GPL(bce_btree_forget);

bool bce_root_loaded(struct btrees *b, unsigned int btree_id)
{
	return btree_id < BTREE_ID_MAX && READ_ONCE(b->roots[btree_id]);
}

struct btree_node *bce_root_lock(struct btrees *b, unsigned int btree_id)
{
	struct btree_node *n;

	if (unlikely(btree_id >= BTREE_ID_MAX))
		return ERR_PTR(-EINVAL);
	for (;;) {
		n = root_get(b, btree_id);
		if (IS_ERR(n))
			return n;
		bce_node_lock_read(n);
		/* whoever replaces a root holds its write lock while he does */
		if (likely(READ_ONCE(b->roots[btree_id]) == n))
			return n;
		node_unlock_read(n);
	}
}
