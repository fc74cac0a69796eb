// SPDX-License-Identifier: GPL-2.0
/*
 * The first keys of a new file system (docs/format/60-filesystem-keys.md, section 17): one snapshot
 * tree of one node, subvolume 1 in it, its root directory, and lost+found.
 */
#include <linux/errno.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define ROOT_SNAPSHOT	U32_MAX
#define ROOT_TREE	1
#define LOST_FOUND	"lost+found"

struct make_root {
	struct names_writer	w;
	u32			uid, gid;
};

static int put_tables(struct names_tx *tx)
{
	struct snapshot_tree_info tree = {
		.master_subvol = BCACHEFS_ROOT_SUBVOL,
		.root_snapshot = ROOT_SNAPSHOT,
	};
	struct snapshot_info node = {
		.is_subvol = true,
		.subvol = BCACHEFS_ROOT_SUBVOL,
		.tree = ROOT_TREE,
	};
	struct subvolume_info subvol = {
		.id = BCACHEFS_ROOT_SUBVOL,
		.snapshot = ROOT_SNAPSHOT,
		.inode = BCACHEFS_ROOT_INO,
	};
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = POS(0, ROOT_TREE) };
	int ret;

	if (!val)
		return -ENOMEM;
	bce_snapshot_tree_encode(&k, val, &tree);
	ret = bce_trans_update(tx->t, BTREE_ID_snapshot_trees, &k, 0);
	if (ret)
		return ret;
	k = (struct bkey) { .p = POS(0, ROOT_SNAPSHOT) };
	bce_snapshot_encode(&k, val, &node);
	return bce_trans_update(tx->t, BTREE_ID_snapshots, &k, 0) ?: names_subvol_put(tx, &subvol);
}

/* lost+found, and its entry in @root */
static int put_lost_found(struct names_tx *tx, const struct make_root *m, struct names_inode *root)
{
	struct bce_create what = { .mode = S_IFDIR | 0700, .uid = m->uid, .gid = m->gid };
	struct names_entry e = { };
	struct inode_fields f;
	struct dirent_info d;
	int ret = names_inode_new(tx, ROOT_SNAPSHOT, &what, NULL, &f);

	if (ret)
		return ret;
	e.place.slot = bce_name_hash(root->f.str_hash, root->f.hash_seed, LOST_FOUND,
				     strlen(LOST_FOUND), true);
	f.dir = root->f.inum;
	f.dir_offset = e.place.slot;
	root->f.nlink++;
	d = names_target(&f, 0, 0);
	return names_entry_put(tx, root, &e, &d, LOST_FOUND, strlen(LOST_FOUND)) ?:
	       bce_inode_trans_write(tx->t, ROOT_SNAPSHOT, &f);
}

static int make_root_fn(struct names_tx *tx, void *ctx)
{
	struct make_root *m = ctx;
	struct bce_create what = { .mode = S_IFDIR | 0755, .uid = m->uid, .gid = m->gid };
	struct names_inode root = {
		.id = { BCACHEFS_ROOT_SUBVOL, BCACHEFS_ROOT_INO },
		.subvol = { .snapshot = ROOT_SNAPSHOT },
		.view = { .id = ROOT_SNAPSHOT },
	};
	int ret = put_tables(tx);

	/* another attempt begins with the same numbers */
	tx->w->inum_next = BCACHEFS_ROOT_INO;
	if (!ret)
		ret = names_inode_new(tx, ROOT_SNAPSHOT, &what, NULL, &root.f);
	if (ret)
		return ret;
	root.f.subvol = BCACHEFS_ROOT_SUBVOL;
	return put_lost_found(tx, m, &root) ?: names_inode_put(tx, &root);
}

static u64 given_now(void *ctx)
{
	return *(u64 *)ctx;
}

int bce_names_make_root(struct btrees *b, const struct sb_info *info, const struct bch_sb *sb,
			u64 now_ns, u32 uid, u32 gid)
{
	static const struct names_write_ops ops = { .now_ns = given_now };
	struct make_root m = {
		.w = {
			.src = { .btrees = b, .info = info, .sb = sb },
			.ops = &ops,
			.ctx = &now_ns,
		},
		.uid = uid,
		.gid = gid,
	};

	spin_lock_init(&m.w.inum_lock);
	return names_run(&m.w, make_root_fn, &m);
}
