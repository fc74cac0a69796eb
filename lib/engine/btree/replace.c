// SPDX-License-Identifier: GPL-2.0
/*
 * Replacing nodes: rewrite, split, merge, first write of a root.
 *
 *	          parent  [ ...  | ptr | ... ]               [ ... | p1 | p2 | p3 | ... ]
 *	                           |                  -->             |    |    |
 *	                          old                               new   new  new
 *
 *	read out	the live keys of one node, or of two neighbours. What comes later has higher
 *			numbers. NODE_REPLACING: no write of it begins any more
 *	cut		into pieces, each with a range (node_gather.c)
 *	write		space for each; all are written whole. Nothing points to them
 *	commit		one transaction: pointers into the parent, or a new root; what follows from
 *			them by triggers. In the moment of the commit, old and new nodes locked:
 *			keys that came meanwhile move to the new nodes, unwritten, with their pins;
 *			the new ones can be found, the old ones no more
 *	clean up	the old ones' pins and memory
 *
 * A root that becomes several nodes gets a root above them, written like the others before the
 * commit. The pointer to a root is no key of a node: triggers are told of it, and it is journalled
 * as a root entry.
 *
 * New nodes exist in memory before the commit, but nobody can find them, and they are not locked
 * while we wait for anything: whoever comes by a stale pointer sees a node without identity.
 *
 * All is done under interior_lock, by one task at a time. So parents change by us, and by writes of
 * nodes, which change nothing but sectors_written. Commits never take interior_lock.
 *
 * Replacements journal with what is kept for reclaim: they let older entries go. Not so moves, which others ask for
 * (copygc, a member that is emptied), and which let nothing go: these wait first, before they take
 * interior_lock, until there is more than that.
 *
 * If anything fails before the commit, the new nodes are dropped, and what was read out counts as
 * unwritten again.
 *
 * A node above the roots on disk (root.c), which has a pointer without a place in it, waits until
 * the node below has been written.
 *
 * Source: docs/format/50-btree.md, 6.7, 6.8.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/maintain.h"
#include "engine/btree/node_build.h"
#include "engine/btree/node_change.h"
#include "engine/btree/trans_internal.h"
#include "engine/btree/write_internal.h"
#include "engine/format/ids.h"
#include "engine/format/values.h"
#include "engine/key/text.h"
#include "engine/util/event.h"

#define NR_OLD_MAX	2
/* about what a node that is moved journals: pointers, what becomes of their buckets, backpointers, counters */
#define MOVE_U64S	512
/* pieces, and a root above them */
#define NR_NEW_MAX	(NODE_PIECES_MAX + 1)

/* of a new interior node: pointers that changed meanwhile */
struct moved_ptrs {
	const struct bkey	**keys;
	struct bkey		*key;
	unsigned int		nr;
	struct ptrs_change	change;
};

struct new_node {
	struct node_piece	piece;
	struct node_keys	*keys;
	unsigned int		level;
	u32			rest;		/* words of the keys from here on did not fit */
	u32			node_seq;
	u32			sectors;	/* written */
	struct node_id		id;
	struct bkey		ptr;
	struct ptr_buf		ptr_buf;
	struct btree_space	space;
	void			*data;		/* while it is written */
	struct node_io		*io;
	u32			missed;		/* replicas that could not be written: no pointers to them */
	struct btree_node	*n;
	struct moved_ptrs	moved;
};

struct old_node {
	struct btree_node	*n;
	struct node_id		id;
	struct bkey		ptr;
	struct ptr_buf		ptr_buf;
	bool			has_ptr;	/* it has a place on disk */
	bool			begun;		/* NODE_REPLACING is ours */
	bool			was_placeless;
	u64			taken_id;
	u64			journal_seq;
};

struct replace {
	struct btrees		*b;
	struct trans_hook	hook;
	unsigned int		btree_id, level;
	bool			is_root;
	enum replace_why	why;
	bool			grows;		/* the last new node is a root above the others */
	bool			committed;
	u32			node_seq;
	struct node_keys	keys;		/* of the old nodes */
	struct node_keys	root_keys;	/* of a root above */
	struct old_node		old[NR_OLD_MAX];
	unsigned int		nr_old;
	struct new_node		new[NR_NEW_MAX];
	unsigned int		nr_new;
	struct node_piece	pieces[NODE_PIECES_MAX];
	struct btree_node	*nodes[NR_OLD_MAX + NR_NEW_MAX];
	/* memory that was not to be had under the locks */
	struct new_node		*want;
	u32			want_keys, want_words;
};

