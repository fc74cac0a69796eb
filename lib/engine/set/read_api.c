// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/read.h>: file contents by subvolume and inode number.
 */
#include <bcachefs/read.h>

#include <linux/bio.h>
#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/sched/mm.h>

#include "engine/data/extent_at.h"
#include "engine/data/read.h"
#include "engine/names/snapshot.h"
#include "engine/set/rw.h"

/* the engine's part of a struct bce_read */
static struct data_read *to_data_read(struct bce_read *read)
{
	static_assert(sizeof(struct data_read) <= sizeof(read->engine));
	return (struct data_read *)read->engine;
}

static struct bce_read *from_data_read(struct data_read *data)
{
	return container_of((u64 (*)[12])data, struct bce_read, engine);
}

static int file_view(struct bce_set *set, u32 subvol, struct snapshot_view *view)
{
	struct subvolume_info info;
	int ret = bce_set_readable(set);

	if (ret)
		return ret;
	if (!bce_subvolume_find(set->snapshots, subvol, &info))
		return -ENOENT;
	*view = bce_snapshot_view(set->snapshots, info.snapshot);
	return 0;
}

static void read_done(struct data_read *data, int error)
{
	struct bce_read *read = from_data_read(data);

	read->done(read, error);
}

void bce_read_submit(struct bce_set *set, struct bce_read *read)
{
	struct data_read *data = to_data_read(read);
	int ret = file_view(set, read->file.subvol, &data->view);

	if (ret) {
		read->done(read, ret);
		return;
	}
	if (bce_set_is_rw(set))
		atomic64_add(bio_sectors(read->bio), &set->rw->io_clock[0]);
	data->bio = read->bio;
	data->inum = read->file.inum;
	data->done = read_done;
	data->nowait = read->nowait;
	bce_data_read(set->reader, data);
}
EXPORT_SYMBOL_GPL(bce_read_submit);

int bce_extent_at(struct bce_set *set, struct bce_file_id file, u64 sector,
		  struct bce_extent *out)
{
	struct snapshot_view view;
	unsigned int nofs;
	int ret = file_view(set, file.subvol, &view);

	if (ret)
		return ret;
	nofs = memalloc_nofs_save();
	ret = bce_data_extent_at(set->btrees, file.inum, &view, sector, out);
	memalloc_nofs_restore(nofs);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_extent_at);
