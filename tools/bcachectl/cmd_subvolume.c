// SPDX-License-Identifier: GPL-2.0
/* subvolume: made, deleted, copied as snapshots and listed, in a mounted file system, through its ioctls. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <bcachefs/ioctl.h>

#include "json_out.h"

/* ---- one change ---- */

/* the ioctl goes to the directory that holds the name */
static int open_parent(const char *path)
{
	char *copy = strdup(path), *end, *slash;
	int fd;

	if (!copy)
		return -ENOMEM;
	end = copy + strlen(copy);
	while (end > copy + 1 && end[-1] == '/')
		*--end = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	return fd < 0 ? -errno : fd;
}

static const char *reason(int error)
{
	switch (-error) {
	case ENOTTY:
		return "not on a mounted bcachefs that makes subvolumes";
	case ENOTEMPTY:
		return "it holds other subvolumes: delete those first";
	default:
		return strerror(-error);
	}
}

static int change(unsigned long request, const char *dst, const char *src, unsigned int flags)
{
	struct bce_ioctl_subvolume arg = {
		.flags = flags,
		.dirfd = AT_FDCWD,
		.mode = request == BCE_IOC_SUBVOLUME_CREATE ? 0777 : 0,
		.dst_ptr = (uintptr_t)dst,
		.src_ptr = (uintptr_t)src,
	};
	int fd = open_parent(dst), ret = 0;

	if (fd < 0) {
		complain("%s: %s", dst, strerror(-fd));
		return exit_code_of(fd);
	}
	if (ioctl(fd, request, &arg))
		ret = -errno;
	close(fd);
	if (ret == -ENOENT && request == BCE_IOC_SUBVOLUME_DESTROY)
		complain("%s: no subvolume", dst);
	else if (ret)
		complain("%s: %s", dst, reason(ret));
	return exit_code_of(ret);
}

/* ---- list ---- */

struct line {
	struct bce_ioctl_subvolume_next	s;
	char				path[PATH_MAX];
};

/* Return: 0; -ENOENT no further ones */
static int next_line(int fd, struct line *l)
{
	l->s.after = l->s.id;
	l->s.path_ptr = (uintptr_t)l->path;
	l->s.path_bytes = sizeof(l->path);
	if (ioctl(fd, BCE_IOC_SUBVOLUME_NEXT, &l->s))
		return -errno;
	return 0;
}

static const char *shown_path(const struct line *l)
{
	return !l->s.path_bytes ? "?" : l->path[0] ? l->path : "/";
}

static json_object *line_json(const struct line *l)
{
	json_object *o = json_object_new_object();

	json_add_uint(o, "id", l->s.id);
	json_add_string(o, "path", shown_path(l));
	json_add_bool(o, "snapshot", l->s.flags & BCE_IOCTL_SUBVOL_SNAPSHOT);
	json_add_bool(o, "read_only", l->s.flags & BCE_IOCTL_SUBVOL_RO);
	json_add_uint(o, "snapshot_of", l->s.creation_parent);
	json_add_uint(o, "parent", l->s.path_parent);
	json_add_uint(o, "root_inode", l->s.inum);
	json_add_int(o, "created", l->s.otime_sec);
	return o;
}

static void line_print(const struct line *l)
{
	time_t created = l->s.otime_sec;
	char when[40], of[12] = "-";
	struct tm tm;

	if (!localtime_r(&created, &tm) || !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(when, "-");
	if (l->s.creation_parent)
		snprintf(of, sizeof(of), "%u", l->s.creation_parent);
	printf("%10u  %-5s  %11s  %-19s  %s\n", l->s.id,
	       l->s.flags & BCE_IOCTL_SUBVOL_RO ? "ro" : "rw", of, when, shown_path(l));
}

static int list(const char *path, bool json)
{
	json_object *all = json ? json_object_new_array() : NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;
	struct line l = { };
	unsigned int nr;

	if (fd < 0) {
		complain("%s: %s", path, strerror(errno));
		return exit_code_of(-errno);
	}
	for (nr = 0; !(ret = next_line(fd, &l)); nr++) {
		if (!json && !nr)
			printf("%10s  %-5s  %11s  %-19s  %s\n", "id", "state", "snapshot of", "created", "path");
		if (json)
			json_object_array_add(all, line_json(&l));
		else
			line_print(&l);
	}
	close(fd);
	if (ret == -ENOENT)
		ret = 0;
	if (ret)
		complain("%s: %s", path, reason(ret));
	else if (json)
		json_print(all);
	json_object_put(all);
	return exit_code_of(ret);
}

/* ---- the command ---- */

static int each(unsigned long request, int argc, char **argv, unsigned int flags)
{
	int i, error, ret = 0;

	if (argc < 1)
		return usage_error(&cmd_subvolume, "give a path");
	for (i = 0; i < argc; i++) {
		error = change(request, argv[i], NULL, flags);
		ret = ret ? ret : error;
	}
	return ret;
}

static int snapshot(int argc, char **argv, bool ro)
{
	unsigned int flags = BCE_IOCTL_SUBVOL_SNAPSHOT | (ro ? BCE_IOCTL_SUBVOL_RO : 0);

	if (argc < 1 || argc > 2)
		return usage_error(&cmd_subvolume, "give the source, if it is another, and the new path");
	return change(BCE_IOC_SUBVOLUME_CREATE, argv[argc - 1], argc > 1 ? argv[0] : NULL, flags);
}

static int run_subvolume(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "read-only", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ }
	};
	bool ro = false, json = false;
	const char *what;
	int c;

	while ((c = getopt_long(argc, argv, "rj", longopts, NULL)) != -1) {
		if (c == '?')
			return usage_error(&cmd_subvolume, "unknown option");
		ro |= c == 'r';
		json |= c == 'j';
	}
	what = optind < argc ? argv[optind++] : "";
	argc -= optind;
	argv += optind;
	if ((ro && strcmp(what, "snapshot")) || (json && strcmp(what, "list")))
		return usage_error(&cmd_subvolume, "that option is not one of '%s'", what);
	if (!strcmp(what, "create"))
		return each(BCE_IOC_SUBVOLUME_CREATE, argc, argv, 0);
	if (!strcmp(what, "delete"))
		return each(BCE_IOC_SUBVOLUME_DESTROY, argc, argv, 0);
	if (!strcmp(what, "snapshot"))
		return snapshot(argc, argv, ro);
	if (!strcmp(what, "list") && argc <= 1)
		return list(argc ? argv[0] : ".", json);
	return usage_error(&cmd_subvolume, "create, delete, snapshot or list?");
}

const struct command cmd_subvolume = {
	.name		= "subvolume",
	.args		= "create PATH... | delete PATH... | snapshot [-r] [SOURCE] PATH | list [-j] [PATH]",
	.summary	= "subvolumes and snapshots of a mounted set",
	.help		= "create    makes empty subvolumes\n"
			  "delete    deletes subvolumes with all that is in them, but for other subvolumes\n"
			  "snapshot  makes a snapshot of the subvolume SOURCE is in; without SOURCE: that PATH is in\n"
			  "list      all subvolumes of the set that PATH is on (the current directory); root only\n"
			  "\n"
			  "  -r, --read-only  the snapshot cannot be changed\n"
			  "  -j, --json       JSON\n",
	.run		= run_subvolume,
};
