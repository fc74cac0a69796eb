// SPDX-License-Identifier: GPL-2.0
/*
 * Sections of a superblock in memory: made, grown, shrunk, removed.
 *
 *   common part   header | section | section | ...      one buffer, sections back to back
 *   own part      journal, journal_v2 of each member     a buffer each, joined when written
 *
 * A section grows by moving those behind it, and the buffer is replaced by a larger one when it
 * is full; pointers into it do not outlive a resize. Before anything grows it is known that every
 * member's superblock still fits the place that its layout reserves; so a set can reach the
 * limit, and then goes on with what it has.
 */
#include "engine/sb/write.h"

#include <linux/err.h>
#include <linux/math.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/sb/write_internal.h"

#define ROOM_STEP_BYTES	4096U

size_t sb_image_bytes(const struct sb_writer *w, unsigned int dev)
{
	size_t bytes = sb_total_bytes(w->sb);
	unsigned int i;

	for (i = 0; i < SB_OWN_FIELDS; i++)
		if (w->own[dev].field[i])
			bytes += sb_field_bytes(w->own[dev].field[i]);
	return bytes;
}

/* Do @bytes more fit member @dev's copies? */
static int fits_member(struct sb_writer *w, unsigned int dev, unsigned int type, size_t bytes)
{
	size_t max, has = sb_image_bytes(w, dev);

	if (!w->own[dev].known)
		return 0;
	max = (size_t)SECTOR_BYTES << w->own[dev].layout.sb_max_size_bits;
	if (has + bytes <= max)
		return 0;
	bce_log_line(w->log, BCE_LOG_ERR,
		     "superblock of member %u: section %s would grow by %zu bytes, but the superblock has %zu and its place %zu",
		     dev, sb_field_name(type) ?: "(unknown)", bytes, has, max);
	return -ENOSPC;
}

static int fits_all(struct sb_writer *w, unsigned int type, size_t bytes)
{
	unsigned int dev;
	int ret = 0;

	for (dev = 0; dev < BCH_MEMBERS_MAX && !ret; dev++)
		ret = fits_member(w, dev, type, bytes);
	return ret;
}

/* room for @bytes more in the buffer of the common part */
static int room_make(struct sb_writer *w, size_t bytes)
{
	size_t need = sb_total_bytes(w->sb) + bytes, room;
	struct bch_sb *sb;

	if (need <= w->room)
		return 0;
	room = round_up(need, ROOM_STEP_BYTES);
	sb = kvzalloc(room, GFP_KERNEL);
	if (!sb)
		return -ENOMEM;
	memcpy(sb, w->sb, sb_total_bytes(w->sb));
	kvfree(w->sb);
	w->sb = sb;
	w->room = room;
	return 0;
}

/* @field (or the end of all, for NULL) has @old words and gets @new; there is room */
static struct bch_sb_field *field_stretch(struct bch_sb *sb, struct bch_sb_field *f,
					  unsigned int type, unsigned int old, unsigned int new)
{
	__le64 *end = sb->sections + le32_to_cpu(sb->u64s);
	__le64 *at = f ? (__le64 *)f : end;

	memmove(at + new, at + old, (u8 *)end - (u8 *)(at + old));
	if (new > old)
		memset(at + old, 0, 8 * (size_t)(new - old));
	sb->u64s = cpu_to_le32(le32_to_cpu(sb->u64s) + new - old);
	if (!new)
		return NULL;
	f = (struct bch_sb_field *)at;
	f->u64s = cpu_to_le32(new);
	f->type = cpu_to_le32(type);
	return f;
}

struct bch_sb_field *bce_sb_field_resize(struct sb_writer *w, unsigned int type,
					 unsigned int u64s)
{
	struct bch_sb_field *f = sb_writer_field(w, type);
	unsigned int old = f ? le32_to_cpu(f->u64s) : 0;
	int ret = 0;

	if (sb_own_slot(type) >= 0)
		return ERR_PTR(-EINVAL);
	if (u64s == old)
		return f;
	if (u64s > old) {
		size_t bytes = 8 * (size_t)(u64s - old);

		ret = fits_all(w, type, bytes) ?: room_make(w, bytes);
	}
	if (ret)
		return ERR_PTR(ret);
	w->unwritten = true;
	return field_stretch(w->sb, sb_writer_field(w, type), type, old, u64s);
}

