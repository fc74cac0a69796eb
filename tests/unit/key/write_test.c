// SPDX-License-Identifier: GPL-2.0
/*
 * Encoders of values: the examples of docs/format/60-filesystem-keys.md (sections 2.2, 10, 11), and
 * round trips of random contents through the decoders.
 */
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/inode.h"
#include "engine/key/validate.h"
#include "engine/key/values_write.h"
#include "engine/key/varint.h"
#include "random.h"

#define is_example(k, ...) ({							\
	static const u8 _want[] = { __VA_ARGS__ };				\
	assert_int_equal(bkey_val_bytes(k), sizeof(_want));			\
	assert_memory_equal((k)->v, _want, sizeof(_want));			\
})

static void inode_example(void **state)
{
	struct inode_fields f = {
		.inum = 4096, .snapshot = U32_MAX, .journal_seq = 10,
		.hash_seed = 0xa37da635918f9cd9ULL, .str_hash = 3, .mode = 0040755,
		.atime = 3914757, .ctime = 215914752, .mtime = 215914752, .otime = 3914757,
		.nlink = 2, .subvol = 1,
	};
	struct inode_val val;
	struct bkey k;

	bce_inode_pack(&f, &k, &val);
	assert_int_equal(k.type, KEY_TYPE_inode_v3);
	assert_int_equal(bpos_cmp(k.p, SPOS(0, 4096, U32_MAX)), 0);
	is_example(&k, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0x9c, 0x8f, 0x91, 0x35, 0xa6, 0x7d, 0xa3,
		   0x00, 0x00, 0x30, 0x16, 0xd3, 0x1e, 0x04, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
		   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		   0x57, 0xc0, 0xbb, 0x03, 0, 0x07, 0x90, 0xe9, 0xcd, 0, 0x07, 0x90, 0xe9, 0xcd, 0,
		   0x57, 0xc0, 0xbb, 0x03, 0, 0, 0, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		   0x02, 0, 0);
}

static u64 some(unsigned int bits)
{
	u64 v = rnd() >> (rnd() % 64);

	return rnd() % 3 ? (bits < 64 ? v & ((1ULL << bits) - 1) : v) : 0;
}

static void inodes_go_and_come_back(void **state)
{
	for (int i = 0; i < 20000; i++) {
		struct inode_fields f, got;
		struct inode_val val;
		struct bkey k;

		/* padding too, to be compared as a whole */
		memset(&f, 0, sizeof(f));
		f.inum = 4096 + some(31);
		f.snapshot = rnd();
		f.journal_seq = some(64);
		f.hash_seed = rnd();
		f.flags = some(20);
		f.str_hash = rnd() % 4;
		f.mode = rnd();
		f.sectors = some(64);
		f.size = some(64);
		f.version = some(64);
		f.atime = some(64);
		f.ctime = -some(40);
		f.mtime = some(64);
		f.otime = some(64);
		f.uid = some(32);
		f.gid = some(32);
		f.nlink = some(32);
		f.generation = some(32);
		f.dev = some(32);
		f.data_checksum = some(8);
		f.compression = some(8);
		f.project = some(32);
		f.background_compression = some(8);
		f.data_replicas = some(8);
		f.promote_target = some(16);
		f.foreground_target = some(16);
		f.background_target = some(16);
		f.erasure_code = some(16);
		f.fields_set = some(16);
		f.dir = some(64);
		f.dir_offset = some(64);
		f.subvol = some(32);
		f.parent_subvol = some(32);
		f.nocow = some(8);
		bce_inode_pack(&f, &k, &val);
		assert_null(bce_inode_unpack(&k, &got));
		assert_memory_equal(&f, &got, sizeof(f));
	}
}

static void varints(void **state)
{
	for (int i = 0; i < 20000; i++) {
		u64 v = rnd() >> (rnd() % 64), got;
		u8 buf[VARINT_BYTES_MAX];
		unsigned int n = bce_varint_encode(buf, v);

		assert_int_equal(bce_varint_decode(buf, buf + n, &got), n);
		assert_int_equal(got, v);
	}
}

static void valid(struct bkey *k, unsigned int btree_id, struct bpos p)
{
	k->p = p;
	assert_int_equal(bce_key_validate(k, btree_id, 0, NULL, KEY_TO_WRITE, NULL), 0);
}

