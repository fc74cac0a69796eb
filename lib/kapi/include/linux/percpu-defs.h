/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/percpu.h. */
#ifndef KAPI_LINUX_PERCPU_DEFS_H
#define KAPI_LINUX_PERCPU_DEFS_H

#include <linux/percpu.h>

#endif
