// SPDX-License-Identifier: GPL-2.0
/*
 * New files, and new names for old ones (docs/format/65-operations.md, sections 1 to 4).
 *
 * Each is one transaction: the inode, its attributes, its entry, and its directory's times and link
 * count. So is a symlink whose target fits a key. A longer target is ordinary file data, which
 * is written before the key that refers to it: an inode without name is made first, then its data,
 * then its name; what a crash leaves of that is removed at the next start.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/sb.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define SYMLINK_MAX_BYTES	4095
#define INLINE_MAX_BYTES	1024

struct create {
	struct bce_file_id		dir_id;
	const char			*name;		/* NULL: none */
	unsigned int			len;
	const struct bce_create		*what;
	unsigned int			inline_bytes;	/* of a symlink's target */
	struct names_inode		out;
};

/* the target of a short symlink */
static int inline_target_put(struct names_tx *tx, const struct create *c, struct inode_fields *f)
{
	u32 sectors = tx->w->src.info->block_sectors;
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = SPOS(f->inum, sectors, f->snapshot), .size = sectors };

	if (!val)
		return -ENOMEM;
	bce_inline_data_encode(&k, val, c->what->symlink, c->inline_bytes);
	f->size = c->inline_bytes;
	f->sectors = sectors;
	return bce_trans_update(tx->t, BTREE_ID_extents, &k, 0);
}

static int create_name(struct names_tx *tx, const struct create *c, struct names_inode *dir,
		       struct inode_fields *f)
{
	struct names_entry e;
	struct dirent_info d;
	int ret = names_entry_find(tx, dir, c->name, c->len, &e);

	if (ret)
		return ret;
	if (e.place.found)
		return -EEXIST;
	d = names_target(f, 0, 0);
	ret = names_entry_put(tx, dir, &e, &d, c->name, c->len);
	if (ret)
		return ret;
	f->dir = dir->id.inum;
	f->dir_offset = e.place.slot;
	names_touch(tx, dir);
	if (S_ISDIR(f->mode))
		dir->f.nlink++;
	return names_inode_put(tx, dir);
}

static int create_fn(struct names_tx *tx, void *ctx)
{
	struct create *c = ctx;
	struct names_inode dir;
	struct inode_fields *f = &c->out.f;
	int ret = names_dir_get(tx, c->dir_id, &dir);

	if (ret)
		return ret;
	if (S_ISDIR(c->what->mode) && dir.f.nlink >= U32_MAX - 2)
		return -EMLINK;
	c->out = dir;
	ret = names_inode_new(tx, dir.subvol.snapshot, c->what, &dir.f, f);
	if (ret)
		return ret;
	c->out.id.inum = f->inum;
	if (c->name)
		ret = create_name(tx, c, &dir, f);
	else
		f->flags |= BIT(INODE_FLAG_unlinked);
	if (!ret && c->inline_bytes)
		ret = inline_target_put(tx, c, f);
	if (!ret)
		ret = names_new_xattrs_put(tx, f, &dir.view, c->what);
	if (!ret && !dir.subvol.snap)
		ret = names_tx_charge(tx, f, 1);
	return ret ?: names_inode_put(tx, &c->out);
}

static int create_run(struct names_writer *w, struct create *c, struct bce_inode *out)
{
	int ret = names_run(w, create_fn, c);

	if (!ret)
		names_inode_present(w->src.info, c->out.id, &c->out.f, out);
	return ret;
}

/* ---- hard links ---- */

struct link {
	struct bce_file_id	inode_id, dir_id;
	const char		*name;
	unsigned int		len;
	struct names_inode	out;
};

