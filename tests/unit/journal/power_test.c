// SPDX-License-Identifier: GPL-2.0
/*
 * Power cuts. All writes, flushes and discards of a run are recorded, with the moments they
 * began and ended. Then for many moments T the members are made as a power cut at T may leave
 * them: writes that were flushed, or written with FUA, are there; of the others any subset of
 * sectors is. What was acknowledged before T must be read back, with the right contents, and
 * so must everything that was pinned at T.
 *
 * Source: docs/format/30-journal.md, section 4.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/blkdev.h>

#include "../../lib/journal_rig.h"
#include "../../lib/random.h"
#include "engine/format/ids.h"
#include "kapi/kapi.h"

#define NEVER	UINT64_MAX

struct op {
	struct bio	*bio;		/* under way */
	unsigned int	dev;
	bool		preflush, fua, writes;
	u64		start, end;
	u64		sector;
	u32		bytes;
	u8		*data;		/* NULL: discarded */
	int		fate;		/* at a moment: enum fate, if not ended */
};

struct ack {
	u64		at, seq;
};

struct pinned {
	u64		seq, from, to;
};

#define MAX	8192

struct record {
	pthread_mutex_t	lock;
	u64		now;
	struct op	op[MAX];
	unsigned int	nr_ops;
	struct ack	ack[MAX];
	unsigned int	nr_acks;
	struct pinned	pinned[MAX];
	unsigned int	nr_pinned;
	struct hook {
		struct record		*rec;
		unsigned int		dev;
		struct kapi_bdev_fault	fault;
	} hook[JR_DEVS];
};

static u64 tick(struct record *rec)
{
	u64 now;

	pthread_mutex_lock(&rec->lock);
	now = ++rec->now;
	pthread_mutex_unlock(&rec->lock);
	return now;
}

/* ---- recording ---- */

static u8 *copy_of(struct bio *bio)
{
	u8 *data = malloc(bio->bi_iter.bi_size), *p = data;
	struct bvec_iter it;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, it) {
		memcpy(p, bvec_virt(&bv), bv.bv_len);
		p += bv.bv_len;
	}
	return data;
}

static blk_status_t before(struct bio *bio, void *priv)
{
	struct hook *h = priv;
	struct record *rec = h->rec;
	struct op *op;

	if (bio_op(bio) == REQ_OP_READ)
		return BLK_STS_OK;
	pthread_mutex_lock(&rec->lock);
	assert_true(rec->nr_ops < MAX);
	op = &rec->op[rec->nr_ops++];
	*op = (struct op) {
		.bio = bio, .dev = h->dev, .start = ++rec->now, .end = NEVER,
		.preflush = bio->bi_opf & REQ_PREFLUSH || bio_op(bio) == REQ_OP_FLUSH,
		.fua = bio->bi_opf & REQ_FUA,
		.writes = bio_op(bio) != REQ_OP_FLUSH && bio->bi_iter.bi_size,
		.sector = bio->bi_iter.bi_sector, .bytes = bio->bi_iter.bi_size,
	};
	if (op->writes && bio_op(bio) == REQ_OP_WRITE)
		op->data = copy_of(bio);
	pthread_mutex_unlock(&rec->lock);
	return BLK_STS_OK;
}

static blk_status_t after(struct bio *bio, void *priv)
{
	struct hook *h = priv;
	struct record *rec = h->rec;
	unsigned int i;

	pthread_mutex_lock(&rec->lock);
	for (i = rec->nr_ops; i--; )
		if (rec->op[i].bio == bio) {
			rec->op[i].end = ++rec->now;
			rec->op[i].bio = NULL;
			break;
		}
	pthread_mutex_unlock(&rec->lock);
	return BLK_STS_OK;
}

static void record_begin(struct record *rec, struct jr_rig *rig)
{
	unsigned int i;

	for (i = 0; i < rig->o.nr; i++) {
		rec->hook[i] = (struct hook) {
			.rec = rec, .dev = i,
			.fault = { .before = before, .after = after, .priv = &rec->hook[i] },
		};
		kapi_bdev_set_fault(rig->bdev[i], &rec->hook[i].fault);
	}
}

