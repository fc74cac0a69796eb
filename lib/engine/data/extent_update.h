/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_EXTENT_UPDATE_H
#define ENGINE_DATA_EXTENT_UPDATE_H

#include "engine/btree/trans.h"
#include "engine/key/validate.h"

/* what writing asks about snapshots; the table is above us */
struct data_snapshots {
	/* reading in snapshot @id */
	struct snapshot_view (*view)(void *ctx, u32 id);
	u32	(*parent)(void *ctx, u32 id);		/* 0: none */
	bool	(*has_children)(void *ctx, u32 id);
	/*
	 * The snapshot a subvolume is in; still so when the transaction commits. @write: it is to be
	 * written. Return: 0, -ENOENT, -EROFS, BCE_TRANS_RESTART, -EIO, -ENOMEM.
	 */
	int	(*subvol)(void *ctx, struct bce_trans *t, u32 subvol, bool write, u32 *snapshot);
	void	*ctx;
};

struct extent_env {
	const struct data_snapshots	*snapshots;
	const struct key_rules		*rules;
};

struct extent_change {
	s64	i_sectors;		/* what bi_sectors changes by in the snapshot written in */
	u64	split_sectors;		/* disk space charged in addition as pieces are rounded up each */
};

/**
 * bce_extent_update() - put an extent into the extents btree, over whatever is there
 * @k: extent, reservation, reflink_p or inline_data at its END in the snapshot written in
 *
 * What it overlaps is cut, kept for other snapshots and hidden from this one as docs/format/60,
 * section 21 says; it is merged with its neighbours where they fit. In a snapshot that has children
 * @k replaces part of a key of the same snapshot (moved data), and children that do not see that
 * key will not see @k. The pads of a reflink_p are filled in.
 * The inode is the caller's to change by @change (added to), in the same transaction.
 * Return: 0, BCE_TRANS_RESTART, negative errno.
 */
int bce_extent_update(struct bce_trans *t, const struct extent_env *env, const struct bkey *k,
		      struct extent_change *change);

/**
 * bce_extent_delete() - make a hole, as far as one transaction goes
 * @done: out: the hole reaches to here; less than @end after @max_keys keys were changed
 */
int bce_extent_delete(struct bce_trans *t, const struct extent_env *env, u64 inum, u64 start,
		      u64 end, u32 snapshot, unsigned int max_keys, u64 *done,
		      struct extent_change *change);

/* [start, end) of @k, with a value of its own in the transaction's memory. Return: 0, -ENOMEM */
int bce_extent_piece(struct bce_trans *t, const struct bkey *k, u64 start, u64 end,
		     struct bkey *out);

/* Does it count as allocated in bi_sectors? 60-filesystem-keys.md, section 4 */
bool bce_extent_type_counts(unsigned int type);

#endif
