// SPDX-License-Identifier: GPL-2.0
/* A small set with names: names_set.h. */
#include "names_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/stat.h>

#include "engine/btree/writer.h"
#include "engine/format/ids.h"
#include "engine/key/values_write.h"
#include "require.h"

static void put(struct names_set *f, unsigned int btree_id, struct bpos p, u32 size,
		const struct bkey *k)
{
	memory_key(&f->m, btree_id, k->type, p, size, k->v, k->val_u64s * 8);
}

void names_put_type(struct names_set *f, unsigned int btree_id, unsigned int type, struct bpos p)
{
	memory_key(&f->m, btree_id, type, p, 0, NULL, 0);
}

/* ---- snapshots, subvolumes ---- */

void names_put_snapshot(struct names_set *f, u32 id, const struct snapshot_info *s)
{
	struct val_buf val;
	struct bkey k = { };

	bce_snapshot_encode(&k, &val, s);
	put(f, BTREE_ID_snapshots, POS(0, id), 0, &k);
}

const struct snapshot_info names_parent_node = { .children = { 90, 80 }, .tree = 1 };
const struct snapshot_info names_node1 = {
	.is_subvol = true, .parent = 100, .subvol = 1, .tree = 1, .depth = 1,
	.skip = { 100, 100, 100 },
};
const struct snapshot_info names_node2 = {
	.is_subvol = true, .parent = 100, .subvol = 2, .tree = 1, .depth = 1,
	.skip = { 100, 100, 100 },
};
const struct snapshot_info names_nested_node = { .is_subvol = true, .subvol = 3, .tree = 2 };

void names_put_tree(struct names_set *f, u32 id, u32 master, u32 root)
{
	struct snapshot_tree_info t = { .master_subvol = master, .root_snapshot = root };
	struct val_buf val;
	struct bkey k = { };

	bce_snapshot_tree_encode(&k, &val, &t);
	put(f, BTREE_ID_snapshot_trees, POS(0, id), 0, &k);
}

void names_put_subvolume(struct names_set *f, u32 id, u32 snapshot, u64 inode, u32 parent,
			  bool snap)
{
	struct subvolume_info s = {
		.snapshot = snapshot, .inode = inode, .fs_path_parent = parent, .snap = snap,
	};
	struct val_buf val;
	struct bkey k = { };

	bce_subvolume_encode(&k, &val, &s);
	put(f, BTREE_ID_subvolumes, POS(0, id), 0, &k);
}

/* ---- inodes, names ---- */

u64 names_hash(const char *name)
{
	return bce_name_hash(HASH, SEED, name, strlen(name), true);
}

/* fields of an inode as it is in the set, to be changed and put again */
static struct inode_fields inode(u64 inum, u32 snapshot, u32 mode)
{
	return (struct inode_fields) {
		.inum = inum, .snapshot = snapshot, .mode = mode, .hash_seed = SEED,
		.str_hash = HASH,
	};
}

void names_put_inode(struct names_set *f, const struct inode_fields *fields)
{
	struct inode_val val;
	struct bkey k = { };

	bce_inode_pack(fields, &k, &val);
	put(f, BTREE_ID_inodes, SPOS(0, fields->inum, fields->snapshot), 0, &k);
}

struct inode_fields names_get_inode(struct names_set *f, u64 inum, u32 snapshot)
{
	struct memory_key *key = memory_find(&f->m, BTREE_ID_inodes, SPOS(0, inum, snapshot));
	struct inode_fields fields;

	require(key);
	require(!bce_inode_unpack(&key->k, &fields));
	return fields;
}

void names_put_dirent_at(struct names_set *f, u64 dir, u64 slot, u32 snapshot, const char *name,
			  u8 d_type, u64 target)
{
	struct dirent_info d = {
		.inum = d_type == BCH_DT_SUBVOL ? 0 : target,
		.child_subvol = d_type == BCH_DT_SUBVOL ? target : 0,
		.parent_subvol = d_type == BCH_DT_SUBVOL ? 1 : 0,
		.d_type = d_type,
		.name = (const u8 *)name,
		.name_len = strlen(name),
	};
	struct val_buf val;
	struct bkey k = { };

	bce_dirent_encode(&k, &val, &d);
	put(f, BTREE_ID_dirents, SPOS(dir, slot, snapshot), 0, &k);
}

void names_put_dirent(struct names_set *f, u64 dir, u32 snapshot, const char *name, u8 d_type,
		       u64 target)
{
	names_put_dirent_at(f, dir, names_hash(name), snapshot, name, d_type, target);
}

u64 names_xattr_hash(u8 type, const char *name)
{
	u8 typed[64] = { type };

	memcpy(typed + 1, name, strlen(name));
	return bce_name_hash(HASH, SEED, typed, 1 + strlen(name), false);
}

