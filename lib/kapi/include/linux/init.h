/* SPDX-License-Identifier: GPL-2.0 */
/* Initialisation marks; the init function of a module becomes an ordinary one. */
#ifndef KAPI_LINUX_INIT_H
#define KAPI_LINUX_INIT_H

#include <linux/compiler.h>

#define __init
#define __exit
#define __initdata
#define __initconst
#define __exitdata
typedef int (*initcall_t)(void);
typedef void (*exitcall_t)(void);

#endif
