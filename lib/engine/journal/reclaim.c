// SPDX-License-Identifier: GPL-2.0
/*
 * Reclaim: makes journal space by having what is only in memory written to the btrees.
 *
 * One worker, on a queue of its own, since flushing a pin writes nodes and waits for them. It
 * runs
 *   - when somebody waits for space, at once, and again as long as somebody does;
 *   - otherwise every TICK_MS while there is anything: keeps half of each ring and half of the
 *     pin slots free, and has nodes written whose oldest change is AGE_MS old, so that a
 *     recovery has little to replay.
 *
 * Unpinning alone frees nothing: an entry that was flushed must say that older ones are no longer
 * needed (last_seq). If somebody waits, and such an entry would free a bucket, one is written. That
 * is work of its own: it is the worker himself, inside a node write, who may be waiting.
 *
 * What reclaim waits for never waits for it: node writes journal their pointers under
 * JOURNAL_RECLAIM, for which space is kept (space.c).
 *
 * Source: docs/format/30-journal.md, sections 5, 6.
 */
#include "engine/journal/journal.h"

#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/wait.h>

#include "engine/journal/writer.h"

#define TICK_MS		1000
#define AGE_MS		5000
#define RETRY_MS	20	/* somebody waits, and nothing could be done just now */

void journal_reclaim_kick(struct journal *j)
{
	queue_work(j->wq, &j->publish_work);
	mod_delayed_work(j->reclaim_wq, &j->reclaim_work, 0);
}

void journal_reclaim_arm(struct journal *j)
{
	queue_delayed_work(j->reclaim_wq, &j->reclaim_work, msecs_to_jiffies(TICK_MS));
}

static bool flush_is_coming(struct journal *j)
{
	u64 seq;

	for (seq = j->written_seq + 1; seq < j->next_seq; seq++)
		if (buf_of(j, seq)->flush || buf_of(j, seq)->want_flush)
			return true;
	return false;
}

/* Unpinned entries become free space by a flush entry. */
static void publish(struct journal *j)
{
	spin_lock(&j->lock);
	if (!j->error && !j->stopping && !flush_is_coming(j) && journal_space_would_free(j))
		journal_flush_request(j, max(j->next_seq - 1, j->submit_seq));
	spin_unlock(&j->lock);
	journal_kick(j);
}

static void publish_work_fn(struct work_struct *work)
{
	publish(container_of(work, struct journal, publish_work));
}

static u64 target(struct journal *j, bool blocked)
{
	u64 seq;

	spin_lock(&j->lock);
	seq = journal_space_target(j, blocked);
	spin_unlock(&j->lock);
	return max(seq, journal_pin_target(j, msecs_to_jiffies(AGE_MS), blocked));
}

static void reclaim_work_fn(struct work_struct *work)
{
	struct journal *j = container_of(to_delayed_work(work), struct journal, reclaim_work);
	bool blocked = atomic_read(&j->blocked), low;
	int error = 0;

	if (journal_error(j))
		return;
	journal_pins_flush_pass(j, target(j, blocked), &error);
	spin_lock(&j->lock);
	low = journal_space_low(j);
	spin_unlock(&j->lock);
	if (blocked || low)
		publish(j);
	if (atomic_read(&j->blocked))
		queue_delayed_work(j->reclaim_wq, &j->reclaim_work, msecs_to_jiffies(RETRY_MS));
	else if (READ_ONCE(j->nr_pins) || low)
		journal_reclaim_arm(j);
}

void journal_reclaim_init(struct journal *j)
{
	INIT_WORK(&j->publish_work, publish_work_fn);
	INIT_DELAYED_WORK(&j->reclaim_work, reclaim_work_fn);
}

int bce_journal_flush_pins(struct journal *j, u64 seq)
{
	u64 drops;
	unsigned int nr;
	int error;

	while (journal_pins_up_to(j, seq)) {
		if (journal_error(j))
			return -EROFS;
		drops = READ_ONCE(j->nr_drops);
		error = 0;
		nr = journal_pins_flush_pass(j, seq, &error);
		if (READ_ONCE(j->nr_drops) != drops)
			continue;
		if (error)
			return error;
		/* others are at it, or it takes its time */
		if (journal_pins_up_to(j, seq))
			wait_event_timeout(j->pin_wait, READ_ONCE(j->nr_drops) != drops,
					   msecs_to_jiffies(nr ? RETRY_MS : 5 * RETRY_MS));
	}
	return 0;
}
