// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes from devices and journal: replicas, damaged roots and interior nodes, the overlay at all
 * levels, accounting deltas, legacy pointers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/slab.h>

#include "btree_set.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/format/journal.h"

#define BTREE	BTREE_ID_xattrs
#define SNAP	100

static const u64 value_a[1] = { 0xa }, value_b[1] = { 0xb };

static struct bkey key_at(u64 offset, const u64 *value)
{
	return (struct bkey) {
		.p = SPOS(1, offset, SNAP), .type = KEY_TYPE_cookie, .val_u64s = 1, .v = value,
	};
}

static struct key_format default_format(void)
{
	return key_format_position_only;
}

/* a leaf of keys at (1, first + 10 * i, SNAP) */
static void leaf_make(struct btree_set *s, struct image_node *n, struct bpos min, struct bpos max,
		      u64 first, unsigned int nr)
{
	struct key_format format = default_format();
	struct bkey keys[16];
	unsigned int i;

	image_node_init(&s->image, n, BTREE, 0, min, max, &format);
	for (i = 0; i < nr; i++)
		keys[i] = key_at(first + 10 * i, value_a);
	image_node_bset(&s->image, n, keys, nr, 0);
	image_node_seal(&s->image, n);
	image_node_write(&s->image, n);
}

static void root_of_leaf(struct btree_set *s, const struct image_node *n)
{
	struct image_ptr room;
	struct bkey ptr;

	image_node_ptr(n, &ptr, &room);
	image_root(&s->replay->root[BTREE], 0, &ptr);
}

/* an interior root over pointers made before */
static void interior_root(struct btree_set *s, const struct bkey *ptrs, unsigned int nr)
{
	struct key_format format = default_format();
	struct image_node n;
	struct image_ptr room;
	struct bkey ptr;

	image_node_init(&s->image, &n, BTREE, 1, POS_MIN, SPOS_MAX, &format);
	image_node_bset(&s->image, &n, ptrs, nr, 0);
	image_node_seal(&s->image, &n);
	image_node_write(&s->image, &n);
	image_node_ptr(&n, &ptr, &room);
	image_root(&s->replay->root[BTREE], 1, &ptr);
	image_node_exit(&n);
}

static int peek_first(struct btree_set *s, u64 *offset)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	bce_btree_iter_init(&iter, s->b, BTREE, 0, POS_MIN, 0, NULL);
	k = bce_btree_iter_peek(&iter);
	if (IS_ERR_OR_NULL(k))
		ret = k ? PTR_ERR(k) : -ENOENT;
	else
		*offset = k->p.offset;
	bce_btree_iter_exit(&iter);
	return ret;
}

/* offsets of all keys until the end (returns 0) or an error */
static int list_offsets(struct btree_set *s, unsigned int btree_id, u64 *offsets,
			unsigned int *nr)
{
	struct btree_iter iter;
	const struct bkey *k;

	*nr = 0;
	bce_btree_iter_init(&iter, s->b, btree_id, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter))
		offsets[(*nr)++] = k->p.offset;
	bce_btree_iter_exit(&iter);
	return k ? PTR_ERR(k) : 0;
}

/* ---- replicas ---- */

static void second_replica_serves(void **state)
{
	struct member_counters counters;
	struct btree_set s;
	struct image_node n;
	struct image_ptr room;
	struct bkey ptr;
	u64 offset;

	set_init(&s, &small_nodes, 2);
	leaf_make(&s, &n, POS_MIN, SPOS_MAX, 7, 5);
	image_node_write_at(&s.image, &n, n.sector + 64);
	n.data[200] ^= 1;
	image_node_write(&s.image, &n);
	image_node_ptr(&n, &ptr, &room);
	image_ptr_add(&ptr, &room, 1, n.sector + 64);
	image_root(&s.replay->root[BTREE], 0, &ptr);
	set_open(&s, 0);

	assert_int_equal(peek_first(&s, &offset), 0);
	assert_int_equal(offset, 7);
	assert_int_equal(bce_log_error_count(s.log, BCE_ERR_bset_bad_csum), 1);
	bce_member_counters(s.members, 0, &counters);
	assert_int_equal(counters.csum_errors, 1);
	bce_member_counters(s.members, 1, &counters);
	assert_int_equal(counters.reads, 1);
	image_node_exit(&n);
	set_exit(&s);
}

