// SPDX-License-Identifier: GPL-2.0
/*
 * Making the superblocks of a new set.
 *
 *   blocks, buckets, nodes      chosen from the devices where nobody said
 *   common part                 header, default options, members, labels, the options asked for,
 *                               crypt: made by the same editors that change a superblock later
 *   image per device            its index and layout
 *
 * Sizes depend on each other in one direction only:
 *
 *   block   <- largest physical block of the devices
 *   bucket  <- device, block, node if it was given; all that nobody gave are equal
 *   node    <- smallest bucket
 *
 * Options that name targets are read after the labels are there.
 *
 * Each image is checked by the rules that every superblock must follow before anything is written.
 *
 * Source: docs/format/00-overview.md, section 8; 10-superblock.md, sections 1, 3, 4, 9.
 */
#include "engine/sb/format.h"

#include <linux/bitops.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/version.h"
#include "engine/sb/bdev_write.h"
#include "engine/sb/write_internal.h"
#include "engine/util/csum.h"
#include "kc/kc.h"

#define NODE_BYTES_USUAL	(256U << 10)
#define NODE_BLOCKS_MIN		8U
#define BUCKET_BYTES_USUAL	(128U << 10)
#define BUCKET_BYTES_MAX	(65535ULL * SECTOR_BYTES)	/* 16 bits of sectors */
#define DATA_ALLOWED_USUAL \
	(BIT(BCH_DATA_journal) | BIT(BCH_DATA_btree) | BIT(BCH_DATA_user))

/* options whose default is not 0: 10-superblock.md, section 4 */
static const struct {
	const char	*name;
	u64		value;
} defaults[] = {
	{ "errors", 1 },
	{ "metadata_replicas", 1 },
	{ "data_replicas", 1 },
	{ "metadata_replicas_required", 1 },
	{ "data_replicas_required", 1 },
	{ "encoded_extent_max", 65536 },
	{ "metadata_checksum", BCH_CSUM_OPT_crc32c },
	{ "data_checksum", BCH_CSUM_OPT_crc32c },
	{ "str_hash", 2 },
	{ "inodes_32bit", 1 },
	{ "shard_inode_numbers", 1 },
	{ "inodes_use_key_cache", 1 },
	{ "gc_reserve_percent", 8 },
	{ "promote_whole_extents", 1 },
	{ "acl", 1 },
	{ "journal_flush_delay", 1000 },
	{ "journal_reclaim_delay", 100 },
	{ "journal_transaction_names", 1 },
	{ "allocator_stuck_timeout", 30 },
};

/* sizes of the set and of each device */
struct geometry {
	u32	block_bytes;
	u64	node_bytes;
	u64	sb_sectors;
	u64	bucket_bytes[BCH_MEMBERS_MAX];
	u64	sectors[BCH_MEMBERS_MAX];	/* that are used */
};

void bce_sb_format_dev_init(struct sb_format_dev *dev)
{
	*dev = (struct sb_format_dev) {
		.logical_block_bytes = SECTOR_BYTES,
		.physical_block_bytes = SECTOR_BYTES,
		.durability = 1,
		.data_allowed = DATA_ALLOWED_USUAL,
	};
}

/* ---- sizes ---- */

/* a size option if it was given, else 0 */
static int option_given(const struct sb_format *f, const char *name, u64 *value,
			struct text_buf *why)
{
	const struct sb_option_desc *desc = bce_sb_option_by_name(name);
	unsigned int i;
	int ret = 0;

	*value = 0;
	for (i = 0; i < f->nr_options && !ret; i++)
		if (!strcmp(f->option[i].name, name))
			ret = bce_sb_option_parse(NULL, desc, f->option[i].value, NULL, value, why);
	return ret;
}

