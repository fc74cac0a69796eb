/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_NODE_BUILD_H
#define ENGINE_BTREE_NODE_BUILD_H

#include "engine/btree/btrees.h"
#include "engine/key/pack.h"

/*
 * Blocks of a btree node as they go to disk: the whole of a new node, or one more bset behind those
 * that are there. Pure: no devices, no locks, no memory but the caller's. See node_build.c.
 */

/* what the head of a new node says */
struct node_head {
	unsigned int		btree_id;
	unsigned int		level;
	struct bpos		min;		/* inclusive, both */
	struct bpos		max;
	u64			seq;		/* random, not 0 */
	u32			node_seq;	/* generation counter */
	const struct key_format	*format;
};

/* what a further bset has from its node */
struct node_tail {
	u64			seq;
	u32			written_sectors;	/* where it goes */
	u64			journal_seq;		/* not 0 */
	const struct key_format	*format;
};

/* a bset being put together; private */
struct node_build {
	const struct btrees_config	*config;
	unsigned int			csum_type;
	struct key_format		format;
	u8				*block;		/* first byte of what is written */
	struct bset			*bset;
	u64				*next;		/* behind the last key */
	u64				*end;		/* keys end before it */
	u32				sector;		/* of the block in its node */
};

/* u64s of keys that a node, written whole, has room for */
u32 bce_node_capacity_u64s(const struct btrees_config *config);
/* the same of a bset behind @written_sectors; 0: no room for any */
u32 bce_bset_capacity_u64s(const struct btrees_config *config, u32 written_sectors);

/*
 * @buf: room for what is left of the node from there on: node_sectors - written_sectors; 8-byte
 *       aligned. @csum_type is one that the set's cipher allows.
 */
void bce_node_build_new(struct node_build *nb, const struct btrees_config *config,
			unsigned int csum_type, void *buf, const struct node_head *head);
void bce_node_build_append(struct node_build *nb, const struct btrees_config *config,
			   unsigned int csum_type, void *buf, const struct node_tail *tail);
/*
 * The next key, at a higher position than the one before; type deleted only when appending.
 * Return: false: no room.
 */
bool bce_node_build_key(struct node_build *nb, const struct bkey *k);
/**
 * bce_node_build_end() - lengths, zeros to the end of the block, encryption, checksum
 * @sectors: out, how much of the buffer is to be written
 * Return: 0; -ENOKEY, -EINVAL the checksum cannot be made.
 */
int bce_node_build_end(struct node_build *nb, u32 *sectors);

#endif
