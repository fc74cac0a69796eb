// SPDX-License-Identifier: GPL-2.0
/*
 * Extents to the devices: one bio for each replica, all at once.
 *
 * What a large write is cut into mostly lies one behind the other on the members, too: then it goes out in one bio
 * for each (a run), as the limits of devices and schedulers ask for more than one extent. Only what is written
 * straight from the caller's pages waits for the next extent, which is made in no time; what is compressed or encrypted
 * is on its way while the next is made.
 *
 * bi_end_io only notes which pointers failed and drops the closure's reference. What follows is
 * done by whoever owns the closure, in process context (settle): for the replicas that failed, space
 * is taken on other members and the data written there, until all are written or no member is left.
 * A key then gets the pointers that were written; if these are fewer than are required the write has
 * failed.
 *
 * The space of a pointer that failed is given back at once: no key will refer to it.
 *
 * What was to be written in place (nocow.c) and could not be becomes an extent like others, on other members.
 */
#include <linux/bitops.h>
#include <linux/blkdev.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>

#include "engine/data/read_internal.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/util/event.h"

struct write_bio {
	struct write_extent	*e;		/* [nr] */
	unsigned int		nr;
	struct bce_closure	*cl;
	struct member_dev	*member;	/* I/O reference held */
	unsigned int		ptr;		/* index in e->space of each */
	u32			sectors;
	u64			start_ns;
	struct bio		bio;		/* last: inline vectors follow */
};

int bce_write_bioset_init(struct bio_set *bs, unsigned int nr)
{
	return bioset_init(bs, nr, offsetof(struct write_bio, bio), BIOSET_NEED_BVECS);
}

/* ---- pages ---- */

static unsigned int stored_bytes(const struct write_extent *e)
{
	return e->crc.compressed_size << SECTOR_SHIFT;
}

static unsigned int extent_bvecs(const struct write_extent *e)
{
	return e->buffer ? bce_virtual_bvecs(e->buffer, stored_bytes(e)) :
			   bce_bio_count_bvecs(e->src, e->iter, BIO_MAX_VECS);
}

/* of the caller's pages: those of @nr extents, which follow one another there */
static struct bvec_iter run_iter(const struct write_extent *e, unsigned int nr)
{
	struct bvec_iter iter = e->iter;

	for (unsigned int i = 1; i < nr; i++)
		iter.bi_size += e[i].iter.bi_size;
	return iter;
}

/* the vectors were counted before: there is room for all */
static void add_data(struct bio *bio, const struct write_extent *e, unsigned int nr)
{
	struct bvec_iter i;
	struct bio_vec bv;

	if (e->buffer) {
		bce_bio_add_virtual(bio, e->buffer, stored_bytes(e));
		return;
	}
	__bio_for_each_bvec(bv, e->src, i, run_iter(e, nr))
		__bio_add_page(bio, bv.bv_page, bv.bv_len, bv.bv_offset);
}

/* ---- writing ---- */

static void ptr_failed(struct write_extent *e, unsigned int nr, unsigned int ptr)
{
	for (unsigned int i = 0; i < nr; i++)
		set_bit(ptr, &e[i].failed);
}

static void write_end_io(struct bio *bio)
{
	struct write_bio *wb = container_of(bio, struct write_bio, bio);
	u64 ns = ktime_get_ns() - wb->start_ns;
	struct bce_log *log = wb->e->w->c.log;
	struct bce_closure *cl = wb->cl;

	bce_member_write_done(wb->member, wb->sectors, ns, bio->bi_status != 0);
	trace_bce_write(bce_event_set(log), wb->member->idx, wb->e->space.ptr[wb->ptr].sector, wb->sectors, ns,
			blk_status_to_errno(bio->bi_status));
	if (bio->bi_status)
		ptr_failed(wb->e, wb->nr, wb->ptr);
	else
		bce_event(log, BCE_EVENT_io_write, wb->sectors);
	if (wb->e->in_place)
		bce_nocow_written(wb->e);
	bce_member_put_io(wb->member);
	bio_put(bio);
	bce_closure_put(cl);
}

