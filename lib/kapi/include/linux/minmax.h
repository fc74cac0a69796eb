/* SPDX-License-Identifier: GPL-2.0 */
/* min(), max(), clamp(), swap(). */
#ifndef KAPI_LINUX_MINMAX_H
#define KAPI_LINUX_MINMAX_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* Both sides must have one type, the rule of the older kernels; else use min_t(). */
#define __kapi_typecheck(x, y) \
	(sizeof((__typeof__(x) *)1 == (__typeof__(y) *)1) && 1)
#define __kapi_cmp_once(x, y, ux, uy, op) ({ \
	__typeof__(x) ux = (x); \
	__typeof__(y) uy = (y); \
	ux op uy ? ux : uy; \
})
#define __kapi_cmp(x, y, op) \
	__builtin_choose_expr(__kapi_typecheck(x, y) && __is_constexpr(x) && __is_constexpr(y), \
		((x) op (y) ? (x) : (y)), \
		__kapi_cmp_once(x, y, __UNIQUE_ID(__x), __UNIQUE_ID(__y), op))

#define min(x, y)		__kapi_cmp(x, y, <)
#define max(x, y)		__kapi_cmp(x, y, >)
#define min_t(t, x, y)		__kapi_cmp((t)(x), (t)(y), <)
#define max_t(t, x, y)		__kapi_cmp((t)(x), (t)(y), >)
#define min3(x, y, z)		min((__typeof__(x))min(x, y), z)
#define max3(x, y, z)		max((__typeof__(x))max(x, y), z)
#define clamp(v, lo, hi)	min((__typeof__(v))max(v, lo), hi)
#define clamp_t(t, v, lo, hi)	min_t(t, max_t(t, v, lo), hi)
#define clamp_val(v, lo, hi)	clamp_t(__typeof__(v), v, lo, hi)
#define min_not_zero(x, y) ({ \
	__typeof__(x) __mz_x = (x); \
	__typeof__(y) __mz_y = (y); \
	__mz_x == 0 ? __mz_y : (__mz_y == 0 ? __mz_x : min(__mz_x, __mz_y)); \
})
#define swap(a, b) \
	do { __typeof__(a) __sw_t = (a); (a) = (b); (b) = __sw_t; } while (0)

#endif
