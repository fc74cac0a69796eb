// SPDX-License-Identifier: GPL-2.0
/* put, get: files and trees into and out of an unmounted set. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "set_arg.h"
#include "set_path.h"
#include "tree_copy.h"

struct copy_args {
	const struct command	*cmd;
	struct offline_opts	open;
	struct tree_copy_opts	copy;
	const char		*set;
	char			**source;
	unsigned int		nr_sources;
	const char		*destination;
};

static const struct option longopts[] = {
	{ "recursive",		no_argument,	NULL, 'r' },
	{ "progress",		no_argument,	NULL, 'p' },
	{ "progress-json",	no_argument,	NULL, 'P' },
	{ "degraded",		no_argument,	NULL, 'D' },
	{ }
};

static int parse(struct copy_args *a, int argc, char **argv)
{
	int c;

	a->copy.progress = isatty(STDERR_FILENO);
	while ((c = getopt_long(argc, argv, "rp", longopts, NULL)) != -1) {
		switch (c) {
		case 'r': a->copy.recursive = true; break;
		case 'p': a->copy.progress = true; break;
		case 'P': a->copy.progress_json = true; break;
		case 'D': a->open.degraded = BCE_DEGRADED_YES; break;
		default: return usage_error(a->cmd, "unknown option");
		}
	}
	if (argc - optind < 3)
		return usage_error(a->cmd, "give the set, what to copy, and where to");
	a->set = argv[optind];
	a->source = argv + optind + 1;
	a->nr_sources = argc - optind - 2;
	a->destination = argv[argc - 1];
	return 0;
}

/* ---- put ---- */

/* the destination is a directory that takes all sources, or the new name of the only one */
static int put_where(struct bce_set *set, const struct copy_args *a, struct bce_inode *dir,
		     const char **name, unsigned int *len)
{
	int ret = set_path_lookup(set, a->destination, dir);

	*name = NULL;
	if (!ret && S_ISDIR(dir->mode))
		return 0;
	if (ret && ret != -ENOENT)
		return ret;
	if (a->nr_sources > 1)
		return ret ? ret : -ENOTDIR;
	return set_path_parent(set, a->destination, dir, name, len);
}

/* for progress with an end in sight */
static void expect_all(struct tree_copy *c, const struct copy_args *a)
{
	struct tree_counts total = { }, one;
	unsigned int i;

	if (!a->copy.progress && !a->copy.progress_json)
		return;
	for (i = 0; i < a->nr_sources; i++) {
		tree_measure(a->source[i], true, NULL, NULL, &one);
		total.files += one.files + 1;
		total.bytes += one.bytes;
	}
	tree_copy_expect(c, &total);
}

static int put_all(struct tree_copy *c, const struct copy_args *a, const struct bce_inode *dir,
		   const char *name, unsigned int len)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < a->nr_sources; i++) {
		if (!name || i)
			name = path_last(a->source[i], &len);
		if (!len) {
			complain("%s: has no name to keep; give one", a->source[i]);
			return -EINVAL;
		}
		ret = tree_put(c, a->source[i], dir, name, len);
	}
	return ret;
}

static int put(const struct copy_args *a)
{
	struct offline_set o;
	struct tree_copy *c;
	struct bce_inode dir;
	const char *name;
	unsigned int len = 0;
	unsigned long failed;
	int ret = set_arg_open(&o, a->set, true, &a->open), closed;

	if (ret)
		return ret;
	ret = put_where(o.set, a, &dir, &name, &len);
	if (ret)
		complain("%s: %s", a->destination, strerror(-ret));
	interrupt_catch();
	c = ret ? NULL : tree_copy_begin(o.set, &a->copy);
	if (c) {
		expect_all(c, a);
		ret = put_all(c, a, &dir, name, len);
		failed = tree_copy_end(c);
		ret = ret ? ret : failed ? -EIO : 0;
	} else if (!ret) {
		ret = -ENOMEM;
	}
	closed = offline_close(&o);
	if (interrupted())
		complain("interrupted; what was copied by then is in the set");
	return ret ? exit_code_of(ret) : closed;
}

static int run_put(int argc, char **argv)
{
	struct copy_args a = { .cmd = &cmd_put };
	int ret = parse(&a, argc, argv);

	return ret ? ret : put(&a);
}

/* ---- get ---- */

static int get_one(struct tree_copy *c, struct bce_set *set, const char *path,
		   const char *destination, bool into)
{
	struct bce_inode inode;
	unsigned int len;
	const char *name = path_last(path, &len);
	char *local = NULL;
	int ret = set_path_lookup(set, path, &inode);

	if (ret) {
		complain("%s: %s", path, strerror(-ret));
		return ret;
	}
	if (!strcmp(destination, "-"))
		return S_ISREG(inode.mode) ? tree_cat(c, &inode, STDOUT_FILENO) : -EINVAL;
	if (into && len && asprintf(&local, "%s/%.*s", destination, len, name) < 0)
		return -ENOMEM;
	ret = tree_get(c, &inode, path, local ? local : destination);
	free(local);
	return ret;
}

static int get(const struct copy_args *a)
{
	struct stat st;
	bool into = !stat(a->destination, &st) && S_ISDIR(st.st_mode);
	struct offline_set o;
	struct tree_copy *c;
	unsigned long failed;
	unsigned int i;
	int ret, error;

	if (a->nr_sources > 1 && !into && strcmp(a->destination, "-")) {
		complain("%s is no directory", a->destination);
		return EXIT_USAGE;
	}
	ret = set_arg_open(&o, a->set, false, &a->open);
	if (ret)
		return ret;
	c = tree_copy_begin(o.set, &a->copy);
	ret = c ? 0 : -ENOMEM;
	for (i = 0; c && i < a->nr_sources; i++) {
		error = get_one(c, o.set, a->source[i], a->destination, into);
		ret = ret ? ret : error;
	}
	failed = c ? tree_copy_end(c) : 0;
	offline_close(&o);
	return exit_code_of(ret ? ret : failed ? -EIO : 0);
}

static int run_get(int argc, char **argv)
{
	struct copy_args a = { .cmd = &cmd_get };
	int ret = parse(&a, argc, argv);

	return ret ? ret : get(&a);
}

#define COMMON_HELP								\
	"  -r, --recursive      directories with all that lies below\n"		\
	"  -p, --progress       a line of progress (the default on a terminal)\n"	\
	"      --progress-json  the same for machines, one object per line\n"	\
	"      --degraded       although a member is missing, if all data has a copy\n"

const struct command cmd_put = {
	.name		= "put",
	.args		= "[OPTION...] DEVICE[:DEVICE...] FILE... PATH",
	.summary	= "copy files into an unmounted set",
	.help		=
		"PATH is a directory of the set, or the new name of the only FILE. Modes, owners, times, holes,\n"
		"extended attributes, ACLs and hard links are kept.\n\n" COMMON_HELP,
	.run		= run_put,
};

const struct command cmd_get = {
	.name		= "get",
	.args		= "[OPTION...] DEVICE[:DEVICE...] PATH... FILE",
	.summary	= "copy files out of an unmounted set",
	.help		=
		"FILE is a directory, the new name of the only PATH, or - for standard output. What put keeps is\n"
		"kept, as far as the file system there can.\n\n" COMMON_HELP,
	.run		= run_get,
};
