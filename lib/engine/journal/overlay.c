// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of the replay set, sorted, ready to be merged into nodes as they are read.
 *
 *   offset[]  | o0 | o1 | o2 | o3 | ...  | end |       u64s from the start of the arena
 *                |    |    |
 *   arena     | key  | key     | key | key | ...       unpacked disk keys, back to back
 *             | btree 0, level 0 | btree 0, level 1 | btree 1, level 0 | ... | deltas |
 *
 * One tree is a stretch of the arena, tree[btree][level] its first and last index. Within a
 * tree positions increase strictly: of several keys for one position the newest stays.
 * Deletions stay as keys of type deleted, since they must hide what the node has. A range
 * of positions is thus a contiguous run, found by two binary searches.
 *
 * Accounting keys are deltas, which all count. They make a stretch of their own at the end,
 * by position and then version.
 *
 * Building: collect a small record per key (where it lies in its jset, and when it came),
 * sort the records, keep the last of equals, copy. The jsets are not needed afterwards.
 *
 * Source: docs/format/30-journal.md, section 9; 80-accounting.md, section 2.
 */
#include "engine/journal/overlay.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/journal/journal_internal.h"

struct overlay_tree {
	u32	first;		/* into offset[] */
	u32	nr;
};

struct overlay {
	u64			*arena;
	u32			*offset;	/* nr_keys + 1 of them */
	u32			nr_keys;	/* deltas included */
	struct overlay_tree	tree[BTREE_ID_MAX][BTREE_LEVELS_MAX];
	struct overlay_tree	deltas;
};

/* one key of a jset, before sorting */
struct key_ref {
	const struct disk_key	*d;
	struct bpos		pos;
	u32			order;		/* of appearance */
	u8			btree_id;
	u8			level;
	bool			delta;
	struct bversion		version;
};

struct key_refs {
	struct key_ref	*ref;
	size_t		nr;
	size_t		size;
};

static int refs_push(struct key_refs *refs, const struct key_ref *ref)
{
	if (refs->nr == refs->size) {
		size_t size = refs->size ? 2 * refs->size : 256;
		struct key_ref *more;

		if (size > U32_MAX)
			return -EFBIG;
		more = kvmalloc_array(size, sizeof(*more), GFP_KERNEL);
		if (!more)
			return -ENOMEM;
		if (refs->nr)
			memcpy(more, refs->ref, refs->nr * sizeof(*more));
		kvfree(refs->ref);
		refs->ref = more;
		refs->size = size;
	}
	refs->ref[refs->nr++] = *ref;
	return 0;
}

static int collect_entry(struct key_refs *refs, const struct jset_entry *e)
{
	struct entry_key_walk w;
	const void *key;
	struct bkey k;
	int ret = 0;

	if (e->btree_id >= BTREE_ID_MAX || e->level >= BTREE_LEVELS_MAX)
		return -EBADMSG;
	bce_entry_keys_init(&w, e);
	while (!ret && (key = w.next, bce_entry_next_key(&w, &k))) {
		struct key_ref ref = {
			.d = key,
			.pos = k.p,
			.order = refs->nr,
			.btree_id = e->btree_id,
			.level = e->level,
			.delta = e->btree_id == BTREE_ID_accounting && !e->level &&
				 k.type == KEY_TYPE_accounting,
			.version = k.version,
		};

		ret = refs_push(refs, &ref);
	}
	return w.bad ? -EBADMSG : ret;
}

static int collect(struct key_refs *refs, const struct journal_replay *r)
{
	const struct jset_entry *e;
	int ret = 0;
	size_t i;

	for (i = 0; i < r->nr_entries; i++) {
		const struct jset *j = r->entry[i]->jset;

		if (r->entry[i]->ignore)
			continue;
		for (e = bce_jset_first(j); e && !ret; e = bce_jset_next(j, e))
			if (e->type == JSET_ENTRY_btree_keys && e->u64s)
				ret = collect_entry(refs, e);
	}
	return ret;
}

