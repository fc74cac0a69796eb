/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: asm/barrier.h. */
#ifndef KAPI_LINUX_PROCESSOR_H
#define KAPI_LINUX_PROCESSOR_H

#include <asm/barrier.h>

#endif
