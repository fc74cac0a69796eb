// SPDX-License-Identifier: GPL-2.0
/*
 * Durable inserts: one key reserved, put and flushed at a time, by one and by two threads, beside a
 * plain loop of pwrite() of 4 KiB and fdatasync() on the same file.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/format/ids.h"
#include "journal_rig.h"
#include "require.h"

#define SECONDS		0.5		/* of each kind, by turns */
#define ROUNDS		6
#define THREADS_MAX	4

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* into space that is allocated, as in a ring that has been round once */
static double plain(int fd, off_t start, off_t bytes)
{
	static char block[4096];
	double begin = now(), t;
	unsigned long n = 0;

	do {
		block[0] = n;
		require(pwrite(fd, block, sizeof(block), start + n * 4096 % bytes) == 4096);
		require(!fdatasync(fd));
		n++;
		t = now() - begin;
	} while (t < SECONDS);
	return n / t;
}

struct inserter {
	struct jr_rig	*rig;
	pthread_t	thread;
	unsigned long	n;
};

static void *insert(void *arg)
{
	struct inserter *in = arg;
	double begin = now();
	int error;
	u64 seq;

	do {
		seq = jr_put_keys(in->rig, 1, JOURNAL_NORMAL, in->n, &error);
		require(seq && !bce_journal_flush_seq(in->rig->j, seq));
		in->n++;
	} while (now() - begin < SECONDS);
	return NULL;
}

static double inserts(struct jr_rig *rig, unsigned int threads)
{
	struct inserter in[THREADS_MAX] = { };
	unsigned long n = 0;
	double begin = now();
	unsigned int i;

	for (i = 0; i < threads; i++) {
		in[i].rig = rig;
		require(!pthread_create(&in[i].thread, NULL, insert, &in[i]));
	}
	for (i = 0; i < threads; i++) {
		require(!pthread_join(in[i].thread, NULL));
		n += in[i].n;
	}
	return n / (now() - begin);
}

static void fill(int fd)
{
	static char zeros[1 << 16];
	off_t at, bytes = lseek(fd, 0, SEEK_END);

	for (at = 0; at < bytes; at += sizeof(zeros))
		require(pwrite(fd, zeros, sizeof(zeros), at) == sizeof(zeros));
	require(!fsync(fd));
}

int main(void)
{
	static const struct jr_options o = {
		.nr = 1, .ring_nr = 32, .bucket_sectors = 1024, .block_sectors = 8,
		.csum_type = BCH_CSUM_crc32c_nonzero, .on_disk = true,
	};
	off_t start = (off_t)JR_RING_FIRST * o.bucket_sectors * 512;
	double base = 0, ours[THREADS_MAX + 1] = { };
	unsigned int threads, round;
	struct journal_stats st;
	struct jr_rig rig;

	jr_init(&rig, &o);
	fill(rig.fd[0]);
	for (round = 0; round < ROUNDS; round++) {
		base += plain(rig.fd[0], start, 8 << 20);
		require(!jr_open(&rig));
		for (threads = 1; threads <= THREADS_MAX; threads *= 2)
			ours[threads] += inserts(&rig, threads);
		bce_journal_stats(rig.j, &st);
		jr_crash(&rig);
		rig.config.next_seq = rig.config.replay_seq = 1;
	}
	printf("pwrite of 4 KiB and fdatasync    %9.0f/s\n", base / ROUNDS);
	for (threads = 1; threads <= THREADS_MAX; threads *= 2)
		printf("durable inserts, %u thread%s      %9.0f/s  %.2f of that\n", threads,
		       threads > 1 ? "s" : " ", ours[threads] / ROUNDS, ours[threads] / base);
	printf("last round: entries %llu, flushed %llu, blocked %llu\n",
	       (unsigned long long)st.entries, (unsigned long long)st.flush_entries,
	       (unsigned long long)st.blocked);
	jr_exit(&rig);
	return 0;
}
