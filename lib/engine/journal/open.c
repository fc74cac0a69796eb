// SPDX-License-Identifier: GPL-2.0
/*
 * A journal's beginning and end.
 *
 * Opening writes nothing. The rings go on where the last writer stood; what he left is kept until
 * a flush entry of ours is complete: everything from replay_seq on or, after a clean shutdown, his
 * last entry.
 *
 * Source: docs/format/30-journal.md, sections 5, 8, 10; 40-recovery.md, section 1.
 */
#include "engine/journal/journal.h"

#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "engine/journal/replay.h"
#include "engine/journal/writer.h"

#define BUF_BYTES	(64U << 10)	/* at first */
#define SHORT_WORDS_MIN	1024U

/* ---- discards ---- */

/* the first bucket of @d that is to be discarded */
static bool next_discard(struct journal *j, unsigned int dev, u64 *sector)
{
	struct journal_dev *d = &j->dev[dev];
	bool found;

	spin_lock(&j->lock);
	found = !j->error && d->discard && d->nr_clean < d->nr_reusable;
	if (found)
		*sector = d->bucket[(d->cur_idx + 1 + d->nr_clean) % d->nr] * d->bucket_sectors;
	spin_unlock(&j->lock);
	return found;
}

/*
 * Only this work makes buckets clean, and buckets that are taken come off the front of the clean
 * ones, so the bucket stays the same while it is discarded.
 */
static void discard_member(struct journal *j, struct member_dev *m)
{
	struct journal_dev *d = &j->dev[m->idx];
	u64 sector;
	int ret = 0;

	while (next_discard(j, m->idx, &sector)) {
		if (!ret && bdev_max_discard_sectors(m->bdev))
			ret = blkdev_issue_discard(m->bdev, sector, d->bucket_sectors, GFP_NOFS);
		spin_lock(&j->lock);
		d->nr_clean++;
		spin_unlock(&j->lock);
		journal_wake(j);
	}
}

static void discard_work_fn(struct work_struct *work)
{
	struct journal *j = container_of(work, struct journal, discard_work);
	struct member_dev *m;
	u64 mask;

	for (mask = j->usable; mask; mask &= mask - 1) {
		m = bce_member_get_io(j->c.members, __ffs64(mask));
		if (!m)
			continue;
		discard_member(j, m);
		bce_member_put_io(m);
	}
}

/* ---- open, close ---- */

static int bufs_init(struct journal *j)
{
	u32 bytes = min_t(u32, BUF_BYTES, j->max_bytes);
	unsigned int i;

	j->short_words = max_t(u32, j->grow_bytes_max / sizeof(u64), SHORT_WORDS_MIN);
	j->grow_bytes_max = max(j->grow_bytes_max, bytes);
	if (bytes < 2 * (sizeof(struct jset) + j->tail_u64s * 8))
		return -EINVAL;
	for (i = 0; i < JOURNAL_BUFS; i++) {
		j->buf[i].j = j;
		j->buf[i].bytes = bytes;
		j->buf[i].jset = kvmalloc(roundup_pow_of_two(bytes), GFP_KERNEL);
		if (!j->buf[i].jset)
			return -ENOMEM;
	}
	return 0;
}

static int members_check(struct journal *j)
{
	unsigned int durability = journal_durability(j, j->usable);

	if (durability && durability >= j->c.replicas_required)
		return 0;
	bce_log_line(j->c.log, BCE_LOG_ERR,
		     "journal: members with a ring that may be written make up %u copies, needed are %u",
		     durability, j->c.replicas_required);
	return -EROFS;
}

static void numbers_init(struct journal *j)
{
	atomic64_set(&j->state, STATE_OFFSET_CLOSED);
	j->next_seq = j->submit_seq = j->c.next_seq;
	j->written_seq = j->flushed_seq = j->c.next_seq - 1;
	j->last_seq_ondisk = max(1ULL, min(j->c.replay_seq, j->c.next_seq - 1));
}

