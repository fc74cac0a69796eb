// SPDX-License-Identifier: GPL-2.0
/*
 * A flipped bit anywhere in the metadata of a set must not go unnoticed: superblock copies, layout,
 * journal and btree nodes of golden images are read with one bit inverted on the way from the
 * device, one at a time, and the whole set is walked.
 *
 * What may happen: the set refuses to open or start; or everything is as without the flip
 * (padding, an unused copy, another replica); or something is missing and a finding was reported.
 * What may not: a key that the intact set does not have, or keys missing without a word. Crashes
 * and sanitizer reports end the program. One place is different: the newest flush entry of a dirty
 * journal, damaged, looks like a write that the crash tore, so the state before it is what there
 * is.
 *
 * FLIP_STEP=n in the environment tries every n-th byte. The default is a sample that takes
 * seconds; 1 is every byte and takes hours.
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

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/xxhash.h>

#include <bcachefs/set.h>

#include "engine/btree/btrees.h"
#include "engine/btree/iter.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"
#include "engine/key/extent.h"
#include "engine/set/set_internal.h"
#include "kapi/kapi.h"

#define DEFAULT_STEP	4001
#define KEYS_MAX	200000

/* ---- the flipped byte ---- */

static u64 flip_byte;		/* on the device; U64_MAX: none */
static u8 flip_bit;

static blk_status_t flip_after(struct bio *bio, void *priv)
{
	u64 start = bio->bi_iter.bi_sector << SECTOR_SHIFT;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (flip_byte < start || flip_byte >= start + bio->bi_iter.bi_size)
		return BLK_STS_OK;
	bio_for_each_segment(bv, bio, iter) {
		if (flip_byte < start + bv.bv_len) {
			u8 *p = kmap_local_page(bv.bv_page);

			p[bv.bv_offset + (flip_byte - start)] ^= flip_bit;
			kunmap_local(p);
			break;
		}
		start += bv.bv_len;
	}
	return BLK_STS_OK;
}

static const struct kapi_bdev_fault flip_fault = { .after = flip_after };

/* ---- walking a set ---- */

static u64 intact[KEYS_MAX], seen[KEYS_MAX];
static size_t nr_intact, nr_seen;
static u64 findings;		/* messages at error or warning level */

static void count_message(void *ctx, int level, int error_id, const char *line)
{
	findings += level <= BCE_LOG_WARN;
}

static u64 key_hash(unsigned int btree_id, const struct bkey *k)
{
	u64 head[6] = { btree_id, k->p.inode, k->p.offset, k->p.snapshot,
			(u64)k->size << 32 | k->type << 8 | k->val_u64s, k->version.lo };

	return xxh64(head, sizeof(head), xxh64(k->v, bkey_val_bytes(k), 0));
}

static void walk_btree(struct bce_set *set, unsigned int btree_id)
{
	struct btree_iter iter;
	const struct bkey *k;

	bce_btree_iter_init(&iter, set->btrees, btree_id, 0, POS_MIN, 0, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k) && nr_seen < KEYS_MAX;
	     k = bce_btree_iter_next(&iter))
		seen[nr_seen++] = key_hash(btree_id, k);
	findings += IS_ERR(k);
	bce_btree_iter_exit(&iter);
}

static int u64_cmp(const void *a, const void *b)
{
	u64 l = *(const u64 *)a, r = *(const u64 *)b;

	return l < r ? -1 : l > r;
}

/* keys to seen[], sorted. 0, or the error that ended opening or starting */
static int walk(struct block_device *bdev)
{
	struct bce_member_source src = { bdev, "disk" };
	struct bce_open_opts opts = { .read_only = true, .message = count_message };
	struct bce_set *set;
	char why[512];
	int ret;

	nr_seen = 0;
	findings = 0;
	ret = bce_set_open(&set, &src, 1, &opts, &opts, why);
	if (ret) {
		assert_true(strlen(why) > 0);
		return ret;
	}
	ret = bce_set_start(set);
	for (unsigned int id = 0; !ret && id < BTREE_ID_NR; id++)
		walk_btree(set, id);
	bce_set_detach(set, &opts);
	bce_set_put(set);
	qsort(seen, nr_seen, sizeof(seen[0]), u64_cmp);
	return ret;
}

/* ---- where metadata lies ---- */

struct range {
	u64	start, end;		/* bytes on the device */
	bool	may_be_torn;
};

static struct range range[4096];
static size_t nr_ranges;

static void add_range(u64 sector, u64 bytes, bool may_be_torn)
{
	assert_true(nr_ranges < ARRAY_SIZE(range));
	range[nr_ranges++] = (struct range) { sector << 9, (sector << 9) + bytes, may_be_torn };
}

