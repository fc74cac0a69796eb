/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_SET_IMAGE_H
#define TESTS_SET_IMAGE_H

#include <bcachefs/names.h>
#include <bcachefs/set.h>

struct test_set;

/* Freshly formatted sets of random shape in files of a directory of their own. */
struct set_image {
	char		dir[64];
	char		*path[8];
	unsigned int	nr;
	u32		block_bytes;
	char		description[256];
};

/* by @seed: members, sizes of buckets, nodes and blocks, replicas, checksums, compression. 0 or -1 */
int set_image_make(struct set_image *image, u64 seed);
void set_image_remove(struct set_image *image);
/* the same, and opened for writing; @root: its root directory. Ends the program if it cannot */
void set_image_begin(struct set_image *image, u64 seed, struct test_set *t, struct bce_file_id *root);
/* shut down unless it is closed already, and removed */
void set_image_end(struct set_image *image, struct test_set *t);

/* block size of a set, by its superblock; 0: none */
u32 set_image_block_bytes(const char *path);
/* our checker over an opened set. Return: 0, or -1: there are findings (said on stderr) */
int set_image_check(struct bce_set *set);

#endif
