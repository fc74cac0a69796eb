/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_POS_H
#define ENGINE_KEY_POS_H

#include <linux/limits.h>
#include <linux/string.h>
#include <linux/types.h>

/* the kernel's fortified string functions leave a macro of this name behind, which only they use */
#undef POS

/**
 * struct bpos - a position in a btree, in CPU order
 * @inode:    most significant: inode number, device, or 0, by btree
 * @offset:   sector, hash, bucket or id, by btree; extents are keyed by their END
 * @snapshot: snapshot id, or more bits of the position, by btree
 *
 * Source: docs/format/50-btree.md, section 1.
 */
struct bpos {
	u64	inode;
	u64	offset;
	u32	snapshot;
};

#define POS(_inode, _offset) \
	((struct bpos) { .inode = (_inode), .offset = (_offset) })
#define SPOS(_inode, _offset, _snapshot) \
	((struct bpos) { .inode = (_inode), .offset = (_offset), .snapshot = (_snapshot) })

#define POS_MIN		SPOS(0, 0, 0)
#define POS_MAX		SPOS(U64_MAX, U64_MAX, 0)
#define SPOS_MAX	SPOS(U64_MAX, U64_MAX, U32_MAX)

/* <0, 0, >0: order by inode, offset, snapshot */
static inline int bpos_cmp(struct bpos l, struct bpos r)
{
	if (l.inode != r.inode)
		return l.inode < r.inode ? -1 : 1;
	if (l.offset != r.offset)
		return l.offset < r.offset ? -1 : 1;
	if (l.snapshot != r.snapshot)
		return l.snapshot < r.snapshot ? -1 : 1;
	return 0;
}

/* the same, blind to snapshots: "same logical position" is 0 */
static inline int bpos_cmp_logical(struct bpos l, struct bpos r)
{
	l.snapshot = r.snapshot = 0;
	return bpos_cmp(l, r);
}

/* position + 1 as a 160-bit number; SPOS_MAX wraps to POS_MIN */
struct bpos bpos_successor(struct bpos p);
/* position - 1 as a 160-bit number; POS_MIN wraps to SPOS_MAX */
struct bpos bpos_predecessor(struct bpos p);

#endif
