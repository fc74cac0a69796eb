/* SPDX-License-Identifier: GPL-2.0 */
/* Constants in C and assembler form. */
#ifndef KAPI_LINUX_CONST_H
#define KAPI_LINUX_CONST_H

#include_next <linux/const.h>

#define UL(x)	(_UL(x))
#define ULL(x)	(_ULL(x))

#endif
