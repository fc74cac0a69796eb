// SPDX-License-Identifier: GPL-2.0
/*
 * Committing a transaction.
 *
 *	triggers	what follows from each key; may add keys, which have triggers again
 *	rules		every key is checked as a writer must
 *	find		which node does each key go to? No lock is kept
 *	lock		these nodes: levels from above, then by address; intent on all, then write
 *	check		are they still those nodes? has anything changed that was read?
 *	prepare		memory for all that is to come; totals of accounting keys
 *	journal		a reservation, without waiting
 *	apply		keys into the journal entry and the nodes; pins. Nothing can fail any more
 *	unlock, and see to nodes that have gathered much
 *
 * All locks are write-held before reads are checked. So of two transactions, each of which reads
 * what the other one writes, one sees the other's odd sequence number or its result, and what
 * commits has an order.
 *
 * The reservation is taken under the locks: what is later in the journal is later in the nodes,
 * for keys that nobody read before writing them too, and the versions of accounting keys
 * ascend in both. It never waits there. If the journal is full, all is unlocked, room is waited for
 * with a reservation of its own, which then is used unless somebody has changed one of the nodes
 * under a later one meanwhile.
 *
 * Nothing that may take long is done under the locks: memory is tried for without waiting, and had
 * outside if there is none. What was found without locks may have changed; then the nodes are
 * looked for again, from the root.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/btree/btrees_internal.h"
#include "engine/btree/maintain.h"
#include "engine/btree/node_change.h"
#include "engine/btree/trans_internal.h"
#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/key/validate.h"
#include "engine/util/event.h"

/* times that reads are renewed, as long as others go on changing their leaves */
#define RENEW_PASSES	3


/**
 * struct commit_node - a node to be changed
 * @n:            write-locked from "lock" on
 * @min, @max:    its range when it was found
 * @first, @nr:   its keys in the transaction's list; none for nodes of the hook
 * @first_delta, @nr_deltas: likewise
 * @words:        of all these
 */
struct commit_node {
	struct btree_node	*n;
	struct bpos		min;
	struct bpos		max;
	u8			btree_id;
	u8			level;
	bool			is_hook;
	bool			wants_merge;
	bool			wants_maintenance;
	unsigned int		first, nr;
	unsigned int		first_delta, nr_deltas;
	u32			words;
	const struct bkey	**keys;		/* interior nodes */
	struct ptrs_change	change;
};

/* an accounting key as it goes to journal and node */
struct delta_key {
	struct bkey	delta;
	struct bkey	total;
	__le64		value[ACCOUNTING_COUNTERS_MAX];
	__le64		*sums;
};

struct commit {
	struct bce_trans	*t;
	struct btrees		*b;
	unsigned int		flags;
	struct commit_node	**node;		/* in the order of locks */
	unsigned int		nr, max;
	struct delta_key	*delta;
	unsigned int		journal_u64s;
	struct journal_res	res;
	bool			fresh;		/* look for nodes from the root */
	u32			want_entries, want_words;	/* memory that was not to be had */
};

/* what becomes of a try; beside errors and restart */
enum { TRY_AGAIN = 1, TRY_MEMORY, TRY_JOURNAL };

/* ---- triggers ---- */

static int trigger_begin(struct bce_trans *t, struct trans_update *u)
{
	struct trigger_state *s = u->trigger;
	int ret = 0;

	if (!s) {
		s = bce_trans_alloc(t, sizeof(*s));
		if (!s)
			return -ENOMEM;
		u->trigger = s;
	}
	s->now = u->k;
	u->pending = false;
	if (s->told) {
		s->old = s->seen;
		return 0;
	}
	s->old = (struct bkey) { .p = u->k.p, .type = KEY_TYPE_deleted };
	/* what is in the btree, not what the transaction is to put there */
	ret = bce_trans_lookup_below(t, u->btree_id, u->level, u->k.p, &s->old);
	return ret == -ENOENT ? 0 : ret;
}