static void log_replace(const struct replace *r, const char *what)
{
	struct text_buf pos = TEXT_BUF_INIT;

	bce_pos_text(&pos, r->old[0].id.max);
	bce_log_line(r->b->config.log, BCE_LOG_ERR, "btree %s level %u %s: %s",
		     bce_btree_name(r->btree_id), r->level, bce_text_str(&pos), what);
	bce_text_exit(&pos);
}

/* ---- reading out ---- */

static int keys_grow(struct node_keys *keys, u32 words)
{
	u32 max = keys->nr_words + words;
	u64 *to;

	if (keys->words && max <= keys->max_words)
		return 0;
	to = kvmalloc_array(max(max, 1U), sizeof(*to), GFP_NOFS);
	if (!to)
		return -ENOMEM;
	if (keys->nr_words)
		memcpy(to, keys->words, keys->nr_words * sizeof(*to));
	kvfree(keys->words);
	keys->words = to;
	keys->max_words = max;
	return 0;
}

/* @n intent-locked, and there is room */
static void old_take(struct replace *r, struct old_node *o)
{
	struct btree_node *n = o->n;

	o->begun = true;
	o->was_placeless = n->open.written_id == OPEN_NEVER_WRITTEN;
	o->taken_id = bce_open_take(&n->open);
	bce_node_pins_take(r->b, n, &o->journal_seq);
	set_bit(NODE_REPLACING, &n->flags);
	bce_node_keys_add(&r->keys, n);
	r->node_seq = max(r->node_seq, n->node_seq + !!n->id.ptr);
}

/* Return: 0; -EAGAIN: once more; -ENOENT: it is another node now */
static int old_try(struct replace *r, struct old_node *o, u32 *words)
{
	struct btree_node *n = o->n;
	int ret = 0;

	bce_node_wait_written(r->b, n);
	bce_node_lock_intent(n);
	*words = bce_node_keys_bound(n);
	if (!bce_node_id_equal(&n->id, &o->id) || n->error)
		ret = -ENOENT;
	else if (test_bit(NODE_WRITING, &n->flags) ||
		 !r->keys.words || r->keys.nr_words + *words > r->keys.max_words)
		ret = -EAGAIN;
	else
		old_take(r, o);
	node_unlock_intent(n);
	return ret;
}

static int old_begin(struct replace *r, struct old_node *o)
{
	u32 words = 0;
	int ret;

	if (o->id.ptr) {
		ret = bce_node_find_ptr(r->b, &o->id, &o->ptr, &o->ptr_buf);
		if (ret)
			return ret;
		o->has_ptr = true;
	}
	while ((ret = old_try(r, o, &words)) == -EAGAIN) {
		ret = keys_grow(&r->keys, words);
		if (ret)
			return ret;
	}
	return ret;
}

/* Nothing has happened: what was taken is unwritten again. */
static void old_cancel(struct replace *r, struct old_node *o)
{
	struct btree_node *n = o->n;

	if (!o->begun)
		return;
	bce_node_lock_intent(n);
	if (o->was_placeless)
		bce_open_untake(&n->open);
	bce_node_pins_give_back(r->b, n, o->journal_seq);
	clear_bit_unlock(NODE_REPLACING, &n->flags);
	node_unlock_intent(n);
	wake_up_all(&r->b->node_wait);
}

/* ---- new nodes ---- */

static u64 random_seq(void)
{
	u64 seq;

	do {
		seq = get_random_u64();
	} while (!seq);
	return seq;
}

/* docs/format/70-extents.md, 2.1 */
static __le64 ptr_word(const struct extent_ptr *p)
{
	return cpu_to_le64(1 | p->sector << 4 | (u64)p->dev << 48 | (u64)p->gen << 56);
}

