// SPDX-License-Identifier: GPL-2.0
/*
 * Looks at one file or directory through the system calls that shell tools do not make, and
 * compares what two ways of looking say. For tests/vm/file-access.sh; statically linked, since
 * each guest has libraries of its own.
 *
 *	file-access CHECK ARGUMENT...
 *
 * Exit status: 0 all agrees, 1 something differs (said on standard output as "# ..."), 77 the
 * kernel cannot do it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { OK, DIFFERS, CANNOT = 77 };

#define SECTOR		512
#define PAGE		4096

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* ends the program, naming errno, unless @good */
static void need(bool good, const char *what)
{
	if (good)
		return;
	say("%s: %s", what, strerror(errno));
	exit(DIFFERS);
}

/* ends the program when what should be true is not */
static void __attribute__((format(printf, 2, 3))) expect(bool good, const char *fmt, ...)
{
	va_list args;

	if (good)
		return;
	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(DIFFERS);
}

static uint64_t seed = 1;

/* below @limit; the same row every time */
static uint64_t random_below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return limit ? seed % limit : 0;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | flags);

	need(fd >= 0, path);
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	need(!fstat(fd, &st), "fstat");
	return st.st_size;
}

static void *buffer(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED, "mmap of a buffer");
	return p;
}

/* a file's contents as plain reads give them */
struct contents {
	char		*data;
	uint64_t	size;
};

static struct contents contents_of(const char *path)
{
	int fd = open_file(path, 0);
	struct contents c = { .size = size_of(fd) };
	uint64_t done = 0;

	c.data = buffer(c.size + PAGE);
	while (done < c.size) {
		ssize_t got = pread(fd, c.data + done, c.size - done, done);

		need(got > 0, "pread");
		done += got;
	}
	close(fd);
	return c;
}

static void expect_same(const struct contents *c, const char *got, uint64_t pos, uint64_t bytes,
			const char *how)
{
	uint64_t i;

	if (!memcmp(c->data + pos, got, bytes))
		return;
	for (i = 0; c->data[pos + i] == got[i]; i++)
		;
	expect(false, "%s: byte %llu is %#x, plain reads give %#x", how,
	       (unsigned long long)(pos + i), (unsigned char)got[i],
	       (unsigned char)c->data[pos + i]);
}

/* ---- memory maps ---- */

static int check_mmap(char **arg)
{
	int fd = open_file(arg[0], 0), i;
	uint64_t size = size_of(fd), last = size % PAGE;
	struct contents c;
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	char *sample = buffer(256 * 64);
	uint64_t at[256];

	need(map != MAP_FAILED, "mmap");
	/* the map first, so that it and not read() brings the pages in */
	for (i = 0; i < 256; i++) {
		at[i] = random_below(size);
		memcpy(sample + i * 64, map + at[i], size - at[i] < 64 ? size - at[i] : 64);
	}
	c = contents_of(arg[0]);
	for (i = 0; i < 256; i++)
		expect_same(&c, sample + i * 64, at[i], size - at[i] < 64 ? size - at[i] : 64,
			    "mmap, sample");
	expect_same(&c, map, 0, size, "mmap");
	for (i = last; last && i < PAGE; i++)
		expect(!map[size - last + i], "mmap: byte %d of the last page is not zero", i);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(map == MAP_FAILED && errno == EACCES, "a shared map for writing is not refused");
	return OK;
}

/* a direct read, and a plain one, into a private map of the very pages that are read */
static int check_selfmap(char **arg)
{
	int fd = open_file(arg[0], O_DIRECT), plain = open_file(arg[0], 0);
	uint64_t size = size_of(fd) & ~(uint64_t)(PAGE - 1);
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	struct contents c;
	ssize_t got;

	need(map != MAP_FAILED, "mmap");
	got = pread(fd, map, size, 0);
	expect(got == (ssize_t)size, "direct read into the own map: %zd of %llu", got,
	       (unsigned long long)size);
	c = contents_of(arg[0]);
	expect_same(&c, map, 0, size, "direct read into the own map");

	need(!munmap(map, size), "munmap");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	need(map != MAP_FAILED, "mmap");
	got = pread(plain, map, size - PAGE, PAGE);
	expect(got == (ssize_t)(size - PAGE), "plain read into the own map: %zd", got);
	expect_same(&c, map, PAGE, size - PAGE, "plain read into the own map");
	return OK;
}

/* ---- holes ---- */

struct range {
	uint64_t	start, end;
};

#define RANGES_MAX	4096

