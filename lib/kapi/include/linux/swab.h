/* SPDX-License-Identifier: GPL-2.0 */
/* Byte swapping. */
#ifndef KAPI_LINUX_SWAB_H
#define KAPI_LINUX_SWAB_H

#include <linux/types.h>
#include_next <linux/swab.h>

#define swab16	__swab16
#define swab32	__swab32
#define swab64	__swab64

#endif