static void new_make_ptr(struct new_node *nn)
{
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *)nn->ptr_buf.v;
	unsigned int i, nr = 0;

	*v = (struct bch_btree_ptr_v2) {
		.seq = cpu_to_le64(nn->id.seq),
		.sectors_written = cpu_to_le16(nn->sectors),
		.min_key.snapshot = cpu_to_le32(nn->piece.min.snapshot),
		.min_key.offset = cpu_to_le64(nn->piece.min.offset),
		.min_key.inode = cpu_to_le64(nn->piece.min.inode),
	};
	for (i = 0; i < nn->space.nr; i++)
		if (!(nn->missed >> i & 1))
			v->ptrs[nr++] = ptr_word(&nn->space.ptr[i]);
	nn->ptr = (struct bkey) {
		.p = nn->piece.max, .type = KEY_TYPE_btree_ptr_v2,
		.val_u64s = sizeof(*v) / sizeof(u64) + nr, .v = v,
	};
	nn->id.ptr = le64_to_cpu(v->ptrs[0]);
}

static int new_get_space(struct replace *r, struct new_node *nn)
{
	const struct btrees_write_config *w = &r->b->writing;
	int ret = w->space->get(w->space_ctx, &nn->space, false);

	if (ret == -ENOSPC)
		ret = w->space->get(w->space_ctx, &nn->space, true);
	if (ret)
		nn->space.nr = 0;
	return ret;
}

/* The block of @nn into @buf. Keys that do not fit are its rest. */
static int new_build(struct replace *r, struct new_node *nn, void *buf)
{
	struct node_head head = {
		.btree_id = r->btree_id, .level = nn->level,
		.min = nn->piece.min, .max = nn->piece.max,
		.seq = nn->id.seq, .node_seq = nn->node_seq, .format = &nn->piece.format,
	};
	struct node_build nb;
	struct bkey k;
	u32 at;

	bce_node_build_new(&nb, &r->b->config, READ_ONCE(r->b->writing.csum_type), buf, &head);
	for (at = nn->piece.first; at < nn->piece.end; at += ((u8 *)(nn->keys->words + at))[0]) {
		bce_key_unpack(&key_format_position_only,
			       (struct disk_key *)(nn->keys->words + at), &k);
		if (!bce_node_build_key(&nb, &k))
			break;
	}
	nn->rest = at;
	return bce_node_build_end(&nb, &nn->sectors);
}

static int new_wait(struct replace *r, struct new_node *nn)
{
	int ret = 0;

	if (nn->io) {
		ret = bce_node_io_wait(r->b, nn->io, &nn->missed);
		new_make_ptr(nn);
	}
	nn->io = NULL;
	kvfree(nn->data);
	nn->data = NULL;
	return ret;
}

static int new_submit(struct replace *r, struct new_node *nn, void *buf)
{
	int ret = new_build(r, nn, buf);

	if (ret)
		return ret;
	new_make_ptr(nn);
	nn->io = bce_node_io_start(r->b, &nn->id, &nn->ptr, 0, buf, nn->sectors);
	return nn->io ? 0 : -ENOMEM;
}

/* With the buffer that always is there, and so one at a time. */
static int new_write_alone(struct replace *r, struct new_node *nn)
{
	struct node_buffer *buf = bce_node_buffer_get(&r->b->buffers);
	int ret = new_submit(r, nn, buf->data), wait = new_wait(r, nn);

	bce_node_buffer_put(&r->b->buffers, buf);
	return ret ?: wait;
}

static int new_write(struct replace *r, struct new_node *nn)
{
	int ret = new_get_space(r, nn);

	if (ret)
		return ret;
	nn->id.seq = random_seq();
	nn->data = kvmalloc((size_t)r->b->config.node_sectors * SECTOR_BYTES,
			    GFP_NOFS | __GFP_NOWARN | __GFP_NORETRY);
	return nn->data ? new_submit(r, nn, nn->data) : new_write_alone(r, nn);
}

static void new_init(struct replace *r, struct new_node *nn, unsigned int level,
		     struct node_keys *keys, u32 node_seq)
{
	nn->level = level;
	nn->keys = keys;
	nn->node_seq = node_seq;
	nn->missed = 0;
	nn->id = (struct node_id) {
		.max = nn->piece.max, .btree_id = r->btree_id, .level = level,
	};
}

/* from @first on */
static int write_new(struct replace *r, unsigned int first)
{
	unsigned int i;
	int ret = 0, wait;

	for (i = first; i < r->nr_new && !ret; i++)
		ret = new_write(r, &r->new[i]);
	for (i = first; i < r->nr_new; i++) {
		wait = new_wait(r, &r->new[i]);
		ret = ret ?: wait;
	}
	return ret;
}

