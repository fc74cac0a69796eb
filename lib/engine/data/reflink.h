/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_DATA_REFLINK_H
#define ENGINE_DATA_REFLINK_H

#include "engine/btree/trans.h"
#include "engine/btree/writer.h"

struct bce_log;

/*
 * References to shared extents: docs/format/60-filesystem-keys.md, section 13. The trigger counts
 * them; the set's dispatcher calls it for reflink_p keys of the extents btree.
 */
int bce_reflink_trigger(struct bce_trans *t, struct bce_log *log, enum btree_trigger_phase phase,
			unsigned int btree_id, unsigned int level, const struct bkey *old,
			const struct bkey *new);
/* the shared keys with their new counts; without references they go */
int bce_reflink_trigger_finish(struct bce_trans *t, struct bce_log *log);

/* the pads of a reflink_p that is to be inserted; @k->v is a private copy */
int bce_reflink_set_pads(struct bce_trans *t, struct bkey *k);

/* address behind the last shared extent */
int bce_reflink_end(struct bce_trans *t, u64 *end);

/*
 * The shared form of an extent or inline_data key, at address @idx, with no references yet. The
 * value lies in the transaction's memory. Return: 0, -ENOMEM, -EINVAL another type.
 */
int bce_reflink_make_shared(struct bce_trans *t, const struct bkey *k, u64 idx, struct bkey *out);
/* a reference of @size sectors that ends at @p; pads not set */
int bce_reflink_make_p(struct bce_trans *t, struct bpos p, u32 size, u64 idx, struct bkey *out);

#endif
