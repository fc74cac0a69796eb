// SPDX-License-Identifier: GPL-2.0
/*
 * Backpointers: all that have to be there against all that are.
 *
 * What has to be there comes in the order of the keys that point; the btree has them in the order
 * of what is pointed to. So the former are collected in runs of 4096, each sorted when it is full,
 * and at the end the runs are merged (by a heap of their heads) beside a walk over the btree:
 *
 *   runs   . . .  > > >  lowest expected   }  position equal, value equal: fine
 *   btree          > > > next stored       }  else one of them is alone
 *
 * Source: docs/format/75-allocation.md, 5.6.
 */
#include "engine/check/alloc_internal.h"

#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/key/text.h"
#include "engine/key/values.h"

static int place_cmp(u8 ldev, u64 loffset, u8 rdev, u64 roffset)
{
	if (ldev != rdev)
		return ldev < rdev ? -1 : 1;
	return loffset < roffset ? -1 : loffset > roffset;
}

static int entry_cmp(const void *l, const void *r)
{
	const struct check_backpointer *a = l, *b = r;

	return place_cmp(a->dev, a->offset, b->dev, b->offset);
}

int check_backpointer_expect(struct alloc_check *a, const struct check_backpointer *e)
{
	struct backpointer_run *run = a->nr_runs ? &a->run[a->nr_runs - 1] : NULL;
	int ret;

	if (!run || run->nr == BACKPOINTERS_PER_RUN) {
		if (run)
			sort(run->e, run->nr, sizeof(*run->e), entry_cmp, NULL);
		ret = check_array_room((void **)&a->run, a->nr_runs, &a->runs_room,
				       sizeof(*a->run));
		if (ret)
			return ret;
		run = &a->run[a->nr_runs];
		*run = (struct backpointer_run) { };
		run->e = kvmalloc_array(BACKPOINTERS_PER_RUN, sizeof(*run->e), GFP_KERNEL);
		if (!run->e)
			return -ENOMEM;
		a->nr_runs++;
	}
	run->e[run->nr++] = *e;
	return 0;
}

/* ---- the runs as a heap, lowest head first; exhausted runs are taken out ---- */

struct merge {
	struct alloc_check	*a;
	size_t			nr;		/* runs in the heap: the first ones of a->run */
	struct check_backpointer last;		/* the one passed last */
};

static const struct check_backpointer *head(const struct backpointer_run *run)
{
	return &run->e[run->at];
}

static void sift_down(struct merge *m, size_t i)
{
	struct backpointer_run *run = m->a->run;

	for (;;) {
		size_t low = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < m->nr && entry_cmp(head(&run[child]), head(&run[low])) < 0)
				low = child;
		if (low == i)
			return;
		swap(run[i], run[low]);
		i = low;
	}
}

static void merge_init(struct merge *m, struct alloc_check *a)
{
	struct backpointer_run *last;

	*m = (struct merge) { .a = a, .nr = a->nr_runs };
	if (!m->nr)
		return;
	last = &a->run[m->nr - 1];
	sort(last->e, last->nr, sizeof(*last->e), entry_cmp, NULL);
	for (size_t i = m->nr / 2 + 1; i--; )
		sift_down(m, i);
}

static const struct check_backpointer *merge_peek(const struct merge *m)
{
	return m->nr ? head(&m->a->run[0]) : NULL;
}

/* two keys that want the same place: their data lies on top of each other */
static void told_twice(struct merge *m, const struct check_backpointer *e)
{
	const struct check_backpointer *l = &m->last;

	bce_log_error(m->a->c->log, BCE_ERR_dup_backpointer_to_bad_csum_extent,
		      "%u:%llu: keys %s %llu:%llu:%u and %s %llu:%llu:%u point to the same sectors",
		      e->dev, e->offset >> BACKPOINTER_OFFSET_SHIFT, bce_btree_name(l->btree_id),
		      l->pos_inode, l->pos_offset, l->pos_snapshot, bce_btree_name(e->btree_id),
		      e->pos_inode, e->pos_offset, e->pos_snapshot);
}

static void drop_lowest(struct merge *m)
{
	struct backpointer_run *run = m->a->run;

	if (++run[0].at == run[0].nr) {
		m->nr--;
		swap(run[0], run[m->nr]);
	}
	sift_down(m, 0);
}

static void merge_advance(struct merge *m)
{
	m->last = *merge_peek(m);
	drop_lowest(m);
	if (m->nr && !entry_cmp(merge_peek(m), &m->last))
		told_twice(m, merge_peek(m));
}

/* ---- both sides ---- */

