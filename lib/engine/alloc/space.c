// SPDX-License-Identifier: GPL-2.0
/*
 * Space for data and nodes: write points.
 *
 * A write point fills a few open buckets, on different members; what is written through one
 * write point lies one behind the other. Streams (tasks, files) are hashed to write points, nodes
 * and copygc have their own. All copies of one write get the same number of sectors, as many as
 * the fullest of the buckets still has.
 *
 * Which members: those of the target (or of the policy), then, if they do not suffice, any
 * other; among them the one whose share is smallest. A share grows with each bucket taken,
 * the more the fuller the member is, so that in the long run free space decides.
 *
 * When buckets are short, first those that other write points hold half full are shared, then
 * discards, invalidation and copygc are asked for, and waited for, but not by who writes
 * nodes, as those whom he would wait for may wait for him. Space was promised before, so it is
 * there, or comes free when others have committed what they write: who wants some waits as long as
 * others put what they have. When nobody has any, and a pass has freed nothing, the answer is no.
 *
 * Locks: write point > pick_lock > node locks; write point > open.lock. No write point is held
 * while waiting for space, and no two at a time.
 *
 * Source: docs/format/75-allocation.md, section 9; 85-policies.md, 1.2.
 */
#include "engine/alloc/alloc_internal.h"

#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/string.h>

/* attempts, each after something came free; those of copygc, for which others wait, are few */
#define SPACE_TRIES		1000
#define SPACE_TRIES_COPYGC	16
/* passes that free nothing, nobody having any space, before the answer is no */
#define FRUITLESS_MAX		3
/* how long nobody need put any space before it is supposed that they wait for each other */
#define PATIENCE_MS		10000
#define LOOK_AGAIN_MS		50
#define SHARE_UNIT	(1ULL << 48)
/* free buckets of a member for each stream with a write point of its own */
#define BUCKETS_PER_STREAM	8

/* one attempt: under the write point's lock */
struct space_try {
	struct allocator		*a;
	const struct alloc_request	*req;
	struct write_point		*wp;
	struct open_bucket		*chosen[ALLOC_PTRS_MAX];
	unsigned int			nr;
	unsigned int			durability;
	u64				devs;		/* of @chosen */
	bool				cache_used;	/* a member of durability 0 is in */
	bool				full;		/* some member had no bucket */
};

void alloc_write_points_init(struct allocator *a)
{
	for (unsigned int i = 0; i < WRITE_POINTS_HASHED; i++)
		mutex_init(&a->wp_hashed[i].lock);
	mutex_init(&a->wp_btree.lock);
	mutex_init(&a->wp_copygc.lock);
	a->nr_streams = WRITE_POINTS_HASHED;
	init_waitqueue_head(&a->space_wait);
}

static void write_point_remove(struct write_point *wp, struct open_bucket *ob)
{
	for (unsigned int i = 0; i < wp->nr; i++)
		if (wp->ob[i] == ob) {
			memmove(&wp->ob[i], &wp->ob[i + 1], (--wp->nr - i) * sizeof(wp->ob[0]));
			return;
		}
}

static void write_point_park(struct allocator *a, struct write_point *wp)
{
	mutex_lock(&wp->lock);
	while (wp->nr)
		alloc_open_park(a, wp->ob[--wp->nr]);
	mutex_unlock(&wp->lock);
}

/* half-full buckets of all data streams become anybody's */
static void streams_park(struct allocator *a)
{
	for (unsigned int i = 0; i < WRITE_POINTS_HASHED; i++)
		write_point_park(a, &a->wp_hashed[i]);
}

void alloc_write_points_drop(struct allocator *a)
{
	struct open_bucket *ob;

	streams_park(a);
	write_point_park(a, &a->wp_btree);
	write_point_park(a, &a->wp_copygc);
	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++)
		for (unsigned int type = 0; type < BCH_DATA_NR; type++)
			while ((ob = alloc_open_unpark(a, dev, type, false)))
				alloc_open_put(a, ob);
}

