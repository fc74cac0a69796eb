/* SPDX-License-Identifier: GPL-2.0 */
/* Lock validator types. */
#ifndef KAPI_LINUX_LOCKDEP_TYPES_H
#define KAPI_LINUX_LOCKDEP_TYPES_H

#include <linux/lockdep.h>

#endif
