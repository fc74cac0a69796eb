// SPDX-License-Identifier: GPL-2.0
/*
 * Writing to where the data is: files with option nocow (docs/format/85-policies.md, section 7).
 *
 * The key of what is overwritten does not change, so nobody else may rely on what lies there, and the place must
 * stay the file's until the write has ended:
 *
 *	look     is the extent the file's own (in the snapshot written in), plain, and its only copy?
 *	hold     the bucket
 *	look     again: what was true before may have changed while nobody held it
 *	write    one bio; its end lets go of the bucket
 *	commit   the inode, as after any write: the journal entry that says so is written behind a flush of the
 *	         members, which is how a sync finds the data
 *
 * While a bucket is held
 *
 *	it is not taken for anything else, even if its last key goes meanwhile (the allocator asks, open_bucket.c);
 *	nothing is moved out of it: a mover would copy what is about to change. It waits, but not for long, as it may
 *	be the one that everybody waits for; then it leaves the extent alone.
 *
 * While a mover has the bucket, writers wait for him. They hold no other one then, nor a buffer.
 *
 * Whoever makes an extent shared (a snapshot, a reflink) has committed that before he asks here that all writes
 * under way have ended. Those that begin later see that it is shared. So what a snapshot shows stays.
 *
 * More than one copy is not written in place: a crash could leave copies that differ, and a block that was read as
 * new could be read as old next time. Nor is anything in an encrypted set: it would be stored as it is.
 *
 * What is written over is gone after a crash, also if the key that leads to it is not durable yet. An older state of the
 * btrees must not give that place another meaning. Buckets are not reused before the key that left them is durable;
 * what is left are extents that change their place in a file (shift.c) and snapshots that are deleted
 * (names/snapshot_clean.c): both flush the journal in time.
 *
 * Buckets are told apart by a hash. Two that share a slot wait for each other in vain, and that is all.
 *
 * Lock: lock, a spinlock, also taken by interrupts; nothing is taken under it but that of the wait queue.
 */
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/math64.h>

#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/key/values.h"

#define MOVER_PATIENCE	(HZ / 10)

void bce_nocow_init(struct nocow_buckets *b)
{
	spin_lock_init(&b->lock);
	init_waitqueue_head(&b->wait);
}

static unsigned int slot_of(unsigned int dev, u64 bucket)
{
	return hash_64((u64)dev << 56 ^ bucket, NOCOW_SLOTS_BITS);
}

static u64 bucket_of(const struct data_writer *w, const struct extent_ptr *p)
{
	const struct key_rules *rules = w->c.rules;

	/* without geometry, a member is one bucket */
	if (!rules || !rules->dev || p->dev >= 64 || !rules->dev[p->dev].bucket_sectors)
		return 0;
	return div_u64(p->sector, rules->dev[p->dev].bucket_sectors);
}

static unsigned int slot_of_ptr(const struct data_writer *w, const struct extent_ptr *p)
{
	return slot_of(p->dev, bucket_of(w, p));
}

/* ---- writers ---- */

static bool writer_try(struct nocow_buckets *b, unsigned int slot)
{
	struct nocow_slot *s = &b->slot[slot];
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&b->lock, flags);
	ok = !s->movers && !s->waiting;
	WRITE_ONCE(s->writers, s->writers + ok);
	spin_unlock_irqrestore(&b->lock, flags);
	return ok;
}

static void writer_end(struct nocow_buckets *b, unsigned int slot)
{
	unsigned long flags;
	bool last;

	spin_lock_irqsave(&b->lock, flags);
	WRITE_ONCE(b->slot[slot].writers, b->slot[slot].writers - 1);
	last = !b->slot[slot].writers;
	spin_unlock_irqrestore(&b->lock, flags);
	if (last)
		wake_up_all(&b->wait);
}

void bce_nocow_written(struct write_extent *e)
{
	writer_end(&e->w->nocow, e->nocow_slot);
}

bool bce_nocow_held(void *writer, unsigned int dev, u64 bucket)
{
	struct data_writer *w = writer;

	if (!w->c.rules || !w->c.rules->dev || !w->c.rules->dev[dev].bucket_sectors)
		bucket = 0;
	return READ_ONCE(w->nocow.slot[slot_of(dev, bucket)].writers);
}

static bool slot_idle(struct nocow_buckets *b, unsigned int slot)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&b->lock, flags);
	idle = !b->slot[slot].writers;
	spin_unlock_irqrestore(&b->lock, flags);
	return idle;
}

