// SPDX-License-Identifier: GPL-2.0
/*
 * Reshaping files: fallocate in all its modes, cloning, dedupe. (copy_file_range(2) comes here too, by
 * the kernel's own attempt to clone; what cannot be cloned it copies through the page cache.)
 *
 * All of them: i_rwsem exclusively, direct I/O waited for, invalidate_lock exclusively; then what is dirty
 * of the range is written back, so that the engine has extents and size as they are seen, and its folios
 * are thrown out. Then the engine does the work, in blocks. A crash in the middle leaves what the
 * engine says of each call (docs/format/65-operations.md).
 *
 * What a hole or zeros take away is not written first. Its pages stay, dirty, until the engine has done its work, and
 * no_writeback keeps them from coming down behind it: a direct read, which takes no locks, waits for them or finds
 * what the engine made, and never what lies below a dirty page. Behind the end of the file that the engine knows pages are
 * written all the same: with them it learns how long the file is. If the engine fails they are written, too, and it is
 * asked again: it may have been short of the space that was promised to them.
 *
 * Bytes that do not fill a block are made zero in the page cache and are dirty then, like a write.
 */
#include "data.h"

#include <linux/falloc.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "kc/kc.h"

static u64 sectors(u64 bytes)
{
	return bytes >> SECTOR_SHIFT;
}

/* nothing of [start, end) is dirty, or being written; both bounds are widened to pages */
static int flush_range(struct inode *inode, loff_t start, loff_t end)
{
	if (start >= end)
		return 0;
	end = end > LLONG_MAX - PAGE_SIZE ? LLONG_MAX : round_up(end, PAGE_SIZE) - 1;
	return filemap_write_and_wait_range(inode->i_mapping, round_down(start, PAGE_SIZE), end);
}

/* whole pages round it; they are clean, so nothing is lost */
static void drop_pages(struct inode *inode, loff_t start, loff_t end)
{
	end = end > LLONG_MAX - PAGE_SIZE ? -1 : round_up(end, PAGE_SIZE) - 1;
	truncate_inode_pages_range(inode->i_mapping, round_down(start, PAGE_SIZE), end);
}

/* the file has become longer, or shorter, in the engine */
static void set_size(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);

	i_size_write(inode, size);
	if (size > old)
		pagecache_isize_extended(inode, old, size);
}

/* ---- punch, zero, allocate ---- */

/* [start, end): the page cache shows zeros of what does not fill blocks; the rest are blocks [*first, *last) */
static int zero_edges(struct inode *inode, loff_t start, loff_t end, loff_t *first, loff_t *last)
{
	unsigned int block = bcachefs_block_bytes(inode);
	int ret;

	*first = round_up(start, block);
	*last = round_down(end, block);
	if (*first > *last) {		/* within one block */
		*last = *first;
		return bcachefs_zero_cached(inode, start, end);
	}
	ret = bcachefs_zero_cached(inode, start, *first);
	return ret ?: bcachefs_zero_cached(inode, *last, end);
}

/* what becomes of blocks [first, last), and of the file's size if that is not 0 */
struct blocks_change {
	loff_t	first, last;
	bool	reserve;	/* else they become a hole */
	loff_t	new_size;
};

static int change_blocks(struct inode *inode, const struct blocks_change *c)
{
	struct bce_set *set = bcachefs_set_of(inode);
	struct bce_file_id id = bcachefs_id_of(inode);

	return c->reserve ? bce_fallocate(set, id, sectors(c->first), sectors(c->last), true, c->new_size) :
			    bce_punch(set, id, sectors(c->first), sectors(c->last));
}

/* pages that lie within [first, last) in part, or behind the end that the engine knows, are clean */
static int flush_edges(struct inode *inode, loff_t first, loff_t last)
{
	loff_t start = round_up(first, PAGE_SIZE), end = last;
	struct bce_inode e;
	int ret = bce_inode_read(bcachefs_set_of(inode), bcachefs_id_of(inode), &e);

	if (ret)
		return ret;
	if (e.size < i_size_read(inode))
		end = min_t(u64, end, e.size);
	end = round_down(end, PAGE_SIZE);
	if (start >= end)
		return flush_range(inode, first, last);
	ret = flush_range(inode, first, start);
	return ret ?: flush_range(inode, end, last);
}

