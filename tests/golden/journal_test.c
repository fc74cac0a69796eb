// SPDX-License-Identifier: GPL-2.0
/*
 * Journals of the golden sets: every entry in the rings, with its place, its flags and every
 * key in it as text, equals the reference listing line by line; and the overlay of the crashed
 * set is what its entries say (docs/format/30-journal.md, sections 7 to 9).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/golden_set.h"
#include "engine/format/ids.h"
#include "engine/journal/overlay.h"
#include "engine/key/pack.h"
#include "engine/sb/entry.h"
#include "same_lines.h"

/*
 * Listings of btrees show the bytes of inline data, those of journals only their number. The
 * bytes are checked there.
 */
static void shorten_inline_data(struct text_buf *text)
{
	static const char mark[] = ": value bytes ";
	char *p = strstr(bce_text_str(text), mark), *number, line[64];
	bool indirect = strstr(bce_text_str(text), "type indirect_inline_data");

	if (!p || (!indirect && !strstr(bce_text_str(text), "type inline_data")))
		return;
	number = p + strlen(mark);
	number[strcspn(number, ":")] = '\0';
	snprintf(line, sizeof(line), "%s datalen %s", indirect ? "" : ":", number);
	strcpy(p, line);	/* shorter than what it replaces */
}

/* sub-entry as listed: four spaces before each of its lines */
static void sub_entry_lines(struct text_buf *out, const struct jset_entry *e,
			    const struct key_rules *rules)
{
	struct text_buf text = TEXT_BUF_INIT;
	const char *p;

	bce_entry_text(&text, e, rules);
	shorten_inline_data(&text);
	if (e->type == JSET_ENTRY_log && !e->level)	/* a transaction begins */
		bce_text_putc(out, '\n');
	bce_text_printf(out, "    ");
	for (p = bce_text_str(&text); *p; p++) {
		bce_text_putc(out, *p);
		if (*p == '\n')
			bce_text_printf(out, "    ");
	}
	bce_text_putc(out, '\n');
	bce_text_exit(&text);
}

static void entry_lines(struct text_buf *out, const struct journal_entry *e,
			const struct key_rules *rules)
{
	const struct jset_entry *sub;
	unsigned int i;

	bce_text_printf(out, "journal entry     %llu\n", (unsigned long long)e->seq);
	bce_text_printf(out, "  version         %u\n", le32_to_cpu(e->jset->version));
	bce_text_printf(out, "  last seq        %llu\n",
			(unsigned long long)le64_to_cpu(e->jset->last_seq));
	bce_text_printf(out, "  flush           %u\n", !bce_jset_is_noflush(e->jset));
	bce_text_printf(out, "  written at      ");
	for (i = 0; i < e->nr_copies; i++)
		bce_text_printf(out, "%s%u:%u:%u (sector %llu)", i ? " " : "", e->copy[i].dev,
				e->copy[i].ring_index, e->copy[i].bucket_offset_sectors,
				(unsigned long long)e->copy[i].sector);
	bce_text_putc(out, '\n');
	for (sub = bce_jset_first(e->jset); sub; sub = bce_jset_next(e->jset, sub))
		if (sub->u64s || bce_entry_has_keys(sub))
			sub_entry_lines(out, sub, rules);
}

static char *listing(struct golden_set *g, const struct journal_replay *r)
{
	struct text_buf out = TEXT_BUF_INIT;
	char *text;
	size_t i;

	for (i = 0; i < r->nr_entries; i++)
		entry_lines(&out, r->entry[i], &g->rules);
	assert_false(out.failed);
	text = strdup(bce_text_str(&out));
	bce_text_exit(&out);
	return text;
}

static void check_listing(const char *set)
{
	char *theirs = golden_reference(set, "journal.txt.zst"), *ours, *entries;
	unsigned long long first, last;
	struct journal_read_context ctx;
	struct journal_replay r;
	struct golden_set g;

	assert_non_null(theirs);
	assert_int_equal(golden_set_open(&g, set), 0);
	ctx = golden_journal_context(&g);
	ctx.read_all = true;
	assert_int_equal(bce_journal_read(&r, &ctx), 0);
	assert_string_equal(g.findings, "");

	entries = strstr(theirs, "replaying entries ");
	assert_non_null(entries);
	assert_int_equal(sscanf(entries, "replaying entries %llu-%llu", &first, &last), 2);
	assert_int_equal(r.last_seq, first);
	assert_int_equal(r.flush_seq, last);

	entries = strchr(entries, '\n') + 1;
	ours = listing(&g, &r);
	assert_same_lines(set, ours, entries);
	assert_int_equal(strlen(ours), strlen(entries));

	free(ours);
	free(theirs);
	bce_journal_replay_exit(&r);
	golden_set_close(&g);
}

