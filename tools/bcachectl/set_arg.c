// SPDX-License-Identifier: GPL-2.0
/* "a.img:b.img": devices of one set in one argument. */
#include "set_arg.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define DEVICES_MAX	64

int set_arg_open(struct offline_set *o, const char *arg, bool write,
		 const struct offline_opts *opts)
{
	struct offline_opts with = *opts;
	char *copy = strdup(arg), *rest = copy, *part, *path[DEVICES_MAX];
	unsigned int nr = 0;
	int ret;

	if (!copy)
		return EXIT_NO_MEMORY;
	while (nr < DEVICES_MAX && (part = strsep(&rest, ":")))
		if (*part)
			path[nr++] = part;
	if (!nr || rest) {
		complain(nr ? "'%s' names more devices than a set has members" : "'%s' names no device", arg);
		free(copy);
		return EXIT_USAGE;
	}
	with.write = write;
	ret = offline_open(o, path, nr, &with);
	free(copy);
	return ret;
}
