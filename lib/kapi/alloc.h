/* SPDX-License-Identifier: GPL-2.0 */
/* The injection point every allocator of kapi passes. */
#ifndef KAPI_ALLOC_H
#define KAPI_ALLOC_H

#include <linux/gfp_types.h>
#include <linux/types.h>

/* True when the test asked this very allocation to fail. */
bool kapi_alloc_should_fail(gfp_t gfp);

#endif
