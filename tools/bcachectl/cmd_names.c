// SPDX-License-Identifier: GPL-2.0
/* mkdir, rm, mv: names of an unmounted set. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bcachefs/ops.h>

#include "set_arg.h"
#include "set_path.h"

struct names_args {
	const struct command	*cmd;
	bool			parents, recursive, force, no_replace;
	const char		*set;
	char			**path;
	unsigned int		nr;
};

static const struct option longopts[] = {
	{ "parents",		no_argument,	NULL, 'p' },
	{ "recursive",		no_argument,	NULL, 'r' },
	{ "force",		no_argument,	NULL, 'f' },
	{ "no-clobber",		no_argument,	NULL, 'n' },
	{ }
};

static int parse(struct names_args *a, int argc, char **argv, const char *shorts, int least)
{
	int c;

	while ((c = getopt_long(argc, argv, shorts, longopts, NULL)) != -1) {
		if (c == '?' || !strchr(shorts, c))
			return usage_error(a->cmd, "unknown option");
		a->parents |= c == 'p';
		a->recursive |= c == 'r';
		a->force |= c == 'f';
		a->no_replace |= c == 'n';
	}
	if (argc - optind < 1 + least)
		return usage_error(a->cmd, "give the set and %s",
				   least > 1 ? "two paths" : "a path");
	a->set = argv[optind];
	a->path = argv + optind + 1;
	a->nr = argc - optind - 1;
	return 0;
}

typedef int (*path_fn)(struct bce_set *set, const struct names_args *a, const char *path);

/* each path in turn; the first error decides the exit code */
static int for_paths(const struct names_args *a, unsigned int nr, path_fn fn)
{
	struct offline_opts opts = { };
	struct offline_set o;
	int ret = set_arg_open(&o, a->set, true, &opts), error, first = 0;
	unsigned int i;

	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		error = fn(o.set, a, a->path[i]);
		if (error)
			complain("%s: %s", a->path[i], strerror(-error));
		first = first ? first : error;
	}
	ret = offline_close(&o);
	return first ? exit_code_of(first) : ret;
}

/* ---- mkdir ---- */

static int make_one(struct bce_set *set, const char *path)
{
	struct bce_create what = { .mode = S_IFDIR | 0755, .uid = geteuid(), .gid = getegid() };
	struct bce_inode dir, out;
	const char *name;
	unsigned int len;
	int ret = set_path_parent(set, path, &dir, &name, &len);

	if (!ret && !S_ISDIR(dir.mode))
		ret = -ENOTDIR;
	return ret ? ret : bce_create(set, dir.id, name, len, &what, &out);
}

static int make_parents(struct bce_set *set, const char *path)
{
	char *copy = strdup(path), *slash;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	for (slash = copy + strspn(copy, "/"); !ret && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		ret = make_one(set, copy);
		if (ret == -EEXIST)
			ret = 0;
		*slash = '/';
	}
	free(copy);
	return ret;
}

static int make_dir(struct bce_set *set, const struct names_args *a, const char *path)
{
	struct bce_inode old;
	int ret = a->parents ? make_parents(set, path) : 0;

	ret = ret ? ret : make_one(set, path);
	if (ret == -EEXIST && a->parents && !set_path_lookup(set, path, &old) &&
	    S_ISDIR(old.mode))
		ret = 0;
	return ret;
}

static int run_mkdir(int argc, char **argv)
{
	struct names_args a = { .cmd = &cmd_mkdir };
	int ret = parse(&a, argc, argv, "p", 1);

	return ret ? ret : for_paths(&a, a.nr, make_dir);
}

/* ---- rm ---- */

static int remove_name(struct bce_set *set, const struct bce_inode *dir, const char *name,
		       unsigned int len, bool recursive);

struct first_name {
	char		name[BCE_NAME_MAX + 1];
	unsigned int	len;
};

static bool take_first(void *ctx, const struct bce_dirent *d)
{
	struct first_name *f = ctx;

	memcpy(f->name, d->name, d->len);
	f->len = d->len;
	return false;
}