static int journal_init(struct journal *j)
{
	int ret;

	spin_lock_init(&j->lock);
	journal_flush_init(j);
	journal_reclaim_init(j);
	INIT_WORK(&j->discard_work, discard_work_fn);
	numbers_init(j);
	ret = journal_write_init(j) ?: journal_pins_init(j) ?: journal_devs_init(j) ?:
	      members_check(j) ?: bufs_init(j);
	if (ret)
		return ret;
	j->wq = alloc_workqueue("bce_journal", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	j->reclaim_wq = alloc_workqueue("bce_journal_reclaim", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	return j->wq && j->reclaim_wq ? 0 : -ENOMEM;
}

void bce_journal_rings_stand(const struct journal_replay *r, struct journal_ring *ring,
			     unsigned int nr)
{
	unsigned int c, dev;
	size_t i;

	for (i = 0; i < r->nr_entries; i++)
		for (c = 0; c < r->entry[i]->nr_copies; c++) {
			const struct journal_copy *copy = &r->entry[i]->copy[c];
			u64 *seq;

			if (copy->dev >= nr || copy->ring_index >= ring[copy->dev].nr)
				continue;
			seq = &ring[copy->dev].bucket_seq[copy->ring_index];
			*seq = max(*seq, r->entry[i]->seq);
		}
	for (dev = 0; dev < min_t(unsigned int, nr, BCH_MEMBERS_MAX); dev++) {
		const struct journal_ring_pos *pos = &r->ring_pos[dev];
		struct journal_ring *one = &ring[dev];

		if (!pos->seq || pos->ring_index >= one->nr)
			continue;
		one->cur_idx = pos->ring_index;
		one->cur_used_sectors = pos->end_sectors;
		one->bucket_seq[one->cur_idx] = max(one->bucket_seq[one->cur_idx], pos->seq);
	}
}

void bce_journal_tune(struct journal *j, u8 csum_type, u8 replicas, u32 flush_delay_ms, u64 prefer_devs)
{
	spin_lock(&j->lock);
	WRITE_ONCE(j->c.csum_type, csum_type);
	WRITE_ONCE(j->c.replicas, replicas);
	WRITE_ONCE(j->c.flush_delay_ms, flush_delay_ms);
	j->c.prefer_devs = prefer_devs;
	spin_unlock(&j->lock);
}

int bce_journal_open(struct journal **out, const struct journal_config *config)
{
	struct journal *j;
	int ret;

	*out = NULL;
	if (!config->next_seq || !config->replay_seq || config->replay_seq > config->next_seq)
		return -EINVAL;
	j = kvzalloc(sizeof(*j), GFP_KERNEL);
	if (!j)
		return -ENOMEM;
	j->c = *config;
	ret = journal_init(j);
	if (ret)
		bce_journal_close(j);
	else
		*out = j;
	return ret;
}

static bool writes_under_way(struct journal *j)
{
	unsigned int i;

	for (i = 0; i < JOURNAL_BUFS; i++)
		if (atomic_read(&j->buf[i].pending))
			return true;
	return false;
}

/* Nothing of ours runs any more, or will. */
static void work_stop(struct journal *j)
{
	bce_journal_halt(j);
	if (j->reclaim_wq)
		cancel_delayed_work_sync(&j->reclaim_work);
	if (!j->wq)
		return;
	cancel_delayed_work_sync(&j->delay_work);
	/* the end of a write kicks: wakes us, as we count as a driver */
	atomic_inc(&j->drivers);
	smp_mb__after_atomic();
	wait_event(j->wait, !writes_under_way(j));
	cancel_work_sync(&j->publish_work);
	cancel_work_sync(&j->drive_work);
	cancel_work_sync(&j->discard_work);
	synchronize_rcu();		/* pairs with buf_write_put() */
}

void bce_journal_close(struct journal *j)
{
	unsigned int i;

	if (!j)
		return;
	if (j->dev)
		work_stop(j);
	if (j->reclaim_wq)
		destroy_workqueue(j->reclaim_wq);
	if (j->wq)
		destroy_workqueue(j->wq);
	for (i = 0; i < JOURNAL_BUFS; i++)
		kvfree(j->buf[i].jset);
	journal_devs_exit(j);
	journal_pins_exit(j);
	kvfree(j->root);
	kvfree(j->root_list);
	kvfree(j);
}

void bce_journal_stats(struct journal *j, struct journal_stats *out)
{
	spin_lock(&j->lock);
	*out = j->stats;
	out->free_sectors = journal_free_sectors(j);
	spin_unlock(&j->lock);
	out->nr_pins = READ_ONCE(j->nr_pins);
}
