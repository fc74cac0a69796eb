// SPDX-License-Identifier: GPL-2.0
/*
 * What is told about a set: its facts, its members, and the bytes its device
 * shows. Everything here is constant after open or a counter read without lock.
 */
#include "engine/set/set_internal.h"

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include <bcachefs/set.h>
#include <bcachefs/stats.h>

#include "engine/btree/btrees.h"
#include "engine/format/sb.h"
#include "engine/journal/overlay.h"
#include "engine/names/quota.h"
#include "engine/set/rw.h"
#include "engine/util/text.h"

#define LAYOUT_OFFSET	(7 * 512)
#define PRIMARY_OFFSET	(8 * 512)

static void info_capacity(struct bce_set *set, struct bce_set_info *out)
{
	for (unsigned int i = 0; i < set->info.nr_devices; i++) {
		struct member_info m;

		bce_sb_member(set->best.sb, i, &m);
		if (!m.exists)
			continue;
		out->nr_members++;
		out->device_sectors_total += m.nbuckets * m.bucket_sectors;
		out->capacity_sectors += (m.nbuckets - m.first_bucket) * m.bucket_sectors;
	}
}

/* as the last writer left it, or as it is now that we are the writer; what nobody has written yet is clean */
static bool is_clean(const struct bce_set *set)
{
	const struct set_rw *rw = smp_load_acquire(&set->rw);

	if (!rw)
		return set->info.clean || !set->info.initialized;
	return READ_ONCE(rw->state) == RW_OFF && rw->was_clean;
}

void bce_set_info(struct bce_set *set, struct bce_set_info *out)
{
	const struct sb_info *sb = &set->info;
	u64 present = bce_members_present(set->members);
	enum set_state state = smp_load_acquire(&set->state);
	struct sb_presence presence;

	*out = (struct bce_set_info) {
		.version = sb->version,
		.block_bytes = sb->block_sectors * 512,
		.btree_node_bytes = sb->btree_node_sectors * 512,
		.time_precision_ns = sb->time_precision,
		.clean = is_clean(set),
		.encrypted = sb->encrypted,
		.read_only = !bce_set_is_rw(set),
		.started = state == SET_STARTED,
		.nr_present = hweight64(present),
		.errors = bce_log_errors_total(set->log),
		.acl = sb->acl,
		.quota_types = bce_quota_types_of(set->best.sb),
		.errors_policy = bce_sb_option_named(set->best.sb, "errors"),
	};
	if (state == SET_START_FAILED)
		out->start_error = set->start_error;
	if (state == SET_STARTED && set->overlay)
		out->journal_keys_overlaid = bce_overlay_nr_keys(set->overlay);
	memcpy(out->uuid, sb->user_uuid, 16);
	memcpy(out->internal_uuid, sb->uuid, 16);
	spin_lock(&set->label_lock);
	memcpy(out->label, sb->label, sizeof(out->label));
	spin_unlock(&set->label_lock);
	bce_sb_presence(set->best.sb, present, &presence);
	out->degraded = presence.missing || bce_members_failed(set->members);
	info_capacity(set, out);
}
EXPORT_SYMBOL_GPL(bce_set_info);

void bce_set_opts(struct bce_set *set, struct bce_open_opts *out)
{
	mutex_lock(&set->lock);
	*out = set->opts;
	mutex_unlock(&set->lock);
	out->key = NULL;
	out->key_ctx = NULL;
	out->message = NULL;
	out->message_ctx = NULL;
}
EXPORT_SYMBOL_GPL(bce_set_opts);

int bce_set_member(struct bce_set *set, unsigned int idx, struct bce_set_member *out)
{
	struct text_buf label = TEXT_BUF_INIT;
	struct member_counters counters;
	struct member_dev *dev;
	struct member_info m;

	*out = (struct bce_set_member) { };
	if (idx >= set->info.nr_devices)
		return -EINVAL;
	bce_sb_member(set->best.sb, idx, &m);
	if (!m.exists)
		return 0;

	out->exists = true;
	memcpy(out->uuid, m.uuid, 16);
	out->state = m.state;
	out->durability = m.durability;
	out->bucket_bytes = m.bucket_sectors * 512;
	out->nbuckets = m.nbuckets;
	out->first_bucket = m.first_bucket;
	bce_sb_member_label(&label, set->best.sb, idx);
	strscpy(out->label, bce_text_str(&label), sizeof(out->label));
	bce_text_exit(&label);

	dev = bce_member_get_io(set->members, idx);
	if (dev) {
		out->present = true;
		if (bce_member_is_failed(dev))
			out->state = MEMBER_FAILED;
		strscpy(out->name, dev->name, sizeof(out->name));
		bce_member_put_io(dev);
	}
	bce_member_counters(set->members, idx, &counters);
	out->reads = counters.reads;
	out->read_sectors = counters.read_sectors;
	out->io_errors = counters.io_errors;
	out->csum_errors = counters.csum_errors;
	out->latency_ns = counters.latency_ns;
	return 0;
}
EXPORT_SYMBOL_GPL(bce_set_member);

int bce_set_member_io(struct bce_set *set, unsigned int idx, enum bce_io io, struct bce_member_io *out)
{
	if (idx >= set->info.nr_devices || io >= BCE_IO_NR)
		return -EINVAL;
	bce_member_io_stats(set->members, idx, io, out);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_set_member_io);

const char *bce_set_fail_reason(const struct bce_set *set)
{
	return set->fail_reason;
}
EXPORT_SYMBOL_GPL(bce_set_fail_reason);

size_t bce_set_drop_cache(struct bce_set *set)
{
	return bce_set_readable(set) ? 0 : bce_btrees_shrink(set->btrees, 0);
}
EXPORT_SYMBOL_GPL(bce_set_drop_cache);

/* the superblock of the lowest present member, or the leading one when none is there */
static const struct sb_image *shown_sb(struct bce_set *set)
{
	u64 present = bce_members_present(set->members);
	unsigned int idx = present ? __ffs64(present) : 0;

	return present && set->dev_sb[idx].sb ? &set->dev_sb[idx] : &set->best;
}

u64 bce_set_sb_bytes(struct bce_set *set)
{
	u64 bytes;

	mutex_lock(&set->lock);
	bytes = PRIMARY_OFFSET + shown_sb(set)->bytes;
	mutex_unlock(&set->lock);
	return bytes;
}
EXPORT_SYMBOL_GPL(bce_set_sb_bytes);

/* copy what [src_start, src_start + src_bytes) and [offset, offset + bytes) share */
static void copy_overlap(u64 offset, void *buf, size_t bytes, u64 src_start, const void *src,
			 size_t src_bytes)
{
	u64 start = max_t(u64, offset, src_start);
	u64 end = min_t(u64, offset + bytes, src_start + src_bytes);

	if (start < end)
		memcpy(buf + (start - offset), src + (start - src_start), end - start);
}

int bce_set_sb_copy(struct bce_set *set, u64 offset, void *buf, size_t bytes)
{
	const struct sb_image *img;

	memset(buf, 0, bytes);
	mutex_lock(&set->lock);
	img = shown_sb(set);
	copy_overlap(offset, buf, bytes, LAYOUT_OFFSET, &img->sb->layout, sizeof(img->sb->layout));
	copy_overlap(offset, buf, bytes, PRIMARY_OFFSET, img->sb, img->bytes);
	mutex_unlock(&set->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(bce_set_sb_copy);
