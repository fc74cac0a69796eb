/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_NAMES_BATCH_H
#define ENGINE_NAMES_BATCH_H

#include <linux/types.h>

/*
 * Entries copied out of a btree while its locks are held, to be handed to a
 * callback without them: records back to back in one allocation.
 */
#define BATCH_BYTES	(16 * 1024)

struct batch_record {
	u64	pos;
	u64	inum;
	u32	subvol;
	u16	len;		/* of name */
	u8	type;
	char	name[];
};

struct batch {
	void	*buf;
	size_t	used;
	u64	next_pos;	/* where the next batch begins */
	bool	last;		/* nothing comes after this one */
};

int batch_init(struct batch *b);
void batch_exit(struct batch *b);
void batch_restart(struct batch *b);
/* NULL: full. @len bytes of name are for the caller to fill in. */
struct batch_record *batch_add(struct batch *b, unsigned int len);
/* the first with @prev NULL; NULL after the last */
const struct batch_record *batch_next(const struct batch *b, const struct batch_record *prev);

#endif