static int trigger_call(struct bce_trans *t, const struct trans_update *u,
			enum btree_trigger_phase phase)
{
	const struct btrees_write_config *w = &t->btrees->writing;
	const struct trigger_state *s = u->trigger;

	if (s->old.type == KEY_TYPE_deleted && s->now.type == KEY_TYPE_deleted)
		return 0;
	return w->triggers->key(w->trigger_ctx, t, phase, u->btree_id, u->level, &s->old, &s->now);
}

static bool trigger_wanted(const struct bce_trans *t, struct trans_update *u)
{
	const struct btree_trigger_ops *ops = t->btrees->writing.triggers;

	if (u->pending && !u->level && ops->wants && !ops->wants(u->btree_id))
		u->pending = false;
	return u->pending;
}

/* The updates that triggers have not seen, as a list of their own: the real one may grow. */
static int trigger_collect(struct bce_trans *t, struct trans_update ***out, unsigned int *nr)
{
	unsigned int i;

	*nr = 0;
	for (i = 0; i < t->nr_updates; i++)
		*nr += trigger_wanted(t, t->updates[i]);
	if (!*nr)
		return 0;
	*out = bce_trans_alloc(t, *nr * sizeof(**out));
	if (!*out)
		return -ENOMEM;
	*nr = 0;
	for (i = 0; i < t->nr_updates; i++)
		if (t->updates[i]->pending)
			(*out)[(*nr)++] = t->updates[i];
	return 0;
}

static int trigger_round(struct bce_trans *t, struct trans_update **u, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = trigger_begin(t, u[i]);
	for (i = 0; i < nr && !ret; i++)
		ret = trigger_call(t, u[i], TRIGGER_OVERWRITE);
	for (i = 0; i < nr && !ret; i++)
		ret = trigger_call(t, u[i], TRIGGER_INSERT);
	for (i = 0; i < nr && !ret; i++) {
		u[i]->trigger->seen = u[i]->trigger->now;
		u[i]->trigger->told = true;
	}
	return ret;
}

static int run_triggers(struct bce_trans *t)
{
	const struct btrees_write_config *w = &t->btrees->writing;
	struct trans_update **u;
	unsigned int nr;
	int ret;

	if (!w->triggers)
		return 0;
	for (;;) {
		ret = trigger_collect(t, &u, &nr);
		if (ret || !nr)
			return ret;
		ret = trigger_round(t, u, nr);
		if (!ret && w->triggers->finish)
			ret = w->triggers->finish(w->trigger_ctx, t);
		if (ret)
			return ret;
	}
}

/* ---- rules ---- */

static int key_bad(struct btrees *b, unsigned int btree_id, unsigned int level,
		   const struct bkey *k, int id, const char *why)
{
	struct text_buf pos = TEXT_BUF_INIT;

	bce_pos_text(&pos, k->p);
	bce_log_error(b->config.log, id - 1, "btree %s level %u %s: not written: %s",
		      bce_btree_name(btree_id), level, bce_text_str(&pos), why);
	bce_text_exit(&pos);
	return -EINVAL;
}

static int check_key(struct btrees *b, unsigned int btree_id, unsigned int level,
		     const struct bkey *k)
{
	struct text_buf why = TEXT_BUF_INIT;
	int id;

	/* words only if there is something to be said */
	id = bce_key_validate(k, btree_id, level, b->config.rules, KEY_TO_WRITE, NULL);
	if (likely(!id))
		return 0;
	bce_key_validate(k, btree_id, level, b->config.rules, KEY_TO_WRITE, &why);
	key_bad(b, btree_id, level, k, id, bce_text_str(&why));
	bce_text_exit(&why);
	return -EINVAL;
}

static int check_keys(struct commit *c)
{
	struct bce_trans *t = c->t;
	unsigned int i;
	int ret = 0;

	if (c->flags & TRANS_COMMIT_NO_CHECK)
		return 0;
	for (i = 0; i < t->nr_updates && !ret; i++)
		ret = check_key(c->b, t->updates[i]->btree_id, t->updates[i]->level,
				&t->updates[i]->k);
	for (i = 0; i < t->nr_deltas && !ret; i++)
		ret = check_key(c->b, BTREE_ID_accounting, 0, &c->delta[i].delta);
	return ret;
}

