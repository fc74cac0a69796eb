// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from other keys is made what it has to be.
 *
 *   1  walk       generations that pointers prove, reference counts, sectors of stripe blocks  --+
 *      and again, as pointers are judged by these, until nothing of this changes              <--+
 *   2  buckets    alloc keys from the sums; the table is from here on what they say
 *   3  indexes    freespace, need_discard, bucket_gens, lru against the table (mend_index.c)
 *   4  the rest   backpointers, counters, replicas, bitmaps, by the checker's own comparisons
 *
 * The walks hold locks of nodes, so what is to change is noted and done when they are over. Nothing
 * is done where a key that may refer to buckets cannot be read: its buckets would become free. Nobody
 * changes keys meanwhile, and all changes are in memory only, so a repair that fails in the middle has
 * not happened; before anything of it is written, the checker looks at the result.
 *
 * Generations are not derived but proven: a pointer to data says which one its bucket is in, and
 * bucket_gens lists what the alloc key said last. Where only cached pointers are left, nobody knows
 * whether the bucket has been used anew since: the next generation makes all of them stale.
 *
 * Source: docs/format/75-allocation.md, sections 3, 5, 7; 80-accounting.md, section 5.
 */
#include "engine/check/mend.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "engine/alloc/encode.h"
#include "engine/btree/trans.h"
#include "engine/journal/replay.h"
#include "engine/key/text.h"
#include "engine/key/values.h"

#define ROUNDS_MAX	8	/* of step 1; each needs keys that only the one before made right */
#define COMMIT_KEYS	32

/* ---- noting ---- */

static int note(struct alloc_check *a, unsigned int btree_id, const struct bkey *k, bool quiet)
{
	struct mend *m = a->mend;
	struct mend_key *e;
	int ret = check_array_room((void **)&m->key, m->nr_keys, &m->keys_room, sizeof(*m->key));

	if (ret)
		return ret;
	e = &m->key[m->nr_keys];
	*e = (struct mend_key) { .k = *k, .btree_id = btree_id, .quiet = quiet };
	e->k.v = NULL;
	if (k->val_u64s) {
		e->k.v = kmemdup(k->v, bkey_val_bytes(k), GFP_KERNEL);
		if (!e->k.v)
			return -ENOMEM;
	}
	m->nr_keys++;
	return 0;
}

int mend_put(struct alloc_check *a, unsigned int btree_id, const struct bkey *k)
{
	return a->mend ? note(a, btree_id, k, false) : 0;
}

int mend_put_quiet(struct alloc_check *a, unsigned int btree_id, const struct bkey *k)
{
	return note(a, btree_id, k, true);
}

int mend_drop(struct alloc_check *a, unsigned int btree_id, struct bpos p)
{
	const struct bkey k = { .p = p, .type = KEY_TYPE_deleted };

	return mend_put(a, btree_id, &k);
}

int mend_gen(struct alloc_check *a, unsigned int dev, u64 bucket, u8 gen, unsigned int kind)
{
	struct mend *m = a->mend;
	int ret;

	if (!m)
		return 0;
	ret = check_array_room((void **)&m->gen, m->nr_gens, &m->gens_room, sizeof(*m->gen));
	if (!ret)
		m->gen[m->nr_gens++] = (struct mend_gen) { bucket, dev, gen, kind };
	return ret;
}

int mend_account(struct alloc_check *a, const struct accounting_pos *pos, const s64 *stored,
		 const s64 *want)
{
	struct mend *m = a->mend;
	struct mend_counter *c;
	int ret;

	if (!m)
		return 0;
	ret = check_array_room((void **)&m->counter, m->nr_counters, &m->counters_room,
			       sizeof(*m->counter));
	if (ret)
		return ret;
	c = &m->counter[m->nr_counters++];
	*c = (struct mend_counter) { .pos = *pos };
	for (unsigned int i = 0; i < ACCOUNTING_COUNTERS_MAX; i++) {
		c->was[i] = stored[i];
		c->delta[i] = want[i] - stored[i];
	}
	return 0;
}

