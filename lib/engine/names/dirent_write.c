// SPDX-License-Identifier: GPL-2.0
/*
 * Directory entries being made, replaced and removed (docs/format/60-filesystem-keys.md, sections
 * 9, 10, 20).
 *
 * An entry that goes leaves, in the snapshot S of the directory's subvolume:
 *
 *   a hash_whiteout   if an entry above it stands there because this slot was taken
 *   a whiteout        if an ancestor snapshot's key would show otherwise
 *   nothing           in all other cases
 *
 * The entry of a subvolume exists only once, perhaps in an ancestor of S, where a snapshot that was
 * taken since has left it. It is removed there, by the same rules: no other subvolume shows it.
 */
#include <linux/errno.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/btree/snapshot_update.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

/* cookies of "." and ".." lie before it */
#define FIRST_SLOT	2

int names_name_check(const char *name, unsigned int len)
{
	if (len > BCH_DIRENT_NAME_MAX)
		return -ENAMETOOLONG;
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len))
		return -EINVAL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return -EINVAL;
	return 0;
}

static struct hash_table dir_table(struct names_tx *tx, const struct names_inode *dir,
				   const struct snapshot_view *view)
{
	return (struct hash_table) {
		.t = tx->t,
		.btree_id = BTREE_ID_dirents,
		.inum = dir->id.inum,
		.hash_type = dir->f.str_hash,
		.hash_seed = dir->f.hash_seed,
		.view = view,
		.subvol = dir->id.subvol,
	};
}

struct name {
	const char	*name;
	unsigned int	len;
};

static bool name_matches(const struct bkey *k, const void *ctx)
{
	const struct name *n = ctx;
	struct dirent_info d;

	bce_dirent_decode(k, &d);
	return d.name_len == n->len && !memcmp(d.name, n->name, n->len);
}

int names_entry_find(struct names_tx *tx, const struct names_inode *dir, const char *name,
		     unsigned int len, struct names_entry *out)
{
	struct hash_table h = dir_table(tx, dir, &dir->view);
	u64 hash = bce_name_hash(h.hash_type, h.hash_seed, name, len, true);
	struct name n = { name, len };
	int ret = bce_hash_find(&h, hash, name_matches, &n, &out->place);

	if (!ret && out->place.found)
		bce_dirent_decode(&out->place.k, &out->d);
	return ret;
}

struct dirent_info names_target(const struct inode_fields *f, u32 child_subvol, u32 parent_subvol)
{
	if (child_subvol)
		return (struct dirent_info) {
			.child_subvol = child_subvol,
			.parent_subvol = parent_subvol,
			.d_type = BCH_DT_SUBVOL,
		};
	return (struct dirent_info) { .inum = f->inum, .d_type = (f->mode >> 12) & 15 };
}

static int put_empty(struct names_tx *tx, struct bpos pos, unsigned int type)
{
	struct bkey k = { .p = pos, .type = type };

	return bce_trans_update(tx->t, BTREE_ID_dirents, &k, 0);
}

/*
 * The one key of a subvolume's entry. What is searched through its own snapshot, an ancestor of the
 * directory's, must go on being found, too.
 */
static int subvol_entry_remove(struct names_tx *tx, const struct names_inode *dir,
			       const struct names_entry *e)
{
	struct snapshot_view own = bce_snapshot_view(tx->w->snapshots, e->place.k.p.snapshot);
	struct hash_table h = dir_table(tx, dir, &dir->view);
	int needed = bce_hash_slot_is_needed(&h, e->place.slot);

	if (!needed && own.id != dir->view.id) {
		h.view = &own;
		needed = bce_hash_slot_is_needed(&h, e->place.slot);
	}
	if (needed < 0)
		return needed;
	/* its slot may have been an older entry's, removed since, that an ancestor still has */
	return needed ? put_empty(tx, e->place.k.p, KEY_TYPE_hash_whiteout) :
			bce_snapshot_delete(tx->t, BTREE_ID_dirents, e->place.k.p, &own, 0);
}

int names_entry_put(struct names_tx *tx, const struct names_inode *dir,
		    const struct names_entry *e, const struct dirent_info *target,
		    const char *name, unsigned int len)
{
	struct bkey k = { .p = SPOS(dir->id.inum, e->place.slot, dir->view.id) };
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct dirent_info d = *target;
	int ret = 0;

	if (!val)
		return -ENOMEM;
	if (e->place.found && e->d.d_type == BCH_DT_SUBVOL &&
	    e->place.k.p.snapshot != dir->view.id)
		ret = subvol_entry_remove(tx, dir, e);
	if (ret)
		return ret;
	d.name = (const u8 *)name;
	d.name_len = len;
	bce_dirent_encode(&k, val, &d);
	return bce_trans_update(tx->t, BTREE_ID_dirents, &k, 0);
}

int names_entry_remove(struct names_tx *tx, const struct names_inode *dir,
		       const struct names_entry *e)
{
	struct bpos pos = SPOS(dir->id.inum, e->place.slot, dir->view.id);
	struct hash_table h = dir_table(tx, dir, &dir->view);
	int needed;

	if (e->d.d_type == BCH_DT_SUBVOL)
		return subvol_entry_remove(tx, dir, e);
	needed = bce_hash_slot_is_needed(&h, e->place.slot);
	if (needed < 0)
		return needed;
	return needed ? put_empty(tx, pos, KEY_TYPE_hash_whiteout) :
			bce_snapshot_delete(tx->t, BTREE_ID_dirents, pos, &dir->view, 0);
}

int names_dir_check_empty(struct names_tx *tx, u64 inum, u32 subvol,
			  const struct snapshot_view *view)
{
	struct bpos pos = SPOS(inum, FIRST_SLOT, 0);
	struct dirent_info d;
	struct bkey k;
	int ret;

	for (;;) {
		ret = bce_trans_peek(tx->t, BTREE_ID_dirents, pos, SPOS(inum + 1, 0, 0), view, 0,
				     &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (k.type == KEY_TYPE_dirent) {
			bce_dirent_decode(&k, &d);
			if (d.d_type != BCH_DT_SUBVOL || d.parent_subvol == subvol)
				return -ENOTEMPTY;
		}
		pos = bce_trans_after(BTREE_ID_dirents, &k, view);
	}
}
