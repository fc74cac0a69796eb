// SPDX-License-Identifier: GPL-2.0
/*
 * How much could be written into buckets as they are now.
 *
 * Counters of sectors say what is free, holes in buckets included; but a hole is of use only when its
 * bucket has been moved together with others (copygc.c), which takes time, and with compressed extents,
 * that cannot be cut, never closes all of them. So a promise of space is given for buckets that are
 * empty, or will be by a discard or by giving cached data up, and for what is left of those that are
 * being filled.
 *
 * With several copies no more than one of each goes to a member: if the room of each is r(i), n copies have
 * place for x sectors as long as the sum of min(r(i), x) is n * x or more.
 *
 * Locks: open.lock; node locks, for reading.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/math64.h>
#include <linux/kernel.h>
#include <linux/minmax.h>

/*
 * Buckets that data may still be promised, what is held back for others not counted. More is held back than when
 * buckets are taken (ALLOC_NORMAL): nodes for the keys of what has been promised may need some meanwhile.
 */
static int empty_buckets(struct allocator *a, unsigned int dev, s64 *nr)
{
	static const u8 types[] = { BCH_DATA_free, BCH_DATA_need_discard, BCH_DATA_cached };
	s64 counters[3];
	int ret = 0;

	*nr = -(s64)alloc_reserve_buckets(a, &a->dev[dev].info, ALLOC_STRIPE) - alloc_open_nr_free(a, dev);
	for (unsigned int i = 0; i < ARRAY_SIZE(types) && !ret; i++) {
		ret = alloc_dev_counters(a, dev, types[i], counters);
		*nr += counters[0];
	}
	return ret;
}

static int dev_room(struct allocator *a, unsigned int dev, u64 *sectors)
{
	s64 buckets;
	int ret = empty_buckets(a, dev, &buckets);

	*sectors = max_t(s64, buckets, 0) * a->dev[dev].info.bucket_sectors;
	/* what is missing to the reserve is taken from the next bucket that comes free */
	if (buckets >= 0)
		*sectors += alloc_open_room(a, dev);
	return ret;
}

/* the largest x; @room is spoilt */
static u64 room_for_each_copy(u64 *room, unsigned int nr, unsigned int copies)
{
	u64 x = U64_MAX, sum;

	for (;;) {
		sum = 0;
		for (unsigned int i = 0; i < nr; i++) {
			room[i] = min(room[i], x);
			sum += room[i];
		}
		sum = div_u64(sum, copies);
		if (sum >= x)
			return x;
		x = sum;
	}
}

int alloc_room(struct allocator *a, unsigned int replicas, u64 *sectors)
{
	u64 devs = alloc_writable_devs(a, BCH_DATA_user), room[BCH_MEMBERS_MAX];
	unsigned int nr = 0;
	int ret = 0;

	*sectors = 0;
	for (unsigned int i = 0; i < a->nr_devs && !ret; i++)
		if ((devs >> i & 1) && a->dev[i].info.durability)
			ret = dev_room(a, i, &room[nr++]);
	if (!ret && nr)
		*sectors = room_for_each_copy(room, nr, min(replicas, nr)) * replicas;
	return ret;
}

int alloc_holes(struct allocator *a, u64 *sectors)
{
	static const u8 movable[] = { BCH_DATA_btree, BCH_DATA_user, BCH_DATA_stripe };
	u64 devs = alloc_writable_devs(a, BCH_DATA_user);
	s64 counters[3];
	int ret = 0;

	*sectors = 0;
	for (unsigned int i = 0; i < a->nr_devs; i++)
		for (unsigned int j = 0; (devs >> i & 1) && j < ARRAY_SIZE(movable) && !ret; j++) {
			ret = alloc_dev_counters(a, i, movable[j], counters);
			*sectors += max(counters[2], 0LL);
		}
	return ret;
}
