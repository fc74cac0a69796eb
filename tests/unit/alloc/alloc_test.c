// SPDX-License-Identifier: GPL-2.0
/*
 * Buckets and what follows from keys (docs/format/75-allocation.md, 80-accounting.md): after random
 * changes of extents everything is recomputed from all keys by the checker and compared.
 *
 * SEED= gives other rows.
 */
#include "engine/alloc/alloc.h"

#include <linux/kernel.h>
#include <linux/string.h>

#include "alloc_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/alloc/encode.h"
#include "engine/format/ids.h"
#include "random.h"
#include "sb_builder.h"
#include "test_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define INUM		4096
#define SNAPSHOT	U32_MAX
#define SLOT_SECTORS	32

/* ---- a file of slots, each a whole extent, a piece of one, or a hole ---- */

#define NR_SLOTS	160

struct slot {
	bool		used;
	struct test_key	key;
};

struct file {
	struct alloc_rig	*r;
	unsigned int		btree_id;
	struct slot		slot[NR_SLOTS];
};

static struct bpos slot_end(const struct file *f, unsigned int i)
{
	if (f->btree_id == BTREE_ID_reflink)
		return POS(0, (i + 1) * SLOT_SECTORS);
	return SPOS(INUM + i % 5, (i + 1) * SLOT_SECTORS, SNAPSHOT);
}

struct slot_change {
	const struct file	*f;
	const struct slot	*slot;
	const struct test_key	*key;		/* NULL: nothing comes */
};

/* what was there goes and what is to be there comes in one transaction */
static int slot_change(struct bce_trans *t, void *ctx)
{
	const struct slot_change *c = ctx;
	int ret = 0;

	if (c->slot->used)
		ret = bce_trans_delete(t, c->f->btree_id, c->slot->key.k.p, 0);
	if (!ret && c->key)
		ret = bce_trans_update(t, c->f->btree_id, &c->key->k, 0);
	return ret;
}

static int slot_put(struct file *f, unsigned int i, const struct test_key *key)
{
	struct slot_change c = { .f = f, .slot = &f->slot[i], .key = key };
	int ret = bce_trans_run(f->r->mem.b, slot_change, &c, 0, NULL);

	if (ret)
		return ret;
	f->slot[i].used = key != NULL;
	if (key) {
		f->slot[i].key = *key;
		f->slot[i].key.k.v = f->slot[i].key.v;
	}
	return 0;
}

static void slot_write(struct file *f, unsigned int i)
{
	static const u8 compressions[] = {
		BCH_COMPRESSION_TYPE_none, BCH_COMPRESSION_TYPE_lz4, BCH_COMPRESSION_TYPE_zstd,
		BCH_COMPRESSION_TYPE_incompressible,
	};
	unsigned int compression = compressions[rnd() % 4];
	bool crc = rnd() % 2;
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = 1 + rnd() % 2, .replicas_required = 1,
		.watermark = ALLOC_NORMAL, .stream = rnd() % 4,
	};
	struct alloc_space space;
	struct test_key key;
	u32 stored = SLOT_SECTORS;
	int ret;

	if (crc && bce_compression_type_is_compressed(compression))
		stored = 8 * (1 + rnd() % 3);
	ret = bce_alloc_space_get(f->r->a, &req, stored, &space);
	if (ret == -ENOSPC)
		return;
	assert_int_equal(ret, 0);
	if (space.sectors == stored) {
		key_init(&key, f->btree_id == BTREE_ID_reflink ? KEY_TYPE_reflink_v :
			 KEY_TYPE_extent, slot_end(f, i), SLOT_SECTORS);
		if (crc)
			key_add(&key, crc32_word(stored, SLOT_SECTORS, compression));
		key_add_space(&key, &space);
		if (rnd() % 4 == 0)
			key_add(&key, 0x0000330000000020ULL);	/* zstd is wanted */
		assert_int_equal(slot_put(f, i, &key), 0);
	}
	bce_alloc_space_put(f->r->a, &space);
}

