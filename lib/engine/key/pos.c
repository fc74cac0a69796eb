// SPDX-License-Identifier: GPL-2.0
/*
 * Neighbours of a position, seen as one 160-bit number with the inode on top.
 * Btree nodes tile the space of positions: the next node begins at the successor
 * of this one's last position.
 *
 * Source: docs/format/50-btree.md, section 1.
 */
#include "engine/key/pos.h"

struct bpos bpos_successor(struct bpos p)
{
	if (!++p.snapshot && !++p.offset)
		++p.inode;
	return p;
}

struct bpos bpos_predecessor(struct bpos p)
{
	if (!p.snapshot-- && !p.offset--)
		--p.inode;
	return p;
}
