// SPDX-License-Identifier: GPL-2.0
/*
 * Emptying buckets that hold little: copygc.
 *
 * When the holes in the buckets of some member amount to more than half of what is available on it, the
 * emptiest buckets are taken from the fragmentation LRU and what is in them is moved, by the data
 * room. Nothing is done to buckets here: they become empty when the keys are rewritten, and go the
 * way of all empty buckets.
 *
 * Data needs more free buckets to be moved into than nodes do. When these are missing, what is left to do is to
 * move nodes: as they are replaced, their buckets empty slowly, and would take all there is.
 *
 * When somebody waits for a bucket, whatever has holes is moved, the emptiest first: the reserve that is kept from
 * everybody (gc_reserve) is for holes that a promise of space has not counted.
 *
 * How long to wait is measured on the write clock, in what may be written until there are too many
 * holes. A pass that could move nothing is not repeated before something has been written.
 *
 * Source: docs/format/75-allocation.md, 9.1.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "engine/alloc/encode.h"
#include "engine/util/event.h"

#define COPYGC_BATCH	16
/* batches of one pass */
#define COPYGC_BATCHES	4
/* fuller ones are not worth the work: fifteen sixteenths, as LRU times */
#define COPYGC_TIME_MAX	((1ULL << 31) / 16 * 15)
#define URGENT_TIME_MAX	(1ULL << 31)

/* one pass */
struct copygc {
	struct allocator		*a;
	const struct alloc_mover_ops	*mover;
	struct bpos			from;
	bool				urgent, only_nodes;
	unsigned int			moved;		/* buckets */
};

static int dev_sums(struct allocator *a, unsigned int dev, s64 *available_buckets, s64 *holes)
{
	static const u8 free[] = { BCH_DATA_free, BCH_DATA_cached, BCH_DATA_need_gc_gens,
				   BCH_DATA_need_discard };
	static const u8 movable[] = { BCH_DATA_btree, BCH_DATA_user, BCH_DATA_stripe };
	s64 counters[3];
	int ret = 0;

	*available_buckets = -(s64)alloc_reserve_buckets(a, &a->dev[dev].info, ALLOC_STRIPE) -
			     alloc_open_nr_free(a, dev);
	*holes = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(free) && !ret; i++) {
		ret = alloc_dev_counters(a, dev, free[i], counters);
		*available_buckets += counters[0];
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(movable) && !ret; i++) {
		ret = alloc_dev_counters(a, dev, movable[i], counters);
		*holes += counters[2];
	}
	return ret;
}

/* sectors that may be written before there is something to do; 0: now */
static u64 copygc_wait_sectors(struct allocator *a)
{
	u64 devs = alloc_writable_devs(a, BCH_DATA_user), wait = U64_MAX;
	s64 available, holes, left;

	for (unsigned int i = 0; i < a->nr_devs; i++) {
		if (!(devs >> i & 1) || dev_sums(a, i, &available, &holes))
			continue;
		left = max_t(s64, available, 0) * a->dev[i].info.bucket_sectors / 2 - holes;
		wait = min_t(u64, wait, max_t(s64, left, 0));
	}
	return wait;
}

/* the emptiest buckets that are not open, as LRU positions */
static unsigned int candidates(struct copygc *c, struct bpos *out)
{
	const struct bpos end = bce_lru_pos(ALLOC_LRU_ID_FRAGMENTATION,
					    c->urgent ? URGENT_TIME_MAX : COPYGC_TIME_MAX, 0, 0);
	struct allocator *a = c->a;
	struct btree_iter iter;
	const struct bkey *k;
	unsigned int nr = 0;

	bce_btree_iter_init(&iter, a->config.btrees, BTREE_ID_lru, 0, c->from, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k && !IS_ERR(k) && nr < COPYGC_BATCH;
	     k = bce_btree_iter_next(&iter)) {
		if (bpos_cmp(k->p, end) >= 0)
			break;
		c->from = bpos_successor(k->p);
		if (alloc_dev(a, bce_lru_dev(k->p)) &&
		    !alloc_bucket_is_open(a, bce_lru_dev(k->p), bce_lru_bucket(k->p)))
			out[nr++] = k->p;
	}
	bce_btree_iter_exit(&iter);
	return nr;
}

