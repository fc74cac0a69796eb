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
 *	index	  r(k0)      r(k3) r(k4)			and the places of k0, k3, k4
 *
 * Residues. r(p) is a 64-bit number that grows with p and is what remains of a
 * position when everything is taken away that all keys of the set share: of each
 * field only the distance from a base is kept, in just as many bits as the set
 * needs. Usually that is all of the position (@exact). If it takes more than 64
 * bits the lowest are cut off, and different positions may have one residue.
 *
 * The entries are a search tree of cache lines: a line holds the residues of five
 * groups and where the groups begin, in ascending order, and has up to six children,
 * which are found by counting: those of line b are lines 6b + 1 .. 6b + 6. A step
 * counts the residues that are smaller than the wanted one, without a jump; there are
 * four or five steps in a node of 256 KiB, of which the last ones miss the cache once
 * each. Lines of the last level may be missing, and slots at the end of the order
 * are filled up with the largest residue.
 *
 * A search position may lie outside what residues can express. It is first
 * rounded up to the next position inside [min, max] of each field, which does not
 * change which key is the first at or after it: all keys are inside.
 *
 * A lookup finds the last group whose residue is less than that of the position, and
 * compares keys from there. Where residues are cut off and equal, the search asks the
 * first key of the group instead, so no set of keys makes it slow.
 *
 * Comparing keys: if all keys are packed and the position takes at most 64 bits of
 * the format (@word_compare), residues are taken from the last word of the packed
 * header, and that word is all a comparison reads. What else the word holds lies below
 * the position and so could only make a difference between equal positions. Otherwise
 * keys are unpacked to be compared. A key of only ones behind the last one ends every
 * search.
 *
 * A set never changes after it is made; any number of readers may search it.
 */
#include "engine/key/keyset.h"

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/ids.h"

/* distance of group starts, in words: two cache lines */
#define GROUP_U64S		16

/* room for the key that ends searches */
#define SENTINEL_U64S		BKEY_U64S

#define LINE_SLOTS		5
#define LINE_CHILDREN		(LINE_SLOTS + 1)

/*
 * Some groups: the residue of the first key of each, and where they begin: slot i at
 * start[i + 1]; start[0] belongs to the group before them in the order of keys.
 */
struct index_line {
	u64	residue[LINE_SLOTS];
	u32	start[LINE_SLOTS + 1];
};

static_assert(sizeof(struct index_line) == 64 && LINE_SLOTS == 5);

/**
 * struct keyset_index - what searches a set
 * @min, @max:	  of each position field over all keys
 * @base:	  what is taken off each field; of what is left
 * @right:	  lowest bits are cut off, 64 if nothing is kept, and
 * @left:	  the rest is moved to its place in the residue
 * @exact:	  different positions have different residues
 * @word_compare: @exact, and residues of keys are what their last word holds
 * @nr_lines:	  lines of the tree, at least one
 * @memory:	  what was allocated for all this, of which the index is the aligned part
 * @bytes:	  memory of index and keys
 * @line:	  the tree; at a fixed place, so that its first line is fetched along
 *		  with these fields
 */