int mend_backpointer(struct alloc_check *a, const struct check_backpointer *e)
{
	u64 sector = e->offset >> BACKPOINTER_OFFSET_SHIFT;
	struct backpointer_info info = {
		.btree_id = e->btree_id, .level = e->level, .data_type = e->data_type,
		.bucket_len = e->len, .pos = SPOS(e->pos_inode, e->pos_offset, e->pos_snapshot),
	};
	struct bch_backpointer v;
	struct bkey k = {
		.p = POS(e->dev, e->offset), .type = KEY_TYPE_backpointer,
		.val_u64s = sizeof(v) / sizeof(u64), .v = &v,
	};
	u32 offset;
	u64 bucket;

	if (!a->mend)
		return 0;
	bucket = check_bucket_of_sector(&a->dev[e->dev], sector, &offset);
	info.bucket_offset = e->offset - ((bucket * a->dev[e->dev].info->bucket_sectors) <<
					  BACKPOINTER_OFFSET_SHIFT);
	bce_backpointer_encode(&info, &v);
	return mend_put(a, BTREE_ID_backpointers, &k);
}

void mend_version(struct alloc_check *a, u64 version)
{
	if (a->mend)
		a->mend->version = max(a->mend->version, version);
}

int mend_bitmap(struct alloc_check *a, unsigned int dev, u64 sector)
{
	struct mend *m = a->mend;
	int ret;

	if (!m)
		return 0;
	ret = check_array_room((void **)&m->place, m->nr_places, &m->places_room,
			       sizeof(*m->place));
	if (!ret)
		m->place[m->nr_places++] = (struct mend_place) { sector, dev };
	return ret;
}

int mend_replicas(struct alloc_check *a, const struct accounting_pos *pos)
{
	struct mend *m = a->mend;
	int ret;

	if (!m)
		return 0;
	ret = check_array_room((void **)&m->replicas, m->nr_replicas, &m->replicas_room,
			       sizeof(*m->replicas));
	if (!ret)
		m->replicas[m->nr_replicas++] = *pos;
	return ret;
}

/* the key itself, for changing it in a copy */
static int read_key(struct alloc_check *a, unsigned int btree_id, struct bpos p, struct bkey *k)
{
	return bce_btree_lookup(a->c->btrees, btree_id, p, NULL, k, &a->mend->buf);
}

int mend_shared(struct alloc_check *a, const struct check_shared *s)
{
	struct bpos p = POS(0, s->end);
	struct bkey k;
	int ret;

	if (!a->mend)
		return 0;
	if (!s->w_refs)
		return mend_drop(a, BTREE_ID_reflink, p);
	ret = read_key(a, BTREE_ID_reflink, p, &k);
	if (ret)
		return ret;
	/* the first word of both kinds */
	a->mend->buf.v[0] = (__force u64)cpu_to_le64(s->w_refs);
	return mend_put(a, BTREE_ID_reflink, &k);
}

int mend_stripe(struct alloc_check *a, const struct check_stripe *s)
{
	struct bkey k;
	int ret;

	if (!a->mend)
		return 0;
	ret = read_key(a, BTREE_ID_stripes, POS(0, s->idx), &k);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < s->nr_blocks; i++)
		if (s->w_count[i] > U16_MAX || !bce_stripe_set_block_sectors(&k, i, s->w_count[i]))
			return 0;	/* more than fits: the check that follows tells */
	return mend_put(a, BTREE_ID_stripes, &k);
}

/* ---- changing ---- */

static void say(struct alloc_check *a, struct text_buf *text)
{
	struct check_repair *r = a->mend->r;
	char *s = (char *)bce_text_str(text);

	r->changes++;
	for (; *s; s++)
		if (*s == '\n' || *s == '\t')
			*s = ' ';
	if (r->said)
		r->said(r->ctx, bce_text_str(text));
}

static void say_key(struct alloc_check *a, unsigned int btree_id, const struct bkey *old,
		    const struct bkey *new)
{
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree %s ", bce_btree_name(btree_id));
	bce_pos_text(&text, new->p);
	bce_text_printf(&text, ": was ");
	if (old->type == KEY_TYPE_deleted)
		bce_text_printf(&text, "nothing");
	else
		bce_key_text(&text, old, NULL);
	bce_text_printf(&text, "; is now ");
	if (new->type == KEY_TYPE_deleted)
		bce_text_printf(&text, "nothing");
	else
		bce_key_text(&text, new, NULL);
	say(a, &text);
	bce_text_exit(&text);
}

