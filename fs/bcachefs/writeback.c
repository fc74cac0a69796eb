// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty folios to the engine.
 *
 *	folio 7    folio 8    folio 9 (large)            folio 40
 *	[dirty]    [dirty]    [dirty|clean|dirty dirty]  [dirty]
 *	\________________________/      \_________/      \_____/
 *	         one write                 one           one
 *
 * Pages that follow each other become one write of up to WRITE_BYTES_MAX: the engine makes extents out
 * of it as long as a checksum reaches, and one transaction. Writes are under way in any number;
 * writepages() does not wait for them. A folio's writeback ends with the last write that has a part of
 * it. Nobody changes a folio meanwhile: its checksum has been made.
 *
 * A page takes its promise of space along. What has none lies over a reservation of the file or was dirtied
 * behind our back; space is asked for then, and done without if there is none: the engine will see.
 *
 * The file's size in the engine is raised with the data's key, in one transaction, never further than
 * the data reaches. So after a crash there is no size without contents. i_size is read with the folio locked, and
 * whoever makes the file shorter sets i_size first and then waits for the folios at the new end and
 * behind it: an old size cannot come later than the new one.
 *
 * Who fails loses the data, as everywhere in Linux: the mapping remembers the error for fsync().
 */
#include "data.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/writeback.h>

#include "folio.h"
#include "kc/kc.h"

#define WRITE_BYTES_MAX		SZ_1M

/* the bio with its vectors comes last (front_pad of the bio set) */
struct folio_write {
	struct bce_write	write;
	struct bce_space	space;
	struct inode		*inode;
	unsigned int		promised;	/* pages */
	struct bio		bio;
};

struct gathering {
	struct inode			*inode;
	struct writeback_control	*wbc;
	struct folio_write		*fw;	/* or NULL */
};

static struct bio_set folio_write_set;

static void folio_write_done(struct bce_write *write, int error)
{
	struct folio_write *fw = container_of(write, struct folio_write, write);
	struct folio_iter fi;

	if (error)
		mapping_set_error(fw->inode->i_mapping, error);
	if (write->inode_sectors >= 0)
		bcachefs_told_sectors(fw->inode, write->inode_sectors);
	/* with the last of them the inode may go */
	bio_for_each_folio_all(fi, &fw->bio)
		if (bcachefs_folio_write_put(fi.folio))
			folio_end_writeback(fi.folio);
	bio_put(&fw->bio);
}

static void take_space(struct folio_write *fw)
{
	unsigned int pages = DIV_ROUND_UP(fw->bio.bi_iter.bi_size, PAGE_SIZE);
	struct bce_set *set = bcachefs_set_of(fw->inode);
	struct bce_space more = { };
	struct bce_inode e;

	bcachefs_promise_take(fw->inode, fw->promised, &fw->space);
	if (likely(fw->promised >= pages))
		return;
	bcachefs_inode_copy(fw->inode, &e);
	if (!bce_space_get(set, &e, (u64)(pages - fw->promised) * PAGE_SECTORS, &more))
		fw->space.sectors += more.sectors;
}

static void gathering_send(struct gathering *g)
{
	struct folio_write *fw = g->fw;

	g->fw = NULL;
	if (!fw)
		return;
	take_space(fw);
	fw->write = (struct bce_write) {
		.file = bcachefs_id_of(fw->inode),
		.bio = &fw->bio,
		.new_size = i_size_read(fw->inode),
		.space = &fw->space,
		.done = folio_write_done,
	};
	bce_write_submit(bcachefs_set_of(fw->inode), &fw->write);
}

static void gathering_begin(struct gathering *g, loff_t pos)
{
	struct bio *bio = bio_alloc_bioset(NULL, BIO_MAX_VECS, REQ_OP_WRITE | wbc_to_write_flags(g->wbc),
					   GFP_NOFS, &folio_write_set);

	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	g->fw = container_of(bio, struct folio_write, bio);
	g->fw->inode = g->inode;
	g->fw->promised = 0;
}

static bool gathering_takes(struct gathering *g, struct folio *folio, size_t offset, size_t len)
{
	struct bio *bio = g->fw ? &g->fw->bio : NULL;

	return bio && bio_end_sector(bio) == (folio_pos(folio) + offset) >> SECTOR_SHIFT &&
	       bio->bi_iter.bi_size + len <= WRITE_BYTES_MAX &&
	       kc_bio_add_folio(bio, folio, len, offset);
}

