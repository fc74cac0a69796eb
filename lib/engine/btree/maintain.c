// SPDX-License-Identifier: GPL-2.0
/*
 * What commits leave to be done: bringing nodes to disk.
 *
 *	commit ----------- a node has gathered much --+
 *	journal reclaim -- a pin has to go -----------+--> queue --> workers --> bce_node_maintain()
 *	flush ------------ everything that is dirty --+                             |
 *	                                     append a bset, or replace the node <---+
 *
 * Several workers take nodes from the queue, so that several writes are under way at a time;
 * replacing is for one of them at a time. A node may be queued whatever has become of it
 * meanwhile: who takes it looks at what it is then.
 *
 * How much is much? A bset costs a head, half a block of zeros on average, a journalled pointer and
 * a key in the parent, so the more keys share these the better; on the other hand open keys cost
 * more to search and insert than those in the set. An eighth of a node, and not more than some
 * hundred keys, is where neither counts.
 *
 * A committer who made a node too large waits after his commit, holding nothing, while any node is
 * far over its limit, or the queue is long. Maintenance and reclaim do not, and nobody waits for a
 * node that cannot be written: each is tried, then its waiters go on.
 *
 * Reclaim hands over its nodes and goes on to the next pin, so the workers have several at once. It
 * waits for none of them: they may be waiting for journal space, which takes reclaim again.
 *
 * Without a journal nodes have no place and no limit, and nothing is ever queued.
 */
#include "engine/btree/maintain.h"

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>

#include "engine/btree/node_build.h"
#include "engine/btree/node_change.h"
#include "engine/btree/write_internal.h"
#include "engine/btree/writer.h"

/* unwritten keys that are worth a bset */
#define WRITE_BYTES_MAX		(16U << 10)
/* nodes that wait, before those who make them more wait too */
#define QUEUE_LONG		64
/* passes after which a flush gives up: see bce_btrees_flush() */
#define FLUSH_PASSES		100

/* ---- which nodes ---- */

static u32 write_words(const struct btrees *b)
{
	u32 node_bytes = b->config.node_sectors * SECTOR_BYTES;
	u32 block_bytes = b->config.block_sectors * SECTOR_BYTES;

	return max(min(node_bytes / 8, WRITE_BYTES_MAX), block_bytes) / sizeof(u64);
}

/* words of keys that are in memory only; all of them if the node has no place */
static u32 words_in_memory(const struct btree_node *n)
{
	if (n->written_sectors)
		return n->open.unwritten_words;
	return n->set.nr_u64s + n->open.nr_words - n->open.dead_words;
}

static u32 words_wanted(const struct btrees *b, const struct btree_node *n)
{
	return n->written_sectors ? write_words(b) : bce_node_capacity_u64s(&b->config);
}

bool bce_node_wants_maintenance(const struct btrees *b, const struct btree_node *n)
{
	u32 words = words_in_memory(n);
	struct btrees *counted = (struct btrees *)b;

	if (!b->writing.journal || words < words_wanted(b, n))
		return false;
	if (words > 2 * bce_node_capacity_u64s(&b->config) &&
	    !test_and_set_bit(NODE_FAR_OVER, (unsigned long *)&n->flags))
		atomic_inc(&counted->maintain_far);
	return true;
}

void bce_maintain_settled(struct btrees *b, struct btree_node *n)
{
	if (test_and_clear_bit(NODE_FAR_OVER, &n->flags))
		atomic_dec(&b->maintain_far);
}

void bce_maintain_look(struct btrees *b, struct btree_node *n)
{
	bool wants;

	bce_node_lock_intent(n);
	wants = n->id.btree_id != NO_BTREE && !n->error && bce_node_wants_maintenance(b, n);
	node_unlock_intent(n);
	if (wants)
		bce_maintain_queue(b, n);
}

/* ---- the queue ---- */

static void kick(struct btrees *b, unsigned int queued)
{
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, queued, BTREE_MAINTAIN_WORKERS); i++)
		queue_work(b->maintain_wq, &b->maintain_worker[i].work);
}