static void note_ack(struct record *rec, u64 seq)
{
	assert_true(rec->nr_acks < MAX);
	rec->ack[rec->nr_acks++] = (struct ack) { .at = tick(rec), .seq = seq };
}

static void pin(struct record *rec, struct jr_rig *rig)
{
	struct jr_pin *p = &rig->pin[rnd() % JR_PINS];
	struct pinned *note;
	int error;

	if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE))
		return;
	p->state = 1;
	/* noted as unpinned already if reclaim should be quicker than we are */
	note = &rec->pinned[rec->nr_pinned];
	assert_true(rec->nr_pinned < MAX);
	note->seq = jr_put_pinned(rig, 1 + rnd() % 9, p, rnd(), &error);
	assert_true(note->seq);
	pthread_mutex_lock(&rec->lock);
	note->from = ++rec->now;
	note->to = p->state == 2 ? NEVER : 0;
	rec->nr_pinned++;
	pthread_mutex_unlock(&rec->lock);
}

/* the node with these keys would have been written now; any of those with the same number */
static void unpinning(struct jr_rig *rig, u64 seq)
{
	struct record *rec = rig->ctx;
	unsigned int i;

	pthread_mutex_lock(&rec->lock);
	rec->now++;
	for (i = 0; i < rec->nr_pinned; i++)
		if (rec->pinned[i].seq == seq && rec->pinned[i].to == NEVER) {
			rec->pinned[i].to = rec->now;
			break;
		}
	pthread_mutex_unlock(&rec->lock);
}

static void unpin(struct jr_rig *rig)
{
	struct jr_pin *p = &rig->pin[rnd() % JR_PINS];

	if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == 2)
		jr_unpin(rig, p);
}

/* what one thread does; big entries fill and are written without flush */
static void work(struct record *rec, struct jr_rig *rig, unsigned int steps)
{
	int error;
	u64 seq = 0;

	while (steps--) {
		switch (rnd() % 8) {
		case 0 ... 2:
			seq = jr_put_keys(rig, rnd() % 4 ? 1 + rnd() % 9 : rnd() % 200 + 1,
					  JOURNAL_NORMAL, rnd(), &error);
			assert_true(seq);
			break;
		case 3 ... 4:
			pin(rec, rig);
			break;
		case 5:
			unpin(rig);
			unpin(rig);
			break;
		case 6:
			assert_true(jr_put_root(rig, rnd() % JR_ROOTS, 9 + rnd() % 99, &error));
			break;
		case 7:
			seq = bce_journal_cur_seq(rig->j);
			assert_int_equal(bce_journal_flush_seq(rig->j, seq), 0);
			note_ack(rec, bce_journal_flushed_seq(rig->j));
			break;
		}
	}
}

/* ---- a cut at @t ---- */

enum fate { NOTHING, FLUSHED, PARTLY, WHOLLY };

static void choose_fates(struct record *rec, u64 t)
{
	unsigned int i;

	for (i = 0; i < rec->nr_ops && rec->op[i].start <= t; i++)
		rec->op[i].fate = rec->op[i].end <= t ? WHOLLY : rnd() % 4;
}

/* was a flush, begun after @w had ended, carried out? */
static bool flushed_after(struct record *rec, const struct op *w, u64 t)
{
	unsigned int i;

	for (i = 0; i < rec->nr_ops && rec->op[i].start <= t; i++) {
		const struct op *f = &rec->op[i];

		if (f->dev == w->dev && f->preflush && f->start > w->end && f->fate >= FLUSHED)
			return true;
	}
	return false;
}

static void put_sectors(struct jr_rig *rig, const struct op *w, bool all)
{
	static const u8 trimmed[512] = { 0xdb, 0xdb };
	u32 i;

	for (i = 0; i < w->bytes / 512; i++)
		if (all || rnd() % 2)
			assert_int_equal(pwrite(rig->fd[w->dev], w->data ? w->data + i * 512 : trimmed,
						512, (w->sector + i) * 512), 512);
}

