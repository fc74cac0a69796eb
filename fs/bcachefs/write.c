// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered writes, and sizes.
 *
 *	for each folio of the range:
 *		user memory made present            no lock but i_rwsem
 *		adder of the add lock               add_lock.c
 *		folio found or made, locked; its writeback, if any, waited for
 *		pages written in part are read
 *		space promised (space.c)            here, and not later, the set may turn out to be full
 *		copied, faults off
 *		dirty; i_size raised
 *
 * A copy may stop short, where memory has gone again between the first and the fourth step. What has come is
 * kept if it ends on contents the folio has anyway; the rest is tried once more.
 *
 * Behind the end of a file there are zeros up to the end of its last block, on the members by the engine's
 * doing, in the page cache unless a map has left something there. So whoever makes a file longer first
 * clears the rest of the last page.
 */
#include "data.h"

#include <linux/backing-dev.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

#include <bcachefs/read.h>

#include "folio.h"
#include "kc/kc.h"

/* largest folio that a write makes */
#define FOLIO_BYTES_MAX		(256U << 10)
#define FOLIO_GET_FLAGS		(FGP_LOCK | FGP_WRITE | FGP_CREAT | FGP_NOFS)

/* ---- contents for what is not written ---- */

/* the page at @offset: read, or zeros behind the end of the file */
static int fill_page(struct inode *inode, struct folio *folio, size_t offset)
{
	int ret = 0;

	offset = round_down(offset, PAGE_SIZE);
	if (bcachefs_folio_has(folio, offset, PAGE_SIZE))
		return 0;
	if (folio_pos(folio) + offset >= i_size_read(inode))
		folio_zero_range(folio, offset, PAGE_SIZE);
	else
		ret = bcachefs_folio_read(inode, folio, offset, PAGE_SIZE);
	if (!ret)
		bcachefs_folio_set_has(folio, offset, PAGE_SIZE);
	return ret;
}

/* both ends of what is going to be written, where they do not fill a page */
static int fill_ends(struct inode *inode, struct folio *folio, size_t offset, size_t len)
{
	size_t end = offset + len;
	loff_t size = i_size_read(inode);
	int ret = 0;

	if (!PAGE_ALIGNED(offset))
		ret = fill_page(inode, folio, offset);
	/* a last page that is written up to the end of the file needs nothing behind it */
	if (!ret && !PAGE_ALIGNED(end) &&
	    (folio_pos(folio) + end < size || (end & PAGE_MASK) < offset))
		ret = fill_page(inode, folio, end);
	else if (!ret && !PAGE_ALIGNED(end) && !bcachefs_folio_has(folio, end, 1))
		folio_zero_segment(folio, end, PAGE_ALIGN(end));
	return ret;
}

/* ---- one folio ---- */

/* locked, prepared, with contents round [pos, pos + *len) and space for it */
static struct folio *write_begin(struct inode *inode, loff_t pos, size_t *len)
{
	struct address_space *mapping = inode->i_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping);
	struct folio *folio;
	size_t offset;
	int ret;

	folio = kc_folio_get(mapping, pos >> PAGE_SHIFT, FOLIO_GET_FLAGS | kc_fgf_order(*len), gfp);
	if (!folio)
		return ERR_PTR(-ENOMEM);
	folio_wait_writeback(folio);
	offset = offset_in_folio(folio, pos);
	*len = min(*len, folio_size(folio) - offset);
	ret = bcachefs_folio_prepare(folio);
	if (!ret)
		ret = fill_ends(inode, folio, offset, *len);
	if (!ret)
		ret = bcachefs_promise(inode, folio, offset, *len);
	if (!ret)
		return folio;
	folio_unlock(folio);
	folio_put(folio);
	return ERR_PTR(ret);
}

/* @len bytes have come, of those that were prepared for. Return: how many may stay */
static size_t write_end(struct inode *inode, struct folio *folio, loff_t pos, size_t len,
			size_t prepared)
{
	size_t offset = offset_in_folio(folio, pos);

	/* a page that was not filled, as all of it was to be written, has not come whole */
	if (len < prepared && !bcachefs_folio_has(folio, offset + len, 1)) {
		size_t end = round_down(offset + len, PAGE_SIZE);

		len = end > offset ? end - offset : 0;
	}
	if (!len)
		return 0;
	flush_dcache_folio(folio);
	bcachefs_folio_set_has(folio, offset, len);
	bcachefs_folio_set_dirty(folio, offset, len);
	filemap_dirty_folio(inode->i_mapping, folio);
	if (pos + len > i_size_read(inode))
		i_size_write(inode, pos + len);
	return len;
}

static ssize_t write_folio(struct inode *inode, loff_t pos, size_t len, struct iov_iter *from)
{
	struct bcachefs_add_lock *l = &to_bcachefs_inode(inode)->add_lock;
	struct folio *folio;
	ssize_t ret;

	bcachefs_add_enter(l, PAGE_ADDERS);
	folio = write_begin(inode, pos, &len);
	ret = PTR_ERR_OR_ZERO(folio);
	if (!ret) {
		size_t copied = copy_page_from_iter_atomic(&folio->page, offset_in_folio(folio, pos),
							   len, from);

		ret = write_end(inode, folio, pos, copied, len);
		iov_iter_revert(from, copied - ret);
		/* a promise for pages that have not come stays with nobody */
		if (ret < len)
			bcachefs_promise_put(inode, bcachefs_folio_drop_clean(
				folio, offset_in_folio(folio, pos) + ret, len - ret));
		folio_unlock(folio);
		folio_put(folio);
	}
	bcachefs_add_exit(l, PAGE_ADDERS);
	return ret;
}

