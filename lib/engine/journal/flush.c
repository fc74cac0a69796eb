// SPDX-License-Identifier: GPL-2.0
/*
 * Durability: who waits for it, and who does the work meanwhile.
 *
 * Bringing an entry to the members takes steps in process context: advance (close, prepare,
 * submit; write_mutex) and complete (done_mutex). Whoever notices that a step may be due, be it in
 * interrupt context, kicks. If somebody waits for durability it is he who is woken and takes
 * the steps ("drives"), so that a flush costs one wake-up and no detour through a worker. If nobody
 * waits, drive_work does it.
 *
 *   kicked bit set --> drivers > 0 ? wake one of them : queue drive_work
 *
 * No kick is lost: a driver announces himself before he looks at the bit, and when he leaves
 * with the bit set he kicks anew.
 *
 * Group commit. A flush request is a mark on an entry that has not been written yet. The open
 * entry is closed for it only when all before are complete: it could not be written earlier
 * anyway, and until then others come into it. They all wait for the same number.
 *
 * Entries without a request are closed when full, or after flush_delay_ms; then as flush entries.
 * An idle journal writes nothing.
 *
 * Errors. When an entry cannot be brought to enough members the journal is halted: reservations
 * get -EROFS, waiters -EIO, nothing is written any more. What was promised durable is.
 *
 * Source: docs/format/30-journal.md, sections 4, 10.
 */
#include "engine/journal/journal.h"

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "engine/journal/writer.h"

#define KICKED	0

/* ---- kicks ---- */

void journal_kick(struct journal *j)
{
	/* a full barrier; pairs with the one of a driver who comes or leaves */
	if (test_and_set_bit(KICKED, &j->kicked))
		return;
	if (atomic_read(&j->drivers))
		wake_up(&j->wait);
	else
		queue_work(j->wq, &j->drive_work);
}

static bool is_flushed(struct journal *j, u64 seq)
{
	return READ_ONCE(j->flushed_seq) >= seq;
}

/*
 * All that is due. Who has what he waited for, @seq, leaves the next entry to those who wait for
 * that: until they are awake he may have put something into it.
 */
static void drive(struct journal *j, u64 seq)
{
	while (test_and_clear_bit(KICKED, &j->kicked)) {
		journal_complete(j);
		if (is_flushed(j, seq)) {
			set_bit(KICKED, &j->kicked);
			return;
		}
		journal_advance(j);
	}
}

static void drive_work_fn(struct work_struct *work)
{
	drive(container_of(work, struct journal, drive_work), U64_MAX);
}

/* is there an entry that could be closed or written, or one that has been? */
static bool more_to_do(struct journal *j)
{
	struct journal_buf *buf;
	bool more;

	spin_lock(&j->lock);
	buf = buf_of(j, j->submit_seq);
	more = READ_ONCE(j->done) || (j->submit_seq < j->next_seq &&
				      (buf->state == BUF_CLOSED || buf->want_flush));
	spin_unlock(&j->lock);
	return more;
}

void journal_wake(struct journal *j)
{
	atomic64_inc(&j->space_gen);
	/* full barriers; pair with those of the waiters, who look at space_gen after queueing */
	if (wq_has_sleeper(&j->space_wait))
		wake_up_all(&j->space_wait);
	if (wq_has_sleeper(&j->wait))
		wake_up_all(&j->wait);
}

/* ---- requests ---- */

int journal_flush_request(struct journal *j, u64 seq)
{
	struct journal_buf *buf;
	u64 s;
	int ret;

	for (s = max(seq, j->written_seq + 1); s < j->next_seq; s++) {
		buf = buf_of(j, s);
		if (buf->state == BUF_OPEN || buf->state == BUF_CLOSED)
			buf->want_flush = true;
		if (buf->want_flush || buf->flush)
			return 0;
	}
	/* what is to be flushed has been written already, or is being so: an entry to say it */
	ret = journal_entry_open(j, JOURNAL_RECLAIM, 0);
	if (!ret)
		buf_of(j, j->next_seq - 1)->want_flush = true;
	return ret;
}

static void delay_work_fn(struct work_struct *work)
{
	struct journal *j = container_of(to_delayed_work(work), struct journal, delay_work);
	bool again = false;

	spin_lock(&j->lock);
	if (!j->error && !j->stopping && j->flushed_seq + 1 < j->next_seq)
		again = journal_flush_request(j, j->next_seq - 1) != 0;
	spin_unlock(&j->lock);
	if (again)
		journal_arm_delay(j);
	journal_kick(j);
}

void journal_arm_delay(struct journal *j)
{
	queue_delayed_work(j->wq, &j->delay_work, msecs_to_jiffies(READ_ONCE(j->c.flush_delay_ms)));
}

void journal_flush_init(struct journal *j)
{
	init_waitqueue_head(&j->wait);
	init_waitqueue_head(&j->space_wait);
	INIT_WORK(&j->drive_work, drive_work_fn);
	INIT_DELAYED_WORK(&j->delay_work, delay_work_fn);
}

/* ---- waiting ---- */

/* See that an entry carries the request. Return: 0, or an error that ends the wait. */
static int request(struct journal *j, u64 seq)
{
	int ret;

	spin_lock(&j->lock);
	if (is_flushed(j, seq))
		ret = 0;
	else if (j->error)
		ret = j->error == -EROFS ? -EROFS : -EIO;
	else
		ret = journal_flush_request(j, seq);
	spin_unlock(&j->lock);
	if (ret == -ENOSPC)
		journal_reclaim_kick(j);
	return ret == -EBUSY || ret == -ENOSPC ? 0 : ret;
}

