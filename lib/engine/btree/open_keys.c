// SPDX-License-Identifier: GPL-2.0
/*
 * The changeable keys of a node.
 *
 *	entry	[ pos at id ][ pos at id ][ pos at id ] ...	sorted by position
 *	             |             |
 *	words	| key, value | key, value | (dead) | key, value | ...	in the order they came
 *
 * An insertion moves the entries behind it and appends the key; a key that is put again with the
 * same length is overwritten where it lies. What is replaced otherwise leaves dead words, which
 * are lost when the arrays grow. The arrays hold some hundred keys before those that need not stay
 * are merged into the node's set (node_change.c); with the last key they go.
 *
 * Numbers tell what is written. A write takes all keys up to the last number; when it is done,
 * what has a number up to that is written. Keys changed meanwhile have higher ones. So there is no
 * mark on a key to be cleared, and a write that fails leaves nothing behind.
 *
 * A deletion is kept if anything may stand at its position further below: in the node's set, or
 * on disk. The disk may have what a write took, even one that failed, so an entry carries one more
 * bit that says "or an older version of it".
 *
 * In a node without a place on disk nobody writes single keys: all of them count as written.
 */
#include "engine/btree/open_keys.h"

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/key/pack.h"

#define ENTRIES_MIN	16U
#define WORDS_MIN	256U

void bce_open_init(struct open_keys *o, u64 written_id)
{
	*o = (struct open_keys) { .written_id = written_id };
}

static void free_arrays(struct open_keys *o)
{
	kvfree(o->entry);
	kvfree(o->words);
	o->entry = NULL;
	o->words = NULL;
	o->max = o->max_words = 0;
	o->nr_words = o->dead_words = 0;
}

void bce_open_exit(struct open_keys *o)
{
	free_arrays(o);
	bce_open_init(o, OPEN_NEVER_WRITTEN);
}

size_t bce_open_bytes(const struct open_keys *o)
{
	return o->max * sizeof(*o->entry) + o->max_words * sizeof(*o->words);
}

/* ---- looking ---- */

/* no jumps: in a search half of them would go the other way than foreseen */
static __always_inline bool entry_before(const struct open_entry *e, struct bpos p)
{
	return (e->inode < p.inode) |
		((e->inode == p.inode) & ((e->offset < p.offset) |
			((e->offset == p.offset) & (e->snapshot < p.snapshot))));
}

u32 bce_open_lower_bound(const struct open_keys *o, struct bpos p)
{
	const struct open_entry *base = o->entry;
	u32 nr = o->nr, half;

	/* keys often come in order */
	if (!nr || entry_before(&base[nr - 1], p))
		return nr;
	while (nr > 1) {
		half = nr / 2;
		nr -= half;
		/* what the next step looks at, whichever way this one goes */
		__builtin_prefetch(&base[nr / 2]);
		__builtin_prefetch(&base[half + nr / 2]);
		base += entry_before(&base[half - 1], p) ? half : 0;
	}
	return base - o->entry + entry_before(base, p);
}

void bce_open_key(const struct open_keys *o, u32 i, struct bkey *out)
{
	bce_key_unpack(&key_format_position_only, open_disk_key(o, i), out);
}

/* ---- room ---- */

static bool has_room(const struct open_keys *o, u32 nr, u32 words)
{
	return o->max - o->nr >= nr && o->max_words - o->nr_words >= words;
}

/* Return: the array of before */
static struct open_entry *move_entries(struct open_keys *o, struct open_entry *to, u32 max)
{
	struct open_entry *old = o->entry;

	if (o->nr)
		memcpy(to, old, o->nr * sizeof(*to));
	o->entry = to;
	o->max = max;
	return old;
}

/* Without the dead ones. Return: the array of before */
static u64 *move_words(struct open_keys *o, u64 *to, u32 max)
{
	u64 *old = o->words;
	u32 at = 0, i;

	for (i = 0; i < o->nr; i++) {
		const struct disk_key *k = open_disk_key(o, i);

		memcpy(to + at, k, k->u64s * sizeof(*to));
		o->entry[i].at = at;
		at += k->u64s;
	}
	o->words = to;
	o->max_words = max;
	o->nr_words = at;
	o->dead_words = 0;
	return old;
}

static int grow_entries(struct open_keys *o, u32 nr, gfp_t gfp)
{
	u32 max = max3(ENTRIES_MIN, o->nr + nr, 2 * o->nr);
	struct open_entry *entry;

	if (o->max - o->nr >= nr)
		return 0;
	entry = kvmalloc_array(max, sizeof(*entry), gfp);
	if (!entry)
		return -ENOMEM;
	kvfree(move_entries(o, entry, max));
	return 0;
}

