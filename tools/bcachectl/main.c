// SPDX-License-Identifier: GPL-2.0
/*
 * bcachectl: the table of commands, and what all of them share: usage, messages,
 * exit codes. Results go to stdout, messages to stderr.
 */
#include "cmd.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_format,
	&cmd_assemble,
	&cmd_stop,
	&cmd_status,
	&cmd_top,
	&cmd_unlock,
	&cmd_incremental,
	&cmd_daemon,
	&cmd_probe,
	&cmd_show_super,
	&cmd_list,
	&cmd_dump,
	&cmd_fsck,
	&cmd_set_option,
	&cmd_set_member,
	&cmd_ls,
	&cmd_get,
	&cmd_put,
	&cmd_mkdir,
	&cmd_rm,
	&cmd_mv,
	&cmd_subvolume, &cmd_usage,
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

void complain(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	/* the engine's words may end their last line, or not */
	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (len >= 0)
		fprintf(stderr, "bcachectl: %.*s\n", len, text);
	free(text);
}

void command_help(const struct command *cmd, FILE *to)
{
	fprintf(to, "usage: bcachectl %s %s\n\n%s.\n\n%s", cmd->name, cmd->args, cmd->summary,
		cmd->help);
}

int usage_error(const struct command *cmd, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "bcachectl %s: ", cmd->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nusage: bcachectl %s %s\n  more: bcachectl %s --help\n", cmd->name,
		cmd->args, cmd->name);
	return EXIT_USAGE;
}

int exit_code_of(int error)
{
	switch (-error) {
	case 0:
		return EXIT_OK;
	case EPERM:
	case EACCES:
	case ENOKEY:
	case EKEYREJECTED:
		return EXIT_NOT_PERMITTED;
	case ENOMEM:
		return EXIT_NO_MEMORY;
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case ENODATA:
		return EXIT_NO_DEVICE;
	case EBUSY:
		return EXIT_BUSY;
	default:
		return EXIT_OTHER;
	}
}

static void overview(FILE *to)
{
	unsigned int i;

	fputs("usage: bcachectl COMMAND [ARGUMENT...]\n\n", to);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nA set is named by its devices, by one of them, by UUID=UUID or by LABEL=LABEL.\n"
	      "Help of a command: bcachectl COMMAND --help. Manual: bcachectl(8).\n", to);
}

static const struct command *find_command(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static bool wants_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int run_command(const struct command *cmd, int argc, char **argv)
{
	int ret;

	if (wants_help(argc, argv)) {
		command_help(cmd, stdout);
		return EXIT_OK;
	}
	ret = cmd->run(argc, argv);
	/* a full disk or closed pipe must not look like success */
	if (fflush(stdout) || ferror(stdout)) {
		complain("writing the output: %s", strerror(errno));
		return ret ?: EXIT_OTHER;
	}
	return ret;
}

int main(int argc, char **argv)
{
	const struct command *cmd;

	if (!strcmp(basename(argv[0]), "mount.bcachefs"))
		return mount_helper(argc, argv);
	if (!strcmp(basename(argv[0]), "fsck.bcachefs"))
		return run_command(&cmd_fsck, argc, argv);
	if (argc < 2) {
		overview(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		cmd = argc > 2 ? find_command(argv[2]) : NULL;
		if (cmd)
			command_help(cmd, stdout);
		else
			overview(stdout);
		return EXIT_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd) {
		complain("no command '%s'\n  all of them: bcachectl --help", argv[1]);
		return EXIT_USAGE;
	}
	return run_command(cmd, argc - 1, argv + 1);
}
