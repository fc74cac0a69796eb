/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_SET_CHECK_ROOM_H
#define ENGINE_SET_CHECK_ROOM_H

#include "engine/journal/replay.h"
#include "engine/sb/sb.h"

struct bce_check_result;
struct bce_set;

/* What the passes are given of a set and is too large for a stack: check.c, repair.c. */
struct check_room {
	struct journal_replay	journal;
	struct member_info	member[BCH_MEMBERS_MAX];
	const struct bch_sb	*sb;			/* the common part */
	const struct bch_sb	*dev_sb[BCH_MEMBERS_MAX];
	struct bch_sb		*copy[BCH_MEMBERS_MAX];	/* ours: of what the writer has */
};

/* @room zeroed. Return: 0, -ENOMEM; room_free() either way. Takes rw_lock */
int bce_check_room_fill(struct bce_set *set, struct check_room *room);
void bce_check_room_free(struct check_room *room);
/* findings so far (@before), then those since */
void bce_check_count(const struct bce_set *set, struct bce_check_result *out, bool before);

#endif
