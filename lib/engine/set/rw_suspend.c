// SPDX-License-Identifier: GPL-2.0
/*
 * Standing still: nothing is written to the members for a while, and nothing is lost by it.
 *
 *   RW_ON --bce_set_suspend()--> RW_SUSPENDED    changes under way end, later ones wait;
 *                                                background work ends; all that is only in memory is
 *                                                written, the journal is flushed and has nothing to do
 *   RW_SUSPENDED --bce_set_resume()--> RW_ON     background work begins anew, who waited goes on
 *
 * A suspended device-mapper table must do no I/O, and a frozen file system none in the background
 * either, so that members can be copied from below one after the other. The rooms stay open: space
 * that was promised stays promised. The superblocks go on saying that the set is in use; what is on
 * the members is as after a crash with nothing to replay.
 *
 * Suspensions nest, as a table that is suspended freezes the file system first. They outlast the
 * end of writing by an error. Going read-write and back waits for their end, and so does whoever
 * changes something; reading goes on.
 *
 * Locks: rw_lock. Waiting for resume_wait holds nothing of ours.
 */
#include "engine/set/rw.h"

#include <linux/export.h>
#include <linux/sched/mm.h>

#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/set/set_internal.h"

static int quiesce(struct bce_set *set)
{
	struct set_rw *rw = set->rw;
	int ret;

	if (!rw || cmpxchg(&rw->state, RW_ON, RW_SUSPENDED) != RW_ON)
		return 0;
	bce_set_wait_for_users(rw);
	bce_set_rooms_pause(set);
	/* most of it while discards still run; what they change comes with the rest */
	ret = bce_set_flush_all(set);
	bce_allocator_stop(rw->alloc);
	if (!ret)
		ret = bce_set_flush_all(set);
	if (!ret)
		ret = bce_journal_flush(rw->journal);
	if (ret)
		bce_log_line(set->log, BCE_LOG_ERR,
			     "suspended, but not all that changed is on the members: error %d", ret);
	return ret;
}

static void unquiesce(struct bce_set *set)
{
	struct set_rw *rw = set->rw;

	if (!rw || READ_ONCE(rw->state) != RW_SUSPENDED)
		return;
	/* should it fail meanwhile, bce_set_go_ro() stops them again */
	bce_allocator_start(rw->alloc);
	bce_set_rooms_unpause(set);
	cmpxchg(&rw->state, RW_SUSPENDED, RW_ON);
}

int bce_set_suspend(struct bce_set *set)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret = 0;

	mutex_lock(&set->rw_lock);
	if (!set->suspended++)
		ret = quiesce(set);
	mutex_unlock(&set->rw_lock);
	memalloc_nofs_restore(nofs);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_suspend);

void bce_set_resume(struct bce_set *set)
{
	unsigned int nofs = memalloc_nofs_save();

	mutex_lock(&set->rw_lock);
	if (set->suspended == 1)
		unquiesce(set);
	set->suspended--;
	mutex_unlock(&set->rw_lock);
	memalloc_nofs_restore(nofs);
	wake_up_all(&set->resume_wait);
}
EXPORT_SYMBOL_GPL(bce_set_resume);

void bce_set_lock_running(struct bce_set *set)
{
	for (;;) {
		wait_event(set->resume_wait, !READ_ONCE(set->suspended));
		mutex_lock(&set->rw_lock);
		if (!set->suspended)
			return;
		mutex_unlock(&set->rw_lock);
	}
}