static int block_choose(struct geometry *g, const struct sb_format *f, struct text_buf *why)
{
	u64 bytes;
	unsigned int i;
	int ret = option_given(f, "block_size", &bytes, why);

	if (ret)
		return ret;
	g->block_bytes = bytes ?: SECTOR_BYTES;
	for (i = 0; i < f->nr_devs && !bytes; i++)
		g->block_bytes = max(g->block_bytes, f->dev[i].physical_block_bytes);
	if (!bytes)
		g->block_bytes = min_t(u32, g->block_bytes, PAGE_SIZE);
	if (g->block_bytes > PAGE_SIZE) {
		bce_text_printf(why, "option block_size: at most %lu can be used on this machine",
				(unsigned long)PAGE_SIZE);
		return -EINVAL;
	}
	for (i = 0; i < f->nr_devs; i++)
		if (g->block_bytes < f->dev[i].logical_block_bytes) {
			bce_text_printf(why,
					"%s: has blocks of %u bytes, the set cannot have smaller ones (%u)",
					f->dev[i].name, f->dev[i].logical_block_bytes,
					g->block_bytes);
			return -EINVAL;
		}
	return 0;
}

/* the size that fits this device best: 00-overview.md, section 8 */
static u64 bucket_choose(u64 device_bytes, u64 least)
{
	u64 usual = BUCKET_BYTES_USUAL, fits = BCH_MIN_NR_BUCKETS * usual, scale = 1, bucket;

	if (device_bytes < fits)
		return least;
	if (device_bytes / fits > 1)
		scale = max(1, ilog2(device_bytes / fits) / 4);
	bucket = max(least, min_t(u64, usual * rounddown_pow_of_two(scale), 1U << 20));
	while (device_bytes / bucket > BCH_MAX_NR_BUCKETS)
		bucket *= 2;
	return bucket;
}

static int bucket_check(const struct geometry *g, const struct sb_format_dev *dev,
			unsigned int idx, struct text_buf *why)
{
	u64 bucket = g->bucket_bytes[idx], least = max_t(u64, g->block_bytes, g->node_bytes);
	u64 nbuckets;

	if (bucket < least || bucket > BUCKET_BYTES_MAX || bucket % g->block_bytes) {
		bce_text_printf(why,
				"%s: bucket of %llu bytes: whole blocks of %u, at least one btree node (%llu bytes), at most %llu bytes",
				dev->name, (unsigned long long)bucket, g->block_bytes,
				(unsigned long long)g->node_bytes,
				(unsigned long long)BUCKET_BYTES_MAX);
		return -EINVAL;
	}
	nbuckets = g->sectors[idx] * SECTOR_BYTES / bucket;
	if (nbuckets < BCH_MIN_NR_BUCKETS) {
		bce_text_printf(why,
				"%s: too small: %llu buckets of %llu bytes, at least %u are needed; smaller buckets need smaller btree nodes",
				dev->name, (unsigned long long)nbuckets,
				(unsigned long long)bucket, BCH_MIN_NR_BUCKETS);
		return -ENOSPC;
	}
	if (nbuckets > BCH_MAX_NR_BUCKETS) {
		bce_text_printf(why, "%s: %llu buckets, at most %llu: make them larger", dev->name,
				(unsigned long long)nbuckets,
				(unsigned long long)BCH_MAX_NR_BUCKETS);
		return -EINVAL;
	}
	return 0;
}

static int device_size(struct geometry *g, const struct sb_format_dev *dev, unsigned int idx,
		       struct text_buf *why)
{
	g->sectors[idx] = dev->sectors;
	if (!dev->fs_bytes)
		return 0;
	if (dev->fs_bytes / SECTOR_BYTES > dev->sectors) {
		bce_text_printf(why, "%s: has %llu bytes, not %llu", dev->name,
				(unsigned long long)dev->sectors * SECTOR_BYTES,
				(unsigned long long)dev->fs_bytes);
		return -EINVAL;
	}
	g->sectors[idx] = dev->fs_bytes / SECTOR_BYTES;
	return 0;
}

