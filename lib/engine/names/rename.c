// SPDX-License-Identifier: GPL-2.0
/*
 * Rename in all its forms, one transaction each (docs/format/65-operations.md, section 6).
 *
 *   A/s -> X   and   B/t -> Y, or nothing
 *
 *   plain       t is put, then s removed
 *   overwrite   t is replaced in its slot, then s removed; Y loses a name
 *   exchange    both are replaced in their slots
 *   whiteout    as plain or overwrite, but s is replaced by a character device 0:0
 *
 * A and B may be one directory: then there is one inode that both stand for, and its changes add up.
 * Putting t before s is removed keeps the chain of t's hash whole: the removal sees t, and leaves
 * a tombstone if t's way leads over s. Without a target there is something better: t takes the slot of s.
 *
 * A subvolume's root may go to a directory of another subvolume: then the subvolume's parent
 * changes, and with it the parent that its root and its entry name.
 */
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

/* longest way up that is followed: more is taken for a ring */
#define DEPTH_MAX	65536

/* a directory, the name in it, and what the name leads to */
struct side {
	struct bce_file_id	dir_id;
	const char		*name;
	unsigned int		len;
	struct names_inode	own;		/* the directory, unless both are one */
	struct names_inode	*dir;
	struct names_entry	e;
	struct names_inode	i;		/* if e.place.found */
	u32			subvol;		/* if that is a subvolume's root */
};

struct rename {
	struct side		src, dst;
	unsigned int		flags;
	const struct bce_creds	*whiteout;
	bool			lost;		/* dst.i has lost its name */
};

static bool is_plain_dir(const struct side *s)
{
	return s->e.place.found && !s->subvol && S_ISDIR(s->i.f.mode);
}

static bool same_dir(const struct rename *r)
{
	return r->src.dir == r->dst.dir;
}

/* ---- finding ---- */

static int side_find(struct names_tx *tx, struct side *s)
{
	struct bce_file_id id = { .subvol = s->dir_id.subvol };
	struct subvolume_info child;
	int ret = names_entry_find(tx, s->dir, s->name, s->len, &s->e);

	s->subvol = 0;
	if (ret || !s->e.place.found)
		return ret;
	if (s->e.d.d_type != BCH_DT_SUBVOL) {
		id.inum = s->e.d.inum;
		return names_inode_get(tx, id, &s->i);
	}
	s->subvol = s->e.d.child_subvol;
	ret = bce_subvolume_trans_read(tx->t, tx->w->snapshots, s->subvol, &child);
	if (ret)
		return ret;
	id = (struct bce_file_id) { .subvol = s->subvol, .inum = child.inode };
	return names_inode_get_ro(tx, id, &s->i);
}

static int rename_find(struct names_tx *tx, struct rename *r)
{
	struct side *a = &r->src, *b = &r->dst;
	int ret;

	a->dir = &a->own;
	ret = names_dir_get(tx, a->dir_id, a->dir);
	if (ret)
		return ret;
	b->dir = &b->own;
	if (a->dir_id.inum == b->dir_id.inum && a->dir_id.subvol == b->dir_id.subvol)
		b->dir = a->dir;
	else
		ret = names_dir_get(tx, b->dir_id, b->dir);
	return ret ?: side_find(tx, a) ?: side_find(tx, b);
}

/* ---- checks ---- */

static bool same_inode(const struct side *a, const struct side *b)
{
	return a->i.id.inum == b->i.id.inum && a->i.id.subvol == b->i.id.subvol;
}

/* may this go from its directory into @to? */
static int check_move(const struct side *s, const struct names_inode *to)
{
	if (!s->subvol && s->dir_id.subvol != to->id.subvol)
		return -EXDEV;
	if (S_ISDIR(s->i.f.mode) && names_opts_differ(&s->i.f, &to->f))
		return -EXDEV;
	return 0;
}

/* -EINVAL: @dir lies in, or is, the directory @i */
static int check_no_loop(struct names_tx *tx, const struct names_inode *i,
			 const struct names_inode *dir)
{
	struct names_inode at = *dir;
	struct bce_file_id up;
	unsigned int depth;
	int ret;

	for (depth = 0; depth < DEPTH_MAX; depth++) {
		if (at.id.inum == i->id.inum && at.id.subvol == i->id.subvol)
			return -EINVAL;
		if (!at.f.dir)
			return 0;
		up = (struct bce_file_id) {
			.subvol = at.f.parent_subvol ?: at.id.subvol,
			.inum = at.f.dir,
		};
		ret = names_inode_get_ro(tx, up, &at);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
	}
	return -ELOOP;
}

