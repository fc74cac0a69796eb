// SPDX-License-Identifier: GPL-2.0
/*
 * The snapshot table (docs/format/60-filesystem-keys.md, sections 14, 15, 19): ancestry against
 * the plain walk up the parents, on random trees, with sound and with absurd skip entries; parents
 * that are missing or lead back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/names/snapshot.h"
#include "../../lib/mini_set.h"

#define NR	600

static u32 parent_of[NR + 1];	/* by index; id = U32_MAX - index; 0: none */

static u32 id_of(unsigned int i)
{
	return U32_MAX - i;
}

static bool reference_is_ancestor(unsigned int i, u32 ancestor)
{
	u32 id = id_of(i);

	while (id && id != ancestor)
		id = parent_of[U32_MAX - id];
	return id == ancestor;
}

static int u32_cmp(const void *a, const void *b)
{
	u32 l = *(const u32 *)a, r = *(const u32 *)b;

	return l < r ? -1 : l > r;
}

/* three of the parent and its ancestors */
static void good_skips(unsigned int i, u32 skip[3])
{
	for (int n = 0; n < 3; n++) {
		u32 id = parent_of[i];

		for (int up = rand() % 40; up && parent_of[U32_MAX - id]; up--)
			id = parent_of[U32_MAX - id];
		skip[n] = id;
	}
	qsort(skip, 3, sizeof(u32), u32_cmp);
}

/* what validation of a single key lets through: in order, not below the parent, but anything */
static void bad_skips(unsigned int i, u32 skip[3])
{
	for (int n = 0; n < 3; n++)
		skip[n] = id_of(rand() % (U32_MAX - parent_of[i] + 1));
	qsort(skip, 3, sizeof(u32), u32_cmp);
}

static void check_all(struct mini_set *m)
{
	for (unsigned int i = 0; i < NR; i++) {
		assert_true(bce_snapshot_exists(m->snapshots, id_of(i)));
		for (unsigned int a = 0; a < NR; a++)
			assert_int_equal(bce_snapshot_is_ancestor(m->snapshots, id_of(i), id_of(a)),
					 reference_is_ancestor(i, id_of(a)));
	}
}

static void random_tree(bool absurd)
{
	struct mini_set m;

	srand(7);
	mini_init(&m);
	for (unsigned int i = 0; i < NR; i++) {
		u32 skip[3] = { };

		/* mostly chains, so that depth is large; now and then a second root */
		parent_of[i] = i && i % 250 ? id_of(rand() % 8 ? i - 1 : rand() % i) : 0;
		if (parent_of[i])
			good_skips(i, skip);
		if (absurd && parent_of[i] && i % 3 == 0)
			bad_skips(i, skip);
		mini_snapshot(&m, id_of(i), parent_of[i], skip);
	}
	assert_int_equal(mini_start(&m, NULL), 0);
	check_all(&m);
	assert_int_equal(bce_log_errors_total(m.log) != 0, absurd);
	mini_exit(&m);
}

static void ancestors(void **state)
{
	random_tree(false);
}

static void absurd_skips(void **state)
{
	random_tree(true);
}

static void damaged_parents(void **state)
{
	struct mini_set m;

	mini_init(&m);
	mini_snapshot(&m, 100, 0, NULL);
	mini_snapshot(&m, 90, 95, NULL);	/* 95 is not there */
	mini_snapshot(&m, 80, 90, NULL);
	assert_int_equal(mini_start(&m, NULL), 0);

	assert_true(bce_snapshot_is_ancestor(m.snapshots, 80, 90));
	assert_true(bce_snapshot_is_ancestor(m.snapshots, 80, 80));
	assert_false(bce_snapshot_is_ancestor(m.snapshots, 80, 95));
	assert_false(bce_snapshot_is_ancestor(m.snapshots, 90, 95));
	assert_false(bce_snapshot_is_ancestor(m.snapshots, 80, 100));
	assert_false(bce_snapshot_is_ancestor(m.snapshots, 100, 80));
	assert_false(bce_snapshot_exists(m.snapshots, 95));
	assert_int_equal(bce_snapshot_parent(m.snapshots, 90), 0);
	assert_int_equal(bce_snapshot_parent(m.snapshots, 80), 90);
	assert_true(bce_log_error_count(m.log, BCE_ERR_snapshot_node_missing) > 0);
	mini_exit(&m);
}

