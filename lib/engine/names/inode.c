// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes as seen through a subvolume (docs/format/60-filesystem-keys.md, part I).
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/names.h"

#define NSEC_PER_SECOND	1000000000L

/* device numbers are (major << 20) | minor */
#define DEV_MINOR_BITS	20

/*
 * Times count units of time_precision ns from the time base; base and count are
 * added in units (section 4, "Times"). A negative remainder borrows a second.
 */
struct timespec64 names_time(const struct sb_info *info, s64 t)
{
	u32 precision = clamp_t(u32, info->time_precision, 1, NSEC_PER_SECOND);
	s32 units_per_second = NSEC_PER_SECOND / precision;
	s64 units = (u64)t + div_u64(info->time_base_ns, precision);
	struct timespec64 ts;
	s32 rest;

	ts.tv_sec = div_s64_rem(units, units_per_second, &rest);
	if (rest < 0) {
		ts.tv_sec--;
		rest += units_per_second;
	}
	ts.tv_nsec = (long)rest * precision;
	return ts;
}

int names_inode_fields(const struct names_source *src, u64 inum, const struct snapshot_view *view,
		       struct inode_fields *out)
{
	struct bpos pos = SPOS(0, inum, 0);
	struct btree_iter iter;
	const struct bkey *k;
	const char *what;
	int ret = 0;

	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_inodes, 0, pos, 0, view);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (!k || bpos_cmp_logical(k->p, pos) || !bce_key_type_is_inode(k->type)) {
		ret = -ENOENT;
	} else {
		what = bce_inode_unpack(k, out);
		if (what) {
			bce_log_error(src->log, BCE_ERR_inode_unpack_error, "inode %llu:%u: %s",
				      inum, k->p.snapshot, what);
			ret = -EIO;
		}
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

static void inode_options(const struct inode_fields *f, struct bce_inode *out)
{
	out->opt[INODE_OPT_data_checksum] = f->data_checksum;
	out->opt[INODE_OPT_compression] = f->compression;
	out->opt[INODE_OPT_project] = min_t(u32, f->project, U16_MAX);
	out->opt[INODE_OPT_background_compression] = f->background_compression;
	out->opt[INODE_OPT_data_replicas] = f->data_replicas;
	out->opt[INODE_OPT_promote_target] = f->promote_target;
	out->opt[INODE_OPT_foreground_target] = f->foreground_target;
	out->opt[INODE_OPT_background_target] = f->background_target;
	out->opt[INODE_OPT_erasure_code] = f->erasure_code;
	out->opt[INODE_OPT_nocow] = f->nocow;
	out->opts_explicit = f->fields_set;
}

void names_inode_present(const struct sb_info *info, struct bce_file_id id,
			 const struct inode_fields *f, struct bce_inode *out)
{
	*out = (struct bce_inode) {
		.id = id,
		.snapshot = f->snapshot,
		.mode = f->mode,
		.flags = f->flags,
		.uid = f->uid,
		.gid = f->gid,
		.nlink = bce_inode_nlink(f),
		.generation = f->generation,
		.rdev_major = f->dev >> DEV_MINOR_BITS,
		.rdev_minor = f->dev & ((1U << DEV_MINOR_BITS) - 1),
		.size = f->size,
		.sectors = f->sectors,
		.atime = names_time(info, f->atime),
		.mtime = names_time(info, f->mtime),
		.ctime = names_time(info, f->ctime),
		.btime = names_time(info, f->otime),
		.project = f->project ? f->project - 1 : 0,
		.root_of_subvol = f->subvol,
		.parent_inum = f->dir,
		.parent_subvol = f->parent_subvol ?: id.subvol,
		.hash_seed = f->hash_seed,
		.hash_type = f->str_hash,
	};
	inode_options(f, out);
}

int names_inode_read(const struct names_source *src, struct bce_file_id id, struct bce_inode *out)
{
	struct snapshot_view view;
	struct inode_fields f;
	int ret;

	ret = names_view(src, id.subvol, &view);
	if (!ret)
		ret = names_inode_fields(src, id.inum, &view, &f);
	if (!ret)
		names_inode_present(src->info, id, &f, out);
	return ret;
}

int names_parent(const struct names_source *src, const struct bce_inode *inode,
		 struct bce_file_id *out)
{
	if (!inode->parent_inum)
		return -ENOENT;
	*out = (struct bce_file_id) {
		.subvol = inode->parent_subvol,
		.inum = inode->parent_inum,
	};
	return 0;
}

int names_inode_journal_seq(const struct names_source *src, struct bce_file_id id, u64 *seq)
{
	struct snapshot_view view;
	struct inode_fields f;
	int ret = names_view(src, id.subvol, &view) ?:
		  names_inode_fields(src, id.inum, &view, &f);

	if (!ret)
		*seq = f.journal_seq;
	return ret;
}
