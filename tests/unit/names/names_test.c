// SPDX-License-Identifier: GPL-2.0
/*
 * Names over small hand-made btrees (docs/format/60-filesystem-keys.md, parts I, II, V): linear
 * probing over entries, tombstones and holes; entries of subvolumes that show only through their
 * own; versions of snapshots; readdir cookies; extended attributes; times; values of absurd shape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/errno.h>
#include <linux/kernel.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/names.h"
#include "../../lib/mini_set.h"

#define SEED		0x0123456789abcdefULL
#define DIR		5000
#define HASH_TYPE	BCH_STR_HASH_siphash

/* a tree of snapshots: 100 is the parent of 90 (subvolume 1) and 80 (subvolume 2) */
#define PARENT		100
#define SNAP1		90
#define SNAP2		80

struct fixture {
	struct mini_set		m;
	struct sb_info		info;
	struct names_source	src;
	struct bce_inode	dir[3];		/* through subvolume 1, 2 */
};

static void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	mini_init(&f->m);
	mini_snapshot(&f->m, PARENT, 0, NULL);
	mini_snapshot(&f->m, SNAP1, PARENT, (u32[3]) { PARENT, PARENT, PARENT });
	mini_snapshot(&f->m, SNAP2, PARENT, (u32[3]) { PARENT, PARENT, PARENT });
	mini_subvolume(&f->m, 1, SNAP1, 4096);
	mini_subvolume(&f->m, 2, SNAP2, 4096);
	mini_subvolume(&f->m, 3, 70, 4999);
}

static void fixture_start(struct fixture *f)
{
	assert_int_equal(mini_start(&f->m, NULL), 0);
	f->info = (struct sb_info) { .time_precision = 1 };
	f->src = (struct names_source) {
		.btrees = f->m.btrees,
		.snapshots = f->m.snapshots,
		.info = &f->info,
		.log = f->m.log,
	};
	for (u32 subvol = 1; subvol <= 2; subvol++)
		f->dir[subvol] = (struct bce_inode) {
			.id = { subvol, DIR },
			.hash_seed = SEED,
			.hash_type = HASH_TYPE,
		};
}

static u64 hash_of(const char *name)
{
	return bce_name_hash(HASH_TYPE, SEED, name, strlen(name), true);
}

static void add_dirent(struct fixture *f, u64 slot, u32 snapshot, const char *name, u8 d_type,
		       u64 target)
{
	struct {
		struct bch_dirent d;
		char name[520];
	} __packed v = { };
	size_t len = strlen(name);

	v.d.d_type = d_type;
	v.d.d_inum = cpu_to_le64(target);
	memcpy(v.name, name, len);
	mini_key(&f->m, BTREE_ID_dirents, KEY_TYPE_dirent, SPOS(DIR, slot, snapshot), 0,
		 (struct bversion) { }, &v, sizeof(v.d) + len);
}

static void add_empty(struct fixture *f, unsigned int btree, unsigned int type, u64 slot,
		      u32 snapshot)
{
	mini_key(&f->m, btree, type, SPOS(DIR, slot, snapshot), 0, (struct bversion) { }, NULL, 0);
}

/* inode number under that name, or the negative error */
static s64 look_up(struct fixture *f, u32 subvol, const char *name)
{
	struct bce_file_id id;
	int ret = names_dirent_lookup(&f->src, &f->dir[subvol], name, strlen(name), &id);

	return ret ?: (s64)id.inum;
}

