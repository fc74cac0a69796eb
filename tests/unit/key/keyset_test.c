// SPDX-License-Identifier: GPL-2.0
/*
 * Merging and searching sets of keys (docs/format/50-btree.md, section 7), against a
 * plain sorted array. Families of positions are chosen to be hard on the index:
 * differences only in the snapshot, far beyond 64 bits of position, all residues
 * equal, one outlier that no format holds, one key, none.
 *
 * Random tests repeat; another seed comes from the environment variable SEED.
 */
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/format/ids.h"
#include "engine/key/keyset.h"
#include "random.h"

#define MAX_RUNS	9

/* ---- families of positions ---- */

static struct bpos pos_dense(void)
{
	return SPOS(0, rnd() % 5000, 0);
}

static struct bpos pos_files(void)
{
	return SPOS(4096 + rnd() % 30, (rnd() % 4000) * 8, U32_MAX - rnd() % 3);
}

static struct bpos pos_hashes(void)
{
	return SPOS(4096 + rnd() % 3, rnd() >> 1, U32_MAX);
}

/* more than 64 bits in use: residues lose the snapshot */
static struct bpos pos_hashes_in_snapshots(void)
{
	static const u64 hash[4] = { 2, 1ULL << 40, 1ULL << 62, (1ULL << 63) - 1 };

	return SPOS(4096 + rnd() % 1000, hash[rnd() % 4], rnd());
}

static struct bpos pos_snapshots_only(void)
{
	return SPOS(4096, 100, rnd() % 10000);
}

/* two inodes far apart cut everything else off: all residues of each are equal */
static struct bpos pos_residues_equal(void)
{
	return SPOS(rnd() & 1 ? 0 : U64_MAX, rnd() % 3, rnd() % 2000);
}

static struct bpos pos_full_range(void)
{
	return SPOS(rnd(), rnd(), rnd());
}

static struct bpos pos_corners(void)
{
	static const u64 v[5] = { 0, 1, 1ULL << 63, U64_MAX - 1, U64_MAX };

	return SPOS(v[rnd() % 5], v[rnd() % 5], v[rnd() % 5]);
}

static struct bpos pos_with_outlier(void)
{
	return rnd() % 50 ? pos_dense() : pos_full_range();
}

static struct bpos (*const families[])(void) = {
	pos_dense, pos_files, pos_hashes, pos_hashes_in_snapshots, pos_snapshots_only,
	pos_residues_equal, pos_full_range, pos_corners, pos_with_outlier,
};

#define NR_FAMILIES	(sizeof(families) / sizeof(families[0]))

/* ---- the model: for each position what the latest run says ---- */

struct model_key {
	struct bpos	p;
	unsigned int	run;
	u64		id;		/* type, size and value follow from it */
	bool		deleted;
};

struct model {
	struct model_key	*key;
	unsigned int		nr;
};

static unsigned int val_u64s_of(u64 id)
{
	if (id % 97 == 0)
		return 250;
	return id % 5 ? id % 9 : 0;
}

static int cmp_keys(const void *l, const void *r)
{
	const struct model_key *a = l, *b = r;
	int cmp = bpos_cmp(a->p, b->p);

	return cmp ? cmp : (a->run > b->run) - (a->run < b->run);
}

/* random keys sorted by position, then run; no position twice in a run */
static struct model model_make(struct bpos (*pos)(void), unsigned int nr, unsigned int nr_runs)
{
	struct model m = { .key = calloc(nr + 1, sizeof(*m.key)) };
	unsigned int i;

	for (i = 0; i < nr; i++)
		m.key[i] = (struct model_key) {
			.p = pos(), .run = rnd() % nr_runs, .id = rnd(), .deleted = rnd() % 8 == 0,
		};
	qsort(m.key, nr, sizeof(*m.key), cmp_keys);
	for (i = 0; i < nr; i++)
		if (!m.nr || cmp_keys(&m.key[m.nr - 1], &m.key[i]))
			m.key[m.nr++] = m.key[i];
	return m;
}

static void model_to_bkey(const struct model_key *m, struct bkey *k, u64 val[250])
{
	unsigned int i;

	*k = (struct bkey) {
		.p	= m->p,
		.type	= m->deleted ? KEY_TYPE_deleted : KEY_TYPE_cookie,
		.v	= val,
	};
	if (m->deleted)
		return;
	k->size = m->id % 3 ? m->id % 128 : 0;
	k->version.lo = m->id % 11 ? 0 : m->id;
	k->val_u64s = val_u64s_of(m->id);
	for (i = 0; i < k->val_u64s; i++)
		val[i] = m->id + i;
}

/* only the winners that are not deletions */
static void model_reduce(struct model *m)
{
	unsigned int i, nr = 0;

	for (i = 0; i < m->nr; i++)
		if ((i + 1 == m->nr || bpos_cmp(m->key[i].p, m->key[i + 1].p)) && !m->key[i].deleted)
			m->key[nr++] = m->key[i];
	m->nr = nr;
}

