// SPDX-License-Identifier: GPL-2.0
/*
 * Small things that a shell cannot do to a file:
 *
 *	many-lines append FILE WRITER NR	NR lines of this writer, each one write(2) with O_APPEND
 *	many-lines check FILE WRITERS NR	all lines of all writers are there, whole, in order
 *	many-lines sync|datasync FILE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int append(const char *path, int writer, int nr)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	char line[128];

	for (int i = 0; fd >= 0 && i < nr; i++) {
		int len = snprintf(line, sizeof(line), "%d %d %.*s\n", writer, i, i % 90,
				   "..........................................................................................");

		if (write(fd, line, len) != len)
			return 1;
	}
	return fd < 0 || close(fd);
}

static int check(const char *path, int writers, int nr)
{
	FILE *f = fopen(path, "r");
	int next[16] = { 0 }, writer, i;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		char *dots = strchr(line, '.');

		if (sscanf(line, "%d %d", &writer, &i) != 2 || writer < 1 || writer > writers ||
		    next[writer]++ != i || (dots ? (int)strspn(dots, ".") : 0) != i % 90) {
			printf("# unexpected line: %s", line);
			return 1;
		}
	}
	for (writer = 1; writer <= writers; writer++)
		if (next[writer] != nr)
			return printf("# writer %d: %d lines of %d\n", writer, next[writer], nr), 1;
	return !f;
}

static int sync_file(const char *path, int data)
{
	int fd = open(path, O_RDWR);

	return fd < 0 || (data ? fdatasync(fd) : fsync(fd));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "append"))
		return append(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "check"))
		return check(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (argc == 3)
		return sync_file(argv[2], !strcmp(argv[1], "datasync"));
	return 2;
}
