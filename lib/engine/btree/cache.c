// SPDX-License-Identifier: GPL-2.0
/*
 * The node cache.
 *
 * A node is found in two ways. The usual one does not come here at all: a pointer key in an
 * interior node has a word that the format keeps free for memory (mem_ptr), and in it stands
 * where the child was last time (child.c). That costs no look-up and no lock but the child's.
 * The other way is the hash table below, by identity: for the first visit, after an eviction,
 * and for a legacy pointer, which has no such word.
 *
 *   hash bucket --> node <------ mem_ptr of the parent's key (may be stale)
 *                    ^
 *       clock: o - o - o - o     (may be evicted)      idle[level]: o - o   (no identity)
 *
 * Life of a node:
 *
 *   idle --> write-locked, identity given, hashed --> filled --> in the clock, read by many
 *    ^                                                  |             |
 *    |                 fill failed: unhashed, @error <--+             | evicted: write-locked,
 *    +--------------------------------------------------+-------------+ unhashed, keys freed
 *
 * Who wants a node that is just being filled waits for its lock, and so shares the read. Who gets
 * the lock compares the identity: it may have waited for a node that failed (identity still there,
 * @error says why, the error is shared too) or that has become another one (it looks again).
 *
 * The memory of a struct btree_node is never given back while the cache stands, so any stale
 * pointer to a node may still be locked and compared. What is freed, the keys, is nearly all of
 * it.
 *
 * Eviction is by a clock. Every visit makes a node warm, interior nodes warmer; the hand cools warm
 * nodes as it passes and takes cold ones, if their lock is free: it only ever tries, so it may run
 * under any locks of ours, from the shrinker too.
 *
 * Locks, outermost first: locks of nodes, from the root down; list_lock; bucket lock. Blocking
 * for the lock of a node can never close a cycle: only the task that fills a node holds its write
 * lock for long, and that one waits for devices and memory, for no lock of a node. So waits are
 * entered as such by bce_six_lock_hooked(), which spares lockdep the pairs of leaves that two
 * iterators of one task may hold.
 */
#include "engine/btree/cache.h"

#include <linux/err.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include "kc/kc.h"

#define BUCKET_BITS_MIN		6U
#define BUCKET_BITS_MAX		18U
#define NODES_PER_SHRINK_BATCH	16
#define HEAT_OF_LEVEL(level)	(1 + (level))

struct cache_bucket {
	spinlock_t		lock;	/* protects the chain */
	struct hlist_head	chain;
};

/* one class per level; a path is locked from the root down */
static struct lock_class_key node_lock_class[BTREE_MAX_DEPTH];
static const char *const node_lock_name[BTREE_MAX_DEPTH] = {
	"bce_btree_node_0", "bce_btree_node_1", "bce_btree_node_2", "bce_btree_node_3",
};

/* ---- identity and hash ---- */

bool bce_node_id_equal(const struct node_id *a, const struct node_id *b)
{
	return a->ptr == b->ptr && a->seq == b->seq && a->btree_id == b->btree_id &&
		a->level == b->level && !bpos_cmp(a->max, b->max);
}

static struct cache_bucket *bucket_of(const struct node_cache *c, const struct node_id *id)
{
	u64 place = id->ptr ^ id->seq ^ ((u64)id->btree_id << 8 | id->level);

	return &c->buckets[hash_64(place, c->bucket_bits)];
}

static struct btree_node *chain_find(const struct cache_bucket *bucket, const struct node_id *id)
{
	struct btree_node *n;

	hlist_for_each_entry(n, &bucket->chain, hash_link)
		if (bce_node_id_equal(&n->id, id))
			return n;
	return NULL;
}

static struct btree_node *hash_find(const struct node_cache *c, const struct node_id *id)
{
	struct cache_bucket *bucket = bucket_of(c, id);
	struct btree_node *n;

	spin_lock(&bucket->lock);
	n = chain_find(bucket, id);
	spin_unlock(&bucket->lock);
	return n;
}

