// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that meets in the page cache of one file, at once: what fs/bcachefs/add_lock.c keeps apart.
 *
 *	page-races SECONDS [--no-reshape] FILE
 *
 * The file is made of blocks; each holds its number and a version, all over. A block belongs to one writer, who
 * makes its version larger with each write, and publishes it when the write has ended. Whoever reads a
 * block, in any way, must find a whole block of a version not older than what was published before he began:
 *
 *	direct writers		two, asynchronous ones among them by being several
 *	buffered writer, writer through a map
 *	direct writer from a map of the same file
 *	buffered reader, reader through a map, direct reader
 *	cache dropper		fadvise, so that folios are filled again all the time
 *	reshaper		punches and allocates blocks of its own, truncates the tail off and on;
 *				those read as zeros or as what was written
 *
 * Exit status 1 and what was seen where, when something stale or torn shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		4096
#define WORDS		(BLOCK / 8)
#define BLOCKS		256
#define BYTES		(BLOCKS * BLOCK)

/* whose block: by its number */
enum role { DIRECT1, DIRECT2, BUFFERED, MAPPED, FROM_MAP, RESHAPED, NR_ROLES };

static int fd, direct_fd;
static uint64_t *map;
static atomic_ullong published[BLOCKS];
static atomic_bool stop;
static atomic_ullong count[NR_ROLES], reads;
static bool reshape = true;

static void __attribute__((noreturn)) die(const char *what, int error)
{
	printf("# %s: %s\n", what, strerror(error));
	exit(1);
}

static void need(bool good, const char *what)
{
	if (!good)
		die(what, errno);
}

static uint32_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return *s >> 33;
}

static uint64_t word_of(unsigned int block, uint64_t version)
{
	return (uint64_t)block << 48 | version;
}

static void fill(uint64_t *p, unsigned int block, uint64_t version)
{
	for (unsigned int i = 0; i < WORDS; i++)
		p[i] = word_of(block, version);
}

/* @p is block @block as read by somebody who began when @at_least was published */
static void check(const uint64_t *p, unsigned int block, uint64_t at_least, const char *how, bool torn_ok)
{
	bool zeros_ok = block % NR_ROLES == RESHAPED || !at_least;

	for (unsigned int i = 0; i < WORDS; i++) {
		uint64_t w = p[i], version = w & ((1ULL << 48) - 1);

		if (!w && zeros_ok)
			continue;
		if (w >> 48 != block || version < at_least) {
			printf("# %s: block %u word %u is of block %llu version %llu, should be at least %llu\n",
			       how, block, i, (unsigned long long)(w >> 48), (unsigned long long)version,
			       (unsigned long long)at_least);
			exit(1);
		}
		if (!torn_ok && w != p[0]) {
			printf("# %s: block %u is torn: %llx and %llx\n", how, block,
			       (unsigned long long)p[0], (unsigned long long)w);
			exit(1);
		}
	}
}

/* ---- writers ---- */

static void *memory(void)
{
	void *p = aligned_alloc(BLOCK, BLOCK);

	need(p, "memory");
	return p;
}

/* another block's contents, being written from the map: which it is does not matter, only that it works */
static void write_from_map(unsigned int block, uint64_t version, uint64_t *buffer)
{
	/* the last but one word line of blocks serves as source; it is this thread's own */
	unsigned int source = block >= NR_ROLES ? block - NR_ROLES : block + NR_ROLES;

	fill(buffer, block, version);
	memcpy(map + source * WORDS, buffer, BLOCK);
	need(pwrite(direct_fd, map + source * WORDS, BLOCK, (off_t)block * BLOCK) == BLOCK,
	     "direct write from a map");
	/* the source block gets its own contents back */
	fill(buffer, source, atomic_load(&published[source]) ?: 1);
	memcpy(map + source * WORDS, buffer, BLOCK);
}

static void write_block(enum role role, unsigned int block, uint64_t version, uint64_t *buffer)
{
	off_t at = (off_t)block * BLOCK;

	fill(buffer, block, version);
	switch (role) {
	case DIRECT1:
	case DIRECT2:
		need(pwrite(direct_fd, buffer, BLOCK, at) == BLOCK, "direct write");
		break;
	case BUFFERED:
	case RESHAPED:
		need(pwrite(fd, buffer, BLOCK, at) == BLOCK, "write");
		break;
	case MAPPED:
		memcpy(map + block * WORDS, buffer, BLOCK);
		break;
	case FROM_MAP:
		write_from_map(block, version, buffer);
		break;
	default:
		break;
	}
}