/* In nodes of four blocks neither we nor the in-tree driver (which panics) find room to go on. */
static int node_check(const struct geometry *g, struct text_buf *why)
{
	u64 least = NODE_BLOCKS_MIN * g->block_bytes;

	if (g->node_bytes >= least)
		return 0;
	bce_text_printf(why, "btree nodes of %llu bytes: at least %u blocks of %u, %llu bytes, are needed; make nodes and buckets larger, or blocks smaller",
			(unsigned long long)g->node_bytes, NODE_BLOCKS_MIN, g->block_bytes, (unsigned long long)least);
	return -EINVAL;
}

static int geometry_choose(struct geometry *g, const struct sb_format *f, struct text_buf *why)
{
	u64 least, chosen = U64_MAX, smallest = NODE_BYTES_USUAL;
	unsigned int i;
	int ret = block_choose(g, f, why);

	if (!ret)
		ret = option_given(f, "btree_node_size", &g->node_bytes, why);
	least = g->node_bytes ?: (u64)NODE_BLOCKS_MIN * g->block_bytes;
	for (i = 0; i < f->nr_devs && !ret; i++) {
		ret = device_size(g, &f->dev[i], i, why);
		if (!f->dev[i].bucket_bytes)
			chosen = min(chosen, bucket_choose(g->sectors[i] * SECTOR_BYTES, least));
	}
	for (i = 0; i < f->nr_devs; i++) {
		g->bucket_bytes[i] = f->dev[i].bucket_bytes ?: chosen;
		smallest = min(smallest, g->bucket_bytes[i]);
	}
	/* a node is a power of two, which a given bucket need not be */
	if (!g->node_bytes)
		g->node_bytes = rounddown_pow_of_two(max_t(u64, smallest, SECTOR_BYTES));
	if (!ret)
		ret = node_check(g, why);
	for (i = 0; i < f->nr_devs && !ret; i++)
		ret = bucket_check(g, &f->dev[i], i, why);
	return ret;
}

/* ---- layout ---- */

static int sb_size_choose(struct geometry *g, const struct sb_format *f, struct text_buf *why)
{
	u64 bytes = f->sb_bytes ?: SB_FORMAT_SB_BYTES;

	if (!is_power_of_2(bytes) || bytes < SB_FORMAT_SB_BYTES_MIN ||
	    bytes > SB_FORMAT_SB_BYTES_MAX) {
		bce_text_printf(why, "superblock size: a power of two from %u to %u bytes",
				SB_FORMAT_SB_BYTES_MIN, SB_FORMAT_SB_BYTES_MAX);
		return -EINVAL;
	}
	g->sb_sectors = bytes / SECTOR_BYTES;
	return 0;
}

/* three copies: at the start, after it, and near the end: 10-superblock.md, section 1 */
static int layout_make(struct bch_sb_layout *l, const struct geometry *g,
		       const struct sb_format_dev *dev, unsigned int idx, struct text_buf *why)
{
	static const u8 magic[16] = BCHFS_MAGIC_BYTES;
	u64 bucket = g->bucket_bytes[idx] / SECTOR_BYTES;
	u64 second = round_up(BCH_SB_SECTOR + g->sb_sectors, g->block_bytes / SECTOR_BYTES);
	u64 last = g->sectors[idx] > g->sb_sectors ?
			(g->sectors[idx] - g->sb_sectors) / bucket * bucket : 0;

	if (last < second + g->sb_sectors) {
		bce_text_printf(why,
				"%s: too small for three superblocks of %llu bytes: ask for smaller ones",
				dev->name, (unsigned long long)g->sb_sectors * SECTOR_BYTES);
		return -ENOSPC;
	}
	memset(l, 0, sizeof(*l));
	memcpy(l->magic, magic, sizeof(magic));
	l->sb_max_size_bits = ilog2(g->sb_sectors);
	l->nr_superblocks = 3;
	l->sb_offset[0] = cpu_to_le64(BCH_SB_SECTOR);
	l->sb_offset[1] = cpu_to_le64(second);
	l->sb_offset[2] = cpu_to_le64(last);
	return 0;
}

/* ---- the common part ---- */

