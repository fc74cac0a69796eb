// SPDX-License-Identifier: GPL-2.0
/*
 * What the data room and the names room ask of the set while it is written: snapshots, space,
 * options, time, key versions, superblock features, and each other. Here the knots are tied; the
 * rooms know only the operations they are given.
 */
#include "engine/set/rw.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/alloc/alloc.h"
#include "engine/data/move.h"
#include "engine/data/read.h"
#include "engine/data/write.h"
#include "engine/format/ids.h"
#include "engine/names/snapshot.h"
#include "engine/set/set_internal.h"

/* ---- snapshots, for the data room ---- */

static struct snapshot_view snapshot_view(void *ctx, u32 id)
{
	struct bce_set *set = ctx;

	return bce_snapshot_view(set->snapshots, id);
}

static u32 snapshot_parent(void *ctx, u32 id)
{
	struct bce_set *set = ctx;

	return bce_snapshot_parent(set->snapshots, id);
}

static bool snapshot_has_children(void *ctx, u32 id)
{
	struct bce_set *set = ctx;

	return bce_snapshot_has_children(set->snapshots, id);
}

static int snapshot_of_subvol(void *ctx, struct bce_trans *t, u32 subvol, bool write, u32 *snapshot)
{
	struct subvolume_info info;
	struct snapshot_view view;
	struct bce_set *set = ctx;
	int ret;

	ret = write ? bce_subvolume_trans_write_view(t, set->snapshots, subvol, &info, &view) :
		bce_subvolume_trans_read(t, set->snapshots, subvol, &info);
	if (!ret)
		*snapshot = info.snapshot;
	return ret;
}

/* ---- what the data room asks ---- */

static int data_space_get(void *ctx, const struct alloc_request *req, u32 want_sectors,
			  struct alloc_space *out)
{
	struct bce_set *set = ctx;
	int ret = bce_alloc_space_get(set->rw->alloc, req, want_sectors, out);

	/* the clock runs by what is about to be written */
	if (!ret)
		atomic64_add(out->sectors, &set->rw->io_clock[1]);
	return ret;
}

static void data_space_put(void *ctx, struct alloc_space *space)
{
	struct bce_set *set = ctx;

	bce_alloc_space_put(set->rw->alloc, space);
}

static int data_reserve(void *ctx, struct space_reservation *res, u64 sectors,
			unsigned int replicas)
{
	struct bce_set *set = ctx;

	return bce_space_reserve(set->rw->alloc, res, sectors, replicas);
}

static void data_unreserve(void *ctx, struct space_reservation *res)
{
	struct bce_set *set = ctx;

	bce_space_unreserve(set->rw->alloc, res);
}

static void data_reserve_more(void *ctx, struct space_reservation *res, u64 sectors)
{
	struct bce_set *set = ctx;

	bce_space_reserve_more(set->rw->alloc, res, sectors);
}

static void data_options(void *ctx, struct data_options *out)
{
	struct bce_set *set = ctx;
	struct set_rw *rw = set->rw;
	unsigned int seq;

	do {
		seq = read_seqbegin(&rw->data_options_lock);
		*out = rw->data_options;
	} while (read_seqretry(&rw->data_options_lock, seq));
}

static u64 data_target_devs(void *ctx, u16 target)
{
	struct bce_set *set = ctx;

	return bce_alloc_target_devs(set->rw->alloc, target, BCH_DATA_user);
}

static s64 data_now(void *ctx)
{
	const struct bce_set *set = ctx;

	return names_time_now(&set->info);
}

static u64 data_key_version(void *ctx)
{
	struct bce_set *set = ctx;

	return atomic64_inc_return(&set->rw->key_version);
}

static int need_features(void *ctx, u64 features)
{
	struct bce_set *set = ctx;

	return bce_sb_set_features(set->rw->sb, features);
}

static int data_flush(void *ctx, u64 seq)
{
	struct bce_set *set = ctx;

	return bce_journal_flush_seq(set->rw->journal, seq);
}

static void data_write_failed(void *ctx, unsigned int dev, int error)
{
	struct bce_set *set = ctx;

	bce_log_line(set->log, BCE_LOG_WARN, "member %u: a write failed with error %d", dev, error);
}

static void data_count_write(void *ctx, u32 sectors)
{
	struct bce_set *set = ctx;

	atomic64_add(sectors, &set->rw->io_clock[1]);
}

static int data_charge(void *ctx, u32 subvol, const struct inode_fields *inode, s64 sectors,
		       bool enforce)
{
	struct quota_owner owner = bce_quota_owner(inode);

	return bce_set_quota_charge(ctx, subvol, &owner, sectors, enforce ? 0 : QUOTA_NO_LIMIT);
}

static const struct data_writer_ops data_ops = {
	.space_get	= data_space_get,
	.space_put	= data_space_put,
	.reserve	= data_reserve,
	.unreserve	= data_unreserve,
	.reserve_more	= data_reserve_more,
	.options	= data_options,
	.target_devs	= data_target_devs,
	.now		= data_now,
	.key_version	= data_key_version,
	.need_features	= need_features,
	.flush		= data_flush,
	.charge		= data_charge,
	.count_write	= data_count_write,
	.write_failed	= data_write_failed,
};

/* ---- what the reader asks while the set is written ---- */

