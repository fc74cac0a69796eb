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
 */
#include "vfs.h"

#include <linux/bio.h>
#include <linux/pagemap.h>

#include <bcachefs/read.h>

#include "kc/kc.h"

/* a read in flight; the bio with its vectors comes last (front_pad of the bio set) */
struct folio_read {
	struct bce_read	read;
	struct bio	bio;
};

static struct bio_set folio_read_set;

static void folio_read_done(struct bce_read *read, int error)
{
	struct folio_read *fr = container_of(read, struct folio_read, read);
	struct folio_iter fi;

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
		.file = to_bcachefs_inode(inode)->e.id,
		.bio = bio,
		.done = folio_read_done,
	};
	return fr;
}

static struct bce_set *inode_set_of(struct inode *inode)
{
	return to_bcachefs_super(inode->i_sb)->set;
}

/* widen [start, end) sectors to the borders of the extents stored under both ends */
static void widen_to_extents(struct inode *inode, u64 *start, u64 *end)
{
	struct bce_file_id id = to_bcachefs_inode(inode)->e.id;
	struct bce_extent e;

	if (bce_extent_at(inode_set_of(inode), id, *start, &e))
		return;
	if (e.checksummed || e.encoded)
		*start = min(*start, e.stored_start);
	if (*end > e.end_sector && bce_extent_at(inode_set_of(inode), id, *end - 1, &e))
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

static void bcachefs_readahead(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	struct folio_read *fr = NULL;
	struct folio *folio;

	expand_window(rac);
	while ((folio = readahead_folio(rac))) {
		if (fr && !kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0)) {
			bce_read_submit(inode_set_of(inode), &fr->read);
			fr = NULL;
		}
		if (fr)
			continue;
		fr = folio_read_alloc(inode, folio_pos(folio),
				      min_t(unsigned int, readahead_count(rac) + 1, BIO_MAX_VECS),
				      GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN);
		if (!fr) {
			/* the page cache reads it alone when somebody needs it */
			folio_unlock(folio);
			continue;
		}
		kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0);
	}
	if (fr)
		bce_read_submit(inode_set_of(inode), &fr->read);
}

static int bcachefs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	struct folio_read *fr = folio_read_alloc(inode, folio_pos(folio), 1, GFP_NOFS);

	if (!fr) {
		folio_unlock(folio);
		return -ENOMEM;
	}
	kc_bio_add_folio(&fr->bio, folio, folio_size(folio), 0);
	bce_read_submit(inode_set_of(inode), &fr->read);
	return 0;
}

const struct address_space_operations bcachefs_aops = {
	.read_folio	= bcachefs_read_folio,
	.readahead	= bcachefs_readahead,
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
