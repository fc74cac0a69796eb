// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on one file, compared with a model in memory after each read.
 *
 *	fsx-like [OPTION...] FILE
 *
 *	--seed N	of the random numbers (default: time); printed
 *	--ops N		how many operations (default 1000)
 *	--max BYTES	longest file (default 256 KiB); whole blocks
 *	--block BYTES	what direct I/O, collapse and insert are aligned to (default 4096)
 *	--sector BYTES	direct writes may be aligned to this instead, now and then (default: --block)
 *	--without LIST	operations to leave out, separated by commas
 *	--save MODEL	the model's contents into this file at the end, for a comparison after a remount
 *	--keep		begin with what FILE holds
 *
 * What a kernel or file system does not have (EOPNOTSUPP) is left out from then on, and said. On a
 * difference: where, what, the last operations, exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096
#define ALIGN	4096		/* of memory for direct I/O */
#define LOG	40

static uint64_t random_state;
static size_t max = 256 << 10, block = 4096, sector;
static int fd, direct_fd;
static const char *path;
static unsigned char *model, *buffer;
static size_t size;			/* of the file, as it should be */
static unsigned long op_nr;
static char op_log[LOG][160];

static uint32_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

static size_t below(size_t n)
{
	return n ? rnd() % n : 0;
}

static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
	char *line = op_log[op_nr % LOG];
	va_list args;
	int n = snprintf(line, sizeof(op_log[0]), "%lu: ", op_nr);

	va_start(args, fmt);
	vsnprintf(line + n, sizeof(op_log[0]) - n, fmt, args);
	va_end(args);
}

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n# last operations:\n");
	for (unsigned long i = op_nr < LOG ? 0 : op_nr - LOG + 1; i <= op_nr; i++)
		printf("#   %s\n", op_log[i % LOG]);
	exit(1);
}

static void need(bool good, const char *what)
{
	if (!good)
		fail("%s: %s", what, strerror(errno));
}

static void compare(const unsigned char *got, size_t at, size_t len, const char *how)
{
	size_t i, bad = 0, first = 0, last = 0;

	for (i = 0; i < len; i++) {
		if (got[i] == model[at + i])
			continue;
		if (!bad++)
			first = i;
		last = i;
	}
	if (bad)
		fail("%s: %zu bytes differ, from 0x%zx to 0x%zx (size 0x%zx); first is %02x, should be %02x",
		     how, bad, at + first, at + last, size, got[first], model[at + first]);
}

static void check_size(void)
{
	struct stat st;

	need(!fstat(fd, &st), "fstat");
	if ((size_t)st.st_size != size)
		fail("size is 0x%zx, should be 0x%zx", (size_t)st.st_size, size);
}

/* new contents in @buffer */
static void make(size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buffer[i] = (op_nr * 37 + (at + i) / 512 + (i & 1 ? op_nr >> 8 : 0)) | 1;
}

static void grow(size_t end)
{
	if (end > size)
		size = end;	/* between them there are zeros */
}

static void range(size_t *at, size_t *len, size_t unit)
{
	size_t longest = below(4) ? 8 * PAGE : max / 2;

	*at = below(max) / unit * unit;
	*len = (below(longest) + unit) / unit * unit;
	if (*at + *len > max)
		*len = max - *at;
}

/* ---- operations: false: not applicable now ---- */

static bool write_at(int to, size_t at, size_t len, const char *how)
{
	ssize_t n;

	make(at, len);
	note("%s 0x%zx..0x%zx", how, at, at + len);
	for (size_t done = 0; done < len; done += n) {
		n = pwrite(to, buffer + done, len - done, at + done);
		need(n > 0, how);
	}
	memcpy(model + at, buffer, len);
	grow(at + len);
	return true;
}

static bool op_write(void)
{
	size_t at, len;

	range(&at, &len, 1);
	return write_at(fd, at, len, "write");
}

static bool op_append(void)
{
	size_t len = below(3 * PAGE) + 1, at = size;
	int append;

	if (at + len > max)
		return false;
	append = open(path, O_WRONLY | O_APPEND);
	need(append >= 0, "open for append");
	make(at, len);
	note("append 0x%zx..0x%zx", at, at + len);
	need(write(append, buffer, len) == (ssize_t)len, "append");
	close(append);
	memcpy(model + at, buffer, len);
	grow(at + len);
	return true;
}

