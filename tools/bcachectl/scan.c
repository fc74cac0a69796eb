// SPDX-License-Identifier: GPL-2.0
/*
 * Every block device is opened read-only and its superblock looked for. Devices that
 * are components of another one (their sysfs "holders" is not empty, or they are set
 * devices of ours, which show a superblock too) are not members to be assembled.
 */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sys/sysmacros.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "cmd.h"
#include "engine/format/sb.h"
#include "engine/util/text.h"
#include "foreign.h"
#include "kapi/kapi.h"

#define SYS_BLOCK	"/sys/class/block"

static int read_member(const char *path, struct scan_member *m, struct text_buf *why)
{
	struct block_device *bdev = kapi_bdev_open(path, O_RDONLY);
	int ret;

	if (IS_ERR(bdev)) {
		bce_text_printf(why, "%s", strerror(-PTR_ERR(bdev)));
		return PTR_ERR(bdev);
	}
	m->device_sectors = bdev_nr_sectors(bdev);
	ret = bce_sb_read(&m->img, bdev, 0, why);
	kapi_bdev_close(bdev);
	if (ret)
		return ret;
	m->path = strdup(path);
	if (!m->path) {
		bce_sb_image_exit(&m->img);
		return -ENOMEM;
	}
	return 0;
}

static int append(struct scan_list *l, const struct scan_member *m)
{
	struct scan_member *grown = realloc(l->member, (l->nr + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->member = grown;
	l->member[l->nr++] = *m;
	return 0;
}

static int read_and_append(struct scan_list *out, const char *path)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct scan_member m = { };
	int ret = read_member(path, &m, &why);

	if (ret)
		complain_no_member(path, ret, bce_text_str(&why));
	else
		ret = append(out, &m);
	bce_text_exit(&why);
	return ret;
}

int scan_paths(struct scan_list *out, char *const *paths, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	*out = (struct scan_list) { };
	for (i = 0; !ret && i < nr; i++)
		ret = read_and_append(out, paths[i]);
	if (ret)
		scan_exit(out);
	return ret;
}

int scan_paths_there(struct scan_list *out, char *const *paths, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	*out = (struct scan_list) { };
	for (i = 0; ret != -ENOMEM && i < nr; i++)
		ret = read_and_append(out, paths[i]);
	if (ret != -ENOMEM)
		return 0;
	scan_exit(out);
	return ret;
}

static bool matches(const struct bch_sb *sb, const struct scan_filter *f)
{
	struct sb_info info;

	bce_sb_info(sb, &info);
	if (f->user_uuid)
		return !memcmp(info.user_uuid, f->user_uuid, 16);
	return !strcmp(info.label, f->label);
}

bool sys_starts_with(const char *path, const char *prefix)
{
	char text[128] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return !strncmp(text, prefix, strlen(prefix));
}

static bool attr_starts_with(const char *name, const char *attr, const char *prefix)
{
	char path[512];

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/%s", name, attr);
	return sys_starts_with(path, prefix);
}

static bool has_holders(const char *name)
{
	char path[512];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/holders", name);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir)))
		found = d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* may this block device be a member that nobody uses? */
static bool is_candidate(const char *name)
{
	return name[0] != '.' && !attr_starts_with(name, "size", "0\n") &&
	       !attr_starts_with(name, "dm/uuid", "BCACHE-") && !has_holders(name);
}

static bool is_listed(const struct scan_list *l, const char *path)
{
	struct stat new, old;
	unsigned int i;

	if (stat(path, &new))
		return false;
	for (i = 0; i < l->nr; i++)
		if (!stat(l->member[i].path, &old) && old.st_rdev == new.st_rdev)
			return true;
	return false;
}

/* add what is at @path if @filter asks for it. Return: 0 also if not, -ENOMEM */
static int add_if_asked_for(struct scan_list *out, const char *path, const struct scan_filter *filter)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct scan_member m = { };
	int ret = 0;

	if (!read_member(path, &m, &why)) {
		if (matches(m.img.sb, filter)) {
			ret = append(out, &m);
		} else {
			free(m.path);
			bce_sb_image_exit(&m.img);
		}
	}
	bce_text_exit(&why);
	return ret;
}

static void remove_last(struct scan_list *l)
{
	struct scan_member *m = &l->member[--l->nr];

	free(m->path);
	bce_sb_image_exit(&m->img);
}

int scan_all(struct scan_list *out, const struct scan_filter *filter)
{
	DIR *dir = opendir(SYS_BLOCK);
	struct dirent *d;
	int ret = 0;

	*out = (struct scan_list) { };
	if (!dir)
		return -errno;
	while (!ret && (d = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "/dev/%s", d->d_name);
		if (is_candidate(d->d_name))
			ret = add_if_asked_for(out, path, filter);
	}
	closedir(dir);
	if (ret)
		scan_exit(out);
	return ret;
}

bool scan_head(const char *path, u8 user_uuid[16])
{
	static const u8 magics[][16] = { BCHFS_MAGIC_BYTES, BCACHE_MAGIC_BYTES };
	struct bch_sb head;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found;

	if (fd < 0)
		return false;
	found = pread(fd, &head, sizeof(head), BCH_SB_SECTOR * SECTOR_SIZE) == sizeof(head) &&
		(!memcmp(head.magic, magics[0], 16) || !memcmp(head.magic, magics[1], 16));
	close(fd);
	if (found)
		memcpy(user_uuid, head.user_uuid, 16);
	return found;
}

/* Most devices whose events are on their way are others, and who waits for a set waits for this: one look each. */
static bool looks_asked_for(const char *path, const struct scan_filter *f)
{
	u8 uuid[16];

	return scan_head(path, uuid) && !memcmp(uuid, f->user_uuid, 16);
}

int scan_unmet(struct scan_list *out, const struct scan_filter *filter)
{
	struct udev *udev = udev_new();
	struct udev_enumerate *all = udev ? udev_enumerate_new(udev) : NULL;
	struct udev_list_entry *entry;
	unsigned int nr_before = out->nr;
	int ret = all ? udev_enumerate_add_match_subsystem(all, "block") : -ENOMEM;

	if (!ret)
		ret = udev_enumerate_scan_devices(all);
	entry = ret ? NULL : udev_enumerate_get_list_entry(all);
	for (; !ret && entry; entry = udev_list_entry_get_next(entry)) {
		struct udev_device *dev = udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
		const char *path = dev ? udev_device_get_devnode(dev) : NULL;

		if (path && !udev_device_get_is_initialized(dev) && looks_asked_for(path, filter) &&
		    is_candidate(udev_device_get_sysname(dev)) && !is_listed(out, path))
			ret = add_if_asked_for(out, path, filter);
		udev_device_unref(dev);
	}
	udev_enumerate_unref(all);
	udev_unref(udev);
	while (ret && out->nr > nr_before)
		remove_last(out);
	return ret;
}

static bool is_block_device(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode);
}

bool scan_is_same(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && S_ISBLK(x.st_mode) && x.st_rdev == y.st_rdev;
}

unsigned int scan_others(struct scan_list *out, char *path)
{
	struct text_buf why = TEXT_BUF_INIT;
	struct scan_member one = { };
	struct sb_info info = { };

	*out = (struct scan_list) { };
	if (is_block_device(path) && !read_member(path, &one, &why)) {
		bce_sb_info(one.img.sb, &info);
		bce_sb_image_exit(&one.img);
		free(one.path);
	}
	bce_text_exit(&why);
	if (info.nr_devices < 2 || scan_all(out, &(struct scan_filter) { .user_uuid = info.user_uuid }))
		return 0;
	return out->nr;
}

void scan_exit(struct scan_list *l)
{
	while (l->nr)
		remove_last(l);
	free(l->member);
	l->member = NULL;
}

bool path_is_set_device(const char *path)
{
	char sys[128];
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u/dm/uuid", major(st.st_rdev),
		 minor(st.st_rdev));
	return sys_starts_with(sys, "BCACHE-SET-");
}
