// SPDX-License-Identifier: GPL-2.0
/*
 * A set that was started without some members takes them in when they come; one whose member is
 * pulled lets go of the device, so that it can come back as another one.
 *
 *   table now  -->  devices + or - one, feature "degraded"  -->  load, resume
 *
 * The kernel checks the new members as it did the first, and refuses what does not belong; the
 * old table stays then.
 *
 * Only while the set is not being written: a member that was away while others were written has to
 * be brought up to date by the engine, which it does when the set is started. So a set that is
 * mounted read-write is told about, not touched; unmounting and assembling it anew takes the member
 * in.
 *
 * A disk that was pulled while the set was written keeps its place in the table, as failed; when it
 * is back it is another device, which takes that place.
 */
#include "rejoin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmset.h"
#include "engine/util/text.h"
#include "seen_set.h"

/* ---- tables in words: <uuid> <#devs> <dev>... <#features> <feature>... ---- */

struct table {
	char		*params;	/* the words lie in here */
	uint64_t	sectors;
	bool		read_only;
	const char	*uuid;
	const char	*dev[DMSET_MEMBERS_MAX];
	unsigned int	nr_devs;
	const char	*feature[16];
	unsigned int	nr_features;
};

static bool table_read(const char *name, struct table *t)
{
	unsigned int i;
	char *rest;

	*t = (struct table) { };
	t->params = dmset_table(name, &t->sectors, &t->read_only);
	if (!t->params)
		return false;
	rest = t->params;
	t->uuid = dmset_next_word(&rest);
	t->nr_devs = atoi(dmset_next_word(&rest));
	if (t->nr_devs > DMSET_MEMBERS_MAX)
		return false;
	for (i = 0; i < t->nr_devs; i++)
		t->dev[i] = dmset_next_word(&rest);
	t->nr_features = atoi(dmset_next_word(&rest));
	if (t->nr_features >= 16)
		return false;
	for (i = 0; i < t->nr_features; i++)
		t->feature[i] = dmset_next_word(&rest);
	return true;
}

static int table_load(const char *name, const struct table *t)
{
	struct text_buf params = TEXT_BUF_INIT;
	unsigned int i;
	int ret;

	bce_text_printf(&params, "%s %u", t->uuid, t->nr_devs);
	for (i = 0; i < t->nr_devs; i++)
		bce_text_printf(&params, " %s", t->dev[i]);
	bce_text_printf(&params, " %u", t->nr_features);
	for (i = 0; i < t->nr_features; i++)
		bce_text_printf(&params, " %s", t->feature[i]);
	ret = dmset_reload(name, t->sectors, bce_text_str(&params), t->read_only);
	bce_text_exit(&params);
	return ret;
}

static void allow_degraded(struct table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_features; i++)
		if (!strcmp(t->feature[i], "degraded") || !strcmp(t->feature[i], "very_degraded"))
			return;
	t->feature[t->nr_features++] = "degraded";
}

/* ---- telling ---- */

static void tell(event_fn fn, void *ctx, const struct dmset *set, enum event_kind kind, int index,
		 const char *device, const char *text)
{
	const struct event e = {
		.kind = kind, .uuid = set->uuid, .name = set->name, .index = index,
		.device = device, .text = text,
	};

	fn(&e, ctx);
}

static void tell_late(event_fn fn, void *ctx, const struct dmset *set, int index,
		      const char *device, const char *why)
{
	char text[400];

	snprintf(text, sizeof(text), "member %d (%s) is there again and cannot be taken in: %s", index,
		 device, why);
	tell(fn, ctx, set, EVENT_MEMBER_LATE, index, device, text);
}

static void tell_being_written(event_fn fn, void *ctx, const struct dmset *set, int index,
			       const char *device)
{
	char why[300];

	snprintf(why, sizeof(why),
		 "the others were written meanwhile; unmount the set, then: bcachectl stop %s && bcachectl assemble UUID=%s",
		 set->name, set->uuid);
	tell_late(fn, ctx, set, index, device, why);
}

/* ---- coming ---- */

/* the device that the table has for member @idx, although nothing is read from it; NULL: none */
static const char **dead_device(const struct dmset *set, struct table *t, unsigned int idx)
{
	unsigned int i, j;

	for (i = 0; i < set->nr_listed; i++)
		for (j = 0; set->member[i].idx == idx && j < t->nr_devs; j++)
			if (!strcmp(set->member[i].number, t->dev[j]))
				return &t->dev[j];
	return NULL;
}