static bool op_dwrite(void)
{
	size_t at, len;

	range(&at, &len, below(8) ? block : sector);
	return write_at(direct_fd, at, len, "direct write");
}

/* within the file */
static bool range_inside(size_t *at, size_t *len)
{
	range(at, len, 1);
	if (*at >= size)
		return false;
	if (*at + *len > size)
		*len = size - *at;
	return true;
}

/* from the beginning of the page, @base, on */
static unsigned char *map_at(size_t at, size_t len, int prot, size_t *base)
{
	unsigned char *map;

	*base = at / PAGE * PAGE;
	map = mmap(NULL, at + len - *base, prot, MAP_SHARED, fd, *base);
	need(map != MAP_FAILED, "mmap");
	return map;
}

static bool op_mapwrite(void)
{
	size_t at, len, base;
	unsigned char *map;

	if (!range_inside(&at, &len))
		return false;
	make(at, len);
	note("map write 0x%zx..0x%zx", at, at + len);
	map = map_at(at, len, PROT_READ | PROT_WRITE, &base);
	memcpy(map + at - base, buffer, len);
	/* what lies behind the end in the last page must never be seen */
	if (at + len == size && (size & (PAGE - 1)) && !below(2))
		memset(map + at + len - base, 0xee, PAGE - (size & (PAGE - 1)));
	if (!below(3))
		need(!msync(map, at + len - base, MS_SYNC), "msync");
	munmap(map, at + len - base);
	memcpy(model + at, buffer, len);
	return true;
}

static bool read_at(int from, size_t at, size_t len, const char *how)
{
	ssize_t n, want = at >= size ? 0 : at + len > size ? size - at : len;

	note("%s 0x%zx..0x%zx", how, at, at + len);
	n = pread(from, buffer, len, at);
	need(n >= 0, how);
	if (n != want)
		fail("%s: %zd bytes, should be %zd", how, n, want);
	compare(buffer, at, n, how);
	return true;
}

static bool op_read(void)
{
	size_t at, len;

	range(&at, &len, 1);
	return read_at(fd, at, len, "read");
}

static bool op_dread(void)
{
	size_t at, len;

	range(&at, &len, block);
	return read_at(direct_fd, at, len, "direct read");
}

static bool op_mapread(void)
{
	size_t at, len, base;
	unsigned char *map;

	if (!range_inside(&at, &len))
		return false;
	note("map read 0x%zx..0x%zx", at, at + len);
	map = map_at(at, len, PROT_READ, &base);
	compare(map + at - base, at, len, "map read");
	munmap(map, at + len - base);
	return true;
}

/* a direct write out of a map of the same file: of another part of it */
static bool op_selfwrite(void)
{
	size_t at, len, from;
	unsigned char *map;
	ssize_t n;

	range(&at, &len, block);
	if (size < 2 * block)
		return false;
	from = below(size) / PAGE * PAGE;
	if (from + len > size)
		len = (size - from) / block * block;
	if (!len || (from < at + len && at < from + len))
		return false;
	note("direct write 0x%zx..0x%zx from a map of 0x%zx", at, at + len, from);
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, from);
	need(map != MAP_FAILED, "mmap");
	for (size_t done = 0; done < len; done += n) {
		n = pwrite(direct_fd, map + done, len - done, at + done);
		need(n > 0, "direct write from a map");
	}
	munmap(map, len);
	memmove(model + at, model + from, len);
	grow(at + len);
	return true;
}

static bool op_truncate(void)
{
	size_t to = below(2) ? below(max) : below(size + 1);

	note("truncate 0x%zx to 0x%zx", size, to);
	need(!ftruncate(fd, to), "ftruncate");
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
	return true;
}

/* 1 done, 0 not supported */
static int falloc(int mode, size_t at, size_t len, const char *how)
{
	note("%s 0x%zx..0x%zx", how, at, at + len);
	if (!fallocate(fd, mode, at, len))
		return 1;
	need(errno == EOPNOTSUPP, how);
	return 0;
}

