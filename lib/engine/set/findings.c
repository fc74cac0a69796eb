// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a finding, a violation of the format's rules that somebody met, while the set is
 * written.
 *
 *   bce_log_error(), anywhere --> found(): policy panic takes effect at once
 *                                    \--> findings_work: counts go to section errors of the superblock;
 *                                         policy ro ends writing
 *
 * Whoever met it has refused what he was asked for and built nothing on it; so with the policies
 * continue and fix_safe the rest goes on. Nothing is repaired here.
 *
 * Counting costs a superblock write, so findings are gathered for a while; the end of writing, by
 * whatever cause, tells the rest. Findings of before writing began are the reader's and are not counted.
 *
 * Source: docs/format/10-superblock.md, section 6 (errors); 90, section 2 (option errors).
 */
#include "engine/set/rw.h"

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>

#include <bcachefs/set.h>

#include "engine/sb/write.h"
#include "engine/set/set_internal.h"

#define GATHER_SECONDS	5

static void found(void *ctx, enum bce_error id)
{
	struct bce_set *set = ctx;
	struct set_rw *rw = set->rw;

	if (set->errors_policy == BCE_ERRORS_PANIC)
		panic("bcachefs: %s, and the set was mounted with errors=panic\n", bce_error_name(id));
	queue_delayed_work(system_long_wq, &rw->findings_work,
			   set->errors_policy == BCE_ERRORS_RO ? 0 : GATHER_SECONDS * HZ);
}

/* Return: how many are new; @id: one of them */
static u64 note_new(struct bce_set *set, unsigned int *id)
{
	struct set_rw *rw = set->rw;
	u64 total = 0, now, new;
	unsigned int i;

	for (i = 0; i < BCE_ERR_NR; i++) {
		now = bce_log_error_count(set->log, i);
		new = now - rw->findings_told[i];
		/* without room for the section the flag alone tells */
		if (new && !bce_sb_error_count(rw->sb, i, new))
			*id = i;
		rw->findings_told[i] = now;
		total += new;
	}
	return total;
}

void bce_set_findings_note(struct bce_set *set)
{
	unsigned int id;

	note_new(set, &id);
}

static void findings_work_fn(struct work_struct *work)
{
	struct set_rw *rw = container_of(to_delayed_work(work), struct set_rw, findings_work);
	struct bce_set *set = rw->set;
	unsigned int id = BCE_ERR_NR;
	u64 new;

	if (bce_set_write_get(set))
		return;		/* writing ends: it tells the superblock itself */
	bce_sb_edit_begin(rw->sb);
	new = note_new(set, &id);
	/* should it fail: the next write tells them */
	if (new)
		bce_sb_write(rw->sb);
	bce_sb_edit_end(rw->sb);
	if (new && READ_ONCE(set->errors_policy) == BCE_ERRORS_RO)
		bce_set_fail(set, "%llu findings (%s) while it was written, and errors=ro", new,
			     id < BCE_ERR_NR ? bce_error_name(id) : "of no known kind");
	bce_set_write_put(set);
}

static void forget_earlier(struct bce_set *set, struct set_rw *rw)
{
	unsigned int i;

	for (i = 0; i < BCE_ERR_NR; i++)
		rw->findings_told[i] = bce_log_error_count(set->log, i);
}

void bce_set_findings_init(struct bce_set *set, struct set_rw *rw)
{
	INIT_DELAYED_WORK(&rw->findings_work, findings_work_fn);
	forget_earlier(set, rw);
}

void bce_set_findings_begin(struct bce_set *set)
{
	forget_earlier(set, set->rw);
	bce_log_set_found(set->log, found, set);
}

void bce_set_findings_end(struct bce_set *set)
{
	bce_log_set_found(set->log, NULL, NULL);
	cancel_delayed_work_sync(&set->rw->findings_work);
}

void bce_set_errors_set(struct bce_set *set, enum bce_errors_policy policy)
{
	WRITE_ONCE(set->errors_policy, policy);
}
EXPORT_SYMBOL_GPL(bce_set_errors_set);

enum bce_errors_policy bce_set_errors_get(const struct bce_set *set)
{
	return READ_ONCE(set->errors_policy);
}
EXPORT_SYMBOL_GPL(bce_set_errors_get);