static int missing_backpointer(struct alloc_check *a, const struct check_backpointer *e,
				const char *how)
{
	if (!a->incomplete)
		bce_log_error(a->c->log, BCE_ERR_ptr_to_missing_backpointer,
			      "btree %s %llu:%llu:%u level %u: backpointer at %u:%llu %s",
			      bce_btree_name(e->btree_id), e->pos_inode, e->pos_offset,
			      e->pos_snapshot, e->level, e->dev, e->offset, how);
	return mend_backpointer(a, e);
}

static void no_pointer(struct alloc_check *a, const struct bkey *k,
		       const struct backpointer_info *v)
{
	if (!a->incomplete)
		bce_log_error(a->c->log, BCE_ERR_backpointer_to_missing_ptr,
			      "btree backpointers %llu:%llu: no such pointer in btree %s %llu:%llu:%u level %u",
			      k->p.inode, k->p.offset, bce_btree_name(v->btree_id), v->pos.inode,
			      v->pos.offset, v->pos.snapshot, v->level);
}

/* the place of a backpointer in its bucket, from the whole device's */
static u64 offset_in_bucket(const struct alloc_check *a, const struct check_backpointer *e)
{
	const struct member_info *m = a->dev[e->dev].info;
	u64 bucket = div_u64(e->offset >> BACKPOINTER_OFFSET_SHIFT, m->bucket_sectors);

	return e->offset - ((bucket * m->bucket_sectors) << BACKPOINTER_OFFSET_SHIFT);
}

static bool value_agrees(const struct alloc_check *a, const struct check_backpointer *e,
			 const struct backpointer_info *v)
{
	return v->btree_id == e->btree_id && v->level == e->level &&
		v->data_type == e->data_type && v->bucket_len == e->len &&
		v->bucket_offset == offset_in_bucket(a, e) && v->pos.inode == e->pos_inode &&
		v->pos.offset == e->pos_offset && v->pos.snapshot == e->pos_snapshot;
}

static bool bucket_known(struct alloc_check *a, const struct bkey *k)
{
	const struct check_dev *d = k->p.inode < BCH_MEMBERS_MAX ? &a->dev[k->p.inode] : NULL;
	const struct check_bucket *b;
	u32 offset;

	if (!d || !d->info) {
		bce_log_error(a->c->log, BCE_ERR_backpointer_to_missing_device,
			      "btree backpointers %llu:%llu: no such member", k->p.inode,
			      k->p.offset);
		return false;
	}
	b = check_bucket_at(a, k->p.inode, check_bucket_of_sector(d,
				k->p.offset >> BACKPOINTER_OFFSET_SHIFT, &offset));
	if (b && (b->flags & BUCKET_HAS_KEY))
		return true;
	bce_log_error(a->c->log, BCE_ERR_backpointer_to_missing_alloc,
		      "btree backpointers %llu:%llu: its bucket has no alloc key", k->p.inode,
		      k->p.offset);
	return false;
}

static int compare_key(struct alloc_check *a, unsigned int btree_id, unsigned int level,
		       const struct bkey *k)
{
	const struct check_backpointer *e;
	struct merge *m = a->merge;
	struct backpointer_info v;
	bool met = false, agreed = false;
	int ret = 0;

	if (k->type != KEY_TYPE_backpointer)
		return 0;
	if (!bucket_known(a, k))
		return mend_drop(a, btree_id, k->p);
	bce_backpointer_decode(k, &v);
	while (!ret && (e = merge_peek(m)) &&
	       place_cmp(e->dev, e->offset, k->p.inode, k->p.offset) < 0) {
		ret = missing_backpointer(a, e, "is missing");
		merge_advance(m);
	}
	while ((e = merge_peek(m)) && e->dev == k->p.inode && e->offset == k->p.offset) {
		met = true;
		agreed |= value_agrees(a, e, &v);
		merge_advance(m);
	}
	if (ret || agreed)
		return ret;
	no_pointer(a, k, &v);
	return met ? missing_backpointer(a, &m->last, "says otherwise") : mend_drop(a, btree_id, k->p);
}

int check_backpointers_compare(struct alloc_check *a)
{
	const struct check_backpointer *e;
	struct merge m;
	int ret;

	merge_init(&m, a);
	a->merge = &m;
	ret = check_walk(a, BTREE_ID_backpointers, 0, "backpointers", compare_key);
	for (; !ret && (e = merge_peek(&m)); merge_advance(&m))
		ret = missing_backpointer(a, e, "is missing");
	a->merge = NULL;
	return ret;
}
