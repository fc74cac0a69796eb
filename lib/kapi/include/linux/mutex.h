/* SPDX-License-Identifier: GPL-2.0 */
/* Mutexes; only the locker may unlock, and that is checked. */
#ifndef KAPI_LINUX_MUTEX_H
#define KAPI_LINUX_MUTEX_H

#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/types.h>
#include <pthread.h>

struct mutex {
	pthread_mutex_t kapi_mutex;
	int kapi_locked;
};
#define __MUTEX_INITIALIZER(name)	{ .kapi_mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP }
#define DEFINE_MUTEX(name)		struct mutex name = __MUTEX_INITIALIZER(name)

void mutex_init(struct mutex *m);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m) __acquires(m);
void mutex_unlock(struct mutex *m) __releases(m);
int mutex_trylock(struct mutex *m) __cond_acquires(m);
bool mutex_is_locked(struct mutex *m);

static inline int __must_check mutex_lock_killable(struct mutex *m)
{
	mutex_lock(m);
	return 0;
}
#define mutex_lock_interruptible(m)	mutex_lock_killable(m)
#define mutex_lock_nested(m, s)		mutex_lock(m)
#define mutex_lock_io(m)		mutex_lock(m)
#define mutex_lock_killable_nested(m, s) mutex_lock_killable(m)

#endif
