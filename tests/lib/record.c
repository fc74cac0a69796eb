// SPDX-License-Identifier: GPL-2.0
/*
 * Recorded devices, and what a crash leaves of them.
 *
 * Every request is an operation with two moments in one log for all devices: submitted, and
 * completed (which the submitter learns a little later). Data is copied when it is submitted.
 *
 *   log   s0 s1 c0 s2 c2 c1 A5 s3 c3 ...      sN, cN: operation N; A5: record_ack(5)
 *
 * A device has a volatile cache:
 *   - a flush makes durable what on its device had been completed when it was submitted; not what
 *     was under way then
 *   - a write with FUA is durable when it is completed, and nothing else thereby
 *   - a write with PREFLUSH does not begin before its flush is over: if any of it is there after
 *     a crash, so is all that the flush covers
 *   - any other write, completed or not, may be there after a crash, or not, or some of its
 *     blocks, independently of all others; of writes to the same place the later is on top
 *   - after a discard there may be zeros or what was there before, at any time
 * Between devices there is no order at all.
 *
 * A crash is a moment in the log. What was submitted before it is replayed over a copy of the
 * start in the order of submission, each operation as a whole, in parts, or not at all.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/minmax.h>

#include "kapi/kapi.h"
#include "require.h"

#define NEVER		SIZE_MAX
#define COPY_BYTES	(1U << 20)

enum op_kind { OP_WRITE, OP_ZEROES, OP_DISCARD, OP_FLUSH };

struct op {
	u8		dev;
	u8		kind;
	bool		preflush;
	bool		fua;
	u64		start;		/* bytes */
	u64		bytes;
	size_t		submitted;	/* moment */
	size_t		completed;	/* moment, or NEVER */
	struct bio	*bio;		/* while under way */
	u8		*data;		/* of OP_WRITE */
};

struct ack {
	size_t	moment;
	u64	value;
};

struct dev {
	struct record			*r;
	unsigned int			idx;
	struct block_device		*bdev;
	struct kapi_bdev_fault		hooks;
	const struct kapi_bdev_fault	*inner;
	int				base;		/* the start */
	u64				bytes;
};

struct record {
	pthread_mutex_t	lock;		/* all of the log */
	unsigned int	nr;
	unsigned int	block_bytes;
	struct dev	dev[RECORD_DEVS_MAX];
	size_t		moments;
	struct op	*op;
	size_t		nr_ops, ops_room;
	struct ack	*ack;
	size_t		nr_acks, acks_room;
	size_t		*mark;		/* moments; the first one is 0 */
	size_t		nr_marks, marks_room;
};

static void room_for_one(void **array, size_t nr, size_t *room, size_t each)
{
	if (nr < *room)
		return;
	*room = *room ? 2 * *room : 64;
	*array = realloc(*array, *room * each);
	require(*array);
}

/* ---- files ---- */

static void copy_range(int from, int to, off_t at, off_t end, u8 *buf)
{
	while (at < end) {
		ssize_t n = pread(from, buf, min_t(off_t, COPY_BYTES, end - at), at);

		require(n > 0);
		require(pwrite(to, buf, n, at) == n);
		at += n;
	}
}

/* a copy in memory, holes and all */
static int copy_file(int from)
{
	int to = memfd_create("record", MFD_CLOEXEC);
	u8 *buf = malloc(COPY_BYTES);
	off_t at = 0, end;
	struct stat st;

	require(to >= 0 && buf && !fstat(from, &st) && !ftruncate(to, st.st_size));
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		require(end > at);
		copy_range(from, to, at, end, buf);
		at = end;
	}
	free(buf);
	return to;
}

/* ---- recording ---- */

static enum op_kind kind_of(const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
		/* a write of nothing, with a flush before it, is a flush */
		return bio->bi_iter.bi_size || !(bio->bi_opf & REQ_PREFLUSH) ? OP_WRITE : OP_FLUSH;
	case REQ_OP_WRITE_ZEROES:
		return OP_ZEROES;
	case REQ_OP_DISCARD:
		return OP_DISCARD;
	default:
		return OP_FLUSH;
	}
}

