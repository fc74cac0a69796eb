// SPDX-License-Identifier: GPL-2.0
/*
 * Starting a set for reading (docs/format/40-recovery.md, section 1, steps 3 to 11):
 *
 *   journal or clean section -> roots, overlay keys
 *   btrees over roots and overlay
 *   snapshot table, data reader
 *
 * Reading writes nothing: a dirty journal is laid over the btrees in memory
 * (docs/arch/engine.md). A part that cannot be read is reported and the rest
 * is served: only the snapshot table is needed to read anything at all.
 *
 * Start runs once. A failure is remembered and answered to everybody who
 * waits; the set then has to be opened again.
 */
#include "engine/set/set_internal.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <bcachefs/set.h>

#include "engine/btree/btrees.h"
#include "engine/data/read.h"
#include "engine/format/sb.h"
#include "engine/journal/overlay.h"
#include "engine/names/snapshot.h"
#include "engine/set/rw.h"

/* A set that was never started, and is only looked at, is shown as it would be after its start. */
static bool start_in_memory(const struct bce_set *set)
{
	return !set->info.initialized && !set->opts.initialise &&
		(set->opts.read_only || set->opts.nochanges);
}

static int start_first_keys(struct bce_set *set)
{
	static const struct btrees_write_config memory_only;
	int ret = bce_btrees_start_writing(set->btrees, &memory_only, 0);

	if (ret)
		return ret;
	bce_log_line(set->log, BCE_LOG_INFO,
		     "formatted but never initialised: shown as it would be after its first start, nothing of which is on the members");
	ret = bce_set_init_keys(set);
	bce_btrees_stop_writing(set->btrees);
	return ret;
}

/* what the superblock must promise before keys are read */
static int start_check_features(struct bce_set *set)
{
	u64 need = BIT_ULL(BCH_FEATURE_new_extent_overwrite);

	if (!set->info.initialized && !set->opts.initialise && !start_in_memory(set)) {
		bce_log_line(set->log, BCE_LOG_ERR,
			     "formatted but never initialised: there is nothing to read before its first read-write mount");
		return -ENODATA;
	}
	if (!set->info.clean && set->info.initialized)
		need |= BIT_ULL(BCH_FEATURE_extents_above_btree_updates);
	if (need & ~set->info.features) {
		bce_log_line(set->log, BCE_LOG_ERR,
			     "written by too old a version: superblock features 0x%llx lack 0x%llx",
			     set->info.features, need & ~set->info.features);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int start_journal(struct bce_set *set)
{
	const struct bch_sb *dev_sb[BCE_SET_MEMBERS_MAX];
	struct journal_read_context ctx = {
		.sb = set->best.sb,
		.dev_sb = dev_sb,
		.members = set->members,
		.cipher = set->cipher,
		.rules = &set->rules,
		.log = set->log,
		.read_all = set->opts.read_all_journal,
	};
	unsigned int i;
	int ret;

	if (!set->info.initialized) {
		/* nothing on the members counts */
		set->replay.clean = true;
		set->replay.next_seq = 1;
		return 0;
	}
	for (i = 0; i < BCE_SET_MEMBERS_MAX; i++)
		dev_sb[i] = set->dev_sb[i].sb;
	ret = bce_journal_read(&set->replay, &ctx);
	if (ret || set->replay.clean || set->opts.norecovery)
		return ret;

	ret = bce_overlay_build(&set->overlay, &set->replay);
	if (!ret)
		bce_log_line(set->log, BCE_LOG_INFO,
			     "not shut down cleanly: journal %llu to %llu laid over the btrees, %zu keys",
			     set->replay.last_seq, set->replay.flush_seq,
			     bce_overlay_nr_keys(set->overlay));
	return ret;
}

static int start_btrees(struct bce_set *set)
{
	struct btrees_config config = {
		.uuid_word = set->info.uuid_word,
		.version = set->info.version,
		.version_min = set->info.version_min,
		.node_sectors = set->info.btree_node_sectors,
		.block_sectors = set->info.block_sectors,
		.cache_bytes = set->opts.cache_bytes,
		.members = set->members,
		.cipher = set->cipher,
		.rules = &set->rules,
		.replay = &set->replay,
		.overlay = set->overlay,
		.log = set->log,
	};
	int ret = bce_btrees_open(&set->btrees, &config);

	if (ret)
		return ret;
	if (bce_btrees_read_roots(set->btrees))
		bce_log_line(set->log, BCE_LOG_WARN,
			     "not every btree root is readable: going on with the rest");
	return 0;
}

static int start_reader(struct bce_set *set)
{
	struct data_reader_config config = {
		.btrees = set->btrees,
		.members = set->members,
		.cipher = set->cipher,
		.rules = &set->rules,
		.log = set->log,
		.block_sectors = set->info.block_sectors,
		.encoded_extent_max_sectors = set->info.encoded_extent_max_sectors,
	};

	return bce_data_reader_alloc(&set->reader, &config);
}

static int start_locked(struct bce_set *set)
{
	int ret;

	ret = start_check_features(set);
	if (!ret)
		ret = start_journal(set);
	if (!ret)
		ret = start_btrees(set);
	if (!ret)
		ret = bce_snapshot_table_read(&set->snapshots, set->btrees, set->log);
	if (!ret && start_in_memory(set))
		ret = start_first_keys(set);
	if (!ret)
		ret = start_reader(set);
	return ret;
}

static int start_run(struct bce_set *set)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret = start_locked(set);

	memalloc_nofs_restore(nofs);
	set->start_error = ret;
	/* publishes everything start made; pairs with bce_set_readable() */
	smp_store_release(&set->state, ret ? SET_START_FAILED : SET_STARTED);
	if (ret)
		bce_log_line(set->log, BCE_LOG_ERR, "start failed: error %d", ret);
	wake_up_all(&set->start_wait);
	bce_set_tell_changed(set);
	return ret;
}

/* only one start ever: 0 for whoever may do it */
static int start_begin(struct bce_set *set)
{
	int ret = -EALREADY;

	mutex_lock(&set->lock);
	if (set->state == SET_OPENED) {
		WRITE_ONCE(set->state, SET_STARTING);
		ret = 0;
	}
	mutex_unlock(&set->lock);
	return ret;
}

int bce_set_start(struct bce_set *set)
{
	int ret = start_begin(set);

	return ret ?: start_run(set);
}
EXPORT_SYMBOL_GPL(bce_set_start);

static void start_work_fn(struct work_struct *work)
{
	struct bce_set *set = container_of(work, struct bce_set, start_work);

	start_run(set);
	bce_set_put(set);
}

int bce_set_start_async(struct bce_set *set)
{
	int ret = start_begin(set);

	if (ret)
		return ret;
	bce_set_get(set);
	INIT_WORK(&set->start_work, start_work_fn);
	queue_work(bce_set_start_wq, &set->start_work);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_set_start_async);

static bool start_is_over(struct bce_set *set)
{
	return smp_load_acquire(&set->state) >= SET_STARTED;
}

int bce_set_wait_started(struct bce_set *set)
{
	if (READ_ONCE(set->state) == SET_OPENED)
		return -ESHUTDOWN;
	if (wait_event_killable(set->start_wait, start_is_over(set)))
		return -EINTR;
	return set->start_error;
}
EXPORT_SYMBOL_GPL(bce_set_wait_started);

int bce_set_readable(struct bce_set *set)
{
	switch (smp_load_acquire(&set->state)) {
	case SET_STARTED:
		return 0;
	case SET_START_FAILED:
		return set->start_error;
	default:
		return -ESHUTDOWN;
	}
}
