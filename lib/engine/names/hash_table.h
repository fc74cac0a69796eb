/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_HASH_TABLE_H
#define ENGINE_NAMES_HASH_TABLE_H

#include "engine/btree/trans.h"
#include "engine/names/snapshot.h"

/*
 * Hash tables laid out in a btree, dirents and xattrs, for writers
 * (docs/format/60-filesystem-keys.md, section 9).
 */
struct hash_table {
	struct bce_trans		*t;
	unsigned int			btree_id;
	u64				inum;
	u8				hash_type;
	u64				hash_seed;
	const struct snapshot_view	*view;
	u32				subvol;		/* through which dirents are seen */
};

struct hash_place {
	u64		slot;		/* of what was found, or where to put it */
	bool		found;
	struct bkey	k;		/* if found; in the transaction's memory */
};

/* is it the entry? @ctx: as given to find() */
typedef bool (*hash_match_fn)(const struct bkey *k, const void *ctx);

/* Return: 0, found or not; negative errno */
int bce_hash_find(const struct hash_table *h, u64 hash, hash_match_fn match, const void *ctx,
		  struct hash_place *out);
/*
 * Must something stay at @slot so that what lies above it is still found? Sees what the transaction
 * has changed. Return: 1, 0, negative errno.
 */
int bce_hash_slot_is_needed(const struct hash_table *h, u64 slot);

#endif