/* ---- accounting ---- */

static bool delta_is_zero(const struct trans_delta *d)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		if (d->counters[i])
			return false;
	return true;
}

/* What changes nothing is left out; the rest in the order of positions. Few, so by insertion. */
static void deltas_sort(struct bce_trans *t)
{
	struct trans_delta d;
	unsigned int i, j, nr = 0;

	for (i = 0; i < t->nr_deltas; i++) {
		d = t->deltas[i];
		if (delta_is_zero(&d))
			continue;
		for (j = nr++; j && bpos_cmp(t->deltas[j - 1].pos, d.pos) > 0; j--)
			t->deltas[j] = t->deltas[j - 1];
		t->deltas[j] = d;
	}
	t->nr_deltas = nr;
}

static int deltas_make_keys(struct commit *c)
{
	struct bce_trans *t = c->t;
	struct delta_key *d;
	unsigned int i, j;

	deltas_sort(t);
	if (!t->nr_deltas)
		return 0;
	c->delta = bce_trans_alloc(t, t->nr_deltas * sizeof(*c->delta));
	if (!c->delta)
		return -ENOMEM;
	for (i = 0; i < t->nr_deltas; i++) {
		d = &c->delta[i];
		for (j = 0; j < t->deltas[i].nr; j++)
			d->value[j] = cpu_to_le64(t->deltas[i].counters[j]);
		d->delta = (struct bkey) {
			.p = t->deltas[i].pos, .type = KEY_TYPE_accounting,
			.version.lo = 1,	/* for the rules; the real one comes last */
			.val_u64s = t->deltas[i].nr, .v = d->value,
		};
	}
	return 0;
}

/* total = what the leaf has + delta; the leaf is locked */
static int delta_add_up(struct bce_trans *t, const struct btree_node *n, struct delta_key *d)
{
	struct bkey old = { .type = KEY_TYPE_deleted };
	const __le64 *v;
	unsigned int nr, i;

	if (!bce_node_lookup(n, d->delta.p, &old) || old.type != KEY_TYPE_accounting)
		old = (struct bkey) { };
	nr = max(old.val_u64s, d->delta.val_u64s);
	d->sums = bce_trans_alloc(t, nr * sizeof(*d->sums));
	if (!d->sums)
		return -ENOMEM;
	for (i = 0, v = old.v; i < old.val_u64s; i++)
		d->sums[i] = v[i];
	for (i = 0; i < d->delta.val_u64s; i++)
		le64_add_cpu(&d->sums[i], le64_to_cpu(d->value[i]));
	d->total = d->delta;
	d->total.version = old.version;
	d->total.val_u64s = nr;
	d->total.v = d->sums;
	return 0;
}

/* ---- finding nodes ---- */

static bool found_covers(const struct commit_node *cn, unsigned int btree_id, unsigned int level,
			 struct bpos p)
{
	return cn->btree_id == btree_id && cn->level == level && bpos_cmp(cn->min, p) <= 0 &&
		bpos_cmp(p, cn->max) <= 0;
}

/* the order of locks */
static int node_order(const struct btree_node *a, unsigned int a_level,
		      const struct btree_node *b, unsigned int b_level)
{
	if (a_level != b_level)
		return a_level > b_level ? -1 : 1;
	return a == b ? 0 : a < b ? -1 : 1;
}