/* ---- runs ---- */

static struct key_format narrow_format(struct bpos around, unsigned int bits)
{
	struct key_format_stats s;

	bce_key_format_stats_init(&s);
	bce_key_format_stats_add_pos(&s, around);
	around.offset |= (1ULL << bits) - 1;
	around.snapshot |= (1ULL << bits) - 1;
	bce_key_format_stats_add_pos(&s, around);
	return bce_key_format_choose(&s);
}

static struct key_format some_format(const struct model *m)
{
	struct key_format_stats s;
	unsigned int i;

	switch (rnd() % 3) {
	case 0:
		return key_format_position_only;
	case 1:
		return narrow_format(m->nr ? m->key[rnd() % m->nr].p : POS_MIN, rnd() % 20);
	default:
		bce_key_format_stats_init(&s);
		for (i = 0; i < m->nr; i++)
			bce_key_format_stats_add_pos(&s, m->key[i].p);
		return bce_key_format_choose(&s);
	}
}

struct runs {
	struct keyset_input	input[MAX_RUNS];
	struct key_format	format[MAX_RUNS];
	u64			*buf[MAX_RUNS];
	unsigned int		nr;
};

static void runs_make(struct runs *r, const struct model *m, unsigned int nr_runs)
{
	u64 val[250];
	struct bkey k;
	unsigned int i, j, room;

	*r = (struct runs) { .nr = nr_runs };
	for (i = 0; i < nr_runs; i++) {
		u64 *out;

		r->format[i] = i && rnd() % 2 ? r->format[0] : some_format(m);
		for (room = 0, j = 0; j < m->nr; j++)
			if (m->key[j].run == i)
				room += BKEY_U64S + (m->key[j].deleted ? 0 : val_u64s_of(m->key[j].id));
		out = r->buf[i] = malloc(room * 8 + 1);
		for (j = 0; j < m->nr; j++)
			if (m->key[j].run == i) {
				model_to_bkey(&m->key[j], &k, val);
				out += rnd() % 16 ? bce_key_pack(&r->format[i], &k, (void *)out)
						  : bce_key_write_unpacked(&k, (void *)out);
			}
		r->input[i] = (struct keyset_input) {
			.format	= &r->format[i],
			.start	= (void *)r->buf[i],
			.end	= (void *)out,
		};
	}
}

static void runs_free(struct runs *r)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		free(r->buf[i]);
}

/* ---- checks ---- */

static void check_contents(const struct keyset *set, const struct model *m)
{
	u64 val[250];
	struct bkey want, got;
	unsigned int i;
	u32 pos = 0;

	assert_int_equal(set->nr_keys, m->nr);
	for (i = 0; i < m->nr; i++) {
		assert_true(pos < set->nr_u64s);
		model_to_bkey(&m->key[i], &want, val);
		bce_key_unpack(&set->format, keyset_at(set, pos), &got);
		assert_int_equal(bpos_cmp(want.p, got.p), 0);
		assert_int_equal(want.type, got.type);
		assert_int_equal(want.size, got.size);
		assert_int_equal(want.version.lo, got.version.lo);
		assert_int_equal(want.val_u64s, got.val_u64s);
		assert_memory_equal(want.v, got.v, bkey_val_bytes(&want));
		pos = keyset_next(set, pos);
	}
	assert_int_equal(pos, set->nr_u64s);
}

static u32 *key_places(const struct keyset *set)
{
	u32 *place = calloc(set->nr_keys + 1, sizeof(*place));
	u32 i, pos = 0;

	for (i = 0; i < set->nr_keys; i++) {
		place[i] = pos;
		pos = keyset_next(set, pos);
	}
	place[i] = pos;
	return place;
}

