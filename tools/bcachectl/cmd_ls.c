// SPDX-License-Identifier: GPL-2.0
/* ls: names in an unmounted set. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "json_out.h"
#include "set_arg.h"
#include "set_path.h"

struct ls {
	struct offline_set	o;
	struct offline_opts	open;
	bool			details, recursive, json, itself;
	int			error;		/* first one met */
};

struct name {
	char			*name;
	struct bce_file_id	target;
};

struct names {
	struct name	*name;
	size_t		nr, room;
	bool		no_memory;
};

static bool add_name(void *ctx, const struct bce_dirent *d)
{
	struct names *n = ctx;
	struct name *grown;

	if (n->nr == n->room) {
		grown = realloc(n->name, (n->room * 2 + 16) * sizeof(*grown));
		if (!grown) {
			n->no_memory = true;
			return false;
		}
		n->name = grown;
		n->room = n->room * 2 + 16;
	}
	n->name[n->nr] = (struct name) { strndup(d->name, d->len), d->target };
	n->no_memory = !n->name[n->nr].name;
	n->nr += !n->no_memory;
	return !n->no_memory;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

static void names_free(struct names *n)
{
	while (n->nr)
		free(n->name[--n->nr].name);
	free(n->name);
}

static void mode_text(umode_t mode, char out[11])
{
	static const char kinds[16] = "?pc?d?b?-?l?s???";
	static const char bits[] = "rwxrwxrwx";
	int i;

	out[0] = kinds[mode >> 12 & 15];
	for (i = 0; i < 9; i++)
		out[1 + i] = mode >> (8 - i) & 1 ? bits[i] : '-';
	if (mode & S_ISUID)
		out[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = mode & S_IXOTH ? 't' : 'T';
	out[10] = '\0';
}

static void print_details(const struct bce_inode *i)
{
	time_t seconds = i->mtime.tv_sec;
	char mode[11], date[32];
	struct tm tm;

	mode_text(i->mode, mode);
	localtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	printf("%s %3u %5u %5u ", mode, i->nlink, i->uid, i->gid);
	if (S_ISBLK(i->mode) || S_ISCHR(i->mode))
		printf("%6u,%5u %s ", i->rdev_major, i->rdev_minor, date);
	else
		printf("%12" PRIu64 " %s ", (uint64_t)i->size, date);
}

static void print_json(const char *path, const struct bce_inode *i)
{
	json_object *o = json_object_new_object();

	json_add_string(o, "path", path);
	json_add_uint(o, "inode", i->id.inum);
	json_add_uint(o, "subvolume", i->id.subvol);
	json_add_uint(o, "mode", i->mode);
	json_add_uint(o, "links", i->nlink);
	json_add_uint(o, "uid", i->uid);
	json_add_uint(o, "gid", i->gid);
	json_add_uint(o, "size", i->size);
	json_add_uint(o, "sectors", i->sectors);
	json_add_int(o, "mtime", i->mtime.tv_sec);
	json_add_uint(o, "mtime_nsec", i->mtime.tv_nsec);
	json_print_line(o);
}

static void print_entry(const struct ls *ls, const char *path, const char *shown,
			const struct bce_inode *inode)
{
	if (ls->json) {
		print_json(path, inode);
		return;
	}
	if (ls->details)
		print_details(inode);
	puts(shown);
}

static void note_error(struct ls *ls, const char *path, int error)
{
	complain("%s: %s", path, strerror(-error));
	ls->error = ls->error ? ls->error : error;
}

static void list_dir(struct ls *ls, const char *path, const struct bce_inode *dir, bool title);

static void list_name(struct ls *ls, const char *dir_path, const struct name *n, bool recurse)
{
	struct bce_inode inode;
	char *path;
	int ret;

	if (asprintf(&path, "%s/%s", strcmp(dir_path, "/") ? dir_path : "", n->name) < 0)
		return note_error(ls, dir_path, -ENOMEM);
	ret = bce_inode_read(ls->o.set, n->target, &inode);
	if (ret)
		note_error(ls, path, ret);
	else if (!recurse)
		print_entry(ls, path, n->name, &inode);
	else if (S_ISDIR(inode.mode))
		list_dir(ls, path, &inode, true);
	free(path);
}

static void list_dir(struct ls *ls, const char *path, const struct bce_inode *dir, bool title)
{
	struct names n = { };
	int ret = bce_readdir(ls->o.set, dir, 0, add_name, &n);
	size_t i;

	if (!ret && n.no_memory)
		ret = -ENOMEM;
	if (ret)
		note_error(ls, path, ret);
	qsort(n.name, n.nr, sizeof(*n.name), name_cmp);
	if (title && !ls->json)
		printf("%s:\n", path);
	for (i = 0; i < n.nr; i++)
		list_name(ls, path, &n.name[i], false);
	if (title && !ls->json)
		putchar('\n');
	for (i = 0; ls->recursive && i < n.nr; i++)
		list_name(ls, path, &n.name[i], true);
	names_free(&n);
}

static void list_path(struct ls *ls, const char *path, bool title)
{
	struct bce_inode inode;
	int ret = set_path_lookup(ls->o.set, path, &inode);

	if (ret)
		note_error(ls, path, ret);
	else if (S_ISDIR(inode.mode) && !ls->itself)
		list_dir(ls, path, &inode, title || ls->recursive);
	else
		print_entry(ls, path, path, &inode);
}

static const struct option longopts[] = {
	{ "long",		no_argument,	NULL, 'l' },
	{ "recursive",		no_argument,	NULL, 'R' },
	{ "directory",		no_argument,	NULL, 'd' },
	{ "json",		no_argument,	NULL, 'j' },
	{ "degraded",		no_argument,	NULL, 'D' },
	{ }
};

static int run(int argc, char **argv)
{
	struct ls ls = { };
	int c, ret, i;

	while ((c = getopt_long(argc, argv, "lRdj", longopts, NULL)) != -1) {
		switch (c) {
		case 'l': ls.details = true; break;
		case 'R': ls.recursive = true; break;
		case 'd': ls.itself = true; break;
		case 'j': ls.json = true; break;
		case 'D': ls.open.degraded = BCE_DEGRADED_YES; break;
		default: return usage_error(&cmd_ls, "unknown option");
		}
	}
	if (optind == argc)
		return usage_error(&cmd_ls, "give the set: its devices or images, joined by colons");
	ret = set_arg_open(&ls.o, argv[optind++], false, &ls.open);
	if (ret)
		return ret;
	if (optind == argc)
		list_path(&ls, "/", false);
	for (i = optind; i < argc; i++)
		list_path(&ls, argv[i], argc - optind > 1);
	offline_close(&ls.o);
	return exit_code_of(ls.error);
}

const struct command cmd_ls = {
	.name		= "ls",
	.args		= "[OPTION...] DEVICE[:DEVICE...] [PATH...]",
	.summary	= "list files of an unmounted set",
	.help		=
		"  -l, --long        mode, links, owner, size and time\n"
		"  -R, --recursive   what lies below too\n"
		"  -d, --directory   a directory itself, not what is in it\n"
		"  -j, --json        one object per line\n"
		"      --degraded    although a member is missing, if all data has a copy\n",
	.run		= run,
};