static bool same_key(const struct bkey *l, const struct bkey *r)
{
	return l->type == r->type && (l->type == KEY_TYPE_deleted ||
		(l->size == r->size && l->val_u64s == r->val_u64s &&
		 (!l->val_u64s || !memcmp(l->v, r->v, bkey_val_bytes(l)))));
}

struct batch {
	const struct mend_key	*key[COMMIT_KEYS];
	unsigned int		nr;
};

static int put_batch(struct bce_trans *t, void *ctx)
{
	const struct batch *b = ctx;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < b->nr; i++)
		ret = bce_trans_update(t, b->key[i]->btree_id, &b->key[i]->k, TRANS_NO_TRIGGER);
	return ret;
}

static int commit_batch(struct alloc_check *a, struct batch *b)
{
	int ret = b->nr ? bce_trans_run(a->c->btrees, put_batch, b, 0, NULL) : 0;

	b->nr = 0;
	return ret;
}

/* What is noted quietly is put whatever is there: of several notes for one position the last one counts. */
static int apply_keys(struct alloc_check *a)
{
	struct mend *m = a->mend;
	struct batch b = { };
	int ret = 0;

	for (size_t i = 0; !ret && i < m->nr_keys; i++) {
		const struct mend_key *e = &m->key[i];
		struct bkey old;

		ret = read_key(a, e->btree_id, e->k.p, &old);
		if (ret == -ENOENT) {
			old = (struct bkey) { .type = KEY_TYPE_deleted };
			ret = 0;
		}
		if (!ret && (e->quiet || !same_key(&old, &e->k))) {
			if (!e->quiet)
				say_key(a, e->btree_id, &old, &e->k);
			b.key[b.nr++] = e;
			m->changed = true;
		}
		if (!ret && (b.nr == COMMIT_KEYS || i + 1 == m->nr_keys))
			ret = commit_batch(a, &b);
	}
	for (size_t i = 0; i < m->nr_keys; i++)
		kfree(m->key[i].k.v);
	m->nr_keys = 0;
	return ret;
}

/* counters that a type has: docs/format/80-accounting.md, section 1 */
static unsigned int counters_of(unsigned int type)
{
	return type == ACCOUNTING_dev_data_type || type == ACCOUNTING_compression ||
		type == ACCOUNTING_inum ? 3 : 1;
}

static int put_counter(struct bce_trans *t, void *ctx)
{
	const struct mend_counter *c = ctx;

	return bce_trans_account(t, &c->pos, c->delta, counters_of(c->pos.type));
}

static void say_counter(struct alloc_check *a, const struct mend_counter *c)
{
	struct bpos p = bce_accounting_pos_encode(&c->pos);
	struct text_buf text = TEXT_BUF_INIT;

	bce_text_printf(&text, "btree accounting %s at %llu:%llu:%u: was %lld %lld %lld; is now %lld %lld %lld",
			bce_accounting_type_name(c->pos.type) ?: "unknown", p.inode, p.offset,
			p.snapshot, c->was[0], c->was[1], c->was[2], c->was[0] + c->delta[0],
			c->was[1] + c->delta[1], c->was[2] + c->delta[2]);
	say(a, &text);
	bce_text_exit(&text);
}

static int apply_counters(struct alloc_check *a)
{
	struct mend *m = a->mend;
	int ret = 0;

	for (size_t i = 0; !ret && i < m->nr_counters; i++) {
		say_counter(a, &m->counter[i]);
		ret = bce_trans_run(a->c->btrees, put_counter, &m->counter[i], 0, NULL);
	}
	m->nr_counters = 0;
	return ret;
}

static int apply_superblock(struct alloc_check *a)
{
	struct mend *m = a->mend;
	struct check_repair *r = m->r;
	int ret = 0;

	for (size_t i = 0; !ret && r->replicas && i < m->nr_replicas; i++) {
		const struct accounting_pos *pos = &m->replicas[i];
		u64 devs = 0;

		for (unsigned int j = 0; j < pos->replicas.nr_devs; j++)
			if (pos->replicas.devs[j] < BCH_MEMBERS_MAX)
				devs |= 1ULL << pos->replicas.devs[j];
		ret = r->replicas(r->ctx, pos->replicas.data_type, pos->replicas.nr_required, devs);
		r->changes++;
	}
	for (size_t i = 0; !ret && r->bitmap && i < m->nr_places; i++, r->changes++)
		ret = r->bitmap(r->ctx, m->place[i].dev, m->place[i].sector, a->c->node_sectors);
	m->nr_replicas = m->nr_places = 0;
	if (!ret && r->key_version && a->c->replay && m->version > a->c->replay->key_version) {
		r->key_version(r->ctx, m->version);
		r->changes++;
	}
	return ret;
}

