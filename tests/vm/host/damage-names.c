// SPDX-License-Identifier: GPL-2.0
/*
 * damage-names KIND IMAGE...: makes something wrong with the names of an unmounted set, on the host, by transactions in
 * which nothing follows from anything. For tests/vm/repair-judge.sh: what is repaired then, the in-tree driver judges.
 *
 * The keys of a btree are collected first and changed afterwards, so that none is met again where it has gone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/stat.h>

#include "engine/btree/btrees.h"
#include "engine/btree/trans.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/values_write.h"
#include "engine/names/snapshot.h"
#include "engine/set/set_internal.h"
#include "require.h"
#include "small_set.h"

struct kept {
	struct bkey	k;
	u64		v[BKEY_VAL_U64S_MAX];
};

struct keys {
	struct kept	**key;
	size_t		nr;
};

static struct small_set set;

/* ---- keys ---- */

static int keep(void *ctx, const struct bkey *k)
{
	struct keys *keys = ctx;
	struct kept *new = calloc(1, sizeof(*new));

	keys->key = realloc(keys->key, (keys->nr + 1) * sizeof(*keys->key));
	require(new && keys->key);
	new->k = *k;
	if (k->val_u64s)
		memcpy(new->v, k->v, bkey_val_bytes(k));
	new->k.v = new->v;
	keys->key[keys->nr++] = new;
	return 0;
}

static struct keys all_of(unsigned int btree_id)
{
	struct keys keys = { };

	require(!bce_btree_for_each_readable_key(set.set->btrees, btree_id, NULL, keep, &keys));
	return keys;
}

struct put {
	unsigned int		btree_id;
	const struct bkey	*k;
};

static int put_fn(struct bce_trans *t, void *ctx)
{
	const struct put *p = ctx;

	return bce_trans_update(t, p->btree_id, p->k, TRANS_NO_TRIGGER);
}

static void put(unsigned int btree_id, const struct bkey *k)
{
	require(!bce_trans_run(set.set->btrees, put_fn, &(struct put) { btree_id, k }, TRANS_COMMIT_NO_CHECK, NULL));
}

static void put_type(unsigned int btree_id, struct bpos p, unsigned int type)
{
	put(btree_id, &(struct bkey) { .p = p, .type = type });
}

static void move(unsigned int btree_id, struct kept *key, s64 by)
{
	put_type(btree_id, key->k.p, KEY_TYPE_deleted);
	key->k.p.offset += by;
	put(btree_id, &key->k);
}

static bool is_taken(const struct keys *keys, u64 inum, u64 offset)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (keys->key[i]->k.p.inode == inum && keys->key[i]->k.p.offset == offset)
			return true;
	return false;
}

/* ---- places in hash tables ---- */

/* every other one. Return: how many */
static unsigned int move_entries(unsigned int btree_id, s64 by)
{
	struct keys keys = all_of(btree_id);
	unsigned int nr = 0;

	for (size_t i = 0; i < keys.nr; i += 2) {
		const struct bkey *k = &keys.key[i]->k;

		if ((k->type != KEY_TYPE_dirent && k->type != KEY_TYPE_xattr) ||
		    is_taken(&keys, k->p.inode, k->p.offset + by))
			continue;
		move(btree_id, keys.key[i], by);
		nr++;
	}
	return nr;
}

static unsigned int places(void)
{
	return move_entries(BTREE_ID_dirents, 1 << 20) + move_entries(BTREE_ID_xattrs, 1 << 20);
}

static unsigned int before(void)
{
	return move_entries(BTREE_ID_dirents, -3) + move_entries(BTREE_ID_xattrs, -1);
}

/* the names of files lead to the file before them in the directory, too; attributes are there twice */
static unsigned int twice(void)
{
	struct keys dirents = all_of(BTREE_ID_dirents), xattrs = all_of(BTREE_ID_xattrs);
	struct dirent_info d, last = { };
	unsigned int nr = 0;
	struct val_buf val;
	u64 dir = 0;

	for (size_t i = 0; i < dirents.nr && nr < 20; i++) {
		struct bkey k = dirents.key[i]->k;

		if (k.type != KEY_TYPE_dirent)
			continue;
		bce_dirent_decode(&k, &d);
		if (d.d_type != S_IFREG >> 12)
			continue;
		if (dir == k.p.inode && !is_taken(&dirents, k.p.inode, k.p.offset + 1)) {
			u64 inum = d.inum;

			d.inum = last.inum;
			k.p.offset++;
			bce_dirent_encode(&k, &val, &d);
			put(BTREE_ID_dirents, &k);
			d.inum = inum;
			nr++;
		}
		dir = k.p.inode;
		last = d;
	}
	for (size_t i = 0; i < xattrs.nr; i += 3) {
		if (xattrs.key[i]->k.type != KEY_TYPE_xattr)
			continue;
		xattrs.key[i]->k.p.offset++;
		put(BTREE_ID_xattrs, &xattrs.key[i]->k);
		nr++;
	}
	return nr;
}

/* a snapshot below in which the directory has a version; 0: none */
static u32 snapshot_below(const struct keys *inodes, u64 dir, u32 snapshot)
{
	for (size_t i = 0; i < inodes->nr; i++) {
		const struct bkey *k = &inodes->key[i]->k;

		if (k->p.offset == dir && k->p.snapshot < snapshot && bce_key_type_is_inode(k->type) &&
		    bce_snapshot_is_ancestor(set.set->snapshots, k->p.snapshot, snapshot))
			return k->p.snapshot;
	}
	return 0;
}

