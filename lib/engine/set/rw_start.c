// SPDX-License-Identifier: GPL-2.0
/*
 * A set that is being read becomes one that can be changed.
 *
 *   may it be?            opened so, all that must be there is there, our version, nothing to repair
 *   superblocks           not clean; numbers of lost journal entries blacklisted; or, for a set that
 *                         was never started, what its first start needs (init.c)
 *   journal               goes on behind the last entry of each ring
 *   allocator             generations, counters
 *   btrees                the overlay's keys become unwritten keys of the nodes, which pin the old
 *                         entries until they are written
 *   what was interrupted  is finished; superblock and journal buckets are as they should be
 *   background work
 *
 * From the first superblock on the set counts as not shut down cleanly. A crash at any point before
 * the first flushed journal entry leaves the old entries as they were: the start is then repeated,
 * with more numbers blacklisted. A start that fails half-way leaves the set readable and is taken
 * back by bce_set_go_ro().
 *
 * What belongs to writing (struct set_rw) is made at the first call and kept with the set, so calls
 * that lose a race against the end of writing find it there and are refused.
 *
 * Source: docs/format/40-recovery.md, section 1; 30-journal.md, section 8.
 */
#include "engine/set/rw.h"

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"

#define KEY_VERSION_SKIP	65536	/* versions a lost journal may have used: 40-recovery, 1.10 */

/* ---- may it be? ---- */

static int check_opened_for_writing(const struct bce_set *set, struct text_buf *why)
{
	if (!set->opts.read_only && !set->opts.nochanges && !set->opts.norecovery)
		return 0;
	bce_text_printf(why, "the set was assembled with %s: it can only be read",
			set->opts.read_only ? "read_only" :
			set->opts.nochanges ? "nochanges" : "norecovery");
	return -EROFS;
}

static int check_version(const struct bce_set *set, struct text_buf *why)
{
	struct text_buf version = TEXT_BUF_INIT;

	if (set->info.version == BCH_VERSION_CURRENT)
		return 0;
	bce_version_text(&version, set->info.version);
	bce_text_printf(why, "the set has version %s; only sets of version 1.13 are written, and no version is raised unasked: mount it once with Linux 6.12 to upgrade it",
			bce_text_str(&version));
	bce_text_exit(&version);
	return -EROFS;
}

static int check_passes(const struct bce_set *set, struct text_buf *why)
{
	u64 passes = bce_sb_passes_required(set->best.sb);

	if (!set->info.initialized)
		return 0;
	if (set->repair == REPAIR_DONE || set->repair == REPAIR_WRITTEN)
		return 0;
	if (set->repair == REPAIR_FAILED) {
		bce_text_printf(why, "a repair did not come to its end, and is only in memory: open the set anew");
		return -EROFS;
	}
	if (passes) {
		bce_text_printf(why, "the superblock asks for recovery passes 0x%llx first: repair the set (bcachectl fsck)",
				passes);
		return -EROFS;
	}
	if (!(set->info.compat >> BCH_COMPAT_alloc_info & 1)) {
		bce_text_printf(why, "the superblock says that allocation information is not complete: repair the set (bcachectl fsck)");
		return -EROFS;
	}
	return 0;
}

static int check_roots(struct bce_set *set, struct text_buf *why)
{
	int ret = bce_btrees_read_roots(set->btrees);

	if (ret)
		bce_text_printf(why, "not every btree root is readable");
	return ret;
}

static int check_members(struct bce_set *set, struct text_buf *why)
{
	unsigned int i, writable = 0;

	for (i = 0; i < set->info.nr_devices; i++) {
		struct member_dev *m = bce_member_get_io(set->members, i);
		bool read_only, rw;

		if (!m)
			continue;
		read_only = bdev_read_only(m->bdev);
		rw = m->info.state == MEMBER_RW;
		if (read_only && rw)
			bce_text_printf(why, "device %s is read-only", m->name);
		bce_member_put_io(m);
		if (read_only && rw)
			return -EROFS;
		writable += rw;
	}
	if (!writable)
		bce_text_printf(why, "no member is read-write");
	return writable ? 0 : -EROFS;
}

