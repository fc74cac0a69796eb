// SPDX-License-Identifier: GPL-2.0
/*
 * format --source.
 *
 *   measure           what cannot be read is known before a byte is written
 *   superblocks       with a label and a UUID that say that it is not done
 *   first start       as by any other writer of an offline set
 *   copy              ends at the first file that cannot be copied
 *   clean shutdown    all is on the members
 *   label and UUID    now it is what was asked for
 *
 * Who makes the superblocks removes them if this fails.
 */
#include "format_source.h"

#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "engine/format/sb.h"
#include "engine/sb/write.h"
#include "interrupt.h"
#include "offline.h"
#include "set_path.h"

/* ---- before ---- */

struct made {
	const struct stat	*st;
	unsigned int		nr;
};

static bool is_made(void *ctx, const char *path, const struct stat *st)
{
	const struct made *made = ctx;
	unsigned int i;

	for (i = 0; i < made->nr; i++) {
		if (!S_ISREG(made->st[i].st_mode) || made->st[i].st_dev != st->st_dev ||
		    made->st[i].st_ino != st->st_ino)
			continue;
		complain("%s: is in the tree that is to be copied, and would be copied into itself\n  make it elsewhere",
			 path);
		return true;
	}
	return false;
}

int format_source_look(struct format_source *s, const struct stat *made_st, unsigned int nr_made)
{
	struct made made = { made_st, nr_made };
	struct stat st;
	int ret;

	if (stat(s->path, &st) || (!S_ISDIR(st.st_mode) && (errno = ENOTDIR))) {
		ret = -errno;
		complain("--source %s: %s", s->path, strerror(-ret));
		return exit_code_of(ret);
	}
	ret = tree_measure(s->path, false, is_made, &made, &s->total);
	if (ret == -EIO)
		complain("nothing was written: a set with a part of %s would be made", s->path);
	else if (ret && ret != -EINVAL)
		complain("--source %s: %s", s->path, strerror(-ret));
	return exit_code_of(ret);
}

/* ---- filling ---- */

static int copy_all(struct format_source *s, struct bce_set *set)
{
	struct tree_copy *c = tree_copy_begin(set, &s->opts);
	struct bce_inode root;
	int ret;

	if (!c)
		return -ENOMEM;
	tree_copy_expect(c, &s->total);
	ret = set_path_lookup(set, "/", &root);
	if (!ret)
		ret = tree_put_contents(c, s->path, &root);
	tree_copy_counts(c, &s->done);
	return tree_copy_end(c) && !ret ? -EIO : ret;
}

static int give_name(struct format_source *s, struct sb_writer *w)
{
	struct bch_sb *sb = bce_sb_edit_begin(w);
	int ret;

	memset(sb->label, 0, sizeof(sb->label));
	memcpy(sb->label, s->label ? s->label : "", s->label ? strlen(s->label) : 0);
	memcpy(sb->user_uuid, s->uuid, sizeof(s->uuid));
	ret = bce_sb_write(w);
	bce_sb_edit_end(w);
	return ret;
}

static int fill(struct format_source *s, struct offline_set *o)
{
	int ret;

	ret = copy_all(s, o->set);
	if (ret == -ENOSPC)
		complain("the tree does not fit: %s needs more than the set has; give larger or more devices, or --compression",
			 s->path);
	if (ret)
		return ret;
	ret = bce_set_go_ro(o->set);
	if (!ret)
		ret = give_name(s, offline_sb_writer(o));
	if (ret)
		complain("writing the end of it: %s", strerror(-ret));
	return ret;
}

int format_source_fill(struct format_source *s, char **paths, struct block_device **bdev, unsigned int nr)
{
	struct offline_opts opts = { .write = true, .lent = bdev, .passphrase_key = s->passphrase_key };
	struct offline_set o;
	int ret = offline_open(&o, paths, nr, &opts), closed;

	if (ret)
		return ret;
	ret = fill(s, &o);
	closed = offline_close(&o);
	if (interrupted())
		complain("interrupted");
	return ret ? exit_code_of(ret) : closed;
}
