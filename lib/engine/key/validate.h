/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VALIDATE_H
#define ENGINE_KEY_VALIDATE_H

#include "engine/format/errors.h"
#include "engine/key/bkey.h"
#include "engine/util/text.h"

/* geometry of members that pointer rules ask for; index = member */
struct key_rules_dev {
	bool	exists;
	u16	bucket_sectors;
	u32	first_bucket;
	u64	nbuckets;
};

/* what the rules depend on: filled once per set by set/ (or by a test) */
struct key_rules {
	const struct key_rules_dev	*dev;	/* [64] or NULL: skip device rules */
	u32				btree_node_sectors;
	u32				block_sectors;
	u32				encoded_extent_max_sectors;
	bool				encrypted;	/* a cipher is known */
};

enum key_rules_context {
	KEY_FROM_NODE,			/* read from a btree node */
	KEY_FROM_JOURNAL,
	KEY_TO_WRITE,			/* a writer's rules: stricter */
};

/**
 * bce_key_validate() - all rules of one key
 * @level: level of the node it lies in
 * @err:   what is wrong, in words, appended
 *
 * Return: 0, or the enum bce_error id + 1 (so that id 0 is distinguishable).
 * Source: docs/format/55-key-types.md, sections 3, 4.
 */
int bce_key_validate(const struct bkey *k, unsigned int btree_id, unsigned int level,
		     const struct key_rules *rules, enum key_rules_context context,
		     struct text_buf *err);

/* does this btree hold extents / snapshot ids / anything in the snapshot field? by id */
bool bce_btree_has_extents(unsigned int btree_id);
bool bce_btree_has_snapshots(unsigned int btree_id);
bool bce_btree_has_snapshot_field(unsigned int btree_id);

#endif
