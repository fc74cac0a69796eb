// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes and ACLs being set and removed (docs/format/60-filesystem-keys.md, sections 9,
 * 11). An attribute that exists is replaced in its slot.
 */
#include <linux/errno.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "engine/btree/snapshot_update.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/names/write_internal.h"

#define NAME_MAX_BYTES	255

struct xattr_name {
	u8		typed[1 + NAME_MAX_BYTES];	/* type, then the name */
	unsigned int	len;				/* of the name */
};

static bool xattr_matches(const struct bkey *k, const void *ctx)
{
	const struct xattr_name *n = ctx;
	struct xattr_info x;

	bce_xattr_decode(k, &x);
	return x.type == n->typed[0] && x.name_len == n->len &&
	       !memcmp(x.name, n->typed + 1, n->len);
}

static int xattr_store(struct names_tx *tx, struct bpos pos, const struct xattr_name *n,
		       const void *value, size_t bytes)
{
	struct val_buf *val = bce_trans_alloc(tx->t, sizeof(*val));
	struct bkey k = { .p = pos };
	struct xattr_info x = {
		.type = n->typed[0],
		.name_len = n->len,
		.name = n->typed + 1,
		.val_len = bytes,
		.val = value,
	};

	if (!val)
		return -ENOMEM;
	bce_xattr_encode(&k, val, &x);
	return bce_trans_update(tx->t, BTREE_ID_xattrs, &k, 0);
}

static int xattr_remove(struct names_tx *tx, const struct hash_table *h, u64 slot)
{
	struct bkey k = { .p = SPOS(h->inum, slot, h->view->id), .type = KEY_TYPE_hash_whiteout };
	int needed = bce_hash_slot_is_needed(h, slot);

	if (needed < 0)
		return needed;
	return needed ? bce_trans_update(tx->t, BTREE_ID_xattrs, &k, 0) :
			bce_snapshot_delete(tx->t, BTREE_ID_xattrs, k.p, h->view, 0);
}

int names_xattr_put(struct names_tx *tx, const struct inode_fields *f,
		    const struct snapshot_view *view, u8 type, const char *name,
		    const void *value, size_t bytes, unsigned int flags)
{
	struct hash_table h = {
		.t = tx->t,
		.btree_id = BTREE_ID_xattrs,
		.inum = f->inum,
		.hash_type = f->str_hash,
		.hash_seed = f->hash_seed,
		.view = view,
	};
	struct xattr_name n = { .typed = { type }, .len = strlen(name) };
	struct hash_place place;
	int ret;

	memcpy(n.typed + 1, name, n.len);
	ret = bce_hash_find(&h, bce_name_hash(h.hash_type, h.hash_seed, n.typed, 1 + n.len, false),
			    xattr_matches, &n, &place);
	if (ret)
		return ret;
	if (place.found && flags & BCE_XATTR_CREATE)
		return -EEXIST;
	if (!place.found && (!value || flags & BCE_XATTR_REPLACE))
		return -ENODATA;
	return value ? xattr_store(tx, SPOS(h.inum, place.slot, view->id), &n, value, bytes) :
		       xattr_remove(tx, &h, place.slot);
}

static int check_bytes(const char *name, bool has_value, size_t bytes)
{
	size_t len = strlen(name);

	if (len > NAME_MAX_BYTES)
		return -ERANGE;
	return has_value && len + bytes > XATTR_BYTES_MAX ? -E2BIG : 0;
}

static int new_xattr_put(struct names_tx *tx, const struct inode_fields *f,
			 const struct snapshot_view *view, const struct bce_xattr *x)
{
	int ret = x->type > BCE_XATTR_SECURITY ? -EINVAL : check_bytes(x->name, true, x->bytes);

	return ret ?: names_xattr_put(tx, f, view, x->type, x->name, x->value, x->bytes, 0);
}

int names_new_xattrs_put(struct names_tx *tx, const struct inode_fields *f,
			 const struct snapshot_view *view, const struct bce_create *what)
{
	unsigned int i;
	int ret = 0;

	if (what->acl_access)
		ret = names_xattr_put(tx, f, view, BCE_XATTR_ACL_ACCESS, "", what->acl_access,
				      what->acl_access_bytes, 0);
	if (!ret && what->acl_default)
		ret = names_xattr_put(tx, f, view, BCE_XATTR_ACL_DEFAULT, "", what->acl_default,
				      what->acl_default_bytes, 0);
	for (i = 0; !ret && i < what->nr_xattrs; i++)
		ret = new_xattr_put(tx, f, view, &what->xattrs[i]);
	return ret;
}

/* ---- the calls ---- */

struct xattr_set {
	struct bce_file_id	id;
	u8			type;
	const char		*name;
	const void		*value;
	size_t			bytes;
	unsigned int		flags;
	bool			is_acl;
	umode_t			mode;		/* with the ACL */
};

static int xattr_set_fn(struct names_tx *tx, void *ctx)
{
	const struct xattr_set *x = ctx;
	struct names_inode i;
	int ret = names_inode_get(tx, x->id, &i);

	if (ret)
		return ret;
	if (x->type == BCE_XATTR_ACL_DEFAULT && !S_ISDIR(i.f.mode))
		return x->value ? -EACCES : 0;
	ret = names_xattr_put(tx, &i.f, &i.view, x->type, x->name, x->value, x->bytes, x->flags);
	/* no ACL is what was asked for */
	if (ret == -ENODATA && x->is_acl && !x->value)
		ret = 0;
	if (ret)
		return ret;
	if (x->is_acl)
		i.f.mode = (i.f.mode & S_IFMT) | (x->mode & 07777);
	i.f.ctime = tx->now;
	return names_inode_put(tx, &i);
}

static int xattr_check(const struct xattr_set *x)
{
	return check_bytes(x->name, x->value, x->bytes);
}

int names_xattr_set(struct names_writer *w, struct bce_file_id inode, enum bce_xattr_type type,
		    const char *name, const void *value, size_t bytes, unsigned int flags)
{
	struct xattr_set x = {
		.id = inode, .type = type, .name = name, .value = value, .bytes = bytes,
		.flags = flags,
	};

	if (type > BCE_XATTR_SECURITY)
		return -EINVAL;
	return xattr_check(&x) ?: names_run(w, xattr_set_fn, &x);
}

int names_acl_set(struct names_writer *w, struct bce_file_id inode, enum bce_xattr_type type,
		  umode_t mode, const void *value, size_t bytes)
{
	struct xattr_set x = {
		.id = inode, .type = type, .name = "", .value = value, .bytes = bytes,
		.is_acl = true, .mode = mode,
	};

	if (type != BCE_XATTR_ACL_ACCESS && type != BCE_XATTR_ACL_DEFAULT)
		return -EINVAL;
	return xattr_check(&x) ?: names_run(w, xattr_set_fn, &x);
}
