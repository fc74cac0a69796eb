// SPDX-License-Identifier: GPL-2.0
/* fsck -n: look for damage in an unmounted set. Exit codes follow fsck(8). */
#include "cmd.h"

#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* before the kernel headers, whose "current" is a macro */
#include "json_out.h"

#include <bcachefs/check.h>

#include "offline.h"

enum fsck_exit { FSCK_CLEAN = 0, FSCK_FINDINGS = 4, FSCK_FAILED = 8, FSCK_USAGE = 16 };

enum progress_form { PROGRESS_NONE, PROGRESS_LINE, PROGRESS_JSON };

struct progress {
	enum progress_form	form;
	struct timespec		start;
	struct timespec		last;
};

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - then->tv_sec + (now.tv_nsec - then->tv_nsec) / 1e9;
}

static void progress_line(struct progress *p, const char *pass, u64 done, u64 total)
{
	double elapsed = seconds_since(&p->start);
	double rate = elapsed > 0 ? done / elapsed : 0;

	fprintf(stderr, "\r%-18s %ju", pass, (uintmax_t)done);
	if (total)
		fprintf(stderr, " of %ju", (uintmax_t)total);
	fprintf(stderr, " keys, %.0f/s", rate);
	if (total > done && rate > 0)
		fprintf(stderr, ", %.0f s left", (total - done) / rate);
	fputs("   ", stderr);
}

static void progress_json(const char *pass, u64 done, u64 total)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "pass", pass);
	json_add_uint(o, "done", done);
	json_add_uint(o, "total", total);
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* at most ten times a second */
static void show_progress(void *ctx, const char *pass, u64 done, u64 total)
{
	struct progress *p = ctx;

	if (p->form == PROGRESS_NONE || seconds_since(&p->last) < 0.1)
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->last);
	if (p->form == PROGRESS_JSON)
		progress_json(pass, done, total);
	else
		progress_line(p, pass, done, total);
}

/* findings by name, fewest words: { "accounting_mismatch": 3 } */
static json_object *json_by_id(const struct bce_check_result *r)
{
	json_object *o = json_object_new_object();

	for (unsigned int i = 0; i < BCE_CHECK_IDS; i++)
		if (r->by_id[i])
			json_add_uint(o, bce_check_id_name(i), r->by_id[i]);
	return o;
}

static void report(const struct bce_check_result *r, u64 findings, bool json)
{
	json_object *o;

	if (!json) {
		printf("%ju nodes, %ju keys, %ju unreadable nodes, %ju findings\n",
		       (uintmax_t)r->nodes, (uintmax_t)r->keys, (uintmax_t)r->unreadable_nodes,
		       (uintmax_t)findings);
		return;
	}
	o = json_object_new_object();
	json_add_uint(o, "nodes", r->nodes);
	json_add_uint(o, "keys", r->keys);
	json_add_uint(o, "unreadable_nodes", r->unreadable_nodes);
	json_add_uint(o, "findings", findings);
	json_add_uint(o, "inode_accounting_differs", r->inum_mismatches);
	json_object_object_add(o, "by_id", json_by_id(r));
	json_print(o);
}

static int check_set(struct offline_set *o, enum progress_form form, bool json)
{
	struct progress progress = { .form = form };
	struct bce_check_opts opts = {
		.progress = show_progress,
		.progress_ctx = &progress,
	};
	struct bce_check_result r;
	u64 findings;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &progress.start);
	ret = bce_set_check(o->set, &opts, &r);
	if (form == PROGRESS_LINE)
		fputs("\r\033[K", stderr);
	if (ret) {
		complain("the check ended early: %s", strerror(-ret));
		return FSCK_FAILED;
	}
	findings = offline_findings(o);
	report(&r, findings, json);
	return findings || r.unreadable_nodes ? FSCK_FINDINGS : FSCK_CLEAN;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "degraded",		no_argument, NULL, 'd' },
		{ "very-degraded",	no_argument, NULL, 'D' },
		{ "json",		no_argument, NULL, 'j' },
		{ "progress-json",	no_argument, NULL, 'P' },
		{ }
	};
	enum progress_form form = isatty(STDERR_FILENO) ? PROGRESS_LINE : PROGRESS_NONE;
	struct offline_opts opts = { };
	bool no_change = false, json = false;
	struct offline_set o;
	int c, ret;

	while ((c = getopt_long(argc, argv, "nj", longopts, NULL)) != -1) {
		switch (c) {
		case 'n':
			no_change = true;
			break;
		case 'd':
			opts.degraded = BCE_DEGRADED_YES;
			break;
		case 'D':
			opts.degraded = BCE_DEGRADED_VERY;
			break;
		case 'j':
			json = true;
			break;
		case 'P':
			form = PROGRESS_JSON;
			break;
		default:
			usage_error(&cmd_fsck, "unknown option");
			return FSCK_USAGE;
		}
	}
	if (!no_change || optind == argc) {
		usage_error(&cmd_fsck, no_change ? "give the set's devices or images" :
			    "this version does not repair: -n is needed");
		return FSCK_USAGE;
	}
	ret = offline_open(&o, argv + optind, argc - optind, &opts);
	if (ret)
		return FSCK_FAILED;
	ret = check_set(&o, form, json);
	offline_close(&o);
	return ret;
}

const struct command cmd_fsck = {
	.name		= "fsck",
	.args		= "-n [OPTION...] DEVICE...",
	.summary	= "check an unmounted set without changing it",
	.help		=
		"Reads every node and validates every key; adds up what refers to each bucket and\n"
		"compares it with all that is kept about buckets (backpointers, free space, counters);\n"
		"checks snapshots, subvolumes, inodes, names, extents and attributes against each\n"
		"other. Exit codes as fsck(8): 0 nothing found, 4 findings, 8 the check could not be\n"
		"made, 16 wrong usage.\n\n"
		"  -n                   change nothing; needed, as this version does not repair\n"
		"      --degraded       although a member is missing, if all data has a copy\n"
		"      --very-degraded  although data is missing\n"
		"  -j, --json           result as JSON\n"
		"      --progress-json  progress as JSON lines on standard error\n",
	.run		= run,
};
