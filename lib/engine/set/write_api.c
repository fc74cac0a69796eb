// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/write.h>: changing contents, with a set in front of the data room. A write counts as a
 * user of writing until its done(), which may come from a workqueue.
 */
#include <bcachefs/write.h>

#include <linux/bio.h>
#include <linux/build_bug.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include <bcachefs/ops.h>

#include "engine/alloc/alloc.h"
#include "engine/data/write.h"
#include "engine/names/names.h"
#include "engine/names/write.h"
#include "engine/set/rw.h"
#include "engine/util/event.h"

/* the engine's part of a struct bce_write */
struct write_state {
	struct data_write		data;
	struct space_reservation	space;
	struct bce_set			*set;
};

static struct write_state *to_state(struct bce_write *write)
{
	static_assert(sizeof(struct write_state) <= sizeof(write->engine));
	return (struct write_state *)write->engine;
}

static struct bce_write *from_data_write(struct data_write *data)
{
	struct write_state *s = container_of(data, struct write_state, data);

	return container_of((void *)s, struct bce_write, engine);
}

static void write_done(struct data_write *data, int error)
{
	struct bce_write *write = from_data_write(data);
	struct write_state *s = to_state(write);
	struct bce_set *set = s->set;

	if (write->space)
		*write->space = (struct bce_space) { s->space.sectors, s->space.replicas };
	write->inode_sectors = data->inode_sectors;
	/* the write may be freed by its owner, and the set with the last of them */
	write->done(write, error);
	bce_set_write_put(set);
}

/* let in already */
static void write_submit(struct bce_set *set, struct bce_write *write)
{
	struct write_state *s = to_state(write);
	unsigned int nofs;

	*s = (struct write_state) {
		.set = set,
		.data = {
			.bio = write->bio, .file = write->file, .new_size = write->new_size,
			.stream = (unsigned long)current, .flags = write->flags,
			.mtime = write->mtime, .done = write_done,
		},
	};
	if (write->space) {
		s->space = (struct space_reservation) {
			.sectors = write->space->sectors, .replicas = write->space->replicas,
		};
		s->data.space = &s->space;
	}
	nofs = memalloc_nofs_save();
	bce_data_write(set->rw->data, &s->data);
	memalloc_nofs_restore(nofs);
}

void bce_write_submit(struct bce_set *set, struct bce_write *write)
{
	int ret = bce_set_write_get(set);

	trace_bce_file_write(bce_event_set(set->log), write->file.subvol, write->file.inum,
			     write->bio->bi_iter.bi_sector, bio_sectors(write->bio), write->flags & BCE_WRITE_UNSTABLE);
	if (!ret) {
		write_submit(set, write);
		return;
	}
	write->inode_sectors = -1;
	write->done(write, ret);
}
EXPORT_SYMBOL_GPL(bce_write_submit);

/* ---- a whole short file, for symbolic links ---- */

struct contents {
	struct bce_write	write;
	struct completion	done;
	int			error;
};

static void contents_done(struct bce_write *write, int error)
{
	struct contents *c = container_of(write, struct contents, write);

	c->error = error;
	complete(&c->done);
}

