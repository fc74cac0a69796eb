/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_RECORDS_H
#define BCACHECTL_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/sb/sb.h"

/*
 * What is known about the machine's members without asking every device again: one small file
 * for each, written when udev reports it. See the head of records.c.
 */
#define RECORDS_DIR	"/run/bcachectl"
#define RECORDS_NO_UUID	"unreadable"	/* in place of a set's UUID */

struct record {
	char		*path;
	uint64_t	device_sectors;
	int		error;		/* 0, or why @sb is NULL: negative errno */
	char		*why;		/* the same in words; NULL: nothing to say */
	struct bch_sb	*sb;		/* validated */
};

struct record_list {
	struct record	*rec;
	unsigned int	nr;
};

/* another place than RECORDS_DIR; the text is kept, not copied */
void records_set_dir(const char *dir);

/*
 * The name under which @path is recorded: "8:16"; of a file "file-<dev>-<inode>".
 * Return: 0, -ENOENT, -EINVAL neither device nor file
 */
int record_id(const char *path, char id[64]);
/**
 * record_write() - note a device as member of a set
 * @set: UUID in text, or RECORDS_NO_UUID
 * @img: its superblock; NULL where @error says why there is none
 * Replaces what was known about the device, whichever set it belonged to.
 */
int record_write(const char *set, const char *path, uint64_t device_sectors,
		 const struct sb_image *img, int error, const char *why);
/* is it noted as member of @set already, the same one? @dev_idx: its slot */
bool record_is_known(const char *set, const char *path, unsigned int dev_idx);
/* the device is no member of any set any more, or gone. Return: 0 also if it never was */
int record_forget(const char *id);

/* all of one set whose devices are still there, by path; the set may have none. Return: 0, -errno */
int records_read(const char *set, struct record_list *out);
void records_exit(struct record_list *l);
/* call @fn with the UUID of each set that has records until it returns non-zero. Return: that */
typedef int (*records_fn)(const char *set, void *ctx);
int records_for_each_set(records_fn fn, void *ctx);

/* an empty file among a set's records, for conditions of units */
int records_mark(const char *set, const char *name, bool there);

#endif
