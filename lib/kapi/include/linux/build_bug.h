/* SPDX-License-Identifier: GPL-2.0 */
/* Compile-time checks. */
#ifndef KAPI_LINUX_BUILD_BUG_H
#define KAPI_LINUX_BUILD_BUG_H

#include <linux/compiler.h>
#include <assert.h>

#define BUILD_BUG_ON_ZERO(e)	((int)(sizeof(struct { int:(-!!(e)); })))
#define BUILD_BUG_ON_MSG(c, m)	_Static_assert(!(c), m)
#define BUILD_BUG_ON(c)		do { _Static_assert(!(c), "BUILD_BUG_ON: " #c); } while (0)
#define BUILD_BUG_ON_NOT_POWER_OF_2(n) BUILD_BUG_ON((n) == 0 || (((n) & ((n) - 1)) != 0))
#define BUILD_BUG_ON_INVALID(e)	((void)(sizeof((long)(e))))
#define BUILD_BUG()		BUILD_BUG_ON(1)

#undef static_assert
#define static_assert(e, ...)	__static_assert(e, ## __VA_ARGS__, #e)
#define __static_assert(e, m, ...) _Static_assert(e, m)

#endif