static void zero_model(size_t at, size_t len)
{
	if (at < size)
		memset(model + at, 0, at + len > size ? size - at : len);
}

static bool op_punch(void)
{
	size_t at, len;

	range(&at, &len, below(2) ? 1 : block);
	if (falloc(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len, "punch"))
		zero_model(at, len);
	return true;
}

static bool op_zero(void)
{
	bool keep = below(2);
	size_t at, len;

	range(&at, &len, below(2) ? 1 : block);
	if (falloc(FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0), at, len,
		   keep ? "zero, keep size" : "zero")) {
		zero_model(at, len);
		if (!keep)
			grow(at + len);
	}
	return true;
}

static bool op_allocate(void)
{
	bool keep = below(2);
	size_t at, len;

	range(&at, &len, 1);
	if (falloc(keep ? FALLOC_FL_KEEP_SIZE : 0, at, len, keep ? "allocate, keep size" : "allocate") &&
	    !keep)
		grow(at + len);
	return true;
}

static bool op_collapse(void)
{
	size_t at, len;

	range(&at, &len, block);
	if (at + len >= size)
		return false;
	if (!falloc(FALLOC_FL_COLLAPSE_RANGE, at, len, "collapse"))
		return true;
	memmove(model + at, model + at + len, size - at - len);
	memset(model + size - len, 0, len);
	size -= len;
	return true;
}

static bool op_insert(void)
{
	size_t at, len;

	range(&at, &len, block);
	if (at >= size || size + len > max)
		return false;
	if (!falloc(FALLOC_FL_INSERT_RANGE, at, len, "insert"))
		return true;
	memmove(model + at + len, model + at, size - at);
	memset(model + at, 0, len);
	size += len;
	return true;
}

static bool op_clone(void)
{
	struct file_clone_range r = { .src_fd = fd };
	size_t from, to, len;

	range(&from, &len, block);
	to = below(max) / block * block;
	if (from >= size)
		return false;
	if (from + len > size)
		len = size - from;
	/* a last block that is not full may only come last */
	if (to + len > max || ((len & (block - 1)) && to + len < size) ||
	    (from < to + len && to < from + len))
		return false;
	note("clone 0x%zx..0x%zx to 0x%zx", from, from + len, to);
	r.src_offset = from;
	r.src_length = len;
	r.dest_offset = to;
	if (ioctl(fd, FICLONERANGE, &r)) {
		need(errno == EOPNOTSUPP || errno == ENOTTY, "clone");
		return true;
	}
	memmove(model + to, model + from, len);
	grow(to + len);
	return true;
}

static bool op_copy(void)
{
	size_t from, to, len;
	loff_t in, out;

	range(&from, &len, 1);
	to = below(max);
	if (from >= size)
		return false;
	if (from + len > size)
		len = size - from;
	if (to + len > max || (from < to + len && to < from + len))
		return false;
	note("copy_file_range 0x%zx..0x%zx to 0x%zx", from, from + len, to);
	in = from;
	out = to;
	for (size_t done = 0; done < len;) {
		ssize_t n = copy_file_range(fd, &in, fd, &out, len - done, 0);

		need(n > 0, "copy_file_range");
		done += n;
	}
	memmove(model + to, model + from, len);
	grow(to + len);
	return true;
}

/* data is where SEEK_DATA says, and nothing but zeros elsewhere */
static bool op_seek(void)
{
	off_t at = 0, data, hole;

	note("seek");
	while ((data = lseek(fd, at, SEEK_DATA)) >= 0) {
		for (off_t i = at; i < data; i++)
			if (model[i])
				fail("SEEK_DATA from 0x%zx finds 0x%zx, but 0x%zx is data", (size_t)at,
				     (size_t)data, (size_t)i);
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (size_t)hole > size)
			fail("SEEK_HOLE from 0x%zx finds 0x%zx", (size_t)data, (size_t)hole);
		at = hole;
	}
	need(errno == ENXIO, "SEEK_DATA");
	for (size_t i = at; i < size; i++)
		if (model[i])
			fail("SEEK_DATA from 0x%zx finds nothing, but 0x%zx is data", (size_t)at, i);
	return true;
}

