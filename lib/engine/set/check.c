// SPDX-License-Identifier: GPL-2.0
/*
 * The check passes over a set: what each needs, from where the set has it. Findings are counted by
 * the set's log; a check's own are the difference.
 *
 * Of a set that is or has been read-write, the superblocks are what its writer would write now:
 * as they were when the set was opened they know nothing of new rings, replicas and options.
 *
 * What is compared is read at different moments, so the set stands still meanwhile (rw_suspend.c): a bucket
 * that is discarded between two looks, or a file that is written, is not a finding.
 */
#include <bcachefs/check.h>
#include <bcachefs/set.h>

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/check/check.h"
#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/sb/write.h"
#include "engine/set/check_room.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"

/* Return: 0, -ENOMEM */
static int copy_superblocks(struct bce_set *set, struct check_room *room, u64 present)
{
	int ret = 0;

	if (!set->rw || !set->rw->sb)
		return 0;
	bce_sb_edit_begin(set->rw->sb);
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX && !ret; i++) {
		if (!(present >> i & 1) || !bce_sb_dev_layout(set->rw->sb, i))
			continue;
		room->copy[i] = bce_sb_dev_copy(set->rw->sb, i);
		if (!room->copy[i])
			ret = -ENOMEM;
		room->dev_sb[i] = room->copy[i];
		if (room->sb == set->best.sb)
			room->sb = room->copy[i];
	}
	bce_sb_edit_end(set->rw->sb);
	return ret;
}

int bce_check_room_fill(struct bce_set *set, struct check_room *room)
{
	u64 present = bce_members_present(set->members);
	int ret;

	room->sb = set->best.sb;
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		if (present >> i & 1)
			room->dev_sb[i] = set->dev_sb[i].sb;
	mutex_lock(&set->rw_lock);
	ret = copy_superblocks(set, room, present);
	mutex_unlock(&set->rw_lock);
	for (unsigned int i = 0; !ret && i < set->info.nr_devices; i++)
		bce_sb_member(room->sb, i, &room->member[i]);
	return ret;
}

void bce_check_room_free(struct check_room *room)
{
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		kvfree(room->copy[i]);
	kvfree(room);
}

void bce_check_count(const struct bce_set *set, struct bce_check_result *out, bool before)
{
	BUILD_BUG_ON(BCE_ERR_NR > BCE_CHECK_IDS);
	out->findings = bce_log_errors_total(set->log) - (before ? 0 : out->findings);
	for (unsigned int i = 0; i < BCE_ERR_NR; i++)
		out->by_id[i] = bce_log_error_count(set->log, i) - (before ? 0 : out->by_id[i]);
}

/*
 * The journal of a clean set, which nobody has looked at yet; reading all of it compares it with the
 * clean section. What is found wrong is told; that it cannot be read is no reason to end.
 */
static int check_journal(struct bce_set *set, struct check_room *room)
{
	struct journal_read_context ctx = {
		.sb = set->best.sb,
		.dev_sb = room->dev_sb,
		.members = set->members,
		.cipher = set->cipher,
		.rules = &set->rules,
		.log = set->log,
		.read_all = true,
	};
	int ret;

	if (!set->replay.clean || !set->opts.nochanges || set->opts.read_all_journal)
		return 0;
	ret = bce_journal_read(&room->journal, &ctx);
	bce_journal_replay_exit(&room->journal);
	return ret == -ENOMEM ? ret : 0;
}

/* A set that was never started has no journal, and nothing is counted in it yet. */
static unsigned int passes_possible(const struct bce_set *set)
{
	bool initialized = set->info.initialized || (set->rw && set->rw->initialized);

	return initialized ? BCE_CHECK_ALL : BCE_CHECK_ALL & ~(BCE_CHECK_JOURNAL | BCE_CHECK_ALLOCATIONS);
}

static int run_passes(struct bce_set *set, struct check_room *room, struct check *c,
		      unsigned int passes)
{
	int ret = 0;

	passes &= passes_possible(set);
	if (passes & BCE_CHECK_JOURNAL)
		ret = check_journal(set, room);
	if (!ret && passes & BCE_CHECK_NODES)
		ret = bce_check_nodes(c);
	if (!ret && passes & BCE_CHECK_ALLOCATIONS)
		ret = bce_check_allocations(c);
	if (!ret && passes & BCE_CHECK_NAMES)
		ret = bce_check_names(c);
	return ret;
}

static int check_still(struct bce_set *set, const struct bce_check_opts *opts,
		       struct bce_check_result *out)
{
	struct check_room *room;
	struct check c = { };
	int ret;

	room = kvzalloc(sizeof(*room), GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	memset(out, 0, sizeof(*out));
	ret = bce_check_room_fill(set, room);
	if (ret)
		goto out;
	c = (struct check) {
		.btrees		= set->btrees,
		.snapshots	= set->snapshots,
		.log		= set->log,
		.member		= room->member,
		.sb		= room->sb,
		.dev_sb		= room->dev_sb,
		.replay		= &set->replay,
		.in_use		= set->rw,
		.node_sectors	= set->info.btree_node_sectors,
		.block_sectors	= set->info.block_sectors,
		.progress	= opts->progress,
		.progress_ctx	= opts->progress_ctx,
	};
	bce_check_count(set, out, true);
	ret = run_passes(set, room, &c, opts->passes ?: BCE_CHECK_ALL);
	bce_check_count(set, out, false);
	out->nodes = c.nodes;
	out->unreadable_nodes = c.unreadable_nodes;
	out->keys = c.keys;
	out->inum_mismatches = c.inum_mismatches;
out:
	bce_check_room_free(room);
	return ret;
}

int bce_set_check(struct bce_set *set, const struct bce_check_opts *opts,
		  struct bce_check_result *out)
{
	int ret = bce_set_readable(set);

	if (ret)
		return ret;
	bce_set_suspend(set);	/* an error, which it has told, ends writing: that is still, too */
	bce_btrees_damage_once(set->btrees, true);
	ret = check_still(set, opts, out);
	bce_btrees_damage_once(set->btrees, false);
	bce_set_resume(set);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_check);

const char *bce_check_id_name(unsigned int id)
{
	return bce_error_name(id);
}
EXPORT_SYMBOL_GPL(bce_check_id_name);
