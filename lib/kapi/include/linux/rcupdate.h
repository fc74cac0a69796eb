/* SPDX-License-Identifier: GPL-2.0 */
/* RCU over liburcu (memb flavour). Threads register themselves. */
#ifndef KAPI_LINUX_RCUPDATE_H
#define KAPI_LINUX_RCUPDATE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/types.h>

void rcu_read_lock(void);
void rcu_read_unlock(void);
int rcu_read_lock_held(void);
void synchronize_rcu(void);
void call_rcu(struct rcu_head *head, rcu_callback_t fn);
/* All callbacks queued before have run. */
void rcu_barrier(void);
void kapi_kvfree_rcu(struct rcu_head *head, size_t offset);
void kapi_kvfree_rcu_sleep(const void *p);

#define synchronize_rcu_expedited()	synchronize_rcu()
#define call_rcu_hurry(h, f)		call_rcu(h, f)
#define rcu_read_lock_bh()		rcu_read_lock()
#define rcu_read_unlock_bh()		rcu_read_unlock()
#define rcu_barrier_tasks()		rcu_barrier()

/* Data dependency is enough for the machine; TSan wants an acquire. */
#ifdef __CHECKER__
#define rcu_dereference(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	WRITE_ONCE(p, v)
#else
#define rcu_dereference(p)		__atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_assign_pointer(p, v)	__atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#endif
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_dereference_check(p, c)	rcu_dereference(p)
#define rcu_dereference_raw(p)		rcu_dereference(p)
#define rcu_dereference_bh(p)		rcu_dereference(p)
#define rcu_dereference_protected(p, c)	READ_ONCE(p)
#define rcu_replace_pointer(p, v, c) ({ \
	__typeof__(p) __rr_o = rcu_dereference_protected(p, c); \
	rcu_assign_pointer(p, v); \
	__rr_o; \
})
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define RCU_LOCKDEP_WARN(c, s)		((void)0)
#define rcu_pointer_handoff(p)		(p)
#define kfree_rcu(p, f)	kapi_kvfree_rcu(&(p)->f, offsetof(__typeof__(*(p)), f))
#define kvfree_rcu(p, f)		kfree_rcu(p, f)
#define kfree_rcu_mightsleep(p)		kapi_kvfree_rcu_sleep(p)
#define kvfree_rcu_mightsleep(p)	kapi_kvfree_rcu_sleep(p)

#endif
