/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_MOVE_H
#define ENGINE_DATA_MOVE_H

#include "engine/alloc/alloc.h"

struct data_writer;

/* Moving stored extents without a change of what files hold. */

struct data_move {
	unsigned int		btree_id;	/* extents, reflink */
	struct bpos		pos;		/* of the key, in its own snapshot */
	u64			drop_devs;	/* pointers to these members are replaced */
	unsigned int		extra;		/* replicas more than were dropped */
	enum alloc_watermark	watermark;
	u64			stream;
};
/**
 * bce_data_move() - write new copies of an extent, then drop the pointers to @drop_devs
 * As many copies as were dropped, but not more than the options ask for. What has been overwritten
 * meanwhile is left alone. Encrypted data stays as it is.
 * Context: may sleep; one at a time. Only at ALLOC_COPYGC it waits for space.
 * Return: 0 (also: nothing to do); -ENOENT no such key; -ENOSPC; -EAGAIN no space just now, or others write to
 * the extent in place (nocow.c); -EIO, -EILSEQ no copy could be read.
 */
int bce_data_move(struct data_writer *w, const struct data_move *m);

/* a key whose pointers are all stale loses them; as struct alloc_mover_ops says */
int bce_data_prune(void *writer, unsigned int btree_id, struct bpos pos);

/* for the allocator: ctx is the writer */
extern const struct alloc_mover_ops bce_data_mover_ops;

/*
 * A copy that could not be read, while another could: rewrite it soon. @snapshot: the file was
 * read in it. @devs: members with the bad copies. Context: any process context
 */
void bce_data_heal(void *writer, u64 inum, u32 snapshot, u64 sector, u64 devs);

#endif
