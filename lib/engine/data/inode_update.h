/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_INODE_UPDATE_H
#define ENGINE_DATA_INODE_UPDATE_H

#include <bcachefs/names.h>

#include "engine/data/extent_update.h"
#include "engine/key/inode.h"

/* The inode that goes with changed extents: always in the same transaction, in the same snapshot. */
struct data_inode {
	struct inode_fields	f;
	u32			snapshot;	/* to be written in */
	bool			inherited;	/* the key belongs to an ancestor */
};

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
