// SPDX-License-Identifier: GPL-2.0
/*
 * Names against files.
 *
 * One walk over each of the btrees of snapshots, inodes, dirents, extents and xattrs, in key order; what a
 * key refers to is looked up where it is. Each key is judged in its own snapshot: an inode version
 * at snapshot S must be right as seen from S. (Descendants that do not change it see the same keys,
 * those that change it have a version of their own.)
 *
 * Kept in memory: the snapshot nodes; 40 bytes for every version of an inode with several links.
 *
 *   snapshots.c   trees, nodes, subvolumes      extents.c   extents, in each version's view
 *   inodes.c      versions of inodes            dirents.c   names and what they lead to, links
 *   hash.c        places in hash tables
 */
#include "engine/check/names_internal.h"

#include <linux/bits.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees.h"
#include "engine/format/ids.h"
#include "engine/journal/replay.h"
#include "engine/key/text.h"
#include "engine/names/snapshot.h"

#define PROGRESS_KEYS	1024

int check_inode_at(struct name_check *n, u64 inum, u32 snapshot, struct inode_fields *out)
{
	struct snapshot_view view = bce_snapshot_view(n->c->snapshots, snapshot);
	struct bkey k;
	int ret;

	if (n->last.valid && n->last.inum == inum && n->last.snapshot == snapshot) {
		*out = n->last.fields;
		return n->last.ret;
	}
	memset(out, 0, sizeof(*out));
	ret = bce_btree_lookup(n->c->btrees, BTREE_ID_inodes, SPOS(0, inum, snapshot), &view, &k,
			       &n->buf);
	if (!ret && (!bce_key_type_is_inode(k.type) || bce_inode_unpack(&k, out)))
		ret = -ENOENT;
	n->last.valid = !ret || ret == -ENOENT;
	n->last.ret = ret;
	n->last.inum = inum;
	n->last.snapshot = snapshot;
	n->last.fields = *out;
	return ret;
}

static void show_progress(struct name_check *n, const char *pass)
{
	if (++n->done % PROGRESS_KEYS)
		return;
	if (n->c->progress)
		n->c->progress(n->c->progress_ctx, pass, n->done, n->c->keys);
	cond_resched();
}

struct names_walk {
	struct name_check	*n;
	const char		*pass;
	name_key_fn		fn;
};

static int walk_key(void *ctx, const struct bkey *k)
{
	struct names_walk *w = ctx;
	int ret = w->fn(w->n, k);

	if (!ret)
		show_progress(w->n, w->pass);
	return ret;
}

int check_names_walk(struct name_check *n, unsigned int btree_id, const char *pass,
		     name_key_fn fn)
{
	struct names_walk w = { n, pass, fn };
	int ret = bce_btree_for_each_readable_key(n->c->btrees, btree_id, NULL, walk_key, &w);

	if (ret)
		n->unreadable |= BIT_ULL(btree_id);
	return check_memory_only(ret);
}

static int check_xattr(struct name_check *n, const struct bkey *k)
{
	struct inode_fields f;
	int ret;

	if (!check_snapshot_judged(n, BTREE_ID_xattrs, k))
		return 0;
	ret = check_inode_at(n, k->p.inode, k->p.snapshot, &f);
	if (ret == -ENOENT && k->type == KEY_TYPE_xattr) {
		bce_log_error(n->c->log, BCE_ERR_key_in_missing_inode,
			      "btree xattrs %llu:%llu:%u: inode %llu does not exist", k->p.inode,
			      k->p.offset, k->p.snapshot, k->p.inode);
		return mend_name_key(n, BTREE_ID_xattrs, k->p, KEY_TYPE_deleted);
	}
	if (ret)
		return check_memory_only(ret);
	return min(check_hash_key(n, BTREE_ID_xattrs, k, &f), 0);
}

static int run(struct name_check *n)
{
	int ret = check_snapshots(n);

	if (ret || (n->mend && n->mend->again))
		return ret;
	ret = check_inodes(n);
	if (!ret)
		ret = check_extents(n);
	if (!ret)
		ret = check_dirents(n);
	if (!ret)
		ret = check_names_walk(n, BTREE_ID_xattrs, "attributes", check_xattr);
	if (!ret)
		ret = check_inode_index(n);
	if (!ret && !(n->unreadable & BIT_ULL(BTREE_ID_dirents)) && !(n->mend && n->mend->moved))
		ret = check_links_compare(n);
	return ret;
}

int check_names_round(struct check *c, struct name_mend *mend)
{
	struct name_check *n = kvzalloc(sizeof(*n), GFP_KERNEL);
	int ret;

	if (!n)
		return -ENOMEM;
	n->c = c;
	n->mend = mend;
	n->clean = c->replay && c->replay->clean && !c->in_use;
	ret = run(n);
	kvfree(n->snapshot);
	kvfree(n->subvol);
	kvfree(n->version);
	kvfree(n->links);
	kvfree(n->seen);
	kvfree(n);
	return ret;
}

int bce_check_names(struct check *c)
{
	return check_names_round(c, NULL);
}
EXPORT_SYMBOL_GPL(bce_check_names);