/* false: another one was quicker */
static bool hash_insert(const struct node_cache *c, struct btree_node *n)
{
	struct cache_bucket *bucket = bucket_of(c, &n->id);
	bool first;

	spin_lock(&bucket->lock);
	first = !chain_find(bucket, &n->id);
	if (first)
		hlist_add_head(&n->hash_link, &bucket->chain);
	spin_unlock(&bucket->lock);
	return first;
}

static void hash_remove(const struct node_cache *c, struct btree_node *n)
{
	struct cache_bucket *bucket = bucket_of(c, &n->id);

	spin_lock(&bucket->lock);
	hlist_del_init(&n->hash_link);
	spin_unlock(&bucket->lock);
}

bool bce_node_cache_has(struct node_cache *c, const struct node_id *id)
{
	return hash_find(c, id);
}

/* ---- locks of nodes ---- */

static int always_sleep(struct bce_six_lock *lock, void *arg)
{
	return 0;
}

void bce_node_lock_read(struct btree_node *n)
{
	struct bce_six_waiter waiter;

	if (!node_trylock_read(n))
		bce_six_lock_hooked(&n->lock, BCE_SIX_READ, &waiter, always_sleep, NULL);
}

void bce_node_lock_intent(struct btree_node *n)
{
	struct bce_six_waiter waiter;

	if (!bce_six_trylock(&n->lock, BCE_SIX_INTENT))
		bce_six_lock_hooked(&n->lock, BCE_SIX_INTENT, &waiter, always_sleep, NULL);
}

void bce_node_upgrade_write(struct btree_node *n)
{
	struct bce_six_waiter waiter;

	if (!bce_six_trylock(&n->lock, BCE_SIX_WRITE))
		bce_six_lock_hooked(&n->lock, BCE_SIX_WRITE, &waiter, always_sleep, NULL);
}

void bce_node_lock_write(struct btree_node *n)
{
	bce_node_lock_intent(n);
	bce_node_upgrade_write(n);
}

static bool node_trylock_write(struct btree_node *n)
{
	if (!bce_six_trylock(&n->lock, BCE_SIX_INTENT))
		return false;
	if (bce_six_trylock(&n->lock, BCE_SIX_WRITE))
		return true;
	bce_six_unlock(&n->lock, BCE_SIX_INTENT);
	return false;
}

/* write to read without a gap */
static void node_downgrade(struct btree_node *n)
{
	bce_six_unlock(&n->lock, BCE_SIX_WRITE);
	bce_six_downgrade(&n->lock);
}

/* ---- memory of nodes ---- */

static size_t node_bytes(const struct btree_node *n)
{
	return sizeof(*n) + bce_keyset_bytes(&n->set) + bce_open_bytes(&n->open);
}

void bce_node_cache_recount(struct node_cache *c, struct btree_node *n)
{
	size_t bytes = node_bytes(n);

	if (bytes == n->counted_bytes)
		return;
	atomic64_add((s64)bytes - (s64)n->counted_bytes, &c->bytes);
	n->counted_bytes = bytes;
}

static void node_uncount(struct node_cache *c, struct btree_node *n)
{
	atomic64_sub(n->counted_bytes, &c->bytes);
	n->counted_bytes = 0;
}

static void node_free_keys(struct btree_node *n)
{
	bce_keyset_exit(&n->set);
	bce_open_exit(&n->open);
}

struct btree_node *bce_node_cache_new(struct node_cache *c, unsigned int level)
{
	struct btree_node *n;

	spin_lock(&c->list_lock);
	n = list_first_entry_or_null(&c->idle[level], struct btree_node, list);
	if (n)
		list_del_init(&n->list);
	spin_unlock(&c->list_lock);
	if (n) {
		/* whoever holds it is about to see that it is not what was looked for */
		bce_node_lock_write(n);
		return n;
	}