int bce_set_write_contents(void *set, struct bce_file_id file, const void *data, size_t bytes)
{
	u32 block_bytes = ((struct bce_set *)set)->info.block_sectors * SECTOR_BYTES;
	size_t whole = round_up(bytes, block_bytes);
	struct contents c = { };
	struct page *page;
	struct bio_vec vec;
	struct bio bio;

	if (whole > PAGE_SIZE)
		return -ENAMETOOLONG;
	page = alloc_page(GFP_NOFS | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	memcpy(page_address(page), data, bytes);
	bio_init(&bio, NULL, &vec, 1, REQ_OP_WRITE);
	__bio_add_page(&bio, page, whole, 0);
	init_completion(&c.done);
	c.write = (struct bce_write) {
		.file = file, .bio = &bio, .new_size = bytes, .done = contents_done,
	};
	bce_set_write_get_inner(set);
	write_submit(set, &c.write);
	wait_for_completion(&c.done);
	bio_uninit(&bio);
	__free_page(page);
	return c.error;
}

/* ---- promises ---- */

int bce_space_get(struct bce_set *set, const struct bce_inode *inode, u64 sectors,
		  struct bce_space *out)
{
	struct space_reservation res = { };
	struct data_options opts;
	struct inode_fields f = { };
	unsigned int replicas;
	int ret = bce_set_write_get(set);

	if (ret)
		return ret;
	f.data_replicas = inode->opt[INODE_OPT_data_replicas];
	bce_data_options_of(set->rw->data, &f, &opts);
	replicas = out->replicas ?: opts.data_replicas;
	ret = bce_set_quota_allows(set, inode, sectors * replicas + out->sectors);
	if (!ret)
		ret = bce_space_reserve(set->rw->alloc, &res, sectors, replicas);
	if (!ret)
		*out = (struct bce_space) { res.sectors, res.replicas };
	bce_set_write_put(set);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_space_get);

void bce_space_put(struct bce_set *set, struct bce_space *space)
{
	struct space_reservation res = { .sectors = space->sectors, .replicas = space->replicas };

	*space = (struct bce_space) { };
	if (bce_set_write_get_quiet(set))
		return;		/* the allocator that promised it is gone, or going */
	bce_space_unreserve(set->rw->alloc, &res);
	bce_set_write_put(set);
}
EXPORT_SYMBOL_GPL(bce_space_put);

bool bce_holds_space(struct bce_set *set, struct bce_file_id file, u64 start, u64 end)
{
	bool holds;

	if (bce_set_write_get(set))
		return false;
	holds = bce_data_holds_space(set->rw->data, file, start, end);
	bce_set_write_put(set);
	return holds;
}
EXPORT_SYMBOL_GPL(bce_holds_space);

/* ---- ranges ---- */

int bce_truncate(struct bce_set *set, struct bce_file_id file, u64 new_size_bytes,
		 struct bce_inode *out)
{
	struct change_call c;
	int ret = bce_change_begin(set, &c) ?:
		  bce_change_end(&c, bce_data_truncate(c.rw->data, file, new_size_bytes, NULL));

	return ret ?: bce_inode_read(set, file, out);
}
EXPORT_SYMBOL_GPL(bce_truncate);

int bce_fallocate(struct bce_set *set, struct bce_file_id file, u64 start, u64 end, bool zero,
		  u64 new_size_bytes)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, bce_data_fallocate(c.rw->data, file, start, end, zero, new_size_bytes,
						     NULL));
}
EXPORT_SYMBOL_GPL(bce_fallocate);

int bce_punch(struct bce_set *set, struct bce_file_id file, u64 start, u64 end)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, bce_data_punch(c.rw->data, file, start, end, NULL));
}
EXPORT_SYMBOL_GPL(bce_punch);

int bce_insert_range(struct bce_set *set, struct bce_file_id file, u64 start, u64 sectors)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, bce_data_insert_range(c.rw->data, file, start, sectors, NULL));
}
EXPORT_SYMBOL_GPL(bce_insert_range);

int bce_collapse_range(struct bce_set *set, struct bce_file_id file, u64 start, u64 sectors)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, bce_data_collapse_range(c.rw->data, file, start, sectors, NULL));
}
EXPORT_SYMBOL_GPL(bce_collapse_range);

int bce_reflink(struct bce_set *set, struct bce_file_id src_file, u64 src,
		struct bce_file_id dst_file, u64 dst, u64 sectors, u64 new_size_bytes,
		u64 *done_sectors)
{
	struct change_call c;

	*done_sectors = 0;
	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, bce_data_reflink(c.rw->data, src_file, src, dst_file, dst, sectors,
						   new_size_bytes, done_sectors, NULL));
}
EXPORT_SYMBOL_GPL(bce_reflink);