/* pointer @ptr of @nr extents that follow one another there; more than one are all straight */
static void ptr_submit(struct write_extent *e, unsigned int nr, unsigned int ptr, struct bce_closure *cl)
{
	const struct extent_ptr *p = &e->space.ptr[ptr];
	struct member_dev *m = bce_member_get_io(e->w->c.members, p->dev);
	struct write_bio *wb;
	unsigned int bvecs;
	struct bio *bio;

	if (!m) {
		ptr_failed(e, nr, ptr);
		if (e->in_place)
			bce_nocow_written(e);
		return;
	}
	bvecs = nr == 1 ? extent_bvecs(e) : bce_bio_count_bvecs(e->src, run_iter(e, nr), BIO_MAX_VECS);
	bio = bio_alloc_bioset(m->bdev, bvecs, REQ_OP_WRITE, GFP_NOIO, &e->w->bios);
	wb = container_of(bio, struct write_bio, bio);
	wb->e = e;
	wb->nr = nr;
	wb->cl = cl;
	wb->member = m;
	wb->ptr = ptr;
	bio->bi_iter.bi_sector = p->sector;
	bio->bi_end_io = write_end_io;
	if (e->src) {
		bio->bi_opf |= e->src->bi_opf & (REQ_SYNC | REQ_PRIO | REQ_IDLE);
		bio->bi_ioprio = e->src->bi_ioprio;
	}
	add_data(bio, e, nr);
	wb->sectors = bio_sectors(bio);
	wb->start_ns = ktime_get_ns();
	bce_closure_get(cl);
	submit_bio(bio);
}

/* pointers from @first on */
static void submit_from(struct write_extent *e, unsigned int nr, unsigned int first, struct bce_closure *cl)
{
	for (unsigned int i = first; i < e->space.nr; i++)
		ptr_submit(e, nr, i, cl);
}

void bce_write_extent_submit(struct write_extent *e, struct bce_closure *cl)
{
	if (e->type == KEY_TYPE_extent)
		submit_from(e, 1, 0, cl);
}

/* ---- runs ---- */

static bool is_straight(const struct write_extent *e)
{
	return !e->buffer && !e->in_place;
}

/* does @e lie behind @before on each of its members? */
static bool lies_behind(const struct write_extent *before, const struct write_extent *e)
{
	if (e->space.nr != before->space.nr)
		return false;
	for (unsigned int i = 0; i < e->space.nr; i++)
		if (e->space.ptr[i].dev != before->space.ptr[i].dev ||
		    e->space.ptr[i].sector != before->space.ptr[i].sector + before->crc.compressed_size)
			return false;
	return true;
}

void bce_write_run_end(struct write_run *r, struct bce_closure *cl)
{
	if (r->nr)
		submit_from(r->e, r->nr, 0, cl);
	r->nr = 0;
}

void bce_write_run_add(struct write_run *r, struct write_extent *e, struct bce_closure *cl)
{
	unsigned int bvecs;

	if (e->type != KEY_TYPE_extent)
		return;
	bvecs = extent_bvecs(e);
	if (r->nr && (e != r->e + r->nr || !is_straight(e) || r->bvecs + bvecs > BIO_MAX_VECS ||
		      !lies_behind(e - 1, e)))
		bce_write_run_end(r, cl);
	if (!r->nr)
		*r = (struct write_run) { .e = e };
	r->nr++;
	r->bvecs += bvecs;
	if (!is_straight(e))
		bce_write_run_end(r, cl);
}

/* ---- failures ---- */

