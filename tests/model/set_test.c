// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on whole sets, compared with a model.
 *
 *   set_test                     small sets of its own, made by several seeds; for "make check"
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
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_model.h"
#include "set_image.h"
#include "set_io.h"

struct run {
	struct model_opts	model;
	char			*const *paths;
	unsigned int		nr;
	unsigned int		operations, rounds;
	bool			crash, check;
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

/* one opening of the set: operations, comparison */
static int round_run(struct run *r, struct file_model *m, bool last)
{
	struct test_set t;
	int ret = open_or_tell(&t, r, true), closed;

	if (ret)
		return ret;
	ret = m ? model_compare(m, t.set) : 0;
	if (!ret)
		ret = model_run(m, t.set, r->operations);
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
		ret = round_run(r, m, i + 1 == r->rounds);
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

static int run_own(u64 seed)
{
	struct run r = { .operations = 250, .rounds = 3, .check = true };
	struct set_image image;
	int ret;

	model_defaults(&r.model);
	r.model.seed = seed;
	ret = set_image_make(&image, seed);
	if (!ret) {
		r.paths = image.path;
		r.nr = image.nr;
		r.crash = seed & 1;
		r.model.block_bytes = image.block_bytes;
		ret = run_rounds(&r);
	}
	ret = report(!ret, "seed %llu: %s", (unsigned long long)seed, image.description);
	set_image_remove(&image);
	return ret;
}

int main(int argc, char **argv)
{
	const char *seeds = getenv("SEEDS");
	u64 seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1, end;
	int bad = 0;

	if (argc > 1)
		return run_images(argc, argv);
	for (end = seed + (seeds ? strtoull(seeds, NULL, 0) : 4); seed < end; seed++)
		bad |= run_own(seed);
	return bad ? 1 : 0;
}
