// SPDX-License-Identifier: GPL-2.0
/*
 * Node images: every rule of docs/format/50-btree.md, 6.5 broken once, with the error it gives; all
 * checksum types; ranges changed by repair; legacy pointers.
 */
#include "engine/btree/node_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/errno.h>
#include <linux/slab.h>

#include "btree_image.h"
#include "btree_set.h"
#include "engine/format/ids.h"
#include "engine/format/version.h"
#include "engine/journal/journal_internal.h"
#include "engine/util/csum.h"

#define BTREE		BTREE_ID_xattrs
#define SNAP		100
#define KEYS_PER_BSET	4

/* a node with three bsets of keys at (1, 10 * n, SNAP), a pointer to it, what parsing gave */
struct world {
	struct btree_set	set;
	struct image_node	node;
	struct bkey		ptr;
	struct image_ptr	room;
	struct keyset_input	runs[IMAGE_BSETS_MAX];
	struct node_image	image;
	struct node_expect	expect;
};


static struct key_format real_format(void)
{
	struct key_format_stats stats;
	struct bkey k = { .p = SPOS(1, 1 << 20, SNAP), .type = KEY_TYPE_cookie };

	bce_key_format_stats_init(&stats);
	bce_key_format_stats_add_pos(&stats, POS_MIN);
	bce_key_format_stats_add(&stats, &k);
	return bce_key_format_choose(&stats);
}

static void add_bset(struct world *w, unsigned int first, unsigned int step, u64 journal_seq)
{
	static const u64 value[2] = { 7, 8 };
	struct bkey keys[KEYS_PER_BSET];
	unsigned int i;

	for (i = 0; i < KEYS_PER_BSET; i++)
		keys[i] = (struct bkey) {
			.p = SPOS(1, 10 * (first + i * step), SNAP),
			.type = KEY_TYPE_cookie, .val_u64s = 1 + i % 2, .v = value,
		};
	image_node_bset(&w->set.image, &w->node, keys, KEYS_PER_BSET, journal_seq);
}

static void world_init_geo(struct world *w, const struct image_geometry *geo)
{
	struct key_format format = real_format();

	memset(w, 0, sizeof(*w));
	set_init(&w->set, geo, 1);
	image_node_init(&w->set.image, &w->node, BTREE, 0, SPOS(1, 5, 0), SPOS(1, 1 << 20, SNAP),
			&format);
	add_bset(w, 1, 3, 0);
	add_bset(w, 2, 3, 20);
	add_bset(w, 3, 3, 21);
	image_node_ptr(&w->node, &w->ptr, &w->room);
}

static void world_init(struct world *w)
{
	world_init_geo(w, &small_nodes);
}

static int parse(struct world *w)
{
	w->image.data = w->node.data;
	w->image.bytes = (size_t)w->set.config.node_sectors * 512;
	w->image.runs = w->runs;
	return bce_node_parse(&w->image, &w->set.config, &w->expect, "dev0");
}

static int seal_and_parse(struct world *w)
{
	image_node_seal(&w->set.image, &w->node);
	bce_node_expect(&w->expect, BTREE, 0, &w->ptr);
	return parse(w);
}

static void world_exit(struct world *w)
{
	image_node_exit(&w->node);
	set_exit(&w->set);
}

static unsigned int count_keys(const struct world *w)
{
	unsigned int i, nr = 0;
	const u64 *k;

	for (i = 0; i < w->image.nr_runs; i++)
		for (k = (const u64 *)w->runs[i].start; k < (const u64 *)w->runs[i].end;
		     k += ((const struct disk_key *)k)->u64s)
			nr++;
	return nr;
}

static void expect_error(struct world *w, enum bce_error id)
{
	assert_int_equal(seal_and_parse(w), -EBADMSG);
	assert_int_equal(bce_log_error_count(w->set.log, id), 1);
	assert_int_equal(bce_log_errors_total(w->set.log), 1);
	world_exit(w);
}