static bool op_sync(void)
{
	bool data = below(2);

	note(data ? "fdatasync" : "fsync");
	need(!(data ? fdatasync(fd) : fsync(fd)), "fsync");
	return true;
}

static bool op_drop(void)
{
	note("drop from the page cache");
	need(!fdatasync(fd), "fdatasync");
	need(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
	return true;
}

static struct op {
	const char *name;
	bool (*fn)(void);
	unsigned int weight;
} ops[] = {
	{ "write", op_write, 8 }, { "append", op_append, 2 }, { "dwrite", op_dwrite, 6 },
	{ "mapwrite", op_mapwrite, 6 }, { "read", op_read, 5 }, { "dread", op_dread, 4 },
	{ "mapread", op_mapread, 4 }, { "selfwrite", op_selfwrite, 2 }, { "truncate", op_truncate, 3 },
	{ "punch", op_punch, 3 }, { "zero", op_zero, 3 }, { "allocate", op_allocate, 2 },
	{ "collapse", op_collapse, 2 }, { "insert", op_insert, 2 }, { "clone", op_clone, 3 },
	{ "copy", op_copy, 2 }, { "seek", op_seek, 1 }, { "sync", op_sync, 2 }, { "drop", op_drop, 2 },
};
#define NR_OPS (sizeof(ops) / sizeof(ops[0]))

static struct op *choose(void)
{
	unsigned int sum = 0, n;

	for (size_t i = 0; i < NR_OPS; i++)
		sum += ops[i].weight;
	n = below(sum);
	for (size_t i = 0; i < NR_OPS; i++) {
		if (n < ops[i].weight)
			return &ops[i];
		n -= ops[i].weight;
	}
	return &ops[0];
}

static void leave_out(char *list)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ","))
		for (size_t i = 0; i < NR_OPS; i++)
			if (!strcmp(ops[i].name, name))
				ops[i].weight = 0;
}

static void open_file(bool keep)
{
	struct stat st;

	fd = open(path, O_RDWR | O_CREAT, 0644);
	need(fd >= 0, path);
	direct_fd = open(path, O_RDWR | O_DIRECT);
	need(direct_fd >= 0, "O_DIRECT");
	need(!fstat(fd, &st), "fstat");
	if (keep) {
		size = (size_t)st.st_size < max ? (size_t)st.st_size : max;
		need((size_t)st.st_size <= max, "--keep: the file is longer than --max");
		need(pread(fd, model, size, 0) == (ssize_t)size, "read");
	} else if (st.st_size) {
		need(!ftruncate(fd, 0), "ftruncate");
	}
}

static void save(const char *to)
{
	FILE *f = fopen(to, "w");

	need(f && fwrite(model, 1, size, f) == size && !fclose(f), to);
}

int main(int argc, char **argv)
{
	unsigned long seed = time(NULL) ^ getpid(), nr_ops = 1000;
	const char *save_to = NULL;
	bool keep = false;

	for (argv++; *argv && !strncmp(*argv, "--", 2); argv++) {
		if (!strcmp(*argv, "--keep"))
			keep = true;
		else if (!strcmp(*argv, "--seed") && argv[1])
			seed = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--ops") && argv[1])
			nr_ops = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--max") && argv[1])
			max = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--block") && argv[1])
			block = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--sector") && argv[1])
			sector = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--without") && argv[1])
			leave_out(*++argv);
		else if (!strcmp(*argv, "--save") && argv[1])
			save_to = *++argv;
		else
			break;
	}
	path = *argv;
	if (argc < 2 || !path)
		return fprintf(stderr, "usage: fsx-like [OPTION...] FILE\n"), 2;
	sector = sector ?: block;
	max -= max % block;
	printf("# fsx-like --seed %lu --ops %lu --max %zu --block %zu --sector %zu %s\n", seed, nr_ops, max,
	       block, sector, path);
	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	model = calloc(1, max + PAGE);
	buffer = aligned_alloc(ALIGN, max + PAGE);
	need(model && buffer, "memory");
	open_file(keep);
	for (op_nr = 1; op_nr <= nr_ops;) {
		if (!choose()->fn())
			continue;
		check_size();
		op_nr++;
	}
	note("all of it");
	read_at(fd, 0, max, "all of it");
	if (save_to)
		save(save_to);
	return 0;
}
