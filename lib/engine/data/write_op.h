/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_WRITE_OP_H
#define ENGINE_DATA_WRITE_OP_H

/* One write on its way: write.c makes it and sends its data, write_index.c commits its keys. */

#include <linux/list.h>

#include "engine/data/write_internal.h"

#define WRITE_BATCH		16

struct write_op {
	struct bce_closure		cl;
	struct list_head		ready;		/* in its lane, for its keys to be committed */
	struct data_writer		*w;
	struct data_write		*req;
	struct data_options		opts;
	struct bvec_iter		iter;		/* not yet in a batch ... */
	u64				pos;		/* ... and its file sector */
	u64				data_end_bytes;	/* of the file, when this is done */
	u32				snapshot;	/* that is written in, when it began */
	struct space_reservation	own;		/* if the caller brought none */
	struct space_reservation	split;		/* for what cutting compressed extents costs */
	unsigned int			nr;
	unsigned int			committed, committing;	/* of them */
	u64				inode_sectors;	/* of the file, with those being committed */
	int				error;
	struct write_extent		e[WRITE_BATCH];
};

/* ---- write.c ---- */

struct write_how bce_write_op_how(const struct write_op *op);
/* the keys of the batch have been committed, or op->error says why not. Context: may sleep */
void bce_write_indexed(struct write_op *op);

/* ---- write_index.c ---- */

/* all writes to the devices have ended. A continuation of op->cl. Context: any, also interrupts */
void bce_write_index(struct bce_closure *cl);

#endif
