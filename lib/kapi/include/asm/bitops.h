/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/bitops.h. */
#ifndef KAPI_ASM_BITOPS_H
#define KAPI_ASM_BITOPS_H

#include <linux/bitops.h>

#endif