static void tried_again_after_failure(void **state)
{
	struct btrees_stats stats;
	struct btree_set s;
	struct image_node n;
	u64 offset;

	set_init(&s, &small_nodes, 1);
	leaf_make(&s, &n, POS_MIN, SPOS_MAX, 7, 5);
	root_of_leaf(&s, &n);
	n.data[200] ^= 1;
	image_node_write(&s.image, &n);
	set_open(&s, 0);
	assert_int_equal(peek_first(&s, &offset), -EIO);
	assert_int_equal(bce_btrees_read_roots(s.b), -EIO);
	assert_int_equal(bce_log_error_count(s.log, BCE_ERR_btree_node_read_error), 2);
	assert_int_equal(bce_log_error_count(s.log, BCE_ERR_btree_root_read_error), 2);

	n.data[200] ^= 1;
	image_node_write(&s.image, &n);
	assert_int_equal(peek_first(&s, &offset), 0);
	bce_btrees_stats(s.b, &stats);
	assert_int_equal(stats.read_errors, 2);
	assert_int_equal(stats.reads, 3);
	image_node_exit(&n);
	set_exit(&s);
}

static void absent_member(void **state)
{
	struct btree_set s;
	struct image_node n;
	u64 offset;

	set_init(&s, &small_nodes, 1);
	leaf_make(&s, &n, POS_MIN, SPOS_MAX, 7, 5);
	root_of_leaf(&s, &n);
	set_open(&s, 0);
	bce_members_detach(s.members, &s);
	assert_int_equal(peek_first(&s, &offset), -EIO);
	image_node_exit(&n);
	set_exit(&s);
}

/* ---- roots ---- */

static void bad_root(void (*damage)(struct journal_root *root), enum bce_error id)
{
	struct btree_set s;
	struct image_node n;
	u64 offset;

	set_init(&s, &small_nodes, 1);
	leaf_make(&s, &n, POS_MIN, SPOS_MAX, 7, 5);
	root_of_leaf(&s, &n);
	damage(&s.replay->root[BTREE]);
	set_open(&s, 0);
	assert_int_equal(peek_first(&s, &offset), -EIO);
	assert_int_equal(bce_log_error_count(s.log, id), 1);
	assert_int_equal(bce_log_error_count(s.log, BCE_ERR_btree_root_read_error), 1);
	image_node_exit(&n);
	set_exit(&s);
}

static void damage_max(struct journal_root *root)
{
	((struct disk_bkey *)root->key)->p.offset = cpu_to_le64(5);
}

static void damage_min(struct journal_root *root)
{
	root->key[BKEY_U64S + 4] |= 1;		/* min_key.inode's high half */
}

static void damage_type(struct journal_root *root)
{
	((struct disk_bkey *)root->key)->type = KEY_TYPE_cookie;
}

static void damage_level(struct journal_root *root)
{
	root->level = 7;
}

static void damage_lost(struct journal_root *root)
{
	root->key[0] = 0;
}

static void damage_no_place(struct journal_root *root)
{
	((struct disk_bkey *)root->key)->u64s = BKEY_U64S + 5;
}

static void bad_roots(void **state)
{
	bad_root(damage_max, BCE_ERR_btree_root_bad_max_key);
	bad_root(damage_min, BCE_ERR_btree_root_bad_min_key);
	bad_root(damage_type, BCE_ERR_btree_root_bkey_invalid);
	bad_root(damage_level, BCE_ERR_btree_root_bkey_invalid);
	bad_root(damage_lost, BCE_ERR_btree_root_bkey_invalid);
	bad_root(damage_no_place, BCE_ERR_btree_root_bkey_invalid);
}

/* ---- interior nodes that do not fit together ---- */

struct family {
	struct btree_set	s;
	struct image_node	leaf[3];
	struct bkey		ptr[3];
	struct image_ptr	room[3];
};

#define SPLIT_1	SPOS(1, 100, SNAP)
#define SPLIT_2	SPOS(1, 200, SNAP)