static void slot_wait(struct nocow_buckets *b, unsigned int slot, int add)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	b->slot[slot].waiting += add;
	spin_unlock_irqrestore(&b->lock, flags);
	if (add < 0)
		wake_up_all(&b->wait);
}

/* new ones of a slot are kept out meanwhile, or there would be no end to it */
void bce_nocow_drain(struct data_writer *w)
{
	struct nocow_buckets *b = &w->nocow;

	/* whoever has not seen the commit had its bucket before: both took the locks of a leaf in between */
	for (unsigned int i = 0; i < NOCOW_SLOTS; i++) {
		if (!READ_ONCE(b->slot[i].writers))
			continue;
		slot_wait(b, i, 1);
		wait_event(b->wait, slot_idle(b, i));
		slot_wait(b, i, -1);
	}
}

void bce_data_shared(struct data_writer *w)
{
	bce_nocow_drain(w);
}

/* ---- movers ---- */

static void held_add(struct nocow_held *h, unsigned int slot)
{
	for (unsigned int i = 0; i < h->nr; i++)
		if (h->slot[i] == slot)
			return;
	h->slot[h->nr++] = slot;
}

/* all of them, or none */
static bool movers_try(struct nocow_buckets *b, const struct nocow_held *h)
{
	unsigned long flags;
	bool ok = true;

	spin_lock_irqsave(&b->lock, flags);
	for (unsigned int i = 0; i < h->nr; i++)
		ok = ok && !b->slot[h->slot[i]].writers;
	for (unsigned int i = 0; ok && i < h->nr; i++)
		b->slot[h->slot[i]].movers++;
	spin_unlock_irqrestore(&b->lock, flags);
	return ok;
}

int bce_nocow_exclude(struct data_writer *w, const struct extent_ptrs *ptrs, struct nocow_held *h)
{
	struct nocow_buckets *b = &w->nocow;
	bool ok;

	h->nr = 0;
	for (unsigned int i = 0; i < ptrs->nr; i++)
		if (!ptrs->p[i].ptr.cached && !bce_extent_is_encoded(&ptrs->p[i].crc))
			held_add(h, slot_of_ptr(w, &ptrs->p[i].ptr));
	if (movers_try(b, h))
		return 0;
	for (unsigned int i = 0; i < h->nr; i++)
		slot_wait(b, h->slot[i], 1);
	ok = wait_event_timeout(b->wait, movers_try(b, h), MOVER_PATIENCE) > 0;
	for (unsigned int i = 0; i < h->nr; i++)
		slot_wait(b, h->slot[i], -1);
	if (ok)
		return 0;
	h->nr = 0;
	return -EAGAIN;
}

void bce_nocow_admit(struct data_writer *w, struct nocow_held *h)
{
	struct nocow_buckets *b = &w->nocow;
	unsigned long flags;

	if (!h->nr)
		return;
	spin_lock_irqsave(&b->lock, flags);
	while (h->nr)
		b->slot[h->slot[--h->nr]].movers--;
	spin_unlock_irqrestore(&b->lock, flags);
	wake_up_all(&b->wait);
}

/* ---- what may be written over ---- */

struct find_place {
	struct data_writer	*w;
	struct bce_file_id	file;
	u64			start;		/* file sector */
	u64			dev_sector;
	u32			sectors;	/* from there on; 0: not in place */
	u8			dev, gen;
};

static bool accepts_data(struct data_writer *w, unsigned int dev)
{
	struct member_dev *m;
	bool failed;

	if (!(w->c.ops->target_devs(w->c.ctx, BCH_TARGET_NONE) >> dev & 1))
		return false;
	m = bce_member_get_io(w->c.members, dev);
	failed = !m || bce_member_is_failed(m);
	if (m)
		bce_member_put_io(m);
	return !failed;
}

/* the only pointer of an extent that may be written over */
static bool only_copy(struct data_writer *w, const struct bkey *k, unsigned int replicas,
		      struct extent_ptr_decoded *out)
{
	const struct key_rules *rules = w->c.rules;
	struct extent_ptr_decoded more;
	struct extent_walk walk;

