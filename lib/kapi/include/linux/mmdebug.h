/* SPDX-License-Identifier: GPL-2.0 */
/* Debug assertions: on, as in a kernel with DEBUG_VM. */
#ifndef KAPI_LINUX_MMDEBUG_H
#define KAPI_LINUX_MMDEBUG_H

#include <linux/bug.h>

#define VM_BUG_ON(c)		BUG_ON(c)
#define VM_WARN_ON(c)		WARN_ON(c)
#define VM_WARN_ON_ONCE(c)	WARN_ON_ONCE(c)

#endif
