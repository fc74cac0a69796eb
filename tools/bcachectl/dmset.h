/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_DMSET_H
#define BCACHECTL_DMSET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Assembled sets as device-mapper devices (docs/dm-bcache.md). A set's device has the
 * DM UUID "BCACHE-SET-<uuid>" and is named after the set's label or UUID.
 */
#define DMSET_NAME_MAX		128
#define DMSET_UUID_TEXT		37
#define DMSET_MEMBERS_MAX	64

struct dmset_member {
	unsigned int	idx;
	char		device[80];	/* path; "" when absent */
	char		number[24];	/* the same as "8:16" */
	char		state;		/* R rw, r ro, F failed, S spare */
	uint64_t	reads;
	uint64_t	io_errors;
	uint64_t	csum_errors;
};

/* one running set, from its status line */
struct dmset {
	char			name[DMSET_NAME_MAX];
	char			uuid[DMSET_UUID_TEXT];
	unsigned int		major, minor;
	int			open_count;
	bool			suspended;
	char			state[16];	/* starting, running, failed, lost */
	int			start_error;
	bool			clean;
	bool			read_only;
	bool			degraded;
	unsigned int		nr_present;
	unsigned int		nr_members;
	uint64_t		errors;
	unsigned int		nr_listed;
	struct dmset_member	member[DMSET_MEMBERS_MAX];
};

/* call @fn for each assembled set until it returns non-zero. Return: that, 0, or -errno */
typedef int (*dmset_fn)(const struct dmset *set, void *ctx);
int dmset_for_each(dmset_fn fn, void *ctx);
/* by UUID, name or "/dev/..." path. Return: 0, -ENODEV, -errno */
int dmset_find(const char *what, struct dmset *out);
/* by UUID, without asking the set anything */
bool dmset_exists(const char *uuid);

/* of a status line or a table's parameters, which lose it; "" at the end */
const char *dmset_next_word(char **rest);

/* load and start a table. Return: 0; -EBUSY another device has that name; -errno */
int dmset_create(const char *name, const char *uuid, uint64_t sectors, const char *params,
		 bool read_only);
/* the table's parameters, to be freed; NULL: none. @read_only: of the table */
char *dmset_table(const char *name, uint64_t *sectors, bool *read_only);
/* exchange the table under a running set. Return: 0 or -errno, and the old table stays */
int dmset_reload(const char *name, uint64_t sectors, const char *params, bool read_only);
/* Return: 0, -EBUSY while it is open, -errno */
int dmset_remove(const char *name);
/* Return: what the set's start ended with: 0 or -errno */
int dmset_wait_started(const char *name);

/* "/dev/mapper/<name>" */
void dmset_path(const char *name, char *out, unsigned int size);

#endif