static struct write_point *write_point_of(struct allocator *a, const struct alloc_request *req)
{
	if (req->data_type == BCH_DATA_btree)
		return &a->wp_btree;
	if (req->watermark == ALLOC_COPYGC)
		return &a->wp_copygc;
	return &a->wp_hashed[hash_64(req->stream, 32) % READ_ONCE(a->nr_streams)];
}

/* ---- choosing buckets ---- */

static unsigned int dev_durability(const struct space_try *st, unsigned int dev)
{
	return st->req->cached ? 1 : st->a->dev[dev].info.durability;
}

static bool dev_wanted(const struct space_try *st, u64 mask, unsigned int dev)
{
	if (!(mask >> dev & 1) || (st->devs >> dev & 1))
		return false;
	if (dev_durability(st, dev))
		return true;
	return st->req->data_type != BCH_DATA_btree && !st->cache_used;
}

static bool enough(const struct space_try *st)
{
	return st->durability >= st->req->replicas || st->nr == ALLOC_PTRS_MAX;
}

static void choose(struct space_try *st, struct open_bucket *ob)
{
	unsigned int durability = dev_durability(st, ob->dev);

	st->chosen[st->nr++] = ob;
	st->devs |= 1ULL << ob->dev;
	st->durability += durability;
	st->cache_used |= !durability;
}

static void choose_held(struct space_try *st, u64 mask)
{
	for (unsigned int i = 0; i < st->wp->nr && !enough(st); i++)
		if (dev_wanted(st, mask, st->wp->ob[i]->dev))
			choose(st, st->wp->ob[i]);
}

/* a slot in the write point, if need be that of a bucket nobody asked for */
static void write_point_add(struct space_try *st, struct open_bucket *ob)
{
	struct write_point *wp = st->wp;
	struct open_bucket *other;

	if (wp->nr == WRITE_POINT_BUCKETS) {
		unsigned int i = 0;

		while (st->devs >> wp->ob[i]->dev & 1)
			i++;		/* fewer are chosen than the write point holds */
		other = wp->ob[i];
		write_point_remove(wp, other);
		alloc_open_park(st->a, other);
	}
	wp->ob[wp->nr++] = ob;
}

/* @dev has given a bucket: others are next for a while */
static void share_grow(struct space_try *st, unsigned int dev)
{
	u64 *share = st->wp->share, old = share[dev], nr_free;

	if (alloc_free_buckets(st->a, dev, ALLOC_STRIPE, &nr_free))
		return;
	alloc_kick_if_short(st->a, dev, nr_free);
	share[dev] += SHARE_UNIT / max(nr_free, 1ULL);
	for (unsigned int i = 0; i < BCH_MEMBERS_MAX; i++)
		share[i] -= min(share[i], old / 4);
	if (st->req->data_type != BCH_DATA_btree)
		WRITE_ONCE(st->a->nr_streams, clamp_t(u64, nr_free / BUCKETS_PER_STREAM, 1,
						      WRITE_POINTS_HASHED));
}

/* the wanted member whose turn it is; -1: none is left */
static int next_dev(const struct space_try *st, u64 mask)
{
	int best = -1;

	for (unsigned int i = 0; i < st->a->nr_devs; i++)
		if (dev_wanted(st, mask, i) &&
		    (best < 0 || st->wp->share[i] < st->wp->share[best]))
			best = i;
	return best;
}

static int choose_new(struct space_try *st, u64 mask)
{
	struct open_bucket *ob;
	int dev, ret;

	while (!enough(st) && (dev = next_dev(st, mask)) >= 0) {
		mask &= ~(1ULL << dev);
		/* what is left of users' buckets has been promised to users */
		ob = alloc_open_unpark(st->a, dev, st->req->data_type, st->req->watermark == ALLOC_COPYGC);
		if (!ob) {
			ret = alloc_bucket_pick(st->a, dev, st->req->data_type, st->req->watermark, &ob);
			if (ret == -ENOSPC || ret == -EAGAIN) {
				st->full = true;
				continue;
			}
			if (ret)
				return ret;
			share_grow(st, dev);
		}
		write_point_add(st, ob);
		choose(st, ob);
	}
	return 0;
}