static void family_init(struct family *f)
{
	const struct bpos max[3] = { SPLIT_1, SPLIT_2, SPOS_MAX };
	struct bpos min = POS_MIN;
	unsigned int i;

	set_init(&f->s, &small_nodes, 1);
	for (i = 0; i < 3; i++) {
		leaf_make(&f->s, &f->leaf[i], min, max[i], 100 * i + 10, 5);
		image_node_ptr(&f->leaf[i], &f->ptr[i], &f->room[i]);
		min = bpos_successor(max[i]);
	}
}

static void family_exit(struct family *f)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		image_node_exit(&f->leaf[i]);
	set_exit(&f->s);
}

static void sound_family(void **state)
{
	u64 offsets[64];
	struct family f;
	unsigned int nr;

	family_init(&f);
	interior_root(&f.s, f.ptr, 3);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, 15);
	assert_int_equal(bce_log_errors_total(f.s.log), 0);
	family_exit(&f);
}

/* what is in a hole is an error, the rest can be read */
static void hole_between_children(void **state)
{
	struct bkey_buf buf;
	u64 offsets[64];
	struct family f;
	struct bkey k;
	unsigned int nr;

	family_init(&f);
	f.ptr[1] = f.ptr[2];
	interior_root(&f.s, f.ptr, 2);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), -EIO);
	assert_int_equal(nr, 5);
	assert_int_equal(bce_log_error_count(f.s.log, BCE_ERR_btree_node_topology_bad_min_key),
			 1);
	assert_int_equal(bce_btree_lookup(f.s.b, BTREE, SPOS(1, 20, SNAP), NULL, &k, &buf), 0);
	assert_int_equal(bce_btree_lookup(f.s.b, BTREE, SPOS(1, 120, SNAP), NULL, &k, &buf), -EIO);
	family_exit(&f);
}

static void last_child_missing(void **state)
{
	u64 offsets[64];
	struct family f;
	unsigned int nr;

	family_init(&f);
	interior_root(&f.s, f.ptr, 2);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), -EIO);
	assert_int_equal(nr, 10);
	assert_int_equal(bce_log_error_count(f.s.log, BCE_ERR_btree_node_topology_bad_max_key),
			 1);
	family_exit(&f);
}

static void overlapping(struct bpos min, enum bce_error id)
{
	struct image_node other;
	u64 offsets[64];
	struct family f;
	unsigned int nr;

	family_init(&f);
	leaf_make(&f.s, &other, min, SPOS_MAX, 210, 5);
	image_node_ptr(&other, &f.ptr[2], &f.room[2]);
	interior_root(&f.s, f.ptr, 3);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), -EIO);
	assert_int_equal(nr, 10);
	assert_int_equal(bce_log_error_count(f.s.log, id), 1);
	image_node_exit(&other);
	family_exit(&f);
}

static void overlapping_children(void **state)
{
	overlapping(SPOS(1, 150, SNAP), BCE_ERR_btree_node_topology_overwritten_by_prev_node);
	overlapping(SPOS(1, 50, SNAP), BCE_ERR_btree_node_topology_overwritten_by_next_node);
}

static void childless(void **state)
{
	struct family f;
	u64 offset;

	family_init(&f);
	interior_root(&f.s, NULL, 0);
	set_open(&f.s, 0);
	assert_int_equal(peek_first(&f.s, &offset), -EIO);
	assert_int_equal(bce_log_error_count(f.s.log,
					     BCE_ERR_btree_node_topology_interior_node_empty), 1);
	family_exit(&f);
}

/* a node that is its own child: the level stops it */
static void own_child(void **state)
{
	struct key_format format = default_format();
	struct image_ptr room, self;
	struct image_node n;
	struct btree_set s;
	struct bkey ptr;
	u64 offset;

	set_init(&s, &small_nodes, 1);
	image_node_init(&s.image, &n, BTREE, 1, POS_MIN, SPOS_MAX, &format);
	n.written = 1;		/* as it will be */
	image_node_ptr(&n, &ptr, &self);
	n.written = 0;
	image_node_bset(&s.image, &n, &ptr, 1, 0);
	image_node_seal(&s.image, &n);
	image_node_write(&s.image, &n);
	image_node_ptr(&n, &ptr, &room);
	image_root(&s.replay->root[BTREE], 1, &ptr);
	set_open(&s, 0);
	assert_int_equal(peek_first(&s, &offset), -EIO);
	assert_int_equal(bce_log_error_count(s.log, BCE_ERR_btree_node_bad_level), 1);
	image_node_exit(&n);
	set_exit(&s);
}

