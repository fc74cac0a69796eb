/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_INODE_UPDATE_H
#define ENGINE_DATA_INODE_UPDATE_H

#include <bcachefs/names.h>

#include "engine/data/extent_update.h"
#include "engine/key/inode.h"

struct data_writer;

/* The inode that goes with changed extents: always in the same transaction, in the same snapshot. */
struct data_inode {
	struct inode_fields	f;
	u32			snapshot;	/* to be written in */
	bool			inherited;	/* the key belongs to an ancestor */
	u64			sectors_before;
	u32			subvol;		/* to be charged; 0: nobody is */
};

/* what a transaction has charged, to be taken back if it is not committed: charge.c */
struct data_charge {
	struct data_writer	*w;
	struct inode_fields	inode;
	u32			subvol;
	s64			sectors;
	bool			enforce;
};
/* in each run of the transaction, before inodes are put */
int bce_data_charge_begin(struct bce_trans *t, struct data_charge *charge);
void bce_data_charge_undo(struct data_charge *charge);
/* the inode is about to be put. Return: 0, -EDQUOT, -ENOMEM */
int bce_data_charge_inode(struct bce_trans *t, const struct data_inode *inode);

/* Return: 0; -ENOENT no such file or subvolume; -EROFS the subvolume is read-only; -EIO */
int bce_data_inode_get(struct bce_trans *t, const struct extent_env *env, struct bce_file_id file,
		       struct data_inode *out);
int bce_data_inode_get_at(struct bce_trans *t, const struct extent_env *env, u64 inum,
			  u32 snapshot, struct data_inode *out);
/* bi_sectors changes by what the extents did */
void bce_data_inode_sectors(struct data_inode *inode, const struct extent_change *change);
/* the key is written in inode->snapshot, whatever changed: docs/format/60, section 20 */
int bce_data_inode_put(struct bce_trans *t, struct data_inode *inode);

/* sectors of a file of that size, in whole blocks */
u64 bce_data_eof_sectors(u64 size_bytes, u32 block_sectors);

#endif
