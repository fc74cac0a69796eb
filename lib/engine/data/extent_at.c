// SPDX-License-Identifier: GPL-2.0
/*
 * Where the data of a file lies: for FIEMAP, SEEK_HOLE and readahead, which wants
 * to ask for whole stored extents where a part costs as much.
 */
#include "engine/data/extent_at.h"

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "engine/format/ids.h"
#include "engine/key/extent.h"

static void set_range(struct bce_extent *out, u64 start, u64 end)
{
	out->start_sector = start;
	out->end_sector = end;
	out->stored_start = start;
	out->stored_end = end;
}

static void set_hole(struct bce_extent *out, u64 start, u64 end)
{
	*out = (struct bce_extent) { .kind = BCE_EXTENT_HOLE };
	set_range(out, start, end);
}

static void set_pointer(struct bce_extent *out, const struct extent_ptr_decoded *p, u64 skip)
{
	const struct extent_crc *crc = &p->crc;
	bool compressed = bce_compression_type_is_compressed(crc->compression_type);

	out->encoded = compressed || bce_csum_type_is_mac(crc->csum_type);
	out->checksummed = compressed || crc->csum_type;
	if (!p->ptr.cached)
		out->device_sector = p->ptr.sector + (compressed ? 0 : crc->offset + skip);
}

/*
 * From the first pointer that counts; cached ones only when there is no other.
 * @skip: sectors of the key before out->start_sector
 */
static void set_data(struct bce_extent *out, const struct bkey *k, u64 skip)
{
	struct extent_ptr_decoded p;
	struct extent_walk walk;
	bool have_cached = false;

	out->kind = BCE_EXTENT_DATA;
	bce_extent_walk_init(&walk, k, 0);
	while (bce_extent_next_ptr(&walk, &p)) {
		if (p.ptr.unwritten) {
			out->kind = BCE_EXTENT_UNWRITTEN;
			return;
		}
		if (p.ptr.cached && have_cached)
			continue;
		set_pointer(out, &p, skip);
		if (!p.ptr.cached)
			return;
		have_cached = true;
	}
}

/* @out's range is set: the part of @k that shows in the file */
static void set_key(struct bce_extent *out, const struct bkey *k, u64 skip)
{
	switch (k->type) {
	case KEY_TYPE_extent:
	case KEY_TYPE_reflink_v:
		set_data(out, k, skip);
		break;
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
		out->kind = BCE_EXTENT_INLINE;
		break;
	case KEY_TYPE_reservation:
		out->kind = BCE_EXTENT_RESERVED;
		break;
	case KEY_TYPE_whiteout:
	case KEY_TYPE_deleted:
	case KEY_TYPE_cookie:
		out->kind = BCE_EXTENT_HOLE;
		break;
	default:
		out->kind = BCE_EXTENT_ERROR;
	}
}

/*
 * @out's range is that of a reflink_p which begins at address @idx: narrow it to the
 * shared extent that answers @sector.
 */
static int set_indirect(struct btrees *b, u64 idx, u64 sector, struct bce_extent *out)
{
	u64 at = idx + (sector - out->start_sector);
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	out->shared = true;
	bce_btree_iter_init(&iter, b, BTREE_ID_reflink, 0, SPOS(0, at, 0), 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k)) {
		ret = PTR_ERR(k);
	} else if (!k || k->p.inode || bkey_start_offset(k) > at) {
		out->kind = BCE_EXTENT_ERROR;
	} else {
		u64 before = min(sector - out->start_sector, at - bkey_start_offset(k));
		u64 after = min(out->end_sector - sector, k->p.offset - at);

		set_range(out, sector - before, sector + after);
		set_key(out, k, at - before - bkey_start_offset(k));
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

/* @k covers @sector */
static int set_covering(struct btrees *b, const struct bkey *k, u64 sector,
			struct btree_iter *held, struct bce_extent *out)
{
	struct reflink_p_info link;

	*out = (struct bce_extent) { };
	set_range(out, bkey_start_offset(k), k->p.offset);
	if (k->type != KEY_TYPE_reflink_p) {
		set_key(out, k, 0);
		return 0;
	}
	bce_reflink_p_decode(k, &link);
	bce_btree_iter_unlock(held);
	return set_indirect(b, link.idx, sector, out);
}

int bce_data_extent_at(struct btrees *b, u64 inum, const struct snapshot_view *view, u64 sector,
		       struct bce_extent *out)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, b, BTREE_ID_extents, 0, SPOS(inum, sector, 0), 0, view);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	else if (!k || k->p.inode != inum)
		set_hole(out, sector, U64_MAX);
	else if (bkey_start_offset(k) > sector)
		set_hole(out, sector, bkey_start_offset(k));
	else if (k->p.offset <= sector)
		ret = -EIO;	/* out of order: damage that validation reports */
	else
		ret = set_covering(b, k, sector, &iter, out);
	bce_btree_iter_exit(&iter);
	return ret;
}