/* Sleep until there is something to drive, something was freed since @gen, or @seq is durable. */
static void wait_turn(struct journal *j, u64 seq, u64 gen)
{
	DEFINE_WAIT(wait);

	prepare_to_wait_exclusive(&j->wait, &wait, TASK_UNINTERRUPTIBLE);
	if (!test_bit(KICKED, &j->kicked) && atomic64_read(&j->space_gen) == gen &&
	    !is_flushed(j, seq) && !journal_error(j))
		schedule();
	finish_wait(&j->wait, &wait);
}

int bce_journal_flush_seq(struct journal *j, u64 seq)
{
	u64 gen;
	int ret;

	spin_lock(&j->lock);
	seq = min(seq, j->next_seq - 1);
	spin_unlock(&j->lock);
	if (is_flushed(j, seq))
		return 0;

	atomic_inc(&j->drivers);
	smp_mb__after_atomic();			/* pairs with journal_kick() */
	for (;;) {
		gen = atomic64_read(&j->space_gen);
		ret = request(j, seq);
		if (ret || is_flushed(j, seq))
			break;
		set_bit(KICKED, &j->kicked);
		drive(j, seq);
		if (is_flushed(j, seq))
			break;
		wait_turn(j, seq, gen);
	}
	atomic_dec(&j->drivers);
	smp_mb__after_atomic();
	/* what we have left to others, or a kick that was meant for us */
	if (test_and_clear_bit(KICKED, &j->kicked) && more_to_do(j))
		journal_kick(j);
	return is_flushed(j, seq) ? 0 : ret;
}

int bce_journal_flush(struct journal *j)
{
	return bce_journal_flush_seq(j, U64_MAX);
}

u64 bce_journal_cur_seq(struct journal *j)
{
	u64 seq;

	spin_lock(&j->lock);
	seq = j->next_seq;
	if (state_offset(atomic64_read(&j->state)) != STATE_OFFSET_CLOSED)
		seq--;
	spin_unlock(&j->lock);
	return seq;
}

u64 bce_journal_flushed_seq(struct journal *j)
{
	return READ_ONCE(j->flushed_seq);
}

u64 bce_journal_written_seq(struct journal *j)
{
	return READ_ONCE(j->written_seq);
}

/* ---- the end ---- */

static bool halt_writing(struct journal *j, int error)
{
	bool first;

	spin_lock(&j->lock);
	first = !j->error;
	if (first)
		WRITE_ONCE(j->error, error);
	journal_entry_close(j);
	spin_unlock(&j->lock);
	journal_wake(j);
	wake_up_all(&j->pin_wait);
	return first;
}

void journal_fail(struct journal *j, int error)
{
	if (!halt_writing(j, error))
		return;
	bce_log_line(j->c.log, BCE_LOG_ERR, "journal: cannot go on, error %d", error);
	j->c.ops->failed(j->c.ctx, error);
}

void bce_journal_halt(struct journal *j)
{
	halt_writing(j, -EROFS);
}

void bce_journal_abort(struct journal *j, int error)
{
	if (halt_writing(j, -EROFS))
		j->c.ops->failed(j->c.ctx, error);
}

bool bce_journal_failed(struct journal *j)
{
	return journal_error(j);
}

/* The last entry is opened, empty; nobody else opens one after it. */
static int open_last(struct journal *j, u64 *seq)
{
	int ret = j->error;

	if (ret)
		return ret;
	if (j->written_seq + 1 < j->next_seq)
		return -EBUSY;		/* somebody has written meanwhile */
	if (journal_pin_oldest(j) < j->next_seq)
		return -EINVAL;
	/* the owner's word is the best there is: nothing is on its way any more */
	journal_roots_load(j);
	ret = journal_entry_open(j, JOURNAL_RECLAIM, 0);
	if (ret)
		return ret;
	WRITE_ONCE(j->stopping, true);
	*seq = j->next_seq - 1;
	buf_of(j, *seq)->want_flush = true;
	return 0;
}

static int write_last(struct journal *j, u64 *seq)
{
	int ret;

	do {
		ret = bce_journal_flush(j);
		if (ret)
			return ret;
		spin_lock(&j->lock);
		ret = open_last(j, seq);
		spin_unlock(&j->lock);
	} while (ret == -EBUSY);
	if (ret == -EINVAL)
		bce_log_line(j->c.log, BCE_LOG_ERR,
			     "journal: entry %llu is still needed at the end",
			     (unsigned long long)journal_pin_oldest(j));
	return ret ?: bce_journal_flush_seq(j, *seq);
}

int bce_journal_stop(struct journal *j, u64 *seq, struct journal_ring_end *ends)
{
	unsigned int dev;
	int ret = write_last(j, seq);

	if (ret)
		return ret;
	spin_lock(&j->lock);
	for (dev = 0; dev < BCH_MEMBERS_MAX; dev++)
		ends[dev] = (struct journal_ring_end) {
			.last_bucket		= j->dev[dev].cur_idx,
			/* behind an entry that was not written nobody looks for more in that bucket */
			.last_offset_sectors	= j->dev[dev].failed ? j->dev[dev].bucket_sectors :
						  j->dev[dev].used_sectors,
		};
	spin_unlock(&j->lock);
	return 0;
}
