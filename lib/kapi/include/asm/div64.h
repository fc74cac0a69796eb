/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/math64.h. */
#ifndef KAPI_ASM_DIV64_H
#define KAPI_ASM_DIV64_H

#include <linux/math64.h>

#endif