static struct bch_sb_field *own_field_new(const struct bch_sb_field *old, unsigned int type,
					  unsigned int u64s)
{
	struct bch_sb_field *f = kvzalloc(8 * (size_t)u64s, GFP_KERNEL);

	if (!f)
		return NULL;
	if (old)
		memcpy(f, old, 8 * (size_t)min(u64s, le32_to_cpu(old->u64s)));
	f->u64s = cpu_to_le32(u64s);
	f->type = cpu_to_le32(type);
	return f;
}

struct bch_sb_field *bce_sb_dev_field_resize(struct sb_writer *w, unsigned int dev,
					     unsigned int type, unsigned int u64s)
{
	int slot = sb_own_slot(type);
	struct bch_sb_field **place, *f = NULL;
	unsigned int old;
	int ret;

	if (slot < 0 || dev >= BCH_MEMBERS_MAX)
		return ERR_PTR(-EINVAL);
	if (!w->own[dev].known)
		return ERR_PTR(-ENODEV);
	place = &w->own[dev].field[slot];
	old = *place ? le32_to_cpu((*place)->u64s) : 0;
	if (u64s == old)
		return *place;
	if (u64s > old) {
		ret = fits_member(w, dev, type, 8 * (size_t)(u64s - old));
		if (ret)
			return ERR_PTR(ret);
	}
	if (u64s) {
		f = own_field_new(*place, type, u64s);
		if (!f)
			return ERR_PTR(-ENOMEM);
	}
	kvfree(*place);
	*place = f;
	w->unwritten = true;
	return f;
}

const struct bch_sb_layout *bce_sb_dev_layout(struct sb_writer *w, unsigned int dev)
{
	return dev < BCH_MEMBERS_MAX && w->own[dev].known ? &w->own[dev].layout : NULL;
}

const struct bch_sb_field *bce_sb_dev_field(struct sb_writer *w, unsigned int dev,
					    unsigned int type)
{
	int slot = sb_own_slot(type);

	return slot >= 0 && dev < BCH_MEMBERS_MAX ? w->own[dev].field[slot] : NULL;
}

int sb_own_set(struct sb_writer *w, unsigned int dev, const struct bch_sb *sb)
{
	static const u8 types[SB_OWN_FIELDS] = { BCH_SB_FIELD_journal, BCH_SB_FIELD_journal_v2 };
	struct sb_own own = { .known = true, .layout = sb->layout };
	unsigned int i;

	for (i = 0; i < SB_OWN_FIELDS; i++) {
		const struct bch_sb_field *f = bce_sb_field(sb, types[i], NULL);

		own.field[i] = f ? own_field_new(f, types[i], le32_to_cpu(f->u64s)) : NULL;
		if (f && !own.field[i]) {
			while (i--)
				kvfree(own.field[i]);
			return -ENOMEM;
		}
	}
	for (i = 0; i < SB_OWN_FIELDS; i++)
		kvfree(w->own[dev].field[i]);
	w->own[dev] = own;
	return 0;
}

/* ---- whole calls ---- */

/* Ends what bce_sb_edit_begin() began: written if @edited says so, or if an earlier edit still waits. */
static int write_if_needed(struct sb_writer *w, int edited)
{
	int ret = edited < 0 ? edited : 0;

	if (!ret && (edited || w->unwritten))
		ret = bce_sb_write(w);
	bce_sb_edit_end(w);
	return ret;
}

int bce_sb_mark_replicas(struct sb_writer *w, unsigned int data_type, unsigned int nr_required,
			 u64 devs)
{
	bce_sb_edit_begin(w);
	return write_if_needed(w, bce_sb_replicas_add(w, data_type, nr_required, devs));
}

int bce_sb_mark_btree(struct sb_writer *w, unsigned int dev, u64 sector, u32 sectors)
{
	bce_sb_edit_begin(w);
	return write_if_needed(w, bce_sb_btree_bitmap_mark(w, dev, sector, sectors));
}

int bce_sb_set_features(struct sb_writer *w, u64 features)
{
	struct bch_sb *sb = bce_sb_edit_begin(w);
	u64 has = le64_to_cpu(sb->features[0]);

	if (features & ~has) {
		sb->features[0] = cpu_to_le64(has | features);
		w->unwritten = true;
	}
	return write_if_needed(w, 0);
}