/* data as SEEK_DATA and SEEK_HOLE tell it, in turns */
static unsigned int data_by_seek(int fd, uint64_t size, struct range *out)
{
	unsigned int nr = 0;
	off_t pos = 0;

	while ((uint64_t)pos < size && nr < RANGES_MAX) {
		off_t data = lseek(fd, pos, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		need(data >= 0, "SEEK_DATA");
		hole = lseek(fd, data, SEEK_HOLE);
		need(hole >= 0, "SEEK_HOLE");
		expect(data >= pos && hole > data && (uint64_t)hole <= size,
		       "data from %lld to %lld, asked at %lld of %llu", (long long)data,
		       (long long)hole, (long long)pos, (unsigned long long)size);
		out[nr++] = (struct range) { data, hole };
		pos = hole;
	}
	return nr;
}

/* all of [start, end) that lies outside data must read as zeros; far holes are sampled */
static void expect_zeros(int fd, uint64_t start, uint64_t end)
{
	static char buf[1 << 16];

	while (start < end) {
		uint64_t want = end - start < sizeof(buf) ? end - start : sizeof(buf);
		ssize_t got = pread(fd, buf, want, start), i;

		need(got > 0, "pread");
		for (i = 0; i < got; i++)
			expect(!buf[i], "byte %llu in a hole is not zero",
			       (unsigned long long)(start + i));
		start += end - start > (64 << 20) ? (end - start) / 7 : (uint64_t)got;
	}
}

static void expect_seek(int fd, uint64_t pos, int whence, int64_t want)
{
	off_t got = lseek(fd, pos, whence);

	expect(want < 0 ? got < 0 && errno == ENXIO : got == want, "%s at %llu: %lld, not %lld",
	       whence == SEEK_DATA ? "SEEK_DATA" : "SEEK_HOLE", (unsigned long long)pos,
	       (long long)got, (long long)want);
}

/* from a position anywhere, both answers follow from the list of data */
static void expect_seeks_at(int fd, uint64_t pos, const struct range *r, unsigned int nr)
{
	unsigned int i = 0;

	while (i < nr && r[i].end <= pos)
		i++;
	if (i < nr && r[i].start <= pos) {
		expect_seek(fd, pos, SEEK_DATA, pos);
		expect_seek(fd, pos, SEEK_HOLE, r[i].end);
	} else {
		expect_seek(fd, pos, SEEK_DATA, i < nr ? (int64_t)r[i].start : -1);
		expect_seek(fd, pos, SEEK_HOLE, pos);
	}
}

/* prints the data ranges, too: "START-END", one per line */
static int check_seek(char **arg)
{
	static struct range r[RANGES_MAX];
	int fd = open_file(arg[0], 0), i;
	uint64_t size = size_of(fd), zero_from = 0;
	unsigned int nr = data_by_seek(fd, size, r), n;

	for (n = 0; n < nr; n++) {
		expect_zeros(fd, zero_from, r[n].start);
		zero_from = r[n].end;
		printf("%llu-%llu\n", (unsigned long long)r[n].start, (unsigned long long)r[n].end);
	}
	expect_zeros(fd, zero_from, size);
	for (i = 0; size && i < 200; i++)
		expect_seeks_at(fd, random_below(size), r, nr);
	expect_seek(fd, size, SEEK_DATA, -1);
	expect_seek(fd, size, SEEK_HOLE, -1);
	return OK;
}

struct map {
	struct fiemap		h;
	struct fiemap_extent	e[RANGES_MAX];
};

static void get_fiemap(int fd, struct map *m, uint64_t start, uint64_t length, unsigned int room)
{
	memset(&m->h, 0, sizeof(m->h));
	m->h.fm_start = start;
	m->h.fm_length = length;
	m->h.fm_extent_count = room;
	need(!ioctl(fd, FS_IOC_FIEMAP, m), "FIEMAP");
}

static const struct {
	uint32_t	flag;
	const char	*name;
} fiemap_names[] = {
	{ FIEMAP_EXTENT_LAST,		"last" },
	{ FIEMAP_EXTENT_UNKNOWN,	"unknown" },
	{ FIEMAP_EXTENT_DELALLOC,	"delalloc" },
	{ FIEMAP_EXTENT_ENCODED,	"encoded" },
	{ FIEMAP_EXTENT_NOT_ALIGNED,	"not_aligned" },
	{ FIEMAP_EXTENT_DATA_INLINE,	"inline" },
	{ FIEMAP_EXTENT_UNWRITTEN,	"unwritten" },
	{ FIEMAP_EXTENT_MERGED,		"merged" },
	{ FIEMAP_EXTENT_SHARED,		"shared" },
};

static void print_extent(const struct fiemap_extent *e)
{
	unsigned int i;

	printf("%llu-%llu", (unsigned long long)e->fe_logical,
	       (unsigned long long)(e->fe_logical + e->fe_length));
	for (i = 0; i < sizeof(fiemap_names) / sizeof(fiemap_names[0]); i++)
		if (e->fe_flags & fiemap_names[i].flag)
			printf(" %s", fiemap_names[i].name);
	putchar('\n');
}

static bool could_merge(const struct fiemap_extent *a, const struct fiemap_extent *b)
{
	uint32_t alone = FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_UNKNOWN;
	uint32_t ignored = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED;

	return !((a->fe_flags | b->fe_flags) & alone) &&
	       (a->fe_flags & ~ignored) == (b->fe_flags & ~ignored) &&
	       a->fe_logical + a->fe_length == b->fe_logical &&
	       a->fe_physical + a->fe_length == b->fe_physical;
}

/* written data of the map is what SEEK_DATA shows */
static void expect_map_is_data(int fd, const struct map *m)
{
	static struct range r[RANGES_MAX];
	uint64_t size = size_of(fd);
	unsigned int nr = data_by_seek(fd, size, r), n = 0, i;
	uint64_t pos = nr ? r[0].start : 0;

	for (i = 0; i < m->h.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &m->e[i];
		uint64_t end = e->fe_logical + e->fe_length;

		if (e->fe_flags & FIEMAP_EXTENT_UNWRITTEN || e->fe_logical >= size)
			continue;
		expect(n < nr && e->fe_logical == pos, "FIEMAP has data at %llu, SEEK_DATA at %llu",
		       (unsigned long long)e->fe_logical, (unsigned long long)pos);
		pos = end < size ? end : size;
		if (pos == r[n].end)
			pos = ++n < nr ? r[n].start : 0;
	}
	expect(n == nr, "SEEK_DATA knows data that FIEMAP does not");
}

/* prints the extents: "START-END FLAG..." */
static int check_fiemap(char **arg)
{
	static struct map m, one;
	int fd = open_file(arg[0], 0);
	unsigned int nr, i;
	uint64_t next = 0;

	get_fiemap(fd, &m, 0, ~0ULL, RANGES_MAX);
	nr = m.h.fm_mapped_extents;
	for (i = 0; i < nr; i++) {
		struct fiemap_extent *e = &m.e[i];

		print_extent(e);
		expect(!!(e->fe_flags & FIEMAP_EXTENT_LAST) == (i == nr - 1),
		       "flag last is not on the last");
		if (!i)
			continue;
		expect(e[-1].fe_logical + e[-1].fe_length <= e->fe_logical,
		       "extent %u overlaps", i);
		expect(!could_merge(e - 1, e), "extents %u and %u are one", i - 1, i);
	}
	get_fiemap(fd, &one, 0, ~0ULL, 0);
	expect(one.h.fm_mapped_extents == nr, "counted: %u, listed: %u", one.h.fm_mapped_extents,
	       nr);
	for (i = 0; i < nr; i++) {
		get_fiemap(fd, &one, next, ~0ULL, 1);
		expect(one.h.fm_mapped_extents == 1 &&
		       !memcmp(&one.e[0], &m.e[i], sizeof(one.e[0])), "extent %u differs when asked for alone", i);
		next = m.e[i].fe_logical + m.e[i].fe_length;
	}
	expect_map_is_data(fd, &m);
	return OK;
}

/* ---- direct reads ---- */

static void expect_einval(int fd, void *buf, size_t bytes, uint64_t pos, const char *what)
{
	ssize_t got = pread(fd, buf, bytes, pos);

	expect(got < 0 && errno == EINVAL, "%s: %zd instead of EINVAL", what, got);
}

static uint64_t readable(const struct contents *c, uint64_t pos, uint64_t bytes)
{
	return pos >= c->size ? 0 : c->size - pos < bytes ? c->size - pos : bytes;
}

static void direct_at(int fd, const struct contents *c, char *buf, uint64_t pos, size_t bytes)
{
	ssize_t got = pread(fd, buf, bytes, pos);

	need(got >= 0, "direct read");
	expect((uint64_t)got == readable(c, pos, bytes), "direct read of %zu at %llu gave %zd",
	       bytes, (unsigned long long)pos, got);
	expect_same(c, buf, pos, got, "direct read");
}

static int check_direct(char **arg)
{
	int fd = open_file(arg[0], O_DIRECT), i;
	char *buf = buffer((1 << 20) + PAGE);
	struct contents c = contents_of(arg[0]);
	uint64_t end = (c.size + SECTOR - 1) & ~(uint64_t)(SECTOR - 1);

	for (i = 0; i < 300; i++)
		direct_at(fd, &c, buf + random_below(8) * SECTOR,
			  random_below(end / SECTOR + 4) * SECTOR,
			  (random_below(i % 3 ? 64 : 2047) + 1) * SECTOR);
	direct_at(fd, &c, buf, 0, 1 << 20);
	direct_at(fd, &c, buf, end, PAGE);
	direct_at(fd, &c, buf, c.size, PAGE);
	direct_at(fd, &c, buf, end + (1 << 20), PAGE);
	expect_einval(fd, buf, SECTOR, 1, "position not aligned");
	expect_einval(fd, buf, SECTOR - 1, 0, "length not aligned");
	expect_einval(fd, buf + 1, SECTOR, 0, "memory not aligned");
	expect(pread(fd, NULL, 0, 0) == 0, "nothing asked for");
	if (c.size >= SECTOR)
		expect(pread(fd, (void *)(uintptr_t)PAGE, SECTOR, 0) < 0 && errno == EFAULT,
		       "a bad address is not EFAULT");
	return OK;
}

#define IN_FLIGHT	16
#define SLOT		(128 << 10)

/* what each asynchronous read asked for */
struct asked {
	uint64_t	pos;
	size_t		bytes;
	char		*buf;
};

static void ask(struct asked *a, const struct contents *c, char *buf)
{
	a->pos = random_below(c->size / SECTOR + 2) * SECTOR;
	a->bytes = (random_below(SLOT / SECTOR) + 1) * SECTOR;
	a->buf = buf;
}

static void answered(const struct asked *a, const struct contents *c, int64_t got, const char *how)
{
	expect(got == (int64_t)readable(c, a->pos, a->bytes), "%s: %lld of %zu at %llu", how,
	       (long long)got, a->bytes, (unsigned long long)a->pos);
	expect_same(c, a->buf, a->pos, got, how);
}

static int check_aio(char **arg)
{
	int fd = open_file(arg[0], O_DIRECT), round, i;
	struct contents c = contents_of(arg[0]);
	char *buf = buffer(IN_FLIGHT * SLOT);
	struct io_event events[IN_FLIGHT];
	struct iocb cb[IN_FLIGHT], *list[IN_FLIGHT];
	struct asked asked[IN_FLIGHT];
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, IN_FLIGHT, &ctx))
		return CANNOT;
	for (round = 0; round < 12; round++) {
		for (i = 0; i < IN_FLIGHT; i++) {
			ask(&asked[i], &c, buf + i * SLOT);
			list[i] = &cb[i];
			cb[i] = (struct iocb) {
				.aio_data = i, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
				.aio_buf = (uintptr_t)asked[i].buf, .aio_nbytes = asked[i].bytes,
				.aio_offset = asked[i].pos,
			};
		}
		need(syscall(SYS_io_submit, ctx, IN_FLIGHT, list) == IN_FLIGHT, "io_submit");
		need(syscall(SYS_io_getevents, ctx, IN_FLIGHT, IN_FLIGHT, events, NULL) ==
		     IN_FLIGHT, "io_getevents");
		for (i = 0; i < IN_FLIGHT; i++)
			answered(&asked[events[i].data], &c, events[i].res, "libaio");
	}
	syscall(SYS_io_destroy, ctx);
	return OK;
}