static int write_pieces(struct replace *r, struct bpos min, struct bpos max)
{
	unsigned int i;

	r->nr_new = bce_node_keys_cut(&r->b->config, &r->keys, min, max, r->pieces);
	for (i = 0; i < r->nr_new; i++) {
		r->new[i].piece = r->pieces[i];
		new_init(r, &r->new[i], r->level, &r->keys, r->node_seq);
	}
	return write_new(r, 0);
}

/* A root of several pieces needs one above them: its keys are the pointers to the pieces. */
static int write_root_above(struct replace *r)
{
	struct node_keys *keys = &r->root_keys;
	unsigned int i;
	int ret;

	if (r->level + 1 >= BTREE_MAX_DEPTH) {
		log_replace(r, "the btree cannot grow any higher");
		return -ENOSPC;
	}
	ret = keys_grow(keys, r->nr_new * (BKEY_U64S + ARRAY_SIZE(r->new[0].ptr_buf.v)));
	if (ret)
		return ret;
	for (i = 0; i < r->nr_new; i++)
		keys->nr_words += bce_key_write_unpacked(&r->new[i].ptr,
					(struct disk_key *)(keys->words + keys->nr_words));
	keys->nr = r->nr_new;
	/* pointers to all pieces fit into nodes of 4 KiB, of which smaller ones are not made */
	if (bce_node_keys_cut(&r->b->config, keys, POS_MIN, SPOS_MAX, r->pieces) > 1) {
		log_replace(r, "nodes are too small for a root above");
		return -ENOSPC;
	}
	r->new[i].piece = r->pieces[0];
	new_init(r, &r->new[i], r->level + 1, keys, 0);
	r->nr_new++;
	r->grows = true;
	return write_new(r, i);
}

/* ---- new nodes in memory ---- */

static int new_fill_set(struct new_node *nn)
{
	struct keyset_input run = {
		.format = &key_format_position_only,
		.start = (struct disk_key *)(nn->keys->words + nn->piece.first),
		.end = (struct disk_key *)(nn->keys->words + nn->piece.end),
	};
	struct key_format format = nn->piece.format;

	if (!key_format_searches_well(&format))
		format = bce_keyset_best_format(&run, 1);
	return bce_keyset_merge(&nn->n->set, &format, &run, 1);
}

/* Keys that did not fit into the block are unwritten ones from the start. */
static int new_fill_rest(struct new_node *nn)
{
	struct btree_node *n = nn->n;
	struct bkey k;
	u32 at;
	int ret;

	if (nn->rest == nn->piece.end)
		return 0;
	ret = bce_open_reserve(&n->open, nn->piece.nr, nn->piece.end - nn->rest, GFP_NOFS);
	if (ret)
		return ret;
	for (at = nn->rest; at < nn->piece.end; at += ((u8 *)(nn->keys->words + at))[0]) {
		bce_key_unpack(&key_format_position_only,
			       (struct disk_key *)(nn->keys->words + at), &k);
		bce_open_put(&n->open, &k, 0);
	}
	WRITE_ONCE(n->dirty, true);
	return 0;
}

/* Unlocked, without identity: nobody finds it. */
static int new_make_node(struct replace *r, struct new_node *nn)
{
	struct btree_node *n = bce_node_cache_new(&r->b->cache, nn->level);
	int ret;

	if (!n)
		return -ENOMEM;
	nn->n = n;
	n->min = nn->piece.min;
	n->disk_format = nn->piece.format;
	n->written_sectors = nn->sectors;
	n->node_seq = nn->node_seq;
	bce_open_init(&n->open, 0);
	ret = new_fill_set(nn) ?: new_fill_rest(nn);
	node_unlock_write(n);
	return ret;
}

static int make_nodes(struct replace *r)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < r->nr_new && !ret; i++)
		ret = new_make_node(r, &r->new[i]);
	return ret;
}

static void new_drop(struct replace *r, struct new_node *nn)
{
	new_wait(r, nn);
	if (nn->space.nr)
		r->b->writing.space->put(r->b->writing.space_ctx, &nn->space);
	if (nn->n && !r->committed) {
		bce_node_lock_write(nn->n);
		bce_node_cache_retire(&r->b->cache, nn->n);
	}
}

/* ---- the commit: pointers ---- */