static bool put_into(const struct dmset *set, struct table *t, const struct sb_candidate *c)
{
	const char **dead = dead_device(set, t, c->sb->dev_idx);

	if (dead)
		*dead = c->name;
	else if (t->nr_devs < DMSET_MEMBERS_MAX)
		t->dev[t->nr_devs++] = c->name;
	else
		return false;
	return true;
}

static void take_in(const struct dmset *set, const struct seen_set *seen, event_fn fn, void *ctx)
{
	const struct sb_candidate *first = NULL;
	struct table t;
	unsigned int i;
	int ret;

	if (!table_read(set->name, &t))
		goto exit;
	for (i = 0; i < seen->nr_cand; i++) {
		const struct sb_candidate *c = &seen->cand[i];

		if (!seen_set_is_late(c, set))
			continue;
		if (!set->read_only)
			tell_being_written(fn, ctx, set, c->sb->dev_idx, c->name);
		else if (put_into(set, &t, c) && !first)
			first = c;
	}
	if (!first)
		goto exit;
	ret = table_load(set->name, &t);
	if (ret)
		tell_late(fn, ctx, set, first->sb->dev_idx, first->name, strerror(-ret));
exit:
	free(t.params);
}

void rejoin_late_members(const char *uuid, event_fn fn, void *ctx)
{
	struct seen_set seen;
	struct dmset *set;

	/* first, since it asks the sets nothing */
	if (!dmset_exists(uuid))
		return;
	set = malloc(sizeof(*set));
	if (set && !dmset_find(uuid, set) && set->degraded && !strcmp(set->state, "running")) {
		if (!seen_set_read(uuid, &seen))
			take_in(set, &seen, fn, ctx);
		seen_set_exit(&seen);
	}
	free(set);
}

struct each {
	event_fn	fn;
	void		*ctx;
};

static int rejoin_one(const char *uuid, void *ctx)
{
	const struct each *e = ctx;

	rejoin_late_members(uuid, e->fn, e->ctx);
	return 0;
}

void rejoin_all(event_fn fn, void *ctx)
{
	struct each e = { fn, ctx };

	records_for_each_set(rejoin_one, &e);
}

/* ---- going ---- */

/* by what remains in the running set: is all data there without member @gone? */
static bool data_complete_without(const struct dmset *set, unsigned int gone)
{
	struct sb_presence pr = { };
	struct seen_set seen;
	u64 present = 0;
	unsigned int i;

	for (i = 0; i < set->nr_listed; i++)
		if (set->member[i].device[0] && set->member[i].idx != gone)
			present |= 1ULL << set->member[i].idx;
	if (!seen_set_read(set->uuid, &seen) && seen.verdict.best)
		bce_sb_presence(seen.verdict.best, present, &pr);
	seen_set_exit(&seen);
	return present && pr.data_complete;
}

struct going {
	const char	*id;
	struct each	each;
};

static void let_go(const struct dmset *set, struct table *t, unsigned int nth, struct going *g)
{
	unsigned int i, left = 0;
	int idx = -1, ret;
	char text[200];

	for (i = 0; i < set->nr_listed && idx < 0; i++)
		if (!strcmp(set->member[i].number, g->id))
			idx = set->member[i].idx;
	snprintf(text, sizeof(text), "member %d is gone", idx);
	if (idx < 0 || !set->read_only || !data_complete_without(set, idx)) {
		tell(g->each.fn, g->each.ctx, set, EVENT_MEMBER_LOST, idx, g->id, text);
		return;
	}
	for (i = 0; i < t->nr_devs; i++)
		if (i != nth)
			t->dev[left++] = t->dev[i];
	t->nr_devs = left;
	allow_degraded(t);
	/* its loss is seen by the next look at the set */
	ret = table_load(set->name, t);
	if (ret)
		tell(g->each.fn, g->each.ctx, set, EVENT_MEMBER_LOST, idx, g->id, text);
}

static int drop_from(const struct dmset *set, void *ctx)
{
	struct going *g = ctx;
	struct table t;
	unsigned int i;

	if (table_read(set->name, &t))
		for (i = 0; i < t.nr_devs; i++)
			if (!strcmp(t.dev[i], g->id)) {
				let_go(set, &t, i, g);
				break;
			}
	free(t.params);
	return 0;
}

void rejoin_without(const char *id, event_fn fn, void *ctx)
{
	struct going g = { id, { fn, ctx } };

	dmset_for_each(drop_from, &g);
}
