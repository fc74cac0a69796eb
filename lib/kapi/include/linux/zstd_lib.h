/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/zstd.h. */
#ifndef KAPI_LINUX_ZSTD_LIB_H
#define KAPI_LINUX_ZSTD_LIB_H

#include <linux/zstd.h>

#endif
