// SPDX-License-Identifier: GPL-2.0
/*
 * top: what mounted sets are doing now. Counters of their members are read twice; the difference is shown.
 *
 * Which sets there are and how they stand is asked of the daemon, or where none runs of device-mapper; counters are in
 * /sys/fs/bcachefs. So whoever may read the daemon's socket can use it.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "dmset.h"
#include "json_out.h"
#include "status_json.h"
#include "sys_set.h"
#include "varlink.h"

enum { READ, WRITE, KINDS };

static const char *const kind_words[KINDS] = { "read", "write" };

struct counters {
	uint64_t	ios, bytes;
	uint64_t	timed, sum_ns;		/* those whose time was taken */
};

/* one member at one moment */
struct sample {
	char		uuid[DMSET_UUID_TEXT];
	unsigned int	idx;
	struct counters	io[KINDS];
};

struct samples {
	struct sample	*at;
	unsigned int	nr;
	uint64_t	ns;			/* when */
};

struct top {
	double		interval;		/* seconds */
	unsigned int	count;			/* 0: until it is interrupted */
	bool		json;
	char		*const *names;
	unsigned int	nr_names;
};

/* ---- reading ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void read_latency(const char *uuid, unsigned int idx, const char *file, struct counters *out)
{
	sys_member_words(uuid, idx, file, (struct sys_word[]) {
		{ "count", &out->timed }, { "sum_ns", &out->sum_ns },
	}, 2);
}

static void read_counters(const char *uuid, unsigned int idx, struct counters out[KINDS])
{
	sys_member_words(uuid, idx, "io_done", (struct sys_word[]) {
		{ "read_ios", &out[READ].ios }, { "read_bytes", &out[READ].bytes },
		{ "write_ios", &out[WRITE].ios }, { "write_bytes", &out[WRITE].bytes },
	}, 4);
	read_latency(uuid, idx, "io_latency_stats_read", &out[READ]);
	read_latency(uuid, idx, "io_latency_stats_write", &out[WRITE]);
}

static void read_set(const char *uuid, void *ctx)
{
	struct samples *s = ctx;
	struct sample *grown;
	unsigned int i;

	for (i = 0; i < DMSET_MEMBERS_MAX; i++) {
		if (!sys_member_number(uuid, i, "present"))
			continue;
		grown = realloc(s->at, (s->nr + 1) * sizeof(*grown));
		if (!grown)
			return;
		s->at = grown;
		grown += s->nr++;
		*grown = (struct sample) { .idx = i };
		snprintf(grown->uuid, sizeof(grown->uuid), "%s", uuid);
		read_counters(uuid, i, grown->io);
	}
}

static struct samples read_all(void)
{
	struct samples s = { .ns = now_ns() };

	sys_set_for_each(read_set, &s);
	return s;
}

static const struct sample *find(const struct samples *s, const char *uuid, unsigned int idx)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->at[i].idx == idx && !strcmp(s->at[i].uuid, uuid))
			return &s->at[i];
	return NULL;
}

/* ---- what a member did between two moments, as it is added to what status tells of it ---- */

/* counters begin anew when a set is assembled anew */
static uint64_t rate(uint64_t old, uint64_t new, double seconds)
{
	return new > old && seconds > 0 ? (new - old) / seconds : 0;
}

static void add_kind(json_object *m, unsigned int kind, const struct counters *old, const struct counters *new,
		     double seconds)
{
	uint64_t timed = new->timed - old->timed;
	char name[64];

	snprintf(name, sizeof(name), "%s_bytes_per_second", kind_words[kind]);
	json_add_uint(m, name, rate(old->bytes, new->bytes, seconds));
	snprintf(name, sizeof(name), "%s_ios_per_second", kind_words[kind]);
	json_add_uint(m, name, rate(old->ios, new->ios, seconds));
	snprintf(name, sizeof(name), "%s_ns", kind_words[kind]);
	json_add_uint(m, name, new->timed > old->timed ? (new->sum_ns - old->sum_ns) / timed : 0);
}

