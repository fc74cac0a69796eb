/* SPDX-License-Identifier: GPL-2.0 */
/* Rounding. */
#ifndef KAPI_LINUX_MATH_H
#define KAPI_LINUX_MATH_H

#include <linux/types.h>
#include <stdlib.h>

#undef roundup
#undef rounddown
#define __round_mask(x, y)	((__typeof__(x))((y) - 1))
#define round_up(x, y)		((((x) - 1) | __round_mask(x, y)) + 1)
#define round_down(x, y)	((x) & ~__round_mask(x, y))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_DOWN_ULL(n, d) ((unsigned long long)(n) / (d))
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_DOWN_ULL((unsigned long long)(n) + (d) - 1, (d))
#define DIV_ROUND_UP_SECTOR_T(n, d) DIV_ROUND_UP_ULL(n, d)
#define roundup(x, y) ({ \
	__typeof__(y) __ru_y = (y); \
	(((x) + (__ru_y - 1)) / __ru_y) * __ru_y; \
})
#define rounddown(x, y) ({ \
	__typeof__(x) __rd_x = (x); \
	__rd_x - (__rd_x % (y)); \
})
#define DIV_ROUND_CLOSEST(x, d) ({ \
	__typeof__(x) __dc_x = (x); \
	__typeof__(d) __dc_d = (d); \
	(((__typeof__(x))-1) > 0 || ((__typeof__(d))-1) > 0 || ((__dc_x > 0) == (__dc_d > 0))) ? \
		((__dc_x + (__dc_d / 2)) / __dc_d) : ((__dc_x - (__dc_d / 2)) / __dc_d); \
})
#define abs(x) ({ \
	__typeof__(x) __ab_x = (x); \
	__ab_x < 0 ? -__ab_x : __ab_x; \
})

unsigned long int_sqrt(unsigned long x);

#endif