struct ring {
	int			fd;
	unsigned int		*sq_tail, *sq_mask, *sq_array;
	unsigned int		*cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe	*sqe;
	struct io_uring_cqe	*cqe;
};

static void *ring_map(const struct ring *r, size_t bytes, off_t which)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, which);

	need(p != MAP_FAILED, "mmap of a ring");
	return p;
}

static bool ring_open(struct ring *r)
{
	struct io_uring_params p = { };
	char *sq, *cq;

	r->fd = syscall(SYS_io_uring_setup, IN_FLIGHT, &p);
	if (r->fd < 0)
		return false;
	sq = ring_map(r, p.sq_off.array + p.sq_entries * 4, IORING_OFF_SQ_RING);
	cq = ring_map(r, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqe), IORING_OFF_CQ_RING);
	r->sqe = ring_map(r, p.sq_entries * sizeof(*r->sqe), IORING_OFF_SQES);
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqe = (void *)(cq + p.cq_off.cqes);
	return true;
}

static void ring_round(struct ring *r, int fd, const struct contents *c, char *buf, bool fixed,
		       const char *how)
{
	struct asked asked[IN_FLIGHT];
	unsigned int tail = *r->sq_tail, head = *r->cq_head, i;

	for (i = 0; i < IN_FLIGHT; i++) {
		unsigned int slot = (tail + i) & *r->sq_mask;

		ask(&asked[i], c, buf + i * SLOT);
		r->sq_array[slot] = slot;
		r->sqe[slot] = (struct io_uring_sqe) {
			.opcode = fixed ? IORING_OP_READ_FIXED : IORING_OP_READ,
			.fd = fd, .off = asked[i].pos, .addr = (uintptr_t)asked[i].buf,
			.len = asked[i].bytes, .user_data = i,
		};
	}
	__atomic_store_n(r->sq_tail, tail + IN_FLIGHT, __ATOMIC_RELEASE);
	need(syscall(SYS_io_uring_enter, r->fd, IN_FLIGHT, IN_FLIGHT, IORING_ENTER_GETEVENTS, NULL,
		     0) == IN_FLIGHT, "io_uring_enter");
	expect(__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - head == IN_FLIGHT,
	       "io_uring: not all came back");
	for (i = 0; i < IN_FLIGHT; i++) {
		struct io_uring_cqe *cqe = &r->cqe[(head + i) & *r->cq_mask];

		answered(&asked[cqe->user_data], c, cqe->res, how);
	}
	__atomic_store_n(r->cq_head, head + IN_FLIGHT, __ATOMIC_RELEASE);
}