static void probing(void **state)
{
	u64 h = hash_of("sought");
	struct fixture f;

	fixture_begin(&f);
	/* displaced by two: over an entry and a tombstone */
	add_dirent(&f, h, SNAP1, "other", 8, 6001);
	add_empty(&f, BTREE_ID_dirents, KEY_TYPE_hash_whiteout, h + 1, SNAP1);
	add_dirent(&f, h + 2, SNAP1, "sought", 8, 6002);
	/* behind a hole: not reachable from its hash */
	add_dirent(&f, hash_of("behind") + 1, SNAP1, "behind", 8, 6003);
	/* behind what another snapshot's whiteout hides in subvolume 2 only */
	add_dirent(&f, hash_of("shared"), PARENT, "blocker", 8, 6004);
	add_dirent(&f, hash_of("shared") + 1, PARENT, "shared", 8, 6005);
	add_empty(&f, BTREE_ID_dirents, KEY_TYPE_whiteout, hash_of("shared"), SNAP2);
	fixture_start(&f);

	assert_int_equal(look_up(&f, 1, "sought"), 6002);
	assert_int_equal(look_up(&f, 1, "behind"), -ENOENT);
	assert_int_equal(look_up(&f, 1, "shared"), 6005);
	assert_int_equal(look_up(&f, 2, "shared"), -ENOENT);
	assert_int_equal(look_up(&f, 1, "sough"), -ENOENT);
	assert_int_equal(look_up(&f, 1, ""), -ENOENT);
	mini_exit(&f.m);
}

static void versions(void **state)
{
	struct fixture f;

	fixture_begin(&f);
	add_dirent(&f, hash_of("a"), PARENT, "a", 8, 6001);
	add_dirent(&f, hash_of("a"), SNAP1, "a", 8, 6101);
	add_dirent(&f, hash_of("gone"), PARENT, "gone", 8, 6002);
	add_empty(&f, BTREE_ID_dirents, KEY_TYPE_whiteout, hash_of("gone"), SNAP1);
	add_dirent(&f, hash_of("new"), SNAP2, "new", 8, 6003);
	fixture_start(&f);

	assert_int_equal(look_up(&f, 1, "a"), 6101);
	assert_int_equal(look_up(&f, 2, "a"), 6001);
	assert_int_equal(look_up(&f, 1, "gone"), -ENOENT);
	assert_int_equal(look_up(&f, 2, "gone"), 6002);
	assert_int_equal(look_up(&f, 1, "new"), -ENOENT);
	assert_int_equal(look_up(&f, 2, "new"), 6003);
	mini_exit(&f.m);
}

/* d_inum of a subvolume's entry: child in the low half, parent in the high one */
static u64 subvol_target(u32 child, u32 parent)
{
	return child | (u64)parent << 32;
}

static void subvolume_entries(void **state)
{
	struct bce_file_id id;
	struct fixture f;

	fixture_begin(&f);
	add_dirent(&f, hash_of("sub"), PARENT, "sub", BCH_DT_SUBVOL, subvol_target(3, 1));
	add_dirent(&f, hash_of("lost"), PARENT, "lost", BCH_DT_SUBVOL, subvol_target(9, 1));
	fixture_start(&f);

	assert_int_equal(names_dirent_lookup(&f.src, &f.dir[1], "sub", 3, &id), 0);
	assert_int_equal(id.subvol, 3);
	assert_int_equal(id.inum, 4999);
	assert_int_equal(look_up(&f, 2, "sub"), -ENOENT);
	assert_int_equal(look_up(&f, 1, "lost"), -ENOENT);
	assert_int_equal(bce_log_error_count(f.m.log, BCE_ERR_dirent_to_missing_subvol), 1);
	mini_exit(&f.m);
}

/* lengths around the padding of the last word, and the longest */
static void name_lengths(void **state)
{
	static const unsigned int lengths[] = { 1, 6, 7, 8, 14, 15, 16, 255, 511, 512 };
	char name[600];
	struct fixture f;

	fixture_begin(&f);
	memset(name, 'x', sizeof(name));
	for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
		name[lengths[i]] = '\0';
		add_dirent(&f, hash_of(name), SNAP1, name, 8, 7000 + lengths[i]);
		name[lengths[i]] = 'x';
	}
	fixture_start(&f);
	for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
		name[lengths[i]] = '\0';
		assert_int_equal(look_up(&f, 1, name), 7000 + lengths[i]);
		name[lengths[i]] = 'x';
	}
	name[513] = '\0';
	assert_int_equal(look_up(&f, 1, name), -ENOENT);
	mini_exit(&f.m);
}

struct listing {
	char	names[400][16];
	u64	pos[400];
	u8	type[400];
	int	nr, stop_at;
};

