// SPDX-License-Identifier: GPL-2.0
/*
 * Node images as they are written (docs/format/50-btree.md, 6.1 to 6.6): whatever is built is parsed
 * back, with every checksum type and block size; the same bytes as an image put together by hand;
 * exact capacities.
 */
#include "engine/btree/node_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "btree_image.h"
#include "btree_set.h"
#include "engine/btree/node_parse.h"
#include "engine/format/ids.h"
#include "engine/util/csum.h"
#include "random.h"

#define BTREE		BTREE_ID_xattrs
#define SNAP		100
#define MAX_KEYS	4000
#define SEQ		0xfeedfacecafef00dULL

static const u8 master_key[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

struct world {
	struct btree_set	set;
	struct bce_cipher	*cipher;
	u8			*data;		/* the node as on disk */
	u32			written;
	struct key_format	format;
	struct keyset_input	*runs;
};

static void world_init(struct world *w, unsigned int csum_type, u32 node_sectors, u32 block_sectors)
{
	struct image_geometry geo = small_nodes;

	memset(w, 0, sizeof(*w));
	w->cipher = bce_cipher_alloc(master_key);
	geo.csum_type = csum_type;
	geo.node_sectors = node_sectors;
	geo.block_sectors = block_sectors;
	geo.cipher = bce_csum_type_is_mac(csum_type) ? w->cipher : NULL;
	set_init(&w->set, &geo, 1);
	w->data = calloc(node_sectors, 512);
	w->runs = calloc(bce_node_runs_max(&w->set.config), sizeof(*w->runs));
}

static void world_exit(struct world *w)
{
	free(w->runs);
	free(w->data);
	set_exit(&w->set);
	bce_cipher_free(w->cipher);
}

static const struct bpos node_min = { .inode = 1, .offset = 5 };
static const struct bpos node_max = { .inode = 1, .offset = 1 << 30, .snapshot = SNAP };

static void choose_format(struct world *w, const struct bkey *keys, unsigned int nr)
{
	struct key_format_stats stats;
	unsigned int i;

	bce_key_format_stats_init(&stats);
	bce_key_format_stats_add_pos(&stats, node_min);
	bce_key_format_stats_add_pos(&stats, node_max);
	for (i = 0; i < nr; i++)
		bce_key_format_stats_add(&stats, &keys[i]);
	w->format = bce_key_format_choose(&stats);
}

static struct node_head head_of(struct world *w)
{
	return (struct node_head) {
		.btree_id = BTREE, .min = node_min, .max = node_max, .seq = SEQ, .node_seq = 7,
		.format = &w->format,
	};
}

static void add_keys(struct node_build *nb, const struct bkey *keys, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		assert_true(bce_node_build_key(nb, &keys[i]));
}

static void write_new(struct world *w, const struct bkey *keys, unsigned int nr)
{
	struct node_head head = head_of(w);
	struct node_build nb;

	memset(w->data, 0xa5, w->set.config.node_sectors * 512);
	bce_node_build_new(&nb, &w->set.config, w->set.image.geo.csum_type, w->data, &head);
	add_keys(&nb, keys, nr);
	assert_int_equal(bce_node_build_end(&nb, &w->written), 0);
}

static void append(struct world *w, const struct bkey *keys, unsigned int nr, u64 journal_seq)
{
	struct node_tail tail = {
		.seq = SEQ, .written_sectors = w->written, .journal_seq = journal_seq,
		.format = &w->format,
	};
	struct node_build nb;
	u32 sectors;

	bce_node_build_append(&nb, &w->set.config, w->set.image.geo.csum_type,
			      w->data + w->written * 512, &tail);
	add_keys(&nb, keys, nr);
	assert_int_equal(bce_node_build_end(&nb, &sectors), 0);
	w->written += sectors;
}

/* parse a copy of what was written */
static void parse(struct world *w, struct node_image *image)
{
	struct node_expect expect = {
		.btree_id = BTREE, .min = node_min, .max = node_max, .seq = SEQ,
		.sectors_written = w->written, .v2 = true, .min_known = true,
	};
	size_t bytes = w->set.config.node_sectors * 512;

	*image = (struct node_image) { .data = malloc(bytes), .bytes = bytes, .runs = w->runs };
	memcpy(image->data, w->data, bytes);
	assert_int_equal(bce_node_parse(image, &w->set.config, &expect, "dev"), 0);
	assert_int_equal(bce_log_errors_total(w->set.log), 0);
}

static void expect_run(const struct node_image *image, unsigned int run, const struct bkey *keys,
		       unsigned int nr)
{
	const u64 *at = (const u64 *)image->runs[run].start;
	unsigned int i;
	struct bkey k;

	for (i = 0; i < nr; i++) {
		bce_key_unpack(&image->format, (const struct disk_key *)at, &k);
		assert_int_equal(bpos_cmp(k.p, keys[i].p), 0);
		assert_int_equal(k.type, keys[i].type);
		assert_int_equal(k.val_u64s, keys[i].val_u64s);
		if (k.val_u64s)
			assert_memory_equal(k.v, keys[i].v, bkey_val_bytes(&k));
		at += ((const struct disk_key *)at)->u64s;
	}
	assert_ptr_equal(at, image->runs[run].end);
}

static const u64 values[8] = { 11, 22, 33, 44, 55, 66, 77, 88 };

/* ascending keys, now and then one that no format made for the others holds, or a deleted one */
static unsigned int random_keys(struct bkey *keys, unsigned int max_u64s, bool deleted)
{
	u64 offset = 10 + rnd() % 50;
	unsigned int nr = 0, u64s = 0;

	while (u64s + BKEY_U64S + 8 <= max_u64s && nr < MAX_KEYS) {
		struct bkey *k = &keys[nr++];

		*k = (struct bkey) {
			.p = SPOS(1, offset, SNAP - rnd() % 3), .type = KEY_TYPE_cookie,
			.val_u64s = 1 + rnd() % 8, .v = values,
		};
		if (rnd() % 16 == 0)
			k->version.lo = rnd();
		if (deleted && rnd() % 4 == 0)
			*k = (struct bkey) { .p = k->p, .type = KEY_TYPE_deleted };
		u64s += BKEY_U64S + k->val_u64s;
		offset += 1 + rnd() % 1000;
	}
	return nr;
}

static void round_trip(unsigned int csum_type, u32 node_sectors, u32 block_sectors)
{
	static struct bkey keys[4][MAX_KEYS];
	unsigned int nr[4], i, quarter;
	struct node_image image;
	struct world w;

	world_init(&w, csum_type, node_sectors, block_sectors);
	quarter = max(node_sectors / 4 / block_sectors, 1U) * block_sectors * 64 - 20;
	nr[0] = random_keys(keys[0], quarter, false);
	choose_format(&w, keys[0], nr[0] / 2);
	write_new(&w, keys[0], nr[0]);
	for (i = 1; i < 4; i++) {
		nr[i] = random_keys(keys[i], 14 + rnd() % (quarter - 13), true);
		if (w.written + DIV_ROUND_UP(5 + quarter, 64 * block_sectors) * block_sectors >
		    node_sectors || !nr[i])
			break;
		append(&w, keys[i], nr[i], 1000 + i);
	}
	if (block_sectors < node_sectors)
		assert_true(i > 1);
	parse(&w, &image);
	assert_int_equal(image.nr_runs, (nr[0] > 0) + i - 1);
	if (nr[0])
		while (i--)
			expect_run(&image, i, keys[i], nr[i]);
	free(image.data);
	world_exit(&w);
}

static void all_checksums(void **state)
{
	static const u32 blocks[] = { 1, 2, 4, 8 };
	unsigned int type, i, n;

	for (type = 0; type <= 7; type++)
		for (i = 0; i < ARRAY_SIZE(blocks); i++)
			for (n = 0; n < 3; n++)
				round_trip(type, n == 2 ? 512 : 8 << n, blocks[i]);
}

static void empty_node(void **state)
{
	struct node_image image;
	struct world w;

	world_init(&w, BCH_CSUM_crc32c_nonzero, 8, 1);
	choose_format(&w, NULL, 0);
	write_new(&w, NULL, 0);
	assert_int_equal(w.written, 1);
	parse(&w, &image);
	assert_int_equal(image.nr_runs, 0);
	free(image.data);
	world_exit(&w);
}

/* the builder of the reading tests makes the same bytes (it knows no node sequence) */
static void same_as_by_hand(unsigned int csum_type)
{
	static struct bkey keys[2][MAX_KEYS];
	struct image_node node;
	unsigned int nr[2];
	struct world w;

	world_init(&w, csum_type, 64, 1);
	nr[0] = random_keys(keys[0], 1000, false);
	nr[1] = random_keys(keys[1], 300, true);
	choose_format(&w, keys[0], nr[0]);
	write_new(&w, keys[0], nr[0]);
	append(&w, keys[1], nr[1], 77);

	image_node_init(&w.set.image, &node, BTREE, 0, node_min, node_max, &w.format);
	node.seq = SEQ;
	((struct btree_node_disk *)node.data)->flags |= cpu_to_le64(7ULL << 32);
	image_node_bset(&w.set.image, &node, keys[0], nr[0], 0);
	image_node_bset(&w.set.image, &node, keys[1], nr[1], 77);
	image_node_seal(&w.set.image, &node);
	assert_int_equal(w.written, node.written);
	assert_memory_equal(w.data, node.data, w.written * 512);
	image_node_exit(&node);
	world_exit(&w);
}

static void by_hand(void **state)
{
	unsigned int type;

	for (type = 0; type <= 7; type++)
		same_as_by_hand(type);
}

/* a node full to the last word that may be used */
static void capacities(void **state)
{
	struct node_build nb;
	struct node_image image;
	struct node_head head;
	struct world w;
	struct bkey k = { .p = SPOS(1, 10, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1,
			  .v = values };
	unsigned int nr = 0;

	world_init(&w, BCH_CSUM_crc64, 8, 1);
	assert_int_equal(bce_node_capacity_u64s(&w.set.config), (4096 - 160) / 8 - 1);
	assert_int_equal(bce_bset_capacity_u64s(&w.set.config, 7), (512 - 40) / 8 - 1);
	assert_int_equal(bce_bset_capacity_u64s(&w.set.config, 8), 0);
	assert_int_equal(bce_bset_capacity_u64s(&w.set.config, 0), 0);
	choose_format(&w, &k, 1);
	assert_int_equal(w.format.key_u64s, 1);
	head = head_of(&w);
	bce_node_build_new(&nb, &w.set.config, BCH_CSUM_crc64, w.data, &head);
	while (bce_node_build_key(&nb, &k)) {
		nr++;
		k.p.offset++;
	}
	assert_int_equal(nr, bce_node_capacity_u64s(&w.set.config) / 2);
	assert_int_equal(bce_node_build_end(&nb, &w.written), 0);
	assert_int_equal(w.written, 8);
	parse(&w, &image);
	free(image.data);
	world_exit(&w);
}

/* pointers: the hint never reaches the disk */
static void no_hints(void **state)
{
	u64 ptr[6] = { 0xdeadbeef, 5, 8, 0, 0, 1 | 4096 << 4 };
	struct bkey k = { .p = SPOS(1, 100, SNAP), .type = KEY_TYPE_btree_ptr_v2, .val_u64s = 6,
			  .v = ptr };
	struct world w;

	world_init(&w, BCH_CSUM_none, 8, 1);
	choose_format(&w, &k, 1);
	write_new(&w, &k, 1);
	append(&w, &k, 1, 3);
	assert_null(memmem(w.data, w.written * 512, ptr, 8));
	assert_non_null(memmem(w.data, w.written * 512, ptr + 1, 40));
	world_exit(&w);
}

static void no_key(void **state)
{
	struct node_head head;
	struct node_build nb;
	struct world w;
	u32 sectors;

	world_init(&w, BCH_CSUM_crc32c, 8, 1);
	choose_format(&w, NULL, 0);
	head = head_of(&w);
	bce_node_build_new(&nb, &w.set.config, BCH_CSUM_chacha20_poly1305_128, w.data, &head);
	assert_int_equal(bce_node_build_end(&nb, &sectors), -ENOKEY);
	world_exit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_checksums),
		cmocka_unit_test(empty_node),
		cmocka_unit_test(by_hand),
		cmocka_unit_test(capacities),
		cmocka_unit_test(no_hints),
		cmocka_unit_test(no_key),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
