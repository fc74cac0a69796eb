// SPDX-License-Identifier: GPL-2.0
/*
 * Sorted sets of disk keys: how runs are merged into one, and how it is searched.
 *
 * Keys have any length, so a binary search over them is impossible, and one over
 * a table of their places would touch a cache line of the node per step. Instead
 * a set carries an index of groups: what begins within GROUP_U64S words, so that the
 * keys of one lie in few lines of cache.
 *
 *	keys	| k0 k1 k2 | k3 k4 | k5 k6 k7 | k8 ...		packed, back to back
 *	lines	[ r(k0) r(k3) r(k5) ... ] [ ... ] [ ... ]	and the places of k0, k3, k5
 *	fences	[ first r of each of 8 lines ] [ ... ]		and so on, up to one line
 *
 * Residues. r(p) is a 64-bit number that grows with p and is what remains of a
 * position when everything is taken away that all keys of the set share: of each
 * field only the distance from a base is kept, in just as many bits as the set
 * needs. Usually that is all of the position (@exact). If it takes more than 64
 * bits the lowest are cut off, and different positions may have one residue.
 *
 * A line is a cache line and tells of LINE_GROUPS groups: the residue of the first,
 * and by how much those of the others are larger, in 14 bits; if that is not enough
 * their lowest bits are cut off (@shift). So in a set of 256 KiB the fences are a handful of
 * lines, all lines together a few KiB, and mostly the keys alone are what a search has to wait
 * for. In each line it counts the residues that are not larger than the wanted one, without a
 * jump: those of a line four at a time, as parts of one number. Slots past the end of the order
 * are filled up with the largest number, which counts never.
 *
 * What was cut off in a line can only make the count too large, and the first key of the group,
 * which is looked at anyway, says so: then the search steps back.
 *
 * Where residues themselves are cut off they say little when many are equal. There a search
 * asks the first key of each line, and group, whose residue is the wanted one, so no set of keys
 * makes it slow.
 *
 * A search position may lie outside what residues can express. It is first
 * rounded up to the next position inside [min, max] of each field, which does not
 * change which key is the first at or after it: all keys are inside. All but the last
 * key of the set, that is: in the node at the right end of a btree it is SPOS_MAX, and would
 * take all bits that a residue has. So it counts for nothing here and begins no group; it is
 * the answer to what is beyond all others.
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

/* residues of a line after the first: lanes of 16 bits, of which the highest is kept free */
#define LANES			4
#define LINE_WORDS		4
#define LINE_SLOTS		(LANES * LINE_WORDS)
#define LINE_GROUPS		(1 + LINE_SLOTS)
#define SLOT_BITS		14
#define SLOT_NONE		0x7fffULL
#define IN_EACH_LANE		0x0001000100010001ULL

#define FENCE_BITS		3
#define FENCES			(1 << FENCE_BITS)
/* as many levels of fences as 2^32 words of keys can need */
#define FENCE_LEVELS_MAX	9

/*
 * Some groups. Group i begins with the first key at or after word @start + i * GROUP_U64S, which
 * is @delta[i - 1] words further; several have the same first key if it follows a large one.
 * @base is the residue of the first group's, at @start; lane i - 1 of @more says how much larger that of
 * group i is, without its lowest @shift bits.
 */
struct group_line {
	u64	base;
	u64	more[LINE_WORDS];
	u32	start;
	u8	delta[LINE_SLOTS];
	u8	shift;
};

static_assert(sizeof(struct group_line) == 64);
static_assert(BKEY_U64S + BKEY_VAL_U64S_MAX <= U8_MAX);

/* @base of the first group line below each entry; nothing asks for the first one */
struct fence_line {
	u64	base[FENCES];
};

static_assert(sizeof(struct fence_line) == 64);

/**
 * struct keyset_index - what searches a set
 * @min, @max:	  of each position field over all keys but the last
 * @base:	  what is taken off each field; of what is left
 * @right:	  lowest bits are cut off, 64 if nothing is kept, and
 * @left:	  the rest is moved to its place in the residue
 * @exact:	  different positions have different residues
 * @word_compare: @exact, and residues of keys are what their last word holds
 * @nr_levels:	  of fences; none for a single line
 * @line:	  the lines
 * @level:	  where each level begins in @fence, from below; the topmost is one line
 * @nr_lines:	  lines of groups, at least one
 * @last:	  place of the last key
 * @below:	  bits of a residue that are always 0
 * @memory:	  what was allocated for all this, of which the index is the aligned part
 * @bytes:	  memory of index and keys
 * @fence:	  at a fixed place, so that the topmost is fetched along with these fields:
 *		  levels lie in it from above
 */
