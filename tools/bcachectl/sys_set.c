// SPDX-License-Identifier: GPL-2.0
/* Files of /sys/fs/bcachefs: one value each, or lines of a word and a number. */
#include "sys_set.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmset.h"

#define SYS_SETS	"/sys/fs/bcachefs"

static FILE *set_open(const char *uuid, const char *file)
{
	char path[160];

	snprintf(path, sizeof(path), SYS_SETS "/%s/%s", uuid, file);
	return fopen(path, "re");
}

void sys_set_for_each(sys_set_fn fn, void *ctx)
{
	DIR *dir = opendir(SYS_SETS);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (strlen(d->d_name) == DMSET_UUID_TEXT - 1)
			fn(d->d_name, ctx);
	if (dir)
		closedir(dir);
}

bool sys_set_is_mounted(const char *uuid)
{
	char path[160];

	snprintf(path, sizeof(path), SYS_SETS "/%s", uuid);
	return !access(path, F_OK);
}

void sys_set_line(const char *uuid, const char *file, char *out, unsigned int size)
{
	FILE *f = set_open(uuid, file);

	*out = '\0';
	if (!f)
		return;
	if (fgets(out, size, f))
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

uint64_t sys_set_word(const char *uuid, const char *file, const char *word)
{
	FILE *f = set_open(uuid, file);
	uint64_t n, found = 0;
	char name[64];

	while (f && fscanf(f, "%63s %" SCNu64, name, &n) == 2)
		if (!strcmp(name, word))
			found = n;
	if (f)
		fclose(f);
	return found;
}

static void member_file(char out[64], unsigned int idx, const char *file)
{
	snprintf(out, 64, "dev-%u/%s", idx, file);
}

void sys_member_line(const char *uuid, unsigned int idx, const char *file, char *out, unsigned int size)
{
	char path[64];

	member_file(path, idx, file);
	sys_set_line(uuid, path, out, size);
}

uint64_t sys_member_word(const char *uuid, unsigned int idx, const char *file, const char *word)
{
	char path[64];

	member_file(path, idx, file);
	return sys_set_word(uuid, path, word);
}

uint64_t sys_member_number(const char *uuid, unsigned int idx, const char *file)
{
	char text[32];

	sys_member_line(uuid, idx, file, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

void sys_member_room(const char *uuid, unsigned int idx, struct sys_room *out)
{
	static const char *const kinds[] = {
		"free_buckets", "cached_buckets", "need_discard_buckets", "need_gc_gens_buckets",
	};
	uint64_t bucket_bytes = sys_member_number(uuid, idx, "bucket_size"), buckets = 0;
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		buckets += sys_member_word(uuid, idx, "usage", kinds[i]);
	out->room_bytes = buckets * bucket_bytes;
	out->bytes = bucket_bytes * (sys_member_number(uuid, idx, "nbuckets") -
				     sys_member_number(uuid, idx, "first_bucket"));
}
