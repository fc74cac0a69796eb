// SPDX-License-Identifier: GPL-2.0
/*
 * Two looks at all assembled sets are compared, and what differs is told. Between looks only
 * numbers are kept of each set, in memory and as text in a file:
 *
 *   <uuid> <name> <state> <degraded> <findings> <members that are there> <errors of each of 64>
 *
 * A set that appears degraded is told as that, too; a set that was seen before the file was lost
 * is told once more, which is better than not at all.
 */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct seen {
	char		uuid[DMSET_UUID_TEXT];
	char		name[DMSET_NAME_MAX];
	char		state[16];
	unsigned int	degraded;
	uint64_t	findings;
	uint64_t	present;			/* bit per member */
	uint64_t	errors[DMSET_MEMBERS_MAX];	/* I/O and checksum errors */
};

struct look {
	struct seen	*set;
	unsigned int	nr;
};

struct watch {
	const char	*path;
	event_fn	fn;
	void		*ctx;
	struct look	last;
	/* of the look under way: paths for messages */
	const struct dmset *now;
};

/* ---- one look ---- */

static struct seen *append(struct look *l)
{
	struct seen *grown = realloc(l->set, (l->nr + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	l->set = grown;
	grown[l->nr] = (struct seen) { };
	return &grown[l->nr++];
}

static const struct seen *find(const struct look *l, const char *uuid)
{
	unsigned int i;

	for (i = 0; i < l->nr; i++)
		if (!strcmp(l->set[i].uuid, uuid))
			return &l->set[i];
	return NULL;
}

static void look_at(const struct dmset *set, struct seen *out)
{
	unsigned int i;

	memcpy(out->uuid, set->uuid, sizeof(out->uuid));
	memcpy(out->name, set->name, sizeof(out->name));
	memcpy(out->state, set->state, sizeof(out->state));
	out->degraded = set->degraded;
	out->findings = set->errors;
	for (i = 0; i < set->nr_listed; i++) {
		const struct dmset_member *m = &set->member[i];

		if (m->idx >= DMSET_MEMBERS_MAX)
			continue;
		if (m->device[0] && m->state != 'F')
			out->present |= 1ULL << m->idx;
		out->errors[m->idx] = m->io_errors + m->csum_errors;
	}
}

/* ---- differences ---- */

static const char *device_of(const struct watch *w, unsigned int idx)
{
	unsigned int i;

	for (i = 0; w->now && i < w->now->nr_listed; i++)
		if (w->now->member[i].idx == idx)
			return w->now->member[i].device;
	return "";
}

__attribute__((format(printf, 5, 6)))
static void tell(struct watch *w, const struct seen *s, enum event_kind kind, int index,
		 const char *fmt, ...)
{
	char text[300];
	struct event e = {
		.kind = kind, .uuid = s->uuid, .name = s->name, .index = index, .text = text,
		.device = index >= 0 ? device_of(w, index) : "",
	};
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	w->fn(&e, w->ctx);
}

static void compare_members(struct watch *w, const struct seen *old, const struct seen *new)
{
	unsigned int i;

	for (i = 0; i < DMSET_MEMBERS_MAX; i++) {
		uint64_t bit = 1ULL << i;

		if ((old->present & ~new->present) & bit)
			tell(w, new, EVENT_MEMBER_LOST, i, "member %u is lost", i);
		else if ((new->present & ~old->present) & bit)
			tell(w, new, EVENT_MEMBER_JOINED, i, "member %u (%s) has joined", i,
			     device_of(w, i));
		if (new->errors[i] > old->errors[i])
			tell(w, new, EVENT_MEMBER_ERRORS, i,
			     "member %u (%s): %" PRIu64 " errors of I/O and checksums, %" PRIu64 " more than before",
			     i, device_of(w, i), new->errors[i], new->errors[i] - old->errors[i]);
	}
}

/* NULL: it is as it should be */
static const char *trouble(const char *state)
{
	if (!strcmp(state, "failed"))
		return "cannot be started; the kernel log says why";
	if (!strcmp(state, "stopped"))
		return "an error has ended writing, it can still be read; the kernel log says why";
	return strcmp(state, "lost") ? NULL : "has no member left";
}

static void compare(struct watch *w, const struct seen *old, const struct seen *new)
{
	const char *bad = trouble(new->state);

	if (bad && strcmp(old->state, new->state))
		tell(w, new, EVENT_SET_FAILED, -1, "%s", bad);
	if (new->degraded && !old->degraded)
		tell(w, new, EVENT_SET_DEGRADED, -1, "is degraded: members are missing");
	if (!new->degraded && old->degraded)
		tell(w, new, EVENT_SET_COMPLETE, -1, "is complete again");
	if (new->findings > old->findings)
		tell(w, new, EVENT_SET_FINDINGS, -1,
		     "%" PRIu64 " violations of the format found; the kernel log has them",
		     new->findings);
}

static void compare_set(struct watch *w, const struct seen *new)
{
	const struct seen *old = find(&w->last, new->uuid);
	struct seen nothing = { };

	if (!old) {
		tell(w, new, EVENT_SET_ASSEMBLED, -1, "is assembled");
		nothing.present = new->present;
		old = &nothing;
	}
	compare_members(w, old, new);
	compare(w, old, new);
}

static void tell_stopped(struct watch *w, const struct look *now)
{
	unsigned int i;

	for (i = 0; i < w->last.nr; i++)
		if (!find(now, w->last.set[i].uuid))
			tell(w, &w->last.set[i], EVENT_SET_STOPPED, -1, "is stopped");
}

/* ---- the file ---- */

static void write_seen(const struct seen *s, FILE *to)
{
	unsigned int i;

	fprintf(to, "%s ", s->uuid);
	/* words are parted by spaces */
	for (i = 0; s->name[i]; i++)
		fputc(s->name[i] == ' ' ? '_' : s->name[i], to);
	fprintf(to, " %s %u %" PRIu64 " %" PRIx64, s->state, s->degraded, s->findings, s->present);
	for (i = 0; i < DMSET_MEMBERS_MAX; i++)
		fprintf(to, " %" PRIu64, s->errors[i]);
	fputc('\n', to);
}

static int save(const struct watch *w)
{
	char part[600];
	unsigned int i;
	FILE *f;

	snprintf(part, sizeof(part), "%s.new", w->path);
	f = fopen(part, "we");
	if (!f)
		return -errno;
	for (i = 0; i < w->last.nr; i++)
		write_seen(&w->last.set[i], f);
	if (fclose(f) || rename(part, w->path))
		return -errno;
	return 0;
}

static bool read_seen(struct seen *s, FILE *from)
{
	unsigned int i;

	if (fscanf(from, "%36s %127s %15s %u %" SCNu64 " %" SCNx64, s->uuid, s->name, s->state,
		   &s->degraded, &s->findings, &s->present) != 6)
		return false;
	for (i = 0; i < DMSET_MEMBERS_MAX; i++)
		if (fscanf(from, "%" SCNu64, &s->errors[i]) != 1)
			return false;
	return true;
}

static void load(struct watch *w)
{
	FILE *f = fopen(w->path, "re");
	struct seen s, *kept;

	if (!f)
		return;
	while (memset(&s, 0, sizeof(s)), read_seen(&s, f)) {
		kept = append(&w->last);
		if (!kept)
			break;
		*kept = s;
	}
	fclose(f);
}

/* ---- outside ---- */

struct watch *watch_new(const char *path, event_fn fn, void *ctx)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->path = path;
	w->fn = fn;
	w->ctx = ctx;
	load(w);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	free(w->last.set);
	free(w);
}

struct looking {
	struct watch	*w;
	struct look	now;
};

static int look_and_compare(const struct dmset *set, void *ctx)
{
	struct looking *l = ctx;
	const struct seen *old = find(&l->w->last, set->uuid);
	bool starting = !strcmp(set->state, "starting");
	struct seen *s;

	/* nothing is known of it yet */
	if (starting && !old)
		return 0;
	s = append(&l->now);
	if (!s)
		return -ENOMEM;
	if (starting) {
		*s = *old;
		return 0;
	}
	look_at(set, s);
	l->w->now = set;
	compare_set(l->w, s);
	l->w->now = NULL;
	return 0;
}

static bool same_look(const struct look *a, const struct look *b)
{
	return a->nr == b->nr && (!a->nr || !memcmp(a->set, b->set, a->nr * sizeof(*a->set)));
}

int watch_look(struct watch *w)
{
	struct looking l = { .w = w };
	int ret = dmset_for_each(look_and_compare, &l);
	bool changed;

	if (ret) {
		free(l.now.set);
		return ret;
	}
	tell_stopped(w, &l.now);
	changed = !same_look(&w->last, &l.now);
	free(w->last.set);
	w->last = l.now;
	return changed ? save(w) : 0;
}