static struct btree_node_disk *head(struct world *w)
{
	return (struct btree_node_disk *)w->node.data;
}

static struct bset *bset(struct world *w, unsigned int i)
{
	return image_node_bset_at(&w->node, i);
}

static struct disk_key *key(struct world *w, unsigned int i, unsigned int nr)
{
	u64 *k = (u64 *)bset(w, i)->keys;

	while (nr--)
		k += ((struct disk_key *)k)->u64s;
	return (struct disk_key *)k;
}

/* ---- good ones ---- */

static void good_node(void **state)
{
	struct world w;

	world_init(&w);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(w.image.nr_runs, 3);
	assert_int_equal(count_keys(&w), 3 * KEYS_PER_BSET);
	assert_int_equal(w.image.nr_dropped, 0);
	assert_int_equal(bpos_cmp(w.image.min, SPOS(1, 5, 0)), 0);
	assert_int_equal(bce_log_errors_total(w.set.log), 0);
	world_exit(&w);
}

static void all_csum_types(void **state)
{
	struct image_geometry geo = small_nodes;
	struct bce_cipher *cipher;
	u8 secret[32] = { 1, 2, 3 };
	struct world w;

	cipher = bce_cipher_alloc(secret);
	assert_non_null(cipher);
	geo.cipher = cipher;
	for (geo.csum_type = 0; geo.csum_type < BCH_CSUM_NR; geo.csum_type++) {
		world_init_geo(&w, &geo);
		assert_int_equal(seal_and_parse(&w), 0);
		assert_int_equal(count_keys(&w), 3 * KEYS_PER_BSET);
		world_exit(&w);
	}
	bce_cipher_free(cipher);
}

static void no_key_for_cipher(void **state)
{
	struct image_geometry geo = small_nodes;
	u8 secret[32] = { 9 };
	struct world w;

	geo.cipher = bce_cipher_alloc(secret);
	geo.csum_type = BCH_CSUM_chacha20_poly1305_128;
	world_init_geo(&w, &geo);
	w.set.config.cipher = NULL;
	assert_int_equal(seal_and_parse(&w), -ENOKEY);
	world_exit(&w);
	bce_cipher_free((struct bce_cipher *)geo.cipher);
}

/* any single flipped bit of a used byte is found, whatever it is */
static void flipped_bits(void **state)
{
	struct image_geometry geo = small_nodes;
	unsigned int i, end, missed = 0;
	u8 *copy = malloc(small_nodes.node_sectors * 512);
	struct world w;

	world_init(&w);
	image_node_seal(&w.set.image, &w.node);
	bce_node_expect(&w.expect, BTREE, 0, &w.ptr);
	memcpy(copy, w.node.data, geo.node_sectors * 512);
	end = w.node.written * 512;
	for (i = 0; i < end; i++) {
		unsigned int in_block = i % 512;

		w.node.data[i] ^= 1 << i % 8;
		if (!parse(&w) && in_block < 40)
			missed++;
		memcpy(w.node.data, copy, geo.node_sectors * 512);
	}
	assert_int_equal(missed, 0);
	free(copy);
	world_exit(&w);
}

static void shorter_limit_hides_later_bsets(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[2] = w.node.bset_sector[2];
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(w.image.nr_runs, 2);
	world_exit(&w);
}

static void range_updated_cuts(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[2] |= 1 << 16;		/* flag RANGE_UPDATED */
	w.ptr.p = SPOS(1, 60, SNAP);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(count_keys(&w), 6);
	assert_int_equal(bpos_cmp(w.image.max, w.ptr.p), 0);
	world_exit(&w);
}

static void legacy_pointer(void **state)
{
	struct world w;

	world_init(&w);
	image_ptr_legacy(&w.ptr, &w.room);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(count_keys(&w), 3 * KEYS_PER_BSET);
	world_exit(&w);
}

