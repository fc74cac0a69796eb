// SPDX-License-Identifier: GPL-2.0
/*
 * Places in hash tables: dirents of a directory, xattrs of an inode.
 *
 * An entry stands at its hash, or behind it with every place between taken, so that a search from
 * the hash meets it before a hole. Judged for each entry in its own snapshot; and where a
 * key of an ancestor is hidden in a snapshot, for the entries behind the hole in that snapshot's view.
 *
 * Source: docs/format/60-filesystem-keys.md, section 9, part VIII.
 */
#include "engine/check/names_internal.h"

#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

static bool name_of(const struct bkey *k, struct hash_name *out)
{
	struct dirent_info d;
	struct xattr_info x;

	if (k->type == KEY_TYPE_dirent) {
		bce_dirent_decode(k, &d);
		out->len = min_t(unsigned int, d.name_len, BCH_DIRENT_NAME_MAX);
		if (out->len)
			memcpy(out->bytes, d.name, out->len);
		return out->len;
	}
	if (k->type != KEY_TYPE_xattr)
		return false;
	bce_xattr_decode(k, &x);
	out->bytes[0] = x.type;
	out->len = 1 + min_t(unsigned int, x.name_len, BCH_DIRENT_NAME_MAX);
	if (out->len > 1)
		memcpy(out->bytes + 1, x.name, out->len - 1);
	return true;
}

static u64 hash_of(const struct inode_fields *owner, unsigned int btree_id,
		   const struct hash_name *name)
{
	return bce_name_hash(owner->str_hash, owner->hash_seed, name->bytes, name->len,
			     btree_id == BTREE_ID_dirents);
}

static void wrong_place(struct name_check *n, unsigned int btree_id, const struct bkey *k,
			u64 hash, u64 hole, u32 snapshot)
{
	bce_log_error(n->c->log, BCE_ERR_hash_table_key_wrong_offset,
		      "btree %s %llu:%llu:%u: hash %llu, nothing at %llu (seen from snapshot %u)",
		      bce_btree_name(btree_id), k->p.inode, k->p.offset, k->p.snapshot, hash, hole,
		      snapshot);
}

/* every place from @hash to @k's own is taken, by entries of other names */
static int check_chain(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		       u64 hash, const struct hash_name *name, struct hash_name *other)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, k->p.snapshot);
	u64 next = hash;
	const struct bkey *at;
	struct btree_iter iter;

	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS(k->p.inode, hash), 0, &view);
	for (at = bce_btree_iter_peek(&iter);
	     !IS_ERR_OR_NULL(at) && at->p.inode == k->p.inode && at->p.offset == next &&
	     next < k->p.offset; at = bce_btree_iter_next(&iter), next++)
		if (name_of(at, other) && other->len == name->len &&
		    !memcmp(other->bytes, name->bytes, name->len))
			bce_log_error(n->c->log, BCE_ERR_hash_table_key_duplicate,
				      "btree %s %llu:%llu:%u: the same name as at %llu",
				      bce_btree_name(btree_id), k->p.inode, k->p.offset,
				      k->p.snapshot, at->p.offset);
	bce_btree_iter_exit(&iter);
	if (IS_ERR(at))
		return check_memory_only(PTR_ERR(at));
	if (next < k->p.offset)
		wrong_place(n, btree_id, k, hash, next, k->p.snapshot);
	return 0;
}

static int check_entry(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		       const struct inode_fields *owner)
{
	struct hash_name *name = &n->names[0];
	u64 hash;

	if (!name_of(k, name))
		return 0;
	hash = hash_of(owner, btree_id, name);
	if (hash == k->p.offset)
		return 0;
	if (hash > k->p.offset) {
		wrong_place(n, btree_id, k, hash, hash, k->p.snapshot);
		return 0;
	}
	return check_chain(n, btree_id, k, hash, name, &n->names[1]);
}

/* a hole in one snapshot: what stands behind it there must not have come from before it */
static int check_hole(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		      const struct inode_fields *owner)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, k->p.snapshot);
	struct hash_name *name = &n->names[0];
	u64 next = k->p.offset + 1;
	const struct bkey *at;
	struct btree_iter iter;

	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS(k->p.inode, next), 0, &view);
	for (at = bce_btree_iter_peek(&iter);
	     !IS_ERR_OR_NULL(at) && at->p.inode == k->p.inode && at->p.offset == next;
	     at = bce_btree_iter_next(&iter), next++)
		if (at->p.snapshot != k->p.snapshot && name_of(at, name) &&
		    hash_of(owner, btree_id, name) <= k->p.offset)
			wrong_place(n, btree_id, at, hash_of(owner, btree_id, name), k->p.offset,
				    k->p.snapshot);
	bce_btree_iter_exit(&iter);
	return IS_ERR(at) ? check_memory_only(PTR_ERR(at)) : 0;
}

int check_hash_key(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		   const struct inode_fields *owner)
{
	return k->type == KEY_TYPE_whiteout ? check_hole(n, btree_id, k, owner) :
					      check_entry(n, btree_id, k, owner);
}
