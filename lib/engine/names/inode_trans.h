/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_INODE_TRANS_H
#define ENGINE_NAMES_INODE_TRANS_H

#include "engine/btree/trans.h"
#include "engine/key/inode.h"
#include "engine/names/snapshot.h"
#include "engine/util/log.h"

/*
 * Inodes in transactions. Whoever writes any key of a file in a snapshot writes its inode there,
 * too, in the same transaction (docs/format/60-filesystem-keys.md, section 20).
 */

/* the version that @view sees. Return: 0, -ENOENT, -EIO, -ENOMEM, BCE_TRANS_RESTART */
int bce_inode_trans_read(struct bce_trans *t, u64 inum, const struct snapshot_view *view,
			 struct bce_log *log, struct inode_fields *out);
/*
 * Write @f in the snapshot of a subvolume, a leaf, wherever it was read; its snapshot and flags are
 * made to fit. bi_journal_seq is filled in at commit. Return: 0, -ENOMEM.
 */
int bce_inode_trans_write(struct bce_trans *t, u32 snapshot, struct inode_fields *f);
/* write @f at its own snapshot, interior or not, as it is */
int bce_inode_trans_put(struct bce_trans *t, const struct inode_fields *f);

/*
 * The nearest inode key of @inum strictly above @snapshot. Return: as bce_inode_trans_read().
 */
int bce_inode_trans_above(struct bce_trans *t, const struct snapshot_table *table, u64 inum,
			  u32 snapshot, struct bce_log *log, struct inode_fields *out);
/* Is there an inode key of @inum strictly below @snapshot? Return: 1, 0, negative as above */
int bce_inode_trans_is_below(struct bce_trans *t, const struct snapshot_table *table, u64 inum,
			     u32 snapshot);

#endif
