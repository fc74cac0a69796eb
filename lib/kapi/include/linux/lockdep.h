/* SPDX-License-Identifier: GPL-2.0 */
/* No lock validator in user space: every annotation vanishes. */
#ifndef KAPI_LINUX_LOCKDEP_H
#define KAPI_LINUX_LOCKDEP_H

#include <linux/compiler.h>
#include <linux/types.h>

struct lock_class_key {
	char unused;
};

struct lockdep_map {
	char unused;
};

#define STATIC_LOCKDEP_MAP_INIT(n, k)		{ 0 }
#define _THIS_IP_				((unsigned long)__builtin_return_address(0))
#define _RET_IP_				((unsigned long)__builtin_return_address(0))
#define SINGLE_DEPTH_NESTING			1
#define lockdep_register_key(k)			((void)(k))
#define lockdep_unregister_key(k)		((void)(k))
#define lockdep_init_map(m, n, k, s)		((void)(m), (void)(k))
#define lockdep_set_class(l, k)			((void)(k))
#define lockdep_set_class_and_name(l, k, n)	((void)(k))
#define lockdep_set_subclass(l, s)		((void)0)
#define lockdep_set_novalidate_class(l)		((void)0)
#define lockdep_set_no_check_recursion(m)	((void)0)
#define lockdep_match_class(l, k)		1
#define lockdep_set_lock_cmp_fn(l, f, p)	((void)0)
#define lock_acquire(m, s, t, r, c, n, ip)	((void)(m))
#define lock_release(m, ip)			((void)(m))
#define lock_acquire_shared(m, s, t, n, ip)	((void)(m))
#define lock_acquire_exclusive(m, s, t, n, ip)	((void)(m))
#define lock_acquired(m, ip)			((void)(m))
#define lock_contended(m, ip)			((void)(m))
#define lock_map_acquire(m)			((void)(m))
#define lock_map_acquire_read(m)		((void)(m))
#define lock_map_release(m)			((void)(m))
#define might_lock(l)				((void)(l))
#define lock_is_held(l)				1
#define lockdep_is_held(l)			1
#define lockdep_assert(c)			((void)0)
#define lockdep_assert_held(l)			((void)(l))
#define lockdep_assert_not_held(l)		((void)(l))
#define lockdep_assert_held_write(l)		((void)(l))
#define lockdep_assert_held_read(l)		((void)(l))
#define lockdep_assert_held_once(l)		((void)(l))
#define lockdep_assert_none_held_once()		((void)0)
#define debug_check_no_locks_held()		((void)0)
#define debug_locks_off()			((void)0)
#define lockdep_depth(t)			0

#endif