struct keyset_index {
	struct bpos		min;
	struct bpos		max;
	struct bpos		base;
	u8			right[3];
	u8			left[3];
	bool			exact;
	bool			word_compare;
	u32			nr_lines;
	void			*memory;
	size_t			bytes;
	struct index_line	line[] __aligned(64);
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

/* where merging has got to with the set */
struct merge_out {
	struct keyset		*set;
	struct keys_summary	*s;
	u32			group_start;
};

/* the key a run stands at into the set, unless it is a deleted one */
static void put_next(struct merge_out *o, const struct merge_run *from)
{
	struct keyset *set = o->set;
	struct disk_key *out = (struct disk_key *)((u64 *)set->keys + set->nr_u64s);

	if (from->next->type == KEY_TYPE_deleted)
		return;
	if (begins_group(set->nr_u64s, o->group_start)) {
		o->group_start = set->nr_u64s;
		o->s->nr_groups++;
	}
	set->nr_u64s += put_key(set, from, out);
	set->nr_keys++;
	summary_add(o->s, from->pos, out);
}

/* false: that was the last one */
static bool run_advance(struct merge_run *run)
{
	run->next = key_after(run->next);
	if (run->next == run->input->end)
		return false;
	run->pos = bce_key_unpack_pos(run->input->format, run->next);
	return true;
}

static void merge_one(struct merge_out *o, struct merge_run *run)
{
	do
		put_next(o, run);
	while (run_advance(run));
}

/* The usual case, a set and what came later: no heap. @newer wins. */
static void merge_two(struct merge_out *o, struct merge_run *older, struct merge_run *newer)
{
	bool more_older = true, more_newer = true;
	int cmp;

	while (more_older && more_newer) {
		cmp = bpos_cmp(older->pos, newer->pos);
		put_next(o, cmp < 0 ? older : newer);
		if (cmp <= 0)
			more_older = run_advance(older);
		if (cmp >= 0)
			more_newer = run_advance(newer);
	}
	if (more_older)
		merge_one(o, older);
	if (more_newer)
		merge_one(o, newer);
}

static void merge_keys(struct keyset *set, struct merge *m, struct keys_summary *s)
{
	struct merge_out o = { .set = set, .s = s };
	struct merge_run *run = m->run;
	struct merge_run from;

	*s = (struct keys_summary) { .min = SPOS_MAX };
	if (m->nr == 1)
		merge_one(&o, run);
	else if (m->nr == 2 && run[0].input < run[1].input)
		merge_two(&o, &run[0], &run[1]);
	else if (m->nr == 2)
		merge_two(&o, &run[1], &run[0]);
	else
		while (merge_next(m, &from))
			put_next(&o, &from);
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

/* make residues of the top 64 bits of fields of so many bits, each less its base */
static void layout_residue(struct keyset_index *index, struct bpos base, const u8 bits[3])
{
	unsigned int i, room = 64;

	for (i = 0; i < 3; i++) {
		unsigned int kept = min_t(unsigned int, bits[i], room);

		room -= kept;
		index->right[i] = kept ? bits[i] - kept : 64;
		index->left[i] = kept ? room : 0;
	}
	index->base = base;
	index->exact = bits[0] + bits[1] + bits[2] <= 64;
}

static void choose_layout(struct keyset_index *index, const struct key_format *f, bool all_packed)
{
	const u8 bits[3] = {
		fls64(index->max.inode - index->min.inode),
		fls64(index->max.offset - index->min.offset),
		fls64(index->max.snapshot - index->min.snapshot),
	};

	index->word_compare = all_packed && f->bits[BKEY_FIELD_INODE] +
		f->bits[BKEY_FIELD_OFFSET] + f->bits[BKEY_FIELD_SNAPSHOT] <= 64;
	if (index->word_compare)
		layout_residue(index, SPOS(f->offset[BKEY_FIELD_INODE],
					   f->offset[BKEY_FIELD_OFFSET],
					   f->offset[BKEY_FIELD_SNAPSHOT]), f->bits);
	else
		layout_residue(index, index->min, bits);
}

static u64 residue_part(const struct keyset_index *index, unsigned int i, u64 v)
{
	return index->right[i] < 64 ? v >> index->right[i] << index->left[i] : 0;
}

/* @p within min and max of the index */
static u64 residue_of(const struct keyset_index *index, struct bpos p)
{
	return residue_part(index, 0, p.inode - index->base.inode) |
	       residue_part(index, 1, p.offset - index->base.offset) |
	       residue_part(index, 2, p.snapshot - index->base.snapshot);
}

/* the same if positions fit into residues: what is not kept is 0, nothing is cut off */
static u64 exact_residue_of(const struct keyset_index *index, struct bpos p)
{
	return ((p.inode - index->base.inode) << index->left[0]) |
	       ((p.offset - index->base.offset) << index->left[1]) |
	       ((u64)(p.snapshot - index->base.snapshot) << index->left[2]);
}

/* where filling the tree has got to */
struct index_fill {
	const struct keyset	*set;
	struct keyset_index	*index;
	u32			prev;		/* start of the last group seen */
	u32			pos;		/* start of the next one */
};

static u32 group_end(const struct keyset *set, u32 start)
{
	u32 pos = start;

	do
		pos = keyset_next(set, pos);
	while (pos < set->nr_u64s && !begins_group(pos, start));
	return pos;
}

/* a slot past the last group gets the largest residue, and points at the end */
static void fill_slot(struct index_fill *fill, struct index_line *line, unsigned int i)
{
	const struct keyset *set = fill->set;

	line->residue[i] = U64_MAX;
	line->start[i + 1] = fill->pos;
	if (fill->pos == set->nr_u64s)
		return;
	line->residue[i] = residue_of(fill->index, bce_key_unpack_pos(&set->format,
						keyset_at(set, fill->pos)));
	fill->prev = fill->pos;
	fill->pos = group_end(set, fill->pos);
}

/* groups in ascending order into a line and all below it; as deep as the tree */
static void fill_lines(struct index_fill *fill, u64 nr)
{
	struct index_line *line = fill->index->line + nr;
	unsigned int i;

	if (nr >= fill->index->nr_lines)
		return;
	fill_lines(fill, nr * LINE_CHILDREN + 1);
	line->start[0] = fill->prev;
	for (i = 0; i < LINE_SLOTS; i++) {
		fill_slot(fill, line, i);
		fill_lines(fill, nr * LINE_CHILDREN + 2 + i);
	}
}

static int build_index(struct keyset *set, const struct keys_summary *s, size_t keys_bytes)
{
	size_t nr_lines = DIV_ROUND_UP(s->nr_groups, LINE_SLOTS);
	size_t bytes = struct_size((struct keyset_index *)NULL, line, nr_lines + 1);
	void *memory = kvmalloc(bytes, GFP_KERNEL);
	struct keyset_index *index;

	if (!memory)
		return -ENOMEM;
	index = PTR_ALIGN(memory, sizeof(struct index_line));
	*index = (struct keyset_index) {
		.min		= s->min,
		.max		= s->max,
		.nr_lines	= nr_lines,
		.memory		= memory,
		.bytes		= bytes + keys_bytes,
	};
	choose_layout(index, &set->format, !s->nr_unpacked);
	fill_lines(&(struct index_fill) { .set = set, .index = index }, 0);
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
	if (set->index)
		kvfree(set->index->memory);
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
static __always_inline bool round_up_into(const struct keyset_index *index, struct bpos *p)
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

static bool key_before(const struct keyset *set, u32 pos, struct bpos p)
{
	return bpos_cmp(bce_key_unpack_pos(&set->format, keyset_at(set, pos)), p) < 0;
}

/* slots with a residue < @r; no jumps */
static __always_inline unsigned int line_rank(const struct index_line *line, u64 r)
{
	const u64 *residue = line->residue;

	return (residue[0] < r) + (residue[1] < r) + (residue[2] < r) + (residue[3] < r) +
	       (residue[4] < r);
}

/* the start of the last group that begins with a residue < @r; the first group if none */
static __always_inline u32 search_residues(const struct keyset_index *index, u64 r)
{
	const struct index_line *line;
	u64 nr = 0, nr_lines = index->nr_lines;
	unsigned int rank;

	do {
		line = index->line + nr;
		rank = line_rank(line, r);
		nr = nr * LINE_CHILDREN + 1 + rank;
	} while (nr < nr_lines);
	return line->start[rank];
}

/*
 * The same where residues are cut off: equal ones are decided by the keys. A slot past
 * the last group points at the key that ends searches, which is before nothing.
 */
static u32 search_positions(const struct keyset *set, u64 r, struct bpos p)
{
	const struct index_line *line;
	u64 nr = 0, nr_lines = set->index->nr_lines;
	unsigned int rank;

	do {
		line = set->index->line + nr;
		rank = line_rank(line, r);
		while (rank < LINE_SLOTS && line->residue[rank] == r &&
		       key_before(set, line->start[rank + 1], p))
			rank++;
		nr = nr * LINE_CHILDREN + 1 + rank;
	} while (nr < nr_lines);
	return line->start[rank];
}

/* a group from which the first key at or after @p is not far */
static u32 search(const struct keyset *set, u64 r, struct bpos p)
{
	return set->index->exact ? search_residues(set->index, r) : search_positions(set, r, p);
}

static u32 scan_words(const struct keyset *set, u32 pos, u64 r)
{
	const u64 *keys = (const u64 *)set->keys, *k = keys + pos;
	unsigned int last = set->format.key_u64s - 1;

	/* a group often reaches into a second line; the search did not fetch either */
	__builtin_prefetch(k + GROUP_U64S / 2);
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

static noinline u32 lower_bound_by_position(const struct keyset *set, struct bpos p)
{
	u64 r = residue_of(set->index, p);

	return scan_positions(set, search(set, r, p), p);
}

u32 bce_keyset_lower_bound(const struct keyset *set, struct bpos p)
{
	const struct keyset_index *index = set->index;
	u64 r;

	if (unlikely(!index) || !round_up_into(index, &p))
		return set->nr_u64s;
	if (unlikely(!index->word_compare))
		return lower_bound_by_position(set, p);

	r = exact_residue_of(index, p);
	return scan_words(set, search_residues(index, r), r);
}

/* where the group begins that holds the key before the one at @pos */
static u32 group_before(const struct keyset *set, u32 pos)
{
	struct bpos p;

	if (pos == set->nr_u64s)
		return search(set, U64_MAX, SPOS_MAX);
	p = bce_key_unpack_pos(&set->format, keyset_at(set, pos));
	return search(set, residue_of(set->index, p), p);
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