/* what is dirty above the blocks goes when they have been changed, and is not written */
static int change_under_dirty(struct inode *inode, const struct blocks_change *c)
{
	struct bcachefs_inode *vi = to_bcachefs_inode(inode);
	int ret = flush_edges(inode, c->first, c->last);

	if (ret)
		return ret;
	down_write(&vi->no_writeback);
	filemap_fdatawait_range_keep_errors(inode->i_mapping, c->first, c->last - 1);
	ret = change_blocks(inode, c);
	if (!ret) {
		/* stores come as faults again, and wait */
		unmap_mapping_range(inode->i_mapping, c->first, c->last - c->first, 0);
		drop_pages(inode, c->first, c->last);
	}
	up_write(&vi->no_writeback);
	return ret;
}

static int change_and_drop(struct inode *inode, const struct blocks_change *c)
{
	int ret;

	if (filemap_range_needs_writeback(inode->i_mapping, c->first, c->last - 1) &&
	    !change_under_dirty(inode, c))
		return 0;
	ret = flush_range(inode, c->first, c->last);
	if (ret)
		return ret;
	drop_pages(inode, c->first, c->last);
	return change_blocks(inode, c);
}

static int punch(struct inode *inode, loff_t start, loff_t end)
{
	struct blocks_change c = { };
	int ret = zero_edges(inode, start, end, &c.first, &c.last);

	return ret || c.first == c.last ? ret : change_and_drop(inode, &c);
}

static int zero(struct inode *inode, loff_t start, loff_t end, loff_t new_size)
{
	struct blocks_change c = { .reserve = true, .new_size = new_size };
	int ret = zero_edges(inode, start, end, &c.first, &c.last);

	if (ret)
		return ret;
	return c.first == c.last ? change_blocks(inode, &c) : change_and_drop(inode, &c);
}

static int reserve(struct inode *inode, loff_t start, loff_t end, loff_t new_size)
{
	unsigned int block = bcachefs_block_bytes(inode);

	return bce_fallocate(bcachefs_set_of(inode), bcachefs_id_of(inode),
			     sectors(round_down(start, block)), sectors(round_up(end, block)), false,
			     new_size);
}

static int allocate(struct inode *inode, loff_t start, loff_t end, bool zeros, bool keep_size)
{
	loff_t old = i_size_read(inode), new_size = 0;
	int ret = 0;

	if (!keep_size && end > old) {
		ret = inode_newsize_ok(inode, end);
		if (ret)
			return ret;
		bcachefs_zero_behind_end(inode, old);
		new_size = end;
	}
	ret = zeros ? zero(inode, start, end, new_size) : reserve(inode, start, end, new_size);
	if (!ret && new_size)
		set_size(inode, new_size);
	return ret;
}

/* ---- collapse, insert ---- */

/* what is behind @start has no folios any more, and is in the engine */
static int empty_behind(struct inode *inode, loff_t start)
{
	int ret = flush_range(inode, start, LLONG_MAX);

	if (!ret)
		drop_pages(inode, start, LLONG_MAX);
	return ret;
}

static int collapse(struct inode *inode, loff_t start, loff_t len)
{
	loff_t size = i_size_read(inode);
	int ret;

	if (start + len >= size)
		return -EINVAL;
	ret = empty_behind(inode, start);
	if (!ret)
		ret = bce_collapse_range(bcachefs_set_of(inode), bcachefs_id_of(inode), sectors(start),
					 sectors(len));
	if (!ret)
		set_size(inode, size - len);
	return ret;
}