static void add_member(json_object *m, const char *uuid, const struct samples *old, const struct samples *new)
{
	unsigned int idx = json_object_get_int(json_object_object_get(m, "index")), kind;
	const struct sample *a = find(old, uuid, idx), *b = find(new, uuid, idx);
	double seconds = (new->ns - old->ns) / 1e9;
	struct sys_room room;

	if (!a || !b)
		return;
	for (kind = 0; kind < KINDS; kind++)
		add_kind(m, kind, &a->io[kind], &b->io[kind], seconds);
	sys_member_room(uuid, idx, &room);
	json_add_uint(m, "bytes", room.bytes);
	json_add_uint(m, "room_bytes", room.room_bytes);
}

static const char *string_of(json_object *o, const char *name)
{
	return json_object_get_string(json_object_object_get(o, name)) ?: "";
}

static void add_set(json_object *set, const struct samples *old, const struct samples *new)
{
	json_object *members = json_object_object_get(set, "members");
	const char *uuid = string_of(set, "uuid");
	uint64_t capacity, used;
	size_t i;

	sys_set_words(uuid, "usage", (struct sys_word[]) { { "capacity", &capacity }, { "used", &used } }, 2);
	json_add_bool(set, "mounted", sys_set_is_mounted(uuid));
	json_add_uint(set, "capacity_bytes", capacity);
	json_add_uint(set, "used_bytes", used);
	for (i = 0; i < json_object_array_length(members); i++)
		add_member(json_object_array_get_idx(members, i), uuid, old, new);
}

/* ---- showing ---- */

static uint64_t uint_of(json_object *o, const char *name)
{
	return json_object_get_uint64(json_object_object_get(o, name));
}

static bool is_true(json_object *o, const char *name)
{
	return json_object_get_boolean(json_object_object_get(o, name));
}

static void print_set(json_object *s)
{
	uint64_t capacity = uint_of(s, "capacity_bytes"), used = uint_of(s, "used_bytes");

	printf("%s  %s, %s, %s", string_of(s, "name"), string_of(s, "state"),
	       is_true(s, "mounted") ? is_true(s, "read_only") ? "mounted read-only" : "mounted" : "not mounted",
	       is_true(s, "degraded") ? "DEGRADED" : "complete");
	if (capacity)
		printf(", %.1f of %.1f GiB used (%.0f%%)", used / 0x1p30, capacity / 0x1p30, 100.0 * used / capacity);
	putchar('\n');
}

static void print_member(json_object *m)
{
	uint64_t bytes = uint_of(m, "bytes");

	printf("  %2ju  %-18.18s %-7s", (uintmax_t)uint_of(m, "index"),
	       is_true(m, "present") ? string_of(m, "device") : "(missing)", string_of(m, "state"));
	for (unsigned int kind = 0; kind < KINDS; kind++) {
		char name[64];

		snprintf(name, sizeof(name), "%s_bytes_per_second", kind_words[kind]);
		printf(" %9.1f", uint_of(m, name) / 0x1p20);
		snprintf(name, sizeof(name), "%s_ios_per_second", kind_words[kind]);
		printf(" %7ju", (uintmax_t)uint_of(m, name));
		snprintf(name, sizeof(name), "%s_ns", kind_words[kind]);
		printf(" %8.2f", uint_of(m, name) / 1e6);
	}
	if (bytes)
		printf(" %4.0f%%", 100.0 * uint_of(m, "room_bytes") / bytes);
	else
		printf("    - ");
	printf(" %7ju\n", (uintmax_t)(uint_of(m, "io_errors") + uint_of(m, "checksum_errors")));
}

static void print_text(json_object *sets)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	printf("%-31s %9s %7s %8s %9s %7s %8s %5s %7s\n", "      device             state", "read MB/s", "reads/s", "ms each",
	       "write", "writes", "ms each", "room", "errors");
	for (size_t i = 0; i < json_object_array_length(sets); i++) {
		json_object *s = json_object_array_get_idx(sets, i), *members = json_object_object_get(s, "members");

		print_set(s);
		for (size_t j = 0; j < json_object_array_length(members); j++)
			print_member(json_object_array_get_idx(members, j));
	}
	fflush(stdout);
}

