// SPDX-License-Identifier: GPL-2.0
/*
 * Deleting in snapshots (docs/format/60-filesystem-keys.md, section 20): every combination of what
 * three generations have at a position, in a btree with and one without extents.
 */
#include "engine/btree/snapshot_update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "mem_btrees.h"

/* 1000 <- 900 <- 800, and 850, a sibling of 800 that is of no concern */
enum { CHILD = 800, SIBLING = 850, PARENT = 900, ROOT = 1000 };

static bool is_ancestor(const void *ctx, u32 id, u32 ancestor)
{
	if (id == ancestor || ancestor == ROOT)
		return true;
	return ancestor == PARENT && (id == CHILD || id == SIBLING);
}

static const struct snapshot_view view = { .id = CHILD, .is_ancestor = is_ancestor };

enum has { NOTHING, KEY, WHITEOUT, NR_HAS };

struct place {
	struct btrees	*b;
	unsigned int	btree_id;
	u64		offset;
};

static int put(struct bce_trans *t, const struct place *at, u32 snapshot, enum has has)
{
	static const u64 value = 5;
	struct bkey k = { .p = SPOS(1, at->offset, snapshot), .type = KEY_TYPE_whiteout };

	if (has == NOTHING)
		return 0;
	if (has == KEY) {
		k.type = at->btree_id == BTREE_ID_extents ? KEY_TYPE_inline_data :
			KEY_TYPE_cookie;
		k.size = at->btree_id == BTREE_ID_extents ? 4 : 0;
		k.val_u64s = 1;
		k.v = &value;
	}
	return bce_trans_update(t, at->btree_id, &k, 0);
}

static enum has get(const struct place *at, u32 snapshot)
{
	struct bkey_buf buf;
	struct bkey k;
	int ret = bce_btree_lookup(at->b, at->btree_id, SPOS(1, at->offset, snapshot), NULL, &k,
				   &buf);

	if (ret) {
		assert_int_equal(ret, -ENOENT);
		return NOTHING;
	}
	return k.type == KEY_TYPE_whiteout ? WHITEOUT : KEY;
}

static void one(const struct place *at, enum has child, enum has parent, enum has root,
		bool in_one_transaction)
{
	bool inherited = parent == KEY || (parent == NOTHING && root == KEY);
	struct bce_trans t;
	struct bkey k;

	bce_trans_init(&t, at->b);
	bce_trans_begin(&t);
	assert_int_equal(put(&t, at, CHILD, child), 0);
	assert_int_equal(put(&t, at, SIBLING, KEY), 0);
	assert_int_equal(put(&t, at, PARENT, parent), 0);
	assert_int_equal(put(&t, at, ROOT, root), 0);
	if (!in_one_transaction) {
		assert_int_equal(bce_trans_commit(&t, 0), 0);
		bce_trans_begin(&t);
	}
	assert_int_equal(bce_snapshot_inherited(&t, at->btree_id, POS(1, at->offset), &view, &k),
			 inherited ? 0 : -ENOENT);
	if (inherited)
		assert_int_equal(k.p.snapshot, parent == KEY ? PARENT : ROOT);
	assert_int_equal(bce_snapshot_delete(&t, at->btree_id, POS(1, at->offset), &view, 0), 0);
	assert_int_equal(bce_trans_lookup(&t, at->btree_id, POS(1, at->offset), &view, 0, &k),
			 -ENOENT);
	assert_int_equal(bce_trans_commit(&t, 0), 0);
	bce_trans_exit(&t);

	assert_int_equal(get(at, CHILD), inherited ? WHITEOUT : NOTHING);
	assert_int_equal(get(at, SIBLING), KEY);
	assert_int_equal(get(at, PARENT), parent);
	assert_int_equal(get(at, ROOT), root);
}

static void test_delete(void **state)
{
	static const unsigned int ids[] = { BTREE_ID_xattrs, BTREE_ID_extents };
	struct place at = { .offset = 100 };
	struct mem_btrees m;
	unsigned int i, n;

	mem_btrees_init(&m);
	mem_btrees_open(&m, NULL, NULL);
	at.b = m.b;
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		at.btree_id = ids[i];
		for (n = 0; n < NR_HAS * NR_HAS * NR_HAS * 2; n++) {
			at.offset += 8;
			one(&at, n / 2 % 3, n / 6 % 3, n / 18, n % 2);
		}
	}
	assert_int_equal(bce_log_errors_total(m.log), 0);
	mem_btrees_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_delete) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
