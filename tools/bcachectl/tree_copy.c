// SPDX-License-Identifier: GPL-2.0
/*
 * Copying trees in and out of a set: what both ways share.
 *
 * What goes wrong with one file is said and counted, and the rest goes on, as with cp(1), unless the copy is
 * worth nothing without it (opts.strict). A file that has several names on this side is copied once: a table of
 * (device, number) of those already copied gives the file on the other side, which then gets another name.
 *
 * Attributes of a directory come last, when its contents no longer change its times.
 */
#include "tree_copy.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "file_io.h"
#include "interrupt.h"
#include "tree_copy_internal.h"

#define BYTES_PER_NAME	4096	/* a name takes about as long as so much data */

const struct xattr_kind tree_xattr_kinds[] = {
	{ "user.", BCE_XATTR_USER },
	{ "trusted.", BCE_XATTR_TRUSTED },
	{ "security.", BCE_XATTR_SECURITY },
	{ "system.posix_acl_access", BCE_XATTR_ACL_ACCESS, true },
	{ "system.posix_acl_default", BCE_XATTR_ACL_DEFAULT, true },
};
const unsigned int tree_nr_xattr_kinds = sizeof(tree_xattr_kinds) / sizeof(tree_xattr_kinds[0]);

/* ---- progress ---- */

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return to->tv_sec - from->tv_sec + (to->tv_nsec - from->tv_nsec) / 1e9;
}

static double mib(u64 bytes)
{
	return bytes / 1048576.0;
}

static u64 bytes_now(const struct tree_copy *c)
{
	return c->bytes + c->file_bytes;
}

static void show_json(const struct tree_copy *c)
{
	fprintf(stderr, "{\"files\":%lu,\"bytes\":%ju", c->files, (uintmax_t)bytes_now(c));
	if (c->total_files)
		fprintf(stderr, ",\"total_files\":%lu,\"total_bytes\":%ju", c->total_files,
			(uintmax_t)c->total_bytes);
	fputs("}\n", stderr);
}

static void show_time_left(const struct tree_copy *c, double elapsed)
{
	double done = bytes_now(c) + (double)c->files * BYTES_PER_NAME;
	double total = c->total_bytes + (double)c->total_files * BYTES_PER_NAME;
	unsigned long left;

	if (elapsed < 1 || done <= 0 || done > total)
		return;
	left = elapsed * (total - done) / done + 0.5;
	if (left < 3600)
		fprintf(stderr, ", %lu:%02lu left", left / 60, left % 60);
	else
		fprintf(stderr, ", %lu:%02lu h left", left / 3600, left / 60 % 60);
}

static void show_line(const struct tree_copy *c, double elapsed, bool last)
{
	double rate = elapsed > 0 ? mib(bytes_now(c)) / elapsed : 0;

	if (c->total_files)
		fprintf(stderr, "\r\033[K%lu of %lu files, %.1f of %.1f MiB, %.1f MiB/s", c->files,
			c->total_files, mib(bytes_now(c)), mib(c->total_bytes), rate);
	else
		fprintf(stderr, "\r\033[K%lu files, %.1f MiB, %.1f MiB/s", c->files, mib(bytes_now(c)), rate);
	if (last)
		fputc('\n', stderr);
	else if (c->total_files)
		show_time_left(c, elapsed);
}

void tree_show(struct tree_copy *c, bool last)
{
	struct timespec now;

	if (!c->opts.progress && !c->opts.progress_json)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!last && seconds_between(&c->shown, &now) < 0.1)
		return;
	c->shown = now;
	if (c->opts.progress_json)
		show_json(c);
	else
		show_line(c, seconds_between(&c->start, &now), last);
}

void tree_file_begin(struct tree_copy *c, u64 weight)
{
	c->file_weight = weight;
	c->file_bytes = 0;
}

void tree_file_bytes(struct tree_copy *c, u64 bytes)
{
	c->file_bytes += bytes;
	if (c->file_bytes > c->file_weight)
		c->file_bytes = c->file_weight;
	tree_show(c, false);
}

void tree_file_end(struct tree_copy *c)
{
	c->bytes += c->file_weight;
	c->file_weight = 0;
	c->file_bytes = 0;
}

int tree_fail(struct tree_copy *c, const char *path, const char *what, int error)
{
	if (c->opts.progress)
		fputs("\r\033[K", stderr);
	if (!c->opts.silent)
		complain("%s: %s: %s", path, what, strerror(-error));
	c->failed++;
	return c->opts.strict ? error : 0;
}

/* errors after which the rest would fail too */
static bool is_fatal(int error)
{
	return error == -ENOSPC || error == -EROFS || error == -ENOMEM || error == -EDQUOT;
}

int tree_settle(struct tree_copy *c, const char *path, const char *what, int error)
{
	int ret;

	/* that is no fault of this file's */
	if (!error || (error == -EINTR && interrupted()))
		return error;
	ret = tree_fail(c, path, what, error);
	return is_fatal(error) ? error : ret;
}

/* ---- begin and end ---- */

struct tree_copy *tree_copy_begin(struct bce_set *set, const struct tree_copy_opts *opts)
{
	struct tree_copy *c = calloc(1, sizeof(*c));
	struct bce_set_info info;

	if (!c)
		return NULL;
	if (set) {
		bce_set_info(set, &info);
		c->block_bytes = info.block_bytes;
	}
	c->set = set;
	c->opts = *opts;
	c->buffer = file_io_buffer();
	clock_gettime(CLOCK_MONOTONIC, &c->start);
	if (!c->buffer) {
		free(c);
		return NULL;
	}
	return c;
}

unsigned long tree_copy_end(struct tree_copy *c)
{
	unsigned long failed = c->failed;

	tree_show(c, true);
	tree_linked_forget(c);
	free(c->buffer);
	free(c);
	return failed;
}

void tree_copy_counts(const struct tree_copy *c, struct tree_counts *out)
{
	*out = (struct tree_counts) { .files = c->files, .bytes = c->bytes };
}

void tree_copy_expect(struct tree_copy *c, const struct tree_counts *total)
{
	c->total_files = total->files;
	c->total_bytes = total->bytes;
}

/* ---- several names of one file ---- */

static void linked_free(void *p)
{
	struct linked *l = p;

	free(l->local);
	free(l);
}

static int linked_cmp(const void *a, const void *b)
{
	const struct linked *l = a, *r = b;

	if (l->dev != r->dev)
		return l->dev < r->dev ? -1 : 1;
	return l->number < r->number ? -1 : l->number > r->number;
}

struct linked *tree_linked_find(struct tree_copy *c, u64 dev, u64 number)
{
	struct linked key = { .dev = dev, .number = number };
	struct linked **found = tfind(&key, &c->links, linked_cmp);

	return found ? *found : NULL;
}

void tree_linked_add(struct tree_copy *c, u64 dev, u64 number, struct bce_file_id there, const char *local)
{
	struct linked *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	*l = (struct linked) { .dev = dev, .number = number, .there = there };
	l->local = local ? strdup(local) : NULL;
	if ((local && !l->local) || !tsearch(l, &c->links, linked_cmp))
		linked_free(l);
}

void tree_linked_forget(struct tree_copy *c)
{
	tdestroy(c->links, linked_free);
	c->links = NULL;
}
