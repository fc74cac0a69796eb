// SPDX-License-Identifier: GPL-2.0
#include "set_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/mm.h>

#include "kapi/kapi.h"

struct sync_io {
	struct bce_read		read;
	struct bce_write	write;
	struct bio_vec		vec[SET_IO_BYTES / PAGE_SIZE];
	struct completion	done;
	int			error;
	struct bio		bio;	/* last: vectors may follow one */
};

static void io_begin(struct sync_io *io, blk_opf_t op, u64 sector, void *buf, size_t bytes)
{
	size_t at;

	bio_init(&io->bio, NULL, io->vec, SET_IO_BYTES / PAGE_SIZE, op);
	for (at = 0; at < bytes; at += PAGE_SIZE)
		bio_add_page(&io->bio, virt_to_page((u8 *)buf + at),
			     min_t(size_t, bytes - at, PAGE_SIZE), 0);
	io->bio.bi_iter.bi_sector = sector;
	init_completion(&io->done);
}

static int io_end(struct sync_io *io)
{
	wait_for_completion(&io->done);
	bio_uninit(&io->bio);
	return io->error;
}

static void read_done(struct bce_read *read, int error)
{
	struct sync_io *io = container_of(read, struct sync_io, read);

	io->error = error;
	complete(&io->done);
}

int set_read(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes)
{
	struct sync_io io;

	io_begin(&io, REQ_OP_READ, sector, buf, bytes);
	io.read = (struct bce_read) { .file = file, .bio = &io.bio, .done = read_done };
	bce_read_submit(set, &io.read);
	return io_end(&io);
}

static void write_done(struct bce_write *write, int error)
{
	struct sync_io *io = container_of(write, struct sync_io, write);

	io->error = error;
	complete(&io->done);
}

int set_write(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes,
	      u64 new_size, unsigned int flags)
{
	struct sync_io io;

	io_begin(&io, REQ_OP_WRITE, sector, buf, bytes);
	io.write = (struct bce_write) {
		.file = file, .bio = &io.bio, .new_size = new_size, .flags = flags, .mtime = true,
		.done = write_done,
	};
	bce_write_submit(set, &io.write);
	return io_end(&io);
}

static void message(void *ctx, int level, int error_id, const char *line)
{
	struct test_set *t = ctx;

	t->findings += error_id >= 0;
	if (level < 2 || getenv("VERBOSE"))
		fprintf(stderr, "# set: %s\n", line);
}

static void close_devices(struct test_set *t)
{
	while (t->nr)
		kapi_bdev_close(t->bdev[--t->nr]);
}

/* the key of a passphrase, in hexadecimal, is the environment's */
static int key_from_environment(void *ctx, const char *description, u8 key[32])
{
	const char *hex = getenv("SET_KEY");
	unsigned int i;

	if (!hex || strlen(hex) != 64)
		return -ENOKEY;
	for (i = 0; i < 32; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &key[i]) != 1)
			return -ENOKEY;
	return 0;
}

int test_set_open(struct test_set *t, char *const *paths, unsigned int nr, bool write,
		  char why[512])
{
	struct bce_member_source src[64];
	struct bce_open_opts opts = {
		.read_only = !write, .nochanges = !write, .initialise = write,
		.key = key_from_environment, .message = message, .message_ctx = t,
	};
	int ret;

	*t = (struct test_set) { };
	for (; t->nr < nr; t->nr++) {
		t->bdev[t->nr] = kapi_bdev_open(paths[t->nr], write ? O_RDWR | O_EXCL : O_RDONLY);
		if (IS_ERR(t->bdev[t->nr])) {
			ret = PTR_ERR(t->bdev[t->nr]);
			snprintf(why, 512, "%s: error %d", paths[t->nr], ret);
			close_devices(t);
			return ret;
		}
		src[t->nr] = (struct bce_member_source) { t->bdev[t->nr], paths[t->nr] };
	}
	ret = bce_set_open(&t->set, src, nr, &opts, t, why);
	if (ret) {
		close_devices(t);
		return ret;
	}
	ret = bce_set_start(t->set);
	if (ret)
		snprintf(why, 512, "start: error %d", ret);
	else if (write)
		ret = bce_set_go_rw(t->set, why);
	if (ret)
		test_set_close(t, false);
	return ret;
}

int test_set_close(struct test_set *t, bool clean)
{
	int ret = clean ? bce_set_go_ro(t->set) : 0;

	bce_set_detach(t->set, t);
	bce_set_put(t->set);
	close_devices(t);
	t->set = NULL;
	return ret;
}
