// SPDX-License-Identifier: GPL-2.0
/*
 * Sorted sets of disk keys: how runs are merged into one, and how it is searched.
 *
 * Keys have any length, so a binary search over them is impossible, and one over
 * a table of their places would touch a cache line of the node per step. Instead
 * a set carries an index, one entry per group of keys. A group is as many
 * neighbours as begin within GROUP_U64S words.
 *
 *	keys	| k0 k1 k2 | k3 | k4 k5 | ...			packed, back to back
 *	index	  r(k0)      r(k3) r(k4)			in Eytzinger order
 *
 * Residues. r(p) is a 64-bit number that grows with p and is what remains of a
 * position when everything is taken away that all keys of the set share: of each
 * field only the distance from a base is kept, in just as many bits as the set
 * needs. Usually that is all of the position (@exact). If it takes more than 64
 * bits the lowest are cut off, and different positions may have one residue.
 *
 * The residues lie in the order in which a binary search visits them (Eytzinger:
 * the children of slot k are slots 2k and 2k + 1), so the first steps share cache
 * lines, the 8 slots three steps ahead are one line, which is prefetched, and a
 * step is a compare and an add without a jump.
 *
 * A search position may lie outside what residues can express. It is first
 * rounded up to the next position inside [min, max] of each field, which does not
 * change which key is the first at or after it: all keys are inside.
 *
 * A lookup finds the first group whose residue is not less than that of the
 * position, steps back one group, and compares keys from there. Where residues are
 * cut off and equal, the search asks the first key of the group instead, so no set
 * of keys makes it slow.
 *
 * Comparing keys: if all keys are packed and the position takes at most 64 bits of
 * the format (@word_compare), residues are taken from the last word of the packed
 * header, and that word is all a comparison reads. What else the word holds lies below
 * the position and so could only make a difference between equal positions. Otherwise keys are unpacked to be compared. A key of only ones
 * behind the last one ends every search.
 *
 * A set never changes after it is made; any number of readers may search it.
 */
#include "engine/key/keyset.h"

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/ids.h"

/* distance of group starts, in words: two cache lines */
#define GROUP_U64S		16

/* room for the key that ends searches */
#define SENTINEL_U64S		BKEY_U64S

/* residues per cache line, and steps of a search to get there */
#define LINE_SLOTS		8

/* part of a residue: ((v - base) >> right << left) & mask */
struct residue_part {
	u64	base;
	u64	mask;
	u8	right;
	u8	left;
};

/**
 * struct keyset_index - what searches a set
 * @min, @max:	  of each position field over all keys
 * @part:	  how residues are made of inode, offset, snapshot
 * @nr_groups:	  slots 1 .. nr_groups of the arrays are in use
 * @exact:	  different positions have different residues
 * @word_compare: residues of packed keys are what their last word holds
 * @residue:	  of the first key of the group, Eytzinger order; aligned to lines
 * @prev_start:	  place in the set of the group *before* this one (of the first group
 *		  for itself); slot 0: the last group
 * @bytes:	  memory of index and keys
 */
struct keyset_index {
	struct bpos		min;
	struct bpos		max;
	struct residue_part	part[3];
	u32			nr_groups;
	bool			exact;
	bool			word_compare;
	const u64		*residue;
	const u32		*prev_start;
	size_t			bytes;
};

/* ---- merging ---- */

struct merge_run {
	struct bpos			pos;	/* of the key at @next */
	const struct keyset_input	*input;
	const struct disk_key		*next;
	bool				copy;	/* same format as the set's */
};

/* a heap of runs that still hold keys: smallest position first, earlier run first */
struct merge {
	struct merge_run	*run;
	unsigned int		nr;
};

static const struct disk_key *key_after(const struct disk_key *k)
{
	return (const struct disk_key *)((const __le64 *)k + k->u64s);
}

static bool format_equal(const struct key_format *l, const struct key_format *r)
{
	return l->key_u64s == r->key_u64s &&
	       !memcmp(l->bits, r->bits, sizeof(l->bits)) &&
	       !memcmp(l->offset, r->offset, sizeof(l->offset));
}

