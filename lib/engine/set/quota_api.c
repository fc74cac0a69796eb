// SPDX-License-Identifier: GPL-2.0
/*
 * <bcachefs/ops.h>, quotas, with a set in front of them. Limits are keys, which the names room changes; grace times
 * stand in the superblock.
 */
#include <bcachefs/ops.h>

#include <linux/err.h>
#include <linux/export.h>

#include <bcachefs/set.h>

#include "engine/format/ids.h"
#include "engine/names/snapshot.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"

unsigned int bce_set_quota_types(const struct bce_set *set)
{
	return READ_ONCE(set->quota_types);
}
EXPORT_SYMBOL_GPL(bce_set_quota_types);

int bce_set_quota_types_set(struct bce_set *set, unsigned int types)
{
	int ret = 0;

	mutex_lock(&set->rw_lock);
	if (types != set->quota_types && set->rw && set->rw->state != RW_OFF)
		ret = -EBUSY;
	else
		WRITE_ONCE(set->quota_types, types);
	mutex_unlock(&set->rw_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_quota_types_set);

/* files of snapshots are not charged: docs/format/60, part VI */
int bce_set_quota_charge(struct bce_set *set, u32 subvol, const struct quota_owner *owner,
			 s64 sectors, unsigned int flags)
{
	struct quota_table *q = set->rw->names.quota;
	struct subvolume_info info;

	if (!q || !bce_subvolume_find(set->snapshots, subvol, &info) || info.snap)
		return 0;
	return bce_quota_charge(q, owner, sectors, 0, flags);
}

int bce_set_quota_allows(struct bce_set *set, const struct bce_inode *inode, u64 sectors)
{
	struct quota_owner owner = { .id = { inode->uid, inode->gid, inode->project } };

	return bce_set_quota_charge(set, inode->id.subvol, &owner, sectors, QUOTA_ASK);
}

int bce_quota_get(struct bce_set *set, unsigned int type, u32 id, struct bce_quota *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_quota_get(&c.rw->names, type, id, out));
}
EXPORT_SYMBOL_GPL(bce_quota_get);

int bce_quota_next(struct bce_set *set, unsigned int type, u32 *id, struct bce_quota *out)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_quota_next(&c.rw->names, type, id, out));
}
EXPORT_SYMBOL_GPL(bce_quota_next);

int bce_quota_set(struct bce_set *set, unsigned int type, u32 id, const struct bce_quota *limits)
{
	struct change_call c;

	return bce_change_begin(set, &c) ?:
	       bce_change_end(&c, names_quota_set(&c.rw->names, type, id, limits));
}
EXPORT_SYMBOL_GPL(bce_quota_set);

int bce_quota_grace_get(struct bce_set *set, unsigned int type, struct bce_quota_grace *out)
{
	u32 grace[BCH_QUOTA_COUNTER_NR];
	struct change_call c;
	int ret = bce_change_begin(set, &c);

	if (!ret)
		ret = bce_change_end(&c, bce_quota_grace(c.rw->names.quota, type, grace));
	if (!ret)
		*out = (struct bce_quota_grace) { grace[BCH_QUOTA_space], grace[BCH_QUOTA_inodes] };
	return ret;
}
EXPORT_SYMBOL_GPL(bce_quota_grace_get);

static int grace_to_sb(struct set_rw *rw, unsigned int type, const struct bce_quota_grace *grace)
{
	struct bch_sb_field_quota *f;
	int ret;

	bce_sb_edit_begin(rw->sb);
	f = (void *)bce_sb_field_resize(rw->sb, BCH_SB_FIELD_quota, sizeof(*f) / sizeof(u64));
	ret = PTR_ERR_OR_ZERO(f);
	if (!ret) {
		f->q[type].c[BCH_QUOTA_space].timelimit = cpu_to_le32(grace->space_seconds);
		f->q[type].c[BCH_QUOTA_inodes].timelimit = cpu_to_le32(grace->inodes_seconds);
		ret = bce_sb_write(rw->sb);
	}
	bce_sb_edit_end(rw->sb);
	return ret;
}

int bce_quota_grace_set(struct bce_set *set, unsigned int type, const struct bce_quota_grace *grace)
{
	const u32 seconds[BCH_QUOTA_COUNTER_NR] = {
		[BCH_QUOTA_space] = grace->space_seconds, [BCH_QUOTA_inodes] = grace->inodes_seconds,
	};
	u32 now[BCH_QUOTA_COUNTER_NR];
	struct change_call c;
	int ret = bce_change_begin(set, &c);

	if (ret)
		return ret;
	ret = bce_quota_grace(c.rw->names.quota, type, now);
	if (!ret)
		ret = grace_to_sb(c.rw, type, grace);
	if (!ret)
		ret = bce_quota_grace_change(c.rw->names.quota, type, seconds);
	return bce_change_end(&c, ret);
}
EXPORT_SYMBOL_GPL(bce_quota_grace_set);