static int count_nodes(void *ctx, const struct btree_node_view *view)
{
	unsigned int *nr = ctx;

	nr[view->error ? 1 : 0]++;
	return 0;
}

static void walk_shows_unreadable(void **state)
{
	unsigned int nr[2] = { 0, 0 };
	struct family f;

	family_init(&f);
	f.leaf[1].data[300] ^= 1;
	image_node_write(&f.s.image, &f.leaf[1]);
	interior_root(&f.s, f.ptr, 3);
	set_open(&f.s, 0);
	assert_int_equal(bce_btree_for_each_node(f.s.b, BTREE, count_nodes, nr), 0);
	assert_int_equal(nr[0], 3);
	assert_int_equal(nr[1], 1);
	family_exit(&f);
}

static void legacy_pointers(void **state)
{
	u64 offsets[64];
	struct family f;
	unsigned int i, nr;

	family_init(&f);
	for (i = 0; i < 3; i++)
		image_ptr_legacy(&f.ptr[i], &f.room[i]);
	interior_root(&f.s, f.ptr, 3);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, 15);
	family_exit(&f);
}

/* ... whose nodes must begin where the one before ends */
static void legacy_hole(void **state)
{
	u64 offsets[64];
	struct family f;
	unsigned int i, nr;

	family_init(&f);
	for (i = 0; i < 3; i++)
		image_ptr_legacy(&f.ptr[i], &f.room[i]);
	f.ptr[1] = f.ptr[2];
	interior_root(&f.s, f.ptr, 2);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), -EIO);
	assert_int_equal(nr, 5);
	assert_int_equal(bce_log_error_count(f.s.log, BCE_ERR_btree_node_bad_min_key), 1);
	family_exit(&f);
}

/* ---- the journal ---- */

struct journal {
	struct journal_entry	entry;
	struct journal_entry	*list[1];
	struct overlay		*overlay;
	u64			jset[1024];
	u32			u64s;
};

static void journal_add(struct journal *j, unsigned int btree_id, unsigned int level,
			const struct bkey *k)
{
	struct jset *jset = (struct jset *)j->jset;
	struct jset_entry *e = (struct jset_entry *)((u64 *)jset->entries + j->u64s);
	unsigned int u64s = bce_key_write_unpacked(k, (struct disk_key *)e->payload);

	e->u64s = cpu_to_le16(u64s);
	e->btree_id = btree_id;
	e->level = level;
	e->type = JSET_ENTRY_btree_keys;
	j->u64s += 1 + u64s;
	jset->u64s = cpu_to_le32(j->u64s);
}

static void journal_use(struct journal *j, struct btree_set *s)
{
	j->entry = (struct journal_entry) {
		.seq = 50, .jset = (struct jset *)j->jset, .csum_good = true,
		.bytes = sizeof(struct jset) + j->u64s * sizeof(u64),
	};
	j->entry.jset->seq = cpu_to_le64(50);
	j->list[0] = &j->entry;
	s->replay->entry = j->list;
	s->replay->nr_entries = 1;
	assert_int_equal(bce_overlay_build(&j->overlay, s->replay), 0);
	s->config.overlay = j->overlay;
}

static void overlay_on_leaves(void **state)
{
	static const u64 expected[] = { 5, 10, 20, 40, 50, 55, 110, 120, 130, 140, 150,
					210, 220, 230, 240, 250, 900 };
	struct journal j = { };
	struct bkey_buf buf;
	u64 offsets[64];
	struct family f;
	struct bkey k;
	unsigned int nr;

	family_init(&f);
	interior_root(&f.s, f.ptr, 3);
	k = key_at(5, value_b);
	journal_add(&j, BTREE, 0, &k);
	k = key_at(20, value_b);
	journal_add(&j, BTREE, 0, &k);
	k = key_at(30, NULL);
	k.type = KEY_TYPE_deleted;
	k.val_u64s = 0;
	journal_add(&j, BTREE, 0, &k);
	k = key_at(55, value_b);
	journal_add(&j, BTREE, 0, &k);
	k = key_at(900, value_b);
	journal_add(&j, BTREE, 0, &k);
	journal_use(&j, &f.s);
	set_open(&f.s, 0);

	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, ARRAY_SIZE(expected));
	assert_memory_equal(offsets, expected, sizeof(expected));
	assert_int_equal(bce_btree_lookup(f.s.b, BTREE, SPOS(1, 20, SNAP), NULL, &k, &buf), 0);
	assert_memory_equal(buf.v, value_b, sizeof(value_b));
	assert_int_equal(bce_btree_lookup(f.s.b, BTREE, SPOS(1, 30, SNAP), NULL, &k, &buf),
			 -ENOENT);
	family_exit(&f);
	bce_overlay_free(j.overlay);
}

