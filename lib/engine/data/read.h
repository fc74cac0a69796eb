/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_READ_H
#define ENGINE_DATA_READ_H

#include <linux/types.h>

#include "engine/btree/iter.h"
#include "engine/key/validate.h"
#include "engine/sb/members.h"
#include "engine/util/log.h"

struct bio;
struct btrees;
struct bce_cipher;
struct data_reader;

struct data_reader_config {
	struct btrees			*btrees;
	struct member_table		*members;
	const struct bce_cipher		*cipher;
	const struct key_rules		*rules;
	struct bce_log			*log;
	u32				block_sectors;
	u32				encoded_extent_max_sectors;
};

int bce_data_reader_alloc(struct data_reader **out, const struct data_reader_config *config);
void bce_data_reader_free(struct data_reader *r);

/**
 * struct data_read - one range of one file into the pages of a bio
 * @bio:    caller's; bi_iter.bi_sector is the file sector to start at (512 bytes),
 *          bi_iter.bi_size the bytes wanted (a multiple of 512); bi_bdev unused.
 *          All of the pages are filled: holes, unwritten and cached-only lost extents
 *          with zeros.
 * @inum:   file; @view: snapshot to read in (copied)
 * @done:   called once, from process or workqueue context; @error 0 or negative:
 *          -EIO no replica readable, -EILSEQ checksum or decompression wrong on all,
 *          -ENOKEY, -ENOMEM
 *
 * Memory is the caller's; it may be freed from @done.
 */
struct data_read {
	struct bio		*bio;
	u64			inum;
	struct snapshot_view	view;
	void			(*done)(struct data_read *read, int error);
	bool			nowait;		/* -EAGAIN where a btree node would have to be read first */
	/* private to read.c */
	atomic_t		pending;
	int			error;
	struct data_reader	*reader;
};

/**
 * bce_data_read() - start the read; returns at once or after metadata reads
 * Context: may sleep (btree nodes). @read->done may run before this returns.
 */
void bce_data_read(struct data_reader *r, struct data_read *read);

/* members to prefer or avoid: the policy of the dm target; called per pointer, 0 = no opinion */
struct data_read_policy {
	int	(*weight)(void *ctx, unsigned int dev);
	void	(*read_done)(void *ctx, u64 inum, u64 sector, u32 sectors, unsigned int dev,
			     bool cached_pointer);
	void	*ctx;
};
void bce_data_reader_set_policy(struct data_reader *r, const struct data_read_policy *policy);

/* what a reader has to know while the set is also written; NULL: it is not */
struct data_read_live {
	/* the generation now of the bucket that holds a device sector; -1 not known. Must not sleep */
	int	(*bucket_gen)(void *ctx, unsigned int dev, u64 sector);
	/* @devs hold bad copies of what lies at @sector; another one was good. May be NULL */
	void	(*bad_copy)(void *ctx, u64 inum, u32 snapshot, u64 sector, u64 devs);
	/* a cached pointer to this device sector has been of use. Must not sleep; may be NULL */
	void	(*cached_read)(void *ctx, unsigned int dev, u64 sector);
	void	*ctx;
};
void bce_data_reader_set_live(struct data_reader *r, const struct data_read_live *live);

#endif
