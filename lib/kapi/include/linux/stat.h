/* SPDX-License-Identifier: GPL-2.0 */
/* File types and modes: the C library has them, and includes this header itself where it is there. */
#ifndef KAPI_LINUX_STAT_H
#define KAPI_LINUX_STAT_H

#include <sys/stat.h>

#endif
