// SPDX-License-Identifier: GPL-2.0
/*
 * Repair: of a set that can be read and is not trusted, one that can be written.
 *
 *   btrees that follow from others and cannot be read   begin anew, empty
 *   keys of the journal                                 into the nodes, as before writing
 *   repair                                              transactions that stay in memory
 *   check                                               of the result, as it will be written
 *     ------------------------------------------------- until here the members are as they were
 *   bce_set_go_rw()     superblock: in use, passes required; nodes with changes pin the journal
 *   bce_set_go_ro()     all of it is on the members, and no journal entry that tells of the damage is replayed
 *   superblock          nothing is required any more
 *
 * The order is the point: nothing is allocated and no bucket is discarded before it is known which ones
 * are in use; and nothing is written that the checker has not seen. Between "in use" and the last
 * step a crash leaves some nodes old and others new. All of what was repaired follows from keys that
 * are not touched by that, so the passes that the superblock then asks for do it again.
 *
 * Source: docs/format/40-recovery.md, sections 1, 2.
 */
#include <bcachefs/check.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <bcachefs/set.h>

#include "engine/btree/btrees.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/passes.h"
#include "engine/journal/overlay.h"
#include "engine/key/text.h"
#include "engine/sb/write.h"
#include "engine/set/check_room.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"

#define DERIVED_BTREES	(BIT_ULL(BTREE_ID_alloc) | BIT_ULL(BTREE_ID_freespace) | BIT_ULL(BTREE_ID_need_discard) | \
			 BIT_ULL(BTREE_ID_lru) | BIT_ULL(BTREE_ID_bucket_gens) | \
			 BIT_ULL(BTREE_ID_backpointers) | BIT_ULL(BTREE_ID_accounting))

#define PASS(name)	BIT_ULL(BCH_PASS_STABLE_##name)

/* those that derive what was repaired here; the order of running them is theirs */
#define ALLOCATION_PASSES \
	(PASS(check_allocations) | PASS(check_alloc_info) | PASS(check_lrus) | \
	 PASS(check_btree_backpointers) | PASS(check_backpointers_to_extents) | \
	 PASS(check_extents_to_backpointers) | PASS(check_alloc_to_lru_refs))

#define NAME_PASSES \
	(PASS(check_snapshot_trees) | PASS(check_snapshots) | PASS(check_subvols) | PASS(check_subvol_children) | \
	 PASS(check_subvolume_structure) | PASS(check_inodes) | PASS(check_extents) | PASS(check_dirents) | PASS(check_xattrs) | \
	 PASS(check_unreachable_inodes) | PASS(check_directory_structure) | PASS(check_nlinks))

/* ---- what cannot be read ---- */

struct unreadable {
	unsigned int	nodes;
	int		error;
};

static int count_unreadable(void *ctx, const struct btree_node_view *v)
{
	struct unreadable *u = ctx;

	if (v->error == -ENOMEM)
		u->error = -ENOMEM;
	u->nodes += !!v->error;
	return u->error;
}

static int begin_anew(struct bce_set *set, unsigned int id, const struct bce_repair_opts *opts)
{
	char line[80];

	if (set->overlay)
		bce_overlay_drop(set->overlay, id);
	bce_btree_forget(set->btrees, id);
	scnprintf(line, sizeof(line), "btree %s: cannot be read, begins anew", bce_btree_name(id));
	if (opts->said)
		opts->said(opts->said_ctx, line);
	return 0;
}

/* @begun: out, btrees that began anew */
static int settle_unreadable(struct bce_set *set, const struct bce_repair_opts *opts, u64 *begun,
			     struct text_buf *why)
{
	int ret = 0;

	for (unsigned int id = 0; !ret && id < BTREE_ID_NR; id++) {
		struct unreadable u = { };

		bce_btree_for_each_node(set->btrees, id, count_unreadable, &u);
		if (u.error || !u.nodes) {
			ret = u.error;
		} else if (DERIVED_BTREES >> id & 1) {
			*begun |= BIT_ULL(id);
		} else {
			bce_text_printf(why, "btree %s has nodes that cannot be read, and does not follow from others",
					bce_btree_name(id));
			ret = -EIO;
		}
	}
	/* all or none */
	for (unsigned int id = 0; !ret && id < BTREE_ID_NR; id++)
		if (*begun >> id & 1)
			ret = begin_anew(set, id, opts);
	return ret;
}

/* ---- what the superblock's image is told ---- */

static int note_replicas(void *ctx, unsigned int data_type, unsigned int required, u64 devs)
{
	struct bce_set *set = ctx;
	int ret;

	bce_sb_edit_begin(set->rw->sb);
	ret = bce_sb_replicas_add(set->rw->sb, data_type, required, devs);
	bce_sb_edit_end(set->rw->sb);
	return min(ret, 0);
}

