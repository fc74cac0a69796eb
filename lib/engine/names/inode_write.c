// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes being made and changed (docs/format/60-filesystem-keys.md, sections 4, 5).
 *
 * Numbers are given out upwards from the highest that exists; the next one is only a hint in memory,
 * and the transaction makes sure that nothing is there. When the range has been used up it is
 * gone through again from its beginning, and numbers whose file has been removed, so that only
 * its generation is left, are taken again.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/format/sb.h"
#include "engine/names/write_internal.h"

/* device numbers are (major << 20) | minor */
#define DEV_MINOR_BITS	20

/* ---- an inode through a subvolume ---- */

static int inode_get(struct names_tx *tx, struct bce_file_id id, struct names_inode *out)
{
	out->id = id;
	out->view = bce_snapshot_view(tx->w->snapshots, out->subvol.snapshot);
	return bce_inode_trans_read(tx->t, id.inum, &out->view, tx->w->src.log, &out->f);
}

int names_inode_get_ro(struct names_tx *tx, struct bce_file_id id, struct names_inode *out)
{
	int ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, id.subvol, &out->subvol);

	return ret ?: inode_get(tx, id, out);
}

int names_inode_get(struct names_tx *tx, struct bce_file_id id, struct names_inode *out)
{
	int ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, id.subvol, &out->subvol);

	if (!ret && out->subvol.ro)
		ret = -EROFS;
	return ret ?: inode_get(tx, id, out);
}

int names_dir_get(struct names_tx *tx, struct bce_file_id id, struct names_inode *out)
{
	int ret = names_inode_get(tx, id, out);

	if (ret)
		return ret;
	if (!S_ISDIR(out->f.mode))
		return -ENOTDIR;
	return names_is_unlinked(&out->f) ? -ENOENT : 0;
}

int names_inode_put(struct names_tx *tx, struct names_inode *i)
{
	return bce_inode_trans_write(tx->t, i->subvol.snapshot, &i->f);
}

void names_touch(struct names_tx *tx, struct names_inode *i)
{
	i->f.mtime = i->f.ctime = tx->now;
}

int names_nlink_inc(struct inode_fields *f)
{
	if (names_is_unlinked(f)) {
		f->flags &= ~BIT(INODE_FLAG_unlinked);
		return 0;
	}
	if (f->nlink >= U32_MAX - 2)
		return -EMLINK;
	f->nlink++;
	return 0;
}

void names_nlink_dec(struct names_tx *tx, struct inode_fields *f)
{
	f->ctime = tx->now;
	/* of a directory, subdirectories are counted, and it is empty */
	if (f->nlink && !S_ISDIR(f->mode)) {
		f->nlink--;
		return;
	}
	f->nlink = 0;
	f->flags |= BIT(INODE_FLAG_unlinked);
	f->dir = f->dir_offset = 0;
}

/* ---- numbers ---- */

static u64 inum_end(const struct names_writer *w)
{
	return names_sb_option(&w->src, "inodes_32bit") || !w->src.sb ? 1ULL << 31 : 1ULL << 63;
}

/* the highest number in use + 1 */
static int inum_first(struct names_tx *tx, u64 end, u64 *first)
{
	struct bkey k;
	int ret = bce_trans_peek_prev(tx->t, BTREE_ID_inodes, SPOS(0, end - 1, U32_MAX),
				      SPOS(0, BLOCKDEV_INODE_MAX, 0), TRANS_UNTRACKED, &k);

	*first = ret ? BLOCKDEV_INODE_MAX : k.p.offset + 1;
	return ret == -ENOENT ? 0 : ret;
}

/* one number for nobody else; whether it is free is to be seen */
static int inum_take(struct names_tx *tx, u64 *inum, bool *wrapped)
{
	struct names_writer *w = tx->w;
	u64 end = inum_end(w), first = 0, next;
	int ret;

	if (!READ_ONCE(w->inum_next)) {
		ret = inum_first(tx, end, &first);
		if (ret)
			return ret;
	}
	spin_lock(&w->inum_lock);
	next = w->inum_next ?: first;
	if (next >= end) {
		next = BLOCKDEV_INODE_MAX;
		w->inum_wrapped = true;
	}
	*inum = next;
	WRITE_ONCE(w->inum_next, next + 1);	/* read without the lock, above */
	*wrapped = w->inum_wrapped;
	spin_unlock(&w->inum_lock);
	return 0;
}

/* 0 free; -EEXIST. @generation: that the new inode has to have */
static int inum_check(struct names_tx *tx, u64 inum, u32 snapshot, bool reuse, u32 *generation)
{
	struct bpos pos = SPOS(0, inum, 0), end = SPOS(0, inum + 1, 0);
	struct bkey k;
	int ret;

	*generation = 0;
	while (!(ret = bce_trans_peek(tx->t, BTREE_ID_inodes, pos, end, NULL, 0, &k))) {
		if (!reuse || k.type != KEY_TYPE_inode_generation || k.p.snapshot != snapshot)
			return -EEXIST;
		*generation = bce_inode_generation_decode(&k);
		pos = bpos_successor(k.p);
	}
	return ret == -ENOENT ? 0 : ret;
}

static int inum_alloc(struct names_tx *tx, u32 snapshot, u64 *inum, u32 *generation)
{
	u64 first = 0;
	bool wrapped;
	int ret;

	do {
		ret = inum_take(tx, inum, &wrapped);
		if (ret)
			return ret;
		/* once around */
		if (wrapped && *inum == first)
			return -ENOSPC;
		if (wrapped && !first)
			first = *inum;
		ret = inum_check(tx, *inum, snapshot, wrapped, generation);
	} while (ret == -EEXIST);
	return ret;
}

/* ---- new ones ---- */

static u8 str_hash_type(const struct names_writer *w)
{
	switch (names_sb_option(&w->src, "str_hash")) {
	case BCH_STR_HASH_OPT_crc32c:
		return BCH_STR_HASH_crc32c;
	case BCH_STR_HASH_OPT_crc64:
		return BCH_STR_HASH_crc64;
	default:
		return w->src.info->features & BIT_ULL(BCH_FEATURE_new_siphash) ?
			BCH_STR_HASH_siphash : BCH_STR_HASH_siphash_old;
	}
}

int names_inode_new(struct names_tx *tx, u32 snapshot, const struct bce_create *what,
		    const struct inode_fields *dir, struct inode_fields *out)
{
	u32 generation;
	u64 inum;
	int ret = inum_alloc(tx, snapshot, &inum, &generation);

	if (ret)
		return ret;
	*out = (struct inode_fields) {
		.inum = inum,
		.snapshot = snapshot,
		.hash_seed = names_random(tx->w),
		.str_hash = str_hash_type(tx->w),
		.mode = what->mode,
		.atime = tx->now,
		.ctime = tx->now,
		.mtime = tx->now,
		.otime = tx->now,
		.uid = what->uid,
		.gid = what->gid,
		.generation = generation,
	};
	if (S_ISCHR(what->mode) || S_ISBLK(what->mode))
		out->dev = what->rdev_major << DEV_MINOR_BITS | what->rdev_minor;
	if (dir)
		names_opts_inherit(out, dir);
	return 0;
}