static bool is_recorded(const struct bio *bio)
{
	return op_is_write(bio->bi_opf) || bio_op(bio) == REQ_OP_FLUSH ||
		bio->bi_opf & REQ_PREFLUSH;
}

static u8 *copy_data(struct bio *bio)
{
	u8 *data = malloc(bio->bi_iter.bi_size + 1), *p = data;
	struct bvec_iter iter;
	struct bio_vec bv;

	require(data);
	bio_for_each_segment(bv, bio, iter) {
		memcpy(p, bvec_virt(&bv), bv.bv_len);
		p += bv.bv_len;
	}
	return data;
}

static void hook_submit(struct bio *bio, void *priv)
{
	struct dev *d = priv;
	struct record *r = d->r;
	struct op op = {
		.dev = d->idx,
		.kind = kind_of(bio),
		.preflush = bio->bi_opf & REQ_PREFLUSH,
		.fua = bio->bi_opf & REQ_FUA,
		.start = (u64)bio->bi_iter.bi_sector << SECTOR_SHIFT,
		.bytes = bio->bi_iter.bi_size,
		.completed = NEVER,
		.bio = bio,
	};

	if (is_recorded(bio)) {
		if (op.kind == OP_WRITE)
			op.data = copy_data(bio);
		pthread_mutex_lock(&r->lock);
		room_for_one((void **)&r->op, r->nr_ops, &r->ops_room, sizeof(op));
		op.submitted = ++r->moments;
		r->op[r->nr_ops++] = op;
		pthread_mutex_unlock(&r->lock);
	}
	if (d->inner && d->inner->submit)
		d->inner->submit(bio, d->inner->priv);
}

/* the operation a bio is, youngest first: an old one may have had the same memory, and failed */
static struct op *op_of(struct record *r, const struct bio *bio)
{
	for (size_t i = r->nr_ops; i--; )
		if (r->op[i].bio == bio)
			return &r->op[i];
	return NULL;
}

static blk_status_t hook_before(struct bio *bio, void *priv)
{
	struct dev *d = priv;

	return d->inner && d->inner->before ? d->inner->before(bio, d->inner->priv) : BLK_STS_OK;
}

static blk_status_t hook_after(struct bio *bio, void *priv)
{
	struct dev *d = priv;
	struct record *r = d->r;
	blk_status_t status = BLK_STS_OK;
	struct op *op;

	if (d->inner && d->inner->after)
		status = d->inner->after(bio, d->inner->priv);
	if (!is_recorded(bio) || status)
		return status;
	pthread_mutex_lock(&r->lock);
	op = op_of(r, bio);
	require(op);
	op->bio = NULL;
	op->completed = ++r->moments;
	if (op->kind == OP_FLUSH || op->preflush || op->fua) {
		room_for_one((void **)&r->mark, r->nr_marks, &r->marks_room, sizeof(*r->mark));
		r->mark[r->nr_marks++] = op->completed;
	}
	pthread_mutex_unlock(&r->lock);
	return BLK_STS_OK;
}

static void open_device(struct record *r, unsigned int i, int fd)
{
	struct dev *d = &r->dev[i];
	char name[24];
	struct stat st;

	require(!fstat(fd, &st));
	snprintf(name, sizeof(name), "record%u", i);
	*d = (struct dev) {
		.r = r,
		.idx = i,
		.hooks = { hook_submit, hook_before, hook_after, d },
		.base = copy_file(fd),
		.bytes = st.st_size,
	};
	d->bdev = kapi_bdev_from_fd(dup(fd), name, O_RDWR);
	require(!IS_ERR(d->bdev));
	kapi_bdev_set_fault(d->bdev, &d->hooks);
}

struct record *record_start(const int *fds, unsigned int nr, unsigned int block_bytes)
{
	struct record *r = calloc(1, sizeof(*r));