static int version_cmp(struct bversion a, struct bversion b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static bool same_tree(const struct key_ref *a, const struct key_ref *b)
{
	return a->delta == b->delta && a->btree_id == b->btree_id && a->level == b->level;
}

/* the order of the arena; of equal positions the oldest first */
static int ref_cmp(const void *_a, const void *_b)
{
	const struct key_ref *a = _a, *b = _b;
	int cmp;

	if (a->delta != b->delta)
		return a->delta ? 1 : -1;
	if (a->btree_id != b->btree_id)
		return a->btree_id < b->btree_id ? -1 : 1;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	cmp = bpos_cmp(a->pos, b->pos);
	if (!cmp && a->delta)
		cmp = version_cmp(a->version, b->version);
	if (cmp)
		return cmp;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* leave the newest of each position, and every delta */
static void keep_newest(struct key_refs *refs)
{
	size_t i, kept = 0;

	for (i = 0; i < refs->nr; i++) {
		struct key_ref *ref = &refs->ref[i];

		if (i + 1 < refs->nr && !ref->delta && same_tree(ref, ref + 1) &&
		    !bpos_cmp(ref->pos, ref[1].pos))
			continue;
		refs->ref[kept++] = *ref;
	}
	refs->nr = kept;
}

/* copy a key, without what meant something in the writer's memory only */
static void copy_key(u64 *to, const struct disk_key *from)
{
	struct bch_btree_ptr_v2 *v = (void *)(to + BKEY_U64S);
	struct disk_key *d = (void *)to;

	memcpy(to, from, from->u64s * 8);
	d->format &= BKEY_FORMAT_MASK;
	if (d->type == KEY_TYPE_btree_ptr_v2)
		v->mem_ptr = 0;
}

static int alloc_arena(struct overlay *o, const struct key_refs *refs)
{
	size_t i, u64s = 0;

	for (i = 0; i < refs->nr; i++)
		u64s += refs->ref[i].d->u64s;
	if (u64s > U32_MAX)
		return -EFBIG;
	/* one more of each, so that nothing is asked for zero bytes */
	o->arena = kvmalloc_array(u64s + 1, sizeof(u64), GFP_KERNEL);
	o->offset = kvmalloc_array(refs->nr + 1, sizeof(u32), GFP_KERNEL);
	return o->arena && o->offset ? 0 : -ENOMEM;
}

static int fill(struct overlay *o, const struct key_refs *refs)
{
	u32 i, at = 0;
	int ret = alloc_arena(o, refs);

	if (ret)
		return ret;
	for (i = 0; i < refs->nr; i++) {
		const struct key_ref *ref = &refs->ref[i];
		struct overlay_tree *tree = ref->delta ? &o->deltas
						       : &o->tree[ref->btree_id][ref->level];

		if (!tree->nr++)
			tree->first = i;
		o->offset[i] = at;
		copy_key(o->arena + at, ref->d);
		at += ref->d->u64s;
	}
	o->offset[i] = at;
	o->nr_keys = refs->nr;
	return 0;
}

int bce_overlay_build(struct overlay **out, const struct journal_replay *r)
{
	struct key_refs refs = { };
	struct overlay *o;
	int ret;

	*out = NULL;
	o = kzalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return -ENOMEM;
	ret = collect(&refs, r);
	if (!ret) {
		if (refs.nr)
			sort(refs.ref, refs.nr, sizeof(refs.ref[0]), ref_cmp, NULL);
		keep_newest(&refs);
		ret = fill(o, &refs);
	}
	kvfree(refs.ref);
	if (ret) {
		bce_overlay_free(o);
		return ret;
	}
	*out = o;
	return 0;
}

void bce_overlay_free(struct overlay *o)
{
	if (!o)
		return;
	kvfree(o->arena);
	kvfree(o->offset);
	kfree(o);
}

void bce_overlay_drop(struct overlay *o, unsigned int btree_id)
{
	memset(o->tree[btree_id], 0, sizeof(o->tree[btree_id]));
	if (btree_id == BTREE_ID_accounting)
		o->deltas.nr = 0;
}

static const struct overlay_tree *overlay_tree(const struct overlay *o, unsigned int btree_id,
					       unsigned int level)
{
	if (btree_id >= BTREE_ID_MAX || level >= BTREE_LEVELS_MAX)
		return NULL;
	return &o->tree[btree_id][level];
}

bool bce_overlay_has(const struct overlay *o, unsigned int btree_id, unsigned int level)
{
	const struct overlay_tree *tree = overlay_tree(o, btree_id, level);

	return tree && tree->nr;
}

int bce_overlay_max_level(const struct overlay *o, unsigned int btree_id)
{
	int level = BTREE_LEVELS_MAX - 1;

	while (level >= 0 && !bce_overlay_has(o, btree_id, level))
		level--;
	return level;
}

size_t bce_overlay_nr_keys(const struct overlay *o)
{
	return o->nr_keys;
}

static const struct disk_key *overlay_key(const struct overlay *o, u32 i)
{
	return (const void *)(o->arena + o->offset[i]);
}

static struct bpos overlay_pos(const struct overlay *o, u32 i)
{
	return bce_key_unpack_pos(&key_format_position_only, overlay_key(o, i));
}

/* first index of @tree whose position is >= @p, or > @p when @after */
static u32 tree_search(const struct overlay *o, const struct overlay_tree *tree, struct bpos p,
		       bool after)
{
	u32 l = tree->first, r = tree->first + tree->nr;

	while (l < r) {
		u32 m = l + (r - l) / 2;
		int cmp = bpos_cmp(overlay_pos(o, m), p);

		if (cmp < 0 || (!cmp && after))
			l = m + 1;
		else
			r = m;
	}
	return l;
}

void bce_overlay_range(const struct overlay *o, unsigned int btree_id, unsigned int level,
		       struct bpos min, struct bpos max, struct keyset_input *run)
{
	const struct overlay_tree *tree = overlay_tree(o, btree_id, level);
	u32 first, end;

	run->format = &key_format_position_only;
	if (!tree || !tree->nr || bpos_cmp(min, max) > 0) {
		run->start = run->end = (const void *)o->arena;
		return;
	}
	first = tree_search(o, tree, min, false);
	end = tree_search(o, tree, max, true);
	run->start = overlay_key(o, first);
	run->end = overlay_key(o, end);
}

int bce_overlay_accounting(const struct overlay *o, struct bpos min, struct bpos max,
			   bce_overlay_delta_fn fn, void *ctx)
{
	u32 i = tree_search(o, &o->deltas, min, false);
	u32 end = tree_search(o, &o->deltas, max, true);
	struct bkey k;
	int ret = 0;

	for (; i < end && !ret; i++) {
		bce_key_unpack(&key_format_position_only, overlay_key(o, i), &k);
		ret = fn(ctx, &k);
	}
	return ret;
}
