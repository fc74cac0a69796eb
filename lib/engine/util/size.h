/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_SIZE_H
#define ENGINE_UTIL_SIZE_H

#include <linux/types.h>

/**
 * bce_size_parse() - a size as people write it
 * @text: "4096", "64k", "1.5M", "256KiB", "10MB" (of 1000)
 * Return: 0; -EINVAL not a size; -ERANGE does not fit.
 * Source: docs/format/90-ioctl-mount-sysfs.md, section 2.
 */
int bce_size_parse(const char *text, u64 *bytes);

#endif