	require(r && nr <= RECORD_DEVS_MAX && block_bytes >= SECTOR_SIZE);
	pthread_mutex_init(&r->lock, NULL);
	r->nr = nr;
	r->block_bytes = block_bytes;
	room_for_one((void **)&r->mark, 0, &r->marks_room, sizeof(*r->mark));
	r->mark[r->nr_marks++] = 0;
	for (unsigned int i = 0; i < nr; i++)
		open_device(r, i, fds[i]);
	return r;
}

struct block_device *record_bdev(struct record *r, unsigned int i)
{
	return r->dev[i].bdev;
}

void record_set_fault(struct record *r, unsigned int i, const struct kapi_bdev_fault *fault)
{
	r->dev[i].inner = fault;
}

void record_ack(struct record *r, u64 value)
{
	pthread_mutex_lock(&r->lock);
	room_for_one((void **)&r->ack, r->nr_acks, &r->acks_room, sizeof(*r->ack));
	r->ack[r->nr_acks++] = (struct ack) { ++r->moments, value };
	pthread_mutex_unlock(&r->lock);
}

void record_stop(struct record *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		kapi_bdev_close(r->dev[i].bdev);
		r->dev[i].bdev = NULL;
	}
}

void record_free(struct record *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		close(r->dev[i].base);
	for (size_t i = 0; i < r->nr_ops; i++)
		free(r->op[i].data);
	free(r->op);
	free(r->ack);
	free(r->mark);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

size_t record_nr_marks(const struct record *r)
{
	return r->nr_marks;
}

unsigned int record_nr_devs(const struct record *r)
{
	return r->nr;
}

void record_stats(const struct record *r, struct record_stats *out)
{
	*out = (struct record_stats) { };
	for (size_t i = 0; i < r->nr_ops; i++) {
		const struct op *op = &r->op[i];

		out->flushes += op->kind == OP_FLUSH || op->preflush;
		out->fua_writes += op->kind == OP_WRITE && op->fua;
		out->discards += op->kind == OP_DISCARD;
		out->writes += op->kind == OP_WRITE || op->kind == OP_ZEROES;
		out->bytes += op->kind == OP_WRITE ? op->bytes : 0;
	}
}

/* ---- crashing ---- */

enum fate { FATE_LOST, FATE_TORN, FATE_KEPT, FATE_DURABLE };

struct crash {
	const struct record	*r;
	size_t			moment;		/* what was submitted before it exists */
	size_t			durable_at;	/* the mark's */
	u64			rng;
	u8			*fate;		/* by operation */
	int			*fds;
};

static u64 next_random(struct crash *c)
{
	c->rng ^= c->rng << 13;
	c->rng ^= c->rng >> 7;
	c->rng ^= c->rng << 17;
	return c->rng * 0x2545f4914f6cdd1dULL;
}

/* what the flush of @op covers, or @op says nothing about others */
static void make_durable_before(struct crash *c, const struct op *op)
{
	for (size_t i = 0; i < c->r->nr_ops; i++)
		if (c->r->op[i].dev == op->dev && c->r->op[i].completed < op->submitted)
			c->fate[i] = FATE_DURABLE;
}

static void settle_durable(struct crash *c)
{
	const struct op *last[RECORD_DEVS_MAX] = { };

	for (size_t i = 0; i < c->r->nr_ops; i++) {
		const struct op *op = &c->r->op[i];

		if (op->completed > c->durable_at)
			continue;
		if (op->fua)
			c->fate[i] = FATE_DURABLE;
		/* operations are in the order of submission: the last flush covers most */
		if (op->kind == OP_FLUSH || op->preflush)
			last[op->dev] = op;
	}
	for (unsigned int i = 0; i < c->r->nr; i++)
		if (last[i])
			make_durable_before(c, last[i]);
}

/* the rest by chance; how much is lost differs from crash to crash */
static void settle_luck(struct crash *c)
{
	unsigned int lost = next_random(c) % 5, torn = next_random(c) % 3;

	for (size_t i = 0; i < c->r->nr_ops && c->r->op[i].submitted < c->moment; i++) {
		u64 luck = next_random(c) >> 8;

		if (c->fate[i] == FATE_DURABLE)
			continue;
		if (luck % 4 < lost)
			c->fate[i] = FATE_LOST;
		else
			c->fate[i] = (luck >> 16) % 4 < torn ? FATE_TORN : FATE_KEPT;
	}
	/* from the last on, as what one forces may force others */
	for (size_t i = c->r->nr_ops; i--; )
		if (c->fate[i] != FATE_LOST && c->r->op[i].preflush &&
		    c->r->op[i].kind != OP_FLUSH)
			make_durable_before(c, &c->r->op[i]);
}

static void apply_piece(struct crash *c, const struct op *op, u64 at, u64 bytes)
{
	static const u8 zeros[1 << 16];
	int fd = c->fds[op->dev];

	if (op->kind == OP_WRITE) {
		require(pwrite(fd, op->data + at, bytes, op->start + at) == bytes);
		return;
	}
	while (bytes) {
		u64 n = min_t(u64, bytes, sizeof(zeros));

		require(pwrite(fd, zeros, n, op->start + at) == n);
		at += n;
		bytes -= n;
	}
}

static void apply(struct crash *c, const struct op *op, enum fate fate)
{
	u64 at = 0;

	if (fate != FATE_TORN) {
		apply_piece(c, op, 0, op->bytes);
		return;
	}
	while (at < op->bytes) {
		/* blocks of the device, whatever the write's own start */
		u64 n = c->r->block_bytes - (op->start + at) % c->r->block_bytes;

		n = min(n, op->bytes - at);
		if (next_random(c) >> 40 & 1)
			apply_piece(c, op, at, n);
		at += n;
	}
}

static void apply_all(struct crash *c, struct record_crash *out)
{
	for (size_t i = 0; i < c->r->nr_ops; i++) {
		const struct op *op = &c->r->op[i];
		enum fate fate = c->fate[i];

		if (op->kind == OP_FLUSH || op->submitted >= c->moment)
			continue;
		/* a discard is a hint */
		if (op->kind == OP_DISCARD && c->rng)
			fate = next_random(c) >> 40 & 1 ? FATE_LOST : FATE_TORN;
		if (fate != FATE_LOST)
			apply(c, op, fate);
		out->durable += fate == FATE_DURABLE;
		out->kept += fate == FATE_KEPT;
		out->torn += fate == FATE_TORN;
		out->lost += fate == FATE_LOST;
	}
}

static u64 acked_before(const struct record *r, size_t moment)
{
	u64 value = 0;

	for (size_t i = 0; i < r->nr_acks && r->ack[i].moment < moment; i++)
		value = r->ack[i].value;
	return value;
}

void record_crash(const struct record *r, size_t mark, u64 seed, int *fds,
		  struct record_crash *out)
{
	size_t next = mark + 1 < r->nr_marks ? r->mark[mark + 1] : r->moments + 1;
	struct crash c = {
		.r = r,
		.durable_at = r->mark[mark],
		.moment = next,
		.rng = seed ? seed * 0x9e3779b97f4a7c15ULL ^ mark << 1 ^ 1 : 0,
		.fate = calloc(1, r->nr_ops + 1),
		.fds = fds,
	};
	struct record_crash result = { };

	require(mark < r->nr_marks && c.fate);
	for (unsigned int i = 0; i < r->nr; i++)
		fds[i] = copy_file(r->dev[i].base);
	settle_durable(&c);
	if (seed) {
		c.moment = c.durable_at + 1 + next_random(&c) % (next - c.durable_at);
		settle_luck(&c);
	}
	apply_all(&c, &result);
	result.acked = acked_before(r, c.moment);
	if (out)
		*out = result;
	free(c.fate);
}

void record_close_images(const struct record *r, int *fds)
{
	for (unsigned int i = 0; i < r->nr; i++)
		close(fds[i]);
}
