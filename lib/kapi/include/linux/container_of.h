/* SPDX-License-Identifier: GPL-2.0 */
/* From a member to what holds it. */
#ifndef KAPI_LINUX_CONTAINER_OF_H
#define KAPI_LINUX_CONTAINER_OF_H

#include <linux/build_bug.h>
#include <linux/stddef.h>

#define container_of(ptr, type, member) ({ \
	void *__co_p = (void *)(ptr); \
	_Static_assert(__same_type(*(ptr), ((type *)0)->member) || \
		       __same_type(*(ptr), void), "container_of(): wrong pointer type"); \
	((type *)(__co_p - offsetof(type, member))); \
})

#define container_of_const(ptr, type, member) \
	_Generic((ptr), \
		const __typeof__(*(ptr)) *: ((const type *)container_of(ptr, type, member)), \
		default: ((type *)container_of(ptr, type, member)))

#define typeof_member(T, m)	__typeof__(((T *)0)->m)

#endif
