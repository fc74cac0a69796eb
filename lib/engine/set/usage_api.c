// SPDX-License-Identifier: GPL-2.0
/*
 * How full the set is, and of what.
 *
 * While it is written the allocator knows: what is told is what the next promise would be granted.
 * Otherwise the counters are looked up by the superblock's list of copies, which is that of the
 * writer if there has been one.
 */
#include <bcachefs/usage.h>

#include <linux/err.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/key/accounting.h"
#include "engine/names/names.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"

/* as the superblock is now */
static int usage_by_sb(struct bce_set *set, struct bce_usage *out)
{
	struct set_rw *rw = smp_load_acquire(&set->rw);
	struct sb_writer *writer = rw ? READ_ONCE(rw->sb) : NULL;
	struct names_source src = bce_set_names_source(set);
	int ret;

	src.members_present = bce_members_present(set->members);
	if (!writer)
		return names_usage(&src, out);
	src.sb = bce_sb_edit_begin(writer);
	ret = names_usage(&src, out);
	bce_sb_edit_end(writer);
	return ret;
}

static int usage_by_allocator(struct bce_set *set, struct bce_usage *out)
{
	struct names_source src = bce_set_names_source(set);
	struct alloc_usage u;

	bce_alloc_usage(set->rw->alloc, &u);
	*out = (struct bce_usage) {
		.capacity_sectors = u.capacity_sectors,
		.used_sectors = u.used_sectors,
		.free_sectors = u.free_sectors,
	};
	return names_nr_inodes(&src, &out->nr_inodes);
}

int bce_set_usage(struct bce_set *set, struct bce_usage *out)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret = bce_set_readable(set);

	if (!ret && !bce_set_write_get_quiet(set)) {
		ret = usage_by_allocator(set, out);
		bce_set_write_put(set);
	} else if (!ret) {
		ret = usage_by_sb(set, out);
	}
	memalloc_nofs_restore(nofs);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_usage);

u64 bce_set_reserved_sectors(struct bce_set *set)
{
	u64 sectors;

	if (bce_set_readable(set) || bce_set_write_get_quiet(set))
		return 0;
	sectors = bce_space_reserved(set->rw->alloc);
	bce_set_write_put(set);
	return sectors;
}
EXPORT_SYMBOL_GPL(bce_set_reserved_sectors);

/* false: not wanted */
static bool accounting_of(const struct bkey *k, u32 types, struct bce_accounting *out)
{
	struct accounting_pos pos = bce_accounting_pos_decode(k->p);
	bool any = false;

	if (k->type != KEY_TYPE_accounting || pos.type == ACCOUNTING_inum || pos.type >= 32 ||
	    !(types >> pos.type & 1))
		return false;
	static_assert(sizeof(pos) == BCE_ACCOUNTING_POS_BYTES);
	*out = (struct bce_accounting) {
		.nr = min_t(unsigned int, bce_accounting_nr_counters(k), BCE_ACCOUNTING_COUNTERS),
	};
	memcpy(out->pos, &pos, sizeof(pos));
	for (unsigned int i = 0; i < out->nr; i++) {
		out->counter[i] = bce_accounting_counter(k, i);
		any |= out->counter[i] != 0;
	}
	return any;
}

int bce_set_accounting(struct bce_set *set, u32 types,
		       bool (*emit)(void *ctx, const struct bce_accounting *a), void *ctx)
{
	struct bce_accounting a;
	struct btree_iter iter;
	const struct bkey *k;
	struct bpos next = POS_MIN;
	bool more = true;
	int ret = bce_set_readable(set);

	while (!ret && more) {
		unsigned int nofs = memalloc_nofs_save();

		bce_btree_iter_init(&iter, set->btrees, BTREE_ID_accounting, 0, next, 0, NULL);
		k = bce_btree_iter_peek(&iter);
		while (k && !IS_ERR(k) && !accounting_of(k, types, &a))
			k = bce_btree_iter_next(&iter);
		ret = PTR_ERR_OR_ZERO(k);
		more = k && !ret;
		if (more)
			next = bpos_successor(k->p);
		bce_btree_iter_exit(&iter);
		memalloc_nofs_restore(nofs);
		more = more && emit(ctx, &a);
		if (fatal_signal_pending(current))
			ret = -EINTR;
	}
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_accounting);