	n = kzalloc(sizeof(*n), GFP_KERNEL);
	if (!n)
		return NULL;
	bce_six_lock_init_class(&n->lock, node_lock_name[level], &node_lock_class[level]);
	INIT_HLIST_NODE(&n->hash_link);
	INIT_LIST_HEAD(&n->list);
	INIT_LIST_HEAD(&n->maintain_link);
	n->cache = c;
	n->id.btree_id = NO_BTREE;
	n->id.level = level;
	bce_node_lock_write(n);
	return n;
}

static void node_make_idle(struct node_cache *c, struct btree_node *n)
{
	spin_lock(&c->list_lock);
	list_add_tail(&n->list, &c->idle[n->id.level]);
	spin_unlock(&c->list_lock);
}

/* Its identity goes too: nothing is to be shared. */
static void node_forget(struct btree_node *n)
{
	n->id = (struct node_id) { .btree_id = NO_BTREE, .level = n->id.level };
	n->error = 0;
	n->pinned = false;
	n->bad_children = false;
	n->written_sectors = 0;
	n->node_seq = 0;
	n->journal_seq = 0;
	n->last_seq = 0;
	n->last_offset = 0;
	WRITE_ONCE(n->lives, n->lives + 1);
	WRITE_ONCE(n->flags, 0);
}

/* ---- eviction ---- */

/* Next cold node nobody holds, write-locked and out of the clock; NULL when @budget is used up. */
static struct btree_node *clock_turn(struct node_cache *c, size_t *budget)
{
	struct btree_node *n;

	spin_lock(&c->list_lock);
	for (; *budget; --*budget) {
		n = list_first_entry_or_null(&c->clock, struct btree_node, list);
		if (!n)
			break;
		list_move_tail(&n->list, &c->clock);
		if (READ_ONCE(n->heat)) {
			WRITE_ONCE(n->heat, READ_ONCE(n->heat) - 1);
			continue;
		}
		if (READ_ONCE(n->dirty) || !node_trylock_write(n))
			continue;
		if (n->dirty || n->flags) {
			node_unlock_write(n);
			continue;
		}
		list_del_init(&n->list);
		WRITE_ONCE(c->nr_nodes, c->nr_nodes - 1);
		spin_unlock(&c->list_lock);
		return n;
	}
	spin_unlock(&c->list_lock);
	return NULL;
}

static size_t node_evict(struct node_cache *c, struct btree_node *n)
{
	size_t bytes = n->counted_bytes;

	hash_remove(c, n);
	node_uncount(c, n);
	node_free_keys(n);
	node_forget(n);
	node_make_idle(c, n);
	node_unlock_write(n);
	atomic64_inc(&c->evictions);
	return bytes;
}

/* passes of the hand that cool the warmest node and take it */
static size_t clock_budget(struct node_cache *c)
{
	size_t budget;

	spin_lock(&c->list_lock);
	budget = c->nr_nodes * (HEAT_OF_LEVEL(BTREE_MAX_DEPTH - 1) + 1);
	spin_unlock(&c->list_lock);
	return budget;
}

size_t bce_node_cache_shrink(struct node_cache *c, size_t bytes)
{
	size_t budget = clock_budget(c), freed = 0;
	struct btree_node *n;

	while ((u64)atomic64_read(&c->bytes) > bytes) {
		n = clock_turn(c, &budget);
		if (!n)
			break;
		freed += node_evict(c, n);
	}
	return freed;
}

static unsigned long shrinker_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct node_cache *c = kc_shrinker_private(shrinker);

	return READ_ONCE(c->nr_nodes);
}

static unsigned long shrinker_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct node_cache *c = kc_shrinker_private(shrinker);
	size_t budget = min_t(size_t, sc->nr_to_scan, clock_budget(c));
	unsigned long freed = 0;
	struct btree_node *n;

	while ((n = clock_turn(c, &budget))) {
		node_evict(c, n);
		freed++;
	}
	return freed;
}

