// SPDX-License-Identifier: GPL-2.0
/*
 * A member that is there, but has lost what it was given, or may have: its cache could not be flushed.
 *
 *	do the others hold everything?      by the replicas table, as when a set is assembled
 *	   no   the set stops being written: what was promised may be gone
 *	   yes  the member's state becomes failed, in memory at once, then in the superblocks of the others
 *
 * A failed member counts for nothing: no new data, nodes or journal entries go there, it is not flushed,
 * its copies are read when there is no other. So an acknowledged sync rests on the others alone, and
 * that they suffice is asked again at every sync: the members' table may have got an entry meanwhile that names
 * nobody but failed ones (a write that had chosen its members before).
 *
 * What lay on it goes on to be listed there, but has a copy fewer than it should.
 *
 * A crash before the superblocks are written leaves a member that is rw and holds old copies, which sums
 * and sequence numbers tell from new ones; the next failure finds it anew. The sync is not acknowledged then.
 *
 * Source: docs/format/85-policies.md, section 9; 10-superblock.md (STATE).
 */
#include "engine/set/rw.h"

#include <linux/bitops.h>
#include <linux/errno.h>

#include "engine/alloc/alloc.h"
#include "engine/sb/members.h"
#include "engine/sb/write.h"
#include "engine/set/set_internal.h"

/* under the superblock's lock: do those that have not failed hold all there is? */
static bool others_suffice(struct bce_set *set, u64 failed)
{
	u64 good = bce_members_present(set->members) & ~failed;
	struct sb_presence presence;

	bce_sb_presence(bce_sb_image(set->rw->sb), good, &presence);
	return good && presence.data_complete;
}

static void mark_in_memory(struct bce_set *set, unsigned int idx, const char *what)
{
	struct member_dev *m = bce_member_get_io_quietly(set->members, idx);

	if (!m)
		return;
	bce_member_set_failed(m);
	bce_log_line(set->log, BCE_LOG_ERR,
		     "member %u (%s): %s failed; its state is failed now, the set goes on with the copies that others have",
		     idx, m->name, what);
	bce_member_put_io(m);
}

/* under the superblock's lock: those of @devs of which it does not say so yet */
static u64 not_marked(struct bce_set *set, u64 devs)
{
	struct member_info m;
	u64 new_ones = 0;

	for (; devs; devs &= devs - 1) {
		bce_sb_member(bce_sb_image(set->rw->sb), __ffs64(devs), &m);
		if (m.state != MEMBER_FAILED)
			new_ones |= devs & -devs;
	}
	return new_ones;
}

/* under the superblock's lock */
static int mark(struct bce_set *set, u64 devs, const char *what)
{
	struct member_info m;
	int ret = 0;

	for (; devs && !ret; devs &= devs - 1) {
		unsigned int idx = __ffs64(devs);

		mark_in_memory(set, idx, what);
		bce_sb_member(bce_sb_image(set->rw->sb), idx, &m);
		m.state = MEMBER_FAILED;
		ret = bce_sb_member_set(set->rw->sb, idx, &m);
	}
	return ret ?: bce_sb_write(set->rw->sb);
}

int bce_set_members_failed(struct bce_set *set, u64 devs, const char *what)
{
	u64 new_ones;
	int ret = 0;

	bce_sb_edit_begin(set->rw->sb);
	new_ones = not_marked(set, devs);
	if (!others_suffice(set, bce_members_failed(set->members) | devs)) {
		bce_log_line(set->log, BCE_LOG_ERR,
			     "member %llu: %s failed, and there is something of which no other member has a copy",
			     (unsigned long long)__ffs64(devs), what);
		ret = -EIO;
	} else if (new_ones) {
		ret = mark(set, new_ones, what);
	}
	bce_sb_edit_end(set->rw->sb);
	if (new_ones)
		bce_set_tell_changed(set);
	if (!ret && new_ones && READ_ONCE(set->rw->alloc))
		ret = bce_allocator_members_changed(set->rw->alloc);
	return ret;
}
