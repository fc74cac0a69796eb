/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_SET_IO_H
#define TESTS_SET_IO_H

#include <bcachefs/read.h>
#include <bcachefs/set.h>
#include <bcachefs/write.h>

/* Reads and writes of files of a set, waited for. Buffers are page-aligned. 0 or -errno */

#define SET_IO_BYTES	(1U << 20)

int set_read(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes);
int set_write(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes,
	      u64 new_size, unsigned int flags);

/* a set opened for writing from image files */
struct test_set {
	struct bce_set		*set;
	unsigned int		nr;
	struct block_device	*bdev[64];
	unsigned long		findings;	/* lines with an error id */
};
/* An encrypted one: SET_KEY in the environment. @why: 512 bytes. Return: 0 or -errno, everything closed */
int test_set_open(struct test_set *t, char *const *paths, unsigned int nr, bool write,
		  char why[512]);
/* @clean: shut down; else as after a crash. Return: of the shutdown */
int test_set_close(struct test_set *t, bool clean);

#endif