struct keyset_index {
	struct bpos		min;
	struct bpos		max;
	struct bpos		base;
	u8			right[3];
	u8			left[3];
	bool			exact;
	bool			word_compare;
	struct group_line	*line;
	u32			nr_levels;
	u32			level[FENCE_LEVELS_MAX];
	u32			nr_lines;
	u32			last;
	u64			below;
	void			*memory;
	size_t			bytes;
	struct fence_line	fence[] __aligned(64);
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
	struct bpos	min;		/* of all but the last, unless there is only one */
	struct bpos	max;
	struct bpos	last;
	u32		last_at;
	u32		nr_unpacked;
};

static void summary_add_pos(struct keys_summary *s, struct bpos p)
{
	s->min.inode	= min(s->min.inode, p.inode);
	s->min.offset	= min(s->min.offset, p.offset);
	s->min.snapshot	= min(s->min.snapshot, p.snapshot);
	s->max.inode	= max(s->max.inode, p.inode);
	s->max.offset	= max(s->max.offset, p.offset);
	s->max.snapshot	= max(s->max.snapshot, p.snapshot);
}

/* the key that goes to the end of @set */
static void summary_add(struct keys_summary *s, const struct keyset *set, struct bpos p,
			const struct disk_key *k)
{
	if (set->nr_keys)
		summary_add_pos(s, s->last);
	s->last = p;
	s->last_at = set->nr_u64s;
	s->nr_unpacked += (k->format & BKEY_FORMAT_MASK) != KEY_FORMAT_PACKED;
}

/* where merging has got to with the set */
struct merge_out {
	struct keyset		*set;
	struct keys_summary	*s;
};