static int empty_dir(struct bce_set *set, const struct bce_inode *dir)
{
	struct first_name f;
	int ret;

	do {
		f.len = 0;
		ret = bce_readdir(set, dir, 0, take_first, &f);
		if (!ret && f.len)
			ret = remove_name(set, dir, f.name, f.len, true);
	} while (!ret && f.len);
	return ret;
}

static int remove_name(struct bce_set *set, const struct bce_inode *dir, const char *name,
		       unsigned int len, bool recursive)
{
	struct bce_inode inode, out;
	int ret = set_path_child(set, dir, name, len, &inode);

	if (ret)
		return ret;
	if (S_ISDIR(inode.mode) && !recursive)
		return -EISDIR;
	if (S_ISDIR(inode.mode) && inode.root_of_subvol)
		return bce_subvolume_delete(set, dir->id, name, len);
	if (S_ISDIR(inode.mode))
		ret = empty_dir(set, &inode);
	if (!ret)
		ret = bce_unlink(set, dir->id, name, len, S_ISDIR(inode.mode), &out);
	if (!ret && out.flags & BCE_INODE_UNLINKED)
		ret = bce_inode_release(set, out.id);
	return ret;
}

static int remove_path(struct bce_set *set, const struct names_args *a, const char *path)
{
	struct bce_inode dir;
	const char *name;
	unsigned int len;
	int ret = set_path_parent(set, path, &dir, &name, &len);

	ret = ret ? ret : remove_name(set, &dir, name, len, a->recursive);
	return ret == -ENOENT && a->force ? 0 : ret;
}

static int run_rm(int argc, char **argv)
{
	struct names_args a = { .cmd = &cmd_rm };
	int ret = parse(&a, argc, argv, "rf", 1);

	return ret ? ret : for_paths(&a, a.nr, remove_path);
}

/* ---- mv ---- */

static int move_path(struct bce_set *set, const struct names_args *a, const char *path)
{
	const char *destination = a->path[a->nr - 1], *name, *to;
	struct bce_inode src_dir, dst_dir, replaced = { };
	unsigned int len, to_len;
	int ret = set_path_parent(set, path, &src_dir, &name, &len);

	if (ret)
		return ret;
	ret = set_path_lookup(set, destination, &dst_dir);
	if (!ret && S_ISDIR(dst_dir.mode)) {
		to = name;
		to_len = len;
	} else {
		if (a->nr > 2)
			return -ENOTDIR;
		ret = set_path_parent(set, destination, &dst_dir, &to, &to_len);
	}
	if (ret)
		return ret;
	ret = bce_rename(set, src_dir.id, name, len, dst_dir.id, to, to_len,
			 a->no_replace ? BCE_RENAME_NOREPLACE : 0, NULL, &replaced);
	if (!ret && replaced.id.inum && replaced.flags & BCE_INODE_UNLINKED)
		ret = bce_inode_release(set, replaced.id);
	return ret;
}

static int run_mv(int argc, char **argv)
{
	struct names_args a = { .cmd = &cmd_mv };
	int ret = parse(&a, argc, argv, "n", 2);

	return ret ? ret : for_paths(&a, a.nr - 1, move_path);
}

const struct command cmd_mkdir = {
	.name		= "mkdir",
	.args		= "[-p] DEVICE[:DEVICE...] PATH...",
	.summary	= "make directories in an unmounted set",
	.help		= "  -p, --parents     with those above that are missing; what exists is no error\n",
	.run		= run_mkdir,
};

const struct command cmd_rm = {
	.name		= "rm",
	.args		= "[-rf] DEVICE[:DEVICE...] PATH...",
	.summary	= "remove files of an unmounted set",
	.help		=
		"  -r, --recursive   directories with all that lies below, subvolumes too\n"
		"  -f, --force       what is not there is no error\n",
	.run		= run_rm,
};

const struct command cmd_mv = {
	.name		= "mv",
	.args		= "[-n] DEVICE[:DEVICE...] PATH... NEWPATH",
	.summary	= "rename files of an unmounted set",
	.help		= "  -n, --no-clobber  do not replace what has the new name\n",
	.run		= run_mv,
};
