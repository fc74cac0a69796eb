/* SPDX-License-Identifier: GPL-2.0 */
/* Memory management types. */
#ifndef KAPI_LINUX_MM_TYPES_H
#define KAPI_LINUX_MM_TYPES_H

#include <asm/page.h>

#endif