/* the key a run stands at into the set, unless it is a deleted one */
static void put_next(struct merge_out *o, const struct merge_run *from)
{
	struct keyset *set = o->set;
	struct disk_key *out = (struct disk_key *)((u64 *)set->keys + set->nr_u64s);
	unsigned int u64s;

	if (from->next->type == KEY_TYPE_deleted)
		return;
	u64s = put_key(set, from, out);
	summary_add(o->s, set, from->pos, out);
	set->nr_u64s += u64s;
	set->nr_keys++;
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
	if (set->nr_keys == 1)
		summary_add_pos(s, s->last);
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
	index->below = room ? U64_MAX >> (64 - room) : 0;
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

static u64 residue_at(const struct keyset *set, u32 pos)
{
	return residue_of(set->index, bce_key_unpack_pos(&set->format, keyset_at(set, pos)));
}

static void line_set_slot(struct group_line *line, unsigned int slot, u64 v)
{
	line->more[slot / LANES] |= v << slot % LANES * 16;
}

/*
 * The groups from the key at @pos on into a line. The last key of the set begins none, unless it is
 * the only one. Return: the first key past the line; @last for none
 */
static u32 fill_line(const struct keyset *set, struct group_line *line, u32 pos)
{
	u32 last = set->index->last;
	u64 more[LINE_SLOTS];
	unsigned int nr, i;

	*line = (struct group_line) { .base = residue_at(set, pos), .start = pos };
	for (nr = 0; nr <= LINE_SLOTS; nr++) {
		while (pos < last && pos < line->start + (nr + 1) * GROUP_U64S)
			pos = keyset_next(set, pos);
		if (pos >= last || nr == LINE_SLOTS)
			break;
		line->delta[nr] = pos - line->start - (nr + 1) * GROUP_U64S;
		more[nr] = residue_at(set, pos) - line->base;
	}
	if (nr)
		line->shift = max(fls64(more[nr - 1]), SLOT_BITS) - SLOT_BITS;
	for (i = 0; i < LINE_SLOTS; i++)
		line_set_slot(line, i, i < nr ? more[i] >> line->shift : SLOT_NONE);
	return pos;
}

static void fill_lines(const struct keyset *set, struct keyset_index *index)
{
	u32 pos = 0;

	index->nr_lines = 0;
	do
		pos = fill_line(set, &index->line[index->nr_lines++], pos);
	while (pos < index->last);
}

/* lines of fences that @nr entries below take */
static u32 fence_lines(u32 nr)
{
	return DIV_ROUND_UP(nr, FENCES);
}

/* Where levels lie for so many lines of groups. Return: lines of fences */
static u32 place_levels(struct keyset_index *index, u32 nr_lines)
{
	u32 lines[FENCE_LEVELS_MAX], at = 0, nr;
	unsigned int i;

	index->nr_levels = 0;
	for (nr = nr_lines; nr > 1; nr = fence_lines(nr))
		lines[index->nr_levels++] = fence_lines(nr);
	for (i = index->nr_levels; i--; at += lines[i])
		index->level[i] = at;
	return at;
}

static void fill_fences(struct keyset_index *index)
{
	unsigned int level;
	u64 below, i;

	for (level = 0; level < index->nr_levels; level++) {
		u64 *base = index->fence[index->level[level]].base;

		/* lines of groups below one entry */
		below = 1ULL << FENCE_BITS * level;
		for (i = 0; i * below < index->nr_lines; i++)
			base[i] = index->line[i * below].base;
		for (; i % FENCES; i++)
			base[i] = U64_MAX;
	}
}

static int build_index(struct keyset *set, const struct keys_summary *s, size_t keys_bytes)
{
	struct keyset_index layout = { .min = s->min, .max = s->max, .last = s->last_at }, *index;
	u32 nr_lines = s->last_at / (LINE_GROUPS * GROUP_U64S) + 1;
	u32 nr_fences = place_levels(&layout, nr_lines);
	size_t bytes = struct_size(index, fence, (size_t)nr_fences + nr_lines + 1);
	void *memory = kvmalloc(bytes, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	index = PTR_ALIGN(memory, sizeof(struct group_line));
	*index = layout;
	index->line = (struct group_line *)(index->fence + nr_fences);
	index->memory = memory;
	index->bytes = bytes + keys_bytes;
	choose_layout(index, &set->format, !s->nr_unpacked);
	set->index = index;
	fill_lines(set, index);
	place_levels(index, index->nr_lines);
	fill_fences(index);
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
 * The first position at or after @p whose fields are all within those of the set's keys,
 * the last one left out. False: there is none, @p is beyond all these.
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

static int key_pos_cmp(const struct keyset *set, u32 pos, struct bpos p)
{
	return bpos_cmp(bce_key_unpack_pos(&set->format, keyset_at(set, pos)), p);
}

static bool key_before(const struct keyset *set, u32 pos, struct bpos p)
{
	return key_pos_cmp(set, pos, p) < 0;
}

/* ---- the index ---- */

/* where a group begins */
struct group {
	const struct group_line	*line;
	unsigned int		nr;	/* in the line */
};

static __always_inline u32 group_start(const struct group *g)
{
	return g->line->start + (g->nr ? g->nr * GROUP_U64S + g->line->delta[g->nr - 1] : 0);
}

/* the entry to go down by: the last one that begins at or before @r, or the first. No jumps */
static __always_inline unsigned int fence_rank(const struct fence_line *fence, u64 r)
{
	const u64 *base = fence->base;

	return (base[1] <= r) + (base[2] <= r) + (base[3] <= r) + (base[4] <= r) + (base[5] <= r) +
	       (base[6] <= r) + (base[7] <= r);
}

/* @r as the slots of a line have it: a residue before the line is 0, one behind it beyond all */
static __always_inline u64 line_residue(const struct group_line *line, u64 r)
{
	u64 more = r > line->base ? (r - line->base) >> line->shift : 0;

	return min_t(u64, more, SLOT_NONE - 1);
}

/*
 * The last group of the line whose slot is at most @r, or the first; no jumps. The highest bit of
 * a lane stays if nothing is borrowed from it.
 */
static __always_inline unsigned int line_rank(const struct group_line *line, u64 r)
{
	const u64 high = IN_EACH_LANE << 15, *more = line->more;
	u64 from = r * IN_EACH_LANE | high;
	u64 sum = ((from - more[0]) & high) >> 15;

	sum += ((from - more[1]) & high) >> 15;
	sum += ((from - more[2]) & high) >> 15;
	sum += ((from - more[3]) & high) >> 15;
	return sum * IN_EACH_LANE >> 48;
}

/*
 * Where @index->exact: the last group that begins at or before the position of residue @r, or the
 * first one of all; or, within the line, one later.
 */
static __always_inline struct group search_exact(const struct keyset_index *index, u64 r)
{
	unsigned int level = index->nr_levels;
	struct group g;
	size_t at = 0;

	/* entries that stand for nothing are U64_MAX */
	r = min(r, U64_MAX - 1);
	while (level--)
		at = at * FENCES + fence_rank(&index->fence[index->level[level] + at], r);
	g.line = &index->line[at];
	g.nr = line_rank(g.line, line_residue(g.line, r));
	return g;
}

/* does the first key below entry @at of this level of fences come before @p? */
static bool entry_before(const struct keyset *set, unsigned int level, u64 at, struct bpos p)
{
	const struct keyset_index *index = set->index;

	at <<= FENCE_BITS * level;
	return at < index->nr_lines && key_before(set, index->line[at].start, p);
}

static unsigned int line_slot(const struct group_line *line, unsigned int slot)
{
	return line->more[slot / LANES] >> slot % LANES * 16 & SLOT_NONE;
}

/*
 * Where residues are cut off: the last group that begins before @p, or the first one of all. Equal
 * residues are decided by the keys.
 */
static struct group search_tied(const struct keyset *set, u64 r, struct bpos p)
{
	const struct keyset_index *index = set->index;
	unsigned int level = index->nr_levels, rank;
	struct group g = { }, next;
	size_t at = 0;
	u64 kept;

	while (level--) {
		const struct fence_line *fence = &index->fence[index->level[level] + at];

		at *= FENCES;
		rank = r ? fence_rank(fence, r - 1) : 0;
		while (rank + 1 < FENCES && fence->base[rank + 1] == r &&
		       entry_before(set, level, at + rank + 1, p))
			rank++;
		at += rank;
	}
	g.line = &index->line[at];
	kept = line_residue(g.line, r);
	g.nr = kept ? line_rank(g.line, kept - 1) : 0;
	while (g.nr < LINE_SLOTS && line_slot(g.line, g.nr) == kept) {
		next = (struct group) { g.line, g.nr + 1 };
		if (!key_before(set, group_start(&next), p))
			break;
		g = next;
	}
	return g;
}

/* the start of the last group that begins before @p, residue @r; the first key if none */
static u32 search_before(const struct keyset *set, u64 r, struct bpos p)
{
	const struct keyset_index *index = set->index;
	struct group g = index->exact ? search_exact(index, r) : search_tied(set, r, p);

	while (!key_before(set, group_start(&g), p)) {
		if (g.nr)
			g.nr--;
		else if (g.line == index->line)
			return 0;
		else
			g = (struct group) { g.line - 1, LINE_SLOTS };
	}
	return group_start(&g);
}

static __always_inline u32 lower_bound_by_word(const struct keyset *set, u64 r)
{
	const u64 *keys = (const u64 *)set->keys, *k;
	struct group g = search_exact(set->index, r);
	unsigned int last = set->format.key_u64s - 1;

	k = keys + group_start(&g);
	/* a group reaches into a second line; the search did not fetch either */
	__builtin_prefetch(k + GROUP_U64S / 2);
	while (unlikely(k[last] > (r | set->index->below) && g.nr)) {
		g.nr--;
		k = keys + group_start(&g);
	}
	while (k[last] < r)
		k += (u8)*k;
	return k - keys;
}

static noinline u32 lower_bound_by_position(const struct keyset *set, struct bpos p)
{
	u64 r = residue_of(set->index, p);
	struct group g;
	u32 pos;

	if (set->index->exact) {
		g = search_exact(set->index, r);
		while (g.nr && key_pos_cmp(set, group_start(&g), p) > 0)
			g.nr--;
		pos = group_start(&g);
	} else {
		pos = search_before(set, r, p);
	}
	while (pos < set->nr_u64s && key_before(set, pos, p))
		pos = keyset_next(set, pos);
	return pos;
}

/* for what is beyond all keys but the last, or became so when it was rounded up */
static noinline u32 last_or_end(const struct keyset *set, struct bpos p)
{
	return key_before(set, set->index->last, p) ? set->nr_u64s : set->index->last;
}

u32 bce_keyset_lower_bound(const struct keyset *set, struct bpos p)
{
	const struct keyset_index *index = set->index;
	struct bpos inside = p;
	u32 at;
	u64 r;

	if (unlikely(!index))
		return set->nr_u64s;
	if (unlikely(!round_up_into(index, &inside)))
		return last_or_end(set, p);
	if (unlikely(!index->word_compare)) {
		at = lower_bound_by_position(set, inside);
	} else {
		r = exact_residue_of(index, inside);
		at = lower_bound_by_word(set, r);
	}
	return likely(at < set->nr_u64s) ? at : last_or_end(set, p);
}

/* where the group begins that holds the key before the one at @pos */
static u32 group_before(const struct keyset *set, u32 pos)
{
	struct bpos p;

	if (pos >= set->index->last)
		return search_before(set, U64_MAX, SPOS_MAX);
	p = bce_key_unpack_pos(&set->format, keyset_at(set, pos));
	return search_before(set, residue_of(set->index, p), p);
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
