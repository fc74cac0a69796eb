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

void sys_set_words(const char *uuid, const char *file, const struct sys_word *words, unsigned int nr)
{
	FILE *f = set_open(uuid, file);
	char name[64];
	uint64_t n;
	unsigned int i;

	for (i = 0; i < nr; i++)
		*words[i].value = 0;
	while (f && fscanf(f, "%63s %" SCNu64, name, &n) == 2)
		for (i = 0; i < nr; i++)
			if (!strcmp(name, words[i].word))
				*words[i].value = n;
	if (f)
		fclose(f);
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

void sys_member_words(const char *uuid, unsigned int idx, const char *file, const struct sys_word *words,
		      unsigned int nr)
{
	char path[64];

	member_file(path, idx, file);
	sys_set_words(uuid, path, words, nr);
}

uint64_t sys_member_number(const char *uuid, unsigned int idx, const char *file)
{
	char text[32];

	sys_member_line(uuid, idx, file, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

void sys_member_room(const char *uuid, unsigned int idx, struct sys_room *out)
{
	uint64_t bucket_bytes = sys_member_number(uuid, idx, "bucket_size"), free, cached, need_discard, need_gc_gens;

	sys_member_words(uuid, idx, "usage", (struct sys_word[]) {
		{ "free_buckets", &free }, { "cached_buckets", &cached },
		{ "need_discard_buckets", &need_discard }, { "need_gc_gens_buckets", &need_gc_gens },
	}, 4);
	out->room_bytes = (free + cached + need_discard + need_gc_gens) * bucket_bytes;
	out->bytes = bucket_bytes * (sys_member_number(uuid, idx, "nbuckets") -
				     sys_member_number(uuid, idx, "first_bucket"));
}
