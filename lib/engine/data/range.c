// SPDX-License-Identifier: GPL-2.0
/*
 * Changing ranges of a file without data: holes and reservations (docs/format/65-operations.md,
 * section 10). Each transaction changes some keys and the inode with them; a range of any length is a
 * row of such transactions, each of which leaves a sound file behind.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>

#include "engine/btree/btrees.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"

#define MEMORY_TRIES	20
#define MEMORY_WAIT_MS	50

/* longest reservation in one key */
#define RESERVE_SECTORS_MAX	(1U << 24)

struct charged_step {
	data_step_fn		fn;
	void			*ctx;
	struct data_charge	charge;
};

static int run_charged(struct bce_trans *t, void *ctx)
{
	struct charged_step *s = ctx;

	return bce_data_charge_begin(t, &s->charge) ?: s->fn(t, s->ctx);
}

/* more than a journal entry holds: half of it may fit */
static bool fewer_keys(struct data_writer *w)
{
	unsigned int nr = READ_ONCE(w->keys_per_step);

	if (nr == 1)
		return false;
	WRITE_ONCE(w->keys_per_step, nr / 2);
	return true;
}

int bce_data_step_charged(struct data_writer *w, data_step_fn fn, void *ctx, bool enforce, u64 *seq)
{
	struct charged_step s = {
		.fn = fn, .ctx = ctx, .charge = { .w = w, .enforce = enforce },
	};
	unsigned int nofs = memalloc_nofs_save();
	u64 at = 0;
	int ret;

	do {
		ret = bce_trans_run(w->c.btrees, run_charged, &s, 0, &at);
	} while (ret == -E2BIG && fewer_keys(w));
	if (ret)
		bce_data_charge_undo(&s.charge);
	memalloc_nofs_restore(nofs);
	if (!ret && seq && at)
		*seq = at;
	return ret;
}

int bce_data_step(struct data_writer *w, data_step_fn fn, void *ctx, u64 *seq)
{
	return bce_data_step_charged(w, fn, ctx, true, seq);
}

int bce_data_step_on(struct data_writer *w, data_step_fn fn, void *ctx, u64 *seq)
{
	unsigned int tries = MEMORY_TRIES;
	int ret;

	while ((ret = bce_data_step(w, fn, ctx, seq)) == -ENOMEM && --tries)
		msleep(MEMORY_WAIT_MS);
	return ret;
}

int bce_data_look(struct data_writer *w, data_step_fn fn, void *ctx)
{
	unsigned int nofs = memalloc_nofs_save();
	struct bce_trans t;
	int ret;

	bce_trans_init(&t, w->c.btrees);
	do {
		bce_trans_begin(&t);
		ret = fn(&t, ctx);
		if (ret && ret != BCE_TRANS_RESTART)	/* reads of different moments may not fit */
			ret = bce_trans_check_reads(&t) ?: ret;
	} while (ret == BCE_TRANS_RESTART);
	bce_trans_exit(&t);
	memalloc_nofs_restore(nofs);
	return ret;
}

int bce_data_target_inode(struct bce_trans *t, struct data_writer *w,
			  const struct data_target *target, struct data_inode *out)
{
	if (target->snapshot)
		return bce_data_inode_get_at(t, &w->env, target->file.inum, target->snapshot, out);
	return bce_data_inode_get(t, &w->env, target->file, out);
}

/* ---- holes ---- */

struct delete_step {
	struct data_writer		*w;
	const struct data_target	*target;
	u64				start, end;
	u64				done;
};

static int delete_some(struct bce_trans *t, void *ctx)
{
	struct delete_step *s = ctx;
	struct extent_change change = { };
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, s->target, &inode);

	if (!ret)
		ret = bce_extent_delete(t, &s->w->env, inode.f.inum, s->start, s->end,
					inode.snapshot, READ_ONCE(s->w->keys_per_step), &s->done,
					&change);
	if (ret)
		return ret;
	bce_data_inode_sectors(&inode, &change);
	return bce_data_inode_put(t, &inode);
}

int bce_data_delete_range(struct data_writer *w, const struct data_target *target, u64 start,
			  u64 end, u64 *seq)
{
	struct delete_step s = { .w = w, .target = target, .start = start, .end = end };
	int ret = 0;

	while (!ret && s.start < s.end) {
		ret = bce_data_step(w, delete_some, &s, seq);
		s.start = s.done;
	}
	return ret;
}

/* ---- sizes and times ---- */

struct touch_step {
	struct data_writer	*w;
	struct data_target	target;
	u64			min_size;
};

static int touch(struct bce_trans *t, void *ctx)
{
	struct touch_step *s = ctx;
	struct data_inode inode;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (ret)
		return ret;
	inode.f.size = max(inode.f.size, s->min_size);
	inode.f.mtime = inode.f.ctime = s->w->c.ops->now(s->w->c.ctx);
	return bce_data_inode_put(t, &inode);
}

static int touch_file(struct data_writer *w, struct bce_file_id file, u64 min_size, u64 *seq)
{
	struct touch_step s = { .w = w, .target.file = file, .min_size = min_size };

	return bce_data_step(w, touch, &s, seq);
}

