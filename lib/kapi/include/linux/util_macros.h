/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/kernel.h. */
#ifndef KAPI_LINUX_UTIL_MACROS_H
#define KAPI_LINUX_UTIL_MACROS_H

#include <linux/kernel.h>

#endif