int mend_apply(struct alloc_check *a)
{
	return apply_keys(a) ?: apply_counters(a) ?: apply_superblock(a);
}

/* ---- generations ---- */

static int gen_cmp(const void *l, const void *r)
{
	const struct mend_gen *a = l, *b = r;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->bucket < b->bucket ? -1 : a->bucket > b->bucket;
}

/* the strongest word of those about one bucket, of these the newest; *i: behind them */
static struct mend_gen strongest(const struct mend *m, size_t *i)
{
	struct mend_gen best = m->gen[*i];

	for ((*i)++; *i < m->nr_gens && !gen_cmp(&m->gen[*i], &best); (*i)++) {
		const struct mend_gen *g = &m->gen[*i];

		if (g->kind > best.kind || (g->kind == best.kind && gen_lag(g->gen, best.gen) > 0))
			best = *g;
	}
	return best;
}

static int put_alloc(struct alloc_check *a, unsigned int dev, u64 bucket,
		     const struct alloc_info *info)
{
	struct bch_alloc_v4 v;
	struct bkey k = {
		.p = POS(dev, bucket), .type = KEY_TYPE_alloc_v4,
		.val_u64s = sizeof(v) / sizeof(u64), .v = &v,
	};

	bce_alloc_v4_encode(info, &v);
	return mend_put(a, BTREE_ID_alloc, &k);
}

/* as the key has it; a bucket without one was used by somebody, who knows when */
static int read_alloc(struct alloc_check *a, unsigned int dev, u64 bucket, struct alloc_info *info)
{
	struct bkey k;
	int ret = read_key(a, BTREE_ID_alloc, POS(dev, bucket), &k);

	if (!ret && bce_key_type_is_alloc(k.type) && !bce_alloc_decode(&k, info))
		return 0;
	if (ret && ret != -ENOENT)
		return ret;
	*info = (struct alloc_info) {
		.need_discard = true, .need_inc_gen = true, .io_time = { 1, 1 },
	};
	return 0;
}

static int apply_gen(struct alloc_check *a, const struct mend_gen *g)
{
	const struct check_bucket *b = check_bucket_at(a, g->dev, g->bucket);
	struct alloc_info info;
	int ret = read_alloc(a, g->dev, g->bucket, &info);

	if (ret)
		return ret;
	info.gen = g->gen + (g->kind == GEN_OF_CACHED);
	if (!(b->flags & BUCKET_HAS_KEY)) {
		info.oldest_gen = info.gen;
		info.data_type = bce_alloc_data_type(&info, BCH_DATA_free);
	}
	return put_alloc(a, g->dev, g->bucket, &info);
}

static int mend_gens(struct alloc_check *a)
{
	struct mend *m = a->mend;
	int ret = 0;

	if (!m->nr_gens)
		return 0;
	sort(m->gen, m->nr_gens, sizeof(*m->gen), gen_cmp, NULL);
	for (size_t i = 0; !ret && i < m->nr_gens; ) {
		struct mend_gen best = strongest(m, &i);

		ret = apply_gen(a, &best);
	}
	m->nr_gens = 0;
	return ret;
}

/* ---- buckets ---- */

static bool bucket_agrees(const struct check_bucket *b, const struct alloc_info *w)
{
	if (!(b->flags & BUCKET_HAS_KEY))
		return !(b->flags & BUCKET_REFERENCED);
	return w->data_type == b->type && b->dirty == b->w_dirty && b->cached == b->w_cached &&
		b->striped == b->w_striped && b->stripe == b->w_stripe &&
		b->redundancy == b->w_redundancy &&
		(b->type != BCH_DATA_cached || b->read_time);
}

