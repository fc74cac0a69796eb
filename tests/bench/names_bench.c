// SPDX-License-Identifier: GPL-2.0
/*
 * What find and stat cost in the engine: nanoseconds per directory entry listed, name
 * looked up and inode read, on the golden set "many" (20,000 small files) or another
 * image, in one thread.
 *
 *	warm	btree nodes in memory
 *	cold	none in memory, the image in the page cache: every entry of every directory is
 *		listed, looked up and its inode read, as find and stat do; reading, checking
 *		and merging of nodes included
 *
 * Least of several rounds: what is added to it comes from other users of the machine.
 *
 * Usage: names_bench [IMAGE]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include <bcachefs/names.h>
#include <bcachefs/set.h>

#include "kapi/kapi.h"

#define ROUNDS		15
#define DT_DIRECTORY	4

struct name {
	u32			dir;		/* in dirs */
	struct bce_file_id	target;
	bool			is_dir;
	unsigned int		len;
	char			text[BCE_NAME_MAX + 1];
};

/* the tree, every name once */
static struct name *names;
static unsigned int nr_names, room_names;
static struct bce_inode *dirs;
static unsigned int nr_dirs;

static void die(const char *what, int error)
{
	fprintf(stderr, "names_bench: %s: error %d\n", what, error);
	exit(1);
}

static void check(const char *what, int error)
{
	if (error)
		die(what, error);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ---- what there is ---- */

static bool add_name(void *ctx, const struct bce_dirent *d)
{
	struct name *n;

	if (nr_names == room_names) {
		room_names = room_names ? 2 * room_names : 1024;
		names = realloc(names, room_names * sizeof(*names));
		if (!names)
			die("names", -ENOMEM);
	}
	n = &names[nr_names++];
	n->dir = *(u32 *)ctx;
	n->target = d->target;
	n->is_dir = d->dt_type == DT_DIRECTORY;
	n->len = d->len;
	memcpy(n->text, d->name, d->len);
	return true;
}

static void add_dir(struct bce_set *set, struct bce_file_id id)
{
	dirs = realloc(dirs, (nr_dirs + 1) * sizeof(*dirs));
	if (!dirs)
		die("directories", -ENOMEM);
	check("inode", bce_inode_read(set, id, &dirs[nr_dirs++]));
}

static void read_tree(struct bce_set *set)
{
	struct bce_file_id root = { .subvol = BCE_ROOT_SUBVOL };
	struct bce_subvolume subvol;
	u32 dir, i = 0;

	check("root subvolume", bce_subvolume_read(set, BCE_ROOT_SUBVOL, &subvol));
	root.inum = subvol.root_inum;
	add_dir(set, root);
	for (dir = 0; dir < nr_dirs; dir++) {
		check("readdir", bce_readdir(set, &dirs[dir], 0, add_name, &dir));
		for (; i < nr_names; i++)
			if (names[i].is_dir)
				add_dir(set, names[i].target);
	}
}

/* ---- what is measured: each goes over the whole tree ---- */

static bool count_entry(void *ctx, const struct bce_dirent *d)
{
	++*(unsigned int *)ctx;
	return true;
}

static void list_all(struct bce_set *set)
{
	unsigned int seen = 0, i;

	for (i = 0; i < nr_dirs; i++)
		check("readdir", bce_readdir(set, &dirs[i], 0, count_entry, &seen));
	if (seen != nr_names)
		die("readdir saw another tree", -EIO);
}

static void look_up_all(struct bce_set *set)
{
	struct bce_file_id id;
	unsigned int i;

	for (i = 0; i < nr_names; i++) {
		const struct name *n = &names[i];

		check("lookup", bce_dirent_lookup(set, &dirs[n->dir], n->text, n->len, &id));
		if (id.inum != n->target.inum)
			die("lookup found another file", -EIO);
	}
}

static void read_all_inodes(struct bce_set *set)
{
	struct bce_inode inode;
	unsigned int i;

	for (i = 0; i < nr_names; i++)
		check("inode", bce_inode_read(set, names[i].target, &inode));
}

static void find_and_stat(struct bce_set *set)
{
	list_all(set);
	look_up_all(set);
	read_all_inodes(set);
}

static void measure(const char *what, void (*fn)(struct bce_set *set), struct bce_set *set,
		    bool cold)
{
	double least = 0, ns;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (cold)
			bce_set_drop_cache(set);
		ns = now_ns();
		fn(set);
		ns = now_ns() - ns;
		least = i ? min(least, ns) : ns;
	}
	printf("%-24s %10.0f\n", what, least / nr_names);
}

static struct bce_set *open_image(const char *path, struct block_device **bdev)
{
	static const struct bce_open_opts opts = { .read_only = true, .nochanges = true };
	struct bce_member_source src = { .name = "image" };
	struct bce_set *set;
	char why[512];
	int ret;

	*bdev = kapi_bdev_open(path, O_RDONLY);
	if (IS_ERR(*bdev))
		die(path, PTR_ERR(*bdev));
	src.bdev = *bdev;
	ret = bce_set_open(&set, &src, 1, &opts, bdev, why);
	if (ret)
		die(why, ret);
	check("start", bce_set_start(set));
	return set;
}

int main(int argc, char **argv)
{
	struct block_device *bdev;
	struct bce_set *set;
	char path[512];

	snprintf(path, sizeof(path), "%s/golden/many/disk0.img", getenv("O") ?: "build");
	set = open_image(argc > 1 ? argv[1] : path, &bdev);
	read_tree(set);

	printf("%u names in %u directories; nanoseconds for each\n", nr_names, nr_dirs);
	measure("readdir, warm", list_all, set, false);
	measure("lookup, warm", look_up_all, set, false);
	measure("inode, warm", read_all_inodes, set, false);
	measure("all three, cold", find_and_stat, set, true);

	bce_set_detach(set, &bdev);
	bce_set_put(set);
	kapi_bdev_close(bdev);
	free(dirs);
	free(names);
	return 0;
}
