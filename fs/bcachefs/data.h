/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_DATA_H
#define BCACHEFS_DATA_H

/* What the files about contents share: space.c, read.c, write.c, writeback.c, direct.c, range.c. */

#include <linux/fs.h>

#include <bcachefs/write.h>

#include "vfs.h"

struct bce_extent;

static inline unsigned int bcachefs_block_bytes(struct inode *inode)
{
	return to_bcachefs_super(inode->i_sb)->info.block_bytes;
}

/* ---- space.c: space promised for dirty pages, one account per inode ---- */

/*
 * for pages of a locked, prepared folio that have none yet. Pages over a reservation of the file need none
 * when there is no space left. Return: 0; -ENOSPC, -EDQUOT, -EROFS
 */
int bcachefs_promise(struct inode *inode, struct folio *folio, size_t offset, size_t len);
/* of @pages, given back, or taken out for a write that uses it up */
void bcachefs_promise_put(struct inode *inode, unsigned int pages);
void bcachefs_promise_take(struct inode *inode, unsigned int pages, struct bce_space *out);

/* the engine says how many sectors the file has */
void bcachefs_told_sectors(struct inode *inode, u64 sectors);
/* the same by asking it, after what does not tell */
void bcachefs_blocks_refresh(struct inode *inode);

/* ---- read.c ---- */

/* read part of a locked folio, whole blocks, and wait. Return: 0, -errno */
int bcachefs_folio_read(struct inode *inode, struct folio *folio, size_t offset, size_t len);

/* ---- write.c ---- */

ssize_t bcachefs_buffered_write(struct kiocb *iocb, struct iov_iter *from);
/* bytes [start, end) become zeros in the page cache, dirty, unless the file has a hole there */
int bcachefs_zero_cached(struct inode *inode, loff_t start, loff_t end);
/* before a file becomes longer than @old: what maps left behind its end, in its last page */
void bcachefs_zero_behind_end(struct inode *inode, loff_t old);

/* ---- file.c ---- */

/* is there anything but zeros to be read? */
bool bcachefs_extent_is_data(const struct bce_extent *e);

/* ---- direct.c ---- */

/* -ENOTBLK: what is left must go through the page cache. i_rwsem is held, exclusively if @exclusive */
ssize_t bcachefs_direct_write(struct kiocb *iocb, struct iov_iter *from);

/* ---- module's start and end; exit also after init failed, or did not come ---- */

int bcachefs_read_init(void);
void bcachefs_read_exit(void);
int bcachefs_writeback_init(void);
void bcachefs_writeback_exit(void);
int bcachefs_direct_init(void);
void bcachefs_direct_exit(void);
int bcachefs_direct_write_init(void);
void bcachefs_direct_write_exit(void);

#endif