static void dirents(void **state)
{
	struct dirent_info d = { .inum = 4098, .d_type = 8, .name_len = 5, .name = (u8 *)"hello" };
	struct dirent_info got;
	struct val_buf val;
	struct bkey k = { };
	u8 name[512];

	bce_dirent_encode(&k, &val, &d);
	is_example(&k, 2, 0x10, 0, 0, 0, 0, 0, 0, 8, 'h', 'e', 'l', 'l', 'o', 0, 0);
	d = (struct dirent_info) { .child_subvol = 2, .parent_subvol = 1, .d_type = BCH_DT_SUBVOL,
				   .name_len = 4, .name = (u8 *)"snap" };
	bce_dirent_encode(&k, &val, &d);
	is_example(&k, 2, 0, 0, 0, 1, 0, 0, 0, 0x10, 's', 'n', 'a', 'p', 0, 0, 0);
	memset(name, 'x', sizeof(name));
	d = (struct dirent_info) { .inum = 4099, .d_type = 8, .name = name };
	for (d.name_len = 1; d.name_len <= sizeof(name); d.name_len++) {
		bce_dirent_encode(&k, &val, &d);
		bce_dirent_decode(&k, &got);
		assert_int_equal(got.name_len, d.name_len);
		assert_int_equal(got.inum, 4099);
		valid(&k, BTREE_ID_dirents, SPOS(4096, 77, 1));
	}
}

static void xattrs(void **state)
{
	struct xattr_info x = { .name_len = 3, .name = (u8 *)"foo", .val_len = 3, .val = (u8 *)"bar" };
	static const u8 acl[] = {
		1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 0x10, 0, 4, 0, 0x20,
		0, 0, 0,
	};
	u8 big[XATTR_BYTES_MAX];
	struct val_buf val;
	struct bkey k = { };

	bce_xattr_encode(&k, &val, &x);
	is_example(&k, 0, 3, 3, 0, 'f', 'o', 'o', 'b', 'a', 'r', 0, 0, 0, 0, 0, 0);
	x = (struct xattr_info) { .type = 1, .name = (u8 *)"", .val = acl, .val_len = sizeof(acl) };
	bce_xattr_encode(&k, &val, &x);
	is_example(&k, 1, 0, 0x1c, 0, 1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0,
		   0x10, 0, 4, 0, 0x20, 0, 0, 0);
	memset(big, 7, sizeof(big));
	x = (struct xattr_info) { .name_len = 1, .name = (u8 *)"n", .val = big,
				  .val_len = sizeof(big) - 1 };
	bce_xattr_encode(&k, &val, &x);
	assert_int_equal(k.val_u64s, 250);
	valid(&k, BTREE_ID_xattrs, SPOS(4096, 77, 1));
}

static void small_ones(void **state)
{
	struct subvolume_info s = { .id = 7, .ro = true, .unlinked = true, .snapshot = 90,
				    .inode = 4096, .creation_parent = 3, .fs_path_parent = 1,
				    .otime = -5 }, s2;
	struct snapshot_info n = { .is_subvol = true, .parent = 100, .children = { 80, 70 },
				   .subvol = 7, .tree = 2, .depth = 4, .skip = { 100, 101, 102 },
				   .btime = 9 }, n2;
	struct snapshot_tree_info t = { 1, U32_MAX }, t2;
	struct quota_limits q = { { 1, 2 }, { 3, 4 } }, q2;
	struct val_buf val;
	struct bkey k = { };

	bce_subvolume_encode(&k, &val, &s);
	assert_int_equal(bkey_val_bytes(&k), 40);
	valid(&k, BTREE_ID_subvolumes, POS(0, 7));
	bce_subvolume_decode(&k, &s2);
	assert_true(s2.ro && !s2.snap && s2.unlinked && s2.snapshot == 90 && s2.inode == 4096 &&
		    s2.creation_parent == 3 && s2.fs_path_parent == 1 && s2.otime == -5);
	bce_snapshot_encode(&k, &val, &n);
	assert_int_equal(bkey_val_bytes(&k), 56);
	valid(&k, BTREE_ID_snapshots, POS(0, 90));
	bce_snapshot_decode(&k, &n2);
	assert_true(n2.is_subvol && !n2.deleted && n2.parent == 100 && n2.subvol == 7 &&
		    n2.tree == 2 && n2.depth == 4 && n2.btime == 9);
	assert_memory_equal(n.children, n2.children, sizeof(n.children));
	assert_memory_equal(n.skip, n2.skip, sizeof(n.skip));
	bce_snapshot_tree_encode(&k, &val, &t);
	valid(&k, BTREE_ID_snapshot_trees, POS(0, 1));
	bce_snapshot_tree_decode(&k, &t2);
	assert_memory_equal(&t, &t2, sizeof(t));
	bce_quota_encode(&k, &val, &q);
	valid(&k, BTREE_ID_quotas, POS(1, 1000));
	bce_quota_decode(&k, &q2);
	assert_memory_equal(&q, &q2, sizeof(q));
	bce_inode_generation_encode(&k, &val, 8);
	valid(&k, BTREE_ID_inodes, SPOS(0, 4099, 1));
	assert_int_equal(bce_inode_generation_decode(&k), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inode_example),
		cmocka_unit_test(inodes_go_and_come_back),
		cmocka_unit_test(varints),
		cmocka_unit_test(dirents),
		cmocka_unit_test(xattrs),
		cmocka_unit_test(small_ones),
	};

	return cmocka_run_group_tests(tests, rnd_setup, NULL);
}