int bce_set_rw_possible(struct bce_set *set, struct text_buf *why)
{
	return check_opened_for_writing(set, why) ?: check_version(set, why) ?: check_members(set, why);
}

static int rw_check(struct bce_set *set, struct text_buf *why)
{
	int ret = bce_set_readable(set);

	if (ret) {
		bce_text_printf(why, "the set cannot be read");
		return ret;
	}
	return check_opened_for_writing(set, why) ?: check_version(set, why) ?:
		check_passes(set, why) ?: check_roots(set, why) ?: check_members(set, why);
}

/* ---- superblocks ---- */

int bce_set_sb_open(struct bce_set *set)
{
	const struct bch_sb *dev_sb[BCE_SET_MEMBERS_MAX];
	unsigned int i;

	if (set->rw->sb)
		return 0;
	for (i = 0; i < BCE_SET_MEMBERS_MAX; i++)
		dev_sb[i] = set->dev_sb[i].sb;
	return bce_sb_writer_open(&set->rw->sb, set->best.sb, dev_sb, set->members, set->log);
}

static int sb_note_mount_times(struct bce_set *set)
{
	u64 present = bce_members_present(set->members);
	struct bch_sb *sb = bce_sb_image(set->rw->sb);
	struct member_info m;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < set->info.nr_devices; i++) {
		if (!(present >> i & 1))
			continue;
		bce_sb_member(sb, i, &m);
		m.last_mount = ktime_get_real_seconds();
		ret = bce_sb_member_set(set->rw->sb, i, &m);
	}
	return ret;
}

/*
 * Not all copies of the newest entry need have been made, and others may lie on members that are
 * missing. Those that are there stay in the rings for a while, so the table has to list them.
 */
static int sb_note_journal_members(struct bce_set *set)
{
	const struct journal_replay *r = &set->replay;
	int ret = 0;
	size_t i;

	for (i = 0; i < r->nr_entries && ret >= 0; i++)
		if (!r->entry[i]->ignore)
			ret = bce_sb_replicas_add(set->rw->sb, BCH_DATA_journal, 1,
						  bce_journal_entry_members(r->entry[i]));
	return min(ret, 0);
}

/* from here on the set is in use */
static int sb_mark_in_use(struct bce_set *set)
{
	const struct journal_replay *r = &set->replay;
	struct bch_sb *sb;
	int ret = 0;

	bce_sb_edit_begin(set->rw->sb);
	if (!set->rw->was_clean) {
		ret = bce_sb_blacklist_add(set->rw->sb, r->flush_seq + 1, r->next_seq);
		sb = bce_sb_image(set->rw->sb);
		sb->features[0] |= cpu_to_le64(BIT_ULL(BCH_FEATURE_journal_seq_blacklist_v3));
	}
	if (!ret)
		ret = sb_note_journal_members(set);
	if (!ret)
		ret = sb_note_mount_times(set);
	if (!ret && set->repair == REPAIR_DONE)
		ret = bce_set_repair_note(set);
	sb = bce_sb_image(set->rw->sb);
	sb->features[0] |= cpu_to_le64(BCH_FEATURES_ALWAYS) | set->in_effect->features[0];
	BCH_SB_FLAG_SET(sb, CLEAN, 0);
	if (!ret)
		ret = bce_sb_write(set->rw->sb);
	bce_sb_edit_end(set->rw->sb);
	return ret;
}

/* ---- what the journal asks ---- */

static unsigned int journal_roots(void *ctx, void *out, unsigned int room_u64s)
{
	struct bce_set *set = ctx;

	return bce_btrees_root_entries(set->btrees, out, room_u64s);
}

static u64 journal_key_version(void *ctx)
{
	struct bce_set *set = ctx;

	return atomic64_read(&set->rw->key_version);
}

static u64 journal_io_clock(void *ctx, unsigned int rw)
{
	struct bce_set *set = ctx;

	return atomic64_read(&set->rw->io_clock[rw]);
}

static int journal_mark_replicas(void *ctx, u64 devs)
{
	struct bce_set *set = ctx;

	return bce_sb_mark_replicas(set->rw->sb, BCH_DATA_journal, 1, devs);
}