static int link_fn(struct names_tx *tx, void *ctx)
{
	struct link *l = ctx;
	struct names_inode dir, *i = &l->out;
	struct names_entry e;
	struct dirent_info d;
	int ret;

	ret = names_dir_get(tx, l->dir_id, &dir);
	if (!ret)
		ret = names_inode_get(tx, l->inode_id, i);
	if (ret)
		return ret;
	if (S_ISDIR(i->f.mode))
		return -EPERM;
	if (names_opts_differ(&i->f, &dir.f))
		return -EXDEV;
	ret = names_entry_find(tx, &dir, l->name, l->len, &e);
	if (ret)
		return ret;
	if (e.place.found)
		return -EEXIST;

	ret = names_nlink_inc(&i->f);
	if (ret)
		return ret;
	i->f.ctime = tx->now;
	i->f.dir = dir.id.inum;
	i->f.dir_offset = e.place.slot;
	names_touch(tx, &dir);
	d = names_target(&i->f, 0, 0);
	return names_entry_put(tx, &dir, &e, &d, l->name, l->len) ?:
	       names_inode_put(tx, &dir) ?: names_inode_put(tx, i);
}

int names_link(struct names_writer *w, struct bce_file_id inode, struct bce_file_id dir,
	       const char *name, unsigned int len, struct bce_inode *out)
{
	struct link l = { .inode_id = inode, .dir_id = dir, .name = name, .len = len };
	int ret = names_name_check(name, len);

	if (!ret && inode.subvol != dir.subvol)
		ret = -EXDEV;
	if (!ret)
		ret = names_run(w, link_fn, &l);
	if (!ret)
		names_inode_present(w->src.info, inode, &l.out.f, out);
	return ret;
}

/* ---- the calls ---- */

static int set_inline_feature(struct names_writer *w)
{
	if (w->src.info->features & BIT_ULL(BCH_FEATURE_inline_data) || !w->ops->set_features)
		return 0;
	return w->ops->set_features(w->ctx, BIT_ULL(BCH_FEATURE_inline_data));
}

/* what is left of a long symlink that did not come to be */
static int symlink_give_up(struct names_writer *w, struct bce_file_id id, int ret)
{
	names_inode_release(w, id);
	return ret;
}

static int symlink_long(struct names_writer *w, struct create *c, size_t bytes,
			struct bce_inode *out)
{
	const char *name = c->name;
	int ret;

	if (!w->ops->data_write)
		return -EOPNOTSUPP;
	c->name = NULL;
	ret = create_run(w, c, out);
	if (ret)
		return ret;
	ret = w->ops->data_write(w->ctx, out->id, c->what->symlink, bytes);
	if (!ret)
		ret = names_link(w, out->id, c->dir_id, name, c->len, out);
	return ret ? symlink_give_up(w, c->out.id, ret) : 0;
}

static int create_symlink(struct names_writer *w, struct create *c, struct bce_inode *out)
{
	size_t bytes = c->what->symlink ? strlen(c->what->symlink) : 0;
	unsigned int inline_max = min_t(unsigned int, w->src.info->block_sectors * SECTOR_BYTES / 2,
					INLINE_MAX_BYTES);
	int ret;

	if (!bytes)
		return -EINVAL;
	if (bytes > SYMLINK_MAX_BYTES)
		return -ENAMETOOLONG;
	if (bytes > inline_max)
		return symlink_long(w, c, bytes, out);
	ret = set_inline_feature(w);
	c->inline_bytes = bytes;
	return ret ?: create_run(w, c, out);
}

static bool mode_is_sane(umode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
	       S_ISFIFO(mode) || S_ISSOCK(mode);
}

int names_create(struct names_writer *w, struct bce_file_id dir, const char *name,
		 unsigned int len, const struct bce_create *what, struct bce_inode *out)
{
	struct create c = { .dir_id = dir, .name = name, .len = len, .what = what };
	int ret = names_name_check(name, len);

	if (ret)
		return ret;
	if (!mode_is_sane(what->mode))
		return -EINVAL;
	return S_ISLNK(what->mode) ? create_symlink(w, &c, out) : create_run(w, &c, out);
}

int names_tmpfile(struct names_writer *w, struct bce_file_id dir, const struct bce_create *what,
		  struct bce_inode *out)
{
	struct create c = { .dir_id = dir, .what = what };

	if (!mode_is_sane(what->mode) || S_ISDIR(what->mode) || S_ISLNK(what->mode))
		return -EINVAL;
	return create_run(w, &c, out);
}
