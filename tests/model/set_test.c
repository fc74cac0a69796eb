// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on whole sets, compared with a model.
 *
 *   set_test                     small sets of its own, made by several seeds; for "make check":
 *                                SEED= the first, SEEDS= how many, OPERATIONS= of each of the three rounds
 *   set_test [OPTION...] IMAGE...  a formatted set: for long runs, and for what others look at then
 *
 *     --seed N       of the operations
 *     --operations N in each round
 *     --rounds N     after each the set is shut down, opened again and compared
 *     --crash        the last round ends without a shutdown, as by a power cut after a sync
 *     --no-check     our own checker is not run
 *     --no-subvolumes, --small, --verbose
 *
 * The set as it is found is taken into the model first. Exit status 0 or not, and TAP.
 *
 * Each set of its own lives in a process of its own. Where that fails, in whatever way, operations are left
 * out as long as it still does (delta debugging: halves, quarters, ... single ones; SHRINK=seconds, 0 not at
 * all), and what remains is run once more and told. SCRIPT=1,5,8 runs those operations of SEED alone.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file_model.h"
#include "require.h"
#include "set_image.h"
#include "set_io.h"

struct run {
	struct model_opts	model;
	char			*const *paths;
	unsigned int		nr;
	unsigned int		operations, rounds;
	bool			crash, check;
	const struct script	*script;	/* NULL: all operations */
};

/* operations by number, ascending */
struct script {
	u32			*number;
	unsigned int		nr;
};

static int report(bool good, const char *fmt, ...)
{
	va_list args;

	printf("%sok - ", good ? "" : "not ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return good ? 0 : -1;
}

static int open_or_tell(struct test_set *t, const struct run *r, bool write)
{
	char why[512];
	int ret = test_set_open(t, r->paths, r->nr, write, why);

	if (ret)
		fprintf(stderr, "# cannot be opened: %s\n", why);
	return ret;
}

static int operate(const struct run *r, struct file_model *m, struct bce_set *set, unsigned int round)
{
	const struct script *s = r->script;
	unsigned int first = 0, end;

	if (!s)
		return model_run(m, set, r->operations);
	while (first < s->nr && s->number[first] <= round * r->operations)
		first++;
	for (end = first; end < s->nr && s->number[end] <= (round + 1) * r->operations; end++)
		;
	return model_run_these(m, set, s->number + first, end - first);
}

/* one opening of the set: operations, comparison */
static int round_run(struct run *r, struct file_model *m, unsigned int round)
{
	bool last = round + 1 == r->rounds;
	struct test_set t;
	int ret = open_or_tell(&t, r, true), closed;

	if (ret)
		return ret;
	ret = m ? model_compare(m, t.set) : 0;
	if (!ret)
		ret = operate(r, m, t.set, round);
	if (!ret)
		ret = model_compare(m, t.set);
	if (!ret && last && r->crash)
		ret = bce_sync(t.set);
	closed = test_set_close(&t, !(last && r->crash));
	if (closed && !(last && r->crash))
		fprintf(stderr, "# shutdown: error %d\n", closed);
	return ret ? ret : last && r->crash ? 0 : closed;
}

/* what the set shows to a reader, and what our checker says */
static int look(struct run *r, struct file_model *m)
{
	struct test_set t;
	int ret = open_or_tell(&t, r, false);

	if (ret)
		return ret;
	ret = model_compare(m, t.set);
	if (!ret && r->check)
		ret = set_image_check(t.set);
	test_set_close(&t, false);
	return ret;
}

static int load(struct run *r, struct file_model *m)
{
	struct test_set t;
	int ret = open_or_tell(&t, r, true);

	if (ret)
		return ret;
	ret = model_load(m, t.set);
	return test_set_close(&t, true) ? -1 : ret;
}

static int run_rounds(struct run *r)
{
	struct file_model *m = model_new(&r->model);
	int ret = load(r, m);
	unsigned int i;

	for (i = 0; !ret && i < r->rounds; i++) {
		ret = round_run(r, m, i);
		if (!ret)
			ret = look(r, m);
		if (ret)
			fprintf(stderr, "# seed %llu, round %u\n",
				(unsigned long long)r->model.seed, i);
	}
	model_free(m);
	return ret;
}

static const struct option longopts[] = {
	{ "seed",		required_argument,	NULL, 's' },
	{ "operations",		required_argument,	NULL, 'o' },
	{ "rounds",		required_argument,	NULL, 'r' },
	{ "crash",		no_argument,		NULL, 'c' },
	{ "no-check",		no_argument,		NULL, 'n' },
	{ "no-subvolumes",	no_argument,		NULL, 'S' },
	{ "small",		no_argument,		NULL, 'm' },
	{ "verbose",		no_argument,		NULL, 'v' },
	{ }
};

static void model_defaults(struct model_opts *o)
{
	*o = (struct model_opts) {
		.seed = 1, .file_bytes_max = 1 << 20, .total_bytes_max = 24 << 20,
		.nr_files_max = 300, .subvolumes = true, .verbose = getenv("VERBOSE"),
	};
}

static int run_images(int argc, char **argv)
{
	struct run r = { .operations = 300, .rounds = 2, .check = true };
	int c;

	model_defaults(&r.model);
	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 's': r.model.seed = strtoull(optarg, NULL, 0); break;
		case 'o': r.operations = atoi(optarg); break;
		case 'r': r.rounds = atoi(optarg); break;
		case 'c': r.crash = true; break;
		case 'n': r.check = false; break;
		case 'S': r.model.subvolumes = false; break;
		case 'm': r.model.file_bytes_max = 256 << 10; r.model.nr_files_max = 80; break;
		case 'v': r.model.verbose = true; break;
		default: return 2;
		}
	}
	r.paths = argv + optind;
	r.nr = argc - optind;
	r.model.block_bytes = set_image_block_bytes(r.paths[0]);
	if (!r.model.block_bytes)
		return 2;
	return report(!run_rounds(&r), "seed %llu: %u rounds of %u operations",
		      (unsigned long long)r.model.seed, r.rounds, r.operations) ? 1 : 0;
}

