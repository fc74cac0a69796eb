// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/names.h>: the calls of names/ with a set in front of them.
 */
#include <bcachefs/names.h>

#include <linux/export.h>
#include <linux/sched/mm.h>

#include "engine/names/names.h"
#include "engine/set/set_internal.h"

struct names_source bce_set_names_source(struct bce_set *set)
{
	return (struct names_source) {
		.btrees = set->btrees,
		.snapshots = set->snapshots,
		.info = &set->info,
		.sb = set->best.sb,
		.options = set->in_effect,
		.log = set->log,
	};
}

/*
 * Names are asked for while page cache locks are held; memory that is got on
 * the way must not come back into the file system.
 */
struct names_call {
	struct names_source	src;
	unsigned int		nofs;
};

static int names_begin(struct bce_set *set, struct names_call *call)
{
	int ret = bce_set_readable(set);

	if (ret)
		return ret;
	call->src = bce_set_names_source(set);
	call->nofs = memalloc_nofs_save();
	return 0;
}

static int names_end(struct names_call *call, int ret)
{
	memalloc_nofs_restore(call->nofs);
	return ret;
}

int bce_inode_read(struct bce_set *set, struct bce_file_id id, struct bce_inode *out)
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_inode_read(&c.src, id, out));
}
EXPORT_SYMBOL_GPL(bce_inode_read);

int bce_dirent_lookup(struct bce_set *set, const struct bce_inode *dir, const char *name,
		      unsigned int len, struct bce_file_id *out)
{
	struct names_call c;

	return names_begin(set, &c) ?:
	       names_end(&c, names_dirent_lookup(&c.src, dir, name, len, out));
}
EXPORT_SYMBOL_GPL(bce_dirent_lookup);

int bce_readdir(struct bce_set *set, const struct bce_inode *dir, u64 pos,
		bool (*emit)(void *ctx, const struct bce_dirent *d), void *ctx)
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_readdir(&c.src, dir, pos, emit, ctx));
}
EXPORT_SYMBOL_GPL(bce_readdir);

int bce_parent(struct bce_set *set, const struct bce_inode *inode, struct bce_file_id *out)
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_parent(&c.src, inode, out));
}
EXPORT_SYMBOL_GPL(bce_parent);

int bce_name_of(struct bce_set *set, const struct bce_inode *dir, const struct bce_inode *child,
		char name[BCE_NAME_MAX + 1])
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_name_of(&c.src, dir, child, name));
}
EXPORT_SYMBOL_GPL(bce_name_of);

int bce_xattr_get(struct bce_set *set, const struct bce_inode *inode, enum bce_xattr_type type,
		  const char *name, void *buf, size_t size)
{
	struct names_call c;

	return names_begin(set, &c) ?:
	       names_end(&c, names_xattr_get(&c.src, inode, type, name, buf, size));
}
EXPORT_SYMBOL_GPL(bce_xattr_get);

int bce_xattr_list(struct bce_set *set, const struct bce_inode *inode,
		   bool (*emit)(void *ctx, enum bce_xattr_type type, const char *name,
				unsigned int len), void *ctx)
{
	struct names_call c;

	return names_begin(set, &c) ?:
	       names_end(&c, names_xattr_list(&c.src, inode, emit, ctx));
}
EXPORT_SYMBOL_GPL(bce_xattr_list);

EXPORT_SYMBOL_GPL(bce_inode_opt_names);

int bce_inode_opt_text(struct bce_set *set, const struct bce_inode *inode, unsigned int opt,
		       bool effective, char *buf, size_t size)
{
	struct names_call c;

	return names_begin(set, &c) ?:
	       names_end(&c, names_inode_opt_text(&c.src, inode, opt, effective, buf, size));
}
EXPORT_SYMBOL_GPL(bce_inode_opt_text);

int bce_subvolume_read(struct bce_set *set, u32 id, struct bce_subvolume *out)
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_subvolume_read(&c.src, id, out));
}
EXPORT_SYMBOL_GPL(bce_subvolume_read);

int bce_subvolume_read_next(struct bce_set *set, u32 id, struct bce_subvolume *out)
{
	struct names_call c;

	return names_begin(set, &c) ?: names_end(&c, names_subvolume_next(&c.src, id, out));
}
EXPORT_SYMBOL_GPL(bce_subvolume_read_next);