static unsigned int node_index(const struct commit *c, const struct btree_node *n,
			       unsigned int level)
{
	unsigned int from = 0, to = c->nr, middle;

	while (from < to) {
		middle = (from + to) / 2;
		if (node_order(c->node[middle]->n, c->node[middle]->level, n, level) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool node_is_ours(const struct commit *c, const struct btree_node *n, unsigned int level)
{
	unsigned int i = node_index(c, n, level);

	return i < c->nr && c->node[i]->n == n;
}

/*
 * @n among the nodes, once. It may be remembered as what it was and found as what it has become since;
 * the checks under its lock tell.
 */
static struct commit_node *node_add(struct commit *c, struct btree_node *n, unsigned int btree_id,
				    unsigned int level, struct bpos min, struct bpos max)
{
	unsigned int i = node_index(c, n, level);
	struct commit_node *cn, **more;

	if (i < c->nr && c->node[i]->n == n)
		return c->node[i];
	cn = bce_trans_alloc(c->t, sizeof(*cn));
	if (!cn)
		return NULL;
	if (c->nr == c->max) {
		more = bce_trans_alloc(c->t, 2 * (c->max + 4) * sizeof(*more));
		if (!more)
			return NULL;
		if (c->nr)
			memcpy(more, c->node, c->nr * sizeof(*more));
		c->node = more;
		c->max = 2 * (c->max + 4);
	}
	memmove(&c->node[i + 1], &c->node[i], (c->nr - i) * sizeof(*c->node));
	c->node[i] = cn;
	c->nr++;
	cn->n = n;
	cn->btree_id = btree_id;
	cn->level = level;
	cn->min = min;
	cn->max = max;
	return cn;
}

/* Where @p was when the transaction read there, or where the last one put something. */
static struct commit_node *node_remembered(struct commit *c, unsigned int btree_id,
					   unsigned int level, struct bpos p)
{
	const struct bce_trans *t = c->t;
	const struct trans_read *r;
	unsigned int i;

	for (i = t->nr_reads; i--; ) {
		r = &t->reads[i];
		if (r->btree_id == btree_id && r->level == level && bpos_cmp(r->min, p) <= 0 &&
		    bpos_cmp(p, r->max) <= 0)
			return node_add(c, r->n, btree_id, level, r->min, r->max);
	}
	if (t->last_node && !level && t->last_btree_id == btree_id &&
	    bpos_cmp(t->last_min, p) <= 0 && bpos_cmp(p, t->last_max) <= 0)
		return node_add(c, t->last_node, btree_id, level, t->last_min, t->last_max);
	return NULL;
}

static int node_find(struct commit *c, unsigned int btree_id, unsigned int level, struct bpos p,
		     struct commit_node **out)
{
	struct btree_node *n;

	*out = c->fresh ? NULL : node_remembered(c, btree_id, level, p);
	if (*out)
		return 0;
	n = bce_node_lock_at(c->b, btree_id, level, p);
	if (IS_ERR(n))
		return PTR_ERR(n) == -ENOENT ? -EINVAL : PTR_ERR(n);
	*out = node_add(c, n, btree_id, level, n->min, n->id.max);
	node_unlock_read(n);
	return *out ? 0 : -ENOMEM;
}

static int find_for_updates(struct commit *c)
{
	struct bce_trans *t = c->t;
	struct commit_node *cn = NULL;
	struct trans_update *u;
	unsigned int i;
	int ret;

	for (i = 0; i < t->nr_updates; i++) {
		u = t->updates[i];
		if (u->flags & TRANS_TRIGGER_ONLY)
			continue;
		if (!cn || !found_covers(cn, u->btree_id, u->level, u->k.p)) {
			ret = node_find(c, u->btree_id, u->level, u->k.p, &cn);
			if (ret)
				return ret;
			if (!cn->nr)
				cn->first = i;
		}
		cn->nr++;
		cn->words += BKEY_U64S + u->k.val_u64s;
	}
	return 0;
}

static int find_for_deltas(struct commit *c)
{
	struct bce_trans *t = c->t;
	struct commit_node *cn = NULL;
	unsigned int i;
	int ret;

	for (i = 0; i < t->nr_deltas; i++) {
		if (!cn || !found_covers(cn, BTREE_ID_accounting, 0, t->deltas[i].pos)) {
			ret = node_find(c, BTREE_ID_accounting, 0, t->deltas[i].pos, &cn);
			if (ret)
				return ret;
			if (!cn->nr_deltas)
				cn->first_delta = i;
		}
		cn->nr_deltas++;
	}
	return 0;
}

static int find_for_hook(struct commit *c)
{
	const struct trans_hook *hook = c->t->hook;
	unsigned int i;

	for (i = 0; hook && i < hook->nr_nodes; i++) {
		struct btree_node *n = hook->nodes[i];
		struct commit_node *cn = node_add(c, n, n->id.btree_id, n->id.level, n->min,
						  n->id.max);

		if (!cn)
			return -ENOMEM;
		cn->is_hook = true;
	}
	return 0;
}

static int nodes_find(struct commit *c)
{
	c->nr = 0;
	return find_for_hook(c) ?: find_for_updates(c) ?: find_for_deltas(c);
}

/* ---- locks ---- */

static void nodes_lock(struct commit *c)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		bce_node_lock_intent(c->node[i]->n);
	for (i = 0; i < c->nr; i++)
		bce_node_upgrade_write(c->node[i]->n);
}

static void nodes_unlock(struct commit *c)
{
	unsigned int i;

	for (i = c->nr; i--; ) {
		bce_node_ptrs_cancel(&c->node[i]->change);
		node_unlock_write(c->node[i]->n);
	}
}

/* ---- checks under the locks ---- */

static struct bpos first_pos(const struct commit *c, const struct commit_node *cn)
{
	return cn->nr ? c->t->updates[cn->first]->k.p : c->t->deltas[cn->first_delta].pos;
}

/* Still the node for what was found to belong there? A hook looks after its own. */
static bool node_still_right(const struct commit *c, const struct commit_node *cn)
{
	const struct btree_node *n = cn->n;

	if (!cn->nr && !cn->nr_deltas)
		return true;
	if (!node_is_at(n, cn->btree_id, cn->level, first_pos(c, cn)))
		return false;
	if (cn->nr && !node_covers(n, c->t->updates[cn->first + cn->nr - 1]->k.p))
		return false;
	return !cn->nr_deltas ||
		(node_covers(n, c->t->deltas[cn->first_delta].pos) &&
		 node_covers(n, c->t->deltas[cn->first_delta + cn->nr_deltas - 1].pos));
}

static bool nodes_still_right(const struct commit *c)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (!node_still_right(c, c->node[i]))
			return false;
	return true;
}

/*
 * The number is another one: was something else changed? Then the read is as good as one of now. Nodes
 * that are not ours are only tried.
 */
static bool read_renew(struct trans_read *r, bool ours)
{
	bool same;

	if (r->many || (!ours && !node_trylock_read(r->n)))
		return false;
	same = bce_trans_read_same(r);
	if (same)
		r->seq = bce_six_seq(&r->n->lock) - ours;
	if (!ours)
		node_unlock_read(r->n);
	return same;
}

/*
 * Has nothing changed that was read? Taking our own write locks has made their numbers odd. What
 * holds in the end is that there was a moment, with all locks held, at which all reads were true:
 * the one before the pass that finds all numbers as they should be.
 */
static bool reads_hold(const struct commit *c)
{
	const struct bce_trans *t = c->t;
	unsigned int pass, i;
	struct trans_read *r;
	bool ours, all = false;

	/* our locks are to be seen before we look at those of others; theirs likewise */
	smp_mb();
	for (pass = 0; pass < RENEW_PASSES && !all; pass++) {
		all = true;
		for (i = 0; i < t->nr_reads; i++) {
			r = &t->reads[i];
			ours = node_is_ours(c, r->n, r->level);
			if (likely(bce_six_seq(&r->n->lock) == r->seq + ours))
				continue;
			if (!read_renew(r, ours))
				return false;
			all = all && ours;
		}
	}
	return all;
}

/* ---- memory ---- */

static int node_prepare_ptrs(struct commit *c, struct commit_node *cn)
{
	unsigned int i;

	if (!cn->keys)
		cn->keys = bce_trans_alloc(c->t, cn->nr * sizeof(*cn->keys));
	if (!cn->keys)
		return -ENOMEM;
	for (i = 0; i < cn->nr; i++)
		cn->keys[i] = &c->t->updates[cn->first + i]->k;
	return bce_node_ptrs_prepare(cn->n, cn->keys, cn->nr, &cn->change);
}

static int node_prepare(struct commit *c, struct commit_node *cn)
{
	u32 words = cn->words, nr = cn->nr + cn->nr_deltas;
	unsigned int i;
	int ret;

	if (cn->nr && cn->level)
		return node_prepare_ptrs(c, cn);
	for (i = 0; i < cn->nr_deltas; i++) {
		ret = delta_add_up(c->t, cn->n, &c->delta[cn->first_delta + i]);
		if (ret)
			return ret;
		words += BKEY_U64S + c->delta[cn->first_delta + i].total.val_u64s;
	}
	if (likely(!bce_node_reserve(cn->n, nr, words, GFP_NOWAIT | __GFP_NOWARN)))
		return 0;
	if (c->t->spare && bce_open_take_room(&cn->n->open, nr, words, c->t->spare))
		return 0;
	c->want_entries = cn->n->open.nr + nr;
	c->want_words = cn->n->open.nr_words + words;
	return TRY_MEMORY;
}

static int nodes_prepare(struct commit *c)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < c->nr && !ret; i++)
		ret = node_prepare(c, c->node[i]);
	return ret;
}