static bool list_emit(void *ctx, const struct bce_dirent *d)
{
	struct listing *l = ctx;

	snprintf(l->names[l->nr], sizeof(l->names[0]), "%.*s", (int)d->len, d->name);
	l->type[l->nr] = d->dt_type;
	l->pos[l->nr++] = d->pos;
	return l->nr != l->stop_at;
}

static void readdir_order(void **state)
{
	static struct listing whole, part;
	struct fixture f;
	char name[16];

	memset(&whole, 0, sizeof(whole));
	fixture_begin(&f);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add_dirent(&f, hash_of(name), i % 2 ? PARENT : SNAP1, name, 8, 6000 + i);
	}
	add_empty(&f, BTREE_ID_dirents, KEY_TYPE_hash_whiteout, 77, SNAP1);
	add_dirent(&f, 78, SNAP2, "elsewhere", 8, 6900);
	add_dirent(&f, 79, PARENT, "sub", BCH_DT_SUBVOL, subvol_target(3, 1));
	add_dirent(&f, 80, PARENT, "hidden", BCH_DT_SUBVOL, subvol_target(3, 2));
	fixture_start(&f);

	assert_int_equal(names_readdir(&f.src, &f.dir[1], 0, list_emit, &whole), 0);
	assert_int_equal(whole.nr, 301);
	assert_string_equal(whole.names[0], "sub");
	assert_int_equal(whole.type[0], 4);
	for (int i = 1; i < whole.nr; i++)
		assert_true(whole.pos[i] > whole.pos[i - 1]);

	/* from any cookie on, in steps of any size, the rest is the same */
	for (int start = 0; start <= whole.nr; start += 7) {
		u64 pos = start ? whole.pos[start - 1] + 1 : 0;
		int at = start;

		do {
			memset(&part, 0, sizeof(part));
			part.stop_at = 1 + at % 5;
			assert_int_equal(names_readdir(&f.src, &f.dir[1], pos, list_emit, &part), 0);
			for (int i = 0; i < part.nr; i++, at++) {
				assert_string_equal(part.names[i], whole.names[at]);
				pos = part.pos[i] + 1;
			}
		} while (part.nr);
		assert_int_equal(at, whole.nr);
	}
	mini_exit(&f.m);
}

/* ---- xattrs ---- */

static void add_xattr(struct fixture *f, u64 slot, u8 type, const char *name, const void *val,
		      u16 val_len)
{
	struct {
		struct bch_xattr x;
		u8 data[1996];
	} __packed v = { };
	size_t len = strlen(name);

	v.x.x_type = type;
	v.x.x_name_len = len;
	v.x.x_val_len = cpu_to_le16(val_len);
	memcpy(v.data, name, len);
	memcpy(v.data + len, val, val_len);
	mini_key(&f->m, BTREE_ID_xattrs, KEY_TYPE_xattr, SPOS(DIR, slot, SNAP1), 0,
		 (struct bversion) { }, &v, sizeof(v.x) + len + val_len);
}

static bool xattr_count(void *ctx, enum bce_xattr_type type, const char *name, unsigned int len)
{
	assert_int_equal(strlen(name), len);
	return --*(int *)ctx != 0;
}

static void xattrs(void **state)
{
	/* docs/format/60, section 8: type 0 "foo", and type 1 "" */
	const u64 foo = 0x355d5eae0dd180f4ULL, acl = 0x2278ee8eb6b49680ULL;
	struct fixture f;
	u8 buf[16];
	int budget;

	fixture_begin(&f);
	add_xattr(&f, foo, 3, "foo", "trusted", 7);	/* same name, other type, in the way */
	add_xattr(&f, foo + 1, 0, "foo", "bar", 3);
	add_xattr(&f, acl, 1, "", "acl", 3);
	fixture_start(&f);

	assert_int_equal(names_xattr_get(&f.src, &f.dir[1], BCE_XATTR_USER, "foo", NULL, 0), 3);
	assert_int_equal(names_xattr_get(&f.src, &f.dir[1], BCE_XATTR_USER, "foo", buf, 2), -ERANGE);
	assert_int_equal(names_xattr_get(&f.src, &f.dir[1], BCE_XATTR_USER, "foo", buf, 16), 3);
	assert_memory_equal(buf, "bar", 3);
	assert_int_equal(names_xattr_get(&f.src, &f.dir[1], BCE_XATTR_ACL_ACCESS, "", buf, 16), 3);
	assert_memory_equal(buf, "acl", 3);
	assert_int_equal(names_xattr_get(&f.src, &f.dir[1], BCE_XATTR_TRUSTED, "none", buf, 16),
			 -ENODATA);
	assert_int_equal(names_xattr_get(&f.src, &f.dir[2], BCE_XATTR_USER, "foo", buf, 16),
			 -ENODATA);

	budget = 100;
	assert_int_equal(names_xattr_list(&f.src, &f.dir[1], xattr_count, &budget), 0);
	assert_int_equal(budget, 97);
	budget = 2;
	assert_int_equal(names_xattr_list(&f.src, &f.dir[1], xattr_count, &budget), 0);
	assert_int_equal(budget, 0);
	mini_exit(&f.m);
}

