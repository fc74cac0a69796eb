/* SPDX-License-Identifier: GPL-2.0 */
/* offsetof and friends. */
#ifndef KAPI_LINUX_STDDEF_H
#define KAPI_LINUX_STDDEF_H

#include_next <linux/stddef.h>
#include <linux/compiler.h>

#define sizeof_field(T, m)	sizeof((((T *)0)->m))
#define offsetofend(T, m)	(offsetof(T, m) + sizeof_field(T, m))
#define struct_group(NAME, MEMBERS...)	__struct_group(/* no tag */, NAME, /* no attrs */, MEMBERS)
#define DECLARE_FLEX_ARRAY(T, n)	__DECLARE_FLEX_ARRAY(T, n)

#endif