/* what stands behind a tombstone, which one snapshot does not see */
static unsigned int holes(void)
{
	struct keys inodes = all_of(BTREE_ID_inodes), dirents = all_of(BTREE_ID_dirents);
	unsigned int nr = 0;

	for (size_t i = 0; i < dirents.nr; i++) {
		struct bpos p = dirents.key[i]->k.p;
		u32 below = snapshot_below(&inodes, p.inode, p.snapshot);

		if (!below || dirents.key[i]->k.type != KEY_TYPE_dirent || is_taken(&dirents, p.inode, p.offset + 1) ||
		    (i && !bpos_cmp_logical(dirents.key[i - 1]->k.p, p)))
			continue;
		move(BTREE_ID_dirents, dirents.key[i], 1);
		put_type(BTREE_ID_dirents, p, KEY_TYPE_hash_whiteout);
		p.snapshot = below;
		put_type(BTREE_ID_dirents, p, KEY_TYPE_whiteout);
		nr++;
	}
	return nr;
}

/* ---- ends of files ---- */

static unsigned int ends(void)
{
	struct keys inodes = all_of(BTREE_ID_inodes);
	struct inode_fields f;
	struct inode_val val;
	unsigned int nr = 0;
	struct bkey k;

	for (size_t i = 0; i < inodes.nr; i++) {
		if (!bce_key_type_is_inode(inodes.key[i]->k.type) || bce_inode_unpack(&inodes.key[i]->k, &f) ||
		    !S_ISREG(f.mode) || f.size <= 8192)
			continue;
		f.inum = inodes.key[i]->k.p.offset;
		f.snapshot = inodes.key[i]->k.p.snapshot;
		f.size = 4096;
		bce_inode_pack(&f, &k, &val);
		put(BTREE_ID_inodes, &k);
		nr++;
	}
	return nr;
}

/* ---- snapshots ---- */

static unsigned int change_nodes(void (*change)(u32 id, struct snapshot_info *s))
{
	struct keys nodes = all_of(BTREE_ID_snapshots);
	struct snapshot_info s;
	struct val_buf val;

	for (size_t i = 0; i < nodes.nr; i++) {
		bce_snapshot_decode(&nodes.key[i]->k, &s);
		change(nodes.key[i]->k.p.offset, &s);
		bce_snapshot_encode(&nodes.key[i]->k, &val, &s);
		put(BTREE_ID_snapshots, &nodes.key[i]->k);
	}
	return nodes.nr;
}

static void forget_children(u32 id, struct snapshot_info *s)
{
	s->children[0] = s->children[1] = 0;
	s->depth += 5;
	s->skip[0] = 0;
}

static void forget_parent(u32 id, struct snapshot_info *s)
{
	s->parent = 0;
	s->depth = 0;
	s->skip[0] = s->skip[1] = s->skip[2] = 0;
	s->tree += 100;
}

static unsigned int children(void)
{
	return change_nodes(forget_children);
}

static unsigned int parents(void)
{
	return change_nodes(forget_parent);
}

/* trees, subvolumes and the list of their children */
static unsigned int subvolumes(void)
{
	struct keys trees = all_of(BTREE_ID_snapshot_trees), listed = all_of(BTREE_ID_subvolume_children);
	struct keys subvols = all_of(BTREE_ID_subvolumes);
	struct subvolume_info s;
	struct val_buf val;

	for (size_t i = 0; i < trees.nr; i++) {
		const struct snapshot_tree_info t = { .master_subvol = 1000, .root_snapshot = 1000 };

		bce_snapshot_tree_encode(&trees.key[i]->k, &val, &t);
		put(BTREE_ID_snapshot_trees, &trees.key[i]->k);
	}
	for (size_t i = 0; i < listed.nr; i++)
		put_type(BTREE_ID_subvolume_children, listed.key[i]->k.p, KEY_TYPE_deleted);
	for (size_t i = 0; i < subvols.nr; i++) {
		bce_subvolume_decode(&subvols.key[i]->k, &s);
		s.fs_path_parent = s.fs_path_parent ? 0 : 2;
		bce_subvolume_encode(&subvols.key[i]->k, &val, &s);
		put(BTREE_ID_subvolumes, &subvols.key[i]->k);
	}
	return trees.nr + listed.nr + subvols.nr;
}

/* the first node with children, and the last subvolume */
static unsigned int lost(void)
{
	struct keys nodes = all_of(BTREE_ID_snapshots), subvols = all_of(BTREE_ID_subvolumes);
	struct snapshot_info s;
	unsigned int nr = 0;

	for (size_t i = 0; i < nodes.nr && !nr; i++) {
		bce_snapshot_decode(&nodes.key[i]->k, &s);
		if (!s.children[0])
			continue;
		put_type(BTREE_ID_snapshots, nodes.key[i]->k.p, KEY_TYPE_deleted);
		nr++;
	}
	put_type(BTREE_ID_subvolumes, subvols.key[subvols.nr - 1]->k.p, KEY_TYPE_deleted);
	return nr ? nr + 1 : 0;
}

static const struct {
	const char	*name;
	unsigned int	(*make)(void);
} kinds[] = {
	{ "places", places }, { "before", before }, { "twice", twice }, { "holes", holes }, { "ends", ends },
	{ "children", children }, { "parents", parents }, { "subvolumes", subvolumes }, { "lost", lost },
};

int main(int argc, char **argv)
{
	char why[512];

	require(argc > 2 && argc <= 2 + SMALL_SET_DEVS);
	set.shape.nr = argc - 2;
	for (int i = 2; i < argc; i++) {
		set.fd[i - 2] = open(argv[i], O_RDWR);
		require(set.fd[i - 2] >= 0);
	}
	if (small_set_open(&set, why)) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, argv[1])) {
			unsigned int nr = kinds[i].make();

			return small_set_close(&set, true) || !nr;
		}
	fprintf(stderr, "no kind is called %s\n", argv[1]);
	return 1;
}