/* one more copy, which may vanish */
static void slot_promote(struct file *f, unsigned int i)
{
	struct alloc_request req = {
		.data_type = BCH_DATA_user, .replicas = 1, .watermark = ALLOC_NORMAL,
		.cached = true, .stream = 9,
	};
	struct alloc_space space;
	struct extent_ptr_decoded p;
	struct extent_walk w;
	struct test_key key = f->slot[i].key;

	if (!f->slot[i].used || !bce_key_has_ptrs(key.k.type) || key.k.val_u64s > 4)
		return;
	key.k.v = key.v;
	bce_extent_walk_init(&w, &key.k, 0);
	while (bce_extent_next_ptr(&w, &p)) {
		req.exclude_devs |= 1ULL << p.ptr.dev;
		if (p.ptr.cached)
			return;
	}
	assert_int_equal(bce_alloc_space_get(f->r->a, &req, SLOT_SECTORS, &space), 0);
	if (space.nr && space.sectors == SLOT_SECTORS && !w.crc.offset) {
		key_add(&key, crc32_word(SLOT_SECTORS, SLOT_SECTORS, 0));
		key_add_space(&key, &space);
		assert_int_equal(slot_put(f, i, &key), 0);
	}
	bce_alloc_space_put(f->r->a, &space);
}

static void slot_cut(struct file *f, unsigned int i)
{
	struct test_key key = f->slot[i].key;

	if (!f->slot[i].used || key.k.size < 16)
		return;
	key.k.v = key.v;
	if (rnd() % 2)
		bce_key_cut_front(&key.k, bkey_start_offset(&key.k) + 8);
	else
		bce_key_cut_back(&key.k, key.k.p.offset - 8);
	assert_int_equal(slot_put(f, i, &key), 0);
}

static void slot_reserve(struct file *f, unsigned int i)
{
	struct test_key key;

	if (f->btree_id == BTREE_ID_reflink)
		return;
	key_init(&key, KEY_TYPE_reservation, slot_end(f, i), SLOT_SECTORS);
	key_add(&key, (1ULL + rnd() % 3) << 32);
	assert_int_equal(slot_put(f, i, &key), 0);
}

static void random_change(struct file *f)
{
	unsigned int i = rnd() % NR_SLOTS;

	f->r->clock[rnd() % 2] += rnd() % 100;
	switch (rnd() % 10) {
	case 0 ... 3:
		slot_write(f, i);
		break;
	case 4:
		slot_put(f, i, NULL);
		break;
	case 5:
	case 6:
		slot_cut(f, i);
		break;
	case 7:
		slot_reserve(f, i);
		break;
	default:
		slot_promote(f, i);
		break;
	}
}

static void random_run(unsigned int nr_devs, unsigned int changes,
		       void (*change)(struct sb_builder *b, unsigned int dev))
{
	struct file *f[2] = { calloc(1, sizeof(**f)), calloc(1, sizeof(**f)) };
	struct alloc_rig r;

	alloc_rig_open(&r, nr_devs, change);
	alloc_rig_check(&r);
	f[0]->r = f[1]->r = &r;
	f[0]->btree_id = BTREE_ID_extents;
	f[1]->btree_id = BTREE_ID_reflink;
	for (unsigned int i = 1; i <= changes; i++) {
		random_change(f[rnd() % 4 == 0]);
		if (rnd() % 50 == 0)
			alloc_make_space(r.a, false);
		if (i % 50 == 0)
			alloc_rig_check(&r);
	}
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		slot_put(f[0], i, NULL);
		slot_put(f[1], i, NULL);
	}
	alloc_rig_check(&r);
	alloc_make_space(r.a, false);
	alloc_rig_check(&r);
	alloc_rig_close(&r);
	free(f[0]);
	free(f[1]);
}

static void test_random_one(void **state)
{
	random_run(1, 1500, NULL);
}

static void test_random_four(void **state)
{
	random_run(4, 3000, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_one, rnd_setup),
		cmocka_unit_test_setup(test_random_four, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
