// SPDX-License-Identifier: GPL-2.0
/* Records read and judged; and how that is shown while a set is not assembled. */
#include "seen_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "json_out.h"

#define WHY_INDENT	"      "

int seen_set_read(const char *set, struct seen_set *out)
{
	int ret;

	*out = (struct seen_set) { };
	snprintf(out->set, sizeof(out->set), "%s", set);
	ret = records_read(set, &out->records);
	if (ret)
		return ret;
	out->cand = set_candidates(&out->records, &out->nr_cand);
	return out->cand ? set_judge(out->cand, out->nr_cand, &out->verdict) : -ENOMEM;
}

void seen_set_exit(struct seen_set *s)
{
	set_verdict_exit(&s->verdict);
	free(s->cand);
	records_exit(&s->records);
	*s = (struct seen_set) { };
}

static const struct sb_candidate *candidate(const struct seen_set *s, const char *path)
{
	unsigned int i;

	for (i = 0; i < s->nr_cand; i++)
		if (!strcmp(s->cand[i].name, path))
			return &s->cand[i];
	return NULL;
}

const char *seen_set_device_word(const struct seen_set *s, const char *path)
{
	const struct sb_candidate *c = candidate(s, path);

	return c ? set_device_word(c->verdict) : set_state_name(SET_UNSUPPORTED);
}

/* does the set use this very device, whatever it is called? */
static bool is_device(const struct dmset_member *m, const char *path)
{
	char number[sizeof(m->number)];
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return !strcmp(m->number, number);
}

bool seen_set_is_late(const struct sb_candidate *c, const struct dmset *set)
{
	const struct dmset_member *m = NULL;
	unsigned int i;

	if (c->verdict != SB_USE)
		return false;
	for (i = 0; i < set->nr_listed; i++)
		if (set->member[i].idx == c->sb->dev_idx)
			m = &set->member[i];
	/* no slot: it has been removed from the set */
	return m && (!m->device[0] || (m->state == 'F' && !is_device(m, c->name)));
}

void print_indented(const char *lines, const char *indent, FILE *to)
{
	char *copy = strdup(lines), *rest = copy, *line;

	while (copy && (line = strsep(&rest, "\n")))
		if (*line)
			fprintf(to, "%s%s\n", indent, line);
	free(copy);
}

void seen_set_text(const struct seen_set *s, FILE *to)
{
	const struct set_verdict *v = &s->verdict;
	unsigned int i;

	fprintf(to, "%s  %s\n", v->info.label[0] ? v->info.label : "(not assembled)", s->set);
	fprintf(to, "  state %s, not assembled, %u of %u members\n", set_state_name(v->state),
		v->presence.nr_present, v->presence.nr_expected);
	print_indented(bce_text_str(&v->why), WHY_INDENT, to);
	for (i = 0; i < s->records.nr; i++) {
		const struct record *r = &s->records.rec[i];

		if (r->sb)
			fprintf(to, "  %2u  %-20s %s\n", r->sb->dev_idx, r->path,
				seen_set_device_word(s, r->path));
		else
			fprintf(to, "   -  %-20s %s\n", r->path, set_state_name(SET_UNSUPPORTED));
		if (r->why)
			print_indented(r->why, WHY_INDENT, to);
	}
}

static json_object *device_json(const struct seen_set *s, const struct record *r)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "device", r->path);
	if (r->sb)
		json_add_uint(o, "index", r->sb->dev_idx);
	json_add_string(o, "state", seen_set_device_word(s, r->path));
	json_add_string(o, "why", r->why ?: "");
	return o;
}

json_object *seen_set_json(const struct seen_set *s)
{
	json_object *o = json_object_new_object(), *members = json_object_new_array();
	const struct set_verdict *v = &s->verdict;
	unsigned int i;

	json_add_string(o, "uuid", s->set);
	json_add_string(o, "label", v->info.label);
	json_add_string(o, "state", set_state_name(v->state));
	json_add_uint(o, "members_present", v->presence.nr_present);
	json_add_uint(o, "members_total", v->presence.nr_expected);
	json_add_string(o, "why", bce_text_str(&v->why));
	for (i = 0; i < s->records.nr; i++)
		json_object_array_add(members, device_json(s, &s->records.rec[i]));
	json_object_object_add(o, "members", members);
	return o;
}