/* a child was split: its old pointer is overwritten, one is added */
static void overlay_on_interior(void **state)
{
	struct journal j = { };
	struct image_node left, right;
	struct image_ptr room;
	u64 offsets[64];
	struct family f;
	struct bkey k;
	unsigned int nr;

	family_init(&f);
	interior_root(&f.s, f.ptr, 3);
	leaf_make(&f.s, &left, bpos_successor(SPLIT_1), SPOS(1, 150, SNAP), 101, 4);
	leaf_make(&f.s, &right, SPOS(1, 150, SNAP + 1), SPLIT_2, 151, 4);
	image_node_ptr(&left, &k, &room);
	journal_add(&j, BTREE, 1, &k);
	image_node_ptr(&right, &k, &room);
	journal_add(&j, BTREE, 1, &k);
	journal_use(&j, &f.s);
	set_open(&f.s, 0);
	assert_int_equal(list_offsets(&f.s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, 5 + 4 + 4 + 5);
	assert_int_equal(offsets[5], 101);
	assert_int_equal(bce_log_errors_total(f.s.log), 0);
	image_node_exit(&left);
	image_node_exit(&right);
	family_exit(&f);
	bce_overlay_free(j.overlay);
}

/* the root is a leaf on disk, the journal knows that the btree has grown, twice */
static void overlay_above_root(void **state)
{
	struct key_format format = default_format();
	struct image_node left, right, old, middle;
	struct journal j = { };
	struct image_ptr room;
	struct btree_set s;
	u64 offsets[64];
	struct bkey k;
	unsigned int nr;

	set_init(&s, &small_nodes, 1);
	leaf_make(&s, &old, POS_MIN, SPOS_MAX, 1, 8);
	root_of_leaf(&s, &old);
	leaf_make(&s, &left, POS_MIN, SPLIT_1, 11, 4);
	leaf_make(&s, &right, bpos_successor(SPLIT_1), SPOS_MAX, 111, 4);
	image_node_ptr(&left, &k, &room);
	journal_add(&j, BTREE, 1, &k);
	image_node_ptr(&right, &k, &room);
	journal_add(&j, BTREE, 1, &k);
	journal_use(&j, &s);
	set_open(&s, 0);
	assert_int_equal(bce_btree_root_level(s.b, BTREE), 1);
	assert_int_equal(list_offsets(&s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, 8);
	assert_int_equal(offsets[7], 141);
	set_close(&s);
	bce_overlay_free(j.overlay);

	/* and a level more: only the first part of it moved to a new node of level 1 */
	image_node_init(&s.image, &middle, BTREE, 1, POS_MIN, SPOS_MAX, &format);
	image_node_ptr(&left, &k, &room);
	image_node_bset(&s.image, &middle, &k, 1, 0);
	image_node_exit(&middle);
	k = (struct bkey) { .p = SPOS(0, 1, 0), .type = KEY_TYPE_deleted };
	journal_add(&j, BTREE, 2, &k);
	journal_use(&j, &s);
	set_open(&s, 0);
	assert_int_equal(bce_btree_root_level(s.b, BTREE), 2);
	assert_int_equal(list_offsets(&s, BTREE, offsets, &nr), 0);
	assert_int_equal(nr, 8);
	assert_int_equal(bce_log_errors_total(s.log), 0);

	image_node_exit(&old);
	image_node_exit(&left);
	image_node_exit(&right);
	set_exit(&s);
	bce_overlay_free(j.overlay);
}

static void overlay_without_root(void **state)
{
	struct bkey k = key_at(77, value_b);
	struct journal j = { };
	struct btree_set s;
	u64 offset;

	set_init(&s, &small_nodes, 1);
	journal_add(&j, BTREE, 0, &k);
	journal_use(&j, &s);
	set_open(&s, 0);
	assert_int_equal(bce_btree_root_level(s.b, BTREE), 0);
	assert_int_equal(peek_first(&s, &offset), 0);
	assert_int_equal(offset, 77);
	set_exit(&s);
	bce_overlay_free(j.overlay);
}

/* ---- accounting ---- */

/* persistent_reserved, by number of replicas: docs/format/80-accounting.md, section 1 */
static struct bpos account_pos(u64 replicas)
{
	return SPOS(0, 0, 1 | replicas << 8);
}

static struct bkey account(u64 replicas, u64 version, const u64 *counters, unsigned int nr)
{
	return (struct bkey) {
		.p = account_pos(replicas), .version = { .lo = version },
		.type = KEY_TYPE_accounting, .val_u64s = nr, .v = counters,
	};
}

static void assert_account(struct btree_set *s, u64 replicas, u64 version, u64 first, u64 second)
{
	struct bkey_buf buf;
	struct bkey k;

	assert_int_equal(bce_btree_lookup(s->b, BTREE_ID_accounting, account_pos(replicas), NULL,
					  &k, &buf), 0);
	assert_int_equal(k.version.lo, version);
	assert_int_equal(buf.v[0], first);
	if (k.val_u64s > 1)
		assert_int_equal(buf.v[1], second);
	else
		assert_int_equal(second, 0);
}

static void accounting_deltas(void **state)
{
	const u64 total_1[] = { 100 }, total_2[] = { 200, 300 };
	const u64 plus_5[] = { 5, 1 }, minus_7[] = { -7ULL }, plus_50[] = { 50 };
	struct bkey totals[2] = { account(1, 10, total_1, 1),
				  account(2, 20, total_2, 2) };
	struct bkey deltas[] = {
		account(1, 9, plus_50, 1),	/* counted already */
		account(1, 10, plus_50, 1),	/* this too */
		account(1, 11, minus_7, 1),
		account(1, 13, plus_5, 2),
		account(2, 21, plus_50, 1),
		account(3, 22, plus_50, 1),	/* a new one */
		account(3, 23, minus_7, 1),
	};
	struct key_format format = default_format();
	struct journal j = { };
	struct image_ptr room;
	struct image_node n;
	struct btree_set s;
	struct bkey ptr;
	unsigned int i;

	set_init(&s, &small_nodes, 1);
	s.config.rules = &s.rules;
	image_node_init(&s.image, &n, BTREE_ID_accounting, 0, POS_MIN, SPOS_MAX, &format);
	image_node_bset(&s.image, &n, totals, 2, 0);
	image_node_seal(&s.image, &n);
	image_node_write(&s.image, &n);
	image_node_ptr(&n, &ptr, &room);
	image_root(&s.replay->root[BTREE_ID_accounting], 0, &ptr);
	for (i = 0; i < ARRAY_SIZE(deltas); i++)
		journal_add(&j, BTREE_ID_accounting, 0, &deltas[i]);
	journal_use(&j, &s);
	set_open(&s, 0);

	assert_account(&s, 1, 13, 98, 1);
	assert_account(&s, 2, 21, 250, 300);
	assert_account(&s, 3, 23, 43, 0);
	assert_int_equal(bce_log_errors_total(s.log), 0);
	image_node_exit(&n);
	set_exit(&s);
	bce_overlay_free(j.overlay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_replica_serves),
		cmocka_unit_test(tried_again_after_failure),
		cmocka_unit_test(absent_member),
		cmocka_unit_test(bad_roots),
		cmocka_unit_test(sound_family),
		cmocka_unit_test(hole_between_children),
		cmocka_unit_test(last_child_missing),
		cmocka_unit_test(overlapping_children),
		cmocka_unit_test(childless),
		cmocka_unit_test(own_child),
		cmocka_unit_test(walk_shows_unreadable),
		cmocka_unit_test(legacy_pointers),
		cmocka_unit_test(legacy_hole),
		cmocka_unit_test(overlay_on_leaves),
		cmocka_unit_test(overlay_on_interior),
		cmocka_unit_test(overlay_above_root),
		cmocka_unit_test(overlay_without_root),
		cmocka_unit_test(accounting_deltas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