int bce_data_punch(struct data_writer *w, struct bce_file_id file, u64 start, u64 end, u64 *seq)
{
	struct data_target target = { .file = file };
	int ret;

	if ((start | end) % w->c.block_sectors)
		return -EINVAL;
	ret = bce_data_delete_range(w, &target, start, end, seq);
	return ret ?: touch_file(w, file, 0, seq);
}

int bce_data_remove_all(struct data_writer *w, u64 inum, u32 snapshot)
{
	struct data_target target = { .file.inum = inum, .snapshot = snapshot };

	return bce_data_delete_range(w, &target, 0, U64_MAX, NULL);
}

int bce_data_remove_in(struct data_writer *w, struct bce_trans *t, u64 inum, u32 snapshot)
{
	struct extent_change change = { };
	u64 done;
	int ret = bce_extent_delete(t, &w->env, inum, 0, U64_MAX, snapshot,
				    READ_ONCE(w->keys_per_step), &done, &change);

	return ret ?: done == U64_MAX ? 0 : -E2BIG;
}

/* ---- reservations ---- */

struct reserve_step {
	struct data_writer	*w;
	struct data_target	target;
	struct space_reservation res;
	bool			zero;		/* data is overwritten, too */
	u8			replicas;
	u64			start, end;
	u64			found, found_end;	/* what is to be reserved; found = end: nothing */
};

/* the first stretch of [start, end) that has no key, or with @zero all of it */
static int find_stretch(struct bce_trans *t, void *ctx)
{
	struct reserve_step *s = ctx;
	struct data_options opts;
	struct data_inode inode;
	struct snapshot_view view;
	struct bkey k;
	int ret = bce_data_target_inode(t, s->w, &s->target, &inode);

	if (ret)
		return ret;
	bce_data_options_of(s->w, &inode.f, &opts);
	s->replicas = opts.data_replicas;
	s->found_end = min(s->end, s->start + RESERVE_SECTORS_MAX);
	view = s->w->env.snapshots->view(s->w->env.snapshots->ctx, inode.snapshot);
	for (s->found = s->start; !s->zero && s->found < s->end; s->found = k.p.offset) {
		s->found_end = min(s->end, s->found + RESERVE_SECTORS_MAX);
		ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(inode.f.inum, s->found, 0),
				     SPOS(inode.f.inum, s->found_end, 0), &view, 0, &k);
		if (ret == -ENOENT)
			return 0;
		if (ret)
			return ret;
		if (bkey_start_offset(&k) > s->found) {
			s->found_end = min(s->found_end, bkey_start_offset(&k));
			return 0;
		}
	}
	s->found = min(s->found, s->end);
	return 0;
}

static int put_reservation(struct bce_trans *t, struct reserve_step *s, struct data_inode *inode,
			   struct extent_change *change)
{
	struct bch_reservation *v = bce_trans_alloc(t, sizeof(*v));
	struct bkey k = {
		.p		= SPOS(inode->f.inum, s->found_end, inode->snapshot),
		.size		= s->found_end - s->found,
		.type		= KEY_TYPE_reservation,
		.val_u64s	= sizeof(*v) / sizeof(u64),
		.v		= v,
	};

	if (!v)
		return -ENOMEM;
	v->nr_replicas = s->replicas;
	return bce_extent_update(t, &s->w->env, &k, change);
}

static int reserve_stretch(struct bce_trans *t, void *ctx)
{
	struct reserve_step *s = ctx;
	struct extent_change change = { };
	struct data_inode inode;
	u64 done;
	int ret = find_stretch(t, s);

	if (ret || s->found == s->end)
		return ret;
	ret = bce_data_target_inode(t, s->w, &s->target, &inode);
	if (!ret)
		ret = bce_extent_delete(t, &s->w->env, inode.f.inum, s->found, s->found_end,
					inode.snapshot, READ_ONCE(s->w->keys_per_step), &done,
					&change);
	if (ret)
		return ret;
	s->found_end = done;
	ret = put_reservation(t, s, &inode, &change);
	if (ret)
		return ret;
	bce_data_inode_sectors(&inode, &change);
	return bce_data_inode_put(t, &inode);
}

/* the promise made first becomes the key's when it is committed */
static int reserve_next(struct data_writer *w, struct reserve_step *s, u64 *seq)
{
	int ret = bce_data_look(w, find_stretch, s);

	if (ret || s->found == s->end)
		return ret;
	ret = w->c.ops->reserve(w->c.ctx, &s->res, s->found_end - s->found, s->replicas);
	if (!ret)
		ret = bce_data_step(w, reserve_stretch, s, seq);
	w->c.ops->unreserve(w->c.ctx, &s->res);
	return ret;
}

int bce_data_fallocate(struct data_writer *w, struct bce_file_id file, u64 start, u64 end, bool zero,
		       u64 new_size_bytes, u64 *seq)
{
	struct reserve_step s = {
		.w = w, .target.file = file, .zero = zero, .start = start, .end = end,
	};
	int ret = 0;

	if ((start | end) % w->c.block_sectors)
		return -EINVAL;
	while (!ret && s.start < s.end) {
		ret = reserve_next(w, &s, seq);
		s.start = s.found == s.end ? s.end : s.found_end;
	}
	return ret ?: touch_file(w, file, new_size_bytes, seq);
}
