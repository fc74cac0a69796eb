// SPDX-License-Identifier: GPL-2.0
/*
 * Finding a device's superblock.
 *
 *   sector 8, the primary copy: if it is valid it wins, whatever the others say.
 *   sector 7, the layout: where the other copies are. Used only when the primary is not
 *             valid; they are tried in the layout's order and the first valid one wins.
 *
 * Of each copy that was not taken one line is appended to the caller's text, also when a
 * later one was good: a device that works with a damaged primary deserves a message.
 *
 * A copy is read in two steps, since its length stands in its header: a first piece that
 * holds most superblocks, and all of it again if it is longer. The length is limited by
 * what the format allows before memory is asked for.
 *
 * Source: docs/format/10-superblock.md, sections 1, 8.
 */
#include "engine/sb/sb.h"

#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "engine/sb/members.h"
#include "engine/sb/sb_internal.h"

#define FIRST_PIECE_BYTES	(16U << 10)

void bce_sb_image_exit(struct sb_image *img)
{
	kvfree(img->sb);
	*img = (struct sb_image) { };
}

/* a new buffer with @bytes (rounded up to sectors) of @sector; less where the device ends */
static void *read_piece(struct block_device *bdev, u64 sector, size_t *bytes, int *error)
{
	u64 device_sectors = bdev_nr_sectors(bdev);
	size_t want = round_up(*bytes, SECTOR_BYTES);
	void *buf;

	*error = -EIO;
	if (sector >= device_sectors)
		return NULL;
	want = min_t(u64, want, (device_sectors - sector) * SECTOR_BYTES);
	buf = kvmalloc(want, GFP_KERNEL);
	if (!buf) {
		*error = -ENOMEM;
		return NULL;
	}
	*error = bce_bdev_read_sync(bdev, sector, buf, want);
	if (*error) {
		kvfree(buf);
		return NULL;
	}
	*bytes = want;
	return buf;
}

/* bytes this copy says it has, within what any copy may have */
static size_t believable_bytes(const struct bch_sb *sb)
{
	const size_t max = (size_t)SECTOR_BYTES << BCH_SB_LAYOUT_MAX_BITS;

	return min(sb_total_bytes(sb), max);
}

static int read_buffer(struct bch_sb **out, struct block_device *bdev, u64 sector, size_t *bytes)
{
	struct bch_sb *sb;
	int error;

	*bytes = FIRST_PIECE_BYTES;
	sb = read_piece(bdev, sector, bytes, &error);
	if (!sb)
		return error;
	if (*bytes >= sizeof(*sb) && believable_bytes(sb) > *bytes) {
		struct text_buf ignored = TEXT_BUF_INIT;
		size_t whole = believable_bytes(sb);
		bool ours = sb_envelope_check(sb, *bytes, &ignored) != -ENODATA;

		bce_text_exit(&ignored);
		if (ours) {
			kvfree(sb);
			*bytes = whole;
			sb = read_piece(bdev, sector, bytes, &error);
			if (!sb)
				return error;
		}
	}
	*out = sb;
	return 0;
}

/* logical blocks of the device must not be larger than the set's blocks */
static int block_size_check(const struct bch_sb *sb, struct block_device *bdev,
			    struct text_buf *why)
{
	unsigned int device = bdev_logical_block_size(bdev);
	unsigned int set = le16_to_cpu(sb->block_size) * SECTOR_BYTES;

	if (set >= device)
		return 0;
	bce_text_printf(why, "has blocks of %u bytes, smaller than the device's %u", set, device);
	return -EINVAL;
}

/* One copy, all rules. @what: why not. */
static int try_copy(struct sb_image *out, struct block_device *bdev, u64 sector,
		    struct text_buf *what)
{
	struct bch_sb *sb = NULL;
	size_t bytes;
	int ret;

	ret = read_buffer(&sb, bdev, sector, &bytes);
	if (ret) {
		bce_text_printf(what, "reading failed (error %d)", ret);
		return ret;
	}
	ret = bce_sb_validate(sb, bytes, 0, what);
	if (!ret)
		ret = block_size_check(sb, bdev, what);
	if (ret) {
		kvfree(sb);
		return ret;
	}
	out->sb = sb;
	out->bytes = sb_total_bytes(sb);
	out->read_from_sector = sector;
	return 0;
}

static int try_copy_and_tell(struct sb_image *out, struct block_device *bdev, u64 sector,
			     struct text_buf *why)
{
	struct text_buf what = TEXT_BUF_INIT;
	int ret = try_copy(out, bdev, sector, &what);

	if (ret)
		bce_text_printf(why, "superblock at sector %llu: %s\n",
				(unsigned long long)sector, bce_text_str(&what));
	bce_text_exit(&what);
	return ret;
}

/*
 * Which of two failures says more about the device: a superblock that is whole but not for
 * us, over a damaged one, over an unreadable place, over nothing that looks like one.
 */
static int failure_rank(int error)
{
	switch (error) {
	case -ENOMEM:
		return 5;
	case -EOPNOTSUPP:
		return 4;
	case -EINVAL:
		return 3;
	case -EBADMSG:
		return 2;
	case -ENODATA:
		return 0;
	default:
		return 1;
	}
}

static int worse(int a, int b)
{
	return failure_rank(b) > failure_rank(a) ? b : a;
}

/* The copies of the layout, but not the one at @tried. @ret: how that one failed. */
static int try_layout(struct sb_image *out, struct block_device *bdev, u64 tried, int ret,
		      struct text_buf *why)
{
	struct text_buf what = TEXT_BUF_INIT;
	struct bch_sb_layout *layout;
	size_t bytes = sizeof(*layout);
	unsigned int i;
	int error;

	layout = read_piece(bdev, BCH_SB_LAYOUT_SECTOR, &bytes, &error);
	if (layout && sb_layout_check(layout, &what))
		error = -ENODATA;
	if (error) {
		bce_text_printf(why, "layout at sector %u: %s\n", BCH_SB_LAYOUT_SECTOR,
				layout ? bce_text_str(&what) : "reading failed");
		ret = error == -ENOMEM ? error : ret;
		goto out;
	}
	/* a layout means there was a file system: the copies are damaged, not absent */
	ret = worse(ret, -EBADMSG);
	for (i = 0; i < layout->nr_superblocks; i++) {
		u64 sector = le64_to_cpu(layout->sb_offset[i]);

		if (sector == tried)
			continue;
		error = try_copy_and_tell(out, bdev, sector, why);
		if (!error) {
			bce_text_printf(why, "using the superblock copy at sector %llu\n",
					(unsigned long long)sector);
			ret = 0;
			break;
		}
		ret = worse(ret, error);
	}
out:
	kvfree(layout);
	bce_text_exit(&what);
	return ret;
}

int bce_sb_read(struct sb_image *out, struct block_device *bdev, u64 sector,
		struct text_buf *why)
{
	int ret;

	*out = (struct sb_image) { };
	if (bdev_nr_sectors(bdev) <= BCH_SB_SECTOR) {
		bce_text_printf(why, "is too short to hold a superblock (%llu sectors)\n",
				(unsigned long long)bdev_nr_sectors(bdev));
		return -ENODATA;
	}
	ret = try_copy_and_tell(out, bdev, sector ?: BCH_SB_SECTOR, why);
	if (!ret || sector || ret == -ENOMEM)
		return ret;
	return try_layout(out, bdev, BCH_SB_SECTOR, ret, why);
}
