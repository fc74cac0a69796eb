// SPDX-License-Identifier: GPL-2.0
/*
 * Positions as people type them. Each part has its own largest value, so what does not fit its
 * field is refused and not cut off.
 */
#include "pos_arg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/limits.h>

static int number(const char *text, u64 max, u64 *out)
{
	char *end;

	if (!strcmp(text, "U64_MAX") && max == U64_MAX) {
		*out = U64_MAX;
		return 0;
	}
	if (!strcmp(text, "U32_MAX")) {
		*out = U32_MAX;
		return 0;
	}
	errno = 0;
	*out = strtoull(text, &end, 0);
	return errno || end == text || *end || *text == '-' || *out > max ? -EINVAL : 0;
}

int pos_parse(const char *text, struct bpos *out)
{
	char copy[80], *rest = copy, *part;
	u64 v[3] = { };
	unsigned int n;

	if (!strcmp(text, "POS_MIN"))
		*out = POS_MIN;
	else if (!strcmp(text, "POS_MAX"))
		*out = POS_MAX;
	else if (!strcmp(text, "SPOS_MAX"))
		*out = SPOS_MAX;
	else if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	else {
		strcpy(copy, text);
		for (n = 0; (part = strsep(&rest, ":")); n++)
			if (n == 3 || number(part, n == 2 ? U32_MAX : U64_MAX, &v[n]))
				return -EINVAL;
		*out = SPOS(v[0], v[1], v[2]);
	}
	return 0;
}