static void maybe_reshape(unsigned int block, uint64_t *s)
{
	off_t at = (off_t)block * BLOCK;

	switch (rnd(s) % 4) {
	case 0:
		need(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, BLOCK), "punch");
		break;
	case 1:
		need(!fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at, BLOCK), "zero");
		break;
	case 2:
		/* behind everybody's blocks */
		need(!ftruncate(fd, BYTES + 100000) && !ftruncate(fd, BYTES), "ftruncate");
		break;
	}
}

static void *writer(void *arg)
{
	enum role role = (uintptr_t)arg;
	uint64_t *buffer = memory(), s = role + 77, version = 1;

	while (!atomic_load(&stop)) {
		unsigned int block = rnd(&s) % (BLOCKS / NR_ROLES) * NR_ROLES + role;

		version++;
		if (role == RESHAPED && !reshape)
			break;
		write_block(role, block, version, buffer);
		if (role != FROM_MAP)
			atomic_store(&published[block], version);
		if (role == RESHAPED)
			maybe_reshape(block, &s);
		atomic_fetch_add(&count[role], 1);
	}
	free(buffer);
	return NULL;
}

/* ---- readers ---- */

enum way { READ, READ_MAP, READ_DIRECT };

static void *reader(void *arg)
{
	static const char *const name[] = { "read", "map", "direct read" };
	enum way way = (uintptr_t)arg;
	uint64_t *buffer = memory(), s = way + 5;

	while (!atomic_load(&stop)) {
		unsigned int block = rnd(&s) % (BLOCKS / NR_ROLES * NR_ROLES);
		uint64_t at_least = atomic_load(&published[block]);
		off_t at = (off_t)block * BLOCK;

		if (block % NR_ROLES == FROM_MAP)	/* two versions at a time */
			continue;
		if (way == READ)
			need(pread(fd, buffer, BLOCK, at) == BLOCK, "read");
		else if (way == READ_DIRECT)
			need(pread(direct_fd, buffer, BLOCK, at) == BLOCK, "direct read");
		else
			memcpy(buffer, map + block * WORDS, BLOCK);
		/* stores and loads through maps are not atomic, nor what reads them */
		check(buffer, block, at_least, name[way],
		      block % NR_ROLES >= BUFFERED || way == READ_MAP);
		atomic_fetch_add(&reads, 1);
	}
	free(buffer);
	return NULL;
}

static void *dropper(void *arg)
{
	uint64_t s = 3;

	while (!atomic_load(&stop)) {
		off_t at = (off_t)(rnd(&s) % BLOCKS) * BLOCK;

		if (rnd(&s) % 8)
			posix_fadvise(fd, at, 16 * BLOCK, POSIX_FADV_DONTNEED);
		else
			sync_file_range(fd, at, 64 * BLOCK, SYNC_FILE_RANGE_WRITE);
		if (!(rnd(&s) % 4))
			posix_fadvise(fd, at, 64 * BLOCK, POSIX_FADV_WILLNEED);
		usleep(200);
	}
	return arg;
}

/* ---- all ---- */

static void first_contents(void)
{
	uint64_t *buffer = memory();

	for (unsigned int i = 0; i < BLOCKS; i++) {
		fill(buffer, i, 1);
		need(pwrite(fd, buffer, BLOCK, (off_t)i * BLOCK) == BLOCK, "write");
		atomic_store(&published[i], 1);
	}
	free(buffer);
	need(!fsync(fd), "fsync");
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 2 ? atoi(argv[1]) : 0, nr = 0;
	const char *path = argv[argc - 1];
	pthread_t t[NR_ROLES + 4];

	if (!seconds)
		return fprintf(stderr, "usage: page-races SECONDS [--no-reshape] FILE\n"), 2;
	reshape = argc == 3;
	fd = open(path, O_RDWR | O_CREAT, 0644);
	direct_fd = open(path, O_RDWR | O_DIRECT);
	need(fd >= 0 && direct_fd >= 0, path);
	first_contents();
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(map != MAP_FAILED, "mmap");
	for (uintptr_t i = 0; i < NR_ROLES; i++)
		need(!pthread_create(&t[nr++], NULL, writer, (void *)i), "thread");
	for (uintptr_t i = 0; i < 3; i++)
		need(!pthread_create(&t[nr++], NULL, reader, (void *)i), "thread");
	need(!pthread_create(&t[nr++], NULL, dropper, NULL), "thread");
	sleep(seconds);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(t[i], NULL);
	printf("# writes: direct %llu %llu, buffered %llu, mapped %llu, from map %llu, reshaped %llu; reads %llu\n",
	       count[0], count[1], count[2], count[3], count[4], count[5], reads);
	for (unsigned int i = 0; i < NR_ROLES; i++)
		if (!count[i] && (i != RESHAPED || reshape))
			die("a writer never came to write", EAGAIN);
	return 0;
}
