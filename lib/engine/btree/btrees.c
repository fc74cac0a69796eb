// SPDX-License-Identifier: GPL-2.0
/*
 * The btrees of one set: opening, closing, numbers, and the walk over all nodes.
 *
 * Nothing is read at open. The order of closing: reads ahead end first, then the cache goes, then
 * the buffers its reads used.
 */
#include "engine/btree/btrees.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/maintain.h"
#include "engine/btree/node_change.h"
#include "engine/btree/node_parse.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"

/* runs that come on top of a node's bsets: the overlay's */
#define EXTRA_RUNS	2

static bool geometry_sane(const struct btrees_config *config)
{
	return config->block_sectors && config->node_sectors >= config->block_sectors &&
		config->node_sectors % config->block_sectors == 0 &&
		config->node_sectors <= U16_MAX;
}

int bce_btrees_open(struct btrees **out, const struct btrees_config *config)
{
	size_t node_bytes = (size_t)config->node_sectors * SECTOR_BYTES;
	struct btrees *b;
	int ret = -ENOMEM;

	*out = NULL;
	if (!geometry_sane(config))
		return -EINVAL;
	b = kvzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->config = *config;
	mutex_init(&b->roots_lock);
	init_rwsem(&b->overlay_lock);
	spin_lock_init(&b->root_keys_lock);
	spin_lock_init(&b->damage.lock);
	if (config->replay)
		memcpy(b->root_key, config->replay->root, sizeof(b->root_key));
	atomic64_set(&b->reads, 0);
	atomic64_set(&b->read_errors, 0);

	if (!bce_node_buffers_init(&b->buffers, node_bytes,
				   bce_node_runs_max(config) + EXTRA_RUNS))
		ret = bce_node_cache_init(&b->cache, config->cache_bytes, node_bytes);
	if (!ret)
		ret = bce_prefetch_init(b);
	if (!ret)
		ret = bce_writing_init(b);
	if (ret) {
		bce_btrees_close(b);
		return ret;
	}
	*out = b;
	return 0;
}
EXPORT_SYMBOL_GPL(bce_btrees_open);

void bce_btrees_close(struct btrees *b)
{
	if (!b)
		return;
	bce_prefetch_exit(b);
	bce_writing_exit(b);
	bce_node_cache_exit(&b->cache);
	bce_node_buffers_exit(&b->buffers);
	mutex_destroy(&b->roots_lock);
	kvfree(b);
}
EXPORT_SYMBOL_GPL(bce_btrees_close);

int bce_btrees_read_roots(struct btrees *b)
{
	struct btree_node *n;
	unsigned int id;
	int first = 0;

	for (id = 0; id < BTREE_ID_MAX; id++) {
		if (bce_btree_root_level(b, id) < 0)
			continue;
		n = bce_root_lock(b, id);
		if (!IS_ERR(n))
			node_unlock_read(n);
		else if (!first)
			first = PTR_ERR(n);
	}
	return first;
}
EXPORT_SYMBOL_GPL(bce_btrees_read_roots);

int bce_btree_root_level(struct btrees *b, unsigned int btree_id)
{
	const struct btree_node *root;
	struct journal_root entry;
	int level = -1, above;

	if (btree_id >= BTREE_ID_MAX)
		return -1;
	/* what was written to is there, whatever the journal said once; a root is never freed */
	root = smp_load_acquire(&b->roots[btree_id]);
	if (root && READ_ONCE(root->dirty))
		return READ_ONCE(root->id.level);
	if (bce_root_entry(b, btree_id, &entry))
		level = entry.level;
	down_read(&b->overlay_lock);
	if (b->config.overlay) {
		above = bce_overlay_max_level(b->config.overlay, btree_id);
		level = max(level, above);
	}
	up_read(&b->overlay_lock);
	return level;
}
EXPORT_SYMBOL_GPL(bce_btree_root_level);

void bce_btrees_stats(const struct btrees *b, struct btrees_stats *out)
{
	*out = (struct btrees_stats) {
		.nodes_cached = READ_ONCE(b->cache.nr_nodes),
		.bytes_cached = atomic64_read(&b->cache.bytes),
		.bytes_limit = b->cache.limit_bytes,
		.reads = atomic64_read(&b->reads),
		.evictions = atomic64_read(&b->cache.evictions),
		.read_errors = atomic64_read(&b->read_errors),
	};
}
EXPORT_SYMBOL_GPL(bce_btrees_stats);

