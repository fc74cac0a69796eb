// SPDX-License-Identifier: GPL-2.0
/*
 * What sysfs tells of a block device: the disks it is made of, and who uses it.
 *
 *   /sys/dev/block/8:1 -> .../block/sda/sda1     "partition" is there: the disk is the folder above
 *                  slaves/                       of dm and md: what they are made of
 *                  holders/                      what is made of this one
 */
#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cmd.h"
#include "engine/util/text.h"

#define DEPTH_MAX	8

static void add(struct disks *out, const char *name)
{
	unsigned int i;

	for (i = 0; i < out->nr; i++)
		if (!strcmp(out->name[i], name))
			return;
	if (out->nr < DISKS_MAX)
		snprintf(out->name[out->nr++], sizeof(out->name[0]), "%s", name);
}

static void collect(const char *dir, struct disks *out, unsigned int depth);

/* true if there are any */
static bool collect_slaves(const char *dir, struct disks *out, unsigned int depth)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *d;
	bool any = false;
	DIR *slaves;

	snprintf(path, sizeof(path), "%s/slaves", dir);
	slaves = opendir(path);
	while (slaves && (d = readdir(slaves))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/slaves/%s", dir, d->d_name);
		if (realpath(path, target)) {
			any = true;
			collect(target, out, depth + 1);
		}
	}
	if (slaves)
		closedir(slaves);
	return any;
}

static void collect(const char *dir, struct disks *out, unsigned int depth)
{
	char path[PATH_MAX + 16], copy[PATH_MAX];

	snprintf(path, sizeof(path), "%s/partition", dir);
	snprintf(copy, sizeof(copy), "%s", dir);
	if (!access(path, F_OK))
		dirname(copy);
	if (depth < DEPTH_MAX && !collect_slaves(copy, out, depth))
		add(out, basename(copy));
}

static bool sys_dir(dev_t rdev, char out[PATH_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	return realpath(path, out) != NULL;
}

void disks_under(dev_t rdev, struct disks *out)
{
	char dir[PATH_MAX];

	out->nr = 0;
	if (sys_dir(rdev, dir))
		collect(dir, out, 0);
}

const char *disks_shared(const struct disks *a, const struct disks *b)
{
	unsigned int i, j;

	for (i = 0; i < a->nr; i++)
		for (j = 0; j < b->nr; j++)
			if (!strcmp(a->name[i], b->name[j]))
				return a->name[i];
	return NULL;
}

static void say_mount(dev_t rdev, struct text_buf *out)
{
	char line[2 * PATH_MAX], at[PATH_MAX];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned int maj, min;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %u:%u %*s %4095s", &maj, &min, at) == 3 &&
		    makedev(maj, min) == rdev) {
			bce_text_printf(out, "mounted at %s", at);
			break;
		}
	if (f)
		fclose(f);
}

static void say_holders(dev_t rdev, struct text_buf *out)
{
	char dir[PATH_MAX], path[PATH_MAX + 16];
	struct dirent *d;
	DIR *holders;

	if (!sys_dir(rdev, dir))
		return;
	snprintf(path, sizeof(path), "%s/holders", dir);
	holders = opendir(path);
	while (holders && (d = readdir(holders)))
		if (d->d_name[0] != '.')
			bce_text_printf(out, "%spart of %s", out->len ? ", " : "", d->d_name);
	if (holders)
		closedir(holders);
}

void disks_user(dev_t rdev, struct text_buf *out)
{
	say_mount(rdev, out);
	say_holders(rdev, out);
}

void disks_complain(const char *path, int error)
{
	struct text_buf user = TEXT_BUF_INIT;
	struct stat st;

	if (error != -EBUSY) {
		complain("%s: %s", path, strerror(-error));
		return;
	}
	if (!stat(path, &st) && S_ISBLK(st.st_mode))
		disks_user(st.st_rdev, &user);
	complain("%s: is in use%s%s\n  a set is changed while nobody uses it: umount it, and bcachectl stop it",
		 path, user.len ? ": " : "", bce_text_str(&user));
	bce_text_exit(&user);
}
