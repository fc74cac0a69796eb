/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_DISKS_H
#define BCACHECTL_DISKS_H

#include <stdbool.h>
#include <sys/types.h>

struct text_buf;

/* Which whole disks lie under a block device: itself, the disk of a partition, those under dm and md. */
#define DISKS_MAX	64

struct disks {
	unsigned int	nr;
	char		name[DISKS_MAX][64];
};

/* @rdev: of a block device. Nothing is found where sysfs has nothing. */
void disks_under(dev_t rdev, struct disks *out);
/* the name of a disk that both have, or NULL */
const char *disks_shared(const struct disks *a, const struct disks *b);

/* who uses a block device, in words, appended: "mounted at /mnt", "part of dm-0"; maybe nothing */
void disks_user(dev_t rdev, struct text_buf *out);
/* that @path cannot be opened; where it cannot be had alone (-EBUSY), by whom it is used, and what to do */
void disks_complain(const char *path, int error);

#endif