static int check_uring(char **arg)
{
	int direct = open_file(arg[0], O_DIRECT), plain = open_file(arg[0], 0), round;
	struct contents c = contents_of(arg[0]);
	char *buf = buffer(IN_FLIGHT * SLOT);
	struct iovec all = { buf, IN_FLIGHT * SLOT };
	struct ring r;

	if (!ring_open(&r))
		return CANNOT;
	need(!syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &all, 1),
	     "registering buffers");
	for (round = 0; round < 6; round++) {
		ring_round(&r, direct, &c, buf, false, "io_uring, direct");
		ring_round(&r, direct, &c, buf, true, "io_uring, direct, fixed buffers");
		posix_fadvise(plain, 0, 0, POSIX_FADV_DONTNEED);
		ring_round(&r, plain, &c, buf, false, "io_uring, page cache");
	}
	return OK;
}

/* ---- vectors and pipes ---- */

static void vectors(int fd, const struct contents *c, size_t unit, const char *how)
{
	struct iovec v[24];
	char *buf = buffer(24 * 64 * unit);
	int round, i;

	for (round = 0; round < 40; round++) {
		uint64_t pos = random_below(c->size / unit + 1) * unit, at = pos;
		ssize_t got;

		for (i = 0; i < 24; i++)
			v[i] = (struct iovec) { buf + i * 64 * unit, random_below(64) * unit };
		got = preadv(fd, v, 24, pos);
		need(got >= 0, how);
		for (i = 0; i < 24 && at < pos + got; at += v[i].iov_len, i++)
			expect_same(c, v[i].iov_base, at, readable(c, at, v[i].iov_len), how);
		expect(at >= pos + got, "%s: more than was asked for", how);
		expect((uint64_t)got == readable(c, pos, at - pos) || at < c->size,
		       "%s: %zd at %llu", how, got, (unsigned long long)pos);
	}
}

