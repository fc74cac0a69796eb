/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_BKEY_H
#define ENGINE_KEY_BKEY_H

#include "engine/key/pos.h"

/* Key version: nonce source of encrypted extents, replay order of accounting keys. */
struct bversion {
	u64	lo;
	u32	hi;
};

/**
 * struct bkey - an unpacked key in CPU order, its value still in disk form
 * @p:        position; for extents the END
 * @size:     sectors covered before @p.offset; 0 outside extent btrees
 * @version:  see struct bversion
 * @type:     enum bkey_type
 * @val_u64s: length of the value in 8-byte words, 0..250
 * @v:        the value, 8-byte aligned, little-endian; owned by whoever lent the key
 *
 * Source: docs/format/50-btree.md, section 3.
 */
struct bkey {
	struct bpos	p;
	u32		size;
	struct bversion	version;
	u8		type;
	u8		val_u64s;
	const void	*v;
};

static inline unsigned int bkey_val_bytes(const struct bkey *k)
{
	return k->val_u64s * 8;
}

/* first sector of an extent; for other keys its own offset */
static inline u64 bkey_start_offset(const struct bkey *k)
{
	return k->p.offset - k->size;
}

static inline struct bpos bkey_start_pos(const struct bkey *k)
{
	return SPOS(k->p.inode, bkey_start_offset(k), k->p.snapshot);
}

#endif
