/* SPDX-License-Identifier: GPL-2.0 */
/* Binary search. */
#ifndef KAPI_LINUX_BSEARCH_H
#define KAPI_LINUX_BSEARCH_H

#include <linux/types.h>
#include <stdlib.h>

#endif