static void bad_value_is_left_out(void **state)
{
	struct world w;
	struct bkey bad = { .p = SPOS(1, 55, SNAP), .type = KEY_TYPE_inode_v3, .val_u64s = 0 };

	world_init(&w);
	image_node_bset(&w.set.image, &w.node, &bad, 1, 30);
	image_node_ptr(&w.node, &w.ptr, &w.room);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(w.image.nr_dropped, 1);
	assert_int_equal(count_keys(&w), 3 * KEYS_PER_BSET);
	assert_int_equal(bce_log_error_count(w.set.log, BCE_ERR_bkey_val_size_too_small), 1);
	world_exit(&w);
}

static void equal_positions_keep_the_later(void **state)
{
	static const u64 value[1] = { 3 };
	struct bkey twice[2] = {
		{ .p = SPOS(1, 55, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 0 },
		{ .p = SPOS(1, 55, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1, .v = value },
	};
	struct world w;

	twice[0].type = KEY_TYPE_deleted;
	world_init(&w);
	image_node_bset(&w.set.image, &w.node, twice, 2, 30);
	image_node_ptr(&w.node, &w.ptr, &w.room);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(w.image.nr_runs, 4);
	assert_int_equal(w.runs[3].start->type, KEY_TYPE_cookie);
	assert_int_equal((u64 *)w.runs[3].end - (u64 *)w.runs[3].start, w.runs[3].start->u64s);
	world_exit(&w);
}

/* ---- damaged ones ---- */

static void bad_magic(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->magic ^= 1;
	expect_error(&w, BCE_ERR_btree_node_bad_magic);
}

static void bad_seq(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[1] ^= 1;
	expect_error(&w, BCE_ERR_btree_node_bad_seq);
}

static void legacy_seq_zero(void **state)
{
	struct world w;

	world_init(&w);
	image_ptr_legacy(&w.ptr, &w.room);
	bset(&w, 0)->seq = 0;
	expect_error(&w, BCE_ERR_btree_node_bad_seq);
}

static void written_zero(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[2] = 0;
	expect_error(&w, BCE_ERR_btree_ptr_v2_written_0);
}

static void written_too_much(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[2] = small_nodes.node_sectors + 1;
	expect_error(&w, BCE_ERR_bset_past_end_of_btree_node);
}

static void unknown_version(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 1)->version = cpu_to_le16(BCH_VERSION(2, 0));
	expect_error(&w, BCE_ERR_btree_node_unsupported_version);
}

static void version_below_minimum(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 1)->version = cpu_to_le16(BCH_VERSION(1, 0));
	expect_error(&w, BCE_ERR_btree_node_bset_older_than_sb_min);
}

static void major_above_superblock(void **state)
{
	struct world w;

	world_init(&w);
	w.set.config.version = BCH_VERSION(0, 20);
	w.set.config.version_min = BCH_VERSION(0, 20);
	expect_error(&w, BCE_ERR_btree_node_bset_newer_than_sb);
}

static void big_endian(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 0)->flags |= cpu_to_le32(1 << BSET_BIG_ENDIAN_LO);
	expect_error(&w, BCE_ERR_btree_node_unsupported_version);
}

static void data_missing(void **state)
{
	struct world w;

	world_init(&w);
	w.room.v[2] += 1;
	expect_error(&w, BCE_ERR_btree_node_data_missing);
}

static void truncated_read(void **state)
{
	struct world w;

	world_init(&w);
	image_node_seal(&w.set.image, &w.node);
	bce_node_expect(&w.expect, BTREE, 0, &w.ptr);
	w.image = (struct node_image) { .data = w.node.data, .bytes = 600, .runs = w.runs };
	assert_int_equal(bce_node_parse(&w.image, &w.set.config, &w.expect, "dev0"), -EBADMSG);
	assert_int_equal(bce_log_error_count(w.set.log, BCE_ERR_btree_node_data_missing), 1);
	world_exit(&w);
}

