// SPDX-License-Identifier: GPL-2.0
/*
 * Which of the entries found are replayed.
 *
 *   number   ... | last_seq ............ flush_seq | noflush or torn ... |
 *                  ^ replayed                        ^ never happened
 *
 * The newest flush entry says how far back entries are still needed. What came after it was
 * not promised to anyone and is dropped, even where it is readable: between those entries
 * others may be missing. All numbers in the set must be there, or be blacklisted (given up
 * by an earlier recovery).
 *
 * An entry of the set of which no copy has a good checksum fails the read: using what it
 * says would be a guess about metadata. Its neighbours cannot do without it.
 *
 * Source: docs/format/30-journal.md, sections 7, 8.
 */
#include "engine/journal/journal_internal.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/key/text.h"
#include "engine/sb/replicas.h"

static u64 jset_last_seq(const struct jset *j)
{
	return le64_to_cpu(j->last_seq);
}

/* The newest flush entry that is whole; one torn one above it is what a power cut leaves. */
static struct journal_entry *newest_flush(const struct journal_replay *r,
					  const struct journal_read_context *ctx)
{
	bool torn = false;
	size_t i;

	for (i = r->nr_entries; i--; ) {
		struct journal_entry *e = r->entry[i];

		if (bce_jset_is_noflush(e->jset))
			continue;
		if (e->csum_good || torn)
			return e;
		torn = true;
		bce_log_line(ctx->log, BCE_LOG_INFO,
			     "journal entry %llu was not completely written, ignoring it",
			     (unsigned long long)e->seq);
	}
	return NULL;
}

static int find_bounds(struct journal_replay *r, const struct journal_read_context *ctx)
{
	struct journal_entry *flush;
	u64 newest;

	if (!r->nr_entries) {
		bce_log_error(ctx->log, BCE_ERR_dirty_but_no_journal_entries,
			      "not shut down cleanly, but no journal entries found");
		return -EBADMSG;
	}
	flush = newest_flush(r, ctx);
	if (!flush) {
		bce_log_error(ctx->log, BCE_ERR_dirty_but_no_journal_entries_post_drop_nonflushes,
			      "not shut down cleanly, but none of %zu journal entries was flushed",
			      r->nr_entries);
		return -EBADMSG;
	}
	if (jset_last_seq(flush->jset) > flush->seq) {
		bce_log_error(ctx->log, BCE_ERR_jset_last_seq_newer_than_seq,
			      "journal entry %llu has last_seq %llu",
			      (unsigned long long)flush->seq,
			      (unsigned long long)jset_last_seq(flush->jset));
		return -EBADMSG;
	}
	r->flush_seq = flush->seq;
	r->last_seq = max_t(u64, jset_last_seq(flush->jset), 1);
	/* a damaged entry may claim any number: do not wrap */
	newest = r->entry[r->nr_entries - 1]->seq;
	r->next_seq = min_t(u64, newest, U64_MAX - 1 - JOURNAL_SEQ_SKIP) + 1 + JOURNAL_SEQ_SKIP;
	return 0;
}

/* Is a number in [start, end), where no entry was found, neither blacklisted? */
static int gap_check(const struct journal_replay *r, const struct journal_read_context *ctx,
		     u64 start, u64 end)
{
	u64 hole = start < end ? journal_blacklist_first_hole(r->blacklist, start, end) : end;

	if (hole >= end)
		return 0;
	bce_log_error(ctx->log, BCE_ERR_journal_entries_missing,
		      "journal entries from %llu missing before %llu, needed are %llu to %llu",
		      (unsigned long long)hole, (unsigned long long)end,
		      (unsigned long long)r->last_seq, (unsigned long long)r->flush_seq);
	return -EBADMSG;
}

u64 bce_journal_entry_members(const struct journal_entry *e)
{
	unsigned int i;
	u64 mask = 0;

	for (i = 0; i < e->nr_copies; i++)
		mask |= 1ULL << e->copy[i].dev;
	return mask;
}

/*
 * The members that hold an entry must be a listed combination. When members were not scanned
 * (absent, failed) or the entry has a damaged copy somewhere, we may not have met all of them.
 */
static void replicas_check(const struct journal_entry *e, const struct journal_replay *r,
			   const struct journal_read_context *ctx, u64 scanned)
{
	u64 expected = bce_replicas_members_of(ctx->sb, BCH_DATA_journal);
	u64 mask = bce_journal_entry_members(e);
	/* of the newest one not all copies need have been made when the machine stopped */
	bool some_unseen = (expected & ~scanned) || e->nr_copies == JOURNAL_COPIES_MAX ||
		e->seq == r->flush_seq;

	if (e->seq == r->last_seq ||
	    bce_replicas_listed(ctx->sb, BCH_DATA_journal, mask, some_unseen))
		return;
	bce_log_error(ctx->log, BCE_ERR_journal_entry_replicas_not_marked,
		      "journal entry %llu is on members %#llx, which the superblock does not list together",
		      (unsigned long long)e->seq, (unsigned long long)mask);
}

