/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_SMALL_SET_H
#define TESTS_LIB_SMALL_SET_H

#include <bcachefs/set.h>

#include "kapi/kapi.h"

/*
 * A whole set of chosen shape in memory files: formatted, opened for writing, crashed, copied as it
 * is on its members, checked.
 */

#define SMALL_SET_DEVS	4

struct small_shape {
	unsigned int	nr;		/* members */
	unsigned int	replicas;	/* of data and of metadata */
	u64		dev_bytes;
	u32		bucket_bytes;
	const char	*node, *block;	/* "4k" */
	const char	*compression;	/* NULL: none */
	bool		nocow;		/* of all files */
	const char	*label[SMALL_SET_DEVS];	/* NULL: none */
	u8		durability[SMALL_SET_DEVS];	/* 0: the usual */
};

struct small_set {
	struct small_shape	shape;
	int			fd[SMALL_SET_DEVS];
	struct block_device	*bdev[SMALL_SET_DEVS];	/* while it is open */
	struct bce_set		*set;
	unsigned long		findings;		/* lines with an error id, since it was opened */
	bool			quiet;			/* errors that are expected are not printed */
	const struct kapi_bdev_fault *fault;		/* on all members, from before it is opened; or NULL */
};

/* Ends the program if the shape cannot be made */
void small_set_format(struct small_set *s, const struct small_shape *shape);
/* the members as they are now, closed, to new files */
void small_set_copy(struct small_set *to, const struct small_set *from);
void small_set_free(struct small_set *s);

/* open and start, to be read; it may go read-write. Return as small_set_open() */
int small_set_start(struct small_set *s, char why[512]);
/* open, start, go read-write. Return: 0 or what failed (said in @why, 512 bytes); it is closed then */
int small_set_open(struct small_set *s, char why[512]);
/* @clean: shut down; else as a crash of the program leaves it. Return: of the shutdown */
int small_set_close(struct small_set *s, bool clean);
/* the members to files PREFIX0.img ..., for people */
void small_set_keep(const struct small_set *s, const char *prefix);
/* the whole checker over the closed set. Return: findings, or negative errno */
s64 small_set_check(struct small_set *s, const char *what);

#endif
