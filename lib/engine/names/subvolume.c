// SPDX-License-Identifier: GPL-2.0
/*
 * Subvolumes (docs/format/60-filesystem-keys.md, section 14): a root directory
 * and the snapshot in which its files are read. Readers use the copies in the
 * snapshot table; the lookup here goes to the btree.
 */
#include "engine/names/names.h"

#include <linux/err.h>
#include <linux/errno.h>

#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/names/snapshot.h"

int bce_subvolume_lookup(struct btrees *b, u32 id, struct subvolume_info *out)
{
	struct bpos pos = SPOS(0, id, 0);
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, b, BTREE_ID_subvolumes, 0, pos, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (!k || bpos_cmp(k->p, pos) || k->type != KEY_TYPE_subvolume)
		ret = -ENOENT;
	else
		bce_subvolume_decode(k, out);
	bce_btree_iter_exit(&iter);
	return ret;
}

int names_view(const struct names_source *src, u32 subvol, struct snapshot_view *view)
{
	struct subvolume_info info;

	if (!bce_subvolume_find(src->snapshots, subvol, &info))
		return -ENOENT;
	*view = bce_snapshot_view(src->snapshots, info.snapshot);
	return 0;
}

static void subvolume_present(const struct names_source *src, const struct subvolume_info *info,
			      struct bce_subvolume *out)
{
	*out = (struct bce_subvolume) {
		.id = info->id,
		.snapshot = info->snapshot,
		.read_only = info->ro,
		.is_snapshot = info->snap,
		.root_inum = info->inode,
		.creation_parent = info->creation_parent,
		.path_parent = info->fs_path_parent,
		.otime = names_time(src->info, info->otime),
	};
}

int names_subvolume_read(const struct names_source *src, u32 id, struct bce_subvolume *out)
{
	struct subvolume_info info;

	if (!bce_subvolume_find(src->snapshots, id, &info))
		return -ENOENT;
	subvolume_present(src, &info, out);
	return 0;
}

int names_subvolume_next(const struct names_source *src, u32 id, struct bce_subvolume *out)
{
	struct subvolume_info info = { .id = id };

	do {
		if (!bce_subvolume_next(src->snapshots, info.id, &info))
			return -ENOENT;
	} while (info.unlinked);
	subvolume_present(src, &info, out);
	return 0;
}
