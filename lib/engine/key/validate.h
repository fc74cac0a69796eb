/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VALIDATE_H
#define ENGINE_KEY_VALIDATE_H

#include "engine/format/errors.h"
#include "engine/key/bkey.h"
#include "engine/util/text.h"

/* what pointer rules and texts ask about members; index = member */
struct key_rules_dev {
	bool	exists;			/* in the member table, present or not */
	u8	durability;		/* for texts */
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

	/*
	 * For texts, each may be NULL: the present generation of a bucket, -1 if not
	 * known, to mark stale pointers; the name of a target.
	 */
	int (*bucket_gen)(void *ctx, unsigned int dev, u64 bucket);
	void (*target_text)(void *ctx, struct text_buf *out, u16 target);
	void				*text_ctx;
};

enum key_rules_context {
	KEY_FROM_NODE,			/* read from a btree node */
	KEY_FROM_JOURNAL,
	KEY_TO_WRITE,			/* a writer's rules: stricter */
};

/**
 * bce_key_validate() - all rules of one key
 * @k:        the key
 * @btree_id: btree it lies in, or is to lie in
 * @level:    level of the node it lies in
 * @rules:    what the rules depend on; NULL skips those that depend on something
 * @context:  where the key comes from
 * @err:      what is wrong, in words, appended; may be NULL
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
/* may a leaf of this btree hold keys of this type? unknown btrees hold anything */
bool bce_btree_allows_key_type(unsigned int btree_id, unsigned int type);

#endif