void names_put_xattr(struct names_set *f, u64 inum, u64 slot, u32 snapshot, const char *name)
{
	struct xattr_info x = {
		.name = (const u8 *)name, .name_len = strlen(name), .val = (const u8 *)"v",
		.val_len = 1,
	};
	struct val_buf val;
	struct bkey k = { };

	bce_xattr_encode(&k, &val, &x);
	put(f, BTREE_ID_xattrs, SPOS(inum, slot, snapshot), 0, &k);
}

/* a hole's worth of nothing: what it holds is not this pass's matter */
void names_put_extent(struct names_set *f, u64 inum, u64 end, u32 snapshot, u32 size)
{
	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_error, SPOS(inum, end, snapshot), size, NULL,
		   0);
}

void names_put_reservation(struct names_set *f, u64 inum, u64 end, u32 snapshot, u32 size)
{
	struct bch_reservation r = { .nr_replicas = 1 };

	memory_key(&f->m, BTREE_ID_extents, KEY_TYPE_reservation, SPOS(inum, end, snapshot), size,
		   &r, sizeof(r));
}

/* ---- the set ---- */

static void put_subvolumes(struct names_set *f)
{
	names_put_snapshot(f, PARENT, &names_parent_node);
	names_put_snapshot(f, SNAP1, &names_node1);
	names_put_snapshot(f, SNAP2, &names_node2);
	names_put_snapshot(f, NESTED, &names_nested_node);
	names_put_tree(f, 1, 1, PARENT);
	names_put_tree(f, 2, 3, NESTED);
	names_put_subvolume(f, 1, SNAP1, ROOT, 0, false);
	names_put_subvolume(f, 2, SNAP2, ROOT, 1, true);
	names_put_subvolume(f, 3, NESTED, NESTED_ROOT, 1, false);
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 2));
	names_put_type(f, BTREE_ID_subvolume_children, KEY_TYPE_set, POS(1, 3));
}

static void put_roots(struct names_set *f)
{
	struct inode_fields i = inode(ROOT, PARENT, S_IFDIR | 0755);

	i.subvol = 1;
	i.nlink = 1;
	i.flags = BIT(INODE_FLAG_has_child_snapshot);
	names_put_inode(f, &i);
	i.snapshot = SNAP1;
	i.flags = 0;
	names_put_inode(f, &i);
	i.snapshot = SNAP2;
	i.subvol = 2;
	i.parent_subvol = 1;
	i.dir = ROOT;
	i.dir_offset = names_hash("snap");
	names_put_inode(f, &i);
	i.inum = NESTED_ROOT;
	i.snapshot = NESTED;
	i.subvol = 3;
	i.nlink = 0;
	i.dir_offset = names_hash("nested");
	names_put_inode(f, &i);
	names_put_dirent(f, ROOT, PARENT, "dir", 4, DIR);
	names_put_dirent(f, ROOT, SNAP1, "snap", BCH_DT_SUBVOL, 2);
	names_put_dirent(f, ROOT, SNAP1, "nested", BCH_DT_SUBVOL, 3);
}

/* of DIR; "in the way" of "pushed" was deleted, so that one stands behind its hash */
static void put_dir(struct names_set *f)
{
	struct inode_fields i = inode(DIR, PARENT, S_IFDIR | 0755);

	i.dir = ROOT;
	i.dir_offset = names_hash("dir");
	i.nlink = 1;
	i.flags = BIT(INODE_FLAG_has_child_snapshot);
	names_put_inode(f, &i);
	i.snapshot = SNAP2;
	i.flags = 0;
	names_put_inode(f, &i);
	names_put_dirent(f, DIR, PARENT, "file", 8, FILE_);
	names_put_dirent(f, DIR, PARENT, "one", 8, LINKED);
	names_put_dirent(f, DIR, PARENT, "two", 8, LINKED);
	names_put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, names_hash("two"), SNAP2));
	names_put_dirent(f, DIR, PARENT, "gone", 8, GONE);
	names_put_type(f, BTREE_ID_dirents, KEY_TYPE_whiteout, SPOS(DIR, names_hash("gone"), SNAP2));
	names_put_type(f, BTREE_ID_dirents, KEY_TYPE_hash_whiteout,
		 SPOS(DIR, names_hash("pushed"), PARENT));
	names_put_dirent_at(f, DIR, names_hash("pushed") + 1, PARENT, "pushed", 8, OWN);
	names_put_dirent(f, DIR, PARENT, "sub", 4, SUBDIR);
	i = inode(SUBDIR, PARENT, S_IFDIR | 0700);
	i.dir = DIR;
	i.dir_offset = names_hash("sub");
	names_put_inode(f, &i);
}

void names_put_file(struct names_set *f, u64 inum, u32 snapshot, const char *name)
{
	struct inode_fields i = inode(inum, snapshot, S_IFREG | 0644);

	i.dir = DIR;
	i.dir_offset = names_hash(name);
	names_put_inode(f, &i);
}

