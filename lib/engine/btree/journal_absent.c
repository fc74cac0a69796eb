// SPDX-License-Identifier: GPL-2.0
/*
 * The journal's calls as long as its writing half is not there: whoever hands in a journal gets
 * -EOPNOTSUPP. The journal's own definitions take the place of these.
 */
#include <linux/compiler.h>
#include <linux/errno.h>

#include "engine/btree/maintain.h"

int __weak bce_journal_res_get(struct journal *j, struct journal_res *res, unsigned int u64s,
			       enum journal_watermark wm, unsigned int flags)
{
	return -EOPNOTSUPP;
}

struct disk_bkey *__weak bce_journal_add_key(struct journal *j, struct journal_res *res,
					     unsigned int btree_id, unsigned int level,
					     const struct bkey *k)
{
	return NULL;
}

void __weak bce_journal_res_put(struct journal *j, struct journal_res *res)
{
}

void __weak bce_journal_pin_add(struct journal *j, struct journal_pin *pin, u64 seq,
				journal_pin_flush_fn flush)
{
}

int __weak bce_node_pin_flush(struct journal *j, struct journal_pin *pin, u64 seq)
{
	return -EOPNOTSUPP;
}
