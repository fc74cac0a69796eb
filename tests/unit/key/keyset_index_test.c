// SPDX-License-Identifier: GPL-2.0
/*
 * How near to its answer a search in a keyset begins. A search that starts too early still
 * finds the right key, by looking at every key in between; so keyset_test.c can not see
 * it. This test looks inside: from where the index says, the answer must lie within the
 * group that begins there, or be the first key after it, however hard the keys are on the
 * residues.
 */
#include "engine/key/keyset.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define NR_KEYS		3000

static struct bpos pos_exact(u32 i)
{
	return SPOS(4096 + i / 100, i % 100 * 8, U32_MAX);
}

/* 64 bits of inode alone: the residue of all but the last two keys is 0 */
static struct bpos pos_all_tied(u32 i)
{
	return i >= NR_KEYS - 2 ? SPOS(U64_MAX, 0, i) : SPOS(0, i / 7, i);
}

/* runs of equal residues beside single ones */
static struct bpos pos_some_tied(u32 i)
{
	return SPOS((u64)(i / 400) << 61, (u64)(i % 400 / 100) << 60, i);
}

/* the largest residue belongs to real groups, and to slots that stand for none */
static struct bpos pos_tied_at_the_top(u32 i)
{
	return i ? SPOS(U64_MAX, U64_MAX, i) : POS_MIN;
}

/* inode numbers far apart: within a line near them nothing is left of offsets */
static struct bpos pos_tied_in_a_line(u32 i)
{
	return SPOS((u64)(i / 100) << 40, i % 100 * 8, U32_MAX);
}

static struct bpos pos_ends_at_the_top(u32 i)
{
	return i == NR_KEYS - 1 ? SPOS_MAX : pos_exact(i);
}

static void build(struct keyset *set, struct bpos (*pos)(u32), u32 nr, bool packed)
{
	static u64 buf[NR_KEYS * (BKEY_U64S + 2)];
	static const u64 val[2];
	struct keyset_input run = { .format = &key_format_position_only, .start = (void *)buf };
	struct key_format format;
	u64 *out = buf;
	u32 i;

	for (i = NR_KEYS - nr; i < NR_KEYS; i++) {
		struct bkey k = {
			.p = pos(i), .type = KEY_TYPE_cookie, .val_u64s = i % 3, .v = val,
		};

		out += packed ? bce_key_pack(run.format, &k, (void *)out)
			      : bce_key_write_unpacked(&k, (void *)out);
	}
	run.end = (void *)out;
	format = packed ? bce_keyset_best_format(&run, 1) : key_format_position_only;
	assert_int_equal(bce_keyset_merge(set, &format, &run, 1), 0);
}

/* from @start on, all keys before the answer begin within one group */
static void check_start(const struct keyset *set, u32 start, u32 answer)
{
	u32 at = start, prev = start;

	assert_true(start <= answer);
	for (; at < answer; at = keyset_next(set, at))
		prev = at;
	assert_int_equal(at, answer);
	/* the last key of the set belongs to the group before it */
	assert_true(prev - start < 2 * GROUP_U64S);
}

static void check_starts(struct bpos (*pos)(u32), u32 nr, bool packed)
{
	struct keyset set;
	u32 at;

	build(&set, pos, nr, packed);
	for (at = 0; at < set.nr_u64s; at = keyset_next(&set, at)) {
		struct bpos p = bce_key_unpack_pos(&set.format, keyset_at(&set, at));

		assert_int_equal(bce_keyset_lower_bound(&set, p), at);
		/* the last key has no residue, unless it is the only one */
		if (at < set.index->last || !at)
			check_start(&set, search_before(&set, residue_of(set.index, p), p), at);
		check_start(&set, group_before(&set, at), at);
	}
	check_start(&set, group_before(&set, at), at);
	bce_keyset_exit(&set);
}

static void check_sizes(struct bpos (*pos)(u32))
{
	u32 nr;

	for (nr = 1; nr < 120; nr++) {
		check_starts(pos, nr, true);
		check_starts(pos, nr, false);
	}
	check_starts(pos, NR_KEYS, true);
	check_starts(pos, NR_KEYS, false);
}

static void exact(void **state)
{
	struct keyset set;

	check_sizes(pos_exact);
	build(&set, pos_exact, NR_KEYS, true);
	assert_true(set.index->exact && set.index->word_compare);
	bce_keyset_exit(&set);
}

static void all_tied(void **state)
{
	struct keyset set;

	check_sizes(pos_all_tied);
	build(&set, pos_all_tied, NR_KEYS, true);
	assert_false(set.index->exact);
	assert_int_equal(set.index->line[1].base, 0);
	assert_int_equal(set.index->line[0].more[LINE_WORDS - 1], 0);
	bce_keyset_exit(&set);
}

static void some_tied(void **state)
{
	check_sizes(pos_some_tied);
}

static void tied_at_the_top(void **state)
{
	check_sizes(pos_tied_at_the_top);
}

static void tied_in_a_line(void **state)
{
	struct keyset set;
	unsigned int i;
	u8 shift = 0;

	check_sizes(pos_tied_in_a_line);
	build(&set, pos_tied_in_a_line, NR_KEYS, true);
	assert_true(set.index->exact);
	for (i = 0; i < set.index->nr_lines; i++)
		shift = max(shift, set.index->line[i].shift);
	assert_true(shift > 20);
	bce_keyset_exit(&set);
}

/* the node at the right end of a btree */
static void ends_at_the_top(void **state)
{
	struct keyset set;

	check_sizes(pos_ends_at_the_top);
	build(&set, pos_ends_at_the_top, NR_KEYS, true);
	assert_true(set.index->exact);
	bce_keyset_exit(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact),
		cmocka_unit_test(all_tied),
		cmocka_unit_test(some_tied),
		cmocka_unit_test(tied_at_the_top),
		cmocka_unit_test(tied_in_a_line),
		cmocka_unit_test(ends_at_the_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
