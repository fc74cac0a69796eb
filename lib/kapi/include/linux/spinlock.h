/* SPDX-License-Identifier: GPL-2.0 */
/* Spin locks are mutexes that check their use. */
#ifndef KAPI_LINUX_SPINLOCK_H
#define KAPI_LINUX_SPINLOCK_H

#include <asm/barrier.h>
#include <linux/bottom_half.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/preempt.h>
#include <linux/types.h>
#include <pthread.h>

typedef struct spinlock {
	pthread_mutex_t kapi_mutex;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name)	{ .kapi_mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP }
#define DEFINE_SPINLOCK(name)		spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RAW_SPINLOCK(name)	raw_spinlock_t name = __SPIN_LOCK_UNLOCKED(name)

void spin_lock_init(spinlock_t *l);
void spin_lock(spinlock_t *l) __acquires(l);
void spin_unlock(spinlock_t *l) __releases(l);
int spin_trylock(spinlock_t *l) __cond_acquires(l);
int spin_is_locked(spinlock_t *l);

#define spin_lock_nested(l, s)		spin_lock(l)
#define spin_lock_irq(l)		spin_lock(l)
#define spin_unlock_irq(l)		spin_unlock(l)
#define spin_lock_bh(l)			spin_lock(l)
#define spin_unlock_bh(l)		spin_unlock(l)
#define spin_lock_irqsave(l, f)		do { (f) = 0; spin_lock(l); } while (0)
#define spin_lock_irqsave_nested(l, f, s) spin_lock_irqsave(l, f)
#define spin_unlock_irqrestore(l, f)	do { (void)(f); spin_unlock(l); } while (0)
#define spin_trylock_irqsave(l, f)	({ (f) = 0; spin_trylock(l); })
#define spin_trylock_irq(l)		spin_trylock(l)
#define spin_trylock_bh(l)		spin_trylock(l)
#define assert_spin_locked(l)		((void)(l))
#define raw_spin_lock_init(l)		spin_lock_init(l)
#define raw_spin_lock(l)		spin_lock(l)
#define raw_spin_unlock(l)		spin_unlock(l)
#define raw_spin_trylock(l)		spin_trylock(l)
#define raw_spin_lock_irq(l)		spin_lock(l)
#define raw_spin_unlock_irq(l)		spin_unlock(l)
#define raw_spin_lock_irqsave(l, f)	spin_lock_irqsave(l, f)
#define raw_spin_unlock_irqrestore(l, f) spin_unlock_irqrestore(l, f)

typedef struct {
	pthread_rwlock_t kapi_rwlock;
} rwlock_t;
#define DEFINE_RWLOCK(name)		rwlock_t name = { PTHREAD_RWLOCK_INITIALIZER }

void rwlock_init(rwlock_t *l);
void read_lock(rwlock_t *l) __acquires(l);
void read_unlock(rwlock_t *l) __releases(l);
void write_lock(rwlock_t *l) __acquires(l);
void write_unlock(rwlock_t *l) __releases(l);
#define read_lock_irqsave(l, f)		do { (f) = 0; read_lock(l); } while (0)
#define read_unlock_irqrestore(l, f)	do { (void)(f); read_unlock(l); } while (0)
#define write_lock_irqsave(l, f)	do { (f) = 0; write_lock(l); } while (0)
#define write_unlock_irqrestore(l, f)	do { (void)(f); write_unlock(l); } while (0)
#define write_lock_irq(l)		write_lock(l)
#define write_unlock_irq(l)		write_unlock(l)
#define read_lock_irq(l)		read_lock(l)
#define read_unlock_irq(l)		read_unlock(l)

#endif
