// SPDX-License-Identifier: GPL-2.0
#include "set_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bcachefs/check.h>

#include <linux/err.h>

#include "engine/format/ids.h"
#include "engine/format/sb.h"
#include "engine/sb/format.h"
#include "engine/util/text.h"
#include "kapi/kapi.h"
#include "require.h"
#include "set_io.h"

#define MIB	(1ULL << 20)

static u64 state;

static u64 below(u64 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state * 0x2545f4914f6cdd1dULL >> 16) % n;
}

#define PICK(...)	((u64[]) { __VA_ARGS__ })[below(sizeof((u64[]) { __VA_ARGS__ }) / sizeof(u64))]
#define PICK_TEXT(...)	((const char *[]) { __VA_ARGS__ })[below(sizeof((const char *[]) { __VA_ARGS__ }) / sizeof(char *))]

struct shape {
	struct sb_format_dev	dev[8];
	struct sb_format_option	option[16];
	char			text[16][24];
	unsigned int		nr_options;
	struct sb_format	f;
};

static void add_option(struct shape *s, const char *name, const char *value)
{
	snprintf(s->text[s->nr_options], sizeof(s->text[0]), "%s", value);
	s->option[s->nr_options] = (struct sb_format_option) { name, s->text[s->nr_options] };
	s->nr_options++;
}

static void add_number(struct shape *s, const char *name, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_option(s, name, text);
}

static void choose_shape(struct shape *s, struct set_image *image)
{
	u64 bucket = PICK(64, 128, 256, 512) << 10, node = PICK(4, 8, 16, 32, 64) << 10;
	u64 replicas, block = PICK(512, 1024, 4096, 4096), i;
	const char *compression = PICK_TEXT("none", "none", "lz4", "zstd:3", "gzip");
	const char *checksum = PICK_TEXT("none", "crc32c", "crc64", "xxhash");
	const char *metadata_checksum = PICK_TEXT("none", "crc32c", "crc64", "xxhash");
	const char *nocow = PICK_TEXT("0", "0", "1");

	if (node > bucket)
		node = bucket;
	if (node < 8 * block)
		node = 8 * block;
	image->nr = PICK(1, 1, 2, 3);
	replicas = 1 + below(image->nr);
	image->block_bytes = block;
	for (i = 0; i < image->nr; i++) {
		bce_sb_format_dev_init(&s->dev[i]);
		s->dev[i].sectors = (96 + below(64)) * MIB / 512;
		s->dev[i].logical_block_bytes = 512;
		s->dev[i].physical_block_bytes = 512;
		s->dev[i].bucket_bytes = bucket;
	}
	add_number(s, "block_size", block);
	add_number(s, "btree_node_size", node);
	add_number(s, "data_replicas", replicas);
	add_number(s, "metadata_replicas", 1 + below(replicas));
	add_option(s, "data_checksum", checksum);
	add_option(s, "metadata_checksum", metadata_checksum);
	add_option(s, "compression", compression);
	add_option(s, "str_hash", PICK_TEXT("crc32c", "crc64", "siphash"));
	add_option(s, "nocow", nocow);
	s->f = (struct sb_format) {
		.dev = s->dev, .nr_devs = image->nr, .option = s->option,
		.nr_options = s->nr_options, .sb_bytes = PICK(256, 1024) << 10,
	};
	snprintf(image->description, sizeof(image->description),
		 "%u members, bucket %llu, node %llu, block %llu, replicas %llu, checksums %s %s, compression %s, nocow %s",
		 image->nr, (unsigned long long)bucket, (unsigned long long)node,
		 (unsigned long long)block, (unsigned long long)replicas, checksum,
		 metadata_checksum, compression, nocow);
}

static int write_image(struct set_image *image, unsigned int i, const struct sb_format_dev *dev,
		       const struct sb_image *sb)
{
	struct block_device *bdev;
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/disk%u.img", image->dir, i);
	image->path[i] = strdup(path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, dev->sectors * 512))
		return -errno;
	close(fd);
	bdev = kapi_bdev_open(path, O_RDWR);
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	ret = bce_sb_format_write(bdev, path, sb);
	kapi_bdev_close(bdev);
	return ret;
}

int set_image_make(struct set_image *image, u64 seed)
{
	const char *tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image sb[8] = { };
	struct shape s = { };
	unsigned int i;
	int ret;

	memset(image, 0, sizeof(*image));
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	choose_shape(&s, image);
	snprintf(image->dir, sizeof(image->dir), "%s/bcachefs-set.XXXXXX", tmp);
	if (!mkdtemp(image->dir))
		return -1;
	ret = bce_sb_format_make(sb, &s.f, &why);
	if (ret)
		fprintf(stderr, "# format: %s\n", bce_text_str(&why));
	for (i = 0; !ret && i < image->nr; i++)
		ret = write_image(image, i, &s.dev[i], &sb[i]);
	for (i = 0; i < image->nr; i++)
		bce_sb_image_exit(&sb[i]);
	bce_text_exit(&why);
	return ret ? -1 : 0;
}

void set_image_remove(struct set_image *image)
{
	unsigned int i;

	for (i = 0; i < image->nr; i++) {
		if (image->path[i])
			unlink(image->path[i]);
		free(image->path[i]);
	}
	rmdir(image->dir);
}

void set_image_begin(struct set_image *image, u64 seed, struct test_set *t, struct bce_file_id *root)
{
	struct bce_subvolume subvol;
	char why[512];

	require(!set_image_make(image, seed));
	if (test_set_open(t, image->path, image->nr, true, why)) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	require(!bce_subvolume_read(t->set, BCE_ROOT_SUBVOL, &subvol));
	*root = (struct bce_file_id) { BCE_ROOT_SUBVOL, subvol.root_inum };
}

void set_image_end(struct set_image *image, struct test_set *t)
{
	if (t->set)
		test_set_close(t, true);
	set_image_remove(image);
}

u32 set_image_block_bytes(const char *path)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	struct text_buf why = TEXT_BUF_INIT;
	struct sb_image img;
	u32 bytes = 0;

	if (IS_ERR(bdev)) {
		fprintf(stderr, "%s: cannot be opened\n", path);
		return 0;
	}
	if (bce_sb_read(&img, bdev, 0, &why)) {
		fprintf(stderr, "%s: %s\n", path, bce_text_str(&why));
	} else {
		bytes = le16_to_cpu(img.sb->block_size) * 512;
		bce_sb_image_exit(&img);
	}
	bce_text_exit(&why);
	kapi_bdev_close(bdev);
	return bytes;
}

int set_image_check(struct bce_set *set)
{
	struct bce_check_opts opts = { };
	struct bce_check_result r;

	if (bce_set_check(set, &opts, &r))
		return -1;
	if (r.inum_mismatches)
		fprintf(stderr, "# counters of %llu inodes are wrong\n",
			(unsigned long long)r.inum_mismatches);
	return r.findings || r.unreadable_nodes || r.inum_mismatches ? -1 : 0;
}