/*
 * Without locks: get what could not be had at once, and keep it for the next try, which may be that of a transaction
 * that has begun anew: our own locks may have spoilt what it had read. One more node has room then.
 */
static int memory_wait(struct commit *c)
{
	if (!c->t->spare)
		c->t->spare = kzalloc(sizeof(*c->t->spare), GFP_NOFS);
	return c->t->spare ? bce_open_reserve(c->t->spare, 2 * c->want_entries, 2 * c->want_words, GFP_NOFS) :
			     -ENOMEM;
}

/* ---- journal ---- */

static enum journal_watermark watermark(const struct commit *c)
{
	return c->flags & TRANS_COMMIT_RECLAIM ? JOURNAL_RECLAIM :
		c->flags & TRANS_COMMIT_ALLOC ? JOURNAL_ALLOC : JOURNAL_NORMAL;
}

/* Is what the reservation says later than all that the nodes have? */
static bool res_is_latest(const struct commit *c)
{
	const struct btree_node *n;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		n = c->node[i]->n;
		if (n->last_seq > c->res.seq ||
		    (n->last_seq == c->res.seq && n->last_offset > c->res.offset))
			return false;
	}
	return true;
}

static int res_get(struct commit *c)
{
	struct journal *j = c->b->writing.journal;
	int ret;

	if (c->res.seq) {
		if (res_is_latest(c))
			return 0;
		bce_journal_res_put(j, &c->res);
	}
	if (!j && c->b->writing.held_seq) {
		/* keys count on within the entry, so that accounting versions rise */
		c->res.seq = c->b->writing.held_seq;
		c->res.offset = atomic64_fetch_add(c->journal_u64s, &c->b->memory_seq);
		return 0;
	}
	if (!j) {
		c->res.seq = atomic64_inc_return(&c->b->memory_seq);
		c->res.offset = 0;
		return 0;
	}
	ret = bce_journal_res_get(j, &c->res, c->journal_u64s, watermark(c),
				  JOURNAL_RES_NONBLOCK);
	return ret == -EAGAIN ? TRY_JOURNAL : ret;
}