static bool is_wanted(const struct top *t, json_object *set)
{
	unsigned int i;

	for (i = 0; i < t->nr_names; i++)
		if (!strcasecmp(t->names[i], string_of(set, "uuid")) || !strcmp(t->names[i], string_of(set, "name")) ||
		    !strcmp(t->names[i], string_of(set, "device")))
			return true;
	return !t->nr_names;
}

/* the sets asked for, with what they did */
static json_object *sets_now(const struct top *t, const struct samples *old, const struct samples *new, int *error)
{
	json_object *all = varlink_call_method(DAEMON_SOCKET, DAEMON_INTERFACE ".List"), *sets, *out;

	*error = 0;
	if (!all)
		all = status_json(error);
	if (!all)
		return NULL;
	sets = json_object_object_get(all, "sets");
	out = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(sets); i++) {
		json_object *s = json_object_array_get_idx(sets, i);

		if (!is_wanted(t, s))
			continue;
		add_set(s, old, new);
		json_object_array_add(out, json_object_get(s));
	}
	json_object_put(all);
	return out;
}

static int show(const struct top *t, const struct samples *old, const struct samples *new)
{
	json_object *o, *sets;
	int error;

	sets = sets_now(t, old, new, &error);
	if (!sets) {
		complain("asking device-mapper: %s", strerror(-error));
		return exit_code_of(error);
	}
	if (t->nr_names && !json_object_array_length(sets)) {
		json_object_put(sets);
		complain("no assembled set is called so\n  see: bcachectl status");
		return EXIT_NO_DEVICE;
	}
	if (t->json) {
		o = json_object_new_object();
		json_object_object_add(o, "sets", sets);
		json_print_line(o);
		fflush(stdout);
	} else {
		print_text(sets);
		json_object_put(sets);
	}
	return EXIT_OK;
}

static int loop(const struct top *t)
{
	struct timespec pause = { .tv_sec = t->interval, .tv_nsec = (t->interval - (time_t)t->interval) * 1e9 };
	struct samples old = read_all(), new;
	unsigned int i;
	int ret = EXIT_OK;

	for (i = 0; !ret && (!t->count || i < t->count); i++) {
		nanosleep(&pause, NULL);
		new = read_all();
		ret = show(t, &old, &new);
		free(old.at);
		old = new;
	}
	free(old.at);
	return ret;
}

static bool parse_number(const char *text, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && !*end && *out > 0 && *out <= max;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "interval",	required_argument, NULL, 'i' },
		{ "count",	required_argument, NULL, 'n' },
		{ "json",	no_argument, NULL, 'j' },
		{ }
	};
	struct top t = { .interval = 2 };
	double count;
	int c;

	while ((c = getopt_long(argc, argv, "i:n:j", longopts, NULL)) != -1) {
		if (c == 'j') {
			t.json = true;
		} else if (c == 'i') {
			if (!parse_number(optarg, 86400, &t.interval))
				return usage_error(&cmd_top, "--interval: seconds, up to a day, not '%s'", optarg);
		} else if (c == 'n') {
			if (!parse_number(optarg, 1e9, &count) || count != (unsigned int)count)
				return usage_error(&cmd_top, "--count: a number, not '%s'", optarg);
			t.count = count;
		} else {
			return usage_error(&cmd_top, "unknown option");
		}
	}
	t.names = argv + optind;
	t.nr_names = argc - optind;
	return loop(&t);
}

const struct command cmd_top = {
	.name		= "top",
	.args		= "[--interval SECONDS] [--count N] [--json] [SET...]",
	.summary	= "show what mounted sets and their members are doing",
	.help		=
		"Of each member: what was read and written per second, how long each took, how much room is\n"
		"left (cached data takes none), errors since it was assembled. Until it is interrupted.\n\n"
		"  -i, --interval SECONDS  between two looks (2)\n"
		"  -n, --count N           end after so many\n"
		"  -j, --json              one object per look, on a line: what status --json has, and rates\n",
	.run		= run,
};