static void table_learn(struct check_bucket *b, const struct alloc_info *info)
{
	b->flags &= ~BUCKET_NEED_DISCARD;
	b->flags |= BUCKET_HAS_KEY | (info->need_discard ? BUCKET_NEED_DISCARD : 0);
	b->gen = info->gen;
	b->oldest_gen = info->oldest_gen;
	b->type = info->data_type;
	b->redundancy = info->stripe_redundancy;
	b->dirty = info->dirty_sectors;
	b->cached = info->cached_sectors;
	b->striped = info->stripe_sectors;
	b->stripe = info->stripe;
	b->read_time = info->io_time[0];
}

static int mend_bucket(struct alloc_check *a, unsigned int dev, u64 bucket)
{
	struct check_bucket *b = &a->dev[dev].bucket[bucket];
	struct alloc_info w, info;
	int ret;

	check_bucket_walked(b, &w);
	if (bucket_agrees(b, &w))
		return 0;
	ret = read_alloc(a, dev, bucket, &info);
	if (ret)
		return ret;
	info.dirty_sectors = w.dirty_sectors;
	info.cached_sectors = w.cached_sectors;
	info.stripe_sectors = w.stripe_sectors;
	info.stripe = w.stripe;
	info.stripe_redundancy = w.stripe_redundancy;
	info.data_type = bce_alloc_data_type(&info, b->w_type);
	if (info.data_type == BCH_DATA_cached && !info.io_time[0])
		info.io_time[0] = 1;
	table_learn(b, &info);
	return put_alloc(a, dev, bucket, &info);
}

static int mend_buckets(struct alloc_check *a)
{
	int ret = 0;

	for (unsigned int dev = 0; dev < BCH_MEMBERS_MAX; dev++) {
		const struct check_dev *d = &a->dev[dev];

		for (u64 i = d->info ? d->info->first_bucket : 0;
		     !ret && d->info && i < d->info->nbuckets; i++) {
			ret = mend_bucket(a, dev, i);
			if (!ret && a->mend->nr_keys >= MEND_KEYS_MAX)
				ret = apply_keys(a);
		}
	}
	return ret ?: apply_keys(a);
}

/* ---- the whole ---- */

static int walk(struct check *c, struct mend *m, struct alloc_check **out)
{
	struct alloc_check *a = check_alloc_new(c);
	int ret;

	*out = a;
	if (!a)
		return -ENOMEM;
	a->mend = m;
	m->changed = false;
	m->nr_keys = m->nr_places = 0;
	ret = check_alloc_walk(a);
	return ret ?: a->incomplete ? -EIO : 0;
}

/* what pointers are judged by; m->changed: they have to be judged again */
static int mend_premises(struct alloc_check *a)
{
	int ret = check_stripes_compare(a);

	if (!ret)
		ret = check_shared_compare(a);
	if (!ret)
		ret = mend_gens(a);
	return ret ?: apply_keys(a);
}

static int mend_rest(struct alloc_check *a)
{
	int ret = mend_buckets(a);

	if (!ret)
		ret = mend_indexes(a);
	if (!ret)
		ret = check_backpointers_compare(a);
	if (!ret)
		ret = check_account_buckets(a);
	if (!ret)
		ret = check_accounting_compare(a);
	return ret ?: mend_apply(a);
}

static int repair(struct check *c, struct mend *m)
{
	struct alloc_check *a = NULL;
	int ret;

	for (unsigned int round = 0; ; round++) {
		ret = walk(c, m, &a);
		if (!ret)
			ret = mend_premises(a);
		if (ret || !m->changed || round == ROUNDS_MAX)
			break;
		check_alloc_free(a);
	}
	if (!ret)
		ret = mend_rest(a);
	check_alloc_free(a);
	return ret;
}

static void print_nothing(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
}

int bce_repair_allocations(struct check *c, struct check_repair *r)
{
	struct mend *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	struct check quiet = *c;
	int ret = -ENOMEM;

	/* the checker has told already */
	quiet.log = bce_log_alloc("");
	if (m && quiet.log) {
		bce_log_set_print(quiet.log, print_nothing, NULL);
		m->r = r;
		ret = repair(&quiet, m);
	}
	if (m) {
		for (size_t i = 0; i < m->nr_keys; i++)
			kfree(m->key[i].k.v);
		kvfree(m->key);
		kvfree(m->gen);
		kvfree(m->counter);
		kvfree(m->replicas);
		kvfree(m->place);
	}
	kvfree(m);
	bce_log_free(quiet.log);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_repair_allocations);
