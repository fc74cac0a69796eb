// SPDX-License-Identifier: GPL-2.0
/*
 * The end of writing: an orderly one, and the other kind.
 *
 *   no new changes; those under way end
 *   background work ends
 *   nodes are written until nothing is unwritten and nothing pins the journal
 *   last journal entry: flushed, empty, with all roots
 *   superblocks: clean, with the same roots, and where the rings stand
 *
 * After an error (bce_set_fail()) nothing more goes to the journal or the btrees: what is on the
 * members is a set that was not shut down cleanly, which the next start recovers. Only the
 * superblock learns that there were errors.
 *
 * Source: docs/format/30-journal.md, section 10.
 */
#include "engine/set/rw.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <bcachefs/set.h>

#include "engine/alloc/alloc.h"
#include "engine/format/ids.h"
#include "engine/set/set_internal.h"
#include "engine/util/text.h"

#define CLEAN_ENTRIES_U64S	(3 * 3 + BTREE_ID_MAX * (1 + BTREE_ROOT_U64S_MAX))
/* of nodes, each after discards, when a full set is stopped */
#define FULL_FLUSHES		16

/* ---- users ---- */

/* 0; -EROFS; -EAGAIN: the set is suspended, which only @quiet changes need not wait out */
static int write_try(struct bce_set *set, struct set_rw *rw, bool quiet)
{
	enum rw_state state;

	atomic_inc(&rw->users);
	/* pairs with the barrier in bce_set_wait_for_users(): one of the two sees the other */
	smp_mb__after_atomic();
	state = smp_load_acquire(&rw->state);
	if (likely(state == RW_ON) || (quiet && state == RW_SUSPENDED))
		return 0;
	bce_set_write_put(set);
	return state == RW_SUSPENDED ? -EAGAIN : -EROFS;
}

static int write_get(struct bce_set *set, bool quiet)
{
	struct set_rw *rw = smp_load_acquire(&set->rw);
	int ret;

	if (!rw)
		return bce_set_readable(set) ?: -EROFS;
	while ((ret = write_try(set, rw, quiet)) == -EAGAIN)
		wait_event(set->resume_wait, READ_ONCE(rw->state) != RW_SUSPENDED);
	return ret;
}

int bce_set_write_get(struct bce_set *set)
{
	return write_get(set, false);
}

int bce_set_write_get_quiet(struct bce_set *set)
{
	return write_get(set, true);
}

void bce_set_write_get_inner(struct bce_set *set)
{
	atomic_inc(&set->rw->users);
}

void bce_set_write_put(struct bce_set *set)
{
	struct set_rw *rw = set->rw;

	/* who sees it at 0 may free it before we have woken him: bce_set_rw_free() waits for readers */
	rcu_read_lock();
	if (atomic_dec_and_test(&rw->users))
		wake_up_all(&rw->idle);
	rcu_read_unlock();
}

int bce_change_begin(struct bce_set *set, struct change_call *call)
{
	int ret = bce_set_write_get(set);

	if (!ret)
		*call = (struct change_call) { set, set->rw, memalloc_nofs_save() };
	return ret;
}

int bce_change_end(struct change_call *call, int ret)
{
	memalloc_nofs_restore(call->nofs);
	bce_set_write_put(call->set);
	return ret;
}

void bce_set_wait_for_users(struct set_rw *rw)
{
	smp_mb();	/* pairs with the one in write_try() */
	wait_event(rw->idle, !atomic_read(&rw->users));
}

static bool may_fail(enum rw_state state)
{
	return state != RW_OFF && state != RW_FAILED;
}

/* true for the one who ends it. Who sees that it has ended sees why: the reason is there first */
static bool fail_once(struct bce_set *set, struct set_rw *rw, const char *why)
{
	enum rw_state state, was;
	bool first = false;

	spin_lock(&set->ended_lock);
	state = READ_ONCE(rw->state);
	if (may_fail(state))
		strscpy(set->fail_reason, why, sizeof(set->fail_reason));
	while (!first && may_fail(state)) {
		was = cmpxchg(&rw->state, state, RW_FAILED);	/* a full barrier behind the reason */
		first = was == state;
		state = was;
	}
	if (!first && state == RW_OFF)
		set->fail_reason[0] = '\0';	/* it was shut down cleanly meanwhile */
	spin_unlock(&set->ended_lock);
	return first;
}

static void tell_ended(struct bce_set *set)
{
	spin_lock(&set->ended_lock);
	if (set->ended)
		set->ended(set->ended_ctx);
	spin_unlock(&set->ended_lock);
}

void bce_set_on_error_end(struct bce_set *set, void (*ended)(void *ctx), void *ctx)
{
	spin_lock(&set->ended_lock);
	set->ended = ended;
	set->ended_ctx = ctx;
	spin_unlock(&set->ended_lock);
}
EXPORT_SYMBOL_GPL(bce_set_on_error_end);

void bce_set_tell_changed(struct bce_set *set)
{
	spin_lock(&set->ended_lock);
	if (set->changed)
		set->changed(set->changed_ctx);
	spin_unlock(&set->ended_lock);
}