static void apply(struct record *rec, struct jr_rig *rig, u64 t)
{
	unsigned int i, how;

	for (i = 0; i < rec->nr_ops && rec->op[i].start <= t; i++) {
		struct op *w = &rec->op[i];

		if (!w->writes)
			continue;
		if (w->end <= t && (w->fua || flushed_after(rec, w, t))) {
			put_sectors(rig, w, true);
			continue;
		}
		how = w->end <= t ? NOTHING + rnd() % 4 : w->fate;
		if (how >= PARTLY)
			put_sectors(rig, w, how == WHOLLY);
	}
}

static void wipe(struct jr_rig *rig)
{
	unsigned int i;
	off_t bytes;

	for (i = 0; i < rig->o.nr; i++) {
		bytes = lseek(rig->fd[i], 0, SEEK_END);
		assert_int_equal(ftruncate(rig->fd[i], 0), 0);
		assert_int_equal(ftruncate(rig->fd[i], bytes), 0);
	}
}

static void cut(struct record *rec, struct jr_rig *rig, u64 t)
{
	u64 acked = 0;
	unsigned int i;

	for (i = 0; i < rec->nr_acks && rec->ack[i].at <= t; i++)
		acked = max(acked, rec->ack[i].seq);
	wipe(rig);
	choose_fates(rec, t);
	apply(rec, rig, t);
	jr_check(rig, acked);
	for (i = 0; i < rec->nr_pinned; i++)
		if (rec->pinned[i].from <= t && rec->pinned[i].to > t &&
		    rec->pinned[i].seq <= rig->r.flush_seq)
			assert_true(rig->r.last_seq <= rec->pinned[i].seq);
}

static void cuts(const struct jr_options *o, unsigned int steps, unsigned int nr)
{
	struct record *rec = calloc(1, sizeof(*rec));
	struct jr_rig rig;
	unsigned int i;

	pthread_mutex_init(&rec->lock, NULL);
	jr_init(&rig, o);
	rig.unpinning = unpinning;
	rig.ctx = rec;
	record_begin(rec, &rig);
	assert_int_equal(jr_open(&rig), 0);
	assert_int_equal(jr_put_keys(&rig, 1, JOURNAL_NORMAL, rnd(), (int[1]) { }), 1);
	assert_int_equal(bce_journal_flush(rig.j), 0);
	note_ack(rec, 1);
	work(rec, &rig, steps);
	jr_crash(&rig);

	for (i = 0; i < nr; i++)
		cut(rec, &rig, rec->ack[0].at + rnd() % (rec->now + 1 - rec->ack[0].at));
	for (i = 0; i < rec->nr_ops; i++)
		free(rec->op[i].data);
	free(rec);
	jr_exit(&rig);
}

static void one_member(void **state)
{
	static const struct jr_options o = {
		.nr = 1, .ring_nr = 8, .bucket_sectors = 64, .block_sectors = 1,
		.csum_type = BCH_CSUM_crc32c_nonzero, .discard = true,
	};

	cuts(&o, 400, 150);
}

static void two_copies(void **state)
{
	static const struct jr_options o = {
		.nr = 2, .ring_nr = 12, .bucket_sectors = 64, .block_sectors = 8, .replicas = 2,
		.csum_type = BCH_CSUM_xxhash,
	};

	cuts(&o, 400, 150);
}

static void spread_over_three(void **state)
{
	static const struct jr_options o = {
		.nr = 3, .ring_nr = 6, .bucket_sectors = 64, .block_sectors = 2, .replicas = 1,
		.csum_type = BCH_CSUM_crc64_nonzero, .discard = true,
	};

	cuts(&o, 400, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_member, rnd_setup),
		cmocka_unit_test_setup(two_copies, rnd_setup),
		cmocka_unit_test_setup(spread_over_three, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
