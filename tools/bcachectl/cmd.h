/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BCACHECTL_CMD_H
#define BCACHECTL_CMD_H

#include <stdbool.h>
#include <stdio.h>

/* Exit codes: the same for every command but fsck, which follows fsck(8). */
enum exit_code {
	EXIT_OK			= 0,
	EXIT_USAGE		= 1,
	EXIT_NOT_PERMITTED	= 2,
	EXIT_NO_MEMORY		= 3,
	EXIT_NO_DEVICE		= 4,	/* no such device or set */
	EXIT_BUSY		= 5,
	EXIT_OTHER		= 6,
};

/**
 * struct command - one subcommand
 * @args:  what stands after the name in the usage line
 * @help:  paragraphs and options for --help; the man page says the same at length
 * @run:   argv[0] is the command's name. Return: enum exit_code
 */
struct command {
	const char	*name;
	const char	*args;
	const char	*summary;
	const char	*help;
	int		(*run)(int argc, char **argv);
};

extern const struct command cmd_show_super, cmd_list, cmd_dump, cmd_probe, cmd_assemble, cmd_stop,
	cmd_status, cmd_unlock, cmd_fsck, cmd_format, cmd_set_option, cmd_set_member, cmd_ls,
	cmd_get, cmd_put, cmd_mkdir, cmd_rm, cmd_mv, cmd_incremental, cmd_subvolume, cmd_daemon,
	cmd_usage, cmd_top;

/* usage of @cmd to stdout (asked for) or stderr (wrong call) */
void command_help(const struct command *cmd, FILE *to);
/* prints what is wrong and how to get help. Return: EXIT_USAGE */
__attribute__((format(printf, 2, 3)))
int usage_error(const struct command *cmd, const char *fmt, ...);

/* "bcachectl: ..." to stderr */
__attribute__((format(printf, 1, 2)))
void complain(const char *fmt, ...);
/* exit code for a negative errno */
int exit_code_of(int error);

/* mount(8) calls us by the name mount.bcachefs */
int mount_helper(int argc, char **argv);

#endif
