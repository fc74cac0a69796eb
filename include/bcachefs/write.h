/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_WRITE_H
#define BCACHEFS_WRITE_H

/*
 * Changing file contents. Context and common errors as in <bcachefs/ops.h>. Sectors of 512
 * bytes, multiples of the set's block; sizes of files in bytes.
 */

#include <bcachefs/names.h>

struct bio;
struct bce_set;

/* space that a later write will not fail for */
struct bce_space {
	u64	sectors;
	u8	replicas;
};
/*
 * for @sectors of file data with the inode's replicas, or with @out->replicas if that is not 0. @out->sectors: what
 * the caller has for this file already, which quotas allow for; promises for other files they do not see. Return:
 * 0, and the new promise alone; -ENOSPC, -EDQUOT
 */
int bce_space_get(struct bce_set *set, const struct bce_inode *inode, u64 sectors,
		  struct bce_space *out);
void bce_space_put(struct bce_set *set, struct bce_space *space);
/*
 * Does the file hold space for what is written to [start, end), sectors, so that it needs none that is free? What fallocate has
 * reserved, and what a file with option nocow has written and will write over. Context: may sleep
 */
bool bce_holds_space(struct bce_set *set, struct bce_file_id file, u64 start, u64 end);

enum bce_write_flags {
	BCE_WRITE_FUA		= 1 << 0,	/* @done means durable */
	BCE_WRITE_UNSTABLE	= 1 << 1,	/* the pages may change meanwhile (direct I/O) */
};
/**
 * struct bce_write - write the pages of a bio to a range of a file
 * @file:     a regular file or a symlink
 * @bio:      bi_iter.bi_sector: file sector, bi_size: bytes; both multiples of the block.
 *            bi_bdev and bi_end_io are not used. The pages must not change until @done, unless
 *            BCE_WRITE_UNSTABLE says that they may: then they are copied where it matters.
 * @new_size: the file is at least this long afterwards (0: size unchanged)
 * @space:    promise to be used up, or NULL: reserve now
 * @mtime:    set mtime and ctime to now
 * @inode_sectors: out: how many the file has since the last transaction of this write; -1: there was none
 * @done:     called once, in process or workqueue context, possibly before submit returns; may
 *            free the struct. @error: 0, or what of it failed: some of the range may be written
 */
struct bce_write {
	struct bce_file_id	file;
	struct bio		*bio;
	u64			new_size;
	struct bce_space	*space;
	unsigned int		flags;
	bool			mtime;
	s64			inode_sectors;
	void			(*done)(struct bce_write *write, int error);
	void			*private;	/* caller's */
	u64			engine[16];
};
/* Context: process, may sleep for space, buffers and btree nodes. Memory is got without I/O. */
void bce_write_submit(struct bce_set *set, struct bce_write *write);

/**
 * bce_truncate() - change a file's size
 * The block at a new end that is not a multiple of the block is zeroed behind it by us.
 * Return: 0.
 */
int bce_truncate(struct bce_set *set, struct bce_file_id file, u64 new_size_bytes,
		 struct bce_inode *out);
/* holes in [start, end) of sectors become reservations (or unwritten extents for nocow files) */
int bce_fallocate(struct bce_set *set, struct bce_file_id file, u64 start, u64 end,
		  bool zero, u64 new_size_bytes);
int bce_punch(struct bce_set *set, struct bce_file_id file, u64 start, u64 end);
int bce_insert_range(struct bce_set *set, struct bce_file_id file, u64 start, u64 sectors);
int bce_collapse_range(struct bce_set *set, struct bce_file_id file, u64 start, u64 sectors);
/* share [src, src + sectors) at dst. Return: 0; *done_sectors of it have been done in any case */
int bce_reflink(struct bce_set *set, struct bce_file_id src_file, u64 src, struct bce_file_id dst_file,
		u64 dst, u64 sectors, u64 new_size_bytes, u64 *done_sectors);

#endif
