// SPDX-License-Identifier: GPL-2.0
/*
 * The judgement on a set that starts by itself, with nobody to ask.
 *
 * bce_sb_choose() says which devices belong together; here is decided what that means when no
 * person named the devices. Starting with the wrong ones is worse than not starting:
 *
 *   foreign     two sets made with one UUID: which is meant?
 *   split       each half was changed without the other; whichever is taken, the changes of the
 *               other are lost
 *   clone       two devices say they are the same member and are equally old
 *
 * An older copy of a member (a snapshot of a disk, an image of it) is no reason to refuse, if it is
 * certainly older: the superblocks of a set note for each member when it was written last, so a
 * device whose own superblock was written more than once before that is a copy that has missed
 * what the member has seen. By one write it may be behind: power can fail between two members. A
 * member that was away is not behind: the others noted when it left.
 */
#include "set_state.h"

#include <errno.h>
#include <stdlib.h>

#include "passphrase.h"
#include "records.h"
#include "uuid_arg.h"

static const char *const state_names[] = {
	[SET_INCOMPLETE]	= "incomplete",
	[SET_STARTABLE]		= "startable",
	[SET_COMPLETE]		= "complete",
	[SET_LOCKED]		= "locked",
	[SET_FOREIGN]		= "foreign",
	[SET_SPLIT]		= "split",
	[SET_CLONE]		= "clone",
	[SET_UNSUPPORTED]	= "unsupported",
};

const char *set_state_name(enum set_state state)
{
	return state_names[state];
}

static const char *const device_words[] = {
	[SB_USE]	= "member",
	[SB_FOREIGN]	= "foreign",
	[SB_REMOVED]	= "removed",
	[SB_SPLIT]	= "split",
	[SB_CLONE]	= "clone",
	[SB_TOO_SMALL]	= "too-small",
};

const char *set_device_word(enum sb_verdict verdict)
{
	return device_words[verdict];
}

struct sb_candidate *set_candidates(const struct record_list *l, unsigned int *nr)
{
	struct sb_candidate *c = calloc(l->nr + 1, sizeof(*c));
	unsigned int i;

	*nr = 0;
	for (i = 0; c && i < l->nr; i++)
		if (l->rec[i].sb)
			c[(*nr)++] = (struct sb_candidate) {
				.sb = l->rec[i].sb,
				.name = l->rec[i].path,
				.device_sectors = l->rec[i].device_sectors,
			};
	return c;
}

/* has @c missed writes that the member whose slot it claims has seen? */
static bool is_old_copy(const struct bch_sb *best, const struct sb_candidate *c)
{
	struct member_info m;

	bce_sb_member(best, c->sb->dev_idx, &m);
	return le64_to_cpu(c->sb->seq) + 1 < m.seq;
}

static void set_old_copies_aside(struct sb_candidate *c, unsigned int nr, struct set_verdict *v)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (c[i].verdict != SB_USE || c[i].sb == v->best || !is_old_copy(v->best, &c[i]))
			continue;
		c[i].verdict = SB_CLONE;
		bce_text_printf(&v->why, "%s: is an old copy of member %u\n", c[i].name,
				c[i].sb->dev_idx);
	}
}

/* Is a clone as old as the device that was preferred to it? */
static bool is_equal_clone(const struct sb_candidate *c, unsigned int nr, unsigned int clone)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c[i].verdict == SB_USE && c[i].sb->dev_idx == c[clone].sb->dev_idx)
			return c[i].sb->seq == c[clone].sb->seq;
	return false;
}

static bool any(const struct sb_candidate *c, unsigned int nr, enum sb_verdict verdict)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c[i].verdict == verdict)
			return true;
	return false;
}

static bool any_equal_clone(const struct sb_candidate *c, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c[i].verdict == SB_CLONE && is_equal_clone(c, nr, i))
			return true;
	return false;
}

u64 set_members_in_use(const struct sb_candidate *c, unsigned int nr)
{
	u64 present = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c[i].verdict == SB_USE)
			present |= 1ULL << c[i].sb->dev_idx;
	return present;
}

static enum set_state state_of(const struct sb_candidate *c, unsigned int nr,
			       const struct set_verdict *v)
{
	if (any(c, nr, SB_FOREIGN))
		return SET_FOREIGN;
	if (any(c, nr, SB_SPLIT))
		return SET_SPLIT;
	if (any_equal_clone(c, nr))
		return SET_CLONE;
	if (v->presence.missing)
		return v->presence.data_complete ? SET_STARTABLE : SET_INCOMPLETE;
	if (bce_sb_key_is_wrapped(v->best) && !passphrase_key_is_there(v->best))
		return SET_LOCKED;
	return SET_COMPLETE;
}

int set_judge(struct sb_candidate *c, unsigned int nr, struct set_verdict *out)
{
	int best;

	*out = (struct set_verdict) { .state = SET_UNSUPPORTED };
	if (!nr)
		return 0;
	best = bce_sb_choose(c, nr, false, &out->why);
	if (best < 0)
		return 0;
	out->best = c[best].sb;
	bce_sb_info(out->best, &out->info);
	uuid_arg_text(out->info.user_uuid, out->uuid);
	set_old_copies_aside(c, nr, out);
	bce_sb_presence(out->best, set_members_in_use(c, nr), &out->presence);
	out->state = state_of(c, nr, out);
	return out->why.failed ? -ENOMEM : 0;
}

void set_verdict_exit(struct set_verdict *v)
{
	bce_text_exit(&v->why);
}
