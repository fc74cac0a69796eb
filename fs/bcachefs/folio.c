// SPDX-License-Identifier: GPL-2.0
/*
 * What hangs on a folio that has been dirtied.
 *
 * A folio of one page has its flags, and needs one bit more: whether space has been promised for it.
 * That bit lies in folio->private itself, beside another that says so. A larger folio has a struct
 * folio_pages there, with bits for each page:
 *
 *	has		its contents are those of the file; the whole folio's: uptodate flag
 *	dirty		to be written. Random writes to a large folio write pages, not all of it
 *	promised	space is reserved in the set; as a rule of exactly the dirty ones. Dirty without a
 *			promise: what lies in a reservation of the file; or what somebody dirtied who
 *			held the page from before (get_user_pages())
 *
 * Pages, not blocks, also where the set's blocks are smaller: only the blocks up to the end of the
 * file are written.
 *
 * Everything changes under the folio lock, but for two things: ALL_DIRTY, set by dirty_folio() which
 * may be called under a page table's lock, and @writes, counted down by ends of I/O.
 */
#include "folio.h"

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

/* bits of folio->private of a folio of one page */
#define PRIVATE_ONE_PAGE	1UL
#define PRIVATE_PROMISED	2UL

#define ALL_DIRTY		0

struct folio_pages {
	atomic_t	writes;
	unsigned int	nr;
	unsigned long	flags;
	unsigned long	*has, *dirty, *promised;	/* @nr bits each */
	unsigned long	bits[];
};

static bool one_page(struct folio *folio)
{
	return !folio_test_large(folio);
}

static unsigned long private_bits(struct folio *folio)
{
	return (unsigned long)folio_get_private(folio);
}

static void set_private_bits(struct folio *folio, unsigned long bits)
{
	folio->private = (void *)(bits | PRIVATE_ONE_PAGE);
}

/* NULL: one page, or nothing known */
static struct folio_pages *pages_of(struct folio *folio)
{
	return one_page(folio) ? NULL : folio_get_private(folio);
}

static struct folio_pages *pages_alloc(unsigned int nr)
{
	unsigned int longs = BITS_TO_LONGS(nr);
	struct folio_pages *p = kzalloc(struct_size(p, bits, 3 * longs), GFP_NOFS);

	if (!p)
		return NULL;
	p->nr = nr;
	p->has = p->bits;
	p->dirty = p->has + longs;
	p->promised = p->dirty + longs;
	return p;
}

int bcachefs_folio_prepare(struct folio *folio)
{
	struct folio_pages *p;

	if (folio_test_private(folio))
		return 0;
	if (one_page(folio)) {
		folio_attach_private(folio, (void *)PRIVATE_ONE_PAGE);
		return 0;
	}
	p = pages_alloc(folio_nr_pages(folio));
	if (!p)
		return -ENOMEM;
	if (folio_test_uptodate(folio))
		bitmap_fill(p->has, p->nr);
	/* dirtied by somebody before we knew it */
	if (folio_test_dirty(folio))
		set_bit(ALL_DIRTY, &p->flags);
	folio_attach_private(folio, p);
	return 0;
}

unsigned int bcachefs_folio_forget(struct folio *folio)
{
	struct folio_pages *p = pages_of(folio);
	unsigned int nr;

	if (!folio_test_private(folio))
		return 0;
	nr = p ? bitmap_weight(p->promised, p->nr) : !!(private_bits(folio) & PRIVATE_PROMISED);
	folio_detach_private(folio);
	kfree(p);
	return nr;
}

/* ---- ranges of pages ---- */

static unsigned int first_page(size_t offset)
{
	return offset >> PAGE_SHIFT;
}

static unsigned int end_page(size_t offset, size_t len)
{
	return DIV_ROUND_UP(offset + len, PAGE_SIZE);
}

bool bcachefs_folio_has(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);

	if (folio_test_uptodate(folio))
		return true;
	return p && find_next_zero_bit(p->has, end_page(offset, len), first_page(offset)) >=
		    end_page(offset, len);
}