	bce_extent_walk_init(&walk, k, 0);
	if (!bce_extent_next_ptr(&walk, out) || bce_extent_next_ptr(&walk, &more) || walk.bad)
		return false;
	if (out->ptr.cached || out->ptr.unwritten || out->has_stripe || bce_extent_is_encoded(&out->crc) ||
	    out->ptr.dev >= 64)
		return false;
	/* fewer copies than there are to be: the next write makes them */
	return replicas <= (rules && rules->dev ? rules->dev[out->ptr.dev].durability : 1);
}

static int find_place(struct bce_trans *t, void *ctx)
{
	struct find_place *f = ctx;
	struct extent_ptr_decoded p;
	struct data_options opts;
	struct snapshot_view view;
	struct data_inode inode;
	struct bkey k;
	int ret = bce_data_inode_get(t, &f->w->env, f->file, &inode);

	f->sectors = 0;
	if (ret)
		return ret;
	bce_data_options_of(f->w, &inode.f, &opts);
	if (!opts.nocow)
		return 0;
	view = f->w->env.snapshots->view(f->w->env.snapshots->ctx, inode.snapshot);
	ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(inode.f.inum, f->start, 0),
			     SPOS(inode.f.inum, f->start + 1, 0), &view, 0, &k);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (k.type != KEY_TYPE_extent || k.p.snapshot != inode.snapshot || bkey_start_offset(&k) > f->start ||
	    !only_copy(f->w, &k, opts.data_replicas, &p))
		return 0;
	f->dev = p.ptr.dev;
	f->gen = p.ptr.gen;
	f->dev_sector = p.ptr.sector + p.crc.offset + f->start - bkey_start_offset(&k);
	f->sectors = k.p.offset - f->start;
	return 0;
}

bool bce_nocow_has_places(struct data_writer *w, struct bce_file_id file, u64 start, u64 end)
{
	struct find_place f = { .w = w, .file = file, .start = start };

	for (; f.start < end; f.start += f.sectors)
		if (bce_data_look(w, find_place, &f) || !f.sectors || !accepts_data(w, f.dev))
			return false;
	return true;
}

static bool place_stands(const struct find_place *was, const struct find_place *is)
{
	return is->sectors && was->dev == is->dev && was->dev_sector == is->dev_sector;
}

/*
 * Hold the bucket of what is found at @f->start; it is there while it is held. Return: 1; 0 nothing may be written
 * over there; -EAGAIN a mover is there, and the caller must not wait; other errors.
 */
static int hold_place(struct find_place *f, bool may_wait, unsigned int *slot)
{
	struct data_writer *w = f->w;
	struct find_place was;
	int ret;

	for (;;) {
		struct extent_ptr ptr;

		ret = bce_data_look(w, find_place, f);
		if (ret || !f->sectors || !accepts_data(w, f->dev))
			return ret;
		ptr = (struct extent_ptr) { .dev = f->dev, .sector = f->dev_sector };
		*slot = slot_of_ptr(w, &ptr);
		if (!writer_try(&w->nocow, *slot)) {
			if (!may_wait)
				return -EAGAIN;
			wait_event(w->nocow.wait, writer_try(&w->nocow, *slot));
		}
		was = *f;
		ret = bce_data_look(w, find_place, f);
		if (!ret && place_stands(&was, f))
			return 1;
		writer_end(&w->nocow, *slot);
		if (ret)
			return ret;
	}
}

int bce_nocow_next(struct data_writer *w, const struct write_how *how, struct bce_file_id file, struct bio *src,
		   struct bvec_iter iter, u64 start, struct write_extent *e)
{
	struct find_place f = { .w = w, .file = file, .start = start };
	u32 sectors = bce_write_straight_sectors(w, src, iter);
	unsigned int slot = 0;
	int ret;

	if (!sectors)
		return 0;
	ret = hold_place(&f, how->may_wait, &slot);
	if (ret <= 0)
		return ret;
	sectors = min(sectors, f.sectors);
	*e = (struct write_extent) {
		.w = w,
		.start = start,
		.sectors = sectors,
		.type = KEY_TYPE_extent,
		.in_place = true,
		.nocow_slot = slot,
		.crc = { .compressed_size = sectors, .uncompressed_size = sectors },
		.space = { .nr = 1, .sectors = sectors },
		.src = src,
		.iter = iter,
	};
	e->iter.bi_size = sectors << SECTOR_SHIFT;
	if (w->c.ops->count_write)
		w->c.ops->count_write(w->c.ctx, sectors);
	e->space.ptr[0] = (struct extent_ptr) { .dev = f.dev, .sector = f.dev_sector, .gen = f.gen };
	return 1;
}