/* what the others make unnecessary */
static void drop_excess(struct space_try *st)
{
	for (unsigned int i = 0; i < st->nr; ) {
		unsigned int durability = dev_durability(st, st->chosen[i]->dev);

		if (durability && st->durability - durability >= st->req->replicas) {
			st->durability -= durability;
			memmove(&st->chosen[i], &st->chosen[i + 1],
				(--st->nr - i) * sizeof(st->chosen[0]));
		} else {
			i++;
		}
	}
}

/* ---- which members ---- */

/* @fallback: may others be asked when these do not suffice? */
static u64 preferred_devs(struct allocator *a, const struct alloc_request *req, bool *fallback)
{
	/* pairs with the release in bce_allocator_set_policy() */
	const struct alloc_policy_ops *policy = smp_load_acquire(&a->policy);
	u64 devs = 0;

	*fallback = true;
	if (policy && policy->place)
		devs = policy->place(a->policy_ctx, req->data_type, req->target, fallback);
	if (!devs)
		devs = alloc_target_devs(a, req->target);
	if (req->only_target)
		*fallback = false;
	return devs;
}

static int space_choose(struct space_try *st)
{
	u64 usable = alloc_writable_devs(st->a, st->req->data_type) & ~st->req->exclude_devs;
	bool fallback;
	u64 devs = preferred_devs(st->a, st->req, &fallback) & usable;
	int ret;

	choose_held(st, devs);
	ret = choose_new(st, devs);
	if (!ret && !enough(st) && fallback) {
		choose_held(st, usable);
		ret = choose_new(st, usable & ~devs);
	}
	if (ret)
		return ret;
	drop_excess(st);
	if (st->durability >= st->req->replicas)
		return 0;
	if (st->full)
		return -ENOSPC;
	/* not enough members at all: as good as it gets */
	return st->durability >= max_t(unsigned int, st->req->replicas_required, 1) ? 0 : -EROFS;
}

/* ---- giving it out ---- */

static u32 room_left(const struct space_try *st, const struct open_bucket *ob)
{
	return st->a->dev[ob->dev].info.bucket_sectors - ob->used;
}

static void space_cut(struct space_try *st, u32 want_sectors, struct alloc_space *out)
{
	bool btree = st->req->data_type == BCH_DATA_btree;
	u32 unit = btree ? st->a->config.node_sectors : st->a->config.block_sectors;

	out->sectors = want_sectors;
	for (unsigned int i = 0; i < st->nr; i++)
		out->sectors = min(out->sectors, room_left(st, st->chosen[i]));

	for (out->nr = 0; out->nr < st->nr; out->nr++) {
		struct open_bucket *ob = st->chosen[out->nr];
		const struct member_info *m = &st->a->dev[ob->dev].info;

		out->ptr[out->nr] = (struct extent_ptr) {
			.sector	= ob->bucket * m->bucket_sectors + ob->used,
			.dev	= ob->dev,
			.gen	= ob->gen,
			.cached	= st->req->cached || (!btree && !m->durability),
		};
		out->open[out->nr] = ob;
		WRITE_ONCE(ob->used, ob->used + out->sectors);
		alloc_open_ref(st->a, ob);
		if (room_left(st, ob) < unit) {
			write_point_remove(st->wp, ob);
			alloc_open_put(st->a, ob);
		}
	}
}

static int space_try(struct allocator *a, const struct alloc_request *req, u32 want_sectors,
		     struct alloc_space *out)
{
	struct space_try st = { .a = a, .req = req, .wp = write_point_of(a, req) };
	unsigned int nofs = memalloc_nofs_save();
	int ret;

	mutex_lock(&st.wp->lock);
	ret = space_choose(&st);
	if (!ret)
		space_cut(&st, want_sectors, out);
	mutex_unlock(&st.wp->lock);
	memalloc_nofs_restore(nofs);
	return ret;
}

/* ---- waiting for it ---- */

struct patience {
	s64		put;		/* spaces that had been put when we last tried */
	unsigned long	since;		/* jiffies: when something last moved */
	unsigned int	tries, fruitless;
};

