/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/compiler.h. */
#ifndef KAPI_LINUX_CACHE_H
#define KAPI_LINUX_CACHE_H

#include <linux/compiler.h>

#endif
