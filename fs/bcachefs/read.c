// SPDX-License-Identifier: GPL-2.0
/*
 * Page-cache reads. Folios are gathered into one bio and the engine fills it:
 * it knows the extents, this file knows folios. Completion marks each folio
 * uptodate and unlocks it; a failed bio leaves its folios not uptodate, and
 * the page cache then asks for them one by one, so that only the bad ones
 * end in an error.
 *
 * A checksum covers a whole stored extent, so reading a part of it costs the
 * rest anyway: readahead windows are widened to extent borders.
 *
 * A fill is an adder in the sense of add_lock.c, from before the file is looked at
 * until its folios have their contents. A readahead that is kept out does
 * nothing: the page cache takes its folios back.
 */
#include "data.h"

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/pagemap.h>

#include <bcachefs/read.h>

#include "folio.h"
#include "kc/kc.h"

/* a read in flight; the bio with its vectors comes last (front_pad of the bio set) */
struct folio_read {
	struct bce_read			read;
	struct bcachefs_add_lock	*add_lock;	/* entered as adder */
	struct bio			bio;
};

static struct bio_set folio_read_set;

static void folio_read_done(struct bce_read *read, int error)
{
	struct folio_read *fr = container_of(read, struct folio_read, read);
	struct folio_iter fi;

	/* before the folios: with them the inode may go */
	bcachefs_add_leave(fr->add_lock, PAGE_ADDERS);
	bio_for_each_folio_all(fi, &fr->bio)
		kc_folio_end_read(fi.folio, !error);
	bio_put(&fr->bio);
}

static struct folio_read *folio_read_alloc(struct inode *inode, loff_t pos,
					   unsigned int nr_vecs, gfp_t gfp)
{
	struct bio *bio = bio_alloc_bioset(NULL, nr_vecs, REQ_OP_READ, gfp, &folio_read_set);
	struct folio_read *fr;

	if (!bio)
		return NULL;
	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	fr = container_of(bio, struct folio_read, bio);
	fr->read = (struct bce_read) {
		.file = bcachefs_id_of(inode),
		.bio = bio,
		.done = folio_read_done,
	};
	fr->add_lock = &to_bcachefs_inode(inode)->add_lock;
	return fr;
}

/* @fr has entered as adder */
static void folio_read_submit(struct inode *inode, struct folio_read *fr)
{
	bcachefs_add_handed_over(fr->add_lock);
	bce_read_submit(bcachefs_set_of(inode), &fr->read);
}

/* widen [start, end) sectors to the borders of the extents stored under both ends */
static void widen_to_extents(struct inode *inode, u64 *start, u64 *end)
{
	struct bce_file_id id = bcachefs_id_of(inode);
	struct bce_extent e;

	if (bce_extent_at(bcachefs_set_of(inode), id, *start, &e))
		return;
	if (e.checksummed || e.encoded)
		*start = min(*start, e.stored_start);
	if (*end > e.end_sector && bce_extent_at(bcachefs_set_of(inode), id, *end - 1, &e))
		return;
	if (e.checksummed || e.encoded)
		*end = max(*end, e.stored_end);
}

static void expand_window(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	u64 start = readahead_pos(rac) >> SECTOR_SHIFT;
	u64 end = start + (readahead_length(rac) >> SECTOR_SHIFT);
	u64 size = round_up(i_size_read(inode), PAGE_SIZE) >> SECTOR_SHIFT;
	u64 want_start = start, want_end = end;

	widen_to_extents(inode, &want_start, &want_end);
	want_end = min(want_end, max(size, end));
	if (want_start != start || want_end != end)
		readahead_expand(rac, want_start << SECTOR_SHIFT,
				 (want_end - want_start) << SECTOR_SHIFT);
}

/* an adder with a bio for folios from @folio on; NULL: the page cache reads it when somebody needs it */
static struct folio_read *readahead_begin(struct readahead_control *rac, struct folio *folio)
{
	struct inode *inode = rac->mapping->host;
	struct folio_read *fr;

	if (!bcachefs_add_try(&to_bcachefs_inode(inode)->add_lock, PAGE_ADDERS))
		return NULL;
	fr = folio_read_alloc(inode, folio_pos(folio),
			      min_t(unsigned int, readahead_count(rac) + 1, BIO_MAX_VECS),
			      GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN);
	if (!fr) {
		bcachefs_add_exit(&to_bcachefs_inode(inode)->add_lock, PAGE_ADDERS);
		return NULL;
	}
	kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0);
	return fr;
}

