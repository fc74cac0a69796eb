// SPDX-License-Identifier: GPL-2.0
/*
 * Extents that are nothing but a memory: all their pointers are cached ones into buckets that have been
 * used anew. They read as zeros, and their pointers, as they grow old, keep the buckets from being
 * used again (docs/format/75-allocation.md, 4.2).
 *
 * Deleting one would change bi_sectors of every version of the inode that sees it, in any number of
 * snapshots. It becomes an inline extent without data instead, which counts as before, reads as
 * zeros, and has no pointers.
 */
#include <linux/errno.h>

#include "engine/data/move.h"
#include "engine/data/read_internal.h"
#include "engine/data/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/sb.h"

struct prune {
	struct data_writer	*w;
	unsigned int		btree_id;
	struct bpos		pos;
};

/* no pointer that is, or could yet be, of use */
static bool all_stale(struct data_writer *w, const struct bkey *k)
{
	struct extent_ptr_decoded p;
	struct extent_walk walk;

	bce_extent_walk_init(&walk, k, 0);
	while (bce_extent_next_ptr(&walk, &p)) {
		int gen = bce_live_bucket_gen(w->c.reader, p.ptr.dev, p.ptr.sector);

		if (!p.ptr.cached || gen < 0 || gen_lag(gen, p.ptr.gen) <= 0)
			return false;
	}
	return !walk.bad;
}

static int prune_key(struct bce_trans *t, void *ctx)
{
	struct prune *p = ctx;
	__le64 refcount;
	struct bkey k;
	int ret = bce_trans_lookup(t, p->btree_id, p->pos, NULL, 0, &k);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if ((k.type != KEY_TYPE_extent && k.type != KEY_TYPE_reflink_v) || !all_stale(p->w, &k))
		return 0;
	refcount = cpu_to_le64(bce_reflink_refcount(&k));
	k.val_u64s = k.type == KEY_TYPE_reflink_v;
	k.v = &refcount;
	k.type = k.type == KEY_TYPE_extent ? KEY_TYPE_inline_data : KEY_TYPE_indirect_inline_data;
	return bce_trans_update(t, p->btree_id, &k, 0);
}

int bce_data_prune(void *writer, unsigned int btree_id, struct bpos pos)
{
	struct data_writer *w = writer;
	struct prune p = { .w = w, .btree_id = btree_id, .pos = pos };
	int ret = bce_write_need_features(w, 1ULL << BCH_FEATURE_inline_data |
					     1ULL << BCH_FEATURE_reflink_inline_data);

	return ret ?: bce_trans_run(w->c.btrees, prune_key, &p, TRANS_COMMIT_ALLOC, NULL);
}