void bce_set_on_change(struct bce_set *set, void (*changed)(void *ctx), void *ctx)
{
	spin_lock(&set->ended_lock);
	set->changed = changed;
	set->changed_ctx = ctx;
	spin_unlock(&set->ended_lock);
}
EXPORT_SYMBOL_GPL(bce_set_on_change);

void bce_set_off_change(struct bce_set *set, void *ctx)
{
	spin_lock(&set->ended_lock);
	if (set->changed_ctx == ctx) {
		set->changed = NULL;
		set->changed_ctx = NULL;
	}
	spin_unlock(&set->ended_lock);
}
EXPORT_SYMBOL_GPL(bce_set_off_change);

void bce_set_fail(struct bce_set *set, const char *fmt, ...)
{
	struct set_rw *rw = smp_load_acquire(&set->rw);
	struct text_buf text = TEXT_BUF_INIT;
	va_list args;

	if (!rw || !may_fail(READ_ONCE(rw->state)))
		return;
	va_start(args, fmt);
	bce_text_vprintf(&text, fmt, args);
	va_end(args);
	if (fail_once(set, rw, bce_text_str(&text))) {
		wake_up_all(&set->resume_wait);
		if (rw->journal)
			bce_journal_halt(rw->journal);
		tell_ended(set);
		bce_set_tell_changed(set);
		bce_log_line(set->log, BCE_LOG_ERR, "%s: the set is read-only from now on",
			     bce_text_str(&text));
	}
	bce_text_exit(&text);
}

void bce_set_stop_writing(struct bce_set *set, const char *reason)
{
	bce_set_fail(set, "%s", reason);
}
EXPORT_SYMBOL_GPL(bce_set_stop_writing);

/* ---- the clean section ---- */

static __le64 *put_entry(__le64 *p, unsigned int type, unsigned int kind, unsigned int u64s)
{
	struct jset_entry *e = (struct jset_entry *)p;

	*e = (struct jset_entry) { .u64s = cpu_to_le16(u64s), .btree_id = kind, .type = type };
	return e->payload;
}

static __le64 *put_clock(__le64 *p, unsigned int rw, u64 time)
{
	p = put_entry(p, JSET_ENTRY_clock, 0, 2);
	*p++ = cpu_to_le64(rw);
	*p++ = cpu_to_le64(time);
	return p;
}

static unsigned int clean_entries(struct bce_set *set, __le64 *out)
{
	__le64 *p = put_entry(out, JSET_ENTRY_usage, JSET_USAGE_key_version, 1);

	*p++ = cpu_to_le64(atomic64_read(&set->rw->key_version));
	p = put_clock(p, 0, atomic64_read(&set->rw->io_clock[0]));
	p = put_clock(p, 1, atomic64_read(&set->rw->io_clock[1]));
	return p - out + bce_btrees_root_entries(set->btrees, p, CLEAN_ENTRIES_U64S - (p - out));
}

static int sb_note_rings(struct bce_set *set, u64 seq, const struct journal_ring_end *ends)
{
	struct journal_ring *ring = set->rw->ring;
	struct member_info m;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < set->info.nr_devices; i++) {
		if (!ring[i].usable)
			continue;
		ring[i].cur_idx = ends[i].last_bucket;
		ring[i].cur_used_sectors = ends[i].last_offset_sectors;
		memset(ring[i].bucket_seq, 0, ring[i].nr * sizeof(*ring[i].bucket_seq));
		ring[i].bucket_seq[ring[i].cur_idx] = seq;

		bce_sb_member(bce_sb_image(set->rw->sb), i, &m);
		m.last_journal_bucket = ends[i].last_bucket;
		m.last_journal_offset_sectors = ends[i].last_offset_sectors;
		ret = bce_sb_member_set(set->rw->sb, i, &m);
	}
	return ret;
}

static int sb_write_clean(struct bce_set *set, u64 seq, const struct journal_ring_end *ends)
{
	__le64 *entries = kvcalloc(CLEAN_ENTRIES_U64S, sizeof(*entries), GFP_KERNEL);
	struct bch_sb *sb;
	int ret;

	if (!entries)
		return -ENOMEM;
	bce_sb_edit_begin(set->rw->sb);
	bce_set_findings_note(set);
	bce_set_counters_note(set);
	ret = bce_sb_clean_set(set->rw->sb, seq, entries, clean_entries(set, entries));
	if (!ret)
		ret = sb_note_rings(set, seq, ends);
	sb = bce_sb_image(set->rw->sb);
	if (!ret) {
		BCH_SB_FLAG_SET(sb, CLEAN, 1);
		sb->compat[0] |= cpu_to_le64(BIT_ULL(BCH_COMPAT_alloc_info) |
					     BIT_ULL(BCH_COMPAT_alloc_metadata));
		sb->features[0] &= cpu_to_le64(~(BIT_ULL(BCH_FEATURE_extents_above_btree_updates) |
						 BIT_ULL(BCH_FEATURE_btree_updates_journalled)));
		ret = bce_sb_write(set->rw->sb);
	}
	bce_sb_edit_end(set->rw->sb);
	kvfree(entries);
	return ret;
}

