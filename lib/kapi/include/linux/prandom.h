/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/random.h. */
#ifndef KAPI_LINUX_PRANDOM_H
#define KAPI_LINUX_PRANDOM_H

#include <linux/random.h>

#endif
