// SPDX-License-Identifier: GPL-2.0
/*
 * Opening a set's superblocks for a change, and writing them.
 *
 * All members take part, as they do in a running set: one that is left out would look, later, as if
 * it had missed something, which is what --degraded accepts.
 */
#include "sb_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "cmd.h"
#include "disks.h"
#include "engine/format/ids.h"
#include "engine/util/text.h"
#include "find_set.h"
#include "foreign.h"
#include "kapi/kapi.h"

static void say(void *ctx, enum bce_log_level level, int error_id, const char *line)
{
	complain("%s", line);
}

static int member_open(struct sb_session *s, unsigned int i)
{
	struct text_buf why = TEXT_BUF_INIT;
	int ret;

	s->bdev[i] = kapi_bdev_open(s->path[i], O_RDWR | O_EXCL);
	if (IS_ERR(s->bdev[i])) {
		ret = PTR_ERR(s->bdev[i]);
		s->bdev[i] = NULL;
		disks_complain(s->path[i], ret);
		return exit_code_of(ret);
	}
	ret = bce_sb_read(&s->img[i], s->bdev[i], 0, &why);
	if (ret)
		complain_no_member(s->path[i], ret, bce_text_str(&why));
	bce_text_exit(&why);
	return exit_code_of(ret);
}

static int choose(struct sb_session *s)
{
	struct sb_candidate *c = calloc(s->nr, sizeof(*c));
	struct text_buf why = TEXT_BUF_INIT;
	int best, ret = 0;
	unsigned int i;

	if (!c)
		return EXIT_NO_MEMORY;
	for (i = 0; i < s->nr; i++)
		c[i] = (struct sb_candidate) {
			.sb = s->img[i].sb, .name = s->path[i],
			.device_sectors = bdev_nr_sectors(s->bdev[i]),
		};
	best = bce_sb_choose(c, s->nr, false, &why);
	for (i = 0; i < s->nr; i++)
		if (best < 0 || c[i].verdict != SB_USE)
			ret = EXIT_OTHER;
	if (ret)
		complain("%s", bce_text_str(&why));
	else
		s->best = s->img[best].sb;
	bce_text_exit(&why);
	free(c);
	return ret;
}

static int check_set(struct sb_session *s, bool degraded)
{
	struct sb_presence presence;
	struct sb_info info;
	u64 present = 0;
	unsigned int i;

	bce_sb_info(s->best, &info);
	if (!info.initialized) {
		complain("the set was formatted but never started\n  format it again, with other options");
		return EXIT_OTHER;
	}
	for (i = 0; i < s->nr; i++)
		present |= 1ULL << s->img[i].sb->dev_idx;
	bce_sb_presence(s->best, present, &presence);
	if (presence.missing && !degraded) {
		complain("%u of %u members were named\n  name the others too; without those that are lost: --degraded",
			 presence.nr_present, presence.nr_expected);
		return EXIT_NO_DEVICE;
	}
	return 0;
}

static int writer_open(struct sb_session *s)
{
	const struct bch_sb *dev_sb[BCH_MEMBERS_MAX] = { };
	struct member_info m;
	unsigned int i, idx;
	int ret = 0;

	s->members = bce_members_alloc();
	s->log = bce_log_alloc("set");
	if (!s->members || !s->log)
		return EXIT_NO_MEMORY;
	bce_log_set_print(s->log, say, NULL);
	for (i = 0; i < s->nr && !ret; i++) {
		idx = s->img[i].sb->dev_idx;
		dev_sb[idx] = s->img[i].sb;
		bce_sb_member(s->best, idx, &m);
		ret = bce_member_attach(s->members, idx, s->bdev[i], &m, s->path[i], s);
	}
	if (!ret)
		ret = bce_sb_writer_open(&s->w, s->best, dev_sb, s->members, s->log);
	if (ret)
		complain("opening the superblocks: %s", strerror(-ret));
	return exit_code_of(ret);
}

/* @named first, then the others that have been found */
static char **found_paths(const struct scan_list *found, char *named, unsigned int *nr)
{
	char **path = calloc(found->nr + 1, sizeof(*path));
	unsigned int i;

	if (!path)
		return NULL;
	*nr = 0;
	if (!find_set_is_name(named))
		path[(*nr)++] = named;
	for (i = 0; i < found->nr; i++)
		if (!scan_is_same(found->member[i].path, named))
			path[(*nr)++] = found->member[i].path;
	return path;
}

int sb_session_open(struct sb_session *s, char *const *paths, unsigned int nr, bool degraded)
{
	unsigned int i;
	int ret = 0;

	*s = (struct sb_session) { .path = paths };
	if (nr == 1) {
		ret = find_set_of(&s->found, paths[0]);
		if (ret < 0)
			return exit_code_of(ret);
	}
	if (ret) {
		s->path = s->found_path = found_paths(&s->found, paths[0], &nr);
		if (!s->path)
			return EXIT_NO_MEMORY;
		ret = 0;
	}
	s->bdev = calloc(nr, sizeof(*s->bdev));
	s->img = calloc(nr, sizeof(*s->img));
	if (!s->bdev || !s->img)
		return EXIT_NO_MEMORY;
	s->nr = nr;
	for (i = 0; i < nr && !ret; i++)
		ret = member_open(s, i);
	if (!ret)
		ret = choose(s);
	if (!ret)
		ret = check_set(s, degraded);
	return ret ?: writer_open(s);
}

void sb_session_close(struct sb_session *s)
{
	unsigned int i;

	bce_sb_writer_close(s->w);
	bce_members_free(s->members);
	for (i = 0; i < s->nr; i++) {
		bce_sb_image_exit(&s->img[i]);
		kapi_bdev_close(s->bdev[i]);
	}
	if (s->log)
		bce_log_free(s->log);
	free(s->img);
	free(s->bdev);
	free(s->found_path);
	scan_exit(&s->found);
}

int sb_session_write(struct sb_session *s)
{
	int ret;

	bce_sb_edit_begin(s->w);
	ret = bce_sb_write(s->w);
	bce_sb_edit_end(s->w);
	if (ret)
		complain("writing the superblocks: %s", strerror(-ret));
	return exit_code_of(ret);
}
