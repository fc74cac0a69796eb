/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/compiler.h. */
#ifndef KAPI_LINUX_COMPILER_ATTRIBUTES_H
#define KAPI_LINUX_COMPILER_ATTRIBUTES_H

#include <linux/compiler.h>

#endif
