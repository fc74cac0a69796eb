// SPDX-License-Identifier: GPL-2.0
/*
 * The checker over sets that the in-tree driver wrote: nothing is found; and where one thing is
 * made wrong that only a real set has (nodes on disk, superblocks, a journal), that is found.
 * Changes of keys are laid over the set in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/kernel.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/check/check.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/journal/overlay.h"
#include "engine/journal/replay.h"
#include "engine/key/extent.h"
#include "engine/names/snapshot.h"
#include "../lib/golden_set.h"
#include "../lib/memory_set.h"
#include "../lib/set_check.h"
#include "kapi/kapi.h"

struct fixture {
	struct golden_set	g;
	struct journal_replay	replay;
	struct overlay		*overlay;	/* of the set's own journal */
	struct memory_set	m;		/* with keys: laid over the set */
	struct btrees		*btrees;
	struct snapshot_table	*snapshots;
	struct member_info	member[BCH_MEMBERS_MAX];
	struct check		c;
	u64			before[BCE_ERR_NR];
};

static void begin(struct fixture *f, const char *set)
{
	struct journal_read_context ctx;

	memset(f, 0, sizeof(*f));
	memory_init(&f->m);
	assert_int_equal(golden_set_open(&f->g, set), 0);
	ctx = golden_journal_context(&f->g);
	assert_int_equal(bce_journal_read(&f->replay, &ctx), 0);
	for (unsigned int i = 0; i < f->g.sb->nr_devices; i++)
		bce_sb_member(f->g.sb, i, &f->member[i]);
}

static struct btrees_config config_of(struct fixture *f)
{
	struct sb_info info;

	bce_sb_info(f->g.sb, &info);
	return (struct btrees_config) {
		.uuid_word = info.uuid_word,
		.version = info.version,
		.version_min = info.version_min,
		.node_sectors = info.btree_node_sectors,
		.block_sectors = info.block_sectors,
		.cache_bytes = 16 << 20,
		.members = f->g.members,
		.cipher = f->g.cipher,
		.rules = &f->g.rules,
		.replay = &f->replay,
		.overlay = f->overlay,
		.log = f->g.log,
	};
}

/* open it, with the keys in f->m over it if there are any, which a dirty set does not have */
static void start(struct fixture *f)
{
	struct btrees_config config;

	if (!f->replay.clean)
		assert_int_equal(bce_overlay_build(&f->overlay, &f->replay), 0);
	config = config_of(f);
	if (f->m.nr) {
		assert_true(f->replay.clean);
		assert_int_equal(memory_start(&f->m, &config), 0);
		f->btrees = f->m.btrees;
		f->snapshots = f->m.snapshots;
	} else {
		assert_int_equal(bce_btrees_open(&f->btrees, &config), 0);
		assert_int_equal(bce_snapshot_table_read(&f->snapshots, f->btrees, f->g.log), 0);
	}
	f->c = (struct check) {
		.btrees = f->btrees,
		.snapshots = f->snapshots,
		.log = f->g.log,
		.member = f->member,
		.sb = f->g.sb,
		.dev_sb = f->g.dev_sb,
		.replay = &f->replay,
		.node_sectors = config.node_sectors,
		.block_sectors = config.block_sectors,
	};
	for (unsigned int id = 0; id < BCE_ERR_NR; id++)
		f->before[id] = bce_log_error_count(f->g.log, id);
}

static void end(struct fixture *f)
{
	if (!f->m.nr) {
		bce_snapshot_table_free(f->snapshots);
		bce_btrees_close(f->btrees);
	}
	memory_exit(&f->m);
	bce_overlay_free(f->overlay);
	bce_journal_replay_exit(&f->replay);
	golden_set_close(&f->g);
}

/* exactly these ids; @ids ends with BCE_ERR_NR */
static void found_only(struct fixture *f, const unsigned int *ids)
{
	for (unsigned int id = 0; id < BCE_ERR_NR; id++) {
		u64 nr = bce_log_error_count(f->g.log, id) - f->before[id];
		bool wanted = false;

		for (unsigned int i = 0; ids[i] < BCE_ERR_NR; i++)
			wanted |= ids[i] == id;
		if (!nr == !wanted)
			continue;
		print_error("%s: %llu\n%s", bce_error_name(id), (unsigned long long)nr,
			    f->g.findings);
		assert_true(false);
	}
}

