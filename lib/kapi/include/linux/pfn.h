/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: asm/page.h. */
#ifndef KAPI_LINUX_PFN_H
#define KAPI_LINUX_PFN_H

#include <asm/page.h>

#endif