static void journal_flushed(void *ctx, u64 seq)
{
	struct bce_set *set = ctx;

	bce_allocator_flushed(set->rw->alloc, seq);
}

static void journal_failed(void *ctx, int error)
{
	struct bce_set *set = ctx;

	bce_set_fail(set, "journal or btrees cannot be written: error %d", error);
}

static int journal_flush_failed(void *ctx, u64 devs)
{
	return bce_set_members_failed(ctx, devs, "flushing its cache");
}

static const struct journal_ops journal_ops = {
	.roots		= journal_roots,
	.key_version	= journal_key_version,
	.io_clock	= journal_io_clock,
	.mark_replicas	= journal_mark_replicas,
	.flush_failed	= journal_flush_failed,
	.flushed	= journal_flushed,
	.failed		= journal_failed,
};

/* ---- the rooms, one after the other ---- */

/*
 * The entry that keys not yet in nodes pin: the oldest one of those replayed. After a clean shutdown
 * there are such keys only if a repair has made them; they hold on to the last entry, which is empty.
 */
static u64 replay_seq(const struct bce_set *set)
{
	if (!set->rw->was_clean)
		return set->replay.last_seq;
	return set->repair == REPAIR_DONE ? max_t(u64, set->rw->next_seq - 1, 1) : set->rw->next_seq;
}

static int journal_start(struct bce_set *set)
{
	struct metadata_options m = bce_set_metadata_options(set);
	struct journal_config config = {
		.uuid_word = set->info.uuid_word,
		.version = set->info.version,
		.block_sectors = set->info.block_sectors,
		.csum_type = m.csum_type,
		.replicas = m.replicas,
		.replicas_required = bce_sb_option_named(set->in_effect, "metadata_replicas_required"),
		.flush_delay_ms = m.flush_delay_ms,
		.cipher = set->cipher,
		.rules = &set->rules,
		.members = set->members,
		.log = set->log,
		.ring = set->rw->ring,
		.prefer_devs = m.target_devs,
		.next_seq = set->rw->next_seq,
		.replay_seq = replay_seq(set),
		.ops = &journal_ops,
		.ctx = set,
	};

	return bce_journal_open(&set->rw->journal, &config);
}

static u64 io_clock(void *ctx, unsigned int rw)
{
	return max_t(u64, journal_io_clock(ctx, rw), 1);
}

static int allocator_start(struct bce_set *set)
{
	struct metadata_options m = bce_set_metadata_options(set);
	struct allocator_config config = {
		.btrees = set->btrees,
		.journal = set->rw->journal,
		.members = set->members,
		.sb = set->rw->sb,
		.log = set->log,
		.node_sectors = set->info.btree_node_sectors,
		.block_sectors = set->info.block_sectors,
		.metadata_replicas = m.replicas,
		.metadata_replicas_required = bce_sb_option_named(set->in_effect, "metadata_replicas_required"),
		.metadata_target = m.target,
		.gc_reserve_sectors = bce_sb_option_named(set->in_effect, "gc_reserve_bytes") / SECTOR_BYTES,
		.gc_reserve_percent = bce_sb_option_named(set->in_effect, "gc_reserve_percent"),
		.io_clock = io_clock,
		.clock_ctx = set,
	};

	return bce_allocator_open(&set->rw->alloc, &config);
}

static int btrees_start(struct bce_set *set)
{
	struct btrees_write_config config = {
		.journal = set->rw->journal,
		.csum_type = bce_set_metadata_options(set).csum_type,
		.space = &bce_alloc_btree_space_ops,
		.space_ctx = set->rw->alloc,
		.triggers = &bce_set_trigger_ops,
		.trigger_ctx = set,
	};
	int ret = bce_btrees_start_writing(set->btrees, &config, replay_seq(set));

	if (!ret)
		bce_journal_replay_done(set->rw->journal);
	return ret;
}

static int rw_rooms(struct bce_set *set)
{
	int ret = journal_start(set);

	if (!ret)
		ret = allocator_start(set);
	if (!ret)
		ret = btrees_start(set);
	if (!ret)
		ret = bce_allocator_read(set->rw->alloc);
	if (!ret)
		ret = bce_set_rooms_open(set);
	return ret;
}

