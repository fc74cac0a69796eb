/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/atomic.h. */
#ifndef KAPI_ASM_ATOMIC_H
#define KAPI_ASM_ATOMIC_H

#include <linux/atomic.h>

#endif