static void entries_equal_reference(void **state)
{
	unsigned int i;

	for (i = 0; golden_sets[i]; i++)
		if (strcmp(golden_sets[i], "fresh-uninit"))
			check_listing(golden_sets[i]);
}

static void crash_open(struct golden_set *g, struct journal_replay *r, struct overlay **o)
{
	struct journal_read_context ctx;

	assert_int_equal(golden_set_open(g, "crash"), 0);
	ctx = golden_journal_context(g);
	assert_int_equal(bce_journal_read(r, &ctx), 0);
	assert_int_equal(bce_overlay_build(o, r), 0);
}

static void crash_close(struct golden_set *g, struct journal_replay *r, struct overlay *o)
{
	bce_overlay_free(o);
	bce_journal_replay_exit(r);
	golden_set_close(g);
}

/* without read_all only the replay set stays; what was never flushed is blacklisted */
static void replay_set_of_crash(void **state)
{
	struct journal_replay r;
	struct golden_set g;
	struct overlay *o;
	size_t i;

	crash_open(&g, &r, &o);
	assert_false(r.clean);
	assert_int_equal(r.last_seq, 32);
	assert_int_equal(r.flush_seq, 46);
	assert_int_equal(r.nr_entries, 15);
	for (i = 0; i < r.nr_entries; i++) {
		assert_int_equal(r.entry[i]->seq, 32 + i);
		assert_false(r.entry[i]->ignore);
	}
	assert_int_equal(r.next_seq, 46 + 1 + 8);
	assert_false(bce_journal_seq_blacklisted(r.blacklist, 46));
	assert_true(bce_journal_seq_blacklisted(r.blacklist, 47));
	assert_true(bce_journal_seq_blacklisted(r.blacklist, 54));
	assert_false(bce_journal_seq_blacklisted(r.blacklist, 55));

	assert_int_equal(r.io_clock[0], 0);
	assert_int_equal(r.io_clock[1], 32544);
	assert_int_equal(r.key_version, 0);
	assert_true(r.root[BTREE_ID_inodes].present);
	assert_int_equal(r.root[BTREE_ID_inodes].level, 1);
	assert_true(r.root[BTREE_ID_accounting].present);
	assert_false(r.root[BTREE_ID_quotas].present);
	crash_close(&g, &r, o);
}

struct newest {
	bool		found;
	struct bkey	k;
};

/* the slow way: the last btree_keys key of that place */
static struct newest newest_of(const struct journal_replay *r, unsigned int btree_id,
			       unsigned int level, struct bpos p)
{
	struct newest newest = { };
	const struct jset_entry *e;
	struct entry_key_walk w;
	struct bkey k;
	size_t i;

	for (i = 0; i < r->nr_entries; i++)
		for (e = bce_jset_first(r->entry[i]->jset); e;
		     e = bce_jset_next(r->entry[i]->jset, e)) {
			if (e->type != JSET_ENTRY_btree_keys || e->btree_id != btree_id ||
			    e->level != level)
				continue;
			bce_entry_keys_init(&w, e);
			while (bce_entry_next_key(&w, &k))
				if (!bpos_cmp(k.p, p))
					newest = (struct newest) { true, k };
		}
	return newest;
}

static void check_run(const struct journal_replay *r, unsigned int btree_id, unsigned int level,
		      const struct keyset_input *run, size_t *nr)
{
	const u64 *p = (const u64 *)run->start;
	struct bpos prev = POS_MIN;
	struct newest newest;
	bool first = true;
	struct bkey k;

	for (; p < (const u64 *)run->end; p += ((const struct disk_key *)p)->u64s) {
		bce_key_unpack(run->format, (const void *)p, &k);
		assert_true(first || bpos_cmp(prev, k.p) < 0);
		prev = k.p;
		first = false;
		newest = newest_of(r, btree_id, level, k.p);
		assert_true(newest.found);
		assert_int_equal(newest.k.type, k.type);
		assert_int_equal(newest.k.val_u64s, k.val_u64s);
		/* but for a pointer's mem_ptr, byte for byte */
		if (k.type == KEY_TYPE_btree_ptr_v2) {
			assert_int_equal(*(const u64 *)k.v, 0);
			assert_memory_equal((const u64 *)k.v + 1, (const u64 *)newest.k.v + 1,
					    bkey_val_bytes(&k) - 8);
		} else if (k.val_u64s) {
			assert_memory_equal(k.v, newest.k.v, bkey_val_bytes(&k));
		}
		++*nr;
	}
	assert_ptr_equal(p, run->end);
}

