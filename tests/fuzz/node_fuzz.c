// SPDX-License-Identifier: GPL-2.0
/*
 * Btree nodes with any contents: bce_node_parse(), and what a reader does with the keys after it.
 *
 * Input: 1 byte btree id, 1 byte level (low bits) and kind of pointer (high bits), then the node
 * from its first byte. Checksums are made right first, so that the walk goes on behind them;
 * structure and keys are the input's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "btree_set.h"
#include "engine/btree/node_parse.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/key/text.h"
#include "engine/util/csum.h"

#define NODE_SECTORS	8
#define NODE_BYTES	(NODE_SECTORS * 512)
#define UUID_WORD	0x0123456789abcdefULL

enum { POINTER_LEGACY = 0x80, POINTER_RANGE = 0x40 };

static const struct key_rules rules = {
	.btree_node_sectors = NODE_SECTORS, .block_sectors = 1, .encoded_extent_max_sectors = 128,
};

static const struct btrees_config config = {
	.uuid_word = UUID_WORD, .version = BCH_VERSION_CURRENT, .version_min = BCH_VERSION_MIN,
	.node_sectors = NODE_SECTORS, .block_sectors = 1, .rules = &rules,
};

/* Make the checksum of the bset at @sector right; the sectors it takes, 0 if it does not fit. */
static unsigned int fix_bset(uint8_t *node, unsigned int sector, uint64_t seq)
{
	uint8_t *head = node + sector * 512;
	struct bset *bset = sector ? &((struct btree_node_entry *)head)->keys :
		&((struct btree_node_disk *)head)->keys;
	size_t bytes = (uint8_t *)(bset->keys + le16_to_cpu(bset->u64s)) - head;
	struct bch_csum *csum = (struct bch_csum *)head;
	struct bce_csum found;

	if (bytes > NODE_BYTES - sector * 512)
		return 0;
	bset->seq = cpu_to_le64(seq);
	bset->flags &= cpu_to_le32(0xf);
	bset->version = cpu_to_le16(BCH_VERSION_CURRENT);
	if (bce_csum(BITS_GET(le32_to_cpu(bset->flags), BSET_CSUM_TYPE), NULL,
		     (struct bce_nonce) { }, head + sizeof(*csum), bytes - sizeof(*csum), &found))
		return 0;
	csum->lo = cpu_to_le64(found.lo);
	csum->hi = cpu_to_le64(found.hi);
	return (bytes + 511) / 512;
}

static struct bpos pos_of(const struct bpos_le *p)
{
	return SPOS(le64_to_cpu(p->inode), le64_to_cpu(p->offset), le32_to_cpu(p->snapshot));
}

static void expect_what_is_there(struct node_expect *e, uint8_t *node, uint8_t id, uint8_t kind)
{
	struct btree_node_disk *head = (struct btree_node_disk *)node;
	uint64_t flags = 0;
	unsigned int sector = 0, sectors;

	*e = (struct node_expect) {
		.btree_id = id % BTREE_ID_NR, .level = kind & 3, .seq = 0x5eed,
		.min = pos_of(&head->min_key), .max = pos_of(&head->max_key),
		.v2 = !(kind & POINTER_LEGACY), .min_known = true,
		.range_updated = kind & POINTER_RANGE,
	};
	flags = BITS_SET(flags, BTREE_NODE_ID_LOW, e->btree_id);
	flags = BITS_SET(flags, BTREE_NODE_ID_HIGH, e->btree_id >> BTREE_NODE_ID_LOW_BITS);
	flags = BITS_SET(flags, BTREE_NODE_LEVEL, e->level);
	flags = BITS_SET(flags, BTREE_NODE_NEW_EXTENT_OVERWRITE, 1);
	head->flags = cpu_to_le64(flags);
	head->magic = cpu_to_le64(UUID_WORD ^ BTREE_MAGIC_XOR);
	while (sector < NODE_SECTORS && (sectors = fix_bset(node, sector, e->seq)))
		sector += sectors;
	e->sectors_written = sector;
}

static void use_keys(const struct node_image *image, const struct node_expect *e)
{
	struct text_buf text = TEXT_BUF_INIT;
	struct keyset set;
	struct bkey k;
	u32 pos;

	if (bce_keyset_merge(&set, &image->format, image->runs, image->nr_runs))
		return;
	for (pos = 0; pos < set.nr_u64s; pos = keyset_next(&set, pos)) {
		bce_key_unpack(&set.format, keyset_at(&set, pos), &k);
		if (bce_keyset_lower_bound(&set, k.p) != pos)
			abort();
		bce_key_text(&text, &k, &rules);
		bce_text_reset(&text);
	}
	bce_text_exit(&text);
	bce_keyset_exit(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keyset_input runs[NODE_SECTORS];
	struct node_image image = { .bytes = NODE_BYTES, .runs = runs };
	struct node_expect expect;
	uint8_t *node;

	if (size < 2)
		return 0;
	node = calloc(1, NODE_BYTES);
	memcpy(node, data + 2, size - 2 < NODE_BYTES ? size - 2 : NODE_BYTES);
	expect_what_is_there(&expect, node, data[0], data[1]);
	image.data = node;
	if (!bce_node_parse(&image, &config, &expect, "fuzz"))
		use_keys(&image, &expect);
	free(node);
	return 0;
}
