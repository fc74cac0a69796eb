// SPDX-License-Identifier: GPL-2.0
/*
 * From an interior node to its children.
 *
 * The value of a btree_ptr_v2 key begins with a word that means nothing on disk. In memory it
 * holds a hint: the address of the child's struct btree_node, as it was when the pointer was
 * last followed. Whoever has the parent read-locked may read or write a hint. A hint is only a
 * guess, since the child may have been evicted and its struct may serve another node by now; but
 * the struct itself stays until the btrees are closed, so it may be locked, and what it is then
 * cannot change any more. Same sequence number, same place on disk, same btree and level, and a
 * range that holds the position looked for: then it is the child. Else the hash table is asked
 * (cache.c), by the whole identity.
 *
 * Hints come from disk with any contents, so they are zeroed before a node is published.
 *
 * The children of a node cover its range without holes or overlaps. That is checked when the node
 * is read, and when children come or go. If it does not hold, the node is marked, and only then every step down looks
 * whether the child it takes begins where its left neighbour ended: the rest of the btree stays
 * readable, and what lies in a hole is an error, never "nothing there".
 *
 * Source: docs/format/50-btree.md, 5.1, 6.9.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/format/ids.h"
#include "engine/key/extent.h"
#include "engine/key/text.h"

/* words of a btree_ptr_v2's value */
enum { PTR_HINT = 0, PTR_SEQ = 1, PTR_FIRST = 5 };

/* the value of a btree_ptr_v2 that has a pointer; NULL for other keys */
static u64 *ptr_v2_value(const struct key_format *format, const struct disk_key *k)
{
	unsigned int key_u64s = disk_key_u64s(format, k);

	if (k->type != KEY_TYPE_btree_ptr_v2 || k->u64s <= key_u64s + PTR_FIRST)
		return NULL;
	return (u64 *)k + key_u64s;
}

static struct node_id id_of_child(const struct btree_node *parent, const struct bkey *ptr)
{
	const __le64 *v = ptr->v;
	struct node_id id = {
		.max = ptr->p,
		.btree_id = parent->id.btree_id,
		.level = parent->id.level - 1,
	};

	if (ptr->type == KEY_TYPE_btree_ptr_v2 && ptr->val_u64s >= PTR_FIRST) {
		id.seq = le64_to_cpu(v[PTR_SEQ]);
		id.ptr = ptr->val_u64s > PTR_FIRST ? le64_to_cpu(v[PTR_FIRST]) : 0;
	} else if (ptr->val_u64s) {
		id.ptr = le64_to_cpu(v[0]);
	}
	return id;
}

struct bpos bce_node_child_min(const struct btree_node *parent, u32 pos)
{
	const struct keyset *set = &parent->set;

	if (!pos)
		return parent->min;
	return bpos_successor(bce_key_unpack_pos(&set->format,
						 keyset_at(set, bce_keyset_prev(set, pos))));
}

void bce_ptr_copy_value(struct bkey *k, struct ptr_buf *buf)
{
	unsigned int i;

	k->val_u64s = min_t(unsigned int, k->val_u64s, ARRAY_SIZE(buf->v));
	for (i = 0; i < k->val_u64s; i++)
		buf->v[i] = i == PTR_HINT && k->type == KEY_TYPE_btree_ptr_v2 ? 0 :
			((const u64 *)k->v)[i];
	k->v = buf->v;
}

void bce_node_ptr_key(const struct btree_node *n, u32 pos, struct bkey *k, struct ptr_buf *buf)
{
	bce_key_unpack(&n->set.format, keyset_at(&n->set, pos), k);
	bce_ptr_copy_value(k, buf);
}

/* ---- children on which the parent's keys do not agree ---- */