static int put_ptrs_in_parent(struct replace *r, struct bce_trans *t)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; i < r->nr_old && !ret; i++) {
		struct bkey gone = { .p = r->old[i].id.max, .type = KEY_TYPE_deleted };

		for (j = 0; j < r->nr_new && bpos_cmp(r->new[j].piece.max, gone.p); j++)
			;
		if (j == r->nr_new)
			ret = bce_trans_update_level(t, r->btree_id, r->level + 1, &gone, 0);
	}
	for (i = 0; i < r->nr_new && !ret; i++)
		ret = bce_trans_update_level(t, r->btree_id, r->level + 1, &r->new[i].ptr, 0);
	return ret;
}

/* The last piece of a root takes its position, on its level; a root above has one of its own. */
static int tell_of_root(struct replace *r, struct bce_trans *t)
{
	const struct old_node *o = &r->old[0];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < r->nr_new && !ret; i++) {
		const struct new_node *nn = &r->new[i];
		struct bkey old = { .p = nn->ptr.p, .type = KEY_TYPE_deleted };

		if (o->has_ptr && nn->level == r->level && !bpos_cmp(nn->ptr.p, o->ptr.p))
			old = o->ptr;
		ret = bce_trans_tell_triggers(t, r->btree_id, nn->level + 1, &old, &nn->ptr);
	}
	return ret;
}

static int commit_fn(struct bce_trans *t, void *ctx)
{
	struct replace *r = ctx;

	bce_trans_set_hook(t, &r->hook);
	return r->is_root ? tell_of_root(r, t) : put_ptrs_in_parent(r, t);
}

/* ---- the commit: keys that came meanwhile ---- */

static bool came_later(const struct old_node *o, u32 i)
{
	return open_id(&o->n->open, i) > o->taken_id;
}

static struct new_node *new_for(struct replace *r, struct bpos p)
{
	unsigned int i;

	for (i = 0; i < r->nr_new; i++)
		if (r->new[i].level == r->level && bpos_cmp(p, r->new[i].piece.max) <= 0)
			break;
	return &r->new[i];
}

static void count_moved(const struct old_node *o, const struct node_piece *p, u32 *nr, u32 *words)
{
	const struct open_keys *open = &o->n->open;
	u32 i;

	for (i = bce_open_lower_bound(open, p->min); i < open->nr; i++) {
		if (bpos_cmp(open_pos(open, i), p->max) > 0)
			break;
		if (!came_later(o, i))
			continue;
		++*nr;
		*words += open_disk_key(open, i)->u64s;
	}
}

/*
 * Keys of this very transaction may go to the old nodes and move on at once: what follows from
 * pointers to nodes of the allocation and accounting btrees.
 */
static void count_own(const struct replace *r, const struct bce_trans *t, u32 *nr, u32 *words)
{
	const struct trans_update *u;
	unsigned int i;

	for (i = 0; i < t->nr_updates; i++) {
		u = t->updates[i];
		if (u->btree_id != r->btree_id || u->level != r->level)
			continue;
		++*nr;
		*words += BKEY_U64S + u->k.val_u64s;
	}
	if (r->btree_id == BTREE_ID_accounting && !r->level) {
		*nr += t->nr_deltas;
		*words += t->nr_deltas * (BKEY_U64S + BKEY_VAL_U64S_MAX);
	}
}

/* Room in @nn's node for what comes from the old ones. */
static int reserve_moved(struct replace *r, const struct bce_trans *t, struct new_node *nn)
{
	u32 nr = 0, words = 0;
	unsigned int i;

	for (i = 0; i < r->nr_old; i++)
		count_moved(&r->old[i], &nn->piece, &nr, &words);
	nn->moved.nr = nr;
	count_own(r, t, &nr, &words);
	if (!bce_open_reserve(&nn->n->open, nr, words, GFP_NOWAIT | __GFP_NOWARN))
		return 0;
	r->want = nn;
	r->want_keys = nr;
	r->want_words = words;
	return -EAGAIN;
}

/* Pointers that got another sectors_written: the set has to follow them at once. */
static int prepare_ptrs(struct replace *r, struct bce_trans *t, struct new_node *nn)
{
	struct moved_ptrs *m = &nn->moved;
	const struct open_keys *o;
	unsigned int nr = 0, j;
	u32 i;

	if (!m->nr)
		return 0;
	m->keys = bce_trans_alloc(t, m->nr * sizeof(*m->keys));
	m->key = bce_trans_alloc(t, m->nr * sizeof(*m->key));
	if (!m->keys || !m->key)
		return -ENOMEM;
	for (j = 0; j < r->nr_old; j++) {
		o = &r->old[j].n->open;
		for (i = 0; i < o->nr; i++) {
			if (!came_later(&r->old[j], i) || new_for(r, open_pos(o, i)) != nn)
				continue;
			bce_open_key(o, i, &m->key[nr]);
			m->keys[nr] = &m->key[nr];
			nr++;
		}
	}
	m->nr = nr;
	return bce_node_ptrs_prepare(nn->n, m->keys, nr, &m->change);
}