void bcachefs_folio_set_has(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);

	if (folio_test_uptodate(folio))
		return;
	if (p)
		bitmap_set(p->has, first_page(offset), end_page(offset, len) - first_page(offset));
	if (!p || bitmap_full(p->has, p->nr))
		folio_mark_uptodate(folio);
}

unsigned int bcachefs_folio_unpromised(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);
	unsigned int nr = 0;

	if (!p)
		return !(private_bits(folio) & PRIVATE_PROMISED);
	for (unsigned int i = first_page(offset); i < end_page(offset, len); i++)
		nr += !test_bit(i, p->promised);
	return nr;
}

void bcachefs_folio_set_promised(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);

	if (p)
		bitmap_set(p->promised, first_page(offset),
			   end_page(offset, len) - first_page(offset));
	else
		set_private_bits(folio, PRIVATE_PROMISED);
}

void bcachefs_folio_set_dirty(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);

	if (p)
		bitmap_set(p->dirty, first_page(offset),
			   end_page(offset, len) - first_page(offset));
}

void bcachefs_folio_all_dirty(struct folio *folio)
{
	struct folio_pages *p = pages_of(folio);

	if (p)
		set_bit(ALL_DIRTY, &p->flags);
}

static unsigned int take_promises(struct folio_pages *p, unsigned int from, unsigned int to)
{
	unsigned int nr = 0;

	for (unsigned int i = from; i < to; i++)
		nr += __test_and_clear_bit(i, p->promised);
	return nr;
}

/* of a folio of one page. Return: 1 or 0 */
static unsigned int take_one_promise(struct folio *folio)
{
	unsigned int had = !!(private_bits(folio) & PRIVATE_PROMISED);

	if (had)
		set_private_bits(folio, 0);
	return had;
}

unsigned int bcachefs_folio_drop(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);
	unsigned int from = DIV_ROUND_UP(offset, PAGE_SIZE), to = first_page(offset + len);

	if (!folio_test_private(folio) || from >= to)
		return 0;
	if (!p)
		return take_one_promise(folio);
	if (test_and_clear_bit(ALL_DIRTY, &p->flags))
		bitmap_fill(p->dirty, p->nr);
	bitmap_clear(p->dirty, from, to - from);
	return take_promises(p, from, to);
}

unsigned int bcachefs_folio_drop_clean(struct folio *folio, size_t offset, size_t len)
{
	struct folio_pages *p = pages_of(folio);
	unsigned int nr = 0;

	if (!p)		/* of one page: dirty or not, as the folio */
		return folio_test_dirty(folio) ? 0 : take_one_promise(folio);
	for (unsigned int i = first_page(offset); i < end_page(offset, len); i++)
		if (!test_bit(i, p->dirty) && !test_bit(ALL_DIRTY, &p->flags))
			nr += __test_and_clear_bit(i, p->promised);
	return nr;
}

/* ---- writeback ---- */

size_t bcachefs_folio_take_run(struct folio *folio, size_t *offset, size_t end,
			       unsigned int *promised)
{
	struct folio_pages *p = pages_of(folio);
	unsigned int nr = end_page(0, end), from, to;

	*promised = 0;
	if (*offset >= end)
		return 0;
	if (!p) {
		if (folio_test_private(folio) && one_page(folio))
			*promised = take_one_promise(folio);
		return end - *offset;
	}
	if (test_and_clear_bit(ALL_DIRTY, &p->flags))
		bitmap_fill(p->dirty, p->nr);
	from = find_next_bit(p->dirty, nr, first_page(*offset));
	if (from >= nr)
		return 0;
	to = find_next_zero_bit(p->dirty, nr, from);
	bitmap_clear(p->dirty, from, to - from);
	*promised = take_promises(p, from, to);
	*offset = (size_t)from << PAGE_SHIFT;
	return min(end, (size_t)to << PAGE_SHIFT) - *offset;
}

void bcachefs_folio_write_get(struct folio *folio)
{
	struct folio_pages *p = pages_of(folio);

	if (p)
		atomic_inc(&p->writes);
}

bool bcachefs_folio_write_put(struct folio *folio)
{
	struct folio_pages *p = pages_of(folio);

	return !p || atomic_dec_and_test(&p->writes);
}
