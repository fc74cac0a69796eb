// SPDX-License-Identifier: GPL-2.0
/*
 * Buckets are emptied as copygc does it (docs/format/75-allocation.md, 9.1), with the real allocator: files
 * written with all kinds of checksum and compression, overwritten in part, shared, seen by
 * snapshots. Afterwards no bucket that was asked to be empty holds anything, files are what they
 * were, and the checker finds nothing. Keys whose cached pointers have all grown stale lose them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kernel.h>

#include "data_rig.h"
#include "engine/alloc/alloc_internal.h"
#include "engine/data/move.h"
#include "engine/format/ids.h"
#include "engine/key/alloc.h"
#include "engine/key/extent_edit.h"
#include "random.h"
#include "sb_builder.h"

#define FIRST_INUM	4100
#define FILES		4
#define BLOCKS		64
#define BYTES		(BLOCKS * RIG_BLOCK_BYTES)

struct fixture {
	struct alloc_rig	alloc;
	struct data_rig		r;
	u8			data[FILES][BYTES];
};

static struct bce_file_id id_of(unsigned int subvol, unsigned int n)
{
	return (struct bce_file_id) { .subvol = subvol, .inum = FIRST_INUM + n };
}

static void fill(u8 *p, size_t n)
{
	bool noise = rnd() % 4 == 0;

	for (size_t i = 0; i < n; i++)
		p[i] = noise || i % 64 < 8 ? rnd() : "abcdefgh"[i % 8];
}

static void write_part(struct fixture *f, unsigned int n)
{
	u64 at = rnd() % BLOCKS, blocks = 1 + rnd() % (BLOCKS - at);

	fill(f->data[n] + at * RIG_BLOCK_BYTES, blocks * RIG_BLOCK_BYTES);
	assert_int_equal(rig_write(&f->r, id_of(1, n), at * 8, f->data[n] + at * RIG_BLOCK_BYTES,
				   blocks * RIG_BLOCK_BYTES, BYTES, 0), 0);
}

static void share_part(struct fixture *f, unsigned int from, unsigned int to)
{
	u64 at = rnd() % BLOCKS, blocks = 1 + rnd() % (BLOCKS - at), done;

	if (from == to)
		return;
	assert_int_equal(bce_data_reflink(f->r.writer, id_of(1, from), at * 8, id_of(1, to), at * 8,
					  blocks * 8, BYTES, &done, NULL), 0);
	memcpy(f->data[to] + at * RIG_BLOCK_BYTES, f->data[from] + at * RIG_BLOCK_BYTES,
	       blocks * RIG_BLOCK_BYTES);
}

static void fixture_open(struct fixture *f, bool encrypted)
{
	memset(f, 0, sizeof(*f));
	alloc_rig_open(&f->alloc, 3, NULL);
	rig_init_alloc(&f->r, &f->alloc, encrypted);
	for (unsigned int n = 0; n < FILES; n++)
		rig_inode(&f->r, 1, FIRST_INUM + n, NULL);
}

static void fixture_close(struct fixture *f)
{
	rig_exit(&f->r);
	alloc_rig_close(&f->alloc);
}

static void make_files(struct fixture *f)
{
	for (int i = 0; i < 160; i++) {
		f->r.opts.data_checksum = rnd() % 4;
		f->r.opts.compression = rnd() % 4;
		f->r.opts.data_replicas = 1 + rnd() % 2;
		if (i == 80)
			rig_snapshot(&f->r, 1, 2);
		if (i % 5 == 4)
			share_part(f, rnd() % FILES, rnd() % FILES);
		else
			write_part(f, rnd() % FILES);
	}
}

static void compare(struct fixture *f)
{
	static u8 got[BYTES];

	for (unsigned int n = 0; n < FILES; n++) {
		assert_int_equal(rig_read(&f->r, id_of(1, n), 0, got, BYTES), 0);
		assert_memory_equal(got, f->data[n], BYTES);
	}
}

static u32 dirty_sectors(struct fixture *f, unsigned int dev, u64 bucket)
{
	struct alloc_info info;

	alloc_rig_bucket(&f->alloc, dev, bucket, &info);
	return info.data_type == BCH_DATA_user ? info.dirty_sectors : 0;
}

static void buckets_are_emptied(void **state)
{
	for (int encrypted = 0; encrypted < 2; encrypted++) {
		struct fixture *f = malloc(sizeof(*f));
		unsigned int emptied = 0;

		fixture_open(f, encrypted);
		make_files(f);
		compare(f);
		for (unsigned int dev = 0; dev < 3; dev++)
			for (u64 bucket = 0; bucket < SBB_NBUCKETS && emptied < 40; bucket++) {
				/* what is still being filled may be filled by the move itself */
				if (!dirty_sectors(f, dev, bucket) ||
				    alloc_bucket_is_open(f->alloc.a, dev, bucket))
					continue;
				assert_int_equal(bce_data_mover_ops.bucket(f->r.writer, dev, bucket),
						 0);
				assert_int_equal(dirty_sectors(f, dev, bucket), 0);
				emptied++;
				compare(f);
			}
		assert_true(emptied > 2);
		rig_check(&f->r);
		fixture_close(f);
		free(f);
	}
}

