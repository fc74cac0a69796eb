/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

/* What benchmarks of btrees share. */

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "require.h"

/* CPU time of this thread */
static inline uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline size_t resident_bytes(void)
{
	unsigned long size, resident;
	FILE *f = fopen("/proc/self/statm", "r");

	require(f && fscanf(f, "%lu %lu", &size, &resident) == 2);
	fclose(f);
	return resident * sysconf(_SC_PAGESIZE);
}

/* a number that looks random, another one for each @x */
static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

#endif
