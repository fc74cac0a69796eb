// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of space, and how much there is.
 *
 * A write is refused when it begins, not when it is half done: who wants to write reserves
 * first. Two things must hold: what is in use, in sectors, stays below the set's capacity (without gc_reserve,
 * from which copygc lives); and there is room in buckets for all that has been promised (room.c).
 * Both take too long to be asked each time. So a budget is kept: what was free, and not promised,
 * when it was last looked at. Promises take from it, and what comes free later is not added. When it
 * does not suffice it is looked up anew, once for all who wait, and if then too there is not enough
 * copygc makes room of holes, as long as it gains some. A promise that is being used up counts
 * twice for a moment, which errs to the safe side.
 *
 * Nodes for the keys are not promised: a part more is asked for than the data takes, and nodes have a reserve.
 *
 * Lock: reserve_lock > reclaim_lock, node locks (reading), replicas_lock.
 *
 * Source: docs/format/75-allocation.md, section 9; 80-accounting.md, section 6.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/string.h>

#define REPLICAS_MAX		4
/* reservations of files carry metadata: x + x / 64 */
#define RESERVE_FACTOR_SHIFT	6
/* promises: small writes have as many keys as large ones */
#define PROMISE_FACTOR_SHIFT	3
/* rounds of copygc for one promise */
#define MAKE_ROOM_ROUNDS	64

void alloc_reserve_init(struct allocator *a)
{
	mutex_init(&a->reserve_lock);
	atomic64_set(&a->budget, 0);
	atomic64_set(&a->reserved, 0);
}

static u64 with_metadata(u64 sectors)
{
	return sectors + DIV_ROUND_UP_ULL(sectors, 1U << RESERVE_FACTOR_SHIFT);
}

static u64 promise_with_metadata(u64 sectors)
{
	return sectors + DIV_ROUND_UP_ULL(sectors, 1U << PROMISE_FACTOR_SHIFT);
}

static u64 dev_reserve_sectors(const struct allocator *a, const struct member_info *m)
{
	return (alloc_reserve_buckets(a, m, ALLOC_NORMAL) + 3) * m->bucket_sectors;
}

/* of all members that may be written to: capacity without what is held back for moving data */
static u64 capacity_sectors(struct allocator *a, u64 *raw)
{
	u64 devs = alloc_writable_devs(a, BCH_DATA_user) | alloc_writable_devs(a, BCH_DATA_btree);
	u64 reserve = 0, gc;

	*raw = 0;
	for (unsigned int i = 0; i < a->nr_devs; i++) {
		const struct member_info *m = &a->dev[i].info;

		if (!(devs >> i & 1))
			continue;
		*raw += (m->nbuckets - m->first_bucket) * m->bucket_sectors;
		reserve += dev_reserve_sectors(a, m);
	}
	gc = a->config.gc_reserve_sectors ?: div_u64(*raw * a->config.gc_reserve_percent, 100);
	return *raw - min(*raw, max(gc, 2 * reserve));
}

static int hidden_sectors(struct allocator *a, u64 *sum)
{
	static const u8 types[] = { BCH_DATA_sb, BCH_DATA_journal };
	s64 counters[3];
	int ret = 0;

	for (unsigned int i = 0; i < a->nr_devs; i++)
		for (unsigned int j = 0; j < ARRAY_SIZE(types) && !ret; j++) {
			if (!a->dev[i].info.exists)
				continue;
			ret = alloc_dev_counters(a, i, types[j], counters);
			if (!ret && counters[0] > 0)
				*sum += (u64)counters[0] * a->dev[i].info.bucket_sectors;
		}
	return ret;
}

/* sectors of reservation keys, copies counted */
static int persistent_sectors(struct allocator *a, u64 *sum)
{
	struct accounting_pos pos = { .type = ACCOUNTING_persistent_reserved };
	int ret = 0;
	s64 value;

	for (unsigned int nr = 1; nr <= REPLICAS_MAX && !ret; nr++) {
		pos.persistent_reserved.nr_replicas = nr;
		ret = alloc_counter(a, &pos, 1, &value);
		if (!ret && value > 0)
			*sum += value * nr;
	}
	return ret;
}

static int usage_read(struct allocator *a, struct alloc_usage *out)
{
	u64 raw, hidden = 0, used = 0;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = hidden_sectors(a, &hidden) ?:
	      alloc_replicas_sum(a, BCH_DATA_user, &used) ?:
	      alloc_replicas_sum(a, BCH_DATA_parity, &used) ?:
	      alloc_replicas_sum(a, BCH_DATA_btree, &used) ?:
	      alloc_replicas_sum(a, BCH_DATA_cached, &out->cached_sectors) ?:
	      persistent_sectors(a, &out->reserved_sectors);
	if (ret)
		return ret;
	out->reserved_sectors += atomic64_read(&a->reserved);
	out->capacity_sectors = capacity_sectors(a, &raw);
	out->capacity_sectors -= min(out->capacity_sectors, hidden);
	out->used_sectors = min(out->capacity_sectors, used + with_metadata(out->reserved_sectors));
	out->free_sectors = out->capacity_sectors - out->used_sectors;
	return 0;
}

