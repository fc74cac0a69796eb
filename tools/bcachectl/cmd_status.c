// SPDX-License-Identifier: GPL-2.0
/* status: assembled sets, their members, and what happened to them. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "dmset.h"
#include "json_out.h"

static const char *state_word(char state)
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

static void print_text(const struct dmset *s)
{
	char path[256];
	unsigned int i;

	dmset_path(s->name, path, sizeof(path));
	printf("%s  %s\n", path, s->uuid);
	printf("  state %s%s", s->state, s->suspended ? ", suspended" : "");
	if (s->start_error)
		printf(" (%s)", strerror(-s->start_error));
	if (strcmp(s->state, "lost"))
		printf(", %s, %s, %s, %u of %u members, %ju findings",
		       s->read_only ? "read-only" : "read-write",
		       s->clean ? "clean" : "not shut down cleanly",
		       s->degraded ? "DEGRADED" : "complete", s->nr_present, s->nr_members,
		       (uintmax_t)s->errors);
	puts(s->open_count ? ", in use" : "");
	for (i = 0; i < s->nr_listed; i++) {
		const struct dmset_member *m = &s->member[i];

		printf("  %2u  %-20s %-7s %ju reads, %ju I/O errors, %ju checksum errors\n", m->idx,
		       m->device[0] ? m->device : "(missing)", state_word(m->state),
		       (uintmax_t)m->reads, (uintmax_t)m->io_errors, (uintmax_t)m->csum_errors);
	}
}

static json_object *member_json(const struct dmset_member *m)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "index", m->idx);
	json_add_bool(o, "present", m->device[0]);
	json_add_string(o, "device", m->device);
	json_add_string(o, "state", state_word(m->state));
	json_add_uint(o, "reads", m->reads);
	json_add_uint(o, "io_errors", m->io_errors);
	json_add_uint(o, "checksum_errors", m->csum_errors);
	return o;
}

static json_object *set_json(const struct dmset *s)
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
	return o;
}

static int collect(const struct dmset *s, void *ctx)
{
	if (ctx)
		json_object_array_add(ctx, set_json(s));
	else
		print_text(s);
	return 0;
}

static int status_of(char **names, int nr, json_object *sets)
{
	struct dmset set;
	int worst = EXIT_OK, i, ret;

	for (i = 0; i < nr; i++) {
		ret = dmset_find(names[i], &set);
		if (!ret) {
			collect(&set, sets);
			continue;
		}
		complain("no assembled set is called %s", names[i]);
		worst = exit_code_of(ret);
	}
	return worst;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json", no_argument, NULL, 'j' },
		{ }
	};
	json_object *sets = NULL, *out;
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", longopts, NULL)) != -1) {
		if (c != 'j')
			return usage_error(&cmd_status, "unknown option");
		sets = sets ?: json_object_new_array();
	}
	if (optind < argc) {
		ret = status_of(argv + optind, argc - optind, sets);
	} else {
		ret = dmset_for_each(collect, sets);
		if (ret)
			complain("asking device-mapper: %s", strerror(-ret));
		ret = exit_code_of(ret);
	}
	if (sets) {
		out = json_object_new_object();
		json_object_object_add(out, "sets", sets);
		json_print(out);
	}
	return ret;
}

const struct command cmd_status = {
	.name		= "status",
	.args		= "[--json] [SET...]",
	.summary	= "show assembled sets and their members",
	.help		= "  -j, --json  machine-readable\n",
	.run		= run,
};