static int commit_check(struct trans_hook *hook, struct bce_trans *t)
{
	struct replace *r = container_of(hook, struct replace, hook);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < r->nr_new && !ret; i++) {
		struct new_node *nn = &r->new[i];

		bce_node_ptrs_cancel(&nn->moved.change);
		if (nn->level != r->level)
			continue;
		ret = reserve_moved(r, t, nn);
		if (!ret && r->level)
			ret = prepare_ptrs(r, t, nn);
	}
	return ret;
}

/* What @nn gets from @o pins the same journal entries there. */
static void move_pin(struct replace *r, struct old_node *o, struct new_node *nn)
{
	bce_journal_pin_copy(r->b->writing.journal, &nn->n->pin, &o->n->pin, bce_node_pin_flush);
	nn->n->journal_seq = max(nn->n->journal_seq, o->n->journal_seq);
}

static void move_keys(struct replace *r, struct old_node *o)
{
	const struct open_keys *open = &o->n->open;
	struct new_node *nn;
	struct bkey k;
	u32 i;

	for (i = 0; i < open->nr; i++) {
		if (!came_later(o, i))
			continue;
		bce_open_key(open, i, &k);
		nn = new_for(r, k.p);
		move_pin(r, o, nn);
		if (!r->level)
			bce_node_put(nn->n, &k, 0);
	}
}

static void apply_new(struct replace *r, struct new_node *nn)
{
	struct journal *j = r->b->writing.journal;
	struct btree_node *n = nn->n;
	unsigned int i;

	n->id = nn->id;
	for (i = 0; i < r->nr_old; i++) {
		struct btree_node *old = r->old[i].n;

		if (old->last_seq > n->last_seq ||
		    (old->last_seq == n->last_seq && old->last_offset > n->last_offset)) {
			n->last_seq = old->last_seq;
			n->last_offset = old->last_offset;
		}
		if (nn->rest == nn->piece.end)
			continue;
		bce_journal_pin_copy(j, &n->pin, &old->writing_pin, bce_node_pin_flush);
		n->journal_seq = max(n->journal_seq, r->old[i].journal_seq);
	}
	if (nn->moved.nr && r->level)
		bce_node_ptrs_apply(r->b, n, nn->moved.keys, nn->moved.nr, &nn->moved.change);
	/* tried once: a member that fails always must not keep us busy for ever */
	if (nn->missed && r->why != REPLACE_MOVE)
		set_bit(NODE_TO_MOVE, &n->flags);
	if (r->nr_old > 1 && r->nr_new == 1)
		set_bit(NODE_TO_JOIN, &n->flags);
}

static void apply_root(struct replace *r, struct journal_res *res)
{
	const struct new_node *root = &r->new[r->nr_new - 1];

	bce_root_journal(r->b, res, r->btree_id, root->level, &root->ptr);
	/* publishes a filled node; pairs with smp_load_acquire() in bce_root_lock() */
	smp_store_release(&r->b->roots[r->btree_id], root->n);
}

static void commit_apply(struct trans_hook *hook, struct bce_trans *t, struct journal_res *res,
			 u64 seq)
{
	struct replace *r = container_of(hook, struct replace, hook);
	bool is_root;
	unsigned int i;

	for (i = 0; i < r->nr_old; i++)
		move_keys(r, &r->old[i]);
	for (i = 0; i < r->nr_new; i++)
		apply_new(r, &r->new[i]);
	for (i = 0; i < r->nr_old; i++) {
		bce_maintain_settled(r->b, r->old[i].n);
		bce_node_cache_forget(&r->b->cache, r->old[i].n);
	}
	for (i = 0; i < r->nr_new; i++) {
		is_root = r->is_root && i == r->nr_new - 1;
		WARN_ON(bce_node_cache_publish(&r->b->cache, r->new[i].n, is_root));
	}
	if (r->is_root)
		apply_root(r, res);
	r->committed = true;
}

