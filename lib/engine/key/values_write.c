// SPDX-License-Identifier: GPL-2.0
/*
 * Encoders of the simpler values. Lengths are the shortest that hold the contents, rounded up to
 * words with zeros, in the newest form of each type.
 *
 * Sources: docs/format/55-key-types.md; 60-filesystem-keys.md.
 */
#include "engine/key/values_write.h"

#include <linux/math.h>
#include <linux/string.h>

#include "engine/format/ids.h"

/* @bytes of value, zeroed, to be filled in by the caller */
static void *val_begin(struct bkey *k, struct val_buf *val, unsigned int type, unsigned int bytes)
{
	k->type = type;
	k->val_u64s = DIV_ROUND_UP(bytes, 8);
	k->v = val->v;
	memset(val->v, 0, 8 * (size_t)k->val_u64s);
	return val->v;
}

void bce_dirent_encode(struct bkey *k, struct val_buf *val, const struct dirent_info *d)
{
	struct bch_dirent *v = val_begin(k, val, KEY_TYPE_dirent, sizeof(*v) + d->name_len);

	v->d_type = d->d_type;
	if (d->d_type == BCH_DT_SUBVOL) {
		v->d_child_subvol = cpu_to_le32(d->child_subvol);
		v->d_parent_subvol = cpu_to_le32(d->parent_subvol);
	} else {
		v->d_inum = cpu_to_le64(d->inum);
	}
	memcpy(v->d_name, d->name, d->name_len);
}

void bce_xattr_encode(struct bkey *k, struct val_buf *val, const struct xattr_info *x)
{
	struct bch_xattr *v = val_begin(k, val, KEY_TYPE_xattr,
					sizeof(*v) + x->name_len + x->val_len);

	v->x_type = x->type;
	v->x_name_len = x->name_len;
	v->x_val_len = cpu_to_le16(x->val_len);
	memcpy(v->x_name, x->name, x->name_len);
	if (x->val_len)
		memcpy(v->x_name + x->name_len, x->val, x->val_len);
}

void bce_subvolume_encode(struct bkey *k, struct val_buf *val, const struct subvolume_info *s)
{
	struct bch_subvolume *v = val_begin(k, val, KEY_TYPE_subvolume, sizeof(*v));
	u32 flags = 0;

	flags = BITS_SET(flags, BCH_SUBVOLUME_RO, s->ro);
	flags = BITS_SET(flags, BCH_SUBVOLUME_SNAP, s->snap);
	flags = BITS_SET(flags, BCH_SUBVOLUME_UNLINKED, s->unlinked);
	v->flags = cpu_to_le32(flags);
	v->snapshot = cpu_to_le32(s->snapshot);
	v->inode = cpu_to_le64(s->inode);
	v->creation_parent = cpu_to_le32(s->creation_parent);
	v->fs_path_parent = cpu_to_le32(s->fs_path_parent);
	v->otime.lo = cpu_to_le64(s->otime);
}

void bce_snapshot_encode(struct bkey *k, struct val_buf *val, const struct snapshot_info *s)
{
	struct bch_snapshot *v = val_begin(k, val, KEY_TYPE_snapshot, sizeof(*v));
	unsigned int i;
	u32 flags = 0;

	flags = BITS_SET(flags, BCH_SNAPSHOT_DELETED, s->deleted);
	flags = BITS_SET(flags, BCH_SNAPSHOT_SUBVOL, s->is_subvol);
	v->flags = cpu_to_le32(flags);
	v->parent = cpu_to_le32(s->parent);
	for (i = 0; i < 2; i++)
		v->children[i] = cpu_to_le32(s->children[i]);
	v->subvol = cpu_to_le32(s->subvol);
	v->tree = cpu_to_le32(s->tree);
	v->depth = cpu_to_le32(s->depth);
	for (i = 0; i < 3; i++)
		v->skip[i] = cpu_to_le32(s->skip[i]);
	v->btime.lo = cpu_to_le64(s->btime);
}

void bce_snapshot_tree_encode(struct bkey *k, struct val_buf *val,
			      const struct snapshot_tree_info *t)
{
	struct bch_snapshot_tree *v = val_begin(k, val, KEY_TYPE_snapshot_tree, sizeof(*v));

	v->master_subvol = cpu_to_le32(t->master_subvol);
	v->root_snapshot = cpu_to_le32(t->root_snapshot);
}

static struct bch_quota_counter_value quota_limit_encode(const struct quota_limit *l)
{
	return (struct bch_quota_counter_value) {
		.hardlimit = cpu_to_le64(l->hard),
		.softlimit = cpu_to_le64(l->soft),
	};
}

void bce_quota_encode(struct bkey *k, struct val_buf *val, const struct quota_limits *q)
{
	struct bch_quota *v = val_begin(k, val, KEY_TYPE_quota, sizeof(*v));

	v->c[0] = quota_limit_encode(&q->space_sectors);
	v->c[1] = quota_limit_encode(&q->inodes);
}

void bce_inode_generation_encode(struct bkey *k, struct val_buf *val, u32 generation)
{
	struct bch_inode_generation *v = val_begin(k, val, KEY_TYPE_inode_generation, sizeof(*v));

	v->bi_generation = cpu_to_le32(generation);
}

void bce_inline_data_encode(struct bkey *k, struct val_buf *val, const void *data,
			    unsigned int bytes)
{
	memcpy(val_begin(k, val, KEY_TYPE_inline_data, bytes), data, bytes);
}
