// SPDX-License-Identifier: GPL-2.0
/*
 * The part of a set that btrees need, over an image in memory: one member, or several that all
 * show the same image, so that replicas can be made to fail one by one.
 */
#include "btree_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/err.h>

#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "kapi/kapi.h"
#include "require.h"

const struct image_geometry small_nodes = {
	.uuid_word = 0x0123456789abcdefULL,
	.node_sectors = 8,
	.block_sectors = 1,
	.csum_type = BCH_CSUM_crc32c_nonzero,
};

static void print_line(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "%d (error %d): %s\n", level, error_id, line);
}

void set_init(struct btree_set *s, const struct image_geometry *geo, unsigned int nr_devs)
{
	*s = (struct btree_set) { .nr_devs = nr_devs };
	image_init(&s->image, geo);
	s->members = bce_members_alloc();
	s->replay = calloc(1, sizeof(*s->replay));
	s->log = bce_log_alloc("test");
	require(s->members && s->replay && s->log);
	bce_log_set_print(s->log, print_line, NULL);
	s->rules = (struct key_rules) {
		.btree_node_sectors = geo->node_sectors,
		.block_sectors = geo->block_sectors,
		.encoded_extent_max_sectors = 128,
	};
	s->config = (struct btrees_config) {
		.uuid_word = geo->uuid_word,
		.version = BCH_VERSION_CURRENT,
		.version_min = BCH_VERSION_CURRENT,
		.node_sectors = geo->node_sectors,
		.block_sectors = geo->block_sectors,
		.members = s->members,
		.cipher = geo->cipher,
		.rules = &s->rules,
		.replay = s->replay,
		.log = s->log,
	};
}

static void attach(struct btree_set *s, unsigned int idx)
{
	struct member_info info = { .exists = true, .uuid = { idx + 1 } };
	char name[16];

	snprintf(name, sizeof(name), "dev%u", idx);
	s->bdev[idx] = kapi_bdev_from_fd(dup(s->image.fd), name, O_RDONLY);
	require(!IS_ERR(s->bdev[idx]));
	require(!bce_member_attach(s->members, idx, s->bdev[idx], &info, name, s));
}

void set_open(struct btree_set *s, size_t cache_bytes)
{
	unsigned int i;

	/* the device ends with a whole node */
	require(!ftruncate(s->image.fd, (s->image.next_sector + 1024) * 512));
	for (i = 0; i < s->nr_devs; i++)
		attach(s, i);
	s->config.cache_bytes = cache_bytes;
	require(!bce_btrees_open(&s->b, &s->config));
}

void set_close(struct btree_set *s)
{
	unsigned int i;

	bce_btrees_close(s->b);
	s->b = NULL;
	bce_members_detach(s->members, s);
	for (i = 0; i < s->nr_devs; i++)
		kapi_bdev_close(s->bdev[i]);
}

void set_exit(struct btree_set *s)
{
	if (s->b)
		set_close(s);
	bce_members_free(s->members);
	bce_log_free(s->log);
	free(s->replay);
	image_exit(&s->image);
}
