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

bool check_hash_name(const struct bkey *k, struct hash_name *out)
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

bool check_hash_same_name(const struct hash_name *a, const struct hash_name *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

u64 check_hash(const struct inode_fields *owner, unsigned int btree_id, const struct hash_name *name)
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

/* every place from @hash to @k's own is taken, by entries of other names. 1: it is not so, 0, negative errno */
static int check_chain(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		       u64 hash, const struct hash_name *name, struct hash_name *other)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, k->p.snapshot);
	u64 next = hash;
	const struct bkey *at;
	struct btree_iter iter;
	int wrong = 0;

	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS(k->p.inode, hash), 0, &view);
	for (at = bce_btree_iter_peek(&iter);
	     !IS_ERR_OR_NULL(at) && at->p.inode == k->p.inode && at->p.offset == next &&
	     next < k->p.offset; at = bce_btree_iter_next(&iter), next++) {
		if (!check_hash_name(at, other) || !check_hash_same_name(name, other))
			continue;
		bce_log_error(n->c->log, BCE_ERR_hash_table_key_duplicate,
			      "btree %s %llu:%llu:%u: the same name as at %llu", bce_btree_name(btree_id),
			      k->p.inode, k->p.offset, k->p.snapshot, at->p.offset);
		wrong = 1;
	}
	bce_btree_iter_exit(&iter);
	if (IS_ERR(at))
		return check_memory_only(PTR_ERR(at));
	if (next >= k->p.offset)
		return wrong;
	wrong_place(n, btree_id, k, hash, next, k->p.snapshot);
	return 1;
}

static int check_entry(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		       const struct inode_fields *owner)
{
	struct hash_name *name = &n->names[0];
	int wrong = 1;
	u64 hash;

	if (!check_hash_name(k, name))
		return 0;
	hash = check_hash(owner, btree_id, name);
	if (hash == k->p.offset)
		return 0;
	if (hash > k->p.offset)
		wrong_place(n, btree_id, k, hash, hash, k->p.snapshot);
	else
		wrong = check_chain(n, btree_id, k, hash, name, &n->names[1]);
	return wrong > 0 ? mend_hash_entry(n, btree_id, k, owner) : wrong;
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
	bool wrong = false;

	bce_btree_iter_init(&iter, n->c->btrees, btree_id, 0, POS(k->p.inode, next), 0, &view);
	for (at = bce_btree_iter_peek(&iter);
	     !IS_ERR_OR_NULL(at) && at->p.inode == k->p.inode && at->p.offset == next;
	     at = bce_btree_iter_next(&iter), next++) {
		if (at->p.snapshot == k->p.snapshot || !check_hash_name(at, name) ||
		    check_hash(owner, btree_id, name) > k->p.offset)
			continue;
		wrong_place(n, btree_id, at, check_hash(owner, btree_id, name), k->p.offset, k->p.snapshot);
		wrong = true;
	}
	bce_btree_iter_exit(&iter);
	if (IS_ERR(at))
		return check_memory_only(PTR_ERR(at));
	return wrong ? mend_hash_hole(n, btree_id, k->p) : 0;
}

int check_hash_key(struct name_check *n, unsigned int btree_id, const struct bkey *k,
		   const struct inode_fields *owner)
{
	return k->type == KEY_TYPE_whiteout ? check_hole(n, btree_id, k, owner) :
					      check_entry(n, btree_id, k, owner);
}