static int count_delta(void *ctx, const struct bkey *k)
{
	assert_int_equal(k->type, KEY_TYPE_accounting);
	assert_true(k->version.lo || k->version.hi);
	++*(size_t *)ctx;
	return 0;
}

static size_t count_listed_deltas(const struct journal_replay *r)
{
	const struct jset_entry *e;
	struct entry_key_walk w;
	size_t i, nr = 0;
	struct bkey k;

	for (i = 0; i < r->nr_entries; i++)
		for (e = bce_jset_first(r->entry[i]->jset); e;
		     e = bce_jset_next(r->entry[i]->jset, e)) {
			if (e->type != JSET_ENTRY_btree_keys || e->level ||
			    e->btree_id != BTREE_ID_accounting)
				continue;
			bce_entry_keys_init(&w, e);
			while (bce_entry_next_key(&w, &k))
				nr += k.type == KEY_TYPE_accounting;
		}
	return nr;
}

static void overlay_of_crash(void **state)
{
	size_t nr = 0, deltas = 0;
	struct keyset_input run;
	unsigned int id, level;
	struct journal_replay r;
	struct golden_set g;
	struct overlay *o;

	crash_open(&g, &r, &o);
	for (id = 0; id < BTREE_ID_MAX; id++)
		for (level = 0; level < BTREE_LEVELS_MAX; level++) {
			bce_overlay_range(o, id, level, POS_MIN, SPOS_MAX, &run);
			assert_int_equal(run.start != run.end, bce_overlay_has(o, id, level));
			check_run(&r, id, level, &run, &nr);
		}
	assert_int_equal(bce_overlay_accounting(o, POS_MIN, SPOS_MAX, count_delta, &deltas), 0);
	assert_int_equal(deltas, count_listed_deltas(&r));
	assert_true(deltas > 0 && nr > 0);
	assert_int_equal(bce_overlay_nr_keys(o), nr + deltas);
	assert_int_equal(bce_overlay_max_level(o, BTREE_ID_inodes), 1);
	assert_int_equal(bce_overlay_max_level(o, BTREE_ID_quotas), -1);
	crash_close(&g, &r, o);
}

/* cutting the range at every key must give the same keys in two pieces */
static void overlay_ranges_meet(void **state)
{
	struct keyset_input all, left, right;
	struct journal_replay r;
	struct golden_set g;
	struct overlay *o;
	const u64 *p;
	struct bkey k;

	crash_open(&g, &r, &o);
	bce_overlay_range(o, BTREE_ID_dirents, 0, POS_MIN, SPOS_MAX, &all);
	for (p = (const u64 *)all.start; p < (const u64 *)all.end;
	     p += ((const struct disk_key *)p)->u64s) {
		bce_key_unpack(all.format, (const void *)p, &k);
		bce_overlay_range(o, BTREE_ID_dirents, 0, POS_MIN, k.p, &left);
		bce_overlay_range(o, BTREE_ID_dirents, 0, bpos_successor(k.p), SPOS_MAX, &right);
		assert_ptr_equal(left.start, all.start);
		assert_ptr_equal(left.end, p + ((const struct disk_key *)p)->u64s);
		assert_ptr_equal(left.end, right.start);
		assert_ptr_equal(right.end, all.end);
		bce_overlay_range(o, BTREE_ID_dirents, 0, k.p, k.p, &left);
		assert_ptr_equal(left.start, p);
	}
	bce_overlay_range(o, BTREE_ID_dirents, 0, SPOS_MAX, POS_MIN, &left);
	assert_ptr_equal(left.start, left.end);
	crash_close(&g, &r, o);
}

/* no key, no journal: an encrypted set says so instead of finding nothing */
static void locked_journal(void **state)
{
	struct journal_read_context ctx;
	struct journal_replay r;
	struct golden_set g;

	assert_int_equal(golden_set_open(&g, "encrypted"), 0);
	ctx = golden_journal_context(&g);
	ctx.read_all = true;
	ctx.cipher = NULL;
	assert_int_equal(bce_journal_read(&r, &ctx), -ENOKEY);
	golden_set_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_equal_reference),
		cmocka_unit_test(replay_set_of_crash),
		cmocka_unit_test(overlay_of_crash),
		cmocka_unit_test(overlay_ranges_meet),
		cmocka_unit_test(locked_journal),
	};

	return cmocka_run_group_tests_name("golden journals", tests, NULL, NULL);
}
