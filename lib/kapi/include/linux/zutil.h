/* SPDX-License-Identifier: GPL-2.0 */
/* zlib internals are not offered. */
#ifndef KAPI_LINUX_ZUTIL_H
#define KAPI_LINUX_ZUTIL_H

#include <linux/zlib.h>

#endif
