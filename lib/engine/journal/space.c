// SPDX-License-Identifier: GPL-2.0
/*
 * Space: each member's ring, and who may still begin an entry.
 *
 *   ring     ... needed | cur_idx      | reusable, discarded | reusable | needed ...
 *                         ^ used_sectors  nr_clean
 *                                         nr_reusable
 *
 * A bucket is reusable when the highest number written to it is below last_seq of the newest
 * complete flush entry. With the member's option discard it is discarded before it may be written
 * to, by a worker. Members go through their rings each at its own pace.
 *
 * An entry's place is chosen when it is written, as late as possible: in order of numbers, when its
 * length is known. That there will be a place is made sure when it is opened: the entries that
 * have no place yet and the new one, each taken as long as it may become, must fit one after the
 * other on members whose durabilities make up what is wanted. (Entries that turn out shorter never
 * need more buckets; nor does a member that is left out.)
 *
 * Watermarks. Beginning an entry needs a number of clean buckets to be left after it:
 *
 *   JOURNAL_RECLAIM  1: it may be used only by an entry that frees another one when it is flushed.
 *		      None if the entry fits into the bucket that is being filled anyway
 *   JOURNAL_ALLOC    1/16 more, at least one in rings of 8 and more
 *   JOURNAL_NORMAL   1/8 more again
 *
 * The bucket that is being filled may be one that reclaim has begun out of its reserve: what is left of it is
 * not for others, until there are as many clean ones again as they have to leave.
 *
 * So users stop first, while reclaim still has room for all the pointers to nodes that it writes to
 * let old entries go. The last bucket is what the flush entry needs that tells so.
 *
 * How much reclaim needs depends on how many nodes hold pins: each is written, or replaced, which journals
 * a new place and what follows from it. In a ring of a few buckets that may be more than the reserves
 * above. So who is not reclaim leaves as much clean as the pins there are would need, and those that his
 * own entry may add (half of that under JOURNAL_ALLOC); entries are shorter then. If that is more than the
 * ring has, he waits until all of it is clean.
 *
 * A member where a write failed has a gap in its bucket that ends the reading of it, so it is not
 * used for entries any more. A member that is away is passed over.
 *
 * All under j->lock. Source: docs/format/30-journal.md, sections 1, 5.
 */
#include "engine/journal/journal.h"

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/journal/writer.h"

#define RING_MIN	4	/* buckets: fewer leave nothing between the watermarks */
/* what replacing a node journals, at worst in an entry of its own; nodes of one sector's keys */
#define WORDS_PER_PIN	256
#define PINS_PER_SECTOR	2

/* ---- rings, from what the last writer left ---- */

static void dev_count_reusable(struct journal *j, struct journal_dev *d)
{
	while (d->nr_reusable < d->nr - 1 &&
	       d->bucket_seq[(d->cur_idx + 1 + d->nr_reusable) % d->nr] < j->last_seq_ondisk)
		d->nr_reusable++;
	if (!d->discard)
		d->nr_clean = d->nr_reusable;
}

static void dev_set_reserves(struct journal_dev *d)
{
	d->reserve[JOURNAL_RECLAIM] = 1;
	d->reserve[JOURNAL_ALLOC] = 1 + max(d->nr / 16, d->nr >= 8 ? 1U : 0U);
	d->reserve[JOURNAL_NORMAL] = d->reserve[JOURNAL_ALLOC] + max(1U, d->nr / 8);
}

static int dev_copy_ring(struct journal *j, struct journal_dev *d, const struct journal_ring *r)
{
	d->bucket = kvmalloc_array(r->nr, sizeof(u64), GFP_KERNEL);
	d->bucket_seq = kvcalloc(r->nr, sizeof(u64), GFP_KERNEL);
	if (!d->bucket || !d->bucket_seq)
		return -ENOMEM;
	memcpy(d->bucket, r->bucket, r->nr * sizeof(u64));
	if (r->bucket_seq)
		memcpy(d->bucket_seq, r->bucket_seq, r->nr * sizeof(u64));
	d->nr = r->nr;
	d->cur_idx = r->cur_idx < r->nr ? r->cur_idx : 0;
	return 0;
}