size_t bce_btrees_shrink(struct btrees *b, size_t bytes)
{
	return bce_node_cache_shrink(&b->cache, bytes);
}
EXPORT_SYMBOL_GPL(bce_btrees_shrink);

/* ---- all nodes ---- */

struct node_walk {
	struct btrees		*b;
	unsigned int		btree_id;
	btree_node_fn		fn;
	void			*ctx;
};

/* all keys, and those the format on disk can hold: those a writer would have packed */
static void count_keys(const struct btree_node *n, struct btree_node_view *view)
{
	u64 room[BKEY_U64S];
	struct disk_key *packed = (struct disk_key *)room;
	struct node_cursor at;
	struct bkey k;

	for (bce_node_seek(n, POS_MIN, &at); bce_node_peek(n, &at, &k); bce_node_step(n, &at)) {
		k.val_u64s = 0;
		bce_key_pack(&n->disk_format, &k, packed);
		view->nr_keys++;
		view->nr_packed += (packed->format & BKEY_FORMAT_MASK) == KEY_FORMAT_PACKED;
	}
}

static int show_node(const struct node_walk *w, const struct btree_node *n,
		     const struct bkey *ptr)
{
	struct btree_node_view view = {
		.level = n->id.level,
		.min = n->min,
		.max = n->id.max,
		.ptr = ptr,
		.format = &n->disk_format,
	};

	count_keys(n, &view);
	return w->fn(w->ctx, &view);
}

static int show_unreadable(const struct node_walk *w, unsigned int level, const struct bkey *ptr,
			   int error)
{
	struct btree_node_view view = { .level = level, .ptr = ptr, .error = error };

	return w->fn(w->ctx, &view);
}

static int walk_node(const struct node_walk *w, struct btree_node *n, const struct bkey *ptr);

static int walk_child(const struct node_walk *w, struct btree_node *n, u32 pos)
{
	struct btree_node *child;
	struct ptr_buf buf;
	struct bkey ptr;
	int ret;

	bce_node_ptr_key(n, pos, &ptr, &buf);
	child = bce_node_child_lock_at(w->b, n, pos);
	if (IS_ERR(child))
		return show_unreadable(w, n->id.level - 1, &ptr, PTR_ERR(child));
	ret = walk_node(w, child, &ptr);
	node_unlock_read(child);
	return ret;
}

/* As deep as levels are: each child is one level lower, which its reading has checked. */
static int walk_node(const struct node_walk *w, struct btree_node *n, const struct bkey *ptr)
{
	int ret = show_node(w, n, ptr);
	u32 pos;

	if (!n->id.level)
		return ret;
	for (pos = 0; !ret && pos < n->set.nr_u64s; pos = keyset_next(&n->set, pos))
		ret = walk_child(w, n, pos);
	return ret;
}

int bce_btree_for_each_node(struct btrees *b, unsigned int btree_id, btree_node_fn fn, void *ctx)
{
	struct node_walk w = { .b = b, .btree_id = btree_id, .fn = fn, .ctx = ctx };
	/* as an unwritten root is listed: a pointer without places */
	struct bkey ptr = { .p = SPOS_MAX, .type = KEY_TYPE_btree_ptr };
	struct btree_node *root;
	struct ptr_buf buf;
	struct bkey disk;
	int ret, level;

	root = bce_root_lock(b, btree_id);
	if (IS_ERR(root)) {
		if (btree_id >= BTREE_ID_MAX)
			return PTR_ERR(root);
		level = bce_btree_root_level(b, btree_id);
		return show_unreadable(&w, max(level, 0), bce_root_disk_ptr(b, btree_id, &disk, &buf) ?
				       &disk : &ptr, PTR_ERR(root));
	}
	if (root->id.ptr && bce_root_disk_ptr(b, btree_id, &disk, &buf))
		ptr = disk;
	ret = walk_node(&w, root, &ptr);
	node_unlock_read(root);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_btree_for_each_node);
