/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_LIB_SAME_LINES_H
#define TESTS_LIB_SAME_LINES_H

/* Include after cmocka.h. */
#include <string.h>

/* fail by the first line that differs, not with a page of two texts; @what they are about */
static inline void assert_same_lines(const char *what, const char *ours, const char *theirs)
{
	unsigned int line = 1;

	while (*ours || *theirs) {
		size_t l = strcspn(ours, "\n"), r = strcspn(theirs, "\n");

		if (l != r || memcmp(ours, theirs, l))
			fail_msg("%s: line %u is\n  %.*s\nexpected\n  %.*s", what, line, (int)l,
				 ours, (int)r, theirs);
		ours += l + (ours[l] != '\0');
		theirs += r + (theirs[r] != '\0');
		line++;
	}
}

#endif