/* is the entry still there? A bucket that has been filled further has another */
static bool candidate_stands(struct allocator *a, struct bpos pos)
{
	struct bkey_buf *buf = kmalloc(sizeof(*buf), GFP_NOFS);
	struct bkey k;
	bool stands;

	if (!buf)
		return false;
	stands = !bce_btree_lookup(a->config.btrees, BTREE_ID_lru, pos, NULL, &k, buf);
	kfree(buf);
	return stands;
}

static bool holds_nodes(struct allocator *a, struct bpos pos)
{
	struct bkey_buf *buf = kmalloc(sizeof(*buf), GFP_NOFS);
	struct alloc_info info = { };
	struct bkey k;

	if (!buf)
		return false;
	if (!bce_btree_lookup(a->config.btrees, BTREE_ID_alloc,
			      POS(bce_lru_dev(pos), bce_lru_bucket(pos)), NULL, &k, buf) &&
	    bce_alloc_decode(&k, &info))
		info.data_type = BCH_DATA_free;		/* the checker's business */
	kfree(buf);
	return info.data_type == BCH_DATA_btree;
}

/* Return: candidates looked at, or negative errno */
static int copygc_batch(struct copygc *c)
{
	struct bpos pos[COPYGC_BATCH];
	unsigned int nr = candidates(c, pos);
	struct allocator *a = c->a;
	int ret = 0;

	for (unsigned int i = 0; i < nr && !ret && !READ_ONCE(a->stopping); i++) {
		if (!candidate_stands(a, pos[i]) || (c->only_nodes && !holds_nodes(a, pos[i])))
			continue;
		ret = c->mover->bucket(a->mover_ctx, bce_lru_dev(pos[i]), bce_lru_bucket(pos[i]));
		trace_bce_copygc(bce_event_set(a->config.log), bce_lru_dev(pos[i]), bce_lru_bucket(pos[i]), ret);
		bce_event(a->config.log, BCE_EVENT_copygc, !ret);
		c->moved += !ret;
		if (ret == -EAGAIN)	/* the next one may be at rest */
			ret = 0;
		cond_resched();
	}
	return ret ?: nr;
}

/* the emptiest buckets */
static int copygc_run(struct copygc *c)
{
	unsigned int max_moved = c->moved + COPYGC_BATCHES * COPYGC_BATCH;
	int ret;

	c->from = POS((u64)ALLOC_LRU_ID_FRAGMENTATION << 48, 0);
	do {
		ret = copygc_batch(c);
	} while (ret > 0 && c->moved < max_moved && (c->urgent || copygc_wait_sectors(c->a) == 0) &&
		 !READ_ONCE(c->a->stopping));
	return ret;
}

static void copygc_pass(struct copygc *c)
{
	struct allocator *a = c->a;
	int ret = copygc_run(c);

	if (ret == -ENOSPC) {
		c->only_nodes = true;
		ret = copygc_run(c);
	}
	if (ret < 0 && ret != -EROFS && ret != -ENOSPC)
		bce_log_line(a->config.log, BCE_LOG_ERR, "copygc: error %d", ret);
	if (!c->moved)
		WRITE_ONCE(a->copygc_after, alloc_clock(a, 1) + a->dev[0].info.bucket_sectors + 1);
	else
		alloc_kick(a);
}

void alloc_copygc_work(struct work_struct *work)
{
	struct allocator *a = container_of(work, struct allocator, copygc_work);
	/* pairs with the release in bce_allocator_set_mover() */
	struct copygc c = { .a = a, .mover = smp_load_acquire(&a->mover), .urgent = xchg(&a->copygc_urgent, false) };
	u64 now = alloc_clock(a, 1), wait;

	if (!c.mover || READ_ONCE(a->stopping) || (!c.urgent && now < READ_ONCE(a->copygc_after)))
		return;
	wait = c.urgent ? 0 : copygc_wait_sectors(a);
	if (wait)
		WRITE_ONCE(a->copygc_after, wait > ALLOC_IO_TIME_MAX ? 0 : now + wait);
	else
		copygc_pass(&c);
}
