// SPDX-License-Identifier: GPL-2.0
/*
 * Searching hash tables in order to change them.
 *
 * A slot holds an entry, a tombstone (hash_whiteout), or it is a hole. A search goes up from the
 * hash to the first hole; the first tombstone or hole on the way is where a new entry goes. What was
 * looked at, holes included, is what the transaction has read: somebody else's entry in the same
 * chain makes it begin anew.
 *
 * An entry of a subvolume that does not show here (made through another subvolume, seen through a
 * snapshot of it) is a tombstone for searches: its slot may be taken, by a key in a younger snapshot.
 * For the question whether a tombstone must be left it counts as what it is, an entry: the checker
 * looks at keys, not at what they show.
 */
#include "engine/names/hash_table.h"

#include <linux/errno.h>

#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/inode.h"
#include "engine/key/values.h"

#define XATTR_TYPED_MAX	256

static bool is_entry(const struct hash_table *h, const struct bkey *k)
{
	return k->type == (h->btree_id == BTREE_ID_dirents ? KEY_TYPE_dirent : KEY_TYPE_xattr);
}

static bool is_visible(const struct hash_table *h, const struct bkey *k)
{
	struct dirent_info d;

	if (h->btree_id != BTREE_ID_dirents)
		return true;
	bce_dirent_decode(k, &d);
	return d.d_type != BCH_DT_SUBVOL || d.parent_subvol == h->subvol;
}

/* -ENOENT: a hole */
static int slot_read(const struct hash_table *h, u64 slot, struct bkey *k)
{
	return bce_trans_lookup(h->t, h->btree_id, SPOS(h->inum, slot, h->view->id), h->view, 0,
				k);
}

int bce_hash_find(const struct hash_table *h, u64 hash, hash_match_fn match, const void *ctx,
		  struct hash_place *out)
{
	bool have_free = false, entry;
	struct bkey k;
	u64 slot;
	int ret;

	*out = (struct hash_place) { };
	for (slot = hash; ; slot++) {
		ret = slot_read(h, slot, &k);
		if (ret && ret != -ENOENT)
			return ret;
		entry = !ret && is_entry(h, &k);
		if (entry && is_visible(h, &k)) {
			if (!match(&k, ctx))
				continue;
			*out = (struct hash_place) { .slot = slot, .found = true, .k = k };
			return 0;
		}
		if (!have_free) {
			have_free = true;
			out->slot = slot;
		}
		if (ret || (!entry && k.type != KEY_TYPE_hash_whiteout))
			return 0;
	}
}

static u64 entry_hash(const struct hash_table *h, const struct bkey *k)
{
	u8 typed[XATTR_TYPED_MAX];
	struct dirent_info d;
	struct xattr_info x;

	if (h->btree_id == BTREE_ID_dirents) {
		bce_dirent_decode(k, &d);
		return bce_name_hash(h->hash_type, h->hash_seed, d.name, d.name_len, true);
	}
	bce_xattr_decode(k, &x);
	typed[0] = x.type;
	memcpy(typed + 1, x.name, x.name_len);
	return bce_name_hash(h->hash_type, h->hash_seed, typed, 1 + x.name_len, false);
}

int bce_hash_slot_is_needed(const struct hash_table *h, u64 slot)
{
	struct bkey k;
	u64 above;
	int ret;

	for (above = slot + 1; ; above++) {
		ret = slot_read(h, above, &k);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (is_entry(h, &k)) {
			if (entry_hash(h, &k) <= slot)
				return 1;
		} else if (k.type != KEY_TYPE_hash_whiteout) {
			return 0;
		}
	}
}