/* Without locks: wait until there is room, and keep it. */
static int res_wait(struct commit *c)
{
	/* room is made by transactions, which must be let through */
	bce_trans_end_exclusive(c->t);
	return bce_journal_res_get(c->b->writing.journal, &c->res, c->journal_u64s, watermark(c),
				   0);
}

static void res_put(struct commit *c)
{
	if (c->res.seq && c->b->writing.journal)
		bce_journal_res_put(c->b->writing.journal, &c->res);
	c->res.seq = 0;
}

static void count_journal_u64s(struct commit *c)
{
	const struct bce_trans *t = c->t;
	unsigned int i;

	c->journal_u64s = t->hook ? t->hook->journal_u64s : 0;
	for (i = 0; i < t->nr_updates; i++)
		if (!(t->updates[i]->flags & TRANS_TRIGGER_ONLY))
			c->journal_u64s += 1 + BKEY_U64S + t->updates[i]->k.val_u64s;
	for (i = 0; i < t->nr_deltas; i++)
		c->journal_u64s += 1 + BKEY_U64S + c->delta[i].delta.val_u64s;
}

static void journal_key(struct commit *c, unsigned int btree_id, unsigned int level,
			const struct bkey *k)
{
	if (c->b->writing.journal)
		bce_journal_add_key(c->b->writing.journal, &c->res, btree_id, level, k);
	else
		c->res.offset++;
}

