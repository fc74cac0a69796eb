/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_BTREE_SNAPSHOT_UPDATE_H
#define ENGINE_BTREE_SNAPSHOT_UPDATE_H

#include "engine/btree/trans.h"

/*
 * Writing in a snapshot: docs/format/60-filesystem-keys.md, section 20. A new or changed key is put
 * at @view->id by bce_trans_update(); what is here is the other half. @pos: its snapshot
 * does not matter. In extent btrees it is the END: exactly that key, no range.
 */

/**
 * bce_snapshot_inherited() - the version of a position that is seen through from above
 * The nearest strict ancestor's key; what @view->id itself has there does not matter.
 * @k: out, never a whiteout; may be NULL
 * Return: 0, -ENOENT nothing would be seen, or as bce_trans_lookup().
 */
int bce_snapshot_inherited(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			   const struct snapshot_view *view, struct bkey *k);

/**
 * bce_snapshot_delete() - nothing is to be seen at @pos in @view->id any more
 * A whiteout if something would be inherited, else the key is really deleted; nothing at all if
 * there is none.
 * @flags: enum trans_update_flags
 * Return: 0, -EIO, -ENOMEM, BCE_TRANS_RESTART.
 */
int bce_snapshot_delete(struct bce_trans *t, unsigned int btree_id, struct bpos pos,
			const struct snapshot_view *view, unsigned int flags);

#endif
