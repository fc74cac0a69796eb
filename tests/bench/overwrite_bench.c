// SPDX-License-Identifier: GPL-2.0
/*
 * What a small write over old data costs: whole set, extents of 4 KiB, at random places of a file, one write after the other as
 * of direct I/O. The device is a file in memory, so what is left is the engine's work and the copying.
 *
 *     overwrite_bench [WRITES [FILE_MIB]]	(200000, 256)
 *
 * CPU time of all threads, and what each write comes to on the device. Instructions are the better measure on a machine that does
 * other things, too:
 *
 *     valgrind --tool=callgrind build/tests/bench/overwrite_bench 20000 32
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/stat.h>

#include <bcachefs/ops.h>

#include "bench.h"
#include "engine/journal/journal.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "set_io.h"
#include "small_set.h"

#define ROOT	((struct bce_file_id) { BCE_ROOT_SUBVOL, 4096 })
#define BLOCK	4096

static u8 data[SET_IO_BYTES] __attribute__((aligned(4096)));

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static struct bce_file_id make_file(struct bce_set *set, u64 bytes)
{
	struct bce_create what = { .mode = S_IFREG | 0644 };
	struct bce_inode inode;

	require(!bce_create(set, ROOT, "file", 4, &what, &inode));
	for (u64 at = 0; at < bytes; at += sizeof(data))
		require(!set_write(set, inode.id, at / 512, data, sizeof(data), at + sizeof(data), 0));
	require(!bce_sync(set));
	return inode.id;
}

static void overwrite(struct bce_set *set, struct bce_file_id file, u64 bytes, unsigned int nr, u64 seed)
{
	for (unsigned int i = 0; i < nr; i++) {
		u64 block = mix(seed + i) % (bytes / BLOCK);

		require(!set_write(set, file, block * (BLOCK / 512), data, BLOCK, bytes, 0));
	}
}

static u64 journal_bytes(struct bce_set *set)
{
	struct journal_stats stats;

	bce_journal_stats(set->rw->journal, &stats);
	return stats.sectors_written * 512;
}

int main(int argc, char **argv)
{
	unsigned int nr = argc > 1 ? atoi(argv[1]) : 200000;
	u64 bytes = (u64)(argc > 2 ? atoi(argv[2]) : 256) << 20;
	struct small_shape shape = {
		.nr = 1, .replicas = 1, .dev_bytes = bytes * 8 + ((u64)nr << 13), .bucket_bytes = 512 << 10, .node = "256k", .block = "512",
	};
	struct bce_file_id file;
	struct small_set s;
	double before;
	char why[512];
	u64 journal;

	require(nr && bytes);
	small_set_format(&s, &shape);
	if (small_set_open(&s, why)) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	file = make_file(s.set, bytes);
	overwrite(s.set, file, bytes, nr, 1);	/* extents are small from here on */
	journal = journal_bytes(s.set);
	before = cpu_us();
	overwrite(s.set, file, bytes, nr, 1ULL << 32);
	printf("%u writes of %u bytes over old ones: %.2f us CPU, %.0f bytes of journal each\n", nr, BLOCK,
	       (cpu_us() - before) / nr, (double)(journal_bytes(s.set) - journal) / nr);
	require(!small_set_close(&s, true));
	small_set_free(&s);
	return 0;
}