static int shrinker_start(struct node_cache *c)
{
	int ret;

	c->shrinker = kc_shrinker_alloc("bce-btree-nodes");
	if (!c->shrinker)
		return -ENOMEM;
	c->shrinker->count_objects = shrinker_count;
	c->shrinker->scan_objects = shrinker_scan;
	c->shrinker->seeks = DEFAULT_SEEKS;
	c->shrinker->batch = NODES_PER_SHRINK_BATCH;
	kc_shrinker_set_private(c->shrinker, c);
	ret = kc_shrinker_register(c->shrinker);
	if (ret) {
		kc_shrinker_free(c->shrinker);
		c->shrinker = NULL;
	}
	return ret;
}

/* ---- getting ---- */

static void clock_add(struct node_cache *c, struct btree_node *n)
{
	spin_lock(&c->list_lock);
	list_add_tail(&n->list, &c->clock);
	WRITE_ONCE(c->nr_nodes, c->nr_nodes + 1);
	spin_unlock(&c->list_lock);
}

static void clock_remove(struct node_cache *c, struct btree_node *n)
{
	spin_lock(&c->list_lock);
	list_del_init(&n->list);
	WRITE_ONCE(c->nr_nodes, c->nr_nodes - 1);
	spin_unlock(&c->list_lock);
}

static void node_publish(struct node_cache *c, struct btree_node *n, bool pinned)
{
	n->pinned = pinned;
	n->error = 0;
	WRITE_ONCE(n->heat, HEAT_OF_LEVEL(n->id.level));
	bce_node_cache_recount(c, n);
	if (!pinned)
		clock_add(c, n);
}

/* Unhashed, but with its identity and error for those who wait. */
static void node_fail(struct node_cache *c, struct btree_node *n, int error)
{
	hash_remove(c, n);
	node_free_keys(n);
	n->error = error;
	node_unlock_write(n);
	node_make_idle(c, n);
}

static struct btree_node *node_fill(struct node_cache *c, struct btree_node *n, bool pinned,
				    node_fill_fn fill, void *ctx)
{
	int ret = fill(ctx, n);

	if (ret == -ENOMEM && bce_node_cache_shrink(c, atomic64_read(&c->bytes) / 2))
		ret = fill(ctx, n);
	if (ret) {
		node_fail(c, n, ret);
		return ERR_PTR(ret);
	}
	node_publish(c, n, pinned);
	node_downgrade(n);
	if ((u64)atomic64_read(&c->bytes) > c->limit_bytes)
		bce_node_cache_shrink(c, c->limit_bytes);
	return n;
}

/* Found by hash: read-locked if it still is what was looked for, NULL to look again. */
static struct btree_node *node_join(struct btree_node *n, const struct node_id *id)
{
	int error;

	bce_node_lock_read(n);
	if (bce_node_id_equal(&n->id, id) && !n->error) {
		WRITE_ONCE(n->heat, HEAT_OF_LEVEL(id->level));
		return n;
	}
	error = bce_node_id_equal(&n->id, id) ? n->error : 0;
	node_unlock_read(n);
	return error ? ERR_PTR(error) : NULL;
}

/* Not found: fill a new one, unless somebody else began to meanwhile (NULL). */
static struct btree_node *node_add(struct node_cache *c, const struct node_id *id, bool pinned,
				   node_fill_fn fill, void *ctx)
{
	struct btree_node *n = bce_node_cache_new(c, id->level);

	if (!n)
		return ERR_PTR(-ENOMEM);
	n->id = *id;
	n->error = 0;
	if (hash_insert(c, n))
		return node_fill(c, n, pinned, fill, ctx);
	node_forget(n);
	node_unlock_write(n);
	node_make_idle(c, n);
	return NULL;
}

struct btree_node *bce_node_cache_get(struct node_cache *c, const struct node_id *id,
				      bool pinned, node_fill_fn fill, void *ctx)
{
	unsigned int nofs = memalloc_nofs_save();
	struct btree_node *n;

	do {
		n = hash_find(c, id);
		n = n ? node_join(n, id) : node_add(c, id, pinned, fill, ctx);
	} while (!n);
	memalloc_nofs_restore(nofs);
	return n;
}

