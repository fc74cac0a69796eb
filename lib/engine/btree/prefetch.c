// SPDX-License-Identifier: GPL-2.0
/*
 * Reading leaves ahead of an iterator.
 *
 * Whoever steps into a leaf starts the reads of the next few ones that are not in memory, from a
 * workqueue. A read ahead is an ordinary read whose result nobody looks at: the iterator finds the
 * node in the cache, or waits for the read that is under way. A read ahead that cannot be started
 * is forgotten, one that fails is made again, and reported, by whoever needs the node. So it is for those who know where
 * they will go (bce_btrees_prefetch()).
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "engine/btree/btrees_internal.h"

#define LEAVES_AHEAD		4
#define PREFETCHES_MAX		16

struct prefetch {
	struct work_struct	work;
	struct btrees		*b;
	unsigned int		btree_id;
	unsigned int		parent_level;
	struct bpos		pos;		/* end of the child's range */
};

/*
 * The parent may have gone meanwhile, so the way is taken from the root again: the upper nodes are
 * in memory, and the child is fetched as everybody fetches it, with its hint set.
 */
static void prefetch_read(struct work_struct *work)
{
	struct prefetch *p = container_of(work, struct prefetch, work);
	struct btrees *b = p->b;
	struct btree_node *n = bce_root_lock(b, p->btree_id), *child;

	while (!IS_ERR(n) && n->id.level >= p->parent_level) {
		child = bce_node_child_lock(b, n, p->pos, NULL);
		node_unlock_read(n);
		n = child;
	}
	if (!IS_ERR(n))
		node_unlock_read(n);
	atomic_dec(&b->prefetching);
	kfree(p);
}

static bool prefetch_start(struct btrees *b, const struct btree_node *parent, struct bpos pos)
{
	struct prefetch *p;

	if (atomic_inc_return(&b->prefetching) > PREFETCHES_MAX)
		goto full;
	p = kmalloc(sizeof(*p), GFP_NOWAIT | __GFP_NOWARN);
	if (!p)
		goto full;
	p->b = b;
	p->btree_id = parent->id.btree_id;
	p->parent_level = parent->id.level;
	p->pos = pos;
	INIT_WORK(&p->work, prefetch_read);
	queue_work(b->prefetch_wq, &p->work);
	return true;
full:
	atomic_dec(&b->prefetching);
	return false;
}

void bce_prefetch_siblings(struct btrees *b, struct btree_node *parent, u32 pos)
{
	const struct keyset *set = &parent->set;
	unsigned int i;

	pos = keyset_next(set, pos);
	for (i = 0; i < LEAVES_AHEAD && pos < set->nr_u64s; i++, pos = keyset_next(set, pos)) {
		if (bce_node_child_cached(b, parent, pos))
			continue;
		if (!prefetch_start(b, parent,
				    bce_key_unpack_pos(&set->format, keyset_at(set, pos))))
			return;
	}
}

void bce_btrees_prefetch(struct btrees *b, unsigned int btree_id, struct bpos pos)
{
	struct btree_node *n = bce_node_lock_at(b, btree_id, 1, pos);
	u32 at;

	if (IS_ERR(n))
		return;
	at = bce_keyset_lower_bound(&n->set, pos);
	if (at < n->set.nr_u64s && !bce_node_child_cached(b, n, at))
		prefetch_start(b, n, bce_key_unpack_pos(&n->set.format, keyset_at(&n->set, at)));
	node_unlock_read(n);
}

int bce_prefetch_init(struct btrees *b)
{
	atomic_set(&b->prefetching, 0);
	b->prefetch_wq = alloc_workqueue("bce_btree_read", WQ_UNBOUND | WQ_MEM_RECLAIM,
					 PREFETCHES_MAX);
	return b->prefetch_wq ? 0 : -ENOMEM;
}

void bce_btrees_wait_prefetch(struct btrees *b)
{
	flush_workqueue(b->prefetch_wq);
}

void bce_prefetch_exit(struct btrees *b)
{
	if (b->prefetch_wq)
		destroy_workqueue(b->prefetch_wq);
	b->prefetch_wq = NULL;
}