static int check_overwrite(struct names_tx *tx, const struct rename *r)
{
	const struct names_inode *x = &r->src.i, *y = &r->dst.i;

	if (r->dst.subvol)
		return -EBUSY;
	if (!S_ISDIR(y->f.mode))
		return S_ISDIR(x->f.mode) ? -ENOTDIR : 0;
	if (!S_ISDIR(x->f.mode))
		return -EISDIR;
	return names_dir_check_empty(tx, y->id.inum, y->id.subvol, &y->view);
}

static int rename_check(struct names_tx *tx, const struct rename *r)
{
	const struct side *a = &r->src, *b = &r->dst;
	bool exchange = r->flags & BCE_RENAME_EXCHANGE;
	int ret;

	if (!a->e.place.found || (exchange && !b->e.place.found))
		return -ENOENT;
	if (b->e.place.found && r->flags & BCE_RENAME_NOREPLACE)
		return -EEXIST;
	if (b->e.place.found && !exchange && !same_inode(a, b)) {
		ret = check_overwrite(tx, r);
		if (ret)
			return ret;
	}
	if (same_dir(r))
		return 0;
	ret = check_move(a, b->dir);
	if (!ret && S_ISDIR(a->i.f.mode))
		ret = check_no_loop(tx, &a->i, b->dir);
	if (ret || !exchange)
		return ret;
	ret = check_move(b, a->dir);
	if (!ret && S_ISDIR(b->i.f.mode))
		ret = check_no_loop(tx, &b->i, a->dir);
	return ret;
}

/* ---- entries ---- */

static struct dirent_info side_target(const struct side *s, const struct names_inode *dir)
{
	return names_target(&s->i.f, s->subvol, dir->id.subvol);
}

/* what @from leads to, under the name of @to */
static int entry_put(struct names_tx *tx, const struct side *from, const struct side *to)
{
	struct dirent_info d = side_target(from, to->dir);

	return names_entry_put(tx, to->dir, &to->e, &d, to->name, to->len);
}

static u64 name_hash(const struct side *s)
{
	return bce_name_hash(s->dir->f.str_hash, s->dir->f.hash_seed, s->name, s->len, true);
}

/* t's way leads over the slot of s to where it would be put */
static bool take_over_slot(const struct rename *r)
{
	const struct side *a = &r->src, *b = &r->dst;

	return same_dir(r) && !b->e.place.found && !(r->flags & BCE_RENAME_WHITEOUT) &&
	       name_hash(b) <= a->e.place.slot && a->e.place.slot < b->e.place.slot;
}

static int put_whiteout(struct names_tx *tx, struct side *s, const struct bce_creds *owner)
{
	struct bce_create what = {
		.mode = S_IFCHR,
		.uid = owner ? owner->uid : s->i.f.uid,
		.gid = owner ? owner->gid : s->i.f.gid,
	};
	struct names_inode w = { .id = s->dir_id, .subvol = s->dir->subvol, .view = s->dir->view };
	struct dirent_info d;
	int ret = names_inode_new(tx, s->dir->view.id, &what, &s->dir->f, &w.f);

	if (ret)
		return ret;
	w.f.dir = s->dir->id.inum;
	w.f.dir_offset = s->e.place.slot;
	d = names_target(&w.f, 0, 0);
	ret = names_entry_put(tx, s->dir, &s->e, &d, s->name, s->len);
	if (!ret && !s->dir->subvol.snap)
		ret = names_tx_charge(tx, &w.f, 1);
	return ret ?: names_inode_put(tx, &w);
}

static int rename_entries(struct names_tx *tx, struct rename *r)
{
	struct side *a = &r->src, *b = &r->dst;
	int ret;

	if (take_over_slot(r)) {
		b->e.place = a->e.place;
		b->e.d = a->e.d;
		return entry_put(tx, a, b);
	}
	ret = entry_put(tx, a, b);
	if (ret)
		return ret;
	if (r->flags & BCE_RENAME_EXCHANGE)
		return entry_put(tx, b, a);
	return r->flags & BCE_RENAME_WHITEOUT ? put_whiteout(tx, a, r->whiteout) :
						names_entry_remove(tx, a->dir, &a->e);
}

/* ---- inodes ---- */

/* the subvolume that @s is the root of now stands in @dir */
static int subvol_moved(struct names_tx *tx, struct side *s, const struct names_inode *dir)
{
	int ret;

	s->i.f.parent_subvol = dir->id.subvol;
	ret = names_root_versions(tx, &s->i, false);
	if (ret)
		return ret;
	if (s->i.subvol.fs_path_parent == dir->id.subvol)
		return 0;
	s->i.subvol.fs_path_parent = dir->id.subvol;
	return names_subvol_put(tx, &s->i.subvol);
}