/* Memory that a new node had no room for, without locks. */
static int want_memory(struct replace *r)
{
	struct btree_node *n = r->want->n;
	int ret;

	bce_node_lock_write(n);
	ret = bce_open_reserve(&n->open, 2 * r->want_keys, 2 * r->want_words, GFP_NOFS);
	node_unlock_write(n);
	return ret;
}

static int commit_replacement(struct replace *r)
{
	unsigned int i, nr = 0;
	int ret;

	for (i = 0; i < r->nr_old; i++)
		r->nodes[nr++] = r->old[i].n;
	for (i = 0; i < r->nr_new; i++)
		r->nodes[nr++] = r->new[i].n;
	r->hook = (struct trans_hook) {
		.nodes = r->nodes, .nr_nodes = nr,
		.journal_u64s = r->is_root ?
			1 + BKEY_U64S + r->new[r->nr_new - 1].ptr.val_u64s : 0,
		.check = commit_check, .apply = commit_apply,
	};
	do {
		ret = bce_trans_run(r->b, commit_fn, r, TRANS_COMMIT_RECLAIM, NULL);
		if (ret == -EAGAIN)
			ret = want_memory(r) ?: -EAGAIN;
	} while (ret == -EAGAIN);
	for (i = 0; i < r->nr_new; i++)
		bce_node_ptrs_cancel(&r->new[i].moved.change);
	return ret;
}

/* ---- clean up ---- */

static void old_retire(struct replace *r, struct old_node *o)
{
	struct journal *j = r->b->writing.journal;
	struct btree_node *n = o->n;

	bce_node_lock_write(n);
	bce_journal_pin_drop(j, &n->pin);
	bce_journal_pin_drop(j, &n->writing_pin);
	bce_node_cache_retire(&r->b->cache, n);
}

static void count(struct replace *r)
{
	struct bce_log *log = r->b->config.log;

	trace_bce_btree_node_replace(bce_event_set(log), r->btree_id, r->level, r->nr_old, r->nr_new);
	if (r->nr_old > 1) {
		atomic64_inc(&r->b->merges);
		bce_event(log, BCE_EVENT_btree_node_merge, 1);
	}
	if (r->nr_new > 1) {
		atomic64_inc(&r->b->splits);
		bce_event(log, BCE_EVENT_btree_node_split, 1);
	}
	if (r->nr_old == 1 && r->nr_new == 1) {
		atomic64_inc(&r->b->rewrites);
		bce_event(log, BCE_EVENT_btree_node_rewrite, 1);
	}
}

static void replace_end(struct replace *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_new; i++)
		new_drop(r, &r->new[i]);
	for (i = 0; i < r->nr_old; i++)
		if (r->committed)
			old_retire(r, &r->old[i]);
		else
			old_cancel(r, &r->old[i]);
	if (r->committed) {
		count(r);
		for (i = 0; i < r->nr_new; i++)
			if (test_bit(NODE_TO_MOVE, &r->new[i].n->flags) ||
			    test_bit(NODE_TO_JOIN, &r->new[i].n->flags))
				bce_maintain_queue(r->b, r->new[i].n);
			else
				bce_maintain_look(r->b, r->new[i].n);
		wake_up_all(&r->b->node_wait);
	}
	kvfree(r->keys.words);
	kvfree(r->root_keys.words);
}

/* ---- which nodes ---- */

static struct btree_node *neighbour_at(struct replace *r, struct btree_node *parent, u32 pos)
{
	struct btree_node *n;

	if (parent->bad_children)
		return NULL;
	n = bce_node_child_lock_at(r->b, parent, pos);
	return IS_ERR(n) ? NULL : n;
}

/* Join @r's node with the one at @pos of @parent if together they would be small. */
static bool try_neighbour(struct replace *r, struct btree_node *parent, u32 pos, u32 live,
			  unsigned int place)
{
	struct btree_node *n = neighbour_at(r, parent, pos);
	bool fits;

	if (!n)
		return false;
	fits = n->id.ptr && live + bce_node_live_estimate(n) <=
		bce_node_capacity_u64s(&r->b->config) / 2;
	if (fits) {
		r->old[!place] = r->old[0];
		memset(&r->old[place], 0, sizeof(r->old[place]));
		r->old[place].n = n;
		r->old[place].id = n->id;
		r->nr_old = 2;
	}
	node_unlock_read(n);
	return fits;
}