static int note_bitmap(void *ctx, unsigned int dev, u64 sector, u32 sectors)
{
	struct bce_set *set = ctx;
	int ret;

	bce_sb_edit_begin(set->rw->sb);
	ret = bce_sb_btree_bitmap_mark(set->rw->sb, dev, sector, sectors);
	bce_sb_edit_end(set->rw->sb);
	return min(ret, 0);
}

static void note_key_version(void *ctx, u64 version)
{
	struct bce_set *set = ctx;

	set->replay.key_version = version;
	if ((u64)atomic64_read(&set->rw->key_version) < version)
		atomic64_set(&set->rw->key_version, version);
}

/* ---- the keys ---- */

static void describe(struct bce_set *set, struct check_room *room, const struct bce_repair_opts *opts,
		     struct check *c)
{
	*c = (struct check) {
		.btrees		= set->btrees,
		.snapshots	= set->snapshots,
		.log		= set->log,
		.member		= room->member,
		.sb		= room->sb,
		.dev_sb		= room->dev_sb,
		.replay		= &set->replay,
		.node_sectors	= set->info.btree_node_sectors,
		.block_sectors	= set->info.block_sectors,
		.progress	= opts->progress,
		.progress_ctx	= opts->progress_ctx,
	};
}

/* what the last writer's last entry was: keys repaired now count as its */
static u64 last_seq(const struct bce_set *set)
{
	return max_t(u64, set->replay.clean ? set->rw->next_seq - 1 : set->replay.flush_seq, 1);
}

struct said {
	const struct bce_repair_opts	*opts;
	struct bce_set			*set;
};

static void said(void *ctx, const char *line)
{
	const struct said *s = ctx;

	if (s->opts->said)
		s->opts->said(s->opts->said_ctx, line);
}

static int said_replicas(void *ctx, unsigned int data_type, unsigned int required, u64 devs)
{
	char line[100];

	scnprintf(line, sizeof(line), "superblock: replicas entry %s %u [members 0x%llx] added",
		  bce_data_type_name(data_type), required, devs);
	said(ctx, line);
	return note_replicas(((struct said *)ctx)->set, data_type, required, devs);
}

static int said_bitmap(void *ctx, unsigned int dev, u64 sector, u32 sectors)
{
	char line[100];

	scnprintf(line, sizeof(line), "superblock: member %u: btree node at sector %llu marked in the bitmap",
		  dev, sector);
	said(ctx, line);
	return note_bitmap(((struct said *)ctx)->set, dev, sector, sectors);
}

static void said_key_version(void *ctx, u64 version)
{
	char line[100];

	scnprintf(line, sizeof(line), "key version: is now %llu, the latest of any key", version);
	said(ctx, line);
	note_key_version(((struct said *)ctx)->set, version);
}

static int repair_keys(struct bce_set *set, struct check_room *room,
		       const struct bce_repair_opts *opts, u64 *changes)
{
	const struct btrees_write_config memory = { .held_seq = last_seq(set) };
	struct said s = { opts, set };
	struct check_repair r = {
		.said = said, .replicas = said_replicas, .bitmap = said_bitmap,
		.key_version = said_key_version, .ctx = &s, .careful = opts->careful,
		.snapshots = set->snapshots,
	};
	struct check c;
	int ret;

	ret = bce_btrees_start_writing(set->btrees, &memory, set->replay.last_seq);
	if (ret)
		return ret;
	describe(set, room, opts, &c);
	ret = bce_repair_names(&c, &r);
	/* that takes keys with pointers away, and counts nothing */
	if (!ret)
		ret = bce_repair_allocations(&c, &r);
	bce_btrees_stop_writing(set->btrees);
	*changes += r.changes;
	return ret;
}

/* ---- before the first write ---- */

static int check_keys(struct check *c, struct text_buf *why)
{
	u64 before = bce_log_errors_total(c->log);
	int ret = bce_check_allocations(c);

	if (ret)
		return ret;
	if (bce_log_errors_total(c->log) == before)
		return bce_check_names(c);
	bce_text_printf(why, "findings about allocations are left that follow from no other keys: nothing is written");
	return -EIO;
}

static int look_again(struct bce_set *set, const struct bce_repair_opts *opts,
		      struct bce_check_result *out, struct text_buf *why)
{
	struct check_room *room = kvzalloc(sizeof(*room), GFP_KERNEL);
	struct check c;
	int ret;

	if (!room)
		return -ENOMEM;
	/* the superblock as it is now */
	ret = bce_check_room_fill(set, room);
	if (!ret) {
		describe(set, room, opts, &c);
		bce_check_count(set, out, true);
		ret = check_keys(&c, why);
		bce_check_count(set, out, false);
	}
	bce_check_room_free(room);
	return ret;
}

static int repair(struct bce_set *set, const struct bce_repair_opts *opts, u64 *changes,
		  struct bce_check_result *out, struct text_buf *why)
{
	struct check_room *room = kvzalloc(sizeof(*room), GFP_KERNEL);
	u64 begun = 0;
	int ret;

