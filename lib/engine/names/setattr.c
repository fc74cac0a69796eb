// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes of an inode: one key (docs/format/65-operations.md, section 7).
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/stat.h>

#include "engine/format/values.h"
#include "engine/names/write_internal.h"

/* what users may change */
#define USER_FLAGS	(BIT(INODE_FLAG_sync) | BIT(INODE_FLAG_immutable) | BIT(INODE_FLAG_append) | \
			 BIT(INODE_FLAG_nodump) | BIT(INODE_FLAG_noatime))

struct setattr {
	const struct bce_inode	*attrs;
	unsigned int		valid;
	struct names_inode	out;
};

static void apply_times(const struct sb_info *info, const struct setattr *s, s64 now,
			struct inode_fields *f)
{
	s64 ctime = names_time_encode(info, s->attrs->ctime);

	if (s->valid & BCE_ATTR_ATIME)
		f->atime = names_time_encode(info, s->attrs->atime);
	if (s->valid & BCE_ATTR_MTIME)
		f->mtime = names_time_encode(info, s->attrs->mtime);
	if (s->valid & BCE_ATTR_CTIME_LATER)
		f->ctime = max(f->ctime, ctime);
	else
		f->ctime = s->valid & BCE_ATTR_CTIME ? ctime : now;
	if (s->valid & BCE_ATTR_BTIME)
		f->otime = names_time_encode(info, s->attrs->btime);
}

static void apply(const struct setattr *s, struct inode_fields *f)
{
	const struct bce_inode *attrs = s->attrs;

	if (s->valid & BCE_ATTR_MODE)
		f->mode = (f->mode & S_IFMT) | (attrs->mode & 07777);
	if (s->valid & BCE_ATTR_UID)
		f->uid = attrs->uid;
	if (s->valid & BCE_ATTR_GID)
		f->gid = attrs->gid;
	if (s->valid & BCE_ATTR_FLAGS)
		f->flags = (f->flags & ~USER_FLAGS) | (attrs->flags & USER_FLAGS);
	if (s->valid & BCE_ATTR_PROJECT) {
		f->project = attrs->project + 1;
		f->fields_set &= ~BIT(INODE_OPT_project);
		f->fields_set |= attrs->opts_explicit & BIT(INODE_OPT_project);
	}
}

static int setattr_fn(struct names_tx *tx, void *ctx)
{
	struct setattr *s = ctx;
	struct names_inode *i = &s->out;
	struct inode_fields before;
	int ret = names_inode_get(tx, s->attrs->id, i);

	if (ret)
		return ret;
	before = i->f;
	apply(s, &i->f);
	apply_times(tx->w->src.info, s, tx->now, &i->f);
	if (s->valid & (BCE_ATTR_UID | BCE_ATTR_GID | BCE_ATTR_PROJECT) && !i->subvol.snap)
		ret = names_tx_charge_move(tx, &before, &i->f);
	return ret ?: names_inode_put(tx, i);
}

int names_setattr(struct names_writer *w, const struct bce_inode *attrs, unsigned int valid,
		  struct bce_inode *out)
{
	struct setattr s = { .attrs = attrs, .valid = valid };
	int ret;

	if (valid & BCE_ATTR_PROJECT && attrs->project == U32_MAX)
		return -EINVAL;
	ret = names_run(w, setattr_fn, &s);
	if (!ret)
		names_inode_present(w->src.info, s.out.id, &s.out.f, out);
	return ret;
}