static int find_neighbour(struct replace *r)
{
	const struct old_node o = r->old[0];
	struct btree_node *parent;
	bool found = false;
	u32 live, pos;

	if (r->is_root)
		return -ENOENT;
	bce_node_lock_read(o.n);
	live = bce_node_live_estimate(o.n);
	node_unlock_read(o.n);
	parent = bce_node_lock_at(r->b, r->btree_id, r->level + 1, o.id.max);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	pos = bce_keyset_lower_bound(&parent->set, o.id.max);
	if (pos < parent->set.nr_u64s && keyset_next(&parent->set, pos) < parent->set.nr_u64s)
		found = try_neighbour(r, parent, keyset_next(&parent->set, pos), live, 1);
	if (!found && pos)
		found = try_neighbour(r, parent, bce_keyset_prev(&parent->set, pos), live, 0);
	node_unlock_read(parent);
	return found ? 0 : -ENOENT;
}

/* The child of @n that has no place on disk yet; false: there is none. */
static bool placeless_child(struct btrees *b, struct btree_node *n, struct btree_node **child,
			    struct node_id *id)
{
	bool found = false;
	struct bkey k;
	u32 pos;

	bce_node_lock_read(n);
	if (n->id.level && n->id.btree_id != NO_BTREE && !n->id.ptr)
		for (pos = 0; pos < n->set.nr_u64s; pos = keyset_next(&n->set, pos)) {
			bce_key_unpack(&n->set.format, keyset_at(&n->set, pos), &k);
			if (k.val_u64s > sizeof(struct bch_btree_ptr_v2) / sizeof(u64))
				continue;
			*child = bce_node_child_lock_at(b, n, pos);
			if (IS_ERR(*child))
				break;
			*id = (*child)->id;
			node_unlock_read(*child);
			found = true;
			break;
		}
	node_unlock_read(n);
	return found;
}

static int write_children_first(struct btrees *b, struct btree_node *n)
{
	struct btree_node *child;
	struct node_id id;
	int ret = 0;

	while (!ret && placeless_child(b, n, &child, &id))
		ret = bce_node_replace(b, child, &id, REPLACE_FULL);
	return ret;
}

static int replace(struct replace *r)
{
	struct bpos min;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < r->nr_old && !ret; i++)
		ret = old_begin(r, &r->old[i]);
	if (ret)
		return ret;
	min = r->old[0].n->min;		/* nobody else changes it */
	ret = write_pieces(r, min, r->old[r->nr_old - 1].id.max);
	if (!ret && r->is_root && r->nr_new > 1)
		ret = write_root_above(r);
	if (!ret)
		ret = make_nodes(r);
	return ret ?: commit_replacement(r);
}

int bce_node_replace(struct btrees *b, struct btree_node *n, const struct node_id *id,
		     enum replace_why why)
{
	struct replace *r;
	int ret;

	ret = write_children_first(b, n);
	if (ret)
		return ret;
	r = kvzalloc(sizeof(*r), GFP_NOFS);
	if (!r)
		return -ENOMEM;
	r->b = b;
	r->btree_id = id->btree_id;
	r->level = id->level;
	r->old[0].n = n;
	r->old[0].id = *id;
	r->nr_old = 1;
	r->why = why;
	r->is_root = READ_ONCE(b->roots[id->btree_id]) == n;
	if (why == REPLACE_SHRUNK)
		ret = find_neighbour(r);
	if (!ret)
		ret = replace(r);
	replace_end(r);
	kvfree(r);
	return ret;
}

int bce_btree_node_rewrite(struct btrees *b, unsigned int btree_id, unsigned int level,
			   struct bpos pos)
{
	unsigned int nofs;
	struct btree_node *n;
	struct node_id id;
	int ret;

	if (!b->writing.journal)
		return -EROFS;
	ret = bce_journal_space_wait(b->writing.journal, MOVE_U64S, JOURNAL_ALLOC);
	if (ret)
		return ret;
	nofs = memalloc_nofs_save();
	mutex_lock(&b->interior_lock);
	n = bce_node_lock_at(b, btree_id, level, pos);
	ret = PTR_ERR_OR_ZERO(n);
	if (!ret) {
		id = n->id;
		node_unlock_read(n);
		ret = bpos_cmp(id.max, pos) ? -ENOENT :
			bce_node_replace(b, n, &id, REPLACE_MOVE);
	}
	mutex_unlock(&b->interior_lock);
	memalloc_nofs_restore(nofs);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_btree_node_rewrite);