/* where the in-tree driver put attributes of all lengths modulo 8 (docs/format/60, section 8) */
static void xattr_hashes(void **state)
{
	static const struct {
		u8		type;
		unsigned int	len;
		u64		seed, hash;
	} seen[] = {
		{ 0, 6, 0xf9ae1770601281f7, 0x5515c3df2b710622 },
		{ 3, 6, 0xf9ae1770601281f7, 0x7661e77488d8baa0 },
		{ 3, 7, 0xb35f8aa285abd6bc, 0x20c39efa4b6454f6 },
		{ 0, 8, 0xfb9a9dedfe538ef4, 0x21b3917ed2a429cf },
		{ 3, 8, 0xfb9a9dedfe538ef4, 0x7d690aa06cbe1140 },
		{ 0, 9, 0x22ff262f329a3198, 0x0927804af71f8fc5 },
		{ 0, 14, 0x37aa5e48fde6194b, 0x179e9761c2320e7e },
		{ 3, 15, 0x7aa77fda534e9e15, 0x3ebc6f99f39dcc5a },
		{ 0, 16, 0x5e0b945eec0dbab7, 0x26560b413278a737 },
		{ 3, 16, 0x5e0b945eec0dbab7, 0x3df4bc40fe45ca76 },
		{ 0, 33, 0x162801b39465d24f, 0x1b0940922ef05e71 },
		{ 3, 33, 0x162801b39465d24f, 0x0a5d1c09245bf046 },
	};
	char typed[64] = "?abcdefghijklmnopqrstuvwxyzABCDEFG";

	for (int i = 0; i < ARRAY_SIZE(seen); i++) {
		typed[0] = seen[i].type;
		assert_int_equal(bce_name_hash(BCH_STR_HASH_siphash, seen[i].seed, typed,
					       1 + seen[i].len, false), seen[i].hash);
	}
}

/* ---- times ---- */

static void times(void **state)
{
	struct sb_info info = { .time_base_ns = 1795388567325556750ULL, .time_precision = 1 };
	struct timespec64 ts;

	/* docs/format/60, section 4 */
	ts = names_time(&info, 3914757);
	assert_int_equal(ts.tv_sec, 1795388567);
	assert_int_equal(ts.tv_nsec, 329471507);
	/* before 1970 */
	ts = names_time(&info, -1795388567325556750LL - 1);
	assert_int_equal(ts.tv_sec, -1);
	assert_int_equal(ts.tv_nsec, 999999999);
	/* microseconds: the base is rounded down to units first */
	info.time_precision = 1000;
	ts = names_time(&info, 1);
	assert_int_equal(ts.tv_sec, 1795388567);
	assert_int_equal(ts.tv_nsec, 325557000);
	/* absurd ones give something */
	info.time_precision = 0;
	names_time(&info, S64_MAX);
	info.time_precision = U32_MAX;
	ts = names_time(&info, S64_MIN);
	assert_true(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probing),
		cmocka_unit_test(versions),
		cmocka_unit_test(subvolume_entries),
		cmocka_unit_test(name_lengths),
		cmocka_unit_test(readdir_order),
		cmocka_unit_test(xattrs),
		cmocka_unit_test(xattr_hashes),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