	if (!room)
		return -ENOMEM;
	ret = bce_check_room_fill(set, room);
	if (!ret)
		ret = settle_unreadable(set, opts, &begun, why);
	*changes += hweight64(begun);
	if (!ret) {
		set->repair = REPAIR_FAILED;
		ret = repair_keys(set, room, opts, changes);
	}
	bce_check_room_free(room);
	if (!ret)
		ret = look_again(set, opts, out, why);
	if (ret)
		return ret;
	set->repair = REPAIR_DONE;
	set->repair_whole = !out->findings;
	return 0;
}

static int may_repair(struct bce_set *set, struct text_buf *why)
{
	int ret = bce_set_readable(set);

	if (ret)
		bce_text_printf(why, "the set cannot be read");
	else if (set->rw && set->rw->state != RW_OFF)
		ret = -EBUSY;
	else if (set->repair != REPAIR_NONE || !set->info.initialized)
		ret = -EINVAL;
	return ret ?: bce_set_rw_possible(set, why);
}

long bce_set_repair(struct bce_set *set, const struct bce_repair_opts *opts,
		    struct bce_check_result *out, char why[512])
{
	struct text_buf text = TEXT_BUF_INIT;
	unsigned int nofs = memalloc_nofs_save();
	u64 changes = 0;
	int ret;

	*out = (struct bce_check_result) { };
	bce_set_lock_running(set);
	ret = may_repair(set, &text);
	if (!ret && !set->rw)
		ret = bce_set_rw_make(set);
	if (!ret)
		ret = bce_set_sb_open(set);
	mutex_unlock(&set->rw_lock);
	if (!ret)
		ret = repair(set, opts, &changes, out, &text);
	memalloc_nofs_restore(nofs);
	scnprintf(why, 512, "%s", text.len || !ret ? bce_text_str(&text) :
		  ret == -EBUSY ? "the set is being written" :
		  ret == -EINVAL ? "it was repaired already, or never started" :
		  ret == -ENOMEM ? "no memory" : "keys could not be changed");
	bce_text_exit(&text);
	return ret ?: (long)min_t(u64, changes, LONG_MAX);
}
EXPORT_SYMBOL_GPL(bce_set_repair);

/* ---- writing it ---- */

int bce_set_repair_note(struct bce_set *set)
{
	struct bch_sb_field_ext *ext = bce_sb_ext(set->rw->sb);

	if (IS_ERR(ext))
		return PTR_ERR(ext);
	ext->recovery_passes_required[0] |= cpu_to_le64(ALLOCATION_PASSES | NAME_PASSES);
	return 0;
}

/*
 * What was asked for has been done. With findings left about names their passes stay required, if they were
 * before this repair began.
 */
static int sb_note_done(struct bce_set *set, u64 asked_before)
{
	struct bch_sb_field_ext *ext;
	struct bch_sb *sb;
	u64 left = set->repair_whole ? 0 : asked_before & ~ALLOCATION_PASSES;
	int ret;

	bce_sb_edit_begin(set->rw->sb);
	ext = bce_sb_ext(set->rw->sb);
	ret = PTR_ERR_OR_ZERO(ext);
	if (!ret) {
		ext->recovery_passes_required[0] = cpu_to_le64(left);
		sb = bce_sb_image(set->rw->sb);
		sb->compat[0] |= cpu_to_le64(BIT_ULL(BCH_COMPAT_alloc_info));
		if (set->repair_whole) {
			ext->recovery_passes_required[1] = 0;
			ext->btrees_lost_data = 0;
			memset(ext->errors_silent, 0, sizeof(ext->errors_silent));
			BCH_SB_FLAG_SET(sb, HAS_ERRORS, 0);
			BCH_SB_FLAG_SET(sb, HAS_TOPOLOGY_ERRORS, 0);
		}
		ret = bce_sb_write(set->rw->sb);
	}
	bce_sb_edit_end(set->rw->sb);
	return ret;
}

int bce_set_repair_commit(struct bce_set *set, char why[512])
{
	u64 asked = bce_sb_passes_required(set->best.sb);
	int ret;

	if (set->repair != REPAIR_DONE) {
		scnprintf(why, 512, "nothing was repaired");
		return -EINVAL;
	}
	ret = bce_set_go_rw(set, why);
	if (ret)
		return ret;
	ret = bce_set_go_ro(set) ?: sb_note_done(set, asked);
	if (ret)
		scnprintf(why, 512, "what was repaired could not be written: error %d", ret);
	else
		set->repair = REPAIR_WRITTEN;
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_repair_commit);

bool bce_set_wants_check(struct bce_set *set)
{
	return set->repair != REPAIR_WRITTEN && bce_sb_wants_check(set->best.sb);
}
EXPORT_SYMBOL_GPL(bce_set_wants_check);