static int grow_words(struct open_keys *o, u32 words, gfp_t gfp)
{
	u32 live = o->nr_words - o->dead_words;
	u32 max = max3(WORDS_MIN, live + words, 2 * live);
	u64 *to;

	if (o->max_words - o->nr_words >= words)
		return 0;
	to = kvmalloc_array(max, sizeof(*to), gfp);
	if (!to)
		return -ENOMEM;
	kvfree(move_words(o, to, max));
	return 0;
}

int bce_open_reserve(struct open_keys *o, u32 nr, u32 words, gfp_t gfp)
{
	if (likely(has_room(o, nr, words)))
		return 0;
	return grow_entries(o, nr, gfp) ?: grow_words(o, words, gfp);
}

bool bce_open_take_room(struct open_keys *o, u32 nr, u32 words, struct open_keys *spare)
{
	u32 live = o->nr_words - o->dead_words, max = o->max;

	if (o->max - o->nr < nr && spare->max >= o->nr + nr) {
		spare->entry = move_entries(o, spare->entry, spare->max);
		spare->max = max;
	}
	max = o->max_words;
	if (o->max_words - o->nr_words < words && spare->max_words >= live + words) {
		spare->words = move_words(o, spare->words, spare->max_words);
		spare->max_words = max;
	}
	return has_room(o, nr, words);
}

/* ---- changing ---- */

static void count(struct open_keys *o, u32 i, int sign)
{
	if (!open_unwritten(o, i))
		return;
	o->nr_unwritten += sign;
	o->unwritten_words += sign * open_disk_key(o, i)->u64s;
}

static void forget_words(struct open_keys *o, u32 i)
{
	o->dead_words += open_disk_key(o, i)->u64s;
	if (o->dead_words == o->nr_words)
		o->dead_words = o->nr_words = 0;
}

static void entry_remove(struct open_keys *o, u32 i)
{
	count(o, i, -1);
	forget_words(o, i);
	o->nr--;
	memmove(&o->entry[i], &o->entry[i + 1], (o->nr - i) * sizeof(*o->entry));
}

static void entry_insert(struct open_keys *o, u32 i, struct bpos p)
{
	memmove(&o->entry[i + 1], &o->entry[i], (o->nr - i) * sizeof(*o->entry));
	o->nr++;
	o->entry[i] = (struct open_entry) {
		.inode = p.inode, .offset = p.offset, .snapshot = p.snapshot,
	};
}

/* the key of entry @i, which has no words yet, or @in_place */
static void entry_write(struct open_keys *o, u32 i, const struct bkey *k, bool disk_has,
			bool in_place)
{
	struct open_entry *e = &o->entry[i];

	if (!in_place) {
		e->at = o->nr_words;
		o->nr_words += BKEY_U64S + k->val_u64s;
	}
	bce_key_write_unpacked(k, (struct disk_key *)(o->words + e->at));
	e->id = ++o->last_id << 1 | disk_has;
	count(o, i, 1);
}

void bce_open_put(struct open_keys *o, const struct bkey *k, unsigned int flags)
{
	u32 i = bce_open_lower_bound(o, k->p);
	bool exists = i < o->nr && !bpos_cmp(open_pos(o, i), k->p);
	bool disk_has = flags & OPEN_DISK_HAS, in_place = false;

	if (exists)
		disk_has |= open_disk_has(o, i) || open_id(o, i) <= o->taken_id;
	if (k->type == KEY_TYPE_deleted) {
		disk_has |= flags & OPEN_SET_HAS;
		if (!disk_has) {
			if (exists)
				entry_remove(o, i);
			return;
		}
	}

	if (exists) {
		count(o, i, -1);
		in_place = open_disk_key(o, i)->u64s == BKEY_U64S + k->val_u64s;
		if (!in_place)
			forget_words(o, i);
	} else {
		entry_insert(o, i, k->p);
	}
	entry_write(o, i, k, disk_has, in_place);
}

/* ---- writing ---- */

u64 bce_open_take(struct open_keys *o)
{
	o->taken_id = o->last_id;
	if (o->written_id == OPEN_NEVER_WRITTEN)
		o->written_id = o->last_id;
	return o->last_id;
}

static void recount(struct open_keys *o)
{
	u32 i;

	o->nr_unwritten = 0;
	o->unwritten_words = 0;
	for (i = 0; i < o->nr; i++)
		count(o, i, 1);
}

void bce_open_untake(struct open_keys *o)
{
	o->written_id = OPEN_NEVER_WRITTEN;
	recount(o);
}

void bce_open_written(struct open_keys *o, u64 id)
{
	o->written_id = max(o->written_id, id);
	recount(o);
}

void bce_open_drop(struct open_keys *o, u64 id)
{
	u32 from, to;

	id = min(id, o->written_id);
	for (from = to = 0; from < o->nr; from++)
		if (open_id(o, from) <= id)
			forget_words(o, from);
		else
			o->entry[to++] = o->entry[from];
	o->nr = to;
	if (!to)
		free_arrays(o);
}
