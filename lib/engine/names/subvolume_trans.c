// SPDX-License-Identifier: GPL-2.0
/*
 * The subvolume a transaction works in. Who writes asks the btree, not the table in memory, so that
 * a snapshot taken meanwhile makes him begin anew, in the new snapshot.
 */
#include "engine/names/snapshot.h"

#include <linux/delay.h>
#include <linux/errno.h>

#include "engine/btree/trans.h"
#include "engine/format/ids.h"

int bce_subvolume_trans_read(struct bce_trans *t, struct snapshot_table *table, u32 id,
			     struct subvolume_info *out)
{
	struct subvolume_info published;
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_subvolumes, POS(0, id), NULL, 0, &k);

	if (ret)
		return ret;
	if (k.type != KEY_TYPE_subvolume)
		return -ENOENT;
	bce_subvolume_decode(&k, out);
	if (out->unlinked)
		return -ENOENT;
	if (bce_subvolume_find(table, id, &published) && published.snapshot == out->snapshot)
		return 0;
	/*
	 * Committed, but not published yet: views of that snapshot would see nothing above it. Who
	 * publishes has nothing to commit any more, but the next one who holds the lock may have, so
	 * it is not waited for.
	 */
	msleep(1);
	return BCE_TRANS_RESTART;
}

int bce_subvolume_trans_write_view(struct bce_trans *t, struct snapshot_table *table, u32 id,
				   struct subvolume_info *out, struct snapshot_view *view)
{
	int ret = bce_subvolume_trans_read(t, table, id, out);

	if (ret)
		return ret;
	*view = bce_snapshot_view(table, out->snapshot);
	return out->ro ? -EROFS : 0;
}
