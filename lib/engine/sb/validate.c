// SPDX-License-Identifier: GPL-2.0
/*
 * Is this a superblock that can be believed?
 *
 *   envelope   magic, length, checksum, version: is this copy whole? If not, another copy
 *              of the same device may be (read.c goes on to it).
 *   header     identity, geometry, option ranges
 *   layout     where the copies lie
 *   sections   they tile the space after the header; each has rules (validate_fields.c)
 *
 * The order matters: nothing behind the envelope is looked at before the checksum was
 * found right, so that a flipped bit is called damage and not, say, a future version. With
 * checksum type 0 there is no such protection and every rule stands on its own.
 *
 * Source: docs/format/10-superblock.md, sections 2 to 4, 8.
 */
#include "engine/sb/sb.h"

#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/sb/sb_internal.h"
#include "engine/util/csum.h"

#define TIME_PRECISION_MAX	1000000000

static const u8 bchfs_magic[16] = BCHFS_MAGIC_BYTES;
static const u8 bcache_magic[16] = BCACHE_MAGIC_BYTES;

static bool magic_known(const u8 magic[16])
{
	return !memcmp(magic, bchfs_magic, 16) || !memcmp(magic, bcache_magic, 16);
}

static int length_check(const struct bch_sb *sb, size_t bytes, struct text_buf *why)
{
	unsigned int bits = sb->layout.sb_max_size_bits;
	size_t total = sb_total_bytes(sb), max;

	if (bits > BCH_SB_LAYOUT_MAX_BITS)
		bits = BCH_SB_LAYOUT_MAX_BITS;
	max = (size_t)SECTOR_BYTES << bits;
	if (total > max) {
		bce_text_printf(why, "is %zu bytes long, at most %zu fit its place", total, max);
		return -EBADMSG;
	}
	if (total > bytes) {
		bce_text_printf(why, "is %zu bytes long, only %zu are there", total, bytes);
		return -EBADMSG;
	}
	return 0;
}

static int csum_check(const struct bch_sb *sb, struct text_buf *why)
{
	unsigned int type = BCH_SB_FLAG(sb, CSUM_TYPE);
	struct bce_csum stored = {
		.lo = le64_to_cpu(sb->csum.lo),
		.hi = le64_to_cpu(sb->csum.hi),
	};
	struct bce_csum csum;

	if (!bce_csum_type_known(type) || bce_csum_type_is_mac(type)) {
		bce_text_printf(why, "has checksum type %u, which no superblock uses", type);
		return -EBADMSG;
	}
	if (bce_csum(type, NULL, (struct bce_nonce) { }, (const u8 *)sb + sizeof(sb->csum),
		     sb_total_bytes(sb) - sizeof(sb->csum), &csum))
		return -EBADMSG;
	if (bce_csum_equal(csum, stored))
		return 0;
	bce_text_printf(why, "has checksum %016llx%016llx, its bytes give %016llx%016llx",
			(unsigned long long)stored.hi, (unsigned long long)stored.lo,
			(unsigned long long)csum.hi, (unsigned long long)csum.lo);
	return -EBADMSG;
}

static int version_check(const struct bch_sb *sb, struct text_buf *why)
{
	unsigned int version = le16_to_cpu(sb->version);
	unsigned int min = le16_to_cpu(sb->version_min);

	if (BCH_VERSION_MAJOR(version) > BCH_VERSION_MAJOR(BCH_VERSION_CURRENT) ||
	    version < BCH_VERSION_MIN) {
		bce_text_printf(why, "has version %u.%u, readable are 0.%u to %u.x",
				BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version),
				BCH_VERSION_MIN, BCH_VERSION_MAJOR(BCH_VERSION_CURRENT));
		return -EOPNOTSUPP;
	}
	if (min < BCH_VERSION_MIN || min > version) {
		bce_text_printf(why, "has oldest version %u.%u beside version %u.%u",
				BCH_VERSION_MAJOR(min), BCH_VERSION_MINOR(min),
				BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version));
		return min > version ? -EINVAL : -EOPNOTSUPP;
	}
	if (BCH_SB_FLAG(sb, BIG_ENDIAN)) {
		bce_text_printf(why, "was written by a big-endian machine, which is not supported");
		return -EOPNOTSUPP;
	}
	return 0;
}

int sb_envelope_check(const struct bch_sb *sb, size_t bytes, struct text_buf *why)
{
	int ret;

	if (bytes < sizeof(*sb)) {
		bce_text_printf(why, "only %zu bytes, a header has %zu", bytes, sizeof(*sb));
		return -ENODATA;
	}
	if (!magic_known(sb->magic)) {
		bce_text_printf(why, "no bcachefs magic");
		return -ENODATA;
	}
	ret = length_check(sb, bytes, why);
	if (!ret)
		ret = csum_check(sb, why);
	if (!ret)
		ret = version_check(sb, why);
	return ret;
}

