/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_SET_CHECK_H
#define TESTS_LIB_SET_CHECK_H

#include <bcachefs/check.h>
#include <bcachefs/set.h>

#include "record.h"

/*
 * The whole checker over a set in files, as "bcachectl fsck -n" runs it; and over what crashes leave
 * of recorded devices.
 */

/**
 * set_check_files() - open read-only, start, check
 * @fds:  regular files or devices; stay the caller's
 * @opts: NULL, or what to open with beside read_only and nochanges (degraded, key)
 * @out:  what was found by the check; may be NULL
 * Every message at error or warning level goes to standard error, with @what in front.
 *
 * Return: findings, those of opening and starting included; negative errno: no set could be had.
 */
s64 set_check_files(const int *fds, unsigned int nr, const struct bce_open_opts *opts,
		    const char *what, struct bce_check_result *out);

struct crash_plan {
	unsigned int	seeds;		/* crashes per mark beside the one that loses most */
	size_t		max;		/* images in all, marks left out evenly; 0: all of them */
	u64		seed;		/* another row of crashes */
};

struct crash_image {
	unsigned int		nr;
	int			fd[RECORD_DEVS_MAX];	/* may be written to; closed by crash_each() */
	size_t			mark;
	u64			seed;
	struct record_crash	crash;
	char			name[64];		/* "mark 3 of 17, seed 5, acked 2": for messages */
};

/* not 0 ends it */
typedef int (*crash_fn)(void *ctx, struct crash_image *img);

/* @fn for each of many crashes. Return: what @fn returned, or 0; @nr: how many there were */
int crash_each(const struct record *r, const struct crash_plan *plan, crash_fn fn, void *ctx,
	       size_t *nr);

#endif