/* Nothing was freed. Return: is it worth while to look again? */
static bool wait_for_others(struct allocator *a, struct patience *p)
{
	unsigned int ms = a->config.patience_ms ?: PATIENCE_MS;

	if (!atomic_read(&a->spaces_out))
		return ++p->fruitless < FRUITLESS_MAX;
	p->fruitless = 0;
	wait_event_timeout(a->space_wait, atomic64_read(&a->spaces_put) != p->put, msecs_to_jiffies(LOOK_AGAIN_MS));
	if (atomic64_read(&a->spaces_put) != p->put)
		p->since = jiffies;
	return time_before(jiffies, p->since + msecs_to_jiffies(ms));
}

/* Return: is it worth while to try again? */
static bool make_space(struct allocator *a, bool copygc_asks, struct patience *p)
{
	if (++p->tries >= (copygc_asks ? SPACE_TRIES_COPYGC : SPACE_TRIES))
		return false;
	if (p->tries == 1) {
		streams_park(a);
		return true;
	}
	if (!alloc_make_space(a, !copygc_asks))
		return !copygc_asks && wait_for_others(a, p);
	p->since = jiffies;
	p->fruitless = 0;
	return true;
}

int bce_alloc_space_get(struct allocator *a, const struct alloc_request *req, u32 want_sectors,
			struct alloc_space *out)
{
	struct patience p = { .since = jiffies };
	int ret;

	memset(out, 0, sizeof(*out));
	do {
		p.put = atomic64_read(&a->spaces_put);
		ret = space_try(a, req, want_sectors, out);
		if (ret != -ENOSPC && ret != -EROFS)
			goto exit;
		if (req->cached) {
			alloc_kick(a);
			return 0;
		}
		if (ret == -EROFS)
			return ret;
		if (req->nonblock) {
			alloc_kick(a);
			return -EAGAIN;
		}
	} while (make_space(a, req->watermark >= ALLOC_COPYGC, &p));
	/* it may have come for somebody else and been left over */
	ret = space_try(a, req, want_sectors, out);
exit:
	atomic_add(out->nr, &a->spaces_out);
	return ret;
}

void bce_alloc_space_put(struct allocator *a, struct alloc_space *space)
{
	for (unsigned int i = 0; i < space->nr; i++)
		alloc_open_put(a, space->open[i]);
	atomic_sub(space->nr, &a->spaces_out);
	if (space->nr) {
		atomic64_inc(&a->spaces_put);
		wake_up_all(&a->space_wait);
	}
	space->nr = 0;
}

/* ---- nodes ---- */

void bce_allocator_tune(struct allocator *a, u8 metadata_replicas, u16 metadata_target)
{
	WRITE_ONCE(a->config.metadata_replicas, metadata_replicas);
	WRITE_ONCE(a->config.metadata_target, metadata_target);
}

static int btree_space_get(void *ctx, struct btree_space *out, bool reserve)
{
	struct allocator *a = ctx;
	struct alloc_request req = {
		.data_type		= BCH_DATA_btree,
		.replicas		= READ_ONCE(a->config.metadata_replicas),
		.replicas_required	= a->config.metadata_replicas_required,
		.watermark		= reserve ? ALLOC_RECLAIM : ALLOC_BTREE,
		.target			= READ_ONCE(a->config.metadata_target),
	};
	struct alloc_space space = { };
	int ret;

	BUILD_BUG_ON(ALLOC_PTRS_MAX != BTREE_PTRS_MAX);
	ret = space_try(a, &req, a->config.node_sectors, &space);
	if (ret) {
		alloc_kick(a);
		return ret;
	}
	out->nr = space.nr;
	memcpy(out->ptr, space.ptr, sizeof(out->ptr));
	memcpy(out->private, space.open, sizeof(out->private));
	return 0;
}

static void btree_space_put(void *ctx, struct btree_space *space)
{
	for (unsigned int i = 0; i < space->nr; i++)
		alloc_open_put(ctx, space->private[i]);
	space->nr = 0;
}

const struct btree_space_ops bce_alloc_btree_space_ops = {
	.get	= btree_space_get,
	.put	= btree_space_put,
};