static int layout_head_check(const struct bch_sb_layout *l, struct text_buf *why)
{
	if (!magic_known(l->magic)) {
		bce_text_printf(why, "layout: no bcachefs magic");
		return -EINVAL;
	}
	if (l->layout_type) {
		bce_text_printf(why, "layout: type %u, expected 0", l->layout_type);
		return -EINVAL;
	}
	if (l->sb_max_size_bits > BCH_SB_LAYOUT_MAX_BITS) {
		bce_text_printf(why, "layout: copies of 2^%u sectors, at most 2^%u",
				l->sb_max_size_bits, BCH_SB_LAYOUT_MAX_BITS);
		return -EINVAL;
	}
	if (!l->nr_superblocks || l->nr_superblocks > BCH_SB_LAYOUT_COPIES) {
		bce_text_printf(why, "layout: %u copies, expected 1 to %u", l->nr_superblocks,
				BCH_SB_LAYOUT_COPIES);
		return -EINVAL;
	}
	return 0;
}

int sb_layout_check(const struct bch_sb_layout *l, struct text_buf *why)
{
	u64 size_sectors, prev, offset;
	unsigned int i;
	int ret = layout_head_check(l, why);

	if (ret)
		return ret;
	size_sectors = 1ULL << l->sb_max_size_bits;
	prev = le64_to_cpu(l->sb_offset[0]);
	for (i = 1; i < l->nr_superblocks; i++, prev = offset) {
		offset = le64_to_cpu(l->sb_offset[i]);
		if (offset < prev || offset - prev < size_sectors) {
			bce_text_printf(why, "layout: copy %u at sector %llu, expected %llu or more",
					i, (unsigned long long)offset,
					(unsigned long long)(prev + size_sectors));
			return -EINVAL;
		}
	}
	return 0;
}

static int features_check(const struct bch_sb *sb, struct text_buf *why)
{
	u64 unknown = le64_to_cpu(sb->features[0]) & ~BCH_FEATURES_KNOWN;

	if (!unknown && !sb->features[1])
		return 0;
	bce_text_printf(why, "uses features not known here: bits %#llx of word 0, %#llx of word 1",
			(unsigned long long)unknown,
			(unsigned long long)le64_to_cpu(sb->features[1]));
	return -EOPNOTSUPP;
}

static int identity_check(const struct bch_sb *sb, struct text_buf *why)
{
	if (!memchr_inv(sb->uuid, 0, 16) || !memchr_inv(sb->user_uuid, 0, 16)) {
		bce_text_printf(why, "%s uuid is all zero",
				memchr_inv(sb->uuid, 0, 16) ? "external" : "internal");
		return -EINVAL;
	}
	if (!sb->nr_devices || sb->nr_devices > BCH_MEMBERS_MAX) {
		bce_text_printf(why, "%u member slots, expected 1 to %u", sb->nr_devices,
				BCH_MEMBERS_MAX);
		return -EINVAL;
	}
	if (sb->dev_idx >= sb->nr_devices) {
		bce_text_printf(why, "is member %u of %u", sb->dev_idx, sb->nr_devices);
		return -EINVAL;
	}
	return 0;
}

static int header_check(const struct bch_sb *sb, struct text_buf *why)
{
	unsigned int block = le16_to_cpu(sb->block_size);
	u32 precision = le32_to_cpu(sb->time_precision);
	int ret;

	ret = features_check(sb, why);
	if (!ret)
		ret = identity_check(sb, why);
	if (ret)
		return ret;
	if (!is_power_of_2(block) || block * SECTOR_BYTES > PAGE_SIZE) {
		bce_text_printf(why, "block size of %u sectors, expected a power of two up to %lu",
				block, (unsigned long)PAGE_SIZE / SECTOR_BYTES);
		return -EINVAL;
	}
	if (!precision || precision > TIME_PRECISION_MAX) {
		bce_text_printf(why, "time precision of %u ns, expected 1 to %u", precision,
				TIME_PRECISION_MAX);
		return -EINVAL;
	}
	return sb_options_check(sb, why);
}

/* The device must hold all buckets of its member record. */
static int capacity_check(const struct bch_sb *sb, u64 device_sectors, struct text_buf *why)
{
	struct member_info m;

	bce_sb_member(sb, sb->dev_idx, &m);
	if (!m.exists || m.nbuckets * m.bucket_sectors <= device_sectors)
		return 0;
	bce_text_printf(why, "device has %llu sectors, member %u needs %llu",
			(unsigned long long)device_sectors, sb->dev_idx,
			(unsigned long long)(m.nbuckets * m.bucket_sectors));
	return -EINVAL;
}

/* @image must be aligned to 8 bytes. @device_sectors 0: the capacity is not checked. */
int bce_sb_validate(const void *image, size_t bytes, u64 device_sectors, struct text_buf *why)
{
	const struct bch_sb *sb = image;
	int ret;

	ret = sb_envelope_check(sb, bytes, why);
	if (!ret)
		ret = header_check(sb, why);
	if (!ret)
		ret = sb_layout_check(&sb->layout, why);
	if (!ret)
		ret = sb_fields_check(sb, why);
	if (!ret && device_sectors)
		ret = capacity_check(sb, device_sectors, why);
	return ret;
}