static void legacy_bset_after_end(void **state)
{
	struct world w;
	struct bset *stray;

	world_init(&w);
	image_ptr_legacy(&w.ptr, &w.room);
	stray = &((struct btree_node_entry *)(w.node.data +
					      (small_nodes.node_sectors - 1) * 512))->keys;
	stray->seq = cpu_to_le64(w.node.seq);
	expect_error(&w, BCE_ERR_btree_node_bset_after_end);
}

static void unknown_csum(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 2)->flags |= cpu_to_le32(0xf);
	expect_error(&w, BCE_ERR_bset_unknown_csum);
}

static void bad_csum(void **state)
{
	struct world w;

	world_init(&w);
	image_node_seal(&w.set.image, &w.node);
	key(&w, 1, 1)->type ^= 1;
	bce_node_expect(&w.expect, BTREE, 0, &w.ptr);
	assert_int_equal(parse(&w), -EBADMSG);
	assert_int_equal(bce_log_error_count(w.set.log, BCE_ERR_bset_bad_csum), 1);
	world_exit(&w);
}

static void bset_past_end(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 2)->u64s = cpu_to_le16(0xffff);
	expect_error(&w, BCE_ERR_bset_past_end_of_btree_node);
}

static void wrong_offset(void **state)
{
	struct world w;

	world_init(&w);
	bset(&w, 1)->flags ^= cpu_to_le32(1 << 20);
	expect_error(&w, BCE_ERR_bset_wrong_sector_offset);
}

static void empty_bset(void **state)
{
	struct world w;

	world_init(&w);
	image_node_bset(&w.set.image, &w.node, NULL, 0, 40);
	image_node_ptr(&w.node, &w.ptr, &w.room);
	expect_error(&w, BCE_ERR_bset_empty);
}

static void bad_btree(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->flags ^= cpu_to_le64(1 << 9);
	expect_error(&w, BCE_ERR_btree_node_bad_btree);
}

static void bad_level(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->flags ^= cpu_to_le64(1 << 4);
	expect_error(&w, BCE_ERR_btree_node_bad_level);
}

static void bad_min(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->min_key.offset ^= cpu_to_le64(1);
	expect_error(&w, BCE_ERR_btree_node_bad_min_key);
}

static void bad_max(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->max_key.offset ^= cpu_to_le64(1);
	expect_error(&w, BCE_ERR_btree_node_bad_max_key);
}

static void bad_format(void **state)
{
	struct world w;

	world_init(&w);
	head(&w)->format.key_u64s++;
	expect_error(&w, BCE_ERR_btree_node_bad_format);
}

static void key_past_end(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, 1, KEYS_PER_BSET - 1)->u64s++;
	expect_error(&w, BCE_ERR_btree_node_bkey_past_bset_end);
}

static void key_bad_format_byte(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, 1, 1)->format = 2;
	expect_error(&w, BCE_ERR_btree_node_bkey_bad_format);
}

static void key_bad_u64s(void **state)
{
	struct world w;

	world_init(&w);
	key(&w, 1, 1)->u64s = 0;
	expect_error(&w, BCE_ERR_btree_node_bkey_bad_u64s);
}

