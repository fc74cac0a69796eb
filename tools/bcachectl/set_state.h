/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SET_STATE_H
#define BCACHECTL_SET_STATE_H

#include <stdbool.h>

#include "engine/sb/sb.h"
#include "engine/util/text.h"

struct record_list;

/* May this set be started by itself, from the members seen so far? docs/boot.md, "States". */
enum set_state {
	SET_INCOMPLETE,		/* members are missing, and data with them */
	SET_STARTABLE,		/* members are missing, all data has a copy on the others */
	SET_COMPLETE,
	SET_LOCKED,		/* complete, but its key is not in the keyring */
	SET_FOREIGN,		/* devices of several sets carry one UUID */
	SET_SPLIT,		/* members were written without each other */
	SET_CLONE,		/* one member twice, and which is the right one cannot be told */
	SET_UNSUPPORTED,	/* no superblock that this version can use */
};
const char *set_state_name(enum set_state state);

struct set_verdict {
	enum set_state		state;
	const struct bch_sb	*best;		/* the leading superblock; NULL: none */
	struct sb_info		info;		/* its header */
	struct sb_presence	presence;
	char			uuid[37];
	struct text_buf		why;		/* what was found against devices, in lines */
};

/**
 * set_judge() - the state of a set by the superblocks of its devices
 * @c: verdicts are set: SB_USE for those that would make the set. Copies of a member that are
 *     certainly older than it are SB_CLONE and do not count against the set.
 * Return: 0, -errno. set_verdict_exit() afterwards in any case.
 */
int set_judge(struct sb_candidate *c, unsigned int nr, struct set_verdict *out);
void set_verdict_exit(struct set_verdict *v);

/* what a verdict against a device is called; "member" for SB_USE */
const char *set_device_word(enum sb_verdict verdict);

/* bit per slot that a candidate takes which belongs to the set */
u64 set_members_in_use(const struct sb_candidate *c, unsigned int nr);

/* the superblocks among records as candidates, in order; to be freed. NULL: no memory */
struct sb_candidate *set_candidates(const struct record_list *l, unsigned int *nr);

#endif
