// SPDX-License-Identifier: GPL-2.0
/* status: sets, their members, and what happened to them or what they wait for. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>

#include "daemon.h"
#include "dmset.h"
#include "json_out.h"
#include "records.h"
#include "seen_set.h"
#include "status_json.h"
#include "varlink.h"

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
		printf(", %s, %s, %u of %u members, %ju findings",
		       !s->read_only ? "read-write" : s->clean ? "read-only, clean" : "read-only, not shut down cleanly",
		       s->degraded ? "DEGRADED" : "complete", s->nr_present, s->nr_members,
		       (uintmax_t)s->errors);
	puts(s->open_count ? ", in use" : "");
	for (i = 0; i < s->nr_listed; i++) {
		const struct dmset_member *m = &s->member[i];

		printf("  %2u  %-20s %-7s %ju reads, %ju I/O errors, %ju checksum errors\n", m->idx,
		       m->device[0] ? m->device : "(missing)", member_state_word(m->state),
		       (uintmax_t)m->reads, (uintmax_t)m->io_errors, (uintmax_t)m->csum_errors);
	}
}

/* members that udev has met and the set does without */
static void print_late(const struct dmset *s)
{
	struct seen_set seen;
	unsigned int i, nr = 0;

	if (seen_set_read(s->uuid, &seen))
		goto exit;
	for (i = 0; i < seen.nr_cand; i++)
		if (seen_set_is_late(&seen.cand[i], s)) {
			printf("  %2u  %-20s late    the others were written meanwhile: it is not used\n",
			       seen.cand[i].sb->dev_idx, seen.cand[i].name);
			nr++;
		}
	if (nr)
		printf("      to take it in, unmount the set, then:\n"
		       "      bcachectl stop %s && bcachectl assemble UUID=%s\n", s->name, s->uuid);
exit:
	seen_set_exit(&seen);
}

/* the sets that were asked for, by any of their names; none: all */
struct wanted {
	char		*const *names;
	unsigned int	nr;
	u64		found;		/* bit per name */
	json_object	*sets, *waiting;	/* NULL: print text */
};

static bool is_wanted(struct wanted *w, const char *uuid, const char *name, const char *path)
{
	unsigned int i;
	bool hit = !w->nr;

	for (i = 0; i < w->nr; i++)
		if (!strcasecmp(w->names[i], uuid) || !strcmp(w->names[i], name) ||
		    !strcmp(w->names[i], path)) {
			w->found |= 1ULL << i;
			hit = true;
		}
	return hit;
}

static int take_assembled(const struct dmset *s, void *ctx)
{
	struct wanted *w = ctx;
	char path[256];

	dmset_path(s->name, path, sizeof(path));
	if (!is_wanted(w, s->uuid, s->name, path))
		return 0;
	if (w->sets) {
		json_object_array_add(w->sets, status_set_json(s));
	} else {
		print_text(s);
		print_late(s);
	}
	return 0;
}

static void take_waiting(const struct seen_set *s, void *ctx)
{
	struct wanted *w = ctx;
	const char *label = s->verdict.info.label;

	if (!is_wanted(w, s->set, label[0] ? label : s->set, s->set))
		return;
	if (w->waiting)
		json_object_array_add(w->waiting, seen_set_json(s));
	else
		seen_set_text(s, stdout);
}

static int status_of(char **names, unsigned int nr, bool json)
{
	struct wanted w = { .names = names, .nr = nr };
	int ret = EXIT_OK, error;
	json_object *out = NULL;
	unsigned int i;

	if (json) {
		out = json_object_new_object();
		w.sets = json_object_new_array();
		w.waiting = json_object_new_array();
		json_object_object_add(out, "sets", w.sets);
		json_object_object_add(out, "waiting", w.waiting);
	}
	error = dmset_for_each(take_assembled, &w);
	if (error) {
		complain("asking device-mapper: %s", strerror(-error));
		ret = exit_code_of(error);
	}
	status_for_each_waiting(take_waiting, &w);
	for (i = 0; !error && i < nr; i++)
		if (!(w.found & (1ULL << i))) {
			complain("no assembled set is called %s", names[i]);
			ret = EXIT_NO_DEVICE;
		}
	if (json)
		json_print(out);
	return ret;
}

/* the daemon knows, and lets its group read what otherwise only root may see; NULL: there is none */
static json_object *ask_daemon(void)
{
	return varlink_call_method(DAEMON_SOCKET, DAEMON_INTERFACE ".List");
}

/* for scripts of an initramfs: who waits for what, one to a line; assembled sets do not */
static void export_waiting(const struct seen_set *s, void *ctx)
{
	struct wanted *w = ctx;

	if (is_wanted(w, s->set, s->verdict.info.label, s->set))
		printf("%s %s\n", s->set, set_state_name(s->verdict.state));
}

static int export_all(char **names, unsigned int nr)
{
	struct wanted w = { .names = names, .nr = nr };

	status_for_each_waiting(export_waiting, &w);
	return EXIT_OK;
}

static int json_of_all(bool ask)
{
	json_object *out = ask ? ask_daemon() : NULL;
	int error = 0;

	if (!out)
		out = status_json(&error);
	if (out)
		json_print(out);
	if (error)
		complain("asking device-mapper: %s", strerror(-error));
	return exit_code_of(error);
}

static int run(int argc, char **argv)
{
	enum { OPT_RECORDS = 256 };
	static const struct option longopts[] = {
		{ "export",	no_argument, NULL, 'x' },
		{ "json",	no_argument, NULL, 'j' },
		{ "records",	required_argument, NULL, OPT_RECORDS },
		{ }
	};
	bool json = false, ask = true, export = false;
	int c;

	while ((c = getopt_long(argc, argv, "jx", longopts, NULL)) != -1) {
		if (c == 'j') {
			json = true;
		} else if (c == 'x') {
			export = true;
		} else if (c == OPT_RECORDS) {
			records_set_dir(optarg);
			ask = false;
		} else {
			return usage_error(&cmd_status, "unknown option");
		}
	}
	if (argc - optind > 64)
		return usage_error(&cmd_status, "at most 64 sets can be named");
	if (export)
		return export_all(argv + optind, argc - optind);
	if (json && optind == argc)
		return json_of_all(ask);
	return status_of(argv + optind, argc - optind, json);
}

const struct command cmd_status = {
	.name		= "status",
	.args		= "[--json | --export] [--records DIR] [SET...]",
	.summary	= "show sets and their members, assembled or waiting",
	.help		=
		"A set that is not assembled is shown if udev has met members of it.\n\n"
		"  -j, --json         machine-readable\n"
		"  -x, --export       UUID and state of sets that wait, one to a line\n"
		"      --records DIR  where incremental has kept its notes\n",
	.run		= run,
};