/* a random (version 4) UUID */
static void uuid_make(u8 uuid[16])
{
	get_random_bytes(uuid, 16);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

static int header_make(struct bch_sb *sb, const struct geometry *g, const struct sb_format *f,
		       struct text_buf *why)
{
	static const u8 magic[16] = BCHFS_MAGIC_BYTES;
	size_t label = f->label ? strlen(f->label) : 0;
	unsigned int i;

	if (label > BCH_SB_LABEL_BYTES) {
		bce_text_printf(why, "label \"%s\": at most %u bytes", f->label, BCH_SB_LABEL_BYTES);
		return -EINVAL;
	}
	memset(sb, 0, sizeof(*sb));
	sb->version = sb->version_min = cpu_to_le16(BCH_VERSION_CURRENT);
	memcpy(sb->magic, magic, sizeof(magic));
	uuid_make(sb->uuid);
	if (f->user_uuid)
		memcpy(sb->user_uuid, f->user_uuid, sizeof(sb->user_uuid));
	else
		uuid_make(sb->user_uuid);
	if (label)
		memcpy(sb->label, f->label, label);
	sb->time_base_lo = cpu_to_le64(ktime_get_real_ns());
	sb->time_precision = cpu_to_le32(1);
	sb->features[0] = cpu_to_le64(BCH_FEATURES_ALL);
	for (i = 0; i < ARRAY_SIZE(defaults); i++)
		bce_sb_option_set(sb, bce_sb_option_by_name(defaults[i].name), defaults[i].value);
	bce_sb_option_set(sb, bce_sb_option_by_name("block_size"), g->block_bytes);
	bce_sb_option_set(sb, bce_sb_option_by_name("btree_node_size"), g->node_bytes);
	return 0;
}

static int member_make(struct sb_writer *w, const struct geometry *g,
		       const struct sb_format_dev *dev, unsigned int idx, struct text_buf *why)
{
	struct member_info m = {
		.exists = true,
		.bucket_sectors = g->bucket_bytes[idx] / SECTOR_BYTES,
		.nbuckets = g->sectors[idx] * SECTOR_BYTES / g->bucket_bytes[idx],
		.state = MEMBER_RW,
		.discard = dev->discard,
		.data_allowed = dev->data_allowed,
		.durability = dev->durability,
	};
	int ret;

	if (dev->durability > BCE_SB_DURABILITY_MAX) {
		bce_text_printf(why, "%s: durability %u: at most %u can be stored", dev->name,
				dev->durability, BCE_SB_DURABILITY_MAX);
		return -EINVAL;
	}
	uuid_make(m.uuid);
	ret = bce_sb_member_set(w, idx, &m);
	if (!ret)
		ret = layout_make(&w->own[idx].layout, g, dev, idx, why);
	if (ret)
		return ret;
	w->own[idx].known = true;
	ret = bce_sb_label_set(w, idx, dev->label);
	if (ret)
		bce_text_printf(why, "%s: label \"%s\": %s", dev->name, dev->label,
				ret == -EINVAL ? "names of 1 to 32 bytes, with dots between them" :
						 "there is no room for it");
	return ret;
}

static int members_make(struct sb_writer *w, const struct geometry *g, const struct sb_format *f,
			struct text_buf *why)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < f->nr_devs && !ret; i++)
		ret = member_make(w, g, &f->dev[i], i, why);
	return ret;
}

static int options_set(struct sb_writer *w, const struct sb_format *f, struct text_buf *why)
{
	const char *names[BCH_MEMBERS_MAX] = { };
	const struct sb_option_desc *desc;
	unsigned int i;
	u64 value;
	int ret;

	for (i = 0; i < f->nr_devs; i++)
		names[i] = f->dev[i].name;
	for (i = 0; i < f->nr_options; i++) {
		desc = bce_sb_option_by_name(f->option[i].name);
		if (!desc) {
			bce_text_printf(why, "there is no option \"%s\"", f->option[i].name);
			return -EINVAL;
		}
		ret = bce_sb_option_parse(w->sb, desc, f->option[i].value, names, &value, why);
		if (ret)
			return ret;
		bce_sb_option_set(w->sb, desc, value);
	}
	return 0;
}