#define FOUND_ONLY(f, ...)	found_only(f, (const unsigned int[]) { __VA_ARGS__ BCE_ERR_NR })

static void run_all(struct fixture *f)
{
	assert_int_equal(bce_check_nodes(&f->c), 0);
	assert_int_equal(bce_check_allocations(&f->c), 0);
	assert_int_equal(bce_check_names(&f->c), 0);
}

static void nothing_found(void **state)
{
	for (unsigned int i = 0; golden_sets[i]; i++) {
		struct fixture f;

		if (!strcmp(golden_sets[i], "fresh-uninit"))
			continue;
		begin(&f, golden_sets[i]);
		start(&f);
		run_all(&f);
		FOUND_ONLY(&f, );
		assert_int_equal(f.c.inum_mismatches, 0);
		end(&f);
	}
}

static void bitmap_not_marked(void **state)
{
	struct fixture f;

	begin(&f, "small-tree");
	f.member[0].btree_bitmap &= f.member[0].btree_bitmap - 1;
	start(&f);
	assert_int_equal(bce_check_allocations(&f.c), 0);
	FOUND_ONLY(&f, BCE_ERR_btree_bitmap_not_marked, );
	end(&f);
}

/* a member whose own superblock is not known: its superblock and journal buckets are believed */
static void superblock_unknown(void **state)
{
	struct fixture f;

	begin(&f, "small-tree");
	start(&f);
	f.c.dev_sb = NULL;
	assert_int_equal(bce_check_allocations(&f.c), 0);
	FOUND_ONLY(&f, );
	end(&f);
}

/* the first bucket of a type, changed by @change, laid over the set */
static void change_bucket(struct fixture *f, unsigned int type,
			  void (*change)(struct bch_alloc_v4 *v))
{
	struct btrees_config config = config_of(f);
	struct bch_alloc_v4 v = { };
	struct btree_iter iter;
	const struct bkey *k;
	struct btrees *b;

	assert_int_equal(bce_btrees_open(&b, &config), 0);
	bce_btree_iter_init(&iter, b, BTREE_ID_alloc, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); k; k = bce_btree_iter_next(&iter)) {
		memcpy(&v, k->v, sizeof(v));
		if (v.data_type == type)
			break;
	}
	assert_non_null(k);
	change(&v);
	memory_key(&f->m, BTREE_ID_alloc, KEY_TYPE_alloc_v4, k->p, 0, &v, sizeof(v));
	bce_btree_iter_exit(&iter);
	bce_btrees_close(b);
}

static void one_sector_less(struct bch_alloc_v4 *v)
{
	le32_add_cpu(&v->dirty_sectors, -1);
}

static void as_journal(struct bch_alloc_v4 *v)
{
	v->data_type = BCH_DATA_journal;
}

static void superblock_bucket(void **state)
{
	struct fixture f;

	begin(&f, "small-tree");
	change_bucket(&f, BCH_DATA_sb, one_sector_less);
	start(&f);
	assert_int_equal(bce_check_allocations(&f.c), 0);
	FOUND_ONLY(&f, BCE_ERR_alloc_key_dirty_sectors_wrong, );
	end(&f);
}

static void superblock_as_journal(void **state)
{
	struct fixture f;

	begin(&f, "small-tree");
	change_bucket(&f, BCH_DATA_sb, as_journal);
	start(&f);
	assert_int_equal(bce_check_allocations(&f.c), 0);
	FOUND_ONLY(&f, BCE_ERR_alloc_key_data_type_wrong, );
	end(&f);
}

static void journal_bucket(void **state)
{
	struct fixture f;

	begin(&f, "small-tree");
	change_bucket(&f, BCH_DATA_journal, one_sector_less);
	start(&f);
	assert_int_equal(bce_check_allocations(&f.c), 0);
	FOUND_ONLY(&f, BCE_ERR_alloc_key_dirty_sectors_wrong, );
	end(&f);
}

/* ---- nodes that cannot be read ---- */

struct leaf {
	unsigned int	nr;		/* which one is wanted */
	unsigned int	met;
	u64		sector;
};

static int find_leaf(void *ctx, const struct btree_node_view *v)
{
	struct extent_ptr_decoded p;
	struct leaf *l = ctx;
	struct extent_walk w;

	if (v->error || v->level || l->met++ != l->nr)
		return 0;
	bce_extent_walk_init(&w, v->ptr, 512);
	assert_true(bce_extent_next_ptr(&w, &p));
	l->sector = p.ptr.sector;
	return 0;
}

