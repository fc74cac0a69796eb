/* SPDX-License-Identifier: GPL-2.0 */
/* Reader/writer semaphores. A waiting writer holds new readers back. */
#ifndef KAPI_LINUX_RWSEM_H
#define KAPI_LINUX_RWSEM_H

#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/types.h>
#include <pthread.h>

struct rw_semaphore {
	pthread_mutex_t kapi_mutex;
	pthread_cond_t kapi_cond;
	/* Readers inside, or -1 for one writer. */
	int kapi_count;
	int kapi_writers_waiting;
};
#define __RWSEM_INITIALIZER(name) \
	{ .kapi_mutex = PTHREAD_MUTEX_INITIALIZER, .kapi_cond = PTHREAD_COND_INITIALIZER }
#define DECLARE_RWSEM(name)	struct rw_semaphore name = __RWSEM_INITIALIZER(name)

void init_rwsem(struct rw_semaphore *s);
void down_read(struct rw_semaphore *s);
int down_read_trylock(struct rw_semaphore *s);
void up_read(struct rw_semaphore *s);
void down_write(struct rw_semaphore *s);
int down_write_trylock(struct rw_semaphore *s);
void up_write(struct rw_semaphore *s);
void downgrade_write(struct rw_semaphore *s);
int rwsem_is_locked(struct rw_semaphore *s);
int rwsem_is_contended(struct rw_semaphore *s);

static inline int __must_check down_read_killable(struct rw_semaphore *s)
{
	down_read(s);
	return 0;
}

static inline int __must_check down_write_killable(struct rw_semaphore *s)
{
	down_write(s);
	return 0;
}
#define down_read_interruptible(s)	down_read_killable(s)
#define down_read_nested(s, n)		down_read(s)
#define down_write_nested(s, n)		down_write(s)
#define down_read_non_owner(s)		down_read(s)
#define up_read_non_owner(s)		up_read(s)

#endif
