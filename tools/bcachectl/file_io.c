// SPDX-License-Identifier: GPL-2.0
/* Reads and writes of the engine are asynchronous; here each is waited for. */
#include "file_io.h"

#include <stdlib.h>

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/mm.h>

struct sync_io {
	struct bce_read		read;
	struct bce_write	write;
	struct bio		bio;
	struct bio_vec		vec[FILE_IO_BYTES / PAGE_SIZE];
	struct completion	done;
	int			error;
};

void *file_io_buffer(void)
{
	return aligned_alloc(PAGE_SIZE, FILE_IO_BYTES);
}

static void io_begin(struct sync_io *io, blk_opf_t op, u64 sector, void *buf, size_t bytes)
{
	size_t at;

	bio_init(&io->bio, NULL, io->vec, FILE_IO_BYTES / PAGE_SIZE, op);
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

int file_read(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes)
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

int file_write(struct bce_set *set, struct bce_file_id file, u64 sector, void *buf, size_t bytes,
	       u64 new_size)
{
	struct sync_io io;

	io_begin(&io, REQ_OP_WRITE, sector, buf, bytes);
	io.write = (struct bce_write) {
		.file = file, .bio = &io.bio, .new_size = new_size, .mtime = true,
		.done = write_done,
	};
	bce_write_submit(set, &io.write);
	return io_end(&io);
}