static blk_status_t leaf_fails(struct bio *bio, void *priv)
{
	const struct leaf *l = priv;
	u64 start = bio->bi_iter.bi_sector;

	return start <= l->sector && l->sector < start + max(bio_sectors(bio), 1U) ?
		BLK_STS_IOERR : BLK_STS_OK;
}

/* leaf @nr of a btree of "many"; false: it has no so many */
static bool leaf_place(unsigned int btree_id, struct leaf *l)
{
	struct fixture f;

	begin(&f, "many");
	start(&f);
	assert_int_equal(bce_btree_for_each_node(f.btrees, btree_id, find_leaf, l), 0);
	end(&f);
	return l->nr + 1 < l->met;	/* there is one behind it */
}

/*
 * One leaf of each btree that has several is unreadable: nothing is made up about what it held, and what is
 * wrong behind it is found.
 */
static void leaf_unreadable(void **state)
{
	static const unsigned int ids[] = {
		BTREE_ID_inodes, BTREE_ID_dirents, BTREE_ID_extents, BTREE_ID_alloc,
		BTREE_ID_backpointers,
	};
	struct bch_dirent lost = { .d_inum = cpu_to_le64(1234567), .d_type = 8 };
	/* a pointer into bucket 105, which is free, with a generation that it has not reached */
	u64 ptr = BITS_SET(BITS_SET(1ULL, EXTENT_PTR_OFFSET, 105 * 256), EXTENT_PTR_GEN, 100);
	unsigned int tried = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++)
		for (unsigned int nr = 0; nr < 2; nr++) {
			struct leaf leaf = { .nr = nr };
			struct kapi_bdev_fault fault = { .before = leaf_fails, .priv = &leaf };
			struct fixture f;

			if (!leaf_place(ids[i], &leaf))
				continue;
			tried++;
			begin(&f, "many");
			memory_key(&f.m, BTREE_ID_dirents, KEY_TYPE_dirent,
				   SPOS(1ULL << 62, 5, U32_MAX), 0, &lost, sizeof(lost));
			memory_key(&f.m, BTREE_ID_extents, KEY_TYPE_extent,
				   SPOS(1ULL << 62, 8, U32_MAX), 8, &ptr, sizeof(ptr));
			kapi_bdev_set_fault(f.g.bdev[0], &fault);
			start(&f);
			run_all(&f);
			assert_int_equal(f.c.unreadable_nodes, 1);
			FOUND_ONLY(&f, BCE_ERR_btree_node_read_error, BCE_ERR_key_in_missing_inode,
				   BCE_ERR_dirent_to_missing_inode,
				   BCE_ERR_ptr_gen_newer_than_bucket_gen,
				   BCE_ERR_ptr_to_missing_replicas_entry, );
			end(&f);
		}
	assert_int_equal(tried, 6);
}

/* the same through the set, as tools and crash tests do it */
static void set_opened(void **state)
{
	struct bce_check_result result;
	const char *path = golden_image_path("crash", "disk0.img");
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(set_check_files(&fd, 1, NULL, "crash", &result), 0);
	assert_int_equal(result.findings, 0);
	assert_true(result.keys > 1000 && result.nodes > 20);
	close(fd);
}

/* crashes of nothing at all are the set as it is */
static int unchanged(void *ctx, struct crash_image *img)
{
	return set_check_files(img->fd, img->nr, NULL, img->name, NULL);
}

static void set_recorded(void **state)
{
	const struct crash_plan plan = { .seeds = 1 };
	int fd[3];
	struct record *r;
	size_t nr;

	for (unsigned int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "disk%u.img", i);
		fd[i] = open(golden_image_path("replicas2", name), O_RDONLY);
		assert_true(fd[i] >= 0);
	}
	r = record_start(fd, 3, 512);
	record_stop(r);
	assert_int_equal(crash_each(r, &plan, unchanged, NULL, &nr), 0);
	assert_int_equal(nr, 2);
	record_free(r);
	for (unsigned int i = 0; i < 3; i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_found),
		cmocka_unit_test(bitmap_not_marked),
		cmocka_unit_test(superblock_unknown),
		cmocka_unit_test(superblock_bucket),
		cmocka_unit_test(superblock_as_journal),
		cmocka_unit_test(journal_bucket),
		cmocka_unit_test(leaf_unreadable),
		cmocka_unit_test(set_opened),
		cmocka_unit_test(set_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
