/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_JOURNAL_OVERLAY_H
#define ENGINE_JOURNAL_OVERLAY_H

#include "engine/key/bkey.h"
#include "engine/key/keyset.h"

struct journal_replay;
struct overlay;

/*
 * Keys of the replay set sorted by (btree, level, position): for each position
 * the newest one; accounting deltas of one position summed, each applied only if
 * its version is above the btree's (docs/format/80-accounting.md, section 2).
 */
int bce_overlay_build(struct overlay **out, const struct journal_replay *r);
void bce_overlay_free(struct overlay *o);
/* keys of this btree are not wanted any more; nobody reads meanwhile */
void bce_overlay_drop(struct overlay *o, unsigned int btree_id);

/* is there any key at this btree and level? */
bool bce_overlay_has(const struct overlay *o, unsigned int btree_id, unsigned int level);
/* highest level with a key, or -1 */
int bce_overlay_max_level(const struct overlay *o, unsigned int btree_id);

/*
 * The keys with min <= position <= max as one run of unpacked disk keys, ready
 * for bce_keyset_merge(). @run->start == @run->end when there is none. The run
 * lives as long as the overlay.
 */
void bce_overlay_range(const struct overlay *o, unsigned int btree_id, unsigned int level,
		       struct bpos min, struct bpos max, struct keyset_input *run);
size_t bce_overlay_nr_keys(const struct overlay *o);

/*
 * Accounting keys are deltas that count only if newer than the btree's total.
 * Because several deltas share a position, the range call above leaves them out;
 * this one hands them one by one in position, then version order.
 */
typedef int (*bce_overlay_delta_fn)(void *ctx, const struct bkey *delta);
int bce_overlay_accounting(const struct overlay *o, struct bpos min, struct bpos max,
			   bce_overlay_delta_fn fn, void *ctx);

#endif
