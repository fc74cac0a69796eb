/* SPDX-License-Identifier: GPL-2.0 */
/* ARRAY_SIZE(). */
#ifndef KAPI_LINUX_ARRAY_SIZE_H
#define KAPI_LINUX_ARRAY_SIZE_H

#include <linux/build_bug.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]) + __must_be_array(a))

#endif
