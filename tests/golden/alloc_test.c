// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator over sets that the in-tree driver wrote: it takes them over as they are, and what it
 * does with their keys leaves nothing for the checker to find. Changes stay in memory; the images are
 * open for reading only.
 */
#include "engine/alloc/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/golden_set.h"
#include "../lib/random.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"

struct fixture {
	struct golden_set	g;
	struct journal_replay	replay;
	struct btrees		*btrees;
	struct sb_writer	*sb;
	struct allocator	*a;
	struct member_info	member[BCH_MEMBERS_MAX];
	struct sb_info		info;
};

static int trigger(void *ctx, struct bce_trans *t, enum btree_trigger_phase phase,
		   unsigned int btree_id, unsigned int level, const struct bkey *old,
		   const struct bkey *new)
{
	struct fixture *f = ctx;

	return bce_alloc_trigger(f->a, t, phase, btree_id, level, old, new);
}

static int finish(void *ctx, struct bce_trans *t)
{
	struct fixture *f = ctx;

	return bce_alloc_trigger_finish(f->a, t);
}

static u64 clock_now(void *ctx, unsigned int rw)
{
	return 1 << 20;
}

static void btrees_start(struct fixture *f)
{
	static const struct btree_trigger_ops ops = { .key = trigger, .finish = finish };
	struct btrees_config config = {
		.uuid_word = f->info.uuid_word,
		.version = f->info.version,
		.version_min = f->info.version_min,
		.node_sectors = f->info.btree_node_sectors,
		.block_sectors = f->info.block_sectors,
		.members = f->g.members,
		.cipher = f->g.cipher,
		.rules = &f->g.rules,
		.replay = &f->replay,
		.log = f->g.log,
	};
	struct btrees_write_config writing = { .triggers = &ops, .trigger_ctx = f };

	assert_int_equal(bce_btrees_open(&f->btrees, &config), 0);
	assert_int_equal(bce_btrees_start_writing(f->btrees, &writing, 0), 0);
}

static void allocator_start(struct fixture *f)
{
	struct allocator_config config = {
		.btrees = f->btrees,
		.members = f->g.members,
		.sb = f->sb,
		.log = f->g.log,
		.node_sectors = f->info.btree_node_sectors,
		.block_sectors = f->info.block_sectors,
		.metadata_replicas = 1,
		.metadata_replicas_required = 1,
		.gc_reserve_percent = 8,
		.io_clock = clock_now,
	};

	assert_int_equal(bce_sb_writer_open(&f->sb, f->g.sb, f->g.dev_sb, f->g.members, f->g.log),
			 0);
	config.sb = f->sb;
	assert_int_equal(bce_allocator_open(&f->a, &config), 0);
	assert_int_equal(bce_allocator_read(f->a), 0);
}

/* false: a set that is not clean, or not initialised */
static bool begin(struct fixture *f, const char *set)
{
	struct journal_read_context ctx;

	memset(f, 0, sizeof(*f));
	assert_int_equal(golden_set_open(&f->g, set), 0);
	bce_sb_info(f->g.sb, &f->info);
	if (!f->info.clean || !f->info.initialized) {
		golden_set_close(&f->g);
		return false;
	}
	ctx = golden_journal_context(&f->g);
	assert_int_equal(bce_journal_read(&f->replay, &ctx), 0);
	for (unsigned int i = 0; i < f->g.sb->nr_devices; i++)
		bce_sb_member(f->g.sb, i, &f->member[i]);
	btrees_start(f);
	allocator_start(f);
	return true;
}

static void end(struct fixture *f)
{
	bce_allocator_close(f->a);
	bce_btrees_close(f->btrees);
	bce_sb_writer_close(f->sb);
	bce_journal_replay_exit(&f->replay);
	golden_set_close(&f->g);
}