static bool run_before(const struct merge_run *l, const struct merge_run *r)
{
	int cmp = bpos_cmp(l->pos, r->pos);

	return cmp ? cmp < 0 : l->input < r->input;
}

static void merge_sift_down(struct merge *m, unsigned int i)
{
	struct merge_run moving = m->run[i];
	unsigned int child;

	while ((child = 2 * i + 1) < m->nr) {
		if (child + 1 < m->nr && run_before(&m->run[child + 1], &m->run[child]))
			child++;
		if (!run_before(&m->run[child], &moving))
			break;
		m->run[i] = m->run[child];
		i = child;
	}
	m->run[i] = moving;
}

static int merge_init(struct merge *m, const struct key_format *format,
		      const struct keyset_input *runs, unsigned int nr_runs)
{
	unsigned int i;

	m->nr = 0;
	m->run = kvmalloc_array(max(nr_runs, 1U), sizeof(*m->run), GFP_KERNEL);
	if (!m->run)
		return -ENOMEM;

	for (i = 0; i < nr_runs; i++)
		if (runs[i].start != runs[i].end)
			m->run[m->nr++] = (struct merge_run) {
				.pos	= bce_key_unpack_pos(runs[i].format, runs[i].start),
				.input	= &runs[i],
				.next	= runs[i].start,
				.copy	= format_equal(runs[i].format, format),
			};
	for (i = m->nr / 2; i--; )
		merge_sift_down(m, i);
	return 0;
}

/* take the first key off; false when all are gone */
static bool merge_pop(struct merge *m, struct merge_run *popped)
{
	struct merge_run *top = m->run;

	if (!m->nr)
		return false;
	*popped = *top;

	top->next = key_after(top->next);
	if (top->next != top->input->end)
		top->pos = bce_key_unpack_pos(top->input->format, top->next);
	else
		*top = m->run[--m->nr];
	merge_sift_down(m, 0);
	return true;
}

/* the surviving key of the next position, deleted or not */
static bool merge_next(struct merge *m, struct merge_run *winner)
{
	if (!merge_pop(m, winner))
		return false;
	while (m->nr && !bpos_cmp(m->run->pos, winner->pos))
		merge_pop(m, winner);
	return true;
}

/* most that a run can take in the set's format */
static u64 run_u64s_max(const struct keyset_input *run, const struct key_format *format)
{
	const struct disk_key *k;
	u64 u64s = 0;

	if (format_equal(run->format, format))
		return (const __le64 *)run->end - (const __le64 *)run->start;
	for (k = run->start; k != run->end; k = key_after(k))
		u64s += k->u64s - disk_key_u64s(run->format, k) + BKEY_U64S;
	return u64s;
}

static unsigned int put_key(const struct keyset *set, const struct merge_run *from,
			    struct disk_key *out)
{
	struct bkey k;

	if (from->copy) {
		memcpy(out, from->next, from->next->u64s * sizeof(__le64));
		return out->u64s;
	}
	bce_key_unpack(from->input->format, from->next, &k);
	return bce_key_pack(&set->format, &k, out);
}

/* what building the index wants to know of all keys */
struct keys_summary {
	struct bpos	min;
	struct bpos	max;
	u32		nr_unpacked;
	u32		nr_groups;
};

static void summary_add(struct keys_summary *s, struct bpos p, const struct disk_key *k)
{
	s->min.inode	= min(s->min.inode, p.inode);
	s->min.offset	= min(s->min.offset, p.offset);
	s->min.snapshot	= min(s->min.snapshot, p.snapshot);
	s->max.inode	= max(s->max.inode, p.inode);
	s->max.offset	= max(s->max.offset, p.offset);
	s->max.snapshot	= max(s->max.snapshot, p.snapshot);
	s->nr_unpacked += (k->format & BKEY_FORMAT_MASK) != KEY_FORMAT_PACKED;
}

/* does the key at @pos begin a group, the last one having begun at @start? */
static bool begins_group(u32 pos, u32 start)
{
	return !pos || pos - start >= GROUP_U64S;
}