static void bcachefs_readahead(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	struct folio_read *fr = NULL;
	struct folio *folio;

	expand_window(rac);
	while ((folio = readahead_folio(rac))) {
		if (fr && !kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0)) {
			folio_read_submit(inode, fr);
			fr = NULL;
		}
		if (fr)
			continue;
		fr = readahead_begin(rac, folio);
		if (!fr)
			folio_unlock(folio);
	}
	if (fr)
		folio_read_submit(inode, fr);
}

/* ---- single folios ---- */

struct wait_read {
	struct completion	done;
	int			error;
};

static void wait_read_done(struct bce_read *read, int error)
{
	struct wait_read *w = read->private;

	w->error = error;
	complete(&w->done);
}

int bcachefs_folio_read(struct inode *inode, struct folio *folio, size_t offset, size_t len)
{
	struct folio_read *fr = folio_read_alloc(inode, folio_pos(folio) + offset, 1, GFP_NOFS);
	struct wait_read w;

	if (!fr)
		return -ENOMEM;
	init_completion(&w.done);
	fr->read.private = &w;
	fr->read.done = wait_read_done;
	kc_bio_add_folio(&fr->bio, folio, len, offset);
	bce_read_submit(bcachefs_set_of(inode), &fr->read);
	wait_for_completion_io(&w.done);
	bio_put(&fr->bio);
	return w.error;
}

/* a folio that has been written in part: what it has must stay */
static int read_missing(struct inode *inode, struct folio *folio)
{
	int ret = 0;

	for (size_t at = 0; !ret && at < folio_size(folio); at += PAGE_SIZE) {
		if (bcachefs_folio_has(folio, at, PAGE_SIZE))
			continue;
		ret = bcachefs_folio_read(inode, folio, at, PAGE_SIZE);
		if (!ret)
			bcachefs_folio_set_has(folio, at, PAGE_SIZE);
	}
	return ret;
}

/* enter as adder with @folio locked. Return: false: it is not what it was, and not locked any more */
static bool enter_with_folio(struct bcachefs_add_lock *l, struct folio *folio)
{
	struct address_space *mapping = folio->mapping;

	if (bcachefs_add_try(l, PAGE_ADDERS))
		return true;
	folio_unlock(folio);
	bcachefs_add_enter(l, PAGE_ADDERS);
	folio_lock(folio);
	if (folio->mapping == mapping && !folio_test_uptodate(folio))
		return true;
	folio_unlock(folio);
	bcachefs_add_exit(l, PAGE_ADDERS);
	return false;
}

static int bcachefs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	struct bcachefs_add_lock *l = &to_bcachefs_inode(inode)->add_lock;
	struct folio_read *fr;
	int ret;

	if (!enter_with_folio(l, folio))
		return AOP_TRUNCATED_PAGE;
	if (folio_test_private(folio)) {
		ret = read_missing(inode, folio);
	} else {
		fr = folio_read_alloc(inode, folio_pos(folio), 1, GFP_NOFS);
		if (fr) {
			kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0);
			folio_read_submit(inode, fr);
			return 0;
		}
		ret = -ENOMEM;
	}
	bcachefs_add_exit(l, PAGE_ADDERS);
	folio_unlock(folio);
	return ret;
}

static bool bcachefs_is_partially_uptodate(struct folio *folio, size_t from, size_t count)
{
	return bcachefs_folio_has(folio, from, min(count, folio_size(folio) - from));
}

const struct address_space_operations bcachefs_aops = {
	.read_folio		= bcachefs_read_folio,
	.readahead		= bcachefs_readahead,
	.is_partially_uptodate	= bcachefs_is_partially_uptodate,
	.writepages		= bcachefs_writepages,
	.dirty_folio		= bcachefs_dirty_folio,
	.invalidate_folio	= bcachefs_invalidate_folio,
	.release_folio		= bcachefs_release_folio,
	.migrate_folio		= filemap_migrate_folio,
	.swap_activate		= bcachefs_swap_activate,
	.direct_IO		= noop_direct_IO,
	KC_ERROR_REMOVE_FOLIO,
};

int bcachefs_read_init(void)
{
	return bioset_init(&folio_read_set, 16, offsetof(struct folio_read, bio),
			   BIOSET_NEED_BVECS);
}

void bcachefs_read_exit(void)
{
	bioset_exit(&folio_read_set);
}