static int check_vector(char **arg)
{
	struct contents c = contents_of(arg[0]);

	vectors(open_file(arg[0], 0), &c, 7, "preadv");
	vectors(open_file(arg[0], O_DIRECT), &c, SECTOR, "preadv, direct");
	return OK;
}

/* the pipe's bytes are the file's, from *pos on */
static void drain(int pipe_fd, const struct contents *c, uint64_t pos, size_t bytes,
		  const char *how)
{
	static char buf[1 << 16];

	while (bytes) {
		ssize_t got = read(pipe_fd, buf, bytes < sizeof(buf) ? bytes : sizeof(buf));

		need(got > 0, "reading the pipe");
		expect_same(c, buf, pos, got, how);
		pos += got;
		bytes -= got;
	}
}

static void splice_all(int fd, const struct contents *c, const char *how)
{
	loff_t pos = 0;
	int p[2];

	need(!pipe(p), "pipe");
	for (;;) {
		loff_t before = pos;
		ssize_t got = splice(fd, &pos, p[1], NULL, SLOT, 0);

		need(got >= 0, how);
		if (!got)
			break;
		expect(pos == before + got, "%s: position", how);
		drain(p[0], c, before, got, how);
	}
	expect((uint64_t)pos == c->size, "%s ends at %lld", how, (long long)pos);
}