static void merge_keys(struct keyset *set, struct merge *m, struct keys_summary *s)
{
	struct merge_run from;
	u32 group_start = 0;

	*s = (struct keys_summary) { .min = SPOS_MAX };
	while (merge_next(m, &from)) {
		struct disk_key *out = (struct disk_key *)((u64 *)set->keys + set->nr_u64s);

		if (from.next->type == KEY_TYPE_deleted)
			continue;
		if (begins_group(set->nr_u64s, group_start)) {
			group_start = set->nr_u64s;
			s->nr_groups++;
		}
		set->nr_u64s += put_key(set, &from, out);
		set->nr_keys++;
		summary_add(s, from.pos, out);
	}
}

/* give back what the estimate was too large by, if it is much */
static size_t keys_trim(struct keyset *set, u64 allocated_u64s)
{
	u64 u64s = set->nr_u64s + SENTINEL_U64S;
	void *smaller;

	if (allocated_u64s - u64s <= u64s / 16)
		return allocated_u64s * sizeof(u64);
	smaller = kvmalloc_array(u64s, sizeof(u64), GFP_KERNEL);
	if (!smaller)
		return allocated_u64s * sizeof(u64);

	memcpy(smaller, set->keys, u64s * sizeof(u64));
	kvfree(set->keys);
	set->keys = smaller;
	return u64s * sizeof(u64);
}

/* ---- making the index ---- */

/* positions on a line: how many bits of each field are kept */
struct residue_layout {
	struct bpos	base;
	u8		bits[3];
};

static void layout_residue(struct keyset_index *index, const struct residue_layout *l)
{
	const u64 base[3] = { l->base.inode, l->base.offset, l->base.snapshot };
	unsigned int i, room = 64;

	for (i = 0; i < 3; i++) {
		unsigned int kept = min_t(unsigned int, l->bits[i], room);

		room -= kept;
		index->part[i] = (struct residue_part) {
			.base	= base[i],
			.mask	= kept ? U64_MAX : 0,
			.right	= kept ? l->bits[i] - kept : 0,
			.left	= kept ? room : 0,
		};
	}
	index->exact = l->bits[0] + l->bits[1] + l->bits[2] <= 64;
}

static void choose_layout(struct keyset_index *index, const struct key_format *f, bool all_packed)
{
	struct residue_layout l;

	memcpy(l.bits, f->bits, sizeof(l.bits));
	l.base = SPOS(f->offset[BKEY_FIELD_INODE], f->offset[BKEY_FIELD_OFFSET],
		      f->offset[BKEY_FIELD_SNAPSHOT]);
	index->word_compare = all_packed && l.bits[0] + l.bits[1] + l.bits[2] <= 64;
	if (!index->word_compare) {
		l.base = index->min;
		l.bits[0] = fls64(index->max.inode - index->min.inode);
		l.bits[1] = fls64(index->max.offset - index->min.offset);
		l.bits[2] = fls64(index->max.snapshot - index->min.snapshot);
	}
	layout_residue(index, &l);
}

/* @p within min and max of the index */
static u64 residue_of(const struct keyset_index *index, struct bpos p)
{
	const struct residue_part *i = &index->part[0], *o = &index->part[1], *s = &index->part[2];

	return (((p.inode - i->base) >> i->right << i->left) & i->mask) |
	       (((p.offset - o->base) >> o->right << o->left) & o->mask) |
	       (((p.snapshot - s->base) >> s->right << s->left) & s->mask);
}

/* slots in ascending order of what they hold: first, and next; 0 at the end */
static u32 slot_first(u32 nr)
{
	return 1U << (fls(nr) - 1);
}

static u32 slot_next(u32 slot, u32 nr)
{
	if (2 * slot + 1 <= nr) {
		slot = 2 * slot + 1;
		while (2 * slot <= nr)
			slot *= 2;
		return slot;
	}
	/* up, past all whose right subtree this is in */
	return slot >> (ffs(~slot));
}

