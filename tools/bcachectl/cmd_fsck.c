// SPDX-License-Identifier: GPL-2.0
/*
 * fsck: look for damage in an unmounted set, and repair what follows from other keys. Exit codes follow
 * fsck(8).
 *
 *   check --> repair in memory --> check again --> shown, asked --> written
 *
 * Up to the last step the devices are as they were; saying no there costs nothing.
 */
#include "cmd.h"

#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* before the kernel headers, whose "current" is a macro */
#include "json_out.h"

#include <bcachefs/check.h>

#include "engine/format/ids.h"
#include "engine/format/sb.h"
#include "engine/sb/sb.h"
#include "find_set.h"
#include "offline.h"
#include "scan.h"

enum fsck_exit { FSCK_CLEAN = 0, FSCK_REPAIRED = 1, FSCK_FINDINGS = 4, FSCK_FAILED = 8, FSCK_USAGE = 16, FSCK_CANCELLED = 32 };

enum fsck_mode { MODE_ASK, MODE_LOOK, MODE_PREEN, MODE_YES };

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

/* what a repair came to; nothing was tried: @changes negative */
struct outcome {
	long	changes;
	bool	written;
	u64	left;		/* findings afterwards */
};

static void report(const struct bce_check_result *r, u64 findings, const struct outcome *out, bool json)
{
	json_object *o;

	if (!json) {
		printf("%ju nodes, %ju keys, %ju unreadable nodes, %ju findings\n",
		       (uintmax_t)r->nodes, (uintmax_t)r->keys, (uintmax_t)r->unreadable_nodes,
		       (uintmax_t)findings);
		if (out->written)
			printf("%ld changes written, %ju findings left\n", out->changes, (uintmax_t)out->left);
		return;
	}
	o = json_object_new_object();
	json_add_uint(o, "nodes", r->nodes);
	json_add_uint(o, "keys", r->keys);
	json_add_uint(o, "unreadable_nodes", r->unreadable_nodes);
	json_add_uint(o, "findings", findings);
	json_add_uint(o, "inode_accounting_differs", r->inum_mismatches);
	json_object_object_add(o, "by_id", json_by_id(r));
	if (out->changes >= 0) {
		json_add_uint(o, "changes", out->changes);
		json_object_object_add(o, "written", json_object_new_boolean(out->written));
		json_add_uint(o, "findings_left", out->left);
	}
	json_print(o);
}

struct fsck {
	struct offline_set	o;
	enum fsck_mode		mode;
	enum progress_form	form;
	bool			json;
	struct progress		progress;
	struct bce_check_result	found;
};

static void progress_end(const struct fsck *f)
{
	if (f->form == PROGRESS_LINE)
		fputs("\r\033[K", stderr);
}

static int check_set(struct fsck *f)
{
	struct bce_check_opts opts = {
		.progress = show_progress,
		.progress_ctx = &f->progress,
	};
	int ret;

	f->progress.form = f->form;
	clock_gettime(CLOCK_MONOTONIC, &f->progress.start);
	ret = bce_set_check(f->o.set, &opts, &f->found);
	progress_end(f);
	if (ret)
		complain("the check ended early: %s", strerror(-ret));
	return ret;
}

/* ---- repair ---- */

static void said(void *ctx, const char *line)
{
	const struct fsck *f = ctx;

	progress_end(f);
	fprintf(f->json ? stderr : stdout, "%s\n", line);
}