static int check_splice(char **arg)
{
	int fd = open_file(arg[0], 0), copy = memfd_create("copy", 0);
	struct contents c = contents_of(arg[0]), got = { .size = c.size };
	off_t pos = 0;

	splice_all(fd, &c, "splice");
	splice_all(open_file(arg[0], O_DIRECT), &c, "splice, direct");
	while ((uint64_t)pos < c.size)
		need(sendfile(copy, fd, &pos, 99999) > 0, "sendfile");
	got.data = mmap(NULL, c.size, PROT_READ, MAP_SHARED, copy, 0);
	need(got.data != MAP_FAILED, "mmap of the copy");
	expect_same(&c, got.data, 0, c.size, "sendfile");
	return OK;
}

/* FILE SECONDS: reads again and again, by way of plain, direct and mapped reads */
static int check_hammer(char **arg)
{
	struct contents c = contents_of(arg[0]);
	int plain = open_file(arg[0], 0), direct = open_file(arg[0], O_DIRECT);
	char *buf = buffer(SLOT), *map = mmap(NULL, c.size, PROT_READ, MAP_SHARED, plain, 0);
	struct timespec now, end;
	uint64_t rounds = 0;

	need(map != MAP_FAILED, "mmap");
	seed = getpid() | 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(arg[1]);
	do {
		uint64_t pos = random_below(c.size / SECTOR) * SECTOR, bytes;
		ssize_t got = pread(random_below(2) ? plain : direct, buf, SLOT, pos);

		need(got > 0, "pread");
		expect_same(&c, buf, pos, got, "read");
		pos = random_below(c.size);
		bytes = readable(&c, pos, PAGE);
		expect_same(&c, map + pos, pos, bytes, "map");
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	return rounds ? OK : DIFFERS;
}

/* ---- attributes ---- */

/* newer than Debian 12's headers */
#define MASK_DIOALIGN		0x2000U
#define MASK_SUBVOL		0x8000U
/* in units of their own size */
#define SUBVOL_WORD		20
#define DIO_MEM_ALIGN_HALF	38
#define DIO_OFFSET_ALIGN_HALF	39

/* prints "subvol=N|- attributes=X btime=SECONDS.NANOSECONDS dio=MEMORY/OFFSET|-" */
static int check_statx(char **arg)
{
	union {
		struct statx	x;
		uint64_t	word[sizeof(struct statx) / 8];
		uint32_t	half[sizeof(struct statx) / 4];
	} s = { };

	need(!syscall(SYS_statx, AT_FDCWD, arg[0], AT_SYMLINK_NOFOLLOW,
		      STATX_BASIC_STATS | STATX_BTIME | MASK_DIOALIGN | MASK_SUBVOL, &s.x),
	     "statx");
	expect(s.x.stx_mask & STATX_BTIME, "no time of birth");
	if (s.x.stx_mask & MASK_SUBVOL)
		printf("subvol=%llu", (unsigned long long)s.word[SUBVOL_WORD]);
	else
		printf("subvol=-");
	printf(" attributes=%llx btime=%lld.%09u", (unsigned long long)s.x.stx_attributes,
	       (long long)s.x.stx_btime.tv_sec, s.x.stx_btime.tv_nsec);
	if (s.x.stx_mask & MASK_DIOALIGN)
		printf(" dio=%u/%u\n", s.half[DIO_MEM_ALIGN_HALF], s.half[DIO_OFFSET_ALIGN_HALF]);
	else
		printf(" dio=-\n");
	return OK;
}

/* prints "flags=X xflags=X project=N generation=N" */
static int check_flags(char **arg)
{
	int fd = open_file(arg[0], O_NOFOLLOW | O_NONBLOCK);
	unsigned int flags = 0, generation = 0;
	struct fsxattr x;

	need(!ioctl(fd, FS_IOC_GETFLAGS, &flags), "GETFLAGS");
	need(!ioctl(fd, FS_IOC_FSGETXATTR, &x), "FSGETXATTR");
	need(!ioctl(fd, FS_IOC_GETVERSION, &generation), "GETVERSION");
	printf("flags=%x xflags=%x project=%u generation=%u\n", flags, x.fsx_xflags, x.fsx_projid,
	       generation);
	return OK;
}

/* every list and value: its length, into exactly that much, and not into a byte less */
static int check_xattr(char **arg)
{
	static char list[65536], again[65536], value[65536], check[65536];
	ssize_t size = llistxattr(arg[0], NULL, 0), bytes;
	char *name;

	need(size >= 0, "length of the list");
	need(llistxattr(arg[0], list, sizeof(list)) == size, "the list");
	need(llistxattr(arg[0], again, size) == size || !size, "the list into exactly enough");
	expect(!memcmp(list, again, size), "two lists");
	if (size)
		expect(llistxattr(arg[0], again, size - 1) < 0 && errno == ERANGE,
		       "a short buffer for the list");
	for (name = list; name < list + size; name += strlen(name) + 1) {
		bytes = lgetxattr(arg[0], name, NULL, 0);
		need(bytes >= 0, name);
		need(lgetxattr(arg[0], name, value, sizeof(value)) == bytes, name);
		if (!bytes)
			continue;
		need(lgetxattr(arg[0], name, check, bytes) == bytes, name);
		expect(!memcmp(value, check, bytes), "%s: two values", name);
		if (bytes > 1)
			expect(lgetxattr(arg[0], name, check, bytes - 1) < 0 && errno == ERANGE,
			       "%s: short buffer", name);
	}
	expect(lgetxattr(arg[0], "user.there-is-no-such-name", NULL, 0) < 0 && errno == ENODATA,
	       "a name that is not there");
	expect(lgetxattr(arg[0], "odd.space", NULL, 0) < 0 && errno == EOPNOTSUPP,
	       "a kind of name that is not there");
	return OK;
}

/* ---- file handles ---- */

struct handle {
	struct file_handle	h;		/* ends in f_handle[0], which is ... */
	unsigned char		room[MAX_HANDLE_SZ];
};

/* prints TYPE and the bytes in hexadecimal */
static int check_handle(char **arg)
{
	struct handle h = { .h.handle_bytes = 0 };
	unsigned int i;
	int mount_id;

	expect(name_to_handle_at(AT_FDCWD, arg[0], &h.h, &mount_id, 0) < 0 && errno == EOVERFLOW,
	       "no room is not EOVERFLOW");
	expect(h.h.handle_bytes && h.h.handle_bytes <= MAX_HANDLE_SZ, "it wants %u bytes",
	       h.h.handle_bytes);
	need(!name_to_handle_at(AT_FDCWD, arg[0], &h.h, &mount_id, 0), "name_to_handle_at");
	printf("%d ", h.h.handle_type);
	for (i = 0; i < h.h.handle_bytes; i++)
		printf("%02x", h.room[i]);
	putchar('\n');
	return OK;
}

/* MOUNT TYPE HEX: opens it and prints inode number and path; or the name of the error */
static int check_open_handle(char **arg)
{
	struct handle h = { .h.handle_type = atoi(arg[1]), .h.handle_bytes = strlen(arg[2]) / 2 };
	char link[64], path[4096] = "";
	struct stat st;
	unsigned int i, byte;
	int fd;

	for (i = 0; i < h.h.handle_bytes && sscanf(arg[2] + 2 * i, "%2x", &byte) == 1; i++)
		h.room[i] = byte;
	fd = open_by_handle_at(open_file(arg[0], 0), &h.h, O_RDONLY | O_NONBLOCK);
	if (fd < 0) {
		puts(strerrorname_np(errno));
		return DIFFERS;
	}
	need(!fstat(fd, &st), "fstat");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	need(readlink(link, path, sizeof(path) - 1) > 0, link);
	printf("%llu %s\n", (unsigned long long)st.st_ino, path);
	return OK;
}

/* ---- directories ---- */

struct linux_dirent64 {
	uint64_t	ino;
	int64_t		off;
	uint16_t	reclen;
	uint8_t		type;
	char		name[];
};

struct entry {
	uint64_t	ino;
	int64_t		next;
	uint8_t		type;
	char		name[256];
};

static size_t list_dir(int fd, size_t buf_bytes, struct entry **out)
{
	char *buf = malloc(buf_bytes);
	size_t nr = 0, room = 0;
	struct entry *all = NULL;
	long got, at;

	while ((got = syscall(SYS_getdents64, fd, buf, buf_bytes)) > 0)
		for (at = 0; at < got;) {
			struct linux_dirent64 *d = (void *)(buf + at);

			if (nr == room)
				all = realloc(all, (room = room * 2 ?: 64) * sizeof(*all));
			all[nr] = (struct entry) { .ino = d->ino, .next = d->off, .type = d->type };
			strcpy(all[nr++].name, d->name);
			at += d->reclen;
		}
	need(!got, "getdents64");
	free(buf);
	*out = all;
	return nr;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return a->ino == b->ino && a->next == b->next && a->type == b->type &&
	       !strcmp(a->name, b->name);
}

static int check_readdir(char **arg)
{
	int fd = open_file(arg[0], O_DIRECTORY);
	struct entry *big, *small, *rest;
	size_t nr = list_dir(fd, 65536, &big), i, step = nr / 50 + 1;
	struct stat st;

	need(!lseek(fd, 0, SEEK_SET), "rewind");
	expect(list_dir(fd, 280, &small) == nr, "another number of entries in small pieces");
	for (i = 0; i < nr; i++) {
		expect(same_entry(&big[i], &small[i]), "entry %zu: %s, in small pieces %s", i,
		       big[i].name, small[i].name);
		need(!fstatat(fd, big[i].name, &st, AT_SYMLINK_NOFOLLOW), big[i].name);
		if (!strcmp(big[i].name, ".."))
			continue;
		expect(big[i].ino == st.st_ino, "%s: inode %llu in the directory, %llu by stat",
		       big[i].name, (unsigned long long)big[i].ino, (unsigned long long)st.st_ino);
		expect(big[i].type == st.st_mode >> 12, "%s: type %u in the directory, mode %o",
		       big[i].name, big[i].type, st.st_mode);
	}
	for (i = 0; i < nr; i += step) {
		size_t left;

		need(lseek(fd, big[i].next, SEEK_SET) == big[i].next, "seeking to a cookie");
		left = list_dir(fd, 280, &rest);
		expect(left == nr - i - 1, "%zu entries after entry %zu of %zu", left, i, nr);
		expect(!left || same_entry(&rest[0], &big[i + 1]),
		       "after the cookie of %s comes %s", big[i].name, rest[0].name);
		free(rest);
	}
	return OK;
}

/* ---- idmapped mounts ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

/* a user namespace in which ids from 0 on are 100000 and more outside */
static int shifted_namespace(void)
{
	char path[64];
	int ready[2], fd;
	pid_t child;
	char c;

	need(!pipe(ready), "pipe");
	child = fork();
	if (!child) {
		if (!unshare(CLONE_NEWUSER))
			c = write(ready[1], "x", 1);
		close(ready[1]);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		kill(child, SIGKILL);
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
	write_file(path, "0 100000 65536");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", child);
	write_file(path, "0 100000 65536");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", child);
	fd = open(path, O_RDONLY);
	need(fd >= 0, path);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return fd;
}

/* SOURCE TARGET: shows SOURCE at TARGET with owners shifted by 100000 */
static int check_idmap(char **arg)
{
	int ns = shifted_namespace();
	int tree = syscall(SYS_open_tree, AT_FDCWD, arg[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = ns };

	if (ns < 0)
		return CANNOT;
	need(tree >= 0, "open_tree");
	need(!syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)),
	     "mount_setattr");
	need(!syscall(SYS_move_mount, tree, "", AT_FDCWD, arg[1], MOVE_MOUNT_F_EMPTY_PATH),
	     "move_mount");
	return OK;
}

static const struct {
	const char	*name;
	int		(*run)(char **arg);
	int		nr_args;
} checks[] = {
	{ "mmap", check_mmap, 1 },		{ "selfmap", check_selfmap, 1 },
	{ "seek", check_seek, 1 },		{ "fiemap", check_fiemap, 1 },
	{ "direct", check_direct, 1 },		{ "aio", check_aio, 1 },
	{ "uring", check_uring, 1 },		{ "vector", check_vector, 1 },
	{ "splice", check_splice, 1 },		{ "hammer", check_hammer, 2 },
	{ "statx", check_statx, 1 },		{ "flags", check_flags, 1 },
	{ "xattr", check_xattr, 1 },		{ "handle", check_handle, 1 },
	{ "open-handle", check_open_handle, 3 }, { "readdir", check_readdir, 1 },
	{ "idmap", check_idmap, 2 },
};

int main(int argc, char **argv)
{
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; argc > 1 && i < sizeof(checks) / sizeof(checks[0]); i++)
		if (!strcmp(argv[1], checks[i].name) && argc - 2 == checks[i].nr_args)
			return checks[i].run(argv + 2);
	fprintf(stderr, "usage: file-access CHECK ARGUMENT...\n");
	return 2;
}
