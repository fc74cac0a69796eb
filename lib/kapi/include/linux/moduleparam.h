/* SPDX-License-Identifier: GPL-2.0 */
/* Module parameters are plain variables. */
#ifndef KAPI_LINUX_MODULEPARAM_H
#define KAPI_LINUX_MODULEPARAM_H

#include <linux/kernel.h>

#define module_param(name, type, perm)			_Static_assert(1, "")
#define module_param_named(name, var, type, perm)	_Static_assert(1, "")
#define MODULE_PARM_DESC(name, text)			_Static_assert(1, "")

#endif
