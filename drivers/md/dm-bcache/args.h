/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DM_BCACHE_ARGS_H
#define DM_BCACHE_ARGS_H

#include <linux/types.h>
#include <linux/uuid.h>

#include <bcachefs/set.h>

struct dm_dev;
struct dm_target;

#define SET_MEMBERS_MAX		64

/* a parsed table line of target bcache-set */
struct set_args {
	uuid_t			uuid;		/* user-visible */
	unsigned int		nr_devs;
	struct dm_dev		*dev[SET_MEMBERS_MAX];
	struct bce_open_opts	opts;		/* as the line has them */
	bool			writable;	/* members are open for writing */
};

/**
 * set_args_parse() - read the table line and open its devices
 * @ti: on error, ti->error says what is wrong
 *
 *	<set uuid> <#devs> <dev>... [<#feature args> <arg>...]
 *
 * Members are opened for writing unless the table is read-only or one of its features says so.
 *
 * Context: constructor. Return: 0 or negative errno; nothing is open then.
 * Source: docs/dm-bcache.md.
 */
int set_args_parse(struct set_args *args, struct dm_target *ti, unsigned int argc, char **argv);
void set_args_exit(struct set_args *args, struct dm_target *ti);

/* the same line again, for STATUSTYPE_TABLE; returns characters emitted */
unsigned int set_args_emit(const struct set_args *args, char *result, unsigned int maxlen);

#endif