static void check_search(const struct keyset *set, const struct model *m, const u32 *place,
			 struct bpos p)
{
	unsigned int lo = 0, hi = m->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (bpos_cmp(m->key[mid].p, p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	assert_int_equal(bce_keyset_lower_bound(set, p), place[lo]);
}

static void check_searches(const struct keyset *set, const struct model *m,
			   struct bpos (*pos)(void))
{
	u32 *place = key_places(set);
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		struct bpos p = m->key[i].p;

		check_search(set, m, place, p);
		check_search(set, m, place, bpos_successor(p));
		check_search(set, m, place, bpos_predecessor(p));
		check_search(set, m, place, SPOS(p.inode, p.offset, 0));
		check_search(set, m, place, SPOS(p.inode, p.offset, U32_MAX));
		check_search(set, m, place, SPOS(p.inode, 0, rnd()));
		check_search(set, m, place, SPOS(p.inode, U64_MAX, rnd()));
		check_search(set, m, place, SPOS(p.inode, rnd(), p.snapshot));
		if (i)
			assert_int_equal(bce_keyset_prev(set, place[i]), place[i - 1]);
	}
	if (m->nr)
		assert_int_equal(bce_keyset_prev(set, set->nr_u64s), place[m->nr - 1]);
	for (i = 0; i < 300; i++) {
		check_search(set, m, place, pos());
		check_search(set, m, place, pos_corners());
		check_search(set, m, place, pos_full_range());
	}
	check_search(set, m, place, POS_MIN);
	check_search(set, m, place, SPOS_MAX);
	free(place);
}

static void check_merge(struct bpos (*pos)(void), unsigned int nr, unsigned int nr_runs)
{
	struct model m = model_make(pos, nr, nr_runs);
	struct key_format format;
	struct keyset set;
	struct runs runs;

	runs_make(&runs, &m, nr_runs);
	switch (rnd() % 3) {
	case 0:
		format = runs.format[rnd() % nr_runs];
		break;
	case 1:
		format = some_format(&m);
		break;
	default:
		format = bce_keyset_best_format(runs.input, nr_runs);
	}
	assert_int_equal(bce_keyset_merge(&set, &format, runs.input, nr_runs), 0);
	runs_free(&runs);	/* the set must not depend on them */
	model_reduce(&m);

	check_contents(&set, &m);
	check_searches(&set, &m, pos);
	assert_true(bce_keyset_bytes(&set) >= set.nr_u64s * 8);
	assert_true(bce_keyset_bytes(&set) <= set.nr_u64s * 10 + 512);
	bce_keyset_exit(&set);
	free(m.key);
}

static void random_merges(void **state)
{
	unsigned int i, f;

	for (i = 0; i < 40; i++)
		for (f = 0; f < NR_FAMILIES; f++)
			check_merge(families[f], rnd() % 300, 1 + rnd() % MAX_RUNS);
}

static void large_merges(void **state)
{
	unsigned int f;

	for (f = 0; f < NR_FAMILIES; f++)
		check_merge(families[f], 4000, 1 + rnd() % MAX_RUNS);
}

/* every small number of keys, so every shape of the index */
static void small_sets(void **state)
{
	unsigned int nr, f;

	for (nr = 0; nr < 80; nr++)
		for (f = 0; f < NR_FAMILIES; f++)
			check_merge(families[f], nr, 1 + rnd() % 2);
}

static void empty_sets(void **state)
{
	struct keyset_input run = { .format = &key_format_position_only };
	struct keyset set;
	u64 buf[BKEY_U64S];
	struct bkey k = { .p = SPOS(1, 2, 3), .type = KEY_TYPE_deleted };

	assert_int_equal(bce_keyset_merge(&set, &key_format_position_only, NULL, 0), 0);
	assert_int_equal(set.nr_keys, 0);
	assert_int_equal(bce_keyset_lower_bound(&set, POS_MIN), 0);
	assert_int_equal(bce_keyset_bytes(&set), 0);
	bce_keyset_exit(&set);

	assert_int_equal(bce_keyset_merge(&set, &key_format_position_only, &run, 1), 0);
	assert_int_equal(set.nr_u64s, 0);
	bce_keyset_exit(&set);

	/* nothing but a deletion */
	run.start = (void *)buf;
	run.end = (void *)(buf + bce_key_pack(run.format, &k, (void *)buf));
	assert_int_equal(bce_keyset_merge(&set, &key_format_position_only, &run, 1), 0);
	assert_int_equal(set.nr_keys, 0);
	assert_int_equal(bce_keyset_lower_bound(&set, SPOS_MAX), 0);
	bce_keyset_exit(&set);
	bce_keyset_exit(&set);	/* twice does no harm */
}

/* the best format leaves nothing unpacked, and is short where positions are close together */
static void best_format_packs_all(void **state)
{
	unsigned int f;

	for (f = 0; f < NR_FAMILIES; f++) {
		struct model m = model_make(families[f], 1000, 3);
		struct key_format best;
		struct keyset set, loose;
		struct runs runs;
		u32 pos;

		runs_make(&runs, &m, 3);
		best = bce_keyset_best_format(runs.input, 3);
		assert_int_equal(bce_keyset_merge(&set, &best, runs.input, 3), 0);
		assert_int_equal(bce_keyset_merge(&loose, &key_format_position_only, runs.input, 3), 0);
		for (pos = 0; pos < set.nr_u64s; pos = keyset_next(&set, pos))
			assert_int_equal(keyset_at(&set, pos)->format, KEY_FORMAT_PACKED);
		assert_int_equal(set.nr_keys, loose.nr_keys);
		if (families[f] == pos_dense || families[f] == pos_files)
			assert_true(set.nr_u64s < loose.nr_u64s);
		bce_keyset_exit(&set);
		bce_keyset_exit(&loose);
		runs_free(&runs);
		free(m.key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_sets),
		cmocka_unit_test_setup(small_sets, rnd_setup),
		cmocka_unit_test_setup(random_merges, rnd_setup),
		cmocka_unit_test_setup(large_merges, rnd_setup),
		cmocka_unit_test_setup(best_format_packs_all, rnd_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