void bce_alloc_usage(struct allocator *a, struct alloc_usage *out)
{
	if (usage_read(a, out))
		memset(out, 0, sizeof(*out));
}

u64 bce_space_reserved(struct allocator *a)
{
	return max_t(s64, atomic64_read(&a->reserved), 0);
}

void bce_alloc_dev_usage(struct allocator *a, unsigned int dev, struct alloc_dev_usage *out)
{
	s64 counters[3];

	memset(out, 0, sizeof(*out));
	if (!alloc_dev(a, dev))
		return;
	for (unsigned int type = 0; type < ARRAY_SIZE(out->buckets); type++) {
		if (alloc_dev_counters(a, dev, type, counters))
			continue;
		out->buckets[type] = max(counters[0], 0LL);
		out->sectors[type] = max(counters[1], 0LL);
		out->fragmented[type] = max(counters[2], 0LL);
	}
	out->open_buckets = alloc_open_nr(a, dev);
}

/* ---- promises ---- */

static bool budget_take(struct allocator *a, u64 sectors)
{
	s64 have = atomic64_read(&a->budget), was;

	while (have >= (s64)sectors) {
		was = atomic64_cmpxchg(&a->budget, have, have - sectors);
		if (was == have)
			return true;
		have = was;
	}
	return false;
}

/* what could be promised for @replicas copies, if nothing were yet */
static int room_read(struct allocator *a, unsigned int replicas, u64 *sectors)
{
	u64 promised = promise_with_metadata(atomic64_read(&a->reserved)), in_files = 0, room;
	struct alloc_usage usage;
	int ret = usage_read(a, &usage) ?:
		  alloc_room(a, replicas, &room) ?:
		  persistent_sectors(a, &in_files);

	if (ret)
		return ret;
	in_files = with_metadata(in_files);
	room -= min(room, promised + in_files);
	*sectors = min(usage.free_sectors, room);
	return 0;
}

/* what others take while we look is lost to the new budget, too */
static int budget_renew(struct allocator *a, unsigned int replicas)
{
	s64 before = atomic64_read(&a->budget);
	u64 sectors;
	int ret = room_read(a, replicas, &sectors);

	if (ret)
		return ret;
	WRITE_ONCE(a->budget_replicas, replicas);
	atomic64_add((s64)sectors - before, &a->budget);
	return 0;
}

/* Return: 1 there is more room than before, 0 no, negative errno */
static int make_room(struct allocator *a, unsigned int replicas)
{
	u64 holes, before, after;
	int ret = alloc_holes(a, &holes) ?: room_read(a, replicas, &before);

	/* what copygc could do nothing with is not tried again before there is more of it */
	if (ret || holes < a->holes_useless + a->dev[0].info.bucket_sectors)
		return ret;
	/* what is only to be discarded counts as room already; but copygc needs it first, to have where to move */
	bce_allocator_reclaim(a);
	alloc_move_together(a);
	ret = room_read(a, replicas, &after);
	if (ret)
		return ret;
	a->holes_useless = after > before ? 0 : holes;
	return after > before;
}

/* the lock keeps others from renewing between our taking and its being counted as reserved */
static int reserve_slow(struct allocator *a, u64 disk_sectors, unsigned int replicas)
{
	unsigned int nofs = memalloc_nofs_save();
	u64 sectors = promise_with_metadata(disk_sectors);
	int ret = 0;

	mutex_lock(&a->reserve_lock);
	if (a->budget_replicas < replicas || !budget_take(a, sectors)) {
		for (unsigned int i = 0; ; i++) {
			ret = budget_renew(a, replicas);
			if (ret || budget_take(a, sectors))
				break;
			ret = i < MAKE_ROOM_ROUNDS ? make_room(a, replicas) : 0;
			if (ret <= 0) {
				ret = ret ?: -ENOSPC;
				break;
			}
		}
	}
	if (!ret)
		atomic64_add(disk_sectors, &a->reserved);
	mutex_unlock(&a->reserve_lock);
	memalloc_nofs_restore(nofs);
	return ret;
}

int bce_space_reserve(struct allocator *a, struct space_reservation *res, u64 sectors,
		      unsigned int replicas)
{
	u64 disk_sectors = sectors * replicas;
	int ret = 0;

	*res = (struct space_reservation) { };
	/* counted first: whoever renews the budget meanwhile must not give the same away again */
	atomic64_add(disk_sectors, &a->reserved);
	if (READ_ONCE(a->budget_replicas) < replicas || !budget_take(a, promise_with_metadata(disk_sectors))) {
		atomic64_sub(disk_sectors, &a->reserved);
		ret = reserve_slow(a, disk_sectors, replicas);
	}
	if (!ret)
		*res = (struct space_reservation) { .sectors = disk_sectors, .replicas = replicas };
	return ret;
}

void bce_space_reserve_more(struct allocator *a, struct space_reservation *res, u64 sectors)
{
	atomic64_add(sectors, &a->reserved);
	atomic64_sub(promise_with_metadata(sectors), &a->budget);
	res->sectors += sectors;
}

void bce_space_unreserve(struct allocator *a, struct space_reservation *res)
{
	atomic64_sub(res->sectors, &a->reserved);
	res->sectors = 0;
}