/* ---- applying ---- */

static void apply_seq_in_value(const struct commit *c, struct trans_update *u)
{
	if (u->flags & TRANS_SEQ_IN_VALUE && u->k.val_u64s)
		*(__le64 *)u->k.v = cpu_to_le64(c->res.seq);
}

static void apply_updates(struct commit *c, struct commit_node *cn)
{
	struct trans_update *u;
	unsigned int i;

	for (i = 0; i < cn->nr; i++) {
		u = c->t->updates[cn->first + i];
		apply_seq_in_value(c, u);
		journal_key(c, u->btree_id, u->level, &u->k);
		if (!cn->level)
			bce_node_put(cn->n, &u->k, 0);
	}
	if (cn->nr && cn->level)
		bce_node_ptrs_apply(c->b, cn->n, cn->keys, cn->nr, &cn->change);
}

static bool version_later(struct bversion a, struct bversion b)
{
	return a.hi != b.hi ? a.hi > b.hi : a.lo > b.lo;
}

/* The place in the journal is the version: docs/format/80-accounting.md, section 2. */
static void apply_deltas(struct commit *c, struct commit_node *cn)
{
	struct delta_key *d;
	unsigned int i;

	for (i = 0; i < cn->nr_deltas; i++) {
		d = &c->delta[cn->first_delta + i];
		d->delta.version = (struct bversion) {
			.hi = c->res.seq >> 32, .lo = c->res.seq << 32 | c->res.offset,
		};
		if (version_later(d->delta.version, d->total.version))
			d->total.version = d->delta.version;
		journal_key(c, BTREE_ID_accounting, 0, &d->delta);
		bce_node_put(cn->n, &d->total, 0);
	}
}

static void apply_node(struct commit *c, struct commit_node *cn, u64 seq)
{
	struct btree_node *n = cn->n;

	if (!cn->nr && !cn->nr_deltas)
		return;
	if (!c->b->writing.journal && !c->b->writing.held_seq)
		n->open.written_id = OPEN_NEVER_WRITTEN;	/* even if it was read from disk */
	apply_updates(c, cn);
	apply_deltas(c, cn);
	n->journal_seq = max(n->journal_seq, seq);
	n->last_seq = seq;
	n->last_offset = c->res.offset;
	WRITE_ONCE(n->changes, n->changes + 1);
	if (c->b->writing.journal)
		bce_journal_pin_add(c->b->writing.journal, &n->pin, seq, bce_node_pin_flush);
	bce_node_cache_recount(&c->b->cache, n);
	cn->wants_merge = bce_node_wants_merge(n);
	cn->wants_maintenance = bce_node_wants_maintenance(c->b, n);
}

static void apply(struct commit *c)
{
	struct trans_hook *hook = c->t->hook;
	u64 seq = c->res.seq;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		apply_node(c, c->node[i], seq);
	if (hook && hook->apply)
		hook->apply(hook, c->t, c->b->writing.journal ? &c->res : NULL, seq);
	c->t->journal_seq = seq;
}

/* ---- together ---- */

static int try_locked(struct commit *c)
{
	struct trans_hook *hook = c->t->hook;
	int ret;

	if (!nodes_still_right(c))
		return TRY_AGAIN;
	if (!reads_hold(c))
		return bce_trans_restart(c->t);
	ret = hook && hook->check ? hook->check(hook, c->t) : 0;
	if (!ret)
		ret = nodes_prepare(c);
	if (!ret)
		ret = res_get(c);
	if (!ret)
		apply(c);
	return ret;
}

