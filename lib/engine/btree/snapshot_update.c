// SPDX-License-Identifier: GPL-2.0
/*
 * Deleting in a snapshot.
 *
 * Versions of a position lie in the order of their snapshot ids, ancestors behind descendants; in
 * snapshot S the first one is seen whose id is S or an ancestor's. So a key that is taken
 * away at S uncovers the next one, unless a whiteout is put in its place. A whiteout that
 * covers nothing is not put: it would only cost room.
 */
#include "engine/btree/snapshot_update.h"

#include <linux/errno.h>
#include <linux/export.h>

#include "engine/format/ids.h"

int bce_snapshot_inherited(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			   const struct snapshot_view *view, struct bkey *k)
{
	struct bpos end = POS(pos.inode, pos.offset + 1);
	struct bkey found;
	int ret;

	if (!k)
		k = &found;
	for (pos.snapshot = view->id; pos.snapshot != U32_MAX; pos.snapshot = k->p.snapshot) {
		pos.snapshot++;
		ret = bce_trans_peek(t, btree_id, pos, end, NULL, 0, k);
		if (ret)
			return ret;
		if (bpos_cmp_logical(k->p, pos))
			break;
		if (view->is_ancestor(view->ctx, view->id, k->p.snapshot))
			return k->type == KEY_TYPE_whiteout ? -ENOENT : 0;
	}
	return -ENOENT;
}
EXPORT_SYMBOL_GPL(bce_snapshot_inherited);

int bce_snapshot_delete(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			const struct snapshot_view *view, unsigned int flags)
{
	struct bkey whiteout = { .type = KEY_TYPE_whiteout };
	struct bkey own;
	int ret = bce_snapshot_inherited(t, btree_id, pos, view, NULL);

	pos.snapshot = view->id;
	if (!ret) {
		whiteout.p = pos;
		return bce_trans_update(t, btree_id, &whiteout, flags);
	}
	if (ret != -ENOENT)
		return ret;
	ret = bce_trans_lookup(t, btree_id, pos, NULL, 0, &own);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return bce_trans_delete(t, btree_id, pos, flags);
}
EXPORT_SYMBOL_GPL(bce_snapshot_delete);