static void fill_index(const struct keyset *set, struct keyset_index *index, u64 *residue,
		       u32 *prev_start)
{
	u32 pos = 0, start = 0, prev = 0, slot = slot_first(index->nr_groups);

	residue[0] = U64_MAX;
	while (pos < set->nr_u64s) {
		const struct disk_key *k = keyset_at(set, pos);

		if (begins_group(pos, start)) {
			prev = start;
			start = pos;
			residue[slot] = residue_of(index, bce_key_unpack_pos(&set->format, k));
			prev_start[slot] = prev;
			slot = slot_next(slot, index->nr_groups);
		}
		pos += k->u64s;
	}
	prev_start[0] = start;
}

static int build_index(struct keyset *set, const struct keys_summary *s, size_t keys_bytes)
{
	size_t slots = s->nr_groups + 1;
	size_t bytes = sizeof(struct keyset_index) + 64 + slots * (sizeof(u64) + sizeof(u32));
	struct keyset_index *index = kvmalloc(bytes, GFP_KERNEL);
	u64 *residue;

	if (!index)
		return -ENOMEM;
	residue = PTR_ALIGN((u64 *)(index + 1), 64);
	*index = (struct keyset_index) {
		.min		= s->min,
		.max		= s->max,
		.nr_groups	= s->nr_groups,
		.residue	= residue,
		.prev_start	= (u32 *)(residue + slots),
		.bytes		= bytes + keys_bytes,
	};
	choose_layout(index, &set->format, !s->nr_unpacked);
	fill_index(set, index, residue, (u32 *)(residue + slots));
	set->index = index;
	return 0;
}

/* a packed key whose position is beyond all: what searches stop at */
static void put_sentinel(struct keyset *set)
{
	memset((u64 *)set->keys + set->nr_u64s, 0xff, SENTINEL_U64S * sizeof(u64));
}

int bce_keyset_merge(struct keyset *out, const struct key_format *format,
		     const struct keyset_input *runs, unsigned int nr_runs)
{
	u64 u64s = SENTINEL_U64S;
	struct keys_summary summary;
	struct merge m;
	unsigned int i;
	int ret;

	*out = (struct keyset) { .format = *format };
	ret = merge_init(&m, format, runs, nr_runs);
	if (ret)
		return ret;

	for (i = 0; i < nr_runs; i++)
		u64s += run_u64s_max(&runs[i], format);
	ret = -ENOMEM;
	if (u64s > U32_MAX)
		goto out;
	out->keys = kvmalloc_array(u64s, sizeof(u64), GFP_KERNEL);
	if (!out->keys)
		goto out;

	merge_keys(out, &m, &summary);
	put_sentinel(out);
	ret = 0;
	if (out->nr_keys)
		ret = build_index(out, &summary, keys_trim(out, u64s));
	if (!out->index)
		bce_keyset_exit(out);
out:
	kvfree(m.run);
	return ret;
}

void bce_keyset_exit(struct keyset *set)
{
	kvfree(set->keys);
	kvfree(set->index);
	set->keys = NULL;
	set->index = NULL;
	set->nr_u64s = 0;
	set->nr_keys = 0;
}

size_t bce_keyset_bytes(const struct keyset *set)
{
	return set->index ? set->index->bytes : 0;
}

struct key_format bce_keyset_best_format(const struct keyset_input *runs, unsigned int nr_runs)
{
	struct key_format_stats stats;
	const struct disk_key *k;
	struct bkey unpacked;
	bool any = false;
	unsigned int i;

	bce_key_format_stats_init(&stats);
	for (i = 0; i < nr_runs; i++)
		for (k = runs[i].start; k != runs[i].end; k = key_after(k))
			if (k->type != KEY_TYPE_deleted) {
				bce_key_unpack(runs[i].format, k, &unpacked);
				bce_key_format_stats_add(&stats, &unpacked);
				any = true;
			}
	return any ? bce_key_format_choose(&stats) : key_format_position_only;
}

/* ---- searching ---- */

/*
 * The first position at or after @p whose fields are all within those of the
 * set's keys. False: there is none, @p is beyond all keys.
 */
