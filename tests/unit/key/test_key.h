/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_UNIT_KEY_TEST_KEY_H
#define TESTS_UNIT_KEY_TEST_KEY_H

/*
 * Keys for tests, with their value in memory of exactly its size, so that the
 * address sanitizer sees any step outside of it.
 */
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "engine/key/bkey.h"

static inline struct bkey test_key(unsigned int type, struct bpos p, const void *v,
				   size_t bytes)
{
	size_t u64s = (bytes + 7) / 8;
	u64 *copy = u64s ? calloc(u64s, 8) : malloc(1);

	if (bytes)
		memcpy(copy, v, bytes);
	return (struct bkey) { .p = p, .type = type, .val_u64s = u64s, .v = copy };
}

/* hexadecimal digits, spaces ignored; "3*00" is not known here */
static inline struct bkey test_key_hex(unsigned int type, struct bpos p, const char *hex)
{
	u8 bytes[2000];
	size_t n = 0;
	unsigned int high = 16;

	for (; *hex; hex++) {
		unsigned int digit = *hex >= 'a' ? *hex - 'a' + 10 : *hex - '0';

		if (*hex == ' ')
			continue;
		if (high == 16) {
			high = digit;
			continue;
		}
		bytes[n++] = high << 4 | digit;
		high = 16;
	}
	return test_key(type, p, bytes, n);
}

static inline void test_key_free(struct bkey *k)
{
	free((void *)k->v);
}

/* the value, to change it */
static inline void *test_key_val(struct bkey *k)
{
	return (void *)k->v;
}

#endif
