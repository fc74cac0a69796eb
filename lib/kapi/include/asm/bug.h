/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/bug.h. */
#ifndef KAPI_ASM_BUG_H
#define KAPI_ASM_BUG_H

#include <linux/bug.h>

#endif
