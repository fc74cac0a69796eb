/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_SCAN_H
#define BCACHECTL_SCAN_H

#include <linux/types.h>

#include "engine/sb/sb.h"

/* Looking for members among the machine's block devices. */

struct scan_member {
	char		*path;
	u64		device_sectors;
	struct sb_image	img;
};

struct scan_list {
	struct scan_member	*member;
	unsigned int		nr;
};

/*
 * What is asked for: members of the set with this UUID or label, or of the set
 * that the device @path belongs to. Exactly one is given.
 */
struct scan_filter {
	const u8	*user_uuid;
	const char	*label;
};

/**
 * scan_devices() - read the superblock of one path each
 * Complains about each that is no member. Return: 0 or the first -errno.
 */
int scan_paths(struct scan_list *out, char *const *paths, unsigned int nr);
/* the same; devices that are gone or are no members are said and left out. Return: 0, -ENOMEM */
int scan_paths_there(struct scan_list *out, char *const *paths, unsigned int nr);
/**
 * scan_all() - every block device that holds a member matching @filter
 * Devices in use below others (multipath paths, set devices of ours) are passed over.
 * Return: 0 (maybe with an empty list) or -errno.
 */
int scan_all(struct scan_list *out, const struct scan_filter *filter);
/**
 * scan_unmet() - add those that the kernel has, but udev is not done with; @filter: by UUID
 * @out: not yet an empty list, as a rule: devices that are in it are passed over.
 * What udev has met is in its records, or kept out of them by a rule; whose event is still on its way nobody has judged.
 * Return: 0 or -errno, with @out as it was
 */
int scan_unmet(struct scan_list *out, const struct scan_filter *filter);
/**
 * scan_others() - all members on this machine of the set that the block device @path is a member of
 * Nothing is said if it is none, or an image file, or has no other.
 * Return: how many, @path among them; 0 with an empty list: @path stands for itself
 */
unsigned int scan_others(struct scan_list *out, char *path);
void scan_exit(struct scan_list *l);
/* two paths of one device */
bool scan_is_same(const char *a, const char *b);
/* the set that the first superblock names, good or not. Return: is there one? */
bool scan_head(const char *path, u8 user_uuid[16]);

/* the first line of a file in sysfs; one that is not there starts with nothing */
bool sys_starts_with(const char *path, const char *prefix);
/* the device of an assembled set of ours, "BCACHE-SET-<uuid>" */
bool path_is_set_device(const char *path);

#endif
