/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: linux/printk.h. */
#ifndef KAPI_LINUX_KERN_LEVELS_H
#define KAPI_LINUX_KERN_LEVELS_H

#include <linux/printk.h>

#endif
