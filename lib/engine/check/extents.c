// SPDX-License-Identifier: GPL-2.0
/*
 * Extents: of an inode that has data; and, as each version of the inode sees them, none over another,
 * none beyond the end, as many sectors in all as the inode says.
 *
 * The versions' views are walked when the inodes are; keys written in a snapshot in which the inode has no
 * version of its own are walked in that snapshot's view too, as if it had one: whoever writes
 * there has to write the inode as well.
 *
 * Source: docs/format/60-filesystem-keys.md, sections 4, 12, 19, 21, part VIII.
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/data/extent_update.h"
#include "engine/format/ids.h"
#include "engine/format/types.h"
#include "engine/format/values.h"
#include "engine/key/extent.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

static bool has_data(const struct inode_fields *f)
{
	return S_ISREG(f->mode) || S_ISLNK(f->mode);
}

bool check_extent_is_reserved(const struct bkey *k)
{
	return k->type == KEY_TYPE_reservation || bce_extent_is_unwritten(k);
}

u64 check_end_of_inode(const struct name_check *n, const struct inode_fields *f)
{
	u64 block_bytes = (u64)max(n->c->block_sectors, 1U) * SECTOR_BYTES;

	return f->size / block_bytes * (block_bytes / SECTOR_BYTES) +
		(f->size % block_bytes ? block_bytes / SECTOR_BYTES : 0);
}

/*
 * A crash in the middle of making a file shorter leaves what lies behind its new end together with a record of that, and the next
 * start goes on (docs/format/65-operations.md, section 9). Asked only of a file in which there is something.
 */
static bool is_being_cut(const struct name_check *n, const struct inode_fields *f)
{
	struct logged_op_truncate_info op;
	struct subvolume_info subvol;
	const struct bkey *k;
	struct btree_iter iter;
	bool found = false;

	if (n->clean)
		return false;
	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_logged_ops, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && !found; k = bce_btree_iter_next(&iter)) {
		if (k->type != KEY_TYPE_logged_op_truncate)
			continue;
		bce_logged_op_truncate_decode(k, &op);
		found = op.inum == f->inum && op.new_size_bytes == f->size &&
			bce_subvolume_find(n->c->snapshots, op.subvol, &subvol) && subvol.snapshot == f->snapshot;
	}
	bce_btree_iter_exit(&iter);
	return found;
}

static void check_overlap(struct name_check *n, const struct inode_fields *f, const struct bkey *k, u64 covered)
{
	if (bkey_start_offset(k) < covered)
		bce_log_error(n->c->log, BCE_ERR_extent_overlapping,
			      "btree extents %llu:%llu:%u: begins at %llu, an earlier one reaches %llu (seen from snapshot %u)",
			      k->p.inode, k->p.offset, k->p.snapshot, bkey_start_offset(k), covered,
			      f->snapshot);
}

/* Return: it is behind the end */
static bool check_end(struct name_check *n, const struct inode_fields *f, const struct bkey *k)
{
	if (!has_data(f) || k->p.offset <= check_end_of_inode(n, f) || check_extent_is_reserved(k) ||
	    is_being_cut(n, f))
		return false;
	bce_log_error(n->c->log, BCE_ERR_extent_past_end_of_inode,
		      "btree extents %llu:%llu:%u: behind the end of inode version %u, %llu bytes",
		      k->p.inode, k->p.offset, k->p.snapshot, f->snapshot, f->size);
	return true;
}

int check_version_extents(struct name_check *n, const struct inode_fields *f)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, f->snapshot);
	const struct bkey *k;
	struct btree_iter iter;
	u64 sum = 0, covered = 0;
	bool past = false;
	int ret;

	bce_btree_iter_init(&iter, n->c->btrees, BTREE_ID_extents, 0, POS(f->inum, 0), 0, &view);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && k->p.inode == f->inum;
	     k = bce_btree_iter_next(&iter)) {
		if (!k->size)
			continue;
		check_overlap(n, f, k, covered);
		past |= check_end(n, f, k);
		covered = max(covered, k->p.offset);
		sum += bce_extent_type_counts(k->type) ? k->size : 0;
	}
	bce_btree_iter_exit(&iter);
	if (IS_ERR(k))
		return check_memory_only(PTR_ERR(k));
	ret = past ? mend_past_end(n, f) : 0;
	/* fewer now: the next round counts */
	if (ret)
		return min(ret, 0);
	if (sum == f->sectors || f->flags & BIT(INODE_FLAG_i_sectors_dirty))
		return 0;
	bce_log_error(n->c->log, BCE_ERR_inode_i_sectors_wrong,
		      "btree inodes 0:%llu:%u: %llu sectors recorded, its extents have %llu",
		      f->inum, f->snapshot, f->sectors, sum);
	return mend_inode(n, f->inum, f->snapshot, MEND_SECTORS, sum, 0);
}

/* a key in a snapshot of which the inode has no version: that snapshot's view, once per run of them */
static int check_without_version(struct name_check *n, const struct bkey *k,
				 struct inode_fields *f)
{
	if (n->at.inode == k->p.inode && n->at.snapshot == k->p.snapshot)
		return 0;
	n->at = k->p;
	f->snapshot = k->p.snapshot;
	return check_version_extents(n, f);
}

static int check_extent(struct name_check *n, const struct bkey *k)
{
	struct inode_fields f;
	int ret;

	if (!check_snapshot_judged(n, BTREE_ID_extents, k) || k->type == KEY_TYPE_whiteout)
		return 0;
	ret = check_inode_at(n, k->p.inode, k->p.snapshot, &f);
	if (ret == -ENOENT) {
		bce_log_error(n->c->log, BCE_ERR_key_in_missing_inode,
			      "btree extents %llu:%llu:%u: inode %llu does not exist", k->p.inode,
			      k->p.offset, k->p.snapshot, k->p.inode);
		return mend_name_key(n, BTREE_ID_extents, k->p, KEY_TYPE_deleted);
	}
	if (ret)
		return check_memory_only(ret);
	if (!has_data(&f))
		bce_log_error(n->c->log, BCE_ERR_key_in_wrong_inode_type,
			      "btree extents %llu:%llu:%u: inode of mode %o has no data",
			      k->p.inode, k->p.offset, k->p.snapshot, f.mode);
	return f.snapshot == k->p.snapshot ? 0 : check_without_version(n, k, &f);
}

int check_extents(struct name_check *n)
{
	n->at = POS_MIN;
	return check_names_walk(n, BTREE_ID_extents, "extents", check_extent);
}
