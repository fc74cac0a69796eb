// SPDX-License-Identifier: GPL-2.0
/*
 * The first start of a freshly formatted set.
 *
 * The formatter has written superblocks and nothing else, and nothing old on the devices may be
 * trusted. What a set needs is made in this order:
 *
 *   image of the superblock: journal rings, sections, version; not written yet
 *   counters, superblock and journal buckets marked, free space listed (the allocator)
 *   snapshot tree, snapshot, subvolume, root directory, lost+found
 *   journal flushed; then superblocks with INITIALIZED
 *
 * Superblocks are not written before the last step, whatever the rooms ask for: a set without
 * INITIALIZED is never recovered, so after a crash all this simply begins anew. That step is two: first
 * every member gets its ring, then they get INITIALIZED one after the other; a member that is still
 * without it after a crash has its ring all the same.
 *
 * Source: docs/format/00-overview.md, section 9.
 */
#include "engine/set/rw.h"

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/names/snapshot.h"
#include "engine/sb/write.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"

#define RING_BUCKETS_MIN	8
#define RING_BUCKETS_MAX	8192
#define RING_SECTORS_MAX	(1U << 24)
#define EXT_U64S		12

/* ---- superblock ---- */

static bool touches_superblock(const struct bch_sb_layout *l, u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, l->nr_superblocks, BCH_SB_LAYOUT_COPIES); i++) {
		u64 offset = le64_to_cpu(l->sb_offset[i]);

		/* what lies before the first copy is hidden with it */
		if (start < offset + (1ULL << l->sb_max_size_bits) &&
		    end > (offset == BCH_SB_SECTOR ? 0 : offset))
			return true;
	}
	return false;
}

static u32 ring_size(const struct member_info *m)
{
	u32 most = clamp_t(u32, RING_SECTORS_MAX / m->bucket_sectors, RING_BUCKETS_MIN,
			   RING_BUCKETS_MAX);

	return clamp_t(u64, m->nbuckets / 128, RING_BUCKETS_MIN, most);
}

static int ring_choose(struct bce_set *set, unsigned int idx, struct journal_ring *ring,
		       struct text_buf *why)
{
	const struct bch_sb_layout *layout = bce_sb_dev_layout(set->rw->sb, idx);
	struct member_info m;
	u32 want, at = 0;
	u64 b;

	bce_sb_member(bce_sb_image(set->rw->sb), idx, &m);
	want = ring_size(&m);
	ring->bucket = kvcalloc(want, sizeof(*ring->bucket), GFP_KERNEL);
	ring->bucket_seq = kvcalloc(want, sizeof(*ring->bucket_seq), GFP_KERNEL);
	if (!ring->bucket || !ring->bucket_seq)
		return -ENOMEM;
	for (b = m.first_bucket; b < m.nbuckets && at < want; b++)
		if (!touches_superblock(layout, b * m.bucket_sectors, (b + 1) * m.bucket_sectors))
			ring->bucket[at++] = b;
	if (at < want) {
		bce_text_printf(why, "member %u is too small for a journal of %u buckets", idx,
				want);
		return -ENOSPC;
	}
	ring->nr = want;
	ring->usable = bce_set_member_keeps_journal(&m);
	return bce_sb_journal_set(set->rw->sb, idx, ring->bucket, want);
}

static int init_member(struct bce_set *set, unsigned int idx, struct text_buf *why)
{
	struct member_info m;
	int ret;

	bce_sb_member(bce_sb_image(set->rw->sb), idx, &m);
	m.freespace_initialized = false;
	m.last_mount = ktime_get_real_seconds();
	ret = bce_sb_member_set(set->rw->sb, idx, &m);
	return ret ?: ring_choose(set, idx, &set->rw->ring[idx], why);
}

static void init_header(struct bch_sb *sb)
{
	sb->version = cpu_to_le16(BCH_VERSION_CURRENT);
	sb->features[0] |= cpu_to_le64(BCH_FEATURES_ALL);
	sb->compat[0] |= cpu_to_le64(BIT_ULL(BCH_COMPAT_extents_above_btree_updates_done) |
				     BIT_ULL(BCH_COMPAT_bformat_overflow_done));
	BCH_SB_FLAG_SET(sb, VERSION_UPGRADE_COMPLETE, BCH_VERSION_CURRENT);
}

int bce_set_init_sb(struct bce_set *set, struct text_buf *why)
{
	u64 present = bce_members_present(set->members);
	struct bch_sb_field *ext;
	unsigned int i;
	int ret = 0;

	bce_set_rings_free(set->rw->ring);
	bce_sb_edit_begin(set->rw->sb);
	init_header(bce_sb_image(set->rw->sb));
	ext = bce_sb_field_resize(set->rw->sb, BCH_SB_FIELD_ext, EXT_U64S);
	ret = PTR_ERR_OR_ZERO(ext);
	for (i = 0; !ret && i < set->info.nr_devices; i++) {
		if (present >> i & 1) {
			ret = init_member(set, i, why);
		} else {
			bce_text_printf(why, "member %u is missing: a set is started for the first time with all its members",
					i);
			ret = -ENODEV;
		}
	}
	bce_sb_edit_end(set->rw->sb);
	return ret;
}

/* ---- first keys ---- */

#define ROOT_SNAPSHOT	U32_MAX

/* the snapshot table was read when there was nothing to read */
static int table_add_first(struct snapshot_table *t)
{
	struct snapshot_info first_snapshot = { .is_subvol = true, .subvol = BCACHEFS_ROOT_SUBVOL, .tree = 1 };
	struct subvolume_info first_subvol = {
		.id = BCACHEFS_ROOT_SUBVOL, .snapshot = ROOT_SNAPSHOT, .inode = BCACHEFS_ROOT_INO,
	};
	struct snapshot_data *edit;
	int ret;

	bce_snapshot_table_lock(t);
	edit = bce_snapshot_edit(t);
	ret = edit ? bce_snapshot_edit_node(edit, ROOT_SNAPSHOT, &first_snapshot) : -ENOMEM;
	if (!ret)
		ret = bce_snapshot_edit_subvol(edit, &first_subvol);
	if (!ret)
		bce_snapshot_edit_publish(t, edit);
	else if (edit)
		bce_snapshot_edit_drop(edit);
	bce_snapshot_table_unlock(t);
	return ret;
}

int bce_set_init_keys(struct bce_set *set)
{
	int ret = bce_names_make_root(set->btrees, &set->info, set->best.sb, ktime_get_real_ns(),
				      0, 0);

	return ret ?: table_add_first(set->snapshots);
}

int bce_set_init_finish(struct bce_set *set)
{
	struct bch_sb *sb;
	int ret = bce_journal_flush(set->rw->journal);

	if (ret)
		return ret;
	bce_sb_edit_begin(set->rw->sb);
	ret = bce_sb_write_before_init(set->rw->sb);
	sb = bce_sb_image(set->rw->sb);
	BCH_SB_FLAG_SET(sb, INITIALIZED, 1);
	BCH_SB_FLAG_SET(sb, CLEAN, 0);
	/* what the btrees say of allocations is complete from here on, also after a crash */
	sb->compat[0] |= cpu_to_le64(BIT_ULL(BCH_COMPAT_alloc_info));
	ret = ret ?: bce_sb_write(set->rw->sb);
	bce_sb_edit_end(set->rw->sb);
	if (!ret)
		set->rw->initialized = true;
	return ret;
}