/* what @s leads to is now found at @slot in @dir */
static int inode_moved(struct names_tx *tx, struct side *s, const struct names_inode *dir, u64 slot)
{
	struct inode_fields before = s->i.f;
	int ret = 0;

	s->i.f.ctime = tx->now;
	s->i.f.dir = dir->id.inum;
	s->i.f.dir_offset = slot;
	if (s->subvol)
		ret = subvol_moved(tx, s, dir);
	else if (names_opts_inherit(&s->i.f, &dir->f) && !dir->subvol.snap)
		ret = names_tx_charge_move(tx, &before, &s->i.f);
	return ret ?: names_inode_put(tx, &s->i);
}

static int inode_lost(struct names_tx *tx, struct side *s)
{
	struct inode_fields *f = &s->i.f;

	if (f->dir == s->dir->id.inum && f->dir_offset == s->e.place.slot)
		f->dir = f->dir_offset = 0;
	names_nlink_dec(tx, f);
	return names_inode_put(tx, &s->i);
}

static int rename_inodes(struct names_tx *tx, struct rename *r)
{
	struct side *a = &r->src, *b = &r->dst;
	bool exchange = r->flags & BCE_RENAME_EXCHANGE;
	u64 src_slot = a->e.place.slot;
	int ret = inode_moved(tx, a, b->dir, b->e.place.slot);

	if (ret)
		return ret;
	if (exchange)
		return inode_moved(tx, b, a->dir, src_slot);
	/* a slot taken over holds no target */
	r->lost = b->e.place.found && b->i.id.inum;
	return r->lost ? inode_lost(tx, b) : 0;
}

static int rename_dirs(struct names_tx *tx, struct rename *r)
{
	struct side *a = &r->src, *b = &r->dst;
	bool exchange = r->flags & BCE_RENAME_EXCHANGE;
	int x = is_plain_dir(a), y = b->i.id.inum && is_plain_dir(b);
	int ret;

	a->dir->f.nlink += (exchange ? y : 0) - x;
	b->dir->f.nlink += x - y;
	names_touch(tx, a->dir);
	names_touch(tx, b->dir);
	ret = names_inode_put(tx, a->dir);
	return ret || same_dir(r) ? ret : names_inode_put(tx, b->dir);
}

static int rename_fn(struct names_tx *tx, void *ctx)
{
	struct rename *r = ctx;
	int ret;

	r->lost = false;
	r->src.i.id.inum = r->dst.i.id.inum = 0;
	ret = rename_find(tx, r);
	if (!ret)
		ret = rename_check(tx, r);
	if (ret)
		return ret;
	/* names of one inode: nothing happens */
	if (r->dst.e.place.found && same_inode(&r->src, &r->dst))
		return 0;
	return rename_entries(tx, r) ?: rename_inodes(tx, r) ?: rename_dirs(tx, r);
}

int names_rename(struct names_writer *w, struct bce_file_id src_dir, const char *src_name,
		 unsigned int src_len, struct bce_file_id dst_dir, const char *dst_name,
		 unsigned int dst_len, unsigned int flags, const struct bce_creds *whiteout,
		 struct bce_inode *replaced)
{
	struct rename *r;
	int ret = names_name_check(src_name, src_len) ?: names_name_check(dst_name, dst_len);

	*replaced = (struct bce_inode) { };
	if (flags & BCE_RENAME_EXCHANGE && flags != BCE_RENAME_EXCHANGE)
		ret = ret ?: -EINVAL;
	if (ret)
		return ret;
	r = kzalloc(sizeof(*r), GFP_NOFS);
	if (!r)
		return -ENOMEM;
	r->src = (struct side) { .dir_id = src_dir, .name = src_name, .len = src_len };
	r->dst = (struct side) { .dir_id = dst_dir, .name = dst_name, .len = dst_len };
	r->flags = flags;
	r->whiteout = whiteout;
	ret = names_run(w, rename_fn, r);
	if (!ret && r->src.subvol)
		names_subvol_refresh(w, r->src.subvol);
	if (!ret && r->dst.subvol)
		names_subvol_refresh(w, r->dst.subvol);
	if (!ret && r->lost)
		names_inode_present(w->src.info, r->dst.i.id, &r->dst.i.f, replaced);
	kfree(r);
	return ret;
}