static void log_topology(struct btrees *b, const struct btree_node *n, enum bce_error id,
			 const char *what, struct bpos found, struct bpos expected)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree %s level %u ", bce_btree_name(n->id.btree_id),
			n->id.level);
	bce_pos_text(&text, n->id.max);
	bce_text_printf(&text, ": %s ", what);
	bce_pos_text(&text, found);
	bce_text_printf(&text, ", expected ");
	bce_pos_text(&text, expected);
	bce_log_error(b->config.log, id, "%s", bce_text_str(&text));
	bce_text_exit(&text);
}

/* Does the child begin where the one before it ended? */
static bool check_child_min(struct btrees *b, struct btree_node *n, const struct bkey *ptr,
			    struct bpos prev_min, struct bpos expected)
{
	struct btree_ptr_info info;
	int cmp;

	bce_btree_ptr_decode(ptr, &info);
	cmp = info.v2 ? bpos_cmp(info.min_key, expected) : 0;
	if (!cmp)
		return true;
	if (cmp > 0)
		log_topology(b, n, BCE_ERR_btree_node_topology_bad_min_key,
			     "nothing covers the range before the child beginning at",
			     info.min_key, expected);
	else if (bpos_cmp(info.min_key, prev_min) > 0)
		log_topology(b, n, BCE_ERR_btree_node_topology_overwritten_by_prev_node,
			     "child overlaps the one before it, beginning at",
			     info.min_key, expected);
	else
		log_topology(b, n, BCE_ERR_btree_node_topology_overwritten_by_next_node,
			     "child covers the one before it, beginning at",
			     info.min_key, expected);
	return false;
}

void bce_node_zero_hints(struct btree_node *n)
{
	const struct keyset *set = &n->set;
	u64 *value;
	u32 pos;

	for (pos = 0; pos < set->nr_u64s; pos = keyset_next(set, pos)) {
		value = ptr_v2_value(&set->format, keyset_at(set, pos));
		if (value)
			value[PTR_HINT] = 0;
	}
}

void bce_node_check_children(struct btrees *b, struct btree_node *n)
{
	struct bpos expected = n->min, prev_min = n->min, last = n->min;
	const struct keyset *set = &n->set;
	struct btree_ptr_info info;
	struct bkey ptr;
	u32 pos;

	n->bad_children = false;
	for (pos = 0; pos < set->nr_u64s; pos = keyset_next(set, pos)) {
		bce_key_unpack(&set->format, keyset_at(set, pos), &ptr);
		if (!check_child_min(b, n, &ptr, prev_min, expected))
			n->bad_children = true;
		bce_btree_ptr_decode(&ptr, &info);
		prev_min = info.v2 ? info.min_key : expected;
		last = ptr.p;
		expected = bpos_successor(last);
	}

	if (!set->nr_keys) {
		n->bad_children = true;
		log_topology(b, n, BCE_ERR_btree_node_topology_interior_node_empty,
			     "interior node without children, beginning at", n->min, n->min);
	} else if (bpos_cmp(last, n->id.max)) {
		n->bad_children = true;
		log_topology(b, n, BCE_ERR_btree_node_topology_bad_max_key,
			     "last child ends at", last, n->id.max);
	}
}

/* In a marked node: does the child at @pos join its left neighbour? */
static bool child_joins(const struct btree_node *parent, u32 pos)
{
	struct btree_ptr_info info;
	struct ptr_buf buf;
	struct bkey ptr;

	bce_node_ptr_key(parent, pos, &ptr, &buf);
	bce_btree_ptr_decode(&ptr, &info);
	return !info.v2 || !bpos_cmp(info.min_key, bce_node_child_min(parent, pos));
}

static int hole_error(struct btrees *b, const struct btree_node *parent, struct bpos search)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_pos_text(&text, search);
	bce_log_line(b->config.log, BCE_LOG_ERR,
		     "btree %s level %u: no sound child node covers %s",
		     bce_btree_name(parent->id.btree_id), parent->id.level,
		     bce_text_str(&text));
	bce_text_exit(&text);
	return -EIO;
}

/* ---- the way down ---- */

