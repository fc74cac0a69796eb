/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/time64.h linux/timekeeping.h. */
#ifndef KAPI_LINUX_TIME_H
#define KAPI_LINUX_TIME_H

#include <linux/time64.h>
#include <linux/timekeeping.h>

#endif
