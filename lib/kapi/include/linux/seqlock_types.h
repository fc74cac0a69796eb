/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/seqlock.h. */
#ifndef KAPI_LINUX_SEQLOCK_TYPES_H
#define KAPI_LINUX_SEQLOCK_TYPES_H

#include <linux/seqlock.h>

#endif