/* ---- stale cached pointers ---- */

static int gen_now;

static int bucket_gen(void *ctx, unsigned int dev, u64 sector)
{
	return gen_now;
}

static int make_cached(struct bce_trans *t, void *ctx)
{
	struct bpos *pos = ctx;
	struct extent_value v;
	struct extent_ptrs ptrs;
	struct bkey k;
	int ret = bce_trans_lookup(t, BTREE_ID_extents, *pos, NULL, 0, &k);

	if (ret)
		return ret;
	assert_int_equal(bce_extent_ptrs_decode(&k, &ptrs), 0);
	for (unsigned int i = 0; i < ptrs.nr; i++)
		ptrs.p[i].ptr.cached = true;
	bce_extent_ptrs_encode(&ptrs, &k, &v);
	return bce_trans_update(t, BTREE_ID_extents, &k, 0);
}

static void stale_keys_are_pruned(void **state)
{
	static const struct data_read_live live = { .bucket_gen = bucket_gen };
	struct fixture *f = malloc(sizeof(*f));
	struct bpos pos = SPOS(FIRST_INUM, BLOCKS * 8, U32_MAX);
	struct inode_fields before, after;
	static u8 got[BYTES];
	struct bkey_buf buf;
	struct bkey k;

	fixture_open(f, false);
	f->r.opts.data_checksum = BCH_CSUM_OPT_none;
	fill(f->data[0], BYTES);
	assert_int_equal(rig_write(&f->r, id_of(1, 0), 0, f->data[0], BYTES, BYTES, 0), 0);
	bce_data_reader_set_live(f->r.reader, &live);
	assert_int_equal(rig_inode_read(&f->r, 1, FIRST_INUM, &before), 0);

	/* dirty, or fresh: left alone */
	gen_now = 100;
	assert_int_equal(bce_data_prune(f->r.writer, BTREE_ID_extents, pos), 0);
	assert_int_equal(bce_trans_run(f->r.mem.b, make_cached, &pos, 0, NULL), 0);
	gen_now = 0;
	assert_int_equal(bce_data_prune(f->r.writer, BTREE_ID_extents, pos), 0);
	compare(f);

	gen_now = 20;
	assert_int_equal(bce_data_prune(f->r.writer, BTREE_ID_extents, pos), 0);
	assert_int_equal(bce_btree_lookup(f->r.mem.b, BTREE_ID_extents, pos, NULL, &k, &buf), 0);
	assert_int_equal(k.type, KEY_TYPE_inline_data);
	assert_int_equal(rig_read(&f->r, id_of(1, 0), 0, got, BYTES), 0);
	memset(f->data[0], 0, BYTES);
	assert_memory_equal(got, f->data[0], BYTES);
	assert_int_equal(rig_inode_read(&f->r, 1, FIRST_INUM, &after), 0);
	assert_int_equal(before.sectors, after.sectors);
	bce_data_reader_set_live(f->r.reader, NULL);
	rig_check(&f->r);
	fixture_close(f);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_emptied),
		cmocka_unit_test(stale_keys_are_pruned),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