static void put_files(struct names_set *f)
{
	names_put_file(f, FILE_, PARENT, "file");
	CHANGE_INODE(f, FILE_, PARENT, i.sectors = 24; i.size = 4096 - 5;
		     i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(f, FILE_, SNAP1, "file");
	CHANGE_INODE(f, FILE_, SNAP1, i.sectors = 32; i.size = 8192);
	names_put_extent(f, FILE_, 8, PARENT, 8);
	names_put_reservation(f, FILE_, 32, PARENT, 16);
	/* rewritten from 0 to 16 */
	names_put_type(f, BTREE_ID_extents, KEY_TYPE_whiteout, SPOS(FILE_, 8, SNAP1));
	names_put_extent(f, FILE_, 16, SNAP1, 16);

	names_put_file(f, LINKED, PARENT, "two");
	CHANGE_INODE(f, LINKED, PARENT, i.nlink = 1;
		     i.flags = BIT(INODE_FLAG_has_child_snapshot));
	names_put_file(f, LINKED, SNAP2, "one");

	names_put_file(f, GONE, PARENT, "gone");
	names_put_type(f, BTREE_ID_inodes, KEY_TYPE_whiteout, SPOS(0, GONE, SNAP2));

	names_put_file(f, OWN, PARENT, "pushed");
	CHANGE_INODE(f, OWN, PARENT, i.dir_offset++);

	names_put_file(f, ORPHAN, SNAP1, "orphan");
	CHANGE_INODE(f, ORPHAN, SNAP1, i.dir = i.dir_offset = 0;
		     i.flags = BIT(INODE_FLAG_unlinked));
	names_put_type(f, BTREE_ID_deleted_inodes, KEY_TYPE_set, SPOS(0, ORPHAN, SNAP1));

	names_put_xattr(f, FILE_, names_xattr_hash(0, "a"), PARENT, "a");
	names_put_type(f, BTREE_ID_xattrs, KEY_TYPE_hash_whiteout,
		 SPOS(FILE_, names_xattr_hash(0, "b"), PARENT));
	names_put_xattr(f, FILE_, names_xattr_hash(0, "b") + 1, PARENT, "b");
}

void names_set_begin(struct names_set *f)
{
	memset(f, 0, sizeof(*f));
	memory_init(&f->m);
	put_subvolumes(f);
	put_roots(f);
	put_dir(f);
	put_files(f);
}

/* ---- checked and repaired ---- */

static void describe(struct names_set *f, struct bce_log *log, struct check *c)
{
	*c = (struct check) {
		.btrees = f->m.btrees,
		.snapshots = f->m.snapshots,
		.log = log,
		.replay = &f->m.replay,
		.block_sectors = 8,
	};
}

void names_set_start(struct names_set *f)
{
	f->m.replay.clean = f->clean;
	require(!memory_start(&f->m, NULL));
}

u64 names_set_check(struct names_set *f, struct bce_log *log)
{
	struct check c;

	describe(f, log, &c);
	require(!bce_check_names(&c));
	return bce_log_errors_total(log);
}

static void said(void *ctx, const char *line)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "said: %s\n", line);
}

int names_set_try_repair(struct names_set *f, bool careful, u64 *changes)
{
	const struct btrees_write_config memory = { .held_seq = 1 };
	struct check_repair r = { .said = said, .careful = careful, .snapshots = f->m.snapshots };
	struct check c;
	int ret;

	describe(f, f->m.log, &c);
	ret = bce_btrees_start_writing(f->m.btrees, &memory, 1);
	if (!ret)
		ret = bce_repair_names(&c, &r);
	bce_btrees_stop_writing(f->m.btrees);
	*changes = r.changes;
	return ret;
}

u64 names_set_repair(struct names_set *f, bool careful)
{
	u64 changes;
	int ret = names_set_try_repair(f, careful, &changes);

	if (ret)
		fprintf(stderr, "repair: error %d\n", ret);
	require(!ret);
	return changes;
}

void names_set_mended(struct names_set *f)
{
	struct bce_log *log = bce_log_alloc("after");

	names_set_start(f);
	require(names_set_check(f, f->m.log) > 0);
	require(names_set_repair(f, false) > 0);
	require(!names_set_check(f, log));
	bce_log_free(log);
}

unsigned int names_type_at(struct names_set *f, unsigned int btree_id, struct bpos p, struct bkey *k)
{
	struct bkey found;

	k = k ?: &found;
	return bce_btree_lookup(f->m.btrees, btree_id, p, NULL, k, &f->buf) ? 0 : k->type;
}

void names_inode_at(struct names_set *f, u64 inum, u32 snapshot, struct inode_fields *i)
{
	struct bkey k;

	require(bce_key_type_is_inode(names_type_at(f, BTREE_ID_inodes, SPOS(0, inum, snapshot), &k)));
	require(!bce_inode_unpack(&k, i));
}

void names_set_exit(struct names_set *f)
{
	memory_exit(&f->m);
}
