/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_FILE_IO_H
#define BCACHECTL_FILE_IO_H

#include <bcachefs/ops.h>
#include <bcachefs/read.h>
#include <bcachefs/write.h>

/* Contents of files in a set that this process has opened, one call at a time. */

#define FILE_IO_BYTES	(1U << 20)	/* most that one call moves */

/* a page-aligned buffer of FILE_IO_BYTES; NULL. Free with free() */
void *file_io_buffer(void);
/* @bytes: a multiple of the block, as @sector (of 512 bytes) is; @buf page-aligned. 0 or -errno */
int file_read(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes);
/* the same, and the file is at least @new_size bytes long afterwards */
int file_write(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes,
	       u64 new_size);

#endif