static void gather(struct gathering *g, struct folio *folio, size_t offset, size_t len,
		   unsigned int promised)
{
	while (len) {
		size_t bytes = min_t(size_t, len, WRITE_BYTES_MAX);
		unsigned int pages = min_t(unsigned int, promised, DIV_ROUND_UP(bytes, PAGE_SIZE));

		if (!gathering_takes(g, folio, offset, bytes)) {
			gathering_send(g);
			gathering_begin(g, folio_pos(folio) + offset);
			kc_bio_add_folio(&g->fw->bio, folio, bytes, offset);
		}
		bcachefs_folio_write_get(folio);
		g->fw->promised += pages;
		promised -= pages;
		offset += bytes;
		len -= bytes;
	}
}

/* bytes of a locked folio to be written, whole blocks; 0: it lies behind the end */
static size_t folio_bytes(struct inode *inode, struct folio *folio)
{
	loff_t size = i_size_read(inode);
	size_t in_folio;

	if (folio_pos(folio) >= size)
		return 0;
	if (size - folio_pos(folio) >= folio_size(folio))
		return folio_size(folio);
	in_folio = size - folio_pos(folio);
	/* a map may have left something there */
	folio_zero_segment(folio, in_folio, folio_size(folio));
	return round_up(in_folio, bcachefs_block_bytes(inode));
}

static int write_folio(struct folio *folio, struct writeback_control *wbc, void *data)
{
	struct gathering *g = data;
	size_t end = folio_bytes(g->inode, folio), offset = 0, len;
	unsigned int promised;

	if (bcachefs_folio_prepare(folio)) {
		folio_redirty_for_writepage(wbc, folio);
		folio_unlock(folio);
		return 0;
	}
	folio_start_writeback(folio);
	if (folio_test_large(folio))
		bcachefs_folio_write_get(folio);	/* ours, until all are gathered */
	while ((len = bcachefs_folio_take_run(folio, &offset, end, &promised))) {
		gather(g, folio, offset, len, promised);
		offset += len;
	}
	/* promises of pages behind the end */
	bcachefs_promise_put(g->inode, bcachefs_folio_drop(folio, offset, folio_size(folio) - offset));
	folio_unlock(folio);
	if (!end || folio_test_large(folio))
		if (bcachefs_folio_write_put(folio))
			folio_end_writeback(folio);
	return 0;
}

/* who only cleans up goes on to another file; who wants it on the members waits */
static bool may_write(struct bcachefs_inode *vi, const struct writeback_control *wbc)
{
	if (wbc->sync_mode == WB_SYNC_NONE)
		return down_read_trylock(&vi->no_writeback);
	down_read(&vi->no_writeback);
	return true;
}

int bcachefs_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(mapping->host);
	struct gathering g = { .inode = mapping->host, .wbc = wbc };
	struct blk_plug plug;
	int ret;

	if (!may_write(vi, wbc))
		return 0;
	blk_start_plug(&plug);
	ret = kc_write_cache_pages(mapping, wbc, write_folio, &g);
	gathering_send(&g);
	blk_finish_plug(&plug);
	up_read(&vi->no_writeback);
	return ret;
}

/* ---- folios that change or go ---- */

/* from page tables, or by who holds a page from before: nobody asked us */
bool bcachefs_dirty_folio(struct address_space *mapping, struct folio *folio)
{
	bcachefs_folio_all_dirty(folio);
	return filemap_dirty_folio(mapping, folio);
}

void bcachefs_invalidate_folio(struct folio *folio, size_t offset, size_t len)
{
	struct inode *inode = folio->mapping->host;

	if (!offset && len == folio_size(folio)) {
		folio_wait_writeback(folio);
		bcachefs_promise_put(inode, bcachefs_folio_forget(folio));
	} else {
		bcachefs_promise_put(inode, bcachefs_folio_drop(folio, offset, len));
	}
}

bool bcachefs_release_folio(struct folio *folio, gfp_t gfp)
{
	struct inode *inode = folio->mapping->host;

	if (folio_test_dirty(folio) || folio_test_writeback(folio))
		return false;
	bcachefs_promise_put(inode, bcachefs_folio_forget(folio));
	return true;
}

int bcachefs_swap_activate(struct swap_info_struct *sis, struct file *file, sector_t *span)
{
	pr_err("bcachefs: swapon refused: blocks of a file move, and their checksums, compression and copies are made by the file system, which needs memory to do so; swap to a partition or volume\n");
	return -EOPNOTSUPP;
}

int bcachefs_writeback_init(void)
{
	return bioset_init(&folio_write_set, 16, offsetof(struct folio_write, bio),
			   BIOSET_NEED_BVECS);
}

void bcachefs_writeback_exit(void)
{
	bioset_exit(&folio_write_set);
}