static int insert(struct inode *inode, loff_t start, loff_t len)
{
	loff_t size = i_size_read(inode);
	int ret;

	if (start >= size)
		return -EINVAL;
	if (len > inode->i_sb->s_maxbytes - size)
		return -EFBIG;
	ret = inode_newsize_ok(inode, size + len) ?: empty_behind(inode, start);
	if (!ret)
		ret = bce_insert_range(bcachefs_set_of(inode), bcachefs_id_of(inode), sectors(start),
				       sectors(len));
	if (!ret)
		set_size(inode, size + len);
	return ret;
}

/* ---- fallocate(2) ---- */

static int reshape(struct inode *inode, int mode, loff_t start, loff_t len)
{
	unsigned int block = bcachefs_block_bytes(inode);
	bool keep_size = mode & FALLOC_FL_KEEP_SIZE;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
		return allocate(inode, start, start + len, false, keep_size);
	case FALLOC_FL_ZERO_RANGE:
		return allocate(inode, start, start + len, true, keep_size);
	case FALLOC_FL_PUNCH_HOLE:
		return punch(inode, start, start + len);
	case FALLOC_FL_COLLAPSE_RANGE:
		return (start | len) & (block - 1) ? -EINVAL : collapse(inode, start, len);
	case FALLOC_FL_INSERT_RANGE:
		return (start | len) & (block - 1) ? -EINVAL : insert(inode, start, len);
	default:
		return -EOPNOTSUPP;
	}
}

long bcachefs_fallocate(struct file *file, int mode, loff_t start, loff_t len)
{
	struct inode *inode = file_inode(file);
	int ret;

	if (!S_ISREG(inode->i_mode))
		return -EOPNOTSUPP;
	inode_lock(inode);
	inode_dio_wait(inode);
	ret = file_modified(file);
	if (!ret) {
		filemap_invalidate_lock(inode->i_mapping);
		ret = reshape(inode, mode, start, len);
		bcachefs_blocks_refresh(inode);
		filemap_invalidate_unlock(inode->i_mapping);
	}
	inode_unlock(inode);
	return ret;
}

/* ---- sharing ---- */

/* i_rwsem and invalidate_lock of both are held. Return: bytes or -errno */
static loff_t clone(struct inode *src, loff_t pos_in, struct inode *dst, loff_t pos_out, loff_t len)
{
	unsigned int block = bcachefs_block_bytes(dst);
	loff_t old = i_size_read(dst), end = pos_out + len;
	u64 done;
	int ret;

	if (pos_out > old)
		bcachefs_zero_behind_end(dst, old);
	drop_pages(dst, pos_out, end);
	/* the engine may know of a shorter file, as long as its end is in dirty pages: nothing may lie behind that */
	ret = bce_reflink(bcachefs_set_of(dst), bcachefs_id_of(src), sectors(pos_in), bcachefs_id_of(dst),
			  sectors(pos_out), sectors(round_up(len, block)), max(end, old), &done);
	len = min_t(loff_t, len, done << SECTOR_SHIFT);
	if (len && pos_out + len > old)
		set_size(dst, pos_out + len);
	bcachefs_blocks_refresh(src);
	if (src != dst)
		bcachefs_blocks_refresh(dst);
	return len ?: ret;
}

loff_t bcachefs_remap_file_range(struct file *file_in, loff_t pos_in, struct file *file_out,
				 loff_t pos_out, loff_t len, unsigned int flags)
{
	struct inode *src = file_inode(file_in), *dst = file_inode(file_out);
	loff_t ret;

	if (flags & ~(REMAP_FILE_DEDUP | REMAP_FILE_ADVISORY))
		return -EINVAL;
	lock_two_nondirectories(src, dst);
	filemap_invalidate_lock_two(src->i_mapping, dst->i_mapping);
	/* waits for direct I/O, writes back both, compares for dedupe, takes privileges away */
	ret = generic_remap_file_range_prep(file_in, pos_in, file_out, pos_out, &len, flags);
	if (!ret && len)
		ret = clone(src, pos_in, dst, pos_out, len);
	filemap_invalidate_unlock_two(src->i_mapping, dst->i_mapping);
	unlock_two_nondirectories(src, dst);
	return ret;
}