static int dev_init(struct journal *j, unsigned int dev, struct member_dev *m)
{
	const struct journal_ring *r = &j->c.ring[dev];
	struct journal_dev *d = &j->dev[dev];
	int ret;

	if (!r->usable || r->nr < RING_MIN || !m->info.durability)
		return 0;
	ret = dev_copy_ring(j, d, r);
	if (ret)
		return ret;
	d->durability = m->info.durability;
	d->bucket_sectors = m->info.bucket_sectors;
	d->used_sectors = min_t(u32, round_up(r->cur_used_sectors, j->c.block_sectors),
				d->bucket_sectors);
	d->discard = m->info.discard;
	dev_set_reserves(d);
	/* what is reusable from the start was so for the last writer: no need to discard again */
	dev_count_reusable(j, d);
	d->nr_clean = d->nr_reusable;
	d->usable = true;
	j->usable |= 1ULL << dev;
	j->max_bytes = min_t(u64, j->max_bytes, (u64)d->bucket_sectors * SECTOR_BYTES);
	j->grow_bytes_max = min_t(u64, j->grow_bytes_max,
				  (u64)d->bucket_sectors * SECTOR_BYTES * d->nr / 32);
	return 0;
}

int journal_devs_init(struct journal *j)
{
	struct member_dev *m;
	unsigned int dev;
	int ret = 0;

	j->dev = kvcalloc(BCH_MEMBERS_MAX, sizeof(*j->dev), GFP_KERNEL);
	if (!j->dev)
		return -ENOMEM;
	j->max_bytes = JSET_BYTES_MAX;
	j->grow_bytes_max = JSET_BYTES_MAX;
	for (dev = 0; dev < BCH_MEMBERS_MAX && !ret; dev++) {
		m = bce_member_get_io(j->c.members, dev);
		if (!m)
			continue;
		ret = dev_init(j, dev, m);
		bce_member_put_io(m);
	}
	/* an entry lies in one bucket */
	j->grow_bytes_max = min(j->grow_bytes_max, j->max_bytes);
	return ret;
}

void journal_devs_exit(struct journal *j)
{
	unsigned int dev;

	for (dev = 0; j->dev && dev < BCH_MEMBERS_MAX; dev++) {
		kvfree(j->dev[dev].bucket);
		kvfree(j->dev[dev].bucket_seq);
	}
	kvfree(j->dev);
}

u64 journal_devs_alive(struct journal *j)
{
	u64 devs = j->usable & bce_members_present(j->c.members), mask;
	unsigned int dev;

	for (mask = devs; mask; mask &= mask - 1) {
		dev = __ffs64(mask);
		if (j->dev[dev].failed)
			devs &= ~(1ULL << dev);
	}
	return devs;
}

unsigned int journal_durability(struct journal *j, u64 devs)
{
	unsigned int sum = 0;

	for (; devs; devs &= devs - 1)
		sum += j->dev[__ffs64(devs)].durability;
	return sum;
}

/* ---- is there room? ---- */

/* a position that moves through a ring, entry by entry */
struct ring_pos {
	u32	used_sectors;
	u32	buckets;		/* new ones begun */
};

static void pos_add(struct ring_pos *p, const struct journal_dev *d, u32 sectors)
{
	if (p->used_sectors + sectors > d->bucket_sectors) {
		p->buckets++;
		p->used_sectors = 0;
	}
	p->used_sectors += sectors;
}

/* buckets that the entries without a place and one of @sectors more will begin, at most */
static u32 buckets_needed(struct journal *j, const struct journal_dev *d, u32 sectors)
{
	struct ring_pos p = { .used_sectors = d->used_sectors };
	u64 seq;

	for (seq = j->submit_seq; seq < j->next_seq; seq++)
		if (buf_of(j, seq)->max_sectors)
			pos_add(&p, d, buf_of(j, seq)->max_sectors);
	if (sectors)
		pos_add(&p, d, sectors);
	return p.buckets;
}