/* ---- all of it ---- */

static ssize_t write_all(struct inode *inode, loff_t pos, struct iov_iter *from)
{
	struct address_space *mapping = inode->i_mapping;
	ssize_t written = 0, ret = 0;
	size_t room = FOLIO_BYTES_MAX;

	while (iov_iter_count(from)) {
		size_t len = min_t(size_t, iov_iter_count(from), room - (pos & (room - 1)));

		if (fault_in_iov_iter_readable(from, len) == len) {
			ret = -EFAULT;
			break;
		}
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = write_folio(inode, pos, len, from);
		if (ret < 0)
			break;
		/* nothing came: a smaller piece is more likely to stay present */
		room = ret ? FOLIO_BYTES_MAX : PAGE_SIZE;
		pos += ret;
		written += ret;
		balance_dirty_pages_ratelimited(mapping);
		cond_resched();
	}
	return written ?: ret;
}

ssize_t bcachefs_buffered_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (iocb->ki_pos > i_size_read(inode))
		bcachefs_zero_behind_end(inode, i_size_read(inode));
	ret = write_all(inode, iocb->ki_pos, from);
	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
}

/* ---- zeros ---- */

void bcachefs_zero_behind_end(struct inode *inode, loff_t old)
{
	struct folio *folio;
	size_t offset;

	if (PAGE_ALIGNED(old))
		return;
	folio = kc_folio_get(inode->i_mapping, old >> PAGE_SHIFT, FGP_LOCK, 0);
	if (!folio)
		return;
	folio_wait_writeback(folio);
	offset = offset_in_folio(folio, old);
	/* dirty if it was anything else: then it will be written like this */
	folio_zero_segment(folio, offset, PAGE_ALIGN(offset + 1));
	folio_unlock(folio);
	folio_put(folio);
}

/* is there nothing to be made zero? In one page, not cached */
static bool reads_as_zeros(struct inode *inode, loff_t pos, size_t len)
{
	u64 end = DIV_ROUND_UP_ULL(pos + len, SECTOR_SIZE);
	struct bce_extent e;

	for (u64 at = pos >> SECTOR_SHIFT; at < end; at = e.end_sector) {
		if (bce_extent_at(bcachefs_set_of(inode), bcachefs_id_of(inode), at, &e) ||
		    bcachefs_extent_is_data(&e))
			return false;
	}
	return true;
}

static int zero_in_page(struct inode *inode, loff_t pos, size_t len)
{
	struct folio *folio = kc_folio_get(inode->i_mapping, pos >> PAGE_SHIFT, 0, 0);
	bool cached = folio;

	if (folio)
		folio_put(folio);
	if (!cached && reads_as_zeros(inode, pos, len))
		return 0;
	folio = write_begin(inode, pos, &len);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	folio_zero_range(folio, offset_in_folio(folio, pos), len);
	write_end(inode, folio, pos, len, len);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

int bcachefs_zero_cached(struct inode *inode, loff_t start, loff_t end)
{
	struct bcachefs_add_lock *l = &to_bcachefs_inode(inode)->add_lock;
	int ret = 0;

	end = min(end, i_size_read(inode));	/* zeros are behind it already */
	while (!ret && start < end) {
		size_t len = min_t(loff_t, end - start, PAGE_SIZE - offset_in_page(start));

		bcachefs_add_enter(l, PAGE_ADDERS);
		ret = zero_in_page(inode, start, len);
		bcachefs_add_exit(l, PAGE_ADDERS);
		start += len;
	}
	return ret;
}

/* ---- sizes ---- */

static int told(struct inode *inode, int ret, const struct bce_inode *e)
{
	if (!ret)
		bcachefs_told_sectors(inode, e->sectors);
	return ret;
}

static int make_longer(struct inode *inode, loff_t old, loff_t size)
{
	struct bce_inode e;
	int ret;

	bcachefs_zero_behind_end(inode, old);
	ret = told(inode, bce_truncate(bcachefs_set_of(inode), bcachefs_id_of(inode), size, &e), &e);
	if (ret)
		return ret;
	i_size_write(inode, size);
	pagecache_isize_extended(inode, old, size);
	return 0;
}

/*
 * i_size first: writeback that begins from now on writes no more than that. Then the folios at the end and
 * behind it, with what is under way of them; then the extents.
 */
static int make_shorter(struct inode *inode, loff_t old, loff_t size)
{
	struct bce_inode e;
	int ret;

	filemap_invalidate_lock(inode->i_mapping);
	i_size_write(inode, size);
	truncate_pagecache(inode, size);
	ret = told(inode, bce_truncate(bcachefs_set_of(inode), bcachefs_id_of(inode), size, &e), &e);
	if (ret)
		i_size_write(inode, old);
	filemap_invalidate_unlock(inode->i_mapping);
	return ret;
}

int bcachefs_setsize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);

	inode_dio_wait(inode);
	return size > old ? make_longer(inode, old, size) : make_shorter(inode, old, size);
}