void bce_maintain_queue(struct btrees *b, struct btree_node *n)
{
	unsigned int queued = 0;

	spin_lock(&b->maintain_lock);
	if (b->maintain_open && !n->maintain_queued) {
		n->maintain_queued = true;
		list_add_tail(&n->maintain_link, &b->maintain_queue);
		queued = ++b->maintain_queued;
	}
	spin_unlock(&b->maintain_lock);
	kick(b, queued);
}

static struct btree_node *queue_take(struct btrees *b)
{
	struct btree_node *n;

	spin_lock(&b->maintain_lock);
	n = list_first_entry_or_null(&b->maintain_queue, struct btree_node, maintain_link);
	if (n) {
		list_del_init(&n->maintain_link);
		n->maintain_queued = false;
		b->maintain_queued--;
		b->maintain_busy++;
	}
	spin_unlock(&b->maintain_lock);
	return n;
}

static void queue_done(struct btrees *b, int error)
{
	spin_lock(&b->maintain_lock);
	b->maintain_busy--;
	WRITE_ONCE(b->maintain_last_error, error);
	if (error && !b->maintain_error)
		b->maintain_error = error;
	spin_unlock(&b->maintain_lock);
	wake_up_all(&b->node_wait);
}

static unsigned int in_work(struct btrees *b)
{
	unsigned int nr;

	spin_lock(&b->maintain_lock);
	nr = b->maintain_queued + b->maintain_busy;
	spin_unlock(&b->maintain_lock);
	return nr;
}

int bce_maintain_drain(struct btrees *b)
{
	int error;

	wait_event(b->node_wait, !in_work(b));
	spin_lock(&b->maintain_lock);
	error = b->maintain_error;
	b->maintain_error = 0;
	spin_unlock(&b->maintain_lock);
	return error;
}

void bce_maintain_wait(struct btrees *b)
{
	wait_event(b->node_wait, !atomic_read(&b->maintain_far) && in_work(b) < QUEUE_LONG);
}

/* ---- what is done ---- */

static int replace_now(struct btrees *b, struct btree_node *n, enum replace_why why)
{
	struct node_id id;
	int ret = -ENOENT;

	mutex_lock(&b->interior_lock);
	bce_node_lock_read(n);
	id = n->id;
	node_unlock_read(n);
	if (id.btree_id != NO_BTREE)
		ret = bce_node_replace(b, n, &id, why);
	mutex_unlock(&b->interior_lock);
	return ret;
}

/* What cannot be moved stays where it is, with fewer replicas, if only its last block fits there. */
static int replace_or_append(struct btrees *b, struct btree_node *n, enum replace_why why)
{
	int ret = replace_now(b, n, why), append;

	if (ret != -ENOSPC && ret != -EROFS)
		return ret;
	append = bce_node_write(b, n, NODE_WRITE_PARTIAL);
	return append == NODE_TO_REPLACE ? ret : append;
}

/* Nodes that are emptied one after the other become one: each join looks for the next. */
static int join(struct btrees *b, struct btree_node *n)
{
	int ret = replace_now(b, n, REPLACE_SHRUNK);

	return ret == -ENOENT ? bce_node_write(b, n, 0) : ret;
}

static int write_or_replace(struct btrees *b, struct btree_node *n)
{
	int ret;

	if (test_bit(NODE_TO_MOVE, &n->flags)) {
		ret = replace_or_append(b, n, REPLACE_MOVE);
	} else if (test_and_clear_bit(NODE_TO_JOIN, &n->flags)) {
		ret = join(b, n);
	} else {
		ret = bce_node_write(b, n, NODE_WRITE_TELL_SHRUNK);
		if (ret == NODE_HAS_SHRUNK)
			ret = join(b, n);
	}
	if (ret == NODE_TO_REPLACE)
		ret = replace_or_append(b, n, REPLACE_FULL);
	/* it has become another node, which has had its turn */
	return ret == -ENOENT ? 0 : ret;
}

int bce_node_maintain(struct btrees *b, struct btree_node *n)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret = write_or_replace(b, n);

	bce_node_lock_intent(n);
	bce_maintain_settled(b, n);
	node_unlock_intent(n);
	if (!ret)
		bce_node_merge_open(b, n);
	memalloc_nofs_restore(nofs);
	if (ret == -EIO && !bce_journal_failed(b->writing.journal)) {
		bce_log_line(b->config.log, BCE_LOG_ERR,
			     "a btree node cannot be written: no more changes");
		bce_journal_abort(b->writing.journal, ret);
	}
	return ret;
}