static void ptr_complain(struct write_extent *e, const struct extent_ptr *p)
{
	struct data_writer *w = e->w;
	struct member_dev *m;

	w->c.ops->write_failed(w->c.ctx, p->dev, -EIO);
	if (!__ratelimit(&w->complaints))
		return;
	m = bce_member_get_io(w->c.members, p->dev);
	bce_log_line(w->c.log, BCE_LOG_ERR, "%s: file sector %llu, device sector %llu: write error",
		     m ? m->name : "(member gone)", e->start, p->sector);
	if (m)
		bce_member_put_io(m);
}

/* failed pointers leave e->space, and their space goes back */
static void drop_failed(struct write_extent *e)
{
	struct alloc_space good = { .sectors = e->space.sectors }, bad = good;

	for (unsigned int i = 0; i < e->space.nr; i++) {
		struct alloc_space *to = test_bit(i, &e->failed) ? &bad : &good;

		to->ptr[to->nr] = e->space.ptr[i];
		to->open[to->nr++] = e->space.open[i];
		if (to != &bad)
			continue;
		e->failed_devs |= 1ULL << e->space.ptr[i].dev;
		ptr_complain(e, &e->space.ptr[i]);
	}
	e->space = good;
	e->failed = 0;
	e->w->c.ops->space_put(e->w->c.ctx, &bad);
}

static u64 devs_of(const struct alloc_space *space)
{
	u64 devs = 0;

	for (unsigned int i = 0; i < space->nr; i++)
		devs |= 1ULL << space->ptr[i].dev;
	return devs;
}

/* @nr more replicas, if there are members for them. Return: how many pointers were added */
static unsigned int add_space(struct write_extent *e, const struct write_how *how,
			      unsigned int nr)
{
	struct alloc_space more;
	unsigned int i;

	if (bce_write_get_space(e->w, how, nr, devs_of(&e->space) | e->failed_devs,
				e->crc.compressed_size, &more))
		return 0;
	if (more.sectors < e->crc.compressed_size || e->space.nr + more.nr > ALLOC_PTRS_MAX) {
		e->w->c.ops->space_put(e->w->c.ctx, &more);
		return 0;
	}
	for (i = 0; i < more.nr; i++) {
		e->space.ptr[e->space.nr] = more.ptr[i];
		e->space.open[e->space.nr++] = more.open[i];
	}
	e->space.sectors = e->crc.compressed_size;
	return more.nr;
}

/* what is there has an owner: it is not given back */
static void leave_place(struct write_extent *e)
{
	e->failed_devs |= 1ULL << e->space.ptr[0].dev;
	ptr_complain(e, &e->space.ptr[0]);
	e->space.nr = 0;
	e->failed = 0;
	e->in_place = false;
}

int bce_write_extent_settle(struct write_extent *e, const struct write_how *how,
			    unsigned int required)
{
	struct bce_closure cl;

	if (e->type != KEY_TYPE_extent || !e->failed)
		return 0;
	while (e->failed) {
		unsigned int nr = e->in_place ? how->opts->data_replicas : hweight_long(e->failed);

		if (e->in_place)
			leave_place(e);
		else
			drop_failed(e);
		nr = add_space(e, how, nr);
		if (!nr)
			break;
		bce_closure_init(&cl, NULL);
		submit_from(e, 1, e->space.nr - nr, &cl);
		bce_closure_sync(&cl);
	}
	return e->space.nr && e->space.nr >= required ? 0 : -EIO;
}

void bce_write_extent_release(struct write_extent *e)
{
	bce_buffer_put(&e->w->stored, e->buffer);
	e->buffer = NULL;
	if (e->space.nr && !e->in_place)
		e->w->c.ops->space_put(e->w->c.ctx, &e->space);
	e->space.nr = 0;
}

int bce_write_extent_sync(struct write_extent *e, const struct write_how *how,
			  unsigned int required)
{
	struct bce_closure cl;

	bce_closure_init(&cl, NULL);
	bce_write_extent_submit(e, &cl);
	bce_closure_sync(&cl);
	return bce_write_extent_settle(e, how, required);
}
