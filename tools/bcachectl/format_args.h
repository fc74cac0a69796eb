/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_FORMAT_ARGS_H
#define BCACHECTL_FORMAT_ARGS_H

#include <stdbool.h>

#include "engine/sb/format.h"

struct command;

/* What was asked of "bcachectl format". */
struct format_args {
	struct sb_format_dev	*dev;		/* names as given */
	u64			*image_bytes;	/* per device: make this image file, 0: it is there */
	unsigned int		nr_devs;
	struct sb_format_option	*option;
	unsigned int		nr_options;
	const char		*label;
	u8			user_uuid[16];
	bool			has_uuid;
	u64			sb_bytes;
	const char		*source;	/* a directory to fill it with; NULL: none */
	bool			encrypted;
	bool			no_passphrase;
	bool			force;
	bool			dry_run;
	bool			json;
	bool			progress_json;
	bool			quiet;
};

/*
 * Prints what is wrong. @argv is changed. Return: enum exit_code; format_args_exit() in any case.
 */
int format_args_parse(struct format_args *a, const struct command *cmd, int argc, char **argv);
void format_args_exit(struct format_args *a);

#endif
