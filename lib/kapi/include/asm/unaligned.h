/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/unaligned.h. */
#ifndef KAPI_ASM_UNALIGNED_H
#define KAPI_ASM_UNALIGNED_H

#include <linux/unaligned.h>

#endif
