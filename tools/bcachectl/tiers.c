// SPDX-License-Identifier: GPL-2.0
/*
 * What the file system shows of each member in /sys/fs/bcachefs, added up by the first word of its
 * label: that is what targets name.
 *
 * A group is full when less than FULL_PERCENT is left: writes have begun to go elsewhere, or soon will. Cached
 * data takes no room.
 *
 * What was told is kept in memory only: a daemon that was started anew tells once more.
 */
#include "tiers.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmset.h"
#include "sys_set.h"

#define FULL_PERCENT	5
#define ROOM_PERCENT	10	/* as much has to be there before it can get full again */
#define LABEL_MAX	264

struct tier {
	char		uuid[DMSET_UUID_TEXT];
	char		group[LABEL_MAX];
	uint64_t	total, room;	/* bytes */
	bool		full;
};

struct list {
	struct tier	*tier;
	unsigned int	nr;
};

struct tiers {
	event_fn	fn;
	void		*ctx;
	struct list	last;
};

/* ---- one look ---- */

static struct tier *find(const struct list *l, const char *uuid, const char *group)
{
	unsigned int i;

	for (i = 0; i < l->nr; i++)
		if (!strcmp(l->tier[i].uuid, uuid) && !strcmp(l->tier[i].group, group))
			return &l->tier[i];
	return NULL;
}

static struct tier *find_or_add(struct list *l, const char *uuid, const char *group)
{
	struct tier *t = find(l, uuid, group), *grown;

	if (t)
		return t;
	grown = realloc(l->tier, (l->nr + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	l->tier = grown;
	t = &grown[l->nr++];
	*t = (struct tier) { };
	snprintf(t->uuid, sizeof(t->uuid), "%s", uuid);
	snprintf(t->group, sizeof(t->group), "%s", group);
	return t;
}

static void add_member(struct list *l, const char *uuid, unsigned int idx)
{
	char label[LABEL_MAX];
	struct sys_room room;
	struct tier *t;

	sys_member_line(uuid, idx, "label", label, sizeof(label));
	label[strcspn(label, ".")] = '\0';
	t = find_or_add(l, uuid, label);
	if (!t)
		return;
	sys_member_room(uuid, idx, &room);
	t->total += room.bytes;
	t->room += room.room_bytes;
}

static void look_at_set(const char *uuid, void *ctx)
{
	unsigned int i;

	for (i = 0; i < DMSET_MEMBERS_MAX; i++)
		if (sys_member_number(uuid, i, "present"))
			add_member(ctx, uuid, i);
}

/* ---- telling ---- */

static bool is_full(const struct tier *t, bool was_full)
{
	return t->room < t->total / 100 * (was_full ? ROOM_PERCENT : FULL_PERCENT);
}

static void tell(const struct tiers *t, const struct tier *full)
{
	char name[DMSET_NAME_MAX], text[400], group[LABEL_MAX + 10] = "";
	struct event e = {
		.kind = EVENT_TIER_FULL, .uuid = full->uuid, .name = name, .index = -1, .device = "",
		.text = text,
	};

	sys_set_line(full->uuid, "label", name, sizeof(name));
	if (!name[0])
		snprintf(name, sizeof(name), "%s", full->uuid);
	if (full->group[0])
		snprintf(group, sizeof(group), " of group %s", full->group);
	snprintf(text, sizeof(text), "members%s are full: %" PRIu64 " MiB of %" PRIu64 " are left", group,
		 full->room >> 20, full->total >> 20);
	t->fn(&e, t->ctx);
}

void tiers_look(struct tiers *t)
{
	struct list now = { };
	unsigned int i;

	sys_set_for_each(look_at_set, &now);
	for (i = 0; i < now.nr; i++) {
		struct tier *new = &now.tier[i];
		const struct tier *old = find(&t->last, new->uuid, new->group);

		new->full = is_full(new, old && old->full);
		if (new->full && !(old && old->full))
			tell(t, new);
	}
	free(t->last.tier);
	t->last = now;
}

struct tiers *tiers_new(event_fn fn, void *ctx)
{
	struct tiers *t = calloc(1, sizeof(*t));

	if (t) {
		t->fn = fn;
		t->ctx = ctx;
	}
	return t;
}

void tiers_free(struct tiers *t)
{
	if (!t)
		return;
	free(t->last.tier);
	free(t);
}