/* would a flush entry that is written now free another bucket of @d? */
static bool dev_would_free(struct journal_dev *d, u64 oldest)
{
	return d->nr_reusable < d->nr - 1 &&
	       d->bucket_seq[(d->cur_idx + 1 + d->nr_reusable) % d->nr] < oldest;
}

/* buckets to be left to reclaim for what pins there are, and for those of an entry of @sectors more */
static u32 buckets_for_pins(struct journal *j, const struct journal_dev *d, u32 sectors)
{
	u64 pins = READ_ONCE(j->nr_pins) + (u64)sectors * PINS_PER_SECTOR;
	u32 each = round_up(DIV_ROUND_UP((j->tail_u64s + WORDS_PER_PIN) * sizeof(u64), SECTOR_BYTES),
			    j->c.block_sectors);

	return min_t(u64, div_u64(pins * each, d->bucket_sectors), U32_MAX / 2);
}

static int dev_watermark(struct journal *j, struct journal_dev *d, u32 sectors, bool all_clean)
{
	u32 needed = buckets_needed(j, d, sectors);
	u32 pins = buckets_for_pins(j, d, sectors), want;
	u32 left_for_pins[JOURNAL_NR_WATERMARKS] = {
		[JOURNAL_NORMAL] = pins, [JOURNAL_ALLOC] = pins / 2,
	};
	int wm;

	for (wm = JOURNAL_NORMAL; wm < JOURNAL_NR_WATERMARKS; wm++) {
		want = needed || wm < JOURNAL_RECLAIM ? needed + d->reserve[wm] : 0;
		if (d->nr_clean >= want + left_for_pins[wm] ||
		    (all_clean && d->nr_clean >= want && d->nr_clean == d->nr - 1))
			return wm;
	}
	if (d->nr_clean >= needed && dev_would_free(d, journal_pin_oldest(j)))
		return JOURNAL_RECLAIM;
	return JOURNAL_NR_WATERMARKS;
}

int journal_space_watermark(struct journal *j, u32 sectors, bool all_clean)
{
	u64 alive = journal_devs_alive(j), mask;
	unsigned int sum[JOURNAL_NR_WATERMARKS + 1] = { };
	unsigned int total = journal_durability(j, alive), have = 0, want;
	int wm;

	if (!alive || total < j->c.replicas_required)
		return -EIO;
	for (mask = alive; mask; mask &= mask - 1) {
		struct journal_dev *d = &j->dev[__ffs64(mask)];

		sum[dev_watermark(j, d, sectors, all_clean)] += d->durability;
	}
	want = min_t(unsigned int, j->c.replicas, total);
	for (wm = JOURNAL_NORMAL; wm < JOURNAL_NR_WATERMARKS; wm++) {
		have += sum[wm];
		if (have >= want)
			break;
	}
	return wm;
}

/* ---- choosing members, and places on them ---- */

static u64 fastest_ns(struct journal *j, u64 devs)
{
	u64 ns = U64_MAX;

	for (; devs; devs &= devs - 1)
		ns = min(ns, READ_ONCE(j->dev[__ffs64(devs)].latency_ns));
	return ns;
}

/* one that would make everybody wait: much slower than the fastest */
static bool dev_is_slow(struct journal_dev *d, u64 fastest)
{
	u64 ns = READ_ONCE(d->latency_ns);

	return ns > 10000000 && ns / 8 > fastest;
}

/* the smaller, the better */
static u64 dev_rank(struct journal *j, unsigned int dev, u32 sectors, u64 fastest)
{
	struct journal_dev *d = &j->dev[dev];
	bool fits = d->used_sectors + sectors <= d->bucket_sectors;
	u64 rank = 0;

	if (!fits && !d->nr_clean)
		return U64_MAX;
	rank |= (u64)(!fits && d->nr_clean == 1) << 63;		/* the last bucket only if it must be */
	rank |= (u64)!(j->c.prefer_devs >> dev & 1) << 62;
	rank |= (u64)dev_is_slow(d, fastest) << 61;
	rank |= (u64)(U32_MAX - d->nr_clean) << 8;
	return rank | dev;
}

