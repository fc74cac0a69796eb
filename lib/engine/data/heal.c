// SPDX-License-Identifier: GPL-2.0
/*
 * A reader who got his data from a second replica tells which copies were bad. These are put on a
 * short list, and a worker writes them anew. The list may overflow: who reads the same again will tell
 * again.
 *
 * Source: docs/format/85-policies.md, section 4.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched/mm.h>

#include "engine/data/move.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"

/* stream of these writes */
#define STREAM_HEAL	(~1ULL)

void bce_data_heal(void *writer, u64 inum, u32 snapshot, u64 sector, u64 devs)
{
	struct data_writer *w = writer;
	bool queued = false;

	spin_lock(&w->heal_lock);
	if (w->nr_heal < ARRAY_SIZE(w->heal)) {
		w->heal[w->nr_heal++] = (struct heal_request) {
			.inum = inum, .snapshot = snapshot, .sector = sector, .devs = devs,
		};
		queued = !w->heal_paused;
	}
	spin_unlock(&w->heal_lock);
	if (queued)
		queue_work(w->more_wq, &w->heal_work);
}

struct find_bad {
	struct data_writer		*w;
	const struct heal_request	*h;
	struct data_move		m;
};

/* the key with the pointers: in the extents btree, or what a reference leads to */
static int find_bad(struct bce_trans *t, void *ctx)
{
	struct find_bad *f = ctx;
	const struct data_snapshots *s = f->w->env.snapshots;
	struct snapshot_view view = s->view(s->ctx, f->h->snapshot);
	struct reflink_p_info info;
	struct bkey k;
	int ret = bce_trans_peek(t, BTREE_ID_extents, SPOS(f->h->inum, f->h->sector, 0),
				 SPOS(f->h->inum, f->h->sector + 1, 0), &view, 0, &k);

	f->m.btree_id = BTREE_ID_extents;
	if (!ret && k.type == KEY_TYPE_reflink_p) {
		u64 at;

		bce_reflink_p_decode(&k, &info);
		at = info.idx + (f->h->sector - bkey_start_offset(&k));
		f->m.btree_id = BTREE_ID_reflink;
		ret = bce_trans_peek(t, BTREE_ID_reflink, POS(0, at), POS(0, at + 1), NULL, 0, &k);
	}
	if (!ret)
		f->m.pos = k.p;
	return ret;
}

static u64 present(struct data_writer *w, u64 devs)
{
	return devs & bce_members_present(w->c.members);
}

static void heal(struct data_writer *w, const struct heal_request *h)
{
	struct find_bad f = {
		.w = w, .h = h,
		.m = {
			.drop_devs	= present(w, h->devs),
			.watermark	= ALLOC_NORMAL,
			.stream		= STREAM_HEAL,
		},
	};
	int ret;

	if (!f.m.drop_devs)
		return;
	ret = bce_data_look(w, find_bad, &f);
	if (!ret)
		ret = bce_data_move(w, &f.m);
	if (ret && ret != -ENOENT)
		bce_log_line(w->c.log, BCE_LOG_WARN,
			     "inode %llu sector %llu: a bad copy could not be rewritten: error %d",
			     h->inum, h->sector, ret);
	else if (!ret)
		bce_log_line(w->c.log, BCE_LOG_INFO, "inode %llu sector %llu: bad copy rewritten",
			     h->inum, h->sector);
}

void bce_data_pause(struct data_writer *w)
{
	spin_lock(&w->heal_lock);
	w->heal_paused = true;
	spin_unlock(&w->heal_lock);
	cancel_work_sync(&w->heal_work);
}

void bce_data_unpause(struct data_writer *w)
{
	spin_lock(&w->heal_lock);
	w->heal_paused = false;
	spin_unlock(&w->heal_lock);
	queue_work(w->more_wq, &w->heal_work);
}

static bool next_heal(struct data_writer *w, struct heal_request *out)
{
	bool found;

	spin_lock(&w->heal_lock);
	found = w->nr_heal && !w->heal_paused;
	if (found)
		*out = w->heal[--w->nr_heal];
	spin_unlock(&w->heal_lock);
	return found;
}

void bce_heal_work(struct work_struct *work)
{
	struct data_writer *w = container_of(work, struct data_writer, heal_work);
	unsigned int nofs = memalloc_nofs_save();
	struct heal_request h;

	while (next_heal(w, &h))
		heal(w, &h);
	memalloc_nofs_restore(nofs);
}
