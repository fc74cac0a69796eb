/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_KEY_VALUES_WRITE_H
#define ENGINE_KEY_VALUES_WRITE_H

#include "engine/key/values.h"

/*
 * The counterparts of key/values.h: values as they are stored, from CPU order. Each call fills in
 * type and value of a key whose position is the caller's; the value lies in @val.
 */
struct val_buf {
	u64	v[BKEY_VAL_U64S_MAX];
};

/* a name of 1 to BCH_DIRENT_NAME_MAX bytes; @d->child_subvol counts for BCH_DT_SUBVOL only */
void bce_dirent_encode(struct bkey *k, struct val_buf *val, const struct dirent_info *d);

/* longest name and value together */
#define XATTR_BYTES_MAX		(2000 - sizeof(struct bch_xattr))
void bce_xattr_encode(struct bkey *k, struct val_buf *val, const struct xattr_info *x);

void bce_subvolume_encode(struct bkey *k, struct val_buf *val, const struct subvolume_info *s);
void bce_snapshot_encode(struct bkey *k, struct val_buf *val, const struct snapshot_info *s);
void bce_snapshot_tree_encode(struct bkey *k, struct val_buf *val,
			      const struct snapshot_tree_info *t);
void bce_quota_encode(struct bkey *k, struct val_buf *val, const struct quota_limits *q);
void bce_inode_generation_encode(struct bkey *k, struct val_buf *val, u32 generation);
/* raw bytes; the caller sets the size */
void bce_inline_data_encode(struct bkey *k, struct val_buf *val, const void *data,
			    unsigned int bytes);

#endif