static void subvolumes(void **state)
{
	struct subvolume_info info;
	struct mini_set m;

	mini_init(&m);
	mini_snapshot(&m, U32_MAX, 0, NULL);
	for (u32 id = 1; id < 40; id += 3)
		mini_subvolume(&m, id, U32_MAX - id, 4096 + id);
	assert_int_equal(mini_start(&m, NULL), 0);
	for (u32 id = 0; id < 45; id++) {
		struct subvolume_info found;
		bool there = id % 3 == 1 && id < 40;

		assert_int_equal(bce_subvolume_find(m.snapshots, id, &found), there);
		assert_int_equal(bce_subvolume_lookup(m.btrees, id, &info), there ? 0 : -ENOENT);
		if (!there)
			continue;
		assert_int_equal(found.snapshot, U32_MAX - id);
		assert_int_equal(info.inode, 4096 + id);
	}
	mini_exit(&m);
}

static void edits(void **state)
{
	struct snapshot_info node = { .parent = 90, .tree = 1, .skip = { 90, 90, 100 } };
	struct subvolume_info sub = { .id = 2, .snapshot = 70, .inode = 4096 }, found;
	struct snapshot_data *d;
	struct mini_set m;

	mini_init(&m);
	mini_snapshot(&m, 100, 0, NULL);
	mini_snapshot(&m, 90, 100, (u32[3]) { 100, 100, 100 });
	mini_subvolume(&m, 1, 90, 4096);
	mini_subvolume(&m, 3, 100, 4096);
	assert_int_equal(mini_start(&m, NULL), 0);
	assert_false(bce_snapshot_has_children(m.snapshots, 90));

	bce_snapshot_table_lock(m.snapshots);
	d = bce_snapshot_edit(m.snapshots);
	for (u32 id = 80; id >= 70; id -= 10)
		assert_int_equal(bce_snapshot_edit_node(d, id, &node), 0);
	assert_int_equal(bce_snapshot_edit_subvol(d, &sub), 0);
	/* nothing shows before it is published */
	assert_false(bce_snapshot_exists(m.snapshots, 70));
	bce_snapshot_edit_publish(m.snapshots, d);
	assert_true(bce_snapshot_is_ancestor(m.snapshots, 70, 100));
	assert_false(bce_snapshot_is_ancestor(m.snapshots, 70, 80));
	assert_true(bce_snapshot_has_children(m.snapshots, 90));
	assert_true(bce_subvolume_find(m.snapshots, 2, &found));
	assert_int_equal(found.snapshot, 70);
	assert_int_equal(bce_snapshot_next_descendant(m.snapshots, 100, 100), 90);
	assert_int_equal(bce_snapshot_next_descendant(m.snapshots, 100, 90), 80);
	assert_int_equal(bce_snapshot_next_descendant(m.snapshots, 100, 80), 70);
	assert_int_equal(bce_snapshot_next_descendant(m.snapshots, 100, 70), 0);
	assert_int_equal(bce_snapshot_next_descendant(m.snapshots, 80, 80), 0);

	d = bce_snapshot_edit(m.snapshots);
	bce_snapshot_edit_node_remove(d, 80);
	bce_snapshot_edit_subvol_remove(d, 1);
	sub.snapshot = 90;
	assert_int_equal(bce_snapshot_edit_subvol(d, &sub), 0);
	bce_snapshot_edit_publish(m.snapshots, d);
	assert_false(bce_snapshot_exists(m.snapshots, 80));
	assert_true(bce_snapshot_is_ancestor(m.snapshots, 70, 90));
	assert_false(bce_subvolume_find(m.snapshots, 1, &found));
	assert_true(bce_subvolume_find(m.snapshots, 2, &found));
	assert_int_equal(found.snapshot, 90);
	assert_true(bce_subvolume_find(m.snapshots, 3, &found));
	bce_snapshot_edit_drop(bce_snapshot_edit(m.snapshots));
	bce_snapshot_table_unlock(m.snapshots);
	mini_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ancestors),
		cmocka_unit_test(absurd_skips),
		cmocka_unit_test(damaged_parents),
		cmocka_unit_test(subvolumes),
		cmocka_unit_test(edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