static void nothing_wrong(struct fixture *f, const char *set, const char *when)
{
	u64 before = bce_log_errors_total(f->g.log);
	struct check c = {
		.btrees = f->btrees,
		.log = f->g.log,
		.member = f->member,
		.sb = f->g.sb,
		.dev_sb = f->g.dev_sb,
		.node_sectors = f->info.btree_node_sectors,
		.block_sectors = f->info.block_sectors,
	};

	assert_int_equal(bce_check_allocations(&c), 0);
	if (bce_log_errors_total(f->g.log) != before || c.inum_mismatches)
		print_error("%s, %s:\n%s", set, when, f->g.findings);
	assert_int_equal(bce_log_errors_total(f->g.log), before);
	assert_int_equal(c.inum_mismatches, 0);
}

/* ---- what is done to the keys ---- */

struct change {
	unsigned int	btree_id;
	struct bpos	from;		/* the first key behind it is changed */
	bool		cut;
	bool		end;		/* out: there is none */
};

static bool may_go(unsigned int btree_id, const struct bkey *k)
{
	/* references to indirect extents are counted elsewhere */
	return k->type != KEY_TYPE_reflink_p && btree_id != BTREE_ID_reflink;
}

static int change_key(struct bce_trans *t, void *ctx)
{
	struct change *c = ctx;
	struct bkey k;
	void *v;
	int ret;

	ret = bce_trans_peek(t, c->btree_id, c->from, SPOS_MAX, NULL, 0, &k);
	c->end = ret == -ENOENT;
	if (ret)
		return c->end ? 0 : ret;
	c->from = bce_trans_after(c->btree_id, &k, NULL);
	if (!may_go(c->btree_id, &k))
		return 0;
	ret = bce_trans_delete(t, c->btree_id, k.p, 0);
	if (ret || !c->cut || k.size < 16 || !bce_key_has_ptrs(k.type))
		return ret;
	v = bce_trans_alloc(t, bkey_val_bytes(&k));
	if (!v)
		return -ENOMEM;
	memcpy(v, k.v, bkey_val_bytes(&k));
	k.v = v;
	bce_key_cut_back(&k, k.p.offset - 8);
	return bce_trans_update(t, c->btree_id, &k, 0);
}

/* @nr keys, one after the other, cut or deleted */
static void change_some(struct fixture *f, unsigned int btree_id, unsigned int nr)
{
	struct change c = { .btree_id = btree_id };

	for (unsigned int i = 0; i < nr && !c.end; i++) {
		c.cut = rnd() % 2;
		assert_int_equal(bce_trans_run(f->btrees, change_key, &c, 0, NULL), 0);
	}
}

/* ---- tests ---- */

/* everything is marked already, so nothing is written */
static void taken_over(struct fixture *f, const char *set)
{
	assert_int_equal(bce_allocator_init_members(f->a), 0);
	nothing_wrong(f, set, "members looked at");
	for (unsigned int i = 0; i < f->g.sb->nr_devices; i++)
		for (u64 b = 0; f->member[i].exists && b < f->member[i].nbuckets; b++) {
			struct bkey_buf buf;
			struct alloc_info info;
			struct bkey k;

			if (bce_btree_lookup(f->btrees, BTREE_ID_alloc, POS(i, b), NULL, &k, &buf))
				continue;
			assert_null(bce_alloc_decode(&k, &info));
			assert_int_equal(bce_bucket_gen(f->a, i, b), info.gen);
		}
}

static void changed(void **state)
{
	for (unsigned int i = 0; golden_sets[i]; i++) {
		struct fixture f;

		if (!begin(&f, golden_sets[i]))
			continue;
		taken_over(&f, golden_sets[i]);
		change_some(&f, BTREE_ID_extents, 100);
		change_some(&f, BTREE_ID_inodes, 3);
		nothing_wrong(&f, golden_sets[i], "some extents changed");
		change_some(&f, BTREE_ID_extents, 2000);
		alloc_make_space(f.a, false);
		nothing_wrong(&f, golden_sets[i], "space made");
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(changed, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
