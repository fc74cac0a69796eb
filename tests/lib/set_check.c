// SPDX-License-Identifier: GPL-2.0
/*
 * Checking sets in files, and crashes one after the other: set_check.h.
 */
#include "set_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/util/log.h"
#include "kapi/kapi.h"
#include "require.h"

struct messages {
	const char	*what;
	s64		findings;
};

static void message(void *ctx, int level, int error_id, const char *line)
{
	struct messages *m = ctx;

	m->findings += error_id >= 0;
	if (level != BCE_LOG_INFO)
		fprintf(stderr, "%s: %s%s%s\n", m->what, line, error_id >= 0 ? ": " : "",
			error_id >= 0 ? bce_check_id_name(error_id) : "");
}

static int start_and_check(struct bce_set *set, struct bce_check_result *out)
{
	const struct bce_check_opts opts = { };
	int ret = bce_set_start(set);

	return ret ?: bce_set_check(set, &opts, out);
}

s64 set_check_files(const int *fds, unsigned int nr, const struct bce_open_opts *opts,
		    const char *what, struct bce_check_result *out)
{
	struct bce_member_source src[RECORD_DEVS_MAX] = { };
	struct bce_open_opts open = opts ? *opts : (struct bce_open_opts) { };
	struct messages messages = { .what = what };
	struct bce_check_result result;
	struct bce_set *set;
	char why[512];
	int ret;

	open.read_only = open.nochanges = true;
	open.message = message;
	open.message_ctx = &messages;
	for (unsigned int i = 0; i < nr; i++) {
		src[i] = (struct bce_member_source) {
			.bdev = kapi_bdev_from_fd(dup(fds[i]), "image", O_RDONLY),
			.name = "image",
		};
		require(!IS_ERR(src[i].bdev));
	}
	ret = bce_set_open(&set, src, nr, &open, &messages, why);
	if (ret) {
		fprintf(stderr, "%s: %s\n", what, why);
	} else {
		ret = start_and_check(set, out ?: &result);
		bce_set_detach(set, &messages);
		bce_set_put(set);
	}
	for (unsigned int i = 0; i < nr; i++)
		kapi_bdev_close(src[i].bdev);
	return ret ?: messages.findings;
}

static int one_crash(const struct record *r, size_t mark, u64 seed, crash_fn fn, void *ctx)
{
	struct crash_image img = { .nr = record_nr_devs(r), .mark = mark, .seed = seed };
	int ret;

	record_crash(r, mark, seed, img.fd, &img.crash);
	snprintf(img.name, sizeof(img.name), "mark %zu of %zu, seed %llu, acked %llu", mark,
		 record_nr_marks(r), (unsigned long long)seed,
		 (unsigned long long)img.crash.acked);
	ret = fn(ctx, &img);
	record_close_images(r, img.fd);
	return ret;
}

int crash_each(const struct record *r, const struct crash_plan *plan, crash_fn fn, void *ctx,
	       size_t *nr)
{
	size_t marks = record_nr_marks(r), each = plan->seeds + 1, step = 1, done = 0;
	int ret = 0;

	if (plan->max && marks * each > plan->max)
		step = DIV_ROUND_UP(marks * each, plan->max);
	for (size_t mark = 0; !ret && mark < marks; mark += step)
		for (u64 seed = 0; !ret && seed < each; seed++, done++)
			ret = one_crash(r, mark, seed ? plan->seed * 1000 + seed : 0, fn, ctx);
	if (nr)
		*nr = done;
	return ret;
}