static bool agreed(const struct fsck *f, const char *question)
{
	char answer[16];

	if (f->mode != MODE_ASK)
		return true;
	if (!isatty(STDIN_FILENO)) {
		complain("%s: standard input is no terminal to ask at; -y says yes", question);
		return false;
	}
	fprintf(stderr, "%s? [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int write_repaired(struct fsck *f, struct outcome *out)
{
	char why[512];

	if (!agreed(f, "Write these changes")) {
		complain("nothing was written");
		return FSCK_CANCELLED;
	}
	if (bce_set_repair_commit(f->o.set, why)) {
		complain("%s", why);
		return FSCK_FAILED;
	}
	out->written = true;
	return FSCK_REPAIRED;
}

static int repair_set(struct fsck *f, struct outcome *out)
{
	struct bce_repair_opts opts = {
		.said = said, .said_ctx = f, .careful = f->mode == MODE_PREEN,
		.progress = show_progress, .progress_ctx = &f->progress,
	};
	struct bce_check_result after;
	char why[512];
	int ret;

	if (f->found.unreadable_nodes &&
	    !agreed(f, "Nodes cannot be read, as told above. Go on without them, as far as they can be derived"))
		return FSCK_FINDINGS;
	out->changes = bce_set_repair(f->o.set, &opts, &after, why);
	progress_end(f);
	if (out->changes < 0) {
		complain("not repaired: %s", why);
		return FSCK_FINDINGS;
	}
	out->left = after.findings;
	ret = write_repaired(f, out);
	return ret == FSCK_REPAIRED && out->left ? FSCK_REPAIRED | FSCK_FINDINGS : ret;
}

static int fsck_set(struct fsck *f)
{
	struct outcome out = { .changes = -1 };
	u64 findings;
	int ret;

	if (check_set(f))
		return FSCK_FAILED;
	findings = offline_findings(&f->o);
	ret = findings || f->found.unreadable_nodes ? FSCK_FINDINGS : FSCK_CLEAN;
	if (f->mode != MODE_LOOK && (ret || bce_set_wants_check(f->o.set)))
		ret = repair_set(f, &out);
	report(&f->found, findings, &out, f->json);
	return ret;
}

/* ---- the command ---- */

static const struct option longopts[] = {
	{ "degraded",		no_argument, NULL, 'd' },
	{ "very-degraded",	no_argument, NULL, 'D' },
	{ "json",		no_argument, NULL, 'j' },
	{ "progress-json",	no_argument, NULL, 'P' },
	{ }
};

/* how it is to go about; the last one given counts */
static bool mode_of(int c, enum fsck_mode *mode)
{
	switch (c) {
	case 'n':
		*mode = MODE_LOOK;
		return true;
	case 'a':
	case 'p':
		*mode = MODE_PREEN;
		return true;
	case 'y':
		*mode = MODE_YES;
		return true;
	}
	return false;
}

static int parse(int argc, char **argv, struct fsck *f, struct offline_opts *opts)
{
	int c;

	while ((c = getopt_long(argc, argv, "nyapfj", longopts, NULL)) != -1) {
		if (mode_of(c, &f->mode) || c == 'f')
			continue;
		switch (c) {
		case 'd':
			opts->degraded = BCE_DEGRADED_YES;
			break;
		case 'D':
			opts->degraded = BCE_DEGRADED_VERY;
			break;
		case 'j':
			f->json = true;
			break;
		case 'P':
			f->form = PROGRESS_JSON;
			break;
		default:
			usage_error(&cmd_fsck, "unknown option");
			return FSCK_USAGE;
		}
	}
	if (optind == argc) {
		usage_error(&cmd_fsck, "give the set's devices or images");
		return FSCK_USAGE;
	}
	opts->write = opts->repair = f->mode != MODE_LOOK;
	return 0;
}

/*
 * At boot, fsck(8) names one device: a member, or the set's own, which shows a member's superblock. As long as
 * no superblock asks for a check there is nothing to do, and nothing is opened.
 */
static bool superblocks_are_fine(const struct scan_list *l)
{
	bool fine = true;

	for (unsigned int i = 0; i < l->nr; i++)
		fine &= !bce_sb_wants_check(l->member[i].img.sb);
	return fine;
}

static bool can_be_written(const struct bch_sb *sb)
{
	return !bce_sb_passes_required(sb) && le64_to_cpu(sb->compat[0]) >> BCH_COMPAT_alloc_info & 1;
}

/*
 * At boot the set is assembled before fsck(8) comes. What a mount would take is no reason to stop the boot; without
 * trusted allocation information the mount refuses to write, and that is.
 */
static int told_to_stop(const struct fsck *f, char *path)
{
	struct scan_list l;
	bool preen = f->mode == MODE_PREEN && !scan_paths(&l, &path, 1), fine = false;
	int ret = FSCK_FAILED;

	if (preen) {
		fine = superblocks_are_fine(&l);
		ret = fine || can_be_written(l.member[0].img.sb) ? FSCK_CLEAN : FSCK_FINDINGS;
		scan_exit(&l);
	}
	if (!fine)
		complain("%s: the set is assembled: \"bcachectl stop\", then \"bcachectl fsck\" its members", path);
	return ret;
}

static int open_and_check(struct fsck *f, char **paths, unsigned int nr, const struct offline_opts *opts)
{
	int ret;

	if (offline_open(&f->o, paths, nr, opts))
		return FSCK_FAILED;
	ret = fsck_set(f);
	return offline_close(&f->o) ? FSCK_FAILED : ret;
}

/* there is nothing to repair before the first mount: it makes everything */
static bool was_never_started(const struct scan_list *l)
{
	struct sb_info info;
	bool started = false;

	for (unsigned int i = 0; i < l->nr; i++) {
		bce_sb_info(l->member[i].img.sb, &info);
		started |= info.initialized;
	}
	return !started;
}

static void look_only(struct fsck *f, struct offline_opts *opts)
{
	f->mode = MODE_LOOK;
	opts->write = opts->repair = false;
}

/* what the superblocks say by themselves. Return: 0: go on; -1: the check is over, with @code */
static int ask_superblocks(struct fsck *f, struct offline_opts *opts, char **paths, unsigned int nr, int *code)
{
	struct scan_list l;
	int ret = 0;

	if (f->mode == MODE_LOOK)
		return 0;
	if (nr == 1 && find_set_is_name(paths[0]) ? find_set(&l, paths[0]) : scan_paths(&l, paths, nr)) {
		*code = FSCK_FAILED;
		return -1;
	}
	if (f->mode == MODE_PREEN && superblocks_are_fine(&l)) {
		*code = FSCK_CLEAN;
		ret = -1;
	} else if (was_never_started(&l)) {
		look_only(f, opts);
	}
	scan_exit(&l);
	return ret;
}

static int run(int argc, char **argv)
{
	struct fsck f = { .form = isatty(STDERR_FILENO) ? PROGRESS_LINE : PROGRESS_NONE };
	struct offline_opts opts = { };
	int ret = parse(argc, argv, &f, &opts);
	char **paths = argv + optind;
	unsigned int nr = argc - optind;

	if (ret)
		return ret;
	if (path_is_set_device(paths[0]))
		return told_to_stop(&f, paths[0]);
	if (ask_superblocks(&f, &opts, paths, nr, &ret))
		return ret;
	return open_and_check(&f, paths, nr, &opts);
}

const struct command cmd_fsck = {
	.name		= "fsck",
	.args		= "[-n|-p|-y] [OPTION...] DEVICE...",
	.summary	= "check an unmounted set, and repair what can be derived",
	.help		=
		"Reads every node and validates every key; adds up what refers to each bucket and\n"
		"compares it with all that is kept about buckets (backpointers, free space, counters);\n"
		"checks snapshots, subvolumes, inodes, names, extents and attributes against each\n"
		"other. What follows from other keys is repaired, and names without files and files\n"
		"without names are: in memory first, where it is checked again; only then, when you\n"
		"agree, it is written. Exit codes as fsck(8): 0 nothing\n"
		"found, 1 all was repaired, 4 findings are left, 8 the check could not be made,\n"
		"16 wrong usage, 32 not written as you did not agree.\n\n"
		"  -n                   change nothing\n"
		"  -p, -a               for boot: nothing at all if the superblock asks for no check;\n"
		"                       else as -y, but removes no name and no extent\n"
		"  -y                   yes to all questions\n"
		"  -f                   accepted, a check is always a whole one but with -p\n"
		"      --degraded       although a member is missing, if all data has a copy\n"
		"      --very-degraded  although data is missing\n"
		"  -j, --json           result as JSON\n"
		"      --progress-json  progress as JSON lines on standard error\n",
	.run		= run,
};