/* Transactions that others wait for pass by whoever wants to be alone. */
static bool passes_exclusive(const struct commit *c)
{
	return c->flags & (TRANS_COMMIT_RECLAIM | TRANS_COMMIT_ALLOC) || bce_trans_alone(c->b);
}

static int try_commit(struct commit *c)
{
	bool shared = !passes_exclusive(c);
	int ret = nodes_find(c);

	if (ret)
		return ret;
	if (shared && !percpu_down_read_trylock(&c->b->exclusive)) {
		/* an entry that cannot be closed might be what the other one waits for */
		res_put(c);
		percpu_down_read(&c->b->exclusive);
	}
	nodes_lock(c);
	ret = try_locked(c);
	nodes_unlock(c);
	if (shared)
		percpu_up_read(&c->b->exclusive);
	return ret;
}

static int commit_until_done(struct commit *c)
{
	int ret;

	for (;;) {
		ret = try_commit(c);
		if (ret == TRY_AGAIN) {
			c->fresh = true;
			ret = 0;
		} else if (ret == TRY_MEMORY) {
			ret = memory_wait(c);
		} else if (ret == TRY_JOURNAL) {
			ret = res_wait(c);
		} else {
			return ret;
		}
		if (ret)
			return ret;
	}
}

/* The next key may well go to the same place. */
static void remember_node(struct commit *c)
{
	struct bce_trans *t = c->t;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->node[i]->nr && !c->node[i]->level) {
			t->last_node = c->node[i]->n;
			t->last_btree_id = c->node[i]->btree_id;
			t->last_min = c->node[i]->min;
			t->last_max = c->node[i]->max;
			return;
		}
}

/* Nothing is locked: see to what has grown. A merge that fails is tried again by the next one. */
static void look_after_nodes(struct commit *c)
{
	struct node_cache *cache = &c->b->cache;
	bool wait = false, merged = false;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		if (c->node[i]->wants_merge) {
			bce_node_merge_open(c->b, c->node[i]->n);
			merged = true;
		}
		if (c->node[i]->wants_maintenance) {
			bce_maintain_queue(c->b, c->node[i]->n);
			wait = true;
		}
	}
	if (merged && (u64)atomic64_read(&cache->bytes) > cache->limit_bytes)
		bce_node_cache_shrink(cache, cache->limit_bytes);
	if (wait && !(c->flags & TRANS_COMMIT_RECLAIM))
		bce_maintain_wait(c->b);
}

static int commit(struct commit *c)
{
	struct bce_trans *t = c->t;
	int ret = run_triggers(t);

	if (ret && ret != BCE_TRANS_RESTART && !bce_trans_reads_hold(t))
		return bce_trans_restart(t);
	if (!ret)
		ret = deltas_make_keys(c);
	if (!ret)
		ret = check_keys(c);
	if (ret)
		return ret;
	if (!t->nr_updates && !t->nr_deltas && !t->hook)
		return bce_trans_reads_hold(t) ? 0 : bce_trans_restart(t);
	count_journal_u64s(c);
	ret = commit_until_done(c);
	res_put(c);
	if (ret)
		return ret;
	atomic64_inc(&c->b->commits);
	bce_event(c->b->config.log, BCE_EVENT_transaction_commit, 1);
	remember_node(c);
	bce_trans_end_exclusive(t);
	t->restarts = 0;
	look_after_nodes(c);
	return 0;
}

int bce_trans_commit(struct bce_trans *t, unsigned int flags)
{
	struct commit c = { .t = t, .b = t->btrees, .flags = flags };
	int ret;

	/* pairs with smp_store_release() in bce_btrees_start_writing() */
	ret = smp_load_acquire(&t->btrees->writable) ? commit(&c) : -EROFS;
	if (ret != BCE_TRANS_RESTART)
		bce_trans_end_exclusive(t);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_trans_commit);
