// SPDX-License-Identifier: GPL-2.0
#include "small_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "engine/sb/format.h"
#include "require.h"
#include "set_check.h"

static struct sb_format_option *add_option(struct sb_format_option *o, const char *name,
					   const char *value)
{
	*o = (struct sb_format_option) { name, value };
	return o + 1;
}

static void write_member(struct small_set *s, unsigned int i, const struct sb_image *img)
{
	struct block_device *bdev;

	s->fd[i] = memfd_create("member", MFD_CLOEXEC);
	require(s->fd[i] >= 0 && !ftruncate(s->fd[i], s->shape.dev_bytes));
	bdev = kapi_bdev_from_fd(dup(s->fd[i]), "member", O_RDWR);
	require(!IS_ERR(bdev));
	require(!bce_sb_format_write(bdev, "member", img));
	kapi_bdev_close(bdev);
}

void small_set_format(struct small_set *s, const struct small_shape *shape)
{
	const char *replicas = shape->replicas == 3 ? "3" : shape->replicas == 2 ? "2" : "1";
	struct sb_format_dev dev[SMALL_SET_DEVS];
	struct sb_format_option option[8], *o = option;
	struct sb_format format = { .dev = dev, .nr_devs = shape->nr, .option = option };
	struct sb_image img[SMALL_SET_DEVS] = { };
	struct text_buf why = TEXT_BUF_INIT;

	*s = (struct small_set) { .shape = *shape };
	o = add_option(o, "block_size", shape->block);
	o = add_option(o, "btree_node_size", shape->node);
	o = add_option(o, "metadata_replicas", replicas);
	o = add_option(o, "data_replicas", replicas);
	if (shape->compression)
		o = add_option(o, "compression", shape->compression);
	if (shape->nocow)
		o = add_option(o, "nocow", "1");
	format.nr_options = o - option;
	for (unsigned int i = 0; i < shape->nr; i++) {
		bce_sb_format_dev_init(&dev[i]);
		dev[i].name = "member";
		dev[i].sectors = shape->dev_bytes / 512;
		dev[i].bucket_bytes = shape->bucket_bytes;
		dev[i].label = shape->label[i];
		if (shape->durability[i])
			dev[i].durability = shape->durability[i];
	}
	if (bce_sb_format_make(img, &format, &why)) {
		fprintf(stderr, "format: %s\n", bce_text_str(&why));
		exit(1);
	}
	for (unsigned int i = 0; i < shape->nr; i++) {
		write_member(s, i, &img[i]);
		bce_sb_image_exit(&img[i]);
	}
	bce_text_exit(&why);
}

static int file_copy(int from, u64 bytes)
{
	int to = memfd_create("member", MFD_CLOEXEC);
	off_t at = 0, end;

	require(to >= 0 && !ftruncate(to, bytes));
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t in = at, out = at;

		end = lseek(from, at, SEEK_HOLE);
		while (in < end)
			require(copy_file_range(from, &in, to, &out, end - in, 0) > 0);
		at = end;
	}
	return to;
}

void small_set_copy(struct small_set *to, const struct small_set *from)
{
	*to = (struct small_set) { .shape = from->shape };
	for (unsigned int i = 0; i < from->shape.nr; i++)
		to->fd[i] = file_copy(from->fd[i], from->shape.dev_bytes);
}

void small_set_free(struct small_set *s)
{
	for (unsigned int i = 0; i < s->shape.nr; i++)
		close(s->fd[i]);
}

static void message(void *ctx, int level, int error_id, const char *line)
{
	struct small_set *s = ctx;

	s->findings += error_id >= 0;
	if ((level < 2 && !s->quiet) || getenv("VERBOSE"))
		fprintf(stderr, "# set: %s\n", line);
}

static void close_devices(struct small_set *s)
{
	for (unsigned int i = 0; i < s->shape.nr; i++) {
		kapi_bdev_set_fault(s->bdev[i], NULL);
		kapi_bdev_close(s->bdev[i]);
	}
}

int small_set_start(struct small_set *s, char why[512])
{
	struct bce_member_source src[SMALL_SET_DEVS];
	struct bce_open_opts opts = { .initialise = true, .message = message, .message_ctx = s };
	int ret;

	s->findings = 0;
	for (unsigned int i = 0; i < s->shape.nr; i++) {
		/* the stand-in's own memory is not what a test is after */
		do {
			s->bdev[i] = kapi_bdev_from_fd(dup(s->fd[i]), "member", O_RDWR);
		} while (s->bdev[i] == ERR_PTR(-ENOMEM));
		require(!IS_ERR(s->bdev[i]));
		kapi_bdev_set_fault(s->bdev[i], s->fault);
		src[i] = (struct bce_member_source) { s->bdev[i], "member" };
	}
	ret = bce_set_open(&s->set, src, s->shape.nr, &opts, s, why);
	if (ret) {
		s->set = NULL;
		close_devices(s);
		return ret;
	}
	ret = bce_set_start(s->set);
	if (ret) {
		snprintf(why, 512, "start: error %d", ret);
		small_set_close(s, false);
	}
	return ret;
}

int small_set_open(struct small_set *s, char why[512])
{
	int ret = small_set_start(s, why);

	if (ret)
		return ret;
	ret = bce_set_go_rw(s->set, why);
	if (ret)
		small_set_close(s, false);
	return ret;
}

int small_set_close(struct small_set *s, bool clean)
{
	int ret = clean ? bce_set_go_ro(s->set) : 0;

	bce_set_detach(s->set, s);
	bce_set_put(s->set);
	s->set = NULL;
	close_devices(s);
	return ret;
}

void small_set_keep(const struct small_set *s, const char *prefix)
{
	char command[300];

	for (unsigned int i = 0; i < s->shape.nr; i++) {
		snprintf(command, sizeof(command), "cp --sparse=always /proc/%d/fd/%d %s%u.img",
			 (int)getpid(), s->fd[i], prefix, i);
		if (system(command))
			fprintf(stderr, "# not kept: %s%u.img\n", prefix, i);
	}
}

s64 small_set_check(struct small_set *s, const char *what)
{
	return set_check_files(s->fd, s->shape.nr, NULL, what, NULL);
}
