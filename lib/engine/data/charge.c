// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for sectors. Quotas live above us: what a transaction makes of bi_sectors is told there before
 * it is committed, and taken back when it begins anew or fails.
 *
 * Each transaction of this room changes one inode. What was charged for it is noted in memory of
 * whoever runs the transaction, which the transaction finds through TRANS_SLOT_USER.
 */
#include <linux/errno.h>

#include "engine/data/write_internal.h"

int bce_data_charge_begin(struct bce_trans *t, struct data_charge *charge)
{
	struct data_charge **slot = bce_trans_slot(t, TRANS_SLOT_USER, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	bce_data_charge_undo(charge);	/* of a run before */
	*slot = charge;
	return 0;
}

void bce_data_charge_undo(struct data_charge *charge)
{
	const struct data_writer_config *c = &charge->w->c;

	if (charge->sectors)
		c->ops->charge(c->ctx, charge->subvol, &charge->inode, -charge->sectors, false);
	charge->sectors = 0;
}

int bce_data_charge_inode(struct bce_trans *t, const struct data_inode *inode)
{
	struct data_charge **slot = bce_trans_slot(t, TRANS_SLOT_USER, sizeof(*slot));
	s64 sectors = inode->f.sectors - inode->sectors_before;
	const struct data_writer_config *c;
	int ret;

	if (!slot)
		return -ENOMEM;
	if (!*slot || !inode->subvol || !sectors)
		return 0;
	c = &(*slot)->w->c;
	if (!c->ops->charge)
		return 0;
	ret = c->ops->charge(c->ctx, inode->subvol, &inode->f, sectors,
			     (*slot)->enforce && sectors > 0);
	if (ret)
		return ret;
	(*slot)->inode = inode->f;
	(*slot)->subvol = inode->subvol;
	(*slot)->sectors = sectors;
	return 0;
}
