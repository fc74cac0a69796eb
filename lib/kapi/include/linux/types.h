/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel integer types, by way of the C library kernel headers. */
#ifndef KAPI_LINUX_TYPES_H
#define KAPI_LINUX_TYPES_H

#include <linux/compiler.h>
#include <linux/stddef.h>
#include_next <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

typedef unsigned short umode_t;
typedef u64 sector_t;
typedef unsigned int __bitwise gfp_t;
typedef unsigned int __bitwise slab_flags_t;
typedef unsigned int __bitwise fmode_t;
typedef unsigned long pgoff_t;
typedef u64 phys_addr_t;

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter __aligned(8); } atomic64_t;
#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};
#define rcu_head callback_head
typedef void (*rcu_callback_t)(struct rcu_head *head);


#endif