/* ---- nodes made in memory, and nodes that go ---- */

int bce_node_cache_publish(struct node_cache *c, struct btree_node *n, bool pinned)
{
	if (!hash_insert(c, n))
		return -EEXIST;
	node_publish(c, n, pinned);
	return 0;
}

void bce_node_cache_set_pinned(struct node_cache *c, struct btree_node *n, bool pinned)
{
	if (n->pinned == pinned)
		return;
	n->pinned = pinned;
	if (pinned)
		clock_remove(c, n);
	else
		clock_add(c, n);
}

void bce_node_cache_for_each(struct node_cache *c, void (*fn)(void *ctx, struct btree_node *n),
			     void *ctx)
{
	struct btree_node *n;
	size_t i;

	for (i = 0; i < 1UL << c->bucket_bits; i++) {
		spin_lock(&c->buckets[i].lock);
		hlist_for_each_entry(n, &c->buckets[i].chain, hash_link)
			fn(ctx, n);
		spin_unlock(&c->buckets[i].lock);
	}
}

void bce_node_cache_forget(struct node_cache *c, struct btree_node *n)
{
	if (!hlist_unhashed(&n->hash_link)) {
		hash_remove(c, n);
		if (!n->pinned)
			clock_remove(c, n);
	}
	node_forget(n);
}

void bce_node_cache_retire(struct node_cache *c, struct btree_node *n)
{
	bce_node_cache_forget(c, n);
	node_uncount(c, n);
	node_free_keys(n);
	WRITE_ONCE(n->dirty, false);
	node_make_idle(c, n);
	node_unlock_write(n);
}

/* ---- the cache ---- */

static size_t default_limit(void)
{
	return (size_t)totalram_pages() / 4 * PAGE_SIZE;
}

int bce_node_cache_init(struct node_cache *c, size_t limit_bytes, size_t node_bytes)
{
	size_t i;
	int ret;

	c->limit_bytes = limit_bytes ? limit_bytes : default_limit();
	c->bucket_bits = clamp_t(unsigned int, order_base_2(c->limit_bytes / node_bytes + 1),
				 BUCKET_BITS_MIN, BUCKET_BITS_MAX);
	c->buckets = kvcalloc(1UL << c->bucket_bits, sizeof(*c->buckets), GFP_KERNEL);
	if (!c->buckets)
		return -ENOMEM;
	for (i = 0; i < 1UL << c->bucket_bits; i++)
		spin_lock_init(&c->buckets[i].lock);

	spin_lock_init(&c->list_lock);
	INIT_LIST_HEAD(&c->clock);
	for (i = 0; i < BTREE_MAX_DEPTH; i++)
		INIT_LIST_HEAD(&c->idle[i]);
	c->nr_nodes = 0;
	atomic64_set(&c->bytes, 0);
	atomic64_set(&c->evictions, 0);

	ret = shrinker_start(c);
	if (ret) {
		kvfree(c->buckets);
		c->buckets = NULL;
	}
	return ret;
}

static void node_free(struct btree_node *n)
{
	node_free_keys(n);
	bce_six_lock_exit(&n->lock);
	kfree(n);
}

static void idle_free(struct list_head *idle)
{
	struct btree_node *n, *next;

	list_for_each_entry_safe(n, next, idle, list)
		node_free(n);
}

void bce_node_cache_exit(struct node_cache *c)
{
	struct btree_node *n;
	struct hlist_node *next;
	size_t i;

	if (!c->buckets)
		return;
	kc_shrinker_free(c->shrinker);
	for (i = 0; i < 1UL << c->bucket_bits; i++)
		hlist_for_each_entry_safe(n, next, &c->buckets[i].chain, hash_link)
			node_free(n);
	for (i = 0; i < BTREE_MAX_DEPTH; i++)
		idle_free(&c->idle[i]);
	kvfree(c->buckets);
	c->buckets = NULL;
}
