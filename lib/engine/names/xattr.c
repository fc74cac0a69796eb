// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes (docs/format/60-filesystem-keys.md, sections 8, 9, 11): one
 * hash table per inode, as for directories; the hash covers the type byte and the
 * name without prefix. Values are handed out as stored; ACLs too, whose form
 * differs from the one the kernel's VFS knows.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/batch.h"
#include "engine/names/names.h"

#define XATTR_NAME_MAX_BYTES	255

struct xattr_value {
	u8		type;
	const char	*name;
	unsigned int	name_len;
	const void	*val;
	unsigned int	val_len;
};

static bool xattr_decode(const struct bkey *k, struct xattr_value *out)
{
	const struct bch_xattr *x = k->v;
	unsigned int val_len;

	if (bkey_val_bytes(k) < sizeof(*x))
		return false;
	val_len = le16_to_cpu(x->x_val_len);
	if (sizeof(*x) + x->x_name_len + val_len > bkey_val_bytes(k))
		return false;
	*out = (struct xattr_value) {
		.type = x->x_type,
		.name = (const char *)x->x_name,
		.name_len = x->x_name_len,
		.val = x->x_name + x->x_name_len,
		.val_len = val_len,
	};
	return true;
}

static bool xattr_matches(const struct bkey *k, u8 type, const char *name, unsigned int len,
			  struct xattr_value *x)
{
	return k->type == KEY_TYPE_xattr && xattr_decode(k, x) && x->type == type &&
	       x->name_len == len && !memcmp(x->name, name, len);
}

static int xattr_copy(const struct xattr_value *x, void *buf, size_t size)
{
	if (size && size < x->val_len)
		return -ERANGE;
	if (size)
		memcpy(buf, x->val, x->val_len);
	return x->val_len;
}

static u64 xattr_hash(const struct bce_inode *inode, u8 type, const char *name,
		      unsigned int len)
{
	char typed[1 + XATTR_NAME_MAX_BYTES];

	typed[0] = type;
	memcpy(typed + 1, name, len);
	return bce_name_hash(inode->hash_type, inode->hash_seed, typed, 1 + len, false);
}

int names_xattr_get(const struct names_source *src, const struct bce_inode *inode,
		    enum bce_xattr_type type, const char *name, void *buf, size_t size)
{
	unsigned int len = strnlen(name, XATTR_NAME_MAX_BYTES + 1);
	struct snapshot_view view;
	struct xattr_value x;
	struct btree_iter iter;
	const struct bkey *k;
	u64 slot;
	int ret;

	if (len > XATTR_NAME_MAX_BYTES)
		return -ENODATA;
	ret = names_view(src, inode->id.subvol, &view);
	if (ret)
		return ret;

	ret = -ENODATA;
	slot = xattr_hash(inode, type, name, len);
	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_xattrs, 0, SPOS(inode->id.inum, slot, 0),
			    0, &view);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		if (k->p.inode != inode->id.inum || k->p.offset != slot++)
			break;
		if (xattr_matches(k, type, name, len, &x)) {
			ret = xattr_copy(&x, buf, size);
			break;
		}
	}
	if (IS_ERR(k))
		ret = PTR_ERR(k);
	bce_btree_iter_exit(&iter);
	return ret;
}

/* false: the batch is full */
static bool batch_add_xattr(struct batch *batch, const struct bkey *k)
{
	struct batch_record *rec;
	struct xattr_value x;

	if (k->type != KEY_TYPE_xattr || !xattr_decode(k, &x))
		return true;
	rec = batch_add(batch, x.name_len + 1);
	if (!rec)
		return false;
	rec->type = x.type;
	memcpy(rec->name, x.name, x.name_len);
	rec->name[x.name_len] = '\0';
	return true;
}

static int list_fill(const struct names_source *src, const struct bce_inode *inode,
		     const struct snapshot_view *view, struct batch *batch)
{
	struct btree_iter iter;
	const struct bkey *k;
	int ret = 0;

	batch_restart(batch);
	bce_btree_iter_init(&iter, src->btrees, BTREE_ID_xattrs, 0,
			    SPOS(inode->id.inum, batch->next_pos, 0), 0, view);
	for (k = bce_btree_iter_peek(&iter); ; k = bce_btree_iter_next(&iter)) {
		if (IS_ERR_OR_NULL(k) || k->p.inode != inode->id.inum) {
			ret = PTR_ERR_OR_ZERO(k);
			batch->last = true;
			break;
		}
		batch->next_pos = k->p.offset;
		if (!batch_add_xattr(batch, k))
			break;
	}
	bce_btree_iter_exit(&iter);
	return ret;
}

int names_xattr_list(const struct names_source *src, const struct bce_inode *inode,
		     bool (*emit)(void *ctx, enum bce_xattr_type type, const char *name,
				  unsigned int len), void *ctx)
{
	const struct batch_record *rec;
	struct snapshot_view view;
	struct batch batch;
	int ret;

	ret = names_view(src, inode->id.subvol, &view);
	if (!ret)
		ret = batch_init(&batch);
	if (ret)
		return ret;

	do {
		ret = list_fill(src, inode, &view, &batch);
		for (rec = batch_next(&batch, NULL); rec && !ret; rec = batch_next(&batch, rec))
			if (!emit(ctx, rec->type, rec->name, rec->len - 1))
				goto out;
	} while (!ret && !batch.last);
out:
	batch_exit(&batch);
	return ret;
}
