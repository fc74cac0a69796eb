// SPDX-License-Identifier: GPL-2.0
/*
 * UUIDs as people type them: dashes where they belong, nothing before or after.
 */
#include "uuid_arg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool dash_before(unsigned int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int uuid_arg_parse(const char *text, uint8_t out[16])
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		int hi, lo;

		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		hi = digit(text[0]);
		lo = hi < 0 ? -1 : digit(text[1]);
		if (lo < 0)
			return -EINVAL;
		out[i] = hi << 4 | lo;
		text += 2;
	}
	return *text ? -EINVAL : 0;
}

void uuid_arg_text(const uint8_t uuid[16], char out[37])
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		out += sprintf(out, "%s%02x", dash_before(i) ? "-" : "", uuid[i]);
}