/* ---- encryption ---- */

static int crypt_make(struct sb_writer *w, const u8 *passphrase_key)
{
	struct bch_sb_field_crypt *c;
	struct bch_sb_field *f;

	f = bce_sb_field_resize(w, BCH_SB_FIELD_crypt, sizeof(*c) / 8);
	if (IS_ERR(f))
		return PTR_ERR(f);
	c = (void *)f;
	c->kdf_flags = cpu_to_le64(
		BITS_SET(BITS_SET(BITS_SET(0ULL, BCH_KDF_SCRYPT_N, SB_FORMAT_SCRYPT_N),
				  BCH_KDF_SCRYPT_R, SB_FORMAT_SCRYPT_R),
			 BCH_KDF_SCRYPT_P, SB_FORMAT_SCRYPT_P));
	c->key.magic = cpu_to_le64(BCH_KEY_MAGIC);
	get_random_bytes(c->key.key, sizeof(c->key.key));
	SB_FLAG_SET(w->sb, ENCRYPTION_TYPE, 1);
	return passphrase_key ? sb_key_wrap(w->sb, &c->key, passphrase_key) : 0;
}

/* ---- images ---- */

static int image_make(struct sb_image *out, const struct sb_writer *w,
		      const struct sb_format_dev *dev, unsigned int idx, struct text_buf *why)
{
	struct text_buf what = TEXT_BUF_INIT;
	int ret;

	*out = (struct sb_image) { .bytes = sb_image_bytes(w, idx) };
	out->sb = kvzalloc(out->bytes, GFP_KERNEL);
	if (!out->sb)
		return -ENOMEM;
	sb_image_make(w, idx, out->sb);
	ret = sb_image_seal(out->sb, BCH_SB_SECTOR);
	if (!ret)
		ret = bce_sb_validate(out->sb, out->bytes, dev->sectors, &what);
	if (ret)
		bce_text_printf(why, "%s: %s", dev->name, bce_text_str(&what));
	bce_text_exit(&what);
	return ret;
}

static int images_make(struct sb_image *out, const struct sb_writer *w, const struct sb_format *f,
		       struct text_buf *why)
{
	unsigned int i;
	int ret = 0;

	memset(out, 0, f->nr_devs * sizeof(*out));
	for (i = 0; i < f->nr_devs && !ret; i++)
		ret = image_make(&out[i], w, &f->dev[i], i, why);
	for (i = 0; i < f->nr_devs && ret; i++)
		bce_sb_image_exit(&out[i]);
	return ret;
}

static int make(struct sb_writer *w, struct sb_image *out, const struct geometry *g,
		const struct sb_format *f, struct text_buf *why)
{
	int ret = members_make(w, g, f, why);

	if (!ret)
		ret = options_set(w, f, why);
	if (!ret && f->encrypted)
		ret = crypt_make(w, f->passphrase_key);
	return ret ?: images_make(out, w, f, why);
}

int bce_sb_format_make(struct sb_image *out, const struct sb_format *f, struct text_buf *why)
{
	struct sb_writer *w = NULL;
	struct bce_log *log = NULL;
	struct geometry *g;
	struct bch_sb *head;
	int ret;

	if (!f->nr_devs || f->nr_devs > BCH_MEMBERS_MAX) {
		bce_text_printf(why, "a set has 1 to %u devices, not %u", BCH_MEMBERS_MAX,
				f->nr_devs);
		return -EINVAL;
	}
	g = kzalloc(sizeof(*g), GFP_KERNEL);
	head = kzalloc(sizeof(*head), GFP_KERNEL);
	log = bce_log_alloc("new set");
	ret = g && head && log ? sb_size_choose(g, f, why) : -ENOMEM;
	if (!ret)
		ret = geometry_choose(g, f, why);
	if (!ret)
		ret = header_make(head, g, f, why);
	if (!ret) {
		w = sb_writer_alloc(head, NULL, log);
		ret = w ? make(w, out, g, f, why) : -ENOMEM;
	}
	if (w)
		sb_writer_wipe(w);
	bce_sb_writer_close(w);
	bce_log_free(log);
	kfree(head);
	kfree(g);
	return ret;
}

