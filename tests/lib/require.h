/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_REQUIRE_H
#define TESTS_LIB_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

/* for programs without cmocka, and for builders that cannot go on: say where, and stop */
#define require(cond)								\
do {										\
	if (!(cond)) {								\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		abort();							\
	}									\
} while (0)

#endif
