// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of the accounting btree: deltas of a transaction, and reading totals.
 *
 * Totals are read where they lie, in the btree, each by a lookup at its own position. Those
 * who need them often keep what they need and renew it now and then (reserve.c).
 *
 * Source: docs/format/80-accounting.md, sections 1, 3.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/string.h>

int alloc_account(struct bce_trans *t, const struct accounting_pos *pos, s64 c0, s64 c1, s64 c2,
		  unsigned int nr)
{
	const s64 counters[ACCOUNTING_COUNTERS_MAX] = { c0, c1, c2 };

	if (!c0 && !c1 && !c2)
		return 0;
	return bce_trans_account(t, pos, counters, nr);
}

int alloc_account_dev(struct bce_trans *t, unsigned int dev, unsigned int data_type, s64 buckets,
		      s64 sectors, s64 fragmented)
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_dev_data_type,
		.dev_data_type = { .dev = dev, .data_type = data_type },
	};

	return alloc_account(t, &pos, buckets, sectors, fragmented, 3);
}

static struct accounting_pos replicas_pos(unsigned int data_type, unsigned int nr_required,
					  const u8 *devs, unsigned int nr_devs)
{
	struct accounting_pos pos = { .type = ACCOUNTING_replicas };

	pos.replicas.data_type = data_type;
	pos.replicas.nr_devs = nr_devs;
	pos.replicas.nr_required = nr_required;
	memcpy(pos.replicas.devs, devs, nr_devs);
	return pos;
}

/* what is added must be in the superblock's table before it is committed */
int alloc_account_replicas(struct allocator *a, struct bce_trans *t, unsigned int data_type,
			   unsigned int nr_required, const u8 *devs, unsigned int nr_devs,
			   s64 sectors)
{
	struct accounting_pos pos = replicas_pos(data_type, nr_required, devs, nr_devs);
	int ret = 0;

	if (sectors > 0)
		ret = alloc_replicas_ensure(a, data_type, nr_required, devs, nr_devs);
	return ret ?: alloc_account(t, &pos, sectors, 0, 0, 1);
}

int alloc_counter(struct allocator *a, const struct accounting_pos *pos, unsigned int nr, s64 *out)
{
	struct bpos p = bce_accounting_pos_encode(pos);
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	memset(out, 0, nr * sizeof(*out));
	bce_btree_iter_init(&iter, a->config.btrees, BTREE_ID_accounting, 0, p, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (k && !bpos_cmp(k->p, p) && k->type == KEY_TYPE_accounting)
		for (unsigned int i = 0; i < nr; i++)
			out[i] = bce_accounting_counter(k, i);
	bce_btree_iter_exit(&iter);
	return ret;
}

int alloc_dev_counters(struct allocator *a, unsigned int dev, unsigned int data_type, s64 out[3])
{
	struct accounting_pos pos = {
		.type = ACCOUNTING_dev_data_type,
		.dev_data_type = { .dev = dev, .data_type = data_type },
	};

	return alloc_counter(a, &pos, 3, out);
}
