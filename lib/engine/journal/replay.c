// SPDX-License-Identifier: GPL-2.0
/*
 * What the last writer left: the clean section of a set that was shut down, the journal of
 * one that was not. Nothing is written; a dirty set is then read through the overlay.
 *
 * What a recovery that writes would put on disk first is kept in memory here: numbers after
 * the last flush, up to where a new journal would begin, are blacklisted, so that btree
 * nodes written under them are not believed; and the key version of an encrypted set skips
 * those that may have been used without having become visible.
 *
 * Source: docs/format/30-journal.md, sections 7 to 9; 40-recovery.md, section 1.
 */
#include "engine/journal/replay.h"

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine/format/ids.h"
#include "engine/journal/journal_internal.h"
#include "engine/sb/replicas.h"

/* versions an encrypted set may have used in its last moments (20-checksums-encryption, 4) */
#define KEY_VERSION_SKIP	65536

void bce_journal_replay_exit(struct journal_replay *r)
{
	size_t i;

	for (i = 0; i < r->nr_entries; i++)
		journal_entry_free(r->entry[i]);
	kvfree(r->entry);
	kvfree(r->blacklist);
	memset(r, 0, sizeof(*r));
}

static int read_clean_section(struct journal_replay *r, const struct journal_read_context *ctx)
{
	struct text_buf err = TEXT_BUF_INIT;
	const struct bch_sb_field_clean *c;
	size_t bytes, u64s;
	int ret = 0, id;

	c = (const void *)bce_sb_field(ctx->sb, BCH_SB_FIELD_clean, &bytes);
	if (!c || bytes < sizeof(*c)) {
		bce_log_error(ctx->log, BCE_ERR_sb_clean_missing,
			      "superblock says clean, but has no clean section");
		return -EBADMSG;
	}
	u64s = (bytes - sizeof(*c)) / 8;
	id = bce_entries_validate(c->entries, u64s, ctx->rules, &err);
	if (id) {
		if (id == BCE_ERR_journal_entry_past_jset_end + 1)
			id = BCE_ERR_sb_clean_entry_overrun + 1;
		bce_log_error(ctx->log, id - 1, "clean section: %s", bce_text_str(&err));
		ret = -EBADMSG;
	}
	bce_text_exit(&err);
	if (ret)
		return ret;
	r->next_seq = le64_to_cpu(c->journal_seq) + 1;
	return journal_early_apply(r, c->entries, u64s);
}

/* Every combination that may hold an entry must have had a member whose ring was readable. */
static int readable_check(const struct journal_scan *s, const struct journal_read_context *ctx)
{
	struct replicas_entry e;
	struct replicas_walk w;

	if (!s->unreadable)
		return 0;
	bce_replicas_walk_init(&w, ctx->sb);
	while (bce_replicas_next(&w, &e)) {
		u64 members = bce_replicas_devs_mask(&e);

		if (e.data_type != BCH_DATA_journal || !(members & s->unreadable) ||
		    (members & s->scanned & ~s->unreadable))
			continue;
		bce_log_line(ctx->log, BCE_LOG_ERR,
			     "the journal on members %#llx cannot be read completely",
			     (unsigned long long)members);
		return -EIO;
	}
	return 0;
}

/* All entries, united, go to @r, whatever becomes of them. */
static int read_entries(struct journal_replay *r, const struct journal_read_context *ctx,
			u64 *scanned)
{
	struct journal_scan s;
	int ret;

	ret = journal_scan_rings(&s, ctx);
	if (!ret)
		ret = readable_check(&s, ctx);
	if (!ret)
		ret = journal_scan_unite(&s);
	if (ret) {
		journal_scan_exit(&s);
		return ret;
	}
	r->entry = s.entry;
	r->nr_entries = s.nr;
	memcpy(r->ring_pos, s.pos, sizeof(r->ring_pos));
	*scanned = s.scanned;
	return 0;
}

static void drop_ignored(struct journal_replay *r)
{
	size_t i, kept = 0;

	for (i = 0; i < r->nr_entries; i++)
		if (r->entry[i]->ignore)
			journal_entry_free(r->entry[i]);
		else
			r->entry[kept++] = r->entry[i];
	r->nr_entries = kept;
}

static int apply_entries(struct journal_replay *r)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < r->nr_entries && !ret; i++) {
		const struct jset *j = r->entry[i]->jset;

		if (!r->entry[i]->ignore)
			ret = journal_early_apply(r, j->entries, le32_to_cpu(j->u64s));
	}
	return ret;
}

static int read_dirty(struct journal_replay *r, const struct journal_read_context *ctx)
{
	struct sb_info info;
	u64 scanned;
	int ret;

	ret = read_entries(r, ctx, &scanned);
	if (!ret)
		ret = journal_select(r, ctx, scanned);
	if (!ret)
		ret = apply_entries(r);
	if (!ret)
		ret = journal_blacklist_add(&r->blacklist, r->flush_seq + 1, r->next_seq);
	if (ret)
		return ret;
	journal_blacklist_sort(r->blacklist);
	if (!ctx->read_all)
		drop_ignored(r);

	bce_sb_info(ctx->sb, &info);
	if (info.encrypted)
		r->key_version += KEY_VERSION_SKIP;
	bce_log_line(ctx->log, BCE_LOG_INFO,
		     "not shut down cleanly: reading through journal entries %llu to %llu",
		     (unsigned long long)r->last_seq, (unsigned long long)r->flush_seq);
	return 0;
}

/* For listings: what happens to be in the rings of a clean set. */
static int read_history(struct journal_replay *r, const struct journal_read_context *ctx)
{
	u64 scanned;
	size_t i;
	int ret = read_entries(r, ctx, &scanned);

	if (ret)
		return ret;
	for (i = 0; i < r->nr_entries; i++)
		r->entry[i]->ignore = true;
	journal_compare_clean(r, ctx);
	return 0;
}

static int read_clean(struct journal_replay *r, const struct journal_read_context *ctx)
{
	int ret = read_clean_section(r, ctx);

	if (ret)
		return ret;
	journal_blacklist_sort(r->blacklist);
	r->last_seq = r->flush_seq = r->next_seq - 1;
	return ctx->read_all ? read_history(r, ctx) : 0;
}

/* ways of writing btrees so old that nothing here could read them (40-recovery, 1) */
static int features_check(const struct sb_info *info, const struct journal_read_context *ctx)
{
	u64 need = 1ULL << BCH_FEATURE_new_extent_overwrite;

	if (!info->clean)
		need |= 1ULL << BCH_FEATURE_extents_above_btree_updates;
	if (!(need & ~info->features))
		return 0;
	bce_log_line(ctx->log, BCE_LOG_ERR, "features %#llx are needed to read this set, it has %#llx",
		     (unsigned long long)need, (unsigned long long)info->features);
	return -EBADMSG;
}

int bce_journal_read(struct journal_replay *out, const struct journal_read_context *ctx)
{
	struct sb_info info;
	int ret;

	memset(out, 0, sizeof(*out));
	bce_sb_info(ctx->sb, &info);
	out->clean = info.clean;
	ret = features_check(&info, ctx);
	if (!ret)
		ret = journal_blacklist_load(&out->blacklist, ctx->sb);
	if (!ret)
		ret = info.clean ? read_clean(out, ctx) : read_dirty(out, ctx);
	if (ret)
		bce_journal_replay_exit(out);
	return ret;
}
