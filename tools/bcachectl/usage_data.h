/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_USAGE_DATA_H
#define BCACHECTL_USAGE_DATA_H

#include <bcachefs/ioctl.h>
#include <bcachefs/names.h>
#include <bcachefs/usage.h>

#include "offline.h"

/* What takes up a set's space: asked of a mounted file system, or of an unmounted set. */
struct usage_data {
	struct bce_usage	set;
	u64			reserved_sectors;	/* promised to writers */
	struct bce_accounting	*counter;
	unsigned int		nr, room;
	struct bce_ioctl_member	member[64];
	u32			bucket_sectors[64];
	u64			nbuckets[64];
};

/* @path: any file of a mounted file system. Return: 0; -ENOTTY it is none of ours; -errno */
int usage_data_mounted(struct usage_data *u, const char *path);
int usage_data_offline(struct usage_data *u, const struct offline_set *o);
void usage_data_free(struct usage_data *u);

#endif