static void out_of_order(void **state)
{
	static const u64 value[1] = { 3 };
	struct bkey keys[2] = {
		{ .p = SPOS(1, 60, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1, .v = value },
		{ .p = SPOS(1, 50, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1, .v = value },
	};
	struct world w;

	world_init(&w);
	image_node_bset(&w.set.image, &w.node, keys, 2, 30);
	image_node_ptr(&w.node, &w.ptr, &w.room);
	expect_error(&w, BCE_ERR_btree_node_bkey_out_of_order);
}

static void key_outside(struct bpos p, enum bce_error id)
{
	struct bkey k = { .p = p, .type = KEY_TYPE_deleted };
	struct world w;

	world_init(&w);
	image_node_bset(&w.set.image, &w.node, &k, 1, 30);
	image_node_ptr(&w.node, &w.ptr, &w.room);
	expect_error(&w, id);
}

static void key_before_start(void **state)
{
	key_outside(SPOS(1, 4, SNAP), BCE_ERR_bkey_before_start_of_btree_node);
}

static void key_after_end(void **state)
{
	key_outside(SPOS(2, 4, SNAP), BCE_ERR_bkey_after_end_of_btree_node);
}

/* ---- bsets ahead of the journal ---- */

static void blacklist(struct world *w, u64 seq)
{
	assert_int_equal(journal_blacklist_add(&w->set.replay->blacklist, seq, seq + 1), 0);
	journal_blacklist_sort(w->set.replay->blacklist);
}

static void world_init_blacklist(struct world *w, u64 seq)
{
	world_init(w);
	bset(w, 0)->journal_seq = cpu_to_le64(19);
	blacklist(w, seq);
}

static void free_blacklist(struct world *w)
{
	kvfree(w->set.replay->blacklist);
	w->set.replay->blacklist = NULL;
}

static void first_bset_blacklisted(void **state)
{
	struct world w;

	world_init_blacklist(&w, 19);
	assert_int_equal(seal_and_parse(&w), -EBADMSG);
	assert_int_equal(bce_log_error_count(w.set.log, BCE_ERR_bset_blacklisted_journal_seq), 1);
	free_blacklist(&w);
	world_exit(&w);
}

static void written_bset_blacklisted(void **state)
{
	struct world w;

	world_init_blacklist(&w, 21);
	assert_int_equal(seal_and_parse(&w), -EBADMSG);
	assert_int_equal(bce_log_error_count(w.set.log,
					     BCE_ERR_first_bset_blacklisted_journal_seq), 1);
	free_blacklist(&w);
	world_exit(&w);
}

static void legacy_blacklisted_is_passed_over(void **state)
{
	struct world w;

	world_init_blacklist(&w, 20);
	image_ptr_legacy(&w.ptr, &w.room);
	assert_int_equal(seal_and_parse(&w), 0);
	assert_int_equal(w.image.nr_runs, 2);
	assert_int_equal(bce_log_errors_total(w.set.log), 0);
	free_blacklist(&w);
	world_exit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_node),
		cmocka_unit_test(all_csum_types),
		cmocka_unit_test(no_key_for_cipher),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(shorter_limit_hides_later_bsets),
		cmocka_unit_test(range_updated_cuts),
		cmocka_unit_test(legacy_pointer),
		cmocka_unit_test(bad_value_is_left_out),
		cmocka_unit_test(equal_positions_keep_the_later),
		cmocka_unit_test(bad_magic),
		cmocka_unit_test(bad_seq),
		cmocka_unit_test(legacy_seq_zero),
		cmocka_unit_test(written_zero),
		cmocka_unit_test(written_too_much),
		cmocka_unit_test(unknown_version),
		cmocka_unit_test(version_below_minimum),
		cmocka_unit_test(major_above_superblock),
		cmocka_unit_test(big_endian),
		cmocka_unit_test(data_missing),
		cmocka_unit_test(truncated_read),
		cmocka_unit_test(legacy_bset_after_end),
		cmocka_unit_test(unknown_csum),
		cmocka_unit_test(bad_csum),
		cmocka_unit_test(bset_past_end),
		cmocka_unit_test(wrong_offset),
		cmocka_unit_test(empty_bset),
		cmocka_unit_test(bad_btree),
		cmocka_unit_test(bad_level),
		cmocka_unit_test(bad_min),
		cmocka_unit_test(bad_max),
		cmocka_unit_test(bad_format),
		cmocka_unit_test(key_past_end),
		cmocka_unit_test(key_bad_format_byte),
		cmocka_unit_test(key_bad_u64s),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(key_before_start),
		cmocka_unit_test(key_after_end),
		cmocka_unit_test(first_bset_blacklisted),
		cmocka_unit_test(written_bset_blacklisted),
		cmocka_unit_test(legacy_blacklisted_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
