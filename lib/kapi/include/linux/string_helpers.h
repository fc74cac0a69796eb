/* SPDX-License-Identifier: GPL-2.0 */
/* Human sizes. */
#ifndef KAPI_LINUX_STRING_HELPERS_H
#define KAPI_LINUX_STRING_HELPERS_H

#include <linux/string.h>
#include <linux/types.h>

enum string_size_units {
	STRING_UNITS_10,
	STRING_UNITS_2,
};

int string_get_size(u64 blocks, u64 block_bytes, const enum string_size_units units, char *buf,
		    int len);

static inline const char *str_yes_no(bool v)
{
	return v ? "yes" : "no";
}

static inline const char *str_on_off(bool v)
{
	return v ? "on" : "off";
}

#endif