/* ---- writing ---- */

/* sectors 0 to 15 all zero, or (@layout given) the layout where it belongs in 0 to 7 */
static int head_write(struct member_dev *m, const struct bch_sb_layout *layout)
{
	size_t bytes = layout ? BCH_SB_SECTOR * SECTOR_BYTES : 2 * BCH_SB_SECTOR * SECTOR_BYTES;
	u8 *buf = kvzalloc(bytes, GFP_KERNEL);
	int ret;

	if (!buf)
		return -ENOMEM;
	if (layout)
		memcpy(buf + BCH_SB_LAYOUT_SECTOR * SECTOR_BYTES, layout, sizeof(*layout));
	ret = bce_member_write_sync(m, 0, buf, bytes, REQ_PREFLUSH | REQ_FUA);
	kvfree(buf);
	return ret;
}

static int copy_write(struct member_dev *m, const struct sb_image *img, unsigned int copy)
{
	u64 sector = le64_to_cpu(img->sb->layout.sb_offset[copy]);
	size_t bytes = round_up(img->bytes, bdev_logical_block_size(m->bdev));
	struct bch_sb *buf = kvzalloc(bytes, GFP_KERNEL);
	int ret;

	if (!buf)
		return -ENOMEM;
	memcpy(buf, img->sb, img->bytes);
	ret = sb_image_seal(buf, sector);
	if (!ret)
		ret = bce_member_write_sync(m, sector, buf, bytes, REQ_FUA);
	memzero_explicit(buf, bytes);
	kvfree(buf);
	return ret;
}

/* the first copy is what makes it a member: it comes last, behind the layout */
static int write_all(struct member_dev *m, const struct sb_image *img)
{
	int ret = head_write(m, NULL), copy;

	for (copy = img->sb->layout.nr_superblocks - 1; copy > 0 && !ret; copy--)
		ret = copy_write(m, img, copy);
	if (!ret)
		ret = head_write(m, &img->sb->layout);
	if (!ret)
		ret = copy_write(m, img, 0);
	return ret;
}

/* no copy is found any more; the first one, and the way to the others, go first */
static int erase_all(struct member_dev *m, const struct sb_image *img)
{
	size_t bytes = round_up(img->bytes, bdev_logical_block_size(m->bdev));
	void *zeros = kvzalloc(bytes, GFP_KERNEL);
	int ret = zeros ? head_write(m, NULL) : -ENOMEM;

	for (int copy = 0; copy < img->sb->layout.nr_superblocks && !ret; copy++)
		ret = bce_member_write_sync(m, le64_to_cpu(img->sb->layout.sb_offset[copy]), zeros, bytes, REQ_FUA);
	kvfree(zeros);
	return ret;
}

static int with_member(struct block_device *bdev, const char *name, const struct sb_image *img,
		       int (*fn)(struct member_dev *m, const struct sb_image *img))
{
	struct member_table *t = bce_members_alloc();
	struct member_dev *dev;
	struct member_info m;
	int ret = -ENOMEM;

	if (!t)
		return ret;
	bce_sb_member(img->sb, img->sb->dev_idx, &m);
	ret = bce_member_attach(t, img->sb->dev_idx, bdev, &m, name, t);
	if (!ret) {
		dev = bce_member_get_io(t, img->sb->dev_idx);
		ret = fn(dev, img);
		bce_member_put_io(dev);
	}
	bce_members_free(t);
	return ret;
}

int bce_sb_format_write(struct block_device *bdev, const char *name, const struct sb_image *img)
{
	return with_member(bdev, name, img, write_all);
}

int bce_sb_format_erase(struct block_device *bdev, const char *name, const struct sb_image *img)
{
	return with_member(bdev, name, img, erase_all);
}
