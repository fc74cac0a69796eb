/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHEFS_READ_H
#define BCACHEFS_READ_H

/* File contents. */

#include <linux/types.h>

#include <bcachefs/names.h>

struct bio;
struct bce_set;

/**
 * struct bce_read - fill the pages of a bio with a range of a file
 * @bio:  bi_iter.bi_sector: file sector (512 bytes) to start at; bi_iter.bi_size: bytes, a
 *        multiple of 512. bi_bdev and bi_end_io are not used by the engine. Pages beyond the
 *        end of the file, holes and unwritten ranges become zeros.
 * @done: called once, in process or workqueue context, possibly before bce_read_submit()
 *        returns; may free the struct. @error: 0, -EIO, -EILSEQ, -ENOMEM, -ENOENT, -EAGAIN
 */
struct bce_read {
	struct bce_file_id	file;
	struct bio		*bio;
	void			(*done)(struct bce_read *read, int error);
	bool			nowait;		/* -EAGAIN where metadata would have to be read first */
	bool			user_pages;	/* pages may change or be seen under us (direct I/O) */
	void			*private;	/* caller's */
	/* engine's */
	u64			engine[12];
};
/**
 * bce_read_submit() - start a read; @read->done tells when it is over, also of errors found at once
 * Context: process, may sleep for btree nodes and buffers. Locks of the page cache may be held.
 */
void bce_read_submit(struct bce_set *set, struct bce_read *read);

/* what lies at a file position */
enum bce_extent_kind {
	BCE_EXTENT_HOLE, BCE_EXTENT_DATA, BCE_EXTENT_UNWRITTEN, BCE_EXTENT_RESERVED,
	BCE_EXTENT_INLINE, BCE_EXTENT_ERROR,
};
struct bce_extent {
	u64			start_sector, end_sector;	/* in the file; hole: to the next extent */
	enum bce_extent_kind	kind;
	bool			encoded;	/* compressed or encrypted */
	bool			checksummed;	/* partial reads read all of [stored_start, stored_end) */
	bool			shared;		/* reflinked */
	u64			device_sector;	/* of the first dirty pointer; 0 unknown */
	u64			stored_start, stored_end;	/* file range that is stored as one */
};
/**
 * bce_extent_at() - the extent covering a file sector; or a hole up to the next one, or U64_MAX
 * Context: as bce_read_submit(). Return: 0; -EIO, -ENOMEM; -ENOENT the subvolume is gone.
 */
int bce_extent_at(struct bce_set *set, struct bce_file_id file, u64 sector,
		  struct bce_extent *out);

#endif