static bool round_up_into(const struct keyset_index *index, struct bpos *p)
{
	const struct bpos *lo = &index->min, *hi = &index->max;

	if (unlikely(p->inode < lo->inode)) {
		*p = *lo;
		return true;
	}
	if (unlikely(p->inode > hi->inode))
		return false;
	if (p->snapshot > hi->snapshot) {
		/* the next offset; past the last one this makes it too large or 0 */
		p->snapshot = lo->snapshot;
		if (!++p->offset)
			goto next_inode;
	}
	if (unlikely(p->offset > hi->offset))
		goto next_inode;
	if (p->offset < lo->offset) {
		p->offset = lo->offset;
		p->snapshot = lo->snapshot;
	}
	p->snapshot = max(p->snapshot, lo->snapshot);
	return true;
next_inode:
	if (p->inode == hi->inode)
		return false;
	*p = SPOS(p->inode + 1, lo->offset, lo->snapshot);
	return true;
}

/* the slot of the first residue >= @r; 0 if none */
static u32 search_residues(const struct keyset_index *index, u64 r)
{
	const u64 *residue = index->residue;
	u32 nr = index->nr_groups, slot = 1;

	while (slot <= nr) {
		__builtin_prefetch(residue + (size_t)slot * LINE_SLOTS);
		slot = 2 * slot + (residue[slot] < r);
	}
	/* undo the steps to the right at the end, and the step to the left before them */
	return slot >> ffs(~slot);
}

static bool key_before(const struct keyset *set, u32 pos, struct bpos p)
{
	return bpos_cmp(bce_key_unpack_pos(&set->format, keyset_at(set, pos)), p) < 0;
}

/*
 * The same where residues are cut off: the slot of the first group whose first key
 * is at or after @p. Equal residues are decided by the keys themselves.
 */
static u32 search_positions(const struct keyset *set, u64 r, struct bpos p)
{
	const struct keyset_index *index = set->index;
	u32 nr = index->nr_groups, slot = 1;

	while (slot <= nr) {
		bool right = index->residue[slot] < r;

		if (index->residue[slot] == r)
			right = key_before(set, index->prev_start[slot_next(slot, nr)], p);
		slot = 2 * slot + right;
	}
	return slot >> ffs(~slot);
}

static u32 search(const struct keyset *set, u64 r, struct bpos p)
{
	return likely(set->index->exact) ? search_residues(set->index, r)
					 : search_positions(set, r, p);
}

static u32 scan_words(const struct keyset *set, u32 pos, u64 r)
{
	const u64 *keys = (const u64 *)set->keys, *k = keys + pos;
	unsigned int last = set->format.key_u64s - 1;

	while (k[last] < r)
		k += (u8)*k;
	return k - keys;
}

static u32 scan_positions(const struct keyset *set, u32 pos, struct bpos p)
{
	while (pos < set->nr_u64s && key_before(set, pos, p))
		pos = keyset_next(set, pos);
	return pos;
}

u32 bce_keyset_lower_bound(const struct keyset *set, struct bpos p)
{
	const struct keyset_index *index = set->index;
	u32 slot;
	u64 r;

	if (unlikely(!index) || !round_up_into(index, &p))
		return set->nr_u64s;

	r = residue_of(index, p);
	slot = search(set, r, p);
	if (likely(index->word_compare))
		return scan_words(set, index->prev_start[slot], r);
	return scan_positions(set, index->prev_start[slot], p);
}

/* where the group begins that holds the key before the one at @pos */
static u32 group_before(const struct keyset *set, u32 pos)
{
	struct bpos p;

	if (pos == set->nr_u64s)
		return set->index->prev_start[0];
	p = bce_key_unpack_pos(&set->format, keyset_at(set, pos));
	return set->index->prev_start[search(set, residue_of(set->index, p), p)];
}

u32 bce_keyset_prev(const struct keyset *set, u32 pos)
{
	u32 prev, next = group_before(set, pos);

	do {
		prev = next;
		next = keyset_next(set, prev);
	} while (next < pos);
	return prev;
}