static bool hint_holds(const struct btree_node *child, const struct btree_node *parent,
		       const u64 *value)
{
	return child->id.seq == le64_to_cpu((__force __le64)value[PTR_SEQ]) &&
		child->id.ptr == le64_to_cpu((__force __le64)value[PTR_FIRST]) &&
		child->id.btree_id == parent->id.btree_id &&
		child->id.level == parent->id.level - 1 && !child->error;
}

/* The child by its hint, read-locked, or NULL. */
static struct btree_node *child_by_hint(const struct btree_node *parent, const u64 *value)
{
	/* pairs with smp_store_release() in child_by_id(): the lock we try has been initialised */
	struct btree_node *child = (void *)(unsigned long)smp_load_acquire(&value[PTR_HINT]);

	if (!child || !node_trylock_read(child))
		return NULL;
	if (!hint_holds(child, parent, value)) {
		node_unlock_read(child);
		return NULL;
	}
	if (!READ_ONCE(child->heat))
		WRITE_ONCE(child->heat, 1 + child->id.level);
	return child;
}

struct fill_arg {
	struct btrees		*b;
	const struct bkey	*ptr;
	struct bpos		min;
};

static int fill_from_disk(void *ctx, struct btree_node *n)
{
	const struct fill_arg *arg = ctx;

	return bce_node_read(arg->b, n, arg->ptr, arg->min);
}

/* The child by its identity, read-locked; leaves a hint. */
static struct btree_node *child_by_id(struct btrees *b, struct btree_node *parent, u32 pos,
				      u64 *value)
{
	struct fill_arg arg = { .b = b };
	struct btree_node *child;
	struct ptr_buf buf;
	struct node_id id;
	struct bkey ptr;

	bce_node_ptr_key(parent, pos, &ptr, &buf);
	id = id_of_child(parent, &ptr);
	arg.ptr = &ptr;
	arg.min = bce_node_child_min(parent, pos);
	child = bce_node_cache_get(&b->cache, &id, false, fill_from_disk, &arg);
	if (!IS_ERR(child) && value)
		/* pairs with smp_load_acquire() in child_by_hint() */
		smp_store_release(&value[PTR_HINT], (unsigned long)child);
	return child;
}

struct btree_node *bce_node_child_lock_at(struct btrees *b, struct btree_node *parent, u32 pos)
{
	const struct disk_key *k = keyset_at(&parent->set, pos);
	u64 *value = ptr_v2_value(&parent->set.format, k);
	struct btree_node *child = value ? child_by_hint(parent, value) : NULL;

	return child ? child : child_by_id(b, parent, pos, value);
}

struct btree_node *bce_node_child_lock(struct btrees *b, struct btree_node *parent,
				       struct bpos search, u32 *out)
{
	u32 pos = bce_keyset_lower_bound(&parent->set, search);
	struct btree_node *child;

	if (unlikely(pos >= parent->set.nr_u64s))
		return ERR_PTR(hole_error(b, parent, search));
	if (unlikely(parent->bad_children && !child_joins(parent, pos)))
		return ERR_PTR(hole_error(b, parent, search));

	child = bce_node_child_lock_at(b, parent, pos);
	if (unlikely(!IS_ERR(child) && !node_covers(child, search))) {
		/* two pointers to one node that differ in range: only in a damaged set */
		node_unlock_read(child);
		return ERR_PTR(hole_error(b, parent, search));
	}
	if (out)
		*out = pos;
	return child;
}

bool bce_node_child_cached(struct btrees *b, struct btree_node *parent, u32 pos)
{
	u64 *value = ptr_v2_value(&parent->set.format, keyset_at(&parent->set, pos));
	struct btree_node *child = value ? child_by_hint(parent, value) : NULL;
	struct node_id id;
	struct bkey ptr;

	if (child) {
		node_unlock_read(child);
		return true;
	}
	bce_key_unpack(&parent->set.format, keyset_at(&parent->set, pos), &ptr);
	id = id_of_child(parent, &ptr);
	return bce_node_cache_has(&b->cache, &id);
}