static void sb_write_failed(struct bce_set *set)
{
	bce_sb_edit_begin(set->rw->sb);
	bce_set_findings_note(set);
	BCH_SB_FLAG_SET(bce_sb_image(set->rw->sb), HAS_ERRORS, 1);
	if (bce_sb_write(set->rw->sb))
		bce_log_line(set->log, BCE_LOG_ERR, "the superblock could not be told of the error");
	bce_sb_edit_end(set->rw->sb);
}

/* ---- stopping ---- */

/* Each flush changes pointers, which dirties parents: until one pass finds nothing. */
int bce_set_flush_all(struct bce_set *set)
{
	struct journal_stats stats;
	unsigned int rounds;
	int ret = 0;

	for (rounds = 0; !ret && rounds < 64; rounds++) {
		ret = bce_btrees_flush(set->btrees);
		if (!ret)
			ret = bce_journal_flush_pins(set->rw->journal, U64_MAX);
		bce_journal_stats(set->rw->journal, &stats);
		if (!ret && !stats.nr_pins)
			return 0;
	}
	return ret ?: -EBUSY;
}

/* The same on a full set: what nodes have left must be discarded before others can be written. */
static int flush_and_discard(struct bce_set *set)
{
	int ret = bce_set_flush_all(set);

	for (unsigned int tries = 0; (ret == -ENOSPC || ret == -EBUSY) && tries < FULL_FLUSHES; tries++) {
		if (!bce_allocator_reclaim(set->rw->alloc))
			break;
		ret = bce_set_flush_all(set);
	}
	return ret;
}

static int stop_cleanly(struct bce_set *set)
{
	struct journal_ring_end *ends;
	u64 seq;
	int ret;

	ends = kcalloc(BCE_SET_MEMBERS_MAX, sizeof(*ends), GFP_KERNEL);
	if (!ends)
		return -ENOMEM;
	ret = bce_set_flush_all(set);
	if (!ret)
		ret = bce_journal_stop(set->rw->journal, &seq, ends);
	if (!ret)
		ret = sb_write_clean(set, seq, ends);
	if (!ret) {
		set->rw->next_seq = seq + 1;
		set->rw->was_clean = true;
	} else {
		bce_log_line(set->log, BCE_LOG_ERR, "shutdown failed: error %d; the next start recovers from the journal",
			     ret);
	}
	kfree(ends);
	return ret;
}

static void rooms_close(struct bce_set *set)
{
	struct set_rw *rw = set->rw;

	bce_set_rooms_close(set);
	bce_btrees_stop_writing(set->btrees);
	bce_journal_close(rw->journal);
	rw->journal = NULL;
	bce_allocator_close(rw->alloc);
	rw->alloc = NULL;
}

void bce_set_rw_free(struct bce_set *set)
{
	struct set_rw *rw = set->rw;

	if (!rw)
		return;
	if (rw->state != RW_OFF) {
		bce_set_fail(set, "closed while it was being written");
		bce_set_rooms_stop(set);
		if (rw->alloc)
			bce_allocator_stop(rw->alloc);
		rooms_close(set);
		bce_set_findings_end(set);
	}
	bce_sb_writer_close(rw->sb);
	bce_set_rings_free(rw->ring);
	synchronize_rcu();
	kfree(rw);
	set->rw = NULL;
}

static int go_ro(struct bce_set *set)
{
	struct set_rw *rw = set->rw;
	bool failed;
	int ret;

	if (!rw || rw->state == RW_OFF || !rw->sb)
		return 0;
	if (rw->state == RW_FAILED && !rw->journal)
		return -EROFS;	/* it has been stopped */
	failed = cmpxchg(&rw->state, RW_ON, RW_STOPPING) == RW_FAILED;
	bce_set_wait_for_users(rw);
	bce_set_rooms_stop(set);
	/* most of it while discards still run; what they change comes with the rest */
	if (!failed && flush_and_discard(set))
		bce_log_line(set->log, BCE_LOG_WARN, "nodes could not be written at the first try");
	if (rw->alloc)
		bce_allocator_stop(rw->alloc);
	/* it may have failed meanwhile */
	failed = failed || READ_ONCE(rw->state) == RW_FAILED;
	ret = failed ? -EROFS : stop_cleanly(set);
	if (ret && rw->journal)
		bce_journal_halt(rw->journal);
	rooms_close(set);
	bce_set_findings_end(set);
	if (ret && bce_members_present(set->members))
		sb_write_failed(set);
	WRITE_ONCE(rw->state, ret ? RW_FAILED : RW_OFF);
	return ret;
}

int bce_set_go_ro(struct bce_set *set)
{
	unsigned int nofs = memalloc_nofs_save();
	int ret;

	bce_set_lock_running(set);
	ret = go_ro(set);
	mutex_unlock(&set->rw_lock);
	memalloc_nofs_restore(nofs);
	return ret;
}
EXPORT_SYMBOL_GPL(bce_set_go_ro);
