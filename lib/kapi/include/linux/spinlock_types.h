/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/spinlock.h. */
#ifndef KAPI_LINUX_SPINLOCK_TYPES_H
#define KAPI_LINUX_SPINLOCK_TYPES_H

#include <linux/spinlock.h>

#endif