static void maintain_work_fn(struct work_struct *work)
{
	struct maintain_worker *w = container_of(work, struct maintain_worker, work);
	struct btree_node *n;

	while ((n = queue_take(w->b)))
		queue_done(w->b, bce_node_maintain(w->b, n));
}

/* ---- pins ---- */

static struct btrees *btrees_of(struct btree_node *n)
{
	return container_of(n->cache, struct btrees, cache);
}

int bce_node_pin_flush(struct journal *j, struct journal_pin *pin, u64 seq)
{
	struct btree_node *n = container_of(pin, struct btree_node, pin);

	bce_maintain_queue(btrees_of(n), n);
	return READ_ONCE(btrees_of(n)->maintain_last_error);
}

/* It is on its way already; should that fail it becomes the other pin. */
int bce_node_pin_flush_writing(struct journal *j, struct journal_pin *pin, u64 seq)
{
	struct btree_node *n = container_of(pin, struct btree_node, writing_pin);

	return READ_ONCE(btrees_of(n)->maintain_last_error);
}

/* ---- all of them ---- */

struct flush {
	struct btrees	*b;
	unsigned int	level;
	unsigned int	nr;
};

static void flush_node(void *ctx, struct btree_node *n)
{
	struct flush *f = ctx;

	bool dirty = READ_ONCE(n->dirty);

	/* the second is worth a try, but may fail each time */
	if ((dirty || test_bit(NODE_TO_MOVE, &n->flags)) && n->id.level == f->level) {
		bce_maintain_queue(f->b, n);
		f->nr += dirty;
	}
}

/* From below: writing a node makes its parent dirty. Return: nodes that were, or an error. */
static int flush_pass(struct btrees *b)
{
	struct flush f = { .b = b };
	int ret = 0;

	for (f.level = 0; f.level < BTREE_MAX_DEPTH && !ret; f.level++) {
		bce_node_cache_for_each(&b->cache, flush_node, &f);
		ret = bce_maintain_drain(b);
	}
	return ret ?: min_t(unsigned int, f.nr, INT_MAX);
}

/*
 * A node that is replaced changes some leaves of alloc and backpointers, and these are replaced when
 * there is no room behind what they hold. With nodes of eight blocks and more that ends soon; with two
 * or three blocks it may go on for ever, as nearly each write is a replacement.
 */
int bce_btrees_flush(struct btrees *b)
{
	unsigned int passes = 0;
	int ret;

	if (!b->writing.journal)
		return 0;
	/* what failed before may go well now */
	bce_maintain_drain(b);
	do {
		ret = flush_pass(b);
	} while (ret > 0 && ++passes < FLUSH_PASSES);
	return ret > 0 ? -EBUSY : ret;
}
EXPORT_SYMBOL_GPL(bce_btrees_flush);

/* ---- beginning and end ---- */

int bce_maintain_init(struct btrees *b)
{
	unsigned int i;

	/* kept from an earlier time of writing */
	if (!b->maintain_wq)
		b->maintain_wq = alloc_workqueue("bce_btree_maintain", WQ_UNBOUND | WQ_MEM_RECLAIM,
					 BTREE_MAINTAIN_WORKERS);
	if (!b->maintain_wq)
		return -ENOMEM;
	for (i = 0; i < BTREE_MAINTAIN_WORKERS; i++) {
		b->maintain_worker[i].b = b;
		INIT_WORK(&b->maintain_worker[i].work, maintain_work_fn);
	}
	b->maintain_open = true;
	return 0;
}

void bce_maintain_stop(struct btrees *b)
{
	spin_lock(&b->maintain_lock);
	b->maintain_open = false;
	spin_unlock(&b->maintain_lock);
	bce_maintain_drain(b);
}

void bce_maintain_exit(struct btrees *b)
{
	if (b->maintain_wq)
		destroy_workqueue(b->maintain_wq);
	b->maintain_wq = NULL;
}
