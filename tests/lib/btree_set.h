/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_BTREE_SET_H
#define TESTS_BTREE_SET_H

#include "btree_image.h"
#include "engine/btree/btrees.h"

/*
 * A set of one device, or several that show the same image, as far as btrees need one: members,
 * roots, rules, log. The log is silent and counts; with the environment VERBOSE it prints.
 */
struct btree_set {
	struct btree_image		image;
	struct member_table		*members;
	struct block_device		*bdev[4];
	unsigned int			nr_devs;
	struct journal_replay		*replay;
	struct key_rules		rules;
	struct bce_log			*log;
	struct btrees_config		config;
	struct btrees			*b;
};

void set_init(struct btree_set *s, const struct image_geometry *geo, unsigned int nr_devs);
/* open the btrees over what has been written to the image; may be called again after set_close() */
void set_open(struct btree_set *s, size_t cache_bytes);
void set_close(struct btree_set *s);
void set_exit(struct btree_set *s);

/* a geometry of small nodes: 4 KiB, blocks of 512 bytes, crc32c */
extern const struct image_geometry small_nodes;

#endif