static int add_node(void *ctx, const struct btree_node_view *v)
{
	struct btree_ptr_info info;
	struct extent_ptr_decoded p;
	struct extent_walk w;

	bce_btree_ptr_decode(v->ptr, &info);
	bce_extent_walk_init(&w, v->ptr, 0);
	while (bce_extent_next_ptr(&w, &p))
		add_range(p.ptr.sector, info.sectors_written * 512ULL, false);
	return 0;
}

static void find_metadata(struct block_device *bdev)
{
	struct bce_member_source src = { bdev, "disk" };
	struct bce_open_opts opts = { .read_only = true, .read_all_journal = true,
				      .message = count_message };
	struct bce_set *set;
	char why[512];

	nr_ranges = 0;
	assert_int_equal(bce_set_open(&set, &src, 1, &opts, &opts, why), 0);
	assert_int_equal(bce_set_start(set), 0);

	add_range(7, 512, false);
	for (unsigned int i = 0; i < set->best.sb->layout.nr_superblocks; i++)
		add_range(le64_to_cpu(set->best.sb->layout.sb_offset[i]), set->best.bytes, false);
	for (size_t i = 0; i < set->replay.nr_entries; i++) {
		struct journal_entry *e = set->replay.entry[i];

		for (unsigned int c = 0; c < e->nr_copies; c++)
			add_range(e->copy[c].sector, e->bytes,
				  !set->replay.clean && e->seq == set->replay.flush_seq);
	}
	for (unsigned int id = 0; id < BTREE_ID_NR; id++)
		assert_int_equal(bce_btree_for_each_node(set->btrees, id, add_node, NULL), 0);
	bce_set_detach(set, &opts);
	bce_set_put(set);
}

/* ---- the sweep ---- */

/* is every key of a sorted in b? */
static bool subset(const u64 *a, size_t nr_a, const u64 *b, size_t nr_b)
{
	size_t j = 0;

	for (size_t i = 0; i < nr_a; i++) {
		while (j < nr_b && b[j] < a[i])
			j++;
		if (j == nr_b || b[j] != a[i])
			return false;
		j++;
	}
	return true;
}

static void try_flip(struct block_device *bdev, u64 byte, u8 bit, bool may_be_torn)
{
	bool all, no_new;

	flip_byte = byte;
	flip_bit = bit;
	if (walk(bdev))
		return;
	no_new = subset(seen, nr_seen, intact, nr_intact);
	all = nr_seen == nr_intact;
	if (may_be_torn || (no_new && (all || findings)))
		return;
	fail_msg("byte %llu (sector %llu + %llu) bit 0x%x: %zu keys of %zu, %s, %llu findings",
		 (unsigned long long)byte, (unsigned long long)byte >> 9,
		 (unsigned long long)byte & 511, bit, nr_seen, nr_intact,
		 no_new ? "none new" : "some new", (unsigned long long)findings);
}

static void sweep(const char *name)
{
	const char *env = getenv("FLIP_STEP"), *out = getenv("O");
	u64 step = env ? strtoull(env, NULL, 0) : DEFAULT_STEP, tried = 0, skip = 0;
	struct block_device *bdev;
	char path[4096];

	snprintf(path, sizeof(path), "%s/golden/%s/disk0.img", out ?: "build", name);
	bdev = kapi_bdev_open(path, O_RDONLY);
	assert_false(IS_ERR(bdev));

	flip_byte = U64_MAX;
	assert_int_equal(walk(bdev), 0);
	assert_true(nr_seen > 0 && nr_seen < KEYS_MAX);
	nr_intact = nr_seen;
	memcpy(intact, seen, nr_seen * sizeof(seen[0]));
	find_metadata(bdev);

	kapi_bdev_set_fault(bdev, &flip_fault);
	for (size_t i = 0; i < nr_ranges; i++) {
		u64 byte = range[i].start + skip;

		for (; byte < range[i].end; byte += step)
			try_flip(bdev, byte, 1 << (tried++ % 8), range[i].may_be_torn);
		/* the stride goes on across ranges, so that every kind of byte gets its turn */
		skip = byte - range[i].end;
	}
	kapi_bdev_set_fault(bdev, NULL);
	kapi_bdev_close(bdev);
	print_message("%s: %llu flips in %zu pieces of metadata\n", name,
		      (unsigned long long)tried, nr_ranges);
	assert_true(tried > 0);
}

static void flips_in_a_clean_set(void **state)
{
	sweep("snapshots");
}

static void flips_in_a_crashed_set(void **state)
{
	sweep("crash");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flips_in_a_clean_set),
		cmocka_unit_test(flips_in_a_crashed_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
