/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_RANDOM_H
#define TESTS_LIB_RANDOM_H

/*
 * Random numbers that repeat: a test gives the same ones each time, another row of them with
 * SEED=number in the environment.
 */
#include <linux/types.h>
#include <stdlib.h>

static u64 rnd_state;

/* xorshift64*: not for secrets */
static inline u64 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state * 0x2545f4914f6cdd1dULL;
}

/* begin a row; of the form of a setup function of cmocka's */
static inline int rnd_setup(void **state)
{
	const char *seed = getenv("SEED");

	rnd_state = seed ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15ULL;
	return 0;
}

#endif