/* ---- sets of its own ---- */

static unsigned int env_number(const char *name, unsigned int otherwise)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : otherwise;
}

static int run_own(u64 seed, const struct script *script, bool verbose)
{
	struct run r = {
		.operations = env_number("OPERATIONS", 250), .rounds = 3, .check = true, .script = script,
	};
	struct set_image image;
	int ret;

	model_defaults(&r.model);
	r.model.seed = seed;
	r.model.verbose |= verbose;
	ret = set_image_make(&image, seed);
	if (!ret) {
		r.paths = image.path;
		r.nr = image.nr;
		r.crash = seed & 1;
		r.model.block_bytes = image.block_bytes;
		ret = run_rounds(&r);
	}
	report(!ret, "seed %llu: %s", (unsigned long long)seed, image.description);
	set_image_remove(&image);
	return ret;
}

/* in a process of its own, which may crash or hang. Return: whether it went well */
static bool run_apart(u64 seed, const struct script *script, bool silent, bool verbose)
{
	int status, null;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	require(pid >= 0);
	if (!pid) {
		alarm(env_number("PATIENCE", 300));
		if (silent) {
			null = open("/dev/null", O_WRONLY);
			dup2(null, 1);
			dup2(null, 2);
		}
		exit(run_own(seed, script, verbose) ? 1 : 0);
	}
	require(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status) && !silent)
		fprintf(stderr, "# seed %llu: ended by signal %d\n", (unsigned long long)seed,
			WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* ---- shrinking ---- */

static bool fails_without(u64 seed, struct script *s, unsigned int first, unsigned int end)
{
	struct script less = { .number = calloc(s->nr + 1, sizeof(u32)) };
	bool good;

	require(less.number);
	for (unsigned int i = 0; i < s->nr; i++)
		if (i < first || i >= end)
			less.number[less.nr++] = s->number[i];
	good = run_apart(seed, &less, true, false);
	if (good) {
		free(less.number);
	} else {
		free(s->number);
		*s = less;
	}
	return !good;
}

static void shrink(u64 seed, struct script *s, time_t until)
{
	for (unsigned int chunk = (s->nr + 1) / 2; chunk; chunk /= 2) {
		bool any;

		do {
			any = false;
			for (unsigned int at = 0; at < s->nr && time(NULL) < until; )
				if (fails_without(seed, s, at, at + chunk))
					any = true;
				else
					at += chunk;
		} while (any && chunk == 1 && time(NULL) < until);
	}
}

static void script_tell(u64 seed, const struct script *s)
{
	fprintf(stderr, "# shrunk to %u operations; again with: SEED=%llu SEEDS=1 SCRIPT=", s->nr,
		(unsigned long long)seed);
	for (unsigned int i = 0; i < s->nr; i++)
		fprintf(stderr, "%s%u", i ? "," : "", s->number[i]);
	fputc('\n', stderr);
}

static void shrink_and_tell(u64 seed)
{
	unsigned int seconds = env_number("SHRINK", 120);
	struct script s = { .nr = 3 * env_number("OPERATIONS", 250) };

	if (!seconds)
		return;
	s.number = calloc(s.nr + 1, sizeof(u32));
	require(s.number);
	for (unsigned int i = 0; i < s.nr; i++)
		s.number[i] = i + 1;
	shrink(seed, &s, time(NULL) + seconds);
	script_tell(seed, &s);
	if (run_apart(seed, &s, false, true))
		fprintf(stderr, "# this time it went well\n");
	free(s.number);
}

static bool script_from(const char *text, struct script *s)
{
	char *end;

	for (*s = (struct script) { }; text && *text; text = *end == ',' ? end + 1 : end) {
		s->number = realloc(s->number, (s->nr + 1) * sizeof(u32));
		require(s->number);
		s->number[s->nr++] = strtoul(text, &end, 10);
		if (end == text)
			return false;
	}
	return true;
}

static bool run_seed(u64 seed)
{
	struct script s;
	bool good;

	if (!script_from(getenv("SCRIPT"), &s))
		return false;
	good = run_apart(seed, s.nr ? &s : NULL, false, s.nr);
	if (!good && !s.nr)
		shrink_and_tell(seed);
	free(s.number);
	return good;
}

int main(int argc, char **argv)
{
	const char *seeds = getenv("SEEDS");
	u64 seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1, end;
	bool good = true;

	if (argc > 1)
		return run_images(argc, argv);
	for (end = seed + (seeds ? strtoull(seeds, NULL, 0) : 4); seed < end; seed++)
		good &= run_seed(seed);
	return good ? 0 : 1;
}