/* An entry with a number in the set. Sets e->ignore. */
static int check_one(struct journal_entry *e, const struct journal_replay *r,
		     const struct journal_read_context *ctx, u64 scanned)
{
	struct text_buf err = TEXT_BUF_INIT;
	int ret = 0, id;

	if (bce_journal_seq_blacklisted(r->blacklist, e->seq)) {
		e->ignore = true;
		if (bce_jset_is_noflush(e->jset) || !e->csum_good)
			return 0;
		bce_log_error(ctx->log, BCE_ERR_jset_seq_blacklisted,
			      "journal entry %llu was flushed, but is blacklisted",
			      (unsigned long long)e->seq);
		return ctx->skip_blacklist_error ? 0 : -EBADMSG;
	}
	if (!e->csum_good) {
		bce_log_line(ctx->log, BCE_LOG_ERR,
			     "journal entry %llu is needed, but has no copy with a good checksum",
			     (unsigned long long)e->seq);
		return -EBADMSG;
	}
	id = bce_jset_validate(e->jset, e->bytes, ctx->rules, &err);
	if (id) {
		bce_log_error(ctx->log, id - 1, "journal entry %llu (member %u, sector %llu): %s",
			      (unsigned long long)e->seq, e->copy[0].dev,
			      (unsigned long long)e->copy[0].sector, bce_text_str(&err));
		ret = -EBADMSG;
	}
	bce_text_exit(&err);
	replicas_check(e, r, ctx, scanned);
	return ret;
}

/* Every number of the set: an entry, or a hole that is blacklisted. */
static int check_set(struct journal_replay *r, const struct journal_read_context *ctx,
		     u64 scanned)
{
	u64 next = r->last_seq;
	int ret = 0, error;
	size_t i;

	for (i = 0; i < r->nr_entries; i++) {
		struct journal_entry *e = r->entry[i];

		if (e->seq < r->last_seq || e->seq > r->flush_seq) {
			e->ignore = true;
			continue;
		}
		error = gap_check(r, ctx, next, e->seq);
		ret = ret ?: error;
		error = check_one(e, r, ctx, scanned);
		ret = ret ?: error;
		next = e->seq + 1;
	}
	return ret;
}

int journal_select(struct journal_replay *r, const struct journal_read_context *ctx, u64 scanned)
{
	int ret = find_bounds(r, ctx);

	return ret ?: check_set(r, ctx, scanned);
}

static bool jset_is_empty(const struct journal_entry *e)
{
	const struct jset_entry *sub;

	if (e->seq != jset_last_seq(e->jset))
		return false;
	for (sub = bce_jset_first(e->jset); sub; sub = bce_jset_next(e->jset, sub))
		if (sub->type == JSET_ENTRY_btree_keys && sub->u64s)
			return false;
	return true;
}

static bool root_differs(const struct journal_root *a, const struct journal_root *b)
{
	return a->present != b->present || a->level != b->level ||
		memcmp(a->key, b->key, sizeof(a->key));
}

/* the roots of the last entry; what is short of memory is not compared */
static void compare_roots(const struct journal_replay *r, const struct journal_entry *flush,
			  const struct journal_read_context *ctx)
{
	struct journal_replay *last = kvzalloc(sizeof(*last), GFP_KERNEL);

	if (!last || journal_early_apply(last, flush->jset->entries,
					 le32_to_cpu(flush->jset->u64s)))
		goto out;
	for (unsigned int id = 0; id < BTREE_ID_MAX; id++)
		if (root_differs(&last->root[id], &r->root[id]))
			bce_log_error(ctx->log, BCE_ERR_sb_clean_btree_root_mismatch,
				      "btree %s: the root in the clean section is not the one in journal entry %llu",
				      bce_btree_name(id), (unsigned long long)flush->seq);
out:
	if (last)
		bce_journal_replay_exit(last);
	kvfree(last);
}

void journal_compare_clean(const struct journal_replay *r, const struct journal_read_context *ctx)
{
	const struct journal_entry *flush = newest_flush(r, ctx);

	if (!flush)
		return;
	if (flush->seq != r->next_seq - 1)
		bce_log_error(ctx->log, BCE_ERR_sb_clean_journal_seq_mismatch,
			      "newest journal entry is %llu, the clean section says %llu",
			      (unsigned long long)flush->seq, (unsigned long long)r->next_seq - 1);
	else
		compare_roots(r, flush, ctx);
	if (!jset_is_empty(flush))
		bce_log_error(ctx->log, BCE_ERR_clean_but_journal_not_empty,
			      "shut down cleanly, but journal entry %llu is not empty",
			      (unsigned long long)flush->seq);
}