static int live_bucket_gen(void *ctx, unsigned int dev, u64 sector)
{
	struct bce_set *set = ctx;
	u64 bucket;
	u32 offset;

	if (!bce_bucket_of(set->rw->alloc, dev, sector, &bucket, &offset))
		return -1;
	return bce_bucket_gen(set->rw->alloc, dev, bucket);
}

static void live_bad_copy(void *ctx, u64 inum, u32 snapshot, u64 sector, u64 devs)
{
	struct bce_set *set = ctx;

	bce_data_heal(set->rw->data, inum, snapshot, sector, devs);
}

static void live_cached_read(void *ctx, unsigned int dev, u64 sector)
{
	struct bce_set *set = ctx;
	u64 bucket;
	u32 offset;

	if (bce_bucket_of(set->rw->alloc, dev, sector, &bucket, &offset))
		bce_bucket_read(set->rw->alloc, dev, bucket);
}

/* ---- what the names room asks ---- */

static int names_data_remove(void *ctx, u64 inum, u32 snapshot)
{
	struct bce_set *set = ctx;

	return bce_data_remove_all(set->rw->data, inum, snapshot);
}

static int names_data_remove_in(void *ctx, struct bce_trans *t, u64 inum, u32 snapshot)
{
	struct bce_set *set = ctx;

	return bce_data_remove_in(set->rw->data, t, inum, snapshot);
}

static int names_member_by_name(void *ctx, const char *text)
{
	const char *name = strrchr(text, '/');
	struct bce_set *set = ctx;
	unsigned int i;

	name = name ? name + 1 : text;
	for (i = 0; i < set->info.nr_devices; i++) {
		struct member_dev *m = bce_member_get_io(set->members, i);
		bool found = m && !strcmp(kbasename(m->name), name);

		if (m)
			bce_member_put_io(m);
		if (found)
			return i;
	}
	return -ENODEV;
}

static int names_flush(void *ctx)
{
	struct bce_set *set = ctx;

	return bce_journal_flush(set->rw->journal);
}

static const struct names_write_ops names_ops = {
	.flush		= names_flush,
	.data_remove	= names_data_remove,
	.data_remove_in	= names_data_remove_in,
	.data_write	= bce_set_write_contents,
	.set_features	= need_features,
	.member_by_name	= names_member_by_name,
};

/* ---- making them ---- */

static int data_open(struct bce_set *set)
{
	struct set_rw *rw = set->rw;
	struct data_writer_config config = {
		.btrees = set->btrees,
		.members = set->members,
		.cipher = set->cipher,
		.rules = &set->rules,
		.log = set->log,
		.reader = set->reader,
		.block_sectors = set->info.block_sectors,
		.encoded_extent_max_sectors = set->info.encoded_extent_max_sectors,
		.snapshots = &rw->data_snapshots,
		.ops = &data_ops,
		.ctx = set,
	};

	rw->data_snapshots = (struct data_snapshots) {
		.view = snapshot_view,
		.parent = snapshot_parent,
		.has_children = snapshot_has_children,
		.subvol = snapshot_of_subvol,
		.ctx = set,
	};
	rw->live = (struct data_read_live) {
		.bucket_gen = live_bucket_gen,
		.bad_copy = live_bad_copy,
		.cached_read = live_cached_read,
		.ctx = set,
	};
	bce_set_data_options_read(set);
	return bce_data_writer_alloc(&rw->data, &config);
}

static int names_open(struct bce_set *set)
{
	struct names_writer *w = &set->rw->names;
	int ret;

	*w = (struct names_writer) {
		.src = bce_set_names_source(set),
		.snapshots = set->snapshots,
		.ops = &names_ops,
		.ctx = set,
		.quota_types = set->quota_types,
	};
	ret = bce_names_writer_init(w);
	set->rw->names_ready = !ret;
	if (!ret && w->quota) {
		/* they may have been changed since the set was opened */
		bce_quota_grace_read(w->quota, bce_sb_edit_begin(set->rw->sb));
		bce_sb_edit_end(set->rw->sb);
	}
	return ret;
}

int bce_set_rooms_open(struct bce_set *set)
{
	int ret = data_open(set);

	if (!ret)
		ret = names_open(set);
	if (ret)
		return ret;
	bce_allocator_set_mover(set->rw->alloc, &bce_data_mover_ops, set->rw->data);
	bce_data_reader_set_live(set->reader, &set->rw->live);
	return 0;
}

int bce_set_rooms_resume(struct bce_set *set)
{
	int ret = bce_data_resume_logged_ops(set->rw->data);

	return ret ?: bce_names_writer_start(&set->rw->names);
}

void bce_set_rooms_pause(struct bce_set *set)
{
	bce_names_writer_pause(&set->rw->names);
	bce_data_pause(set->rw->data);
}

void bce_set_rooms_unpause(struct bce_set *set)
{
	bce_data_unpause(set->rw->data);
	bce_names_writer_unpause(&set->rw->names);
}

void bce_set_rooms_stop(struct bce_set *set)
{
	if (set->rw->names_ready)
		bce_names_writer_exit(&set->rw->names);
	set->rw->names_ready = false;
}

void bce_set_rooms_close(struct bce_set *set)
{
	bce_data_reader_set_live(set->reader, NULL);
	if (set->rw->alloc)
		bce_allocator_set_mover(set->rw->alloc, NULL, NULL);
	bce_data_writer_free(set->rw->data);
	set->rw->data = NULL;
}
