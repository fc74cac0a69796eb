// SPDX-License-Identifier: GPL-2.0
/*
 * Sets as JSON. Assembled sets are asked through device-mapper; sets that wait for members, a key
 * or a decision are known from the records of their members.
 */
#include "status_json.h"

#include "json_out.h"
#include "seen_set.h"

const char *member_state_word(char state)
{
	switch (state) {
	case 'R':
		return "rw";
	case 'r':
		return "ro";
	case 'F':
		return "failed";
	case 'S':
		return "spare";
	default:
		return "unknown";
	}
}

static json_object *member_json(const struct dmset_member *m)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "index", m->idx);
	json_add_bool(o, "present", m->device[0]);
	json_add_string(o, "device", m->device);
	json_add_string(o, "state", member_state_word(m->state));
	json_add_uint(o, "reads", m->reads);
	json_add_uint(o, "io_errors", m->io_errors);
	json_add_uint(o, "checksum_errors", m->csum_errors);
	return o;
}

static json_object *late_json(const struct dmset *s)
{
	json_object *late = json_object_new_array(), *o;
	struct seen_set seen;
	unsigned int i;

	if (seen_set_read(s->uuid, &seen))
		goto exit;
	for (i = 0; i < seen.nr_cand; i++) {
		if (!seen_set_is_late(&seen.cand[i], s))
			continue;
		o = json_object_new_object();
		json_add_uint(o, "index", seen.cand[i].sb->dev_idx);
		json_add_string(o, "device", seen.cand[i].name);
		json_object_array_add(late, o);
	}
exit:
	seen_set_exit(&seen);
	return late;
}

json_object *status_set_json(const struct dmset *s)
{
	json_object *o = json_object_new_object(), *members = json_object_new_array();
	char path[256];
	unsigned int i;

	dmset_path(s->name, path, sizeof(path));
	json_add_string(o, "device", path);
	json_add_string(o, "name", s->name);
	json_add_string(o, "uuid", s->uuid);
	json_add_string(o, "state", s->state);
	json_add_int(o, "start_error", s->start_error);
	json_add_bool(o, "suspended", s->suspended);
	json_add_bool(o, "in_use", s->open_count > 0);
	json_add_bool(o, "clean", s->clean);
	json_add_bool(o, "read_only", s->read_only);
	json_add_bool(o, "degraded", s->degraded);
	json_add_uint(o, "members_present", s->nr_present);
	json_add_uint(o, "members_total", s->nr_members);
	json_add_uint(o, "errors", s->errors);
	for (i = 0; i < s->nr_listed; i++)
		json_object_array_add(members, member_json(&s->member[i]));
	json_object_object_add(o, "members", members);
	json_object_object_add(o, "late", late_json(s));
	return o;
}

struct waiting {
	waiting_fn	fn;
	void		*ctx;
};

static int if_waiting(const char *set, void *ctx)
{
	const struct waiting *w = ctx;
	struct seen_set s;

	if (dmset_exists(set))
		return 0;
	if (!seen_set_read(set, &s) && s.records.nr)
		w->fn(&s, w->ctx);
	seen_set_exit(&s);
	return 0;
}

void status_for_each_waiting(waiting_fn fn, void *ctx)
{
	struct waiting w = { fn, ctx };

	records_for_each_set(if_waiting, &w);
}

static int add_assembled(const struct dmset *s, void *ctx)
{
	json_object_array_add(ctx, status_set_json(s));
	return 0;
}

static void add_waiting(const struct seen_set *s, void *ctx)
{
	json_object_array_add(ctx, seen_set_json(s));
}

json_object *status_json(int *error)
{
	json_object *sets = json_object_new_array(), *waiting = json_object_new_array(), *out;

	*error = dmset_for_each(add_assembled, sets);
	if (*error) {
		json_object_put(sets);
		json_object_put(waiting);
		return NULL;
	}
	status_for_each_waiting(add_waiting, waiting);
	out = json_object_new_object();
	json_object_object_add(out, "sets", sets);
	json_object_object_add(out, "waiting", waiting);
	return out;
}