u64 journal_space_choose(struct journal *j, u32 sectors, u64 avoid, unsigned int want,
			 unsigned int *durability)
{
	u64 left = journal_devs_alive(j) & ~avoid, devs = 0, fastest = fastest_ns(j, left);

	*durability = 0;
	while (left && *durability < want) {
		u64 best = U64_MAX, mask;
		unsigned int dev;

		for (mask = left; mask; mask &= mask - 1)
			best = min(best, dev_rank(j, __ffs64(mask), sectors, fastest));
		if (best == U64_MAX)
			break;
		dev = best & 0xff;
		left &= ~(1ULL << dev);
		devs |= 1ULL << dev;
		*durability += j->dev[dev].durability;
	}
	return devs;
}

static void dev_next_bucket(struct journal_dev *d)
{
	d->cur_idx = (d->cur_idx + 1) % d->nr;
	d->used_sectors = 0;
	d->nr_clean--;
	d->nr_reusable--;
	d->bucket_seq[d->cur_idx] = 0;
}

u64 journal_space_place(struct journal *j, unsigned int dev, u32 sectors, u64 seq, bool late)
{
	struct journal_dev *d = &j->dev[dev];
	u64 sector;

	if (WARN_ON_ONCE(sectors > d->bucket_sectors))
		return U64_MAX;
	if (d->used_sectors + sectors > d->bucket_sectors ||
	    (late && d->bucket_seq[d->cur_idx] > seq)) {
		if (!d->nr_clean)
			return U64_MAX;
		dev_next_bucket(d);
	}
	sector = d->bucket[d->cur_idx] * d->bucket_sectors + d->used_sectors;
	d->used_sectors += sectors;
	d->bucket_seq[d->cur_idx] = max(d->bucket_seq[d->cur_idx], seq);
	return sector;
}

/* ---- what becomes free ---- */

void journal_space_update(struct journal *j)
{
	bool discard = false;
	u64 mask;

	for (mask = j->usable; mask; mask &= mask - 1) {
		struct journal_dev *d = &j->dev[__ffs64(mask)];

		dev_count_reusable(j, d);
		discard |= d->nr_clean < d->nr_reusable;
	}
	if (discard)
		queue_work(j->wq, &j->discard_work);
}

bool journal_space_would_free(struct journal *j)
{
	u64 oldest = journal_pin_oldest(j), mask;

	for (mask = journal_devs_alive(j); mask; mask &= mask - 1)
		if (dev_would_free(&j->dev[__ffs64(mask)], oldest))
			return true;
	return false;
}

/* entries are flush entries then: what they free is wanted */
bool journal_space_low(struct journal *j)
{
	u64 mask;

	for (mask = journal_devs_alive(j); mask; mask &= mask - 1) {
		struct journal_dev *d = &j->dev[__ffs64(mask)];

		if (d->nr_reusable < d->nr / 2)
			return true;
	}
	return false;
}

static u64 dev_target(struct journal_dev *d, bool blocked)
{
	u32 i, want = d->nr / 2;
	u64 seq = 0;

	if (blocked)
		want = min(d->nr - 1, max(want, d->nr_reusable + 1));
	for (i = d->nr_reusable; i < want; i++)
		seq = max(seq, d->bucket_seq[(d->cur_idx + 1 + i) % d->nr]);
	return seq;
}

u64 journal_space_target(struct journal *j, bool blocked)
{
	u64 mask, seq = 0;

	for (mask = journal_devs_alive(j); mask; mask &= mask - 1)
		seq = max(seq, dev_target(&j->dev[__ffs64(mask)], blocked));
	return seq;
}

u64 journal_free_sectors(struct journal *j)
{
	u64 mask, sectors = 0;

	for (mask = journal_devs_alive(j); mask; mask &= mask - 1) {
		struct journal_dev *d = &j->dev[__ffs64(mask)];

		sectors += (u64)d->nr_clean * d->bucket_sectors +
			   d->bucket_sectors - d->used_sectors;
	}
	return sectors;
}