static int rw_recover(struct bce_set *set)
{
	int ret = bce_allocator_init_members(set->rw->alloc);

	if (!ret)
		ret = bce_allocator_start(set->rw->alloc);
	if (!ret && !set->rw->initialized)
		ret = bce_set_init_keys(set) ?: bce_set_init_finish(set);
	return ret ?: bce_set_rooms_resume(set);
}

static int rw_run(struct bce_set *set, struct text_buf *why)
{
	int ret = bce_set_sb_open(set);

	if (!ret && !set->rw->initialized)
		ret = bce_set_init_sb(set, why);
	else if (!ret)
		ret = sb_mark_in_use(set);
	if (ret) {
		bce_text_printf(why, "%ssuperblocks cannot be written", why->len ? "; " : "");
		return ret;
	}
	bce_set_findings_begin(set);
	ret = rw_rooms(set);
	if (!ret)
		/* recovery itself changes keys; pairs with bce_set_write_get() */
		smp_store_release(&set->rw->state, RW_ON);
	if (!ret)
		ret = rw_recover(set);
	if (ret)
		bce_text_printf(why, "recovery failed: error %d", ret);
	return ret;
}

/* ---- the whole ---- */

int bce_set_rw_make(struct bce_set *set)
{
	struct set_rw *rw = kzalloc(sizeof(*rw), GFP_KERNEL);
	int ret;

	if (!rw)
		return -ENOMEM;
	init_waitqueue_head(&rw->idle);
	seqlock_init(&rw->data_options_lock);
	rw->set = set;
	bce_set_findings_init(set, rw);
	rw->was_clean = set->replay.clean;
	rw->initialized = set->info.initialized;
	rw->next_seq = max_t(u64, set->replay.next_seq, 1);
	atomic64_set(&rw->key_version, set->replay.key_version +
		     (set->info.encrypted && !rw->was_clean ? KEY_VERSION_SKIP : 0));
	atomic64_set(&rw->io_clock[0], set->replay.io_clock[0]);
	atomic64_set(&rw->io_clock[1], set->replay.io_clock[1]);
	ret = bce_set_rings_make(set, rw->ring);
	if (ret) {
		kfree(rw);
		return ret;
	}
	/* published with everything in it; pairs with bce_set_write_get() */
	smp_store_release(&set->rw, rw);
	return 0;
}

static int go_rw(struct bce_set *set, struct text_buf *why)
{
	int ret = rw_check(set, why);

	if (!ret && !set->rw)
		ret = bce_set_rw_make(set);
	if (ret)
		return ret;
	if (set->rw->state == RW_ON)
		return 0;
	if (set->rw->state != RW_OFF) {
		bce_text_printf(why, "writing was stopped by an error");
		return -EROFS;
	}
	WRITE_ONCE(set->rw->state, RW_STARTING);
	return rw_run(set, why);
}

int bce_set_go_rw(struct bce_set *set, char why[512])
{
	struct text_buf text = TEXT_BUF_INIT;
	unsigned int nofs = memalloc_nofs_save();
	int ret;

	bce_set_lock_running(set);
	ret = go_rw(set, &text);
	mutex_unlock(&set->rw_lock);
	if (ret && set->rw && READ_ONCE(set->rw->state) != RW_OFF) {
		bce_set_fail(set, "%s", bce_text_str(&text));
		bce_set_go_ro(set);
	}
	memalloc_nofs_restore(nofs);
	if (why)
		scnprintf(why, 512, "%s", text.len || !ret ? bce_text_str(&text) : "no memory");
	bce_text_exit(&text);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_go_rw);

bool bce_set_is_rw(struct bce_set *set)
{
	const struct set_rw *rw = smp_load_acquire(&set->rw);
	enum rw_state state = rw ? smp_load_acquire(&rw->state) : RW_OFF;

	return state == RW_ON || state == RW_SUSPENDED;
}
EXPORT_SYMBOL_GPL(bce_set_is_rw);
