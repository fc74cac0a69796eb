// SPDX-License-Identifier: GPL-2.0
/*
 * Names taken away (docs/format/65-operations.md, section 5). An inode whose last name goes is
 * flagged, which the trigger notes in deleted_inodes; it is removed when nobody has it open any
 * more (release.c).
 */
#include <linux/errno.h>
#include <linux/stat.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

struct unlink {
	struct bce_file_id	dir_id;
	const char		*name;
	unsigned int		len;
	bool			rmdir;
	bool			was_subvol;
	struct names_inode	out;
};

static int unlink_check(struct names_tx *tx, const struct unlink *u, const struct names_inode *i)
{
	if (!S_ISDIR(i->f.mode))
		return u->rmdir ? -ENOTDIR : 0;
	if (!u->rmdir)
		return -EISDIR;
	return names_dir_check_empty(tx, i->id.inum, i->id.subvol, &i->view);
}

static int unlink_inode(struct names_tx *tx, struct unlink *u, struct names_inode *dir,
			const struct names_entry *e)
{
	struct bce_file_id id = { .subvol = u->dir_id.subvol, .inum = e->d.inum };
	struct names_inode *i = &u->out;
	int ret = names_inode_get(tx, id, i) ?: unlink_check(tx, u, i);

	if (ret)
		return ret;
	ret = names_entry_remove(tx, dir, e);
	if (ret)
		return ret;
	if (i->f.dir == dir->id.inum && i->f.dir_offset == e->place.slot)
		i->f.dir = i->f.dir_offset = 0;
	names_nlink_dec(tx, &i->f);
	if (S_ISDIR(i->f.mode) && dir->f.nlink)
		dir->f.nlink--;
	names_touch(tx, dir);
	return names_inode_put(tx, dir) ?: names_inode_put(tx, i);
}

static int unlink_fn(struct names_tx *tx, void *ctx)
{
	struct unlink *u = ctx;
	struct names_inode dir;
	struct names_entry e;
	int ret = names_dir_get(tx, u->dir_id, &dir) ?:
		  names_entry_find(tx, &dir, u->name, u->len, &e);

	if (ret)
		return ret;
	if (!e.place.found)
		return -ENOENT;
	u->was_subvol = e.d.d_type == BCH_DT_SUBVOL;
	if (!u->was_subvol)
		return unlink_inode(tx, u, &dir, &e);
	return u->rmdir ? names_subvol_unlink(tx, &dir, &e, true, &u->out) : -EISDIR;
}

int names_unlink(struct names_writer *w, struct bce_file_id dir, const char *name,
		 unsigned int len, bool rmdir, struct bce_inode *out)
{
	struct unlink u = { .dir_id = dir, .name = name, .len = len, .rmdir = rmdir };
	int ret = names_name_check(name, len);

	if (!ret)
		ret = names_run(w, unlink_fn, &u);
	if (ret)
		return ret;
	names_inode_present(w->src.info, u.out.id, &u.out.f, out);
	if (u.was_subvol)
		names_subvol_unlinked(w, u.out.id.subvol);
	return 0;
}
